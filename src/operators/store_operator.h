// What all stateful operators share: their stores' life, the batch under way, metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/random.h"
#include "operators/operator_factory.h"
#include "state/state_store.h"

namespace weir::operators {

using ArrayPtr = std::shared_ptr<arrow::Array>;

class StoreOperator : public StatefulOperator {
 public:
  const columnar::Schema& output_schema() const override { return output_schema_; }
  Result<void> open(std::optional<base::BatchId> version,
                    const base::JsonObject* manifest) override;
  Result<void> begin(const BatchRun& run) override;
  Result<base::JsonObject> prepare() override;
  void committed() override;
  void roll_back() override;
  bool wants_batch_without_rows(int64_t eviction_us) const override;
  Result<void> clean_up(const base::JsonObject& oldest) override;
  OperatorMetrics metrics() const override;

 protected:
  StoreOperator(std::string name, plan::OperatorPtr node, OutputMode mode,
                StateEnvironment environment);
  // The stores that it keeps, in the order of store(i). Valid once constructed.
  virtual std::vector<state::StoreSpec> specs() const = 0;
  virtual void drop_collectors() = 0;  // after roll_back()
  // Whether a batch without rows follows each move of the event time.
  virtual bool waits_for_event_time() const = 0;

  state::StateStore& store(size_t i = 0) { return *stores_[i]; }
  const state::StateStore& store(size_t i = 0) const { return *stores_[i]; }
  // A batch of the output's columns.
  Result<void> give(const Output& output, std::vector<ArrayPtr> columns);
  // Whether so many rows, or all of store(), are worth several threads. How many threads there are
  // decides neither: rows come in an order that may depend on it.
  static bool is_many(int64_t rows) { return rows >= kRowsForThreads; }
  bool is_large() const;
  int threads_if(bool worth) const { return worth ? environment_.threads : 1; }
  // What is gone for good at `watermark`: times up to it.
  static int64_t eviction_bound(int64_t watermark) {
    return watermark == INT64_MAX ? watermark : watermark + 1;
  }

  plan::OperatorPtr node_;
  OutputMode mode_;
  StateEnvironment environment_;
  columnar::Schema output_schema_;
  std::shared_ptr<arrow::Schema> arrow_schema_;
  BatchRun run_;
  std::atomic<int64_t> dropped_{0};
  OperatorMetrics metrics_;

 private:
  static constexpr int64_t kRowsForThreads = 20'000;  // fewer are not worth a second thread

  base::SystemRandom random_;
  std::vector<std::unique_ptr<state::StateStore>> stores_;
};

// Microseconds that its life took, added to a counter.
class Stopwatch {
 public:
  explicit Stopwatch(int64_t& counter) : counter_(counter) {}
  ~Stopwatch() {
    counter_ += std::chrono::duration_cast<std::chrono::microseconds>(
                    std::chrono::steady_clock::now() - begin_)
                    .count();
  }

 private:
  int64_t& counter_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// The rows of the batch whose time is past the watermark are taken out; their number.
Result<int64_t> drop_late(std::vector<int64_t>& times, int64_t late_us, BatchPtr& batch);

// "count, sum": the functions, in their order.
std::string aggregates_in_words(const plan::op::Aggregate& aggregate);

// 0, 1 … rows-1.
std::vector<uint32_t> counted(int64_t rows);

}  // namespace weir::operators
