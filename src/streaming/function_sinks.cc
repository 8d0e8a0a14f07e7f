#include "streaming/function_sinks.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include <arrow/record_batch.h>

namespace weir::streaming {

using base::Error;
using base::ErrorKind;
using columnar::Schema;
using relational::BatchPtr;
using sink::BatchId;

namespace {

// What the user's code failed with, as Spark tells it.
Error user_error(const Error& cause, bool batch) {
  const char* name = batch ? "FOREACH_BATCH_USER_FUNCTION_ERROR" : "FOREACH_USER_FUNCTION_ERROR";
  if (cause.kind() == ErrorKind::kCancelled || cause.error_class() == name) return cause;
  const std::string reason = cause.error_class().empty()
                                 ? cause.message()
                                 : "[" + cause.error_class() + "] " + cause.message();
  return base::error(ErrorKind::kInvalidArgument,
                     "An error occurred in the user provided function in {} sink. Reason: {}",
                     batch ? "foreach batch" : "foreach", reason)
      .with_class(name)
      .with_sql_state("39000")
      .with_parameter("reason", reason);
}

// The rows of a batch, by part.
class Gathered : public sink::BatchWriter {
 public:
  explicit Gathered(int parts) : parts_(static_cast<size_t>(std::max(parts, 1))) {}
  Result<void> write(int part, const BatchPtr& rows) override {
    const std::lock_guard lock(mutex_);
    parts_.at(static_cast<size_t>(part)).push_back(rows);
    rows_ += rows->num_rows();
    return {};
  }
  Result<void> abort() override {
    parts_.clear();
    return {};
  }

 protected:
  std::mutex mutex_;
  std::vector<std::vector<BatchPtr>> parts_;
  int64_t rows_ = 0;
};

class FunctionSink : public sink::Sink {
 public:
  bool exactly_once() const override { return false; }
  Result<std::string> prepare(const sink::QueryIdentity&, const Schema& schema) override {
    schema_ = schema;
    return std::string();
  }
  void interrupt() override { stop_.request_stop(); }

 protected:
  Schema schema_ = Schema::structure({});
  std::stop_source stop_;
};

class BatchFunctionSink final : public FunctionSink {
 public:
  BatchFunctionSink(std::shared_ptr<BatchFunction> function, std::vector<plan::Column> columns)
      : function_(std::move(function)), columns_(std::move(columns)) {}
  std::string description() const override { return "ForeachBatchSink"; }

  Result<std::unique_ptr<sink::BatchWriter>> begin(BatchId batch, int parts) override {
    class Writer final : public Gathered {
     public:
      Writer(BatchFunctionSink& sink, BatchId batch, int parts)
          : Gathered(parts), sink_(sink), batch_(batch) {}
      Result<sink::SinkCommit> commit() override {
        plan::op::LocalRows rows;
        for (auto& part : parts_)
          for (auto& one : part)
            rows.batches.push_back(std::move(one));
        parts_.clear();
        auto done = sink_.function_->run(plan::make_operator(std::move(rows), sink_.columns_),
                                         batch_.value(), sink_.stop_.get_token());
        if (!done.ok()) return user_error(done.error(), true);
        sink::SinkCommit commit;
        commit.rows = -1;  // what became of them the function alone knows
        return commit;
      }

     private:
      BatchFunctionSink& sink_;
      BatchId batch_;
    };
    return std::unique_ptr<sink::BatchWriter>(std::make_unique<Writer>(*this, batch, parts));
  }

 private:
  std::shared_ptr<BatchFunction> function_;
  std::vector<plan::Column> columns_;
};

class PartStream final : public relational::BatchStream {
 public:
  PartStream(const Schema& schema, std::vector<BatchPtr> rows)
      : schema_(schema), rows_(std::move(rows)) {}
  const Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token stop) override {
    if (stop.stop_requested()) return base::error(ErrorKind::kCancelled, "the query was stopped");
    return at_ == rows_.size() ? BatchPtr() : std::move(rows_[at_++]);
  }

 private:
  Schema schema_;
  std::vector<BatchPtr> rows_;
  size_t at_ = 0;
};

class RowFunctionSink final : public FunctionSink {
 public:
  explicit RowFunctionSink(std::shared_ptr<RowFunction> function)
      : function_(std::move(function)) {}
  std::string description() const override { return "ForeachWriterTable"; }

  Result<std::unique_ptr<sink::BatchWriter>> begin(BatchId batch, int parts) override {
    class Writer final : public Gathered {
     public:
      Writer(RowFunctionSink& sink, BatchId batch, int parts)
          : Gathered(parts), sink_(sink), batch_(batch) {}
      Result<sink::SinkCommit> commit() override {
        std::vector<Result<void>> done(parts_.size());
        const auto run = [&](size_t part) {
          done[part] = sink_.function_->run(
              std::make_unique<PartStream>(sink_.schema_, std::move(parts_[part])),
              static_cast<int>(part), batch_.value(), sink_.stop_.get_token());
        };
        {
          std::vector<std::jthread> threads;
          for (size_t part = 1; part < parts_.size(); ++part)
            threads.emplace_back(run, part);
          run(0);
        }
        for (auto& one : done)
          if (!one.ok()) return user_error(one.error(), false);
        sink::SinkCommit commit;
        commit.rows = rows_;
        return commit;
      }

     private:
      RowFunctionSink& sink_;
      BatchId batch_;
    };
    return std::unique_ptr<sink::BatchWriter>(std::make_unique<Writer>(*this, batch, parts));
  }

 private:
  std::shared_ptr<RowFunction> function_;
};

}  // namespace

std::unique_ptr<sink::Sink> make_batch_function_sink(std::shared_ptr<BatchFunction> function,
                                                     const plan::Operator& output) {
  std::vector<plan::Column> columns;
  for (const auto& column : output.columns)
    if (!column.hidden) columns.push_back(column);
  for (auto& column : columns)
    column.qualifier.clear();
  return std::make_unique<BatchFunctionSink>(std::move(function), std::move(columns));
}

std::unique_ptr<sink::Sink> make_row_function_sink(std::shared_ptr<RowFunction> function) {
  return std::make_unique<RowFunctionSink>(std::move(function));
}

}  // namespace weir::streaming
