#include <fstream>
#include <set>
#include <sstream>

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "eval/kernel.h"
#include "eval/node.h"
#include "eval/program.h"
#include "plan/analysis.h"
#include "sql/parser.h"

namespace weir::eval {
namespace {

using ::testing::HasSubstr;

TEST(Catalog, EveryScalarFunctionHasOneKernel) {
  const auto names = kernel_names();
  std::set<std::string_view> kernels(names.begin(), names.end());
  for (const auto& function : plan::all_functions()) {
    if (function.kind != plan::FunctionKind::kScalar || is_special_form(function)) {
      EXPECT_FALSE(kernels.contains(function.name)) << function.name;
      continue;
    }
    EXPECT_EQ(kernels.erase(function.name) + is_higher_order(function.name), 1u)
        << function.name << " has no kernel";
    EXPECT_FALSE(function.doc.empty()) << function.name;
  }
  for (const auto name : kernels)
    ADD_FAILURE() << "kernel without a catalog entry: " << name;
}

struct Rows {
  columnar::Schema schema;
  std::shared_ptr<arrow::RecordBatch> batch;
};

// n: 0, 1, NULL, 2; v: "a", "", NULL, "long enough to live out of line" as text of the given type.
Rows rows(const std::shared_ptr<arrow::DataType>& text_type) {
  arrow::Int32Builder n;
  EXPECT_TRUE(n.AppendValues({0, 1, 0, 2}, {true, true, false, true}).ok());
  std::shared_ptr<arrow::Array> text;
  const auto fill = [&](auto&& builder) {
    EXPECT_TRUE(builder.Append("a").ok() && builder.Append("").ok() && builder.AppendNull().ok() &&
                builder.Append("long enough to live out of line").ok());
    text = *builder.Finish();
  };
  if (text_type->id() == arrow::Type::STRING_VIEW)
    fill(arrow::StringViewBuilder());
  else if (text_type->id() == arrow::Type::BINARY_VIEW)
    fill(arrow::BinaryViewBuilder());
  else if (text_type->id() == arrow::Type::LARGE_STRING)
    fill(arrow::LargeStringBuilder());
  else if (text_type->id() == arrow::Type::DICTIONARY)
    fill(arrow::StringDictionaryBuilder());
  else
    fill(arrow::StringBuilder());
  const bool binary = text_type->id() == arrow::Type::BINARY_VIEW;
  auto schema = columnar::parse_ddl_schema(binary ? "n INT, v BINARY" : "n INT, v STRING").value();
  auto batch = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("n", arrow::int32()), arrow::field("v", text->type())}), 4,
      {*n.Finish(), text});
  return {schema, batch};
}

std::string run(const Rows& given, std::string_view text, const EvalContext& context = {}) {
  const auto expression = sql::parse_expression(text).value();
  const plan::Scope scope{&given.schema, {}};
  const auto typed =
      plan::analyze_expression(*expression, scope, {context.ansi, false, context.session_zone});
  if (!typed.ok()) return typed.error().to_string();
  const auto program = compile(*typed).value();
  const auto result = program.evaluate(*given.batch, context);
  if (!result.ok()) return result.error().error_class();
  std::string shown;
  for (int64_t i = 0; i < (*result)->length(); ++i)
    shown += (i ? "," : "") +
             ((*result)->IsNull(i) ? "null" : (*result)->GetScalar(i).ValueOrDie()->ToString());
  return shown;
}

TEST(Program, EveryLayoutOfTextIsRead) {
  for (const auto& type : {arrow::utf8(), arrow::large_utf8(), arrow::utf8_view(),
                           arrow::dictionary(arrow::int32(), arrow::utf8())}) {
    const auto given = rows(type);
    EXPECT_EQ(run(given, "length(v)"), "1,0,null,31") << type->ToString();
    EXPECT_EQ(run(given, "v = 'a' OR v LIKE '%line'"), "true,false,null,true") << type->ToString();
    EXPECT_EQ(run(given, "if(n = 0, v, upper(v))"), "a,,null,LONG ENOUGH TO LIVE OUT OF LINE")
        << type->ToString();
    EXPECT_EQ(run(given, "coalesce(v, 'none')"), "a,,none,long enough to live out of line")
        << type->ToString();
    // Under a guard that selects rows, the column is taken.
    EXPECT_EQ(run(given, "n > 0 AND 10 / n > 1 AND v <> ''"), "false,false,null,true")
        << type->ToString();
  }
  EXPECT_EQ(run(rows(arrow::binary_view()), "upper(CAST(v AS STRING))"),
            "A,,null,LONG ENOUGH TO LIVE OUT OF LINE");
}

TEST(Program, GuardsKeepWhatSparkWouldNotEvaluate) {
  const auto given = rows(arrow::utf8());
  EXPECT_EQ(run(given, "10 / n"), "DIVIDE_BY_ZERO");
  EXPECT_EQ(run(given, "n <> 0 AND 10 / n > 5"), "false,true,null,false");
  EXPECT_EQ(run(given, "n = 0 OR 10 / n > 5"), "true,true,null,false");
  EXPECT_EQ(run(given, "CASE WHEN n = 0 THEN -1 WHEN n = 1 THEN 1 DIV n ELSE 4 DIV n END"),
            "-1,1,null,2");
  EXPECT_EQ(run(given, "coalesce(nullif(n, 0), 7 / (n - 1))"), "-7,1,null,2");
  EXPECT_EQ(run(given, "n IN (0, 2) AND n < 2"), "true,false,null,false");
}

