#include "operators/group_state.h"

#include <algorithm>
#include <numeric>

#include <arrow/api.h>
#include <fmt/format.h>

#include "base/text.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "eval/list_rows.h"
#include "eval/node.h"
#include "operators/event_time.h"
#include "operators/group_rows.h"
#include "operators/store_operator.h"
#include "state/row_codec.h"

namespace weir::operators {

namespace {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;

constexpr int64_t kBucketUs = 10'000'000;
constexpr size_t kCallsAtOnce = 4096;

std::string timeout_in_words(GroupTimeout timeout) {
  static constexpr std::string_view kTimeouts[] = {"no timeout", "processing time", "event time"};
  return std::string(kTimeouts[static_cast<size_t>(timeout)]);
}

std::string name_of(const plan::Operator& node) {
  const auto& options = std::get<plan::op::GroupMap>(node.node).state;
  const auto kind = options.find("kind");
  return kind == options.end() ? "flatMapGroupsWithState" : kind->second;
}

class GroupStates final : public StoreOperator {
 public:
  GroupStates(plan::OperatorPtr node, OutputMode mode, StateEnvironment environment,
              std::vector<eval::Program> keys, Schema state, GroupTimeout timeout,
              std::unique_ptr<GroupFunction> function)
      : StoreOperator(name_of(*node), node, mode, std::move(environment)),
        keys_(std::move(keys)),
        state_schema_(std::move(state)),
        timeout_(timeout),
        function_(std::move(function)) {
    const auto& map = std::get<plan::op::GroupMap>(node_->node);
    std::vector<columnar::Field> fields;
    for (const auto& key : map.keys) {
      const auto* column = std::get_if<plan::TypedColumn>(&key->node);
      fields.push_back(columnar::make_field(
          column != nullptr ? column->name : fmt::format("key{}", fields.size()), key->type));
    }
    key_schema_ = Schema::structure(std::move(fields));
    fields = {columnar::make_field("exists", DataType::of(TypeKind::kBoolean))};
    for (const auto& field : state_schema_.fields())
      fields.push_back(columnar::make_field(field.name, field.type()));
    value_schema_ = Schema::structure(std::move(fields));
    fields.clear();
    for (const auto& column : map.child->columns)
      fields.push_back(columnar::make_field(column.name, column.type));
    input_schema_ = columnar::to_arrow_schema(Schema::structure(std::move(fields)));
    if (timeout_ == GroupTimeout::kEventTime) {
      const auto events = event_time_columns(*map.child);
      const auto found = std::find(events.begin(), events.end(), true);
      if (found != events.end()) event_ = static_cast<int>(found - events.begin());
    }
  }

  std::string identity() const override {
    return fmt::format("groups by {} state {} {}", columnar::schema_to_ddl(key_schema_),
                       columnar::schema_to_ddl(state_schema_), timeout_in_words(timeout_));
  }

  Result<std::unique_ptr<Collector>> collector(int) override {
    const std::lock_guard lock(mutex_);
    parts_.push_back(std::make_unique<std::vector<BatchPtr>>());
    return std::unique_ptr<Collector>(
        std::make_unique<RowsTaker>(event_, run_.late_us, dropped_, *parts_.back()));
  }

  Result<void> finish(const Output& given) override {
    std::vector<BatchPtr> batches;
    for (const auto& part : std::exchange(parts_, {}))
      batches.insert(batches.end(), part->begin(), part->end());
    const Output output = [&](const BatchPtr& rows) -> Result<void> {
      return rows->num_rows() == 0 ? Result<void>() : give(given, rows->columns());
    };
    {
      const Stopwatch watch(metrics_.update_us);
      if (!batches.empty()) WEIR_TRY(call_groups(batches, output));
    }
    const Stopwatch watch(metrics_.removal_us);
    return call_timed_out(output);
  }

  // The function may give any time.
  std::optional<int64_t> output_watermark(int64_t) const override { return std::nullopt; }

  bool waits_for_event_time() const override { return timeout_ == GroupTimeout::kEventTime; }
  bool wants_batch_at(int64_t now_us) const override {
    return timeout_ == GroupTimeout::kProcessingTime && ends_before(now_us);
  }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    state::StoreSpec spec{.identity = identity(), .key = key_schema_, .value = value_schema_};
    spec.kind = timeout_in_words(timeout_);
    if (timeout_ != GroupTimeout::kNone) {
      spec.time = state::TimeBuckets::kOfRow;
      spec.bucket_width_us = kBucketUs;
    }
    return {spec};
  }
  void drop_collectors() override { parts_.clear(); }

