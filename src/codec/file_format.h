// Reading files of a format as record batches: what the file stream source is built on.
//
// A FileFormat is made once per query from Spark's option map and the columns wanted; it is
// immutable and may be used by several threads. open() gives a reader of one part of one file; a
// reader belongs to one thread and holds a bounded amount of memory (about batch_bytes, or one
// record where a record is larger; multiLine and wholetext files are held whole, and refused past 1
// GiB).
//
// Options: names in any case. Known ones are applied; those that Spark has and weir does not are
// kUnsupported, by name; names that Spark does not have are ignored as Spark does and listed by
// unknown_options() for a warning. Options of the file source (path, recursiveFileLookup,
// maxFilesPerTrigger …) are known and left to it.
//
// Formats: json, csv, text, parquet. Text formats are read through gzip where the name ends in
// ".gz".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/record_options.h"
#include "columnar/data_type.h"
#include "io/file_system.h"

namespace arrow {
class RecordBatch;
}

namespace weir::codec {

using base::Result;
using columnar::Schema;

// Part of a file by bytes. Text formats: the lines that begin in [begin, end). Parquet: the row
// groups whose middle byte is in it. Files that cannot be split (gzip, multiLine, wholetext) are
// read whole by the part that begins at 0.
struct FileRange {
  int64_t begin = 0;
  int64_t end = INT64_MAX;
};

class FormatReader {
 public:
  virtual ~FormatReader() = default;
  // The next rows with the columns of the format's schema, in its order; nullptr at the end.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) = 0;
  virtual const RecordCounters& counters() const = 0;
};

class FileFormat {
 public:
  virtual ~FileFormat() = default;
  virtual const std::string& name() const = 0;
  // The columns that readers give.
  virtual const Schema& schema() const = 0;
  // Whether parts of this file may be read apart.
  virtual bool splittable(const io::FileInfo& file) const = 0;
  virtual const std::vector<std::string>& unknown_options() const = 0;
  virtual Result<std::unique_ptr<FormatReader>> open(io::FileSystem& fs, const io::FileInfo& file,
                                                     FileRange range) const = 0;
};

struct FileFormatRequest {
  std::string format;  // "json", "csv", "text", "parquet" in any case
  std::map<std::string, std::string> options;
  // The schema that the user gave: the file's columns (CSV goes by position in it). For text one
  // STRING column, by default "value". Empty fields are allowed for parquet only with `columns`
  // empty (count of rows).
  Schema file_schema = Schema::structure({});
  // Names out of file_schema, in the order wanted; nullopt: all.
  std::optional<std::vector<std::string>> columns;
  int64_t batch_rows = 65536;
  int64_t batch_bytes = 32 << 20;
};

Result<std::shared_ptr<const FileFormat>> make_file_format(FileFormatRequest request);

}  // namespace weir::codec
