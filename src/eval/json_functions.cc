// JSON inside columns: read by a schema (room codec's decoder), written, searched by a path.
#include <arrow/record_batch.h>
#include <boost/algorithm/string/predicate.hpp>

#include "base/json.h"
#include "codec/json_decoder.h"
#include "codec/schema_inference.h"
#include "columnar/datetime_pattern.h"
#include "eval/cast.h"
#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "eval/node.h"
#include "eval/utf8.h"
#include "plan/calendar.h"
#include "plan/json_options.h"

namespace weir::eval {

namespace {

using Arguments = Operands;
using base::JsonValue;

// ---- from_json

Result<codec::JsonOptions> decoder_options(const KernelCall& call) {
  codec::JsonOptions options;
  options.time_zone = call.context.session_zone;
  WEIR_ASSIGN(const auto given, plan::literal_options(call.call, 2));
  for (const auto& [key, value] : given) {
    const bool yes = boost::iequals(value, "true");
    if (key == "mode") {
      if (boost::iequals(value, "FAILFAST")) {
        options.mode = codec::ParseMode::kFailFast;
      } else if (!boost::iequals(value, "PERMISSIVE")) {
        return call.fail("PARSE_MODE_UNSUPPORTED", "0A000",
                         fmt::format("The function `from_json` doesn't support the {} mode. "
                                     "Acceptable modes are PERMISSIVE and FAILFAST.",
                                     value));
      }
    } else if (key == "timestampformat") {
      options.timestamp_format = value;
    } else if (key == "timestampntzformat") {
      options.timestamp_ntz_format = value;
    } else if (key == "dateformat") {
      options.date_format = value;
    } else if (key == "timezone") {
      options.time_zone = value;
    } else if (key == "columnnameofcorruptrecord") {
      options.corrupt_column = value;
    } else if (key == "allowcomments") {
      options.allow_comments = yes;
    } else if (key == "allowunquotedfieldnames") {
      options.allow_unquoted_field_names = yes;
    } else if (key == "allowsinglequotes") {
      options.allow_single_quotes = yes;
    } else if (key == "allownumericleadingzeros") {
      options.allow_numeric_leading_zeros = yes;
    } else if (key == "allownonnumericnumbers") {
      options.allow_non_numeric_numbers = yes;
    } else {
      return call.fail("UNSUPPORTED_FEATURE", "0A000",
                       fmt::format("weir has no option `{}` for from_json.", key));
    }
  }
  return options;
}

Result<ArrayPtr> as_struct(const KernelCall& call, codec::JsonDecoder& decoder, NullWriter& nulls) {
  WEIR_ASSIGN(const auto batch, decoder.finish());
  call.count_corrupt(decoder.counters().corrupt_rows);
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (int i = 0; i < batch->num_columns(); ++i) {
    WEIR_ASSIGN(auto child, canonical(batch->column(i), call.arrow_type->field(i)->type()));
    children.push_back(child->data());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(call.arrow_type, call.rows, {nulls.buffer()},
                                                 std::move(children), nulls.count()));
}

Result<ArrayPtr> from_json(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]);
  WEIR_ASSIGN(auto options, decoder_options(call));
  const auto& type = call.type();
  // An array or map is read as the only member of an object.
  const bool wrapped = !type.is(TypeKind::kStruct);
  const auto schema = wrapped ? DataType::structure({columnar::make_field("value", type)}) : type;
  WEIR_ASSIGN(auto decoder, codec::JsonDecoder::create(schema, options));
  NullWriter nulls(call.rows);
  const auto layout = arguments[0].array->type_id();
  if (!wrapped && !arguments[0].constant && layout != arrow::Type::NA &&
      layout != arrow::Type::DICTIONARY) {
    // All at once; blank texts and NULLs give NULL.
    WEIR_TRY(decoder->append_array(*arguments[0].array, false));
    const auto outcomes = decoder->outcomes();
    for (size_t row = 0; row < outcomes.size(); ++row)
      if (outcomes[row] == codec::RecordOutcome::kNull) nulls.set_null(static_cast<int64_t>(row));
    return as_struct(call, *decoder, nulls);
  }
  std::string padded;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row]) {
      decoder->append_null();
      nulls.set_null(row);
      continue;
    }
    const auto record = text[row];
    const bool blank = record.find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (blank || (wrapped && !base::parse_json(record, "a value").ok())) {
      if (blank || options.mode == codec::ParseMode::kPermissive) {
        if (!blank) call.count_corrupt(1);
        decoder->append_null();
        nulls.set_null(row);
        continue;
      }
    }
    padded.assign(wrapped ? R"({"value":)" : "");
    padded += record;
    if (wrapped) padded += '}';
    const size_t size = padded.size();
    padded.append(64, '\0');
    WEIR_TRY(decoder->append(std::string_view(padded.data(), size), 64));
  }
  if (!wrapped) return as_struct(call, *decoder, nulls);
  WEIR_ASSIGN(const auto batch, decoder->finish());
  call.count_corrupt(decoder->counters().corrupt_rows);
  return canonical(batch->column(0), call.arrow_type);
}

