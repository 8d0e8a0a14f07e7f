#include "io/stream_socket.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace weir::io {

namespace {

using base::ErrorKind;
using base::Result;

base::Error socket_error(std::string_view what, const std::string& peer, int code) {
  return base::error(ErrorKind::kUnavailable, "{} {}: {}", what, peer, std::strerror(code))
      .as_retryable();
}

base::Error timed_out(std::string_view what, const std::string& peer, int64_t timeout_ms) {
  return base::error(ErrorKind::kTimeout, "{} {}: no progress in {} ms", what, peer, timeout_ms)
      .as_retryable();
}

// poll() that goes on after signals. 1: ready, 0: time over, -1: error.
int poll_until(std::span<pollfd> descriptors, int64_t timeout_ms) {
  using Steady = std::chrono::steady_clock;
  auto deadline = Steady::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    int64_t left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Steady::now()).count();
    int ready =
        ::poll(descriptors.data(), descriptors.size(), static_cast<int>(left < 0 ? 0 : left));
    if (ready >= 0 || errno != EINTR) return ready;
  }
}

using Cancel = std::shared_ptr<const WakeEvent>;

// 1: ready, 0: time over, -1: error, kCancelledWait: the event was set.
constexpr int kCancelledWait = -2;
int poll_or_cancel(int descriptor, short events, const Cancel& cancel, int64_t timeout_ms) {
  pollfd entries[2] = {{descriptor, events, 0}, {cancel ? cancel->descriptor() : -1, POLLIN, 0}};
  const int ready = poll_until(entries, timeout_ms);
  return ready > 0 && entries[1].revents != 0 ? kCancelledWait : ready;
}

base::Error cancelled(std::string_view what, const std::string& peer) {
  return base::error(ErrorKind::kCancelled, "{} {}: stopped", what, peer);
}

class TcpStream final : public StreamSocket {
 public:
  TcpStream(int descriptor, std::string peer, Cancel cancel)
      : descriptor_(descriptor), peer_(std::move(peer)), cancel_(std::move(cancel)) {}
  ~TcpStream() override { ::close(descriptor_); }

  Result<size_t> read_some(char* into, size_t size, int64_t timeout_ms) override {
    while (true) {
      ssize_t got = ::recv(descriptor_, into, size, 0);
      if (got > 0) return static_cast<size_t>(got);
      if (got == 0)
        return base::error(ErrorKind::kUnavailable, "{} closed the connection", peer_)
            .as_retryable();
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return socket_error("read from", peer_, errno);
      WEIR_TRY(wait(POLLIN, "read from", timeout_ms));
    }
  }

  // Waits until a good deal is there before each read, so that a large answer takes few wake-ups.
  Result<void> read_all(char* into, size_t size, int64_t timeout_ms) override {
    constexpr size_t kWorthWaiting = 64 << 10;
    constexpr size_t kMostWaiting = 512 << 10;
    size_t marked = 1;
    Result<void> read = base::ok();
    while (size > 0 && read.ok()) {
      const size_t mark = size < kWorthWaiting ? 1 : std::min(size, kMostWaiting);
      if (mark != marked) set_low_mark(static_cast<int>(marked = mark));
      auto got = read_some(into, size, timeout_ms);
      if (got.ok()) {
        into += *got;
        size -= *got;
      } else {
        read = std::move(got).error();
      }
    }
    if (marked != 1) set_low_mark(1);
    return read;
  }

  Result<void> write_all(std::span<const std::string_view> parts, int64_t timeout_ms) override {
    std::vector<iovec> pieces;
    for (std::string_view part : parts) {
      if (!part.empty()) pieces.push_back({const_cast<char*>(part.data()), part.size()});
    }
    size_t first = 0;
    while (first < pieces.size()) {
      msghdr message{};
      message.msg_iov = pieces.data() + first;
      message.msg_iovlen = std::min<size_t>(pieces.size() - first, 64);
      ssize_t written = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
      if (written < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return socket_error("write to", peer_, errno);
        WEIR_TRY(wait(POLLOUT, "write to", timeout_ms));
        continue;
      }
      for (size_t left = static_cast<size_t>(written); left > 0;) {
        size_t taken = std::min(left, pieces[first].iov_len);
        pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + taken;
        pieces[first].iov_len -= taken;
        left -= taken;
        if (pieces[first].iov_len == 0) ++first;
      }
    }
    return base::ok();
  }

