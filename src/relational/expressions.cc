// Expressions as SQL, and what of them our kernels compute.
#include <cmath>

#include <arrow/api.h>
#include <fmt/format.h>

#include "eval/program.h"
#include "relational/native_sql.h"
#include "relational/statement_builder.h"

namespace weir::relational {

using plan::Typed;
using plan::TypedPtr;

bool is_volatile(const Typed& expression) {
  if (const auto* call = std::get_if<plan::TypedCall>(&expression.node);
      call && !call->function->deterministic)
    return true;
  if (const auto* python = std::get_if<plan::TypedPython>(&expression.node);
      python && !python->function->deterministic)
    return true;
  for (const auto& child : plan::typed_children(expression)) {
    if (is_volatile(*child)) return true;
  }
  return false;
}

bool has_subquery_or_outer(const Typed& expression) {
  if (std::holds_alternative<plan::TypedSubquery>(expression.node) ||
      std::holds_alternative<plan::TypedOuterColumn>(expression.node))
    return true;
  for (const auto& child : plan::typed_children(expression)) {
    if (has_subquery_or_outer(*child)) return true;
  }
  return false;
}

bool may_fail(const Typed& expression) {
  if (const auto* call = std::get_if<plan::TypedCall>(&expression.node)) {
    const auto name = call->function->name;
    const bool never = plan::is_fractional(expression.type) &&
                       (name == "+" || name == "-" || name == "*" || name == "negative");
    const bool constant_pattern =
        (name == "like" || name == "ilike" || name == "rlike") &&
        std::holds_alternative<plan::TypedLiteral>(call->arguments.back()->node);
    if (call->function->can_fail && !never && !constant_pattern) return true;
  } else if (const auto* cast = std::get_if<plan::TypedCast>(&expression.node)) {
    if (!cast->try_cast && plan::cast_may_fail(cast->child->type, expression.type)) return true;
  } else if (std::holds_alternative<plan::TypedPython>(expression.node)) {
    return true;
  }
  for (const auto& child : plan::typed_children(expression)) {
    if (may_fail(*child)) return true;
  }
  return false;
}

bool StatementBuilder::is_native(const Typed& expression) const {
  return is_native_node(expression, context_.eval.ansi, exact_) && (!is_guard(expression) || [&] {
           // What a guard protects has to stay within the guard's program.
           for (const auto& child : plan::typed_children(expression)) {
             if (may_fail(*child) && !is_native_tree(*child, context_.eval.ansi, exact_))
               return false;
           }
           return true;
         }());
}

Result<std::string> StatementBuilder::expression(const TypedPtr& expression, const Scope& scope) {
  const auto& node = expression->node;
  if (const auto* column = std::get_if<plan::TypedColumn>(&node)) {
    WEIR_CHECK(static_cast<size_t>(column->index) < scope.size(), "a column outside of its input");
    return scope[static_cast<size_t>(column->index)];
  }
  if (const auto* column = std::get_if<plan::TypedOuterColumn>(&node)) {
    WEIR_CHECK(column->level >= 1 && static_cast<size_t>(column->level) <= outer_.size(),
               "an outer column without a query around");
    const auto& around = outer_[outer_.size() - static_cast<size_t>(column->level)];
    WEIR_CHECK(static_cast<size_t>(column->index) < around.size(), "an outer column out of range");
    return around[static_cast<size_t>(column->index)];
  }
  if (const auto* literal = std::get_if<plan::TypedLiteral>(&node)) {
    auto text = literal_sql(literal->value, expression->type);
    if (!text.empty()) return text;
    return program(expression, scope);
  }
  if (const auto* query = std::get_if<plan::TypedSubquery>(&node)) return subquery(*query, scope);
  if (!is_native(*expression)) return program(expression, scope);
  if (const auto* field = std::get_if<plan::TypedField>(&node)) {
    WEIR_ASSIGN(const auto child, this->expression(field->child, scope));
    return fmt::format("struct_extract_at({}, {})", child, field->index + 1);
  }
  if (const auto* cast = std::get_if<plan::TypedCast>(&node)) {
    WEIR_ASSIGN(const auto child, this->expression(cast->child, scope));
    return fmt::format("CAST({} AS {})", child, duck_sql_type(expression->type));
  }
  return native_call(*expression, std::get<plan::TypedCall>(node), scope);
}

Result<std::string> StatementBuilder::native_call(const Typed& expression,
                                                  const plan::TypedCall& call, const Scope& scope) {
  std::vector<std::string> arguments;
  for (const auto& argument : call.arguments) {
    WEIR_ASSIGN(auto text, this->expression(argument, scope));
    arguments.push_back(std::move(text));
  }
  return native_call_sql(expression, call, arguments);
}

Result<std::string> StatementBuilder::program(const TypedPtr& expression, const Scope& scope) {
  std::vector<std::string> arguments;
  std::vector<DataType> types;
  base::Result<void> failed;
  const auto input = [&](const TypedPtr& leaf) -> TypedPtr {
    auto text = this->expression(leaf, scope);
    if (!text.ok()) {
      failed = std::move(text).error();
      return leaf;
    }
    size_t index = 0;
    while (index < arguments.size() && arguments[index] != *text)
      ++index;
    if (index == arguments.size()) {
      arguments.push_back(*std::move(text));
      types.push_back(leaf->type);
    }
    return std::make_shared<const Typed>(Typed{
        leaf->type, leaf->nullable, plan::TypedColumn{static_cast<int>(index), {}}, leaf->origin});
  };
  const std::function<TypedPtr(const TypedPtr&)> rewrite = [&](const TypedPtr& part) -> TypedPtr {
    if (std::holds_alternative<plan::TypedColumn>(part->node) ||
        std::holds_alternative<plan::TypedOuterColumn>(part->node) ||
        std::holds_alternative<plan::TypedSubquery>(part->node))
      return input(part);
    return plan::map_typed_children(part, rewrite);
  };
  const auto rewritten = rewrite(expression);
  WEIR_TRY(std::move(failed));
  if (std::holds_alternative<plan::TypedPython>(rewritten->node)) {
    return base::error(base::ErrorKind::kUnsupported,
                       "a user function at this place of a query (put it in a select list)")
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }
  WEIR_ASSIGN(auto compiled, eval::compile(rewritten));
  auto function = [compiled = std::move(compiled),
                   context = context_.eval](const arrow::RecordBatch& batch) {
    return compiled.evaluate(batch, context);
  };
  const bool keep_place = is_volatile(*expression) || may_fail(*expression);
  return query_->add_function(types, arguments, expression->type, keep_place, std::move(function));
}

Result<std::string> StatementBuilder::subquery(const plan::TypedSubquery& node,
                                               const Scope& scope) {
  std::vector<std::string> values;
  for (const auto& value : node.values) {
    WEIR_ASSIGN(auto text, expression(value, scope));
    values.push_back(std::move(text));
  }
  outer_.push_back(scope);
  auto inner = query(node.plan);
  outer_.pop_back();
  if (!inner.ok()) return inner;
  switch (node.kind) {
    case plan::SubqueryKind::kScalar:
      return "(" + *inner + ")";
    case plan::SubqueryKind::kExists:
      return "EXISTS(" + *inner + ")";
    case plan::SubqueryKind::kIn:
      break;
  }
  if (values.size() == 1) return fmt::format("({} IN ({}))", values[0], *inner);
  const auto alias = fresh();
  std::string equal;
  for (size_t i = 0; i < values.size(); ++i)
    equal += fmt::format("{}({} = {}.c{})", i ? " AND " : "", values[i], alias, i);
  return fmt::format(
      "(CASE WHEN EXISTS(SELECT 1 FROM ({0}) AS {1} WHERE {2}) THEN TRUE WHEN EXISTS(SELECT 1 "
      "FROM ({0}) AS {1} WHERE ({2}) IS NULL) THEN NULL ELSE FALSE END)",
      *inner, alias, equal);
}

Result<std::string> StatementBuilder::condition(const TypedPtr& expression, const Scope& scope) {
  return this->expression(expression, scope);
}

Result<std::string> StatementBuilder::sort_key(const plan::TypedSortKey& key, const Scope& scope) {
  WEIR_ASSIGN(auto text, expression(key.expression, scope));
  if (key.expression->type.is_nested()) {
    WEIR_ASSIGN(text, order_bytes(text, key.expression->type));
  }
  // DuckDB makes the column anew from its sort keys, in which -0.0 is 0.0: sort by another one.
  if (plan::is_fractional(key.expression->type)) text = fmt::format("({} + 0)", text);
  return fmt::format("{} {} NULLS {}", text, key.ascending ? "ASC" : "DESC",
                     key.nulls_first ? "FIRST" : "LAST");
}

Result<std::string> StatementBuilder::computed_column(Computed& computed,
                                                      const TypedPtr& expression,
                                                      const Scope& scope) {
  const bool shared = !is_volatile(*expression);
  for (size_t i = 0; shared && i < computed.expressions.size(); ++i) {
    if (!has_subquery_or_outer(*expression) &&
        plan::same_expression(*computed.expressions[i], *expression))
      return "e" + std::to_string(i);
  }
  WEIR_ASSIGN(auto text, this->expression(expression, scope));
  computed.expressions.push_back(expression);
  computed.sql.push_back(std::move(text));
  return "e" + std::to_string(computed.sql.size() - 1);
}

std::string StatementBuilder::computed_list(const Computed& computed) {
  std::string list;
  for (size_t i = 0; i < computed.sql.size(); ++i)
    list += fmt::format("{}{} AS e{}", i ? ", " : "", computed.sql[i], i);
  return list.empty() ? "1 AS e0" : list;
}

}  // namespace weir::relational
