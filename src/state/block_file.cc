#include "state/block_file.h"

#include <charconv>
#include <cstring>

#include "state/xxhash_library.h"

namespace weir::state {

using base::error;
using base::ErrorKind;

namespace {

constexpr std::string_view kMagic = "WEIRSTA1";
constexpr std::string_view kEndMagic = "WEIREND1";
constexpr int64_t kTrailerBytes = 16;
constexpr int64_t kIndexEntryBytes = 8 + kBlockHeaderBytes;
constexpr uint32_t kHeaderBytesMax = 1 << 20;
constexpr size_t kPayloadBytesMax = UINT32_MAX;

template <typename T>
char* put(char* out, T value) {
  std::memcpy(out, &value, sizeof(T));
  return out + sizeof(T);
}
template <typename T>
const char* take(const char* in, T& value) {
  std::memcpy(&value, in, sizeof(T));
  return in + sizeof(T);
}

void encode_header(const Block& block, char* out) {
  out = put(out, block.payload_bytes);
  out = put(out, block.shard);
  out = put(out, static_cast<uint8_t>(block.kind));
  out = put(out, uint8_t{0});
  out = put(out, block.rows);
  out = put(out, uint32_t{0});
  out = put(out, block.bucket);
  put(out, block.checksum);
}

Block decode_header(const char* in) {
  Block block;
  uint8_t kind = 0;
  in = take(in, block.payload_bytes);
  in = take(in, block.shard);
  in = take(in, kind);
  in += 1;
  in = take(in, block.rows);
  in += 4;
  in = take(in, block.bucket);
  take(in, block.checksum);
  block.kind = static_cast<BlockKind>(kind);
  return block;
}

uint64_t checksum_of(const char* header, std::string_view payload) {
  return XXH3_64bits_withSeed(payload.data(), payload.size(),
                              XXH3_64bits(header, kBlockHeaderBytes - 8));
}

}  // namespace

base::JsonObject to_json(const BlockFileEntry& entry) {
  base::JsonObject json;
  json["version"] = entry.version;
  json["file"] = entry.file;
  json["bytes"] = entry.bytes;
  json["checksum"] = fmt::format("{:016x}", entry.checksum);
  json["rows"] = entry.rows;
  json["removed"] = entry.removed;
  return json;
}

Result<BlockFileEntry> block_file_entry(const base::JsonValue& json, std::string_view what) {
  const auto* object = json.if_object();
  const auto bad = [&](std::string_view key) {
    return error(ErrorKind::kCorruption, "{}: the entry of a state file has no {}", what, key);
  };
  if (object == nullptr) return bad("members");
  const auto version = base::json_int(*object, "version");
  const auto file = base::json_string(*object, "file");
  const auto bytes = base::json_int(*object, "bytes");
  const auto checksum = base::json_string(*object, "checksum");
  if (!version) return bad("version");
  if (!file || file->empty() || file->find('/') != std::string::npos) return bad("file");
  if (!bytes) return bad("bytes");
  BlockFileEntry entry{.version = *version, .file = *file, .bytes = *bytes};
  if (!checksum ||
      std::from_chars(checksum->data(), checksum->data() + checksum->size(), entry.checksum, 16)
              .ptr != checksum->data() + checksum->size())
    return bad("checksum");
  entry.rows = base::json_int(*object, "rows").value_or(0);
  entry.removed = base::json_int(*object, "removed").value_or(0);
  return entry;
}

Result<BlockFileWriter> BlockFileWriter::create(io::FileSystem& files, const std::string& folder,
                                                std::string name, const base::JsonObject& header) {
  BlockFileWriter writer;
  writer.files_ = &files;
  writer.folder_ = folder;
  WEIR_ASSIGN(writer.file_, files.create(io::join_path(folder, name)));
  writer.entry_.file = std::move(name);
  const std::string text = base::json_text(header);
  std::string head(kMagic);
  char lengths[8];
  put(put(lengths, static_cast<uint32_t>(text.size())), uint32_t{0});
  head.append(lengths, 8);
  head += text;
  char checksum[8];
  put(checksum, static_cast<uint64_t>(XXH3_64bits(head.data(), head.size())));
  head.append(checksum, 8);
  WEIR_TRY(writer.file_->append(head));
  return writer;
}

Result<void> BlockFileWriter::write_block(Block block, std::string_view payload) {
  char header[kBlockHeaderBytes];
  block.payload_bytes = static_cast<uint32_t>(payload.size());
  block.offset = file_->size();
  encode_header(block, header);
  block.checksum = checksum_of(header, payload);
  encode_header(block, header);
  const std::string_view pieces[] = {{header, kBlockHeaderBytes}, payload};
  WEIR_TRY(file_->append_pieces(pieces));
  blocks_.push_back(block);
  return {};
}

Result<void> BlockFileWriter::add(int shard, BlockKind kind, int64_t bucket, uint32_t rows,
                                  std::string_view payload) {
  if (payload.size() > kPayloadBytesMax)
    return error(ErrorKind::kResourceExhausted, "a block of state of {} bytes", payload.size());
  if (kind == BlockKind::kPuts) entry_.rows += rows;
  if (kind == BlockKind::kRemoves) entry_.removed += rows;
  return write_block(
      {.shard = static_cast<uint16_t>(shard), .kind = kind, .rows = rows, .bucket = bucket},
      payload);
}

Result<BlockFileEntry> BlockFileWriter::finish() {
  std::string index(blocks_.size() * static_cast<size_t>(kIndexEntryBytes), '\0');
  char* out = index.data();
  for (const Block& block : blocks_) {
    out = put(out, block.offset);
    encode_header(block, out);
    out += kBlockHeaderBytes;
  }
  if (index.size() > kPayloadBytesMax)
    return error(ErrorKind::kResourceExhausted, "a file of state with {} blocks", blocks_.size());
  WEIR_TRY(
      write_block({.kind = BlockKind::kEnd, .rows = static_cast<uint32_t>(blocks_.size())}, index));
  char trailer[kTrailerBytes];
  std::memcpy(put(trailer, blocks_.back().offset), kEndMagic.data(), 8);
  WEIR_TRY(file_->append({trailer, kTrailerBytes}));
  WEIR_TRY(file_->sync());
  entry_.bytes = file_->size();
  entry_.checksum = blocks_.back().checksum;
  WEIR_TRY(file_->close());
  WEIR_TRY(files_->sync_dir(folder_));
  return entry_;
}

base::Error BlockFile::damaged(int64_t offset, std::string_view what) const {
  return error(
      ErrorKind::kCorruption,
      "{}, offset {}: {}. The state cannot be rebuilt from this file: put back a copy of it, "
      "or start the query with a new checkpoint",
      path_, offset, what);
}

Result<BlockFile> BlockFile::open(io::FileSystem& files, const std::string& path,
                                  const BlockFileEntry* expected) {
  BlockFile result;
  result.path_ = path;
  auto file = files.open_read(path);
  if (!file.ok()) {
    if (file.error().kind() != ErrorKind::kNotFound) return std::move(file).error();
    return error(
        ErrorKind::kDataLoss,
        "{} is not there, though a commit of the query names it: put it back from a copy of "
        "the checkpoint, or start the query with a new checkpoint",
        path);
  }
  result.file_ = std::move(file).value();
  WEIR_TRY(result.read_index(expected));
  return result;
}

Result<void> BlockFile::read_index(const BlockFileEntry* expected) {
  WEIR_ASSIGN(const int64_t size, file_->size());
  if (expected != nullptr && size != expected->bytes)
    return damaged(std::min(size, expected->bytes),
                   fmt::format("the file has {} bytes instead of {}", size, expected->bytes));
  char head[16];
  WEIR_ASSIGN(int64_t got, file_->read_at(0, 16, head));
  if (got < 16 || std::string_view(head, 8) != kMagic)
    return damaged(0, "it does not begin as a file of state");
  uint32_t header_bytes = 0;
  take(head + 8, header_bytes);
  if (header_bytes > kHeaderBytesMax || 16 + int64_t{header_bytes} + 8 > size)
    return damaged(8, "the header is longer than the file");
  std::string header(16 + size_t{header_bytes} + 8, '\0');
  WEIR_ASSIGN(got, file_->read_at(0, static_cast<int64_t>(header.size()), header.data()));
  if (got < static_cast<int64_t>(header.size())) return damaged(got, "the header is cut off");
  uint64_t checksum = 0;
  take(header.data() + header.size() - 8, checksum);
  if (checksum != XXH3_64bits(header.data(), header.size() - 8))
    return damaged(0, "the header's checksum is wrong");
  WEIR_ASSIGN(header_,
              base::parse_json_object(std::string_view(header).substr(16, header_bytes), path_));
  if (base::json_int(header_, "format") != 1)
    return error(ErrorKind::kUnsupported,
                 "{}: a file of state of format {}; this version of weir reads 1", path_,
                 base::json_int(header_, "format").value_or(-1));

  const auto header_end = static_cast<int64_t>(header.size());
  char trailer[kTrailerBytes];
  const int64_t trailer_at = size - kTrailerBytes;
  if (trailer_at < header_end + kBlockHeaderBytes) return damaged(size, "the end is cut off");
  WEIR_ASSIGN(got, file_->read_at(trailer_at, kTrailerBytes, trailer));
  if (got < kTrailerBytes || std::string_view(trailer + 8, 8) != kEndMagic)
    return damaged(trailer_at, "the end is cut off");
  int64_t end_at = 0;
  take(trailer, end_at);
  if (end_at < header_end || end_at > trailer_at - kBlockHeaderBytes)
    return damaged(trailer_at, "the index is not in the file");
  std::string end(static_cast<size_t>(trailer_at - end_at), '\0');
  WEIR_ASSIGN(got, file_->read_at(end_at, static_cast<int64_t>(end.size()), end.data()));
  if (got < static_cast<int64_t>(end.size())) return damaged(end_at, "the index is cut off");
  const Block index = decode_header(end.data());
  const std::string_view payload = std::string_view(end).substr(kBlockHeaderBytes);
  if (index.kind != BlockKind::kEnd || index.payload_bytes != payload.size() ||
      payload.size() != uint64_t{index.rows} * kIndexEntryBytes)
    return damaged(end_at, "the index is not one");
  if (index.checksum != checksum_of(end.data(), payload))
    return damaged(end_at, "the index's checksum is wrong");
  if (expected != nullptr && index.checksum != expected->checksum)
    return damaged(end_at, "it is whole, but not the file that the commit names");
  blocks_.reserve(index.rows);
  int64_t next = header_end;
  for (const char* in = payload.data(); in != payload.data() + payload.size();) {
    int64_t offset = 0;
    in = take(in, offset);
    Block block = decode_header(in);
    in += kBlockHeaderBytes;
    block.offset = offset;
    if (offset != next || offset + kBlockHeaderBytes + block.payload_bytes > end_at)
      return damaged(end_at, "a block of the index is not in the file");
    next = offset + kBlockHeaderBytes + block.payload_bytes;
    blocks_.push_back(block);
  }
  if (next != end_at) return damaged(next, "bytes that belong to no block");
  return {};
}

Result<void> BlockFile::read(const Block& block, char* buffer) const {
  WEIR_ASSIGN(const int64_t got,
              file_->read_at(block.offset + kBlockHeaderBytes, block.payload_bytes, buffer));
  if (got < int64_t{block.payload_bytes}) return damaged(block.offset, "the block is cut off");
  char header[kBlockHeaderBytes];
  char found[kBlockHeaderBytes];
  encode_header(block, header);
  WEIR_ASSIGN(const int64_t head, file_->read_at(block.offset, kBlockHeaderBytes, found));
  if (head < kBlockHeaderBytes || std::memcmp(header, found, kBlockHeaderBytes) != 0)
    return damaged(block.offset, "the block is not that of the index");
  if (block.checksum != checksum_of(header, {buffer, block.payload_bytes}))
    return damaged(block.offset, "the checksum of the block is wrong");
  return {};
}

}  // namespace weir::state
