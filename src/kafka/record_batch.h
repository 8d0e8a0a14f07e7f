// Kafka's record batch, version 2 (magic 2): parse, check, re-stamp, iterate, build.
//
// Bytes (big-endian; https://kafka.apache.org/documentation/#recordbatch):
//    0 int64 base offset      8 int32 length (of all that follows: 12…)   12 int32 partition leader
//    epoch
//   16 int8 magic (2)        17 uint32 crc (CRC-32C of 21…end)            21 int16 attributes
//   23 int32 last offset delta   27 int64 base timestamp   35 int64 max timestamp   43 int64
//   producer id 51 int16 producer epoch      53 int32 base sequence    57 int32 record count    61
//   records
// Attributes: bits 0-2 compression, 3 timestamp type (1: log append time), 4 transactional, 5
// control, 6 delete horizon. Base offset and leader epoch are outside the CRC, so that a broker may
// set them. Nothing here keeps state between calls; all functions may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kafka/padded_buffer.h"
#include "kafka/wire.h"

namespace weir::kafka {

enum class Compression : int8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };
// "none", "gzip", "snappy", "lz4", "zstd" (Kafka's compression.type).
std::string_view compression_name(Compression compression);
base::Result<Compression> parse_compression(std::string_view name);

inline constexpr size_t kRecordBatchHeaderSize = 61;
inline constexpr size_t kRecordBatchLengthEnd = 12;  // bytes before those that `length` counts
inline constexpr int64_t kNoTimestamp = -1;
inline constexpr int64_t kNoProducerId = -1;

struct RecordBatchHeader {
  int64_t base_offset = 0;
  int32_t batch_length = 0;
  int32_t partition_leader_epoch = -1;
  int8_t magic = 2;
  uint32_t crc = 0;
  int16_t attributes = 0;
  int32_t last_offset_delta = 0;
  int64_t base_timestamp = kNoTimestamp;
  int64_t max_timestamp = kNoTimestamp;
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  int32_t record_count = 0;

  size_t size() const { return kRecordBatchLengthEnd + static_cast<size_t>(batch_length); }
  int64_t last_offset() const { return base_offset + last_offset_delta; }
  int64_t next_offset() const { return last_offset() + 1; }
  int8_t compression_bits() const { return static_cast<int8_t>(attributes & 0x07); }
  Compression compression() const { return static_cast<Compression>(compression_bits()); }
  bool is_log_append_time() const { return (attributes & 0x08) != 0; }
  bool is_transactional() const { return (attributes & 0x10) != 0; }
  bool is_control() const { return (attributes & 0x20) != 0; }
  bool has_producer_id() const { return producer_id >= 0; }
  // Sequence numbers wrap from 2^31-1 to 0.
  int32_t last_sequence() const { return sequence_after(base_sequence, last_offset_delta); }
  static int32_t sequence_after(int32_t sequence, int32_t delta) {
    return static_cast<int32_t>((static_cast<uint32_t>(sequence) + static_cast<uint32_t>(delta)) &
                                0x7fffffffu);
  }
};

// The header at the start of `bytes`, and that its fields can be true: the whole batch lies within
// `bytes` (it may be followed by others), magic is 2, counts and deltas fit each other. kCorruption
// where not, kUnsupported for magic 0 and 1. Does not look at the CRC.
base::Result<RecordBatchHeader> parse_record_batch_header(std::string_view bytes);

// As parse_record_batch_header, and the CRC fits.
base::Result<RecordBatchHeader> validate_record_batch(std::string_view bytes);

// What a broker asks of a batch that a client wrote, beyond being well-formed: records there and
// dense, no control batch, known compression, epoch and sequence where there is a producer id.
// kInvalidArgument where not (INVALID_RECORD on the wire).
base::Result<void> check_produced_batch(const RecordBatchHeader& header);

// Size of the batch that starts at `bytes` by its length field, or nullopt where fewer than 12
// bytes are there or the field is impossible. The batch may be longer than `bytes`: a fetch may cut
// off the last one.
std::optional<size_t> record_batch_size(std::string_view bytes);

// Sets base offset and partition leader epoch in place (both outside the CRC).
void stamp_record_batch(std::span<char> batch, int64_t base_offset, int32_t leader_epoch);
// Sets the timestamp type to log append time, max timestamp to `now_ms`, and the CRC anew.
void stamp_log_append_time(std::span<char> batch, int64_t now_ms);

