#include "connect/remote_session.h"

#include <cstdlib>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <spark/connect/base.pb.h>

#include "base/text.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "connect/data_types.h"
#include "connect/requests.h"

namespace weir::connect {

namespace {

using base::Error;
using base::ErrorKind;
using columnar::Schema;
using spark::connect::ExecutePlanResponse;

constexpr int kDefaultPort = 15002;
constexpr int64_t kInterruptMs = 2000;

Error bad_address(std::string_view text, std::string_view why) {
  return base::error(ErrorKind::kInvalidArgument,
                     "'{}' is no address of a Spark Connect server: {} (sc://HOST:PORT/;key=value)",
                     text, why);
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const std::string hex(text.substr(i + 1, 2));
      char* end = nullptr;
      const auto code = std::strtol(hex.c_str(), &end, 16);
      if (end == hex.c_str() + 2) {
        out += static_cast<char>(code);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

}  // namespace

Result<RemoteAddress> parse_remote_address(std::string_view text) {
  constexpr std::string_view kScheme = "sc://";
  if (!text.starts_with(kScheme)) return bad_address(text, "it does not begin with sc://");
  std::string_view rest = text.substr(kScheme.size());
  const size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  std::string_view parameters = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (authority.empty()) return bad_address(text, "it names no host");
  if (!parameters.empty() && parameters.front() != ';')
    return bad_address(text, "behind the slash come ;key=value only");
  RemoteAddress address;
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && !authority.ends_with(']');
  const std::string host(has_port ? authority.substr(0, colon) : authority);
  int port = kDefaultPort;
  if (has_port) {
    const std::string digits(authority.substr(colon + 1));
    char* end = nullptr;
    const long number = std::strtol(digits.c_str(), &end, 10);
    if (digits.empty() || *end != '\0' || number < 1 || number > 65535)
      return bad_address(text, "its port is no number from 1 to 65535");
    port = static_cast<int>(number);
  }
  if (host.empty()) return bad_address(text, "it names no host");
  address.target = fmt::format("{}:{}", host, port);
  bool use_ssl = false;
  while (!parameters.empty()) {
    parameters.remove_prefix(1);
    const size_t end = std::min(parameters.find(';'), parameters.size());
    const std::string_view one = parameters.substr(0, end);
    parameters.remove_prefix(end);
    if (one.empty()) continue;
    const size_t equals = one.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return bad_address(text, fmt::format("'{}' is not key=value", one));
    const std::string key(one.substr(0, equals));
    std::string value = percent_decoded(one.substr(equals + 1));
    if (key == "token") {
      address.token = std::move(value);
    } else if (key == "use_ssl") {
      use_ssl = base::lower_case(value) == "true";
    } else if (key == "user_id") {
      address.user_id = std::move(value);
    } else if (key == "user_agent") {
      address.user_agent = std::move(value) + " weir";
    } else if (key == "session_id") {
      address.session_id = std::move(value);
    } else if (key != "grpc_max_message_size") {
      address.headers.emplace_back(base::lower_case(key), std::move(value));
    }
  }
  address.tls = use_ssl || (!address.token.empty() && !is_loopback(host));
  return address;
}

RemoteSession::RemoteSession(RemoteAddress address, base::Random& random)
    : address_(std::move(address)),
      random_(random),
      session_id_(address_.session_id.empty() ? base::uuid(random) : address_.session_id) {
  rpc_.target = address_.target;
  rpc_.tls = address_.tls;
  rpc_.token = address_.token;
  rpc_.headers = address_.headers;
}

RemoteSession::~RemoteSession() {
  spark::connect::ReleaseSessionRequest request;
  fill(request);
  rpc_.timeout_ms = kInterruptMs;
  (void)call("ReleaseSession", request.SerializeAsString());
}

template <typename Request>
void RemoteSession::fill(Request& request) const {
  request.set_session_id(session_id_);
  request.mutable_user_context()->set_user_id(address_.user_id);
  request.set_client_type(address_.user_agent);
}

Result<std::unique_ptr<RemoteSession>> RemoteSession::open(RemoteAddress address,
                                                           base::Random& random) {
  std::unique_ptr<RemoteSession> session(new RemoteSession(std::move(address), random));
  spark::connect::AnalyzePlanRequest request;
  session->fill(request);
  request.mutable_spark_version();
  WEIR_TRY(session->call("AnalyzePlan", request.SerializeAsString()));
  return session;
}

Result<std::string> RemoteSession::call(std::string_view method, const std::string& request) {
  std::string details;
  auto answer = call_unary(rpc_, fmt::format("/spark.connect.SparkConnectService/{}", method),
                           request, &details);
  if (!answer.ok()) return described(std::move(answer).error(), details);
  return answer;
}

// The server's class, SQLSTATE and whole text: a status has room for 2 KiB.
Error RemoteSession::described(Error error, const std::string& details) {
  google::rpc::Status status;
  if (details.empty() || !parse_message(details, status).ok()) return error;
  std::string text = status.message();
  std::string name, state, id;
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    if (!detail.UnpackTo(&info)) continue;
    const auto field = [&](const char* key) {
      const auto found = info.metadata().find(key);
      return found == info.metadata().end() ? std::string() : found->second;
    };
    name = field("errorClass");
    state = field("sqlState");
    id = field("errorId");
  }
  if (!id.empty()) {
    spark::connect::FetchErrorDetailsRequest request;
    fill(request);
    request.set_error_id(id);
    const auto answer = call_unary(rpc_, "/spark.connect.SparkConnectService/FetchErrorDetails",
                                   request.SerializeAsString(), nullptr);
    spark::connect::FetchErrorDetailsResponse response;
    if (answer.ok() && parse_message(*answer, response).ok() && response.has_root_error_idx() &&
        response.root_error_idx() < response.errors_size()) {
      text = response.errors(response.root_error_idx()).message();
    }
  }
  // Spark's parser begins with an empty line, and most texts end with one.
  while (!text.empty() && text.front() == '\n')
    text.erase(0, 1);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  const std::string head = fmt::format("[{}] ", name);
  if (!name.empty() && text.starts_with(head)) text.erase(0, head.size());
  Error told(name == "OPERATION_CANCELED" ? ErrorKind::kCancelled : ErrorKind::kInvalidArgument,
             std::move(text));
  if (!name.empty()) told = std::move(told).with_class(name);
  if (!state.empty()) told = std::move(told).with_sql_state(state);
  return told;
}

Result<std::string> RemoteSession::get(const std::string& key) {
  spark::connect::ConfigRequest request;
  fill(request);
  request.mutable_operation()->mutable_get()->add_keys(key);
  WEIR_ASSIGN(const auto answer, call("Config", request.SerializeAsString()));
  spark::connect::ConfigResponse response;
  WEIR_TRY(parse_message(answer, response));
  return response.pairs_size() == 1 ? response.pairs(0).value() : std::string();
}

Result<void> RemoteSession::set(const std::string& key, const std::string& value) {
  spark::connect::ConfigRequest request;
  fill(request);
  auto& pair = *request.mutable_operation()->mutable_set()->add_pairs();
  pair.set_key(key);
  pair.set_value(value);
  WEIR_TRY(call("Config", request.SerializeAsString()));
  return {};
}

Result<void> RemoteSession::execute(
    const std::string& plan, std::stop_token stop,
    const std::function<Result<void>(const std::string&)>& on_response) {
  const std::string operation = base::uuid(random_);
  spark::connect::ExecutePlanRequest request;
  fill(request);
  request.set_operation_id(operation);
  WEIR_TRY(parse_message(plan, *request.mutable_plan()));
  // Asked for once; the stream then ends by itself, with the server's words.
  const auto interrupt = [&] {
    spark::connect::InterruptRequest message;
    fill(message);
    message.set_interrupt_type(spark::connect::InterruptRequest::INTERRUPT_TYPE_OPERATION_ID);
    message.set_operation_id(operation);
    RpcClientOptions quick = rpc_;
    quick.timeout_ms = kInterruptMs;
    (void)call_unary(quick, "/spark.connect.SparkConnectService/Interrupt",
                     message.SerializeAsString(), nullptr);
  };
  std::string details;
  auto done = call_stream(rpc_, "/spark.connect.SparkConnectService/ExecutePlan",
                          request.SerializeAsString(), on_response, stop, interrupt, &details);
  if (done.ok() || details.empty()) return done;
  return described(std::move(done).error(), details);
}

Result<void> RemoteSession::sql(const std::string& text, const Begin& begin, const Take& take,
                                std::stop_token stop) {
  // First the statement itself: a command is run, a query checked. It answers with a relation.
  spark::connect::Plan command;
  command.mutable_command()->mutable_sql_command()->set_sql(text);
  spark::connect::Plan rows;
  const auto take_relation = [&](const std::string& bytes) -> Result<void> {
    ExecutePlanResponse response;
    WEIR_TRY(parse_message(bytes, response));
    if (response.has_sql_command_result())
      *rows.mutable_root() = response.sql_command_result().relation();
    return {};
  };
  WEIR_TRY(execute(command.SerializeAsString(), stop, take_relation));
  if (!rows.has_root())
    return base::error(ErrorKind::kUnavailable, "{} gave no answer to the statement",
                       address_.target);
  std::optional<Schema> schema;
  const auto take_response = [&](const std::string& bytes) -> Result<void> {
    ExecutePlanResponse response;
    WEIR_TRY(parse_message(bytes, response));
    if (response.has_schema() && !schema) {
      WEIR_ASSIGN(auto type, read_type(response.schema()));
      schema = std::move(type);
      WEIR_TRY(begin(*schema));
    }
    if (!response.has_arrow_batch() || !schema || schema->fields().empty()) return {};
    const auto& data = response.arrow_batch().data();
    arrow::io::BufferReader input(arrow::Buffer::FromString(data));
    WEIR_ARROW_ASSIGN(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(&input));
    const auto wanted = columnar::to_arrow_schema(*schema);
    while (true) {
      WEIR_ARROW_ASSIGN(const auto batch, reader->Next());
      if (!batch) return {};
      WEIR_ASSIGN(const auto conformed, conform(batch, wanted));
      WEIR_TRY(take(conformed));
    }
  };
  WEIR_TRY(execute(rows.SerializeAsString(), stop, take_response));
  if (!schema) WEIR_TRY(begin(Schema::structure({})));
  return {};
}

}  // namespace weir::connect
