// CSV inside columns: from_csv, to_csv, schema_of_csv.
#include <arrow/record_batch.h>
#include <boost/algorithm/string/predicate.hpp>

#include "codec/csv_decoder.h"
#include "codec/file_formats.h"
#include "codec/option_map.h"
#include "codec/schema_inference.h"
#include "columnar/datetime_pattern.h"
#include "eval/cast.h"
#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "eval/node.h"
#include "plan/calendar.h"
#include "plan/json_options.h"

namespace weir::eval {

namespace {

// The record that a text begins with: what follows an unquoted line end is not read.
std::string_view first_line(std::string_view text, char quote) {
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quote != 0 && text[i] == quote) inside = !inside;
    if (!inside && (text[i] == '\n' || text[i] == '\r')) return text.substr(0, i);
  }
  return text;
}

Result<ArrayPtr> from_csv(KernelCall& call, Operands arguments) {
  const TextReader text(arguments[0]);
  WEIR_ASSIGN(auto given, plan::literal_options(call.call, 2));
  given.try_emplace("timezone", call.context.session_zone);
  codec::OptionMap map(given);
  WEIR_ASSIGN(auto options, codec::parse_csv_options(map));
  if (options.mode == codec::ParseMode::kDropMalformed) {
    return call.fail("PARSE_MODE_UNSUPPORTED", "0A000",
                     "The function `from_csv` doesn't support the DROPMALFORMED mode. Acceptable "
                     "modes are PERMISSIVE and FAILFAST.");
  }
  options.header = false;
  options.multi_line = true;
  const char quote = options.quote;
  const auto& schema = call.type();
  WEIR_ASSIGN(auto decoder, codec::CsvDecoder::create(schema, schema, std::move(options)));
  NullWriter nulls(call.rows);
  std::vector<int64_t> positions;  // of the decoder's rows; -1: fields of NULL
  for (int64_t row = 0; row < call.rows; ++row) {
    positions.push_back(-1);
    if (!text.valid[row]) {
      nulls.set_null(row);
      continue;
    }
    const int64_t before = decoder->rows();
    decoder->begin_file();
    std::string line(first_line(text[row], quote));
    line += '\n';
    WEIR_TRY(decoder->append(line));
    if (decoder->rows() > before) positions.back() = before;
  }
  WEIR_ASSIGN(const auto batch, decoder->finish());
  call.count_corrupt(decoder->counters().corrupt_rows);
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (int i = 0; i < batch->num_columns(); ++i) {
    WEIR_ASSIGN(auto child, pick(batch->column(i), positions));
    WEIR_ASSIGN(child, canonical(child, call.arrow_type->field(i)->type()));
    children.push_back(child->data());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(call.arrow_type, call.rows, {nulls.buffer()},
                                                 std::move(children), nulls.count()));
}

// How univocity writes a record.
class CsvWriter {
 public:
  static Result<CsvWriter> create(const KernelCall& call) {
    CsvWriter made(call);
    WEIR_ASSIGN(const auto given, plan::literal_options(call.call, 1));
    codec::OptionMap map(given);
    const auto delimiter = map.text("delimiter");
    made.separator_ = map.text("sep").value_or(delimiter.value_or(","));
    const auto character = [&](std::string_view name, char& out) -> Result<void> {
      const auto text = map.text(name);
      if (!text) return {};
      if (text->size() > 1) {
        return base::error(base::ErrorKind::kInvalidArgument,
                           "option {} has to be one character, not '{}'", name, *text);
      }
      out = text->empty() ? '\0' : (*text)[0];
      return {};
    };
    WEIR_TRY(character("quote", made.quote_));
    WEIR_TRY(character("escape", made.escape_));
    made.null_value_ = map.text("nullValue").value_or("");
    made.empty_value_ = map.text("emptyValue").value_or("\"\"");
    WEIR_ASSIGN(made.quote_all_, map.boolean("quoteAll", false));
    WEIR_ASSIGN(made.escape_quotes_, map.boolean("escapeQuotes", true));
    WEIR_ASSIGN(made.trim_leading_, map.boolean("ignoreLeadingWhiteSpace", true));
    WEIR_ASSIGN(made.trim_trailing_, map.boolean("ignoreTrailingWhiteSpace", true));
    if (const auto zone = map.text("timeZone")) {
      WEIR_ASSIGN(made.zone_, Zone::find(*zone));
    }
    const auto pattern = [&](std::string_view name,
                             std::string_view otherwise) -> Result<columnar::DatetimePattern> {
      return columnar::DatetimePattern::compile(map.text(name).value_or(std::string(otherwise)));
    };
    WEIR_ASSIGN(made.timestamp_, pattern("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"));
    WEIR_ASSIGN(made.ntz_, pattern("timestampNTZFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS]"));
    WEIR_ASSIGN(made.date_, pattern("dateFormat", "yyyy-MM-dd"));
    if (const auto unknown = map.unknown(); !unknown.empty()) {
      return call.fail("UNSUPPORTED_FEATURE", "0A000",
                       fmt::format("weir has no option `{}` for to_csv.", unknown[0]));
    }
    return made;
  }

