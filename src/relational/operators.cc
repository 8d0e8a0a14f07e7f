// Operators as SELECTs.
#include <algorithm>
#include <set>

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/node.h"
#include "relational/errors.h"
#include "relational/native_sql.h"
#include "relational/python_plan.h"
#include "relational/scan_source.h"
#include "relational/statement_builder.h"
#include "relational/steps.h"

namespace weir::relational {

using columnar::TypeKind;
using plan::OperatorPtr;
using plan::TypedPtr;
namespace op = plan::op;

namespace {

Schema full_schema(const plan::Operator& plan) {
  std::vector<columnar::Field> fields;
  for (const auto& column : plan.columns)
    fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
  return Schema::structure(std::move(fields));
}

// Leaves are cheap to name twice.
bool is_leaf(const plan::Operator& plan) { return plan::children_of(plan).empty(); }

}  // namespace

bool reads_outside(const plan::Operator& plan) {
  bool found = false;
  const std::function<void(const plan::Typed&)> look = [&](const plan::Typed& expression) {
    if (std::holds_alternative<plan::TypedOuterColumn>(expression.node)) found = true;
    if (const auto* query = std::get_if<plan::TypedSubquery>(&expression.node))
      found = found || reads_outside(*query->plan);
    for (const auto& child : plan::typed_children(expression))
      look(*child);
  };
  for (const auto& expression : expressions_of(plan))
    look(*expression);
  if (const auto* join = std::get_if<op::Join>(&plan.node); join && join->lateral) return true;
  for (const auto& child : plan::children_of(plan))
    found = found || reads_outside(*child);
  return found;
}

StatementBuilder::StatementBuilder(const ExecutionContext& context,
                                   std::shared_ptr<DuckQuery> query, bool exact)
    : context_(context), query_(std::move(query)), exact_(exact) {}

Scope StatementBuilder::scope_of(const std::string& alias, size_t columns) {
  Scope scope;
  for (size_t i = 0; i < columns; ++i)
    scope.push_back(fmt::format("{}.c{}", alias, i));
  return scope;
}

std::string StatementBuilder::names(const Scope& scope) {
  std::string list;
  for (size_t i = 0; i < scope.size(); ++i)
    list += fmt::format("{}{} AS c{}", i ? ", " : "", scope[i], i);
  return list.empty() ? "1 AS nothing" : list;
}

Result<std::string> StatementBuilder::statement(const OperatorPtr& plan) {
  const std::function<void(const OperatorPtr&)> count = [&](const OperatorPtr& node) {
    if (uses_[node.get()]++ > 0) return;
    for (const auto& child : plan::children_of(*node))
      count(child);
    const std::function<void(const plan::Typed&)> inside = [&](const plan::Typed& expression) {
      if (const auto* query = std::get_if<plan::TypedSubquery>(&expression.node))
        count(query->plan);
      for (const auto& child : plan::typed_children(expression))
        inside(*child);
    };
    for (const auto& expression : expressions_of(*node))
      inside(*expression);
  };
  count(plan);
  WEIR_ASSIGN(auto body, query(plan));
  std::string visible;
  bool hidden = false;
  for (size_t i = 0; i < plan->columns.size(); ++i) {
    hidden = hidden || plan->columns[i].hidden;
    if (!plan->columns[i].hidden) visible += fmt::format("{}c{}", visible.empty() ? "" : ", ", i);
  }
  if (hidden) {
    if (visible.empty()) visible = "1 AS nothing";
    body = fmt::format("SELECT {} FROM ({}) AS {}", visible, body, fresh());
  }
  std::string with;
  for (const auto& table : common_tables_)
    with += (with.empty() ? "WITH " : ", ") + table;
  return with.empty() ? body : with + " " + body;
}

Result<std::string> StatementBuilder::query(const OperatorPtr& plan) {
  if (!is_shared(plan)) return build(plan);
  auto& name = shared_[plan.get()];
  if (name.empty()) {
    WEIR_ASSIGN(auto body, build(plan));
    const auto made = "q" + std::to_string(shared_.size());
    common_tables_.push_back(fmt::format("{} AS MATERIALIZED ({})", made, body));
    shared_[plan.get()] = made;
    return "SELECT * FROM " + made;
  }
  return "SELECT * FROM " + name;
}

Result<std::string> StatementBuilder::build(const OperatorPtr& plan) {
  return std::visit([&](const auto& node) { return (*this)(node, *plan); }, plan->node);
}

bool StatementBuilder::is_shared(const OperatorPtr& plan) const {
  const auto found = uses_.find(plan.get());
  return found != uses_.end() && found->second > 1 && !is_leaf(*plan) && !reads_outside(*plan);
}

Result<StatementBuilder::Source> StatementBuilder::wrapped(const OperatorPtr& plan) {
  WEIR_ASSIGN(const auto body, query(plan));
  const auto alias = fresh();
  return Source{fmt::format("({}) AS {}", body, alias), scope_of(alias, plan->columns.size()), {}};
}

Result<StatementBuilder::Source> StatementBuilder::source(const OperatorPtr& plan) {
  if (is_shared(plan)) return wrapped(plan);
  if (const auto* scan = std::get_if<op::Scan>(&plan->node)) return scan_source(*scan, *plan);
  if (const auto* join = std::get_if<op::Join>(&plan->node); join && !join->lateral)
    return join_source(*join);
  if (const auto* project = std::get_if<op::Project>(&plan->node)) {
    const auto bare = [](const TypedPtr& one) {
      return std::holds_alternative<plan::TypedColumn>(one->node);
    };
    if (!std::all_of(project->list.begin(), project->list.end(), bare)) return wrapped(plan);
    WEIR_ASSIGN(auto below, source(project->child));
    Scope kept;
    for (const auto& one : project->list)
      kept.push_back(
          below.scope[static_cast<size_t>(std::get<plan::TypedColumn>(one->node).index)]);
    below.scope = std::move(kept);
    return below;
  }
  if (const auto* filter = std::get_if<op::Filter>(&plan->node)) {
    std::vector<TypedPtr> plain, rest;
    split_condition(filter->condition, plain, rest);
    if (!rest.empty()) return wrapped(plan);
    WEIR_ASSIGN(auto below, source(filter->child));
    for (const auto& one : plain) {
      WEIR_ASSIGN(const auto text, condition(one, below.scope));
      below.also(text);
    }
    below.scope.resize(std::min(below.scope.size(), plan->columns.size()));
    return below;
  }
  return wrapped(plan);
}

void StatementBuilder::split_condition(const TypedPtr& condition, std::vector<TypedPtr>& plain,
                                       std::vector<TypedPtr>& rest) const {
  const auto* call = std::get_if<plan::TypedCall>(&condition->node);
  if (call && call->function->form == plan::EvaluationForm::kAnd) {
    for (const auto& side : call->arguments)
      split_condition(side, plain, rest);
    return;
  }
  const bool native = is_native_tree(*condition, context_.eval.ansi, exact_);
  const bool safe = native || (!may_fail(*condition) && !is_volatile(*condition));
  (safe ? plain : rest).push_back(condition);
}

Result<StatementBuilder::Source> StatementBuilder::join_source(const op::Join& node) {
  using Kind = plan::JoinKind;
  WEIR_ASSIGN(auto left, source(node.left));
  WEIR_ASSIGN(auto right, source(node.right));
  const bool inner = node.kind == Kind::kInner || node.kind == Kind::kCross;
  // A condition of one side moves behind the join only where that side's rows all stay.
  if (!left.where.empty() && (node.kind == Kind::kRight || node.kind == Kind::kFull)) {
    WEIR_ASSIGN(left, wrapped(node.left));
  }
  if (!right.where.empty() && !inner && node.kind != Kind::kRight) {
    WEIR_ASSIGN(right, wrapped(node.right));
  }
  WEIR_ASSIGN(const auto on, join_condition(node, left, right));
  Source made;
  made.joined = true;
  made.scope = left.scope;
  made.scope.insert(made.scope.end(), right.scope.begin(), right.scope.end());
  const auto word = [&]() -> std::string_view {
    switch (node.kind) {
      case Kind::kInner:
      case Kind::kCross:
        return "INNER";
      case Kind::kLeft:
        return "LEFT";
      case Kind::kRight:
        return "RIGHT";
      case Kind::kFull:
        return "FULL";
      case Kind::kLeftSemi:
        return "SEMI";
      case Kind::kLeftAnti:
        return "ANTI";
    }
    return "INNER";
  }();
  const bool composite = right.joined;
  made.from = fmt::format("{} {} JOIN {}{}{} ON {}", left.from, word, composite ? "(" : "",
                          right.from, composite ? ")" : "", on);
  made.also(left.where);
  made.also(right.where);
  if (node.kind == Kind::kLeftSemi || node.kind == Kind::kLeftAnti)
    made.scope.resize(left.scope.size());
  return made;
}

Result<std::string> StatementBuilder::join_condition(const op::Join& node, Source& left,
                                                     Source& right) {
  if (!node.condition) return std::string("TRUE");
  const auto both = [&] {
    auto scope = left.scope;
    scope.insert(scope.end(), right.scope.begin(), right.scope.end());
    return scope;
  };
  const bool inner = node.kind == plan::JoinKind::kInner || node.kind == plan::JoinKind::kCross;
  std::vector<TypedPtr> parts, marked;
  if (!inner) {
    std::vector<TypedPtr> all;
    split_condition(node.condition, all, all);
    for (const auto& one : all)
      (has_subquery_or_outer(*one) ? marked : parts).push_back(one);
  }
  if (marked.empty()) return condition(node.condition, both());
  std::string on;
  const auto width = static_cast<int>(node.left->columns.size());
  for (const auto& one : marked) {
    const auto needed = plan::columns_needed({one});
    const bool of_left = needed.empty() || *std::max_element(needed.begin(), needed.end()) < width;
    const bool of_right = !of_left && *std::min_element(needed.begin(), needed.end()) >= width;
    std::string text;
    if (of_left || of_right) {
      Source& side = of_left ? left : right;
      WEIR_ASSIGN(const auto mark, condition(one, both()));
      const auto alias = fresh();
      side.from = fmt::format("(SELECT {}, {} AS mark FROM {}) AS {}", names(side.scope), mark,
                              side.clause(), alias);
      side.where.clear();
      side.joined = false;
      side.scope = scope_of(alias, side.scope.size());
      text = alias + ".mark";
      // Earlier marks of this side are below now.
      if (!on.empty()) return unsupported("an outer join with several subqueries in its condition");
    } else {
      WEIR_ASSIGN(text, condition(one, both()));
    }
    on += (on.empty() ? "" : " AND ") + text;
  }
  for (const auto& one : parts) {
    WEIR_ASSIGN(const auto text, condition(one, both()));
    on += " AND " + text;
  }
  return on;
}

Result<std::string> StatementBuilder::operator()(const op::Scan& node, const plan::Operator& plan) {
  WEIR_ASSIGN(const auto made, scan_source(node, plan));
  return fmt::format("SELECT {} FROM {}", names(made.scope), made.from);
}

Result<StatementBuilder::Source> StatementBuilder::scan_source(const op::Scan& node,
                                                               const plan::Operator& plan) {
  auto source = std::dynamic_pointer_cast<const ScanSource>(node.table);
  if (!source) return unsupported("reading " + node.table->description());
  if (auto direct = parquet_source(*source, node, plan); !direct.from.empty()) return direct;
  auto scan = [source, table_columns = node.columns, condition = node.condition](
                  const std::vector<int>& columns,
                  int streams) -> Result<std::vector<std::unique_ptr<BatchStream>>> {
    auto all = columns;
    if (condition) {
      for (const int needed : plan::columns_needed({condition}))
        all.push_back(needed);
      std::sort(all.begin(), all.end());
      all.erase(std::unique(all.begin(), all.end()), all.end());
    }
    std::vector<int> positions, places(table_columns.size(), -1), wanted;
    for (size_t i = 0; i < all.size(); ++i) {
      positions.push_back(table_columns[static_cast<size_t>(all[i])]);
      places[static_cast<size_t>(all[i])] = static_cast<int>(i);
    }
    const auto moved = condition ? plan::remap_columns(condition, places) : nullptr;
    WEIR_ASSIGN(auto made, source->scan(positions, moved, streams));
    if (all.size() == columns.size()) return made;
    for (const int column : columns)
      wanted.push_back(places[static_cast<size_t>(column)]);
    for (auto& stream : made)
      stream = pick_columns(std::move(stream), wanted);
    return made;
  };
  WEIR_ASSIGN(const auto input,
              query_->add_input(full_schema(plan), std::move(scan), source->rows_estimate()));
  const auto alias = fresh();
  return Source{fmt::format("{} AS {}", input, alias), scope_of(alias, plan.columns.size()), {}};
}

StatementBuilder::Source StatementBuilder::parquet_source(const ScanSource& table,
                                                          const op::Scan& node,
                                                          const plan::Operator& plan) {
  for (const auto& column : plan.columns) {
    if (column.type.is_nested() || column.type.is(TypeKind::kNull) || column.type.is_interval())
      return {};
  }
  if (plan.columns.empty()) return {};
  const auto files = table.plain_parquet(node.columns, node.condition);
  if (!files || files->paths.empty() || files->names.size() != plan.columns.size()) return {};
  std::string list;
  for (const auto& path : files->paths) {
    if (!context_.engine.may_read(path)) return {};
    list += (list.empty() ? "" : ", ") + quoted(path);
  }
  const auto alias = fresh();
  Source made;
  for (size_t i = 0; i < files->names.size(); ++i) {
    auto name = alias + ".\"";
    for (const char c : files->names[i])
      name += c == '"' ? "\"\"" : std::string(1, c);
    name += '"';
    const auto& type = plan.columns[i].type;
    const bool time = type.is(TypeKind::kTimestamp) || type.is(TypeKind::kTimestampNtz);
    made.scope.push_back(time ? fmt::format("make_timestamp(epoch_us({}))", name)
                              : fmt::format("CAST({} AS {})", name, duck_sql_type(type)));
  }
  made.from = fmt::format(
      "read_parquet([{}], hive_partitioning = false, union_by_name = false) AS {}", list, alias);
  return made;
}

Result<std::string> StatementBuilder::operator()(const op::LocalRows& node,
                                                 const plan::Operator& plan) {
  int64_t rows = 0;
  for (const auto& batch : node.batches)
    rows += batch->num_rows();
  const auto schema = full_schema(plan);
  auto scan = [batches = node.batches, schema](const std::vector<int>& columns,
                                               int) -> Result<std::vector<StreamPtr>> {
    std::vector<StreamPtr> streams;
    streams.push_back(pick_columns(given_batches(schema, batches), columns));
    return streams;
  };
  WEIR_ASSIGN(const auto input, query_->add_input(schema, std::move(scan), rows));
  const auto alias = fresh();
  return fmt::format("SELECT {} FROM {} AS {}", names(scope_of(alias, plan.columns.size())), input,
                     alias);
}

Result<std::string> StatementBuilder::operator()(const op::OneRow&, const plan::Operator&) {
  return std::string("SELECT 1 AS nothing");
}

Result<std::string> StatementBuilder::operator()(const op::Range& node, const plan::Operator&) {
  const auto alias = fresh();
  return fmt::format(
      "SELECT {0}.c0 AS c0 FROM range(CAST('{1}' AS BIGINT), CAST('{2}' AS BIGINT), CAST('{3}' AS "
      "BIGINT)) AS {0}(c0)",
      alias, node.start, node.end, node.step);
}

Result<std::string> StatementBuilder::operator()(const op::Values& node,
                                                 const plan::Operator& plan) {
  bool plain = true;
  for (const auto& row : node.rows) {
    for (const auto& cell : row)
      plain = plain && !has_subquery_or_outer(*cell);
  }
  if (!plain) {
    std::string sql;
    for (const auto& row : node.rows) {
      Scope cells;
      for (const auto& cell : row) {
        WEIR_ASSIGN(auto text, expression(cell, {}));
        cells.push_back(std::move(text));
      }
      sql += (sql.empty() ? "SELECT " : " UNION ALL SELECT ") + names(cells);
    }
    return sql;
  }
  // Computed here: large lists would be slow to parse.
  const auto schema = full_schema(plan);
  const auto row_count = static_cast<int64_t>(node.rows.size());
  const auto one =
      arrow::RecordBatch::Make(arrow::schema({}), 1, std::vector<std::shared_ptr<arrow::Array>>{});
  std::vector<arrow::ArrayVector> cells(schema.fields().size());
  for (const auto& row : node.rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      WEIR_ASSIGN(const auto program, eval::compile(row[i]));
      WEIR_ASSIGN(auto value, program.evaluate(*one, context_.eval));
      WEIR_ASSIGN(value, eval::canonical(value, columnar::to_arrow(schema.fields()[i].type())));
      cells[i].push_back(std::move(value));
    }
  }
  arrow::ArrayVector arrays;
  for (const auto& column : cells) {
    WEIR_ARROW_ASSIGN(auto array, arrow::Concatenate(column));
    arrays.push_back(std::move(array));
  }
  op::LocalRows rows;
  rows.batches.push_back(
      arrow::RecordBatch::Make(columnar::to_arrow_schema(schema), row_count, std::move(arrays)));
  return (*this)(rows, plan);
}

