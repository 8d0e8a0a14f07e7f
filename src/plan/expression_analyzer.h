// One expression as written to its typed form: names, functions, coercion, nullability.
//
// The resolver behind both analysis.h (expressions over a schema) and Analyzer (whole queries).
// What only a whole query knows (subqueries, columns of queries around, parameters, plan ids) it
// asks of a QueryContext; without one these are UNSUPPORTED_FEATURE.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plan/analysis.h"
#include "plan/function_catalog.h"
#include "plan/operator.h"

namespace weir::plan {

// A select list's item: what later clauses may call by its name.
struct SelectItem {
  std::string name;
  TypedPtr expression;
  bool aliased = false;  // named by the query
  Column column;         // what it is in the result
};

class QueryContext {
 public:
  virtual ~QueryContext() = default;
  // A subquery's plan, where `columns` are what it may read from outside.
  virtual Result<OperatorPtr> subquery(const PlanPtr& plan, const std::vector<Column>& columns) = 0;
  // A column of a query around this one, or null.
  virtual Result<TypedPtr> outer_column(const std::vector<std::string>& parts, size_t& used,
                                        const Origin& origin) = 0;
  // A column of the plan of that id, as it stands in `columns`.
  virtual Result<TypedPtr> plan_column(int64_t plan_id, const std::vector<std::string>& parts,
                                       size_t& used, const std::vector<Column>& columns,
                                       const Origin& origin) = 0;
  // How the column of the query `level` around this one is qualified.
  virtual std::vector<std::string> outer_qualifier(int level, int index) = 0;
  // The columns of the query `level` around this one; null where there is none.
  virtual const std::vector<Column>* outer_columns(int level) = 0;
  virtual std::shared_ptr<const PythonFunction> python_function(std::string_view name) = 0;
  // current_database() and the like; nullptr where it is none of them.
  virtual std::unique_ptr<Literal> constant_function(std::string_view name) = 0;
  virtual Result<Literal> parameter(const Parameter& parameter, const Origin& origin) = 0;
  virtual Result<Value> fold(const TypedPtr& expression) = 0;
  // The column that stands for this call of window().
  virtual Result<TypedPtr> time_window_column(const TypedPtr& call,
                                              const std::vector<Column>& columns) = 0;
  virtual int next_lambda_variable() = 0;
};

enum class Clause : uint8_t { kOther, kWhere, kGroupBy, kJoin };

struct ExpressionScope {
  const std::vector<Column>* columns = nullptr;
  // Names of the select list: looked at after the columns (lateral aliases, GROUP BY), or before
  // them (HAVING, ORDER BY; inside of aggregates the columns go first).
  const std::vector<SelectItem>* items = nullptr;
  bool items_first = false;
  // Items are referred to as columns from here on instead of being put in place.
  bool items_as_columns = false;
  const std::vector<NamedWindow>* windows = nullptr;
  bool aggregates = false;
  bool windows_allowed = false;
  bool generators = false;
  Clause clause = Clause::kOther;
};

// Positions of TypedColumns that do not mean a column of the input.
inline constexpr int kGroupingIdColumn = 1 << 26;  // the grouping id, before its place is known
inline constexpr int kGeneratedColumns = 1 << 27;  // + n: the generator's column n
inline constexpr int kItemColumns = 1 << 28;       // + n: the select list's item n

class ExpressionAnalyzer {
 public:
  ExpressionAnalyzer(const ExpressionScope& scope, const AnalysisOptions& options,
                     QueryContext* query)
      : scope_(scope), options_(options), query_(query), aggregates_(scope.aggregates) {}

  Result<TypedPtr> analyze(const Expression& expression);
  Result<TypedPtr> condition(const Expression& expression, std::string_view what);
  // An item of a select list: stars become several.
  Result<std::vector<SelectItem>> expand(const Expression& expression);

  // A call of a function on typed arguments: checked and coerced as if written.
  Result<TypedPtr> call(std::string_view function, std::vector<TypedPtr> arguments,
                        const Origin& origin);
  Result<TypedPtr> cast(const TypedPtr& child, const DataType& type, bool try_cast,
                        const std::string& text, const Origin& origin);
  // As an argument of this type: an implicit cast where it is of another.
  TypedPtr coerce(const TypedPtr& argument, const DataType& type) const;
  std::string name_of(const Expression& expression) const;
  // window(time, width [, slide [, start]]) with its durations in microseconds (time_windows.cc).
  Result<TypedPtr> time_window(const Call& call, const Origin& origin);
  // As part of another expression's name.
  std::string inner_name(const Expression& expression) const;

 private:
  struct LambdaFrame {
    std::vector<std::string> names;
    std::vector<TypedPtr> variables;
  };
  struct VariableType {
    DataType type;
    bool nullable;
  };

