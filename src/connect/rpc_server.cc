#include "connect/rpc_server.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <arrow/buffer.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace weir::connect {

namespace {

using base::ErrorKind;

constexpr std::string_view kService = "/spark.connect.SparkConnectService/";

void release_buffer(void* holder) { delete static_cast<std::shared_ptr<arrow::Buffer>*>(holder); }
void release_text(void* holder) { delete static_cast<std::string*>(holder); }

grpc::ByteBuffer to_grpc(Message message) {
  std::vector<grpc::Slice> slices;
  auto* text = new std::string(std::move(message.head));
  slices.emplace_back(text->data(), text->size(), release_text, text);
  if (message.body && message.body->size() > 0) {
    auto* holder = new std::shared_ptr<arrow::Buffer>(std::move(message.body));
    // gRPC never writes to a slice that it was given.
    slices.emplace_back(const_cast<uint8_t*>((*holder)->data()),
                        static_cast<size_t>((*holder)->size()), release_buffer, holder);
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

std::string from_grpc(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return {};
  std::string bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

grpc::Status to_grpc(const CallStatus& status) {
  if (status.code == 0) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code), status.message, status.details};
}

class Reactor;

// What handlers hold of a call: outlives gRPC's reactor.
class GrpcCall final : public Call {
 public:
  GrpcCall(std::string method, Reactor* reactor) : method_(std::move(method)), reactor_(reactor) {}

  const std::string& method() const override { return method_; }
  void write(Message message) override;
  void finish(CallStatus status) override;
  bool closed() const override {
    const std::scoped_lock lock(mutex_);
    return reactor_ == nullptr || finished_;
  }
  void detach() {
    const std::scoped_lock lock(mutex_);
    reactor_ = nullptr;
  }

 protected:
  void write_and_finish(Message message) override;

 private:
  const std::string method_;
  mutable std::recursive_mutex mutex_;  // a callback may come before write() has returned
  Reactor* reactor_;
  bool finished_ = false;
};

class Reactor final : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(std::string method, const RpcServer::Begin& begin)
      : call_(std::make_shared<GrpcCall>(std::move(method), this)) {
    handler_ = begin(call_);
    if (!handler_) {
      call_->finish({grpc::StatusCode::UNIMPLEMENTED,
                     fmt::format("Method not found: {}", call_->method()),
                     {}});
      return;
    }
    StartRead(&request_);
  }
  // A call that is refused before it begins.
  explicit Reactor(CallStatus status) : call_(std::make_shared<GrpcCall>("", this)) {
    call_->finish(std::move(status));
  }

  void send(grpc::ByteBuffer buffer) {
    response_ = std::move(buffer);
    StartWrite(&response_);
  }
  void send_last(grpc::ByteBuffer buffer) {
    response_ = std::move(buffer);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      handler_->on_half_close();
      return;
    }
    std::string bytes = from_grpc(request_);
    request_.Clear();
    handler_->on_message(std::move(bytes));
    if (!call_->closed()) StartRead(&request_);
  }
  void OnWriteDone(bool ok) override {
    if (handler_) handler_->on_written(ok);
  }
  void OnCancel() override { call_->finish({grpc::StatusCode::CANCELLED, "cancelled", {}}); }
  void OnDone() override {
    call_->detach();
    if (handler_) handler_->on_closed();
    delete this;
  }

 private:
  std::shared_ptr<GrpcCall> call_;
  std::shared_ptr<CallHandler> handler_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

void GrpcCall::write(Message message) {
  const std::scoped_lock lock(mutex_);
  if (reactor_ == nullptr || finished_) return;
  reactor_->send(to_grpc(std::move(message)));
}

void GrpcCall::finish(CallStatus status) {
  const std::scoped_lock lock(mutex_);
  if (reactor_ == nullptr || finished_) return;
  finished_ = true;
  reactor_->Finish(to_grpc(status));
}

void GrpcCall::write_and_finish(Message message) {
  const std::scoped_lock lock(mutex_);
  if (reactor_ == nullptr || finished_) return;
  finished_ = true;
  reactor_->send_last(to_grpc(std::move(message)));
}

// Compares in a time that does not depend on where the texts differ.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < b.size(); ++i)
    difference |= static_cast<unsigned char>(b[i] ^ (i < a.size() ? a[i] : 0));
  return difference == 0;
}

