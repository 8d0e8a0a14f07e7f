#include "delta/table.h"

#include "delta/checkpoint_reader.h"
#include "delta/log_segment.h"
#include "delta/table_features.h"

namespace weir::delta {
namespace {

using base::ErrorKind;

Result<void> apply_commit_file(io::FileSystem& fs, const std::string& path, TableState& state) {
  WEIR_ASSIGN(const std::string text, fs.read_all(path));
  WEIR_ASSIGN(auto actions, parse_actions(text, path));
  state.apply(std::move(actions));
  ++state.commits_since_checkpoint;
  state.log_bytes_since_checkpoint += static_cast<int64_t>(text.size());
  return {};
}

Result<std::unique_ptr<TableState>> load_segment(io::FileSystem& fs, const std::string& path,
                                                 const LogSegment& segment) {
  auto state = std::make_unique<TableState>();
  if (segment.checkpoint) {
    WEIR_TRY(read_checkpoint(fs, path, *segment.checkpoint, [&](std::vector<Action> actions) {
      state->apply(std::move(actions));
    }));
    state->checkpoint_version = segment.checkpoint->version;
    state->checkpoint_bytes = segment.checkpoint->bytes();
  }
  for (const io::FileInfo& commit : segment.commits)
    WEIR_TRY(apply_commit_file(fs, commit.path, *state));
  state->set_version(segment.version);
  return state;
}

Result<void> check_state(const TableState& state, const std::string& path) {
  if (state.protocol() &&
      state.metadata()) {  // before the schema is parsed: it may need a feature that we lack
    WEIR_TRY(check_readable(path, *state.protocol(), *state.metadata()));
  }
  WEIR_TRY(state.header(path));
  return {};
}

Result<std::shared_ptr<const TableSnapshot>> make_snapshot(const TableState& state,
                                                           const std::string& path) {
  WEIR_ASSIGN(TableHeader header, state.header(path));
  return std::shared_ptr<const TableSnapshot>(
      std::make_shared<TableSnapshot>(path, header.version, header.protocol, header.metadata,
                                      header.schema, state.file_list(), state.transactions()));
}

base::Error no_table(const std::string& path) {
  return base::error(ErrorKind::kNotFound,
                     "{} is not a Delta table: it has no _delta_log with commits", path)
      .with_class("DELTA_TABLE_NOT_FOUND");
}

}  // namespace

Result<std::string> table_path(const std::string& path_or_uri) {
  std::string path = path_or_uri;
  if (path.starts_with("file://")) {
    path.erase(0, 7);
  } else if (path.starts_with("file:")) {
    path.erase(0, 5);
  } else if (const size_t scheme = path.find("://"); scheme != std::string::npos) {
    return base::error(ErrorKind::kUnsupported,
                       "table {}: storage {} is not supported; give a path of the local disk", path,
                       path.substr(0, scheme));
  }
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  if (path.empty()) return base::error(ErrorKind::kInvalidArgument, "the table's path is empty");
  return path;
}

Table::Table(Environment environment, std::string path)
    : environment_(environment), path_(std::move(path)) {}

Result<std::unique_ptr<Table>> Table::open_or_new(Environment environment,
                                                  const std::string& path) {
  WEIR_ASSIGN(std::string folder, table_path(path));
  std::unique_ptr<Table> table(new Table(environment, std::move(folder)));
  WEIR_TRY(table->refresh());
  return table;
}

Result<std::unique_ptr<Table>> Table::open(Environment environment, const std::string& path) {
  WEIR_ASSIGN(auto table, open_or_new(environment, path));
  if (!table->version()) return no_table(table->path());
  return table;
}

Result<std::shared_ptr<const TableSnapshot>> Table::snapshot_at(
    io::FileSystem& fs, const std::string& path, std::optional<TableVersion> version) {
  WEIR_ASSIGN(const std::string folder, table_path(path));
  WEIR_ASSIGN(const auto segment, list_log_segment(fs, folder, version));
  if (!segment) return no_table(folder);
  WEIR_ASSIGN(const auto state, load_segment(fs, folder, *segment));
  WEIR_TRY(check_state(*state, folder));
  return make_snapshot(*state, folder);
}

Result<std::optional<TableVersion>> Table::refresh() {
  const std::lock_guard lock(mutex_);
  return refresh_locked();
}

Result<std::optional<TableVersion>> Table::refresh_locked() {
  if (state_ == nullptr) {
    WEIR_ASSIGN(const auto segment, list_log_segment(environment_.fs, path_, std::nullopt));
    if (!segment) return std::optional<TableVersion>();
    WEIR_ASSIGN(auto state, load_segment(environment_.fs, path_, *segment));
    WEIR_TRY(check_state(*state, path_));
    state_ = std::move(state);
    return std::optional<TableVersion>(state_->version());
  }
  while (true) {
    const TableVersion next = state_->version().next();
    auto applied = apply_commit_file(environment_.fs, commit_path(path_, next), *state_);
    if (!applied.ok()) {
      if (applied.error().kind() == ErrorKind::kNotFound) break;
      return std::move(applied).error();
    }
    state_->set_version(next);
  }
  WEIR_TRY(check_state(*state_, path_));
  return std::optional<TableVersion>(state_->version());
}

std::optional<TableVersion> Table::version() const {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return std::nullopt;
  return state_->version();
}

Result<std::shared_ptr<const TableSnapshot>> Table::snapshot() const {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return no_table(path_);
  return make_snapshot(*state_, path_);
}

Result<TableHeader> Table::header() const {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return no_table(path_);
  return state_->header(path_);
}

Result<FilesAt> Table::find_files(const std::vector<std::string>& paths) const {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return no_table(path_);
  WEIR_ASSIGN(TableHeader header, state_->header(path_));
  FilesAt found{std::move(header), {}};
  found.files.reserve(paths.size());
  for (const std::string& path : paths) {
    const auto file = state_->files().find({path, {}});
    found.files.push_back(file == state_->files().end() ? nullptr : file->second);
  }
  return found;
}

int64_t Table::file_count() const {
  const std::lock_guard lock(mutex_);
  return state_ == nullptr ? 0 : static_cast<int64_t>(state_->files().size());
}

std::optional<int64_t> Table::transaction_version(const std::string& app_id) const {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return std::nullopt;
  const auto found = state_->transactions().find(app_id);
  if (found == state_->transactions().end()) return std::nullopt;
  return found->second.version;
}

std::shared_ptr<const CheckpointContent> Table::checkpoint_content() const {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr || !state_->protocol() || !state_->metadata()) return nullptr;
  auto content = std::make_shared<CheckpointContent>();
  content->version = state_->version();
  content->protocol = state_->protocol();
  content->metadata = state_->metadata();
  content->files.reserve(state_->files().size());
  for (const auto& [key, file] : state_->files())
    content->files.push_back(file);
  for (const auto& [app_id, transaction] : state_->transactions())
    content->transactions.push_back(transaction);
  for (const auto& [name, domain] : state_->domains())
    content->domains.push_back(domain);
  return content;
}

