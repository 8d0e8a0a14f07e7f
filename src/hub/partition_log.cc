#include "hub/partition_log.h"

#include <algorithm>

#include "base/logging.h"
#include "kafka/crc32c.h"

namespace weir::hub {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;
using kafka::ErrorCode;
using kafka::kRecordBatchHeaderSize;
using kafka::PaddedBuffer;
using kafka::RecordBatchHeader;

constexpr int32_t kLeaderEpoch = 0;  // one broker, one leader, for ever

// The batch's first bytes with base offset and leader epoch, and with log append time where asked
// for.
std::array<char, kRecordBatchHeaderSize> stamped_head(std::string_view batch, int64_t base_offset,
                                                      int64_t append_time_ms) {
  std::array<char, kRecordBatchHeaderSize> head;
  std::copy_n(batch.data(), head.size(), head.data());
  kafka::store_big(head.data(), base_offset);
  kafka::store_big(head.data() + 12, kLeaderEpoch);
  if (append_time_ms >= 0) {
    const auto attributes = static_cast<int16_t>(kafka::load_big<int16_t>(head.data() + 21) | 0x08);
    kafka::store_big(head.data() + 21, attributes);
    kafka::store_big(head.data() + 35, append_time_ms);
    const uint32_t crc = kafka::crc32c(batch.substr(head.size()),
                                       kafka::crc32c({head.data() + 21, head.size() - 21}));
    kafka::store_big(head.data() + 17, crc);
  }
  return head;
}

}  // namespace

PartitionLog::PartitionLog(io::FileSystem& files, base::Clock& clock, Flusher& flusher,
                           HubMetrics* metrics, PartitionLogOptions options)
    : files_(files),
      clock_(clock),
      flusher_(flusher),
      metrics_(metrics),
      options_(std::move(options)),
      never_flush_(flusher.policy() == FlushPolicy::kNever),
      producers_(options_.producers_max),
      point_(files, options_.folder) {}

PartitionLog::~PartitionLog() = default;

void PartitionLog::Notices::deliver() {
  for (const DurableCallback& callback : callbacks)
    callback(durable);
  for (const auto& listener : listeners)
    listener->on_visible(bytes);
}

int64_t PartitionLog::visible_end() const {
  return never_flush_ ? segments_.back()->end_offset() : durable_.offset;
}

int64_t PartitionLog::visible_limit(const LogSegment& segment) const {
  if (never_flush_ || segment.base_offset() < durable_.segment_base) return segment.bytes();
  return segment.base_offset() == durable_.segment_base ? durable_.segment_bytes : 0;
}

AppendOutcome PartitionLog::append(std::string_view batch, const RecordBatchHeader& sent) {
  AppendOutcome outcome;
  Notices notices;
  std::unique_lock lock(mutex_);
  auto storage_error = [&](std::string reason) {
    if (!reason.empty()) take_offline(std::move(reason), notices);
    outcome.error = ErrorCode::kKafkaStorageError;
    outcome.message = fmt::format("partition {} is offline: {}", name(), offline_reason_);
    lock.unlock();
    notices.deliver();
    return outcome;
  };
  if (offline()) return storage_error({});
  outcome.log_start_offset = segments_.front()->base_offset();
  if (sent.has_producer_id()) {
    const ProducerState::Verdict verdict = producers_.check(sent);
    if (verdict.duplicate_of) {
      outcome.duplicate = true;
      outcome.base_offset = verdict.duplicate_of->first_offset;
      outcome.end_offset = verdict.duplicate_of->last_offset + 1;
      return outcome;
    }
    if (verdict.error != ErrorCode::kNone) {
      outcome.error = verdict.error;
      outcome.message = fmt::format(
          "partition {}: producer {} epoch {} sequence {} does not follow what is stored", name(),
          sent.producer_id, sent.producer_epoch, sent.base_sequence);
      return outcome;
    }
  }
  if (active().bytes() > 0 &&
      active().bytes() + static_cast<int64_t>(batch.size()) > options_.config.segment_bytes) {
    if (const auto rolled = roll(); !rolled.ok()) return storage_error(rolled.error().message());
  }
  RecordBatchHeader header = sent;
  header.base_offset = active().end_offset();
  if (options_.config.timestamp_type == TimestampType::kLogAppendTime)
    outcome.log_append_time_ms = header.max_timestamp = clock_.now_ms();
  const auto head = stamped_head(batch, header.base_offset, outcome.log_append_time_ms);
  if (const auto appended = active().append({head.data(), head.size()}, batch, header);
      !appended.ok())
    return storage_error(appended.error().message());
  producers_.append(header, clock_.now_ms());
  outcome.base_offset = header.base_offset;
  outcome.end_offset = header.next_offset();
  bool want = false;
  if (never_flush_) {
    notices.listeners = listeners_;
    notices.bytes = static_cast<int64_t>(batch.size());
  } else {
    want = !std::exchange(flush_wanted_, true);
  }
  lock.unlock();
  if (want) flusher_.want(*this);
  notices.deliver();
  return outcome;
}

