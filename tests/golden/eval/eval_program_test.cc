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
    EXPECT_TRUE(kernels.erase(function.name) == 1 || is_higher_order(function.name))
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

// Each is true; the values are those of Spark's documentation.
TEST(Functions, DocumentedAnswers) {
  const auto given = rows(arrow::utf8());
  for (const auto* expression : {
           "uniform(10, 20, 0) BETWEEN 10 AND 20",
           "length(randstr(5, 0)) = 5",
           "uuid() RLIKE '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'",
           "sort_array(shuffle(array(3, 1, 2))) = array(1, 2, 3)",
           "monotonically_increasing_id() >= 0",
           "spark_partition_id() = 0",
           "try_aes_decrypt(X'00', '0000111122223333') IS NULL",
           "assert_true(1 = 1) IS NULL",
           "try_element_at(array(1, 2, 3), 5) IS NULL",
           "try_element_at(array(1, 2, 3), 2) = 2",
           "to_timestamp_ltz('2016-12-31', 'yyyy-MM-dd') = TIMESTAMP '2016-12-31 00:00:00'",
           "to_timestamp_ntz('2016-12-31', 'yyyy-MM-dd') = TIMESTAMP_NTZ '2016-12-31 00:00:00'",
           "try_to_date('foo', 'yyyy-MM-dd') IS NULL",
           "hex(to_binary('abc', 'utf-8')) = '616263'",
           "try_to_binary('a!', 'base64') IS NULL",
           "is_valid_utf8('Spark')",
           "make_valid_utf8('Spark') = 'Spark'",
           "validate_utf8('Spark') = 'Spark'",
           "try_validate_utf8('Spark') = 'Spark'",
           R"(from_json('{"a":1, "b":0.8}', 'a INT, b DOUBLE').a = 1)",
           R"(from_json('[1,2]', 'array<int>') = array(1, 2))",
           R"(to_json(named_struct('a', 1, 'b', 2)) = '{"a":1,"b":2}')",
           R"(to_json(map('a', 1)) = '{"a":1}')",
           R"(get_json_object('{"a":"b"}', '$.a') = 'b')",
           R"(get_json_object('[{"a":"b"},{"a":"c"}]', '$[*].a') = '["b","c"]')",
           R"(json_array_length('[1,2,3,4]') = 4)",
           R"(json_object_keys('{"key": "value"}') = array('key'))",
           R"(schema_of_json('[{"col":0}]') = 'ARRAY<STRUCT<col: BIGINT>>')",
           "make_timestamp(2014, 12, 28, 6, 30, 45.887) = TIMESTAMP '2014-12-28 06:30:45.887'",
           "make_timestamp_ltz(2014, 12, 28, 6, 30, 45.887, 'CET') = TIMESTAMP '2014-12-28 "
           "05:30:45.887'",
           "make_timestamp_ntz(2014, 12, 28, 6, 30, 45.887) = TIMESTAMP_NTZ '2014-12-28 "
           "06:30:45.887'",
           "try_make_timestamp(2024, 13, 22, 15, 30, 0) IS NULL",
           "try_make_timestamp_ltz(2024, 13, 22, 15, 30, 0) IS NULL",
           "try_make_timestamp_ntz(2024, 13, 22, 15, 30, 0) IS NULL",
           "make_dt_interval(1, 12, 30, 1.001001) = INTERVAL '1 12:30:01.001001' DAY TO SECOND",
           "make_ym_interval(1, 2) = INTERVAL '1-2' YEAR TO MONTH",
           "next_day('2015-01-14', 'TU') = DATE '2015-01-20'",
           "dayname(DATE '2008-02-20') = 'Wed'",
           "monthname(DATE '2008-02-20') = 'Feb'",
           "months_between('1997-02-28 10:30:00', '1996-10-30') = 3.94959677D",
           "months_between('1997-02-28 10:30:00', '1996-10-30', false) BETWEEN 3.949596 AND "
           "3.949597",
           "localtimestamp() IS NOT NULL",
           "convert_timezone('Europe/Brussels', 'America/Los_Angeles', TIMESTAMP_NTZ '2021-12-06 "
           "00:00:00') = TIMESTAMP_NTZ '2021-12-05 15:00:00'",
           "timestampadd(HOUR, 8, TIMESTAMP_NTZ '2022-02-20 00:00:00') = TIMESTAMP_NTZ "
           "'2022-02-20 08:00:00'",
           "timestampdiff(MONTH, TIMESTAMP_NTZ '2021-01-31 00:00:00', TIMESTAMP_NTZ '2021-03-30 "
           "00:00:00') = 1",
       }) {
    EXPECT_EQ(run(given, expression), "true,true,true,true") << expression;
  }
  EXPECT_EQ(run(given, "rand(0) = 0.7604953758285915D"), "true,false,false,false");
  EXPECT_EQ(run(given, "randn(0) = 1.6034991609278433D"), "true,false,false,false");
  EXPECT_EQ(run(given, "raise_error('custom error message') IS NULL"), "USER_RAISED_EXCEPTION");
}

// The golden expressions name every function at least once, but for those tested here.
TEST(Catalog, EveryFunctionIsInTheGoldenSetOrHere) {
  std::ostringstream text;
  for (const auto* file :
       {"tests/golden/eval/expressions.txt", "tests/golden/eval/text_functions_test.cc",
        "tests/golden/eval/eval_program_test.cc"}) {
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
                                           "version",
                                           "time windows",
                                           "window",
                                           "window_time",
                                           "session_window",
                                           "sequence",
                                           "quote",
                                           "cosh",
                                           "tanh"};
  for (const auto& function : plan::all_functions()) {
    if (function.kind != plan::FunctionKind::kScalar || here.contains(function.name)) continue;
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
