// Times and intervals made of their fields, fields taken out of them, differences in units.
#include <array>
#include <cmath>
#include <optional>

#include <arrow/array/util.h>
#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/trim.hpp>

#include "eval/cast.h"
#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "plan/calendar.h"
#include "plan/temporal_text.h"

namespace weir::eval {

using plan::civil_from_days;
using plan::days_from_civil;
using plan::days_in_month;
using plan::floor_div;
using plan::floor_mod;
using plan::Int128;
using plan::kMicrosPerDay;
using plan::kMicrosPerSecond;

namespace {

using Arguments = Operands;

constexpr int64_t kMicrosPerHour = 3600 * kMicrosPerSecond;
constexpr int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;

base::Error field_out_of_range(const KernelCall& call, std::string_view field,
                               std::string_view values, int64_t given) {
  return call
      .fail("DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", "22023",
            fmt::format("Invalid value for {} (valid values {}): {}. If necessary set "
                        "\"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
                        field, values, given))
      .with_parameter("rangeMessage", fmt::format("Invalid value for {} (valid values {}): {}",
                                                  field, values, given))
      .with_parameter("ansiConfig", "\"spark.sql.ansi.enabled\"");
}

// The local microseconds of the six fields (seconds scaled by 10^6).
Result<int64_t> local_of(const KernelCall& call, int64_t year, int64_t month, int64_t day,
                         int64_t hour, int64_t minute, int64_t second_us) {
  if (year < -999999999 || year > 999999999)
    return field_out_of_range(call, "Year", "-999999999 - 999999999", year);
  if (month < 1 || month > 12) return field_out_of_range(call, "MonthOfYear", "1 - 12", month);
  if (day < 1 || day > 31) return field_out_of_range(call, "DayOfMonth", "1 - 28/31", day);
  if (day > days_in_month(year, static_cast<int>(month))) {
    return call.fail("DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", "22023",
                     fmt::format("Invalid date '{}-{:02}-{:02}'.", year, month, day));
  }
  if (hour < 0 || hour > 23) return field_out_of_range(call, "HourOfDay", "0 - 23", hour);
  if (minute < 0 || minute > 59) return field_out_of_range(call, "MinuteOfHour", "0 - 59", minute);
  if (second_us < 0 || second_us > 60 * kMicrosPerSecond)
    return field_out_of_range(call, "SecondOfMinute", "0 - 59",
                              floor_div(second_us, kMicrosPerSecond));
  if (second_us > 59 * kMicrosPerSecond + 999'999 && second_us != 60 * kMicrosPerSecond) {
    return call.fail("INVALID_FRACTION_OF_SECOND", "22023",
                     "Valid range for seconds is [0, 60] (inclusive of 0 and 60, with the fraction "
                     "of 60 being 0).");
  }
  int64_t local = 0;
  const int64_t time = hour * kMicrosPerHour + minute * kMicrosPerMinute + second_us;
  if (!plan::micros_of(days_from_civil(year, static_cast<int>(month), static_cast<int>(day)), time,
                       local))
    return call.fail("ARITHMETIC_OVERFLOW", "22003", "long overflow in a timestamp.");
  return local;
}

// make_timestamp(year, month, day, hour, minute, seconds[, zone]); a try form, and every form
// without ANSI, gives NULL where the fields make no time.
Result<ArrayPtr> make_timestamp(KernelCall& call, Arguments arguments) {
  if (arguments.size() == 1) {  // of a date: its midnight
    const bool local = call.type().is(TypeKind::kTimestampNtz);
    return map_fixed<int64_t>(
        call,
        [&](int32_t days) {
          return local ? days * kMicrosPerDay : call.zone.to_utc(days * kMicrosPerDay);
        },
        FixedReader<int32_t>(arguments[0]));
  }
  const FixedReader<int32_t> year(arguments[0]), month(arguments[1]), day(arguments[2]),
      hour(arguments[3]), minute(arguments[4]);
  const FixedReader<Int128> second(arguments[5]);
  std::optional<TextReader> zones;
  if (arguments.size() > 6) zones.emplace(arguments[6]);
  const bool local_only = call.type().is(TypeKind::kTimestampNtz);
  const bool strict = call.ansi() && !call.call.function->name.starts_with("try_");
  FixedWriter<int64_t> writer(call.rows);
  std::string zone_name;
  Zone zone = call.zone;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!year.valid[row] || !month.valid[row] || !day.valid[row] || !hour.valid[row] ||
        !minute.valid[row] || !second.valid[row] || (zones && !zones->valid[row])) {
      writer.set_null(row);
      continue;
    }
    if (zones && (*zones)[row] != zone_name) {
      auto found = Zone::find((*zones)[row]);
      if (!found.ok()) {
        return call
            .fail("INVALID_TIMEZONE", "22009",
                  fmt::format("The timezone: {} is invalid. The timezone must be either a "
                              "region-based zone ID or a zone offset.",
                              (*zones)[row]))
            .with_parameter("timeZone", std::string((*zones)[row]));
      }
      zone = *found;
      zone_name = (*zones)[row];
    }
    const auto local = local_of(call, year[row], month[row], day[row], hour[row], minute[row],
                                static_cast<int64_t>(second[row]));
    if (local.ok()) {
      writer.set(row, local_only ? *local : zone.to_utc(*local));
    } else if (strict) {
      return local.error();
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> make_day_time_interval(KernelCall& call, Arguments arguments) {
  const auto integer = [&](size_t i, int64_t row, bool& valid) -> int64_t {
    if (i >= arguments.size()) return 0;
    const FixedReader<int32_t> reader(arguments[i]);
    valid &= reader.valid[row];
    return valid ? reader[row] : 0;
  };
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    bool valid = true;
    const int64_t day = integer(0, row, valid), hour = integer(1, row, valid),
                  minute = integer(2, row, valid);
    int64_t second_us = 0;
    if (arguments.size() > 3) {
      const FixedReader<Int128> seconds(arguments[3]);
      valid &= seconds.valid[row];
      if (valid) second_us = static_cast<int64_t>(seconds[row]);
    }
    if (!valid) {
      writer.set_null(row);
      continue;
    }
    const __int128 total = static_cast<__int128>(day) * kMicrosPerDay +
                           static_cast<__int128>(hour) * kMicrosPerHour +
                           static_cast<__int128>(minute) * kMicrosPerMinute + second_us;
    if (total > INT64_MAX || total < INT64_MIN) {
      return call.fail("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                       "Integer overflow while operating with intervals. Try devising appropriate "
                       "values for the interval parameters.");
    }
    writer.set(row, static_cast<int64_t>(total));
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> make_year_month_interval(KernelCall& call, Arguments arguments) {
  FixedWriter<int32_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    int64_t months = 0;
    bool valid = true;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const FixedReader<int32_t> reader(arguments[i]);
      valid &= reader.valid[row];
      if (valid) months += int64_t{reader[row]} * (i == 0 ? 12 : 1);
    }
    if (!valid) {
      writer.set_null(row);
    } else if (months > INT32_MAX || months < INT32_MIN) {
      return call.fail("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "22015",
                       "Integer overflow while operating with intervals. Try devising appropriate "
                       "values for the interval parameters.");
    } else {
      writer.set(row, static_cast<int32_t>(months));
    }
  }
  return writer.finish(call.arrow_type);
}

constexpr std::array<std::string_view, 7> kDayNames = {
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr std::array<std::string_view, 12> kMonthNames = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// 0 for Monday; -1 where it names no day.
int day_of_week(std::string_view name) {
  auto upper = boost::to_upper_copy(std::string(name));
  boost::trim(upper);
  for (size_t i = 0; i < kDayNames.size(); ++i) {
    const auto full = boost::to_upper_copy(std::string(kDayNames[i]));
    if (upper == full || upper == full.substr(0, 2) || upper == full.substr(0, 3))
      return static_cast<int>(i);
  }
  return -1;
}

Result<ArrayPtr> next_day(KernelCall& call, Arguments arguments) {
  return map_failing<int32_t>(
      call,
      [&](int32_t days, std::string_view name, std::optional<int32_t>& out) -> Result<void> {
        const int wanted = day_of_week(name);
        if (wanted >= 0) {
          const int64_t weekday = floor_mod(int64_t{days} + 3, 7);
          const int64_t ahead = floor_mod(wanted - weekday - 1, 7) + 1;
          out = static_cast<int32_t>(days + ahead);
        } else if (call.ansi()) {
          return call
              .fail("ILLEGAL_DAY_OF_WEEK", "22009",
                    fmt::format("Illegal input for day of week: {}.", name))
              .with_parameter("string", std::string(name));
        }
        return {};
      },
      FixedReader<int32_t>(arguments[0]), TextReader(arguments[1]));
}

Result<ArrayPtr> day_name(KernelCall& call, Arguments arguments) {
  return map_text(
      call,
      [](int32_t days, std::string& out) {
        out += kDayNames[static_cast<size_t>(floor_mod(int64_t{days} + 3, 7))].substr(0, 3);
      },
      FixedReader<int32_t>(arguments[0]));
}

Result<ArrayPtr> month_name(KernelCall& call, Arguments arguments) {
  return map_text(
      call,
      [](int32_t days, std::string& out) {
        out += kMonthNames[static_cast<size_t>(civil_from_days(days).month - 1)];
      },
      FixedReader<int32_t>(arguments[0]));
}

Result<ArrayPtr> months_between(KernelCall& call, Arguments arguments) {
  const FixedReader<int64_t> a(arguments[0]), b(arguments[1]);
  std::optional<BoolReader> rounds;
  if (arguments.size() > 2) rounds.emplace(arguments[2]);
  FixedWriter<double> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!a.valid[row] || !b.valid[row] || (rounds && !rounds->valid[row])) {
      writer.set_null(row);
      continue;
    }
    const int64_t local_a = call.zone.to_local(a[row]), local_b = call.zone.to_local(b[row]);
    const int64_t days_a = floor_div(local_a, kMicrosPerDay),
                  days_b = floor_div(local_b, kMicrosPerDay);
    const auto date_a = civil_from_days(days_a), date_b = civil_from_days(days_b);
    const auto months =
        static_cast<double>((date_a.year - date_b.year) * 12 + date_a.month - date_b.month);
    const bool last = date_a.day == days_in_month(date_a.year, date_a.month) &&
                      date_b.day == days_in_month(date_b.year, date_b.month);
    if (date_a.day == date_b.day || last) {
      writer.set(row, months);
      continue;
    }
    // Seconds gone by since midnight: on days when clocks change not what the clock shows.
    const int64_t seconds_a =
        floor_div(a[row] - call.zone.to_utc(days_a * kMicrosPerDay), kMicrosPerSecond);
    const int64_t seconds_b =
        floor_div(b[row] - call.zone.to_utc(days_b * kMicrosPerDay), kMicrosPerSecond);
    constexpr double kSecondsInMonth = 31 * 86'400;
    const double difference =
        static_cast<double>((date_a.day - date_b.day) * 86'400 + seconds_a - seconds_b);
    const double exact = months + difference / kSecondsInMonth;
    const bool round = !rounds || (*rounds)[row];
    writer.set(row, round ? std::round(exact * 1e8) / 1e8 : exact);
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> local_timestamp(KernelCall& call, Arguments) {
  FixedWriter<int64_t> writer(call.rows);
  const int64_t local = call.zone.to_local(call.context.batch_timestamp_us);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, local);
  return writer.finish(call.arrow_type);
}

// convert_timezone([from,] to, timestamp_ntz)
Result<ArrayPtr> convert_timezone(KernelCall& call, Arguments arguments) {
  const bool has_from = arguments.size() == 3;
  const TextReader to(arguments[has_from ? 1 : 0]);
  const TextReader from(arguments[0]);
  const FixedReader<int64_t> times(arguments[has_from ? 2 : 1]);
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!to.valid[row] || !times.valid[row] || (has_from && !from.valid[row])) {
      writer.set_null(row);
      continue;
    }
    Zone source = call.zone;
    if (has_from) {
      WEIR_ASSIGN(source, Zone::find(from[row]));
    }
    WEIR_ASSIGN(auto target, Zone::find(to[row]));
    writer.set(row, target.to_local(source.to_utc(times[row])));
  }
  return writer.finish(call.arrow_type);
}

int64_t add_months_to(int64_t local, int64_t months) {
  const int64_t days = floor_div(local, kMicrosPerDay);
  const auto date = civil_from_days(days);
  const int64_t total = date.year * 12 + date.month - 1 + months;
  const int64_t year = floor_div(total, 12);
  const int month = static_cast<int>(floor_mod(total, 12)) + 1;
  return days_from_civil(year, month, std::min(date.day, days_in_month(year, month))) *
             kMicrosPerDay +
         floor_mod(local, kMicrosPerDay);
}

struct UnitStep {
  int64_t us = 0;      // a fixed length, or
  int64_t months = 0;  // months
  bool days = false;   // of the calendar (in the zone)
};

std::optional<UnitStep> step_of(std::string_view unit) {
  const auto upper = boost::to_upper_copy(std::string(unit));
  if (upper == "MICROSECOND") return UnitStep{1};
  if (upper == "MILLISECOND") return UnitStep{1000};
  if (upper == "SECOND") return UnitStep{kMicrosPerSecond};
  if (upper == "MINUTE") return UnitStep{kMicrosPerMinute};
  if (upper == "HOUR") return UnitStep{kMicrosPerHour};
  if (upper == "DAY" || upper == "DAYOFYEAR") return UnitStep{kMicrosPerDay, 0, true};
  if (upper == "WEEK") return UnitStep{7 * kMicrosPerDay, 0, true};
  if (upper == "MONTH") return UnitStep{0, 1};
  if (upper == "QUARTER") return UnitStep{0, 3};
  if (upper == "YEAR") return UnitStep{0, 12};
  return std::nullopt;
}

base::Error bad_unit(const KernelCall& call, std::string_view unit) {
  return call.fail("INVALID_PARAMETER_VALUE.DATETIME_UNIT", "22023",
                   fmt::format("The value of parameter(s) `unit` in `{}` is invalid: expects one "
                               "of the units without quotes YEAR, QUARTER, MONTH, WEEK, DAY, "
                               "DAYOFYEAR, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, but got "
                               "the string literal '{}'.",
                               call.call.function->name, unit));
}

// timestampadd(unit, quantity, time): of a TIMESTAMP or TIMESTAMP_NTZ.
Result<ArrayPtr> timestamp_add(KernelCall& call, Arguments arguments) {
  const TextReader units(arguments[0]);
  const bool instant = call.type().is(TypeKind::kTimestamp);
  return map_failing<int64_t>(
      call,
      [&](std::string_view unit, int64_t quantity, int64_t us,
          std::optional<int64_t>& out) -> Result<void> {
        const auto step = step_of(unit);
        if (!step) return bad_unit(call, unit);
        int64_t delta = 0, made = 0;
        const bool calendar = step->months != 0 || step->days;
        const int64_t local = instant && calendar ? call.zone.to_local(us) : us;
        bool overflow = false;
        if (step->months != 0) {
          overflow = __builtin_mul_overflow(quantity, step->months, &delta) ||
                     std::abs(delta) > int64_t{12} * 600'000;
          if (!overflow) made = add_months_to(local, delta);
        } else {
          overflow = __builtin_mul_overflow(quantity, step->us, &delta) ||
                     __builtin_add_overflow(local, delta, &made);
        }
        if (overflow) {
          return call
              .fail("DATETIME_OVERFLOW", "22008",
                    fmt::format("Datetime operation overflow: add {} {} to a timestamp.", quantity,
                                unit))
              .with_parameter("operation", fmt::format("add {} {}", quantity, unit));
        }
        out = instant && calendar ? call.zone.to_utc(made) : made;
        return {};
      },
      units, FixedReader<int64_t>(arguments[1]), FixedReader<int64_t>(arguments[2]));
}

// timestampdiff(unit, a, b): whole units from a to b.
Result<ArrayPtr> timestamp_difference(KernelCall& call, Arguments arguments) {
  const bool instant = call.type_of(1).is(TypeKind::kTimestamp);
  return map_failing<int64_t>(
      call,
      [&](std::string_view unit, int64_t a, int64_t b,
          std::optional<int64_t>& out) -> Result<void> {
        const auto step = step_of(unit);
        if (!step) return bad_unit(call, unit);
        const int64_t from = instant ? call.zone.to_local(a) : a;
        const int64_t to = instant ? call.zone.to_local(b) : b;
        if (step->months == 0) {
          out = static_cast<int64_t>((static_cast<__int128>(to) - from) / step->us);
          return {};
        }
        const auto date_from = civil_from_days(floor_div(from, kMicrosPerDay));
        const auto date_to = civil_from_days(floor_div(to, kMicrosPerDay));
        int64_t months = (date_to.year - date_from.year) * 12 + date_to.month - date_from.month;
        const auto rest = [&](const plan::CivilDate& date, int64_t local) {
          return date.day * kMicrosPerDay + floor_mod(local, kMicrosPerDay);
        };
        const int64_t difference = rest(date_to, to) - rest(date_from, from);
        if (months > 0 && difference < 0) --months;
        if (months < 0 && difference > 0) ++months;
        out = months / step->months;
        return {};
      },
      TextReader(arguments[0]), FixedReader<int64_t>(arguments[1]),
      FixedReader<int64_t>(arguments[2]));
}

enum class Part {
  kNone,
  kEra,
  kYearOfIso,
  kYear,
  kQuarter,
  kMonth,
  kWeek,
  kDay,
  kDayOfWeek,
  kDayOfWeekIso,
  kDayOfYear,
  kHour,
  kMinute,
  kSecond
};

Part part_of(std::string_view field) {
  static const std::pair<Part, std::vector<std::string_view>> kParts[] = {
      {Part::kYear, {"YEAR", "Y", "YEARS", "YR", "YRS"}},
      {Part::kYearOfIso, {"YEAROFWEEK"}},
      {Part::kQuarter, {"QUARTER", "QTR"}},
      {Part::kMonth, {"MONTH", "MON", "MONS", "MONTHS"}},
      {Part::kWeek, {"WEEK", "W", "WEEKS"}},
      {Part::kDay, {"DAY", "D", "DAYS"}},
      {Part::kDayOfWeek, {"DAYOFWEEK", "DOW"}},
      {Part::kDayOfWeekIso, {"DAYOFWEEK_ISO", "DOW_ISO"}},
      {Part::kDayOfYear, {"DOY"}},
      {Part::kHour, {"HOUR", "H", "HOURS", "HR", "HRS"}},
      {Part::kMinute, {"MINUTE", "M", "MIN", "MINS", "MINUTES"}},
      {Part::kSecond, {"SECOND", "S", "SEC", "SECONDS", "SECS"}}};
  const auto upper = boost::to_upper_copy(std::string(field));
  for (const auto& [part, names] : kParts) {
    for (const auto name : names) {
      if (name == upper) return part;
    }
  }
  return Part::kNone;
}

int64_t date_field(Part part, int64_t days) {
  const auto date = civil_from_days(days);
  const int64_t weekday = floor_mod(days + 3, 7);  // 0 Monday
  const int64_t thursday = days - weekday + 3;
  switch (part) {
    case Part::kYear:
      return date.year;
    case Part::kYearOfIso:
      return civil_from_days(thursday).year;
    case Part::kQuarter:
      return (date.month + 2) / 3;
    case Part::kMonth:
      return date.month;
    case Part::kWeek:
      return (thursday - days_from_civil(civil_from_days(thursday).year, 1, 1)) / 7 + 1;
    case Part::kDay:
      return date.day;
    case Part::kDayOfWeek:
      return floor_mod(weekday + 1, 7) + 1;
    case Part::kDayOfWeekIso:
      return weekday + 1;
    default:
      return days - days_from_civil(date.year, 1, 1) + 1;
  }
}

// date_part(field, source): the signature has checked that the field fits the source.
Result<ArrayPtr> date_part(KernelCall& call, Arguments arguments) {
  const TextReader names(arguments[0]);
  if (!names.valid[0]) {
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(call.arrow_type, call.rows));
    return nulls;
  }
  const Part part = part_of(names[0]);
  const auto& source = call.type_of(1);
  if (source.is(TypeKind::kYearMonthInterval)) {
    const bool year = part == Part::kYear;
    const FixedReader<int32_t> months(arguments[1]);
    if (year)
      return map_fixed<int32_t>(
          call, [](int32_t m) { return m / 12; }, months);
    return map_fixed<int8_t>(
        call, [](int32_t m) { return static_cast<int8_t>(m % 12); }, months);
  }
  if (source.is(TypeKind::kDate)) {
    return map_fixed<int32_t>(
        call, [&](int32_t days) { return static_cast<int32_t>(date_field(part, days)); },
        FixedReader<int32_t>(arguments[1]));
  }
  const FixedReader<int64_t> times(arguments[1]);
  if (source.is(TypeKind::kDayTimeInterval)) {
    switch (part) {
      case Part::kDay:
        return map_fixed<int32_t>(
            call, [](int64_t us) { return static_cast<int32_t>(us / kMicrosPerDay); }, times);
      case Part::kHour:
        return map_fixed<int8_t>(
            call,
            [](int64_t us) { return static_cast<int8_t>(us % kMicrosPerDay / kMicrosPerHour); },
            times);
      case Part::kMinute:
        return map_fixed<int8_t>(
            call,
            [](int64_t us) { return static_cast<int8_t>(us % kMicrosPerHour / kMicrosPerMinute); },
            times);
      default:
        return map_fixed<Int128>(
            call, [](int64_t us) { return static_cast<Int128>(us % kMicrosPerMinute); }, times);
    }
  }
  const bool instant = source.is(TypeKind::kTimestamp);
  const auto local = [&](int64_t us) { return instant ? call.zone.to_local(us) : us; };
  if (part == Part::kSecond) {
    return map_fixed<Int128>(
        call,
        [&](int64_t us) { return static_cast<Int128>(floor_mod(local(us), kMicrosPerMinute)); },
        times);
  }
  return map_fixed<int32_t>(
      call,
      [&](int64_t us) {
        const int64_t here = local(us);
        if (part == Part::kHour)
          return static_cast<int32_t>(floor_mod(here, kMicrosPerDay) / kMicrosPerHour);
        if (part == Part::kMinute)
          return static_cast<int32_t>(floor_mod(here, kMicrosPerHour) / kMicrosPerMinute);
        return static_cast<int32_t>(date_field(part, floor_div(here, kMicrosPerDay)));
      },
      times);
}

