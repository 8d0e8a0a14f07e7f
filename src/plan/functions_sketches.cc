// Sketches: functions over the bytes of HLL, Theta, Tuple, KLL and frequent-items sketches, and the
// aggregates that make them.
#include "plan/functions_sketches.h"

#include <fmt/format.h>

#include "plan/operator_rewrites.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }
const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }

bool some_nullable(const SignatureCall& call) {
  for (const auto& argument : call.arguments) {
    if (argument->nullable) return true;
  }
  return false;
}

// A parameter of that type exactly (no cast), or NULL.
Result<void> must_be(const SignatureCall& call, size_t i, TypeKind kind, std::string_view name) {
  const auto& type = type_at(call, i);
  const bool fits = type.is(kind) || type.is(TypeKind::kNull) || (kind == S && is_text(type));
  if (!fits) return unexpected_input(call, i, fmt::format("\"{}\"", name));
  return {};
}

base::Error not_constant(const SignatureCall& call, size_t i, std::string_view what) {
  const auto& type = type_at(call, i);
  return analysis_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                        fmt::format("Cannot resolve \"{}\" due to data type mismatch: the input "
                                    "`{}` should be a foldable \"{}\" expression.",
                                    call.name, what, type.sql()),
                        call.origin)
      .with_parameter("inputName", fmt::format("`{}`", what))
      .with_parameter("inputType", fmt::format("\"{}\"", type.sql()));
}

// Arguments: sketches, then settings: a number of entries, a mode, a flag.
SignatureRule over_sketches(size_t sketches, std::vector<TypeKind> settings, DataType result) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature made{{}, result, some_nullable(call)};
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      const auto kind = i < sketches ? Bin : settings[i - sketches];
      const auto name = kind == Bin ? "BINARY"
                        : kind == I ? "INT"
                        : kind == B ? "BOOLEAN"
                                    : "STRING";
      WEIR_TRY(must_be(call, i, kind, name));
      made.argument_types.push_back(of(kind));
    }
    return made;
  };
}

constexpr std::string_view kThetaKeys =
    "(\"ARRAY<INT>\" or \"ARRAY<BIGINT>\" or \"BINARY\" or \"DOUBLE\" or \"FLOAT\" or \"INT\" or "
    "\"BIGINT\" or \"STRING\")";

// What keys are counted as.
Result<DataType> theta_key(const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (type.is(TypeKind::kArray) &&
      (type.element().is(I) || type.element().is(L) || type.element().is(TypeKind::kNull))) {
    return DataType::array(of(type.element().is(L) ? L : I), type.contains_null());
  }
  if (type.is(Bin) || type.is(D) || type.is(F) || type.is(I) || type.is(L) || is_text(type))
    return type;
  if (type.is(TypeKind::kNull)) return DataType::array(of(I), true);
  if (type.is_numeric()) return of(D);
  return unexpected_input(call, 0, kThetaKeys);
}

// theta_sketch_agg(key[, lgNomEntries])
Result<Signature> theta_aggregate(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto key, theta_key(call));
  Signature made{{key}, of(Bin), false};
  if (call.arguments.size() > 1) {
    WEIR_TRY(must_be(call, 1, I, "INT"));
    made.argument_types.push_back(of(I));
  }
  return made;
}

// tuple_sketch_agg_…(key, summary[, lgNomEntries[, mode]])
SignatureRule tuple_aggregate(TypeKind summary) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(const auto key, theta_key(call));
    if (!can_cast_implicitly(type_at(call, 1), of(summary), call.options->ansi))
      return unexpected_input(call, 1, summary == D ? "\"DOUBLE\"" : "\"INT\"");
    Signature made{{key, of(summary)}, of(Bin), false};
    static constexpr TypeKind kSettings[] = {I, S};
    for (size_t i = 2; i < call.arguments.size(); ++i) {
      WEIR_TRY(must_be(call, i, kSettings[i - 2], i == 2 ? "INT" : "STRING"));
      made.argument_types.push_back(of(kSettings[i - 2]));
    }
    return made;
  };
}

// hll_sketch_agg(key[, lgConfigK])
Result<Signature> hll_aggregate(const Function&, const SignatureCall& call) {
  auto key = type_at(call, 0);
  if (key.is(TypeKind::kNull) || key.is(TypeKind::kByte) || key.is(TypeKind::kShort)) key = of(I);
  if (!key.is(I) && !key.is(L) && !key.is(Bin) && !is_text(key))
    return unexpected_input(call, 0, "(\"INT\" or \"BIGINT\" or \"STRING\" or \"BINARY\")");
  Signature made{{key}, of(Bin), false};
  if (call.arguments.size() > 1) {
    WEIR_TRY(must_be(call, 1, I, "INT"));
    made.argument_types.push_back(of(I));
  }
  return made;
}

