#include "source/kafka_source.h"

#include <map>
#include <mutex>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/model_file_system.h"
#include "kafka/client.h"
#include "source/event_hubs_source.h"
#include "source/kafka_offsets.h"
#include "source/kafka_rows.h"

namespace weir::source {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

TEST(KafkaOffsets, JsonIsSparks) {
  const KafkaOffsets offsets{{{"b", 0}, 5}, {{"a", 10}, 2}, {{"a", 2}, 1}};
  EXPECT_EQ(kafka_offsets_json(offsets), R"({"a":{"2":1,"10":2},"b":{"0":5}})");
  EXPECT_EQ(parse_kafka_offsets(R"({"b":{"0":5},"a":{"10":2,"2":1}})", "x").value(), offsets);
  EXPECT_EQ(parse_kafka_offsets(R"({"b":[1]})", "x").error().kind(), ErrorKind::kCorruption);
  EXPECT_EQ(parse_kafka_offsets(R"({"b":{"x":1}})", "x").error().kind(), ErrorKind::kCorruption);
}

TEST(KafkaOffsets, LimitsAreSharedOutInProportion) {
  const KafkaOffsets from{{{"t", 0}, 0}, {{"t", 1}, 100}, {{"t", 2}, 7}};
  const KafkaOffsets until{{{"t", 0}, 1000}, {{"t", 1}, 110}, {{"t", 2}, 7}};
  const KafkaOffsets limited = limit_kafka_offsets(101, from, until);
  EXPECT_EQ(limited.at({"t", 0}), 100);
  EXPECT_EQ(limited.at({"t", 1}), 101);
  EXPECT_EQ(limited.at({"t", 2}), 7);
  // A small partition gets one record at least.
  EXPECT_EQ(limit_kafka_offsets(10, from, until).at({"t", 1}), 101);
  EXPECT_EQ(limit_kafka_offsets(5000, from, until), until);
}

TEST(KafkaOffsets, MinPartitionsDividesLargeRanges) {
  EXPECT_EQ(divide_kafka_ranges({{{"t", 0}, 0, 100}, {{"t", 1}, 5, 5}}, std::nullopt),
            (std::vector<KafkaRange>{{{"t", 0}, 0, 100}}));
  EXPECT_EQ(divide_kafka_ranges({{{"t", 0}, 0, 100}}, 3),
            (std::vector<KafkaRange>{{{"t", 0}, 0, 33}, {{"t", 0}, 33, 66}, {{"t", 0}, 66, 100}}));
  // The small range stays whole.
  EXPECT_EQ(divide_kafka_ranges({{{"t", 0}, 0, 5}, {{"t", 1}, 0, 100}}, 3).size(), 3U);
}

// A cluster in memory: batches of records a partition, as a broker would hand them out.
struct FakeCluster {
  struct Log {
    int64_t start = 0;
    int64_t end = 0;
    std::vector<std::pair<int64_t, std::string>> batches;  // by base offset
  };
  std::mutex mutex;
  std::map<TopicPartition, Log> logs;
  int64_t fetchers = 0;

