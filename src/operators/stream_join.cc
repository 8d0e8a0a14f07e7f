#include "operators/stream_join.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/list_rows.h"
#include "eval/node.h"
#include "operators/event_time.h"
#include "operators/join_side.h"
#include "state/row_codec.h"

namespace weir::operators {

namespace {

using plan::JoinKind;

constexpr size_t kPairsAtOnce = 65536;

class StreamJoin final : public StoreOperator {
 public:
  StreamJoin(plan::OperatorPtr node, OutputMode mode, StateEnvironment environment, JoinKind kind,
             std::array<JoinSide, 2> sides, std::optional<eval::Program> pairs)
      : StoreOperator("symmetricHashJoin", std::move(node), mode, std::move(environment)),
        kind_(kind),
        sides_(std::move(sides)),
        pairs_(std::move(pairs)) {
    std::vector<std::shared_ptr<arrow::Field>> fields;
    for (const auto& side : sides_) {
      for (const auto& column : side.columns)
        fields.push_back(columnar::to_arrow(columnar::make_field(column.name, column.type)));
    }
    pair_schema_ = arrow::schema(std::move(fields));
  }

  int inputs() const override { return 2; }
  std::string identity() const override {
    return fmt::format("{} join keys {}, {} rows {} with {}", kind_in_words(),
                       columnar::schema_to_ddl(sides_[0].key_schema),
                       columnar::schema_to_ddl(sides_[1].key_schema),
                       columnar::schema_to_ddl(sides_[0].value_schema),
                       columnar::schema_to_ddl(sides_[1].value_schema));
  }

  Result<std::unique_ptr<Collector>> collector(int input) override {
    const std::lock_guard lock(mutex_);
    auto& parts = parts_[static_cast<size_t>(input)];
    parts.push_back(std::make_unique<SideRows>());
    return make_side_collector(sides_[static_cast<size_t>(input)], run_, dropped_, *parts.back());
  }

  Result<void> finish(const Output& output) override {
    const auto parts = std::move(parts_);
    parts_ = {};
    next_row_ = 0;
    {
      const Stopwatch watch(metrics_.update_us);
      for (size_t side = 0; side < 2; ++side) {
        for (const auto& part : parts[side]) {
          for (const auto& rows : part->rows)
            WEIR_TRY(meet(side, rows, output));
          for (const auto& rows : part->alone)
            WEIR_TRY(give_alone(side, rows->columns(), rows->num_rows(), output));
        }
      }
    }
    if (run_.eviction_us == kNoWatermark) return {};
    const Stopwatch watch(metrics_.removal_us);
    for (size_t side = 0; side < 2; ++side)
      WEIR_TRY(evict(side, output));
    return {};
  }

  // Rows that are kept may still be given: the times of both sides have come to no more than what
  // has left.
  std::optional<int64_t> output_watermark(int64_t input_us) const override {
    int64_t least = input_us;
    for (const auto& side : sides_) {
      if (side.time.kind != JoinSideTime::Kind::kValue) continue;
      const int64_t left = input_us + side.time.offset_us;
      least = std::min(least, left - (left % 1000 + 1000) % 1000);  // whole milliseconds
    }
    return least;
  }

  bool waits_for_event_time() const override {
    return sides_[0].time.kind != JoinSideTime::Kind::kNone ||
           sides_[1].time.kind != JoinSideTime::Kind::kNone;
  }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    std::vector<state::StoreSpec> made;
    for (const auto& side : sides_) {
      state::StoreSpec spec{.name = side.name,
                            .identity = identity(),
                            .key = side.key_schema,
                            .value = side.value_schema};
      spec.kind = fmt::format("{} join", kind_in_words());
      spec.prefix_columns = static_cast<int>(side.keys.size());
      spec.layout = state::Layout::kOrdered;
      if (side.time.kind != JoinSideTime::Kind::kNone) {
        spec.kind += fmt::format(", event time in {} {}",
                                 side.time.kind == JoinSideTime::Kind::kKey ? "key" : "column",
                                 side.time.position);
        spec.time = state::TimeBuckets::kOfKey;
        spec.bucket_width_us = bucket_width(side.time);
      }
      made.push_back(std::move(spec));
    }
    return made;
  }
  void drop_collectors() override { parts_ = {}; }