Result<std::string> StatementBuilder::operator()(const op::Project& node, const plan::Operator&) {
  auto list = node.list;
  WEIR_ASSIGN(const auto child, with_python_stage(node.child, list));
  WEIR_ASSIGN(const auto below, source(child));
  Scope made;
  for (const auto& one : list) {
    WEIR_ASSIGN(auto text, expression(one, below.scope));
    made.push_back(std::move(text));
  }
  if (std::holds_alternative<op::OneRow>(child->node)) return "SELECT " + names(made);
  return fmt::format("SELECT {} FROM {}", names(made), below.clause());
}

namespace {

TypedPtr conjunction_of(const TypedPtr& a, const TypedPtr& b) {
  static const auto* const conjunction = plan::find_function("and");
  plan::TypedCall both;
  both.function = conjunction;
  both.arguments = {a, b};
  return std::make_shared<const plan::Typed>(
      plan::Typed{DataType::of(TypeKind::kBoolean), true, std::move(both), {}});
}

}  // namespace

Result<std::string> StatementBuilder::operator()(const op::Filter& node,
                                                 const plan::Operator& plan) {
  // Neighbouring filters are one condition, in the order in which they are evaluated: what an inner
  // one keeps from an outer one that may fail stays kept.
  std::vector<TypedPtr> conditions{node.condition};
  auto child = node.child;
  while (const auto* inner = std::get_if<op::Filter>(&child->node)) {
    if (uses_[child.get()] > 1) break;
    conditions.insert(conditions.begin(), inner->condition);
    child = inner->child;
  }
  std::vector<TypedPtr> plain, rest, guards;
  for (const auto& one : conditions)
    split_condition(one, plain, rest);
  if (!plain.empty() &&
      std::any_of(rest.begin(), rest.end(), [](const auto& one) { return calls_python(*one); })) {
    // The user's functions see only the rows that the other conditions leave.
    auto first = plain.front();
    for (size_t i = 1; i < plain.size(); ++i)
      first = conjunction_of(first, plain[i]);
    child = plan::make_operator(op::Filter{child, std::move(first)}, child->columns);
    plain.clear();
  }
  WEIR_ASSIGN(child, with_python_stage(child, rest));
  WEIR_ASSIGN(auto below, source(child));
  for (const auto& one : plain) {
    if (!has_subquery_or_outer(*one)) guards.push_back(one);
    WEIR_ASSIGN(const auto text, condition(one, below.scope));
    below.also(text);
  }
  if (!rest.empty()) {
    // What may fail comes last, behind all that guards it: DuckDB is free to evaluate conditions in
    // another order.
    guards.insert(guards.end(), rest.begin(), rest.end());
    auto whole = guards.front();
    for (size_t i = 1; i < guards.size(); ++i)
      whole = conjunction_of(whole, guards[i]);
    WEIR_ASSIGN(const auto text, condition(whole, below.scope));
    below.also(text);
  }
  below.scope.resize(plan.columns.size());
  return fmt::format("SELECT {} FROM {}", names(below.scope), below.clause());
}

