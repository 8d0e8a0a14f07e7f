// From a Query as written to the steps of a ResolvedQuery.
#include <algorithm>

#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "plan/logical_plan.h"

namespace weir::plan {

namespace {

class Resolver {
 public:
  Resolver(const Query& query, const Schema& relation, const AnalysisOptions& options)
      : query_(query), options_(options) {
    scope_.schema = &relation;
    if (query.from) {
      if (!query.from->alias.empty()) {
        scope_.qualifiers.push_back(query.from->alias);
      } else if (query.from->provider.empty()) {
        scope_.qualifiers.push_back(query.from->name.back());
      }
    }
  }

  Result<ResolvedQuery> run() {
    if (query_.where) {
      WEIR_ASSIGN(resolved_.where, analyze_condition(*query_.where, scope_, options_));
    }
    WEIR_ASSIGN(auto list, analyze_aggregate_list(query_.select, scope_, options_));
    resolved_.visible = static_cast<int>(list.size());
    const bool aggregates = std::any_of(list.begin(), list.end(), [](const auto& one) {
      return contains_aggregate(*one.expression);
    });
    resolved_.grouped =
        aggregates || !query_.group_by.empty() || query_.group_by_all || query_.having;
    if (resolved_.grouped) {
      WEIR_TRY(resolve_keys(list));
      for (auto& one : list) {
        WEIR_ASSIGN(one.expression, above_grouping(one.expression));
      }
    }
    resolved_.projection = std::move(list);
    if (query_.having) {
      WEIR_ASSIGN(auto having, resolve_having());
      resolved_.having = std::move(having);
    }
    resolved_.distinct = query_.distinct;
    WEIR_TRY(resolve_order());
    resolved_.limit = query_.limit;
    resolved_.offset = query_.offset;
    return std::move(resolved_);
  }

 private:
  // The select item that a name or ordinal means, or -1.
  Result<int> select_item(const Expression& expression, const std::vector<NamedTyped>& list,
                          std::string_view clause) const {
    if (const auto* literal = std::get_if<Literal>(&expression.node)) {
      if (const auto* number = std::get_if<int64_t>(&literal->value);
          number && literal->type.is(columnar::TypeKind::kInteger)) {
        if (*number < 1 || *number > resolved_.visible) {
          return analysis_error(
              fmt::format("{}_POS_OUT_OF_RANGE", clause), "42805",
              fmt::format("Position {} is not in the select list (valid range is [1, {}]).",
                          *number, resolved_.visible),
              expression.origin);
        }
        return static_cast<int>(*number - 1);
      }
    }
    if (const auto* column = std::get_if<ColumnReference>(&expression.node);
        column && column->parts.size() == 1) {
      for (int i = 0; i < resolved_.visible; ++i) {
        if (boost::iequals(list[static_cast<size_t>(i)].name, column->parts[0])) return i;
      }
    }
    return -1;
  }

  Result<void> resolve_keys(const std::vector<NamedTyped>& list) {
    if (query_.group_by_all) {
      for (const auto& one : list) {
        if (!contains_aggregate(*one.expression)) resolved_.group_keys.push_back(one.expression);
      }
      return {};
    }
    for (const auto& key : query_.group_by) {
      // A column of the relation goes before an alias of the select list.
      auto typed = analyze_expression(*key, scope_, options_);
      const bool ordinal = std::holds_alternative<Literal>(key->node);
      if (!typed.ok() || ordinal) {
        WEIR_ASSIGN(const int item, select_item(*key, list, "GROUP_BY"));
        if (item >= 0) {
          typed = list[static_cast<size_t>(item)].expression;
          if (contains_aggregate(**typed)) {
            return analysis_error("GROUP_BY_AGGREGATE", "42903",
                                  "Aggregate functions are not allowed in GROUP BY.", key->origin);
          }
        }
      }
      if (!typed.ok()) return std::move(typed).error();
      if ((*typed)->type.is(columnar::TypeKind::kMap)) {
        return analysis_error("GROUP_EXPRESSION_TYPE_IS_NOT_ORDERABLE", "42822",
                              "A map cannot be a grouping key.", key->origin);
      }
      resolved_.group_keys.push_back(std::move(typed).value());
    }
    return {};
  }

