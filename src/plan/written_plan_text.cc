#include "plan/written_plan_text.h"

#include <fmt/format.h>

namespace weir::plan {

namespace {

std::string list_of(const std::vector<ExpressionPtr>& expressions) {
  std::vector<std::string> texts;
  for (const auto& one : expressions)
    texts.push_back(expression_sql(*one));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string sort_text(const std::vector<SortKey>& keys) {
  std::vector<std::string> texts;
  for (const auto& key : keys)
    texts.push_back(fmt::format("{} {} NULLS {}", expression_sql(*key.expression),
                                key.ascending ? "ASC" : "DESC",
                                key.nulls_first ? "FIRST" : "LAST"));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string aliases(const std::vector<std::string>& columns) {
  return columns.empty() ? "" : fmt::format(" [{}]", fmt::join(columns, ", "));
}

constexpr std::string_view kJoins[] = {"Inner",     "Cross",    "LeftOuter", "RightOuter",
                                       "FullOuter", "LeftSemi", "LeftAnti"};
constexpr std::string_view kSets[] = {"Union", "Intersect", "Except"};
constexpr std::string_view kGroupings[] = {"", " rollup", " cube", " grouping sets"};
constexpr std::string_view kStatistics[] = {"crosstab",  "cov",       "corr",
                                            "quantiles", "freqItems", "sampleBy"};

// The line of one node, those below left out.
struct Line {
  std::string operator()(const NamedTable& node) const {
    return fmt::format("'UnresolvedRelation [{}]{}", fmt::join(node.name, ", "),
                       node.streaming ? ", streaming" : "");
  }
  std::string operator()(const DataSource& node) const {
    return fmt::format("'UnresolvedDataSource {} [{}]{}", node.format, fmt::join(node.paths, ", "),
                       node.streaming ? ", streaming" : "");
  }
  std::string operator()(const LocalRows& node) const {
    std::vector<std::string> names;
    for (const auto& field : node.schema.fields())
      names.push_back(field.name);
    return fmt::format("LocalRelation [{}]", fmt::join(names, ", "));
  }
  std::string operator()(const Values& node) const {
    return fmt::format("'UnresolvedInlineTable {} rows", node.rows.size());
  }
  std::string operator()(const OneRow&) const { return "OneRowRelation"; }
  std::string operator()(const RangeRows& node) const {
    return fmt::format("Range ({}, {}, step={})", node.start, node.end, node.step);
  }
  std::string operator()(const TableFunction& node) const {
    return "'UnresolvedTableValuedFunction " + expression_sql(*node.call);
  }
  std::string operator()(const Project& node) const { return "'Project " + list_of(node.list); }
  std::string operator()(const Filter& node) const {
    return "'Filter " + expression_sql(*node.condition);
  }
  std::string operator()(const Aggregate& node) const {
    return fmt::format("'Aggregate{} {}, {}{}", kGroupings[static_cast<size_t>(node.kind)],
                       node.keys_all ? "[ALL]" : list_of(node.keys), list_of(node.list),
                       node.having ? ", having " + expression_sql(*node.having) : "");
  }
  std::string operator()(const Pivot& node) const {
    return fmt::format("'Pivot {}, {}, {}", list_of(node.keys), list_of(node.columns),
                       list_of(node.list));
  }
  std::string operator()(const Unpivot& node) const {
    return fmt::format("'Unpivot {}, {}, [{}]", list_of(node.ids), node.variable_name,
                       fmt::join(node.value_names, ", "));
  }
  std::string operator()(const Join& node) const {
    std::string text =
        fmt::format("'{}Join {}{}", node.lateral ? "Lateral" : "", node.natural ? "Natural" : "",
                    kJoins[static_cast<size_t>(node.kind)]);
    if (!node.using_columns.empty())
      text += fmt::format(", using [{}]", fmt::join(node.using_columns, ", "));
    return node.condition ? text + ", " + expression_sql(*node.condition) : text;
  }
  std::string operator()(const SetOperation& node) const {
    return fmt::format("'{}{}{}", kSets[static_cast<size_t>(node.kind)], node.all ? " All" : "",
                       node.by_name ? " by name" : "");
  }
  std::string operator()(const Sort& node) const {
    return fmt::format("'Sort {}, {}", sort_text(node.keys), node.global);
  }
  std::string operator()(const Limit& node) const {
    std::string text = "'Limit";
    if (node.limit) text += " " + expression_sql(*node.limit);
    if (node.offset) text += " offset " + expression_sql(*node.offset);
    return text;
  }
  std::string operator()(const Tail& node) const { return fmt::format("Tail {}", node.rows); }
  std::string operator()(const Distinct&) const { return "'Distinct"; }
  std::string operator()(const Deduplicate& node) const {
    return fmt::format("'Deduplicate{} [{}]", node.within_watermark ? "WithinWatermark" : "",
                       fmt::join(node.columns, ", "));
  }
  std::string operator()(const SubqueryAlias& node) const {
    return fmt::format("'SubqueryAlias {}{}", fmt::join(node.alias, "."), aliases(node.columns));
  }
  std::string operator()(const With& node) const {
    std::vector<std::string> names;
    for (const auto& table : node.tables)
      names.push_back(table.name);
    return fmt::format("CTE{} [{}]", node.recursive ? " recursive" : "", fmt::join(names, ", "));
  }
  std::string operator()(const PlanId&) const { return {}; }
  std::string operator()(const LateralView& node) const {
    return fmt::format("'Generate {}{}, {}{}", expression_sql(*node.generator),
                       node.outer ? ", outer" : "", node.alias, aliases(node.columns));
  }
  std::string operator()(const WindowClause& node) const {
    std::vector<std::string> names;
    for (const auto& window : node.windows)
      names.push_back(window.name);
    return fmt::format("'WithWindowDefinition [{}]", fmt::join(names, ", "));
  }
  std::string operator()(const Sample& node) const {
    if (node.rows) return "'Sample " + expression_sql(**node.rows) + " rows";
    return fmt::format("'Sample {}, {}, {}", node.lower, node.upper, node.with_replacement);
  }
  std::string operator()(const Repartition& node) const {
    return fmt::format("'Repartition {}{}", list_of(node.by),
                       node.partitions ? fmt::format(", {}", *node.partitions) : "");
  }
  std::string operator()(const Hint& node) const {
    return fmt::format("'UnresolvedHint {}, {}", node.name, list_of(node.parameters));
  }
  std::string operator()(const ToSchema& node) const {
    return "'Project to " + node.schema.simple_string();
  }
  std::string operator()(const ToDataFrame& node) const {
    return fmt::format("'Project as [{}]", fmt::join(node.names, ", "));
  }
  std::string operator()(const WithColumns& node) const {
    return "'Project [*, " + list_of(node.columns).substr(1);
  }
  std::string operator()(const RenameColumns& node) const {
    std::vector<std::string> names;
    for (const auto& [from, to] : node.names)
      names.push_back(from + " AS " + to);
    return fmt::format("'UnresolvedRename [{}]", fmt::join(names, ", "));
  }
  std::string operator()(const DropColumns& node) const {
    return fmt::format("'DataFrameDropColumns {}{}", list_of(node.columns), aliases(node.names));
  }
  std::string operator()(const FillNa& node) const { return "'FillNa" + aliases(node.columns); }
  std::string operator()(const DropNa& node) const { return "'DropNa" + aliases(node.columns); }
  std::string operator()(const ReplaceValues& node) const {
    return "'Replace" + aliases(node.columns);
  }
  std::string operator()(const Describe& node) const {
    return (node.summary ? "'Summary" : "'Describe") + aliases(node.columns);
  }
  std::string operator()(const Statistic& node) const {
    return fmt::format("'Statistic {}{}", kStatistics[static_cast<size_t>(node.kind)],
                       aliases(node.columns));
  }
  std::string operator()(const WithWatermark& node) const {
    return fmt::format("'EventTimeWatermark {}, {}", node.column, node.delay);
  }
  std::string operator()(const Observe& node) const {
    return fmt::format("'CollectMetrics {}, {}", node.name, list_of(node.metrics));
  }
  std::string operator()(const MapPartitions& node) const {
    return "'MapPartitions " + node.function->name;
  }
  std::string operator()(const GroupMap& node) const {
    return fmt::format("'FlatMapGroups {}, {}", list_of(node.keys), node.function->name);
  }
  std::string operator()(const CoGroupMap& node) const {
    return fmt::format("'FlatMapCoGroups {}, {}, {}", list_of(node.left_keys),
                       list_of(node.right_keys), node.function->name);
  }
  std::string operator()(const CachedRelation&) const { return "LogicalRDD"; }
};

void write(const PlanNode& plan, const std::string& first, const std::string& rest,
           std::string& text) {
  if (const auto* marked = std::get_if<PlanId>(&plan.node))
    return write(*marked->child, first, rest, text);
  text += first + std::visit(Line{}, plan.node) + "\n";
  std::vector<PlanPtr> children;
  if (const auto* with = std::get_if<With>(&plan.node)) {
    for (const auto& table : with->tables)
      children.push_back(table.plan);
    children.push_back(with->child);
  } else {
    children = children_of(plan);
  }
  for (size_t i = 0; i < children.size(); ++i) {
    const bool last = i + 1 == children.size();
    write(*children[i], rest + (last ? "+- " : ":- "), rest + (last ? "   " : ":  "), text);
  }
}

}  // namespace

std::string written_plan_text(const PlanNode& plan) {
  std::string text;
  write(plan, "", "", text);
  return text;
}

}  // namespace weir::plan
