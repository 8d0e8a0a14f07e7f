// Every scalar function of the catalog, called with every number of arguments that it allows, over
// columns, constants and NULLs of many types: whatever it answers, it answers (no crash, no
// reading beyond the arguments given), and the same over a batch, a slice of it and single rows.
#include <chrono>
#include <iostream>
#include <random>

#include <arrow/api.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "eval/kernel.h"
#include "eval/node.h"
#include "eval/program.h"
#include "plan/analysis.h"
#include "sql/parser.h"

namespace weir::eval {
namespace {

// A column a type; its values row by row. Numbers stay small: some functions make that many bytes
// (so no +Infinity, which a cast makes 2147483647).
struct Column {
  const char* name;
  const char* type;
  std::vector<const char*> values;
};
const std::vector<Column>& columns() {
  static const std::vector<Column> kColumns = {
      {"b", "BOOLEAN", {"true", "NULL", "false", "true"}},
      {"i8", "TINYINT", {"1", "NULL", "-3", "100"}},
      {"i16", "SMALLINT", {"0", "NULL", "-3", "100"}},
      {"i", "INT", {"2", "NULL", "-1", "16"}},
      {"l", "BIGINT", {"3", "NULL", "-2", "50"}},
      {"f", "FLOAT", {"1.5", "NULL", "'NaN'", "-0.0"}},
      {"d", "DOUBLE", {"2.5", "NULL", "'-Infinity'", "-7.25"}},
      {"dec", "DECIMAL(10,2)", {"12.34", "NULL", "-99.99", "0.00"}},
      {"dec38", "DECIMAL(38,18)", {"0.000000000000000001", "NULL", "-99.5", "7"}},
      {"s", "STRING", {"'abc'", "NULL", "''", "'2024-02-29 Ünï 🚀'"}},
      {"s2", "STRING", {"'b'", "NULL", "'yyyy-MM-dd'", "'{\"a\":1}'"}},
      {"bin", "BINARY", {"X'6162'", "NULL", "X''", "X'00FF80'"}},
      {"dt", "DATE", {"'2024-02-29'", "NULL", "'1969-12-31'", "'2024-03-10'"}},
      {"ts",
       "TIMESTAMP",
       {"'2024-02-29 12:34:56.789'", "NULL", "'1969-12-31 23:59:59.999999'",
        "'2024-03-10 02:30:00'"}},
      {"ntz",
       "TIMESTAMP_NTZ",
       {"'2024-02-29 12:34:56.789'", "NULL", "'1969-12-31 23:59:59.999999'",
        "'2024-03-10 02:30:00'"}},
      {"dts",
       "INTERVAL DAY TO SECOND",
       {"INTERVAL '1 02:03:04.5' DAY TO SECOND", "NULL", "INTERVAL '-5' SECOND",
        "INTERVAL '0' DAY"}},
      {"ym",
       "INTERVAL YEAR TO MONTH",
       {"INTERVAL '1-2' YEAR TO MONTH", "NULL", "INTERVAL '-5' MONTH", "INTERVAL '0' YEAR"}},
      {"st",
       "STRUCT<a: INT, b: STRING>",
       {"named_struct('a', 1, 'b', 'x')", "NULL", "named_struct('a', NULL, 'b', NULL)",
        "named_struct('a', 3, 'b', '')"}},
      {"arr", "ARRAY<INT>", {"array(1, 2, 3)", "NULL", "array()", "array(NULL, 5)"}},
      {"arrs", "ARRAY<STRING>", {"array('a', '')", "NULL", "array()", "array(NULL, 'x')"}},
      {"arra",
       "ARRAY<ARRAY<INT>>",
       {"array(array(1), array())", "NULL", "array()", "array(NULL, array(2))"}},
      {"arrst",
       "ARRAY<STRUCT<a: INT, b: STRING>>",
       {"array(named_struct('a', 1, 'b', 'x'))", "NULL", "array()",
        "array(NULL, named_struct('a', 2, 'b', NULL))"}},
      {"m", "MAP<STRING, INT>", {"map('k', 1)", "NULL", "map()", "map('k', NULL, 'l', 2)"}}};
  return kColumns;
}

class CatalogWalk : public ::testing::Test {
 protected:
  CatalogWalk() {
    std::string ddl;
    for (const auto& column : columns())
      ddl += (ddl.empty() ? "" : ", ") + std::string(column.name) + " " + column.type;
    schema_ = columnar::parse_ddl_schema(ddl).value();
    const auto one = arrow::RecordBatch::Make(arrow::schema({}), 1,
                                              std::vector<std::shared_ptr<arrow::Array>>{});
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (size_t c = 0; c < columns().size(); ++c) {
      arrow::ArrayVector parts;
      for (const auto* text : columns()[c].values) {
        const auto cast = plan::make_expression(
            plan::CastTo{sql::parse_expression(text).value(), schema_.fields()[c].type(), false});
        const auto typed =
            plan::analyze_expression(*cast, plan::Scope{}, {true, false, context_.session_zone});
        EXPECT_TRUE(typed.ok()) << text << typed.error().to_string();
        parts.push_back(compile(*typed).value().evaluate(*one, context_).value());
      }
      arrays.push_back(arrow::Concatenate(parts).ValueOrDie());
    }
    batch_ = arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), 4, arrays);
    for (const auto& column : columns())
      arguments_.push_back(plan::make_expression(plan::ColumnReference{{column.name}}));
    for (const auto* text : {"NULL",
                             "1",
                             "2",
                             "0",
                             "-1",
                             "10",
                             "2024",
                             "CAST(2 AS BIGINT)",
                             "1.5D",
                             "12.25",
                             "'a'",
                             "','",
                             "'UTC'",
                             "'yyyy'",
                             "'HOST'",
                             "'http://a.b/c?d=e'",
                             "'utf-8'",
                             "'a INT'",
                             "''",
                             "true",
                             "X'30303030313131313232323233333333'",
                             "'DAY'",
                             "'999'",
                             "map('a', 'b')"})
      arguments_.push_back(sql::parse_expression(text).value());
  }

