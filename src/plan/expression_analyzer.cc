#include "plan/expression_analyzer.h"

#include <algorithm>

#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "columnar/zone.h"
#include "plan/calendar.h"
#include "plan/name_scope.h"
#include "plan/named_argument.h"
#include "plan/operator_rewrites.h"
#include "plan/python_calls.h"
#include "plan/session_windows.h"
#include "plan/subquery_checks.h"
#include "plan/temporal_text.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr int kHeightMax = 1000;  // parsers and decoders bound theirs lower

base::Error needs_query(std::string_view what, const Origin& origin) {
  return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                        fmt::format("weir cannot use {} here: it needs a whole query.", what),
                        origin);
}

}  // namespace

Result<TypedPtr> ExpressionAnalyzer::analyze(const Expression& expression) {
  if (expression.height > kHeightMax) {
    return analysis_error(
        "EXCEED_LIMIT_LENGTH", "54006",
        fmt::format("An expression is nested more than {} levels deep.", kHeightMax),
        expression.origin);
  }
  const bool generator_here = std::exchange(generator_here_, false);
  // What may stand at the top only is asked for below by the kinds of nodes that look through.
  if (generator_here && (std::holds_alternative<Call>(expression.node) ||
                         std::holds_alternative<Alias>(expression.node)))
    generator_here_ = true;
  return std::visit([&](const auto& node) { return this->visit(node, expression); },
                    expression.node);
}

Result<TypedPtr> ExpressionAnalyzer::condition(const Expression& expression,
                                               std::string_view what) {
  WEIR_ASSIGN(auto typed, analyze(expression));
  if (typed->type.is(TypeKind::kBoolean)) return typed;
  if (typed->type.is(TypeKind::kNull)) {
    return make_typed(DataType::of(TypeKind::kBoolean), true, TypedLiteral{std::monostate{}},
                      expression.origin);
  }
  const auto sql = expression_sql(expression);
  if (what == "join") {
    return analysis_error("JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE", "42K0E",
                          fmt::format("The join condition \"{}\" has the invalid type \"{}\", "
                                      "expected \"BOOLEAN\".",
                                      sql, typed->type.sql()),
                          expression.origin)
        .with_parameter("joinCondition", "\"" + sql + "\"")
        .with_parameter("conditionType", "\"" + typed->type.sql() + "\"");
  }
  return analysis_error(
             "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09",
             fmt::format("Cannot resolve \"{}\" due to data type mismatch: Filter expression "
                         "\"{}\" of type \"{}\" is not a boolean.",
                         sql, sql, typed->type.sql()),
             expression.origin)
      .with_parameter("sqlExpr", "\"" + sql + "\"")
      .with_parameter("filter", "\"" + sql + "\"")
      .with_parameter("type", "\"" + typed->type.sql() + "\"");
}

std::string ExpressionAnalyzer::name_of(const Expression& expression) const {
  // A cast of a column is named after the column.
  if (const auto* cast = std::get_if<CastTo>(&expression.node)) {
    if (std::holds_alternative<ColumnReference>(cast->child->node)) return name_of(*cast->child);
  }
  if (outer_names_.contains(&expression))
    return std::get<ColumnReference>(expression.node).parts.back();
  if (const auto top = top_names_.find(&expression); top != top_names_.end()) return top->second;
  return inner_name(expression);
}

std::string ExpressionAnalyzer::inner_name(const Expression& expression) const {
  return default_name(expression, [&](const Expression& node) -> const std::string* {
    const auto known = names_.find(&node);
    return known == names_.end() ? nullptr : &known->second;
  });
}

