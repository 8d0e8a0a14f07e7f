#include "plan/signature_rules.h"

#include <algorithm>

#include <fmt/format.h>

namespace weir::plan {

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }

bool any_nullable(const SignatureCall& call) {
  return std::any_of(call.arguments.begin(), call.arguments.end(),
                     [](const auto& a) { return a->nullable; });
}

const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }

std::string text_at(const SignatureCall& call, size_t i) {
  const auto& origin = call.arguments[i]->origin;
  if (!origin.text || origin.end > origin.text->size()) return fmt::format("argument {}", i + 1);
  return origin.text->substr(origin.begin, origin.end - origin.begin);
}

std::string call_text(const SignatureCall& call) {
  if (!call.origin.text) return std::string(call.name);
  return call.origin.text->substr(call.origin.begin, call.origin.end - call.origin.begin);
}

std::string ordinal(size_t i) {
  static const char* kNames[] = {"first", "second", "third",   "fourth",
                                 "fifth", "sixth",  "seventh", "eighth"};
  return i < std::size(kNames) ? kNames[i] : fmt::format("{}th", i + 1);
}

base::Error differing_types(const SignatureCall& call) {
  const bool symbol = call.name.find_first_of("+-*/%=<>&|^") != std::string_view::npos;
  const bool word = call.name == "div" || call.name == "pmod" || call.name == "mod" ||
                    call.name.starts_with("try_") || call.name == "equal_null";
  if (call.arguments.size() == 2 && (symbol || word)) {
    return analysis_error(
        "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09",
        fmt::format(
            "Cannot resolve \"{}\" due to data type mismatch: the left and right operands of "
            "the binary operator have incompatible types (\"{}\" and \"{}\").",
            call_text(call), type_at(call, 0).sql(), type_at(call, 1).sql()),
        call.origin);
  }
  std::vector<std::string> types;
  for (const auto& argument : call.arguments)
    types.push_back("\"" + argument->type.sql() + "\"");
  return analysis_error("DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09",
                        fmt::format("Cannot resolve \"{}\" due to data type mismatch: Input to "
                                    "`{}` should all be the same type, but it's ({}).",
                                    call_text(call), call.name, fmt::join(types, " or ")),
                        call.origin);
}

base::Error wrong_operand(const SignatureCall& call, std::string_view required,
                          const DataType& actual) {
  return analysis_error(
      "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE", "42K09",
      fmt::format(
          "Cannot resolve \"{}\" due to data type mismatch: the binary operator requires the "
          "input type {}, not \"{}\".",
          call_text(call), required, actual.sql()),
      call.origin);
}

}  // namespace

bool is_orderable(const DataType& type) {
  switch (type.kind()) {
    case TypeKind::kMap:
      return false;
    case TypeKind::kArray:
      return is_orderable(type.element());
    case TypeKind::kStruct:
      for (const auto& field : type.fields()) {
        if (!is_orderable(field.type())) return false;
      }
      return true;
    default:
      return true;
  }
}

base::Error not_orderable(const SignatureCall& call, const DataType& type) {
  return analysis_error(
             "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
             fmt::format("Cannot resolve \"{}\" due to data type mismatch: The `{}` does not "
                         "support ordering on type \"{}\".",
                         call_text(call), call.name, type.sql()),
             call.origin)
      .with_parameter("functionName", fmt::format("`{}`", call.name))
      .with_parameter("dataType", "\"" + type.sql() + "\"");
}

namespace {

Result<Signature> check(const SignatureCall& call, Signature signature) {
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const auto& wanted = signature.argument_types[i];
    if (!can_cast_implicitly(type_at(call, i), wanted, call.options->ansi)) {
      return unexpected_input(call, i, "\"" + wanted.sql() + "\"");
    }
  }
  return signature;
}

// The types of the call's arguments from `from` on, reduced to one.
Result<DataType> common_of(const SignatureCall& call, size_t from, size_t step = 1) {
  DataType type = of(TypeKind::kNull);
  for (size_t i = from; i < call.arguments.size(); i += step) {
    const auto next = common_type(type, type_at(call, i), call.options->ansi);
    if (!next) return differing_types(call);
    type = *next;
  }
  return type;
}

