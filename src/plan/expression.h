// Expressions as they are written (Expression) and as analysis understands them (Typed).
//
// Both are immutable trees held by shared_ptr, so parts may be shared between plans and threads.
// Operators, CASE, IN, LIKE and IF are calls of catalog functions ("+", "when", "in" …), as Spark
// Connect sends them; only what has a shape of its own (cast, alias, star, extraction) is a node.
// Every node knows where in the text it came from, so that an error, at analysis or for a row, can
// point at it as Spark does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"

namespace weir::plan {

using base::Result;
using columnar::DataType;
using columnar::Schema;

using Int128 = __int128;

// Where in a statement's text a node stands: bytes [begin, end). text is null for built
// expressions.
struct Origin {
  std::shared_ptr<const std::string> text;
  uint32_t begin = 0;
  uint32_t end = 0;
};

// The smallest origin that covers both.
Origin cover(const Origin& first, const Origin& last);

// A constant. By type: monostate NULL; bool; int64_t for byte … long, date (days), timestamps (µs),
// intervals (µs or months); double for float and double; Int128 the unscaled decimal; string for
// string and binary.
using Value = std::variant<std::monostate, bool, int64_t, double, Int128, std::string>;

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;
struct PlanNode;  // plan_node.h
using PlanPtr = std::shared_ptr<const PlanNode>;

struct Literal {
  DataType type;
  Value value;
};
struct ColumnReference {
  std::vector<std::string>
      parts;  // qualifiers, the column, struct fields: analysis finds out which is which
  std::optional<int64_t> plan_id = {};  // the column of this plan's output (df["a"] in PySpark)
};
struct Star {
  std::vector<std::string> qualifier;                 // empty for *; "data" for data.*
  std::vector<std::vector<std::string>> except = {};  // * EXCEPT (a, b.c)
  std::optional<int64_t> plan_id = {};
};
struct ColumnRegex {  // df.colRegex("`a.*`")
  std::string pattern;
  std::optional<int64_t> plan_id = {};
};
struct SortKey {
  ExpressionPtr expression;
  bool ascending = true;
  bool nulls_first = true;
};
struct Call {
  std::string function;  // any case
  std::vector<ExpressionPtr> arguments;
  bool distinct = false;
  std::vector<std::string> argument_names =
      {};                          // f(a => 1): empty, or one a given argument ("" unnamed)
  ExpressionPtr filter = nullptr;  // FILTER (WHERE …)
  bool ignore_nulls = false;
  std::vector<SortKey> within_group = {};  // WITHIN GROUP (ORDER BY …)
};
struct CastTo {
  ExpressionPtr child;
  DataType type;
  bool try_cast = false;  // NULL where the value does not convert
};
struct Alias {
  ExpressionPtr child;
  std::string name;
  std::vector<std::string> more_names = {};  // a generator's further columns: AS (a, b)
  std::string metadata = {};                 // JSON of the field's metadata; empty: the child's
};
struct Extract {  // child[key], child.key (then key is a string literal)
  ExpressionPtr child;
  ExpressionPtr key;
};
enum class FrameUnit : uint8_t { kRows, kRange };
struct FrameBound {
  enum class Kind : uint8_t { kUnboundedPreceding, kValue, kCurrentRow, kUnboundedFollowing };
  Kind kind = Kind::kUnboundedPreceding;
  ExpressionPtr value = nullptr;  // kValue: signed, negative is PRECEDING
};
struct WindowFrame {
  FrameUnit unit = FrameUnit::kRange;
  FrameBound lower;
  FrameBound upper;
};
struct WindowSpec {
  std::string name = {};  // OVER w: a window of the WINDOW clause that this one starts from
  std::vector<ExpressionPtr> partition_by;
  std::vector<SortKey> order_by;
  std::optional<WindowFrame> frame;
};
struct Over {  // function OVER (…)
  ExpressionPtr function;
  WindowSpec window;
};
struct Lambda {  // (x, y) -> body
  std::vector<std::string> parameters;
  ExpressionPtr body;
};
struct LambdaVariable {  // as Spark Connect sends it; in SQL text it is a ColumnReference
  std::string name;
};
enum class SubqueryKind : uint8_t { kScalar, kExists, kIn };
struct Subquery {
  SubqueryKind kind = SubqueryKind::kScalar;
  PlanPtr plan;
  std::vector<ExpressionPtr> values;  // kIn: the left side, one a column
};
struct UpdateField {  // withField("a.b", value); without a value dropFields("a.b")
  ExpressionPtr child;
  std::string field;
  ExpressionPtr value = nullptr;
};
struct Parameter {  // :name, or ? number `position`
  std::string name = {};
  int position = 0;
};
// A function of the user's, run by a worker process.
struct PythonFunction {
  std::string name;
  int eval_type = 0;  // PySpark's PythonEvalType
  DataType result = DataType::of(columnar::TypeKind::kNull);
  std::string command;  // pickled by the client; opaque here
  std::string python_version;
  bool deterministic = true;
};
struct PythonCall {
  std::shared_ptr<const PythonFunction> function;
  std::vector<ExpressionPtr> arguments;
};

using ExpressionNode =
    std::variant<Literal, ColumnReference, Star, Call, CastTo, Alias, Extract, ColumnRegex, Over,
                 Lambda, LambdaVariable, Subquery, UpdateField, Parameter, PythonCall>;

struct Expression {
  ExpressionNode node;
  Origin origin;
  int height = 1;  // levels of the tree from here down; parsers bound it, so that recursion over a
                   // tree is safe
};

ExpressionPtr make_expression(ExpressionNode node, Origin origin = {});

// The name Spark gives an expression without alias: "(a + 1)", "count(1)", the last part of a
// column reference.
std::string default_name(const Expression& expression);
// As default_name, with what analysis found out: `look` gives the text of a node (a column as the
// schema writes it, a star's columns), or nullptr for the node's own.
using NameLookup = std::function<const std::string*(const Expression&)>;
std::string default_name(const Expression& expression, const NameLookup& look);
// As Spark's SQL text in messages: strings quoted.
std::string expression_sql(const Expression& expression);

struct Function;  // function_catalog.h

struct Typed;
using TypedPtr = std::shared_ptr<const Typed>;

struct Operator;  // operator.h
using OperatorPtr = std::shared_ptr<const Operator>;

struct TypedLiteral {
  Value value;
};
struct TypedColumn {
  int index =
      0;  // position in the input: the schema, or the child operators' columns one after the other
  std::string name;
};
// A column of a query around this one: `level` 1 is the operator whose expression holds the
// subquery (or the left side of a lateral join), 2 the one around that.
struct TypedOuterColumn {
  int level = 1;
  int index = 0;
  std::string name;
};
struct TypedField {
  TypedPtr child;  // of struct type
  int index = 0;
};
struct TypedCast {
  TypedPtr child;
  bool try_cast = false;
  bool implicit = false;  // put there by coercion
};
struct TypedSortKey {
  TypedPtr expression;
  bool ascending = true;
  bool nulls_first = true;
};
struct TypedCall {
  const Function* function = nullptr;
  std::vector<TypedPtr> arguments;  // already of the types that the function works on
  bool distinct = false;
  TypedPtr filter = nullptr;  // aggregates: only rows where this is true
  bool ignore_nulls = false;
  std::vector<TypedSortKey> within_group = {};
};
// The argument of a higher-order function. Its body reads the row's columns and the variables.
struct TypedLambda {
  std::vector<int> variables;  // ids, unique within the whole expression
  std::vector<DataType> variable_types;
  TypedPtr body;
};
struct TypedLambdaVariable {
  int id = 0;
  std::string name;
};
struct TypedSubquery {
  SubqueryKind kind = SubqueryKind::kScalar;
  OperatorPtr plan;
  std::vector<TypedPtr> values;  // kIn; of the types of the plan's columns
};
struct TypedFrameBound {
  FrameBound::Kind kind = FrameBound::Kind::kUnboundedPreceding;
  TypedPtr value = nullptr;  // constant
};
// Found only as a function of a Window operator.
struct TypedWindow {
  TypedPtr function;  // a TypedCall of an aggregate or window function
  std::vector<TypedPtr> partition_by;
  std::vector<TypedSortKey> order_by;
  FrameUnit unit = FrameUnit::kRange;
  TypedFrameBound lower;
  TypedFrameBound upper;
};
struct TypedPython {
  std::shared_ptr<const PythonFunction> function;
  std::vector<TypedPtr> arguments;
};

struct Typed {
  DataType type;
  bool nullable = true;
  std::variant<TypedLiteral, TypedColumn, TypedField, TypedCast, TypedCall, TypedOuterColumn,
               TypedLambda, TypedLambdaVariable, TypedSubquery, TypedWindow, TypedPython>
      node;
  Origin origin;
};

struct NamedTyped {
  std::string name;
  TypedPtr expression;
};

// Positions of the input columns that the expressions (and their subqueries, as outer columns)
// read, ascending, each once.
std::vector<int> columns_needed(const std::vector<TypedPtr>& expressions);
// The same expression over other column positions: new_index[old] (-1: not there, a bug if read).
TypedPtr remap_columns(const TypedPtr& expression, const std::vector<int>& new_index);

// The expressions right below, and the same expression with them replaced. Plans of subqueries are
// not entered.
std::vector<TypedPtr> typed_children(const Typed& expression);
TypedPtr map_typed_children(const TypedPtr& expression,
                            const std::function<TypedPtr(const TypedPtr&)>& replace);

bool same_expression(const Typed& a, const Typed& b);

// "\n== SQL (line 1, position 8) ==\nSELECT 1/0\n       ^^^", empty where the origin has no text.
std::string origin_context(const Origin& origin);

}  // namespace weir::plan
