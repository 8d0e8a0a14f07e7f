#include "plan/streaming_check.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <strings.h>

#include <fmt/format.h>

#include "base/text.h"
#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"
#include "plan/session_windows.h"
#include "plan/stateful_function.h"
#include "plan/stream_rewrites.h"
#include "plan/window_text.h"

namespace weir::plan {

using base::error;
using base::ErrorKind;

namespace {

constexpr std::array kModeNames{std::string_view("append"), std::string_view("update"),
                                std::string_view("complete")};

base::Error unsupported(std::string message) {
  return error(ErrorKind::kInvalidArgument, "{}", message)
      .with_class("_LEGACY_ERROR_TEMP_3102")
      .with_parameter("msg", message);
}

base::Error mode_unsupported(StreamMode mode, std::string_view operation) {
  return error(ErrorKind::kInvalidArgument,
               "Invalid streaming output mode: {}. This output mode is not supported for {} on "
               "streaming DataFrames/DataSets.",
               to_string(mode), operation)
      .with_class("STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION")
      .with_sql_state("42KDE")
      .with_parameter("outputMode", std::string(to_string(mode)))
      .with_parameter("operation", std::string(operation));
}

std::string_view mode_in_words(StreamMode mode) {
  if (mode == StreamMode::kAppend) return "Append";
  return mode == StreamMode::kUpdate ? "Update" : "Complete";
}

bool is_distinct(const TypedPtr& expression) {
  const auto* call = std::get_if<TypedCall>(&expression->node);
  return call != nullptr && call->distinct;
}

bool has_aggregate(const Operator& node) {
  if (!node.streaming) return false;
  if (std::holds_alternative<op::Aggregate>(node.node) ||
      std::holds_alternative<op::Distinct>(node.node))
    return true;
  const auto children = children_of(node);
  return std::any_of(children.begin(), children.end(),
                     [](const OperatorPtr& child) { return has_aggregate(*child); });
}

bool is_stateful_above(const Operator& node) {
  if (const auto* join = std::get_if<op::Join>(&node.node))
    return join->left->streaming && join->right->streaming;
  if (const auto* map = std::get_if<op::GroupMap>(&node.node)) return !map->state.empty();
  if (transform_options(node)) return true;
  return std::holds_alternative<op::Aggregate>(node.node) ||
         std::holds_alternative<op::Distinct>(node.node) ||
         std::holds_alternative<op::Deduplicate>(node.node);
}

bool aggregate_below_state(const Operator& node) {
  if (!node.streaming) return false;
  const auto children = children_of(node);
  return std::any_of(children.begin(), children.end(), [&](const OperatorPtr& child) {
    return (is_stateful_above(node) && has_aggregate(*child)) || aggregate_below_state(*child);
  });
}

// Whether a conjunct of the condition says that something of the left side equals something of the
// right.
bool has_equality(const TypedPtr& condition, int left_width) {
  if (condition == nullptr) return false;
  const auto* call = std::get_if<TypedCall>(&condition->node);
  if (call == nullptr || call->function == nullptr) return false;
  const std::string_view name = call->function->name;
  if (name == "and")
    return std::any_of(call->arguments.begin(), call->arguments.end(),
                       [&](const TypedPtr& one) { return has_equality(one, left_width); });
  if ((name != "=" && name != "==" && name != "<=>") || call->arguments.size() != 2) return false;
  const auto side = [&](const TypedPtr& argument) {  // -1 left, 1 right, 0 both or neither
    const std::vector<int> columns = columns_needed({argument});
    if (columns.empty()) return 0;
    if (columns.back() < left_width) return -1;
    return columns.front() >= left_width ? 1 : 0;
  };
  return side(call->arguments[0]) * side(call->arguments[1]) < 0;
}

// Whether rows come through with a watermark that no operator with state has taken up.
bool has_open_watermark(const Operator& node) {
  if (std::holds_alternative<op::Watermark>(node.node)) return true;
  if (!node.streaming || is_stateful_above(node) || std::holds_alternative<op::Limit>(node.node))
    return false;
  const auto children = children_of(node);
  return std::any_of(children.begin(), children.end(),
                     [](const OperatorPtr& child) { return has_open_watermark(*child); });
}

bool has_watermark(const Operator& node) {
  if (std::holds_alternative<op::Watermark>(node.node)) return true;
  const auto children = children_of(node);
  return std::any_of(children.begin(), children.end(),
                     [](const OperatorPtr& child) { return has_watermark(*child); });
}

bool same_rows(const TypedWindow& one, const TypedWindow& other) {
  return std::ranges::equal(
             one.partition_by, other.partition_by,
             [](const TypedPtr& a, const TypedPtr& b) { return same_expression(*a, *b); }) &&
         std::ranges::equal(one.order_by, other.order_by,
                            [](const TypedSortKey& a, const TypedSortKey& b) {
                              return same_expression(*a.expression, *b.expression) &&
                                     a.ascending == b.ascending && a.nulls_first == b.nulls_first;
                            });
}

class Checker {
 public:
  Checker(StreamMode mode, const EventTimeColumns& event_time_columns, bool has_aggregate)
      : mode_(mode), event_time_columns_(event_time_columns), has_aggregate_(has_aggregate) {}

