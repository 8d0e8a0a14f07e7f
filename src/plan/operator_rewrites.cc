#include "plan/operator_rewrites.h"

#include <algorithm>
#include <unordered_map>

#include "plan/function_catalog.h"

namespace weir::plan {

namespace {

// Calls `look` with a reference to every expression that the operator holds.
template <typename Node, typename Look>
void for_each_expression(Node& node, Look&& look) {
  std::visit(
      [&](auto& one) {
        using Kind = std::decay_t<decltype(one)>;
        const auto list = [&](auto& many) {
          for (auto& expression : many)
            look(expression);
        };
        const auto maybe = [&](auto& expression) {
          if (expression) look(expression);
        };
        if constexpr (std::is_same_v<Kind, op::Scan> || std::is_same_v<Kind, op::Filter> ||
                      std::is_same_v<Kind, op::Join>) {
          maybe(one.condition);
        } else if constexpr (std::is_same_v<Kind, op::Values>) {
          for (auto& row : one.rows)
            list(row);
        } else if constexpr (std::is_same_v<Kind, op::Project>) {
          list(one.list);
        } else if constexpr (std::is_same_v<Kind, op::Aggregate>) {
          list(one.keys);
          list(one.aggregates);
        } else if constexpr (std::is_same_v<Kind, op::Sort>) {
          for (auto& key : one.keys)
            look(key.expression);
        } else if constexpr (std::is_same_v<Kind, op::Window>) {
          list(one.functions);
        } else if constexpr (std::is_same_v<Kind, op::Generate>) {
          maybe(one.call);
        } else if constexpr (std::is_same_v<Kind, op::Observe>) {
          list(one.aggregates);
        } else if constexpr (std::is_same_v<Kind, op::GroupMap>) {
          list(one.keys);
        } else if constexpr (std::is_same_v<Kind, op::CoGroupMap>) {
          list(one.left_keys);
          list(one.right_keys);
        }
      },
      node);
}

template <typename Node, typename Look>
void for_each_child(Node& node, Look&& look) {
  std::visit(
      [&](auto& one) {
        if constexpr (requires { one.child; }) {
          look(one.child);
        } else if constexpr (requires { one.left; }) {
          look(one.left);
          look(one.right);
        }
      },
      node);
}

class OuterRewrite {
 public:
  explicit OuterRewrite(const TypedMap& replace) : replace_(replace) {}

  OperatorPtr plan(const OperatorPtr& node, int level) {
    const auto key = std::make_pair(node.get(), level);
    if (const auto known = done_.find(key); known != done_.end()) return known->second;
    const auto* join = std::get_if<op::Join>(&node->node);
    const bool lateral = join && join->lateral;
    const auto right = lateral ? join->right : nullptr;
    auto made = map_operator_children(node, [&](const OperatorPtr& child) {
      return plan(child, level + (lateral && child == right ? 1 : 0));
    });
    made = map_operator_expressions(
        made, [&](const TypedPtr& expression) { return inside(expression, level); });
    done_.emplace(key, made);
    return made;
  }

  TypedPtr inside(const TypedPtr& expression, int level) {
    if (const auto* outer = std::get_if<TypedOuterColumn>(&expression->node))
      return outer->level == level ? replace_(expression) : expression;
    auto made =
        map_typed_children(expression, [&](const TypedPtr& child) { return inside(child, level); });
    const auto* query = std::get_if<TypedSubquery>(&made->node);
    if (!query) return made;
    auto below = plan(query->plan, level + 1);
    if (below == query->plan) return made;
    Typed copy = *made;
    std::get<TypedSubquery>(copy.node).plan = std::move(below);
    return std::make_shared<const Typed>(std::move(copy));
  }

