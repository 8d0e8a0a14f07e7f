// Calls about a session: configuration, artifacts, interrupts, releases, error details.
#include <algorithm>

#include <spark/connect/base.pb.h>

#include "connect/requests.h"
#include "connect/service.h"
#include "python/session_files.h"

namespace weir::connect {

using base::Error;
using base::ErrorKind;

namespace {

using spark::connect::ConfigRequest;
using spark::connect::ConfigResponse;
using spark::connect::InterruptRequest;

template <typename Request>
std::string observed_of(const Request& request) {
  return request.client_observed_server_side_session_id();
}

template <typename Response>
std::string finished(Response& response, const ClientSession& session) {
  response.set_session_id(session.id());
  response.set_server_side_session_id(session.server_side_id());
  return response.SerializeAsString();
}

struct ClientSetting {
  std::string_view key;
  std::string_view value;
};
// What clients ask for and no query does: how they send rows, and what they show of an error.
constexpr ClientSetting kClientSettings[] = {
    {"spark.connect.session.planCompression.defaultAlgorithm", "NONE"},
    {"spark.connect.session.planCompression.threshold", "-1"},
    {"spark.sql.connect.serverStacktrace.enabled", "false"},
    {"spark.sql.session.localRelationBatchOfChunksSizeBytes", "268435456"},
    {"spark.sql.session.localRelationCacheThreshold", "1048576"},
    {"spark.sql.session.localRelationChunkSizeBytes", "16777216"},
    {"spark.sql.session.localRelationChunkSizeRows", "10000"},
    {"spark.sql.session.localRelationSizeLimit", "1073741824"},
};

std::optional<std::string> value_of(session::Session& engine, const std::string& key) {
  if (auto value = engine.get(key)) return value;
  for (const ClientSetting& setting : kClientSettings)
    if (setting.key == key) return std::string(setting.value);
  return std::nullopt;
}

void add_pair(ConfigResponse& response, const std::string& key,
              const std::optional<std::string>& value) {
  auto& pair = *response.add_pairs();
  pair.set_key(key);
  if (value) pair.set_value(*value);
}

Result<void> configure(session::Session& engine, const ConfigRequest::Operation& operation,
                       ConfigResponse& response) {
  using Operation = ConfigRequest::Operation;
  switch (operation.op_type_case()) {
    case Operation::kSet:
      for (const auto& pair : operation.set().pairs()) {
        const auto set = engine.set(pair.key(), pair.value());
        if (!set.ok() && !operation.set().silent()) return set;
        if (!set.ok()) response.add_warnings(set.error().message());
      }
      return {};
    case Operation::kGet:
      for (const std::string& key : operation.get().keys()) {
        const auto value = value_of(engine, key);
        if (!value) {
          return Error(ErrorKind::kNotFound,
                       fmt::format("The SQL config \"{}\" cannot be found. Please verify that the "
                                   "config exists. SQLSTATE: 42K0I",
                                   key))
              .with_class("SQL_CONF_NOT_FOUND")
              .with_sql_state("42K0I")
              .with_parameter("sqlConf", fmt::format("\"{}\"", key));
        }
        add_pair(response, key, value);
      }
      return {};
    case Operation::kGetWithDefault: {
      const auto set = engine.all_set();
      for (const auto& pair : operation.get_with_default().pairs()) {
        const auto found = set.find(pair.key());
        if (found != set.end())
          add_pair(response, pair.key(), found->second);
        else if (pair.has_value())
          add_pair(response, pair.key(), pair.value());
        else
          add_pair(response, pair.key(), std::nullopt);
      }
      return {};
    }
    case Operation::kGetOption:
      for (const std::string& key : operation.get_option().keys())
        add_pair(response, key, value_of(engine, key));
      return {};
    case Operation::kGetAll: {
      const std::string& prefix = operation.get_all().prefix();
      for (const auto& [key, value] : engine.all_set())
        if (key.starts_with(prefix)) add_pair(response, key.substr(prefix.size()), value);
      return {};
    }
    case Operation::kUnset:
      for (const std::string& key : operation.unset().keys())
        engine.unset(key);
      return {};
    case Operation::kIsModifiable:
      for (const std::string& key : operation.is_modifiable().keys())
        add_pair(response, key, engine.modifiable(key) ? "true" : "false");
      return {};
    default:
      return unsupported("the configuration call {}", case_name(operation, "op_type"));
  }
}

spark::connect::GetStatusResponse::OperationStatus::OperationState state_of(
    const Operation& operation) {
  using Status = spark::connect::GetStatusResponse::OperationStatus;
  switch (operation.state()) {
    case Operation::State::kRunning:
      return Status::OPERATION_STATE_RUNNING;
    case Operation::State::kStopping:
      return Status::OPERATION_STATE_TERMINATING;
    case Operation::State::kSucceeded:
      return Status::OPERATION_STATE_SUCCEEDED;
    case Operation::State::kFailed:
      return Status::OPERATION_STATE_FAILED;
    case Operation::State::kCancelled:
      return Status::OPERATION_STATE_CANCELLED;
  }
  return Status::OPERATION_STATE_UNKNOWN;
}

}  // namespace

Result<std::string> Service::config(const std::string& request, ClientSessionPtr& session) {
  ConfigRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.open(message.user_context().user_id(), message.session_id(),
                                      observed_of(message)));
  ConfigResponse response;
  WEIR_TRY(configure(session->engine(), message.operation(), response));
  return finished(response, *session);
}

