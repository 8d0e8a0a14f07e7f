#include "streaming/memory_rows.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include <arrow/record_batch.h>

#include "columnar/arrow_adapter.h"
#include "relational/scan_schema.h"
#include "relational/scan_source.h"

namespace weir::streaming {

using base::Result;
using columnar::Schema;
using relational::BatchPtr;
using relational::BatchStream;
using sink::BatchId;

namespace {

// Any thread.
class Rows {
 public:
  Rows(bool complete, int64_t rows_max) : complete_(complete), rows_max_(rows_max) {}

  Result<sink::SinkCommit> take(BatchId batch, std::vector<BatchPtr> rows) {
    const std::lock_guard lock(mutex_);
    sink::SinkCommit commit;
    if (last_ && batch <= *last_) {
      commit.already_done = true;
      return commit;
    }
    for (const auto& one : rows)
      commit.rows += one->num_rows();
    const int64_t kept = complete_ ? 0 : rows_;
    if (kept + commit.rows > rows_max_)
      return base::error(base::ErrorKind::kResourceExhausted,
                         "memory sink: {} rows are kept, {} more would pass the limit of {}", kept,
                         commit.rows, rows_max_);
    if (complete_) batches_.clear();
    batches_.insert(batches_.end(), rows.begin(), rows.end());
    rows_ = kept + commit.rows;
    last_ = batch;
    return commit;
  }
  std::vector<BatchPtr> batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }
  int64_t count() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }

 private:
  const bool complete_;
  const int64_t rows_max_;
  mutable std::mutex mutex_;
  std::optional<BatchId> last_;
  std::vector<BatchPtr> batches_;
  int64_t rows_ = 0;
};

class RowsStream final : public BatchStream {
 public:
  RowsStream(Schema schema, std::vector<int> columns, std::vector<BatchPtr> batches)
      : schema_(std::move(schema)), columns_(std::move(columns)), batches_(std::move(batches)) {}
  const Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token stop) override {
    if (stop.stop_requested())
      return base::error(base::ErrorKind::kCancelled, "the query was stopped");
    if (at_ == batches_.size()) return BatchPtr();
    WEIR_ARROW_ASSIGN(auto rows, batches_[at_++]->SelectColumns(columns_));
    return rows;
  }

 private:
  Schema schema_;
  std::vector<int> columns_;
  std::vector<BatchPtr> batches_;
  size_t at_ = 0;
};

class RowsTable final : public relational::ScanSource {
 public:
  RowsTable(Schema schema, std::shared_ptr<Rows> rows)
      : schema_(std::move(schema)), rows_(std::move(rows)) {}
  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "memory"; }
  std::string description() const override { return "MemoryPlan"; }
  Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                         const plan::TypedPtr&,
                                                         int) const override {
    std::vector<std::unique_ptr<BatchStream>> streams;
    streams.push_back(std::make_unique<RowsStream>(relational::pick_fields(schema_, columns),
                                                   columns, rows_->batches()));
    return streams;
  }
  std::optional<int64_t> rows_estimate() const override { return rows_->count(); }

 private:
  Schema schema_;
  std::shared_ptr<Rows> rows_;
};

class RowsWriter final : public sink::BatchWriter {
 public:
  RowsWriter(std::shared_ptr<Rows> rows, BatchId batch, int parts)
      : rows_(std::move(rows)), batch_(batch), parts_(static_cast<size_t>(std::max(parts, 1))) {}
  Result<void> write(int part, const BatchPtr& rows) override {
    const std::lock_guard lock(mutex_);
    parts_.at(static_cast<size_t>(part)).push_back(rows);
    return {};
  }
  Result<sink::SinkCommit> commit() override {
    std::vector<BatchPtr> all;
    for (const auto& part : parts_)
      all.insert(all.end(), part.begin(), part.end());
    return rows_->take(batch_, std::move(all));
  }
  Result<void> abort() override {
    parts_.clear();
    return {};
  }

 private:
  std::shared_ptr<Rows> rows_;
  BatchId batch_;
  std::mutex mutex_;
  std::vector<std::vector<BatchPtr>> parts_;
};

class RowsSink final : public sink::Sink {
 public:
  explicit RowsSink(std::shared_ptr<Rows> rows) : rows_(std::move(rows)) {}
  std::string description() const override { return "MemorySink"; }
  bool exactly_once() const override { return true; }
  Result<std::string> prepare(const sink::QueryIdentity&, const Schema&) override {
    return std::string();
  }
  Result<std::unique_ptr<sink::BatchWriter>> begin(BatchId batch, int parts) override {
    return std::unique_ptr<sink::BatchWriter>(std::make_unique<RowsWriter>(rows_, batch, parts));
  }

 private:
  std::shared_ptr<Rows> rows_;
};

}  // namespace

MemorySinkParts make_memory_rows(const plan::Operator& output, bool complete, int64_t rows_max) {
  auto rows = std::make_shared<Rows>(complete, rows_max);
  std::vector<int> all;
  std::vector<plan::Column> columns;
  for (const auto& column : output.columns) {
    if (column.hidden) continue;
    all.push_back(static_cast<int>(columns.size()));
    columns.push_back(column);
    columns.back().qualifier.clear();
  }
  auto table = std::make_shared<RowsTable>(plan::schema_of(output), rows);
  return {std::make_unique<RowsSink>(rows),
          plan::make_operator(plan::op::Scan{std::move(table), std::move(all), nullptr},
                              std::move(columns))};
}

}  // namespace weir::streaming
