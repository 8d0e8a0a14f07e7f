// Expressions of the protocol.
#include <spark/connect/expressions.pb.h>

#include "connect/data_types.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"
#include "plan/attribute_name.h"
#include "plan/named_argument.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using plan::make_expression;
using Proto = spark::connect::Expression;

template <typename Message>
std::optional<int64_t> plan_id_of(const Message& message) {
  if (!message.has_plan_id()) return std::nullopt;
  return message.plan_id();
}

Result<plan::FrameBound> read_bound(PlanDecoder& decoder,
                                    const Proto::Window::WindowFrame::FrameBoundary& bound,
                                    bool lower) {
  using Bound = Proto::Window::WindowFrame::FrameBoundary;
  using Kind = plan::FrameBound::Kind;
  switch (bound.boundary_case()) {
    case Bound::kCurrentRow:
      return plan::FrameBound{Kind::kCurrentRow};
    case Bound::kUnbounded:
      return plan::FrameBound{lower ? Kind::kUnboundedPreceding : Kind::kUnboundedFollowing};
    case Bound::kValue: {
      WEIR_ASSIGN(auto value, decoder.expression(bound.value()));
      return plan::FrameBound{Kind::kValue, std::move(value)};
    }
    default:
      return invalid_plan("a window frame has no {} boundary", lower ? "lower" : "upper");
  }
}

// first(x, false), nth_value(x, 2, true): the flag is no part of the call's name.
void take_ignore_nulls(plan::Call& call) {
  const bool nth = call.function == "nth_value";
  if (!nth && call.function != "first" && call.function != "last" && call.function != "any_value" &&
      call.function != "first_value" && call.function != "last_value")
    return;
  if (call.arguments.size() != (nth ? 3 : 2) || !call.argument_names.empty()) return;
  const auto* literal = std::get_if<plan::Literal>(&call.arguments.back()->node);
  const bool* flag = literal != nullptr ? std::get_if<bool>(&literal->value) : nullptr;
  if (flag == nullptr || (*flag && !nth)) return;
  call.ignore_nulls = *flag;
  call.arguments.pop_back();
}

}  // namespace

Result<std::vector<std::string>> split_name(std::string_view name) {
  return plan::split_name(name);
}

Result<std::shared_ptr<const plan::PythonFunction>> read_python_function(
    const spark::connect::CommonInlineUserDefinedFunction& function) {
  if (!function.has_python_udf())
    return unsupported("a function of the kind {}", case_name(function, "function"));
  const auto& udf = function.python_udf();
  auto read = std::make_shared<plan::PythonFunction>();
  read->name = function.function_name();
  read->eval_type = udf.eval_type();
  WEIR_ASSIGN(read->result, read_type(udf.output_type()));
  read->command = udf.command();
  read->python_version = udf.python_ver();
  read->deterministic = function.deterministic();
  return std::shared_ptr<const plan::PythonFunction>(std::move(read));
}

Result<std::vector<ExpressionPtr>> PlanDecoder::expressions(
    const google::protobuf::RepeatedPtrField<Proto>& list) {
  std::vector<ExpressionPtr> read;
  read.reserve(static_cast<size_t>(list.size()));
  for (const auto& each : list) {
    WEIR_ASSIGN(auto one, expression(each));
    read.push_back(std::move(one));
  }
  return read;
}

Result<ExpressionPtr> PlanDecoder::expression(const Proto& expression) {
  if (depth_ >= plan::kPlanHeightMax)
    return invalid_plan("the plan is nested more than {} levels", plan::kPlanHeightMax);
  ++depth_;
  auto read = expression_kind(expression);
  --depth_;
  return read;
}

Result<ExpressionPtr> PlanDecoder::alias(const Proto::Alias& alias) {
  if (alias.name_size() == 0) return invalid_plan("an alias has no name");
  WEIR_ASSIGN(auto child, expression(alias.expr()));
  plan::Alias read{std::move(child), alias.name(0)};
  for (int i = 1; i < alias.name_size(); ++i)
    read.more_names.push_back(alias.name(i));
  read.metadata = alias.metadata();
  return make_expression(std::move(read));
}

