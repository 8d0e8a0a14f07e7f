// A typed plan over streams, made ready to run batch by batch.
//
// The plan's tree is cut into pieces: streaming scans, watermarks, projections and filters (eval,
// part by part on the query's threads), unions of streams, stateful operators
// (operators/stateful_operator.h), and statements: whatever else is stateless, run once a batch by
// `execute` over the rows of the pieces below it and over static tables, which are read anew for
// each batch. A piece that stands at several places of the plan runs once a batch. The rows of a
// batch are held in memory between pieces.
//
// The query's thread calls everything; pieces use its TaskPool. The order of calls is that of
// StatefulOperator.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "eval/program.h"
#include "operators/stateful_operator.h"
#include "plan/catalog.h"
#include "plan/operator.h"
#include "source/source.h"
#include "stream/pipeline.h"
#include "stream/task_pool.h"

namespace weir::stream {

using operators::StatefulOperator;
using RowBatches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// What the plan needs of the rooms around it; wired by who starts queries.
struct PlanEnvironment {
  std::function<bool(const plan::Operator&)> is_stateful;
  std::function<Result<std::unique_ptr<StatefulOperator>>(const plan::OperatorPtr&,
                                                          int64_t operator_id)>
      make_operator;
  // The rows of a stateless statement's visible columns; `observed` gets the row of each observe()
  // in it. May be null: then such a plan is refused.
  using Observed =
      std::function<void(const std::string& name, std::shared_ptr<arrow::RecordBatch>)>;
  std::function<Result<RowBatches>(const plan::OperatorPtr&, const eval::EvalContext&,
                                   std::stop_token, const Observed& observed)>
      execute;
  eval::EvalContext eval;  // the session's; the timestamp is the batch's
};

// The same for all rows of a batch, and in a replay of it. Watermarks are the query's, each
// stateful operator gets what has come through to it; kNoWatermark without one.
struct PlanBatch {
  base::BatchId id;
  int64_t timestamp_us = 0;
  int64_t late_us = operators::kNoWatermark;
  int64_t eviction_us = operators::kNoWatermark;
  std::stop_token stop;
  uint64_t seed = 0;  // of random functions
};

// What a Watermark of the plan saw in the last batch.
struct EventTimeSeen {
  int64_t delay_ms = 0;
  int64_t rows = 0;  // with an event time
  int64_t max_ms = 0;
  int64_t min_ms = 0;
  double sum_ms = 0;
};

class StreamPlan {
 public:
  static Result<std::unique_ptr<StreamPlan>> create(const plan::OperatorPtr& root,
                                                    PlanEnvironment environment);
  ~StreamPlan();

  const Schema& output_schema() const { return output_schema_; }
  // The streaming tables in the order in which they stand in the plan: Spark's order of sources.
  const std::vector<plan::TablePtr>& tables() const { return tables_; }
  const std::vector<std::string>& source_columns(size_t source) const { return columns_[source]; }
  bool stateful() const { return !stateful_.empty(); }
  bool has_watermark() const { return !watermarks_.empty(); }

  // `states` is what prepare() gave for batch `version`; null for a query that begins.
  Result<void> open(std::optional<base::BatchId> version, const base::JsonObject* states);
  // readers[i]: of source i. Ends with all operators finished, none prepared.
  using Readers = std::vector<std::vector<std::unique_ptr<source::PartitionReader>>>;
  Result<RowBatches> run(const PlanBatch& batch, Readers& readers, TaskPool& pool);
  // Where the whole plan is projections and filters over one source: the rows go to `output` as
  // they come, part by part of the source, by the threads of the pool.
  using Output = std::function<Result<void>(int part, std::shared_ptr<arrow::RecordBatch> rows)>;
  bool gives_at_once() const;
  Result<void> run(const PlanBatch& batch, Readers& readers, TaskPool& pool, const Output& output);
  // The state of the batch is durable; by operator id.
  Result<base::JsonObject> prepare();
  void committed();
  void roll_back();
  Result<void> clean_up(const base::JsonObject& oldest);
  bool wants_batch_without_rows(int64_t eviction_us) const;
  bool wants_batch_at(int64_t now_us) const;

  // Texts in the last batch's rows that did not parse.
  int64_t corrupt_rows() const { return rows_met_ ? rows_met_->corrupt.load() : 0; }
  std::vector<EventTimeSeen> event_times() const;
  std::vector<operators::OperatorMetrics> metrics() const;
  // What observe() saw in the last batch: one row a name.
  const std::map<std::string, std::shared_ptr<arrow::RecordBatch>>& observed() const {
    return observed_;
  }

  struct Piece;  // stream_plan.cc

 private:
  explicit StreamPlan(PlanEnvironment environment);
  Result<Piece*> compile(const plan::OperatorPtr& node);
  Result<void> compile_scan(const plan::OperatorPtr& node, Piece& piece);
  void find_chains();
  Result<void> compile_statement(const plan::OperatorPtr& node, Piece& piece);
  bool is_statement(const plan::Operator& node) const;
  // The event time that each stateful operator's input has come to, where the query's watermark is
  // `watermark_us`: below joins and operators that give later than they take it is less.
  std::vector<int64_t> input_watermarks(int64_t watermark_us) const;

  Result<void> check_operators(base::BatchId version, const base::JsonObject* states) const;

  struct Run;  // one batch
  Result<Run> begin(const PlanBatch& batch, Readers& readers, TaskPool& pool);
  Result<void> run_chain(Piece& piece, Run& run, const Output& output);
  Result<void> run_step(Piece& piece, Run& run, RowBatches& rows);
  Result<RowBatches> rows_of(Piece& piece, Run& run);
  Result<RowBatches> run_source(Piece& piece, Run& run);
  Result<RowBatches> run_stateful(Piece& piece, Run& run);
  Result<RowBatches> run_statement(Piece& piece, Run& run);
  Result<RowBatches> see_event_times(Piece& piece, Run& run);

  PlanEnvironment environment_;
  Schema output_schema_ = Schema::structure({});
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<plan::TablePtr> tables_;
  std::vector<std::vector<std::string>> columns_;  // one list a table
  std::vector<Piece*> stateful_;                   // by operator id
  std::vector<Piece*> watermarks_;
  Piece* root_ = nullptr;
  std::vector<int> visible_;  // of the root's columns
  bool began_ = false;
  std::shared_ptr<eval::RowsMet> rows_met_;
  std::map<std::string, std::shared_ptr<arrow::RecordBatch>> observed_;
};

}  // namespace weir::stream
