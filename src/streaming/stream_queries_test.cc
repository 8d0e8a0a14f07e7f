// Queries of a session from their plan to their sink: memory streams in, a manual clock.
#include "streaming/stream_queries.h"

#include <filesystem>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "eval/cast.h"
#include "eval/zone.h"
#include "relational/duck_engine.h"
#include "session/stream_table.h"
#include "session/warehouse.h"
#include "source/memory_source.h"
#include "sql/parser.h"

namespace weir::streaming {
namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kSecond = 1'000'000;

class MemoryStream final : public session::StreamTable {
 public:
  explicit MemoryStream(std::shared_ptr<source::MemorySource::Data> data, Schema schema)
      : data_(std::move(data)), schema_(std::move(schema)) {}
  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "memory"; }
  std::string description() const override { return "MemoryStream"; }
  Result<std::unique_ptr<source::Source>> make_source() const override {
    return std::unique_ptr<source::Source>(std::make_unique<source::MemorySource>(data_));
  }

 private:
  std::shared_ptr<source::MemorySource::Data> data_;
  Schema schema_;
};

class StreamQueriesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir_streaming_" + base::uuid(random_));
    std::filesystem::create_directories(folder_);
    engine_ = relational::DuckEngine::open({}).value();
    warehouse_ = session::Warehouse::open({*fs_, clock_, random_, *engine_, 2}, path("w")).value();
    session_ = session::Session::create(warehouse_, "one").value();
    queries_ = StreamQueries::create({*fs_, clock_, random_}, *session_);
    data_ = add_stream("s");
  }
  void TearDown() override {
    queries_.reset();
    session_.reset();
    std::filesystem::remove_all(folder_);
  }

  // A stream (k bigint, t timestamp) under a temporary view's name.
  std::shared_ptr<source::MemorySource::Data> add_stream(const std::string& name) {
    return add_table(
        name, DataType::structure({columnar::make_field("k", DataType::of(TypeKind::kLong)),
                                   columnar::make_field("t", DataType::of(TypeKind::kTimestamp))}));
  }
  std::shared_ptr<source::MemorySource::Data> add_table(const std::string& name,
                                                        const Schema& schema) {
    auto data = std::make_shared<source::MemorySource::Data>(schema);
    std::vector<plan::Column> columns(schema.fields().size());
    std::vector<int> all;
    for (size_t i = 0; i < columns.size(); ++i) {
      all.push_back(static_cast<int>(i));
      columns[i].name = schema.fields()[i].name;
      columns[i].type = schema.fields()[i].type();
      columns[i].id = static_cast<int64_t>(i + 1);
    }
    session_->put_temp_view(
        name, plan::make_operator(
                  plan::op::Scan{std::make_shared<MemoryStream>(data, schema), all, nullptr},
                  std::move(columns), true));
    return data;
  }
  static std::shared_ptr<arrow::RecordBatch> events(
      const std::vector<std::pair<int64_t, int64_t>>& rows) {
    arrow::Int64Builder keys;
    arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
    for (const auto& [key, seconds] : rows) {
      EXPECT_TRUE(keys.Append(key).ok());
      EXPECT_TRUE(times.Append(seconds * kSecond).ok());
    }
    return arrow::RecordBatch::Make(
        arrow::schema({arrow::field("k", arrow::int64()), arrow::field("t", times.type())}),
        static_cast<int64_t>(rows.size()),
        {keys.Finish().ValueOrDie(), times.Finish().ValueOrDie()});
  }
  void add(const std::vector<int64_t>& keys) {
    std::vector<std::pair<int64_t, int64_t>> rows;
    for (const int64_t key : keys)
      rows.emplace_back(key, key);
    data_->add(events(rows));
  }

  std::string path(const std::string& name) { return (folder_ / name).string(); }
  plan::PlanPtr query(const std::string& text) { return session_->parse(text).value(); }
  // Column t of the view under a watermark.
  plan::PlanPtr delayed(const std::string& view, int64_t seconds) {
    return plan::make_plan(plan::WithWatermark{query("SELECT * FROM " + view), "t",
                                               std::to_string(seconds) + " seconds"});
  }
  StreamWrite write(const std::string& text, const std::string& format,
                    const std::string& mode = "append") {
    StreamWrite made;
    made.plan = query(text);
    made.format = format;
    made.mode = mode;
    if (format == "memory") made.name = "out";
    return made;
  }
  StreamQueryPtr started(StreamWrite write) {
    auto query = queries_->start(std::move(write));
    if (!query.ok()) throw std::runtime_error(query.error().to_string());
    return *query;
  }
  std::string refusal(StreamWrite write) {
    auto query = queries_->start(std::move(write));
    return query.ok() ? "" : query.error().to_string();
  }
  static void process(const StreamQueryPtr& query) {
    const auto done = query->process_all_available({});
    EXPECT_TRUE(done.ok()) << done.error().to_string();
  }
  std::vector<std::string> rows(const std::string& text) {
    auto result = session_->sql(text, {});
    if (!result.ok()) return {result.error().to_string()};
    if (!result->plan) return {};
    auto stream = session_->run(result->plan);
    if (!stream.ok()) return {stream.error().to_string()};
    std::vector<std::string> all;
    while (true) {
      auto batch = (*stream)->next({});
      if (!batch.ok()) return {batch.error().to_string()};
      if (!*batch) return all;
      append((*stream)->schema(), **batch, all);
    }
  }
  static void append(const Schema& schema, const arrow::RecordBatch& batch,
                     std::vector<std::string>& rows) {
    auto zone = eval::Zone::find("UTC").value();
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string text;
      for (int i = 0; i < batch.num_columns(); ++i) {
        if (i > 0) text += "|";
        if (batch.column(i)->IsNull(row))
          text += "NULL";
        else
          eval::append_text(schema.fields()[static_cast<size_t>(i)].type(), *batch.column(i), row,
                            zone, true, text);
      }
      rows.push_back(text);
    }
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  base::ManualClock clock_;
  base::SystemRandom random_;
  std::unique_ptr<relational::DuckEngine> engine_;
  std::shared_ptr<session::Warehouse> warehouse_;
  std::unique_ptr<session::Session> session_;
  std::unique_ptr<StreamQueries> queries_;
  std::shared_ptr<source::MemorySource::Data> data_;
};

