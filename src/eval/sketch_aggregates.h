// The aggregates that make sketches (data_sketches.h): what a row adds, and what becomes of it.
#pragma once

#include <optional>

#include "eval/aggregate_state.h"
#include "eval/data_sketches.h"
#include "eval/list_finishers.h"

namespace weir::eval {

// Immutable; its functions may be called by several threads.
struct SketchAggregate {
  std::string plan;                       // of its builders
  std::vector<plan::TypedPtr> arguments;  // what `entries` wants
  // From the arguments one binary column: what the rows add; NULL: nothing.
  BatchFunction entries;
  // From one binary column of sketch_outcome()s, or NULL where no row came: the results.
  BatchFunction result;
};

// nullopt for other functions. Constant arguments are evaluated and checked here.
Result<std::optional<SketchAggregate>> sketch_aggregate(const plan::Typed& expression,
                                                        const EvalContext& context);
// The same over many groups; without `make` for other functions.
Result<AggregateMaker> sketch_maker(const plan::TypedPtr& expression, const EvalContext& context);

// A sketch's bytes or why there are none, in bytes.
std::string sketch_outcome(const Result<std::string>& made);
Result<std::string> from_sketch_outcome(std::string_view outcome);

// ---- items of approx_top_k

items::Kind item_kind(const columnar::DataType& type);
// Lists of (item, count) structs of the type `result`.
Result<ArrayPtr> item_lists(const std::vector<std::optional<std::vector<items::Row>>>& rows,
                            const columnar::DataType& result);
// `k` and `maxItemsTracked` as Spark wants them: positive, k not above, both within limits.
Result<void> check_item_counts(std::string_view function, std::optional<int64_t> how_many,
                               std::optional<int64_t> tracked, const plan::Origin& origin);
// "tuple_…": the mode's error where it is none.
Result<tuple::Mode> checked_mode(std::string_view function, std::string_view mode,
                                 const plan::Origin& origin);
Result<void> check_log_entries(std::string_view function, int64_t log_entries,
                               const plan::Origin& origin);

}  // namespace weir::eval
