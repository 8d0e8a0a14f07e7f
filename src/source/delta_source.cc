#include "source/delta_source.h"

#include <algorithm>
#include <map>
#include <thread>

#include <arrow/record_batch.h>

#include "base/parse_integer.h"
#include "delta/log_segment.h"
#include "delta/scan.h"
#include "source/delta_changes.h"
#include "source/delta_offset.h"
#include "source/metadata_log.h"
#include "source/read_ahead_source.h"

namespace weir::source {

using base::error;
using base::ErrorKind;
using base::TableVersion;
using delta::FileList;
using SnapshotPtr = std::shared_ptr<const delta::TableSnapshot>;

namespace {

constexpr int64_t kFilesPerTrigger = 1000;
constexpr int64_t kPartBytesMax = 32LL << 20;
constexpr int64_t kNotDecided = -1;  // version of an offset before the query's first state

struct DeltaSourceOptions {
  std::optional<int64_t> starting_version;
  bool starting_latest = false;
  std::optional<int64_t> starting_timestamp_us;
  std::optional<int64_t> max_files;
  std::optional<int64_t> max_bytes;
  bool fail_on_data_loss = true;
  DeltaChangeRules rules;
};

Result<DeltaSourceOptions> take_options(Options& options, const DeltaSourceSpec& spec) {
  DeltaSourceOptions parsed;
  parsed.starting_timestamp_us = spec.starting_timestamp_us;
  if (const auto version = options.take("startingVersion")) {
    if (parsed.starting_timestamp_us)
      return error(ErrorKind::kInvalidArgument,
                   "Please either provide 'startingVersion' or 'startingTimestamp'")
          .with_class("DELTA_STARTING_VERSION_AND_TIMESTAMP_BOTH_SET")
          .with_sql_state("42613")
          .with_parameter("version", "startingVersion")
          .with_parameter("timestamp", "startingTimestamp");
    const auto number = base::parse_integer(*version);
    if (*version == "latest") {
      parsed.starting_latest = true;
    } else if (number && *number >= 0) {
      parsed.starting_version = *number;
    } else {
      return error(ErrorKind::kInvalidArgument,
                   "Invalid value '{}' for option 'startingVersion', must be greater than or equal "
                   "to zero",
                   *version)
          .with_class("DELTA_ILLEGAL_OPTION")
          .with_sql_state("42616")
          .with_parameter("input", *version)
          .with_parameter("name", "startingVersion")
          .with_parameter("explain", "must be greater than or equal to zero");
    }
  }
  WEIR_ASSIGN(parsed.max_files, options.take_integer("maxFilesPerTrigger", 1));
  WEIR_ASSIGN(parsed.max_bytes, options.take_byte_size("maxBytesPerTrigger"));
  if (!parsed.max_files && !parsed.max_bytes) parsed.max_files = kFilesPerTrigger;
  const auto flag = [&](const char* name, bool& value) -> Result<void> {
    WEIR_ASSIGN(const auto given, options.take_boolean(name));
    value = given.value_or(value);
    return {};
  };
  bool ignore_file_deletion = false;  // an old name of ignoreChanges
  WEIR_TRY(flag("ignoreDeletes", parsed.rules.ignore_deletes));
  WEIR_TRY(flag("ignoreChanges", parsed.rules.ignore_changes));
  WEIR_TRY(flag("ignoreFileDeletion", ignore_file_deletion));
  parsed.rules.ignore_changes |= ignore_file_deletion;
  WEIR_TRY(flag("skipChangeCommits", parsed.rules.skip_change_commits));
  WEIR_TRY(flag("failOnDataLoss", parsed.fail_on_data_loss));
  for (const char* name : {"readChangeFeed", "readChangeData", "withEventTimeOrder"}) {
    bool wanted = false;
    WEIR_TRY(flag(name, wanted));
    if (wanted)
      return error(ErrorKind::kUnsupported,
                   "The feature is not supported: the option {} of a stream of a Delta table.",
                   name)
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
  }
  for (const char* name : {"schemaTrackingLocation", "schemaLocation", "excludeRegex",
                           "versionAsOf", "timestampAsOf"}) {
    if (options.take(name))
      return error(ErrorKind::kUnsupported,
                   "The feature is not supported: the option {} of a stream of a Delta table.",
                   name)
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
  }
  WEIR_TRY(options.require_all_taken("a stream of a Delta table"));
  return parsed;
}

// Some files of a scan, one after the other.
class DeltaFilesReader final : public PartitionReader {
 public:
  DeltaFilesReader(std::shared_ptr<const delta::Scan> scan, size_t begin, size_t end)
      : scan_(std::move(scan)), next_(begin), end_(end) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    while (true) {
      if (stop.stop_requested()) return error(ErrorKind::kCancelled, "the query is to stop");
      if (reader_ == nullptr) {
        if (next_ == end_) return std::shared_ptr<arrow::RecordBatch>();
        WEIR_ASSIGN(reader_, scan_->open(next_));
      }
      WEIR_ASSIGN(auto rows, reader_->next());
      if (rows == nullptr) {
        counters_.bytes += scan_->files()[next_]->size;
        reader_.reset();
        ++next_;
      } else if (rows->num_rows() > 0) {
        counters_.rows += rows->num_rows();
        return rows;
      }
    }
  }
  const ReadCounters& counters() const override { return counters_; }

