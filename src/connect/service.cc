#include "connect/service.h"

#include <google/protobuf/stubs/logging.h>
#include <spark/connect/base.pb.h>

#include "connect/execution.h"
#include "connect/requests.h"
#include "python/session_files.h"

namespace weir::connect {

using base::Error;
using base::ErrorKind;
using spark::connect::ExecutePlanRequest;

namespace {

constexpr size_t kCallThreads = 16;
constexpr size_t kWaitingMax = 1000;
constexpr size_t kWaitsMax = 1000;
constexpr int64_t kJanitorUs = 5'000'000;
constexpr int64_t kArtifactMax = int64_t{1} << 30;
constexpr int64_t kChunkBytes = 32 << 20;  // of batches that are one huge row; clients take 128 MiB

CallStatus status_of(const Error& error, const ClientSessionPtr& session) {
  return session ? session->errors().status(error) : plain_status(error);
}

// What may look at files or wait for work to end: an interrupt never stands behind it.
bool takes_long(std::string_view method) {
  return method == "AnalyzePlan" || method == "CloneSession" || method == "ReleaseSession";
}

CallStatus busy() {
  constexpr int kResourceExhausted = 8;
  return {kResourceExhausted, "the server has too much to do: try again later", {}};
}

}  // namespace

// One request, one answer.
class UnaryHandler final : public CallHandler, public std::enable_shared_from_this<UnaryHandler> {
 public:
  UnaryHandler(Service& service, WorkerPool& workers, CallPtr call, Service::Unary unary)
      : service_(service), workers_(workers), call_(std::move(call)), unary_(unary) {}

  void on_message(std::string bytes) override {
    if (answered_) return;
    answered_ = true;
    const bool posted = workers_.post(
        [self = shared_from_this(), request = std::move(bytes)] { self->answer(request); });
    if (!posted) call_->finish(busy());
  }
  void on_half_close() override {
    if (!answered_) call_->finish({3, "the call has no request", {}});
  }

 private:
  void answer(const std::string& request) {
    ClientSessionPtr session;
    auto answered = (service_.*unary_)(request, session);
    if (answered.ok())
      call_->answer(Message{std::move(answered).value()});
    else
      call_->finish(status_of(answered.error(), session));
  }

  Service& service_;
  WorkerPool& workers_;
  const CallPtr call_;
  const Service::Unary unary_;
  bool answered_ = false;
};

// ExecutePlan and ReattachExecute: one request, a stream of responses.
class ExecuteHandler final : public CallHandler,
                             public std::enable_shared_from_this<ExecuteHandler> {
 public:
  ExecuteHandler(Service& service, CallPtr call) : service_(service), call_(std::move(call)) {}

  void on_message(std::string bytes) override {
    if (asked_) return;
    asked_ = true;
    const bool posted = service_.calls_.post(
        [self = shared_from_this(), request = std::move(bytes)] { self->answer(request); });
    if (!posted) call_->finish(busy());
  }
  void on_half_close() override {
    if (!asked_) call_->finish({3, "the call has no request", {}});
  }
  void on_written(bool ok) override {
    if (const OperationPtr operation = attached()) operation->written(call_.get(), ok);
  }
  void on_closed() override {
    OperationPtr operation;
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
      operation = std::move(operation_);
    }
    if (operation) operation->detach(call_.get());
  }
  // Before the call is attached: responses may follow at once.
  void set_operation(OperationPtr operation) {
    const std::scoped_lock lock(mutex_);
    operation_ = std::move(operation);
  }

 private:
  OperationPtr attached() {
    const std::scoped_lock lock(mutex_);
    return operation_;
  }
  void answer(const std::string& request);

  Service& service_;
  const CallPtr call_;
  bool asked_ = false;
  std::mutex mutex_;
  bool closed_ = false;
  OperationPtr operation_;
};

// AddArtifacts: a stream of pieces, one answer.
class ArtifactsHandler final : public CallHandler {
 public:
  ArtifactsHandler(Service& service, CallPtr call) : service_(service), call_(std::move(call)) {}

  void on_message(std::string bytes) override {
    if (failed_) return;
    if (const auto taken = take(bytes); !taken.ok()) {
      failed_ = true;
      call_->finish(status_of(taken.error(), session_));
    }
  }
  void on_half_close() override {
    if (failed_) return;
    if (!session_) return call_->finish(plain_status(invalid_plan("AddArtifacts has no request")));
    if (!name_.empty())
      return call_->finish(status_of(
          invalid_plan("the artifact {} has {} of {} chunks", name_, chunks_, chunks_wanted_),
          session_));
    response_.set_session_id(session_->id());
    response_.set_server_side_session_id(session_->server_side_id());
    call_->answer(Message{response_.SerializeAsString()});
  }

 private:
  using Request = spark::connect::AddArtifactsRequest;

