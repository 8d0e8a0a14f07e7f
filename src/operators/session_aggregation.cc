#include "operators/session_aggregation.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "eval/list_rows.h"
#include "eval/node.h"
#include "operators/grouped_rows.h"
#include "plan/session_windows.h"
#include "state/row_codec.h"

namespace weir::operators {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using eval::AggregateProgram;
using eval::AggregateStates;

constexpr int64_t kBucketUs = 60'000'000;

Result<ArrayPtr> part_of(const ArrayPtr& sessions, int index) {
  WEIR_ARROW_ASSIGN(auto made,
                    static_cast<const arrow::StructArray&>(*sessions).GetFlattenedField(index));
  return made;
}

std::vector<int64_t> values_of(const ArrayPtr& times) {
  const eval::Vector vector{times, false};
  const eval::FixedReader<int64_t> reader(vector);
  std::vector<int64_t> made(static_cast<size_t>(times->length()));
  for (size_t i = 0; i < made.size(); ++i)
    made[i] = reader[static_cast<int64_t>(i)];
  return made;
}

ArrayPtr times_of(const std::vector<int64_t>& values,
                  const std::shared_ptr<arrow::DataType>& type) {
  eval::FixedWriter<int64_t> writer(static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i)
    writer.set(static_cast<int64_t>(i), values[i]);
  return writer.finish(type);
}

Result<ArrayPtr> behind(const ArrayPtr& first, const ArrayPtr& second) {
  if (second->length() == 0) return first;
  if (first->length() == 0) return second;
  WEIR_ASSIGN(const auto plain, eval::canonical(first, second->type()));
  WEIR_ARROW_ASSIGN(auto made, arrow::Concatenate({plain, second}));
  return made;
}

class SessionAggregation final : public StoreOperator {
 public:
  SessionAggregation(plan::OperatorPtr node, OutputMode mode, StateEnvironment environment,
                     Keys keys, AggregateProgram program)
      : StoreOperator("sessionWindowStateStoreSaveExec", std::move(node), mode,
                      std::move(environment)),
        keys_(std::move(keys)),
        session_(static_cast<size_t>(keys_.event)),
        time_(keys_.types[session_].fields()[0].type()),
        program_(std::move(program)) {
    std::vector<columnar::Field> fields;
    for (size_t i = 0; i < keys_.types.size(); ++i) {
      if (i != session_)
        fields.push_back(columnar::make_field(node_->columns[i].name, keys_.types[i]));
    }
    prefix_schema_ = Schema::structure(fields);
    fields.push_back(columnar::make_field("start", time_));
    key_schema_ = Schema::structure(std::move(fields));
    fields = {columnar::make_field("end", time_)};
    for (const auto& field : program_.state_schema().fields())
      fields.push_back(field);
    value_schema_ = Schema::structure(std::move(fields));
  }

  std::string identity() const override {
    return fmt::format("sessions of {} keys {} states {}", node_->columns[session_].name,
                       columnar::schema_to_ddl(prefix_schema_),
                       columnar::schema_to_ddl(program_.state_schema()));
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
      WEIR_TRY(merge());
    }
    const Stopwatch watch(metrics_.removal_us);
    Kept kept;
    const auto take = [&](std::span<const state::StateRow> rows) -> Result<void> {
      for (const auto& row : rows) {
        kept.keys.emplace_back(row.key);
        kept.values.emplace_back(row.value);
      }
      return kept.keys.size() < 65536 ? Result<void>() : flush(kept, output);
    };
    for (int shard = 0; shard < store().shards(); ++shard) {
      if (mode_ == OutputMode::kComplete) {
        WEIR_TRY(store().shard(shard).scan(state::kTimeMin, state::kTimeMax, take));
      } else if (run_.eviction_us != kNoWatermark) {
        WEIR_TRY(store().shard(shard).evict_below(eviction_bound(run_.eviction_us), take));
      }
    }
    return flush(kept, output);
  }

