// WITH, set operations, ORDER BY and what follows it, SELECT. Grouping: grouping_parser.cc; FROM:
// relation_parser.cc.
#include "sql/query_parser.h"

#include <set>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "sql/keywords.h"

namespace weir::sql {

using plan::ExpressionPtr;
using plan::PlanPtr;

QueryParser::Planned QueryParser::node(plan::PlanNodeKind kind, uint32_t begin) {
  auto made = plan::make_plan(std::move(kind), cursor_.origin_since(begin));
  if (made->height > plan::kPlanHeightMax) {
    return base::error(base::ErrorKind::kInvalidArgument, "a query is more than {} levels deep",
                       plan::kPlanHeightMax)
        .with_class("EXCEED_LIMIT_LENGTH");
  }
  return made;
}

QueryParser::Planned QueryParser::query() {
  const Nesting nesting(nesting_, kQueryNesting);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.is_word("WITH") && starts_query(cursor_)) {
    WEIR_ASSIGN(auto with, common_tables());
    WEIR_ASSIGN(auto body, term(0));
    WEIR_ASSIGN(with.child, organize(std::move(body), begin));
    return node(std::move(with), begin);
  }
  WEIR_ASSIGN(auto body, term(0));
  return organize(std::move(body), begin);
}

base::Result<plan::With> QueryParser::common_tables() {
  plan::With with;
  const uint32_t begin = cursor_.take().begin;
  if (cursor_.is_word("RECURSIVE") && at_name(1) && !cursor_.is_word("AS", 1)) {
    cursor_.take();
    with.recursive = true;
  }
  std::set<std::string> names;
  std::string repeated;
  do {
    plan::CommonTable table;
    WEIR_ASSIGN(table.name, name());
    if (cursor_.is_symbol("(") && !starts_query(cursor_, 1)) {
      WEIR_ASSIGN(table.columns, name_list());
    }
    if (cursor_.accept_words({"MAX", "RECURSION", "LEVEL"})) {
      if (!with.recursive) {
        const std::string message =
            "Cannot specify MAX RECURSION LEVEL when the CTE is not marked as RECURSIVE";
        return parse_error("_LEGACY_ERROR_TEMP_0035", "", "Operation not allowed: " + message,
                           cursor_.origin_since(begin))
            .with_parameter("message", message);
      }
      WEIR_ASSIGN(table.recursion_max, integer_literal());
    }
    cursor_.accept_word("AS");
    WEIR_TRY(cursor_.expect_symbol("("));
    WEIR_ASSIGN(table.plan, query());
    WEIR_TRY(cursor_.expect_symbol(")"));
    if (!names.insert(boost::to_lower_copy(table.name)).second) repeated = table.name;
    with.tables.push_back(std::move(table));
  } while (cursor_.accept_symbol(","));
  if (!repeated.empty()) {
    return parse_error("DUPLICATED_CTE_NAMES", "42602",
                       fmt::format("CTE definition can't have duplicate names: `{}`", repeated),
                       cursor_.origin_since(begin))
        .with_parameter("duplicateNames", "`" + repeated + "`");
  }
  return with;
}

namespace {

// 1: UNION, EXCEPT, MINUS. 2: INTERSECT.
int set_precedence(const TokenCursor& cursor) {
  if (cursor.is_word("INTERSECT")) return 2;
  for (const auto* word : {"UNION", "EXCEPT", "MINUS"}) {
    if (cursor.is_word(word)) return 1;
  }
  return 0;
}

}  // namespace

base::Result<plan::SetOperation> QueryParser::set_operation_head() {
  plan::SetOperation made;
  const auto word = cursor_.take().upper;
  made.kind = word == "UNION"       ? plan::SetKind::kUnion
              : word == "INTERSECT" ? plan::SetKind::kIntersect
                                    : plan::SetKind::kExcept;
  made.all = cursor_.accept_word("ALL");
  if (!made.all) cursor_.accept_word("DISTINCT");
  return made;
}

QueryParser::Planned QueryParser::term(int precedence_min) {
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto left, query_primary());
  while (true) {
    if (precedence_min == 0 && cursor_.is_symbol("|>")) {
      cursor_.take();
      WEIR_ASSIGN(left, pipe(std::move(left), begin));
      continue;
    }
    const int precedence = set_precedence(cursor_);
    if (precedence == 0 || precedence < precedence_min) return left;
    WEIR_ASSIGN(auto made, set_operation_head());
    WEIR_ASSIGN(made.right, term(precedence + 1));
    made.left = std::move(left);
    WEIR_ASSIGN(left, node(std::move(made), begin));
  }
}

