#include "eval/node.h"

#include <algorithm>
#include <array>

#include <arrow/array/util.h>
#include <arrow/compute/api.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>

#include "columnar/arrow_types.h"
#include "eval/cast.h"

namespace weir::eval {

namespace {

bool is_text_layout(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return true;
    default:
      return false;
  }
}

// What kernels can read as it is: the type itself, or another layout of text.
Result<ArrayPtr> readable(ArrayPtr array, const DataType& type) {
  const auto wanted = columnar::to_arrow(type);
  if (array->type()->Equals(*wanted)) return array;
  if (is_text_layout(*wanted) && is_text_layout(*array->type())) return array;
  return canonical(array, wanted);
}

}  // namespace

Frame::Frame(const arrow::RecordBatch& batch, const EvalContext& context, Zone zone)
    : batch_(&batch), context_(context), zone_(zone), rows_(batch.num_rows()) {}

Frame::Frame(Frame& parent, std::shared_ptr<arrow::Array> rows_of_parent)
    : parent_(&parent),
      selection_(std::move(rows_of_parent)),
      context_(parent.context_),
      zone_(parent.zone_),
      rows_(selection_->length()) {}

Result<ArrayPtr> Frame::column(int index, const DataType& type) {
  for (const auto& [known, array] : columns_) {
    if (known == index) return array;
  }
  ArrayPtr array;
  if (batch_) {
    if (index >= batch_->num_columns()) {
      return base::error(base::ErrorKind::kInternal,
                         "an expression reads column {} of a batch of {}", index,
                         batch_->num_columns());
    }
    WEIR_ASSIGN(array, readable(batch_->column(index), type));
  } else {
    WEIR_ASSIGN(auto all, parent_->column(index, type));
    WEIR_ASSIGN(array, take_rows(all, *selection_));
  }
  columns_.emplace_back(index, array);
  return array;
}

Result<ArrayPtr> Frame::variable(int id) {
  for (const auto& [known, array] : variables_) {
    if (known == id) return array;
  }
  if (!parent_) {
    return base::error(base::ErrorKind::kInternal, "a lambda's variable has no value");
  }
  WEIR_ASSIGN(auto all, parent_->variable(id));
  WEIR_ASSIGN(auto array, take_rows(all, *selection_));
  variables_.emplace_back(id, array);
  return array;
}

Node::Node(plan::TypedPtr expression, bool can_fail)
    : expression_(std::move(expression)),
      arrow_type_(columnar::to_arrow(expression_->type)),
      can_fail_(can_fail) {}

namespace {

// Arrow's Take and Filter have no kernels for views.
template <typename Index>
Result<ArrayPtr> gather_views(const ArrayPtr& array, const arrow::Array& indices) {
  using View = std::array<uint8_t, 16>;
  const Vector source{array, false}, positions{arrow::MakeArray(indices.data()), false};
  const FixedReader<View> views(source);
  const FixedReader<Index> at(positions);
  FixedWriter<View> writer(indices.length());
  for (int64_t row = 0; row < indices.length(); ++row) {
    if (at.valid[row] && views.valid[at[row]]) {
      writer.set(row, views[at[row]]);
    } else {
      writer.set_null(row);
    }
  }
  const auto gathered = writer.finish(arrow::fixed_size_binary(16))->data();
  auto data = array->data()->Copy();
  data->length = indices.length();
  data->offset = 0;
  data->null_count = gathered->null_count.load();
  data->buffers[0] = gathered->buffers[0];
  data->buffers[1] = gathered->buffers[1];
  return arrow::MakeArray(std::move(data));
}

bool holds_views(const arrow::DataType& type) {
  if (type.id() == arrow::Type::STRING_VIEW || type.id() == arrow::Type::BINARY_VIEW) return true;
  for (const auto& child : type.fields()) {
    if (holds_views(*child->type())) return true;
  }
  return false;
}

// The same type with plain text in the place of views.
std::shared_ptr<arrow::DataType> without_views(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::LIST:
      return arrow::list(type->field(0)->WithType(without_views(type->field(0)->type())));
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields())
        fields.push_back(field->WithType(without_views(field->type())));
      return arrow::struct_(fields);
    }
    default:
      return type;
  }
}

}  // namespace

