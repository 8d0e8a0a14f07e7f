// Files of a folder as a stream: each file is read once, in the order of modification times
// (Spark's FileStreamSource).
//
// An offset is {"logOffset":N}: the files of entries 0…N of the log in sources/0
// (file_source_log.h), which is written before the offset is told, so the same offset means the
// same files after a restart. Files and folders whose names begin with _ or . are skipped. A file
// has to appear whole (written elsewhere, then renamed): what is added to it after it was seen is
// not read.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "codec/file_format.h"
#include "io/file_system.h"
#include "source/option_text.h"
#include "source/source.h"

namespace arrow {
class Array;
}

namespace weir::source {

struct FileSourceSpec {
  std::string path;              // a folder or a file, with * ? [] {} in any part of it
  std::string format;            // json, csv, text, parquet
  std::optional<Schema> schema;  // needed but for text
  // Of the source: maxFilesPerTrigger, maxBytesPerTrigger, latestFirst, maxFileAge,
  // recursiveFileLookup, pathGlobFilter, fileNameOnly, modifiedBefore, modifiedAfter
  // (2020-06-01T13:00:00); the others are the format's.
  std::map<std::string, std::string> options;
  UnknownOptions unknown = UnknownOptions::kRefuse;  // what neither knows
  int64_t log_interval = 10;  // how often the log of a query that begins is compacted
  // Where given, the rows have this column last, of values that are the same for all rows of a
  // part of a file.
  std::optional<columnar::Field> file_column = {};
  std::function<Result<std::shared_ptr<arrow::Array>>(const io::FileInfo& file,
                                                      const codec::FileRange& range, int64_t rows)>
      file_values = {};
};

Result<std::unique_ptr<Source>> make_file_source(io::FileSystem& files, base::Clock& clock,
                                                 FileSourceSpec spec);

}  // namespace weir::source