TEST_F(StreamQueriesTest, RowsOfTheMemorySinkAreAViewOfItsName) {
  const auto query = started(write("SELECT k * 2 AS d FROM s WHERE k > 1", "memory"));
  add({1, 2, 3});
  process(query);
  EXPECT_THAT(rows("SELECT * FROM out ORDER BY d"), ElementsAre("4", "6"));
  add({4});
  process(query);
  EXPECT_THAT(rows("SELECT sum(d) FROM out"), ElementsAre("18"));
}

TEST_F(StreamQueriesTest, StateGoesOnFromTheCheckpoint) {
  for (const char* provider : {"HDFSBackedStateStoreProvider", "RocksDBStateStoreProvider"}) {
    ASSERT_TRUE(session_
                    ->set("spark.sql.streaming.stateStore.providerClass",
                          std::string("org.apache.spark.sql.execution.streaming.state.") + provider)
                    .ok());
    data_ = add_stream("s");
    auto counts = write("SELECT k, count(*) AS n FROM s GROUP BY k", "memory", "complete");
    counts.options["checkpointlocation"] = path(provider);
    auto query = started(counts);
    add({1, 1, 2});
    process(query);
    EXPECT_THAT(rows("SELECT * FROM out"), UnorderedElementsAre("1|2", "2|1"));
    ASSERT_TRUE(query->stop().ok());
    const std::string id = query->id();
    query = started(counts);
    EXPECT_EQ(query->id(), id);
    add({2, 3});
    process(query);
    EXPECT_THAT(rows("SELECT * FROM out"), UnorderedElementsAre("1|2", "2|2", "3|1"));
    ASSERT_TRUE(query->stop().ok());
  }
}

