// One Parquet data file while it is written: encoder, statistics, and the file itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "delta/data_file_writer.h"
#include "delta/statistics.h"

namespace arrow {
class Array;
}

namespace weir::delta {

class ParquetFile {
 public:
  // schema: the file's columns (no partition columns, no void). `sample` chooses dictionary
  // encoding column by column: where few values repeat; encoding a column by a dictionary costs
  // three times the plain form.
  static Result<std::unique_ptr<ParquetFile>> create(
      io::FileSystem& fs, std::string path, const columnar::Schema& schema,
      const Metadata& metadata, const DataFileOptions& options,
      const std::vector<std::shared_ptr<arrow::Array>>& sample);
  ~ParquetFile();

  Result<void> write(const std::vector<std::shared_ptr<arrow::Array>>& columns, int64_t rows);
  // Ends the row group and the footer, syncs and closes. The folder is not yet synced.
  Result<void> finish();

  const std::string& path() const { return path_; }
  int64_t bytes() const;  // that have left the encoder
  const StatisticsCollector& statistics() const { return statistics_; }

 private:
  struct Encoder;
  ParquetFile(std::string path, StatisticsCollector statistics);
  std::string path_;
  StatisticsCollector statistics_;
  std::unique_ptr<Encoder> encoder_;
};

}  // namespace weir::delta