void PartitionLog::when_durable(int64_t end_offset, DurableCallback callback) {
  bool durable = false;
  {
    const std::lock_guard lock(mutex_);
    if (!offline()) {
      if (visible_end() < end_offset) {
        waiting_.emplace(end_offset, std::move(callback));
        return;
      }
      durable = true;
    }
  }
  callback(durable);
}

Result<void> PartitionLog::roll() {
  WEIR_TRY(active().sync_writer());
  const DurablePoint point{active().end_offset(), active().end_offset(), 0};
  WEIR_TRY(active().store_index());
  WEIR_TRY(store_snapshot());
  WEIR_ASSIGN(auto segment, LogSegment::create(files_, options_.folder, active().end_offset()));
  segments_.push_back(std::move(segment));
  // What waits for the old segment's end is called by the flush that this append asks for.
  durable_ = point;
  const std::lock_guard lock(point_mutex_);
  return point_.reset(point);
}

Result<void> PartitionLog::store_snapshot() {
  const int64_t end = active().end_offset();
  WEIR_TRY(write_rebuildable(files_,
                             io::join_path(options_.folder, offset_file_name(end, ".producers")),
                             producers_.encode(end)));
  WEIR_ASSIGN(const auto listed, files_.list(options_.folder));
  std::vector<int64_t> snapshots;
  for (const io::FileInfo& file : listed)
    if (const int64_t offset = parse_offset_file_name(file.name, ".producers"); offset >= 0)
      snapshots.push_back(offset);
  std::sort(snapshots.begin(), snapshots.end());
  for (size_t i = 0; i + 2 < snapshots.size(); ++i)
    WEIR_TRY(files_.remove(
        io::join_path(options_.folder, offset_file_name(snapshots[i], ".producers"))));
  return {};
}

void PartitionLog::advance(const DurablePoint& point, Notices& notices) {
  if (point.offset > durable_.offset) {
    notices.bytes = point.segment_base == durable_.segment_base
                        ? point.segment_bytes - durable_.segment_bytes
                        : point.segment_bytes;
    durable_ = point;
  }
  const auto end = waiting_.upper_bound(durable_.offset);
  for (auto at = waiting_.begin(); at != end; ++at)
    notices.callbacks.push_back(std::move(at->second));
  waiting_.erase(waiting_.begin(), end);
  notices.listeners = listeners_;
}

void PartitionLog::take_offline(std::string reason, Notices& notices) {
  if (offline()) return;
  base::log_error("partition={} state=offline reason=\"{}\"", name(), reason);
  offline_reason_ = std::move(reason);
  offline_.store(true, std::memory_order_release);
  if (metrics_) metrics_->count_partition_offline();
  // Not synced: it has to outlive the page cache's lost writes only, which end with the cache
  // (recover()).
  if (const auto marked =
          write_rebuildable(files_, io::join_path(options_.folder, kOfflineMarker), {});
      !marked.ok())
    base::log_warn("partition={} offline_marker=failed reason=\"{}\"", name(),
                   marked.error().message());
  notices.durable = false;
  for (auto& [offset, callback] : waiting_)
    notices.callbacks.push_back(std::move(callback));
  waiting_.clear();
  notices.listeners = listeners_;
}

void PartitionLog::fail(std::string reason) {
  Notices notices;
  {
    const std::lock_guard lock(mutex_);
    take_offline(std::move(reason), notices);
  }
  notices.deliver();
}