 private:
  static int64_t bucket_width(const JoinSideTime& time) {
    if (time.other_from_us && time.other_to_us) {
      return std::clamp<int64_t>((*time.other_to_us - *time.other_from_us) / 2, 1'000'000,
                                 3'600'000'000);
    }
    return 10'000'000;
  }

  // Rows of both sides under construction: rows of the batch, and values of the other side's state.
  struct Pairs {
    std::vector<int64_t> own;
    std::string bytes;
    std::vector<size_t> value_ends;
    std::vector<std::pair<std::string, size_t>> keys;  // with the prefix's length
    std::vector<int64_t> times;
    void clear() {
      own.clear();
      bytes.clear();
      value_ends.clear();
      keys.clear();
      times.clear();
    }
  };
  // Rows of the other side's state that met one for the first time.
  struct Marks {
    state::EncodedRows keys, values;
    std::vector<int64_t> times;
    std::unordered_set<std::string> seen;
  };

  std::string_view kind_in_words() const {
    static constexpr std::string_view kNames[] = {
        "inner", "cross", "left outer", "right outer", "full outer", "left semi", "left anti"};
    return kNames[static_cast<size_t>(kind_)];
  }
  bool semi() const { return kind_ == JoinKind::kLeftSemi; }
  // Whether it matters which rows of the side have met one.
  bool marks(size_t side) const { return sides_[side].outer || (semi() && side == 0); }

  // Rows that look into the same few buckets of the other side's state: a batch may span many of
  // them, of which one row needs those around its time.
  struct Look {
    std::vector<uint32_t> rows;
    int64_t from = state::kTimeMin, to = state::kTimeMax;
  };
  std::vector<Look> looks(size_t side, std::span<const uint32_t> rows,
                          const std::vector<int64_t>& times) const {
    const auto& time = sides_[side].time;
    std::vector<Look> made;
    if (times.empty() || (!time.other_from_us && !time.other_to_us)) {
      made.emplace_back().rows.assign(rows.begin(), rows.end());
      return made;
    }
    std::vector<uint32_t> ordered(rows.begin(), rows.end());
    std::stable_sort(ordered.begin(), ordered.end(),
                     [&](uint32_t a, uint32_t b) { return times[a] < times[b]; });
    const auto width = static_cast<uint64_t>(bucket_width(sides_[1 - side].time));
    int64_t least = 0;
    for (const uint32_t row : ordered) {
      if (times[row] == kNeverLate) {
        // Without a time a row meets only such that share it as a key.
        if (time.kind != JoinSideTime::Kind::kKey) break;
        if (made.empty() || made.back().from != kNeverLate)
          made.push_back({{}, kNeverLate, state::kTimeMax});
      } else {
        if (made.empty() ||
            static_cast<uint64_t>(times[row]) - static_cast<uint64_t>(least) > width) {
          made.emplace_back();
          least = times[row];
          if (time.other_from_us) made.back().from = least + *time.other_from_us;
        }
        if (time.other_to_us) made.back().to = times[row] + *time.other_to_us;
      }
      made.back().rows.push_back(row);
    }
    return made;
  }

  Result<void> meet(size_t side, const BatchPtr& rows, const Output& output) {
    const auto& own = sides_[side];
    auto& other_store = store(1 - side);
    std::vector<ArrayPtr> key_columns;
    for (size_t k = 0; k < own.keys.size(); ++k) {
      WEIR_ASSIGN(auto array, own.keys[k].evaluate(*rows, run_.eval));
      WEIR_ASSIGN(array, eval::canonical(array, columnar::to_arrow(own.keys[k].type())));
      key_columns.push_back(std::move(array));
    }
    std::vector<int64_t> times;
    if (own.time.kind == JoinSideTime::Kind::kKey) {
      WEIR_TRY(event_times(*key_columns[static_cast<size_t>(own.time.position)], times));
    } else if (own.time.kind == JoinSideTime::Kind::kValue) {
      WEIR_TRY(event_times(*rows->column(own.time.position), times));
    }
    // What is looked for on the other side: the join keys alone.
    WEIR_ASSIGN(auto prefix_encoder, state::KeyEncoder::make(own.prefix_schema));
    state::EncodedRows prefixes;
    WEIR_TRY(prefix_encoder.encode(key_columns, prefixes));
    eval::FixedWriter<int64_t> numbers(rows->num_rows());
    for (int64_t row = 0; row < rows->num_rows(); ++row)
      numbers.set(row, (run_.batch.value() << 32) | next_row_++);
    key_columns.push_back(numbers.finish(arrow::int64()));
    WEIR_ASSIGN(auto encoder,
                state::KeyEncoder::make(own.key_schema, static_cast<int>(own.keys.size())));
    state::EncodedRows keys;
    WEIR_TRY(encoder.encode(key_columns, keys));

    std::vector<uint8_t> met(static_cast<size_t>(rows->num_rows()), 0);
    Pairs pairs;
    Marks marked;
    state::RowsByShard split;
    state::split_by_shard(prefixes, other_store.shards(), split);
    for (int shard = 0; shard < other_store.shards(); ++shard) {
      const auto of_shard = split.of(shard);
      if (of_shard.empty()) continue;
      for (const auto& look : looks(side, of_shard, times)) {
        WEIR_TRY(other_store.shard(shard).scan_prefixes(
            prefixes, look.rows, look.from, look.to,
            [&](uint32_t row, std::span<const state::StateRow> found) -> Result<void> {
              for (const auto& one : found) {
                pairs.own.push_back(row);
                pairs.bytes += one.value;
                pairs.value_ends.push_back(pairs.bytes.size());
                if (marks(1 - side)) {
                  pairs.keys.emplace_back(one.key, prefixes.at(row).size());
                  pairs.times.push_back(one.time);
                }
              }
              if (pairs.own.size() < kPairsAtOnce) return {};
              return settle(side, *rows, pairs, met, marked, output);
            }));
      }
    }
    WEIR_TRY(settle(side, *rows, pairs, met, marked, output));
    WEIR_TRY(put_marks(1 - side, marked));
    if (semi() && side == 0) {
      std::vector<int64_t> matched;
      for (size_t i = 0; i < met.size(); ++i) {
        if (met[i]) matched.push_back(static_cast<int64_t>(i));
      }
      if (!matched.empty()) WEIR_TRY(give_picked(rows->columns(), matched, output));
    }
    return put_rows(side, *rows, keys, times, met);
  }

  // Joins the pairs, gives those that the condition takes, and notes who met.
  Result<void> settle(size_t side, const arrow::RecordBatch& rows, Pairs& pairs,
                      std::vector<uint8_t>& met, Marks& marked, const Output& output) {
    if (pairs.own.empty()) return {};
    const auto& other = sides_[1 - side];
    std::vector<std::string_view> values;
    size_t begin = 0;
    for (const auto end : pairs.value_ends) {
      values.push_back(std::string_view(pairs.bytes).substr(begin, end - begin));
      begin = end;
    }
    WEIR_ASSIGN(auto decoded, state::decode_values(other.value_schema, values));
    const auto was_met = decoded.back();
    decoded.pop_back();
    std::vector<ArrayPtr> own_columns;
    for (int c = 0; c < rows.num_columns(); ++c) {
      WEIR_ASSIGN(auto picked, eval::pick(rows.column(c), pairs.own));
      WEIR_ASSIGN(picked,
                  eval::canonical(picked, columnar::to_arrow(
                                              sides_[side].columns[static_cast<size_t>(c)].type)));
      own_columns.push_back(std::move(picked));
    }
    auto columns = side == 0 ? own_columns : decoded;
    const auto& behind = side == 0 ? decoded : own_columns;
    columns.insert(columns.end(), behind.begin(), behind.end());
    const auto count = static_cast<int64_t>(pairs.own.size());
    auto joined = arrow::RecordBatch::Make(pair_schema_, count, columns);
    std::vector<int64_t> chosen;
    if (pairs_) {
      WEIR_ASSIGN(const auto array, pairs_->evaluate(*joined, run_.eval));
      const eval::Vector vector{array, false};
      const eval::BoolReader flags(vector);
      for (int64_t i = 0; i < count; ++i) {
        if (flags.valid[i] && flags[i]) chosen.push_back(i);
      }
    } else {
      for (int64_t i = 0; i < count; ++i)
        chosen.push_back(i);
    }
    for (const auto i : chosen)
      met[static_cast<size_t>(pairs.own[static_cast<size_t>(i)])] = 1;
    std::vector<int64_t> first_met;
    if (marks(1 - side)) {
      const eval::Vector vector{was_met, false};
      const eval::BoolReader before(vector);
      for (const auto i : chosen) {
        if (!before[i] && marked.seen.insert(pairs.keys[static_cast<size_t>(i)].first).second)
          first_met.push_back(i);
      }
      WEIR_TRY(mark(1 - side, decoded, first_met, pairs, marked));
    }
    if (!semi()) {
      if (!chosen.empty()) WEIR_TRY(give_picked(columns, chosen, output));
    } else if (side == 1 && !first_met.empty()) {
      WEIR_TRY(give_picked(decoded, first_met, output));
    }
    pairs.clear();
    return {};
  }

  Result<void> mark(size_t side, const std::vector<ArrayPtr>& decoded,
                    const std::vector<int64_t>& rows, const Pairs& pairs, Marks& marked) {
    if (rows.empty()) return {};
    std::vector<ArrayPtr> columns;
    for (const auto& column : decoded) {
      WEIR_ASSIGN(auto picked, eval::pick(column, rows));
      columns.push_back(std::move(picked));
    }
    columns.push_back(flags(std::vector<uint8_t>(rows.size(), 1)));
    WEIR_ASSIGN(auto encoder, state::ValueEncoder::make(sides_[side].value_schema));
    state::EncodedRows values;
    WEIR_TRY(encoder.encode(columns, values));
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& [key, prefix] = pairs.keys[static_cast<size_t>(rows[i])];
      marked.keys.add_key(key, prefix);
      marked.values.add(values.at(static_cast<int64_t>(i)));
      marked.times.push_back(pairs.times[static_cast<size_t>(rows[i])]);
    }
    return {};
  }

