#include "codec/text_value.h"

#include <charconv>

#include "columnar/datetime_pattern.h"
#include "columnar/datetime_text.h"

namespace weir::codec {

namespace {

using base::error;
using base::ErrorKind;

Result<std::shared_ptr<const columnar::DatetimePattern>> compile(const std::string& pattern,
                                                                 std::string_view option) {
  if (pattern.empty()) return std::shared_ptr<const columnar::DatetimePattern>();
  auto compiled = columnar::DatetimePattern::compile(pattern, true);
  if (!compiled.ok())
    return std::move(compiled).error().with_context(fmt::format("option {}", option));
  return std::make_shared<const columnar::DatetimePattern>(std::move(compiled).value());
}

// Spark 2's way with "2000-01-01T00:00GMT+01:00": the letters GMT are taken out.
std::string without_gmt(std::string_view text) {
  std::string clean(columnar::trim_all(text));
  const size_t at = clean.find("GMT");
  if (at != std::string::npos) clean.erase(at, 3);
  return clean;
}

}  // namespace

Result<DatetimeFormats> DatetimeFormats::create(const std::string& timestamp,
                                                const std::string& timestamp_ntz,
                                                const std::string& date,
                                                const std::string& time_zone) {
  DatetimeFormats formats;
  WEIR_ASSIGN(formats.timestamp_, compile(timestamp, "timestampFormat"));
  WEIR_ASSIGN(formats.timestamp_ntz_, compile(timestamp_ntz, "timestampNTZFormat"));
  WEIR_ASSIGN(formats.date_, compile(date, "dateFormat"));
  auto zone = columnar::Zone::find(time_zone);
  if (!zone.ok()) return std::move(zone).error().with_context("option timeZone");
  formats.zone_ = *zone;
  return formats;
}

std::optional<int64_t> DatetimeFormats::timestamp(std::string_view text) const {
  if (timestamp_) return timestamp_->parse_timestamp(text, zone_);
  if (auto micros = columnar::parse_timestamp(text, zone_)) return micros;
  return columnar::parse_timestamp(without_gmt(text), zone_);
}

std::optional<int64_t> DatetimeFormats::timestamp_ntz(std::string_view text) const {
  if (timestamp_ntz_) return timestamp_ntz_->parse_timestamp_ntz(text);
  return columnar::parse_timestamp_ntz(text, false);
}

std::optional<int32_t> DatetimeFormats::date(std::string_view text, bool day_numbers) const {
  if (date_) return date_->parse_date(text);
  if (auto days = columnar::parse_date(text)) return days;
  if (auto days = columnar::parse_date(without_gmt(text))) return days;
  if (!day_numbers) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  int32_t days = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), days);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return days;
}

bool parse_timestamp_machine(const uint8_t* text, int64_t length, int64_t* micros) {
  if (length < 20 || length > 27 || text[length - 1] != 'Z') return false;
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
    return false;
  unsigned bad = 0;
  const auto digit = [&](int at) {
    const unsigned value = static_cast<unsigned>(text[at]) - '0';
    bad |= value > 9;
    return value;
  };
  const auto two = [&](int at) { return static_cast<int>(digit(at) * 10 + digit(at + 1)); };
  const int year = two(0) * 100 + two(2);
  const int hour = two(11);
  const int minute = two(14);
  const int second = two(17);
  int64_t fraction = 0;
  if (length > 20) {
    static constexpr int64_t kScale[] = {0, 100000, 10000, 1000, 100, 10, 1};
    const int digits = static_cast<int>(length) - 21;
    if (text[19] != '.' || digits < 1) return false;
    for (int i = 0; i < digits; ++i)
      fraction = fraction * 10 + digit(20 + i);
    fraction *= kScale[digits];
  }
  if (bad || hour > 23 || minute > 59 || second > 59) return false;
  const auto days = columnar::days_of(year, two(5), two(8));
  if (bad || !days) return false;
  *micros = *days * columnar::kMicrosPerDay +
            ((hour * 60 + minute) * 60 + second) * columnar::kMicrosPerSecond + fraction;
  return true;
}

std::optional<__int128> parse_decimal(std::string_view text, int precision, int scale) {
  bool negative = false;
  size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) negative = text[at++] == '-';
  // Digits with the point taken out; `point` digits of them stand before it.
  std::string digits;
  int64_t point = -1;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      if (point >= 0) return std::nullopt;
      point = static_cast<int64_t>(digits.size());
    } else if (text[at] >= '0' && text[at] <= '9') {
      digits += text[at];
    } else {
      return std::nullopt;
    }
  }
  if (digits.empty()) return std::nullopt;
  if (point < 0) point = static_cast<int64_t>(digits.size());
  if (at < text.size()) {
    ++at;
    if (at < text.size() && text[at] == '+' && at + 1 < text.size() && text[at + 1] != '-') ++at;
    int32_t exponent = 0;
    const auto [end, code] = std::from_chars(text.data() + at, text.data() + text.size(), exponent);
    if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    point += exponent;
  }
  size_t zeros = 0;
  while (zeros < digits.size() && digits[zeros] == '0')
    ++zeros;
  digits.erase(0, zeros);
  point -= static_cast<int64_t>(zeros);
  if (digits.empty()) return 0;
  // Keep point + scale digits, and round half up (away from zero) by the next one.
  const int64_t keep = point + scale;
  if (keep > precision) return std::nullopt;
  __int128 value = 0;
  for (int64_t i = 0; i < keep; ++i)
    value = value * 10 +
            (i < static_cast<int64_t>(digits.size()) ? digits[static_cast<size_t>(i)] - '0' : 0);
  if (keep >= 0 && keep < static_cast<int64_t>(digits.size()) &&
      digits[static_cast<size_t>(keep)] >= '5')
    ++value;
  __int128 limit = 1;
  for (int i = 0; i < precision; ++i)
    limit *= 10;
  if (value >= limit) return std::nullopt;
  return negative ? -value : value;
}

std::optional<std::string> parse_base64(std::string_view text) {
  const auto value_of = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  std::string bytes;
  size_t at = 0;
  while (true) {
    while (at < text.size() && static_cast<unsigned char>(text[at]) <= ' ')
      ++at;
    if (at == text.size()) return bytes;
    uint32_t bits = 0;
    int count = 0;
    while (count < 4 && at < text.size() && value_of(text[at]) >= 0) {
      bits = bits << 6 | static_cast<uint32_t>(value_of(text[at++]));
      ++count;
    }
    if (count < 2) return std::nullopt;
    const int padding = 4 - count;
    for (int i = 0; i < padding; ++i) {
      if (at >= text.size() || text[at++] != '=') return std::nullopt;
    }
    bits <<= 6 * padding;
    for (int i = 0; i < 3 - padding; ++i)
      bytes += static_cast<char>(bits >> (16 - 8 * i));
  }
}

}  // namespace weir::codec
