#include "operators/aggregation.h"

#include <algorithm>
#include <thread>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/aggregates.h"
#include "eval/list_rows.h"
#include "eval/node.h"
#include "operators/event_time.h"
#include "operators/grouped_rows.h"
#include "operators/store_operator.h"
#include "plan/plan_node.h"
#include "state/row_codec.h"

namespace weir::operators {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using eval::AggregateProgram;
using eval::AggregateStates;

constexpr int64_t kBucketUs = 60'000'000;
constexpr int64_t kGroupsForThreads = 20'000;  // fewer are not worth a second thread

class Aggregation final : public StoreOperator {
 public:
  Aggregation(plan::OperatorPtr node, OutputMode mode, StateEnvironment environment, Keys keys,
              AggregateProgram program)
      : StoreOperator("stateStoreSave", std::move(node), mode, std::move(environment)),
        keys_(std::move(keys)),
        program_(std::move(program)),
        value_schema_(program_.state_schema()) {
    std::vector<columnar::Field> fields;
    for (size_t i = 0; i < keys_.types.size(); ++i) {
      fields.push_back(columnar::make_field(
          i < keys_.programs.size() ? node_->columns[i].name : "spark_grouping_id",
          keys_.types[i]));
    }
    if (fields.empty())
      fields.push_back(columnar::make_field("group", DataType::of(TypeKind::kBoolean)));
    key_schema_ = Schema::structure(std::move(fields));
    if (value_schema_.fields().empty())  // DISTINCT: a value has to be something
      value_schema_ =
          Schema::structure({columnar::make_field("seen", DataType::of(TypeKind::kBoolean))});
  }

  std::string identity() const override {
    return fmt::format("aggregate keys {} states {} event time {}",
                       columnar::schema_to_ddl(key_schema_),
                       columnar::schema_to_ddl(program_.state_schema()),
                       keys_.event < 0 ? std::string("none")
                                       : node_->columns[static_cast<size_t>(keys_.event)].name);
  }

  Result<std::unique_ptr<Collector>> collector(int) override {
    class Own final : public Collector {
     public:
      Own(GroupedRows& rows, std::atomic<int64_t>& dropped) : rows_(rows), dropped_(dropped) {}
      Result<void> add(const BatchPtr& rows) override {
        WEIR_ASSIGN(const auto late, rows_.add(rows));
        if (late > 0) dropped_ += late;
        return {};
      }

     private:
      GroupedRows& rows_;
      std::atomic<int64_t>& dropped_;
    };
    const std::lock_guard lock(mutex_);
    parts_.push_back(
        std::make_unique<GroupedRows>(keys_, program_, run_, mode_ != OutputMode::kComplete));
    return std::unique_ptr<Collector>(std::make_unique<Own>(*parts_.back(), dropped_));
  }

  Result<void> finish(const Output& output) override {
    {
      const Stopwatch watch(metrics_.update_us);
      WEIR_TRY(merge(output));
    }
    const Stopwatch watch(metrics_.removal_us);
    if (mode_ == OutputMode::kComplete) return give_all(output);
    if (!evicts() || run_.eviction_us == kNoWatermark) return {};
    Rows gone;
    for (int shard = 0; shard < store().shards(); ++shard) {
      const bool gives = mode_ == OutputMode::kAppend;
      WEIR_TRY(store().shard(shard).evict_below(
          eviction_bound(run_.eviction_us),
          gives ? state::RowVisitor([&](std::span<const state::StateRow> rows) -> Result<void> {
            return take(rows, gone, output);
          })
                : state::RowVisitor()));
    }
    return flush(gone, output);
  }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    state::StoreSpec spec{.identity = identity(), .key = key_schema_, .value = value_schema_};
    if (keys_.event >= 0) {
      spec.time = state::TimeBuckets::kOfKey;
      spec.bucket_width_us = kBucketUs;
    }
    return {spec};
  }
  void drop_collectors() override { parts_.clear(); }
  bool evicts() const override { return keys_.event >= 0 && mode_ != OutputMode::kComplete; }

