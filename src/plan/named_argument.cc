#include "plan/named_argument.h"

#include <algorithm>

#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

namespace {

constexpr const char* kName = "=>";

const Function& wrapper() {
  static const Function function = [] {
    Function made;
    made.name = kName;
    made.arguments_min = made.arguments_max = 2;
    return made;
  }();
  return function;
}

}  // namespace

ExpressionPtr named_argument(std::string name, ExpressionPtr value) {
  const Origin origin = value->origin;
  Call call{kName, {std::move(value)}};
  call.argument_names = {std::move(name)};
  return make_expression(std::move(call), origin);
}

const Call* as_named_argument(const Expression& expression) {
  const auto* call = std::get_if<Call>(&expression.node);
  const bool named = call && call->function == kName && call->arguments.size() == 1 &&
                     call->argument_names.size() == 1;
  return named ? call : nullptr;
}

PythonCall python_call_of(std::shared_ptr<const PythonFunction> function, const Call& call) {
  PythonCall made{std::move(function), call.arguments};
  for (size_t i = 0; i < call.argument_names.size(); ++i) {
    if (!call.argument_names[i].empty())
      made.arguments[i] = named_argument(call.argument_names[i], made.arguments[i]);
  }
  return made;
}

Result<void> check_argument_names(const PythonCall& call, const Origin& origin) {
  std::vector<std::string> names;
  const auto routine = "`" + call.function->name + "`";
  for (const auto& argument : call.arguments) {
    const auto* named = as_named_argument(*argument);
    if (!named && !names.empty()) {
      return analysis_error(
                 "UNEXPECTED_POSITIONAL_ARGUMENT", "4274K",
                 fmt::format("Cannot invoke routine {} because it contains positional argument(s) "
                             "following the named argument assigned to `{}`; please rearrange them "
                             "so the positional arguments come first and then retry the query "
                             "again.",
                             routine, names.back()),
                 origin)
          .with_parameter("routineName", routine)
          .with_parameter("parameterName", "`" + names.back() + "`");
    }
    if (!named) continue;
    const auto& name = named->argument_names[0];
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return analysis_error(
                 "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE", "4274K",
                 fmt::format("Call to routine {} is invalid because it includes multiple argument "
                             "assignments to the same parameter name `{}`.",
                             routine, name),
                 origin)
          .with_parameter("routineName", routine)
          .with_parameter("parameterName", "`" + name + "`");
    }
    names.push_back(name);
  }
  return {};
}

bool is_named_argument(const Typed& expression) {
  const auto* call = std::get_if<TypedCall>(&expression.node);
  return call && call->function == &wrapper();
}

TypedPtr typed_named_argument(const std::string& name, const TypedPtr& value) {
  const auto text =
      make_typed(DataType::of(columnar::TypeKind::kString), false, TypedLiteral{name});
  return make_typed(value->type, value->nullable, TypedCall{&wrapper(), {text, value}},
                    value->origin);
}

PythonArgument python_argument(const TypedPtr& argument) {
  if (!is_named_argument(*argument)) return {{}, argument};
  const auto& parts = std::get<TypedCall>(argument->node).arguments;
  const auto& name = std::get<TypedLiteral>(parts[0]->node).value;
  return {std::get<std::string>(name), parts[1]};
}

std::vector<std::string> argument_names(const TypedPython& call) {
  std::vector<std::string> names;
  bool any = false;
  for (const auto& argument : call.arguments) {
    names.push_back(python_argument(argument).name);
    any = any || !names.back().empty();
  }
  if (!any) names.clear();
  return names;
}

}  // namespace weir::plan
