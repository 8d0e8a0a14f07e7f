#include "plan/relation_analyzer.h"

#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr int kDepthMax = kPlanHeightMax;

struct Deeper {
  explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
  ~Deeper() { --depth_; }
  int& depth_;
};

}  // namespace

RelationAnalyzer::RelationAnalyzer(Catalog& catalog, AnalyzerSettings settings, Folder fold,
                                   SmallQuery small_query)
    : catalog_(catalog),
      settings_(std::move(settings)),
      fold_(std::move(fold)),
      small_query_(std::move(small_query)) {
  const auto set = [&](const char* key, std::string_view value) {
    const auto found = settings_.conf.find(key);
    return found != settings_.conf.end() && boost::iequals(found->second, value);
  };
  settings_.expressions.timestamp_ntz = set("spark.sql.timestampType", "TIMESTAMP_NTZ");
  settings_.expressions.quoted_regex = set("spark.sql.parser.quotedRegexColumnNames", "true");
}

Result<OperatorPtr> RelationAnalyzer::analyze(const PlanPtr& plan) {
  const Deeper deeper(depth_);
  if (depth_ > kDepthMax || plan->height > kPlanHeightMax) {
    return analysis_error("FAILED_TO_PARSE_TOO_COMPLEX", "54001",
                          fmt::format("The query is nested more than {} levels deep. Please break "
                                      "it into parts.",
                                      kDepthMax),
                          plan->origin);
  }
  return std::visit([&](const auto& node) { return this->visit(node, *plan); }, plan->node);
}

Result<std::vector<NamedTyped>> RelationAnalyzer::analyze_list(
    const std::vector<ExpressionPtr>& list, const Operator& input) {
  ExpressionScope scope;
  scope.columns = &input.columns;
  std::vector<NamedTyped> result;
  for (const auto& expression : list) {
    WEIR_ASSIGN(auto items, expressions(scope).expand(*expression));
    for (auto& item : items)
      result.push_back({std::move(item.name), std::move(item.expression)});
  }
  return result;
}

OperatorPtr RelationAnalyzer::visible(const OperatorPtr& input) {
  std::vector<TypedPtr> list;
  std::vector<Column> columns;
  for (size_t i = 0; i < input->columns.size(); ++i) {
    if (input->columns[i].hidden) continue;
    list.push_back(column_at(input->columns, i));
    columns.push_back(input->columns[i]);
  }
  if (columns.size() == input->columns.size()) return input;
  return make_operator(op::Project{input, std::move(list)}, std::move(columns), input->streaming);
}

OperatorPtr RelationAnalyzer::with_columns(const OperatorPtr& input, std::vector<Column> columns) {
  Operator copy = *input;
  copy.columns = std::move(columns);
  return std::make_shared<const Operator>(std::move(copy));
}

Column RelationAnalyzer::column_of(std::string name, const Typed& expression) {
  Column column;
  column.name = std::move(name);
  column.type = expression.type;
  column.nullable = expression.nullable;
  column.id = fresh_id();
  return column;
}

OperatorPtr RelationAnalyzer::project(const OperatorPtr& input,
                                      const std::vector<SelectItem>& items) {
  std::vector<TypedPtr> list;
  std::vector<Column> columns;
  for (const auto& item : items) {
    auto column = column_of(item.name, *item.expression);
    if (item.column.id != 0) column.id = item.column.id;
    column.qualifier = item.column.qualifier;
    column.metadata = item.column.metadata;
    column.hidden = item.column.hidden;
    columns.push_back(std::move(column));
    list.push_back(item.expression);
  }
  return make_operator(op::Project{input, std::move(list)}, std::move(columns), input->streaming);
}

OperatorPtr RelationAnalyzer::keep(const OperatorPtr& input, const std::vector<int>& positions) {
  std::vector<TypedPtr> list;
  std::vector<Column> columns;
  for (const int position : positions) {
    list.push_back(column_at(input->columns, static_cast<size_t>(position)));
    columns.push_back(input->columns[static_cast<size_t>(position)]);
  }
  return make_operator(op::Project{input, std::move(list)}, std::move(columns), input->streaming);
}

std::vector<SelectItem> RelationAnalyzer::items_of(const OperatorPtr& input, bool hidden) {
  std::vector<SelectItem> items;
  for (size_t i = 0; i < input->columns.size(); ++i) {
    const auto& column = input->columns[i];
    if (column.hidden && !hidden) continue;
    items.push_back({column.name, column_at(input->columns, i), false, column});
  }
  return items;
}

Result<OperatorPtr> RelationAnalyzer::aggregate_of(const OperatorPtr& input,
                                                   const std::vector<TypedPtr>& keys,
                                                   const std::vector<NamedTyped>& list) {
  Grouping grouping;
  grouping.active = true;
  grouping.keys = keys;
  std::vector<SelectItem> items;
  for (const auto& one : list) {
    WEIR_ASSIGN(auto above, grouping.above(one.expression));
    items.push_back({one.name, std::move(above), true, {}});
  }
  return project(grouping.make(input, next_id_), items);
}

void RelationAnalyzer::record_plan(int64_t id, const OperatorPtr& plan) {
  plan_instances_[id].push_back({depth_, plan->columns});
}