Result<std::vector<SelectItem>> ExpressionAnalyzer::expand(const Expression& expression) {
  if (const auto* star = std::get_if<Star>(&expression.node))
    return expand_star(*star, expression.origin);
  if (const auto* regex = std::get_if<ColumnRegex>(&expression.node))
    return expand_regex(*regex, expression.origin);
  if (is_quoted_regex(expression)) {
    auto parts = std::get<ColumnReference>(expression.node).parts;
    const ColumnRegex pattern{parts.back()};
    parts.pop_back();
    return expand_regex(pattern, expression.origin, parts);
  }
  generator_here_ = scope_.generators;
  auto typed = analyze(expression);
  generator_here_ = false;
  if (!typed.ok()) return std::move(typed).error();
  SelectItem item;
  item.expression = std::move(typed).value();
  const auto* alias = std::get_if<Alias>(&expression.node);
  item.aliased = alias != nullptr;
  item.name = alias ? alias->name : name_of(expression);
  // A plain column stays the column that it is.
  const auto* column = std::get_if<TypedColumn>(&item.expression->node);
  if (column && scope_.columns && column->index < static_cast<int>(scope_.columns->size())) {
    const auto& source = (*scope_.columns)[static_cast<size_t>(column->index)];
    item.column.metadata = source.metadata;
    if (!alias) {
      item.column.id = source.id;
      item.column.qualifier = source.qualifier;
    }
  }
  if (!column && scope_.columns)
    item.column.metadata = event_time_metadata(*item.expression, *scope_.columns);
  if (alias && !alias->metadata.empty()) {
    WEIR_ASSIGN(item.column.metadata,
                base::parse_json_object(alias->metadata, "the metadata of an alias"));
  }
  return std::vector<SelectItem>{std::move(item)};
}

Result<TypedPtr> ExpressionAnalyzer::visit(const Literal& literal, const Expression& whole) {
  const bool null = std::holds_alternative<std::monostate>(literal.value);
  if (literal.type.is(TypeKind::kTimestampNtz) && !null) {
    names_[&whole] =
        "TIMESTAMP_NTZ '" + format_local_timestamp(std::get<int64_t>(literal.value)) + "'";
  }
  if (literal.type.is(TypeKind::kTimestamp) && !null) {  // shown in the session's zone
    auto zone = columnar::Zone::find(options_.session_zone);
    if (zone.ok()) {
      names_[&whole] = "TIMESTAMP '" +
                       format_local_timestamp(zone->to_local(std::get<int64_t>(literal.value))) +
                       "'";
    }
  }
  return make_typed(literal.type, null, TypedLiteral{literal.value}, whole.origin);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const Alias& alias, const Expression&) {
  return analyze(*alias.child);
}

namespace {

// TIMESTAMP and not TIMESTAMP_LTZ.
bool says_timestamp(std::string_view text) {
  constexpr size_t kLength = 9;
  return text.size() > kLength && boost::iequals(text.substr(0, kLength), "timestamp") &&
         text[kLength] != '_';
}

}  // namespace

// TIMESTAMP '…' whose zone is the session's comes as a cast of its text.
std::optional<Result<TypedPtr>> ExpressionAnalyzer::timestamp_literal(const CastTo& node,
                                                                      const Expression& whole) {
  bool ntz = node.type.is(TypeKind::kTimestampNtz);
  if (!ntz && !node.type.is(TypeKind::kTimestamp)) return std::nullopt;
  const auto* literal = std::get_if<Literal>(&node.child->node);
  const auto* text = literal ? std::get_if<std::string>(&literal->value) : nullptr;
  const auto& origin = whole.origin;
  if (!text || !origin.text || origin.begin >= origin.text->size() || node.try_cast)
    return std::nullopt;
  const char first = (*origin.text)[origin.begin];
  if (first != 't' && first != 'T') return std::nullopt;
  const auto quote = origin.text->find_first_of("(\"'", origin.begin);
  if (quote == std::string::npos || (*origin.text)[quote] == '(') return std::nullopt;
  const auto parsed = parse_timestamp(*text);
  if (!parsed || !parsed->has_date) return std::nullopt;
  int64_t us = parsed->local_us;
  ntz = ntz || (options_.timestamp_ntz && parsed->zone.empty() &&
                says_timestamp(std::string_view(*origin.text).substr(origin.begin)));
  if (!ntz) {
    auto zone = columnar::Zone::find(parsed->zone.empty() ? options_.session_zone : parsed->zone);
    if (!zone.ok()) return std::nullopt;
    const auto utc = zone->to_utc_checked(us);
    if (!utc) return std::nullopt;
    us = *utc;
  }
  const auto type = DataType::of(ntz ? TypeKind::kTimestampNtz : TypeKind::kTimestamp);
  return visit(Literal{type, Value(us)}, whole);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const CastTo& node, const Expression& whole) {
  if (auto literal = timestamp_literal(node, whole)) return std::move(*literal);
  if (options_.timestamp_ntz && node.type.is(TypeKind::kTimestamp)) {
    const auto local = DataType::of(TypeKind::kTimestampNtz);
    return visit(CastTo{node.child, local, node.try_cast}, whole);
  }
  WEIR_ASSIGN(auto child, analyze(*node.child));
  if (node.type.is_nested()) names_[&whole] = name_of(*node.child);  // as Spark leaves it out
  return cast(child, node.type, node.try_cast, expression_sql(whole), whole.origin);
}