Result<std::string> StatementBuilder::operator()(const op::Aggregate& node, const plan::Operator&) {
  auto list = node.keys;
  list.insert(list.end(), node.aggregates.begin(), node.aggregates.end());
  WEIR_ASSIGN(const auto child, with_python_stage(node.child, list));
  const auto keys_end = list.begin() + static_cast<std::ptrdiff_t>(node.keys.size());
  const std::vector<TypedPtr> keys(list.begin(), keys_end), aggregates(keys_end, list.end());
  WEIR_ASSIGN(const auto below, source(child));
  const auto& scope = below.scope;
  Computed computed;
  // Keys come first and each has a column of its own.
  for (const auto& key : keys) {
    WEIR_ASSIGN(auto text, expression(key, scope));
    // -0.0 groups with 0.0 and shows as it.
    if (plan::is_fractional(key->type)) text = fmt::format("({} + 0)", text);
    computed.expressions.push_back(std::make_shared<const plan::Typed>(
        plan::Typed{key->type, true, plan::TypedSubquery{}, {}}));  // equal to nothing else
    computed.sql.push_back(std::move(text));
  }
  Scope columns;
  for (size_t i = 0; i < node.keys.size(); ++i)
    columns.push_back("e" + std::to_string(i));
  for (const auto& one : aggregates) {
    AggregateCall call;
    call.expression = one.get();
    call.call = &std::get<plan::TypedCall>(one->node);
    for (const auto& argument : call.call->arguments) {
      WEIR_ASSIGN(auto column, computed_column(computed, argument, scope));
      call.arguments.push_back(std::move(column));
    }
    if (call.call->filter) {
      WEIR_ASSIGN(call.filter, computed_column(computed, call.call->filter, scope));
    }
    for (const auto& key : call.call->within_group) {
      WEIR_ASSIGN(const auto column, computed_column(computed, key.expression, scope));
      call.order.push_back(fmt::format("{} {} NULLS {}", column, key.ascending ? "ASC" : "DESC",
                                       key.nulls_first ? "FIRST" : "LAST"));
    }
    WEIR_ASSIGN(auto text, aggregate(call));
    columns.push_back(std::move(text));
  }
  std::string groups;
  const auto key_list = [](const std::vector<int>& positions) {
    std::string text;
    for (const int key : positions)
      text += fmt::format("{}e{}", text.empty() ? "" : ", ", key);
    return text;
  };
  if (!node.sets.empty()) {
    // DuckDB knows only the keys that are in some set: the others are NULL, and grouped away.
    std::set<int> used;
    for (const auto& set : node.sets)
      used.insert(set.begin(), set.end());
    std::string bits;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const auto weight = int64_t{1} << (node.keys.size() - 1 - i);
      const bool in_some = used.contains(static_cast<int>(i));
      bits += fmt::format("{}{}{}", bits.empty() ? "" : " + ", weight,
                          in_some ? fmt::format(" * GROUPING(e{})", i) : "");
      if (!in_some) columns[i] = fmt::format("CAST(NULL AS {})", duck_sql_type(node.keys[i]->type));
    }
    columns.push_back(fmt::format("CAST({} AS BIGINT)", bits.empty() ? "0" : bits));
    for (const auto& set : node.sets)
      groups += fmt::format("{}({})", groups.empty() ? "" : ", ", key_list(set));
    groups = " GROUP BY GROUPING SETS (" + groups + ")";
    // Without rows Spark has no group, not even that of all rows.
    if (std::any_of(node.sets.begin(), node.sets.end(),
                    [](const auto& set) { return set.empty(); }))
      groups += " HAVING count(*) > 0";
  } else if (!node.keys.empty()) {
    for (size_t i = 0; i < node.keys.size(); ++i)
      groups += fmt::format("{}e{}", i ? ", " : " GROUP BY ", i);
  }
  return fmt::format("SELECT {} FROM (SELECT {} FROM {}) AS {}{}", names(columns),
                     computed_list(computed), below.clause(), fresh(), groups);
}