// time_bucket(width, time[, origin]): the latest of origin + k widths that is not after the time.
// Days and months are steps of the calendar.
Result<ArrayPtr> time_bucket(KernelCall& call, Arguments arguments) {
  const bool months = call.type_of(0).is(TypeKind::kYearMonthInterval);
  const bool instant = call.type().is(TypeKind::kTimestamp);
  const Validity width_valid(arguments[0]);
  const FixedReader<int64_t> times(arguments[1]);
  std::optional<FixedReader<int64_t>> origins;
  if (arguments.size() > 2) origins.emplace(arguments[2]);
  const auto to_local = [&](int64_t us) { return instant ? call.zone.to_local(us) : us; };
  const auto to_time = [&](int64_t us) { return instant ? call.zone.to_utc(us) : us; };
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!width_valid[row] || !times.valid[row] || (origins && !origins->valid[row])) {
      writer.set_null(row);
      continue;
    }
    const int64_t width =
        months ? FixedReader<int32_t>(arguments[0])[row] : FixedReader<int64_t>(arguments[0])[row];
    if (width <= 0) {
      return call.fail("INVALID_PARAMETER_VALUE.INTERVAL", "22023",
                       "The bucket width of time_bucket has to be positive.");
    }
    const int64_t time = times[row];
    const int64_t origin = origins ? (*origins)[row] : to_time(0);
    const auto step = [&](int64_t k) {
      if (months) {
        const int64_t local = to_local(origin);
        const auto date = civil_from_days(floor_div(local, kMicrosPerDay));
        const int64_t total = date.year * 12 + date.month - 1 + k * width;
        const int64_t year = floor_div(total, 12);
        const int month = static_cast<int>(floor_mod(total, 12)) + 1;
        return to_time(
            days_from_civil(year, month, std::min(date.day, days_in_month(year, month))) *
                kMicrosPerDay +
            floor_mod(local, kMicrosPerDay));
      }
      const int64_t days = k * width / kMicrosPerDay;
      return to_time(to_local(origin) + days * kMicrosPerDay) + k * width % kMicrosPerDay;
    };
    if (!months && width < kMicrosPerDay) {
      writer.set(row, origin + floor_div(time - origin, width) * width);
      continue;
    }
    int64_t k = 0;
    if (months) {
      const auto a = civil_from_days(floor_div(to_local(time), kMicrosPerDay));
      const auto b = civil_from_days(floor_div(to_local(origin), kMicrosPerDay));
      k = floor_div((a.year - b.year) * 12 + a.month - b.month, width);
    } else {
      k = floor_div(time - origin, width);
    }
    if (step(k) > time) {
      --k;
    } else if (!months && step(k + 1) <= time) {
      ++k;
    }
    writer.set(row, step(k));
  }
  return writer.finish(call.arrow_type);
}

