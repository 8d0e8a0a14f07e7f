#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <poll.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "io/stream_socket.h"

namespace weir::io {

namespace {

using base::ErrorKind;
using base::Result;

// The oldest entry of OpenSSL's error queue, and the queue emptied.
std::string openssl_reason() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : fmt::format("OpenSSL error {:x}", code);
}

struct SslDelete {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

// OpenSSL writes with write(2), which raises SIGPIPE where the other side is gone. It is kept from
// the thread for the time of the call, and taken back where it came.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    timespec none{};
    while (sigtimedwait(&pipe_, nullptr, &none) == -1 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

class TlsStream final : public StreamSocket {
 public:
  TlsStream(std::unique_ptr<StreamSocket> plain, std::unique_ptr<SSL, SslDelete> ssl)
      : plain_(std::move(plain)), ssl_(std::move(ssl)) {}

  Result<void> handshake(int64_t timeout_ms) {
    return drive(
        "TLS handshake with", timeout_ms, [this] { return SSL_connect(ssl_.get()); }, true);
  }

  Result<size_t> read_some(char* into, size_t size, int64_t timeout_ms) override {
    int want = static_cast<int>(std::min<size_t>(size, INT_MAX));
    int got = 0;
    WEIR_TRY(
        drive("read from", timeout_ms, [&] { return got = SSL_read(ssl_.get(), into, want); }));
    return static_cast<size_t>(got);
  }

  Result<void> write_all(std::span<const std::string_view> parts, int64_t timeout_ms) override {
    for (std::string_view part : parts) {
      while (!part.empty()) {
        int want = static_cast<int>(std::min<size_t>(part.size(), INT_MAX));
        int written = 0;
        WEIR_TRY(drive("write to", timeout_ms,
                       [&] { return written = SSL_write(ssl_.get(), part.data(), want); }));
        part.remove_prefix(static_cast<size_t>(written));
      }
    }
    return base::ok();
  }

  // Also what was read ahead of the record at hand: the descriptor won't tell of it any more.
  bool has_buffered() const override { return SSL_has_pending(ssl_.get()) == 1; }
  int descriptor() const override { return plain_->descriptor(); }
  void shutdown() override { plain_->shutdown(); }
  const std::string& peer() const override { return plain_->peer(); }
  Result<void> wait(short events, std::string_view what, int64_t timeout_ms) override {
    return plain_->wait(events, what, timeout_ms);
  }

 private:
  template <typename Step>
  Result<void> drive(std::string_view what, int64_t timeout_ms, Step step, bool handshake = false) {
    NoSigpipe guard;
    while (true) {
      ERR_clear_error();
      int code = step();
      if (code > 0) return base::ok();
      int why = SSL_get_error(ssl_.get(), code);
      if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        WEIR_TRY(wait(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, what, timeout_ms));
        continue;
      }
      return failure(what, why, handshake);
    }
  }

  base::Error failure(std::string_view what, int why, bool handshake) {
    long verified = SSL_get_verify_result(ssl_.get());
    if (why == SSL_ERROR_SSL && verified != X509_V_OK &&
        SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) {
      return base::error(ErrorKind::kPermissionDenied, "{} {}: its certificate is not trusted: {}",
                         what, peer(), X509_verify_cert_error_string(verified));
    }
    if (why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL) {
      return base::error(ErrorKind::kUnavailable, "{} {}: the connection was closed", what, peer())
          .as_retryable();
    }
    base::Error error =
        base::error(ErrorKind::kUnavailable, "{} {}: {}", what, peer(), openssl_reason());
    // Versions, ciphers or certificates that don't agree won't the next time either.
    return handshake ? error : std::move(error).as_retryable();
  }

  std::unique_ptr<StreamSocket> plain_;
  std::unique_ptr<SSL, SslDelete> ssl_;
};

class OpenSslContext final : public TlsContext {
 public:
  OpenSslContext(std::unique_ptr<SSL_CTX, SslDelete> context, const TlsOptions& options)
      : context_(std::move(context)),
        verify_hostname_(options.verify_certificate && options.verify_hostname) {}