QueryParser::Planned QueryParser::query_primary() {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.is_symbol("(")) {
    cursor_.take();
    WEIR_ASSIGN(auto inner, query());
    WEIR_TRY(cursor_.expect_symbol(")"));
    return inner;
  }
  if (cursor_.is_word("SELECT")) return select_over(nullptr);
  if (cursor_.is_word("VALUES")) return values();
  if (cursor_.accept_word("TABLE")) {
    WEIR_ASSIGN(auto table, table_name());
    return node(plan::NamedTable{std::move(table), {}, {}}, begin);
  }
  if (cursor_.is_word("FROM")) {
    WEIR_ASSIGN(auto from, from_clause());
    if (cursor_.is_word("INSERT")) return cursor_.unsupported("INSERT after FROM");
    if (cursor_.is_word("MAP") || cursor_.is_word("REDUCE"))
      return cursor_.unsupported(cursor_.peek().upper + " … USING a script");
    if (!cursor_.is_word("SELECT")) return from;
    WEIR_ASSIGN(auto made, select_over(std::move(from)));
    if (cursor_.is_word("SELECT")) return cursor_.unsupported("several SELECTs from one FROM");
    return made;
  }
  if ((cursor_.is_word("MAP") || cursor_.is_word("REDUCE")) && at_name(1))
    return cursor_.unsupported(cursor_.peek().upper + " … USING a script");
  return cursor_.unexpected();
}

base::Result<std::vector<plan::Hint>> QueryParser::hints() {
  std::vector<plan::Hint> list;
  while (cursor_.accept_symbol("/*+")) {
    do {
      plan::Hint hint;
      if (at_identifier_text()) return cursor_.unexpected();
      WEIR_ASSIGN(hint.name, name());
      if (cursor_.accept_symbol("(")) {
        do {
          WEIR_ASSIGN(auto parameter, primary_expression());
          hint.parameters.push_back(std::move(parameter));
        } while (cursor_.accept_symbol(","));
        WEIR_TRY(cursor_.expect_symbol(")"));
      }
      list.push_back(std::move(hint));
      cursor_.accept_symbol(",");
    } while (!cursor_.is_symbol("*/") && !cursor_.at_end());
    WEIR_TRY(cursor_.expect_symbol("*/"));
  }
  return list;
}

// SELECT …; `from` is what a FROM before it gave, or null.
QueryParser::Planned QueryParser::select_over(PlanPtr from) {
  const uint32_t begin = cursor_.take().begin;
  if (cursor_.is_word("TRANSFORM") && cursor_.is_symbol("(", 1)) {
    const auto close = cursor_.closing(1);
    for (const auto* word : {"USING", "ROW", "RECORDWRITER"}) {
      if (close && cursor_.is_word(word, *close + 1))
        return cursor_.unsupported("TRANSFORM … USING a script");
    }
  }
  WEIR_ASSIGN(auto given_hints, hints());
  bool distinct = false;
  const bool ends = cursor_.is_symbol(",", 1) || cursor_.is_symbol(")", 1) ||
                    cursor_.peek(1).kind == TokenKind::kEnd;
  if (!ends) distinct = cursor_.accept_word("DISTINCT");
  if (!ends && !distinct) cursor_.accept_word("ALL");
  WEIR_ASSIGN(auto list, named_expressions());
  const bool from_first = from != nullptr;
  if (!from_first && cursor_.is_word("FROM")) {
    WEIR_ASSIGN(from, from_clause());
  } else if (!from_first) {
    WEIR_ASSIGN(from, node(plan::OneRow{}, begin));
  }
  WEIR_ASSIGN(from, lateral_views(std::move(from), begin));
  for (auto& hint : given_hints) {
    hint.child = std::move(from);
    WEIR_ASSIGN(from, node(std::move(hint), begin));
  }
  if (cursor_.accept_word("WHERE")) {
    WEIR_ASSIGN(auto condition, expression());
    WEIR_ASSIGN(from, node(plan::Filter{std::move(from), std::move(condition)}, begin));
  }
  PlanPtr made;
  if (cursor_.is_words({"GROUP", "BY"}) || cursor_.is_word("HAVING")) {
    WEIR_ASSIGN(made, aggregate(std::move(from), std::move(list), begin));
  } else {
    WEIR_ASSIGN(made, node(plan::Project{std::move(from), std::move(list)}, begin));
  }
  WEIR_ASSIGN(made, window_clause(std::move(made), begin));
  return distinct ? node(plan::Distinct{std::move(made)}, begin) : Planned(std::move(made));
}

QueryParser::Planned QueryParser::window_clause(PlanPtr child, uint32_t begin) {
  if (!cursor_.is_word("WINDOW") || !at_name(1) ||
      !(cursor_.is_word("AS", 2) || at_identifier_text(1)))
    return child;
  const uint32_t clause_begin = cursor_.take().begin;
  plan::WindowClause made{std::move(child), {}};
  std::set<std::string> names;
  do {
    plan::NamedWindow window_named;
    WEIR_ASSIGN(window_named.name, name());
    WEIR_TRY(cursor_.expect_word("AS"));
    WEIR_ASSIGN(window_named.window, window());
    if (!names.insert(boost::to_lower_copy(window_named.name)).second) {
      return parse_error(
                 "INVALID_SQL_SYNTAX.REPETITIVE_WINDOW_DEFINITION", "42000",
                 fmt::format("The definition of window `{}` is repetitive", window_named.name),
                 cursor_.origin_since(clause_begin))
          .with_parameter("windowName", "`" + window_named.name + "`");
    }
    made.windows.push_back(std::move(window_named));
  } while (cursor_.accept_symbol(","));
  return node(std::move(made), begin);
}

