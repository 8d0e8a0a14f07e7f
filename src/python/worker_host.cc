#include "python/worker_host.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <unistd.h>

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/json.h"
#include "python/worker_program.h"

namespace weir::python {

namespace {

using base::ErrorKind;

constexpr int kStartTimeoutMs = 60'000;
constexpr int kAnswerTimeoutMs = 30'000;
// Users of sessions: the range that systemd keeps free for dynamic users.
constexpr int kFirstUser = 61'184;
constexpr int kUsers = 4'336;

base::Error system_error(std::string_view doing) {
  return base::error(ErrorKind::kIo, "{}: {}", doing, std::strerror(errno));
}

base::Error no_python(const std::string& python, std::string_view why) {
  return base::error(ErrorKind::kUnavailable,
                     "Python functions need a Python with pyspark {}: {}. Start the server with "
                     "--python PATH (an interpreter of the client's Python version in which "
                     "pyspark or pyspark-client, and for Arrow and pandas functions pyarrow and "
                     "pandas, are installed), or set PYSPARK_PYTHON for it.",
                     python.empty() ? "" : "(" + python + ")", why);
}

// What of the server's environment a worker sees.
std::vector<std::string> environment() {
  std::vector<std::string> made{"LANG=C.UTF-8",
                                "HOME=/tmp",
                                "OMP_NUM_THREADS=1",
                                "OPENBLAS_NUM_THREADS=1",
                                "MKL_NUM_THREADS=1",
                                "ARROW_DEFAULT_MEMORY_POOL=system",
                                "PYTHONHASHSEED=0",
                                "SPARK_REUSE_WORKER=1",
                                "SPARK_BUFFER_SIZE=65536",
                                "PYTHON_UDF_BATCH_SIZE=100"};
  for (const char* name : {"PATH", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH"}) {
    if (const char* value = std::getenv(name)) made.push_back(std::string(name) + "=" + value);
  }
  return made;
}

// "4.2.0" is 402.
int version_number(const std::string& text) {
  int major = 0, minor = 0;
  if (std::sscanf(text.c_str(), "%d.%d", &major, &minor) != 2) return 0;
  return major * 100 + minor;
}

}  // namespace

WorkerHost::~WorkerHost() {
  const std::lock_guard lock(mutex_);
  stop_locked();
}

void WorkerHost::stop_locked() {
  if (control_ >= 0) ::close(control_);
  control_ = -1;
  if (pid_ > 0) {
    // It ends by itself when the socket is closed; what does not is made to.
    constexpr int kTries = 100, kWaitUs = 10'000;
    for (int i = 0; i < kTries && pid_ > 0; ++i) {
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
      if (pid_ > 0) ::usleep(kWaitUs);
    }
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  pid_ = -1;
  facts_ = {};
}

Result<HostFacts> WorkerHost::start() {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(start_locked());
  return facts_;
}

Result<void> WorkerHost::start_locked() {
  if (control_ >= 0) {
    if (::waitpid(pid_, nullptr, WNOHANG) == 0) return {};
    pid_ = -1;
    stop_locked();
  }
  const char* set = std::getenv("PYSPARK_PYTHON");
  const std::string python = !options_.python.empty() ? options_.python
                             : set && *set            ? std::string(set)
                                                      : "python3";
  WEIR_TRY(launch(python));
  auto ready = read_facts();
  if (ready.ok()) ready = choose_users();
  if (!ready.ok()) {
    stop_locked();
    return no_python(python, ready.error().message());
  }
  return {};
}

Result<void> WorkerHost::launch(const std::string& python) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error("making a socket for Python");
  std::vector<std::string> words{python, "-c", kWorkerProgram};
  auto settings = environment();
  std::vector<char*> arguments, variables;
  for (auto& word : words)
    arguments.push_back(word.data());
  for (auto& one : settings)
    variables.push_back(one.data());
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  constexpr int kControl = 3;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);  // what functions print is the server's log
  posix_spawn_file_actions_adddup2(&actions, ends[1], kControl);
  posix_spawn_file_actions_addclosefrom_np(&actions, kControl + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  // dup2 of a descriptor onto itself would leave it close-on-exec.
  if (ends[1] == kControl) ::fcntl(ends[1], F_SETFD, 0);
  const int failed = ::posix_spawnp(&pid, python.c_str(), &actions, &attributes, arguments.data(),
                                    variables.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return no_python(python, std::strerror(failed));
  }
  control_ = ends[0];
  pid_ = pid;
  return {};
}

Result<void> WorkerHost::read_facts() {
  WEIR_ASSIGN(const auto text, receive(kStartTimeoutMs));
  WEIR_ASSIGN(const auto words, base::parse_json_object(text, "Python's answer"));
  if (const auto failed = base::json_string(words, "error"))
    return base::error(ErrorKind::kUnavailable, "{}", *failed);
  facts_.pyspark = base::json_string(words, "pyspark").value_or("");
  facts_.python = base::json_string(words, "python").value_or("");
  facts_.version = version_number(facts_.pyspark);
  constexpr int kOldest = 400, kNewest = 402;
  if (facts_.version < kOldest || facts_.version > kNewest)
    return base::error(ErrorKind::kUnsupported,
                       "its pyspark is {}, the workers of 4.0 to 4.2 are known", facts_.pyspark);
  return {};
}

Result<void> WorkerHost::choose_users() {
  if (::geteuid() != 0 || options_.user == WorkerUser::kServer) return {};
  const base::JsonObject words{{"do", "readable"}, {"uid", kFirstUser}};
  WEIR_ASSIGN(const auto text, request(base::json_text(words)));
  WEIR_ASSIGN(const auto answer, base::parse_json_object(text, "Python's answer"));
  const auto why = base::json_string(answer, "error").value_or("no answer");
  facts_.users = why.empty();
  if (facts_.users) return {};
  if (options_.user == WorkerUser::kSession)
    return base::error(ErrorKind::kPermissionDenied,
                       "a user of its own cannot read it: {} (--python-user server runs Python "
                       "functions with all rights of the server)",
                       why);
  spdlog::warn(
      "python_user=server why=\"{}\" Python functions run as the server's user, root: install "
      "Python where other users can read it",
      why);
  return {};
}

Result<std::string> WorkerHost::receive(int timeout_ms) {
  pollfd wait{control_, POLLIN, 0};
  int ready = 0;
  while ((ready = ::poll(&wait, 1, timeout_ms)) < 0 && errno == EINTR) {
  }
  if (ready == 0)
    return base::error(ErrorKind::kTimeout, "no answer in {} seconds", timeout_ms / 1000);
  std::string text(65'536, '\0');
  const auto got = ::recv(control_, text.data(), text.size(), 0);
  if (got < 0) return system_error("reading what Python says");
  if (got == 0) return base::error(ErrorKind::kUnavailable, "the process ended at once");
  text.resize(static_cast<size_t>(got));
  return text;
}

Result<std::string> WorkerHost::request(const std::string& words, int passed) {
  iovec part{const_cast<char*>(words.data()), words.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int))] = {};
  if (passed >= 0) {
    message.msg_control = ancillary;
    message.msg_controllen = sizeof(ancillary);
    auto* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed, sizeof(int));
  }
  if (::sendmsg(control_, &message, MSG_NOSIGNAL) < 0) return system_error("asking Python");
  return receive(kAnswerTimeoutMs);
}

