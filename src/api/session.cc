// Session and DataReader.
#include <algorithm>
#include <thread>

#include "api/errors.h"
#include "api/session_parts.h"
#include "base/logging.h"
#include "base/text.h"
#include "relational/spill_folder.h"
#include "sql/parser.h"

namespace weir {

namespace {

base::Result<std::shared_ptr<Session::Inner>> open_session(const SessionOptions& options) {
  auto inner = std::make_shared<Session::Inner>();
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int threads = options.threads > 0 ? options.threads : cores;
  if (options.memory_mb < 16)
    return base::error(base::ErrorKind::kInvalidArgument, "memory_mb is {}; 16 is the least",
                       options.memory_mb);
  WEIR_ASSIGN(const auto spill,
              relational::SpillFolder::choose(*inner->files, inner->random, options.spill_folder,
                                              options.warehouse));
  WEIR_ASSIGN(inner->engine,
              relational::DuckEngine::open({options.memory_mb << 20, threads, spill, {"/"}}));
  WEIR_ASSIGN(inner->warehouse,
              session::Warehouse::open({*inner->files, inner->clock, inner->random, *inner->engine,
                                        threads, (options.memory_mb << 20) / 4},
                                       options.warehouse));
  const stream::QueryEnvironment environment{*inner->files, inner->clock, inner->random};
  if (options.listed) {
    inner->listed = std::make_unique<stream::QueryManager>(environment);
    WEIR_ASSIGN(inner->control, stream::ControlServer::start(*inner->listed));
  }
  WEIR_ASSIGN(inner->session,
              session::Session::create(inner->warehouse, base::uuid(inner->random)));
  inner->queries =
      streaming::StreamQueries::create(environment, *inner->session, inner->listed.get());
  return inner;
}

}  // namespace

Session::Inner::~Inner() {
  if (queries != nullptr) queries->close();
  if (session != nullptr) session->close();
}

std::string Session::Inner::add_function(const std::string& name,
                                         api::NativeGroupFunction function) {
  const std::lock_guard lock(functions->mutex);
  std::string unique = name;
  for (size_t number = 2; functions->by_name.contains(unique); ++number)
    unique = fmt::format("{}#{}", name, number);
  functions->by_name.emplace(unique, std::move(function));
  return unique;
}

Result<Session> Session::open(SessionOptions options) {
  auto opened = open_session(options);
  if (!opened.ok()) return api::to_public(opened.error());
  return Session(std::move(opened).value());
}

Result<void> Session::set(const std::string& key, const std::string& value) {
  return api::to_public(inner_->session->set(key, value));
}
std::optional<std::string> Session::get(const std::string& key) const {
  return inner_->session->get(key);
}

Result<DataFrame> Session::sql(std::string_view text) {
  auto statement = sql::parse_statement(text);
  if (!statement.ok()) return api::to_public(statement.error());
  if (const auto* query = std::get_if<plan::QueryStatement>(&statement->kind)) {
    const auto frame = api::make_frame(inner_, query->plan);
    const auto analyzed = inner_->session->analyze(query->plan);
    if (!analyzed.ok()) return api::to_public(analyzed.error());
    return frame;
  }
  auto done = inner_->session->execute(*statement);
  if (!done.ok()) return api::to_public(done.error());
  return api::make_frame(
      inner_, plan::make_plan(plan::LocalRows{std::move(done->schema), std::move(done->rows)}));
}

DataFrame Session::table(std::string_view name) const { return read().table(name); }

struct DataReader::Words {
  std::shared_ptr<Session::Inner> session;
  bool streaming = false;
  std::string format = {};
  std::string schema = {};
  plan::Options options = {};
};

DataReader Session::read() const {
  return DataReader(std::make_shared<DataReader::Words>(DataReader::Words{inner_, false}));
}
DataReader Session::read_stream() const {
  return DataReader(std::make_shared<DataReader::Words>(DataReader::Words{inner_, true}));
}

DataReader& DataReader::format(std::string name) {
  words_->format = base::lower_case(name);
  return *this;
}
DataReader& DataReader::schema(std::string ddl) {
  words_->schema = std::move(ddl);
  return *this;
}
DataReader& DataReader::option(std::string key, std::string value) {
  words_->options.insert_or_assign(base::lower_case(key), std::move(value));
  return *this;
}

DataFrame DataReader::load(std::vector<std::string> paths) const {
  const auto made = [&]() -> base::Result<plan::PlanPtr> {
    plan::DataSource source{words_->format, std::nullopt, words_->options, std::move(paths),
                            words_->streaming};
    if (!words_->schema.empty()) {
      WEIR_ASSIGN(source.schema, columnar::parse_ddl_schema(words_->schema));
    }
    return plan::make_plan(std::move(source));
  };
  return api::make_frame(words_->session, made());
}

DataFrame DataReader::table(std::string_view name) const {
  const auto made = [&]() -> base::Result<plan::PlanPtr> {
    plan::NamedTable table{{}, {}, words_->options, words_->streaming};
    WEIR_ASSIGN(table.name, sql::parse_table_name(name));
    return plan::make_plan(std::move(table));
  };
  return api::make_frame(words_->session, made());
}

std::vector<StreamingQuery> Session::active_queries() const {
  std::vector<StreamingQuery> found;
  for (auto& query : inner_->queries->active())
    found.push_back(api::make_query(inner_, std::move(query)));
  return found;
}

std::optional<StreamingQuery> Session::find_query(std::string_view id) const {
  auto query = inner_->queries->find(id);
  if (query == nullptr) return std::nullopt;
  return api::make_query(inner_, std::move(query));
}

Result<bool> Session::await_any_termination(std::optional<std::chrono::milliseconds> timeout) {
  std::optional<int64_t> timeout_us;
  if (timeout) timeout_us = std::chrono::microseconds(*timeout).count();
  return api::to_public(inner_->queries->wait_any(timeout_us, {}));
}

int64_t Session::add_listener(QueryListener listener) {
  const auto own = std::make_shared<const QueryListener>(std::move(listener));
  streaming::QueryEvents events;
  if (own->started)
    events.started = [own](const std::string& id, const std::string& run_id,
                           const std::string& name,
                           const std::string&) { own->started(id, run_id, name); };
  if (own->progress) events.progress = [own](const std::string& json) { own->progress(json); };
  if (own->terminated)
    events.terminated = [own](const std::string& id, const std::string& run_id,
                              const base::Error* error) {
      if (error == nullptr) return own->terminated(id, run_id, nullptr);
      const Error told = api::to_public(*error);
      own->terminated(id, run_id, &told);
    };
  return inner_->queries->add_listener(std::move(events));
}

void Session::remove_listener(int64_t listener) { inner_->queries->remove_listener(listener); }

void Session::close() {
  inner_->queries->close();
  inner_->session->close();
}

}  // namespace weir
