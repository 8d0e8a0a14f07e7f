// Aggregates whose state is a few numbers: counts, sums, means, extremes, bits, moments.
#include <cmath>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/aggregate_state.h"
#include "eval/cast.h"
#include "eval/moments.h"
#include "eval/wide_decimal.h"

namespace weir::eval {

namespace {

using columnar::make_field;
using plan::Int128;

DataType of(TypeKind kind) { return DataType::of(kind); }

base::Error overflow(const plan::Typed& expression, std::string_view what) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  return kernel_error(
      "ARITHMETIC_OVERFLOW", "22003",
      fmt::format("{} overflow in `{}`. If necessary set \"spark.sql.ansi.enabled\" to \"false\" "
                  "to bypass this error.",
                  what, call.function->name),
      expression.origin);
}

// Calls use(T{}) with the C++ type of the type's values.
template <typename Use>
auto with_fixed(const DataType& type, Use use) {
  switch (type.kind()) {
    case TypeKind::kByte:
      return use(int8_t{});
    case TypeKind::kShort:
      return use(int16_t{});
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return use(int32_t{});
    case TypeKind::kFloat:
      return use(float{});
    case TypeKind::kDouble:
      return use(double{});
    case TypeKind::kDecimal:
      return use(Int128{});
    default:
      return use(int64_t{});
  }
}

// Calls each(row) for the rows that are not NULL.
template <typename Each>
void for_each_valid(const Validity& valid, size_t rows, Each each) {
  if (valid.no_nulls()) {
    for (size_t row = 0; row < rows; ++row)
      each(row);
    return;
  }
  for (size_t row = 0; row < rows; ++row) {
    if (valid[static_cast<int64_t>(row)]) each(row);
  }
}

// A column of fixed-width values, a slot a row; value(slot, v) false: NULL.
template <typename T, typename Slots, typename Value>
ArrayPtr fixed_column(const DataType& type, const Slots& slots, Value value) {
  FixedWriter<T> writer(static_cast<int64_t>(slots.size()));
  for (size_t i = 0; i < slots.size(); ++i) {
    T made{};
    if (value(slots[i], made)) {
      writer.set(static_cast<int64_t>(i), made);
    } else {
      writer.set_null(static_cast<int64_t>(i));
    }
  }
  return writer.finish(columnar::to_arrow(type));
}

template <typename Slots, typename Value>
ArrayPtr flag_column(const Slots& slots, Value value) {
  BoolWriter writer(static_cast<int64_t>(slots.size()));
  for (size_t i = 0; i < slots.size(); ++i)
    writer.set(static_cast<int64_t>(i), value(slots[i]));
  return writer.finish();
}

template <typename Slot>
class SlotState : public AggregateState {
 public:
  void resize(size_t groups) override { slots_.resize(groups); }
  int64_t memory() const override { return static_cast<int64_t>(slots_.capacity() * sizeof(Slot)); }

 protected:
  std::vector<Slot> slots_;
};

class CountState final : public SlotState<int64_t> {
 public:
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    if (arguments.empty()) {
      for (const auto group : groups)
        ++slots_[group];
      return {};
    }
    if (arguments.size() == 1) {
      const Vector vector{arguments[0], false};
      for_each_valid(Validity(vector), groups.size(), [&](size_t row) { ++slots_[groups[row]]; });
      return {};
    }
    std::vector<Validity> valid;
    for (const auto& argument : arguments)
      valid.emplace_back(Vector{argument, false});
    for (size_t row = 0; row < groups.size(); ++row) {
      bool all = true;
      for (const auto& one : valid)
        all = all && one[static_cast<int64_t>(row)];
      slots_[groups[row]] += all;
    }
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    const Vector vector{states[0], false};
    const FixedReader<int64_t> counts(vector);
    for_each_valid(counts.valid, groups.size(),
                   [&](size_t row) { slots_[groups[row]] += counts[static_cast<int64_t>(row)]; });
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    out.push_back(column());
    return {};
  }
  Result<ArrayPtr> finish() override { return column(); }

 private:
  ArrayPtr column() const {
    return fixed_column<int64_t>(of(TypeKind::kLong), slots_, [](int64_t slot, int64_t& made) {
      made = slot;
      return true;
    });
  }
};

