// A plan or a statement as compact text, for tests: Project[a, b] over Filter[…] is
// "project(filter(table(t), (a > 1)), a, b)".
#pragma once

#include <string>

#include "plan/statement.h"

namespace weir::sql {

std::string plan_text(const plan::PlanPtr& plan);
std::string expression_text(const plan::ExpressionPtr& expression);

}  // namespace weir::sql
