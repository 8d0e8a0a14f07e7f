// Plans of queries built by hand, as text.
#include "plan/analyzer.h"

#include <gtest/gtest.h>

namespace weir::plan {
namespace {

using columnar::TypeKind;

class FakeTable final : public Table {
 public:
  explicit FakeTable(Schema schema) : schema_(std::move(schema)) {}
  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "fake"; }
  std::string description() const override { return "fake"; }

 private:
  Schema schema_;
};

class FakeCatalog final : public Catalog {
 public:
  Result<CatalogEntry> find(const NamedTable& table, const Origin& origin) override {
    if (table.name.back() != "t" && table.name.back() != "u")
      return analysis_error("TABLE_OR_VIEW_NOT_FOUND", "42P01", "no such table", origin);
    return CatalogEntry{TablePtr(std::make_shared<FakeTable>(
                            *columnar::parse_ddl_schema("k INT, v STRING, x DOUBLE"))),
                        {"spark_catalog", "default", table.name.back()}};
  }
  Result<TablePtr> open(const DataSource&, const Origin& origin) override {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000", "no sources", origin);
  }
  Result<OperatorPtr> cached(const std::string& id) override {
    return base::error(base::ErrorKind::kNotFound, "no relation {}", id);
  }
  std::shared_ptr<const PythonFunction> python_function(std::string_view) override {
    return nullptr;
  }
  std::string current_catalog() override { return "spark_catalog"; }
  std::string current_database() override { return "default"; }
};

ExpressionPtr column(std::vector<std::string> parts) {
  return make_expression(ColumnReference{std::move(parts)});
}
ExpressionPtr number(int64_t value) {
  return make_expression(Literal{DataType::of(TypeKind::kInteger), Value(value)});
}
ExpressionPtr call(std::string name, std::vector<ExpressionPtr> arguments) {
  return make_expression(Call{std::move(name), std::move(arguments)});
}
PlanPtr table(std::string name) { return make_plan(NamedTable{{std::move(name)}, {}, {}}); }

// The optimised plan, or the error's class.
std::string analysed(const PlanPtr& plan) {
  FakeCatalog catalog;
  Analyzer analyzer(catalog, {}, {});
  auto made = analyzer.analyze(plan);
  if (!made.ok()) return made.error().error_class();
  auto optimised = optimize(*made, {});
  EXPECT_TRUE(optimised.ok());
  return schema_of(**optimised).simple_string() + "\n" + plan_text(**optimised);
}

TEST(Analyzer, ReadsTheColumnsThatAreAskedFor) {
  const auto plan =
      make_plan(Project{make_plan(Filter{table("t"), call(">", {column({"t", "K"}), number(1)})}),
                        {call("upper", {column({"v"})})}});
  EXPECT_EQ(analysed(plan),
            "struct<upper(v):string>\n"
            "Project [upper(v#2) AS upper(v)#4]\n"
            "+- Filter (k#1 > 1)\n"
            "   +- Relation [k#1, v#2] fake PushedFilters: [(k#1 > 1)]\n");
}

TEST(Analyzer, SortsByWhatIsNotSelected) {
  Sort sort;
  sort.child = make_plan(Project{table("t"), {column({"k"})}});
  sort.keys = {{column({"x"}), false, false}};
  EXPECT_EQ(analysed(make_plan(std::move(sort))).substr(0, 14), "struct<k:int>\n");
}

TEST(Analyzer, GroupsAndTellsWhatIsNoKey) {
  Aggregate grouped;
  grouped.child = table("t");
  grouped.keys = {column({"k"})};
  grouped.list = {column({"k"}), call("sum", {column({"x"})})};
  EXPECT_EQ(analysed(make_plan(grouped)).substr(0, 28), "struct<k:int,sum(x):double>\n");
  grouped.list = {column({"v"})};
  EXPECT_EQ(analysed(make_plan(grouped)), "MISSING_AGGREGATION");
}

TEST(Analyzer, KnowsTheSidesOfAJoinByPlanId) {
  const auto left = make_plan(PlanId{table("t"), 1});
  const auto right = make_plan(PlanId{table("u"), 2});
  const auto of = [](std::string name, int64_t id) {
    return make_expression(ColumnReference{{std::move(name)}, id});
  };
  Join join;
  join.left = left;
  join.right = right;
  join.condition = call("=", {of("k", 1), of("k", 2)});
  const auto joined = make_plan(join);
  EXPECT_EQ(analysed(make_plan(Project{joined, {of("v", 2)}})).substr(0, 17), "struct<v:string>\n");
  EXPECT_EQ(analysed(make_plan(Project{joined, {column({"v"})}})), "AMBIGUOUS_REFERENCE");
  EXPECT_EQ(analysed(make_plan(Project{left, {of("v", 2)}})), "CANNOT_RESOLVE_DATAFRAME_COLUMN");
  join.right = make_plan(PlanId{table("t"), 1});
  join.condition = call("=", {of("k", 1), of("k", 1)});
  EXPECT_EQ(analysed(make_plan(join)), "AMBIGUOUS_COLUMN_REFERENCE");
}

TEST(Analyzer, BoundsTheDepthOfPlans) {
  auto plan = table("t");
  for (int i = 0; i < kPlanHeightMax + 1; ++i)
    plan = make_plan(Hint{plan, "h", {}});
  EXPECT_EQ(analysed(plan), "FAILED_TO_PARSE_TOO_COMPLEX");
}

}  // namespace
}  // namespace weir::plan
