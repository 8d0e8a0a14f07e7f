#include "codec/json_decoder.h"

#include <cstring>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "codec/json_fast.h"
#include "codec/json_slow.h"
#include "codec/malformed_record.h"
#include "columnar/arrow_types.h"

namespace weir::codec {

namespace {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

// What must be readable behind a record for the fast path.
constexpr size_t kPadding = 64;
// Arrow's 32-bit offsets bound what a batch may hold.
constexpr int64_t kBatchBytesMax = int64_t{1} << 30;

class Decoder final : public JsonDecoder {
 public:
  Decoder(JsonOptions options, DatetimeFormats formats, DataType row_type,
          std::unique_ptr<ColumnWriter> root, std::unique_ptr<ColumnWriter> corrupt,
          int corrupt_index)
      : options_(std::move(options)),
        formats_(std::move(formats)),
        row_type_(std::move(row_type)),
        root_(std::move(root)),
        corrupt_(std::move(corrupt)),
        corrupt_index_(corrupt_index),
        fast_(*root_, formats_),
        slow_(options_, formats_) {}

  Result<void> append(std::string_view payload, size_t readable_after) override {
    WEIR_ASSIGN(const RecordOutcome outcome, record(payload, readable_after));
    if (outcome == RecordOutcome::kNull) {
      append_null();
    } else {
      outcomes_.push_back(outcome);
    }
    return {};
  }

  void append_null() override {
    make_room();
    root_->set_null(rows_);
    if (corrupt_) corrupt_->set_null(rows_);
    ++rows_;
    ++counters_.rows;
    outcomes_.push_back(RecordOutcome::kNull);
  }

  Result<void> append_lines(std::string_view text, size_t readable_after) override {
    const bool has_cr = text.find('\r') != std::string_view::npos;
    while (!text.empty()) {
      const char* newline = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
      const size_t length = newline ? static_cast<size_t>(newline - text.data()) : text.size();
      std::string_view line = text.substr(0, length);
      text.remove_prefix(newline ? length + 1 : length);
      const size_t after = text.size() + (newline ? 1 : 0) + readable_after;
      if (has_cr) {
        // A lone CR ends a line too, as in Hadoop's line reader.
        size_t cr;
        while ((cr = line.find('\r')) != std::string_view::npos) {
          WEIR_TRY(record(line.substr(0, cr), line.size() - cr + after));
          line.remove_prefix(cr + 1);
        }
      }
      if (!line.empty()) WEIR_TRY(record(line, after));
    }
    return {};
  }

  Result<void> append_array(const arrow::Array& payloads, bool padded) override {
    switch (payloads.type_id()) {
      case arrow::Type::BINARY:
      case arrow::Type::STRING:
        return append_values(static_cast<const arrow::BinaryArray&>(payloads), padded);
      case arrow::Type::LARGE_BINARY:
      case arrow::Type::LARGE_STRING:
        return append_values(static_cast<const arrow::LargeBinaryArray&>(payloads), padded);
      case arrow::Type::BINARY_VIEW:
      case arrow::Type::STRING_VIEW:
        return append_values(static_cast<const arrow::BinaryViewArray&>(payloads), padded);
      default:
        return error(ErrorKind::kInvalidArgument,
                     "JSON is decoded from strings or binary, not from {}",
                     payloads.type()->ToString());
    }
  }

  int64_t rows() const override { return rows_; }
  int64_t bytes() const override { return batch_bytes_; }
  std::span<const RecordOutcome> outcomes() const override { return outcomes_; }
  const RecordCounters& counters() const override { return counters_; }
  int64_t slow_records() const override { return slow_records_; }

  Result<std::shared_ptr<arrow::RecordBatch>> finish() override {
    const int64_t rows = rows_;
    rows_hint_ = std::max<int64_t>(rows, 64);
    auto data = root_->finish(rows);
    std::vector<std::shared_ptr<arrow::ArrayData>> columns = data->child_data;
    std::vector<std::shared_ptr<arrow::Field>> fields = data->type->fields();
    if (corrupt_) {
      columns.insert(columns.begin() + corrupt_index_, corrupt_->finish(rows));
      fields.insert(fields.begin() + corrupt_index_,
                    arrow::field(options_.corrupt_column, arrow::utf8()));
    }
    rows_ = 0;
    batch_bytes_ = 0;
    outcomes_.clear();
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
  }

 private:
  template <typename Array>
  Result<void> append_values(const Array& payloads, bool padded) {
    for (int64_t i = 0; i < payloads.length(); ++i) {
      if (payloads.IsNull(i)) {
        append_null();
      } else {
        const std::string_view payload = payloads.GetView(i);
        WEIR_TRY(append(payload, padded ? kPadding : readable_after(payloads, i, payload)));
      }
    }
    return {};
  }

  // What of the array's buffer follows a value of it.
  template <typename Array>
  static size_t readable_after(const Array& payloads, int64_t row, std::string_view payload) {
    const arrow::Buffer* buffer = nullptr;
    if constexpr (std::is_same_v<Array, arrow::BinaryViewArray>) {
      const auto& view = payloads.raw_values()[row];
      if (view.is_inline()) return 0;
      buffer = payloads.data()->buffers[2 + static_cast<size_t>(view.ref.buffer_index)].get();
    } else {
      buffer = payloads.value_data().get();
    }
    if (buffer == nullptr) return 0;
    const auto* end = reinterpret_cast<const char*>(buffer->data()) + buffer->size();
    return static_cast<size_t>(end - (payload.data() + payload.size()));
  }

