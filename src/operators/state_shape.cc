#include "operators/state_shape.h"

#include <charconv>

#include <arrow/api.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "operators/event_time.h"

namespace weir::operators {

using base::Result;
using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using ArrayPtr = std::shared_ptr<arrow::Array>;

namespace {

// "sum_2_count" as Spark calls it, "count"; "max_0_value" is "max". Empty: weir's alone.
std::string buffer_name(const std::string& name) {
  for (size_t at = name.find('_'); at != std::string::npos; at = name.find('_', at + 1)) {
    size_t end = at + 1;
    while (end < name.size() && name[end] >= '0' && name[end] <= '9')
      ++end;
    if (end == at + 1 || end >= name.size() || name[end] != '_') continue;
    const std::string part = name.substr(end + 1);
    if (part == "over") return {};
    return part == "value" ? name.substr(0, at) : part;
  }
  return name;
}

std::vector<columnar::Field> fields_of(const Schema& schema) {
  return {schema.fields().begin(), schema.fields().end()};
}

}  // namespace

StateShape StateShape::of(const state::StoreInfo& store, bool as_join_side) {
  StateShape shape;
  const auto keys = fields_of(store.spec.key);
  const auto values = fields_of(store.spec.value);
  const std::string& name = store.spec.operator_name;
  const auto long_part = [](From from, const char* called) {
    Part part;
    part.from = from;
    part.field = columnar::make_field(called, DataType::of(TypeKind::kLong));
    return part;
  };
  const auto parts_of = [](const std::vector<columnar::Field>& fields, From from, size_t begin,
                           size_t end) {
    std::vector<Part> parts;
    for (size_t i = begin; i < end; ++i) {
      Part part;
      part.from = from;
      part.index = static_cast<int>(i);
      part.field = fields[i];
      parts.push_back(std::move(part));
    }
    return parts;
  };
  const size_t key_count =
      as_join_side ? static_cast<size_t>(store.spec.prefix_columns) : keys.size();
  shape.key_parts_ = parts_of(keys, From::kKey, 0, key_count);
  if (name == "dedupeWithinWatermark") {
    shape.value_parts_ = {long_part(From::kTimeMicros, "expiresAtMicros")};
  } else if (!values.empty() && values[0].name == "exists" && name != "symmetricHashJoin") {
    Part group;
    group.from = From::kGroup;
    group.parts = parts_of(values, From::kValue, 1, values.size());
    group.field = columnar::make_field("groupState", schema_of(group.parts));
    shape.value_parts_.push_back(std::move(group));
    if (store.spec.time != state::TimeBuckets::kNone)
      shape.value_parts_.push_back(long_part(From::kTimeMillis, "timeoutTimestamp"));
  } else {
    const size_t count = as_join_side ? values.size() - 1 : values.size();
    shape.value_parts_ = parts_of(values, From::kValue, 0, count);
  }
  if (name == "stateStoreSave" || name == "sessionWindowStateStoreSaveExec") {
    std::erase_if(shape.value_parts_,
                  [](const Part& part) { return buffer_name(part.field.name).empty(); });
    for (Part& part : shape.value_parts_)
      part.field.name = buffer_name(part.field.name);
  }
  shape.key_ = schema_of(shape.key_parts_);
  shape.value_ = schema_of(shape.value_parts_);
  return shape;
}

Schema StateShape::schema_of(const std::vector<Part>& parts) {
  std::vector<columnar::Field> fields;
  for (const Part& part : parts)
    fields.push_back(columnar::make_field(part.field.name, part.field.type()));
  return Schema::structure(std::move(fields));
}

Result<ArrayPtr> StateShape::made(const std::vector<Part>& parts, const Schema& schema,
                                  const arrow::RecordBatch& rows, const arrow::Array* validity) {
  const auto key = std::static_pointer_cast<arrow::StructArray>(rows.column(1));
  const auto value = std::static_pointer_cast<arrow::StructArray>(rows.column(2));
  arrow::ArrayVector columns;
  for (const Part& part : parts) {
    switch (part.from) {
      case From::kKey:
        columns.push_back(key->field(part.index));
        break;
      case From::kValue:
        columns.push_back(value->field(part.index));
        break;
      case From::kGroup: {
        WEIR_ASSIGN(auto group, made(part.parts, part.field.type(), rows, value->field(0).get()));
        columns.push_back(std::move(group));
        break;
      }
      case From::kTimeMicros:
      case From::kTimeMillis: {
        const auto& times = static_cast<const arrow::TimestampArray&>(*rows.column(3));
        arrow::Int64Builder builder;
        for (int64_t row = 0; row < times.length(); ++row) {
          const int64_t us = times.Value(row);
          const bool millis = part.from == From::kTimeMillis;
          const bool never = us >= kNeverLate || us == INT64_MIN;
          WEIR_ARROW_TRY(builder.Append(!millis ? us : never ? -1 : us / 1000));
        }
        columns.emplace_back();
        WEIR_ARROW_TRY(builder.Finish(&columns.back()));
        break;
      }
    }
  }
  std::shared_ptr<arrow::Buffer> bits;
  if (validity != nullptr) {
    const auto& flags = static_cast<const arrow::BooleanArray&>(*validity);
    WEIR_ARROW_ASSIGN(bits, arrow::AllocateEmptyBitmap(rows.num_rows()));
    for (int64_t row = 0; row < rows.num_rows(); ++row)
      arrow::bit_util::SetBitTo(bits->mutable_data(), row, flags.IsValid(row) && flags.Value(row));
  }
  return ArrayPtr(std::make_shared<arrow::StructArray>(columnar::to_arrow(schema), rows.num_rows(),
                                                       std::move(columns), std::move(bits)));
}

Result<ArrayPtr> StateShape::key_of(const arrow::RecordBatch& rows) const {
  return made(key_parts_, key_, rows, nullptr);
}

Result<ArrayPtr> StateShape::value_of(const arrow::RecordBatch& rows) const {
  if (rows.column(2)->null_count() == rows.num_rows() && rows.num_rows() > 0) {  // removed
    WEIR_ARROW_ASSIGN(auto nulls,
                      arrow::MakeArrayOfNull(columnar::to_arrow(value_), rows.num_rows()));
    return nulls;
  }
  return made(value_parts_, value_, rows, nullptr);
}

}  // namespace weir::operators
