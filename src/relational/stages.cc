// Where a query leaves DuckDB: the user's functions, which get streams of rows and give others.
#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/node.h"
#include "plan/named_argument.h"
#include "plan/operator_rewrites.h"
#include "plan/stateful_function.h"
#include "relational/errors.h"
#include "relational/observation.h"
#include "relational/python_plan.h"
#include "relational/recursion.h"
#include "relational/scan_source.h"
#include "relational/statement_builder.h"
#include "relational/steps.h"
#include "relational/stream_functions.h"

namespace weir::relational {

using plan::OperatorPtr;
using plan::TypedPtr;
namespace op = plan::op;

namespace {

using Open = std::function<Result<StreamPtr>()>;

// The rows of a stage as a table.
class StageSource final : public ScanSource {
 public:
  StageSource(columnar::Schema schema, Open open)
      : schema_(std::move(schema)), open_(std::move(open)) {}
  const columnar::Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "stage"; }
  std::string description() const override { return "rows of a user function"; }
  Result<std::vector<StreamPtr>> scan(const std::vector<int>& columns, const TypedPtr&,
                                      int) const override {
    WEIR_ASSIGN(auto stream, open_());
    std::vector<StreamPtr> streams;
    streams.push_back(pick_columns(std::move(stream), columns));
    return streams;
  }

 private:
  columnar::Schema schema_;
  Open open_;
};

}  // namespace

OperatorPtr stage_plan(std::vector<plan::Column> columns, Open open) {
  std::vector<columnar::Field> fields;
  op::Scan scan;
  for (const auto& column : columns) {
    scan.columns.push_back(static_cast<int>(fields.size()));
    fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
  }
  scan.table = std::make_shared<StageSource>(columnar::Schema::structure(std::move(fields)),
                                             std::move(open));
  return plan::make_operator(std::move(scan), std::move(columns));
}

namespace {

plan::Column column_of(const TypedPtr& expression, std::string name) {
  plan::Column column;
  column.name = std::move(name);
  column.type = expression->type;
  column.nullable = expression->nullable;
  return column;
}

// The first `kept` columns, then one a call: each call reads its arguments from the columns after.
class ScalarStage final : public BatchStream {
 public:
  ScalarStage(StreamPtr input, int kept, std::vector<UserCall> calls, UserFunctions& functions,
              columnar::Schema schema)
      : input_(std::move(input)),
        kept_(kept),
        calls_(std::move(calls)),
        functions_(functions),
        schema_(std::move(schema)) {}
  const columnar::Schema& schema() const override { return schema_; }

  Result<BatchPtr> next(std::stop_token stop) override {
    WEIR_ASSIGN(auto batch, input_->next(stop));
    if (!batch) return batch;
    arrow::ArrayVector arrays;
    for (int i = 0; i < kept_; ++i)
      arrays.push_back(batch->column(i));
    for (const auto& call : calls_) {
      arrow::FieldVector fields;
      arrow::ArrayVector arguments;
      for (const int column : call.arguments) {
        fields.push_back(
            batch->schema()->field(column)->WithName("_" + std::to_string(fields.size())));
        arguments.push_back(batch->column(column));
      }
      std::shared_ptr<arrow::Array> result;
      for (const auto& function : call.functions) {
        const auto given =
            arrow::RecordBatch::Make(arrow::schema(fields), batch->num_rows(), arguments);
        WEIR_ASSIGN(result, functions_.scalar(*function, given));
        if (result->length() != batch->num_rows())
          return base::error(base::ErrorKind::kInvalidArgument,
                             "the function {} gave {} values for {} rows", function->name,
                             result->length(), batch->num_rows());
        fields = {arrow::field("_0", result->type())};
        arguments = {result};
      }
      arrays.push_back(std::move(result));
    }
    arrow::FieldVector fields;
    for (size_t i = 0; i < arrays.size(); ++i)
      fields.push_back(arrow::field("c", arrays[i]->type()));
    return arrow::RecordBatch::Make(arrow::schema(fields), batch->num_rows(), arrays);
  }

 private:
  StreamPtr input_;
  int kept_;
  std::vector<UserCall> calls_;
  UserFunctions& functions_;
  columnar::Schema schema_;
};

const plan::TypedPython* python_call(const TypedPtr& expression) {
  return std::get_if<plan::TypedPython>(&expression->node);
}

// A call whose only argument is another call of the same kind: one worker runs both, one after the
// other, as Spark does (an iterator's function stands for itself).
const plan::TypedPython* chained_call(const plan::TypedPython& call) {
  constexpr int kPickled = 100, kArrow = 101, kPandas = 200;
  const int kind = call.function->eval_type;
  if (kind != kPickled && kind != kArrow && kind != kPandas) return nullptr;
  if (call.arguments.size() != 1) return nullptr;
  const auto* inner = python_call(call.arguments[0]);
  return inner && inner->function->eval_type == kind ? inner : nullptr;
}

// The calls of the user's functions whose arguments hold none, but for chains; all of one kind, and
// one only where a worker takes no more.
class StageCalls {
 public:
  void collect(const TypedPtr& expression) {
    if (!calls_python(*expression)) return;
    if (const auto* call = python_call(expression)) {
      const auto* last = call;
      while (const auto* inner = chained_call(*last))
        last = inner;
      bool inside = false;
      for (const auto& argument : last->arguments)
        inside = inside || calls_python(*argument);
      if (!inside) return add(expression, *call);
      for (const auto& argument : last->arguments)
        collect(argument);
      return;
    }
    for (const auto& child : plan::typed_children(*expression))
      collect(child);
  }
  const std::vector<TypedPtr>& found() const { return found_; }

