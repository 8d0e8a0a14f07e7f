// Plans as Spark prints them: a tree, one operator a line.
#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/calendar.h"
#include "plan/catalog.h"
#include "plan/function_catalog.h"
#include "plan/operator.h"
#include "plan/window_text.h"

namespace weir::plan {

using columnar::TypeKind;

std::string_view join_name(JoinKind kind) {
  switch (kind) {
    case JoinKind::kInner:
      return "Inner";
    case JoinKind::kCross:
      return "Cross";
    case JoinKind::kLeft:
      return "LeftOuter";
    case JoinKind::kRight:
      return "RightOuter";
    case JoinKind::kFull:
      return "FullOuter";
    case JoinKind::kLeftSemi:
      return "LeftSemi";
    case JoinKind::kLeftAnti:
      return "LeftAnti";
  }
  return "Inner";
}

namespace {

constexpr size_t kFieldsMax = 25;  // as spark.sql.debug.maxToStringFields

std::string reference(const Column& column) { return fmt::format("{}#{}", column.name, column.id); }

std::string qualified(const Column& column) {
  auto parts = column.qualifier;
  parts.push_back(column.name);
  return fmt::format("{}", fmt::join(parts, "."));
}

class ExpressionText {
 public:
  using ColumnText = std::string (*)(const Column&);

  explicit ExpressionText(const std::vector<Column>& columns, ColumnText column_text = reference)
      : columns_(columns), column_text_(column_text) {}

  std::string of(const TypedPtr& expression) const {
    return std::visit([&](const auto& node) { return text(node, *expression); }, expression->node);
  }
  std::string list(const std::vector<TypedPtr>& many) const {
    std::string all;
    for (size_t i = 0; i < many.size(); ++i)
      all += (i ? ", " : "") + of(many[i]);
    return all;
  }
  std::string keys(const std::vector<TypedSortKey>& many) const {
    std::string all;
    for (const auto& key : many) {
      all += fmt::format("{}{} {} NULLS {}", all.empty() ? "" : ", ", of(key.expression),
                         key.ascending ? "ASC" : "DESC", key.nulls_first ? "FIRST" : "LAST");
    }
    return all;
  }

 private:
  std::string text(const TypedLiteral& node, const Typed& whole) const {
    return default_name(*make_expression(Literal{whole.type, node.value}));
  }
  std::string text(const TypedColumn& node, const Typed&) const {
    const auto index = static_cast<size_t>(node.index);
    return index < columns_.size() ? column_text_(columns_[index]) : node.name;
  }
  std::string text(const TypedOuterColumn& node, const Typed&) const {
    return fmt::format("outer({})", node.name);
  }
  std::string text(const TypedField& node, const Typed&) const {
    return of(node.child) + "." + node.child->type.fields()[static_cast<size_t>(node.index)].name;
  }
  std::string text(const TypedCast& node, const Typed& whole) const {
    return fmt::format("{}({} as {})", node.try_cast ? "try_cast" : "cast", of(node.child),
                       whole.type.simple_string());
  }
  std::string text(const TypedCall& node, const Typed&) const {
    const auto name = std::string(node.function->name);
    const bool symbol = !name.empty() && !isalpha(static_cast<unsigned char>(name[0]));
    if (node.arguments.size() == 2 && (symbol || name == "and" || name == "or" || name == "div")) {
      return fmt::format("({} {} {})", of(node.arguments[0]), boost::to_upper_copy(name),
                         of(node.arguments[1]));
    }
    auto all =
        fmt::format("{}({}{})", name, node.distinct ? "distinct " : "", list(node.arguments));
    if (!node.within_group.empty())
      all += " within group (order by " + keys(node.within_group) + ")";
    if (node.filter) all += " filter (where " + of(node.filter) + ")";
    return all;
  }
  std::string text(const TypedLambda& node, const Typed&) const {
    return "lambdafunction(" + of(node.body) + ")";
  }
  std::string text(const TypedLambdaVariable& node, const Typed&) const {
    return "lambda " + node.name;
  }
  std::string text(const TypedSubquery& node, const Typed&) const {
    if (node.kind == SubqueryKind::kScalar) return "scalar-subquery";
    if (node.kind == SubqueryKind::kExists) return "exists";
    return list(node.values) + " IN (list)";
  }
  std::string text(const TypedWindow& node, const Typed&) const {
    auto all = of(node.function) + " windowspecdefinition(";
    if (!node.partition_by.empty()) all += list(node.partition_by) + ", ";
    if (!node.order_by.empty()) all += keys(node.order_by) + ", ";
    return all + fmt::format("{} {} .. {})", node.unit == FrameUnit::kRows ? "rows" : "range",
                             bound(node.lower), bound(node.upper));
  }
  std::string text(const TypedPython& node, const Typed&) const {
    return fmt::format("{}({})", node.function->name, list(node.arguments));
  }
  std::string bound(const TypedFrameBound& bound) const {
    switch (bound.kind) {
      case FrameBound::Kind::kUnboundedPreceding:
        return "unboundedpreceding";
      case FrameBound::Kind::kUnboundedFollowing:
        return "unboundedfollowing";
      case FrameBound::Kind::kCurrentRow:
        return "currentrow";
      case FrameBound::Kind::kValue:
        break;
    }
    return of(bound.value);
  }

