#include "source/rate_source.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/parse_integer.h"
#include "source/memory_source.h"
#include "source/metadata_log.h"
#include "source/option_text.h"

namespace weir::source {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr int64_t kRowsPerBatch = 65536;

Result<int64_t> parse_number(std::string_view text, std::string_view what) {
  const auto number = base::parse_integer(text);
  if (!number) return error(ErrorKind::kCorruption, "{}: '{}' is not a number", what, text);
  return *number;
}

struct RateRange {
  int64_t first = 0;  // value of the first row
  int64_t last = 0;   // past the last
  int64_t step = 1;
  int64_t range_first = 0;  // of the whole range that the parts share
  int64_t range_rows = 0;
  int64_t start_us = 0;
  int64_t length_us = 0;
};

// Rows first, first + step, …; timestamps spread evenly over the range.
class RateReader final : public PartitionReader {
 public:
  RateReader(RateRange range, std::vector<std::string> columns)
      : range_(range), columns_(std::move(columns)), next_(range.first) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token) override {
    if (next_ >= range_.last) return std::shared_ptr<arrow::RecordBatch>();
    std::vector<int64_t> values;
    std::vector<int64_t> timestamps;
    for (; next_ < range_.last && static_cast<int64_t>(values.size()) < kRowsPerBatch;
         next_ += range_.step) {
      values.push_back(next_);
      const auto share =
          static_cast<double>(next_ - range_.range_first) / static_cast<double>(range_.range_rows);
      const auto ms = std::llround(share * static_cast<double>(range_.length_us) / 1000);
      timestamps.push_back(range_.start_us + ms * 1000);
    }
    const auto rows = static_cast<int64_t>(values.size());
    counters_.rows += rows;
    const auto batch = rate_rows(std::move(timestamps), std::move(values));
    return select_columns(batch, columns_);
  }
  const ReadCounters& counters() const override { return counters_; }

 private:
  RateRange range_;
  std::vector<std::string> columns_;
  int64_t next_;
  ReadCounters counters_;
};

class RateSource final : public Source {
 public:
  RateSource(io::FileSystem& files, base::Clock& clock, int64_t rate, int64_t ramp_up,
             int64_t parts)
      : files_(files),
        clock_(clock),
        rate_(rate),
        ramp_up_(ramp_up),
        parts_(parts),
        schema_(DataType::structure(
            {columnar::make_field("timestamp", DataType::of(TypeKind::kTimestamp)),
             columnar::make_field("value", DataType::of(TypeKind::kLong))})) {}

  const Schema& schema() const override { return schema_; }
  std::string description() const override {
    return fmt::format("RateStreamV2[rowsPerSecond={}, rampUpTimeSeconds={}, numPartitions={}]",
                       rate_, ramp_up_, parts_);
  }
  Result<void> open(const std::string& folder) override {
    MetadataLog log(files_, folder);
    WEIR_TRY(log.open());
    WEIR_ASSIGN(auto text, log.get(0));
    if (!text) {
      start_ms_ = clock_.now_ms();
      WEIR_ASSIGN(const auto outcome, log.add(0, fmt::format("v1\n{}", start_ms_)));
      if (outcome == io::CreateOutcome::kCreated) return {};
      return error(ErrorKind::kConflict, "{} exists already: another query uses this checkpoint",
                   log.path_of(0));
    }
    WEIR_ASSIGN(const std::string_view number, after_version_line(*text, 1, log.path_of(0)));
    WEIR_ASSIGN(start_ms_, parse_number(number, log.path_of(0)));
    return {};
  }
  Result<std::string> initial_offset() override { return std::string("0"); }
  Result<void> prepare_available_now() override {
    frozen_ = seconds();
    return {};
  }
  Result<LatestOffset> latest_offset(const std::string& start, bool) override {
    WEIR_ASSIGN(const int64_t from, parse_number(start, "offset of a rate source"));
    const int64_t latest = frozen_ >= 0 ? frozen_ : seconds();
    return LatestOffset{.end = std::to_string(std::max(from, latest)),
                        .latest = std::to_string(latest)};
  }
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override {
    WEIR_ASSIGN(const int64_t from, parse_number(start, "offset of a rate source"));
    WEIR_ASSIGN(const int64_t to, parse_number(end, "offset of a rate source"));
    RateRange range;
    range.range_first = rate_rows_until(from, rate_, ramp_up_);
    range.last = rate_rows_until(to, rate_, ramp_up_);
    range.range_rows = range.last - range.range_first;
    range.step = parts_;
    range.start_us = start_ms_ * 1000 + from * 1'000'000;
    range.length_us = (to - from) * 1'000'000;
    std::vector<std::unique_ptr<PartitionReader>> readers;
    for (int64_t part = 0; part < std::min(parts_, range.range_rows); ++part) {
      range.first = range.range_first + part;
      readers.push_back(std::make_unique<RateReader>(range, columns));
    }
    return readers;
  }
  Result<void> commit(const std::string&) override { return {}; }
  std::map<std::string, std::string> metrics(const std::string&) const override { return {}; }

 private:
  int64_t seconds() const { return std::max<int64_t>(0, (clock_.now_ms() - start_ms_) / 1000); }

  io::FileSystem& files_;
  base::Clock& clock_;
  const int64_t rate_;
  const int64_t ramp_up_;
  const int64_t parts_;
  const Schema schema_;
  int64_t start_ms_ = 0;
  int64_t frozen_ = -1;
};

}  // namespace

std::shared_ptr<arrow::RecordBatch> rate_rows(std::vector<int64_t> timestamps_us,
                                              std::vector<int64_t> values) {
  const auto rows = static_cast<int64_t>(values.size());
  const auto column = [&](const std::shared_ptr<arrow::DataType>& type,
                          std::vector<int64_t>& numbers) {
    auto buffer = arrow::Buffer::FromVector(std::move(numbers));
    return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr, std::move(buffer)}, 0));
  };
  const auto instant = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("timestamp", instant), arrow::field("value", arrow::int64())}),
      rows, {column(instant, timestamps_us), column(arrow::int64(), values)});
}

int64_t rate_rows_until(int64_t seconds, int64_t rows_per_second, int64_t ramp_up_seconds) {
  // The speed grows by one step a second, in whole rows.
  const int64_t step = rows_per_second / (ramp_up_seconds + 1);
  const auto ramp_rows = [&](int64_t s) { return s * (s + 1) / 2 * step; };
  if (seconds <= ramp_up_seconds) return ramp_rows(std::max<int64_t>(0, seconds));
  return ramp_rows(ramp_up_seconds) + (seconds - ramp_up_seconds) * rows_per_second;
}

Result<std::unique_ptr<Source>> make_rate_source(io::FileSystem& files, base::Clock& clock,
                                                 const std::map<std::string, std::string>& values,
                                                 UnknownOptions unknown) {
  Options options(values, unknown);
  WEIR_ASSIGN(const auto rate, options.take_integer("rowsPerSecond", 1));
  WEIR_ASSIGN(const auto ramp_up_us, options.take_duration_us("rampUpTime"));
  WEIR_ASSIGN(const auto parts, options.take_integer("numPartitions", 1));
  WEIR_TRY(options.require_all_taken("a rate source"));
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  return std::unique_ptr<Source>(std::make_unique<RateSource>(
      files, clock, rate.value_or(1), ramp_up_us.value_or(0) / 1'000'000, parts.value_or(cores)));
}

}  // namespace weir::source
