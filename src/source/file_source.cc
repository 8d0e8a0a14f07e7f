#include "source/file_source.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <thread>
#include <unordered_map>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>

#include "base/json.h"
#include "base/logging.h"
#include "codec/file_format.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "source/file_cleaner.h"
#include "source/file_listing.h"
#include "source/file_source_log.h"
#include "source/option_text.h"
#include "source/partition_folders.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kPartBytesMax = 32LL << 20;  // of one reader's files
constexpr size_t kUnreadKept = 10'000;
constexpr double kUnreadKeptRatio = 0.2;  // fewer than this share of a batch: list anew instead

struct FileSourceOptions {
  std::optional<int64_t> max_files;
  std::optional<int64_t> max_bytes;
  bool latest_first = false;
  int64_t max_age_ms = 7LL * 24 * 3600 * 1000;
  bool name_only = false;
  FileFilter filter;
  std::string base_path;  // where partition folders begin; empty: the stream's path
  FileCleaner cleaner;
};

// 2020-06-01T13:00:00, as UTC.
Result<std::optional<int64_t>> take_instant(Options& options, std::string_view name) {
  const auto text = options.take(name);
  if (!text) return std::optional<int64_t>();
  std::tm parts{};
  const char* end = strptime(text->c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr || *end != '\0')
    return error(ErrorKind::kInvalidArgument,
                 "option {}: '{}' is not a time such as 2020-06-01T13:00:00 (UTC)", name, *text);
  return std::optional<int64_t>(static_cast<int64_t>(timegm(&parts)) * 1'000'000);
}

Result<FileSourceOptions> take_options(Options& options, const std::string& path) {
  FileSourceOptions parsed;
  WEIR_ASSIGN(parsed.max_files, options.take_integer("maxFilesPerTrigger", 1));
  WEIR_ASSIGN(parsed.max_bytes, options.take_byte_size("maxBytesPerTrigger"));
  if (parsed.max_files && parsed.max_bytes)
    return error(ErrorKind::kInvalidArgument,
                 "maxFilesPerTrigger and maxBytesPerTrigger can't both be given");
  WEIR_ASSIGN(const auto latest_first, options.take_boolean("latestFirst"));
  parsed.latest_first = latest_first.value_or(false);
  WEIR_ASSIGN(const auto age, options.take_duration_us("maxFileAge"));
  if (age) parsed.max_age_ms = *age / 1000;
  // As Spark: files older than the limit would otherwise never have their turn.
  if (parsed.latest_first && (parsed.max_files || parsed.max_bytes))
    parsed.max_age_ms = std::numeric_limits<int64_t>::max();
  WEIR_ASSIGN(const auto name_only, options.take_boolean("fileNameOnly"));
  parsed.name_only = name_only.value_or(false);
  WEIR_ASSIGN(const auto recursive, options.take_boolean("recursiveFileLookup"));
  parsed.filter.recursive = recursive.value_or(false);
  parsed.base_path = options.take("basePath").value_or("");
  parsed.filter.name_glob = options.take("pathGlobFilter").value_or("");
  WEIR_ASSIGN(parsed.filter.modified_before_us, take_instant(options, "modifiedBefore"));
  WEIR_ASSIGN(parsed.filter.modified_after_us, take_instant(options, "modifiedAfter"));
  WEIR_ASSIGN(parsed.cleaner, FileCleaner::take(options, path));
  for (const char* name : {"ignoreMissingFiles", "ignoreCorruptFiles"}) {
    WEIR_ASSIGN(const auto ignored, options.take_boolean(name));
    if (ignored.value_or(false))
      return error(ErrorKind::kUnsupported, "option {}: rows would be lost unseen", name);
  }
  return parsed;
}

Result<int64_t> parse_log_offset(std::string_view text) {
  WEIR_ASSIGN(const base::JsonValue json, base::parse_json(text, "offset of a file stream"));
  if (json.is_int64()) return json.get_int64();  // Spark 2.0 wrote the bare number
  if (const base::JsonObject* object = json.if_object())
    if (const auto offset = base::json_int(*object, "logOffset")) return *offset;
  return error(ErrorKind::kCorruption,
               "'{}' is not an offset of a file stream such as {{\"logOffset\":3}}", text);
}

std::string offset_text(int64_t offset) { return fmt::format("{{\"logOffset\":{}}}", offset); }

