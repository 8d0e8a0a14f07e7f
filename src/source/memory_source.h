// Rows held in memory, for tests: add_data() appends one batch of rows; an offset is how many were
// added (Spark's MemoryStream). One reader a batch of rows added. Replayable within the process:
// nothing is forgotten before commit().
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "source/read_ahead_source.h"
#include "source/source.h"

namespace weir::source {

class MemorySource final : public Source, public ReadAheadSource {
 public:
  // Shared with the test, so that data survive a restart of the query.
  class Data {
   public:
    explicit Data(Schema schema) : schema_(std::move(schema)) {}
    void add(std::shared_ptr<arrow::RecordBatch> rows);

   private:
    friend class MemorySource;
    const Schema schema_;
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  };

  // max_batches_per_trigger: how many added batches one batch of the query takes; 0: all.
  explicit MemorySource(std::shared_ptr<Data> data, int64_t max_batches_per_trigger = 0)
      : data_(std::move(data)), max_batches_(max_batches_per_trigger) {}

  const Schema& schema() const override { return data_->schema_; }
  std::string description() const override { return "MemoryStream"; }
  Result<void> open(const std::string& checkpoint_folder) override;
  Result<std::string> initial_offset() override { return std::string("-1"); }
  Result<void> prepare_available_now() override;
  Result<LatestOffset> latest_offset(const std::string& start, bool ignore_limits) override;
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override;
  Result<void> commit(const std::string& end) override;
  std::map<std::string, std::string> metrics(const std::string& end) const override;

 private:
  int64_t newest() const;

  std::shared_ptr<Data> data_;
  int64_t max_batches_;
  int64_t frozen_ = -2;  // availableNow: the newest offset to read
};

// A reader over batches that are already there, with the columns asked for. Shared by the in-memory
// sources.
std::unique_ptr<PartitionReader> make_batch_reader(
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches);
// The named columns of `rows`, in that order.
Result<std::shared_ptr<arrow::RecordBatch>> select_columns(
    const std::shared_ptr<arrow::RecordBatch>& rows, const std::vector<std::string>& columns);

}  // namespace weir::source
