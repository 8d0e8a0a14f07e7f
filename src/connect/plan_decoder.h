// Spark Connect's relations and expressions → plans and expressions of our own.
//
// One decoder reads one request. Nesting is bounded; what this program does not know is
// UNSUPPORTED_FEATURE by its name in the protocol, never left out.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "plan/plan_node.h"
#include "sql/parser.h"

namespace spark::connect {
class Aggregate;
class CommonInlineUserDefinedFunction;
class Expression;
class Expression_Alias;
class Expression_Literal;
class Expression_SortOrder;
class Expression_UnresolvedFunction;
class Expression_Window;
class Read;
class Relation;
class SQL;
class SubqueryExpression;
}  // namespace spark::connect
namespace google::protobuf {
class Any;
template <typename T>
class RepeatedPtrField;
}  // namespace google::protobuf

namespace weir::connect {

using base::Result;
using plan::ExpressionPtr;
using plan::PlanPtr;

// What decoding asks of the session. Functions may be empty: then what needs them is unsupported.
struct DecoderContext {
  // Bytes that the client has sent before, by their SHA-256 in hex.
  std::function<Result<std::shared_ptr<const std::string>>(const std::string& hash)> cached;
  // What a call of spark.catalog answers; the call is made at once. `relation` holds it.
  std::function<Result<PlanPtr>(const spark::connect::Relation& relation)> catalog;
  // A relation of another protocol inside this one (DeltaTable).
  std::function<Result<PlanPtr>(const google::protobuf::Any& message)> extension;
};

class PlanDecoder {
 public:
  explicit PlanDecoder(const DecoderContext& context) : context_(context) {}

  Result<PlanPtr> relation(const spark::connect::Relation& relation);
  Result<ExpressionPtr> expression(const spark::connect::Expression& expression);
  Result<std::vector<ExpressionPtr>> expressions(
      const google::protobuf::RepeatedPtrField<spark::connect::Expression>& list);
  // The text's parameters as expressions, from both forms (literals, expressions).
  template <typename Sql>
  Result<sql::ParseOptions> sql_parameters(const Sql& sql);
  // Relations that subqueries of later expressions name by their plan ids.
  Result<void> add_references(
      const google::protobuf::RepeatedPtrField<spark::connect::Relation>& references);

 private:
  friend class RelationReader;
  Result<PlanPtr> input(const spark::connect::Relation& relation);
  Result<PlanPtr> relation_kind(const spark::connect::Relation& relation);
  Result<PlanPtr> relation_statistics(const spark::connect::Relation& relation);
  Result<PlanPtr> relation_functions(const spark::connect::Relation& relation);
  Result<PlanPtr> relation_rows(const spark::connect::Relation& relation);
  Result<PlanPtr> read(const spark::connect::Read& read);
  Result<PlanPtr> sql(const spark::connect::SQL& sql);
  Result<PlanPtr> with_relations(const spark::connect::Relation& relation);
  Result<PlanPtr> aggregate(const spark::connect::Aggregate& aggregate);
  Result<std::vector<plan::SortKey>> sort_keys(
      const google::protobuf::RepeatedPtrField<spark::connect::Expression_SortOrder>& keys);
  Result<plan::SortKey> sort_key(const spark::connect::Expression_SortOrder& key);
  Result<ExpressionPtr> expression_kind(const spark::connect::Expression& expression);
  Result<ExpressionPtr> alias(const spark::connect::Expression_Alias& alias);
  Result<ExpressionPtr> call(
      const std::string& name,
      const google::protobuf::RepeatedPtrField<spark::connect::Expression>& arguments,
      bool distinct);
  Result<ExpressionPtr> window(const spark::connect::Expression_Window& window);
  Result<ExpressionPtr> subquery(const spark::connect::SubqueryExpression& subquery);
  Result<ExpressionPtr> python_call(
      const spark::connect::CommonInlineUserDefinedFunction& function);

  const DecoderContext& context_;
  std::map<int64_t, PlanPtr> references_;
  int depth_ = 0;
};

// An array, map or struct is a call that makes it.
Result<ExpressionPtr> read_literal(const spark::connect::Expression_Literal& literal);
// Where only a constant will do.
Result<plan::Literal> read_plain_literal(const spark::connect::Expression_Literal& literal);
void write_literal(const plan::DataType& type, const plan::Value& value,
                   spark::connect::Expression_Literal& out);

Result<std::shared_ptr<const plan::PythonFunction>> read_python_function(
    const spark::connect::CommonInlineUserDefinedFunction& function);
// "a.b.`c d`" → {a, b, "c d"}.
Result<std::vector<std::string>> split_name(std::string_view name);
// Option keys count in any case.
template <typename Map>
plan::Options read_options(const Map& options) {
  plan::Options read;
  for (const auto& [key, value] : options)
    read[base::lower_case(key)] = value;
  return read;
}

}  // namespace weir::connect
