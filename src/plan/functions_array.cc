// Arrays and maps.
#include <algorithm>

#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }
const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }
bool nullable_at(const SignatureCall& call, size_t i) { return call.arguments[i]->nullable; }
bool some_nullable(const SignatureCall& call) {
  return std::any_of(call.arguments.begin(), call.arguments.end(),
                     [](const auto& a) { return a->nullable; });
}

// The array's type, array<void> for a NULL.
Result<DataType> array_at(const SignatureCall& call, size_t i) {
  if (type_at(call, i).is(TypeKind::kNull)) return DataType::array(of(TypeKind::kNull));
  if (!type_at(call, i).is(TypeKind::kArray)) return unexpected_input(call, i, "\"ARRAY\"");
  return type_at(call, i);
}

Result<DataType> map_at(const SignatureCall& call, size_t i) {
  if (!type_at(call, i).is(TypeKind::kMap)) return unexpected_input(call, i, "\"MAP\"");
  return type_at(call, i);
}

bool holds_map(const DataType& type) {
  if (type.is(TypeKind::kMap)) return true;
  if (type.is(TypeKind::kArray)) return holds_map(type.element());
  if (!type.is(TypeKind::kStruct)) return false;
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return holds_map(field.type()); });
}

base::Error different_arrays(const SignatureCall& call) {
  std::string types;
  for (const auto& argument : call.arguments)
    types += (types.empty() ? "\"" : "\" or \"") + argument->type.sql();
  return analysis_error(
      "DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES", "42K09",
      "Cannot resolve \"" + std::string(call.name) +
          "\" due to data type mismatch: Input to function `" + std::string(call.name) +
          "` should have been two \"ARRAY\" with same element type, but it's [" + types + "\"].",
      call.origin);
}

enum class Result1 { kSame, kBoolean };

// One array in, the same type out.
SignatureRule same_array(bool drops_nulls = false) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto type, array_at(call, 0));
    return Signature{
        {type}, drops_nulls ? DataType::array(type.element(), false) : type, nullable_at(call, 0)};
  };
}

// Two arrays of a common type.
SignatureRule two_arrays(Result1 result) {
  return [=](const Function& function, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto a, array_at(call, 0));
    WEIR_ASSIGN(const auto b, array_at(call, 1));
    const auto common = common_type(a, b, call.options->ansi);
    if (!common) return different_arrays(call);
    if (holds_map(*common)) return unexpected_input(call, 0, "orderable \"ARRAY\"");
    bool contains_null = common->contains_null();
    if (function.name == "array_intersect") contains_null = a.contains_null() && b.contains_null();
    if (function.name == "array_except") contains_null = a.contains_null();
    const auto type = DataType::array(common->element(), contains_null);
    if (result == Result1::kBoolean) {
      return Signature{{*common, *common},
                       of(TypeKind::kBoolean),
                       some_nullable(call) || a.contains_null() || b.contains_null()};
    }
    return Signature{{*common, *common}, type, some_nullable(call)};
  };
}

// An array and a value of its element type.
SignatureRule array_and_value(TypeKind result) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto array, array_at(call, 0));
    if (type_at(call, 1).is(TypeKind::kNull) && array.element().is(TypeKind::kNull))
      return Signature{
          {array, of(TypeKind::kNull)}, result == TypeKind::kNull ? array : of(result), true};
    const auto common = common_type(array.element(), type_at(call, 1), call.options->ansi);
    if (!common) {
      return analysis_error("DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES", "42K09",
                            "Cannot resolve \"" + std::string(call.name) +
                                "\" due to data type mismatch: Input to `" +
                                std::string(call.name) +
                                "` should have been \"ARRAY\" followed by a value with same "
                                "element type, but it's [\"" +
                                type_at(call, 0).sql() + "\", \"" + type_at(call, 1).sql() + "\"].",
                            call.origin);
    }
    const auto type = DataType::array(*common, array.contains_null());
    return Signature{
        {type, *common}, result == TypeKind::kNull ? type : of(result), some_nullable(call)};
  };
}

// array_append, array_prepend, array_insert: the value may be NULL.
SignatureRule array_with(size_t value_at) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto array, array_at(call, 0));
    auto common = common_type(array.element(), type_at(call, value_at), call.options->ansi);
    const auto& given = type_at(call, value_at);
    if (is_text(given) != is_text(array.element()) && !given.is(TypeKind::kNull) &&
        !array.element().is(TypeKind::kNull))
      common = std::nullopt;  // no casts here
    if (!common) {
      return analysis_error(
          "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES", "42K09",
          "Cannot resolve \"" + std::string(call.name) +
              "\" due to data type mismatch: Input to `" + std::string(call.name) +
              "` should have been \"ARRAY\" followed by a value with same "
              "element type, but it's [\"" +
              type_at(call, 0).sql() + "\", \"" + type_at(call, value_at).sql() + "\"].",
          call.origin);
    }
    const bool insert = value_at == 2;
    const auto from = DataType::array(*common, array.contains_null());
    const auto to =
        DataType::array(*common, insert || call.name == "array_prepend" || array.contains_null() ||
                                     nullable_at(call, value_at));
    Signature signature{{from}, to, nullable_at(call, 0) || (insert && nullable_at(call, 1))};
    if (insert) signature.argument_types.push_back(of(TypeKind::kInteger));
    signature.argument_types.push_back(*common);
    return signature;
  };
}

