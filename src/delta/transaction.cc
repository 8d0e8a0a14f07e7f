#include "delta/transaction.h"

#include <set>

#include "delta/log_segment.h"
#include "delta/schema_evolution.h"
#include "delta/table_features.h"

namespace weir::delta {
namespace {

using base::ErrorKind;

constexpr std::string_view kEngineInfo = "weir/0.1.0";

Conflict make_conflict(ConflictKind kind, const std::string& path, TableVersion winner,
                       std::string_view what) {
  return {kind, winner,
          fmt::format("{}: table {}: version {}, committed meanwhile by another writer, {}",
                      conflict_name(kind), path, winner.value(), what)};
}

}  // namespace

std::string_view conflict_name(ConflictKind kind) {
  switch (kind) {
    case ConflictKind::kProtocolChanged:
      return "ProtocolChangedException";
    case ConflictKind::kMetadataChanged:
      return "MetadataChangedException";
    case ConflictKind::kConcurrentTransaction:
      return "ConcurrentTransactionException";
    case ConflictKind::kConcurrentAppend:
      return "ConcurrentAppendException";
    case ConflictKind::kConcurrentDelete:
      return "ConcurrentDeleteDeleteException";
  }
  return "ConcurrentModificationException";
}

Result<Transaction> Transaction::begin(Table& table) {
  Transaction transaction(table);
  if (table.version()) {
    WEIR_ASSIGN(transaction.header_, table.header());
  }
  return transaction;
}

void Transaction::set_transaction(std::string app_id, int64_t version) {
  transaction_ = SetTransaction{std::move(app_id), version, table_->environment().clock.now_ms()};
}

Result<void> Transaction::remove_all() {
  return remove_where([](const AddFile&) -> Result<bool> { return true; });
}

Result<void> Transaction::remove_where(const std::function<Result<bool>(const AddFile&)>& test) {
  overwrite_ = true;
  if (!header_) return {};
  if (is_append_only(*header_->metadata)) {
    return base::error(ErrorKind::kInvalidArgument,
                       "table {} is append-only (delta.appendOnly): its rows may not be replaced",
                       table_->path())
        .with_class("DELTA_CANNOT_MODIFY_APPEND_ONLY");
  }
  WEIR_ASSIGN(const auto snapshot, table_->snapshot());
  if (snapshot->version() != header_->version) {
    return base::error(ErrorKind::kConflict,
                       "table {}: moved from version {} to {} inside a transaction", table_->path(),
                       header_->version.value(), snapshot->version().value());
  }
  const int64_t now_ms = table_->environment().clock.now_ms();
  for (const auto& file : snapshot->files()) {
    WEIR_ASSIGN(const bool goes, test(*file));
    if (goes) removes_.push_back(remove_of(*file, now_ms, true));
  }
  return {};
}

void Transaction::rearrange(const std::vector<std::shared_ptr<const AddFile>>& from,
                            std::vector<AddFile> to) {
  rearranges_ = true;
  const int64_t now_ms = table_->environment().clock.now_ms();
  for (const auto& file : from)
    removes_.push_back(remove_of(*file, now_ms, false));
  for (AddFile& file : to) {
    file.data_change = false;
    adds_.push_back(std::move(file));
  }
}

std::vector<Action> Transaction::actions(const Operation& operation) const {
  const Environment& environment = table_->environment();
  base::JsonObject info;
  info["timestamp"] = environment.clock.now_ms();
  info["operation"] = operation.name;
  info["operationParameters"] = operation.parameters;
  if (header_) info["readVersion"] = header_->version.value();
  info["isolationLevel"] = rearranges_ ? "SnapshotIsolation" : "Serializable";
  info["isBlindAppend"] = !overwrite_ && !rearranges_;
  info["operationMetrics"] = operation.metrics;
  info["engineInfo"] = boost::json::string_view(kEngineInfo.data(), kEngineInfo.size());
  info["txnId"] = base::uuid(environment.random);

  std::vector<Action> actions;
  actions.reserve(4 + adds_.size() + removes_.size());
  actions.emplace_back(CommitInfo{std::move(info)});
  if (protocol_) actions.emplace_back(*protocol_);
  if (metadata_) actions.emplace_back(*metadata_);
  if (transaction_) actions.emplace_back(*transaction_);
  for (const RemoveFile& remove : removes_)
    actions.emplace_back(remove);
  for (const AddFile& add : adds_)
    actions.emplace_back(add);
  return actions;
}

// Looks at one commit that took the version we wanted: nullopt where we may go on behind it.
Result<std::optional<CommitOutcome>> Transaction::judge_winner(TableVersion version) const {
  using Outcome = std::optional<CommitOutcome>;
  const std::string path = commit_path(table_->path(), version);
  WEIR_ASSIGN(const std::string text, table_->environment().fs.read_all(path));
  WEIR_ASSIGN(const std::vector<Action> actions, parse_actions(text, path));
  const auto conflict = [&](ConflictKind kind, std::string_view what) {
    return Outcome(make_conflict(kind, table_->path(), version, what));
  };
  for (const Action& action : actions) {
    const auto* other = std::get_if<SetTransaction>(&action);
    if (other == nullptr || !transaction_ || other->app_id != transaction_->app_id) continue;
    if (other->version >= transaction_->version) return Outcome(AlreadyCommitted{other->version});
    return conflict(ConflictKind::kConcurrentTransaction,
                    "is of the same application at an older version: the query runs twice");
  }
  std::set<std::string> removed_paths;
  for (const RemoveFile& remove : removes_)
    removed_paths.insert(remove.path);
  for (const Action& action : actions) {
    if (std::holds_alternative<Protocol>(action))
      return conflict(ConflictKind::kProtocolChanged, "changed the protocol");
    if (std::holds_alternative<Metadata>(action))
      return conflict(ConflictKind::kMetadataChanged, "changed the metadata");
    if (!overwrite_ && !rearranges_) continue;
    if (const auto* add = std::get_if<AddFile>(&action)) {
      if (overwrite_)
        return conflict(ConflictKind::kConcurrentAppend, "added files that are not replaced");
      if (removed_paths.contains(add->path))
        return conflict(ConflictKind::kConcurrentDelete, "changed a file that is to be removed");
    }
    const auto* remove = std::get_if<RemoveFile>(&action);
    if (remove != nullptr && removed_paths.contains(remove->path)) {
      return conflict(ConflictKind::kConcurrentDelete, "removed a file that is to be removed");
    }
  }
  if (!header_) return conflict(ConflictKind::kMetadataChanged, "created the table");
  return Outcome();
}

Result<void> Transaction::check_may_write() const {
  if (!header_ && (!protocol_ || !metadata_)) {
    return base::error(ErrorKind::kNotFound,
                       "{} is not a Delta table, and the transaction doesn't create it",
                       table_->path());
  }
  const Protocol& protocol = protocol_ ? *protocol_ : *header_->protocol;
  const Metadata& metadata = metadata_ ? *metadata_ : *header_->metadata;
  if (header_ && !metadata_)
    return check_writable(table_->path(), protocol, metadata, header_->schema);
  WEIR_ASSIGN(const Schema schema, columnar::parse_type_json_text(metadata.schema_string));
  return check_writable(table_->path(), protocol, metadata, schema);
}

// The commit that we build on has to be there: a table that was deleted or replaced under an open
// handle would get an entry with a gap before it.
Result<void> Transaction::check_log_is_there() const {
  io::FileSystem& fs = table_->environment().fs;
  WEIR_ASSIGN(const bool there, fs.exists(commit_path(table_->path(), header_->version)));
  if (there) return {};
  WEIR_ASSIGN(const auto segment,
              list_log_segment(fs, table_->path(),
                               std::nullopt));  // cleaned up, a checkpoint stands for it
  if (segment && segment->version >= header_->version) return {};
  return base::error(ErrorKind::kDataLoss,
                     "table {}: version {}, which was read before, is gone: the table was deleted "
                     "or replaced; start the query again",
                     table_->path(), header_->version.value());
}

Result<CommitOutcome> Transaction::commit(const Operation& operation) {
  WEIR_TRY(check_may_write());
  io::FileSystem& fs = table_->environment().fs;
  if (transaction_) {
    if (const auto recorded = table_->transaction_version(transaction_->app_id);
        recorded && *recorded >= transaction_->version) {
      WEIR_TRY(fs.sync_dir(
          log_path(table_->path())));  // whoever wrote it may have died before its name was durable
      return CommitOutcome(AlreadyCommitted{*recorded});
    }
  }
  if (header_) {
    WEIR_TRY(check_log_is_there());
  } else {
    // As DurableFolders: whoever made a folder before may not have synced its parent.
    WEIR_TRY(fs.make_dirs(log_path(table_->path())));
    WEIR_TRY(fs.sync_dir(table_->path()));
    WEIR_TRY(fs.sync_dir(io::parent_path(table_->path())));
  }
  const std::vector<Action> entry = actions(operation);
  const std::string text = actions_text(entry);
  TableVersion version = header_ ? header_->version.next() : TableVersion(0);
  while (true) {
    WEIR_ASSIGN(const io::CreateOutcome created,
                fs.create_if_absent(commit_path(table_->path(), version), text));
    if (created == io::CreateOutcome::kCreated) break;
    WEIR_ASSIGN(auto outcome, judge_winner(version));
    if (outcome) {
      if (std::holds_alternative<AlreadyCommitted>(*outcome))
        WEIR_TRY(fs.sync_dir(log_path(table_->path())));
      WEIR_TRY(table_->refresh());
      return std::move(*outcome);
    }
    version = version.next();
  }
  WEIR_TRY(table_->apply_own_commit(version, entry, static_cast<int64_t>(text.size())));
  return CommitOutcome(Committed{version});
}

Result<NewTable> new_table(const Environment& environment, const Schema& schema,
                           std::vector<std::string> partition_columns, StringMap configuration) {
  WEIR_ASSIGN(const Schema table_schema, delta_schema(schema));
  for (std::string& column : partition_columns) {
    const int index = table_schema.field_index_ignoring_case(column);
    if (index < 0) {
      return base::error(ErrorKind::kInvalidArgument,
                         "partition column {} is not among the columns {}", column,
                         columnar::schema_to_ddl(table_schema));
    }
    const columnar::Field& field = table_schema.fields()[static_cast<size_t>(index)];
    if (field.type().is_nested()) {
      return base::error(ErrorKind::kInvalidArgument,
                         "column {} of type {} cannot be a partition column", column,
                         field.type().simple_string());
    }
    column = field.name;
  }
  if (partition_columns.size() >= table_schema.fields().size()) {
    return base::error(ErrorKind::kInvalidArgument,
                       "all columns are partition columns: one has to be left for the data files");
  }
  NewTable table;
  if (has_timestamp_ntz(table_schema)) {
    table.protocol.min_reader_version = 3;
    table.protocol.min_writer_version = 7;
    table.protocol.reader_features = {"timestampNtz"};
    table.protocol.writer_features = {"timestampNtz", "appendOnly", "invariants"};
  }
  table.metadata.id = base::uuid(environment.random);
  table.metadata.schema_string = base::json_text(table_schema.to_json());
  table.metadata.partition_columns = std::move(partition_columns);
  table.metadata.created_time_ms = environment.clock.now_ms();
  table.metadata.configuration = std::move(configuration);
  return table;
}

}  // namespace weir::delta