// The windows [start, start + length) that a time falls into, the latest first.
Result<ArrayPtr> time_windows(KernelCall& call, Arguments arguments) {
  const FixedReader<int64_t> times(arguments[0]), lengths(arguments[1]), slides(arguments[2]),
      starts(arguments[3]);
  ListOffsets offsets(call.rows);
  std::vector<int64_t> begins, ends;
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!times.valid[row] || !lengths.valid[row] || !slides.valid[row] || !starts.valid[row] ||
        slides[row] <= 0 || lengths[row] / slides[row] > 10000) {
      offsets.add_null(static_cast<int64_t>(begins.size()));
      continue;
    }
    const int64_t time = times[row], slide = slides[row];
    for (int64_t begin = time - floor_mod(time - starts[row], slide); begin > time - lengths[row];
         begin -= slide) {
      begins.push_back(begin);
      ends.push_back(begin + lengths[row]);
    }
    offsets.end_row(static_cast<int64_t>(begins.size()));
  }
  const auto count = static_cast<int64_t>(begins.size());
  const auto window = call.arrow_type->field(0)->type();
  const auto column = [&](const std::vector<int64_t>& values) {
    FixedWriter<int64_t> writer(count);
    for (int64_t i = 0; i < count; ++i)
      writer.set(i, values[static_cast<size_t>(i)]);
    return writer.finish(window->field(0)->type())->data();
  };
  const auto windows = arrow::MakeArray(
      arrow::ArrayData::Make(window, count, {nullptr}, {column(begins), column(ends)}, 0));
  return offsets.finish(call.arrow_type, windows);
}

