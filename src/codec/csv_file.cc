#include <arrow/record_batch.h>

#include "codec/byte_stream.h"
#include "codec/csv_decoder.h"
#include "codec/file_formats.h"

namespace weir::codec {

namespace {

using base::error;
using base::ErrorKind;

constexpr int64_t kBlockBytes = 1 << 20;

class CsvReader final : public FormatReader {
 public:
  CsvReader(std::unique_ptr<CsvDecoder> decoder, LineBlocks blocks, bool whole, int64_t batch_rows,
            int64_t batch_bytes, std::string path)
      : decoder_(std::move(decoder)),
        blocks_(std::move(blocks)),
        whole_(whole),
        batch_rows_(batch_rows),
        batch_bytes_(batch_bytes),
        path_(std::move(path)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    while (!at_end_ && decoder_->rows() < batch_rows_ && decoder_->bytes() < batch_bytes_) {
      if (stop.stop_requested())
        return error(ErrorKind::kCancelled, "reading {} was stopped", path_);
      auto added = add_block();
      if (!added.ok()) return std::move(added).error().with_context(path_);
    }
    if (decoder_->rows() == 0) return std::shared_ptr<arrow::RecordBatch>();
    return decoder_->finish();
  }
  const RecordCounters& counters() const override { return decoder_->counters(); }

 private:
  Result<void> add_block() {
    if (whole_) {
      at_end_ = true;
      WEIR_ASSIGN(const std::string_view text, blocks_.rest());
      return decoder_->append(text);
    }
    WEIR_ASSIGN(const std::string_view lines, blocks_.next());
    at_end_ = lines.empty();
    return decoder_->append(lines);
  }

  std::unique_ptr<CsvDecoder> decoder_;
  LineBlocks blocks_;
  bool whole_;
  int64_t batch_rows_;
  int64_t batch_bytes_;
  std::string path_;
  bool at_end_ = false;
};

class CsvFormat final : public FileFormatBase {
 public:
  CsvFormat(Schema schema, const FileFormatRequest& request, std::vector<std::string> unknown,
            CsvOptions options)
      : FileFormatBase("csv", std::move(schema), request, std::move(unknown)),
        file_schema_(request.file_schema),
        options_(std::move(options)) {}
  bool splittable(const io::FileInfo& file) const override {
    return !options_.multi_line && !is_gzip_name(file.path);
  }

  Result<std::unique_ptr<FormatReader>> open(io::FileSystem& fs, const io::FileInfo& file,
                                             FileRange range) const override {
    if (!splittable(file)) range = {0, range.begin > 0 ? 0 : INT64_MAX};
    const int64_t offset = line_search_offset(range, 1);
    WEIR_ASSIGN(auto stream, open_byte_stream(fs, file, offset));
    CsvOptions options = options_;
    // Only the part that begins the file holds its header.
    options.header = options_.header && range.begin == 0;
    WEIR_ASSIGN(auto decoder, CsvDecoder::create(file_schema_, schema(), std::move(options)));
    decoder->begin_file();
    LineBlocks blocks(std::move(stream), offset, range, "", kBlockBytes);
    return std::unique_ptr<FormatReader>(std::make_unique<CsvReader>(
        std::move(decoder), std::move(blocks), options_.multi_line && range.end > 0, batch_rows_,
        batch_bytes_, file.path));
  }

 private:
  Schema file_schema_;
  CsvOptions options_;
};

// One character, "\t" and the like, or none where the option is empty.
Result<char> character(OptionMap& map, std::string_view name, char otherwise) {
  const auto text = map.text(name);
  if (!text) return otherwise;
  if (text->empty() || *text == "\\0" || *text == std::string(1, '\0')) return '\0';
  if (text->size() == 1) return (*text)[0];
  if (*text == "\\t") return '\t';
  if (*text == "\\\\") return '\\';
  return error(ErrorKind::kInvalidArgument, "option {} has to be one ASCII character, not '{}'",
               name, *text);
}

// "\t" and "\\" written out, as Spark takes them in separators.
std::string separator_of(std::string text) {
  std::string separator;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      separator += text[i];
      continue;
    }
    switch (text[++i]) {
      case 't':
        separator += '\t';
        break;
      case 'r':
        separator += '\r';
        break;
      case 'b':
        separator += '\b';
        break;
      case 'f':
        separator += '\f';
        break;
      default:
        separator += text[i];
    }
  }
  return separator;
}

}  // namespace

