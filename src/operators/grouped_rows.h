// A batch's rows grouped by one worker thread: what the operators that aggregate share.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include <arrow/api.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "eval/aggregates.h"
#include "eval/node.h"
#include "eval/vector.h"
#include "operators/event_time.h"
#include "operators/group_table.h"
#include "operators/store_operator.h"

namespace weir::operators {

// The keys as they are read from a batch, and as they are kept.
struct Keys {
  std::vector<eval::Program> programs;
  std::vector<std::vector<bool>> sets;    // for each grouping set the keys that it has; empty: one
  std::vector<columnar::DataType> types;  // of the kept key: the keys, then the set's id
  int event = -1;                         // key with event time
};

// What one worker thread has seen of a batch.
class GroupedRows {
 public:
  GroupedRows(const Keys& keys, const eval::AggregateProgram& program, const BatchRun& run,
              bool drops_late)
      : keys_(keys),
        run_(run),
        late_us_(drops_late ? run.late_us : kNoWatermark),
        codec_(keys.types),
        states_(program.make(run.eval)) {}

  Result<int64_t> add(BatchPtr rows) {  // the number of late rows
    int64_t late = 0;
    std::vector<ArrayPtr> values;
    WEIR_TRY(read_keys(rows, values));
    if (keys_.event >= 0 && late_us_ != kNoWatermark) {
      WEIR_TRY(event_times(*values[static_cast<size_t>(keys_.event)], times_));
      WEIR_ASSIGN(late, drop_late(times_, late_us_, rows));
      if (late > 0) WEIR_TRY(read_keys(rows, values));
    }
    if (rows->num_rows() == 0) return late;
    if (keys_.sets.empty()) {
      WEIR_TRY(group(*rows, values));
      return late;
    }
    const auto count = static_cast<int>(keys_.programs.size());
    for (const auto& set : keys_.sets) {
      auto kept = values;
      int64_t id = 0;
      for (int k = 0; k < count; ++k) {
        if (set[static_cast<size_t>(k)]) continue;
        id |= int64_t{1} << (count - 1 - k);
        WEIR_ARROW_ASSIGN(
            kept[static_cast<size_t>(k)],
            arrow::MakeArrayOfNull(columnar::to_arrow(keys_.types[static_cast<size_t>(k)]),
                                   rows->num_rows()));
      }
      eval::FixedWriter<int64_t> ids(rows->num_rows());
      for (int64_t row = 0; row < rows->num_rows(); ++row)
        ids.set(row, id);
      kept.push_back(ids.finish(arrow::int64()));
      WEIR_TRY(group(*rows, kept));
    }
    return late;
  }

  // The groups of `other` come behind these.
  Result<void> join(GroupedRows& other) {
    std::vector<uint32_t> groups;
    for (const auto row : other.table_.rows())
      groups.push_back(table_.find_or_add(row));
    states_.resize(table_.size());
    WEIR_ASSIGN(const auto columns, other.states_.states());
    return states_.merge(columns, groups);
  }
  // A query without keys has its one group in any case.
  void add_empty_group() {
    if (!keys_.programs.empty() || table_.size() > 0) return;
    table_.find_or_add(std::string_view());
    states_.resize(1);
  }
  int64_t groups() const { return table_.size(); }
  eval::AggregateStates& states() { return states_; }
  Result<std::vector<ArrayPtr>> key_columns() const {
    if (keys_.programs.empty()) return std::vector<ArrayPtr>();
    const auto rows = table_.rows();
    return codec_.decode(rows);
  }

 private:
  Result<void> read_keys(const BatchPtr& rows, std::vector<ArrayPtr>& values) {
    values.clear();
    for (const auto& program : keys_.programs) {
      WEIR_ASSIGN(auto array, program.evaluate(*rows, run_.eval));
      values.push_back(std::move(array));
    }
    return {};
  }
  Result<void> group(const arrow::RecordBatch& rows, const std::vector<ArrayPtr>& values) {
    if (keys_.programs.empty()) {
      add_empty_group();
      groups_.assign(static_cast<size_t>(rows.num_rows()), 0);
    } else {
      WEIR_TRY(codec_.encode(values, rows.num_rows(), encoded_));
      table_.find_or_add(encoded_, groups_);
      states_.resize(table_.size());
    }
    return states_.update(rows, groups_);
  }

  const Keys& keys_;
  BatchRun run_;
  int64_t late_us_;
  eval::RowCodec codec_;
  eval::AggregateStates states_;
  GroupTable table_;
  eval::EncodedRows encoded_;
  std::vector<uint32_t> groups_;
  std::vector<int64_t> times_;
};

// What aggregates are compiled with.
inline eval::EvalContext aggregate_context(const StateEnvironment& environment) {
  eval::EvalContext context;
  const auto ansi = environment.conf.find("spark.sql.ansi.enabled");
  if (ansi != environment.conf.end()) context.ansi = ansi->second != "false";
  const auto zone = environment.conf.find("spark.sql.session.timeZone");
  if (zone != environment.conf.end()) context.session_zone = zone->second;
  return context;
}

// Takes rows to them, and counts those that are late.
class GroupCollector final : public Collector {
 public:
  GroupCollector(GroupedRows& rows, std::atomic<int64_t>& dropped)
      : rows_(rows), dropped_(dropped) {}
  Result<void> add(const BatchPtr& rows) override {
    WEIR_ASSIGN(const auto late, rows_.add(rows));
    if (late > 0) dropped_ += late;
    return {};
  }

 private:
  GroupedRows& rows_;
  std::atomic<int64_t>& dropped_;
};

}  // namespace weir::operators
