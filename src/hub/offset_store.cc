#include "hub/offset_store.h"

#include <algorithm>

#include "base/logging.h"
#include "base/parse_integer.h"
#include "hub/durable_bytes.h"
#include "hub/log_segment.h"

namespace weir::hub {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;

constexpr std::string_view kOfflineMarker = "offline";
constexpr uint8_t kCommit = 1;
constexpr uint8_t kForget = 2;
constexpr size_t kEntryHead = 8;  // CRC and length
constexpr int64_t kRewriteBytesMin = 1 << 20;
constexpr int64_t kEntryBytesGuess = 64;

int64_t parse_generation(std::string_view name) {
  constexpr std::string_view kPrefix = "offsets-";
  constexpr std::string_view kSuffix = ".log";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return -1;
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  return base::parse_integer(name).value_or(-1);
}

}  // namespace

OffsetStore::OffsetStore(io::FileSystem& files, base::Clock& clock, Flusher& flusher,
                         const std::string& dir, bool repair)
    : files_(files),
      clock_(clock),
      flusher_(flusher),
      folder_(io::join_path(dir, "groups")),
      repair_(repair),
      point_(files, folder_) {}

std::string OffsetStore::path(int64_t generation) const {
  return io::join_path(folder_, fmt::format("offsets-{}.log", generation));
}

std::string OffsetStore::encode(const Change& change) {
  FieldWriter body;
  body.put(change.value ? kCommit : kForget);
  body.put(change.value ? change.value->commit_ms : int64_t{0});
  body.put_string(change.group);
  body.put_string(change.partition.topic);
  body.put(change.partition.partition);
  body.put(change.value ? change.value->offset : int64_t{-1});
  body.put(change.value ? change.value->leader_epoch : int32_t{-1});
  body.put_string(change.value ? std::string_view(change.value->metadata) : std::string_view());
  FieldWriter entry;
  entry.put(kafka::crc32c(body.bytes()));
  entry.put(static_cast<uint32_t>(body.bytes().size()));
  entry.put_bytes(body.bytes());
  return entry.take();
}

std::optional<OffsetStore::Change> OffsetStore::decode(std::string_view body) {
  FieldReader in(body);
  Change change;
  CommittedOffset value;
  const auto kind = in.get<uint8_t>();
  value.commit_ms = in.get<int64_t>();
  change.group = in.get_string();
  change.partition.topic = in.get_string();
  change.partition.partition = in.get<int32_t>();
  value.offset = in.get<int64_t>();
  value.leader_epoch = in.get<int32_t>();
  value.metadata = in.get_string();
  if (!in.ok() || in.left() != 0 || (kind != kCommit && kind != kForget)) return std::nullopt;
  if (kind == kCommit) change.value = std::move(value);
  return change;
}

Result<void> OffsetStore::open() {
  auto opened = [&]() -> Result<void> {
    WEIR_TRY(files_.make_dirs(folder_));
    WEIR_ASSIGN(const auto listed, files_.list(folder_));
    std::vector<int64_t> generations;
    for (const io::FileInfo& file : listed) {
      if (file.name.starts_with(io::kTemporaryPrefix)) WEIR_TRY(files_.remove(file.path));
      if (const int64_t generation = parse_generation(file.name); generation >= 0)
        generations.push_back(generation);
    }
    std::sort(generations.begin(), generations.end());
    WEIR_ASSIGN(const auto point, point_.load());
    if (generations.empty()) {
      if (point && point->offset > 0 && !repair_)
        return error(ErrorKind::kDataLoss,
                     "no offsets-*.log is left in {}; put it back from a copy, or start the hub "
                     "once with --repair",
                     folder_);
      WEIR_TRY(files_.replace(path(0), ""));
      WEIR_TRY(point_.reset({}));
    } else {
      generation_ = generations.back();
      WEIR_ASSIGN(const std::string bytes, files_.read_all(path(generation_)));
      WEIR_TRY(replay(bytes, point));
      for (const int64_t old : generations)
        if (old != generation_) WEIR_TRY(files_.remove(path(old)));
      WEIR_ASSIGN(const bool was_offline, files_.exists(io::join_path(folder_, kOfflineMarker)));
      if (was_offline) {
        // As a partition does (PartitionLog::write_anew): what a failed sync left is not trusted.
        WEIR_TRY(rewrite());
        WEIR_TRY(files_.remove(io::join_path(folder_, kOfflineMarker)));
      }
    }
    if (!writer_) {
      WEIR_ASSIGN(writer_, files_.open_append(path(generation_)));
    }
    WEIR_ASSIGN(syncer_, files_.open_append(path(generation_)));
    return {};
  }();
  if (!opened.ok()) fail(opened.error().message());
  return opened;
}

