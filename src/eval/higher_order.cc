// Functions that take a lambda. The lambda's body runs over all elements of a batch at once, in a
// frame whose rows are elements: columns of the row are repeated as often as the row has elements.
#include <algorithm>
#include <map>
#include <numeric>

#include "eval/arrays.h"
#include "eval/list_rows.h"
#include "eval/node.h"

namespace weir::eval {

namespace {

using Positions = std::vector<int64_t>;

ArrayPtr int32_array(const std::vector<int32_t>& values) {
  FixedWriter<int32_t> writer(static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i)
    writer.set(static_cast<int64_t>(i), values[i]);
  return writer.finish(arrow::int32());
}

class LambdaVariableNode final : public Node {
 public:
  explicit LambdaVariableNode(const plan::TypedPtr& expression)
      : Node(expression, false), id_(std::get<plan::TypedLambdaVariable>(expression->node).id) {}
  Result<Vector> evaluate(Frame& frame) const override {
    WEIR_ASSIGN(auto array, frame.variable(id_));
    return Vector{std::move(array), false};
  }

 private:
  int id_;
};

class HigherOrderNode : public Node {
 public:
  struct Lambda {
    const plan::TypedLambda* typed;
    NodePtr body;
  };
  HigherOrderNode(const plan::TypedPtr& expression, std::vector<NodePtr> arguments,
                  std::vector<Lambda> lambdas, bool can_fail)
      : Node(expression, can_fail),
        arguments_(std::move(arguments)),
        lambdas_(std::move(lambdas)) {}

  Result<Vector> evaluate(Frame& frame) const final {
    std::vector<Vector> inputs;
    for (const auto& argument : arguments_) {
      WEIR_ASSIGN(auto input, argument->evaluate(frame));
      inputs.push_back(std::move(input));
    }
    WEIR_ASSIGN(auto array, run(frame, inputs));
    WEIR_CHECK(array->length() == frame.rows(), "a higher-order function gave another count");
    return Vector{std::move(array), false};
  }

 protected:
  virtual Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const = 0;

  const plan::TypedCall& call() const { return std::get<plan::TypedCall>(expression().node); }
  const DataType& type_of(size_t argument) const { return call().arguments[argument]->type; }

  // The body over elements: `rows` names each element's row, `bound` gives the variables' values.
  Result<ArrayPtr> apply(Frame& frame, size_t lambda, const std::vector<int32_t>& rows,
                         const std::vector<ArrayPtr>& bound) const {
    const auto& one = lambdas_[lambda];
    if (rows.empty()) {
      WEIR_ARROW_ASSIGN(auto empty, arrow::MakeEmptyArray(one.body->arrow_type()));
      return empty;
    }
    Frame inner(frame, int32_array(rows));
    for (size_t i = 0; i < one.typed->variables.size() && i < bound.size(); ++i)
      inner.bind(one.typed->variables[i], bound[i]);
    WEIR_ASSIGN(const auto result, one.body->evaluate(inner));
    WEIR_ASSIGN(auto array, materialize(result, inner.rows()));
    return canonical(array, one.body->arrow_type());
  }
  size_t variables(size_t lambda) const { return lambdas_[lambda].typed->variables.size(); }
  const Node& body(size_t lambda) const { return *lambdas_[lambda].body; }
  bool has_lambda(size_t lambda) const { return lambda < lambdas_.size(); }

  KernelCall kernel_call(Frame& frame) const {
    return KernelCall{expression(),    call(),       arrow_type(),
                      frame.context(), frame.zone(), frame.rows()};
  }

 private:
  std::vector<NodePtr> arguments_;
  std::vector<Lambda> lambdas_;
};

// The elements of all rows, one after the other.
struct Elements {
  std::vector<int32_t> rows;   // an element's row
  Positions positions;         // and its place in the list's values
  std::vector<int32_t> index;  // and in its row, from 0

  Elements(const ListReader& list, int64_t count) {
    for (int64_t row = 0; row < count; ++row) {
      if (!list.valid[row]) continue;
      for (int64_t i = list.begin(row); i < list.end(row); ++i) {
        rows.push_back(static_cast<int32_t>(row));
        positions.push_back(i);
        index.push_back(static_cast<int32_t>(i - list.begin(row)));
      }
    }
  }
};

class ArrayLambdaNode : public HigherOrderNode {
 public:
  using HigherOrderNode::HigherOrderNode;