Result<Signature> array_join_rule(const Function&, const SignatureCall& call) {
  Signature signature{
      {DataType::array(of(TypeKind::kString))}, of(TypeKind::kString), some_nullable(call)};
  if (!type_at(call, 0).is(TypeKind::kArray) && !type_at(call, 0).is(TypeKind::kNull))
    return unexpected_input(call, 0, "\"ARRAY<STRING>\"");
  for (size_t i = 1; i < call.arguments.size(); ++i)
    signature.argument_types.push_back(of(TypeKind::kString));
  return signature;
}

Result<Signature> extreme_of_array(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto array, array_at(call, 0));
  if (holds_map(array)) return unexpected_input(call, 0, "orderable \"ARRAY\"");
  return Signature{{array}, array.element(), true};
}

Result<Signature> array_repeat_rule(const Function&, const SignatureCall& call) {
  if (!type_at(call, 1).is(I) && !type_at(call, 1).is(TypeKind::kNull))
    return unexpected_input(call, 1, "\"INT\"");
  return Signature{{type_at(call, 0), of(TypeKind::kInteger)},
                   DataType::array(type_at(call, 0), nullable_at(call, 0)),
                   nullable_at(call, 1)};
}

Result<Signature> slice_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto array, array_at(call, 0));
  return Signature{
      {array, of(TypeKind::kInteger), of(TypeKind::kInteger)}, array, some_nullable(call)};
}

Result<Signature> sort_array_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto array, array_at(call, 0));
  if (holds_map(array)) return unexpected_input(call, 0, "orderable \"ARRAY\"");
  Signature signature{{array}, array, nullable_at(call, 0)};
  if (call.arguments.size() > 1) {
    if (!type_at(call, 1).is(TypeKind::kBoolean)) return unexpected_input(call, 1, "\"BOOLEAN\"");
    signature.argument_types.push_back(of(TypeKind::kBoolean));
  }
  return signature;
}

Result<Signature> flatten_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto array, array_at(call, 0));
  if (!array.element().is(TypeKind::kArray))
    return unexpected_input(call, 0, "\"ARRAY\" of \"ARRAY\"");
  return Signature{{array}, array.element(), nullable_at(call, 0) || array.contains_null()};
}

// The struct's fields are named as the arguments are, "0" "1" … where they have no name.
Result<Signature> arrays_zip_rule(const Function&, const SignatureCall& call) {
  Signature signature;
  signature.nullable = some_nullable(call);
  std::vector<columnar::Field> fields;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    WEIR_ASSIGN(const auto array, array_at(call, i));
    signature.argument_types.push_back(array);
    std::string name = std::to_string(i);
    const auto& node = call.arguments[i]->node;
    if (const auto* column = std::get_if<TypedColumn>(&node)) name = column->name;
    if (const auto* field = std::get_if<TypedField>(&node))
      name = field->child->type.fields()[static_cast<size_t>(field->index)].name;
    fields.push_back(columnar::make_field(name, array.element(), true));
  }
  signature.result = DataType::array(DataType::structure(std::move(fields)), false);
  return signature;
}

Result<DataType> common_at(const SignatureCall& call, size_t from, size_t step) {
  DataType type = of(TypeKind::kNull);
  for (size_t i = from; i < call.arguments.size(); i += step) {
    const auto next = common_type(type, type_at(call, i), call.options->ansi);
    if (!next) {
      return analysis_error(from == 0 ? "DATATYPE_MISMATCH.CREATE_MAP_KEY_DIFF_TYPES"
                                      : "DATATYPE_MISMATCH.CREATE_MAP_VALUE_DIFF_TYPES",
                            "42K09",
                            "Cannot resolve \"map\" due to data type mismatch: The given " +
                                std::string(from == 0 ? "keys" : "values") +
                                " of function `map` should all be the same type.",
                            call.origin);
    }
    type = *next;
  }
  return type;
}

base::Error map_key_error(const SignatureCall& call) {
  return analysis_error("DATATYPE_MISMATCH.INVALID_MAP_KEY_TYPE", "42K09",
                        "Cannot resolve \"" + std::string(call.name) +
                            "\" due to data type mismatch: The key of map cannot be/contain "
                            "\"MAP\".",
                        call.origin);
}

