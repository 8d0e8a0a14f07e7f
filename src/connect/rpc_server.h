// gRPC's generic server: calls by method name, messages as bytes.
//
// Messages are parsed by whoever answers the call, so that limits (nesting, size) are ours, and a
// large answer can share its bytes with Arrow's buffers. Callbacks of a call come one after the
// other from gRPC's threads and must not block; Call's functions may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace arrow {
class Buffer;
}

namespace weir::connect {

using base::Result;

// One message to a client: bytes, and bytes of Arrow's that follow them without a copy.
struct Message {
  std::string head;
  std::shared_ptr<arrow::Buffer> body = nullptr;

  int64_t bytes() const;
};

// How a call ends. `details` is a serialized google.rpc.Status.
struct CallStatus {
  int code = 0;  // gRPC's; 0: OK
  std::string message;
  std::string details;
};

class Call {
 public:
  virtual ~Call() = default;
  virtual const std::string& method() const = 0;  // "ExecutePlan"
  // Sends a message; CallHandler::on_written follows. At most one at a time.
  virtual void write(Message message) = 0;
  virtual void finish(CallStatus status) = 0;
  // A last message and OK.
  void answer(Message message);
  // True once the client is gone or the call is finished; write and finish then do nothing.
  virtual bool closed() const = 0;

 protected:
  virtual void write_and_finish(Message message) = 0;
};
using CallPtr = std::shared_ptr<Call>;

// Answers one call. Kept until on_closed has returned.
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  virtual void on_message(std::string bytes) = 0;
  virtual void on_half_close() {}  // the client has sent all its messages
  virtual void on_written(bool ok) { (void)ok; }
  virtual void on_closed() {}  // the last callback
};

struct RpcServerOptions {
  std::string listen = "127.0.0.1:15002";
  std::string certificate_pem;  // TLS where not empty
  std::string key_pem;
  std::string token;  // clients have to send "authorization: Bearer <token>" where not empty
  int64_t message_bytes_max = 128 << 20;
};

class RpcServer {
 public:
  // Makes the handler of a call; null: UNIMPLEMENTED. May be called from several threads.
  using Begin = std::function<std::shared_ptr<CallHandler>(const CallPtr& call)>;
  static Result<std::unique_ptr<RpcServer>> start(const RpcServerOptions& options, Begin begin);
  ~RpcServer();

  int port() const;
  // No new calls; those that run are cancelled after the grace.
  void stop(int64_t grace_ms);

 private:
  struct State;
  explicit RpcServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Calls to a server, for tests and `weir sql --remote`: full method name, request bytes. A failed
// call gives an error with the status message, and the status's details where asked for.
struct RpcClientOptions {
  std::string target;           // HOST:PORT
  bool tls = false;             // by the system's root certificates, or:
  std::string certificate_pem;  // root certificates; TLS where not empty
  std::string authority;  // the name in the server's certificate, where it is not the target's
  std::string token;
  std::vector<std::pair<std::string, std::string>> headers = {};
  int64_t timeout_ms = 10'000;
};
Result<std::string> call_unary(const RpcClientOptions& options, const std::string& method,
                               const std::string& request, std::string* details = nullptr);
// One request, many answers, without a time limit. When `stop` is asked for, `interrupt` is called
// once, from another thread; a stream that then goes on for kInterruptedMs is cut off. An error of
// `take` cuts it off too.
inline constexpr int64_t kInterruptedMs = 3000;
Result<void> call_stream(const RpcClientOptions& options, const std::string& method,
                         const std::string& request,
                         const std::function<Result<void>(const std::string&)>& take,
                         std::stop_token stop, const std::function<void()>& interrupt,
                         std::string* details = nullptr);

}  // namespace weir::connect