 private:
  void add(const TypedPtr& expression, const plan::TypedPython& call) {
    for (const auto& known : found_) {
      if (known == expression ||
          (!is_volatile(*expression) && plan::same_expression(*known, *expression)))
        return;
    }
    constexpr int kPandasIterator = 204, kArrowIterator = 251;
    const int kind = call.function->eval_type;
    if (!found_.empty() && (kind != kind_ || kind == kPandasIterator || kind == kArrowIterator))
      return;  // in the next stage
    kind_ = kind;
    found_.push_back(expression);
  }
  std::vector<TypedPtr> found_;
  int kind_ = 0;
};

TypedPtr column_at(const TypedPtr& expression, int index) {
  return std::make_shared<const plan::Typed>(plan::Typed{
      expression->type, expression->nullable, plan::TypedColumn{index, {}}, expression->origin});
}

}  // namespace

Result<OperatorPtr> StatementBuilder::with_python_stage(const OperatorPtr& given,
                                                        std::vector<TypedPtr>& list) {
  auto child = given;
  while (true) {
    StageCalls collected;
    for (const auto& one : list)
      collected.collect(one);
    const auto calls = collected.found();
    if (calls.empty()) return child;
    if (!context_.functions) return unsupported("a user function");
    const bool outside = std::any_of(
        list.begin(), list.end(), [](const TypedPtr& one) { return has_subquery_or_outer(*one); });
    if (!outer_.empty() && (outside || reads_outside(*child)))
      return unsupported("a user function inside a correlated subquery");
    const int kept = static_cast<int>(child->columns.size());
    op::Project below{child, {}};
    auto columns = child->columns;
    for (int i = 0; i < kept; ++i) {
      const auto& column = child->columns[static_cast<size_t>(i)];
      below.list.push_back(std::make_shared<const plan::Typed>(
          plan::Typed{column.type, column.nullable, plan::TypedColumn{i, column.name}, {}}));
    }
    auto below_columns = columns;
    std::vector<UserCall> stage_calls;
    for (const auto& call : calls) {
      UserCall one;
      const auto* python = python_call(call);
      for (; const auto* inner = chained_call(*python); python = inner)
        one.functions.insert(one.functions.begin(), python->function);
      one.functions.insert(one.functions.begin(), python->function);
      one.names = plan::argument_names(*python);
      for (const auto& given_argument : python->arguments) {
        const auto argument = plan::python_argument(given_argument).value;
        one.arguments.push_back(static_cast<int>(below.list.size()));
        below_columns.push_back(column_of(argument, "_" + std::to_string(below.list.size())));
        below.list.push_back(argument);
      }
      stage_calls.push_back(std::move(one));
      columns.push_back(column_of(call, "python" + std::to_string(columns.size())));
    }
    for (auto& column : below_columns)
      column.hidden = false;
    const auto input = plan::make_operator(std::move(below), std::move(below_columns));
    std::vector<columnar::Field> fields;
    for (const auto& column : columns)
      fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
    Open open = [input, kept, stage_calls, context = context_,
                 schema = columnar::Schema::structure(std::move(fields))]() -> Result<StreamPtr> {
      WEIR_ASSIGN(auto stream, execute(input, context));
      if (auto* streams = dynamic_cast<StreamFunctions*>(context.functions))
        return streams->scalars(stage_calls, kept, std::move(stream));
      return StreamPtr(std::make_unique<ScalarStage>(std::move(stream), kept, stage_calls,
                                                     *context.functions, schema));
    };
    child = stage_plan(std::move(columns), std::move(open));
    const std::function<TypedPtr(const TypedPtr&)> replace = [&](const TypedPtr& part) -> TypedPtr {
      for (size_t i = 0; i < calls.size(); ++i) {
        if (part == calls[i] || (std::holds_alternative<plan::TypedPython>(part->node) &&
                                 !is_volatile(*part) && plan::same_expression(*part, *calls[i])))
          return column_at(part, kept + static_cast<int>(i));
      }
      return plan::map_typed_children(part, replace);
    };
    for (auto& one : list)
      one = replace(one);
  }
}