 private:
  std::shared_ptr<const delta::Scan> scan_;
  size_t next_;
  size_t end_;
  std::unique_ptr<delta::FileReader> reader_;
  ReadCounters counters_;
};

base::Error lost_commit(const std::string& path, int64_t version) {
  return error(ErrorKind::kDataLoss,
               "The log of {} has no commit {} any more. If you never deleted it, it's likely "
               "your query is lagging behind. Please delete its checkpoint to restart from "
               "scratch. To avoid this happening again, you can update your retention policy of "
               "your Delta table",
               path, version)
      .with_class("DELTA_LOG_FILE_NOT_FOUND_FOR_STREAMING_SOURCE")
      .with_sql_state("42K03");
}

class DeltaSource final : public Source, public ReadAheadSource {
 public:
  DeltaSource(delta::Environment environment, std::unique_ptr<delta::Table> table,
              SnapshotPtr snapshot, DeltaSourceOptions options)
      : environment_(environment),
        table_(std::move(table)),
        snapshot_(std::move(snapshot)),
        options_(std::move(options)) {}

  const Schema& schema() const override { return snapshot_->schema(); }
  std::string description() const override {
    return fmt::format("DeltaSource[file:{}]", snapshot_->path());
  }
  Result<void> open(const std::string& checkpoint_folder) override {
    folder_ = checkpoint_folder;
    return {};
  }
  Result<std::string> initial_offset() override;
  Result<void> prepare_available_now() override {
    WEIR_ASSIGN(frozen_, newest_version());
    return {};
  }
  Result<LatestOffset> latest_offset(const std::string& start, bool ignore_limits) override;
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override;
  Result<void> commit(const std::string& end) override {
    WEIR_ASSIGN(const auto offset, parse(end));
    changes_.erase(changes_.begin(), changes_.lower_bound(offset.version));
    if (!offset.initial_snapshot) initial_files_.reset();
    return {};
  }
  std::map<std::string, std::string> metrics(const std::string&) const override { return {}; }

 private:
  Result<DeltaOffset> parse(const std::string& text) const;
  Result<int64_t> newest_version();
  Result<int64_t> starting_version();
  Result<const FileList*> initial_files(int64_t version);
  Result<const FileList*> changes(int64_t version);
  const std::string& id() const { return snapshot_->metadata().id; }