// ---- to_json

void append_json_text(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

class JsonWriter {
 public:
  static Result<JsonWriter> create(const KernelCall& call) {
    JsonWriter writer(call);
    std::string timestamp = "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]";
    std::string ntz = "yyyy-MM-dd'T'HH:mm:ss[.SSS]";
    std::string date = "yyyy-MM-dd";
    WEIR_ASSIGN(const auto given, plan::literal_options(call.call, 1));
    for (const auto& [key, value] : given) {
      if (key == "ignorenullfields") {
        writer.ignore_nulls_ = !boost::iequals(value, "false");
      } else if (key == "timestampformat") {
        timestamp = value;
      } else if (key == "timestampntzformat") {
        ntz = value;
      } else if (key == "dateformat") {
        date = value;
      } else if (key == "timezone") {
        WEIR_ASSIGN(writer.zone_, Zone::find(value));
      } else {
        return call.fail("UNSUPPORTED_FEATURE", "0A000",
                         fmt::format("weir has no option `{}` for to_json.", key));
      }
    }
    WEIR_ASSIGN(writer.timestamp_, columnar::DatetimePattern::compile(timestamp));
    WEIR_ASSIGN(writer.ntz_, columnar::DatetimePattern::compile(ntz));
    WEIR_ASSIGN(writer.date_, columnar::DatetimePattern::compile(date));
    return writer;
  }

  void value(const DataType& type, const arrow::Array& array, int64_t row, std::string& out) {
    if (array.type_id() == arrow::Type::NA || array.IsNull(row)) {
      out += "null";
      return;
    }
    switch (type.kind()) {
      case TypeKind::kStruct:
        return structure(type, static_cast<const arrow::StructArray&>(array), row, out);
      case TypeKind::kArray: {
        const auto& list = static_cast<const arrow::ListArray&>(array);
        out += '[';
        for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
          if (i > list.value_offset(row)) out += ',';
          value(type.element(), *list.values(), i, out);
        }
        out += ']';
        return;
      }
      case TypeKind::kMap: {
        const auto& map = static_cast<const arrow::MapArray&>(array);
        out += '{';
        for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
          if (i > map.value_offset(row)) out += ',';
          std::string key;
          append_text(type.key(), *map.keys(), i, zone_, ansi_, key);
          append_json_text(key, out);
          out += ':';
          value(type.value(), *map.items(), i, out);
        }
        out += '}';
        return;
      }
      default:
        return plain(type, array, row, out);
    }
  }

 private:
  explicit JsonWriter(const KernelCall& call) : zone_(call.zone), ansi_(call.ansi()) {}

  void structure(const DataType& type, const arrow::StructArray& array, int64_t row,
                 std::string& out) {
    out += '{';
    bool first = true;
    for (size_t i = 0; i < type.fields().size(); ++i) {
      const auto child = array.field(static_cast<int>(i));
      if (ignore_nulls_ && (child->type_id() == arrow::Type::NA || child->IsNull(row))) continue;
      if (!first) out += ',';
      first = false;
      append_json_text(type.fields()[i].name, out);
      out += ':';
      value(type.fields()[i].type(), *child, row, out);
    }
    out += '}';
  }

  void plain(const DataType& type, const arrow::Array& array, int64_t row, std::string& out) {
    const Vector one{array.Slice(row, 1), true};
    switch (type.kind()) {
      case TypeKind::kTimestamp: {
        const int64_t us = FixedReader<int64_t>(one)[0];
        const int64_t offset = (zone_.to_local(us) - us) / plan::kMicrosPerSecond;
        return append_json_text(timestamp_->format(us, offset).value_or(""), out);
      }
      case TypeKind::kTimestampNtz:
        return append_json_text(ntz_->format(FixedReader<int64_t>(one)[0], 0).value_or(""), out);
      case TypeKind::kDate:
        return append_json_text(
            date_->format(FixedReader<int32_t>(one)[0] * plan::kMicrosPerDay, 0).value_or(""), out);
      case TypeKind::kBinary: {
        static constexpr char kDigits[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const auto bytes = TextReader(one)[0];
        std::string text;
        for (size_t i = 0; i < bytes.size(); i += 3) {
          uint32_t word = 0;
          for (size_t k = 0; k < 3; ++k)
            word =
                word << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
          for (size_t k = 0; k < 4; ++k)
            text += i + k <= bytes.size() ? kDigits[(word >> (18 - 6 * k)) & 63] : '=';
        }
        return append_json_text(text, out);
      }
      case TypeKind::kDecimal:
        out += plan::format_decimal(FixedReader<plan::Int128>(one)[0], type.scale());
        return;
      case TypeKind::kFloat:
      case TypeKind::kDouble: {
        const std::string text = type.is(TypeKind::kFloat)
                                     ? plan::format_float(FixedReader<float>(one)[0])
                                     : plan::format_double(FixedReader<double>(one)[0]);
        const bool number = text.find_first_of("NI") == std::string::npos;
        if (number) {
          out += text;
        } else {
          append_json_text(text, out);
        }
        return;
      }
      default: {
        std::string text;
        append_text(type, array, row, zone_, ansi_, text);
        const bool bare = type.is(TypeKind::kBoolean) || plan::is_integral(type);
        if (bare) {
          out += text;
        } else {
          append_json_text(text, out);
        }
      }
    }
  }

  Zone zone_;
  bool ansi_;
  bool ignore_nulls_ = true;
  std::optional<columnar::DatetimePattern> timestamp_, ntz_, date_;
};

