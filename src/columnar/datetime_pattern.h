// Java's DateTimeFormatter patterns as far as Spark allows them (see Spark's "Datetime Patterns").
//
// Letters: y u (year), M L (month, number or name), d, D (day of year), E (name of the weekday), a,
// h K k H, m, s, S (fraction; reading takes 1 to so many digits), V z (zone id or name), O (GMT+8),
// X x Z (offsets), quotes '…' and '', optional sections […]. Others are kUnsupported by name, as
// are those that Spark refuses (Y, w, W, e, c, …). Parsing is strict in the number of digits as
// Java's is ("dd" takes two); names are English, in any case. A pattern is immutable: any thread
// may use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/zone.h"

namespace weir::columnar {

class DatetimePattern {
 public:
  // for_parsing: what Spark only formats (E) is refused too.
  static base::Result<DatetimePattern> compile(std::string_view pattern, bool for_parsing = false);

  // Microseconds since the epoch; a text without a zone is taken in default_zone. Missing fields
  // are those of 1970-01-01T00:00:00. nullopt where the text does not match or names no time.
  std::optional<int64_t> parse_timestamp(std::string_view text, Zone default_zone) const;
  std::optional<int64_t> parse_timestamp(std::string_view text,
                                         int64_t default_offset_seconds) const {
    return parse_timestamp(text, Zone::fixed(default_offset_seconds));
  }
  // As a local time; a zone in the text is refused.
  std::optional<int64_t> parse_timestamp_ntz(std::string_view text) const;
  std::optional<int32_t> parse_date(std::string_view text) const;

  // The text of an instant shown at an offset; nullopt where the year does not fit the pattern.
  std::optional<std::string> format(int64_t micros, int64_t offset_seconds) const;

 private:
  struct Part {
    char letter = 0;  // 0: literal text; '[' and ']': optional section
    int count = 0;
    std::string text;       // literal
    bool adjacent = false;  // a number right before another number: takes exactly `count` digits
    size_t close = 0;       // of '[': index of its ']'
  };
  struct Fields;
  bool match(size_t from, size_t to, std::string_view text, size_t& at, Fields& fields) const;
  std::optional<Fields> parse(std::string_view text) const;

  std::vector<Part> parts_;
};

}  // namespace weir::columnar