  delta::Environment environment_;
  std::unique_ptr<delta::Table> table_;
  SnapshotPtr snapshot_;  // as the query was made with
  DeltaSourceOptions options_;
  std::string folder_;
  std::optional<int64_t> frozen_;
  std::map<int64_t, FileList> changes_;  // looked at and not committed yet
  std::optional<std::pair<int64_t, FileList>> initial_files_;
};

Result<DeltaOffset> DeltaSource::parse(const std::string& text) const {
  WEIR_ASSIGN(auto offset, parse_delta_offset(text, "offset of a Delta source"));
  if (offset.table_id == id()) return offset;
  return error(
             ErrorKind::kConflict,
             "The streaming query was reading from an unexpected Delta table (id = '{}'). It used "
             "to read from another Delta table (id = '{}') according to checkpoint. This may "
             "happen when you changed the code to read from a new table or you deleted and "
             "re-created a table. Please revert your change or delete your streaming query "
             "checkpoint to restart from scratch.",
             id(), offset.table_id)
      .with_class("DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE")
      .with_sql_state("55019")
      .with_parameter("newTableId", id())
      .with_parameter("oldTableId", offset.table_id);
}

Result<int64_t> DeltaSource::newest_version() {
  if (frozen_) return *frozen_;
  WEIR_ASSIGN(const auto version, table_->refresh());
  if (!version) return -1;
  WEIR_ASSIGN(const bool there,
              environment_.fs.exists(delta::commit_path(snapshot_->path(), *version)));
  if (!there) return lost_commit(snapshot_->path(), version->value());  // dropped, or made anew
  return version->value();
}

Result<int64_t> DeltaSource::starting_version() {
  WEIR_ASSIGN(const int64_t newest, newest_version());
  if (options_.starting_latest) return newest + 1;
  if (options_.starting_timestamp_us)
    return first_delta_version_at(environment_.fs, snapshot_->path(),
                                  *options_.starting_timestamp_us);
  const int64_t version = *options_.starting_version;
  WEIR_ASSIGN(const int64_t oldest, oldest_delta_commit(environment_.fs, snapshot_->path()));
  if (version >= oldest && version <= newest) return version;
  return error(ErrorKind::kNotFound,
               "Cannot time travel Delta table to version {}. Available versions: [{}, {}].",
               version, oldest, newest)
      .with_class("DELTA_VERSION_NOT_FOUND")
      .with_sql_state("22003")
      .with_parameter("userVersion", std::to_string(version))
      .with_parameter("earliest", std::to_string(oldest))
      .with_parameter("latest", std::to_string(newest));
}

Result<std::string> DeltaSource::initial_offset() {
  DeltaOffset offset{id(), kNotDecided, -1, true};
  if (!options_.starting_latest && !options_.starting_timestamp_us && !options_.starting_version)
    return delta_offset_json(offset);
  MetadataLog log(environment_.fs, folder_);
  WEIR_TRY(log.open());
  WEIR_ASSIGN(const auto kept, log.get(0));
  if (kept) {
    WEIR_ASSIGN(const auto text, after_version_line(*kept, 1, log.path_of(0)));
    WEIR_ASSIGN(offset, parse_delta_offset(text, log.path_of(0)));
    return delta_offset_json(offset);
  }
  offset.initial_snapshot = false;
  WEIR_ASSIGN(offset.version, starting_version());
  std::string json = delta_offset_json(offset);
  WEIR_ASSIGN(const auto outcome, log.add(0, "v1\n" + json));
  if (outcome == io::CreateOutcome::kExists)
    return error(ErrorKind::kConflict,
                 "{} was just written by somebody else: another query uses this checkpoint",
                 log.path_of(0));
  return json;
}

// The files of a state, in the order in which they count.
Result<const FileList*> DeltaSource::initial_files(int64_t version) {
  if (initial_files_ && initial_files_->first == version) return &initial_files_->second;
  WEIR_ASSIGN(const auto snapshot,
              delta::Table::snapshot_at(environment_.fs, snapshot_->path(), TableVersion(version)));
  FileList files = snapshot->files();
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return std::tie(a->modification_time_ms, a->path) < std::tie(b->modification_time_ms, b->path);
  });
  initial_files_.emplace(version, std::move(files));
  return &initial_files_->second;
}

// Of a version that there is; the log may have lost it.
Result<const FileList*> DeltaSource::changes(int64_t version) {
  if (const auto known = changes_.find(version); known != changes_.end()) return &known->second;
  WEIR_ASSIGN(auto read, read_delta_changes(environment_.fs, *snapshot_, version, options_.rules));
  if (!read && options_.fail_on_data_loss) return lost_commit(snapshot_->path(), version);
  return &changes_.emplace(version, read ? std::move(*read) : FileList()).first->second;
}

