#include "columnar/datetime_pattern.h"

#include <array>
#include <cctype>
#include <limits>

#include "columnar/datetime_text.h"

namespace weir::columnar {

namespace {

using base::error;
using base::ErrorKind;

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Length of `name` where `text` begins with it in any case, else 0.
size_t begins_with(std::string_view text, std::string_view name) {
  if (text.size() < name.size()) return 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(text[i])) !=
        std::tolower(static_cast<unsigned char>(name[i])))
      return 0;
  }
  return name.size();
}

bool is_numeric_part(char letter, int count) {
  switch (letter) {
    case 'y':
    case 'u':
    case 'd':
    case 'D':
    case 'h':
    case 'K':
    case 'k':
    case 'H':
    case 'm':
    case 's':
      return true;
    case 'M':
    case 'L':
      return count <= 2;
    default:
      return false;
  }
}

// A number whose width is the pattern's, so that digits may follow it directly.
bool is_fixed_width(char letter, int count) {
  if (letter == 'y' || letter == 'u') return count == 2;
  if (letter == 'D') return count == 3;
  return is_numeric_part(letter, count) && count == 2;
}

int count_max(char letter) {
  switch (letter) {
    case 'y':
    case 'u':
      return 6;
    case 'M':
    case 'L':
    case 'E':
    case 'Q':
    case 'q':
    case 'z':
    case 'O':
      return 4;
    case 'd':
    case 'h':
    case 'K':
    case 'k':
    case 'H':
    case 'm':
    case 's':
    case 'V':
      return 2;
    case 'D':
      return 3;
    case 'a':
      return 1;
    case 'S':
      return 9;
    case 'X':
    case 'x':
    case 'Z':
      return 5;
    default:
      return 0;
  }
}

struct OffsetStyle {
  bool zulu;  // "Z" for zero
  bool colon;
  int least;     // 1: minutes may be missing
  bool seconds;  // may follow
};

OffsetStyle offset_style(char letter, int count) {
  if (letter == 'Z')
    return count == 5 ? OffsetStyle{true, true, 2, true} : OffsetStyle{false, false, 2, false};
  return {letter == 'X', count == 3 || count == 5, count == 1 ? 1 : 2, count >= 4};
}

// Moves `at` behind an offset of the style; nullopt where there is none.
std::optional<int64_t> match_offset(std::string_view text, size_t& at, const OffsetStyle& style) {
  if (style.zulu && at < text.size() && (text[at] == 'Z' || text[at] == 'z')) {
    ++at;
    return 0;
  }
  if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return std::nullopt;
  const int64_t sign = text[at] == '-' ? -1 : 1;
  size_t i = at + 1;
  int64_t values[3] = {0, 0, 0};
  for (int part = 0; part < (style.seconds ? 3 : 2); ++part) {
    size_t j = i;
    if (part > 0 && style.colon) {
      if (j >= text.size() || text[j] != ':') break;
      ++j;
    }
    if (j + 2 > text.size() || !is_digit(text[j]) || !is_digit(text[j + 1])) {
      if (part < style.least) return std::nullopt;
      break;
    }
    values[part] = (text[j] - '0') * 10 + (text[j + 1] - '0');
    i = j + 2;
    if (part == 0 && style.least == 2) continue;
  }
  if (style.least == 2 && i < at + (style.colon ? 6 : 5)) return std::nullopt;
  const int64_t seconds = values[0] * 3600 + values[1] * 60 + values[2];
  if (values[1] > 59 || values[2] > 59 || seconds > 18 * 3600) return std::nullopt;
  at = i;
  return sign * seconds;
}

std::string format_offset(int64_t seconds, const OffsetStyle& style) {
  if (style.zulu && seconds == 0) return "Z";
  const char sign = seconds < 0 ? '-' : '+';
  const int64_t value = seconds < 0 ? -seconds : seconds;
  const std::string_view colon = style.colon ? ":" : "";
  std::string text = fmt::format("{}{:02}", sign, value / 3600);
  if (style.least == 2 || value / 60 % 60 != 0)
    text += fmt::format("{}{:02}", colon, value / 60 % 60);
  if (style.seconds && value % 60 != 0) text += fmt::format("{}{:02}", colon, value % 60);
  return text;
}

}  // namespace

struct DatetimePattern::Fields {
  std::optional<int64_t> year, month, day, day_of_year, weekday, hour, hour12, minute, second,
      offset;
  std::optional<bool> pm;
  int64_t nanos = 0;
  bool zone = false;
  std::optional<Zone> named;
};

