// Frequent items as Karp, Schenker and Papadimitriou count them, the way DataFrame.freqItems does:
// plan "collect_frequent_items KIND ITEMS_MAX SCALE". An entry is N for NULL, or V and the item's
// bytes. A sketch's bytes: for each item its count (8 bytes), the length of its entry (4 bytes) and
// the entry, in little endian.
//
// The items come in the order of the hash map that Spark keeps them in, so they are hashed as
// Scala hashes them: an equal number of another type has the same hash.
#include "eval/frequent_items.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "eval/fixed_bytes.h"
#include "eval/hashes.h"
#include "eval/wide_decimal.h"

namespace weir::eval::items {

namespace {

using plan::Int128;

int32_t long_hash(int64_t value) {
  if (value == static_cast<int32_t>(value)) return static_cast<int32_t>(value);
  const auto bits = static_cast<uint64_t>(value);
  return static_cast<int32_t>(bits ^ (bits >> 32));
}

// Of a whole number that fits; nothing for others.
std::optional<int32_t> whole_hash(double value) {
  if (value != std::trunc(value) || std::fabs(value) > 9223372036854774784.0) return std::nullopt;
  return long_hash(static_cast<int64_t>(value));
}

int32_t float_hash(float value) {
  if (const auto whole = whole_hash(value)) return *whole;
  return std::isnan(value) ? 0x7fc00000 : std::bit_cast<int32_t>(value);
}

int32_t double_hash(double value) {
  if (const auto whole = whole_hash(value)) return *whole;
  if (const auto narrow = static_cast<float>(value); narrow == value) return float_hash(narrow);
  const auto bits = std::isnan(value) ? 0x7ff8000000000000ull : std::bit_cast<uint64_t>(value);
  return static_cast<int32_t>(bits ^ (bits >> 32));
}

// Of java.math.BigInteger.
int32_t big_integer_hash(Int128 value) {
  const bool negative = value < 0;
  auto magnitude = static_cast<unsigned __int128>(value);
  if (negative) magnitude = 0 - magnitude;
  uint32_t hash = 0;
  for (int shift = 96; shift >= 0; shift -= 32)
    hash = 31 * hash + static_cast<uint32_t>(magnitude >> shift);
  return static_cast<int32_t>(negative ? 0 - hash : hash);
}

std::string digits_of(Int128 value) {
  auto magnitude = static_cast<unsigned __int128>(value);
  if (value < 0) magnitude = 0 - magnitude;
  std::string digits;
  for (; magnitude > 0; magnitude /= 10)
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(magnitude % 10)));
  return digits;
}

// Of scala.math.BigDecimal.
int32_t decimal_hash(Int128 value, int scale) {
  while (scale > 0 && value % 10 == 0) {
    value /= 10;
    --scale;
  }
  if (scale == 0) {
    const bool fits = value >= INT64_MIN && value <= INT64_MAX;
    return fits ? long_hash(static_cast<int64_t>(value)) : big_integer_hash(value);
  }
  // Where the nearest double's shortest text is this decimal, the double's.
  const auto digits = digits_of(value);
  const auto text = (value < 0 ? "-" : "") + digits + "e-" + std::to_string(scale);
  double nearest = 0;
  std::from_chars(text.data(), text.data() + text.size(), nearest);
  char shortest[40];
  const auto end = std::to_chars(shortest, shortest + sizeof shortest, std::fabs(nearest),
                                 std::chars_format::scientific);
  std::string mantissa;
  for (const char* at = shortest; at != end.ptr && *at != 'e'; ++at) {
    if (*at != '.') mantissa += *at;
  }
  if (mantissa == digits) return double_hash(nearest);
  const uint32_t mixed = std::rotl(static_cast<uint32_t>(scale) * 0xcc9e2d51u, 15) * 0x1b873593u;
  return static_cast<int32_t>(static_cast<uint32_t>(big_integer_hash(value)) ^ mixed);
}

int32_t scala_hash(Kind kind, int scale, std::string_view entry) {
  if (entry.starts_with('N')) return 0;
  const auto bytes = entry.substr(1);
  switch (kind) {
    case Kind::kByte:
      return fixed<int8_t>(bytes);
    case Kind::kShort:
      return fixed<int16_t>(bytes);
    case Kind::kInteger:
      return fixed<int32_t>(bytes);
    case Kind::kLong:
      return long_hash(fixed<int64_t>(bytes));
    case Kind::kFloat:
      return float_hash(fixed<float>(bytes));
    case Kind::kDouble:
      return double_hash(fixed<double>(bytes));
    case Kind::kBoolean:
      return bytes[0] ? 1231 : 1237;
    case Kind::kDecimal:
      return decimal_hash(fixed<Int128>(bytes), scale);
    case Kind::kText:
      break;
  }
  return text_hash_code(bytes);
}

base::Error corrupt() {
  return base::error(base::ErrorKind::kCorruption, "the counts of frequent items are cut short");
}

struct Counted {
  std::string entry;
  int64_t count = 0;
};

Result<std::vector<Counted>> read(std::string_view bytes) {
  std::vector<Counted> made;
  while (!bytes.empty()) {
    if (bytes.size() < 12) return corrupt();
    const auto count = fixed<int64_t>(bytes);
    const auto length = fixed<uint32_t>(bytes.substr(8));
    bytes.remove_prefix(12);
    if (bytes.size() < length || length == 0) return corrupt();
    made.push_back({std::string(bytes.substr(0, length)), count});
    bytes.remove_prefix(length);
  }
  return made;
}

