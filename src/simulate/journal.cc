#include "simulate/journal.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/clock.h"
#include "kafka/crc32c.h"
#include "simulate/journal_records.h"

namespace weir::simulate {

using base::Error;
using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kReadBytes = 1 << 20;

uint32_t get_u32(const char* in) {
  uint32_t value = 0;
  for (int byte = 3; byte >= 0; --byte)
    value = value << 8 | static_cast<uint8_t>(in[byte]);
  return value;
}

// A window that moves forward over a file.
class Window {
 public:
  Window(const io::ReadableFile& file, int64_t size) : file_(file), size_(size) {}

  int64_t size() const { return size_; }
  // Up to `length` bytes at `position`; fewer at the file's end. Valid until the next call.
  Result<std::string_view> at(int64_t position, int64_t length) {
    length = std::min(length, size_ - position);
    if (position < start_ || position + length > start_ + static_cast<int64_t>(bytes_.size())) {
      bytes_.resize(static_cast<size_t>(std::min(std::max(length, kReadBytes), size_ - position)));
      WEIR_ASSIGN(const int64_t read,
                  file_.read_at(position, static_cast<int64_t>(bytes_.size()), bytes_.data()));
      bytes_.resize(static_cast<size_t>(read));
      start_ = position;
    }
    return std::string_view(bytes_).substr(static_cast<size_t>(position - start_),
                                           static_cast<size_t>(length));
  }

 private:
  const io::ReadableFile& file_;
  int64_t size_;
  int64_t start_ = 0;
  std::string bytes_;
};

// The body of the record at `position`; empty where there is no good one.
Result<std::string_view> body_at(Window& window, int64_t position) {
  WEIR_ASSIGN(const std::string_view header, window.at(position, kRecordHeaderBytes));
  if (header.size() < kRecordHeaderBytes) return std::string_view{};
  const uint32_t length = get_u32(header.data());
  const uint32_t crc = get_u32(header.data() + 4);
  if (length == 0 || length > kRecordBytesMax) return std::string_view{};
  if (position + static_cast<int64_t>(kRecordHeaderBytes) + length > window.size())
    return std::string_view{};
  WEIR_ASSIGN(const std::string_view body,
              window.at(position + static_cast<int64_t>(kRecordHeaderBytes), length));
  if (body.size() < length || kafka::crc32c(body) != crc) return std::string_view{};
  return body;
}

// Whether some later record says that the file was durable past `damage`: then that is no torn
// tail.
Result<bool> was_synced(Window& window, int64_t damage) {
  for (int64_t position = damage + 1;
       position + static_cast<int64_t>(kRecordHeaderBytes) < window.size(); ++position) {
    WEIR_ASSIGN(const std::string_view start, window.at(position, kRecordHeaderBytes + 1));
    if (start.size() <= kRecordHeaderBytes) break;
    const auto type = static_cast<uint8_t>(start[kRecordHeaderBytes]);
    if (type != kRunRecord && type != kReservationRecord) continue;
    WEIR_ASSIGN(const std::string_view body, body_at(window, position));
    if (!body.empty() && synced_until(type, body.substr(1)) > damage) return true;
  }
  return false;
}

// What a writer that opens the journal again has to know.
class LastRun final : public JournalVisitor {
 public:
  void on_run(const JournalRun& run) override {
    finish_run();
    shape_ = run.shape;
    next_ = run.first_index;
  }
  void on_reservation(const JournalReservation& reservation) override {
    next_ = std::max(next_, reservation.end);
  }
  void on_stop(const JournalStop& stop) override { next_ = stop.next_index; }

  const std::optional<EventShape>& shape() const { return shape_; }
  // Where events of that shape go on.
  uint64_t next_index(const EventShape& shape) {
    finish_run();
    uint64_t next = 0;
    for (const auto& [known, end] : ends_)
      if (known == shape) next = std::max(next, end);
    return next;
  }