base::Result<DatetimePattern> DatetimePattern::compile(std::string_view pattern, bool for_parsing) {
  DatetimePattern compiled;
  std::vector<size_t> open;
  const auto literal = [&](char c) {
    if (compiled.parts_.empty() || compiled.parts_.back().letter != 0)
      compiled.parts_.emplace_back();
    compiled.parts_.back().text += c;
  };
  for (size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '\'') {
      if (pattern.substr(at, 2) == "''") {
        literal('\'');
        at += 2;
        continue;
      }
      for (++at;; ++at) {
        if (at >= pattern.size())
          return error(ErrorKind::kInvalidArgument, "datetime pattern '{}': a quote is not closed",
                       pattern);
        if (pattern[at] == '\'') {
          if (pattern.substr(at, 2) != "''") break;
          ++at;
        }
        literal(pattern[at]);
      }
      ++at;
    } else if (std::isalpha(static_cast<unsigned char>(c))) {
      size_t end = at;
      while (end < pattern.size() && pattern[end] == c)
        ++end;
      const int count = static_cast<int>(end - at);
      if (count > count_max(c) || (c == 'V' && count != 2) ||
          ((c == 'E' || c == 'Q' || c == 'q') && for_parsing)) {
        return error(ErrorKind::kUnsupported, "datetime pattern '{}': {}", pattern,
                     std::string(end - at, c));
      }
      Part part;
      part.letter = c;
      part.count = count;
      compiled.parts_.push_back(part);
      at = end;
    } else if (c == '[' || c == ']') {
      Part part;
      part.letter = c;
      if (c == '[') {
        open.push_back(compiled.parts_.size());
      } else {
        if (open.empty())
          return error(ErrorKind::kInvalidArgument, "datetime pattern '{}': ']' without '['",
                       pattern);
        compiled.parts_[open.back()].close = compiled.parts_.size();
        open.pop_back();
      }
      compiled.parts_.push_back(part);
      ++at;
    } else if (c == '{' || c == '}' || c == '#') {
      return error(ErrorKind::kInvalidArgument, "datetime pattern '{}': '{}' is reserved", pattern,
                   c);
    } else {
      literal(c);
      ++at;
    }
  }
  while (!open.empty()) {
    compiled.parts_[open.back()].close = compiled.parts_.size();
    open.pop_back();
  }
  return compiled;
}

bool DatetimePattern::match(size_t from, size_t to, std::string_view text, size_t& at,
                            Fields& fields) const {
  for (size_t i = from; i < to; ++i) {
    const Part& part = parts_[i];
    const std::string_view rest = text.substr(at);
    const auto name = [&](const auto& names, size_t length) -> std::optional<int64_t> {
      for (size_t n = 0; n < names.size(); ++n) {
        if (const size_t size = begins_with(rest, names[n].substr(0, length))) {
          at += size;
          return static_cast<int64_t>(n) + 1;
        }
      }
      return std::nullopt;
    };
    if (part.letter == 0) {
      if (!begins_with(rest, part.text)) return false;
      at += part.text.size();
    } else if (part.letter == '[') {
      Fields inner = fields;
      size_t inner_at = at;
      if (match(i + 1, part.close, text, inner_at, inner)) {
        fields = inner;
        at = inner_at;
      }
      i = part.close;
    } else if (is_numeric_part(part.letter, part.count)) {
      int64_t sign = 1;
      const bool year = part.letter == 'y' || part.letter == 'u';
      bool plus = false;
      if (year && part.count != 2 && (rest.starts_with('-') || rest.starts_with('+'))) {
        sign = rest[0] == '-' ? -1 : 1;
        plus = rest[0] == '+';
        ++at;
      }
      size_t digits = 0;
      while (at + digits < text.size() && is_digit(text[at + digits]))
        ++digits;
      size_t width = digits;
      if (is_fixed_width(part.letter, part.count)) {
        if (digits < static_cast<size_t>(part.count)) return false;
        width = static_cast<size_t>(part.count);
      } else {
        // Numbers of fixed width that follow at once keep their digits.
        size_t reserved = 0;
        for (size_t j = i + 1; j < to && is_fixed_width(parts_[j].letter, parts_[j].count); ++j)
          reserved += static_cast<size_t>(parts_[j].count);
        if (digits < reserved) return false;
        width = digits - reserved;
      }
      const size_t least = year || part.letter == 'D' ? static_cast<size_t>(part.count) : 1;
      if (width < least || width > 18) return false;
      if (year && part.count >= 4 && width > static_cast<size_t>(part.count) && !plus && sign > 0)
        return false;
      int64_t value = 0;
      for (size_t j = 0; j < width; ++j)
        value = value * 10 + (text[at + j] - '0');
      at += width;
      value *= sign;
      switch (part.letter) {
        case 'y':
        case 'u':
          fields.year = part.count == 2 ? 2000 + value : value;
          break;
        case 'M':
        case 'L':
          fields.month = value;
          break;
        case 'd':
          fields.day = value;
          break;
        case 'D':
          fields.day_of_year = value;
          break;
        case 'H':
          fields.hour = value;
          break;
        case 'k':
          if (value < 1 || value > 24) return false;
          fields.hour = value % 24;
          break;
        case 'h':
          if (value < 1 || value > 12) return false;
          fields.hour12 = value % 12;
          break;
        case 'K':
          if (value > 11) return false;
          fields.hour12 = value;
          break;
        case 'm':
          fields.minute = value;
          break;
        default:
          fields.second = value;
          break;
      }
    } else if (part.letter == 'M' || part.letter == 'L') {
      if (!(fields.month = name(kMonths, part.count == 3 ? 3 : std::string_view::npos)))
        return false;
    } else if (part.letter == 'E') {
      if (!(fields.weekday = name(kDays, part.count <= 3 ? 3 : std::string_view::npos)))
        return false;
    } else if (part.letter == 'a') {
      const auto half = name(std::array<std::string_view, 2>{"AM", "PM"}, 2);
      if (!half) return false;
      fields.pm = *half == 2;
    } else if (part.letter == 'S') {
      size_t digits = 0;
      int64_t value = 0;
      while (digits < static_cast<size_t>(part.count) && at < text.size() && is_digit(text[at])) {
        value = value * 10 + (text[at++] - '0');
        ++digits;
      }
      if (digits == 0) return false;
      for (size_t j = digits; j < 9; ++j)
        value *= 10;
      fields.nanos = value;
    } else if (part.letter == ']') {
      continue;
    } else {
      fields.zone = true;
      if (part.letter == 'X' || part.letter == 'x' || (part.letter == 'Z' && part.count != 4)) {
        if (!(fields.offset = match_offset(text, at, offset_style(part.letter, part.count))))
          return false;
      } else {
        size_t end = at;
        while (end < text.size() &&
               (std::isalnum(static_cast<unsigned char>(text[end])) ||
                std::string_view("+-:/_").find(text[end]) != std::string_view::npos))
          ++end;
        auto named = Zone::find(text.substr(at, end - at));
        if (!named.ok()) return false;
        fields.named = *named;
        at = end;
      }
    }
  }
  return true;
}