// As scala.collection.mutable.HashMap goes through them: by place in a table that is at most three
// quarters full, then by hash.
void order(std::vector<Counted>& items, Kind kind, int scale) {
  uint32_t places = 16;
  while (items.size() * 4 >= size_t{places} * 3)
    places *= 2;
  struct Placed {
    uint32_t place;
    int32_t hash;
    Counted item;
  };
  std::vector<Placed> placed;
  for (auto& item : items) {
    const auto plain = static_cast<uint32_t>(scala_hash(kind, scale, item.entry));
    const uint32_t hash = plain ^ (plain >> 16);
    placed.push_back({hash & (places - 1), static_cast<int32_t>(hash), std::move(item)});
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return a.place != b.place ? a.place < b.place : a.hash < b.hash;
  });
  for (size_t i = 0; i < items.size(); ++i)
    items[i] = std::move(placed[i].item);
}

class FrequentBuilder final : public SketchBuilder {
 public:
  FrequentBuilder(Kind kind, size_t items_max, int scale)
      : kind_(kind), items_max_(items_max), scale_(scale) {}

  Result<void> add(std::string_view entry) override {
    count(entry, 1);
    return {};
  }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto items, read(bytes));
    for (const auto& item : items)
      count(item.entry, item.count);
    return {};
  }
  Result<std::string> bytes() override {
    std::vector<Counted> items;
    for (const auto& [key, item] : items_)
      items.push_back({item.entry, item.count - gone_});
    // Those of one hash by their bytes: the same on every machine.
    std::sort(items.begin(), items.end(),
              [](const Counted& a, const Counted& b) { return a.entry < b.entry; });
    order(items, kind_, scale_);
    std::string out;
    for (const auto& item : items) {
      const auto length = static_cast<uint32_t>(item.entry.size());
      out.append(reinterpret_cast<const char*>(&item.count), sizeof item.count);
      out.append(reinterpret_cast<const char*>(&length), sizeof length);
      out += item.entry;
    }
    return out;
  }
  int64_t memory() const override { return bytes_ + static_cast<int64_t>(items_.size()) * 128; }

 private:
  void count(std::string_view entry, int64_t times) {
    auto key = key_of(entry);
    const auto known = items_.find(key);
    if (known != items_.end()) {
      if (known->second.count == least_) least_known_ = false;
      known->second.count += times;
      return;
    }
    if (items_.size() < items_max_) return keep(std::move(key), entry, times);
    const int64_t least = this->least() - gone_;
    if (times < least) {
      gone_ += times;
      return;
    }
    keep(std::move(key), entry, times);
    gone_ += least;
    std::erase_if(items_, [&](const auto& one) {
      if (one.second.count > gone_) return false;
      bytes_ -= static_cast<int64_t>(one.second.entry.size());
      return true;
    });
    least_known_ = false;
  }
  void keep(std::string key, std::string_view entry, int64_t times) {
    bytes_ += static_cast<int64_t>(entry.size());
    items_.emplace(std::move(key), Counted{std::string(entry), times + gone_});
    least_known_ = false;
  }
  int64_t least() {
    if (least_known_) return least_;
    least_ = INT64_MAX;
    for (const auto& [key, item] : items_)
      least_ = std::min(least_, item.count);
    least_known_ = true;
    return least_;
  }
  // What equals what: -0.0 is 0.0, and NaN is no other NaN.
  std::string key_of(std::string_view entry) {
    std::string key(entry);
    if (entry.starts_with('N') || (kind_ != Kind::kFloat && kind_ != Kind::kDouble)) return key;
    const double value = kind_ == Kind::kFloat ? static_cast<double>(fixed<float>(entry.substr(1)))
                                               : fixed<double>(entry.substr(1));
    if (value == 0) return "V0";
    if (std::isnan(value)) key += std::to_string(++nans_);
    return key;
  }

  const Kind kind_;
  const size_t items_max_;
  const int scale_;
  std::unordered_map<std::string, Counted> items_;  // counts with what is gone
  int64_t gone_ = 0;                                // from each count
  int64_t least_ = 0;                               // of the counts, where it is known
  bool least_known_ = false;
  int64_t bytes_ = 0;
  int64_t nans_ = 0;
};

}  // namespace

Result<std::unique_ptr<SketchBuilder>> make_frequent(const std::vector<std::string_view>& plan) {
  WEIR_CHECK(plan.size() == 4, "frequent items need their kind, their number and a scale");
  const int items_max = sketch_number(plan[2]);
  return std::unique_ptr<SketchBuilder>(std::make_unique<FrequentBuilder>(
      static_cast<Kind>(plan[1][0]), static_cast<size_t>(items_max), sketch_number(plan[3])));
}

Result<std::vector<Row>> frequent(std::string_view sketch) {
  WEIR_ASSIGN(auto items, read(sketch));
  std::vector<Row> rows;
  for (auto& item : items) {
    Row row;
    row.count = item.count;
    if (item.entry.starts_with('V')) row.item = item.entry.substr(1);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace weir::eval::items