  const std::vector<Column>& columns_;
  ColumnText column_text_;
};

std::string bound_sql(const TypedFrameBound& bound, const ExpressionText& text) {
  switch (bound.kind) {
    case FrameBound::Kind::kUnboundedPreceding:
      return "UNBOUNDED PRECEDING";
    case FrameBound::Kind::kUnboundedFollowing:
      return "UNBOUNDED FOLLOWING";
    case FrameBound::Kind::kCurrentRow:
      return "CURRENT ROW";
    case FrameBound::Kind::kValue:
      break;
  }
  auto value = text.of(bound.value);
  if (value.starts_with('-')) return value.substr(1) + " PRECEDING";
  if (const auto* call = std::get_if<TypedCall>(&bound.value->node);
      call && call->function->name == "negative")
    return text.of(call->arguments[0]) + " PRECEDING";
  return value + " FOLLOWING";
}

std::string output(const Operator& plan) {
  std::string all;
  size_t shown = 0;
  for (const auto& column : plan.columns) {
    if (column.hidden) continue;
    if (++shown > kFieldsMax) return all + fmt::format(", … {} fields", plan.columns.size());
    all += (all.empty() ? "" : ", ") + reference(column);
  }
  return all;
}

// The operator's own line.
class Line {
 public:
  Line(const Operator& plan, const std::vector<Column>& input) : plan_(plan), text_(input) {}