Result<std::string> StatementBuilder::operator()(const op::MapPartitions& node,
                                                 const plan::Operator& plan) {
  if (!context_.functions) return unsupported("a user function");
  if (!outer_.empty() && reads_outside(plan))
    return unsupported("a user function inside a correlated subquery");
  Open open = [child = node.child, function = node.function,
               context = context_]() -> Result<StreamPtr> {
    WEIR_ASSIGN(auto stream, execute(child, context));
    return context.functions->map(*function, std::move(stream));
  };
  return query(stage_plan(plan.columns, std::move(open)));
}

Result<std::string> StatementBuilder::operator()(const op::GroupMap& node,
                                                 const plan::Operator& plan) {
  if (!context_.functions) return unsupported("a user function");
  if (!outer_.empty() && reads_outside(plan))
    return unsupported("a user function inside a correlated subquery");
  if (!node.state.empty()) return unsupported("state of groups outside of a stream");
  const auto input = keyed_input(node.child, node.keys);
  Open open = [input, keys = static_cast<int>(node.keys.size()), function = node.function,
               context = context_]() -> Result<StreamPtr> {
    WEIR_ASSIGN(auto stream, execute(input, context));
    return context.functions->group_map(*function, keys, std::move(stream));
  };
  return query(stage_plan(plan.columns, std::move(open)));
}

Result<std::string> StatementBuilder::operator()(const op::Recursion&, const plan::Operator& plan) {
  if (plan::has_outer_columns(plan))
    return unsupported("WITH RECURSIVE that reads the query around it");
  Open open = [recursion = std::make_shared<const plan::Operator>(plan), context = context_] {
    return recursion_rows(recursion, context);
  };
  return query(stage_plan(plan.columns, std::move(open)));
}

Result<std::string> StatementBuilder::operator()(const op::RecursiveRows&, const plan::Operator&) {
  return base::error(base::ErrorKind::kInternal, "rows of a recursion outside of it");
}

Result<std::string> StatementBuilder::operator()(const op::CoGroupMap& node,
                                                 const plan::Operator& plan) {
  if (!context_.functions) return unsupported("a user function");
  if (!outer_.empty() && reads_outside(plan))
    return unsupported("a user function inside a correlated subquery");
  if (plan::transform_options(plan)) return unsupported("state of groups outside of a stream");
  const auto left = keyed_input(node.left, node.left_keys);
  const auto right = keyed_input(node.right, node.right_keys);
  Open open = [left, right, keys = static_cast<int>(node.left_keys.size()),
               function = node.function, context = context_]() -> Result<StreamPtr> {
    WEIR_ASSIGN(auto a, execute(left, context));
    WEIR_ASSIGN(auto b, execute(right, context));
    return context.functions->cogroup_map(*function, keys, std::move(a), std::move(b));
  };
  return query(stage_plan(plan.columns, std::move(open)));
}

// The keys, then the child's columns, sorted by the keys.
OperatorPtr StatementBuilder::keyed_input(const OperatorPtr& child,
                                          const std::vector<TypedPtr>& keys) {
  op::Project project{child, keys};
  std::vector<plan::Column> columns;
  op::Sort sort;
  for (size_t i = 0; i < keys.size(); ++i) {
    columns.push_back(column_of(keys[i], "key" + std::to_string(i)));
    sort.keys.push_back({column_at(keys[i], static_cast<int>(i)), true, true});
  }
  for (size_t i = 0; i < child->columns.size(); ++i) {
    const auto& column = child->columns[i];
    if (column.hidden) continue;
    columns.push_back(column);
    project.list.push_back(std::make_shared<const plan::Typed>(plan::Typed{
        column.type, column.nullable, plan::TypedColumn{static_cast<int>(i), column.name}, {}}));
  }
  sort.child = plan::make_operator(std::move(project), columns);
  if (sort.keys.empty()) return sort.child;
  return plan::make_operator(std::move(sort), std::move(columns));
}

Result<std::string> StatementBuilder::operator()(const op::Observe& node,
                                                 const plan::Operator& plan) {
  if (!context_.observations) return query(node.child);
  if (!outer_.empty() && reads_outside(plan))
    return unsupported("observe() inside a correlated subquery");
  op::Project all{node.child, {}};
  auto columns = node.child->columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].hidden = false;
    all.list.push_back(std::make_shared<const plan::Typed>(
        plan::Typed{columns[i].type,
                    columns[i].nullable,
                    plan::TypedColumn{static_cast<int>(i), columns[i].name},
                    {}}));
  }
  const auto input = plan::make_operator(std::move(all), std::move(columns));
  Open open = [input, node, context = context_]() -> Result<StreamPtr> {
    WEIR_ASSIGN(auto stream, execute(input, context));
    return context.observations->watch(node, std::move(stream), context);
  };
  return query(stage_plan(plan.columns, std::move(open)));
}

}  // namespace weir::relational