  void append(const DataType& type, const arrow::StructArray& rows, int64_t row, std::string& out) {
    for (size_t i = 0; i < type.fields().size(); ++i) {
      if (i > 0) out += separator_;
      const auto child = rows.field(static_cast<int>(i));
      if (child->type_id() == arrow::Type::NA || child->IsNull(row)) {
        out += null_value_;
        continue;
      }
      std::string text;
      value(type.fields()[i].type(), *child, row, text);
      if (text.empty()) {
        out += empty_value_;
      } else {
        quoted(text, out);
      }
    }
  }

 private:
  explicit CsvWriter(const KernelCall& call) : zone_(call.zone), ansi_(call.ansi()) {}

  void value(const DataType& type, const arrow::Array& array, int64_t row, std::string& out) {
    const Vector one{array.Slice(row, 1), true};
    switch (type.kind()) {
      case TypeKind::kTimestamp: {
        const int64_t us = FixedReader<int64_t>(one)[0];
        out +=
            timestamp_->format(us, (zone_.to_local(us) - us) / plan::kMicrosPerSecond).value_or("");
        return;
      }
      case TypeKind::kTimestampNtz:
        out += ntz_->format(FixedReader<int64_t>(one)[0], 0).value_or("");
        return;
      case TypeKind::kDate:
        out += date_->format(FixedReader<int32_t>(one)[0] * plan::kMicrosPerDay, 0).value_or("");
        return;
      default:
        append_text(type, array, row, zone_, ansi_, out);
    }
  }

  void quoted(std::string_view text, std::string& out) const {
    const bool broken = text.find_first_of("\r\n") != std::string_view::npos;
    const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
    while (trim_leading_ && !text.empty() && blank(text.front()))
      text.remove_prefix(1);
    while (trim_trailing_ && !text.empty() && blank(text.back()))
      text.remove_suffix(1);
    if (text.empty()) {
      out += empty_value_;
      return;
    }
    const bool has_quote = quote_ != 0 && text.find(quote_) != std::string_view::npos;
    const bool enclosed =
        quote_ != 0 && (quote_all_ || text.find(separator_) != std::string_view::npos || broken ||
                        (has_quote && escape_quotes_));
    if (!enclosed) {
      out += text;
      return;
    }
    out += quote_;
    for (const char c : text) {
      const bool escaped = c == quote_ || (c == escape_ && escape_ != quote_ && escape_ != 0);
      if (escaped && escape_ != 0) out += escape_;
      out += c;
    }
    out += quote_;
  }

  Zone zone_;
  bool ansi_;
  std::string separator_, null_value_, empty_value_;
  char quote_ = '"';
  char escape_ = '\\';
  bool quote_all_ = false, escape_quotes_ = true, trim_leading_ = true, trim_trailing_ = true;
  std::optional<columnar::DatetimePattern> timestamp_, ntz_, date_;
};

Result<ArrayPtr> to_csv(KernelCall& call, Operands arguments) {
  WEIR_ASSIGN(auto csv, CsvWriter::create(call));
  const Validity valid(arguments[0]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!valid[row]) {
      writer.add_null();
      continue;
    }
    csv.append(call.type_of(0), static_cast<const arrow::StructArray&>(*arguments[0].array),
               arguments[0].constant ? 0 : row, writer.bytes());
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> schema_of_csv(KernelCall& call, Operands arguments) {
  WEIR_ASSIGN(auto options, plan::literal_options(call.call, 1));
  options.try_emplace("timezone", call.context.session_zone);
  const TextReader text(arguments[0]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row]) {
      writer.add_null();
      continue;
    }
    WEIR_ASSIGN(const auto type, codec::infer_csv_record(text[row], options));
    writer.add(type.sql());
  }
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"from_csv", from_csv},
    {"to_csv", to_csv},
    {"schema_of_csv", schema_of_csv},
};

}  // namespace

std::span<const KernelEntry> csv_kernels() { return kKernels; }

}  // namespace weir::eval
