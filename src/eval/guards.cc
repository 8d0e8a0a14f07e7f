// Forms that do not evaluate all operands for all rows: AND, OR, CASE, IF, COALESCE, NVL2.
//
// An operand that cannot fail is evaluated for every row (cheap, vectorised). One that may fail is
// evaluated over the selection of rows that reach it.
#include <optional>

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/api.h>

#include "eval/node.h"

namespace weir::eval {

namespace {

using Rows = std::vector<int32_t>;

ArrayPtr index_array(const Rows& rows) {
  FixedWriter<int32_t> writer(static_cast<int64_t>(rows.size()));
  for (size_t i = 0; i < rows.size(); ++i)
    writer.set(static_cast<int64_t>(i), rows[i]);
  return writer.finish(arrow::int32());
}

class AndOrNode final : public Node {
 public:
  AndOrNode(const plan::TypedPtr& expression, std::vector<NodePtr> arguments, bool is_and)
      : Node(expression, arguments[0]->can_fail() || arguments[1]->can_fail()),
        left_(arguments[0]),
        right_(arguments[1]),
        is_and_(is_and) {}

  Result<Vector> evaluate(Frame& frame) const override {
    WEIR_ASSIGN(auto left, left_->evaluate(frame));
    const BoolReader l(left);
    if (left.constant && l.valid[0] && l[0] != is_and_) return left;
    if (!right_->can_fail()) {
      WEIR_ASSIGN(auto right, right_->evaluate(frame));
      return combine(left, right, nullptr, frame.rows());
    }
    Rows selected;
    for (int64_t row = 0; row < frame.rows(); ++row) {
      if (!l.valid[row] || l[row] == is_and_) selected.push_back(static_cast<int32_t>(row));
    }
    if (selected.empty()) return Vector{left.array, left.constant};
    if (static_cast<int64_t>(selected.size()) == frame.rows()) {
      WEIR_ASSIGN(auto right, right_->evaluate(frame));
      return combine(left, right, nullptr, frame.rows());
    }
    Frame narrow(frame, index_array(selected));
    WEIR_ASSIGN(auto right, right_->evaluate(narrow));
    return combine(left, right, &selected, frame.rows());
  }

 private:
  // selected: the rows for which `right` has values, in order; null: all.
  Result<Vector> combine(const Vector& left, const Vector& right, const Rows* selected,
                         int64_t rows) const {
    const bool constant = left.constant && right.constant && !selected;
    if (constant) rows = 1;
    const BoolReader l(left), r(right);
    BoolWriter writer(rows);
    const auto one = [&](int64_t row, int64_t right_row) {
      const bool l_valid = l.valid[row], r_valid = r.valid[right_row];
      const bool decisive = !is_and_;  // AND is decided by false, OR by true
      if ((l_valid && l[row] == decisive) || (r_valid && r[right_row] == decisive)) {
        writer.set(row, decisive);
      } else if (!l_valid || !r_valid) {
        writer.set_null(row);
      } else {
        writer.set(row, !decisive);
      }
    };
    if (!selected) {
      for (int64_t row = 0; row < rows; ++row)
        one(row, row);
      return Vector{writer.finish(), constant};
    }
    BoolWriter merged(rows);
    size_t next = 0;
    for (int64_t row = 0; row < rows; ++row) {
      if (next < selected->size() && (*selected)[next] == row) {
        const auto right_row = static_cast<int64_t>(next++);
        const bool r_valid = r.valid[right_row];
        if (r_valid && r[right_row] == !is_and_) {
          merged.set(row, !is_and_);
        } else if (!l.valid[row] || !r_valid) {
          merged.set_null(row);
        } else {
          merged.set(row, is_and_);
        }
      } else {
        merged.set(row, !is_and_);
      }
    }
    return Vector{merged.finish(), false};
  }

  NodePtr left_;
  NodePtr right_;
  bool is_and_;
};

// Puts values of several branches together: for every row which branch, and which of its rows.
class Assembler {
 public:
  explicit Assembler(int64_t rows) : source_(static_cast<size_t>(rows), -1) {}

