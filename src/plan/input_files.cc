#include "plan/input_files.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "plan/metadata_column.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

namespace {

bool is_input_file(const Typed& expression) {
  const auto* call = std::get_if<TypedCall>(&expression.node);
  return call && call->arguments.empty() && call->function->name.starts_with("input_file_");
}

bool is_metadata(const Column& column) { return column.hidden && column.name == kMetadataColumn; }

bool reads_files(const Operator& plan) {
  if (const auto* scan = std::get_if<op::Scan>(&plan.node))
    return scan->table->streaming() || dynamic_cast<const FileBacked*>(scan->table.get());
  const auto children = children_of(plan);
  return std::any_of(children.begin(), children.end(),
                     [](const auto& child) { return reads_files(*child); });
}

struct Passed {
  OperatorPtr plan;  // its first columns are those of the plan before
  size_t metadata = 0;
};

std::optional<Passed> pass_up(const OperatorPtr& plan) {
  const auto& columns = plan->columns;
  const auto found = std::find_if(columns.begin(), columns.end(), is_metadata);
  if (found != columns.end()) {
    if (std::count_if(columns.begin(), columns.end(), is_metadata) > 1) return std::nullopt;
    return Passed{plan, static_cast<size_t>(found - columns.begin())};
  }
  const auto* project = std::get_if<op::Project>(&plan->node);
  const auto* filter = std::get_if<op::Filter>(&plan->node);
  if (!project && !filter) return std::nullopt;
  auto below = pass_up(project ? project->child : filter->child);
  if (!below) return std::nullopt;
  auto wider = columns;
  wider.push_back(below->plan->columns[below->metadata]);
  if (filter) {
    below->plan = make_operator(op::Filter{below->plan, filter->condition}, std::move(wider),
                                plan->streaming);
    return below;
  }
  auto list = project->list;
  list.push_back(column_at(below->plan->columns, below->metadata));
  return Passed{
      make_operator(op::Project{below->plan, std::move(list)}, std::move(wider), plan->streaming),
      columns.size()};
}

const Typed* input_file_call(const Operator& plan) {
  const Typed* call = nullptr;
  for (const auto& expression : operator_expressions(plan))
    visit_typed(*expression, [&](const Typed& one) { call = is_input_file(one) ? &one : call; });
  return call;
}
bool has_input_file(const Operator& plan) {
  if (input_file_call(plan)) return true;
  const auto children = children_of(plan);
  return std::any_of(children.begin(), children.end(),
                     [](const auto& child) { return has_input_file(*child); });
}

TypedPtr with_file(const TypedPtr& expression, const TypedPtr& metadata) {
  if (is_input_file(*expression)) {
    return input_file_value(metadata, *std::get<TypedCall>(expression->node).function,
                            expression->origin);
  }
  return map_typed_children(expression,
                            [&](const TypedPtr& child) { return with_file(child, metadata); });
}

base::Error not_passed(const Typed& call) {
  return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                        fmt::format("weir has {}() only where the rows come from files by "
                                    "projections and filters alone.",
                                    std::get<TypedCall>(call.node).function->name),
                        call.origin);
}

}  // namespace

TypedPtr input_file_value(const TypedPtr& metadata, const Function& function,
                          const Origin& origin) {
  const auto field = [&](int index) {
    const auto& type = metadata->type.fields()[static_cast<size_t>(index)].type();
    return make_typed(type, metadata->nullable, TypedField{metadata, index}, origin);
  };
  if (function.name == "input_file_block_start") return field(3);
  if (function.name == "input_file_block_length") return field(4);
  TypedCall typed;
  typed.function = &function;
  typed.arguments = {field(0)};
  return make_typed(DataType::of(columnar::TypeKind::kString), false, std::move(typed), origin);
}

Result<OperatorPtr> pass_input_files(const OperatorPtr& plan) {
  if (!has_input_file(*plan)) return plan;
  Result<void> failed;
  auto node = map_operator_children(plan, [&](const OperatorPtr& child) -> OperatorPtr {
    auto made = pass_input_files(child);
    if (made.ok()) return std::move(made).value();
    failed = std::move(made).error();
    return child;
  });
  WEIR_TRY(std::move(failed));
  const auto* call = input_file_call(*node);
  if (!call || !reads_files(*node)) return node;
  const auto* project = std::get_if<op::Project>(&node->node);
  const auto* filter = std::get_if<op::Filter>(&node->node);
  if (!project && !filter) return not_passed(*call);
  const auto below = pass_up(project ? project->child : filter->child);
  if (!below) return not_passed(*call);
  const auto metadata = column_at(below->plan->columns, below->metadata);
  if (project) {
    std::vector<TypedPtr> list;
    for (const auto& expression : project->list)
      list.push_back(with_file(expression, metadata));
    return make_operator(op::Project{below->plan, std::move(list)}, node->columns, node->streaming);
  }
  const auto filtered =
      make_operator(op::Filter{below->plan, with_file(filter->condition, metadata)},
                    below->plan->columns, node->streaming);
  std::vector<TypedPtr> list;
  for (size_t i = 0; i < node->columns.size(); ++i)
    list.push_back(column_at(filtered->columns, i));
  return make_operator(op::Project{filtered, std::move(list)}, node->columns, node->streaming);
}

}  // namespace weir::plan
