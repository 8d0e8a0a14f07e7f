// Simple predicates that choose files before they are read: a conjunction of `column op literal`.
//
// They only ever drop files that cannot hold a matching row; the rows that a scan yields still have
// to be filtered by the caller. Comparison is Spark's: NULL never matches, NaN is the greatest
// number.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "columnar/data_type.h"
#include "delta/actions.h"

namespace weir::delta {

enum class ComparisonOp {
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIsNull,
  kIsNotNull
};

// bool; int64_t (byte … long; days of a date; microseconds of a timestamp); double; string. A
// literal that does not fit the column's type drops nothing.
using Literal = std::variant<std::monostate, bool, int64_t, double, std::string>;

struct Comparison {
  std::vector<std::string> column;  // path from the root, names as users see them (any case)
  ComparisonOp op = ComparisonOp::kEqual;
  Literal literal;  // none for kIsNull and kIsNotNull
};

using Predicate = std::vector<Comparison>;  // all of them; empty: every row

// False only where no row of the file can satisfy the predicate.
bool may_match(const columnar::Schema& schema, const Metadata& metadata, const AddFile& file,
               const Predicate& predicate);

}  // namespace weir::delta