  void produce(const TopicPartition& partition, const std::vector<std::string>& values,
               kafka::Compression compression = {}) {
    std::lock_guard lock(mutex);
    Log& log = logs[partition];
    kafka::RecordBatchBuilder builder;
    for (const std::string& value : values)
      builder.add(value == "keyless" ? std::nullopt : std::optional<std::string_view>("key"),
                  value == "null" ? std::nullopt : std::optional<std::string_view>(value),
                  1'000 + log.end);
    log.batches.emplace_back(
        log.end, builder.finish({.compression = compression, .base_offset = log.end}).value());
    log.end += static_cast<int64_t>(values.size());
  }
};

class FakeFetcher final : public kafka::Fetcher {
 public:
  FakeFetcher(std::shared_ptr<FakeCluster> cluster, kafka::FetchRange range)
      : cluster_(std::move(cluster)), range_(std::move(range)), next_(range_.start) {}
  Result<kafka::FetchOutcome> next(int64_t) override {
    std::lock_guard lock(cluster_->mutex);
    const auto& log = cluster_->logs[range_.partition];
    kafka::FetchOutcome outcome;
    if (next_ < log.start || next_ > log.end) {
      outcome.status = kafka::FetchStatus::kOffsetOutOfRange;
      outcome.requested_offset = next_;
      outcome.log_start_offset = log.start;
      outcome.log_end_offset = log.end;
      return outcome;
    }
    for (const auto& [base, bytes] : log.batches) {
      auto header = kafka::parse_record_batch_header(bytes).value();
      if (header.next_offset() <= next_) continue;
      auto arena = std::make_shared<kafka::PaddedBuffer>(bytes.size());
      std::memcpy(arena->data(), bytes.data(), bytes.size());
      arena->set_size(bytes.size());
      outcome.status = kafka::FetchStatus::kBatches;
      outcome.fetched.batches.push_back({header, arena->view()});
      outcome.fetched.arena = std::move(arena);
      outcome.fetched.next_offset = next_ = header.next_offset();
      outcome.fetched.high_watermark = newest_ = log.end;
      return outcome;
    }
    return outcome;
  }
  int64_t high_watermark(size_t) override { return newest_; }
  void seek(size_t, int64_t offset) override { next_ = offset; }
  void stop() override {}

 private:
  std::shared_ptr<FakeCluster> cluster_;
  kafka::FetchRange range_;
  int64_t next_;
  int64_t newest_ = -1;
};

class FakeClient final : public kafka::Client {
 public:
  void stop() override {}
  explicit FakeClient(std::shared_ptr<FakeCluster> cluster) : cluster_(std::move(cluster)) {}
  Result<std::vector<kafka::TopicInfo>> list_topics() override {
    std::lock_guard lock(cluster_->mutex);
    std::map<std::string, kafka::TopicInfo> topics;
    for (const auto& [partition, log] : cluster_->logs) {
      topics[partition.topic].name = partition.topic;
      topics[partition.topic].partitions.push_back(partition.partition);
    }
    std::vector<kafka::TopicInfo> all;
    for (const auto& [name, topic] : topics)
      all.push_back(topic);
    return all;
  }
  Result<std::vector<kafka::TopicInfo>> describe_topics(const std::vector<std::string>&) override {
    return list_topics();
  }
  Result<std::vector<kafka::TopicInfo>> match_topics(const std::string&) override {
    return list_topics();
  }
  Result<std::vector<int64_t>> list_offsets(std::span<const kafka::OffsetQuery> queries) override {
    std::lock_guard lock(cluster_->mutex);
    std::vector<int64_t> offsets;
    for (const auto& query : queries) {
      const auto& log = cluster_->logs[query.partition];
      offsets.push_back(query.timestamp_ms == kafka::kEarliestTimestamp ? log.start
                        : query.timestamp_ms == kafka::kLatestTimestamp ? log.end
                        : query.timestamp_ms > 1'000'000                ? -1
                                                                        : log.start + 1);
    }
    return offsets;
  }
  Result<void> create_topic(const std::string&, int32_t, int16_t) override { return {}; }
  Result<std::unique_ptr<kafka::Fetcher>> fetch(std::vector<kafka::FetchRange> ranges) override {
    ++cluster_->fetchers;
    return std::unique_ptr<kafka::Fetcher>(std::make_unique<FakeFetcher>(cluster_, ranges.at(0)));
  }