bool PartitionLog::flush() {
  const std::lock_guard flush_lock(flush_mutex_);
  std::shared_ptr<LogSegment> segment;
  DurablePoint target;
  {
    const std::lock_guard lock(mutex_);
    flush_wanted_ = false;
    if (offline()) return false;
    segment = segments_.back();
    target = {segment->end_offset(), segment->base_offset(), segment->bytes()};
  }
  const auto synced = segment->sync();
  if (!synced.ok()) {
    fail(synced.error().message());
    return true;
  }
  Notices notices;
  {
    const std::lock_guard lock(mutex_);
    if (offline()) return true;
    advance(target, notices);
  }
  notices.deliver();
  record_point(target);
  return true;
}

void PartitionLog::record_point(const DurablePoint& point) {
  auto recorded = [&]() -> Result<void> {
    const std::lock_guard lock(point_mutex_);
    if (point.offset <= point_.last().offset) return {};
    return point_.record(point);
  }();
  if (!recorded.ok()) fail(recorded.error().message());
}

void PartitionLog::make_recovery_point_durable() {
  auto synced = [&]() -> Result<void> {
    const std::lock_guard lock(point_mutex_);
    return point_.make_durable();
  }();
  if (!synced.ok()) fail(synced.error().message());
}

std::optional<PartitionLog::Place> PartitionLog::locate(int64_t offset) {
  auto after = std::upper_bound(
      segments_.begin(), segments_.end(), offset,
      [](int64_t wanted, const auto& segment) { return wanted < segment->base_offset(); });
  if (after == segments_.begin()) return std::nullopt;
  const std::shared_ptr<LogSegment>& segment = *std::prev(after);
  Place place{segment, 0, visible_limit(*segment)};
  for (const ReadHint& hint : hints_) {
    if (hint.offset == offset && hint.segment_base == segment->base_offset()) {
      place.position = hint.position;
      return place;
    }
  }
  place.position = segment->index().find_offset(offset, segment->base_offset()).position;
  return place;
}

Result<void> PartitionLog::find_batch(Place& place, int64_t offset) const {
  char head[kRecordBatchHeaderSize];
  while (place.position + static_cast<int64_t>(sizeof(head)) <= place.limit) {
    WEIR_ASSIGN(const int64_t got, place.segment->read(place.position, sizeof(head), head));
    const auto size = kafka::record_batch_size({head, static_cast<size_t>(got)});
    if (got < static_cast<int64_t>(sizeof(head)) || !size) break;
    if (kafka::load_big<int64_t>(head) + kafka::load_big<int32_t>(head + 23) >= offset) return {};
    place.position += static_cast<int64_t>(*size);
  }
  return error(ErrorKind::kCorruption, "{} has no batch with offset {} (byte {})",
               place.segment->path(), offset, place.position);
}

ReadOutcome PartitionLog::read(int64_t offset, int64_t max_bytes, bool at_least_one,
                               PaddedBuffer& buffer) {
  ReadOutcome outcome;
  std::optional<Place> place;
  bool sealed = false;
  buffer.set_size(0);
  {
    const std::lock_guard lock(mutex_);
    if (offline()) {
      outcome.error = ErrorCode::kKafkaStorageError;
      return outcome;
    }
    outcome.high_watermark = visible_end();
    outcome.log_start_offset = segments_.front()->base_offset();
    if (offset < outcome.log_start_offset || offset > outcome.high_watermark) {
      outcome.error = ErrorCode::kOffsetOutOfRange;
      return outcome;
    }
    if (offset == outcome.high_watermark || max_bytes <= 0) return outcome;
    place = locate(offset);
    sealed = place && place->segment != segments_.back();
  }
  const auto read = [&]() -> Result<void> {
    WEIR_TRY(find_batch(*place, offset));
    return read_batches(*place, offset, max_bytes, at_least_one, buffer, outcome);
  }();
  if (read.ok()) return outcome;
  buffer.set_size(0);
  outcome.messages = 0;
  if (sealed && read.error().kind() == ErrorKind::kCorruption) {
    // Damage in a sealed segment: its reader is told, and the rest of the log goes on. Told in the
    // log once a segment.
    if (damaged_segment_.exchange(place->segment->base_offset()) != place->segment->base_offset())
      base::log_error("partition={} read=damaged offset={} reason=\"{}\"", name(), offset,
                      read.error().message());
    outcome.error = ErrorCode::kCorruptMessage;
    return outcome;
  }
  // Damage where the log grows: what is served would be wrong or have a gap.
  fail(read.error().message());
  outcome.error = ErrorCode::kKafkaStorageError;
  return outcome;
}

