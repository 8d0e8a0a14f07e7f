// Option values as Spark's users write them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::source {

using base::Result;

// "10s", "5 minutes", "100ms", "1h", "7d", "2 weeks" → microseconds; a bare number is in
// milliseconds.
Result<int64_t> parse_duration_us(std::string_view text, std::string_view option);
// "10mb", "64k", "1g", plain bytes → bytes.
Result<int64_t> parse_byte_size(std::string_view text, std::string_view option);

// What becomes of options that nobody knows: weir's own commands refuse them by name, sessions
// ignore them with a warning, as Spark does.
enum class UnknownOptions { kRefuse, kIgnore };

// Options whose names are looked up in any case, as in Spark. Every one has to be taken by
// somebody: what is left at the end is unknown.
class Options {
 public:
  Options() = default;
  explicit Options(const std::map<std::string, std::string>& values,
                   UnknownOptions unknown = UnknownOptions::kRefuse);

  std::optional<std::string> take(std::string_view name);
  Result<std::optional<int64_t>> take_integer(std::string_view name, int64_t min);
  Result<std::optional<bool>> take_boolean(std::string_view name);
  Result<std::optional<int64_t>> take_duration_us(std::string_view name);
  Result<std::optional<int64_t>> take_byte_size(std::string_view name);
  // Takes all that begin with `prefix`; the keys without it, their case kept.
  std::map<std::string, std::string> take_prefixed(std::string_view prefix);
  // kUnsupported with `reason` where the option is given.
  Result<void> refuse(std::string_view name, std::string_view reason);
  // kInvalidArgument naming the first option that nobody took; a warning where they are ignored.
  Result<void> require_all_taken(std::string_view what) const;
  // What is left, names as they were written.
  std::map<std::string, std::string> rest() const;

 private:
  struct Value {
    std::string name;  // as written
    std::string text;
  };
  std::map<std::string, Value> values_;  // by lower-case name
  UnknownOptions unknown_ = UnknownOptions::kRefuse;
};

}  // namespace weir::source
