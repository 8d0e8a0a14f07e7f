// Rows made of rows: LATERAL VIEW, table functions, UNPIVOT.
#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

using columnar::TypeKind;

Result<OperatorPtr> RelationAnalyzer::generate(const OperatorPtr& child, const Expression& call,
                                               bool outer, std::vector<std::string> qualifier,
                                               const std::vector<std::string>& names) {
  ExpressionScope scope;
  scope.columns = &child->columns;
  scope.generators = true;
  WEIR_ASSIGN(auto items, expressions(scope).expand(call));
  const auto* typed =
      items.size() == 1 ? std::get_if<TypedCall>(&items[0].expression->node) : nullptr;
  if (!typed || typed->function->kind != FunctionKind::kGenerator) {
    return analysis_error("UNSUPPORTED_GENERATOR.NOT_GENERATOR", "42K0E",
                          fmt::format("The generator is not supported: {} is expected to be a "
                                      "generator. However, it is none.",
                                      expression_sql(call)),
                          call.origin)
        .with_parameter("functionName", "`" + expression_sql(call) + "`");
  }
  const auto& fields = items[0].expression->type.element().fields();
  if (!names.empty() && names.size() != fields.size()) {
    return analysis_error("UDTF_ALIAS_NUMBER_MISMATCH", "42802",
                          fmt::format("The number of aliases supplied in the AS clause does not "
                                      "match the number of columns output by the UDTF. Expected {} "
                                      "aliases, but got {}.",
                                      fields.size(), names.size()),
                          call.origin)
        .with_parameter("aliasesSize", std::to_string(fields.size()))
        .with_parameter("aliasesNames", fmt::format("{}", fmt::join(names, ",")));
  }
  const bool keeps = outer || typed->function->name.ends_with("_outer");
  auto columns = child->columns;
  for (size_t i = 0; i < fields.size(); ++i) {
    Column column;
    column.name = names.empty() ? fields[i].name : names[i];
    column.type = fields[i].type();
    column.nullable = fields[i].nullable || keeps;
    column.id = fresh_id();
    column.qualifier = qualifier;
    columns.push_back(std::move(column));
  }
  return make_operator(op::Generate{child, items[0].expression, keeps}, std::move(columns),
                       child->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const LateralView& node, const PlanNode&) {
  WEIR_ASSIGN(const auto child, analyze(node.child));
  std::vector<std::string> qualifier;
  if (!node.alias.empty()) qualifier.push_back(node.alias);
  return generate(child, *node.generator, node.outer, std::move(qualifier), node.columns);
}

Result<OperatorPtr> RelationAnalyzer::visit(const TableFunction& node, const PlanNode& whole) {
  const auto* call = std::get_if<Call>(&node.call->node);
  const auto name = call ? boost::to_lower_copy(call->function) : std::string();
  if (name == "range") {
    if (call->arguments.empty() || call->arguments.size() > 4) {
      return analysis_error("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605",
                            fmt::format("The `range` requires [1, 2, 3, 4] parameters but the "
                                        "actual number is {}.",
                                        call->arguments.size()),
                            whole.origin)
          .with_parameter("functionName", "`range`")
          .with_parameter("expectedNum", "[1, 2, 3, 4]")
          .with_parameter("actualNum", std::to_string(call->arguments.size()));
    }
    static const char* const kNames[] = {"start", "end", "step", "numSlices"};
    std::vector<int64_t> values;
    ExpressionScope scope;
    for (size_t i = 0; i < call->arguments.size(); ++i) {
      auto analyzer = expressions(scope);
      WEIR_ASSIGN(auto typed, analyzer.analyze(*call->arguments[i]));
      const size_t meaning = call->arguments.size() == 1 ? 1 : i;
      const auto wrong = [&](std::string_view what) {
        return analysis_error(
                   "UNEXPECTED_INPUT_TYPE", "42K09",
                   fmt::format("Parameter {} of function `range` requires the \"BIGINT\" type, "
                               "however \"{}\" has the type \"{}\"{}.",
                               kNames[meaning], expression_sql(*call->arguments[i]),
                               typed->type.sql(), what),
                   whole.origin)
            .with_parameter("functionName", "`range`")
            .with_parameter("paramIndex", std::to_string(i + 1))
            .with_parameter("requiredType", "\"BIGINT\"")
            .with_parameter("inputType", "\"" + typed->type.sql() + "\"");
      };
      if (!typed->type.is_numeric() && !is_text(typed->type)) return wrong("");
      const auto as_long = analyzer.coerce(typed, DataType::of(TypeKind::kLong));
      if (!is_foldable(*as_long)) return wrong(" and is not constant");
      WEIR_ASSIGN(const auto value, fold(as_long));
      const auto* number = std::get_if<int64_t>(&value);
      if (!number) return wrong(" and is NULL");
      values.push_back(*number);
    }
    RangeRows range;
    if (values.size() == 1) {
      range.end = values[0];
    } else {
      range.start = values[0];
      range.end = values[1];
      if (values.size() > 2) range.step = values[2];
    }
    return visit(range, whole);
  }
  const auto* function = call ? find_function(name) : nullptr;
  if (!function || function->kind != FunctionKind::kGenerator) {
    return analysis_error("UNRESOLVABLE_TABLE_VALUED_FUNCTION", "42883",
                          fmt::format("Could not resolve `{}` to a table-valued function. Please "
                                      "make sure that `{}` is defined as a table-valued function "
                                      "and that all required parameters are provided correctly.",
                                      name, name),
                          whole.origin)
        .with_parameter("name", "`" + name + "`");
  }
  const auto row = make_operator(op::OneRow{}, {});
  return generate(row, *node.call, false, {}, {});
}

Result<OperatorPtr> RelationAnalyzer::visit(const Unpivot& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  ExpressionScope scope;
  scope.columns = &child->columns;
  auto analyzer = expressions(scope);
  std::vector<SelectItem> ids;
  for (const auto& id : node.ids) {
    WEIR_ASSIGN(auto items, analyzer.expand(*id));
    for (auto& item : items)
      ids.push_back(std::move(item));
  }
  std::vector<std::vector<SelectItem>> sets;
  for (const auto& set : node.values) {
    std::vector<SelectItem> made;
    for (const auto& value : set) {
      WEIR_ASSIGN(auto items, analyzer.expand(*value));
      for (auto& item : items) {
        if (node.value_names.size() <= 1 && !made.empty()) {
          sets.push_back(std::exchange(made, {}));
        }
        made.push_back(std::move(item));
      }
    }
    sets.push_back(std::move(made));
  }
  const auto mentioned = [](const std::vector<SelectItem>& items, const SelectItem& one) {
    return std::any_of(items.begin(), items.end(), [&](const auto& item) {
      return same_expression(*item.expression, *one.expression);
    });
  };
  for (auto& item : items_of(child)) {
    if (node.ids_implicit) {
      const bool used = std::any_of(sets.begin(), sets.end(),
                                    [&](const auto& set) { return mentioned(set, item); });
      if (!used) ids.push_back(item);
    } else if (node.values.empty() && !mentioned(ids, item)) {
      sets.push_back({item});
    }
  }
  if (sets.empty()) {
    return analysis_error("UNPIVOT_REQUIRES_VALUE_COLUMNS", "42K0E",
                          "At least one value column needs to be specified for UNPIVOT, all "
                          "columns specified as ids.",
                          whole.origin);
  }
  const size_t width = node.value_names.size();
  std::vector<DataType> types(width, DataType::of(TypeKind::kNull));
  bool nullable = false;
  for (const auto& set : sets) {
    if (set.size() != width) {
      return analysis_error("UNPIVOT_VALUE_SIZE_MISMATCH", "428C4",
                            fmt::format("All unpivot value columns must have the same size as "
                                        "there are value column names ({}).",
                                        width),
                            whole.origin)
          .with_parameter("names", std::to_string(width));
    }
    for (size_t i = 0; i < width; ++i) {
      const auto common = common_type(types[i], set[i].expression->type, options().ansi);
      if (!common) {
        return analysis_error("UNPIVOT_VALUE_DATA_TYPE_MISMATCH", "42K09",
                              "Unpivot value columns must share a least common type, some types do "
                              "not.",
                              whole.origin);
      }
      types[i] = *common;
      nullable = nullable || set[i].expression->nullable;
    }
  }
  // inline(array(struct(name, values…), …))
  const auto text = [](const std::string& value) {
    return make_typed(DataType::of(TypeKind::kString), false, TypedLiteral{value});
  };
  std::vector<TypedPtr> rows;
  for (size_t s = 0; s < sets.size(); ++s) {
    const auto& set = sets[s];
    std::string name = s < node.value_aliases.size() ? node.value_aliases[s] : std::string();
    if (name.empty()) {
      for (const auto& item : set)
        name += (name.empty() ? "" : "_") + item.name;
    }
    std::vector<TypedPtr> arguments{text(node.variable_name), text(name)};
    for (size_t i = 0; i < width; ++i) {
      arguments.push_back(text(node.value_names[i]));
      arguments.push_back(analyzer.coerce(set[i].expression, types[i]));
    }
    WEIR_ASSIGN(auto row, analyzer.call("named_struct", std::move(arguments), whole.origin));
    rows.push_back(std::move(row));
  }
  WEIR_ASSIGN(auto array, analyzer.call("array", std::move(rows), whole.origin));
  WEIR_ASSIGN(auto call, analyzer.call("inline", {std::move(array)}, whole.origin));
  auto columns = child->columns;
  std::vector<SelectItem> items = ids;
  const auto& fields = call->type.element().fields();
  for (const auto& field : fields) {
    Column column;
    column.name = field.name;
    column.type = field.type();
    column.nullable = field.nullable;
    column.id = fresh_id();
    columns.push_back(std::move(column));
    items.push_back({field.name, column_at(columns, columns.size() - 1), false, columns.back()});
  }
  auto plan = make_operator(op::Generate{child, std::move(call), false}, std::move(columns),
                            child->streaming);
  if (!node.include_nulls) {
    ExpressionScope after;
    after.columns = &plan->columns;
    auto filter = expressions(after);
    TypedPtr condition;
    for (size_t i = plan->columns.size() - width; i < plan->columns.size(); ++i) {
      WEIR_ASSIGN(auto there, filter.call("isnotnull", {column_at(plan->columns, i)}, {}));
      if (condition) {
        WEIR_ASSIGN(there, filter.call("or", {condition, there}, {}));
      }
      condition = std::move(there);
    }
    plan = make_operator(op::Filter{plan, condition}, plan->columns, plan->streaming);
  }
  return project(plan, items);
}

}  // namespace weir::plan
