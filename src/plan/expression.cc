#include "plan/expression.h"

#include <algorithm>
#include <set>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "plan/calendar.h"

namespace weir::plan {

using columnar::TypeKind;

Origin cover(const Origin& first, const Origin& last) {
  if (!first.text) return last;
  if (first.text != last.text) return first;
  return {first.text, std::min(first.begin, last.begin), std::max(first.end, last.end)};
}

namespace {

// Calls `look` for every expression right below the node.
template <typename Look>
void for_each_child(const ExpressionNode& node, Look&& look) {
  const auto list = [&](const std::vector<ExpressionPtr>& children) {
    for (const auto& child : children)
      look(child);
  };
  const auto keys = [&](const std::vector<SortKey>& children) {
    for (const auto& key : children)
      look(key.expression);
  };
  if (const auto* call = std::get_if<Call>(&node)) {
    list(call->arguments);
    look(call->filter);
    keys(call->within_group);
  } else if (const auto* cast = std::get_if<CastTo>(&node)) {
    look(cast->child);
  } else if (const auto* alias = std::get_if<Alias>(&node)) {
    look(alias->child);
  } else if (const auto* extract = std::get_if<Extract>(&node)) {
    look(extract->child);
    look(extract->key);
  } else if (const auto* over = std::get_if<Over>(&node)) {
    look(over->function);
    list(over->window.partition_by);
    keys(over->window.order_by);
  } else if (const auto* lambda = std::get_if<Lambda>(&node)) {
    look(lambda->body);
  } else if (const auto* subquery = std::get_if<Subquery>(&node)) {
    list(subquery->values);
  } else if (const auto* update = std::get_if<UpdateField>(&node)) {
    look(update->child);
    look(update->value);
  } else if (const auto* python = std::get_if<PythonCall>(&node)) {
    list(python->arguments);
  }
}

}  // namespace

ExpressionPtr make_expression(ExpressionNode node, Origin origin) {
  int below = 0;
  for_each_child(node, [&](const ExpressionPtr& child) {
    if (child) below = std::max(below, child->height);
  });
  return std::make_shared<const Expression>(
      Expression{std::move(node), std::move(origin), below + 1});
}

namespace {

enum class Style { kName, kSql };

std::string text_of(const Expression& expression, Style style);

std::string text_of(const Literal& literal, Style style) {
  if (std::holds_alternative<std::monostate>(literal.value)) return "NULL";
  if (const auto* flag = std::get_if<bool>(&literal.value)) return *flag ? "true" : "false";
  if (const auto* decimal = std::get_if<Int128>(&literal.value)) {
    return format_decimal(*decimal, literal.type.scale()) + (style == Style::kSql ? "BD" : "");
  }
  if (const auto* real = std::get_if<double>(&literal.value)) {
    if (literal.type.is(TypeKind::kFloat)) return format_float(static_cast<float>(*real));
    return format_double(*real) + (style == Style::kSql ? "D" : "");
  }
  if (const auto* text = std::get_if<std::string>(&literal.value)) {
    if (literal.type.is(TypeKind::kBinary)) {
      std::string hex = "X'";
      for (const unsigned char byte : *text)
        hex += fmt::format("{:02X}", byte);
      return hex + "'";
    }
    return style == Style::kSql ? "'" + boost::replace_all_copy(*text, "'", "\\'") + "'" : *text;
  }
  const int64_t number = std::get<int64_t>(literal.value);
  switch (literal.type.kind()) {
    case TypeKind::kDate:
      return "DATE '" + format_date(number) + "'";
    case TypeKind::kTimestamp:
      return "TIMESTAMP '" + format_local_timestamp(number) + "'";
    case TypeKind::kTimestampNtz:
      return "TIMESTAMP_NTZ '" + format_local_timestamp(number) + "'";
    case TypeKind::kDayTimeInterval:
      return format_day_time_interval(number);
    case TypeKind::kYearMonthInterval:
      return format_year_month_interval(number);
    case TypeKind::kLong:
      return std::to_string(number) + (style == Style::kSql ? "L" : "");
    default:
      return std::to_string(number);
  }
}

std::string join(const std::vector<ExpressionPtr>& list, size_t from, Style style) {
  std::string text;
  for (size_t i = from; i < list.size(); ++i) {
    if (i > from) text += ", ";
    text += text_of(*list[i], style);
  }
  return text;
}

std::string text_of(const Call& call, Style style) {
  const auto name = boost::to_lower_copy(call.function);
  const auto& arguments = call.arguments;
  const auto argument = [&](size_t i) { return text_of(*arguments[i], style); };
  static const std::set<std::string_view> kBinary = {
      "+", "-", "*", "/", "%", "div", "=", "<=>", "<", "<=", ">", ">=", "&", "|", "^", "and", "or"};
  if (arguments.size() == 2 && kBinary.contains(name)) {
    const bool word = name == "and" || name == "or";
    return fmt::format("({} {} {})", argument(0), word ? boost::to_upper_copy(name) : name,
                       argument(1));
  }
  if (arguments.size() == 1) {
    if (name == "negative") return fmt::format("(- {})", argument(0));
    if (name == "positive") return fmt::format("(+ {})", argument(0));
    if (name == "not") return fmt::format("(NOT {})", argument(0));
    if (name == "isnull") return fmt::format("({} IS NULL)", argument(0));
    if (name == "isnotnull") return fmt::format("({} IS NOT NULL)", argument(0));
    if (name == "~") return "~" + argument(0);
  }
  if (name == "in" && !arguments.empty())
    return fmt::format("({} IN ({}))", argument(0), join(arguments, 1, style));
  if (name == "like" && arguments.size() == 2)
    return fmt::format("{} LIKE {}", argument(0), argument(1));
  if (name == "ilike" && arguments.size() == 2)
    return fmt::format("ilike({}, {})", argument(0), argument(1));
  if (name == "rlike" && arguments.size() == 2)
    return fmt::format("RLIKE({}, {})", argument(0), argument(1));
  if (name == "if" && arguments.size() == 3) {
    return fmt::format("(IF({}, {}, {}))", argument(0), argument(1), argument(2));
  }
  if (name == "when") {
    std::string text = "CASE";
    for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
      text += " WHEN " + argument(i) + " THEN " + argument(i + 1);
    }
    if (arguments.size() % 2 == 1) text += " ELSE " + argument(arguments.size() - 1);
    return text + " END";
  }
  if (name == "count" && arguments.size() == 1 && std::holds_alternative<Star>(arguments[0]->node))
    return "count(1)";
  return name + "(" + (call.distinct ? "DISTINCT " : "") + join(arguments, 0, style) + ")";
}

std::string text_of(const Expression& expression, Style style) {
  return std::visit(
      [&](const auto& node) -> std::string {
        using Node = std::decay_t<decltype(node)>;
        if constexpr (std::is_same_v<Node, Literal> || std::is_same_v<Node, Call>) {
          return text_of(node, style);
        } else if constexpr (std::is_same_v<Node, ColumnReference>) {
          return style == Style::kName ? node.parts.back()
                                       : fmt::format("{}", fmt::join(node.parts, "."));
        } else if constexpr (std::is_same_v<Node, Star>) {
          return "*";
        } else if constexpr (std::is_same_v<Node, CastTo>) {
          return fmt::format("{}({} AS {})", node.try_cast ? "TRY_CAST" : "CAST",
                             text_of(*node.child, style), node.type.sql());
        } else if constexpr (std::is_same_v<Node, Alias>) {
          return style == Style::kName ? node.name : text_of(*node.child, style);
        } else if constexpr (std::is_same_v<Node, Over>) {
          return text_of(*node.function, style) + " OVER (...)";
        } else if constexpr (std::is_same_v<Node, ColumnRegex>) {
          return node.pattern;
        } else if constexpr (std::is_same_v<Node, Lambda>) {
          return fmt::format("lambdafunction({}, {})", text_of(*node.body, style),
                             fmt::join(node.parameters, ", "));
        } else if constexpr (std::is_same_v<Node, LambdaVariable>) {
          return node.name;
        } else if constexpr (std::is_same_v<Node, Subquery>) {
          return node.kind == SubqueryKind::kScalar ? "scalarsubquery()"
                 : node.kind == SubqueryKind::kExists
                     ? "exists()"
                     : fmt::format("(({}) IN (listquery()))", join(node.values, 0, style));
        } else if constexpr (std::is_same_v<Node, UpdateField>) {
          return fmt::format("update_fields({})", text_of(*node.child, style));
        } else if constexpr (std::is_same_v<Node, Parameter>) {
          return node.name.empty() ? "?" : ":" + node.name;
        } else if constexpr (std::is_same_v<Node, PythonCall>) {
          return fmt::format("{}({})", node.function->name, join(node.arguments, 0, style));
        } else {
          const auto* key = std::get_if<Literal>(&node.key->node);
          const auto* field = key ? std::get_if<std::string>(&key->value) : nullptr;
          if (field) return text_of(*node.child, style) + "." + *field;
          return fmt::format("{}[{}]", text_of(*node.child, style), text_of(*node.key, style));
        }
      },
      expression.node);
}

// Calls `look` with every typed expression right below the node (a reference to the pointer, so
// that it can be replaced where Node is not const). Plans of subqueries are not entered.
template <typename Node, typename Look>
void for_each_typed_child(Node& node, Look&& look) {
  std::visit(
      [&](auto& one) {
        using Kind = std::decay_t<decltype(one)>;
        const auto list = [&](auto& children) {
          for (auto& child : children)
            look(child);
        };
        const auto keys = [&](auto& children) {
          for (auto& key : children)
            look(key.expression);
        };
        if constexpr (std::is_same_v<Kind, TypedField> || std::is_same_v<Kind, TypedCast>) {
          look(one.child);
        } else if constexpr (std::is_same_v<Kind, TypedCall>) {
          list(one.arguments);
          if (one.filter) look(one.filter);
          keys(one.within_group);
        } else if constexpr (std::is_same_v<Kind, TypedLambda>) {
          look(one.body);
        } else if constexpr (std::is_same_v<Kind, TypedSubquery>) {
          list(one.values);
        } else if constexpr (std::is_same_v<Kind, TypedWindow>) {
          look(one.function);
          list(one.partition_by);
          keys(one.order_by);
          if (one.lower.value) look(one.lower.value);
          if (one.upper.value) look(one.upper.value);
        } else if constexpr (std::is_same_v<Kind, TypedPython>) {
          list(one.arguments);
        }
      },
      node);
}

void collect_columns(const Typed& expression, std::set<int>& columns) {
  if (const auto* column = std::get_if<TypedColumn>(&expression.node))
    columns.insert(column->index);
  for_each_typed_child(expression.node,
                       [&](const TypedPtr& child) { collect_columns(*child, columns); });
}

}  // namespace

