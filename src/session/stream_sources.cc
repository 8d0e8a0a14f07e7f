#include "session/stream_sources.h"

#include <functional>

#include <fmt/format.h>

#include "base/parse_integer.h"
#include "delta/table.h"
#include "plan/metadata_column.h"
#include "session/delta_source.h"
#include "session/file_metadata.h"
#include "session/file_table.h"
#include "source/compact_log.h"
#include "source/delta_source.h"
#include "source/event_hubs_source.h"
#include "source/file_listing.h"
#include "source/file_source.h"
#include "source/kafka_rows.h"
#include "source/kafka_source.h"
#include "source/kafka_source_options.h"
#include "source/rate_micro_batch_source.h"
#include "source/rate_source.h"
#include "source/socket_source.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using source::UnknownOptions;

namespace {

using SourcePtr = std::unique_ptr<source::Source>;
using StreamPtr = std::shared_ptr<const StreamTable>;

// A table whose sources a function makes.
class SourceTable final : public StreamTable {
 public:
  using Make = std::function<Result<SourcePtr>()>;
  SourceTable(std::string provider, std::string description, Schema schema, Make make)
      : provider_(std::move(provider)),
        description_(std::move(description)),
        schema_(std::move(schema)),
        make_(std::move(make)) {}

  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return provider_; }
  std::string description() const override { return description_; }
  Result<SourcePtr> make_source() const override { return make_(); }

 private:
  std::string provider_;
  std::string description_;
  Schema schema_;
  Make make_;
};

// Of files, whose rows can say which of them they come from.
class FileStream final : public StreamTable, public plan::FileBacked {
 public:
  FileStream(Services services, source::FileSourceSpec spec, std::string description, Schema schema)
      : services_(services),
        spec_(std::move(spec)),
        description_(std::move(description)),
        schema_(std::move(schema)) {}

  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return spec_.format; }
  std::string description() const override { return description_; }
  Result<SourcePtr> make_source() const override {
    return source::make_file_source(services_.fs, services_.clock, spec_);
  }
  plan::TablePtr with_metadata() const override {
    auto shown = with_metadata_column(schema_);
    if (!shown) return nullptr;
    auto spec = spec_;
    spec.file_column = shown->fields().back();
    spec.file_values = [](const io::FileInfo& file, const codec::FileRange& range, int64_t rows) {
      const int64_t end = std::min(range.end, file.size);
      return metadata_values(
          {file.path, file.size, file.modified_us, range.begin, end - range.begin}, rows);
    };
    return std::make_shared<FileStream>(services_, std::move(spec), description_,
                                        std::move(*shown));
  }

 private:
  Services services_;
  source::FileSourceSpec spec_;
  std::string description_;
  Schema schema_;
};

// The options are checked by making a source once; that must reach out to nobody.
Result<StreamPtr> table_of(const std::string& provider, const SourceTable::Make& make) {
  WEIR_ASSIGN(const auto source, make());
  return StreamPtr(
      std::make_shared<SourceTable>(provider, source->description(), source->schema(), make));
}

std::optional<std::string> option_of(const TextMap& options, std::string_view name) {
  for (const auto& [key, value] : options)
    if (lower_case(key) == lower_case(name)) return value;
  return std::nullopt;
}

base::Error no_own_schema(const std::string& provider, const Origin& origin) {
  return plain_error("_LEGACY_ERROR_TEMP_2242",
                     fmt::format("{} source does not support user-specified schema.", provider),
                     origin)
      .with_parameter("provider", provider);
}

Result<Schema> inferred_schema(const Services& services, const StreamRequest& request) {
  FileTableRequest batch;
  batch.format = request.format;
  batch.paths = request.paths;
  batch.options = request.options;
  batch.case_sensitive = request.case_sensitive;
  batch.infer_partition_types = request.infer_partition_types;
  batch.ntz = request.ntz;
  WEIR_ASSIGN(const auto table, open_file_table(services, std::move(batch)));
  return table->schema();
}

Result<StreamPtr> open_files(const Services& services, StreamRequest request,
                             const Origin& origin) {
  if (request.paths.empty()) {
    if (const auto path = option_of(request.options, "path")) request.paths = {*path};
  }
  if (request.paths.empty())
    return plain_error("_LEGACY_ERROR_TEMP_2047", "'path' is not specified.", origin);
  if (request.paths.size() > 1) {
    return sql_error("CONNECT_INVALID_PLAN.MULTIPLE_PATHS_NOT_SUPPORTED_FOR_STREAMING_SOURCE",
                     "56K00", "Multiple paths are not supported for streaming source", origin);
  }
  source::FileSourceSpec spec;
  spec.format = request.format;
  WEIR_ASSIGN(spec.path, local_path(request.paths[0]));
  if (!source::has_glob(spec.path)) {
    WEIR_ASSIGN(const bool there, services.fs.exists(spec.path));
    if (!there) {
      return sql_error("PATH_NOT_FOUND", "42K03",
                       fmt::format("Path does not exist: file:{}.", spec.path), origin)
          .with_parameter("path", "file:" + spec.path);
    }
  }
  if (request.schema) {
    spec.schema = request.schema->as_nullable();
  } else if (request.infer_schema) {
    WEIR_ASSIGN(spec.schema, inferred_schema(services, request));
  } else if (request.format != "text") {
    return plain_error(
        "_LEGACY_ERROR_TEMP_2048",
        "Schema must be specified when creating a streaming source DataFrame. If some "
        "files already exist in the directory, then depending on the file format you "
        "may be able to create a static DataFrame on that directory with "
        "'spark.read.load(directory)' and infer schema from it.",
        origin);
  }
  spec.options = std::move(request.options);
  std::erase_if(spec.options,
                [](const auto& option) { return lower_case(option.first) == "path"; });
  spec.unknown = UnknownOptions::kIgnore;
  spec.log_interval = request.log_interval;
  WEIR_ASSIGN(const auto source, source::make_file_source(services.fs, services.clock, spec));
  return StreamPtr(std::make_shared<FileStream>(services, std::move(spec), source->description(),
                                                source->schema()));
}

