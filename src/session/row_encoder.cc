#include "session/row_encoder.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/io/buffered.h>
#include <arrow/io/compressed.h>
#include <arrow/record_batch.h>
#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "base/logging.h"
#include "codec/option_map.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/conform.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::Field;
using columnar::TypeKind;

namespace {

constexpr int64_t kOutputBufferBytes = 256 * 1024;
constexpr std::string_view kTimestampFormat = "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]";
constexpr std::string_view kTimestampNtzFormat = "yyyy-MM-dd'T'HH:mm:ss[.SSS]";

using Stream = std::shared_ptr<arrow::io::OutputStream>;

// A file behind a buffer, packed where asked.
struct OutputFile {
  std::unique_ptr<io::WritableFile> file;
  Stream stream;

  static Result<OutputFile> create(io::FileSystem& fs, const std::string& path, bool gzip) {
    OutputFile output;
    WEIR_ASSIGN(output.file, fs.create(path));
    output.stream = columnar::arrow_output(*output.file);
    if (gzip) {
      WEIR_ARROW_ASSIGN(auto codec, arrow::util::Codec::Create(arrow::Compression::GZIP));
      WEIR_ARROW_ASSIGN(output.stream,
                        arrow::io::CompressedOutputStream::Make(codec.get(), output.stream));
      return output;
    }
    WEIR_ARROW_ASSIGN(output.stream,
                      arrow::io::BufferedOutputStream::Create(
                          kOutputBufferBytes, arrow::default_memory_pool(), output.stream));
    return output;
  }
  Result<void> finish() {
    WEIR_ARROW_TRY(stream->Close());
    WEIR_TRY(file->sync());
    return file->close();
  }
};

// --- parquet

class ParquetEncoder final : public RowEncoder {
 public:
  static Result<std::unique_ptr<RowEncoder>> create(io::FileSystem& fs, const std::string& path,
                                                    const Schema& schema,
                                                    arrow::Compression::type compression) {
    auto encoder = std::make_unique<ParquetEncoder>();
    WEIR_ASSIGN(encoder->output_, OutputFile::create(fs, path, false));
    encoder->columns_ = schema;
    encoder->schema_ = columnar::to_arrow_schema(schema);
    // Spark takes the columns' exact types from here.
    auto metadata = arrow::key_value_metadata({"org.apache.spark.sql.parquet.row.metadata"},
                                              {base::json_text(schema.to_json())});
    const auto with_metadata = encoder->schema_->WithMetadata(std::move(metadata));
    parquet::WriterProperties::Builder properties;
    properties.compression(compression)->created_by("weir")->enable_store_decimal_as_integer();
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.set_use_threads(false);
    try {
      WEIR_ARROW_ASSIGN(encoder->writer_,
                        parquet::arrow::FileWriter::Open(
                            *with_metadata, arrow::default_memory_pool(), encoder->output_.stream,
                            properties.build(), arrow_properties.build()));
    } catch (const std::exception& exception) {
      return error(ErrorKind::kInternal, "{}: {}", path, exception.what());
    }
    return std::unique_ptr<RowEncoder>(std::move(encoder));
  }
  Result<void> write(const relational::BatchPtr& rows) override {
    // Parquet's levels follow the arrays' own types: they have to be those of the file.
    arrow::ArrayVector columns;
    for (size_t i = 0; i < columns_.fields().size(); ++i) {
      WEIR_ASSIGN(auto column,
                  delta::conform(rows->column(static_cast<int>(i)), columns_.fields()[i].type(),
                                 delta::FieldMatch::kName));
      columns.push_back(std::move(column));
    }
    const auto batch = arrow::RecordBatch::Make(schema_, rows->num_rows(), std::move(columns));
    try {
      WEIR_ARROW_TRY(writer_->WriteRecordBatch(*batch));
    } catch (const std::exception& exception) {
      return error(ErrorKind::kInternal, "Parquet: {}", exception.what());
    }
    return {};
  }
  Result<void> finish() override {
    try {
      WEIR_ARROW_TRY(writer_->Close());
    } catch (const std::exception& exception) {
      return error(ErrorKind::kIo, "Parquet: {}", exception.what());
    }
    return output_.finish();
  }

