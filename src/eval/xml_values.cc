// from_xml, to_xml, schema_of_xml, in the manner of Spark's XML source: attributes are fields whose
// name begins with a prefix, the text beside attributes or elements is the field _VALUE.
#include "eval/xml_values.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <arrow/api.h>
#include <boost/algorithm/string/predicate.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>
#include <pugixml.hpp>

#include "codec/json_decoder.h"
#include "columnar/arrow_types.h"
#include "columnar/datetime_pattern.h"
#include "eval/cast.h"
#include "eval/node.h"
#include "plan/calendar.h"
#include "plan/json_options.h"

namespace weir::eval {

namespace {

using Arguments = Operands;
using boost::iequals;

struct XmlOptions {
  std::string attribute_prefix = "_", value_tag = "_VALUE", row_tag = "ROW";
  std::optional<std::string> null_value;
  bool exclude_attributes = false, trim = true;
  codec::JsonOptions times;  // formats, zone, mode
};

// `known`: the options that the function has, besides those of all three.
Result<XmlOptions> xml_options(const KernelCall& call, size_t at,
                               std::initializer_list<std::string_view> known) {
  XmlOptions made;
  made.times.time_zone = call.context.session_zone;
  WEIR_ASSIGN(const auto given, plan::literal_options(call.call, at));
  for (const auto& [key, value] : given) {
    const bool common = key == "attributeprefix" || key == "valuetag";
    if (!common && std::find(known.begin(), known.end(), key) == known.end()) {
      return call.fail(
          "UNSUPPORTED_FEATURE", "0A000",
          fmt::format("weir has no option `{}` for {}.", key, call.call.function->name));
    }
    if (key == "attributeprefix") made.attribute_prefix = value;
    if (key == "valuetag") made.value_tag = value;
    if (key == "rowtag") made.row_tag = value;
    if (key == "nullvalue") made.null_value = value;
    if (key == "excludeattribute") made.exclude_attributes = iequals(value, "true");
    if (key == "ignoresurroundingspaces") made.trim = !iequals(value, "false");
    if (key == "timestampformat") made.times.timestamp_format = value;
    if (key == "timestampntzformat") made.times.timestamp_ntz_format = value;
    if (key == "dateformat") made.times.date_format = value;
    if (key == "timezone") made.times.time_zone = value;
    if (key != "mode" || iequals(value, "PERMISSIVE")) continue;
    if (!iequals(value, "FAILFAST")) {
      return call.fail("PARSE_MODE_UNSUPPORTED", "0A000",
                       fmt::format("The function `{}` doesn't support the {} mode. Acceptable "
                                   "modes are PERMISSIVE and FAILFAST.",
                                   call.call.function->name, value));
    }
    made.times.mode = codec::ParseMode::kFailFast;
  }
  return made;
}

// The root element; an empty node where the text is no XML.
pugi::xml_node root_of(pugi::xml_document& document, std::string_view text) {
  if (!document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8))
    return {};
  return document.document_element();
}

// The texts right inside of the element.
std::string text_of(const pugi::xml_node& node, bool trim) {
  std::string text;
  for (const auto child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata)
      text += child.value();
  }
  if (trim) boost::trim(text);
  return text;
}

bool has_elements(const pugi::xml_node& node) {
  for (const auto child : node.children()) {
    if (child.type() == pugi::node_element) return true;
  }
  return false;
}

