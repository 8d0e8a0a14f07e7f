// What keeps state by group calls: a function that gets a group's rows and state, and gives rows
// and the state that comes after it (applyInPandasWithState; flatMapGroupsWithState).
//
// Room operators owns the state; room streaming brings its calls to room python.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/result.h"
#include "columnar/data_type.h"
#include "plan/expression.h"

namespace weir::state {
class TransformFunction;  // state/group_variables.h
struct TransformShape;
}  // namespace weir::state

namespace weir::relational {

using base::Result;

enum class GroupTimeout : uint8_t { kNone, kProcessingTime, kEventTime };

struct GroupStateShape {
  columnar::Schema rows = columnar::Schema::structure({});  // the keys, then the child's columns
  int keys = 0;
  columnar::Schema state = columnar::Schema::structure({});  // of one group's state: a struct
  GroupTimeout timeout = GroupTimeout::kNone;
};

// Groups to call the function with, in their order.
struct GroupCalls {
  std::shared_ptr<arrow::RecordBatch> rows;  // of shape.rows; a group's rows stand together
  std::vector<int64_t> ends;                 // of each group's rows: no group is empty
  std::shared_ptr<arrow::Array> states;      // structs, one a group; null: it has none
  // Called because their time is up: each group has one row of its keys, NULL else, that the
  // function does not see.
  bool timed_out = false;
  int64_t now_ms = 0;
  int64_t watermark_ms = 0;
  bool has_watermark = false;
};

enum class StateChange : uint8_t { kNone, kUpdated, kRemoved };

// By group, in the order of the calls.
struct GroupResults {
  std::vector<StateChange> changes;
  std::shared_ptr<arrow::Array> states;  // structs; null: none. Of kNone: as it was
  std::vector<int64_t> timeouts_ms;      // when to call it without rows; -1: never
};

class GroupStateFunction {
 public:
  virtual ~GroupStateFunction() = default;
  // Rows go to `output` as they come, of the function's result. One thread at a time; it may be
  // called again with the same groups after a failure.
  using Output = std::function<Result<void>(const std::shared_ptr<arrow::RecordBatch>&)>;
  virtual Result<GroupResults> run(const GroupCalls& calls, std::stop_token stop,
                                   const Output& output) = 0;
};

// UserFunctions that have them.
class GroupStateFunctions {
 public:
  virtual ~GroupStateFunctions() = default;
  virtual Result<std::unique_ptr<GroupStateFunction>> group_states(
      const plan::PythonFunction& function, GroupStateShape shape) = 0;
  virtual Result<std::unique_ptr<state::TransformFunction>> transform(
      const plan::PythonFunction& function, const state::TransformShape& shape) = 0;
};

}  // namespace weir::relational
