#include "plan/analysis.h"

#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "plan/signature_rules.h"

namespace weir::plan {

base::Error analysis_error(std::string error_class, std::string_view sql_state, std::string message,
                           const Origin& origin) {
  const auto kind = error_class.starts_with("UNSUPPORTED_FEATURE")
                        ? base::ErrorKind::kUnsupported
                        : base::ErrorKind::kInvalidArgument;
  return base::Error(kind,
                     fmt::format("{} SQLSTATE: {}{}", message, sql_state, origin_context(origin)))
      .with_class(std::move(error_class));
}

namespace {

std::string quoted(const std::vector<std::string>& parts) {
  return fmt::format("`{}`", fmt::join(parts, "`.`"));
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// Turns one expression into its typed form. Aggregates are let through where the caller says so.
class Analyzer {
 public:
  Analyzer(const Scope& scope, const AnalysisOptions& options, bool aggregates)
      : scope_(scope), options_(options), aggregates_(aggregates) {}

  Result<TypedPtr> analyze(const Expression& expression) {
    return std::visit([&](const auto& node) { return this->visit(node, expression.origin); },
                      expression.node);
  }

  Result<std::vector<NamedTyped>> expand(const Expression& expression) {
    if (const auto* star = std::get_if<Star>(&expression.node))
      return expand_star(*star, expression.origin);
    WEIR_ASSIGN(auto typed, analyze(expression));
    return std::vector<NamedTyped>{{name_of(expression, *typed), std::move(typed)}};
  }

 private:
  static std::string name_of(const Expression& expression, const Typed& typed) {
    // A column keeps the case of the schema, not of the reference.
    if (std::holds_alternative<ColumnReference>(expression.node)) {
      if (const auto* column = std::get_if<TypedColumn>(&typed.node)) return column->name;
      if (const auto* field = std::get_if<TypedField>(&typed.node)) {
        return field->child->type.fields()[static_cast<size_t>(field->index)].name;
      }
    }
    return default_name(expression);
  }

  static TypedPtr make(DataType type, bool nullable, decltype(Typed::node) node,
                       const Origin& origin) {
    return std::make_shared<const Typed>(Typed{std::move(type), nullable, std::move(node), origin});
  }

  Result<TypedPtr> visit(const Literal& literal, const Origin& origin) {
    const bool null = std::holds_alternative<std::monostate>(literal.value);
    return make(literal.type, null, TypedLiteral{literal.value}, origin);
  }

  // What only a whole plan's analysis can resolve.
  template <typename Node>
  Result<TypedPtr> visit(const Node&, const Origin& origin) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          "weir cannot use this kind of expression here: it needs a whole query.",
                          origin);
  }

  bool names_equal(std::string_view a, std::string_view b) const {
    return options_.case_sensitive ? a == b : boost::iequals(a, b);
  }

  // -1: none.
  Result<int> find(const std::vector<columnar::Field>& fields, const std::string& name,
                   const Origin& origin) const {
    int found = -1;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (!names_equal(fields[i].name, name)) continue;
      if (found >= 0) {
        return analysis_error(
            "AMBIGUOUS_REFERENCE", "42704",
            fmt::format("Reference `{}` is ambiguous, could be: [`{}`, `{}`].", name,
                        fields[static_cast<size_t>(found)].name, fields[i].name),
            origin);
      }
      found = static_cast<int>(i);
    }
    return found;
  }

  bool is_qualifier(const std::string& name) const {
    return std::any_of(scope_.qualifiers.begin(), scope_.qualifiers.end(),
                       [&](const auto& q) { return names_equal(q, name); });
  }

