// Typed operators: what a query means, every name resolved, every type known.
//
// An immutable tree. Expressions read their operator's input by position: the child's columns, for
// a join the left side's and then the right side's. Room relational turns the tree into DuckDB SQL
// with eval's kernels; room stream makes incremental runs of it. The same OperatorPtr may stand at
// several places (a CTE that is used twice).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "plan/expression.h"
#include "plan/plan_node.h"

namespace weir::plan {

class Table;  // catalog.h

using ColumnId =
    int64_t;  // the same through filters, joins and sorts; a computed column gets a new one

struct Column {
  std::string name;
  DataType type = DataType::of(columnar::TypeKind::kNull);
  bool nullable = true;
  ColumnId id = 0;
  std::vector<std::string>
      qualifier;  // ["spark_catalog", "default", "t"] or ["t"]; empty for computed columns
  base::JsonObject metadata;
  bool hidden =
      false;  // resolvable by name only, never part of a star: USING's other side, _metadata
};

namespace op {

struct Scan {
  std::shared_ptr<const Table> table;
  std::vector<int> columns;  // of the table's schema, ascending; what the operator gives
  TypedPtr condition;  // over `columns`; rows that do not meet it may be left out (files skipped).
                       // Null: none
};
struct LocalRows {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
};
struct OneRow {};  // one row, no columns
struct Range {
  int64_t start = 0;
  int64_t end = 0;
  int64_t step = 1;
};
struct Values {  // every expression foldable or at least without columns
  std::vector<std::vector<TypedPtr>> rows;
};
struct Project {
  OperatorPtr child;
  std::vector<TypedPtr> list;
};
struct Filter {
  OperatorPtr child;
  TypedPtr condition;
};
// Gives the keys, then the aggregates, then, where there are sets, spark_grouping_id (bigint).
struct Aggregate {
  OperatorPtr child;
  std::vector<TypedPtr> keys;
  std::vector<TypedPtr> aggregates;  // TypedCalls of aggregate functions
  std::vector<std::vector<int>>
      sets;  // positions in keys; empty: plain grouping. No keys and no sets: one row
};
struct Join {
  OperatorPtr left;
  OperatorPtr right;
  JoinKind kind = JoinKind::kInner;
  TypedPtr condition;    // null: none
  bool lateral = false;  // right reads left's columns as TypedOuterColumn of level 1
};
struct SetOperation {  // both sides have the same column types
  OperatorPtr left;
  OperatorPtr right;
  SetKind kind = SetKind::kUnion;
  bool all = false;
};
// WITH RECURSIVE: the left side's rows, then the right side's over them, then the right side's over
// those, until one has none. The right side reads the rows before as the RecursiveRows of this id.
struct Recursion {
  OperatorPtr left;
  OperatorPtr right;
  int64_t id = 0;
  int64_t level_max = -1;  // runs of the right side that are no error; -1: any number
  int64_t row_max = -1;    // rows in all that are no error; looked at where there is no limit
  std::optional<int64_t> limit = {};  // no more rows than these are read (-1: all)
};
struct RecursiveRows {
  int64_t id = 0;
};
struct Sort {
  OperatorPtr child;
  std::vector<TypedSortKey> keys;
};
struct Limit {
  OperatorPtr child;
  int64_t limit = -1;  // -1: all
  int64_t offset = 0;
};
struct Tail {
  OperatorPtr child;
  int64_t rows = 0;
};
struct Distinct {
  OperatorPtr child;
};
struct Deduplicate {  // one row (the first that comes) of those with equal keys
  OperatorPtr child;
  std::vector<int> keys;
  bool within_watermark = false;
};
// The child's columns, then one a function.
struct Window {
  OperatorPtr child;
  std::vector<TypedPtr> functions;  // TypedWindow
};
// The child's columns, then the generator's, a row for each row that the call gives.
struct Generate {
  OperatorPtr child;
  TypedPtr
      call;  // a TypedCall of a generator function; its type is array<struct<…>>, a struct a row
  bool outer = false;
};
struct Sample {
  OperatorPtr child;
  double lower = 0;
  double upper = 1;
  bool with_replacement = false;
  int64_t seed = 0;
  bool ordered = false;  // draws by the rows' order by value, the same in every part of a split
};
struct Watermark {
  OperatorPtr child;
  int column = 0;
  int64_t delay_us = 0;
  int64_t delay_months = 0;
};
struct Observe {
  OperatorPtr child;
  std::string name;
  std::vector<NamedTyped> metrics;  // over [aggregates…]
  std::vector<TypedPtr> aggregates;
};
struct MapPartitions {
  OperatorPtr child;
  std::shared_ptr<const PythonFunction> function;
};
struct GroupMap {
  OperatorPtr child;
  std::vector<TypedPtr> keys;
  std::shared_ptr<const PythonFunction> function;
  Options state;
};
struct CoGroupMap {
  OperatorPtr left;
  OperatorPtr right;
  std::vector<TypedPtr> left_keys;
  std::vector<TypedPtr> right_keys;
  std::shared_ptr<const PythonFunction> function;
};

}  // namespace op

using OperatorKind =
    std::variant<op::Scan, op::LocalRows, op::OneRow, op::Range, op::Values, op::Project,
                 op::Filter, op::Aggregate, op::Join, op::SetOperation, op::Recursion,
                 op::RecursiveRows, op::Sort, op::Limit, op::Tail, op::Distinct, op::Deduplicate,
                 op::Window, op::Generate, op::Sample, op::Watermark, op::Observe,
                 op::MapPartitions, op::GroupMap, op::CoGroupMap>;

struct Operator {
  OperatorKind node;
  std::vector<Column> columns;  // what it gives, hidden ones included
  bool streaming = false;
};

OperatorPtr make_operator(OperatorKind node, std::vector<Column> columns, bool streaming = false);
std::vector<OperatorPtr> children_of(const Operator& node);
// The columns as a schema (hidden ones left out).
Schema schema_of(const Operator& node);
// A tree as Spark prints plans: one operator a line, "+- " and "   " to the left.
std::string plan_text(const Operator& node);
// "Inner", "LeftOuter" …: the join's name in Spark's plans and messages.
std::string_view join_name(JoinKind kind);

}  // namespace weir::plan