Result<ExpressionPtr> PlanDecoder::call(const std::string& name,
                                        const google::protobuf::RepeatedPtrField<Proto>& arguments,
                                        bool distinct) {
  plan::Call read{name, {}};
  read.distinct = distinct;
  bool named = false;
  for (const auto& argument : arguments) {
    if (argument.has_named_argument_expression()) {
      named = true;
      WEIR_ASSIGN(auto value, expression(argument.named_argument_expression().value()));
      read.arguments.push_back(std::move(value));
      read.argument_names.push_back(argument.named_argument_expression().key());
      continue;
    }
    // count(*) counts rows.
    if (arguments.size() == 1 && argument.has_unresolved_star() && !distinct &&
        !argument.unresolved_star().has_unparsed_target() && (name == "count" || name == "COUNT")) {
      read.arguments.push_back(
          make_expression(plan::Literal{DataType::of(TypeKind::kInteger), int64_t{1}}));
      read.argument_names.emplace_back();
      continue;
    }
    WEIR_ASSIGN(auto value, expression(argument));
    read.arguments.push_back(std::move(value));
    read.argument_names.emplace_back();
  }
  if (!named) read.argument_names.clear();
  take_ignore_nulls(read);
  return make_expression(std::move(read));
}

Result<ExpressionPtr> PlanDecoder::window(const Proto::Window& window) {
  plan::Over read;
  WEIR_ASSIGN(read.function, expression(window.window_function()));
  WEIR_ASSIGN(read.window.partition_by, expressions(window.partition_spec()));
  WEIR_ASSIGN(read.window.order_by, sort_keys(window.order_spec()));
  if (window.has_frame_spec()) {
    const auto& frame = window.frame_spec();
    plan::WindowFrame bounds;
    bounds.unit = frame.frame_type() == Proto::Window::WindowFrame::FRAME_TYPE_ROW
                      ? plan::FrameUnit::kRows
                      : plan::FrameUnit::kRange;
    WEIR_ASSIGN(bounds.lower, read_bound(*this, frame.lower(), true));
    WEIR_ASSIGN(bounds.upper, read_bound(*this, frame.upper(), false));
    read.window.frame = std::move(bounds);
  }
  return make_expression(std::move(read));
}

Result<plan::SortKey> PlanDecoder::sort_key(const Proto::SortOrder& key) {
  plan::SortKey read;
  WEIR_ASSIGN(read.expression, expression(key.child()));
  read.ascending = key.direction() != Proto::SortOrder::SORT_DIRECTION_DESCENDING;
  read.nulls_first = key.null_ordering() == Proto::SortOrder::SORT_NULLS_UNSPECIFIED
                         ? read.ascending
                         : key.null_ordering() == Proto::SortOrder::SORT_NULLS_FIRST;
  return read;
}

Result<std::vector<plan::SortKey>> PlanDecoder::sort_keys(
    const google::protobuf::RepeatedPtrField<Proto::SortOrder>& keys) {
  std::vector<plan::SortKey> read;
  for (const auto& key : keys) {
    WEIR_ASSIGN(auto one, sort_key(key));
    read.push_back(std::move(one));
  }
  return read;
}

Result<ExpressionPtr> PlanDecoder::subquery(const spark::connect::SubqueryExpression& subquery) {
  using Kind = spark::connect::SubqueryExpression;
  const auto found = references_.find(subquery.plan_id());
  if (found == references_.end())
    return invalid_plan("a subquery names plan {}, which is not in the request",
                        subquery.plan_id());
  plan::Subquery read;
  read.plan = found->second;
  switch (subquery.subquery_type()) {
    case Kind::SUBQUERY_TYPE_SCALAR:
      read.kind = plan::SubqueryKind::kScalar;
      break;
    case Kind::SUBQUERY_TYPE_EXISTS:
      read.kind = plan::SubqueryKind::kExists;
      break;
    case Kind::SUBQUERY_TYPE_IN: {
      read.kind = plan::SubqueryKind::kIn;
      WEIR_ASSIGN(read.values, expressions(subquery.in_subquery_values()));
      break;
    }
    default:
      return unsupported("a table as an argument");
  }
  return make_expression(std::move(read));
}

Result<ExpressionPtr> PlanDecoder::python_call(
    const spark::connect::CommonInlineUserDefinedFunction& function) {
  plan::PythonCall read;
  WEIR_ASSIGN(read.function, read_python_function(function));
  for (const auto& argument : function.arguments()) {
    const auto* named =
        argument.has_named_argument_expression() ? &argument.named_argument_expression() : nullptr;
    WEIR_ASSIGN(auto value, expression(named ? named->value() : argument));
    read.arguments.push_back(named ? plan::named_argument(named->key(), std::move(value))
                                   : std::move(value));
  }
  return make_expression(std::move(read));
}

