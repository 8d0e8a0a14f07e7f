// What DataFrame calls do with columns and rows: withColumns, drop, toDF, dropDuplicates, sample …
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "plan/attribute_name.h"
#include "plan/calendar.h"
#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"
#include "plan/session_windows.h"
#include "plan/stateful_function.h"
#include "plan/temporal_text.h"

namespace weir::plan {

using columnar::TypeKind;

Result<std::vector<int>> RelationAnalyzer::positions(const std::vector<std::string>& names,
                                                     const Operator& input) {
  std::vector<int> found;
  for (const auto& name : names) {
    bool any = false;
    for (size_t i = 0; i < input.columns.size(); ++i) {
      const auto& column = input.columns[i];
      if (column.hidden || !names_equal(column.name, name, options().case_sensitive)) continue;
      any = true;
      found.push_back(static_cast<int>(i));
    }
    if (!any) return unresolved_column(input.columns, {name}, {});
  }
  return found;
}

Result<OperatorPtr> RelationAnalyzer::visit(const WithColumns& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  WEIR_ASSIGN(child, with_time_windows(child, {&node.columns}));
  auto base_items = items_of(child, true);
  SelectBlock block;
  block.input = child;
  block.items = base_items;
  std::vector<std::string> seen;
  for (const auto& expression : node.columns) {
    const auto* alias = std::get_if<Alias>(&expression->node);
    WEIR_CHECK(alias, "a column of withColumns has no name");
    for (const auto& known : seen) {
      if (!names_equal(known, alias->name, options().case_sensitive)) continue;
      return analysis_error("COLUMN_ALREADY_EXISTS", "42711",
                            fmt::format("The column `{}` already exists. Choose another name or "
                                        "rename the existing column.",
                                        alias->name),
                            whole.origin)
          .with_parameter("columnName", "`" + alias->name + "`");
    }
    seen.push_back(alias->name);
    SelectBlock one;
    one.input = child;
    // Earlier new columns may be used by their names.
    for (size_t i = base_items.size(); i < block.items.size(); ++i)
      one.items.push_back(block.items[i]);
    const size_t before = one.items.size();
    one.generator = std::exchange(block.generator, std::nullopt);
    WEIR_TRY(select_list(one, {expression}));
    block.generator = std::move(one.generator);
    if (one.items.size() != before + 1) {
      return analysis_error("UDTF_ALIAS_NUMBER_MISMATCH", "42802",
                            fmt::format("The column `{}` would become several.", alias->name),
                            expression->origin);
    }
    block.items.push_back(std::move(one.items.back()));
  }
  // In place of the columns of that name, else at the end.
  std::vector<SelectItem> items(block.items.begin(),
                                block.items.begin() + static_cast<long>(base_items.size()));
  for (size_t i = base_items.size(); i < block.items.size(); ++i) {
    bool replaced = false;
    for (size_t j = 0; j < base_items.size(); ++j) {
      if (items[j].column.hidden ||
          !names_equal(base_items[j].name, block.items[i].name, options().case_sensitive))
        continue;
      items[j] = block.items[i];
      replaced = true;
    }
    if (!replaced) items.push_back(block.items[i]);
  }
  block.items = std::move(items);
  block.grouping.active = std::any_of(block.items.begin(), block.items.end(), [](const auto& one) {
    return contains_aggregate(*one.expression);
  });
  std::vector<TypedPtr> none;
  return close_block(block, none);
}

Result<OperatorPtr> RelationAnalyzer::visit(const RenameColumns& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  auto columns = child->columns;
  for (const auto& [from, to] : node.names) {
    for (auto& column : columns) {
      if (column.hidden || !names_equal(column.name, from, options().case_sensitive)) continue;
      column.name = to;
      column.id = fresh_id();
      column.qualifier.clear();
    }
  }
  return with_columns(child, std::move(columns));
}

Result<OperatorPtr> RelationAnalyzer::visit(const DropColumns& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  std::vector<bool> dropped(child->columns.size());
  for (const auto& name : node.names) {
    for (size_t i = 0; i < child->columns.size(); ++i) {
      const auto& column = child->columns[i];
      if (!column.hidden && names_equal(column.name, name, options().case_sensitive))
        dropped[i] = true;
    }
  }
  for (const auto& expression : node.columns) {
    ExpressionScope scope;
    scope.columns = &child->columns;
    auto typed = expressions(scope).analyze(*expression);
    if (!typed.ok()) {
      const auto& error_class = typed.error().error_class();
      if (error_class.starts_with("UNRESOLVED_COLUMN") ||
          error_class == "CANNOT_RESOLVE_DATAFRAME_COLUMN")
        continue;
      return std::move(typed).error();
    }
    const auto* column = std::get_if<TypedColumn>(&(*typed)->node);
    if (column) dropped[static_cast<size_t>(column->index)] = true;
  }
  if (std::none_of(dropped.begin(), dropped.end(), [](bool one) { return one; })) return child;
  std::vector<int> kept;
  for (size_t i = 0; i < dropped.size(); ++i) {
    if (!dropped[i]) kept.push_back(static_cast<int>(i));
  }
  return keep(child, kept);
}

Result<OperatorPtr> RelationAnalyzer::visit(const ToDataFrame& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  auto columns = child->columns;
  if (columns.size() != node.names.size()) {
    return analysis_error("ASSIGNMENT_ARITY_MISMATCH", "42802",
                          fmt::format("The number of columns or variables assigned or aliased: {} "
                                      "does not match the number of source expressions: {}.",
                                      node.names.size(), columns.size()),
                          whole.origin)
        .with_parameter("numTarget", std::to_string(node.names.size()))
        .with_parameter("numExpr", std::to_string(columns.size()));
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].name = node.names[i];
    columns[i].id = fresh_id();
    columns[i].qualifier.clear();
  }
  return with_columns(child, std::move(columns));
}

