// GROUP BY in all its forms, HAVING, and the |> operators.
#include <map>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "sql/keywords.h"
#include "sql/query_parser.h"

namespace weir::sql {

using plan::ExpressionPtr;
using plan::PlanPtr;

namespace {

constexpr size_t kGroupingSetsMax = 4096;

using Set = std::vector<ExpressionPtr>;
using Sets = std::vector<Set>;

// The text of an expression without blanks, to find the same key again.
std::string key_text(const ExpressionPtr& key) {
  if (!key->origin.text) return plan::expression_sql(*key);
  const auto text = std::string_view(*key->origin.text)
                        .substr(key->origin.begin, key->origin.end - key->origin.begin);
  std::string made;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      quote = c == quote ? 0 : quote;
    } else if (c == '\'' || c == '"' || c == '`') {
      quote = c;
    } else if (std::isspace(static_cast<unsigned char>(c))) {
      continue;
    }
    made += quote != 0 ? c : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return made;
}

Set joined(const Set& a, const Set& b) {
  Set made = a;
  made.insert(made.end(), b.begin(), b.end());
  return made;
}

Sets rollup(const Sets& parts) {
  Sets sets{{}};
  for (const auto& part : parts)
    sets.push_back(joined(sets.back(), part));
  return {sets.rbegin(), sets.rend()};
}

Sets cube(const Sets& parts) {
  Sets sets{{}};
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const Sets before = sets;
    sets.clear();
    for (const auto& set : before)
      sets.push_back(joined(*part, set));
    sets.insert(sets.end(), before.begin(), before.end());
  }
  return sets;
}

struct Element {
  plan::GroupingKind kind = plan::GroupingKind::kPlain;
  Sets parts;  // as written
  Sets sets;   // what it stands for
};

}  // namespace

// (a, b), () or a
base::Result<std::vector<ExpressionPtr>> QueryParser::grouping_set() {
  Set made;
  if (cursor_.is_symbol("(") && cursor_.is_symbol(")", 1)) {
    cursor_.take();
    cursor_.take();
    return made;
  }
  WEIR_ASSIGN(auto key, expression());
  const auto* row = std::get_if<plan::Call>(&key->node);
  if (row && row->function == "struct" && (*key->origin.text)[key->origin.begin] == '(')
    return row->arguments;
  made.push_back(std::move(key));
  return made;
}

namespace {

bool at_analytics(const TokenCursor& cursor) {
  return ((cursor.is_word("ROLLUP") || cursor.is_word("CUBE")) && cursor.is_symbol("(", 1)) ||
         (cursor.is_words({"GROUPING", "SETS"}) && cursor.is_symbol("(", 2));
}

}  // namespace

// ROLLUP (…), CUBE (…), GROUPING SETS (…): the sets it stands for; `parts` as written.
base::Result<std::vector<std::vector<ExpressionPtr>>> QueryParser::grouping_analytics(
    plan::GroupingKind& kind, std::vector<std::vector<ExpressionPtr>>& parts, uint32_t clause) {
  const Nesting nesting(nesting_);
  WEIR_TRY(deeper());
  const std::string word = cursor_.take().upper;
  kind = word == "ROLLUP" ? plan::GroupingKind::kRollup
         : word == "CUBE" ? plan::GroupingKind::kCube
                          : plan::GroupingKind::kSets;
  if (kind == plan::GroupingKind::kSets) cursor_.take();
  WEIR_TRY(cursor_.expect_symbol("("));
  bool has_empty = false;
  do {
    if (kind == plan::GroupingKind::kSets && at_analytics(cursor_)) {
      plan::GroupingKind inner_kind;
      Sets inner_parts;
      WEIR_ASSIGN(auto inner, grouping_analytics(inner_kind, inner_parts, clause));
      parts.insert(parts.end(), inner.begin(), inner.end());
    } else {
      WEIR_ASSIGN(auto set, grouping_set());
      has_empty = has_empty || set.empty();
      parts.push_back(std::move(set));
    }
    if (parts.size() > kGroupingSetsMax) return cursor_.unexpected("too many grouping sets");
  } while (cursor_.accept_symbol(","));
  WEIR_TRY(cursor_.expect_symbol(")"));
  if (kind == plan::GroupingKind::kSets) return parts;
  if (has_empty) {
    return parse_error("_LEGACY_ERROR_TEMP_0051", "",
                       "Empty set in " + word + " grouping sets is not supported",
                       cursor_.origin_since(clause))
        .with_parameter("element", word);
  }
  if (kind == plan::GroupingKind::kCube && parts.size() > 12)
    return cursor_.unexpected("too many grouping sets");
  return kind == plan::GroupingKind::kRollup ? rollup(parts) : cube(parts);
}