void append_quoted(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

// A number as JSON writes it; nullopt where the text is none.
std::optional<std::string> number_of(std::string_view text, bool whole) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const bool negative = text.starts_with('-');
  auto digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  double value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool other = digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos;
  if (failure == std::errc::invalid_argument || end != digits.data() + digits.size() || other)
    return std::nullopt;
  if (whole && digits.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  while (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
    digits.remove_prefix(1);
  std::string made = negative ? "-" : "";
  if (digits[0] == '.') made += '0';
  made += digits;
  if (made.ends_with('.')) made += '0';
  return made;
}

// ---- from_xml: the record as JSON, which room codec reads by the schema

class RecordWriter {
 public:
  explicit RecordWriter(const XmlOptions& options) : options_(options) {}

  void structure(const DataType& type, const pugi::xml_node& node, std::string& out) const {
    out += '{';
    bool first = true;
    for (const auto& field : type.fields()) {
      std::string value;
      if (!member(field, node, value)) continue;
      if (!first) out += ',';
      first = false;
      append_quoted(field.name, out);
      out += ':';
      out += value;
    }
    out += '}';
  }

 private:
  bool member(const columnar::Field& field, const pugi::xml_node& node, std::string& out) const {
    if (iequals(field.name, options_.value_tag)) {
      plain(field.type(), text_of(node, options_.trim), out);
      return true;
    }
    if (field.name.starts_with(options_.attribute_prefix) && !options_.attribute_prefix.empty()) {
      const auto name = std::string_view(field.name).substr(options_.attribute_prefix.size());
      for (const auto attribute : node.attributes()) {
        if (!iequals(attribute.name(), name)) continue;
        plain(field.type(), attribute.value(), out);
        return true;
      }
    }
    std::vector<pugi::xml_node> found;
    for (const auto child : node.children()) {
      if (child.type() == pugi::node_element && iequals(child.name(), field.name))
        found.push_back(child);
    }
    if (found.empty()) return false;
    if (!field.type().is(TypeKind::kArray)) {
      element(field.type(), found.back(), out);
      return true;
    }
    out += '[';
    for (size_t i = 0; i < found.size(); ++i) {
      if (i > 0) out += ',';
      element(field.type().element(), found[i], out);
    }
    out += ']';
    return true;
  }

  void element(const DataType& type, const pugi::xml_node& node, std::string& out) const {
    if (type.is(TypeKind::kStruct)) return structure(type, node, out);
    if (type.is(TypeKind::kArray)) {
      out += '[';
      element(type.element(), node, out);
      out += ']';
      return;
    }
    if (!type.is(TypeKind::kMap)) return plain(type, text_of(node, options_.trim), out);
    out += '{';
    bool first = true;
    const auto key = [&](const std::string& name) {
      if (!first) out += ',';
      first = false;
      append_quoted(name, out);
      out += ':';
    };
    for (const auto attribute : node.attributes()) {
      key(options_.attribute_prefix + attribute.name());
      plain(type.value(), attribute.value(), out);
    }
    for (const auto child : node.children()) {
      if (child.type() != pugi::node_element) continue;
      key(child.name());
      element(type.value(), child, out);
    }
    out += '}';
  }

  void plain(const DataType& type, std::string text, std::string& out) const {
    if (options_.null_value && text == *options_.null_value) {
      out += "null";
      return;
    }
    if (plan::is_text(type)) return append_quoted(text, out);
    boost::trim(text);
    if (type.is(TypeKind::kBoolean)) {
      const bool yes = iequals(text, "true") || text == "1";
      const bool no = iequals(text, "false") || text == "0";
      out += yes ? "true" : no ? "false" : "null";
      return;
    }
    if (type.is_numeric()) {
      const auto number = number_of(text, plan::is_integral(type));
      if (number) {
        out += *number;
      } else if (plan::is_fractional(type) &&
                 (text == "NaN" || text == "Infinity" || text == "-Infinity")) {
        append_quoted(text, out);
      } else {
        out += "null";
      }
      return;
    }
    if (text.empty()) {
      out += "null";
      return;
    }
    append_quoted(text, out);
  }

  const XmlOptions& options_;
};

Result<ArrayPtr> from_xml(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]);
  WEIR_ASSIGN(const auto options,
              xml_options(call, 2,
                          {"mode", "timestampformat", "timestampntzformat", "dateformat",
                           "timezone", "nullvalue", "ignoresurroundingspaces", "rowtag"}));
  WEIR_ASSIGN(auto decoder, codec::JsonDecoder::create(call.type(), options.times));
  const RecordWriter writer(options);
  NullWriter nulls(call.rows);
  pugi::xml_document document;
  std::string record;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row]) {
      decoder->append_null();
      nulls.set_null(row);
      continue;
    }
    record.clear();
    const auto root = root_of(document, text[row]);
    if (root) {
      writer.structure(call.type(), root, record);
    } else if (options.times.mode == codec::ParseMode::kFailFast) {
      return call
          .fail("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "22023",
                fmt::format("Malformed records are detected in record parsing: {}. Parse Mode: "
                            "FAILFAST. To process malformed records as null result, try setting "
                            "the option 'mode' as 'PERMISSIVE'.",
                            text[row]))
          .with_parameter("failFastMode", "FAILFAST")
          .with_parameter("badRecord", std::string(text[row]));
    } else {
      call.count_corrupt(1);
      record = "{}";
    }
    const size_t size = record.size();
    record.append(64, '\0');
    WEIR_TRY(decoder->append(std::string_view(record.data(), size), 64));
  }
  WEIR_ASSIGN(const auto batch, decoder->finish());
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (int i = 0; i < batch->num_columns(); ++i) {
    WEIR_ASSIGN(const auto child, canonical(batch->column(i), call.arrow_type->field(i)->type()));
    children.push_back(child->data());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(call.arrow_type, call.rows, {nulls.buffer()},
                                                 std::move(children), nulls.count()));
}