Result<ArrayPtr> to_json(KernelCall& call, Arguments arguments) {
  WEIR_ASSIGN(auto json, JsonWriter::create(call));
  const Validity valid(arguments[0]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!valid[row]) {
      writer.add_null();
      continue;
    }
    json.value(call.type_of(0), *arguments[0].array, arguments[0].constant ? 0 : row,
               writer.bytes());
    writer.end_row();
  }
  return writer.finish(call.arrow_type);
}

// ---- get_json_object

struct PathStep {
  enum Kind { kKey, kIndex, kAny } kind;
  std::string key;
  size_t index = 0;
};

// nullopt where Spark's path parser gives up (the result is NULL then).
std::optional<std::vector<PathStep>> parse_path(std::string_view path) {
  if (path.empty() || path[0] != '$') return std::nullopt;
  path.remove_prefix(1);
  std::vector<PathStep> steps;
  while (!path.empty()) {
    if (path[0] == '.') {
      path.remove_prefix(1);
      const auto end = std::min(path.find_first_of(".["), path.size());
      if (end == 0) return std::nullopt;
      const auto name = path.substr(0, end);
      steps.push_back(name == "*" ? PathStep{PathStep::kAny, {}}
                                  : PathStep{PathStep::kKey, std::string(name)});
      path.remove_prefix(end);
    } else if (path[0] == '[') {
      const bool quoted = path.size() > 1 && path[1] == '\'';
      const auto close = quoted ? path.find("']", 2) : path.find(']');
      if (close == std::string_view::npos) return std::nullopt;
      const auto inside = path.substr(quoted ? 2 : 1, close - (quoted ? 2 : 1));
      if (quoted) {
        if (inside.empty()) return std::nullopt;
        steps.push_back(inside == "*" ? PathStep{PathStep::kAny, {}}
                                      : PathStep{PathStep::kKey, std::string(inside)});
      } else if (inside == "*") {
        steps.push_back({PathStep::kAny, {}});
      } else {
        int64_t index = 0;
        if (inside.empty() || inside.find_first_not_of("0123456789") != std::string_view::npos ||
            inside.size() > 9 || !parse_integral(inside, false, index))
          return std::nullopt;
        steps.push_back({PathStep::kIndex, {}, static_cast<size_t>(index)});
      }
      path.remove_prefix(close + (quoted ? 2 : 1));
    } else {
      return std::nullopt;
    }
  }
  return steps;
}

