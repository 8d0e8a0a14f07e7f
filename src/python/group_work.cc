// applyInPandas, applyInArrow, cogroups and grouped aggregates: whole groups go to one worker each.
//
// A group is the count of its tables (1, or 2 for a cogroup) and an Arrow stream for each; 0 ends
// the groups. PySpark 4.0 takes the groups of some types as one Arrow stream instead, a batch a
// group.
#include <deque>
#include <map>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "python/group_reader.h"
#include "python/work.h"

namespace weir::python {

namespace {

std::string int_bytes(int32_t value) {
  WireBytes bytes;
  bytes.put_int(value);
  return bytes.take();
}

bool one_batch_a_group(int version, int eval_type) {
  constexpr int kV41 = 401;
  return version < kV41 && (eval_type == kGroupedMapPandas || eval_type == kGroupedAggPandas);
}

// Sends groups to a crew and gives their answers.
class GroupWork : public relational::BatchStream {
 public:
  GroupWork(const Work& work, RunHeader header) {
    const auto eval_type = header.eval_type;
    plain_ = one_batch_a_group(work.facts.version, eval_type);
    rows_max_ = rows_of_a_batch(work);
    crew_ = std::make_unique<Crew>(work.pool, std::move(header),
                                   CrewOptions{work.options.parallel, work.options.silence_us},
                                   work.clock, [this] { return first_bytes(); });
  }

  Result<BatchPtr> next(std::stop_token stop) override {
    while (true) {
      if (finished_) return BatchPtr();
      WEIR_TRY(crew_->advance());
      WEIR_ASSIGN(auto rows, answer());
      if (rows) return rows;
      if (ended_ && crew_->all_ended()) {
        WEIR_TRY(at_end());
        crew_->dismiss();
        finished_ = true;
        continue;
      }
      bool fed = false;
      if (!ended_) {
        WEIR_ASSIGN(fed, feed(stop));
      }
      if (!fed) WEIR_TRY(crew_->wait(stop));
    }
  }

 protected:
  // What a worker gets before the first group.
  virtual Result<std::shared_ptr<arrow::Buffer>> first_bytes() {
    return std::shared_ptr<arrow::Buffer>();
  }
  // Sends something, or tells that there is nothing more (end()); false where it has to wait.
  virtual Result<bool> feed(const std::stop_token& stop) = 0;
  virtual Result<BatchPtr> rows_of(const Conversation& worker, const BatchPtr& answer) = 0;
  virtual Result<void> at_end() { return {}; }

  Result<BatchPtr> answer() {
    for (const auto& worker : crew_->members()) {
      if (!worker->has_answer()) continue;
      const auto answer = worker->take_answer();
      if (!answer.batch) return nonsense("pickled rows instead of Arrow");
      return rows_of(*worker, answer.batch);
    }
    return BatchPtr();
  }
  void end() {
    ended_ = true;
    crew_->end_input(plain_ ? ArrowOut::end() : int_bytes(0));
  }
  // In parts of a batch's size.
  Result<void> send_rows(Conversation& worker, const ArrowOut& out, const BatchPtr& rows) {
    for (int64_t at = 0; at < rows->num_rows(); at += rows_max_) {
      WEIR_ASSIGN(auto bytes,
                  out.rows(rows->Slice(at, std::min(rows_max_, rows->num_rows() - at))));
      worker.send(std::move(bytes));
    }
    return {};
  }

  std::unique_ptr<Crew> crew_;
  int64_t rows_max_ = 0;
  bool plain_ = false;  // one stream, a batch a group
  bool ended_ = false;
  bool finished_ = false;
};

// Groups of one input.
class OneInputWork : public GroupWork {
 public:
  OneInputWork(const Work& work, RunHeader header, ArrowOut out, bool in_struct, int keys,
               StreamPtr input)
      : GroupWork(work, std::move(header)),
        keys_(keys),
        in_struct_(in_struct),
        out_(std::move(out)),
        reader_(std::move(input), keys) {}

