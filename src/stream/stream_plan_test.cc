// Plans over several streams, watermarks and operators with state, through the micro-batch loop.
#include "stream/stream_plan.h"

#include <algorithm>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/model_file_system.h"
#include "plan/function_catalog.h"
#include "source/memory_source.h"
#include "stream/micro_batch_query.h"

namespace weir::stream {
namespace {

namespace op = plan::op;
using columnar::DataType;
using columnar::TypeKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000;

Schema event_schema() {
  return DataType::structure({columnar::make_field("k", DataType::of(TypeKind::kLong)),
                              columnar::make_field("t", DataType::of(TypeKind::kTimestamp))});
}

class StreamTable final : public plan::Table {
 public:
  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "memory"; }
  std::string description() const override { return "memory"; }
  bool streaming() const override { return true; }

 private:
  Schema schema_ = event_schema();
};

using Event = std::pair<int64_t, int64_t>;  // key, seconds

std::shared_ptr<arrow::RecordBatch> events(const std::vector<Event>& rows) {
  arrow::Int64Builder keys;
  arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
  for (const auto& [key, seconds] : rows) {
    EXPECT_TRUE(keys.Append(key).ok());
    EXPECT_TRUE(times.Append(seconds * kSecond).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("k", arrow::int64()), arrow::field("t", times.type())}),
      static_cast<int64_t>(rows.size()), {keys.Finish().ValueOrDie(), times.Finish().ValueOrDie()});
}

