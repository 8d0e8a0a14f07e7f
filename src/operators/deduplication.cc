#include "operators/deduplication.h"

#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/node.h"
#include "eval/row_codec.h"
#include "eval/vector.h"
#include "operators/event_time.h"
#include "operators/group_table.h"
#include "operators/store_operator.h"
#include "state/row_codec.h"
#include "state/shard_threads.h"

namespace weir::operators {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;

constexpr int64_t kBucketUs = 10'000'000;

struct DeduplicationPlan {
  std::vector<int> keys;
  int event = -1;      // column of the input by which rows are late
  int event_key = -1;  // the same as position in keys; -1: no key
  bool within = false;
  int64_t delay_us = 0;
};

// A worker thread's rows, the first of each key.
class FirstRows final : public Collector {
 public:
  struct Part {
    BatchPtr rows;
    std::vector<int64_t> times;
  };

  FirstRows(const DeduplicationPlan& plan, std::vector<DataType> types, int64_t late_us,
            std::atomic<int64_t>& dropped, std::vector<Part>& parts)
      : plan_(plan),
        codec_(std::move(types)),
        late_us_(late_us),
        dropped_(dropped),
        parts_(parts) {}

  Result<void> add(const BatchPtr& given) override {
    auto rows = given;
    std::vector<int64_t> times;
    if (plan_.event >= 0) {
      WEIR_TRY(event_times(*rows->column(plan_.event), times));
      WEIR_ASSIGN(const auto late, drop_late(times, late_us_, rows));
      dropped_ += late;
    }
    if (rows->num_rows() == 0) return {};
    std::vector<ArrayPtr> keys;
    for (const int key : plan_.keys)
      keys.push_back(rows->column(key));
    WEIR_TRY(codec_.encode(keys, rows->num_rows(), encoded_));
    auto next = static_cast<uint32_t>(table_.size());
    table_.find_or_add(encoded_, groups_);
    eval::BoolWriter first(rows->num_rows());
    size_t kept = 0;
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (groups_[i] != next) continue;
      ++next;
      first.set(static_cast<int64_t>(i), true);
      if (!times.empty()) times[kept] = times[i];
      ++kept;
    }
    if (kept == 0) return {};
    if (kept < groups_.size()) {
      times.resize(times.empty() ? 0 : kept);
      WEIR_ASSIGN(rows, eval::filter_rows(rows, *first.finish()));
    }
    parts_.push_back({std::move(rows), std::move(times)});
    return {};
  }

 private:
  const DeduplicationPlan& plan_;
  eval::RowCodec codec_;
  int64_t late_us_;
  std::atomic<int64_t>& dropped_;
  std::vector<Part>& parts_;
  GroupTable table_;
  eval::EncodedRows encoded_;
  std::vector<uint32_t> groups_;
};

class Deduplication final : public StoreOperator {
 public:
  Deduplication(plan::OperatorPtr node, OutputMode mode, StateEnvironment environment,
                DeduplicationPlan plan)
      : StoreOperator(plan.within ? "dedupeWithinWatermark" : "dedupe", std::move(node), mode,
                      std::move(environment)),
        plan_(std::move(plan)) {
    std::vector<columnar::Field> fields;
    for (const int key : plan_.keys) {
      const auto& column = node_->columns[static_cast<size_t>(key)];
      fields.push_back(columnar::make_field(column.name, column.type));
      types_.push_back(column.type);
    }
    key_schema_ = Schema::structure(std::move(fields));
  }

  std::string identity() const override {
    return fmt::format("{} keys {} event time {}", metrics_.name,
                       columnar::schema_to_ddl(key_schema_),
                       plan_.event < 0 ? std::string("none")
                                       : node_->columns[static_cast<size_t>(plan_.event)].name);
  }

  Result<std::unique_ptr<Collector>> collector(int) override {
    const std::lock_guard lock(mutex_);
    parts_.push_back(std::make_unique<std::vector<FirstRows::Part>>());
    return std::unique_ptr<Collector>(
        std::make_unique<FirstRows>(plan_, types_, run_.late_us, dropped_, *parts_.back()));
  }