Result<TypedPtr> ExpressionAnalyzer::cast(const TypedPtr& child, const DataType& type,
                                          bool try_cast, const std::string& text,
                                          const Origin& origin) {
  const bool strict = options_.ansi || try_cast;
  if (!can_cast(child->type, type, strict)) {
    const bool with_setting = strict && can_cast(child->type, type, false);
    const bool date_number = child->type.is(TypeKind::kDate) && type.is_numeric();
    return analysis_error(
               date_number    ? "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION"
               : with_setting ? "DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION"
                              : "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
               "42K09",
               fmt::format("Cannot resolve \"{}\" due to data type mismatch: cannot cast \"{}\" "
                           "to \"{}\"{}.",
                           text, child->type.sql(), type.sql(),
                           with_setting ? " with ANSI mode on" : ""),
               origin)
        .with_parameter("sqlExpr", "\"" + text + "\"")
        .with_parameter("srcType", "\"" + child->type.sql() + "\"")
        .with_parameter("targetType", "\"" + type.sql() + "\"");
  }
  const bool nullable = child->nullable || try_cast || cast_is_nullable(child->type, type) ||
                        (!options_.ansi && cast_may_fail(child->type, type));
  return make_typed(type, nullable, TypedCast{child, try_cast, false}, origin);
}