// The most that a batch may decompress to where the caller has no tighter limit.
inline constexpr size_t kDefaultDecompressedLimit = size_t{256} << 20;

// The records of one batch, ready to be walked: a view into the batch where it is not compressed,
// else into `storage`, which the caller keeps alive as long as it uses views of records.
struct BatchRecords {
  RecordBatchHeader header;
  std::string_view records;
  std::shared_ptr<const PaddedBuffer> storage;  // null where not compressed
};
// Opens a batch that parse_record_batch_header or validate_record_batch has accepted. kCorruption
// where the compressed bytes are damaged, kResourceExhausted where they'd grow past `limit`,
// kUnsupported for an unknown compression.
base::Result<BatchRecords> open_record_batch(std::string_view batch,
                                             const RecordBatchHeader& header,
                                             size_t limit = kDefaultDecompressedLimit);

struct RecordHeader {
  std::string_view key;
  std::optional<std::string_view> value;
};

// One record; views into the batch's records.
struct Record {
  int64_t offset = 0;
  int64_t timestamp_ms = 0;  // the batch's max timestamp where it is log append time
  std::string_view key;
  std::string_view value;
  bool has_key = false;    // false: null
  bool has_value = false;  // false: null (a tombstone)
  int32_t header_count = 0;
  std::string_view header_bytes;  // checked; RecordHeaderIterator walks it
};

// Walks a record's headers, which RecordIterator has checked.
class RecordHeaderIterator {
 public:
  explicit RecordHeaderIterator(const Record& record)
      : reader_(record.header_bytes), left_(record.header_count) {}
  bool next(RecordHeader& header);

 private:
  Reader reader_;
  int32_t left_;
};

// Walks the records of one batch without allocating:
//   RecordIterator it(records.header, records.records);
//   while (it.next(record)) …
//   WEIR_TRY(it.finish());
class RecordIterator {
 public:
  RecordIterator(const RecordBatchHeader& header, std::string_view records);
  // False at the end and at the first malformed record; finish() tells which.
  bool next(Record& record);
  // ok where as many records were there as the header says and no bytes are left over; else
  // kCorruption.
  base::Result<void> finish() const;

 private:
  bool malformed(const char* problem);
  bool parse_headers(Record& record);

  const char* at_;
  const char* end_;
  int64_t base_offset_;
  int64_t base_timestamp_;
  int64_t max_timestamp_;
  bool log_append_time_;
  int32_t last_offset_delta_;
  int32_t count_;
  int32_t index_ = 0;
  const char* problem_ = nullptr;
};

// Opens and walks the whole batch: every record well-formed, deltas as the header says. For brokers
// that check what they're sent beyond the CRC, and for tools.
base::Result<void> check_records(std::string_view batch, const RecordBatchHeader& header,
                                 size_t limit = kDefaultDecompressedLimit);

// Builds one batch; reusable after finish(). Offsets are deltas from 0; a broker stamps the base
// offset.
class RecordBatchBuilder {
 public:
  struct Options {
    Compression compression = Compression::kNone;
    int64_t producer_id = kNoProducerId;
    int16_t producer_epoch = -1;
    int32_t base_sequence = -1;
    bool transactional = false;
    int64_t base_offset = 0;
    int32_t partition_leader_epoch = -1;
  };

  void add(std::optional<std::string_view> key, std::optional<std::string_view> value,
           int64_t timestamp_ms, std::span<const RecordHeader> headers = {});
  void reserve(size_t bytes) { bytes_.reserve(bytes); }
  bool empty() const { return count_ == 0; }
  int32_t count() const { return count_; }
  // Size of the batch that finish() would give without compression.
  size_t size() const { return bytes_.size(); }
  // The finished batch; the builder is empty afterwards. kInternal where a compressor fails.
  base::Result<std::string> finish(const Options& options);

 private:
  std::string bytes_;  // room for the header, then the records
  int32_t count_ = 0;
  int64_t base_timestamp_ = 0;
  int64_t max_timestamp_ = 0;
};

// Sets producer id, epoch and base sequence of a finished batch in place, and its CRC anew.
void stamp_producer(std::span<char> batch, int64_t producer_id, int16_t producer_epoch,
                    int32_t base_sequence);

}  // namespace weir::kafka