// Files that had their turn, as long as they may turn up again.
class SeenFiles {
 public:
  SeenFiles(int64_t max_age_ms, bool name_only) : max_age_ms_(max_age_ms), name_only_(name_only) {}
  void add(const std::string& path, int64_t timestamp_ms) {
    files_[key(path)] = timestamp_ms;
    latest_ms_ = std::max(latest_ms_, timestamp_ms);
  }
  bool is_new(const std::string& path, int64_t timestamp_ms) const {
    return timestamp_ms >= purged_before_ms_ && !files_.contains(key(path));
  }
  void purge() {
    purged_before_ms_ = latest_ms_ > max_age_ms_ ? latest_ms_ - max_age_ms_ : 0;
    std::erase_if(files_, [&](const auto& file) { return file.second < purged_before_ms_; });
  }

 private:
  std::string key(const std::string& path) const { return name_only_ ? io::file_name(path) : path; }
  int64_t max_age_ms_;
  bool name_only_;
  std::unordered_map<std::string, int64_t> files_;
  int64_t latest_ms_ = 0;
  int64_t purged_before_ms_ = 0;
};

struct FilePart {
  io::FileInfo file;
  codec::FileRange range;
  std::vector<std::shared_ptr<arrow::Scalar>> partition;
};

using FileValues = decltype(FileSourceSpec::file_values);

// Where a column of the rows comes from: a column of the files, the folders' names, or the file
// itself.
struct ColumnOrigin {
  enum class Kind { kFile, kFolder, kFileValues };
  Kind kind = Kind::kFile;
  size_t index = 0;
};
struct Columns {
  std::vector<ColumnOrigin> origins;
  std::shared_ptr<arrow::Schema> schema;
  FileValues file_values;  // where a column comes from it
  bool as_in_file = true;  // nothing but the files' columns
};

class FilesReader final : public PartitionReader {
 public:
  FilesReader(io::FileSystem& files, std::shared_ptr<const codec::FileFormat> format,
              std::shared_ptr<const Columns> columns, std::vector<FilePart> parts)
      : files_(files),
        format_(std::move(format)),
        columns_(std::move(columns)),
        parts_(std::move(parts)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    while (true) {
      if (reader_ == nullptr) {
        if (next_ == parts_.size()) return std::shared_ptr<arrow::RecordBatch>();
        WEIR_ASSIGN(reader_, format_->open(files_, parts_[next_].file, parts_[next_].range));
      }
      auto rows = reader_->next(stop);
      if (!rows.ok()) return std::move(rows).error().with_context(parts_[next_].file.path);
      update_counters();
      if (*rows != nullptr) return columns_->as_in_file ? rows : with_constants(**rows);
      finished_ = counters_;
      reader_.reset();
      ++next_;
    }
  }
  const ReadCounters& counters() const override { return counters_; }

 private:
  Result<std::shared_ptr<arrow::RecordBatch>> with_constants(const arrow::RecordBatch& rows) {
    const FilePart& part = parts_[next_];
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (const ColumnOrigin& origin : columns_->origins) {
      if (origin.kind == ColumnOrigin::Kind::kFile) {
        arrays.push_back(rows.column(static_cast<int>(origin.index)));
      } else if (origin.kind == ColumnOrigin::Kind::kFolder) {
        WEIR_ARROW_ASSIGN(auto constant, arrow::MakeArrayFromScalar(*part.partition[origin.index],
                                                                    rows.num_rows()));
        arrays.push_back(std::move(constant));
      } else {
        WEIR_ASSIGN(auto constant, columns_->file_values(part.file, part.range, rows.num_rows()));
        arrays.push_back(std::move(constant));
      }
    }
    return arrow::RecordBatch::Make(columns_->schema, rows.num_rows(), std::move(arrays));
  }
  void update_counters() {
    const codec::RecordCounters& now = reader_->counters();
    counters_ = {.rows = finished_.rows + now.rows,
                 .bytes = finished_.bytes + now.bytes,
                 .corrupt_rows = finished_.corrupt_rows + now.corrupt_rows,
                 .dropped_rows = finished_.dropped_rows + now.dropped_rows};
  }

  io::FileSystem& files_;
  std::shared_ptr<const codec::FileFormat> format_;
  std::shared_ptr<const Columns> columns_;
  std::vector<FilePart> parts_;
  size_t next_ = 0;
  std::unique_ptr<codec::FormatReader> reader_;
  ReadCounters finished_;  // of the parts before
  ReadCounters counters_;
};

