#include "python/state_desk.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/random.h"
#include "python/conversation.h"
#include "python/run_header.h"

namespace weir::python {

namespace {

using base::error;
using base::ErrorKind;

constexpr size_t kRequestMax = size_t{1} << 30;
constexpr size_t kReadAtOnce = 64 << 10;

base::Error refused(const char* what) {
  return error(ErrorKind::kIo, "a socket for the state of a Python worker: {}: {}", what,
               std::strerror(errno));
}

uint32_t big_endian(const char* bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

Result<std::unique_ptr<StateDesk>> StateDesk::open(int worker_pid, StateProtocol protocol) {
  std::unique_ptr<StateDesk> made(new StateDesk(worker_pid, std::move(protocol)));
  made->listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made->listener_ < 0) return refused("socket()");
  base::SystemRandom random;
  // Lower case: PySpark's worker reads the name so.
  made->address_ = std::string(1, '\0') + fmt::format("weir-state-{}-{:016x}{:016x}", ::getpid(),
                                                      random.next(), random.next());
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, made->address_.data(), made->address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + made->address_.size());
  if (::bind(made->listener_, reinterpret_cast<const sockaddr*>(&name), size) != 0)
    return refused("bind()");
  if (::listen(made->listener_, 4) != 0) return refused("listen()");
  return made;
}

StateDesk::~StateDesk() {
  if (listener_ >= 0) ::close(listener_);
  if (connection_ >= 0) ::close(connection_);
}

Result<void> StateDesk::accept() {
  while (connection_ < 0) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0 && errno == EINTR) continue;
    if (socket < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ECONNABORTED)) return {};
    if (socket < 0) return refused("accept()");
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        peer.pid != worker_pid_) {
      ::close(socket);  // somebody else on this machine
      continue;
    }
    connection_ = socket;
    ::close(listener_);
    listener_ = -1;
  }
  return {};
}

Result<void> StateDesk::serve() {
  size_t at = 0;
  while (input_.size() - at >= 8) {
    const auto version = big_endian(input_.data() + at);
    const size_t length = big_endian(input_.data() + at + 4);
    if (version != 0) return nonsense("another version of messages about state");
    if (length > kRequestMax) return nonsense("a message about state of more than a gigabyte");
    if (input_.size() - at - 8 < length) break;
    WEIR_ASSIGN(const auto answer,
                protocol_.answer(std::string_view(input_).substr(at + 8, length)));
    WireBytes out;
    out.put_text(answer);
    output_ += out.bytes();
    at += 8 + length;
  }
  input_.erase(0, at);
  return {};
}

Result<void> StateDesk::advance() {
  if (closed_) return {};
  if (connection_ < 0) WEIR_TRY(accept());
  while (connection_ >= 0) {
    while (sent_ < output_.size()) {
      const auto sent = ::send(connection_, output_.data() + sent_, output_.size() - sent_,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
      if (sent < 0) return {};  // the worker is gone: its own socket tells why
      sent_ += static_cast<size_t>(sent);
      moved_ += sent;
    }
    output_.clear();
    sent_ = 0;
    const size_t before = input_.size();
    input_.resize(before + kReadAtOnce);
    const auto got = ::recv(connection_, input_.data() + before, kReadAtOnce, MSG_DONTWAIT);
    const int failed = errno;
    input_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && failed == EINTR) continue;
    if (got < 0 && (failed == EAGAIN || failed == EWOULDBLOCK)) return {};
    if (got <= 0) {
      ::close(connection_);
      connection_ = -1;
      closed_ = true;
      return {};
    }
    moved_ += got;
    WEIR_TRY(serve());
  }
  return {};
}

}  // namespace weir::python