Result<void> PartitionLog::read_batches(const Place& place, int64_t offset, int64_t max_bytes,
                                        bool at_least_one, PaddedBuffer& buffer,
                                        ReadOutcome& outcome) {
  const int64_t left = place.limit - place.position;
  int64_t length = std::min(left, std::max<int64_t>(max_bytes, kRecordBatchHeaderSize));
  buffer.reserve(static_cast<size_t>(length));
  WEIR_ASSIGN(int64_t got, place.segment->read(place.position, length, buffer.data()));
  const auto first = kafka::record_batch_size({buffer.data(), static_cast<size_t>(got)});
  if (got < length || !first || static_cast<int64_t>(*first) > left)
    return error(ErrorKind::kCorruption, "{} is damaged at byte {}", place.segment->path(),
                 place.position);
  if (static_cast<int64_t>(*first) > length && at_least_one) {
    length = static_cast<int64_t>(*first);
    buffer = PaddedBuffer(*first);
    WEIR_ASSIGN(got, place.segment->read(place.position, length, buffer.data()));
  }
  const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
  size_t whole = 0;
  int64_t next = -1;
  while (bytes.size() - whole >= kRecordBatchHeaderSize) {
    const char* const head = bytes.data() + whole;
    const auto size = kafka::record_batch_size(bytes.substr(whole));
    const auto base_offset = kafka::load_big<int64_t>(head);
    if (!size || (next >= 0 && base_offset != next) || (next < 0 && base_offset > offset))
      return error(ErrorKind::kCorruption, "{} is damaged at byte {}", place.segment->path(),
                   place.position + static_cast<int64_t>(whole));
    if (*size > bytes.size() - whole ||
        (whole > 0 && static_cast<int64_t>(whole + *size) > max_bytes))
      break;
    if (whole == 0 && static_cast<int64_t>(*size) > max_bytes && !at_least_one) break;
    next = base_offset + kafka::load_big<int32_t>(head + 23) + 1;
    outcome.messages += kafka::load_big<int32_t>(head + 57);
    whole += *size;
  }
  buffer.set_size(whole);
  if (next >= 0) {
    const std::lock_guard lock(mutex_);
    hints_[next_hint_] = {next, place.segment->base_offset(),
                          place.position + static_cast<int64_t>(whole)};
    next_hint_ = (next_hint_ + 1) % hints_.size();
  }
  return {};
}

Result<TimedOffset> PartitionLog::offset_for_time(int64_t timestamp_ms) {
  std::vector<Place> places;
  int64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    if (offline())
      return error(ErrorKind::kIo, "partition {} is offline: {}", name(), offline_reason_);
    end = visible_end();
    for (const auto& segment : segments_) {
      if (segment->max_timestamp() < timestamp_ms) continue;
      places.push_back({segment,
                        segment->index().find_time(timestamp_ms, segment->base_offset()).position,
                        visible_limit(*segment)});
    }
  }
  PaddedBuffer buffer(64 * 1024);
  for (Place& place : places) {
    while (place.position + static_cast<int64_t>(kRecordBatchHeaderSize) <= place.limit) {
      WEIR_ASSIGN(int64_t got,
                  place.segment->read(place.position, kRecordBatchHeaderSize, buffer.data()));
      const auto size = kafka::record_batch_size({buffer.data(), static_cast<size_t>(got)});
      if (!size || place.position + static_cast<int64_t>(*size) > place.limit)
        return error(ErrorKind::kCorruption, "{} is damaged at byte {}", place.segment->path(),
                     place.position);
      if (kafka::load_big<int64_t>(buffer.data() + 35) >= timestamp_ms) {
        buffer.reserve(*size);
        WEIR_ASSIGN(
            got, place.segment->read(place.position, static_cast<int64_t>(*size), buffer.data()));
        const std::string_view batch(buffer.data(), static_cast<size_t>(got));
        WEIR_ASSIGN(const RecordBatchHeader header, kafka::parse_record_batch_header(batch));
        if (const auto opened = kafka::open_record_batch(batch, header); opened.ok()) {
          kafka::RecordIterator records(opened->header, opened->records);
          for (kafka::Record record; records.next(record);)
            if (record.timestamp_ms >= timestamp_ms && record.offset < end)
              return TimedOffset{record.offset, record.timestamp_ms};
        } else if (header.base_offset < end) {
          return TimedOffset{header.base_offset,
                             header.max_timestamp};  // unreadable to us, not to its readers
        }
      }
      place.position += static_cast<int64_t>(*size);
    }
  }
  return TimedOffset{};
}