// ORDER BY, CLUSTER BY, DISTRIBUTE BY, SORT BY, WINDOW, LIMIT, OFFSET around a query.
QueryParser::Planned QueryParser::organize(PlanPtr child, uint32_t begin) {
  plan::Sort order{nullptr, {}, true, true, false};
  plan::Sort sort{nullptr, {}, false, true, false};
  std::vector<ExpressionPtr> distribute;
  const uint32_t clauses_begin = cursor_.peek().begin;
  if (cursor_.accept_words({"ORDER", "BY"})) {
    order.all = cursor_.is_word("ALL") && !cursor_.is_symbol(".", 1) && !cursor_.is_symbol("(", 1);
    WEIR_ASSIGN(order.keys, sort_keys());
    order.all = order.all && order.keys.size() == 1;
  }
  if (cursor_.accept_words({"CLUSTER", "BY"})) {
    WEIR_ASSIGN(distribute, expressions());
    for (const auto& key : distribute)
      sort.keys.push_back({key, true, true});
  }
  const bool clustered = !distribute.empty();
  const bool several = cursor_.is_words({"DISTRIBUTE", "BY"}) || cursor_.is_words({"SORT", "BY"});
  if (cursor_.accept_words({"DISTRIBUTE", "BY"})) {
    WEIR_ASSIGN(distribute, expressions());
  }
  if (cursor_.accept_words({"SORT", "BY"})) {
    WEIR_ASSIGN(sort.keys, sort_keys());
  }
  const bool distributed = !distribute.empty();
  if ((!order.keys.empty() && (distributed || !sort.keys.empty())) || (clustered && several)) {
    return parse_error("UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES", "0A000",
                       "The feature is not supported: Combination of ORDER BY/SORT BY/DISTRIBUTE "
                       "BY/CLUSTER BY",
                       cursor_.origin_since(clauses_begin));
  }
  WEIR_ASSIGN(child, window_clause(std::move(child), begin));
  if (distributed) {
    plan::Repartition made{std::move(child), std::nullopt, std::move(distribute), true};
    WEIR_ASSIGN(child, node(std::move(made), begin));
  }
  for (auto* one : {&sort, &order}) {
    if (one->keys.empty()) continue;
    one->child = std::move(child);
    WEIR_ASSIGN(child, node(std::move(*one), begin));
  }
  plan::Limit limit{nullptr, nullptr, nullptr};
  bool all = false;  // LIMIT ALL: also rows that a recursion may have without bound
  if (cursor_.accept_word("LIMIT")) {
    all = cursor_.accept_word("ALL");
    if (!all) {
      WEIR_ASSIGN(limit.limit, expression());
    }
  }
  if (cursor_.accept_word("OFFSET")) {
    WEIR_ASSIGN(limit.offset, expression());
  }
  if (!limit.limit && !limit.offset && !all) return child;
  limit.child = std::move(child);
  return node(std::move(limit), begin);
}

// VALUES row, row …: a row is (a, b), struct(a, b) or one expression.
QueryParser::Planned QueryParser::values() {
  const uint32_t begin = cursor_.take().begin;
  plan::Values made;
  WEIR_ASSIGN(auto rows, expressions());
  const auto mismatch = [&](size_t expected, size_t actual, size_t row) {
    return parse_error("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "42000",
                       fmt::format("Invalid inline table. Inline table expected {} columns but "
                                   "found {} columns in row {}",
                                   expected, actual, row),
                       cursor_.origin_since(begin))
        .with_parameter("expectedNumCols", std::to_string(expected))
        .with_parameter("actualNumCols", std::to_string(actual))
        .with_parameter("rowIndex", std::to_string(row));
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto* call = std::get_if<plan::Call>(&rows[i]->node);
    std::vector<ExpressionPtr> row;
    if (call && boost::to_lower_copy(call->function) == "struct") {
      for (const auto& cell : call->arguments) {
        const auto* named = std::get_if<plan::Alias>(&cell->node);
        row.push_back(named ? named->child : cell);
      }
    } else {
      row.push_back(rows[i]);
    }
    if (i > 0 && row.size() != made.rows[0].size())
      return mismatch(made.rows[0].size(), row.size(), i);
    made.rows.push_back(std::move(row));
  }
  const size_t width = made.rows[0].size();
  WEIR_ASSIGN(auto plan, node(std::move(made), begin));
  WEIR_ASSIGN(plan, alias(std::move(plan), begin, false));
  const auto* named = std::get_if<plan::SubqueryAlias>(&plan->node);
  if (named && !named->columns.empty() && named->columns.size() != width)
    return mismatch(named->columns.size(), width, 0);
  return plan;
}

}  // namespace weir::sql