SignatureRule merging(std::vector<TypeKind> settings) {
  return [plain = over_sketches(1, std::move(settings), DataType::of(Bin))](
             const Function& function, const SignatureCall& call) -> Result<Signature> {
    WEIR_ASSIGN(auto made, plain(function, call));
    made.nullable = false;
    return made;
  };
}

// kll_sketch_agg_…(number[, k])
SignatureRule kll_aggregate(TypeKind number) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    const auto& type = type_at(call, 0);
    const bool fits = type.is(TypeKind::kNull) || (number == L && is_integral(type)) ||
                      type.is(number) || (number == D && type.is(F));
    if (!fits) {
      return unexpected_input(call, 0,
                              number == L ? "(\"TINYINT\" or \"INT\" or \"BIGINT\" or \"SMALLINT\")"
                              : number == F ? "\"FLOAT\""
                                            : "(\"FLOAT\" or \"DOUBLE\")");
    }
    Signature made{{of(number)}, of(Bin), false};
    if (call.arguments.size() > 1) {
      WEIR_TRY(must_be(call, 1, I, "INT"));
      if (!is_foldable(*call.arguments[1])) return not_constant(call, 1, "k");
      made.argument_types.push_back(of(I));
    }
    return made;
  };
}

// kll_sketch_get_quantile_…(sketch, rank or ranks), kll_sketch_get_rank_…(sketch, value or values)
SignatureRule kll_look_up(TypeKind argument, TypeKind result, std::string_view name) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    WEIR_TRY(must_be(call, 0, Bin, "BINARY"));
    const auto& asked = type_at(call, 1);
    const bool several = asked.is(TypeKind::kArray);
    const auto wanted =
        several ? DataType::array(of(argument), asked.contains_null()) : of(argument);
    if (!can_cast_implicitly(asked, wanted, call.options->ansi) || asked.is(B)) {
      const auto one = of(argument).sql();
      return unexpected_input(call, 1, fmt::format("(\"{}\" or \"ARRAY<{}>\")", one, one));
    }
    if (!is_foldable(*call.arguments[1])) return not_constant(call, 1, name);
    return Signature{{of(Bin), wanted},
                     several ? DataType::array(of(result), false) : of(result),
                     some_nullable(call)};
  };
}

// ---- the most frequent items

DataType items_type(const DataType& item) {
  return DataType::array(DataType::structure({columnar::make_field("item", item),
                                              columnar::make_field("count", of(L), false)}),
                         false);
}

DataType items_state(const DataType& item) {
  return DataType::structure({columnar::make_field("sketch", of(Bin), false),
                              columnar::make_field("maxItemsTracked", of(I), false),
                              columnar::make_field("itemDataType", item),
                              columnar::make_field("itemDataTypeDDL", of(S), false)});
}

Result<DataType> item_type(const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (!type.is_nested() && !type.is(Bin) && !type.is_interval() && !type.is(TypeKind::kNull))
    return type;
  return analysis_error("DATATYPE_MISMATCH.TYPE_CHECK_FAILURE_WITH_HINT", "42K09",
                        fmt::format("Cannot resolve \"{}\" due to data type mismatch: {} columns "
                                    "are not supported.",
                                    call.name, type.simple_string()),
                        call.origin);
}

Result<void> add_numbers(const SignatureCall& call, Signature& made) {
  for (size_t i = 1; i < call.arguments.size(); ++i) {
    WEIR_TRY(must_be(call, i, I, "INT"));
    made.argument_types.push_back(of(I));
  }
  return {};
}

Result<Signature> top_items(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto item, item_type(call));
  Signature made{{item}, items_type(item), false};
  WEIR_TRY(add_numbers(call, made));
  return made;
}

Result<Signature> gathered_items(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto item, item_type(call));
  Signature made{{item}, items_state(item), false};
  WEIR_TRY(add_numbers(call, made));
  return made;
}