class CountIfState final : public SlotState<int64_t> {
 public:
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    if (arguments[0]->type_id() == arrow::Type::NA) return {};
    const Vector vector{arguments[0], false};
    const BoolReader flags(vector);
    for_each_valid(flags.valid, groups.size(),
                   [&](size_t row) { slots_[groups[row]] += flags[static_cast<int64_t>(row)]; });
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    const Vector vector{states[0], false};
    const FixedReader<int64_t> counts(vector);
    for_each_valid(counts.valid, groups.size(),
                   [&](size_t row) { slots_[groups[row]] += counts[static_cast<int64_t>(row)]; });
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    WEIR_ASSIGN(auto made, finish());
    out.push_back(std::move(made));
    return {};
  }
  Result<ArrayPtr> finish() override {
    return fixed_column<int64_t>(of(TypeKind::kLong), slots_, [](int64_t slot, int64_t& made) {
      made = slot;
      return true;
    });
  }
};

// How a sum goes on past its type.
enum class Overflow : uint8_t { kFails, kWraps, kNull };

template <typename T>
struct SumSlot {
  T sum = 0;
  bool any = false;
  bool over = false;  // for good: the result is NULL
};

// Sums of integers and intervals in 64 bits.
class LongSumState final : public SlotState<SumSlot<int64_t>> {
 public:
  LongSumState(plan::TypedPtr expression, Overflow mode)
      : expression_(std::move(expression)), mode_(mode) {}

  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    const auto& type = std::get<plan::TypedCall>(expression_->node).arguments[0]->type;
    const Vector vector{arguments[0], false};
    bool failed = false;
    with_fixed(type, [&](auto sample) {
      using T = decltype(sample);
      if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
        const FixedReader<T> values(vector);
        for_each_valid(values.valid, groups.size(), [&](size_t row) {
          failed |= !add(slots_[groups[row]], values[static_cast<int64_t>(row)]);
        });
      }
    });
    if (failed) return over();
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    const Vector sums{states[0], false}, overs{states[1], false};
    const FixedReader<int64_t> values(sums);
    const BoolReader over_flags(overs);
    bool failed = false;
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      auto& slot = slots_[groups[i]];
      if (over_flags.valid[row] && over_flags[row]) slot.over = slot.any = true;
      if (values.valid[row]) failed |= !add(slot, values[row]);
    }
    if (failed) return over();
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    out.push_back(
        fixed_column<int64_t>(of(TypeKind::kLong), slots_, [](const auto& slot, int64_t& made) {
          made = slot.sum;
          return slot.any;
        }));
    out.push_back(flag_column(slots_, [](const auto& slot) { return slot.over; }));
    return {};
  }
  Result<ArrayPtr> finish() override {
    bool failed = false;
    auto made = with_fixed(expression_->type, [&](auto sample) -> ArrayPtr {
      using T = decltype(sample);
      return fixed_column<T>(expression_->type, slots_, [&](const auto& slot, T& value) {
        value = static_cast<T>(slot.sum);
        if constexpr (sizeof(T) < 8) failed |= slot.any && slot.sum != static_cast<int64_t>(value);
        return slot.any && !slot.over;
      });
    });
    if (failed) return over();
    return made;
  }

 private:
  bool add(SumSlot<int64_t>& slot, int64_t value) const {
    slot.any = true;
    if (!__builtin_add_overflow(slot.sum, value, &slot.sum)) return true;
    if (mode_ == Overflow::kNull) slot.over = true;
    return mode_ != Overflow::kFails;
  }
  base::Error over() const {
    const bool interval = expression_->type.is_interval();
    return overflow(*expression_, interval ? "interval" : "long");
  }

  plan::TypedPtr expression_;
  Overflow mode_;
};

// One double a group, NULL before the first value. `Fold` takes what is there and the next value.
template <typename Fold>
class DoubleFoldState final : public SlotState<SumSlot<double>> {
 public:
  explicit DoubleFoldState(double start) : start_(start) {}
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    if (arguments[0]->type_id() == arrow::Type::NA) return {};
    const Vector vector{arguments[0], false};
    const FixedReader<double> values(vector);
    for_each_valid(values.valid, groups.size(), [&](size_t row) {
      auto& slot = slots_[groups[row]];
      slot.sum = Fold()(slot.any ? slot.sum : start_, values[static_cast<int64_t>(row)]);
      slot.any = true;
    });
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    return update(states, groups);
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    WEIR_ASSIGN(auto made, finish());
    out.push_back(std::move(made));
    return {};
  }
  Result<ArrayPtr> finish() override {
    return fixed_column<double>(of(TypeKind::kDouble), slots_, [](const auto& slot, double& made) {
      made = slot.sum;
      return slot.any;
    });
  }

 private:
  double start_;
};