void PartitionLog::add_listener(std::shared_ptr<VisibleListener> listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}

void PartitionLog::remove_listener(const VisibleListener* listener) {
  std::shared_ptr<VisibleListener> removed;  // its destructor runs without the lock
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(listeners_.begin(), listeners_.end(),
                               [&](const auto& known) { return known.get() == listener; });
  if (at == listeners_.end()) return;
  removed = std::move(*at);
  *at = std::move(listeners_.back());
  listeners_.pop_back();
}

Result<int> PartitionLog::apply_retention(int64_t now_ms) {
  auto removed = remove_expired(now_ms);
  if (!removed.ok()) fail(removed.error().message());
  return removed;
}

Result<int> PartitionLog::remove_expired(int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (offline()) return 0;
  producers_.expire(now_ms - options_.producer_expiry_ms);
  const int64_t oldest_ms =
      options_.config.retention_ms < 0 ? -1 : now_ms - options_.config.retention_ms;
  auto expired = [&](const LogSegment& segment) {
    return segment.bytes() > 0 && segment.max_timestamp() >= 0 &&
           segment.max_timestamp() < oldest_ms;
  };
  if (std::all_of(segments_.begin(), segments_.end(),
                  [&](const auto& segment) { return expired(*segment); }) &&
      !never_flush_) {
    // Everything has aged out: the active segment too makes place for an empty one.
    if (durable_.offset == active().end_offset()) WEIR_TRY(roll());
  }
  int64_t total = 0;
  for (const auto& segment : segments_)
    total += segment->bytes();
  int removed = 0;
  while (segments_.size() > 1) {
    const bool over = options_.config.retention_bytes >= 0 &&
                      total - segments_.front()->bytes() >= options_.config.retention_bytes;
    if (!over && !expired(*segments_.front())) break;
    total -= segments_.front()->bytes();
    WEIR_TRY(segments_.front()->remove_files());
    // Each name is durably gone before the next one goes, so that no power loss leaves a gap.
    WEIR_TRY(files_.sync_dir(options_.folder));
    segments_.erase(segments_.begin());
    ++removed;
  }
  return removed;
}

Result<void> PartitionLog::close() {
  flush();
  const std::lock_guard lock(mutex_);
  if (offline() || segments_.empty()) return {};
  if (active().bytes() > 0) {
    WEIR_TRY(active().sync_writer());
    WEIR_TRY(active().store_index());
    WEIR_TRY(store_snapshot());
  }
  const std::lock_guard point_lock(point_mutex_);
  const DurablePoint end{active().end_offset(), active().base_offset(), active().bytes()};
  if (end == point_.last()) return point_.make_durable();
  return point_.reset(end);
}

std::string PartitionLog::offline_reason() const {
  const std::lock_guard lock(mutex_);
  return offline_reason_;
}
int64_t PartitionLog::log_start_offset() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? -1 : segments_.front()->base_offset();
}
int64_t PartitionLog::high_watermark() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? -1 : visible_end();
}
int64_t PartitionLog::end_offset() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? -1 : segments_.back()->end_offset();
}
int64_t PartitionLog::bytes() const {
  const std::lock_guard lock(mutex_);
  int64_t total = 0;
  for (const auto& segment : segments_)
    total += segment->bytes();
  return total;
}

}  // namespace weir::hub
