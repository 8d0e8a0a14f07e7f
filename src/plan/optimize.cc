#include <algorithm>

#include "plan/function_catalog.h"
#include "plan/named_argument.h"
#include "plan/operator_rewrites.h"
#include "plan/optimizer.h"
#include "plan/streaming_check.h"
#include "plan/watermark_filters.h"

namespace weir::plan {

using columnar::TypeKind;

Result<OperatorPtr> optimize(const OperatorPtr& plan, const Folder& fold) {
  return Optimizer(plan->streaming ? without_time(fold) : fold).run(plan);
}

Result<OperatorPtr> Optimizer::run(const OperatorPtr& plan) {
  count_uses(plan);
  auto made = simplify(plan);
  if (made->streaming) made = with_filters_below_watermarks(made);
  made = prune_all(made);
  uses_.clear();
  count_uses(made);
  return tell_scans(made, {});
}

void Optimizer::count_uses(const OperatorPtr& plan) {
  alive_.push_back(plan);
  if (uses_[plan.get()]++ > 0) return;
  for (const auto& child : children_of(*plan))
    count_uses(child);
  for (const auto& expression : operator_expressions(*plan)) {
    visit_typed(*expression, [&](const Typed& one) {
      if (const auto* query = std::get_if<TypedSubquery>(&one.node)) count_uses(query->plan);
    });
  }
}

bool Optimizer::shared(const OperatorPtr& node) const {
  const auto known = uses_.find(node.get());
  return known != uses_.end() && known->second > 1;
}

namespace {

constexpr size_t kFoldedTextMax = 4096;

// Functions whose result may be far larger than what they are given.
bool grows(std::string_view name) {
  return name == "repeat" || name == "space" || name == "lpad" || name == "rpad" ||
         name == "sequence" || name == "array_repeat" || name == "raise_error";
}

bool identity(const op::Project& project) {
  if (project.list.size() != project.child->columns.size()) return false;
  for (size_t i = 0; i < project.list.size(); ++i) {
    const auto* column = std::get_if<TypedColumn>(&project.list[i]->node);
    if (!column || column->index != static_cast<int>(i)) return false;
  }
  return true;
}

std::vector<TypedPtr> conjuncts_of(const TypedPtr& condition) {
  const auto* call = std::get_if<TypedCall>(&condition->node);
  if (!call || call->function->name != "and") return {condition};
  auto list = conjuncts_of(call->arguments[0]);
  for (auto& one : conjuncts_of(call->arguments[1]))
    list.push_back(std::move(one));
  return list;
}

TypedPtr conjunction(const std::vector<TypedPtr>& list) {
  TypedPtr whole;
  for (const auto& one : list) {
    if (!whole) {
      whole = one;
      continue;
    }
    TypedCall call;
    call.function = find_function("and");
    const bool nullable = whole->nullable || one->nullable;
    call.arguments = {whole, one};
    whole = make_typed(DataType::of(TypeKind::kBoolean), nullable, std::move(call));
  }
  return whole;
}

// May be looked at by a scan, which knows of no guards: the same for every look, nothing from
// outside, nothing that can fail.
bool tellable(const Typed& condition) {
  return is_deterministic(condition) && !any_typed(condition, [](const Typed& one) {
           if (const auto* call = std::get_if<TypedCall>(&one.node))
             return call->function->can_fail;
           if (const auto* cast = std::get_if<TypedCast>(&one.node))
             return !cast->try_cast && cast_may_fail(cast->child->type, one.type);
           return std::holds_alternative<TypedSubquery>(one.node) ||
                  std::holds_alternative<TypedOuterColumn>(one.node) ||
                  std::holds_alternative<TypedPython>(one.node);
         });
}

// The conditions with column `i` replaced by list[i]; those that read more than plain columns and
// constants are left out.
std::vector<TypedPtr> through(const std::vector<TypedPtr>& conditions,
                              const std::vector<TypedPtr>& list) {
  std::vector<TypedPtr> made;
  for (const auto& condition : conditions) {
    bool plain = true;
    for (const int index : columns_needed({condition})) {
      const auto& node = list[static_cast<size_t>(index)]->node;
      plain = plain && (std::holds_alternative<TypedColumn>(node) ||
                        std::holds_alternative<TypedLiteral>(node) ||
                        std::holds_alternative<TypedField>(node));
    }
    if (!plain) continue;
    made.push_back(replace_columns(condition, [&](const TypedPtr& one) {
      return list[static_cast<size_t>(std::get<TypedColumn>(one->node).index)];
    }));
  }
  return made;
}

// The conditions that read columns [begin, end) only, moved to begin at 0.
std::vector<TypedPtr> of_side(const std::vector<TypedPtr>& conditions, int begin, int end) {
  std::vector<TypedPtr> made;
  for (const auto& condition : conditions) {
    const auto read = columns_needed({condition});
    if (read.empty() || read.front() < begin || read.back() >= end) continue;
    made.push_back(replace_columns(condition, [&](const TypedPtr& one) {
      const auto& column = std::get<TypedColumn>(one->node);
      return make_typed(one->type, one->nullable, TypedColumn{column.index - begin, column.name},
                        one->origin);
    }));
  }
  return made;
}

}  // namespace

TypedPtr Optimizer::fold(const TypedPtr& expression) {
  auto made = map_typed_children(expression, [&](const TypedPtr& child) { return fold(child); });
  if (const auto* query = std::get_if<TypedSubquery>(&made->node)) {
    auto below = simplify(query->plan);
    if (below == query->plan) return made;
    Typed copy = *made;
    std::get<TypedSubquery>(copy.node).plan = std::move(below);
    return std::make_shared<const Typed>(std::move(copy));
  }
  const bool call = std::holds_alternative<TypedCall>(made->node);
  const bool cast = std::holds_alternative<TypedCast>(made->node);
  if (!fold_ || (!call && !cast) || made->type.is_nested()) return made;
  if (call && is_named_argument(*made)) return made;
  if (call && grows(std::get<TypedCall>(made->node).function->name)) return made;
  // Its parts are values already, or stay as they are.
  for (const auto& child : typed_children(*made)) {
    if (!std::holds_alternative<TypedLiteral>(child->node)) return made;
  }
  if (!is_foldable(*made)) return made;
  auto value = fold_(made);
  // What fails now may stand under a guard: it fails when a row reaches it.
  if (!value.ok()) return made;
  if (const auto* text = std::get_if<std::string>(&*value); text && text->size() > kFoldedTextMax)
    return made;
  return make_typed(made->type, std::holds_alternative<std::monostate>(*value),
                    TypedLiteral{std::move(*value)}, made->origin);
}

OperatorPtr Optimizer::simplify(const OperatorPtr& node) {
  if (const auto known = done_.find(node.get()); known != done_.end()) return known->second;
  auto made =
      map_operator_children(node, [&](const OperatorPtr& child) { return simplify(child); });
  made = map_operator_expressions(made, [&](const TypedPtr& one) { return fold(one); });
  made = simplified(std::move(made));
  if (shared(node) && made != node) {
    uses_[made.get()] = 2;
    alive_.push_back(made);
  }
  done_.emplace(node.get(), made);
  return made;
}

OperatorPtr Optimizer::simplified(OperatorPtr node) {
  if (const auto* project = std::get_if<op::Project>(&node->node)) {
    // A project of a project that only moves columns is one.
    if (const auto* inner = std::get_if<op::Project>(&project->child->node);
        inner && !shared(project->child)) {
      const bool plain = std::all_of(inner->list.begin(), inner->list.end(), [](const auto& one) {
        return std::holds_alternative<TypedColumn>(one->node);
      });
      if (plain) {
        std::vector<TypedPtr> list;
        for (const auto& one : project->list) {
          list.push_back(replace_columns(one, [&](const TypedPtr& column) {
            const auto& source =
                inner->list[static_cast<size_t>(std::get<TypedColumn>(column->node).index)];
            return make_typed(column->type, column->nullable, source->node, column->origin);
          }));
        }
        return simplified(make_operator(op::Project{inner->child, std::move(list)}, node->columns,
                                        node->streaming));
      }
    }
    if (identity(*project) && !shared(project->child) &&
        !std::holds_alternative<op::Scan>(project->child->node)) {
      Operator copy = *project->child;
      copy.columns = node->columns;
      return std::make_shared<const Operator>(std::move(copy));
    }
  }
  if (const auto* filter = std::get_if<op::Filter>(&node->node)) {
    const auto* literal = std::get_if<TypedLiteral>(&filter->condition->node);
    const auto* flag = literal ? std::get_if<bool>(&literal->value) : nullptr;
    if (flag && *flag && !shared(filter->child)) {
      Operator copy = *filter->child;
      copy.columns = node->columns;
      return std::make_shared<const Operator>(std::move(copy));
    }
  }
  // LIMIT below what is computed of the rows.
  if (const auto* limit = std::get_if<op::Limit>(&node->node)) {
    if (const auto* loop = std::get_if<op::Recursion>(&limit->child->node);
        loop && !loop->limit && limit->limit >= -1) {
      op::Recursion bounded = *loop;
      bounded.limit = limit->limit < 0 ? -1 : limit->limit + limit->offset;
      const auto below =
          make_operator(std::move(bounded), limit->child->columns, limit->child->streaming);
      return make_operator(op::Limit{below, limit->limit, limit->offset}, node->columns,
                           node->streaming);
    }
    if (limit->limit < 0 && limit->offset == 0 &&
        !std::holds_alternative<op::Project>(limit->child->node))
      return limit->child;
    const auto* project = std::get_if<op::Project>(&limit->child->node);
    if (project && !shared(limit->child)) {
      const auto below =
          simplified(make_operator(op::Limit{project->child, limit->limit, limit->offset},
                                   project->child->columns, node->streaming));
      return make_operator(op::Project{below, project->list}, node->columns, node->streaming);
    }
    const auto* sets = std::get_if<op::SetOperation>(&limit->child->node);
    if (sets && sets->kind == SetKind::kUnion && sets->all && limit->limit >= 0 &&
        !shared(limit->child) && limit->limit + limit->offset >= 0) {
      const auto bounded = [&](const OperatorPtr& side) {
        if (std::holds_alternative<op::Limit>(side->node)) return side;
        return simplified(make_operator(op::Limit{side, limit->limit + limit->offset, 0},
                                        side->columns, side->streaming));
      };
      op::SetOperation made{bounded(sets->left), bounded(sets->right), sets->kind, sets->all};
      return make_operator(
          op::Limit{make_operator(std::move(made), limit->child->columns, node->streaming),
                    limit->limit, limit->offset},
          node->columns, node->streaming);
    }
  }
  return node;
}

OperatorPtr Optimizer::tell_scans(const OperatorPtr& node, std::vector<TypedPtr> conditions) {
  if (shared(node)) conditions.clear();
  if (auto* scan = std::get_if<op::Scan>(&node->node)) {
    if (conditions.empty()) return node;
    if (scan->condition) conditions.insert(conditions.begin(), scan->condition);
    op::Scan made = *scan;
    made.condition = conjunction(conditions);
    return make_operator(std::move(made), node->columns, node->streaming);
  }
  const auto over = [&](const OperatorPtr& child) { return tell_scans(child, conditions); };
  if (const auto* filter = std::get_if<op::Filter>(&node->node)) {
    for (auto& one : conjuncts_of(filter->condition)) {
      if (tellable(*one)) conditions.push_back(std::move(one));
    }
    return map_operator_children(node, over);
  }
  if (std::holds_alternative<op::Sort>(node->node) ||
      std::holds_alternative<op::Distinct>(node->node) ||
      std::holds_alternative<op::Observe>(node->node)) {
    if (std::holds_alternative<op::Observe>(node->node)) conditions.clear();
    return map_operator_children(node, over);
  }
  if (const auto* project = std::get_if<op::Project>(&node->node)) {
    conditions = through(conditions, project->list);
    return map_operator_children(node, over);
  }
  if (const auto* aggregate = std::get_if<op::Aggregate>(&node->node)) {
    if (!aggregate->sets.empty() || aggregate->keys.empty()) conditions.clear();
    conditions = of_side(conditions, 0, static_cast<int>(aggregate->keys.size()));
    conditions = through(conditions, aggregate->keys);
    return map_operator_children(node, over);
  }
  if (const auto* sets = std::get_if<op::SetOperation>(&node->node);
      sets && sets->kind == SetKind::kUnion)
    return map_operator_children(node, over);
  if (const auto* generate = std::get_if<op::Generate>(&node->node)) {
    conditions = of_side(conditions, 0, static_cast<int>(generate->child->columns.size()));
    return map_operator_children(node, over);
  }
  if (const auto* join = std::get_if<op::Join>(&node->node)) {
    const auto left_width = static_cast<int>(join->left->columns.size());
    const auto width = left_width + static_cast<int>(join->right->columns.size());
    const auto kind = join->kind;
    std::vector<TypedPtr> of_condition;
    if (join->condition) {
      for (auto& one : conjuncts_of(join->condition)) {
        if (tellable(*one)) of_condition.push_back(std::move(one));
      }
    }
    const bool inner = kind == JoinKind::kInner || kind == JoinKind::kCross;
    std::vector<TypedPtr> left, right;
    const auto add = [](std::vector<TypedPtr>& to, std::vector<TypedPtr> more) {
      to.insert(to.end(), more.begin(), more.end());
    };
    if (inner || kind == JoinKind::kLeft || kind == JoinKind::kLeftSemi ||
        kind == JoinKind::kLeftAnti)
      add(left, of_side(conditions, 0, left_width));
    if (inner || kind == JoinKind::kRight) add(right, of_side(conditions, left_width, width));
    if (inner || kind == JoinKind::kRight || kind == JoinKind::kLeftSemi)
      add(left, of_side(of_condition, 0, left_width));
    if (inner || kind == JoinKind::kLeft || kind == JoinKind::kLeftSemi ||
        kind == JoinKind::kLeftAnti)
      add(right, of_side(of_condition, left_width, width));
    auto made = *join;
    made.left = tell_scans(join->left, std::move(left));
    made.right =
        tell_scans(join->right, join->lateral ? std::vector<TypedPtr>{} : std::move(right));
    if (made.left == join->left && made.right == join->right) return node;
    return make_operator(std::move(made), node->columns, node->streaming);
  }
  conditions.clear();
  return map_operator_children(node, over);
}

}  // namespace weir::plan
