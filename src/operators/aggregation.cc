#include "operators/aggregation.h"

#include <algorithm>
#include <functional>
#include <utility>

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
#include "state/shard_threads.h"

namespace weir::operators {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using eval::AggregateProgram;
using eval::AggregateStates;

constexpr int64_t kBucketUs = 60'000'000;

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
    const std::lock_guard lock(mutex_);
    parts_.push_back(
        std::make_unique<GroupedRows>(keys_, program_, run_, mode_ != OutputMode::kComplete));
    return std::unique_ptr<Collector>(std::make_unique<GroupCollector>(*parts_.back(), dropped_));
  }

  Result<void> finish(const Output& output) override {
    {
      const Stopwatch watch(metrics_.update_us);
      WEIR_TRY(merge(output));
    }
    const Stopwatch watch(metrics_.removal_us);
    if (mode_ == OutputMode::kComplete) return give_all(output);
    if (!evicts() || run_.eviction_us == kNoWatermark) return {};
    const int64_t bound = eviction_bound(run_.eviction_us);
    if (mode_ != OutputMode::kAppend)
      return state::for_each_shard(store().shards(), threads_if(is_large()), [&](int shard) {
        return store().shard(shard).evict_below(bound, {});
      });
    return give_rows(
        [&](int shard, const state::RowVisitor& take) {
          return store().shard(shard).evict_below(bound, take);
        },
        output);
  }

  bool waits_for_event_time() const override { return mode_ != OutputMode::kComplete; }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    state::StoreSpec spec{.identity = identity(), .key = key_schema_, .value = value_schema_};
    spec.kind = aggregates_in_words(std::get<plan::op::Aggregate>(node_->node));
    if (keys_.event >= 0) {
      spec.kind += fmt::format(", event time in key {}", keys_.event);
      spec.time = state::TimeBuckets::kOfKey;
      spec.bucket_width_us = kBucketUs;
    }
    return {spec};
  }
  void drop_collectors() override { parts_.clear(); }
  bool evicts() const { return keys_.event >= 0 && mode_ != OutputMode::kComplete; }

 private:
  // Encoded rows of the state on their way out.
  struct Rows {
    std::vector<std::string> keys, values;
  };

  // A worker thread's groups, ready for the state.
  struct PartGroups {
    std::vector<ArrayPtr> states;
    std::vector<int64_t> times;
    state::EncodedRows keys;
    state::RowsByShard split;
  };
  struct PartRow {
    uint32_t part;
    uint32_t row;
  };

  Result<void> merge(const Output& output) {
    auto parts = std::exchange(parts_, {});
    if (keys_.programs.empty()) {
      if (parts.empty())
        parts.push_back(std::make_unique<GroupedRows>(keys_, program_, run_, false));
      parts[0]->add_empty_group();
    }
    int64_t count = 0;
    for (const auto& part : parts)
      count += part->groups();
    if (count == 0) return {};
    const bool many = is_many(count);
    std::vector<PartGroups> groups(parts.size());
    WEIR_TRY(state::for_each_shard(static_cast<int>(parts.size()), threads_if(many), [&](int i) {
      const auto part = std::move(parts[static_cast<size_t>(i)]);
      return read_part(*part, groups[static_cast<size_t>(i)]);
    }));
    // Few groups: in the order of the keys; many: shard by shard. The number of threads decides
    // nothing.
    if (!many) {
      std::vector<PartRow> rows;
      for (uint32_t part = 0; part < groups.size(); ++part)
        for (uint32_t row = 0; row < groups[part].keys.rows(); ++row)
          rows.push_back({part, row});
      return apply(groups, std::move(rows), output);
    }
    return give_by_shard(
        [&](int shard, const Output& own) -> Result<void> {
          std::vector<PartRow> rows;
          for (uint32_t part = 0; part < groups.size(); ++part)
            for (const uint32_t row : groups[part].split.of(shard))
              rows.push_back({part, row});
          return rows.empty() ? Result<void>() : apply(groups, std::move(rows), own);
        },
        output);
  }

  Result<void> read_part(GroupedRows& rows, PartGroups& part) const {
    part.split.begin.assign(static_cast<size_t>(store().shards()) + 1, 0);
    if (rows.groups() == 0) return {};
    WEIR_ASSIGN(auto keys, rows.key_columns());
    if (keys.empty()) {
      eval::BoolWriter group(1);
      group.set(0, true);
      keys.push_back(group.finish());
    }
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(key_schema_));
    WEIR_TRY(encoder.encode(keys, part.keys));
    if (keys_.event >= 0)
      WEIR_TRY(event_times(*keys[static_cast<size_t>(keys_.event)], part.times));
    state::split_by_shard(part.keys, store().shards(), part.split);
    WEIR_ASSIGN(part.states, rows.states().states());
    return {};
  }

  // work(shard, output) for all shards, by several threads; the output in the shards' order.
  Result<void> give_by_shard(const std::function<Result<void>(int, const Output&)>& work,
                             const Output& output) {
    std::vector<std::vector<BatchPtr>> given(static_cast<size_t>(store().shards()));
    WEIR_TRY(state::for_each_shard(store().shards(), environment_.threads, [&](int shard) {
      return work(shard, [&](const BatchPtr& rows) -> Result<void> {
        given[static_cast<size_t>(shard)].push_back(rows);
        return {};
      });
    }));
    for (const auto& some : given)
      for (const auto& rows : some)
        WEIR_TRY(output(rows));
    return {};
  }

  // Merges the new states behind those of the store and puts them there. All rows of a group are
  // among `rows`.
  Result<void> apply(const std::vector<PartGroups>& parts, std::vector<PartRow> rows,
                     const Output& output) {
    const auto key_of = [&](const PartRow& row) { return parts[row.part].keys.at(row.row); };
    std::sort(rows.begin(), rows.end(), [&](const PartRow& a, const PartRow& b) {
      const int order = key_of(a).compare(key_of(b));
      return order != 0 ? order < 0 : a.part < b.part;
    });
    state::EncodedRows keys;
    std::vector<int64_t> times;
    std::vector<std::vector<int64_t>> fresh_rows(parts.size());
    std::vector<std::vector<uint32_t>> fresh_groups(parts.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& part = parts[rows[i].part];
      if (i == 0 || key_of(rows[i]) != key_of(rows[i - 1])) {
        keys.add_key_of(part.keys, rows[i].row);
        if (keys_.event >= 0) times.push_back(part.times[rows[i].row]);
      }
      fresh_rows[rows[i].part].push_back(rows[i].row);
      fresh_groups[rows[i].part].push_back(static_cast<uint32_t>(keys.rows() - 1));
    }
    state::RowsByShard split;
    state::split_by_shard(keys, store().shards(), split);
    auto merged = program_.make(run_.eval);
    merged.resize(keys.rows());
    WEIR_TRY(merge_known(keys, split, times, merged));
    for (size_t part = 0; part < parts.size(); ++part) {
      if (fresh_rows[part].empty()) continue;
      std::vector<ArrayPtr> states;
      for (const auto& column : parts[part].states) {
        WEIR_ASSIGN(auto picked, eval::pick(column, fresh_rows[part]));
        states.push_back(std::move(picked));
      }
      WEIR_TRY(merged.merge(states, fresh_groups[part]));
    }
    WEIR_ASSIGN(auto states, merged.states());
    if (states.empty()) {
      eval::BoolWriter seen(keys.rows());
      for (int64_t row = 0; row < keys.rows(); ++row)
        seen.set(row, true);
      states.push_back(seen.finish());
    }
    WEIR_ASSIGN(auto encoder, state::ValueEncoder::make(value_schema_));
    state::EncodedRows values;
    WEIR_TRY(encoder.encode(states, values));
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto of_shard = split.of(shard);
      if (!of_shard.empty()) WEIR_TRY(store().shard(shard).put(keys, values, of_shard, times));
    }
    if (mode_ != OutputMode::kUpdate) return {};
    std::vector<std::string_view> views;
    for (int64_t row = 0; row < keys.rows(); ++row)
      views.push_back(keys.at(row));
    WEIR_ASSIGN(auto columns, state::decode_keys(key_schema_, views));
    return give_groups(std::move(columns), merged, output);
  }

  Result<void> merge_known(const state::EncodedRows& keys, const state::RowsByShard& split,
                           const std::vector<int64_t>& times, AggregateStates& merged) {
    std::vector<std::string_view> known;
    std::vector<uint32_t> known_rows;
    std::vector<state::FoundValues> found(static_cast<size_t>(store().shards()));
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto rows = split.of(shard);
      if (rows.empty()) continue;
      auto& values = found[static_cast<size_t>(shard)];
      WEIR_TRY(store().shard(shard).get(keys, rows, times, values));
      for (size_t i = 0; i < rows.size(); ++i) {
        if (!values.values[i].data()) continue;
        known.push_back(values.values[i]);
        known_rows.push_back(rows[i]);
      }
    }
    if (known.empty()) return {};
    WEIR_ASSIGN(const auto old, decode(known));
    return merged.merge(old, known_rows);
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
    return give_rows(
        [&](int shard, const state::RowVisitor& take) {
          return store().shard(shard).scan(state::kTimeMin, state::kTimeMax, take);
        },
        output);
  }

  // Groups for the rows of the state that visit(shard, take) shows. A large state by several
  // threads, shard by shard.
  Result<void> give_rows(const std::function<Result<void>(int, const state::RowVisitor&)>& visit,
                         const Output& output) {
    const auto visit_into = [&](int shard, Rows& rows, const Output& to) {
      return visit(shard, [&](std::span<const state::StateRow> some) -> Result<void> {
        return take(some, rows, to);
      });
    };
    if (is_large())
      return give_by_shard(
          [&](int shard, const Output& own) -> Result<void> {
            Rows rows;
            WEIR_TRY(visit_into(shard, rows, own));
            return flush(rows, own);
          },
          output);
    Rows rows;
    for (int shard = 0; shard < store().shards(); ++shard)
      WEIR_TRY(visit_into(shard, rows, output));
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