void find_matches(const JsonValue& value, std::span<const PathStep> steps,
                  std::vector<const JsonValue*>& found) {
  if (steps.empty()) {
    found.push_back(&value);
    return;
  }
  const auto& step = steps[0];
  const auto rest = steps.subspan(1);
  if (step.kind == PathStep::kKey && value.is_object()) {
    if (const auto* member = value.as_object().if_contains(step.key))
      find_matches(*member, rest, found);
  } else if (step.kind == PathStep::kIndex && value.is_array()) {
    if (step.index < value.as_array().size())
      find_matches(value.as_array()[step.index], rest, found);
  } else if (step.kind == PathStep::kAny && value.is_array()) {
    for (const auto& element : value.as_array())
      find_matches(element, rest, found);
  } else if (step.kind == PathStep::kAny && value.is_object()) {
    for (const auto& member : value.as_object())
      find_matches(member.value(), rest, found);
  }
}

// As Spark writes JSON here: characters beyond 16 bits as two escapes.
void append_escaped(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = character_bytes(text, at);
    if (bytes == 4) {
      const uint32_t code = decode_character(text, at) - 0x10000;
      out += fmt::format("\\u{:04X}\\u{:04X}", 0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF));
    } else {
      out += text.substr(at, bytes);
    }
    at += bytes;
  }
}

Result<ArrayPtr> get_json_object(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]), paths(arguments[1]);
  TextWriter writer(call.rows);
  std::string known;
  std::optional<std::vector<PathStep>> steps = parse_path(known);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row] || !paths.valid[row]) {
      writer.add_null();
      continue;
    }
    if (paths[row] != known) {
      known = paths[row];
      steps = parse_path(known);
    }
    const auto value =
        steps ? base::parse_json(text[row], "a JSON text")
              : Result<JsonValue>(base::error(base::ErrorKind::kCorruption, "no path"));
    std::vector<const JsonValue*> found;
    if (value.ok()) find_matches(*value, *steps, found);
    const bool many = steps && std::any_of(steps->begin(), steps->end(), [](const auto& step) {
                        return step.kind == PathStep::kAny;
                      });
    // A member that is null is NULL; the whole text or an element that is null is that word.
    const bool member = steps && !steps->empty() && steps->back().kind == PathStep::kKey;
    if (found.empty() || (!many && member && found[0]->is_null())) {
      writer.add_null();
    } else if (!many && found[0]->is_string()) {
      writer.add(std::string_view(found[0]->as_string()));
    } else if (found.size() == 1) {
      append_escaped(base::json_text(*found[0]), writer.bytes());
      writer.end_row();
    } else {
      auto& out = writer.bytes();
      for (size_t i = 0; i < found.size(); ++i) {
        out += i ? "," : "[";
        append_escaped(base::json_text(*found[i]), out);
      }
      out += ']';
      writer.end_row();
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> json_array_length(KernelCall& call, Arguments arguments) {
  return map_nullable<int32_t>(
      call,
      [](std::string_view text, int32_t& out) {
        const auto value = base::parse_json(text, "a JSON text");
        if (!value.ok() || !value->is_array()) return false;
        out = static_cast<int32_t>(value->as_array().size());
        return true;
      },
      TextReader(arguments[0]));
}

Result<ArrayPtr> json_object_keys(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]);
  ListOffsets offsets(call.rows);
  std::vector<std::string> all;
  for (int64_t row = 0; row < call.rows; ++row) {
    const auto value = text.valid[row]
                           ? base::parse_json(text[row], "a JSON text")
                           : Result<JsonValue>(base::error(base::ErrorKind::kCorruption, "NULL"));
    if (!value.ok() || !value->is_object()) {
      offsets.add_null(static_cast<int64_t>(all.size()));
      continue;
    }
    for (const auto& member : value->as_object())
      all.emplace_back(member.key());
    offsets.end_row(static_cast<int64_t>(all.size()));
  }
  return text_lists(call, offsets, all);
}

Result<ArrayPtr> schema_of_json(KernelCall& call, Arguments arguments) {
  WEIR_ASSIGN(const auto options, plan::literal_options(call.call, 1));
  return map_text(
      call,
      [&](std::string_view text, std::string& out) {
        const auto type = codec::infer_json_record(text, options);
        out += type ? type->sql() : "STRING";
      },
      TextReader(arguments[0]));
}

constexpr KernelEntry kKernels[] = {
    {"from_json", from_json},
    {"to_json", to_json},
    {"get_json_object", get_json_object},
    {"json_array_length", json_array_length},
    {"json_object_keys", json_object_keys},
    {"schema_of_json", schema_of_json},
};

}  // namespace

std::span<const KernelEntry> json_kernels() { return kKernels; }

}  // namespace weir::eval
