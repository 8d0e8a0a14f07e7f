#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }

const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }

Result<bool> castable(const SignatureCall& call, size_t i, TypeKind kind,
                      std::string_view required) {
  if (!can_cast_implicitly(type_at(call, i), of(kind), call.options->ansi))
    return unexpected_input(call, i, required);
  return true;
}

// sum and try_sum: intervals too.
SignatureRule sum_or_interval() {
  return [plain = sum_rule()](const Function& function,
                              const SignatureCall& call) -> Result<Signature> {
    if (type_at(call, 0).is_interval())
      return Signature{{type_at(call, 0)}, type_at(call, 0), true};
    return plain(function, call);
  };
}

SignatureRule average_or_interval() {
  return [plain = average_rule()](const Function& function,
                                  const SignatureCall& call) -> Result<Signature> {
    if (type_at(call, 0).is_interval())
      return Signature{{type_at(call, 0)}, of(type_at(call, 0).kind()), true};
    return plain(function, call);
  };
}

// min, max: the type itself, where it has an order.
SignatureRule ordered() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    if (!is_orderable(type)) return unexpected_input(call, 0, "orderable");
    return Signature{{type}, type, true};
  };
}

// first(value[, ignore_nulls]) and its kin: any type.
SignatureRule one_of_them() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature{{type_at(call, 0)}, type_at(call, 0), true};
    if (call.arguments.size() == 2) {
      if (!type_at(call, 1).is(TypeKind::kBoolean)) return unexpected_input(call, 1, "\"BOOLEAN\"");
      signature.argument_types.push_back(of(B));
    }
    return signature;
  };
}

// max_by(value, order[, how many])
SignatureRule value_by_order() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    if (!is_orderable(type_at(call, 1))) return unexpected_input(call, 1, "orderable");
    if (call.arguments.size() == 3) {
      if (!is_integral(type_at(call, 2))) return unexpected_input(call, 2, "\"INT\"");
      return Signature{{type_at(call, 0), type_at(call, 1), of(I)},
                       DataType::array(type_at(call, 0), true),
                       true};
    }
    return Signature{{type_at(call, 0), type_at(call, 1)}, type_at(call, 0), true};
  };
}

SignatureRule bits() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    if (!is_integral(type_at(call, 0))) return unexpected_input(call, 0, "\"INTEGRAL\"");
    return Signature{{type_at(call, 0)}, type_at(call, 0), true};
  };
}

SignatureRule collected() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    return Signature{{type_at(call, 0)}, DataType::array(type_at(call, 0), false), false};
  };
}

SignatureRule collected_set() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    if (type_at(call, 0).is(TypeKind::kMap))
      return unexpected_input(call, 0, "a type other than map");
    return Signature{{type_at(call, 0)}, DataType::array(type_at(call, 0), false), false};
  };
}

SignatureRule doubles() { return fixed_nullable({D}, D); }

// approx_count_distinct(value[, rsd])
SignatureRule approximate_count() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature{{type_at(call, 0)}, of(L), false};
    if (call.arguments.size() == 2) {
      WEIR_TRY(castable(call, 1, D, "\"DOUBLE\""));
      signature.argument_types.push_back(of(D));
    }
    return signature;
  };
}

DataType percentage_type(const DataType& given) {
  return given.is(TypeKind::kArray) ? DataType::array(of(D), given.contains_null()) : of(D);
}

// percentile(value, percentage[, frequency]): double, or an array of them; intervals keep their
// type.
SignatureRule percentile() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& value = type_at(call, 0);
    Signature signature{{}, of(D), true};
    if (value.is_interval()) {
      signature.argument_types.push_back(value);
      signature.result = of(value.kind());
    } else {
      WEIR_TRY(castable(call, 0, D, "(\"NUMERIC\" or \"ANSI INTERVAL\")"));
      signature.argument_types.push_back(of(D));
    }
    if (call.arguments.size() > 1) {
      const auto given = percentage_type(type_at(call, 1));
      signature.argument_types.push_back(given);
      if (given.is(TypeKind::kArray)) signature.result = DataType::array(signature.result, false);
    }
    if (call.arguments.size() > 2) {
      if (!is_integral(type_at(call, 2))) return unexpected_input(call, 2, "\"INTEGRAL\"");
      signature.argument_types.push_back(of(L));
    }
    return signature;
  };
}

// percentile_approx(value, percentage[, accuracy]): the value's type.
SignatureRule approximate_percentile() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    auto value = type_at(call, 0);
    if (is_text(value) || value.is(TypeKind::kNull)) value = of(D);
    const bool fits = value.is_numeric() || value.is_interval() || value.is(TypeKind::kDate) ||
                      value.is(TypeKind::kTimestamp) || value.is(TypeKind::kTimestampNtz);
    if (!fits)
      return unexpected_input(
          call, 0,
          "(\"NUMERIC\", \"DATE\", \"TIMESTAMP\", \"TIMESTAMP_NTZ\", \"INTERVAL "
          "YEAR TO MONTH\" or \"INTERVAL DAY TO SECOND\")");
    const auto given = percentage_type(type_at(call, 1));
    Signature signature{{value, given}, value, true};
    if (given.is(TypeKind::kArray)) signature.result = DataType::array(value, false);
    if (call.arguments.size() > 2) {
      if (!is_integral(type_at(call, 2))) return unexpected_input(call, 2, "\"INTEGRAL\"");
      signature.argument_types.push_back(of(L));
    }
    return signature;
  };
}

