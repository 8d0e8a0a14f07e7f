// Spark's schema JSON to DataType (rules: Spark's DataType.parseDataType).
#include <charconv>

#include "base/json.h"
#include "columnar/data_type.h"

namespace weir::columnar {

namespace {

using base::error;
using base::ErrorKind;

// Deeper nesting than any real schema has; keeps a hostile text from exhausting the stack.
constexpr int kDepthMax = 100;

// The integers of "name( 10 , 2 )"; nullopt where the text has another form.
std::optional<std::vector<int>> parameters(std::string_view text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  text.remove_prefix(name.size());
  if (text.size() < 3 || text.front() != '(' || text.back() != ')') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<int> numbers;
  while (true) {
    const size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ')
      part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ')
      part.remove_suffix(1);
    int number = 0;
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (code != std::errc() || end != part.data() + part.size()) return std::nullopt;
    numbers.push_back(number);
    if (comma == std::string_view::npos) return numbers;
    text.remove_prefix(comma + 1);
  }
}

Result<DataType> parse_name(std::string_view name, const std::string& path) {
  struct Entry {
    std::string_view name;
    TypeKind kind;
  };
  static constexpr Entry kEntries[] = {
      {"null", TypeKind::kNull},
      {"void", TypeKind::kNull},
      {"boolean", TypeKind::kBoolean},
      {"byte", TypeKind::kByte},
      {"short", TypeKind::kShort},
      {"integer", TypeKind::kInteger},
      {"long", TypeKind::kLong},
      {"float", TypeKind::kFloat},
      {"double", TypeKind::kDouble},
      {"string", TypeKind::kString},
      {"binary", TypeKind::kBinary},
      {"date", TypeKind::kDate},
      {"timestamp", TypeKind::kTimestamp},
      {"timestamp_ltz", TypeKind::kTimestamp},
      {"timestamp_ntz", TypeKind::kTimestampNtz},
  };
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return DataType::of(entry.kind);
  }
  if (name == "decimal") return DataType::decimal(10, 0);
  if (auto numbers = parameters(name, "decimal"); numbers && numbers->size() == 2) {
    const int precision = (*numbers)[0];
    const int scale = (*numbers)[1];
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
      return error(ErrorKind::kInvalidArgument, "{}: {} is outside of decimal(1..38, 0..precision)",
                   path, name);
    }
    return DataType::decimal(precision, scale);
  }
  if (auto numbers = parameters(name, "char");
      numbers && numbers->size() == 1 && (*numbers)[0] > 0) {
    return DataType::chars((*numbers)[0]);
  }
  if (auto numbers = parameters(name, "varchar");
      numbers && numbers->size() == 1 && (*numbers)[0] > 0) {
    return DataType::varchar((*numbers)[0]);
  }
  if (name == "interval")
    return error(ErrorKind::kUnsupported, "{}: type interval (calendar interval)", path);
  if (name.starts_with("interval ")) return parse_ddl_type(name);
  if (name == "variant" || name.starts_with("string collate") || name.starts_with("geo") ||
      name.starts_with("time(")) {
    return error(ErrorKind::kUnsupported, "{}: type {}", path, name);
  }
  return error(ErrorKind::kInvalidArgument, "{}: '{}' is not a type", path, name)
      .with_class("INVALID_JSON_DATA_TYPE");
}

Result<DataType> parse(const base::JsonValue& json, const std::string& path, int depth);

// A member that holds a type.
Result<DataType> parse_member(const base::JsonObject& object, std::string_view key,
                              const std::string& path, int depth) {
  const base::JsonValue* member = object.if_contains(key);
  if (!member) return error(ErrorKind::kInvalidArgument, "{}: '{}' is missing", path, key);
  return parse(*member, fmt::format("{}.{}", path, key), depth);
}

Result<Field> parse_field(const base::JsonValue& json, const std::string& path, int depth) {
  if (!json.is_object())
    return error(ErrorKind::kInvalidArgument, "{}: a field has to be an object", path);
  const base::JsonObject& object = json.get_object();
  auto name = base::json_string(object, "name");
  if (!name) return error(ErrorKind::kInvalidArgument, "{}: 'name' is missing", path);
  const std::string field_path = path + " (" + *name + ")";
  WEIR_ASSIGN(DataType type, parse_member(object, "type", field_path, depth));
  base::JsonObject metadata;
  if (const base::JsonObject* given = base::json_object(object, "metadata")) metadata = *given;
  return make_field(*name, std::move(type), base::json_bool(object, "nullable").value_or(true),
                    std::move(metadata));
}

Result<DataType> parse(const base::JsonValue& json, const std::string& path, int depth) {
  if (depth > kDepthMax)
    return error(ErrorKind::kInvalidArgument, "{}: nested deeper than {}", path, kDepthMax);
  if (json.is_string()) return parse_name(std::string_view(json.get_string()), path);
  if (!json.is_object())
    return error(ErrorKind::kInvalidArgument, "{}: a type has to be a string or an object", path);
  const base::JsonObject& object = json.get_object();
  const std::string type = base::json_string(object, "type").value_or("");
  if (type == "array") {
    WEIR_ASSIGN(DataType element, parse_member(object, "elementType", path, depth + 1));
    return DataType::array(std::move(element),
                           base::json_bool(object, "containsNull").value_or(true));
  }
  if (type == "map") {
    WEIR_ASSIGN(DataType key, parse_member(object, "keyType", path, depth + 1));
    WEIR_ASSIGN(DataType value, parse_member(object, "valueType", path, depth + 1));
    return DataType::map(std::move(key), std::move(value),
                         base::json_bool(object, "valueContainsNull").value_or(true));
  }
  if (type == "struct") {
    const base::JsonArray* members = base::json_array(object, "fields");
    if (!members) return error(ErrorKind::kInvalidArgument, "{}: 'fields' is missing", path);
    std::vector<Field> fields;
    for (size_t i = 0; i < members->size(); ++i) {
      WEIR_ASSIGN(Field field,
                  parse_field((*members)[i], fmt::format("{}.fields[{}]", path, i), depth + 1));
      fields.push_back(std::move(field));
    }
    return DataType::structure(std::move(fields));
  }
  if (type == "udt") return error(ErrorKind::kUnsupported, "{}: user-defined types", path);
  return error(ErrorKind::kInvalidArgument, "{}: '{}' is not a type", path, base::json_text(json))
      .with_class("INVALID_JSON_DATA_TYPE");
}

}  // namespace

Result<DataType> parse_type_json(const base::JsonValue& json) { return parse(json, "schema", 0); }

Result<DataType> parse_type_json_text(std::string_view text) {
  // A bare type without quotes ("long") is what people write in files and options.
  size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos)
    return error(ErrorKind::kInvalidArgument, "schema: the text is empty");
  if (text[start] != '{' && text[start] != '"') {
    size_t end = text.find_last_not_of(" \t\r\n");
    return parse_name(text.substr(start, end - start + 1), "schema");
  }
  WEIR_ASSIGN(base::JsonValue json, base::parse_json(text, "schema"));
  return parse_type_json(json);
}

}  // namespace weir::columnar
