#include "simulate/verification_report.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/clock.h"

namespace weir::simulate {
namespace {

using Outcome = VerificationAssertion::Outcome;

constexpr size_t kIntervalsShown = 60;

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "passed";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kNotChecked:
      break;
  }
  return "notChecked";
}

base::JsonArray assertions_json(const std::vector<VerificationAssertion>& assertions) {
  base::JsonArray array;
  for (const VerificationAssertion& assertion : assertions)
    array.push_back(base::JsonObject{{"name", assertion.name},
                                     {"outcome", outcome_name(assertion.outcome)},
                                     {"detail", assertion.detail}});
  return array;
}

base::JsonArray intervals_json(const std::vector<VerificationInterval>& intervals) {
  base::JsonArray array;
  for (const VerificationInterval& interval : intervals) {
    base::JsonObject object{{"start", base::format_utc_ms(interval.start_us)},
                            {"rows", interval.rows},
                            {"eventsPerSecond", interval.events_per_second}};
    if (interval.mean_latency_seconds >= 0)
      object["meanLatencySeconds"] = interval.mean_latency_seconds;
    array.push_back(std::move(object));
  }
  return array;
}

}  // namespace

bool VerificationReport::passed() const {
  return std::none_of(assertions.begin(), assertions.end(),
                      [](const auto& a) { return a.outcome == Outcome::kFailed; });
}

base::JsonObject VerificationReport::to_json() const {
  base::JsonObject json{
      {"passed", passed()},
      {"journal", base::JsonObject{{"runs", runs},
                                   {"runsEnded", runs_ended},
                                   {"eventsSent", events_sent},
                                   {"messagesAcknowledged", messages_acknowledged},
                                   {"messagesFailed", messages_failed},
                                   {"tornBytes", journal_torn_bytes}}},
      {"table", base::JsonObject{{"rows", rows},
                                 {"events", events_stored},
                                 {"missing", missing},
                                 {"unexpected", unexpected},
                                 {"unacknowledged", unacknowledged},
                                 {"duplicatesMeant", duplicates_meant},
                                 {"duplicatesUnmeant", duplicates_unmeant},
                                 {"duplicatedEvents", duplicated_events},
                                 {"nullEventIds", null_ids},
                                 {"wrongContent", wrong_content},
                                 {"gaps", gaps},
                                 {"gapsUnexplained", gaps_unexplained},
                                 {"missingFraction", missing_fraction},
                                 {"outOfSequenceFraction", out_of_sequence_fraction}}}};
  if (has_places)
    json["places"] = base::JsonObject{{"twice", places_twice},
                                      {"misplacedPartitions", places_misplaced},
                                      {"acknowledgedTwice", acknowledged_twice}};
  if (has_log)
    json["log"] = base::JsonObject{{"records", log_records},
                                   {"foreign", log_foreign},
                                   {"twice", log_twice},
                                   {"missing", log_missing},
                                   {"notInTable", not_in_table},
                                   {"notInLog", not_in_log},
                                   {"differentPartitions", log_differs}};
  if (latencies > 0)
    json["latencySeconds"] = base::JsonObject{{"p50", latency_p50_seconds},
                                              {"p99", latency_p99_seconds},
                                              {"max", latency_max_seconds},
                                              {"rows", latencies},
                                              {"negative", latencies_negative}};
  json["intervalSeconds"] = static_cast<double>(interval_us) / 1e6;
  json["intervals"] = intervals_json(intervals);
  json["assertions"] = assertions_json(assertions);
  base::JsonArray shown;
  for (const std::string& example : examples)
    shown.emplace_back(example);
  json["examples"] = std::move(shown);
  return json;
}

std::string VerificationReport::to_text() const {
  std::string text = fmt::format(
      "journal  {} runs ({} ended in order), {} events sent, {} messages acknowledged, {} failed\n",
      runs, runs_ended, events_sent, messages_acknowledged, messages_failed);
  if (journal_torn_bytes > 0)
    text += fmt::format("         {} bytes of a torn tail were left out\n", journal_torn_bytes);
  text += fmt::format(
      "table    {} rows of {} events; {} second rows were meant; {} rows were stored, but not "
      "acknowledged\n",
      rows, events_stored, duplicates_meant, unacknowledged);
  if (has_log) text += fmt::format("log      {} records\n", log_records);
  if (latencies > 0)
    text += fmt::format("latency  enqueued to stored: p50 {:.3f} s, p99 {:.3f} s, max {:.3f} s\n",
                        latency_p50_seconds, latency_p99_seconds, latency_max_seconds);
  if (latencies_negative > 0)
    text += fmt::format("         {} rows were stored before they were enqueued, by the clocks\n",
                        latencies_negative);
  if (!intervals.empty()) {
    text += fmt::format("rows by {} s (UTC)\n", static_cast<double>(interval_us) / 1e6);
    const size_t first =
        intervals.size() > kIntervalsShown ? intervals.size() - kIntervalsShown : 0;
    if (first > 0) text += fmt::format("  … {} earlier ones\n", first);
    for (size_t i = first; i < intervals.size(); ++i) {
      text +=
          fmt::format("  {} {:>10} rows {:>10.1f}/s", base::format_utc_ms(intervals[i].start_us),
                      intervals[i].rows, intervals[i].events_per_second);
      if (intervals[i].mean_latency_seconds >= 0)
        text += fmt::format("  mean latency {:.3f} s", intervals[i].mean_latency_seconds);
      text += '\n';
    }
  }
  for (const VerificationAssertion& assertion : assertions) {
    const std::string_view mark = assertion.outcome == Outcome::kPassed   ? "ok    "
                                  : assertion.outcome == Outcome::kFailed ? "FAILED"
                                                                          : "-     ";
    text += fmt::format("{} {:<19} {}\n", mark, assertion.name, assertion.detail);
  }
  for (const std::string& example : examples)
    text += fmt::format("       e.g. {}\n", example);
  text += passed() ? "verified: the table holds what was sent\n" : "NOT verified\n";
  return text;
}

}  // namespace weir::simulate
