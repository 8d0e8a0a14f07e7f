#include "plan/analyzer.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "plan/analysis.h"
#include "plan/input_files.h"
#include "plan/relation_analyzer.h"
#include "plan/subquery_checks.h"

namespace weir::plan {

namespace {

// The plan's text without the numbers of its columns.
std::string shape(const Operator& node) {
  std::string text;
  bool number = false;
  for (const char c : plan_text(node)) {
    number = c == '#' || (number && c >= '0' && c <= '9');
    if (!number || c == '#') text += c;
  }
  return text;
}

// A name of observe() stands for one result in the whole plan.
Result<void> check_metric_names(const OperatorPtr& root) {
  std::map<std::string, OperatorPtr> names;
  std::set<const Operator*> seen;
  std::vector<OperatorPtr> open{root};
  while (!open.empty()) {
    const auto node = open.back();
    open.pop_back();
    if (!seen.insert(node.get()).second) continue;
    for (const auto& child : children_of(*node))
      open.push_back(child);
    const auto* observe = std::get_if<op::Observe>(&node->node);
    if (!observe) continue;
    const auto [there, added] = names.emplace(observe->name, node);
    if (added || shape(*there->second) == shape(*node)) continue;
    return analysis_error(
               "DUPLICATED_METRICS_NAME", "42710",
               fmt::format("The metric name is not unique: `{}`. The same name cannot be used for "
                           "metrics with different results.\nHowever multiple instances of metrics "
                           "with with same result and name are allowed (e.g. self-joins).",
                           observe->name),
               {})
        .with_parameter("metricName", "`" + observe->name + "`");
  }
  return {};
}

}  // namespace

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
  WEIR_TRY(check_metric_names(made));
  WEIR_ASSIGN(made, pass_input_files(made));
  return RelationAnalyzer::visible(made);
}

Result<std::vector<NamedTyped>> Analyzer::analyze_list(const std::vector<ExpressionPtr>& list,
                                                       const Operator& input) {
  return state_->relations.analyze_list(list, input);
}

}  // namespace weir::plan
