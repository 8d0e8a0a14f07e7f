#include "operators/join_condition.h"

#include <algorithm>

#include "operators/event_time.h"
#include "plan/function_catalog.h"

namespace weir::operators {

using columnar::TypeKind;
using plan::TypedPtr;

namespace {

void split(const TypedPtr& condition, std::vector<TypedPtr>& out) {
  if (!condition) return;
  const auto* call = std::get_if<plan::TypedCall>(&condition->node);
  if (call && call->function->name == "and") {
    for (const auto& one : call->arguments)
      split(one, out);
    return;
  }
  out.push_back(condition);
}

TypedPtr both(const TypedPtr& a, const TypedPtr& b) {
  if (!a) return b;
  plan::TypedCall call;
  call.function = plan::find_function("and");
  call.arguments = {a, b};
  return std::make_shared<const plan::Typed>(
      plan::Typed{a->type, true, std::move(call), a->origin});
}

// A time column and microseconds more; nullopt for other expressions.
struct Linear {
  int column = 0;
  int64_t offset_us = 0;
};

std::optional<Linear> linear(const plan::Typed& expression) {
  if (const auto* column = std::get_if<plan::TypedColumn>(&expression.node))
    return Linear{column->index, 0};
  const auto* call = std::get_if<plan::TypedCall>(&expression.node);
  if (!call || call->arguments.size() != 2) return std::nullopt;
  const auto name = call->function->name;
  if (name != "+" && name != "-") return std::nullopt;
  for (int i = 0; i < (name == "+" ? 2 : 1); ++i) {
    const auto* number =
        std::get_if<plan::TypedLiteral>(&call->arguments[static_cast<size_t>(1 - i)]->node);
    const auto* value = number ? std::get_if<int64_t>(&number->value) : nullptr;
    if (!value || !call->arguments[static_cast<size_t>(1 - i)]->type.is(TypeKind::kDayTimeInterval))
      continue;
    auto rest = linear(*call->arguments[static_cast<size_t>(i)]);
    if (!rest) return std::nullopt;
    rest->offset_us += name == "+" ? *value : -*value;
    return rest;
  }
  return std::nullopt;
}

bool is_time(const columnar::DataType& type) {
  return type.is(TypeKind::kTimestamp) || type.is(TypeKind::kTimestampNtz);
}

class Taker {
 public:
  explicit Taker(const plan::op::Join& join)
      : join_(join), left_columns_(static_cast<int>(join.left->columns.size())) {
    left_events_ = event_time_columns(*join.left);
    right_events_ = event_time_columns(*join.right);
  }

  Result<JoinCondition> run() {
    std::vector<TypedPtr> parts;
    split(join_.condition, parts);
    for (const auto& part : parts) {
      if (!key(part)) sort_out(part);
    }
    if (made_.left_keys.empty()) {
      return base::error(base::ErrorKind::kUnsupported,
                         "Stream-stream join without equality predicate is not supported")
          .with_class("_LEGACY_ERROR_TEMP_3102");
    }
    times();
    return std::move(made_);
  }

 private:
  enum class Side { kNeither, kLeft, kRight, kBoth };
  Side side_of(const TypedPtr& expression) const {
    bool left = false, right = false;
    for (const int column : plan::columns_needed({expression})) {
      left = left || column < left_columns_;
      right = right || column >= left_columns_;
    }
    return left && right ? Side::kBoth : left ? Side::kLeft : right ? Side::kRight : Side::kNeither;
  }
  TypedPtr to_right(const TypedPtr& expression) const {
    std::vector<int> index(static_cast<size_t>(left_columns_) + join_.right->columns.size(), -1);
    for (size_t i = 0; i < join_.right->columns.size(); ++i)
      index[static_cast<size_t>(left_columns_) + i] = static_cast<int>(i);
    return plan::remap_columns(expression, index);
  }
  bool key(const TypedPtr& part) {
    const auto* call = std::get_if<plan::TypedCall>(&part->node);
    if (!call || (call->function->name != "=" && call->function->name != "<=>")) return false;
    const auto& a = call->arguments[0];
    const auto& b = call->arguments[1];
    const auto a_side = side_of(a), b_side = side_of(b);
    const bool null_safe = call->function->name == "<=>";
    if (a_side == Side::kLeft && b_side == Side::kRight) {
      made_.left_keys.push_back(a);
      made_.right_keys.push_back(to_right(b));
      made_.null_safe.push_back(null_safe);
      return true;
    }
    if (a_side == Side::kRight && b_side == Side::kLeft) {
      made_.left_keys.push_back(b);
      made_.right_keys.push_back(to_right(a));
      made_.null_safe.push_back(null_safe);
      return true;
    }
    return false;
  }
  void sort_out(const TypedPtr& part) {
    switch (side_of(part)) {
      case Side::kLeft:
      case Side::kNeither:
        made_.left_only = both(made_.left_only, part);
        if (side_of(part) == Side::kNeither)
          made_.right_only = both(made_.right_only, to_right(part));
        return;
      case Side::kRight:
        made_.right_only = both(made_.right_only, to_right(part));
        return;
      case Side::kBoth:
        range(part);
        made_.pairs = both(made_.pairs, part);
    }
  }