Result<OperatorPtr> RelationAnalyzer::visit(const ToSchema& node, const PlanNode& whole) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  ExpressionScope scope;
  scope.columns = &child->columns;
  auto analyzer = expressions(scope);
  std::vector<SelectItem> items;
  for (const auto& field : node.schema.fields()) {
    WEIR_ASSIGN(const auto found,
                find_column(child->columns, {field.name}, options().case_sensitive, whole.origin));
    SelectItem item;
    item.name = field.name;
    item.column.metadata = field.metadata;
    if (!found) {
      if (!field.nullable) return unresolved_column(child->columns, {field.name}, whole.origin);
      item.expression =
          make_typed(field.type(), true, TypedLiteral{std::monostate{}}, whole.origin);
      items.push_back(std::move(item));
      continue;
    }
    auto typed = column_at(child->columns, found->index, whole.origin);
    if (typed->nullable && !field.nullable) {
      return analysis_error("NULLABLE_COLUMN_OR_FIELD", "42000",
                            fmt::format("Column or field `{}` is nullable while it's required to "
                                        "be non-nullable.",
                                        field.name),
                            whole.origin)
          .with_parameter("name", "`" + field.name + "`");
    }
    if (typed->type.same_type(field.type())) {
      items.push_back({field.name, typed, false, child->columns[found->index]});
      continue;
    }
    if (!can_cast_implicitly(typed->type, field.type(), true) ||
        (is_text(typed->type) && !is_text(field.type()))) {
      return analysis_error("INVALID_COLUMN_OR_FIELD_DATA_TYPE", "42000",
                            fmt::format("Column or field `{}` is of type \"{}\" while it's "
                                        "required to be \"{}\".",
                                        field.name, typed->type.sql(), field.type().sql()),
                            whole.origin)
          .with_parameter("name", "`" + field.name + "`")
          .with_parameter("type", "\"" + typed->type.sql() + "\"")
          .with_parameter("expectedType", "\"" + field.type().sql() + "\"");
    }
    item.expression = analyzer.coerce(typed, field.type());
    items.push_back(std::move(item));
  }
  return project(child, items);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Deduplicate& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  std::vector<int> keys;
  if (node.columns.empty()) {
    WEIR_TRY(comparable_rows(*child, whole.origin));
    for (size_t i = 0; i < child->columns.size(); ++i)
      keys.push_back(static_cast<int>(i));
    if (!child->streaming && !node.within_watermark)
      return make_operator(op::Distinct{child}, child->columns, child->streaming);
  } else {
    WEIR_ASSIGN(keys, positions(node.columns, *child));
  }
  return make_operator(op::Deduplicate{child, std::move(keys), node.within_watermark},
                       child->columns, child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Sample& node, const PlanNode& whole) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  if (node.rows) {
    op::Limit limit{child};
    WEIR_ASSIGN(limit.limit, limit_value(*node.rows, "limit"));
    return make_operator(std::move(limit), child->columns, child->streaming);
  }
  if (node.upper < node.lower || (!node.with_replacement && (node.lower < 0 || node.upper > 1))) {
    return analysis_error(
        "INVALID_SAMPLING_FRACTION", "22023",
        fmt::format("Sampling fraction ({}) must be on interval [0, 1].", node.upper - node.lower),
        whole.origin);
  }
  return make_operator(op::Sample{child, node.lower, node.upper, node.with_replacement,
                                  node.seed.value_or(0), node.ordered},
                       child->columns, child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Repartition& node, const PlanNode& whole) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  if (node.partitions && *node.partitions < 1) {
    return analysis_error(
        "INVALID_PARAMETER_VALUE.PARTITION_COUNT", "22023",
        fmt::format("The number of partitions ({}) must be positive.", *node.partitions),
        whole.origin);
  }
  ExpressionScope scope;
  scope.columns = &child->columns;
  for (const auto& expression : node.by)
    WEIR_TRY(expressions(scope).analyze(*expression));
  return child;
}

