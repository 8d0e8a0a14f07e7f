#include "plan/temporal_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>
#include <vector>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>
#include <boost/algorithm/string/trim.hpp>

#include "plan/calendar.h"

namespace weir::plan {

namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads digits at `at`; false where there are fewer than `min` or more than `max`.
bool read_digits(std::string_view text, size_t& at, size_t min, size_t max, int64_t& value) {
  const size_t begin = at;
  value = 0;
  while (at < text.size() && is_digit(text[at])) {
    if (at - begin >= max) return false;
    value = value * 10 + (text[at] - '0');
    ++at;
  }
  return at - begin >= min;
}

// year[-month[-day]]; leaves `at` behind what was read.
bool read_date(std::string_view text, size_t& at, int64_t& days, int& segments) {
  bool negative = false;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) negative = text[at++] == '-';
  int64_t year = 0, month = 1, day = 1;
  segments = 1;
  if (!read_digits(text, at, 4, 6, year)) return false;
  if (at < text.size() && text[at] == '-') {
    ++at;
    segments = 2;
    if (!read_digits(text, at, 1, 2, month)) return false;
    if (at < text.size() && text[at] == '-') {
      ++at;
      segments = 3;
      if (!read_digits(text, at, 1, 2, day)) return false;
    }
  }
  if (negative) year = -year;
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, static_cast<int>(month)))
    return false;
  days = days_from_civil(year, static_cast<int>(month), static_cast<int>(day));
  return true;
}

// hour[:minute[:second[.fraction]]]
bool read_time(std::string_view text, size_t& at, int64_t& us) {
  int64_t hour = 0, minute = 0, second = 0, fraction = 0;
  if (!read_digits(text, at, 1, 2, hour)) return false;
  if (at < text.size() && text[at] == ':') {
    ++at;
    if (!read_digits(text, at, 1, 2, minute)) return false;
    if (at < text.size() && text[at] == ':') {
      ++at;
      if (!read_digits(text, at, 1, 2, second)) return false;
      if (at < text.size() && text[at] == '.') {
        ++at;
        int64_t unit = 100'000;
        while (at < text.size() && is_digit(text[at])) {  // digits past the sixth are dropped
          fraction += unit * (text[at++] - '0');
          unit /= 10;
        }
      }
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  us = ((hour * 60 + minute) * 60 + second) * kMicrosPerSecond + fraction;
  return true;
}

bool looks_like_zone(std::string_view zone) {
  if (zone.empty()) return false;
  for (const char c : zone) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '/' && c != '_' && c != '-' &&
        c != '+' && c != ':')
      return false;
  }
  return true;
}

}  // namespace

std::optional<ParsedTimestamp> parse_timestamp(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  ParsedTimestamp result;
  size_t at = 0;
  int64_t days = 0, us = 0;
  int segments = 0;
  if (text[0] == 'T') {
    ++at;
    result.has_date = false;
    if (!read_time(text, at, us)) return std::nullopt;
  } else if (text.size() > 1 && (text[1] == ':' || (text.size() > 2 && text[2] == ':'))) {
    result.has_date = false;
    if (!read_time(text, at, us)) return std::nullopt;
  } else {
    if (!read_date(text, at, days, segments)) return std::nullopt;
    if (at < text.size()) {
      if (segments != 3 || (text[at] != ' ' && text[at] != 'T')) return std::nullopt;
      ++at;
      if (!read_time(text, at, us)) return std::nullopt;
    }
  }
  if (!micros_of(days, us, result.local_us)) return std::nullopt;
  auto zone = trimmed(text.substr(at));
  if (!zone.empty() && !looks_like_zone(zone)) return std::nullopt;
  result.zone = std::string(zone);
  return result;
}

std::optional<ParsedDuration> parse_duration(std::string_view text) {
  auto lower = boost::to_lower_copy(boost::trim_copy(std::string(text)));
  if (lower.starts_with("interval ")) lower = boost::trim_copy(lower.substr(9));
  std::vector<std::string> words;
  boost::split(words, lower, boost::is_space(), boost::token_compress_on);
  if (words.size() < 2 || words.size() % 2 != 0) return std::nullopt;
  ParsedDuration made;
  for (size_t i = 0; i < words.size(); i += 2) {
    double count = 0;
    const auto& number = words[i];
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), count);
    if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size())
      return std::nullopt;
    auto unit = words[i + 1];
    if (unit.ends_with("s") && unit.size() > 1) unit.pop_back();
    static const std::pair<std::string_view, int64_t> kUnits[] = {{"microsecond", 1},
                                                                  {"millisecond", 1000},
                                                                  {"second", kMicrosPerSecond},
                                                                  {"minute", 60 * kMicrosPerSecond},
                                                                  {"hour", 3600 * kMicrosPerSecond},
                                                                  {"day", kMicrosPerDay},
                                                                  {"week", 7 * kMicrosPerDay}};
    if (unit == "month" || unit == "year") {
      made.months += static_cast<int64_t>(count) * (unit == "year" ? 12 : 1);
      continue;
    }
    const auto* known = std::find_if(std::begin(kUnits), std::end(kUnits),
                                     [&](const auto& one) { return one.first == unit; });
    if (known == std::end(kUnits)) return std::nullopt;
    made.us += static_cast<int64_t>(count * static_cast<double>(known->second));
  }
  return made;
}

}  // namespace weir::plan