struct MeanSlot {
  Int128 sum = 0;
  int64_t count = 0;
  bool over = false;
};

// Sums of decimals and their means: 128 bits, which hold 38 digits.
class DecimalState final : public SlotState<MeanSlot> {
 public:
  DecimalState(plan::TypedPtr expression, bool mean, bool fails)
      : expression_(std::move(expression)),
        scale_(std::get<plan::TypedCall>(expression_->node).arguments[0]->type.scale()),
        mean_(mean),
        fails_(fails) {}

  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    const Vector vector{arguments[0], false};
    const FixedReader<Int128> values(vector);
    for_each_valid(values.valid, groups.size(), [&](size_t row) {
      auto& slot = slots_[groups[row]];
      slot.over |= __builtin_add_overflow(slot.sum, values[static_cast<int64_t>(row)], &slot.sum);
      ++slot.count;
    });
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    const Vector sum_column{states[0], false}, count_column{states[1], false};
    const FixedReader<Int128> sums(sum_column);
    const FixedReader<int64_t> counts(count_column);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!counts.valid[row] || counts[row] == 0) continue;
      auto& slot = slots_[groups[i]];
      slot.count += counts[row];
      if (!sums.valid[row]) {
        slot.over = true;
      } else {
        slot.over |= __builtin_add_overflow(slot.sum, sums[row], &slot.sum);
      }
    }
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    const Int128 most = power_of_ten(38) - 1;
    out.push_back(fixed_column<Int128>(DataType::decimal(38, scale_), slots_,
                                       [&](const auto& slot, Int128& made) {
                                         made = slot.sum;
                                         return !slot.over && made <= most && made >= -most;
                                       }));
    out.push_back(
        fixed_column<int64_t>(of(TypeKind::kLong), slots_, [](const auto& slot, int64_t& made) {
          made = slot.count;
          return true;
        }));
    return {};
  }
  Result<ArrayPtr> finish() override {
    const auto& type = expression_->type;
    bool failed = false;
    auto made = fixed_column<Int128>(type, slots_, [&](const auto& slot, Int128& value) {
      if (slot.count == 0) return false;
      const bool fits =
          !slot.over &&
          (mean_ ? divide_decimals(slot.sum, scale_, slot.count, 0, type.precision(), type.scale(),
                                   value)
                 : rescale_decimal(slot.sum, scale_, type.precision(), type.scale(), value));
      failed |= !fits;
      return fits;
    });
    if (failed && fails_) return overflow(*expression_, "decimal");
    return made;
  }

 private:
  plan::TypedPtr expression_;
  int scale_;
  bool mean_;
  bool fails_;
};

// Means of doubles.
class DoubleMeanState final : public AggregateState {
 public:
  void resize(size_t groups) override { slots_.resize(groups); }
  int64_t memory() const override { return static_cast<int64_t>(slots_.capacity() * sizeof(Slot)); }
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    if (arguments[0]->type_id() == arrow::Type::NA) return {};
    const Vector vector{arguments[0], false};
    const FixedReader<double> values(vector);
    for_each_valid(values.valid, groups.size(), [&](size_t row) {
      auto& slot = slots_[groups[row]];
      slot.sum += values[static_cast<int64_t>(row)];
      ++slot.count;
    });
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    const Vector sum_column{states[0], false}, count_column{states[1], false};
    const FixedReader<double> sums(sum_column);
    const FixedReader<int64_t> counts(count_column);
    for_each_valid(counts.valid, groups.size(), [&](size_t i) {
      slots_[groups[i]].sum += sums[static_cast<int64_t>(i)];
      slots_[groups[i]].count += counts[static_cast<int64_t>(i)];
    });
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    out.push_back(
        fixed_column<double>(of(TypeKind::kDouble), slots_, [](const auto& slot, double& made) {
          made = slot.sum;
          return true;
        }));
    out.push_back(
        fixed_column<int64_t>(of(TypeKind::kLong), slots_, [](const auto& slot, int64_t& made) {
          made = slot.count;
          return true;
        }));
    return {};
  }
  Result<ArrayPtr> finish() override {
    return fixed_column<double>(of(TypeKind::kDouble), slots_, [](const auto& slot, double& made) {
      made = slot.sum / static_cast<double>(slot.count);
      return slot.count > 0;
    });
  }

 private:
  struct Slot {
    double sum = 0;
    int64_t count = 0;
  };
  std::vector<Slot> slots_;
};

