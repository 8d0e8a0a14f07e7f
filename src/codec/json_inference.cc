#include <algorithm>
#include <charconv>
#include <limits>

#include "codec/byte_stream.h"
#include "codec/file_formats.h"
#include "codec/inference_internal.h"
#include "codec/json_tokens.h"
#include "codec/schema_inference.h"
#include "codec/text_value.h"

namespace weir::codec {

using columnar::Field;
using columnar::make_field;
using columnar::TypeKind;

namespace {

constexpr int kDigitsMax = 38;
constexpr int kNestingMax = 500;

DataType of(TypeKind kind) { return DataType::of(kind); }

DataType merge_structs(const DataType& a, const DataType& b) {
  std::vector<Field> merged;
  const auto& left = a.fields();
  const auto& right = b.fields();
  size_t i = 0;
  size_t j = 0;
  while (i < left.size() || j < right.size()) {
    if (j == right.size() || (i < left.size() && left[i].name < right[j].name)) {
      merged.push_back(left[i++]);
    } else if (i == left.size() || right[j].name < left[i].name) {
      merged.push_back(right[j++]);
    } else {
      merged.push_back(make_field(left[i].name, merge_json_types(left[i].type(), right[j].type())));
      ++i;
      ++j;
    }
  }
  return DataType::structure(std::move(merged));
}

std::optional<DataType> merge_decimals(const DataType& a, const DataType& b) {
  const int scale = std::max(a.scale(), b.scale());
  const int range = std::max(a.precision() - a.scale(), b.precision() - b.scale());
  if (range + scale > kDigitsMax) return std::nullopt;
  return DataType::decimal(range + scale, scale);
}

// One record after the other; the type that fits all of them so far.
class JsonInference {
 public:
  JsonInference(const JsonInferenceOptions& options) : options_(options) {}

  // The record's type, nullopt where it is not JSON.
  std::optional<DataType> record_type(std::string_view record) const {
    JsonTokens tokens(record, options_.records);
    if (!tokens.next() || tokens.token() == JsonToken::kNone) return std::nullopt;
    return value_type(tokens, 0);
  }