Result<ArrayPtr> take_rows(const ArrayPtr& array, const arrow::Array& indices) {
  if (array->type_id() == arrow::Type::STRING_VIEW ||
      array->type_id() == arrow::Type::BINARY_VIEW) {
    return indices.type_id() == arrow::Type::INT32 ? gather_views<int32_t>(array, indices)
                                                   : gather_views<int64_t>(array, indices);
  }
  if (holds_views(*array->type())) {
    WEIR_ASSIGN(auto plain, canonical(array, without_views(array->type())));
    return take_rows(plain, indices);
  }
  WEIR_ARROW_ASSIGN(auto taken, arrow::compute::Take(*array, indices));
  return taken;
}

Result<ArrayPtr> canonical(const ArrayPtr& array, const std::shared_ptr<arrow::DataType>& type) {
  if (array->type()->Equals(*type)) return array;
  if (array->type_id() == arrow::Type::NA) {
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(type, array->length()));
    return nulls;
  }
  if (is_text_layout(*array->type()) && is_text_layout(*type)) {
    const Vector source{array, false};
    const TextReader text(source);
    TextWriter writer(array->length());
    for (int64_t row = 0; row < array->length(); ++row) {
      if (text.valid[row]) {
        writer.add(text[row]);
      } else {
        writer.add_null();
      }
    }
    return writer.finish(type);
  }
  if (array->type()->id() == type->id() &&
      (type->id() == arrow::Type::STRUCT || type->id() == arrow::Type::LIST ||
       type->id() == arrow::Type::MAP)) {
    // Field names and nullability do not matter to the values: take the layout over where the
    // leaves agree.
    auto data = array->data()->Copy();
    bool same = data->child_data.size() == static_cast<size_t>(type->num_fields());
    for (int i = 0; same && i < type->num_fields(); ++i) {
      auto child = canonical(arrow::MakeArray(data->child_data[static_cast<size_t>(i)]),
                             type->field(i)->type());
      if (!child.ok()) return std::move(child).error();
      data->child_data[static_cast<size_t>(i)] = (*child)->data();
    }
    if (same) {
      data->type = type;
      return arrow::MakeArray(data);
    }
  }
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Unsafe(type);
  WEIR_ARROW_ASSIGN(auto cast, arrow::compute::Cast(*array, type, options));
  return cast;
}

Result<ArrayPtr> materialize(const Vector& vector, int64_t rows) {
  if (!vector.constant) return vector.array;
  if (rows == 1) return vector.array;
  if (vector.array->null_count() == 1 || vector.array->type_id() == arrow::Type::NA) {
    WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(vector.array->type(), rows));
    return nulls;
  }
  WEIR_ARROW_ASSIGN(auto scalar, vector.array->GetScalar(0));
  WEIR_ARROW_ASSIGN(auto spread, arrow::MakeArrayFromScalar(*scalar, rows));
  return spread;
}

