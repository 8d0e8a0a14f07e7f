// Theta sketches: plans "theta_sketch_agg KEY LG_ENTRIES", "theta_union_agg LG_ENTRIES" and
// "theta_intersection_agg".
//
// Spark writes those of several entries in order compressed (serial version 4): the differences of
// the hashes, each in as many bits as the greatest needs, one behind the other, highest bit first.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>

#include <fmt/format.h>
#include <theta_a_not_b.hpp>
#include <theta_intersection.hpp>
#include <theta_sketch.hpp>
#include <theta_union.hpp>

#include "eval/data_sketches.h"

namespace weir::eval::theta {

namespace {

using datasketches::compact_theta_sketch;
using datasketches::theta_intersection;
using datasketches::theta_union;
using datasketches::update_theta_sketch;

constexpr uint64_t kMaxTheta = INT64_MAX;
constexpr uint8_t kReadOnly = 1 << 1, kEmpty = 1 << 2, kCompact = 1 << 3, kOrdered = 1 << 4,
                  kSingleItem = 1 << 5;
constexpr uint8_t kFamily = 3;

void append(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i)
    out += static_cast<char>(value >> (8 * i));
}
uint64_t little(std::string_view bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i)
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

std::string compressed(const compact_theta_sketch& sketch) {
  uint64_t before = 0, all = 0, count = 0;
  for (const uint64_t hash : sketch) {
    all |= hash - before;
    before = hash;
    ++count;
  }
  const int width = 64 - std::countl_zero(all);
  const int count_bytes = (64 - std::countl_zero(count) + 7) / 8;
  const bool estimates = sketch.get_theta64() < kMaxTheta;
  std::string out;
  append(out, estimates ? 2 : 1, 1);
  append(out, 4, 1);
  append(out, kFamily, 1);
  append(out, static_cast<uint64_t>(width), 1);
  append(out, static_cast<uint64_t>(count_bytes), 1);
  append(out, kReadOnly | kCompact | kOrdered, 1);
  append(out, sketch.get_seed_hash(), 2);
  if (estimates) append(out, sketch.get_theta64(), 8);
  append(out, count, count_bytes);
  unsigned byte = 0;
  int used = 0;
  before = 0;
  for (const uint64_t hash : sketch) {
    const uint64_t difference = hash - before;
    before = hash;
    for (int bit = width - 1; bit >= 0; --bit) {
      byte = byte << 1 | static_cast<unsigned>(difference >> bit & 1);
      if (++used < 8) continue;
      out += static_cast<char>(byte);
      byte = 0;
      used = 0;
    }
  }
  if (used > 0) out += static_cast<char>(byte << (8 - used));
  return out;
}

std::string written(const compact_theta_sketch& sketch) {
  if (sketch.is_empty()) return {"\x01\x03\x03\x00\x00\x1e\x00\x00", 8};
  const auto count = sketch.get_num_retained();
  const bool estimates = sketch.get_theta64() < kMaxTheta;
  if (count > 1 || (count == 1 && estimates)) return compressed(sketch);
  const auto bytes = sketch.serialize();
  std::string out(bytes.begin(), bytes.end());
  if (count == 1) out[5] = static_cast<char>(out[5] | kSingleItem);
  return out;
}

Result<compact_theta_sketch> read(std::string_view bytes, std::string_view function) {
  const auto refuse = [&] { return bad_sketch("THETA", function); };
  if (bytes.size() < 8) return refuse();
  try {
    if (bytes[1] != 4 || bytes[2] != kFamily) {
      if (bytes[1] == 3 && bytes[2] == kFamily && (bytes[5] & kEmpty))
        return update_theta_sketch::builder().build().compact();
      return compact_theta_sketch::deserialize(bytes.data(), bytes.size());
    }
    const int width = bytes[3];
    const auto count_bytes = static_cast<size_t>(bytes[4]);
    const bool estimates = bytes[0] > 1;
    size_t at = estimates ? 16 : 8;
    if (width < 1 || width > 63 || count_bytes < 1 || count_bytes > 4 ||
        bytes.size() < at + count_bytes)
      return refuse();
    const uint64_t theta = estimates ? little(bytes, 8, 8) : kMaxTheta;
    const uint64_t count = little(bytes, at, count_bytes);
    at += count_bytes;
    if ((bytes.size() - at) * 8 < count * static_cast<uint64_t>(width)) return refuse();
    std::vector<uint64_t> hashes;
    hashes.reserve(count);
    uint64_t hash = 0;
    size_t bit = at * 8;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t difference = 0;
      for (int k = 0; k < width; ++k, ++bit)
        difference = difference << 1 | (static_cast<uint8_t>(bytes[bit / 8]) >> (7 - bit % 8) & 1U);
      hash += difference;
      if (difference == 0 || hash >= theta) return refuse();
      hashes.push_back(hash);
    }
    return compact_theta_sketch(false, true, static_cast<uint16_t>(little(bytes, 6, 2)), theta,
                                std::move(hashes));
  } catch (const std::exception&) {
    return refuse();
  }
}

