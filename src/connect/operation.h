// One execution: what its producer has to say, kept until the client has it.
//
// The producer (a worker thread) puts responses; the attached call takes them one at a time, the
// next one when gRPC has written the last. Unsent responses are bounded by kUnsentBytesMax: then
// the producer waits, so a slow client holds back its own query only. A reattachable operation
// keeps sent responses until the client releases them (the newest kSentBytesMax at least), so that
// a client whose connection broke goes on after the last response that it has.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "connect/rpc_server.h"

namespace weir::connect {

class Operation {
 public:
  struct Names {
    std::string session_id;
    std::string server_side_session_id;
    std::string operation_id;
  };
  Operation(Names names, std::set<std::string> tags, bool reattachable, base::Clock& clock);

  const Names& names() const { return names_; }
  const std::set<std::string>& tags() const { return tags_; }
  bool reattachable() const { return reattachable_; }

  // Producer.
  std::stop_token stop_token() const { return stop_.get_token(); }
  // `response` without ids: a serialized ExecutePlanResponse. `batch` (fields of an ArrowBatch, may
  // be empty) and `body` (its data) become its arrow_batch. kCancelled where stopped.
  Result<void> put(const std::string& response, const std::string& batch = {},
                   std::shared_ptr<arrow::Buffer> body = nullptr);
  void finish(CallStatus status);  // OK, or how it failed
  // For work that leaves nothing behind: an interrupt is answered with this at once, while the work
  // comes to its end. Before the first interrupt().
  void answer_interrupts(std::function<CallStatus()> answer) { interrupted_ = std::move(answer); }

  // Client.
  // Responses after `after` (all, where absent) go to this call from now on; another call that was
  // attached ends. An error where responses after that are gone.
  Result<void> attach(CallPtr call, const std::optional<std::string>& after);
  void written(const Call* call, bool ok);
  void detach(const Call* call);
  void release_until(const std::string& response_id);
  // True where the operation was running.
  bool interrupt();

  enum class State { kRunning, kStopping, kSucceeded, kFailed, kCancelled };
  State state() const;
  bool ended() const;
  // Since when no call is attached (monotonic), or nullopt.
  std::optional<int64_t> detached_since_us() const;

 private:
  static constexpr int64_t kUnsentBytesMax = 16 << 20;
  static constexpr int64_t kSentBytesMax = 10 << 20;
  struct Entry {
    std::string id;
    Message message;
  };
  void pump();
  void drop_sent();  // lock held

  const Names names_;
  const std::set<std::string> tags_;
  const bool reattachable_;
  base::Clock& clock_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Entry> entries_;
  size_t next_ = 0;  // the first entry that is not sent
  int64_t unsent_bytes_ = 0;
  int64_t sent_bytes_ = 0;
  uint64_t made_ = 0;
  bool dropped_ = false;  // entries have been released or dropped
  std::optional<CallStatus> status_;
  std::function<CallStatus()> interrupted_;
  std::optional<CallStatus> answer_;  // of an interrupt, before the end
  CallPtr call_;
  bool writing_ = false;
  std::optional<int64_t> detached_us_;
};

}  // namespace weir::connect
