#include "columnar/client_arrow.h"

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"

namespace weir::columnar {

namespace {

using DataPtr = std::shared_ptr<arrow::ArrayData>;
using TypePtr = std::shared_ptr<arrow::DataType>;

TypePtr client_type(const DataType& type, const std::string& zone);

std::shared_ptr<arrow::Field> client_field(const Field& field, const std::string& zone) {
  return arrow::field(field.name, client_type(field.type(), zone), field.nullable);
}

// Of several fields of one name each gets its number, as Spark's ArrowUtils does it.
std::string unique_name(const DataType& type, size_t at) {
  const auto& name = type.fields()[at].name;
  size_t before = 0, all = 0;
  for (size_t i = 0; i < type.fields().size(); ++i) {
    if (type.fields()[i].name != name) continue;
    ++all;
    before += i < at;
  }
  return all > 1 ? name + "_" + std::to_string(before) : name;
}

TypePtr client_type(const DataType& type, const std::string& zone) {
  switch (type.kind()) {
    case TypeKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO, zone);
    case TypeKind::kYearMonthInterval:
      return arrow::month_interval();
    case TypeKind::kArray:
      return arrow::list(
          arrow::field("element", client_type(type.element(), zone), type.contains_null()));
    case TypeKind::kMap:
      return std::make_shared<arrow::MapType>(
          arrow::field("key", client_type(type.key(), zone), false),
          arrow::field("value", client_type(type.value(), zone), type.contains_null()));
    case TypeKind::kStruct: {
      std::vector<std::shared_ptr<arrow::Field>> fields;
      for (size_t i = 0; i < type.fields().size(); ++i) {
        const auto& field = type.fields()[i];
        fields.push_back(client_field(field, zone)->WithName(unique_name(type, i)));
      }
      return arrow::struct_(std::move(fields));
    }
    default:
      return to_arrow(type);
  }
}

// Types whose buffers are the same: only the label differs.
bool same_buffers(const arrow::DataType& from, const arrow::DataType& to) {
  using arrow::Type;
  if (from.id() == Type::TIMESTAMP && to.id() == Type::TIMESTAMP)
    return static_cast<const arrow::TimestampType&>(from).unit() ==
           static_cast<const arrow::TimestampType&>(to).unit();
  const auto months = [](const arrow::DataType& type) {
    return type.id() == Type::INT32 || type.id() == Type::INTERVAL_MONTHS;
  };
  return months(from) && months(to);
}

Result<DataPtr> conform_data(const DataPtr& data, const TypePtr& type);

// Struct, list and map of the same shape: children one by one.
Result<DataPtr> conform_children(const DataPtr& data, const TypePtr& type) {
  DataPtr out = data->Copy();
  out->type = type;
  for (int i = 0; i < type->num_fields(); ++i) {
    const auto index = static_cast<size_t>(i);
    WEIR_ASSIGN(out->child_data[index],
                conform_data(data->child_data[index], type->field(i)->type()));
  }
  return out;
}

Result<DataPtr> conform_data(const DataPtr& data, const TypePtr& type) {
  using arrow::Type;
  if (data->type->Equals(*type, false) && type->num_fields() == 0) return data;
  if (same_buffers(*data->type, *type)) {
    DataPtr out = data->Copy();
    out->type = type;
    return out;
  }
  const bool nested =
      type->id() == Type::STRUCT || type->id() == Type::LIST || type->id() == Type::MAP;
  if (nested && data->type->id() == type->id() && data->type->num_fields() == type->num_fields())
    return conform_children(data, type);
  // large_list and others: Arrow's own cast, to the layout first, then the labels
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(type);
  options.allow_invalid_utf8 = false;
  WEIR_ARROW_ASSIGN(const auto cast, arrow::compute::Cast(*arrow::MakeArray(data), type, options));
  return cast->data();
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> conform(
    const std::shared_ptr<arrow::RecordBatch>& batch,
    const std::shared_ptr<arrow::Schema>& schema) {
  if (batch->num_columns() != schema->num_fields())
    return base::error(base::ErrorKind::kInternal, "a batch has {} columns, {} were expected",
                       batch->num_columns(), schema->num_fields());
  std::vector<DataPtr> columns;
  for (int i = 0; i < batch->num_columns(); ++i) {
    WEIR_ASSIGN(auto column, conform_data(batch->column_data(i), schema->field(i)->type()));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(columns));
}

std::shared_ptr<arrow::Schema> client_schema(const Schema& schema, const std::string& zone) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const auto& field : schema.fields())
    fields.push_back(client_field(field, zone));
  return arrow::schema(std::move(fields));
}

}  // namespace weir::columnar
