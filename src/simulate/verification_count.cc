// The end of a verification: what the counts of events, devices, offsets and times amount to.
#include <algorithm>

#include "simulate/verification.h"

namespace weir::simulate {
namespace {

constexpr double kDuplicatesLimit = 0.0011;  // of the sample's own check
constexpr double kDuplicatesMargin = 1.1;    // the same margin for other --duplicates
constexpr double kThroughputPart = 0.9;
constexpr double kEdgePart = 0.1;  // left out at both ends of a device's sequence

using Outcome = VerificationAssertion::Outcome;

}  // namespace

VerificationReport Verification::finish() {
  report_.runs = journal_.runs();
  report_.runs_ended = journal_.runs_ended();
  report_.messages_acknowledged = journal_.messages_acknowledged();
  report_.messages_failed = journal_.messages_failed();
  report_.journal_torn_bytes = journal_.extent().torn_bytes;
  count_events();
  for (const Epoch& epoch : journal_.epochs()) {
    count_sequences(epoch);
    count_out_of_sequence(epoch);
  }
  if (middle_rows_ > 0)
    report_.missing_fraction =
        static_cast<double>(middle_gaps_) / static_cast<double>(middle_rows_);
  if (sequence_steps_ > 0)
    report_.out_of_sequence_fraction =
        static_cast<double>(sequence_breaks_) / static_cast<double>(sequence_steps_);
  count_places();
  count_intervals();
  assert_all();
  return report_;
}

void Verification::count_events() {
  for (const Epoch& epoch : journal_.epochs()) {
    for (uint64_t index = 0; index < epoch.events.size(); ++index) {
      const EventState state = epoch.events[index];
      report_.events_sent += state.sent();
      report_.events_stored += state.sent() && state.rows() > 0;
      const int rows = std::min(state.rows(), state.allowed());
      report_.unacknowledged += std::max(0, rows - state.acknowledged());
      for (int lost = state.rows(); lost < state.acknowledged(); ++lost) {
        char id[EventIdentity::kUuidLength];
        epoch.generator.identity().write_uuid(index, id);
        wrong(report_.missing, "acknowledged, not in the table", {id, sizeof id});
      }
      if (report_.has_log && !report_.has_places) {
        report_.not_in_table += std::max(0, state.records() - state.rows());
        report_.not_in_log += std::max(0, state.rows() - state.records());
      }
    }
  }
}

// Events lie by sequence number and then device, so one pass sees each device's sequence in order.
void Verification::count_sequences(const Epoch& epoch) {
  const auto devices = static_cast<size_t>(epoch.generator.shape().devices);
  struct Device {
    int64_t present = 0;
    int64_t rank = 0;
    int64_t last = -1;
    bool acknowledged_absent = false;
  };
  std::vector<Device> all(devices);
  for (uint64_t index = 0; index < epoch.events.size(); ++index)
    all[index % devices].present += epoch.events[index].rows() > 0;
  for (uint64_t index = 0; index < epoch.events.size(); ++index) {
    Device& device = all[index % devices];
    const EventState state = epoch.events[index];
    if (state.rows() == 0) {
      device.acknowledged_absent |= state.acknowledged() > 0;
      continue;
    }
    const auto sequence = static_cast<int64_t>(index / devices);
    const bool gap = device.last >= 0 && sequence - device.last > 1;
    report_.gaps += gap;
    report_.gaps_unexplained += gap && device.acknowledged_absent;
    const auto edge = static_cast<int64_t>(kEdgePart * static_cast<double>(device.present));
    if (device.rank >= edge && device.rank < device.present - edge) {
      ++middle_rows_;
      middle_gaps_ += gap;
    }
    ++device.rank;
    device.last = sequence;
    device.acknowledged_absent = false;
  }
}

// By device, ordered by storedAt and then sequence number: how often the number rises by more than
// one.
void Verification::count_out_of_sequence(const Epoch& epoch) {
  if (epoch.stored_ms.empty()) return;
  const auto devices = static_cast<size_t>(epoch.generator.shape().devices);
  std::vector<std::pair<uint32_t, uint64_t>> rows;
  for (size_t device = 0; device < devices; ++device) {
    rows.clear();
    for (uint64_t index = device; index < epoch.stored_ms.size(); index += devices)
      if (epoch.stored_ms[index] != 0) rows.emplace_back(epoch.stored_ms[index], index / devices);
    std::sort(rows.begin(), rows.end());
    for (size_t i = 1; i < rows.size(); ++i) {
      ++sequence_steps_;
      sequence_breaks_ +=
          static_cast<int64_t>(rows[i].second) - static_cast<int64_t>(rows[i - 1].second) > 1;
    }
  }
}

void Verification::count_places() {
  // No names by structured binding where a lambda uses them: clang captures none.
  for (const auto& known : journal_.acknowledged()) {
    const auto& partition = known.first;
    const auto& acknowledged = known.second;
    report_.acknowledged_twice += acknowledged.twice;
    const auto found = places_.find(partition);
    if (found == places_.end()) continue;
    const Place& place = found->second;
    if (report_.has_places) {
      int64_t absent = 0;
      acknowledged.offsets.for_each_not_in(place.rows, [&](int64_t) { ++absent; });
      // Where a row is missing, that is what is wrong; where none is, each has to be the event that
      // was sent there.
      report_.places_misplaced +=
          absent == 0 && acknowledged.fingerprint != place.acknowledged_fingerprint;
    }
    if (place.log_end >= 0)
      acknowledged.offsets.for_each_not_in(place.records, [&](int64_t offset) {
        if (offset >= place.log_start)
          wrong(report_.log_missing, "acknowledged, not in the log",
                fmt::format("{} partition {} offset {}", partition.topic, partition.partition,
                            offset));
      });
  }
  if (!report_.has_log || !report_.has_places) return;
  for (const auto& entry : places_) {
    const auto& partition = entry.first;
    const Place& place = entry.second;
    if (place.log_end < 0) continue;
    const int64_t different = report_.not_in_table + report_.not_in_log;
    const auto where = [&](int64_t offset) {
      return fmt::format("{} partition {} offset {}", partition.topic, partition.partition, offset);
    };
    place.records.for_each_not_in(place.rows, [&](int64_t offset) {
      wrong(report_.not_in_table, "in the log, not in the table", where(offset));
    });
    place.rows.for_each_not_in(place.records, [&](int64_t offset) {
      if (offset >= place.log_start && offset < place.log_end)
        wrong(report_.not_in_log, "in the table, not in the log", where(offset));
    });
    if (different == report_.not_in_table + report_.not_in_log)
      report_.log_differs += place.row_fingerprint != place.record_fingerprint;
  }
}

void Verification::count_intervals() {
  report_.latencies = latency_->count();
  report_.latencies_negative = latency_->negative();
  report_.latency_p50_seconds = static_cast<double>(latency_->quantile_us(0.5)) / 1e6;
  report_.latency_p99_seconds = static_cast<double>(latency_->quantile_us(0.99)) / 1e6;
  report_.latency_max_seconds = static_cast<double>(latency_->max_us()) / 1e6;
  const double seconds = static_cast<double>(options_.interval_us) / 1e6;
  for (const auto& [number, counted] : intervals_) {
    VerificationInterval interval{
        .start_us = number * options_.interval_us,
        .rows = counted.rows,
        .events_per_second = static_cast<double>(counted.events) / seconds};
    if (counted.latencies > 0) {
      interval.mean_latency_seconds = static_cast<double>(counted.latency_sum_us) / 1e6 /
                                      static_cast<double>(counted.latencies);
      if (report_.best_latency_seconds < 0 ||
          interval.mean_latency_seconds < report_.best_latency_seconds)
        report_.best_latency_seconds = interval.mean_latency_seconds;
    }
    report_.best_rate = std::max(report_.best_rate, interval.events_per_second);
    report_.intervals.push_back(interval);
  }
}

void Verification::assert_all() {
  VerificationReport& r = report_;
  const auto check = [&](std::string name, bool passed, std::string detail) {
    r.assertions.push_back(
        {std::move(name), passed ? Outcome::kPassed : Outcome::kFailed, std::move(detail)});
  };
  const auto skip = [&](std::string name, std::string why) {
    r.assertions.push_back({std::move(name), Outcome::kNotChecked, std::move(why)});
  };
  check("missing", r.missing == 0,
        fmt::format("{} of {} acknowledged messages are not in the table", r.missing,
                    r.messages_acknowledged));
  check("unexpected", r.unexpected == 0,
        fmt::format("{} of {} rows were never sent", r.unexpected, r.rows));
  check("duplicates", r.duplicates_unmeant == 0,
        fmt::format("{} rows beyond what was sent; {} copies were meant", r.duplicates_unmeant,
                    r.duplicates_meant));
  check("parsed", r.null_ids == 0,
        fmt::format("{} rows have no eventId: their message did not parse", r.null_ids));
  check("content", r.wrong_content == 0,
        fmt::format("{} rows have other values than were sent", r.wrong_content));
  check("gaps", r.gaps_unexplained == 0,
        fmt::format("{} gaps in devices' sequences, {} with an acknowledged event in them", r.gaps,
                    r.gaps_unexplained));
  const double part =
      r.rows > 0 ? static_cast<double>(r.duplicated_events) / static_cast<double>(r.rows) : 0;
  const double limit = std::max(kDuplicatesLimit, kDuplicatesMargin * journal_.duplicates_max());
  check("duplicate fraction", part <= limit || r.duplicated_events <= 1,
        fmt::format("{:.6f} of the rows, at most {:.4f}", part, limit));
  check(
      "missing fraction", r.missing_fraction == 0 || r.gaps_unexplained == 0,
      fmt::format("{:.6f} of the rows follow a gap, first and last tenth of each device left out{}",
                  r.missing_fraction,
                  r.missing_fraction > 0 && r.gaps_unexplained == 0
                      ? "; nothing acknowledged is in the gaps"
                      : ""));
  check("out of sequence", r.out_of_sequence_fraction <= 1,
        fmt::format("{:.6f} of the rows, at most 1", r.out_of_sequence_fraction));
  if (options_.expected_rate > 0)
    check("throughput", r.best_rate >= kThroughputPart * options_.expected_rate,
          fmt::format("{:.1f} events/s in the best interval, at least {:.1f}", r.best_rate,
                      kThroughputPart * options_.expected_rate));
  else
    skip("throughput",
         fmt::format("{:.1f} events/s in the best interval; no rate was given to hold it against",
                     r.best_rate));
  const double latency_limit = static_cast<double>(options_.latency_limit_us) / 1e6;
  if (r.best_latency_seconds >= 0)
    check("latency", r.best_latency_seconds <= latency_limit,
          fmt::format("{:.3f} s in the mean of the best interval, at most {:.0f}",
                      r.best_latency_seconds, latency_limit));
  else
    skip("latency", "the table has no times of enqueuing and storing");
  if (r.has_places) {
    check("places", r.places_twice == 0 && r.places_misplaced == 0,
          fmt::format("{} rows repeat a (topic, partition, offset), {} partitions hold an event at "
                      "another's offset",
                      r.places_twice, r.places_misplaced));
  } else {
    skip("places", "the table has no partition and offset");
  }
  if (!r.has_log) return skip("log", "the log was not read");
  check("log",
        r.log_missing == 0 && r.log_foreign == 0 && r.log_twice == 0 && r.acknowledged_twice == 0,
        fmt::format("of {} records {} were never sent and {} more often than sent; {} acknowledged "
                    "are missing",
                    r.log_records, r.log_foreign, r.log_twice, r.log_missing));
  check("table = log", r.not_in_table == 0 && r.not_in_log == 0 && r.log_differs == 0,
        fmt::format("{} records are not in the table, {} rows not in the log, {} partitions differ",
                    r.not_in_table, r.not_in_log, r.log_differs));
}

}  // namespace weir::simulate
