// What is made of the values that were collected in a list for an aggregate.
#pragma once

#include <optional>

#include "eval/program.h"

namespace weir::eval {

// A column out of a batch of argument columns.
using BatchFunction =
    std::function<Result<std::shared_ptr<arrow::Array>>(const arrow::RecordBatch&)>;

struct ListFinisher {
  enum class Order { kAsTheyCome, kAscending };
  BatchFunction function;
  Order order = Order::kAsTheyCome;
};

// For percentile, percentile_approx, percentile_cont, percentile_disc, median, mode, listagg and
// histogram_numeric: over lists of the value (percentile with frequencies: lists of structs (value,
// frequency)). nullopt for other functions. The call's constant arguments are evaluated here.
Result<std::optional<ListFinisher>> list_finisher(const plan::Typed& expression,
                                                  const EvalContext& context);

// approx_count_distinct: per value its place and rank in a HyperLogLog sketch as one integer
// (index * 64 + rank), and the estimate from the lists of distinct ones.
Result<BatchFunction> sketch_entry(const plan::TypedPtr& value, int precision,
                                   const EvalContext& context);
BatchFunction sketch_estimate(int precision);
// log2 of the registers that the error needs; kInvalidArgument where those are fewer than 2^4 or
// more than 2^24.
Result<int> sketch_precision(double relative_error);
// The estimate from a sketch's registers, 2^precision of them.
int64_t sketch_estimate(std::string_view registers, int precision);

}  // namespace weir::eval