Result<Signature> map_rule(const Function&, const SignatureCall& call) {
  if (call.arguments.size() % 2 != 0) {
    return analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                          "The `map` requires 2n (n > 0) parameters but the actual number is " +
                              std::to_string(call.arguments.size()) + ".",
                          call.origin);
  }
  WEIR_ASSIGN(const auto key, common_at(call, 0, 2));
  WEIR_ASSIGN(const auto value, common_at(call, 1, 2));
  if (holds_map(key)) return map_key_error(call);
  Signature signature;
  bool value_nullable = false;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    signature.argument_types.push_back(i % 2 == 0 ? key : value);
    if (i % 2 == 1) value_nullable |= nullable_at(call, i);
  }
  signature.result = DataType::map(key, value, value_nullable);
  signature.nullable = false;
  return signature;
}

Result<Signature> map_keys_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto map, map_at(call, 0));
  return Signature{{map}, DataType::array(map.key(), true), nullable_at(call, 0)};
}
Result<Signature> map_values_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto map, map_at(call, 0));
  return Signature{{map}, DataType::array(map.value(), true), nullable_at(call, 0)};
}
Result<Signature> map_entries_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto map, map_at(call, 0));
  auto entry =
      DataType::structure({columnar::make_field("key", map.key(), false),
                           columnar::make_field("value", map.value(), map.contains_null())});
  return Signature{{map}, DataType::array(std::move(entry), false), nullable_at(call, 0)};
}

Result<Signature> map_from_arrays_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto keys, array_at(call, 0));
  WEIR_ASSIGN(const auto values, array_at(call, 1));
  if (holds_map(keys.element())) return map_key_error(call);
  return Signature{{keys, values},
                   DataType::map(keys.element(), values.element(), values.contains_null()),
                   some_nullable(call)};
}

Result<Signature> map_from_entries_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto array, array_at(call, 0));
  const auto& entry = array.element();
  if (!entry.is(TypeKind::kStruct) || entry.fields().size() != 2) {
    return unexpected_input(call, 0, "\"ARRAY\" of pair \"STRUCT\"");
  }
  if (holds_map(entry.fields()[0].type())) return map_key_error(call);
  return Signature{
      {array},
      DataType::map(entry.fields()[0].type(), entry.fields()[1].type(), entry.fields()[1].nullable),
      nullable_at(call, 0) || array.contains_null()};
}

Result<Signature> map_concat_rule(const Function&, const SignatureCall& call) {
  if (call.arguments.empty())
    return Signature{{}, DataType::map(of(TypeKind::kString), of(TypeKind::kString), false), false};
  auto type = type_at(call, 0);
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (!type_at(call, i).is(TypeKind::kMap)) {
      return analysis_error("DATATYPE_MISMATCH.MAP_CONCAT_DIFF_TYPES", "42K09",
                            "Cannot resolve \"map_concat\" due to data type mismatch: The "
                            "`map_concat` should all be of type map.",
                            call.origin);
    }
    const auto common = common_type(type, type_at(call, i), call.options->ansi);
    if (!common) {
      return analysis_error("DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09",
                            "Cannot resolve \"map_concat\" due to data type mismatch: Input to "
                            "`map_concat` should all be the same type.",
                            call.origin);
    }
    type = *common;
  }
  return Signature{std::vector<DataType>(call.arguments.size(), type), type, some_nullable(call)};
}

Result<Signature> map_contains_key_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto map, map_at(call, 0));
  auto common = common_type(map.key(), type_at(call, 1), call.options->ansi);
  if (is_text(map.key()) != is_text(type_at(call, 1))) common = std::nullopt;  // no casts here
  if (!common || type_at(call, 1).is(TypeKind::kNull)) {
    return analysis_error(type_at(call, 1).is(TypeKind::kNull)
                              ? "DATATYPE_MISMATCH.NULL_TYPE"
                              : "DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES",
                          "42K09",
                          "Cannot resolve \"map_contains_key\" due to data type mismatch: Input to "
                          "`map_contains_key` should have been \"MAP\" followed by a value with "
                          "same key type, but it's [\"" +
                              type_at(call, 0).sql() + "\", \"" + type_at(call, 1).sql() + "\"].",
                          call.origin);
  }
  return Signature{{DataType::map(*common, map.value(), map.contains_null()), *common},
                   of(TypeKind::kBoolean),
                   some_nullable(call)};
}

Result<Signature> split_rule(const Function&, const SignatureCall& call) {
  Signature signature{{of(TypeKind::kString), of(TypeKind::kString)},
                      DataType::array(of(TypeKind::kString), false),
                      some_nullable(call)};
  if (call.arguments.size() > 2) signature.argument_types.push_back(of(TypeKind::kInteger));
  return signature;
}

