#include "session/file_table.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <set>
#include <unistd.h>

#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <fmt/format.h>

#include "base/logging.h"
#include "codec/file_format.h"
#include "codec/schema_inference.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "delta/partition_values.h"
#include "plan/metadata_column.h"
#include "session/file_metadata.h"
#include "session/scan_predicate.h"
#include "source/file_listing.h"
#include "source/option_text.h"
#include "source/partition_folders.h"

namespace weir::session {

using base::error;
using base::ErrorKind;
using columnar::Field;
using relational::BatchPtr;
using relational::BatchStream;

namespace {

constexpr int64_t kPartBytesMin = 4LL << 20;
constexpr int64_t kPartBytesMax = 128LL << 20;
constexpr int kMetadataPlace = -2;
constexpr size_t kPlainFilesMax = 256;  // footers are looked at for each query

struct FilePart {
  size_t file = 0;
  codec::FileRange range;
};

// What the streams of one scan share.
struct SharedParts {
  io::FileSystem* fs = nullptr;
  Schema schema = Schema::structure({});
  std::shared_ptr<arrow::Schema> arrow_schema;
  std::shared_ptr<const codec::FileFormat> format;
  std::vector<io::FileInfo> files;
  std::vector<std::vector<std::shared_ptr<arrow::Scalar>>>
      constants;  // of a file, by column; null:
                  // a column of the file's
  std::vector<FilePart> parts;
  std::vector<int> place;  // of a column among the format's, -1: a partition column, or below
  std::atomic<size_t> next{0};
};

class FileStream final : public BatchStream {
 public:
  explicit FileStream(std::shared_ptr<SharedParts> shared) : shared_(std::move(shared)) {}
  const Schema& schema() const override { return shared_->schema; }
  Result<BatchPtr> next(std::stop_token stop) override {
    while (true) {
      if (!reader_) {
        const size_t part = shared_->next.fetch_add(1);
        if (part >= shared_->parts.size()) return BatchPtr();
        file_ = shared_->parts[part].file;
        range_ = shared_->parts[part].range;
        WEIR_ASSIGN(reader_, shared_->format->open(*shared_->fs, shared_->files[file_],
                                                   shared_->parts[part].range));
      }
      WEIR_ASSIGN(const auto batch, reader_->next(stop));
      if (batch) return complete(*batch);
      reader_.reset();
    }
  }

 private:
  Result<BatchPtr> complete(const arrow::RecordBatch& batch) const {
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (size_t i = 0; i < shared_->place.size(); ++i) {
      if (shared_->place[i] >= 0) {
        columns.push_back(batch.column(shared_->place[i]));
        continue;
      }
      if (shared_->place[i] == kMetadataPlace) {
        const auto& file = shared_->files[file_];
        const auto end = std::min(range_.end, file.size);
        WEIR_ASSIGN(auto metadata, metadata_values({file.path, file.size, file.modified_us,
                                                    range_.begin, end - range_.begin},
                                                   batch.num_rows()));
        columns.push_back(std::move(metadata));
        continue;
      }
      WEIR_ARROW_ASSIGN(auto constant, arrow::MakeArrayFromScalar(*shared_->constants[file_][i],
                                                                  batch.num_rows()));
      columns.push_back(std::move(constant));
    }
    return arrow::RecordBatch::Make(shared_->arrow_schema, batch.num_rows(), std::move(columns));
  }

  std::shared_ptr<SharedParts> shared_;
  std::unique_ptr<codec::FormatReader> reader_;
  size_t file_ = 0;
  codec::FileRange range_;
};

struct ListedFile {
  io::FileInfo info;
  delta::PartitionValues values;  // by the schema's name of the column
};

class FileTable final : public relational::ScanSource, public plan::FileBacked {
 public:
  FileTable(Services services, FileTableRequest request, Schema schema, Schema data_schema,
            std::vector<std::string> partition_columns, std::vector<ListedFile> files)
      : services_(services),
        request_(std::move(request)),
        schema_(std::move(schema)),
        data_schema_(std::move(data_schema)),
        partition_columns_(std::move(partition_columns)),
        files_(std::move(files)) {}

