#include <charconv>
#include <set>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "base/text.h"
#include "codec/byte_stream.h"
#include "codec/csv_decoder.h"
#include "codec/file_formats.h"
#include "codec/inference_internal.h"

namespace weir::codec {

using base::error;
using base::ErrorKind;
using columnar::Field;
using columnar::make_field;
using columnar::TypeKind;

namespace {

// Types in the order in which a field's text is tried.
class CsvInference {
 public:
  CsvInference(const CsvOptions& options, DatetimeFormats formats, bool prefer_date, bool ntz)
      : options_(options), formats_(std::move(formats)), prefer_date_(prefer_date), ntz_(ntz) {}

  DataType next_type(const DataType& so_far, std::string_view text) const {
    if (text == options_.null_value) return so_far;
    switch (so_far.kind()) {
      case TypeKind::kNull:
        return try_integer(text);
      case TypeKind::kInteger:
        return merge(so_far, try_integer(text));
      case TypeKind::kLong:
        return merge(so_far, try_long(text));
      case TypeKind::kDecimal:
        return merge(so_far, try_decimal(text));
      case TypeKind::kDouble:
        return merge(so_far, try_double(text));
      case TypeKind::kDate:
        return merge(so_far, try_date(text));
      case TypeKind::kTimestampNtz:
        return merge(so_far, try_timestamp_ntz(text));
      case TypeKind::kTimestamp:
        return merge(so_far, try_timestamp(text));
      case TypeKind::kBoolean:
        return merge(so_far, try_boolean(text));
      default:
        return DataType::of(TypeKind::kString);
    }
  }

 private:
  template <typename Number>
  static bool is_whole(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    Number value{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return !text.empty() && code == std::errc() && end == text.data() + text.size() &&
           text != "-" && !text.starts_with("+");
  }

  DataType try_integer(std::string_view text) const {
    return is_whole<int32_t>(text) ? DataType::of(TypeKind::kInteger) : try_long(text);
  }
  DataType try_long(std::string_view text) const {
    return is_whole<int64_t>(text) ? DataType::of(TypeKind::kLong) : try_decimal(text);
  }
  DataType try_decimal(std::string_view text) const {
    std::string_view digits = text;
    if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
    const bool whole =
        !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
    if (whole) {
      digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
      if (digits.size() <= 38) return DataType::decimal(static_cast<int>(digits.size()), 0);
    }
    return try_double(text);
  }
  DataType try_double(std::string_view text) const {
    if (is_double(text)) return DataType::of(TypeKind::kDouble);
    return prefer_date_ ? try_date(text) : try_timestamp_ntz(text);
  }
  bool is_double(std::string_view text) const {
    if (text == options_.nan_value || text == options_.positive_infinity ||
        text == options_.negative_infinity)
      return true;
    // Java's Double.parseDouble: blanks around it, a sign, a suffix d or f.
    while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ')
      text.remove_prefix(1);
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ')
      text.remove_suffix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (text == "NaN" || text == "Infinity") return true;
    if (!text.empty() && std::string_view("dDfF").find(text.back()) != std::string_view::npos)
      text.remove_suffix(1);
    size_t at = 0;
    size_t digits = 0;
    const auto take_digits = [&] {
      while (at < text.size() && text[at] >= '0' && text[at] <= '9')
        ++at, ++digits;
    };
    take_digits();
    if (at < text.size() && text[at] == '.') {
      ++at;
      take_digits();
    }
    if (digits == 0) return false;
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      ++at;
      if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
      digits = 0;
      take_digits();
      if (digits == 0) return false;
    }
    return at == text.size();
  }
  DataType try_date(std::string_view text) const {
    return formats_.date(text, false) ? DataType::of(TypeKind::kDate) : try_timestamp_ntz(text);
  }
  DataType try_timestamp_ntz(std::string_view text) const {
    return ntz_ && formats_.timestamp_ntz(text) ? DataType::of(TypeKind::kTimestampNtz)
                                                : try_timestamp(text);
  }
  DataType try_timestamp(std::string_view text) const {
    return formats_.timestamp(text) ? DataType::of(TypeKind::kTimestamp) : try_boolean(text);
  }
  static DataType try_boolean(std::string_view text) {
    const std::string word = base::lower_case(text);
    return DataType::of(word == "true" || word == "false" ? TypeKind::kBoolean : TypeKind::kString);
  }

  static int rank(TypeKind kind) {
    switch (kind) {
      case TypeKind::kInteger:
        return 1;
      case TypeKind::kLong:
        return 2;
      case TypeKind::kDecimal:
        return 3;
      case TypeKind::kDouble:
        return 4;
      default:
        return 0;
    }
  }
  static DataType merge(const DataType& a, const DataType& b) {
    if (a.same_type(b)) return a;
    const int x = rank(a.kind());
    const int y = rank(b.kind());
    if (x > 0 && y > 0) {
      const DataType& wide = x >= y ? a : b;
      const DataType& other = x >= y ? b : a;
      if (!wide.is(TypeKind::kDecimal)) return wide;
      const int digits = other.is(TypeKind::kDecimal)   ? other.precision()
                         : other.is(TypeKind::kInteger) ? 10
                                                        : 20;
      return DataType::decimal(std::max(digits, wide.precision()), 0);
    }
    const auto time = [](TypeKind kind) {
      return kind == TypeKind::kDate || kind == TypeKind::kTimestamp ||
             kind == TypeKind::kTimestampNtz;
    };
    if (time(a.kind()) && time(b.kind())) {
      const bool zoned = a.is(TypeKind::kTimestamp) || b.is(TypeKind::kTimestamp);
      return DataType::of(zoned ? TypeKind::kTimestamp : TypeKind::kTimestampNtz);
    }
    return DataType::of(TypeKind::kString);
  }