  Result<TypedPtr> visit(const ColumnReference& reference, const Origin& origin) {
    const auto& parts = reference.parts;
    if (scope_.schema) {
      const auto& fields = scope_.schema->fields();
      // The longest qualifier first, as Spark does.
      for (size_t start = parts.size() > 1 && is_qualifier(parts[0]) ? 1 : 0;; --start) {
        WEIR_ASSIGN(const int column, find(fields, parts[start], origin));
        if (column >= 0) {
          const auto& field = fields[static_cast<size_t>(column)];
          auto typed = make(field.type(), field.nullable, TypedColumn{column, field.name}, origin);
          for (size_t i = start + 1; i < parts.size(); ++i) {
            WEIR_ASSIGN(typed, take_field(typed, parts[i], origin));
          }
          return typed;
        }
        if (start == 0) break;
      }
    }
    return unresolved(parts, origin);
  }

  base::Error unresolved(const std::vector<std::string>& parts, const Origin& origin) const {
    std::vector<std::pair<size_t, std::string>> nearest;
    if (scope_.schema) {
      for (const auto& field : scope_.schema->fields()) {
        nearest.emplace_back(
            edit_distance(boost::to_lower_copy(parts.back()), boost::to_lower_copy(field.name)),
            field.name);
      }
    }
    std::stable_sort(nearest.begin(), nearest.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto message =
        fmt::format("A column, variable, or function parameter with name {} cannot be resolved.",
                    quoted(parts));
    if (nearest.empty())
      return analysis_error("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", message, origin);
    std::vector<std::string> names;
    for (size_t i = 0; i < nearest.size() && i < 5; ++i)
      names.push_back("`" + nearest[i].second + "`");
    return analysis_error(
        "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
        fmt::format("{} Did you mean one of the following? [{}].", message, fmt::join(names, ", ")),
        origin);
  }

  Result<TypedPtr> take_field(const TypedPtr& child, const std::string& name,
                              const Origin& origin) {
    if (!child->type.is(TypeKind::kStruct)) {
      return analysis_error("INVALID_EXTRACT_BASE_FIELD_TYPE", "42000",
                            fmt::format("Can't extract a value from \"{}\". Need a complex type "
                                        "[STRUCT, ARRAY, MAP] but got \"{}\".",
                                        name, child->type.sql()),
                            origin);
    }
    const auto& fields = child->type.fields();
    WEIR_ASSIGN(const int index, find(fields, name, origin));
    if (index < 0) {
      std::vector<std::string> names;
      for (const auto& field : fields)
        names.push_back("`" + field.name + "`");
      return analysis_error(
          "FIELD_NOT_FOUND", "42704",
          fmt::format("No such struct field `{}` in {}.", name, fmt::join(names, ", ")), origin);
    }
    const auto& field = fields[static_cast<size_t>(index)];
    return make(field.type(), child->nullable || field.nullable, TypedField{child, index}, origin);
  }

  Result<TypedPtr> visit(const Extract& extract, const Origin& origin) {
    WEIR_ASSIGN(auto child, analyze(*extract.child));
    WEIR_ASSIGN(auto key, analyze(*extract.key));
    if (child->type.is(TypeKind::kArray) || child->type.is(TypeKind::kMap)) {
      return call_function(*find_function("getitem"), "getitem", {child, key}, false, origin);
    }
    const auto* literal = std::get_if<TypedLiteral>(&key->node);
    const auto* name = literal ? std::get_if<std::string>(&literal->value) : nullptr;
    return take_field(child, name ? *name : std::string("?"), origin);
  }

  Result<TypedPtr> visit(const Star&, const Origin& origin) {
    return analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                          "Invalid usage of '*' in an expression.", origin);
  }

  Result<TypedPtr> visit(const Alias& alias, const Origin&) { return analyze(*alias.child); }

