// Texts of types and times from anywhere: DDL, schema JSON, dates, timestamps and their patterns.
// What is read is written and read again the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "columnar/data_type.h"
#include "columnar/datetime_pattern.h"
#include "columnar/datetime_text.h"

namespace {

using namespace weir;

void check(bool condition) {
  if (!condition) std::abort();
}

void check_type(const columnar::DataType& type) {
  const auto again = columnar::parse_type_json(type.to_json());
  check(again.ok() && *again == type);
  (void)type.simple_string();
  (void)type.sql();
}

// "PATTERN\nTEXT": what a pattern formats, it also reads, or refuses.
void check_pattern(std::string_view text) {
  const size_t end = text.find('\n');
  const std::string_view value = end == text.npos ? text : text.substr(end + 1);
  const auto pattern =
      columnar::DatetimePattern::compile(text.substr(0, end), text.size() % 2 == 0);
  if (!pattern.ok()) return;
  const auto micros = pattern->parse_timestamp(value, 3600);
  (void)pattern->parse_timestamp_ntz(value);
  (void)pattern->parse_date(value);
  if (const auto shown = pattern->format(micros.value_or(INT64_MIN + 1), -7200))
    (void)pattern->parse_timestamp(*shown, -7200);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      if (const auto schema = columnar::parse_ddl_schema(text); schema.ok()) {
        check_type(*schema);
        const auto again = columnar::parse_ddl_schema(columnar::schema_to_ddl(*schema));
        check(again.ok() && again->same_type(*schema));
      }
      if (const auto type = columnar::parse_ddl_type(text); type.ok()) check_type(*type);
      break;
    case 1:
      if (const auto type = columnar::parse_type_json_text(text); type.ok()) check_type(*type);
      break;
    case 2:
      check_pattern(text);
      break;
    default:
      (void)columnar::parse_timestamp(text, -3600);
      (void)columnar::parse_timestamp_ntz(text, true);
      (void)columnar::parse_date(text);
      (void)columnar::zone_offset_seconds(text);
      break;
  }
  return 0;
}
