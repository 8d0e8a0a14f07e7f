#include "sql/plan_text.h"

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

namespace weir::sql {

using plan::ExpressionPtr;

namespace {

using Parts = std::vector<std::string>;

std::string joined(const Parts& parts, std::string_view separator = ", ") {
  return fmt::format("{}", fmt::join(parts, separator));
}

Parts texts(const std::vector<ExpressionPtr>& list) {
  Parts parts;
  for (const auto& one : list)
    parts.push_back(expression_text(one));
  return parts;
}

std::string keys_text(const std::vector<plan::SortKey>& keys) {
  Parts parts;
  for (const auto& key : keys) {
    parts.push_back(fmt::format("{}{}{}", expression_text(key.expression),
                                key.ascending ? "" : " desc",
                                key.nulls_first == key.ascending ? ""
                                : key.nulls_first                ? " nulls first"
                                                                 : " nulls last"));
  }
  return joined(parts);
}

std::string bound_text(const plan::FrameBound& bound) {
  using Kind = plan::FrameBound::Kind;
  switch (bound.kind) {
    case Kind::kUnboundedPreceding:
      return "-inf";
    case Kind::kUnboundedFollowing:
      return "+inf";
    case Kind::kCurrentRow:
      return "0";
    case Kind::kValue:
      break;
  }
  return expression_text(bound.value);
}

std::string window_text(const plan::WindowSpec& window) {
  Parts parts;
  if (!window.name.empty()) parts.push_back(window.name);
  if (!window.partition_by.empty()) parts.push_back("by " + joined(texts(window.partition_by)));
  if (!window.order_by.empty()) parts.push_back("order " + keys_text(window.order_by));
  if (window.frame) {
    parts.push_back(fmt::format("{} {}..{}",
                                window.frame->unit == plan::FrameUnit::kRows ? "rows" : "range",
                                bound_text(window.frame->lower), bound_text(window.frame->upper)));
  }
  return "{" + joined(parts, "; ") + "}";
}

std::string text(const plan::Call& node) {
  auto parts = texts(node.arguments);
  for (size_t i = 0; i < node.argument_names.size(); ++i) {
    if (!node.argument_names[i].empty()) parts[i] = node.argument_names[i] + " => " + parts[i];
  }
  const bool symbol = !std::isalpha(static_cast<unsigned char>(node.function[0]));
  const bool infix =
      (symbol || node.function == "and" || node.function == "or") && parts.size() == 2;
  auto made = infix ? fmt::format("({} {} {})", parts[0], node.function, parts[1])
                    : fmt::format("{}({}{})", node.function, node.distinct ? "distinct " : "",
                                  joined(parts));
  if (!node.within_group.empty()) made += " within {" + keys_text(node.within_group) + "}";
  if (node.filter) made += " filter {" + expression_text(node.filter) + "}";
  if (node.ignore_nulls) made += " ignore nulls";
  return made;
}

std::string text(const plan::Literal& node) {
  return plan::expression_sql(*plan::make_expression(node));
}
std::string text(const plan::ColumnReference& node) { return joined(node.parts, "."); }
std::string text(const plan::Star& node) {
  Parts except;
  for (const auto& one : node.except)
    except.push_back(joined(one, "."));
  return (node.qualifier.empty() ? "*" : joined(node.qualifier, ".") + ".*") +
         (except.empty() ? "" : " except {" + joined(except) + "}");
}
std::string text(const plan::CastTo& node) {
  return fmt::format("{}({} as {})", node.try_cast ? "try_cast" : "cast",
                     expression_text(node.child), node.type.simple_string());
}
std::string text(const plan::Alias& node) {
  Parts names{node.name};
  names.insert(names.end(), node.more_names.begin(), node.more_names.end());
  return fmt::format("{} as {}", expression_text(node.child),
                     names.size() == 1 ? names[0] : "(" + joined(names) + ")");
}
std::string text(const plan::Extract& node) {
  return fmt::format("{}[{}]", expression_text(node.child), expression_text(node.key));
}
std::string text(const plan::ColumnRegex& node) { return node.pattern; }
std::string text(const plan::Over& node) {
  return expression_text(node.function) + " over " + window_text(node.window);
}
std::string text(const plan::Lambda& node) {
  return fmt::format("({}) -> {}", joined(node.parameters), expression_text(node.body));
}
std::string text(const plan::LambdaVariable& node) { return node.name; }
std::string text(const plan::Subquery& node) {
  static constexpr std::string_view kKinds[] = {"scalar", "exists", "in"};
  auto parts = texts(node.values);
  parts.push_back(plan_text(node.plan));
  return fmt::format("{}({})", kKinds[static_cast<size_t>(node.kind)], joined(parts));
}
std::string text(const plan::UpdateField& node) { return "update " + node.field; }
std::string text(const plan::Parameter& node) {
  return node.name.empty() ? fmt::format("?{}", node.position) : ":" + node.name;
}
std::string text(const plan::PythonCall& node) { return node.function->name; }

// Plans: what stands in the parentheses after the children.
Parts details(const plan::NamedTable& node) {
  Parts parts{joined(node.name, ".")};
  if (node.state.version) parts.push_back(fmt::format("version {}", *node.state.version));
  if (node.state.timestamp) parts.push_back("at " + expression_text(node.state.timestamp));
  for (const auto& [key, value] : node.options)
    parts.push_back(key + "=" + value);
  if (node.streaming) parts.push_back("streaming");
  return parts;
}
Parts details(const plan::Values& node) {
  Parts parts;
  for (const auto& row : node.rows)
    parts.push_back("(" + joined(texts(row)) + ")");
  return parts;
}
Parts details(const plan::TableFunction& node) { return {expression_text(node.call)}; }
Parts details(const plan::Project& node) { return texts(node.list); }
Parts details(const plan::Filter& node) { return {expression_text(node.condition)}; }
Parts details(const plan::Aggregate& node) {
  static constexpr std::string_view kKinds[] = {"by", "rollup", "cube", "sets"};
  Parts parts;
  if (node.keys_all) {
    parts.push_back("by all");
  } else {
    auto keys = joined(texts(node.keys));
    for (const auto& set : node.sets)
      keys += fmt::format(" ({})", fmt::join(set, " "));
    parts.push_back(fmt::format("{} {{{}}}", kKinds[static_cast<size_t>(node.kind)], keys));
  }
  for (auto& one : texts(node.list))
    parts.push_back(std::move(one));
  if (node.having) parts.push_back("having " + expression_text(node.having));
  return parts;
}
Parts details(const plan::Pivot& node) {
  Parts values;
  for (const auto& [value, name] : node.values)
    values.push_back(expression_text(value) + (name.empty() ? "" : " as " + name));
  return {joined(texts(node.list)), "for " + joined(texts(node.columns)),
          "in {" + joined(values) + "}"};
}
Parts details(const plan::Unpivot& node) {
  Parts sets;
  for (size_t i = 0; i < node.values.size(); ++i) {
    const auto& name = node.value_aliases[i];
    sets.push_back(joined(texts(node.values[i]), "+") + (name.empty() ? "" : " as " + name));
  }
  return {joined(node.value_names, "+"), "for " + node.variable_name, "in {" + joined(sets) + "}",
          node.include_nulls ? "nulls" : "no nulls"};
}
Parts details(const plan::Join& node) {
  static constexpr std::string_view kKinds[] = {"inner", "cross", "left", "right",
                                                "full",  "semi",  "anti"};
  Parts parts{std::string(kKinds[static_cast<size_t>(node.kind)])};
  if (node.natural) parts.push_back("natural");
  if (node.lateral) parts.push_back("lateral");
  if (node.condition) parts.push_back("on " + expression_text(node.condition));
  if (!node.using_columns.empty()) parts.push_back("using {" + joined(node.using_columns) + "}");
  return parts;
}
Parts details(const plan::SetOperation& node) {
  static constexpr std::string_view kKinds[] = {"union", "intersect", "except"};
  return {fmt::format("{}{}", kKinds[static_cast<size_t>(node.kind)], node.all ? " all" : "")};
}
Parts details(const plan::Sort& node) {
  return {std::string(node.global ? "" : "local ") + (node.all ? "all " : "") +
          keys_text(node.keys)};
}
Parts details(const plan::Limit& node) {
  Parts parts;
  if (node.limit) parts.push_back(expression_text(node.limit));
  if (node.offset) parts.push_back("offset " + expression_text(node.offset));
  return parts;
}
Parts details(const plan::SubqueryAlias& node) {
  return {joined(node.alias, ".") + (node.columns.empty() ? "" : "(" + joined(node.columns) + ")")};
}
Parts details(const plan::With& node) {
  Parts parts;
  if (node.recursive) parts.push_back("recursive");
  for (const auto& table : node.tables) {
    parts.push_back(fmt::format("{}{} = {}", table.name,
                                table.columns.empty() ? "" : "(" + joined(table.columns) + ")",
                                plan_text(table.plan)));
  }
  return parts;
}
Parts details(const plan::LateralView& node) {
  return {std::string(node.outer ? "outer " : "") + expression_text(node.generator),
          node.alias + "(" + joined(node.columns) + ")"};
}
Parts details(const plan::WindowClause& node) {
  Parts parts;
  for (const auto& one : node.windows)
    parts.push_back(one.name + " = " + window_text(one.window));
  return parts;
}
Parts details(const plan::Sample& node) {
  Parts parts{node.rows ? expression_text(*node.rows) + " rows"
                        : fmt::format("{:g}..{:g}", node.lower, node.upper)};
  if (node.seed) parts.push_back(fmt::format("seed {}", *node.seed));
  return parts;
}
Parts details(const plan::Repartition& node) { return texts(node.by); }
Parts details(const plan::Hint& node) {
  return {node.name + "(" + joined(texts(node.parameters)) + ")"};
}
Parts details(const plan::WithColumns& node) { return texts(node.columns); }
Parts details(const plan::DropColumns& node) { return texts(node.columns); }
Parts details(const plan::WithWatermark& node) { return {node.column, node.delay}; }
template <typename Other>
Parts details(const Other&) {
  return {};
}

std::string_view kind_name(const plan::PlanNode& node) {
  static constexpr std::string_view kNames[] = {
      "table",   "source",       "rows",      "values",   "one",         "range", "function",
      "project", "filter",       "aggregate", "pivot",    "unpivot",     "join",  "set",
      "sort",    "limit",        "tail",      "distinct", "deduplicate", "alias", "with",
      "id",      "lateral_view", "window",    "sample",   "repartition", "hint"};
  if (std::holds_alternative<plan::WithColumns>(node.node)) return "with_columns";
  if (std::holds_alternative<plan::DropColumns>(node.node)) return "drop_columns";
  if (std::holds_alternative<plan::WithWatermark>(node.node)) return "watermark";
  const size_t index = node.node.index();
  return index < std::size(kNames) ? kNames[index] : "node";
}

}  // namespace

std::string expression_text(const ExpressionPtr& expression) {
  return std::visit([](const auto& node) { return text(node); }, expression->node);
}

std::string plan_text(const plan::PlanPtr& plan) {
  Parts parts;
  for (const auto& child : plan::children_of(*plan))
    parts.push_back(plan_text(child));
  for (auto& detail : std::visit([](const auto& node) { return details(node); }, plan->node))
    parts.push_back(std::move(detail));
  const auto name = kind_name(*plan);
  return parts.empty() ? std::string(name) : fmt::format("{}({})", name, joined(parts));
}

}  // namespace weir::sql