bool is_decimal_literal_fit(const Typed& argument, DataType& decimal) {
  // Spark gives an integral literal beside a decimal the least precision that holds it.
  const auto* literal = std::get_if<TypedLiteral>(&argument.node);
  const auto* number = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
  if (!number || !is_integral(argument.type)) return false;
  const auto digits = std::to_string(*number);
  decimal = DataType::decimal(static_cast<int>(digits.size() - (digits[0] == '-' ? 1 : 0)), 0);
  return true;
}

// DecimalType.bounded
DataType bounded_decimal(int precision, int scale) {
  return DataType::decimal(std::min(precision, 38), std::min(scale, 38));
}

Signature binary(DataType argument, DataType result, bool nullable) {
  return {{argument, argument}, std::move(result), nullable};
}

std::string_view operator_of(std::string_view name) {
  if (name == "try_add") return "+";
  if (name == "try_subtract") return "-";
  if (name == "try_multiply") return "*";
  if (name == "try_divide") return "/";
  if (name == "pmod" || name == "mod" || name == "try_mod") return "%";
  return name;
}

Result<Signature> decimal_arithmetic(const SignatureCall& call, std::string_view op,
                                     bool nullable) {
  DataType types[2] = {of(TypeKind::kNull), of(TypeKind::kNull)};
  for (size_t i = 0; i < 2; ++i) {
    const auto& type = type_at(call, i);
    if (type.is(TypeKind::kDecimal)) {
      types[i] = type;
    } else if (!is_decimal_literal_fit(*call.arguments[i], types[i])) {
      types[i] = type.is(TypeKind::kNull) ? type_at(call, 1 - i) : decimal_for(type);
    }
  }
  return Signature{{types[0], types[1]},
                   decimal_result(op, types[0], types[1]),
                   nullable || !call.options->ansi};
}

// A date stays a date beside months, and beside INTERVAL DAY.
bool whole_days(const Typed& interval) {
  return interval.type.is(TypeKind::kYearMonthInterval) || interval.type.last_unit() == 0;
}