// A newer generation than the point's was put in place whole, so all of it was durable.
Result<void> OffsetStore::replay(const std::string& bytes,
                                 const std::optional<DurablePoint>& point) {
  const bool whole = !point || point->segment_base != generation_;
  const int64_t durable = whole ? static_cast<int64_t>(bytes.size()) : point->offset;
  size_t at = 0;
  while (at + kEntryHead <= bytes.size()) {
    FieldReader head(std::string_view(bytes).substr(at, kEntryHead));
    const auto crc = head.get<uint32_t>();
    const auto length = head.get<uint32_t>();
    if (length > bytes.size() - at - kEntryHead) break;
    const std::string_view body = std::string_view(bytes).substr(at + kEntryHead, length);
    if (kafka::crc32c(body) != crc) break;
    const auto change = decode(body);
    if (!change) break;
    apply(*change);
    at += kEntryHead + length;
  }
  const auto good = static_cast<int64_t>(at);
  if (good < durable && !repair_)
    return error(ErrorKind::kDataLoss,
                 "{} is damaged at byte {}, before its durable end {}; put it back from a copy, or "
                 "start the hub once with --repair to keep "
                 "what is before the damage",
                 path(generation_), good, durable);
  WEIR_ASSIGN(writer_, files_.open_append(path(generation_)));
  if (good < static_cast<int64_t>(bytes.size())) WEIR_TRY(writer_->truncate(good));
  WEIR_TRY(writer_->sync());
  const DurablePoint end{good, generation_, good};
  if (point != end) WEIR_TRY(point_.reset(end));
  return {};
}

void OffsetStore::apply(const Change& change) {
  if (change.value) {
    live_bytes_ += growth(change.group, change.partition, change.value->metadata.size());
    groups_[change.group].insert_or_assign(change.partition, *change.value);
    return;
  }
  const auto group = groups_.find(change.group);
  if (group == groups_.end()) return;
  if (const auto at = group->second.find(change.partition); at != group->second.end()) {
    live_bytes_ -= static_cast<int64_t>(kEntryBytesGuess + change.group.size() +
                                        change.partition.topic.size() + at->second.metadata.size());
    group->second.erase(at);
  }
  if (group->second.empty()) groups_.erase(group);
}

// By how much live_bytes_ would grow with this entry.
int64_t OffsetStore::growth(const std::string& group, const base::TopicPartition& partition,
                            size_t metadata_bytes) const {
  const auto known = groups_.find(group);
  if (known != groups_.end()) {
    if (const auto at = known->second.find(partition); at != known->second.end())
      return static_cast<int64_t>(metadata_bytes) -
             static_cast<int64_t>(at->second.metadata.size());
  }
  return static_cast<int64_t>(kEntryBytesGuess + group.size() + partition.topic.size() +
                              metadata_bytes);
}

void OffsetStore::commit(const std::string& group, const Offsets& offsets, Callback callback) {
  std::vector<Change> changes;
  for (const auto& [partition, value] : offsets)
    changes.push_back({group, partition, value});
  append(std::move(changes), std::move(callback));
}

void OffsetStore::append(std::vector<Change> changes, Callback callback) {
  std::string bytes;
  for (const Change& change : changes)
    bytes += encode(change);
  bool want = false;
  {
    std::unique_lock lock(mutex_);
    if (offline()) {
      lock.unlock();
      return callback(false);
    }
    if (const auto written = writer_->append(bytes); !written.ok()) {
      lock.unlock();
      fail(written.error().message());
      return callback(false);
    }
    if (flusher_.policy() == FlushPolicy::kNever) {
      for (const Change& change : changes)
        apply(change);
      lock.unlock();
      return callback(true);
    }
    std::move(changes.begin(), changes.end(), std::back_inserter(pending_));
    callbacks_.push_back(std::move(callback));
    want = !std::exchange(flush_wanted_, true);
  }
  if (want) flusher_.want(*this);
}

