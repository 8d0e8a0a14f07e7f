#include "source/event_hubs_source.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "codec/json_slow.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "source/read_ahead_source.h"

namespace weir::source {

using columnar::DataType;
using columnar::TypeKind;
using ArrayPtr = std::shared_ptr<arrow::Array>;

namespace {

// The Kafka column that a column is made of; empty: none.
std::string kafka_column(std::string_view name) {
  if (name == "body") return "value";
  if (name == "partition") return "partition";
  if (name == "offset" || name == "sequenceNumber") return "offset";
  if (name == "enqueuedTime") return "timestamp";
  if (name == "partitionKey") return "key";
  if (name == "properties") return "headers";
  return {};
}

Result<ArrayPtr> numbers_as_text(const arrow::Array& numbers) {
  arrow::StringBuilder builder;
  for (int64_t row = 0; row < numbers.length(); ++row) {
    const int64_t number = numbers.type_id() == arrow::Type::INT32
                               ? static_cast<const arrow::Int32Array&>(numbers).Value(row)
                               : static_cast<const arrow::Int64Array&>(numbers).Value(row);
    WEIR_ARROW_TRY(builder.Append(std::to_string(number)));
  }
  WEIR_ARROW_ASSIGN(auto array, builder.Finish());
  return array;
}

Result<ArrayPtr> keys_as_text(const arrow::Array& keys) {
  const auto& views = static_cast<const arrow::BinaryViewArray&>(keys);
  arrow::StringBuilder builder;
  for (int64_t row = 0; row < keys.length(); ++row) {
    WEIR_ARROW_TRY(keys.IsNull(row)
                       ? builder.AppendNull()
                       : builder.Append(codec::replace_invalid_utf8(views.GetView(row))));
  }
  WEIR_ARROW_ASSIGN(auto array, builder.Finish());
  return array;
}

// Headers as a map; the last of equal names counts. `headers` null: empty maps.
Result<ArrayPtr> headers_as_map(const arrow::Array* headers, int64_t rows,
                                const std::shared_ptr<arrow::DataType>& type) {
  auto keys = std::make_shared<arrow::StringBuilder>();
  auto items = std::make_shared<arrow::StringBuilder>();
  arrow::MapBuilder maps(arrow::default_memory_pool(), keys, items, type);
  for (int64_t row = 0; row < rows; ++row) {
    WEIR_ARROW_TRY(maps.Append());
    if (headers == nullptr || headers->IsNull(row)) continue;
    const auto& list = static_cast<const arrow::ListArray&>(*headers);
    const auto& entries = static_cast<const arrow::StructArray&>(*list.values());
    const auto& names = static_cast<const arrow::StringArray&>(*entries.field(0));
    const auto& values = static_cast<const arrow::BinaryArray&>(*entries.field(1));
    const int64_t end = list.value_offset(row + 1);
    for (int64_t i = list.value_offset(row); i < end; ++i) {
      bool again = false;
      for (int64_t later = i + 1; later < end && !again; ++later)
        again = names.GetView(later) == names.GetView(i);
      if (again) continue;
      WEIR_ARROW_TRY(keys->Append(names.GetView(i)));
      WEIR_ARROW_TRY(values.IsNull(i)
                         ? items->AppendNull()
                         : items->Append(codec::replace_invalid_utf8(values.GetView(i))));
    }
  }
  WEIR_ARROW_ASSIGN(auto array, maps.Finish());
  return array;
}

class EventReader final : public PartitionReader {
 public:
  EventReader(std::unique_ptr<PartitionReader> records, std::vector<columnar::Field> fields)
      : records_(std::move(records)), fields_(std::move(fields)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    WEIR_ASSIGN(const auto records, records_->next(std::move(stop)));
    if (records == nullptr) return records;
    std::vector<ArrayPtr> arrays;
    std::vector<std::shared_ptr<arrow::Field>> fields;
    for (const columnar::Field& field : fields_) {
      WEIR_ASSIGN(auto array, column(field, *records));
      fields.push_back(arrow::field(field.name, array->type()));
      arrays.push_back(std::move(array));
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), records->num_rows(),
                                    std::move(arrays));
  }
  const ReadCounters& counters() const override { return records_->counters(); }