 private:
  OutputFile output_;
  Schema columns_ = Schema::structure({});
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

class ParquetRows final : public RowFormat {
 public:
  ParquetRows(Schema schema, arrow::Compression::type compression, std::string suffix)
      : schema_(std::move(schema)), compression_(compression), suffix_(std::move(suffix)) {}
  std::string suffix() const override { return suffix_; }
  Result<std::unique_ptr<RowEncoder>> open(io::FileSystem& fs,
                                           const std::string& path) const override {
    return ParquetEncoder::create(fs, path, schema_, compression_);
  }
  static Result<std::unique_ptr<RowFormat>> make(const Schema& schema, codec::OptionMap& options) {
    const std::string name = lower_case(options.text("compression").value_or("snappy"));
    struct Known {
      std::string_view name;
      arrow::Compression::type type;
      std::string_view suffix;
    };
    static constexpr Known kKnown[] = {{"none", arrow::Compression::UNCOMPRESSED, ""},
                                       {"uncompressed", arrow::Compression::UNCOMPRESSED, ""},
                                       {"snappy", arrow::Compression::SNAPPY, ".snappy"},
                                       {"gzip", arrow::Compression::GZIP, ".gz"},
                                       {"zstd", arrow::Compression::ZSTD, ".zstd"},
                                       {"lz4_raw", arrow::Compression::LZ4, ".lz4raw"},
                                       {"brotli", arrow::Compression::BROTLI, ".br"}};
    for (const auto& known : kKnown) {
      if (known.name != name) continue;
      return std::unique_ptr<RowFormat>(std::make_unique<ParquetRows>(
          schema, known.type, std::string(known.suffix) + ".parquet"));
    }
    return sql_error("CODEC_NOT_AVAILABLE.WITH_AVAILABLE_CODECS_SUGGESTION", "56038",
                     fmt::format("The codec {} is not available. Available codecs are brotli, "
                                 "uncompressed, gzip, lz4_raw, none, snappy, zstd.",
                                 name))
        .with_parameter("codecName", name);
  }

 private:
  Schema schema_;
  arrow::Compression::type compression_;
  std::string suffix_;
};

// --- lines

// A text a row, from the columns that the programs give.
class LineFormat : public RowFormat {
 public:
  std::string suffix() const override { return extension + (gzip ? ".gz" : ""); }
  Result<std::unique_ptr<RowEncoder>> open(io::FileSystem& fs,
                                           const std::string& path) const override;
  // The line of a row whose columns are texts.
  virtual void append_line(const std::vector<const arrow::StringArray*>& columns, int64_t row,
                           std::string& out) const = 0;
  virtual std::string header() const { return {}; }

  std::vector<eval::Program> programs;
  eval::EvalContext context;
  std::string extension;
  std::string line_end = "\n";
  bool gzip = false;
};

class LineEncoder final : public RowEncoder {
 public:
  LineEncoder(const LineFormat& format, OutputFile output)
      : format_(format), output_(std::move(output)) {}
  Result<void> write(const relational::BatchPtr& rows) override {
    if (!begun_) text_ += format_.header();
    begun_ = true;
    std::vector<std::shared_ptr<arrow::Array>> held;
    std::vector<const arrow::StringArray*> columns;
    for (const auto& program : format_.programs) {
      WEIR_ASSIGN(auto column, program.evaluate(*rows, format_.context));
      if (column->type_id() != arrow::Type::STRING) {
        WEIR_ARROW_ASSIGN(column, arrow::MakeArrayOfNull(arrow::utf8(), rows->num_rows()));
      }
      columns.push_back(static_cast<const arrow::StringArray*>(column.get()));
      held.push_back(std::move(column));
    }
    for (int64_t row = 0; row < rows->num_rows(); ++row) {
      format_.append_line(columns, row, text_);
      text_ += format_.line_end;
      if (text_.size() >= static_cast<size_t>(kOutputBufferBytes)) WEIR_TRY(flush());
    }
    return {};
  }
  Result<void> finish() override {
    if (!begun_) text_ += format_.header();
    begun_ = true;
    WEIR_TRY(flush());
    return output_.finish();
  }

