// delta_write TABLE ROWS.arrow QUERY BATCH [option=value…]: one batch through the Delta sink, for
// the interop test. Prints "version N", "done" or "error KIND message". checkpoint=now writes a
// checkpoint afterwards.
#include <cstdio>
#include <string>

#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/checkpoint_writer.h"
#include "sink/delta_sink.h"

namespace {

using weir::base::Result;

Result<weir::sink::SinkCommit> write(const weir::delta::Environment& environment, int argc,
                                     char** argv) {
  std::vector<std::pair<std::string, std::string>> given = {{"path", argv[1]},
                                                            {"checkpointInterval", "0"}};
  bool checkpoint = false;
  for (int i = 5; i < argc; ++i) {
    const std::string option = argv[i];
    const size_t equals = option.find('=');
    if (option == "checkpoint=now") {
      checkpoint = true;
    } else {
      given.emplace_back(option.substr(0, equals), option.substr(equals + 1));
    }
  }
  WEIR_ASSIGN(const auto options, weir::sink::parse_delta_sink_options(given));
  WEIR_ARROW_ASSIGN(auto input, arrow::io::ReadableFile::Open(argv[2]));
  WEIR_ARROW_ASSIGN(auto reader, arrow::ipc::RecordBatchFileReader::Open(input));
  WEIR_ASSIGN(const auto schema, weir::columnar::from_arrow(*reader->schema()));
  WEIR_ASSIGN(auto sink, weir::sink::make_delta_sink(environment, options));
  WEIR_TRY(sink->prepare({argv[3], "run", "interop"}, schema));
  WEIR_ASSIGN(auto writer, sink->begin(weir::base::BatchId(std::stoll(argv[4])), 1));
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    WEIR_ARROW_ASSIGN(auto rows, reader->ReadRecordBatch(i));
    WEIR_TRY(writer->write(0, rows));
  }
  WEIR_ASSIGN(auto commit, writer->commit());
  if (checkpoint) {
    WEIR_ASSIGN(auto table, weir::delta::Table::open(environment, argv[1]));
    WEIR_TRY(
        weir::delta::write_checkpoint(environment, table->path(), *table->checkpoint_content()));
  }
  return commit;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const auto fs = weir::io::local_file_system();
  weir::base::SystemClock clock;
  weir::base::SystemRandom random;
  const auto commit = write({*fs, clock, random}, argc, argv);
  if (!commit.ok()) {
    std::printf("error %s\n", commit.error().to_string().c_str());
    return 1;
  }
  if (commit->already_done) {
    std::printf("done\n");
  } else {
    std::printf("version %lld\n",
                static_cast<long long>(*weir::base::json_int(commit->details, "tableVersion")));
  }
  return 0;
}