Result<ExpressionPtr> PlanDecoder::expression_kind(const Proto& expression) {
  switch (expression.expr_type_case()) {
    case Proto::kLiteral:
      return read_literal(expression.literal());
    case Proto::kUnresolvedAttribute: {
      const auto& attribute = expression.unresolved_attribute();
      if (attribute.is_metadata_column()) return unsupported("df.metadataColumn");
      WEIR_ASSIGN(auto parts, split_name(attribute.unparsed_identifier()));
      return make_expression(plan::ColumnReference{std::move(parts), plan_id_of(attribute)});
    }
    case Proto::kUnresolvedFunction: {
      const auto& function = expression.unresolved_function();
      return call(function.function_name(), function.arguments(), function.is_distinct());
    }
    case Proto::kCallFunction:
      return call(expression.call_function().function_name(),
                  expression.call_function().arguments(), false);
    case Proto::kExpressionString:
      return sql::parse_named_expression(expression.expression_string().expression());
    case Proto::kUnresolvedStar: {
      const auto& star = expression.unresolved_star();
      plan::Star read;
      read.plan_id = plan_id_of(star);
      if (star.has_unparsed_target()) {
        std::string_view target = star.unparsed_target();
        if (!target.ends_with(".*")) return invalid_plan("'{}' does not end in .*", target);
        target.remove_suffix(2);
        WEIR_ASSIGN(read.qualifier, split_name(target));
      }
      return make_expression(std::move(read));
    }
    case Proto::kAlias:
      return alias(expression.alias());
    case Proto::kCast: {
      const auto& cast = expression.cast();
      WEIR_ASSIGN(auto child, this->expression(cast.expr()));
      WEIR_ASSIGN(auto type, cast.has_type() ? read_type(cast.type())
                                             : columnar::parse_ddl_type(cast.type_str()));
      const bool try_cast = cast.eval_mode() == Proto::Cast::EVAL_MODE_TRY;
      return make_expression(plan::CastTo{std::move(child), std::move(type), try_cast});
    }
    case Proto::kUnresolvedRegex: {
      std::string pattern = expression.unresolved_regex().col_name();
      if (pattern.size() > 1 && pattern.front() == '`' && pattern.back() == '`')
        pattern = pattern.substr(1, pattern.size() - 2);
      return make_expression(
          plan::ColumnRegex{std::move(pattern), plan_id_of(expression.unresolved_regex())});
    }
    // repartitionById's: which rows stay together makes no difference here.
    case Proto::kDirectShufflePartitionId:
      return this->expression(expression.direct_shuffle_partition_id().child());
    case Proto::kLambdaFunction: {
      plan::Lambda read;
      for (const auto& argument : expression.lambda_function().arguments()) {
        if (argument.name_parts_size() != 1) return invalid_plan("a lambda's argument has no name");
        read.parameters.push_back(argument.name_parts(0));
      }
      WEIR_ASSIGN(read.body, this->expression(expression.lambda_function().function()));
      return make_expression(std::move(read));
    }
    case Proto::kUnresolvedNamedLambdaVariable: {
      const auto& variable = expression.unresolved_named_lambda_variable();
      if (variable.name_parts_size() == 0) return invalid_plan("a lambda's variable has no name");
      ExpressionPtr read = make_expression(plan::LambdaVariable{variable.name_parts(0)});
      for (int i = 1; i < variable.name_parts_size(); ++i) {
        auto key =
            make_expression(plan::Literal{DataType::of(TypeKind::kString), variable.name_parts(i)});
        read = make_expression(plan::Extract{std::move(read), std::move(key)});
      }
      return read;
    }
    case Proto::kWindow:
      return window(expression.window());
    case Proto::kUnresolvedExtractValue: {
      WEIR_ASSIGN(auto child, this->expression(expression.unresolved_extract_value().child()));
      WEIR_ASSIGN(auto key, this->expression(expression.unresolved_extract_value().extraction()));
      return make_expression(plan::Extract{std::move(child), std::move(key)});
    }
    case Proto::kUpdateFields: {
      const auto& update = expression.update_fields();
      plan::UpdateField read;
      WEIR_ASSIGN(read.child, this->expression(update.struct_expression()));
      read.field = update.field_name();
      if (update.has_value_expression()) {
        WEIR_ASSIGN(read.value, this->expression(update.value_expression()));
      }
      return make_expression(std::move(read));
    }
    case Proto::kCommonInlineUserDefinedFunction:
      return python_call(expression.common_inline_user_defined_function());
    case Proto::kSubqueryExpression:
      return subquery(expression.subquery_expression());
    case Proto::kSortOrder:
      return invalid_plan("a sort order stands where a value is wanted");
    default:
      return unsupported("the expression {}", case_name(expression, "expr_type"));
  }
}

}  // namespace weir::connect
