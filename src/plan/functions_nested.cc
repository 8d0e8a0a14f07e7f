#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

void add_nested(Functions& list) {
  list.push_back(sure("named_struct", 2, -1, structure(true), "A struct of names and values."));
  list.push_back(sure("struct", 1, -1, structure(false), "A struct of the arguments."));
  list.push_back(sure("array", 0, -1, array_of(), "An array of the arguments."));
  list.push_back(sure("size", 1, 1,
                      [](const Function&, const SignatureCall& call) -> Result<Signature> {
                        const auto& type = call.arguments[0]->type;
                        if (!type.is(TypeKind::kArray) && !type.is(TypeKind::kMap))
                          return unexpected_input(call, 0, "(\"ARRAY\" or \"MAP\")");
                        return Signature{{type}, DataType::of(I), call.arguments[0]->nullable};
                      },
                      "Number of elements.", {"cardinality"}));
  list.push_back(
      risky("element_at", 2, 2, element_rule(),
            "Element of an array (1 the first, negative from the end) or value of a map."));
  list.push_back(
      risky("try_element_at", 2, 2, element_rule(), "As element_at, NULL outside of the array."));
  list.push_back(
      sure("get", 2, 2, element_rule(), "Element of an array (0 the first), NULL outside."));
  list.push_back(risky("getitem", 2, 2, element_rule(),
                       "a[i]: element of an array (0 the first) or value of a map."));
  list.push_back(
      sure("array_contains", 2, 2, array_contains_rule(), "The array contains the value."));
}

}  // namespace weir::plan
