#include "kafka/connection.h"

#include <algorithm>

#include <fmt/format.h>

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

// The largest answer that is believed. Brokers send more than fetch.max.bytes only for a first
// batch that is larger by itself, and those are bounded by message.max.bytes.
constexpr int32_t kAnswerBytesMax = 1 << 30;
// Memory follows what has arrived: a buffer grows by at most this much ahead of it.
constexpr size_t kGrowthBytes = size_t{64} << 20;

// What to do about a TLS handshake that failed.
base::Error explain_tls(base::Error why) {
  const char* hint = nullptr;
  if (why.kind() == ErrorKind::kPermissionDenied) {
    hint =
        "ssl.truststore.location names the authorities that are trusted, and the host has to be "
        "named as in its certificate";
  } else if (why.kind() == ErrorKind::kUnavailable) {
    hint = "does it speak TLS on this port, and a version that ssl.enabled.protocols allows?";
  }
  if (!hint) return why;
  base::Error told = base::error(why.kind(), "{}; {}", why.message(), hint);
  return why.retryable() ? std::move(told).as_retryable() : told;
}

// A broker that expects TLS, or none, closes a connection at its first bytes.
base::Error explain_first_answer(base::Error why) {
  if (why.kind() != ErrorKind::kUnavailable || !why.retryable()) return why;
  return base::error(why.kind(),
                     "{} before its first answer; if that goes on, is security.protocol what it "
                     "has on this port (TLS or not)?",
                     why.message())
      .as_retryable();
}

}  // namespace

Result<ConnectionSettings> ConnectionSettings::make(ConnectionOptions options) {
  ConnectionSettings settings;
  if (options.tls) {
    io::TlsOptions tls;
    tls.ca_file = options.ca_file;
    tls.ca_pem = options.ca_pem;
    tls.verify_certificate = options.verify_certificate;
    tls.verify_hostname = options.verify_hostname;
    tls.tls_1_2 = options.tls_1_2;
    tls.tls_1_3 = options.tls_1_3;
    tls.certificate_file = options.certificate_file;
    tls.key_file = options.key_file;
    tls.key_password = options.key_password;
    WEIR_ASSIGN(settings.tls, io::TlsContext::make(tls));
  }
  settings.options = std::move(options);
  return settings;
}

Result<std::unique_ptr<Connection>> Connection::open(const HostPort& broker,
                                                     const ConnectionSettings& settings) {
  const ConnectionOptions& options = settings.options;
  io::TcpOptions tcp{options.receive_buffer_bytes, options.send_buffer_bytes,
                     options.connect_timeout_ms, settings.cancel};
  WEIR_ASSIGN(std::unique_ptr<io::StreamSocket> socket,
              io::connect_tcp(broker.host, broker.port, tcp));
  if (settings.tls) {
    auto secured =
        settings.tls->connect(std::move(socket), broker.host, options.connect_timeout_ms);
    if (!secured.ok()) return explain_tls(std::move(secured).error());
    socket = std::move(secured).value();
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(socket), options));
  auto learned = connection->learn_versions();
  if (!learned.ok()) return explain_first_answer(std::move(learned).error());
  if (options.sasl) WEIR_TRY(connection->log_in(options));
  return connection;
}

// Version 3 first. A broker that doesn't know it answers UNSUPPORTED_VERSION in the layout of
// version 0.
Result<void> Connection::learn_versions() {
  ApiVersionsRequest request{"weir", "1"};
  for (int16_t version : {int16_t{3}, int16_t{0}}) {
    WEIR_TRY(send(request, version));
    PaddedBuffer buffer;
    WEIR_ASSIGN(Answer answer, receive(buffer, request_timeout_ms_));
    std::string_view body = buffer.view().substr(answer.body_at);
    Reader reader(body);
    if (static_cast<ErrorCode>(Reader(body).int16()) == ErrorCode::kUnsupportedVersion &&
        version > 0)
      continue;
    WEIR_ASSIGN(ApiVersionsResponse response, ApiVersionsResponse::decode(reader, version));
    if (response.error != ErrorCode::kNone)
      return error_of(response.error, "ApiVersions of " + peer());
    versions_ = std::move(response.api_keys);
    return base::ok();
  }
  return base::error(ErrorKind::kUnsupported, "{} has no version of ApiVersions that weir knows",
                     peer());
}

