// What stands in FROM: tables, subqueries, joins, PIVOT and UNPIVOT, LATERAL VIEW, TABLESAMPLE.
#include <charconv>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/name_scope.h"
#include "sql/keywords.h"
#include "sql/query_parser.h"

namespace weir::sql {

using plan::ExpressionPtr;
using plan::PlanPtr;

QueryParser::Planned QueryParser::from_clause() {
  const uint32_t begin = cursor_.take().begin;
  PlanPtr made;
  do {
    const uint32_t relation_begin = cursor_.peek().begin;
    if (cursor_.is_word("LATERAL")) {
      if (!made) {
        WEIR_ASSIGN(made, node(plan::OneRow{}, relation_begin));
      }
      cursor_.take();
      WEIR_ASSIGN(auto right, lateral_primary(relation_begin));
      plan::Join join{std::move(made), std::move(right), plan::JoinKind::kInner, nullptr, {}};
      join.lateral = true;
      WEIR_ASSIGN(made, node(std::move(join), begin));
      WEIR_ASSIGN(made, relation_extensions(std::move(made), begin));
      continue;
    }
    WEIR_ASSIGN(auto right, relation());
    if (!made) {
      made = std::move(right);
      continue;
    }
    plan::Join join{std::move(made), std::move(right), plan::JoinKind::kInner, nullptr, {}};
    WEIR_ASSIGN(made, node(std::move(join), begin));
  } while (cursor_.accept_symbol(","));
  const bool lateral = cursor_.is_words({"LATERAL", "VIEW"});
  WEIR_ASSIGN(made, lateral_views(std::move(made), begin));
  const auto not_together = [&](std::string_view what) {
    return parse_error(fmt::format("NOT_ALLOWED_IN_FROM.{}", what), "42601",
                       fmt::format("Not allowed in the FROM clause: {}", what),
                       cursor_.origin_of(cursor_.peek()));
  };
  const bool pivots = cursor_.is_word("PIVOT") && cursor_.is_symbol("(", 1);
  if (pivots) {
    if (lateral) return not_together("LATERAL_WITH_PIVOT");
    WEIR_ASSIGN(made, pivot(std::move(made), begin));
  }
  if (cursor_.is_word("UNPIVOT")) {
    if (lateral) return not_together("LATERAL_WITH_UNPIVOT");
    if (pivots) return not_together("UNPIVOT_WITH_PIVOT");
    WEIR_ASSIGN(made, unpivot(std::move(made), begin));
  }
  return made;
}

QueryParser::Planned QueryParser::lateral_primary(uint32_t begin) {
  WEIR_ASSIGN(auto made, relation_primary());
  const auto* inner = made.get();
  while (const auto* named = std::get_if<plan::SubqueryAlias>(&inner->node))
    inner = named->child.get();
  if (std::holds_alternative<plan::NamedTable>(inner->node)) {
    return parse_error("INVALID_SQL_SYNTAX.LATERAL_WITHOUT_SUBQUERY_OR_TABLE_VALUED_FUNC", "42000",
                       "LATERAL can only be used with subquery and table-valued functions",
                       cursor_.origin_since(begin));
  }
  return made;
}

QueryParser::Planned QueryParser::relation() {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.is_word("LATERAL")) {
    cursor_.take();
    WEIR_ASSIGN(auto right, lateral_primary(begin));
    WEIR_ASSIGN(auto left, node(plan::OneRow{}, begin));
    plan::Join join{std::move(left), std::move(right), plan::JoinKind::kInner, nullptr, {}};
    join.lateral = true;
    WEIR_ASSIGN(auto made, node(std::move(join), begin));
    return relation_extensions(std::move(made), begin);
  }
  WEIR_ASSIGN(auto made, relation_primary());
  return relation_extensions(std::move(made), begin);
}

QueryParser::Planned QueryParser::relation_extensions(PlanPtr left, uint32_t begin) {
  while (true) {
    if (at_join()) {
      WEIR_ASSIGN(left, join(std::move(left), begin));
    } else if (cursor_.is_word("PIVOT") && cursor_.is_symbol("(", 1)) {
      WEIR_ASSIGN(left, pivot(std::move(left), begin));
    } else if (cursor_.is_word("UNPIVOT") && starts_clause(cursor_)) {
      WEIR_ASSIGN(left, unpivot(std::move(left), begin));
    } else {
      return left;
    }
  }
}

