// Operator trees for tests, expressions written as SQL text.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "columnar/arrow_types.h"
#include "eval/cast.h"
#include "plan/analyzer.h"
#include "plan/operator.h"
#include "relational/execution.h"
#include "sql/parser.h"

namespace weir::relational {

namespace op = plan::op;

// Tables by name.
class TestCatalog final : public plan::Catalog {
 public:
  std::map<std::string, plan::TablePtr> tables;
  Result<plan::CatalogEntry> find(const plan::NamedTable& table, const plan::Origin&) override {
    const auto found = tables.find(table.name.back());
    if (found == tables.end())
      return base::error(base::ErrorKind::kNotFound, "no table {}", table.name.back());
    return plan::CatalogEntry{found->second, {found->first}};
  }
  Result<plan::TablePtr> open(const plan::DataSource&, const plan::Origin&) override {
    return base::error(base::ErrorKind::kUnsupported, "sources");
  }
  Result<plan::OperatorPtr> cached(const std::string&) override {
    return base::error(base::ErrorKind::kUnsupported, "cached relations");
  }
  std::shared_ptr<const plan::PythonFunction> python_function(std::string_view) override {
    return nullptr;
  }
  std::string current_catalog() override { return "spark_catalog"; }
  std::string current_database() override { return "default"; }
};

// SQL text to an optimised plan.
inline Result<plan::OperatorPtr> plan_of(const std::string& text, TestCatalog& catalog,
                                         const eval::EvalContext& context) {
  const plan::Folder folder = [&](const plan::TypedPtr& expression) {
    return fold(expression, context);
  };
  plan::AnalyzerSettings settings;
  settings.expressions.ansi = context.ansi;
  WEIR_ASSIGN(const auto parsed, sql::parse_plan(text));
  plan::Analyzer analyzer(catalog, settings, folder);
  WEIR_ASSIGN(const auto analyzed, analyzer.analyze(parsed));
  return plan::optimize(analyzed, folder);
}

inline columnar::Schema columns_schema(const plan::Operator& node) {
  std::vector<columnar::Field> fields;
  for (const auto& column : node.columns)
    fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
  return columnar::Schema::structure(std::move(fields));
}

inline plan::TypedPtr typed(const std::string& text, const columnar::Schema& schema,
                            bool ansi = true) {
  auto parsed = sql::parse_expression(text);
  EXPECT_TRUE(parsed.ok()) << text;
  plan::Scope scope;
  scope.schema = &schema;
  plan::AnalysisOptions options;
  options.ansi = ansi;
  auto made = plan::analyze_expression(**parsed, scope, options);
  EXPECT_TRUE(made.ok()) << text << ": " << (made.ok() ? "" : made.error().to_string());
  return made.value();
}

inline plan::TypedPtr typed(const std::string& text, const plan::OperatorPtr& input) {
  return typed(text, columns_schema(*input));
}

inline plan::TypedPtr typed_aggregate(const std::string& text, const plan::OperatorPtr& input) {
  auto parsed = sql::parse_expression(text);
  EXPECT_TRUE(parsed.ok()) << text;
  const auto schema = columns_schema(*input);
  plan::Scope scope;
  scope.schema = &schema;
  auto made = plan::analyze_aggregate_list({*parsed}, scope);
  EXPECT_TRUE(made.ok()) << text << ": " << (made.ok() ? "" : made.error().to_string());
  return made.value()[0].expression;
}

inline std::vector<plan::Column> as_columns(const std::vector<plan::TypedPtr>& list) {
  std::vector<plan::Column> columns;
  for (const auto& one : list) {
    plan::Column column;
    column.name = "x" + std::to_string(columns.size());
    column.type = one->type;
    column.nullable = one->nullable;
    columns.push_back(std::move(column));
  }
  return columns;
}

inline plan::OperatorPtr one_row_plan() { return plan::make_operator(op::OneRow{}, {}); }

// VALUES with the names and types of a DDL.
inline plan::OperatorPtr values(const std::string& ddl,
                                const std::vector<std::vector<std::string>>& rows) {
  const auto schema = columnar::parse_ddl_schema(ddl).value();
  op::Values node;
  std::vector<plan::Column> columns;
  for (const auto& field : schema.fields()) {
    plan::Column column;
    column.name = field.name;
    column.type = field.type();
    columns.push_back(std::move(column));
  }
  for (const auto& row : rows) {
    std::vector<plan::TypedPtr> cells;
    for (size_t i = 0; i < row.size(); ++i) {
      auto cell = typed(row[i], columnar::Schema::structure({}));
      if (!cell->type.same_type(columns[i].type)) {
        cell = std::make_shared<const plan::Typed>(
            plan::Typed{columns[i].type, true, plan::TypedCast{cell}, {}});
      }
      cells.push_back(cell);
    }
    node.rows.push_back(std::move(cells));
  }
  return plan::make_operator(std::move(node), std::move(columns));
}

inline plan::OperatorPtr project(const plan::OperatorPtr& child,
                                 const std::vector<std::string>& list) {
  op::Project node;
  node.child = child;
  for (const auto& text : list)
    node.list.push_back(typed(text, child));
  auto columns = as_columns(node.list);
  return plan::make_operator(std::move(node), std::move(columns));
}

inline plan::OperatorPtr filter(const plan::OperatorPtr& child, const std::string& condition) {
  return plan::make_operator(op::Filter{child, typed(condition, child)}, child->columns);
}

inline plan::OperatorPtr aggregate(const plan::OperatorPtr& child,
                                   const std::vector<std::string>& keys,
                                   const std::vector<std::string>& aggregates,
                                   std::vector<std::vector<int>> sets = {}) {
  op::Aggregate node;
  node.child = child;
  std::vector<plan::TypedPtr> all;
  for (const auto& text : keys)
    node.keys.push_back(typed(text, child));
  for (const auto& text : aggregates)
    node.aggregates.push_back(typed_aggregate(text, child));
  node.sets = std::move(sets);
  all = node.keys;
  all.insert(all.end(), node.aggregates.begin(), node.aggregates.end());
  auto columns = as_columns(all);
  if (!node.sets.empty()) {
    plan::Column id;
    id.name = "spark_grouping_id";
    id.type = columnar::DataType::of(columnar::TypeKind::kLong);
    columns.push_back(id);
  }
  return plan::make_operator(std::move(node), std::move(columns));
}

inline plan::OperatorPtr join(const plan::OperatorPtr& left, const plan::OperatorPtr& right,
                              plan::JoinKind kind, const std::string& condition) {
  auto columns = left->columns;
  columns.insert(columns.end(), right->columns.begin(), right->columns.end());
  const auto both = plan::make_operator(op::OneRow{}, columns);
  op::Join node{left, right, kind, condition.empty() ? nullptr : typed(condition, both)};
  if (kind == plan::JoinKind::kLeftSemi || kind == plan::JoinKind::kLeftAnti)
    columns = left->columns;
  return plan::make_operator(std::move(node), std::move(columns));
}

inline plan::OperatorPtr sort(const plan::OperatorPtr& child, const std::vector<std::string>& keys,
                              bool ascending = true) {
  op::Sort node{child, {}};
  for (const auto& text : keys)
    node.keys.push_back({typed(text, child), ascending, ascending});
  return plan::make_operator(std::move(node), child->columns);
}

inline plan::OperatorPtr set_operation(const plan::OperatorPtr& left,
                                       const plan::OperatorPtr& right, plan::SetKind kind,
                                       bool all) {
  return plan::make_operator(op::SetOperation{left, right, kind, all}, left->columns);
}

// Rows as text, cells separated by |; an error as its text.
inline std::vector<std::string> texts(Result<std::unique_ptr<BatchStream>> stream) {
  std::vector<std::string> rows;
  if (!stream.ok()) return {stream.error().to_string()};
  auto zone = eval::Zone::find("UTC").value();
  while (true) {
    auto batch = (*stream)->next({});
    if (!batch.ok()) return {batch.error().to_string()};
    if (!*batch) return rows;
    for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      std::string text;
      for (int i = 0; i < (*batch)->num_columns(); ++i) {
        if (i > 0) text += "|";
        const auto& array = *(*batch)->column(i);
        if (array.IsNull(row))
          text += "NULL";
        else
          eval::append_text((*stream)->schema().fields()[static_cast<size_t>(i)].type(), array, row,
                            zone, true, text);
      }
      rows.push_back(text);
    }
  }
}

}  // namespace weir::relational
