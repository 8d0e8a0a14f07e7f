// The compressions of Kafka's record batches, as whole buffers: gzip, snappy (raw, or in the frames
// of the Java library xerial), lz4 (frame format), zstd. Decompression is bounded by the caller's
// limit, and memory grows with what really comes out, not with what a header claims.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kafka/padded_buffer.h"
#include "kafka/record_batch.h"

namespace weir::kafka {

// kCorruption where damaged, kResourceExhausted where the result would pass `limit`. kNone is a
// bug.
base::Result<PaddedBuffer> decompress(Compression compression, std::string_view bytes,
                                      size_t limit);

// Appends the compressed form of `bytes` to `out`. Snappy is written in xerial's frames, as Java
// does.
base::Result<void> compress(Compression compression, std::string_view bytes, std::string& out);

}  // namespace weir::kafka
