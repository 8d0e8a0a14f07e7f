#include "python/batch_worker.h"

#include <cerrno>
#include <functional>
#include <poll.h>

#include <sys/socket.h>

#include "python/conversation.h"
#include "python/run_header.h"

namespace weir::python {

namespace {

using base::ErrorKind;

int32_t read_big_endian(const std::string& bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return static_cast<int32_t>(value);
}

Result<void> wait_for(int socket, short events) {
  pollfd wait{socket, events, 0};
  while (::poll(&wait, 1, -1) < 0) {
    if (errno != EINTR) return base::error(ErrorKind::kIo, "waiting for a Python worker failed");
  }
  return {};
}

}  // namespace

base::Error BatchWorker::gone() const {
  const auto how = worker_->how_ended();
  return base::error(ErrorKind::kUnavailable,
                     "the Python worker of foreachBatch has ended{}: it may have run out of memory "
                     "(weir serve --python-memory-mb), or the function ended the process",
                     how.empty() ? "" : " by " + how);
}

Result<void> BatchWorker::send(const std::string& bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const auto sent = ::send(worker_->socket(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent >= 0) {
      at += static_cast<size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      WEIR_TRY(wait_for(worker_->socket(), POLLOUT));
    } else if (errno != EINTR) {
      return {};  // it is gone; what it said before tells why
    }
  }
  return {};
}

Result<std::string> BatchWorker::receive(size_t bytes) {
  std::string got(bytes, '\0');
  size_t at = 0;
  while (at < bytes) {
    const auto received = ::recv(worker_->socket(), got.data() + at, bytes - at, 0);
    if (received > 0) {
      at += static_cast<size_t>(received);
    } else if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      WEIR_TRY(wait_for(worker_->socket(), POLLIN));
    } else if (received == 0 || errno != EINTR) {
      return gone();
    }
  }
  return got;
}

Result<void> BatchWorker::converse(const std::string& bytes, const std::stop_token& stop) {
  constexpr int kTracebackMax = 64 << 20;
  auto answered = [&]() -> Result<void> {
    // What waits for the socket sees its end.
    const std::stop_callback end(stop,
                                 [socket = worker_->socket()] { ::shutdown(socket, SHUT_RDWR); });
    WEIR_TRY(send(bytes));
    WEIR_ASSIGN(const auto code, receive(4));
    if (read_big_endian(code) == 0) return {};
    if (read_big_endian(code) != kPythonException)
      return nonsense("neither a result nor a traceback of a batch");
    WEIR_ASSIGN(const auto length, receive(4));
    const int size = read_big_endian(length);
    if (size < 0 || size > kTracebackMax) return nonsense("the length of a traceback");
    WEIR_ASSIGN(const auto traceback, receive(static_cast<size_t>(size)));
    return python_exception(traceback);
  }();
  if (answered.ok()) return answered;
  worker_.reset();
  if (stop.stop_requested()) return base::error(ErrorKind::kCancelled, "the query was stopped");
  return answered;
}

Result<void> BatchWorker::start(const std::stop_token& stop) {
  if (worker_) return {};
  WEIR_TRY(pool_->host().start());  // which tells as whom workers run
  WEIR_ASSIGN(auto files, files_->place(pool_->user()));
  WEIR_ASSIGN(worker_, pool_->take_for_batches({words_.url, std::move(files)}, stop));
  WireBytes greeting;
  greeting.put_text(words_.python_version);
  greeting.put_text(words_.session_id);
  greeting.put_text(words_.command);
  return converse(greeting.take(), stop);
}

Result<void> BatchWorker::run(const std::string& relation_id, int64_t batch_id,
                              const std::stop_token& stop) {
  WEIR_TRY(start(stop));
  WireBytes batch;
  batch.put_text(relation_id);
  batch.put_long(batch_id);
  return converse(batch.take(), stop);
}

}  // namespace weir::python
