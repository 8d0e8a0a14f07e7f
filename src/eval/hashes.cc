// hash (Murmur3, 32 bits, seed 42) and xxhash64 (seed 42) as Spark's HashExpression computes them:
// columns are folded one into the other, NULL leaves the hash as it is; byte … int hash as int,
// -0.0 as 0.0, a decimal of at most 18 digits as long, a larger one as the bytes of its BigInteger.
#include "eval/hashes.h"

#include <bit>
#include <cstring>

#include "eval/map_rows.h"

namespace weir::eval {

using plan::Int128;

namespace {

template <typename T>
T load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

struct Murmur3 {
  using Hash = uint32_t;
  static uint32_t mix_k(uint32_t k) { return std::rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u; }
  static uint32_t mix_h(uint32_t h, uint32_t k) { return std::rotl(h ^ k, 13) * 5 + 0xe6546b64u; }
  static uint32_t finish(uint32_t h, uint32_t length) {
    h ^= length;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
  }
  static uint32_t of_int(int32_t value, uint32_t seed) {
    return finish(mix_h(seed, mix_k(static_cast<uint32_t>(value))), 4);
  }
  static uint32_t of_long(int64_t value, uint32_t seed) {
    const auto bits = static_cast<uint64_t>(value);
    const uint32_t h = mix_h(seed, mix_k(static_cast<uint32_t>(bits)));
    return finish(mix_h(h, mix_k(static_cast<uint32_t>(bits >> 32))), 8);
  }
  static uint32_t of_bytes(std::string_view bytes, uint32_t seed) {
    uint32_t h = seed;
    size_t at = 0;
    for (; at + 4 <= bytes.size(); at += 4)
      h = mix_h(h, mix_k(load<uint32_t>(bytes.data() + at)));
    for (; at < bytes.size(); ++at)
      h = mix_h(h, mix_k(static_cast<uint32_t>(static_cast<int8_t>(bytes[at]))));
    return finish(h, static_cast<uint32_t>(bytes.size()));
  }
};

struct XxHash64 {
  using Hash = uint64_t;
  static constexpr uint64_t P1 = 0x9E3779B185EBCA87ull, P2 = 0xC2B2AE3D27D4EB4Full,
                            P3 = 0x165667B19E3779F9ull, P4 = 0x85EBCA77C2B2AE63ull,
                            P5 = 0x27D4EB2F165667C5ull;
  static uint64_t finish(uint64_t h) {
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
  }
  static uint64_t of_int(int32_t value, uint64_t seed) {
    uint64_t h = seed + P5 + 4;
    h ^= static_cast<uint64_t>(static_cast<uint32_t>(value)) * P1;
    return finish(std::rotl(h, 23) * P2 + P3);
  }
  static uint64_t of_long(int64_t value, uint64_t seed) {
    uint64_t h = seed + P5 + 8;
    h ^= std::rotl(static_cast<uint64_t>(value) * P2, 31) * P1;
    return finish(std::rotl(h, 27) * P1 + P4);
  }
  static uint64_t round(uint64_t lane, uint64_t word) {
    return std::rotl(lane + word * P2, 31) * P1;
  }
  static uint64_t of_bytes(std::string_view bytes, uint64_t seed) {
    const char* at = bytes.data();
    const char* end = at + bytes.size();
    uint64_t h = seed + P5;
    if (bytes.size() >= 32) {
      uint64_t lanes[4] = {seed + P1 + P2, seed + P2, seed, seed - P1};
      for (; end - at >= 32; at += 32) {
        for (int i = 0; i < 4; ++i)
          lanes[i] = round(lanes[i], load<uint64_t>(at + 8 * i));
      }
      h = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
          std::rotl(lanes[3], 18);
      for (const uint64_t lane : lanes)
        h = (h ^ round(0, lane)) * P1 + P4;
    }
    h += bytes.size();
    for (; end - at >= 8; at += 8)
      h = std::rotl(h ^ round(0, load<uint64_t>(at)), 27) * P1 + P4;
    if (end - at >= 4) {
      h = std::rotl(h ^ load<uint32_t>(at) * P1, 23) * P2 + P3;
      at += 4;
    }
    for (; at < end; ++at)
      h = std::rotl(h ^ static_cast<unsigned char>(*at) * P5, 11) * P1;
    return finish(h);
  }
};

// The least big-endian two's complement bytes, as BigInteger.toByteArray.
std::string big_integer_bytes(Int128 value) {
  std::string bytes;
  for (int i = 15; i >= 0; --i)
    bytes += static_cast<char>(value >> (8 * i));
  size_t skip = 0;
  while (skip < 15 && ((bytes[skip] == 0 && !(bytes[skip + 1] & 0x80)) ||
                       (bytes[skip] == -1 && (bytes[skip + 1] & 0x80))))
    ++skip;
  return bytes.substr(skip);
}

template <typename H>
typename H::Hash hash_value(const DataType& type, const arrow::Array& array, int64_t row,
                            typename H::Hash seed);

// Folds a whole column into the hashes of the rows.
template <typename H>
void fold(const DataType& type, const Vector& vector, std::vector<typename H::Hash>& hashes) {
  const auto run = [&](const auto& reader, auto&& one) {
    for (size_t i = 0; i < hashes.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (reader.valid[row]) hashes[i] = one(reader[row], hashes[i]);
    }
  };
  using Hash = typename H::Hash;
  const auto as_int = [](auto value, Hash seed) {
    return H::of_int(static_cast<int32_t>(value), seed);
  };
  const auto as_long = [](int64_t value, Hash seed) { return H::of_long(value, seed); };
  switch (type.kind()) {
    case TypeKind::kNull:
      return;
    case TypeKind::kBoolean:
      return run(BoolReader(vector), as_int);
    case TypeKind::kByte:
      return run(FixedReader<int8_t>(vector), as_int);
    case TypeKind::kShort:
      return run(FixedReader<int16_t>(vector), as_int);
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return run(FixedReader<int32_t>(vector), as_int);
    case TypeKind::kFloat:
      return run(FixedReader<float>(vector), [](float value, Hash seed) {
        return H::of_int(value == 0       ? 0
                         : value != value ? 0x7fc00000
                                          : std::bit_cast<int32_t>(value),
                         seed);
      });
    case TypeKind::kDouble:
      return run(FixedReader<double>(vector), [](double value, Hash seed) {
        return H::of_long(value == 0       ? 0
                          : value != value ? 0x7ff8000000000000LL
                                           : std::bit_cast<int64_t>(value),
                          seed);
      });
    case TypeKind::kDecimal: {
      const bool small = type.precision() <= 18;
      return run(FixedReader<Int128>(vector), [small](Int128 value, Hash seed) {
        return small ? H::of_long(static_cast<int64_t>(value), seed)
                     : H::of_bytes(big_integer_bytes(value), seed);
      });
    }
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary:
      return run(TextReader(vector),
                 [](std::string_view value, Hash seed) { return H::of_bytes(value, seed); });
    case TypeKind::kArray:
    case TypeKind::kStruct:
    case TypeKind::kMap:
      for (size_t i = 0; i < hashes.size(); ++i) {
        hashes[i] = hash_value<H>(type, *vector.array,
                                  vector.constant ? 0 : static_cast<int64_t>(i), hashes[i]);
      }
      return;
    default:
      return run(FixedReader<int64_t>(vector), as_long);
  }
}

template <typename H>
typename H::Hash hash_value(const DataType& type, const arrow::Array& array, int64_t row,
                            typename H::Hash seed) {
  if (array.IsNull(row)) return seed;
  if (type.is(TypeKind::kStruct)) {
    const auto& structure = static_cast<const arrow::StructArray&>(array);
    for (int i = 0; i < structure.num_fields(); ++i) {
      seed = hash_value<H>(type.fields()[static_cast<size_t>(i)].type(), *structure.field(i), row,
                           seed);
    }
    return seed;
  }
  if (type.is(TypeKind::kArray)) {
    const auto& list = static_cast<const arrow::ListArray&>(array);
    for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
      seed = hash_value<H>(type.element(), *list.values(), i, seed);
    }
    return seed;
  }
  std::vector<typename H::Hash> one{seed};
  fold<H>(type, Vector{array.Slice(row, 1), true}, one);
  return one[0];
}

template <typename H, typename Result_t>
Result<ArrayPtr> hash(KernelCall& call, Operands arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (call.type_of(i).is(TypeKind::kMap)) {
      return call.fail("DATATYPE_MISMATCH.HASH_MAP_TYPE", "42K09", "A map cannot be hashed.");
    }
  }
  std::vector<typename H::Hash> hashes(static_cast<size_t>(call.rows), 42);
  for (size_t i = 0; i < arguments.size(); ++i)
    fold<H>(call.type_of(i), arguments[i], hashes);
  FixedWriter<Result_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row)
    writer.set(row, static_cast<Result_t>(hashes[static_cast<size_t>(row)]));
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {{"hash", hash<Murmur3, int32_t>},
                                    {"xxhash64", hash<XxHash64, int64_t>}};

}  // namespace

int32_t text_hash_code(std::string_view bytes) {
  return static_cast<int32_t>(Murmur3::of_bytes(bytes, 42));
}

std::span<const KernelEntry> hash_kernels() { return kKernels; }

}  // namespace weir::eval