// ---- to_xml

void append_escaped(std::string_view text, bool attribute, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += attribute ? "&quot;" : "\"";
        break;
      default:
        out += c;
    }
  }
}

class ElementWriter {
 public:
  static Result<ElementWriter> create(const KernelCall& call, const XmlOptions& options) {
    ElementWriter made(call, options);
    const auto& times = options.times;
    const auto pattern = [](const auto& given, std::string_view otherwise) {
      using Given = std::decay_t<decltype(given)>;
      if constexpr (std::is_same_v<Given, std::string>) {
        return columnar::DatetimePattern::compile(given.empty() ? std::string(otherwise) : given);
      } else {
        return columnar::DatetimePattern::compile(given.value_or(std::string(otherwise)));
      }
    };
    WEIR_ASSIGN(made.timestamp_,
                pattern(times.timestamp_format, "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"));
    WEIR_ASSIGN(made.ntz_, pattern(times.timestamp_ntz_format, "yyyy-MM-dd'T'HH:mm:ss[.SSS]"));
    WEIR_ASSIGN(made.date_, pattern(times.date_format, "yyyy-MM-dd"));
    WEIR_ASSIGN(made.zone_, Zone::find(times.time_zone));
    return made;
  }

  // One element, or one for each item of an array.
  void element(const std::string& name, const DataType& type, const arrow::Array& array,
               int64_t row, int depth, std::string& out) {
    const bool null = array.type_id() == arrow::Type::NA || array.IsNull(row);
    if (null && !options_.null_value) return;
    if (!null && type.is(TypeKind::kArray)) {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i)
        element(name, type.element(), *list.values(), i, depth, out);
      return;
    }
    std::string attributes, text, children;
    if (null) {
      text = *options_.null_value;
    } else if (type.is(TypeKind::kStruct)) {
      members(type, static_cast<const arrow::StructArray&>(array), row, depth, attributes, text,
              children);
    } else if (type.is(TypeKind::kMap)) {
      const auto& map = static_cast<const arrow::MapArray&>(array);
      for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i)
        element(plain(type.key(), *map.keys(), i), type.value(), *map.items(), i, depth + 1,
                children);
    } else {
      text = plain(type, array, row);
    }
    const std::string indent(static_cast<size_t>(4 * depth), ' ');
    if (!out.empty()) out += '\n';
    out += fmt::format("{}<{}{}", indent, name, attributes);
    const bool leaf = !null && !type.is_nested();
    if (text.empty() && children.empty() && !leaf) {
      out += "/>";
      return;
    }
    out += '>';
    append_escaped(text, false, out);
    if (!children.empty()) out += fmt::format("\n{}\n{}", children, indent);
    out += fmt::format("</{}>", name);
  }

 private:
  ElementWriter(const KernelCall& call, const XmlOptions& options)
      : options_(options), zone_(call.zone), ansi_(call.ansi()) {}

  void members(const DataType& type, const arrow::StructArray& array, int64_t row, int depth,
               std::string& attributes, std::string& text, std::string& children) {
    for (size_t i = 0; i < type.fields().size(); ++i) {
      const auto& field = type.fields()[i];
      const auto child = array.field(static_cast<int>(i));
      const bool null = child->type_id() == arrow::Type::NA || child->IsNull(row);
      const bool nested = field.type().is_nested();
      if (field.name == options_.value_tag && !nested) {
        if (!null) text += plain(field.type(), *child, row);
      } else if (field.name.starts_with(options_.attribute_prefix) &&
                 !options_.attribute_prefix.empty() && !nested) {
        if (null) continue;
        attributes += fmt::format(" {}=\"", field.name.substr(options_.attribute_prefix.size()));
        append_escaped(plain(field.type(), *child, row), true, attributes);
        attributes += '"';
      } else {
        element(field.name, field.type(), *child, row, depth + 1, children);
      }
    }
  }

  std::string plain(const DataType& type, const arrow::Array& array, int64_t row) {
    const Vector one{array.Slice(row, 1), true};
    std::string text;
    switch (type.kind()) {
      case TypeKind::kTimestamp: {
        const int64_t us = FixedReader<int64_t>(one)[0];
        const int64_t offset = (zone_->to_local(us) - us) / plan::kMicrosPerSecond;
        return timestamp_->format(us, offset).value_or("");
      }
      case TypeKind::kTimestampNtz:
        return ntz_->format(FixedReader<int64_t>(one)[0], 0).value_or("");
      case TypeKind::kDate:
        return date_->format(FixedReader<int32_t>(one)[0] * plan::kMicrosPerDay, 0).value_or("");
      case TypeKind::kBinary: {
        for (const unsigned char byte : TextReader(one)[0])
          text += fmt::format("{}{:02X}", text.empty() ? "[" : " ", byte);
        return text.empty() ? "[]" : text + "]";
      }
      default:
        append_text(type, array, row, *zone_, ansi_, text);
        return text;
    }
  }

  const XmlOptions& options_;
  std::optional<Zone> zone_;
  bool ansi_;
  std::optional<columnar::DatetimePattern> timestamp_, ntz_, date_;
};

