// State of one's own by group: mapGroupsWithState and flatMapGroupsWithState.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weir/result.h"
#include "weir/value.h"

namespace weir {

// The state of one group during one call. What is not set again is gone: a timeout holds until the
// next call only.
class GroupState {
 public:
  ~GroupState();
  GroupState(const GroupState&) = delete;
  GroupState& operator=(const GroupState&) = delete;

  bool exists() const;
  const Row& get() const;  // empty where there is none
  void update(Row state);  // in the order of GroupStateSpec::state
  void remove();

  // The call is because the timeout was reached: there are no rows.
  bool timed_out() const;
  // Before the batch that is in work; INT64_MIN without a watermark.
  int64_t watermark_us() const;
  int64_t batch_time_us() const;
  // INVALID_ARGUMENT with another kind of timeout than the spec's.
  Result<void> set_timeout_duration(std::chrono::microseconds duration);
  Result<void> set_timeout_timestamp(int64_t microseconds);

  struct Inner;
  explicit GroupState(std::unique_ptr<Inner> inner);
  Inner& inner() { return *inner_; }

 private:
  std::unique_ptr<Inner> inner_;
};

enum class GroupTimeout { kNone, kProcessingTime, kEventTime };

struct GroupStateSpec {
  std::string output;  // columns that the function gives, as DDL: "device STRING, n BIGINT"
  std::string state;   // fields of the state, as DDL
  std::string output_mode = "update";  // "append" or "update": how the query has to run
  GroupTimeout timeout = GroupTimeout::kNone;
  // Names the function in plans; say another name where it does something else with the same state.
  std::string name = "function";
};

// Called for each group that a batch has rows of, and for each whose timeout has been reached; by
// the query's thread, one call at a time. Batches come again after a failure: the same key, rows
// and state have to give the same. An error ends the query; what it throws is an error too.
using FlatMapGroups = std::function<Result<std::vector<Row>>(
    const Row& key, const std::vector<Row>& rows, GroupState& state)>;
// The same with exactly one row a call.
using MapGroups =
    std::function<Result<Row>(const Row& key, const std::vector<Row>& rows, GroupState& state)>;

}  // namespace weir
