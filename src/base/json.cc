#include "base/json.h"

#include <charconv>
#include <cmath>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

namespace weir::base {
namespace {

void write_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[40];
  const bool plain = value == 0 || (std::fabs(value) >= 1e-3 && std::fabs(value) < 1e7);
  const auto end =
      plain ? std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed)
            : std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific);
  std::string_view text(digits, static_cast<size_t>(end.ptr - digits));
  out += text;
  if (plain && text.find('.') == std::string_view::npos) out += ".0";
}

void newline(std::string& out, int indent) {
  out += '\n';
  out.append(static_cast<size_t>(indent) * 2, ' ');
}

void write(std::string& out, const JsonValue& value, int indent) {  // indent < 0: compact
  const int inner = indent < 0 ? -1 : indent + 1;
  const auto write_members = [&](char open, char close, const auto& members,
                                 const auto& write_member) {
    out += open;
    bool first = true;
    for (const auto& member : members) {
      if (!first) out += ',';
      first = false;
      if (inner >= 0) newline(out, inner);
      write_member(member);
    }
    if (inner >= 0 && !members.empty()) newline(out, indent);
    out += close;
  };
  switch (value.kind()) {
    case boost::json::kind::double_:
      return write_double(out, value.get_double());
    case boost::json::kind::array:
      return write_members('[', ']', value.get_array(),
                           [&](const JsonValue& element) { write(out, element, inner); });
    case boost::json::kind::object:
      return write_members('{', '}', value.get_object(), [&](const auto& member) {
        out += boost::json::serialize(boost::json::string_view(member.key()));
        out += inner >= 0 ? ": " : ":";
        write(out, member.value(), inner);
      });
    default:
      out += boost::json::serialize(value);
  }
}

}  // namespace

Result<JsonValue> parse_json(std::string_view text, std::string_view what) {
  boost::json::parse_options options;
  options.max_depth = 256;
  boost::json::stream_parser parser({}, options);
  boost::json::error_code code;
  const size_t parsed = parser.write_some(text.data(), text.size(), code);
  if (!code) parser.finish(code);
  if (!code && parsed != text.size()) code = boost::json::error::extra_data;
  if (code)
    return error(ErrorKind::kCorruption, "{}: not JSON at byte {}: {}", what, parsed,
                 code.message());
  return parser.release();
}

Result<JsonObject> parse_json_object(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(JsonValue value, parse_json(text, what));
  if (!value.is_object())
    return error(ErrorKind::kCorruption, "{}: a JSON object was expected", what);
  return std::move(value.get_object());
}

std::string json_text(const JsonValue& value) {
  std::string out;
  write(out, value, -1);
  return out;
}

std::string json_text_pretty(const JsonValue& value) {
  std::string out;
  write(out, value, 0);
  return out;
}

std::optional<int64_t> json_int(const JsonObject& object, std::string_view key) {
  const JsonValue* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

std::optional<bool> json_bool(const JsonObject& object, std::string_view key) {
  const JsonValue* value = object.if_contains(key);
  if (value == nullptr || !value->is_bool()) return std::nullopt;
  return value->get_bool();
}

std::optional<double> json_double(const JsonObject& object, std::string_view key) {
  const JsonValue* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}

std::optional<std::string> json_string(const JsonObject& object, std::string_view key) {
  const JsonValue* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

const JsonObject* json_object(const JsonObject& object, std::string_view key) {
  const JsonValue* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

const JsonArray* json_array(const JsonObject& object, std::string_view key) {
  const JsonValue* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_array();
}

}  // namespace weir::base