  TypedPtr column(const TypedPtr& like, size_t index) const {
    return std::make_shared<const Typed>(
        Typed{like->type, like->nullable,
              TypedColumn{static_cast<int>(index), fmt::format("_g{}", index)}, like->origin});
  }

  // The expression over [keys…, aggregates…]: known keys and aggregates become columns, columns of
  // rows are an error. Aggregates are numbered after all keys, so keys have to be known before.
  Result<TypedPtr> above_grouping(const TypedPtr& expression) {
    for (size_t i = 0; i < resolved_.group_keys.size(); ++i) {
      if (same_expression(*resolved_.group_keys[i], *expression)) return column(expression, i);
    }
    if (const auto* call = std::get_if<TypedCall>(&expression->node)) {
      if (call->function->kind == FunctionKind::kAggregate) return aggregate(expression, *call);
      TypedCall copy = *call;
      for (auto& argument : copy.arguments) {
        WEIR_ASSIGN(argument, above_grouping(argument));
      }
      return std::make_shared<const Typed>(
          Typed{expression->type, expression->nullable, std::move(copy), expression->origin});
    }
    if (const auto* cast = std::get_if<TypedCast>(&expression->node)) {
      WEIR_ASSIGN(auto child, above_grouping(cast->child));
      return std::make_shared<const Typed>(Typed{expression->type, expression->nullable,
                                                 TypedCast{child, cast->try_cast, cast->implicit},
                                                 expression->origin});
    }
    if (const auto* field = std::get_if<TypedField>(&expression->node)) {
      WEIR_ASSIGN(auto child, above_grouping(field->child));
      return std::make_shared<const Typed>(Typed{expression->type, expression->nullable,
                                                 TypedField{child, field->index},
                                                 expression->origin});
    }
    if (const auto* read = std::get_if<TypedColumn>(&expression->node)) {
      const bool no_keys = resolved_.group_keys.empty();
      return analysis_error(no_keys ? "MISSING_GROUP_BY" : "MISSING_AGGREGATION",
                            no_keys ? "42803" : "42803",
                            fmt::format("The non-aggregating expression \"{}\" is based on columns "
                                        "which are not participating in the "
                                        "GROUP BY clause. Add the columns or the expression to the "
                                        "GROUP BY, aggregate the expression, "
                                        "or use \"any_value({})\".",
                                        read->name, read->name),
                            expression->origin);
    }
    return expression;
  }

  Result<TypedPtr> aggregate(const TypedPtr& expression, const TypedCall& call) {
    ResolvedAggregate made;
    made.function = call.function;
    made.distinct = call.distinct;
    made.type = expression->type;
    made.origin = expression->origin;
    const auto* literal = std::get_if<TypedLiteral>(&call.arguments[0]->node);
    const bool counts_rows = call.function->name == "count" && call.arguments.size() == 1 &&
                             literal && !call.distinct &&
                             !std::holds_alternative<std::monostate>(literal->value);
    if (!counts_rows) {
      made.argument = call.arguments[0];
      made.more.assign(call.arguments.begin() + 1, call.arguments.end());
    }
    const auto same = [](const TypedPtr& a, const TypedPtr& b) {
      return (!a && !b) || (a && b && same_expression(*a, *b));
    };
    for (size_t i = 0; i < resolved_.aggregates.size(); ++i) {
      const auto& known = resolved_.aggregates[i];
      if (known.function == made.function && known.distinct == made.distinct &&
          same(known.argument, made.argument) &&
          std::equal(known.more.begin(), known.more.end(), made.more.begin(), made.more.end(),
                     same)) {
        return column(expression, resolved_.group_keys.size() + i);
      }
    }
    resolved_.aggregates.push_back(std::move(made));
    return column(expression, resolved_.group_keys.size() + resolved_.aggregates.size() - 1);
  }

  Result<TypedPtr> resolve_having() {
    std::vector<ExpressionPtr> list{query_.having};
    auto typed = analyze_aggregate_list(list, scope_, options_);
    TypedPtr condition;
    if (typed.ok()) {
      WEIR_ASSIGN(condition, above_grouping((*typed)[0].expression));
    } else {
      // Aliases of the select list may be used in HAVING.
      WEIR_ASSIGN(condition, over_projection(*query_.having, std::move(typed).error()));
    }
    if (!condition->type.is(columnar::TypeKind::kBoolean)) {
      return analysis_error("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09",
                            "HAVING needs a boolean.", query_.having->origin);
    }
    return condition;
  }