Result<std::string> StatementBuilder::operator()(const op::Join& node, const plan::Operator& plan) {
  if (!node.lateral) {
    WEIR_ASSIGN(auto made, join_source(node));
    made.scope.resize(std::min(made.scope.size(), plan.columns.size()));
    return fmt::format("SELECT {} FROM {}", names(made.scope), made.clause());
  }
  WEIR_ASSIGN(const auto left, wrapped(node.left));
  outer_.push_back(left.scope);
  auto right = wrapped(node.right);
  outer_.pop_back();
  if (!right.ok()) return std::move(right).error();
  auto scope = left.scope;
  scope.insert(scope.end(), right->scope.begin(), right->scope.end());
  std::string on = "TRUE";
  if (node.condition) {
    WEIR_ASSIGN(on, condition(node.condition, scope));
  }
  const bool outer = node.kind == plan::JoinKind::kLeft;
  if (!outer && node.kind != plan::JoinKind::kInner && node.kind != plan::JoinKind::kCross)
    return unsupported("a lateral join that is neither inner nor left");
  return fmt::format("SELECT {} FROM {} {} JOIN LATERAL {} ON {}", names(scope), left.from,
                     outer ? "LEFT" : "INNER", right->from, on);
}

Result<std::string> StatementBuilder::operator()(const op::SetOperation& node,
                                                 const plan::Operator&) {
  WEIR_ASSIGN(const auto left, query(node.left));
  WEIR_ASSIGN(const auto right, query(node.right));
  const std::string_view word = node.kind == plan::SetKind::kUnion       ? "UNION"
                                : node.kind == plan::SetKind::kIntersect ? "INTERSECT"
                                                                         : "EXCEPT";
  return fmt::format("(SELECT * FROM ({}) AS {}) {}{} (SELECT * FROM ({}) AS {})", left, fresh(),
                     word, node.all ? " ALL" : "", right, fresh());
}