 protected:
  // The body's value for each element of the first argument.
  Result<ArrayPtr> over_elements(Frame& frame, const ListReader& list,
                                 const Elements& elements) const {
    WEIR_ASSIGN(auto values, pick(list.values(), elements.positions));
    std::vector<ArrayPtr> bound{std::move(values)};
    if (variables(0) > 1) bound.push_back(int32_array(elements.index));
    return apply(frame, 0, elements.rows, bound);
  }
};

class TransformNode final : public ArrayLambdaNode {
 public:
  using ArrayLambdaNode::ArrayLambdaNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const ListReader list(inputs[0]);
    WEIR_ASSIGN(auto values, over_elements(frame, list, Elements(list, frame.rows())));
    ListOffsets offsets(frame.rows());
    int64_t total = 0;
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!list.valid[row]) {
        offsets.add_null(total);
      } else {
        offsets.end_row(total += list.count(row));
      }
    }
    return offsets.finish(arrow_type(), values);
  }
};

class FilterNode final : public ArrayLambdaNode {
 public:
  using ArrayLambdaNode::ArrayLambdaNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const ListReader list(inputs[0]);
    WEIR_ASSIGN(auto flags, over_elements(frame, list, Elements(list, frame.rows())));
    const Vector flag_vector{flags, false};
    const BoolReader keep(flag_vector);
    ListPicker picker(frame.rows());
    int64_t element = 0;
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!list.valid[row]) {
        picker.add_null();
        continue;
      }
      for (int64_t i = list.begin(row); i < list.end(row); ++i, ++element) {
        if (keep.valid[element] && keep[element]) picker.add(i);
      }
      picker.end_row();
    }
    return picker.finish(arrow_type(), list.values());
  }
};

// exists (some) and forall: three-valued.
class QuantifierNode final : public ArrayLambdaNode {
 public:
  using ArrayLambdaNode::ArrayLambdaNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const bool some = call().function->name == "exists";
    const ListReader list(inputs[0]);
    WEIR_ASSIGN(auto flags, over_elements(frame, list, Elements(list, frame.rows())));
    const Vector flag_vector{flags, false};
    const BoolReader flag(flag_vector);
    BoolWriter writer(frame.rows());
    int64_t element = 0;
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!list.valid[row]) {
        writer.set_null(row);
        continue;
      }
      bool decided = false, unknown = false;
      for (int64_t i = list.begin(row); i < list.end(row); ++i, ++element) {
        if (!flag.valid[element]) {
          unknown = true;
        } else if (flag[element] == some) {
          decided = true;
        }
      }
      if (!decided && unknown) {
        writer.set_null(row);
      } else {
        writer.set(row, decided == some);
      }
    }
    return writer.finish();
  }
};

// aggregate(list, start, merge[, finish]): element by element, all rows at once.
class AggregateNode final : public HigherOrderNode {
 public:
  using HigherOrderNode::HigherOrderNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const ListReader list(inputs[0]);
    const int64_t rows = frame.rows();
    WEIR_ASSIGN(auto state, materialize(inputs[1], rows));
    WEIR_ASSIGN(state, canonical(state, body(0).arrow_type()));
    int64_t longest = 0;
    for (int64_t row = 0; row < rows; ++row) {
      if (list.valid[row]) longest = std::max(longest, list.count(row));
    }
    for (int64_t i = 0; i < longest; ++i) {
      std::vector<int32_t> reached;
      Positions positions, states;
      for (int64_t row = 0; row < rows; ++row) {
        if (!list.valid[row] || i >= list.count(row)) continue;
        reached.push_back(static_cast<int32_t>(row));
        states.push_back(row);
        positions.push_back(list.begin(row) + i);
      }
      WEIR_ASSIGN(auto values, pick(list.values(), positions));
      WEIR_ASSIGN(auto before, pick(state, states));
      WEIR_ASSIGN(auto after, apply(frame, 0, reached, {before, values}));
      WEIR_ASSIGN(auto both, joined(state, after, state->type()));
      Positions merged(static_cast<size_t>(rows));
      std::iota(merged.begin(), merged.end(), 0);
      for (size_t r = 0; r < reached.size(); ++r)
        merged[static_cast<size_t>(reached[r])] = rows + static_cast<int64_t>(r);
      WEIR_ASSIGN(state, pick(both, merged));
    }
    std::vector<int32_t> present;
    Positions states;
    for (int64_t row = 0; row < rows; ++row) {
      if (!list.valid[row]) continue;
      present.push_back(static_cast<int32_t>(row));
      states.push_back(row);
    }
    if (has_lambda(1)) {
      WEIR_ASSIGN(auto last, pick(state, states));
      WEIR_ASSIGN(state, apply(frame, 1, present, {last}));
      std::iota(states.begin(), states.end(), 0);
    }
    Positions result(static_cast<size_t>(rows), -1);
    for (size_t r = 0; r < present.size(); ++r)
      result[static_cast<size_t>(present[r])] = states[r];
    WEIR_ASSIGN(auto taken, pick(state, result));
    return canonical(taken, arrow_type());
  }
};

