// Any text gives statements or an error: never a crash, never endless. Plans are written out again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/analysis.h"
#include "sql/parser.h"
#include "sql/plan_text.h"

namespace {

const weir::plan::PlanPtr* plan_of(const weir::plan::Statement& statement) {
  using namespace weir::plan;
  if (const auto* query = std::get_if<QueryStatement>(&statement.kind)) return &query->plan;
  if (const auto* insert = std::get_if<Insert>(&statement.kind)) return &insert->source;
  if (const auto* view = std::get_if<CreateView>(&statement.kind)) return &view->plan;
  if (const auto* table = std::get_if<CreateTable>(&statement.kind)) return &table->as_select;
  return nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  static const auto schema =
      columnar::parse_ddl_schema(
          "a INT, b STRING, c STRUCT<d: DOUBLE>, e DECIMAL(10,2), t TIMESTAMP")
          .value();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto statements = sql::parse_script(text); statements.ok()) {
    for (const auto& statement : *statements) {
      const auto* plan = plan_of(statement);
      if (plan && *plan) (void)sql::plan_text(*plan);
    }
  } else {
    (void)statements.error().to_string();
  }
  (void)sql::parse_statement(text, {{}, {}, true, true});
  if (const auto expression = sql::parse_expression(text); expression.ok()) {
    (void)plan::default_name(**expression);
    (void)plan::analyze_expression(**expression, plan::Scope{&schema, {}});
  }
  (void)sql::parse_select_list(text);
  (void)sql::parse_table_name(text);
  return 0;
}
