#include "columnar/datetime_text.h"

#include <array>
#include <limits>

namespace weir::columnar {

namespace {

// What a timestamp's text says: year, month, day, hour, minute, second, microsecond, and the zone's
// text.
struct Parts {
  std::array<int64_t, 7> segments = {1, 1, 1, 0, 0, 0, 0};
  std::optional<std::string_view> zone;
  bool only_time = false;
};

// How many digits Spark takes for a segment: years have 4 to 6, fractions any number, the others
// one or two.
bool digits_fit(size_t segment, int digits) {
  if (segment == 6) return true;
  if (segment == 0) return digits >= 4 && digits <= 6;
  return digits > 0 && digits <= 2;
}

std::optional<Parts> split_timestamp(std::string_view text) {
  text = trim_all(text);
  if (text.empty()) return std::nullopt;
  Parts parts;
  int64_t sign = 1;
  bool signed_year = false;
  size_t at = 0;
  if (text[0] == '-' || text[0] == '+') {
    sign = text[0] == '-' ? -1 : 1;
    signed_year = true;
    at = 1;
  }
  size_t segment = 0;
  int64_t value = 0;
  int digits = 0;
  int fraction_digits = 0;
  const auto close_segment = [&]() {
    if (!digits_fit(segment, digits)) return false;
    if (segment == 6) fraction_digits = digits;
    parts.segments[segment] = value;
    value = 0;
    digits = 0;
    ++segment;
    return true;
  };
  const size_t start = at;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c >= '0' && c <= '9') {
      if (segment != 6 || digits < 6) value = value * 10 + (c - '0');
      if (segment != 6 && digits >= 6) return std::nullopt;
      ++digits;
      continue;
    }
    if (at == start && at == 0 && c == 'T') {
      parts.only_time = true;
      segment = 3;
    } else if (segment < 2) {
      if (c == '-') {
        if (!close_segment()) return std::nullopt;
      } else if (segment == 0 && c == ':' && !signed_year) {
        parts.only_time = true;
        segment = 3;
        if (!close_segment()) return std::nullopt;
      } else {
        return std::nullopt;
      }
    } else if (segment == 2) {
      if ((c != ' ' && c != 'T') || !close_segment()) return std::nullopt;
    } else if (segment == 3 || segment == 4) {
      if (c != ':' || !close_segment()) return std::nullopt;
    } else if (segment == 5 && c == '.') {
      if (!close_segment()) return std::nullopt;
    } else {
      if (!close_segment()) return std::nullopt;
      parts.zone = text.substr(at);
      break;
    }
  }
  if (!parts.zone && !close_segment()) return std::nullopt;
  for (int i = fraction_digits; i < 6; ++i)
    parts.segments[6] *= 10;
  parts.segments[0] *= sign;
  return parts;
}

// Microseconds of the local date and time; nullopt where there is no such time.
std::optional<int64_t> local_micros(const Parts& parts) {
  const auto& s = parts.segments;
  const auto days = days_of(s[0], static_cast<int>(s[1]), static_cast<int>(s[2]));
  if (!days || s[3] > 23 || s[4] > 59 || s[5] > 59) return std::nullopt;
  const int64_t in_day = ((s[3] * 60 + s[4]) * 60 + s[5]) * kMicrosPerSecond + s[6];
  int64_t micros;
  if (__builtin_mul_overflow(*days, kMicrosPerDay, &micros) ||
      __builtin_add_overflow(micros, in_day, &micros))
    return std::nullopt;
  return micros;
}