  void make_room() {
    if (rows_ < root_->capacity()) return;
    const int64_t slots = std::max<int64_t>(rows_hint_, rows_ + 1);
    root_->reserve(slots);
    if (corrupt_) corrupt_->reserve(root_->capacity());
  }

  // kNull: there was no record, and nothing was added.
  Result<RecordOutcome> record(std::string_view text, size_t readable_after) {
    make_room();
    counters_.bytes += static_cast<int64_t>(text.size());
    batch_bytes_ += static_cast<int64_t>(text.size());
    if (batch_bytes_ > kBatchBytesMax) {
      return error(ErrorKind::kResourceExhausted,
                   "more than {} bytes of JSON in one batch; take smaller batches", kBatchBytesMax);
    }
    std::string_view padded = text;
    if (readable_after < kPadding) {
      copy_.assign(text);
      copy_.append(kPadding, ' ');
      padded = std::string_view(copy_).substr(0, text.size());
    }
    if (fast_.parse(padded, rows_)) [[likely]] {
      if (corrupt_) corrupt_->set_null(rows_);
      ++rows_;
      ++counters_.rows;
      return RecordOutcome::kGood;
    }
    root_->rollback(rows_, rows_ + 1);
    return slow_record(text);
  }

  Result<RecordOutcome> slow_record(std::string_view text) {
    ++slow_records_;
    JsonSlowParser::Parsed parsed = slow_.parse(text, row_type_);
    if (parsed.blank) return RecordOutcome::kNull;
    if (parsed.bad && options_.mode == ParseMode::kFailFast) return malformed_record(text);
    if (parsed.bad && options_.mode == ParseMode::kDropMalformed) {
      ++counters_.dropped_rows;
      return RecordOutcome::kDropped;
    }
    if (parsed.bad && parsed.rows.empty()) parsed.rows.emplace_back();
    for (JsonTree& row : parsed.rows) {
      make_room();
      if (row.items.empty()) {
        root_->set_null(rows_);
        root_->set_valid(rows_);
      } else {
        write_tree(row, *root_, rows_);
      }
      if (corrupt_ && parsed.bad) corrupt_->set_text(rows_, replace_invalid_utf8(text));
      if (corrupt_ && !parsed.bad) corrupt_->set_null(rows_);
      ++rows_;
      ++counters_.rows;
      counters_.corrupt_rows += parsed.bad;
    }
    return parsed.bad ? RecordOutcome::kCorrupt : RecordOutcome::kGood;
  }

  JsonOptions options_;
  DatetimeFormats formats_;
  DataType row_type_;  // the schema without the corrupt-record column
  std::unique_ptr<ColumnWriter> root_;
  std::unique_ptr<ColumnWriter> corrupt_;  // null where the schema has no such column
  int corrupt_index_;
  JsonFastParser fast_;
  JsonSlowParser slow_;
  RecordCounters counters_;
  int64_t slow_records_ = 0;
  int64_t rows_ = 0;
  int64_t rows_hint_ = 1024;
  int64_t batch_bytes_ = 0;
  std::vector<RecordOutcome> outcomes_;
  std::string copy_;
};

}  // namespace

Result<std::unique_ptr<JsonDecoder>> JsonDecoder::create(const Schema& schema,
                                                         JsonOptions options) {
  if (!schema.is(TypeKind::kStruct))
    return error(ErrorKind::kInvalidArgument, "a JSON schema has to be a struct");
  std::vector<columnar::Field> fields;
  int corrupt_index = -1;
  for (size_t i = 0; i < schema.fields().size(); ++i) {
    const columnar::Field& field = schema.fields()[i];
    if (field.name != options.corrupt_column) {
      fields.push_back(field);
      continue;
    }
    if (!field.type().is(TypeKind::kString)) {
      return error(ErrorKind::kInvalidArgument,
                   "the corrupt-record column {} has to be a nullable STRING", field.name)
          .with_class("INVALID_CORRUPT_RECORD_TYPE");
    }
    corrupt_index = static_cast<int>(i);
  }
  WEIR_ASSIGN(DatetimeFormats formats,
              DatetimeFormats::create(options.timestamp_format, options.timestamp_ntz_format,
                                      options.date_format, options.time_zone));
  const DataType row_type = DataType::structure(std::move(fields));
  WEIR_ASSIGN(auto root, ColumnWriter::create(row_type));
  std::unique_ptr<ColumnWriter> corrupt;
  if (corrupt_index >= 0) {
    WEIR_ASSIGN(corrupt, ColumnWriter::create(DataType::of(TypeKind::kString)));
  }
  return std::unique_ptr<JsonDecoder>(
      std::make_unique<Decoder>(std::move(options), std::move(formats), row_type, std::move(root),
                                std::move(corrupt), corrupt_index));
}

}  // namespace weir::codec
