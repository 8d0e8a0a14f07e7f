// AnalyzePlan: what a plan is, without running it.
#include <spark/connect/base.pb.h>

#include "connect/data_types.h"
#include "connect/execution.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"
#include "connect/service.h"
#include "plan/operator.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using spark::connect::AnalyzePlanRequest;
using spark::connect::AnalyzePlanResponse;

constexpr const char* kSparkVersion = "4.2.0";  // whose semantics and protocol these are

// StructType.treeString.
void append_tree(const DataType& type, const std::string& prefix, int level, std::string& out);

void append_node(std::string_view name, const DataType& type, std::string_view flag, bool value,
                 const std::string& prefix, int level, std::string& out) {
  std::string kind = type.is(TypeKind::kArray)     ? "array"
                     : type.is(TypeKind::kMap)     ? "map"
                     : type.is(TypeKind::kStruct)  ? "struct"
                     : type.is(TypeKind::kByte)    ? "byte"
                     : type.is(TypeKind::kShort)   ? "short"
                     : type.is(TypeKind::kInteger) ? "integer"
                     : type.is(TypeKind::kLong)    ? "long"
                                                   : type.simple_string();
  if (type.is(TypeKind::kNull)) kind = "void";
  out += fmt::format("{}-- {}: {}", prefix, name, kind);
  if (!flag.empty()) out += fmt::format(" ({} = {})", flag, value);
  out += "\n";
  if (level > 1) append_tree(type, prefix + "    |", level - 1, out);
}

void append_tree(const DataType& type, const std::string& prefix, int level, std::string& out) {
  if (type.is(TypeKind::kStruct)) {
    for (const auto& field : type.fields())
      append_node(field.name, field.type(), "nullable", field.nullable, prefix, level, out);
  } else if (type.is(TypeKind::kArray)) {
    append_node("element", type.element(), "containsNull", type.contains_null(), prefix, level,
                out);
  } else if (type.is(TypeKind::kMap)) {
    append_node("key", type.key(), "", false, prefix, level, out);
    append_node("value", type.value(), "valueContainsNull", type.contains_null(), prefix, level,
                out);
  }
}

plan::Explain::Mode explain_mode(AnalyzePlanRequest::Explain::ExplainMode mode) {
  using Explain = AnalyzePlanRequest::Explain;
  switch (mode) {
    case Explain::EXPLAIN_MODE_EXTENDED:
      return plan::Explain::Mode::kExtended;
    case Explain::EXPLAIN_MODE_CODEGEN:
      return plan::Explain::Mode::kCodegen;
    case Explain::EXPLAIN_MODE_COST:
      return plan::Explain::Mode::kCost;
    case Explain::EXPLAIN_MODE_FORMATTED:
      return plan::Explain::Mode::kFormatted;
    default:
      return plan::Explain::Mode::kSimple;
  }
}

// The relation without the ids that a client gives to each of its objects.
std::string relation_key(spark::connect::Relation relation) {
  relation.clear_common();
  return relation.SerializeAsString();
}

int32_t text_hash(std::string_view text) {
  uint32_t hash = 0;
  for (const char c : text)
    hash = hash * 31 + static_cast<unsigned char>(c);
  return static_cast<int32_t>(hash);
}

bool reads_tables(const plan::Operator& node) {
  if (std::holds_alternative<plan::op::Scan>(node.node)) return true;
  for (const auto& child : plan::children_of(node))
    if (reads_tables(*child)) return true;
  return false;
}

// One request.
class Analysis {
 public:
  explicit Analysis(ClientSession& session)
      : session_(session), context_(decoder_context(session, {})) {}

  Result<void> run(const AnalyzePlanRequest& request, AnalyzePlanResponse& response);

 private:
  Result<PlanPtr> decode(const spark::connect::Plan& plan) {
    if (!plan.has_root()) return unsupported("analysing a {}", case_name(plan, "op_type"));
    PlanDecoder decoder(context_);
    // What show() gives is one column of text.
    if (plan.root().has_show_string()) return decoder.relation(plan.root().show_string().input());
    return decoder.relation(plan.root());
  }
  Result<plan::OperatorPtr> analyzed(const spark::connect::Plan& plan) {
    WEIR_ASSIGN(const auto decoded, decode(plan));
    return session_.engine().analyze(decoded);
  }
  Result<std::string> semantics(const spark::connect::Plan& plan) {
    WEIR_ASSIGN(const auto operators, analyzed(plan));
    return plan::plan_text(*operators);
  }
  Result<void> describe(const AnalyzePlanRequest& request, AnalyzePlanResponse& response);

  ClientSession& session_;
  const DecoderContext context_;
};

