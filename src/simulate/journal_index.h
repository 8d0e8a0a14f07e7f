// What a journal says, by event: one byte for each, where rows of a table and records of a log are
// counted too.
//
// An epoch is all runs of one shape: their indexes go on from run to run. Memory: a byte an event,
// four more where the time at which it was stored is kept, and a bit for every acknowledged offset.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "simulate/event_generator.h"
#include "simulate/journal.h"
#include "simulate/offset_bits.h"

namespace weir::simulate {

// The counts of one event, packed into a byte.
class EventState {
 public:
  bool sent() const { return (bits_ & 0x10) != 0; }  // perhaps
  bool copy_sent() const { return (bits_ & 0x20) != 0; }
  int acknowledged() const { return bits_ & 3; }  // 0 … 2 messages
  int rows() const { return bits_ >> 2 & 3; }     // 3: three or more
  int records() const { return bits_ >> 6 & 3; }  // in the log
  int allowed() const { return sent() ? 1 + copy_sent() : 0; }

  void set_sent(bool sent) { bits_ = static_cast<uint8_t>(sent ? bits_ | 0x10 : bits_ & ~0x30); }
  void set_copy_sent() { bits_ |= 0x20; }
  void add_acknowledged() { add(0); }
  void add_row() { add(2); }
  void add_record() { add(6); }

 private:
  void add(int shift) {
    if ((bits_ >> shift & 3) < 3) bits_ = static_cast<uint8_t>(bits_ + (1 << shift));
  }
  uint8_t bits_ = 0;
};

struct Epoch {
  explicit Epoch(const EventShape& shape) : generator(shape) {}
  EventGenerator generator;
  std::vector<EventState> events;
  std::vector<uint32_t> stored_ms;  // by event, from the verification's first time; 0: not known
};

struct EventPlace {
  Epoch* epoch = nullptr;
  uint64_t index = 0;
};

// A number for an event that is the same in journal, table and log.
inline uint64_t event_hash(const Epoch& epoch, uint64_t index) {
  return mix64(mix64(epoch.generator.shape().seed) ^ index);
}
inline uint64_t place_hash(int64_t offset, uint64_t event) {
  return mix64(mix64(static_cast<uint64_t>(offset)) ^ event);
}

struct AcknowledgedPartition {
  OffsetBits offsets;
  uint64_t fingerprint = 0;  // sum of place_hash over offsets
  int64_t twice = 0;         // offsets that were acknowledged for two messages: the broker is wrong
};

class JournalIndex final : private JournalVisitor {
 public:
  static Result<std::unique_ptr<JournalIndex>> load(io::FileSystem& files, const std::string& path);

  // Where the event of this id belongs; nullopt where no run can have sent it.
  std::optional<EventPlace> find(std::string_view event_id);

  std::deque<Epoch>& epochs() { return epochs_; }
  const std::map<base::TopicPartition, AcknowledgedPartition>& acknowledged() const {
    return acknowledged_;
  }
  int64_t runs() const { return runs_; }
  int64_t runs_ended() const { return stops_; }
  int64_t messages_acknowledged() const { return messages_acknowledged_; }
  int64_t messages_failed() const { return messages_failed_; }
  double duplicates_max() const;  // the greatest --duplicates of all runs
  const JournalExtent& extent() const { return extent_; }

 private:
  void on_run(const JournalRun& run) override;
  void on_reservation(const JournalReservation& reservation) override;
  void on_acknowledgement(const JournalAcknowledgement& acknowledgement) override;
  void on_failure(const JournalFailure& failure) override;
  void on_stop(const JournalStop& stop) override;

  std::deque<Epoch> epochs_;
  Epoch* current_ = nullptr;
  std::map<base::TopicPartition, AcknowledgedPartition> acknowledged_;
  int64_t runs_ = 0;
  int64_t stops_ = 0;
  int64_t messages_acknowledged_ = 0;
  int64_t messages_failed_ = 0;
  JournalExtent extent_;
  std::optional<base::Error> failure_;
};

}  // namespace weir::simulate
