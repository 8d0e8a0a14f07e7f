// The query part of the dialect: WITH, set operations, SELECT and what stands in FROM.
#pragma once

#include "plan/plan_node.h"
#include "sql/expression_parser.h"

namespace weir::sql {

class QueryParser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;
  using Planned = base::Result<plan::PlanPtr>;

  Planned query() override;

 protected:
  // FROM a, b … as one plan.
  Planned from_clause();
  base::Result<plan::With> common_tables();  // from WITH on; child is null
  // Key = value pairs in parentheses.
  base::Result<plan::Options> properties(bool lower_keys = true);
  base::Result<std::string> property_key();
  Planned select_over(plan::PlanPtr from);
  Planned node(plan::PlanNodeKind kind, uint32_t begin);

 private:
  Planned term(int precedence_min);
  Planned query_primary();
  Planned aggregate(plan::PlanPtr child, std::vector<plan::ExpressionPtr> list, uint32_t begin);
  base::Result<void> grouping(plan::Aggregate& made);
  base::Result<std::vector<plan::ExpressionPtr>> grouping_set();
  base::Result<std::vector<std::vector<plan::ExpressionPtr>>> grouping_analytics(
      plan::GroupingKind& kind, std::vector<std::vector<plan::ExpressionPtr>>& parts,
      uint32_t clause);
  base::Result<plan::SetOperation> set_operation_head();
  Planned organize(plan::PlanPtr child, uint32_t begin);
  Planned window_clause(plan::PlanPtr child, uint32_t begin);
  Planned values();
  Planned pipe(plan::PlanPtr child, uint32_t begin);
  Planned pipe_aggregate(plan::PlanPtr child, uint32_t begin);
  base::Result<std::vector<plan::Hint>> hints();

  Planned relation();
  Planned relation_primary();
  Planned relation_extensions(plan::PlanPtr left, uint32_t begin);
  Planned named_relation();
  Planned stream_relation(uint32_t begin);
  Planned lateral_primary(uint32_t begin);
  Planned table_function();
  Planned join(plan::PlanPtr left, uint32_t begin);
  bool at_join() const;
  Planned sample(plan::PlanPtr child, uint32_t begin);
  Planned watermark(plan::PlanPtr child, uint32_t begin);
  Planned alias(plan::PlanPtr child, uint32_t begin, bool drop_names);
  Planned pivot(plan::PlanPtr child, uint32_t begin);
  Planned unpivot(plan::PlanPtr child, uint32_t begin);
  base::Result<void> unpivot_columns(plan::Unpivot& made, bool several);
  Planned lateral_views(plan::PlanPtr child, uint32_t begin);
  base::Result<void> table_state(plan::TableState& state);
};

}  // namespace weir::sql