  Result<void> finish(const Output& output) override {
    const auto parts = std::move(parts_);
    parts_.clear();
    {
      const Stopwatch watch(metrics_.update_us);
      std::vector<NewRows> all;
      for (const auto& part : parts)
        for (auto& one : *part)
          all.push_back({.part = std::move(one), .keys = {}, .split = {}, .is_new = {}});
      WEIR_TRY(pass_new(all, output));
    }
    if (!evicts() || run_.eviction_us == kNoWatermark) return {};
    const Stopwatch watch(metrics_.removal_us);
    return state::for_each_shard(store().shards(), threads_if(is_large()), [&](int shard) {
      return store().shard(shard).evict_below(eviction_bound(run_.eviction_us), {});
    });
  }

  // Spark does not ask whether the event time is among the keys.
  bool waits_for_event_time() const override { return true; }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    state::StoreSpec spec{.identity = identity(), .key = key_schema_, .value = value_schema()};
    if (plan_.event_key >= 0) spec.kind = fmt::format("event time in key {}", plan_.event_key);
    if (evicts()) {
      spec.time = plan_.within ? state::TimeBuckets::kOfRow : state::TimeBuckets::kOfKey;
      spec.bucket_width_us = kBucketUs;
    }
    return {spec};
  }
  void drop_collectors() override { parts_.clear(); }
  bool evicts() const { return plan_.within || plan_.event_key >= 0; }

 private:
  // A collector's rows on their way through the state.
  struct NewRows {
    FirstRows::Part part;
    state::EncodedRows keys;
    state::RowsByShard split;
    std::vector<uint8_t> is_new;
  };

  // Rows whose key the state does not have go there and on, the first of each key. Many rows by
  // several threads; the order of what is given and kept is that of the rows in any case.
  Result<void> pass_new(std::vector<NewRows>& all, const Output& output) {
    int64_t count = 0;
    for (const auto& one : all)
      count += one.part.rows->num_rows();
    const int threads = threads_if(is_many(count));
    const auto batches = static_cast<int>(all.size());
    WEIR_TRY(state::for_each_shard(batches, threads,
                                   [&](int i) { return encode(all[static_cast<size_t>(i)]); }));
    int64_t longest = 0;
    for (const auto& one : all)
      longest = std::max(longest, one.keys.rows());
    state::EncodedRows values;  // one and the same for all rows
    WEIR_TRY(encode_seen(longest, values));
    const auto of_shard = [&](int shard) -> Result<void> {
      for (auto& one : all)
        WEIR_TRY(keep_new(one, shard, values));
      return {};
    };
    WEIR_TRY(state::for_each_shard(store().shards(), threads, of_shard));
    std::vector<BatchPtr> kept(all.size());
    WEIR_TRY(state::for_each_shard(batches, threads, [&](int i) {
      return pick_new(all[static_cast<size_t>(i)], kept[static_cast<size_t>(i)]);
    }));
    for (const auto& rows : kept)
      if (rows) WEIR_TRY(give(output, rows->columns()));
    return {};
  }

  Result<void> encode(NewRows& one) const {
    const auto& rows = *one.part.rows;
    std::vector<ArrayPtr> columns;
    for (const int key : plan_.keys) {
      WEIR_ASSIGN(auto plain,
                  eval::canonical(rows.column(key), columnar::to_arrow(types_[columns.size()])));
      columns.push_back(std::move(plain));
    }
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(key_schema_));
    WEIR_TRY(encoder.encode(columns, one.keys));
    state::split_by_shard(one.keys, store().shards(), one.split);
    one.is_new.assign(static_cast<size_t>(rows.num_rows()), 0);
    if (!evicts()) one.part.times.clear();
    if (plan_.within) {
      for (auto& time : one.part.times) {
        if (time < kNeverLate - plan_.delay_us) time += plan_.delay_us;
      }
    }
    return {};
  }

  static Result<void> encode_seen(int64_t rows, state::EncodedRows& values) {
    eval::BoolWriter seen(rows);
    for (int64_t row = 0; row < rows; ++row)
      seen.set(row, true);
    const std::vector<ArrayPtr> flags{seen.finish()};
    WEIR_ASSIGN(auto encoder, state::ValueEncoder::make(value_schema()));
    return encoder.encode(flags, values);
  }

  Result<void> keep_new(NewRows& one, int shard, const state::EncodedRows& values) {
    const auto of_shard = one.split.of(shard);
    if (of_shard.empty()) return {};
    const std::span<const int64_t> of_key =
        plan_.within ? std::span<const int64_t>() : std::span<const int64_t>(one.part.times);
    state::FoundValues found;
    WEIR_TRY(store().shard(shard).get(one.keys, of_shard, of_key, found));
    std::vector<uint32_t> fresh;
    for (size_t i = 0; i < of_shard.size(); ++i) {
      if (found.values[i].data()) continue;
      fresh.push_back(of_shard[i]);
      one.is_new[of_shard[i]] = 1;
    }
    if (fresh.empty()) return {};
    return store().shard(shard).put(one.keys, values, fresh, one.part.times);
  }

  static Result<void> pick_new(NewRows& one, BatchPtr& kept) {
    const auto count = std::count(one.is_new.begin(), one.is_new.end(), 1);
    if (count == 0) return {};
    kept = std::move(one.part.rows);
    if (count == kept->num_rows()) return {};
    eval::BoolWriter flags(kept->num_rows());
    for (size_t row = 0; row < one.is_new.size(); ++row)
      flags.set(static_cast<int64_t>(row), one.is_new[row] != 0);
    WEIR_ASSIGN(kept, eval::filter_rows(kept, *flags.finish()));
    return {};
  }

  static Schema value_schema() {
    return Schema::structure({columnar::make_field("seen", DataType::of(TypeKind::kBoolean))});
  }

  DeduplicationPlan plan_;
  std::vector<DataType> types_;
  Schema key_schema_ = Schema::structure({});
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::vector<FirstRows::Part>>> parts_;
};