// Dates, timestamps and intervals under + and -.
std::optional<Result<Signature>> temporal_arithmetic(const SignatureCall& call,
                                                     std::string_view op) {
  auto a = type_at(call, 0);
  auto b = type_at(call, 1);
  const auto interval = [](const DataType& t) { return t.is_interval(); };
  const auto datetime = [](const DataType& t) {
    return t.is(TypeKind::kDate) || t.is(TypeKind::kTimestamp) || t.is(TypeKind::kTimestampNtz);
  };
  const bool nullable = any_nullable(call) || call.name.starts_with("try_");
  if (!interval(a) && !interval(b) && !datetime(a) && !datetime(b)) return std::nullopt;
  if (op == "*" || op == "/") {
    const bool first = interval(a);
    const auto& by = first ? b : a;
    const bool number = by.is_numeric() || is_text(by) || by.is(TypeKind::kNull);
    if ((!first && (op == "/" || !interval(b))) || !number) return std::nullopt;
    const auto scale = by.is(TypeKind::kDecimal) ? by
                       : is_integral(by)         ? of(TypeKind::kLong)
                                                 : of(TypeKind::kDouble);
    return Signature{first ? std::vector<DataType>{a, scale} : std::vector<DataType>{scale, b},
                     of(first ? a.kind() : b.kind()), nullable || op == "/"};
  }
  if (op != "+" && op != "-") return std::nullopt;
  // NULL is an interval beside a time under +, of the other's type elsewhere.
  const bool add_null = op == "+" && (datetime(a) || datetime(b));
  const auto day_time = of(TypeKind::kDayTimeInterval);
  if (a.is(TypeKind::kNull)) a = add_null ? day_time : b;
  if (b.is(TypeKind::kNull)) b = add_null ? day_time : a;
  if (interval(a) && interval(b) && a.kind() == b.kind()) {
    const auto common = *common_type(a, b, true);
    return Signature{{common, common}, common, nullable};
  }
  if (datetime(a) && interval(b)) {
    const bool date_stays = !a.is(TypeKind::kDate) || whole_days(*call.arguments[1]);
    const auto from = date_stays ? a : of(TypeKind::kTimestamp);
    return Signature{{from, b}, from, nullable};
  }
  if (op == "+" && interval(a) && datetime(b)) {
    const auto from =
        b.is(TypeKind::kDate) && !whole_days(*call.arguments[0]) ? of(TypeKind::kTimestamp) : b;
    return Signature{{a, from}, from, nullable};
  }
  if (a.is(TypeKind::kDate) && (is_integral(b) && b.kind() <= TypeKind::kInteger)) {
    return Signature{{a, of(TypeKind::kInteger)}, a, nullable};
  }
  if (op == "+" && b.is(TypeKind::kDate) && (is_integral(a) && a.kind() <= TypeKind::kInteger)) {
    return Signature{{of(TypeKind::kInteger), b}, b, nullable};
  }
  if (op == "-" && !call.options->ansi) {
    if (is_text(a) && b.is(TypeKind::kTimestamp)) return unexpected_input(call, 0, "\"TIMESTAMP\"");
    if (is_text(b) && a.is(TypeKind::kTimestamp)) return unexpected_input(call, 1, "\"TIMESTAMP\"");
  }
  if (op == "-" && (datetime(a) || is_text(a)) && (datetime(b) || is_text(b))) {
    const auto common = is_text(a) ? b : is_text(b) ? a : *common_type(a, b, true);
    const bool dates = common.is(TypeKind::kDate);
    return binary(common, DataType::interval(TypeKind::kDayTimeInterval, 0, dates ? 0 : 3),
                  nullable);
  }
  for (size_t i = 0; i < 2; ++i) {  // a date takes whole numbers of days
    const auto& other = i == 0 ? b : a;
    const auto& given = i == 0 ? a : b;
    if (other.is(TypeKind::kDate) && given.is_numeric() && (i == 1 || op == "+"))
      return unexpected_input(call, i, "(\"INT\" or \"SMALLINT\" or \"TINYINT\")");
    if (interval(other) && (given.is_numeric() || given.is(TypeKind::kBinary)) &&
        (i == 0 || op == "+"))
      return unexpected_input(call, i, "(\"TIMESTAMP\" or \"TIMESTAMP WITHOUT TIME ZONE\")");
    if (datetime(other) && !other.is(TypeKind::kDate) && is_text(given) && op == "+" &&
        !call.options->ansi)
      return differing_types(call);
  }
  return wrong_operand(
      call,
      "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL\")",
      datetime(a) ? a : b);
}

}  // namespace

base::Error wrong_argument_count(std::string_view name, const Function& function, int count,
                                 const Origin& origin) {
  const auto expected =
      function.arguments_max < 0 ? fmt::format("> {}", function.arguments_min - 1)
      : function.arguments_min == function.arguments_max
          ? std::to_string(function.arguments_min)
          : fmt::format("[{}, {}]", function.arguments_min, function.arguments_max);
  return analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                        fmt::format("The `{}` requires {} parameters but the actual number is {}. "
                                    "Please, refer to the functions' documentation for a fix.",
                                    name, expected, count),
                        origin)
      .with_parameter("functionName", fmt::format("`{}`", name))
      .with_parameter("expectedNum", expected)
      .with_parameter("actualNum", std::to_string(count));
}

base::Error unexpected_input(const SignatureCall& call, size_t index, std::string_view required) {
  return analysis_error("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                        fmt::format("Cannot resolve \"{}\" due to data type mismatch: The {} "
                                    "parameter requires the {} type, however "
                                    "\"{}\" has the type \"{}\".",
                                    call_text(call), ordinal(index), required, text_at(call, index),
                                    type_at(call, index).sql()),
                        call.origin);
}

namespace {

SignatureRule fixed_rule(std::vector<TypeKind> kinds, TypeKind result, bool always_nullable) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature{{}, of(result), always_nullable || any_nullable(call)};
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      const auto kind = kinds[std::min(i, kinds.size() - 1)];
      signature.argument_types.push_back(of(kind));
    }
    return check(call, std::move(signature));
  };
}

}  // namespace

SignatureRule fixed(std::vector<TypeKind> arguments, TypeKind result) {
  return fixed_rule(std::move(arguments), result, false);
}
SignatureRule fixed_nullable(std::vector<TypeKind> arguments, TypeKind result) {
  return fixed_rule(std::move(arguments), result, true);
}