  Result<void> check(const OperatorPtr& node) {
    if (!node->streaming) return {};
    for (const OperatorPtr& child : children_of(*node))
      WEIR_TRY(check(child));
    return std::visit([&](const auto& kind) { return check_node(*node, kind); }, node->node);
  }

 private:
  template <typename Kind>
  Result<void> check_node(const Operator&, const Kind&) {
    return {};
  }

  Result<void> check_node(const Operator& node, const op::Aggregate& aggregate) {
    if (mode_ == StreamMode::kUpdate &&
        std::any_of(aggregate.keys.begin(), aggregate.keys.end(),
                    [&](const TypedPtr& key) { return is_session_key(*key, *aggregate.child); }))
      return mode_unsupported(mode_, "session window streaming aggregations");
    if (mode_ == StreamMode::kAppend) WEIR_TRY(check_ends(node, aggregate.keys.size()));
    if (std::any_of(aggregate.aggregates.begin(), aggregate.aggregates.end(), is_distinct))
      return unsupported(
          "Distinct aggregations are not supported on streaming DataFrames/Datasets. Consider "
          "using approx_count_distinct() instead.");
    return {};
  }

  // As an aggregation by all columns.
  Result<void> check_node(const Operator& node, const op::Distinct&) {
    return mode_ == StreamMode::kAppend ? check_ends(node, node.columns.size()) : Result<void>();
  }

  // One of the first columns, the keys, is event time.
  Result<void> check_ends(const Operator& node, size_t keys) {
    const std::vector<bool> event_time = event_time_columns_(node);
    for (size_t i = 0; i < keys && i < event_time.size(); ++i)
      if (event_time[i]) return {};
    return mode_unsupported(mode_, "streaming aggregations without watermark");
  }

  Result<void> check_node(const Operator& node, const op::Join& join) {
    const bool left = join.left->streaming;
    const bool right = join.right->streaming;
    if (left && right) return check_stream_join(node, join);
    switch (join.kind) {
      case JoinKind::kFull:
        return unsupported(
            left ? "FullOuter joins with streaming DataFrames/Datasets on the left and a static "
                   "DataFrame/Dataset on the right is not supported"
                 : "FullOuter joins with streaming DataFrames/Datasets on the right and a static "
                   "DataFrame/Dataset on the left is not supported");
      case JoinKind::kLeft:
      case JoinKind::kLeftSemi:
        if (!right) return {};
        return unsupported(std::string(join_name(join.kind)) +
                           " join with a streaming DataFrame/Dataset on the right and a static "
                           "DataFrame/Dataset on the left is not supported");
      case JoinKind::kLeftAnti:
        if (!right) return {};
        return unsupported(
            "LeftAnti joins with a streaming DataFrame/Dataset on the right are not supported");
      case JoinKind::kRight:
        if (!left) return {};
        return unsupported(
            "RightOuter join with a streaming DataFrame/Dataset on the left and a static "
            "DataFrame/DataSet on the right not supported");
      default:
        return {};
    }
  }