// The longest delay of the watermarks below.
int64_t delay_below(const plan::Operator& node) {
  int64_t most = 0;
  if (const auto* watermark = std::get_if<plan::op::Watermark>(&node.node)) {
    constexpr int64_t kMonthUs = 31LL * 86'400'000'000;  // as Spark counts a month of a watermark
    most = watermark->delay_us + watermark->delay_months * kMonthUs;
  }
  for (const auto& child : plan::children_of(node))
    most = std::max(most, delay_below(*child));
  return most;
}

}  // namespace

Result<std::unique_ptr<StatefulOperator>> make_deduplication(const plan::OperatorPtr& node,
                                                             OutputMode mode,
                                                             StateEnvironment environment) {
  DeduplicationPlan plan;
  const auto& chosen = std::get<plan::op::Deduplicate>(node->node);
  plan.keys = chosen.keys;
  plan.within = chosen.within_watermark;
  const auto& child = chosen.child;
  const auto events = event_time_columns(*child);
  for (size_t k = 0; k < plan.keys.size(); ++k) {
    if (plan.event_key >= 0 || !events[static_cast<size_t>(plan.keys[k])]) continue;
    plan.event_key = static_cast<int>(k);
    plan.event = plan.keys[k];
  }
  for (size_t i = 0; i < events.size() && plan.event < 0; ++i) {
    if (events[i]) plan.event = static_cast<int>(i);
  }
  if (plan.within && plan.event < 0) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "dropDuplicatesWithinWatermark is not supported on streaming "
                       "DataFrames/DataSets without watermark")
        .with_class("_LEGACY_ERROR_TEMP_3102");
  }
  if (plan.within) plan.delay_us = delay_below(*child);
  return std::unique_ptr<StatefulOperator>(
      std::make_unique<Deduplication>(node, mode, std::move(environment), std::move(plan)));
}

}  // namespace weir::operators