SignatureRule any_never_null(TypeKind result) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature{{}, of(result), false};
    for (const auto& argument : call.arguments)
      signature.argument_types.push_back(argument->type);
    return signature;
  };
}

SignatureRule arithmetic() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto op = operator_of(call.name);
    const auto& a = type_at(call, 0);
    const auto& b = type_at(call, 1);
    if (const auto temporal = temporal_arithmetic(call, op)) return *temporal;
    const bool ansi = call.options->ansi;
    const bool nullable =
        any_nullable(call) || call.name.starts_with("try_") || op == "/" || op == "%";
    const auto numeric = [](const DataType& t) {
      return t.is_numeric() || is_text(t) || t.is(TypeKind::kNull);
    };
    if (!numeric(a) || !numeric(b)) {
      if (numeric(a) != numeric(b)) return differing_types(call);
      return wrong_operand(call, "\"NUMERIC\"", a);
    }
    DataType common = of(TypeKind::kDouble);
    if (is_text(a) || is_text(b)) {
      // ANSI: a string becomes long beside an integral, double otherwise; else always double.
      const auto& other = is_text(a) ? b : a;
      common = ansi && is_integral(other) ? of(TypeKind::kLong) : of(TypeKind::kDouble);
    } else if ((a.is(TypeKind::kDecimal) || b.is(TypeKind::kDecimal)) && !is_fractional(a) &&
               !is_fractional(b)) {
      return decimal_arithmetic(call, op, nullable);
    } else {
      common = *common_type(a, b, ansi);
    }
    if (op == "/" || common.is(TypeKind::kNull)) common = of(TypeKind::kDouble);
    return binary(common, common, nullable);
  };
}

SignatureRule integral_division() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const bool nullable = true;
    const auto& a = type_at(call, 0);
    const auto& b = type_at(call, 1);
    if (a.is_interval() && a.kind() == b.kind()) {
      const auto common = *common_type(a, b, true);
      return binary(common, of(TypeKind::kLong), nullable);
    }
    for (const auto* type : {&a, &b}) {
      if (!is_integral(*type) && !type->is(TypeKind::kDecimal) && !is_text(*type) &&
          !type->is(TypeKind::kNull)) {
        return wrong_operand(call, "(\"DECIMAL\" or \"INTEGRAL\")", *type);
      }
    }
    if (a.is(TypeKind::kDecimal) || b.is(TypeKind::kDecimal)) {
      const auto common = common_type(is_text(a) ? of(TypeKind::kLong) : a,
                                      is_text(b) ? of(TypeKind::kLong) : b, true);
      return binary(*common, of(TypeKind::kLong), nullable);
    }
    return binary(of(TypeKind::kLong), of(TypeKind::kLong), nullable);
  };
}

SignatureRule comparison(bool null_safe) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto common = comparison_type(type_at(call, 0), type_at(call, 1), call.options->ansi);
    if (!common) return differing_types(call);
    if (!is_orderable(*common)) return not_orderable(call, *common);
    return binary(*common, of(TypeKind::kBoolean), !null_safe && any_nullable(call));
  };
}

SignatureRule same_numeric() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    auto type = type_at(call, 0);
    if (is_text(type) || type.is(TypeKind::kNull)) type = of(TypeKind::kDouble);
    if (!type.is_numeric() && !type.is_interval())
      return unexpected_input(call, 0, "(\"NUMERIC\" or \"INTERVAL\")");
    return Signature{{type}, type, any_nullable(call)};
  };
}

SignatureRule same_type_all(bool nullable_if_all) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto type, common_of(call, 0));
    if ((call.name == "greatest" || call.name == "least") && !is_orderable(type))
      return not_orderable(call, type);
    const bool all = std::all_of(call.arguments.begin(), call.arguments.end(),
                                 [](const auto& a) { return a->nullable; });
    return Signature{std::vector<DataType>(call.arguments.size(), type), type,
                     nullable_if_all ? all : any_nullable(call)};
  };
}

SignatureRule conditional() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto type, common_of(call, 1));
    if (!can_cast_implicitly(type_at(call, 0), of(TypeKind::kBoolean), true) ||
        is_text(type_at(call, 0))) {
      return unexpected_input(call, 0, "\"BOOLEAN\"");
    }
    return Signature{{of(TypeKind::kBoolean), type, type},
                     type,
                     call.arguments[1]->nullable || call.arguments[2]->nullable};
  };
}

