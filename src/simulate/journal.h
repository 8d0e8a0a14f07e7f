// The journal of a simulator: durably names what was sent, what was acknowledged, and what was sent
// twice on purpose, in about a byte an event, so that `weir verify` can tell a lost event from one
// that never was.
//
// Events are named by index (event_identity.h gives eventId ↔ index). What is sent is named before:
// send() may only be called for messages of a reservation that is durable. A reservation covers a
// fifth of a second or so, hence after a crash some of its events were never sent; they count as
// "perhaps sent". Acknowledgements are written at once and synced with the next interval; those
// that a crash takes leave events "stored but not acknowledged".
//
// The file's bytes are in docs/formats/journal.md: records with a CRC-32C each, appended. A torn
// tail is cut when the journal is opened again; damage before the last synced byte is kCorruption.
//
// Opened again with the same shape the journal goes on with the next index, with another it begins
// a new epoch: verify knows them all. One simulator at a time (a lock file beside the journal).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "io/file_system.h"
#include "simulate/event_shape.h"
#include "simulate/event_sink.h"

namespace weir::simulate {

struct JournalRun {  // a simulator was started
  EventShape shape;
  uint64_t first_index = 0;  // of this run; an earlier run of the same shape had those before
  int64_t started_us = 0;    // wall clock
  std::string target;        // "kafka://127.0.0.1:9092/events"; for people
};

struct JournalReservation {  // events [first, end) and these copies are sent from now on
  uint64_t first = 0;
  uint64_t end = 0;
  std::vector<uint64_t> copies;
};

struct JournalAcknowledgement {
  std::string topic;
  int32_t partition = 0;
  int64_t base_offset = 0;  // -1: stored, but the broker no longer knew where
  int64_t time_us = 0;      // wall clock
  std::vector<MessageTag> messages;
};

struct JournalFailure {
  int64_t time_us = 0;
  std::string error;
  std::vector<MessageTag> messages;
};

struct JournalStop {        // the run ended in order
  uint64_t next_index = 0;  // events from here on were reserved, but not sent
  int64_t time_us = 0;
  int64_t sent = 0;
  int64_t acknowledged = 0;
  int64_t duplicated = 0;
};

// Takes the records in the order of the file. Those after a JournalRun belong to it.
class JournalVisitor {
 public:
  virtual ~JournalVisitor() = default;
  virtual void on_run(const JournalRun&) {}
  virtual void on_reservation(const JournalReservation&) {}
  virtual void on_acknowledgement(const JournalAcknowledgement&) {}
  virtual void on_failure(const JournalFailure&) {}
  virtual void on_stop(const JournalStop&) {}
};

struct JournalExtent {
  int64_t valid_bytes = 0;  // up to the end of the last good record
  int64_t torn_bytes = 0;   // after it
  int64_t records = 0;
};

// May be read while it is being written.
Result<JournalExtent> read_journal(io::FileSystem& files, const std::string& path,
                                   JournalVisitor& visitor);

class JournalWriter {
 public:
  struct Options {
    int64_t sync_interval_us = 200'000;  // how long an acknowledgement may stay unsynced
  };
  // Opens or creates. shape: its seed counts only where seed_given; otherwise an existing journal's
  // last seed is taken where the rest of the shape is the same, else `shape.seed`. kConflict where
  // another simulator has the journal.
  static Result<std::unique_ptr<JournalWriter>> open(io::FileSystem& files,
                                                     const base::Clock& clock,
                                                     const std::string& path, EventShape shape,
                                                     bool seed_given, const std::string& target,
                                                     Options options);
  ~JournalWriter();  // writes what is queued, without a JournalStop
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  const EventShape& shape() const { return shape_; }
  uint64_t first_index() const { return first_index_; }  // where this run begins

  // Queues a reservation; await() returns when the reservation of that number is durable.
  uint64_t reserve(const JournalReservation& reservation);
  Result<void> await(uint64_t reservation);
  void acknowledged(const Acknowledgement& acknowledgement);
  void failed(std::span<const MessageTag> messages, const base::Error& error);
  // The last record; everything durable on return.
  Result<void> finish(const JournalStop& stop);

 private:
  JournalWriter(const base::Clock& clock, EventShape shape, Options options);
  Result<void> begin(io::FileSystem& files, const std::string& path, bool seed_given,
                     const std::string& target);
  void append_record(uint8_t type, std::string_view payload);  // mutex_ held
  void write_loop(std::stop_token stop);
  Result<void> write_out(const std::string& bytes, bool sync);

  const base::Clock& clock_;
  EventShape shape_;
  Options options_;
  uint64_t first_index_ = 0;
  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<io::WritableFile> file_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string queued_;
  std::string scratch_;
  uint64_t reservations_queued_ = 0;
  uint64_t reservations_durable_ = 0;
  int64_t synced_bytes_ = 0;
  bool finish_queued_ = false;
  bool finished_ = false;
  std::optional<base::Error> failure_;
  std::jthread writer_;
};

}  // namespace weir::simulate