  const Schema& schema() const override { return shown_ ? *shown_ : schema_; }
  plan::TablePtr with_metadata() const override {
    auto shown = with_metadata_column(schema_);
    if (!shown) return nullptr;
    auto made = std::make_shared<FileTable>(*this);
    made->shown_ = std::move(shown);
    return made;
  }
  std::string_view provider() const override { return request_.format; }
  std::string description() const override {
    return fmt::format("{} [{}]", request_.format, fmt::join(request_.paths, ", "));
  }

  std::string state() const override {
    std::string text = request_.format + " " + base::json_text(schema_.to_json());
    for (const auto& [key, value] : request_.options)
      text += fmt::format(" {}:{}={}:{}", key.size(), key, value.size(), value);
    for (const auto& file : files_) {
      text += fmt::format(" {}:{} {} {}", file.info.path.size(), file.info.path, file.info.size,
                          file.info.modified_us);
    }
    return text;
  }

  std::optional<relational::ChosenFiles> chosen_files(
      const std::vector<int>& columns, const plan::TypedPtr& condition) const override {
    SharedParts chosen;
    chosen.place.assign(columns.size(), 0);
    if (!choose_files(columns, condition, chosen).ok()) return std::nullopt;
    return relational::ChosenFiles{static_cast<int64_t>(chosen.files.size()),
                                   static_cast<int64_t>(files_.size() - chosen.files.size())};
  }

  std::optional<relational::PlainParquet> plain_parquet(
      const std::vector<int>& columns, const plan::TypedPtr& condition) const override {
    if (request_.format != "parquet" || columns.empty()) return std::nullopt;
    relational::PlainParquet plain;
    SharedParts chosen;
    std::vector<Field> wanted;
    for (const int column : columns) {
      if (is_metadata(column)) return std::nullopt;
      wanted.push_back(schema_.fields()[static_cast<size_t>(column)]);
      if (is_partition(wanted.back().name)) return std::nullopt;
      plain.names.push_back(wanted.back().name);
      chosen.place.push_back(0);
    }
    if (!choose_files(columns, condition, chosen).ok() || chosen.files.size() > kPlainFilesMax)
      return std::nullopt;
    const Schema columns_wanted = Schema::structure(std::move(wanted));
    for (const auto& file : chosen.files) {
      if (!codec::has_plain_columns(services_.fs, file.path, columns_wanted)) return std::nullopt;
      plain.paths.push_back(file.path);
    }
    return plain;
  }

  Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                         const plan::TypedPtr& condition,
                                                         int streams) const override {
    auto shared = std::make_shared<SharedParts>();
    shared->fs = &services_.fs;
    std::vector<Field> wanted;
    std::vector<std::string> in_file;
    for (const int column : columns) {
      const Field& field = schema().fields()[static_cast<size_t>(column)];
      wanted.push_back(field);
      if (is_metadata(column)) {
        shared->place.push_back(kMetadataPlace);
      } else if (is_partition(field.name)) {
        shared->place.push_back(-1);
      } else {
        shared->place.push_back(static_cast<int>(in_file.size()));
        in_file.push_back(field.name);
      }
    }
    shared->schema = Schema::structure(std::move(wanted));
    shared->arrow_schema = columnar::to_arrow_schema(shared->schema);
    // The text formats find the rows by their columns.
    if (in_file.empty() && request_.format != "parquet" && !data_schema_.fields().empty())
      in_file.push_back(data_schema_.fields()[0].name);
    codec::FileFormatRequest format;
    format.format = request_.format;
    format.options = request_.options;
    format.file_schema = data_schema_;
    format.columns = std::move(in_file);
    WEIR_ASSIGN(shared->format, codec::make_file_format(std::move(format)));
    WEIR_TRY(choose_files(columns, condition, *shared));
    divide(streams, *shared);
    const size_t count =
        std::clamp<size_t>(shared->parts.size(), 1, static_cast<size_t>(std::max(1, streams)));
    std::vector<std::unique_ptr<BatchStream>> all;
    for (size_t i = 0; i < count; ++i)
      all.push_back(std::make_unique<FileStream>(shared));
    return all;
  }