 protected:
  Result<std::shared_ptr<arrow::Buffer>> first_bytes() override {
    if (!plain_) return std::shared_ptr<arrow::Buffer>();
    return out_.begin();
  }
  // What of the rows a worker gets.
  virtual BatchPtr sent_columns(const BatchPtr& rows) { return rows; }
  virtual void group_begins(const Conversation& /*worker*/, const BatchPtr& /*rows*/) {}

  Result<bool> feed(const std::stop_token& stop) override {
    if (!piece_.rows) {
      if (current_ && !Crew::has_room(*current_)) return false;
      WEIR_ASSIGN(piece_, reader_.next(stop));
      if (!piece_.rows) {
        WEIR_TRY(close_group());
        end();
        return true;
      }
    }
    if (piece_.begins) {
      WEIR_TRY(close_group());
      WEIR_ASSIGN(current_, crew_->hungry(stop));
      if (!current_) return false;
      group_begins(*current_, piece_.rows);
      if (!plain_) {
        current_->send(int_bytes(1));
        WEIR_ASSIGN(auto schema, out_.begin());
        current_->send(std::move(schema));
      }
    }
    auto rows = sent_columns(std::exchange(piece_, {}).rows);
    if (in_struct_) rows = in_one_struct(rows);
    if (plain_) {
      held_.push_back(std::move(rows));
      return true;
    }
    WEIR_TRY(send_rows(*current_, out_, rows));
    return true;
  }

  Result<void> close_group() {
    if (!current_) return {};
    if (plain_) {
      WEIR_ARROW_ASSIGN(const auto whole, arrow::ConcatenateRecordBatches(held_));
      held_.clear();
      WEIR_ASSIGN(auto bytes, out_.rows(whole));
      current_->send(std::move(bytes));
    } else {
      current_->send(ArrowOut::end());
    }
    current_ = nullptr;
    return {};
  }

  const int keys_;
  const bool in_struct_;
  const ArrowOut out_;
  GroupReader reader_;
  GroupPiece piece_;                 // read, not sent yet
  Conversation* current_ = nullptr;  // gets the group that is open
  std::vector<BatchPtr> held_;       // of the open group, where it is sent as a whole
};

std::string operation_of(int eval_type) {
  switch (eval_type) {
    case kGroupedMapArrow:
    case kGroupedMapArrowIter:
    case kCogroupedMapArrow:
      return "applyInArrow()";
    default:
      return "applyInPandas()";
  }
}

class GroupMapWork final : public OneInputWork {
 public:
  GroupMapWork(const Work& work, RunHeader header, ArrowOut out, bool in_struct, int keys,
               const plan::PythonFunction& function, StreamPtr input)
      : OneInputWork(work, std::move(header), std::move(out), in_struct, keys, std::move(input)),
        schema_(function.result),
        operation_(operation_of(function.eval_type)) {}
  const columnar::Schema& schema() const override { return schema_; }

 private:
  Result<BatchPtr> rows_of(const Conversation&, const BatchPtr& answer) override {
    WEIR_ASSIGN(const auto rows, out_of_struct(answer));
    return checked_rows(rows, schema_, operation_);
  }
  const columnar::Schema schema_;
  const std::string operation_;
};

// A row a group: its keys, then the values.
class AggregateWork final : public OneInputWork {
 public:
  AggregateWork(const Work& work, RunHeader header, ArrowOut out, std::vector<int> columns,
                int keys, columnar::Schema results, StreamPtr input)
      : OneInputWork(work, std::move(header), std::move(out), false, keys, std::move(input)),
        columns_(std::move(columns)),
        results_(std::move(results)) {
    std::vector<columnar::Field> fields(reader_.schema().fields().begin(),
                                        reader_.schema().fields().begin() + keys);
    for (const auto& field : results_.fields())
      fields.push_back(field);
    schema_ = columnar::Schema::structure(std::move(fields));
  }
  const columnar::Schema& schema() const override { return schema_; }