// The struct that approx_top_k_accumulate and approx_top_k_combine give.
Result<DataType> item_of_state(const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (type.is(TypeKind::kStruct) && type.fields().size() == 4 && type.fields()[0].type().is(Bin) &&
      type.fields()[1].type().is(I) && is_text(type.fields()[3].type()))
    return type.fields()[2].type();
  return analysis_error("DATATYPE_MISMATCH.TYPE_CHECK_FAILURE_WITH_HINT", "42K09",
                        fmt::format("Cannot resolve \"{}\" due to data type mismatch: State must "
                                    "be a struct. Expected struct, but got {}.",
                                    call.name, type.simple_string()),
                        call.origin);
}

Result<Signature> combined_items(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto item, item_of_state(call));
  Signature made{{type_at(call, 0)}, items_state(item), false};
  WEIR_TRY(add_numbers(call, made));
  return made;
}

Result<Signature> estimated_items(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto item, item_of_state(call));
  Signature made{{type_at(call, 0)}, items_type(item), call.arguments[0]->nullable};
  WEIR_TRY(add_numbers(call, made));
  return made;
}

void add_hll_and_theta(Functions& list) {
  list.push_back(aggregate("hll_sketch_agg", 1, 2, hll_aggregate,
                           "A HyperLogLog sketch of the values; second: log2 of its size."));
  list.push_back(aggregate("hll_union_agg", 1, 2, merging({B}),
                           "One HyperLogLog sketch of several; second: whether their sizes may "
                           "differ."));
  list.push_back(risky("hll_sketch_estimate", 1, 1, over_sketches(1, {}, of(L)),
                       "How many distinct values a HyperLogLog sketch has seen, roughly."));
  list.push_back(risky("hll_union", 2, 3, over_sketches(2, {B}, of(Bin)),
                       "One HyperLogLog sketch of two; third: whether their sizes may differ."));
  list.push_back(aggregate("theta_sketch_agg", 1, 2, theta_aggregate,
                           "A Theta sketch of the values; second: log2 of its entries."));
  list.push_back(aggregate("theta_union_agg", 1, 2, merging({I}),
                           "A Theta sketch of what any of the sketches has."));
  list.push_back(aggregate("theta_intersection_agg", 1, 1, merging({}),
                           "A Theta sketch of what all of the sketches have."));
  list.push_back(risky("theta_sketch_estimate", 1, 1, over_sketches(1, {}, of(L)),
                       "How many distinct values a Theta sketch has seen, roughly."));
  list.push_back(risky("theta_union", 2, 3, over_sketches(2, {I}, of(Bin)),
                       "A Theta sketch of what either has; third: log2 of its entries."));
  list.push_back(risky("theta_intersection", 2, 2, over_sketches(2, {}, of(Bin)),
                       "A Theta sketch of what both have."));
  list.push_back(risky("theta_difference", 2, 2, over_sketches(2, {}, of(Bin)),
                       "A Theta sketch of what the first has and the second has not."));
}

void add_kll(Functions& list) {
  struct Names {
    TypeKind number;
    std::string_view make, merge_all, count, quantile, rank, merge, text;
  };
  static constexpr Names kNames[] = {
      {L, "kll_sketch_agg_bigint", "kll_merge_agg_bigint", "kll_sketch_get_n_bigint",
       "kll_sketch_get_quantile_bigint", "kll_sketch_get_rank_bigint", "kll_sketch_merge_bigint",
       "kll_sketch_to_string_bigint"},
      {F, "kll_sketch_agg_float", "kll_merge_agg_float", "kll_sketch_get_n_float",
       "kll_sketch_get_quantile_float", "kll_sketch_get_rank_float", "kll_sketch_merge_float",
       "kll_sketch_to_string_float"},
      {D, "kll_sketch_agg_double", "kll_merge_agg_double", "kll_sketch_get_n_double",
       "kll_sketch_get_quantile_double", "kll_sketch_get_rank_double", "kll_sketch_merge_double",
       "kll_sketch_to_string_double"}};
  for (const auto& name : kNames) {
    list.push_back(aggregate(name.make, 1, 2, kll_aggregate(name.number),
                             "A KLL sketch of the numbers' quantiles; second: its k."));
    list.push_back(
        aggregate(name.merge_all, 1, 2, merging({I}), "One KLL sketch of several; second: its k."));
    list.push_back(risky(name.count, 1, 1, over_sketches(1, {}, of(L)),
                         "How many numbers a KLL sketch has seen."));
    list.push_back(risky(name.quantile, 2, 2, kll_look_up(D, name.number, "rank"),
                         "The number at a rank between 0 and 1, or at several."));
    list.push_back(risky(name.rank, 2, 2, kll_look_up(name.number, D, "quantile"),
                         "Which part of the numbers is not above one, or several."));
    list.push_back(
        risky(name.merge, 2, 2, over_sketches(2, {}, of(Bin)), "One KLL sketch of two."));
    list.push_back(
        risky(name.text, 1, 1, over_sketches(1, {}, of(S)), "A description of a KLL sketch."));
  }
}

