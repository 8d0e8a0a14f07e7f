// Makes the stateful operator of a node of a streaming plan.
//
// The operator reads the columns of its input as the node's child gives them (hidden ones included)
// and gives the node's own columns. Its state lives below `folder`/<operator_id>.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "operators/stateful_operator.h"
#include "plan/operator.h"

namespace weir::io {
class FileSystem;
}
namespace weir::state {
class TransformFunction;  // group_variables.h
struct TransformShape;
}  // namespace weir::state

namespace weir::state {
class StateMemory;
}

namespace weir::operators {

class GroupFunction;  // group_state.h

struct StateEnvironment {
  io::FileSystem* files = nullptr;  // outlives the operator
  std::string folder;               // the checkpoint's state/
  int64_t operator_id = 0;  // position among the query's stateful operators, from the source
  std::string provider = "memory";  // "memory", "rocksdb"
  int shards =
      0;  // virtual shards of a state that begins (0: a default); what exists keeps its own
  int threads = 1;                                          // that may work on the state at once
  std::shared_ptr<state::StateMemory> rocksdb_memory = {};  // of the query; null: one a store
  std::map<std::string, std::string> conf;  // the session's settings, pinned for the query
  // The function of a GroupMap with state; may be empty.
  std::function<Result<std::unique_ptr<GroupFunction>>(const plan::op::GroupMap&)>
      make_group_function = {};
  // That of transformWithState; may be empty.
  std::function<Result<std::unique_ptr<state::TransformFunction>>(const plan::PythonFunction&,
                                                                  const state::TransformShape&)>
      make_transform_function = {};
};

// Whether the node has to remember rows from batch to batch: Aggregate, Distinct, Deduplicate,
// Limit (append, or below any aggregation), a Join of two streams, GroupMap with state. False for a
// node that is not streaming.
bool is_stateful(const plan::Operator& node, OutputMode mode);

// kUnsupported or kInvalidArgument with Spark's error class where the node cannot run so: a mode
// without meaning for it, an aggregate that is not built.
Result<std::unique_ptr<StatefulOperator>> make_operator(const plan::OperatorPtr& node,
                                                        OutputMode mode,
                                                        StateEnvironment environment);

// Which columns of the node's output carry event time under a watermark: the column of a Watermark
// node, passed on by filters, projections, joins and groupings; window structs (start, end) made of
// it.
std::vector<bool> event_time_columns(const plan::Operator& node);

}  // namespace weir::operators