  Result<void> put_marks(size_t side, const Marks& marked) {
    if (marked.times.empty()) return {};
    const std::span<const int64_t> times = sides_[side].time.kind == JoinSideTime::Kind::kNone
                                               ? std::span<const int64_t>()
                                               : std::span(marked.times);
    return put(side, marked.keys, marked.values, times);
  }

  Result<void> put_rows(size_t side, const arrow::RecordBatch& rows, const state::EncodedRows& keys,
                        const std::vector<int64_t>& times, const std::vector<uint8_t>& met) {
    std::vector<ArrayPtr> columns;
    for (int c = 0; c < rows.num_columns(); ++c) {
      WEIR_ASSIGN(
          auto plain,
          eval::canonical(rows.column(c),
                          columnar::to_arrow(sides_[side].columns[static_cast<size_t>(c)].type)));
      columns.push_back(std::move(plain));
    }
    columns.push_back(flags(met));
    WEIR_ASSIGN(auto encoder, state::ValueEncoder::make(sides_[side].value_schema));
    state::EncodedRows values;
    WEIR_TRY(encoder.encode(columns, values));
    if (!semi() || side == 1) return put(side, keys, values, times);
    state::RowsByShard split;
    state::split_by_shard(keys, store(side).shards(), split);
    for (int shard = 0; shard < store(side).shards(); ++shard) {
      std::vector<uint32_t> kept;
      for (const auto row : split.of(shard)) {
        if (!met[row]) kept.push_back(row);
      }
      if (!kept.empty()) WEIR_TRY(store(side).shard(shard).put(keys, values, kept, times));
    }
    return {};
  }

