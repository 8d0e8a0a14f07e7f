// mapInPandas, mapInArrow: one worker gets all rows, in order, and gives others.
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "python/work.h"

namespace weir::python {

namespace {

class MapWork final : public relational::BatchStream {
 public:
  MapWork(Work work, const plan::PythonFunction& function, StreamPtr input)
      : schema_(function.result),
        operation_(function.eval_type == kMapArrowIter ? "mapInArrow()" : "mapInPandas()"),
        out_(in_one_struct(worker_schema(work, input->schema().fields()))) {
    auto header = run_header(work, function);
    header.functions.push_back({{0}, {}, {function.command}});
    input_ = in_batches_of(std::move(input), rows_of_a_batch(work));
    crew_ = std::make_unique<Crew>(work.pool, std::move(header),
                                   CrewOptions{1, work.options.silence_us}, work.clock,
                                   [this] { return out_.begin(); });
  }
  const columnar::Schema& schema() const override { return schema_; }

  Result<BatchPtr> next(std::stop_token stop) override {
    while (true) {
      if (finished_) return BatchPtr();
      WEIR_TRY(crew_->advance());
      for (const auto& worker : crew_->members()) {
        if (!worker->has_answer()) continue;
        const auto answer = worker->take_answer();
        if (!answer.batch) return nonsense("pickled rows instead of Arrow");
        WEIR_ASSIGN(const auto rows, out_of_struct(answer.batch));
        return checked_rows(rows, schema_, operation_);
      }
      if (input_ended_ && crew_->all_ended()) {
        crew_->dismiss();
        finished_ = true;
        continue;
      }
      WEIR_ASSIGN(const bool fed, feed(stop));
      if (!fed) WEIR_TRY(crew_->wait(stop));
    }
  }

 private:
  Result<bool> feed(const std::stop_token& stop) {
    if (input_ended_) return false;
    WEIR_ASSIGN(auto* worker, crew_->hungry(stop));
    if (!worker) return false;
    WEIR_ASSIGN(const auto batch, input_->next(stop));
    if (!batch) {
      input_ended_ = true;
      crew_->end_input(ArrowOut::end());
      return true;
    }
    WEIR_ASSIGN(auto bytes, out_.rows(in_one_struct(batch)));
    worker->send(std::move(bytes));
    return true;
  }

  const columnar::Schema schema_;
  const std::string operation_;
  const ArrowOut out_;
  StreamPtr input_;
  std::unique_ptr<Crew> crew_;
  bool input_ended_ = false;
  bool finished_ = false;
};

}  // namespace

Result<StreamPtr> map_work(Work work, const plan::PythonFunction& function, StreamPtr input) {
  if (function.eval_type != kMapPandasIter && function.eval_type != kMapArrowIter)
    return unsupported("The Python function " + function.name + " as a map of partitions");
  if (!function.result.is(columnar::TypeKind::kStruct))
    return base::error(base::ErrorKind::kInvalidArgument, "a map of partitions gives no struct");
  return StreamPtr(std::make_unique<MapWork>(std::move(work), function, std::move(input)));
}

}  // namespace weir::python