std::optional<LogTail> Table::log_tail() const {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return std::nullopt;
  return LogTail{state_->version(), state_->checkpoint_bytes, state_->commits_since_checkpoint,
                 state_->log_bytes_since_checkpoint};
}

void Table::checkpoint_written(TableVersion version, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (state_ == nullptr) return;
  const int64_t newer = state_->version().value() - version.value();
  // The tail that is left is estimated by its share; exact bytes would need a figure a commit.
  if (state_->commits_since_checkpoint > 0) {
    state_->log_bytes_since_checkpoint = state_->log_bytes_since_checkpoint * newer /
                                         std::max<int64_t>(1, state_->commits_since_checkpoint);
  }
  state_->checkpoint_version = version;
  state_->checkpoint_bytes = bytes;
  state_->commits_since_checkpoint = newer;
}

Result<void> Table::apply_own_commit(TableVersion version, const std::vector<Action>& actions,
                                     int64_t bytes) {
  const std::lock_guard lock(mutex_);
  const TableVersion have = state_ == nullptr ? TableVersion(-1) : state_->version();
  if (version <= have) return {};
  if (version != have.next()) {
    WEIR_TRY(refresh_locked());
    return {};
  }
  if (state_ == nullptr) state_ = std::make_unique<TableState>();
  state_->apply(actions);
  state_->set_version(version);
  ++state_->commits_since_checkpoint;
  state_->log_bytes_since_checkpoint += bytes;
  return {};
}

}  // namespace weir::delta
