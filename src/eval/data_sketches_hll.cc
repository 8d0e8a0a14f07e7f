// HyperLogLog: plans "hll_sketch_agg KEY LG_K" and "hll_union_agg DIFFERENT_SIZES".
#include <cstring>
#include <exception>

#include <fmt/format.h>
#include <hll.hpp>

#include "eval/data_sketches.h"

namespace weir::eval::hll {

namespace {

using datasketches::hll_sketch;
using datasketches::hll_union;

constexpr auto kForm = datasketches::HLL_8;

std::string written(const hll_sketch& sketch) {
  const auto bytes = sketch.serialize_updatable();
  return {bytes.begin(), bytes.end()};
}

// True where the bytes hold as much as they say: the library believes them. Spark writes registers
// of eight bits only.
bool is_whole(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (bytes.size() < 8 || byte(1) != 1 || byte(2) != 7 || (byte(7) >> 2 & 3) != 2) return false;
  const unsigned log_k = byte(3), log_size = byte(4);
  if (log_k < 4 || log_k > 21) return false;
  const bool compact = (byte(5) & 8) != 0;
  switch (byte(7) & 3) {
    case 0: {  // a list of up to eight
      const size_t count = byte(6);
      return byte(0) == 2 && log_size == 3 && count <= 8 &&
             bytes.size() >= 8 + 4 * (compact ? count : 8);
    }
    case 1: {  // a hash set
      if (byte(0) != 3 || bytes.size() < 12 || log_size < 5 || log_size > 21) return false;
      uint32_t count = 0;
      std::memcpy(&count, bytes.data() + 8, sizeof(count));
      const size_t size = size_t{1} << log_size;
      return count <= size / 4 * 3 && bytes.size() >= 12 + 4 * (compact ? count : size);
    }
    case 2: {  // registers
      const size_t size = size_t{1} << log_k;
      if (byte(0) != 10 || byte(6) != 0 || bytes.size() < 40 + size) return false;
      uint32_t exceptions = 0;  // registers of this width have none
      std::memcpy(&exceptions, bytes.data() + 36, sizeof(exceptions));
      if (exceptions != 0) return false;
      for (size_t i = 40; i < 40 + size; ++i) {
        if (byte(i) > 63) return false;
      }
      return true;
    }
    default:
      return false;
  }
}

Result<hll_sketch> read(std::string_view bytes, std::string_view function) {
  if (!is_whole(bytes)) return bad_sketch("HLL", function);
  try {
    return hll_sketch::deserialize(bytes.data(), bytes.size());
  } catch (const std::exception&) {
    return bad_sketch("HLL", function);
  }
}

base::Error different(int a, int b, std::string_view function) {
  return base::error(base::ErrorKind::kInvalidArgument,
                     "[HLL_UNION_DIFFERENT_LG_K] Sketches have different `lgConfigK` values: {} "
                     "and {}. Set the `allowDifferentLgConfigK` parameter to true to call `{}` "
                     "with different `lgConfigK` values.",
                     a, b, function)
      .with_class("HLL_UNION_DIFFERENT_LG_K")
      .with_sql_state("22000")
      .with_parameter("left", std::to_string(a))
      .with_parameter("right", std::to_string(b))
      .with_parameter("function", fmt::format("`{}`", function));
}

class Counted final : public SketchBuilder {
 public:
  Counted(SketchKey key, int log_k) : key_(key), sketch_(static_cast<uint8_t>(log_k), kForm) {}
  Result<void> add(std::string_view entry) override {
    if (key_ == SketchKey::kLong) {
      int64_t value = 0;
      std::memcpy(&value, entry.data(), sizeof(value));
      sketch_.update(value);
    } else if (!entry.empty()) {
      sketch_.update(entry.data(), entry.size());
    }
    return {};
  }
  Result<void> merge(std::string_view bytes) override {
    return guarded_sketch("HLL", "hll_sketch_agg", [&]() -> Result<void> {
      WEIR_ASSIGN(const auto other, read(bytes, "hll_sketch_agg"));
      hll_union both(sketch_.get_lg_config_k());
      both.update(sketch_);
      both.update(other);
      sketch_ = both.get_result(kForm);
      return {};
    });
  }
  Result<std::string> bytes() override { return written(sketch_); }
  int64_t memory() const override { return sketch_.get_updatable_serialization_bytes(); }

 private:
  SketchKey key_;
  hll_sketch sketch_;
};

class United final : public SketchBuilder {
 public:
  explicit United(bool different_sizes) : different_sizes_(different_sizes) {}
  Result<void> add(std::string_view entry) override { return merge(entry); }
  Result<void> merge(std::string_view bytes) override {
    return guarded_sketch("HLL", "hll_union_agg", [&]() -> Result<void> {
      WEIR_ASSIGN(const auto other, read(bytes, "hll_union_agg"));
      if (!sketch_) {
        sketch_.emplace(other.get_lg_config_k());
      } else if (!different_sizes_ && sketch_->get_lg_config_k() != other.get_lg_config_k()) {
        return different(sketch_->get_lg_config_k(), other.get_lg_config_k(), "hll_union_agg");
      }
      sketch_->update(other);
      return {};
    });
  }
  Result<std::string> bytes() override {
    return written(sketch_ ? sketch_->get_result(kForm) : hll_sketch(12, kForm));
  }
  int64_t memory() const override {
    return sketch_ ? int64_t{1} << sketch_->get_lg_config_k() : 64;
  }

 private:
  bool different_sizes_;
  std::optional<hll_union> sketch_;
};

}  // namespace

Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan) {
  if (plan[0] == "hll_union_agg") return std::unique_ptr<SketchBuilder>(new United(plan[1] == "1"));
  return std::unique_ptr<SketchBuilder>(
      new Counted(static_cast<SketchKey>(plan[1][0]), sketch_number(plan[2])));
}

Result<int64_t> estimate(std::string_view sketch) {
  return guarded_sketch("HLL", "hll_sketch_estimate", [&]() -> Result<int64_t> {
    WEIR_ASSIGN(const auto read_one, read(sketch, "hll_sketch_estimate"));
    return static_cast<int64_t>(std::llround(read_one.get_estimate()));
  });
}

Result<std::string> unite(std::string_view a, std::string_view b, bool different_sizes) {
  return guarded_sketch("HLL", "hll_union", [&]() -> Result<std::string> {
    WEIR_ASSIGN(const auto left, read(a, "hll_union"));
    WEIR_ASSIGN(const auto right, read(b, "hll_union"));
    if (!different_sizes && left.get_lg_config_k() != right.get_lg_config_k())
      return different(left.get_lg_config_k(), right.get_lg_config_k(), "hll_union");
    hll_union both(std::min(left.get_lg_config_k(), right.get_lg_config_k()));
    both.update(left);
    both.update(right);
    return written(both.get_result(kForm));
  });
}

}  // namespace weir::eval::hll
