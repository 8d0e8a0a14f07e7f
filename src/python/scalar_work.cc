// udf, pandas_udf, arrow_udf: a value for each row, in the rows' order.
#include <deque>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_types.h"
#include "columnar/client_arrow.h"
#include "python/pickled_rows.h"
#include "python/work.h"

namespace weir::python {

namespace {

// Rows on their way through a worker: what is kept of them waits for the values.
struct Waiting {
  Conversation* worker = nullptr;
  BatchPtr kept;
  int64_t at = 0;  // rows given already
};

class ScalarWork final : public relational::BatchStream {
 public:
  ScalarWork(Work work, std::vector<relational::UserCall> calls, int kept, StreamPtr input)
      : kept_(kept), eval_type_(calls[0].functions[0]->eval_type), clock_(work.clock) {
    std::vector<columnar::Field> results, arguments;
    for (const auto& call : calls) {
      results.push_back(columnar::make_field("_" + std::to_string(results.size()),
                                             call.functions.back()->result));
      name_ = call.functions.back()->name;
    }
    results_ = columnar::Schema::structure(results);
    std::vector<columnar::Field> fields(input->schema().fields().begin(),
                                        input->schema().fields().begin() + kept);
    fields.insert(fields.end(), results.begin(), results.end());
    schema_ = columnar::Schema::structure(std::move(fields));

    auto header = run_header(work, *calls[0].functions[0]);
    for (const auto& call : calls) {
      FunctionWords words;
      words.names = call.names;
      for (const auto& function : call.functions)
        words.commands.push_back(function->command);
      for (const int column : call.arguments) {
        const auto known = std::find(columns_.begin(), columns_.end(), column);
        words.offsets.push_back(static_cast<int>(known - columns_.begin()));
        if (known != columns_.end()) continue;
        const auto& field = input->schema().fields()[static_cast<size_t>(column)];
        arguments.push_back(columnar::make_field("_" + std::to_string(columns_.size()),
                                                 field.type(), field.nullable));
        columns_.push_back(column);
      }
      header.functions.push_back(std::move(words));
    }
    arguments_ = columnar::Schema::structure(arguments);
    if (eval_type_ == kArrowBatched) header.input_schema = base::json_text(arguments_.to_json());
    out_ = std::make_unique<ArrowOut>(worker_schema(work, arguments));
    const bool arrow = eval_type_ != kPickled;
    input_ = in_batches_of(std::move(input), rows_of_a_batch(work));
    // An iterator's function sees all rows of its worker as one: the first worker does all.
    const bool one = eval_type_ == kScalarPandasIter || eval_type_ == kScalarArrowIter;
    crew_ = std::make_unique<Crew>(
        work.pool, std::move(header),
        CrewOptions{one ? 1 : work.options.parallel, work.options.silence_us}, work.clock,
        [this, arrow]() -> Result<std::shared_ptr<arrow::Buffer>> {
          if (!arrow) return nullptr;
          return out_->begin();
        });
  }
  const columnar::Schema& schema() const override { return schema_; }

  Result<BatchPtr> next(std::stop_token stop) override {
    while (true) {
      WEIR_TRY(crew_->advance());
      WEIR_ASSIGN(auto rows, first_rows());
      if (rows) return rows;
      if (finished_) return BatchPtr();
      WEIR_ASSIGN(const bool fed, feed(stop));
      if (fed) continue;
      if (input_ended_ && waiting_.empty()) {
        WEIR_TRY(no_more_values());
        if (crew_->all_ended()) {
          crew_->dismiss();
          finished_ = true;
          return BatchPtr();
        }
      }
      WEIR_TRY(crew_->wait(stop));
    }
  }

 private:
  // Rows wait in memory until the worker of the first of them has answered: no more than so many.
  static constexpr size_t kWaitingMax = 128;

  Result<bool> feed(const std::stop_token& stop) {
    if (input_ended_) return false;
    if (!next_) {
      const bool room = crew_->members().empty() ||
                        std::any_of(crew_->members().begin(), crew_->members().end(),
                                    [](const auto& one) { return Crew::has_room(*one); });
      if (!room && crowded_) return false;
      WEIR_ASSIGN(next_, input_->next(stop));
      if (!next_) {
        input_ended_ = true;
        crew_->end_input(eval_type_ == kPickled ? pickles_end() : ArrowOut::end());
        return true;
      }
    }
    Conversation* worker = nullptr;
    if (waiting_.size() >= kWaitingMax) {
      worker = Crew::has_room(*waiting_.front().worker) ? waiting_.front().worker : nullptr;
    } else {
      WEIR_ASSIGN(worker, crew_->hungry(stop));
    }
    crowded_ = worker == nullptr;
    if (!worker) return false;
    WEIR_TRY(send(*worker, *std::exchange(next_, nullptr)));
    return true;
  }