// Beginning with no state at batch 1 would count wrongly without a word.
TEST_F(StreamQueriesTest, StateWhoseCommitsAreLostIsRefused) {
  auto counts = write("SELECT k, count(*) AS n FROM s GROUP BY k", "memory", "complete");
  counts.options["checkpointlocation"] = path("c");
  const auto query = started(counts);
  add({1});
  process(query);
  add({1});
  process(query);
  ASSERT_TRUE(query->stop().ok());
  std::filesystem::remove_all(path("c") + "/commits");
  EXPECT_THAT(refusal(counts), HasSubstr("The checkpoint is not whole"));
}

TEST_F(StreamQueriesTest, WindowsLeaveByTheWatermark) {
  auto windows = write("SELECT 1", "memory");
  session_->put_temp_view("w", session_->analyze(delayed("s", 10)).value());
  windows.plan =
      query("SELECT window.start AS s, count(*) AS n FROM w GROUP BY window(t, '5 seconds')");
  const auto query = started(windows);
  add({10, 11, 12, 13, 14, 15});
  process(query);
  EXPECT_THAT(rows("SELECT * FROM out"), IsEmpty());
  add({25});
  process(query);
  EXPECT_THAT(rows("SELECT unix_timestamp(s), n FROM out"), ElementsAre("10|5"));
  add({10});
  process(query);
  EXPECT_THAT(rows("SELECT count(*) FROM out"), ElementsAre("1"));
  const auto progress = query->last_progress();
  ASSERT_TRUE(progress);
  EXPECT_THAT(*progress, HasSubstr("\"numRowsDroppedByWatermark\":1"));
}

TEST_F(StreamQueriesTest, DeltaTablesByPathAndByName) {
  auto by_path = write("SELECT k, k % 2 AS p FROM s", "delta");
  by_path.path = path("t");
  by_path.partition_by = {"p"};
  by_path.options["checkpointlocation"] = path("c1");
  auto by_name = write("SELECT k FROM s", "delta");
  by_name.table = plan::Name{"events"};
  by_name.options["checkpointlocation"] = path("c2");
  auto counts = write("SELECT k, count(*) AS n FROM s GROUP BY k", "delta", "complete");
  counts.table = plan::Name{"counts"};
  counts.options["checkpointlocation"] = path("c3");
  const std::vector<StreamQueryPtr> all{started(by_path), started(by_name), started(counts)};
  for (int round = 0; round < 2; ++round) {
    add({1, 2});
    for (const auto& query : all)
      process(query);
  }
  EXPECT_THAT(rows("SELECT k, p FROM delta.`" + path("t") + "` ORDER BY k"),
              ElementsAre("1|1", "1|1", "2|0", "2|0"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "t" / "p=0"));
  EXPECT_THAT(rows("SELECT * FROM events ORDER BY k"), ElementsAre("1", "1", "2", "2"));
  EXPECT_THAT(rows("SELECT * FROM counts ORDER BY k"), ElementsAre("1|2", "2|2"));
}

TEST_F(StreamQueriesTest, AStaticSideIsReadAnewForEachBatch) {
  rows("CREATE TABLE names (k BIGINT, n STRING) USING delta");
  rows("INSERT INTO names VALUES (1, 'one')");
  const auto query =
      started(write("SELECT s.k, n FROM s LEFT JOIN names ON s.k = names.k", "memory"));
  add({1, 2});
  process(query);
  rows("INSERT INTO names VALUES (2, 'two')");
  add({2});
  process(query);
  EXPECT_THAT(rows("SELECT * FROM out"), UnorderedElementsAre("1|one", "2|NULL", "2|two"));
}