 private:
  BatchPtr sent_columns(const BatchPtr& rows) override {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const int column : columns_) {
      fields.push_back(rows->schema()->field(column));
      arrays.push_back(rows->column(column));
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows->num_rows(),
                                    std::move(arrays));
  }
  void group_begins(const Conversation& worker, const BatchPtr& rows) override {
    open_[&worker].push_back(rows->Slice(0, 1));
  }
  Result<BatchPtr> rows_of(const Conversation& worker, const BatchPtr& answer) override {
    WEIR_ASSIGN(const auto values, checked_rows(answer, results_, "pandas_udf()"));
    auto& groups = open_[&worker];
    if (static_cast<size_t>(values->num_rows()) > groups.size())
      return nonsense("more values than there are groups");
    std::vector<BatchPtr> rows;
    for (int64_t i = 0; i < values->num_rows(); ++i) {
      rows.push_back(groups.front());
      groups.pop_front();
    }
    if (rows.empty()) return BatchPtr();
    WEIR_ARROW_ASSIGN(const auto keys, arrow::ConcatenateRecordBatches(rows));
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (int i = 0; i < keys_; ++i) {
      fields.push_back(keys->schema()->field(i));
      arrays.push_back(keys->column(i));
    }
    for (int i = 0; i < values->num_columns(); ++i) {
      fields.push_back(values->schema()->field(i));
      arrays.push_back(values->column(i));
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), values->num_rows(),
                                    std::move(arrays));
  }
  Result<void> at_end() override {
    for (const auto& [worker, groups] : open_) {
      if (!groups.empty()) return nonsense("fewer values than there are groups");
    }
    return {};
  }

  const std::vector<int> columns_;
  const columnar::Schema results_;
  columnar::Schema schema_ = columnar::Schema::structure({});
  std::map<const Conversation*, std::deque<BatchPtr>> open_;  // keys of groups without a value
};

// Two inputs, joined by their keys: a group that one of them lacks is empty there.
class CogroupWork final : public GroupWork {
 public:
  CogroupWork(const Work& work, RunHeader header, const plan::PythonFunction& function, int keys,
              StreamPtr left, StreamPtr right)
      : GroupWork(work, std::move(header)),
        schema_(function.result),
        operation_(operation_of(function.eval_type)),
        keys_(keys),
        outs_{ArrowOut(worker_schema(work, left->schema().fields())),
              ArrowOut(worker_schema(work, right->schema().fields()))},
        sides_{Side{GroupReader(std::move(left), keys), {}, {}, false},
               Side{GroupReader(std::move(right), keys), {}, {}, false}} {}
  const columnar::Schema& schema() const override { return schema_; }

 private:
  struct Side {
    GroupReader reader;
    std::vector<BatchPtr> group;  // the next one, complete
    BatchPtr ahead;               // begins the group after it
    bool ended = false;
  };

  static Result<void> read_group(Side& side, const std::stop_token& stop) {
    if (!side.group.empty()) return {};
    if (side.ahead) side.group.push_back(std::exchange(side.ahead, nullptr));
    while (!side.ended) {
      WEIR_ASSIGN(const auto piece, side.reader.next(stop));
      if (!piece.rows) {
        side.ended = true;
      } else if (piece.begins && !side.group.empty()) {
        side.ahead = piece.rows;
        break;
      } else {
        side.group.push_back(piece.rows);
      }
    }
    return {};
  }

  Result<bool> feed(const std::stop_token& stop) override {
    for (auto& side : sides_)
      WEIR_TRY(read_group(side, stop));
    const bool left = !sides_[0].group.empty(), right = !sides_[1].group.empty();
    if (!left && !right) {
      end();
      return true;
    }
    int order = left ? -1 : 1;
    if (left && right) {
      WEIR_ASSIGN(order, compare_keys(*sides_[0].group.front(), *sides_[1].group.front(), keys_));
    }
    WEIR_ASSIGN(auto* worker, crew_->hungry(stop));
    if (!worker) return false;
    worker->send(int_bytes(2));
    for (int i = 0; i < 2; ++i) {
      const auto at = static_cast<size_t>(i);
      WEIR_ASSIGN(auto schema, outs_[at].begin());
      worker->send(std::move(schema));
      if (order == 0 || (order < 0) == (i == 0)) {
        for (const auto& rows : std::exchange(sides_[at].group, {}))
          WEIR_TRY(send_rows(*worker, outs_[at], rows));
      } else {  // PySpark wants a batch, an empty one too
        WEIR_ARROW_ASSIGN(const auto none, arrow::RecordBatch::MakeEmpty(outs_[at].schema()));
        WEIR_ASSIGN(auto bytes, outs_[at].rows(none));
        worker->send(std::move(bytes));
      }
      worker->send(ArrowOut::end());
    }
    return true;
  }

