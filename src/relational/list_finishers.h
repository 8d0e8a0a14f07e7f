// What our side makes of the values that DuckDB collected in a list for an aggregate.
#pragma once

#include <optional>

#include "eval/program.h"
#include "relational/duck_engine.h"

namespace weir::relational {

struct ListFinisher {
  enum class Order { kAsTheyCome, kAscending };
  DuckQuery::Function function;
  Order order = Order::kAsTheyCome;
};

// For percentile, percentile_approx, percentile_cont, percentile_disc, median, mode, listagg and
// histogram_numeric: over lists of the value (percentile with frequencies: lists of structs (value,
// frequency)). nullopt for other functions. The call's constant arguments are evaluated here.
Result<std::optional<ListFinisher>> list_finisher(const plan::Typed& expression,
                                                  const eval::EvalContext& context);

// approx_count_distinct: per value its place and rank in a HyperLogLog sketch as one integer
// (index * 64 + rank), and the estimate from the lists of distinct ones.
Result<DuckQuery::Function> sketch_entry(const plan::TypedPtr& value, int precision,
                                         const eval::EvalContext& context);
DuckQuery::Function sketch_estimate(int precision);
int sketch_precision(double relative_error);

}  // namespace weir::relational
