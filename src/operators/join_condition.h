// The condition of a join of two streams, taken apart: equal keys, what one side alone decides,
// what is left for pairs of rows, and how far apart in event time two rows of a pair can be.
#pragma once

#include <optional>
#include <vector>

#include "operators/operator_factory.h"

namespace weir::operators {

// Microseconds after an input's event time: rows of the state up to eviction + offset_us can meet
// no row that is still to come.
struct JoinSideTime {
  enum class Kind { kNone, kKey, kValue };
  Kind kind = Kind::kNone;  // no bound; a join key with event time; a time column of the side
  int position = -1;        // kKey: of the keys; kValue: of the side's columns
  int64_t offset_us = 0;    // kValue
  // Of the other side's rows that a row of this side meets: its time + [from, to], where known.
  std::optional<int64_t> other_from_us, other_to_us;
};

struct JoinCondition {
  std::vector<plan::TypedPtr> left_keys, right_keys;  // over each side's own columns
  std::vector<bool> null_safe;                        // of the keys: NULL meets NULL (<=>)
  plan::TypedPtr left_only, right_only;               // over the side's own columns; null: none
  plan::TypedPtr pairs;                               // over both sides' columns; null: none
  JoinSideTime left_time, right_time;
};

// kUnsupported in Spark's words where no equality holds between the sides.
Result<JoinCondition> take_apart(const plan::op::Join& join);

}  // namespace weir::operators
