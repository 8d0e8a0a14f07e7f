#include "relational/statement_builder.h"

namespace weir::relational {

using plan::TypedPtr;
namespace op = plan::op;

std::vector<TypedPtr> expressions_of(const plan::Operator& plan) {
  const auto of = [](const auto& node) -> std::vector<TypedPtr> {
    using Kind = std::decay_t<decltype(node)>;
    std::vector<TypedPtr> list;
    const auto add = [&](const TypedPtr& one) {
      if (one) list.push_back(one);
    };
    const auto add_all = [&](const std::vector<TypedPtr>& many) {
      list.insert(list.end(), many.begin(), many.end());
    };
    if constexpr (std::is_same_v<Kind, op::Values>) {
      for (const auto& row : node.rows)
        add_all(row);
    } else if constexpr (std::is_same_v<Kind, op::Project>) {
      add_all(node.list);
    } else if constexpr (std::is_same_v<Kind, op::Filter> || std::is_same_v<Kind, op::Join>) {
      add(node.condition);
    } else if constexpr (std::is_same_v<Kind, op::Aggregate>) {
      add_all(node.keys);
      add_all(node.aggregates);
    } else if constexpr (std::is_same_v<Kind, op::Sort>) {
      for (const auto& key : node.keys)
        add(key.expression);
    } else if constexpr (std::is_same_v<Kind, op::Window>) {
      add_all(node.functions);
    } else if constexpr (std::is_same_v<Kind, op::Generate>) {
      add(node.call);
    } else if constexpr (std::is_same_v<Kind, op::Observe>) {
      add_all(node.aggregates);
    } else if constexpr (std::is_same_v<Kind, op::GroupMap>) {
      add_all(node.keys);
    } else if constexpr (std::is_same_v<Kind, op::CoGroupMap>) {
      add_all(node.left_keys);
      add_all(node.right_keys);
    }
    return list;
  };
  return std::visit(of, plan.node);
}

}  // namespace weir::relational
