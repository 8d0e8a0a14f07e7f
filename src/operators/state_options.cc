#include "operators/state_options.h"

#include <fmt/format.h>

#include "base/parse_integer.h"
#include "base/text.h"

namespace weir::operators {

using base::equal_ignoring_case;

base::Error state_refused(const char* error_class, const char* sql_state, std::string message) {
  return base::error(base::ErrorKind::kInvalidArgument, "{} SQLSTATE: {}", message, sql_state)
      .with_class(error_class)
      .with_sql_state(sql_state);
}

base::Error invalid_state_option(const char* option, const std::string& message) {
  return state_refused("STDS_INVALID_OPTION_VALUE.WITH_MESSAGE", "42616",
                       fmt::format("Invalid value for source option '{}': {}", option, message))
      .with_parameter("optionName", option)
      .with_parameter("message", message);
}

namespace {

base::Error negative(const char* option) {
  return state_refused(
             "STDS_INVALID_OPTION_VALUE.IS_NEGATIVE", "42616",
             fmt::format("Invalid value for source option '{}': cannot be negative.", option))
      .with_parameter("optionName", option);
}

base::Error unspecified(const char* option) {
  return state_refused("STDS_REQUIRED_OPTION_UNSPECIFIED", "42601",
                       fmt::format("'{}' must be specified.", option))
      .with_parameter("optionName", option);
}

base::Error conflict(const char* first, const char* second) {
  const std::string both = fmt::format("['{}', '{}']", first, second);
  return state_refused(
             "STDS_CONFLICT_OPTIONS", "42613",
             fmt::format("The options {} cannot be specified together. Please specify the one.",
                         both))
      .with_parameter("options", both);
}

class OptionReader {
 public:
  explicit OptionReader(const std::map<std::string, std::string>& options) : options_(options) {}

  std::optional<std::string> text(std::string_view name) const {
    for (const auto& [key, value] : options_)
      if (equal_ignoring_case(key, name)) return value;
    return std::nullopt;
  }
  std::optional<std::string> trimmed(std::string_view name) const {
    auto value = text(name);
    if (!value) return value;
    const auto begin = value->find_first_not_of(" \t\n");
    if (begin == std::string::npos) return std::string();
    return value->substr(begin, value->find_last_not_of(" \t\n") - begin + 1);
  }
  Result<std::optional<int64_t>> integer(const char* name) const {
    const auto value = text(name);
    if (!value) return std::optional<int64_t>();
    const auto parsed = base::parse_integer(*value);
    if (!parsed)
      return invalid_state_option(name, fmt::format("'{}' is not a whole number.", *value));
    return parsed;
  }
  Result<bool> flag(const char* name, bool otherwise) const {
    const auto value = text(name);
    if (!value) return otherwise;
    if (equal_ignoring_case(*value, "true")) return true;
    if (equal_ignoring_case(*value, "false")) return false;
    return invalid_state_option(name, fmt::format("'{}' is neither true nor false.", *value));
  }

 private:
  const std::map<std::string, std::string>& options_;
};

Result<void> check_change_feed(const StateOptions& made) {
  if (made.join_side != "none") return conflict("joinSide", "readChangeFeed");
  if (made.batch) return conflict("batchId", "readChangeFeed");
  if (made.snapshot_start) return conflict("snapshotStartBatchId", "readChangeFeed");
  if (made.snapshot_partition) return conflict("snapshotPartitionId", "readChangeFeed");
  if (!made.change_start) return unspecified("changeStartBatchId");
  if (*made.change_start < 0) return negative("changeStartBatchId");
  return {};
}

Result<void> check_version(const StateOptions& made) {
  for (const auto& [given, name] : {std::pair(made.change_start, "changeStartBatchId"),
                                    std::pair(made.change_end, "changeEndBatchId")})
    if (given)
      return invalid_state_option(name,
                                  "Only specify this option when readChangeFeed is set to true.");
  if (made.batch && *made.batch < 0) return negative("batchId");
  if (made.snapshot_start && *made.snapshot_start < 0) return negative("snapshotStartBatchId");
  if (made.snapshot_partition && *made.snapshot_partition < 0)
    return negative("snapshotPartitionId");
  if (made.snapshot_partition && !made.snapshot_start) return unspecified("snapshotStartBatchId");
  if (made.snapshot_start && !made.snapshot_partition) return unspecified("snapshotPartitionId");
  return {};
}

}  // namespace

Result<StateOptions> parse_state_options(const std::map<std::string, std::string>& options) {
  const OptionReader read(options);
  StateOptions made;
  WEIR_ASSIGN(const auto operator_id, read.integer("operatorId"));
  made.operator_id = operator_id.value_or(0);
  if (made.operator_id < 0) return negative("operatorId");
  made.store = read.trimmed("storeName").value_or("default");
  if (made.store.empty())
    return state_refused("STDS_INVALID_OPTION_VALUE.IS_EMPTY", "42616",
                         "Invalid value for source option 'storeName': cannot be empty.")
        .with_parameter("optionName", "storeName");
  made.variable = read.trimmed("stateVarName");
  WEIR_ASSIGN(made.timers, read.flag("readRegisteredTimers", false));
  WEIR_TRY(read.flag("flattenCollectionTypes", true));  // of state variables alone
  made.join_side = read.text("joinSide").value_or("none");
  if (made.join_side != "left" && made.join_side != "right" && made.join_side != "none")
    return invalid_state_option("joinSide", "Valid values are left,right,none");
  if (made.join_side != "none" && made.store != "default") return conflict("joinSide", "storeName");
  WEIR_ASSIGN(made.batch, read.integer("batchId"));
  WEIR_ASSIGN(made.snapshot_start, read.integer("snapshotStartBatchId"));
  WEIR_ASSIGN(made.snapshot_partition, read.integer("snapshotPartitionId"));
  WEIR_ASSIGN(made.change_feed, read.flag("readChangeFeed", false));
  WEIR_ASSIGN(made.change_start, read.integer("changeStartBatchId"));
  WEIR_ASSIGN(made.change_end, read.integer("changeEndBatchId"));
  if (made.change_feed) {
    WEIR_TRY(check_change_feed(made));
  } else {
    WEIR_TRY(check_version(made));
  }
  return made;
}

}  // namespace weir::operators
