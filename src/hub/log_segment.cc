#include "hub/log_segment.h"

#include <algorithm>

#include "base/parse_integer.h"

namespace weir::hub {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;
using kafka::kRecordBatchHeaderSize;
using kafka::PaddedBuffer;

constexpr int64_t kScanChunkBytes = 1 << 20;
constexpr int64_t kBatchBytesMax = 1LL << 30;

}  // namespace

std::string offset_file_name(int64_t offset, std::string_view suffix) {
  return fmt::format("{:020}{}", offset, suffix);
}

int64_t parse_offset_file_name(std::string_view name, std::string_view suffix) {
  if (name.size() != 20 + suffix.size() || !name.ends_with(suffix)) return -1;
  return base::parse_integer(name.substr(0, 20)).value_or(-1);
}

Result<void> write_rebuildable(io::FileSystem& files, const std::string& path,
                               std::string_view bytes) {
  WEIR_ASSIGN(const bool there, files.exists(path));
  if (there) WEIR_TRY(files.remove(path));
  WEIR_ASSIGN(const auto file, files.create(path));
  WEIR_TRY(file->append(bytes));
  return file->close();
}

LogSegment::LogSegment(io::FileSystem& files, const std::string& folder, int64_t base_offset)
    : files_(files),
      path_(io::join_path(folder, offset_file_name(base_offset, ".log"))),
      index_path_(io::join_path(folder, offset_file_name(base_offset, ".index"))),
      base_offset_(base_offset),
      end_offset_(base_offset) {}

Result<std::shared_ptr<LogSegment>> LogSegment::create(io::FileSystem& files,
                                                       const std::string& folder,
                                                       int64_t base_offset) {
  std::shared_ptr<LogSegment> segment(new LogSegment(files, folder, base_offset));
  WEIR_ASSIGN(segment->writer_, files.create(segment->path_));
  WEIR_TRY(files.sync_dir(folder));
  return segment;
}

std::shared_ptr<LogSegment> LogSegment::existing(io::FileSystem& files, const std::string& folder,
                                                 int64_t base_offset, int64_t bytes) {
  std::shared_ptr<LogSegment> segment(new LogSegment(files, folder, base_offset));
  segment->bytes_ = bytes;
  return segment;
}

// Reads a segment from a position on in large pieces, one whole batch at a time.
class SequentialBatches {
 public:
  SequentialBatches(const LogSegment& segment, int64_t position, int64_t end)
      : segment_(segment), position_(position), end_(end), buffer_(kScanChunkBytes) {}

  bool at_end() const { return position_ >= end_; }
  int64_t position() const { return position_; }
  // The next batch, whole; an empty view and damage() where there is none.
  Result<std::string_view> next() {
    WEIR_TRY(fill(kRecordBatchHeaderSize));
    const std::optional<size_t> size = kafka::record_batch_size(here());
    if (!size || static_cast<int64_t>(*size) > std::min(end_ - position_, kBatchBytesMax)) {
      damage_ = size ? "a batch runs past the end of the file" : "no batch header";
      return std::string_view();
    }
    WEIR_TRY(fill(static_cast<int64_t>(*size)));
    if (here().size() < *size) {
      damage_ = "the file is shorter than its folder says";
      return std::string_view();
    }
    return here().substr(0, *size);
  }
  void advance(size_t bytes) { position_ += static_cast<int64_t>(bytes); }
  const std::string& damage() const { return damage_; }

 private:
  std::string_view here() const {
    return buffer_.size() == 0 ? std::string_view()
                               : buffer_.view().substr(static_cast<size_t>(position_ - start_));
  }
  Result<void> fill(int64_t wanted) {
    wanted = std::min(wanted, end_ - position_);
    if (start_ + static_cast<int64_t>(buffer_.size()) - position_ >= wanted) return {};
    const int64_t length = std::min(end_ - position_, std::max(wanted, kScanChunkBytes));
    if (buffer_.capacity() < static_cast<size_t>(length))
      buffer_ = PaddedBuffer(static_cast<size_t>(length));
    WEIR_ASSIGN(const int64_t got, segment_.read(position_, length, buffer_.data()));
    buffer_.set_size(static_cast<size_t>(got));
    start_ = position_;
    return {};
  }

  const LogSegment& segment_;
  int64_t position_;
  int64_t end_;
  PaddedBuffer buffer_;
  int64_t start_ = 0;  // file position of the buffer's first byte
  std::string damage_;
};

