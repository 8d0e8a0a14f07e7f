#include "streaming/pulled_calls.h"

#include <unordered_map>

#include "plan/operator_rewrites.h"
#include "plan/python_calls.h"

namespace weir::streaming {

namespace op = plan::op;
using plan::OperatorPtr;
using plan::Typed;
using plan::TypedPtr;

namespace {

bool called_apart(const Typed& one) {
  return std::holds_alternative<plan::TypedPython>(one.node) ||
         std::holds_alternative<plan::TypedSubquery>(one.node);
}

bool holds_call(const Typed& expression) { return plan::any_typed(expression, called_apart); }

// A child that gets columns behind its own.
class Widened {
 public:
  explicit Widened(OperatorPtr child) : child_(std::move(child)) {}

  // A column with the value of `expression`, which reads the child's.
  TypedPtr column(const TypedPtr& expression) {
    const auto index = static_cast<int>(child_->columns.size() + list_.size());
    const std::string name = "_call" + std::to_string(list_.size());
    list_.push_back(expression);
    return plan::make_typed(expression->type, expression->nullable, plan::TypedColumn{index, name},
                            expression->origin);
  }
  bool any() const { return !list_.empty(); }
  // Hidden columns are none of the rows that a function of the user's sees.
  OperatorPtr made(bool hidden = false) const {
    if (list_.empty()) return child_;
    op::Project project;
    project.child = child_;
    auto columns = child_->columns;
    for (size_t i = 0; i < columns.size(); ++i)
      project.list.push_back(plan::column_at(columns, i));
    for (size_t i = 0; i < list_.size(); ++i) {
      plan::Column column;
      column.name = "_call" + std::to_string(i);
      column.type = list_[i]->type;
      column.nullable = list_[i]->nullable;
      column.hidden = hidden;
      column.id = -1 - static_cast<plan::ColumnId>(i);  // the analyzer's are not negative
      columns.push_back(std::move(column));
      project.list.push_back(list_[i]);
    }
    return plan::make_operator(std::move(project), std::move(columns), child_->streaming);
  }

 private:
  OperatorPtr child_;
  std::vector<TypedPtr> list_;
};

class Puller {
 public:
  OperatorPtr run(const OperatorPtr& node) {
    if (!node->streaming) return node;
    if (const auto known = done_.find(node.get()); known != done_.end()) return known->second;
    auto made =
        plan::map_operator_children(node, [&](const OperatorPtr& child) { return run(child); });
    if (const auto* aggregate = std::get_if<op::Aggregate>(&made->node)) {
      made = over_aggregate(made, *aggregate);
    } else if (const auto* groups = std::get_if<op::GroupMap>(&made->node)) {
      made = over_groups(made, *groups);
    } else if (const auto* join = std::get_if<op::Join>(&made->node)) {
      if (join->left->streaming && join->right->streaming && join->condition && !join->lateral)
        made = over_join(made, *join);
    }
    alive_.push_back(node);
    done_.emplace(node.get(), made);
    return made;
  }

 private:
  static OperatorPtr over_aggregate(const OperatorPtr& node, op::Aggregate aggregate) {
    Widened child(aggregate.child);
    const auto apart = [&](const TypedPtr& one) {
      return holds_call(*one) ? child.column(one) : one;
    };
    for (auto& key : aggregate.keys)
      key = apart(key);
    for (auto& one : aggregate.aggregates)
      if (!plan::is_python_aggregate(*one)) one = plan::map_typed_children(one, apart);
    if (!child.any()) return node;
    aggregate.child = child.made();
    return plan::make_operator(std::move(aggregate), node->columns, true);
  }

  static OperatorPtr over_groups(const OperatorPtr& node, op::GroupMap groups) {
    Widened child(groups.child);
    for (auto& key : groups.keys)
      if (holds_call(*key)) key = child.column(key);
    if (!child.any()) return node;
    groups.child = child.made(true);
    return plan::make_operator(std::move(groups), node->columns, true);
  }