  Result<TypedPtr> visit(const CastTo& cast, const Origin& origin) {
    WEIR_ASSIGN(auto child, analyze(*cast.child));
    const bool strict = options_.ansi || cast.try_cast;
    if (!can_cast(child->type, cast.type, strict)) {
      const bool with_setting = strict && can_cast(child->type, cast.type, false);
      const bool date_number = child->type.is(TypeKind::kDate) && cast.type.is_numeric();
      return analysis_error(
          date_number    ? "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION"
          : with_setting ? "DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION"
                         : "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
          "42K09",
          fmt::format(
              "Cannot resolve \"{}\" due to data type mismatch: cannot cast \"{}\" to \"{}\"{}.",
              expression_sql(Expression{cast, origin}), child->type.sql(), cast.type.sql(),
              with_setting ? " with ANSI mode on" : ""),
          origin);
    }
    const bool nullable = child->nullable || cast.try_cast ||
                          (!options_.ansi && cast_may_fail(child->type, cast.type));
    return make(cast.type, nullable, TypedCast{child, cast.try_cast, false}, origin);
  }

  Result<TypedPtr> visit(const Call& call, const Origin& origin) {
    const auto name = boost::to_lower_copy(call.function);
    if (name == "between" && call.arguments.size() == 3) return between(call, origin);
    const auto* function = find_function(name);
    if (!function) {
      return analysis_error("UNRESOLVED_ROUTINE", "42883",
                            fmt::format("Cannot resolve routine `{}` on search path "
                                        "[`system`.`builtin`, `system`.`session`].",
                                        call.function),
                            origin);
    }
    const bool is_aggregate = function->kind == FunctionKind::kAggregate;
    if (is_aggregate && !aggregates_) {
      return analysis_error("INVALID_AGGREGATE_FUNCTION_USE", "42903",
                            fmt::format("The aggregate function `{}` cannot be used here (nested, "
                                        "in WHERE, in GROUP BY or in "
                                        "an expression over single rows).",
                                        name),
                            origin);
    }
    if (call.distinct && !is_aggregate) {
      return analysis_error("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", "42000",
                            fmt::format("The function `{}` does not support DISTINCT.", name),
                            origin);
    }
    std::vector<TypedPtr> arguments;
    if (is_aggregate) aggregates_ = false;
    const auto restore = [&] {
      if (is_aggregate) aggregates_ = true;
    };
    for (const auto& argument : call.arguments) {
      if (const auto* star = std::get_if<Star>(&argument->node)) {
        if (name == "count" && call.arguments.size() == 1 && star->qualifier.empty()) {
          arguments.push_back(
              make(DataType::of(TypeKind::kInteger), false, TypedLiteral{int64_t{1}}, origin));
          continue;
        }
        auto expanded = expand_star(*star, argument->origin);
        if (!expanded.ok()) return restore(), std::move(expanded).error();
        for (auto& one : *expanded)
          arguments.push_back(std::move(one.expression));
        continue;
      }
      auto typed = analyze(*argument);
      if (!typed.ok()) return restore(), std::move(typed).error();
      arguments.push_back(std::move(typed).value());
    }
    restore();
    if (name == "typeof" && arguments.size() == 1) {
      return make(DataType::of(TypeKind::kString), false,
                  TypedLiteral{arguments[0]->type.simple_string()}, origin);
    }
    if (name == "struct" && arguments.size() == call.arguments.size())
      return named_structure(call, std::move(arguments), origin);
    return call_function(*function, name, std::move(arguments), call.distinct, origin);
  }

  // x BETWEEN a AND b is x >= a AND x <= b.
  Result<TypedPtr> between(const Call& call, const Origin& origin) {
    const auto& a = call.arguments;
    const auto low = make_expression(Call{">=", {a[0], a[1]}}, origin);
    const auto high = make_expression(Call{"<=", {a[0], a[2]}}, origin);
    return visit(Call{"and", {low, high}}, origin);
  }