SignatureRule case_when() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const size_t count = call.arguments.size();
    Signature signature;
    signature.nullable = count % 2 == 0;
    DataType type = of(TypeKind::kNull);
    for (size_t i = 0; i < count; ++i) {
      const bool value = i % 2 == 1 || i + 1 == count;
      if (!value) {
        const auto& condition = type_at(call, i);
        if (!condition.is(TypeKind::kBoolean) && !condition.is(TypeKind::kNull)) {
          return unexpected_input(call, i, "\"BOOLEAN\"");
        }
        continue;
      }
      const auto next = common_type(type, type_at(call, i), call.options->ansi);
      if (!next) return differing_types(call);
      type = *next;
      signature.nullable |= call.arguments[i]->nullable;
    }
    for (size_t i = 0; i < count; ++i) {
      signature.argument_types.push_back(i % 2 == 1 || i + 1 == count ? type
                                                                      : of(TypeKind::kBoolean));
    }
    signature.result = type;
    return signature;
  };
}

SignatureRule in_list() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    DataType type = type_at(call, 0);
    for (size_t i = 1; i < call.arguments.size(); ++i) {
      const auto next = common_type(type, type_at(call, i), call.options->ansi);
      if (!next) return differing_types(call);
      type = *next;
    }
    if (!is_orderable(type)) return not_orderable(call, type);
    return Signature{std::vector<DataType>(call.arguments.size(), type), of(TypeKind::kBoolean),
                     any_nullable(call)};
  };
}

SignatureRule null_if() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto common = comparison_type(type_at(call, 0), type_at(call, 1), call.options->ansi);
    if (!common) return differing_types(call);
    if (!is_orderable(*common)) return not_orderable(call, *common);
    return Signature{{*common, *common}, *common, true};
  };
}

SignatureRule nvl2_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto type, common_of(call, 1));
    return Signature{{type_at(call, 0), type, type},
                     type,
                     call.arguments[1]->nullable || call.arguments[2]->nullable};
  };
}

SignatureRule rounding() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    auto type = type_at(call, 0);
    if (is_text(type) || type.is(TypeKind::kNull)) type = of(TypeKind::kDouble);
    if (!type.is_numeric()) return unexpected_input(call, 0, "\"NUMERIC\"");
    int64_t scale = 0;
    Signature signature{{type}, type, any_nullable(call) || !call.options->ansi};
    if (call.arguments.size() == 2) {
      const auto* literal = std::get_if<TypedLiteral>(&call.arguments[1]->node);
      const auto* number = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
      if (!number) {
        return analysis_error(
            "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
            fmt::format(
                "Cannot resolve \"{}\" due to data type mismatch: the input `scale` should be "
                "a foldable \"INT\" expression; however, got \"{}\".",
                call_text(call), text_at(call, 1)),
            call.origin);
      }
      scale = *number;
      signature.argument_types.push_back(of(TypeKind::kInteger));
    }
    if (type.is(TypeKind::kDecimal)) {
      const int whole = type.precision() - type.scale() + 1;
      if (scale < 0) {
        const int precision = std::max<int>(whole, static_cast<int>(-scale) + 1);
        signature.result = DataType::decimal(std::min(precision, 38), 0);
      } else {
        const int kept =
            std::min<int>(type.scale(), static_cast<int>(std::min<int64_t>(scale, 38)));
        signature.result = DataType::decimal(std::min(whole + kept, 38), kept);
      }
    }
    return signature;
  };
}

