// Select lists: analysed first, made operators of when it is known what is read through them.
#include <algorithm>

#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/python_calls.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

bool is_generator(const Typed& expression) {
  const auto* call = std::get_if<TypedCall>(&expression.node);
  return call && call->function->kind == FunctionKind::kGenerator;
}

bool reads_items(const Typed& expression) {
  return any_typed(expression, [](const Typed& one) {
    const auto* column = std::get_if<TypedColumn>(&one.node);
    return column && column->index >= kItemColumns;
  });
}

bool reads_rows(const Typed& expression) {
  return any_typed(expression, [](const Typed& one) {
    if (const auto* call = std::get_if<TypedCall>(&one.node))
      return call->function->kind != FunctionKind::kScalar;
    return std::holds_alternative<TypedColumn>(one.node) ||
           std::holds_alternative<TypedSubquery>(one.node);
  });
}

// The name of a column that the expression reads outside of aggregates, for messages.
std::string read_name(const Typed& expression) {
  if (const auto* column = std::get_if<TypedColumn>(&expression.node)) return column->name;
  if (is_python_aggregate(expression)) return {};
  if (const auto* call = std::get_if<TypedCall>(&expression.node);
      call && call->function->kind == FunctionKind::kAggregate)
    return {};
  for (const auto& child : typed_children(expression)) {
    if (auto name = read_name(*child); !name.empty()) return name;
  }
  return {};
}

// Moves the windows of expressions into a Window operator.
class WindowExtraction {
 public:
  explicit WindowExtraction(size_t width) : width_(width) {}

  // `name`: of the item of the select list that the whole expression is.
  TypedPtr extract(const TypedPtr& expression, const std::string& name = {}) {
    if (!std::holds_alternative<TypedWindow>(expression->node)) {
      return map_typed_children(expression, [&](const TypedPtr& child) { return extract(child); });
    }
    size_t slot = 0;
    while (slot < windows.size() && !same_expression(*windows[slot], *expression))
      ++slot;
    if (slot == windows.size()) {
      windows.push_back(expression);
      names.push_back(name.empty() ? fmt::format("_we{}", unnamed_++) : name);
    }
    return make_typed(expression->type, expression->nullable,
                      TypedColumn{static_cast<int>(width_ + slot), names[slot]},
                      expression->origin);
  }

  std::vector<TypedPtr> windows;
  std::vector<std::string> names;  // of their columns, as Spark calls them

 private:
  size_t width_;
  int unnamed_ = 0;
};

}  // namespace

Result<SelectBlock> RelationAnalyzer::open_block(const PlanPtr& plan) {
  std::vector<int64_t> ids;
  std::vector<NamedWindow> windows;
  const auto* node = &plan;
  bool distinct = false;
  while (true) {
    if (const auto* id = std::get_if<PlanId>(&(*node)->node)) {
      ids.push_back(id->id);
      node = &id->child;
    } else if (const auto* one = std::get_if<Distinct>(&(*node)->node); one && !distinct) {
      // Only where a select list is right below.
      const auto* below = &one->child;
      while (const auto* inner = std::get_if<PlanId>(&(*below)->node))
        below = &inner->child;
      if (!std::holds_alternative<Project>((*below)->node) &&
          !std::holds_alternative<Aggregate>((*below)->node) &&
          !std::holds_alternative<WindowClause>((*below)->node))
        break;
      distinct = true;
      node = &one->child;
    } else if (const auto* clause = std::get_if<WindowClause>(&(*node)->node)) {
      windows.insert(windows.end(), clause->windows.begin(), clause->windows.end());
      node = &clause->child;
    } else {
      break;
    }
  }
  SelectBlock block;
  if (const auto* select = std::get_if<Project>(&(*node)->node)) {
    block.windows = std::move(windows);
    WEIR_ASSIGN(block.input, analyze(select->child));
    WEIR_ASSIGN(block.input, with_time_windows(block.input, {&select->list}));
    WEIR_TRY(select_list(block, select->list));
    block.grouping.active =
        std::any_of(block.items.begin(), block.items.end(),
                    [](const auto& one) { return contains_aggregate(*one.expression); });
    if (block.generator && contains_aggregate(*block.generator->call)) block.grouping.active = true;
  } else if (const auto* grouped = std::get_if<Aggregate>(&(*node)->node)) {
    WEIR_ASSIGN(block, aggregate_block(*grouped, std::move(windows), (*node)->origin));
  } else {
    block.identity = true;
    WEIR_ASSIGN(block.input, analyze(*node));
    // Conditions and orders over the block name its columns by these ids.
    for (const auto id : ids)
      record_plan(id, block.input);
    ids.clear();
  }
  block.plan_ids = std::move(ids);
  block.distinct = distinct;
  block.origin = (*node)->origin;
  return block;
}

