// Operator trees built by hand, run in DuckDB with our kernels.
#include "relational/execution.h"

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

}  // namespace
}  // namespace weir::relational
