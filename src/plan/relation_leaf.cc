// Where rows come from, and what names them: tables, views, common tables, aliases.
#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "plan/metadata_column.h"
#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr int kViewDepthMax = 100;

}  // namespace

OperatorPtr RelationAnalyzer::scan(const TablePtr& table, std::vector<std::string> qualifier) {
  op::Scan scan;
  const auto* files = dynamic_cast<const FileBacked*>(table.get());
  const auto with_metadata = files ? files->with_metadata() : nullptr;
  scan.table = with_metadata ? with_metadata : table;
  std::vector<Column> columns;
  const auto& fields = scan.table->schema().fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    Column column;
    column.name = fields[i].name;
    column.type = fields[i].type();
    column.nullable = fields[i].nullable;
    column.id = fresh_id();
    column.qualifier = qualifier;
    column.metadata = fields[i].metadata;
    columns.push_back(std::move(column));
    scan.columns.push_back(static_cast<int>(i));
  }
  if (with_metadata) columns.back().hidden = true;
  return make_operator(std::move(scan), std::move(columns), table->streaming());
}

Result<OperatorPtr> RelationAnalyzer::visit(const NamedTable& node, const PlanNode& whole) {
  if (node.name.size() == 1 && !node.streaming) {
    const auto key = boost::to_lower_copy(node.name[0]);
    const auto policy = settings_.conf.find("spark.sql.legacy.ctePrecedencePolicy");
    const bool outer_first =
        policy != settings_.conf.end() && boost::iequals(policy->second, "LEGACY");
    CommonTableEntry* chosen = nullptr;
    size_t depth = 0;
    for (size_t i = common_tables_.size(); i-- > 0;) {
      const auto& frame = common_tables_[i];
      const auto found = frame.tables->find(key);
      if (found == frame.tables->end()) continue;
      // LEGACY: seen from a definition or a subquery, what is outside of it goes first.
      if (chosen && frame.depth >= depth) continue;
      chosen = &found->second;
      depth = frame.depth;
      if (!outer_first) break;
    }
    if (chosen && chosen->reading) return recursive_reference(*chosen, node.name[0], whole.origin);
    if (chosen) return common_table(*chosen, node.name[0], whole.origin);
  }
  WEIR_ASSIGN(auto entry, catalog_.find(node, whole.origin));
  if (const auto* table = std::get_if<TablePtr>(&entry.content))
    return scan(*table, std::move(entry.qualifier));
  return view(std::get<View>(entry.content), entry.qualifier, whole.origin);
}

Result<OperatorPtr> RelationAnalyzer::view(const View& view,
                                           const std::vector<std::string>& qualifier,
                                           const Origin& origin) {
  if (view_depth_ >= kViewDepthMax) {
    return analysis_error("VIEW_EXCEED_MAX_NESTED_DEPTH", "54K00",
                          fmt::format("The depth of view {} exceeds the maximum view resolution "
                                      "depth ({}).",
                                      quoted(qualifier), kViewDepthMax),
                          origin)
        .with_parameter("viewName", quoted(qualifier))
        .with_parameter("maxNestedDepth", std::to_string(kViewDepthMax));
  }
  // A view sees nothing of the query around it.
  ++view_depth_;
  auto outers = std::exchange(outers_, {});
  auto tables = std::exchange(common_tables_, {});
  auto made = analyze(view.plan);
  outers_ = std::move(outers);
  common_tables_ = std::move(tables);
  --view_depth_;
  if (!made.ok()) return made;
  const auto plan = visible(*made);
  auto columns = plan->columns;
  if (!view.columns.empty() && view.columns.size() != columns.size()) {
    return analysis_error("INCOMPATIBLE_VIEW_SCHEMA_CHANGE", "51024",
                          fmt::format("The SQL query of view {} has an incompatible schema change: "
                                      "it gives {} columns, the view has {}.",
                                      quoted(qualifier), columns.size(), view.columns.size()),
                          origin)
        .with_parameter("viewName", quoted(qualifier));
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!view.columns.empty()) columns[i].name = view.columns[i];
    columns[i].qualifier = qualifier;
    columns[i].id = fresh_id();
  }
  return with_columns(plan, std::move(columns));
}

