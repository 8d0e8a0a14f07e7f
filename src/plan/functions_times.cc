#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

// Days as a whole number no longer than an int.
SignatureRule days_later() {
  return [rule = fixed({Date, I}, Date)](const Function& function,
                                         const SignatureCall& call) -> Result<Signature> {
    const auto& days = call.arguments[1]->type;
    if (days.is_numeric() && (!is_integral(days) || days.is(L)))
      return unexpected_input(call, 1, "(\"INT\" or \"SMALLINT\" or \"TINYINT\")");
    return rule(function, call);
  };
}

// NULL instead of an error without ANSI.
SignatureRule failing(SignatureRule rule) {
  return [rule = std::move(rule)](const Function& function,
                                  const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(auto signature, rule(function, call));
    signature.nullable |= !call.options->ansi;
    return signature;
  };
}

}  // namespace

void add_times(Functions& list) {
  list.push_back(sure("current_timestamp", 0, 0, any_never_null(Ts), "The batch's time.", {"now"}));
  list.push_back(sure("current_date", 0, 0, any_never_null(Date),
                      "The batch's date in the session's zone.", {"curdate"}));
  list.push_back(sure("current_timezone", 0, 0, any_never_null(S), "The session's zone."));
  list.push_back(
      risky("to_timestamp", 1, 2, timestamp_from(Ts), "Text (by a pattern) to timestamp."));
  list.push_back(
      sure("try_to_timestamp", 1, 2, timestamp_from(Ts), "As to_timestamp, NULL where it fails."));
  list.push_back(
      risky("to_timestamp_ltz", 1, 2, timestamp_from(Ts), "Text (by a pattern) to timestamp."));
  list.push_back(risky("to_timestamp_ntz", 1, 2, timestamp_from(Ntz),
                       "Text (by a pattern) to a timestamp without zone."));
  list.push_back(
      sure("try_to_date", 1, 2, timestamp_from(Date), "As to_date, NULL where it fails."));
  list.push_back(risky("to_date", 1, 2, timestamp_from(Date), "Text (by a pattern) to date."));
  list.push_back(risky("unix_timestamp", 0, 2, timestamp_from(L),
                       "Seconds since 1970 of a time (by a pattern).", {"to_unix_timestamp"}));
  list.push_back(
      risky("from_unixtime", 1, 2, fixed({L, S}, S), "Seconds since 1970 as text (by a pattern)."));
  list.push_back(
      risky("date_format", 2, 2, fixed({Ts, S}, S), "A timestamp as text by a pattern."));
  list.push_back(sure("date_trunc", 2, 2, fixed_nullable({S, Ts}, Ts),
                      "Timestamp cut to a unit (the unit first)."));
  list.push_back(sure("trunc", 2, 2, fixed_nullable({Date, S}, Date),
                      "Date cut to a unit (the unit second)."));
  const auto date_part = date_or_timestamp_part(false);
  const auto time_part = date_or_timestamp_part(true);
  list.push_back(sure("year", 1, 1, date_part, "The year."));
  list.push_back(sure("quarter", 1, 1, date_part, "The quarter, 1 to 4."));
  list.push_back(sure("month", 1, 1, date_part, "The month."));
  list.push_back(sure("day", 1, 1, date_part, "The day of the month.", {"dayofmonth"}));
  list.push_back(sure("dayofweek", 1, 1, date_part, "1 for Sunday to 7 for Saturday."));
  list.push_back(sure("weekday", 1, 1, date_part, "0 for Monday to 6 for Sunday."));
  list.push_back(sure("dayofyear", 1, 1, date_part, "The day of the year."));
  list.push_back(sure("weekofyear", 1, 1, date_part, "ISO week of the year."));
  list.push_back(sure("hour", 1, 1, time_part, "The hour."));
  list.push_back(sure("minute", 1, 1, time_part, "The minute."));
  list.push_back(sure("second", 1, 1, time_part, "The second."));
  list.push_back(sure("datediff", 2, 2, fixed({Date}, I), "Days from the second to the first.",
                      {"date_diff"}));
  list.push_back(sure("date_add", 2, 2, days_later(), "Days later.", {"dateadd"}));
  list.push_back(sure("date_sub", 2, 2, days_later(), "Days earlier."));
  list.push_back(sure("add_months", 2, 2, fixed({Date, I}, Date),
                      "Months later, at the most the month's last day."));
  list.push_back(sure("last_day", 1, 1, fixed({Date}, Date), "Last day of the month."));
  list.push_back(risky("make_date", 3, 3, failing(fixed({I}, Date)), "Date of year, month, day."));
  list.push_back(sure("unix_date", 1, 1, fixed({Date}, I), "Days since 1970."));
  list.push_back(sure("date_from_unix_date", 1, 1, fixed({I}, Date), "Date of days since 1970."));
  list.push_back(sure("unix_seconds", 1, 1, fixed({Ts}, L), "Seconds since 1970."));
  list.push_back(sure("unix_millis", 1, 1, fixed({Ts}, L), "Milliseconds since 1970."));
  list.push_back(sure("unix_micros", 1, 1, fixed({Ts}, L), "Microseconds since 1970."));
  list.push_back(
      risky("timestamp_seconds", 1, 1, seconds_to_timestamp(), "Timestamp of seconds since 1970."));
  list.push_back(
      risky("timestamp_millis", 1, 1, fixed({L}, Ts), "Timestamp of milliseconds since 1970."));
  list.push_back(
      risky("timestamp_micros", 1, 1, fixed({L}, Ts), "Timestamp of microseconds since 1970."));
  list.push_back(
      risky("from_utc_timestamp", 2, 2, fixed({Ts, S}, Ts), "A UTC time shown in a zone."));
  list.push_back(
      risky("to_utc_timestamp", 2, 2, fixed({Ts, S}, Ts), "A zone's time shown in UTC."));
}

}  // namespace weir::plan