TEST_F(StreamQueriesTest, RefusalsInSparksWords) {
  EXPECT_THAT(refusal(write("SELECT k, count(*) FROM s GROUP BY k", "memory")),
              HasSubstr("[STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION]"));
  EXPECT_THAT(refusal(write("SELECT * FROM s", "memory", "some")),
              HasSubstr("[STREAMING_OUTPUT_MODE.INVALID]"));
  EXPECT_THAT(refusal(write("SELECT 1", "memory")), HasSubstr("[WRITE_STREAM_NOT_ALLOWED]"));
  auto nameless = write("SELECT * FROM s", "memory");
  nameless.name.clear();
  EXPECT_THAT(refusal(nameless), HasSubstr("queryName must be specified for memory sink"));
  auto delta = write("SELECT * FROM s", "delta");
  delta.path = path("t");
  EXPECT_THAT(refusal(delta), HasSubstr("checkpointLocation must be specified either through "
                                        "option(\"checkpointLocation\", ...)"));
  EXPECT_THAT(refusal(write("SELECT * FROM s", "orc")), HasSubstr("[UNSUPPORTED_FEATURE]"));
}

TEST_F(StreamQueriesTest, AnAppendingMemorySinkCannotGoOn) {
  auto kept = write("SELECT k FROM s", "memory");
  kept.options["checkpointlocation"] = path("c");
  const auto query = started(kept);
  add({1});
  process(query);
  ASSERT_TRUE(query->stop().ok());
  EXPECT_THAT(refusal(kept), HasSubstr("This query does not support recovering from checkpoint "
                                       "location. Delete " +
                                       path("c/offsets") + " to start over."));
}

TEST_F(StreamQueriesTest, NamesAndCheckpointsHaveOneQuery) {
  auto first = write("SELECT k FROM s", "memory");
  const auto query = started(first);
  EXPECT_THAT(refusal(first), HasSubstr("Cannot start query with name out as a query with that "
                                        "name is already active in this SparkSession"));
  ASSERT_TRUE(query->stop().ok());
  EXPECT_NE(started(first)->id(), query->id());

  auto counts = write("SELECT count(*) FROM s", "noop", "complete");
  counts.options["checkpointlocation"] = path("c");
  const auto old = started(counts);
  const auto now = started(counts);
  EXPECT_EQ(old->id(), now->id());
  EXPECT_FALSE(old->active());
  EXPECT_EQ(queries_->find(now->id()), now);
  EXPECT_EQ(queries_->find_run(old->id(), old->run_id()), old);
  ASSERT_TRUE(session_->set("spark.sql.streaming.stopActiveRunOnRestart", "false").ok());
  EXPECT_THAT(refusal(counts), HasSubstr("as another query with same id is already active"));

  auto other = session::Session::create(warehouse_, "two").value();
  other->put_temp_view("s", session_->analyze(this->query("SELECT * FROM s")).value());
  auto others = StreamQueries::create({*fs_, clock_, random_}, *other);
  const auto refused = others->start(counts);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().to_string(), HasSubstr("is in use by"));
}

TEST_F(StreamQueriesTest, AFailedQueryTellsWhy) {
  std::vector<std::string> heard;
  QueryEvents events;
  events.started = [&](const std::string&, const std::string&, const std::string& name,
                       const std::string&) { heard.push_back("started " + name); };
  events.progress = [&](const std::string&) { heard.push_back("progress"); };
  events.terminated = [&](const std::string&, const std::string&, const base::Error* error) {
    heard.push_back(error == nullptr ? "ended" : error->error_class());
  };
  const int64_t listener = queries_->add_listener(events);
  const auto query = started(write("SELECT 10 / (k - 2) FROM s", "memory"));
  add({1});
  process(query);
  add({2});
  EXPECT_THAT(query->process_all_available({}).error().error_class(), "STREAM_FAILED");
  const auto ended = query->wait(std::nullopt, {});
  ASSERT_FALSE(ended.ok());
  EXPECT_THAT(ended.error().to_string(),
              HasSubstr("[STREAM_FAILED] Query [id = " + query->id() + ", runId = " +
                        query->run_id() + "] terminated with exception: [DIVIDE_BY_ZERO]"));
  EXPECT_FALSE(query->active());
  EXPECT_FALSE(queries_->wait_any(0, {}).ok());
  queries_->reset_terminated();
  EXPECT_FALSE(queries_->wait_any(0, {}).value());
  ASSERT_TRUE(query->stop().ok());
  queries_->remove_listener(listener);
  EXPECT_THAT(heard, ElementsAre("started out", "progress", "DIVIDE_BY_ZERO"));
  EXPECT_THAT(queries_->active(), IsEmpty());
}

