#include "kafka/record_batch.h"

#include <limits>

#include "kafka/compression.h"
#include "kafka/crc32c.h"

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

// Where the header's fields stand.
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerIdAt = 43;
constexpr size_t kProducerEpochAt = 51;
constexpr size_t kBaseSequenceAt = 53;
constexpr size_t kRecordCountAt = 57;

constexpr int16_t kLogAppendTimeBit = 0x08;
// length, attributes, timestamp delta, offset delta, key length, value length, header count
constexpr size_t kSmallestRecord = 7;
constexpr int32_t kSmallestBatchLength =
    static_cast<int32_t>(kRecordBatchHeaderSize - kRecordBatchLengthEnd);

template <typename... Args>
base::Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return base::error(ErrorKind::kCorruption, "record batch: {}",
                     fmt::format(format, std::forward<Args>(args)...));
}

void stamp_crc(std::span<char> batch) {
  std::string_view covered(batch.data() + kAttributesAt, batch.size() - kAttributesAt);
  store_big(batch.data() + kCrcAt, static_cast<int32_t>(crc32c(covered)));
}

Result<void> check_header(const RecordBatchHeader& header, size_t available) {
  if (header.base_offset < 0 || header.base_offset > std::numeric_limits<int64_t>::max() -
                                                         std::numeric_limits<int32_t>::max() - 1) {
    return corrupt("base offset {} is out of range", header.base_offset);
  }
  if (header.batch_length < kSmallestBatchLength)
    return corrupt("length {} is less than the header's", header.batch_length);
  if (header.size() > available)
    return corrupt("length {} runs past the {} bytes that are there", header.batch_length,
                   available);
  if (header.record_count < 0) return corrupt("record count {} is negative", header.record_count);
  if (header.last_offset_delta < 0 ||
      int64_t{header.record_count} > int64_t{header.last_offset_delta} + 1) {
    return corrupt("{} records don't fit a last offset delta of {}", header.record_count,
                   header.last_offset_delta);
  }
  size_t payload = header.size() - kRecordBatchHeaderSize;
  if (header.compression_bits() == 0 &&
      static_cast<size_t>(header.record_count) > payload / kSmallestRecord) {
    return corrupt("{} records can't be in {} bytes", header.record_count, payload);
  }
  return base::ok();
}

}  // namespace

std::optional<size_t> record_batch_size(std::string_view bytes) {
  if (bytes.size() < kRecordBatchLengthEnd) return std::nullopt;
  int32_t length = load_big<int32_t>(bytes.data() + kLengthAt);
  if (length < kSmallestBatchLength) return std::nullopt;
  return kRecordBatchLengthEnd + static_cast<size_t>(length);
}

Result<RecordBatchHeader> parse_record_batch_header(std::string_view bytes) {
  // Magic stands at the same place in all versions of the format; older ones have shorter headers.
  if (bytes.size() > kMagicAt && (bytes[kMagicAt] == 0 || bytes[kMagicAt] == 1)) {
    return base::error(ErrorKind::kUnsupported,
                       "record batch of the old message format (magic {}); version 2 is needed",
                       static_cast<int>(bytes[kMagicAt]));
  }
  if (bytes.size() < kRecordBatchHeaderSize) {
    return corrupt("{} bytes are less than the {} of a header", bytes.size(),
                   kRecordBatchHeaderSize);
  }
  const char* at = bytes.data();
  RecordBatchHeader header;
  header.base_offset = load_big<int64_t>(at);
  header.batch_length = load_big<int32_t>(at + kLengthAt);
  header.partition_leader_epoch = load_big<int32_t>(at + kLeaderEpochAt);
  header.magic = at[kMagicAt];
  header.crc = load_big<uint32_t>(at + kCrcAt);
  header.attributes = load_big<int16_t>(at + kAttributesAt);
  header.last_offset_delta = load_big<int32_t>(at + kLastOffsetDeltaAt);
  header.base_timestamp = load_big<int64_t>(at + kBaseTimestampAt);
  header.max_timestamp = load_big<int64_t>(at + kMaxTimestampAt);
  header.producer_id = load_big<int64_t>(at + kProducerIdAt);
  header.producer_epoch = load_big<int16_t>(at + kProducerEpochAt);
  header.base_sequence = load_big<int32_t>(at + kBaseSequenceAt);
  header.record_count = load_big<int32_t>(at + kRecordCountAt);
  if (header.magic != 2) return corrupt("magic {} is unknown", static_cast<int>(header.magic));
  WEIR_TRY(check_header(header, bytes.size()));
  return header;
}