// Means of intervals, rounded half away from zero.
class IntervalMeanState final : public SlotState<MeanSlot> {
 public:
  IntervalMeanState(plan::TypedPtr expression, bool fails)
      : expression_(std::move(expression)), fails_(fails) {}
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    const Vector vector{arguments[0], false};
    with_fixed(expression_->type, [&](auto sample) {
      using T = decltype(sample);
      if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
        const FixedReader<T> values(vector);
        for_each_valid(values.valid, groups.size(), [&](size_t row) {
          slots_[groups[row]].sum += values[static_cast<int64_t>(row)];
          ++slots_[groups[row]].count;
        });
      }
    });
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    const Vector sum_column{states[0], false}, count_column{states[1], false};
    const FixedReader<Int128> sums(sum_column);
    const FixedReader<int64_t> counts(count_column);
    for_each_valid(counts.valid, groups.size(), [&](size_t i) {
      slots_[groups[i]].sum += sums[static_cast<int64_t>(i)];
      slots_[groups[i]].count += counts[static_cast<int64_t>(i)];
    });
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    out.push_back(
        fixed_column<Int128>(DataType::decimal(38, 0), slots_, [](const auto& slot, Int128& made) {
          made = slot.sum;
          return true;
        }));
    out.push_back(
        fixed_column<int64_t>(of(TypeKind::kLong), slots_, [](const auto& slot, int64_t& made) {
          made = slot.count;
          return true;
        }));
    return {};
  }
  Result<ArrayPtr> finish() override {
    bool failed = false;
    auto made = with_fixed(expression_->type, [&](auto sample) -> ArrayPtr {
      using T = decltype(sample);
      return fixed_column<T>(expression_->type, slots_, [&](const auto& slot, T& value) {
        if (slot.count == 0) return false;
        // Spark sums in the interval's own width.
        const Int128 least = sizeof(T) == 4 ? INT32_MIN : INT64_MIN;
        const bool over = least > slot.sum || -(least + 1) < slot.sum;
        failed |= over;
        const Int128 whole = slot.sum / slot.count, rest = slot.sum % slot.count;
        value = static_cast<T>(
            whole + (2 * (rest < 0 ? -rest : rest) >= slot.count ? (slot.sum < 0 ? -1 : 1) : 0));
        return !over;
      });
    });
    if (failed && fails_) return overflow(*expression_, "interval");
    return made;
  }

 private:
  plan::TypedPtr expression_;
  bool fails_;
};

// One value folded over the rows: least, greatest, bits.
template <typename T, typename Fold>
class FoldState final : public AggregateState {
 public:
  FoldState(DataType type, Fold fold) : type_(std::move(type)), fold_(fold) {}
  void resize(size_t groups) override {
    values_.resize(groups);
    any_.resize(groups);
  }
  int64_t memory() const override {
    return static_cast<int64_t>(values_.capacity() * sizeof(T) + any_.capacity());
  }
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    const Vector vector{arguments[0], false};
    const FixedReader<T> values(vector);
    for_each_valid(values.valid, groups.size(), [&](size_t row) {
      const auto group = groups[row];
      const T value = values[static_cast<int64_t>(row)];
      values_[group] = any_[group] ? fold_(values_[group], value) : value;
      any_[group] = 1;
    });
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    return update(states, groups);
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    WEIR_ASSIGN(auto made, finish());
    out.push_back(std::move(made));
    return {};
  }
  Result<ArrayPtr> finish() override {
    FixedWriter<T> writer(static_cast<int64_t>(values_.size()));
    for (size_t i = 0; i < values_.size(); ++i) {
      if (any_[i]) {
        writer.set(static_cast<int64_t>(i), values_[i]);
      } else {
        writer.set_null(static_cast<int64_t>(i));
      }
    }
    return writer.finish(columnar::to_arrow(type_));
  }

 private:
  DataType type_;
  Fold fold_;
  std::vector<T> values_;
  std::vector<uint8_t> any_;
};