TypedPtr ExpressionAnalyzer::coerce(const TypedPtr& argument, const DataType& type) const {
  if (argument->type.same_type(type) || (is_text(argument->type) && type.is(TypeKind::kString)))
    return argument;
  if (const auto* lambda = std::get_if<TypedLambda>(&argument->node)) {
    auto body = coerce(lambda->body, type);
    const bool nullable = body->nullable;
    return make_typed(type, nullable,
                      TypedLambda{lambda->variables, lambda->variable_types, std::move(body)},
                      argument->origin);
  }
  const auto* literal = std::get_if<TypedLiteral>(&argument->node);
  if (literal && argument->type.is(TypeKind::kNull))
    return make_typed(type, true, *literal, argument->origin);
  // An integral literal widens without a cast.
  if (literal && std::holds_alternative<int64_t>(literal->value) && is_integral(argument->type) &&
      is_integral(type) && argument->type.kind() < type.kind()) {
    return make_typed(type, false, *literal, argument->origin);
  }
  // An interval of more units keeps its value.
  const auto* interval = type.is_interval() ? literal : nullptr;
  if (interval && argument->type.kind() == type.kind() &&
      argument->type.last_unit() <= type.last_unit())
    return make_typed(type, false, *literal, argument->origin);
  const bool nullable = argument->nullable || cast_is_nullable(argument->type, type) ||
                        (!options_.ansi && cast_may_fail(argument->type, type));
  return make_typed(type, nullable, TypedCast{argument, false, true}, argument->origin);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const Parameter& parameter, const Expression& whole) {
  if (!query_) return needs_query("a parameter", whole.origin);
  WEIR_ASSIGN(const auto literal, query_->parameter(parameter, whole.origin));
  names_[&whole] = default_name(*make_expression(literal));
  return visit(literal, whole);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const Subquery& subquery, const Expression& whole) {
  if (!query_) return needs_query("a subquery", whole.origin);
  static const std::vector<Column> kNone;
  std::vector<TypedPtr> values;
  for (const auto& value : subquery.values) {
    WEIR_ASSIGN(auto typed, analyze(*value));
    values.push_back(std::move(typed));
  }
  const auto& outside = scope_.columns ? *scope_.columns : kNone;
  WEIR_ASSIGN(auto plan, query_->subquery(subquery.plan, outside));
  if (plan->streaming) return streaming_subquery(whole.origin);
  if (subquery.kind != SubqueryKind::kIn) {
    // Named after what it reads from outside.
    std::vector<std::string> read;
    map_outer_columns(plan, 1, [&](const TypedPtr& outer) {
      read.push_back(std::get<TypedOuterColumn>(outer->node).name);
      return outer;
    });
    names_[&whole] =
        fmt::format("{}({})", subquery.kind == SubqueryKind::kScalar ? "scalarsubquery" : "exists",
                    fmt::join(read, ", "));
  }
  if (subquery.kind == SubqueryKind::kExists) {
    return make_typed(DataType::of(TypeKind::kBoolean), false,
                      TypedSubquery{subquery.kind, std::move(plan), {}}, whole.origin);
  }
  if (subquery.kind == SubqueryKind::kScalar) {
    if (plan->columns.size() != 1) {
      return analysis_error(
                 "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN",
                 "42823",
                 fmt::format("Invalid subquery: Scalar subquery must return only one column, but "
                             "got {}.",
                             plan->columns.size()),
                 whole.origin)
          .with_parameter("number", std::to_string(plan->columns.size()));
    }
    const auto type = plan->columns[0].type;
    return make_typed(type, true, TypedSubquery{subquery.kind, std::move(plan), {}}, whole.origin);
  }
  // (a, b) IN (SELECT …): a struct written out is as many values.
  if (values.size() == 1 && plan->columns.size() > 1) {
    const auto* call = std::get_if<TypedCall>(&values[0]->node);
    if (call && call->function->name == "named_struct") {
      std::vector<TypedPtr> fields;
      for (size_t i = 1; i < call->arguments.size(); i += 2)
        fields.push_back(call->arguments[i]);
      values = std::move(fields);
    }
  }
  if (values.size() != plan->columns.size()) {
    return analysis_error(
               "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH", "42K09",
               fmt::format("Cannot resolve the IN subquery due to data type mismatch: the left "
                           "side has {} columns and the right side {}.",
                           values.size(), plan->columns.size()),
               whole.origin)
        .with_parameter("leftLength", std::to_string(values.size()))
        .with_parameter("rightLength", std::to_string(plan->columns.size()));
  }
  bool nullable = false, casts = false;
  std::vector<TypedPtr> list;
  auto columns = plan->columns;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& right = plan->columns[i];
    const auto common = comparison_type(values[i]->type, right.type, options_.ansi);
    if (!common) {
      return analysis_error(
                 "DATATYPE_MISMATCH.IN_SUBQUERY_DATA_TYPE_MISMATCH", "42K09",
                 fmt::format("Cannot resolve the IN subquery due to data type mismatch: \"{}\" "
                             "and \"{}\" have no type in common.",
                             values[i]->type.sql(), right.type.sql()),
                 whole.origin)
          .with_parameter("leftType", "\"" + values[i]->type.sql() + "\"")
          .with_parameter("rightType", "\"" + right.type.sql() + "\"");
    }
    nullable = nullable || values[i]->nullable || right.nullable;
    values[i] = coerce(values[i], *common);
    list.push_back(coerce(column_at(plan->columns, i), *common));
    casts = casts || list.back()->type != right.type;
    columns[i].type = list.back()->type;
    columns[i].nullable = list.back()->nullable;
  }
  if (casts) plan = make_operator(op::Project{plan, std::move(list)}, std::move(columns));
  return make_typed(DataType::of(TypeKind::kBoolean), nullable,
                    TypedSubquery{subquery.kind, std::move(plan), std::move(values)}, whole.origin);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const UpdateField& update, const Expression& whole) {
  WEIR_ASSIGN(auto child, analyze(*update.child));
  TypedPtr value;
  if (update.value) {
    WEIR_ASSIGN(value, analyze(*update.value));
  }
  std::vector<std::string> path;
  for (size_t begin = 0; begin <= update.field.size();) {
    const auto end = std::min(update.field.find('.', begin), update.field.size());
    path.push_back(update.field.substr(begin, end - begin));
    begin = end + 1;
  }
  // The struct with the field at path[level …] set or dropped, written out field by field.
  const auto rebuild = [&](const auto& self, const TypedPtr& whole_struct,
                           size_t level) -> Result<TypedPtr> {
    if (!whole_struct->type.is(TypeKind::kStruct)) {
      return analysis_error("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09",
                            fmt::format("Cannot resolve \"{}\" due to data type mismatch: a field "
                                        "can be set in a \"STRUCT\" only, not in \"{}\".",
                                        expression_sql(whole), whole_struct->type.sql()),
                            whole.origin);
    }
    std::vector<TypedPtr> arguments;
    const auto add = [&](const std::string& name, TypedPtr field) {
      arguments.push_back(
          make_typed(DataType::of(TypeKind::kString), false, TypedLiteral{name}, whole.origin));
      arguments.push_back(std::move(field));
    };
    bool found = false;
    const auto& fields = whole_struct->type.fields();
    for (size_t i = 0; i < fields.size(); ++i) {
      TypedPtr field = make_typed(fields[i].type(), whole_struct->nullable || fields[i].nullable,
                                  TypedField{whole_struct, static_cast<int>(i)}, whole.origin);
      if (!names_equal(fields[i].name, path[level], options_.case_sensitive)) {
        add(fields[i].name, field);
        continue;
      }
      found = true;
      if (level + 1 < path.size()) {
        WEIR_ASSIGN(auto inner, self(self, field, level + 1));
        add(fields[i].name, inner);
      } else if (value) {
        add(path[level], value);
      }
    }
    if (!found && level + 1 < path.size()) {
      return analysis_error("FIELD_NOT_FOUND", "42704",
                            fmt::format("No such struct field `{}`.", path[level]), whole.origin)
          .with_parameter("fieldName", "`" + path[level] + "`");
    }
    if (!found && value) add(path[level], value);
    if (arguments.empty()) {
      return analysis_error("DATATYPE_MISMATCH.CANNOT_DROP_ALL_FIELDS", "42K09",
                            "Cannot resolve the expression due to data type mismatch: cannot "
                            "drop all fields in struct.",
                            whole.origin);
    }
    WEIR_ASSIGN(auto made, this->call("named_struct", std::move(arguments), whole.origin));
    if (!whole_struct->nullable) return made;
    WEIR_ASSIGN(auto there, this->call("isnotnull", {whole_struct}, whole.origin));
    return this->call("when", {there, made}, whole.origin);
  };
  return rebuild(rebuild, child, 0);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const PythonCall& node, const Expression& whole) {
  WEIR_TRY(check_argument_names(node, whole.origin));
  const bool aggregate = is_python_aggregate(*node.function);
  if (aggregate && (in_aggregate_ || !aggregates_))
    return aggregate_misplaced(node.function->name, whole);
  const bool outer = std::exchange(in_aggregate_, in_aggregate_ || aggregate);
  std::vector<TypedPtr> arguments;
  for (const auto& argument : node.arguments) {
    const auto* named = as_named_argument(*argument);
    auto typed = analyze(named ? *named->arguments[0] : *argument);
    if (!typed.ok()) {
      in_aggregate_ = outer;
      return typed;
    }
    arguments.push_back(named ? typed_named_argument(named->argument_names[0], *typed) : *typed);
  }
  in_aggregate_ = outer;
  return make_typed(node.function->result, true, TypedPython{node.function, std::move(arguments)},
                    whole.origin);
}

}  // namespace weir::plan
