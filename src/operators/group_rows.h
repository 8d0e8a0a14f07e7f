// Rows of a batch on their way to a function that gets whole groups: taken without the late ones,
// joined, put in order.
#pragma once

#include <atomic>
#include <vector>

#include <arrow/type_fwd.h>

#include "operators/stateful_operator.h"

namespace weir::operators {

// Keeps rows; those whose event time is in column `event` (-1: none) and late are counted only.
class RowsTaker final : public Collector {
 public:
  RowsTaker(int event, int64_t late_us, std::atomic<int64_t>& dropped, std::vector<BatchPtr>& out)
      : event_(event), late_us_(late_us), dropped_(dropped), out_(out) {}
  Result<void> add(const BatchPtr& given) override;

 private:
  int event_;
  int64_t late_us_;
  std::atomic<int64_t>& dropped_;
  std::vector<BatchPtr>& out_;
};

Result<BatchPtr> picked_rows(const arrow::RecordBatch& rows, const std::vector<int64_t>& order);

// The batches as one of this schema.
Result<BatchPtr> joined_rows(const std::vector<BatchPtr>& batches,
                             const std::shared_ptr<arrow::Schema>& schema);

}  // namespace weir::operators
