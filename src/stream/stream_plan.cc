#include "stream/stream_plan.h"

#include <algorithm>

#include <arrow/record_batch.h>

#include "plan/operator_rewrites.h"
#include "plan/session_windows.h"
#include "stream/batch_seeds.h"
#include "stream/stream_plan_piece.h"

namespace weir::stream {

namespace op = plan::op;
using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kMonthMs = 31 * kDayMs;  // as Spark counts a watermark's months

bool is_union_of_streams(const plan::Operator& node) {
  const auto* sets = std::get_if<op::SetOperation>(&node.node);
  return sets != nullptr && sets->kind == plan::SetKind::kUnion && sets->all &&
         sets->left->streaming && sets->right->streaming;
}

// What a watermark has marked means something to plans only, not to whoever reads what is written.
Schema without_delays(const Schema& schema) {
  auto fields = schema.fields();
  for (auto& field : fields)
    field.metadata.erase(plan::kWatermarkDelay);
  return Schema::structure(std::move(fields));
}

// The checkpoint's state is not this query's.
base::Error another_query(base::Error error) {
  return std::move(error)
      .with_class("STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA")
      .with_sql_state("42K03");
}

}  // namespace

StreamPlan::StreamPlan(PlanEnvironment environment) : environment_(std::move(environment)) {}
StreamPlan::~StreamPlan() = default;

Result<std::unique_ptr<StreamPlan>> StreamPlan::create(const plan::OperatorPtr& root,
                                                       PlanEnvironment environment) {
  if (!root->streaming)
    return error(ErrorKind::kInvalidArgument, "a streaming query needs a streaming source");
  std::unique_ptr<StreamPlan> made(new StreamPlan(std::move(environment)));
  WEIR_ASSIGN(made->root_, made->compile(root));
  ++made->root_->uses;
  made->find_chains();
  made->output_schema_ = without_delays(plan::schema_of(*root));
  for (size_t i = 0; i < root->columns.size(); ++i)
    if (!root->columns[i].hidden) made->visible_.push_back(static_cast<int>(i));
  return made;
}

void StreamPlan::find_chains() {
  std::vector<int> scans(tables_.size(), 0);
  for (const auto& piece : pieces_)
    if (piece->kind == Piece::Kind::kSource) ++scans[piece->source];
  for (const auto& piece : pieces_) {  // inputs come first
    if (piece->kind == Piece::Kind::kSource) {
      if (scans[piece->source] == 1) piece->chain = {piece.get()};
      continue;
    }
    const bool step = piece->kind == Piece::Kind::kWatermark ||
                      piece->kind == Piece::Kind::kProject || piece->kind == Piece::Kind::kFilter;
    if (!step || piece->ordered || piece->inputs[0]->uses != 1) continue;
    piece->chain = piece->inputs[0]->chain;
    if (!piece->chain.empty()) piece->chain.push_back(piece.get());
  }
}

bool StreamPlan::gives_at_once() const { return !root_->chain.empty(); }

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
    for (const auto& child : plan::children_of(*node)) {
      if (child->streaming) {
        WEIR_ASSIGN(Piece * input, compile(child));
        piece.inputs.push_back(input);
        continue;
      }
      auto table = std::make_unique<Piece>();  // an initial state
      table->node = child;
      WEIR_TRY(compile_statement(child, *table));
      table->place = pieces_.size();
      piece.inputs.push_back(table.get());
      pieces_.push_back(std::move(table));
    }
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
  } else if (std::holds_alternative<op::Project>(node->node)) {
    auto projection = eval::Projection::compile(named_list(*node));
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
  piece.place = pieces_.size();
  const auto expressions = plan::operator_expressions(*node);
  piece.ordered = !std::all_of(expressions.begin(), expressions.end(),
                               [](const auto& one) { return plan::is_deterministic(*one); });
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

// That the checkpoint has the state of as many operators as there are.
Result<void> StreamPlan::check_operators(base::BatchId version,
                                         const base::JsonObject* states) const {
  const size_t kept = states == nullptr ? 0 : states->size();
  if (kept == stateful_.size()) return {};
  std::string words;
  for (size_t id = 0; id < stateful_.size(); ++id)
    words += fmt::format("{}(OperatorId: {} -> OperatorName: {})", id == 0 ? "" : ", ", id,
                         stateful_[id]->state->metrics().name);
  if (kept == 0)
    return error(ErrorKind::kConflict,
                 "Cannot restart streaming query with stateful operators because the state "
                 "directory is empty or missing. Stateful operators in current batch: [{}]. Batch "
                 "{} ran without. Please remove the stateful operators or use a new checkpoint "
                 "location.",
                 words, version.value())
        .with_class("STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY")
        .with_sql_state("42K03")
        .with_parameter("OpsInCurBatchSeq", words);
  return another_query(
      error(ErrorKind::kConflict,
            "Streaming stateful operator name does not match with the operator in state metadata. "
            "This likely to happen when user adds/removes/changes stateful operator of existing "
            "streaming query. The checkpoint has the state of {} operators since batch {}; "
            "stateful operators in current batch: [{}]. Undo the change of the query, or start it "
            "with a new checkpoint",
            kept, version.value(), words));
}

Result<void> StreamPlan::open(std::optional<base::BatchId> version,
                              const base::JsonObject* states) {
  if (version) WEIR_TRY(check_operators(*version, states));
  for (size_t id = 0; id < stateful_.size(); ++id) {
    const base::JsonObject* manifest =
        states == nullptr ? nullptr : base::json_object(*states, std::to_string(id));
    if (version && manifest == nullptr)
      return another_query(error(ErrorKind::kConflict,
                                 "the checkpoint has no state for operator {} ({}): the query has "
                                 "changed since batch {}. Start with a new checkpoint",
                                 id, stateful_[id]->state->identity(), version->value()));
    auto opened = stateful_[id]->state->open(version, manifest);
    if (!opened.ok() && opened.error().kind() == ErrorKind::kConflict &&
        opened.error().error_class().empty())
      return another_query(std::move(opened).error());
    WEIR_TRY(std::move(opened));
  }
  return {};
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

bool StreamPlan::wants_batch_at(int64_t now_us) const {
  return std::any_of(stateful_.begin(), stateful_.end(),
                     [&](const Piece* piece) { return piece->state->wants_batch_at(now_us); });
}

bool StreamPlan::wants_batch_without_rows(int64_t eviction_us) const {
  const auto watermarks = input_watermarks(eviction_us);
  for (size_t id = 0; id < stateful_.size(); ++id)
    if (stateful_[id]->state->wants_batch_without_rows(watermarks[id])) return true;
  return false;
}

// As Spark does: from the sources up, the least of the inputs that have one; a stateful operator
// says what it makes of it.
std::vector<int64_t> StreamPlan::input_watermarks(int64_t watermark_us) const {
  std::vector<int64_t> of_operators(stateful_.size(), watermark_us);
  if (watermark_us == operators::kNoWatermark) return of_operators;
  std::vector<std::optional<int64_t>> given(pieces_.size());
  size_t operator_id = 0;
  for (const auto& piece : pieces_) {  // inputs come first
    std::optional<int64_t> least;
    for (const Piece* input : piece->inputs)
      if (const auto& one = given[input->place]; one && (!least || *one < *least)) least = one;
    if (piece->kind == Piece::Kind::kWatermark) least = watermark_us;
    if (piece->kind == Piece::Kind::kStateful) {
      of_operators[operator_id++] = least.value_or(0);
      if (least) least = piece->state->output_watermark(*least);
    }
    given[piece->place] = least;
  }
  return of_operators;
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
