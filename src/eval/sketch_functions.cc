// Kernels over the bytes of sketches (data_sketches.h).
#include "eval/sketch_functions.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/list_rows.h"
#include "eval/sketch_aggregates.h"
#include "plan/calendar.h"

namespace weir::eval {

namespace {

using Arguments = Operands;

// A failure of the library, told as the expression's.
base::Error at_call(const KernelCall& call, base::Error error) {
  if (error.error_class().empty()) return error;
  return call.fail(error.error_class(), error.sql_state(), error.message());
}

// work(row) → Result<value>, written by `put`, where all sketches are there.
template <typename Writer, typename Work, typename Put>
Result<void> each_row(KernelCall& call, Arguments arguments, Writer& writer, Work&& work,
                      Put&& put) {
  std::vector<Validity> valid;
  for (const auto& argument : arguments)
    valid.emplace_back(argument);
  for (int64_t row = 0; row < call.rows; ++row) {
    bool there = true;
    for (const auto& one : valid)
      there = there && one[row];
    if (!there) {
      if constexpr (requires { writer.add_null(); }) {
        writer.add_null();
      } else {
        writer.set_null(row);
      }
      continue;
    }
    auto made = work(row);
    if (!made.ok()) return at_call(call, std::move(made).error());
    put(row, std::move(made).value());
  }
  return {};
}

template <typename Work>
Result<ArrayPtr> bytes_of(KernelCall& call, Arguments arguments, Work&& work) {
  TextWriter writer(call.rows);
  WEIR_TRY(each_row(call, arguments, writer, work,
                    [&](int64_t, const std::string& bytes) { writer.add(bytes); }));
  return writer.finish(call.arrow_type);
}

template <typename T, typename Work>
Result<ArrayPtr> numbers_of(KernelCall& call, Arguments arguments, Work&& work) {
  FixedWriter<T> writer(call.rows);
  WEIR_TRY(each_row(call, arguments, writer, work,
                    [&](int64_t row, T number) { writer.set(row, number); }));
  return writer.finish(call.arrow_type);
}

std::string_view name_of(const KernelCall& call) { return call.call.function->name; }

// ---- HLL and Theta

Result<ArrayPtr> hll_sketch_estimate(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  return numbers_of<int64_t>(call, arguments,
                             [&](int64_t row) { return hll::estimate(sketch[row]); });
}

Result<ArrayPtr> hll_union(KernelCall& call, Arguments arguments) {
  const TextReader a(arguments[0]), b(arguments[1]);
  return bytes_of(call, arguments, [&](int64_t row) {
    return hll::unite(a[row], b[row], arguments.size() > 2 && BoolReader(arguments[2])[row]);
  });
}

Result<ArrayPtr> theta_sketch_estimate(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  return numbers_of<int64_t>(call, arguments,
                             [&](int64_t row) { return theta::estimate(sketch[row]); });
}

theta::Operation operation_of(std::string_view name) {
  return name.find("_union") != std::string_view::npos          ? theta::Operation::kUnion
         : name.find("_intersection") != std::string_view::npos ? theta::Operation::kIntersection
                                                                : theta::Operation::kDifference;
}

Result<ArrayPtr> theta_sets(KernelCall& call, Arguments arguments) {
  const TextReader a(arguments[0]), b(arguments[1]);
  const auto name = name_of(call);
  return bytes_of(call, arguments, [&](int64_t row) -> Result<std::string> {
    const int64_t entries = arguments.size() > 2 ? FixedReader<int32_t>(arguments[2])[row] : 12;
    if (entries < 4 || entries > 26) {
      return call.fail("THETA_INVALID_LG_NOM_ENTRIES", "22546",
                       fmt::format("Invalid call to `{}`; the `lgNomEntries` value must be between "
                                   "4 and 26, inclusive: {}.",
                                   name, entries));
    }
    return theta::combine(operation_of(name), a[row], b[row], static_cast<int>(entries), name);
  });
}

// ---- Tuple

tuple::Summary summary_of(const KernelCall& call) {
  return name_of(call).ends_with("_double") ? tuple::Summary::kDouble : tuple::Summary::kInteger;
}

Result<ArrayPtr> tuple_sets(KernelCall& call, Arguments arguments) {
  const TextReader a(arguments[0]), b(arguments[1]);
  const auto name = name_of(call);
  const auto operation = operation_of(name);
  const bool with_theta = name.find("_theta_") != std::string_view::npos;
  const size_t mode_at = operation == theta::Operation::kUnion ? 3 : 2;
  return bytes_of(call, arguments, [&](int64_t row) -> Result<std::string> {
    int64_t entries = 12;
    auto mode = tuple::Mode::kSum;
    if (operation == theta::Operation::kUnion && arguments.size() > 2) {
      entries = FixedReader<int32_t>(arguments[2])[row];
      WEIR_TRY(check_log_entries(name, entries, call.expression.origin));
    }
    if (arguments.size() > mode_at) {
      WEIR_ASSIGN(mode,
                  checked_mode(name, TextReader(arguments[mode_at])[row], call.expression.origin));
    }
    return tuple::combine(operation, summary_of(call), with_theta, a[row], b[row],
                          static_cast<int>(entries), mode, name);
  });
}

Result<ArrayPtr> tuple_fact(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  const auto name = name_of(call);
  const bool theta = name.starts_with("tuple_sketch_theta");
  return numbers_of<double>(call, arguments, [&](int64_t row) -> Result<double> {
    WEIR_ASSIGN(const auto facts, tuple::facts(summary_of(call), sketch[row], name));
    return theta ? facts.theta : facts.estimate;
  });
}

Result<ArrayPtr> tuple_summary(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  const auto name = name_of(call);
  const auto total = [&](int64_t row) -> Result<double> {
    auto mode = tuple::Mode::kSum;
    if (arguments.size() > 1) {
      WEIR_ASSIGN(mode, checked_mode(name, TextReader(arguments[1])[row], call.expression.origin));
    }
    WEIR_ASSIGN(const auto facts, tuple::facts(summary_of(call), sketch[row], name));
    double sum = 0;
    bool first = true;
    for (const double number : facts.summaries) {
      if (mode == tuple::Mode::kMin || mode == tuple::Mode::kMax) {
        sum = first                       ? number
              : mode == tuple::Mode::kMin ? std::min(sum, number)
                                          : std::max(sum, number);
      } else {
        sum += mode == tuple::Mode::kAlwaysOne ? 1 : number;
      }
      first = false;
    }
    return sum;
  };
  if (summary_of(call) == tuple::Summary::kDouble)
    return numbers_of<double>(call, arguments, total);
  return numbers_of<int64_t>(call, arguments, [&](int64_t row) -> Result<int64_t> {
    WEIR_ASSIGN(const double sum, total(row));
    return static_cast<int64_t>(sum);
  });
}

// ---- KLL

kll::Number number_of(const KernelCall& call) {
  return name_of(call).ends_with("_bigint")  ? kll::Number::kLong
         : name_of(call).ends_with("_float") ? kll::Number::kFloat
                                             : kll::Number::kDouble;
}

Result<ArrayPtr> kll_count(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  return numbers_of<int64_t>(call, arguments, [&](int64_t row) {
    return kll::count(number_of(call), sketch[row], name_of(call));
  });
}

Result<ArrayPtr> kll_merge(KernelCall& call, Arguments arguments) {
  const TextReader a(arguments[0]), b(arguments[1]);
  return bytes_of(call, arguments, [&](int64_t row) {
    return kll::merged(number_of(call), a[row], b[row], name_of(call));
  });
}

Result<ArrayPtr> kll_text(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  return bytes_of(call, arguments, [&](int64_t row) {
    return kll::summary(number_of(call), sketch[row], name_of(call));
  });
}

// What is asked for: one value, or a list of them (NULL inside: 0, as Spark reads it).
template <typename T>
std::vector<T> asked_values(const Vector& vector, const DataType& type, int64_t row) {
  if (!type.is(TypeKind::kArray)) return {FixedReader<T>(vector)[row]};
  const ListReader lists(vector);
  const Vector inner{lists.values(), false};
  const FixedReader<T> reader(inner);
  std::vector<T> made;
  for (int64_t i = lists.begin(row); i < lists.end(row); ++i)
    made.push_back(reader.valid[i] ? reader[i] : T{});
  return made;
}

// Values row by row: one, or a list of them where the result is one.
template <typename T>
class Answers {
 public:
  explicit Answers(const KernelCall& call) : call_(call), offsets_(call.rows) {}
  void add_null() {
    positions_.push_back(-1);
    offsets_.add_null(static_cast<int64_t>(all_.size()));
  }
  template <typename Values, typename Convert>
  void add(const Values& values, Convert&& convert) {
    positions_.push_back(static_cast<int64_t>(all_.size()));
    for (const auto& value : values)
      all_.push_back(convert(value));
    offsets_.end_row(static_cast<int64_t>(all_.size()));
  }
  Result<ArrayPtr> finish() {
    const bool several = call_.type().is(TypeKind::kArray);
    FixedWriter<T> writer(static_cast<int64_t>(all_.size()));
    for (size_t i = 0; i < all_.size(); ++i)
      writer.set(static_cast<int64_t>(i), all_[i]);
    const auto values =
        writer.finish(columnar::to_arrow(several ? call_.type().element() : call_.type()));
    if (several) return offsets_.finish(call_.arrow_type, values);
    return pick(values, positions_);
  }

