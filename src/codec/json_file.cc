#include <arrow/record_batch.h>

#include "codec/byte_stream.h"
#include "codec/file_formats.h"
#include "codec/json_decoder.h"

namespace weir::codec {

namespace {

constexpr int64_t kBlockBytes = 4 << 20;

class JsonReader final : public FormatReader {
 public:
  JsonReader(std::unique_ptr<JsonDecoder> decoder, LineBlocks blocks, bool multi_line,
             int64_t batch_rows, int64_t batch_bytes, std::string path)
      : decoder_(std::move(decoder)),
        blocks_(std::move(blocks)),
        multi_line_(multi_line),
        batch_rows_(batch_rows),
        batch_bytes_(batch_bytes),
        path_(std::move(path)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    while (!at_end_ && decoder_->rows() < batch_rows_ && decoder_->bytes() < batch_bytes_) {
      if (stop.stop_requested())
        return base::error(base::ErrorKind::kCancelled, "reading {} was stopped", path_);
      auto added = add_block();
      if (!added.ok()) return std::move(added).error().with_context(path_);
    }
    if (decoder_->rows() == 0) return std::shared_ptr<arrow::RecordBatch>();
    return decoder_->finish();
  }
  const RecordCounters& counters() const override { return decoder_->counters(); }

 private:
  Result<void> add_block() {
    if (multi_line_) {
      at_end_ = true;
      WEIR_ASSIGN(const std::string_view text, blocks_.rest());
      if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
      return decoder_->append(text, 64);
    }
    WEIR_ASSIGN(const std::string_view lines, blocks_.next());
    at_end_ = lines.empty();
    return decoder_->append_lines(lines, 64);
  }

  std::unique_ptr<JsonDecoder> decoder_;
  LineBlocks blocks_;
  bool multi_line_;
  int64_t batch_rows_;
  int64_t batch_bytes_;
  std::string path_;
  bool at_end_ = false;
};

class JsonFormat final : public FileFormatBase {
 public:
  JsonFormat(Schema schema, const FileFormatRequest& request, std::vector<std::string> unknown,
             JsonOptions options, bool multi_line)
      : FileFormatBase("json", std::move(schema), request, std::move(unknown)),
        options_(std::move(options)),
        multi_line_(multi_line) {}
  bool splittable(const io::FileInfo& file) const override {
    return !multi_line_ && !is_gzip_name(file.path);
  }

  Result<std::unique_ptr<FormatReader>> open(io::FileSystem& fs, const io::FileInfo& file,
                                             FileRange range) const override {
    if (!splittable(file)) range = {0, range.begin > 0 ? 0 : INT64_MAX};
    const int64_t offset = line_search_offset(range, 1);
    WEIR_ASSIGN(auto stream, open_byte_stream(fs, file, offset));
    WEIR_ASSIGN(auto decoder, JsonDecoder::create(schema(), options_));
    LineBlocks blocks(std::move(stream), offset, range, "", kBlockBytes);
    return std::unique_ptr<FormatReader>(std::make_unique<JsonReader>(
        std::move(decoder), std::move(blocks), multi_line_ && range.end > 0, batch_rows_,
        batch_bytes_, file.path));
  }

 private:
  JsonOptions options_;
  bool multi_line_;
};

}  // namespace

Result<JsonFileOptions> parse_json_options(OptionMap& map) {
  JsonFileOptions parsed;
  JsonOptions& options = parsed.records;
  options.from_files = true;
  WEIR_ASSIGN(options.mode, map.mode());
  options.corrupt_column = map.text("columnNameOfCorruptRecord").value_or(options.corrupt_column);
  WEIR_ASSIGN(options.allow_comments, map.boolean("allowComments", options.allow_comments));
  WEIR_ASSIGN(options.allow_unquoted_field_names,
              map.boolean("allowUnquotedFieldNames", options.allow_unquoted_field_names));
  WEIR_ASSIGN(options.allow_single_quotes,
              map.boolean("allowSingleQuotes", options.allow_single_quotes));
  WEIR_ASSIGN(options.allow_numeric_leading_zeros,
              map.boolean("allowNumericLeadingZeros", options.allow_numeric_leading_zeros));
  WEIR_ASSIGN(options.allow_non_numeric_numbers,
              map.boolean("allowNonNumericNumbers", options.allow_non_numeric_numbers));
  WEIR_ASSIGN(options.allow_backslash_escaping_any_character,
              map.boolean("allowBackslashEscapingAnyCharacter",
                          options.allow_backslash_escaping_any_character));
  WEIR_ASSIGN(options.allow_unquoted_control_chars,
              map.boolean("allowUnquotedControlChars", options.allow_unquoted_control_chars));
  options.timestamp_format = map.text("timestampFormat").value_or("");
  options.timestamp_ntz_format = map.text("timestampNTZFormat").value_or("");
  options.date_format = map.text("dateFormat").value_or("");
  options.time_zone = map.text("timeZone").value_or(options.time_zone);
  WEIR_ASSIGN(parsed.multi_line, map.boolean("multiLine", false));
  WEIR_TRY(map.check_encoding());
  WEIR_TRY(map.refuse("lineSep", {"\n", "\r\n"}));
  WEIR_TRY(map.refuse("locale", {"en-US", "en_US", "en"}));
  WEIR_TRY(map.refuse("singleVariantColumn"));
  WEIR_TRY(map.refuse("enableDateTimeParsingFallback", {}));
  for (std::string_view limit : {"maxNestingDepth", "maxNumLen", "maxStringLen"})
    WEIR_TRY(map.refuse(limit));
  // These matter to writing, or where the schema is inferred.
  map.ignore({"primitivesAsString", "prefersDecimal", "dropFieldIfAllNull", "preferDate",
              "ignoreNullFields", "timeFormat", "inferTimestamp", "samplingRatio"});
  return parsed;
}

Result<std::shared_ptr<const FileFormat>> make_json_format(const FileFormatRequest& request,
                                                           OptionMap& map) {
  WEIR_ASSIGN(JsonFileOptions parsed, parse_json_options(map));
  WEIR_ASSIGN(Schema schema, wanted_columns(request));
  // Errors of the schema and the formats show now, not at the first file.
  WEIR_ASSIGN(auto probe, JsonDecoder::create(schema, parsed.records));
  return std::shared_ptr<const FileFormat>(std::make_shared<JsonFormat>(
      std::move(schema), request, map.unknown(), std::move(parsed.records), parsed.multi_line));
}

}  // namespace weir::codec
