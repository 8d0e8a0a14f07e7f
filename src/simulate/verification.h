// Holds a table, and the log where there is one, against a journal.
//
//   auto index = JournalIndex::load(…);
//   Verification verification(*index, options);
//   verification.open(*scan.arrow_schema());         columns are found by name
//   for each batch: verification.add_rows(batch);
//   for each record of the log: verification.add_record(…);
//   VerificationReport report = verification.finish();
//
// Columns: eventId is needed. Looked at where they are there: deviceId, deviceSequenceNumber, type,
// value (DOUBLE or STRING), complexData (compared with the event that the seed gives, bit by bit),
// storedAt, enqueuedAt (or timestamp, _timestamp), _topic, _partition, _offset (or without the
// underscore). Names in any case. One thread. Memory: see journal_index.h, and a bit for every
// offset of table and log.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "simulate/journal_index.h"
#include "simulate/latency_histogram.h"
#include "simulate/verification_report.h"

namespace arrow {
class Array;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace weir::simulate {

struct VerifyOptions {
  int64_t interval_us = 60'000'000;  // the stretches by which rows are counted
  double expected_rate = 0;  // events a second; over 0: the best interval has to reach 0.9 of it
  int64_t latency_limit_us = 15'000'000;  // the best interval's mean has to stay below
  bool check_content = true;              // value and complexData against the seed
};

class Verification {
 public:
  Verification(JournalIndex& journal, VerifyOptions options);
  ~Verification();

  // The columns out of `schema` that are wanted, to be scanned in this order. kInvalidArgument
  // without eventId.
  static Result<std::vector<std::string>> columns(const arrow::Schema& schema,
                                                  const VerifyOptions& options);

  // Rows with the columns of columns(), by name.
  Result<void> add_rows(const arrow::RecordBatch& rows);
  // The log reaches from `start` to before `end`; call it for every partition, before its records.
  void add_log_partition(const base::TopicPartition& partition, int64_t start, int64_t end);
  void add_record(const base::TopicPartition& partition, int64_t offset, std::string_view value);

  VerificationReport finish();

 private:
  struct Columns;
  struct Place {  // where rows and records of one partition were seen
    OffsetBits rows;
    OffsetBits records;
    uint64_t row_fingerprint = 0;           // over all rows
    uint64_t record_fingerprint = 0;        // over all records
    uint64_t acknowledged_fingerprint = 0;  // over rows at acknowledged offsets
    int64_t rows_twice = 0;
    int64_t log_start = -1;
    int64_t log_end = -1;
  };
  struct Interval {
    int64_t rows = 0;
    int64_t events = 0;  // rows with an eventId
    int64_t latency_sum_us = 0;
    int64_t latencies = 0;
  };
  void add_row(const Columns& columns, int64_t row);
  bool content_differs(const Columns& columns, int64_t row, const EventPlace& place) const;
  void add_time(const Columns& columns, int64_t row, const std::optional<EventPlace>& place,
                bool has_id);
  void add_offset(const Columns& columns, int64_t row, uint64_t event);
  void wrong(int64_t& count, std::string_view what, std::string_view id);
  uint64_t id_hash(std::string_view id, const std::optional<EventPlace>& place) const;

  void count_events();
  void count_sequences(const Epoch& epoch);
  void count_out_of_sequence(const Epoch& epoch);
  void count_places();
  void count_intervals();
  void assert_all();

  JournalIndex& journal_;
  VerifyOptions options_;
  VerificationReport report_;
  std::map<base::TopicPartition, Place> places_;
  std::map<int64_t, Interval> intervals_;  // by number of interval since the epoch
  std::unique_ptr<LatencyHistogram> latency_;
  std::optional<int64_t> first_stored_ms_;
  int64_t sequence_steps_ = 0;  // rows with one of their device before them
  int64_t sequence_breaks_ = 0;
  int64_t middle_rows_ = 0;
  int64_t middle_gaps_ = 0;
  std::string only_topic_;  // of rows without a topic column
};

}  // namespace weir::simulate
