// Where simulated events go: standard output, files, or a topic.
//
// One thread sends; the observer is called from any thread, one call at a time. A sink's queue is
// bounded: send() waits where it is full, so a broker that is away holds the sender up, and nothing
// else.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::simulate {

using base::Result;

// Which message it is: the event's index, and whether it is the copy made on purpose.
struct MessageTag {
  uint64_t index = 0;
  bool copy = false;
  bool operator==(const MessageTag&) const = default;
};

// Messages that the other side has stored, in order, at consecutive offsets.
struct Acknowledgement {
  std::string_view topic;  // for files the file's name, for standard output "-"
  int32_t partition = 0;
  int64_t base_offset = 0;
  std::span<const MessageTag> messages;
};

class SinkObserver {
 public:
  virtual ~SinkObserver() = default;
  virtual void on_acknowledged(const Acknowledgement& acknowledgement) = 0;
  // Given up after the sink's own retries: whether they are stored is not known.
  virtual void on_failed(std::span<const MessageTag> messages, const base::Error& error) = 0;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual Result<void> send(std::string_view key, std::string_view value, int64_t timestamp_ms,
                            MessageTag tag, std::stop_token stop) = 0;
  // No more events are due for a while: what waits to fill a batch may go.
  virtual Result<void> nudge() = 0;
  // Returns when each message sent has been acknowledged or has failed; kTimeout where that takes
  // longer.
  virtual Result<void> flush(int64_t timeout_us) = 0;
  // What goes on underneath ("broker 127.0.0.1:9092 is away, retrying"), empty where all is well.
  virtual std::string trouble() const { return {}; }
};

}  // namespace weir::simulate
