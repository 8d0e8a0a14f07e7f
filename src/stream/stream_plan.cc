#include "stream/stream_plan.h"

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
#include "stream/plain_arrays.h"

namespace weir::stream {

namespace op = plan::op;
using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kMonthMs = 31 * kDayMs;  // as Spark counts a watermark's months

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

bool is_union_of_streams(const plan::Operator& node) {
  const auto* sets = std::get_if<op::SetOperation>(&node.node);
  return sets != nullptr && sets->kind == plan::SetKind::kUnion && sets->all &&
         sets->left->streaming && sets->right->streaming;
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

}  // namespace

struct StreamPlan::Piece {
  enum class Kind { kSource, kWatermark, kProject, kFilter, kUnion, kStateful, kStatement };
  Kind kind = Kind::kSource;
  plan::OperatorPtr node;
  std::vector<Piece*> inputs;
  int uses = 0;  // by other pieces

  size_t source = 0;         // kSource: of tables_
  std::vector<int> columns;  // kSource: of columns_[source]; kWatermark: the one column
  EventTimeSeen seen;
  std::unique_ptr<eval::Projection> projection;
  std::unique_ptr<eval::Program> condition;
  std::unique_ptr<StatefulOperator> state;
  std::map<const plan::Operator*, size_t> leaves;  // kStatement: inputs by their place
};

struct StreamPlan::Run {
  const PlanBatch& batch;
  Readers& readers;
  TaskPool& pool;
  eval::EvalContext eval;
  std::map<const Piece*, std::pair<RowBatches, int>> done;  // and how often they are still needed
  std::vector<std::optional<RowBatches>> read;              // by source
};

StreamPlan::StreamPlan(PlanEnvironment environment) : environment_(std::move(environment)) {}
StreamPlan::~StreamPlan() = default;

Result<std::unique_ptr<StreamPlan>> StreamPlan::create(const plan::OperatorPtr& root,
                                                       PlanEnvironment environment) {
  if (!root->streaming)
    return error(ErrorKind::kInvalidArgument, "a streaming query needs a streaming source");
  std::unique_ptr<StreamPlan> made(new StreamPlan(std::move(environment)));
  WEIR_ASSIGN(made->root_, made->compile(root));
  ++made->root_->uses;
  made->output_schema_ = plan::schema_of(*root);
  for (size_t i = 0; i < root->columns.size(); ++i)
    if (!root->columns[i].hidden) made->visible_.push_back(static_cast<int>(i));
  return made;
}

bool StreamPlan::is_statement(const plan::Operator& node) const {
  return !std::holds_alternative<op::Scan>(node.node) &&
         !std::holds_alternative<op::Watermark>(node.node) && !is_union_of_streams(node) &&
         !environment_.is_stateful(node);
}

Result<StreamPlan::Piece*> StreamPlan::compile(const plan::OperatorPtr& node) {
  for (const auto& piece : pieces_)
    if (piece->node == node) return piece.get();
  auto made = std::make_unique<Piece>();
  Piece& piece = *made;
  piece.node = node;
  const auto add_inputs = [&]() -> Result<void> {
    for (const auto& child : plan::children_of(*node)) {
      WEIR_ASSIGN(Piece * input, compile(child));
      piece.inputs.push_back(input);
    }
    return {};
  };
  if (std::holds_alternative<op::Scan>(node->node)) {
    WEIR_TRY(compile_scan(node, piece));
  } else if (const auto* watermark = std::get_if<op::Watermark>(&node->node)) {
    piece.kind = Piece::Kind::kWatermark;
    piece.columns = {watermark->column};
    piece.seen.delay_ms = watermark->delay_us / 1000 + watermark->delay_months * kMonthMs;
    WEIR_TRY(add_inputs());
    watermarks_.push_back(&piece);
  } else if (is_union_of_streams(*node)) {
    piece.kind = Piece::Kind::kUnion;
    WEIR_TRY(add_inputs());
  } else if (environment_.is_stateful(*node)) {
    piece.kind = Piece::Kind::kStateful;
    WEIR_TRY(add_inputs());
    WEIR_ASSIGN(piece.state,
                environment_.make_operator(node, static_cast<int64_t>(stateful_.size())));
    stateful_.push_back(&piece);
  } else if (const auto* filter = std::get_if<op::Filter>(&node->node)) {
    auto program = eval::compile(filter->condition);
    if (program.ok()) {
      piece.kind = Piece::Kind::kFilter;
      piece.condition = std::make_unique<eval::Program>(std::move(program).value());
      WEIR_TRY(add_inputs());
    } else {
      WEIR_TRY(compile_statement(node, piece));
    }
  } else if (const auto* project = std::get_if<op::Project>(&node->node)) {
    std::vector<plan::NamedTyped> list;
    for (size_t i = 0; i < project->list.size(); ++i)
      list.push_back({node->columns[i].name, project->list[i]});
    auto projection = eval::Projection::compile(list);
    if (projection.ok()) {
      piece.kind = Piece::Kind::kProject;
      piece.projection = std::make_unique<eval::Projection>(std::move(projection).value());
      WEIR_TRY(add_inputs());
    } else {
      WEIR_TRY(compile_statement(node, piece));
    }
  } else {
    WEIR_TRY(compile_statement(node, piece));
  }
  for (Piece* input : piece.inputs)
    ++input->uses;
  pieces_.push_back(std::move(made));
  return pieces_.back().get();
}

Result<void> StreamPlan::compile_scan(const plan::OperatorPtr& node, Piece& piece) {
  const auto& scan = std::get<op::Scan>(node->node);
  const auto found = std::find(tables_.begin(), tables_.end(), scan.table);
  piece.kind = Piece::Kind::kSource;
  piece.source = static_cast<size_t>(found - tables_.begin());
  if (found == tables_.end()) {
    tables_.push_back(scan.table);
    columns_.emplace_back();
  }
  auto& columns = columns_[piece.source];
  for (const int index : scan.columns) {
    const std::string& name = scan.table->schema().fields()[static_cast<size_t>(index)].name;
    auto at = std::find(columns.begin(), columns.end(), name);
    if (at == columns.end()) at = columns.insert(at, name);
    piece.columns.push_back(static_cast<int>(at - columns.begin()));
  }
  return {};
}

// The largest stateless tree from `node` down: its streaming children that are no statements are
// inputs.
Result<void> StreamPlan::compile_statement(const plan::OperatorPtr& node, Piece& piece) {
  if (!environment_.execute)
    return error(ErrorKind::kUnsupported, "this operator in a stream:\n{}", plan_text(*node))
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  piece.kind = Piece::Kind::kStatement;
  std::vector<plan::OperatorPtr> open{node};
  while (!open.empty()) {
    const plan::OperatorPtr next = open.back();
    open.pop_back();
    const auto children = plan::children_of(*next);
    for (auto child = children.rbegin(); child != children.rend(); ++child)
      if ((*child)->streaming && is_statement(**child)) open.push_back(*child);
    for (const auto& child : children) {
      if (!child->streaming || is_statement(*child) || piece.leaves.contains(child.get())) continue;
      WEIR_ASSIGN(Piece * input, compile(child));
      piece.leaves[child.get()] = piece.inputs.size();
      piece.inputs.push_back(input);
    }
  }
  return {};
}

Result<void> StreamPlan::open(std::optional<base::BatchId> version,
                              const base::JsonObject* states) {
  for (size_t id = 0; id < stateful_.size(); ++id) {
    const base::JsonObject* manifest =
        states == nullptr ? nullptr : base::json_object(*states, std::to_string(id));
    if (version && manifest == nullptr)
      return error(ErrorKind::kConflict,
                   "the checkpoint has no state for operator {} ({}): the query has changed since "
                   "batch {}. Start with a new checkpoint",
                   id, stateful_[id]->state->identity(), version->value());
    WEIR_TRY(stateful_[id]->state->open(version, manifest));
  }
  if (states != nullptr && states->size() > stateful_.size())
    return error(ErrorKind::kConflict,
                 "the checkpoint has the state of {} operators, this query has {}: the query has "
                 "changed. Start with a new checkpoint",
                 states->size(), stateful_.size());
  return {};
}

Result<RowBatches> StreamPlan::run(const PlanBatch& batch, Readers& readers, TaskPool& pool) {
  Run run{.batch = batch,
          .readers = readers,
          .pool = pool,
          .eval = environment_.eval,
          .done = {},
          .read = {}};
  run.eval.batch_timestamp_us = batch.timestamp_us;
  run.eval.volatile_state = std::make_shared<eval::VolatileState>();
  run.read.resize(tables_.size());
  began_ = true;
  observed_.clear();
  for (Piece* piece : watermarks_)
    piece->seen = {.delay_ms = piece->seen.delay_ms};
  for (Piece* piece : stateful_)
    WEIR_TRY(piece->state->begin({.batch = batch.id,
                                  .eval = run.eval,
                                  .late_us = batch.late_us,
                                  .eviction_us = batch.eviction_us,
                                  .stop = batch.stop}));
  WEIR_ASSIGN(RowBatches rows, rows_of(*root_, run));
  if (visible_.size() == root_->node->columns.size()) return rows;
  for (auto& one : rows) {
    WEIR_ARROW_ASSIGN(one, one->SelectColumns(visible_));
  }
  return rows;
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
      WEIR_TRY(for_each(run.pool, rows.size(), [&](size_t i) -> Result<void> {
        if (piece.kind == Piece::Kind::kProject) {
          WEIR_ASSIGN(rows[i], piece.projection->evaluate(*rows[i], run.eval));
        } else {
          WEIR_ASSIGN(rows[i], eval::filter_rows(rows[i], *piece.condition, run.eval));
        }
        return {};
      }));
      std::erase_if(rows, [](const auto& one) { return one->num_rows() == 0; });
      break;
    }
  }
  if (piece.uses > 1) run.done[&piece] = {rows, piece.uses - 1};
  return rows;
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
  EventTimeSeen& seen = piece.seen;
  for (const auto& one : rows) {
    WEIR_ASSIGN(const auto times, event_times_of(*one, piece.columns[0]));
    for (int64_t row = 0; row < times->length(); ++row) {
      if (times->IsNull(row)) continue;
      const int64_t ms = floor_ms(times->Value(row));
      seen.max_ms = seen.rows == 0 ? ms : std::max(seen.max_ms, ms);
      seen.min_ms = seen.rows == 0 ? ms : std::min(seen.min_ms, ms);
      seen.sum_ms += static_cast<double>(ms);
      ++seen.rows;
    }
  }
  return rows;
}

