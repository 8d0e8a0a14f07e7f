// A text that two analysed plans have in common exactly where they give the same rows: the same
// operators and expressions over the same states of the same tables. Names of columns and of
// relations do not matter. nullopt for plans that cannot be compared.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "plan/operator.h"

namespace weir::session {

class PlanKeys {
 public:
  std::optional<std::string> of(const plan::OperatorPtr& plan);

 private:
  std::map<const plan::Operator*, std::optional<std::string>> known_;
};

}  // namespace weir::session