class Service final : public grpc::CallbackGenericService {
 public:
  Service(RpcServer::Begin begin, std::string token)
      : begin_(std::move(begin)), token_(std::move(token)) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    if (!token_.empty()) {
      const auto& metadata = context->client_metadata();
      const auto found = metadata.find("authorization");
      if (found == metadata.end())
        return new Reactor(
            {grpc::StatusCode::UNAUTHENTICATED, "No authentication token provided", {}});
      const std::string_view value(found->second.data(), found->second.size());
      constexpr std::string_view kBearer = "Bearer ";
      if (!value.starts_with(kBearer) || !same_secret(value.substr(kBearer.size()), token_))
        return new Reactor({grpc::StatusCode::UNAUTHENTICATED, "Invalid authentication token", {}});
    }
    const std::string& path = context->method();
    if (!path.starts_with(kService))
      return new Reactor(
          {grpc::StatusCode::UNIMPLEMENTED, fmt::format("Method not found: {}", path), {}});
    return new Reactor(path.substr(kService.size()), begin_);
  }

 private:
  const RpcServer::Begin begin_;
  const std::string token_;
};

}  // namespace

int64_t Message::bytes() const {
  return static_cast<int64_t>(head.size()) + (body ? body->size() : 0);
}

void Call::answer(Message message) { write_and_finish(std::move(message)); }

namespace {

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

std::unique_ptr<BIO, FreeOpenSsl> reading(const std::string& pem) {
  return std::unique_ptr<BIO, FreeOpenSsl>(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// gRPC only says that the port did not open.
Result<void> check_identity(const std::string& certificate_pem, const std::string& key_pem) {
  const std::unique_ptr<X509, FreeOpenSsl> certificate(
      PEM_read_bio_X509(reading(certificate_pem).get(), nullptr, nullptr, nullptr));
  if (!certificate)
    return base::error(ErrorKind::kInvalidArgument, "the TLS certificate is no certificate in PEM");
  static char no_password[] = "";
  const std::unique_ptr<EVP_PKEY, FreeOpenSsl> key(
      PEM_read_bio_PrivateKey(reading(key_pem).get(), nullptr, nullptr, no_password));
  if (!key)
    return base::error(ErrorKind::kInvalidArgument,
                       "the TLS key is no private key in PEM without a password");
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return base::error(ErrorKind::kInvalidArgument,
                       "the TLS certificate is of another key than the one given");
  return {};
}

}  // namespace

struct RpcServer::State {
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

RpcServer::RpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
RpcServer::~RpcServer() { stop(0); }
int RpcServer::port() const { return state_->port; }

Result<std::unique_ptr<RpcServer>> RpcServer::start(const RpcServerOptions& options, Begin begin) {
  auto state = std::make_unique<State>();
  state->service = std::make_unique<Service>(std::move(begin), options.token);
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!options.certificate_pem.empty()) {
    WEIR_TRY(check_identity(options.certificate_pem, options.key_pem));
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({options.key_pem, options.certificate_pem});
    credentials = grpc::SslServerCredentials(tls);
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, credentials, &state->port);
  builder.RegisterCallbackGenericService(state->service.get());
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  builder.SetMaxSendMessageSize(-1);
  // A client whose machine is gone says nothing: it is asked, so that its call ends.
  constexpr int kAskMs = 60'000, kPatienceMs = 20'000;
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kAskMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPatienceMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Another process on the same port would take a part of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  state->server = builder.BuildAndStart();
  if (!state->server || state->port == 0) {
    return base::error(ErrorKind::kAlreadyExists,
                       "cannot listen on {}: the address is in use or not this machine's",
                       options.listen);
  }
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(state)));
}