 private:
  Result<void> flush() {
    WEIR_ARROW_TRY(output_.stream->Write(text_.data(), static_cast<int64_t>(text_.size())));
    text_.clear();
    return {};
  }
  const LineFormat& format_;
  OutputFile output_;
  std::string text_;
  bool begun_ = false;
};

Result<std::unique_ptr<RowEncoder>> LineFormat::open(io::FileSystem& fs,
                                                     const std::string& path) const {
  WEIR_ASSIGN(auto output, OutputFile::create(fs, path, gzip));
  return std::unique_ptr<RowEncoder>(std::make_unique<LineEncoder>(*this, std::move(output)));
}

class PlainLines final : public LineFormat {  // text and JSON: the one column as it is
 public:
  void append_line(const std::vector<const arrow::StringArray*>& columns, int64_t row,
                   std::string& out) const override {
    if (columns[0]->IsValid(row)) out += columns[0]->GetView(row);
  }
};

class CsvLines final : public LineFormat {
 public:
  void append_line(const std::vector<const arrow::StringArray*>& columns, int64_t row,
                   std::string& out) const override {
    const size_t begin = out.size();
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) out += separator;
      if (columns[i]->IsNull(row)) {
        append(null_value, out, false);
      } else {
        const std::string_view text = columns[i]->GetView(row);
        if (text.empty()) {
          out += empty_value;
        } else {
          append(text, out, true);
        }
      }
    }
    // A line of nothing would be no row.
    if (out.size() == begin && columns.size() == 1) out += empty_value;
  }
  std::string header() const override {
    if (!with_header) return {};
    std::string line;
    for (size_t i = 0; i < names.size(); ++i) {
      if (i > 0) line += separator;
      append(names[i], line, true);
    }
    return line + line_end;
  }

  std::string separator = ",";
  char quote = '"';
  char escape = '\\';
  std::string null_value;
  std::string empty_value = "\"\"";
  bool quote_all = false;
  bool escape_quotes = true;
  bool trim_leading = true;
  bool trim_trailing = true;
  bool with_header = false;
  std::vector<std::string> names;

 private:
  void append(std::string_view text, std::string& out, bool trimmed) const {
    const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
    while (trimmed && trim_leading && !text.empty() && blank(text.front()))
      text.remove_prefix(1);
    while (trimmed && trim_trailing && !text.empty() && blank(text.back()))
      text.remove_suffix(1);
    const bool has_quote = quote != 0 && text.find(quote) != std::string_view::npos;
    const bool quoted =
        quote != 0 &&
        (quote_all || text.find(separator) != std::string_view::npos ||
         text.find_first_of("\r\n") != std::string_view::npos || (has_quote && escape_quotes));
    if (!quoted) {
      out += text;
      return;
    }
    out += quote;
    for (const char c : text) {
      if (c == quote || (c == escape && escape != quote && escape != 0)) {
        if (escape != 0) out += escape;
      }
      out += c;
    }
    out += quote;
  }
};

plan::ExpressionPtr text_literal(std::string_view text) {
  return plan::make_expression(plan::Literal{DataType::of(TypeKind::kString), std::string(text)});
}
plan::ExpressionPtr column_of(const std::string& name) {
  return plan::make_expression(plan::ColumnReference{{name}});
}
plan::ExpressionPtr call(std::string function, std::vector<plan::ExpressionPtr> arguments) {
  plan::Call made;
  made.function = std::move(function);
  made.arguments = std::move(arguments);
  return plan::make_expression(std::move(made));
}

