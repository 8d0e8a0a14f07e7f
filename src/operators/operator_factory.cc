#include "operators/operator_factory.h"

#include <algorithm>

#include "operators/aggregation.h"
#include "operators/deduplication.h"
#include "operators/group_state.h"
#include "operators/session_aggregation.h"
#include "operators/stream_join.h"
#include "operators/stream_limit.h"
#include "operators/transform_state.h"
#include "plan/session_windows.h"

namespace weir::operators {

namespace op = plan::op;

namespace {

bool is_aggregate(const plan::Operator& node) {
  return std::holds_alternative<op::Aggregate>(node.node) ||
         std::holds_alternative<op::Distinct>(node.node);
}

bool has_aggregate(const plan::Operator& node) {
  if (!node.streaming) return false;
  if (is_aggregate(node)) return true;
  const auto children = plan::children_of(node);
  return std::any_of(children.begin(), children.end(),
                     [](const auto& child) { return has_aggregate(*child); });
}

bool has_session(const op::Aggregate& aggregate) {
  return std::any_of(aggregate.keys.begin(), aggregate.keys.end(),
                     [&](const auto& key) { return plan::is_session_key(*key, *aggregate.child); });
}

// DISTINCT as Spark runs it: an aggregation by all columns without aggregates.
plan::OperatorPtr as_aggregate(const plan::Operator& distinct) {
  const auto& child = std::get<op::Distinct>(distinct.node).child;
  std::vector<plan::TypedPtr> keys;
  for (size_t i = 0; i < child->columns.size(); ++i) {
    const auto& column = child->columns[i];
    keys.push_back(std::make_shared<const plan::Typed>(plan::Typed{
        column.type, column.nullable, plan::TypedColumn{static_cast<int>(i), column.name}, {}}));
  }
  return plan::make_operator(op::Aggregate{child, std::move(keys), {}, {}}, distinct.columns, true);
}

}  // namespace

bool is_stateful(const plan::Operator& node, OutputMode mode) {
  if (!node.streaming) return false;
  if (const auto* join = std::get_if<op::Join>(&node.node))
    return join->left->streaming && join->right->streaming;
  // Over an aggregation each batch's rows are a whole; elsewhere the limit goes on over batches.
  if (std::holds_alternative<op::Limit>(node.node))
    return mode == OutputMode::kAppend || !has_aggregate(node);
  if (const auto* map = std::get_if<op::GroupMap>(&node.node)) return !map->state.empty();
  if (is_transform_with_state(node)) return true;
  return is_aggregate(node) || std::holds_alternative<op::Deduplicate>(node.node);
}

Result<std::unique_ptr<StatefulOperator>> make_operator(const plan::OperatorPtr& node,
                                                        OutputMode mode,
                                                        StateEnvironment environment) {
  if (const auto* aggregate = std::get_if<op::Aggregate>(&node->node)) {
    return has_session(*aggregate) ? make_session_aggregation(node, mode, std::move(environment))
                                   : make_aggregation(node, mode, std::move(environment));
  }
  if (std::holds_alternative<op::Distinct>(node->node))
    return make_aggregation(as_aggregate(*node), mode, std::move(environment));
  if (std::holds_alternative<op::Deduplicate>(node->node))
    return make_deduplication(node, mode, std::move(environment));
  if (is_transform_with_state(*node))
    return make_transform_state(node, mode, std::move(environment));
  if (std::holds_alternative<op::GroupMap>(node->node))
    return make_group_state(node, mode, std::move(environment));
  if (std::holds_alternative<op::Limit>(node->node))
    return make_stream_limit(node, mode, std::move(environment));
  if (std::holds_alternative<op::Join>(node->node))
    return make_stream_join(node, mode, std::move(environment));
  return base::error(base::ErrorKind::kUnsupported,
                     "this operator with state of its own in a stream:\n{}", plan_text(*node))
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

}  // namespace weir::operators