  Result<void> put(size_t side, const state::EncodedRows& keys, const state::EncodedRows& values,
                   std::span<const int64_t> times) {
    state::RowsByShard split;
    state::split_by_shard(keys, store(side).shards(), split);
    for (int shard = 0; shard < store(side).shards(); ++shard) {
      const auto rows = split.of(shard);
      if (!rows.empty()) WEIR_TRY(store(side).shard(shard).put(keys, values, rows, times));
    }
    return {};
  }

  Result<void> evict(size_t side, const Output& output) {
    const auto& own = sides_[side];
    if (own.time.kind == JoinSideTime::Kind::kNone) return {};
    const int64_t bound = eviction_bound(run_.eviction_us) + own.time.offset_us;
    std::vector<std::string> gone;
    const auto give_gone = [&]() -> Result<void> {
      if (gone.empty()) return {};
      const std::vector<std::string_view> views(gone.begin(), gone.end());
      WEIR_ASSIGN(auto columns, state::decode_values(own.value_schema, views));
      const eval::Vector vector{columns.back(), false};
      const eval::BoolReader met(vector);
      std::vector<int64_t> alone;
      for (int64_t row = 0; row < static_cast<int64_t>(gone.size()); ++row) {
        if (!met[row]) alone.push_back(row);
      }
      gone.clear();
      columns.pop_back();
      for (auto& column : columns) {
        WEIR_ASSIGN(column, eval::pick(column, alone));
      }
      if (alone.empty()) return {};
      return give_alone(side, columns, static_cast<int64_t>(alone.size()), output);
    };
    for (int shard = 0; shard < store(side).shards(); ++shard) {
      state::RowVisitor visit;
      if (own.outer) {
        visit = [&](std::span<const state::StateRow> rows) -> Result<void> {
          for (const auto& row : rows)
            gone.emplace_back(row.value);
          return gone.size() < kPairsAtOnce ? Result<void>() : give_gone();
        };
      }
      WEIR_TRY(store(side).shard(shard).evict_below(bound, visit));
    }
    return give_gone();
  }