Result<void> RelationAnalyzer::select_list(SelectBlock& block,
                                           const std::vector<ExpressionPtr>& list) {
  for (const auto& expression : list) {
    ExpressionScope scope;
    scope.columns = &block.input->columns;
    scope.items = &block.items;
    scope.windows = &block.windows;
    scope.aggregates = true;
    scope.windows_allowed = true;
    scope.generators = true;
    WEIR_ASSIGN(auto items, expressions(scope).expand(*expression));
    for (auto& item : items) {
      if (is_generator(*item.expression)) {
        WEIR_TRY(add_generator(block, *expression, std::move(item)));
      } else {
        block.items.push_back(std::move(item));
      }
    }
  }
  return {};
}

Result<void> RelationAnalyzer::add_generator(SelectBlock& block, const Expression& expression,
                                             SelectItem item) {
  if (block.generator) {
    return analysis_error("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "42K0E",
                          "The generator is not supported: only one generator allowed per SELECT "
                          "clause but found 2.",
                          expression.origin)
        .with_parameter("num", "2");
  }
  const auto& fields = item.expression->type.element().fields();
  std::vector<std::string> names;
  if (const auto* alias = std::get_if<Alias>(&expression.node)) {
    names.push_back(alias->name);
    names.insert(names.end(), alias->more_names.begin(), alias->more_names.end());
    if (names.size() != fields.size()) {
      return analysis_error("UDTF_ALIAS_NUMBER_MISMATCH", "42802",
                            fmt::format("The number of aliases supplied in the AS clause does not "
                                        "match the number of columns output by the UDTF. Expected "
                                        "{} aliases, but got {}.",
                                        fields.size(), names.size()),
                            expression.origin)
          .with_parameter("aliasesSize", std::to_string(fields.size()))
          .with_parameter("aliasesNames", fmt::format("{}", fmt::join(names, ",")));
    }
  } else {
    for (const auto& field : fields)
      names.push_back(field.name);
  }
  const auto& call = std::get<TypedCall>(item.expression->node);
  block.generator = {item.expression, call.function->name.ends_with("_outer")};
  for (size_t i = 0; i < fields.size(); ++i) {
    SelectItem made;
    made.name = names[i];
    made.expression = make_typed(fields[i].type(), fields[i].nullable || block.generator->outer,
                                 TypedColumn{kGeneratedColumns + static_cast<int>(i), names[i]},
                                 expression.origin);
    made.aliased = item.aliased;
    block.items.push_back(std::move(made));
  }
  return {};
}

Result<OperatorPtr> RelationAnalyzer::identity_block(SelectBlock& block,
                                                     std::vector<TypedPtr>& extras) {
  auto plan = block.input;
  WindowExtraction windows(plan->columns.size());
  for (auto& extra : extras)
    extra = windows.extract(extra);
  if (!windows.windows.empty()) {
    auto columns = plan->columns;
    for (size_t i = 0; i < windows.windows.size(); ++i) {
      columns.push_back(column_of(windows.names[i], *windows.windows[i]));
      columns.back().hidden = true;
    }
    plan = make_operator(op::Window{plan, std::move(windows.windows)}, std::move(columns),
                         plan->streaming);
  }
  for (const auto id : block.plan_ids)
    record_plan(id, block.input);
  return plan;
}