std::optional<DatetimePattern::Fields> DatetimePattern::parse(std::string_view text) const {
  Fields fields;
  size_t at = 0;
  if (!match(0, parts_.size(), text, at, fields) || at != text.size()) return std::nullopt;
  return fields;
}

namespace {

std::optional<int64_t> days_from(const auto& fields) {
  const int64_t year = fields.year.value_or(1970);
  if (year > 999'999 || year < -999'999) return std::nullopt;
  std::optional<int64_t> days;
  if (fields.day_of_year && !fields.month) {
    days = days_of(year, 1, 1);
    const int64_t day_of_year = fields.day_of_year.value();
    if (day_of_year < 1 || *days + day_of_year > *days_of(year, 12, 31) + 1) return std::nullopt;
    *days += day_of_year - 1;
  } else {
    const int64_t month = fields.month.value_or(1);
    const int64_t day = fields.day.value_or(1);
    if (month > 12 || day > 31) return std::nullopt;
    days = days_of(year, static_cast<int>(month), static_cast<int>(day));
  }
  // 1970-01-01 was a Thursday.
  if (days && fields.weekday && ((*days % 7 + 7 + 3) % 7) + 1 != *fields.weekday)
    return std::nullopt;
  return days;
}

std::optional<int64_t> local_micros_from(const auto& fields) {
  const auto days = days_from(fields);
  const int64_t hour =
      fields.hour ? *fields.hour : fields.hour12.value_or(0) + (fields.pm.value_or(false) ? 12 : 0);
  const int64_t minute = fields.minute.value_or(0);
  const int64_t second = fields.second.value_or(0);
  if (!days || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  int64_t micros;
  const int64_t in_day =
      ((hour * 60 + minute) * 60 + second) * kMicrosPerSecond + fields.nanos / 1000;
  if (__builtin_mul_overflow(*days, kMicrosPerDay, &micros) ||
      __builtin_add_overflow(micros, in_day, &micros))
    return std::nullopt;
  return micros;
}

}  // namespace

std::optional<int64_t> DatetimePattern::parse_timestamp(std::string_view text,
                                                        Zone default_zone) const {
  const auto fields = parse(text);
  if (!fields) return std::nullopt;
  const auto local = local_micros_from(*fields);
  if (!local) return std::nullopt;
  if (fields->named) default_zone = *fields->named;
  if (fields->offset) default_zone = Zone::fixed(*fields->offset);
  return default_zone.to_utc_checked(*local);
}

std::optional<int64_t> DatetimePattern::parse_timestamp_ntz(std::string_view text) const {
  const auto fields = parse(text);
  if (!fields || fields->zone) return std::nullopt;
  return local_micros_from(*fields);
}

std::optional<int32_t> DatetimePattern::parse_date(std::string_view text) const {
  const auto fields = parse(text);
  if (!fields) return std::nullopt;
  const auto days = days_from(*fields);
  if (!days || *days > std::numeric_limits<int32_t>::max() ||
      *days < std::numeric_limits<int32_t>::min())
    return std::nullopt;
  return static_cast<int32_t>(*days);
}

std::optional<std::string> DatetimePattern::format(int64_t micros, int64_t offset_seconds) const {
  // The offset is added to the time of day: the sum of all may be beyond 64 bits.
  const auto whole_days = [](int64_t us) {
    return us / kMicrosPerDay - (us % kMicrosPerDay < 0 ? 1 : 0);
  };
  const int64_t utc_days = whole_days(micros);
  const int64_t shifted_in_day = micros % kMicrosPerDay +
                                 (micros % kMicrosPerDay < 0 ? kMicrosPerDay : 0) +
                                 offset_seconds * kMicrosPerSecond;
  const int64_t days = utc_days + whole_days(shifted_in_day);
  const int64_t in_day = shifted_in_day - whole_days(shifted_in_day) * kMicrosPerDay;
  // Civil from days: the inverse of days_of.
  const int64_t z = days + 719'468;
  const int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const int64_t day_of_era = z - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2);
  const int64_t hour = in_day / (3600 * kMicrosPerSecond);
  const int64_t second = in_day / kMicrosPerSecond % 60;
  std::string text;
  for (const Part& part : parts_) {
    const int n = part.count;
    switch (part.letter) {
      case 0:
        text += part.text;
        break;
      case '[':
      case ']':
        break;
      case 'y':
      case 'u':
        if (n == 2) {
          text += fmt::format("{:02}", (year % 100 + 100) % 100);
        } else {
          if (year > 9999 && n == 4) text += '+';
          text += fmt::format("{}{:0{}}", year < 0 ? "-" : "", year < 0 ? -year : year, n);
        }
        break;
      case 'M':
      case 'L':
        if (n <= 2) {
          text += fmt::format("{:0{}}", month, n);
        } else {
          text += kMonths[static_cast<size_t>(month - 1)].substr(
              0, n == 3 ? 3 : std::string_view::npos);
        }
        break;
      case 'E':
        text += kDays[static_cast<size_t>((days % 7 + 7 + 3) % 7)].substr(
            0, n <= 3 ? 3 : std::string_view::npos);
        break;
      case 'd':
        text += fmt::format("{:0{}}", day, n);
        break;
      case 'D':
        text += fmt::format("{:0{}}", days - *days_of(year, 1, 1) + 1, n);
        break;
      case 'Q':
      case 'q': {
        const auto quarter = (month + 2) / 3;
        static constexpr std::string_view kNames[] = {"1st", "2nd", "3rd", "4th"};
        if (n <= 2) {
          text += fmt::format("{:0{}}", quarter, n);
        } else if (n == 3) {
          text += fmt::format("Q{}", quarter);
        } else {
          text += fmt::format("{} quarter", kNames[static_cast<size_t>(quarter - 1)]);
        }
        break;
      }
      case 'a':
        text += hour < 12 ? "AM" : "PM";
        break;
      case 'H':
        text += fmt::format("{:0{}}", hour, n);
        break;
      case 'k':
        text += fmt::format("{:0{}}", hour == 0 ? 24 : hour, n);
        break;
      case 'h':
        text += fmt::format("{:0{}}", hour % 12 == 0 ? 12 : hour % 12, n);
        break;
      case 'K':
        text += fmt::format("{:0{}}", hour % 12, n);
        break;
      case 'm':
        text += fmt::format("{:0{}}", in_day / (60 * kMicrosPerSecond) % 60, n);
        break;
      case 's':
        text += fmt::format("{:0{}}", second, n);
        break;
      case 'S':
        text +=
            fmt::format("{:06}000", in_day % kMicrosPerSecond).substr(0, static_cast<size_t>(n));
        break;
      case 'z':
      case 'V':
        if (offset_seconds == 0) {
          text += n == 4 ? "Coordinated Universal Time" : "UTC";
        } else {
          text += format_offset(offset_seconds, {false, true, 2, true});
        }
        break;
      case 'O':
        text += "GMT";
        if (offset_seconds != 0) text += format_offset(offset_seconds, {false, true, 2, true});
        break;
      case 'Z':
        if (n == 4) {
          text += "GMT";
          if (offset_seconds != 0) text += format_offset(offset_seconds, {false, true, 2, true});
          break;
        }
        [[fallthrough]];
      default:
        text += format_offset(offset_seconds, offset_style(part.letter, n));
    }
  }
  return text;
}

}  // namespace weir::columnar