Result<void> Analysis::run(const AnalyzePlanRequest& request, AnalyzePlanResponse& response) {
  switch (request.analyze_case()) {
    case AnalyzePlanRequest::kSparkVersion:
      response.mutable_spark_version()->set_version(kSparkVersion);
      return {};
    case AnalyzePlanRequest::kDdlParse: {
      const std::string& text = request.ddl_parse().ddl_string();
      auto parsed = columnar::parse_ddl_schema(text);
      if (!parsed.ok()) {
        auto type = columnar::parse_ddl_type(text);
        if (!type.ok()) return std::move(parsed).error();
        parsed = std::move(type);
      }
      write_type(*parsed, *response.mutable_ddl_parse()->mutable_parsed());
      return {};
    }
    case AnalyzePlanRequest::kJsonToDdl: {
      WEIR_ASSIGN(const auto type,
                  columnar::parse_type_json_text(request.json_to_ddl().json_string()));
      response.mutable_json_to_ddl()->set_ddl_string(
          type.is(TypeKind::kStruct) ? columnar::schema_to_ddl(type) : type.sql());
      return {};
    }
    case AnalyzePlanRequest::kPersist: {
      StorageLevel level;
      const auto& given = request.persist();
      PlanDecoder decoder(context_);
      WEIR_ASSIGN(const auto plan, decoder.relation(given.relation()));
      WEIR_ASSIGN(const auto operators, session_.engine().analyze(plan));
      WEIR_TRY(session_.engine().cache(operators, false, {}));
      if (given.has_storage_level()) {
        const auto& wanted = given.storage_level();
        level = {wanted.use_disk(), wanted.use_memory(), wanted.use_off_heap(),
                 wanted.deserialized(), wanted.replication()};
      }
      session_.set_storage_level(relation_key(given.relation()), level);
      response.mutable_persist();
      return {};
    }
    case AnalyzePlanRequest::kUnpersist: {
      PlanDecoder decoder(context_);
      WEIR_ASSIGN(const auto plan, decoder.relation(request.unpersist().relation()));
      if (const auto operators = session_.engine().analyze(plan); operators.ok())
        session_.engine().uncache(*operators);
      session_.forget_storage_level(relation_key(request.unpersist().relation()));
      response.mutable_unpersist();
      return {};
    }
    case AnalyzePlanRequest::kGetStorageLevel: {
      const auto level =
          session_.storage_level(relation_key(request.get_storage_level().relation()));
      auto& out = *response.mutable_get_storage_level()->mutable_storage_level();
      out.set_use_disk(level.disk);
      out.set_use_memory(level.memory);
      out.set_use_off_heap(level.off_heap);
      out.set_deserialized(level.deserialized);
      out.set_replication(level.replication);
      return {};
    }
    default:
      return describe(request, response);
  }
}

Result<void> Analysis::describe(const AnalyzePlanRequest& request, AnalyzePlanResponse& response) {
  switch (request.analyze_case()) {
    case AnalyzePlanRequest::kSchema: {
      WEIR_ASSIGN(const auto operators, analyzed(request.schema().plan()));
      write_type(plan::schema_of(*operators), *response.mutable_schema()->mutable_schema());
      return {};
    }
    case AnalyzePlanRequest::kExplain: {
      WEIR_ASSIGN(const auto plan, decode(request.explain().plan()));
      WEIR_ASSIGN(auto text,
                  session_.engine().explain(plan, explain_mode(request.explain().explain_mode())));
      response.mutable_explain()->set_explain_string(std::move(text));
      return {};
    }
    case AnalyzePlanRequest::kTreeString: {
      WEIR_ASSIGN(const auto operators, analyzed(request.tree_string().plan()));
      std::string text = "root\n";
      const int level =
          request.tree_string().has_level() ? request.tree_string().level() : INT32_MAX;
      append_tree(plan::schema_of(*operators), " |", level <= 0 ? INT32_MAX : level, text);
      response.mutable_tree_string()->set_tree_string(std::move(text));
      return {};
    }
    case AnalyzePlanRequest::kIsLocal: {
      const auto& plan = request.is_local().plan();
      WEIR_TRY(analyzed(plan));
      response.mutable_is_local()->set_is_local(plan.root().has_local_relation());
      return {};
    }
    case AnalyzePlanRequest::kIsStreaming: {
      WEIR_ASSIGN(const auto operators, analyzed(request.is_streaming().plan()));
      response.mutable_is_streaming()->set_is_streaming(operators->streaming);
      return {};
    }
    case AnalyzePlanRequest::kInputFiles: {
      WEIR_ASSIGN(const auto operators, analyzed(request.input_files().plan()));
      if (reads_tables(*operators)) return unsupported("inputFiles of tables and files");
      response.mutable_input_files();
      return {};
    }
    case AnalyzePlanRequest::kSameSemantics: {
      WEIR_ASSIGN(const auto first, semantics(request.same_semantics().target_plan()));
      WEIR_ASSIGN(const auto second, semantics(request.same_semantics().other_plan()));
      response.mutable_same_semantics()->set_result(first == second);
      return {};
    }
    case AnalyzePlanRequest::kSemanticHash: {
      WEIR_ASSIGN(const auto text, semantics(request.semantic_hash().plan()));
      response.mutable_semantic_hash()->set_result(text_hash(text));
      return {};
    }
    default:
      return unsupported("the analysis {}", case_name(request, "analyze"));
  }
}

}  // namespace

Result<std::string> Service::analyze_plan(const std::string& request, ClientSessionPtr& session) {
  AnalyzePlanRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.open(message.user_context().user_id(), message.session_id(),
                                      message.client_observed_server_side_session_id()));
  AnalyzePlanResponse response;
  WEIR_TRY(Analysis(*session).run(message, response));
  response.set_session_id(session->id());
  response.set_server_side_session_id(session->server_side_id());
  return response.SerializeAsString();
}

}  // namespace weir::connect
