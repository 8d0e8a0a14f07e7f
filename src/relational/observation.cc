#include "relational/observation.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>

#include <arrow/record_batch.h>

#include "relational/execution.h"
#include "relational/scan_source.h"
#include "relational/steps.h"

namespace weir::relational {

namespace op = plan::op;

namespace {

constexpr size_t kWaitingMax = 2;

using Open = std::function<StreamPtr()>;

class OneStreamSource final : public ScanSource {
 public:
  OneStreamSource(columnar::Schema schema, Open open)
      : schema_(std::move(schema)), open_(std::move(open)) {}
  const columnar::Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "observed"; }
  std::string description() const override { return "observed rows"; }
  Result<std::vector<StreamPtr>> scan(const std::vector<int>& columns, const plan::TypedPtr&,
                                      int) const override {
    std::vector<StreamPtr> streams;
    streams.push_back(pick_columns(open_(), columns));
    return streams;
  }

 private:
  columnar::Schema schema_;
  Open open_;
};

// The metrics of node over rows of its child's columns that `open` gives.
plan::OperatorPtr metrics_plan(const op::Observe& node, Open open) {
  std::vector<plan::Column> columns = node.child->columns;
  std::vector<columnar::Field> fields;
  op::Scan scan;
  for (auto& column : columns) {
    column.hidden = false;
    scan.columns.push_back(static_cast<int>(fields.size()));
    fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
  }
  scan.table = std::make_shared<OneStreamSource>(columnar::Schema::structure(std::move(fields)),
                                                 std::move(open));
  const auto column_of = [](const plan::Typed& expression, std::string name) {
    plan::Column column;
    column.name = std::move(name);
    column.type = expression.type;
    column.nullable = expression.nullable;
    return column;
  };
  op::Aggregate aggregate;
  aggregate.child = plan::make_operator(std::move(scan), std::move(columns));
  aggregate.aggregates = node.aggregates;
  std::vector<plan::Column> sums, metrics;
  for (const auto& one : node.aggregates)
    sums.push_back(column_of(*one, "a" + std::to_string(sums.size())));
  op::Project project;
  project.child = plan::make_operator(std::move(aggregate), std::move(sums));
  for (const auto& metric : node.metrics) {
    project.list.push_back(metric.expression);
    metrics.push_back(column_of(*metric.expression, metric.name));
  }
  return plan::make_operator(std::move(project), std::move(metrics));
}

Result<BatchPtr> only_row(const plan::OperatorPtr& plan, const ExecutionContext& context) {
  WEIR_ASSIGN(auto stream, execute(plan, context));
  BatchPtr row;
  while (true) {
    WEIR_ASSIGN(auto batch, stream->next({}));
    if (!batch) return row;
    if (batch->num_rows() > 0) row = std::move(batch);
  }
}

ExecutionContext quiet(const ExecutionContext& context) {
  auto made = context;
  made.observed = nullptr;
  made.observations = nullptr;
  return made;
}

}  // namespace

class Observations::Tap : public std::enable_shared_from_this<Tap> {
 public:
  explicit Tap(std::string name) : name_(std::move(name)) {}
  ~Tap() { end(); }
  const std::string& name() const { return name_; }

  void start(const op::Observe& node, const ExecutionContext& context) {
    // The worker's plan must not keep the tap alive: the tap waits for the worker.
    auto open = [tap = this, schema = schema_of_child(node)]() -> StreamPtr {
      return std::make_unique<Waiting>(*tap, schema);
    };
    worker_ =
        std::thread([this, plan = metrics_plan(node, std::move(open)), context = quiet(context)] {
          auto row = only_row(plan, context);
          const std::lock_guard lock(mutex_);
          row_ = std::move(row);
          done_ = true;
          changed_.notify_all();
        });
  }

