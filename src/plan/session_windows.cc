#include "plan/session_windows.h"

#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

TypedPtr call_of(const char* function, std::vector<TypedPtr> arguments, DataType type) {
  TypedCall call;
  call.function = find_function(function);
  call.arguments = std::move(arguments);
  return make_typed(std::move(type), true, std::move(call));
}

TypedPtr number(int64_t value) {
  return make_typed(DataType::of(TypeKind::kInteger), false, TypedLiteral{value});
}

TypedPtr part_of(const TypedPtr& session, int index) {
  return make_typed(session->type.fields()[static_cast<size_t>(index)].type(), true,
                    TypedField{session, index});
}

// `function` over the rows up to and with this one (ranges: its peers too), or up to the one
// before.
TypedPtr over(TypedPtr function, const std::vector<TypedPtr>& partition_by, const TypedPtr& start,
              bool before) {
  TypedWindow window;
  const auto type = function->type;
  window.function = std::move(function);
  window.partition_by = partition_by;
  window.order_by = {TypedSortKey{start, true, true}};
  window.unit = before ? FrameUnit::kRows : FrameUnit::kRange;
  window.lower.kind = FrameBound::Kind::kUnboundedPreceding;
  window.upper.kind = before ? FrameBound::Kind::kValue : FrameBound::Kind::kCurrentRow;
  if (before) window.upper.value = number(-1);
  return make_typed(type, true, std::move(window));
}

}  // namespace

base::JsonObject event_time_metadata(const Typed& time, const std::vector<Column>& columns) {
  const auto of_column = [&](const Typed& expression) -> base::JsonObject {
    const auto* column = std::get_if<TypedColumn>(&expression.node);
    if (column == nullptr || column->index < 0 ||
        static_cast<size_t>(column->index) >= columns.size())
      return {};
    return columns[static_cast<size_t>(column->index)].metadata;
  };
  const auto* call = std::get_if<TypedCall>(&time.node);
  if (call == nullptr) return of_column(time);
  if (call->function == nullptr || call->function->name != "window_time") return {};
  auto metadata = of_column(*call->arguments[0]);
  metadata.erase(kTimeWindow);
  metadata.erase(kSessionWindow);
  return metadata;
}

bool is_session_key(const Typed& key, const Operator& input) {
  if (const auto* column = std::get_if<TypedColumn>(&key.node))
    return column->index >= 0 && static_cast<size_t>(column->index) < input.columns.size() &&
           input.columns[static_cast<size_t>(column->index)].metadata.contains(kSessionWindow);
  const auto* call = std::get_if<TypedCall>(&key.node);
  return call != nullptr && call->function->name == "session_window";
}

OperatorPtr with_sessions_merged(const OperatorPtr& aggregate, ColumnId& next_id) {
  const auto& node = std::get<op::Aggregate>(aggregate->node);
  size_t place = 0;
  while (place < node.keys.size() && !is_session_key(*node.keys[place], *node.child))
    ++place;
  if (place == node.keys.size()) return aggregate;
  const auto& session = node.keys[place];
  std::vector<TypedPtr> others;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    if (i != place) others.push_back(node.keys[i]);
  }
  const auto start = part_of(session, 0), end = part_of(session, 1);
  const auto with = [&](const OperatorPtr& below, const char* name, const DataType& type) {
    auto columns = below->columns;
    Column column;
    column.name = name;
    column.type = type;
    column.id = next_id++;
    column.hidden = true;
    columns.push_back(std::move(column));
    return columns;
  };
  const auto last_of = [](const OperatorPtr& plan) {
    return column_at(plan->columns, plan->columns.size() - 1);
  };
  // Where the sessions before reach to, whether this row begins a new one, the number of that.
  auto plan = make_operator(
      op::Window{node.child, {over(call_of("max", {end}, end->type), others, start, true)}},
      with(node.child, "_reach", end->type));
  std::vector<TypedPtr> list;
  for (size_t i = 0; i < plan->columns.size(); ++i)
    list.push_back(column_at(plan->columns, i));
  const auto boolean = DataType::of(TypeKind::kBoolean);
  const auto integer = DataType::of(TypeKind::kInteger);
  list.push_back(call_of(
      "if", {call_of(">=", {last_of(plan), start}, boolean), number(0), number(1)}, integer));
  auto columns = with(plan, "_begins", integer);
  plan = make_operator(op::Project{plan, std::move(list)}, std::move(columns));
  const auto count = DataType::of(TypeKind::kLong);
  columns = with(plan, "_session", count);
  plan = make_operator(
      op::Window{plan, {over(call_of("sum", {last_of(plan)}, count), others, start, false)}},
      std::move(columns));
  auto keys = others;
  keys.push_back(last_of(plan));
  auto aggregates = node.aggregates;
  aggregates.push_back(call_of("min", {start}, start->type));
  aggregates.push_back(call_of("max", {end}, end->type));
  columns.clear();
  const auto add = [&](const TypedPtr& one) {
    Column column;
    column.name = "_m" + std::to_string(columns.size());
    column.type = one->type;
    column.nullable = one->nullable;
    column.id = next_id++;
    columns.push_back(std::move(column));
  };
  for (const auto& key : keys)
    add(key);
  for (const auto& one : aggregates)
    add(one);
  plan = make_operator(op::Aggregate{plan, keys, aggregates, {}}, std::move(columns));
  list.clear();
  const size_t width = plan->columns.size();
  size_t next = 0;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    if (i != place) {
      list.push_back(column_at(plan->columns, next++));
      continue;
    }
    const auto name = [&](int index) {
      return make_typed(DataType::of(TypeKind::kString), false,
                        TypedLiteral{session->type.fields()[static_cast<size_t>(index)].name});
    };
    list.push_back(call_of("named_struct",
                           {name(0), column_at(plan->columns, width - 2), name(1),
                            column_at(plan->columns, width - 1)},
                           session->type));
  }
  for (size_t i = 0; i < node.aggregates.size(); ++i)
    list.push_back(column_at(plan->columns, keys.size() + i));
  return make_operator(op::Project{plan, std::move(list)}, aggregate->columns);
}

}  // namespace weir::plan
