// Values as text by patterns, CSV inside columns, vectors of floats.
#include "plan/function_groups.h"
#include "plan/json_options.h"
#include "plan/number_pattern.h"
#include "plan/schema_argument.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }
const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }
bool some_nullable(const SignatureCall& call) {
  for (const auto& argument : call.arguments) {
    if (argument->nullable) return true;
  }
  return false;
}

bool is_datetime(const DataType& type) { return type.is(Date) || type.is(Ts) || type.is(Ntz); }

// format_number(number, places or pattern)
Result<Signature> format_number_rule(const Function&, const SignatureCall& call) {
  auto number = type_at(call, 0);
  if (is_text(number) || number.is(TypeKind::kNull)) number = of(D);
  if (!number.is_numeric()) return unexpected_input(call, 0, "\"NUMERIC\"");
  const auto& given = type_at(call, 1);
  if (!is_text(given) && !is_integral(given) && !given.is(TypeKind::kNull))
    return unexpected_input(call, 1, "(\"INT\" or \"STRING\")");
  return Signature{{number, of(is_text(given) ? S : I)}, of(S), true};
}

Result<Signature> format_string_rule(const Function&, const SignatureCall& call) {
  if (!can_cast_implicitly(type_at(call, 0), of(S), call.options->ansi))
    return unexpected_input(call, 0, "\"STRING\"");
  Signature signature{{of(S)}, of(S), call.arguments[0]->nullable};
  for (size_t i = 1; i < call.arguments.size(); ++i)
    signature.argument_types.push_back(type_at(call, i));
  return signature;
}

base::Error not_foldable(const SignatureCall& call, std::string_view what, std::string_view type) {
  return analysis_error(
             "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
             fmt::format("Cannot resolve \"{}\" due to data type mismatch: the input `{}` should "
                         "be a foldable \"{}\" expression.",
                         call.name, what, type),
             call.origin)
      .with_parameter("inputName", fmt::format("`{}`", what))
      .with_parameter("inputType", fmt::format("\"{}\"", type));
}

// The pattern of a literal; nullopt for NULL.
Result<std::optional<NumberPattern>> pattern_of(const SignatureCall& call) {
  if (type_at(call, 1).is(TypeKind::kNull)) return std::optional<NumberPattern>();
  const auto* text = literal_text(*call.arguments[1]);
  if (!text) return not_foldable(call, "format", "STRING");
  WEIR_ASSIGN(auto pattern, NumberPattern::parse(*text, call.origin));
  return std::optional(std::move(pattern));
}

Result<Signature> to_number_rule(const Function& function, const SignatureCall& call) {
  if (!can_cast_implicitly(type_at(call, 0), of(S), call.options->ansi))
    return unexpected_input(call, 0, "\"STRING\"");
  WEIR_ASSIGN(const auto pattern, pattern_of(call));
  const auto type = pattern ? DataType::decimal(pattern->precision(), pattern->scale())
                            : DataType::decimal(38, 0);
  const bool trying = function.name.starts_with("try_");
  return Signature{{of(S), of(S)}, type, trying || some_nullable(call)};
}

Result<Signature> to_char_rule(const Function&, const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (!is_text(type_at(call, 1)) && !type_at(call, 1).is(TypeKind::kNull))
    return unexpected_input(call, 1, "\"STRING\"");
  const bool nullable = some_nullable(call);
  if (is_datetime(type)) return Signature{{of(Ts), of(S)}, of(S), nullable};
  if (type.is(Bin)) return Signature{{type, of(S)}, of(S), nullable};
  auto number = type;
  if (is_integral(type)) {
    number = decimal_for(type);
  } else if (type.is(F)) {
    number = DataType::decimal(14, 7);
  } else if (type.is(D)) {
    number = DataType::decimal(30, 15);
  } else if (is_text(type) || type.is(TypeKind::kNull)) {
    number = DataType::decimal(38, 18);
  } else if (!type.is(TypeKind::kDecimal)) {
    return unexpected_input(call, 0, "(\"DECIMAL\", \"TIMESTAMP\" or \"BINARY\")");
  }
  WEIR_TRY(pattern_of(call));
  return Signature{{number, of(S)}, of(S), true};
}