  Result<void> add(std::string_view record) {
    if (record.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
    auto type = record_type(record);
    // A row per element of a top-level array.
    if (type && type->is(TypeKind::kArray)) {
      if (type->element().is(TypeKind::kStruct) || type->element().is(TypeKind::kNull))
        type = DataType(type->element());
      else
        type = std::nullopt;
    }
    if (type && type->is(TypeKind::kNull)) return {};
    if (type && type->is(TypeKind::kStruct)) {
      any_ = true;
      root_ = merge_structs(root_, *type);
      return {};
    }
    switch (options_.records.mode) {
      case ParseMode::kPermissive:
        any_ = corrupt_ = true;
        return {};
      case ParseMode::kDropMalformed:
        return {};
      case ParseMode::kFailFast:
        break;
    }
    return base::error(base::ErrorKind::kInvalidArgument,
                       "Malformed records are detected in schema inference. Parse Mode: FAILFAST. "
                       "Reasons: Failed to infer a common schema.")
        .with_class("_LEGACY_ERROR_TEMP_2165");
  }

  std::optional<Schema> finish() const {
    if (!any_) return std::nullopt;
    std::vector<Field> fields = canonical_fields(root_);
    const auto& name = options_.records.corrupt_column;
    if (corrupt_ && root_.field_index(name) < 0) {
      const auto at =
          std::lower_bound(fields.begin(), fields.end(), name,
                           [](const Field& f, const std::string& n) { return f.name < n; });
      fields.insert(at, make_field(name, of(TypeKind::kString)));
    }
    return DataType::structure(std::move(fields));
  }

  std::optional<DataType> canonical(const DataType& type) const {
    switch (type.kind()) {
      case TypeKind::kNull:
        if (options_.drop_all_null) return std::nullopt;
        return of(TypeKind::kString);
      case TypeKind::kArray: {
        auto element = canonical(type.element());
        if (!element) return std::nullopt;
        return DataType::array(std::move(*element));
      }
      case TypeKind::kStruct: {
        auto fields = canonical_fields(type);
        // Structs without fields have no place in most files.
        if (fields.empty()) return std::nullopt;
        return DataType::structure(std::move(fields));
      }
      default:
        return type;
    }
  }

 private:
  std::vector<Field> canonical_fields(const DataType& type) const {
    std::vector<Field> fields;
    for (const Field& field : type.fields()) {
      if (field.name.empty()) continue;
      if (auto kept = canonical(field.type())) fields.push_back(make_field(field.name, *kept));
    }
    return fields;
  }

  std::optional<DataType> value_type(JsonTokens& tokens, int depth) const {
    if (depth > kNestingMax) return std::nullopt;
    switch (tokens.token()) {
      case JsonToken::kStartObject:
        return object_type(tokens, depth);
      case JsonToken::kStartArray: {
        DataType element = of(TypeKind::kNull);
        while (true) {
          if (!tokens.next()) return std::nullopt;
          if (tokens.token() == JsonToken::kEndArray) break;
          if (tokens.token() == JsonToken::kNone) return std::nullopt;
          const auto type = value_type(tokens, depth + 1);
          if (!type) return std::nullopt;
          element = merge_json_types(element, *type);
        }
        return DataType::array(std::move(element));
      }
      case JsonToken::kString:
        return text_type(tokens);
      case JsonToken::kInt:
      case JsonToken::kFloat:
        return number_type(tokens);
      case JsonToken::kTrue:
      case JsonToken::kFalse:
        return of(options_.primitives_as_string ? TypeKind::kString : TypeKind::kBoolean);
      case JsonToken::kNull:
        return of(TypeKind::kNull);
      default:
        return std::nullopt;
    }
  }

  std::optional<DataType> object_type(JsonTokens& tokens, int depth) const {
    std::vector<Field> fields;
    while (true) {
      if (!tokens.next()) return std::nullopt;
      if (tokens.token() == JsonToken::kEndObject) break;
      if (tokens.token() != JsonToken::kFieldName) return std::nullopt;
      const std::string* name = nullptr;
      if (!tokens.name(&name)) return std::nullopt;
      std::string key = *name;
      if (!tokens.next()) return std::nullopt;
      auto type = value_type(tokens, depth + 1);
      if (!type) return std::nullopt;
      fields.push_back(make_field(std::move(key), std::move(*type)));
    }
    std::stable_sort(fields.begin(), fields.end(),
                     [](const Field& a, const Field& b) { return a.name < b.name; });
    // A key that comes twice: the types have to fit both.
    std::vector<Field> distinct;
    for (Field& field : fields) {
      if (!distinct.empty() && distinct.back().name == field.name) {
        distinct.back() =
            make_field(field.name, merge_json_types(distinct.back().type(), field.type()));
      } else {
        distinct.push_back(std::move(field));
      }
    }
    return DataType::structure(std::move(distinct));
  }

  std::optional<DataType> text_type(JsonTokens& tokens) const {
    const std::string* text = nullptr;
    if (!tokens.text(&text)) return std::nullopt;
    if (text->empty()) return of(TypeKind::kNull);
    if (options_.prefers_decimal) {
      if (const auto type = decimal_of(*text)) return type;
    }
    if (options_.infer_timestamp) {
      if (options_.ntz && options_.formats.timestamp_ntz(*text)) return of(TypeKind::kTimestampNtz);
      if (options_.formats.timestamp(*text)) return of(TypeKind::kTimestamp);
    }
    return of(TypeKind::kString);
  }

  std::optional<DataType> number_type(JsonTokens& tokens) const {
    const std::string* text = nullptr;
    if (!tokens.text(&text)) return std::nullopt;
    if (options_.primitives_as_string) return of(TypeKind::kString);
    if (tokens.token() == JsonToken::kFloat) {
      if (options_.prefers_decimal) {
        if (const auto type = decimal_of(*text)) return type;
      }
      return of(TypeKind::kDouble);
    }
    int64_t value = 0;
    const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (code == std::errc() && end == text->data() + text->size()) return of(TypeKind::kLong);
    if (const auto type = decimal_of(*text)) return type;
    return of(TypeKind::kDouble);
  }

  // DecimalType(max(precision, scale), scale) of the text's java.math.BigDecimal.
  static std::optional<DataType> decimal_of(std::string_view text) {
    int digits = 0;
    int scale = 0;
    bool point = false;
    bool any = false;
    size_t i = 0;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    for (; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '.') {
        if (point) return std::nullopt;
        point = true;
        continue;
      }
      if (c == 'e' || c == 'E') break;
      if (c < '0' || c > '9') return std::nullopt;
      any = true;
      if (digits > 0 || c != '0') ++digits;
      if (point) ++scale;
    }
    if (!any) return std::nullopt;
    if (i < text.size()) {
      const std::string_view tail = text.substr(i + 1);
      const size_t sign = tail.starts_with('+') ? 1 : 0;
      int exponent = 0;
      const auto [end, code] =
          std::from_chars(tail.data() + sign, tail.data() + tail.size(), exponent);
      if (code != std::errc() || end != tail.data() + tail.size()) return std::nullopt;
      scale -= exponent;
    }
    if (scale < 0) {
      digits -= scale;
      scale = 0;
    }
    const int precision = std::max({digits, scale, 1});
    if (precision > kDigitsMax) return std::nullopt;
    return DataType::decimal(precision, scale);
  }

