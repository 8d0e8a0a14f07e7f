// f(a => x) where f is a function of the user's: only its worker knows what its parameters are
// called, so the name goes there with the value. As in Spark it is an expression around the
// argument; no function of the catalog, and nothing evaluates it.
#pragma once

#include "plan/expression.h"

namespace weir::plan {

ExpressionPtr named_argument(std::string name, ExpressionPtr value);
// Nothing where the expression is none.
const Call* as_named_argument(const Expression& expression);
// The call with its arguments so, where it has names for them.
PythonCall python_call_of(std::shared_ptr<const PythonFunction> function, const Call& call);
// UNEXPECTED_POSITIONAL_ARGUMENT, DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.
Result<void> check_argument_names(const PythonCall& call, const Origin& origin);

bool is_named_argument(const Typed& expression);
TypedPtr typed_named_argument(const std::string& name, const TypedPtr& value);
// An argument of a TypedPython; the name is empty where it is given by its place.
struct PythonArgument {
  std::string name;
  TypedPtr value;
};
PythonArgument python_argument(const TypedPtr& argument);
// The arguments' names, as workers take them: none where all are given by their places.
std::vector<std::string> argument_names(const TypedPython& call);

}  // namespace weir::plan