Result<OperatorPtr> RelationAnalyzer::visit(const Hint& node, const PlanNode&) {
  return analyze(node.child);
}

Result<OperatorPtr> RelationAnalyzer::visit(const WithWatermark& node, const PlanNode& whole) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  ExpressionScope scope;
  scope.columns = &child->columns;
  WEIR_ASSIGN(auto parts, split_name(node.column));
  const auto text = fmt::format("{}", fmt::join(parts, "."));
  const auto name = make_expression(ColumnReference{std::move(parts)}, whole.origin);
  WEIR_ASSIGN(const auto typed, expressions(scope).analyze(*name));
  const auto* found = std::get_if<TypedColumn>(&typed->node);
  if (!found) {
    return analysis_error(
               "EVENT_TIME_MUST_BE_TOP_LEVEL_COLUMN", "42K09",
               fmt::format("The event time in withWatermark must be a top-level column, but '{}' "
                           "is a nested field. To use it, alias it to a top-level column in a "
                           "select before withWatermark.",
                           text),
               whole.origin)
        .with_parameter("eventExpr", text);
  }
  const auto index = static_cast<size_t>(found->index);
  const auto& column = child->columns[index];
  const bool window = column.type.is(TypeKind::kStruct) && column.type.field_index("end") >= 0;
  if (!column.type.is(TypeKind::kTimestamp) && !column.type.is(TypeKind::kTimestampNtz) &&
      !window) {
    return analysis_error("EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE", "42K09",
                          fmt::format("The event time `{}` has the invalid type \"{}\", but "
                                      "expected \"TIMESTAMP\".",
                                      column.name, column.type.sql()),
                          whole.origin)
        .with_parameter("eventName", "`" + column.name + "`")
        .with_parameter("eventType", "\"" + column.type.sql() + "\"");
  }
  op::Watermark made{child, found->index, 0, 0};
  const auto invalid = [&] {
    return analysis_error("CANNOT_PARSE_INTERVAL", "22006",
                          fmt::format("Unable to parse '{}'. Please ensure that the value provided "
                                      "is in a valid format for defining an interval.",
                                      node.delay),
                          whole.origin)
        .with_parameter("intervalString", "'" + node.delay + "'");
  };
  const auto delay = parse_duration(node.delay);
  if (!delay) return invalid();
  made.delay_us = delay->us;
  made.delay_months = delay->months;
  constexpr int64_t kMonthMs = 31LL * 86'400'000;  // as Spark counts a delay's months
  const int64_t delay_ms = made.delay_us / 1000 + made.delay_months * kMonthMs;
  if (delay_ms < 0) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "requirement failed: delay threshold ({}) should not be negative.",
                       node.delay);
  }
  auto columns = child->columns;
  if (child->streaming) {
    for (auto& one : columns)
      one.metadata.erase(kWatermarkDelay);
    columns[index].metadata[kWatermarkDelay] = delay_ms;
  }
  return make_operator(std::move(made), std::move(columns), child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const Observe& node, const PlanNode& whole) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  SelectBlock block;
  block.input = child;
  WEIR_TRY(select_list(block, node.metrics));
  Grouping grouping;
  op::Observe made{child, node.name, {}, {}};
  for (const auto& item : block.items) {
    auto above = grouping.above(item.expression);
    if (!above.ok()) {
      return analysis_error("INVALID_OBSERVED_METRICS.NON_AGGREGATE_FUNC_ARG_IS_ATTRIBUTE", "42K0E",
                            fmt::format("Invalid observed metrics. The column \"{}\" has to stand "
                                        "inside of an aggregate function.",
                                        item.name),
                            whole.origin)
          .with_parameter("expr", "\"" + item.name + "\"");
    }
    made.metrics.push_back({item.name, std::move(above).value()});
  }
  made.aggregates = grouping.aggregates();
  return make_operator(std::move(made), child->columns, child->streaming);
}