class FileSource final : public Source {
 public:
  FileSource(io::FileSystem& files, codec::FileFormatRequest request, std::string path,
             Schema schema, PartitionFolders folders, FileSourceOptions options,
             int64_t log_interval, FileValues file_values)
      : files_(files),
        request_(std::move(request)),
        path_(std::move(path)),
        schema_(std::move(schema)),
        folders_(std::move(folders)),
        options_(std::move(options)),
        log_interval_(log_interval),
        file_values_(std::move(file_values)),
        seen_(options_.max_age_ms, options_.name_only) {}

  const Schema& schema() const override { return schema_; }
  std::string description() const override {
    return fmt::format("FileStreamSource[file:{}]", path_);
  }
  Result<void> open(const std::string& checkpoint_folder) override {
    log_ = std::make_unique<FileSourceLog>(files_, checkpoint_folder, log_interval_);
    WEIR_ASSIGN(const auto entries, log_->open());
    for (const FileEntry& entry : entries)
      seen_.add(entry.path, entry.timestamp_ms);
    seen_.purge();
    return {};
  }
  Result<std::string> initial_offset() override { return offset_text(-1); }
  Result<void> prepare_available_now() override {
    WEIR_ASSIGN(available_now_, list_all());
    return {};
  }
  Result<LatestOffset> latest_offset(const std::string& start, bool ignore_limits) override;
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override;
  // The files of the batch that ends there are not read again.
  Result<void> commit(const std::string& end) override {
    if (!options_.cleaner.active()) return {};
    WEIR_ASSIGN(const int64_t to, parse_log_offset(end));
    if (to <= cleaned_) return {};
    WEIR_ASSIGN(const auto entries, log_->get(cleaned_ + 1, to));
    std::vector<std::string> paths;
    for (const FileEntry& entry : entries)
      paths.push_back(entry.path);
    options_.cleaner.clean(files_, paths);
    cleaned_ = to;
    return {};
  }
  std::map<std::string, std::string> metrics(const std::string&) const override { return {}; }

 private:
  Result<void> prepare_format(const std::vector<std::string>& columns);
  Result<std::vector<io::FileInfo>> list_all();
  std::vector<io::FileInfo> take_batch(std::vector<io::FileInfo> candidates, bool ignore_limits);
  Result<std::vector<FilePart>> parts_of(const std::vector<FileEntry>& entries,
                                         const codec::FileFormat& format, int64_t part_bytes);

  io::FileSystem& files_;
  codec::FileFormatRequest request_;
  std::string path_;
  Schema schema_;
  PartitionFolders folders_;
  FileSourceOptions options_;
  int64_t log_interval_;
  FileValues file_values_;  // of the schema's last column, where it is set
  SeenFiles seen_;
  std::unique_ptr<FileSourceLog> log_;
  std::optional<std::vector<io::FileInfo>> available_now_;
  int64_t cleaned_ = -1;              // batches of the log up to here are none of the cleaner's
  std::vector<io::FileInfo> unread_;  // listed, left for the next batch by the limits
  std::shared_ptr<const codec::FileFormat> format_;
  std::vector<std::string> format_columns_;
  std::shared_ptr<const Columns> columns_;
};

Result<std::vector<io::FileInfo>> FileSource::list_all() {
  WEIR_ASSIGN(auto found, list_files(files_, path_, options_.filter));
  std::stable_sort(found.begin(), found.end(), [&](const io::FileInfo& a, const io::FileInfo& b) {
    return options_.latest_first ? a.modified_us / 1000 > b.modified_us / 1000
                                 : a.modified_us / 1000 < b.modified_us / 1000;
  });
  return found;
}

// The first of the candidates that the limits let through; the rest is kept where it is worth it.
std::vector<io::FileInfo> FileSource::take_batch(std::vector<io::FileInfo> candidates,
                                                 bool ignore_limits) {
  unread_.clear();
  size_t count = candidates.size();
  if (!ignore_limits && options_.max_files)
    count = std::min(count, static_cast<size_t>(*options_.max_files));
  if (!ignore_limits && options_.max_bytes) {
    int64_t bytes = 0;
    size_t fitting = 0;
    while (fitting < count &&
           (fitting == 0 || bytes + candidates[fitting].size <= *options_.max_bytes))
      bytes += candidates[fitting++].size;
    count = fitting;
  }
  const size_t left = candidates.size() - count;
  if (!options_.latest_first &&
      static_cast<double>(left) >= kUnreadKeptRatio * static_cast<double>(count))
    unread_.assign(
        candidates.begin() + static_cast<std::ptrdiff_t>(count),
        candidates.begin() + static_cast<std::ptrdiff_t>(count + std::min(left, kUnreadKept)));
  candidates.resize(count);
  return candidates;
}

