#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

void add_conditionals(Functions& list) {
  list.push_back(
      lazy("when", EvaluationForm::kCase, 2, -1, case_when(), "CASE WHEN c THEN v … ELSE e END."));
  list.push_back(lazy("if", EvaluationForm::kCase, 3, 3, conditional(),
                      "The second where the first is true, else the third.", {"iff"}));
  list.push_back(lazy("coalesce", EvaluationForm::kCoalesce, 1, -1, same_type_all(true),
                      "The first that is not NULL."));
  list.push_back(lazy("nvl", EvaluationForm::kCoalesce, 2, 2, same_type_all(true),
                      "The first that is not NULL.", {"ifnull"}));
  list.push_back(
      sure("nvl2", 3, 3, nvl2_rule(), "The second where the first is not NULL, else the third."));
  list.push_back(sure("nullif", 2, 2, null_if(), "NULL where both are equal, else the first."));
  list.push_back(
      sure("nanvl", 2, 2, fixed({D}, D), "The first unless it is NaN, else the second."));
  list.push_back(sure("greatest", 2, -1, same_type_all(true), "The greatest, NULLs left out."));
  list.push_back(sure("least", 2, -1, same_type_all(true), "The least, NULLs left out."));
  list.push_back(sure("typeof", 1, 1, any_never_null(S), "The argument's type as text."));
}

}  // namespace weir::plan
