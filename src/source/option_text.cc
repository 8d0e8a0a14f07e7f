#include "source/option_text.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/logging.h"
#include "base/parse_integer.h"
#include "base/text.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

struct NumberAndUnit {
  int64_t number = 0;
  std::string unit;  // lower case, no spaces
};

std::optional<NumberAndUnit> split(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  NumberAndUnit out;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out.number);
  if (code != std::errc() || out.number < 0) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ')
    unit.remove_prefix(1);
  out.unit = base::lower_case(unit);
  return out;
}

bool multiply(int64_t number, int64_t by, int64_t& out) {
  return !__builtin_mul_overflow(number, by, &out);
}

}  // namespace

Result<int64_t> parse_duration_us(std::string_view text, std::string_view option) {
  static const std::map<std::string, int64_t, std::less<>> kUnits = {{"", 1000},
                                                                     {"us", 1},
                                                                     {"microsecond", 1},
                                                                     {"microseconds", 1},
                                                                     {"ms", 1000},
                                                                     {"millisecond", 1000},
                                                                     {"milliseconds", 1000},
                                                                     {"s", 1'000'000},
                                                                     {"sec", 1'000'000},
                                                                     {"second", 1'000'000},
                                                                     {"seconds", 1'000'000},
                                                                     {"m", 60'000'000},
                                                                     {"min", 60'000'000},
                                                                     {"minute", 60'000'000},
                                                                     {"minutes", 60'000'000},
                                                                     {"h", 3'600'000'000},
                                                                     {"hour", 3'600'000'000},
                                                                     {"hours", 3'600'000'000},
                                                                     {"d", 86'400'000'000},
                                                                     {"day", 86'400'000'000},
                                                                     {"days", 86'400'000'000},
                                                                     {"week", 604'800'000'000},
                                                                     {"weeks", 604'800'000'000}};
  const auto parts = split(text);
  int64_t result = 0;
  if (!parts || !kUnits.contains(parts->unit) ||
      !multiply(parts->number, kUnits.find(parts->unit)->second, result))
    return error(ErrorKind::kInvalidArgument,
                 "{}: '{}' is not a duration such as 500ms, 10s, 5 minutes, 1h or 7d", option,
                 text);
  return result;
}

Result<int64_t> parse_byte_size(std::string_view text, std::string_view option) {
  static const std::map<std::string, int64_t, std::less<>> kUnits = {
      {"", 1},           {"b", 1},         {"k", 1LL << 10},  {"kb", 1LL << 10}, {"m", 1LL << 20},
      {"mb", 1LL << 20}, {"g", 1LL << 30}, {"gb", 1LL << 30}, {"t", 1LL << 40},  {"tb", 1LL << 40}};
  const auto parts = split(text);
  int64_t result = 0;
  if (!parts || !kUnits.contains(parts->unit) ||
      !multiply(parts->number, kUnits.find(parts->unit)->second, result))
    return error(ErrorKind::kInvalidArgument,
                 "{}: '{}' is not a size such as 1000, 64k, 10mb or 1g", option, text);
  return result;
}

Options::Options(const std::map<std::string, std::string>& values, UnknownOptions unknown)
    : unknown_(unknown) {
  for (const auto& [name, text] : values)
    values_[base::lower_case(name)] = {name, text};
}

std::optional<std::string> Options::take(std::string_view name) {
  const auto found = values_.find(base::lower_case(name));
  if (found == values_.end()) return std::nullopt;
  std::string text = std::move(found->second.text);
  values_.erase(found);
  return text;
}

Result<std::optional<int64_t>> Options::take_integer(std::string_view name, int64_t min) {
  const auto text = take(name);
  if (!text) return std::optional<int64_t>();
  const auto value = base::parse_integer(*text);
  if (!value || *value < min)
    return error(ErrorKind::kInvalidArgument, "option {}: '{}' is not an integer of at least {}",
                 name, *text, min);
  return value;
}

Result<std::optional<bool>> Options::take_boolean(std::string_view name) {
  const auto text = take(name);
  if (!text) return std::optional<bool>();
  const std::string value = base::lower_case(*text);
  if (value != "true" && value != "false")
    return error(ErrorKind::kInvalidArgument, "option {}: '{}' is neither true nor false", name,
                 *text);
  return std::optional<bool>(value == "true");
}

Result<std::optional<int64_t>> Options::take_duration_us(std::string_view name) {
  const auto text = take(name);
  if (!text) return std::optional<int64_t>();
  WEIR_ASSIGN(const int64_t us, parse_duration_us(*text, fmt::format("option {}", name)));
  return std::optional<int64_t>(us);
}

Result<std::optional<int64_t>> Options::take_byte_size(std::string_view name) {
  const auto text = take(name);
  if (!text) return std::optional<int64_t>();
  WEIR_ASSIGN(const int64_t bytes, parse_byte_size(*text, fmt::format("option {}", name)));
  return std::optional<int64_t>(bytes);
}

std::map<std::string, std::string> Options::take_prefixed(std::string_view prefix) {
  std::map<std::string, std::string> taken;
  const std::string wanted = base::lower_case(prefix);
  for (auto entry = values_.begin(); entry != values_.end();) {
    if (!entry->first.starts_with(wanted)) {
      ++entry;
      continue;
    }
    taken[entry->second.name.substr(prefix.size())] = std::move(entry->second.text);
    entry = values_.erase(entry);
  }
  return taken;
}

Result<void> Options::refuse(std::string_view name, std::string_view reason) {
  if (!take(name)) return {};
  return error(ErrorKind::kUnsupported, "option {}: {}", name, reason);
}

Result<void> Options::require_all_taken(std::string_view what) const {
  if (values_.empty()) return {};
  if (unknown_ == UnknownOptions::kIgnore) {
    for (const auto& [key, value] : values_)
      base::log_warn("{} has no option '{}': it is ignored", what, value.name);
    return {};
  }
  return error(ErrorKind::kInvalidArgument, "{} has no option '{}'", what,
               values_.begin()->second.name);
}

std::map<std::string, std::string> Options::rest() const {
  std::map<std::string, std::string> left;
  for (const auto& [key, value] : values_)
    left[value.name] = value.text;
  return left;
}

}  // namespace weir::source
