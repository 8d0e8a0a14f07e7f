#include "simulate/simulation.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weir::simulate {

using base::Error;
using base::error;
using base::ErrorKind;

namespace {

constexpr size_t kErrorsKept = 5;
constexpr int64_t kBurst = 256;  // messages between two looks at the clock and the stop token
constexpr int64_t kShortestSleepUs = 1000;
constexpr int64_t kChunkSecondsInverse =
    5;  // a chunk, and so a reservation, is a fifth of a second
constexpr int64_t kStoppedFlushUs =
    10'000'000;  // who pressed Ctrl-C does not wait for a broker that is away
constexpr int64_t kChunkMin = 64;
constexpr int64_t kChunkMax = 1 << 16;

EventShape shape_of(const SimulationOptions& options, const JournalWriter* journal) {
  return journal == nullptr ? options.shape : journal->shape();
}

}  // namespace

base::JsonObject SimulationReport::to_json() const {
  base::JsonObject json{
      {"sent", sent},
      {"acknowledged", acknowledged},
      {"duplicated", duplicated},
      {"failed", failed},
      {"bytes", bytes},
      {"seconds", seconds},
      {"sendSeconds", send_seconds},
      {"ratePerSecond", send_seconds > 0 ? static_cast<double>(sent) / send_seconds : 0.0},
      {"seed", fmt::format("{}", shape.seed)},
      {"firstIndex", first_index},
      {"nextIndex", next_index}};
  base::JsonArray texts;
  for (const std::string& text : errors)
    texts.emplace_back(text);
  json["errors"] = std::move(texts);
  return json;
}

Simulation::Simulation(base::Clock& clock, SimulationOptions options, JournalWriter* journal)
    : clock_(clock),
      options_(options),
      journal_(journal),
      generator_(shape_of(options, journal)),
      plan_(generator_, journal == nullptr ? 0 : journal->first_index()),
      first_index_(plan_.next_index()),
      next_unsent_(first_index_) {}

int64_t Simulation::due_by(int64_t elapsed_us) const {
  int64_t most = options_.count > 0 ? options_.count : std::numeric_limits<int64_t>::max();
  if (options_.duration_us > 0) {
    if (options_.rate == 0) return elapsed_us >= options_.duration_us ? 0 : most;
    elapsed_us = std::min(elapsed_us, options_.duration_us);
    most = std::min<int64_t>(
        most, std::llround(options_.rate * static_cast<double>(options_.duration_us) / 1e6));
  }
  if (options_.rate == 0) return most;
  return std::min(most,
                  static_cast<int64_t>(options_.rate * static_cast<double>(elapsed_us) / 1e6) + 1);
}

void Simulation::plan_chunk() {
  const int64_t by_rate = static_cast<int64_t>(options_.rate) / kChunkSecondsInverse;
  int64_t count = options_.rate == 0 ? kChunkMax : std::clamp(by_rate, kChunkMin, kChunkMax);
  if (options_.count > 0) count = std::min(count, options_.count - planned_);
  if (count <= 0) return;
  Chunk& chunk = chunks_.emplace_back();
  chunk.messages.reserve(static_cast<size_t>(count));
  const JournalReservation reservation = plan_.plan(count, chunk.messages);
  if (journal_ != nullptr) chunk.reservation = journal_->reserve(reservation);
  planned_ += count;
}

Result<SimulationReport> Simulation::run(EventSink& sink, std::stop_token stop) {
  const int64_t start_us = clock_.monotonic_us();
  auto sent = send_all(sink, stop, start_us);
  const int64_t sent_us = clock_.monotonic_us();
  auto flushed =
      sink.flush(stop.stop_requested() ? std::min(options_.flush_timeout_us, kStoppedFlushUs)
                                       : options_.flush_timeout_us);
  const int64_t end_us = clock_.monotonic_us();
  SimulationReport report{.shape = generator_.shape(),
                          .first_index = first_index_,
                          .next_index = next_unsent_,
                          .sent = counters_.sent,
                          .acknowledged = counters_.acknowledged,
                          .failed = counters_.failed,
                          .duplicated = counters_.duplicated,
                          .bytes = counters_.bytes,
                          .seconds = static_cast<double>(end_us - start_us) / 1e6,
                          .send_seconds = static_cast<double>(sent_us - start_us) / 1e6,
                          .errors = {}};
  if (journal_ != nullptr) {
    auto finished = journal_->finish({.next_index = report.next_index,
                                      .time_us = clock_.now_us(),
                                      .sent = report.sent,
                                      .acknowledged = report.acknowledged,
                                      .duplicated = report.duplicated});
    if (sent.ok() && !finished.ok()) return std::move(finished).error();
  }
  if (!sent.ok() && sent.error().kind() != ErrorKind::kCancelled) return std::move(sent).error();
  std::lock_guard lock(errors_mutex_);
  report.errors = errors_;
  if (!flushed.ok()) report.errors.push_back(flushed.error().to_string());
  return report;
}