Result<Signature> extract_all_rule(const Function&, const SignatureCall& call) {
  Signature signature{{of(TypeKind::kString), of(TypeKind::kString)},
                      DataType::array(of(TypeKind::kString)),
                      some_nullable(call)};
  if (call.arguments.size() > 2) signature.argument_types.push_back(of(TypeKind::kInteger));
  return signature;
}

SignatureRule string_map() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    return Signature{std::vector<DataType>(call.arguments.size(), of(TypeKind::kString)),
                     DataType::map(of(TypeKind::kString), of(TypeKind::kString)),
                     some_nullable(call)};
  };
}

Result<Signature> array_size_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto array, array_at(call, 0));
  return Signature{{array}, of(TypeKind::kInteger), nullable_at(call, 0)};
}

}  // namespace

void add_arrays(Functions& list) {
  list.push_back(sure("array_size", 1, 1, array_size_rule, "Number of elements."));
  list.push_back(sure("array_distinct", 1, 1, same_array(), "The elements, each once."));
  list.push_back(sure("array_compact", 1, 1, same_array(true), "The elements that are not NULL."));
  list.push_back(
      sure("array_union", 2, 2, two_arrays(Result1::kSame), "Elements of either, each once."));
  list.push_back(
      sure("array_intersect", 2, 2, two_arrays(Result1::kSame), "Elements of both, each once."));
  list.push_back(sure("array_except", 2, 2, two_arrays(Result1::kSame),
                      "Elements of the first that the second has not, each once."));
  list.push_back(
      sure("arrays_overlap", 2, 2, two_arrays(Result1::kBoolean), "Some element is in both."));
  list.push_back(sure("array_position", 2, 2, array_and_value(L),
                      "Position of the value (1 the first), 0 where it is not."));
  list.push_back(sure("array_remove", 2, 2, array_and_value(TypeKind::kNull),
                      "The elements other than the value."));
  list.push_back(sure("array_append", 2, 2, array_with(1), "The value added at the end."));
  list.push_back(sure("array_prepend", 2, 2, array_with(1), "The value added at the beginning."));
  list.push_back(risky("array_insert", 3, 3, array_with(2),
                       "The value (third) put at a position (second; negative from the end)."));
  list.push_back(sure("array_join", 2, 3, array_join_rule,
                      "The elements as one text with a delimiter; third: what stands for NULL."));
  list.push_back(sure("array_min", 1, 1, extreme_of_array, "The least element."));
  list.push_back(sure("array_max", 1, 1, extreme_of_array, "The greatest element."));
  list.push_back(
      risky("array_repeat", 2, 2, array_repeat_rule, "An array of the value several times."));
  list.push_back(risky("slice", 3, 3, slice_rule,
                       "Part of an array from a position (1 the first) of a length."));
  list.push_back(sure("sort_array", 1, 2, sort_array_rule,
                      "The elements in order, ascending (NULL first) or not."));
  list.push_back(sure("flatten", 1, 1, flatten_rule, "The elements of the elements."));
  list.push_back(
      sure("arrays_zip", 0, -1, arrays_zip_rule, "An array of structs of the arrays' elements."));

  list.push_back(risky("map", 0, -1, map_rule, "A map of keys and values."));
  list.push_back(sure("map_keys", 1, 1, map_keys_rule, "The keys."));
  list.push_back(sure("map_values", 1, 1, map_values_rule, "The values."));
  list.push_back(sure("map_entries", 1, 1, map_entries_rule, "The entries, as structs."));
  list.push_back(risky("map_from_arrays", 2, 2, map_from_arrays_rule, "A map of keys and values."));
  list.push_back(risky("map_from_entries", 1, 1, map_from_entries_rule, "A map of entries."));
  list.push_back(risky("map_concat", 0, -1, map_concat_rule, "The maps' entries in one."));
  list.push_back(sure("map_contains_key", 2, 2, map_contains_key_rule, "The map has the key."));
  list.push_back(risky("str_to_map", 1, 3, string_map(),
                       "A map of a text: pairs split at the second, keys at the third."));

  list.push_back(
      risky("split", 2, 3, split_rule, "The text split around matches of a regular expression."));
  list.push_back(
      risky("regexp_extract_all", 2, 3, extract_all_rule, "One group (default 1) of every match."));
  list.push_back(risky("regexp_count", 2, 2, fixed({S}, I), "Number of matches."));
  list.push_back(
      risky("regexp_substr", 2, 2, fixed_nullable({S}, S), "The first match, NULL without one."));
  list.push_back(risky("regexp_instr", 2, 3, fixed({S, S, I}, I),
                       "Position of the first match, 0 without one."));
}

}  // namespace weir::plan