  // struct(a, b AS c): fields keep the names of what they are made of.
  Result<TypedPtr> named_structure(const Call& call, std::vector<TypedPtr> values,
                                   const Origin& origin) {
    std::vector<TypedPtr> arguments;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto& node = call.arguments[i]->node;
      auto name = fmt::format("col{}", i + 1);
      if (std::holds_alternative<Alias>(node) || std::holds_alternative<ColumnReference>(node) ||
          std::holds_alternative<Extract>(node)) {
        name = name_of(*call.arguments[i], *values[i]);
      }
      arguments.push_back(make(DataType::of(TypeKind::kString), false, TypedLiteral{name}, origin));
      arguments.push_back(std::move(values[i]));
    }
    return call_function(*find_function("named_struct"), "named_struct", std::move(arguments),
                         false, origin);
  }

  Result<TypedPtr> call_function(const Function& function, std::string_view name,
                                 std::vector<TypedPtr> arguments, bool distinct,
                                 const Origin& origin) {
    const int count = static_cast<int>(arguments.size());
    if (count < function.arguments_min ||
        (function.arguments_max >= 0 && count > function.arguments_max)) {
      const auto expected =
          function.arguments_max < 0 ? fmt::format("> {}", function.arguments_min - 1)
          : function.arguments_min == function.arguments_max
              ? std::to_string(function.arguments_min)
              : fmt::format("[{}, {}]", function.arguments_min, function.arguments_max);
      return analysis_error(
          "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
          fmt::format(
              "The `{}` requires {} parameters but the actual number is {}. Please, refer to the "
              "functions' documentation for a fix.",
              name, expected, count),
          origin);
    }
    SignatureCall call{name, std::move(arguments), &options_, origin};
    WEIR_ASSIGN(auto signature, function.rule(function, call));
    WEIR_CHECK(signature.argument_types.size() == call.arguments.size(),
               "a signature rule forgot an argument");
    TypedCall typed{&function, {}, distinct};
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      typed.arguments.push_back(coerce(call.arguments[i], signature.argument_types[i]));
    }
    return make(std::move(signature.result), signature.nullable, std::move(typed), origin);
  }

  TypedPtr coerce(const TypedPtr& argument, const DataType& type) const {
    if (argument->type.same_type(type) || (is_text(argument->type) && type.is(TypeKind::kString)))
      return argument;
    const auto* literal = std::get_if<TypedLiteral>(&argument->node);
    if (literal && argument->type.is(TypeKind::kNull))
      return make(type, true, *literal, argument->origin);
    // An integral literal widens without a cast.
    if (literal && std::holds_alternative<int64_t>(literal->value) && is_integral(argument->type) &&
        is_integral(type) && argument->type.kind() < type.kind()) {
      return make(type, false, *literal, argument->origin);
    }
    const bool nullable =
        argument->nullable || (!options_.ansi && cast_may_fail(argument->type, type));
    return make(type, nullable, TypedCast{argument, false, true}, argument->origin);
  }

  Result<std::vector<NamedTyped>> expand_star(const Star& star, const Origin& origin) {
    std::vector<NamedTyped> list;
    if (star.qualifier.empty() || (star.qualifier.size() == 1 && is_qualifier(star.qualifier[0]))) {
      if (!scope_.schema || scope_.schema->fields().empty()) {
        return analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                              "'*' needs columns to stand for.", origin);
      }
      const auto& fields = scope_.schema->fields();
      for (size_t i = 0; i < fields.size(); ++i) {
        list.push_back(
            {fields[i].name, make(fields[i].type(), fields[i].nullable,
                                  TypedColumn{static_cast<int>(i), fields[i].name}, origin)});
      }
      return list;
    }
    WEIR_ASSIGN(auto parent, visit(ColumnReference{star.qualifier}, origin));
    if (!parent->type.is(TypeKind::kStruct)) {
      return analysis_error("CANNOT_RESOLVE_STAR_EXPAND", "42704",
                            fmt::format("Cannot resolve {}.* given input columns: it is no struct.",
                                        quoted(star.qualifier)),
                            origin);
    }
    const auto& fields = parent->type.fields();
    for (size_t i = 0; i < fields.size(); ++i) {
      list.push_back({fields[i].name, make(fields[i].type(), parent->nullable || fields[i].nullable,
                                           TypedField{parent, static_cast<int>(i)}, origin)});
    }
    return list;
  }

  const Scope& scope_;
  const AnalysisOptions& options_;
  bool aggregates_;
};

