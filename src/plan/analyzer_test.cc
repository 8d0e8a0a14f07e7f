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

ExpressionPtr text(std::string value) {
  return make_expression(Literal{DataType::of(TypeKind::kString), std::move(value)});
}
ExpressionPtr interval(TypeKind kind, int first, int last, int64_t value) {
  return make_expression(Literal{DataType::interval(kind, first, last), Value(value)});
}
ExpressionPtr cast(ExpressionPtr child, DataType type) {
  return make_expression(CastTo{std::move(child), std::move(type)});
}

// The schema line of SELECT list.
std::string schema_line(std::vector<ExpressionPtr> list) {
  const auto line = analysed(make_plan(Project{make_plan(OneRow{}), std::move(list)}));
  return line.substr(0, line.find('\n'));
}

// Whether the columns of SELECT list are declared nullable: "yn".
std::string nullable(std::vector<ExpressionPtr> list) {
  FakeCatalog catalog;
  Analyzer analyzer(catalog, {}, {});
  auto made = analyzer.analyze(make_plan(Project{make_plan(OneRow{}), std::move(list)}));
  EXPECT_TRUE(made.ok());
  std::string letters;
  for (const auto& column : (*made)->columns)
    letters += column.nullable ? 'y' : 'n';
  return letters;
}

constexpr int64_t kDay = int64_t{86'400} * 1'000'000;

TEST(Analyzer, KnowsTheUnitsOfIntervals) {
  const auto day = interval(TypeKind::kDayTimeInterval, 0, 0, kDay);
  const auto hours = interval(TypeKind::kDayTimeInterval, 1, 1, kDay / 8);
  const auto month = interval(TypeKind::kYearMonthInterval, 1, 1, 3);
  EXPECT_EQ(schema_line({day, hours, month}),
            "struct<INTERVAL '1' DAY:interval day,INTERVAL '03' HOUR:interval hour,"
            "INTERVAL '3' MONTH:interval month>");
  EXPECT_EQ(schema_line({call("+", {day, hours})}),
            "struct<(INTERVAL '1' DAY + INTERVAL '03' HOUR):interval day to hour>");
  const auto date = cast(text("2024-01-01"), DataType::of(TypeKind::kDate));
  EXPECT_EQ(schema_line({call("+", {date, day})}),
            "struct<date_add(CAST(2024-01-01 AS DATE), "
            "extractansiintervaldays(INTERVAL '1' DAY)):date>");
  EXPECT_EQ(schema_line({call("-", {date, hours})}),
            "struct<CAST(2024-01-01 AS DATE) - INTERVAL '03' HOUR:timestamp>");
  EXPECT_EQ(schema_line({call("-", {date, date})}),
            "struct<(CAST(2024-01-01 AS DATE) - CAST(2024-01-01 AS DATE)):interval day>");
}

TEST(Analyzer, DeclaresNullabilityAsSpark) {
  const auto one = number(1);
  EXPECT_EQ(nullable({cast(text("1"), DataType::of(TypeKind::kInteger)),
                      cast(one, DataType::of(TypeKind::kString)), call("sqrt", {one}),
                      call("+", {one, one}), call("/", {one, one}), call("year", {text("2024")})}),
            "ynynyy");
  const auto list = call("array", {one, number(2)});
  EXPECT_EQ(nullable({call("element_at", {list, one}), call("get", {list, number(5)})}), "ny");
}

TEST(Analyzer, ShowsArgumentsThatAreNotGiven) {
  EXPECT_EQ(schema_line({call("make_ym_interval", {number(2)}), call("-", {number(1)}),
                         call("negative", {number(1)}), call("<<", {number(2), number(1)})}),
            "struct<make_ym_interval(2, 0):interval year to month,(- 1):int,negative(1):int,"
            "(2 << 1):int>");
}

TEST(Analyzer, RunsCommonTablesThatReadThemselves) {
  const auto step = [](PlanPtr from) {
    return make_plan(
        Project{make_plan(Filter{std::move(from), call("<", {column({"n"}), number(9)})}),
                {call("+", {column({"n"}), number(1)})}});
  };
  const auto query = [&](PlanPtr right, bool all) {
    SetOperation both;
    both.left = make_plan(Project{make_plan(OneRow{}), {number(0)}});
    both.right = std::move(right);
    both.kind = SetKind::kUnion;
    both.all = all;
    With with;
    with.tables.push_back({"r", {"n"}, make_plan(both)});
    with.recursive = true;
    with.child = make_plan(Project{table("r"), {column({"n"})}});
    return analysed(make_plan(with));
  };
  EXPECT_EQ(query(step(table("r")), true),
            "struct<n:int>\n"
            "UnionLoop 1\n"
            ":- Project [0 AS 0#1]\n"
            ":  +- OneRowRelation\n"
            "+- Project [(n#2 + 1) AS (n + 1)#3]\n"
            "   +- Filter (n#2 < 9)\n"
            "      +- UnionLoopRef 1\n");
  EXPECT_EQ(query(step(table("r")), false), "UNION_NOT_SUPPORTED_IN_RECURSIVE_CTE");
  Aggregate grouped;
  grouped.child = table("r");
  grouped.list = {call("max", {column({"n"})})};
  EXPECT_EQ(query(make_plan(grouped), true), "INVALID_RECURSIVE_REFERENCE.PLACE");
}

TEST(Analyzer, RefusesSubqueriesInSortKeys) {
  Subquery exists;
  exists.kind = SubqueryKind::kExists;
  exists.plan = table("u");
  Sort sort;
  sort.child = table("t");
  sort.keys = {{make_expression(exists), true, true}};
  EXPECT_EQ(analysed(make_plan(std::move(sort))),
            "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_IN_EXISTS_SUBQUERY");
}

}  // namespace
}  // namespace weir::plan
