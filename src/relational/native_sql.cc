#include "relational/native_sql.h"

#include <cmath>

#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "relational/statement_builder.h"

namespace weir::relational {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using plan::Typed;
using plan::TypedCall;

bool is_atomic(const DataType& type) { return !type.is_nested() && !type.is(TypeKind::kNull); }

bool same_atomic(const TypedCall& call) {
  for (const auto& argument : call.arguments) {
    if (!is_atomic(argument->type) || !argument->type.same_type(call.arguments[0]->type))
      return false;
  }
  return true;
}

const std::string* constant_text(const Typed& expression) {
  const auto* literal = std::get_if<plan::TypedLiteral>(&expression.node);
  return literal ? std::get_if<std::string>(&literal->value) : nullptr;
}

std::optional<int64_t> constant_number(const Typed& expression) {
  const auto* literal = std::get_if<plan::TypedLiteral>(&expression.node);
  if (!literal) return std::nullopt;
  const auto* number = std::get_if<int64_t>(&literal->value);
  return number ? std::optional(*number) : std::nullopt;
}

bool is_arithmetic(std::string_view name) { return name == "+" || name == "-" || name == "*"; }

// Sums and products of decimals: DuckDB calculates exactly and the result type holds any outcome.
bool exact_decimal(const Typed& expression, const TypedCall& call) {
  const auto& result = expression.type;
  const auto& a = call.arguments[0]->type;
  const auto& b = call.arguments[1]->type;
  if (!result.is(TypeKind::kDecimal) || !a.is(TypeKind::kDecimal) || !b.is(TypeKind::kDecimal))
    return false;
  if (call.function->name == "*") {
    return a.precision() + b.precision() <= 38 && result.scale() == a.scale() + b.scale() &&
           result.precision() >= a.precision() + b.precision();
  }
  const int scale = std::max(a.scale(), b.scale());
  const int digits = std::max(a.precision() - a.scale(), b.precision() - b.scale());
  return result.scale() == scale && digits + scale + 1 <= 38 &&
         result.precision() >= digits + scale + 1;
}

// As exact_decimal, but an outcome may not fit: DuckDB then raises an error.
bool checked_decimal(const Typed& expression, const TypedCall& call) {
  const auto& result = expression.type;
  const auto& a = call.arguments[0]->type;
  const auto& b = call.arguments[1]->type;
  if (!result.is(TypeKind::kDecimal) || !a.is(TypeKind::kDecimal) || !b.is(TypeKind::kDecimal))
    return false;
  return call.function->name == "*" && result.precision() == 38 &&
         result.scale() == a.scale() + b.scale();
}

bool native_arithmetic(const Typed& expression, const TypedCall& call, bool ansi, bool exact) {
  if (call.arguments.size() != 2) return false;
  const auto& type = expression.type;
  if (!call.arguments[0]->type.same_type(call.arguments[1]->type) && !type.is(TypeKind::kDecimal))
    return false;
  if (type.is(TypeKind::kDecimal))
    return exact_decimal(expression, call) || (!exact && ansi && checked_decimal(expression, call));
  if (!call.arguments[0]->type.same_type(type)) return false;
  if (plan::is_fractional(type)) return true;
  return plan::is_integral(type) && ansi && !exact;
}

bool native_like(const TypedCall& call) {
  if (call.arguments.size() != 2) return false;
  const auto* pattern = constant_text(*call.arguments[1]);
  return pattern && pattern->find('\\') == std::string::npos &&
         call.arguments[0]->type.is(TypeKind::kString);
}

bool native_substring(const TypedCall& call) {
  if (!plan::is_text(call.arguments[0]->type) || call.arguments.size() != 3) return false;
  const auto from = constant_number(*call.arguments[1]);
  const auto length = constant_number(*call.arguments[2]);
  return from && *from >= 1 && length && *length >= 0;
}

bool is_native_call(const Typed& expression, const TypedCall& call, bool ansi, bool exact) {
  const auto name = call.function->name;
  if (call.function->kind != plan::FunctionKind::kScalar) return false;
  if (is_arithmetic(name)) return native_arithmetic(expression, call, ansi, exact);
  if (name == "=" || name == "<" || name == "<=" || name == ">" || name == ">=" || name == "<=>")
    return same_atomic(call);
  if (name == "in") return same_atomic(call);
  if (name == "and" || name == "or" || name == "not" || name == "isnull" || name == "isnotnull" ||
      name == "when" || name == "if" || name == "coalesce" || name == "nvl")
    return true;
  if (name == "like") return native_like(call);
  if (name == "startswith" || name == "endswith" || name == "contains")
    return plan::is_text(call.arguments[0]->type) && plan::is_text(call.arguments[1]->type);
  if (name == "substring") return native_substring(call);
  if (name == "length") return plan::is_text(call.arguments[0]->type);
  if (name == "year" || name == "month" || name == "day" || name == "quarter")
    return call.arguments[0]->type.is(TypeKind::kDate);
  return false;
}

// Casts that always succeed and keep the value.
bool is_native_cast(const DataType& from, const DataType& to) {
  if (from.same_type(to)) return true;
  if (from.is(TypeKind::kNull)) return true;
  if (plan::is_integral(from)) {
    if (plan::is_integral(to)) return from.kind() < to.kind();
    if (to.is(TypeKind::kDouble)) return true;
    if (to.is(TypeKind::kDecimal))
      return to.precision() - to.scale() >= plan::decimal_for(from).precision();
    return false;
  }
  if (from.is(TypeKind::kFloat)) return to.is(TypeKind::kDouble);
  if (from.is(TypeKind::kDecimal) && to.is(TypeKind::kDecimal)) {
    return to.scale() >= from.scale() &&
           to.precision() - to.scale() >= from.precision() - from.scale();
  }
  return plan::is_text(from) && to.is(TypeKind::kString);
}

std::string decimal_text(plan::Int128 value, int scale) {
  const bool negative = value < 0;
  auto digits = fmt::format("{}", negative ? -static_cast<unsigned __int128>(value)
                                           : static_cast<unsigned __int128>(value));
  if (static_cast<int>(digits.size()) <= scale)
    digits.insert(0, static_cast<size_t>(scale) + 1 - digits.size(), '0');
  if (scale > 0) digits.insert(digits.size() - static_cast<size_t>(scale), ".");
  return (negative ? "-" : "") + digits;
}

bool is_plain_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t more = byte < 0x80 ? 0 : byte < 0xC2 ? 4 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    if (byte == 0 || byte >= 0xF5 || more == 4 || i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string made = "'";
  for (const char c : text) {
    if (c == '\'') made += '\'';
    made += c;
  }
  return made + "'";
}

std::string literal_sql(const plan::Value& value, const DataType& type) {
  const auto cast = [&](const std::string& text) {
    return fmt::format("CAST({} AS {})", text, duck_sql_type(type));
  };
  if (std::holds_alternative<std::monostate>(value)) return cast("NULL");
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "TRUE" : "FALSE";
  if (const auto* real = std::get_if<double>(&value)) {
    if (std::isnan(*real)) return cast("'nan'");
    if (std::isinf(*real)) return cast(*real > 0 ? "'inf'" : "'-inf'");
    return cast(fmt::format("'{:.17g}'", *real));
  }
  if (const auto* decimal = std::get_if<plan::Int128>(&value))
    return cast("'" + decimal_text(*decimal, type.scale()) + "'");
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (type.is(TypeKind::kBinary)) {
      std::string bytes = "'";
      for (const char c : *text)
        bytes += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
      return bytes + "'::BLOB";
    }
    return is_plain_text(*text) ? quoted(*text) : std::string();
  }
  const auto number = std::get<int64_t>(value);
  switch (type.kind()) {
    case TypeKind::kDate:
      return fmt::format("(DATE '1970-01-01' + ({}))", number);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return fmt::format("make_timestamp({})", number);
    default:
      return cast(fmt::format("'{}'", number));
  }
}