namespace {

// ceil(x, digits): of decimals.
Result<Signature> scaled_ceiling_floor(const SignatureCall& call) {
  auto type = type_at(call, 0);
  if (is_integral(type)) type = decimal_for(type);
  if (type.is(TypeKind::kFloat)) type = DataType::decimal(14, 7);
  if (type.is(TypeKind::kDouble) || is_text(type) || type.is(TypeKind::kNull))
    type = DataType::decimal(30, 15);
  if (!type.is(TypeKind::kDecimal)) return unexpected_input(call, 0, "\"DECIMAL\"");
  const auto* literal = std::get_if<TypedLiteral>(&call.arguments[1]->node);
  const auto* number = literal ? std::get_if<int64_t>(&literal->value) : nullptr;
  std::optional<int64_t> scale;
  if (number) scale = *number;
  if (const auto* minus = std::get_if<TypedCall>(&call.arguments[1]->node);
      minus && minus->function->name == "negative") {
    const auto* inner = std::get_if<TypedLiteral>(&minus->arguments[0]->node);
    if (inner && std::holds_alternative<int64_t>(inner->value))
      scale = -std::get<int64_t>(inner->value);
  }
  if (!scale) {
    return analysis_error("NON_FOLDABLE_ARGUMENT", "42K08",
                          fmt::format("The function `{}` requires the parameter `scale` to be a "
                                      "foldable expression of the type \"INT\", but the actual "
                                      "argument is a non-foldable.",
                                      call.name),
                          call.origin)
        .with_parameter("funcName", fmt::format("`{}`", call.name))
        .with_parameter("paramName", "`scale`")
        .with_parameter("paramType", "\"INT\"");
  }
  const int whole = type.precision() - type.scale() + 1;
  auto result = type;
  if (*scale < 0) {
    const auto needed = std::max<int64_t>(whole, 1 - *scale);
    result = DataType::decimal(static_cast<int>(std::min<int64_t>(needed, 38)), 0);
  } else {
    const int kept = static_cast<int>(std::min<int64_t>(type.scale(), *scale));
    result = DataType::decimal(std::min(whole + kept, 38), kept);
  }
  return Signature{{type, of(TypeKind::kInteger)}, result, true};
}

}  // namespace

SignatureRule ceiling_floor() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    if (call.arguments.size() == 2) return scaled_ceiling_floor(call);
    auto type = type_at(call, 0);
    if (is_text(type) || type.is(TypeKind::kNull) || is_fractional(type))
      type = of(TypeKind::kDouble);
    if (!type.is_numeric()) return unexpected_input(call, 0, "\"NUMERIC\"");
    if (is_integral(type)) type = of(TypeKind::kLong);
    auto result = of(TypeKind::kLong);
    if (type.is(TypeKind::kDecimal)) {
      result = DataType::decimal(
          std::min(38, type.precision() - type.scale() + (type.scale() == 0 ? 0 : 1)), 0);
    }
    return Signature{{type}, result, any_nullable(call)};
  };
}

SignatureRule string_or_binary(TypeKind result_or_same) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature;
    signature.nullable = any_nullable(call);
    const bool binary = !call.arguments.empty() &&
                        std::all_of(call.arguments.begin(), call.arguments.end(),
                                    [](const auto& a) { return a->type.is(TypeKind::kBinary); });
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      signature.argument_types.push_back(of(binary ? TypeKind::kBinary : TypeKind::kString));
    }
    signature.result = of(result_or_same != TypeKind::kNull ? result_or_same
                          : binary                          ? TypeKind::kBinary
                                                            : TypeKind::kString);
    return check(call, std::move(signature));
  };
}

SignatureRule substring_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto subject =
        of(type_at(call, 0).is(TypeKind::kBinary) ? TypeKind::kBinary : TypeKind::kString);
    Signature signature{{subject}, subject, any_nullable(call)};
    for (size_t i = 1; i < call.arguments.size(); ++i)
      signature.argument_types.push_back(of(TypeKind::kInteger));
    return check(call, std::move(signature));
  };
}

SignatureRule concat_rule() {
  return [](const Function& function, const SignatureCall& call) -> Result<Signature> {
    if (std::any_of(call.arguments.begin(), call.arguments.end(),
                    [](const auto& a) { return a->type.is(TypeKind::kArray); })) {
      WEIR_ASSIGN(const auto type, common_of(call, 0));
      return Signature{std::vector<DataType>(call.arguments.size(), type), type,
                       any_nullable(call)};
    }
    return string_or_binary(TypeKind::kNull)(function, call);
  };
}

SignatureRule reverse_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    if (type.is(TypeKind::kArray) || type.is(TypeKind::kBinary))
      return Signature{{type}, type, any_nullable(call)};
    return check(call,
                 Signature{{of(TypeKind::kString)}, of(TypeKind::kString), any_nullable(call)});
  };
}

