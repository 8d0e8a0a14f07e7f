// Relations that DataFrame calls are sugar for: grouping, columns, na and stat, rows that come
// along, functions over groups.
#include <algorithm>
#include <optional>

#include <spark/connect/relations.pb.h>

#include "base/text.h"
#include "connect/data_types.h"
#include "connect/local_relation.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"
#include "plan/stateful_function.h"
#include "plan/streaming_check.h"

namespace weir::connect {

namespace {

using plan::make_plan;
using plan::Statistic;
using plan::StatisticKind;
using Proto = spark::connect::Relation;

template <typename List>
std::vector<std::string> texts(const List& list) {
  return {list.begin(), list.end()};
}

// A schema as JSON or as DDL.
Result<columnar::Schema> read_schema(const std::string& text) {
  WEIR_ASSIGN(auto type, text.starts_with('{') ? columnar::parse_type_json_text(text)
                                               : columnar::parse_ddl_schema(text));
  if (!type.is(columnar::TypeKind::kStruct))
    return invalid_plan("the schema of a function with state is no struct: {}", text);
  return type;
}

Result<std::string> time_mode(const std::string& given) {
  for (const char* one : {"none", "processingTime", "eventTime"})
    if (base::lower_case(given) == base::lower_case(one)) return std::string(one);
  return base::error(base::ErrorKind::kInvalidArgument,
                     "Unknown time mode {}. Accepted timeMode modes are 'none', 'processingTime', "
                     "'eventTime'",
                     given)
      .with_class("STATEFUL_PROCESSOR_UNKNOWN_TIME_MODE")
      .with_sql_state("42802")
      .with_parameter("timeMode", given);
}

struct Grouped {
  PlanPtr rows;
  std::vector<ExpressionPtr> keys;
};

Result<PlanPtr> transform_with_state(const spark::connect::GroupMap& given, Grouped input,
                                     std::optional<Grouped> initial) {
  constexpr int kPandas = 211;  // PySpark's PythonEvalType
  const auto& info = given.transform_with_state_info();
  WEIR_ASSIGN(const auto function, read_python_function(given.func()));
  plan::StatefulFunction run{*function, {}};
  if (info.has_output_schema()) {
    WEIR_ASSIGN(run.result, read_type(info.output_schema()));
  }
  if (!run.result.is(columnar::TypeKind::kStruct))
    return invalid_plan("the output schema of transformWithState is no struct");
  const bool with_state = plan::state_options(run) != nullptr;
  if (with_state != initial.has_value())
    return invalid_plan("a function of evaluation type {} {} an initial state", run.eval_type,
                        initial ? "takes no" : "takes");
  WEIR_TRY(plan::parse_stream_mode(given.output_mode()));
  WEIR_ASSIGN(const auto mode, time_mode(info.time_mode()));
  const bool pandas = run.eval_type == kPandas || run.eval_type == plan::kTransformPandasInitial;
  plan::Options state{
      {"kind", pandas ? "transformWithStateInPandasExec" : "transformWithStateInPySparkExec"},
      {"time_mode", mode},
      {"output_mode", base::lower_case(given.output_mode())},
      {"event_time_column", info.event_time_column_name()}};
  if (!initial)
    return make_plan(plan::GroupMap{std::move(input.rows), std::move(input.keys),
                                    std::make_shared<plan::PythonFunction>(std::move(run)),
                                    std::move(state)});
  run.state = std::move(state);
  return make_plan(plan::CoGroupMap{std::move(input.rows), std::move(initial->rows),
                                    std::move(input.keys), std::move(initial->keys),
                                    std::make_shared<plan::StatefulFunction>(std::move(run))});
}

}  // namespace

Result<PlanPtr> PlanDecoder::aggregate(const spark::connect::Aggregate& given) {
  using Kind = spark::connect::Aggregate;
  WEIR_ASSIGN(auto child, input(given.input()));
  WEIR_ASSIGN(auto keys, expressions(given.grouping_expressions()));
  WEIR_ASSIGN(auto list, expressions(given.aggregate_expressions()));
  if (given.group_type() == Kind::GROUP_TYPE_PIVOT) {
    plan::Pivot pivot;
    pivot.child = std::move(child);
    pivot.keys = std::move(keys);
    pivot.list = std::move(list);
    WEIR_ASSIGN(auto column, expression(given.pivot().col()));
    pivot.columns.push_back(std::move(column));
    for (const auto& value : given.pivot().values()) {
      WEIR_ASSIGN(auto one, read_literal(value));
      pivot.values.emplace_back(std::move(one), std::string());
    }
    return make_plan(std::move(pivot));
  }
  plan::Aggregate read;
  read.child = std::move(child);
  read.list = std::move(list);
  read.sql = false;
  switch (given.group_type()) {
    case Kind::GROUP_TYPE_GROUPBY:
      break;
    case Kind::GROUP_TYPE_ROLLUP:
      read.kind = plan::GroupingKind::kRollup;
      break;
    case Kind::GROUP_TYPE_CUBE:
      read.kind = plan::GroupingKind::kCube;
      break;
    case Kind::GROUP_TYPE_GROUPING_SETS: {
      read.kind = plan::GroupingKind::kSets;
      std::vector<std::string> known;
      for (const auto& key : given.grouping_expressions())
        known.push_back(key.SerializeAsString());
      for (const auto& set : given.grouping_sets()) {
        std::vector<int> positions;
        for (const auto& member : set.grouping_set()) {
          const std::string bytes = member.SerializeAsString();
          const auto found = std::find(known.begin(), known.end(), bytes);
          positions.push_back(static_cast<int>(found - known.begin()));
          if (found != known.end()) continue;
          known.push_back(bytes);
          WEIR_ASSIGN(auto key, expression(member));
          keys.push_back(std::move(key));
        }
        read.sets.push_back(std::move(positions));
      }
      break;
    }
    default:
      return invalid_plan("an aggregation has no group type");
  }
  read.keys = std::move(keys);
  return make_plan(std::move(read));
}

Result<PlanPtr> PlanDecoder::relation_statistics(const Proto& relation) {
  switch (relation.rel_type_case()) {
    case Proto::kFillNa: {
      plan::FillNa read;
      WEIR_ASSIGN(read.child, input(relation.fill_na().input()));
      read.columns = texts(relation.fill_na().cols());
      for (const auto& value : relation.fill_na().values()) {
        WEIR_ASSIGN(auto one, read_plain_literal(value));
        read.values.push_back(std::move(one));
      }
      return make_plan(std::move(read));
    }
    case Proto::kDropNa: {
      plan::DropNa read;
      WEIR_ASSIGN(read.child, input(relation.drop_na().input()));
      read.columns = texts(relation.drop_na().cols());
      if (relation.drop_na().has_min_non_nulls())
        read.non_null_min = relation.drop_na().min_non_nulls();
      return make_plan(std::move(read));
    }
    case Proto::kReplace: {
      plan::ReplaceValues read;
      WEIR_ASSIGN(read.child, input(relation.replace().input()));
      read.columns = texts(relation.replace().cols());
      for (const auto& replacement : relation.replace().replacements()) {
        WEIR_ASSIGN(auto from, read_plain_literal(replacement.old_value()));
        WEIR_ASSIGN(auto to, read_plain_literal(replacement.new_value()));
        read.values.emplace_back(std::move(from), std::move(to));
      }
      return make_plan(std::move(read));
    }
    case Proto::kSummary: {
      plan::Describe read;
      WEIR_ASSIGN(read.child, input(relation.summary().input()));
      read.statistics = texts(relation.summary().statistics());
      read.summary = true;
      return make_plan(std::move(read));
    }
    case Proto::kDescribe: {
      plan::Describe read;
      WEIR_ASSIGN(read.child, input(relation.describe().input()));
      read.columns = texts(relation.describe().cols());
      return make_plan(std::move(read));
    }
    case Proto::kCrosstab: {
      Statistic read{{},
                     StatisticKind::kCrosstab,
                     {relation.crosstab().col1(), relation.crosstab().col2()},
                     {},
                     {},
                     {},
                     {}};
      WEIR_ASSIGN(read.child, input(relation.crosstab().input()));
      return make_plan(std::move(read));
    }
    case Proto::kCov: {
      Statistic read{{},
                     StatisticKind::kCovariance,
                     {relation.cov().col1(), relation.cov().col2()},
                     {},
                     {},
                     {},
                     {}};
      WEIR_ASSIGN(read.child, input(relation.cov().input()));
      return make_plan(std::move(read));
    }
    case Proto::kCorr: {
      if (relation.corr().has_method() && relation.corr().method() != "pearson")
        return unsupported("the correlation method {}", relation.corr().method());
      Statistic read{{},
                     StatisticKind::kCorrelation,
                     {relation.corr().col1(), relation.corr().col2()},
                     {},
                     {},
                     {},
                     {}};
      WEIR_ASSIGN(read.child, input(relation.corr().input()));
      return make_plan(std::move(read));
    }
    case Proto::kApproxQuantile: {
      const auto& given = relation.approx_quantile();
      Statistic read{{}, StatisticKind::kQuantiles, texts(given.cols()), {}, {}, {}, {}};
      WEIR_ASSIGN(read.child, input(given.input()));
      read.numbers.assign(given.probabilities().begin(), given.probabilities().end());
      read.numbers.push_back(given.relative_error());
      return make_plan(std::move(read));
    }
    case Proto::kFreqItems: {
      const auto& given = relation.freq_items();
      Statistic read{{}, StatisticKind::kFrequentItems, texts(given.cols()), {}, {}, {}, {}};
      plan::Project chosen;  // may be fields of structs, under their whole names
      WEIR_ASSIGN(chosen.child, input(given.input()));
      for (const auto& name : read.columns) {
        WEIR_ASSIGN(auto parts, split_name(name));
        chosen.list.push_back(make_expression(
            plan::Alias{make_expression(plan::ColumnReference{std::move(parts)}), name}));
      }
      read.child = make_plan(std::move(chosen));
      read.numbers.push_back(given.has_support() ? given.support() : 0.01);
      return make_plan(std::move(read));
    }
    case Proto::kTranspose: {
      const auto& given = relation.transpose();
      if (given.index_columns_size() > 1) return unsupported("transpose by several columns");
      plan::Pivot read;  // that aggregates nothing
      WEIR_ASSIGN(read.child, input(given.input()));
      WEIR_ASSIGN(read.columns, expressions(given.index_columns()));
      return make_plan(std::move(read));
    }
    case Proto::kSampleBy: {
      const auto& given = relation.sample_by();
      Statistic read{{}, StatisticKind::kSampleBy, {}, {}, {}, {}, {}};
      WEIR_ASSIGN(read.child, input(given.input()));
      WEIR_ASSIGN(read.by, expression(given.col()));
      for (const auto& fraction : given.fractions()) {
        WEIR_ASSIGN(auto stratum, read_plain_literal(fraction.stratum()));
        read.fractions.emplace_back(std::move(stratum), fraction.fraction());
      }
      if (given.has_seed()) read.seed = given.seed();
      return make_plan(std::move(read));
    }
    case Proto::kToDf: {
      WEIR_ASSIGN(auto child, input(relation.to_df().input()));
      return make_plan(plan::ToDataFrame{std::move(child), texts(relation.to_df().column_names())});
    }
    case Proto::kWithColumnsRenamed: {
      plan::RenameColumns read;
      WEIR_ASSIGN(read.child, input(relation.with_columns_renamed().input()));
      for (const auto& rename : relation.with_columns_renamed().renames())
        read.names.emplace_back(rename.col_name(), rename.new_col_name());
      if (read.names.empty())
        for (const auto& [from, to] : relation.with_columns_renamed().rename_columns_map())
          read.names.emplace_back(from, to);
      return make_plan(std::move(read));
    }
    case Proto::kDrop: {
      plan::DropColumns read;
      WEIR_ASSIGN(read.child, input(relation.drop().input()));
      WEIR_ASSIGN(read.columns, expressions(relation.drop().columns()));
      read.names = texts(relation.drop().column_names());
      return make_plan(std::move(read));
    }
    case Proto::kWithColumns: {
      plan::WithColumns read;
      WEIR_ASSIGN(read.child, input(relation.with_columns().input()));
      for (const auto& column : relation.with_columns().aliases()) {
        if (column.name_size() != 1) return invalid_plan("withColumns needs one name a column");
        WEIR_ASSIGN(auto one, alias(column));
        read.columns.push_back(std::move(one));
      }
      return make_plan(std::move(read));
    }
    case Proto::kUnpivot: {
      const auto& given = relation.unpivot();
      plan::Unpivot read;
      WEIR_ASSIGN(read.child, input(given.input()));
      WEIR_ASSIGN(read.ids, expressions(given.ids()));
      if (given.has_values()) {
        for (const auto& value : given.values().values()) {
          WEIR_ASSIGN(auto one, expression(value));
          read.values.push_back({std::move(one)});
        }
      }
      read.variable_name = given.variable_column_name();
      read.value_names = {given.value_column_name()};
      return make_plan(std::move(read));
    }
    case Proto::kToSchema: {
      WEIR_ASSIGN(auto child, input(relation.to_schema().input()));
      WEIR_ASSIGN(auto schema, read_type(relation.to_schema().schema()));
      if (!schema.is(columnar::TypeKind::kStruct)) return invalid_plan("a schema is no struct");
      return make_plan(plan::ToSchema{std::move(child), std::move(schema)});
    }
    default:
      return relation_functions(relation);
  }
}

Result<PlanPtr> PlanDecoder::relation_functions(const Proto& relation) {
  switch (relation.rel_type_case()) {
    case Proto::kWithWatermark: {
      const auto& given = relation.with_watermark();
      WEIR_ASSIGN(auto child, input(given.input()));
      return make_plan(
          plan::WithWatermark{std::move(child), given.event_time(), given.delay_threshold()});
    }
    case Proto::kCollectMetrics: {
      WEIR_ASSIGN(auto child, input(relation.collect_metrics().input()));
      WEIR_ASSIGN(auto metrics, expressions(relation.collect_metrics().metrics()));
      return make_plan(
          plan::Observe{std::move(child), relation.collect_metrics().name(), std::move(metrics)});
    }
    case Proto::kMapPartitions: {
      plan::MapPartitions read;
      WEIR_ASSIGN(read.child, input(relation.map_partitions().input()));
      WEIR_ASSIGN(read.function, read_python_function(relation.map_partitions().func()));
      read.barrier = relation.map_partitions().is_barrier();
      return make_plan(std::move(read));
    }
    case Proto::kGroupMap: {
      const auto& given = relation.group_map();
      if (given.has_transform_with_state_info()) {
        Grouped rows;
        std::optional<Grouped> initial;
        WEIR_ASSIGN(rows.rows, input(given.input()));
        WEIR_ASSIGN(rows.keys, expressions(given.grouping_expressions()));
        if (given.has_initial_input()) {
          initial.emplace();
          WEIR_ASSIGN(initial->rows, input(given.initial_input()));
          WEIR_ASSIGN(initial->keys, expressions(given.initial_grouping_expressions()));
        }
        return transform_with_state(given, std::move(rows), std::move(initial));
      }
      if (given.has_is_map_groups_with_state() && given.is_map_groups_with_state())
        return unsupported(
            "mapGroupsWithState of the JVM's typed groups (applyInPandasWithState does the same)");
      if (given.sorting_expressions_size() > 0) return unsupported("a sorted group of a function");
      plan::GroupMap read;
      WEIR_ASSIGN(read.child, input(given.input()));
      WEIR_ASSIGN(read.keys, expressions(given.grouping_expressions()));
      WEIR_ASSIGN(read.function, read_python_function(given.func()));
      return make_plan(std::move(read));
    }
    case Proto::kApplyInPandasWithState: {
      const auto& given = relation.apply_in_pandas_with_state();
      plan::GroupMap read;
      WEIR_ASSIGN(read.child, input(given.input()));
      WEIR_ASSIGN(read.keys, expressions(given.grouping_expressions()));
      WEIR_ASSIGN(const auto function, read_python_function(given.func()));
      auto typed = *function;
      WEIR_ASSIGN(typed.result, read_schema(given.output_schema()));
      read.function = std::make_shared<plan::PythonFunction>(std::move(typed));
      WEIR_ASSIGN(const auto state, read_schema(given.state_schema()));
      const auto mode = base::lower_case(given.output_mode());
      if (mode != "append" && mode != "update")
        return invalid_plan("The output mode of function should be append or update, not {}",
                            given.output_mode());
      read.state = {{"kind", "applyInPandasWithState"},
                    {"state_schema", columnar::schema_to_ddl(state.as_nullable())},
                    {"output_mode", mode},
                    {"timeout", given.timeout_conf()}};
      return make_plan(std::move(read));
    }
    case Proto::kCoGroupMap: {
      const auto& given = relation.co_group_map();
      if (given.input_sorting_expressions_size() + given.other_sorting_expressions_size() > 0)
        return unsupported("a sorted group of a function");
      plan::CoGroupMap read;
      WEIR_ASSIGN(read.left, input(given.input()));
      WEIR_ASSIGN(read.right, input(given.other()));
      WEIR_ASSIGN(read.left_keys, expressions(given.input_grouping_expressions()));
      WEIR_ASSIGN(read.right_keys, expressions(given.other_grouping_expressions()));
      WEIR_ASSIGN(read.function, read_python_function(given.func()));
      return make_plan(std::move(read));
    }
    default:
      return relation_rows(relation);
  }
}

Result<PlanPtr> PlanDecoder::relation_rows(const Proto& relation) {
  switch (relation.rel_type_case()) {
    case Proto::kLocalRelation:
      return read_local_relation(relation.local_relation());
    case Proto::kCachedLocalRelation: {
      if (!context_.cached) return unsupported("a cached relation");
      WEIR_ASSIGN(const auto bytes, context_.cached(relation.cached_local_relation().hash()));
      spark::connect::LocalRelation local;
      WEIR_TRY(parse_message(*bytes, local));
      return read_local_relation(local);
    }
    case Proto::kChunkedCachedLocalRelation: {
      if (!context_.cached) return unsupported("a cached relation");
      const auto& given = relation.chunked_cached_local_relation();
      std::vector<std::shared_ptr<const std::string>> chunks;
      for (const std::string& hash : given.datahashes()) {
        WEIR_ASSIGN(auto bytes, context_.cached(hash));
        chunks.push_back(std::move(bytes));
      }
      std::string schema;
      if (given.has_schemahash()) {
        WEIR_ASSIGN(const auto bytes, context_.cached(given.schemahash()));
        schema = *bytes;
      }
      return read_local_chunks(chunks, schema);
    }
    case Proto::kCachedRemoteRelation:
      return make_plan(plan::CachedRelation{relation.cached_remote_relation().relation_id()});
    case Proto::kCatalog: {
      if (!context_.catalog) return unsupported("spark.catalog here");
      return context_.catalog(relation);
    }
    case Proto::kExtension:
      if (!context_.extension) return unsupported("an extension here");
      return context_.extension(relation.extension());
    case Proto::REL_TYPE_NOT_SET:
      if (!relation.has_common()) return invalid_plan("a relation is empty");
      [[fallthrough]];
    default:
      return unsupported("the relation {}", case_name(relation, "rel_type"));
  }
}

}  // namespace weir::connect
