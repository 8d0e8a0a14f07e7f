// The aggregates of streams (room eval) against those of batch queries: the same rows, both ways.
#include <arrow/api.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/random.h"
#include "eval/aggregates.h"
#include "relational/execution.h"
#include "relational/plan_maker.h"

namespace weir::relational {
namespace {

// Columns of one row, so that texts() can show them.
class OneBatch final : public BatchStream {
 public:
  OneBatch(columnar::Schema schema, BatchPtr rows)
      : schema_(std::move(schema)), rows_(std::move(rows)) {}
  const columnar::Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token) override { return std::exchange(rows_, nullptr); }

 private:
  columnar::Schema schema_;
  BatchPtr rows_;
};

TEST(StreamAggregates, EqualBatchAggregates) {
  const std::vector<std::string> calls{"count(*)",
                                       "count(d)",
                                       "count(i, s)",
                                       "count(DISTINCT i)",
                                       "count(DISTINCT i, s)",
                                       "sum(i)",
                                       "sum(l)",
                                       "sum(d)",
                                       "sum(p)",
                                       "sum(DISTINCT i)",
                                       "try_sum(l)",
                                       "avg(i)",
                                       "avg(d)",
                                       "avg(p)",
                                       "try_avg(p)",
                                       "min(d)",
                                       "max(d)",
                                       "min(s)",
                                       "max(s)",
                                       "min(p)",
                                       "max(t)",
                                       "min(b)",
                                       "max(b)",
                                       "count_if(b)",
                                       "bool_and(b)",
                                       "bool_or(b)",
                                       "bit_and(l)",
                                       "bit_or(l)",
                                       "bit_xor(i)",
                                       "first(s, true)",
                                       "last(s, true)",
                                       "collect_list(i)",
                                       "collect_set(i)",
                                       "stddev(d)",
                                       "stddev_pop(d)",
                                       "variance(i)",
                                       "var_pop(d)",
                                       "skewness(d)",
                                       "kurtosis(d)",
                                       "corr(d, i)",
                                       "covar_pop(d, i)",
                                       "covar_samp(d, i)",
                                       "regr_count(d, i)",
                                       "regr_avgx(d, i)",
                                       "regr_slope(d, i)",
                                       "regr_intercept(d, i)",
                                       "regr_r2(d, i)",
                                       "regr_sxy(d, i)",
                                       "approx_count_distinct(s)",
                                       "percentile(d, 0.3)",
                                       "percentile(i, array(0.1, 0.9))",
                                       "percentile(i, 0.5, 2)",
                                       "percentile_approx(l, 0.5)",
                                       "median(d)",
                                       "mode(i)",
                                       "sum(i) FILTER (WHERE b)",
                                       "count(DISTINCT s) FILTER (WHERE l > 0)",
                                       "max_by(l, l)",
                                       "min_by(i, i)"};
  auto engine = DuckEngine::open({}).value();
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    base::SeededRandom random(seed);
    std::vector<std::vector<std::string>> rows;
    for (uint64_t i = random.below(60) + (seed > 1); i > 0; --i) {
      const auto cell = [&](std::string text) {
        return random.below(6) == 0 ? std::string("NULL") : text;
      };
      rows.push_back({cell(fmt::format("{}", random.below(7))),
                      cell(fmt::format("{}L", static_cast<int64_t>(random.below(2000)) - 1000)),
                      cell(random.below(20) == 0 ? "cast('NaN' as double)"
                                                 : fmt::format("{}.5D", random.below(50))),
                      cell(fmt::format("{}.{:02}", random.below(900), random.below(100))),
                      cell(fmt::format("'s{}'", random.below(9))),
                      cell(random.below(2) ? "true" : "false"),
                      cell(fmt::format("timestamp'2024-01-01 00:00:{:02}'", random.below(60)))});
    }
    if (rows.empty()) continue;
    const auto child = values(
        "i INT, l BIGINT, d DOUBLE, p DECIMAL(10,2), s STRING, b BOOLEAN, t TIMESTAMP", rows);
    ExecutionContext context{*engine, {}, nullptr, {}};
    auto stream = execute(child, context);
    ASSERT_TRUE(stream.ok());
    std::vector<BatchPtr> batches;
    for (auto batch = (*stream)->next({}); batch.ok() && *batch; batch = (*stream)->next({}))
      batches.push_back(*batch);
    for (const auto& call : calls) {
      SCOPED_TRACE(call);
      const auto node = aggregate(child, {}, {call});
      const auto& list = std::get<plan::op::Aggregate>(node->node).aggregates;
      auto program = eval::AggregateProgram::compile(list, context.eval);
      ASSERT_TRUE(program.ok()) << program.error().to_string();
      auto states = program->make(context.eval);
      states.resize(1);
      for (const auto& batch : batches) {
        const std::vector<uint32_t> groups(static_cast<size_t>(batch->num_rows()), 0);
        const auto done = states.update(*batch, groups);
        ASSERT_TRUE(done.ok()) << done.error().to_string();
      }
      const auto results = states.finish();
      ASSERT_TRUE(results.ok()) << results.error().to_string();
      const auto schema = columnar::Schema::structure({columnar::make_field("c", list[0]->type)});
      auto shown = std::make_unique<OneBatch>(
          schema, arrow::RecordBatch::Make(
                      arrow::schema({arrow::field("c", (*results)[0]->type())}), 1, *results));
      EXPECT_EQ(texts(std::unique_ptr<BatchStream>(std::move(shown))),
                texts(execute(node, context)));
    }
  }
}

}  // namespace
}  // namespace weir::relational
