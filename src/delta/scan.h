// Reads a snapshot: chooses columns and files, and yields Arrow record batches in the table's own
// types.
//
// Partition columns are added from the log, columns that a file lacks are NULL, rows of deletion
// vectors are left out, column mapping and type widening are undone. plan() reads no data. Files
// may be read by several threads at once, one FileReader each; the snapshot's file system outlives
// them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delta/predicate.h"
#include "delta/snapshot.h"
#include "io/file_system.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace weir::delta {

struct ScanOptions {
  // Top-level columns in the order wanted (any case); nullopt: all; empty: no columns, batches
  // carry the row count only.
  std::optional<std::vector<std::string>> columns;
  Predicate predicate;         // chooses files only
  int64_t batch_rows = 65536;  // most rows of a batch
};

class FileReader {
 public:
  virtual ~FileReader() = default;
  // nullptr at the end. Batches may be empty.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> next() = 0;
};

class Scan {
 public:
  static Result<Scan> plan(io::FileSystem& fs, std::shared_ptr<const TableSnapshot> snapshot,
                           ScanOptions options = {});

  const Schema& schema() const { return schema_; }  // of the chosen columns
  const std::shared_ptr<arrow::Schema>& arrow_schema() const { return arrow_schema_; }
  const FileList& files() const { return files_; }  // that are left after skipping
  int64_t files_skipped() const { return skipped_; }

  Result<std::unique_ptr<FileReader>> open(size_t file_index) const;
  // All batches of all files, in order; stops at the first error that `take` returns.
  Result<void> for_each(
      const std::function<Result<void>(const std::shared_ptr<arrow::RecordBatch>&)>& take) const;
  // Every file has numRecords in its statistics: rows without reading data; else nullopt.
  std::optional<int64_t> row_count_by_statistics() const;

 private:
  io::FileSystem* fs_ = nullptr;
  std::shared_ptr<const TableSnapshot> snapshot_;
  Schema schema_ = Schema::structure({});
  std::shared_ptr<arrow::Schema> arrow_schema_;
  std::vector<int> columns_;  // indexes into the snapshot's schema
  FileList files_;
  int64_t skipped_ = 0;
  int64_t batch_rows_ = 0;
};

}  // namespace weir::delta
