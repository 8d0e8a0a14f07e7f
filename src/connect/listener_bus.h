// The events of a session's streaming queries on their way to the client: one long response stream.
//
// Queries put events, which never waits; the execution that serves the client takes them. The queue
// is bounded: where a client is too slow, progress and idle events are dropped, and a log line
// tells how many. A session has one such stream: a new one ends the one before (a client that lost
// its connection asks again). All calls from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <stop_token>

#include "base/result.h"

namespace weir::streaming {
class StreamQueries;
}

namespace weir::connect {

using base::Result;
class Operation;

class ListenerBus {
 public:
  // Tells the client that it is heard, then every event, until remove(), another serve() or a stop.
  Result<void> serve(streaming::StreamQueries& queries, Operation& operation);
  // What has happened until now is still told.
  void remove();

 private:
  class Feed;
  std::mutex mutex_;
  std::shared_ptr<Feed> current_;
};

}  // namespace weir::connect