  // Rows of one side, the other's columns NULL.
  Result<void> give_alone(size_t side, std::vector<ArrayPtr> columns, int64_t rows,
                          const Output& output) {
    if (rows == 0) return {};
    std::vector<ArrayPtr> nulls;
    for (const auto& column : sides_[1 - side].columns) {
      WEIR_ARROW_ASSIGN(auto made, arrow::MakeArrayOfNull(columnar::to_arrow(column.type), rows));
      nulls.push_back(std::move(made));
    }
    columns.insert(side == 0 ? columns.end() : columns.begin(), nulls.begin(), nulls.end());
    return give(output, std::move(columns));
  }

  Result<void> give_picked(const std::vector<ArrayPtr>& columns, const std::vector<int64_t>& rows,
                           const Output& output) {
    std::vector<ArrayPtr> picked;
    for (const auto& column : columns) {
      WEIR_ASSIGN(auto made, eval::pick(column, rows));
      picked.push_back(std::move(made));
    }
    return give(output, std::move(picked));
  }

  static ArrayPtr flags(const std::vector<uint8_t>& values) {
    eval::BoolWriter writer(static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i)
      writer.set(static_cast<int64_t>(i), values[i] != 0);
    return writer.finish();
  }

  JoinKind kind_;
  std::array<JoinSide, 2> sides_;
  std::optional<eval::Program> pairs_;
  std::shared_ptr<arrow::Schema> pair_schema_;
  std::mutex mutex_;
  std::array<std::vector<std::unique_ptr<SideRows>>, 2> parts_;
  int64_t next_row_ = 0;
};

// A row without a match is given once no match can come: its side's state has to have an end.
Result<void> check_ends(JoinKind kind, const JoinCondition& condition) {
  const bool left = condition.left_time.kind != JoinSideTime::Kind::kNone;
  const bool right = condition.right_time.kind != JoinSideTime::Kind::kNone;
  std::string_view name;
  if ((kind == JoinKind::kLeft || kind == JoinKind::kLeftSemi) && !left)
    name = kind == JoinKind::kLeft ? "LeftOuter" : "LeftSemi";
  if (kind == JoinKind::kRight && !right) name = "RightOuter";
  if (kind == JoinKind::kFull && !left && !right) name = "FullOuter";
  if (name.empty()) return {};
  const auto message = fmt::format(
      "Stream-stream {} join between two streaming DataFrame/Datasets is not supported without a "
      "watermark in the join keys, or a watermark on the nullable side and an appropriate range "
      "condition",
      name);
  return base::error(base::ErrorKind::kInvalidArgument, "{}", message)
      .with_class("_LEGACY_ERROR_TEMP_3102")
      .with_parameter("msg", message);
}

}  // namespace

Result<std::unique_ptr<StatefulOperator>> make_stream_join(const plan::OperatorPtr& node,
                                                           OutputMode mode,
                                                           StateEnvironment environment) {
  const auto& join = std::get<plan::op::Join>(node->node);
  if (join.kind == JoinKind::kLeftAnti || join.lateral) {
    return base::error(base::ErrorKind::kUnsupported,
                       "{} join with a streaming DataFrame/Dataset on both sides is not supported",
                       join.lateral ? "Lateral" : "LeftAnti")
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }
  WEIR_ASSIGN(auto condition, take_apart(join));
  WEIR_TRY(check_ends(join.kind, condition));
  WEIR_ASSIGN(auto left, JoinSide::left(join, condition));
  WEIR_ASSIGN(auto right, JoinSide::right(join, condition));
  std::optional<eval::Program> pairs;
  if (condition.pairs) {
    WEIR_ASSIGN(auto program, eval::compile(condition.pairs));
    pairs.emplace(std::move(program));
  }
  return std::unique_ptr<StatefulOperator>(std::make_unique<StreamJoin>(
      node, mode, std::move(environment), join.kind,
      std::array<JoinSide, 2>{std::move(left), std::move(right)}, std::move(pairs)));
}

}  // namespace weir::operators
