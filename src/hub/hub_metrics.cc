#include "hub/hub_metrics.h"

#include <algorithm>

namespace weir::hub {

void Traffic::add(const Traffic& other) {
  incoming_messages += other.incoming_messages;
  incoming_bytes += other.incoming_bytes;
  outgoing_messages += other.outgoing_messages;
  outgoing_bytes += other.outgoing_bytes;
  throttled_requests += other.throttled_requests;
}

HubMetrics::HubMetrics(const base::Clock& clock) : clock_(clock), seconds_(kSecondsKept) {}

Traffic& HubMetrics::bucket() {
  const int64_t second = clock_.now_us() / 1'000'000;
  Second& slot = seconds_[static_cast<size_t>(second % kSecondsKept)];
  if (slot.second != second) slot = {second, {}};
  return slot.traffic;
}

void HubMetrics::count_request() {
  const std::lock_guard lock(mutex_);
  ++now_.requests;
}

void HubMetrics::count_refused(std::string_view error) {
  const std::lock_guard lock(mutex_);
  ++now_.refused_requests;
  ++now_.refused_by_error[std::string(error)];
}

void HubMetrics::count_sync() {
  const std::lock_guard lock(mutex_);
  ++now_.syncs;
}

void HubMetrics::count_connection(int change) {
  const std::lock_guard lock(mutex_);
  now_.connections += change;
}

void HubMetrics::count_partition_offline() {
  const std::lock_guard lock(mutex_);
  ++now_.partitions_offline;
}

void HubMetrics::count_incoming(int64_t messages, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  for (Traffic* traffic : {&now_.total, &bucket()}) {
    traffic->incoming_messages += messages;
    traffic->incoming_bytes += bytes;
  }
}

void HubMetrics::count_outgoing(int64_t messages, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  for (Traffic* traffic : {&now_.total, &bucket()}) {
    traffic->outgoing_messages += messages;
    traffic->outgoing_bytes += bytes;
  }
}

void HubMetrics::count_throttled() {
  const std::lock_guard lock(mutex_);
  ++now_.total.throttled_requests;
  ++bucket().throttled_requests;
}

HubMetricsSnapshot HubMetrics::snapshot() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

std::vector<TrafficInterval> HubMetrics::intervals(int64_t from_us, int64_t interval_s) const {
  const std::lock_guard lock(mutex_);
  const int64_t now_s = clock_.now_us() / 1'000'000;
  const int64_t from_s = std::max(from_us / 1'000'000, now_s - kSecondsKept + 1);
  int64_t start = (from_s + interval_s - 1) / interval_s * interval_s;
  std::vector<TrafficInterval> result;
  for (; start + interval_s <= now_s; start += interval_s) {
    TrafficInterval interval{start * 1'000'000, {}};
    for (int64_t second = start; second < start + interval_s; ++second) {
      const Second& slot = seconds_[static_cast<size_t>(second % kSecondsKept)];
      if (slot.second == second) interval.traffic.add(slot.traffic);
    }
    result.push_back(interval);
  }
  return result;
}

}  // namespace weir::hub
