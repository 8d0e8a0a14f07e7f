// DataStreamWriter and StreamingQuery.
#include "api/errors.h"
#include "api/session_parts.h"
#include "base/text.h"
#include "sql/parser.h"

namespace weir {

namespace {

std::optional<int64_t> in_us(std::optional<std::chrono::milliseconds> timeout) {
  if (!timeout) return std::nullopt;
  return std::chrono::microseconds(*timeout).count();
}

stream::Trigger trigger_of(const Trigger& trigger) {
  switch (trigger.kind()) {
    case Trigger::Kind::kOnce:
      return stream::Trigger::once();
    case Trigger::Kind::kAvailableNow:
      return stream::Trigger::available_now();
    case Trigger::Kind::kProcessingTime:
      break;
  }
  return stream::Trigger::processing_time(trigger.interval().count());
}

using BatchCallback = std::function<Result<void>(const DataFrame& rows, int64_t batch_id)>;

// The session outlives its queries: it is referred to, not kept.
class NativeBatch final : public streaming::BatchFunction {
 public:
  NativeBatch(Session::Inner& session, BatchCallback function)
      : session_(session), function_(std::move(function)) {}

  base::Result<void> run(const plan::OperatorPtr& rows, int64_t batch_id,
                         std::stop_token) override {
    const std::string id = base::uuid(session_.random);
    session_.session->keep(id, rows);
    const std::shared_ptr<Session::Inner> session(std::shared_ptr<void>(), &session_);
    auto done = call(api::make_frame(session, plan::make_plan(plan::CachedRelation{id})), batch_id);
    session_.session->forget(id);
    return done;
  }

 private:
  base::Result<void> call(const DataFrame& rows, int64_t batch_id) {
    try {
      const auto done = function_(rows, batch_id);
      if (done.ok()) return {};
      return api::from_public(done.error());
    } catch (const std::exception& exception) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "the function of foreach_batch threw: {}", exception.what());
    } catch (...) {
      return base::error(base::ErrorKind::kInvalidArgument, "the function of foreach_batch threw");
    }
  }

  Session::Inner& session_;
  BatchCallback function_;
};

}  // namespace

struct DataStreamWriter::Words {
  streaming::StreamWrite write;
  BatchCallback for_each_batch;
};

DataStreamWriter::DataStreamWriter(std::shared_ptr<const FrameParts> frame)
    : frame_(std::move(frame)), words_(std::make_unique<Words>()) {}
DataStreamWriter::~DataStreamWriter() = default;
DataStreamWriter::DataStreamWriter(DataStreamWriter&&) noexcept = default;

DataStreamWriter& DataStreamWriter::format(std::string name) {
  words_->write.format = std::move(name);
  return *this;
}
DataStreamWriter& DataStreamWriter::output_mode(std::string mode) {
  words_->write.mode = std::move(mode);
  return *this;
}
DataStreamWriter& DataStreamWriter::option(std::string key, std::string value) {
  words_->write.options.insert_or_assign(base::lower_case(key), std::move(value));
  return *this;
}
DataStreamWriter& DataStreamWriter::partition_by(std::vector<std::string> columns) {
  words_->write.partition_by = std::move(columns);
  return *this;
}
DataStreamWriter& DataStreamWriter::query_name(std::string name) {
  words_->write.name = std::move(name);
  return *this;
}
DataStreamWriter& DataStreamWriter::trigger(Trigger trigger) {
  words_->write.trigger = trigger_of(trigger);
  return *this;
}
DataStreamWriter& DataStreamWriter::foreach_batch(BatchCallback function) {
  words_->for_each_batch = std::move(function);
  return *this;
}

Result<StreamingQuery> DataStreamWriter::start(std::optional<std::string> path) {
  if (frame_->error) return *frame_->error;
  Session::Inner& session = *frame_->session;
  streaming::StreamWrite write = words_->write;
  write.plan = frame_->plan;
  write.path = std::move(path);
  if (words_->for_each_batch)
    write.for_each_batch = std::make_shared<NativeBatch>(session, words_->for_each_batch);
  write.group_function = [functions = session.functions](const plan::op::GroupMap& map)
      -> base::Result<std::unique_ptr<operators::GroupFunction>> {
    const std::lock_guard lock(functions->mutex);
    const auto found = functions->by_name.find(map.function->name);
    if (found == functions->by_name.end()) return std::unique_ptr<operators::GroupFunction>();
    api::NativeGroupFunction function = found->second;
    std::vector<columnar::Field> keys;
    for (const auto& key : map.keys)
      keys.push_back(columnar::make_field("key" + std::to_string(keys.size()), key->type));
    std::vector<columnar::Field> input;
    for (const auto& column : map.child->columns)
      input.push_back(columnar::make_field(column.name, column.type));
    function.key = columnar::Schema::structure(std::move(keys));
    function.input = columnar::Schema::structure(std::move(input));
    return api::make_group_function(std::move(function));
  };
  auto started = session.queries->start(std::move(write));
  if (!started.ok()) return api::to_public(started.error());
  return api::make_query(frame_->session, std::move(started).value());
}

Result<StreamingQuery> DataStreamWriter::to_table(std::string_view table) {
  auto name = sql::parse_table_name(table);
  if (!name.ok()) return api::to_public(name.error());
  words_->write.table = std::move(name).value();
  auto started = start();
  words_->write.table.reset();
  return started;
}

StreamingQuery api::make_query(std::shared_ptr<Session::Inner> session,
                               streaming::StreamQueryPtr query) {
  return StreamingQuery(std::make_shared<StreamingQuery::Inner>(
      StreamingQuery::Inner{std::move(session), std::move(query)}));
}

const std::string& StreamingQuery::id() const { return inner_->query->id(); }
const std::string& StreamingQuery::run_id() const { return inner_->query->run_id(); }
const std::string& StreamingQuery::name() const { return inner_->query->name(); }
bool StreamingQuery::is_active() const { return inner_->query->active(); }

QueryStatus StreamingQuery::status() const {
  const auto status = inner_->query->status();
  return {status.message, status.data_available, status.trigger_active};
}
std::optional<std::string> StreamingQuery::last_progress() const {
  return inner_->query->last_progress();
}
std::vector<std::string> StreamingQuery::recent_progress() const {
  return inner_->query->recent_progress();
}
std::optional<Error> StreamingQuery::exception() const {
  const auto failure = inner_->query->failure();
  if (!failure) return std::nullopt;
  return api::to_public(*failure);
}
Result<std::string> StreamingQuery::explain(bool extended) const {
  return api::to_public(inner_->query->explain(extended));
}
Result<void> StreamingQuery::stop() { return api::to_public(inner_->query->stop()); }
Result<bool> StreamingQuery::await_termination(std::optional<std::chrono::milliseconds> timeout) {
  return api::to_public(inner_->query->wait(in_us(timeout), {}));
}
Result<void> StreamingQuery::process_all_available() {
  return api::to_public(inner_->query->process_all_available({}));
}

}  // namespace weir
