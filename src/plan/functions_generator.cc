// Functions that give several rows. Their type is array<struct<…>>: a struct a row.
#include <fmt/format.h>

#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }

Signature rows(std::vector<DataType> arguments, std::vector<columnar::Field> fields) {
  return {std::move(arguments), DataType::array(DataType::structure(std::move(fields)), false),
          true};
}

// Elements of an array, entries of a map; `position` puts their number before them.
SignatureRule explode_rule(bool position, bool outer) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = call.arguments[0]->type;
    std::vector<columnar::Field> fields;
    if (position) fields.push_back(columnar::make_field("pos", of(I), outer));
    if (type.is(TypeKind::kArray)) {
      fields.push_back(columnar::make_field("col", type.element(), outer || type.contains_null()));
    } else if (type.is(TypeKind::kMap)) {
      fields.push_back(columnar::make_field("key", type.key(), outer));
      fields.push_back(columnar::make_field("value", type.value(), outer || type.contains_null()));
    } else {
      return unexpected_input(call, 0, "(\"ARRAY\" or \"MAP\")");
    }
    return rows({type}, std::move(fields));
  };
}

SignatureRule inline_rule(bool outer) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = call.arguments[0]->type;
    if (!type.is(TypeKind::kArray) || !type.element().is(TypeKind::kStruct))
      return unexpected_input(call, 0, "\"ARRAY<STRUCT>\"");
    auto fields = type.element().fields();
    for (auto& field : fields)
      field.nullable = field.nullable || outer || type.contains_null();
    return rows({type}, std::move(fields));
  };
}

// stack(n, v1, v2, …): n rows.
Result<Signature> stack_rule(const Function&, const SignatureCall& call) {
  const auto* literal = std::get_if<TypedLiteral>(&call.arguments[0]->node);
  const auto* count = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
  if (!is_integral(call.arguments[0]->type)) return unexpected_input(call, 0, "\"INT\"");
  if (!count) {
    return analysis_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                          "Cannot resolve \"stack\" due to data type mismatch: the input `n` "
                          "should be a foldable \"INT\" expression.",
                          call.origin)
        .with_parameter("inputName", "`n`");
  }
  if (*count < 1) {
    return analysis_error("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                          "Cannot resolve \"stack\" due to data type mismatch: The `n` must be "
                          "between (0, 2147483647].",
                          call.origin)
        .with_parameter("exprName", "`n`")
        .with_parameter("currentValue", std::to_string(*count));
  }
  const size_t values = call.arguments.size() - 1;
  const auto rows_wanted = static_cast<size_t>(*count);
  const size_t width = (values + rows_wanted - 1) / rows_wanted;
  std::vector<columnar::Field> fields;
  std::vector<DataType> types{of(I)};
  std::vector<DataType> column_types;
  for (size_t column = 0; column < width; ++column) {
    auto type = of(TypeKind::kNull);
    bool nullable = values % width != 0;
    for (size_t i = column; i < values; i += width) {
      const auto& argument = call.arguments[i + 1];
      nullable = nullable || argument->nullable;
      if (argument->type.is(TypeKind::kNull)) continue;
      if (!type.is(TypeKind::kNull) && !type.same_type(argument->type)) {
        return analysis_error("DATATYPE_MISMATCH.STACK_COLUMN_DIFF_TYPES", "42K09",
                              fmt::format("Cannot resolve \"stack\" due to data type mismatch: The "
                                          "data type of the column ({}) do not have the same type: "
                                          "\"{}\" (1) <> \"{}\" ({}).",
                                          column, type.sql(), argument->type.sql(), i + 1),
                              call.origin)
            .with_parameter("columnIndex", std::to_string(column));
      }
      type = argument->type;
    }
    column_types.push_back(type);
    fields.push_back(columnar::make_field(fmt::format("col{}", column), type, nullable));
  }
  for (size_t i = 0; i < values; ++i)
    types.push_back(column_types[i % width]);
  return rows(std::move(types), std::move(fields));
}

Result<Signature> json_tuple_rule(const Function&, const SignatureCall& call) {
  std::vector<columnar::Field> fields;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (!is_text(call.arguments[i]->type) && !call.arguments[i]->type.is(TypeKind::kNull)) {
      return analysis_error("DATATYPE_MISMATCH.NON_STRING_TYPE", "42K09",
                            "Cannot resolve \"json_tuple\" due to data type mismatch: all "
                            "arguments must be strings.",
                            call.origin)
          .with_parameter("funcName", "`json_tuple`");
    }
    if (i > 0) fields.push_back(columnar::make_field(fmt::format("c{}", i - 1), of(S), true));
  }
  return rows(std::vector<DataType>(call.arguments.size(), of(S)), std::move(fields));
}

}  // namespace

void add_generators(Functions& list) {
  const auto add = [&](std::string_view name, int min, int max, SignatureRule rule,
                       std::string_view doc) {
    list.push_back(of_kind(FunctionKind::kGenerator, name, min, max, std::move(rule), doc));
  };
  add("explode", 1, 1, explode_rule(false, false), "A row for each element or entry.");
  add("explode_outer", 1, 1, explode_rule(false, true),
      "As explode; one row of NULL where there is none.");
  add("posexplode", 1, 1, explode_rule(true, false), "As explode, with the position (from 0).");
  add("posexplode_outer", 1, 1, explode_rule(true, true),
      "As posexplode; one row of NULL where there is none.");
  add("inline", 1, 1, inline_rule(false), "A row for each struct of an array.");
  add("inline_outer", 1, 1, inline_rule(true), "As inline; one row of NULL where there is none.");
  add("stack", 2, -1, stack_rule, "The values in n rows.");
  add("json_tuple", 2, -1, json_tuple_rule, "Members of a JSON object, as text, in one row.");
}

}  // namespace weir::plan