  const CsvOptions& options_;
  DatetimeFormats formats_;
  bool prefer_date_;
  bool ntz_;
};

std::vector<std::string> column_names(const std::vector<std::optional<std::string>>& record,
                                      const CsvOptions& options, bool case_sensitive) {
  std::vector<std::string> names;
  if (!options.header) {
    for (size_t i = 0; i < record.size(); ++i)
      names.push_back(fmt::format("_c{}", i));
    return names;
  }
  std::multiset<std::string> seen;
  const auto key = [&](const std::string& name) {
    return case_sensitive ? name : base::lower_case(name);
  };
  for (const auto& name : record)
    if (name) seen.insert(key(*name));
  for (size_t i = 0; i < record.size(); ++i) {
    const auto& name = record[i];
    if (!name || name->empty() || *name == options.null_value) {
      names.push_back(fmt::format("_c{}", i));
    } else if (seen.count(key(*name)) > 1) {
      names.push_back(fmt::format("{}{}", *name, i));
    } else {
      names.push_back(*name);
    }
  }
  return names;
}

}  // namespace

Result<std::optional<Schema>> infer_csv(io::FileSystem& fs, const Files& files,
                                        const InferenceRequest& request, std::stop_token stop) {
  OptionMap map(request.options);
  WEIR_ASSIGN(const CsvOptions options, parse_csv_options(map));
  WEIR_ASSIGN(const bool infer, map.boolean("inferSchema", false));
  WEIR_ASSIGN(const bool prefer_date, map.boolean("preferDate", true));

  std::vector<std::optional<std::string>> first;
  for (const auto& file : files) {
    WEIR_ASSIGN(auto stream, open_byte_stream(fs, file, 0));
    LineBlocks blocks(std::move(stream), 0, {}, "", 1 << 20);
    while (first.empty()) {
      std::string_view text;
      if (options.multi_line) {
        WEIR_ASSIGN(text, blocks.rest());
      } else {
        WEIR_ASSIGN(text, blocks.next());
      }
      if (text.empty()) break;
      first = CsvDecoder::first_record(text, options);
      if (options.multi_line) break;
    }
    if (!first.empty()) break;
  }
  if (first.empty()) return std::optional<Schema>(Schema::structure({}));
  const auto names = column_names(first, options, request.case_sensitive);

  std::vector<Field> fields;
  for (size_t i = 0; i < names.size(); ++i)
    fields.push_back(make_field(names[i], DataType::of(TypeKind::kString)));
  if (!infer) return std::optional<Schema>(Schema::structure(std::move(fields)));

  // All fields as texts, under names that cannot meet the corrupt-record column.
  FileFormatRequest texts;
  texts.format = "csv";
  texts.options = request.options;
  std::erase_if(texts.options, [](const auto& option) {
    const std::string name = base::lower_case(option.first);
    return name == "mode" || name == "enforceschema" || name == "columnnameofcorruptrecord";
  });
  std::vector<Field> plain;
  for (size_t i = 0; i < names.size(); ++i)
    plain.push_back(make_field(fmt::format("c{}", i), DataType::of(TypeKind::kString)));
  texts.file_schema = Schema::structure(std::move(plain));
  WEIR_ASSIGN(const auto format, make_file_format(texts));
  WEIR_ASSIGN(auto formats, DatetimeFormats::create(
                                options.timestamp_format, options.timestamp_ntz_format,
                                options.date_format.empty() ? "yyyy-MM-dd" : options.date_format,
                                options.time_zone));
  const CsvInference inference(options, std::move(formats), prefer_date, request.ntz);
  std::vector<DataType> types(names.size(), DataType::of(TypeKind::kNull));
  for (const auto& file : files) {
    WEIR_ASSIGN(auto reader, format->open(fs, file, {}));
    while (true) {
      WEIR_ASSIGN(const auto batch, reader->next(stop));
      if (!batch) break;
      for (size_t i = 0; i < types.size(); ++i) {
        const auto& column =
            static_cast<const arrow::StringArray&>(*batch->column(static_cast<int>(i)));
        for (int64_t row = 0; row < column.length(); ++row) {
          if (types[i].is(TypeKind::kString)) break;
          if (column.IsValid(row)) types[i] = inference.next_type(types[i], column.GetView(row));
        }
      }
    }
  }
  for (size_t i = 0; i < types.size(); ++i) {
    fields[i] = make_field(
        names[i], types[i].is(TypeKind::kNull) ? DataType::of(TypeKind::kString) : types[i]);
  }
  return std::optional<Schema>(Schema::structure(std::move(fields)));
}

Result<DataType> infer_csv_record(std::string_view record,
                                  const std::map<std::string, std::string>& given) {
  OptionMap map(given);
  WEIR_ASSIGN(CsvOptions options, parse_csv_options(map));
  WEIR_ASSIGN(const bool prefer_date, map.boolean("preferDate", true));
  options.header = false;
  WEIR_ASSIGN(auto formats, DatetimeFormats::create(
                                options.timestamp_format, options.timestamp_ntz_format,
                                options.date_format.empty() ? "yyyy-MM-dd" : options.date_format,
                                options.time_zone));
  const CsvInference inference(options, std::move(formats), prefer_date, false);
  const auto fields = CsvDecoder::first_record(record, options);
  const auto names = column_names(fields, options, false);
  std::vector<Field> made;
  for (size_t i = 0; i < names.size(); ++i) {
    auto type = DataType::of(TypeKind::kNull);
    if (fields[i]) type = inference.next_type(type, *fields[i]);
    made.push_back(
        make_field(names[i], type.is(TypeKind::kNull) ? DataType::of(TypeKind::kString) : type));
  }
  return Schema::structure(std::move(made));
}

}  // namespace weir::codec
