#include "session/kafka_table.h"

#include <algorithm>
#include <functional>
#include <mutex>

#include <arrow/record_batch.h>

#include "columnar/arrow_types.h"
#include "eval/node.h"
#include "relational/scan_schema.h"
#include "source/event_hubs_source.h"
#include "source/kafka_rows.h"
#include "source/kafka_source.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using relational::BatchPtr;
using relational::BatchStream;

namespace {

// The readers of one scan; each stream takes the next that nobody has.
struct SharedReaders {
  std::unique_ptr<source::Source> source;
  Schema schema = Schema::structure({});
  std::mutex mutex;
  std::vector<std::unique_ptr<source::PartitionReader>> readers;
};

class KafkaStream final : public BatchStream {
 public:
  explicit KafkaStream(std::shared_ptr<SharedReaders> shared) : shared_(std::move(shared)) {}
  const Schema& schema() const override { return shared_->schema; }
  Result<BatchPtr> next(std::stop_token stop) override {
    while (true) {
      if (!reader_) {
        const std::lock_guard lock(shared_->mutex);
        if (shared_->readers.empty()) return BatchPtr();
        reader_ = std::move(shared_->readers.back());
        shared_->readers.pop_back();
      }
      WEIR_ASSIGN(const auto rows, reader_->next(stop));
      if (rows) return plain(*rows);
      reader_.reset();
    }
  }

 private:
  // Keys and values come as views into what was fetched.
  Result<BatchPtr> plain(const arrow::RecordBatch& rows) const {
    const auto schema = columnar::to_arrow_schema(shared_->schema);
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (int i = 0; i < rows.num_columns(); ++i) {
      WEIR_ASSIGN(auto array, eval::canonical(rows.column(i), schema->field(i)->type()));
      arrays.push_back(std::move(array));
    }
    return arrow::RecordBatch::Make(schema, rows.num_rows(), std::move(arrays));
  }

  std::shared_ptr<SharedReaders> shared_;
  std::unique_ptr<source::PartitionReader> reader_;
};

class KafkaTable final : public relational::ScanSource {
 public:
  using Make = std::function<Result<std::unique_ptr<source::Source>>()>;
  KafkaTable(std::string provider, std::string description, Schema schema, Make make,
             std::optional<source::KafkaOffsets> ending)
      : provider_(std::move(provider)),
        description_(std::move(description)),
        schema_(std::move(schema)),
        make_(std::move(make)),
        ending_(std::move(ending)) {}

  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return provider_; }
  std::string description() const override { return description_; }
  Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                         const plan::TypedPtr&,
                                                         int streams) const override {
    auto shared = std::make_shared<SharedReaders>();
    WEIR_ASSIGN(shared->source, make_());
    auto& source = *shared->source;
    WEIR_TRY(source.open({}));
    WEIR_ASSIGN(const std::string start, source.initial_offset());
    WEIR_ASSIGN(const auto latest, source.latest_offset(start, true));
    WEIR_ASSIGN(const std::string end, end_of(start, latest));
    shared->schema = relational::pick_fields(schema_, columns);
    std::vector<std::string> names;
    for (const auto& field : shared->schema.fields())
      names.push_back(field.name);
    WEIR_ASSIGN(shared->readers, source.plan(start, end, names));
    std::reverse(shared->readers.begin(), shared->readers.end());
    const auto wanted =
        std::clamp<size_t>(shared->readers.size(), 1, static_cast<size_t>(std::max(1, streams)));
    std::vector<std::unique_ptr<BatchStream>> all;
    for (size_t i = 0; i < wanted; ++i)
      all.push_back(std::make_unique<KafkaStream>(shared));
    return all;
  }

 private:
  // Where the partitions' ranges end: what is asked for, as far as it is there.
  Result<std::string> end_of(const std::string& start, const source::LatestOffset& latest) const {
    if (!ending_) return latest.end;
    WEIR_ASSIGN(const auto from, source::parse_kafka_offsets(start, "starting offsets"));
    WEIR_ASSIGN(const auto there, source::parse_kafka_offsets(latest.latest, "latest offsets"));
    source::KafkaOffsets end;
    for (const auto& [partition, newest] : there) {
      const auto given = ending_->find(partition);
      if (given == ending_->end())
        return error(ErrorKind::kInvalidArgument,
                     "option endingOffsets has to name every partition (-1: latest); {}-{} is "
                     "missing",
                     partition.topic, partition.partition);
      end[partition] = given->second == -1 ? newest : given->second;
      const auto begin = from.find(partition);
      if (begin != from.end()) end[partition] = std::max(end[partition], begin->second);
    }
    return source::kafka_offsets_json(end);
  }

  std::string provider_;
  std::string description_;
  Schema schema_;
  Make make_;
  std::optional<source::KafkaOffsets> ending_;
};

