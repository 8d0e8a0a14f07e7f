#include "codec/csv_decoder.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <limits>

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/text.h"
#include "codec/java_number.h"
#include "codec/json_slow.h"
#include "codec/malformed_record.h"
#include "columnar/arrow_types.h"

namespace weir::codec {

namespace {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

constexpr int64_t kBatchBytesMax = int64_t{1} << 30;

bool is_blank(char c) { return static_cast<unsigned char>(c) <= ' '; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

}  // namespace

Result<std::unique_ptr<CsvDecoder>> CsvDecoder::create(const Schema& file_schema,
                                                       const Schema& wanted, CsvOptions options) {
  WEIR_ASSIGN(DatetimeFormats formats,
              DatetimeFormats::create(options.timestamp_format, options.timestamp_ntz_format,
                                      options.date_format, options.time_zone));
  std::unique_ptr<CsvDecoder> decoder(new CsvDecoder(std::move(options), std::move(formats)));
  std::vector<columnar::Field> fields;
  bool has_corrupt = false;
  for (const columnar::Field& field : file_schema.fields()) {
    if (field.name != decoder->options_.corrupt_column) {
      if (field.type().is_nested()) {
        return error(ErrorKind::kUnsupported, "CSV column {} of type {}", field.name,
                     field.type().simple_string())
            .with_class("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE");
      }
      fields.push_back(field);
    } else if (!field.type().is(TypeKind::kString)) {
      return error(ErrorKind::kInvalidArgument,
                   "the corrupt-record column {} has to be a nullable STRING", field.name)
          .with_class("INVALID_CORRUPT_RECORD_TYPE");
    }
  }
  decoder->file_schema_ = Schema::structure(std::move(fields));
  decoder->wanted_schema_ = wanted.as_nullable();
  for (const columnar::Field& field : wanted.fields()) {
    WEIR_ASSIGN(auto column, ColumnWriter::create(field.type()));
    const bool corrupt = field.name == decoder->options_.corrupt_column;
    has_corrupt = has_corrupt || corrupt;
    const int index = decoder->file_schema_.field_index(field.name);
    WEIR_CHECK(corrupt || index >= 0, "a wanted column has to be in the file's schema");
    decoder->wanted_.push_back({corrupt ? SIZE_MAX : static_cast<size_t>(index), column.get()});
    decoder->columns_.push_back(std::move(column));
  }
  decoder->check_count_ =
      has_corrupt || wanted.fields().size() >= decoder->file_schema_.fields().size();
  return decoder;
}

bool CsvDecoder::ends_field(std::string_view text, size_t at) const {
  if (at >= text.size()) return true;
  if (options_.multi_line && line_end(text, at) > 0) return true;
  return text[at] == options_.separator[0] && text.substr(at).starts_with(options_.separator);
}

size_t CsvDecoder::line_end(std::string_view text, size_t at) const {
  if (at >= text.size()) return 0;
  if (text[at] == '\n') return 1;
  if (text[at] != '\r') return 0;
  if (crlf_ends_) return text.substr(at, 2) == "\r\n" ? 2 : 0;
  return cr_ends_ ? 1 : 0;
}

size_t CsvDecoder::read_quoted(std::string_view text, size_t at, Token* token) {
  const size_t open = at++;
  const char quote = options_.quote;
  const char escape = options_.escape;
  const char escape_of_escape = options_.escape_of_escape != 0 ? options_.escape_of_escape
                                : escape == quote              ? '\0'
                                                               : escape;
  const size_t scratch_begin = scratch_.size();
  size_t run = at;
  const auto take = [&](size_t end) { scratch_.append(text, run, end - run); };
  const auto value = [&](size_t end) {
    // Without escapes the value is a piece of the text.
    if (scratch_.size() == scratch_begin) return text.substr(run, end - run);
    take(end);
    return std::string_view(scratch_).substr(scratch_begin);
  };
  for (; at < text.size(); ++at) {
    const char c = text[at];
    const char following = at + 1 < text.size() ? text[at + 1] : '\0';
    if (escape != 0 && c == escape && following == quote && at + 1 < text.size()) {
      take(at);
      scratch_ += quote;
      run = ++at + 1;
    } else if (escape_of_escape != 0 && c == escape_of_escape && following == escape &&
               escape != quote && at + 1 < text.size()) {
      take(at);
      scratch_ += escape;
      run = ++at + 1;
    } else if (c == quote) {
      // Of quotes in a row that nobody escaped, each after the first stands for itself at the end.
      size_t quotes = 1;
      while (at + quotes < text.size() && text[at + quotes] == quote)
        ++quotes;
      size_t after = at + quotes;
      while (after < text.size() && is_blank(text[after]) && !ends_field(text, after))
        ++after;
      if (ends_field(text, after)) {
        if (quotes > 1) {
          take(at);
          scratch_.append(quotes - 1, quote);
          run = at;
        }
        token->text = value(at);
        if (token->text.empty()) token->text = options_.empty_value;
        return after;
      }
      // A quote that nobody escaped: the value is the text as it stands, up to the next separator.
      scratch_.resize(scratch_begin);
      while (!ends_field(text, at))
        ++at;
      token->text = text.substr(open, at - open);
      return at;
    }
  }
  token->text = value(at);
  if (token->text.empty()) token->text = options_.empty_value;
  return at;
}

size_t CsvDecoder::split(std::string_view text) {
  tokens_.clear();
  scratch_.clear();
  scratch_.reserve(std::min<size_t>(text.size(), 1 << 20));
  const size_t scratch_room = scratch_.capacity();
  size_t at = 0;
  const char first = options_.separator[0];
  while (true) {
    Token token;
    if (options_.ignore_leading_blanks) {
      while (at < text.size() && is_blank(text[at]) && !ends_field(text, at))
        ++at;
    }
    if (options_.quote != 0 && at < text.size() && text[at] == options_.quote) {
      at = read_quoted(text, at, &token);
      WEIR_CHECK(scratch_.capacity() == scratch_room || text.size() > scratch_room,
                 "views into the scratch have moved");
    } else {
      size_t end = at;
      if (options_.multi_line || options_.separator.size() > 1) {
        while (!ends_field(text, end))
          ++end;
      } else {
        const void* found = std::memchr(text.data() + at, first, text.size() - at);
        end = found ? static_cast<size_t>(static_cast<const char*>(found) - text.data())
                    : text.size();
      }
      token.text = text.substr(at, end - at);
      if (options_.ignore_trailing_blanks) {
        while (!token.text.empty() && is_blank(token.text.back()))
          token.text.remove_suffix(1);
      }
      token.null = token.text.empty();
      at = end;
    }
    tokens_.push_back(token);
    if (at >= text.size()) return at;
    if (options_.multi_line)
      if (const size_t end = line_end(text, at); end > 0) return at + end;
    at += options_.separator.size();
  }
}

Result<void> CsvDecoder::append(std::string_view text) {
  bytes_ += static_cast<int64_t>(text.size());
  counters_.bytes += static_cast<int64_t>(text.size());
  if (bytes_ > kBatchBytesMax)
    return error(ErrorKind::kResourceExhausted, "more than {} bytes of CSV in one batch",
                 kBatchBytesMax);
  if (at_begin_ && !text.empty()) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    at_begin_ = false;
    const size_t first = text.find_first_of("\r\n");
    crlf_ends_ = first != std::string_view::npos && text.substr(first, 2) == "\r\n";
    cr_ends_ = first != std::string_view::npos && text[first] == '\r' && !crlf_ends_;
  }
  if (options_.multi_line) {
    while (!text.empty()) {
      if (const size_t empty = line_end(text, 0); empty > 0) {
        text.remove_prefix(empty);
        continue;
      }
      if (options_.comment != 0 && text[0] == options_.comment) {
        const char last = cr_ends_ ? '\r' : '\n';
        text.remove_prefix(std::min(text.find(last), text.size() - 1) + 1);
        continue;
      }
      const size_t length = split(text);
      WEIR_TRY(add_record(text.substr(0, length)));
      text.remove_prefix(length);
    }
    return {};
  }
  const bool has_cr = text.find('\r') != std::string_view::npos;
  while (!text.empty()) {
    const size_t end = has_cr ? text.find_first_of("\r\n") : text.find('\n');
    WEIR_TRY(add_line(text.substr(0, end)));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

std::vector<std::optional<std::string>> CsvDecoder::first_record(std::string_view text,
                                                                 const CsvOptions& options) {
  CsvDecoder decoder(options, DatetimeFormats());
  std::vector<std::optional<std::string>> fields;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    const size_t end = text.find_first_of("\r\n");
    const std::string_view line = text.substr(0, end);
    const bool skipped = trim(line).empty() || (options.comment != 0 && line[0] == options.comment);
    if (!skipped) {
      decoder.split(options.multi_line ? text : line);
      for (const Token& token : decoder.tokens_)
        fields.push_back(token.null ? std::nullopt : std::optional(std::string(token.text)));
      return fields;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return fields;
}

Result<void> CsvDecoder::add_line(std::string_view line) {
  if (trim(line).empty() || (options_.comment != 0 && line[0] == options_.comment)) return {};
  split(line);
  return add_record(line);
}

Result<void> CsvDecoder::check_header() const {
  if (options_.enforce_schema) return {};
  const auto& fields = file_schema_.fields();
  bool same = fields.size() == tokens_.size();
  for (size_t i = 0; same && i < fields.size(); ++i)
    same = base::equal_ignoring_case(fields[i].name, tokens_[i].text);
  if (same) return {};
  return error(ErrorKind::kInvalidArgument,
               "the CSV header does not name the columns of the schema {}",
               file_schema_.simple_string());
}

Result<void> CsvDecoder::add_record(std::string_view record) {
  if (header_pending_) {
    header_pending_ = false;
    return check_header();
  }
  if (static_cast<int64_t>(tokens_.size()) > options_.columns_max) {
    return error(ErrorKind::kInvalidArgument, "a CSV record has {} columns, maxColumns is {}",
                 tokens_.size(), options_.columns_max);
  }
  if (rows_ >= capacity_) {
    capacity_ = std::max<int64_t>(1024, capacity_ * 2);
    for (auto& column : columns_)
      column->reserve(capacity_);
  }
  bool bad = check_count_ && tokens_.size() != file_schema_.fields().size();
  for (const Wanted& wanted : wanted_) {
    if (wanted.token == SIZE_MAX) continue;
    if (wanted.token >= tokens_.size()) {
      wanted.column->set_null(rows_);
      continue;
    }
    const Token& token = tokens_[wanted.token];
    if (options_.column_chars_max >= 0 &&
        static_cast<int64_t>(token.text.size()) > options_.column_chars_max) {
      return error(ErrorKind::kInvalidArgument,
                   "a CSV value has {} characters, maxCharsPerColumn is {}", token.text.size(),
                   options_.column_chars_max);
    }
    if (token.null || token.text == options_.null_value) {
      wanted.column->set_null(rows_);
    } else if (!convert(token, *wanted.column)) {
      wanted.column->set_null(rows_);
      bad = true;
    }
  }
  if (bad && options_.mode != ParseMode::kPermissive) {
    for (const Wanted& wanted : wanted_)
      wanted.column->rollback(rows_, rows_ + 1);
    if (options_.mode == ParseMode::kDropMalformed) {
      ++counters_.dropped_rows;
      return {};
    }
    return malformed_record(record);
  }
  for (const Wanted& wanted : wanted_) {
    if (wanted.token != SIZE_MAX) continue;
    if (bad) {
      while (!record.empty() && (record.back() == '\n' || record.back() == '\r'))
        record.remove_suffix(1);
      wanted.column->set_text(rows_, replace_invalid_utf8(record));
    } else {
      wanted.column->set_null(rows_);
    }
  }
  ++rows_;
  ++counters_.rows;
  counters_.corrupt_rows += bad;
  return {};
}

bool CsvDecoder::convert_real(std::string_view text, double* value) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == options_.nan_value) return *value = std::numeric_limits<double>::quiet_NaN(), true;
  if (text == options_.positive_infinity) return *value = kInfinity, true;
  if (text == options_.negative_infinity) return *value = -kInfinity, true;
  // Double.parseDouble: blanks around, a type's letter behind.
  text = trim(text);
  if (text == "NaN") return *value = std::numeric_limits<double>::quiet_NaN(), true;
  if (text == "Infinity" || text == "+Infinity") return *value = kInfinity, true;
  if (text == "-Infinity") return *value = -kInfinity, true;
  if (!text.empty() && std::strchr("fFdD", text.back())) text.remove_suffix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789.eE+-") != std::string_view::npos)
    return false;
  double parsed;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (end != text.data() + text.size() || code == std::errc::invalid_argument) return false;
  *value = code == std::errc() ? parsed : java_parse_double(text);
  return true;
}

bool CsvDecoder::convert(const Token& token, ColumnWriter& column) {
  const std::string_view text = token.text;
  switch (column.kind()) {
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      column.set_text(rows_, replace_invalid_utf8(text));
      return true;
    case TypeKind::kBinary:
      column.set_text(rows_, text);
      return true;
    case TypeKind::kBoolean: {
      const bool yes = base::equal_ignoring_case(text, "true");
      column.set_bool(rows_, yes);
      return yes || base::equal_ignoring_case(text, "false");
    }
    case TypeKind::kByte:
    case TypeKind::kShort:
    case TypeKind::kInteger:
    case TypeKind::kLong: {
      std::string_view digits = text;
      if (digits.starts_with('+') && digits.size() > 1 && digits[1] != '-') digits.remove_prefix(1);
      int64_t value = 0;
      const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (code != std::errc() || end != digits.data() + digits.size()) return false;
      switch (column.kind()) {
        case TypeKind::kByte:
          column.set(rows_, static_cast<int8_t>(value));
          return value == static_cast<int8_t>(value);
        case TypeKind::kShort:
          column.set(rows_, static_cast<int16_t>(value));
          return value == static_cast<int16_t>(value);
        case TypeKind::kInteger:
          column.set(rows_, static_cast<int32_t>(value));
          return value == static_cast<int32_t>(value);
        default:
          column.set(rows_, value);
          return true;
      }
    }
    case TypeKind::kFloat: {
      double value;
      if (!convert_real(text, &value)) return false;
      // A float is read as one, not rounded twice.
      std::string_view digits = trim(text);
      if (digits.starts_with('+')) digits.remove_prefix(1);
      float single = static_cast<float>(value);
      if (value - value == 0) std::from_chars(digits.data(), digits.data() + digits.size(), single);
      column.set(rows_, single);
      return true;
    }
    case TypeKind::kDouble: {
      double value;
      if (!convert_real(text, &value)) return false;
      column.set(rows_, value);
      return true;
    }
    case TypeKind::kDecimal: {
      std::string digits(text);
      std::erase(digits, ',');
      const auto value = parse_decimal(digits, column.type().precision(), column.type().scale());
      if (value) column.set(rows_, *value);
      return value.has_value();
    }
    case TypeKind::kTimestamp: {
      int64_t micros;
      char machine[32] = {};
      if (formats_.default_timestamp() && text.size() <= 27) {
        std::memcpy(machine, text.data(), text.size());
        if (parse_timestamp_machine(reinterpret_cast<const uint8_t*>(machine),
                                    static_cast<int64_t>(text.size()), &micros)) {
          column.set(rows_, micros);
          return true;
        }
      }
      const auto value = formats_.timestamp(text);
      if (value) column.set(rows_, *value);
      return value.has_value();
    }
    case TypeKind::kTimestampNtz: {
      const auto value = formats_.timestamp_ntz(text);
      if (value) column.set(rows_, *value);
      return value.has_value();
    }
    case TypeKind::kDate: {
      const auto value = formats_.date(text, false);
      if (value) column.set(rows_, *value);
      return value.has_value();
    }
    default:
      column.set_null(rows_);
      return true;
  }
}

Result<std::shared_ptr<arrow::RecordBatch>> CsvDecoder::finish() {
  std::vector<std::shared_ptr<arrow::ArrayData>> data;
  for (auto& column : columns_)
    data.push_back(column->finish(rows_));
  const int64_t rows = rows_;
  rows_ = 0;
  bytes_ = 0;
  capacity_ = 0;
  return arrow::RecordBatch::Make(columnar::to_arrow_schema(wanted_schema_), rows, std::move(data));
}

}  // namespace weir::codec
