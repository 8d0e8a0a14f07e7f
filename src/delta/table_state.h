// The reconciled actions of a log up to one version: kept in memory by Table and moved on commit by
// commit. Not thread-safe; Table guards it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "delta/actions.h"
#include "delta/snapshot.h"

namespace weir::delta {

// What a writer has to know before it writes.
struct TableHeader {
  TableVersion version;
  std::shared_ptr<const Protocol> protocol;
  std::shared_ptr<const Metadata> metadata;
  Schema schema;
};

// What a checkpoint of one version holds, but for the tombstones: nobody needs them in memory, and
// a table that is compacted has many; write_checkpoint() takes them from the log.
struct CheckpointContent {
  TableVersion version;
  std::shared_ptr<const Protocol> protocol;
  std::shared_ptr<const Metadata> metadata;
  std::vector<std::shared_ptr<const AddFile>> files;
  std::vector<SetTransaction> transactions;
  std::vector<DomainMetadata> domains;
};

class TableState {
 public:
  // Replays one commit (or a checkpoint's actions) on top. Versions are applied in ascending order.
  void apply(std::vector<Action> actions);
  void set_version(TableVersion version) { version_ = version; }

  TableVersion version() const { return version_; }
  const std::shared_ptr<const Protocol>& protocol() const { return protocol_; }  // may be null
  const std::shared_ptr<const Metadata>& metadata() const { return metadata_; }  // may be null
  const std::unordered_map<FileKey, std::shared_ptr<const AddFile>>& files() const {
    return files_;
  }
  const std::unordered_map<std::string, SetTransaction>& transactions() const {
    return transactions_;
  }
  const std::unordered_map<std::string, DomainMetadata>& domains() const { return domains_; }

  // kCorruption where the log has no protocol or no metadata. Parses the schema once a metadata.
  Result<TableHeader> header(const std::string& path) const;
  // Ordered by path.
  FileList file_list() const;

  // What the log has since its newest checkpoint; the checkpoint policy's figures.
  std::optional<TableVersion> checkpoint_version;
  int64_t checkpoint_bytes = 0;
  int64_t commits_since_checkpoint = 0;
  int64_t log_bytes_since_checkpoint = 0;

 private:
  void apply_file_actions(std::vector<Action>& actions);

  TableVersion version_{-1};
  std::shared_ptr<const Protocol> protocol_;
  std::shared_ptr<const Metadata> metadata_;
  mutable std::shared_ptr<const Metadata> schema_of_;  // the metadata that schema_ was parsed from
  mutable std::optional<Schema> schema_;
  std::unordered_map<FileKey, std::shared_ptr<const AddFile>> files_;
  std::unordered_map<std::string, SetTransaction> transactions_;
  std::unordered_map<std::string, DomainMetadata> domains_;  // tombstones (removed) left out
};

}  // namespace weir::delta
