// Relations of the protocol: what has one input or two and is not sugar for something else.
#include <spark/connect/commands.pb.h>
#include <spark/connect/relations.pb.h>

#include "base/text.h"
#include "connect/data_types.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using plan::make_plan;
using Proto = spark::connect::Relation;

ExpressionPtr whole_number(int64_t value) {
  return plan::make_expression(plan::Literal{DataType::of(TypeKind::kInteger), value});
}

template <typename List>
std::vector<std::string> texts(const List& list) {
  return {list.begin(), list.end()};
}

Result<plan::JoinKind> join_kind(spark::connect::Join::JoinType type) {
  using spark::connect::Join;
  switch (type) {
    case Join::JOIN_TYPE_INNER:
      return plan::JoinKind::kInner;
    case Join::JOIN_TYPE_FULL_OUTER:
      return plan::JoinKind::kFull;
    case Join::JOIN_TYPE_LEFT_OUTER:
      return plan::JoinKind::kLeft;
    case Join::JOIN_TYPE_RIGHT_OUTER:
      return plan::JoinKind::kRight;
    case Join::JOIN_TYPE_LEFT_ANTI:
      return plan::JoinKind::kLeftAnti;
    case Join::JOIN_TYPE_LEFT_SEMI:
      return plan::JoinKind::kLeftSemi;
    case Join::JOIN_TYPE_CROSS:
      return plan::JoinKind::kCross;
    default:
      return invalid_plan("a join has no type");
  }
}

Result<std::optional<plan::Schema>> read_schema_text(const std::string& text) {
  if (text.empty()) return std::optional<plan::Schema>();
  auto read =
      text.front() == '{' ? columnar::parse_type_json_text(text) : columnar::parse_ddl_schema(text);
  if (!read.ok()) return std::move(read).error();
  if (!read->is(TypeKind::kStruct))
    return invalid_plan("the schema {} is no struct", read->simple_string());
  return std::optional<plan::Schema>(std::move(read).value());
}

}  // namespace

Result<PlanPtr> PlanDecoder::relation(const Proto& relation) {
  if (depth_ >= plan::kPlanHeightMax)
    return invalid_plan("the plan is nested more than {} levels", plan::kPlanHeightMax);
  ++depth_;
  auto read = relation_kind(relation);
  --depth_;
  if (!read.ok()) return read;
  if (read.value()->height >= plan::kPlanHeightMax - 1)
    return invalid_plan("the plan is nested more than {} levels", plan::kPlanHeightMax);
  if (!relation.common().has_plan_id()) return read;
  return make_plan(plan::PlanId{std::move(read).value(), relation.common().plan_id()});
}

Result<PlanPtr> PlanDecoder::input(const Proto& relation) {
  if (relation.rel_type_case() == Proto::REL_TYPE_NOT_SET && !relation.has_common())
    return make_plan(plan::OneRow{});
  return this->relation(relation);
}

Result<PlanPtr> PlanDecoder::read(const spark::connect::Read& read) {
  if (read.has_named_table()) {
    plan::NamedTable table;
    WEIR_ASSIGN(table.name, sql::parse_table_name(read.named_table().unparsed_identifier()));
    table.options = read_options(read.named_table().options());
    table.streaming = read.is_streaming();
    return make_plan(std::move(table));
  }
  if (!read.has_data_source()) return invalid_plan("read has neither a table nor a data source");
  const auto& given = read.data_source();
  if (given.predicates_size() > 0) return unsupported("jdbc with predicates");
  plan::DataSource source;
  source.format = base::lower_case(given.format());
  WEIR_ASSIGN(source.schema, read_schema_text(given.schema()));
  source.options = read_options(given.options());
  source.paths = texts(given.paths());
  source.streaming = read.is_streaming();
  return make_plan(std::move(source));
}

template <typename Sql>
Result<sql::ParseOptions> PlanDecoder::sql_parameters(const Sql& sql) {
  sql::ParseOptions options;
  for (const auto& [name, value] : sql.args()) {
    WEIR_ASSIGN(options.named[name], read_literal(value));
  }
  for (const auto& [name, value] : sql.named_arguments()) {
    WEIR_ASSIGN(options.named[name], expression(value));
  }
  for (const auto& value : sql.pos_args()) {
    WEIR_ASSIGN(auto one, read_literal(value));
    options.positional.push_back(std::move(one));
  }
  for (const auto& value : sql.pos_arguments()) {
    WEIR_ASSIGN(auto one, expression(value));
    options.positional.push_back(std::move(one));
  }
  return options;
}
template Result<sql::ParseOptions> PlanDecoder::sql_parameters(const spark::connect::SQL&);
template Result<sql::ParseOptions> PlanDecoder::sql_parameters(const spark::connect::SqlCommand&);

