// One run of the simulator: plans messages, reserves them in the journal, paces them, and hands
// them to the sink.
//
// Pace: message k is due k / rate seconds after the start by the monotonic clock. Whoever fell
// behind (a broker was away) catches up, so that the whole has the rate; rate 0 sends as fast as
// the sink takes. A run by duration sends exactly rate × duration messages where the sink keeps up,
// and ends at most kOvertimeUs late where it does not.
//
// run() is called once, on the caller's thread; counters() may be read from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "simulate/event_generator.h"
#include "simulate/event_sink.h"
#include "simulate/journal.h"
#include "simulate/message_plan.h"

namespace weir::simulate {

inline constexpr int64_t kEventTimeStartUs = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z

struct SimulationOptions {
  EventShape shape;
  double rate = 1000;       // messages a second, copies included; 0: as fast as possible
  int64_t duration_us = 0;  // 0: no end by time
  int64_t count = 0;        // messages, copies included; 0: no end by count
  // Events a second of createdAt, which then goes on from kEventTimeStartUs by the event's index,
  // whatever the pace, so that a seed tells every byte; 0: createdAt is the clock's.
  double event_time_rate = 0;
  int64_t flush_timeout_us = 60'000'000;
};

// A message is an event or its copy. sent: handed to the sink. acknowledged: stored, says the other
// side. failed: given up on, perhaps stored. bytes: of the values sent.
struct SimulationCounters {
  std::atomic<int64_t> sent{0};
  std::atomic<int64_t> acknowledged{0};
  std::atomic<int64_t> failed{0};
  std::atomic<int64_t> duplicated{0};  // copies among `sent`
  std::atomic<int64_t> bytes{0};
};

struct SimulationReport {
  EventShape shape;
  uint64_t first_index = 0;  // events [first_index, next_index) were sent
  uint64_t next_index = 0;
  int64_t sent = 0;
  int64_t acknowledged = 0;
  int64_t failed = 0;
  int64_t duplicated = 0;
  int64_t bytes = 0;
  double seconds = 0;               // from the first message to the last one's acknowledgement
  double send_seconds = 0;          // from the first message to the last one's sending
  std::vector<std::string> errors;  // different texts, the first few

  base::JsonObject to_json() const;
};

class Simulation final : public SinkObserver {
 public:
  static constexpr int64_t kOvertimeUs = 1'000'000;

  // journal may be null; its shape and first index then are those of `options` and 0.
  Simulation(base::Clock& clock, SimulationOptions options, JournalWriter* journal);

  const SimulationCounters& counters() const { return counters_; }
  // Sends until the end by time or count, or until stop is requested; then waits for what is in
  // flight and ends the journal. Fails where sink or journal do; what was sent until then is in
  // counters().
  Result<SimulationReport> run(EventSink& sink, std::stop_token stop);

  void on_acknowledged(const Acknowledgement& acknowledgement) override;
  void on_failed(std::span<const MessageTag> messages, const base::Error& error) override;

 private:
  struct Chunk {
    std::vector<PlannedMessage> messages;
    size_t next = 0;
    uint64_t reservation = 0;
  };
  int64_t due_by(int64_t elapsed_us) const;
  int64_t created_at_us(uint64_t index, int64_t now_us) const;
  void plan_chunk();
  Result<void> send_all(EventSink& sink, std::stop_token stop, int64_t start_us);
  Result<void> send_some(EventSink& sink, std::stop_token stop, int64_t count);
  Result<void> send_one(EventSink& sink, std::stop_token stop, const PlannedMessage& message);

  base::Clock& clock_;
  SimulationOptions options_;
  JournalWriter* journal_;
  EventGenerator generator_;
  MessagePlan plan_;
  uint64_t first_index_;
  uint64_t next_unsent_;  // index of the first event not handed over
  int64_t planned_ = 0;
  std::deque<Chunk> chunks_;
  std::unordered_map<uint64_t, std::string> kept_;  // texts of events to be copied
  SimulationCounters counters_;
  std::mutex errors_mutex_;
  std::vector<std::string> errors_;
};

}  // namespace weir::simulate