  const JsonInferenceOptions& options_;
  DataType root_ = DataType::structure({});
  bool any_ = false;
  bool corrupt_ = false;
};

}  // namespace

DataType merge_json_types(const DataType& a, const DataType& b) {
  const TypeKind x = a.kind();
  const TypeKind y = b.kind();
  if (x == TypeKind::kNull) return b;
  if (y == TypeKind::kNull) return a;
  if (x == TypeKind::kStruct && y == TypeKind::kStruct) return merge_structs(a, b);
  if (x == TypeKind::kArray && y == TypeKind::kArray)
    return DataType::array(merge_json_types(a.element(), b.element()));
  if (x == TypeKind::kDecimal && y == TypeKind::kDecimal)
    return merge_decimals(a, b).value_or(of(TypeKind::kDouble));
  if (a.same_type(b)) return a;
  const auto pair = [&](TypeKind one, TypeKind other) {
    return (x == one && y == other) || (x == other && y == one);
  };
  if (pair(TypeKind::kLong, TypeKind::kDouble) || pair(TypeKind::kDecimal, TypeKind::kDouble))
    return of(TypeKind::kDouble);
  if (pair(TypeKind::kLong, TypeKind::kDecimal)) {
    const DataType& decimal = x == TypeKind::kDecimal ? a : b;
    return merge_decimals(DataType::decimal(20, 0), decimal).value_or(of(TypeKind::kDouble));
  }
  if (pair(TypeKind::kTimestamp, TypeKind::kTimestampNtz)) return of(TypeKind::kTimestamp);
  return of(TypeKind::kString);
}

Result<JsonInferenceOptions> json_inference_options(
    const std::map<std::string, std::string>& options, bool ntz) {
  OptionMap map(options);
  JsonInferenceOptions parsed;
  WEIR_ASSIGN(auto file, parse_json_options(map));
  parsed.records = std::move(file.records);
  parsed.multi_line = file.multi_line;
  WEIR_ASSIGN(parsed.primitives_as_string, map.boolean("primitivesAsString", false));
  WEIR_ASSIGN(parsed.prefers_decimal, map.boolean("prefersDecimal", false));
  WEIR_ASSIGN(parsed.drop_all_null, map.boolean("dropFieldIfAllNull", false));
  WEIR_ASSIGN(parsed.infer_timestamp, map.boolean("inferTimestamp", false));
  parsed.ntz = ntz;
  WEIR_ASSIGN(
      parsed.formats,
      DatetimeFormats::create(parsed.records.timestamp_format, parsed.records.timestamp_ntz_format,
                              parsed.records.date_format, parsed.records.time_zone));
  return parsed;
}

Result<std::optional<Schema>> infer_json(io::FileSystem& fs, const std::vector<io::FileInfo>& files,
                                         const InferenceRequest& request, std::stop_token stop) {
  WEIR_ASSIGN(const auto options, json_inference_options(request.options, request.ntz));
  JsonInference inference(options);
  for (const auto& file : files) {
    WEIR_ASSIGN(auto stream, open_byte_stream(fs, file, 0));
    LineBlocks blocks(std::move(stream), 0, {}, "", 4 << 20);
    if (options.multi_line) {
      WEIR_ASSIGN(const std::string_view text, blocks.rest());
      WEIR_TRY(inference.add(text));
      continue;
    }
    while (true) {
      if (stop.stop_requested())
        return base::error(base::ErrorKind::kCancelled, "reading {} was stopped", file.path);
      WEIR_ASSIGN(std::string_view text, blocks.next());
      if (text.empty()) break;
      while (!text.empty()) {
        const size_t end = text.find('\n');
        WEIR_TRY(inference.add(text.substr(0, end)));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
      }
    }
  }
  return inference.finish();
}

std::optional<DataType> infer_json_record(std::string_view record,
                                          const std::map<std::string, std::string>& options) {
  const auto parsed = json_inference_options(options, false);
  if (!parsed.ok()) return std::nullopt;
  const JsonInference inference(*parsed);
  const auto type = inference.record_type(record);
  if (!type) return std::nullopt;
  return inference.canonical(*type).value_or(DataType::structure({}));
}

}  // namespace weir::codec