Result<void> compile_into(LineFormat& format, const plan::ExpressionPtr& expression,
                          const Schema& schema, const FileWrite& write) {
  plan::Scope scope;
  scope.schema = &schema;
  plan::AnalysisOptions options;
  options.case_sensitive = true;
  options.session_zone = write.zone;
  WEIR_ASSIGN(const auto typed, plan::analyze_expression(*expression, scope, options));
  WEIR_ASSIGN(auto program, eval::compile(typed));
  format.programs.push_back(std::move(program));
  return {};
}

Result<bool> take_gzip(codec::OptionMap& options) {
  const std::string name = lower_case(options.text("compression").value_or("none"));
  if (name == "none" || name == "uncompressed") return false;
  if (name == "gzip") return true;
  return unsupported("the compression " + name + " of text files; none and gzip are");
}

Result<std::unique_ptr<RowFormat>> make_json(const FileWrite& write, const Schema& schema,
                                             codec::OptionMap& options) {
  auto format = std::make_unique<PlainLines>();
  format->extension = ".json";
  WEIR_ASSIGN(format->gzip, take_gzip(options));
  format->line_end = options.text("lineSep").value_or("\n");
  std::vector<plan::ExpressionPtr> settings;
  for (const char* name :
       {"timestampFormat", "timestampNTZFormat", "dateFormat", "ignoreNullFields"}) {
    if (const auto value = options.text(name)) {
      settings.push_back(text_literal(name));
      settings.push_back(text_literal(*value));
    }
  }
  std::vector<plan::ExpressionPtr> fields;
  for (const Field& field : schema.fields()) {
    fields.push_back(text_literal(field.name));
    fields.push_back(column_of(field.name));
  }
  std::vector<plan::ExpressionPtr> arguments{call("named_struct", std::move(fields))};
  if (!settings.empty()) arguments.push_back(call("map", std::move(settings)));
  WEIR_TRY(compile_into(*format, call("to_json", std::move(arguments)), schema, write));
  return std::unique_ptr<RowFormat>(std::move(format));
}

Result<char> one_character(codec::OptionMap& options, std::string_view name, char otherwise) {
  const auto text = options.text(name);
  if (!text) return otherwise;
  if (text->empty() || *text == "\\0") return '\0';
  if (text->size() == 1) return (*text)[0];
  if (*text == "\\t") return '\t';
  if (*text == "\\\\") return '\\';
  return error(ErrorKind::kInvalidArgument, "option {} has to be one ASCII character, not '{}'",
               name, *text);
}

