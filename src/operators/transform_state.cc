#include "operators/transform_state.h"

#include <algorithm>
#include <numeric>

#include <arrow/api.h>
#include <fmt/format.h>

#include "base/text.h"
#include "columnar/arrow_types.h"
#include "eval/node.h"
#include "operators/event_time.h"
#include "operators/group_rows.h"
#include "operators/store_operator.h"
#include "plan/stateful_function.h"
#include "state/row_codec.h"
#include "state/stored_variables.h"

namespace weir::operators {

namespace op = plan::op;

namespace {

using base::error;
using base::ErrorKind;
using columnar::Schema;
using state::TimeMode;

constexpr int64_t kRowsOfAPart = 10'000;

std::string option(const plan::Operator& node, const char* key) {
  const auto* options = plan::transform_options(node);
  const auto found = options->find(key);
  return found == options->end() ? std::string() : found->second;
}

// Which of the columns that the function sees the key is; -1: none. Hidden ones stand behind.
int seen_column(const plan::Typed& key, const plan::Operator& node) {
  const auto* column = std::get_if<plan::TypedColumn>(&key.node);
  return column && !node.columns[static_cast<size_t>(column->index)].hidden ? column->index : -1;
}

// One side's rows on their way to the function: its columns, before them keys that are none.
struct Side {
  plan::OperatorPtr node;
  std::vector<eval::Program> keys;
  std::vector<int> key_columns;  // of `rows`
  std::vector<size_t> added;     // of keys: those that are no columns
  std::vector<int> own;          // columns of the node that the function sees
  Schema rows = Schema::structure({});
  std::shared_ptr<arrow::Schema> input;

  static Result<Side> make(const plan::OperatorPtr& node,
                           const std::vector<plan::TypedPtr>& key_list) {
    Side made;
    made.node = node;
    std::vector<columnar::Field> fields, all;
    for (size_t i = 0; i < key_list.size(); ++i) {
      WEIR_ASSIGN(auto program, eval::compile(key_list[i]));
      made.keys.push_back(std::move(program));
      if (seen_column(*key_list[i], *node) >= 0) continue;
      made.added.push_back(i);
      fields.push_back(columnar::make_field(fmt::format("key{}", i), key_list[i]->type));
    }
    int next = 0;
    for (const auto& key : key_list) {
      const int column = seen_column(*key, *node);
      made.key_columns.push_back(column >= 0 ? static_cast<int>(made.added.size()) + column
                                             : next++);
    }
    for (const auto& column : node->columns) {
      all.push_back(columnar::make_field(column.name, column.type));
      if (column.hidden) continue;
      made.own.push_back(static_cast<int>(all.size()) - 1);
      fields.push_back(all.back());
    }
    made.rows = Schema::structure(std::move(fields));
    made.input = columnar::to_arrow_schema(Schema::structure(std::move(all)));
    return made;
  }
};

// A side's rows of one batch, split into parts by group, in the order of groups.
struct Sorted {
  BatchPtr rows;
  std::vector<int64_t> begins;  // of each part, and the end
};

class TransformStates final : public StoreOperator {
 public:
  TransformStates(plan::OperatorPtr node, OutputMode mode, StateEnvironment environment,
                  std::vector<Side> sides, state::TransformShape shape,
                  std::unique_ptr<state::TransformFunction> function)
      : StoreOperator(option(*node, "kind"), node, mode, std::move(environment)),
        sides_(std::move(sides)),
        shape_(std::move(shape)),
        function_(std::move(function)),
        variables_(shape_.key),
        parts_(sides_.size()) {
    if (shape_.time_mode == TimeMode::kEventTime) {
      const auto events = event_time_columns(*sides_[0].node);
      const auto found = std::find(events.begin(), events.end(), true);
      if (found != events.end()) event_ = static_cast<int>(found - events.begin());
    }
    const auto given = option(*node_, "event_time_column");
    for (size_t i = 0; i < node_->columns.size() && !given.empty(); ++i)
      if (base::equal_ignoring_case(node_->columns[i].name, given))
        output_event_ = static_cast<int>(i);
  }

  int inputs() const override { return static_cast<int>(sides_.size()); }
  std::string identity() const override {
    static constexpr std::string_view kModes[] = {"none", "processing time", "event time"};
    return fmt::format("transformWithState by {} time mode {}", columnar::schema_to_ddl(shape_.key),
                       kModes[static_cast<size_t>(shape_.time_mode)]);
  }

  Result<void> open(std::optional<base::BatchId> version,
                    const base::JsonObject* manifest) override {
    WEIR_TRY(StoreOperator::open(version, manifest));
    next_.reset();
    return variables_.restore({&store(0), &store(1), &store(2)},
                              manifest ? base::json_array(*manifest, "variables") : nullptr);
  }
  Result<void> begin(const BatchRun& run) override {
    WEIR_TRY(StoreOperator::begin(run));
    next_.reset();
    variables_.begin(now_ms());
    return {};
  }
  Result<base::JsonObject> prepare() override {
    WEIR_ASSIGN(auto manifest, StoreOperator::prepare());
    manifest["variables"] = variables_.describe();
    return manifest;
  }
  void committed() override {
    StoreOperator::committed();
    variables_.committed();
  }
  void roll_back() override {
    StoreOperator::roll_back();
    variables_.roll_back();
    next_.reset();
  }

