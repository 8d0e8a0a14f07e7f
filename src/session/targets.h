// Where INSERT and writers put rows, and putting them there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "session/queries.h"
#include "session/writers.h"

namespace weir::session {

struct Target {
  std::string provider;
  std::string path;   // absolute
  std::string shown;  // "`spark_catalog`.`default`.`t`"
  Schema schema = Schema::structure({});
  std::vector<std::string> partitions;
  TextMap options;
};
// The target for an entry of the catalog, or for the folder of a Delta table.
Result<Target> target_of(SessionState& state, const TableEntry& entry);
Result<Target> delta_target(SessionState& state, const std::string& path, std::string shown);
// By name, or delta.`path`. Views are EXPECT_TABLE_NOT_VIEW.
Result<Target> find_target(SessionState& state, const Name& name, std::string_view operation,
                           const Origin& origin = {});

struct Insertion {
  plan::OperatorPtr plan;
  bool overwrite = false;
  bool by_name = false;
  std::vector<std::string> columns;  // of the target, that the plan's columns are for; empty: all
  std::vector<std::pair<std::string, plan::ExpressionPtr>> partition;  // value null: dynamic
  std::optional<bool> dynamic;  // overwrite only partitions that get rows; none: the session's conf
  plan::ExpressionPtr condition;  // overwrite only files for which this is true
  bool merge_schema = false;
  bool overwrite_schema = false;
  bool assign = true;  // store assignment; false: DataFrameWriter.save, types have to fit
  std::vector<std::string> partition_by;  // with overwrite_schema
  std::string compression;
  TextMap options;
};
Result<void> insert_rows(SessionState& state, const Target& target, const Insertion& insertion,
                         std::stop_token stop);

// "`a`, `b`"
std::string quoted_columns(const Schema& schema);
Result<void> refuse_duplicates(const Schema& schema);

}  // namespace weir::session
