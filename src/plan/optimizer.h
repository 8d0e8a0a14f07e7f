// The passes of optimize(): see analyzer.h.
#pragma once

#include <unordered_map>
#include <vector>

#include "plan/analyzer.h"

namespace weir::plan {

class Optimizer {
 public:
  explicit Optimizer(Folder fold) : fold_(std::move(fold)) {}
  Result<OperatorPtr> run(const OperatorPtr& plan);

 private:
  // Constant folding and the removal of operators without effect, bottom up.
  OperatorPtr simplify(const OperatorPtr& node);
  OperatorPtr simplified(OperatorPtr node);
  TypedPtr fold(const TypedPtr& expression);
  // Conditions that every row above has to meet, told to the scans below. They stay where they are.
  OperatorPtr tell_scans(const OperatorPtr& node, std::vector<TypedPtr> conditions);
  // The columns at `needed` only (ascending); what others a node gives is left to it. `places` gets
  // where they are in the result.
  OperatorPtr prune(const OperatorPtr& node, const std::vector<int>& needed,
                    std::vector<int>& places);
  TypedPtr prune_subqueries(const TypedPtr& expression);
  OperatorPtr prune_all(const OperatorPtr& node);
  void count_uses(const OperatorPtr& plan);
  bool shared(const OperatorPtr& node) const;

  Folder fold_;
  std::unordered_map<const Operator*, int> uses_;
  std::unordered_map<const Operator*, OperatorPtr> done_, pruned_;
  std::vector<OperatorPtr> alive_;  // what the maps' keys point to
};

}  // namespace weir::plan