Result<RowBatches> StreamPlan::run_stateful(Piece& piece, Run& run) {
  for (size_t input = 0; input < piece.inputs.size(); ++input) {
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
      const plan::OperatorPtr over = plan::map_operator_children(node, bind);
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

Result<base::JsonObject> StreamPlan::prepare() {
  base::JsonObject states;
  for (size_t id = 0; id < stateful_.size(); ++id) {
    WEIR_ASSIGN(states[std::to_string(id)], stateful_[id]->state->prepare());
  }
  return states;
}

void StreamPlan::committed() {
  began_ = false;
  for (Piece* piece : stateful_)
    piece->state->committed();
}

void StreamPlan::roll_back() {
  if (!began_) return;
  began_ = false;
  for (Piece* piece : stateful_)
    piece->state->roll_back();
}

Result<void> StreamPlan::clean_up(const base::JsonObject& oldest) {
  for (size_t id = 0; id < stateful_.size(); ++id)
    if (const auto* manifest = base::json_object(oldest, std::to_string(id)))
      WEIR_TRY(stateful_[id]->state->clean_up(*manifest));
  return {};
}

bool StreamPlan::wants_batch_without_rows(int64_t eviction_us) const {
  return std::any_of(stateful_.begin(), stateful_.end(), [&](const Piece* piece) {
    return piece->state->wants_batch_without_rows(eviction_us);
  });
}

std::vector<EventTimeSeen> StreamPlan::event_times() const {
  std::vector<EventTimeSeen> all;
  for (const Piece* piece : watermarks_)
    all.push_back(piece->seen);
  return all;
}

// As Spark lists them: from the sink down.
std::vector<operators::OperatorMetrics> StreamPlan::metrics() const {
  std::vector<operators::OperatorMetrics> all;
  for (auto piece = stateful_.rbegin(); piece != stateful_.rend(); ++piece)
    all.push_back((*piece)->state->metrics());
  return all;
}

}  // namespace weir::stream