  bool waits_for_event_time() const override { return mode_ != OutputMode::kComplete; }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    state::StoreSpec spec{.identity = identity(), .key = key_schema_, .value = value_schema_};
    spec.kind = aggregates_in_words(std::get<plan::op::Aggregate>(node_->node));
    spec.prefix_columns = static_cast<int>(prefix_schema_.fields().size());
    spec.layout = state::Layout::kOrdered;
    spec.time = state::TimeBuckets::kOfRow;
    spec.bucket_width_us = kBucketUs;
    return {spec};
  }
  void drop_collectors() override { parts_.clear(); }

 private:
  struct Kept {
    std::vector<std::string> keys, values;
  };
  // Sessions, of the state first and then of the batch, by column.
  struct Sessions {
    std::vector<ArrayPtr> keys;  // without the session
    std::vector<int64_t> starts, ends;
    std::vector<ArrayPtr> states;
    std::vector<uint32_t> group;  // of each: its keys' number among those of the batch
  };

  // The batch's groups, joined; null where there are none.
  Result<std::unique_ptr<GroupedRows>> joined() {
    auto parts = std::move(parts_);
    parts_.clear();
    std::unique_ptr<GroupedRows> all;
    for (auto& part : parts) {
      if (!all) {
        all = std::move(part);
      } else {
        WEIR_TRY(all->join(*part));
      }
    }
    if (all && all->groups() == 0) all.reset();
    return all;
  }

  Result<void> merge() {
    WEIR_ASSIGN(const auto all, joined());
    if (!all) return {};
    WEIR_ASSIGN(auto columns, all->key_columns());
    const auto session = columns[session_];
    columns.erase(columns.begin() + static_cast<long>(session_));
    WEIR_ASSIGN(const auto starts, part_of(session, 0));
    WEIR_ASSIGN(const auto ends, part_of(session, 1));
    WEIR_ASSIGN(auto fresh, all->states().states());

    // Each of the keys once.
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(prefix_schema_));
    state::EncodedRows prefixes;
    WEIR_TRY(encoder.encode(columns, prefixes));
    std::vector<uint32_t> order(static_cast<size_t>(prefixes.rows()));
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return prefixes.at(a) < prefixes.at(b); });
    std::vector<uint32_t> group(order.size());
    std::vector<int64_t> firsts;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == 0 || prefixes.at(order[i]) != prefixes.at(order[i - 1])) firsts.push_back(order[i]);
      group[order[i]] = static_cast<uint32_t>(firsts.size() - 1);
    }

    Kept old;
    Sessions sessions;
    WEIR_TRY(find_old(columns, firsts, old, sessions));
    for (size_t c = 0; c < columns.size(); ++c) {
      WEIR_ASSIGN(sessions.keys[c], behind(sessions.keys[c], columns[c]));
    }
    for (size_t c = 0; c < fresh.size(); ++c) {
      WEIR_ASSIGN(sessions.states[c], behind(sessions.states[c], fresh[c]));
    }
    const auto more = [](std::vector<int64_t>& all_times, const std::vector<int64_t>& times) {
      all_times.insert(all_times.end(), times.begin(), times.end());
    };
    more(sessions.starts, values_of(starts));
    more(sessions.ends, values_of(ends));
    sessions.group.insert(sessions.group.end(), group.begin(), group.end());
    return put_merged(sessions, old);
  }

  // The sessions in the state of the keys that the batch has.
  Result<void> find_old(const std::vector<ArrayPtr>& columns, const std::vector<int64_t>& firsts,
                        Kept& old, Sessions& sessions) {
    std::vector<ArrayPtr> wanted;
    for (const auto& column : columns) {
      WEIR_ASSIGN(auto picked, eval::pick(column, firsts));
      wanted.push_back(std::move(picked));
    }
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(prefix_schema_));
    state::EncodedRows prefixes;
    WEIR_TRY(encoder.encode(wanted, prefixes));
    state::RowsByShard split;
    state::split_by_shard(prefixes, store().shards(), split);
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto rows = split.of(shard);
      if (rows.empty()) continue;
      WEIR_TRY(store().shard(shard).scan_prefixes(
          prefixes, rows, state::kTimeMin, state::kTimeMax,
          [&](uint32_t row, std::span<const state::StateRow> found) -> Result<void> {
            for (const auto& one : found) {
              old.keys.emplace_back(one.key);
              old.values.emplace_back(one.value);
              sessions.group.push_back(row);
            }
            return {};
          }));
    }
    WEIR_TRY(decode(old, sessions));
    return {};
  }

  Result<void> decode(const Kept& kept, Sessions& sessions) const {
    const std::vector<std::string_view> key_views(kept.keys.begin(), kept.keys.end());
    const std::vector<std::string_view> value_views(kept.values.begin(), kept.values.end());
    WEIR_ASSIGN(sessions.keys, state::decode_keys(key_schema_, key_views));
    WEIR_ASSIGN(sessions.states, state::decode_values(value_schema_, value_views));
    sessions.starts = values_of(sessions.keys.back());
    sessions.keys.pop_back();
    sessions.ends = values_of(sessions.states.front());
    sessions.states.erase(sessions.states.begin());
    return {};
  }

  Result<void> put_merged(const Sessions& sessions, const Kept& old) {
    const auto known = static_cast<uint32_t>(old.keys.size());
    std::vector<uint32_t> order(sessions.starts.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return std::tuple(sessions.group[a], sessions.starts[a], a) <
             std::tuple(sessions.group[b], sessions.starts[b], b);
    });
    // Runs of sessions that touch; those with nothing of the batch stay as they are.
    std::vector<int64_t> picked, heads, starts, ends;
    std::vector<uint32_t> groups, gone;
    for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
      int64_t reach = sessions.ends[order[begin]];
      bool changed = false;
      for (end = begin; end < order.size(); ++end) {
        const auto one = order[end];
        if (sessions.group[one] != sessions.group[order[begin]] || sessions.starts[one] > reach)
          break;
        reach = std::max(reach, sessions.ends[one]);
        changed = changed || one >= known;
      }
      if (!changed) continue;
      const auto number = static_cast<uint32_t>(heads.size());
      heads.push_back(order[begin]);
      starts.push_back(sessions.starts[order[begin]]);
      ends.push_back(reach);
      for (size_t i = begin; i < end; ++i) {
        picked.push_back(order[i]);
        groups.push_back(number);
        if (order[i] < known && i > begin) gone.push_back(order[i]);
      }
    }
    WEIR_TRY(remove(old, gone));
    std::vector<ArrayPtr> states, keys;
    for (const auto& column : sessions.states) {
      WEIR_ASSIGN(auto made, eval::pick(column, picked));
      states.push_back(std::move(made));
    }
    for (const auto& column : sessions.keys) {
      WEIR_ASSIGN(auto made, eval::pick(column, heads));
      keys.push_back(std::move(made));
    }
    auto merged = program_.make(run_.eval);
    merged.resize(static_cast<int64_t>(heads.size()));
    WEIR_TRY(merged.merge(states, groups));
    WEIR_ASSIGN(auto values, merged.states());
    const auto type = columnar::to_arrow(time_);
    keys.push_back(times_of(starts, type));
    values.insert(values.begin(), times_of(ends, type));
    return put(keys, values, ends);
  }

  Result<void> put(const std::vector<ArrayPtr>& keys, const std::vector<ArrayPtr>& values,
                   const std::vector<int64_t>& times) {
    WEIR_ASSIGN(
        auto key_encoder,
        state::KeyEncoder::make(key_schema_, static_cast<int>(prefix_schema_.fields().size())));
    WEIR_ASSIGN(auto value_encoder, state::ValueEncoder::make(value_schema_));
    state::EncodedRows encoded_keys, encoded_values;
    WEIR_TRY(key_encoder.encode(keys, encoded_keys));
    WEIR_TRY(value_encoder.encode(values, encoded_values));
    state::RowsByShard split;
    state::split_by_shard(encoded_keys, store().shards(), split);
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto rows = split.of(shard);
      if (!rows.empty())
        WEIR_TRY(store().shard(shard).put(encoded_keys, encoded_values, rows, times));
    }
    return {};
  }

  Result<void> remove(const Kept& old, const std::vector<uint32_t>& gone) {
    if (gone.empty()) return {};
    std::vector<std::string_view> views;
    for (const auto one : gone)
      views.push_back(old.keys[one]);
    WEIR_ASSIGN(const auto columns, state::decode_keys(key_schema_, views));
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(
                                  key_schema_, static_cast<int>(prefix_schema_.fields().size())));
    state::EncodedRows keys;
    WEIR_TRY(encoder.encode(columns, keys));
    state::RowsByShard split;
    state::split_by_shard(keys, store().shards(), split);
    for (int shard = 0; shard < store().shards(); ++shard) {
      const auto rows = split.of(shard);
      if (!rows.empty()) WEIR_TRY(store().shard(shard).remove(keys, rows, {}));
    }
    return {};
  }

  Result<void> flush(Kept& kept, const Output& output) {
    if (kept.keys.empty()) return {};
    Sessions sessions;
    WEIR_TRY(decode(kept, sessions));
    const auto count = static_cast<int64_t>(kept.keys.size());
    auto states = program_.make(run_.eval);
    states.resize(count);
    WEIR_TRY(states.merge(sessions.states, counted(count)));
    WEIR_ASSIGN(const auto results, states.finish());
    const auto type = columnar::to_arrow(time_);
    const auto whole = columnar::to_arrow(keys_.types[session_]);
    const auto session = arrow::MakeArray(arrow::ArrayData::Make(
        whole, count, {nullptr},
        {times_of(sessions.starts, type)->data(), times_of(sessions.ends, type)->data()}, 0));
    auto columns = sessions.keys;
    columns.insert(columns.begin() + static_cast<long>(session_), session);
    columns.insert(columns.end(), results.begin(), results.end());
    kept = {};
    return give(output, std::move(columns));
  }

  Keys keys_;
  size_t session_;  // of the keys
  DataType time_;
  AggregateProgram program_;
  Schema prefix_schema_ = Schema::structure({});
  Schema key_schema_ = Schema::structure({});
  Schema value_schema_ = Schema::structure({});
  std::mutex mutex_;
  std::vector<std::unique_ptr<GroupedRows>> parts_;
};

