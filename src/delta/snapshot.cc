#include "delta/snapshot.h"

namespace weir::delta {

TableSnapshot::TableSnapshot(std::string path, TableVersion version,
                             std::shared_ptr<const Protocol> protocol,
                             std::shared_ptr<const Metadata> metadata, Schema schema,
                             FileList files,
                             std::unordered_map<std::string, SetTransaction> transactions)
    : path_(std::move(path)),
      version_(version),
      protocol_(std::move(protocol)),
      metadata_(std::move(metadata)),
      schema_(std::move(schema)),
      files_(std::move(files)),
      transactions_(std::move(transactions)) {}

std::optional<int64_t> TableSnapshot::transaction_version(const std::string& app_id) const {
  const auto found = transactions_.find(app_id);
  if (found == transactions_.end()) return std::nullopt;
  return found->second.version;
}

int64_t TableSnapshot::total_bytes() const {
  int64_t bytes = 0;
  for (const auto& file : files_)
    bytes += file->size;
  return bytes;
}

}  // namespace weir::delta