  Result<BatchPtr> rows_of(const Conversation&, const BatchPtr& answer) override {
    WEIR_ASSIGN(const auto rows, out_of_struct(answer));
    return checked_rows(rows, schema_, operation_);
  }

  const columnar::Schema schema_;
  const std::string operation_;
  const int keys_;
  std::array<ArrowOut, 2> outs_;
  std::array<Side, 2> sides_;
};

}  // namespace

void add_key_offsets(int keys, int columns, std::vector<int>& offsets) {
  offsets.push_back(1 + columns);
  offsets.push_back(keys);
  for (int i = 0; i < columns; ++i)
    offsets.push_back(i);
}

Result<StreamPtr> group_work(const Work& work, const plan::PythonFunction& function, int keys,
                             StreamPtr input) {
  const int type = function.eval_type;
  const bool arrow = type == kGroupedMapArrow || type == kGroupedMapArrowIter;
  if (!arrow && type != kGroupedMapPandas && type != kGroupedMapPandasIter)
    return unsupported("The Python function " + function.name + " as a map of groups");
  auto header = run_header(work, function);
  FunctionWords words;
  words.commands.push_back(function.command);
  add_key_offsets(keys, static_cast<int>(input->schema().fields().size()), words.offsets);
  header.functions.push_back(std::move(words));
  auto schema = worker_schema(work, input->schema().fields());
  return StreamPtr(std::make_unique<GroupMapWork>(work, std::move(header),
                                                  ArrowOut(arrow ? in_one_struct(schema) : schema),
                                                  arrow, keys, function, std::move(input)));
}

Result<StreamPtr> cogroup_work(const Work& work, const plan::PythonFunction& function, int keys,
                               StreamPtr left, StreamPtr right) {
  if (function.eval_type != kCogroupedMapPandas && function.eval_type != kCogroupedMapArrow)
    return unsupported("The Python function " + function.name + " as a map of cogroups");
  auto header = run_header(work, function);
  FunctionWords words;
  words.commands.push_back(function.command);
  add_key_offsets(keys, static_cast<int>(left->schema().fields().size()), words.offsets);
  add_key_offsets(keys, static_cast<int>(right->schema().fields().size()), words.offsets);
  header.functions.push_back(std::move(words));
  return StreamPtr(std::make_unique<CogroupWork>(work, std::move(header), function, keys,
                                                 std::move(left), std::move(right)));
}

Result<StreamPtr> aggregate_work(const Work& work, std::vector<relational::UserCall> calls,
                                 int keys, StreamPtr input) {
  const auto& first = *calls[0].functions[0];
  auto header = run_header(work, first);
  std::vector<columnar::Field> results, arguments;
  std::vector<int> columns;
  for (const auto& call : calls) {
    FunctionWords words{{}, call.names, {call.functions[0]->command}};
    for (const int column : call.arguments) {
      const auto known = std::find(columns.begin(), columns.end(), column);
      words.offsets.push_back(static_cast<int>(known - columns.begin()));
      if (known != columns.end()) continue;
      const auto& field = input->schema().fields()[static_cast<size_t>(column)];
      arguments.push_back(
          columnar::make_field("_" + std::to_string(columns.size()), field.type(), field.nullable));
      columns.push_back(column);
    }
    results.push_back(
        columnar::make_field("_" + std::to_string(results.size()), call.functions[0]->result));
    header.functions.push_back(std::move(words));
  }
  ArrowOut out(worker_schema(work, arguments));
  return StreamPtr(std::make_unique<AggregateWork>(
      work, std::move(header), std::move(out), std::move(columns), keys,
      columnar::Schema::structure(results), std::move(input)));
}

}  // namespace weir::python