Result<OperatorPtr> RelationAnalyzer::common_table(CommonTableEntry& entry, const std::string& name,
                                                   const Origin& origin) {
  OperatorPtr plan = entry.plan;
  if (!plan) {  // reads the query around: analysed anew, as that may be further away here
    entry.reading = true;
    auto made = analyze(entry.table->plan);
    entry.reading = false;
    if (!made.ok()) return made;
    plan = visible(*made);
  }
  auto columns = plan->columns;
  const auto& names = entry.table->columns;
  if (!names.empty() && names.size() != columns.size()) {
    return analysis_error("ASSIGNMENT_ARITY_MISMATCH", "42802",
                          fmt::format("The number of columns or variables assigned or aliased: {} "
                                      "does not match the number of source expressions: {}.",
                                      names.size(), columns.size()),
                          origin)
        .with_parameter("numTarget", std::to_string(names.size()))
        .with_parameter("numExpr", std::to_string(columns.size()));
  }
  std::vector<TypedPtr> list;
  for (size_t i = 0; i < columns.size(); ++i) {
    list.push_back(column_at(plan->columns, i));
    if (!names.empty()) columns[i].name = names[i];
    columns[i].qualifier = {name};
    columns[i].id = fresh_id();
  }
  if (!entry.plan) return with_columns(plan, std::move(columns));
  // A node of its own at each use, so that the table stays one below.
  return make_operator(op::Project{plan, std::move(list)}, std::move(columns), plan->streaming);
}

Result<OperatorPtr> RelationAnalyzer::visit(const With& node, const PlanNode&) {
  const auto tables = std::make_shared<CommonTables>();
  common_tables_.push_back({tables, definitions_ + outers_.size()});
  const auto run = [&]() -> Made {
    for (const auto& table : node.tables) {
      const auto key = boost::to_lower_copy(table.name);
      CommonTableEntry entry;
      entry.table = &table;
      if (node.recursive) {
        // Its own name stands for the table being defined.
        auto reading = entry;
        reading.reading = true;
        if (const auto* rows = union_of(table.plan)) {
          reading.recursion = std::make_shared<Recursion>();
          reading.recursion->table = &table;
          recursions_[rows] = reading.recursion;
        }
        (*tables)[key] = reading;
      }
      ++definitions_;
      auto made = analyze(table.plan);
      --definitions_;
      if (node.recursive) tables->erase(key);
      if (!made.ok()) return made;
      auto plan = visible(*made);
      if (outers_.empty() || !has_outer_columns(*plan)) entry.plan = std::move(plan);
      if (!tables->emplace(key, std::move(entry)).second) {
        return analysis_error(
                   "DUPLICATED_CTE_NAMES", "42602",
                   fmt::format("CTE definition can't have duplicate names: `{}`.", table.name),
                   table.plan->origin)
            .with_parameter("duplicateNames", "`" + table.name + "`");
      }
    }
    return analyze(node.child);
  };
  auto made = run();
  common_tables_.pop_back();
  return made;
}

Result<OperatorPtr> RelationAnalyzer::visit(const DataSource& node, const PlanNode& whole) {
  WEIR_ASSIGN(const auto table, catalog_.open(node, whole.origin));
  return scan(table, {});
}

Result<OperatorPtr> RelationAnalyzer::visit(const LocalRows& node, const PlanNode&) {
  std::vector<Column> columns;
  for (const auto& field : node.schema.fields()) {
    Column column;
    column.name = field.name;
    column.type = field.type();
    column.nullable = field.nullable;
    column.id = fresh_id();
    column.metadata = field.metadata;
    columns.push_back(std::move(column));
  }
  return make_operator(op::LocalRows{node.batches}, std::move(columns));
}

Result<OperatorPtr> RelationAnalyzer::visit(const OneRow&, const PlanNode&) {
  return make_operator(op::OneRow{}, {});
}

Result<OperatorPtr> RelationAnalyzer::visit(const RangeRows& node, const PlanNode& whole) {
  if (node.step == 0) {
    return analysis_error("INVALID_PARAMETER_VALUE.ZERO_INDEX", "22023",
                          "The step of a range cannot be 0.", whole.origin);
  }
  Column column;
  column.name = "id";
  column.type = DataType::of(TypeKind::kLong);
  column.nullable = false;
  column.id = fresh_id();
  return make_operator(op::Range{node.start, node.end, node.step}, {std::move(column)});
}