std::string default_name(const Expression& expression) {
  // A struct field taken out by a dot is named after the field; inside other expressions it keeps
  // its path.
  if (const auto* extract = std::get_if<Extract>(&expression.node)) {
    const auto* key = std::get_if<Literal>(&extract->key->node);
    if (const auto* field = key ? std::get_if<std::string>(&key->value) : nullptr) return *field;
  }
  return text_of(expression, Style::kName);
}

std::string expression_sql(const Expression& expression) {
  return text_of(expression, Style::kSql);
}

std::vector<int> columns_needed(const std::vector<TypedPtr>& expressions) {
  std::set<int> columns;
  for (const auto& expression : expressions) {
    if (expression) collect_columns(*expression, columns);
  }
  return {columns.begin(), columns.end()};
}

std::vector<TypedPtr> typed_children(const Typed& expression) {
  std::vector<TypedPtr> children;
  for_each_typed_child(expression.node, [&](const TypedPtr& child) { children.push_back(child); });
  return children;
}

TypedPtr map_typed_children(const TypedPtr& expression,
                            const std::function<TypedPtr(const TypedPtr&)>& replace) {
  Typed copy = *expression;
  bool changed = false;
  for_each_typed_child(copy.node, [&](TypedPtr& child) {
    auto made = replace(child);
    changed = changed || made != child;
    child = std::move(made);
  });
  return changed ? std::make_shared<const Typed>(std::move(copy)) : expression;
}

