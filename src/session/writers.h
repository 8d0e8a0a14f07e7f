// Writing the rows of queries: into Delta tables, files of a format, and tables of the catalog.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "delta/actions.h"
#include "session/session_state.h"

namespace weir::session {

// Rows into a Delta table, one commit.
struct DeltaWrite {
  std::string path;                       // absolute
  std::vector<std::string> partition_by;  // of a new table; must fit an existing one's
  bool overwrite = false;
  bool merge_schema = false;
  bool overwrite_schema = false;
  bool dynamic_partitions = false;  // overwrite only the partitions that get rows
  // Overwrite only the files whose partition values this is true for; null: all.
  std::function<Result<bool>(const delta::AddFile&)> replaces;
  TextMap properties;  // of a new table
  std::optional<std::string> comment;
  bool create = false;    // there must be no table yet
  std::string mode_name;  // "Append" … for the log
  std::string operation;  // "WRITE", "CREATE TABLE AS SELECT"
  std::string compression;
  // The write's application and number (txnAppId, txnVersion): where the table has that number or
  // a later one of it, nothing is written.
  std::optional<std::pair<std::string, int64_t>> transaction;
};
// DELTA_INVALID_IDEMPOTENT_WRITES_OPTIONS.
Result<void> read_transaction(const TextMap& options, DeltaWrite& write);
Result<void> write_delta(const Services& services, const DeltaWrite& write, const Schema& schema,
                         const std::function<Result<relational::BatchPtr>()>& next);
// An empty table of that schema.
Result<void> create_delta(const Services& services, const DeltaWrite& write, const Schema& schema);

// Rows into files of a folder, as Spark names and lays them out; _SUCCESS last.
struct FileWrite {
  std::string path;
  std::string format;
  std::vector<std::string> partition_by;
  TextMap options;
  bool overwrite = false;
  bool dynamic_partitions = false;
  std::string static_folder;  // overwrite only below this (p=1/…), relative
  std::string zone = "UTC";
  bool ansi = true;
};
Result<void> write_files(const Services& services, const FileWrite& write, const Schema& schema,
                         const std::function<Result<relational::BatchPtr>()>& next);

// Rows brought to a table's columns by the rules of store assignment (ANSI).
class StoreAssignment {
 public:
  // `shown`: the table's name in messages. positions[i]: the column of the rows that table column i
  // takes, -1: NULL or its constant.
  static Result<StoreAssignment> make(const std::string& shown, const Schema& table,
                                      const Schema& rows, std::vector<int> positions,
                                      std::vector<std::optional<plan::Literal>> constants,
                                      eval::EvalContext context);
  Result<relational::BatchPtr> apply(const arrow::RecordBatch& rows) const;
  const Schema& schema() const { return table_; }

 private:
  Schema table_ = Schema::structure({});
  std::vector<eval::Program> programs_;
  std::vector<Schema> sources_;  // types of what a program reads
  eval::EvalContext context_;
};

Result<void> write_request(SessionState& state, const WriteRequest& request, std::stop_token stop);

}  // namespace weir::session