std::vector<Event> events_of(const RowBatches& batches) {
  std::vector<Event> rows;
  for (const auto& batch : batches) {
    const auto& keys = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& times = static_cast<const arrow::TimestampArray&>(*batch->column(1));
    for (int64_t row = 0; row < batch->num_rows(); ++row)
      rows.emplace_back(keys.Value(row), times.Value(row) / kSecond);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

// What its runs leave behind, by batch.
struct Shown {
  std::mutex mutex;
  std::map<int64_t, std::vector<Event>> batches;
  int64_t commits_to_fail = 0;
};

class ShownWriter final : public sink::BatchWriter {
 public:
  ShownWriter(std::shared_ptr<Shown> shown, int64_t batch) : shown_(shown), batch_(batch) {}
  Result<void> write(int, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    rows_.push_back(rows);
    return {};
  }
  Result<sink::SinkCommit> commit() override {
    std::lock_guard lock(shown_->mutex);
    if (shown_->commits_to_fail > 0) {
      --shown_->commits_to_fail;
      return base::error(base::ErrorKind::kIo, "the sink is gone");
    }
    shown_->batches[batch_] = events_of(rows_);
    sink::SinkCommit commit;
    commit.rows = static_cast<int64_t>(shown_->batches[batch_].size());
    return commit;
  }
  Result<void> abort() override { return {}; }

 private:
  std::shared_ptr<Shown> shown_;
  int64_t batch_;
  RowBatches rows_;
};

class ShownSink final : public sink::Sink {
 public:
  explicit ShownSink(std::shared_ptr<Shown> shown) : shown_(std::move(shown)) {}
  std::string description() const override { return "Shown"; }
  bool exactly_once() const override { return true; }
  Result<std::string> prepare(const sink::QueryIdentity&, const Schema&) override {
    return std::string("shown");
  }
  Result<std::unique_ptr<sink::BatchWriter>> begin(base::BatchId batch, int) override {
    return std::unique_ptr<sink::BatchWriter>(std::make_unique<ShownWriter>(shown_, batch.value()));
  }

 private:
  std::shared_ptr<Shown> shown_;
};

// Keeps rows until the watermark has reached them, drops late ones; its manifest is its state.
class Holder final : public StatefulOperator {
 public:
  explicit Holder(Schema schema) : schema_(std::move(schema)) {}
  const Schema& output_schema() const override { return schema_; }
  std::string identity() const override { return "holder"; }
  Result<void> open(std::optional<base::BatchId>, const base::JsonObject* manifest) override {
    if (manifest == nullptr) return {};
    for (const auto& row : *base::json_array(*manifest, "rows"))
      held_.emplace_back(row.as_array()[0].as_int64(), row.as_array()[1].as_int64());
    return {};
  }
  Result<void> begin(const operators::BatchRun& run) override {
    run_ = run;
    before_ = held_;
    metrics_ = {};
    metrics_.name = "holder";
    return {};
  }
  class Taker final : public operators::Collector {
   public:
    explicit Taker(Holder& holder) : holder_(holder) {}
    Result<void> add(const operators::BatchPtr& rows) override {
      std::lock_guard lock(holder_.mutex_);
      for (const Event& event : events_of({rows})) {
        if (event.second * kSecond <= holder_.run_->late_us)
          ++holder_.metrics_.rows_dropped_by_watermark;
        else
          holder_.held_.push_back(event);
      }
      return {};
    }

   private:
    Holder& holder_;
  };
  Result<std::unique_ptr<operators::Collector>> collector(int) override {
    return std::unique_ptr<operators::Collector>(std::make_unique<Taker>(*this));
  }
  Result<void> finish(const operators::Output& output) override {
    std::vector<Event> ripe;
    std::sort(held_.begin(), held_.end());
    std::erase_if(held_, [&](const Event& event) {
      if (event.second * kSecond > run_->eviction_us) return false;
      ripe.push_back(event);
      return true;
    });
    metrics_.rows_total = static_cast<int64_t>(held_.size());
    return output(events(ripe));
  }
  Result<base::JsonObject> prepare() override {
    base::JsonArray rows;
    for (const auto& [key, seconds] : held_)
      rows.push_back(base::JsonArray{key, seconds});
    return base::JsonObject{{"rows", rows}};
  }
  void committed() override {}
  void roll_back() override { held_ = before_; }
  bool wants_batch_without_rows(int64_t eviction_us) const override {
    return std::any_of(held_.begin(), held_.end(),
                       [&](const Event& event) { return event.second * kSecond <= eviction_us; });
  }
  operators::OperatorMetrics metrics() const override { return metrics_; }

 private:
  Schema schema_;
  std::mutex mutex_;
  std::optional<operators::BatchRun> run_;
  std::vector<Event> held_, before_;
  operators::OperatorMetrics metrics_;
};

class Script {
 public:
  explicit Script(size_t sources) {
    for (size_t i = 0; i < sources; ++i) {
      data.push_back(std::make_shared<source::MemorySource::Data>(event_schema()));
      tables.push_back(std::make_shared<StreamTable>());
    }
    environment.is_stateful = [](const plan::Operator& node) {
      return std::holds_alternative<op::Distinct>(node.node);
    };
    environment.make_operator = [](const plan::OperatorPtr& node, int64_t) {
      return Result<std::unique_ptr<StatefulOperator>>(
          std::make_unique<Holder>(plan::schema_of(*node)));
    };
    options.checkpoint = "/checkpoint";
    options.threads = 2;
  }
  ~Script() { query.reset(); }

  plan::OperatorPtr scan(size_t index) const {
    return plan::make_operator(op::Scan{tables[index], {0, 1}, nullptr}, columns(), true);
  }
  static std::vector<plan::Column> columns() {
    std::vector<plan::Column> made(2);
    made[0].name = "k";
    made[0].type = DataType::of(TypeKind::kLong);
    made[1].name = "t";
    made[1].type = DataType::of(TypeKind::kTimestamp);
    return made;
  }
  static plan::OperatorPtr delayed(plan::OperatorPtr child, int64_t seconds) {
    return plan::make_operator(op::Watermark{std::move(child), 1, seconds * kSecond, 0}, columns(),
                               true);
  }
  static plan::OperatorPtr held(plan::OperatorPtr child) {
    return plan::make_operator(op::Distinct{std::move(child)}, columns(), true);
  }
  static plan::OperatorPtr united(plan::OperatorPtr left, plan::OperatorPtr right) {
    return plan::make_operator(
        op::SetOperation{std::move(left), std::move(right), plan::SetKind::kUnion, true}, columns(),
        true);
  }

  Result<void> try_start() {
    QueryParts parts;
    WEIR_ASSIGN(parts.plan, StreamPlan::create(root, environment));
    for (const auto& table : parts.plan->tables()) {
      const auto index =
          static_cast<size_t>(std::find(tables.begin(), tables.end(), table) - tables.begin());
      parts.sources.push_back(std::make_unique<source::MemorySource>(data[index]));
    }
    parts.sink = std::make_unique<ShownSink>(shown);
    WEIR_ASSIGN(query, MicroBatchQuery::start({files, clock, random}, std::move(parts), options));
    return {};
  }
  void start() {
    auto started = try_start();
    ASSERT_TRUE(started.ok()) << started.error().to_string();
  }
  void process() {
    auto done = query->process_all_available();
    ASSERT_TRUE(done.ok()) << done.error().to_string();
  }
  void add(size_t source, const std::vector<Event>& rows) { data[source]->add(events(rows)); }
  std::vector<Event> batch(int64_t id) {
    std::lock_guard lock(shown->mutex);
    return shown->batches.contains(id) ? shown->batches[id] : std::vector<Event>{{-1, -1}};
  }
  std::string text_of(const std::string& file) {
    auto text = files.read_all("/checkpoint/" + file);
    return text.ok() ? *text : "missing: " + text.error().to_string();
  }

  io::ModelFileSystem files{1};
  base::ManualClock clock;
  base::SeededRandom random{1};
  std::vector<std::shared_ptr<source::MemorySource::Data>> data;
  std::vector<plan::TablePtr> tables;
  PlanEnvironment environment;
  QueryOptions options;
  plan::OperatorPtr root;
  std::shared_ptr<Shown> shown = std::make_shared<Shown>();
  std::unique_ptr<MicroBatchQuery> query;
};

TEST(StreamPlan, AUnionOfTwoStreamsHasOneLineASourceInTheLog) {
  Script script(2);
  script.root = Script::united(script.scan(0), script.scan(1));
  script.add(0, {{1, 1}});
  script.start();
  script.process();
  script.add(1, {{2, 2}});
  script.process();
  EXPECT_THAT(script.batch(0), ElementsAre(Event{1, 1}));
  EXPECT_THAT(script.batch(1), ElementsAre(Event{2, 2}));
  EXPECT_THAT(script.text_of("offsets/0"), testing::EndsWith("\n0\n-"));
  EXPECT_THAT(script.text_of("offsets/1"), testing::EndsWith("\n0\n0"));
  script.query.reset();
  script.add(0, {{3, 3}});
  script.start();
  script.process();
  EXPECT_THAT(script.batch(2), ElementsAre(Event{3, 3}));
}

TEST(StreamPlan, AStreamThatStandsTwiceIsReadOnce) {
  Script script(1);
  script.root = Script::united(script.scan(0), script.scan(0));
  script.add(0, {{1, 1}});
  script.start();
  script.process();
  EXPECT_THAT(script.batch(0), ElementsAre(Event{1, 1}, Event{1, 1}));
  EXPECT_EQ(script.query->last_progress()->sources.size(), 1U);
  EXPECT_EQ(script.query->last_progress()->input_rows(), 1);
}

TEST(StreamPlan, TheWatermarkOfABatchIsSetByTheOnesBefore) {
  Script script(1);
  script.root = Script::held(Script::delayed(script.scan(0), 10));
  script.start();
  script.add(0, {{1, 5}, {2, 25}});
  script.process();  // batch 0, and batch 1 without rows: the watermark is 15 s
  EXPECT_THAT(script.batch(0), IsEmpty());
  EXPECT_THAT(script.batch(1), ElementsAre(Event{1, 5}));
  EXPECT_EQ(script.text_of("commits/0"),
            "v1\n{\"nextBatchWatermarkMs\":15000,\"weirState\":{\"0\":{\"rows\":[[1,5],[2,25]]}}}");
  EXPECT_THAT(script.text_of("offsets/1"), HasSubstr("\"batchWatermarkMs\":15000"));
  EXPECT_EQ(script.query->last_progress()->watermark_ms, 15000);
  script.add(0, {{3, 15}, {4, 16}});
  script.process();
  EXPECT_THAT(script.batch(2), IsEmpty());
  EXPECT_EQ(script.query->last_progress()->state_operators[0].rows_dropped_by_watermark, 1);
  EXPECT_EQ(script.query->last_progress()->state_operators[0].rows_total, 2);
}

TEST(StreamPlan, WithoutBatchesWithoutRowsTheNextRowsBringTheOutput) {
  Script script(1);
  script.root = Script::held(Script::delayed(script.scan(0), 10));
  script.options.batches_without_rows = false;
  script.start();
  script.add(0, {{1, 5}, {2, 25}});
  script.process();
  EXPECT_EQ(script.shown->batches.size(), 1U);
  // Not late yet: late is what the watermark of the batch before has passed.
  script.add(0, {{3, 14}});
  script.process();
  EXPECT_THAT(script.batch(1), ElementsAre(Event{1, 5}, Event{3, 14}));
}

TEST(StreamPlan, TheLeastOfSeveralWatermarksCountsOrTheLargest) {
  for (const auto policy : {WatermarkPolicy::kMin, WatermarkPolicy::kMax}) {
    Script script(2);
    script.root =
        Script::united(Script::delayed(script.scan(0), 10), Script::delayed(script.scan(1), 5));
    script.options.watermark_policy = policy;
    script.add(0, {{1, 100}});
    script.add(1, {{1, 50}});
    script.start();
    script.process();
    EXPECT_EQ(script.text_of("commits/0"), policy == WatermarkPolicy::kMin
                                               ? "v1\n{\"nextBatchWatermarkMs\":45000}"
                                               : "v1\n{\"nextBatchWatermarkMs\":90000}");
  }
}

TEST(StreamPlan, ARestartGoesOnWithStateAndWatermark) {
  Script script(1);
  script.root = Script::held(Script::delayed(script.scan(0), 10));
  script.start();
  script.add(0, {{1, 20}, {2, 25}});
  script.process();
  script.query.reset();
  script.add(0, {{9, 1}, {3, 40}});  // 15 s is the watermark: 1 is dropped once it is that of
                                     // the batch before
  script.start();
  script.process();
  EXPECT_THAT(script.text_of("offsets/1"), HasSubstr("\"batchWatermarkMs\":15000"));
  EXPECT_THAT(script.batch(2), ElementsAre(Event{1, 20}, Event{2, 25}));
}

TEST(StreamPlan, ABatchWhoseSinkFailedRunsAgainOnTheStateBeforeIt) {
  Script script(1);
  script.root = Script::held(Script::delayed(script.scan(0), 10));
  script.start();
  script.add(0, {{1, 5}});
  script.process();
  {
    std::lock_guard lock(script.shown->mutex);
    script.shown->commits_to_fail = 1;
  }
  script.add(0, {{2, 30}});
  EXPECT_FALSE(script.query->process_all_available().ok());
  EXPECT_THAT(script.text_of("commits/1"), HasSubstr("missing"));
  script.query.reset();
  script.start();
  script.process();
  EXPECT_THAT(script.batch(1), IsEmpty());
  EXPECT_THAT(script.batch(2), ElementsAre(Event{1, 5}));
}

TEST(StreamPlan, ACheckpointWithStateIsNotForAQueryWithout) {
  Script script(1);
  script.root = Script::held(Script::delayed(script.scan(0), 10));
  script.start();
  script.add(0, {{1, 5}});
  script.process();
  script.query.reset();
  script.root = script.scan(0);
  auto started = script.try_start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().kind(), base::ErrorKind::kConflict);
}

TEST(StreamPlan, AStatementRunsOnceABatchOverTheRowsBelow) {
  Script script(1);
  const auto sorted = plan::make_operator(op::Tail{script.scan(0), 1}, Script::columns(), true);
  script.root = sorted;
  int runs = 0;
  script.environment.execute = [&](const plan::OperatorPtr& bound, const eval::EvalContext&,
                                   std::stop_token,
                                   const PlanEnvironment::Observed&) -> Result<RowBatches> {
    ++runs;
    const auto& tail = std::get<op::Tail>(bound->node);
    EXPECT_FALSE(bound->streaming);
    const auto& rows = std::get<op::LocalRows>(tail.child->node).batches;
    return RowBatches{rows.back()->Slice(rows.back()->num_rows() - 1)};
  };
  script.add(0, {{1, 1}, {2, 2}});
  script.start();
  script.process();
  EXPECT_THAT(script.batch(0), ElementsAre(Event{2, 2}));
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace weir::stream