SignatureRule concat_ws_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature{{}, of(TypeKind::kString), call.arguments[0]->nullable};
    for (const auto& argument : call.arguments) {
      const bool array = !signature.argument_types.empty() && argument->type.is(TypeKind::kArray);
      signature.argument_types.push_back(array ? DataType::array(of(TypeKind::kString))
                                               : of(TypeKind::kString));
    }
    return check(call, std::move(signature));
  };
}

SignatureRule bitwise() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    DataType type = type_at(call, 0);
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      if (!is_integral(type_at(call, i)) && !type_at(call, i).is(TypeKind::kNull)) {
        if (call.arguments.size() == 2)
          return wrong_operand(call, "\"INTEGRAL\"", type_at(call, i));
        return unexpected_input(call, i, "\"INTEGRAL\"");
      }
      type = *common_type(type, type_at(call, i), true);
    }
    if (type.is(TypeKind::kNull)) type = of(TypeKind::kInteger);
    return Signature{std::vector<DataType>(call.arguments.size(), type), type, any_nullable(call)};
  };
}

SignatureRule shift() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto type =
        of(type_at(call, 0).is(TypeKind::kLong) ? TypeKind::kLong : TypeKind::kInteger);
    return check(call, Signature{{type, of(TypeKind::kInteger)}, type, any_nullable(call)});
  };
}

SignatureRule structure(bool named) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    std::vector<columnar::Field> fields;
    Signature signature;
    signature.nullable = false;
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      signature.argument_types.push_back(type_at(call, i));
      std::string name;
      if (named) {
        if (i % 2 == 0) continue;
        const auto* literal = std::get_if<TypedLiteral>(&call.arguments[i - 1]->node);
        const auto* text = literal ? std::get_if<std::string>(&literal->value) : nullptr;
        if (!text) return unexpected_input(call, i - 1, "foldable \"STRING\"");
        name = *text;
      } else {
        const auto& node = call.arguments[i]->node;
        name = fmt::format("col{}", i + 1);
        if (const auto* column = std::get_if<TypedColumn>(&node)) name = column->name;
        if (const auto* field = std::get_if<TypedField>(&node)) {
          name = field->child->type.fields()[static_cast<size_t>(field->index)].name;
        }
      }
      fields.push_back(columnar::make_field(name, type_at(call, i), call.arguments[i]->nullable));
    }
    if (named && call.arguments.size() % 2 != 0) {
      return analysis_error(
          "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
          "The `named_struct` requires 2n (n > 0) parameters. Each value needs its name.",
          call.origin);
    }
    signature.result = DataType::structure(std::move(fields));
    return signature;
  };
}

SignatureRule array_of() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(auto type, common_of(call, 0));
    return Signature{std::vector<DataType>(call.arguments.size(), type),
                     DataType::array(type, any_nullable(call)), false};
  };
}

// Whether an array's element may be NULL, as Spark sees it: known where the array is written out.
bool element_nullable(const SignatureCall& call, std::string_view name) {
  const bool from_one = name.ends_with("element_at");
  const bool strict = call.options->ansi && (name == "element_at" || name == "getitem");
  const auto* position = std::get_if<TypedLiteral>(&call.arguments[1]->node);
  const auto* number = position ? std::get_if<int64_t>(&position->value) : nullptr;
  const auto* made = std::get_if<TypedCall>(&call.arguments[0]->node);
  if (!number) {
    return !strict || any_nullable(call) || type_at(call, 0).contains_null();
  }
  if (!made || made->function->name != "array") return true;
  const auto count = static_cast<int64_t>(made->arguments.size());
  const int64_t index = !from_one ? *number : *number < 0 ? count + *number : *number - 1;
  if (index < 0 || index >= count) return !strict;
  return made->arguments[static_cast<size_t>(index)]->nullable;
}

