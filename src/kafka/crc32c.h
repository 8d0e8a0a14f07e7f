// CRC-32C (Castagnoli), the checksum of Kafka's record batches and of weir's durable formats.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::kafka {

// The CRC-32C of `bytes`; `crc` is the value of what went before (0 at the start).
// SSE4.2 in three interleaved streams where the processor has it, else eight tables.
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);
// The table version alone; for tests and for comparison.
uint32_t crc32c_portable(std::string_view bytes, uint32_t crc = 0);

}  // namespace weir::kafka
