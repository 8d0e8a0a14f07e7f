// Numbers: bits, bases, buckets, further trigonometry.
#include <algorithm>
#include <bit>
#include <cmath>

#include "eval/map_rows.h"

namespace weir::eval {

using plan::Int128;

namespace {

using Arguments = Operands;

double secant(double x) { return 1 / std::cos(x); }
double cosecant(double x) { return 1 / std::sin(x); }
double cotangent(double x) { return 1 / std::tan(x); }
template <double (*f)(double)>
Result<ArrayPtr> map1(KernelCall& call, Arguments arguments) {
  return map_fixed<double>(
      call, [](double x) { return f(x); }, FixedReader<double>(arguments[0]));
}

Result<ArrayPtr> bin(KernelCall& call, Arguments arguments) {
  return map_text(
      call,
      [](int64_t value, std::string& out) {
        auto bits = static_cast<uint64_t>(value);
        const int width = bits == 0 ? 1 : 64 - std::countl_zero(bits);
        for (int i = width; i-- > 0;)
          out += (bits >> i) & 1 ? '1' : '0';
      },
      FixedReader<int64_t>(arguments[0]));
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

// NumberConverter.convert: digits are read until one does not fit; a negative target base makes the
// result signed.
Result<ArrayPtr> conv(KernelCall& call, Arguments arguments) {
  const TextReader text(arguments[0]);
  const FixedReader<int32_t> from(arguments[1]), to(arguments[2]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!text.valid[row] || !from.valid[row] || !to.valid[row]) {
      writer.add_null();
      continue;
    }
    auto digits = text[row];
    while (!digits.empty() && digits.front() == ' ')
      digits.remove_prefix(1);
    while (!digits.empty() && digits.back() == ' ')
      digits.remove_suffix(1);
    const int32_t base = from[row];
    const int64_t target = std::abs(int64_t{to[row]});
    if (base < 2 || base > 36 || target < 2 || target > 36 || digits.empty()) {
      writer.add_null();
      continue;
    }
    const bool negative = digits.front() == '-';
    if (negative) digits.remove_prefix(1);
    uint64_t value = 0;
    bool overflow = false;
    for (const char c : digits) {
      const int digit = digit_value(c);
      if (digit >= base) break;
      const auto wide = static_cast<unsigned __int128>(value) * static_cast<uint64_t>(base) +
                        static_cast<uint64_t>(digit);
      overflow |= wide > UINT64_MAX;
      value = overflow ? UINT64_MAX : static_cast<uint64_t>(wide);
    }
    if (overflow && call.ansi()) {
      return call.fail("ARITHMETIC_OVERFLOW", "22003",
                       "Overflow in function conv(). If necessary set \"spark.sql.ansi.enabled\" "
                       "to \"false\" to bypass this error.");
    }
    bool minus = negative;
    if (negative && to[row] > 0) {
      value = static_cast<int64_t>(value) < 0 ? UINT64_MAX
                                              : static_cast<uint64_t>(-static_cast<int64_t>(value));
    }
    if (to[row] < 0 && static_cast<int64_t>(value) < 0) {
      value = static_cast<uint64_t>(-static_cast<int64_t>(value));
      minus = true;
    }
    std::string out;
    do {
      out += "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % static_cast<uint64_t>(target)];
      value /= static_cast<uint64_t>(target);
    } while (value != 0);
    if (minus && to[row] < 0) out += '-';
    std::reverse(out.begin(), out.end());
    writer.add(out);
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> factorial(KernelCall& call, Arguments arguments) {
  return map_nullable<int64_t>(
      call,
      [](int32_t n, int64_t& out) {
        if (n < 0 || n > 20) return false;
        out = 1;
        for (int64_t i = 2; i <= n; ++i)
          out *= i;
        return true;
      },
      FixedReader<int32_t>(arguments[0]));
}

Result<ArrayPtr> bit_count(KernelCall& call, Arguments arguments) {
  const auto count = [&](auto zero) {
    using T = decltype(zero);
    return map_fixed<int32_t>(
        call,
        [](T value) {
          return static_cast<int32_t>(std::popcount(static_cast<uint64_t>(int64_t{value})));
        },
        FixedReader<T>(arguments[0]));
  };
  switch (call.type_of(0).kind()) {
    case TypeKind::kBoolean:
      return map_fixed<int32_t>(
          call, [](bool value) { return value ? 1 : 0; }, BoolReader(arguments[0]));
    case TypeKind::kByte:
      return count(int8_t{});
    case TypeKind::kShort:
      return count(int16_t{});
    case TypeKind::kInteger:
      return count(int32_t{});
    default:
      return count(int64_t{});
  }
}

Result<ArrayPtr> get_bit(KernelCall& call, Arguments arguments) {
  const FixedReader<int64_t> value(arguments[0]);
  const FixedReader<int32_t> position(arguments[1]);
  FixedWriter<int8_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!value.valid[row] || !position.valid[row]) {
      writer.set_null(row);
      continue;
    }
    if (position[row] < 0 || position[row] >= 64) {
      return call
          .fail("INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", "22023",
                fmt::format("The value of parameter(s) `pos` in `{}` is invalid: expects an "
                            "integer value in [0, 64), but got {}.",
                            call.call.function->name, position[row]))
          .with_parameter("invalidValue", std::to_string(position[row]));
    }
    writer.set(row, static_cast<int8_t>((value[row] >> position[row]) & 1));
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> shift_right_unsigned(KernelCall& call, Arguments arguments) {
  if (call.type().is(TypeKind::kLong)) {
    return map_fixed<int64_t>(
        call,
        [](int64_t value, int32_t by) {
          return static_cast<int64_t>(static_cast<uint64_t>(value) >> (by & 63));
        },
        FixedReader<int64_t>(arguments[0]), FixedReader<int32_t>(arguments[1]));
  }
  return map_fixed<int32_t>(
      call,
      [](int32_t value, int32_t by) {
        return static_cast<int32_t>(static_cast<uint32_t>(value) >> (by & 31));
      },
      FixedReader<int32_t>(arguments[0]), FixedReader<int32_t>(arguments[1]));
}

template <typename T>
bool bucket_of(double value, double low, double high, int64_t count, T& out) {
  if (count <= 0 || count == INT64_MAX || std::isnan(value) || low == high || !std::isfinite(low) ||
      !std::isfinite(high))
    return false;
  const double lower = std::min(low, high), upper = std::max(low, high);
  if (low < high) {
    out =
        value < lower ? 0
        : value >= upper
            ? count + 1
            : static_cast<int64_t>(static_cast<double>(count) * (value - lower) / (upper - lower)) +
                  1;
  } else {
    out =
        value > upper ? 0
        : value <= lower
            ? count + 1
            : static_cast<int64_t>(static_cast<double>(count) * (upper - value) / (upper - lower)) +
                  1;
  }
  return true;
}

Result<ArrayPtr> width_bucket(KernelCall& call, Arguments arguments) {
  const auto over = [&](auto zero) {
    using T = decltype(zero);
    return map_nullable<int64_t>(
        call,
        [](T value, T low, T high, int64_t count, int64_t& out) {
          return bucket_of(static_cast<double>(value), static_cast<double>(low),
                           static_cast<double>(high), count, out);
        },
        FixedReader<T>(arguments[0]), FixedReader<T>(arguments[1]), FixedReader<T>(arguments[2]),
        FixedReader<int64_t>(arguments[3]));
  };
  if (call.type_of(0).is(TypeKind::kDayTimeInterval)) return over(int64_t{});
  if (call.type_of(0).is(TypeKind::kYearMonthInterval)) return over(int32_t{});
  return over(double{});
}

// Bitmaps of 4,096 bytes: bucket 1 holds 1 … 32768.
constexpr int64_t kBitmapBits = 8 * 4096;

Result<ArrayPtr> bitmap_bit_position(KernelCall& call, Arguments arguments) {
  return map_fixed<int64_t>(
      call,
      [](int64_t value) {
        return value > 0 ? (value - 1) % kBitmapBits
                         : static_cast<int64_t>((-static_cast<__int128>(value)) % kBitmapBits);
      },
      FixedReader<int64_t>(arguments[0]));
}

Result<ArrayPtr> bitmap_bucket_number(KernelCall& call, Arguments arguments) {
  return map_fixed<int64_t>(
      call,
      [](int64_t value) { return value > 0 ? 1 + (value - 1) / kBitmapBits : value / kBitmapBits; },
      FixedReader<int64_t>(arguments[0]));
}

Result<ArrayPtr> bitmap_count(KernelCall& call, Arguments arguments) {
  return map_fixed<int64_t>(
      call,
      [](std::string_view bytes) {
        int64_t count = 0;
        for (const char byte : bytes)
          count += std::popcount(static_cast<unsigned char>(byte));
        return count;
      },
      TextReader(arguments[0]));
}

constexpr KernelEntry kKernels[] = {
    {"sec", map1<secant>},
    {"csc", map1<cosecant>},
    {"cot", map1<cotangent>},
    {"asinh", map1<std::asinh>},
    {"acosh", map1<std::acosh>},
    {"atanh", map1<std::atanh>},
    {"bin", bin},
    {"conv", conv},
    {"factorial", factorial},
    {"bit_count", bit_count},
    {"getbit", get_bit},
    {"shiftrightunsigned", shift_right_unsigned},
    {"width_bucket", width_bucket},
    {"bitmap_bit_position", bitmap_bit_position},
    {"bitmap_bucket_number", bitmap_bucket_number},
    {"bitmap_count", bitmap_count},
};

}  // namespace

std::span<const KernelEntry> number_kernels() { return kKernels; }

}  // namespace weir::eval
