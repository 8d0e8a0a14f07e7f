// transformWithState: rows of groups go to workers, which ask for state while they run.
//
// Each part of the batch is one run of one worker: an Arrow stream of its rows, groups one after
// the other (with an initial state two struct columns, inputData and initState, of which a batch
// fills one); the worker does the expired timers behind the last. Its answers come as one struct a
// row. Parts run at the same time as far as there are workers; their rows are given in the order of
// parts.
#include <algorithm>

#include <arrow/api.h>

#include "base/json.h"
#include "columnar/arrow_types.h"
#include "python/state_desk.h"
#include "python/work.h"
#include "python/worker_wait.h"

namespace weir::python {

namespace {

using state::TransformCalls;
using state::TransformShape;

constexpr int64_t kUnsentMax = 256 << 10;
constexpr const char* kInput = "inputData";
constexpr const char* kInitial = "initState";

bool is_initial(int eval_type) {
  return eval_type == kTransformPandasInitial || eval_type == kTransformRowsInitial;
}

const char* operation(int eval_type) {
  return eval_type == kTransformPandas || eval_type == kTransformPandasInitial
             ? "transformWithStateInPandas()"
             : "transformWithState()";
}

// What all batches have in common.
struct Frame {
  Work work;
  RunHeader header;
  TransformShape shape;
  columnar::Schema result;
  ArrowOut out;
};

// One part of a batch and its worker.
class PartRun {
 public:
  PartRun(const Frame& frame, const state::TransformPart& part, const DeskFacts& facts,
          state::GroupVariables& variables, std::function<bool(std::string_view group)> wanted)
      : frame_(frame), part_(part), protocol_(facts, variables, std::move(wanted)) {}

  Result<void> begin(WorkerPtr worker) {
    WEIR_ASSIGN(desk_, StateDesk::open(worker->pid(), std::move(protocol_)));
    auto header = frame_.header;
    header.state_address = desk_->address();
    worker_ =
        std::make_unique<Conversation>(std::move(worker), header.version, header_bytes(header));
    WEIR_ASSIGN(auto first, frame_.out.begin());
    worker_->send(std::move(first));
    return {};
  }
  bool begun() const { return worker_ != nullptr; }
  bool ended() const { return worker_ && worker_->ended() && !worker_->has_answer(); }

  // Moves all that goes without waiting.
  Result<void> advance() {
    while (worker_->unsent() < kUnsentMax && !worker_->input_ended())
      WEIR_TRY(feed());
    WEIR_TRY(worker_->advance());
    return desk_->advance();
  }
  bool has_answer() const { return worker_ && worker_->has_answer(); }
  Result<BatchPtr> take_answer() {
    const auto answer = worker_->take_answer();
    if (!answer.batch) return nonsense("pickled rows instead of Arrow");
    if (answer.batch->num_rows() == 0) return BatchPtr();
    WEIR_ASSIGN(const auto rows, out_of_struct(answer.batch));
    return checked_rows(rows, frame_.result, operation(frame_.header.eval_type));
  }
  WorkerPtr release() {
    desk_.reset();
    return worker_->release();
  }
  int64_t moved() const { return worker_->moved() + desk_->moved(); }
  void poll_for(std::vector<pollfd>& sockets) const {
    WorkerWait::add(sockets, worker_->socket(), worker_->wants_read(), worker_->wants_write());
    if (desk_->socket() >= 0) WorkerWait::add(sockets, desk_->socket(), true, desk_->wants_write());
  }

 private:
  Result<void> feed() {
    const auto rows_max = rows_of_a_batch(frame_.work);
    while (side_ < 2) {
      // A group's initial state before its rows: in one order of groups, which both sides have.
      const auto& rows = side_ == 0 ? part_.initial : part_.rows;
      if (!rows || at_ == rows->num_rows()) {
        ++side_;
        at_ = 0;
        continue;
      }
      const auto taken = std::min(rows_max, rows->num_rows() - at_);
      WEIR_ASSIGN(auto bytes, frame_.out.rows(batch_of(*rows->Slice(at_, taken), side_ == 0)));
      worker_->send(std::move(bytes));
      at_ += taken;
      return {};
    }
    worker_->send(ArrowOut::end());
    worker_->end_input();
    return {};
  }

  BatchPtr batch_of(const arrow::RecordBatch& rows, bool initial) const {
    const auto& schema = frame_.out.schema();
    if (!is_initial(frame_.header.eval_type))
      return arrow::RecordBatch::Make(schema, rows.num_rows(), rows.columns());
    arrow::ArrayVector columns;
    for (int i = 0; i < 2; ++i) {
      const auto& type = schema->field(i)->type();
      if ((i == 1) == initial) {
        columns.push_back(
            std::make_shared<arrow::StructArray>(type, rows.num_rows(), rows.columns()));
      } else {
        columns.push_back(*arrow::MakeArrayOfNull(type, rows.num_rows()));
      }
    }
    return arrow::RecordBatch::Make(schema, rows.num_rows(), std::move(columns));
  }

  const Frame& frame_;
  const state::TransformPart& part_;
  StateProtocol protocol_;
  std::unique_ptr<StateDesk> desk_;
  std::unique_ptr<Conversation> worker_;
  int side_ = 0;
  int64_t at_ = 0;
};

// One batch.
class TransformRun {
 public:
  TransformRun(const Frame& frame, const TransformCalls& calls, state::GroupVariables& variables)
      : frame_(frame), wait_(frame.work.clock, frame.work.options.silence_us) {
    facts_.key = frame.shape.key;
    facts_.time_mode = frame.shape.time_mode;
    facts_.now_ms = calls.now_ms;
    facts_.watermark_ms = calls.watermark_ms;
    const auto at_once = std::atoll(
        setting(frame.work,
                "spark.sql.execution.arrow.transformWithStateInPySpark.maxStateRecordsPerBatch",
                "10000")
            .c_str());
    if (at_once > 0) facts_.rows_at_once = static_cast<size_t>(at_once);
    for (size_t i = 0; i < calls.parts.size(); ++i)
      parts_.push_back(std::make_unique<PartRun>(
          frame, calls.parts[i], facts_, variables, [&calls, i](std::string_view group) {
            return calls.part_of(group) == static_cast<int>(i);
          }));
  }

