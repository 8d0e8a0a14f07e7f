// Variables of a group's state, as transformWithState has them: values, lists and maps by name, and
// timers. Who runs the user's code declares and uses them while the code runs; who owns the
// state (room operators) keeps them.
//
// Groups, keys of maps and values are encoded rows (row_codec.h): keys by KeyEncoder, values by
// ValueEncoder, of the schemas that the variable was declared with.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class RecordBatch;
}

namespace weir::state {

using base::Result;

enum class TimeMode : uint8_t { kNone, kProcessingTime, kEventTime };

struct StateVariable {
  enum class Kind : uint8_t { kValue, kList, kMap };
  std::string name;
  Kind kind = Kind::kValue;
  columnar::Schema key = columnar::DataType::structure({});    // kMap: of the user's keys
  columnar::Schema value = columnar::DataType::structure({});  // of the value, an element, an entry
  std::optional<int64_t> ttl_ms;
};

// During one batch. One thread at a time. What has no value any more at the batch's time is not
// there. Errors of the user's making have Spark's class; they change nothing.
class GroupVariables {
 public:
  virtual ~GroupVariables() = default;

  // The variable's number. One of that name of an earlier batch is gone on with; it has to be equal
  // but for its time to live.
  virtual Result<int> declare(const StateVariable& variable) = 0;
  // Removes all that the variable of that name holds, and forgets it, where there is one.
  virtual Result<void> purge(const std::string& name) = 0;

  // `key`: of a map's entry; empty for a value.
  virtual Result<std::optional<std::string>> get(std::string_view group, int variable,
                                                 std::string_view key) = 0;
  virtual Result<void> put(std::string_view group, int variable, std::string_view key,
                           std::string_view value) = 0;
  virtual Result<void> remove(std::string_view group, int variable, std::string_view key) = 0;
  virtual Result<void> append(std::string_view group, int variable,
                              std::span<const std::string> values) = 0;  // kList
  struct Entry {
    std::string key;  // kMap
    std::string value;
  };
  // Of a list in its order, of a map in the order of keys.
  virtual Result<std::vector<Entry>> entries(std::string_view group, int variable) = 0;
  virtual Result<bool> any(std::string_view group, int variable) = 0;
  virtual Result<void> clear(std::string_view group, int variable) = 0;

  // Each group's times are a set.
  virtual Result<void> add_timer(std::string_view group, int64_t at_ms) = 0;
  virtual Result<void> remove_timer(std::string_view group, int64_t at_ms) = 0;
  virtual Result<std::vector<int64_t>> timers(std::string_view group) = 0;  // ascending
  struct Timer {
    int64_t at_ms = 0;
    std::string group;
  };
  // Up to that time, by time, then by group; of the groups that `wanted` takes.
  virtual Result<std::vector<Timer>> expired_timers(
      int64_t until_ms, const std::function<bool(std::string_view group)>& wanted) = 0;
};

// What a function with variables is called with.
struct TransformShape {
  columnar::Schema key = columnar::DataType::structure({});      // of a group
  columnar::Schema rows = columnar::DataType::structure({});     // keys that are no columns first
  std::vector<int> keys;                                         // of rows
  int added = 0;                                                 // keys that are no columns
  columnar::Schema initial = columnar::DataType::structure({});  // the same of the initial state
  std::vector<int> initial_keys;
  int initial_added = 0;
  TimeMode time_mode = TimeMode::kNone;
};

// Rows of groups, those of one group together, in parts that may run at the same time; a group is
// in the part that part_of() says.
struct TransformPart {
  std::shared_ptr<arrow::RecordBatch> rows;     // may be null
  std::shared_ptr<arrow::RecordBatch> initial;  // null but in the first batch
};

struct TransformCalls {
  std::vector<TransformPart> parts;  // at least one; in each the expired timers run after the rows
  int64_t now_ms = 0;
  int64_t watermark_ms = 0;
  int part_of(std::string_view group) const;
};

class TransformFunction {
 public:
  virtual ~TransformFunction() = default;
  // Rows go to `output` part by part. After a failure it may be called again with the same.
  using Output = std::function<Result<void>(const std::shared_ptr<arrow::RecordBatch>&)>;
  virtual Result<void> run(const TransformCalls& calls, GroupVariables& variables,
                           std::stop_token stop, const Output& output) = 0;
};

}  // namespace weir::state
