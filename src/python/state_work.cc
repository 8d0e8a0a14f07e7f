// applyInPandasWithState: groups and their states go to workers, rows and states come back.
//
// To the worker one Arrow stream: the keys and columns, and a struct column of states. Row i of the
// states is that of the batch's i-th group, NULL behind the last: its properties as JSON, the key
// (opaque to the worker; here the group's number), the state as a pickle, where the group's rows
// begin and how many there are, and whether they are the group's last ones (a group may go on in
// the next batch). From the worker batches of three structs: counts, rows, states, the latter as
// many as the counts say, padded to one length; the pickles are tuples.
#include <charconv>

#include <arrow/api.h>

#include "base/json.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "columnar/client_arrow.h"
#include "python/pickled_rows.h"
#include "python/work.h"

namespace weir::python {

namespace {

using relational::GroupCalls;
using relational::GroupResults;
using relational::GroupTimeout;
using relational::StateChange;

constexpr const char* kOperation = "applyInPandasWithState()";

const char* timeout_name(GroupTimeout timeout) {
  switch (timeout) {
    case GroupTimeout::kProcessingTime:
      return "ProcessingTimeTimeout";
    case GroupTimeout::kEventTime:
      return "EventTimeTimeout";
    case GroupTimeout::kNone:
      break;
  }
  return "NoTimeout";
}

std::shared_ptr<arrow::DataType> state_type() {
  return arrow::struct_(
      {arrow::field("properties", arrow::utf8()), arrow::field("keyRowAsUnsafe", arrow::binary()),
       arrow::field("object", arrow::binary()), arrow::field("startOffset", arrow::int32()),
       arrow::field("numRows", arrow::int32()), arrow::field("isLastChunk", arrow::boolean())});
}

// Rows of a group, or a part of them.
struct Chunk {
  int64_t group = 0;
  int64_t begin = 0;
  int64_t rows = 0;
  bool last = true;
};

// The groups in batches: small ones share one, a large one has several.
std::vector<std::vector<Chunk>> batches_of(const std::vector<int64_t>& ends, int64_t rows_max) {
  std::vector<std::vector<Chunk>> batches(1);
  int64_t held = 0, begin = 0;
  for (size_t group = 0; group < ends.size(); ++group) {
    while (begin < ends[group]) {
      if (held >= rows_max) {
        batches.emplace_back();
        held = 0;
      }
      const auto rows = std::min(ends[group] - begin, rows_max - held);
      batches.back().push_back(
          {static_cast<int64_t>(group), begin, rows, begin + rows == ends[group]});
      begin += rows;
      held += rows;
    }
  }
  return batches;
}

// One run of the function over some groups.
class StateRun {
 public:
  StateRun(const Work& work, const RunHeader& header, const relational::GroupStateShape& shape,
           const ArrowOut& out, const columnar::Schema& result, const GroupCalls& calls)
      : shape_(shape),
        out_(out),
        result_(result),
        calls_(calls),
        batches_(batches_of(calls.ends, rows_of_a_batch(work))),
        crew_(work.pool, header, CrewOptions{work.options.parallel, work.options.silence_us},
              work.clock, [this] { return out_.begin(); }) {
    answered_.resize(calls.ends.size());
    objects_.resize(calls.ends.size());
    results_.changes.resize(calls.ends.size(), StateChange::kNone);
    results_.timeouts_ms.resize(calls.ends.size(), -1);
  }

  Result<GroupResults> run(const std::stop_token& stop,
                           const relational::GroupStateFunction::Output& output) {
    while (true) {
      WEIR_TRY(crew_.advance());
      bool moved = false;
      for (const auto& worker : crew_.members()) {
        if (!worker->has_answer()) continue;
        moved = true;
        const auto answer = worker->take_answer();
        if (!answer.batch) return nonsense("pickled rows instead of Arrow");
        WEIR_TRY(take(*answer.batch, output));
        break;
      }
      if (moved) continue;
      if (ended_ && crew_.all_ended()) break;
      bool fed = false;
      if (!ended_) {
        WEIR_ASSIGN(fed, feed(stop));
      }
      if (!fed) WEIR_TRY(crew_.wait(stop));
    }
    crew_.dismiss();
    return finish();
  }

 private:
  Result<bool> feed(const std::stop_token& stop) {
    if (next_ == batches_.size()) {
      ended_ = true;
      crew_.end_input(ArrowOut::end());
      return true;
    }
    if (current_) {  // goes on with a group that this worker has begun
      if (!Crew::has_room(*current_)) return false;
    } else {
      WEIR_ASSIGN(current_, crew_.hungry(stop));
      if (!current_) return false;
    }
    const auto& chunks = batches_[next_++];
    WEIR_ASSIGN(const auto batch, batch_of(chunks));
    WEIR_ASSIGN(auto bytes, out_.rows(batch));
    current_->send(std::move(bytes));
    if (chunks.back().last) current_ = nullptr;
    return true;
  }

