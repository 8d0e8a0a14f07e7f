// A store under test beside a model of it: std::map from key to (time, value), one for each
// committed version. Its rows have a key of two columns (prefix, rest) as plain bytes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "io/model_file_system.h"
#include "state/state_store.h"

namespace weir::state::test {

struct ModelRow {
  int64_t time = 0;
  std::string value = {};
  bool operator==(const ModelRow&) const = default;
};
// (time where it belongs to the key, key) → row
using ModelKey = std::pair<int64_t, std::string>;
using Model = std::map<ModelKey, ModelRow>;

constexpr int64_t kWidth = 10;

inline columnar::Schema one_column(const char* name, columnar::TypeKind kind) {
  return columnar::DataType::structure({columnar::make_field(name, columnar::DataType::of(kind))});
}

inline StoreSpec make_spec(Layout layout, TimeBuckets time) {
  StoreSpec spec;
  spec.identity = "test";
  spec.key = columnar::DataType::structure(
      {columnar::make_field("a", columnar::DataType::of(columnar::TypeKind::kBinary)),
       columnar::make_field("b", columnar::DataType::of(columnar::TypeKind::kBinary))});
  spec.value = one_column("v", columnar::TypeKind::kBinary);
  spec.layout = layout;
  spec.prefix_columns = layout == Layout::kOrdered ? 1 : 0;
  spec.time = time;
  spec.bucket_width_us = time == TimeBuckets::kNone ? 0 : kWidth;
  return spec;
}

// The first column as keys have it: the filters of files look at it.
inline std::string prefix_text(uint64_t a) {
  return "\1p" + std::to_string(a) + std::string(2, '\0');
}

// Random changes to a store and to a model of it.
class Exercise {
 public:
  Exercise(base::Random& random, const StoreSpec& spec) : random_(random), spec_(spec) {}

  // The work of one batch; the shards' calls are those of one thread.
  Result<void> batch(StateStore& store, Model& model) {
    const uint64_t steps = 1 + random_.below(4);
    for (uint64_t i = 0; i < steps; ++i) {
      const uint64_t what = random_.below(10);
      if (what < 6) WEIR_TRY(put(store, model));
      if (what == 6 || what == 7) WEIR_TRY(remove(store, model));
      if (what == 8 && spec_.time != TimeBuckets::kNone) WEIR_TRY(evict(store, model));
      if (what == 9) WEIR_TRY(check_gets(store, model));
    }
    return {};
  }

  Result<void> put(StateStore& store, Model& model) {
    choose_keys();
    EncodedRows values;
    for (int64_t i = 0; i < keys_.rows(); ++i) {
      const std::string value =
          fmt::format("{}{}", random_.below(1000),
                      std::string(random_.below(random_.below(50) == 0 ? 3000 : 9), 'x'));
      values.add(value);
      const int64_t time = times_[static_cast<size_t>(i)];
      model[model_key(i)] = {.time = time, .value = value};
    }
    split_by_shard(keys_, store.shards(), split_);
    for (int s = 0; s < store.shards(); ++s)
      if (!split_.of(s).empty()) WEIR_TRY(store.shard(s).put(keys_, values, split_.of(s), times()));
    return {};
  }

  Result<void> remove(StateStore& store, Model& model) {
    choose_keys();
    for (int64_t i = 0; i < keys_.rows(); ++i)
      model.erase(model_key(i));
    split_by_shard(keys_, store.shards(), split_);
    for (int s = 0; s < store.shards(); ++s)
      if (!split_.of(s).empty()) WEIR_TRY(store.shard(s).remove(keys_, split_.of(s), times()));
    return {};
  }

  Result<void> evict(StateStore& store, Model& model) {
    const int64_t below = static_cast<int64_t>(random_.below(120)) - 30;
    Model left;
    for (int s = 0; s < store.shards(); ++s) {
      WEIR_TRY(store.shard(s).evict_below(below, [&](std::span<const StateRow> rows) {
        for (const StateRow& row : rows) {
          const bool fresh =
              left.emplace(ModelKey(of_key(row.time), row.key),
                           ModelRow{.time = row.time, .value = std::string(row.value)})
                  .second;
          EXPECT_TRUE(fresh) << "a row left twice";
        }
        return Result<void>();
      }));
      EXPECT_GE(store.shard(s).earliest_time().value_or(below), below);
    }
    Model expected;
    for (auto it = model.begin(); it != model.end();) {
      if (it->second.time >= below) {
        ++it;
        continue;
      }
      expected.insert(*it);
      it = model.erase(it);
    }
    EXPECT_EQ(left, expected);
    return {};
  }

