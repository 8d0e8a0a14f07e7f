#include "operators/group_rows.h"

#include <arrow/api.h>

#include "columnar/arrow_adapter.h"
#include "eval/list_rows.h"
#include "eval/node.h"
#include "operators/event_time.h"
#include "operators/store_operator.h"

namespace weir::operators {

Result<void> RowsTaker::add(const BatchPtr& given) {
  auto rows = given;
  if (event_ >= 0 && late_us_ != kNoWatermark) {
    std::vector<int64_t> times;
    WEIR_TRY(event_times(*rows->column(event_), times));
    WEIR_ASSIGN(const auto late, drop_late(times, late_us_, rows));
    dropped_ += late;
  }
  if (rows->num_rows() > 0) out_.push_back(std::move(rows));
  return {};
}

Result<BatchPtr> picked_rows(const arrow::RecordBatch& rows, const std::vector<int64_t>& order) {
  std::vector<ArrayPtr> columns;
  for (const auto& column : rows.columns()) {
    WEIR_ASSIGN(auto made, eval::pick(column, order));
    columns.push_back(std::move(made));
  }
  return arrow::RecordBatch::Make(rows.schema(), static_cast<int64_t>(order.size()),
                                  std::move(columns));
}

// The batches as one of this schema.
Result<BatchPtr> joined_rows(const std::vector<BatchPtr>& batches,
                             const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<BatchPtr> plain;
  for (const auto& one : batches) {
    std::vector<ArrayPtr> columns;
    for (int i = 0; i < one->num_columns(); ++i) {
      WEIR_ASSIGN(auto made, eval::canonical(one->column(i), schema->field(i)->type()));
      columns.push_back(std::move(made));
    }
    plain.push_back(arrow::RecordBatch::Make(schema, one->num_rows(), std::move(columns)));
  }
  WEIR_ARROW_ASSIGN(const auto table, arrow::Table::FromRecordBatches(schema, plain));
  WEIR_ARROW_ASSIGN(auto made, table->CombineChunksToBatch());
  return made;
}

}  // namespace weir::operators
