// A connected byte stream: TCP, and TLS over it.
//
// Blocking calls with a time limit. One thread uses a socket at a time, except for shutdown(),
// which any thread may call to wake the one that waits. Errors: kUnavailable where the other side
// is gone or never was there (retryable), kTimeout, kPermissionDenied where TLS can't trust the
// other side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::io {

class StreamSocket {
 public:
  virtual ~StreamSocket() = default;
  // Reads what is there, at least one byte; kUnavailable at the end of the stream.
  virtual base::Result<size_t> read_some(char* into, size_t size, int64_t timeout_ms) = 0;
  // Reads exactly `size` bytes; the limit holds for each wait, not for the whole.
  virtual base::Result<void> read_all(char* into, size_t size, int64_t timeout_ms);
  // Writes all parts, one after the other.
  virtual base::Result<void> write_all(std::span<const std::string_view> parts,
                                       int64_t timeout_ms) = 0;
  base::Result<void> write_all(std::string_view bytes, int64_t timeout_ms) {
    return write_all(std::span(&bytes, 1), timeout_ms);
  }
  // True where read_some would not wait although the descriptor may not be readable (TLS keeps
  // bytes back).
  virtual bool has_buffered() const { return false; }
  // Waits for POLLIN or POLLOUT; `what` is being done, for the error.
  virtual base::Result<void> wait(short events, std::string_view what, int64_t timeout_ms) = 0;
  // For poll(); -1 never.
  virtual int descriptor() const = 0;
  virtual void shutdown() = 0;
  // Whom we talk to, for messages: "host:port".
  virtual const std::string& peer() const = 0;
};

class WakeEvent;

struct TcpOptions {
  int receive_buffer_bytes = -1;  // -1: the system's
  int send_buffer_bytes = -1;
  int64_t connect_timeout_ms = 10000;
  // Once set, every wait of the connection ends at once with kCancelled; never cleared. May be
  // null.
  std::shared_ptr<const WakeEvent> cancel;
};

base::Result<std::unique_ptr<StreamSocket>> connect_tcp(const std::string& host, int port,
                                                        const TcpOptions& options);

struct TlsOptions {
  std::string ca_file;  // PEM; empty and no ca_pem: the system's store
  std::string ca_pem;
  bool verify_certificate = true;
  bool verify_hostname = true;
  bool tls_1_2 = true;  // which versions may be spoken, at least one
  bool tls_1_3 = true;
  std::string certificate_file;  // our own, PEM chain; empty: none
  std::string key_file;
  std::string key_password;
};

// What a program needs once for its TLS connections: trust and our own certificate. Shareable.
class TlsContext {
 public:
  static base::Result<std::shared_ptr<TlsContext>> make(const TlsOptions& options);
  virtual ~TlsContext() = default;
  // Shakes hands over `plain`, naming `host` (SNI) and checking the certificate against it.
  virtual base::Result<std::unique_ptr<StreamSocket>> connect(std::unique_ptr<StreamSocket> plain,
                                                              const std::string& host,
                                                              int64_t timeout_ms) = 0;
};

// Wakes a thread that waits in wait_readable on its descriptor. set() may come from any thread.
class WakeEvent {
 public:
  WakeEvent();
  ~WakeEvent();
  WakeEvent(const WakeEvent&) = delete;
  WakeEvent& operator=(const WakeEvent&) = delete;
  void set();
  void clear();
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// Waits until one of `descriptors` is readable or the time is over; index, or -1 at the time limit.
base::Result<int> wait_readable(std::span<const int> descriptors, int64_t timeout_ms);

}  // namespace weir::io