// percentile_cont(percentage) WITHIN GROUP (ORDER BY value)
SignatureRule percentile_within() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto given = percentage_type(type_at(call, 0));
    return Signature{
        {given}, given.is(TypeKind::kArray) ? DataType::array(of(D), false) : of(D), true};
  };
}

SignatureRule joined_text() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto kind = type_at(call, 0).is(Bin) ? Bin : S;
    WEIR_TRY(castable(call, 0, kind, "(\"STRING\" or \"BINARY\")"));
    Signature signature{{of(kind)}, of(kind), true};
    if (call.arguments.size() == 2) {
      WEIR_TRY(castable(call, 1, kind, kind == Bin ? "\"BINARY\"" : "\"STRING\""));
      signature.argument_types.push_back(of(kind));
    }
    return signature;
  };
}

// bitmap_…_agg
SignatureRule bitmap(TypeKind argument) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    if (argument == Bin && !type.is(Bin) && !type.is(TypeKind::kNull))
      return unexpected_input(call, 0, "\"BINARY\"");
    WEIR_TRY(castable(call, 0, argument, "\"BIGINT\""));
    return Signature{{of(argument)}, of(Bin), false};
  };
}

// count_min_sketch(value, error, confidence[, seed])
SignatureRule count_min() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& value = type_at(call, 0);
    if (!is_integral(value) && !is_text(value) && !value.is(Bin))
      return unexpected_input(call, 0, "(\"INTEGRAL\" or \"STRING\" or \"BINARY\")");
    WEIR_TRY(castable(call, 1, D, "\"DOUBLE\""));
    WEIR_TRY(castable(call, 2, D, "\"DOUBLE\""));
    if (!is_integral(type_at(call, 3))) return unexpected_input(call, 3, "\"INTEGRAL\"");
    return Signature{{value, of(D), of(D), of(I)}, of(Bin), false};
  };
}

SignatureRule vectors() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    if (!type.is(TypeKind::kArray) || !type.element().is(F))
      return unexpected_input(call, 0, "\"ARRAY<FLOAT>\"");
    return Signature{{type}, DataType::array(of(F), false), true};
  };
}

// histogram_numeric(value, bins)
SignatureRule histogram() {
  return [](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& value = type_at(call, 0);
    if (!value.is_numeric() && !value.is_interval() && !value.is(TypeKind::kDate) &&
        !value.is(TypeKind::kTimestamp) && !value.is(TypeKind::kTimestampNtz))
      return unexpected_input(call, 0, "\"NUMERIC\"");
    const auto bin =
        DataType::structure({columnar::make_field("x", value), columnar::make_field("y", of(D))});
    return Signature{{value, of(I)}, DataType::array(bin), true};
  };
}

void add_basic(Functions& list) {
  list.push_back(aggregate("count", 1, -1, count_rule(), "Number of rows, of rows without NULL."));
  list.push_back(aggregate("sum", 1, 1, sum_or_interval(), "Sum."));
  list.push_back(aggregate("try_sum", 1, 1, sum_or_interval(), "Sum, NULL on overflow."));
  list.push_back(aggregate("avg", 1, 1, average_or_interval(), "Mean.", {"mean"}));
  list.push_back(aggregate("try_avg", 1, 1, average_or_interval(), "Mean, NULL on overflow."));
  list.push_back(aggregate("product", 1, 1, doubles(), "Product."));
  list.push_back(aggregate("min", 1, 1, ordered(), "Least value."));
  list.push_back(aggregate("max", 1, 1, ordered(), "Greatest value."));
  list.push_back(aggregate("any_value", 1, 2, one_of_them(),
                           "Some value of the group; second: whether NULLs are left out."));
  list.push_back(aggregate("first", 1, 2, one_of_them(),
                           "The first value; second: whether NULLs are left out.",
                           {"first_value"}));
  list.push_back(aggregate("last", 1, 2, one_of_them(),
                           "The last value; second: whether NULLs are left out.", {"last_value"}));
  list.push_back(aggregate("max_by", 2, 3, value_by_order(),
                           "The first where the second is greatest; third: an array of so many."));
  list.push_back(aggregate("min_by", 2, 3, value_by_order(),
                           "The first where the second is least; third: an array of so many."));
  list.push_back(aggregate(
      "count_if", 1, 1,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        if (!type_at(call, 0).is(B) && !type_at(call, 0).is(TypeKind::kNull))
          return unexpected_input(call, 0, "\"BOOLEAN\"");
        return Signature{{of(B)}, of(L), false};
      },
      "Number of rows for which it is true."));
  list.push_back(
      aggregate("bool_and", 1, 1, fixed_nullable({B}, B), "True where all are.", {"every"}));
  list.push_back(
      aggregate("bool_or", 1, 1, fixed_nullable({B}, B), "True where some are.", {"some", "any"}));
  list.push_back(aggregate("bit_and", 1, 1, bits(), "Bitwise AND of the values."));
  list.push_back(aggregate("bit_or", 1, 1, bits(), "Bitwise OR of the values."));
  list.push_back(aggregate("bit_xor", 1, 1, bits(), "Bitwise exclusive OR of the values."));
  list.push_back(
      aggregate("collect_list", 1, 1, collected(), "The values that are not NULL.", {"array_agg"}));
  list.push_back(
      aggregate("collect_set", 1, 1, collected_set(), "The values that are not NULL, each once."));
  list.push_back(aggregate("listagg", 1, 2, joined_text(),
                           "The texts joined, the second between them.", {"string_agg"}));
}

