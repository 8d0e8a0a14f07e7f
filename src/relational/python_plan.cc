#include "relational/python_plan.h"

#include <map>
#include <optional>

#include "plan/function_catalog.h"
#include "plan/named_argument.h"
#include "plan/operator_rewrites.h"
#include "plan/python_calls.h"
#include "relational/errors.h"
#include "relational/stream_functions.h"

namespace weir::relational {

using plan::OperatorPtr;
using plan::TypedPtr;
namespace op = plan::op;

namespace {

plan::Column column_of(const TypedPtr& expression, std::string name) {
  plan::Column column;
  column.name = std::move(name);
  column.type = expression->type;
  column.nullable = expression->nullable;
  return column;
}

bool in_plan(const plan::Operator& plan) {
  for (const auto& one : plan::operator_expressions(plan)) {
    if (calls_python(*one)) return true;
  }
  for (const auto& child : plan::children_of(plan)) {
    if (in_plan(*child)) return true;
  }
  return false;
}

// A projection that keeps the child's columns and adds expressions behind them.
class Extension {
 public:
  explicit Extension(OperatorPtr child) : child_(std::move(child)), columns_(child_->columns) {
    for (size_t i = 0; i < columns_.size(); ++i)
      list_.push_back(plan::column_at(columns_, i));
  }
  TypedPtr column(const TypedPtr& expression) {
    for (size_t i = child_->columns.size(); i < list_.size(); ++i) {
      if (list_[i] == expression ||
          (plan::is_deterministic(*expression) && plan::same_expression(*list_[i], *expression)))
        return plan::column_at(columns_, i);
    }
    list_.push_back(expression);
    columns_.push_back(column_of(expression, "python" + std::to_string(list_.size())));
    return plan::column_at(columns_, list_.size() - 1);
  }
  // With the calls of user functions (the outermost) replaced by columns.
  TypedPtr without_calls(const TypedPtr& expression) {
    const auto* call = std::get_if<plan::TypedPython>(&expression->node);
    if (call && !plan::is_python_aggregate(*expression)) return column(expression);
    return plan::map_typed_children(expression,
                                    [&](const TypedPtr& child) { return without_calls(child); });
  }
  OperatorPtr make() const { return plan::make_operator(op::Project{child_, list_}, columns_); }

 private:
  OperatorPtr child_;
  std::vector<plan::Column> columns_;
  std::vector<TypedPtr> list_;
};

class Placement {
 public:
  explicit Placement(const ExecutionContext& context) : context_(context) {}

  OperatorPtr place(const OperatorPtr& node) {
    if (const auto found = done_.find(node.get()); found != done_.end()) return found->second;
    auto made = own(
        plan::map_operator_children(node, [&](const OperatorPtr& child) { return place(child); }));
    done_[node.get()] = made;
    return made;
  }
  std::optional<base::Error> failure;

 private:
  OperatorPtr own(const OperatorPtr& node) {
    bool any = false;
    for (const auto& one : plan::operator_expressions(*node))
      any = any || calls_python(*one);
    if (!any || failure) return node;
    if (const auto* aggregate = std::get_if<op::Aggregate>(&node->node)) {
      if (!aggregate->aggregates.empty() && plan::is_python_aggregate(*aggregate->aggregates[0]))
        return aggregates_stage(*aggregate, *node);
      return below(node, aggregate->child);
    }
    if (const auto* sort = std::get_if<op::Sort>(&node->node)) return below(node, sort->child);
    if (const auto* window = std::get_if<op::Window>(&node->node)) {
      const auto made = below(node, window->child);
      return without_middle(made, window->child->columns.size(), node->columns);
    }
    if (const auto* join = std::get_if<op::Join>(&node->node)) return join_then_filter(*join, node);
    return node;
  }

  OperatorPtr below(const OperatorPtr& node, const OperatorPtr& child) {
    Extension extension(child);
    const auto over = plan::map_operator_expressions(
        node, [&](const TypedPtr& one) { return extension.without_calls(one); });
    return plan::map_operator_children(over, [&](const OperatorPtr&) { return extension.make(); });
  }

  // A Window gives its child's columns, of which there are more now, and then its own.
  static OperatorPtr without_middle(const OperatorPtr& node, size_t width,
                                    const std::vector<plan::Column>& columns) {
    const auto& child = std::get<op::Window>(node->node).child;
    auto all = child->columns;
    all.insert(all.end(), columns.begin() + static_cast<std::ptrdiff_t>(width), columns.end());
    op::Project project{plan::make_operator(node->node, all), {}};
    const size_t more = all.size() - columns.size();
    for (size_t i = 0; i < columns.size(); ++i)
      project.list.push_back(plan::column_at(all, i < width ? i : i + more));
    return plan::make_operator(std::move(project), columns);
  }

