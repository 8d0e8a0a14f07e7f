// Rows into the files of a folder by their partition: which row goes where, and the files
// themselves.
//
// PartLayout is what all parts of a write share: immutable, any thread. PartFiles writes the files
// of one part and belongs to one thread; at most 64 of them are open at once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "session/row_encoder.h"

namespace weir::session {

class PartLayout {
 public:
  // Errors: PARTITION_COLUMN_NOT_FOUND_IN_SCHEMA, ALL_PARTITION_COLUMNS_NOT_ALLOWED, and those of
  // the format's options.
  static Result<std::shared_ptr<const PartLayout>> make(const FileWrite& write,
                                                        const Schema& schema);
  bool partitioned() const { return !partitions_.empty(); }

 private:
  friend class PartFiles;
  // Columns of exactly the files' types: whether elements may be null is part of them, and Parquet
  // files are written by it.
  Result<relational::BatchPtr> data_of(const arrow::RecordBatch& batch) const;

  Schema schema_ = Schema::structure({});
  Schema data_schema_ = Schema::structure({});
  std::vector<size_t> partitions_;
  std::vector<int> data_columns_;
  std::unique_ptr<RowFormat> format_;
};

class PartFiles {
 public:
  struct File {
    std::string folder;  // day=2024-01-01/hour=7, or empty
    std::string name;    // part-00000-….snappy.parquet
    std::string path;    // where it is written
    int64_t rows = 0;
  };
  // Where the file of that number in this part is written.
  using Place = std::function<Result<std::string>(const File& file, size_t number)>;

  PartFiles(io::FileSystem& fs, std::shared_ptr<const PartLayout> layout, std::string job, int part,
            Place place)
      : fs_(fs),
        layout_(std::move(layout)),
        job_(std::move(job)),
        part_(part),
        place_(std::move(place)) {}

  Result<void> write(const relational::BatchPtr& rows);
  // A file without rows, where none has been opened.
  Result<void> write_empty();
  // All files are durable; their names are not.
  Result<void> finish();
  void abandon() { open_.clear(); }
  const std::vector<File>& files() const { return files_; }

 private:
  struct OpenFile {
    std::unique_ptr<RowEncoder> encoder;
    size_t number = 0;
  };
  using OpenFiles = std::map<std::string, OpenFile>;

  Result<void> write_rows(const std::string& folder, const relational::BatchPtr& rows);
  Result<void> open_file(const std::string& folder);
  Result<void> close_file(OpenFiles::iterator at);

  io::FileSystem& fs_;
  std::shared_ptr<const PartLayout> layout_;
  std::string job_;
  int part_;
  Place place_;
  std::vector<File> files_;
  OpenFiles open_;
  std::map<std::string, int> counters_;
};

}  // namespace weir::session