  // left_time - right_time <= bound (or >=) out of a comparison of two times.
  struct Range {
    int left = 0, right = 0;  // columns
    bool upper = true;
    bool strict = false;
    int64_t bound_us = 0;
  };
  void range(const TypedPtr& part) {
    const auto* call = std::get_if<plan::TypedCall>(&part->node);
    if (!call || call->arguments.size() != 2) return;
    const auto name = call->function->name;
    if (name != "<" && name != "<=" && name != ">" && name != ">=") return;
    auto low = linear(*call->arguments[0]);
    auto high = linear(*call->arguments[1]);
    if (!low || !high || !is_time(call->arguments[0]->type) || !is_time(call->arguments[1]->type))
      return;
    if (name[0] == '>') std::swap(low, high);
    // low.column + low.offset <= high.column + high.offset
    Range made;
    made.strict = name.size() == 1;
    const int64_t gap = high->offset_us - low->offset_us;
    if (low->column < left_columns_ && high->column >= left_columns_) {
      made = {low->column, high->column - left_columns_, true, made.strict, gap};
    } else if (low->column >= left_columns_ && high->column < left_columns_) {
      made = {high->column, low->column - left_columns_, false, made.strict, -gap};
    } else {
      return;
    }
    ranges_.push_back(made);
  }

  void times() {
    // Equal event times: a window, a timestamp among the keys of either side.
    for (size_t k = 0; k < made_.left_keys.size(); ++k) {
      if (!is_event_time(*made_.left_keys[k], left_events_) &&
          !is_event_time(*made_.right_keys[k], right_events_))
        continue;
      made_.left_time = {JoinSideTime::Kind::kKey, static_cast<int>(k), 0, 0, 0};
      made_.right_time = made_.left_time;
      return;
    }
    for (const auto& one : ranges_) {
      const bool left_event = left_events_[static_cast<size_t>(one.left)];
      const bool right_event = right_events_[static_cast<size_t>(one.right)];
      // A row of the left meets only right ones up to left - bound (lower bounds of left - right),
      // so it may go when right's event time is past that.
      if (!one.upper && right_event) bound(made_.left_time, one.left, one.bound_us, one.strict);
      if (one.upper && left_event) bound(made_.right_time, one.right, -one.bound_us, one.strict);
    }
    for (const auto& one : ranges_) {
      if (made_.left_time.position == one.left && made_.right_time.position == one.right) {
        // upper: right >= left - bound; lower: right <= left - bound.
        (one.upper ? made_.left_time.other_from_us : made_.left_time.other_to_us) = -one.bound_us;
        (one.upper ? made_.right_time.other_to_us : made_.right_time.other_from_us) = one.bound_us;
      }
    }
  }
  // Spark keeps a row for a millisecond more where the comparison holds for equal times too.
  static void bound(JoinSideTime& time, int column, int64_t offset_us, bool strict) {
    if (!strict) offset_us -= 1000;
    if (time.kind == JoinSideTime::Kind::kValue && time.position == column)
      offset_us = std::max(offset_us, time.offset_us);
    time = {JoinSideTime::Kind::kValue, column, offset_us, {}, {}};
  }

  const plan::op::Join& join_;
  int left_columns_;
  std::vector<bool> left_events_, right_events_;
  std::vector<Range> ranges_;
  JoinCondition made_;
};

}  // namespace

Result<JoinCondition> take_apart(const plan::op::Join& join) { return Taker(join).run(); }

}  // namespace weir::operators
