// The hub: a durable broker that speaks the Kafka protocol, for embedding (`weir demo`) and for
// `weir hub`.
//
// One hub owns one folder (a lock file keeps a second one out). start() recovers every partition,
// makes the topics of the options and only then listens. Threads of its own: `threads` network
// threads, one that syncs, one that keeps house (retention, group sessions). stop() answers what is
// in flight, syncs and closes; the destructor stops too. Calls may come from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "hub/hub_metrics.h"
#include "hub/hub_options.h"
#include "io/file_system.h"

namespace weir::hub {

struct BoundAddress {
  std::string host;
  uint16_t port = 0;
  std::string text() const;  // "127.0.0.1:9092"
};

// What requests and answers hold of their budgets now.
struct HubMemory {
  int64_t request_bytes = 0;
  int64_t response_bytes = 0;
};

class Hub {
 public:
  Hub(io::FileSystem& files, base::Clock& clock, base::Random& random, HubOptions options);
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  base::Result<void> start();
  void stop();

  std::vector<BoundAddress> addresses() const;  // after start()
  uint16_t port() const;                        // of the first listener
  // Partitions that could not be opened, each with what to do.
  std::vector<std::string> warnings() const;
  const HubMetrics& metrics() const;
  HubMemory memory() const;

  // kAlreadyExists where the topic is there.
  base::Result<void> create_topic(const TopicSpec& spec);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::hub