TypedPtr remap_columns(const TypedPtr& expression, const std::vector<int>& new_index) {
  if (const auto* column = std::get_if<TypedColumn>(&expression->node)) {
    WEIR_CHECK(column->index >= 0 && static_cast<size_t>(column->index) < new_index.size(),
               "column out of range");
    const int index = new_index[static_cast<size_t>(column->index)];
    WEIR_CHECK(index >= 0, "an expression reads a column that was projected away");
    Typed copy = *expression;
    std::get<TypedColumn>(copy.node).index = index;
    return std::make_shared<const Typed>(std::move(copy));
  }
  return map_typed_children(expression,
                            [&](const TypedPtr& child) { return remap_columns(child, new_index); });
}

bool same_expression(const Typed& a, const Typed& b) {
  if (a.node.index() != b.node.index() || !a.type.same_type(b.type)) return false;
  const auto same_heads = [&](const auto& left) {
    using Kind = std::decay_t<decltype(left)>;
    const auto& right = std::get<Kind>(b.node);
    if constexpr (std::is_same_v<Kind, TypedLiteral>) return left.value == right.value;
    if constexpr (std::is_same_v<Kind, TypedColumn>) return left.index == right.index;
    if constexpr (std::is_same_v<Kind, TypedOuterColumn>)
      return left.level == right.level && left.index == right.index;
    if constexpr (std::is_same_v<Kind, TypedField>) return left.index == right.index;
    if constexpr (std::is_same_v<Kind, TypedCast>) return left.try_cast == right.try_cast;
    if constexpr (std::is_same_v<Kind, TypedCall>) {
      return left.function == right.function && left.distinct == right.distinct &&
             left.ignore_nulls == right.ignore_nulls && !left.filter == !right.filter &&
             left.within_group.size() == right.within_group.size();
    }
    if constexpr (std::is_same_v<Kind, TypedLambda>) return left.variables == right.variables;
    if constexpr (std::is_same_v<Kind, TypedLambdaVariable>) return left.id == right.id;
    if constexpr (std::is_same_v<Kind, TypedSubquery>)
      return left.kind == right.kind && left.plan == right.plan;
    if constexpr (std::is_same_v<Kind, TypedWindow>) {
      return left.unit == right.unit && left.lower.kind == right.lower.kind &&
             left.upper.kind == right.upper.kind &&
             left.partition_by.size() == right.partition_by.size() &&
             left.order_by.size() == right.order_by.size();
    }
    if constexpr (std::is_same_v<Kind, TypedPython>) return left.function == right.function;
    return true;
  };
  if (!std::visit(same_heads, a.node)) return false;
  const auto left = typed_children(a);
  const auto right = typed_children(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const TypedPtr& x, const TypedPtr& y) { return same_expression(*x, *y); });
}

std::string origin_context(const Origin& origin) {
  if (!origin.text || origin.end > origin.text->size() || origin.begin >= origin.end) return {};
  const std::string& text = *origin.text;
  const auto line_begin = origin.begin == 0 ? 0 : text.rfind('\n', origin.begin - 1) + 1;
  const auto line_number = 1 + std::count(text.begin(), text.begin() + origin.begin, '\n');
  auto line_end = text.find('\n', origin.begin);
  if (line_end == std::string::npos) line_end = text.size();
  const auto column = origin.begin - line_begin;
  const auto marked = std::max<size_t>(1, std::min<size_t>(origin.end, line_end) - origin.begin);
  return fmt::format("\n== SQL (line {}, position {}) ==\n{}\n{}{}", line_number, column + 1,
                     text.substr(line_begin, line_end - line_begin), std::string(column, ' '),
                     std::string(marked, '^'));
}

}  // namespace weir::plan
