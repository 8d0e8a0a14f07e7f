// Operator trees built by hand, run in DuckDB with our kernels.
#include "relational/execution.h"

#include <set>
#include <thread>

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "relational/plan_maker.h"

namespace weir::relational {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class ExecutionTest : public ::testing::Test {
 protected:
  std::vector<std::string> run(const plan::OperatorPtr& plan, bool ansi = true) {
    ExecutionContext context{*engine_, {}, nullptr, {}};
    context.eval.ansi = ansi;
    return texts(execute(plan, context));
  }

  std::vector<std::string> sql(const std::string& text, bool ansi = true) {
    ExecutionContext context{*engine_, {}, nullptr, {}};
    context.eval.ansi = ansi;
    TestCatalog catalog;
    auto plan = plan_of(text, catalog, context.eval);
    if (!plan.ok()) return {plan.error().to_string()};
    return texts(execute(*plan, context));
  }

  plan::OperatorPtr project_ids(const std::string& first = "id", const std::string& second = {}) {
    return project(people_, second.empty() ? std::vector<std::string>{first}
                                           : std::vector<std::string>{first, second});
  }

  plan::OperatorPtr people_ = values("id INT, name STRING, age INT, pay DECIMAL(10,2), x DOUBLE",
                                     {{"1", "'Ann'", "30", "10.50", "1.5D"},
                                      {"2", "'Bob'", "NULL", "20.00", "cast('NaN' as double)"},
                                      {"3", "'Cid'", "30", "NULL", "-0.0D"},
                                      {"4", "NULL", "41", "5.25", "0.0D"}});
  std::unique_ptr<DuckEngine> engine_ = DuckEngine::open({}).value();
};

TEST_F(ExecutionTest, ProjectsNativelyAndByKernels) {
  EXPECT_THAT(run(project(one_row_plan(), {"1 + 1", "upper('a')", "NULL"})),
              ElementsAre("2|A|NULL"));
  EXPECT_THAT(run(project(people_, {"id + 1", "upper(name)", "concat(name, '!')"})),
              ElementsAre("2|ANN|Ann!", "3|BOB|Bob!", "4|CID|Cid!", "5|NULL|NULL"));
}

TEST_F(ExecutionTest, FiltersKeepGuards) {
  EXPECT_THAT(run(project(filter(people_, "age = 30"), {"id"})), ElementsAre("1", "3"));
  EXPECT_THAT(run(project(filter(people_, "id <> 3 AND 10 / (id - 3) > 5"), {"id"})),
              ElementsAre("4"));
  EXPECT_THAT(run(project(filter(filter(people_, "id <> 3"), "10 / (id - 3) > 5"), {"id"})),
              ElementsAre("4"));
}

TEST_F(ExecutionTest, ErrorsAreSparks) {
  EXPECT_THAT(run(project(people_, {"10 / (id - 3)"}))[0], HasSubstr("[DIVIDE_BY_ZERO]"));
  EXPECT_THAT(run(project(people_, {"id + 2147483647"}))[0], HasSubstr("[ARITHMETIC_OVERFLOW]"));
  EXPECT_THAT(run(project(people_, {"id + 2147483647"}))[0],
              HasSubstr("== SQL (line 1, position 1) =="));
}

TEST_F(ExecutionTest, Aggregates) {
  EXPECT_THAT(run(aggregate(people_, {"age"}, {"count(*)", "sum(pay)", "avg(pay)", "min(name)"})),
              UnorderedElementsAre("30|2|10.50|10.500000|Ann", "NULL|1|20.00|20.000000|Bob",
                                   "41|1|5.25|5.250000|NULL"));
  EXPECT_THAT(run(aggregate(people_, {},
                            {"sum(id)", "avg(id)", "max(x)", "min(x)", "count(DISTINCT age)",
                             "count_if(id > 2)"})),
              ElementsAre("10|2.5|NaN|-0.0|2|2"));
  EXPECT_THAT(run(aggregate(people_, {"x"}, {"count(*)"})),
              UnorderedElementsAre("1.5|1", "NaN|1", "0.0|2"));
  EXPECT_THAT(run(aggregate(people_, {}, {"sum(9223372036854775807 + 0 * id)"}))[0],
              HasSubstr("[ARITHMETIC_OVERFLOW] long overflow"));
  EXPECT_THAT(run(aggregate(people_, {"age", "id > 2"}, {"count(*)"}, {{0}, {1}, {}})),
              UnorderedElementsAre("30|NULL|2|1", "NULL|NULL|1|1", "41|NULL|1|1", "NULL|false|2|2",
                                   "NULL|true|2|2", "NULL|NULL|4|3"));
}

TEST_F(ExecutionTest, Joins) {
  const auto cities =
      values("who INT, city STRING", {{"1", "'Rome'"}, {"1", "'Oslo'"}, {"9", "'Bern'"}});
  using Kind = plan::JoinKind;
  const auto named = [&](Kind kind) {
    return project(join(people_, cities, kind, "id = who"), {"id", "city"});
  };
  EXPECT_THAT(run(named(Kind::kInner)), UnorderedElementsAre("1|Rome", "1|Oslo"));
  EXPECT_THAT(run(named(Kind::kLeft)),
              UnorderedElementsAre("1|Rome", "1|Oslo", "2|NULL", "3|NULL", "4|NULL"));
  EXPECT_THAT(run(named(Kind::kRight)), UnorderedElementsAre("1|Rome", "1|Oslo", "NULL|Bern"));
  EXPECT_THAT(run(named(Kind::kFull)),
              UnorderedElementsAre("1|Rome", "1|Oslo", "2|NULL", "3|NULL", "4|NULL", "NULL|Bern"));
  EXPECT_THAT(run(project(join(people_, cities, Kind::kLeftSemi, "id = who"), {"id"})),
              ElementsAre("1"));
  EXPECT_THAT(run(project(join(people_, cities, Kind::kLeftAnti, "id = who"), {"id"})),
              UnorderedElementsAre("2", "3", "4"));
}

TEST_F(ExecutionTest, SortsAndLimits) {
  EXPECT_THAT(run(project(sort(people_, {"x", "id"}), {"id", "x"})),
              ElementsAre("3|-0.0", "4|0.0", "1|1.5", "2|NaN"));
  EXPECT_THAT(run(project(sort(people_, {"name"}, false), {"name"})),
              ElementsAre("Cid", "Bob", "Ann", "NULL"));
  const auto sorted = sort(people_, {"id"}, false);
  EXPECT_THAT(run(project(plan::make_operator(op::Limit{sorted, 2, 1}, sorted->columns), {"id"})),
              ElementsAre("3", "2"));
  EXPECT_THAT(run(project(plan::make_operator(op::Tail{sorted, 2}, sorted->columns), {"id"})),
              ElementsAre("2", "1"));
}

TEST_F(ExecutionTest, SetOperationsCountRows) {
  const auto a = values("v INT", {{"1"}, {"1"}, {"1"}, {"NULL"}});
  const auto b = values("v INT", {{"1"}, {"NULL"}, {"NULL"}});
  using Kind = plan::SetKind;
  EXPECT_THAT(run(set_operation(a, b, Kind::kExcept, true)), ElementsAre("1", "1"));
  EXPECT_THAT(run(set_operation(a, b, Kind::kIntersect, true)), UnorderedElementsAre("1", "NULL"));
  EXPECT_THAT(run(set_operation(a, b, Kind::kUnion, false)), UnorderedElementsAre("1", "NULL"));
  EXPECT_THAT(run(set_operation(a, b, Kind::kUnion, true)).size(), 7u);
}

TEST_F(ExecutionTest, StatisticsAndCollections) {
  const auto numbers =
      values("k INT, v DOUBLE, w DOUBLE",
             {{"1", "1D", "2D"}, {"1", "2D", "4D"}, {"1", "4D", "9D"}, {"2", "7D", "NULL"}});
  EXPECT_THAT(
      run(sort(aggregate(numbers, {"k"}, {"stddev(v)", "var_pop(v)", "corr(v, w)", "skewness(v)"}),
               {"x0"})),
      ElementsAre("1|1.5275252316519465|1.5555555555555554|0.9986254289035241|0.3818017741606068",
                  "2|NULL|0.0|NULL|NULL"));
  EXPECT_THAT(run(aggregate(numbers, {},
                            {"percentile(v, 0.5)", "median(v)", "percentile(v, array(0.25, 1.0))",
                             "percentile_approx(v, 0.5)", "mode(k)"})),
              ElementsAre("3.0|3.0|[1.75, 7.0]|2.0|1"));
  EXPECT_THAT(run(aggregate(numbers, {},
                            {"collect_list(w)", "collect_set(k)", "max_by(k, v)",
                             "approx_count_distinct(v)", "listagg(cast(k as string), ',')"})),
              ElementsAre("[2.0, 4.0, 9.0]|[1, 2]|2|4|1,1,1,2"));
  EXPECT_THAT(run(aggregate(filter(numbers, "k > 5"), {},
                            {"collect_list(w)", "sum(v)", "count(v)", "approx_count_distinct(v)"})),
              ElementsAre("[]|NULL|0|0"));
  EXPECT_THAT(
      run(aggregate(numbers, {},
                    {"first(w)", "last(w)", "last(w, true)", "min(array(k, 1))", "bit_xor(k)"})),
      ElementsAre("2.0|NULL|9.0|[1, 1]|3"));
}

TEST_F(ExecutionTest, GeneratesRows) {
  const std::string lists = " FROM VALUES (1, array(5, 6)), (2, array()), (3, NULL) AS t(id, a)";
  EXPECT_THAT(sql("SELECT id, explode(a)" + lists), ElementsAre("1|5", "1|6"));
  EXPECT_THAT(sql("SELECT id, posexplode_outer(a)" + lists),
              ElementsAre("1|0|5", "1|1|6", "2|NULL|NULL", "3|NULL|NULL"));
  EXPECT_THAT(sql("SELECT id, explode(map('x', id))" + lists),
              ElementsAre("1|x|1", "2|x|2", "3|x|3"));
  EXPECT_THAT(sql("SELECT id, stack(2, id, 'a', id + 1, 'b')" + lists),
              ElementsAre("1|1|a", "1|2|b", "2|2|a", "2|3|b", "3|3|a", "3|4|b"));
  EXPECT_THAT(sql("SELECT inline(array(struct(1, 'a'), struct(2, 'b')))"),
              ElementsAre("1|a", "2|b"));
  EXPECT_THAT(sql("SELECT json_tuple('{\"a\": 1, \"b\": \"x\"}', 'a', 'b', 'c')"),
              ElementsAre("1|x|NULL"));
  EXPECT_THAT(sql("SELECT id, x" + lists + " LATERAL VIEW OUTER explode(a) AS x WHERE id > 1"),
              ElementsAre("2|NULL", "3|NULL"));
}

TEST_F(ExecutionTest, SumsPastTheirTypeAreErrors) {
  EXPECT_THAT(
      sql("SELECT sum(a) FROM VALUES (99999999999999999999999999999999999999BD), (1BD) t(a)")[0],
      HasSubstr("[ARITHMETIC_OVERFLOW]"));
  EXPECT_THAT(sql("SELECT sum(a), try_sum(a) FROM VALUES (9223372036854775807), (1) t(a)", false),
              ElementsAre("-9223372036854775808|NULL"));
}

TEST_F(ExecutionTest, Windows) {
  const std::string rows =
      " FROM VALUES (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', NULL) AS t(id, g, v) ";
  EXPECT_THAT(
      sql("SELECT id, row_number() OVER (PARTITION BY g ORDER BY id DESC), sum(v) OVER (PARTITION "
          "BY g ORDER BY id), lag(v) OVER (ORDER BY id), lead(v, 1, -1) OVER (ORDER BY id)" +
          rows + "ORDER BY id"),
      ElementsAre("1|2|10|NULL|20", "2|1|30|10|5", "3|2|5|20|NULL", "4|1|5|5|-1"));
  EXPECT_THAT(
      sql("SELECT id, count(*) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND 1 "
          "FOLLOWING), first(v) OVER (ORDER BY id DESC ROWS BETWEEN 1 PRECEDING AND CURRENT "
          "ROW), avg(v) OVER (PARTITION BY g), stddev(v) OVER ()" +
          rows + "ORDER BY id"),
      ElementsAre("1|2|20|15.0|7.637626158259733", "2|3|5|15.0|7.637626158259733",
                  "3|3|NULL|5.0|7.637626158259733", "4|2|NULL|5.0|7.637626158259733"));
  EXPECT_THAT(sql("SELECT d, count(*) OVER (ORDER BY d RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND "
                  "CURRENT ROW) FROM VALUES (DATE '2024-01-01'), (DATE '2024-01-02'), (DATE "
                  "'2024-02-02') AS t(d) ORDER BY d"),
              ElementsAre("2024-01-01|1", "2024-01-02|2", "2024-02-02|1"));
  EXPECT_THAT(
      sql("SELECT rank() OVER (ORDER BY g), dense_rank() OVER (ORDER BY g DESC), ntile(2) "
          "OVER (ORDER BY id), cume_dist() OVER (ORDER BY g), nth_value(v, 2) OVER (ORDER BY "
          "id)" +
          rows + "ORDER BY id"),
      ElementsAre("1|2|1|0.5|NULL", "1|2|1|0.5|20", "3|1|2|1.0|20", "3|1|2|1.0|20"));
}

TEST_F(ExecutionTest, Subqueries) {
  const std::string with =
      "WITH t AS (SELECT * FROM VALUES (1, 10), (2, 20), (3, NULL) AS t(a, b)), u AS (SELECT * "
      "FROM VALUES (1, 'x'), (1, 'y'), (NULL, 'z') AS u(k, s)) ";
  EXPECT_THAT(sql(with + "SELECT a, (SELECT max(s) FROM u WHERE k = a) FROM t ORDER BY a"),
              ElementsAre("1|y", "2|NULL", "3|NULL"));
  EXPECT_THAT(sql(with + "SELECT a FROM t WHERE a NOT IN (SELECT k FROM u)"), ElementsAre());
  EXPECT_THAT(sql(with + "SELECT a FROM t WHERE a IN (SELECT k FROM u)"), ElementsAre("1"));
  EXPECT_THAT(
      sql(with + "SELECT a FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE k = a) ORDER BY a"),
      ElementsAre("2", "3"));
  EXPECT_THAT(sql(with + "SELECT (SELECT s FROM u WHERE k = 1)")[0],
              HasSubstr("[SCALAR_SUBQUERY_TOO_MANY_ROWS]"));
  EXPECT_THAT(sql(with + "SELECT a, s FROM t, LATERAL (SELECT s FROM u WHERE k = a) ORDER BY s"),
              ElementsAre("1|x", "1|y"));
  EXPECT_THAT(
      sql(with + "SELECT upper((SELECT min(s) FROM u)), a IN (SELECT k FROM u) FROM t ORDER "
                 "BY a"),
      ElementsAre("X|true", "X|NULL", "X|NULL"));
}

// Stands in for the workers: doubles numbers, names groups.
class Doubling final : public UserFunctions {
 public:
  Result<std::shared_ptr<arrow::Array>> scalar(const plan::PythonFunction&,
                                               const BatchPtr& arguments) override {
    const auto& given = static_cast<const arrow::Int32Array&>(*arguments->column(0));
    arrow::Int32Builder builder;
    for (int64_t row = 0; row < given.length(); ++row)
      EXPECT_TRUE(
          (given.IsNull(row) ? builder.AppendNull() : builder.Append(2 * given.Value(row))).ok());
    return *builder.Finish();
  }
  Result<std::unique_ptr<BatchStream>> map(const plan::PythonFunction&,
                                           std::unique_ptr<BatchStream> input) override {
    return input;
  }
  Result<std::unique_ptr<BatchStream>> group_map(const plan::PythonFunction&, int keys,
                                                 std::unique_ptr<BatchStream> input) override {
    EXPECT_EQ(keys, 1);
    return input;
  }
};

TEST_F(ExecutionTest, UserFunctionsAreStages) {
  Doubling functions;
  auto function = std::make_shared<plan::PythonFunction>();
  function->name = "twice";
  function->result = columnar::DataType::of(columnar::TypeKind::kInteger);
  const auto call = [&](const plan::TypedPtr& argument) {
    return std::make_shared<const plan::Typed>(
        plan::Typed{function->result, true, plan::TypedPython{function, {argument}}, {}});
  };
  const auto with = [&](const plan::OperatorPtr& plan) {
    return texts(execute(plan, {*engine_, {}, &functions, {}}));
  };
  const auto twice = call(typed("age", people_));
  op::Project project{people_, {typed("id", people_), twice, call(twice)}};
  auto columns = as_columns(project.list);
  const auto projected = plan::make_operator(project, columns);
  EXPECT_THAT(with(projected), ElementsAre("1|60|120", "2|NULL|NULL", "3|60|120", "4|82|164"));
  EXPECT_THAT(run(projected)[0], HasSubstr("[UNSUPPORTED_FEATURE]"));
  const auto mapped =
      plan::make_operator(op::MapPartitions{project_ids(), function}, project_ids()->columns);
  EXPECT_THAT(with(mapped), ElementsAre("1", "2", "3", "4"));
  const auto grouped = plan::make_operator(
      op::GroupMap{project_ids("age", "id"), {typed("x0", project_ids("age", "id"))}, function, {}},
      as_columns({typed("age", people_), typed("age", people_), typed("id", people_)}));
  EXPECT_THAT(with(grouped), ElementsAre("NULL|NULL|2", "30|30|1", "30|30|3", "41|41|4"));
}

TEST_F(ExecutionTest, ObservedMetricsComeAtTheEnd) {
  op::Observe node;
  node.child = people_;
  node.name = "seen";
  node.aggregates = {typed_aggregate("count(*)", people_)};
  const auto counted = plan::make_operator(op::OneRow{}, as_columns(node.aggregates));
  node.metrics = {{"rows", typed("x0 + 1", counted)}};
  std::string seen;
  ExecutionContext context{*engine_, {}, nullptr, [&](const std::string& name, BatchPtr row) {
                             seen = name + " " + row->ToString();
                           }};
  const auto plan = plan::make_operator(std::move(node), people_->columns);
  EXPECT_EQ(texts(execute(plan, context)).size(), 4u);
  EXPECT_THAT(seen, HasSubstr("seen"));
  EXPECT_THAT(seen, HasSubstr("5"));
}

TEST_F(ExecutionTest, StopEndsARunningQuery) {
  plan::Column id;
  id.name = "id";
  id.type = columnar::DataType::of(columnar::TypeKind::kLong);
  const auto range = plan::make_operator(op::Range{0, 3'000'000, 1}, {id});
  const auto product = join(range, plan::make_operator(op::Range{0, 3'000'000, 1}, {id}),
                            plan::JoinKind::kCross, "");
  op::Aggregate node{product, {}, {typed_aggregate("count(*)", range)}, {}};
  const auto endless = plan::make_operator(node, as_columns(node.aggregates));
  auto stream = execute(endless, {*engine_, {}, nullptr, {}}).value();
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::yield();
    stop.request_stop();
  });
  const auto batch = stream->next(stop.get_token());
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(batch.error().kind(), base::ErrorKind::kCancelled);
}

TEST_F(ExecutionTest, VolatileValuesDifferByRow) {
  plan::Column id;
  id.name = "id";
  id.type = columnar::DataType::of(columnar::TypeKind::kLong);
  const auto range = plan::make_operator(op::Range{0, 5, 1}, {id});
  const auto drawn = run(project(range, {"rand(0)"}));
  ASSERT_EQ(drawn.size(), 5u);
  EXPECT_EQ(drawn[0], "0.7604953758285915");  // Spark's
  EXPECT_EQ(drawn[1], "0.5234194256885571");
  EXPECT_EQ(std::set<std::string>(drawn.begin(), drawn.end()).size(), 5u);
  EXPECT_THAT(run(project(range, {"monotonically_increasing_id()"})),
              ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_THAT(run(aggregate(project(range, {"uuid()"}), {}, {"count(DISTINCT x0)"})),
              ElementsAre("5"));
  const auto sample = plan::make_operator(op::Sample{range, 0, 0.5, false, 42}, {id});
  EXPECT_EQ(run(sample), run(sample));
}

}  // namespace
}  // namespace weir::relational
