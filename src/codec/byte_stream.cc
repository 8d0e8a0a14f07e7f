#include "codec/byte_stream.h"

#include <algorithm>
#include <cstring>
#include <zlib.h>

namespace weir::codec {

using base::error;
using base::ErrorKind;

namespace {

constexpr size_t kSlack = 64;
// A line or document longer than this is an error, not a reason to take all memory.
constexpr size_t kRecordBytesMax = size_t{1} << 30;

class PlainStream final : public ByteStream {
 public:
  PlainStream(std::unique_ptr<io::ReadableFile> file, int64_t offset)
      : file_(std::move(file)), offset_(offset) {}
  Result<int64_t> read(char* to, int64_t length) override {
    WEIR_ASSIGN(const int64_t count, file_->read_at(offset_, length, to));
    offset_ += count;
    return count;
  }

 private:
  std::unique_ptr<io::ReadableFile> file_;
  int64_t offset_;
};

class GzipStream final : public ByteStream {
 public:
  GzipStream(std::unique_ptr<ByteStream> packed, std::string path)
      : packed_(std::move(packed)), path_(std::move(path)), input_(256 << 10, '\0') {
    // 15 window bits, gzip header.
    WEIR_CHECK(inflateInit2(&state_, 15 + 16) == Z_OK, "inflateInit2");
  }
  ~GzipStream() override { inflateEnd(&state_); }

  Result<int64_t> read(char* to, int64_t length) override {
    state_.next_out = reinterpret_cast<Bytef*>(to);
    state_.avail_out = static_cast<uInt>(std::min<int64_t>(length, 1 << 30));
    const uInt wanted = state_.avail_out;
    while (state_.avail_out == wanted) {
      if (state_.avail_in == 0) {
        WEIR_ASSIGN(const int64_t count,
                    packed_->read(input_.data(), static_cast<int64_t>(input_.size())));
        if (count == 0) {
          if (between_members_) return 0;
          return error(ErrorKind::kCorruption, "{}: the gzip stream ends too soon", path_);
        }
        state_.next_in = reinterpret_cast<Bytef*>(input_.data());
        state_.avail_in = static_cast<uInt>(count);
      }
      between_members_ = false;
      const int code = inflate(&state_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        // Another member may follow.
        inflateReset(&state_);
        between_members_ = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return error(ErrorKind::kCorruption, "{}: not gzip: {}", path_,
                     state_.msg ? state_.msg : "damaged");
      }
    }
    return static_cast<int64_t>(wanted - state_.avail_out);
  }

 private:
  std::unique_ptr<ByteStream> packed_;
  std::string path_;
  std::string input_;
  z_stream state_{};
  bool between_members_ = true;
};

}  // namespace

bool is_gzip_name(std::string_view name) { return name.ends_with(".gz"); }

Result<std::unique_ptr<ByteStream>> open_byte_stream(io::FileSystem& fs, const io::FileInfo& file,
                                                     int64_t offset) {
  for (std::string_view suffix : {".bz2", ".lz4", ".snappy", ".zst", ".deflate", ".xz"}) {
    if (file.path.ends_with(suffix))
      return error(ErrorKind::kUnsupported, "{}: files compressed as {}", file.path, suffix);
  }
  WEIR_ASSIGN(auto readable, fs.open_read(file.path));
  const bool gzip = is_gzip_name(file.path);
  std::unique_ptr<ByteStream> stream =
      std::make_unique<PlainStream>(std::move(readable), gzip ? 0 : offset);
  if (gzip) stream = std::make_unique<GzipStream>(std::move(stream), file.path);
  return stream;
}

int64_t line_search_offset(const FileRange& range, size_t separator_size) {
  return std::max<int64_t>(0,
                           range.begin - static_cast<int64_t>(std::max<size_t>(separator_size, 1)));
}

LineBlocks::LineBlocks(std::unique_ptr<ByteStream> stream, int64_t offset, FileRange range,
                       std::string separator, int64_t block_bytes)
    : stream_(std::move(stream)),
      range_(range),
      separator_(separator.empty() ? "\n" : std::move(separator)),
      block_bytes_(block_bytes),
      buffer_offset_(offset),
      skip_first_(range.begin > 0) {}

Result<bool> LineBlocks::fill() {
  if (at_end_) return false;
  if (given_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + given_, used_ - given_);
    used_ -= given_;
    buffer_offset_ += static_cast<int64_t>(given_);
    given_ = 0;
  }
  if (used_ > kRecordBytesMax)
    return error(ErrorKind::kResourceExhausted, "a record is longer than {} bytes",
                 kRecordBytesMax);
  const size_t wanted = used_ + static_cast<size_t>(block_bytes_);
  if (buffer_.size() < wanted + kSlack) buffer_.resize(wanted + kSlack);
  while (used_ < wanted) {
    WEIR_ASSIGN(const int64_t count,
                stream_->read(buffer_.data() + used_, static_cast<int64_t>(wanted - used_)));
    if (count == 0) {
      at_end_ = true;
      return true;
    }
    used_ += static_cast<size_t>(count);
  }
  return true;
}

Result<std::string_view> LineBlocks::next() {
  while (true) {
    const std::string_view held = std::string_view(buffer_).substr(given_, used_ - given_);
    const int64_t held_offset = buffer_offset_ + static_cast<int64_t>(given_);
    if (skip_first_) {
      // The line that holds the byte before the range belongs to the part before.
      const size_t end = held.find(separator_);
      if (end != std::string_view::npos) {
        given_ += end + separator_.size();
        skip_first_ = false;
        continue;
      }
      if (at_end_) return std::string_view();
    } else if (held_offset >= range_.end) {  // NOLINT(bugprone-branch-clone): another reason
      return std::string_view();
    } else if (!held.empty()) {
      // Whole lines; where the range ends in what is held, the last is the one that begins before
      // its end.
      size_t cut = held.rfind(separator_);
      const bool ends_inside = range_.end - held_offset < static_cast<int64_t>(held.size());
      if (ends_inside) {
        const int64_t from = range_.end - held_offset - static_cast<int64_t>(separator_.size());
        cut = held.find(separator_, static_cast<size_t>(std::max<int64_t>(0, from)));
      }
      if (cut != std::string_view::npos) {
        const std::string_view lines = held.substr(0, cut + separator_.size());
        given_ += lines.size();
        return lines;
      }
      if (at_end_) {
        given_ = used_;
        return held;
      }
    } else if (at_end_) {
      return std::string_view();
    }
    WEIR_TRY(fill());
  }
}

Result<std::string_view> LineBlocks::rest() {
  while (!at_end_) {
    const size_t given = given_;
    given_ = 0;
    auto filled = fill();
    given_ = given;
    WEIR_TRY(std::move(filled));
  }
  const std::string_view held = std::string_view(buffer_).substr(given_, used_ - given_);
  given_ = used_;
  return held;
}

}  // namespace weir::codec
