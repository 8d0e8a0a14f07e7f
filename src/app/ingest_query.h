// From the words of `weir ingest` to a query: source, pipeline and sink. The demo builds its query
// the same way.
#pragma once

#include <map>
#include <string>

#include "stream/micro_batch_query.h"

namespace weir::app {

struct IngestSpec {
  std::string from;  // kafka://HOST:PORT[,HOST:PORT…]/TOPIC[,TOPIC…], or a folder or glob of files
  std::string format;  // of files: json, csv, text, parquet
  std::string schema;  // DDL, schema JSON, or the path of a file with either
  std::string to;      // the Delta table's folder
  std::string select;
  std::string where;
  // Of the source, of reading JSON or CSV, and of the table (mergeSchema, partitionBy,
  // targetFileSize, compression, checkpointInterval); Spark's names.
  std::map<std::string, std::string> options;
};

base::Result<stream::QueryParts> build_ingest_query(stream::QueryEnvironment environment,
                                                    const IngestSpec& spec);

// Text of a schema, or of the file it names, as a schema.
base::Result<columnar::Schema> read_schema(io::FileSystem& files, const std::string& text_or_path);

}  // namespace weir::app