  OperatorPtr join_then_filter(const op::Join& join, const OperatorPtr& node) {
    if (join.kind != plan::JoinKind::kInner && join.kind != plan::JoinKind::kCross) {
      failure =
          base::error(base::ErrorKind::kUnsupported,
                      "The feature is not supported: Python UDF in the ON clause of an outer, "
                      "semi or anti JOIN. In case of an INNER JOIN consider rewriting to a "
                      "CROSS JOIN with a WHERE clause.")
              .with_class("UNSUPPORTED_FEATURE.PYTHON_UDF_IN_ON_CLAUSE")
              .with_sql_state("0A000");
      return node;
    }
    auto inner = join;
    std::vector<TypedPtr> plain, calling;
    conjuncts(join.condition, plain, calling);
    inner.condition = both(plain);
    return plan::make_operator(
        op::Filter{plan::make_operator(std::move(inner), node->columns), both(calling)},
        node->columns);
  }

  static void conjuncts(const TypedPtr& condition, std::vector<TypedPtr>& plain,
                        std::vector<TypedPtr>& calling) {
    const auto* call = std::get_if<plan::TypedCall>(&condition->node);
    if (call && call->function->name == "and") {
      for (const auto& side : call->arguments)
        conjuncts(side, plain, calling);
      return;
    }
    (calls_python(*condition) ? calling : plain).push_back(condition);
  }
  static TypedPtr both(const std::vector<TypedPtr>& conditions) {
    TypedPtr whole;
    for (const auto& one : conditions) {
      if (!whole) {
        whole = one;
        continue;
      }
      plan::TypedCall call;
      call.function = plan::find_function("and");
      call.arguments = {whole, one};
      whole =
          plan::make_typed(plan::DataType::of(columnar::TypeKind::kBoolean), true, std::move(call));
    }
    return whole;
  }

  // The keys and all arguments, sorted by the keys, go to the workers.
  OperatorPtr aggregates_stage(const op::Aggregate& node, const plan::Operator& whole) {
    if (!dynamic_cast<StreamFunctions*>(context_.functions)) {
      failure = unsupported("A user function");
      return node.child;
    }
    if (!node.sets.empty()) {
      failure = unsupported("A grouped aggregate of Python over grouping sets");
      return node.child;
    }
    op::Project project{node.child, node.keys};
    std::vector<plan::Column> columns;
    op::Sort sort;
    for (const auto& key : node.keys) {
      columns.push_back(column_of(key, "key" + std::to_string(columns.size())));
      sort.keys.push_back({plan::column_at(columns, columns.size() - 1), true, true});
    }
    std::vector<UserCall> calls;
    for (const auto& aggregate : node.aggregates) {
      const auto& python = std::get<plan::TypedPython>(aggregate->node);
      UserCall call{{python.function}, {}, plan::argument_names(python)};
      for (const auto& given : python.arguments) {
        const auto argument = plan::python_argument(given).value;
        call.arguments.push_back(static_cast<int>(project.list.size()));
        columns.push_back(column_of(argument, "_" + std::to_string(columns.size())));
        project.list.push_back(argument);
      }
      calls.push_back(std::move(call));
    }
    auto input = plan::make_operator(std::move(project), columns);
    if (!sort.keys.empty()) {
      sort.child = input;
      input = plan::make_operator(std::move(sort), columns);
    }
    return stage_plan(whole.columns,
                      [input, calls, keys = static_cast<int>(node.keys.size()),
                       context = context_]() -> Result<std::unique_ptr<BatchStream>> {
                        WEIR_ASSIGN(auto stream, execute(input, context));
                        return dynamic_cast<StreamFunctions&>(*context.functions)
                            .aggregates(calls, keys, std::move(stream));
                      });
  }

  const ExecutionContext& context_;
  std::map<const plan::Operator*, OperatorPtr> done_;
};

}  // namespace

bool calls_python(const plan::Typed& expression) {
  return plan::any_typed(expression, [](const plan::Typed& one) {
    return std::holds_alternative<plan::TypedPython>(one.node);
  });
}

Result<OperatorPtr> place_user_functions(const OperatorPtr& plan, const ExecutionContext& context) {
  if (!in_plan(*plan)) return plan;
  Placement placement(context);
  auto made = placement.place(plan);
  if (placement.failure) return std::move(*placement.failure);
  return made;
}

}  // namespace weir::relational