class ZipWithNode final : public HigherOrderNode {
 public:
  using HigherOrderNode::HigherOrderNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const ListReader a(inputs[0]), b(inputs[1]);
    std::vector<int32_t> rows;
    Positions left, right;
    ListOffsets offsets(frame.rows());
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!a.valid[row] || !b.valid[row]) {
        offsets.add_null(static_cast<int64_t>(rows.size()));
        continue;
      }
      for (int64_t i = 0; i < std::max(a.count(row), b.count(row)); ++i) {
        rows.push_back(static_cast<int32_t>(row));
        left.push_back(i < a.count(row) ? a.begin(row) + i : -1);
        right.push_back(i < b.count(row) ? b.begin(row) + i : -1);
      }
      offsets.end_row(static_cast<int64_t>(rows.size()));
    }
    WEIR_ASSIGN(auto left_values, pick(a.values(), left));
    WEIR_ASSIGN(auto right_values, pick(b.values(), right));
    WEIR_ASSIGN(auto values, apply(frame, 0, rows, {left_values, right_values}));
    return offsets.finish(arrow_type(), values);
  }
};

// map_filter, transform_keys, transform_values.
class MapLambdaNode final : public HigherOrderNode {
 public:
  using HigherOrderNode::HigherOrderNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const ListReader map(inputs[0]);
    const Elements entries(map, frame.rows());
    WEIR_ASSIGN(auto keys, pick(map.keys(), entries.positions));
    WEIR_ASSIGN(auto items, pick(map.items(), entries.positions));
    WEIR_ASSIGN(auto made, apply(frame, 0, entries.rows, {keys, items}));
    const auto name = call().function->name;
    Positions kept(entries.rows.size());
    std::iota(kept.begin(), kept.end(), 0);
    if (name == "map_filter") {
      const Vector flag_vector{made, false};
      const BoolReader keep(flag_vector);
      std::erase_if(kept, [&](int64_t i) { return !keep.valid[i] || !keep[i]; });
    } else if (name == "transform_keys") {
      keys = made;
    } else {
      items = made;
    }
    return build(frame, map, entries, kept, keys, items, name == "transform_keys");
  }

 private:
  Result<ArrayPtr> build(Frame& frame, const ListReader& map, const Elements& entries,
                         const Positions& kept, ArrayPtr keys, ArrayPtr items,
                         bool new_keys) const {
    WEIR_ASSIGN(keys, pick(keys, kept));
    WEIR_ASSIGN(items, pick(items, kept));
    const auto& entry = arrow_type()->field(0)->type();
    WEIR_ASSIGN(keys, canonical(keys, entry->field(0)->type()));
    WEIR_ASSIGN(items, canonical(items, entry->field(1)->type()));
    const auto kernel = kernel_call(frame);
    ListOffsets offsets(frame.rows());
    size_t at = 0;
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!map.valid[row]) {
        offsets.add_null(static_cast<int64_t>(at));
        continue;
      }
      const size_t begin = at;
      while (at < kept.size() && entries.rows[static_cast<size_t>(kept[at])] == row)
        ++at;
      if (new_keys) {
        Positions of_row(at - begin);
        std::iota(of_row.begin(), of_row.end(), static_cast<int64_t>(begin));
        WEIR_TRY(check_map_keys(kernel, expression().type.key(), *keys, of_row));
      }
      offsets.end_row(static_cast<int64_t>(at));
    }
    const auto values = arrow::MakeArray(
        arrow::ArrayData::Make(entry, keys->length(), {nullptr}, {keys->data(), items->data()}, 0));
    return offsets.finish(arrow_type(), values);
  }
};

