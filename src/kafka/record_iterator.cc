#include "kafka/record_batch.h"

namespace weir::kafka {

namespace {

// Reads a zigzag varint of at most kBytes bytes; null where it is malformed or runs past the end.
template <int kBytes, typename T>
const char* read_varint(const char* at, const char* end, T& value) {
  if (at < end && !(*at & 0x80)) [[likely]] {
    value = static_cast<T>(zigzag_decode(static_cast<uint8_t>(*at)));
    return at + 1;
  }
  uint64_t bits = 0;
  for (int i = 0; i < kBytes && at < end; ++i) {
    uint8_t byte = static_cast<uint8_t>(*at++);
    bits |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (!(byte & 0x80)) {
      if constexpr (sizeof(T) == 4) bits &= 0xffffffffu;
      value = static_cast<T>(zigzag_decode(bits));
      return at;
    }
  }
  return nullptr;
}

const char* read_varint32(const char* at, const char* end, int32_t& value) {
  return read_varint<5>(at, end, value);
}
const char* read_varint64(const char* at, const char* end, int64_t& value) {
  return read_varint<10>(at, end, value);
}

// Length (-1: null) and bytes.
const char* read_bytes(const char* at, const char* end, std::string_view& value, bool& present) {
  int32_t size = 0;
  at = read_varint32(at, end, size);
  if (!at || size < -1 || size > end - at) return nullptr;
  present = size >= 0;
  value = present ? std::string_view(at, static_cast<size_t>(size)) : std::string_view();
  return present ? at + size : at;
}

int64_t add_wrapping(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

}  // namespace

RecordIterator::RecordIterator(const RecordBatchHeader& header, std::string_view records)
    : at_(records.data()),
      end_(records.data() + records.size()),
      base_offset_(header.base_offset),
      base_timestamp_(header.base_timestamp),
      max_timestamp_(header.max_timestamp),
      log_append_time_(header.is_log_append_time()),
      last_offset_delta_(header.last_offset_delta),
      count_(header.record_count) {}

bool RecordIterator::malformed(const char* problem) {
  problem_ = problem;
  count_ = index_;
  return false;
}

bool RecordIterator::next(Record& record) {
  if (index_ >= count_) return false;
  int32_t length = 0;
  const char* at = read_varint32(at_, end_, length);
  if (!at || length < 0 || length > end_ - at)
    return malformed("its length runs past the end of the batch");
  const char* end = at + length;
  if (at == end) return malformed("it is empty");
  // Records are mostly alike: the one after the next will begin about here.
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(end) +
                                                   static_cast<uintptr_t>(length)));
  ++at;  // attributes: unused in version 2
  int64_t timestamp_delta = 0;
  int32_t offset_delta = 0;
  if (!(at = read_varint64(at, end, timestamp_delta)))
    return malformed("its timestamp can't be read");
  if (!(at = read_varint32(at, end, offset_delta))) return malformed("its offset can't be read");
  if (offset_delta < 0 || offset_delta > last_offset_delta_)
    return malformed("its offset is outside the batch");
  if (!(at = read_bytes(at, end, record.key, record.has_key)))
    return malformed("its key can't be read");
  if (!(at = read_bytes(at, end, record.value, record.has_value)))
    return malformed("its value can't be read");
  if (!(at = read_varint32(at, end, record.header_count)) || record.header_count < 0) {
    return malformed("its header count can't be read");
  }
  record.header_bytes = std::string_view(at, static_cast<size_t>(end - at));
  if (record.header_count == 0) {
    if (at != end) return malformed("bytes are left over at its end");
  } else if (!parse_headers(record)) {
    return malformed("its headers can't be read");
  }
  record.offset = base_offset_ + offset_delta;
  record.timestamp_ms =
      log_append_time_ ? max_timestamp_ : add_wrapping(base_timestamp_, timestamp_delta);
  at_ = end;
  ++index_;
  return true;
}

bool RecordIterator::parse_headers(Record& record) {
  const char* at = record.header_bytes.data();
  const char* end = at + record.header_bytes.size();
  for (int32_t i = 0; i < record.header_count; ++i) {
    std::string_view part;
    bool present = false;
    if (!(at = read_bytes(at, end, part, present)) || !present) return false;
    if (!(at = read_bytes(at, end, part, present))) return false;
  }
  return at == end;
}

base::Result<void> RecordIterator::finish() const {
  if (problem_) {
    return base::error(base::ErrorKind::kCorruption, "record {} of the batch at offset {}: {}",
                       index_, base_offset_, problem_);
  }
  if (index_ == count_ && at_ != end_) {
    return base::error(base::ErrorKind::kCorruption,
                       "batch at offset {}: {} bytes are left over after its {} records",
                       base_offset_, end_ - at_, count_);
  }
  return base::ok();
}

bool RecordHeaderIterator::next(RecordHeader& header) {
  if (left_ <= 0) return false;
  --left_;
  int32_t key_size = reader_.varint();
  header.key = reader_.raw(static_cast<size_t>(key_size < 0 ? 0 : key_size));
  int32_t value_size = reader_.varint();
  header.value =
      value_size < 0 ? std::nullopt : std::optional(reader_.raw(static_cast<size_t>(value_size)));
  return reader_.ok();
}

}  // namespace weir::kafka
