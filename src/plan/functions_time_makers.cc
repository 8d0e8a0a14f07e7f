// Times and intervals made of their fields, fields taken out of them, differences in units.
#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>

#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }
const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }
bool some_nullable(const SignatureCall& call) {
  return std::any_of(call.arguments.begin(), call.arguments.end(),
                     [](const auto& a) { return a->nullable; });
}

Result<Signature> make_timestamp_rule(const Function& function, const SignatureCall& call) {
  const bool local = function.name.ends_with("_ntz");
  const bool may_be_null = function.name.starts_with("try_") || !call.options->ansi;
  const bool of_date = function.name == "make_timestamp" || function.name == "try_make_timestamp";
  if (call.arguments.size() == 1 && of_date) {
    if (!can_cast_implicitly(type_at(call, 0), of(Date), call.options->ansi))
      return unexpected_input(call, 0, "\"DATE\"");
    return Signature{{of(Date)}, of(local ? Ntz : Ts), some_nullable(call)};
  }
  if (call.arguments.size() < 6 || (local && call.arguments.size() > 6)) {
    return analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                          "The `" + std::string(function.name) + "` requires " +
                              (local ? "6" : "6 or 7") + " parameters.",
                          call.origin);
  }
  Signature signature{{of(I), of(I), of(I), of(I), of(I), DataType::decimal(16, 6)},
                      of(local ? Ntz : Ts),
                      some_nullable(call) || may_be_null};
  if (call.arguments.size() > 6) signature.argument_types.push_back(of(S));
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (!can_cast_implicitly(type_at(call, i), signature.argument_types[i], call.options->ansi))
      return unexpected_input(call, i, "\"" + signature.argument_types[i].sql() + "\"");
  }
  return signature;
}

Result<Signature> day_time_rule(const Function&, const SignatureCall& call) {
  Signature signature{{}, of(TypeKind::kDayTimeInterval), some_nullable(call)};
  for (size_t i = 0; i < call.arguments.size(); ++i)
    signature.argument_types.push_back(i < 3 ? of(I) : DataType::decimal(18, 6));
  return signature;
}

Result<Signature> add_rule(const Function&, const SignatureCall& call) {
  auto time = type_at(call, 2);
  if (!time.is(Ntz)) time = of(Ts);
  if (!can_cast_implicitly(type_at(call, 2), time, call.options->ansi))
    return unexpected_input(call, 2, "\"TIMESTAMP\"");
  return Signature{{of(S), of(L), time}, time, some_nullable(call)};
}

Result<Signature> difference_rule(const Function&, const SignatureCall& call) {
  const bool local = type_at(call, 1).is(Ntz) && type_at(call, 2).is(Ntz);
  const auto time = of(local ? Ntz : Ts);
  for (size_t i = 1; i < 3; ++i) {
    if (!can_cast_implicitly(type_at(call, i), time, call.options->ansi))
      return unexpected_input(call, i, "\"TIMESTAMP\"");
  }
  return Signature{{of(S), time, time}, of(L), some_nullable(call)};
}

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

base::Error bad_field(const SignatureCall& call, std::string_view field) {
  return analysis_error("INVALID_EXTRACT_FIELD", "42601",
                        "Cannot extract " + std::string(field) + " from the source.", call.origin)
      .with_parameter("field", std::string(field));
}

