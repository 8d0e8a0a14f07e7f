#include "stream/control_server.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "io/descriptor.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;

namespace {

constexpr size_t kQuestionBytesMax = 64 << 10;
constexpr size_t kAnswerBytesMax = 64 << 20;
constexpr int kTimeoutMs = 5000;
constexpr int64_t kStopWaitUs = 30'000'000;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return error(ErrorKind::kInvalidArgument,
                 "the path {} is too long for a socket; set XDG_RUNTIME_DIR to a shorter one",
                 path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd polled{fd, POLLOUT, 0};
    if (::poll(&polled, 1, kTimeoutMs) <= 0) return false;
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// Up to the newline; false where it does not come in time or grows past `max`.
bool receive_line(int fd, std::string& line, size_t max, int timeout_ms) {
  char buffer[4096];
  while (line.size() <= max) {
    pollfd polled{fd, POLLIN, 0};
    if (::poll(&polled, 1, timeout_ms) <= 0) return false;
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    line.append(buffer, static_cast<size_t>(got));
    if (const size_t end = line.find('\n'); end != std::string::npos) {
      line.resize(end);
      return true;
    }
  }
  return false;
}

base::JsonObject error_json(const base::Error& failure) {
  return {{"error", base::JsonObject{{"kind", base::error_kind_name(failure.kind())},
                                     {"message", failure.message()}}}};
}

}  // namespace

Result<std::string> control_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string folder = runtime != nullptr && *runtime != '\0'
                                 ? fmt::format("{}/weir", runtime)
                                 : fmt::format("/tmp/weir-{}", ::getuid());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return error(ErrorKind::kIo, "cannot create folder {}: {}", folder, std::strerror(errno));
  struct stat info {};
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::getuid() ||
      (info.st_mode & 022) != 0)
    return error(ErrorKind::kPermissionDenied,
                 "{} has to be a folder of this user that nobody else may write to", folder);
  return folder;
}

base::JsonObject status_json(const QueryStatus& status) {
  return {{"id", status.id},
          {"runId", status.run_id},
          {"name", status.name.empty() ? base::JsonValue(nullptr) : base::JsonValue(status.name)},
          {"pid", static_cast<int64_t>(::getpid())},
          {"isActive", status.active},
          {"message", status.message},
          {"isDataAvailable", status.data_available},
          {"isTriggerActive", status.trigger_active},
          {"started", base::format_utc_ms(status.started_us)},
          {"trigger", status.trigger},
          {"source", status.source},
          {"sink", status.sink},
          {"checkpoint", status.checkpoint},
          {"batches", status.batches},
          {"inputRows", status.input_rows},
          {"outputRows", status.output_rows},
          {"corruptRows", status.corrupt_rows},
          {"droppedRows", status.dropped_rows}};
}

ControlServer::ControlServer(QueryManager& manager, std::string path, int listener, int wake)
    : manager_(manager), path_(std::move(path)), listener_(listener), wake_(wake) {
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

ControlServer::~ControlServer() {
  thread_.request_stop();
  const uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  thread_.join();
  ::unlink(path_.c_str());
  ::close(listener_);
  ::close(wake_);
}

Result<std::unique_ptr<ControlServer>> ControlServer::start(QueryManager& manager) {
  WEIR_ASSIGN(const std::string folder, control_folder());
  const std::string path = fmt::format("{}/{}.sock", folder, ::getpid());
  WEIR_ASSIGN(const sockaddr_un address, address_of(path));
  ::unlink(path.c_str());  // of an earlier process with our number
  io::Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // The folder keeps others out between bind() and chmod().
  if (listener.get() < 0 ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), 16) != 0)
    return error(ErrorKind::kIo, "cannot listen on {}: {}", path, std::strerror(errno));
  io::Descriptor wake(::eventfd(0, EFD_CLOEXEC));
  if (wake.get() < 0)
    return error(ErrorKind::kIo, "no descriptor for the control socket: {}", std::strerror(errno));
  return std::unique_ptr<ControlServer>(
      new ControlServer(manager, path, listener.release(), wake.release()));
}

void ControlServer::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    pollfd polled[2] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0 || polled[0].revents == 0) continue;
    const io::Descriptor connection(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.get() >= 0) serve(connection.get());
  }
}

void ControlServer::serve(int connection) {
  std::string line;
  if (!receive_line(connection, line, kQuestionBytesMax, kTimeoutMs)) return;
  send_all(connection, base::json_text(answer(line)) + "\n");
}

base::JsonObject ControlServer::answer(const std::string& line) {
  const auto question = base::parse_json_object(line, "question");
  if (!question.ok()) return error_json(question.error());
  const std::string command = base::json_string(*question, "command").value_or("");
  if (command == "list") {
    base::JsonArray queries;
    for (const auto& query : manager_.all())
      queries.emplace_back(status_json(query->status()));
    return {{"queries", std::move(queries)}};
  }
  if (command != "show" && command != "stop")
    return error_json(error(ErrorKind::kInvalidArgument,
                            "there is no command '{}': list, show or stop", command));
  const std::string name = base::json_string(*question, "query").value_or("");
  const auto query = manager_.find(name);
  if (query == nullptr)
    return error_json(error(ErrorKind::kNotFound, "there is no query '{}'", name));
  if (command == "stop") {
    query->request_stop();
    const bool ended = query->wait_for(kStopWaitUs);
    return {{"stopped", ended}, {"query", status_json(query->status())}};
  }
  base::JsonArray recent;
  for (const QueryProgress& progress : query->recent_progress())
    recent.emplace_back(progress_json(progress));
  base::JsonValue last = recent.empty() ? base::JsonValue(nullptr) : recent.back();
  return {{"query", status_json(query->status())},
          {"lastProgress", std::move(last)},
          {"recentProgress", std::move(recent)}};
}

Result<std::vector<ControlAnswer>> ask_all(const base::JsonObject& question) {
  WEIR_ASSIGN(const std::string folder, control_folder());
  std::vector<ControlAnswer> answers;
  std::error_code code;
  std::vector<std::filesystem::path> sockets;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code))
    if (entry.path().extension() == ".sock") sockets.push_back(entry.path());
  std::sort(sockets.begin(), sockets.end());
  for (const auto& path : sockets) {
    WEIR_ASSIGN(const sockaddr_un address, address_of(path.string()));
    const io::Descriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
        0) {
      if (errno == ECONNREFUSED) ::unlink(path.c_str());  // its process ended without cleaning up
      continue;
    }
    std::string line;
    if (!send_all(connection.get(), base::json_text(question) + "\n") ||
        !receive_line(connection.get(), line, kAnswerBytesMax,
                      static_cast<int>(kStopWaitUs / 1000) + kTimeoutMs))
      continue;  // it is just ending
    auto json = base::parse_json_object(line, path.string());
    if (!json.ok()) continue;
    ControlAnswer answer;
    const std::string stem = path.stem().string();
    std::from_chars(stem.data(), stem.data() + stem.size(), answer.pid);
    answer.json = std::move(json).value();
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace weir::stream
