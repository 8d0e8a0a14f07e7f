// Functions that are only called with OVER.
#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

SignatureRule ranking(TypeKind result) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature{{}, DataType::of(result), false};
    for (const auto& argument : call.arguments)  // ntile's number of groups
      signature.argument_types.push_back(is_integral(argument->type) ? DataType::of(I)
                                                                     : argument->type);
    if (!call.arguments.empty() && !is_integral(call.arguments[0]->type) && call.name == "ntile")
      return unexpected_input(call, 0, "\"INT\"");
    return signature;
  };
}

// lag and lead: value, offset, default.
Result<Signature> offset_rule(const Function&, const SignatureCall& call) {
  auto type = call.arguments[0]->type;
  Signature signature{{type}, type, true};
  if (call.arguments.size() > 1) {
    if (!can_cast_implicitly(call.arguments[1]->type, DataType::of(I), call.options->ansi))
      return unexpected_input(call, 1, "\"INT\"");
    signature.argument_types.push_back(DataType::of(I));
  }
  if (call.arguments.size() > 2) {
    if (!can_cast_implicitly(call.arguments[2]->type, type, call.options->ansi))
      return unexpected_input(call, 2, "\"" + type.sql() + "\"");
    signature.argument_types.push_back(type);
    signature.nullable = call.arguments[0]->nullable || call.arguments[2]->nullable;
  }
  return signature;
}

Result<Signature> nth_rule(const Function&, const SignatureCall& call) {
  const auto& type = call.arguments[0]->type;
  if (!is_integral(call.arguments[1]->type)) return unexpected_input(call, 1, "\"INT\"");
  return Signature{{type, DataType::of(I)}, type, true};
}

}  // namespace

void add_windows(Functions& list) {
  const auto add = [&](std::string_view name, int min, int max, SignatureRule rule,
                       std::string_view doc) {
    list.push_back(of_kind(FunctionKind::kWindow, name, min, max, std::move(rule), doc));
  };
  add("row_number", 0, 0, ranking(I), "Number of the row in its partition, from 1.");
  add("rank", 0, 0, ranking(I), "Rank of the row, with gaps after equal rows.");
  add("dense_rank", 0, 0, ranking(I), "Rank of the row, without gaps.");
  add("percent_rank", 0, 0, ranking(D), "(rank - 1) / (rows - 1).");
  add("cume_dist", 0, 0, ranking(D), "Part of the rows that do not come after this one.");
  add("ntile", 0, 1, ranking(I), "Number of the row's group where there are n of equal size.");
  add("lag", 1, 3, offset_rule, "Value of the row n before, or the default.");
  add("lead", 1, 3, offset_rule, "Value of the row n after, or the default.");
  add("nth_value", 2, 2, nth_rule, "Value of the frame's n-th row.");
}

}  // namespace weir::plan