Result<ArrayPtr> to_xml(KernelCall& call, Arguments arguments) {
  WEIR_ASSIGN(const auto options, xml_options(call, 1,
                                              {"rowtag", "nullvalue", "timestampformat",
                                               "timestampntzformat", "dateformat", "timezone"}));
  WEIR_ASSIGN(auto elements, ElementWriter::create(call, options));
  const Validity valid(arguments[0]);
  TextWriter writer(call.rows);
  std::string text;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!valid[row]) {
      writer.add_null();
      continue;
    }
    text.clear();
    elements.element(options.row_tag, call.type_of(0), *arguments[0].array,
                     arguments[0].constant ? 0 : row, 0, text);
    writer.add(text);
  }
  return writer.finish(call.arrow_type);
}

// ---- schema_of_xml

struct Shape {
  enum class Leaf : uint8_t { kNone, kLong, kDouble, kBoolean, kDate, kTimestamp, kString };
  Leaf leaf = Leaf::kNone;
  bool repeated = false;
  bool structure = false;
  std::map<std::string, Shape> fields;
};

bool matches(std::string_view text, std::string_view pattern) {  // 9: a digit
  return text.size() == pattern.size() &&
         std::equal(text.begin(), text.end(), pattern.begin(), [](char c, char wanted) {
           return wanted == '9' ? c >= '0' && c <= '9' : c == wanted;
         });
}

Shape::Leaf leaf_of(const std::string& text) {
  using Leaf = Shape::Leaf;
  if (text.empty()) return Leaf::kNone;
  if (const auto whole = number_of(text, true)) {
    int64_t value = 0;
    const auto [end, failure] =
        std::from_chars(whole->data(), whole->data() + whole->size(), value);
    return failure == std::errc() ? Leaf::kLong : Leaf::kDouble;
  }
  if (number_of(text, false)) return Leaf::kDouble;
  if (iequals(text, "true") || iequals(text, "false")) return Leaf::kBoolean;
  if (matches(text, "9999-99-99")) return Leaf::kDate;
  if (text.size() >= 16 && matches(std::string_view(text).substr(0, 16), "9999-99-99T99:99"))
    return Leaf::kTimestamp;
  return Leaf::kString;
}