Result<int16_t> Connection::version_of(ApiKey key) const {
  for (const ApiVersionRange& ours : api_versions()) {
    if (ours.key != key) continue;
    for (const ApiVersionRange& theirs : versions_) {
      if (theirs.key != key) continue;
      int16_t version = std::min(ours.max, theirs.max);
      if (version >= std::max(ours.min, theirs.min)) return version;
    }
  }
  return base::error(ErrorKind::kUnsupported, "{} speaks no version of {} that weir knows", peer(),
                     api_key_name(key));
}

Result<void> Connection::log_in(const ConnectionOptions& options) {
  // Handshake version 1: the login then travels in SaslAuthenticate. Brokers since Kafka 1.0 have
  // it.
  WEIR_ASSIGN(
      SaslHandshakeResponse handshake,
      call_version<SaslHandshakeResponse>(SaslHandshakeRequest{"PLAIN"}, 1, request_timeout_ms_));
  if (handshake.error != ErrorCode::kNone) {
    return error_of(handshake.error, "SASL PLAIN with " + peer(),
                    fmt::format("it offers {}", fmt::join(handshake.mechanisms, ", ")));
  }
  SaslAuthenticateRequest request;
  request.auth_bytes.append(1, '\0')
      .append(options.sasl_username)
      .append(1, '\0')
      .append(options.sasl_password);
  WEIR_ASSIGN(SaslAuthenticateResponse response,
              call<SaslAuthenticateResponse>(request, request_timeout_ms_));
  if (response.error != ErrorCode::kNone) {
    return error_of(response.error, "SASL login at " + peer(), response.error_message.value_or(""));
  }
  return base::ok();
}

Result<void> Connection::send_body(ApiKey key, int16_t version,
                                   const std::vector<std::string_view>& parts, bool answered) {
  RequestHeader header{key, version, next_correlation_id_, client_id_};
  next_correlation_id_ = (next_correlation_id_ + 1) & 0x7fffffff;
  Writer head;
  head.int32(0);
  header.encode(head);
  size_t size = head.size() - 4;
  for (std::string_view part : parts)
    size += part.size();
  head.patch_int32(0, static_cast<int32_t>(size));
  std::vector<std::string_view> all{head.buffer()};
  all.insert(all.end(), parts.begin(), parts.end());
  WEIR_TRY(socket_->write_all(all, request_timeout_ms_));
  if (answered) waiting_.push_back({key, version, header.correlation_id});
  return base::ok();
}

Result<Connection::Answer> Connection::receive(PaddedBuffer& buffer, int64_t timeout_ms) {
  WEIR_CHECK(!waiting_.empty(), "nothing was asked");
  char size_bytes[4];
  WEIR_TRY(socket_->read_all(size_bytes, sizeof(size_bytes), timeout_ms));
  int32_t size = load_big<int32_t>(size_bytes);
  if (size < 4 || size > kAnswerBytesMax) {
    return base::error(
        ErrorKind::kCorruption,
        "{} sent an answer of {} bytes; is it a Kafka broker, and is TLS set as it has it?", peer(),
        size);
  }
  buffer.set_size(0);
  for (size_t have = 0, want = static_cast<size_t>(size); have < want;) {
    size_t step = std::min(want, std::max(buffer.capacity(), have + kGrowthBytes));
    buffer.reserve(step);
    WEIR_TRY(socket_->read_all(buffer.data() + have, step - have, timeout_ms));
    have = step;
    buffer.set_size(have);
  }
  Waiting waiting = waiting_.front();
  waiting_.pop_front();
  Reader reader(buffer.view());
  WEIR_ASSIGN(int32_t correlation_id, decode_response_header(reader, waiting.key, waiting.version));
  if (correlation_id != waiting.correlation_id) {
    return base::error(ErrorKind::kCorruption, "{} answered request {} where {} was asked", peer(),
                       correlation_id, waiting.correlation_id);
  }
  return Answer{waiting.key, waiting.version, buffer.size() - reader.remaining()};
}

}  // namespace weir::kafka
