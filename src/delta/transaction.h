// One commit to a Delta table: collects actions, checks what won in between, writes
// `_delta_log/%020d.json`.
//
// The entry is created if absent and durable on return. Where another writer took the version, the
// commits in between are read and judged: blind appends go on with the next version; what changes
// the ground under a writer (protocol, metadata, same application, overwritten files) is a typed
// outcome. Used by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "delta/actions.h"
#include "delta/table.h"

namespace weir::delta {

struct Committed {
  TableVersion version;
};
// The table already has a txn of our application at or past our version: nothing was written.
struct AlreadyCommitted {
  int64_t recorded_version = 0;
};
enum class ConflictKind {
  kProtocolChanged,
  kMetadataChanged,        // also: the table was created meanwhile
  kConcurrentTransaction,  // same application at an older version: the query runs twice
  kConcurrentAppend,       // rows came that an overwrite has not seen
  kConcurrentDelete,       // a file that we remove was removed
};
struct Conflict {
  ConflictKind kind;
  TableVersion winner;
  std::string text;  // names the table, the version and what it did
};
using CommitOutcome = std::variant<Committed, AlreadyCommitted, Conflict>;

// "ConcurrentAppendException" …: delta-spark's names.
std::string_view conflict_name(ConflictKind kind);

// How the commit describes itself (commitInfo).
struct Operation {
  std::string name;             // "STREAMING UPDATE", "WRITE", "CREATE TABLE"
  base::JsonObject parameters;  // values as delta-spark writes them: texts
  base::JsonObject metrics;     // texts
};

class Transaction {
 public:
  // On the state that `table` has now (call refresh() first to see the newest). A table that does
  // not exist yet is created by this commit: give it protocol and metadata then.
  static Result<Transaction> begin(Table& table);

  // The table's head that this transaction stands on; nullopt where it creates the table.
  const std::optional<TableHeader>& header() const { return header_; }

  void set_protocol(Protocol protocol) { protocol_ = std::move(protocol); }
  void set_metadata(Metadata metadata) { metadata_ = std::move(metadata); }
  void set_transaction(std::string app_id, int64_t version);
  void add(AddFile file) { adds_.push_back(std::move(file)); }
  int64_t removes() const { return static_cast<int64_t>(removes_.size()); }
  // Removes every file of the table (kInvalidArgument where delta.appendOnly forbids it).
  Result<void> remove_all();
  // Removes those files of the table for which `test` is true.
  Result<void> remove_where(const std::function<Result<bool>(const AddFile&)>& test);

  // Puts `to` in the place of `from`, files of the table as it is for this transaction: the same
  // rows, arranged anew (dataChange=false). Allowed in append-only tables. Whoever touches one of
  // `from` meanwhile wins; appends do not matter.
  void rearrange(const std::vector<std::shared_ptr<const AddFile>>& from, std::vector<AddFile> to);

  // Refuses, before anything is written, tables with writer features that we don't have.
  Result<CommitOutcome> commit(const Operation& operation);

 private:
  explicit Transaction(Table& table) : table_(&table) {}
  Result<void> check_may_write() const;
  Result<void> check_log_is_there() const;
  Result<std::optional<CommitOutcome>> judge_winner(TableVersion version) const;
  std::vector<Action> actions(const Operation& operation) const;

  Table* table_;
  std::optional<TableHeader> header_;
  std::optional<Protocol> protocol_;
  std::optional<Metadata> metadata_;
  std::optional<SetTransaction> transaction_;
  std::vector<AddFile> adds_;
  std::vector<RemoveFile> removes_;
  bool overwrite_ = false;
  bool rearranges_ = false;
};

// Protocol and metadata of a new table with this schema: reader 1, writer 2, unless a type needs a
// feature.
struct NewTable {
  Protocol protocol;
  Metadata metadata;
};
Result<NewTable> new_table(const Environment& environment, const columnar::Schema& schema,
                           std::vector<std::string> partition_columns,
                           StringMap configuration = {});

}  // namespace weir::delta