int WorkerHost::user_of_locked(int slot) const {
  return facts_.users ? kFirstUser + slot % kUsers : -1;
}

int WorkerHost::user_of(int slot) {
  const std::lock_guard lock(mutex_);
  return user_of_locked(slot);
}

Result<WorkerHost::Forked> WorkerHost::fork(int slot, const ForBatches* batches) {
  const std::lock_guard lock(mutex_);
  WEIR_TRY(start_locked());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error("making a socket for a worker");
  for (const int end : ends) {
    constexpr int kBytes = 1 << 20;  // the kernel gives what it allows
    ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kBytes, sizeof(kBytes));
  }
  base::JsonObject words{{"do", "fork"},
                         {"uid", user_of_locked(slot)},
                         {"memory", options_.memory_bytes},
                         {"files", options_.files_max}};
  if (batches) {
    base::JsonArray includes(batches->files.includes.begin(), batches->files.includes.end());
    words["batches"] = base::JsonObject{{"url", batches->url},
                                        {"folder", batches->files.folder},
                                        {"includes", std::move(includes)}};
  }
  auto text = request(base::json_text(words), ends[1]);
  ::close(ends[1]);
  const auto answer =
      text.ok() ? base::parse_json_object(*text, "Python's answer") : std::move(text).error();
  const auto pid = answer.ok() ? base::json_int(*answer, "pid") : std::nullopt;
  if (!pid) {
    ::close(ends[0]);
    if (!answer.ok()) {
      stop_locked();
      return base::Error(answer.error()).with_context("starting a Python worker");
    }
    return base::error(ErrorKind::kUnavailable, "starting a Python worker: {}",
                       base::json_string(*answer, "error").value_or("no answer"));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return Forked{static_cast<int>(*pid), ends[0]};
}

void WorkerHost::kill(int pid) {
  const std::lock_guard lock(mutex_);
  if (control_ < 0) return;
  const base::JsonObject words{{"do", "kill"}, {"pid", pid}};
  if (!request(base::json_text(words)).ok()) stop_locked();
}

std::string WorkerHost::how_ended(int pid) {
  const std::lock_guard lock(mutex_);
  if (control_ < 0) return {};
  const base::JsonObject words{{"do", "status"}, {"pid", pid}};
  const auto text = request(base::json_text(words));
  if (!text.ok()) {
    stop_locked();  // its answer would be taken for the next one's
    return {};
  }
  const auto answer = base::parse_json_object(*text, "Python's answer");
  return answer.ok() ? base::json_string(*answer, "ended").value_or("") : std::string();
}

}  // namespace weir::python
