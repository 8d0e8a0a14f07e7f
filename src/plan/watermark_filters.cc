#include "plan/watermark_filters.h"

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

namespace {

std::vector<TypedPtr> parts_of(const TypedPtr& condition) {
  const auto* call = std::get_if<TypedCall>(&condition->node);
  if (!call || call->function->name != "and") return {condition};
  auto list = parts_of(call->arguments[0]);
  for (auto& one : parts_of(call->arguments[1]))
    list.push_back(std::move(one));
  return list;
}

TypedPtr both(const TypedPtr& first, const TypedPtr& second) {
  TypedCall call;
  call.function = find_function("and");
  call.arguments = {first, second};
  return make_typed(DataType::of(columnar::TypeKind::kBoolean), first->nullable || second->nullable,
                    std::move(call));
}

// Python is not called a second time for it.
bool may_move(const Typed& condition) {
  return is_deterministic(condition) && !any_typed(condition, [](const Typed& one) {
           return std::holds_alternative<TypedSubquery>(one.node) ||
                  std::holds_alternative<TypedOuterColumn>(one.node) ||
                  std::holds_alternative<TypedPython>(one.node);
         });
}

OperatorPtr filtered(const OperatorPtr& rows, const TypedPtr& condition) {
  return make_operator(op::Filter{rows, condition}, rows->columns, rows->streaming);
}

OperatorPtr over(const OperatorPtr& node, const OperatorPtr& child) {
  return map_operator_children(node, [&](const OperatorPtr&) { return child; });
}

class Sinker {
 public:
  OperatorPtr run(const OperatorPtr& root) {
    count(root);
    return sink_all(root);
  }

 private:
  void count(const OperatorPtr& node) {
    if (uses_[node.get()]++ > 0) return;
    for (const auto& child : children_of(*node))
      count(child);
  }

  OperatorPtr sink_all(const OperatorPtr& node) {
    if (!node->streaming) return node;
    if (const auto known = done_.find(node.get()); known != done_.end()) return known->second;
    auto made =
        map_operator_children(node, [&](const OperatorPtr& child) { return sink_all(child); });
    if (const auto* filter = std::get_if<op::Filter>(&made->node)) made = sink(made, *filter);
    if (uses_[node.get()] > 1) shared_.insert(made.get());
    done_.emplace(node.get(), made);
    return made;
  }

  OperatorPtr sink(const OperatorPtr& node, const op::Filter& filter) {
    OperatorPtr child = filter.child;
    TypedPtr stays;
    for (const auto& condition : parts_of(filter.condition)) {
      const auto moved = may_move(*condition) ? sunk(condition, child) : nullptr;
      if (moved) {
        child = moved;
      } else {
        stays = stays ? both(stays, condition) : condition;
      }
    }
    if (child == filter.child) return node;
    if (!stays) return with_columns(child, node->columns);
    return make_operator(op::Filter{child, stays}, node->columns, node->streaming);
  }

  static OperatorPtr with_columns(const OperatorPtr& node, const std::vector<Column>& columns) {
    Operator copy = *node;
    copy.columns = columns;
    return std::make_shared<const Operator>(std::move(copy));
  }

  // `rows` with the condition below the lowest watermark that it reaches; null: it reaches none.
  OperatorPtr sunk(const TypedPtr& condition, const OperatorPtr& rows) {
    if (shared_.contains(rows.get())) return nullptr;
    if (const auto* watermark = std::get_if<op::Watermark>(&rows->node)) {
      for (const int column : columns_needed({condition}))
        if (column == watermark->column) return nullptr;
      const auto deeper = sunk(condition, watermark->child);
      return over(rows, deeper ? deeper : filtered(watermark->child, condition));
    }
    OperatorPtr deeper;
    if (const auto* project = std::get_if<op::Project>(&rows->node)) {
      for (const auto& one : project->list)
        if (!is_deterministic(*one)) return nullptr;
      const auto below = replace_columns(condition, [&](const TypedPtr& column) {
        return project->list[static_cast<size_t>(std::get<TypedColumn>(column->node).index)];
      });
      if (may_move(*below)) deeper = sunk(below, project->child);
    } else if (const auto* filter = std::get_if<op::Filter>(&rows->node)) {
      if (!is_deterministic(*filter->condition)) return nullptr;
      deeper = sunk(condition, filter->child);
    } else if (const auto* generate = std::get_if<op::Generate>(&rows->node)) {
      if (!is_deterministic(*generate->call)) return nullptr;
      for (const int column : columns_needed({condition}))
        if (static_cast<size_t>(column) >= generate->child->columns.size()) return nullptr;
      deeper = sunk(condition, generate->child);
    }
    return deeper ? over(rows, deeper) : nullptr;
  }

  std::unordered_map<const Operator*, int> uses_;
  std::unordered_map<const Operator*, OperatorPtr> done_;  // keeps what shared_ points to
  std::unordered_set<const Operator*> shared_;
};

}  // namespace

OperatorPtr with_filters_below_watermarks(const OperatorPtr& root) { return Sinker().run(root); }

}  // namespace weir::plan
