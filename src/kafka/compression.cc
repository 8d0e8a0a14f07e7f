#include "kafka/compression.h"

#include <algorithm>
#include <lz4frame.h>
#include <memory>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include "kafka/wire.h"

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

base::Error damaged(std::string_view what, std::string_view why) {
  return base::error(ErrorKind::kCorruption, "{} data of a record batch is damaged: {}", what, why);
}

base::Error too_large(std::string_view what, size_t limit) {
  return base::error(ErrorKind::kResourceExhausted,
                     "{} data of a record batch decompresses to more than the limit of {} bytes",
                     what, limit);
}

// Output that grows by doubling up to the limit.
class Output {
 public:
  // `claimed`: what the data say of themselves, 0 where they don't. Believed up to 64 times the
  // input.
  Output(size_t input, size_t claimed, size_t limit) : limit_(limit) {
    size_t believable = std::max<size_t>(64 * input, 4096);
    size_t first = claimed ? std::min(claimed, believable) : std::max<size_t>(4 * input, 4096);
    buffer_.reserve(std::min(first, limit));
  }
  char* at() { return buffer_.data() + used_; }
  size_t room() const { return buffer_.capacity() - used_; }
  void advance(size_t bytes) { used_ += bytes; }
  // False where the limit is reached.
  bool grow() {
    if (buffer_.capacity() >= limit_) return false;
    buffer_.set_size(used_);
    buffer_.reserve(std::min(limit_, 2 * buffer_.capacity()));
    return true;
  }
  bool reserve(size_t bytes) {
    if (bytes > limit_ - used_) return false;
    if (bytes > room()) {
      buffer_.set_size(used_);
      buffer_.reserve(std::min(limit_, std::max(used_ + bytes, 2 * buffer_.capacity())));
    }
    return true;
  }
  PaddedBuffer take() {
    buffer_.set_size(used_);
    return std::move(buffer_);
  }

 private:
  PaddedBuffer buffer_;
  size_t used_ = 0;
  size_t limit_;
};

Result<PaddedBuffer> gunzip(std::string_view bytes, size_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK)
    return base::error(ErrorKind::kInternal, "zlib: inflateInit2 failed");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } end{&stream};
  Output out(bytes.size(), 0, limit);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  while (true) {
    if (out.room() == 0 && !out.grow()) {
      // The limit may be met exactly: one more byte of room tells.
      Bytef extra;
      stream.next_out = &extra;
      stream.avail_out = 1;
      int code = inflate(&stream, Z_NO_FLUSH);
      if (stream.avail_out == 0) return too_large("gzip", limit);
      if (code == Z_STREAM_END && stream.avail_in == 0) return out.take();
      return damaged("gzip", stream.msg ? stream.msg : "it ends too early");
    }
    size_t room = std::min<size_t>(out.room(), 1u << 30);
    stream.next_out = reinterpret_cast<Bytef*>(out.at());
    stream.avail_out = static_cast<uInt>(room);
    int code = inflate(&stream, Z_NO_FLUSH);
    out.advance(room - stream.avail_out);
    if (code == Z_STREAM_END) {
      if (stream.avail_in == 0) return out.take();
      if (inflateReset(&stream) != Z_OK) return damaged("gzip", "a second member can't be read");
    } else if (code != Z_OK && !(code == Z_BUF_ERROR && stream.avail_out == 0)) {
      return damaged("gzip", stream.msg ? stream.msg : "it ends too early");
    } else if (code == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) {
      return damaged("gzip", "it ends too early");
    }
  }
}

constexpr std::string_view kXerialMagic{"\x82SNAPPY\0", 8};
constexpr size_t kXerialHeader = 16;  // magic, int32 version, int32 lowest compatible version
constexpr size_t kXerialBlock = 32 * 1024;

Result<void> unsnappy_block(std::string_view block, Output& out, size_t limit) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &size))
    return damaged("snappy", "its length can't be read");
  // No element of the format gives more than 64 bytes out of 2, so that a greater claim is false.
  if (size > 64 * block.size()) return damaged("snappy", "it claims a length that it can't hold");
  if (!out.reserve(size)) return too_large("snappy", limit);
  if (size > 0 && !snappy::RawUncompress(block.data(), block.size(), out.at()))
    return damaged("snappy", "a block can't be read");
  out.advance(size);
  return base::ok();
}

Result<PaddedBuffer> unsnappy(std::string_view bytes, size_t limit) {
  Output out(bytes.size(), 0, limit);
  if (!bytes.starts_with(kXerialMagic)) {
    WEIR_TRY(unsnappy_block(bytes, out, limit));
    return out.take();
  }
  if (bytes.size() < kXerialHeader) return damaged("snappy", "its frame ends too early");
  Reader reader(bytes.substr(kXerialHeader));
  while (reader.remaining() > 0) {
    std::string_view block = reader.bytes();
    if (!reader.ok()) return damaged("snappy", reader.problem());
    WEIR_TRY(unsnappy_block(block, out, limit));
  }
  return out.take();
}

Result<PaddedBuffer> unlz4(std::string_view bytes, size_t limit) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION))) {
    return base::error(ErrorKind::kInternal, "lz4: no memory for a context");
  }
  std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(
      raw, &LZ4F_freeDecompressionContext);
  LZ4F_frameInfo_t info{};
  size_t consumed = bytes.size();
  size_t code = LZ4F_getFrameInfo(context.get(), &info, bytes.data(), &consumed);
  if (LZ4F_isError(code)) return damaged("lz4", LZ4F_getErrorName(code));
  bytes.remove_prefix(consumed);
  Output out(bytes.size(),
             static_cast<size_t>(std::min<unsigned long long>(info.contentSize, limit)), limit);
  while (code != 0) {
    char extra;
    bool full = out.room() == 0 && !out.grow();
    size_t room = full ? 1 : out.room();
    size_t read = bytes.size();
    code = LZ4F_decompress(context.get(), full ? &extra : out.at(), &room, bytes.data(), &read,
                           nullptr);
    if (LZ4F_isError(code)) return damaged("lz4", LZ4F_getErrorName(code));
    if (full && room > 0) return too_large("lz4", limit);
    if (!full) out.advance(room);
    bytes.remove_prefix(read);
    if (code != 0 && room == 0 && read == 0) return damaged("lz4", "it ends too early");
  }
  return out.take();
}