// The same over booleans: AND (also the least), OR (also the greatest).
class FlagState final : public SlotState<int8_t> {  // -1: no value
 public:
  explicit FlagState(bool conjunction) : conjunction_(conjunction) {}
  void resize(size_t groups) override { slots_.resize(groups, -1); }
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    if (arguments[0]->type_id() == arrow::Type::NA) return {};
    const Vector vector{arguments[0], false};
    const BoolReader values(vector);
    for_each_valid(values.valid, groups.size(), [&](size_t row) {
      auto& slot = slots_[groups[row]];
      const int8_t value = values[static_cast<int64_t>(row)];
      slot = slot < 0 ? value : static_cast<int8_t>(conjunction_ ? slot & value : slot | value);
    });
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    return update(states, groups);
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    WEIR_ASSIGN(auto made, finish());
    out.push_back(std::move(made));
    return {};
  }
  Result<ArrayPtr> finish() override {
    BoolWriter writer(static_cast<int64_t>(slots_.size()));
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i] < 0) {
        writer.set_null(static_cast<int64_t>(i));
      } else {
        writer.set(static_cast<int64_t>(i), slots_[i] != 0);
      }
    }
    return writer.finish();
  }

 private:
  bool conjunction_;
};

constexpr double Moments::*kMomentFields[] = {
    &Moments::n,         &Moments::x_mean,    &Moments::x2,        &Moments::x3,
    &Moments::x4,        &Moments::y_mean,    &Moments::y2,        &Moments::xy,
    &Moments::x_central, &Moments::y_central, &Moments::covariance};
constexpr std::string_view kMomentNames[] = {
    "n", "mean", "m2", "m3", "m4", "mean_y", "m2_y", "xy", "central_x", "central_y", "covariance"};

class MomentState final : public SlotState<Moments> {
 public:
  explicit MomentState(const MomentFunction& function) : function_(function) {}
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    for (const auto& argument : arguments) {
      if (argument->type_id() == arrow::Type::NA) return {};
    }
    const Vector first{arguments[0], false};
    const FixedReader<double> x(first);
    if (arguments.size() == 1) {
      for_each_valid(x.valid, groups.size(),
                     [&](size_t row) { slots_[groups[row]].add(x[static_cast<int64_t>(row)]); });
      return {};
    }
    const Vector second{arguments[1], false};
    const FixedReader<double> y(second);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (x.valid[row] && y.valid[row]) slots_[groups[i]].add(x[row], y[row]);
    }
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    std::vector<Vector> vectors;
    for (const auto& state : states)
      vectors.push_back({state, false});
    std::vector<FixedReader<double>> readers;
    for (const auto& vector : vectors)
      readers.emplace_back(vector);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!readers[0].valid[row]) continue;
      Moments other;
      for (size_t f = 0; f < std::size(kMomentFields); ++f)
        other.*kMomentFields[f] = readers[f][row];
      slots_[groups[i]].merge(other);
    }
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    for (const auto field : kMomentFields) {
      out.push_back(fixed_column<double>(of(TypeKind::kDouble), slots_,
                                         [field](const auto& slot, double& made) {
                                           made = slot.*field;
                                           return true;
                                         }));
    }
    return {};
  }
  Result<ArrayPtr> finish() override {
    return fixed_column<double>(of(TypeKind::kDouble), slots_, [&](const auto& slot, double& made) {
      return function_.final(slot, made);
    });
  }

 private:
  const MomentFunction& function_;
};

template <typename T>
T lesser(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a)) return b;
  }
  return b < a ? b : a;
}

template <typename T>
T greater(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(b)) return b;
  }
  return b > a ? b : a;
}

template <typename T, typename Fold>
std::unique_ptr<AggregateState> fold_state(const DataType& type, Fold fold) {
  return std::make_unique<FoldState<T, Fold>>(type, fold);
}

void add_fold(AggregateMaker& made, const DataType& type, std::string_view name) {
  made.state_fields = {make_field("value", type)};
  if (type.is(TypeKind::kBoolean) || type.is(TypeKind::kNull)) {
    const bool conjunction = name == "min" || name == "bool_and";
    made.state_fields = {make_field("value", of(TypeKind::kBoolean))};
    made.make = [conjunction](const EvalContext&) {
      return std::make_unique<FlagState>(conjunction);
    };
    return;
  }
  made.make = [type, name](const EvalContext&) {
    return with_fixed(type, [&](auto sample) -> std::unique_ptr<AggregateState> {
      using T = decltype(sample);
      if (name == "min") return fold_state<T>(type, [](T a, T b) { return lesser(a, b); });
      if (name == "max") return fold_state<T>(type, [](T a, T b) { return greater(a, b); });
      if constexpr (std::is_integral_v<T>) {
        if (name == "bit_and")
          return fold_state<T>(type, [](T a, T b) { return static_cast<T>(a & b); });
        if (name == "bit_or")
          return fold_state<T>(type, [](T a, T b) { return static_cast<T>(a | b); });
        return fold_state<T>(type, [](T a, T b) { return static_cast<T>(a ^ b); });
      }
      return nullptr;
    });
  };
}

