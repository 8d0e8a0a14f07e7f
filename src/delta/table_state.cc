#include "delta/table_state.h"

#include <algorithm>

namespace weir::delta {

// Actions of one commit have no order, and one commit may remove a file with one deletion vector
// and add it with another; keys differ then. Removes first, so that the same key in both stays in
// the table.
void TableState::apply_file_actions(std::vector<Action>& actions) {
  for (const Action& action : actions) {
    const auto* remove = std::get_if<RemoveFile>(&action);
    if (remove == nullptr) continue;
    files_.erase(file_key(*remove));
  }
  for (Action& action : actions) {
    auto* add = std::get_if<AddFile>(&action);
    if (add == nullptr) continue;
    FileKey key = file_key(*add);
    files_.insert_or_assign(std::move(key), std::make_shared<const AddFile>(std::move(*add)));
  }
}

void TableState::apply(std::vector<Action> actions) {
  for (Action& action : actions) {
    if (auto* protocol = std::get_if<Protocol>(&action)) {
      protocol_ = std::make_shared<const Protocol>(std::move(*protocol));
    } else if (auto* metadata = std::get_if<Metadata>(&action)) {
      metadata_ = std::make_shared<const Metadata>(std::move(*metadata));
    } else if (auto* transaction = std::get_if<SetTransaction>(&action)) {
      transactions_[transaction->app_id] = *transaction;
    } else if (auto* domain = std::get_if<DomainMetadata>(&action)) {
      if (domain->removed) {
        domains_.erase(domain->domain);
      } else {
        domains_[domain->domain] = *domain;
      }
    }
  }
  apply_file_actions(actions);
}

Result<TableHeader> TableState::header(const std::string& path) const {
  using base::ErrorKind;
  if (!protocol_)
    return base::error(ErrorKind::kCorruption, "table {}: the log has no protocol action", path);
  if (!metadata_)
    return base::error(ErrorKind::kCorruption, "table {}: the log has no metaData action", path);
  if (!schema_ || schema_of_ != metadata_) {
    auto schema = columnar::parse_type_json_text(metadata_->schema_string);
    if (!schema.ok())
      return std::move(schema).error().with_context(fmt::format("schema of table {}", path));
    if (!schema->is(columnar::TypeKind::kStruct)) {
      return base::error(ErrorKind::kCorruption, "table {}: its schema is not a struct", path);
    }
    schema_ = std::move(schema).value();
    schema_of_ = metadata_;
  }
  return TableHeader{version_, protocol_, metadata_, *schema_};
}

FileList TableState::file_list() const {
  FileList list;
  list.reserve(files_.size());
  for (const auto& [key, file] : files_)
    list.push_back(file);
  std::sort(list.begin(), list.end(),
            [](const auto& a, const auto& b) { return a->path < b->path; });
  return list;
}

}  // namespace weir::delta