  Result<std::unique_ptr<StreamSocket>> connect(std::unique_ptr<StreamSocket> plain,
                                                const std::string& host,
                                                int64_t timeout_ms) override {
    std::unique_ptr<SSL, SslDelete> ssl(SSL_new(context_.get()));
    if (!ssl || SSL_set_fd(ssl.get(), plain->descriptor()) != 1) {
      return base::error(ErrorKind::kInternal, "TLS with {}: {}", plain->peer(), openssl_reason());
    }
    in6_addr address{};
    bool is_address = inet_pton(AF_INET, host.c_str(), &address) == 1 ||
                      inet_pton(AF_INET6, host.c_str(), &address) == 1;
    if (!is_address) SSL_set_tlsext_host_name(ssl.get(), host.c_str());
    if (verify_hostname_) {
      X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl.get());
      int set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str())
                           : X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
      if (set != 1)
        return base::error(ErrorKind::kInvalidArgument,
                           "TLS: \"{}\" can't be checked as a host name", host);
    }
    auto stream = std::make_unique<TlsStream>(std::move(plain), std::move(ssl));
    WEIR_TRY(stream->handshake(timeout_ms));
    return std::unique_ptr<StreamSocket>(std::move(stream));
  }

 private:
  std::unique_ptr<SSL_CTX, SslDelete> context_;
  bool verify_hostname_;
};

Result<void> add_authorities(SSL_CTX* context, const std::string& pem) {
  std::unique_ptr<BIO, SslDelete> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (bio) {
    std::unique_ptr<X509, SslDelete> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    if (X509_STORE_add_cert(store, certificate.get()) == 1) ++count;
  }
  ERR_clear_error();
  if (count == 0)
    return base::error(ErrorKind::kInvalidArgument,
                       "TLS: no PEM certificate in the trusted certificates given");
  return base::ok();
}

Result<void> set_trust(SSL_CTX* context, const TlsOptions& options) {
  SSL_CTX_set_verify(context, options.verify_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     nullptr);
  if (!options.ca_pem.empty()) WEIR_TRY(add_authorities(context, options.ca_pem));
  if (!options.ca_file.empty() &&
      SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1) {
    return base::error(ErrorKind::kInvalidArgument, "TLS: can't read PEM certificates from {}: {}",
                       options.ca_file, openssl_reason());
  }
  if (options.ca_pem.empty() && options.ca_file.empty()) SSL_CTX_set_default_verify_paths(context);
  return base::ok();
}

int give_password(char* buffer, int size, int, void* password) {
  const std::string& text = *static_cast<const std::string*>(password);
  int used = std::min<int>(size, static_cast<int>(text.size()));
  std::copy_n(text.data(), used, buffer);
  return used;
}

Result<void> set_own_certificate(SSL_CTX* context, const TlsOptions& options) {
  if (options.certificate_file.empty()) return base::ok();
  std::string password = options.key_password;
  SSL_CTX_set_default_passwd_cb(context, &give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, &password);
  const std::string& key = options.key_file.empty() ? options.certificate_file : options.key_file;
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    return base::error(ErrorKind::kInvalidArgument, "TLS: can't use the certificate {}: {}",
                       options.certificate_file, openssl_reason());
  }
  int used = SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  if (used != 1)
    return base::error(ErrorKind::kInvalidArgument, "TLS: can't use the key {}: {}", key,
                       openssl_reason());
  return base::ok();
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::make(const TlsOptions& options) {
  std::unique_ptr<SSL_CTX, SslDelete> context(SSL_CTX_new(TLS_client_method()));
  if (!context) return base::error(ErrorKind::kInternal, "TLS: {}", openssl_reason());
  if (!options.tls_1_2 && !options.tls_1_3)
    return base::error(ErrorKind::kInvalidArgument, "TLS: no version may be spoken");
  SSL_CTX_set_min_proto_version(context.get(), options.tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), options.tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  WEIR_TRY(set_trust(context.get(), options));
  WEIR_TRY(set_own_certificate(context.get(), options));
  return std::shared_ptr<TlsContext>(std::make_shared<OpenSslContext>(std::move(context), options));
}

}  // namespace weir::io