 private:
  bool is_metadata(int column) const {
    return static_cast<size_t>(column) >= schema_.fields().size();
  }
  bool is_partition(const std::string& name) const {
    return std::find(partition_columns_.begin(), partition_columns_.end(), name) !=
           partition_columns_.end();
  }

  Result<void> choose_files(const std::vector<int>& columns, const plan::TypedPtr& condition,
                            SharedParts& shared) const {
    const auto predicate = scan_predicate(condition, schema(), columns);
    delta::Metadata metadata;
    metadata.partition_columns = partition_columns_;
    for (const ListedFile& file : files_) {
      delta::AddFile add;
      add.partition_values = file.values;
      if (!partition_columns_.empty() && !delta::may_match(schema_, metadata, add, predicate))
        continue;
      std::vector<std::shared_ptr<arrow::Scalar>> constants(columns.size());
      for (size_t i = 0; i < columns.size(); ++i) {
        if (shared.place[i] != -1) continue;
        const Field& field = schema_.fields()[static_cast<size_t>(columns[i])];
        const auto value = file.values.find(field.name);
        auto scalar = delta::partition_scalar(
            field.type(), value == file.values.end() ? std::nullopt : value->second);
        if (!scalar.ok()) return std::move(scalar).error().with_context(file.info.path);
        constants[i] = std::move(scalar).value();
      }
      shared.files.push_back(file.info);
      shared.constants.push_back(std::move(constants));
    }
    return {};
  }

  static void divide(int streams, SharedParts& shared) {
    int64_t total = 0;
    for (const auto& file : shared.files)
      total += file.size;
    const int64_t part_bytes =
        std::clamp(total / std::max(1, streams * 4), kPartBytesMin, kPartBytesMax);
    for (size_t i = 0; i < shared.files.size(); ++i) {
      const auto& file = shared.files[i];
      if (file.size <= part_bytes || !shared.format->splittable(file)) {
        shared.parts.push_back({i, {}});
        continue;
      }
      for (int64_t begin = 0; begin < file.size; begin += part_bytes) {
        const bool last = begin + part_bytes >= file.size;
        shared.parts.push_back({i, {begin, last ? INT64_MAX : begin + part_bytes}});
      }
    }
  }

  Services services_;
  FileTableRequest request_;
  Schema schema_;
  std::optional<Schema> shown_;  // with `_metadata`
  Schema data_schema_;           // what the files hold
  std::vector<std::string> partition_columns_;
  std::vector<ListedFile> files_;
};

std::optional<std::string> option_of(const TextMap& options, std::string_view name) {
  for (const auto& [key, value] : options)
    if (lower_case(key) == lower_case(name)) return value;
  return std::nullopt;
}

Result<std::optional<int64_t>> instant_option(const TextMap& options, std::string_view name) {
  const auto text = option_of(options, name);
  if (!text) return std::optional<int64_t>();
  std::tm parts{};
  const char* end = strptime(text->c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr || *end != '\0')
    return error(ErrorKind::kInvalidArgument,
                 "option {}: '{}' is not a time such as 2020-06-01T13:00:00 (UTC)", name, *text);
  return std::optional<int64_t>(static_cast<int64_t>(timegm(&parts)) * 1'000'000);
}

base::Error path_not_found(const std::string& path) {
  return error(ErrorKind::kNotFound, "Path does not exist: file:{}.", path)
      .with_class("PATH_NOT_FOUND")
      .with_sql_state("42K03")
      .with_parameter("path", "file:" + path);
}

// The files of all paths, each with the folder that partition values are counted from.
class Listing {
 public:
  Listing(const Services& services, const FileTableRequest& request)
      : services_(services), request_(request) {}

