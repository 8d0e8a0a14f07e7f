#include "python/crew.h"

#include <arrow/buffer.h>

namespace weir::python {

Crew::Crew(std::shared_ptr<WorkerPool> pool, RunHeader header, CrewOptions options,
           base::Clock& clock, Begin begin)
    : pool_(std::move(pool)),
      header_(std::move(header)),
      workers_max_(options.workers_max),
      begin_(std::move(begin)),
      wait_(clock, options.silence_us) {}

Result<Conversation*> Crew::add(WorkerPtr worker) {
  WEIR_ASSIGN(const auto facts, pool_->host().start());
  header_.version = facts.version;
  members_.push_back(
      std::make_unique<Conversation>(std::move(worker), facts.version, header_bytes(header_)));
  ++header_.task;
  auto& made = *members_.back();
  WEIR_ASSIGN(auto first, begin_());
  if (first) made.send(std::move(first));
  wait_.restart();
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
  if (static_cast<int>(members_.size()) >= workers_max_) return nullptr;
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
  int64_t moved = 0;
  std::vector<pollfd> sockets;
  for (const auto& one : members_) {
    moved += one->moved();
    WorkerWait::add(sockets, one->socket(), one->wants_read(), one->wants_write());
  }
  return wait_.wait(std::move(sockets), moved, stop);
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
