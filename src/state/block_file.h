// A changelog or a snapshot of state: a file of checked blocks (docs/formats/state.md).
//
//   "WEIRSTA1", u32 length of the header, u32 0, header (JSON), u64 checksum of all before
//   block …: u32 payload bytes, u16 shard, u8 kind, u8 0, u32 rows, u32 0, i64 bucket, u64
//   checksum,
//            payload
//   end block: kind 255; its payload is an index: for each block u64 offset and its 32 bytes above
//   u64 offset of the end block, "WEIREND1"
//
// Little-endian. Checksums are XXH3, 64 bits, of the payload, seeded by that of the 24 bytes before
// the checksum. The end block's checksum thus covers those of all blocks; a manifest names it.
// A file is written once, whole, and durable with its name before finish() returns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "io/file_system.h"

namespace weir::state {

using base::Result;

enum class BlockKind : uint8_t {
  kPuts = 1,        // records, see record.h
  kRemoves = 2,     // records with empty values
  kDropBucket = 3,  // no payload: all rows of `bucket` went at once
  kEnd = 255,
};

struct Block {
  uint32_t payload_bytes = 0;
  uint16_t shard = 0;
  BlockKind kind = BlockKind::kPuts;
  uint32_t rows = 0;
  int64_t bucket = 0;
  uint64_t checksum = 0;
  int64_t offset = 0;  // of the block in its file
};

constexpr int64_t kBlockHeaderBytes = 32;

// As a manifest names it.
struct BlockFileEntry {
  int64_t version = -1;
  std::string file;
  int64_t bytes = 0;
  uint64_t checksum = 0;
  int64_t rows = 0;     // put
  int64_t removed = 0;  // one by one
};

base::JsonObject to_json(const BlockFileEntry& entry);
Result<BlockFileEntry> block_file_entry(const base::JsonValue& json, std::string_view what);

class BlockFileWriter {
 public:
  static Result<BlockFileWriter> create(io::FileSystem& files, const std::string& folder,
                                        std::string name, const base::JsonObject& header);
  Result<void> add(int shard, BlockKind kind, int64_t bucket, uint32_t rows,
                   std::string_view payload);
  // Writes the end; the file and then its folder are synced.
  Result<BlockFileEntry> finish();

 private:
  BlockFileWriter() = default;
  Result<void> write_block(Block block, std::string_view payload);
  io::FileSystem* files_ = nullptr;
  std::string folder_;
  std::unique_ptr<io::WritableFile> file_;
  std::vector<Block> blocks_;
  BlockFileEntry entry_;
};

class BlockFile {
 public:
  // Reads header and index. With `expected`, size and checksum must be those of the manifest.
  static Result<BlockFile> open(io::FileSystem& files, const std::string& path,
                                const BlockFileEntry* expected);
  const base::JsonObject& header() const { return header_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  // Into `buffer`, of block.payload_bytes; checked. From any thread.
  Result<void> read(const Block& block, char* buffer) const;
  base::Error damaged(int64_t offset, std::string_view what) const;

 private:
  BlockFile() = default;
  Result<void> read_index(const BlockFileEntry* expected);
  std::string path_;
  std::shared_ptr<io::ReadableFile> file_;
  base::JsonObject header_;
  std::vector<Block> blocks_;
};

}  // namespace weir::state