 private:
  struct Hash {
    size_t operator()(const std::pair<const Operator*, int>& key) const {
      return std::hash<const void*>()(key.first) * 31 + static_cast<size_t>(key.second);
    }
  };
  const TypedMap& replace_;
  std::unordered_map<std::pair<const Operator*, int>, OperatorPtr, Hash> done_;
};

bool outer_in_plan(const Operator& plan, int level);

bool outer_in(const Typed& expression, int level) {
  return any_typed(expression, [&](const Typed& one) {
    if (const auto* outer = std::get_if<TypedOuterColumn>(&one.node)) return outer->level >= level;
    const auto* query = std::get_if<TypedSubquery>(&one.node);
    return query && outer_in_plan(*query->plan, level + 1);
  });
}

bool outer_in_plan(const Operator& plan, int level) {
  for (const auto& expression : operator_expressions(plan)) {
    if (outer_in(*expression, level)) return true;
  }
  if (const auto* join = std::get_if<op::Join>(&plan.node); join && join->lateral)
    return outer_in_plan(*join->left, level) || outer_in_plan(*join->right, level + 1);
  const auto children = children_of(plan);
  return std::any_of(children.begin(), children.end(),
                     [&](const auto& child) { return outer_in_plan(*child, level); });
}

}  // namespace

std::vector<TypedPtr> operator_expressions(const Operator& node) {
  std::vector<TypedPtr> list;
  for_each_expression(node.node, [&](const TypedPtr& one) { list.push_back(one); });
  return list;
}

OperatorPtr map_operator_expressions(const OperatorPtr& node, const TypedMap& replace) {
  Operator copy = *node;
  bool changed = false;
  for_each_expression(copy.node, [&](TypedPtr& one) {
    auto made = replace(one);
    changed = changed || made != one;
    one = std::move(made);
  });
  return changed ? std::make_shared<const Operator>(std::move(copy)) : node;
}

OperatorPtr map_operator_children(const OperatorPtr& node, const OperatorMap& replace) {
  Operator copy = *node;
  bool changed = false;
  for_each_child(copy.node, [&](OperatorPtr& one) {
    auto made = replace(one);
    changed = changed || made != one;
    one = std::move(made);
  });
  return changed ? std::make_shared<const Operator>(std::move(copy)) : node;
}

OperatorPtr map_outer_columns(const OperatorPtr& plan, int level, const TypedMap& replace) {
  return OuterRewrite(replace).plan(plan, level);
}

TypedPtr replace_columns(const TypedPtr& expression, const TypedMap& replace) {
  if (std::holds_alternative<TypedColumn>(expression->node)) return replace(expression);
  auto made = map_typed_children(
      expression, [&](const TypedPtr& child) { return replace_columns(child, replace); });
  const auto* query = std::get_if<TypedSubquery>(&made->node);
  if (!query) return made;
  auto below = map_outer_columns(query->plan, 1, [&](const TypedPtr& one) {
    const auto& outer = std::get<TypedOuterColumn>(one->node);
    const auto column = replace(
        make_typed(one->type, one->nullable, TypedColumn{outer.index, outer.name}, one->origin));
    const auto* moved = std::get_if<TypedColumn>(&column->node);
    WEIR_CHECK(moved, "a subquery's outer column has to stay a column");
    return make_typed(one->type, one->nullable || column->nullable,
                      TypedOuterColumn{outer.level, moved->index, outer.name}, one->origin);
  });
  if (below == query->plan) return made;
  Typed copy = *made;
  std::get<TypedSubquery>(copy.node).plan = std::move(below);
  return std::make_shared<const Typed>(std::move(copy));
}

void visit_typed(const Typed& expression, const std::function<void(const Typed&)>& look) {
  look(expression);
  for (const auto& child : typed_children(expression))
    visit_typed(*child, look);
}

bool any_typed(const Typed& expression, const std::function<bool(const Typed&)>& test) {
  if (test(expression)) return true;
  for (const auto& child : typed_children(expression)) {
    if (any_typed(*child, test)) return true;
  }
  return false;
}

bool has_window(const Typed& expression) {
  return any_typed(expression,
                   [](const Typed& one) { return std::holds_alternative<TypedWindow>(one.node); });
}

bool is_deterministic(const Typed& expression) {
  return !any_typed(expression, [](const Typed& one) {
    if (const auto* call = std::get_if<TypedCall>(&one.node)) return !call->function->deterministic;
    const auto* python = std::get_if<TypedPython>(&one.node);
    return python && !python->function->deterministic;
  });
}

bool is_foldable(const Typed& expression) {
  return !any_typed(expression, [](const Typed& one) {
    if (const auto* call = std::get_if<TypedCall>(&one.node))
      return call->function->kind != FunctionKind::kScalar || !call->function->deterministic;
    return !std::holds_alternative<TypedLiteral>(one.node) &&
           !std::holds_alternative<TypedCast>(one.node) &&
           !std::holds_alternative<TypedField>(one.node) &&
           !std::holds_alternative<TypedLambda>(one.node) &&
           !std::holds_alternative<TypedLambdaVariable>(one.node);
  });
}

bool has_outer_columns(const Operator& plan, int level) { return outer_in_plan(plan, level); }

TypedPtr make_typed(DataType type, bool nullable, decltype(Typed::node) node, Origin origin) {
  return std::make_shared<const Typed>(
      Typed{std::move(type), nullable, std::move(node), std::move(origin)});
}

TypedPtr column_at(const std::vector<Column>& columns, size_t index, const Origin& origin) {
  const auto& column = columns[index];
  return make_typed(column.type, column.nullable, TypedColumn{static_cast<int>(index), column.name},
                    origin);
}

}  // namespace weir::plan
