// The table of a hub's traffic by minute (or another interval), in the layout of the sample
// "Streaming at Scale":
//
//                              Event Hub #    IncomingMessages       IncomingBytes OutgoingMessages
//                              OutgoingBytes   ThrottledRequests
//                              -----------    ----------------       ------------- ----------------
//                              -------------  ------------------
//                    MAX VALUE Event Hub 1              120000           120000000 491520 240000000
//                    -
//     2021-06-28T18:49:28+0200 Event Hub 1               60163            56077016 0 0 0
#pragma once

#include <cstdint>
#include <string>

namespace weir::simulate {

struct ThroughputRow {
  int64_t time_us = 0;  // shown as local time with its zone
  int64_t incoming_messages = 0;
  int64_t incoming_bytes = 0;
  int64_t outgoing_messages = 0;
  int64_t outgoing_bytes = 0;
  int64_t throttled_requests = 0;
};

class ThroughputTable {
 public:
  // A throughput unit takes 1,000 messages and 1 MB in, 4,096 messages and 2 MB out, a second (MB =
  // 10^6 bytes).
  ThroughputTable(int throughput_units, int64_t interval_s)
      : units_(throughput_units), interval_s_(interval_s) {}

  std::string header() const;  // names, dashes, MAX VALUE, dashes; four lines
  static std::string row(const ThroughputRow& row);

 private:
  int units_;
  int64_t interval_s_;
};

}  // namespace weir::simulate