base::Result<void> QueryParser::grouping(plan::Aggregate& made) {
  const uint32_t clause = cursor_.peek().begin;
  if (!cursor_.accept_words({"GROUP", "BY"})) return {};
  std::vector<Element> elements;
  bool analytics = false;
  do {
    Element element;
    if (at_analytics(cursor_)) {
      analytics = true;
      WEIR_ASSIGN(element.sets, grouping_analytics(element.kind, element.parts, clause));
    } else {
      WEIR_ASSIGN(auto key, made.sql ? expression() : named_expression());
      element.sets = {{std::move(key)}};
    }
    elements.push_back(std::move(element));
  } while (cursor_.accept_symbol(","));
  std::map<std::string, int> positions;
  const auto position_of = [&](const ExpressionPtr& key) {
    const auto [found, added] =
        positions.emplace(key_text(key), static_cast<int>(made.keys.size()));
    if (added) made.keys.push_back(key);
    return found->second;
  };
  const auto add_sets = [&](const Sets& sets) {
    for (const auto& set : sets) {
      std::vector<int> at;
      for (const auto& key : set)
        at.push_back(position_of(key));
      made.sets.push_back(std::move(at));
    }
  };
  if (!analytics) {
    for (const auto& element : elements)
      made.keys.push_back(element.sets[0][0]);
    if (cursor_.accept_words({"WITH", "ROLLUP"})) made.kind = plan::GroupingKind::kRollup;
    if (cursor_.accept_words({"WITH", "CUBE"})) made.kind = plan::GroupingKind::kCube;
    if (at_analytics(cursor_)) {  // GROUP BY a, b GROUPING SETS (…)
      for (int i = 0; i < static_cast<int>(made.keys.size()); ++i)
        positions.emplace(key_text(made.keys[static_cast<size_t>(i)]), i);
      plan::GroupingKind kind;
      Sets parts;
      WEIR_ASSIGN(auto sets, grouping_analytics(kind, parts, clause));
      made.kind = plan::GroupingKind::kSets;
      add_sets(sets);
    }
    const auto* only =
        made.keys.size() == 1 ? std::get_if<plan::ColumnReference>(&made.keys[0]->node) : nullptr;
    if (made.sql && made.kind == plan::GroupingKind::kPlain && only && only->parts.size() == 1 &&
        boost::to_lower_copy(only->parts[0]) == "all" &&
        (*made.keys[0]->origin.text)[made.keys[0]->origin.begin] != '`') {
      made.keys.clear();
      made.keys_all = true;
    }
    return {};
  }
  // One ROLLUP or CUBE of single keys stays what it is.
  if (elements.size() == 1 && elements[0].kind != plan::GroupingKind::kSets) {
    bool simple = true;
    std::map<std::string, int> seen;
    for (const auto& part : elements[0].parts)
      simple = simple && part.size() == 1 && seen.emplace(key_text(part[0]), 0).second;
    if (simple) {
      made.kind = elements[0].kind;
      for (const auto& part : elements[0].parts)
        made.keys.push_back(part[0]);
      return {};
    }
  }
  made.kind = plan::GroupingKind::kSets;
  Sets product{{}};
  for (const auto& element : elements) {
    Sets next;
    if (product.size() * element.sets.size() > kGroupingSetsMax)
      return cursor_.unexpected("too many grouping sets");
    for (const auto& before : product) {
      for (const auto& set : element.sets)
        next.push_back(joined(before, set));
    }
    product = std::move(next);
  }
  // The keys in the order in which they are written.
  for (const auto& element : elements) {
    for (const auto& part : element.parts.empty() ? element.sets : element.parts) {
      for (const auto& key : part)
        position_of(key);
    }
  }
  add_sets(product);
  return {};
}