Result<StreamPtr> open_rate(const Services& services, const StreamRequest& request,
                            const Origin& origin) {
  if (request.schema) return no_own_schema("rate", origin);
  return table_of("rate", [services, options = request.options] {
    return source::make_rate_source(services.fs, services.clock, options, UnknownOptions::kIgnore);
  });
}

Result<StreamPtr> open_rate_micro_batch(const StreamRequest& request, const Origin& origin) {
  if (request.schema) return no_own_schema("rate-micro-batch", origin);
  return table_of("rate-micro-batch", [options = request.options] {
    return source::make_rate_micro_batch_source(options, UnknownOptions::kIgnore);
  });
}

Result<StreamPtr> open_socket(const Services& services, const StreamRequest& request,
                              const Origin& origin) {
  if (request.schema) return no_own_schema("socket", origin);
  return table_of("socket", [services, options = request.options] {
    return source::make_socket_source(services.clock, options, UnknownOptions::kIgnore);
  });
}

Result<StreamPtr> open_delta_table(const Services& services, StreamRequest request,
                                   const Origin& origin) {
  if (request.schema) {
    return sql_error("DELTA_UNSUPPORTED_SCHEMA_DURING_READ", "0AKDC",
                     "Delta does not support specifying the schema at read time.", origin);
  }
  if (request.paths.empty()) {
    if (const auto path = option_of(request.options, "path")) request.paths = {*path};
  }
  if (request.paths.empty())
    return sql_error("DELTA_PATH_MISSING", "42K03", "'path' is not specified.", origin);
  if (request.paths.size() > 1) {
    return sql_error("CONNECT_INVALID_PLAN.MULTIPLE_PATHS_NOT_SUPPORTED_FOR_STREAMING_SOURCE",
                     "56K00", "Multiple paths are not supported for streaming source", origin);
  }
  source::DeltaSourceSpec spec;
  WEIR_ASSIGN(spec.path, local_path(request.paths[0]));
  WEIR_TRY(open_delta(services, spec.path, {}));  // errors of a table that is not there
  spec.options = std::move(request.options);
  std::erase_if(spec.options, [](const auto& option) {
    const std::string name = lower_case(option.first);
    return name == "path" || name == "startingtimestamp";
  });
  spec.starting_timestamp_us = request.starting_timestamp_us;
  spec.unknown = UnknownOptions::kIgnore;
  return table_of("delta", [services, spec = std::move(spec)] {
    return source::make_delta_source({services.fs, services.clock, services.random}, spec);
  });
}

Result<StreamPtr> open_kafka(const Services& services, const StreamRequest& request,
                             const Origin& origin) {
  if (request.schema) return no_own_schema("kafka", origin);
  WEIR_ASSIGN(const auto parsed,
              source::parse_kafka_source_options(request.options, UnknownOptions::kIgnore));
  const auto make = [services, options = request.options] {
    return source::make_kafka_source({services.fs, services.clock, services.random}, options,
                                     UnknownOptions::kIgnore);
  };
  return StreamPtr(
      std::make_shared<SourceTable>("kafka", fmt::format("KafkaV2[{}]", parsed.strategy()),
                                    source::kafka_schema(parsed.include_headers), make));
}

Result<StreamPtr> open_event_hub(const Services& services, const StreamRequest& request,
                                 const Origin& origin) {
  if (request.schema) return no_own_schema("eventhubs", origin);
  WEIR_ASSIGN(const auto parsed,
              source::parse_event_hubs_options(request.options, UnknownOptions::kIgnore));
  const auto make = [services, parsed] {
    const source::KafkaSourceEnvironment environment{services.fs, services.clock, services.random};
    return source::make_event_hubs_source(environment, parsed, source::kafka_clients(environment));
  };
  return StreamPtr(std::make_shared<SourceTable>(
      "eventhubs", fmt::format("EventHubsSource[{}]", parsed.subscribe.front()),
      source::event_hubs_schema(), make));
}

}  // namespace

Result<int64_t> log_interval(const std::optional<std::string>& value, const std::string& key) {
  if (!value) return source::CompactLog::kInterval;
  if (const auto number = base::parse_integer(*value); number && *number > 0) return *number;
  return error(ErrorKind::kInvalidArgument,
               "The value '{}' in the config \"{}\" is invalid. Must be a positive integer.",
               *value, key)
      .with_class("INVALID_CONF_VALUE.REQUIREMENT")
      .with_sql_state("22022")
      .with_parameter("confName", key)
      .with_parameter("confValue", *value)
      .with_parameter("confRequirement", "Must be a positive integer.");
}

Result<StreamPtr> open_stream(const Services& services, StreamRequest request,
                              const Origin& origin) {
  if (is_file_format(request.format)) return open_files(services, std::move(request), origin);
  if (request.format == "rate") return open_rate(services, request, origin);
  if (request.format == "delta") return open_delta_table(services, std::move(request), origin);
  if (request.format == "rate-micro-batch") return open_rate_micro_batch(request, origin);
  if (request.format == "socket") return open_socket(services, request, origin);
  if (request.format == "kafka") return open_kafka(services, request, origin);
  if (request.format == "eventhubs") return open_event_hub(services, request, origin);
  return no_data_source(request.format);
}

}  // namespace weir::session
