// A query as a small logical plan.
//
// The parser gives an unresolved Query; resolve_query() turns it, with the schema of its relation,
// into a ResolvedQuery: what to filter before grouping, what to group by, which aggregates, what to
// compute afterwards, and the order. Both are immutable once made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/analysis.h"
#include "plan/expression.h"

namespace weir::plan {

// Which state of a table: by version or by timestamp expression (foldable), else the newest.
struct TimeTravel {
  std::optional<int64_t> version;
  ExpressionPtr timestamp;
};

// delta.`PATH`, json.`PATH` …: provider and path. A relation without provider is a name of a
// catalog.
struct Relation {
  std::string provider;           // lower case; empty for a named table
  std::vector<std::string> name;  // path alone where there is a provider
  TimeTravel time_travel;
  std::string alias;  // empty where there is none
  Origin origin;
};

struct Query {
  bool distinct = false;
  std::vector<ExpressionPtr> select;
  std::optional<Relation> from;  // none: one row without columns
  ExpressionPtr where;
  bool group_by_all = false;
  std::vector<ExpressionPtr> group_by;
  ExpressionPtr having;
  std::vector<SortKey> order_by;
  ExpressionPtr limit;  // foldable; null for none
  ExpressionPtr offset;
  std::shared_ptr<const std::string> text;
};
using QueryPtr = std::shared_ptr<const Query>;

struct ResolvedAggregate {
  const Function* function = nullptr;
  TypedPtr argument;           // over the relation's columns; null for count(*)
  std::vector<TypedPtr> more;  // further arguments (count(DISTINCT a, b))
  bool distinct = false;
  DataType type = DataType::of(columnar::TypeKind::kNull);
  Origin origin;
};

struct ResolvedSortKey {
  int column = 0;  // position in `projection`
  bool ascending = true;
  bool nulls_first = true;
};

// The steps in the order in which they run.
struct ResolvedQuery {
  TypedPtr where;  // over the relation's columns; null for none
  bool grouped = false;
  std::vector<TypedPtr> group_keys;           // over the relation's columns
  std::vector<ResolvedAggregate> aggregates;  // over the relation's columns
  // Over [group_keys…, aggregates…] where grouped, else over the relation's columns:
  TypedPtr having;
  std::vector<NamedTyped> projection;  // the select list, then hidden sort expressions
  int visible = 0;                     // how many of the projection are the result
  bool distinct = false;               // of the visible columns
  std::vector<ResolvedSortKey> order_by;
  ExpressionPtr limit;
  ExpressionPtr offset;
};

Result<ResolvedQuery> resolve_query(const Query& query, const Schema& relation,
                                    const AnalysisOptions& options = {});

}  // namespace weir::plan