QueryParser::Planned QueryParser::aggregate(PlanPtr child, std::vector<ExpressionPtr> list,
                                            uint32_t begin) {
  plan::Aggregate made;
  made.child = std::move(child);
  made.list = std::move(list);
  WEIR_TRY(grouping(made));
  if (cursor_.accept_word("HAVING")) {
    WEIR_ASSIGN(made.having, expression());
  }
  return node(std::move(made), begin);
}

// |> AGGREGATE list [GROUP BY keys]: the keys come first.
QueryParser::Planned QueryParser::pipe_aggregate(PlanPtr child, uint32_t begin) {
  plan::Aggregate made;
  made.child = std::move(child);
  made.sql = false;
  if (!cursor_.is_words({"GROUP", "BY"})) {
    WEIR_ASSIGN(made.list, named_expressions());
  }
  WEIR_TRY(grouping(made));
  return node(std::move(made), begin);
}

QueryParser::Planned QueryParser::pipe(PlanPtr child, uint32_t begin) {
  const Nesting nesting(nesting_);
  if (cursor_.is_word("SELECT")) return select_over(std::move(child));
  if (cursor_.accept_word("EXTEND")) {
    WEIR_ASSIGN(auto all, make(plan::Star{}, begin));
    plan::Project made{std::move(child), {std::move(all)}};
    WEIR_ASSIGN(auto list, named_expressions());
    made.list.insert(made.list.end(), list.begin(), list.end());
    return node(std::move(made), begin);
  }
  if (cursor_.accept_word("SET")) {
    plan::WithColumns made{std::move(child), {}};
    do {
      const uint32_t column_begin = cursor_.peek().begin;
      WEIR_ASSIGN(auto column, name());
      WEIR_TRY(cursor_.expect_symbol("="));
      WEIR_ASSIGN(auto value, expression());
      WEIR_ASSIGN(auto named, make(plan::Alias{std::move(value), std::move(column)}, column_begin));
      made.columns.push_back(std::move(named));
    } while (cursor_.accept_symbol(","));
    return node(std::move(made), begin);
  }
  if (cursor_.accept_word("DROP")) {
    plan::DropColumns made{std::move(child), {}, {}};
    do {
      const uint32_t column_begin = cursor_.peek().begin;
      WEIR_ASSIGN(auto column, name());
      WEIR_ASSIGN(auto reference, make(plan::ColumnReference{{std::move(column)}}, column_begin));
      made.columns.push_back(std::move(reference));
    } while (cursor_.accept_symbol(","));
    return node(std::move(made), begin);
  }
  if (cursor_.accept_word("AS")) {
    WEIR_ASSIGN(auto qualifier, name());
    return node(plan::SubqueryAlias{std::move(child), {std::move(qualifier)}, {}}, begin);
  }
  if (cursor_.accept_word("WHERE")) {
    WEIR_ASSIGN(auto condition, expression());
    return node(plan::Filter{std::move(child), std::move(condition)}, begin);
  }
  if (cursor_.accept_word("AGGREGATE")) return pipe_aggregate(std::move(child), begin);
  if (cursor_.is_word("PIVOT")) return pivot(std::move(child), begin);
  if (cursor_.is_word("UNPIVOT")) return unpivot(std::move(child), begin);
  if (cursor_.is_word("TABLESAMPLE")) return sample(std::move(child), begin);
  if (at_join()) return join(std::move(child), begin);
  for (const auto* word : {"UNION", "EXCEPT", "MINUS", "INTERSECT"}) {
    if (!cursor_.is_word(word)) continue;
    WEIR_ASSIGN(auto made, set_operation_head());
    WEIR_ASSIGN(made.right, query_primary());
    made.left = std::move(child);
    return node(std::move(made), begin);
  }
  const auto before = cursor_.position();
  WEIR_ASSIGN(auto made, organize(std::move(child), begin));
  if (cursor_.position() == before) return cursor_.unexpected();
  return made;
}

}  // namespace weir::sql
