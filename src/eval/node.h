// The steps of a Program, as a tree. Immutable; what changes lives in the Frame of one evaluation.
#pragma once

#include <optional>
#include <vector>

#include "eval/kernel.h"

namespace weir::eval {

// The rows under evaluation: a batch, or those of a parent frame's rows that a guard let through.
// Columns are taken from the parent when first read.
class Frame {
 public:
  Frame(const arrow::RecordBatch& batch, const EvalContext& context, Zone zone);
  Frame(Frame& parent, std::shared_ptr<arrow::Array> rows_of_parent);

  Result<ArrayPtr> column(int index, const DataType& type);
  // A lambda's variable, by id: one value a row.
  void bind(int variable, ArrayPtr values) { variables_.emplace_back(variable, std::move(values)); }
  Result<ArrayPtr> variable(int id);
  int64_t rows() const { return rows_; }
  const EvalContext& context() const { return context_; }
  const Zone& zone() const { return zone_; }

 private:
  const arrow::RecordBatch* batch_ = nullptr;
  Frame* parent_ = nullptr;
  std::shared_ptr<arrow::Array> selection_;
  const EvalContext& context_;
  Zone zone_;
  int64_t rows_;
  std::vector<std::pair<int, ArrayPtr>> columns_;
  std::vector<std::pair<int, ArrayPtr>> variables_;
};

class Node {
 public:
  Node(plan::TypedPtr expression, bool can_fail);
  virtual ~Node() = default;
  virtual Result<Vector> evaluate(Frame& frame) const = 0;

  bool can_fail() const { return can_fail_; }
  const plan::Typed& expression() const { return *expression_; }
  const DataType& type() const { return expression_->type; }
  const std::shared_ptr<arrow::DataType>& arrow_type() const { return arrow_type_; }

 private:
  plan::TypedPtr expression_;
  std::shared_ptr<arrow::DataType> arrow_type_;
  bool can_fail_;
};

using NodePtr = std::shared_ptr<const Node>;

Result<NodePtr> compile_node(const plan::TypedPtr& expression);

// AND, OR, CASE, IF, COALESCE … (guards.cc)
NodePtr make_guard_node(const plan::TypedPtr& expression, std::vector<NodePtr> arguments);

// transform, filter, aggregate … (higher_order.cc)
bool is_higher_order(std::string_view function);
Result<NodePtr> make_higher_order_node(const plan::TypedPtr& expression);
NodePtr make_lambda_variable_node(const plan::TypedPtr& expression);

// The value as an array of one row.
Result<ArrayPtr> literal_array(const plan::Value& value, const DataType& type,
                               const std::shared_ptr<arrow::DataType>& arrow_type);
// The array's values at the indices (int32 or int64, NULL for NULL). Views of text are gathered,
// their bytes shared.
Result<ArrayPtr> take_rows(const ArrayPtr& array, const arrow::Array& indices);
// A constant spread over the rows; other vectors as they are.
Result<ArrayPtr> materialize(const Vector& vector, int64_t rows);
// The array in the layout that to_arrow() names: dictionaries decoded, views and large offsets
// turned to plain ones.
Result<ArrayPtr> canonical(const ArrayPtr& array, const std::shared_ptr<arrow::DataType>& type);

}  // namespace weir::eval