Result<std::vector<NamedTyped>> analyze_list(const std::vector<ExpressionPtr>& list,
                                             const Scope& scope, const AnalysisOptions& options,
                                             bool aggregates) {
  std::vector<NamedTyped> result;
  for (const auto& expression : list) {
    WEIR_ASSIGN(auto expanded, Analyzer(scope, options, aggregates).expand(*expression));
    for (auto& one : expanded)
      result.push_back(std::move(one));
  }
  return result;
}

}  // namespace

Result<TypedPtr> analyze_expression(const Expression& expression, const Scope& scope,
                                    const AnalysisOptions& options) {
  return Analyzer(scope, options, false).analyze(expression);
}

Result<TypedPtr> analyze_condition(const Expression& expression, const Scope& scope,
                                   const AnalysisOptions& options) {
  WEIR_ASSIGN(auto typed, analyze_expression(expression, scope, options));
  if (typed->type.is(TypeKind::kBoolean)) return typed;
  if (typed->type.is(TypeKind::kNull)) {
    return std::make_shared<const Typed>(Typed{DataType::of(TypeKind::kBoolean), true,
                                               TypedLiteral{std::monostate{}}, expression.origin});
  }
  return analysis_error(
      "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09",
      fmt::format("Cannot resolve \"{}\" due to data type mismatch: Filter expression \"{}\" of "
                  "type \"{}\" "
                  "is not a boolean.",
                  expression_sql(expression), expression_sql(expression), typed->type.sql()),
      expression.origin);
}

Result<std::vector<NamedTyped>> analyze_select_list(const std::vector<ExpressionPtr>& list,
                                                    const Scope& scope,
                                                    const AnalysisOptions& options) {
  return analyze_list(list, scope, options, false);
}

Result<std::vector<NamedTyped>> analyze_aggregate_list(const std::vector<ExpressionPtr>& list,
                                                       const Scope& scope,
                                                       const AnalysisOptions& options) {
  return analyze_list(list, scope, options, true);
}

bool contains_aggregate(const Expression& expression) {
  if (const auto* call = std::get_if<Call>(&expression.node)) {
    const auto* function = find_function(call->function);
    if (function && function->kind == FunctionKind::kAggregate) return true;
    return std::any_of(call->arguments.begin(), call->arguments.end(),
                       [](const auto& a) { return contains_aggregate(*a); });
  }
  if (const auto* cast = std::get_if<CastTo>(&expression.node))
    return contains_aggregate(*cast->child);
  if (const auto* alias = std::get_if<Alias>(&expression.node))
    return contains_aggregate(*alias->child);
  if (const auto* extract = std::get_if<Extract>(&expression.node)) {
    return contains_aggregate(*extract->child) || contains_aggregate(*extract->key);
  }
  return false;
}

bool contains_aggregate(const Typed& expression) {
  if (const auto* call = std::get_if<TypedCall>(&expression.node)) {
    return call->function->kind == FunctionKind::kAggregate ||
           std::any_of(call->arguments.begin(), call->arguments.end(),
                       [](const auto& a) { return contains_aggregate(*a); });
  }
  if (const auto* cast = std::get_if<TypedCast>(&expression.node))
    return contains_aggregate(*cast->child);
  if (const auto* field = std::get_if<TypedField>(&expression.node))
    return contains_aggregate(*field->child);
  return false;
}

Schema schema_of(const std::vector<NamedTyped>& list) {
  std::vector<columnar::Field> fields;
  for (const auto& one : list)
    fields.push_back(
        columnar::make_field(one.name, one.expression->type, one.expression->nullable));
  return Schema::structure(std::move(fields));
}

}  // namespace weir::plan
