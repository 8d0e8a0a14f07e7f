// A query as it was written: what SQL text and Spark Connect are turned into, before names are
// resolved.
//
// An immutable tree of relations, close to Spark's own unresolved plan; Analyzer (analyzer.h) makes
// typed operators (operator.h) of it. No protobuf and no SQL text in here. Nodes that DataFrame
// calls are sugar for (withColumns, na.fill, describe …) stand for themselves, because what they
// mean depends on the child's schema.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "plan/expression.h"

namespace arrow {
class RecordBatch;
}

namespace weir::plan {

using Options = std::map<std::string, std::string>;  // keys lower case

// Which state of a table: by version or by timestamp expression (foldable), else the newest.
struct TableState {
  std::optional<int64_t> version;
  ExpressionPtr timestamp;
};

// A name of the catalog, or provider.`path` ("delta", "json" …; analysis finds out which).
struct NamedTable {
  std::vector<std::string> name;
  TableState state;
  Options options;
  bool streaming = false;
};
// spark.read.format(…).schema(…).options(…).load(paths)
struct DataSource {
  std::string format;  // lower case; empty: the session's default
  std::optional<Schema> schema;
  Options options;
  std::vector<std::string> paths;
  bool streaming = false;
};
// Rows that came with the query. The batches are columnar::to_arrow(schema).
struct LocalRows {
  Schema schema = Schema::structure({});
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
};
struct Values {  // VALUES (1, 'a'), (2, 'b'): columns col1, col2 …
  std::vector<std::vector<ExpressionPtr>> rows;
};
struct OneRow {};   // SELECT without FROM
struct RangeRows {  // column id BIGINT
  int64_t start = 0;
  int64_t end = 0;
  int64_t step = 1;
  std::optional<int> partitions;
};
// A table-valued function in FROM: range(…), explode(…), json_tuple …
struct TableFunction {
  ExpressionPtr call;
};

struct Project {
  PlanPtr child;
  std::vector<ExpressionPtr> list;  // stars, generators and window functions allowed
};
struct Filter {
  PlanPtr child;
  ExpressionPtr condition;
};
enum class GroupingKind : uint8_t { kPlain, kRollup, kCube, kSets };
// SELECT … GROUP BY … HAVING, df.groupBy().agg(). For kRollup, kCube and kSets `sets` holds the
// lists of positions in `keys` (kSets) or is empty (kRollup, kCube: all of keys).
struct Aggregate {
  PlanPtr child;
  GroupingKind kind = GroupingKind::kPlain;
  std::vector<ExpressionPtr> keys;  // ordinals and aliases of the list allowed where `sql`
  bool keys_all = false;            // GROUP BY ALL
  std::vector<std::vector<int>> sets;
  std::vector<ExpressionPtr>
      list;  // the select list; df.groupBy(keys).agg(list): the keys come first where not `sql`
  ExpressionPtr having;  // may be null
  bool sql = true;
};
// df.groupBy(keys).pivot(column, values).agg(list), or PIVOT (list FOR columns IN (values)).
struct Pivot {
  PlanPtr child;
  std::vector<ExpressionPtr> keys;
  bool keys_implicit = false;  // SQL: all columns that are not mentioned
  std::vector<ExpressionPtr> columns;
  std::vector<std::pair<ExpressionPtr, std::string>>
      values;  // and alias, may be empty. None: found by a query
  std::vector<ExpressionPtr> list;
};
struct Unpivot {
  PlanPtr child;
  std::vector<ExpressionPtr> ids;
  bool ids_implicit = false;                       // SQL: all columns that are not mentioned
  std::vector<std::vector<ExpressionPtr>> values;  // sets of columns; empty: all that are not ids
  std::vector<std::string> value_aliases;          // one a set, may be empty
  std::string variable_name;
  std::vector<std::string> value_names;
  bool include_nulls = true;
};
enum class JoinKind : uint8_t { kInner, kCross, kLeft, kRight, kFull, kLeftSemi, kLeftAnti };
struct Join {
  PlanPtr left;
  PlanPtr right;
  JoinKind kind = JoinKind::kInner;
  ExpressionPtr condition;  // null for none
  std::vector<std::string> using_columns;
  bool natural = false;
  bool lateral = false;  // the right side may read the left side's columns
};
enum class SetKind : uint8_t { kUnion, kIntersect, kExcept };
struct SetOperation {
  PlanPtr left;
  PlanPtr right;
  SetKind kind = SetKind::kUnion;
  bool all = false;
  bool by_name = false;
  bool allow_missing = false;
};
struct Sort {
  PlanPtr child;
  std::vector<SortKey> keys;  // ordinals allowed where `sql`
  bool global = true;         // false: sortWithinPartitions, SORT BY
  bool sql = false;
  bool all = false;  // ORDER BY ALL: then keys holds one, for its direction
};
struct Limit {
  PlanPtr child;
  ExpressionPtr limit;   // foldable; null: all
  ExpressionPtr offset;  // foldable; null: 0
};
struct Tail {
  PlanPtr child;
  int64_t rows = 0;
};
struct Distinct {
  PlanPtr child;
};
struct Deduplicate {  // dropDuplicates
  PlanPtr child;
  std::vector<std::string> columns;  // empty: all
  bool within_watermark = false;
};
struct SubqueryAlias {
  PlanPtr child;
  std::vector<std::string> alias;    // qualifier, usually one part
  std::vector<std::string> columns;  // empty: as they are
};
struct CommonTable {
  std::string name;
  std::vector<std::string> columns;
  PlanPtr plan;
  std::optional<int64_t> recursion_max = {};  // MAX RECURSION LEVEL n
};
struct With {
  std::vector<CommonTable> tables;  // a later one sees the earlier ones
  PlanPtr child;
  bool recursive = false;
};
// The plans that Subquery expressions below refer to by plan id live in the tree; this marks a node
// with its id.
struct PlanId {
  PlanPtr child;
  int64_t id = 0;
};
struct LateralView {  // LATERAL VIEW [OUTER] call alias AS columns
  PlanPtr child;
  bool outer = false;
  ExpressionPtr generator;
  std::string alias;
  std::vector<std::string> columns;
};
struct NamedWindow {
  std::string name;
  WindowSpec window;
};
struct WindowClause {  // WINDOW w AS (…): for the Project or Aggregate right below
  PlanPtr child;
  std::vector<NamedWindow> windows;
};
struct Sample {
  PlanPtr child;
  double lower = 0;
  double upper = 1;
  bool with_replacement = false;
  std::optional<int64_t> seed;
  std::optional<ExpressionPtr> rows;  // TABLESAMPLE (n ROWS)
  bool ordered = false;               // randomSplit: every part sees the rows in the same order
};
struct Repartition {  // and coalesce, hints: no effect on the rows
  PlanPtr child;
  std::optional<int> partitions;
  std::vector<ExpressionPtr> by;
  bool shuffle = true;
};
struct Hint {
  PlanPtr child;
  std::string name;
  std::vector<ExpressionPtr> parameters;
};
struct ToSchema {
  PlanPtr child;
  Schema schema = Schema::structure({});
};
struct ToDataFrame {  // toDF(names)
  PlanPtr child;
  std::vector<std::string> names;
};
struct WithColumns {
  PlanPtr child;
  std::vector<ExpressionPtr> columns;  // each an Alias
};
struct RenameColumns {
  PlanPtr child;
  std::vector<std::pair<std::string, std::string>>
      names;  // from, to; missing ones are left out silently
};
struct DropColumns {
  PlanPtr child;
  std::vector<ExpressionPtr> columns;  // references
  std::vector<std::string> names;      // missing ones are left out silently
};
struct FillNa {
  PlanPtr child;
  std::vector<std::string> columns;  // empty: all of a fitting type
  std::vector<Literal> values;       // one for all, or one a column
};
struct DropNa {
  PlanPtr child;
  std::vector<std::string> columns;
  std::optional<int> non_null_min;  // none: all have to be there
};
struct ReplaceValues {
  PlanPtr child;
  std::vector<std::string> columns;
  std::vector<std::pair<Literal, Literal>> values;  // from, to
};
struct Describe {  // describe() and summary(statistics)
  PlanPtr child;
  std::vector<std::string> columns;
  std::vector<std::string> statistics;
  bool summary = false;
};
enum class StatisticKind : uint8_t {
  kCrosstab,
  kCovariance,
  kCorrelation,
  kQuantiles,
  kFrequentItems,
  kSampleBy
};
struct Statistic {
  PlanPtr child;
  StatisticKind kind = StatisticKind::kCorrelation;
  std::vector<std::string> columns;
  std::vector<double> numbers;  // quantiles' probabilities and relative error last; support
  ExpressionPtr by;             // sampleBy's column
  std::vector<std::pair<Literal, double>> fractions;  // sampleBy
  std::optional<int64_t> seed;
};
struct WithWatermark {
  PlanPtr child;
  std::string column;
  std::string delay;  // "10 minutes"
};
struct Observe {
  PlanPtr child;
  std::string name;
  std::vector<ExpressionPtr> metrics;  // aliased aggregates
};
// mapInPandas, mapInArrow.
struct MapPartitions {
  PlanPtr child;
  std::shared_ptr<const PythonFunction> function;
  bool barrier = false;
};
// groupBy(keys).applyInPandas, applyInPandasWithState, transformWithState.
struct GroupMap {
  PlanPtr child;
  std::vector<ExpressionPtr> keys;
  std::shared_ptr<const PythonFunction> function;
  Options state;  // what the stateful kinds add, as stream's state operators name it
};
struct CoGroupMap {
  PlanPtr left;
  PlanPtr right;
  std::vector<ExpressionPtr> left_keys;
  std::vector<ExpressionPtr> right_keys;
  std::shared_ptr<const PythonFunction> function;
};
// A relation that the session keeps under an id (foreachBatch's batch, checkpoint()).
struct CachedRelation {
  std::string id;
};

using PlanNodeKind =
    std::variant<NamedTable, DataSource, LocalRows, Values, OneRow, RangeRows, TableFunction,
                 Project, Filter, Aggregate, Pivot, Unpivot, Join, SetOperation, Sort, Limit, Tail,
                 Distinct, Deduplicate, SubqueryAlias, With, PlanId, LateralView, WindowClause,
                 Sample, Repartition, Hint, ToSchema, ToDataFrame, WithColumns, RenameColumns,
                 DropColumns, FillNa, DropNa, ReplaceValues, Describe, Statistic, WithWatermark,
                 Observe, MapPartitions, GroupMap, CoGroupMap, CachedRelation>;

struct PlanNode {
  PlanNodeKind node;
  Origin origin;
  int height = 1;  // levels from here down; whoever builds a tree bounds it (kPlanHeightMax)
};
inline constexpr int kPlanHeightMax = 1000;

PlanPtr make_plan(PlanNodeKind node, Origin origin = {});
// The nodes right below, left to right (not those inside expressions).
std::vector<PlanPtr> children_of(const PlanNode& node);

}  // namespace weir::plan
