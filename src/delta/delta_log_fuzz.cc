// A commit file of any bytes is parsed or refused; what is parsed is written and read again the
// same. Statistics of any text may be used for skipping.
#include <cstdint>

#include "delta/actions.h"
#include "delta/predicate.h"
#include "delta/table_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::delta;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto actions = parse_actions(text, "fuzz");
  if (!actions.ok()) return 0;
  const std::string written = actions_text(*actions);
  auto again = parse_actions(written, "fuzz again");
  WEIR_CHECK(again.ok(), "what was written is read");
  WEIR_CHECK(actions_text(*again) == written, "and is the same");
  TableState state;
  state.apply(std::move(*actions));
  const auto header = state.header("fuzz");
  if (!header.ok()) return 0;
  for (const auto& file : state.file_list()) {
    for (const auto& field : header->schema.fields()) {
      (void)may_match(header->schema, *header->metadata, *file,
                      {{{field.name}, ComparisonOp::kLess, int64_t{7}}});
      (void)may_match(header->schema, *header->metadata, *file,
                      {{{field.name}, ComparisonOp::kEqual, std::string("x")}});
    }
  }
  return 0;
}