 private:
  const KernelCall& call_;
  ListOffsets offsets_;
  std::vector<int64_t> positions_;
  std::vector<T> all_;
};

template <typename T>
Result<ArrayPtr> quantiles_as(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  Answers<T> answers(call);
  const auto work = [&](int64_t row) -> Result<std::vector<kll::Value>> {
    const auto ranks = asked_values<double>(arguments[1], call.type_of(1), row);
    for (const double rank : ranks) {
      if (rank >= 0 && rank <= 1) continue;
      return call
          .fail("KLL_SKETCH_INVALID_QUANTILE_RANGE", "22003",
                fmt::format("For function `{}`, the quantile value must be between 0.0 and 1.0 "
                            "(inclusive), but got {}.",
                            name_of(call), plan::format_double(rank)))
          .with_parameter("functionName", fmt::format("`{}`", name_of(call)))
          .with_parameter("quantile", plan::format_double(rank) + "D");
    }
    return kll::quantiles(number_of(call), sketch[row], ranks, name_of(call));
  };
  WEIR_TRY(
      each_row(call, arguments, answers, work, [&](int64_t, const std::vector<kll::Value>& values) {
        answers.add(values, [](const kll::Value& value) {
          return std::is_integral_v<T> ? static_cast<T>(value.whole) : static_cast<T>(value.real);
        });
      }));
  return answers.finish();
}

Result<ArrayPtr> kll_quantile(KernelCall& call, Arguments arguments) {
  switch (number_of(call)) {
    case kll::Number::kLong:
      return quantiles_as<int64_t>(call, arguments);
    case kll::Number::kFloat:
      return quantiles_as<float>(call, arguments);
    default:
      return quantiles_as<double>(call, arguments);
  }
}

Result<ArrayPtr> kll_rank(KernelCall& call, Arguments arguments) {
  const TextReader sketch(arguments[0]);
  Answers<double> answers(call);
  const auto asked = [&](int64_t row) {
    std::vector<kll::Value> values;
    const auto& type = call.type_of(1);
    switch (number_of(call)) {
      case kll::Number::kLong:
        for (const auto value : asked_values<int64_t>(arguments[1], type, row))
          values.push_back({value, 0});
        break;
      case kll::Number::kFloat:
        for (const auto value : asked_values<float>(arguments[1], type, row))
          values.push_back({0, static_cast<double>(value)});
        break;
      default:
        for (const auto value : asked_values<double>(arguments[1], type, row))
          values.push_back({0, value});
    }
    return values;
  };
  WEIR_TRY(each_row(
      call, arguments, answers,
      [&](int64_t row) {
        return kll::ranks(number_of(call), sketch[row], asked(row), name_of(call));
      },
      [&](int64_t, const std::vector<double>& ranks) {
        answers.add(ranks, [](double rank) { return rank; });
      }));
  return answers.finish();
}

// ---- frequent items

Result<ArrayPtr> approx_top_k_estimate(KernelCall& call, Arguments arguments) {
  const Vector& given = arguments[0];
  const Validity valid(given);
  const auto& states = static_cast<const arrow::StructArray&>(*given.array);
  WEIR_ARROW_ASSIGN(const auto sketches, states.GetFlattenedField(0));
  WEIR_ARROW_ASSIGN(const auto counts, states.GetFlattenedField(1));
  const Vector sketch_vector{sketches, given.constant}, count_vector{counts, given.constant};
  const TextReader sketch(sketch_vector);
  const FixedReader<int32_t> tracked(count_vector);
  const auto kind = item_kind(call.type().element().fields()[0].type());
  std::vector<std::optional<std::vector<items::Row>>> rows;
  for (int64_t row = 0; row < call.rows; ++row) {
    rows.emplace_back();
    if (!valid[row] || !sketch.valid[row]) continue;
    int64_t how_many = 5;
    if (arguments.size() > 1) {
      const FixedReader<int32_t> reader(arguments[1]);
      if (!reader.valid[row]) {
        return call.fail("APPROX_TOP_K_NULL_ARG", "22004",
                         "The value of `k` in `approx_top_k_estimate` cannot be NULL.");
      }
      how_many = reader[row];
    }
    WEIR_TRY(
        check_item_counts("approx_top_k_estimate", how_many, tracked[row], call.expression.origin));
    WEIR_ASSIGN(rows.back(), items::most_frequent(sketch[row], kind, how_many));
  }
  return item_lists(rows, call.type());
}

constexpr KernelEntry kKernels[] = {
    {"hll_sketch_estimate", hll_sketch_estimate},
    {"hll_union", hll_union},
    {"theta_sketch_estimate", theta_sketch_estimate},
    {"theta_union", theta_sets},
    {"theta_intersection", theta_sets},
    {"theta_difference", theta_sets},
    {"tuple_union_double", tuple_sets},
    {"tuple_union_integer", tuple_sets},
    {"tuple_union_theta_double", tuple_sets},
    {"tuple_union_theta_integer", tuple_sets},
    {"tuple_intersection_double", tuple_sets},
    {"tuple_intersection_integer", tuple_sets},
    {"tuple_intersection_theta_double", tuple_sets},
    {"tuple_intersection_theta_integer", tuple_sets},
    {"tuple_difference_double", tuple_sets},
    {"tuple_difference_integer", tuple_sets},
    {"tuple_difference_theta_double", tuple_sets},
    {"tuple_difference_theta_integer", tuple_sets},
    {"tuple_sketch_estimate_double", tuple_fact},
    {"tuple_sketch_estimate_integer", tuple_fact},
    {"tuple_sketch_theta_double", tuple_fact},
    {"tuple_sketch_theta_integer", tuple_fact},
    {"tuple_sketch_summary_double", tuple_summary},
    {"tuple_sketch_summary_integer", tuple_summary},
    {"kll_sketch_get_n_bigint", kll_count},
    {"kll_sketch_get_n_float", kll_count},
    {"kll_sketch_get_n_double", kll_count},
    {"kll_sketch_get_quantile_bigint", kll_quantile},
    {"kll_sketch_get_quantile_float", kll_quantile},
    {"kll_sketch_get_quantile_double", kll_quantile},
    {"kll_sketch_get_rank_bigint", kll_rank},
    {"kll_sketch_get_rank_float", kll_rank},
    {"kll_sketch_get_rank_double", kll_rank},
    {"kll_sketch_merge_bigint", kll_merge},
    {"kll_sketch_merge_float", kll_merge},
    {"kll_sketch_merge_double", kll_merge},
    {"kll_sketch_to_string_bigint", kll_text},
    {"kll_sketch_to_string_float", kll_text},
    {"kll_sketch_to_string_double", kll_text},
    {"approx_top_k_estimate", approx_top_k_estimate},
};

}  // namespace

std::span<const KernelEntry> sketch_kernels() { return kKernels; }

}  // namespace weir::eval