  // Rows of this frame that the branch decides; `values` has one value a row of `rows` (packed) or
  // of the frame.
  void add(const Rows& rows, const Vector& values, bool packed) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t within = values.constant ? 0 : packed ? static_cast<int64_t>(i) : rows[i];
      source_[static_cast<size_t>(rows[i])] = length_ + within;
    }
    length_ += values.array->length();
    arrays_.push_back(values.array);
  }

  Result<ArrayPtr> finish(const std::shared_ptr<arrow::DataType>& type) {
    const auto rows = static_cast<int64_t>(source_.size());
    if (arrays_.empty()) {
      WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(type, rows));
      return nulls;
    }
    for (auto& array : arrays_) {
      WEIR_ASSIGN(array, canonical(array, type));
    }
    WEIR_ARROW_ASSIGN(auto all, arrow::Concatenate(arrays_));
    FixedWriter<int64_t> indices(rows);
    for (int64_t row = 0; row < rows; ++row) {
      const auto source = source_[static_cast<size_t>(row)];
      if (source < 0) {
        indices.set_null(row);
      } else {
        indices.set(row, source);
      }
    }
    WEIR_ARROW_ASSIGN(auto taken, arrow::compute::Take(*all, *indices.finish(arrow::int64())));
    return taken;
  }

 private:
  std::vector<int64_t> source_;
  int64_t length_ = 0;
  std::vector<ArrayPtr> arrays_;
};

Rows all_rows(int64_t count) {
  Rows rows(static_cast<size_t>(count));
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<int32_t>(i);
  return rows;
}

// Evaluates `node` for some rows of the frame: over all rows where that is safe (packed = false),
// else over a selection.
Result<std::pair<Vector, bool>> evaluate_for(const Node& node, Frame& frame, const Rows& rows) {
  if (!node.can_fail() || static_cast<int64_t>(rows.size()) == frame.rows()) {
    WEIR_ASSIGN(auto values, node.evaluate(frame));
    return std::pair{std::move(values), false};
  }
  Frame narrow(frame, index_array(rows));
  WEIR_ASSIGN(auto values, node.evaluate(narrow));
  return std::pair{std::move(values), true};
}

bool any_can_fail(const std::vector<NodePtr>& nodes) {
  for (const auto& node : nodes) {
    if (node->can_fail()) return true;
  }
  return false;
}

// when(c1, v1, c2, v2, …, else) and if(c, a, b).
class CaseNode final : public Node {
 public:
  CaseNode(const plan::TypedPtr& expression, std::vector<NodePtr> arguments)
      : Node(expression, any_can_fail(arguments)), arguments_(std::move(arguments)) {}

  Result<Vector> evaluate(Frame& frame) const override {
    Assembler assembler(frame.rows());
    Rows open = all_rows(frame.rows());
    const size_t pairs = arguments_.size() / 2;
    for (size_t i = 0; i < pairs && !open.empty(); ++i) {
      WEIR_ASSIGN(auto condition, evaluate_for(*arguments_[2 * i], frame, open));
      const BoolReader reader(condition.first);
      Rows taken, left;
      for (size_t k = 0; k < open.size(); ++k) {
        const int64_t at = condition.second ? static_cast<int64_t>(k) : open[k];
        (reader.valid[at] && reader[at] ? taken : left).push_back(open[k]);
      }
      if (!taken.empty()) WEIR_TRY(add(assembler, *arguments_[2 * i + 1], frame, taken));
      open = std::move(left);
    }
    if (arguments_.size() % 2 == 1 && !open.empty())
      WEIR_TRY(add(assembler, *arguments_.back(), frame, open));
    WEIR_ASSIGN(auto array, assembler.finish(arrow_type()));
    return Vector{std::move(array), false};
  }

 private:
  static Result<void> add(Assembler& assembler, const Node& value, Frame& frame, const Rows& rows) {
    WEIR_ASSIGN(auto values, evaluate_for(value, frame, rows));
    assembler.add(rows, values.first, values.second);
    return {};
  }
  std::vector<NodePtr> arguments_;
};