Result<SegmentScan> LogSegment::scan() {
  index_ = SegmentIndex();
  SegmentScan result{base_offset_, 0, {}};
  SequentialBatches batches(*this, 0, bytes_);
  while (!batches.at_end()) {
    WEIR_ASSIGN(const std::string_view batch, batches.next());
    if (batch.empty()) {
      result.damage = batches.damage();
      break;
    }
    const auto header = kafka::validate_record_batch(batch);
    if (!header.ok()) {
      result.damage = header.error().message();
      break;
    }
    if (header->base_offset != result.end_offset) {
      result.damage = fmt::format("a batch has offset {} where {} is due", header->base_offset,
                                  result.end_offset);
      break;
    }
    index_.add(header->base_offset, batches.position(), header->max_timestamp);
    result.end_offset = header->next_offset();
    batches.advance(batch.size());
  }
  result.good_bytes = batches.position();
  end_offset_ = result.end_offset;
  return result;
}

Result<void> LogSegment::walk(
    int64_t from_offset, const std::function<void(const kafka::RecordBatchHeader&)>& visit) const {
  SequentialBatches batches(*this, index_.find_offset(from_offset, base_offset_).position, bytes_);
  while (!batches.at_end()) {
    WEIR_ASSIGN(const std::string_view batch, batches.next());
    if (batch.empty())
      return error(ErrorKind::kCorruption, "{} at byte {}: {}", path_, batches.position(),
                   batches.damage());
    WEIR_ASSIGN(const auto header, kafka::parse_record_batch_header(batch));
    if (header.base_offset >= from_offset) visit(header);
    batches.advance(batch.size());
  }
  return {};
}

Result<bool> LogSegment::load_index() {
  WEIR_ASSIGN(const bool there, files_.exists(index_path_));
  if (!there) return false;
  WEIR_ASSIGN(const std::string bytes, files_.read_all(index_path_));
  auto loaded = SegmentIndex::decode(bytes);
  if (!loaded || loaded->base_offset != base_offset_ || loaded->log_bytes != bytes_) return false;
  index_ = std::move(loaded->index);
  end_offset_ = loaded->end_offset;
  return true;
}

Result<void> LogSegment::store_index() const {
  return write_rebuildable(files_, index_path_, index_.encode(base_offset_, end_offset_, bytes_));
}

Result<void> LogSegment::ensure_writer() {
  if (writer_) return {};
  WEIR_ASSIGN(writer_, files_.open_append(path_));
  return {};
}

Result<void> LogSegment::truncate(int64_t bytes) {
  WEIR_TRY(ensure_writer());
  WEIR_TRY(writer_->truncate(bytes));
  WEIR_TRY(writer_->sync());
  bytes_ = bytes;
  return {};
}

void LogSegment::close_files() {
  writer_.reset();
  syncer_.reset();
  const std::lock_guard lock(reader_mutex_);
  reader_.reset();
}

Result<void> LogSegment::append(std::string_view head, std::string_view batch,
                                const kafka::RecordBatchHeader& header) {
  WEIR_TRY(ensure_writer());
  const std::string_view pieces[] = {head, batch.substr(head.size())};
  WEIR_TRY(writer_->append_pieces(pieces));
  index_.add(header.base_offset, bytes_, header.max_timestamp);
  bytes_ += static_cast<int64_t>(batch.size());
  end_offset_ = header.next_offset();
  return {};
}

Result<void> LogSegment::sync_writer() {
  WEIR_TRY(ensure_writer());
  return writer_->sync();
}

Result<void> LogSegment::sync() {
  if (!syncer_) {
    WEIR_ASSIGN(syncer_, files_.open_append(path_));
  }
  return syncer_->sync();
}

Result<int64_t> LogSegment::read(int64_t position, int64_t length, char* buffer) const {
  std::shared_ptr<io::ReadableFile> reader;
  {
    const std::lock_guard lock(reader_mutex_);
    if (!reader_) {
      WEIR_ASSIGN(reader_, files_.open_read(path_));
    }
    reader = reader_;
  }
  return reader->read_at(position, length, buffer);
}

Result<void> LogSegment::remove_files() {
  WEIR_TRY(files_.remove(path_));
  WEIR_ASSIGN(const bool indexed, files_.exists(index_path_));
  if (indexed) WEIR_TRY(files_.remove(index_path_));
  return {};
}

}  // namespace weir::hub