  Result<void> run() {
    const auto recursive = option_of(request_.options, "recursiveFileLookup");
    filter_.recursive = recursive && lower_case(*recursive) == "true";
    filter_.name_glob = option_of(request_.options, "pathGlobFilter").value_or("");
    WEIR_ASSIGN(filter_.modified_before_us, instant_option(request_.options, "modifiedBefore"));
    WEIR_ASSIGN(filter_.modified_after_us, instant_option(request_.options, "modifiedAfter"));
    const auto base = option_of(request_.options, "basePath");
    if (base) {
      WEIR_ASSIGN(base_, local_path(*base));
    }
    for (const auto& given : request_.paths)
      WEIR_TRY(add(given));
    return {};
  }

  std::vector<io::FileInfo> files;
  std::vector<source::PartitionFolder> folders;  // of each file
  bool recursive() const { return filter_.recursive; }

 private:
  Result<void> add(const std::string& given) {
    WEIR_ASSIGN(const std::string path, local_path(given));
    WEIR_ASSIGN(const auto roots, source::expand_globs(services_.fs, path));
    bool found = false;
    for (const auto& root : roots) {
      const auto info = services_.fs.stat(root);
      if (!info.ok()) {
        if (info.error().kind() == ErrorKind::kNotFound) continue;
        return info.error();
      }
      found = true;
      WEIR_ASSIGN(const auto listed, source::list_files(services_.fs, root, filter_));
      const std::string from = !base_.empty()       ? base_
                               : info->is_directory ? root
                                                    : io::parent_path(root);
      for (const auto& file : listed) {
        if (!seen_.insert(file.path).second) continue;
        files.push_back(file);
        folders.push_back(source::partition_folder_of(from, file.path));
      }
    }
    if (!found && !request_.missing_is_empty) return path_not_found(path);
    return {};
  }

  const Services& services_;
  const FileTableRequest& request_;
  source::FileFilter filter_;
  std::string base_;
  std::set<std::string> seen_;
};

}  // namespace

bool is_file_format(std::string_view format) {
  return format == "parquet" || format == "json" || format == "csv" || format == "text";
}

base::Error no_data_source(const std::string& format) {
  for (const char* known :
       {"orc", "avro", "jdbc", "xml", "binaryfile", "libsvm", "image", "hive"}) {
    if (lower_case(format) != known) continue;
    return error(ErrorKind::kUnsupported,
                 "The feature is not supported: weir does not read or write the format {}; delta, "
                 "parquet, json, csv and text it does.",
                 format)
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }
  return error(ErrorKind::kNotFound,
               "Failed to find the data source: {}. Make sure the provider name is correct and the "
               "package is properly registered and compatible with your Spark version.",
               format)
      .with_class("DATA_SOURCE_NOT_FOUND")
      .with_sql_state("42K02")
      .with_parameter("provider", format);
}

Result<std::string> local_path(const std::string& given) {
  std::string path = given;
  if (path.starts_with("file://")) {
    path.erase(0, 7);
  } else if (path.starts_with("file:")) {
    path.erase(0, 5);
  } else if (const size_t scheme = path.find("://"); scheme != std::string::npos) {
    return error(ErrorKind::kUnsupported,
                 "The feature is not supported: storage {} of {}; give a path of the local disk.",
                 path.substr(0, scheme), path)
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }
  if (path.empty())
    return error(ErrorKind::kInvalidArgument, "Can not create a Path from an empty string");
  if (!path.starts_with('/')) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof(here)) == nullptr)
      return error(ErrorKind::kIo, "the working folder is not known");
    path = io::join_path(here, path);
  }
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  return path;
}

