// JSON values outside the hot path: table log actions, checkpoints of queries, progress, command
// output. (Payloads are decoded by simdjson in the room codec.) Objects keep the order of
// insertion.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"

namespace weir::base {

using JsonValue = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// Parses one JSON text; kCorruption with `what` and the byte position where it is not one.
Result<JsonValue> parse_json(std::string_view text, std::string_view what);
// As parse_json, and the value has to be an object.
Result<JsonObject> parse_json_object(std::string_view text, std::string_view what);

// Compact text. Doubles in the shortest form that reads back equal ("0.1", "60000.0", "1.0E20").
std::string json_text(const JsonValue& value);
// Two spaces of indentation, for people.
std::string json_text_pretty(const JsonValue& value);

// Members of an object; nullopt where absent, null or of another type.
std::optional<int64_t> json_int(const JsonObject& object, std::string_view key);
std::optional<bool> json_bool(const JsonObject& object, std::string_view key);
std::optional<double> json_double(const JsonObject& object, std::string_view key);
std::optional<std::string> json_string(const JsonObject& object, std::string_view key);
const JsonObject* json_object(const JsonObject& object, std::string_view key);
const JsonArray* json_array(const JsonObject& object, std::string_view key);

}  // namespace weir::base
