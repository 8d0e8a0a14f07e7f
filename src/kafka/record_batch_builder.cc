#include <algorithm>

#include "kafka/compression.h"
#include "kafka/record_batch.h"

namespace weir::kafka {

namespace {

size_t varint_size(uint64_t zigzag) {
  return (static_cast<size_t>(std::bit_width(zigzag | 1)) + 6) / 7;
}
size_t varint_size(int64_t value) { return varint_size(zigzag_encode(value)); }

char* put_varint(char* at, int64_t value) {
  uint64_t rest = zigzag_encode(value);
  while (rest >= 0x80) {
    *at++ = static_cast<char>(rest | 0x80);
    rest >>= 7;
  }
  *at++ = static_cast<char>(rest);
  return at;
}

size_t bytes_size(const std::optional<std::string_view>& value) {
  return value ? varint_size(static_cast<int64_t>(value->size())) + value->size() : 1;
}

char* put_bytes(char* at, const std::optional<std::string_view>& value) {
  if (!value) return put_varint(at, -1);
  at = put_varint(at, static_cast<int64_t>(value->size()));
  if (!value->empty()) std::memcpy(at, value->data(), value->size());
  return at + value->size();
}

}  // namespace

void RecordBatchBuilder::add(std::optional<std::string_view> key,
                             std::optional<std::string_view> value, int64_t timestamp_ms,
                             std::span<const RecordHeader> headers) {
  if (count_ == 0) {
    bytes_.resize(kRecordBatchHeaderSize);
    base_timestamp_ = timestamp_ms;
    max_timestamp_ = timestamp_ms;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp_ms);
  int64_t timestamp_delta = timestamp_ms - base_timestamp_;
  size_t length = 1 + varint_size(timestamp_delta) + varint_size(int64_t{count_}) +
                  bytes_size(key) + bytes_size(value) +
                  varint_size(static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers)
    length += bytes_size(header.key) + bytes_size(header.value);

  size_t start = bytes_.size();
  bytes_.resize(start + varint_size(static_cast<int64_t>(length)) + length);
  char* at = put_varint(bytes_.data() + start, static_cast<int64_t>(length));
  *at++ = 0;  // attributes
  at = put_varint(at, timestamp_delta);
  at = put_varint(at, count_);
  at = put_bytes(at, key);
  at = put_bytes(at, value);
  at = put_varint(at, static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    at = put_bytes(at, header.key);
    at = put_bytes(at, header.value);
  }
  ++count_;
}

base::Result<std::string> RecordBatchBuilder::finish(const Options& options) {
  WEIR_CHECK(count_ > 0, "a record batch has at least one record");
  std::string out;
  if (options.compression == Compression::kNone) {
    out = std::move(bytes_);
  } else {
    out.resize(kRecordBatchHeaderSize);
    WEIR_TRY(compress(options.compression, std::string_view(bytes_).substr(kRecordBatchHeaderSize),
                      out));
  }
  int16_t attributes = static_cast<int16_t>(options.compression);
  if (options.transactional) attributes |= 0x10;
  Writer header;
  header.int64(options.base_offset);
  header.int32(static_cast<int32_t>(out.size() - kRecordBatchLengthEnd));
  header.int32(options.partition_leader_epoch);
  header.int8(2);
  header.int32(0);  // CRC
  header.int16(attributes);
  header.int32(count_ - 1);
  header.int64(base_timestamp_);
  header.int64(max_timestamp_);
  header.int64(options.producer_id);
  header.int16(options.producer_epoch);
  header.int32(options.base_sequence);
  header.int32(count_);
  std::memcpy(out.data(), header.buffer().data(), kRecordBatchHeaderSize);
  stamp_producer(out, options.producer_id, options.producer_epoch, options.base_sequence);
  bytes_.clear();
  count_ = 0;
  return out;
}

}  // namespace weir::kafka