 private:
  std::shared_ptr<FakeCluster> cluster_;
};

class KafkaSourceTest : public testing::Test {
 protected:
  std::map<std::string, std::string> options(std::map<std::string, std::string> more = {}) {
    more.emplace("kafka.bootstrap.servers", "127.0.0.1:1");
    if (!more.contains("assign") && !more.contains("subscribePattern"))
      more.emplace("subscribe", "t");
    more.emplace("startingOffsets", "earliest");
    return more;
  }
  Result<std::unique_ptr<Source>> make(const std::map<std::string, std::string>& given) {
    return make_kafka_source(
        {files, clock, random}, given,
        [this](const kafka::ClientOptions&) -> Result<std::unique_ptr<kafka::Client>> {
          return std::unique_ptr<kafka::Client>(std::make_unique<FakeClient>(cluster));
        });
  }
  void open(const std::map<std::string, std::string>& more = {}) {
    auto made = make(options(more));
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    source = std::move(made).value();
    ASSERT_TRUE(source->open("/cp/sources/0").ok());
    position = source->initial_offset().value();
  }
  // The values of the next batch of the source.
  Result<std::vector<std::string>> batch(bool ignore_limits = false) {
    WEIR_ASSIGN(const LatestOffset latest, source->latest_offset(position, ignore_limits));
    const std::string from = std::exchange(position, latest.end);
    return read(from, position);
  }
  Result<std::vector<std::string>> read(const std::string& from, const std::string& until) {
    std::vector<std::string> values;
    WEIR_ASSIGN(auto readers, source->plan(from, until, {"value", "offset"}));
    for (auto& reader : readers) {
      while (true) {
        WEIR_ASSIGN(auto rows, reader->next({}));
        if (rows == nullptr) break;
        const auto& column = static_cast<const arrow::BinaryViewArray&>(*rows->column(0));
        for (int64_t row = 0; row < column.length(); ++row)
          values.push_back(column.IsNull(row) ? "NULL" : std::string(column.GetView(row)));
      }
    }
    return values;
  }
  void tick() { clock.advance_us(10'000'000); }

