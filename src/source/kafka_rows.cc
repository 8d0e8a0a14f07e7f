#include "source/kafka_rows.h"

#include <cstring>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"

namespace weir::source {

using columnar::DataType;
using columnar::TypeKind;

namespace {

class ArenaBuffer final : public arrow::Buffer {
 public:
  explicit ArenaBuffer(std::shared_ptr<const kafka::PaddedBuffer> arena)
      : arrow::Buffer(reinterpret_cast<const uint8_t*>(arena->data()),
                      static_cast<int64_t>(arena->size())),
        arena_(std::move(arena)) {}

 private:
  std::shared_ptr<const kafka::PaddedBuffer> arena_;
};

// A buffer that owns a vector, with 64 bytes readable after its end: short values lie within the
// views.
template <typename T>
class VectorBuffer final : public arrow::Buffer {
 public:
  VectorBuffer(std::vector<T> values, int64_t size)
      : arrow::Buffer(reinterpret_cast<const uint8_t*>(values.data()), size),
        values_(std::move(values)) {}

 private:
  std::vector<T> values_;
};

template <typename T>
std::shared_ptr<arrow::Buffer> buffer_of(std::vector<T>& values) {
  const auto size = static_cast<int64_t>(values.size() * sizeof(T));
  return std::make_shared<VectorBuffer<T>>(std::exchange(values, {}), size);
}

std::shared_ptr<arrow::Field> arrow_field(const columnar::Field& field) {
  if (field.type().is(TypeKind::kBinary)) return arrow::field(field.name, arrow::binary_view());
  return columnar::to_arrow(field);
}

}  // namespace

columnar::Schema kafka_schema(bool include_headers) {
  std::vector<columnar::Field> fields;
  const auto add = [&](std::string name, DataType type) {
    fields.push_back(columnar::make_field(std::move(name), std::move(type)));
  };
  add("key", DataType::of(TypeKind::kBinary));
  add("value", DataType::of(TypeKind::kBinary));
  add("topic", DataType::of(TypeKind::kString));
  add("partition", DataType::of(TypeKind::kInteger));
  add("offset", DataType::of(TypeKind::kLong));
  add("timestamp", DataType::of(TypeKind::kTimestamp));
  add("timestampType", DataType::of(TypeKind::kInteger));
  if (include_headers)
    add("headers", DataType::array(DataType::structure(
                       {columnar::make_field("key", DataType::of(TypeKind::kString)),
                        columnar::make_field("value", DataType::of(TypeKind::kBinary))})));
  return DataType::structure(std::move(fields));
}

KafkaRowBuilder::KafkaRowBuilder(const std::vector<std::string>& columns,
                                 base::TopicPartition partition, int64_t rows_max,
                                 int64_t bytes_max)
    : columns_(columns),
      partition_(std::move(partition)),
      rows_max_(rows_max),
      bytes_max_(bytes_max) {
  const columnar::Schema all = kafka_schema(true);
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const std::string& name : columns_) {
    const int index = all.field_index(name);
    WEIR_CHECK(index >= 0, "not a Kafka column");
    fields.push_back(arrow_field(all.fields()[static_cast<size_t>(index)]));
    want_key_ |= name == "key";
    want_value_ |= name == "value";
    want_offset_ |= name == "offset";
    want_timestamp_ |= name == "timestamp";
    want_type_ |= name == "timestampType";
    want_headers_ |= name == "headers";
  }
  schema_ = arrow::schema(std::move(fields));
}

void KafkaRowBuilder::use_arena(std::shared_ptr<const kafka::PaddedBuffer> arena) {
  if (arena == arena_ && !arenas_.empty()) return;
  arena_ = std::move(arena);
  arenas_.push_back(std::make_shared<ArenaBuffer>(arena_));
}

void KafkaRowBuilder::add_view(ViewColumn& column, std::string_view bytes, bool present) {
  static_assert(sizeof(View) == 16);
  View view{};
  if (!present) {
    if (column.valid.empty()) column.valid.assign(column.views.size(), true);
    column.valid.push_back(false);
    ++column.nulls;
    column.views.push_back(view);
    return;
  }
  if (!column.valid.empty()) column.valid.push_back(true);
  view.size = static_cast<int32_t>(bytes.size());
  if (bytes.size() <= 12) {
    std::memcpy(reinterpret_cast<char*>(&view) + 4, bytes.data(), bytes.size());
  } else {
    std::memcpy(view.inlined_or_prefix, bytes.data(), 4);
    view.buffer_index = static_cast<int32_t>(arenas_.size()) - 1;
    view.offset = static_cast<int32_t>(bytes.data() - arena_->data());
  }
  column.views.push_back(view);
}

