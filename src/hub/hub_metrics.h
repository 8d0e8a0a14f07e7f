// What went through the hub, in seconds, so that a table by minute (or any interval) can be
// printed. Safe to call from any thread; one short lock a request.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics_text.h"

namespace weir::hub {

struct Traffic {
  int64_t incoming_messages = 0;  // accepted records
  int64_t incoming_bytes = 0;     // accepted record batches as sent
  int64_t outgoing_messages = 0;  // records in fetch answers
  int64_t outgoing_bytes = 0;
  int64_t throttled_requests = 0;

  void add(const Traffic& other);
};

struct TrafficInterval {
  int64_t start_us = 0;  // wall clock, a whole multiple of the interval
  Traffic traffic;
};

struct HubMetricsSnapshot {
  Traffic total;  // since the hub was started
  int64_t requests = 0;
  int64_t refused_requests =
      0;  // answered with an error that the client caused, or closed for bad input
  std::map<std::string, int64_t> refused_by_error;  // Kafka's error name or "BAD_FRAME", ...
  int64_t syncs = 0;                                // of log files
  int64_t connections = 0;                          // open now
  int64_t partitions_offline = 0;
};

class HubMetrics {
 public:
  static constexpr int64_t kSecondsKept = 3 * 60 * 60;

  explicit HubMetrics(const base::Clock& clock);

  void count_request();
  void count_refused(std::string_view error);
  void count_sync();
  void count_connection(int change);
  void count_partition_offline();
  void count_incoming(int64_t messages, int64_t bytes);
  void count_outgoing(int64_t messages, int64_t bytes);
  void count_throttled();

  HubMetricsSnapshot snapshot() const;
  // Whole intervals that begin at or after from_us and have ended by now, oldest first, empty ones
  // included; nothing older than kSecondsKept. interval_s > 0.
  std::vector<TrafficInterval> intervals(int64_t from_us, int64_t interval_s) const;

 private:
  Traffic& bucket();  // of the present second; mutex_ held

  const base::Clock& clock_;
  mutable std::mutex mutex_;
  HubMetricsSnapshot now_;
  struct Second {
    int64_t second = -1;
    Traffic traffic;
  };
  std::vector<Second> seconds_;
};

// For Prometheus; names: docs/metrics.md.
void add_hub_metrics(const HubMetricsSnapshot& now, base::MetricsText& text);

}  // namespace weir::hub
