// Dates and times. Fields of a timestamp are those of the session's zone.
#include <boost/algorithm/string/case_conv.hpp>

#include "columnar/datetime_pattern.h"
#include "columnar/datetime_text.h"
#include "eval/cast.h"
#include "eval/map_rows.h"
#include "plan/calendar.h"

namespace weir::eval {

using plan::civil_from_days;
using plan::days_from_civil;
using plan::floor_div;
using plan::floor_mod;
using plan::kMicrosPerDay;
using plan::kMicrosPerSecond;

namespace {

Result<ArrayPtr> current_timestamp(KernelCall& call, Operands) {
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, call.context.batch_timestamp_us);
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> current_date(KernelCall& call, Operands) {
  FixedWriter<int32_t> writer(call.rows);
  const auto days = static_cast<int32_t>(
      floor_div(call.zone.to_local(call.context.batch_timestamp_us), kMicrosPerDay));
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, days);
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> current_timezone(KernelCall& call, Operands) {
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.add(call.context.session_zone);
  return writer.finish(call.arrow_type);
}

int weekday_from_monday(int64_t days) { return static_cast<int>(floor_mod(days + 3, 7)); }

int iso_week(int64_t days) {
  const int64_t thursday = days - weekday_from_monday(days) + 3;
  return static_cast<int>((thursday - days_from_civil(civil_from_days(thursday).year, 1, 1)) / 7 +
                          1);
}

int32_t year_of(int64_t d) { return static_cast<int32_t>(civil_from_days(d).year); }
int32_t quarter_of(int64_t d) { return (civil_from_days(d).month + 2) / 3; }
int32_t month_of(int64_t d) { return civil_from_days(d).month; }
int32_t day_of(int64_t d) { return civil_from_days(d).day; }
int32_t day_of_week(int64_t d) { return static_cast<int32_t>(floor_mod(d + 4, 7)) + 1; }
int32_t weekday_of(int64_t d) { return weekday_from_monday(d); }
int32_t day_of_year(int64_t d) {
  return static_cast<int32_t>(d - days_from_civil(civil_from_days(d).year, 1, 1)) + 1;
}
int32_t week_of_year(int64_t d) { return iso_week(d); }

template <int32_t (*part)(int64_t)>
Result<ArrayPtr> date_part(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call, [](int32_t days) { return part(days); }, FixedReader<int32_t>(arguments[0]));
}

template <int64_t unit_seconds, int64_t modulus>
Result<ArrayPtr> time_part(KernelCall& call, Operands arguments) {
  const bool instant = call.type_of(0).is(TypeKind::kTimestamp);
  return map_fixed<int32_t>(
      call,
      [&](int64_t us) {
        const int64_t seconds = floor_div(instant ? call.zone.to_local(us) : us, kMicrosPerSecond);
        return static_cast<int32_t>(floor_mod(floor_div(seconds, unit_seconds), modulus));
      },
      FixedReader<int64_t>(arguments[0]));
}

template <int sign>
Result<ArrayPtr> add_days(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call,
      [](int32_t d, int32_t n) { return static_cast<int32_t>(int64_t{d} + sign * int64_t{n}); },
      FixedReader<int32_t>(arguments[0]), FixedReader<int32_t>(arguments[1]));
}

Result<ArrayPtr> date_difference(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call, [](int32_t a, int32_t b) { return static_cast<int32_t>(int64_t{a} - b); },
      FixedReader<int32_t>(arguments[0]), FixedReader<int32_t>(arguments[1]));
}

Result<ArrayPtr> add_months(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call,
      [](int32_t d, int32_t n) {
        const auto date = civil_from_days(d);
        const int64_t total = date.year * 12 + date.month - 1 + n;
        const int64_t year = floor_div(total, 12);
        const int month = static_cast<int>(floor_mod(total, 12)) + 1;
        return static_cast<int32_t>(
            days_from_civil(year, month, std::min(date.day, plan::days_in_month(year, month))));
      },
      FixedReader<int32_t>(arguments[0]), FixedReader<int32_t>(arguments[1]));
}

Result<ArrayPtr> last_day(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call,
      [](int32_t d) {
        const auto date = civil_from_days(d);
        return static_cast<int32_t>(int64_t{d} + plan::days_in_month(date.year, date.month) -
                                    date.day);
      },
      FixedReader<int32_t>(arguments[0]));
}

