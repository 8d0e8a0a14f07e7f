// State of one's own by group: flatMapGroupsWithState, mapGroupsWithState, applyInPandasWithState.
//
// A GroupFunction is called for each group that a batch has rows of, in the order of the keys, with
// the state that it left there, and then for each group whose timeout has been reached. What it
// does not set again is gone: a timeout holds until the next call only. Spark's GroupState says
// the same.
//
// The node is a plan GroupMap with options:
//   kind          the call's name in Spark, "flatMapGroupsWithState" where it has none
//   state_schema  DDL of the state's fields
//   output_mode   "append", "update"
//   timeout       "NoTimeout", "ProcessingTimeTimeout", "EventTimeTimeout"
// and StateEnvironment::make_group_function makes the function of its PythonFunction: a worker of
// Python's, or C++ by the name.
#pragma once

#include <memory>
#include <span>

#include "operators/operator_factory.h"

namespace weir::operators {

enum class GroupTimeout { kNone, kProcessingTime, kEventTime };

// The state of one group during one call.
class GroupState {
 public:
  GroupState(GroupTimeout timeout, const BatchRun& run, BatchPtr value, bool timed_out)
      : timeout_(timeout), run_(&run), value_(std::move(value)), timed_out_(timed_out) {}

  bool exists() const { return value_ != nullptr; }
  const BatchPtr& get() const { return value_; }  // one row of the state's fields; null: none
  void update(BatchPtr row) { value_ = std::move(row); }
  void remove() { value_.reset(); }

  std::stop_token stop() const { return run_->stop; }
  bool timed_out() const { return timed_out_; }
  int64_t watermark_us() const { return run_->eviction_us; }
  int64_t batch_time_us() const { return run_->eval.batch_timestamp_us; }
  // kInvalidArgument with another kind of timeout, or where that time has been reached already.
  Result<void> set_timeout_duration(int64_t us);
  Result<void> set_timeout_timestamp(int64_t us);
  int64_t timeout_us() const { return timeout_us_; }  // kNoTimeout: none
  static constexpr int64_t kNoTimeout = INT64_MAX;

 private:
  GroupTimeout timeout_;
  const BatchRun* run_;
  BatchPtr value_;
  bool timed_out_;
  int64_t timeout_us_ = kNoTimeout;
};

struct GroupCall {
  BatchPtr key;   // one row: the keys
  BatchPtr rows;  // of the input; null where the group has timed out
  GroupState state;
};

// Called by the query's thread alone. Given the same calls it has to do the same: batches come
// again after a failure.
class GroupFunction {
 public:
  virtual ~GroupFunction() = default;
  // Rows of the node's columns go to `output`.
  virtual Result<void> call(GroupCall& group, const Output& output) = 0;
  // Several groups; whoever talks to another process overrides this.
  virtual Result<void> call_all(std::span<GroupCall> groups, const Output& output);
};

Result<std::unique_ptr<StatefulOperator>> make_group_state(const plan::OperatorPtr& node,
                                                           OutputMode mode,
                                                           StateEnvironment environment);

}  // namespace weir::operators
