// What the hub reads from its own files may be anything after a power loss: no bytes may make it
// crash.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hub/durable_bytes.h"
#include "hub/producer_state.h"
#include "hub/segment_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A right CRC at the end lets the fuzzer past the first check.
  weir::hub::FieldWriter writer;
  writer.put_bytes({reinterpret_cast<const char*>(data), size});
  const std::string bytes = writer.finish();
  weir::hub::SegmentIndex::decode(bytes);
  weir::hub::ProducerState state(100);
  if (const auto offset = state.load(bytes)) {
    weir::hub::ProducerState again(100);
    if (again.load(state.encode(*offset)) != offset) __builtin_trap();
  }
  return 0;
}
