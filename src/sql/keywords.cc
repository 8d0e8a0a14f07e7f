#include "sql/keywords.h"

#include <set>

namespace weir::sql {

namespace {

bool is_name(const TokenCursor& cursor, size_t ahead) {
  const auto kind = cursor.peek(ahead).kind;
  return kind == TokenKind::kWord || kind == TokenKind::kQuotedName;
}

// The end of a part: nothing that could be read as an operand stands there.
bool ends_part(const TokenCursor& cursor, size_t ahead) {
  const auto& token = cursor.peek(ahead);
  if (token.kind == TokenKind::kEnd) return true;
  if (token.kind != TokenKind::kSymbol) return false;
  static const std::set<std::string_view> kEnds = {",", ")", ";", "]", "=", "<>", "|>", "*/"};
  return kEnds.contains(token.text);
}

bool any_word(const TokenCursor& cursor, size_t ahead,
              std::initializer_list<std::string_view> words) {
  for (const auto word : words) {
    if (cursor.is_word(word, ahead)) return true;
  }
  return false;
}

bool joins(const TokenCursor& cursor) {
  for (size_t i = 0; i < 4; ++i) {
    if (cursor.is_word("JOIN", i)) return i > 0 || !ends_part(cursor, 1);
    if (!any_word(cursor, i,
                  {"INNER", "CROSS", "LEFT", "RIGHT", "FULL", "OUTER", "SEMI", "ANTI", "NATURAL"}))
      return false;
  }
  return false;
}

}  // namespace

bool is_strict(std::string_view upper) {
  static const std::set<std::string_view> kStrict = {
      "ANTI", "CROSS",   "EXCEPT", "FULL",  "INNER", "INTERSECT", "JOIN",  "LATERAL",
      "LEFT", "NATURAL", "ON",     "RIGHT", "SEMI",  "MINUS",     "UNION", "USING"};
  return kStrict.contains(upper);
}

bool starts_clause(const TokenCursor& cursor) {
  const auto& token = cursor.peek();
  if (token.kind != TokenKind::kWord) return false;
  const auto& word = token.upper;
  static const std::set<std::string_view> kOperandFollows = {"FROM",   "WHERE",  "HAVING", "LIMIT",
                                                             "OFFSET", "SELECT", "ON",     "WHEN",
                                                             "THEN",   "ELSE",   "PLACING"};
  if (kOperandFollows.contains(word)) return !ends_part(cursor, 1);
  if (word == "GROUP" || word == "ORDER" || word == "SORT" || word == "CLUSTER" ||
      word == "DISTRIBUTE" || word == "PARTITION")
    return cursor.is_word("BY", 1) && !ends_part(cursor, 2);
  if (word == "UNION" || word == "EXCEPT" || word == "INTERSECT" || word == "MINUS") {
    return any_word(cursor, 1, {"ALL", "DISTINCT", "SELECT", "VALUES", "TABLE", "FROM", "WITH"}) ||
           cursor.is_symbol("(", 1);
  }
  if (word == "WINDOW")
    return is_name(cursor, 1) && (cursor.is_word("AS", 2) || cursor.is_word("IDENTIFIER", 1));
  if (word == "LATERAL") return cursor.is_word("VIEW", 1) || is_name(cursor, 1);
  if (word == "PIVOT") return cursor.is_symbol("(", 1);
  if (word == "UNPIVOT")
    return cursor.is_symbol("(", 1) || any_word(cursor, 1, {"INCLUDE", "EXCLUDE"});
  if (word == "TABLESAMPLE")
    return cursor.is_symbol("(", 1) || any_word(cursor, 1, {"SYSTEM", "BERNOULLI"});
  if (word == "CHANGES") return cursor.is_word("FROM", 1);
  if (word == "APPROX" || word == "EXACT") return cursor.is_word("NEAREST", 1);
  if (word == "INSERT") return any_word(cursor, 1, {"INTO", "OVERWRITE"});
  if (word == "GROUPING") return cursor.is_word("SETS", 1);
  if (word == "WITH")
    return cursor.is_symbol("(", 1) || any_word(cursor, 1, {"ROLLUP", "CUBE", "SINGLE"});
  if (word == "FOR") {
    if (any_word(cursor, 1, {"VERSION", "SYSTEM_VERSION", "TIMESTAMP", "SYSTEM_TIME"}) &&
        cursor.is_word("AS", 2))
      return true;
    return cursor.is_symbol("(", 1) || (is_name(cursor, 1) && !ends_part(cursor, 2));
  }
  if (word == "VERSION" || word == "SYSTEM_VERSION" || word == "TIMESTAMP" || word == "SYSTEM_TIME")
    return cursor.is_word("AS", 1) && cursor.is_word("OF", 2);
  if (word == "WATERMARK") return is_name(cursor, 1);
  if (word == "END") return true;
  return joins(cursor);
}

bool starts_query(const TokenCursor& cursor, size_t ahead) {
  constexpr size_t kAheadMax = 1000;
  if (cursor.is_symbol("(", ahead)) {
    if (ahead > kAheadMax || !starts_query(cursor, ahead + 1)) return false;
    const auto close = cursor.closing(ahead);
    if (!close) return true;
    if (cursor.is_symbol(")", *close + 1) || cursor.is_symbol("|>", *close + 1)) return true;
    if (cursor.peek(*close + 1).kind == TokenKind::kEnd || cursor.is_symbol(";", *close + 1))
      return true;
    return any_word(cursor, *close + 1,
                    {"UNION", "EXCEPT", "INTERSECT", "MINUS", "ORDER", "LIMIT", "OFFSET", "SORT",
                     "CLUSTER", "DISTRIBUTE", "WINDOW"});
  }
  const auto& token = cursor.peek(ahead);
  if (token.kind != TokenKind::kWord) return false;
  const auto& word = token.upper;
  const size_t next = ahead + 1;
  if (word == "SELECT") return !ends_part(cursor, next) && !cursor.is_symbol(".", next);
  if (word == "VALUES") {
    if (any_word(cursor, next, {"AS", "WHERE", "GROUP", "ORDER", "LIMIT", "HAVING"}) ||
        (cursor.peek(next).kind == TokenKind::kWord && is_strict(cursor.peek(next).upper)))
      return false;
    return !ends_part(cursor, next) && (cursor.peek(next).kind != TokenKind::kSymbol ||
                                        cursor.is_symbol("(", next) || cursor.is_symbol("-", next));
  }
  if (word == "TABLE" || word == "FROM")
    return is_name(cursor, next) || (word == "FROM" && cursor.is_symbol("(", next));
  if (word == "WITH")
    return is_name(cursor, next) &&
           (any_word(cursor, next + 1, {"AS", "MAX"}) || cursor.is_symbol("-", next + 1) ||
            cursor.is_symbol("(", next + 1) || is_name(cursor, next + 1));
  if (word == "MAP" || word == "REDUCE")
    return is_name(cursor, next) && !any_word(cursor, next, {"AS", "FROM"});
  return false;
}

}  // namespace weir::sql