Result<std::string> StatementBuilder::operator()(const op::Sort& node, const plan::Operator& plan) {
  std::vector<TypedPtr> list;
  for (const auto& key : node.keys)
    list.push_back(key.expression);
  WEIR_ASSIGN(const auto child, with_python_stage(node.child, list));
  WEIR_ASSIGN(auto below, source(child));
  std::string keys;
  for (size_t i = 0; i < list.size(); ++i) {
    if (std::holds_alternative<plan::TypedLiteral>(list[i]->node)) continue;  // orders nothing
    auto key = node.keys[i];
    key.expression = list[i];
    WEIR_ASSIGN(const auto text, sort_key(key, below.scope));
    keys += (keys.empty() ? " ORDER BY " : ", ") + text;
  }
  below.scope.resize(plan.columns.size());
  return fmt::format("SELECT {} FROM {}{}", names(below.scope), below.clause(), keys);
}

Result<std::string> StatementBuilder::operator()(const op::Limit& node, const plan::Operator&) {
  WEIR_ASSIGN(auto below, query(node.child));
  // A LIMIT right after its ORDER BY keeps only so many rows.
  const bool sorted =
      std::holds_alternative<op::Sort>(node.child->node) && uses_[node.child.get()] < 2;
  auto sql = sorted ? below : fmt::format("SELECT * FROM ({}) AS {}", below, fresh());
  if (node.limit >= 0) sql += fmt::format(" LIMIT {}", node.limit);
  if (node.offset > 0) sql += fmt::format(" OFFSET {}", node.offset);
  return sql;
}

