// The path of one table only; goes when `weir sql` runs plans.
#include <boost/algorithm/string/case_conv.hpp>

#include "sql/keywords.h"
#include "sql/parser.h"
#include "sql/query_parser.h"

namespace weir::sql {

namespace {

const ParseOptions kNoOptions;

base::Result<TokenCursor> cursor_over(std::string_view text) {
  auto holder = std::make_shared<const std::string>(text);
  WEIR_ASSIGN(auto tokens, tokenize(holder));
  return TokenCursor(std::move(holder), std::move(tokens));
}

base::Result<void> expect_end(const TokenCursor& cursor) {
  if (cursor.at_end()) return {};
  return cursor.unexpected("the text should end here");
}

class OneTableParser : public QueryParser {
 public:
  using QueryParser::QueryParser;

  base::Result<plan::QueryPtr> one_table_query() {
    WEIR_TRY(refuse_other_statements());
    auto made = std::make_shared<plan::Query>();
    made->text = cursor_.text();
    WEIR_TRY(cursor_.expect_word("SELECT"));
    if (cursor_.accept_word("DISTINCT"))
      made->distinct = true;
    else
      cursor_.accept_word("ALL");
    WEIR_ASSIGN(made->select, named_expressions());
    if (cursor_.accept_word("FROM")) {
      WEIR_ASSIGN(made->from, one_relation());
    }
    if (cursor_.accept_word("WHERE")) {
      WEIR_ASSIGN(made->where, expression());
    }
    WEIR_TRY(group_by(*made));
    if (cursor_.accept_word("HAVING")) {
      WEIR_ASSIGN(made->having, expression());
    }
    for (const auto* word : {"UNION", "EXCEPT", "MINUS", "INTERSECT"}) {
      if (cursor_.is_word(word))
        return cursor_.unsupported(std::string("set operation (") + word + ")");
    }
    for (const auto* word : {"WINDOW", "QUALIFY", "CLUSTER", "DISTRIBUTE", "SORT"}) {
      if (cursor_.is_word(word)) return cursor_.unsupported(std::string(word) + " clause");
    }
    WEIR_TRY(order(*made));
    if (cursor_.accept_word("LIMIT")) {
      if (!cursor_.accept_word("ALL")) {
        WEIR_ASSIGN(made->limit, expression());
      }
    }
    if (cursor_.accept_word("OFFSET")) {
      WEIR_ASSIGN(made->offset, expression());
    }
    return plan::QueryPtr(std::move(made));
  }

 private:
  base::Result<void> refuse_other_statements() {
    if (cursor_.is_word("SELECT")) return {};
    if (cursor_.is_word("WITH")) return cursor_.unsupported("common table expression (WITH)");
    if (cursor_.is_symbol("(")) return cursor_.unsupported("parenthesised query");
    for (const auto* word :
         {"VALUES",  "TABLE", "FROM",    "CREATE",  "DROP",    "ALTER",    "INSERT",   "UPDATE",
          "DELETE",  "MERGE", "SET",     "RESET",   "SHOW",    "DESCRIBE", "DESC",     "USE",
          "EXPLAIN", "CACHE", "UNCACHE", "REFRESH", "ANALYZE", "TRUNCATE", "OPTIMIZE", "VACUUM",
          "RESTORE", "COPY",  "CALL",    "DECLARE", "BEGIN",   "EXECUTE"}) {
      if (cursor_.is_word(word)) return cursor_.unsupported(std::string(word) + " statement");
    }
    return cursor_.unexpected("a statement is expected");
  }