  Result<void> pass(const BatchPtr& batch, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return done_ || waiting_.size() < kWaitingMax; });
    if (stop.stop_requested())
      return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
    if (!done_) waiting_.push_back(batch);
    changed_.notify_all();
    return {};
  }

  void end() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    if (worker_.joinable()) worker_.join();
  }
  Result<BatchPtr> row() {
    const std::lock_guard lock(mutex_);
    return row_;
  }

 private:
  // What the worker reads.
  class Waiting final : public BatchStream {
   public:
    Waiting(Tap& tap, columnar::Schema schema) : tap_(tap), schema_(std::move(schema)) {}
    const columnar::Schema& schema() const override { return schema_; }
    Result<BatchPtr> next(std::stop_token) override {
      std::unique_lock lock(tap_.mutex_);
      tap_.changed_.wait(lock, [&] { return tap_.ended_ || !tap_.waiting_.empty(); });
      if (tap_.waiting_.empty()) return BatchPtr();
      auto batch = std::move(tap_.waiting_.front());
      tap_.waiting_.pop_front();
      tap_.changed_.notify_all();
      return batch;
    }

   private:
    Tap& tap_;
    columnar::Schema schema_;
  };

  static columnar::Schema schema_of_child(const op::Observe& node) {
    std::vector<columnar::Field> fields;
    for (const auto& column : node.child->columns)
      fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
    return columnar::Schema::structure(std::move(fields));
  }

  std::string name_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<BatchPtr> waiting_;
  bool ended_ = false;  // no more rows come
  bool done_ = false;   // the worker wants no more
  Result<BatchPtr> row_ = BatchPtr();
  std::thread worker_;
};

class Observations::TapStream final : public BatchStream {
 public:
  TapStream(StreamPtr input, std::shared_ptr<Tap> tap)
      : input_(std::move(input)), tap_(std::move(tap)) {}
  const columnar::Schema& schema() const override { return input_->schema(); }
  Result<BatchPtr> next(std::stop_token stop) override {
    WEIR_ASSIGN(auto batch, input_->next(stop));
    if (batch && batch->num_rows() > 0) WEIR_TRY(tap_->pass(batch, stop));
    return batch;
  }

 private:
  StreamPtr input_;
  std::shared_ptr<Tap> tap_;
};

Observations::Observations() = default;
Observations::~Observations() = default;

Result<std::unique_ptr<BatchStream>> Observations::watch(const op::Observe& node, StreamPtr input,
                                                         const ExecutionContext& context) {
  auto tap = std::make_shared<Tap>(node.name);
  tap->start(node, context);
  const std::lock_guard lock(mutex_);
  taps_.push_back(tap);
  return StreamPtr(std::make_unique<TapStream>(std::move(input), std::move(tap)));
}

Result<std::vector<std::pair<std::string, BatchPtr>>> Observations::finish(
    const plan::Operator& plan, const ExecutionContext& context) {
  std::vector<std::pair<std::string, BatchPtr>> rows;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& tap : taps_) {
      tap->end();
      WEIR_ASSIGN(auto row, tap->row());
      rows.emplace_back(tap->name(), std::move(row));
    }
  }
  const std::function<Result<void>(const plan::Operator&)> add_missing =
      [&](const plan::Operator& one) -> Result<void> {
    const auto* node = std::get_if<op::Observe>(&one.node);
    const bool known = node && std::any_of(rows.begin(), rows.end(), [&](const auto& row) {
                         return row.first == node->name;
                       });
    if (node && !known) {
      const auto nothing = [schema = plan::schema_of(*node->child)]() -> StreamPtr {
        return given_batches(schema, {});
      };
      WEIR_ASSIGN(auto row, only_row(metrics_plan(*node, nothing), quiet(context)));
      rows.emplace_back(node->name, std::move(row));
    }
    for (const auto& child : plan::children_of(one))
      WEIR_TRY(add_missing(*child));
    return {};
  };
  WEIR_TRY(add_missing(plan));
  return rows;
}

void Observations::clear() {
  const std::lock_guard lock(mutex_);
  taps_.clear();
}

}  // namespace weir::relational
