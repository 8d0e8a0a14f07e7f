// KLL quantile sketches: plans "kll_sketch_agg_NUMBER K" and "kll_merge_agg_NUMBER K" (K 0: that of
// the first sketch); an entry is the number in little endian.
#include <cstring>
#include <exception>

#include <fmt/format.h>
#include <kll_sketch.hpp>

#include "eval/data_sketches.h"
#include "plan/calendar.h"

namespace weir::eval::kll {

namespace {

constexpr int kDefaultK = 200;

template <typename T>
using Sketch = datasketches::kll_sketch<T>;

template <typename T>
std::string written(const Sketch<T>& sketch) {
  const auto bytes = sketch.serialize();
  return {bytes.begin(), bytes.end()};
}

template <typename T>
T fixed(std::string_view bytes, size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

// True where the bytes hold as much as they say, of numbers of that width: the library believes
// them.
bool is_whole(std::string_view bytes, size_t width) {
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(bytes[at]); };
  if (bytes.size() < 8 || byte(1) < 1 || byte(1) > 2 || byte(2) != 15 || byte(6) != 8) return false;
  const auto k = fixed<uint16_t>(bytes, 4);
  if (k < 8) return false;
  if (byte(3) & 1) return byte(0) == 2 && bytes.size() == 8;          // empty
  if (byte(3) & 4) return byte(0) == 2 && bytes.size() == 8 + width;  // one number
  if (byte(0) != 5 || bytes.size() < 24) return false;
  const auto least_k = fixed<uint16_t>(bytes, 16);
  const size_t levels = byte(18), head = 20 + 4 * levels + 2 * width;
  if (least_k < 8 || least_k > k || levels < 1 || levels > 60 || bytes.size() < head ||
      (bytes.size() - head) % width != 0)
    return false;
  const auto capacity =
      datasketches::kll_helper::compute_total_capacity(k, 8, static_cast<uint8_t>(levels));
  const size_t held = (bytes.size() - head) / width;
  uint64_t all = 0;
  for (size_t level = 0; level < levels; ++level) {
    const uint64_t begin = fixed<uint32_t>(bytes, 20 + 4 * level);
    const uint64_t end =
        level + 1 < levels ? fixed<uint32_t>(bytes, 24 + 4 * level) : uint64_t{capacity};
    if (begin > end || end > capacity) return false;
    if (level == 0 && capacity - begin != held) return false;
    all += (end - begin) << level;
  }
  return all == fixed<uint64_t>(bytes, 8) && all > 0;
}

template <typename T>
Result<Sketch<T>> read(std::string_view bytes, std::string_view function) {
  if (!is_whole(bytes, sizeof(T))) return bad_sketch("KLL", function);
  try {
    auto made = Sketch<T>::deserialize(bytes.data(), bytes.size());
    // Numbers of another width leave bytes over.
    if (made.get_serialized_size_bytes() == bytes.size()) return made;
  } catch (const std::exception&) {  // told below
  }
  return bad_sketch("KLL", function);
}

template <typename T>
class Builder final : public SketchBuilder {
 public:
  Builder(std::string function, int k)
      : function_(std::move(function)), merges_(function_.starts_with("kll_merge")), k_(k) {
    if (!merges_ || k_ > 0) sketch_.emplace(static_cast<uint16_t>(k_));
  }
  Result<void> add(std::string_view entry) override {
    if (merges_) return merge(entry);
    T value{};
    std::memcpy(&value, entry.data(), sizeof(value));
    sketch_->update(value);
    return {};
  }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto other, read<T>(bytes, function_));
    if (!sketch_) sketch_.emplace(other.get_k());
    try {
      sketch_->merge(other);
    } catch (const std::exception&) {
      return bad_sketch("KLL", function_);
    }
    return {};
  }
  Result<std::string> bytes() override {
    return written(sketch_ ? *sketch_ : Sketch<T>(kDefaultK));
  }
  int64_t memory() const override {
    return sketch_ ? 64 + static_cast<int64_t>(sizeof(T)) * 3 * sketch_->get_k() : 64;
  }

 private:
  std::string function_;
  bool merges_;
  int k_;
  std::optional<Sketch<T>> sketch_;
};

// work(a T) for the numbers that the sketches hold.
template <typename Work>
auto with(Number number, Work&& work) -> decltype(work(int64_t{})) {
  switch (number) {
    case Number::kLong:
      return work(int64_t{});
    case Number::kFloat:
      return work(float{});
    default:
      return work(double{});
  }
}

template <typename T>
T number_of(const Value& value) {
  return std::is_integral_v<T> ? static_cast<T>(value.whole) : static_cast<T>(value.real);
}
template <typename T>
Value value_of(T number) {
  if constexpr (std::is_integral_v<T>) {
    return {number, 0};
  } else {
    return {0, static_cast<double>(number)};
  }
}

template <typename T>
std::string text_of(T number) {
  if constexpr (std::is_integral_v<T>) return std::to_string(number);
  if constexpr (std::is_same_v<T, float>) return plan::format_float(number);
  return plan::format_double(static_cast<double>(number));
}

