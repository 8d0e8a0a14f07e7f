// Deletion vectors: which rows of a data file are gone (PROTOCOL.md, "Deletion Vector Format").
//
//   file: 1 byte version 1, then per vector: int32 BE size, data, int32 BE CRC-32 of data
//   data: uint32 LE magic 1681511377, then a 64-bit Roaring bitmap in its portable form:
//         uint64 LE buckets, each uint32 LE high half of the row numbers and a 32-bit Roaring
//         bitmap
// Inline vectors are the data alone, in Z85.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delta/actions.h"
#include "io/file_system.h"

namespace weir::delta {

// Row numbers in ascending order, as many as the descriptor's cardinality says.
Result<std::vector<int64_t>> read_deletion_vector(io::FileSystem& fs, const std::string& table_path,
                                                  const DeletionVectorDescriptor& descriptor);

// The parts, for tests and fuzzing. cardinality bounds what is built.
Result<std::vector<int64_t>> parse_deletion_vector(std::string_view data, int64_t cardinality);
std::optional<std::string> decode_z85(std::string_view text);

}  // namespace weir::delta
