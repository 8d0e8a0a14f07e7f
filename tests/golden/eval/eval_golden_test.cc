// Our answers against those that real Spark gave (tests/golden/eval/golden.json; record.py says how
// to record again).
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "eval/program.h"
#include "eval/vector.h"
#include "plan/analysis.h"
#include "sql/parser.h"

namespace weir::eval {
namespace {

using base::JsonArray;
using base::JsonObject;

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Samples {
  columnar::Schema schema = columnar::Schema::structure({});
  std::vector<std::shared_ptr<arrow::RecordBatch>> rows;  // one batch a row
  std::shared_ptr<arrow::RecordBatch> all;
};

Samples build_samples(const JsonObject& golden, const EvalContext& context) {
  Samples samples;
  std::string ddl;
  for (const auto& column : golden.at("columns").as_array())
    ddl += (ddl.empty() ? "" : ", ") + std::string(column.as_string());
  samples.schema = columnar::parse_ddl_schema(ddl).value();
  std::vector<std::vector<std::shared_ptr<arrow::Array>>> columns(samples.schema.fields().size());
  const auto empty =
      arrow::RecordBatch::Make(arrow::schema({}), 1, std::vector<std::shared_ptr<arrow::Array>>{});
  for (const auto& row : golden.at("rows").as_array()) {
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto& type = samples.schema.fields()[i].type();
      const auto literal = sql::parse_expression(row.as_array()[i].as_string()).value();
      const auto cast = plan::make_expression(plan::CastTo{literal, type, false});
      const auto typed =
          plan::analyze_expression(*cast, plan::Scope{}, {true, false, context.session_zone});
      EXPECT_TRUE(typed.ok()) << typed.error().to_string();
      auto value = compile(*typed).value().evaluate(*empty, context);
      EXPECT_TRUE(value.ok()) << row.as_array()[i].as_string() << value.error().to_string();
      arrays.push_back(*value);
    }
    samples.rows.push_back(
        arrow::RecordBatch::Make(columnar::to_arrow_schema(samples.schema), 1, arrays));
  }
  auto table = arrow::Table::FromRecordBatches(samples.rows).ValueOrDie();
  samples.all = table->CombineChunksToBatch().ValueOrDie();
  return samples;
}

// One of Spark's recorded answers as text: "NULL", "'value'" or the error's class.
std::string shown(const base::JsonValue& value) {
  if (value.is_null()) return "NULL";
  if (value.is_object()) return std::string(value.as_object().at("error").as_string());
  return "'" + std::string(value.as_string()) + "'";
}

std::string ours(const Program& program, const arrow::RecordBatch& batch,
                 const EvalContext& context, int64_t row = 0) {
  auto value = program.evaluate(batch, context);
  if (!value.ok())
    return value.error().error_class().empty() ? value.error().to_string()
                                               : value.error().error_class();
  if ((*value)->IsNull(row)) return "NULL";
  const Vector vector{*value, false};
  return "'" + std::string(TextReader(vector)[row]) + "'";
}

// Where we knowingly differ; each with its reason.
const std::set<std::string>& known_differences() {
  static const std::set<std::string> kKnown = {
#include "golden_differences.inc"
  };
  return kKnown;
}

void check_mode(const JsonObject& golden, const char* mode, bool ansi) {
  EvalContext context;
  context.session_zone = std::string(golden.at("time_zone").as_string());
  const auto samples = build_samples(golden, context);
  context.ansi = ansi;
  const plan::AnalysisOptions options{ansi, false, context.session_zone};
  int checked = 0, matched = 0;
  for (const auto& one : golden.at("cases").as_array()) {
    const auto& test = one.as_object();
    const std::string text(test.at("expression").as_string());
    const auto& expected = test.at(mode).as_object();
    const auto report = [&](const std::string& what) {
      const auto key = std::string(mode) + ": " + text;
      if (known_differences().contains(key)) return;
      ADD_FAILURE() << key << "\n   " << what;
    };
    ++checked;
    auto parsed = sql::parse_expression(text);
    if (!parsed.ok()) {
      report("does not parse: " + parsed.error().to_string());
      continue;
    }
    const plan::Scope scope{&samples.schema, {}};
    auto typed = plan::analyze_expression(**parsed, scope, options);
    if (expected.contains("analysis_error")) {
      const std::string wanted(expected.at("analysis_error").as_string());
      std::string got = typed.ok() ? "" : typed.error().error_class();
      if (typed.ok()) {  // Spark folds constants during analysis
        auto program = compile(*typed);
        if (!program.ok())
          got = program.error().error_class();
        else if (auto value = program->evaluate(*samples.rows[0], context); !value.ok())
          got = value.error().error_class();
      }
      if (got != wanted)
        report("expected " + wanted + ", got " + (got.empty() ? "a value" : got));
      else
        ++matched;
      continue;
    }
    if (!typed.ok()) {
      report("analysis: " + typed.error().to_string());
      continue;
    }
    std::string type = (*typed)->type.simple_string();
    if (type != expected.at("type").as_string())
      report("type " + type + ", Spark " + std::string(expected.at("type").as_string()));
    auto as_text = (*typed)->type.is(columnar::TypeKind::kBinary)
                       ? plan::make_expression(plan::Call{"hex", {*parsed}})
                       : plan::make_expression(plan::CastTo{
                             *parsed, columnar::DataType::of(columnar::TypeKind::kString)});
    auto shown_typed = plan::analyze_expression(*as_text, scope, options);
    auto program =
        shown_typed.ok() ? compile(*shown_typed) : base::Result<Program>(shown_typed.error());
    if (!program.ok()) {
      report("compile: " + program.error().to_string());
      continue;
    }
    bool good = true, fails = false;
    const auto& values = expected.at("values").as_array();
    for (size_t row = 0; row < values.size(); ++row) {
      fails |= values[row].is_object();
      const auto got = ours(*program, *samples.rows[row], context);
      if (got != shown(values[row])) {
        good = false;
        report("row " + std::to_string(row + 1) + ": " + got + ", Spark " + shown(values[row]));
      }
    }
    // The whole column at once gives the same, or fails where a row fails.
    for (size_t row = 0; good && !fails && row < values.size(); ++row) {
      const auto got = ours(*program, *samples.all, context, static_cast<int64_t>(row));
      if (got != shown(values[row])) {
        good = false;
        report("in the whole column, row " + std::to_string(row + 1) + ": " + got + ", Spark " +
               shown(values[row]));
      }
    }
    matched += good;
  }
  std::cout << mode << ": " << matched << " of " << checked << " expressions as Spark\n";
  EXPECT_GT(checked, 300);
}

JsonObject golden() {
  return base::parse_json_object(read_text("tests/golden/eval/golden.json"), "golden.json").value();
}

TEST(Golden, AnsiAnswersAreSparks) { check_mode(golden(), "ansi", true); }
TEST(Golden, LegacyAnswersAreSparks) { check_mode(golden(), "legacy", false); }

}  // namespace
}  // namespace weir::eval