  // Each side gets the calls that read it alone; columns of the right side move behind them.
  static OperatorPtr over_join(const OperatorPtr& node, op::Join join) {
    if (!holds_call(*join.condition)) return node;
    const auto width = static_cast<int>(join.left->columns.size());
    Widened left(join.left);
    const plan::TypedMap take_left = [&](const TypedPtr& one) -> TypedPtr {
      if (called_apart(*one)) {
        const auto read = plan::columns_needed({one});
        if (read.empty() || read.back() < width) return left.column(one);
        return one;
      }
      return plan::map_typed_children(one, take_left);
    };
    // Positions of the left side's new columns are those of the right side's first: told apart by
    // moving the right side before.
    size_t calls = 0;
    plan::visit_typed(*join.condition, [&](const Typed& one) { calls += called_apart(one); });
    const auto moved = plan::replace_columns(join.condition, [&](const TypedPtr& one) {
      const auto& column = std::get<plan::TypedColumn>(one->node);
      if (column.index < width) return one;
      return plan::make_typed(
          one->type, one->nullable,
          plan::TypedColumn{column.index + static_cast<int>(calls), column.name}, one->origin);
    });
    auto condition = take_left(moved);
    join.left = left.made();
    const auto begin = width + static_cast<int>(calls);  // of the right side's columns, for now
    const auto end = static_cast<int>(join.left->columns.size());
    Widened right(join.right);
    const auto of_right_side = [&](const TypedPtr& one, int first) {
      return plan::replace_columns(one, [&](const TypedPtr& column) {
        const auto& at = std::get<plan::TypedColumn>(column->node);
        return plan::make_typed(column->type, column->nullable,
                                plan::TypedColumn{at.index - begin + first, at.name},
                                column->origin);
      });
    };
    const plan::TypedMap take_right = [&](const TypedPtr& one) -> TypedPtr {
      if (called_apart(*one)) {
        const auto read = plan::columns_needed({one});
        if (read.empty() || read.front() < begin) return one;
        const auto column = right.column(of_right_side(one, 0));
        return plan::make_typed(
            column->type, column->nullable,
            plan::TypedColumn{std::get<plan::TypedColumn>(column->node).index + begin, "_call"},
            column->origin);
      }
      return plan::map_typed_children(one, take_right);
    };
    condition = take_right(condition);
    join.right = right.made();
    join.condition = plan::replace_columns(condition, [&](const TypedPtr& one) {
      const auto& column = std::get<plan::TypedColumn>(one->node);
      if (column.index < begin) return one;
      return plan::make_typed(one->type, one->nullable,
                              plan::TypedColumn{column.index - begin + end, column.name},
                              one->origin);
    });
    if (!left.any() && !right.any()) return node;
    return only(node->columns, width, std::move(join));
  }

  // The join without the columns that were added to its sides.
  static OperatorPtr only(const std::vector<plan::Column>& columns, int width, op::Join join) {
    auto wide = join.left->columns;
    const auto middle = wide.size();
    if (join.kind != plan::JoinKind::kLeftSemi && join.kind != plan::JoinKind::kLeftAnti)
      wide.insert(wide.end(), join.right->columns.begin(), join.right->columns.end());
    for (size_t i = 0; i < columns.size(); ++i)  // an outer join's columns can be NULL
      wide[i < static_cast<size_t>(width) ? i : i - static_cast<size_t>(width) + middle] =
          columns[i];
    op::Project project;
    for (size_t i = 0; i < columns.size(); ++i)
      project.list.push_back(plan::column_at(
          wide, i < static_cast<size_t>(width) ? i : i - static_cast<size_t>(width) + middle));
    project.child = plan::make_operator(std::move(join), std::move(wide), true);
    return plan::make_operator(std::move(project), columns, true);
  }

  std::unordered_map<const plan::Operator*, OperatorPtr> done_;
  std::vector<OperatorPtr> alive_;  // what the map's keys point to
};

}  // namespace

OperatorPtr with_pulled_calls(const OperatorPtr& root) { return Puller().run(root); }

}  // namespace weir::streaming