// The library has no sketches of fewer than 2^5 entries; Spark's least, 2^4, becomes that.
uint8_t size_for(int log_entries) { return static_cast<uint8_t>(std::max(5, log_entries)); }

theta_union union_of(int log_entries) {
  return theta_union::builder().set_lg_k(size_for(log_entries)).build();
}

// What the library throws (another seed, contradictory counts) is a sketch that is none.
template <typename Work>
auto guarded(std::string_view function, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception&) {
    return bad_sketch("THETA", function);
  }
}

class Counted final : public SketchBuilder {
 public:
  Counted(SketchKey key, int log_entries)
      : key_(key),
        log_entries_(log_entries),
        sketch_(update_theta_sketch::builder().set_lg_k(size_for(log_entries)).build()) {}
  Result<void> add(std::string_view entry) override {
    if (key_ == SketchKey::kLong) {
      int64_t value = 0;
      std::memcpy(&value, entry.data(), sizeof(value));
      sketch_.update(value);
    } else if (key_ == SketchKey::kDouble) {
      double value = 0;
      std::memcpy(&value, entry.data(), sizeof(value));
      sketch_.update(value);
    } else if (!entry.empty()) {
      sketch_.update(entry.data(), entry.size());
    }
    return {};
  }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto other, read(bytes, "theta_sketch_agg"));
    if (!others_) others_.emplace(union_of(log_entries_));
    others_->update(other);
    return {};
  }
  Result<std::string> bytes() override {
    auto all = others_ ? *others_ : union_of(log_entries_);
    all.update(sketch_);
    return written(all.get_result());
  }
  int64_t memory() const override { return 24 * (sketch_.get_num_retained() + 16); }

 private:
  SketchKey key_;
  int log_entries_;
  update_theta_sketch sketch_;
  std::optional<theta_union> others_;
};

class United final : public SketchBuilder {
 public:
  explicit United(int log_entries) : sketch_(union_of(log_entries)) {}
  Result<void> add(std::string_view entry) override { return merge(entry); }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto other, read(bytes, "theta_union_agg"));
    return guarded("theta_union_agg", [&]() -> Result<void> {
      sketch_.update(other);
      return {};
    });
  }
  Result<std::string> bytes() override { return written(sketch_.get_result()); }
  int64_t memory() const override { return 4096; }

 private:
  theta_union sketch_;
};

class Common final : public SketchBuilder {
 public:
  Result<void> add(std::string_view entry) override { return merge(entry); }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto other, read(bytes, "theta_intersection_agg"));
    return guarded("theta_intersection_agg", [&]() -> Result<void> {
      sketch_.update(other);
      return {};
    });
  }
  Result<std::string> bytes() override {
    if (!sketch_.has_result()) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "theta_intersection_agg of no sketch would be the set of everything");
    }
    return written(sketch_.get_result());
  }
  int64_t memory() const override { return 4096; }

 private:
  theta_intersection sketch_;
};

}  // namespace

Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan) {
  if (plan[0] == "theta_union_agg")
    return std::unique_ptr<SketchBuilder>(new United(sketch_number(plan[1])));
  if (plan[0] == "theta_intersection_agg") return std::unique_ptr<SketchBuilder>(new Common);
  return std::unique_ptr<SketchBuilder>(
      new Counted(static_cast<SketchKey>(plan[1][0]), sketch_number(plan[2])));
}

Result<int64_t> estimate(std::string_view sketch) {
  return guarded_sketch("THETA", "theta_sketch_estimate", [&]() -> Result<int64_t> {
    WEIR_ASSIGN(const auto read_one, read(sketch, "theta_sketch_estimate"));
    return static_cast<int64_t>(std::llround(read_one.get_estimate()));
  });
}

Result<std::string> combine(Operation operation, std::string_view a, std::string_view b,
                            int log_entries, std::string_view function) {
  WEIR_ASSIGN(const auto left, read(a, function));
  WEIR_ASSIGN(const auto right, read(b, function));
  return guarded(function, [&]() -> Result<std::string> {
    if (operation == Operation::kUnion) {
      auto all = union_of(log_entries);
      all.update(left);
      all.update(right);
      return written(all.get_result());
    }
    if (operation == Operation::kDifference)
      return written(datasketches::theta_a_not_b().compute(left, right));
    theta_intersection both;
    both.update(left);
    both.update(right);
    return written(both.get_result());
  });
}

Result<std::string> plain(std::string_view sketch, std::string_view function) {
  return guarded_sketch("THETA", function, [&]() -> Result<std::string> {
    WEIR_ASSIGN(const auto read_one, read(sketch, function));
    const auto bytes = read_one.serialize();
    return std::string(bytes.begin(), bytes.end());
  });
}

}  // namespace weir::eval::theta