  Result<void> check_gets(StateStore& store, const Model& model) {
    choose_keys();
    split_by_shard(keys_, store.shards(), split_);
    FoundValues found;
    for (int s = 0; s < store.shards(); ++s) {
      const auto rows = split_.of(s);
      if (rows.empty()) continue;
      WEIR_TRY(store.shard(s).get(
          keys_, rows, spec_.time == TimeBuckets::kOfKey ? times() : std::span<int64_t>(), found));
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto it = model.find(model_key(rows[i]));
        EXPECT_EQ(found.values[i].data() != nullptr, it != model.end());
        if (it == model.end() || found.values[i].data() == nullptr) continue;
        EXPECT_EQ(found.values[i], it->second.value);
        if (spec_.time == TimeBuckets::kOfRow) {
          EXPECT_EQ(found.times[i], it->second.time);
        }
      }
    }
    return {};
  }

  // Everything that is in the store, by scans of all kinds.
  Result<void> check(StateStore& store, const Model& model) {
    Model all;
    int64_t rows = 0;
    for (int s = 0; s < store.shards(); ++s) {
      rows += store.shard(s).rows();
      WEIR_TRY(store.shard(s).scan(kTimeMin, kTimeMax, [&](std::span<const StateRow> found) {
        for (const StateRow& row : found)
          EXPECT_TRUE(all.emplace(ModelKey(of_key(row.time), row.key),
                                  ModelRow{.time = row.time, .value = std::string(row.value)})
                          .second);
        return Result<void>();
      }));
    }
    EXPECT_EQ(all, model);
    EXPECT_EQ(rows, static_cast<int64_t>(model.size()));
    EXPECT_EQ(store.metrics().rows, rows);
    WEIR_TRY(check_gets(store, model));
    return spec_.layout == Layout::kOrdered ? check_prefix(store, model) : Result<void>();
  }

 private:
  Result<void> check_prefix(StateStore& store, const Model& model) {
    const std::string prefix = prefix_text(random_.below(14));  // two of them have no rows
    EncodedRows prefixes;
    prefixes.add_key(prefix, prefix.size());
    Model found;
    std::map<int64_t, std::string> last;
    const uint32_t row = 0;
    const int shard = shard_of(prefixes.hash(0), store.shards());
    WEIR_TRY(store.shard(shard).scan_prefixes(
        prefixes, std::span(&row, 1), kTimeMin, kTimeMax,
        [&](uint32_t of, std::span<const StateRow> rows) {
          EXPECT_EQ(of, 0U);
          for (const StateRow& each : rows) {
            const int64_t bucket =
                spec_.time == TimeBuckets::kOfKey ? (each.time + 1000 * kWidth) / kWidth : 0;
            EXPECT_LE(last[bucket], each.key) << "out of order";
            last[bucket] = each.key;
            found.emplace(ModelKey(of_key(each.time), each.key),
                          ModelRow{.time = each.time, .value = std::string(each.value)});
          }
          return Result<void>();
        }));
    Model expected;
    for (const auto& each : model)
      if (each.first.second.starts_with(prefix)) expected.insert(each);
    EXPECT_EQ(found, expected);
    return {};
  }

  int64_t of_key(int64_t time) const { return spec_.time == TimeBuckets::kOfKey ? time : 0; }
  ModelKey model_key(int64_t row) const {
    return {of_key(times_[static_cast<size_t>(row)]), std::string(keys_.at(row))};
  }
  std::span<const int64_t> times() const {
    return spec_.time == TimeBuckets::kNone ? std::span<const int64_t>() : std::span(times_);
  }
  void choose_keys() {
    keys_.clear();
    times_.clear();
    const uint64_t rows = random_.below(random_.below(20) == 0 ? 400 : 30);
    for (uint64_t i = 0; i < rows; ++i) {
      const std::string prefix = prefix_text(random_.below(12));
      const std::string key = prefix + std::to_string(random_.below(40));
      keys_.add_key(key, spec_.prefix_columns > 0 ? prefix.size() : key.size());
      // A time that belongs to the key follows from it, so that keys are met again.
      const auto free = static_cast<int64_t>(random_.below(120)) - 30;
      times_.push_back(spec_.time == TimeBuckets::kNone ? 0
                       : spec_.time == TimeBuckets::kOfKey
                           ? static_cast<int64_t>(hash_bytes(key) % 120) - 30
                           : free);
    }
  }

  base::Random& random_;
  const StoreSpec& spec_;
  EncodedRows keys_;
  std::vector<int64_t> times_;
  RowsByShard split_;
};

}  // namespace weir::state::test