Result<ArrayPtr> literal_array(const plan::Value& value, const DataType& type,
                               const std::shared_ptr<arrow::DataType>& arrow_type) {
  if (std::holds_alternative<std::monostate>(value)) {
    WEIR_ARROW_ASSIGN(auto null, arrow::MakeArrayOfNull(arrow_type, 1));
    return null;
  }
  if (const auto* flag = std::get_if<bool>(&value)) {
    BoolWriter writer(1);
    writer.set(0, *flag);
    return writer.finish();
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    TextWriter writer(1);
    writer.add(*text);
    return writer.finish(arrow_type);
  }
  const auto fixed = [&](auto number) {
    FixedWriter<decltype(number)> writer(1);
    writer.set(0, number);
    return writer.finish(arrow_type);
  };
  if (const auto* decimal = std::get_if<plan::Int128>(&value)) return fixed(*decimal);
  if (const auto* real = std::get_if<double>(&value)) {
    return type.is(TypeKind::kFloat) ? fixed(static_cast<float>(*real)) : fixed(*real);
  }
  const int64_t number = std::get<int64_t>(value);
  switch (type.kind()) {
    case TypeKind::kByte:
      return fixed(static_cast<int8_t>(number));
    case TypeKind::kShort:
      return fixed(static_cast<int16_t>(number));
    case TypeKind::kInteger:
    case TypeKind::kDate:
    case TypeKind::kYearMonthInterval:
      return fixed(static_cast<int32_t>(number));
    default:
      return fixed(number);
  }
}

namespace {

class LiteralNode final : public Node {
 public:
  LiteralNode(plan::TypedPtr expression, ArrayPtr array)
      : Node(std::move(expression), false), array_(std::move(array)) {}
  Result<Vector> evaluate(Frame&) const override { return Vector{array_, true}; }

 private:
  ArrayPtr array_;
};

class ColumnNode final : public Node {
 public:
  explicit ColumnNode(const plan::TypedPtr& expression)
      : Node(expression, false), index_(std::get<plan::TypedColumn>(expression->node).index) {}
  Result<Vector> evaluate(Frame& frame) const override {
    WEIR_ASSIGN(auto array, frame.column(index_, type()));
    return Vector{std::move(array), false};
  }

 private:
  int index_;
};

class FieldNode final : public Node {
 public:
  FieldNode(const plan::TypedPtr& expression, NodePtr child)
      : Node(expression, child->can_fail()),
        child_(std::move(child)),
        index_(std::get<plan::TypedField>(expression->node).index) {}
  Result<Vector> evaluate(Frame& frame) const override {
    WEIR_ASSIGN(auto parent, child_->evaluate(frame));
    const auto* structure = dynamic_cast<const arrow::StructArray*>(parent.array.get());
    if (!structure)
      return base::error(base::ErrorKind::kInternal, "a struct's column is no struct in the batch");
    WEIR_ARROW_ASSIGN(auto field, structure->GetFlattenedField(index_));
    WEIR_ASSIGN(auto array, readable(std::move(field), type()));
    return Vector{std::move(array), parent.constant};
  }

 private:
  NodePtr child_;
  int index_;
};

class CastNode final : public Node {
 public:
  CastNode(const plan::TypedPtr& expression, NodePtr child)
      : Node(expression, child->can_fail() || may_fail(expression)),
        child_(std::move(child)),
        try_cast_(std::get<plan::TypedCast>(expression->node).try_cast) {}
  Result<Vector> evaluate(Frame& frame) const override {
    WEIR_ASSIGN(auto input, child_->evaluate(frame));
    CastCall call{child_->type(),
                  type(),
                  frame.context().ansi,
                  try_cast_,
                  expression().origin,
                  frame.zone(),
                  frame.context().batch_timestamp_us};
    WEIR_ASSIGN(auto array, cast_vector(call, input, input.constant ? 1 : frame.rows()));
    return Vector{std::move(array), input.constant};
  }

 private:
  static bool may_fail(const plan::TypedPtr& expression) {
    const auto& cast = std::get<plan::TypedCast>(expression->node);
    return !cast.try_cast && plan::cast_may_fail(cast.child->type, expression->type);
  }
  NodePtr child_;
  bool try_cast_;
};

bool kernel_can_fail(const plan::Typed& expression) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  if (!call.function->can_fail) return false;
  const auto name = call.function->name;
  // Floating point arithmetic overflows to infinity.
  if (plan::is_fractional(expression.type) &&
      (name == "+" || name == "-" || name == "*" || name == "negative" || name == "abs")) {
    return false;
  }
  if (name == "like" || name == "rlike" || name == "ilike" || name == "date_format" ||
      name == "from_unixtime") {
    // With a constant pattern they fail for every row or none; guards make no difference worth a
    // selection.
    return !std::holds_alternative<plan::TypedLiteral>(call.arguments.back()->node);
  }
  return true;
}