 private:
  void finish_run() {
    if (!shape_) return;
    const auto known = std::find_if(ends_.begin(), ends_.end(),
                                    [&](const auto& end) { return end.first == *shape_; });
    if (known == ends_.end())
      ends_.emplace_back(*shape_, next_);
    else
      known->second = std::max(known->second, next_);
  }
  std::optional<EventShape> shape_;
  uint64_t next_ = 0;
  std::vector<std::pair<EventShape, uint64_t>> ends_;
};

}  // namespace

Result<JournalExtent> read_journal(io::FileSystem& files, const std::string& path,
                                   JournalVisitor& visitor) {
  WEIR_ASSIGN(auto file, files.open_read(path));
  WEIR_ASSIGN(const int64_t size, file->size());
  Window window(*file, size);
  JournalExtent extent;
  WEIR_ASSIGN(const std::string_view magic, window.at(0, kJournalMagic.size()));
  if (size == 0) return extent;  // made by a user; a writer's has the magic from the start
  if (magic != kJournalMagic)
    return error(ErrorKind::kCorruption, "{} is not a journal of weir simulate", path);
  int64_t position = kJournalMagic.size();
  while (position < size) {
    WEIR_ASSIGN(const std::string_view body, body_at(window, position));
    if (body.empty()) {
      WEIR_ASSIGN(const bool damaged, was_synced(window, position));
      if (damaged)
        return error(ErrorKind::kCorruption,
                     "journal {} is damaged at byte {} of {}, before what was once durable", path,
                     position, size);
      break;
    }
    const auto length = static_cast<int64_t>(body.size());
    if (!decode_record(static_cast<uint8_t>(body[0]), body.substr(1), visitor))
      return error(ErrorKind::kCorruption,
                   "journal {}: the record at byte {} (type {}) is not one that this version knows",
                   path, position, static_cast<uint8_t>(body[0]));
    position += static_cast<int64_t>(kRecordHeaderBytes) + length;
    ++extent.records;
  }
  extent.valid_bytes = position;
  extent.torn_bytes = size - position;
  return extent;
}

JournalWriter::JournalWriter(const base::Clock& clock, EventShape shape, Options options)
    : clock_(clock), shape_(shape), options_(options) {}

Result<std::unique_ptr<JournalWriter>> JournalWriter::open(
    io::FileSystem& files, const base::Clock& clock, const std::string& path, EventShape shape,
    bool seed_given, const std::string& target, Options options) {
  WEIR_TRY(check_shape(shape));
  std::unique_ptr<JournalWriter> journal(new JournalWriter(clock, shape, options));
  auto begun = journal->begin(files, path, seed_given, target);
  if (!begun.ok()) return std::move(begun).error().with_context("journal");
  journal->writer_ =
      std::jthread([raw = journal.get()](std::stop_token stop) { raw->write_loop(stop); });
  return journal;
}

Result<void> JournalWriter::begin(io::FileSystem& files, const std::string& path, bool seed_given,
                                  const std::string& target) {
  WEIR_TRY(files.make_dirs(io::parent_path(path)));
  WEIR_ASSIGN(lock_, files.try_lock(path + ".lock"));
  if (lock_ == nullptr)
    return error(ErrorKind::kConflict, "{} is in use by another simulator", path);
  WEIR_TRY(files.create_if_absent(path, kJournalMagic));  // whole or not at all
  LastRun last;
  WEIR_ASSIGN(const JournalExtent extent, read_journal(files, path, last));
  WEIR_ASSIGN(file_, files.open_append(path));
  if (file_->size() > extent.valid_bytes) WEIR_TRY(file_->truncate(extent.valid_bytes));
  std::string bytes;
  if (extent.valid_bytes == 0) bytes = kJournalMagic;
  if (const auto& before = last.shape(); before && !seed_given) {
    EventShape same_seed = shape_;
    same_seed.seed = before->seed;
    if (same_seed == *before) shape_ = *before;
  }
  first_index_ = last.next_index(shape_);
  std::string payload;
  const JournalRun run{.shape = shape_,
                       .first_index = first_index_,
                       .started_us = clock_.now_us(),
                       .target = target};
  encode_run(run, extent.valid_bytes, payload);
  append_framed(kRunRecord, payload, bytes);
  WEIR_TRY(file_->append(bytes));
  WEIR_TRY(file_->sync());
  WEIR_TRY(files.sync_dir(io::parent_path(path)));
  synced_bytes_ = file_->size();
  return {};
}