Result<std::unique_ptr<RowFormat>> make_csv(const FileWrite& write, const Schema& schema,
                                            codec::OptionMap& options) {
  auto format = std::make_unique<CsvLines>();
  format->extension = ".csv";
  WEIR_ASSIGN(format->gzip, take_gzip(options));
  format->line_end = options.text("lineSep").value_or("\n");
  const auto delimiter = options.text("delimiter");
  format->separator = options.text("sep").value_or(delimiter.value_or(","));
  if (format->separator == "\\t") format->separator = "\t";
  WEIR_ASSIGN(format->quote, one_character(options, "quote", format->quote));
  WEIR_ASSIGN(format->escape, one_character(options, "escape", format->escape));
  format->null_value = options.text("nullValue").value_or("");
  format->empty_value = options.text("emptyValue").value_or("\"\"");
  WEIR_ASSIGN(format->quote_all, options.boolean("quoteAll", false));
  WEIR_ASSIGN(format->escape_quotes, options.boolean("escapeQuotes", true));
  WEIR_ASSIGN(format->trim_leading, options.boolean("ignoreLeadingWhiteSpace", true));
  WEIR_ASSIGN(format->trim_trailing, options.boolean("ignoreTrailingWhiteSpace", true));
  WEIR_ASSIGN(format->with_header, options.boolean("header", false));
  const std::string timestamp =
      options.text("timestampFormat").value_or(std::string(kTimestampFormat));
  const std::string timestamp_ntz =
      options.text("timestampNTZFormat").value_or(std::string(kTimestampNtzFormat));
  const auto date = options.text("dateFormat");
  for (const Field& field : schema.fields()) {
    format->names.push_back(field.name);
    auto expression = column_of(field.name);
    switch (field.type().kind()) {
      case TypeKind::kTimestamp:
        expression = call("date_format", {expression, text_literal(timestamp)});
        break;
      case TypeKind::kTimestampNtz:
        expression = call("date_format", {expression, text_literal(timestamp_ntz)});
        break;
      case TypeKind::kDate:
        if (date) {
          expression = call("date_format", {expression, text_literal(*date)});
          break;
        }
        [[fallthrough]];
      default:
        if (field.type().is_nested() || field.type().is(TypeKind::kBinary)) {
          return sql_error("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", "0A000",
                           fmt::format("The CSV datasource doesn't support the column {} of the "
                                       "type \"{}\".",
                                       quoted_word(field.name), field.type().sql()))
              .with_parameter("columnName", quoted_word(field.name))
              .with_parameter("columnType", "\"" + field.type().sql() + "\"")
              .with_parameter("format", "CSV");
        }
        expression =
            plan::make_expression(plan::CastTo{expression, DataType::of(TypeKind::kString), false});
    }
    WEIR_TRY(compile_into(*format, expression, schema, write));
  }
  return std::unique_ptr<RowFormat>(std::move(format));
}

Result<std::unique_ptr<RowFormat>> make_text(const FileWrite& write, const Schema& schema,
                                             codec::OptionMap& options) {
  if (schema.fields().size() != 1) {
    return sql_error("_LEGACY_ERROR_TEMP_1290", "",
                     fmt::format("Text data source supports only a single column, and you have {} "
                                 "columns.",
                                 schema.fields().size()));
  }
  const Field& field = schema.fields()[0];
  if (!field.type().is(TypeKind::kString)) {
    return sql_error("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", "0A000",
                     fmt::format("The Text datasource doesn't support the column {} of the type "
                                 "\"{}\".",
                                 quoted_word(field.name), field.type().sql()))
        .with_parameter("columnName", quoted_word(field.name))
        .with_parameter("columnType", "\"" + field.type().sql() + "\"")
        .with_parameter("format", "Text");
  }
  auto format = std::make_unique<PlainLines>();
  format->extension = ".txt";
  WEIR_ASSIGN(format->gzip, take_gzip(options));
  format->line_end = options.text("lineSep").value_or("\n");
  WEIR_TRY(compile_into(*format, column_of(field.name), schema, write));
  return std::unique_ptr<RowFormat>(std::move(format));
}

}  // namespace

Result<std::unique_ptr<RowFormat>> RowFormat::make(const FileWrite& write, const Schema& schema) {
  codec::OptionMap options(write.options);
  WEIR_TRY(options.check_encoding());
  WEIR_TRY(options.refuse("maxRecordsPerFile", {"0"}));
  Result<std::unique_ptr<RowFormat>> made = unsupported("writing the format " + write.format);
  if (write.format == "parquet") made = ParquetRows::make(schema, options);
  if (write.format == "json") made = make_json(write, schema, options);
  if (write.format == "csv") made = make_csv(write, schema, options);
  if (write.format == "text") made = make_text(write, schema, options);
  if (!made.ok()) return made;
  if (write.format != "parquet") {
    auto& lines = static_cast<LineFormat&>(**made);
    lines.context.session_zone = write.zone;
    lines.context.ansi = true;
  }
  options.ignore({"path", "timeZone", "partitionOverwriteMode"});
  for (const std::string& name : options.unknown())
    base::log_warn("a writer of {} files has no option '{}': it is ignored", write.format, name);
  return made;
}

}  // namespace weir::session
