// The parts of a test case's query: a source, operators and a sink that tell the case's world where
// a batch has come to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "operators/group_state.h"
#include "operators/stateful_operator.h"
#include "sink/sink.h"
#include "source/source.h"
#include "stream/stream_plan.h"
#include "streaming/case_world.h"

namespace weir::streaming {

// One batch of the rows, of this schema.
Result<std::shared_ptr<arrow::RecordBatch>> one_batch(const stream::RowBatches& rows,
                                                      const std::shared_ptr<arrow::Schema>& schema);
// A row as the cases write it.
std::string row_text(const arrow::RecordBatch& rows, int64_t row);

// Functions of groups that cases name: "count_to_three" gives (key, count) and forgets the key at
// three; "newest" gives the newest event time of a key and -1 when it has timed out;
// "idle" gives the number of calls, -1 when ten seconds have passed without rows.
Result<std::unique_ptr<operators::GroupFunction>> case_function(const std::string& name);
// What it gives and keeps, as DDL.
std::pair<std::string, std::string> case_function_schemas(const std::string& name);

class CaseSource final : public source::Source {
 public:
  CaseSource(std::unique_ptr<source::Source> own, CaseWorld& world)
      : own_(std::move(own)), world_(world) {}
  const columnar::Schema& schema() const override { return own_->schema(); }
  std::string description() const override { return own_->description(); }
  Result<void> open(const std::string& folder) override { return own_->open(folder); }
  Result<std::string> initial_offset() override { return own_->initial_offset(); }
  Result<void> prepare_available_now() override { return own_->prepare_available_now(); }
  Result<source::LatestOffset> latest_offset(const std::string& start, bool all) override {
    return own_->latest_offset(start, all);
  }
  Result<std::vector<std::unique_ptr<source::PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override {
    world_.reached("planned");
    return own_->plan(start, end, columns);
  }
  Result<void> commit(const std::string& end) override {
    world_.reached("logged");
    return own_->commit(end);
  }
  std::map<std::string, std::string> metrics(const std::string& end) const override {
    return own_->metrics(end);
  }

 private:
  std::unique_ptr<source::Source> own_;
  CaseWorld& world_;
};

class CaseOperator final : public operators::StatefulOperator {
 public:
  CaseOperator(std::unique_ptr<operators::StatefulOperator> own, CaseWorld& world)
      : own_(std::move(own)), world_(world) {}
  const columnar::Schema& output_schema() const override { return own_->output_schema(); }
  int inputs() const override { return own_->inputs(); }
  std::string identity() const override { return own_->identity(); }
  Result<void> open(std::optional<base::BatchId> version,
                    const base::JsonObject* manifest) override {
    return own_->open(version, manifest);
  }
  Result<void> begin(const operators::BatchRun& run) override {
    WEIR_TRY(own_->begin(run));
    world_.reached("begun");
    return {};
  }
  Result<std::unique_ptr<operators::Collector>> collector(int input) override {
    return own_->collector(input);
  }
  Result<void> finish(const operators::Output& output) override {
    world_.reached("collected");
    WEIR_TRY(own_->finish(output));
    world_.reached("finished");
    return {};
  }
  Result<base::JsonObject> prepare() override {
    WEIR_ASSIGN(auto made, own_->prepare());
    world_.reached("prepared");
    return made;
  }
  void committed() override { own_->committed(); }
  void roll_back() override { own_->roll_back(); }
  Result<void> clean_up(const base::JsonObject& oldest) override { return own_->clean_up(oldest); }
  std::optional<int64_t> output_watermark(int64_t input_us) const override {
    return own_->output_watermark(input_us);
  }
  bool wants_batch_without_rows(int64_t eviction_us) const override {
    return own_->wants_batch_without_rows(eviction_us);
  }
  bool wants_batch_at(int64_t now_us) const override { return own_->wants_batch_at(now_us); }
  operators::OperatorMetrics metrics() const override { return own_->metrics(); }

 private:
  std::unique_ptr<operators::StatefulOperator> own_;
  CaseWorld& world_;
};

class CaseSinkPart final : public sink::Sink {
 public:
  CaseSinkPart(std::shared_ptr<CaseSink> rows, CaseWorld& world)
      : rows_(std::move(rows)), world_(world) {}
  std::string description() const override { return "CaseSink"; }
  bool exactly_once() const override { return true; }
  Result<std::string> prepare(const sink::QueryIdentity&, const columnar::Schema&) override {
    return std::string("case");
  }
  Result<std::unique_ptr<sink::BatchWriter>> begin(base::BatchId batch, int parts) override;

 private:
  std::shared_ptr<CaseSink> rows_;
  CaseWorld& world_;
};

}  // namespace weir::streaming
