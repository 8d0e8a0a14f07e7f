// The options of Spark's source "statestore", and its errors.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"

namespace weir::operators {

using base::Result;

// The options of Spark's source, by its names.
struct StateOptions {
  std::optional<int64_t> batch;  // none: the last that is committed
  int64_t operator_id = 0;
  std::string store = "default";
  std::string join_side = "none";  // left, right, none
  std::optional<int64_t> snapshot_start, snapshot_partition;
  bool change_feed = false;
  std::optional<int64_t> change_start, change_end;
  std::optional<std::string> variable;
  bool timers = false;
};
// Names in any case; what Spark does not know is passed over as Spark does.
Result<StateOptions> parse_state_options(const std::map<std::string, std::string>& options);

// What cannot be read, in Spark's words.
base::Error state_refused(const char* error_class, const char* sql_state, std::string message);
base::Error invalid_state_option(const char* option, const std::string& message);

}  // namespace weir::operators