bool is_guard(const Typed& expression) {
  const auto* call = std::get_if<TypedCall>(&expression.node);
  return call &&
         (call->function->form != plan::EvaluationForm::kStrict || call->function->name == "nvl2");
}

bool is_native_node(const Typed& expression, bool ansi, bool exact) {
  const auto& node = expression.node;
  if (const auto* literal = std::get_if<plan::TypedLiteral>(&node))
    return !literal_sql(literal->value, expression.type).empty();
  if (std::holds_alternative<plan::TypedColumn>(node) ||
      std::holds_alternative<plan::TypedOuterColumn>(node) ||
      std::holds_alternative<plan::TypedSubquery>(node) ||
      std::holds_alternative<plan::TypedField>(node))
    return true;
  if (const auto* cast = std::get_if<plan::TypedCast>(&node))
    return is_native_cast(cast->child->type, expression.type);
  if (const auto* call = std::get_if<TypedCall>(&node))
    return is_native_call(expression, *call, ansi, exact);
  return false;
}

bool is_native_tree(const Typed& expression, bool ansi, bool exact) {
  if (!is_native_node(expression, ansi, exact)) return false;
  for (const auto& child : plan::typed_children(expression)) {
    if (!is_native_tree(*child, ansi, exact)) return false;
  }
  return true;
}