template <typename T>
constexpr std::string_view kNumbers = std::is_integral_v<T>      ? "Longs"
                                      : std::is_same_v<T, float> ? "Floats"
                                                                 : "Doubles";

template <typename T>
std::string described(const Sketch<T>& sketch) {
  // Levels and free places stand in the bytes of a sketch of several items.
  const auto bytes = sketch.serialize();
  uint32_t levels = 1, spare = sketch.get_k() - sketch.get_num_retained();
  uint16_t least_k = sketch.get_k();
  bool sorted = false;
  if (sketch.get_n() > 1) {
    std::memcpy(&least_k, &bytes[16], sizeof(least_k));
    levels = bytes[18];
    std::memcpy(&spare, &bytes[20], sizeof(spare));
    sorted = (bytes[3] & 2) != 0;
  }
  const uint32_t capacity = spare + sketch.get_num_retained();
  constexpr auto kWidth = sizeof(T);
  std::string text = fmt::format("\n### KllKll{}Sketch Summary:\n", kNumbers<T>);
  const auto line = [&](std::string_view name, const auto& value) {
    text += fmt::format("   {:<23}: {}\n", name, value);
  };
  const auto percent = [&](bool mass) {
    return fmt::format("{:.3f}%", 100 * sketch.get_normalized_rank_error(mass));
  };
  line("K", sketch.get_k());
  line("Dynamic min K", least_k);
  line("M", 8);
  line("N", sketch.get_n());
  line("Epsilon", percent(false));
  line("Epsilon PMF", percent(true));
  line("Empty", sketch.is_empty());
  line("Estimation Mode", sketch.is_estimation_mode());
  line("Levels", levels);
  line("Level 0 Sorted", sorted);
  line("Capacity Items", capacity);
  line("Retained Items", sketch.get_num_retained());
  line("Free Space", spare);
  line("ReadOnly", false);
  line("Updatable Storage Bytes", 20 + 4 * (levels + 1) + kWidth * (capacity + 2));
  line("Compact Storage Bytes", bytes.size());
  line("Min Item", sketch.is_empty() ? std::string("NaN") : text_of(sketch.get_min_item()));
  line("Max Item", sketch.is_empty() ? std::string("NaN") : text_of(sketch.get_max_item()));
  return text + "### End sketch summary\n";
}

}  // namespace

Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan) {
  const std::string function(plan[0]);
  const auto number = function.ends_with("_bigint")  ? Number::kLong
                      : function.ends_with("_float") ? Number::kFloat
                                                     : Number::kDouble;
  return with(number, [&](auto sample) -> std::unique_ptr<SketchBuilder> {
    return std::make_unique<Builder<decltype(sample)>>(function, sketch_number(plan[1]));
  });
}

Result<int64_t> count(Number number, std::string_view sketch, std::string_view function) {
  return guarded_sketch("KLL", function, [&]() -> Result<int64_t> {
    return with(number, [&](auto sample) -> Result<int64_t> {
      WEIR_ASSIGN(const auto made, read<decltype(sample)>(sketch, function));
      return static_cast<int64_t>(made.get_n());
    });
  });
}

Result<std::vector<Value>> quantiles(Number number, std::string_view sketch,
                                     const std::vector<double>& ranks, std::string_view function) {
  return guarded_sketch("KLL", function, [&]() -> Result<std::vector<Value>> {
    return with(number, [&](auto sample) -> Result<std::vector<Value>> {
      WEIR_ASSIGN(const auto made, read<decltype(sample)>(sketch, function));
      if (made.is_empty()) return bad_sketch("KLL", function);
      std::vector<Value> found;
      for (const double rank : ranks)
        found.push_back(value_of(made.get_quantile(rank)));
      return found;
    });
  });
}

Result<std::vector<double>> ranks(Number number, std::string_view sketch,
                                  const std::vector<Value>& values, std::string_view function) {
  return guarded_sketch("KLL", function, [&]() -> Result<std::vector<double>> {
    return with(number, [&](auto sample) -> Result<std::vector<double>> {
      WEIR_ASSIGN(const auto made, read<decltype(sample)>(sketch, function));
      if (made.is_empty()) return bad_sketch("KLL", function);
      std::vector<double> found;
      for (const auto& value : values)
        found.push_back(made.get_rank(number_of<decltype(sample)>(value)));
      return found;
    });
  });
}

Result<std::string> merged(Number number, std::string_view a, std::string_view b,
                           std::string_view function) {
  return guarded_sketch("KLL", function, [&]() -> Result<std::string> {
    return with(number, [&](auto sample) -> Result<std::string> {
      WEIR_ASSIGN(auto left, read<decltype(sample)>(a, function));
      WEIR_ASSIGN(const auto right, read<decltype(sample)>(b, function));
      left.merge(right);
      return written(left);
    });
  });
}

Result<std::string> summary(Number number, std::string_view sketch, std::string_view function) {
  return guarded_sketch("KLL", function, [&]() -> Result<std::string> {
    return with(number, [&](auto sample) -> Result<std::string> {
      WEIR_ASSIGN(const auto made, read<decltype(sample)>(sketch, function));
      return described(made);
    });
  });
}

}  // namespace weir::eval::kll