  Result<void> check_stream_join(const Operator&, const op::Join& join) {
    const std::string name(join_name(join.kind));
    if (join.kind == JoinKind::kLeftAnti)
      return unsupported(
          "LeftAnti joins with a streaming DataFrame/Dataset on the right are not supported");
    const bool inner = join.kind == JoinKind::kInner || join.kind == JoinKind::kCross;
    if (mode_ == StreamMode::kComplete || (!inner && mode_ != StreamMode::kAppend))
      return unsupported(name +
                         " join between two streaming DataFrames/Datasets is not supported "
                         "in " +
                         std::string(mode_in_words(mode_)) +
                         (inner ? " output mode, only in Append and Update output modes"
                                : " output mode, only in Append output mode"));
    if (!inner && !has_watermark(*join.left) && !has_watermark(*join.right))
      return unsupported("Stream-stream " + name +
                         " join between two streaming DataFrame/Datasets is not supported without "
                         "a watermark in the join keys, or a watermark on the nullable side and an "
                         "appropriate range condition");
    if (!has_equality(join.condition, static_cast<int>(join.left->columns.size())))
      return unsupported("Stream-stream join without equality predicate is not supported");
    return {};
  }

  Result<void> check_node(const Operator&, const op::SetOperation& sets) {
    if (sets.kind == SetKind::kUnion && sets.left->streaming != sets.right->streaming)
      return unsupported("Union between streaming and batch DataFrames/Datasets is not supported");
    if (sets.kind == SetKind::kExcept && sets.right->streaming)
      return unsupported("Except on a streaming DataFrame/Dataset on the right is not supported");
    if (sets.kind == SetKind::kExcept)  // the others are joins by now
      return error(ErrorKind::kUnsupported,
                   "The feature is not supported: EXCEPT ALL of a stream and static rows.")
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
    if (sets.kind == SetKind::kIntersect)
      return unsupported("Intersect of streaming DataFrames/Datasets is not supported");
    return {};
  }

  Result<void> check_node(const Operator&, const op::Sort& sort) {
    if (mode_ == StreamMode::kComplete && has_aggregate(*sort.child)) return {};
    return unsupported(
        "Sorting is not supported on streaming DataFrames/Datasets, unless it is on aggregated "
        "DataFrame/Dataset in Complete output mode");
  }

  Result<void> check_node(const Operator&, const op::Limit& limit) {
    if (limit.offset > 0)
      return unsupported("Offset is not supported on streaming DataFrames/Datasets");
    if (mode_ == StreamMode::kUpdate)
      return unsupported(
          "Limits are not supported on streaming DataFrames/Datasets in Update output mode");
    return {};
  }

  Result<void> check_node(const Operator&, const op::Sample&) {
    return unsupported("Sampling is not supported on streaming DataFrames/Datasets");
  }

  Result<void> check_node(const Operator& node, const op::GroupMap& map) {
    const auto option = [&map](const char* key) {
      const auto found = map.state.find(key);
      return found == map.state.end() ? std::string() : found->second;
    };
    const std::string kind = option("kind"), mode = option("output_mode");
    if (kind.empty() || transform_options(node)) return {};
    if (!has_aggregate_ && mode != to_string(mode_))
      return unsupported(kind + " in " + mode + " mode is not supported with " +
                         std::string(mode_in_words(mode_)) +
                         " output mode on a streaming DataFrame/Dataset");
    if (has_aggregate_ && mode != "append")
      return unsupported(kind + " in " + mode +
                         " mode is not supported with aggregation on a streaming "
                         "DataFrame/Dataset");
    if (has_aggregate(*map.child))
      return unsupported(kind +
                         " in append mode is not supported after aggregation on a streaming "
                         "DataFrame/Dataset");
    const std::vector<bool> event_time = event_time_columns_(*map.child);
    if (option("timeout") == "EventTimeTimeout" &&
        std::find(event_time.begin(), event_time.end(), true) == event_time.end())
      return unsupported(
          "Watermark must be specified in the query using '[Dataset/DataFrame].withWatermark()' "
          "for using event-time timeout in a " +
          kind + ". Event-time timeout not supported without watermark.");
    return {};
  }

