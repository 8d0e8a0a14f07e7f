// The network side: listeners, network threads, connections.
//
// Each thread runs one io_context; a connection stays on the thread that it was given at accept (in
// turn). listen() binds, start() accepts, stop() ends all connections. The io_contexts live until
// the server is destroyed, which has to be after whatever may still hold a request's callbacks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/hub.h"

namespace weir::hub {

struct Broker;

class Server {
 public:
  explicit Server(const HubOptions& options);
  ~Server();

  base::Result<void> listen();
  void start(Broker& broker);
  // No more connections and requests; what has been handled can still be answered.
  void stop_reading();
  // After this no handler runs any more.
  void stop();
  void close_idle(int64_t now_us);
  std::vector<BoundAddress> addresses() const;
  int64_t request_bytes() const;  // of the budget for requests that are being read

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::hub
