#include "python/crew.h"

#include <cerrno>
#include <poll.h>
#include <unistd.h>

#include <arrow/buffer.h>
#include <sys/eventfd.h>

namespace weir::python {

Crew::Crew(std::shared_ptr<WorkerPool> pool, RunHeader header, CrewOptions options,
           base::Clock& clock, Begin begin)
    : pool_(std::move(pool)),
      header_(std::move(header)),
      options_(options),
      clock_(clock),
      begin_(std::move(begin)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Crew::~Crew() {
  members_.clear();
  if (wake_ >= 0) ::close(wake_);
}

Result<Conversation*> Crew::add(WorkerPtr worker) {
  WEIR_ASSIGN(const auto facts, pool_->host().start());
  header_.version = facts.version;
  members_.push_back(
      std::make_unique<Conversation>(std::move(worker), facts.version, header_bytes(header_)));
  ++header_.task;
  auto& made = *members_.back();
  WEIR_ASSIGN(auto first, begin_());
  if (first) made.send(std::move(first));
  moved_us_ = clock_.monotonic_us();
  return &made;
}

Result<Conversation*> Crew::hungry(const std::stop_token& stop) {
  Conversation* best = nullptr;
  for (const auto& one : members_) {
    if (has_room(*one) && (!best || one->unsent() < best->unsent())) best = one.get();
  }
  if (best) return best;
  if (members_.empty()) {
    WEIR_ASSIGN(auto worker, pool_->take(stop));
    return add(std::move(worker));
  }
  if (static_cast<int>(members_.size()) >= options_.workers_max) return nullptr;
  WEIR_ASSIGN(auto worker, pool_->take_another());
  if (!worker) return nullptr;
  return add(std::move(worker));
}

Result<void> Crew::advance() {
  for (const auto& one : members_)
    WEIR_TRY(one->advance());
  return {};
}

Result<void> Crew::wait(const std::stop_token& stop) {
  const auto total = [&] {
    int64_t moved = 0;
    for (const auto& one : members_)
      moved += one->moved();
    return moved;
  };
  if (const auto moved = total(); moved != moved_) {
    moved_ = moved;
    moved_us_ = clock_.monotonic_us();
  }
  const auto cancelled = [] {
    return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
  };
  if (stop.stop_requested()) return cancelled();
  const std::stop_callback wake(stop, [this] {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof(one));
  });
  std::vector<pollfd> sockets{{wake_, POLLIN, 0}};
  for (const auto& one : members_) {
    const int events = (one->wants_read() ? POLLIN : 0) | (one->wants_write() ? POLLOUT : 0);
    if (events) sockets.push_back({one->socket(), static_cast<short>(events), 0});
  }
  constexpr int kLookMs = 1000;
  while (true) {
    const int ready = ::poll(sockets.data(), sockets.size(), kLookMs);
    if (stop.stop_requested()) return cancelled();
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR)
      return base::error(base::ErrorKind::kIo, "waiting for Python workers failed");
    const auto silent_us = clock_.monotonic_us() - moved_us_;
    if (options_.silence_us > 0 && silent_us > options_.silence_us)
      return base::error(base::ErrorKind::kTimeout,
                         "a Python worker has said nothing for {} seconds (weir serve "
                         "--python-timeout-s): the function hangs, or takes longer than that for "
                         "one batch",
                         silent_us / 1'000'000);
  }
}

void Crew::end_input(const std::string& last) {
  for (const auto& one : members_) {
    if (!last.empty()) one->send(last);
    one->end_input();
  }
}

bool Crew::all_ended() const {
  for (const auto& one : members_) {
    if (!one->ended()) return false;
  }
  return true;
}

void Crew::dismiss() {
  for (const auto& one : members_) {
    if (auto worker = one->release()) pool_->give_back(std::move(worker));
  }
  members_.clear();
}

}  // namespace weir::python