JournalWriter::~JournalWriter() {
  writer_.request_stop();
  if (writer_.joinable()) writer_.join();
}

void JournalWriter::append_record(uint8_t type, std::string_view payload) {
  append_framed(static_cast<RecordType>(type), payload, queued_);
}

uint64_t JournalWriter::reserve(const JournalReservation& reservation) {
  std::unique_lock lock(mutex_);
  scratch_.clear();
  encode_reservation(reservation, synced_bytes_, scratch_);
  append_record(kReservationRecord, scratch_);
  const uint64_t number = ++reservations_queued_;
  lock.unlock();
  changed_.notify_all();
  return number;
}

Result<void> JournalWriter::await(uint64_t reservation) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || reservations_durable_ >= reservation; });
  if (failure_) return *failure_;
  return {};
}

void JournalWriter::acknowledged(const Acknowledgement& acknowledgement) {
  std::lock_guard lock(mutex_);
  scratch_.clear();
  encode_acknowledgement(acknowledgement, clock_.now_us(), scratch_);
  append_record(kAcknowledgementRecord, scratch_);
}

void JournalWriter::failed(std::span<const MessageTag> messages, const Error& error) {
  std::lock_guard lock(mutex_);
  scratch_.clear();
  encode_failure(messages, error.to_string(), clock_.now_us(), scratch_);
  append_record(kFailureRecord, scratch_);
}

Result<void> JournalWriter::finish(const JournalStop& stop) {
  std::unique_lock lock(mutex_);
  scratch_.clear();
  encode_stop(stop, scratch_);
  append_record(kStopRecord, scratch_);
  finish_queued_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return failure_ || finished_; });
  if (failure_) return *failure_;
  return {};
}

Result<void> JournalWriter::write_out(const std::string& bytes, bool sync) {
  if (!bytes.empty()) WEIR_TRY(file_->append(bytes));
  if (sync) WEIR_TRY(file_->sync());
  return {};
}

// Writes every few milliseconds what came in; syncs for reservations at once, else by the interval.
void JournalWriter::write_loop(std::stop_token stop) {
  constexpr auto kWriteEvery = std::chrono::milliseconds(5);
  int64_t last_sync_us = clock_.monotonic_us();
  int64_t written = synced_bytes_;
  std::unique_lock lock(mutex_);
  while (!failure_) {
    const auto urgent = [&] {
      return reservations_queued_ > reservations_durable_ || (finish_queued_ && !finished_);
    };
    changed_.wait_for(lock, stop, kWriteEvery, urgent);
    const bool ending = stop.stop_requested();
    const bool overdue = clock_.monotonic_us() - last_sync_us >= options_.sync_interval_us;
    const uint64_t reservations = reservations_queued_;
    const bool finish = finish_queued_;
    const bool sync = urgent() || ending ||
                      (overdue && written + static_cast<int64_t>(queued_.size()) > synced_bytes_);
    if (queued_.empty() && !sync) continue;
    std::string bytes;
    bytes.swap(queued_);
    written += static_cast<int64_t>(bytes.size());
    lock.unlock();
    auto done = write_out(bytes, sync);
    lock.lock();
    if (!done.ok()) {
      // Neither bytes nor sync are tried again: what is in the file is found out by whoever opens
      // it next.
      failure_ = std::move(done).error().with_context("journal");
    } else if (sync) {
      synced_bytes_ = written;
      reservations_durable_ = reservations;
      finished_ = finish;
      last_sync_us = clock_.monotonic_us();
    }
    changed_.notify_all();
    if (ending) break;
  }
}

}  // namespace weir::simulate
