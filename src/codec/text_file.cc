#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "codec/byte_stream.h"
#include "codec/column_writer.h"
#include "codec/file_formats.h"
#include "codec/json_slow.h"
#include "columnar/arrow_types.h"

namespace weir::codec {

namespace {

using base::error;
using base::ErrorKind;
using columnar::TypeKind;

constexpr int64_t kBlockBytes = 1 << 20;

class TextReader final : public FormatReader {
 public:
  TextReader(const Schema& schema, std::unique_ptr<ColumnWriter> column, LineBlocks blocks,
             std::string separator, bool whole, int64_t batch_rows, int64_t batch_bytes)
      : schema_(columnar::to_arrow_schema(schema)),
        column_(std::move(column)),
        blocks_(std::move(blocks)),
        separator_(std::move(separator)),
        whole_(whole),
        batch_rows_(batch_rows),
        batch_bytes_(batch_bytes) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    rows_ = 0;
    bytes_ = 0;
    while (!at_end_ && rows_ < batch_rows_ && bytes_ < batch_bytes_) {
      if (stop.stop_requested()) return error(ErrorKind::kCancelled, "reading was stopped");
      if (whole_) {
        at_end_ = true;
        WEIR_ASSIGN(const std::string_view text, blocks_.rest());
        add(text);
      } else {
        WEIR_ASSIGN(const std::string_view lines, blocks_.next());
        at_end_ = lines.empty();
        add_lines(lines);
      }
    }
    if (rows_ == 0) return std::shared_ptr<arrow::RecordBatch>();
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    if (schema_->num_fields() > 0) columns.push_back(column_->finish(rows_));
    return arrow::RecordBatch::Make(schema_, rows_, std::move(columns));
  }
  const RecordCounters& counters() const override { return counters_; }

 private:
  void add(std::string_view line) {
    column_->reserve(rows_ + 1);
    // Arrow's strings are UTF-8; Spark shows other bytes as U+FFFD when asked.
    column_->set_text(rows_++, replace_invalid_utf8(line));
    bytes_ += static_cast<int64_t>(line.size());
    counters_.bytes += static_cast<int64_t>(line.size());
    ++counters_.rows;
  }

  void add_lines(std::string_view text) {
    const std::string_view separator =
        separator_.empty() ? std::string_view("\n") : std::string_view(separator_);
    while (!text.empty()) {
      const size_t end = text.find(separator);
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + separator.size());
      if (!separator_.empty()) {
        add(line);
        continue;
      }
      // LF, CRLF and a lone CR end a line.
      if (end != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
      size_t cr;
      while ((cr = line.find('\r')) != std::string_view::npos) {
        add(line.substr(0, cr));
        line.remove_prefix(cr + 1);
        if (line.empty() && end == std::string_view::npos) break;
      }
      if (!(line.empty() && end == std::string_view::npos)) add(line);
    }
  }

  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<ColumnWriter> column_;
  LineBlocks blocks_;
  std::string separator_;
  bool whole_;
  int64_t batch_rows_;
  int64_t batch_bytes_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  bool at_end_ = false;
  RecordCounters counters_;
};

class TextFormat final : public FileFormatBase {
 public:
  TextFormat(Schema schema, const FileFormatRequest& request, std::vector<std::string> unknown,
             bool whole, std::string separator)
      : FileFormatBase("text", std::move(schema), request, std::move(unknown)),
        whole_(whole),
        separator_(std::move(separator)) {}
  bool splittable(const io::FileInfo& file) const override {
    return !whole_ && !is_gzip_name(file.path);
  }

  Result<std::unique_ptr<FormatReader>> open(io::FileSystem& fs, const io::FileInfo& file,
                                             FileRange range) const override {
    if (!splittable(file)) range = {0, range.begin > 0 ? 0 : INT64_MAX};
    const int64_t offset = line_search_offset(range, separator_.size());
    WEIR_ASSIGN(auto stream, open_byte_stream(fs, file, offset));
    WEIR_ASSIGN(auto column, ColumnWriter::create(Schema::of(TypeKind::kString)));
    LineBlocks blocks(std::move(stream), offset, range, separator_, kBlockBytes);
    return std::unique_ptr<FormatReader>(
        std::make_unique<TextReader>(schema(), std::move(column), std::move(blocks), separator_,
                                     whole_ && range.end > 0, batch_rows_, batch_bytes_));
  }

 private:
  bool whole_;
  std::string separator_;
};

}  // namespace

Result<std::shared_ptr<const FileFormat>> make_text_format(const FileFormatRequest& request,
                                                           OptionMap& map) {
  FileFormatRequest full = request;
  if (full.file_schema.fields().empty()) {
    full.file_schema =
        Schema::structure({columnar::make_field("value", Schema::of(TypeKind::kString))});
  }
  if (full.file_schema.fields().size() != 1 ||
      !full.file_schema.fields()[0].type().is(TypeKind::kString)) {
    return error(ErrorKind::kInvalidArgument, "text files have one column of type STRING, not {}",
                 full.file_schema.simple_string());
  }
  WEIR_ASSIGN(const bool whole, map.boolean("wholetext", false));
  std::string separator = map.text("lineSep").value_or("");
  WEIR_TRY(map.check_encoding());
  WEIR_ASSIGN(Schema schema, wanted_columns(full));
  return std::shared_ptr<const FileFormat>(std::make_shared<TextFormat>(
      std::move(schema), full, map.unknown(), whole, std::move(separator)));
}

}  // namespace weir::codec
