#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

void add_aggregates(Functions& list) {
  list.push_back(aggregate("count", 1, -1, count_rule(), "Number of rows, of rows without NULL."));
  list.push_back(aggregate("sum", 1, 1, sum_rule(), "Sum."));
  list.push_back(aggregate("avg", 1, 1, average_rule(), "Mean.", {"mean"}));
  list.push_back(aggregate("min", 1, 1, extreme_rule(), "Least value."));
  list.push_back(aggregate("max", 1, 1, extreme_rule(), "Greatest value."));
  list.push_back(aggregate("any_value", 1, 1, extreme_rule(), "Some value of the group."));
  list.push_back(aggregate(
      "count_if", 1, 1,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        if (!call.arguments[0]->type.is(B)) return unexpected_input(call, 0, "\"BOOLEAN\"");
        return Signature{{DataType::of(B)}, DataType::of(L), false};
      },
      "Number of rows for which it is true."));
  list.push_back(
      aggregate("bool_and", 1, 1, fixed_nullable({B}, B), "True where all are.", {"every"}));
  list.push_back(
      aggregate("bool_or", 1, 1, fixed_nullable({B}, B), "True where some are.", {"some", "any"}));
}

}  // namespace weir::plan