void widen(Shape::Leaf& leaf, Shape::Leaf other) {
  using Leaf = Shape::Leaf;
  if (other == Leaf::kNone || leaf == other) return;
  if (leaf == Leaf::kNone) {
    leaf = other;
    return;
  }
  const auto both = [&](Leaf a, Leaf b) {
    return (leaf == a && other == b) || (leaf == b && other == a);
  };
  leaf = both(Leaf::kLong, Leaf::kDouble)      ? Leaf::kDouble
         : both(Leaf::kDate, Leaf::kTimestamp) ? Leaf::kTimestamp
                                               : Leaf::kString;
}

void look_at(const pugi::xml_node& node, const XmlOptions& options, Shape& shape) {
  const bool attributes = !options.exclude_attributes && node.first_attribute();
  const auto text = text_of(node, options.trim);
  if (!attributes && !has_elements(node)) return widen(shape.leaf, leaf_of(text));
  shape.structure = true;
  if (attributes) {
    for (const auto attribute : node.attributes())
      widen(shape.fields[options.attribute_prefix + attribute.name()].leaf,
            leaf_of(attribute.value()));
  }
  if (!text.empty()) widen(shape.fields[options.value_tag].leaf, leaf_of(text));
  std::map<std::string, int> counts;
  for (const auto child : node.children()) {
    if (child.type() != pugi::node_element) continue;
    auto& field = shape.fields[child.name()];
    look_at(child, options, field);
    field.repeated = field.repeated || ++counts[child.name()] > 1;
  }
}

DataType type_of(const Shape& shape, const XmlOptions& options) {
  using Leaf = Shape::Leaf;
  const auto one = [&] {
    if (shape.structure) {
      auto fields = shape.fields;
      if (shape.leaf != Leaf::kNone) widen(fields[options.value_tag].leaf, shape.leaf);
      std::vector<columnar::Field> made;
      for (const auto& [name, field] : fields)
        made.push_back(columnar::make_field(name, type_of(field, options)));
      return DataType::structure(std::move(made));
    }
    switch (shape.leaf) {
      case Leaf::kLong:
        return DataType::of(TypeKind::kLong);
      case Leaf::kDouble:
        return DataType::of(TypeKind::kDouble);
      case Leaf::kBoolean:
        return DataType::of(TypeKind::kBoolean);
      case Leaf::kDate:
        return DataType::of(TypeKind::kDate);
      case Leaf::kTimestamp:
        return DataType::of(TypeKind::kTimestamp);
      default:
        return DataType::of(TypeKind::kString);
    }
  }();
  return shape.repeated ? DataType::array(one, true) : one;
}

Result<ArrayPtr> schema_of_xml(KernelCall& call, Arguments arguments) {
  WEIR_ASSIGN(const auto options,
              xml_options(call, 1, {"excludeattribute", "ignoresurroundingspaces", "rowtag"}));
  const TextReader text(arguments[0]);
  TextWriter writer(call.rows);
  pugi::xml_document document;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row]) {
      writer.add_null();
      continue;
    }
    const auto root = root_of(document, text[row]);
    Shape shape;
    if (root) look_at(root, options, shape);
    if (root && !shape.structure) {  // nothing but a text
      shape.structure = true;
      shape.fields[options.value_tag].leaf = std::exchange(shape.leaf, Shape::Leaf::kNone);
    }
    writer.add(root ? type_of(shape, options).sql() : "STRUCT<_corrupt_record: STRING>");
  }
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"from_xml", from_xml},
    {"to_xml", to_xml},
    {"schema_of_xml", schema_of_xml},
};

}  // namespace

std::span<const KernelEntry> xml_value_kernels() { return kKernels; }

}  // namespace weir::eval
