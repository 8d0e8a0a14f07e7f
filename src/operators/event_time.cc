#include "operators/event_time.h"

#include "eval/vector.h"
#include "plan/function_catalog.h"

namespace weir::operators {

using columnar::DataType;
using columnar::TypeKind;

namespace {

bool is_window(const DataType& type) {
  if (!type.is(TypeKind::kStruct) || type.fields().size() != 2) return false;
  const auto& end = type.fields()[1];
  return type.fields()[0].name == "start" && end.name == "end" &&
         (end.type().is(TypeKind::kTimestamp) || end.type().is(TypeKind::kTimestampNtz));
}

bool reads_event_time(const plan::Typed& expression, const std::vector<bool>& below) {
  if (const auto* column = std::get_if<plan::TypedColumn>(&expression.node))
    return column->index >= 0 && static_cast<size_t>(column->index) < below.size() &&
           below[static_cast<size_t>(column->index)];
  for (const auto& child : plan::typed_children(expression)) {
    if (reads_event_time(*child, below)) return true;
  }
  return false;
}

}  // namespace

bool is_event_time(const plan::Typed& expression, const std::vector<bool>& below) {
  if (std::holds_alternative<plan::TypedColumn>(expression.node))
    return reads_event_time(expression, below);
  if (is_window(expression.type)) return reads_event_time(expression, below);
  const auto* call = std::get_if<plan::TypedCall>(&expression.node);
  return call && call->function->name == "window_time" && reads_event_time(expression, below);
}

std::vector<bool> event_time_columns(const plan::Operator& node) {
  std::vector<bool> below, all;
  for (const auto& child : plan::children_of(node)) {
    below = event_time_columns(*child);
    all.insert(all.end(), below.begin(), below.end());
  }
  std::vector<bool> made(node.columns.size(), false);
  const auto pass = [&](const std::vector<bool>& flags) {
    for (size_t i = 0; i < std::min(flags.size(), made.size()); ++i)
      made[i] = flags[i];
  };
  const auto list = [&](const std::vector<plan::TypedPtr>& expressions) {
    for (size_t i = 0; i < std::min(expressions.size(), made.size()); ++i)
      made[i] = is_event_time(*expressions[i], all);
  };
  if (const auto* project = std::get_if<plan::op::Project>(&node.node)) {
    list(project->list);
  } else if (const auto* aggregate = std::get_if<plan::op::Aggregate>(&node.node)) {
    list(aggregate->keys);
  } else if (const auto* watermark = std::get_if<plan::op::Watermark>(&node.node)) {
    pass(all);
    made[static_cast<size_t>(watermark->column)] = true;
  } else if (const auto* generate = std::get_if<plan::op::Generate>(&node.node)) {
    pass(all);
    for (size_t i = all.size(); i < made.size(); ++i)
      made[i] = is_window(node.columns[i].type) && reads_event_time(*generate->call, all);
  } else if (std::holds_alternative<plan::op::Join>(node.node)) {
    pass(all);
  } else if (std::holds_alternative<plan::op::SetOperation>(node.node)) {
    const auto children = plan::children_of(node);
    for (const auto& child : children) {
      const auto flags = event_time_columns(*child);
      for (size_t i = 0; i < std::min(flags.size(), made.size()); ++i)
        made[i] = made[i] || flags[i];
    }
  } else if (plan::children_of(node).size() == 1 &&
             !std::holds_alternative<plan::op::MapPartitions>(node.node) &&
             !std::holds_alternative<plan::op::GroupMap>(node.node)) {
    pass(all);  // Filter, Sort, Limit, Deduplicate …: the child's columns first
  }
  for (size_t i = 0; i < made.size(); ++i)
    made[i] = made[i] || node.columns[i].metadata.contains("spark.watermarkDelayMs");
  return made;
}

Result<void> event_times(const arrow::Array& column, std::vector<int64_t>& times) {
  times.resize(static_cast<size_t>(column.length()));
  std::shared_ptr<arrow::Array> instants;
  if (column.type_id() == arrow::Type::STRUCT) {
    WEIR_ARROW_ASSIGN(instants,
                      static_cast<const arrow::StructArray&>(column).GetFlattenedField(1));
  } else {
    instants = arrow::MakeArray(column.data());
  }
  if (instants->type_id() != arrow::Type::TIMESTAMP)
    return base::error(base::ErrorKind::kInternal, "event time of type {}",
                       instants->type()->ToString());
  const eval::Vector vector{instants, false};
  const eval::FixedReader<int64_t> values(vector);
  if (values.valid.no_nulls()) {
    for (size_t i = 0; i < times.size(); ++i)
      times[i] = values[static_cast<int64_t>(i)];
    return {};
  }
  for (size_t i = 0; i < times.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    times[i] = values.valid[row] ? values[row] : kNeverLate;
  }
  return {};
}

}  // namespace weir::operators
