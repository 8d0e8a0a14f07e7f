// Functions that give something else for every row: random numbers, ids.
//
// Random numbers come from Spark's generator (XORShiftRandom), one sequence an expression, kept in
// the context's VolatileState from batch to batch: rand(0) gives Spark's numbers.
#include <cmath>
#include <random>

#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "eval/node.h"

namespace weir::eval {

namespace {

using Arguments = Operands;

uint32_t rotate_left(uint32_t value, int by) { return (value << by) | (value >> (32 - by)); }

// scala.util.hashing.MurmurHash3.bytesHash of eight bytes.
uint32_t murmur_of_long(uint64_t value, uint32_t seed) {
  uint32_t hash = seed;
  for (int half = 0; half < 2; ++half) {
    // The bytes are big-endian, read as little-endian words.
    const auto word = static_cast<uint32_t>(half == 0 ? value >> 32 : value);
    uint32_t k = __builtin_bswap32(word);
    k = rotate_left(k * 0xcc9e2d51, 15) * 0x1b873593;
    hash = rotate_left(hash ^ k, 13) * 5 + 0xe6546b64;
  }
  hash ^= 8;
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

}  // namespace

XorShiftRandom::XorShiftRandom(int64_t seed) {
  constexpr uint32_t kArraySeed = 0x3c074a61;
  const uint32_t low = murmur_of_long(static_cast<uint64_t>(seed), kArraySeed);
  const uint32_t high = murmur_of_long(static_cast<uint64_t>(seed), low);
  state_ = static_cast<uint64_t>(high) << 32 | low;
}

uint32_t XorShiftRandom::bits(int count) {
  state_ ^= state_ << 21;
  state_ ^= state_ >> 35;
  state_ ^= state_ << 4;
  return static_cast<uint32_t>(state_ & ((uint64_t{1} << count) - 1));
}

double XorShiftRandom::next_double() {
  const auto high = static_cast<int64_t>(bits(26)) << 27;
  return static_cast<double>(high + bits(27)) * 0x1.0p-53;
}

double XorShiftRandom::next_gaussian() {  // java.util.Random
  if (has_gaussian_) {
    has_gaussian_ = false;
    return gaussian_;
  }
  while (true) {
    const double a = 2 * next_double() - 1, b = 2 * next_double() - 1;
    const double s = a * a + b * b;
    if (s >= 1 || s == 0) continue;
    const double factor = std::sqrt(-2 * std::log(s) / s);
    gaussian_ = b * factor;
    has_gaussian_ = true;
    return a * factor;
  }
}

int64_t VolatileState::take_rows(const void* expression, int64_t rows) {
  const std::lock_guard lock(mutex_);
  return std::exchange(rows_[expression], rows_[expression] + rows);
}

void VolatileState::with_random(const void* expression, int64_t seed,
                                const std::function<void(XorShiftRandom&)>& use) {
  const std::lock_guard lock(mutex_);
  use(random_.try_emplace(expression, seed).first->second);
}

namespace {

int64_t fresh_seed() {
  static std::random_device device;
  return static_cast<int64_t>(static_cast<uint64_t>(device()) << 32 | device());
}

// The seed argument's value (NULL is 0, none a fresh one).
int64_t seed_of(const KernelCall& call, Arguments arguments, size_t at) {
  if (arguments.size() <= at) return fresh_seed();
  const Validity valid(arguments[at]);
  if (!valid[0]) return 0;
  if (call.type_of(at).is(TypeKind::kInteger)) return FixedReader<int32_t>(arguments[at])[0];
  return FixedReader<int64_t>(arguments[at])[0];
}

template <typename Draw>
void draw_rows(KernelCall& call, int64_t seed, Draw&& draw) {
  const auto all = [&](XorShiftRandom& random) {
    for (int64_t row = 0; row < call.rows; ++row)
      draw(row, random);
  };
  if (call.context.volatile_state) {
    call.context.volatile_state->with_random(&call.expression, seed, all);
  } else {
    XorShiftRandom random(seed);
    all(random);
  }
}

template <double (XorShiftRandom::*next)()>
Result<ArrayPtr> rand(KernelCall& call, Arguments arguments) {
  FixedWriter<double> writer(call.rows);
  draw_rows(call, seed_of(call, arguments, 0),
            [&](int64_t row, XorShiftRandom& random) { writer.set(row, (random.*next)()); });
  return writer.finish(call.arrow_type);
}

// uniform(min, max[, seed]) of any numeric type.
Result<ArrayPtr> uniform(KernelCall& call, Arguments arguments) {
  const auto over = [&](auto zero) -> Result<ArrayPtr> {
    using T = decltype(zero);
    const FixedReader<T> low(arguments[0]), high(arguments[1]);
    FixedWriter<T> writer(call.rows);
    draw_rows(call, seed_of(call, arguments, 2), [&](int64_t row, XorShiftRandom& random) {
      const double drawn = random.next_double();
      if (!low.valid[row] || !high.valid[row]) return writer.set_null(row);
      const auto a = static_cast<double>(low[row]), b = static_cast<double>(high[row]);
      writer.set(row, static_cast<T>(a + drawn * (b - a)));
    });
    return writer.finish(call.arrow_type);
  };
  switch (call.type().kind()) {
    case TypeKind::kByte:
      return over(int8_t{});
    case TypeKind::kShort:
      return over(int16_t{});
    case TypeKind::kInteger:
      return over(int32_t{});
    case TypeKind::kLong:
      return over(int64_t{});
    case TypeKind::kFloat:
      return over(float{});
    case TypeKind::kDecimal: {
      const FixedReader<plan::Int128> low(arguments[0]), high(arguments[1]);
      const auto& type = call.type();
      const double unit = std::pow(10.0, type.scale());
      FixedWriter<plan::Int128> writer(call.rows);
      draw_rows(call, seed_of(call, arguments, 2), [&](int64_t row, XorShiftRandom& random) {
        const double drawn = random.next_double();
        if (!low.valid[row] || !high.valid[row]) return writer.set_null(row);
        const auto a = static_cast<double>(low[row]) / unit;
        const auto b = static_cast<double>(high[row]) / unit;
        writer.set(row, static_cast<plan::Int128>(std::round((a + drawn * (b - a)) * unit)));
      });
      return writer.finish(call.arrow_type);
    }
    default:
      return over(double{});
  }
}

Result<ArrayPtr> randstr(KernelCall& call, Arguments arguments) {
  const FixedReader<int32_t> length(arguments[0]);
  if (length.valid[0] && length[0] < 0) {
    return call.fail("INVALID_PARAMETER_VALUE.LENGTH", "22023",
                     fmt::format("The value of parameter(s) `length` in `randstr` is invalid: "
                                 "Expects `length` greater than or equal to 0, but got {}.",
                                 length[0]));
  }
  TextWriter writer(call.rows);
  draw_rows(call, seed_of(call, arguments, 1), [&](int64_t row, XorShiftRandom& random) {
    if (!length.valid[row]) return writer.add_null();
    for (int32_t i = 0; i < length[row]; ++i) {
      const auto value = static_cast<size_t>(random.bits(31) % 62);
      writer.bytes() += "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[value];
    }
    writer.end_row();
  });
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> uuid(KernelCall& call, Arguments arguments) {
  TextWriter writer(call.rows);
  draw_rows(call, seed_of(call, arguments, 0), [&](int64_t, XorShiftRandom& random) {
    const auto word = [&] {
      return static_cast<uint64_t>(random.bits(32)) << 32 | random.bits(32);
    };
    const uint64_t high = (word() & ~uint64_t{0xF000}) | 0x4000;
    const uint64_t low = (word() & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000;
    writer.add(fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF,
                           high & 0xFFFF, low >> 48, low & 0xFFFFFFFFFFFF));
  });
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> shuffle(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  ListPicker picker(call.rows);
  draw_rows(call, seed_of(call, arguments, 1), [&](int64_t row, XorShiftRandom& random) {
    if (!list.valid[row]) return picker.add_null();
    std::vector<int64_t> order(static_cast<size_t>(list.count(row)));
    for (size_t i = 0; i < order.size(); ++i) {
      const size_t at = static_cast<size_t>(random.next_double() * static_cast<double>(i + 1));
      if (at != i) order[i] = order[at];
      order[at] = list.begin(row) + static_cast<int64_t>(i);
    }
    for (const int64_t position : order)
      picker.add(position);
    picker.end_row();
  });
  return picker.finish(call.arrow_type, list.values());
}

Result<ArrayPtr> monotonic_id(KernelCall& call, Arguments) {
  const int64_t first = call.context.volatile_state
                            ? call.context.volatile_state->take_rows(&call.expression, call.rows)
                            : 0;
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, first + row);
  return writer.finish(call.arrow_type);
}

// One machine, one partition.
Result<ArrayPtr> partition_id(KernelCall& call, Arguments) {
  FixedWriter<int32_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, 0);
  return writer.finish(call.arrow_type);
}

// Analysis gives the path of the row's file where there is one.
Result<ArrayPtr> input_file_name(KernelCall& call, Arguments arguments) {
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (arguments.empty()) {
      writer.add("");
      continue;
    }
    const TextReader path(arguments[0]);
    constexpr std::string_view kScheme = "file:";
    const bool known = path.valid[row] && path[row].starts_with(kScheme);
    writer.add(known ? "file://" + std::string(path[row].substr(kScheme.size())) : std::string());
  }
  return writer.finish(call.arrow_type);
}

// Of rows without a file: analysis takes the place from the row's file otherwise.
Result<ArrayPtr> no_block(KernelCall& call, Arguments) {
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, -1);
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"input_file_name", input_file_name},
    {"input_file_block_start", no_block},
    {"input_file_block_length", no_block},
    {"rand", rand<&XorShiftRandom::next_double>},
    {"randn", rand<&XorShiftRandom::next_gaussian>},
    {"uniform", uniform},
    {"randstr", randstr},
    {"uuid", uuid},
    {"shuffle", shuffle},
    {"monotonically_increasing_id", monotonic_id},
    {"spark_partition_id", partition_id},
};

}  // namespace

std::span<const KernelEntry> volatile_kernels() { return kKernels; }

}  // namespace weir::eval
