#include <atomic>

#include <arrow/record_batch.h>

#include "sink/simple_sinks.h"

namespace weir::sink {
namespace {

class NoopWriter final : public BatchWriter {
 public:
  Result<void> write(int, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    rows_ += rows->num_rows();
    return {};
  }
  Result<SinkCommit> commit() override {
    SinkCommit commit;
    commit.rows = rows_;
    return commit;
  }
  Result<void> abort() override { return {}; }

 private:
  std::atomic<int64_t> rows_ = 0;
};

class NoopSink final : public Sink {
 public:
  std::string description() const override { return "NoopSink"; }
  bool exactly_once() const override { return false; }
  Result<std::string> prepare(const QueryIdentity&, const Schema&) override {
    return std::string();
  }
  Result<std::unique_ptr<BatchWriter>> begin(BatchId, int) override {
    return std::unique_ptr<BatchWriter>(std::make_unique<NoopWriter>());
  }
};

}  // namespace

std::unique_ptr<Sink> make_noop_sink() { return std::make_unique<NoopSink>(); }

}  // namespace weir::sink
