// Expressions as they are written (Expression) and as analysis understands them (Typed).
//
// Both are immutable trees held by shared_ptr, so parts may be shared between plans and threads.
// Operators, CASE, IN, LIKE and IF are calls of catalog functions ("+", "when", "in" …), as Spark
// Connect sends them; only what has a shape of its own (cast, alias, star, extraction) is a node.
// Every node knows where in the text it came from, so that an error, at analysis or for a row, can
// point at it as Spark does.
#pragma once

#include <cstdint>
#include <memory>
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

struct Literal {
  DataType type;
  Value value;
};
struct ColumnReference {
  std::vector<std::string>
      parts;  // qualifiers, the column, struct fields: analysis finds out which is which
};
struct Star {
  std::vector<std::string> qualifier;  // empty for *; "data" for data.*
};
struct Call {
  std::string function;  // any case
  std::vector<ExpressionPtr> arguments;
  bool distinct = false;
};
struct CastTo {
  ExpressionPtr child;
  DataType type;
  bool try_cast = false;  // NULL where the value does not convert
};
struct Alias {
  ExpressionPtr child;
  std::string name;
};
struct Extract {  // child[key], child.key (then key is a string literal)
  ExpressionPtr child;
  ExpressionPtr key;
};

using ExpressionNode = std::variant<Literal, ColumnReference, Star, Call, CastTo, Alias, Extract>;

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
// As Spark's SQL text in messages: strings quoted.
std::string expression_sql(const Expression& expression);

struct Function;  // function_catalog.h

struct Typed;
using TypedPtr = std::shared_ptr<const Typed>;

struct TypedLiteral {
  Value value;
};
struct TypedColumn {
  int index = 0;  // position in the schema that analysis was given
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
struct TypedCall {
  const Function* function = nullptr;
  std::vector<TypedPtr> arguments;  // already of the types that the function works on
  bool distinct = false;
};

struct Typed {
  DataType type;
  bool nullable = true;
  std::variant<TypedLiteral, TypedColumn, TypedField, TypedCast, TypedCall> node;
  Origin origin;
};

struct NamedTyped {
  std::string name;
  TypedPtr expression;
};

// Positions of the input columns that the expressions read, ascending, each once.
std::vector<int> columns_needed(const std::vector<TypedPtr>& expressions);
// The same expression over other column positions: new_index[old] (-1: not there, a bug if read).
TypedPtr remap_columns(const TypedPtr& expression, const std::vector<int>& new_index);

bool same_expression(const Typed& a, const Typed& b);

// "\n== SQL (line 1, position 8) ==\nSELECT 1/0\n       ^^^", empty where the origin has no text.
std::string origin_context(const Origin& origin);

}  // namespace weir::plan
