// Tuple sketches: keys as in Theta sketches, each with a number. Plans
// "tuple_sketch_agg_NUMBER KEY LG_ENTRIES MODE", "tuple_union_agg_NUMBER LG_ENTRIES MODE" and
// "tuple_intersection_agg_NUMBER MODE"; an entry is the number (8 or 4 bytes) and the key.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <limits>
#include <type_traits>

#include <theta_sketch.hpp>
#include <tuple_a_not_b.hpp>
#include <tuple_intersection.hpp>
#include <tuple_sketch.hpp>
#include <tuple_union.hpp>

#include "eval/data_sketches.h"

namespace weir::eval::tuple {

namespace {

// A number and how numbers of one key become one. In a sketch's bytes: the number, then the mode.
template <typename T>
struct Summed {
  T value{};
  Mode mode = Mode::kSum;
};

template <typename T>
T joined(Mode mode, T a, T b) {
  switch (mode) {
    case Mode::kMin:
      return std::min(a, b);
    case Mode::kMax:
      return std::max(a, b);
    case Mode::kAlwaysOne:
      return 1;
    default:
      if constexpr (std::is_integral_v<T>) {  // as Java's int
        return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
      } else {
        return a + b;
      }
  }
}

// What a key has that comes without a number.
template <typename T>
T neutral(Mode mode) {
  using Limits = std::numeric_limits<T>;
  switch (mode) {
    case Mode::kMin:
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
    case Mode::kMax:
      return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    case Mode::kAlwaysOne:
      return 1;
    default:
      return 0;
  }
}

template <typename T>
struct UpdatePolicy {
  Mode mode = Mode::kSum;
  Summed<T> create() const { return {neutral<T>(mode), mode}; }
  void update(Summed<T>& summary, T value) const {
    summary.value = joined(mode, summary.value, value);
  }
};

template <typename T>
struct SetPolicy {
  Mode mode = Mode::kSum;
  void operator()(Summed<T>& mine, const Summed<T>& other) const {
    mine.value = joined(mode, mine.value, other.value);
    mine.mode = mode;
  }
};

template <typename T>
struct SummaryBytes {
  static constexpr size_t kWidth = sizeof(T) + 1;
  size_t size_of_item(const Summed<T>&) const { return kWidth; }
  size_t serialize(void* out, size_t capacity, const Summed<T>* items, unsigned count) const {
    datasketches::ensure_minimum_memory(capacity, kWidth * count);
    auto* at = static_cast<char*>(out);
    for (unsigned i = 0; i < count; ++i, at += kWidth) {
      std::memcpy(at, &items[i].value, sizeof(T));
      at[sizeof(T)] = static_cast<char>(items[i].mode);
    }
    return kWidth * count;
  }
  size_t deserialize(const void* bytes, size_t capacity, Summed<T>* items, unsigned count) const {
    datasketches::ensure_minimum_memory(capacity, kWidth * count);
    const auto* at = static_cast<const char*>(bytes);
    for (unsigned i = 0; i < count; ++i, at += kWidth) {
      Summed<T> item;
      std::memcpy(&item.value, at, sizeof(T));
      item.mode = static_cast<Mode>(at[sizeof(T)]);
      new (&items[i]) Summed<T>(item);
    }
    return kWidth * count;
  }
};

// As for Theta sketches.
uint8_t size_for(int log_entries) { return static_cast<uint8_t>(std::max(5, log_entries)); }

template <typename T>
struct Library {
  using Item = Summed<T>;
  using Update = datasketches::update_tuple_sketch<Item, T, UpdatePolicy<T>>;
  using Compact = datasketches::compact_tuple_sketch<Item>;
  using Union = datasketches::tuple_union<Item, SetPolicy<T>>;
  using Intersection = datasketches::tuple_intersection<Item, SetPolicy<T>>;
  using Difference = datasketches::tuple_a_not_b<Item>;