  Result<void> run(const std::stop_token& stop, const state::TransformFunction::Output& output) {
    while (given_ < parts_.size()) {
      WEIR_TRY(begin_more(stop));
      for (size_t i = given_; i < begun_; ++i)
        WEIR_TRY(parts_[i]->advance());
      bool moved = false;
      while (given_ < begun_) {
        auto& first = *parts_[given_];
        while (first.has_answer()) {
          moved = true;
          WEIR_ASSIGN(const auto rows, first.take_answer());
          if (rows) WEIR_TRY(output(rows));
        }
        if (!first.ended()) break;
        moved = true;
        if (auto worker = first.release()) frame_.work.pool->give_back(std::move(worker));
        parts_[given_++].reset();
      }
      if (!moved) WEIR_TRY(wait(stop));
    }
    return {};
  }

 private:
  Result<void> begin_more(const std::stop_token& stop) {
    const size_t at_once = static_cast<size_t>(std::max(frame_.work.options.parallel, 1));
    while (begun_ < parts_.size() && begun_ - given_ < at_once) {
      WorkerPtr worker;
      if (begun_ == given_) {
        WEIR_ASSIGN(worker, frame_.work.pool->take(stop));
      } else {
        WEIR_ASSIGN(worker, frame_.work.pool->take_another());
        if (!worker) return {};
      }
      WEIR_TRY(parts_[begun_]->begin(std::move(worker)));
      ++begun_;
      wait_.restart();
    }
    return {};
  }

  Result<void> wait(const std::stop_token& stop) {
    int64_t moved = 0;
    std::vector<pollfd> sockets;
    for (size_t i = given_; i < begun_; ++i) {
      moved += parts_[i]->moved();
      parts_[i]->poll_for(sockets);
    }
    return wait_.wait(std::move(sockets), moved, stop);
  }

  const Frame& frame_;
  DeskFacts facts_;
  std::vector<std::unique_ptr<PartRun>> parts_;
  size_t begun_ = 0;  // parts with a worker, or done
  size_t given_ = 0;  // parts that are done
  WorkerWait wait_;
};

std::shared_ptr<arrow::Schema> frame_schema(const Work& work, const TransformShape& shape,
                                            int eval_type) {
  const auto rows = worker_schema(work, shape.rows.fields());
  if (!is_initial(eval_type)) return rows;
  const auto initial = worker_schema(work, shape.initial.fields());
  return arrow::schema({arrow::field(kInput, arrow::struct_(rows->fields())),
                        arrow::field(kInitial, arrow::struct_(initial->fields()))});
}

// [length, keys, key …, column …]: which columns are the keys, which are the rows'.
void add_side(const std::vector<int>& keys, const columnar::Schema& rows, int added,
              std::vector<int>& offsets) {
  const int columns = static_cast<int>(rows.fields().size());
  offsets.push_back(1 + static_cast<int>(keys.size()) + columns - added);
  offsets.push_back(static_cast<int>(keys.size()));
  offsets.insert(offsets.end(), keys.begin(), keys.end());
  for (int i = added; i < columns; ++i)
    offsets.push_back(i);
}

class TransformWork final : public state::TransformFunction {
 public:
  TransformWork(Work work, const plan::PythonFunction& function, TransformShape shape)
      : frame_{work, run_header(work, function), std::move(shape), function.result,
               ArrowOut(nullptr)} {
    frame_.out = ArrowOut(frame_schema(frame_.work, frame_.shape, function.eval_type));
    frame_.header.key_schema = base::json_text(frame_.shape.key.to_json());
    FunctionWords words;
    words.commands.push_back(function.command);
    add_side(frame_.shape.keys, frame_.shape.rows, frame_.shape.added, words.offsets);
    if (is_initial(function.eval_type))
      add_side(frame_.shape.initial_keys, frame_.shape.initial, frame_.shape.initial_added,
               words.offsets);
    frame_.header.functions.push_back(std::move(words));
  }

  Result<void> run(const TransformCalls& calls, state::GroupVariables& variables,
                   std::stop_token stop, const Output& output) override {
    TransformRun run(frame_, calls, variables);
    return run.run(stop, output);
  }

 private:
  Frame frame_;
};

}  // namespace

Result<std::unique_ptr<state::TransformFunction>> transform_work(
    Work work, const plan::PythonFunction& function, state::TransformShape shape) {
  if (function.eval_type < kTransformPandas || function.eval_type > kTransformRowsInitial)
    return unsupported("The Python function " + function.name + " with state");
  constexpr int kV41 = 401, kV42 = 402;
  if (work.facts.version < kV41)
    return unsupported("transformWithState by PySpark " + work.facts.pyspark +
                       " (--python of weir serve; it takes 4.1 or newer)");
  // 4.1 reads structs whose fields are shorter than they are, which Arrow's libraries do not write.
  if (is_initial(function.eval_type) && work.facts.version < kV42)
    return unsupported("An initial state of transformWithState by PySpark " + work.facts.pyspark +
                       " (--python of weir serve; it takes 4.2 or newer)");
  return std::unique_ptr<state::TransformFunction>(
      std::make_unique<TransformWork>(std::move(work), function, std::move(shape)));
}

}  // namespace weir::python
