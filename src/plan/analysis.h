// Analysis: from what was written to typed expressions, by Spark's rules.
//
// Resolves names against a schema (case-insensitively unless set otherwise; qualifiers; struct
// fields; stars), finds functions in the catalog, inserts the casts that Spark's coercion inserts
// (ANSI or not), and works out types and nullability. Errors carry Spark's error class and point at
// the text: UNRESOLVED_COLUMN.WITH_SUGGESTION, AMBIGUOUS_REFERENCE, UNRESOLVED_ROUTINE,
// WRONG_NUM_ARGS.WITHOUT_SUGGESTION, DATATYPE_MISMATCH.*, FIELD_NOT_FOUND, MISSING_AGGREGATION, …
// Stateless: may be called from any thread.
#pragma once

#include <string>
#include <vector>

#include "plan/expression.h"

namespace weir::plan {

struct AnalysisOptions {
  bool ansi = true;
  bool case_sensitive = false;
  std::string session_zone = "UTC";
  bool timestamp_ntz = false;  // TIMESTAMP without more means TIMESTAMP_NTZ
  bool quoted_regex = false;   // quoted names in a select list are patterns of names
};

// What names can be resolved against: the columns, and the qualifiers under which they may be
// called.
struct Scope {
  const Schema* schema = nullptr;
  std::vector<std::string> qualifiers;  // e.g. {"t"}; the column may be written t.a
};

// A typed expression; aliases are dropped, aggregates refused.
Result<TypedPtr> analyze_expression(const Expression& expression, const Scope& scope,
                                    const AnalysisOptions& options = {});
// As analyze_expression for a filter: has to be boolean (a NULL literal is cast).
Result<TypedPtr> analyze_condition(const Expression& expression, const Scope& scope,
                                   const AnalysisOptions& options = {});
// A select list: stars expanded, names given. No aggregates.
Result<std::vector<NamedTyped>> analyze_select_list(const std::vector<ExpressionPtr>& list,
                                                    const Scope& scope,
                                                    const AnalysisOptions& options = {});
// As analyze_select_list, aggregates allowed anywhere (a TypedCall of an aggregate function inside
// the tree).
Result<std::vector<NamedTyped>> analyze_aggregate_list(const std::vector<ExpressionPtr>& list,
                                                       const Scope& scope,
                                                       const AnalysisOptions& options = {});

bool contains_aggregate(const Expression& expression);
bool contains_aggregate(const Typed& expression);

// The schema of a select list's result.
Schema schema_of(const std::vector<NamedTyped>& list);

// An error of a class, with its place: "<message> SQLSTATE: <state>\n== SQL (line …) ==…".
base::Error analysis_error(std::string error_class, std::string_view sql_state, std::string message,
                           const Origin& origin);

}  // namespace weir::plan