  static std::string written(const Compact& sketch) {
    constexpr uint8_t kOrdered = 1 << 4;  // Spark's are not, be they of one entry
    auto bytes = sketch.serialize(0, SummaryBytes<T>());
    bytes[5] = static_cast<uint8_t>(bytes[5] & ~kOrdered);
    return {bytes.begin(), bytes.end()};
  }
  // True where the bytes hold as much as they say: the library believes them.
  static bool is_whole(std::string_view bytes) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(bytes[at]); };
    if (bytes.size() < 8 || byte(1) != 3 || byte(2) != 9 || byte(3) != 1) return false;
    constexpr size_t kEntry = 8 + SummaryBytes<T>::kWidth;
    if (byte(5) & 1 << 2) return byte(0) == 1 && bytes.size() == 8;  // empty
    if (byte(0) == 1) return bytes.size() == 8 + kEntry;
    if ((byte(0) != 2 && byte(0) != 3) || bytes.size() < 16) return false;
    uint32_t count = 0;
    std::memcpy(&count, bytes.data() + 8, sizeof(count));
    return bytes.size() == size_t{8} * byte(0) + count * kEntry;
  }
  static Result<Compact> read(std::string_view bytes, std::string_view function) {
    if (!is_whole(bytes)) return bad_sketch("TUPLE", function);
    try {
      auto made = Compact::deserialize(bytes.data(), bytes.size(), datasketches::DEFAULT_SEED,
                                       SummaryBytes<T>());
      // Numbers of another width leave bytes over, or none.
      if (bytes.size() == made.serialize(0, SummaryBytes<T>()).size()) return made;
    } catch (const std::exception&) {  // told below
    }
    return bad_sketch("TUPLE", function);
  }
  static Union union_of(int log_entries, Mode mode) {
    return typename Union::builder(SetPolicy<T>{mode}).set_lg_k(size_for(log_entries)).build();
  }
};

template <typename Work>
auto guarded(std::string_view function, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception&) {
    return bad_sketch("TUPLE", function);
  }
}

template <typename T>
class Counted final : public SketchBuilder {
 public:
  using L = Library<T>;
  Counted(std::string function, SketchKey key, int log_entries, Mode mode)
      : function_(std::move(function)),
        key_(key),
        log_entries_(log_entries),
        mode_(mode),
        sketch_(typename L::Update::builder(UpdatePolicy<T>{mode})
                    .set_lg_k(size_for(log_entries))
                    .build()) {}
  Result<void> add(std::string_view entry) override {
    T value{};
    std::memcpy(&value, entry.data(), sizeof(value));
    entry.remove_prefix(sizeof(value));
    if (key_ == SketchKey::kLong) {
      int64_t key = 0;
      std::memcpy(&key, entry.data(), sizeof(key));
      sketch_.update(key, value);
    } else if (key_ == SketchKey::kDouble) {
      double key = 0;
      std::memcpy(&key, entry.data(), sizeof(key));
      sketch_.update(key, value);
    } else if (!entry.empty()) {
      sketch_.update(entry.data(), entry.size(), value);
    }
    return {};
  }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto other, L::read(bytes, function_));
    if (!others_) others_.emplace(L::union_of(log_entries_, mode_));
    others_->update(other);
    return {};
  }
  Result<std::string> bytes() override {
    auto all = others_ ? *others_ : L::union_of(log_entries_, mode_);
    all.update(sketch_);
    return L::written(all.get_result(false));
  }
  int64_t memory() const override { return 40 * (sketch_.get_num_retained() + 16); }

 private:
  std::string function_;
  SketchKey key_;
  int log_entries_;
  Mode mode_;
  typename L::Update sketch_;
  std::optional<typename L::Union> others_;
};

template <typename T>
class United final : public SketchBuilder {
 public:
  using L = Library<T>;
  United(std::string function, int log_entries, Mode mode)
      : function_(std::move(function)), sketch_(L::union_of(log_entries, mode)) {}
  Result<void> add(std::string_view entry) override { return merge(entry); }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto other, L::read(bytes, function_));
    return guarded(function_, [&]() -> Result<void> {
      sketch_.update(other);
      return {};
    });
  }
  Result<std::string> bytes() override { return L::written(sketch_.get_result(false)); }
  int64_t memory() const override { return 8192; }

 private:
  std::string function_;
  typename L::Union sketch_;
};