QueryParser::Planned QueryParser::relation_primary() {
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.is_symbol("(")) {
    const bool is_query = starts_query(cursor_, 1);
    cursor_.take();
    WEIR_ASSIGN(auto inner, is_query ? query() : relation());
    WEIR_TRY(cursor_.expect_symbol(")"));
    WEIR_ASSIGN(inner, sample(std::move(inner), begin));
    WEIR_ASSIGN(inner, watermark(std::move(inner), begin));
    return alias(std::move(inner), begin, is_query);
  }
  if (cursor_.is_word("VALUES") && starts_query(cursor_)) return values();
  if (cursor_.is_word("STREAM") && (at_name(1) || cursor_.is_symbol("(", 1))) {
    cursor_.take();
    const bool is_alias =
        cursor_.is_word("AS") || starts_clause(cursor_) || is_strict(cursor_.peek().upper);
    if (!is_alias) return stream_relation(begin);
    cursor_.seek(cursor_.position() - 1);
  }
  return named_relation();
}

QueryParser::Planned QueryParser::stream_relation(uint32_t begin) {
  const bool closed = cursor_.accept_symbol("(");
  plan::NamedTable table;
  table.streaming = true;
  WEIR_ASSIGN(table.name, table_name());
  if (closed) WEIR_TRY(cursor_.expect_symbol(")"));
  if (cursor_.is_word("WITH") && cursor_.is_symbol("(", 1)) {
    cursor_.take();
    WEIR_ASSIGN(table.options, properties());
  }
  WEIR_ASSIGN(auto made, node(std::move(table), begin));
  WEIR_ASSIGN(made, watermark(std::move(made), begin));
  return alias(std::move(made), begin, false);
}

// A table with what may follow its name, or a table function.
QueryParser::Planned QueryParser::named_relation() {
  const uint32_t begin = cursor_.peek().begin;
  if (cursor_.peek().kind == TokenKind::kWord && is_strict(cursor_.peek().upper) &&
      !cursor_.is_symbol(".", 1) && !cursor_.is_symbol("(", 1))
    return cursor_.unexpected();
  const size_t here = cursor_.position();
  plan::NamedTable table;
  WEIR_ASSIGN(table.name, table_name());
  if (cursor_.is_symbol("(")) {
    cursor_.seek(here);
    return table_function();
  }
  if (cursor_.is_words({"CHANGES", "FROM"})) return cursor_.unsupported("CHANGES FROM");
  WEIR_TRY(table_state(table.state));
  if (cursor_.is_word("WITH") && cursor_.is_symbol("(", 1)) {
    cursor_.take();
    WEIR_ASSIGN(table.options, properties());
  }
  WEIR_ASSIGN(auto made, node(std::move(table), begin));
  WEIR_ASSIGN(made, sample(std::move(made), begin));
  WEIR_ASSIGN(made, watermark(std::move(made), begin));
  return alias(std::move(made), begin, false);
}

QueryParser::Planned QueryParser::table_function() {
  const uint32_t begin = cursor_.peek().begin;
  WEIR_ASSIGN(auto call, primary_expression());
  if (!std::holds_alternative<plan::Call>(call->node)) return cursor_.unexpected();
  WEIR_ASSIGN(auto made, node(plan::TableFunction{std::move(call)}, begin));
  WEIR_ASSIGN(made, watermark(std::move(made), begin));
  return alias(std::move(made), begin, false);
}

