// Rows that come sorted by their first columns, as groups of equal keys.
#pragma once

#include "python/arrow_rows.h"

namespace weir::python {

// Rows of one group; a group may come in several pieces. Null rows: the end.
struct GroupPiece {
  BatchPtr rows;
  bool begins = false;  // of another group than the piece before
};

class GroupReader {
 public:
  GroupReader(StreamPtr input, int keys) : input_(std::move(input)), keys_(keys) {}
  const columnar::Schema& schema() const { return input_->schema(); }
  Result<GroupPiece> next(std::stop_token stop);

 private:
  int64_t run_end(int64_t begin) const;

  StreamPtr input_;
  const int keys_;
  BatchPtr batch_;
  int64_t at_ = 0;
  BatchPtr last_;  // one row of the last group
};

// True where the first `keys` columns of the two rows hold the same (NULL is NULL, NaN is NaN, -0.0
// is 0.0).
bool same_keys(const arrow::RecordBatch& a, int64_t row_a, const arrow::RecordBatch& b,
               int64_t row_b, int keys);
// Negative, 0 or positive: the order of the rows' first `keys` columns, NULL first, NaN last.
// kUnsupported for a type that has no order here.
Result<int> compare_keys(const arrow::RecordBatch& a, const arrow::RecordBatch& b, int keys);

}  // namespace weir::python