Result<ArrayPtr> make_date(KernelCall& call, Operands arguments) {
  return map_failing<int32_t>(
      call,
      [&](int32_t year, int32_t month, int32_t day, std::optional<int32_t>& out) -> Result<void> {
        const bool exists =
            month >= 1 && month <= 12 && day >= 1 && day <= plan::days_in_month(year, month);
        const int64_t days = exists ? days_from_civil(year, month, day) : INT64_MAX;
        if (days == static_cast<int32_t>(days)) {
          out = static_cast<int32_t>(days);
        } else if (call.ansi()) {
          return call.fail(
              "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", "22023",
              fmt::format("No such date: {}-{}-{}. If necessary set \"spark.sql.ansi.enabled\" to "
                          "\"false\" to bypass this error.",
                          year, month, day));
        }
        return {};
      },
      FixedReader<int32_t>(arguments[0]), FixedReader<int32_t>(arguments[1]),
      FixedReader<int32_t>(arguments[2]));
}

Result<ArrayPtr> same_days(KernelCall& call, Operands arguments) {
  return map_fixed<int32_t>(
      call, [](int32_t d) { return d; }, FixedReader<int32_t>(arguments[0]));
}

template <int64_t unit_us>
Result<ArrayPtr> since_epoch(KernelCall& call, Operands arguments) {
  return map_fixed<int64_t>(
      call, [](int64_t us) { return floor_div(us, unit_us); }, FixedReader<int64_t>(arguments[0]));
}

base::Error out_of_range(const KernelCall& call) {
  return call.fail("ARITHMETIC_OVERFLOW", "22003", "long overflow in a timestamp.");
}

template <int64_t unit_us>
Result<ArrayPtr> from_epoch(KernelCall& call, Operands arguments) {
  const auto overflow = [&] { return out_of_range(call); };
  const auto& type = call.type_of(0);
  if (type.is(TypeKind::kDouble)) {
    return map_nullable<int64_t>(
        call,
        [](double x, int64_t& out) {
          if (!(x * unit_us > -9.2e18 && x * unit_us < 9.2e18)) return false;
          out = static_cast<int64_t>(x * unit_us);
          return true;
        },
        FixedReader<double>(arguments[0]));
  }
  if (type.is(TypeKind::kDecimal)) {
    return map_failing<int64_t>(
        call,
        [&](plan::Int128 x, std::optional<int64_t>& out) -> Result<void> {
          plan::Int128 us = 0;
          if (!rescale_decimal(x * unit_us, type.scale(), 18, 0, us)) return overflow();
          out = static_cast<int64_t>(us);
          return {};
        },
        FixedReader<plan::Int128>(arguments[0]));
  }
  return map_failing<int64_t>(
      call,
      [&](int64_t x, std::optional<int64_t>& out) -> Result<void> {
        int64_t us = 0;
        if (__builtin_mul_overflow(x, unit_us, &us)) return overflow();
        out = us;
        return {};
      },
      FixedReader<int64_t>(arguments[0]));
}

enum class Unit {
  kNone,
  kMicrosecond,
  kMillisecond,
  kSecond,
  kMinute,
  kHour,
  kDay,
  kWeek,
  kMonth,
  kQuarter,
  kYear,
  kDecade,
  kCentury,
  kMillennium
};

Unit unit_of(std::string_view name) {
  const auto upper = boost::to_upper_copy(std::string(name));
  const std::pair<Unit, std::vector<std::string_view>> kUnits[] = {
      {Unit::kMicrosecond, {"MICROSECOND"}},
      {Unit::kMillisecond, {"MILLISECOND"}},
      {Unit::kSecond, {"SECOND"}},
      {Unit::kMinute, {"MINUTE"}},
      {Unit::kHour, {"HOUR"}},
      {Unit::kDay, {"DAY", "DD"}},
      {Unit::kWeek, {"WEEK"}},
      {Unit::kMonth, {"MONTH", "MON", "MM"}},
      {Unit::kQuarter, {"QUARTER"}},
      {Unit::kYear, {"YEAR", "YYYY", "YY"}}};
  for (const auto& [unit, names] : kUnits) {
    for (const auto candidate : names) {
      if (upper == candidate) return unit;
    }
  }
  return Unit::kNone;
}