Result<OperatorPtr> RelationAnalyzer::visit(const Values& node, const PlanNode& whole) {
  op::Values made;
  std::vector<Column> columns;
  static const std::vector<Column> kNone;
  ExpressionScope scope;
  scope.columns = &kNone;
  for (const auto& row : node.rows) {
    std::vector<TypedPtr> cells;
    for (const auto& cell : row) {
      auto typed = expressions(scope).analyze(*cell);
      if (!typed.ok()) {
        const auto& error_class = typed.error().error_class();
        if (error_class.starts_with("UNRESOLVED_COLUMN") ||
            error_class == "UNSUPPORTED_EXPR_FOR_OPERATOR" ||
            error_class == "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE" ||
            error_class.starts_with("UNSUPPORTED_GENERATOR")) {
          return analysis_error(
                     "INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE", "42000",
                     fmt::format("Invalid inline table. Cannot evaluate the expression \"{}\" in "
                                 "inline table definition.",
                                 expression_sql(*cell)),
                     cell->origin)
              .with_parameter("expr", "\"" + expression_sql(*cell) + "\"");
        }
        return std::move(typed).error();
      }
      cells.push_back(std::move(typed).value());
    }
    if (!made.rows.empty() && made.rows[0].size() != cells.size()) {
      return analysis_error(
                 "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "42000",
                 fmt::format("Invalid inline table. Inline table expected {} columns but found {} "
                             "columns in row {}.",
                             made.rows[0].size(), cells.size(), made.rows.size()),
                 whole.origin)
          .with_parameter("expectedNumCols", std::to_string(made.rows[0].size()))
          .with_parameter("actualNumCols", std::to_string(cells.size()))
          .with_parameter("rowIndex", std::to_string(made.rows.size()));
    }
    made.rows.push_back(std::move(cells));
  }
  const size_t width = made.rows.empty() ? 0 : made.rows[0].size();
  for (size_t i = 0; i < width; ++i) {
    auto type = DataType::of(TypeKind::kNull);
    bool nullable = false;
    for (const auto& row : made.rows) {
      const auto common = common_type(type, row[i]->type, options().ansi);
      if (!common) {
        return analysis_error("INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE", "42000",
                              fmt::format("Invalid inline table. Found incompatible types in the "
                                          "column `col{}` for inline table.",
                                          i + 1),
                              whole.origin)
            .with_parameter("colName", fmt::format("`col{}`", i + 1));
      }
      type = *common;
      nullable = nullable || row[i]->nullable;
    }
    ExpressionAnalyzer coercion(scope, options(), this);
    for (auto& row : made.rows)
      row[i] = coercion.coerce(row[i], type);
    Column column;
    column.name = fmt::format("col{}", i + 1);
    column.type = type;
    column.nullable = nullable;
    column.id = fresh_id();
    columns.push_back(std::move(column));
  }
  return make_operator(std::move(made), std::move(columns));
}

Result<OperatorPtr> RelationAnalyzer::visit(const SubqueryAlias& node, const PlanNode& whole) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  auto columns = child->columns;
  size_t visible_columns = 0;
  for (auto& column : columns) {
    if (column.hidden) {  // USING's other side is not known by the alias
      const bool metadata = column.name == kMetadataColumn;
      column.qualifier = metadata ? node.alias : decltype(column.qualifier)();
      if (!metadata) column.name.clear();
      continue;
    }
    if (!node.columns.empty() && visible_columns < node.columns.size()) {
      column.name = node.columns[visible_columns];
      column.id = fresh_id();
    }
    ++visible_columns;
    column.qualifier = node.alias;
  }
  if (!node.columns.empty() && node.columns.size() != visible_columns &&
      std::holds_alternative<TableFunction>(node.child->node)) {
    return analysis_error("NUM_TABLE_VALUE_ALIASES_MISMATCH", "42826",
                          fmt::format("Number of given aliases does not match number of output "
                                      "columns. Number of aliases: {}; number of output columns: "
                                      "{}.",
                                      node.columns.size(), visible_columns),
                          whole.origin)
        .with_parameter("aliasesNum", std::to_string(node.columns.size()))
        .with_parameter("outColsNum", std::to_string(visible_columns));
  }
  if (!node.columns.empty() && node.columns.size() != visible_columns) {
    return analysis_error("ASSIGNMENT_ARITY_MISMATCH", "42802",
                          fmt::format("The number of columns or variables assigned or aliased: {} "
                                      "does not match the number of source expressions: {}.",
                                      node.columns.size(), visible_columns),
                          whole.origin)
        .with_parameter("numTarget", std::to_string(node.columns.size()))
        .with_parameter("numExpr", std::to_string(visible_columns));
  }
  return with_columns(child, std::move(columns));
}

Result<OperatorPtr> RelationAnalyzer::visit(const PlanId& node, const PlanNode&) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  record_plan(node.id, child);
  return child;
}

Result<OperatorPtr> RelationAnalyzer::visit(const CachedRelation& node, const PlanNode&) {
  WEIR_ASSIGN(const auto plan, catalog_.cached(node.id));
  auto columns = plan->columns;
  std::vector<TypedPtr> list;
  for (size_t i = 0; i < columns.size(); ++i) {
    list.push_back(column_at(plan->columns, i));
    columns[i].id = fresh_id();
  }
  return make_operator(op::Project{plan, std::move(list)}, std::move(columns), plan->streaming);
}

}  // namespace weir::plan
