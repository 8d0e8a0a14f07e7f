// What `weir verify` found: counts, assertions, and a few examples of what is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace weir::simulate {

struct VerificationAssertion {
  enum class Outcome { kPassed, kFailed, kNotChecked };
  std::string name;  // "missing"
  Outcome outcome = Outcome::kNotChecked;
  std::string detail;  // "0 acknowledged messages are not in the table"
};

struct VerificationInterval {
  int64_t start_us = 0;
  int64_t rows = 0;
  double events_per_second = 0;
  double mean_latency_seconds = -1;  // -1: not known
};

struct VerificationReport {
  // The journal.
  int64_t runs = 0;
  int64_t runs_ended = 0;   // in order
  int64_t events_sent = 0;  // perhaps: reserved and not known to be unsent
  int64_t messages_acknowledged = 0;
  int64_t messages_failed = 0;
  int64_t journal_torn_bytes = 0;
  // The table.
  int64_t rows = 0;
  int64_t null_ids = 0;
  int64_t events_stored = 0;       // different eventIds that the journal knows
  int64_t missing = 0;             // acknowledged messages without a row
  int64_t unexpected = 0;          // rows that nobody sent
  int64_t unacknowledged = 0;      // rows whose message was not acknowledged; allowed
  int64_t duplicates_meant = 0;    // second rows of events that were sent twice
  int64_t duplicates_unmeant = 0;  // rows beyond what was sent
  int64_t duplicated_events = 0;   // eventIds with more than one row
  int64_t wrong_content = 0;
  int64_t gaps = 0;              // stretches of absent sequence numbers between present ones
  int64_t gaps_unexplained = 0;  // with an acknowledged event in them
  double missing_fraction = 0;   // rows after a gap, first and last tenth of each device left out
  double out_of_sequence_fraction = 0;
  // By place, where the table has partition and offset.
  bool has_places = false;
  int64_t places_twice = 0;        // rows of a (topic, partition, offset) that there was already
  int64_t places_misplaced = 0;    // partitions in which an acknowledged offset holds another event
  int64_t acknowledged_twice = 0;  // offsets that the broker gave to two messages
  // The log, where it was read.
  bool has_log = false;
  int64_t log_records = 0;
  int64_t log_foreign = 0;   // records that nobody sent
  int64_t log_missing = 0;   // acknowledged messages without a record
  int64_t log_twice = 0;     // records beyond what was sent
  int64_t not_in_table = 0;  // records without a row
  int64_t not_in_log = 0;    // rows without a record
  int64_t log_differs = 0;   // partitions whose rows are not their records' events
  // Time.
  int64_t latencies = 0;
  int64_t latencies_negative = 0;
  double latency_p50_seconds = 0;
  double latency_p99_seconds = 0;
  double latency_max_seconds = 0;
  double best_rate = 0;
  double best_latency_seconds = -1;
  int64_t interval_us = 0;
  std::vector<VerificationInterval> intervals;

  std::vector<VerificationAssertion> assertions;
  std::vector<std::string> examples;

  bool passed() const;
  base::JsonObject to_json() const;
  std::string to_text() const;  // several lines, with a line end
};

}  // namespace weir::simulate
