#include "kafka/record_batch.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "kafka/compression.h"
#include "kafka/crc32c.h"

namespace weir::kafka {
namespace {

using base::ErrorKind;
using ::testing::HasSubstr;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

const Compression kAll[] = {Compression::kNone, Compression::kGzip, Compression::kSnappy,
                            Compression::kLz4, Compression::kZstd};

std::string build(int count, RecordBatchBuilder::Options options = {}) {
  RecordBatchBuilder builder;
  for (int i = 0; i < count; ++i) {
    std::string key = fmt::format("key-{}", i);
    std::string value = fmt::format("value number {} of {}", i, count);
    RecordHeader headers[] = {{"h", "x"}, {"null", std::nullopt}};
    builder.add(i % 3 == 0 ? std::nullopt : std::optional<std::string_view>(key),
                i % 5 == 4 ? std::nullopt : std::optional<std::string_view>(value), 1000 + i,
                std::span(headers, i % 2 ? 2 : 0));
  }
  auto batch = builder.finish(options);
  EXPECT_TRUE(batch.ok());
  return std::move(batch).value();
}

base::Result<void> walk(std::string_view batch) {
  WEIR_ASSIGN(RecordBatchHeader header, validate_record_batch(batch));
  return check_records(batch, header);
}

TEST(Crc32c, HasTheKnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32c, BothWaysAgreeAtAnyLengthAndCut) {
  base::SeededRandom random(7);
  std::string bytes;
  while (bytes.size() < 40000)
    bytes.push_back(static_cast<char>(random.next()));
  for (size_t size :
       {1u, 7u, 8u, 255u, 767u, 768u, 769u, 4096u, 12287u, 12288u, 12289u, 25000u, 40000u}) {
    std::string_view part = std::string_view(bytes).substr(0, size);
    EXPECT_EQ(crc32c(part), crc32c_portable(part)) << size;
    size_t cut = random.below(size);
    EXPECT_EQ(crc32c(part.substr(cut), crc32c(part.substr(0, cut))), crc32c(part))
        << size << " cut at " << cut;
  }
}

TEST(RecordBatch, GoesThereAndBackWithEveryCompression) {
  for (Compression compression : kAll) {
    SCOPED_TRACE(compression_name(compression));
    RecordBatchBuilder::Options options;
    options.compression = compression;
    options.producer_id = 9;
    options.producer_epoch = 2;
    options.base_sequence = 5;
    std::string batch = build(200, options);
    auto header = validate_record_batch(batch);
    ASSERT_TRUE(header.ok()) << header.error().to_string();
    EXPECT_TRUE(check_produced_batch(*header).ok());
    EXPECT_EQ(header->record_count, 200);
    EXPECT_EQ(header->last_sequence(), 204);
    EXPECT_EQ(header->size(), batch.size());
    EXPECT_EQ(header->max_timestamp, 1199);
    auto opened = open_record_batch(batch, *header);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    RecordIterator iterator(*header, opened->records);
    Record record;
    int i = 0;
    for (; iterator.next(record); ++i) {
      EXPECT_EQ(record.offset, i);
      EXPECT_EQ(record.timestamp_ms, 1000 + i);
      EXPECT_EQ(record.has_key, i % 3 != 0);
      EXPECT_EQ(record.has_value, i % 5 != 4);
      if (record.has_value) {
        EXPECT_EQ(record.value, fmt::format("value number {} of 200", i));
      }
      RecordHeaderIterator headers(record);
      RecordHeader one;
      EXPECT_EQ(headers.next(one), i % 2 == 1);
      if (i % 2) {
        EXPECT_EQ(one.key, "h");
        EXPECT_EQ(one.value, "x");
        EXPECT_TRUE(headers.next(one));
        EXPECT_FALSE(one.value);
        EXPECT_FALSE(headers.next(one));
      }
    }
    EXPECT_EQ(i, 200);
    EXPECT_TRUE(iterator.finish().ok());
    if (opened->storage) {
      EXPECT_EQ(std::string_view(opened->storage->data() + opened->storage->size(), 64),
                std::string(64, '\0'));
    }
  }
}

// Batches as other clients wrote them and Apache Kafka stored them; see
// tests/golden/kafka/README.md.
TEST(RecordBatch, ReadsWhatOtherClientsWrite) {
  std::ifstream file("tests/golden/kafka/batches.txt");
  int seen = 0;
  for (std::string line; std::getline(file, line); ++seen) {
    std::istringstream words(line);
    std::string client;
    std::string compression;
    std::string hex;
    words >> client >> compression >> hex;
    SCOPED_TRACE(testing::Message() << client << " " << compression);
    std::string batch = from_hex(hex);
    auto header = validate_record_batch(batch);
    ASSERT_TRUE(header.ok()) << header.error().to_string();
    EXPECT_EQ(compression_name(header->compression()), compression);
    auto opened = open_record_batch(batch, *header);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    RecordIterator iterator(*header, opened->records);
    Record record;
    int64_t offset = header->base_offset;
    while (iterator.next(record)) {
      EXPECT_EQ(record.offset, offset++);
      ASSERT_TRUE(record.has_value);
      EXPECT_THAT(std::string(record.value), HasSubstr("record of weir's golden batch"));
    }
    EXPECT_TRUE(iterator.finish().ok());
    EXPECT_EQ(offset, header->next_offset());
  }
  EXPECT_GE(seen, 10);
}

TEST(RecordBatch, StampingKeepsTheCrcRight) {
  std::string batch = build(3);
  stamp_record_batch(batch, 1234, 5);
  auto header = validate_record_batch(batch);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->base_offset, 1234);
  EXPECT_EQ(header->next_offset(), 1237);
  EXPECT_EQ(header->partition_leader_epoch, 5);
  stamp_producer(batch, 77, 1, INT32_MAX);
  header = validate_record_batch(batch);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->producer_id, 77);
  EXPECT_EQ(header->last_sequence(), 1);  // wrapped
}