Result<LatestOffset> FileSource::latest_offset(const std::string& start, bool ignore_limits) {
  WEIR_ASSIGN(const int64_t from, parse_log_offset(start));
  const auto answer = [&](int64_t end) {
    // How far the files reach is not told, as in Spark.
    return LatestOffset{.end = end == from ? start : offset_text(end), .latest = {}};
  };
  // Logged by a process that died before the query's offset log had it.
  if (log_->latest() > from) return answer(log_->latest());
  std::vector<io::FileInfo> candidates = std::move(unread_);
  unread_.clear();
  if (candidates.empty()) {
    if (available_now_) {
      candidates = *available_now_;
    } else {
      WEIR_ASSIGN(candidates, list_all());
    }
    std::erase_if(candidates, [&](const io::FileInfo& file) {
      return !seen_.is_new(file.path, file.modified_us / 1000);
    });
  }
  std::set<std::string> names;  // with fileNameOnly two candidates may be the same
  if (options_.name_only)
    std::erase_if(candidates,
                  [&](const io::FileInfo& file) { return !names.insert(file.name).second; });
  const auto batch = take_batch(std::move(candidates), ignore_limits);
  std::vector<FileEntry> entries;
  entries.reserve(batch.size());
  for (const io::FileInfo& file : batch)
    entries.push_back({file.path, file.modified_us / 1000, log_->latest() + 1});
  if (!entries.empty()) WEIR_TRY(log_->add(entries));
  for (const FileEntry& entry : entries)
    seen_.add(entry.path, entry.timestamp_ms);
  seen_.purge();
  return answer(log_->latest());
}

Result<std::vector<FilePart>> FileSource::parts_of(const std::vector<FileEntry>& entries,
                                                   const codec::FileFormat& format,
                                                   int64_t part_bytes) {
  std::vector<FilePart> parts;
  for (const FileEntry& entry : entries) {
    WEIR_ASSIGN(const io::FileInfo file, files_.stat(entry.path));
    std::vector<std::shared_ptr<arrow::Scalar>> partition;
    if (!options_.filter.recursive) {
      WEIR_ASSIGN(partition, folders_.values(entry.path));
    }
    if (!format.splittable(file) || file.size <= part_bytes) {
      parts.push_back({file, {}, std::move(partition)});
      continue;
    }
    for (int64_t begin = 0; begin < file.size; begin += part_bytes)
      parts.push_back({file,
                       {begin, begin + part_bytes >= file.size ? INT64_MAX : begin + part_bytes},
                       partition});
  }
  return parts;
}

// What the files are read for: the columns that are not made of folders' names.
Result<void> FileSource::prepare_format(const std::vector<std::string>& columns) {
  if (format_ != nullptr && format_columns_ == columns) return {};
  codec::FileFormatRequest request = request_;
  request.columns.emplace();
  auto made = std::make_shared<Columns>();
  using Kind = ColumnOrigin::Kind;
  std::vector<columnar::Field> fields;
  for (const std::string& name : columns) {
    const int folder = folders_.index_of(name);
    if (file_values_ && name == schema_.fields().back().name) {
      made->origins.push_back({Kind::kFileValues, 0});
      made->file_values = file_values_;
    } else if (folder >= 0) {
      made->origins.push_back({Kind::kFolder, static_cast<size_t>(folder)});
    } else {
      made->origins.push_back({Kind::kFile, request.columns->size()});
      request.columns->push_back(name);
    }
    made->as_in_file = made->as_in_file && made->origins.back().kind == Kind::kFile;
    fields.push_back(schema_.fields()[static_cast<size_t>(schema_.field_index(name))]);
  }
  made->schema = columnar::to_arrow_schema(Schema::structure(std::move(fields)));
  WEIR_ASSIGN(format_, codec::make_file_format(std::move(request)));
  columns_ = std::move(made);
  format_columns_ = columns;
  return {};
}

