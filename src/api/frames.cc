// DataFrame and GroupedFrame: text and calls to plans.
#include <arrow/record_batch.h>

#include "api/errors.h"
#include "api/session_parts.h"
#include "api/values.h"
#include "base/text.h"
#include "sql/parser.h"

namespace weir {

using plan::PlanPtr;

namespace {

using Expressions = std::vector<plan::ExpressionPtr>;

PlanPtr make(plan::PlanNodeKind node) { return plan::make_plan(std::move(node)); }

// What `next` makes of the frame's plan; an error that is there already stays.
template <typename Next>
DataFrame then(const std::shared_ptr<const FrameParts>& parts, const Next& next) {
  if (parts->error) return DataFrame(parts);
  return api::make_frame(parts->session, next(parts->plan));
}

base::Result<plan::JoinKind> join_kind(std::string_view text) {
  std::string word = base::lower_case(text);
  std::erase_if(word, [](char c) { return c == ' ' || c == '_'; });
  static const std::map<std::string, plan::JoinKind> kKinds = {
      {"inner", plan::JoinKind::kInner},    {"cross", plan::JoinKind::kCross},
      {"left", plan::JoinKind::kLeft},      {"leftouter", plan::JoinKind::kLeft},
      {"right", plan::JoinKind::kRight},    {"rightouter", plan::JoinKind::kRight},
      {"full", plan::JoinKind::kFull},      {"outer", plan::JoinKind::kFull},
      {"fullouter", plan::JoinKind::kFull}, {"leftsemi", plan::JoinKind::kLeftSemi},
      {"semi", plan::JoinKind::kLeftSemi},  {"leftanti", plan::JoinKind::kLeftAnti},
      {"anti", plan::JoinKind::kLeftAnti}};
  const auto found = kKinds.find(word);
  if (found != kKinds.end()) return found->second;
  return base::error(base::ErrorKind::kInvalidArgument, "no join is called '{}'", text);
}

base::Result<plan::OperatorPtr> analyzed(const FrameParts& parts) {
  if (parts.error) return api::from_public(*parts.error);
  return parts.session->session->analyze(parts.plan);
}

std::string_view timeout_name(GroupTimeout timeout) {
  constexpr std::string_view kNames[] = {"NoTimeout", "ProcessingTimeTimeout", "EventTimeTimeout"};
  return kNames[static_cast<size_t>(timeout)];
}

DataFrame with_group_function(const DataFrame& frame, const std::string& keys,
                              const GroupStateSpec& spec, std::string kind,
                              FlatMapGroups function) {
  return then(frame.parts(), [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    plan::GroupMap map{child, {}, nullptr, {}};
    WEIR_ASSIGN(map.keys, sql::parse_select_list(keys));
    api::NativeGroupFunction native;
    WEIR_ASSIGN(native.output, columnar::parse_ddl_schema(spec.output));
    WEIR_ASSIGN(native.state, columnar::parse_ddl_schema(spec.state));
    native.state = native.state.as_nullable();
    native.function = std::move(function);
    auto described = std::make_shared<plan::PythonFunction>();
    described->result = native.output;
    map.state = {{"kind", std::move(kind)},
                 {"state_schema", columnar::schema_to_ddl(native.state)},
                 {"output_mode", spec.output_mode},
                 {"timeout", std::string(timeout_name(spec.timeout))}};
    described->name = frame.parts()->session->add_function(spec.name, std::move(native));
    map.function = std::move(described);
    return make(std::move(map));
  });
}

}  // namespace

namespace api {

DataFrame make_frame(std::shared_ptr<Session::Inner> session, base::Result<PlanPtr> plan) {
  FrameParts parts{std::move(session), nullptr, std::nullopt};
  if (plan.ok())
    parts.plan = std::move(plan).value();
  else
    parts.error = to_public(plan.error());
  return DataFrame(std::make_shared<const FrameParts>(std::move(parts)));
}

base::Result<Rows> rows_of(Session::Inner& session, const plan::OperatorPtr& plan) {
  Rows all;
  const auto schema = plan::schema_of(*plan);
  for (const auto& field : schema.fields())
    all.columns.push_back(field.name);
  WEIR_ASSIGN(const auto stream, session.session->run(plan));
  while (true) {
    WEIR_ASSIGN(const auto batch, stream->next({}));
    if (batch == nullptr) return all;
    WEIR_ASSIGN(auto rows, to_rows(*batch, schema));
    std::move(rows.begin(), rows.end(), std::back_inserter(all.rows));
  }
}

}  // namespace api

DataFrame DataFrame::select(std::string_view list) const {
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    WEIR_ASSIGN(auto columns, sql::parse_select_list(list));
    return make(plan::Project{child, std::move(columns)});
  });
}