// One or two digits; nullopt for anything else.
std::optional<int64_t> small_number(std::string_view text) {
  if (text.empty() || text.size() > 2) return std::nullopt;
  int64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::string_view trim_all(std::string_view text) {
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

std::optional<int64_t> days_of(int64_t year, int month, int day) {
  static constexpr int kLengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return std::nullopt;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day > kLengths[month - 1] + (month == 2 && leap ? 1 : 0)) return std::nullopt;
  // Days from civil: years begin in March, eras have 400 years.
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719'468;
}

std::optional<int64_t> zone_offset_seconds(std::string_view zone) {
  zone = trim_all(zone);
  if (zone == "Z" || zone == "UTC" || zone == "GMT" || zone == "UT") return 0;
  for (std::string_view prefix : {"UTC", "GMT", "UT"}) {
    if (zone.starts_with(prefix) && zone.size() > prefix.size() &&
        (zone[prefix.size()] == '+' || zone[prefix.size()] == '-')) {
      zone.remove_prefix(prefix.size());
      break;
    }
  }
  if (zone == "EST") return -5 * 3600;
  if (zone == "MST") return -7 * 3600;
  if (zone == "HST") return -10 * 3600;
  if (zone.size() < 2 || (zone[0] != '+' && zone[0] != '-')) return std::nullopt;
  const int64_t sign = zone[0] == '-' ? -1 : 1;
  zone.remove_prefix(1);
  int64_t parts[3] = {0, 0, 0};
  int count = 0;
  if (zone.find(':') != std::string_view::npos) {
    while (true) {
      const size_t colon = zone.find(':');
      const auto number = small_number(zone.substr(0, colon));
      // Seconds need two digits; hours and minutes may have one (Spark pads them).
      if (!number || count == 3 ||
          (count == 2 && colon == std::string_view::npos && zone.size() != 2))
        return std::nullopt;
      parts[count++] = *number;
      if (colon == std::string_view::npos) break;
      zone.remove_prefix(colon + 1);
    }
  } else {
    if (zone.size() > 2 && zone.size() % 2 != 0) return std::nullopt;
    if (zone.size() > 6) return std::nullopt;
    for (size_t at = 0; at < zone.size(); at += 2) {
      const auto number = small_number(zone.substr(at, 2));
      if (!number) return std::nullopt;
      parts[count++] = *number;
    }
  }
  if (parts[0] > 18 || parts[1] > 59 || parts[2] > 59) return std::nullopt;
  const int64_t seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
  if (seconds > 18 * 3600) return std::nullopt;
  return sign * seconds;
}

std::optional<int64_t> parse_timestamp(std::string_view text, Zone default_zone) {
  const auto parts = split_timestamp(text);
  if (!parts || parts->only_time) return std::nullopt;
  const auto local = local_micros(*parts);
  if (!local) return std::nullopt;
  if (parts->zone) {
    auto named = Zone::find(*parts->zone);
    if (!named.ok()) return std::nullopt;
    default_zone = *named;
  }
  return default_zone.to_utc_checked(*local);
}

std::optional<int64_t> parse_timestamp_ntz(std::string_view text, bool allow_zone) {
  const auto parts = split_timestamp(text);
  if (!parts || parts->only_time) return std::nullopt;
  if (parts->zone && (!allow_zone || !Zone::find(*parts->zone).ok())) return std::nullopt;
  return local_micros(*parts);
}

std::optional<int32_t> parse_date(std::string_view text) {
  text = trim_all(text);
  if (text.empty()) return std::nullopt;
  int64_t sign = 1;
  if (text[0] == '-' || text[0] == '+') {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  int64_t segments[3] = {1, 1, 1};
  size_t segment = 0;
  int64_t value = 0;
  int digits = 0;
  size_t at = 0;
  const auto fits = [&] {
    return segment == 0 ? digits >= 4 && digits <= 7 : digits > 0 && digits <= 2;
  };
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (segment == 2 && (c == ' ' || c == 'T')) break;
    if (c >= '0' && c <= '9') {
      if (++digits > 7) return std::nullopt;
      value = value * 10 + (c - '0');
    } else if (c == '-' && segment < 2) {
      if (!fits()) return std::nullopt;
      segments[segment++] = value;
      value = 0;
      digits = 0;
    } else {
      return std::nullopt;
    }
  }
  if (!fits()) return std::nullopt;
  segments[segment] = value;
  const auto days =
      days_of(sign * segments[0], static_cast<int>(segments[1]), static_cast<int>(segments[2]));
  if (!days || *days > std::numeric_limits<int32_t>::max() ||
      *days < std::numeric_limits<int32_t>::min())
    return std::nullopt;
  return static_cast<int32_t>(*days);
}

}  // namespace weir::columnar
