#include "eval/cast.h"

#include <cmath>
#include <limits>

#include <arrow/array/util.h>

#include "columnar/arrow_types.h"
#include "columnar/datetime_text.h"
#include "eval/cast_intervals.h"
#include "eval/node.h"
#include "plan/calendar.h"

namespace weir::eval {

using plan::floor_div;
using plan::Int128;
using plan::kMicrosPerDay;
using plan::kMicrosPerSecond;

namespace {

enum class Outcome { kValue, kNull, kMalformed, kOverflow };

bool is_decimal(const DataType& type) { return type.is(TypeKind::kDecimal); }

base::Error malformed(const CastCall& call, std::string_view shown) {
  return kernel_error("CAST_INVALID_INPUT", "22018",
                      fmt::format("The value {} of the type \"{}\" cannot be cast to \"{}\" "
                                  "because it is malformed. Correct the value as per "
                                  "the syntax, or change its target type. Use `try_cast` to "
                                  "tolerate malformed input and return NULL instead.",
                                  shown, call.from.sql(), call.to.sql()),
                      call.origin);
}

base::Error overflow(const CastCall& call, std::string_view shown) {
  if (is_decimal(call.to)) {
    return kernel_error("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003",
                        fmt::format("{} cannot be represented as Decimal({}, {}). If necessary set "
                                    "\"spark.sql.ansi.enabled\" to "
                                    "\"false\" to bypass this error, and return NULL instead.",
                                    shown, call.to.precision(), call.to.scale()),
                        call.origin);
  }
  return kernel_error("CAST_OVERFLOW", "22003",
                      fmt::format("The value {} of the type \"{}\" cannot be cast to \"{}\" due to "
                                  "an overflow. Use `try_cast` to "
                                  "tolerate overflow and return NULL instead.",
                                  shown, call.from.sql(), call.to.sql()),
                      call.origin);
}

std::string shown_value(const CastCall& call, const Vector& input, int64_t row) {
  std::string text;
  Zone zone = call.zone;
  append_text(call.from, *input.array, input.constant ? 0 : row, zone, true, text);
  return plan::is_text(call.from) ? "'" + text + "'" : text;
}

// Runs convert(row, out) -> Outcome over the rows that are not NULL.
template <typename Writer, typename Value, typename Convert>
Result<Writer> convert_rows(CastCall& call, const Vector& input, int64_t rows, Convert&& convert) {
  Writer writer(rows);
  const Validity valid(input);
  const bool strict = call.ansi && !call.try_cast;
  for (int64_t row = 0; row < rows; ++row) {
    if (!valid[row]) {
      writer.set_null(row);
      continue;
    }
    Value out{};
    const Outcome outcome = convert(row, out);
    if (outcome == Outcome::kValue) {
      writer.set(row, out);
    } else if (!strict || outcome == Outcome::kNull) {
      writer.set_null(row);
    } else {
      const auto shown = shown_value(call, input, row);
      return outcome == Outcome::kMalformed ? malformed(call, shown) : overflow(call, shown);
    }
  }
  return writer;
}

template <typename T, typename Convert>
Result<ArrayPtr> convert_fixed(CastCall& call, const Vector& input, int64_t rows,
                               Convert&& convert) {
  WEIR_ASSIGN(auto writer, (convert_rows<FixedWriter<T>, T>(call, input, rows, convert)));
  return writer.finish(columnar::to_arrow(call.to));
}

template <typename Convert>
Result<ArrayPtr> convert_bool(CastCall& call, const Vector& input, int64_t rows,
                              Convert&& convert) {
  WEIR_ASSIGN(auto writer, (convert_rows<BoolWriter, bool>(call, input, rows, convert)));
  return writer.finish();
}

// Calls visit(getter) with a getter row -> value of the numeric (or boolean) input's own C++ type.
template <typename Visit>
Result<ArrayPtr> with_number(const DataType& type, const Vector& input, Visit&& visit) {
  switch (type.kind()) {
    case TypeKind::kBoolean: {
      const BoolReader reader(input);
      return visit([reader](int64_t row) { return static_cast<int64_t>(reader[row]); });
    }
    case TypeKind::kByte: {
      const FixedReader<int8_t> reader(input);
      return visit([reader](int64_t row) { return static_cast<int64_t>(reader[row]); });
    }
    case TypeKind::kShort: {
      const FixedReader<int16_t> reader(input);
      return visit([reader](int64_t row) { return static_cast<int64_t>(reader[row]); });
    }
    case TypeKind::kInteger:
    case TypeKind::kYearMonthInterval: {
      const FixedReader<int32_t> reader(input);
      return visit([reader](int64_t row) { return static_cast<int64_t>(reader[row]); });
    }
    case TypeKind::kFloat: {
      const FixedReader<float> reader(input);
      return visit([reader](int64_t row) { return reader[row]; });
    }
    case TypeKind::kDouble: {
      const FixedReader<double> reader(input);
      return visit([reader](int64_t row) { return reader[row]; });
    }
    case TypeKind::kDecimal: {
      const FixedReader<Int128> reader(input);
      return visit([reader](int64_t row) { return reader[row]; });
    }
    default: {
      const FixedReader<int64_t> reader(input);
      return visit([reader](int64_t row) { return reader[row]; });
    }
  }
}

// Java's narrowing of a floating point number: saturates, NaN is 0.
template <typename Int, typename Float>
Int java_narrow(Float value) {
  if (std::isnan(value)) return 0;
  if (value <= static_cast<Float>(std::numeric_limits<Int>::min()))
    return std::numeric_limits<Int>::min();
  if (value >= static_cast<Float>(std::numeric_limits<Int>::max()))
    return std::numeric_limits<Int>::max();
  return static_cast<Int>(value);
}

template <typename Int, typename Value>
Outcome to_integral(Value value, int from_scale, bool strict, bool saturate_int32, Int& out) {
  if constexpr (std::is_floating_point_v<Value>) {
    // floor(x) <= max and ceil(x) >= min, as Spark asks.
    const auto real = static_cast<double>(value);
    const bool fits = std::floor(real) <= static_cast<double>(std::numeric_limits<Int>::max()) &&
                      std::ceil(real) >= static_cast<double>(std::numeric_limits<Int>::min());
    if (strict && !fits) return Outcome::kOverflow;
    // Java goes through int for byte and short.
    out = sizeof(Int) < 4 ? static_cast<Int>(java_narrow<int32_t>(value)) : java_narrow<Int>(value);
    return Outcome::kValue;
  } else {
    Int128 whole = value;
    if (from_scale > 0) whole /= power_of_ten(from_scale);
    const bool fits =
        whole >= std::numeric_limits<Int>::min() && whole <= std::numeric_limits<Int>::max();
    if (strict && !fits) return Outcome::kOverflow;
    (void)saturate_int32;
    out = static_cast<Int>(whole);
    return Outcome::kValue;
  }
}

template <typename Int>
Result<ArrayPtr> number_to_integral(CastCall& call, const Vector& input, int64_t rows) {
  const bool strict = call.ansi || call.try_cast;
  const int scale = is_decimal(call.from) ? call.from.scale() : 0;
  return with_number(call.from, input, [&](auto get) {
    return convert_fixed<Int>(call, input, rows, [&](int64_t row, Int& out) {
      return to_integral<Int>(get(row), scale, strict, false, out);
    });
  });
}

double decimal_to_double(Int128 unscaled, int scale) {
  // Exact where both parts are; else through text, which rounds once.
  constexpr Int128 kExact = Int128{1} << 53;
  if (unscaled > -kExact && unscaled < kExact && scale <= 22) {
    return static_cast<double>(static_cast<int64_t>(unscaled)) / std::pow(10.0, scale);
  }
  double value = 0;
  parse_floating(plan::format_decimal(unscaled, scale), value);
  return value;
}

template <typename Float>
Result<ArrayPtr> number_to_floating(CastCall& call, const Vector& input, int64_t rows) {
  const int scale = is_decimal(call.from) ? call.from.scale() : 0;
  return with_number(call.from, input, [&](auto get) {
    return convert_fixed<Float>(call, input, rows, [&](int64_t row, Float& out) {
      const auto value = get(row);
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Int128>) {
        out = static_cast<Float>(decimal_to_double(value, scale));
      } else {
        out = static_cast<Float>(value);
      }
      return Outcome::kValue;
    });
  });
}

Result<ArrayPtr> number_to_decimal(CastCall& call, const Vector& input, int64_t rows) {
  const int precision = call.to.precision(), scale = call.to.scale();
  const int from_scale = is_decimal(call.from) ? call.from.scale() : 0;
  return with_number(call.from, input, [&](auto get) {
    return convert_fixed<Int128>(call, input, rows, [&](int64_t row, Int128& out) {
      const auto value = get(row);
      if constexpr (std::is_floating_point_v<std::decay_t<decltype(value)>>) {
        if (std::isnan(value) || std::isinf(value)) return Outcome::kNull;
        bool fits = false;
        parse_decimal(plan::format_double(static_cast<double>(value)), precision, scale, out, fits);
        return fits ? Outcome::kValue : Outcome::kOverflow;
      } else {
        return rescale_decimal(value, from_scale, precision, scale, out) ? Outcome::kValue
                                                                         : Outcome::kOverflow;
      }
    });
  });
}

Result<ArrayPtr> number_to_boolean(CastCall& call, const Vector& input, int64_t rows) {
  return with_number(call.from, input, [&](auto get) {
    return convert_bool(call, input, rows, [&](int64_t row, bool& out) {
      out = get(row) != 0;
      return Outcome::kValue;
    });
  });
}

Result<ArrayPtr> number_to_timestamp(CastCall& call, const Vector& input, int64_t rows) {
  const bool strict = call.ansi || call.try_cast;
  const int scale = is_decimal(call.from) ? call.from.scale() : 0;
  return with_number(call.from, input, [&](auto get) {
    return convert_fixed<int64_t>(call, input, rows, [&](int64_t row, int64_t& out) {
      const auto value = get(row);
      using Value = std::decay_t<decltype(value)>;
      if constexpr (std::is_floating_point_v<Value>) {
        if (std::isnan(value) || std::isinf(value))
          return strict ? Outcome::kMalformed : Outcome::kNull;
        const double us = static_cast<double>(value) * 1e6;
        if (strict &&
            (std::floor(us) > 9.2233720368547758e18 || std::ceil(us) < -9.2233720368547758e18))
          return Outcome::kOverflow;
        out = java_narrow<int64_t>(us);
      } else if constexpr (std::is_same_v<Value, Int128>) {
        // What is too large wraps around, as in Spark (BigDecimal.longValue).
        out = static_cast<int64_t>(
            scale <= 6 ? static_cast<unsigned __int128>(value) *
                             static_cast<unsigned __int128>(power_of_ten(6 - scale))
                       : static_cast<unsigned __int128>(value / power_of_ten(scale - 6)));
      } else if (call.from.is(TypeKind::kBoolean)) {
        out = value;
      } else if (__builtin_mul_overflow(value, kMicrosPerSecond, &out)) {
        out = value < 0 ? INT64_MIN : INT64_MAX;
      }
      return Outcome::kValue;
    });
  });
}

Result<ArrayPtr> timestamp_to_number(CastCall& call, const Vector& input, int64_t rows) {
  const FixedReader<int64_t> us(input);
  const auto integral = [&]<typename Int>(Int) {
    return convert_fixed<Int>(call, input, rows, [&](int64_t row, Int& out) {
      const int64_t seconds = floor_div(us[row], kMicrosPerSecond);
      // Without ANSI this is NULL too, unlike other narrowing casts.
      if (seconds < std::numeric_limits<Int>::min() || seconds > std::numeric_limits<Int>::max()) {
        return Outcome::kOverflow;
      }
      out = static_cast<Int>(seconds);
      return Outcome::kValue;
    });
  };
  switch (call.to.kind()) {
    case TypeKind::kByte:
      return integral(int8_t{});
    case TypeKind::kShort:
      return integral(int16_t{});
    case TypeKind::kInteger:
      return integral(int32_t{});
    case TypeKind::kLong:
      return integral(int64_t{});
    case TypeKind::kFloat:
      return convert_fixed<float>(call, input, rows, [&](int64_t row, float& out) {
        out = static_cast<float>(static_cast<double>(us[row]) / 1e6);
        return Outcome::kValue;
      });
    case TypeKind::kDouble:
      return convert_fixed<double>(call, input, rows, [&](int64_t row, double& out) {
        out = static_cast<double>(us[row]) / 1e6;
        return Outcome::kValue;
      });
    case TypeKind::kBoolean:
      return convert_bool(call, input, rows, [&](int64_t row, bool& out) {
        out = us[row] != 0;
        return Outcome::kValue;
      });
    default:
      return convert_fixed<Int128>(call, input, rows, [&](int64_t row, Int128& out) {
        // Spark goes through a double of seconds.
        bool fits = false;
        parse_decimal(plan::format_decimal(us[row], 6), call.to.precision(), call.to.scale(), out,
                      fits);
        return fits ? Outcome::kValue : Outcome::kOverflow;
      });
  }
}

Result<ArrayPtr> temporal_to_temporal(CastCall& call, const Vector& input, int64_t rows) {
  Zone zone = call.zone;
  const auto to_days = [](int64_t local_us) {
    return static_cast<int32_t>(floor_div(local_us, kMicrosPerDay));
  };
  if (call.from.is(TypeKind::kDate)) {
    const FixedReader<int32_t> days(input);
    const bool instant = call.to.is(TypeKind::kTimestamp);
    return convert_fixed<int64_t>(call, input, rows, [&](int64_t row, int64_t& out) {
      int64_t local = 0;
      if (!plan::micros_of(days[row], 0, local)) return Outcome::kOverflow;
      out = instant ? zone.to_utc(local) : local;
      return Outcome::kValue;
    });
  }
  const FixedReader<int64_t> us(input);
  const bool from_instant = call.from.is(TypeKind::kTimestamp);
  if (call.to.is(TypeKind::kDate)) {
    return convert_fixed<int32_t>(call, input, rows, [&](int64_t row, int32_t& out) {
      out = to_days(from_instant ? zone.to_local(us[row]) : us[row]);
      return Outcome::kValue;
    });
  }
  return convert_fixed<int64_t>(call, input, rows, [&](int64_t row, int64_t& out) {
    out = from_instant ? zone.to_local(us[row]) : zone.to_utc(us[row]);
    return Outcome::kValue;
  });
}

template <typename Int>
Result<ArrayPtr> text_to_integral(CastCall& call, const Vector& input, int64_t rows) {
  const TextReader text(input);
  const bool strict = call.ansi || call.try_cast;
  return convert_fixed<Int>(call, input, rows, [&](int64_t row, Int& out) {
    int64_t value = 0;
    if (!parse_integral(text[row], !strict, value) || value < std::numeric_limits<Int>::min() ||
        value > std::numeric_limits<Int>::max()) {
      return Outcome::kMalformed;
    }
    out = static_cast<Int>(value);
    return Outcome::kValue;
  });
}

template <typename Float>
Result<ArrayPtr> text_to_floating(CastCall& call, const Vector& input, int64_t rows) {
  const TextReader text(input);
  return convert_fixed<Float>(call, input, rows, [&](int64_t row, Float& out) {
    return parse_floating(text[row], out) ? Outcome::kValue : Outcome::kMalformed;
  });
}

// convert(row, value) -> Outcome into months or microseconds.
template <typename Convert>
Result<ArrayPtr> convert_interval(CastCall& call, const Vector& input, int64_t rows,
                                  Convert&& convert) {
  if (call.to.is(TypeKind::kDayTimeInterval))
    return convert_fixed<int64_t>(call, input, rows, convert);
  return convert_fixed<int32_t>(call, input, rows, [&](int64_t row, int32_t& out) {
    int64_t months = 0;
    const auto outcome = convert(row, months);
    out = static_cast<int32_t>(months);
    return outcome;
  });
}

Result<ArrayPtr> text_to_interval(CastCall& call, const Vector& input, int64_t rows) {
  const TextReader text(input);
  const Validity valid(input);
  std::optional<std::string> refused;
  auto cast = convert_interval(call, input, rows, [&](int64_t row, int64_t& out) {
    const auto value = parse_interval(text[row], call.to);
    if (value) out = *value;
    if (!value && !refused) refused = std::string(text[row]);
    return value ? Outcome::kValue : Outcome::kNull;
  });
  if (!refused || call.try_cast) return cast;
  const auto kind = call.to.is(TypeKind::kDayTimeInterval) ? "day-time" : "year-month";
  return kernel_error("INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING", "22006",
                      fmt::format("Error parsing '{}' to interval. The text is no {} interval in "
                                  "the units of {}.",
                                  *refused, kind, call.to.simple_string()),
                      call.origin);
}

Result<ArrayPtr> number_to_interval(CastCall& call, const Vector& input, int64_t rows) {
  const int scale = is_decimal(call.from) ? call.from.scale() : 0;
  return with_number(call.from, input, [&](auto get) {
    return convert_interval(call, input, rows, [&](int64_t row, int64_t& out) {
      const auto value = interval_of_number(static_cast<Int128>(get(row)), scale, call.to);
      if (value) out = *value;
      return value ? Outcome::kValue : Outcome::kOverflow;
    });
  });
}

Result<ArrayPtr> cast_interval(CastCall& call, const Vector& input, int64_t rows) {
  if (call.to.is_interval() && call.to.kind() == call.from.kind()) {
    if (call.to.last_unit() >= call.from.last_unit()) return input.array;
    return with_number(call.from, input, [&](auto get) {
      return convert_interval(call, input, rows, [&](int64_t row, int64_t& out) {
        out = cut_interval(static_cast<int64_t>(get(row)), call.to);
        return Outcome::kValue;
      });
    });
  }
  const bool micros =
      is_decimal(call.to) && call.from.is(TypeKind::kDayTimeInterval) && call.from.last_unit() == 3;
  const auto number = [&](auto get, int64_t row) {
    const auto value = static_cast<int64_t>(get(row));
    return micros ? value : interval_to_number(value, call.from);
  };
  const auto integral = [&]<typename Int>(Int) {
    return with_number(call.from, input, [&](auto get) {
      return convert_fixed<Int>(call, input, rows, [&](int64_t row, Int& out) {
        const int64_t value = number(get, row);
        out = static_cast<Int>(value);
        return out == value ? Outcome::kValue : Outcome::kOverflow;
      });
    });
  };
  switch (call.to.kind()) {
    case TypeKind::kByte:
      return integral(int8_t{});
    case TypeKind::kShort:
      return integral(int16_t{});
    case TypeKind::kInteger:
      return integral(int32_t{});
    case TypeKind::kLong:
      return integral(int64_t{});
    default:
      return with_number(call.from, input, [&](auto get) {
        return convert_fixed<Int128>(call, input, rows, [&](int64_t row, Int128& out) {
          return rescale_decimal(number(get, row), micros ? 6 : 0, call.to.precision(),
                                 call.to.scale(), out)
                     ? Outcome::kValue
                     : Outcome::kOverflow;
        });
      });
  }
}

Result<ArrayPtr> from_text(CastCall& call, const Vector& input, int64_t rows) {
  const TextReader text(input);
  Zone zone = call.zone;
  if (call.to.is_interval()) return text_to_interval(call, input, rows);
  switch (call.to.kind()) {
    case TypeKind::kBoolean:
      return convert_bool(call, input, rows, [&](int64_t row, bool& out) {
        return parse_boolean(text[row], out) ? Outcome::kValue : Outcome::kMalformed;
      });
    case TypeKind::kByte:
      return text_to_integral<int8_t>(call, input, rows);
    case TypeKind::kShort:
      return text_to_integral<int16_t>(call, input, rows);
    case TypeKind::kInteger:
      return text_to_integral<int32_t>(call, input, rows);
    case TypeKind::kLong:
      return text_to_integral<int64_t>(call, input, rows);
    case TypeKind::kFloat:
      return text_to_floating<float>(call, input, rows);
    case TypeKind::kDouble:
      return text_to_floating<double>(call, input, rows);
    case TypeKind::kDecimal:
      return convert_fixed<Int128>(call, input, rows, [&](int64_t row, Int128& out) {
        bool fits = false;
        if (!parse_decimal(text[row], call.to.precision(), call.to.scale(), out, fits))
          return Outcome::kMalformed;
        return fits ? Outcome::kValue : Outcome::kOverflow;
      });
    case TypeKind::kDate:
      return convert_fixed<int32_t>(call, input, rows, [&](int64_t row, int32_t& out) {
        const auto days = columnar::parse_date(text[row]);
        if (days) out = static_cast<int32_t>(*days);
        return days ? Outcome::kValue : Outcome::kMalformed;
      });
    case TypeKind::kTimestamp:
      return convert_fixed<int64_t>(call, input, rows, [&](int64_t row, int64_t& out) {
        return parse_timestamp_text(text[row], zone, call.batch_timestamp_us, out)
                   ? Outcome::kValue
                   : Outcome::kMalformed;
      });
    case TypeKind::kTimestampNtz:
      return convert_fixed<int64_t>(call, input, rows, [&](int64_t row, int64_t& out) {
        const auto us = columnar::parse_timestamp_ntz(text[row], true);
        if (us) out = *us;
        return us ? Outcome::kValue : Outcome::kMalformed;
      });
    default:
      return kernel_error("UNSUPPORTED_FEATURE", "0A000",
                          fmt::format("A cast of text to \"{}\" is not built.", call.to.sql()),
                          call.origin);
  }
}

Result<ArrayPtr> to_text(CastCall& call, const Vector& input, int64_t rows) {
  TextWriter writer(rows);
  const Validity valid(input);
  Zone zone = call.zone;
  for (int64_t row = 0; row < rows; ++row) {
    if (!valid[row]) {
      writer.add_null();
      continue;
    }
    append_text(call.from, *input.array, input.constant ? 0 : row, zone, call.ansi, writer.bytes());
    writer.end_row();
  }
  return writer.finish(columnar::to_arrow(call.to));
}

// Text and binary share their layouts.
Result<ArrayPtr> relabel_text(CastCall& call, const Vector& input) {
  auto data = input.array->data()->Copy();
  const bool to_string = plan::is_text(call.to);
  switch (data->type->id()) {
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      data->type = to_string ? arrow::utf8_view() : arrow::binary_view();
      break;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      data->type = to_string ? arrow::large_utf8() : arrow::large_binary();
      break;
    default:
      data->type = to_string ? arrow::utf8() : arrow::binary();
  }
  return arrow::MakeArray(std::move(data));
}

// The bytes of a whole number, the highest first.
template <typename T>
Result<ArrayPtr> integral_to_binary(const CastCall& call, const Vector& input, int64_t rows) {
  const FixedReader<T> values(input);
  TextWriter writer(rows);
  for (int64_t row = 0; row < rows; ++row) {
    if (!values.valid[row]) {
      writer.add_null();
      continue;
    }
    const auto bits = static_cast<uint64_t>(values[row]);
    for (int i = static_cast<int>(sizeof(T)) - 1; i >= 0; --i)
      writer.bytes() += static_cast<char>(bits >> (8 * i));
    writer.end_row();
  }
  return writer.finish(columnar::to_arrow(call.to));
}

Result<ArrayPtr> number_to_binary(const CastCall& call, const Vector& input, int64_t rows) {
  switch (call.from.kind()) {
    case TypeKind::kByte:
      return integral_to_binary<int8_t>(call, input, rows);
    case TypeKind::kShort:
      return integral_to_binary<int16_t>(call, input, rows);
    case TypeKind::kInteger:
      return integral_to_binary<int32_t>(call, input, rows);
    case TypeKind::kLong:
      return integral_to_binary<int64_t>(call, input, rows);
    default:
      return kernel_error("UNSUPPORTED_FEATURE", "0A000",
                          fmt::format("A cast of \"{}\" to BINARY is not built.", call.from.sql()),
                          call.origin);
  }
}

Result<ArrayPtr> cast_number(CastCall& call, const Vector& input, int64_t rows) {
  if (call.to.is(TypeKind::kBinary)) return number_to_binary(call, input, rows);
  switch (call.to.kind()) {
    case TypeKind::kBoolean:
      return number_to_boolean(call, input, rows);
    case TypeKind::kByte:
      return number_to_integral<int8_t>(call, input, rows);
    case TypeKind::kShort:
      return number_to_integral<int16_t>(call, input, rows);
    case TypeKind::kInteger:
      return number_to_integral<int32_t>(call, input, rows);
    case TypeKind::kLong:
      return number_to_integral<int64_t>(call, input, rows);
    case TypeKind::kFloat:
      return number_to_floating<float>(call, input, rows);
    case TypeKind::kDouble:
      return number_to_floating<double>(call, input, rows);
    case TypeKind::kDecimal:
      return number_to_decimal(call, input, rows);
    case TypeKind::kTimestamp:
      return number_to_timestamp(call, input, rows);
    default:
      return kernel_error(
          "UNSUPPORTED_FEATURE", "0A000",
          fmt::format("A cast of \"{}\" to \"{}\" is not built.", call.from.sql(), call.to.sql()),
          call.origin);
  }
}

Result<std::shared_ptr<arrow::ArrayData>> cast_child(const CastCall& call,
                                                     const std::shared_ptr<arrow::ArrayData>& child,
                                                     const DataType& from, const DataType& to) {
  CastCall inner{
      from, to, call.ansi, call.try_cast, call.origin, call.zone, call.batch_timestamp_us};
  const Vector values{arrow::MakeArray(child), false};
  WEIR_ASSIGN(auto cast, cast_vector(inner, values, values.array->length()));
  return cast->data();
}

// Structs, arrays and maps, child by child.
Result<ArrayPtr> cast_nested(CastCall& call, const Vector& input) {
  const auto type = columnar::to_arrow(call.to);
  auto data = input.array->data()->Copy();
  auto& children = data->child_data;
  if (call.from.is(TypeKind::kArray)) {
    WEIR_ASSIGN(children[0], cast_child(call, children[0], call.from.element(), call.to.element()));
  } else if (call.from.is(TypeKind::kStruct)) {
    for (size_t i = 0; i < call.from.fields().size(); ++i) {
      WEIR_ASSIGN(children[i], cast_child(call, children[i], call.from.fields()[i].type(),
                                          call.to.fields()[i].type()));
    }
  } else {
    auto entries = children[0]->Copy();
    auto& sides = entries->child_data;
    WEIR_ASSIGN(sides[0], cast_child(call, sides[0], call.from.key(), call.to.key()));
    WEIR_ASSIGN(sides[1], cast_child(call, sides[1], call.from.value(), call.to.value()));
    entries->type = type->field(0)->type();
    children[0] = std::move(entries);
  }
  data->type = type;
  return arrow::MakeArray(std::move(data));
}

}  // namespace