int64_t truncate_days(int64_t days, Unit unit) {
  const auto date = civil_from_days(days);
  switch (unit) {
    case Unit::kWeek:
      return days - weekday_from_monday(days);
    case Unit::kMonth:
      return days_from_civil(date.year, date.month, 1);
    case Unit::kQuarter:
      return days_from_civil(date.year, (date.month - 1) / 3 * 3 + 1, 1);
    case Unit::kYear:
      return days_from_civil(date.year, 1, 1);
    default:
      return days;
  }
}

Result<ArrayPtr> date_trunc(KernelCall& call, Operands arguments) {
  return map_failing<int64_t>(
      call,
      [&](std::string_view name, int64_t us, std::optional<int64_t>& out) -> Result<void> {
        const Unit unit = unit_of(name);
        int64_t step = 1;
        switch (unit) {
          case Unit::kNone:
            return {};
          case Unit::kMicrosecond:
            break;
          case Unit::kMillisecond:
            step = 1000;
            break;
          case Unit::kSecond:
            step = kMicrosPerSecond;
            break;
          case Unit::kMinute:
            step = 60 * kMicrosPerSecond;
            break;
          case Unit::kHour:
            step = 3600 * kMicrosPerSecond;
            break;
          default: {
            const int64_t days = floor_div(call.zone.to_local(us), kMicrosPerDay);
            int64_t local = 0;
            if (!plan::micros_of(truncate_days(days, unit), 0, local)) return out_of_range(call);
            out = call.zone.to_utc(local);
            return {};
          }
        }
        const int64_t local = step > kMicrosPerSecond ? call.zone.to_local(us) : us;
        int64_t start = 0;
        if (__builtin_sub_overflow(us, floor_mod(local, step), &start)) return out_of_range(call);
        out = start;
        return {};
      },
      TextReader(arguments[0]), FixedReader<int64_t>(arguments[1]));
}

Result<ArrayPtr> trunc_date(KernelCall& call, Operands arguments) {
  return map_nullable<int32_t>(
      call,
      [](int32_t days, std::string_view name, int32_t& out) {
        const Unit unit = unit_of(name);
        if (unit < Unit::kWeek) return false;
        out = static_cast<int32_t>(truncate_days(days, unit));
        return true;
      },
      FixedReader<int32_t>(arguments[0]), TextReader(arguments[1]));
}

// The pattern of a row, compiled again only where it changes.
class PatternCache {
 public:
  Result<const columnar::DatetimePattern*> get(const KernelCall& call, std::string_view text) {
    if (!pattern_ || text != source_) {
      auto made = columnar::DatetimePattern::compile(text);
      if (!made.ok()) {
        return call.fail(
            "INVALID_DATETIME_PATTERN.WITH_SUGGESTION", "22007",
            fmt::format("Unrecognized datetime pattern: {} ({}).", text, made.error().message()));
      }
      source_ = text;
      pattern_.emplace(std::move(made).value());
    }
    return &*pattern_;
  }

 private:
  std::string source_;
  std::optional<columnar::DatetimePattern> pattern_;
};

