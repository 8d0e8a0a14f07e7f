// A Delta table at one version: what a reader sees (PROTOCOL.md, "Action Reconciliation").
//
// Immutable; share it between threads. Made by Table (table.h), which checks the reader features
// first, so that whoever holds a snapshot may read it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "columnar/data_type.h"
#include "delta/actions.h"

namespace weir::delta {

using columnar::Schema;

using FileList = std::vector<std::shared_ptr<const AddFile>>;

class TableSnapshot {
 public:
  TableSnapshot(std::string path, TableVersion version, std::shared_ptr<const Protocol> protocol,
                std::shared_ptr<const Metadata> metadata, Schema schema, FileList files,
                std::unordered_map<std::string, SetTransaction> transactions);

  const std::string& path() const { return path_; }  // the table's folder
  TableVersion version() const { return version_; }
  const Protocol& protocol() const { return *protocol_; }
  const Metadata& metadata() const { return *metadata_; }
  // Columns in the table's order, partition columns among them; names as users see them.
  const Schema& schema() const { return schema_; }
  const std::vector<std::string>& partition_columns() const { return metadata_->partition_columns; }
  // Files of this version, ordered by path.
  const FileList& files() const { return files_; }
  // The version that an application recorded last, nullopt where it never did.
  std::optional<int64_t> transaction_version(const std::string& app_id) const;
  int64_t total_bytes() const;

 private:
  std::string path_;
  TableVersion version_;
  std::shared_ptr<const Protocol> protocol_;
  std::shared_ptr<const Metadata> metadata_;
  Schema schema_;
  FileList files_;
  std::unordered_map<std::string, SetTransaction> transactions_;
};

}  // namespace weir::delta