Result<PaddedBuffer> unzstd(std::string_view bytes, size_t limit) {
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (!context) return base::error(ErrorKind::kInternal, "zstd: no memory for a context");
  unsigned long long claimed = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (claimed == ZSTD_CONTENTSIZE_ERROR) return damaged("zstd", "it has no frame header");
  bool known = claimed != ZSTD_CONTENTSIZE_UNKNOWN;
  if (known && claimed > limit) return too_large("zstd", limit);
  Output out(bytes.size(), known ? static_cast<size_t>(claimed) : 0, limit);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  while (true) {
    char extra;
    bool full = out.room() == 0 && !out.grow();
    ZSTD_outBuffer to{full ? &extra : out.at(), full ? 1 : out.room(), 0};
    size_t before = in.pos;
    size_t code = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(code)) return damaged("zstd", ZSTD_getErrorName(code));
    if (full && to.pos > 0) return too_large("zstd", limit);
    if (!full) out.advance(to.pos);
    if (code == 0 && in.pos == in.size) return out.take();
    if (to.pos == 0 && in.pos == before && in.pos == in.size)
      return damaged("zstd", "it ends too early");
  }
}

Result<void> gzip(std::string_view bytes, std::string& out) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return base::error(ErrorKind::kInternal, "zlib: deflateInit2 failed");
  }
  size_t start = out.size();
  out.resize(start + deflateBound(&stream, bytes.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data() + start);
  stream.avail_out = static_cast<uInt>(out.size() - start);
  int code = deflate(&stream, Z_FINISH);
  out.resize(start + stream.total_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END)
    return base::error(ErrorKind::kInternal, "zlib: deflate failed with {}", code);
  return base::ok();
}

void snappy_framed(std::string_view bytes, std::string& out) {
  out.append(kXerialMagic);
  out.append(std::string_view("\0\0\0\1\0\0\0\1", 8));
  std::string block;
  for (size_t at = 0; at < bytes.size(); at += kXerialBlock) {
    std::string_view part = bytes.substr(at, kXerialBlock);
    snappy::Compress(part.data(), part.size(), &block);
    char size[4];
    store_big(size, static_cast<int32_t>(block.size()));
    out.append(size, sizeof(size));
    out.append(block);
  }
}

Result<void> lz4(std::string_view bytes, std::string& out) {
  LZ4F_preferences_t preferences{};
  // Kafka's Java reader wants independent blocks.
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  size_t start = out.size();
  out.resize(start + LZ4F_compressFrameBound(bytes.size(), &preferences));
  size_t size = LZ4F_compressFrame(out.data() + start, out.size() - start, bytes.data(),
                                   bytes.size(), &preferences);
  if (LZ4F_isError(size))
    return base::error(ErrorKind::kInternal, "lz4: {}", LZ4F_getErrorName(size));
  out.resize(start + size);
  return base::ok();
}

Result<void> zstd(std::string_view bytes, std::string& out) {
  size_t start = out.size();
  out.resize(start + ZSTD_compressBound(bytes.size()));
  size_t size =
      ZSTD_compress(out.data() + start, out.size() - start, bytes.data(), bytes.size(), 3);
  if (ZSTD_isError(size))
    return base::error(ErrorKind::kInternal, "zstd: {}", ZSTD_getErrorName(size));
  out.resize(start + size);
  return base::ok();
}

}  // namespace

Result<PaddedBuffer> decompress(Compression compression, std::string_view bytes, size_t limit) {
  switch (compression) {
    case Compression::kNone:
      break;
    case Compression::kGzip:
      return gunzip(bytes, limit);
    case Compression::kSnappy:
      return unsnappy(bytes, limit);
    case Compression::kLz4:
      return unlz4(bytes, limit);
    case Compression::kZstd:
      return unzstd(bytes, limit);
  }
  return base::error(ErrorKind::kUnsupported, "record batch with unknown compression {}",
                     static_cast<int>(compression));
}

Result<void> compress(Compression compression, std::string_view bytes, std::string& out) {
  switch (compression) {
    case Compression::kNone:
      out.append(bytes);
      return base::ok();
    case Compression::kGzip:
      return gzip(bytes, out);
    case Compression::kSnappy:
      snappy_framed(bytes, out);
      return base::ok();
    case Compression::kLz4:
      return lz4(bytes, out);
    case Compression::kZstd:
      return zstd(bytes, out);
  }
  return base::error(ErrorKind::kUnsupported, "unknown compression {}",
                     static_cast<int>(compression));
}

std::string_view compression_name(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kGzip:
      return "gzip";
    case Compression::kSnappy:
      return "snappy";
    case Compression::kLz4:
      return "lz4";
    case Compression::kZstd:
      return "zstd";
  }
  return "unknown";
}

Result<Compression> parse_compression(std::string_view name) {
  for (Compression c : {Compression::kNone, Compression::kGzip, Compression::kSnappy,
                        Compression::kLz4, Compression::kZstd}) {
    if (compression_name(c) == name) return c;
  }
  return base::error(ErrorKind::kInvalidArgument,
                     "compression \"{}\": use none, gzip, snappy, lz4 or zstd", name);
}

}  // namespace weir::kafka