Result<Signature> sentences_rule(const Function&, const SignatureCall& call) {
  Signature signature{
      {}, DataType::array(DataType::array(of(S), false), false), call.arguments[0]->nullable};
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (!can_cast_implicitly(type_at(call, i), of(S), call.options->ansi))
      return unexpected_input(call, i, "\"STRING\"");
    signature.argument_types.push_back(of(S));
  }
  return signature;
}

// ---- CSV

Result<Signature> from_csv_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto type, schema_argument(call, 1));
  if (!type.is(TypeKind::kStruct)) {
    const auto* text = literal_text(*call.arguments[1]);
    return analysis_error("INVALID_SCHEMA.NON_STRUCT_TYPE", "42K07",
                          "The input schema \"" + *text +
                              "\" is not a valid schema string. The input expression should be "
                              "evaluated to struct type, but got \"" +
                              type.sql() + "\".",
                          call.origin)
        .with_parameter("inputSchema", "\"" + *text + "\"")
        .with_parameter("dataType", "\"" + type.sql() + "\"");
  }
  for (const auto& field : type.fields()) {
    if (field.type().is_nested() || field.type().is(Bin)) {
      return analysis_error("UNSUPPORTED_DATATYPE", "0A000",
                            "Unsupported data type \"" + field.type().sql() + "\" in from_csv.",
                            call.origin)
          .with_parameter("typeName", "\"" + field.type().sql() + "\"");
    }
  }
  if (!is_text(type_at(call, 0)) && !type_at(call, 0).is(TypeKind::kNull))
    return unexpected_input(call, 0, "\"STRING\"");
  Signature signature{{of(S), of(S)}, type.as_nullable(), call.arguments[0]->nullable};
  if (call.arguments.size() > 2) signature.argument_types.push_back(type_at(call, 2));
  return signature;
}

Result<Signature> to_csv_rule(const Function&, const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (!type.is(TypeKind::kStruct)) return unexpected_input(call, 0, "\"STRUCT\"");
  for (const auto& field : type.fields()) {
    if (field.type().is_nested() || field.type().is(Bin)) {
      return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                            "weir's to_csv writes no \"" + field.type().sql() + "\" yet.",
                            call.origin);
    }
  }
  Signature signature{{type}, of(S), true};
  if (call.arguments.size() > 1) signature.argument_types.push_back(type_at(call, 1));
  return signature;
}

Result<Signature> schema_of_csv_rule(const Function&, const SignatureCall& call) {
  if (type_at(call, 0).is(TypeKind::kNull)) {
    return analysis_error("DATATYPE_MISMATCH.UNEXPECTED_NULL", "42K09",
                          "Cannot resolve \"schema_of_csv\" due to data type mismatch: The csv "
                          "must not be null.",
                          call.origin);
  }
  if (!literal_text(*call.arguments[0])) return not_foldable(call, "csv", "STRING");
  Signature signature{{of(S)}, of(S), false};
  if (call.arguments.size() > 1) signature.argument_types.push_back(type_at(call, 1));
  return signature;
}

// ---- sequence(first, last[, step])

Result<Signature> sequence_rule(const Function&, const SignatureCall& call) {
  auto type = common_type(type_at(call, 0), type_at(call, 1), call.options->ansi);
  const bool three = call.arguments.size() > 2;
  if (type && is_integral(*type) && three)
    type = common_type(*type, type_at(call, 2), call.options->ansi);
  if (type && type->is(TypeKind::kNull)) type = of(I);
  const bool fits = type && (is_integral(*type) ? !three || is_integral(*type)
                                                : is_datetime(*type) &&
                                                      (!three || type_at(call, 2).is_interval() ||
                                                       type_at(call, 2).is(TypeKind::kNull)));
  if (!fits) {
    return analysis_error(
               "DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES", "42K09",
               "Cannot resolve \"sequence\" due to data type mismatch: `sequence` uses the wrong "
               "parameter type. The parameter type must conform to: 1. The start and stop "
               "expressions must resolve to the same type. 2. If start and stop expressions "
               "resolve to the (\"TIMESTAMP\" or \"TIMESTAMP_NTZ\" or \"DATE\") type, then the "
               "step "
               "expression must resolve to the (\"INTERVAL\" or \"INTERVAL YEAR TO MONTH\" or "
               "\"INTERVAL DAY TO SECOND\") type. 3. Otherwise, if start and stop expressions "
               "resolve to the \"INTEGRAL\" type, then the step expression must resolve to the "
               "same "
               "type.",
               call.origin)
        .with_parameter("functionName", "`sequence`");
  }
  Signature signature{{*type, *type}, DataType::array(*type, false), some_nullable(call)};
  if (three) {
    const auto& step = type_at(call, 2);
    signature.argument_types.push_back(is_integral(*type)         ? *type
                                       : step.is(TypeKind::kNull) ? of(TypeKind::kDayTimeInterval)
                                                                  : step);
  }
  return signature;
}