  Result<std::unique_ptr<Collector>> collector(int input) override {
    const std::lock_guard lock(mutex_);
    auto& parts = parts_[static_cast<size_t>(input)];
    parts.push_back(std::make_unique<std::vector<BatchPtr>>());
    return std::unique_ptr<Collector>(std::make_unique<RowsTaker>(
        input == 0 ? event_ : -1, run_.late_us, dropped_, *parts.back()));
  }

  Result<void> finish(const Output& given) override {
    {
      const Stopwatch watch(metrics_.update_us);
      WEIR_TRY(call(given));
    }
    const Stopwatch watch(metrics_.removal_us);
    return variables_.remove_expired();
  }

  bool waits_for_event_time() const override {
    return shape_.time_mode != TimeMode::kProcessingTime && mode_ != OutputMode::kComplete;
  }
  bool wants_batch_at(int64_t now_us) const override {
    return shape_.time_mode == TimeMode::kProcessingTime && next_ms() <= now_us / 1000;
  }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    auto stores = state::variable_stores(shape_.key, identity());
    for (auto& spec : stores)
      if (spec.kind.empty()) spec.kind = spec.identity;
    return stores;
  }
  void drop_collectors() override {
    for (auto& parts : parts_)
      parts.clear();
  }

 private:
  int64_t now_ms() const { return run_.eval.batch_timestamp_us / 1000; }
  int64_t watermark_ms() const {
    return run_.eviction_us == kNoWatermark ? 0 : run_.eviction_us / 1000;
  }

  // The first time at which something happens without rows; INT64_MAX: never. What fails to be
  // read is met by the batch.
  int64_t next_ms() const {
    if (next_) return *next_;
    const auto timer = variables_.next_timer_ms();
    int64_t next = timer.ok() && *timer ? **timer : INT64_MAX;
    if (shape_.time_mode == TimeMode::kProcessingTime)
      next = std::min(next, variables_.next_expiry_ms().value_or(INT64_MAX));
    next_ = next;
    return next;
  }

  // The rows of a side by part and group.
  Result<Sorted> sorted(size_t side, const state::TransformCalls& calls) {
    const auto& from = sides_[side];
    std::vector<BatchPtr> batches;
    for (const auto& part : std::exchange(parts_[side], {}))
      batches.insert(batches.end(), part->begin(), part->end());
    Sorted made;
    made.begins.assign(calls.parts.size() + 1, 0);
    if (batches.empty()) return made;
    WEIR_ASSIGN(auto rows, joined_rows(batches, from.input));
    std::vector<ArrayPtr> keys, columns;
    for (const auto& key : from.keys) {
      WEIR_ASSIGN(auto array, key.evaluate(*rows, run_.eval));
      WEIR_ASSIGN(array, eval::canonical(array, columnar::to_arrow(key.type())));
      keys.push_back(std::move(array));
    }
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(shape_.key));
    state::EncodedRows encoded;
    WEIR_TRY(encoder.encode(keys, encoded));
    std::vector<int64_t> order(static_cast<size_t>(rows->num_rows()));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::vector<int> part(order.size());
    for (size_t i = 0; i < part.size(); ++i) {
      part[i] = calls.part_of(encoded.at(static_cast<int64_t>(i)));
      ++made.begins[static_cast<size_t>(part[i]) + 1];
    }
    std::partial_sum(made.begins.begin(), made.begins.end(), made.begins.begin());
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      const int left = part[static_cast<size_t>(a)], right = part[static_cast<size_t>(b)];
      return left != right ? left < right : encoded.at(a) < encoded.at(b);
    });
    for (const auto index : from.added)
      columns.push_back(keys[index]);
    for (const int index : from.own)
      columns.push_back(rows->column(index));
    WEIR_ASSIGN(made.rows,
                picked_rows(*arrow::RecordBatch::Make(columnar::to_arrow_schema(from.rows),
                                                      rows->num_rows(), std::move(columns)),
                            order));
    return made;
  }

  Result<void> call(const Output& given) {
    int64_t held = 0;
    for (const auto& parts : parts_)
      for (const auto& part : parts)
        for (const auto& rows : *part)
          held += rows->num_rows();
    if (held == 0 && !timers_wait()) return {};
    state::TransformCalls calls;
    calls.now_ms = now_ms();
    calls.watermark_ms = watermark_ms();
    calls.parts.resize(static_cast<size_t>(
        std::clamp<int64_t>(held / kRowsOfAPart, 1, std::max(environment_.threads, 1))));
    for (size_t side = 0; side < sides_.size(); ++side) {
      WEIR_ASSIGN(const auto all, sorted(side, calls));
      for (size_t i = 0; i < calls.parts.size() && all.rows; ++i) {
        const auto rows = all.rows->Slice(all.begins[i], all.begins[i + 1] - all.begins[i]);
        if (rows->num_rows() > 0) (side == 0 ? calls.parts[i].rows : calls.parts[i].initial) = rows;
      }
    }
    return function_->run(calls, variables_, run_.stop, [&](const BatchPtr& rows) -> Result<void> {
      if (rows->num_rows() == 0) return {};
      WEIR_TRY(check_event_time(*rows));
      return give(given, rows->columns());
    });
  }

  bool timers_wait() const {
    if (shape_.time_mode == TimeMode::kNone) return false;
    const auto next = variables_.next_timer_ms();
    if (!next.ok()) return true;  // who looks for them meets the error
    return *next &&
           **next <= (shape_.time_mode == TimeMode::kEventTime ? watermark_ms() : now_ms());
  }

  // What is above counts on rows that are not late.
  Result<void> check_event_time(const arrow::RecordBatch& rows) const {
    if (output_event_ < 0 || run_.late_us == kNoWatermark) return {};
    std::vector<int64_t> times;
    WEIR_TRY(event_times(*rows.column(output_event_), times));
    for (const auto time : times) {
      if (time > run_.late_us) continue;
      return error(
                 ErrorKind::kInvalidArgument,
                 "Previous node emitted a row with eventTime={} which is older than "
                 "current_watermark_value={}\nThis can lead to correctness issues in the stateful "
                 "operators downstream in the execution pipeline.\nPlease correct the operator "
                 "logic to emit rows after current global watermark value.",
                 time, run_.late_us / 1000)
          .with_class("EMITTING_ROWS_OLDER_THAN_WATERMARK_NOT_ALLOWED")
          .with_sql_state("42815")
          .with_parameter("emittedRowEventTime", std::to_string(time))
          .with_parameter("currentWatermark", std::to_string(run_.late_us / 1000));
    }
    return {};
  }

  std::vector<Side> sides_;
  const state::TransformShape shape_;
  std::unique_ptr<state::TransformFunction> function_;
  state::StoredVariables variables_;
  int event_ = -1;         // column by which rows are late
  int output_event_ = -1;  // of the output
  mutable std::optional<int64_t> next_;
  std::mutex mutex_;
  std::vector<std::vector<std::unique_ptr<std::vector<BatchPtr>>>> parts_;  // by input
};

