#include "plan/plan_node.h"

#include <algorithm>

#include "plan/operator.h"

namespace weir::plan {

namespace {

// The pointers to nodes that a node holds as members named child, left and right.
template <typename Pointer, typename Kind>
std::vector<Pointer> members_of(const Kind& node) {
  if constexpr (requires { node.child; }) {
    return {node.child};
  } else if constexpr (requires { node.left; }) {
    return {node.left, node.right};
  } else {
    return {};
  }
}

}  // namespace

std::vector<PlanPtr> children_of(const PlanNode& node) {
  return std::visit([](const auto& kind) { return members_of<PlanPtr>(kind); }, node.node);
}

PlanPtr make_plan(PlanNodeKind node, Origin origin) {
  auto made = std::make_shared<PlanNode>(PlanNode{std::move(node), std::move(origin)});
  for (const auto& child : children_of(*made)) {
    if (child) made->height = std::max(made->height, child->height + 1);
  }
  return made;
}

std::vector<OperatorPtr> children_of(const Operator& node) {
  return std::visit([](const auto& kind) { return members_of<OperatorPtr>(kind); }, node.node);
}

OperatorPtr make_operator(OperatorKind node, std::vector<Column> columns, bool streaming) {
  Operator made{std::move(node), std::move(columns), streaming};
  for (const auto& child : children_of(made))
    made.streaming |= child && child->streaming;
  return std::make_shared<const Operator>(std::move(made));
}

Schema schema_of(const Operator& node) {
  std::vector<columnar::Field> fields;
  for (const auto& column : node.columns) {
    if (!column.hidden) {
      fields.push_back(
          columnar::make_field(column.name, column.type, column.nullable, column.metadata));
    }
  }
  return Schema::structure(std::move(fields));
}

}  // namespace weir::plan