Result<std::vector<std::unique_ptr<PartitionReader>>> FileSource::plan(
    const std::string& start, const std::string& end, const std::vector<std::string>& columns) {
  WEIR_ASSIGN(const int64_t from, parse_log_offset(start));
  WEIR_ASSIGN(const int64_t to, parse_log_offset(end));
  WEIR_ASSIGN(const auto entries, log_->get(from + 1, to));
  cleaned_ = std::max(cleaned_, from);
  WEIR_TRY(prepare_format(columns));
  int64_t total = 0;
  for (const FileEntry& entry : entries) {
    WEIR_ASSIGN(const io::FileInfo file, files_.stat(entry.path));
    total += file.size;
  }
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const int64_t part_bytes =
      std::clamp<int64_t>((total + cores - 1) / cores, 1 << 20, kPartBytesMax);
  WEIR_ASSIGN(auto parts, parts_of(entries, *format_, part_bytes));
  std::vector<std::unique_ptr<PartitionReader>> readers;
  std::vector<FilePart> group;
  int64_t group_bytes = 0;
  for (FilePart& part : parts) {
    const int64_t bytes = std::min(part.range.end, part.file.size) - part.range.begin;
    if (!group.empty() && group_bytes + bytes > part_bytes) {
      readers.push_back(
          std::make_unique<FilesReader>(files_, format_, columns_, std::exchange(group, {})));
      group_bytes = 0;
    }
    group_bytes += bytes;
    group.push_back(std::move(part));
  }
  if (!group.empty())
    readers.push_back(std::make_unique<FilesReader>(files_, format_, columns_, std::move(group)));
  return readers;
}

Result<PartitionFolders> find_folders(io::FileSystem& files, const std::string& path,
                                      const FileSourceOptions& options,
                                      const std::optional<Schema>& schema) {
  if (options.filter.recursive) return PartitionFolders();
  std::string base = path;
  if (!options.base_path.empty()) {
    base = absolute_path(options.base_path);
    if (path != base && !path.starts_with(base == "/" ? base : base + "/"))
      return error(ErrorKind::kInvalidArgument, "option basePath: {} is not in {}", path, base);
  }
  WEIR_ASSIGN(const auto found, list_files(files, path, options.filter));
  return PartitionFolders::find(found, path_depth(base), schema);
}

}  // namespace

Result<std::unique_ptr<Source>> make_file_source(io::FileSystem& files, base::Clock&,
                                                 FileSourceSpec spec) {
  Options options(spec.options);
  const std::string path = absolute_path(spec.path);
  WEIR_ASSIGN(FileSourceOptions parsed, take_options(options, path));
  if (parsed.cleaner.active()) {
    WEIR_ASSIGN(const bool sink, files.exists(io::join_path(path, "_spark_metadata")));
    if (sink)
      return error(ErrorKind::kUnsupported,
                   "The feature is not supported: clean up of source files when reading from the "
                   "output directory of FileStreamSink ({}).",
                   path)
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
  }
  codec::FileFormatRequest request;
  request.format = spec.format;
  request.options = options.rest();
  if (spec.schema) {
    request.file_schema = *spec.schema;
  } else if (spec.format == "text") {
    request.file_schema = Schema::structure(
        {columnar::make_field("value", columnar::DataType::of(columnar::TypeKind::kString))});
  } else {
    return error(ErrorKind::kInvalidArgument,
                 "a stream of {} files needs a schema: what the files hold is not guessed",
                 spec.format);
  }
  WEIR_ASSIGN(const PartitionFolders folders, find_folders(files, path, parsed, spec.schema));
  std::vector<columnar::Field> in_files;
  for (const columnar::Field& field : request.file_schema.fields())
    if (folders.index_of(field.name) < 0) in_files.push_back(field);
  request.file_schema = Schema::structure(std::move(in_files));
  WEIR_ASSIGN(const auto format, codec::make_file_format(request));
  for (const std::string& name : format->unknown_options()) {
    if (spec.unknown == UnknownOptions::kRefuse)
      return error(ErrorKind::kInvalidArgument,
                   "neither the file source nor the format {} has an option '{}'", spec.format,
                   name);
    base::log_warn("neither the file source nor the format {} has an option '{}': it is ignored",
                   spec.format, name);
  }
  if (!has_glob(path)) {
    WEIR_ASSIGN(const bool there, files.exists(path));
    if (!there)
      return error(ErrorKind::kNotFound, "there is nothing at {} to read from", path)
          .with_class("PATH_NOT_FOUND");
  }
  std::vector<columnar::Field> fields = format->schema().fields();
  fields.insert(fields.end(), folders.fields().begin(), folders.fields().end());
  if (spec.file_column) fields.push_back(*spec.file_column);
  return std::unique_ptr<Source>(std::make_unique<FileSource>(
      files, std::move(request), path, Schema::structure(std::move(fields)), folders,
      std::move(parsed), spec.log_interval, std::move(spec.file_values)));
}

}  // namespace weir::source
