#include "source/memory_source.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/parse_integer.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

Result<int64_t> parse_offset(const std::string& text) {
  const auto offset = base::parse_integer(text);
  if (!offset) return error(ErrorKind::kCorruption, "'{}' is no offset of a memory source", text);
  return *offset;
}

class BatchReader final : public PartitionReader {
 public:
  explicit BatchReader(std::vector<std::shared_ptr<arrow::RecordBatch>> batches)
      : batches_(std::move(batches)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token) override {
    if (next_ == batches_.size()) return std::shared_ptr<arrow::RecordBatch>();
    counters_.rows += batches_[next_]->num_rows();
    return std::move(batches_[next_++]);
  }
  const ReadCounters& counters() const override { return counters_; }

 private:
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  size_t next_ = 0;
  ReadCounters counters_;
};

}  // namespace

std::unique_ptr<PartitionReader> make_batch_reader(
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches) {
  return std::make_unique<BatchReader>(std::move(batches));
}

Result<std::shared_ptr<arrow::RecordBatch>> select_columns(
    const std::shared_ptr<arrow::RecordBatch>& rows, const std::vector<std::string>& columns) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const std::string& name : columns) {
    const int index = rows->schema()->GetFieldIndex(name);
    if (index < 0) return error(ErrorKind::kInvalidArgument, "there is no column '{}'", name);
    fields.push_back(rows->schema()->field(index));
    arrays.push_back(rows->column(index));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows->num_rows(),
                                  std::move(arrays));
}

void MemorySource::Data::add(std::shared_ptr<arrow::RecordBatch> rows) {
  std::lock_guard lock(mutex_);
  batches_.push_back(std::move(rows));
}

Result<void> MemorySource::open(const std::string&) { return {}; }

int64_t MemorySource::newest() const {
  std::lock_guard lock(data_->mutex_);
  return static_cast<int64_t>(data_->batches_.size()) - 1;
}

Result<void> MemorySource::prepare_available_now() {
  frozen_ = newest();
  return {};
}

Result<LatestOffset> MemorySource::latest_offset(const std::string& start, bool ignore_limits) {
  WEIR_ASSIGN(const int64_t from, parse_offset(start));
  int64_t end = frozen_ > -2 ? frozen_ : newest();
  const std::string latest = std::to_string(end);
  if (max_batches_ > 0 && !ignore_limits) end = std::min(end, from + max_batches_);
  return LatestOffset{.end = end <= from ? start : std::to_string(end), .latest = latest};
}

Result<std::vector<std::unique_ptr<PartitionReader>>> MemorySource::plan(
    const std::string& start, const std::string& end, const std::vector<std::string>& columns) {
  WEIR_ASSIGN(const int64_t from, parse_offset(start));
  WEIR_ASSIGN(const int64_t to, parse_offset(end));
  std::vector<std::unique_ptr<PartitionReader>> readers;
  std::lock_guard lock(data_->mutex_);
  if (to >= static_cast<int64_t>(data_->batches_.size()))
    return error(ErrorKind::kDataLoss, "the memory source has {} batches; offset {} is asked for",
                 data_->batches_.size(), to);
  for (int64_t index = from + 1; index <= to; ++index) {
    WEIR_ASSIGN(auto rows, select_columns(data_->batches_[static_cast<size_t>(index)], columns));
    readers.push_back(make_batch_reader({std::move(rows)}));
  }
  return readers;
}

Result<void> MemorySource::commit(const std::string&) { return {}; }

std::map<std::string, std::string> MemorySource::metrics(const std::string&) const { return {}; }

}  // namespace weir::source