 private:
  bool ends_before(int64_t time_us) const {
    for (int shard = 0; shard < store().shards(); ++shard) {
      auto& own = const_cast<GroupStates*>(this)->store();
      const auto earliest = own.shard(shard).earliest_time();
      if (earliest && *earliest < time_us) return true;
    }
    return false;
  }

  // One row a group of these encoded values; null where there is none.
  Result<std::vector<BatchPtr>> decode(std::span<const std::string_view> values) const {
    std::vector<BatchPtr> made(values.size());
    if (values.empty()) return made;
    WEIR_ASSIGN(auto columns, state::decode_values(value_schema_, values));
    const auto flags = columns.front();
    columns.erase(columns.begin());
    const eval::Vector vector{flags, false};
    const eval::BoolReader exists(vector);
    const auto all =
        arrow::RecordBatch::Make(columnar::to_arrow_schema(state_schema_),
                                 static_cast<int64_t>(values.size()), std::move(columns));
    for (size_t i = 0; i < values.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (values[i].data() != nullptr && exists.valid[row] && exists[row])
        made[i] = all->Slice(row, 1);
    }
    return made;
  }

  Result<void> call_groups(const std::vector<BatchPtr>& batches, const Output& output) {
    WEIR_ASSIGN(auto rows, joined_rows(batches, input_schema_));
    std::vector<ArrayPtr> columns;
    for (const auto& key : keys_) {
      WEIR_ASSIGN(auto array, key.evaluate(*rows, run_.eval));
      WEIR_ASSIGN(array, eval::canonical(array, columnar::to_arrow(key.type())));
      columns.push_back(std::move(array));
    }
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(key_schema_));
    state::EncodedRows encoded;
    WEIR_TRY(encoder.encode(columns, encoded));
    std::vector<int64_t> order(static_cast<size_t>(rows->num_rows()));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return encoded.at(a) < encoded.at(b); });
    WEIR_ASSIGN(rows, picked_rows(*rows, order));
    std::vector<int64_t> firsts, begins;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && encoded.at(order[i]) == encoded.at(order[i - 1])) continue;
      firsts.push_back(order[i]);
      begins.push_back(static_cast<int64_t>(i));
    }
    begins.push_back(rows->num_rows());
    const auto schema = columnar::to_arrow_schema(key_schema_);
    WEIR_ASSIGN(const auto keys,
                picked_rows(*arrow::RecordBatch::Make(schema, encoded.rows(), columns), firsts));
    WEIR_TRY(encoder.encode(keys->columns(), encoded));
    state::RowsByShard split;
    state::split_by_shard(encoded, store().shards(), split);
    std::vector<std::string_view> values(firsts.size());
    std::vector<state::FoundValues> found(static_cast<size_t>(store().shards()));
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto of_shard = split.of(shard);
      auto& some = found[static_cast<size_t>(shard)];
      if (!of_shard.empty()) WEIR_TRY(store().shard(shard).get(encoded, of_shard, {}, some));
      for (size_t i = 0; i < of_shard.size(); ++i)
        values[of_shard[i]] = some.values[i];
    }
    WEIR_ASSIGN(auto states, decode(values));
    std::vector<GroupCall> calls;
    for (size_t i = 0; i < firsts.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      calls.push_back({keys->Slice(row, 1), rows->Slice(begins[i], begins[i + 1] - begins[i]),
                       GroupState(timeout_, run_, std::move(states[i]), false)});
    }
    return run_calls(calls, output);
  }

  Result<void> call_timed_out(const Output& output) {
    int64_t until = INT64_MIN;
    if (timeout_ == GroupTimeout::kEventTime) until = run_.eviction_us;
    if (timeout_ == GroupTimeout::kProcessingTime) until = run_.eval.batch_timestamp_us;
    if (until == INT64_MIN) return {};
    std::vector<std::string> keys, values;
    for (int shard = 0; shard < store().shards(); ++shard) {
      WEIR_TRY(store().shard(shard).evict_below(
          until, [&](std::span<const state::StateRow> rows) -> Result<void> {
            for (const auto& row : rows) {
              keys.emplace_back(row.key);
              values.emplace_back(row.value);
            }
            return {};
          }));
    }
    if (keys.empty()) return {};
    std::vector<size_t> order(keys.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
    std::vector<std::string_view> key_views, value_views;
    for (const auto i : order) {
      key_views.push_back(keys[i]);
      value_views.push_back(values[i]);
    }
    WEIR_ASSIGN(auto columns, state::decode_keys(key_schema_, key_views));
    const auto all =
        arrow::RecordBatch::Make(columnar::to_arrow_schema(key_schema_),
                                 static_cast<int64_t>(keys.size()), std::move(columns));
    WEIR_ASSIGN(auto states, decode(value_views));
    std::vector<GroupCall> calls;
    for (size_t i = 0; i < keys.size(); ++i)
      calls.push_back({all->Slice(static_cast<int64_t>(i), 1), nullptr,
                       GroupState(timeout_, run_, std::move(states[i]), true)});
    return run_calls(calls, output);
  }

  Result<void> run_calls(std::vector<GroupCall>& calls, const Output& output) {
    for (size_t begin = 0; begin < calls.size(); begin += kCallsAtOnce) {
      if (run_.stop.stop_requested()) return error(ErrorKind::kCancelled, "the query was stopped");
      const auto some =
          std::span(calls).subspan(begin, std::min(kCallsAtOnce, calls.size() - begin));
      WEIR_TRY(function_->call_all(some, output));
      WEIR_TRY(keep(some));
    }
    return {};
  }

  // Puts what the calls left behind, removes what they removed.
  Result<void> keep(std::span<GroupCall> calls) {
    std::vector<BatchPtr> keys, values;
    std::vector<int64_t> times;
    std::vector<uint32_t> kept, gone;
    const auto schema = columnar::to_arrow_schema(value_schema_);
    for (auto& call : calls) {
      const auto row = static_cast<uint32_t>(keys.size());
      keys.push_back(call.key);
      times.push_back(call.state.timeout_us());
      const bool there = call.state.exists();
      (there || call.state.timeout_us() != GroupState::kNoTimeout ? kept : gone).push_back(row);
      eval::BoolWriter flag(1);
      flag.set(0, there);
      std::vector<ArrayPtr> columns{flag.finish()};
      for (int i = 1; i < schema->num_fields(); ++i) {
        if (there) {
          if (call.state.get()->num_rows() != 1 ||
              call.state.get()->num_columns() + 1 != schema->num_fields())
            return error(ErrorKind::kInvalidArgument,
                         "the state of a group has to be one row of {}",
                         columnar::schema_to_ddl(state_schema_));
          columns.push_back(call.state.get()->column(i - 1));
        } else {
          WEIR_ARROW_ASSIGN(auto none, arrow::MakeArrayOfNull(schema->field(i)->type(), 1));
          columns.push_back(std::move(none));
        }
      }
      values.push_back(arrow::RecordBatch::Make(schema, 1, std::move(columns)));
    }
    WEIR_ASSIGN(const auto all_keys, joined_rows(keys, columnar::to_arrow_schema(key_schema_)));
    WEIR_ASSIGN(const auto all_values, joined_rows(values, schema));
    WEIR_ASSIGN(auto key_encoder, state::KeyEncoder::make(key_schema_));
    WEIR_ASSIGN(auto value_encoder, state::ValueEncoder::make(value_schema_));
    state::EncodedRows encoded_keys, encoded_values;
    WEIR_TRY(key_encoder.encode(all_keys->columns(), encoded_keys));
    WEIR_TRY(value_encoder.encode(all_values->columns(), encoded_values));
    if (timeout_ == GroupTimeout::kNone) times.clear();
    const auto by_shard = [&](const std::vector<uint32_t>& rows) {
      std::vector<std::vector<uint32_t>> split(static_cast<size_t>(store().shards()));
      for (const auto row : rows)
        split[static_cast<size_t>(state::shard_of(encoded_keys.hash(row), store().shards()))]
            .push_back(row);
      return split;
    };
    const auto to_put = by_shard(kept), to_remove = by_shard(gone);
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto& put = to_put[static_cast<size_t>(shard)];
      const auto& remove = to_remove[static_cast<size_t>(shard)];
      if (!put.empty())
        WEIR_TRY(store().shard(shard).put(encoded_keys, encoded_values, put, times));
      if (!remove.empty()) WEIR_TRY(store().shard(shard).remove(encoded_keys, remove, {}));
    }
    return {};
  }

  std::vector<eval::Program> keys_;
  Schema state_schema_;
  GroupTimeout timeout_;
  std::unique_ptr<GroupFunction> function_;
  int event_ = -1;  // column by which rows are late
  Schema key_schema_ = Schema::structure({});
  Schema value_schema_ = Schema::structure({});
  std::shared_ptr<arrow::Schema> input_schema_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::vector<BatchPtr>>> parts_;
};

}  // namespace