template <typename T>
class Common final : public SketchBuilder {
 public:
  using L = Library<T>;
  Common(std::string function, Mode mode)
      : function_(std::move(function)), sketch_(datasketches::DEFAULT_SEED, SetPolicy<T>{mode}) {}
  Result<void> add(std::string_view entry) override { return merge(entry); }
  Result<void> merge(std::string_view bytes) override {
    WEIR_ASSIGN(const auto other, L::read(bytes, function_));
    return guarded(function_, [&]() -> Result<void> {
      sketch_.update(other);
      return {};
    });
  }
  Result<std::string> bytes() override {
    if (!sketch_.has_result()) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "{} of no sketch would be the set of everything", function_);
    }
    return L::written(sketch_.get_result(false));
  }
  int64_t memory() const override { return 8192; }

 private:
  std::string function_;
  typename L::Intersection sketch_;
};

template <typename T>
std::unique_ptr<SketchBuilder> builder(const std::vector<std::string_view>& plan) {
  const std::string function(plan[0]);
  if (function.starts_with("tuple_union_agg"))
    return std::make_unique<United<T>>(function, sketch_number(plan[1]), *mode_of(plan[2]));
  if (function.starts_with("tuple_intersection_agg"))
    return std::make_unique<Common<T>>(function, *mode_of(plan[1]));
  return std::make_unique<Counted<T>>(function, static_cast<SketchKey>(plan[1][0]),
                                      sketch_number(plan[2]), *mode_of(plan[3]));
}

template <typename T>
Result<Facts> facts_of(std::string_view sketch, std::string_view function) {
  WEIR_ASSIGN(const auto read, Library<T>::read(sketch, function));
  Facts made{read.get_estimate(), read.get_theta(), {}};
  for (const auto& entry : read)
    made.summaries.push_back(static_cast<double>(entry.second.value));
  return made;
}

template <typename T>
Result<std::string> combination(theta::Operation operation, bool with_theta, std::string_view a,
                                std::string_view b, int log_entries, Mode mode,
                                std::string_view function) {
  using L = Library<T>;
  WEIR_ASSIGN(const auto left, L::read(a, function));
  std::optional<typename L::Compact> right;
  if (with_theta) {
    WEIR_ASSIGN(const auto bytes, theta::plain(b, function));
    const auto keys = datasketches::compact_theta_sketch::deserialize(bytes.data(), bytes.size());
    right.emplace(keys, Summed<T>{neutral<T>(mode), mode}, false);
  } else {
    WEIR_ASSIGN(right, L::read(b, function));
  }
  return guarded(function, [&]() -> Result<std::string> {
    if (operation == theta::Operation::kUnion) {
      auto all = L::union_of(log_entries, mode);
      all.update(left);
      all.update(*right);
      return L::written(all.get_result(false));
    }
    if (operation == theta::Operation::kDifference)
      return L::written(typename L::Difference().compute(left, *right, false));
    typename L::Intersection both(datasketches::DEFAULT_SEED, SetPolicy<T>{mode});
    both.update(left);
    both.update(*right);
    return L::written(both.get_result(false));
  });
}

}  // namespace

std::optional<Mode> mode_of(std::string_view name) {
  if (name == "sum") return Mode::kSum;
  if (name == "min") return Mode::kMin;
  if (name == "max") return Mode::kMax;
  if (name == "alwaysone") return Mode::kAlwaysOne;
  return std::nullopt;
}

Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan) {
  return plan[0].ends_with("_double") ? builder<double>(plan) : builder<int32_t>(plan);
}

Result<Facts> facts(Summary summary, std::string_view sketch, std::string_view function) {
  return guarded_sketch("TUPLE", function, [&]() -> Result<Facts> {
    return summary == Summary::kDouble ? facts_of<double>(sketch, function)
                                       : facts_of<int32_t>(sketch, function);
  });
}

Result<std::string> combine(theta::Operation operation, Summary summary, bool with_theta,
                            std::string_view a, std::string_view b, int log_entries, Mode mode,
                            std::string_view function) {
  return guarded_sketch("TUPLE", function, [&]() -> Result<std::string> {
    return summary == Summary::kDouble
               ? combination<double>(operation, with_theta, a, b, log_entries, mode, function)
               : combination<int32_t>(operation, with_theta, a, b, log_entries, mode, function);
  });
}

}  // namespace weir::eval::tuple