class MapZipWithNode final : public HigherOrderNode {
 public:
  using HigherOrderNode::HigherOrderNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const ListReader a(inputs[0]), b(inputs[1]);
    const auto& entry = arrow_type()->field(0)->type();
    WEIR_ASSIGN(auto all_keys, joined(a.keys(), b.keys(), entry->field(0)->type()));
    const int64_t b_at = a.keys()->length();
    std::vector<int32_t> rows;
    Positions key, left, right;
    ListOffsets offsets(frame.rows());
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!a.valid[row] || !b.valid[row]) {
        offsets.add_null(static_cast<int64_t>(rows.size()));
        continue;
      }
      std::map<std::string, size_t> known;
      for (int64_t i = a.begin(row); i < a.end(row); ++i) {
        known.emplace(value_key(expression().type.key(), *all_keys, i), key.size());
        key.push_back(i);
        left.push_back(i);
        right.push_back(-1);
      }
      for (int64_t i = b.begin(row); i < b.end(row); ++i) {
        const auto [at, added] =
            known.emplace(value_key(expression().type.key(), *all_keys, b_at + i), key.size());
        if (added) {
          key.push_back(b_at + i);
          left.push_back(-1);
          right.push_back(i);
        } else {
          right[at->second] = i;
        }
      }
      rows.resize(key.size(), static_cast<int32_t>(row));
      offsets.end_row(static_cast<int64_t>(key.size()));
    }
    WEIR_ASSIGN(auto keys, pick(all_keys, key));
    WEIR_ASSIGN(auto left_items, pick(a.items(), left));
    WEIR_ASSIGN(auto right_items, pick(b.items(), right));
    WEIR_ASSIGN(auto items, apply(frame, 0, rows, {keys, left_items, right_items}));
    WEIR_ASSIGN(items, canonical(items, entry->field(1)->type()));
    const auto values = arrow::MakeArray(
        arrow::ArrayData::Make(entry, keys->length(), {nullptr}, {keys->data(), items->data()}, 0));
    return offsets.finish(arrow_type(), values);
  }
};

// array_sort with a comparator: the comparator runs once for all pairs of a row. Rows too long for
// that are sorted by insertion into halves, one comparison at a time.
class ArraySortNode final : public HigherOrderNode {
 public:
  using HigherOrderNode::HigherOrderNode;
  Result<ArrayPtr> run(Frame& frame, const std::vector<Vector>& inputs) const override {
    const ListReader list(inputs[0]);
    ListPicker picker(frame.rows());
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!list.valid[row]) {
        picker.add_null();
        continue;
      }
      WEIR_ASSIGN(const auto order, sorted_row(frame, list, row));
      for (const int64_t position : order)
        picker.add(position);
      picker.end_row();
    }
    return picker.finish(arrow_type(), list.values());
  }

 private:
  // Comparisons of one element with many others, in one evaluation.
  Result<std::vector<int32_t>> compare(Frame& frame, const ListReader& list, int64_t row,
                                       const Positions& left, const Positions& right) const {
    WEIR_ASSIGN(auto a, pick(list.values(), left));
    WEIR_ASSIGN(auto b, pick(list.values(), right));
    WEIR_ASSIGN(
        auto result,
        apply(frame, 0, std::vector<int32_t>(left.size(), static_cast<int32_t>(row)), {a, b}));
    const Vector vector{result, false};
    const FixedReader<int32_t> reader(vector);
    std::vector<int32_t> orders;
    for (int64_t i = 0; i < result->length(); ++i) {
      if (!reader.valid[i]) {
        return kernel_call(frame).fail(
            "COMPARATOR_RETURNS_NULL", "22004",
            "The comparator has returned a NULL for a comparison. It should return a "
            "positive integer for \"greater than\", 0 for \"equal\" and a negative integer "
            "for \"less than\".");
      }
      orders.push_back(reader[i]);
    }
    return orders;
  }

  Result<Positions> sorted_row(Frame& frame, const ListReader& list, int64_t row) const {
    // Merge sort bottom up: in each round all pairs of runs advance together, so that a round costs
    // as many evaluations as its longest merge.
    Positions order(static_cast<size_t>(list.count(row)));
    std::iota(order.begin(), order.end(), list.begin(row));
    const size_t count = order.size();
    for (size_t width = 1; width < count; width *= 2) {
      struct Merge {
        size_t left, left_end, right, right_end;
        Positions out;
      };
      std::vector<Merge> merges;
      for (size_t at = 0; at < count; at += 2 * width) {
        const size_t middle = std::min(at + width, count);
        merges.push_back({at, middle, middle, std::min(at + 2 * width, count), {}});
      }
      while (true) {
        Positions left, right;
        std::vector<Merge*> active;
        for (auto& merge : merges) {
          if (merge.left == merge.left_end || merge.right == merge.right_end) continue;
          active.push_back(&merge);
          left.push_back(order[merge.left]);
          right.push_back(order[merge.right]);
        }
        if (active.empty()) break;
        WEIR_ASSIGN(const auto results, compare(frame, list, row, left, right));
        for (size_t i = 0; i < active.size(); ++i) {
          auto& merge = *active[i];
          merge.out.push_back(order[results[i] <= 0 ? merge.left++ : merge.right++]);
        }
      }
      Positions next;
      for (auto& merge : merges) {
        next.insert(next.end(), merge.out.begin(), merge.out.end());
        for (size_t i = merge.left; i < merge.left_end; ++i)
          next.push_back(order[i]);
        for (size_t i = merge.right; i < merge.right_end; ++i)
          next.push_back(order[i]);
      }
      order = std::move(next);
    }
    return order;
  }
};