Result<Signature> date_part_rule(const Function&, const SignatureCall& call) {
  const auto* literal = std::get_if<TypedLiteral>(&call.arguments[0]->node);
  const auto* text = literal ? std::get_if<std::string>(&literal->value) : nullptr;
  if (!text) {
    if (literal && !std::holds_alternative<std::monostate>(literal->value))
      return bad_field(call, "that");
    if (literal)  // NULL
      return Signature{{of(S), of(Ts)}, of(D), true};
    return analysis_error("NON_FOLDABLE_ARGUMENT", "42K08",
                          "The function `date_part` requires the parameter `field` to be a "
                          "foldable expression.",
                          call.origin);
  }
  const auto field = boost::to_upper_copy(*text);
  auto source = type_at(call, 1);
  const bool second = one_of(field, {"SECOND", "S", "SEC", "SECONDS", "SECS"});
  const bool hour = one_of(field, {"HOUR", "H", "HOURS", "HR", "HRS"});
  const bool minute = one_of(field, {"MINUTE", "M", "MIN", "MINS", "MINUTES"});
  const bool day = one_of(field, {"DAY", "D", "DAYS"});
  const bool year = one_of(field, {"YEAR", "Y", "YEARS", "YR", "YRS"});
  const bool month = one_of(field, {"MONTH", "MON", "MONS", "MONTHS"});
  const bool nullable = some_nullable(call);
  if (source.is(TypeKind::kYearMonthInterval)) {
    if (!year && !month) return bad_field(call, *text);
    return Signature{{of(S), source}, of(year ? I : TypeKind::kByte), nullable};
  }
  if (source.is(TypeKind::kDayTimeInterval)) {
    if (second) return Signature{{of(S), source}, DataType::decimal(8, 6), nullable};
    if (!day && !hour && !minute) return bad_field(call, *text);
    return Signature{{of(S), source}, of(day ? I : TypeKind::kByte), nullable};
  }
  const bool date = year || month || day ||
                    one_of(field, {"YEAROFWEEK", "QUARTER", "QTR", "WEEK", "W", "WEEKS",
                                   "DAYOFWEEK", "DOW", "DAYOFWEEK_ISO", "DOW_ISO", "DOY"});
  if (!date && !second && !hour && !minute) return bad_field(call, *text);
  if (!source.is(Date) && !source.is(Ntz)) source = of(Ts);
  if (source.is(Date) && !date) source = of(Ts);
  if (!can_cast_implicitly(type_at(call, 1), source, call.options->ansi))
    return unexpected_input(call, 1, "(\"DATE\" or \"TIMESTAMP\" or \"INTERVAL\")");
  return Signature{{of(S), source}, second ? DataType::decimal(8, 6) : of(I), nullable};
}

Result<Signature> convert_rule(const Function&, const SignatureCall& call) {
  Signature signature{{of(S)}, of(Ntz), some_nullable(call)};
  if (call.arguments.size() == 3) signature.argument_types.push_back(of(S));
  signature.argument_types.push_back(of(Ntz));
  return signature;
}

// time_bucket(width, time[, origin])
Result<Signature> bucket_rule(const Function&, const SignatureCall& call) {
  const auto& width = type_at(call, 0);
  if (!width.is(TypeKind::kDayTimeInterval) && !width.is(TypeKind::kYearMonthInterval))
    return unexpected_input(call, 0, "(\"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\")");
  const auto time = of(type_at(call, 1).is(Ntz) ? Ntz : Ts);
  Signature signature{{width}, time, some_nullable(call)};
  for (size_t i = 1; i < call.arguments.size(); ++i) {
    if (!can_cast_implicitly(type_at(call, i), time, call.options->ansi))
      return unexpected_input(call, i, "(\"TIMESTAMP\" or \"TIMESTAMP_NTZ\")");
    signature.argument_types.push_back(time);
  }
  return signature;
}

DataType window_type(TypeKind time) {
  return DataType::structure(
      {columnar::make_field("start", of(time)), columnar::make_field("end", of(time))});
}

// window() and "time windows" as their clause calls them (time_windows.cc): a time, then length,
// slide and start in microseconds.
SignatureRule windows_rule(bool several) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto time = type_at(call, 0).is(Ntz) ? Ntz : Ts;
    if (!can_cast_implicitly(type_at(call, 0), of(time), call.options->ansi))
      return unexpected_input(call, 0, "(\"TIMESTAMP\" or \"TIMESTAMP_NTZ\")");
    const auto window = window_type(time);
    return Signature{{of(time), of(L), of(L), of(L)},
                     several ? DataType::array(window, false) : window,
                     several && call.arguments[0]->nullable};
  };
}