Result<LatestOffset> DeltaSource::latest_offset(const std::string& start, bool ignore_limits) {
  WEIR_ASSIGN(DeltaOffset at, parse(start));
  WEIR_ASSIGN(const int64_t newest, newest_version());
  LatestOffset answer{.end = start, .latest = delta_offset_json({id(), newest + 1, -1, false})};
  if (at.version == kNotDecided) at.version = newest;
  int64_t files_left = ignore_limits ? INT64_MAX : options_.max_files.value_or(INT64_MAX);
  int64_t bytes_left = ignore_limits ? INT64_MAX : options_.max_bytes.value_or(INT64_MAX);
  bool some = false;
  while (at.initial_snapshot || at.version <= newest) {
    WEIR_ASSIGN(const FileList* files,
                at.initial_snapshot ? initial_files(at.version) : changes(at.version));
    const auto count = static_cast<int64_t>(files->size());
    while (at.index + 1 < count && files_left > 0 && bytes_left > 0) {
      some = true;
      ++at.index;
      --files_left;
      bytes_left -= (*files)[static_cast<size_t>(at.index)]->size;
    }
    if (at.index + 1 < count) break;
    const bool began = at.initial_snapshot;
    at = {id(), at.version + 1, -1, false};
    // The first state stands alone: what it was is told by where its batches end.
    if (began && some) break;
  }
  // Commits without rows to read (compaction, properties) make no batch of their own.
  if (some) answer.end = delta_offset_json(at);
  return answer;
}

Result<std::vector<std::unique_ptr<PartitionReader>>> DeltaSource::plan(
    const std::string& start, const std::string& end, const std::vector<std::string>& columns) {
  WEIR_ASSIGN(DeltaOffset at, parse(start));
  WEIR_ASSIGN(const DeltaOffset to, parse(end));
  if (at.version == kNotDecided) at.version = to.initial_snapshot ? to.version : to.version - 1;
  FileList chosen;
  while (at.version < to.version || (at.version == to.version && at.index < to.index)) {
    WEIR_ASSIGN(const FileList* files,
                at.initial_snapshot ? initial_files(at.version) : changes(at.version));
    const auto count = static_cast<int64_t>(files->size());
    const int64_t last = at.version < to.version ? count - 1 : to.index;
    if (last >= count)
      return error(ErrorKind::kDataLoss, "version {} of {} has {} files; the batch reads up to {}",
                   at.version, snapshot_->path(), count, last);
    for (int64_t index = at.index + 1; index <= last; ++index)
      chosen.push_back((*files)[static_cast<size_t>(index)]);
    at = at.version < to.version ? DeltaOffset{id(), at.version + 1, -1, false} : to;
  }
  int64_t bytes = 0;
  for (const auto& file : chosen)
    bytes += file->size;
  const auto batch_files = std::make_shared<const delta::TableSnapshot>(
      snapshot_->path(), snapshot_->version(),
      std::make_shared<const delta::Protocol>(snapshot_->protocol()),
      std::make_shared<const delta::Metadata>(snapshot_->metadata()), snapshot_->schema(),
      std::move(chosen), std::unordered_map<std::string, delta::SetTransaction>());
  delta::ScanOptions options;
  options.columns = columns;
  WEIR_ASSIGN(auto planned, delta::Scan::plan(environment_.fs, batch_files, std::move(options)));
  const auto scan = std::make_shared<const delta::Scan>(std::move(planned));
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const int64_t part_bytes =
      std::clamp<int64_t>((bytes + cores - 1) / cores, 1 << 20, kPartBytesMax);
  std::vector<std::unique_ptr<PartitionReader>> readers;
  size_t begin = 0;
  int64_t group = 0;
  for (size_t i = 0; i < scan->files().size(); ++i) {
    group += scan->files()[i]->size;
    if (group < part_bytes && i + 1 < scan->files().size()) continue;
    readers.push_back(std::make_unique<DeltaFilesReader>(scan, begin, i + 1));
    begin = i + 1;
    group = 0;
  }
  return readers;
}

}  // namespace

Result<std::unique_ptr<Source>> make_delta_source(delta::Environment environment,
                                                  DeltaSourceSpec spec) {
  Options options(spec.options, spec.unknown);
  WEIR_ASSIGN(auto parsed, take_options(options, spec));
  WEIR_ASSIGN(auto table, delta::Table::open(environment, spec.path));
  WEIR_ASSIGN(auto snapshot, table->snapshot());
  return std::unique_ptr<Source>(std::make_unique<DeltaSource>(
      environment, std::move(table), std::move(snapshot), std::move(parsed)));
}

}  // namespace weir::source
