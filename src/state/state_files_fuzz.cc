// Damaged metadata, manifests, changelogs and snapshots are refused or read; never a crash, and
// never more memory than the bytes themselves ask for.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "io/model_file_system.h"
#include "state/block_file.h"
#include "state/memory_shard.h"
#include "state/row_codec.h"
#include "state/versioned_store.h"

namespace {

using namespace weir;         // NOLINT
using namespace weir::state;  // NOLINT

void read_blocks(std::string_view bytes, uint8_t form) {
  io::ModelFileSystem files(1);
  auto file = files.create("/f");
  if (!file.ok() || !(*file)->append(bytes).ok()) return;
  (void)BlockFile::open(files, "/f", nullptr).ok();
  // The payloads on their own, as a file with good checksums may have them.
  StoreSpec spec;
  spec.layout = (form & 1) != 0 ? Layout::kOrdered : Layout::kHash;
  spec.prefix_columns = (form & 1) != 0 ? 1 : 0;
  spec.time = static_cast<TimeBuckets>((form >> 1) % 3);
  spec.bucket_width_us = 10;
  MemoryShard shard(spec);
  Block block{.payload_bytes = static_cast<uint32_t>(bytes.size()), .rows = 1};
  ArenaChunk chunk = std::make_shared_for_overwrite<char[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), chunk.get());
  (void)shard.load_snapshot(block, std::move(chunk));
  (void)shard.apply_changes(block, bytes);
  block.kind = BlockKind::kRemoves;
  (void)shard.apply_changes(block, bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 4) {
    case 0:
      (void)parse_metadata(bytes, "fuzz").ok();
      break;
    case 1:
      if (auto json = base::parse_json_object(bytes, "fuzz"); json.ok())
        (void)Manifest::parse(*json, "fuzz").ok();
      break;
    case 2: {
      using columnar::DataType;
      using columnar::TypeKind;
      const auto schema = DataType::structure(
          {columnar::make_field("a", DataType::of(TypeKind::kLong)),
           columnar::make_field("b", DataType::array(DataType::of(TypeKind::kString))),
           columnar::make_field("c", DataType::map(DataType::of(TypeKind::kString),
                                                   DataType::of(TypeKind::kDouble)))});
      const std::string_view rows[] = {bytes};
      (void)decode_values(schema, rows).ok();
      (void)decode_keys(DataType::structure({schema.fields()[0], schema.fields()[1]}), rows).ok();
      break;
    }
    default:
      read_blocks(bytes, data[1]);
  }
  return 0;
}
