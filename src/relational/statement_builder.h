// From typed operators to one DuckDB statement.
//
// Every operator becomes a SELECT that names its columns c0, c1 … by position. Leaves are inputs
// (DuckQuery::add_input). An expression becomes DuckDB's own where native_sql.h says that DuckDB
// does what Spark does; otherwise the largest tree around it that needs our kernels becomes a
// Program, called as a DuckDB function with the columns that it reads as arguments.
//
// `exact` false takes DuckDB's arithmetic where it gives Spark's value or an error; a query that
// then fails in DuckDB runs again with `exact`, where only our kernels calculate and errors are
// Spark's. A builder makes one statement and is used by one thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "eval/list_finishers.h"
#include "plan/function_catalog.h"
#include "relational/duck_types.h"
#include "relational/execution.h"

namespace weir::relational {

using columnar::DataType;
using columnar::Schema;

class ScanSource;

// What an expression's columns are called in SQL.
using Scope = std::vector<std::string>;

class StatementBuilder {
 public:
  StatementBuilder(const ExecutionContext& context, std::shared_ptr<DuckQuery> query, bool exact);

  // The whole statement: its columns are plan's, without the hidden ones. A plan without columns
  // gives one that means nothing.
  Result<std::string> statement(const plan::OperatorPtr& plan);

 private:
  // A SELECT (operators.cc).
  Result<std::string> query(const plan::OperatorPtr& plan);
  Result<std::string> build(const plan::OperatorPtr& plan);
  // The same as what stands in a FROM clause, with the conditions of its WHERE: joins, plain
  // conditions and choices of columns on top of one another become one FROM, so that DuckDB finds
  // the best order of all of the joins.
  struct Source {
    std::string from;
    Scope scope;
    std::string where;
    bool joined = false;  // `from` is several joined tables
    std::string clause() const { return where.empty() ? from : from + " WHERE " + where; }
    void also(const std::string& condition) {
      if (!condition.empty()) where += (where.empty() ? "" : " AND ") + condition;
    }
  };
  Result<Source> source(const plan::OperatorPtr& plan);
  Result<Source> wrapped(const plan::OperatorPtr& plan);
  Result<Source> join_source(const plan::op::Join& node);
  // Conjuncts with subqueries over one side of an outer join become a column of that side, which
  // DuckDB needs; what is left of the condition comes back as text over both.
  Result<std::string> join_condition(const plan::op::Join& node, Source& left, Source& right);
  bool is_shared(const plan::OperatorPtr& plan) const;
  // AND's operands, those that neither fail nor need our kernels apart.
  void split_condition(const plan::TypedPtr& condition, std::vector<plan::TypedPtr>& plain,
                       std::vector<plan::TypedPtr>& rest) const;
  Result<std::string> operator()(const plan::op::Scan& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::LocalRows& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::OneRow& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Range& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Values& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Project& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Filter& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Aggregate& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Join& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::SetOperation& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Recursion& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::RecursiveRows& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Sort& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Limit& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Tail& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Distinct& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Deduplicate& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Window& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Generate& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Sample& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Watermark& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::Observe& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::MapPartitions& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::GroupMap& node, const plan::Operator& plan);
  Result<std::string> operator()(const plan::op::CoGroupMap& node, const plan::Operator& plan);

  Result<Source> scan_source(const plan::op::Scan& node, const plan::Operator& plan);
  // An empty `from` where DuckDB cannot read the table's files itself.
  Source parquet_source(const ScanSource& table, const plan::op::Scan& node,
                        const plan::Operator& plan);

  // Expressions (expressions.cc).
  Result<std::string> expression(const plan::TypedPtr& expression, const Scope& scope);
  Result<std::string> native_call(const plan::Typed& expression, const plan::TypedCall& call,
                                  const Scope& scope);
  Result<std::string> program(const plan::TypedPtr& expression, const Scope& scope);
  Result<std::string> subquery(const plan::TypedSubquery& node, const Scope& scope);
  Result<std::string> condition(const plan::TypedPtr& expression, const Scope& scope);
  bool is_native(const plan::Typed& expression) const;
  Result<std::string> sort_key(const plan::TypedSortKey& key, const Scope& scope);

  // Aggregates, also over windows (aggregates.cc). `arguments` name columns.
  struct AggregateCall {
    const plan::Typed* expression = nullptr;
    const plan::TypedCall* call = nullptr;
    std::vector<std::string> arguments;
    std::string filter;              // a column, or empty
    std::vector<std::string> order;  // of WITHIN GROUP: "k1 DESC NULLS LAST"
    std::string over;                // " OVER (…)", or empty
  };
  Result<std::string> aggregate(const AggregateCall& call);
  Result<std::string> first_or_last(const AggregateCall& call, bool last);
  Result<std::string> extreme_of_nested(const AggregateCall& call, bool greatest);
  Result<std::string> distinct_estimate(const AggregateCall& call);
  Result<std::string> collected(const AggregateCall& call, const eval::ListFinisher& finisher);
  // An expression of bytes in the order of the values, for nested types.
  Result<std::string> order_bytes(const std::string& sql, const DataType& type);

  // A column of a SELECT below that holds the expression: interned.
  struct Computed {
    std::vector<plan::TypedPtr> expressions;
    std::vector<std::string> sql;
  };
  Result<std::string> computed_column(Computed& computed, const plan::TypedPtr& expression,
                                      const Scope& scope);
  static std::string computed_list(const Computed& computed);

  // The plan with the user's functions in `list` computed by a stage below: columns appended.
  Result<plan::OperatorPtr> with_python_stage(const plan::OperatorPtr& child,
                                              std::vector<plan::TypedPtr>& list);
  static plan::OperatorPtr keyed_input(const plan::OperatorPtr& child,
                                       const std::vector<plan::TypedPtr>& keys);

  // Windows and generators (row_operators.cc).
  Result<std::string> frame_bound(const plan::TypedFrameBound& bound, plan::FrameUnit unit,
                                  const DataType& key_type, bool lower);
  Result<std::string> window_clause(const plan::TypedWindow& window, Computed& computed,
                                    const Scope& scope);
  Result<std::string> window_function(const plan::Typed& expression, const plan::TypedCall& call,
                                      const std::vector<std::string>& arguments,
                                      const std::string& over);
  struct Generator {
    std::string list;
    std::vector<std::string> columns;
    bool outer = false;
  };
  Result<Generator> generator(const plan::Typed& expression, const Scope& scope);

  std::string fresh() { return "t" + std::to_string(++aliases_); }
  static Scope scope_of(const std::string& alias, size_t columns);
  static std::string names(const Scope& scope);

  const ExecutionContext& context_;
  std::shared_ptr<DuckQuery> query_;
  bool exact_;
  int aliases_ = 0;
  std::vector<Scope> outer_;
  std::map<const plan::Operator*, int> uses_;
  std::map<const plan::Operator*, std::string> shared_;
  std::vector<std::string> common_tables_;
};

// True where a value may raise an error when the expression is evaluated by our kernels.
bool may_fail(const plan::Typed& expression);
bool is_volatile(const plan::Typed& expression);
bool has_subquery_or_outer(const plan::Typed& expression);
// The expressions of the operator itself.
std::vector<plan::TypedPtr> expressions_of(const plan::Operator& plan);
// True where the plan, or a subquery in it, refers to columns of a query around it.
bool reads_outside(const plan::Operator& plan);
// A constant as DuckDB's SQL; empty where SQL text cannot hold it.
std::string literal_sql(const plan::Value& value, const columnar::DataType& type);

}  // namespace weir::relational