  Result<BatchPtr> batch_of(const std::vector<Chunk>& chunks) {
    const int64_t begin = chunks.front().begin;
    const int64_t rows = chunks.back().begin + chunks.back().rows - begin;
    std::unique_ptr<arrow::ArrayBuilder> made;
    WEIR_ARROW_TRY(arrow::MakeBuilder(arrow::default_memory_pool(), state_type(), &made));
    auto& states = static_cast<arrow::StructBuilder&>(*made);
    const auto field = [&states](int i) { return states.field_builder(i); };
    for (const auto& chunk : chunks) {
      WEIR_ARROW_TRY(states.Append());
      WEIR_ARROW_TRY(static_cast<arrow::StringBuilder*>(field(0))->Append(properties(chunk.group)));
      WEIR_ARROW_TRY(
          static_cast<arrow::BinaryBuilder*>(field(1))->Append(std::to_string(chunk.group)));
      if (calls_.states->IsNull(chunk.group)) {
        WEIR_ARROW_TRY(field(2)->AppendNull());
      } else {
        WEIR_ASSIGN(const auto pickle, pickle_struct(*calls_.states, chunk.group, shape_.state));
        WEIR_ARROW_TRY(static_cast<arrow::BinaryBuilder*>(field(2))->Append(pickle));
      }
      WEIR_ARROW_TRY(static_cast<arrow::Int32Builder*>(field(3))->Append(
          static_cast<int32_t>(chunk.begin - begin)));
      WEIR_ARROW_TRY(
          static_cast<arrow::Int32Builder*>(field(4))->Append(static_cast<int32_t>(chunk.rows)));
      WEIR_ARROW_TRY(static_cast<arrow::BooleanBuilder*>(field(5))->Append(chunk.last));
    }
    WEIR_ARROW_TRY(states.AppendNulls(rows - std::ssize(chunks)));
    std::shared_ptr<arrow::Array> column;
    WEIR_ARROW_TRY(states.Finish(&column));
    auto columns = calls_.rows->Slice(begin, rows)->columns();
    columns.push_back(std::move(column));
    return arrow::RecordBatch::Make(out_.schema(), rows, std::move(columns));
  }

  std::string properties(int64_t group) const {
    constexpr int64_t kNone = -1;
    return base::json_text(base::JsonObject{
        {"batchProcessingTimeMs", calls_.now_ms},
        {"eventTimeWatermarkMs", calls_.has_watermark ? calls_.watermark_ms : kNone},
        {"timeoutConf", timeout_name(shape_.timeout)},
        {"hasTimedOut", calls_.timed_out},
        {"watermarkPresent", calls_.has_watermark},
        {"defined", calls_.states->IsValid(group)},
        {"updated", false},
        {"removed", false},
        {"timeoutTimestamp", kNone}});
  }

  Result<void> take(const arrow::RecordBatch& answer,
                    const relational::GroupStateFunction::Output& output) {
    if (answer.num_columns() != 3 || answer.num_rows() == 0)
      return nonsense("rows and states in another form");
    for (const auto& column : answer.columns()) {
      if (column->type_id() != arrow::Type::STRUCT)
        return nonsense("rows and states in another form");
    }
    const auto structs = [&answer](int i) -> const arrow::StructArray& {
      return static_cast<const arrow::StructArray&>(*answer.column(i));
    };
    const auto& counts = structs(0);
    if (counts.num_fields() != 2 || counts.field(0)->type_id() != arrow::Type::INT32 ||
        counts.field(1)->type_id() != arrow::Type::INT32)
      return nonsense("counts in another form");
    const auto count = [&counts](int i) {
      return int64_t{static_cast<const arrow::Int32Array&>(*counts.field(i)).Value(0)};
    };
    const int64_t rows = count(0), states = count(1);
    if (rows < 0 || rows > answer.num_rows() || states < 0 || states > answer.num_rows())
      return nonsense("counts of more than there is");
    if (rows > 0) {
      const auto& type = structs(1).type();
      arrow::ArrayVector columns;
      for (const auto& column : structs(1).fields())
        columns.push_back(column->Slice(0, rows));
      WEIR_ASSIGN(const auto checked,
                  checked_rows(arrow::RecordBatch::Make(arrow::schema(type->fields()), rows,
                                                        std::move(columns)),
                               result_, kOperation));
      WEIR_TRY(output(checked));
    }
    return take_states(structs(2), states);
  }