  std::string operator()(const op::Scan& node) const {
    auto line = fmt::format("Relation [{}] {}", output(plan_), node.table->description());
    if (node.condition)
      line += " PushedFilters: [" + ExpressionText(plan_.columns).of(node.condition) + "]";
    return line;
  }
  std::string operator()(const op::LocalRows&) const {
    return fmt::format("LocalRelation [{}]", output(plan_));
  }
  std::string operator()(const op::OneRow&) const { return "OneRowRelation"; }
  std::string operator()(const op::Range& node) const {
    return fmt::format("Range ({}, {}, step={})", node.start, node.end, node.step);
  }
  std::string operator()(const op::Values& node) const {
    return fmt::format("LocalRelation [{}], {} rows", output(plan_), node.rows.size());
  }
  std::string operator()(const op::Project& node) const {
    std::string all;
    for (size_t i = 0; i < node.list.size(); ++i) {
      const auto shown = text_.of(node.list[i]);
      const auto name = reference(plan_.columns[i]);
      all += (i ? ", " : "") + (shown == name ? shown : shown + " AS " + name);
    }
    return "Project [" + all + "]";
  }
  std::string operator()(const op::Filter& node) const {
    return "Filter " + text_.of(node.condition);
  }
  std::string operator()(const op::Aggregate& node) const {
    auto line =
        fmt::format("Aggregate [{}], [{}]", text_.list(node.keys), text_.list(node.aggregates));
    if (!node.sets.empty()) {
      line += ", sets [";
      for (size_t i = 0; i < node.sets.size(); ++i)
        line += fmt::format("{}({})", i ? ", " : "", fmt::join(node.sets[i], ", "));
      line += "]";
    }
    return line;
  }
  std::string operator()(const op::Join& node) const {
    auto line = fmt::format("{} {}", node.lateral ? "LateralJoin" : "Join", join_name(node.kind));
    if (node.condition) line += ", " + text_.of(node.condition);
    return line;
  }
  std::string operator()(const op::SetOperation& node) const {
    const std::string_view word = node.kind == SetKind::kUnion       ? "Union"
                                  : node.kind == SetKind::kIntersect ? "Intersect"
                                                                     : "Except";
    return fmt::format("{}{}", word, node.all ? " All" : "");
  }
  std::string operator()(const op::Sort& node) const {
    return fmt::format("Sort [{}], true", text_.keys(node.keys));
  }
  std::string operator()(const op::Limit& node) const {
    auto line = node.limit < 0 ? std::string("Offset") : fmt::format("GlobalLimit {}", node.limit);
    if (node.offset > 0) line += fmt::format(", offset {}", node.offset);
    return line;
  }
  std::string operator()(const op::Recursion& node) const {
    return fmt::format("UnionLoop {}", node.id);
  }
  std::string operator()(const op::RecursiveRows& node) const {
    return fmt::format("UnionLoopRef {}", node.id);
  }
  std::string operator()(const op::Tail& node) const { return fmt::format("Tail {}", node.rows); }
  std::string operator()(const op::Distinct&) const { return "Distinct"; }
  std::string operator()(const op::Deduplicate& node) const {
    std::string all;
    for (const int key : node.keys)
      all += (all.empty() ? "" : ", ") + reference(plan_.columns[static_cast<size_t>(key)]);
    return (node.within_watermark ? "DeduplicateWithinWatermark [" : "Deduplicate [") + all + "]";
  }
  std::string operator()(const op::Window& node) const {
    return fmt::format("Window [{}]", text_.list(node.functions));
  }
  std::string operator()(const op::Generate& node) const {
    return fmt::format("Generate {}, {}", text_.of(node.call), node.outer);
  }
  std::string operator()(const op::Sample& node) const {
    return fmt::format("Sample {}, {}, {}, {}", node.lower, node.upper, node.with_replacement,
                       node.seed);
  }
  std::string operator()(const op::Watermark& node) const {
    return fmt::format("EventTimeWatermark {}, {} months {} microseconds",
                       reference(plan_.columns[static_cast<size_t>(node.column)]),
                       node.delay_months, node.delay_us);
  }
  std::string operator()(const op::Observe& node) const {
    return fmt::format("CollectMetrics {}, [{}]", node.name, text_.list(node.aggregates));
  }
  std::string operator()(const op::MapPartitions& node) const {
    return fmt::format("MapInPandas {}", node.function->name);
  }
  std::string operator()(const op::GroupMap& node) const {
    return fmt::format("FlatMapGroupsInPandas [{}], {}", text_.list(node.keys),
                       node.function->name);
  }
  std::string operator()(const op::CoGroupMap& node) const {
    return fmt::format("FlatMapCoGroupsInPandas {}", node.function->name);
  }

 private:
  const Operator& plan_;
  ExpressionText text_;
};

void write(const Operator& plan, const std::string& first, const std::string& rest,
           std::string& text) {
  const auto children = children_of(plan);
  std::vector<Column> input;
  for (const auto& child : children)
    input.insert(input.end(), child->columns.begin(), child->columns.end());
  text += first + std::visit(Line(plan, input), plan.node) + "\n";
  for (size_t i = 0; i < children.size(); ++i) {
    const bool last = i + 1 == children.size();
    write(*children[i], rest + (last ? "+- " : ":- "), rest + (last ? "   " : ":  "), text);
  }
}

}  // namespace

WindowText window_text(const TypedWindow& window, const std::vector<Column>& input) {
  const ExpressionText text(input, qualified);
  std::string specification = "(";
  if (!window.partition_by.empty())
    specification += "PARTITION BY " + text.list(window.partition_by) + " ";
  if (!window.order_by.empty()) specification += "ORDER BY " + text.keys(window.order_by) + " ";
  specification +=
      fmt::format("{} BETWEEN {} AND {})", window.unit == FrameUnit::kRows ? "ROWS" : "RANGE",
                  bound_sql(window.lower, text), bound_sql(window.upper, text));
  return {ExpressionText(input).of(window.function), std::move(specification)};
}

std::string plan_text(const Operator& node) {
  std::string text;
  write(node, "", "", text);
  return text;
}

}  // namespace weir::plan