 private:
  // Encoded rows of the state on their way out.
  struct Rows {
    std::vector<std::string> keys, values;
  };

  Result<void> merge(const Output& output) {
    const auto parts = std::move(parts_);
    parts_.clear();
    std::unique_ptr<GroupedRows> none;
    GroupedRows* all = parts.empty() ? nullptr : parts[0].get();
    if (!all) {
      if (!keys_.programs.empty()) return {};
      none = std::make_unique<GroupedRows>(keys_, program_, run_, false);
      all = none.get();
    }
    for (size_t i = 1; i < parts.size(); ++i)
      WEIR_TRY(all->join(*parts[i]));
    all->add_empty_group();
    if (all->groups() == 0) return {};
    WEIR_ASSIGN(auto keys, all->key_columns());
    if (keys.empty()) {
      eval::BoolWriter group(1);
      group.set(0, true);
      keys.push_back(group.finish());
    }
    // In the order of the keys, so that the number of threads decides nothing.
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(key_schema_));
    state::EncodedRows encoded;
    WEIR_TRY(encoder.encode(keys, encoded));
    std::vector<int64_t> order(static_cast<size_t>(encoded.rows()));
    for (size_t i = 0; i < order.size(); ++i)
      order[i] = static_cast<int64_t>(i);
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return encoded.at(a) < encoded.at(b); });
    WEIR_ASSIGN(auto states, all->states().states());
    for (auto& column : keys) {
      WEIR_ASSIGN(column, eval::pick(column, order));
    }
    for (auto& column : states) {
      WEIR_ASSIGN(column, eval::pick(column, order));
    }
    WEIR_TRY(encoder.encode(keys, encoded));
    return apply(keys, states, encoded, output);
  }

  // Merges the new states behind those of the store and puts them there.
  Result<void> apply(const std::vector<ArrayPtr>& keys, const std::vector<ArrayPtr>& fresh,
                     const state::EncodedRows& encoded, const Output& output) {
    state::RowsByShard split;
    state::split_by_shard(encoded, store().shards(), split);
    std::vector<int64_t> times;
    if (keys_.event >= 0) WEIR_TRY(event_times(*keys[static_cast<size_t>(keys_.event)], times));
    std::vector<std::string_view> known;
    std::vector<uint32_t> known_rows;
    std::vector<state::FoundValues> found(static_cast<size_t>(store().shards()));
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto rows = split.of(shard);
      if (rows.empty()) continue;
      auto& values = found[static_cast<size_t>(shard)];
      WEIR_TRY(store().shard(shard).get(encoded, rows, times, values));
      for (size_t i = 0; i < rows.size(); ++i) {
        if (!values.values[i].data()) continue;
        known.push_back(values.values[i]);
        known_rows.push_back(rows[i]);
      }
    }
    auto merged = program_.make(run_.eval);
    merged.resize(encoded.rows());
    if (!known.empty()) {
      WEIR_ASSIGN(const auto old, decode(known));
      WEIR_TRY(merged.merge(old, known_rows));
    }
    WEIR_TRY(merged.merge(fresh, counted(encoded.rows())));
    WEIR_ASSIGN(auto states, merged.states());
    if (states.empty()) {
      eval::BoolWriter seen(encoded.rows());
      for (int64_t row = 0; row < encoded.rows(); ++row)
        seen.set(row, true);
      states.push_back(seen.finish());
    }
    WEIR_ASSIGN(auto encoder, state::ValueEncoder::make(value_schema_));
    state::EncodedRows values;
    WEIR_TRY(encoder.encode(states, values));
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto rows = split.of(shard);
      if (!rows.empty()) WEIR_TRY(store().shard(shard).put(encoded, values, rows, times));
    }
    if (mode_ != OutputMode::kUpdate) return {};
    return give_groups(keys, merged, output);
  }

  Result<std::vector<ArrayPtr>> decode(std::span<const std::string_view> values) const {
    WEIR_ASSIGN(auto states, state::decode_values(value_schema_, values));
    if (program_.state_schema().fields().empty()) states.clear();
    return states;
  }

  Result<void> give_groups(std::vector<ArrayPtr> keys, AggregateStates& states,
                           const Output& output) {
    WEIR_ASSIGN(const auto results, states.finish());
    ArrayPtr id;
    if (!keys_.sets.empty()) {
      id = keys.back();
      keys.pop_back();
    }
    if (keys_.programs.empty()) keys.clear();
    keys.insert(keys.end(), results.begin(), results.end());
    if (id) keys.push_back(id);
    return give(output, std::move(keys));
  }

  Result<void> give_all(const Output& output) {
    Rows rows;
    for (int shard = 0; shard < store().shards(); ++shard) {
      WEIR_TRY(store().shard(shard).scan(
          state::kTimeMin, state::kTimeMax,
          [&](std::span<const state::StateRow> some) { return take(some, rows, output); }));
    }
    return flush(rows, output);
  }

  Result<void> take(std::span<const state::StateRow> some, Rows& rows, const Output& output) {
    for (const auto& row : some) {
      rows.keys.emplace_back(row.key);
      rows.values.emplace_back(row.value);
    }
    if (rows.keys.size() < 65536) return {};
    return flush(rows, output);
  }

  Result<void> flush(Rows& rows, const Output& output) {
    if (rows.keys.empty()) return {};
    const std::vector<std::string_view> key_views(rows.keys.begin(), rows.keys.end());
    const std::vector<std::string_view> value_views(rows.values.begin(), rows.values.end());
    WEIR_ASSIGN(auto keys, state::decode_keys(key_schema_, key_views));
    WEIR_ASSIGN(const auto values, decode(value_views));
    auto states = program_.make(run_.eval);
    const auto count = static_cast<int64_t>(rows.keys.size());
    states.resize(count);
    WEIR_TRY(states.merge(values, counted(count)));
    WEIR_TRY(give_groups(std::move(keys), states, output));
    rows.keys.clear();
    rows.values.clear();
    return {};
  }

  Keys keys_;
  AggregateProgram program_;
  Schema value_schema_;
  Schema key_schema_ = Schema::structure({});
  std::mutex mutex_;
  std::vector<std::unique_ptr<GroupedRows>> parts_;
};

}  // namespace

