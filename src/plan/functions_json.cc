// JSON inside columns.
#include <boost/algorithm/string/case_conv.hpp>

#include "plan/function_groups.h"
#include "plan/json_options.h"
#include "plan/schema_argument.h"

namespace weir::plan {

using namespace entry;

const std::string* literal_text(const Typed& expression) {
  if (const auto* cast = std::get_if<TypedCast>(&expression.node))
    return literal_text(*cast->child);
  const auto* literal = std::get_if<TypedLiteral>(&expression.node);
  return literal ? std::get_if<std::string>(&literal->value) : nullptr;
}

Result<std::map<std::string, std::string>> literal_options(const TypedCall& call, size_t at) {
  std::map<std::string, std::string> options;
  if (call.arguments.size() <= at) return options;
  const Typed* given = call.arguments[at].get();
  while (const auto* cast = std::get_if<TypedCast>(&given->node))
    given = cast->child.get();
  const auto* map = std::get_if<TypedCall>(&given->node);
  if (!map || map->function->name != "map") {
    return analysis_error("INVALID_OPTIONS.NON_MAP_FUNCTION", "42K06",
                          "Invalid options: Must use the `map()` function for options.",
                          given->origin);
  }
  for (size_t i = 0; i + 1 < map->arguments.size(); i += 2) {
    const auto* key = literal_text(*map->arguments[i]);
    const auto* value = literal_text(*map->arguments[i + 1]);
    if (!key || !value) {
      return analysis_error("INVALID_OPTIONS.NON_STRING_TYPE", "42K06",
                            "Invalid options: A type of keys and values in `map()` must be string.",
                            given->origin);
    }
    options[boost::to_lower_copy(*key)] = *value;
  }
  return options;
}

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }
const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }

Result<Signature> from_json_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto type, schema_argument(call, 1));
  if (!type.is_nested())
    return wrong_schema_type(call, "INVALID_JSON_SCHEMA", type,
                             "a struct, an array, a map or a variant");
  if (!is_text(type_at(call, 0)) && !type_at(call, 0).is(TypeKind::kNull))
    return unexpected_input(call, 0, "\"STRING\"");
  Signature signature{{of(S), of(S)}, type.as_nullable(), true};
  if (call.arguments.size() > 2) signature.argument_types.push_back(type_at(call, 2));
  return signature;
}

Result<Signature> to_json_rule(const Function&, const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (!type.is_nested())
    return wrong_schema_type(call, "INVALID_JSON_SCHEMA", type,
                             "a struct, an array, a map or a variant");
  Signature signature{{type}, of(S), call.arguments[0]->nullable};
  if (call.arguments.size() > 1) signature.argument_types.push_back(type_at(call, 1));
  return signature;
}

Result<Signature> keys_rule(const Function&, const SignatureCall&) {
  return Signature{{of(S)}, DataType::array(of(S)), true};
}

Result<Signature> schema_rule(const Function&, const SignatureCall& call) {
  Signature signature{{of(S)}, of(S), call.arguments[0]->nullable};
  if (call.arguments.size() > 1) signature.argument_types.push_back(type_at(call, 1));
  return signature;
}

}  // namespace

void add_json(Functions& list) {
  list.push_back(
      risky("from_json", 2, 3, from_json_rule,
            "A struct, array or map read from JSON text by a schema (DDL or JSON), with options."));
  list.push_back(risky("to_json", 1, 2, to_json_rule, "JSON text of a struct, array or map."));
  list.push_back(sure("get_json_object", 2, 2, fixed_nullable({S}, S),
                      "What a path ($.a[0].b) leads to in a JSON text."));
  list.push_back(sure("json_array_length", 1, 1, fixed_nullable({S}, I),
                      "Number of elements of the outermost array."));
  list.push_back(sure("json_object_keys", 1, 1, keys_rule, "Keys of the outermost object."));
  list.push_back(sure("schema_of_json", 1, 2, schema_rule, "Type of a JSON text, as DDL."));
}

}  // namespace weir::plan
