// A batch on its way through a plan's pieces.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "plan/operator_rewrites.h"
#include "stream/batch_seeds.h"
#include "stream/plain_arrays.h"
#include "stream/stream_plan_piece.h"

namespace weir::stream {

namespace op = plan::op;
using base::error;
using base::ErrorKind;

namespace {

constexpr uint64_t kStatementSeeds = 1'000'000;  // past the places of pieces

Schema all_columns(const plan::Operator& node) {
  std::vector<columnar::Field> fields;
  for (const auto& column : node.columns)
    fields.push_back(columnar::make_field(column.name, column.type, column.nullable));
  return Schema::structure(std::move(fields));
}

std::vector<plan::Column> shown(std::vector<plan::Column> columns) {
  for (plan::Column& column : columns)
    column.hidden = false;
  return columns;
}

// task(index) for each of `count`, on the pool; the first error.
Result<void> for_each(TaskPool& pool, size_t count,
                      const std::function<Result<void>(size_t)>& task) {
  std::mutex mutex;
  std::optional<base::Error> failed;
  std::atomic<bool> give_up = false;
  pool.run(static_cast<int>(count), [&](int part, int) {
    if (give_up) return;
    auto result = task(static_cast<size_t>(part));
    if (result.ok()) return;
    give_up = true;
    std::lock_guard lock(mutex);
    if (!failed) failed = std::move(result).error();
  });
  if (failed) return std::move(*failed);
  return {};
}

// Microseconds of a timestamp column, or of the end of a window column.
Result<std::shared_ptr<arrow::TimestampArray>> event_times_of(const arrow::RecordBatch& rows,
                                                              int index) {
  std::shared_ptr<arrow::Array> column = rows.column(index);
  if (column->type_id() == arrow::Type::STRUCT) {
    const auto& window = static_cast<const arrow::StructArray&>(*column);
    WEIR_ARROW_ASSIGN(column, window.GetFlattenedField(1));
  }
  if (column->type_id() != arrow::Type::TIMESTAMP)
    return error(ErrorKind::kInternal, "event time of type {}", column->type()->ToString());
  return std::static_pointer_cast<arrow::TimestampArray>(column);
}

int64_t floor_ms(int64_t us) { return us / 1000 - (us % 1000 < 0 ? 1 : 0); }

void join(EventTimeSeen& all, const EventTimeSeen& more) {
  if (more.rows == 0) return;
  all.max_ms = all.rows == 0 ? more.max_ms : std::max(all.max_ms, more.max_ms);
  all.min_ms = all.rows == 0 ? more.min_ms : std::min(all.min_ms, more.min_ms);
  all.sum_ms += more.sum_ms;
  all.rows += more.rows;
}

Result<void> see(EventTimeSeen& seen, const arrow::RecordBatch& rows, int column) {
  WEIR_ASSIGN(const auto times, event_times_of(rows, column));
  for (int64_t row = 0; row < times->length(); ++row) {
    if (times->IsNull(row)) continue;
    const int64_t ms = floor_ms(times->Value(row));
    join(seen, {.rows = 1, .max_ms = ms, .min_ms = ms, .sum_ms = static_cast<double>(ms)});
  }
  return {};
}

}  // namespace

Result<StreamPlan::Run> StreamPlan::begin(const PlanBatch& batch, Readers& readers,
                                          TaskPool& pool) {
  Run run{.batch = batch,
          .readers = readers,
          .pool = pool,
          .eval = environment_.eval,
          .done = {},
          .read = {}};
  run.eval.batch_timestamp_us = batch.timestamp_us;
  run.eval.volatile_state = std::make_shared<eval::VolatileState>();
  run.eval.rows_met = rows_met_ = std::make_shared<eval::RowsMet>();
  run.read.resize(tables_.size());
  began_ = true;
  observed_.clear();
  for (Piece* piece : watermarks_)
    piece->seen = {.delay_ms = piece->seen.delay_ms};
  const auto late = input_watermarks(batch.late_us);
  const auto eviction = input_watermarks(batch.eviction_us);
  for (size_t id = 0; id < stateful_.size(); ++id)
    WEIR_TRY(stateful_[id]->state->begin({.batch = batch.id,
                                          .eval = run.eval,
                                          .late_us = late[id],
                                          .eviction_us = eviction[id],
                                          .stop = batch.stop}));
  return run;
}

Result<RowBatches> StreamPlan::run(const PlanBatch& batch, Readers& readers, TaskPool& pool) {
  WEIR_ASSIGN(Run run, begin(batch, readers, pool));
  WEIR_ASSIGN(RowBatches rows, rows_of(*root_, run));
  if (visible_.size() == root_->node->columns.size()) return rows;
  for (auto& one : rows) {
    WEIR_ARROW_ASSIGN(one, one->SelectColumns(visible_));
  }
  return rows;
}

Result<void> StreamPlan::run(const PlanBatch& batch, Readers& readers, TaskPool& pool,
                             const Output& output) {
  WEIR_ASSIGN(Run run, begin(batch, readers, pool));
  const bool all = visible_.size() == root_->node->columns.size();
  return run_chain(*root_, run,
                   [&](int part, std::shared_ptr<arrow::RecordBatch> rows) -> Result<void> {
                     if (!all) {
                       WEIR_ARROW_ASSIGN(rows, rows->SelectColumns(visible_));
                     }
                     return output(part, std::move(rows));
                   });
}

// Each part of the source by one thread, all steps batch by batch: what the source gives is gone
// before the next is read.
Result<void> StreamPlan::run_chain(Piece& piece, Run& run, const Output& output) {
  const Piece& scan = *piece.chain.front();
  auto& readers = run.readers[scan.source];
  std::mutex mutex;
  return for_each(run.pool, readers.size(), [&](size_t part) -> Result<void> {
    std::vector<EventTimeSeen> seen(piece.chain.size());
    while (true) {
      if (run.batch.stop.stop_requested())
        return error(ErrorKind::kCancelled, "the query was stopped");
      WEIR_ASSIGN(auto rows, readers[part]->next(run.batch.stop));
      if (rows == nullptr) break;
      WEIR_ARROW_ASSIGN(rows, rows->SelectColumns(scan.columns));
      for (size_t i = 1; i < piece.chain.size() && rows->num_rows() > 0; ++i) {
        const Piece& step = *piece.chain[i];
        if (step.kind == Piece::Kind::kProject) {
          WEIR_ASSIGN(rows, step.projection->evaluate(*rows, run.eval));
        } else if (step.kind == Piece::Kind::kFilter) {
          WEIR_ASSIGN(rows, eval::filter_rows(rows, *step.condition, run.eval));
        } else {
          WEIR_TRY(see(seen[i], *rows, step.columns[0]));
        }
      }
      if (rows->num_rows() == 0) continue;
      WEIR_ASSIGN(rows, with_plain_arrays(std::move(rows)));
      WEIR_TRY(output(static_cast<int>(part), std::move(rows)));
    }
    const std::lock_guard lock(mutex);
    for (size_t i = 1; i < piece.chain.size(); ++i)
      join(piece.chain[i]->seen, seen[i]);
    return {};
  });
}

Result<RowBatches> StreamPlan::rows_of(Piece& piece, Run& run) {
  if (const auto found = run.done.find(&piece); found != run.done.end()) {
    if (--found->second.second > 0) return found->second.first;
    RowBatches last = std::move(found->second.first);
    run.done.erase(found);
    return last;
  }
  if (run.batch.stop.stop_requested()) return error(ErrorKind::kCancelled, "the query was stopped");
  RowBatches rows;
  if (!piece.chain.empty()) {
    std::vector<RowBatches> parts(run.readers[piece.chain.front()->source].size());
    WEIR_TRY(run_chain(piece, run, [&](int part, auto one) -> Result<void> {
      parts[static_cast<size_t>(part)].push_back(std::move(one));
      return {};
    }));
    for (RowBatches& part : parts)
      rows.insert(rows.end(), part.begin(), part.end());
    if (piece.uses > 1) run.done[&piece] = {rows, piece.uses - 1};
    return rows;
  }
  switch (piece.kind) {
    case Piece::Kind::kSource: {
      WEIR_ASSIGN(rows, run_source(piece, run));
      break;
    }
    case Piece::Kind::kWatermark: {
      WEIR_ASSIGN(rows, see_event_times(piece, run));
      break;
    }
    case Piece::Kind::kStateful: {
      WEIR_ASSIGN(rows, run_stateful(piece, run));
      break;
    }
    case Piece::Kind::kStatement: {
      WEIR_ASSIGN(rows, run_statement(piece, run));
      break;
    }
    case Piece::Kind::kUnion:
      for (Piece* input : piece.inputs) {
        WEIR_ASSIGN(const RowBatches side, rows_of(*input, run));
        const auto schema = columnar::to_arrow_schema(all_columns(*piece.node));
        for (const auto& one : side)
          rows.push_back(arrow::RecordBatch::Make(schema, one->num_rows(), one->columns()));
      }
      break;
    case Piece::Kind::kProject:
    case Piece::Kind::kFilter: {
      WEIR_ASSIGN(rows, rows_of(*piece.inputs[0], run));
      WEIR_TRY(run_step(piece, run, rows));
      break;
    }
  }
  if (piece.uses > 1) run.done[&piece] = {rows, piece.uses - 1};
  return rows;
}

// A projection or filter over rows that are there.
Result<void> StreamPlan::run_step(Piece& piece, Run& run, RowBatches& rows) {
  const eval::Projection* projection = piece.projection.get();
  const eval::Program* condition = piece.condition.get();
  std::optional<eval::Projection> seeded_projection;
  std::optional<eval::Program> seeded_condition;
  if (draws_at_random(*piece.node)) {
    const auto node = with_seeds(piece.node, run.batch.seed, piece.place);
    if (projection != nullptr) {
      WEIR_ASSIGN(seeded_projection, eval::Projection::compile(named_list(*node)));
      projection = &*seeded_projection;
    } else {
      WEIR_ASSIGN(seeded_condition, eval::compile(std::get<op::Filter>(node->node).condition));
      condition = &*seeded_condition;
    }
  }
  const auto step = [&](size_t i) -> Result<void> {
    if (projection != nullptr) {
      WEIR_ASSIGN(rows[i], projection->evaluate(*rows[i], run.eval));
    } else {
      WEIR_ASSIGN(rows[i], eval::filter_rows(rows[i], *condition, run.eval));
    }
    return {};
  };
  if (piece.ordered) {
    for (size_t i = 0; i < rows.size(); ++i)
      WEIR_TRY(step(i));
  } else {
    WEIR_TRY(for_each(run.pool, rows.size(), step));
  }
  std::erase_if(rows, [](const auto& one) { return one->num_rows() == 0; });
  return {};
}

// A source is read once a batch, whatever the number of scans over it.
Result<RowBatches> StreamPlan::run_source(Piece& piece, Run& run) {
  auto& read = run.read[piece.source];
  if (!read) {
    auto& readers = run.readers[piece.source];
    std::vector<RowBatches> parts(readers.size());
    WEIR_TRY(for_each(run.pool, readers.size(), [&](size_t i) -> Result<void> {
      while (true) {
        WEIR_ASSIGN(auto rows, readers[i]->next(run.batch.stop));
        if (rows == nullptr) return {};
        if (rows->num_rows() == 0) continue;
        WEIR_ASSIGN(rows, with_plain_arrays(std::move(rows)));
        parts[i].push_back(std::move(rows));
      }
    }));
    read.emplace();
    for (RowBatches& part : parts)
      read->insert(read->end(), part.begin(), part.end());
  }
  RowBatches rows;
  for (const auto& one : *read) {
    WEIR_ARROW_ASSIGN(auto selected, one->SelectColumns(piece.columns));
    rows.push_back(std::move(selected));
  }
  return rows;
}

Result<RowBatches> StreamPlan::see_event_times(Piece& piece, Run& run) {
  WEIR_ASSIGN(RowBatches rows, rows_of(*piece.inputs[0], run));
  for (const auto& one : rows)
    WEIR_TRY(see(piece.seen, *one, piece.columns[0]));
  return rows;
}

Result<RowBatches> StreamPlan::run_stateful(Piece& piece, Run& run) {
  for (size_t input = 0; input < piece.inputs.size(); ++input) {
    // A table is the state that the query begins with.
    if (!piece.inputs[input]->node->streaming && run.batch.id.value() != 0) continue;
    WEIR_ASSIGN(const RowBatches rows, rows_of(*piece.inputs[input], run));
    const size_t parts = std::min(rows.size(), static_cast<size_t>(run.pool.threads()));
    std::vector<std::unique_ptr<operators::Collector>> collectors;
    for (size_t part = 0; part < parts; ++part) {
      WEIR_ASSIGN(auto collector, piece.state->collector(static_cast<int>(input)));
      collectors.push_back(std::move(collector));
    }
    auto taken = for_each(run.pool, parts, [&](size_t part) -> Result<void> {
      for (size_t i = rows.size() * part / parts; i < rows.size() * (part + 1) / parts; ++i) {
        if (run.batch.stop.stop_requested())
          return error(ErrorKind::kCancelled, "the query was stopped");
        WEIR_TRY(collectors[part]->add(rows[i]));
      }
      return {};
    });
    if (!taken.ok()) return std::move(taken).error();
  }
  RowBatches output;
  WEIR_TRY(piece.state->finish([&](const operators::BatchPtr& rows) -> Result<void> {
    if (rows->num_rows() > 0) output.push_back(rows);
    return {};
  }));
  return output;
}

Result<RowBatches> StreamPlan::run_statement(Piece& piece, Run& run) {
  std::map<const plan::Operator*, plan::OperatorPtr> inputs;
  for (const auto& [place, index] : piece.leaves) {
    WEIR_ASSIGN(RowBatches rows, rows_of(*piece.inputs[index], run));
    inputs[place] = plan::make_operator(op::LocalRows{std::move(rows)}, place->columns);
  }
  std::map<const plan::Operator*, plan::OperatorPtr> rewritten;
  const std::function<plan::OperatorPtr(const plan::OperatorPtr&)> bind =
      [&](const plan::OperatorPtr& node) -> plan::OperatorPtr {
    if (const auto input = inputs.find(node.get()); input != inputs.end()) return input->second;
    if (!node->streaming) return node;
    auto& made = rewritten[node.get()];
    if (made == nullptr) {
      plan::OperatorPtr over = plan::map_operator_children(node, bind);
      if (draws_at_random(*over))
        over = with_seeds(over, run.batch.seed, kStatementSeeds + rewritten.size());
      made = plan::make_operator(over->node, over->columns);
    }
    return made;
  };
  const plan::OperatorPtr bound = bind(piece.node);
  return environment_.execute(
      plan::make_operator(bound->node, shown(bound->columns)), run.eval, run.batch.stop,
      [&](const std::string& name, std::shared_ptr<arrow::RecordBatch> row) {
        observed_[name] = std::move(row);
      });
}

}  // namespace weir::stream