  Result<void> take(const std::string& bytes) {
    Request request;
    WEIR_TRY(parse_message(bytes, request));
    if (!session_) {
      WEIR_ASSIGN(session_,
                  service_.sessions_.open(request.user_context().user_id(), request.session_id(),
                                          request.client_observed_server_side_session_id()));
    }
    switch (request.payload_case()) {
      case Request::kBatch:
        for (auto& artifact : *request.mutable_batch()->mutable_artifacts()) {
          const bool intact = fits(artifact.data());
          WEIR_TRY(
              keep(artifact.name(), std::move(*artifact.mutable_data()->mutable_data()), intact));
        }
        return {};
      case Request::kBeginChunk: {
        const auto& begin = request.begin_chunk();
        if (!name_.empty()) return invalid_plan("the artifact {} is not complete", name_);
        if (begin.name().empty()) return invalid_plan("an artifact has no name");
        if (begin.total_bytes() > kArtifactMax)
          return Error(ErrorKind::kResourceExhausted,
                       fmt::format("the artifact {} is larger than {} MiB: write the rows to a "
                                   "table instead of sending them along",
                                   begin.name(), kArtifactMax >> 20));
        name_ = begin.name();
        bytes_wanted_ = begin.total_bytes();
        chunks_wanted_ = begin.num_chunks();
        chunks_ = 0;
        intact_ = true;
        data_.clear();
        return add_chunk(begin.initial_chunk());
      }
      case Request::kChunk:
        if (name_.empty()) return invalid_plan("a chunk belongs to no artifact");
        return add_chunk(request.chunk());
      default:
        return invalid_plan("AddArtifacts has no payload");
    }
  }
  static bool fits(const Request::ArtifactChunk& chunk) {
    return static_cast<int64_t>(crc32_of(chunk.data())) == chunk.crc();
  }
  Result<void> add_chunk(const Request::ArtifactChunk& chunk) {
    intact_ = intact_ && fits(chunk);
    data_ += chunk.data();
    if (static_cast<int64_t>(data_.size()) > bytes_wanted_)
      return invalid_plan("the artifact {} is longer than the {} bytes announced", name_,
                          bytes_wanted_);
    if (++chunks_ < chunks_wanted_) return {};
    const std::string name = std::move(name_);
    name_.clear();
    if (static_cast<int64_t>(data_.size()) != bytes_wanted_)
      return invalid_plan("the artifact {} has {} bytes, {} were announced", name, data_.size(),
                          bytes_wanted_);
    return keep(name, std::move(data_), intact_);
  }
  // The client sends what was damaged on its way again.
  Result<void> keep(const std::string& name, std::string data, bool intact) {
    if (intact) {
      if (auto* workers = dynamic_cast<python::FileTaker*>(session_->functions()))
        WEIR_TRY(workers->add_file(name, data));
      WEIR_TRY(session_->artifacts().add(name, std::move(data)));
    }
    auto& summary = *response_.add_artifacts();
    summary.set_name(name);
    summary.set_is_crc_successful(intact);
    return {};
  }

  Service& service_;
  const CallPtr call_;
  ClientSessionPtr session_;
  spark::connect::AddArtifactsResponse response_;
  bool failed_ = false;
  std::string name_;
  std::string data_;
  int64_t bytes_wanted_ = 0;
  int64_t chunks_wanted_ = 0;
  int64_t chunks_ = 0;
  bool intact_ = true;
};

Service::Service(SessionMaker make, base::Clock& clock, base::Random& random,
                 ServiceOptions options)
    : clock_(clock),
      random_(random),
      options_(std::move(options)),
      sessions_(std::move(make), clock, random),
      executions_(options_.executions_max, kWaitingMax),
      waits_(kWaitsMax, kWaitingMax),
      analyses_(kCallThreads, kWaitingMax),
      calls_(kCallThreads, kWaitingMax),
      janitor_([this](std::stop_token stop) {
        while (clock_.sleep_for_us(kJanitorUs, stop))
          sessions_.expire(options_.session_idle_us, options_.operation_detached_us);
      }) {
  // What cannot be parsed is told to the client; protobuf would write it to standard error too.
  google::protobuf::SetLogHandler(nullptr);
}

Service::~Service() { stop(); }

void Service::stop() { sessions_.close_all(); }

Service::Unary Service::unary(const std::string& method) const {
  if (method == "AnalyzePlan") return &Service::analyze_plan;
  if (method == "Config") return &Service::config;
  if (method == "ArtifactStatus") return &Service::artifact_status;
  if (method == "Interrupt") return &Service::interrupt;
  if (method == "ReleaseExecute") return &Service::release_execute;
  if (method == "ReleaseSession") return &Service::release_session;
  if (method == "FetchErrorDetails") return &Service::fetch_error_details;
  if (method == "CloneSession") return &Service::clone_session;
  if (method == "GetStatus") return &Service::get_status;
  return nullptr;
}

