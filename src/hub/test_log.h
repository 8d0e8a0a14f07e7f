// For the tests of this room: a partition's log on a model disk, flushed by hand, and record
// batches.
#pragma once

#include <string>
#include <vector>

#include "hub/partition_log.h"
#include "io/model_file_system.h"
#include "kafka/record_batch.h"

namespace weir::hub::test {

struct BatchSpec {
  int records = 1;
  int64_t producer_id = -1;
  int16_t epoch = 0;
  int32_t sequence = 0;
  int64_t timestamp_ms = 1'600'000'000'000;
  std::string value = "value";
};

inline std::string make_batch(const BatchSpec& spec) {
  kafka::RecordBatchBuilder builder;
  for (int i = 0; i < spec.records; ++i)
    builder.add("key", spec.value, spec.timestamp_ms + i);
  kafka::RecordBatchBuilder::Options options;
  if (spec.producer_id >= 0) {
    options.producer_id = spec.producer_id;
    options.producer_epoch = spec.epoch;
    options.base_sequence = spec.sequence;
  }
  return builder.finish(options).value();
}

// One partition in folder "log" of a file system that outlives it.
class TestLog {
 public:
  explicit TestLog(io::FileSystem& files, base::Clock& clock, TopicConfig config = {},
                   FlushPolicy policy = FlushPolicy::kAlways, bool repair = false)
      : flusher_(clock, policy, 1, nullptr),
        log_(files, clock, flusher_, nullptr,
             PartitionLogOptions{.folder = "log",
                                 .name = "t-0",
                                 .config = config,
                                 .producers_max = 100,
                                 .repair = repair}) {}

  static base::Result<void> create(io::FileSystem& files) {
    WEIR_TRY(files.make_dir("log"));
    WEIR_TRY(PartitionLog::create_files(files, "log"));
    return files.sync_dir(".");
  }
  AppendOutcome append(const BatchSpec& spec) { return append_bytes(make_batch(spec)); }
  AppendOutcome append_bytes(const std::string& batch) {
    return log_.append(batch, kafka::validate_record_batch(batch).value());
  }
  void flush() { flusher_.flush_all(); }
  PartitionLog& operator*() { return log_; }
  PartitionLog* operator->() { return &log_; }

  // The values of all visible records from an offset on.
  std::vector<std::string> values(int64_t from = 0) {
    std::vector<std::string> result;
    kafka::PaddedBuffer buffer;
    for (int64_t offset = from;;) {
      const ReadOutcome read = log_.read(offset, 1 << 20, true, buffer);
      if (read.error != kafka::ErrorCode::kNone || buffer.size() == 0) return result;
      for (std::string_view bytes = buffer.view(); !bytes.empty();) {
        const auto header = kafka::validate_record_batch(bytes).value();
        const auto opened =
            kafka::open_record_batch(bytes.substr(0, header.size()), header).value();
        kafka::RecordIterator records(opened.header, opened.records);
        for (kafka::Record record; records.next(record);) {
          if (record.offset >= offset) result.emplace_back(record.value);
        }
        bytes.remove_prefix(header.size());
        offset = header.next_offset();
      }
    }
  }

 private:
  Flusher flusher_;
  PartitionLog log_;
};

}  // namespace weir::hub::test