Result<std::unique_ptr<StatefulOperator>> make_aggregation(const plan::OperatorPtr& node,
                                                           OutputMode mode,
                                                           StateEnvironment environment) {
  const auto& aggregate = std::get<plan::op::Aggregate>(node->node);
  const auto below = event_time_columns(*aggregate.child);
  Keys keys;
  for (size_t i = 0; i < aggregate.keys.size(); ++i) {
    const auto& key = aggregate.keys[i];
    WEIR_ASSIGN(auto program, eval::compile(key));
    keys.programs.push_back(std::move(program));
    keys.types.push_back(key->type);
    if (keys.event < 0 && is_event_time(*key, below)) keys.event = static_cast<int>(i);
  }
  for (const auto& set : aggregate.sets) {
    std::vector<bool> has(aggregate.keys.size(), false);
    for (const int key : set)
      has[static_cast<size_t>(key)] = true;
    if (keys.event >= 0 && !has[static_cast<size_t>(keys.event)]) keys.event = -1;
    keys.sets.push_back(std::move(has));
  }
  if (!aggregate.sets.empty()) keys.types.push_back(DataType::of(TypeKind::kLong));
  if (mode == OutputMode::kAppend && keys.event < 0) {
    return base::error(base::ErrorKind::kUnsupported,
                       "Invalid streaming output mode: append. This output mode is not supported "
                       "for streaming aggregations without watermark on streaming "
                       "DataFrames/DataSets. SQLSTATE: 42KDE")
        .with_class("STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION")
        .with_sql_state("42KDE")
        .with_parameter("outputMode", "append")
        .with_parameter("operation", "streaming aggregations without watermark");
  }
  WEIR_ASSIGN(auto program,
              AggregateProgram::compile(aggregate.aggregates, aggregate_context(environment)));
  return std::unique_ptr<StatefulOperator>(std::make_unique<Aggregation>(
      node, mode, std::move(environment), std::move(keys), std::move(program)));
}

}  // namespace weir::operators