void add_sum(AggregateMaker& made, const plan::TypedPtr& expression, bool trying) {
  const auto& type = made.arguments[0]->type;
  if (type.is(TypeKind::kDecimal)) {
    made.state_fields = {make_field("sum", DataType::decimal(38, type.scale())),
                         make_field("count", of(TypeKind::kLong))};
    made.make = [expression, trying](const EvalContext& context) {
      return std::make_unique<DecimalState>(expression, false, context.ansi && !trying);
    };
  } else if (type.is(TypeKind::kDouble)) {
    made.state_fields = {make_field("sum", type)};
    made.make = [](const EvalContext&) {
      return std::make_unique<DoubleFoldState<std::plus<>>>(0.0);
    };
  } else {
    made.state_fields = {make_field("sum", of(TypeKind::kLong)),
                         make_field("over", of(TypeKind::kBoolean))};
    const bool interval = type.is_interval();
    made.make = [expression, trying, interval](const EvalContext& context) {
      const auto mode = trying                     ? Overflow::kNull
                        : context.ansi || interval ? Overflow::kFails
                                                   : Overflow::kWraps;
      return std::make_unique<LongSumState>(expression, mode);
    };
  }
}

void add_mean(AggregateMaker& made, const plan::TypedPtr& expression, bool trying) {
  const auto& type = made.arguments[0]->type;
  const auto count = make_field("count", of(TypeKind::kLong));
  if (type.is(TypeKind::kDecimal)) {
    made.state_fields = {make_field("sum", DataType::decimal(38, type.scale())), count};
    made.make = [expression, trying](const EvalContext& context) {
      return std::make_unique<DecimalState>(expression, true, context.ansi && !trying);
    };
  } else if (type.is_interval()) {
    made.state_fields = {make_field("sum", DataType::decimal(38, 0)), count};
    made.make = [expression, trying](const EvalContext&) {
      return std::make_unique<IntervalMeanState>(expression, !trying);
    };
  } else {
    made.state_fields = {make_field("sum", of(TypeKind::kDouble)), count};
    made.make = [](const EvalContext&) { return std::make_unique<DoubleMeanState>(); };
  }
}

}  // namespace

Result<AggregateMaker> number_aggregate(const plan::TypedPtr& expression) {
  const auto& call = std::get<plan::TypedCall>(expression->node);
  const auto name = call.function->name;
  AggregateMaker made;
  made.arguments = call.arguments;
  if (name == "count") {
    // What cannot be NULL need not be looked at, unless its distinct values count.
    if (!call.distinct)
      std::erase_if(made.arguments, [](const auto& argument) { return !argument->nullable; });
    made.state_fields = {make_field("count", of(TypeKind::kLong))};
    made.make = [](const EvalContext&) { return std::make_unique<CountState>(); };
  } else if (name == "regr_count") {
    made.state_fields = {make_field("count", of(TypeKind::kLong))};
    made.make = [](const EvalContext&) { return std::make_unique<CountState>(); };
  } else if (name == "count_if") {
    made.state_fields = {make_field("count", of(TypeKind::kLong))};
    made.make = [](const EvalContext&) { return std::make_unique<CountIfState>(); };
  } else if (name == "sum" || name == "try_sum") {
    add_sum(made, expression, name == "try_sum");
  } else if (name == "avg" || name == "try_avg") {
    add_mean(made, expression, name == "try_avg");
  } else if (name == "product") {
    made.state_fields = {make_field("product", of(TypeKind::kDouble))};
    made.make = [](const EvalContext&) {
      return std::make_unique<DoubleFoldState<std::multiplies<>>>(1.0);
    };
  } else if (name == "min" || name == "max") {
    const auto& type = call.arguments[0]->type;
    if (!type.is_nested() && !plan::is_text(type) && !type.is(TypeKind::kBinary) &&
        !type.is(TypeKind::kNull))
      add_fold(made, type, name);
  } else if (name == "bool_and" || name == "bool_or" || name == "bit_and" || name == "bit_or" ||
             name == "bit_xor") {
    add_fold(made, call.arguments[0]->type, name);
  } else if (const auto* moment = find_moment(name)) {
    for (const auto field : kMomentNames)
      made.state_fields.push_back(make_field(std::string(field), of(TypeKind::kDouble)));
    made.make = [moment](const EvalContext&) { return std::make_unique<MomentState>(*moment); };
  }
  return made;
}

}  // namespace weir::eval