Result<PlanPtr> PlanDecoder::sql(const spark::connect::SQL& sql) {
  WEIR_ASSIGN(const auto options, sql_parameters(sql));
  return sql::parse_plan(sql.query(), options);
}

Result<void> PlanDecoder::add_references(
    const google::protobuf::RepeatedPtrField<Proto>& references) {
  for (const auto& reference : references) {
    WEIR_ASSIGN(auto read, relation(reference));
    if (reference.common().has_plan_id()) references_[reference.common().plan_id()] = read;
  }
  return {};
}

// df.where(exists(other)): the other plans come beside the root. spark.sql("… {df}", df=df): they
// are views for the text.
Result<PlanPtr> PlanDecoder::with_relations(const Proto& relation) {
  const auto& given = relation.with_relations();
  WEIR_TRY(add_references(given.references()));
  WEIR_ASSIGN(auto root, this->relation(given.root()));
  if (!given.root().has_sql()) return root;
  plan::With with;
  for (const auto& reference : given.references()) {
    if (!reference.has_subquery_alias()) continue;
    WEIR_ASSIGN(auto view, input(reference.subquery_alias().input()));
    with.tables.push_back({reference.subquery_alias().alias(), {}, std::move(view)});
  }
  if (with.tables.empty()) return root;
  with.child = std::move(root);
  return make_plan(std::move(with));
}

