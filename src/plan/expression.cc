#include "plan/expression.h"

#include <algorithm>
#include <bit>
#include <set>

#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

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
  if (const auto* query = std::get_if<TypedSubquery>(&expression.node)) {
    map_outer_columns(query->plan, 1, [&](const TypedPtr& outer) {
      columns.insert(std::get<TypedOuterColumn>(outer->node).index);
      return outer;
    });
  }
  for_each_typed_child(expression.node,
                       [&](const TypedPtr& child) { collect_columns(*child, columns); });
}

}  // namespace

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
  return replace_columns(expression, [&](const TypedPtr& one) {
    const auto& column = std::get<TypedColumn>(one->node);
    WEIR_CHECK(column.index >= 0 && static_cast<size_t>(column.index) < new_index.size(),
               "column out of range");
    const int index = new_index[static_cast<size_t>(column.index)];
    WEIR_CHECK(index >= 0, "an expression reads a column that was projected away");
    return make_typed(one->type, one->nullable, TypedColumn{index, column.name}, one->origin);
  });
}

namespace {

bool same_order(const std::vector<TypedSortKey>& a, const std::vector<TypedSortKey>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.ascending == y.ascending && x.nulls_first == y.nulls_first;
  });
}

bool same_value(const Value& a, const Value& b) {
  const auto* x = std::get_if<double>(&a);
  const auto* y = std::get_if<double>(&b);
  if (x && y) return std::bit_cast<uint64_t>(*x) == std::bit_cast<uint64_t>(*y);
  return a == b;
}

}  // namespace

bool same_expression(const Typed& a, const Typed& b) {
  if (a.node.index() != b.node.index() || !a.type.same_type(b.type)) return false;
  const auto same_heads = [&](const auto& left) {
    using Kind = std::decay_t<decltype(left)>;
    const auto& right = std::get<Kind>(b.node);
    if constexpr (std::is_same_v<Kind, TypedLiteral>) return same_value(left.value, right.value);
    if constexpr (std::is_same_v<Kind, TypedColumn>) return left.index == right.index;
    if constexpr (std::is_same_v<Kind, TypedOuterColumn>)
      return left.level == right.level && left.index == right.index;
    if constexpr (std::is_same_v<Kind, TypedField>) return left.index == right.index;
    if constexpr (std::is_same_v<Kind, TypedCast>) return left.try_cast == right.try_cast;
    if constexpr (std::is_same_v<Kind, TypedCall>) {
      return left.function == right.function && left.distinct == right.distinct &&
             left.ignore_nulls == right.ignore_nulls && !left.filter == !right.filter &&
             same_order(left.within_group, right.within_group);
    }
    if constexpr (std::is_same_v<Kind, TypedLambda>) return left.variables == right.variables;
    if constexpr (std::is_same_v<Kind, TypedLambdaVariable>) return left.id == right.id;
    if constexpr (std::is_same_v<Kind, TypedSubquery>)
      return left.kind == right.kind && left.plan == right.plan;
    if constexpr (std::is_same_v<Kind, TypedWindow>) {
      return left.unit == right.unit && left.lower.kind == right.lower.kind &&
             left.upper.kind == right.upper.kind &&
             left.partition_by.size() == right.partition_by.size() &&
             same_order(left.order_by, right.order_by);
    }
    if constexpr (std::is_same_v<Kind, TypedPython>) return left.function == right.function;
    return true;
  };
  if (!std::visit(same_heads, a.node)) return false;
  const auto left = typed_children(a);
  const auto right = typed_children(b);
  const auto same = [](const TypedPtr& x, const TypedPtr& y) { return same_expression(*x, *y); };
  if (std::equal(left.begin(), left.end(), right.begin(), right.end(), same)) return true;
  // a + 1 is 1 + a.
  const auto* call = std::get_if<TypedCall>(&a.node);
  static const std::set<std::string_view> kEitherWay = {"+", "*", "=",   "<=>", "&",
                                                        "|", "^", "and", "or"};
  return call && left.size() == 2 && right.size() == 2 &&
         kEitherWay.contains(call->function->name) && same(left[0], right[1]) &&
         same(left[1], right[0]);
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