std::shared_ptr<arrow::RecordBatch> texts(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  for (const auto& value : values)
    EXPECT_TRUE((value.empty() ? builder.AppendNull() : builder.Append(value)).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arrow::utf8())}),
                                  static_cast<int64_t>(values.size()),
                                  {builder.Finish().ValueOrDie()});
}

TEST_F(StreamQueriesTest, OnlyTheFieldsInUseAreReadFromJson) {
  const auto schema =
      DataType::structure({columnar::make_field("v", DataType::of(TypeKind::kString))});
  auto data = add_table("j", schema);
  const auto query = started(
      write("SELECT d.c, d.a.x, n FROM (SELECT d, length(v) AS n FROM (SELECT from_json(v, 'a "
            "struct<x: int, y: int>, b string, c array<int>, e double') AS d, v FROM j) WHERE d.b "
            "<> 'no')",
            "memory"));
  data->add(texts({R"({"a":{"x":1,"y":2},"b":"yes","c":[1,2],"e":0.5})", R"({"b":"no"})", "",
                   R"({"b":"so","e":"wrong"})", "{broken"}));
  process(query);
  EXPECT_THAT(rows("SELECT * FROM out"), ElementsAre("[1, 2]|1|47", "NULL|NULL|22"));
  const std::string text = query->explain(false).value();
  EXPECT_THAT(text, testing::Not(HasSubstr("double")));
}

TEST_F(StreamQueriesTest, ExplainTellsWhatKeepsState) {
  const auto query = started(write("SELECT k, count(*) FROM s GROUP BY k", "memory", "complete"));
  add({1});
  process(query);
  EXPECT_THAT(query->explain(false).value(),
              testing::MatchesRegex("== Physical Plan ==\nStateStoreSave state 0, complete\n\\+- "
                                    "Aggregate .*MicroBatchScan .*\n"));
}

TEST_F(StreamQueriesTest, ObservedMetricsAreInTheProgress) {
  auto observed = write("SELECT 1", "memory");
  observed.plan = plan::make_plan(
      plan::Observe{query("SELECT k FROM s"), "seen",
                    sql::parse_select_list("count(1) AS rows, max(k) AS most").value()});
  const auto query = started(observed);
  add({1, 5, 2});
  process(query);
  EXPECT_THAT(*query->last_progress(),
              HasSubstr(R"("observedMetrics":{"seen":{"rows":3,"most":5}})"));
  add({3});
  process(query);
  EXPECT_THAT(*query->last_progress(),
              HasSubstr(R"("observedMetrics":{"seen":{"rows":1,"most":3}})"));
}

TEST_F(StreamQueriesTest, ABatchThatRunsAgainDrawsTheSameAtTheSameTime) {
  for (const char* mode : {"memory", "again"}) {
    auto drawn =
        write("SELECT k, rand(1) AS r, uuid() AS u, current_timestamp() AS c FROM s", "delta");
    drawn.path = path(mode == std::string("again") ? "t2" : "t1");
    drawn.options["checkpointlocation"] = path("c");
    const auto query = started(drawn);
    if (mode == std::string("memory")) {
      add({1, 2});
      process(query);
      add({3});
    }
    process(query);
    ASSERT_TRUE(query->stop().ok());
    // The commit of the newest batch is lost: it runs again, later and into another table.
    std::filesystem::remove(path("c/commits/1"));
    std::filesystem::remove(path("c/commits/0"));
    if (mode == std::string("memory")) std::filesystem::remove(path("c/offsets/1"));
    clock_.advance_us(60 * kSecond);
  }
  const std::string t1 = "delta.`" + path("t1") + "`", t2 = "delta.`" + path("t2") + "`";
  const auto first = rows("SELECT * FROM " + t1 + " WHERE k < 3 ORDER BY k");
  EXPECT_EQ(rows("SELECT * FROM " + t2 + " WHERE k < 3 ORDER BY k"), first);
  EXPECT_THAT(rows("SELECT count(DISTINCT r), count(DISTINCT u) FROM " + t1), ElementsAre("3|3"));
}