namespace {

// The columns that a user's function gives.
std::vector<Column> columns_of(const DataType& type, ColumnId& next) {
  std::vector<Column> columns;
  const auto add = [&](std::string name, const DataType& column_type) {
    Column column;
    column.name = std::move(name);
    column.type = column_type;
    column.id = next++;
    columns.push_back(std::move(column));
  };
  if (!type.is(TypeKind::kStruct)) {
    add("value", type);
    return columns;
  }
  for (const auto& field : type.fields())
    add(field.name, field.type());
  return columns;
}

// The same of a function that may keep state: the column that it names as its event time is one.
Result<std::vector<Column>> columns_of_state(const PythonFunction& function, const Options& state,
                                             ColumnId& next_id) {
  auto columns = columns_of(function.result, next_id);
  const auto named = state.find("event_time_column");
  if (named == state.end() || named->second.empty()) return columns;
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const Column& column) {
    return base::equal_ignoring_case(column.name, named->second);
  });
  if (found == columns.end()) return unresolved_column(columns, {named->second}, {});
  found->metadata["spark.watermarkDelayMs"] = 0;
  return columns;
}

}  // namespace

Result<OperatorPtr> RelationAnalyzer::visit(const MapPartitions& node, const PlanNode&) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  return make_operator(op::MapPartitions{child, node.function},
                       columns_of(node.function->result, next_id_), child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const GroupMap& node, const PlanNode&) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  ExpressionScope scope;
  scope.columns = &child->columns;
  op::GroupMap made{child, {}, node.function, node.state};
  for (const auto& key : node.keys) {
    WEIR_ASSIGN(auto typed, expressions(scope).analyze(*key));
    made.keys.push_back(std::move(typed));
  }
  WEIR_ASSIGN(auto columns, columns_of_state(*node.function, node.state, next_id_));
  return make_operator(std::move(made), std::move(columns), child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const CoGroupMap& node, const PlanNode&) {
  WEIR_ASSIGN(auto left, analyze(node.left));
  WEIR_ASSIGN(auto right, analyze(node.right));
  left = visible(left);
  right = visible(right);
  op::CoGroupMap made{left, right, {}, {}, node.function};
  for (const bool first : {true, false}) {
    ExpressionScope scope;
    scope.columns = first ? &left->columns : &right->columns;
    for (const auto& key : first ? node.left_keys : node.right_keys) {
      WEIR_ASSIGN(auto typed, expressions(scope).analyze(*key));
      (first ? made.left_keys : made.right_keys).push_back(std::move(typed));
    }
  }
  const auto* state = state_options(*node.function);
  WEIR_ASSIGN(auto columns, columns_of_state(*node.function, state ? *state : Options(), next_id_));
  const bool streaming = left->streaming || right->streaming;
  return make_operator(std::move(made), std::move(columns), streaming);
}

}  // namespace weir::plan