// session_window() as its clause calls it: a time, then the gap as text, interval or microseconds.
Result<Signature> session_window_rule(const Function&, const SignatureCall& call) {
  const auto time = type_at(call, 0).is(Ntz) ? Ntz : Ts;
  if (!can_cast_implicitly(type_at(call, 0), of(time), call.options->ansi))
    return unexpected_input(call, 0, "(\"TIMESTAMP\" or \"TIMESTAMP_NTZ\")");
  const auto& gap = type_at(call, 1);
  const bool number = gap.is(L) || gap.is(TypeKind::kDayTimeInterval);
  return Signature{{of(time), number ? gap : of(S)}, window_type(time), true};
}

Result<Signature> window_time_rule(const Function&, const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  const bool window = type.is(TypeKind::kStruct) && type.fields().size() == 2 &&
                      type.fields()[0].name == "start" && type.fields()[1].name == "end" &&
                      (type.fields()[1].type().is(Ts) || type.fields()[1].type().is(Ntz));
  if (!window) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          "window_time() takes the column that window() made.", call.origin);
  }
  return Signature{{type}, type.fields()[1].type(), call.arguments[0]->nullable};
}

}  // namespace

void add_time_makers(Functions& list) {
  for (const auto* name : {"make_timestamp", "make_timestamp_ltz", "make_timestamp_ntz"})
    list.push_back(risky(name, 1, 7, make_timestamp_rule,
                         "A timestamp of year, month, day, hour, minute, seconds (and zone)."));
  for (const auto* name :
       {"try_make_timestamp", "try_make_timestamp_ltz", "try_make_timestamp_ntz"})
    list.push_back(sure(name, 1, 7, make_timestamp_rule,
                        "As without try_, NULL where the fields make no time."));
  list.push_back(risky("make_dt_interval", 0, 4, day_time_rule,
                       "An interval of days, hours, minutes, seconds."));
  list.push_back(risky("make_ym_interval", 0, 2, fixed({I}, TypeKind::kYearMonthInterval),
                       "An interval of years and months."));
  list.push_back(risky("next_day", 2, 2, fixed_nullable({Date, S}, Date),
                       "The next day of that name after the date."));
  list.push_back(sure("dayname", 1, 1, fixed({Date}, S), "The day's name, three letters."));
  list.push_back(sure("monthname", 1, 1, fixed({Date}, S), "The month's name, three letters."));
  list.push_back(
      sure("months_between", 2, 3, fixed({Ts, Ts, B}, D),
           "Months from the second to the first, to eight digits unless told otherwise."));
  list.push_back(
      sure("localtimestamp", 0, 0, any_never_null(Ntz), "The batch's time in the session's zone."));
  list.push_back(risky("convert_timezone", 2, 3, convert_rule,
                       "A local time of one zone as that of another."));
  list.push_back(risky("timestampadd", 3, 3, add_rule, "A time some units later."));
  list.push_back(risky("timestampdiff", 3, 3, difference_rule,
                       "Whole units from the first time to the second."));
  list.push_back(sure("window", 2, 4, windows_rule(false),
                      "The window of time that a time belongs to: struct of start and end."));
  list.push_back(sure("time windows", 4, 4, windows_rule(true),
                      "All windows of a time where they overlap: what window() is made of."));
  list.push_back(
      risky("session_window", 2, 2, session_window_rule,
            "The session that a time begins: it ends a gap later, and grows by others."));
  list.push_back(
      sure("window_time", 1, 1, window_time_rule, "The last microsecond of a time window."));
  list.push_back(risky("time_bucket", 2, 3, bucket_rule,
                       "The beginning of a time's bucket of a width, counted from an origin."));
  list.push_back(risky("date_part", 2, 2, date_part_rule,
                       "A field of a date, timestamp or interval.", {"extract", "datepart"}));
}

}  // namespace weir::plan