class Parts final : public RowFunction {
 public:
  Result<void> run(std::unique_ptr<relational::BatchStream> rows, int, int64_t batch_id,
                   std::stop_token) override {
    int64_t count = 0;
    while (true) {
      WEIR_ASSIGN(const auto batch, rows->next({}));
      if (batch == nullptr) break;
      count += batch->num_rows();
    }
    const std::lock_guard lock(mutex);
    seen[batch_id] += count;
    return {};
  }
  std::mutex mutex;
  std::map<int64_t, int64_t> seen;
};

TEST_F(StreamQueriesTest, ForeachGetsTheRowsOfEachPart) {
  auto function = std::make_shared<Parts>();
  auto each = write("SELECT k FROM s", "");
  each.for_each = function;
  const auto query = started(each);
  add({1, 2});
  add({3});
  process(query);
  EXPECT_THAT(function->seen, ElementsAre(testing::Pair(0, 3)));
}

TEST_F(StreamQueriesTest, ProgressIsATable) {
  const auto query =
      started(write("SELECT k, count(*) AS n FROM s GROUP BY k", "memory", "update"));
  add({1, 2, 2});
  process(query);
  EXPECT_THAT(rows("SELECT name, batchId, numInputRows, durationMs['addBatch'] IS NOT NULL, "
                   "stateOperators[0].numRowsTotal, sources[0].endOffset, sink.description FROM "
                   "stream_progress ORDER BY timestamp DESC"),
              ElementsAre("out|0|3|true|2|0|MemorySink"));
}

TEST_F(StreamQueriesTest, StateIsReadAsATable) {
  for (const std::string provider : {"HDFSBackedStateStoreProvider", "RocksDBStateStoreProvider"}) {
    ASSERT_TRUE(session_
                    ->set("spark.sql.streaming.stateStore.providerClass",
                          "org.apache.spark.sql.execution.streaming.state." + provider)
                    .ok());
    ASSERT_TRUE(
        session_->set("spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB", "32").ok());
    data_ = add_stream("s");
    auto counts = write("SELECT k, count(*) AS n FROM s GROUP BY k", "noop", "update");
    counts.options["checkpointlocation"] = path(provider);
    const auto query = started(counts);
    add({1, 1, 2});
    process(query);
    add({2, 3});
    process(query);
    ASSERT_TRUE(query->stop().ok());
    const auto view = [&](const std::string& format, const plan::Options& options) {
      const auto made = session_->create_temp_view(
          "st",
          plan::make_plan(plan::DataSource{format, std::nullopt, options, {path(provider)}, false}),
          true, false);
      return made.ok() ? std::string() : made.error().error_class();
    };
    ASSERT_EQ(view("statestore", {}), "");
    EXPECT_THAT(rows("SELECT key.k, value.count FROM st ORDER BY 1"),
                ElementsAre("1|2", "2|2", "3|1"));
    EXPECT_THAT(rows("SELECT count(*) FROM st WHERE partition_id < 64 AND key.k > 1"),
                ElementsAre("2"));
    ASSERT_EQ(view("statestore", {{"batchId", "0"}}), "");
    EXPECT_THAT(rows("SELECT key.k, value.count FROM st ORDER BY 1"), ElementsAre("1|2", "2|1"));
    ASSERT_EQ(view("statestore", {{"readChangeFeed", "true"}, {"changeStartBatchId", "0"}}), "");
    EXPECT_THAT(rows("SELECT batch_id, change_type, key.k, value.count FROM st ORDER BY 1, 3"),
                ElementsAre("0|update|1|2", "0|update|2|1", "1|update|2|2", "1|update|3|1"));
    ASSERT_EQ(view("state-metadata", {}), "");
    EXPECT_THAT(rows("SELECT * FROM st"), ElementsAre("0|stateStoreSave|default|64|0|1|"));
    EXPECT_EQ(view("statestore", {{"batchId", "7"}}), "STDS_OFFSET_LOG_UNAVAILABLE");
    EXPECT_EQ(view("statestore", {{"operatorId", "1"}}), "STDS_FAILED_TO_READ_STATE_SCHEMA");
    EXPECT_THAT(rows("SELECT DISTINCT element_at(stateOperators[0].customMetrics, "
                     "'rocksdbMemoryLimitBytes'), size(stateOperators[0].customMetrics) > 3 FROM "
                     "stream_progress WHERE id = '" +
                     query->id() + "'"),
                ElementsAre(provider.starts_with("Rocks") ? "33554432|true" : "NULL|true"));
  }
}

