// Higher-order functions: lambdas get the types of the elements that they are applied to.
#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/expression_analyzer.h"
#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/signature_rules.h"

namespace weir::plan {

using columnar::TypeKind;

Result<TypedPtr> ExpressionAnalyzer::visit(const Lambda&, const Expression& whole) {
  return analysis_error("INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", "42K0D",
                        "Invalid lambda function call. A lambda function should only be used in a "
                        "higher order function.",
                        whole.origin);
}

Result<TypedPtr> ExpressionAnalyzer::typed_lambda(const Expression& expression,
                                                  const std::vector<VariableType>& types,
                                                  size_t required) {
  const auto* lambda = std::get_if<Lambda>(&expression.node);
  TypedLambda made;
  LambdaFrame frame;
  if (lambda) {
    const size_t count = lambda->parameters.size();
    if (count > types.size() || count < required) {
      return analysis_error(
                 "INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH", "42K0D",
                 fmt::format("Invalid lambda function call. A higher order function expects {} "
                             "arguments, but got {}.",
                             required, count),
                 expression.origin)
          .with_parameter("expectedNumArgs", std::to_string(required))
          .with_parameter("actualNumArgs", std::to_string(count));
    }
    for (size_t i = 0; i < count; ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (!names_equal(lambda->parameters[i], lambda->parameters[j], options_.case_sensitive))
          continue;
        return analysis_error("INVALID_LAMBDA_FUNCTION_CALL.DUPLICATE_ARG_NAMES", "42K0D",
                              "Invalid lambda function call. The lambda function has duplicate "
                              "arguments. Please, consider to rename the argument names.",
                              expression.origin)
            .with_parameter("args", fmt::format("`{}`", lambda->parameters[i]))
            .with_parameter("caseSensitiveConfig", "\"spark.sql.caseSensitive\"");
      }
      const int id = query_ ? query_->next_lambda_variable() : lambda_ids_++;
      made.variables.push_back(id);
      made.variable_types.push_back(types[i].type);
      frame.names.push_back(lambda->parameters[i]);
      frame.variables.push_back(make_typed(types[i].type, types[i].nullable,
                                           TypedLambdaVariable{id, lambda->parameters[i]},
                                           expression.origin));
    }
  } else {
    // transform(a, 0): the same for every element.
    for (size_t i = 0; i < required; ++i) {
      made.variables.push_back(query_ ? query_->next_lambda_variable() : lambda_ids_++);
      made.variable_types.push_back(types[i].type);
    }
  }
  lambdas_.push_back(std::move(frame));
  auto body = analyze(lambda ? *lambda->body : expression);
  lambdas_.pop_back();
  if (!body.ok()) return body;
  made.body = std::move(body).value();
  const auto type = made.body->type;
  const bool nullable = made.body->nullable;
  return make_typed(type, nullable, std::move(made), expression.origin);
}

Result<TypedPtr> ExpressionAnalyzer::higher_order(const Call& call, const std::string& name,
                                                  const Function& function,
                                                  const Expression& whole) {
  const auto canonical = function.name;
  const bool zip = canonical == "zip_with" || canonical == "map_zip_with";
  const bool fold = canonical == "aggregate";
  const size_t plain = zip || fold ? 2 : 1;
  std::vector<TypedPtr> arguments;
  for (size_t i = 0; i < std::min(plain, call.arguments.size()); ++i) {
    WEIR_ASSIGN(auto typed, analyze(*call.arguments[i]));
    arguments.push_back(std::move(typed));
  }
  const bool over_map = canonical.starts_with("map_") || canonical == "transform_keys" ||
                        canonical == "transform_values";
  const auto wanted = over_map ? TypeKind::kMap : TypeKind::kArray;
  const size_t collections = zip ? 2 : 1;
  for (size_t i = 0; i < std::min(collections, arguments.size()); ++i) {
    if (arguments[i]->type.is(wanted)) continue;
    if (arguments[i]->type.is(TypeKind::kNull)) {
      const auto type =
          over_map ? DataType::map(DataType::of(TypeKind::kNull), DataType::of(TypeKind::kNull))
                   : DataType::array(DataType::of(TypeKind::kNull));
      arguments[i] = coerce(arguments[i], type);
      continue;
    }
    SignatureCall signature{name, arguments, &options_, whole.origin};
    return unexpected_input(signature, i, over_map ? "\"MAP\"" : "\"ARRAY\"");
  }
  const auto integer = DataType::of(TypeKind::kInteger);
  const auto& first = arguments[0]->type;
  std::vector<std::vector<VariableType>> types;
  size_t required = 1;
  if (canonical == "array_sort") {
    types = {{{first.element(), first.contains_null()}, {first.element(), first.contains_null()}}};
    required = 2;
  } else if (fold) {
    const auto& state = arguments[1]->type;
    types = {{{state, true}, {first.element(), first.contains_null()}}, {{state, true}}};
    required = 2;
  } else if (canonical == "zip_with") {
    types = {{{first.element(), true}, {arguments[1]->type.element(), true}}};
    required = 2;
  } else if (canonical == "map_zip_with") {
    const auto key = common_type(first.key(), arguments[1]->type.key(), options_.ansi);
    if (!key || !key->same_type(first.key()) || !key->same_type(arguments[1]->type.key())) {
      if (!key) {
        return analysis_error("DATATYPE_MISMATCH.MAP_ZIP_WITH_DIFF_TYPES", "42K09",
                              fmt::format("Cannot resolve \"{}\" due to data type mismatch: Input "
                                          "to the `map_zip_with` should have been two maps with "
                                          "compatible key types, but it's [\"{}\", \"{}\"].",
                                          expression_sql(whole), first.key().sql(),
                                          arguments[1]->type.key().sql()),
                              whole.origin)
            .with_parameter("sqlExpr", "\"" + expression_sql(whole) + "\"")
            .with_parameter("leftType", "\"" + first.key().sql() + "\"")
            .with_parameter("rightType", "\"" + arguments[1]->type.key().sql() + "\"");
      }
      for (auto& argument : arguments) {
        argument = coerce(
            argument, DataType::map(*key, argument->type.value(), argument->type.contains_null()));
      }
    }
    types = {
        {{*key, false}, {arguments[0]->type.value(), true}, {arguments[1]->type.value(), true}}};
    required = 3;
  } else if (over_map) {
    types = {{{first.key(), false}, {first.value(), first.contains_null()}}};
    required = 2;
  } else {
    types = {{{first.element(), first.contains_null()}, {integer, false}}};
    if (canonical == "exists" || canonical == "forall") types[0].pop_back();
  }
  for (size_t i = plain; i < call.arguments.size(); ++i) {
    const size_t lambda = std::min(i - plain, types.size() - 1);
    WEIR_ASSIGN(auto typed,
                typed_lambda(*call.arguments[i], types[lambda], lambda == 0 ? required : 1));
    arguments.push_back(std::move(typed));
  }
  return call_function(function, name, std::move(arguments), whole.origin);
}

}  // namespace weir::plan