Result<CsvOptions> parse_csv_options(OptionMap& map) {
  CsvOptions options;
  WEIR_ASSIGN(options.mode, map.mode());
  options.corrupt_column = map.text("columnNameOfCorruptRecord").value_or(options.corrupt_column);
  const auto delimiter = map.text("delimiter");
  options.separator = separator_of(map.text("sep").value_or(delimiter.value_or(",")));
  if (options.separator.empty()) return error(ErrorKind::kInvalidArgument, "option sep is empty");
  WEIR_ASSIGN(options.quote, character(map, "quote", options.quote));
  WEIR_ASSIGN(options.escape, character(map, "escape", options.escape));
  WEIR_ASSIGN(options.escape_of_escape,
              character(map, "charToEscapeQuoteEscaping", options.escape_of_escape));
  WEIR_ASSIGN(options.comment, character(map, "comment", options.comment));
  WEIR_ASSIGN(options.header, map.boolean("header", options.header));
  WEIR_ASSIGN(options.enforce_schema, map.boolean("enforceSchema", options.enforce_schema));
  WEIR_ASSIGN(options.multi_line, map.boolean("multiLine", options.multi_line));
  WEIR_ASSIGN(options.ignore_leading_blanks,
              map.boolean("ignoreLeadingWhiteSpace", options.ignore_leading_blanks));
  WEIR_ASSIGN(options.ignore_trailing_blanks,
              map.boolean("ignoreTrailingWhiteSpace", options.ignore_trailing_blanks));
  options.null_value = map.text("nullValue").value_or(options.null_value);
  options.empty_value = map.text("emptyValue").value_or(options.empty_value);
  options.nan_value = map.text("nanValue").value_or(options.nan_value);
  options.positive_infinity = map.text("positiveInf").value_or(options.positive_infinity);
  options.negative_infinity = map.text("negativeInf").value_or(options.negative_infinity);
  WEIR_ASSIGN(options.columns_max, map.integer("maxColumns", options.columns_max));
  WEIR_ASSIGN(options.column_chars_max, map.integer("maxCharsPerColumn", options.column_chars_max));
  options.timestamp_format = map.text("timestampFormat").value_or("");
  options.timestamp_ntz_format = map.text("timestampNTZFormat").value_or("");
  options.date_format = map.text("dateFormat").value_or("");
  options.time_zone = map.text("timeZone").value_or(options.time_zone);
  WEIR_TRY(map.check_encoding());
  WEIR_TRY(map.refuse("lineSep", {"\n", "\r\n"}));
  WEIR_TRY(map.refuse("locale", {"en-US", "en_US", "en"}));
  WEIR_TRY(map.refuse("unescapedQuoteHandling", {"STOP_AT_DELIMITER"}));
  WEIR_TRY(map.refuse("enableDateTimeParsingFallback"));
  WEIR_TRY(map.refuse("singleVariantColumn"));
  map.ignore(
      {"preferDate", "quoteAll", "escapeQuotes", "inputBufferSize", "timeFormat", "columnPruning"});
  map.ignore({"inferSchema", "samplingRatio"});
  return options;
}

Result<std::shared_ptr<const FileFormat>> make_csv_format(const FileFormatRequest& request,
                                                          OptionMap& map) {
  WEIR_ASSIGN(CsvOptions options, parse_csv_options(map));
  WEIR_ASSIGN(Schema schema, wanted_columns(request));
  WEIR_ASSIGN(auto probe, CsvDecoder::create(request.file_schema, schema, options));
  return std::shared_ptr<const FileFormat>(
      std::make_shared<CsvFormat>(std::move(schema), request, map.unknown(), std::move(options)));
}

}  // namespace weir::codec