TEST_F(StreamQueriesTest, AChangedQueryDoesNotTakeTheStateOfAnother) {
  auto counts = write("SELECT k, count(*) AS n FROM s GROUP BY k", "noop", "complete");
  counts.options["checkpointlocation"] = path("c");
  const auto query = started(counts);
  add({1});
  process(query);
  ASSERT_TRUE(query->stop().ok());
  counts.plan = this->query("SELECT k, t, count(*) AS n FROM s GROUP BY k, t");
  EXPECT_THAT(refusal(counts), HasSubstr("[STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE]"));
}

TEST_F(StreamQueriesTest, ABatchRunsAgainUnderItsSettingsAndTheNextUnderThoseOfNow) {
  ASSERT_TRUE(session_->set("spark.sql.session.timeZone", "UTC").ok());
  auto hours = write("SELECT k, hour(t) AS h FROM s", "delta");
  hours.path = path("t");
  hours.options["checkpointlocation"] = path("c");
  const auto query = started(hours);
  add({1});
  process(query);
  ASSERT_TRUE(query->stop().ok());
  // As if the batch had failed in the sink.
  std::filesystem::remove(path("c/commits/0"));
  std::filesystem::remove_all(path("t"));
  ASSERT_TRUE(session_->set("spark.sql.session.timeZone", "Asia/Tokyo").ok());
  const auto again = started(hours);
  process(again);
  EXPECT_THAT(again->recent_progress(), testing::SizeIs(1));
  add({2});
  process(again);
  EXPECT_THAT(rows("SELECT k, h FROM delta.`" + path("t") + "` ORDER BY k"),
              ElementsAre("1|0", "2|9"));
}

TEST_F(StreamQueriesTest, AnsiModeIsThatOfTheBatchThatRunsAgain) {
  ASSERT_TRUE(session_->set("spark.sql.ansi.enabled", "false").ok());
  auto parsed = write("SELECT k, CAST(CONCAT('x', k) AS INT) AS n FROM s", "delta");
  parsed.path = path("t");
  parsed.options["checkpointlocation"] = path("c");
  const auto query = started(parsed);
  add({1});
  process(query);
  ASSERT_TRUE(query->stop().ok());
  std::filesystem::remove(path("c/commits/0"));
  std::filesystem::remove_all(path("t"));
  ASSERT_TRUE(session_->set("spark.sql.ansi.enabled", "true").ok());
  const auto again = started(parsed);
  process(again);
  EXPECT_THAT(rows("SELECT k, n FROM delta.`" + path("t") + "`"), ElementsAre("1|NULL"));
  add({2});
  const auto failed = again->process_all_available({});
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().to_string(), HasSubstr("CAST_INVALID_INPUT"));
}