std::optional<std::string> take(TextMap& options, std::string_view name) {
  for (auto option = options.begin(); option != options.end(); ++option) {
    if (lower_case(option->first) != lower_case(name)) continue;
    std::string value = option->second;
    options.erase(option);
    return value;
  }
  return std::nullopt;
}

bool has(const TextMap& options, std::string_view name) {
  return std::any_of(options.begin(), options.end(), [&](const auto& option) {
    return lower_case(option.first) == lower_case(name);
  });
}

}  // namespace

Result<std::shared_ptr<const relational::ScanSource>> open_kafka_table(const Services& services,
                                                                       TextMap options,
                                                                       const Origin& origin) {
  for (const char* name : {"endingOffsetsByTimestamp", "endingTimestamp"})
    if (has(options, name))
      return unsupported(fmt::format("the option {} of a Kafka topic", name), origin);
  const auto ending = take(options, "endingOffsets");
  std::optional<source::KafkaOffsets> ends;
  if (ending && lower_case(*ending) == "earliest")
    return error(ErrorKind::kInvalidArgument,
                 "ending offset can't be earliest for batch queries on Kafka");
  if (ending && lower_case(*ending) != "latest") {
    auto parsed = source::parse_kafka_offsets(*ending, "option endingOffsets");
    if (!parsed.ok()) return error(ErrorKind::kInvalidArgument, "{}", parsed.error().message());
    for (const auto& [partition, offset] : *parsed)
      if (offset < -1)
        return error(ErrorKind::kInvalidArgument,
                     "endingOffsets for {}-{} can't be earliest for batch queries on Kafka",
                     partition.topic, partition.partition);
    ends = std::move(*parsed);
  }
  if (!has(options, "startingOffsets") && !has(options, "startingTimestamp") &&
      !has(options, "startingOffsetsByTimestamp"))
    options["startingOffsets"] = "earliest";
  WEIR_ASSIGN(auto parsed,
              source::parse_kafka_source_options(options, source::UnknownOptions::kIgnore));
  if (parsed.start == source::KafkaSourceOptions::Start::kLatest)
    return error(ErrorKind::kInvalidArgument,
                 "starting offset can't be latest for batch queries on Kafka");
  return std::shared_ptr<const relational::ScanSource>(std::make_shared<KafkaTable>(
      "kafka", fmt::format("kafka [{}]", parsed.strategy()),
      source::kafka_schema(parsed.include_headers),
      [services, parsed] {
        const source::KafkaSourceEnvironment environment{services.fs, services.clock,
                                                         services.random};
        return source::make_kafka_source(environment, parsed, source::kafka_clients(environment));
      },
      std::move(ends)));
}

Result<std::shared_ptr<const relational::ScanSource>> open_event_hub_table(const Services& services,
                                                                           TextMap options,
                                                                           const Origin& origin) {
  for (const char* name : {"eventhubs.endingPosition", "eventhubs.endingPositions"})
    if (has(options, name))
      return unsupported(fmt::format("the option {} of an event hub", name), origin);
  if (!has(options, "eventhubs.startingPosition") && !has(options, "eventhubs.startingPositions"))
    options["eventhubs.startingPosition"] = R"({"offset":"-1"})";
  WEIR_ASSIGN(auto parsed,
              source::parse_event_hubs_options(options, source::UnknownOptions::kIgnore));
  return std::shared_ptr<const relational::ScanSource>(std::make_shared<KafkaTable>(
      "eventhubs", fmt::format("eventhubs [{}]", parsed.subscribe.front()),
      source::event_hubs_schema(),
      [services, parsed] {
        const source::KafkaSourceEnvironment environment{services.fs, services.clock,
                                                         services.random};
        return source::make_event_hubs_source(environment, parsed,
                                              source::kafka_clients(environment));
      },
      std::nullopt));
}

}  // namespace weir::session
