// Our answers over a table of seeded random values against those that real Spark gave
// (random_golden.txt; record_random.py says how to record again).
#include <cmath>
#include <fstream>
#include <iostream>
#include <set>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "columnar/arrow_types.h"
#include "eval/program.h"
#include "eval/vector.h"
#include "plan/analysis.h"
#include "sql/parser.h"

namespace weir::eval {
namespace {

using base::JsonObject;

// Where we knowingly differ; each with its reason.
const std::set<std::string>& random_differences() {
  static const std::set<std::string> kKnown = {
#include "random_differences.inc"
  };
  return kKnown;
}

struct Table {
  columnar::Schema schema = columnar::Schema::structure({});
  std::shared_ptr<arrow::RecordBatch> batch;
};

std::shared_ptr<arrow::Array> build_column(const base::JsonArray& values,
                                           const columnar::DataType& type,
                                           const EvalContext& context) {
  const auto one =
      arrow::RecordBatch::Make(arrow::schema({}), 1, std::vector<std::shared_ptr<arrow::Array>>{});
  arrow::ArrayVector parts;
  for (const auto& value : values) {
    const auto literal = sql::parse_expression(value.as_string());
    EXPECT_TRUE(literal.ok()) << value.as_string();
    const auto cast = plan::make_expression(plan::CastTo{*literal, type, false});
    const auto typed =
        plan::analyze_expression(*cast, plan::Scope{}, {false, false, context.session_zone});
    EXPECT_TRUE(typed.ok()) << value.as_string() << typed.error().to_string();
    parts.push_back(compile(*typed).value().evaluate(*one, context).value());
  }
  return arrow::Concatenate(parts).ValueOrDie();
}

// Java 17 does not always write the shortest decimal of a float or double (JDK-4511638, mended in
// 19); we do. Of numbers the value counts.
bool same_number(const std::string& ours, const std::string& sparks, bool is_float) {
  if (ours.empty() || sparks.empty() || ours == "NULL" || sparks == "NULL") return false;
  const auto value = [&](const std::string& quoted) {
    const auto text = quoted.substr(1, quoted.size() - 2);
    return is_float ? static_cast<double>(std::strtof(text.c_str(), nullptr))
                    : std::strtod(text.c_str(), nullptr);
  };
  return value(ours) == value(sparks) && std::signbit(value(ours)) == std::signbit(value(sparks));
}

std::string shown(const base::JsonValue& value) {
  return value.is_null() ? "NULL" : "'" + std::string(value.as_string()) + "'";
}

// What differs, or nothing.
std::string compare(const JsonObject& test, const Table& table, const EvalContext& context,
                    int& values_compared) {
  const std::string text(test.at("expression").as_string());
  auto parsed = sql::parse_expression(text);
  if (!parsed.ok()) return "does not parse: " + parsed.error().to_string();
  const plan::AnalysisOptions options{context.ansi, false, context.session_zone};
  const plan::Scope scope{&table.schema, {}};
  const auto typed = plan::analyze_expression(**parsed, scope, options);
  if (test.contains("analysis_error")) {
    const std::string wanted(test.at("analysis_error").as_string());
    const auto got = typed.ok() ? std::string("a value") : typed.error().error_class();
    return got == wanted ? "" : "expected " + wanted + ", got " + got;
  }
  if (!typed.ok()) return "analysis: " + typed.error().to_string();
  const auto type = (*typed)->type.simple_string();
  if (type != test.at("type").as_string())
    return "type " + type + ", Spark " + std::string(test.at("type").as_string());
  const auto as_text = (*typed)->type.is(columnar::TypeKind::kBinary)
                           ? plan::make_expression(plan::Call{"hex", {*parsed}})
                           : plan::make_expression(plan::CastTo{
                                 *parsed, columnar::DataType::of(columnar::TypeKind::kString)});
  const auto shown_typed = plan::analyze_expression(*as_text, scope, options);
  if (!shown_typed.ok()) return "as text: " + shown_typed.error().to_string();
  const auto program = compile(*shown_typed);
  if (!program.ok()) return "compile: " + program.error().to_string();
  const auto result = program->evaluate(*table.batch, context);
  if (test.contains("error")) {
    const std::string wanted(test.at("error").as_string());
    const auto got = result.ok() ? std::string("values") : result.error().error_class();
    ++values_compared;
    return got == wanted || wanted == "UNKNOWN" ? "" : "expected " + wanted + ", got " + got;
  }
  if (!result.ok()) return "fails: " + result.error().to_string();
  const Vector vector{*result, false};
  const TextReader texts(vector);
  std::string differences;
  int count = 0;
  const auto& values = test.at("values").as_array();
  for (size_t row = 0; row < values.size(); ++row) {
    const auto at = static_cast<int64_t>(row);
    ++values_compared;
    const auto got = texts.valid[at] ? "'" + std::string(texts[at]) + "'" : std::string("NULL");
    if (got == shown(values[row])) continue;
    if ((type == "float" || type == "double") &&
        same_number(got, shown(values[row]), type == "float"))
      continue;
    if (++count <= 3)
      differences += " row " + std::to_string(row) + ": " + got + ", Spark " + shown(values[row]);
  }
  if (count > 0) differences = std::to_string(count) + " rows differ:" + differences;
  return differences;
}

TEST(RandomGolden, AnswersAreSparks) {
  std::ifstream in("tests/golden/eval/random_golden.txt");
  ASSERT_TRUE(in) << "random_golden.txt";
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  const auto header = base::parse_json_object(line, "header").value();
  EvalContext context;
  context.session_zone = std::string(header.at("time_zone").as_string());
  context.ansi = false;
  std::string ddl;
  for (const auto& column : header.at("columns").as_array()) {
    ddl += (ddl.empty() ? "" : ", ") + std::string(column.as_array()[0].as_string()) + " " +
           std::string(column.as_array()[1].as_string());
  }
  Table table;
  table.schema = columnar::parse_ddl_schema(ddl).value();
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const auto& field : table.schema.fields()) {
    ASSERT_TRUE(std::getline(in, line));
    const auto column = base::parse_json_object(line, "column").value();
    ASSERT_EQ(column.at("column").as_string(), field.name);
    arrays.push_back(build_column(column.at("values").as_array(), field.type(), context));
  }
  table.batch = arrow::RecordBatch::Make(columnar::to_arrow_schema(table.schema),
                                         arrays[0]->length(), arrays);
  int expressions = 0, equal = 0, known = 0, values = 0;
  std::set<std::string> differing;
  while (std::getline(in, line)) {
    const auto test = base::parse_json_object(line, "expression").value();
    context.ansi = !test.contains("ansi");
    const auto key = std::string(context.ansi ? "ansi: " : "legacy: ") +
                     std::string(test.at("expression").as_string());
    ++expressions;
    const auto difference = compare(test, table, context, values);
    if (difference.empty()) {
      ++equal;
      EXPECT_FALSE(random_differences().contains(key)) << key << " no longer differs";
    } else if (random_differences().contains(key)) {
      ++known;
    } else {
      ADD_FAILURE() << key << "\n   " << difference;
    }
  }
  std::cout << expressions << " expressions, " << values << " values: " << equal << " as Spark, "
            << known << " known differences\n";
  EXPECT_GT(values, 50000);
}

}  // namespace
}  // namespace weir::eval