Result<std::string> Service::artifact_status(const std::string& request,
                                             ClientSessionPtr& session) {
  spark::connect::ArtifactStatusesRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.open(message.user_context().user_id(), message.session_id(),
                                      observed_of(message)));
  spark::connect::ArtifactStatusesResponse response;
  for (const std::string& name : message.names())
    (*response.mutable_statuses())[name].set_exists(session->artifacts().contains(name));
  return finished(response, *session);
}

Result<std::string> Service::interrupt(const std::string& request, ClientSessionPtr& session) {
  InterruptRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.open(message.user_context().user_id(), message.session_id(),
                                      observed_of(message)));
  spark::connect::InterruptResponse response;
  for (const OperationPtr& operation : session->operations()) {
    switch (message.interrupt_type()) {
      case InterruptRequest::INTERRUPT_TYPE_ALL:
        break;
      case InterruptRequest::INTERRUPT_TYPE_TAG:
        if (!operation->tags().contains(message.operation_tag())) continue;
        break;
      case InterruptRequest::INTERRUPT_TYPE_OPERATION_ID:
        if (operation->names().operation_id != message.operation_id()) continue;
        break;
      default:
        return unsupported("the interrupt type {}", static_cast<int>(message.interrupt_type()));
    }
    if (operation->interrupt()) response.add_interrupted_ids(operation->names().operation_id);
  }
  return finished(response, *session);
}

Result<std::string> Service::release_execute(const std::string& request,
                                             ClientSessionPtr& session) {
  spark::connect::ReleaseExecuteRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.find(message.user_context().user_id(), message.session_id(),
                                      observed_of(message)));
  spark::connect::ReleaseExecuteResponse response;
  if (const OperationPtr operation = session->operation(message.operation_id())) {
    response.set_operation_id(message.operation_id());
    if (message.has_release_until()) {
      operation->release_until(message.release_until().response_id());
    } else {
      operation->interrupt();
      session->remove_operation(message.operation_id());
    }
  }
  return finished(response, *session);
}

Result<std::string> Service::release_session(const std::string& request,
                                             ClientSessionPtr& session) {
  spark::connect::ReleaseSessionRequest message;
  WEIR_TRY(parse_message(request, message));
  session = sessions_.close(message.user_context().user_id(), message.session_id(),
                            message.allow_reconnect());
  spark::connect::ReleaseSessionResponse response;
  if (session) return finished(response, *session);
  response.set_session_id(message.session_id());
  return response.SerializeAsString();
}

Result<std::string> Service::fetch_error_details(const std::string& request,
                                                 ClientSessionPtr& session) {
  spark::connect::FetchErrorDetailsRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.open(message.user_context().user_id(), message.session_id(),
                                      observed_of(message)));
  spark::connect::FetchErrorDetailsResponse response;
  session->errors().describe(message.error_id(), response);
  return finished(response, *session);
}

// A new session with the configuration and artifacts of this one. Temporary views stay behind.
Result<std::string> Service::clone_session(const std::string& request, ClientSessionPtr& session) {
  spark::connect::CloneSessionRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.find(message.user_context().user_id(), message.session_id(),
                                      observed_of(message)));
  const std::string id = message.has_new_session_id() && !message.new_session_id().empty()
                             ? message.new_session_id()
                             : base::uuid(random_);
  if (sessions_.find(message.user_context().user_id(), id, "").ok()) {
    return Error(ErrorKind::kAlreadyExists,
                 fmt::format("Cannot clone session: the target session {} already exists.", id))
        .with_class("INVALID_CLONE_SESSION_REQUEST.TARGET_SESSION_ID_ALREADY_EXISTS")
        .with_sql_state("42K04");
  }
  WEIR_ASSIGN(const auto copy, sessions_.open(message.user_context().user_id(), id, ""));
  for (const auto& [key, value] : session->engine().all_set())
    if (session->engine().modifiable(key)) WEIR_TRY(copy->engine().set(key, value));
  session->artifacts().copy_to(copy->artifacts());
  auto* from = dynamic_cast<python::FileTaker*>(session->functions());
  auto* to = dynamic_cast<python::FileTaker*>(copy->functions());
  if (from && to) WEIR_TRY(from->copy_files(*to));
  spark::connect::CloneSessionResponse response;
  response.set_new_session_id(copy->id());
  response.set_new_server_side_session_id(copy->server_side_id());
  return finished(response, *session);
}

Result<std::string> Service::get_status(const std::string& request, ClientSessionPtr& session) {
  spark::connect::GetStatusRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.open(message.user_context().user_id(), message.session_id(),
                                      observed_of(message)));
  spark::connect::GetStatusResponse response;
  using Status = spark::connect::GetStatusResponse::OperationStatus;
  const auto& wanted = message.operation_status().operation_ids();
  for (const std::string& id : wanted) {
    auto& status = *response.add_operation_statuses();
    status.set_operation_id(id);
    const OperationPtr operation = session->operation(id);
    status.set_state(operation ? state_of(*operation) : Status::OPERATION_STATE_UNKNOWN);
  }
  if (message.has_operation_status() && wanted.empty()) {
    for (const OperationPtr& operation : session->operations()) {
      auto& status = *response.add_operation_statuses();
      status.set_operation_id(operation->names().operation_id);
      status.set_state(state_of(*operation));
    }
  }
  return finished(response, *session);
}

}  // namespace weir::connect
