// Functions that take a lambda. An argument that is one has the type of its body.
#include <algorithm>

#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }
const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }
bool nullable_at(const SignatureCall& call, size_t i) { return call.arguments[i]->nullable; }

base::Error no_lambda(const SignatureCall& call) {
  return analysis_error("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                        "Cannot resolve \"" + std::string(call.name) +
                            "\" due to data type mismatch: a lambda function is expected.",
                        call.origin);
}

bool has_lambda(const SignatureCall& call, size_t i) {
  return i < call.arguments.size() && std::holds_alternative<TypedLambda>(call.arguments[i]->node);
}

Result<Signature> transform_rule(const Function&, const SignatureCall& call) {
  if (!has_lambda(call, 1)) return no_lambda(call);
  return Signature{{type_at(call, 0), type_at(call, 1)},
                   DataType::array(type_at(call, 1), nullable_at(call, 1)),
                   nullable_at(call, 0)};
}

// A predicate over elements or entries: the collection's own type, or boolean.
SignatureRule predicate_rule(bool boolean_result) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    if (!has_lambda(call, 1)) return no_lambda(call);
    if (!type_at(call, 1).is(B) && !type_at(call, 1).is(TypeKind::kNull))
      return unexpected_input(call, 1, "\"BOOLEAN\"");
    return Signature{{type_at(call, 0), of(B)},
                     boolean_result ? of(B) : type_at(call, 0),
                     nullable_at(call, 0) || (boolean_result && nullable_at(call, 1))};
  };
}

// The same but for the names of fields.
bool same_structure(const DataType& a, const DataType& b) {
  if (a.is(TypeKind::kArray) && b.is(TypeKind::kArray))
    return same_structure(a.element(), b.element());
  if (a.is(TypeKind::kMap) && b.is(TypeKind::kMap))
    return same_structure(a.key(), b.key()) && same_structure(a.value(), b.value());
  if (!a.is(TypeKind::kStruct) || !b.is(TypeKind::kStruct))
    return a.same_type(b) || (is_text(a) && is_text(b));
  return std::equal(
      a.fields().begin(), a.fields().end(), b.fields().begin(), b.fields().end(),
      [](const auto& x, const auto& y) { return same_structure(x.type(), y.type()); });
}

Result<Signature> aggregate_rule(const Function&, const SignatureCall& call) {
  if (!has_lambda(call, 2)) return no_lambda(call);
  const auto& state = type_at(call, 1);
  const auto& merged = type_at(call, 2);
  const bool same = merged.is(TypeKind::kNull) || same_structure(merged, state);
  if (!same) return unexpected_input(call, 2, "\"" + state.sql() + "\"");
  Signature signature{{type_at(call, 0), state, state}, state, true};
  signature.nullable = nullable_at(call, 0) || nullable_at(call, 1) || nullable_at(call, 2);
  if (call.arguments.size() > 3) {
    if (!has_lambda(call, 3)) return no_lambda(call);
    signature.argument_types.push_back(type_at(call, 3));
    signature.result = type_at(call, 3);
    signature.nullable = nullable_at(call, 0) || nullable_at(call, 3);
  }
  return signature;
}

Result<Signature> zip_with_rule(const Function&, const SignatureCall& call) {
  if (!has_lambda(call, 2)) return no_lambda(call);
  return Signature{{type_at(call, 0), type_at(call, 1), type_at(call, 2)},
                   DataType::array(type_at(call, 2), nullable_at(call, 2)),
                   nullable_at(call, 0) || nullable_at(call, 1)};
}

Result<Signature> transform_keys_rule(const Function&, const SignatureCall& call) {
  if (!has_lambda(call, 1)) return no_lambda(call);
  if (type_at(call, 1).is(TypeKind::kMap)) {
    return analysis_error("DATATYPE_MISMATCH.INVALID_MAP_KEY_TYPE", "42K09",
                          "Cannot resolve \"transform_keys\" due to data type mismatch: The key of "
                          "map cannot be/contain \"MAP\".",
                          call.origin)
        .with_parameter("keyType", "\"" + type_at(call, 1).sql() + "\"");
  }
  const auto& map = type_at(call, 0);
  return Signature{{map, type_at(call, 1)},
                   DataType::map(type_at(call, 1), map.value(), map.contains_null()),
                   nullable_at(call, 0)};
}

Result<Signature> transform_values_rule(const Function&, const SignatureCall& call) {
  if (!has_lambda(call, 1)) return no_lambda(call);
  const auto& map = type_at(call, 0);
  return Signature{{map, type_at(call, 1)},
                   DataType::map(map.key(), type_at(call, 1), nullable_at(call, 1)),
                   nullable_at(call, 0)};
}

Result<Signature> map_zip_with_rule(const Function&, const SignatureCall& call) {
  if (!has_lambda(call, 2)) return no_lambda(call);
  return Signature{{type_at(call, 0), type_at(call, 1), type_at(call, 2)},
                   DataType::map(type_at(call, 0).key(), type_at(call, 2), nullable_at(call, 2)),
                   nullable_at(call, 0) || nullable_at(call, 1)};
}

Result<Signature> array_sort_rule(const Function&, const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (!type.is(TypeKind::kArray)) return unexpected_input(call, 0, "\"ARRAY\"");
  Signature signature{{type}, type, nullable_at(call, 0)};
  if (call.arguments.size() > 1) {
    if (!has_lambda(call, 1)) return no_lambda(call);
    if (!type_at(call, 1).is(I) && !type_at(call, 1).is(TypeKind::kNull)) {
      return analysis_error("DATATYPE_MISMATCH.UNEXPECTED_RETURN_TYPE", "42K09",
                            "Cannot resolve \"array_sort\" due to data type mismatch: The "
                            "`lambda` requires return \"INT\" type, but the actual is \"" +
                                type_at(call, 1).sql() + "\" type.",
                            call.origin)
          .with_parameter("functionName", "`lambdafunction`")
          .with_parameter("expectedType", "\"INT\"")
          .with_parameter("actualType", "\"" + type_at(call, 1).sql() + "\"");
    }
    signature.argument_types.push_back(of(I));
  }
  return signature;
}

}  // namespace

void add_lambdas(Functions& list) {
  list.push_back(risky("transform", 2, 2, transform_rule, "The function of every element."));
  list.push_back(
      risky("filter", 2, 2, predicate_rule(false), "The elements for which the function is true."));
  list.push_back(risky("exists", 2, 2, predicate_rule(true), "True where it is for some element."));
  list.push_back(risky("forall", 2, 2, predicate_rule(true), "True where it is for all elements."));
  list.push_back(risky("aggregate", 3, 4, aggregate_rule,
                       "The elements merged one after the other into a start value.", {"reduce"}));
  list.push_back(risky("zip_with", 3, 3, zip_with_rule,
                       "The function of the elements of two arrays at each position."));
  list.push_back(risky("map_filter", 2, 2, predicate_rule(false),
                       "The entries for which the function is true."));
  list.push_back(risky("transform_keys", 2, 2, transform_keys_rule,
                       "The map with the function's results as keys."));
  list.push_back(risky("transform_values", 2, 2, transform_values_rule,
                       "The map with the function's results as values."));
  list.push_back(risky("map_zip_with", 3, 3, map_zip_with_rule,
                       "The function of two maps' values at each key."));
  list.push_back(risky("array_sort", 1, 2, array_sort_rule,
                       "The array sorted, NULLs last, or by a comparing function."));
}

}  // namespace weir::plan
