#include "codec/json_slow.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "codec/java_number.h"

namespace weir::codec {

using columnar::DataType;
using columnar::TypeKind;

JsonSlowParser::Outcome JsonSlowParser::next_until(JsonToken stop) {
  if (!tokens_->next()) return Outcome::kBad;
  return tokens_->token() == JsonToken::kNone || tokens_->token() == stop ? Outcome::kPartial
                                                                          : Outcome::kOk;
}

JsonSlowParser::Parsed JsonSlowParser::parse(std::string_view record, const DataType& row_type) {
  Parsed parsed;
  std::string replaced;
  if (!options_.from_files) {
    replaced = replace_invalid_utf8(record);
    record = replaced;
  }
  record_ = record;
  JsonTokens tokens(record, options_);
  tokens_ = &tokens;
  parsed.bad = true;
  if (!tokens.next()) return parsed;
  if (tokens.token() == JsonToken::kNone) {
    parsed.bad = false;
    parsed.blank = true;
  } else if (tokens.token() == JsonToken::kStartObject) {
    JsonTree row;
    const Outcome outcome = convert_struct(row_type, &row);
    parsed.bad = outcome != Outcome::kOk;
    if (outcome != Outcome::kBad) parsed.rows.push_back(std::move(row));
  } else if (tokens.token() == JsonToken::kStartArray && options_.from_files) {
    JsonTree array;
    const Outcome outcome = convert_array(row_type, true, &array);
    parsed.bad = outcome != Outcome::kOk;
    if (outcome != Outcome::kBad) parsed.rows = std::move(array.items);
  }
  return parsed;
}

JsonSlowParser::Outcome JsonSlowParser::convert_struct(const DataType& type, JsonTree* to) {
  to->null = false;
  to->items.assign(type.fields().size(), JsonTree());
  Outcome result = Outcome::kOk;
  while (true) {
    const Outcome step = next_until(JsonToken::kEndObject);
    if (step == Outcome::kBad) return Outcome::kBad;
    if (step == Outcome::kPartial) return result;
    const std::string* name;
    // Of fields with the same name the last one is meant.
    int index = -1;
    if (tokens_->name(&name)) {
      for (size_t i = 0; i < type.fields().size(); ++i) {
        if (type.fields()[i].name == *name) index = static_cast<int>(i);
      }
    }
    if (index < 0) {
      if (!tokens_->skip_children()) return Outcome::kBad;
      continue;
    }
    JsonTree value;
    const Outcome outcome = convert(type.fields()[static_cast<size_t>(index)].type(), &value);
    if (outcome == Outcome::kBad) {
      result = Outcome::kPartial;
      if (!tokens_->skip_children()) return Outcome::kBad;
    } else {
      if (outcome == Outcome::kPartial) result = Outcome::kPartial;
      to->items[static_cast<size_t>(index)] = std::move(value);
    }
  }
}

JsonSlowParser::Outcome JsonSlowParser::convert_array(const DataType& element, bool root,
                                                      JsonTree* to) {
  to->null = false;
  Outcome result = Outcome::kOk;
  while (true) {
    const Outcome step = next_until(JsonToken::kEndArray);
    if (step == Outcome::kBad) return Outcome::kBad;
    if (step == Outcome::kPartial) return result;
    JsonTree value;
    const Outcome outcome = convert(element, &value);
    if (outcome == Outcome::kBad || (root && value.null)) return Outcome::kBad;
    if (outcome == Outcome::kPartial) result = Outcome::kPartial;
    to->items.push_back(std::move(value));
  }
}

JsonSlowParser::Outcome JsonSlowParser::convert_map(const DataType& type, JsonTree* to) {
  to->null = false;
  Outcome result = Outcome::kOk;
  bool bad = false;
  while (true) {
    const Outcome step = next_until(JsonToken::kEndObject);
    if (step == Outcome::kBad) return Outcome::kBad;
    if (step == Outcome::kPartial) return bad ? Outcome::kBad : result;
    JsonTree key;
    key.null = false;
    const std::string* name;
    if (tokens_->name(&name)) key.text = *name;
    JsonTree value;
    const Outcome outcome = convert(type.value(), &value);
    if (outcome == Outcome::kBad) {
      bad = true;
      if (!tokens_->skip_children()) return Outcome::kBad;
      continue;
    }
    if (outcome == Outcome::kPartial) result = Outcome::kPartial;
    to->items.push_back(std::move(key));
    to->items.push_back(std::move(value));
  }
}

JsonSlowParser::Outcome JsonSlowParser::convert(const DataType& type, JsonTree* to) {
  const Outcome outcome = convert_value(type, to);
  // Jackson reads a string that does not fit, for its message.
  if (outcome == Outcome::kBad && tokens_->token() == JsonToken::kString &&
      !type.is(TypeKind::kBinary))
    (void)tokens_->finish_token();
  return outcome;
}

JsonSlowParser::Outcome JsonSlowParser::convert_value(const DataType& type, JsonTree* to) {
  while (tokens_->token() == JsonToken::kFieldName) {
    if (!tokens_->next()) return Outcome::kBad;
  }
  const JsonToken token = tokens_->token();
  if (token == JsonToken::kNone || token == JsonToken::kNull) return Outcome::kOk;
  switch (type.kind()) {
    case TypeKind::kNull:
      return Outcome::kOk;
    case TypeKind::kStruct:
      return token == JsonToken::kStartObject ? convert_struct(type, to) : Outcome::kBad;
    case TypeKind::kArray:
      return token == JsonToken::kStartArray ? convert_array(type.element(), false, to)
                                             : Outcome::kBad;
    case TypeKind::kMap:
      return token == JsonToken::kStartObject ? convert_map(type, to) : Outcome::kBad;
    case TypeKind::kBoolean:
      if (token != JsonToken::kTrue && token != JsonToken::kFalse) return Outcome::kBad;
      to->null = false;
      to->integer = token == JsonToken::kTrue;
      return Outcome::kOk;
    case TypeKind::kByte:
    case TypeKind::kShort:
    case TypeKind::kInteger:
    case TypeKind::kLong:
      return token == JsonToken::kInt ? convert_integer(type, to) : Outcome::kBad;
    case TypeKind::kFloat:
      return convert_real(true, to);
    case TypeKind::kDouble:
      return convert_real(false, to);
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      return convert_string(to);
    default:
      return convert_from_text(type, to);
  }
}

JsonSlowParser::Outcome JsonSlowParser::convert_integer(const DataType& type, JsonTree* to) {
  const std::string* text;
  if (!tokens_->text(&text)) return Outcome::kBad;
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (code != std::errc() || end != text->data() + text->size()) return Outcome::kBad;
  to->null = false;
  to->integer = value;
  switch (type.kind()) {
    case TypeKind::kByte:
      // Jackson lets a byte be unsigned too, and Java wraps it.
      to->integer = static_cast<int8_t>(value);
      return value >= -128 && value <= 255 ? Outcome::kOk : Outcome::kBad;
    case TypeKind::kShort:
      return value >= -32768 && value <= 32767 ? Outcome::kOk : Outcome::kBad;
    case TypeKind::kInteger:
      return value >= std::numeric_limits<int32_t>::min() &&
                     value <= std::numeric_limits<int32_t>::max()
                 ? Outcome::kOk
                 : Outcome::kBad;
    default:
      return Outcome::kOk;
  }
}

JsonSlowParser::Outcome JsonSlowParser::convert_real(bool single, JsonTree* to) {
  const JsonToken token = tokens_->token();
  const bool quoted = token == JsonToken::kString;
  const std::string* text;
  if (token != JsonToken::kInt && token != JsonToken::kFloat && !quoted) return Outcome::kBad;
  if (!tokens_->text(&text) || text->empty()) return Outcome::kBad;
  to->null = false;
  const std::string& t = *text;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (t == "NaN" || t == "+INF" || t == "+Infinity" || t == "Infinity" || t == "-INF" ||
      t == "-Infinity") {
    to->real = t == "NaN"    ? std::numeric_limits<double>::quiet_NaN()
               : t[0] == '-' ? -kInfinity
                             : kInfinity;
    return options_.allow_non_numeric_numbers ? Outcome::kOk : Outcome::kBad;
  }
  if (quoted) return Outcome::kBad;
  if (single) {
    to->real = static_cast<double>(java_parse_float(t));
  } else {
    to->real = java_parse_double(t);
  }
  // An integer has no negative zero.
  if (token == JsonToken::kInt && to->real == 0) to->real = 0;
  return Outcome::kOk;
}

JsonSlowParser::Outcome JsonSlowParser::convert_from_text(const DataType& type, JsonTree* to) {
  const JsonToken token = tokens_->token();
  const bool number =
      token == JsonToken::kInt || (token == JsonToken::kFloat && type.is(TypeKind::kDecimal));
  if (token != JsonToken::kString && !number) return Outcome::kBad;
  if (type.is(TypeKind::kBinary)) {
    to->null = false;
    return !number && tokens_->binary(&to->text) ? Outcome::kOk : Outcome::kBad;
  }
  const std::string* text;
  if (!tokens_->text(&text) || text->empty()) return Outcome::kBad;
  to->null = false;
  if (type.is(TypeKind::kDecimal)) {
    std::string digits = *text;
    if (!number) std::erase(digits, ',');
    const auto value = parse_decimal(digits, type.precision(), type.scale());
    if (!value) return Outcome::kBad;
    to->decimal = *value;
    return Outcome::kOk;
  }
  if (number) {
    // Only a timestamp may be an integer: seconds. Java's multiplication wraps.
    if (!type.is(TypeKind::kTimestamp)) return Outcome::kBad;
    const Outcome outcome = convert_integer(DataType::of(TypeKind::kLong), to);
    to->integer = static_cast<int64_t>(static_cast<uint64_t>(to->integer) * 1'000'000u);
    return outcome;
  }
  std::optional<int64_t> value;
  switch (type.kind()) {
    case TypeKind::kTimestamp:
      value = formats_.timestamp(*text);
      break;
    case TypeKind::kTimestampNtz:
      value = formats_.timestamp_ntz(*text);
      break;
    case TypeKind::kDate:
      value = formats_.date(*text);
      break;
    default:
      return Outcome::kBad;
  }
  if (!value) return Outcome::kBad;
  to->integer = *value;
  return Outcome::kOk;
}

JsonSlowParser::Outcome JsonSlowParser::convert_string(JsonTree* to) {
  to->null = false;
  if (tokens_->token() == JsonToken::kString) {
    const std::string* text;
    if (!tokens_->text(&text)) return Outcome::kBad;
    to->text = *text;
    return Outcome::kOk;
  }
  if (!options_.from_files) return copy_structure(&to->text) ? Outcome::kOk : Outcome::kBad;
  // Whatever it is, its bytes as they stand in the record.
  const size_t begin = tokens_->token_begin();
  if (!tokens_->skip_children()) return Outcome::kBad;
  to->text = replace_invalid_utf8(record_.substr(begin, tokens_->position() - begin));
  return Outcome::kOk;
}

namespace {

void append_quoted(const std::string& text, std::string* to) {
  *to += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        *to += "\\\"";
        break;
      case '\\':
        *to += "\\\\";
        break;
      case '\b':
        *to += "\\b";
        break;
      case '\t':
        *to += "\\t";
        break;
      case '\n':
        *to += "\\n";
        break;
      case '\f':
        *to += "\\f";
        break;
      case '\r':
        *to += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          *to += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        } else {
          *to += c;
        }
    }
  }
  *to += '"';
}

}  // namespace

