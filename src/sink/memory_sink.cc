#include <algorithm>
#include <optional>

#include <arrow/record_batch.h>

#include "sink/simple_sinks.h"

namespace weir::sink {
namespace {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

int64_t count_rows(const Batches& batches) {
  int64_t rows = 0;
  for (const auto& batch : batches)
    rows += batch->num_rows();
  return rows;
}

class MemorySinkImpl;

class MemoryWriter final : public BatchWriter {
 public:
  MemoryWriter(MemorySinkImpl& sink, BatchId batch, int parts)
      : sink_(sink), batch_(batch), parts_(static_cast<size_t>(std::max(parts, 1))) {}

  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    WEIR_CHECK(part >= 0 && static_cast<size_t>(part) < parts_.size(), "part of the batch");
    const std::lock_guard lock(mutex_);
    parts_[static_cast<size_t>(part)].push_back(rows);
    return {};
  }
  Result<SinkCommit> commit() override;
  Result<void> abort() override {
    parts_.clear();
    return {};
  }

 private:
  MemorySinkImpl& sink_;
  BatchId batch_;
  std::mutex mutex_;
  std::vector<Batches> parts_;
};

class MemorySinkImpl final : public MemorySink {
 public:
  explicit MemorySinkImpl(int64_t rows_max) : rows_max_(rows_max) {}

  std::string description() const override { return "MemorySink"; }
  bool exactly_once() const override { return true; }
  Result<std::string> prepare(const QueryIdentity&, const Schema&) override {
    return std::string();
  }
  Result<std::unique_ptr<BatchWriter>> begin(BatchId batch, int parts) override {
    return std::unique_ptr<BatchWriter>(std::make_unique<MemoryWriter>(*this, batch, parts));
  }

  Result<SinkCommit> take(BatchId batch, Batches rows) {
    const std::lock_guard lock(mutex_);
    SinkCommit commit;
    if (last_ && batch <= *last_) {
      commit.already_done = true;
      return commit;
    }
    commit.rows = count_rows(rows);
    if (rows_ + commit.rows > rows_max_) {
      return base::error(base::ErrorKind::kResourceExhausted,
                         "memory sink: {} rows are kept, {} more would pass the limit of {}", rows_,
                         commit.rows, rows_max_);
    }
    last_ = batch;
    rows_ += commit.rows;
    std::move(rows.begin(), rows.end(), std::back_inserter(batches_));
    return commit;
  }

  Batches batches() const override {
    const std::lock_guard lock(mutex_);
    return batches_;
  }
  int64_t rows() const override {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  void clear() override {
    const std::lock_guard lock(mutex_);
    batches_.clear();
    rows_ = 0;
  }

 private:
  const int64_t rows_max_;
  mutable std::mutex mutex_;
  std::optional<BatchId> last_;
  Batches batches_;
  int64_t rows_ = 0;
};

Result<SinkCommit> MemoryWriter::commit() {
  Batches all;
  for (Batches& part : parts_)
    std::move(part.begin(), part.end(), std::back_inserter(all));
  parts_.clear();
  return sink_.take(batch_, std::move(all));
}

}  // namespace

std::unique_ptr<MemorySink> make_memory_sink(int64_t rows_max) {
  return std::make_unique<MemorySinkImpl>(rows_max);
}

}  // namespace weir::sink