Result<std::shared_ptr<const relational::ScanSource>> open_file_table(const Services& services,
                                                                      FileTableRequest request) {
  if (!is_file_format(request.format)) return no_data_source(request.format);
  if (request.paths.empty()) {
    if (const auto path = option_of(request.options, "path")) request.paths.push_back(*path);
  }
  if (request.paths.empty() && !request.schema) {
    return error(ErrorKind::kInvalidArgument,
                 "Unable to infer schema for {}. It must be specified manually.", request.format)
        .with_class("UNABLE_TO_INFER_SCHEMA")
        .with_sql_state("42KD9")
        .with_parameter("format", request.format);
  }
  Listing listing(services, request);
  WEIR_TRY(listing.run());

  std::vector<Field> partitions;
  if (request.partition_columns) {
    for (const auto& name : *request.partition_columns) {
      const int index = request.schema->field_index_ignoring_case(name);
      if (index >= 0) partitions.push_back(request.schema->fields()[static_cast<size_t>(index)]);
    }
  } else if (!listing.recursive()) {
    WEIR_ASSIGN(partitions,
                source::partition_fields(listing.folders, request.infer_partition_types));
  }
  std::optional<Schema> data = request.schema;
  if (!data) {
    codec::InferenceRequest inference;
    inference.format = request.format;
    inference.options = request.options;
    inference.case_sensitive = request.case_sensitive;
    inference.ntz = request.ntz;
    WEIR_ASSIGN(data, codec::infer_schema(services.fs, listing.files, inference, {}));
    if (!data) {
      static const std::map<std::string, std::string> kShown = {
          {"json", "JSON"}, {"csv", "CSV"}, {"parquet", "Parquet"}, {"text", "Text"}};
      const std::string shown = kShown.at(request.format);
      return error(ErrorKind::kInvalidArgument,
                   "Unable to infer schema for {}. It must be specified manually.", shown)
          .with_class("UNABLE_TO_INFER_SCHEMA")
          .with_sql_state("42KD9")
          .with_parameter("format", shown);
    }
  }
  // Files' columns first, then the partition columns; one that both have is the folder's, in the
  // files' place.
  const auto index_in = [&](const std::vector<Field>& fields, const std::string& name) {
    for (size_t i = 0; i < fields.size(); ++i) {
      if (request.case_sensitive ? fields[i].name == name
                                 : lower_case(fields[i].name) == lower_case(name))
        return static_cast<int>(i);
    }
    return -1;
  };
  std::vector<Field> all;
  std::vector<Field> in_files;
  std::vector<std::string> partition_names;
  for (const Field& field : data->fields()) {
    const int partition = index_in(partitions, field.name);
    Field kept =
        columnar::make_field(field.name, request.schema ? field.type().as_nullable() : field.type(),
                             true, field.metadata);
    if (partition < 0) in_files.push_back(kept);
    if (partition >= 0 && !request.schema)
      kept = columnar::make_field(field.name, partitions[static_cast<size_t>(partition)].type());
    all.push_back(std::move(kept));
  }
  for (const Field& field : partitions) {
    const int index = index_in(all, field.name);
    if (index < 0) all.push_back(field);
    partition_names.push_back(index < 0 ? field.name : all[static_cast<size_t>(index)].name);
  }
  codec::FileFormatRequest format;
  format.format = request.format;
  format.options = request.options;
  format.file_schema = Schema::structure(in_files);
  if (in_files.empty()) format.columns.emplace();
  if (const auto made = codec::make_file_format(std::move(format)); made.ok()) {
    for (const std::string& name : (*made)->unknown_options())
      base::log_warn("a reader of {} files has no option '{}': it is ignored", request.format,
                     name);
  }
  std::vector<ListedFile> files;
  for (size_t i = 0; i < listing.files.size(); ++i) {
    ListedFile file;
    file.info = listing.files[i];
    for (const auto& [name, text] : listing.folders[i].values) {
      const int index = index_in(all, name);
      if (index >= 0) file.values[all[static_cast<size_t>(index)].name] = text;
    }
    files.push_back(std::move(file));
  }
  return std::shared_ptr<const relational::ScanSource>(std::make_shared<FileTable>(
      services, std::move(request), Schema::structure(std::move(all)),
      Schema::structure(std::move(in_files)), std::move(partition_names), std::move(files)));
}

}  // namespace weir::session
