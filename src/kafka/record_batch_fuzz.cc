// A record batch from anywhere. The CRC is set right first, as the fuzzer could hardly guess it;
// length and magic as well in half of the cases. Decompression is held to 1 MiB.
#include <cstdlib>
#include <string>

#include "kafka/record_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::kafka;
  if (size < 1) return 0;
  std::string batch(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)validate_record_batch(batch);
  if (batch.size() < kRecordBatchHeaderSize) return 0;
  if (data[0] & 1) {
    store_big(batch.data() + 8, static_cast<int32_t>(batch.size() - kRecordBatchLengthEnd));
    batch[16] = 2;
  }
  stamp_producer(batch, 1, 0, 0);
  auto header = validate_record_batch(batch);
  if (!header.ok()) return 0;
  constexpr size_t kLimit = 1 << 20;
  auto opened = open_record_batch(batch, *header, kLimit);
  if (!opened.ok()) return 0;
  if (opened->storage && opened->storage->size() > kLimit) std::abort();
  RecordIterator iterator(*header, opened->records);
  Record record;
  uint64_t seen = 0;
  while (iterator.next(record)) {
    for (char c : record.value)
      seen += static_cast<unsigned char>(c);
    RecordHeaderIterator headers(record);
    RecordHeader one;
    int32_t count = 0;
    while (headers.next(one))
      ++count;
    if (count != record.header_count) std::abort();
  }
  (void)iterator.finish();
  (void)check_records(batch, *header, kLimit);
  return seen == 0x7fffffffffffffff ? 1 : 0;
}