Result<ArrayPtr> format_timestamps(KernelCall& call, Operands arguments, int64_t unit_us) {
  const FixedReader<int64_t> times(arguments[0]);
  std::optional<TextReader> patterns;
  if (arguments.size() == 2) patterns.emplace(arguments[1]);
  PatternCache cache;
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!times.valid[row] || (patterns && !patterns->valid[row])) {
      writer.add_null();
      continue;
    }
    WEIR_ASSIGN(const auto* pattern,
                cache.get(call, patterns ? (*patterns)[row] : "yyyy-MM-dd HH:mm:ss"));
    int64_t us = 0;
    if (__builtin_mul_overflow(times[row], unit_us, &us))
      us = times[row] < 0 ? INT64_MIN : INT64_MAX;
    int64_t offset_us = 0;  // right also where the local time has wrapped around
    (void)__builtin_sub_overflow(call.zone.to_local(us), us, &offset_us);
    const int64_t offset = offset_us / kMicrosPerSecond;
    const auto text = pattern->format(us, offset);
    if (text) {
      writer.add(*text);
    } else {
      return call.fail("INVALID_DATETIME_PATTERN.WITH_SUGGESTION", "22007",
                       "The time does not fit the pattern.");
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> date_format(KernelCall& call, Operands arguments) {
  return format_timestamps(call, arguments, 1);
}
Result<ArrayPtr> from_unixtime(KernelCall& call, Operands arguments) {
  return format_timestamps(call, arguments, kMicrosPerSecond);
}

// Text by a pattern to an instant. A text without a zone is one of the session's: seen by parsing
// it under two offsets.
std::optional<int64_t> parse_by(const columnar::DatetimePattern& pattern, std::string_view text,
                                Zone& zone) {
  const auto at_utc = pattern.parse_timestamp(text, 0);
  if (!at_utc) return std::nullopt;
  const auto shifted = pattern.parse_timestamp(text, 3600);
  return shifted == at_utc ? at_utc : zone.to_utc(*at_utc);
}

// The first argument as an instant: dates and timestamps by cast, text by default rules or by a
// pattern.
template <typename T, typename Convert>
Result<ArrayPtr> read_time(KernelCall& call, Operands arguments, bool strict, Convert&& convert) {
  const auto& from = call.type_of(0);
  if (!plan::is_text(from)) {
    const auto timestamp = DataType::of(TypeKind::kTimestamp);
    CastCall cast{from,
                  timestamp,
                  true,
                  false,
                  call.expression.origin,
                  call.zone,
                  call.context.batch_timestamp_us};
    WEIR_ASSIGN(auto instants,
                cast_vector(cast, arguments[0], arguments[0].constant ? 1 : call.rows));
    const Vector vector{instants, arguments[0].constant};
    return map_fixed<T>(
        call, [&](int64_t us) { return convert(us); }, FixedReader<int64_t>(vector));
  }
  const TextReader text(arguments[0]);
  std::optional<TextReader> patterns;
  if (arguments.size() == 2) patterns.emplace(arguments[1]);
  PatternCache cache;
  FixedWriter<T> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row] || (patterns && !patterns->valid[row])) {
      writer.set_null(row);
      continue;
    }
    int64_t us = 0;
    bool good = false;
    if (patterns) {
      WEIR_ASSIGN(const auto* pattern, cache.get(call, (*patterns)[row]));
      const auto parsed = parse_by(*pattern, text[row], call.zone);
      good = parsed.has_value();
      us = parsed.value_or(0);
    } else {
      good = parse_timestamp_text(text[row], call.zone, call.context.batch_timestamp_us, us);
    }
    if (good) {
      writer.set(row, convert(us));
    } else if (strict && patterns) {
      return call.fail("CANNOT_PARSE_TIMESTAMP", "22007",
                       fmt::format("Text '{}' could not be parsed by the pattern '{}'. Use "
                                   "`try_to_timestamp` to tolerate invalid "
                                   "input string and return NULL instead.",
                                   text[row], (*patterns)[row]));
    } else if (strict) {
      return call.fail("CAST_INVALID_INPUT", "22018",
                       fmt::format("The value '{}' of the type \"STRING\" cannot be cast to \"{}\" "
                                   "because it is malformed. Correct the "
                                   "value as per the syntax, or change its target type. Use "
                                   "`try_cast` to tolerate malformed input and "
                                   "return NULL instead.",
                                   text[row], call.type().sql()));
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish(call.arrow_type);
}

template <bool try_form>
Result<ArrayPtr> to_timestamp(KernelCall& call, Operands arguments) {
  return read_time<int64_t>(call, arguments, call.ansi() && !try_form,
                            [](int64_t us) { return us; });
}

// A local time: what a zone in the text says is left out.
Result<ArrayPtr> to_timestamp_ntz(KernelCall& call, Operands arguments) {
  const auto& from = call.type_of(0);
  if (arguments.size() == 1 || !plan::is_text(from)) {
    CastCall cast{from,
                  call.type(),
                  call.ansi(),
                  false,
                  call.expression.origin,
                  call.zone,
                  call.context.batch_timestamp_us};
    return cast_vector(cast, arguments[0], call.rows);
  }
  return read_time<int64_t>(call, arguments, call.ansi(),
                            [&](int64_t us) { return call.zone.to_local(us); });
}

template <bool try_form>
Result<ArrayPtr> to_date(KernelCall& call, Operands arguments) {
  const auto& from = call.type_of(0);
  if (arguments.size() == 1 || !plan::is_text(from)) {
    CastCall cast{from,
                  call.type(),
                  call.ansi(),
                  try_form,
                  call.expression.origin,
                  call.zone,
                  call.context.batch_timestamp_us};
    return cast_vector(cast, arguments[0], call.rows);
  }
  return read_time<int32_t>(call, arguments, call.ansi() && !try_form, [&](int64_t us) {
    return static_cast<int32_t>(floor_div(call.zone.to_local(us), kMicrosPerDay));
  });
}