  Result<void> check_node(const Operator& node, const op::CoGroupMap& map) {
    if (transform_options(node)) {  // transformWithState and its initial state
      if (map.right->streaming)
        return unsupported("Initial state cannot be a streaming DataFrame/Dataset.");
      if (!map.left->streaming)
        return unsupported("transformWithState of a table with an initial state from a stream");
      return {};
    }
    return unsupported("CoGrouping with a streaming DataFrame/Dataset is not supported");
  }

  Result<void> check_node(const Operator&, const op::Tail&) {
    return unsupported(
        "Cannot return immediate result on streaming DataFrames/Dataset. Queries with streaming "
        "DataFrames/Datasets must be executed with writeStream.start().");
  }

  // Spark names the functions that have partitions and order in common with the first.
  Result<void> check_node(const Operator& node, const op::Window& window) {
    const size_t width = window.child->columns.size();
    const auto& first = std::get<TypedWindow>(window.functions[0]->node);
    std::vector<std::string> functions, names, specifications;
    for (size_t i = 0; i < window.functions.size(); ++i) {
      const auto& over = std::get<TypedWindow>(window.functions[i]->node);
      if (!same_rows(over, first)) continue;
      const WindowText text = window_text(over, window.child->columns);
      functions.push_back(base::upper_case(text.function));
      names.push_back("`" + node.columns[width + i].name + "`");
      specifications.push_back(base::upper_case(text.specification));
    }
    const auto function = fmt::format("{}", fmt::join(functions, ","));
    const auto name = fmt::format("{}", fmt::join(names, ","));
    const auto specification = fmt::format("{}", fmt::join(specifications, ","));
    return error(ErrorKind::kInvalidArgument,
                 "Window function is not supported in {} (as column {}) on streaming "
                 "DataFrames/Datasets.\nStructured Streaming only supports time-window aggregation "
                 "using the WINDOW function. (window specification: {})",
                 function, name, specification)
        .with_class("NON_TIME_WINDOW_NOT_SUPPORTED_IN_STREAMING")
        .with_sql_state("42KDE")
        .with_parameter("windowFunc", function)
        .with_parameter("columnName", name)
        .with_parameter("windowSpec", specification);
  }

  Result<void> check_node(const Operator&, const op::Watermark& watermark) {
    if (!has_open_watermark(*watermark.child)) return {};
    constexpr const char* kSetting = "spark.sql.streaming.statefulOperator.allowMultiple";
    return error(ErrorKind::kInvalidArgument,
                 "Redefining watermark is disallowed. You can set the config '{}' to 'false' to "
                 "restore the previous behavior. Note that multiple stateful operators will be "
                 "disallowed.",
                 kSetting)
        .with_class("_LEGACY_ERROR_TEMP_3076")
        .with_parameter("config", kSetting);
  }

  Result<void> check_node(const Operator& node, const op::Deduplicate& deduplicate) {
    if (!deduplicate.within_watermark) return {};
    const std::vector<bool> event_time = event_time_columns_(*deduplicate.child);
    if (std::find(event_time.begin(), event_time.end(), true) != event_time.end()) return {};
    (void)node;
    return unsupported(
        "dropDuplicatesWithinWatermark is not supported on streaming DataFrames/DataSets without "
        "watermark");
  }