int64_t Simulation::created_at_us(uint64_t index, int64_t now_us) const {
  if (options_.event_time_rate <= 0) return now_us;
  return kEventTimeStartUs +
         static_cast<int64_t>(static_cast<double>(index) * 1e6 / options_.event_time_rate);
}

Result<void> Simulation::send_all(EventSink& sink, std::stop_token stop, int64_t start_us) {
  while (!stop.stop_requested()) {
    const int64_t elapsed_us = clock_.monotonic_us() - start_us;
    const int64_t sent = counters_.sent;
    const bool over = options_.duration_us > 0 && elapsed_us >= options_.duration_us;
    const int64_t due = due_by(elapsed_us) - sent;
    if (due > 0 && !(over && elapsed_us > options_.duration_us + kOvertimeUs)) {
      WEIR_TRY(send_some(sink, stop, std::min(due, kBurst)));
      continue;
    }
    if (over || (options_.count > 0 && sent >= options_.count)) return {};
    WEIR_TRY(sink.nudge());
    const auto next_us = static_cast<int64_t>(static_cast<double>(sent) * 1e6 / options_.rate) + 1;
    int64_t wake_us = std::max(start_us + next_us, clock_.monotonic_us() + kShortestSleepUs);
    if (options_.duration_us > 0) wake_us = std::min(wake_us, start_us + options_.duration_us);
    clock_.sleep_until_us(wake_us, stop);
  }
  return {};
}

// Two chunks are under way: one that is being sent, one whose reservation is being made durable
// meanwhile.
Result<void> Simulation::send_some(EventSink& sink, std::stop_token stop, int64_t count) {
  while (count > 0) {
    while (chunks_.size() < 2) {
      const size_t before = chunks_.size();
      plan_chunk();
      if (chunks_.size() == before) break;
    }
    if (chunks_.empty()) return {};
    Chunk& chunk = chunks_.front();
    if (chunk.next == 0 && journal_ != nullptr) WEIR_TRY(journal_->await(chunk.reservation));
    while (count > 0 && chunk.next < chunk.messages.size()) {
      WEIR_TRY(send_one(sink, stop, chunk.messages[chunk.next]));
      ++chunk.next;
      --count;
    }
    if (chunk.next == chunk.messages.size()) chunks_.pop_front();
  }
  return {};
}

Result<void> Simulation::send_one(EventSink& sink, std::stop_token stop,
                                  const PlannedMessage& message) {
  const uint64_t index = message.tag.index;
  if (message.tag.copy) {
    const auto kept = kept_.find(index);
    WEIR_CHECK(kept != kept_.end(), "a copy is sent after its original");
    const std::string& text = kept->second;
    WEIR_TRY(
        sink.send(generator_.device_id(index), text, clock_.now_us() / 1000, message.tag, stop));
    counters_.bytes += static_cast<int64_t>(text.size());
    ++counters_.duplicated;
    kept_.erase(kept);
  } else {
    const int64_t now_us = clock_.now_us();
    const std::string_view text = generator_.event(index, created_at_us(index, now_us));
    WEIR_TRY(sink.send(generator_.device_id(index), text, now_us / 1000, message.tag, stop));
    if (message.copied_later) kept_.emplace(index, std::string(text));
    counters_.bytes += static_cast<int64_t>(text.size());
    next_unsent_ = index + 1;
  }
  ++counters_.sent;
  return {};
}

void Simulation::on_acknowledged(const Acknowledgement& acknowledgement) {
  if (journal_ != nullptr) journal_->acknowledged(acknowledgement);
  counters_.acknowledged += static_cast<int64_t>(acknowledgement.messages.size());
}

void Simulation::on_failed(std::span<const MessageTag> messages, const Error& error) {
  if (journal_ != nullptr) journal_->failed(messages, error);
  counters_.failed += static_cast<int64_t>(messages.size());
  std::lock_guard lock(errors_mutex_);
  const std::string text = error.to_string();
  if (errors_.size() < kErrorsKept &&
      std::find(errors_.begin(), errors_.end(), text) == errors_.end())
    errors_.push_back(text);
}

}  // namespace weir::simulate