TEST(RecordBatch, LogAppendTimeIsTheTimeOfEveryRecord) {
  std::string batch = build(3);
  stamp_log_append_time(batch, 99999);
  auto header = validate_record_batch(batch);
  ASSERT_TRUE(header.ok());
  EXPECT_TRUE(header->is_log_append_time());
  auto opened = open_record_batch(batch, *header);
  RecordIterator iterator(*header, opened->records);
  Record record;
  while (iterator.next(record))
    EXPECT_EQ(record.timestamp_ms, 99999);
}

TEST(RecordBatch, EveryChangedByteUnderTheCrcIsFound) {
  std::string batch = build(4);
  for (size_t at = 16; at < batch.size(); ++at) {
    std::string damaged = batch;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(validate_record_batch(damaged).ok()) << at;
  }
}

TEST(RecordBatch, ABatchThatIsCutOffIsRefused) {
  std::string batch = build(4);
  for (size_t size = 0; size < batch.size(); ++size) {
    auto header = validate_record_batch(std::string_view(batch).substr(0, size));
    EXPECT_FALSE(header.ok()) << size;
  }
  EXPECT_EQ(record_batch_size(std::string_view(batch).substr(0, 12)), batch.size());
  EXPECT_FALSE(record_batch_size(std::string_view(batch).substr(0, 11)));
}

TEST(RecordBatch, OldFormatsAreNamed) {
  std::string batch = build(1);
  batch[16] = 1;
  auto header = parse_record_batch_header(batch);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(header.error().message(), HasSubstr("magic 1"));
}

// Damage that a CRC made anew hides: nothing but an error may come of it.
TEST(RecordBatch, DamagedRecordsUnderAGoodCrcAreErrors) {
  base::SeededRandom random(42);
  for (Compression compression : kAll) {
    RecordBatchBuilder::Options options;
    options.compression = compression;
    const std::string good = build(20, options);
    int refused = 0;
    for (int round = 0; round < 2000; ++round) {
      std::string bad = good;
      for (uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
        size_t at = kRecordBatchHeaderSize + random.below(bad.size() - kRecordBatchHeaderSize);
        bad[at] = static_cast<char>(random.next());
      }
      stamp_producer(bad, -1, -1, -1);
      if (!walk(bad).ok()) ++refused;
    }
    EXPECT_GT(refused, 100) << compression_name(compression);
  }
}

TEST(RecordBatch, ACountThatCannotBeIsRefusedBeforeAnythingIsDone) {
  std::string batch = build(2);
  store_big<int32_t>(batch.data() + 57, 0x7fffffff);
  store_big<int32_t>(batch.data() + 23, 0x7ffffffe);
  stamp_producer(batch, -1, -1, -1);
  auto header = validate_record_batch(batch);
  ASSERT_FALSE(header.ok());
  EXPECT_THAT(header.error().message(), HasSubstr("can't be in"));
}

TEST(RecordBatch, DecompressionStopsAtItsLimit) {
  RecordBatchBuilder builder;
  std::string zeros(8 << 20, '\0');
  for (Compression compression : kAll) {
    if (compression == Compression::kNone) continue;
    SCOPED_TRACE(compression_name(compression));
    builder.add(std::nullopt, zeros, 0);
    RecordBatchBuilder::Options options;
    options.compression = compression;
    std::string batch = std::move(builder.finish(options)).value();
    auto header = validate_record_batch(batch);
    ASSERT_TRUE(header.ok());
    auto limited = open_record_batch(batch, *header, 1 << 20);
    ASSERT_FALSE(limited.ok());
    EXPECT_EQ(limited.error().kind(), ErrorKind::kResourceExhausted) << limited.error().to_string();
    auto whole = open_record_batch(batch, *header);
    ASSERT_TRUE(whole.ok()) << whole.error().to_string();
    size_t exact = whole->records.size();
    EXPECT_TRUE(open_record_batch(batch, *header, exact).ok());
    EXPECT_FALSE(open_record_batch(batch, *header, exact - 1).ok());
  }
}

TEST(RecordBatch, SnappyIsReadRawAsWell) {
  // "hello hello hello hello" as one raw snappy block: length 23, literal "hello ", copy of 17 at
  // offset 6.
  std::string raw = from_hex(
      "17"
      "14"
      "68656c6c6f20"
      "42"
      "0600");
  auto plain = decompress(Compression::kSnappy, raw, 100);
  ASSERT_TRUE(plain.ok()) << plain.error().to_string();
  EXPECT_EQ(plain->view(), "hello hello hello hello");
}

TEST(RecordBatch, ProducedBatchesMustBeDense) {
  std::string batch = build(3);
  auto header = validate_record_batch(batch);
  header->last_offset_delta = 5;
  EXPECT_FALSE(check_produced_batch(*header).ok());
  header->last_offset_delta = 2;
  header->attributes = 0x20;
  EXPECT_FALSE(check_produced_batch(*header).ok());
}

}  // namespace
}  // namespace weir::kafka
