// One side of a join of two streams: its columns, keys and time, and the rows that a batch brings.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "columnar/data_type.h"
#include "eval/program.h"
#include "operators/join_condition.h"
#include "operators/store_operator.h"

namespace weir::operators {

struct JoinSide {
  static Result<JoinSide> left(const plan::op::Join& join, const JoinCondition& condition);
  static Result<JoinSide> right(const plan::op::Join& join, const JoinCondition& condition);

  std::string name;
  std::vector<plan::Column> columns;
  std::vector<eval::Program> keys;
  std::vector<bool> null_safe;  // of the keys
  std::optional<eval::Program> only;
  JoinSideTime time;
  int event = -1;      // column by which rows are late
  bool outer = false;  // rows without a match are given too
  columnar::Schema prefix_schema = columnar::Schema::structure({});  // the join keys
  columnar::Schema key_schema = columnar::Schema::structure({});
  columnar::Schema value_schema = columnar::Schema::structure({});
  size_t first = 0;  // of its columns in the pair
};

// Rows of one side that passed its own conditions, and those that no row can meet.
struct SideRows {
  std::vector<BatchPtr> rows, alone;
};

// Takes the side's rows to `out`, but for those that are late, which `dropped` counts.
std::unique_ptr<Collector> make_side_collector(const JoinSide& side, const BatchRun& run,
                                               std::atomic<int64_t>& dropped, SideRows& out);

}  // namespace weir::operators
