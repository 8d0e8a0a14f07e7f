#include "stream/plain_arrays.h"

#include <algorithm>

#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"

namespace weir::stream {

base::Result<std::shared_ptr<arrow::RecordBatch>> with_plain_arrays(
    std::shared_ptr<arrow::RecordBatch> rows) {
  const auto is_view = [](const std::shared_ptr<arrow::Field>& field) {
    return field->type()->id() == arrow::Type::BINARY_VIEW ||
           field->type()->id() == arrow::Type::STRING_VIEW;
  };
  const auto& fields = rows->schema()->fields();
  if (std::none_of(fields.begin(), fields.end(), is_view)) return rows;
  auto plain_fields = fields;
  auto columns = rows->columns();
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!is_view(fields[i])) continue;
    const auto type =
        fields[i]->type()->id() == arrow::Type::BINARY_VIEW ? arrow::binary() : arrow::utf8();
    WEIR_ARROW_ASSIGN(columns[i], arrow::compute::Cast(*columns[i], type));
    plain_fields[i] = fields[i]->WithType(type);
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(plain_fields)), rows->num_rows(),
                                  std::move(columns));
}

}  // namespace weir::stream