TEST_F(StreamQueriesTest, StateGoesFromTheSettingsOfThenToThoseOfNow) {
  for (const char* sink : {"delta", "memory"}) {
    SCOPED_TRACE(sink);
    ASSERT_TRUE(session_->set("spark.sql.session.timeZone", "UTC").ok());
    auto hours =
        write("SELECT hour(t) AS h, count(*) AS n FROM s GROUP BY hour(t)", sink, "complete");
    hours.name = "hours";
    const std::string table = sink == std::string("delta") ? path("d") : "";
    if (!table.empty()) hours.path = table;
    hours.options["checkpointlocation"] = path(std::string("c_") + sink);
    add({1});  // before the start: one batch has all rows
    const auto query = started(hours);
    process(query);
    ASSERT_TRUE(query->stop().ok());
    std::filesystem::remove(path(std::string("c_") + sink + "/commits/0"));
    if (!table.empty()) std::filesystem::remove_all(table);
    ASSERT_TRUE(session_->set("spark.sql.session.timeZone", "Asia/Tokyo").ok());
    const std::string text =
        "SELECT h, n FROM " + (table.empty() ? "hours" : "delta.`" + table + "`") + " ORDER BY h";
    const auto again = started(hours);
    process(again);
    const std::string before = table.empty() ? "0|4" : "0|1";  // the second begins with all rows
    EXPECT_THAT(rows(text), ElementsAre(before));
    add({2, 3});
    process(again);
    EXPECT_THAT(rows(text), ElementsAre(before, "9|2"));
    ASSERT_TRUE(again->stop().ok());
  }
}

TEST_F(StreamQueriesTest, TheProcessListsTheQueriesOfItsSessions) {
  stream::QueryManager manager({*fs_, clock_, random_});
  queries_ = StreamQueries::create({*fs_, clock_, random_}, *session_, &manager);
  const auto query = started(write("SELECT k FROM s", "memory"));
  ASSERT_NE(manager.find("out"), nullptr);
  EXPECT_EQ(manager.find("out")->id(), query->id());
  manager.stop_all();
  EXPECT_FALSE(query->active());

  // Another session's query on the same checkpoint takes the place of the first.
  auto counts = write("SELECT count(*) FROM s", "noop", "complete");
  counts.options["checkpointlocation"] = path("c");
  const auto first = started(counts);
  auto other = session::Session::create(warehouse_, "two").value();
  auto others = StreamQueries::create({*fs_, clock_, random_}, *other, &manager);
  other->put_temp_view("s", session_->analyze(this->query("SELECT * FROM s")).value());
  const auto second = others->start(counts);
  ASSERT_TRUE(second.ok()) << second.error().to_string();
  EXPECT_EQ((*second)->id(), first->id());
  EXPECT_FALSE(first->active());
  others.reset();
  queries_.reset();
}

class Batches final : public BatchFunction {
 public:
  explicit Batches(session::Session& session) : session_(session) {}
  Result<void> run(const plan::OperatorPtr& rows, int64_t batch_id, std::stop_token) override {
    if (batch_id == fail_at) return base::error(base::ErrorKind::kInvalidArgument, "not this one");
    for (int look = 0; look < 2; ++look) {  // as often as one likes
      WEIR_ASSIGN(const auto stream, session_.run(rows));
      while (true) {
        WEIR_ASSIGN(const auto batch, stream->next({}));
        if (batch == nullptr) break;
        count += batch->num_rows();
      }
    }
    seen.push_back(std::to_string(batch_id) + ": " + std::to_string(count));
    count = 0;
    return {};
  }
  int64_t fail_at = -1;
  int64_t count = 0;
  std::vector<std::string> seen;

 private:
  session::Session& session_;
};

TEST_F(StreamQueriesTest, ForeachBatchGetsEachBatchOnce) {
  auto function = std::make_shared<Batches>(*session_);
  auto each = write("SELECT k FROM s", "");
  each.for_each_batch = function;
  const auto query = started(each);
  add({1, 2});
  process(query);
  add({3});
  process(query);
  EXPECT_THAT(function->seen, ElementsAre("0: 4", "1: 2"));
  function->fail_at = 2;
  add({4});
  EXPECT_FALSE(query->process_all_available({}).ok());
  const auto ended = query->wait(std::nullopt, {});
  ASSERT_FALSE(ended.ok());
  EXPECT_THAT(ended.error().to_string(),
              HasSubstr("[FOREACH_BATCH_USER_FUNCTION_ERROR] An error occurred in the user "
                        "provided function in foreach batch sink. Reason: not this one"));
}

}  // namespace
}  // namespace weir::streaming