Result<RecordBatchHeader> validate_record_batch(std::string_view bytes) {
  WEIR_ASSIGN(RecordBatchHeader header, parse_record_batch_header(bytes));
  uint32_t crc = crc32c(bytes.substr(kAttributesAt, header.size() - kAttributesAt));
  if (crc != header.crc) {
    return corrupt("CRC is {:08x}, should be {:08x} (base offset {}, {} bytes)", crc, header.crc,
                   header.base_offset, header.size());
  }
  return header;
}

Result<void> check_produced_batch(const RecordBatchHeader& header) {
  auto refuse = [](std::string_view what) {
    return base::error(ErrorKind::kInvalidArgument, "record batch from a producer: {}", what);
  };
  if (header.record_count < 1) return refuse("it has no records");
  if (int64_t{header.record_count} != int64_t{header.last_offset_delta} + 1) {
    return refuse("its last offset delta is not its count less one");
  }
  if (header.is_control()) return refuse("a client may not write a control batch");
  if (header.compression_bits() > static_cast<int8_t>(Compression::kZstd))
    return refuse("its compression is unknown");
  if (header.has_producer_id() && (header.producer_epoch < 0 || header.base_sequence < 0)) {
    return refuse("it has a producer id without epoch or sequence");
  }
  if (header.is_transactional() && !header.has_producer_id())
    return refuse("it is transactional without a producer id");
  return base::ok();
}

void stamp_record_batch(std::span<char> batch, int64_t base_offset, int32_t leader_epoch) {
  WEIR_CHECK(batch.size() >= kRecordBatchHeaderSize);
  store_big(batch.data(), base_offset);
  store_big(batch.data() + kLeaderEpochAt, leader_epoch);
}

void stamp_log_append_time(std::span<char> batch, int64_t now_ms) {
  WEIR_CHECK(batch.size() >= kRecordBatchHeaderSize);
  int16_t attributes = load_big<int16_t>(batch.data() + kAttributesAt);
  store_big(batch.data() + kAttributesAt, static_cast<int16_t>(attributes | kLogAppendTimeBit));
  store_big(batch.data() + kMaxTimestampAt, now_ms);
  stamp_crc(batch);
}

void stamp_producer(std::span<char> batch, int64_t producer_id, int16_t producer_epoch,
                    int32_t base_sequence) {
  WEIR_CHECK(batch.size() >= kRecordBatchHeaderSize);
  store_big(batch.data() + kProducerIdAt, producer_id);
  store_big(batch.data() + kProducerEpochAt, producer_epoch);
  store_big(batch.data() + kBaseSequenceAt, base_sequence);
  stamp_crc(batch);
}

Result<BatchRecords> open_record_batch(std::string_view batch, const RecordBatchHeader& header,
                                       size_t limit) {
  BatchRecords opened;
  opened.header = header;
  std::string_view payload =
      batch.substr(kRecordBatchHeaderSize, header.size() - kRecordBatchHeaderSize);
  if (header.compression_bits() == 0) {
    opened.records = payload;
    return opened;
  }
  WEIR_ASSIGN(PaddedBuffer plain, decompress(header.compression(), payload, limit));
  auto storage = std::make_shared<const PaddedBuffer>(std::move(plain));
  opened.records = storage->view();
  opened.storage = std::move(storage);
  return opened;
}

Result<void> check_records(std::string_view batch, const RecordBatchHeader& header, size_t limit) {
  WEIR_ASSIGN(BatchRecords opened, open_record_batch(batch, header, limit));
  RecordIterator iterator(header, opened.records);
  Record record;
  int64_t previous = header.base_offset - 1;
  bool dense = int64_t{header.record_count} == int64_t{header.last_offset_delta} + 1;
  while (iterator.next(record)) {
    if (record.offset <= previous || (dense && record.offset != previous + 1)) {
      return corrupt("offset {} follows {}", record.offset, previous);
    }
    previous = record.offset;
  }
  return iterator.finish();
}

}  // namespace weir::kafka
