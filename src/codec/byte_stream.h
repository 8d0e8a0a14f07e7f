// Bytes of a file in order, unpacked on the way; and the same cut at record ends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/file_format.h"
#include "io/file_system.h"

namespace weir::codec {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Up to `length` bytes; 0 only at the end.
  virtual Result<int64_t> read(char* to, int64_t length) = 0;
};

bool is_gzip_name(std::string_view name);
// From `offset` on (0 for gzip). Names that end in .gz are unpacked; other compressions that Spark
// knows are refused by name.
Result<std::unique_ptr<ByteStream>> open_byte_stream(io::FileSystem& fs, const io::FileInfo& file,
                                                     int64_t offset);

// A file's text in blocks that end where lines end. One block is held at a time.
class LineBlocks {
 public:
  // separator empty: LF.
  LineBlocks(std::unique_ptr<ByteStream> stream, int64_t offset, FileRange range,
             std::string separator, int64_t block_bytes);

  // The next whole lines, with their ends but perhaps the last; empty at the end. Valid until the
  // next call; 64 bytes after it may be read.
  Result<std::string_view> next();
  // Everything that is left. Not for parts of a file.
  Result<std::string_view> rest();

 private:
  Result<bool> fill();  // false at the end of the stream

  std::unique_ptr<ByteStream> stream_;
  FileRange range_;
  std::string separator_;
  int64_t block_bytes_;
  std::string buffer_;     // with 64 bytes of slack
  size_t used_ = 0;        // bytes of the buffer that are the file's
  size_t given_ = 0;       // bytes of the buffer already handed out
  int64_t buffer_offset_;  // where the buffer's first byte stands in the file
  bool skip_first_ = false;
  bool at_end_ = false;
};

// Where a stream has to begin so that LineBlocks finds the first line that begins in the range.
int64_t line_search_offset(const FileRange& range, size_t separator_size);

}  // namespace weir::codec
