#include "plan/analyzer.h"

#include "plan/input_files.h"
#include "plan/relation_analyzer.h"
#include "plan/subquery_checks.h"

namespace weir::plan {

struct Analyzer::State {
  RelationAnalyzer relations;
};

Analyzer::Analyzer(Catalog& catalog, AnalyzerSettings settings, Folder fold, SmallQuery small_query)
    : state_(new State{RelationAnalyzer(catalog, std::move(settings), std::move(fold),
                                        std::move(small_query))}) {}

Analyzer::~Analyzer() = default;

Result<OperatorPtr> Analyzer::analyze(const PlanPtr& plan) {
  WEIR_ASSIGN(auto made, state_->relations.analyze(plan));
  WEIR_TRY(check_subqueries(*made));
  WEIR_ASSIGN(made, pass_input_files(made));
  return RelationAnalyzer::visible(made);
}

Result<std::vector<NamedTyped>> Analyzer::analyze_list(const std::vector<ExpressionPtr>& list,
                                                       const Operator& input) {
  return state_->relations.analyze_list(list, input);
}

}  // namespace weir::plan