  // Resolves against the select list's result, and puts the items' own expressions in the place of
  // their names.
  Result<TypedPtr> over_projection(const Expression& expression, base::Error otherwise) {
    const std::vector<NamedTyped> visible(resolved_.projection.begin(),
                                          resolved_.projection.begin() + resolved_.visible);
    const auto schema = schema_of(visible);
    auto typed = analyze_expression(expression, Scope{&schema, {}}, options_);
    if (!typed.ok()) return otherwise;
    return substitute(*typed, visible);
  }

  static TypedPtr substitute(const TypedPtr& expression, const std::vector<NamedTyped>& items) {
    if (const auto* read = std::get_if<TypedColumn>(&expression->node))
      return items[static_cast<size_t>(read->index)].expression;
    Typed copy = *expression;
    if (auto* call = std::get_if<TypedCall>(&copy.node)) {
      for (auto& argument : call->arguments)
        argument = substitute(argument, items);
    } else if (auto* cast = std::get_if<TypedCast>(&copy.node)) {
      cast->child = substitute(cast->child, items);
    } else if (auto* field = std::get_if<TypedField>(&copy.node)) {
      field->child = substitute(field->child, items);
    }
    return std::make_shared<const Typed>(std::move(copy));
  }

  Result<void> resolve_order() {
    for (const auto& key : query_.order_by) {
      ResolvedSortKey resolved{0, key.ascending, key.nulls_first};
      WEIR_ASSIGN(resolved.column, select_item(*key.expression, resolved_.projection, "ORDER_BY"));
      if (resolved.column < 0) {
        WEIR_ASSIGN(resolved.column, sort_expression(*key.expression));
      }
      const auto& type =
          resolved_.projection[static_cast<size_t>(resolved.column)].expression->type;
      if (type.is(columnar::TypeKind::kMap)) {
        return analysis_error("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09",
                              "A map cannot be sorted.", key.expression->origin);
      }
      resolved_.order_by.push_back(resolved);
    }
    return {};
  }

  // An expression of the relation or of the select list, added to the projection unless it is
  // there.
  Result<int> sort_expression(const Expression& expression) {
    TypedPtr typed;
    const std::vector<ExpressionPtr> list{make_expression(expression.node, expression.origin)};
    auto found = analyze_aggregate_list(list, scope_, options_);
    if (found.ok() && found->size() == 1) {
      typed = (*found)[0].expression;
      if (!resolved_.grouped && contains_aggregate(*typed)) {
        return analysis_error("MISSING_GROUP_BY", "42803",
                              "An aggregate in ORDER BY needs a grouped query.", expression.origin);
      }
      if (resolved_.grouped) {
        auto above = above_grouping(typed);
        if (!above.ok()) {
          WEIR_ASSIGN(typed, over_projection(expression, std::move(above).error()));
        } else {
          typed = *above;
        }
      }
    } else {
      auto failure = found.ok() ? analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                                                 "'*' cannot be sorted by.", expression.origin)
                                : std::move(found).error();
      WEIR_ASSIGN(typed, over_projection(expression, std::move(failure)));
    }
    for (size_t i = 0; i < resolved_.projection.size(); ++i) {
      if (same_expression(*resolved_.projection[i].expression, *typed)) return static_cast<int>(i);
    }
    if (query_.distinct) {
      return analysis_error("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
                            "With SELECT DISTINCT only what is selected can be sorted by.",
                            expression.origin);
    }
    resolved_.projection.push_back({fmt::format("_sort{}", resolved_.projection.size()), typed});
    return static_cast<int>(resolved_.projection.size() - 1);
  }

  const Query& query_;
  const AnalysisOptions& options_;
  Scope scope_;
  ResolvedQuery resolved_;
};

}  // namespace

Result<ResolvedQuery> resolve_query(const Query& query, const Schema& relation,
                                    const AnalysisOptions& options) {
  return Resolver(query, relation, options).run();
}

}  // namespace weir::plan