Result<ArrayPtr> unix_timestamp(KernelCall& call, Operands arguments) {
  if (arguments.empty()) {
    FixedWriter<int64_t> writer(call.rows);
    for (int64_t row = 0; row < call.rows; ++row)
      writer.set(row, floor_div(call.context.batch_timestamp_us, kMicrosPerSecond));
    return writer.finish(call.arrow_type);
  }
  const auto seconds = [](int64_t us) { return floor_div(us, kMicrosPerSecond); };
  if (arguments.size() == 1 && plan::is_text(call.type_of(0))) {
    const TextReader text(arguments[0]);
    PatternCache cache;
    WEIR_ASSIGN(const auto* pattern, cache.get(call, "yyyy-MM-dd HH:mm:ss"));
    return map_failing<int64_t>(
        call,
        [&](std::string_view t, std::optional<int64_t>& out) -> Result<void> {
          if (const auto us = parse_by(*pattern, t, call.zone)) {
            out = seconds(*us);
          } else if (call.ansi()) {
            return call.fail("CANNOT_PARSE_TIMESTAMP", "22007",
                             fmt::format("Text '{}' could not be parsed.", t));
          }
          return {};
        },
        text);
  }
  return read_time<int64_t>(call, arguments, call.ansi(), seconds);
}

template <bool to_zone>
Result<ArrayPtr> shift_zone(KernelCall& call, Operands arguments) {
  const TextReader names(arguments[1]);
  std::string known;
  std::optional<Zone> zone;
  return map_failing<int64_t>(
      call,
      [&](int64_t us, std::string_view name, std::optional<int64_t>& out) -> Result<void> {
        if (!zone || name != known) {
          auto found = Zone::find(name);
          if (!found.ok())
            return call.fail("INVALID_TIMEZONE", "22009",
                             fmt::format("The timezone: {} is invalid.", name));
          zone = *found;
          known = name;
        }
        out = to_zone ? zone->to_local(us) : zone->to_utc(us);
        return {};
      },
      FixedReader<int64_t>(arguments[0]), names);
}

constexpr KernelEntry kKernels[] = {
    {"current_timestamp", current_timestamp},
    {"current_date", current_date},
    {"current_timezone", current_timezone},
    {"year", date_part<year_of>},
    {"quarter", date_part<quarter_of>},
    {"month", date_part<month_of>},
    {"day", date_part<day_of>},
    {"dayofweek", date_part<day_of_week>},
    {"weekday", date_part<weekday_of>},
    {"dayofyear", date_part<day_of_year>},
    {"weekofyear", date_part<week_of_year>},
    {"hour", time_part<3600, 24>},
    {"minute", time_part<60, 60>},
    {"second", time_part<1, 60>},
    {"datediff", date_difference},
    {"date_add", add_days<1>},
    {"date_sub", add_days<-1>},
    {"add_months", add_months},
    {"last_day", last_day},
    {"make_date", make_date},
    {"unix_date", same_days},
    {"date_from_unix_date", same_days},
    {"unix_seconds", since_epoch<kMicrosPerSecond>},
    {"unix_millis", since_epoch<1000>},
    {"unix_micros", since_epoch<1>},
    {"timestamp_seconds", from_epoch<kMicrosPerSecond>},
    {"timestamp_millis", from_epoch<1000>},
    {"timestamp_micros", from_epoch<1>},
    {"date_trunc", date_trunc},
    {"trunc", trunc_date},
    {"date_format", date_format},
    {"from_unixtime", from_unixtime},
    {"to_timestamp", to_timestamp<false>},
    {"try_to_timestamp", to_timestamp<true>},
    {"to_date", to_date<false>},
    {"try_to_date", to_date<true>},
    {"to_timestamp_ltz", to_timestamp<false>},
    {"to_timestamp_ntz", to_timestamp_ntz},
    {"unix_timestamp", unix_timestamp},
    {"from_utc_timestamp", shift_zone<true>},
    {"to_utc_timestamp", shift_zone<false>},
};

}  // namespace

std::span<const KernelEntry> time_kernels() { return kKernels; }

}  // namespace weir::eval