template <typename Kind>
NodePtr make(const plan::TypedPtr& expression, std::vector<NodePtr> arguments,
             std::vector<HigherOrderNode::Lambda> lambdas, bool can_fail) {
  return std::make_shared<const Kind>(expression, std::move(arguments), std::move(lambdas),
                                      can_fail);
}

using Maker = NodePtr (*)(const plan::TypedPtr&, std::vector<NodePtr>,
                          std::vector<HigherOrderNode::Lambda>, bool);

constexpr std::pair<std::string_view, Maker> kMakers[] = {
    {"transform", make<TransformNode>},        {"filter", make<FilterNode>},
    {"exists", make<QuantifierNode>},          {"forall", make<QuantifierNode>},
    {"aggregate", make<AggregateNode>},        {"zip_with", make<ZipWithNode>},
    {"map_filter", make<MapLambdaNode>},       {"transform_keys", make<MapLambdaNode>},
    {"transform_values", make<MapLambdaNode>}, {"map_zip_with", make<MapZipWithNode>},
    {"array_sort", make<ArraySortNode>},
};

}  // namespace

bool is_higher_order(std::string_view function) {
  return std::any_of(std::begin(kMakers), std::end(kMakers),
                     [&](const auto& one) { return one.first == function; });
}

NodePtr make_lambda_variable_node(const plan::TypedPtr& expression) {
  return std::make_shared<const LambdaVariableNode>(expression);
}

Result<NodePtr> make_higher_order_node(const plan::TypedPtr& expression) {
  const auto& call = std::get<plan::TypedCall>(expression->node);
  std::vector<NodePtr> arguments;
  std::vector<HigherOrderNode::Lambda> lambdas;
  bool can_fail = call.function->can_fail;
  for (const auto& argument : call.arguments) {
    if (const auto* lambda = std::get_if<plan::TypedLambda>(&argument->node)) {
      WEIR_ASSIGN(auto body, compile_node(lambda->body));
      can_fail |= body->can_fail();
      lambdas.push_back({lambda, std::move(body)});
    } else {
      WEIR_ASSIGN(auto node, compile_node(argument));
      can_fail |= node->can_fail();
      arguments.push_back(std::move(node));
    }
  }
  for (const auto& [name, maker] : kMakers) {
    if (name == call.function->name)
      return maker(expression, std::move(arguments), std::move(lambdas), can_fail);
  }
  return kernel_error("UNSUPPORTED_FEATURE", "0A000",
                      fmt::format("The function `{}` does not take a lambda.", call.function->name),
                      expression->origin);
}

}  // namespace weir::eval