base::Error unsupported(std::string_view what) {
  return base::error(base::ErrorKind::kUnsupported, "{}", what)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

}  // namespace

Result<std::unique_ptr<StatefulOperator>> make_session_aggregation(const plan::OperatorPtr& node,
                                                                   OutputMode mode,
                                                                   StateEnvironment environment) {
  const auto& aggregate = std::get<plan::op::Aggregate>(node->node);
  const auto below = event_time_columns(*aggregate.child);
  Keys keys;
  bool event = false;
  for (size_t i = 0; i < aggregate.keys.size(); ++i) {
    const auto& key = aggregate.keys[i];
    WEIR_ASSIGN(auto program, eval::compile(key));
    keys.programs.push_back(std::move(program));
    keys.types.push_back(key->type);
    if (keys.event >= 0 || !plan::is_session_key(*key, *aggregate.child)) continue;
    keys.event = static_cast<int>(i);
    event = is_event_time(*key, below);
  }
  if (!aggregate.sets.empty()) return unsupported("sessions in grouping sets over a stream");
  if (aggregate.keys.size() < 2)
    return base::error(base::ErrorKind::kInvalidArgument,
                       "Global aggregation with session window in streaming query is not "
                       "supported.")
        .with_class("_LEGACY_ERROR_TEMP_3068");
  if (mode == OutputMode::kUpdate || (mode == OutputMode::kAppend && !event)) {
    const std::string name = mode == OutputMode::kUpdate ? "update" : "append";
    const std::string operation = mode == OutputMode::kUpdate
                                      ? "session window streaming aggregations"
                                      : "streaming aggregations without watermark";
    return base::error(base::ErrorKind::kInvalidArgument,
                       "Invalid streaming output mode: {}. This output mode is not supported for "
                       "{} on streaming DataFrames/DataSets.",
                       name, operation)
        .with_class("STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION")
        .with_sql_state("42KDE")
        .with_parameter("outputMode", name)
        .with_parameter("operation", operation);
  }
  WEIR_ASSIGN(auto program,
              AggregateProgram::compile(aggregate.aggregates, aggregate_context(environment)));
  return std::unique_ptr<StatefulOperator>(std::make_unique<SessionAggregation>(
      node, mode, std::move(environment), std::move(keys), std::move(program)));
}

}  // namespace weir::operators