Result<PlanPtr> PlanDecoder::relation_kind(const Proto& relation) {
  switch (relation.rel_type_case()) {
    case Proto::kRead:
      return read(relation.read());
    case Proto::kSql:
      return sql(relation.sql());
    case Proto::kWithRelations:
      return with_relations(relation);
    case Proto::kProject: {
      WEIR_ASSIGN(auto child, input(relation.project().input()));
      WEIR_ASSIGN(auto list, expressions(relation.project().expressions()));
      return make_plan(plan::Project{std::move(child), std::move(list)});
    }
    case Proto::kFilter: {
      WEIR_ASSIGN(auto child, input(relation.filter().input()));
      WEIR_ASSIGN(auto condition, expression(relation.filter().condition()));
      return make_plan(plan::Filter{std::move(child), std::move(condition)});
    }
    case Proto::kJoin: {
      const auto& given = relation.join();
      if (given.has_join_data_type()) return unsupported("joinWith");
      plan::Join join;
      WEIR_ASSIGN(join.left, input(given.left()));
      WEIR_ASSIGN(join.right, input(given.right()));
      WEIR_ASSIGN(join.kind, join_kind(given.join_type()));
      if (given.has_join_condition()) {
        WEIR_ASSIGN(join.condition, expression(given.join_condition()));
      }
      join.using_columns = texts(given.using_columns());
      return make_plan(std::move(join));
    }
    case Proto::kLateralJoin: {
      const auto& given = relation.lateral_join();
      plan::Join join;
      WEIR_ASSIGN(join.left, input(given.left()));
      WEIR_ASSIGN(join.right, input(given.right()));
      WEIR_ASSIGN(join.kind, join_kind(given.join_type()));
      if (given.has_join_condition()) {
        WEIR_ASSIGN(join.condition, expression(given.join_condition()));
      }
      join.lateral = true;
      return make_plan(std::move(join));
    }
    case Proto::kSetOp: {
      using Kind = spark::connect::SetOperation;
      const auto& given = relation.set_op();
      plan::SetOperation set;
      WEIR_ASSIGN(set.left, input(given.left_input()));
      WEIR_ASSIGN(set.right, input(given.right_input()));
      switch (given.set_op_type()) {
        case Kind::SET_OP_TYPE_UNION:
          set.kind = plan::SetKind::kUnion;
          break;
        case Kind::SET_OP_TYPE_INTERSECT:
          set.kind = plan::SetKind::kIntersect;
          break;
        case Kind::SET_OP_TYPE_EXCEPT:
          set.kind = plan::SetKind::kExcept;
          break;
        default:
          return invalid_plan("a set operation has no type");
      }
      set.all = given.is_all();
      set.by_name = given.by_name();
      set.allow_missing = given.allow_missing_columns();
      return make_plan(std::move(set));
    }
    case Proto::kSort: {
      WEIR_ASSIGN(auto child, input(relation.sort().input()));
      WEIR_ASSIGN(auto keys, sort_keys(relation.sort().order()));
      const bool global = !relation.sort().has_is_global() || relation.sort().is_global();
      return make_plan(plan::Sort{std::move(child), std::move(keys), global});
    }
    case Proto::kLimit: {
      WEIR_ASSIGN(auto child, input(relation.limit().input()));
      return make_plan(plan::Limit{std::move(child), whole_number(relation.limit().limit()), {}});
    }
    case Proto::kOffset: {
      WEIR_ASSIGN(auto child, input(relation.offset().input()));
      return make_plan(plan::Limit{std::move(child), {}, whole_number(relation.offset().offset())});
    }
    case Proto::kTail: {
      WEIR_ASSIGN(auto child, input(relation.tail().input()));
      return make_plan(plan::Tail{std::move(child), relation.tail().limit()});
    }
    case Proto::kAggregate:
      return aggregate(relation.aggregate());
    case Proto::kSample: {
      const auto& given = relation.sample();
      plan::Sample sample;
      WEIR_ASSIGN(sample.child, input(given.input()));
      sample.lower = given.lower_bound();
      sample.upper = given.upper_bound();
      sample.with_replacement = given.with_replacement();
      if (given.has_seed()) sample.seed = given.seed();
      sample.ordered = given.deterministic_order();
      return make_plan(std::move(sample));
    }
    case Proto::kDeduplicate: {
      const auto& given = relation.deduplicate();
      plan::Deduplicate read;
      WEIR_ASSIGN(read.child, input(given.input()));
      if (!given.all_columns_as_keys()) read.columns = texts(given.column_names());
      read.within_watermark = given.within_watermark();
      return make_plan(std::move(read));
    }
    case Proto::kRange: {
      const auto& given = relation.range();
      if (given.step() == 0) return invalid_plan("range has the step 0");
      plan::RangeRows range{given.start(), given.end(), given.step(), {}};
      if (given.has_num_partitions()) range.partitions = given.num_partitions();
      return make_plan(std::move(range));
    }
    case Proto::kSubqueryAlias: {
      const auto& given = relation.subquery_alias();
      plan::SubqueryAlias read;
      WEIR_ASSIGN(read.child, input(given.input()));
      read.alias = texts(given.qualifier());
      read.alias.push_back(given.alias());
      return make_plan(std::move(read));
    }
    case Proto::kRepartition: {
      const auto& given = relation.repartition();
      WEIR_ASSIGN(auto child, input(given.input()));
      return make_plan(
          plan::Repartition{std::move(child), given.num_partitions(), {}, given.shuffle()});
    }
    case Proto::kRepartitionByExpression: {
      const auto& given = relation.repartition_by_expression();
      plan::Repartition read;
      WEIR_ASSIGN(read.child, input(given.input()));
      if (given.has_num_partitions()) read.partitions = given.num_partitions();
      for (const auto& by : given.partition_exprs()) {
        // repartitionByRange sends sort orders
        WEIR_ASSIGN(auto one, expression(by.has_sort_order() ? by.sort_order().child() : by));
        read.by.push_back(std::move(one));
      }
      return make_plan(std::move(read));
    }
    case Proto::kHint: {
      WEIR_ASSIGN(auto child, input(relation.hint().input()));
      WEIR_ASSIGN(auto parameters, expressions(relation.hint().parameters()));
      return make_plan(plan::Hint{std::move(child), relation.hint().name(), std::move(parameters)});
    }
    case Proto::kUnresolvedTableValuedFunction: {
      const auto& given = relation.unresolved_table_valued_function();
      WEIR_ASSIGN(auto made, call(given.function_name(), given.arguments(), false));
      return make_plan(plan::TableFunction{std::move(made)});
    }
    default:
      return relation_statistics(relation);
  }
}

}  // namespace weir::connect