Result<OperatorPtr> RelationAnalyzer::close_block(SelectBlock& block,
                                                  std::vector<TypedPtr>& extras) {
  if (block.identity) return identity_block(block, extras);
  // What the extras read of the input has to be in the select list, at its end.
  std::vector<TypedPtr> added;
  const auto width = static_cast<int>(block.items.size());
  const auto split = [&](const auto& self, const TypedPtr& one) -> TypedPtr {
    if (const auto* column = std::get_if<TypedColumn>(&one->node);
        column && column->index >= kItemColumns) {
      return make_typed(one->type, one->nullable,
                        TypedColumn{column->index - kItemColumns, column->name}, one->origin);
    }
    if (reads_items(*one))
      return map_typed_children(one, [&](const TypedPtr& child) { return self(self, child); });
    if (!reads_rows(*one)) return one;
    for (size_t i = 0; i < block.items.size(); ++i) {
      if (same_expression(*block.items[i].expression, *one)) {
        return make_typed(one->type, one->nullable,
                          TypedColumn{static_cast<int>(i), block.items[i].name}, one->origin);
      }
    }
    size_t slot = 0;
    while (slot < added.size() && !same_expression(*added[slot], *one))
      ++slot;
    if (slot == added.size()) added.push_back(one);
    return make_typed(one->type, one->nullable,
                      TypedColumn{width + static_cast<int>(slot), fmt::format("_x{}", slot)},
                      one->origin);
  };
  for (auto& extra : extras)
    extra = split(split, extra);
  if (block.distinct && !added.empty()) {
    std::vector<Column> columns;
    for (const auto& item : block.items)
      columns.push_back(column_of(item.name, *item.expression));
    return unresolved_column(columns, {read_name(*added[0])}, added[0]->origin);
  }
  for (size_t i = 0; i < added.size(); ++i) {
    if (contains_aggregate(*added[i])) block.grouping.active = true;
    SelectItem item{fmt::format("_x{}", i), added[i], true, {}};
    item.column.hidden = true;
    block.items.push_back(std::move(item));
  }

  auto plan = block.input;
  if (block.grouping.active) {
    auto& grouping = block.grouping;
    // What HAVING and ORDER BY read is no part of the result unless it is a key.
    const auto hidden_above = [&](const TypedPtr& one) -> Result<TypedPtr> {
      auto made = grouping.above(one);
      if (made.ok() || !made.error().error_class().starts_with("MISSING_")) return made;
      std::vector<Column> columns;
      for (int i = 0; i < width; ++i) {
        const auto& item = block.items[static_cast<size_t>(i)];
        columns.push_back(column_of(item.name, *item.expression));
      }
      return unresolved_column(columns, {read_name(*one)}, one->origin);
    };
    for (size_t i = 0; i < block.items.size(); ++i) {
      auto& item = block.items[i];
      const bool extra = static_cast<int>(i) >= width;
      WEIR_ASSIGN(item.expression,
                  extra ? hidden_above(item.expression) : grouping.above(item.expression));
    }
    TypedPtr having;
    if (block.having) {
      WEIR_ASSIGN(having, hidden_above(block.having));
    }
    if (block.generator) {
      WEIR_ASSIGN(block.generator->call, grouping.above(block.generator->call));
    }
    plan = grouping.make(plan, next_id_);
    for (auto& item : block.items)
      item.expression = grouping.with_grouping_id(item.expression);
    if (having) {
      plan = make_operator(op::Filter{plan, grouping.with_grouping_id(having)}, plan->columns,
                           plan->streaming);
    }
  }
  WindowExtraction windows(plan->columns.size());
  for (auto& item : block.items)
    item.expression = windows.extract(item.expression, item.name);
  if (!windows.windows.empty()) {
    auto columns = plan->columns;
    for (size_t i = 0; i < windows.windows.size(); ++i)
      columns.push_back(column_of(windows.names[i], *windows.windows[i]));
    plan = make_operator(op::Window{plan, std::move(windows.windows)}, std::move(columns),
                         plan->streaming);
  }
  if (block.generator) {
    auto columns = plan->columns;
    const auto place = static_cast<int>(columns.size());
    const auto& fields = block.generator->call->type.element().fields();
    for (const auto& field : fields) {
      Column column;
      column.name = field.name;
      column.type = field.type();
      column.nullable = field.nullable || block.generator->outer;
      column.id = fresh_id();
      columns.push_back(std::move(column));
    }
    plan = make_operator(op::Generate{plan, block.generator->call, block.generator->outer},
                         std::move(columns), plan->streaming);
    for (auto& item : block.items) {
      item.expression = replace_columns(item.expression, [&](const TypedPtr& one) {
        const auto& column = std::get<TypedColumn>(one->node);
        if (column.index < kGeneratedColumns) return one;
        return make_typed(one->type, one->nullable,
                          TypedColumn{place + column.index - kGeneratedColumns, column.name},
                          one->origin);
      });
    }
  }
  plan = project(plan, block.items);
  if (block.distinct) plan = make_operator(op::Distinct{plan}, plan->columns, plan->streaming);
  for (const auto id : block.plan_ids)
    record_plan(id, plan);
  return plan;
}

}  // namespace weir::plan