Result<std::string> StatementBuilder::operator()(const op::Tail& node, const plan::Operator& plan) {
  WEIR_ASSIGN(const auto below, query(node.child));
  const auto alias = fresh(), outer = fresh();
  return fmt::format(
      "SELECT {} FROM (SELECT *, row_number() OVER () AS place, count(*) OVER () AS total FROM "
      "({}) AS {}) AS {} WHERE {}.place > {}.total - {} ORDER BY {}.place",
      names(scope_of(outer, plan.columns.size())), below, alias, outer, outer, outer, node.rows,
      outer);
}

Result<std::string> StatementBuilder::operator()(const op::Distinct& node,
                                                 const plan::Operator& plan) {
  WEIR_ASSIGN(const auto below, query(node.child));
  const auto alias = fresh();
  auto scope = scope_of(alias, plan.columns.size());
  for (size_t i = 0; i < scope.size(); ++i) {
    if (plan::is_fractional(plan.columns[i].type)) scope[i] = fmt::format("({} + 0)", scope[i]);
  }
  return fmt::format("SELECT DISTINCT {} FROM ({}) AS {}", names(scope), below, alias);
}

Result<std::string> StatementBuilder::operator()(const op::Deduplicate& node,
                                                 const plan::Operator& plan) {
  WEIR_ASSIGN(const auto below, query(node.child));
  const auto alias = fresh();
  const auto scope = scope_of(alias, plan.columns.size());
  std::string keys;
  for (const int key : node.keys)
    keys += (keys.empty() ? "" : ", ") + scope[static_cast<size_t>(key)];
  if (keys.empty())
    return fmt::format("SELECT {} FROM ({}) AS {} LIMIT 1", names(scope), below, alias);
  return fmt::format("SELECT DISTINCT ON ({}) {} FROM ({}) AS {}", keys, names(scope), below,
                     alias);
}

Result<std::string> StatementBuilder::operator()(const op::Watermark& node, const plan::Operator&) {
  return query(node.child);
}

}  // namespace weir::relational