void KafkaRowBuilder::add(const kafka::Record& record, bool log_append_time) {
  ++rows_;
  bytes_ += static_cast<int64_t>(record.key.size() + record.value.size());
  if (want_key_) add_view(keys_, record.key, record.has_key);
  if (want_value_) add_view(values_, record.value, record.has_value);
  if (want_offset_) offsets_.push_back(record.offset);
  if (want_timestamp_) timestamps_us_.push_back(record.timestamp_ms * 1000);
  if (want_type_) timestamp_types_.push_back(log_append_time ? 1 : 0);
  if (!want_headers_) return;
  HeaderRow row;
  row.present = record.header_count > 0;  // Spark: NULL where there are none
  kafka::RecordHeaderIterator iterator(record);
  for (kafka::RecordHeader header; iterator.next(header);)
    row.headers.emplace_back(
        std::string(header.key),
        header.value ? std::optional<std::string>(*header.value) : std::nullopt);
  headers_.push_back(std::move(row));
}

std::shared_ptr<arrow::Array> KafkaRowBuilder::finish_views(ViewColumn& column) {
  std::shared_ptr<arrow::Buffer> validity;
  if (column.nulls > 0) {
    std::vector<uint8_t> bits((column.valid.size() + 7) / 8);
    for (size_t row = 0; row < column.valid.size(); ++row)
      if (column.valid[row])
        bits[row / 8] = static_cast<uint8_t>(bits[row / 8] | (1u << (row % 8)));
    validity = buffer_of(bits);
  }
  const int64_t nulls = column.nulls;
  const auto size = static_cast<int64_t>(column.views.size() * sizeof(View));
  column.views.resize(column.views.size() +
                      64 / sizeof(View));  // readable past the last inlined value
  auto views = std::make_shared<VectorBuffer<View>>(std::move(column.views), size);
  column = {};
  return std::make_shared<arrow::BinaryViewArray>(arrow::binary_view(), rows_, std::move(views),
                                                  arenas_, std::move(validity), nulls);
}

Result<std::shared_ptr<arrow::Array>> KafkaRowBuilder::finish_topic() const {
  arrow::StringBuilder builder;
  WEIR_ARROW_TRY(builder.Reserve(rows_));
  WEIR_ARROW_TRY(builder.ReserveData(rows_ * static_cast<int64_t>(partition_.topic.size())));
  for (int64_t row = 0; row < rows_; ++row)
    builder.UnsafeAppend(partition_.topic);
  WEIR_ARROW_ASSIGN(auto array, builder.Finish());
  return array;
}

Result<std::shared_ptr<arrow::Array>> KafkaRowBuilder::finish_headers() {
  auto keys = std::make_shared<arrow::StringBuilder>();
  auto values = std::make_shared<arrow::BinaryBuilder>();
  const auto list_type = schema_->GetFieldByName("headers")->type();
  const auto entry_type = static_cast<const arrow::ListType&>(*list_type).value_type();
  auto entries = std::make_shared<arrow::StructBuilder>(
      entry_type, arrow::default_memory_pool(),
      std::vector<std::shared_ptr<arrow::ArrayBuilder>>{keys, values});
  arrow::ListBuilder lists(arrow::default_memory_pool(), entries, list_type);
  for (const HeaderRow& row : headers_) {
    WEIR_ARROW_TRY(row.present ? lists.Append() : lists.AppendNull());
    for (const auto& [key, value] : row.headers) {
      WEIR_ARROW_TRY(entries->Append());
      WEIR_ARROW_TRY(keys->Append(key));
      WEIR_ARROW_TRY(value ? values->Append(*value) : values->AppendNull());
    }
  }
  headers_.clear();
  WEIR_ARROW_ASSIGN(auto array, lists.Finish());
  return array;
}

Result<std::shared_ptr<arrow::Array>> KafkaRowBuilder::finish_column(const std::string& name) {
  if (name == "key") return finish_views(keys_);
  if (name == "value") return finish_views(values_);
  if (name == "topic") return finish_topic();
  if (name == "headers") return finish_headers();
  const auto type = schema_->GetFieldByName(name)->type();
  std::shared_ptr<arrow::Buffer> values;
  if (name == "partition") {
    std::vector<int32_t> numbers(static_cast<size_t>(rows_), partition_.partition);
    values = buffer_of(numbers);
  } else if (name == "offset") {
    values = buffer_of(offsets_);
  } else if (name == "timestamp") {
    values = buffer_of(timestamps_us_);
  } else {
    values = buffer_of(timestamp_types_);
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows_, {nullptr, std::move(values)}, 0));
}

Result<std::shared_ptr<arrow::RecordBatch>> KafkaRowBuilder::finish() {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const std::string& name : columns_) {
    WEIR_ASSIGN(auto array, finish_column(name));
    arrays.push_back(std::move(array));
  }
  auto batch = arrow::RecordBatch::Make(schema_, rows_, std::move(arrays));
  rows_ = 0;
  bytes_ = 0;
  arenas_.clear();
  arena_.reset();
  return batch;
}

}  // namespace weir::source