TEST(Program, TimeIsThatOfTheBatch) {
  EvalContext context;
  context.batch_timestamp_us = 1'709'210'096'789'000;  // 2024-02-29T12:34:56.789Z
  context.session_zone = "Asia/Tokyo";
  const auto given = rows(arrow::utf8());
  EXPECT_EQ(
      run(given, "date_format(current_timestamp(), 'yyyy-MM-dd HH:mm:ss.SSS') || current_date()",
          context),
      "2024-02-29 21:34:56.7892024-02-29,2024-02-29 21:34:56.7892024-02-29,2024-02-29 "
      "21:34:56.7892024-02-29,2024-02-29 "
      "21:34:56.7892024-02-29");
  context.session_zone = "Nowhere/Land";
  EXPECT_EQ(run(given, "now()", context), "INVALID_TIMEZONE");
}

// The ends of what a value holds: an error or a value, never an overflow that goes unseen.
TEST(Program, TimesBeyondTheRangeAreErrors) {
  const auto given = rows(arrow::utf8());
  const auto first = [&](const std::string& expression) {
    const std::string all = run(given, expression);
    return all.substr(0, all.find(','));
  };
  const std::string last = "TIMESTAMP '294247-01-10 04:00:54.775807'";
  const std::string least = "TIMESTAMP '-290308-12-21 19:59:06'";
  for (const char* expression : {
           "CAST(DATE '999999-01-01' AS TIMESTAMP)",
           "DATE '999999-01-01' - DATE '-999999-01-01'",
           "TIMESTAMP '9999-01-01 00:00:00' + INTERVAL '106751990' DAY",
           "TIMESTAMP '-9999-01-01 00:00:00' - INTERVAL '106751990' DAY",
       })
    EXPECT_THAT(first(expression), HasSubstr("OVERFLOW")) << expression;
  for (const std::string& expression :
       {last + " - " + least, last + " + INTERVAL 1 SECOND", last + " + INTERVAL 1 YEAR",
        least + " - INTERVAL 1 DAY", "date_trunc('YEAR', " + least + ")",
        std::string("date_trunc('HOUR', timestamp_micros(-9223372036854775808))")})
    EXPECT_EQ(first(expression), "ARITHMETIC_OVERFLOW") << expression;
  EXPECT_EQ(first("CAST(" + least + " AS STRING)"), "-290308-12-21 19:59:06");
  EXPECT_EQ(first("CAST(timestamp_micros(-9223372036854775808) AS STRING)"),
            "-290308-12-21 19:59:05.224192");
  EXPECT_EQ(first("date_trunc('MINUTE', " + last + ")"),
            first("TIMESTAMP '294247-01-10 04:00:00'"));
  EXPECT_EQ(first("make_date(2147483647, 1, 1)"), "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION");
  EXPECT_EQ(first("last_day(date_add(DATE '1970-01-01', 2147483647)) < DATE '1970-01-01'"), "true");
  EXPECT_EQ(first("round(1.5, -2147483648)"), "0");
  EXPECT_EQ(first("round(7, -2147483648)"), "0");
}

TEST(Program, FilterKeepsTrueRows) {
  const auto given = rows(arrow::utf8_view());
  const plan::Scope scope{&given.schema, {}};
  const auto condition =
      compile(plan::analyze_condition(*sql::parse_expression("n >= 1").value(), scope).value())
          .value();
  EXPECT_EQ(condition.columns(), std::vector<int>{0});
  const auto kept = filter_rows(given.batch, condition, {}).value();
  ASSERT_EQ(kept->num_rows(), 2);
  EXPECT_EQ(kept->column(0)->ToString(), "[\n  1,\n  2\n]");
}

TEST(Program, EmptyBatchesRunNothing) {
  auto given = rows(arrow::utf8());
  given.batch = given.batch->Slice(0, 0);
  EXPECT_EQ(run(given, "1 / 0"), "");
}

// The golden expressions name every function at least once, but for those tested here.
TEST(Catalog, EveryFunctionIsInTheGoldenSetOrHere) {
  std::ostringstream text;
  for (const auto* file :
       {"tests/golden/eval/expressions.txt", "tests/golden/eval/text_functions_test.cc"}) {
    std::ifstream in(file);
    text << in.rdbuf();
  }
  const auto all = text.str();
  const std::set<std::string_view> here = {"current_timestamp",
                                           "current_date",
                                           "current_timezone",
                                           "in",
                                           "not",
                                           "isnull",
                                           "isnotnull",
                                           "and",
                                           "or",
                                           "when",
                                           "like",
                                           "ilike",
                                           "rlike",
                                           "negative",
                                           "positive",
                                           "getitem",
                                           "chr",
                                           "div",
                                           "try_to_timestamp",
                                           "cosh",
                                           "tanh"};
  for (const auto& function : plan::all_functions()) {
    if (function.kind == plan::FunctionKind::kAggregate || here.contains(function.name)) continue;
    bool found = !std::isalpha(static_cast<unsigned char>(function.name[0])) &&
                 all.find(function.name) != std::string::npos;
    found |= all.find(std::string(function.name) + "(") != std::string::npos;
    for (const auto alias : function.aliases)
      found |= all.find(std::string(alias) + "(") != std::string::npos;
    EXPECT_TRUE(found) << function.name << " is nowhere tested";
  }
  const auto given = rows(arrow::utf8());
  EXPECT_EQ(run(given,
                "current_timezone() = 'UTC' AND cosh(0) = 1 AND tanh(0) = 0 AND "
                "try_to_timestamp('x') IS NULL"),
            "true,true,true,true");
}

}  // namespace
}  // namespace weir::eval