void add_tuple(Functions& list) {
  struct Names {
    TypeKind summary;
    std::string_view make, unite_all, common_all, estimate, theta, sum, unite, common, difference,
        unite_theta, common_theta, difference_theta;
  };
  static constexpr Names kNames[] = {
      {D, "tuple_sketch_agg_double", "tuple_union_agg_double", "tuple_intersection_agg_double",
       "tuple_sketch_estimate_double", "tuple_sketch_theta_double", "tuple_sketch_summary_double",
       "tuple_union_double", "tuple_intersection_double", "tuple_difference_double",
       "tuple_union_theta_double", "tuple_intersection_theta_double",
       "tuple_difference_theta_double"},
      {I, "tuple_sketch_agg_integer", "tuple_union_agg_integer", "tuple_intersection_agg_integer",
       "tuple_sketch_estimate_integer", "tuple_sketch_theta_integer",
       "tuple_sketch_summary_integer", "tuple_union_integer", "tuple_intersection_integer",
       "tuple_difference_integer", "tuple_union_theta_integer", "tuple_intersection_theta_integer",
       "tuple_difference_theta_integer"}};
  for (const auto& name : kNames) {
    list.push_back(aggregate(name.make, 2, 4, tuple_aggregate(name.summary),
                             "A Tuple sketch of keys with a number each; then log2 of its entries "
                             "and how numbers of one key become one: sum, min, max, alwaysone."));
    list.push_back(aggregate(name.unite_all, 1, 3, merging({I, S}),
                             "A Tuple sketch of what any of the sketches has."));
    list.push_back(aggregate(name.common_all, 1, 2, merging({S}),
                             "A Tuple sketch of what all of the sketches have."));
    list.push_back(risky(name.estimate, 1, 1, over_sketches(1, {}, of(D)),
                         "How many distinct keys a Tuple sketch has seen, roughly."));
    list.push_back(risky(name.theta, 1, 1, over_sketches(1, {}, of(D)),
                         "Which part of the keys a Tuple sketch keeps."));
    list.push_back(risky(name.sum, 1, 2, over_sketches(1, {S}, of(name.summary == D ? D : L)),
                         "The numbers of a Tuple sketch as one; second: sum, min, max, "
                         "alwaysone."));
    list.push_back(risky(name.unite, 2, 4, over_sketches(2, {I, S}, of(Bin)),
                         "A Tuple sketch of what either has."));
    list.push_back(risky(name.common, 2, 3, over_sketches(2, {S}, of(Bin)),
                         "A Tuple sketch of what both have."));
    list.push_back(risky(name.difference, 2, 2, over_sketches(2, {}, of(Bin)),
                         "A Tuple sketch of what the first has and the second has not."));
    list.push_back(risky(name.unite_theta, 2, 4, over_sketches(2, {I, S}, of(Bin)),
                         "A Tuple sketch of what a Tuple or a Theta sketch has."));
    list.push_back(risky(name.common_theta, 2, 3, over_sketches(2, {S}, of(Bin)),
                         "A Tuple sketch of what a Tuple and a Theta sketch have both."));
    list.push_back(risky(name.difference_theta, 2, 2, over_sketches(2, {}, of(Bin)),
                         "A Tuple sketch of what it has and a Theta sketch has not."));
  }
}

void add_items(Functions& list) {
  list.push_back(aggregate("approx_top_k", 1, 3, top_items,
                           "The most frequent values and how often they come, roughly; second: "
                           "how many; third: how many are tracked."));
  list.push_back(aggregate("approx_top_k_accumulate", 1, 2, gathered_items,
                           "A sketch of how often values come; second: how many are tracked."));
  list.push_back(aggregate("approx_top_k_combine", 1, 2, combined_items,
                           "One such sketch of several; second: how many values are tracked."));
  list.push_back(risky("approx_top_k_estimate", 1, 2, estimated_items,
                       "The most frequent values of such a sketch; second: how many."));
}

}  // namespace

void add_sketches(Functions& list) {
  add_hll_and_theta(list);
  add_kll(list);
  add_tuple(list);
  add_items(list);
}

}  // namespace weir::plan