bool OffsetStore::flush() {
  const std::lock_guard flush_lock(flush_mutex_);
  std::vector<Change> changes;
  std::vector<Callback> callbacks;
  DurablePoint target;
  {
    const std::lock_guard lock(mutex_);
    flush_wanted_ = false;
    if (offline()) return false;
    changes.swap(pending_);
    callbacks.swap(callbacks_);
    target = {writer_->size(), generation_, writer_->size()};
  }
  auto synced = syncer_->sync();
  if (synced.ok()) {
    const std::lock_guard lock(mutex_);
    for (const Change& change : changes)
      apply(change);
  } else {
    fail(synced.error().message());
  }
  for (const Callback& callback : callbacks)
    callback(synced.ok());
  if (synced.ok()) {
    if (const auto recorded = point_.record(target); !recorded.ok())
      fail(recorded.error().message());
  }
  return true;
}

void OffsetStore::make_recovery_point_durable() {
  const std::lock_guard flush_lock(flush_mutex_);
  if (offline()) return;
  if (const auto synced = point_.make_durable(); !synced.ok()) fail(synced.error().message());
}

void OffsetStore::expire(int64_t before_ms, const std::function<bool(const std::string&)>& in_use) {
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [group, offsets] : groups_) {
      if (in_use(group)) continue;
      for (const auto& [partition, value] : offsets)
        if (value.commit_ms < before_ms) changes.push_back({group, partition, std::nullopt});
    }
  }
  if (!changes.empty()) append(std::move(changes), [](bool) {});
}

void OffsetStore::compact_if_worthwhile() {
  const std::lock_guard flush_lock(flush_mutex_);
  auto rewritten = [&]() -> Result<void> {
    const std::lock_guard lock(mutex_);
    if (offline() || !pending_.empty()) return {};
    if (writer_->size() < std::max(kRewriteBytesMin, 4 * live_bytes_)) return {};
    return rewrite();
  }();
  if (!rewritten.ok()) fail(rewritten.error().message());
}

Result<void> OffsetStore::rewrite() {
  std::string bytes;
  for (const auto& [group, offsets] : groups_)
    for (const auto& [partition, value] : offsets)
      bytes += encode({group, partition, value});
  const std::string old = path(generation_);
  WEIR_TRY(files_.replace(path(generation_ + 1), bytes));
  ++generation_;
  WEIR_ASSIGN(writer_, files_.open_append(path(generation_)));
  WEIR_ASSIGN(syncer_, files_.open_append(path(generation_)));
  const auto size = static_cast<int64_t>(bytes.size());
  WEIR_TRY(point_.reset({size, generation_, size}));
  return files_.remove(old);
}

Result<void> OffsetStore::close() {
  flush();
  const std::lock_guard flush_lock(flush_mutex_);
  if (offline()) return {};
  return point_.make_durable();
}

std::optional<CommittedOffset> OffsetStore::fetch(const std::string& group,
                                                  const base::TopicPartition& partition) const {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return std::nullopt;
  const auto at = found->second.find(partition);
  if (at == found->second.end()) return std::nullopt;
  return at->second;
}

OffsetStore::Offsets OffsetStore::fetch_all(const std::string& group) const {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(group);
  return found == groups_.end() ? Offsets() : found->second;
}

bool OffsetStore::has_room_for(const std::string& group, int32_t groups_max) const {
  const std::lock_guard lock(mutex_);
  return groups_.size() < static_cast<size_t>(groups_max) || groups_.contains(group);
}

bool OffsetStore::has_room_for(const std::string& group, const base::TopicPartition& partition,
                               size_t metadata_bytes, int64_t bytes_max) const {
  const std::lock_guard lock(mutex_);
  const int64_t more = growth(group, partition, metadata_bytes);
  return more <= 0 || live_bytes_ + more <= bytes_max;
}

void OffsetStore::fail(std::string reason) {
  std::vector<Callback> callbacks;
  {
    const std::lock_guard lock(mutex_);
    if (offline()) return;
    base::log_error("groups state=offline reason=\"{}\"", reason);
    offline_reason_ = std::move(reason);
    offline_.store(true, std::memory_order_release);
    if (const auto marked = write_rebuildable(files_, io::join_path(folder_, kOfflineMarker), {});
        !marked.ok())
      base::log_warn("groups offline_marker=failed reason=\"{}\"", marked.error().message());
    callbacks.swap(callbacks_);
    pending_.clear();
  }
  for (const Callback& callback : callbacks)
    callback(false);
}

std::string OffsetStore::offline_reason() const {
  const std::lock_guard lock(mutex_);
  return offline_reason_;
}

}  // namespace weir::hub
