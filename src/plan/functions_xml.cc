// XML in columns.
#include "plan/functions_xml.h"

#include <fmt/format.h>

#include "plan/operator_rewrites.h"

namespace weir::plan {

using namespace entry;

namespace {

// xpath…(xml, path)
SignatureRule path_search(DataType result) {
  return [result](const Function&, const SignatureCall& call) -> Result<Signature> {
    for (size_t i = 0; i < 2; ++i) {
      if (!can_cast_implicitly(call.arguments[i]->type, DataType::of(S), call.options->ansi))
        return unexpected_input(call, i, "\"STRING\"");
    }
    if (!is_foldable(*call.arguments[1])) {
      return analysis_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                            fmt::format("Cannot resolve \"{}\" due to data type mismatch: the "
                                        "input `path` should be a foldable \"STRING\" expression.",
                                        call.name),
                            call.origin)
          .with_parameter("inputName", "`path`")
          .with_parameter("inputType", "\"STRING\"");
    }
    return Signature{{DataType::of(S), DataType::of(S)}, result, true};
  };
}

}  // namespace

void add_xml(Functions& list) {
  const auto of = [](TypeKind kind) { return DataType::of(kind); };
  list.push_back(risky("xpath", 2, 2, path_search(DataType::array(of(S), true)),
                       "The texts of the nodes that an XPath finds in XML."));
  list.push_back(risky("xpath_boolean", 2, 2, path_search(of(B)),
                       "Whether an XPath finds something, or is true."));
  list.push_back(
      risky("xpath_string", 2, 2, path_search(of(S)), "The text of what an XPath finds first."));
  list.push_back(risky("xpath_short", 2, 2, path_search(of(TypeKind::kShort)),
                       "The number that an XPath finds, as smallint; 0 where it is none."));
  list.push_back(risky("xpath_int", 2, 2, path_search(of(I)),
                       "The number that an XPath finds, as int; 0 where it is none."));
  list.push_back(risky("xpath_long", 2, 2, path_search(of(L)),
                       "The number that an XPath finds, as bigint; 0 where it is none."));
  list.push_back(risky("xpath_float", 2, 2, path_search(of(F)),
                       "The number that an XPath finds, as float; NaN where it is none."));
  list.push_back(risky("xpath_double", 2, 2, path_search(of(D)),
                       "The number that an XPath finds; NaN where it is none.", {"xpath_number"}));
}

}  // namespace weir::plan