class CoalesceNode final : public Node {
 public:
  CoalesceNode(const plan::TypedPtr& expression, std::vector<NodePtr> arguments)
      : Node(expression, any_can_fail(arguments)), arguments_(std::move(arguments)) {}

  Result<Vector> evaluate(Frame& frame) const override {
    Assembler assembler(frame.rows());
    Rows open = all_rows(frame.rows());
    for (const auto& argument : arguments_) {
      if (open.empty()) break;
      WEIR_ASSIGN(auto values, evaluate_for(*argument, frame, open));
      if (open.size() == static_cast<size_t>(frame.rows()) && !values.first.constant &&
          values.first.array->null_count() == 0) {
        return std::move(values.first);
      }
      const Validity valid(values.first);
      Rows taken, left;
      std::vector<int64_t> within;
      for (size_t k = 0; k < open.size(); ++k) {
        const int64_t at = values.second ? static_cast<int64_t>(k) : open[k];
        (valid[at] ? taken : left).push_back(open[k]);
        if (valid[at]) within.push_back(at);
      }
      if (!taken.empty()) {
        if (values.second && !values.first.constant) {
          FixedWriter<int64_t> indices(static_cast<int64_t>(within.size()));
          for (size_t i = 0; i < within.size(); ++i)
            indices.set(static_cast<int64_t>(i), within[i]);
          WEIR_ASSIGN(values.first.array,
                      take_rows(values.first.array, *indices.finish(arrow::int64())));
        }
        assembler.add(taken, values.first, values.second);
      }
      open = std::move(left);
    }
    WEIR_ASSIGN(auto array, assembler.finish(arrow_type()));
    return Vector{std::move(array), false};
  }

 private:
  std::vector<NodePtr> arguments_;
};

class Nvl2Node final : public Node {
 public:
  Nvl2Node(const plan::TypedPtr& expression, std::vector<NodePtr> arguments)
      : Node(expression, any_can_fail(arguments)), arguments_(std::move(arguments)) {}

  Result<Vector> evaluate(Frame& frame) const override {
    WEIR_ASSIGN(auto subject, arguments_[0]->evaluate(frame));
    const Validity valid(subject);
    Rows present, absent;
    for (int64_t row = 0; row < frame.rows(); ++row)
      (valid[row] ? present : absent).push_back(static_cast<int32_t>(row));
    Assembler assembler(frame.rows());
    for (const auto& [rows, node] :
         {std::pair{&present, arguments_[1]}, std::pair{&absent, arguments_[2]}}) {
      if (rows->empty()) continue;
      WEIR_ASSIGN(auto values, evaluate_for(*node, frame, *rows));
      assembler.add(*rows, values.first, values.second);
    }
    WEIR_ASSIGN(auto array, assembler.finish(arrow_type()));
    return Vector{std::move(array), false};
  }

 private:
  std::vector<NodePtr> arguments_;
};

}  // namespace

bool is_special_form(const plan::Function& function) {
  return function.form != plan::EvaluationForm::kStrict || function.name == "nvl2";
}

NodePtr make_guard_node(const plan::TypedPtr& expression, std::vector<NodePtr> arguments) {
  const auto& function = *std::get<plan::TypedCall>(expression->node).function;
  switch (function.form) {
    case plan::EvaluationForm::kAnd:
      return std::make_shared<const AndOrNode>(expression, std::move(arguments), true);
    case plan::EvaluationForm::kOr:
      return std::make_shared<const AndOrNode>(expression, std::move(arguments), false);
    case plan::EvaluationForm::kCase:
      return std::make_shared<const CaseNode>(expression, std::move(arguments));
    case plan::EvaluationForm::kCoalesce:
      return std::make_shared<const CoalesceNode>(expression, std::move(arguments));
    case plan::EvaluationForm::kStrict:
      break;
  }
  return std::make_shared<const Nvl2Node>(expression, std::move(arguments));
}

}  // namespace weir::eval
