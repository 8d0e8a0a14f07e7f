// Which words may name something where. In Spark's default mode nearly every keyword is also a
// name; what a word is shows in what follows it.
#pragma once

#include "sql/token_cursor.h"

namespace weir::sql {

// Words that no table alias without quotes can be (JOIN, ON, UNION …).
bool is_strict(std::string_view upper);

// True where the word here, after a complete expression or relation, starts the next part of the
// statement and so is no alias.
bool starts_clause(const TokenCursor& cursor);

// True where a query (SELECT, WITH, VALUES, TABLE, FROM, or one in parentheses) starts `ahead`.
bool starts_query(const TokenCursor& cursor, size_t ahead = 0);

}  // namespace weir::sql