std::string key_name(const plan::Typed& key, size_t index) {
  const auto* column = std::get_if<plan::TypedColumn>(&key.node);
  return column ? column->name : fmt::format("key{}", index);
}

}  // namespace

bool is_transform_with_state(const plan::Operator& node) {
  return plan::transform_options(node) != nullptr;
}

Result<std::unique_ptr<StatefulOperator>> make_transform_state(const plan::OperatorPtr& node,
                                                               OutputMode mode,
                                                               StateEnvironment environment) {
  const auto* alone = std::get_if<op::GroupMap>(&node->node);
  const auto* both = std::get_if<op::CoGroupMap>(&node->node);
  const auto& keys = alone ? alone->keys : both->left_keys;
  state::TransformShape shape;
  const auto time_mode = option(*node, "time_mode");
  shape.time_mode = time_mode == "processingTime" ? TimeMode::kProcessingTime
                    : time_mode == "eventTime"    ? TimeMode::kEventTime
                                                  : TimeMode::kNone;
  std::vector<columnar::Field> key;
  for (size_t i = 0; i < keys.size(); ++i)
    key.push_back(columnar::make_field(key_name(*keys[i], i), keys[i]->type));
  shape.key = Schema::structure(std::move(key));
  std::vector<Side> sides;
  WEIR_ASSIGN(auto side, Side::make(alone ? alone->child : both->left, keys));
  shape.rows = side.rows;
  shape.keys = side.key_columns;
  shape.added = static_cast<int>(side.added.size());
  sides.push_back(std::move(side));
  if (both) {
    const auto same = [](const plan::TypedPtr& a, const plan::TypedPtr& b) {
      return a->type == b->type;
    };
    if (!std::equal(keys.begin(), keys.end(), both->right_keys.begin(), both->right_keys.end(),
                    same))
      return error(ErrorKind::kInvalidArgument,
                   "the initial state has to be grouped by columns of the same types as the rows");
    WEIR_ASSIGN(auto initial, Side::make(both->right, both->right_keys));
    shape.initial = initial.rows;
    shape.initial_keys = initial.key_columns;
    shape.initial_added = static_cast<int>(initial.added.size());
    sides.push_back(std::move(initial));
  }
  std::unique_ptr<state::TransformFunction> function;
  if (environment.make_transform_function) {
    WEIR_ASSIGN(function, environment.make_transform_function(
                              alone ? *alone->function : *both->function, shape));
  }
  if (!function)
    return error(ErrorKind::kUnsupported, "{} in a stream", option(*node, "kind"))
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  return std::unique_ptr<StatefulOperator>(std::make_unique<TransformStates>(
      node, mode, std::move(environment), std::move(sides), std::move(shape), std::move(function)));
}

}  // namespace weir::operators
