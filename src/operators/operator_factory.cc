#include "operators/operator_factory.h"

#include "operators/aggregation.h"
#include "operators/deduplication.h"
#include "operators/stream_join.h"
#include "operators/stream_limit.h"

namespace weir::operators {

namespace op = plan::op;

bool is_stateful(const plan::Operator& node, OutputMode mode) {
  if (!node.streaming) return false;
  if (const auto* join = std::get_if<op::Join>(&node.node))
    return join->left->streaming && join->right->streaming;
  if (std::holds_alternative<op::Limit>(node.node)) return mode == OutputMode::kAppend;
  if (const auto* map = std::get_if<op::GroupMap>(&node.node)) return !map->state.empty();
  return std::holds_alternative<op::Aggregate>(node.node) ||
         std::holds_alternative<op::Distinct>(node.node) ||
         std::holds_alternative<op::Deduplicate>(node.node);
}

Result<std::unique_ptr<StatefulOperator>> make_operator(const plan::OperatorPtr& node,
                                                        OutputMode mode,
                                                        StateEnvironment environment) {
  if (std::holds_alternative<op::Aggregate>(node->node))
    return make_aggregation(node, mode, std::move(environment));
  if (std::holds_alternative<op::Distinct>(node->node) ||
      std::holds_alternative<op::Deduplicate>(node->node))
    return make_deduplication(node, mode, std::move(environment));
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
