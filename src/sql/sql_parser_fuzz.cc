// Any text gives a statement or an error: never a crash, never endless. Parsed expressions are
// analysed as well.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plan/analysis.h"
#include "plan/logical_plan.h"
#include "sql/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  static const auto schema =
      columnar::parse_ddl_schema(
          "a INT, b STRING, c STRUCT<d: DOUBLE>, e DECIMAL(10,2), t TIMESTAMP")
          .value();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto statements = sql::parse_statements(text); statements.ok()) {
    for (const auto& statement : *statements)
      (void)plan::resolve_query(*statement, schema);
  }
  if (const auto expression = sql::parse_expression(text); expression.ok()) {
    (void)plan::default_name(**expression);
    (void)plan::analyze_expression(**expression, plan::Scope{&schema, {}});
  }
  (void)sql::parse_select_list(text);
  return 0;
}