  struct Tried {
    bool analysed = false;
    bool evaluated = false;
  };

  static std::string value_text(const arrow::Array& array, int64_t row) {
    return array.IsNull(row) ? "NULL" : array.GetScalar(row).ValueOrDie()->ToString();
  }

  Tried call(const plan::Function& function, const std::vector<plan::ExpressionPtr>& arguments,
             bool ansi) {
    Tried tried;
    const auto expression =
        plan::make_expression(plan::Call{std::string(function.name), arguments});
    const auto text = plan::expression_sql(*expression);
    auto context = context_;
    context.ansi = ansi;
    const auto typed = plan::analyze_expression(*expression, plan::Scope{&schema_, {}},
                                                {ansi, false, context.session_zone});
    if (!typed.ok()) {
      EXPECT_NE(typed.error().kind(), base::ErrorKind::kInternal) << text;
      return tried;
    }
    tried.analysed = true;
    const auto program = compile(*typed);
    if (!program.ok()) return tried;
    if (std::getenv("WEIR_TEST_TRACE")) std::cerr << text << std::endl;
    const auto run = [&](const arrow::RecordBatch& rows) {
      auto result = program->evaluate(rows, context);
      if (!result.ok()) {
        EXPECT_NE(result.error().kind(), base::ErrorKind::kInternal)
            << text << ": " << result.error().to_string();
      } else {
        EXPECT_EQ((*result)->length(), rows.num_rows()) << text;
        const auto valid = (*result)->ValidateFull();
        // Text of arbitrary bytes is Spark's, too.
        EXPECT_TRUE(valid.ok() || valid.message().find("Invalid UTF8") != std::string::npos)
            << text << ": " << valid.ToString();
        if (!(*typed)->nullable && ansi) {
          EXPECT_EQ((*result)->null_count(), 0) << text << " is not nullable";
        }
      }
      return result;
    };
    const auto whole = run(*batch_);
    EXPECT_EQ(whole.ok() && !run(*batch_->Slice(0, 0)).ok(), false) << text;
    const auto end = run(*batch_->Slice(2, 2));
    tried.evaluated = whole.ok();
    if (whole.ok() && end.ok() && function.deterministic &&
        function.name != "aes_encrypt") {  // that one takes random bytes where none are given
      for (int64_t row = 0; row < 2; ++row) {
        EXPECT_EQ(value_text(**whole, row + 2), value_text(**end, row)) << text;
      }
    }
    return tried;
  }

  EvalContext context_{1700000000000000, "America/Los_Angeles"};
  columnar::Schema schema_ = columnar::Schema::structure({});
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::vector<plan::ExpressionPtr> arguments_;
};

TEST_F(CatalogWalk, NoCallCrashes) {
  std::mt19937 random(20);  // a fixed seed: failures come again
  int functions = 0, calls = 0, evaluated = 0;
  for (const auto& function : plan::all_functions()) {
    if (function.kind != plan::FunctionKind::kScalar) continue;
    if (function.name == "raise_error") continue;
    ++functions;
    const auto begun = std::chrono::steady_clock::now();
    const int most = function.arguments_max < 0 ? function.arguments_min + 3
                                                : std::min(function.arguments_max, 9);
    for (int count = function.arguments_min; count <= most; ++count) {
      bool any = count == 0;
      const auto one = [&](const std::vector<plan::ExpressionPtr>& arguments) {
        ++calls;
        const auto tried = call(function, arguments, calls % 3 != 0);
        evaluated += tried.evaluated;
        any |= tried.analysed;
      };
      const auto many = static_cast<size_t>(count);
      if (count == 0) {
        one({});
        continue;
      }
      for (const auto& argument : arguments_)  // all of one type
        one(std::vector<plan::ExpressionPtr>(many, argument));
      const int tries = count == 1 ? 0 : 160;
      for (int i = 0; i < tries; ++i) {
        std::vector<plan::ExpressionPtr> arguments;
        for (size_t a = 0; a < many; ++a)
          arguments.push_back(arguments_[random() % arguments_.size()]);
        one(arguments);
      }
      // Lambdas are others' tests; what no call here fits has its own rule of arguments.
      if (!any && !is_higher_order(function.name))
        std::cout << "no call of " << function.name << " with " << count << " arguments\n";
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
    if (taken.count() > 2) std::cout << function.name << " took " << taken.count() << " s\n";
  }
  std::cout << functions << " functions, " << calls << " calls, " << evaluated << " answered\n";
  EXPECT_GT(functions, 280);
  EXPECT_GT(evaluated, 5000);
}

}  // namespace
}  // namespace weir::eval