Result<void> GroupState::set_timeout_duration(int64_t us) {
  if (timeout_ != GroupTimeout::kProcessingTime)
    return error(ErrorKind::kInvalidArgument,
                 "Cannot set timeout duration without enabling processing time timeout in "
                 "[map|flatMap]GroupsWithState");
  if (us <= 0) return error(ErrorKind::kInvalidArgument, "Timeout duration must be positive");
  timeout_us_ = batch_time_us() + us;
  return {};
}

Result<void> GroupState::set_timeout_timestamp(int64_t us) {
  if (timeout_ != GroupTimeout::kEventTime)
    return error(ErrorKind::kInvalidArgument,
                 "Cannot set timeout timestamp without enabling event time timeout in "
                 "[map|flatMap]GroupsWithState");
  if (watermark_us() != kNoWatermark && us <= watermark_us())
    return error(ErrorKind::kInvalidArgument,
                 "Timeout timestamp ({}) cannot be earlier than the current watermark ({})",
                 us / 1000, watermark_us() / 1000);
  timeout_us_ = us;
  return {};
}

Result<void> GroupFunction::call_all(std::span<GroupCall> groups, const Output& output) {
  for (auto& group : groups)
    WEIR_TRY(call(group, output));
  return {};
}

Result<std::unique_ptr<StatefulOperator>> make_group_state(const plan::OperatorPtr& node,
                                                           OutputMode mode,
                                                           StateEnvironment environment) {
  const auto& map = std::get<plan::op::GroupMap>(node->node);
  const auto option = [&](const char* key) {
    const auto found = map.state.find(key);
    return found == map.state.end() ? std::string() : found->second;
  };
  auto timeout = GroupTimeout::kNone;
  const auto name = option("timeout");
  if (name == "ProcessingTimeTimeout") {
    timeout = GroupTimeout::kProcessingTime;
  } else if (name == "EventTimeTimeout") {
    timeout = GroupTimeout::kEventTime;
  } else if (!name.empty() && name != "NoTimeout") {
    return error(ErrorKind::kInvalidArgument, "no timeout of a group's state is called '{}'", name);
  }
  const auto events = event_time_columns(*map.child);
  if (timeout == GroupTimeout::kEventTime &&
      std::find(events.begin(), events.end(), true) == events.end()) {
    const std::string message =
        "Watermark must be specified in the query using '[Dataset/DataFrame].withWatermark()' for "
        "using event-time timeout in a [map|flatMap]GroupsWithState. Event-time timeout not "
        "supported without watermark.";
    return error(ErrorKind::kInvalidArgument, "{}", message)
        .with_class("_LEGACY_ERROR_TEMP_3102")
        .with_parameter("msg", message);
  }
  const std::string modes[] = {"append", "update", "complete"};
  const auto& own = modes[static_cast<size_t>(mode)];
  const std::string wanted = base::lower_case(option("output_mode"));
  if (mode == OutputMode::kComplete || wanted != own) {
    const auto message = fmt::format(
        "flatMapGroupsWithState in {} mode is not supported with {} output mode on a streaming "
        "DataFrame/Dataset",
        wanted, own);
    return error(ErrorKind::kInvalidArgument, "{}", message)
        .with_class("_LEGACY_ERROR_TEMP_3102")
        .with_parameter("msg", message);
  }
  WEIR_ASSIGN(auto state, columnar::parse_ddl_schema(option("state_schema")));
  std::unique_ptr<GroupFunction> function;
  if (environment.make_group_function) {
    WEIR_ASSIGN(function, environment.make_group_function(map));
  }
  if (!function) {
    return error(ErrorKind::kUnsupported, "{} in a stream", option("kind"))
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }
  std::vector<eval::Program> keys;
  for (const auto& key : map.keys) {
    WEIR_ASSIGN(auto program, eval::compile(key));
    keys.push_back(std::move(program));
  }
  return std::unique_ptr<StatefulOperator>(
      std::make_unique<GroupStates>(node, mode, std::move(environment), std::move(keys),
                                    std::move(state), timeout, std::move(function)));
}

}  // namespace weir::operators