  StreamMode mode_;
  const EventTimeColumns& event_time_columns_;
  bool has_aggregate_;  // anywhere in the query
};

}  // namespace

std::string_view to_string(StreamMode mode) { return kModeNames[static_cast<size_t>(mode)]; }

Result<StreamMode> parse_stream_mode(std::string_view text) {
  for (size_t i = 0; i < kModeNames.size(); ++i)
    if (text.size() == kModeNames[i].size() &&
        strncasecmp(text.data(), kModeNames[i].data(), text.size()) == 0)
      return static_cast<StreamMode>(i);
  return error(ErrorKind::kInvalidArgument,
               "Invalid streaming output mode: {}. Accepted output modes are 'Append', 'Complete', "
               "'Update'.",
               text)
      .with_class("STREAMING_OUTPUT_MODE.INVALID")
      .with_sql_state("42KDE")
      .with_parameter("outputMode", std::string(text));
}

Result<void> check_streaming(const OperatorPtr& root, StreamMode mode,
                             const EventTimeColumns& event_time_columns, bool check_correctness) {
  if (!root->streaming)
    return unsupported(
        "Queries without streaming sources cannot be executed with "
        "writeStream.start()");
  if (mode == StreamMode::kComplete && !has_aggregate(*root))
    return mode_unsupported(mode, "no streaming aggregations");
  WEIR_TRY(Checker(mode, event_time_columns, has_aggregate(*root)).check(root));
  if (!check_correctness || mode == StreamMode::kAppend || !aggregate_below_state(*root)) return {};
  return unsupported(
      "Detected pattern of possible 'correctness' issue due to global watermark. The query "
      "contains "
      "stateful operation which can emit rows older than the current watermark plus allowed late "
      "record delay, which are \"late rows\" in downstream stateful operations and these rows can "
      "be discarded. Please refer the programming guide doc for more details. If you understand "
      "the possible risk of correctness issue and still need to run the query, you can disable "
      "this check by setting the config "
      "`spark.sql.streaming.statefulOperator.checkCorrectness.enabled` to false.");
}

OperatorPtr with_excepts_as_joins(const OperatorPtr& root) {
  if (!root->streaming) return root;
  const auto node = map_operator_children(
      root, [](const OperatorPtr& child) { return with_excepts_as_joins(child); });
  const auto* sets = std::get_if<op::SetOperation>(&node->node);
  if (sets == nullptr || sets->kind != SetKind::kExcept || sets->all || sets->right->streaming)
    return node;
  const size_t width = node->columns.size();
  if (sets->left->columns.size() != width || sets->right->columns.size() != width) return node;
  auto all = sets->left->columns;
  all.insert(all.end(), sets->right->columns.begin(), sets->right->columns.end());
  const auto boolean = [](const char* function, TypedPtr left, TypedPtr right) {
    TypedCall call;
    call.function = find_function(function);
    call.arguments = {std::move(left), std::move(right)};
    return make_typed(DataType::of(columnar::TypeKind::kBoolean), false, std::move(call));
  };
  TypedPtr equal;
  for (size_t i = 0; i < width; ++i) {
    auto one = boolean("<=>", column_at(all, i), column_at(all, width + i));
    equal = equal ? boolean("and", std::move(equal), std::move(one)) : std::move(one);
  }
  auto join = make_operator(op::Join{sets->left, sets->right, JoinKind::kLeftAnti, equal},
                            sets->left->columns, true);
  return make_operator(op::Distinct{std::move(join)}, node->columns, true);
}

Folder without_time(Folder fold) {
  return [fold = std::move(fold)](const TypedPtr& expression) -> Result<Value> {
    const bool timed = any_typed(*expression, [](const Typed& one) {
      const auto* call = std::get_if<TypedCall>(&one.node);
      if (call == nullptr || call->function == nullptr) return false;
      const std::string_view name = call->function->name;
      return name == "current_timestamp" || name == "current_date" || name == "localtimestamp" ||
             name == "current_time" || (name == "unix_timestamp" && call->arguments.empty());
    });
    if (timed) return error(ErrorKind::kUnsupported, "the time is each batch's own");
    return fold(expression);
  };
}

Result<void> check_batch(const OperatorPtr& root) {
  if (!root->streaming) return {};
  return unsupported(
      "Queries with streaming sources must be executed with writeStream.start(), or from a "
      "streaming table or flow definition within a Spark Declarative Pipeline.");
}

}  // namespace weir::plan