std::shared_ptr<CallHandler> Service::begin(const CallPtr& call) {
  const std::string& method = call->method();
  if (const Unary answer = unary(method))
    return std::make_shared<UnaryHandler>(*this, takes_long(method) ? analyses_ : calls_, call,
                                          answer);
  if (method == "ExecutePlan" || method == "ReattachExecute")
    return std::make_shared<ExecuteHandler>(*this, call);
  if (method == "AddArtifacts") return std::make_shared<ArtifactsHandler>(*this, call);
  return nullptr;
}

void ExecuteHandler::answer(const std::string& request) {
  ClientSessionPtr session;
  const bool anew = call_->method() == "ExecutePlan";
  std::optional<std::string> after;
  auto found =
      anew ? service_.start(request, call_, session) : service_.reattach(request, call_, session);
  if (!found.ok()) return call_->finish(status_of(found.error(), session));
  const OperationPtr operation = std::move(found).value();
  set_operation(operation);
  if (!anew) {
    spark::connect::ReattachExecuteRequest message;
    if (parse_message(request, message).ok() && message.has_last_response_id())
      after = message.last_response_id();
  }
  if (const auto attached = operation->attach(call_, after); !attached.ok())
    return call_->finish(status_of(attached.error(), session));
  const std::scoped_lock lock(mutex_);
  if (closed_) operation->detach(call_.get());
}

Result<OperationPtr> Service::start(const std::string& request, const CallPtr&,
                                    ClientSessionPtr& session) {
  auto message = std::make_shared<ExecutePlanRequest>();
  WEIR_TRY(parse_message(request, *message));
  WEIR_ASSIGN(session, sessions_.open(message->user_context().user_id(), message->session_id(),
                                      message->client_observed_server_side_session_id()));
  bool reattachable = false;
  ExecutionOptions options;
  options.local_url = options_.local_url;
  for (const auto& option : message->request_options()) {
    if (option.has_reattach_options()) reattachable = option.reattach_options().reattachable();
    if (option.has_result_chunking_options() &&
        option.result_chunking_options().allow_arrow_batch_chunking()) {
      const auto& chunking = option.result_chunking_options();
      options.chunk_bytes = kChunkBytes;
      if (chunking.has_preferred_arrow_chunk_size())
        options.chunk_bytes =
            std::clamp<int64_t>(chunking.preferred_arrow_chunk_size(), 1024, kChunkBytes);
    }
  }
  const std::string id = message->has_operation_id() && !message->operation_id().empty()
                             ? message->operation_id()
                             : base::uuid(random_);
  WEIR_ASSIGN(
      auto operation,
      session->add_operation(id, {message->tags().begin(), message->tags().end()}, reattachable));
  if (message->plan().has_root() && !message->plan().root().has_catalog()) {
    operation->answer_interrupts([from = std::weak_ptr(session)] {
      const Error cancelled(ErrorKind::kCancelled, "Operation has been canceled.");
      const auto asked = from.lock();
      return asked ? asked->errors().status(cancelled) : plain_status(cancelled);
    });
  }
  // Closed meanwhile: nobody would end it any more.
  if (const auto open = sessions_.find(session->user(), session->id(), session->server_side_id());
      !open.ok()) {
    session->remove_operation(id);
    return open.error();
  }
  auto& workers = waits_for_queries(message->plan()) ? waits_ : executions_;
  const bool posted = workers.post([this, session, operation, message, options] {
    Execution execution(*session, *operation, random_, options);
    const auto done = execution.run(message->plan());
    message->Clear();
    session->touch();
    operation->finish(done.ok() ? CallStatus{} : session->errors().status(done.error()));
    if (!operation->reattachable()) session->remove_operation(operation->names().operation_id);
  });
  if (!posted) {
    session->remove_operation(id);
    return Error(ErrorKind::kResourceExhausted, "too many queries wait: try again later");
  }
  return operation;
}

Result<OperationPtr> Service::reattach(const std::string& request, const CallPtr&,
                                       ClientSessionPtr& session) {
  spark::connect::ReattachExecuteRequest message;
  WEIR_TRY(parse_message(request, message));
  WEIR_ASSIGN(session, sessions_.find(message.user_context().user_id(), message.session_id(),
                                      message.client_observed_server_side_session_id()));
  auto operation = session->operation(message.operation_id());
  if (!operation) {
    return Error(ErrorKind::kNotFound,
                 fmt::format("The handle {} is invalid. Operation not found. SQLSTATE: HY000",
                             message.operation_id()))
        .with_class("INVALID_HANDLE.OPERATION_NOT_FOUND")
        .with_sql_state("HY000")
        .with_parameter("handle", message.operation_id());
  }
  if (!operation->reattachable()) {
    return Error(ErrorKind::kInvalidArgument, "The cursor is not reattachable. SQLSTATE: HY109")
        .with_class("INVALID_CURSOR.NOT_REATTACHABLE")
        .with_sql_state("HY109");
  }
  return operation;
}

}  // namespace weir::connect
