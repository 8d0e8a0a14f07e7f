// From a query as written (plan_node.h) to typed operators (operator.h), by Spark's rules.
//
// One Analyzer analyses one statement: it numbers columns and remembers which plan id gave which of
// them. Errors carry Spark's error class, SQLSTATE, message parameters and the position in the
// text. Not for use by two threads at once.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "plan/analysis.h"
#include "plan/catalog.h"
#include "plan/operator.h"

namespace weir::plan {

struct AnalyzerSettings {
  AnalysisOptions expressions;  // ANSI, case, zone
  bool group_by_ordinal = true;
  bool order_by_ordinal = true;
  bool group_by_aliases = true;
  std::map<std::string, Literal> named_parameters;
  std::vector<Literal> positional_parameters;
  std::map<std::string, std::string>
      conf;  // other spark.sql.* settings that analysis reads, by key
};

class Analyzer {
 public:
  Analyzer(Catalog& catalog, AnalyzerSettings settings, Folder fold, SmallQuery small_query = {});
  ~Analyzer();

  Result<OperatorPtr> analyze(const PlanPtr& plan);
  // Expressions over an operator's columns (a sink's partition columns, foreach …).
  Result<std::vector<NamedTyped>> analyze_list(const std::vector<ExpressionPtr>& list,
                                               const Operator& input);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Column pruning into scans, predicate and limit push-down, folding of constants, removal of
// operators without effect.
Result<OperatorPtr> optimize(const OperatorPtr& plan, const Folder& fold);

}  // namespace weir::plan