// The window [start, start + length) of a time where windows do not overlap.
Result<ArrayPtr> time_window(KernelCall& call, Arguments arguments) {
  const FixedReader<int64_t> times(arguments[0]), lengths(arguments[1]), starts(arguments[3]);
  FixedWriter<int64_t> begins(call.rows), ends(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!times.valid[row] || !lengths.valid[row] || lengths[row] <= 0) {
      begins.set_null(row);
      ends.set_null(row);
      continue;
    }
    const int64_t length = lengths[row];
    const int64_t into =
        floor_mod(floor_mod(times[row], length) - floor_mod(starts[row], length), length);
    int64_t begin = 0, end = 0;
    if (__builtin_sub_overflow(times[row], into, &begin) ||
        __builtin_add_overflow(begin, length, &end))
      return call.fail("DATETIME_OVERFLOW", "22008", "Datetime operation overflow: window().");
    begins.set(row, begin);
    ends.set(row, end);
  }
  const auto& type = call.arrow_type;
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, call.rows, {nullptr},
      {begins.finish(type->field(0)->type())->data(), ends.finish(type->field(1)->type())->data()},
      0));
}

Result<ArrayPtr> window_time(KernelCall& call, Arguments arguments) {
  const auto& window = static_cast<const arrow::StructArray&>(*arguments[0].array);
  WEIR_ARROW_ASSIGN(const auto ends, window.GetFlattenedField(1));
  const Vector vector{ends, arguments[0].constant};
  return map_fixed<int64_t>(
      call, [](int64_t end) { return end - 1; }, FixedReader<int64_t>(vector));
}

