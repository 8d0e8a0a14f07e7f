// Any bytes are a deletion vector or refused; the cardinality bounds what is built.
#include <cstdint>
#include <string_view>

#include "delta/deletion_vector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size == 0) return 0;
  (void)weir::delta::parse_deletion_vector(bytes.substr(1), data[0]);
  (void)weir::delta::decode_z85(bytes);
  return 0;
}