Result<ArrayPtr> cast_vector(CastCall& call, const Vector& input, int64_t rows) {
  const auto& from = call.from;
  const auto& to = call.to;
  if (from.is(TypeKind::kNull) || input.array->type_id() == arrow::Type::NA) {
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(columnar::to_arrow(to), rows));
    return nulls;
  }
  if (plan::is_text(from) && plan::is_text(to)) return input.array;
  if (from.same_type(to))
    return from.is_nested() ? canonical(input.array, columnar::to_arrow(to))
                            : Result<ArrayPtr>(input.array);
  const bool from_bytes = plan::is_text(from) || from.is(TypeKind::kBinary);
  if (from_bytes && (plan::is_text(to) || to.is(TypeKind::kBinary)))
    return relabel_text(call, input);
  if (plan::is_text(to)) return to_text(call, input, rows);
  if (plan::is_text(from)) return from_text(call, input, rows);
  if (from.is_nested() && from.kind() == to.kind()) return cast_nested(call, input);
  const auto temporal = [](const DataType& type) {
    return type.is(TypeKind::kDate) || type.is(TypeKind::kTimestamp) ||
           type.is(TypeKind::kTimestampNtz);
  };
  if (from.is_interval() && (to.is_numeric() || to.kind() == from.kind()))
    return cast_interval(call, input, rows);
  if (to.is_interval() && from.is_numeric()) return number_to_interval(call, input, rows);
  if (temporal(from) && temporal(to)) return temporal_to_temporal(call, input, rows);
  if (from.is(TypeKind::kTimestamp)) return timestamp_to_number(call, input, rows);
  if (from.is(TypeKind::kDate)) {  // without ANSI a date as a number is NULL
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(columnar::to_arrow(to), rows));
    return nulls;
  }
  if (from.is_numeric() || from.is(TypeKind::kBoolean)) return cast_number(call, input, rows);
  return kernel_error("UNSUPPORTED_FEATURE", "0A000",
                      fmt::format("A cast of \"{}\" to \"{}\" is not built.", from.sql(), to.sql()),
                      call.origin);
}

}  // namespace weir::eval