  Result<void> wait(short events, std::string_view what, int64_t timeout_ms) override {
    const int ready = poll_or_cancel(descriptor_, events, cancel_, timeout_ms);
    if (ready == kCancelledWait) return cancelled(what, peer_);
    if (ready < 0) return socket_error(what, peer_, errno);
    if (ready == 0) return timed_out(what, peer_, timeout_ms);
    return base::ok();
  }

  int descriptor() const override { return descriptor_; }
  void shutdown() override { ::shutdown(descriptor_, SHUT_RDWR); }
  const std::string& peer() const override { return peer_; }

 private:
  void set_low_mark(int bytes) {
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
  }

  int descriptor_;
  std::string peer_;
  Cancel cancel_;
};

// Connects to one address; the descriptor, or an errno below zero.
int connect_address(const addrinfo& address, const TcpOptions& options) {
  int descriptor = ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            address.ai_protocol);
  if (descriptor < 0) return -errno;
  int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  // Before connect, so that the window's scale can follow.
  if (options.receive_buffer_bytes > 0) {
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof(int));
  }
  if (options.send_buffer_bytes > 0)
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &options.send_buffer_bytes, sizeof(int));
  int code = ::connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (code == EINPROGRESS) {
    const int ready =
        poll_or_cancel(descriptor, POLLOUT, options.cancel, options.connect_timeout_ms);
    socklen_t size = sizeof(code);
    if (ready == kCancelledWait) {
      code = ECANCELED;
    } else if (ready == 0) {
      code = ETIMEDOUT;
    } else if (ready < 0 || ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0) {
      code = errno;
    }
  }
  if (code == 0) return descriptor;
  ::close(descriptor);
  return -code;
}

}  // namespace

Result<void> StreamSocket::read_all(char* into, size_t size, int64_t timeout_ms) {
  while (size > 0) {
    WEIR_ASSIGN(size_t got, read_some(into, size, timeout_ms));
    into += got;
    size -= got;
  }
  return base::ok();
}

Result<std::unique_ptr<StreamSocket>> connect_tcp(const std::string& host, int port,
                                                  const TcpOptions& options) {
  std::string peer = fmt::format("{}:{}", host, port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0) {
    return base::error(ErrorKind::kUnavailable, "can't resolve {}: {}", peer, ::gai_strerror(code))
        .as_retryable();
  }
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int last = -EHOSTUNREACH;
  for (const addrinfo* address = found; address; address = address->ai_next) {
    last = connect_address(*address, options);
    if (last >= 0)
      return std::unique_ptr<StreamSocket>(std::make_unique<TcpStream>(last, peer, options.cancel));
    if (last == -ECANCELED) return cancelled("connect to", peer);
  }
  if (last == -ETIMEDOUT) return timed_out("connect to", peer, options.connect_timeout_ms);
  return socket_error("connect to", peer, -last);
}

WakeEvent::WakeEvent() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  WEIR_CHECK(descriptor_ >= 0, "no descriptor left for an event");
}

WakeEvent::~WakeEvent() { ::close(descriptor_); }

void WakeEvent::set() {
  uint64_t one = 1;
  // Fails only where the counter is full, and then the event is set already.
  [[maybe_unused]] ssize_t written = ::write(descriptor_, &one, sizeof(one));
}

void WakeEvent::clear() {
  uint64_t count = 0;
  [[maybe_unused]] ssize_t got = ::read(descriptor_, &count, sizeof(count));
}

Result<int> wait_readable(std::span<const int> descriptors, int64_t timeout_ms) {
  std::vector<pollfd> entries;
  for (int descriptor : descriptors)
    entries.push_back({descriptor, POLLIN, 0});
  int ready = poll_until(entries, timeout_ms);
  if (ready < 0) return base::error(ErrorKind::kIo, "poll: {}", std::strerror(errno));
  for (size_t i = 0; i < entries.size() && ready > 0; ++i) {
    if (entries[i].revents != 0) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace weir::io