// [time, time + gap). NULL where there is no time or the gap is not positive.
Result<ArrayPtr> session_window(KernelCall& call, Arguments arguments) {
  const FixedReader<int64_t> times(arguments[0]);
  const bool text = call.type_of(1).is(TypeKind::kString);
  std::optional<TextReader> words;
  std::optional<FixedReader<int64_t>> numbers;
  if (text) {
    words.emplace(arguments[1]);
  } else {
    numbers.emplace(arguments[1]);
  }
  FixedWriter<int64_t> begins(call.rows), ends(call.rows);
  BoolWriter there(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    int64_t gap = 0;
    if (!text) {
      gap = numbers->valid[row] ? (*numbers)[row] : 0;
    } else if (words->valid[row]) {
      const auto duration = plan::parse_duration((*words)[row]);
      if (!duration || duration->months != 0) {
        return call.fail("CANNOT_PARSE_INTERVAL", "22006",
                         fmt::format("Unable to parse '{}'. Please ensure that the value provided "
                                     "is in a valid format for defining an interval.",
                                     (*words)[row]));
      }
      gap = duration->us;
    }
    int64_t end = 0;
    if (!times.valid[row] || gap <= 0) {
      begins.set_null(row);
      ends.set_null(row);
      there.set(row, false);
      continue;
    }
    if (__builtin_add_overflow(times[row], gap, &end))
      return call.fail("DATETIME_OVERFLOW", "22008",
                       "Datetime operation overflow: session_window().");
    begins.set(row, times[row]);
    ends.set(row, end);
    there.set(row, true);
  }
  const auto& type = call.arrow_type;
  const auto flags = there.finish();
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, call.rows, {flags->data()->buffers[1]},
      {begins.finish(type->field(0)->type())->data(), ends.finish(type->field(1)->type())->data()},
      arrow::kUnknownNullCount));
}

constexpr KernelEntry kKernels[] = {
    {"window", time_window},
    {"time windows", time_windows},
    {"window_time", window_time},
    {"session_window", session_window},
    {"time_bucket", time_bucket},
    {"make_timestamp", make_timestamp},
    {"try_make_timestamp", make_timestamp},
    {"make_timestamp_ltz", make_timestamp},
    {"try_make_timestamp_ltz", make_timestamp},
    {"make_timestamp_ntz", make_timestamp},
    {"try_make_timestamp_ntz", make_timestamp},
    {"make_dt_interval", make_day_time_interval},
    {"make_ym_interval", make_year_month_interval},
    {"next_day", next_day},
    {"dayname", day_name},
    {"monthname", month_name},
    {"months_between", months_between},
    {"localtimestamp", local_timestamp},
    {"convert_timezone", convert_timezone},
    {"timestampadd", timestamp_add},
    {"timestampdiff", timestamp_difference},
    {"date_part", date_part},
};

}  // namespace

std::span<const KernelEntry> time_maker_kernels() { return kKernels; }

}  // namespace weir::eval