  Result<void> send(Conversation& worker, const arrow::RecordBatch& batch) {
    arrow::ArrayVector kept, given;
    arrow::FieldVector kept_fields, given_fields;
    for (int i = 0; i < kept_; ++i) {
      kept.push_back(batch.column(i));
      kept_fields.push_back(batch.schema()->field(i));
    }
    for (const int column : columns_) {
      given.push_back(batch.column(column));
      given_fields.push_back(batch.schema()->field(column));
    }
    const int64_t rows = batch.num_rows();
    const auto arguments = arrow::RecordBatch::Make(arrow::schema(given_fields), rows, given);
    if (eval_type_ == kPickled) {
      WEIR_ASSIGN(auto bytes, pickle_rows(*arguments, arguments_));
      worker.send(std::move(bytes));
    } else {
      WEIR_ASSIGN(auto bytes, out_->rows(arguments));
      worker.send(std::move(bytes));
    }
    waiting_.push_back(
        {&worker, arrow::RecordBatch::Make(arrow::schema(kept_fields), rows, kept), 0});
    return {};
  }

  // Values of the first rows that wait, beside what was kept of them.
  Result<BatchPtr> first_rows() {
    if (waiting_.empty()) return BatchPtr();
    auto& first = waiting_.front();
    auto& values = values_[first.worker];
    while (!values || values->num_rows() == 0) {
      if (!first.worker->has_answer()) {
        if (first.worker->ended()) return wrong_count();
        return BatchPtr();
      }
      WEIR_ASSIGN(values, values_of(first.worker->take_answer()));
    }
    const int64_t rows = std::min(values->num_rows(), first.kept->num_rows() - first.at);
    auto columns = first.kept->Slice(first.at, rows)->columns();
    const auto given = values->Slice(0, rows);
    for (const auto& column : given->columns())
      columns.push_back(column);
    values = values->Slice(rows);
    first.at += rows;
    if (first.at == first.kept->num_rows()) waiting_.pop_front();
    arrow::FieldVector fields;
    for (const auto& column : columns)
      fields.push_back(arrow::field("c", column->type()));
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
  }

  Result<BatchPtr> values_of(const Answer& answer) {
    if (eval_type_ == kPickled) return unpickle_rows(answer.pickle, results_);
    if (!answer.batch) return nonsense("pickled rows instead of Arrow");
    return checked_rows(answer.batch, results_,
                        eval_type_ == kArrowBatched ? "udf" : "pandas_udf()");
  }

  base::Error wrong_count() const {
    return base::error(base::ErrorKind::kCorruption,
                       "the function {} gave more or less values than it got rows", name_);
  }

  Result<void> no_more_values() const {
    for (const auto& [worker, values] : values_) {
      if ((values && values->num_rows() > 0) || worker->has_answer()) return wrong_count();
    }
    return {};
  }

  const int kept_;
  const int eval_type_;
  base::Clock& clock_;
  std::string name_;
  columnar::Schema schema_ = columnar::Schema::structure({});
  columnar::Schema results_ = columnar::Schema::structure({});
  columnar::Schema arguments_ = columnar::Schema::structure({});
  std::vector<int> columns_;  // of the input that workers get
  std::unique_ptr<ArrowOut> out_;
  StreamPtr input_;
  std::unique_ptr<Crew> crew_;
  BatchPtr next_;  // of the input, not sent yet
  bool crowded_ = false;
  bool input_ended_ = false;
  bool finished_ = false;
  std::deque<Waiting> waiting_;
  std::map<const Conversation*, BatchPtr> values_;  // come, and not yet given
};

}  // namespace

Result<StreamPtr> scalar_work(Work work, std::vector<relational::UserCall> calls, int kept,
                              StreamPtr input) {
  switch (calls[0].functions[0]->eval_type) {
    case kPickled:
    case kArrowBatched:
    case kScalarPandas:
    case kScalarPandasIter:
    case kScalarArrow:
    case kScalarArrowIter:
      return StreamPtr(
          std::make_unique<ScalarWork>(std::move(work), std::move(calls), kept, std::move(input)));
    default:
      return unsupported("The Python function " + calls[0].functions[0]->name +
                         " in this place (evaluation type " +
                         std::to_string(calls[0].functions[0]->eval_type) + ")");
  }
}

}  // namespace weir::python