void RpcServer::stop(int64_t grace_ms) {
  if (!state_->server) return;
  state_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(grace_ms));
  state_->server->Wait();
  state_->server.reset();
}

namespace {

std::shared_ptr<grpc::Channel> open_channel(const RpcClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  if (!options.authority.empty()) arguments.SetSslTargetNameOverride(options.authority);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (options.tls || !options.certificate_pem.empty()) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = options.certificate_pem;
    credentials = grpc::SslCredentials(tls);
  }
  return grpc::CreateCustomChannel(options.target, credentials, arguments);
}

void add_headers(const RpcClientOptions& options, grpc::ClientContext& context) {
  context.set_wait_for_ready(false);
  if (!options.token.empty()) context.AddMetadata("authorization", "Bearer " + options.token);
  for (const auto& [name, value] : options.headers)
    context.AddMetadata(name, value);
}

base::Error call_error(const RpcClientOptions& options, const grpc::Status& status,
                       std::string* details) {
  if (details != nullptr) *details = status.error_details();
  ErrorKind kind = ErrorKind::kUnavailable;
  if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED) kind = ErrorKind::kPermissionDenied;
  if (status.error_code() == grpc::StatusCode::CANCELLED) kind = ErrorKind::kCancelled;
  return base::error(kind, "{}: {}", options.target, status.error_message());
}

}  // namespace

Result<std::string> call_unary(const RpcClientOptions& options, const std::string& method,
                               const std::string& request, std::string* details) {
  grpc::GenericStub stub(open_channel(options));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(options.timeout_ms));
  add_headers(options, context);
  const grpc::ByteBuffer bytes = to_grpc(Message{request});
  grpc::CompletionQueue queue;
  auto call = stub.PrepareUnaryCall(&context, method, bytes, &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, &queue);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  if (!status.ok()) return call_error(options, status, details);
  return from_grpc(answer);
}

Result<void> call_stream(const RpcClientOptions& options, const std::string& method,
                         const std::string& request,
                         const std::function<Result<void>(const std::string&)>& take,
                         std::stop_token stop, const std::function<void()>& interrupt,
                         std::string* details) {
  grpc::GenericStub stub(open_channel(options));
  grpc::ClientContext context;
  add_headers(options, context);
  grpc::CompletionQueue queue;
  auto stream = stub.PrepareCall(&context, method, &queue);
  void* tag = nullptr;
  const auto step = [&] {  // one operation at a time is under way
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  // Asks the server to stop, then waits for the stream to end, but not for long.
  std::atomic<bool> ended = false;
  std::jthread watch([&](std::stop_token over) {
    std::mutex mutex;
    std::condition_variable_any changed;
    const std::stop_callback wake(stop, [&] {  // before the lock, so that it outlives it
      const std::scoped_lock held(mutex);
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, over, [&] { return stop.stop_requested(); });
    if (over.stop_requested()) return;
    interrupt();
    changed.wait_for(lock, over, std::chrono::milliseconds(kInterruptedMs), [] { return false; });
    if (!ended) context.TryCancel();
  });
  stream->StartCall(nullptr);
  bool open = step();
  if (open) {
    stream->WriteLast(to_grpc(Message{request}), grpc::WriteOptions(), nullptr);
    open = step();
  }
  Result<void> taken;
  while (open) {
    grpc::ByteBuffer answer;
    stream->Read(&answer, nullptr);
    open = step();
    if (!open) break;
    taken = take(from_grpc(answer));
    if (taken.ok()) continue;
    context.TryCancel();
    break;
  }
  grpc::Status status;
  stream->Finish(&status, nullptr);
  (void)step();
  ended = true;
  watch.request_stop();
  watch.join();
  queue.Shutdown();
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
  }
  if (!taken.ok()) return taken;
  if (!status.ok()) return call_error(options, status, details);
  return {};
}

}  // namespace weir::connect