std::string native_call_sql(const Typed& expression, const TypedCall& call,
                            const std::vector<std::string>& arguments) {
  const auto name = call.function->name;
  const auto& a = arguments[0];
  const auto typed = [&](const std::string& sql) {
    return fmt::format("CAST({} AS {})", sql, duck_sql_type(expression.type));
  };
  if (is_arithmetic(name)) {
    auto sql = fmt::format("({} {} {})", a, name, arguments[1]);
    return expression.type.is(TypeKind::kDecimal) ? typed(sql) : sql;
  }
  if (name == "<=>") return fmt::format("({} IS NOT DISTINCT FROM {})", a, arguments[1]);
  if (name == "=" || name == "<" || name == "<=" || name == ">" || name == ">=")
    return fmt::format("({} {} {})", a, name, arguments[1]);
  if (name == "and" || name == "or") return fmt::format("({} {} {})", a, name, arguments[1]);
  if (name == "not") return fmt::format("(NOT {})", a);
  if (name == "isnull") return fmt::format("({} IS NULL)", a);
  if (name == "isnotnull") return fmt::format("({} IS NOT NULL)", a);
  if (name == "in" || name == "coalesce" || name == "nvl") {
    std::string rest;
    for (size_t i = 1; i < arguments.size(); ++i)
      rest += (i > 1 ? ", " : "") + arguments[i];
    if (name == "in") return fmt::format("({} IN ({}))", a, rest);
    return fmt::format("coalesce({}{}{})", a, rest.empty() ? "" : ", ", rest);
  }
  if (name == "when" || name == "if") {
    std::string sql = "(CASE";
    size_t i = 0;
    for (; i + 1 < arguments.size(); i += 2)
      sql += fmt::format(" WHEN {} THEN {}", arguments[i], arguments[i + 1]);
    if (i < arguments.size()) sql += " ELSE " + arguments[i];
    return sql + " END)";
  }
  if (name == "like") return fmt::format("({} LIKE {})", a, arguments[1]);
  if (name == "startswith") return fmt::format("starts_with({}, {})", a, arguments[1]);
  if (name == "endswith") return fmt::format("suffix({}, {})", a, arguments[1]);
  if (name == "contains") return fmt::format("contains({}, {})", a, arguments[1]);
  if (name == "substring")
    return fmt::format("substring({}, {}, {})", a, arguments[1], arguments[2]);
  return typed(fmt::format("{}({})", name, a));  // length, year, month, day, quarter
}

}  // namespace weir::relational