Result<OperatorPtr> RelationAnalyzer::subquery(const PlanPtr& plan,
                                               const std::vector<Column>& columns) {
  outers_.push_back(&columns);
  auto made = analyze(plan);
  outers_.pop_back();
  if (!made.ok()) return made;
  return visible(*made);
}

Result<TypedPtr> RelationAnalyzer::outer_column(const std::vector<std::string>& parts, size_t& used,
                                                const Origin& origin) {
  for (size_t level = 1; level <= outers_.size(); ++level) {
    const auto& columns = *outers_[outers_.size() - level];
    WEIR_ASSIGN(const auto found, find_column(columns, parts, options().case_sensitive, origin));
    if (!found) continue;
    used = found->parts;
    const auto& column = columns[found->index];
    return make_typed(
        column.type, column.nullable,
        TypedOuterColumn{static_cast<int>(level), static_cast<int>(found->index), column.name},
        origin);
  }
  return TypedPtr();
}

Result<TypedPtr> RelationAnalyzer::plan_column(int64_t plan_id,
                                               const std::vector<std::string>& parts, size_t& used,
                                               const std::vector<Column>& columns,
                                               const Origin& origin) {
  const auto known = plan_instances_.find(plan_id);
  if (known == plan_instances_.end()) return TypedPtr();
  bool named = false;
  // Where the plan stands several times, the one nearest to here counts.
  for (size_t level = 0; level <= outers_.size(); ++level) {
    const auto& here = level == 0 ? columns : *outers_[outers_.size() - level];
    int best = -1, best_depth = 0;
    bool ambiguous = false;
    for (const auto& instance : known->second) {
      WEIR_ASSIGN(const auto found,
                  find_column(instance.columns, parts, options().case_sensitive, origin));
      if (!found) continue;
      named = true;
      const auto id = instance.columns[found->index].id;
      for (size_t i = 0; i < here.size(); ++i) {
        if (here[i].id != id) continue;
        if (best >= 0 && instance.depth == best_depth && here[static_cast<size_t>(best)].id != id)
          ambiguous = true;
        if (best < 0 || instance.depth < best_depth) {
          best = static_cast<int>(i);
          best_depth = instance.depth;
          ambiguous = false;
          used = found->parts;
        }
        break;
      }
    }
    if (ambiguous) {
      return analysis_error("AMBIGUOUS_COLUMN_REFERENCE", "42702",
                            fmt::format("Column {} is ambiguous. It's because you joined several "
                                        "DataFrame together, and some of these DataFrames are the "
                                        "same. Please alias the DataFrames with different names "
                                        "via `DataFrame.alias` before joining them.",
                                        quoted(parts)),
                            origin)
          .with_parameter("name", quoted(parts));
    }
    if (best < 0) continue;
    if (level == 0) return column_at(columns, static_cast<size_t>(best), origin);
    const auto& column = here[static_cast<size_t>(best)];
    return make_typed(column.type, column.nullable,
                      TypedOuterColumn{static_cast<int>(level), best, column.name}, origin);
  }
  if (!named) return unresolved_column(known->second.back().columns, parts, origin);
  return TypedPtr();
}

std::shared_ptr<const PythonFunction> RelationAnalyzer::python_function(std::string_view name) {
  return catalog_.python_function(name);
}

std::unique_ptr<Literal> RelationAnalyzer::constant_function(std::string_view name) {
  const auto text = [](std::string value) {
    return std::make_unique<Literal>(
        Literal{DataType::of(TypeKind::kString), Value(std::move(value))});
  };
  if (name == "current_database" || name == "current_schema")
    return text(catalog_.current_database());
  if (name == "current_catalog") return text(catalog_.current_catalog());
  if (name == "current_path") {
    return text(fmt::format("system.builtin,system.session,{}.{}", catalog_.current_catalog(),
                            catalog_.current_database()));
  }
  if (name == "current_user" || name == "user" || name == "session_user") {
    const auto known = settings_.conf.find("weir.user");
    return text(known == settings_.conf.end() ? std::string("weir") : known->second);
  }
  if (name == "current_timezone") return text(options().session_zone);
  return nullptr;
}

Result<Literal> RelationAnalyzer::parameter(const Parameter& parameter, const Origin& origin) {
  const bool named = !parameter.name.empty();
  const auto missing = [&](const std::string& name) {
    return analysis_error("UNBOUND_SQL_PARAMETER", "42P02",
                          fmt::format("Found the unbound parameter: {}. Please, fix `args` and "
                                      "provide a mapping of the parameter to either a SQL literal "
                                      "or collection constructor functions.",
                                      name),
                          origin)
        .with_parameter("name", name);
  };
  if (named) {
    const auto found = settings_.named_parameters.find(parameter.name);
    if (found == settings_.named_parameters.end()) return missing(parameter.name);
    return found->second;
  }
  const auto position = static_cast<size_t>(parameter.position);
  if (position >= settings_.positional_parameters.size())
    return missing("_" + std::to_string(origin.begin));
  return settings_.positional_parameters[position];
}

Result<Value> RelationAnalyzer::fold(const TypedPtr& expression) {
  if (const auto* literal = std::get_if<TypedLiteral>(&expression->node)) return literal->value;
  if (!fold_) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          "A constant expression cannot be computed here.", expression->origin);
  }
  return fold_(expression);
}

}  // namespace weir::plan