  Result<void> take_states(const arrow::StructArray& given, int64_t count) {
    if (count == 0) return {};
    const auto plain = arrow::schema(
        {arrow::field("properties", arrow::utf8()), arrow::field("key", arrow::binary()),
         arrow::field("object", arrow::binary()), arrow::field("timeout", arrow::int64())});
    if (given.num_fields() != plain->num_fields()) return nonsense("states in another form");
    arrow::ArrayVector columns;
    for (const auto& column : given.fields())
      columns.push_back(column->Slice(0, count));
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema(given.type()->fields()), count, std::move(columns));
    WEIR_ASSIGN(const auto states, columnar::conform(batch, plain));
    const auto& properties = static_cast<const arrow::StringArray&>(*states->column(0));
    const auto& keys = static_cast<const arrow::BinaryArray&>(*states->column(1));
    const auto& objects = static_cast<const arrow::BinaryArray&>(*states->column(2));
    for (int64_t i = 0; i < count; ++i) {
      size_t group = 0;
      const auto key = keys.GetView(i);
      const auto read = std::from_chars(key.data(), key.data() + key.size(), group);
      if (read.ec != std::errc() || group >= answered_.size() || answered_[group])
        return nonsense("a state of no group");
      answered_[group] = true;
      WEIR_ASSIGN(const auto said,
                  base::parse_json_object(properties.GetView(i), "a group's state from Python"));
      WEIR_TRY(take_state(group, said,
                          objects.IsNull(i) ? std::nullopt : std::optional(objects.GetView(i))));
    }
    return {};
  }

  Result<void> take_state(size_t group, const base::JsonObject& said,
                          std::optional<std::string_view> object) {
    const bool removed = base::json_bool(said, "removed").value_or(false);
    const bool updated = base::json_bool(said, "updated").value_or(false);
    results_.changes[group] = removed   ? StateChange::kRemoved
                              : updated ? StateChange::kUpdated
                                        : StateChange::kNone;
    if (const auto* said_timeout = said.if_contains("timeoutTimestamp")) {
      auto& timeout = results_.timeouts_ms[group];
      constexpr double kLatestReal = 9e15;
      if (const auto* real = said_timeout->if_double()) {  // of a datetime
        if (!(*real >= 0 && *real < kLatestReal)) return nonsense("a timeout out of all range");
        timeout = static_cast<int64_t>(*real);
      } else {
        timeout = base::json_int(said, "timeoutTimestamp").value_or(-1);
      }
      constexpr int64_t kLatest = INT64_MAX / 1000 - 1;
      if (timeout > kLatest || timeout < -1) return nonsense("a timeout out of all range");
    }
    if (removed || !base::json_bool(said, "defined").value_or(false)) return {};
    if (!object) return nonsense("a state without a value");
    objects_[group] = std::string(*object);
    return {};
  }

  Result<GroupResults> finish() {
    if (std::find(answered_.begin(), answered_.end(), false) != answered_.end())
      return nonsense("fewer states than there are groups");
    std::vector<std::string_view> pickles;
    for (const auto& object : objects_)
      pickles.push_back(object ? std::string_view(*object) : std::string_view());
    WEIR_ASSIGN(results_.states, unpickle_structs(pickles, shape_.state));
    return std::move(results_);
  }

  const relational::GroupStateShape& shape_;
  const ArrowOut& out_;
  const columnar::Schema& result_;
  const GroupCalls& calls_;
  const std::vector<std::vector<Chunk>> batches_;
  size_t next_ = 0;
  Conversation* current_ = nullptr;
  bool ended_ = false;
  std::vector<bool> answered_;
  std::vector<std::optional<std::string>> objects_;  // pickles
  GroupResults results_;
  Crew crew_;
};

class StateWork final : public relational::GroupStateFunction {
 public:
  StateWork(Work work, const plan::PythonFunction& function, relational::GroupStateShape shape)
      : work_(std::move(work)),
        header_(run_header(work_, function)),
        shape_(std::move(shape)),
        result_(function.result),
        out_(with_states(*worker_schema(work_, shape_.rows.fields()))) {
    header_.state_schema = base::json_text(shape_.state.to_json());
    FunctionWords words;
    words.commands.push_back(function.command);
    add_key_offsets(shape_.keys, static_cast<int>(shape_.rows.fields().size()), words.offsets);
    header_.functions.push_back(std::move(words));
  }

  Result<GroupResults> run(const GroupCalls& calls, std::stop_token stop,
                           const Output& output) override {
    StateRun run(work_, header_, shape_, out_, result_, calls);
    return run.run(stop, output);
  }

 private:
  static std::shared_ptr<arrow::Schema> with_states(const arrow::Schema& rows) {
    auto fields = rows.fields();
    fields.push_back(arrow::field("!__state__!", state_type()));
    return arrow::schema(std::move(fields));
  }

  const Work work_;
  RunHeader header_;
  const relational::GroupStateShape shape_;
  const columnar::Schema result_;
  const ArrowOut out_;
};

}  // namespace

Result<std::unique_ptr<relational::GroupStateFunction>> state_work(
    Work work, const plan::PythonFunction& function, relational::GroupStateShape shape) {
  if (function.eval_type != kGroupedMapPandasWithState)
    return unsupported("The Python function " + function.name + " with state");
  return std::unique_ptr<relational::GroupStateFunction>(
      std::make_unique<StateWork>(std::move(work), function, std::move(shape)));
}

}  // namespace weir::python