SignatureRule element_rule() {
  return [](const Function& function, const SignatureCall& call) -> Result<Signature> {
    const auto& container = type_at(call, 0);
    if (container.is(TypeKind::kArray)) {
      if (!is_integral(type_at(call, 1)) && !type_at(call, 1).is(TypeKind::kNull))
        return unexpected_input(call, 1, "\"INTEGRAL\"");
      return Signature{{container, of(TypeKind::kInteger)},
                       container.element(),
                       element_nullable(call, function.name)};
    }
    if (container.is(TypeKind::kMap)) {
      if (!can_cast_implicitly(type_at(call, 1), container.key(), true)) {
        return unexpected_input(call, 1, "\"" + container.key().sql() + "\"");
      }
      return Signature{{container, container.key()}, container.value(), true};
    }
    return unexpected_input(call, 0, "(\"ARRAY\" or \"MAP\")");
  };
}

SignatureRule array_contains_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& array = type_at(call, 0);
    if (!array.is(TypeKind::kArray)) return unexpected_input(call, 0, "\"ARRAY\"");
    const auto common = common_type(array.element(), type_at(call, 1), call.options->ansi);
    if (!common || !common->same_type(array.element()))
      return unexpected_input(call, 1, "\"" + array.element().sql() + "\"");
    return Signature{{array, array.element()},
                     of(TypeKind::kBoolean),
                     any_nullable(call) || array.contains_null()};
  };
}

SignatureRule date_or_timestamp_part(bool time) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto target =
        of(time ? (type_at(call, 0).is(TypeKind::kTimestampNtz) ? TypeKind::kTimestampNtz
                                                                : TypeKind::kTimestamp)
                : TypeKind::kDate);
    return check(call, Signature{{target}, of(TypeKind::kInteger), any_nullable(call)});
  };
}

SignatureRule timestamp_from(TypeKind result) {
  return [=](const Function& function, const SignatureCall& call) -> Result<Signature> {
    // By a pattern it fails instead of giving NULL; without one it is a cast.
    const bool pattern = call.arguments.size() != 1 || result == TypeKind::kLong;
    const bool strict = call.options->ansi && !function.name.starts_with("try_");
    const bool cast =
        call.arguments.size() == 1 && cast_is_nullable(type_at(call, 0), of(result)) && !pattern;
    Signature signature{{}, of(result), !strict || cast || any_nullable(call)};
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      const auto& type = type_at(call, i);
      const bool datetime = type.is(TypeKind::kDate) || type.is(TypeKind::kTimestamp) ||
                            type.is(TypeKind::kTimestampNtz);
      signature.argument_types.push_back(i == 0 && datetime ? type : of(TypeKind::kString));
    }
    return check(call, std::move(signature));
  };
}

SignatureRule seconds_to_timestamp() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    auto type = type_at(call, 0);
    if (is_integral(type) || type.is(TypeKind::kNull)) type = of(TypeKind::kLong);
    if (is_fractional(type)) type = of(TypeKind::kDouble);
    if (!type.is_numeric()) return unexpected_input(call, 0, "\"NUMERIC\"");
    return Signature{{type}, of(TypeKind::kTimestamp), any_nullable(call)};
  };
}

SignatureRule count_rule() { return any_never_null(TypeKind::kLong); }

SignatureRule sum_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    if (type.is(TypeKind::kDecimal)) {
      const auto result = DataType::decimal(std::min(38, type.precision() + 10), type.scale());
      return Signature{{type}, result, true};
    }
    if (is_integral(type)) return Signature{{type}, of(TypeKind::kLong), true};
    if (is_fractional(type) || is_text(type) || type.is(TypeKind::kNull)) {
      return Signature{{of(TypeKind::kDouble)}, of(TypeKind::kDouble), true};
    }
    return unexpected_input(call, 0, "(\"NUMERIC\" or \"ANSI INTERVAL\")");
  };
}

SignatureRule average_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    if (type.is(TypeKind::kDecimal)) {
      return Signature{{type}, bounded_decimal(type.precision() + 4, type.scale() + 4), true};
    }
    if (type.is_numeric() || is_text(type) || type.is(TypeKind::kNull)) {
      return Signature{{of(TypeKind::kDouble)}, of(TypeKind::kDouble), true};
    }
    return unexpected_input(call, 0, "(\"NUMERIC\" or \"ANSI INTERVAL\")");
  };
}

SignatureRule extreme_rule() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    if (type.is_nested()) return unexpected_input(call, 0, "orderable, not nested");
    return Signature{{type}, type, true};
  };
}

}  // namespace weir::plan