class CallNode final : public Node {
 public:
  CallNode(const plan::TypedPtr& expression, Kernel kernel, std::vector<NodePtr> arguments,
           bool can_fail)
      : Node(expression, can_fail), kernel_(kernel), arguments_(std::move(arguments)) {}
  Result<Vector> evaluate(Frame& frame) const override {
    std::vector<Vector> inputs;
    bool constant = std::get<plan::TypedCall>(expression().node).function->deterministic;
    for (const auto& argument : arguments_) {
      WEIR_ASSIGN(auto input, argument->evaluate(frame));
      constant &= input.constant;
      inputs.push_back(std::move(input));
    }
    KernelCall call{expression(), std::get<plan::TypedCall>(expression().node),
                    arrow_type(), frame.context(),
                    frame.zone(), constant ? 1 : frame.rows()};
    WEIR_ASSIGN(auto array, run_kernel(kernel_, call, inputs));
    return Vector{std::move(array), constant};
  }

 private:
  Kernel kernel_;
  std::vector<NodePtr> arguments_;
};

}  // namespace

Result<NodePtr> compile_node(const plan::TypedPtr& expression) {
  if (const auto* literal = std::get_if<plan::TypedLiteral>(&expression->node)) {
    WEIR_ASSIGN(auto array, literal_array(literal->value, expression->type,
                                          columnar::to_arrow(expression->type)));
    return std::make_shared<const LiteralNode>(expression, std::move(array));
  }
  if (std::holds_alternative<plan::TypedColumn>(expression->node))
    return std::make_shared<const ColumnNode>(expression);
  if (const auto* field = std::get_if<plan::TypedField>(&expression->node)) {
    WEIR_ASSIGN(auto child, compile_node(field->child));
    return std::make_shared<const FieldNode>(expression, std::move(child));
  }
  if (const auto* cast = std::get_if<plan::TypedCast>(&expression->node)) {
    WEIR_ASSIGN(auto child, compile_node(cast->child));
    return std::make_shared<const CastNode>(expression, std::move(child));
  }
  if (std::holds_alternative<plan::TypedLambdaVariable>(expression->node))
    return make_lambda_variable_node(expression);
  const auto* typed_call = std::get_if<plan::TypedCall>(&expression->node);
  if (!typed_call) {
    return kernel_error("UNSUPPORTED_FEATURE", "0A000",
                        "weir cannot evaluate this kind of expression row by row.",
                        expression->origin);
  }
  const auto& call = *typed_call;
  if (std::any_of(call.arguments.begin(), call.arguments.end(), [](const auto& argument) {
        return std::holds_alternative<plan::TypedLambda>(argument->node);
      }))
    return make_higher_order_node(expression);
  std::vector<NodePtr> arguments;
  bool can_fail = kernel_can_fail(*expression);
  for (const auto& argument : call.arguments) {
    WEIR_ASSIGN(auto node, compile_node(argument));
    can_fail |= node->can_fail();
    arguments.push_back(std::move(node));
  }
  if (is_special_form(*call.function)) return make_guard_node(expression, std::move(arguments));
  const auto kernel = find_kernel(call.function->name);
  if (!kernel) {
    return kernel_error(
        "UNSUPPORTED_FEATURE", "0A000",
        fmt::format(
            "The function `{}` cannot be evaluated row by row{}.", call.function->name,
            call.function->kind == plan::FunctionKind::kAggregate ? " (it is an aggregate)" : ""),
        expression->origin);
  }
  return std::make_shared<const CallNode>(expression, kernel, std::move(arguments), can_fail);
}

}  // namespace weir::eval
