#include "delta/compaction.h"

#include <algorithm>

#include <arrow/record_batch.h>

#include "delta/log_segment.h"
#include "delta/scan.h"
#include "delta/table_features.h"

namespace weir::delta {
namespace {

using base::ErrorKind;

constexpr int kHeadMoves = 100;

std::optional<int64_t> rows_of(const AddFile& file) {
  const auto statistics = base::parse_json_object(file.stats, "statistics");
  return statistics.ok() ? base::json_int(*statistics, "numRecords") : std::nullopt;
}

// The rows of `files` go through the writer.
Result<void> copy_rows(const Environment& environment, const std::string& path,
                       const TableHeader& header, const FileList& files, DataFileWriter& writer,
                       const std::stop_token& stop) {
  const auto snapshot = std::make_shared<const TableSnapshot>(
      path, header.version, header.protocol, header.metadata, header.schema, files,
      std::unordered_map<std::string, SetTransaction>());
  WEIR_ASSIGN(const Scan scan, Scan::plan(environment.fs, snapshot));
  int64_t expected = 0;
  for (size_t i = 0; i < scan.files().size(); ++i) {
    WEIR_ASSIGN(const auto reader, scan.open(i));
    int64_t rows = 0;
    while (true) {
      if (stop.stop_requested())
        return base::error(ErrorKind::kCancelled, "compaction of {} was stopped", path);
      WEIR_ASSIGN(const auto batch, reader->next());
      if (batch == nullptr) break;
      rows += batch->num_rows();
      WEIR_TRY(writer.write(*batch));
    }
    expected += rows;
    if (const auto said = rows_of(*scan.files()[i]); said && *said != rows)
      return base::error(ErrorKind::kCorruption,
                         "table {}: data file {} has {} rows, its statistics say {}", path,
                         scan.files()[i]->path, rows, *said);
  }
  WEIR_CHECK(writer.rows() == expected, "every row is written again");
  return {};
}

Operation describe(const CompactionRequest& request, const FileList& files,
                   const std::vector<AddFile>& added) {
  Operation operation;
  operation.name = "OPTIMIZE";
  operation.parameters["predicate"] = "[]";
  operation.parameters["zOrderBy"] = "[]";
  operation.parameters["auto"] = "true";
  operation.parameters["queryId"] = request.query_id;
  int64_t before = 0;
  int64_t after = 0;
  for (const auto& file : files)
    before += file->size;
  for (const AddFile& file : added)
    after += file.size;
  operation.metrics["numRemovedFiles"] = std::to_string(files.size());
  operation.metrics["numRemovedBytes"] = std::to_string(before);
  operation.metrics["numAddedFiles"] = std::to_string(added.size());
  operation.metrics["numAddedBytes"] = std::to_string(after);
  return operation;
}

// Commits on the newest version that we know, where all of `files` are still in the table.
Result<CommitOutcome> commit_rearranged(Table& table, const CompactionRequest& request,
                                        const FilesAt& before, const FileList& files,
                                        const std::vector<AddFile>& added) {
  std::vector<std::string> paths;
  for (const auto& file : files)
    paths.push_back(file->path);
  for (int attempt = 0; attempt < kHeadMoves; ++attempt) {
    WEIR_ASSIGN(Transaction transaction, Transaction::begin(table));
    WEIR_ASSIGN(const FilesAt now, table.find_files(paths));
    if (now.header.version != transaction.header()->version) continue;
    const auto lost = [&](ConflictKind kind, std::string_view what) {
      return CommitOutcome(
          Conflict{kind, now.header.version,
                   fmt::format("{}: table {}: {} since version {}", conflict_name(kind),
                               table.path(), what, before.header.version.value())});
    };
    if (*now.header.metadata != *before.header.metadata)
      return lost(ConflictKind::kMetadataChanged, "another writer changed the metadata");
    if (*now.header.protocol != *before.header.protocol)
      return lost(ConflictKind::kProtocolChanged, "another writer changed the protocol");
    if (std::find(now.files.begin(), now.files.end(), nullptr) != now.files.end())
      return lost(ConflictKind::kConcurrentDelete, "another writer changed or removed a file");
    transaction.rearrange(now.files, added);
    return transaction.commit(describe(request, files, added));
  }
  return base::error(ErrorKind::kConflict, "table {} moves on too fast for a compaction",
                     table.path());
}

}  // namespace

Result<CompactionOutcome> compact_files(Table& table, const CompactionRequest& request,
                                        std::stop_token stop) {
  WEIR_ASSIGN(const FilesAt before, table.find_files(request.paths));
  const TableHeader& header = before.header;
  WEIR_TRY(check_writable(table.path(), *header.protocol, *header.metadata, header.schema));
  FileList files;
  std::copy_if(before.files.begin(), before.files.end(), std::back_inserter(files),
               [](const auto& file) { return file != nullptr; });
  if (files.size() < 2) return CompactionOutcome(NothingToCompact{});
  const Environment& environment = table.environment();
  WEIR_ASSIGN(auto writer, DataFileWriter::create(environment, table.path(), header.schema,
                                                  *header.metadata, request.files));
  auto copied = copy_rows(environment, table.path(), header, files, *writer, stop);
  Result<std::vector<AddFile>> added =
      copied.ok() ? writer->finish() : Result<std::vector<AddFile>>(std::move(copied).error());
  if (!added.ok()) {
    (void)writer->abort();
    return std::move(added).error();
  }
  for (AddFile& file : *added) {
    // The same texts: a partition stays the one it is, however its values can be written.
    file.partition_values = files.front()->partition_values;
    file.tags = StringMap{{kCompactedForTag, request.query_id}};
  }
  // From here on a failure may leave the entry in the log: the files stay.
  WEIR_ASSIGN(auto outcome, commit_rearranged(table, request, before, files, *added));
  if (const auto* committed = std::get_if<Committed>(&outcome)) {
    Compacted done{committed->version, std::move(*added), static_cast<int64_t>(files.size()), 0};
    for (const auto& file : files)
      done.bytes_removed += file->size;
    return CompactionOutcome(std::move(done));
  }
  (void)writer->abort();
  WEIR_CHECK(std::holds_alternative<Conflict>(outcome), "a compaction has no txn");
  return CompactionOutcome(std::move(std::get<Conflict>(outcome)));
}

Result<FileList> files_of_query(Table& table, const std::string& query_id, TableVersion newest,
                                int64_t commits_max) {
  FileList compacted;
  WEIR_ASSIGN(const auto snapshot, table.snapshot());
  for (const auto& file : snapshot->files()) {
    if (file->deletion_vector || !file->tags) continue;
    const auto tag = file->tags->find(kCompactedForTag);
    if (tag != file->tags->end() && tag->second == query_id) compacted.push_back(file);
  }
  std::sort(compacted.begin(), compacted.end(), [](const auto& a, const auto& b) {
    return a->modification_time_ms < b->modification_time_ms;
  });
  std::vector<std::string> paths;  // newest first
  for (int64_t version = newest.value(); version >= 0 && version > newest.value() - commits_max;
       --version) {
    const std::string path = commit_path(table.path(), TableVersion(version));
    auto text = table.environment().fs.read_all(path);
    if (!text.ok()) {
      if (text.error().kind() == ErrorKind::kNotFound) break;  // cleaned up
      return std::move(text).error();
    }
    if (text->find(query_id) == std::string::npos) continue;
    WEIR_ASSIGN(const auto actions, parse_actions(*text, path));
    const bool own = std::any_of(actions.begin(), actions.end(), [&](const Action& action) {
      const auto* transaction = std::get_if<SetTransaction>(&action);
      return transaction != nullptr && transaction->app_id == query_id;
    });
    if (!own) continue;
    for (auto action = actions.rbegin(); action != actions.rend(); ++action)
      if (const auto* add = std::get_if<AddFile>(&*action)) paths.push_back(add->path);
  }
  std::reverse(paths.begin(), paths.end());
  WEIR_ASSIGN(FilesAt there, table.find_files(paths));
  FileList all = std::move(compacted);
  std::copy_if(there.files.begin(), there.files.end(), std::back_inserter(all),
               [](const auto& file) { return file != nullptr; });
  return all;
}

}  // namespace weir::delta