// [FOR] VERSION AS OF n, [FOR] TIMESTAMP AS OF expression
base::Result<void> QueryParser::table_state(plan::TableState& state) {
  const bool with_for = cursor_.is_word("FOR");
  const size_t at = with_for ? 1 : 0;
  const bool version = cursor_.is_word("VERSION", at) || cursor_.is_word("SYSTEM_VERSION", at);
  const bool timestamp = cursor_.is_word("TIMESTAMP", at) || cursor_.is_word("SYSTEM_TIME", at);
  if ((!version && !timestamp) || !cursor_.is_words({"AS", "OF"}, at + 1)) return {};
  cursor_.seek(cursor_.position() + at + 3);
  if (timestamp) {
    WEIR_ASSIGN(state.timestamp, value_expression());
    return {};
  }
  const auto& token = cursor_.peek();
  int64_t number = 0;
  const char* end = token.text.data() + token.text.size();
  if (token.kind != TokenKind::kNumber && token.kind != TokenKind::kString)
    return cursor_.unexpected();
  const auto parsed = std::from_chars(token.text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    return cursor_.unsupported("version of a table by a name");
  state.version = number;
  cursor_.take();
  return {};
}

QueryParser::Planned QueryParser::alias(PlanPtr child, uint32_t begin, bool drop_names) {
  const bool as = !cursor_.is_symbol("(", 1) && cursor_.accept_word("AS");  // AS (a): called "AS"
  const bool named = as || cursor_.peek().kind == TokenKind::kQuotedName ||
                     (cursor_.peek().kind == TokenKind::kWord && !is_strict(cursor_.peek().upper) &&
                      !starts_clause(cursor_));
  if (!named) {
    // A subquery's columns have no qualifier.
    return drop_names ? node(plan::SubqueryAlias{std::move(child), {}, {}}, begin)
                      : Planned(std::move(child));
  }
  plan::SubqueryAlias made{std::move(child), {}, {}};
  WEIR_ASSIGN(auto qualifier, strict_name());
  made.alias.push_back(std::move(qualifier));
  if (cursor_.is_symbol("(")) {
    WEIR_ASSIGN(made.columns, name_list());
  }
  return node(std::move(made), begin);
}

QueryParser::Planned QueryParser::watermark(PlanPtr child, uint32_t begin) {
  if (!cursor_.is_word("WATERMARK") || !at_name(1)) return child;
  cursor_.take();
  WEIR_ASSIGN(auto column, expression());
  const auto* reference = std::get_if<plan::ColumnReference>(&column->node);
  if (!reference) return cursor_.unsupported("WATERMARK of an expression");
  WEIR_TRY(cursor_.expect_word("DELAY"));
  WEIR_TRY(cursor_.expect_word("OF"));
  if (!cursor_.is_word("INTERVAL")) return cursor_.unexpected("missing 'INTERVAL'");
  const uint32_t delay_begin = cursor_.peek(1).begin;
  WEIR_TRY(interval());
  std::string delay = cursor_.source_since(delay_begin);
  if (delay.size() > 1 && (delay[0] == '\'' || delay[0] == '"') && delay.back() == delay[0])
    delay = delay.substr(1, delay.size() - 2);
  return node(
      plan::WithWatermark{std::move(child), plan::quoted(reference->parts), std::move(delay)},
      begin);
}

bool QueryParser::at_join() const {
  for (size_t i = 0; i < 4; ++i) {
    if (cursor_.is_word("JOIN", i)) return true;
    bool part = false;
    for (const auto* word :
         {"INNER", "CROSS", "LEFT", "RIGHT", "FULL", "OUTER", "SEMI", "ANTI", "NATURAL"})
      part = part || cursor_.is_word(word, i);
    if (!part) return false;
  }
  return false;
}

QueryParser::Planned QueryParser::join(PlanPtr left, uint32_t begin) {
  const uint32_t join_begin = cursor_.peek().begin;
  plan::Join made;
  made.natural = cursor_.accept_word("NATURAL");
  std::string kind = "INNER";
  if (cursor_.accept_word("CROSS")) {
    made.kind = plan::JoinKind::kCross;
    kind = "CROSS";
  } else if (cursor_.accept_words({"LEFT", "SEMI"}) || cursor_.accept_word("SEMI")) {
    made.kind = plan::JoinKind::kLeftSemi;
    kind = "LEFT SEMI";
  } else if (cursor_.accept_words({"LEFT", "ANTI"}) || cursor_.accept_word("ANTI")) {
    made.kind = plan::JoinKind::kLeftAnti;
    kind = "LEFT ANTI";
  } else if (cursor_.accept_word("LEFT")) {
    made.kind = plan::JoinKind::kLeft;
    kind = "LEFT OUTER";
    cursor_.accept_word("OUTER");
  } else if (cursor_.accept_word("RIGHT")) {
    made.kind = plan::JoinKind::kRight;
    kind = "RIGHT OUTER";
    cursor_.accept_word("OUTER");
  } else if (cursor_.accept_word("FULL")) {
    made.kind = plan::JoinKind::kFull;
    kind = "FULL OUTER";
    cursor_.accept_word("OUTER");
  } else {
    cursor_.accept_word("INNER");
  }
  WEIR_TRY(cursor_.expect_word("JOIN"));
  if (made.natural && made.kind == plan::JoinKind::kCross) {
    return parse_error("INCOMPATIBLE_JOIN_TYPES", "42613",
                       "The join types NATURAL and CROSS are incompatible",
                       cursor_.origin_since(join_begin))
        .with_parameter("joinType1", "NATURAL")
        .with_parameter("joinType2", "CROSS");
  }
  const uint32_t right_begin = cursor_.peek().begin;
  made.lateral = cursor_.accept_word("LATERAL");
  const bool plain = made.kind == plan::JoinKind::kInner || made.kind == plan::JoinKind::kCross ||
                     made.kind == plan::JoinKind::kLeft;
  if (made.lateral && !plain) {
    return parse_error("INVALID_LATERAL_JOIN_TYPE", "42613",
                       fmt::format("The {} JOIN with LATERAL correlation is not allowed", kind),
                       cursor_.origin_since(join_begin))
        .with_parameter("joinType", kind);
  }
  if (made.lateral && made.natural) {
    return parse_error("INCOMPATIBLE_JOIN_TYPES", "42613",
                       "The join types LATERAL and NATURAL are incompatible",
                       cursor_.origin_since(join_begin))
        .with_parameter("joinType1", "LATERAL")
        .with_parameter("joinType2", "NATURAL");
  }
  WEIR_ASSIGN(made.right, made.lateral ? lateral_primary(right_begin) : relation_primary());
  const size_t nearest = cursor_.is_word("APPROX") || cursor_.is_word("EXACT") ? 1 : 0;
  if (cursor_.is_word("NEAREST", nearest)) return cursor_.unsupported("join by NEAREST");
  if (!made.natural && cursor_.accept_word("ON")) {
    WEIR_ASSIGN(made.condition, expression());
  } else if (!made.natural && cursor_.is_word("USING") && cursor_.is_symbol("(", 1)) {
    cursor_.take();
    WEIR_ASSIGN(made.using_columns, name_list());
    if (made.lateral) {
      return parse_error("UNSUPPORTED_FEATURE.LATERAL_JOIN_USING", "0A000",
                         "The feature is not supported: JOIN USING with LATERAL correlation",
                         cursor_.origin_since(join_begin));
    }
  }
  made.left = std::move(left);
  return node(std::move(made), begin);
}

// TABLESAMPLE (10 PERCENT | n ROWS | BUCKET x OUT OF y) [REPEATABLE (seed)]
QueryParser::Planned QueryParser::sample(PlanPtr child, uint32_t begin) {
  if (!cursor_.is_word("TABLESAMPLE")) return child;
  if (cursor_.is_word("SYSTEM", 1)) return cursor_.unsupported("TABLESAMPLE SYSTEM");
  const bool bernoulli = cursor_.is_word("BERNOULLI", 1);
  if (!cursor_.is_symbol("(", bernoulli ? 2 : 1)) return child;
  const uint32_t sample_begin = cursor_.take().begin;
  if (bernoulli) cursor_.take();
  cursor_.take();
  plan::Sample made;
  made.child = std::move(child);
  const bool negative = cursor_.is_symbol("-") && cursor_.is_word("PERCENT", 2);
  const auto number_at = [&](size_t ahead) {
    double value = 0;
    const auto& text = cursor_.peek(ahead).text;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  if (cursor_.is_symbol(")")) {
    return parse_error("_LEGACY_ERROR_TEMP_0014", "", "TABLESAMPLE does not accept empty inputs",
                       cursor_.origin_since(sample_begin));
  }
  if (negative || (cursor_.peek().kind == TokenKind::kNumber && cursor_.is_word("PERCENT", 1))) {
    made.upper = number_at(negative ? 1 : 0) / 100 * (negative ? -1 : 1);
    cursor_.seek(cursor_.position() + (negative ? 3 : 2));
  } else if (cursor_.is_word("BUCKET") && cursor_.peek(1).kind == TokenKind::kNumber) {
    cursor_.take();
    WEIR_ASSIGN(const auto numerator, integer_literal());
    WEIR_TRY(cursor_.expect_word("OUT"));
    WEIR_TRY(cursor_.expect_word("OF"));
    WEIR_ASSIGN(const auto denominator, integer_literal());
    if (cursor_.is_word("ON")) return cursor_.unsupported("TABLESAMPLE (BUCKET … ON …)");
    made.upper =
        denominator == 0 ? 2 : static_cast<double>(numerator) / static_cast<double>(denominator);
  } else {
    WEIR_ASSIGN(made.rows, expression());
    if (!cursor_.accept_word("ROWS")) {
      return cursor_.is_symbol(")") ? cursor_.unsupported("TABLESAMPLE by bytes")
                                    : cursor_.unexpected();
    }
  }
  WEIR_TRY(cursor_.expect_symbol(")"));
  if (made.upper < -1e-6 || made.upper > 1 + 1e-6) {
    const auto message =
        fmt::format("Sampling fraction ({}) must be on interval [0, 1]", made.upper);
    return parse_error("_LEGACY_ERROR_TEMP_0064", "", message, cursor_.origin_since(sample_begin))
        .with_parameter("msg", message);
  }
  if (cursor_.accept_word("REPEATABLE")) {
    WEIR_TRY(cursor_.expect_symbol("("));
    WEIR_ASSIGN(made.seed, integer_literal());
    WEIR_TRY(cursor_.expect_symbol(")"));
  }
  return node(std::move(made), begin);
}

// PIVOT (aggregates FOR column IN (value [AS name], …))
QueryParser::Planned QueryParser::pivot(PlanPtr child, uint32_t begin) {
  cursor_.take();
  WEIR_TRY(cursor_.expect_symbol("("));
  plan::Pivot made;
  made.child = std::move(child);
  made.keys_implicit = true;
  WEIR_ASSIGN(made.list, named_expressions());
  WEIR_TRY(cursor_.expect_word("FOR"));
  const uint32_t columns_begin = cursor_.peek().begin;
  Names columns;
  if (cursor_.is_symbol("(")) {
    WEIR_ASSIGN(columns, name_list());
  } else {
    WEIR_ASSIGN(auto column, name());
    columns.push_back(std::move(column));
  }
  for (auto& column : columns) {
    WEIR_ASSIGN(auto reference, make(plan::ColumnReference{{std::move(column)}}, columns_begin));
    made.columns.push_back(std::move(reference));
  }
  WEIR_TRY(cursor_.expect_word("IN"));
  WEIR_TRY(cursor_.expect_symbol("("));
  do {
    WEIR_ASSIGN(auto value, named_expression());
    std::string name_given;
    if (const auto* named = std::get_if<plan::Alias>(&value->node)) {
      name_given = named->name;
      value = ExpressionPtr(named->child);
    }
    made.values.emplace_back(std::move(value), std::move(name_given));
  } while (cursor_.accept_symbol(","));
  WEIR_TRY(cursor_.expect_symbol(")"));
  WEIR_TRY(cursor_.expect_symbol(")"));
  return node(std::move(made), begin);
}

// UNPIVOT [INCLUDE | EXCLUDE NULLS] (value FOR name IN (column [AS alias], …)), or with several
// values in parentheses.
QueryParser::Planned QueryParser::unpivot(PlanPtr child, uint32_t begin) {
  cursor_.take();
  plan::Unpivot made;
  made.child = std::move(child);
  made.ids_implicit = true;
  made.include_nulls = cursor_.accept_words({"INCLUDE", "NULLS"});
  if (!made.include_nulls) cursor_.accept_words({"EXCLUDE", "NULLS"});
  WEIR_TRY(cursor_.expect_symbol("("));
  const bool several = cursor_.is_symbol("(");
  if (several) {
    WEIR_ASSIGN(made.value_names, name_list());
  } else {
    WEIR_ASSIGN(auto value, name());
    made.value_names.push_back(std::move(value));
  }
  WEIR_TRY(cursor_.expect_word("FOR"));
  WEIR_ASSIGN(made.variable_name, name());
  WEIR_TRY(cursor_.expect_word("IN"));
  WEIR_TRY(unpivot_columns(made, several));
  WEIR_TRY(cursor_.expect_symbol(")"));
  WEIR_ASSIGN(auto plan, node(std::move(made), begin));
  if (!cursor_.is_word("AS") &&
      (!at_name() || starts_clause(cursor_) || is_strict(cursor_.peek().upper)))
    return plan;
  cursor_.accept_word("AS");
  WEIR_ASSIGN(auto qualifier, name());
  return node(plan::SubqueryAlias{std::move(plan), {std::move(qualifier)}, {}}, begin);
}

base::Result<void> QueryParser::unpivot_columns(plan::Unpivot& made, bool several) {
  WEIR_TRY(cursor_.expect_symbol("("));
  do {
    std::vector<ExpressionPtr> set;
    if (several) WEIR_TRY(cursor_.expect_symbol("("));
    do {
      const uint32_t begin = cursor_.peek().begin;
      WEIR_ASSIGN(auto column, qualified_name());
      WEIR_ASSIGN(auto reference, make(plan::ColumnReference{std::move(column)}, begin));
      set.push_back(std::move(reference));
    } while (several && cursor_.accept_symbol(","));
    if (several) WEIR_TRY(cursor_.expect_symbol(")"));
    std::string alias_given;
    if (cursor_.accept_word("AS") || at_name()) {
      WEIR_ASSIGN(alias_given, name());
    }
    made.values.push_back(std::move(set));
    made.value_aliases.push_back(std::move(alias_given));
  } while (cursor_.accept_symbol(","));
  return cursor_.expect_symbol(")");
}

// LATERAL VIEW [OUTER] generator(…) table [AS column, …]
QueryParser::Planned QueryParser::lateral_views(PlanPtr child, uint32_t begin) {
  while (cursor_.accept_words({"LATERAL", "VIEW"})) {
    plan::LateralView made;
    made.outer = cursor_.accept_word("OUTER");
    made.child = std::move(child);
    WEIR_ASSIGN(made.generator, primary_expression());
    WEIR_ASSIGN(made.alias, name());
    if (cursor_.accept_word("AS") ||
        (at_name() && !starts_clause(cursor_) && !is_strict(cursor_.peek().upper))) {
      do {
        WEIR_ASSIGN(auto column, name());
        made.columns.push_back(std::move(column));
      } while (cursor_.accept_symbol(","));
    }
    WEIR_ASSIGN(child, node(std::move(made), begin));
  }
  return child;
}

// a.b, or 'text'
base::Result<std::string> QueryParser::property_key() {
  if (at_string()) return one_string_literal();
  WEIR_ASSIGN(auto parts, qualified_name());
  return fmt::format("{}", fmt::join(parts, "."));
}

// (key [=] value, …)
base::Result<plan::Options> QueryParser::properties(bool lower_keys) {
  plan::Options made;
  WEIR_TRY(cursor_.expect_symbol("("));
  do {
    WEIR_ASSIGN(auto key, property_key());
    if (lower_keys) boost::to_lower(key);
    cursor_.accept_symbol("=");
    std::string value;
    if (at_string()) {
      WEIR_ASSIGN(value, string_literal());
    } else if (!cursor_.is_symbol(",") && !cursor_.is_symbol(")")) {
      const uint32_t begin = cursor_.peek().begin;
      WEIR_ASSIGN(auto constant, expression());
      const auto* literal = std::get_if<plan::Literal>(&constant->node);
      const auto* text = literal ? std::get_if<std::string>(&literal->value) : nullptr;
      value = text ? *text : cursor_.source_since(begin);
      const bool flag = literal && std::holds_alternative<bool>(literal->value);
      if (flag) boost::to_lower(value);
    }
    made[std::move(key)] = std::move(value);
  } while (cursor_.accept_symbol(","));
  WEIR_TRY(cursor_.expect_symbol(")"));
  return made;
}

}  // namespace weir::sql
