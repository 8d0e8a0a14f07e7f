// The order in which events and their copies are sent: index by index, each copy some events after
// its original.
//
// Copies whose original was sent by an earlier run are not made (its text, with createdAt, is gone
// with that run).
#pragma once

#include <cstdint>
#include <queue>
#include <vector>

#include "simulate/event_generator.h"
#include "simulate/event_sink.h"
#include "simulate/journal.h"

namespace weir::simulate {

struct PlannedMessage {
  MessageTag tag;
  bool copied_later = false;  // its text has to be kept
};

class MessagePlan {
 public:
  MessagePlan(const EventGenerator& generator, uint64_t first_index)
      : generator_(generator), next_(first_index) {}

  uint64_t next_index() const { return next_; }
  // Appends `count` messages to `messages` and says what a journal has to reserve for them.
  JournalReservation plan(int64_t count, std::vector<PlannedMessage>& messages);

 private:
  struct Copy {
    uint64_t due;  // after the event of this index
    uint64_t index;
    bool operator>(const Copy& other) const {
      return due != other.due ? due > other.due : index > other.index;
    }
  };
  const EventGenerator& generator_;
  uint64_t next_;
  std::priority_queue<Copy, std::vector<Copy>, std::greater<>> copies_;
};

}  // namespace weir::simulate
