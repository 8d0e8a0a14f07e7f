#include "app/ingest_query.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "delta/table.h"
#include "sink/delta_sink.h"
#include "source/file_source.h"
#include "source/kafka_source.h"
#include "stream/pipeline.h"

namespace weir::app {

using base::error;
using base::ErrorKind;
using Options = std::map<std::string, std::string>;

namespace {

// Takes the options whose names are in `names` (lower case) out of `options`.
Options take(Options& options, const std::set<std::string>& names) {
  Options taken;
  for (auto entry = options.begin(); entry != options.end();) {
    if (names.contains(base::lower_case(entry->first))) {
      taken.insert(*entry);
      entry = options.erase(entry);
    } else {
      ++entry;
    }
  }
  return taken;
}

const std::set<std::string> kTableOptions = {
    "mergeschema", "partitionby",         "targetfilesize",        "checkpointinterval",
    "autocompact", "autocompactminfiles", "autocompactmaxfilesize"};
const std::set<std::string> kJsonOptions = {"mode",
                                            "columnnameofcorruptrecord",
                                            "timestampformat",
                                            "timestampntzformat",
                                            "dateformat",
                                            "timezone",
                                            "allowcomments",
                                            "allowunquotedfieldnames",
                                            "allowsinglequotes",
                                            "allownumericleadingzeros",
                                            "allownonnumericnumbers",
                                            "allowbackslashescapinganycharacter",
                                            "allowunquotedcontrolchars"};

base::Result<std::unique_ptr<sink::Sink>> make_sink(stream::QueryEnvironment environment,
                                                    const std::string& to,
                                                    const Options& table_options) {
  std::vector<std::pair<std::string, std::string>> options(table_options.begin(),
                                                           table_options.end());
  options.emplace_back("path", to);
  WEIR_ASSIGN(auto parsed, sink::parse_delta_sink_options(options));
  return sink::make_delta_sink(
      delta::Environment{environment.files, environment.clock, environment.random},
      std::move(parsed));
}

base::Result<std::unique_ptr<source::Source>> make_kafka(stream::QueryEnvironment environment,
                                                         const std::string& url, Options options) {
  const std::string rest = url.substr(std::string_view("kafka://").size());
  const size_t slash = rest.find('/');
  const std::string servers = rest.substr(0, slash);
  const std::string topic = slash == std::string::npos ? "" : rest.substr(slash + 1);
  if (servers.empty())
    return error(ErrorKind::kInvalidArgument, "--from {}: kafka://HOST:PORT/TOPIC is expected",
                 url);
  options["kafka.bootstrap.servers"] = servers;
  std::set<std::string> names;
  for (const auto& [name, value] : options)
    names.insert(base::lower_case(name));
  if (!topic.empty()) {
    options["subscribe"] = topic;
  } else if (!names.contains("subscribe") && !names.contains("subscribepattern") &&
             !names.contains("assign")) {
    return error(ErrorKind::kInvalidArgument,
                 "--from {} names no topic: kafka://HOST:PORT/TOPIC, or --option "
                 "subscribePattern=… or assign=…",
                 url);
  }
  // Spark's default is the end of the topic; a table of events should have them all.
  if (!names.contains("startingoffsets") && !names.contains("startingtimestamp") &&
      !names.contains("startingoffsetsbytimestamp"))
    options["startingOffsets"] = "earliest";
  return source::make_kafka_source({environment.files, environment.clock, environment.random},
                                   options);
}

}  // namespace

base::Result<columnar::Schema> read_schema(io::FileSystem& files, const std::string& text_or_path) {
  std::string text = text_or_path;
  std::string what = "--schema";
  if (text.find_first_of("{ \n") == std::string::npos || files.exists(text).ok()) {
    if (auto content = files.read_all(text_or_path); content.ok()) {
      text = std::move(content).value();
      what = text_or_path;
    }
  }
  const size_t begin = text.find_first_not_of(" \t\r\n");
  auto parsed = begin != std::string::npos && text[begin] == '{'
                    ? columnar::parse_type_json_text(text)
                    : columnar::parse_ddl_schema(text);
  if (!parsed.ok()) return std::move(parsed).error().with_context(what);
  if (!parsed->is(columnar::TypeKind::kStruct))
    return error(ErrorKind::kInvalidArgument,
                 "{}: a schema is a list of columns such as 'id BIGINT, name STRING'", what);
  return parsed;
}

base::Result<stream::QueryParts> build_ingest_query(stream::QueryEnvironment environment,
                                                    const IngestSpec& spec) {
  Options options = spec.options;
  const Options table_options = take(options, kTableOptions);
  stream::QueryParts parts;
  stream::PipelineSpec pipeline{.source_schema = columnar::Schema::structure({}),
                                .json = {},
                                .select = spec.select,
                                .where = spec.where};
  if (spec.from.starts_with("kafka://")) {
    if (!spec.format.empty() && base::lower_case(spec.format) != "json")
      return error(ErrorKind::kUnsupported,
                   "--format {}: messages of a Kafka topic are read as json, or without --schema "
                   "as they are",
                   spec.format);
    if (!spec.schema.empty()) {
      WEIR_ASSIGN(auto schema, read_schema(environment.files, spec.schema));
      pipeline.json = stream::JsonMessages{std::move(schema), take(options, kJsonOptions)};
    }
    WEIR_ASSIGN(parts.source, make_kafka(environment, spec.from, std::move(options)));
  } else {
    source::FileSourceSpec files{
        .path = spec.from, .format = spec.format, .schema = {}, .options = std::move(options)};
    if (files.format.empty())
      return error(ErrorKind::kInvalidArgument, "--format is missing: json, csv, text or parquet");
    if (!spec.schema.empty()) {
      WEIR_ASSIGN(files.schema, read_schema(environment.files, spec.schema));
    }
    WEIR_ASSIGN(parts.source,
                source::make_file_source(environment.files, environment.clock, std::move(files)));
  }
  pipeline.source_schema = parts.source->schema();
  WEIR_ASSIGN(parts.pipeline, stream::compile_pipeline(pipeline));
  WEIR_ASSIGN(parts.sink, make_sink(environment, spec.to, table_options));
  return parts;
}

}  // namespace weir::app
