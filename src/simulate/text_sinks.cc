#include "simulate/text_sinks.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace weir::simulate {

using base::error;
using base::ErrorKind;

namespace {

constexpr size_t kBufferBytes = 256 * 1024;

}  // namespace

Result<void> DescriptorSink::send(std::string_view, std::string_view value, int64_t, MessageTag tag,
                                  std::stop_token) {
  buffer_ += value;
  buffer_ += '\n';
  tags_.push_back(tag);
  if (buffer_.size() >= kBufferBytes) return write_out();
  return {};
}

Result<void> DescriptorSink::nudge() { return write_out(); }
Result<void> DescriptorSink::flush(int64_t) { return write_out(); }

Result<void> DescriptorSink::write_out() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t written = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error(ErrorKind::kIo, "standard output: {}", std::strerror(errno));
    done += static_cast<size_t>(written);
  }
  if (!tags_.empty())
    observer_.on_acknowledged(
        {.topic = "-", .partition = 0, .base_offset = offset_, .messages = tags_});
  offset_ += static_cast<int64_t>(tags_.size());
  buffer_.clear();
  tags_.clear();
  return {};
}

Result<std::unique_ptr<FolderSink>> FolderSink::open(io::FileSystem& files,
                                                     const base::Clock& clock, Options options,
                                                     SinkObserver& observer) {
  WEIR_TRY(files.make_dirs(options.folder));
  return std::unique_ptr<FolderSink>(new FolderSink(files, clock, std::move(options), observer));
}

FolderSink::FolderSink(io::FileSystem& files, const base::Clock& clock, Options options,
                       SinkObserver& observer)
    : files_(files), clock_(clock), options_(std::move(options)), observer_(observer) {}

FolderSink::~FolderSink() {
  if (file_ != nullptr) (void)files_.remove(temporary_);  // incomplete: nobody has been told of it
}

Result<void> FolderSink::send(std::string_view, std::string_view value, int64_t, MessageTag tag,
                              std::stop_token) {
  if (file_ == nullptr) {
    name_ = fmt::format("events-{}-{:06}.json", options_.run, number_++);
    temporary_ = io::join_path(options_.folder, fmt::format("{}{}", io::kTemporaryPrefix, name_));
    WEIR_ASSIGN(file_, files_.create(temporary_));
    opened_us_ = clock_.monotonic_us();
  }
  buffer_ += value;
  buffer_ += '\n';
  tags_.push_back(tag);
  if (buffer_.size() >= kBufferBytes) WEIR_TRY(write_out());
  if (static_cast<int64_t>(tags_.size()) >= options_.events_max) return close_file();
  return nudge();
}

Result<void> FolderSink::nudge() {
  if (file_ != nullptr && clock_.monotonic_us() - opened_us_ >= options_.interval_us)
    return close_file();
  return {};
}

Result<void> FolderSink::flush(int64_t) { return close_file(); }

Result<void> FolderSink::write_out() {
  WEIR_TRY(file_->append(buffer_));
  buffer_.clear();
  return {};
}

Result<void> FolderSink::close_file() {
  if (file_ == nullptr) return {};
  WEIR_TRY(write_out());
  WEIR_TRY(file_->sync());
  WEIR_TRY(file_->close());
  file_.reset();
  WEIR_TRY(files_.rename(temporary_, io::join_path(options_.folder, name_)));
  WEIR_TRY(files_.sync_dir(options_.folder));
  observer_.on_acknowledged({.topic = name_, .partition = 0, .base_offset = 0, .messages = tags_});
  tags_.clear();
  return {};
}

}  // namespace weir::simulate
