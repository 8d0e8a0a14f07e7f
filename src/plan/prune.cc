// Column pruning: every operator gives what is read above it and no more.
#include <algorithm>
#include <numeric>

#include "plan/operator_rewrites.h"
#include "plan/optimizer.h"
#include "plan/session_windows.h"

namespace weir::plan {

namespace {

std::vector<int> all_of(const Operator& node) {
  std::vector<int> all(node.columns.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<int> merged(std::vector<int> a, const std::vector<int>& b) {
  a.insert(a.end(), b.begin(), b.end());
  std::sort(a.begin(), a.end());
  a.erase(std::unique(a.begin(), a.end()), a.end());
  return a;
}

std::vector<int> identity_places(size_t width) {
  std::vector<int> places(width);
  std::iota(places.begin(), places.end(), 0);
  return places;
}

// The columns of an operator that gives its child's, after the child's have moved.
std::vector<Column> moved_columns(const std::vector<Column>& columns,
                                  const std::vector<int>& places, size_t width) {
  std::vector<Column> moved(width);
  for (size_t i = 0; i < columns.size() && i < places.size(); ++i) {
    if (places[i] >= 0) moved[static_cast<size_t>(places[i])] = columns[i];
  }
  return moved;
}

}  // namespace

TypedPtr Optimizer::prune_subqueries(const TypedPtr& expression) {
  auto made = map_typed_children(expression,
                                 [&](const TypedPtr& child) { return prune_subqueries(child); });
  const auto* query = std::get_if<TypedSubquery>(&made->node);
  if (!query) return made;
  auto below = prune_all(query->plan);
  if (below == query->plan) return made;
  Typed copy = *made;
  std::get<TypedSubquery>(copy.node).plan = std::move(below);
  return std::make_shared<const Typed>(std::move(copy));
}

OperatorPtr Optimizer::prune_all(const OperatorPtr& node) {
  std::vector<int> places;
  auto made = prune(node, all_of(*node), places);
  // Nothing was left out; more than was asked for comes only after it.
  return made;
}

OperatorPtr Optimizer::prune(const OperatorPtr& node, const std::vector<int>& wanted,
                             std::vector<int>& places) {
  const size_t width = node->columns.size();
  auto needed = wanted;
  if (shared(node)) {
    // Read from several places: pruned once, for all of its columns.
    places = identity_places(width);
    if (const auto known = pruned_.find(node.get()); known != pruned_.end()) return known->second;
    needed = all_of(*node);
  }
  places.assign(width, -1);
  const auto prune_child = [&](const OperatorPtr& child, const std::vector<int>& columns,
                               std::vector<int>& child_places) {
    return prune(child, columns, child_places);
  };
  const auto moved = [&](const TypedPtr& expression, const std::vector<int>& child_places) {
    return expression ? remap_columns(prune_subqueries(expression), child_places) : expression;
  };
  const auto finish = [&](OperatorKind kind, std::vector<Column> columns) {
    auto made = make_operator(std::move(kind), std::move(columns), node->streaming);
    if (shared(node)) pruned_[node.get()] = made;
    return made;
  };
  // An operator over one child that gives the child's columns.
  const auto passing = [&](auto kind, const std::vector<int>& read, auto&& remap) {
    std::vector<int> below;
    kind.child = prune_child(kind.child, merged(needed, read), below);
    remap(kind, below);
    places = below;
    places.resize(width, -1);
    const auto columns = moved_columns(node->columns, below, kind.child->columns.size());
    return finish(std::move(kind), columns);
  };
  const auto as_is = [](auto&, const std::vector<int>&) {};
  const auto keep_everything = [&]() {
    places = identity_places(width);
    auto made =
        map_operator_children(node, [&](const OperatorPtr& child) { return prune_all(child); });
    made =
        map_operator_expressions(made, [&](const TypedPtr& one) { return prune_subqueries(one); });
    if (shared(node)) pruned_[node.get()] = made;
    return made;
  };

  if (const auto* scan = std::get_if<op::Scan>(&node->node)) {
    if (scan->condition) needed = merged(needed, columns_needed({scan->condition}));
    if (needed.empty() && width > 0) needed = {0};  // rows are counted by some column
    op::Scan made{scan->table, {}, nullptr};
    std::vector<Column> columns;
    for (const int one : needed) {
      places[static_cast<size_t>(one)] = static_cast<int>(made.columns.size());
      made.columns.push_back(scan->columns[static_cast<size_t>(one)]);
      columns.push_back(node->columns[static_cast<size_t>(one)]);
    }
    if (scan->condition) made.condition = remap_columns(scan->condition, places);
    return finish(std::move(made), std::move(columns));
  }
  if (const auto* project = std::get_if<op::Project>(&node->node)) {
    std::vector<TypedPtr> list;
    std::vector<Column> columns;
    for (const int one : needed) {
      places[static_cast<size_t>(one)] = static_cast<int>(list.size());
      list.push_back(project->list[static_cast<size_t>(one)]);
      columns.push_back(node->columns[static_cast<size_t>(one)]);
    }
    std::vector<int> below;
    const auto child = prune_child(project->child, columns_needed(list), below);
    for (auto& one : list)
      one = moved(one, below);
    return finish(op::Project{child, std::move(list)}, std::move(columns));
  }
  if (const auto* filter = std::get_if<op::Filter>(&node->node)) {
    return passing(*filter, columns_needed({filter->condition}),
                   [&](auto& kind, const std::vector<int>& below) {
                     kind.condition = moved(kind.condition, below);
                   });
  }
  if (const auto* sort = std::get_if<op::Sort>(&node->node)) {
    std::vector<TypedPtr> read;
    for (const auto& key : sort->keys)
      read.push_back(key.expression);
    return passing(*sort, columns_needed(read), [&](auto& kind, const std::vector<int>& below) {
      for (auto& key : kind.keys)
        key.expression = moved(key.expression, below);
    });
  }
  if (const auto* limit = std::get_if<op::Limit>(&node->node)) return passing(*limit, {}, as_is);
  if (const auto* tail = std::get_if<op::Tail>(&node->node)) return passing(*tail, {}, as_is);
  if (const auto* sample = std::get_if<op::Sample>(&node->node)) return passing(*sample, {}, as_is);
  if (const auto* watermark = std::get_if<op::Watermark>(&node->node)) {
    return passing(*watermark, {watermark->column}, [&](auto& kind, const std::vector<int>& below) {
      kind.column = below[static_cast<size_t>(kind.column)];
    });
  }
  if (const auto* unique = std::get_if<op::Deduplicate>(&node->node)) {
    auto read = unique->keys;
    const auto& given = unique->child->columns;
    for (size_t i = 0; unique->within_watermark && i < given.size(); ++i)
      if (given[i].metadata.contains(kWatermarkDelay)) read.push_back(static_cast<int>(i));
    return passing(*unique, read, [&](auto& kind, const std::vector<int>& below) {
      for (auto& key : kind.keys)
        key = below[static_cast<size_t>(key)];
    });
  }
  if (const auto* observe = std::get_if<op::Observe>(&node->node)) {
    return passing(*observe, columns_needed(observe->aggregates),
                   [&](auto& kind, const std::vector<int>& below) {
                     for (auto& one : kind.aggregates)
                       one = moved(one, below);
                   });
  }
  if (const auto* aggregate = std::get_if<op::Aggregate>(&node->node)) {
    op::Aggregate made{nullptr, aggregate->keys, {}, aggregate->sets};
    std::vector<Column> columns;
    const size_t keys = aggregate->keys.size();
    const auto take = [&](size_t i) {
      places[i] = static_cast<int>(columns.size());
      columns.push_back(node->columns[i]);
    };
    for (size_t i = 0; i < keys; ++i)
      take(i);
    for (size_t i = 0; i < aggregate->aggregates.size(); ++i) {
      if (!std::binary_search(needed.begin(), needed.end(), static_cast<int>(keys + i))) continue;
      take(keys + i);
      made.aggregates.push_back(aggregate->aggregates[i]);
    }
    for (size_t i = keys + aggregate->aggregates.size(); i < width; ++i)
      take(i);
    if (columns.empty()) return keep_everything();  // one row has to come of something
    auto read = made.keys;
    read.insert(read.end(), made.aggregates.begin(), made.aggregates.end());
    std::vector<int> below;
    made.child = prune_child(aggregate->child, columns_needed(read), below);
    for (auto& one : made.keys)
      one = moved(one, below);
    for (auto& one : made.aggregates)
      one = moved(one, below);
    return finish(std::move(made), std::move(columns));
  }
  if (const auto* join = std::get_if<op::Join>(&node->node); join && !join->lateral) {
    const auto left_width = static_cast<int>(join->left->columns.size());
    auto read = needed;
    if (join->condition) read = merged(read, columns_needed({join->condition}));
    std::vector<int> left_needed, right_needed, left_places, right_places;
    for (const int one : read) {
      if (one < left_width) {
        left_needed.push_back(one);
      } else {
        right_needed.push_back(one - left_width);
      }
    }
    op::Join made = *join;
    made.left = prune_child(join->left, left_needed, left_places);
    made.right = prune_child(join->right, right_needed, right_places);
    const auto new_left = static_cast<int>(made.left->columns.size());
    std::vector<int> both = left_places;
    for (const int one : right_places)
      both.push_back(one < 0 ? -1 : one + new_left);
    made.condition = moved(join->condition, both);
    const bool left_only = width == static_cast<size_t>(left_width);
    const size_t new_width =
        made.left->columns.size() +
        (left_only && (join->kind == JoinKind::kLeftSemi || join->kind == JoinKind::kLeftAnti)
             ? 0
             : made.right->columns.size());
    for (size_t i = 0; i < width; ++i)
      places[i] = both[i];
    auto columns = moved_columns(node->columns, places, new_width);
    return finish(std::move(made), std::move(columns));
  }
  if (const auto* window = std::get_if<op::Window>(&node->node)) {
    const auto child_width = window->child->columns.size();
    std::vector<int> read;
    std::vector<TypedPtr> functions;
    std::vector<size_t> kept;
    for (const int one : needed) {
      const auto i = static_cast<size_t>(one);
      if (i < child_width) {
        read.push_back(one);
      } else {
        kept.push_back(i);
        functions.push_back(window->functions[i - child_width]);
      }
    }
    if (functions.empty()) {
      auto below = prune_child(window->child, read, places);
      places.resize(width, -1);
      return below;
    }
    std::vector<int> below;
    op::Window made{prune_child(window->child, merged(read, columns_needed(functions)), below), {}};
    for (const auto& one : functions)
      made.functions.push_back(moved(one, below));
    auto columns = moved_columns(node->columns, below, made.child->columns.size());
    for (size_t i = 0; i < child_width; ++i)
      places[i] = below[i];
    for (const auto i : kept) {
      places[i] = static_cast<int>(columns.size());
      columns.push_back(node->columns[i]);
    }
    return finish(std::move(made), std::move(columns));
  }
  if (const auto* generate = std::get_if<op::Generate>(&node->node)) {
    const auto child_width = generate->child->columns.size();
    std::vector<int> read;
    for (const int one : needed) {
      if (static_cast<size_t>(one) < child_width) read.push_back(one);
    }
    std::vector<int> below;
    op::Generate made{
        prune_child(generate->child, merged(read, columns_needed({generate->call})), below),
        nullptr, generate->outer};
    made.call = moved(generate->call, below);
    auto columns = moved_columns(node->columns, below, made.child->columns.size());
    for (size_t i = 0; i < child_width; ++i)
      places[i] = below[i];
    for (size_t i = child_width; i < width; ++i) {
      places[i] = static_cast<int>(columns.size());
      columns.push_back(node->columns[i]);
    }
    return finish(std::move(made), std::move(columns));
  }
  return keep_everything();
}

}  // namespace weir::plan
