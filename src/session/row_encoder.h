// Rows into one file of a format: parquet, json, csv, text.
#pragma once

#include <memory>
#include <string>

#include "session/writers.h"

namespace weir::session {

class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  virtual Result<void> write(const relational::BatchPtr& rows) = 0;
  // Everything is in the file, which is durable and closed.
  virtual Result<void> finish() = 0;
};

// What all files of one write share: options checked, expressions compiled.
class RowFormat {
 public:
  // kUnsupported by name for options that Spark has and weir has not.
  static Result<std::unique_ptr<RowFormat>> make(const FileWrite& write, const Schema& schema);
  virtual ~RowFormat() = default;
  virtual std::string suffix() const = 0;  // ".snappy.parquet"
  virtual Result<std::unique_ptr<RowEncoder>> open(io::FileSystem& fs,
                                                   const std::string& path) const = 0;
};

}  // namespace weir::session
