#include "eval/cast_intervals.h"

#include <limits>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>

#include "eval/cast.h"

namespace weir::eval {

using plan::Int128;

namespace {

constexpr int64_t kUnitMicros[] = {86'400'000'000, 3'600'000'000, 60'000'000, 1'000'000};

// One of the last unit, in the type's count.
int64_t last_unit_of(const DataType& type) {
  if (type.is(TypeKind::kYearMonthInterval)) return type.last_unit() == 0 ? 12 : 1;
  return kUnitMicros[type.last_unit()];
}

std::optional<int64_t> checked(Int128 value, const DataType& type) {
  const bool months = type.is(TypeKind::kYearMonthInterval);
  const Int128 least =
      months ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int64_t>::min();
  const Int128 most =
      months ? std::numeric_limits<int32_t>::max() : std::numeric_limits<int64_t>::max();
  if (value < least || value > most) return std::nullopt;
  return static_cast<int64_t>(value);
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
}

bool take_sign(std::string_view& text, bool& negative) {
  if (text.empty() || (text[0] != '-' && text[0] != '+')) return false;
  negative ^= text[0] == '-';
  text.remove_prefix(1);
  return true;
}

std::optional<Int128> take_digits(std::string_view& text, size_t most) {
  Int128 value = 0;
  size_t count = 0;
  for (; count < text.size() && text[count] >= '0' && text[count] <= '9'; ++count) {
    if (count == most) return std::nullopt;
    value = value * 10 + (text[count] - '0');
  }
  if (count == 0) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Int128> months_of(std::string_view text, const DataType& to) {
  const auto first = take_digits(text, 10);
  if (!first) return std::nullopt;
  if (to.first_unit() == to.last_unit()) {
    if (!text.empty()) return std::nullopt;
    return *first * (to.first_unit() == 0 ? 12 : 1);
  }
  if (!take(text, '-')) return std::nullopt;
  const auto months = take_digits(text, 2);
  if (!months || *months > 11 || !text.empty()) return std::nullopt;
  return *first * 12 + *months;
}

std::optional<Int128> micros_of_text(std::string_view text, const DataType& to) {
  Int128 total = 0;
  for (int unit = to.first_unit(); unit <= to.last_unit(); ++unit) {
    const bool first = unit == to.first_unit();
    if (!first && !take(text, unit == 1 ? ' ' : ':')) return std::nullopt;
    const auto value = take_digits(text, first ? 19 : 2);
    if (!value || (!first && *value > (unit == 1 ? 23 : 59))) return std::nullopt;
    total += *value * kUnitMicros[unit];
  }
  if (to.last_unit() == 3 && take(text, '.')) {
    if (text.empty() || text.size() > 9) return std::nullopt;
    int64_t part = 1'000'000;
    while (!text.empty()) {
      if (text[0] < '0' || text[0] > '9') return std::nullopt;
      part /= 10;
      total += (text[0] - '0') * part;
      text.remove_prefix(1);
    }
  }
  if (!text.empty()) return std::nullopt;
  return total;
}

}  // namespace

int64_t cut_interval(int64_t value, const DataType& to) {
  const bool seconds = to.is(TypeKind::kDayTimeInterval) && to.last_unit() == 3;
  return seconds ? value : value - value % last_unit_of(to);
}

std::optional<int64_t> interval_of_number(Int128 number, int scale, const DataType& to) {
  const bool seconds = to.is(TypeKind::kDayTimeInterval) && to.last_unit() == 3;
  const int digits = seconds ? 6 : 0;
  Int128 whole = number;
  if (!rescale_decimal(number, scale, 38, digits, whole)) return std::nullopt;
  if (seconds) return checked(whole, to);
  const Int128 limit = std::numeric_limits<int64_t>::max();
  if (whole > limit || whole < -limit) return std::nullopt;
  return checked(whole * last_unit_of(to), to);
}

int64_t interval_to_number(int64_t value, const DataType& from) {
  return value / last_unit_of(from);
}

std::optional<int64_t> parse_interval(std::string_view text, const DataType& to) {
  bool negative = false;
  skip_blanks(text);
  std::string word(text.substr(0, 8));
  boost::to_upper(word);
  if (word == "INTERVAL") {
    text.remove_prefix(8);
    skip_blanks(text);
    take_sign(text, negative);
    if (!take(text, '\'')) return std::nullopt;
    const auto end = text.find('\'');
    if (end == std::string_view::npos) return std::nullopt;
    std::string units(text.substr(end + 1));
    boost::trim(units);
    boost::to_upper(units);
    if ("INTERVAL " + units != to.sql()) return std::nullopt;
    text = text.substr(0, end);
    skip_blanks(text);
  }
  take_sign(text, negative);
  const bool months = to.is(TypeKind::kYearMonthInterval);
  const auto value = months ? months_of(text, to) : micros_of_text(text, to);
  if (!value) return std::nullopt;
  return checked(negative ? -*value : *value, to);
}

}  // namespace weir::eval