  io::ModelFileSystem files{1};
  base::ManualClock clock;
  base::SeededRandom random{1};
  std::shared_ptr<FakeCluster> cluster = std::make_shared<FakeCluster>();
  std::unique_ptr<Source> source;
  std::string position;
};

using Values = std::vector<std::string>;

TEST_F(KafkaSourceTest, ReadsWhatIsNewFromBatchToBatchOverOneFetcher) {
  cluster->produce({"t", 0}, {"a", "a value longer than twelve bytes", "null"});
  open();
  EXPECT_EQ(source->description(), "KafkaV2[Subscribe[t]]");
  EXPECT_EQ(batch().value(), (Values{"a", "a value longer than twelve bytes", "NULL"}));
  EXPECT_EQ(position, R"({"t":{"0":3}})");
  cluster->produce({"t", 0}, {"b", "c"}, kafka::Compression::kZstd);
  tick();
  EXPECT_EQ(batch().value(), (Values{"b", "c"}));
  EXPECT_EQ(cluster->fetchers, 1);
  tick();
  EXPECT_EQ(source->latest_offset(position, false)->end, position);
}

TEST_F(KafkaSourceTest, NewsComesWithTheRowsBetweenLooks) {
  cluster->produce({"t", 0}, {"a"});
  open();
  EXPECT_EQ(batch()->size(), 1U);
  cluster->produce({"t", 0}, {"b"});
  clock.advance_us(10'000);  // no look at the cluster yet
  EXPECT_EQ(batch().value(), (Values{"b"}));
}

TEST_F(KafkaSourceTest, InitialOffsetsAreKeptInSparksText) {
  cluster->produce({"t", 0}, {"a", "b"});
  open({{"startingOffsets", "latest"}});
  EXPECT_EQ(files.read_all("/cp/sources/0/0").value(), std::string("\0v1\n{\"t\":{\"0\":2}}", 17));
  cluster->produce({"t", 0}, {"c"});
  open({{"startingOffsets", "latest"}});
  EXPECT_EQ(position, R"({"t":{"0":2}})");
  EXPECT_EQ(batch().value(), (Values{"c"}));
}

TEST_F(KafkaSourceTest, ABatchIsReadAgainTheSame) {
  cluster->produce({"t", 0}, {"a", "b", "c", "d"});
  open({{"maxOffsetsPerTrigger", "3"}});
  const std::string start = position;
  const Values first = batch().value();
  EXPECT_EQ(first, (Values{"a", "b", "c"}));
  EXPECT_EQ(read(start, position).value(), first);
  EXPECT_EQ(batch().value(), (Values{"d"}));
}

TEST_F(KafkaSourceTest, LimitsEndWithinABatchOfRecords) {
  cluster->produce({"t", 0}, {"a", "b", "c", "d", "e"});
  open({{"maxOffsetsPerTrigger", "2"}});
  EXPECT_EQ(batch().value(), (Values{"a", "b"}));
  EXPECT_EQ(batch().value(), (Values{"c", "d"}));
  EXPECT_EQ(batch().value(), (Values{"e"}));
  EXPECT_EQ(cluster->fetchers, 1);
}

TEST_F(KafkaSourceTest, MinPartitionsReadsInParts) {
  cluster->produce({"t", 0}, {"a", "b", "c", "d", "e"});
  open({{"minPartitions", "2"}});
  const auto latest = source->latest_offset(position, false).value();
  EXPECT_EQ(source->plan(position, latest.end, {"value"})->size(), 2U);
  EXPECT_EQ(batch().value(), (Values{"a", "b", "c", "d", "e"}));
}

TEST_F(KafkaSourceTest, APartitionThatAppearsIsReadFromItsBeginning) {
  cluster->produce({"t", 0}, {"a"});
  open();
  EXPECT_EQ(batch().value(), (Values{"a"}));
  cluster->produce({"t", 1}, {"new"});
  tick();
  EXPECT_EQ(batch().value(), (Values{"new"}));
  EXPECT_EQ(position, R"({"t":{"0":1,"1":1}})");
}

TEST_F(KafkaSourceTest, OffsetsThatAgedOutAreDataLoss) {
  cluster->produce({"t", 0}, {"a", "b"});
  cluster->produce({"t", 0}, {"c"});
  open();
  cluster->logs[{"t", 0}].start = 2;
  auto lost = batch();
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().kind(), ErrorKind::kDataLoss);
  EXPECT_THAT(lost.error().message(), HasSubstr("[2, 3)"));
  EXPECT_THAT(lost.error().message(), HasSubstr("failOnDataLoss"));
}

TEST_F(KafkaSourceTest, WithoutFailOnDataLossWhatIsLeftIsRead) {
  cluster->produce({"t", 0}, {"a", "b"});
  cluster->produce({"t", 0}, {"c"});
  open({{"failOnDataLoss", "false"}});
  cluster->logs[{"t", 0}].start = 2;
  EXPECT_EQ(batch().value(), (Values{"c"}));
}

TEST_F(KafkaSourceTest, ATopicMadeAnewIsDataLoss) {
  cluster->produce({"t", 0}, {"a", "b"});
  open();
  EXPECT_EQ(batch()->size(), 2U);
  cluster->logs[{"t", 0}] = {};
  cluster->produce({"t", 0}, {"other"});
  Result<LatestOffset> looked = LatestOffset{};
  for (int look = 0; look < 5 && looked.ok(); ++look) {
    tick();
    looked = source->latest_offset(position, false);
  }
  ASSERT_FALSE(looked.ok());
  EXPECT_EQ(looked.error().kind(), ErrorKind::kDataLoss);
}

TEST_F(KafkaSourceTest, ATopicMadeAnewIsDataLossForAvailableNowToo) {
  cluster->produce({"t", 0}, {"a", "b"});
  open();
  EXPECT_EQ(batch()->size(), 2U);
  cluster->logs[{"t", 0}] = {};
  cluster->produce({"t", 0}, {"other"});
  ASSERT_TRUE(source->prepare_available_now().ok());
  Result<LatestOffset> looked = LatestOffset{};
  for (int look = 0; look < 5 && (looked.ok() || looked.error().retryable()); ++look)
    looked = source->latest_offset(position, false);
  ASSERT_FALSE(looked.ok());
  EXPECT_EQ(looked.error().kind(), ErrorKind::kDataLoss);
}

TEST_F(KafkaSourceTest, AvailableNowDoesNotGoBackWhereABrokerKnewOfLess) {
  cluster->produce({"t", 0}, {"a"});
  open();
  cluster->produce({"t", 0}, {"b"});
  tick();
  EXPECT_EQ(batch()->size(), 2U);
  cluster->logs[{"t", 0}].end = 1;  // just taken over
  ASSERT_TRUE(source->prepare_available_now().ok());
  EXPECT_TRUE(source->latest_offset(position, false).error().retryable());
  cluster->logs[{"t", 0}].end = 2;
  EXPECT_EQ(source->latest_offset(position, false)->end, position);
}

TEST_F(KafkaSourceTest, AvailableNowEndsAtWhatWasThere) {
  cluster->produce({"t", 0}, {"a"});
  open();
  ASSERT_TRUE(source->prepare_available_now().ok());
  cluster->produce({"t", 0}, {"late"});
  tick();
  EXPECT_EQ(batch().value(), (Values{"a"}));
  tick();
  EXPECT_EQ(source->latest_offset(position, false)->end, position);
}

TEST_F(KafkaSourceTest, StartingOffsetsHaveToNameEveryPartition) {
  cluster->produce({"t", 0}, {"a", "b"});
  cluster->produce({"t", 1}, {"c", "d"});
  open({{"startingOffsets", R"({"t":{"0":1,"1":-2}})"}});
  EXPECT_EQ(position, R"({"t":{"0":1,"1":0}})");
  source = make(options({{"startingOffsets", R"({"t":{"0":1}})"}})).value();
  ASSERT_TRUE(source->open("/other").ok());
  EXPECT_EQ(source->initial_offset().error().kind(), ErrorKind::kInvalidArgument);
}

TEST_F(KafkaSourceTest, ATimestampWithoutRecordsIsAnErrorOrTheEnd) {
  cluster->produce({"t", 0}, {"a", "b"});
  open({{"startingTimestamp", "500"}});
  EXPECT_EQ(position, R"({"t":{"0":1}})");
  source = make(options({{"startingTimestamp", "2000000"}})).value();
  ASSERT_TRUE(source->open("/b").ok());
  EXPECT_EQ(source->initial_offset().error().kind(), ErrorKind::kInvalidArgument);
  source = make(options({{"startingTimestamp", "2000000"},
                         {"startingOffsetsByTimestampStrategy", "latest"}}))
               .value();
  ASSERT_TRUE(source->open("/c").ok());
  EXPECT_EQ(source->initial_offset().value(), R"({"t":{"0":2}})");
}

TEST_F(KafkaSourceTest, MinOffsetsDelaysABatch) {
  cluster->produce({"t", 0}, {"a"});
  open({{"minOffsetsPerTrigger", "3"}, {"maxTriggerDelay", "60s"}});
  EXPECT_EQ(batch()->size(), 1U);  // the first has waited since for ever
  cluster->produce({"t", 0}, {"b"});
  tick();
  EXPECT_EQ(source->latest_offset(position, false)->end, position);
  cluster->produce({"t", 0}, {"c", "d"});
  tick();
  EXPECT_EQ(batch()->size(), 3U);
}

TEST_F(KafkaSourceTest, WhatCannotBeDoneIsRefusedByName) {
  cluster->produce({"t", 0}, {"a"});
  const auto refused = [&](std::map<std::string, std::string> more, const std::string& name) {
    const auto made = make(options(std::move(more)));
    ASSERT_FALSE(made.ok()) << name;
    EXPECT_THAT(made.error().message(), HasSubstr(name));
  };
  refused({{"endingOffsets", "latest"}}, "endingOffsets");
  refused({{"kafka.auto.offset.reset", "latest"}}, "auto.offset.reset");
  refused({{"kafka.enable.auto.commit", "true"}}, "enable.auto.commit");
  refused({{"fetchOffset.numRetries", "3"}}, "fetchOffset.numRetries");
  refused({{"sbuscribe", "t"}}, "sbuscribe");
  refused({{"assign", R"({"t":[0]})"}, {"subscribe", "t"}}, "exactly one");
  EXPECT_TRUE(make(options({{"kafka.group.id", "g"}})).ok());
}

TEST(KafkaRows, ColumnsAreSparks) {
  EXPECT_EQ(kafka_schema(true).simple_string(),
            "struct<key:binary,value:binary,topic:string,partition:int,offset:bigint,timestamp:"
            "timestamp,timestampType:int,"
            "headers:array<struct<key:string,value:binary>>>");
  kafka::RecordBatchBuilder builder;
  const kafka::RecordHeader headers[] = {{"h", "x"}, {"none", std::nullopt}};
  builder.add("k", "some value of more than 12 bytes", 1'500, headers);
  builder.add(std::nullopt, "", 1'501);
  const std::string bytes = builder.finish({.base_offset = 7}).value();
  auto arena = std::make_shared<kafka::PaddedBuffer>(bytes.size());
  std::memcpy(arena->data(), bytes.data(), bytes.size());
  arena->set_size(bytes.size());
  const auto header = kafka::validate_record_batch(arena->view()).value();
  const auto records = kafka::open_record_batch(arena->view(), header).value();
  KafkaRowBuilder rows(
      {"key", "value", "topic", "partition", "offset", "timestamp", "timestampType", "headers"},
      {"t", 3});
  rows.use_arena(arena);
  kafka::RecordIterator iterator(records.header, records.records);
  for (kafka::Record record; iterator.next(record);)
    rows.add(record, false);
  const auto batch = rows.finish().value();
  arena.reset();
  ASSERT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull().ToString();
  EXPECT_EQ(batch->ToString().find("error"), std::string::npos);
  EXPECT_EQ(batch->column(0)->ToString(), "[\n  6B,\n  null\n]");
  EXPECT_EQ(static_cast<const arrow::BinaryViewArray&>(*batch->column(1)).GetView(0),
            "some value of more than 12 bytes");
  EXPECT_EQ(static_cast<const arrow::BinaryViewArray&>(*batch->column(1)).GetView(1), "");
  EXPECT_EQ(static_cast<const arrow::StringArray&>(*batch->column(2)).GetView(1), "t");
  EXPECT_EQ(static_cast<const arrow::Int32Array&>(*batch->column(3)).Value(1), 3);
  EXPECT_EQ(static_cast<const arrow::Int64Array&>(*batch->column(4)).Value(1), 8);
  EXPECT_EQ(static_cast<const arrow::TimestampArray&>(*batch->column(5)).Value(0), 1'500'000);
  EXPECT_EQ(static_cast<const arrow::Int32Array&>(*batch->column(6)).Value(0), 0);
  EXPECT_TRUE(batch->column(7)->IsNull(1));
  EXPECT_EQ(static_cast<const arrow::ListArray&>(*batch->column(7)).value_length(0), 2);
}

class EventHubsSourceTest : public KafkaSourceTest {
 protected:
  static constexpr const char* kConnection =
      "Endpoint=sb://127.0.0.1:1/;SharedAccessKeyName=n;SharedAccessKey=secret;EntityPath=t";
  Result<void> open_hub(std::map<std::string, std::string> given) {
    given.emplace("eventhubs.connectionString", kConnection);
    WEIR_ASSIGN(auto parsed, parse_event_hubs_options(given));
    WEIR_ASSIGN(source,
                make_event_hubs_source(
                    {files, clock, random}, std::move(parsed),
                    [this](const kafka::ClientOptions&) -> Result<std::unique_ptr<kafka::Client>> {
                      return std::unique_ptr<kafka::Client>(std::make_unique<FakeClient>(cluster));
                    }));
    WEIR_TRY(source->open("/hub/sources/0"));
    WEIR_ASSIGN(position, source->initial_offset());
    return {};
  }
  std::string refusal(std::map<std::string, std::string> given) {
    given.emplace("eventhubs.connectionString", kConnection);
    const auto parsed = parse_event_hubs_options(given);
    return parsed.ok() ? "taken" : parsed.error().to_string();
  }
};

TEST_F(EventHubsSourceTest, GivesTheConnectorsColumns) {
  cluster->produce({"t", 0}, {"a", "keyless"});
  ASSERT_TRUE(open_hub({{"eventhubs.startingPosition",
                         R"({"offset":"-1","seqNo":-1,"enqueuedTime":null,"isInclusive":true})"},
                        {"eventhubs.consumerGroup", "$Default"}})
                  .ok());
  EXPECT_EQ(position, R"({"t":{"0":0}})");
  const auto latest = source->latest_offset(position, false).value();
  std::vector<std::string> names;
  for (const auto& field : source->schema().fields())
    names.push_back(field.name);
  auto readers = source->plan(position, latest.end, names).value();
  const auto rows = readers.at(0)->next({}).value();
  ASSERT_NE(rows, nullptr);
  std::vector<std::string> first;
  for (const auto& column : rows->columns())
    first.push_back(column->GetScalar(0).ValueOrDie()->ToString());
  EXPECT_THAT(first, testing::ElementsAre("a", "0", "0", "0", "1970-01-01 00:00:01.000000Z", "null",
                                          "key", HasSubstr("[]"), HasSubstr("[]")));
  EXPECT_TRUE(rows->GetColumnByName("partitionKey")->IsNull(1));
  EXPECT_EQ(
      source->plan(position, latest.end, {"publisher"}).value().at(0)->next({}).value()->num_rows(),
      2);
}

TEST_F(EventHubsSourceTest, StartsWhereItIsTold) {
  cluster->produce({"t", 0}, {"a", "b", "c"});
  cluster->produce({"t", 1}, {"d"});
  ASSERT_TRUE(open_hub({}).ok());
  EXPECT_EQ(position, R"({"t":{"0":3,"1":1}})");
  files.remove_tree("/hub").ok();
  ASSERT_TRUE(open_hub({{"eventhubs.startingPosition", R"({"offset":"-1"})"},
                        {"eventhubs.startingPositions",
                         R"({"{\"ehName\":\"t\",\"partitionId\":0}":)"
                         R"({"offset":"1","seqNo":-1,"isInclusive":false}})"}})
                  .ok());
  EXPECT_EQ(position, R"({"t":{"0":2,"1":0}})");
}

TEST_F(EventHubsSourceTest, OptionsBecomeThoseOfTheKafkaProtocol) {
  const std::string azure =
      "Endpoint=sb://space.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=secret=;"
      "EntityPath=hub";
  const auto parsed = parse_event_hubs_options(
      {{"eventhubs.connectionString", azure},
       {"maxEventsPerTrigger", "7000"},
       {"eventhubs.startingPosition", R"({"enqueuedTime":"2020-06-01T13:00:00.250Z"})"}});
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(parsed->client.connection.bootstrap_servers.at(0).to_string(),
            "space.servicebus.windows.net:9093");
  EXPECT_TRUE(parsed->client.connection.tls && parsed->client.connection.sasl);
  EXPECT_EQ(parsed->client.connection.sasl_username, "$ConnectionString");
  EXPECT_EQ(parsed->client.connection.sasl_password, azure);
  EXPECT_EQ(parsed->max_offsets, 7000);
  EXPECT_EQ(parsed->start_timestamp_ms, 1'591'016'400'250);
  EXPECT_THAT(refusal({{"eventhubs.receiverTimeout", "PT60S"}}), HasSubstr("receiverTimeout"));
  EXPECT_THAT(refusal({{"eventhubs.endingPosition", "{}"}}), HasSubstr("endingPosition"));
  EXPECT_THAT(refusal({{"eventhubs.startingPosition", "{}"}}), HasSubstr("a position has offset"));
  const auto no_hub = parse_event_hubs_options(
      {{"eventhubs.connectionString", "Endpoint=sb://x/;SharedAccessKey=secret"}});
  EXPECT_THAT(no_hub.error().to_string(),
              testing::AllOf(HasSubstr("EntityPath"), testing::Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace weir::source