// The current value written anew without blanks, as Jackson's generator does.
bool JsonSlowParser::copy_structure(std::string* to) {
  const std::string* text;
  int open = 0;
  bool first = true;
  if (tokens_->token() == JsonToken::kEndObject || tokens_->token() == JsonToken::kEndArray)
    return false;
  while (true) {
    const JsonToken token = tokens_->token();
    const bool close = token == JsonToken::kEndObject || token == JsonToken::kEndArray;
    if (!first && !close && to->back() != ':') *to += ',';
    first = false;
    switch (token) {
      case JsonToken::kStartObject:
      case JsonToken::kStartArray:
        *to += token == JsonToken::kStartObject ? '{' : '[';
        ++open;
        first = true;
        break;
      case JsonToken::kEndObject:
      case JsonToken::kEndArray:
        *to += token == JsonToken::kEndObject ? '}' : ']';
        --open;
        break;
      case JsonToken::kFieldName:
        if (tokens_->name(&text)) append_quoted(*text, to);
        *to += ':';
        break;
      case JsonToken::kString:
        if (!tokens_->text(&text)) return false;
        append_quoted(*text, to);
        break;
      case JsonToken::kFloat:
        if (!tokens_->text(&text)) return false;
        *to += java_number_text(*text);
        break;
      case JsonToken::kNone:
        return false;
      default:
        if (!tokens_->text(&text)) return false;
        *to += *text == "-0" ? "0" : *text;
    }
    if (open == 0) return true;
    if (!tokens_->next()) return false;
  }
}