DataFrame DataFrame::where(std::string_view condition) const {
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    WEIR_ASSIGN(auto parsed, sql::parse_expression(condition));
    return make(plan::Filter{child, std::move(parsed)});
  });
}

DataFrame DataFrame::with_watermark(std::string column, std::string delay) const {
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    return make(plan::WithWatermark{child, std::move(column), std::move(delay)});
  });
}

GroupedFrame DataFrame::group_by(std::string_view keys) const {
  return GroupedFrame(*this, std::string(keys));
}

DataFrame DataFrame::join(const DataFrame& right, std::string_view condition,
                          std::string_view kind) const {
  if (!parts_->error && right.parts_->error) return right;
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    plan::Join join{child, right.parts_->plan, plan::JoinKind::kInner, nullptr, {}};
    WEIR_ASSIGN(join.kind, join_kind(kind));
    if (!condition.empty()) {
      WEIR_ASSIGN(join.condition, sql::parse_expression(condition));
    }
    return make(std::move(join));
  });
}

DataFrame DataFrame::union_all(const DataFrame& other) const {
  if (!parts_->error && other.parts_->error) return other;
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    return make(plan::SetOperation{child, other.parts_->plan, plan::SetKind::kUnion, true});
  });
}

DataFrame DataFrame::drop_duplicates(std::vector<std::string> columns) const {
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    return make(plan::Deduplicate{child, std::move(columns), false});
  });
}

DataFrame DataFrame::drop_duplicates_within_watermark(std::vector<std::string> columns) const {
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    return make(plan::Deduplicate{child, std::move(columns), true});
  });
}

DataFrame DataFrame::alias(std::string name) const {
  return then(parts_, [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    return make(plan::SubqueryAlias{child, {std::move(name)}, {}});
  });
}

Result<bool> DataFrame::is_streaming() const {
  const auto plan = analyzed(*parts_);
  if (!plan.ok()) return api::to_public(plan.error());
  return (*plan)->streaming;
}

Result<std::string> DataFrame::schema() const {
  const auto plan = analyzed(*parts_);
  if (!plan.ok()) return api::to_public(plan.error());
  return columnar::schema_to_ddl(plan::schema_of(**plan));
}

Result<std::string> DataFrame::explain(bool extended) const {
  if (parts_->error) return *parts_->error;
  return api::to_public(parts_->session->session->explain(
      parts_->plan, extended ? plan::Explain::Mode::kExtended : plan::Explain::Mode::kSimple));
}

Result<Rows> DataFrame::collect() const {
  const auto plan = analyzed(*parts_);
  if (!plan.ok()) return api::to_public(plan.error());
  return api::to_public(api::rows_of(*parts_->session, *plan));
}

Result<void> DataFrame::create_temp_view(std::string_view name) const {
  if (parts_->error) return *parts_->error;
  return api::to_public(
      parts_->session->session->create_temp_view(std::string(name), parts_->plan, true, false));
}

DataStreamWriter DataFrame::write_stream() const { return DataStreamWriter(parts_); }

DataFrame GroupedFrame::agg(std::string_view list) const {
  return then(frame_.parts(), [&](const PlanPtr& child) -> base::Result<PlanPtr> {
    plan::Aggregate aggregate;
    aggregate.child = child;
    aggregate.sql = false;
    if (!keys_.empty()) {
      WEIR_ASSIGN(aggregate.keys, sql::parse_select_list(keys_));
    }
    WEIR_ASSIGN(aggregate.list, sql::parse_select_list(list));
    return make(std::move(aggregate));
  });
}

DataFrame GroupedFrame::flat_map_groups_with_state(GroupStateSpec spec,
                                                   FlatMapGroups function) const {
  return with_group_function(frame_, keys_, spec, "flatMapGroupsWithState", std::move(function));
}

DataFrame GroupedFrame::map_groups_with_state(GroupStateSpec spec, MapGroups function) const {
  return with_group_function(
      frame_, keys_, spec, "mapGroupsWithState",
      [function = std::move(function)](const Row& key, const std::vector<Row>& rows,
                                       GroupState& state) -> Result<std::vector<Row>> {
        auto row = function(key, rows, state);
        if (!row.ok()) return row.error();
        return std::vector<Row>{std::move(*row)};
      });
}

}  // namespace weir
