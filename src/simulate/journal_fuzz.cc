// Journals of any bytes: read to an end or an error, never a crash, never much more memory than
// bytes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "simulate/journal_records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::simulate;
  if (size == 0) return 0;
  JournalVisitor nobody;
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  decode_record(data[0], payload, nobody);
  synced_until(data[0], payload);
  return 0;
}