void add_statistics(Functions& list) {
  list.push_back(aggregate("stddev", 1, 1, doubles(), "Standard deviation of a sample.",
                           {"stddev_samp", "std"}));
  list.push_back(aggregate("stddev_pop", 1, 1, doubles(), "Standard deviation of the population."));
  list.push_back(aggregate("variance", 1, 1, doubles(), "Variance of a sample.", {"var_samp"}));
  list.push_back(aggregate("var_pop", 1, 1, doubles(), "Variance of the population."));
  list.push_back(aggregate("skewness", 1, 1, doubles(), "Skewness."));
  list.push_back(aggregate("kurtosis", 1, 1, doubles(), "Excess kurtosis."));
  list.push_back(aggregate("corr", 2, 2, doubles(), "Pearson's correlation."));
  list.push_back(aggregate("covar_pop", 2, 2, doubles(), "Covariance of the population."));
  list.push_back(aggregate("covar_samp", 2, 2, doubles(), "Covariance of a sample."));
  list.push_back(aggregate("regr_count", 2, 2, fixed({D}, L), "Pairs without NULL."));
  list.back().rule = [](const Function&, const SignatureCall&) -> Result<Signature> {
    return Signature{{of(D), of(D)}, of(L), false};
  };
  list.push_back(aggregate("regr_avgx", 2, 2, doubles(), "Mean of x over the pairs (y, x)."));
  list.push_back(aggregate("regr_avgy", 2, 2, doubles(), "Mean of y over the pairs (y, x)."));
  list.push_back(aggregate("regr_sxx", 2, 2, doubles(), "Sum of squares of x over the pairs."));
  list.push_back(aggregate("regr_syy", 2, 2, doubles(), "Sum of squares of y over the pairs."));
  list.push_back(aggregate("regr_sxy", 2, 2, doubles(), "Sum of products over the pairs."));
  list.push_back(aggregate("regr_slope", 2, 2, doubles(), "Slope of the regression line."));
  list.push_back(
      aggregate("regr_intercept", 2, 2, doubles(), "Where the regression line meets x = 0."));
  list.push_back(aggregate("regr_r2", 2, 2, doubles(), "Coefficient of determination."));
  list.push_back(aggregate("approx_count_distinct", 1, 2, approximate_count(),
                           "Number of distinct values, roughly; second: the error allowed."));
  list.push_back(aggregate("percentile", 2, 3, percentile(),
                           "Exact percentile, between values; third: how often each counts."));
  list.push_back(aggregate("percentile_approx", 2, 3, approximate_percentile(),
                           "A value at the percentile.", {"approx_percentile"}));
  list.push_back(
      aggregate("percentile_cont", 1, 1, percentile_within(), "WITHIN GROUP: exact percentile."));
  list.push_back(aggregate("percentile_disc", 1, 1, percentile_within(),
                           "WITHIN GROUP: a value at the percentile."));
  list.push_back(aggregate("median", 1, 1, percentile(), "The middle value."));
  list.push_back(aggregate(
      "mode", 0, 2,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        Signature signature{{}, of(TypeKind::kNull), true};
        for (const auto& argument : call.arguments)
          signature.argument_types.push_back(argument->type);
        if (!call.arguments.empty()) signature.result = type_at(call, 0);
        return signature;
      },
      "The most frequent value; second: the least of several."));
  list.push_back(aggregate("histogram_numeric", 2, 2, histogram(), "A histogram of so many bins."));
  list.push_back(aggregate("count_min_sketch", 4, 4, count_min(),
                           "A Count-Min sketch: how often values come, roughly; with the error, "
                           "the confidence and a seed."));
  list.push_back(aggregate("bitmap_construct_agg", 1, 1, bitmap(L),
                           "A bitmap with the bits at the positions set."));
  list.push_back(aggregate("bitmap_or_agg", 1, 1, bitmap(Bin), "Bitwise OR of bitmaps."));
  list.push_back(aggregate("bitmap_and_agg", 1, 1, bitmap(Bin), "Bitwise AND of bitmaps."));
  list.push_back(aggregate("vector_sum", 1, 1, vectors(), "Sum of vectors, place by place."));
  list.push_back(aggregate("vector_avg", 1, 1, vectors(), "Mean of vectors, place by place."));
}

}  // namespace

void add_aggregates(Functions& list) {
  add_basic(list);
  add_statistics(list);
}

}  // namespace weir::plan