void write_tree(const JsonTree& tree, ColumnWriter& column, int64_t slot) {
  if (tree.null) {
    column.set_null(slot);
    return;
  }
  switch (column.kind()) {
    case TypeKind::kNull:
      break;
    case TypeKind::kBoolean:
      column.set_bool(slot, tree.integer != 0);
      break;
    case TypeKind::kByte:
      column.set(slot, static_cast<int8_t>(tree.integer));
      break;
    case TypeKind::kShort:
      column.set(slot, static_cast<int16_t>(tree.integer));
      break;
    case TypeKind::kInteger:
    case TypeKind::kDate:
      column.set(slot, static_cast<int32_t>(tree.integer));
      break;
    case TypeKind::kLong:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      column.set(slot, tree.integer);
      break;
    case TypeKind::kFloat:
      column.set(slot, static_cast<float>(tree.real));
      break;
    case TypeKind::kDouble:
      column.set(slot, tree.real);
      break;
    case TypeKind::kDecimal:
      column.set(slot, tree.decimal);
      break;
    case TypeKind::kStruct:
      for (size_t i = 0; i < tree.items.size(); ++i)
        write_tree(tree.items[i], column.child(i), slot);
      break;
    case TypeKind::kArray:
    case TypeKind::kMap: {
      const size_t width = column.child_count();
      for (size_t i = 0; i + width <= tree.items.size(); i += width) {
        const int64_t at = column.grow();
        for (size_t j = 0; j < width; ++j)
          write_tree(tree.items[i + j], column.child(j), at);
      }
      column.list_end(slot);
      break;
    }
    default:
      column.set_text(slot, tree.text);
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  const auto byte = [&](size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
  };
  for (size_t at = 0; at < text.size();) {
    const unsigned first = byte(at);
    size_t wanted = first < 0x80                     ? 1
                    : first >= 0xc2 && first <= 0xdf ? 2
                    : first >= 0xe0 && first <= 0xef ? 3
                    : first >= 0xf0 && first <= 0xf4 ? 4
                                                     : 0;
    size_t good = wanted == 0 ? 0 : 1;
    while (good > 0 && good < wanted) {
      const unsigned next = byte(at + good);
      unsigned low = 0x80, high = 0xbf;
      if (good == 1 && first == 0xe0) low = 0xa0;
      if (good == 1 && first == 0xed) high = 0x9f;
      if (good == 1 && first == 0xf0) low = 0x90;
      if (good == 1 && first == 0xf4) high = 0x8f;
      if (at + good >= text.size() || next < low || next > high) break;
      ++good;
    }
    if (wanted > 0 && good == wanted) {
      clean.append(text.substr(at, wanted));
      at += wanted;
    } else {
      clean += "\xef\xbf\xbd";
      // Java replaces the longest valid beginning of a sequence at once, and an encoded surrogate
      // whole.
      const bool surrogate =
          first == 0xed && (byte(at + 1) & 0xe0) == 0xa0 && (byte(at + 2) & 0xc0) == 0x80;
      at += surrogate ? 3 : std::max<size_t>(good, 1);
    }
  }
  return clean;
}

}  // namespace weir::codec
