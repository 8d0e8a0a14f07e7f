// GROUP BY: which parts of the expressions above it are keys and which aggregates.
#pragma once

#include <vector>

#include "plan/operator.h"

namespace weir::plan {

class Grouping {
 public:
  bool active = false;
  std::vector<TypedPtr> keys;  // over the input
  std::vector<std::vector<int>> sets;
  bool with_sets = false;

  // The expression over [keys…, aggregates…]: keys and aggregates become columns. A column that is
  // neither is MISSING_AGGREGATION or MISSING_GROUP_BY.
  Result<TypedPtr> above(const TypedPtr& expression);
  // The operator, and the column of its grouping id put where kGroupingIdColumn stands.
  OperatorPtr make(const OperatorPtr& input, ColumnId& next_id) const;
  TypedPtr with_grouping_id(const TypedPtr& expression) const;

  const std::vector<TypedPtr>& aggregates() const { return aggregates_; }

 private:
  TypedPtr key_column(size_t key, const TypedPtr& like) const;
  Result<TypedPtr> aggregate(const TypedPtr& expression);
  Result<TypedPtr> grouping_value(const TypedPtr& expression, const TypedCall& call);
  Result<TypedPtr> children_above(const TypedPtr& expression);
  base::Error missing(const Typed& expression, const std::string& name) const;

  std::vector<TypedPtr> aggregates_;
};

}  // namespace weir::plan
