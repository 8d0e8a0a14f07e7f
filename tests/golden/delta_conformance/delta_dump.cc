// delta_dump: reads "TABLE<tab>OUT.arrow" lines from standard input, writes each table's rows as an
// Arrow IPC file, and answers a line each: "ok<tab>rows" or "error<tab>KIND<tab>message".
#include <cstdio>
#include <iostream>
#include <string>

#include <arrow/io/buffered.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>

#include "columnar/arrow_adapter.h"
#include "delta/scan.h"
#include "delta/table.h"

namespace {

using weir::base::Result;

Result<int64_t> dump(weir::io::FileSystem& fs, const std::string& table,
                     const std::string& out_path) {
  WEIR_ASSIGN(auto snapshot, weir::delta::Table::snapshot_at(fs, table));
  WEIR_ASSIGN(const auto scan, weir::delta::Scan::plan(fs, snapshot));
  WEIR_ARROW_ASSIGN(auto out, arrow::io::FileOutputStream::Open(out_path));
  WEIR_ARROW_ASSIGN(auto writer, arrow::ipc::MakeFileWriter(out, scan.arrow_schema()));
  int64_t rows = 0;
  const auto take = [&](const std::shared_ptr<arrow::RecordBatch>& batch) -> Result<void> {
    rows += batch->num_rows();
    WEIR_ARROW_TRY(batch->ValidateFull());
    WEIR_ARROW_TRY(writer->WriteRecordBatch(*batch));
    return {};
  };
  WEIR_TRY(scan.for_each(take));
  WEIR_ARROW_TRY(writer->Close());
  return rows;
}

}  // namespace

int main() {
  const auto fs = weir::io::local_file_system();
  std::string line;
  while (std::getline(std::cin, line)) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) return 2;
    const auto rows = dump(*fs, line.substr(0, tab), line.substr(tab + 1));
    if (rows.ok()) {
      std::cout << "ok\t" << *rows << std::endl;
    } else {
      std::string message = rows.error().message();
      for (char& c : message)
        c = c == '\n' || c == '\t' ? ' ' : c;
      std::cout << "error\t" << weir::base::error_kind_name(rows.error().kind()) << "\t" << message
                << std::endl;
    }
  }
  return 0;
}