 private:
  static Result<ArrayPtr> column(const columnar::Field& field, const arrow::RecordBatch& records) {
    const std::string from = kafka_column(field.name);
    const ArrayPtr made_of = from.empty() ? nullptr : records.GetColumnByName(from);
    const auto type = columnar::to_arrow(field)->type();
    if (field.name == "partition" || field.name == "offset") return numbers_as_text(*made_of);
    if (field.name == "partitionKey") return keys_as_text(*made_of);
    if (field.name == "properties" || field.name == "systemProperties")
      return headers_as_map(made_of.get(), records.num_rows(), type);
    if (made_of != nullptr) return made_of;
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(type, records.num_rows()));
    return nulls;
  }

  std::unique_ptr<PartitionReader> records_;
  std::vector<columnar::Field> fields_;
};

class EventHubsSource final : public Source, public ReadAheadSource {
 public:
  EventHubsSource(std::unique_ptr<Source> records, std::string hub)
      : records_(std::move(records)), hub_(std::move(hub)), schema_(event_hubs_schema()) {}

  const Schema& schema() const override { return schema_; }
  std::string description() const override { return fmt::format("EventHubsSource[{}]", hub_); }
  Result<void> open(const std::string& folder) override { return records_->open(folder); }
  Result<std::string> initial_offset() override { return records_->initial_offset(); }
  Result<void> prepare_available_now() override { return records_->prepare_available_now(); }
  Result<LatestOffset> latest_offset(const std::string& start, bool ignore_limits) override {
    return records_->latest_offset(start, ignore_limits);
  }
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override {
    std::vector<std::string> wanted;
    std::vector<columnar::Field> fields;
    for (const std::string& name : columns) {
      fields.push_back(schema_.fields()[static_cast<size_t>(schema_.field_index(name))]);
      const std::string from = kafka_column(name);
      if (!from.empty() && std::find(wanted.begin(), wanted.end(), from) == wanted.end())
        wanted.push_back(from);
    }
    WEIR_ASSIGN(auto readers, records_->plan(start, end, wanted));
    for (auto& reader : readers)
      reader = std::make_unique<EventReader>(std::move(reader), fields);
    return readers;
  }
  Result<void> commit(const std::string& end) override { return records_->commit(end); }
  void interrupt() override { records_->interrupt(); }
  std::map<std::string, std::string> metrics(const std::string& end) const override {
    return records_->metrics(end);
  }

 private:
  std::unique_ptr<Source> records_;
  std::string hub_;
  Schema schema_;
};

}  // namespace

columnar::Schema event_hubs_schema() {
  std::vector<columnar::Field> fields;
  const auto add = [&](std::string name, DataType type) {
    fields.push_back(columnar::make_field(std::move(name), std::move(type)));
  };
  const DataType text = DataType::of(TypeKind::kString);
  add("body", DataType::of(TypeKind::kBinary));
  add("partition", text);
  add("offset", text);
  add("sequenceNumber", DataType::of(TypeKind::kLong));
  add("enqueuedTime", DataType::of(TypeKind::kTimestamp));
  add("publisher", text);
  add("partitionKey", text);
  add("properties", DataType::map(text, text));
  add("systemProperties", DataType::map(text, text));
  return DataType::structure(std::move(fields));
}

Result<std::unique_ptr<Source>> make_event_hubs_source(KafkaSourceEnvironment environment,
                                                       KafkaSourceOptions options,
                                                       KafkaClientFactory open_client) {
  std::string hub = options.subscribe.front();
  WEIR_ASSIGN(auto records,
              make_kafka_source(environment, std::move(options), std::move(open_client)));
  return std::unique_ptr<Source>(
      std::make_unique<EventHubsSource>(std::move(records), std::move(hub)));
}

}  // namespace weir::source
