// Arrow record batches → Parquet data files of a Delta table, with the add actions that describe
// them.
//
// Rows go to one open file a partition; a file that reaches the target size is finished and a next
// one begun. finish() makes every file durable (the files, then their folders) before it returns
// their add actions: only then may a log entry name them. Without finish(), the destructor leaves
// files that no log entry names; abort() removes them. Used by one thread at a time; several
// writers of one table may run at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "columnar/data_type.h"
#include "delta/actions.h"
#include "delta/durable_folders.h"
#include "delta/table.h"

namespace arrow {
class RecordBatch;
}

namespace weir::delta {

enum class ParquetCompression { kUncompressed, kSnappy, kZstd, kGzip };
// "snappy", "zstd", "gzip", "none"/"uncompressed" in any case.
Result<ParquetCompression> parse_compression(const std::string& name);

struct DataFileOptions {
  ParquetCompression compression = ParquetCompression::kSnappy;
  int64_t target_file_bytes = 128LL << 20;  // a file is ended at the first row group past it
  int64_t row_group_rows = 128 * 1024;
  int64_t open_partitions_max =
      64;  // most files open at once; further partitions end the oldest one
  std::shared_ptr<DurableFolders>
      folders;  // shared by the writers of one table; null: the writer's own
};

class DataFileWriter {
 public:
  // schema: the table's, with its partition columns. metadata gives partitioning and the
  // statistics' settings.
  static Result<std::unique_ptr<DataFileWriter>> create(Environment environment,
                                                        std::string table_path,
                                                        columnar::Schema schema,
                                                        const Metadata& metadata,
                                                        DataFileOptions options);
  virtual ~DataFileWriter() = default;

  // Columns are found by name (any case); missing ones are NULL; one that the table lacks is
  // kInvalidArgument, as is NULL in a NOT NULL column. Types are cast where no value is lost by the
  // type alone (int → long).
  virtual Result<void> write(const arrow::RecordBatch& rows) = 0;
  // Encoded bytes handed on so far and rows taken.
  virtual int64_t rows() const = 0;
  virtual Result<std::vector<AddFile>> finish() = 0;
  virtual Result<void> abort() = 0;
};

}  // namespace weir::delta