  base::Result<plan::Relation> one_relation() {
    plan::Relation relation;
    const uint32_t begin = cursor_.peek().begin;
    if (cursor_.is_symbol("(")) return cursor_.unsupported("subquery in FROM");
    for (const auto* word : {"VALUES", "LATERAL"}) {
      if (cursor_.is_word(word)) return cursor_.unsupported(std::string(word) + " in FROM");
    }
    if (is_strict(cursor_.peek().upper)) return cursor_.unexpected("a table is expected");
    bool last_quoted = false;
    do {
      last_quoted = cursor_.peek().kind == TokenKind::kQuotedName;
      WEIR_ASSIGN(auto part, name());
      relation.name.push_back(std::move(part));
    } while (cursor_.accept_symbol("."));
    if (cursor_.is_symbol("(")) return cursor_.unsupported("table function");
    if (relation.name.size() == 2 && last_quoted) {
      relation.provider = boost::to_lower_copy(relation.name[0]);
      relation.name.erase(relation.name.begin());
    }
    relation.origin = cursor_.origin_since(begin);
    WEIR_TRY(time_travel(relation));
    if (cursor_.is_word("TABLESAMPLE") || cursor_.is_word("PIVOT") || cursor_.is_word("UNPIVOT")) {
      return cursor_.unsupported(cursor_.peek().upper);
    }
    const bool as = cursor_.accept_word("AS");
    const auto& token = cursor_.peek();
    if (token.kind == TokenKind::kQuotedName ||
        (token.kind == TokenKind::kWord && !is_strict(token.upper) && !starts_clause(cursor_))) {
      relation.alias = cursor_.take().text;
      if (cursor_.is_symbol("(")) return cursor_.unsupported("column aliases of a table");
    } else if (as) {
      return cursor_.unexpected("a name is expected after AS");
    }
    if (cursor_.is_symbol(",")) return cursor_.unsupported("join (several tables in FROM)");
    for (const auto* word :
         {"JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "LATERAL"}) {
      if (cursor_.is_word(word)) return cursor_.unsupported(std::string("join (") + word + ")");
    }
    return relation;
  }

  base::Result<void> time_travel(plan::Relation& relation) {
    const bool with_for = cursor_.is_word("FOR");
    const auto is = [&](std::string_view word) { return cursor_.is_word(word, with_for ? 1 : 0); };
    const bool version = is("VERSION") || is("SYSTEM_VERSION");
    const bool timestamp = is("TIMESTAMP") || is("SYSTEM_TIME");
    if ((!version && !timestamp) || !cursor_.is_word("AS", with_for ? 2 : 1) ||
        !cursor_.is_word("OF", with_for ? 3 : 2)) {
      return {};
    }
    for (int i = with_for ? 4 : 3; i > 0; --i)
      cursor_.take();
    if (timestamp) {
      WEIR_ASSIGN(relation.time_travel.timestamp, expression());
      return {};
    }
    const auto& token = cursor_.peek();
    if (token.kind == TokenKind::kNumber || token.kind == TokenKind::kString) {
      const auto& text = token.text;
      if (!text.empty() && text.size() <= 18 &&
          text.find_first_not_of("0123456789") == std::string::npos) {
        relation.time_travel.version = std::stoll(text);
        cursor_.take();
        return {};
      }
    }
    return cursor_.unexpected("a version number is expected");
  }

  base::Result<void> group_by(plan::Query& query) {
    if (!cursor_.accept_word("GROUP")) return {};
    WEIR_TRY(cursor_.expect_word("BY"));
    for (const auto* word : {"ROLLUP", "CUBE", "GROUPING"}) {
      if (cursor_.is_word(word) && (cursor_.is_symbol("(", 1) || cursor_.is_word("SETS", 1))) {
        return cursor_.unsupported(std::string("GROUP BY ") + word);
      }
    }
    if (cursor_.is_word("ALL") && !cursor_.is_symbol(",", 1) && !cursor_.is_symbol(".", 1)) {
      cursor_.take();
      query.group_by_all = true;
      return {};
    }
    do {
      WEIR_ASSIGN(auto key, expression());
      query.group_by.push_back(std::move(key));
    } while (cursor_.accept_symbol(","));
    if (cursor_.is_word("WITH")) return cursor_.unsupported("GROUP BY … WITH ROLLUP or CUBE");
    return {};
  }

  base::Result<void> order(plan::Query& query) {
    if (!cursor_.accept_word("ORDER")) return {};
    WEIR_TRY(cursor_.expect_word("BY"));
    if (cursor_.is_word("ALL") && !cursor_.is_symbol(",", 1))
      return cursor_.unsupported("ORDER BY ALL");
    do {
      plan::SortKey key;
      WEIR_ASSIGN(key.expression, expression());
      key.ascending = !cursor_.accept_word("DESC");
      if (key.ascending) cursor_.accept_word("ASC");
      key.nulls_first = key.ascending;
      if (cursor_.accept_word("NULLS")) {
        key.nulls_first = cursor_.accept_word("FIRST");
        if (!key.nulls_first) WEIR_TRY(cursor_.expect_word("LAST"));
      }
      query.order_by.push_back(std::move(key));
    } while (cursor_.accept_symbol(","));
    return {};
  }
};

}  // namespace

base::Result<plan::QueryPtr> parse_query(std::string_view text) {
  WEIR_ASSIGN(auto cursor, cursor_over(text));
  WEIR_ASSIGN(auto query, OneTableParser(cursor, kNoOptions).one_table_query());
  while (cursor.accept_symbol(";")) {
  }
  WEIR_TRY(expect_end(cursor));
  return query;
}

base::Result<std::vector<plan::QueryPtr>> parse_statements(std::string_view text) {
  WEIR_ASSIGN(auto cursor, cursor_over(text));
  std::vector<plan::QueryPtr> statements;
  while (true) {
    while (cursor.accept_symbol(";")) {
    }
    if (cursor.at_end()) return statements;
    WEIR_ASSIGN(auto query, OneTableParser(cursor, kNoOptions).one_table_query());
    statements.push_back(std::move(query));
    if (!cursor.at_end() && !cursor.is_symbol(";"))
      return cursor.unexpected("';' or the end is expected");
  }
}

}  // namespace weir::sql
