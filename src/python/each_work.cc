// writeStream.foreach(): rows go to a function that gives nothing back.
#include <arrow/buffer.h>
#include <arrow/record_batch.h>

#include "python/pickled_rows.h"
#include "python/work.h"

namespace weir::python {

namespace {

Result<bool> feed(Crew& crew, relational::BatchStream& rows, const std::stop_token& stop,
                  bool& ended) {
  if (ended) return false;
  WEIR_ASSIGN(auto* worker, crew.hungry(stop));
  if (!worker) return false;
  WEIR_ASSIGN(const auto batch, rows.next(stop));
  if (!batch) {
    ended = true;
    crew.end_input(pickles_end());
    return true;
  }
  WEIR_ASSIGN(auto bytes, pickle_rows(*batch, rows.schema(), true));
  worker->send(std::move(bytes));
  return true;
}

}  // namespace

Result<void> each_work(Work work, const plan::PythonFunction& function, StreamPtr rows, int part,
                       int64_t batch_id, const std::stop_token& stop) {
  auto header = run_header(work, function);
  header.eval_type = kPlain;
  header.task = part;
  header.properties.emplace_back("streaming.sql.batchId", std::to_string(batch_id));
  header.functions.push_back({{}, {}, {function.command}});
  const auto input = in_batches_of(std::move(rows), rows_of_a_batch(work));
  Crew crew(work.pool, std::move(header), CrewOptions{1, work.options.silence_us}, work.clock,
            [] { return Result<std::shared_ptr<arrow::Buffer>>(nullptr); });
  bool ended = false;
  while (true) {
    WEIR_TRY(crew.advance());
    for (const auto& worker : crew.members()) {
      if (worker->has_answer()) return nonsense("rows from a function of foreach");
    }
    // A function may leave rows unread: open() may say that it does not want them.
    if (!crew.members().empty() && crew.all_ended()) break;
    WEIR_ASSIGN(const bool fed, feed(crew, *input, stop, ended));
    if (!fed) WEIR_TRY(crew.wait(stop));
  }
  crew.dismiss();
  return {};
}

}  // namespace weir::python