// ---- vectors

bool is_vector(const DataType& type) { return type.is(TypeKind::kArray) && type.element().is(F); }

Result<Signature> vector_pair_rule(const Function&, const SignatureCall& call) {
  for (size_t i = 0; i < 2; ++i) {
    if (!is_vector(type_at(call, i))) return unexpected_input(call, i, "\"ARRAY<FLOAT>\"");
  }
  return Signature{{type_at(call, 0), type_at(call, 1)}, of(F), true};
}

Result<Signature> vector_norm_rule(const Function& function, const SignatureCall& call) {
  if (!is_vector(type_at(call, 0))) return unexpected_input(call, 0, "\"ARRAY<FLOAT>\"");
  Signature signature{{type_at(call, 0)},
                      function.name == "vector_normalize" ? DataType::array(of(F)) : of(F),
                      true};
  if (call.arguments.size() > 1) {
    const auto& degree = type_at(call, 1);
    if (!degree.is_numeric() && !degree.is(TypeKind::kNull))
      return unexpected_input(call, 1, "\"FLOAT\"");
    signature.argument_types.push_back(of(F));
  }
  return signature;
}

}  // namespace

void add_formats(Functions& list) {
  list.push_back(risky("format_number", 2, 2, format_number_rule,
                       "A number with thousands separated, to so many places or by a pattern."));
  list.push_back(risky("format_string", 1, -1, format_string_rule,
                       "Text by a printf pattern as Java has it.", {"printf"}));
  list.push_back(risky("to_char", 2, 2, to_char_rule,
                       "A number, time or binary value as text by a pattern.", {"to_varchar"}));
  list.push_back(risky("to_number", 2, 2, to_number_rule, "The decimal in a text, by a pattern."));
  list.push_back(
      sure("try_to_number", 2, 2, to_number_rule, "As to_number, NULL where it does not match."));
  list.push_back(
      sure("sentences", 1, 3, sentences_rule, "The words of a text, sentence by sentence."));
  list.push_back(sure("version", 0, 0, any_never_null(S),
                      "The Spark version whose semantics these are, and what answers."));
  list.push_back(risky("from_csv", 2, 3, from_csv_rule,
                       "A struct read from CSV text by a schema, with options."));
  list.push_back(risky("to_csv", 1, 2, to_csv_rule, "CSV text of a struct."));
  list.push_back(risky("schema_of_csv", 1, 2, schema_of_csv_rule, "Type of a CSV text, as DDL."));
  list.push_back(risky("sequence", 2, 3, sequence_rule,
                       "The numbers, dates or times from the first to the last, by a step."));
  list.push_back(sure("quote", 1, 1, fixed({S}, S), "The text in quotes, quotes in it escaped."));
  list.push_back(risky("vector_cosine_similarity", 2, 2, vector_pair_rule,
                       "Cosine of the angle between two vectors."));
  list.push_back(risky("vector_inner_product", 2, 2, vector_pair_rule, "Dot product."));
  list.push_back(risky("vector_l2_distance", 2, 2, vector_pair_rule, "Euclidean distance."));
  list.push_back(
      risky("vector_norm", 1, 2, vector_norm_rule, "Length by a norm of degree 1, 2 or infinity."));
  list.push_back(risky("vector_normalize", 1, 2, vector_norm_rule,
                       "The vector divided by its norm of a degree."));
}

}  // namespace weir::plan
