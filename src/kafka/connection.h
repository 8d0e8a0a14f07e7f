// One connection to one broker: TCP or TLS, logged in, its versions known.
//
// call() is question and answer. send() and receive() are the halves of it for pipelining: answers
// come in the order of the questions, which the connection remembers. After any error the
// connection is of no further use. Used by one thread at a time, except for shutdown().
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/stream_socket.h"
#include "kafka/client_options.h"
#include "kafka/padded_buffer.h"
#include "kafka/protocol.h"

namespace weir::kafka {

// What connections need and share: options, and the TLS context made of them.
struct ConnectionSettings {
  ConnectionOptions options;
  std::shared_ptr<io::TlsContext> tls;    // null without TLS
  std::shared_ptr<io::WakeEvent> cancel;  // set: whatever waits for a broker ends with kCancelled

  static base::Result<ConnectionSettings> make(ConnectionOptions options);
};

class Connection {
 public:
  static base::Result<std::unique_ptr<Connection>> open(const HostPort& broker,
                                                        const ConnectionSettings& settings);

  // The version to use: the highest that both sides have. kUnsupported where there is none.
  base::Result<int16_t> version_of(ApiKey key) const;

  template <typename Response, typename Request>
  base::Result<Response> call(const Request& request, int64_t timeout_ms) {
    WEIR_ASSIGN(int16_t version, version_of(Request::kApiKey));
    return call_version<Response>(request, version, timeout_ms);
  }

  // Sends a request. send_body sends one that is encoded already, in parts, so that record batches
  // needn't be copied; `answered` is false for Produce with acks=0.
  template <typename Request>
  base::Result<void> send(const Request& request, int16_t version) {
    Writer body;
    request.encode(body, version);
    return send_body(Request::kApiKey, version, {{body.buffer()}}, true);
  }
  base::Result<void> send_body(ApiKey key, int16_t version,
                               const std::vector<std::string_view>& parts, bool answered);

  struct Answer {
    ApiKey key{};
    int16_t version = 0;
    size_t body_at = 0;  // where the body begins in the buffer
  };
  // Reads the next answer into `buffer` (which grows as needed and keeps its memory).
  base::Result<Answer> receive(PaddedBuffer& buffer, int64_t timeout_ms);

  size_t in_flight() const { return waiting_.size(); }
  io::StreamSocket& socket() { return *socket_; }
  void shutdown() { socket_->shutdown(); }
  const std::string& peer() const { return socket_->peer(); }

 private:
  struct Waiting {
    ApiKey key;
    int16_t version;
    int32_t correlation_id;
  };
  Connection(std::unique_ptr<io::StreamSocket> socket, const ConnectionOptions& options)
      : socket_(std::move(socket)),
        client_id_(options.client_id),
        request_timeout_ms_(options.request_timeout_ms) {}

  base::Result<void> learn_versions();
  base::Result<void> log_in(const ConnectionOptions& options);

  template <typename Response, typename Request>
  base::Result<Response> call_version(const Request& request, int16_t version, int64_t timeout_ms) {
    WEIR_TRY(send(request, version));
    PaddedBuffer buffer;
    WEIR_ASSIGN(Answer answer, receive(buffer, timeout_ms));
    Reader reader(buffer.view().substr(answer.body_at));
    return Response::decode(reader, version);
  }

  std::unique_ptr<io::StreamSocket> socket_;
  std::string client_id_;
  int request_timeout_ms_;
  std::vector<ApiVersionRange> versions_;
  std::deque<Waiting> waiting_;
  int32_t next_correlation_id_ = 1;
};

}  // namespace weir::kafka