  Result<TypedPtr> visit(const Literal& literal, const Expression& whole);
  Result<TypedPtr> visit(const ColumnReference& reference, const Expression& whole);
  Result<TypedPtr> visit(const Star& star, const Expression& whole);
  Result<TypedPtr> visit(const ColumnRegex& regex, const Expression& whole);
  Result<TypedPtr> visit(const Call& call, const Expression& whole);
  Result<TypedPtr> visit(const CastTo& cast, const Expression& whole);
  Result<TypedPtr> visit(const Alias& alias, const Expression& whole);
  Result<TypedPtr> visit(const Extract& extract, const Expression& whole);
  Result<TypedPtr> visit(const Over& over, const Expression& whole);
  Result<TypedPtr> visit(const Lambda& lambda, const Expression& whole);
  Result<TypedPtr> visit(const LambdaVariable& variable, const Expression& whole);
  Result<TypedPtr> visit(const Subquery& subquery, const Expression& whole);
  Result<TypedPtr> visit(const UpdateField& update, const Expression& whole);
  Result<TypedPtr> visit(const Parameter& parameter, const Expression& whole);
  Result<TypedPtr> visit(const PythonCall& call, const Expression& whole);

  std::optional<Result<TypedPtr>> timestamp_literal(const CastTo& node, const Expression& whole);
  // expression_names.cc
  TypedPtr lambda_variable(std::string_view name) const;
  Result<TypedPtr> item_reference(const std::vector<std::string>& parts, size_t& used,
                                  const Origin& origin);
  Result<TypedPtr> scope_column(const std::vector<std::string>& parts, size_t& used,
                                const Origin& origin);
  Result<TypedPtr> take_field(const TypedPtr& child, const std::string& name, const Origin& origin);
  Result<TypedPtr> bare_function(const std::vector<std::string>& parts, const Expression& whole);
  Result<std::vector<SelectItem>> expand_star(const Star& star, const Origin& origin);
  Result<std::vector<SelectItem>> expand_regex(const ColumnRegex& regex, const Origin& origin,
                                               const std::vector<std::string>& qualifier = {});
  bool is_quoted_regex(const Expression& expression) const;
  Result<std::vector<SelectItem>> without_excepted(std::vector<SelectItem> items, const Star& star,
                                                   const Origin& origin);
  SelectItem item_of_column(size_t index, const Origin& origin) const;

  // expression_calls.cc
  Result<int64_t> window_duration(const Expression& expression);
  Result<TypedPtr> between(const Call& call, const Origin& origin);
  Result<TypedPtr> plain_call(const Call& call, const std::string& name, const Function& function,
                              const Expression& whole);
  Result<std::vector<TypedPtr>> arguments_of(const Call& call, const std::string& name,
                                             const Expression& whole);
  Result<TypedPtr> named_structure(const Call& call, std::vector<TypedPtr> values,
                                   const Expression& whole);
  Result<TypedPtr> timestamp_of_date(const Call& call, const std::string& name,
                                     const Expression& whole);
  void note_temporal_name(const Call& call, const std::string& name, const Typed& made,
                          const Expression& whole);
  Result<TypedPtr> call_function(const Function& function, std::string_view name,
                                 std::vector<TypedPtr> arguments, const Origin& origin);
  Result<TypedPtr> aggregate_call(const Call& call, const std::string& name,
                                  const Function& function, const Expression& whole);
  Result<TypedPtr> grouping_call(const Call& call, const std::string& name,
                                 const Expression& whole);
  base::Error aggregate_misplaced(const std::string& name, const Expression& whole) const;
  Result<Call> positional(const Call& call, const std::string& name, const Origin& origin) const;

  // expression_lambdas.cc
  Result<TypedPtr> higher_order(const Call& call, const std::string& name, const Function& function,
                                const Expression& whole);
  Result<TypedPtr> typed_lambda(const Expression& expression,
                                const std::vector<VariableType>& types, size_t required);

  // expression_windows.cc
  Result<WindowSpec> whole_spec(const WindowSpec& spec, const Origin& origin) const;
  Result<void> set_frame(TypedWindow& window, const WindowSpec& spec, const Function& function,
                         const Origin& origin);
  Result<TypedFrameBound> frame_bound(const FrameBound& bound, const TypedWindow& window,
                                      const Origin& origin);

  const ExpressionScope& scope_;
  const AnalysisOptions& options_;
  QueryContext* query_;
  bool aggregates_;
  bool in_aggregate_ = false;
  bool in_window_ = false;
  bool generator_here_ = false;
  std::vector<LambdaFrame> lambdas_;
  int lambda_ids_ = 0;
  std::unordered_map<const Expression*, std::string> names_;
  std::unordered_set<const Expression*> outer_names_;  // named outer(…) in names_
  // Names as a whole select item, where names_ has those inside of other expressions.
  std::unordered_map<const Expression*, std::string> top_names_;
};

// grouping(x) and grouping_id(…): functions that GROUP BY's analysis replaces.
const Function& grouping_function(bool id);

}  // namespace weir::plan
