#include "source/rate_micro_batch_source.h"

#include <algorithm>
#include <thread>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "source/memory_source.h"
#include "source/rate_source.h"

namespace weir::source {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr int64_t kRowsPerArray = 65536;

struct RateOffset {
  int64_t rows = 0;
  int64_t timestamp_ms = 0;
};

std::string offset_text(RateOffset offset) {
  return fmt::format("{{\"offset\":{},\"timestamp\":{}}}", offset.rows, offset.timestamp_ms);
}

Result<RateOffset> parse_offset(std::string_view text) {
  WEIR_ASSIGN(const auto json,
              base::parse_json_object(text, "offset of a rate-micro-batch source"));
  const auto rows = base::json_int(json, "offset");
  const auto timestamp = base::json_int(json, "timestamp");
  if (!rows || !timestamp)
    return error(ErrorKind::kCorruption,
                 "'{}' is not an offset of a rate-micro-batch source such as "
                 "{{\"offset\":20,\"timestamp\":2000}}",
                 text);
  return RateOffset{*rows, *timestamp};
}

// Values first, first + step, … below last.
class RateReader final : public PartitionReader {
 public:
  RateReader(int64_t first, int64_t last, int64_t step, int64_t timestamp_us,
             std::vector<std::string> columns)
      : next_(first),
        last_(last),
        step_(step),
        timestamp_us_(timestamp_us),
        columns_(std::move(columns)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token) override {
    if (next_ >= last_) return std::shared_ptr<arrow::RecordBatch>();
    std::vector<int64_t> values;
    for (; next_ < last_ && static_cast<int64_t>(values.size()) < kRowsPerArray; next_ += step_)
      values.push_back(next_);
    const auto rows = static_cast<int64_t>(values.size());
    std::vector<int64_t> timestamps(values.size(), timestamp_us_);
    counters_.rows += rows;
    const auto batch = rate_rows(std::move(timestamps), std::move(values));
    return select_columns(batch, columns_);
  }
  const ReadCounters& counters() const override { return counters_; }

 private:
  int64_t next_;
  const int64_t last_;
  const int64_t step_;
  const int64_t timestamp_us_;
  const std::vector<std::string> columns_;
  ReadCounters counters_;
};

class RateMicroBatchSource final : public Source {
 public:
  RateMicroBatchSource(int64_t rows, int64_t parts, int64_t start_ms, int64_t advance_ms)
      : rows_(rows),
        parts_(parts),
        start_ms_(start_ms),
        advance_ms_(advance_ms),
        schema_(DataType::structure(
            {columnar::make_field("timestamp", DataType::of(TypeKind::kTimestamp)),
             columnar::make_field("value", DataType::of(TypeKind::kLong))})) {}

  const Schema& schema() const override { return schema_; }
  std::string description() const override {
    return fmt::format(
        "RatePerMicroBatchStream[rowsPerBatch={}, numPartitions={}, startTimestamp={}, "
        "advanceMsPerBatch={}]",
        rows_, parts_, start_ms_, advance_ms_);
  }
  Result<void> open(const std::string&) override { return {}; }
  Result<std::string> initial_offset() override { return offset_text({0, start_ms_}); }
  Result<void> prepare_available_now() override {
    one_batch_ = true;
    return {};
  }
  Result<LatestOffset> latest_offset(const std::string& start, bool) override {
    WEIR_ASSIGN(const RateOffset from, parse_offset(start));
    if (one_batch_ && frozen_.empty())
      frozen_ = offset_text({from.rows + rows_, from.timestamp_ms + advance_ms_});
    const std::string end =
        one_batch_ ? frozen_ : offset_text({from.rows + rows_, from.timestamp_ms + advance_ms_});
    return LatestOffset{.end = end, .latest = {}};
  }
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override {
    WEIR_ASSIGN(const RateOffset from, parse_offset(start));
    WEIR_ASSIGN(const RateOffset to, parse_offset(end));
    if (from.timestamp_ms > to.timestamp_ms)
      return error(ErrorKind::kInvalidArgument,
                   "Malformed state in RatePerMicroBatch source. The timestamp value is invalid: "
                   "startTimestamp should less than or equal to the endTimestamp, but "
                   "startTimestamp({}) > endTimestamp({}). This could happen when the streaming "
                   "query is restarted with a newer `startingTimestamp` and reprocess the first "
                   "batch (i.e. batch 0). Please consider using a new checkpoint location.",
                   from.timestamp_ms, to.timestamp_ms)
          .with_class("MALFORMED_STATE_IN_RATE_PER_MICRO_BATCH_SOURCE.INVALID_TIMESTAMP")
          .with_sql_state("22000");
    std::vector<std::unique_ptr<PartitionReader>> readers;
    for (int64_t part = 0; part < std::min(parts_, to.rows - from.rows); ++part)
      readers.push_back(std::make_unique<RateReader>(from.rows + part, to.rows, parts_,
                                                     from.timestamp_ms * 1000, columns));
    return readers;
  }
  Result<void> commit(const std::string&) override { return {}; }
  std::map<std::string, std::string> metrics(const std::string&) const override { return {}; }

 private:
  const int64_t rows_;
  const int64_t parts_;
  const int64_t start_ms_;
  const int64_t advance_ms_;
  const Schema schema_;
  bool one_batch_ = false;
  std::string frozen_;
};

}  // namespace

Result<std::unique_ptr<Source>> make_rate_micro_batch_source(
    const std::map<std::string, std::string>& values, UnknownOptions unknown) {
  Options options(values, unknown);
  WEIR_ASSIGN(const auto rows, options.take_integer("rowsPerBatch", 1));
  WEIR_ASSIGN(const auto parts, options.take_integer("numPartitions", 1));
  WEIR_ASSIGN(const auto start, options.take_integer("startTimestamp", 0));
  WEIR_ASSIGN(const auto advance, options.take_integer("advanceMillisPerBatch", 0));
  WEIR_TRY(options.require_all_taken("a rate-micro-batch source"));
  if (!rows)
    return error(ErrorKind::kInvalidArgument,
                 "Invalid value '0'. The option 'rowsPerBatch' must be positive");
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  return std::unique_ptr<Source>(std::make_unique<RateMicroBatchSource>(
      *rows, parts.value_or(cores), start.value_or(0), advance.value_or(1000)));
}

}  // namespace weir::source
