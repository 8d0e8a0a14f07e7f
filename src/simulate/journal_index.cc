#include "simulate/journal_index.h"

#include <algorithm>

namespace weir::simulate {

using base::error;
using base::ErrorKind;

namespace {

constexpr uint64_t kEventsMax = uint64_t{1} << 33;  // of an epoch: 8 GB of states

}  // namespace

Result<std::unique_ptr<JournalIndex>> JournalIndex::load(io::FileSystem& files,
                                                         const std::string& path) {
  auto index = std::make_unique<JournalIndex>();
  auto extent = read_journal(files, path, *index);
  if (!extent.ok()) return std::move(extent).error();
  if (index->failure_) return *index->failure_;
  index->extent_ = *extent;
  return index;
}

std::optional<EventPlace> JournalIndex::find(std::string_view event_id) {
  for (Epoch& epoch : epochs_) {
    const auto index = epoch.generator.identity().index_of(event_id);
    if (index && *index < epoch.events.size()) return EventPlace{.epoch = &epoch, .index = *index};
  }
  return std::nullopt;
}

double JournalIndex::duplicates_max() const {
  double most = 0;
  for (const Epoch& epoch : epochs_)
    most = std::max(most, epoch.generator.shape().duplicates);
  return most;
}

void JournalIndex::on_run(const JournalRun& run) {
  ++runs_;
  const auto known = std::find_if(epochs_.begin(), epochs_.end(), [&](const Epoch& epoch) {
    return epoch.generator.shape() == run.shape;
  });
  current_ = known == epochs_.end() ? &epochs_.emplace_back(run.shape) : &*known;
}

void JournalIndex::on_reservation(const JournalReservation& reservation) {
  if (failure_ || current_ == nullptr) return;
  if (reservation.end > kEventsMax) {
    failure_ = error(ErrorKind::kResourceExhausted,
                     "the journal has {} events of one seed; {} can be verified", reservation.end,
                     kEventsMax);
    return;
  }
  auto& events = current_->events;
  if (events.size() < reservation.end) events.resize(reservation.end);
  for (uint64_t i = reservation.first; i < reservation.end; ++i)
    events[i].set_sent(true);
  for (const uint64_t copy : reservation.copies)
    if (copy < events.size()) events[copy].set_copy_sent();
}

void JournalIndex::on_acknowledgement(const JournalAcknowledgement& acknowledgement) {
  if (current_ == nullptr) return;
  auto& partition = acknowledged_[{acknowledgement.topic, acknowledgement.partition}];
  int64_t offset = acknowledgement.base_offset;
  for (const MessageTag& message : acknowledgement.messages) {
    ++messages_acknowledged_;
    if (message.index < current_->events.size()) current_->events[message.index].add_acknowledged();
    if (acknowledgement.base_offset < 0) continue;
    if (partition.offsets.insert(offset))
      partition.fingerprint += place_hash(offset, event_hash(*current_, message.index));
    else
      ++partition.twice;
    ++offset;
  }
}

void JournalIndex::on_failure(const JournalFailure& failure) {
  messages_failed_ += static_cast<int64_t>(failure.messages.size());
}

void JournalIndex::on_stop(const JournalStop& stop) {
  ++stops_;
  if (current_ == nullptr) return;
  for (uint64_t i = stop.next_index; i < current_->events.size(); ++i)
    current_->events[i].set_sent(false);
}

}  // namespace weir::simulate
