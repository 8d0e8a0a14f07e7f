#include "session/file_sink.h"

#include <set>

#include <arrow/record_batch.h>

#include "base/logging.h"
#include "delta/durable_folders.h"
#include "session/file_table.h"
#include "session/part_files.h"
#include "source/file_sink_log.h"

namespace weir::session {

using base::BatchId;
using base::error;
using base::ErrorKind;
using sink::SinkCommit;

namespace {

// A batch that the log has already.
class WrittenBatch final : public sink::BatchWriter {
 public:
  Result<void> write(int, const std::shared_ptr<arrow::RecordBatch>&) override { return {}; }
  Result<SinkCommit> commit() override {
    SinkCommit done;
    done.rows = -1;
    done.already_done = true;
    return done;
  }
  Result<void> abort() override { return {}; }
};

class FileBatch final : public sink::BatchWriter {
 public:
  FileBatch(const Services& services, const FileWrite& write,
            const std::shared_ptr<const PartLayout>& layout, source::FileSinkLog& log,
            delta::DurableFolders& folders, int parts)
      : services_(services), write_(write), log_(log), folders_(folders) {
    const std::string job = base::uuid(services.random);
    const auto place = [this](const PartFiles::File& file, size_t) -> Result<std::string> {
      const std::string folder = folder_of(file);
      WEIR_TRY(folders_.ensure(services_.fs, write_.path, folder));
      WEIR_TRY(services_.fs.make_dirs(folder));  // somebody may have tidied it away
      return io::join_path(folder, file.name);
    };
    for (int part = 0; part < parts; ++part)
      parts_.push_back(std::make_unique<PartFiles>(services.fs, layout, job, part, place));
  }
  ~FileBatch() override {
    if (!committed_) (void)abort();
  }

  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    return parts_[static_cast<size_t>(part)]->write(rows);
  }

  Result<SinkCommit> commit() override {
    SinkCommit done;
    std::vector<io::FileInfo> written;
    std::set<std::string> folders;
    for (const auto& part : parts_) {
      WEIR_TRY(part->finish());
      for (const auto& file : part->files()) {
        WEIR_ASSIGN(auto info, services_.fs.stat(file.path));
        done.rows += file.rows;
        done.bytes += info.size;
        info.path = file.path;
        written.push_back(std::move(info));
        folders.insert(folder_of(file));
      }
    }
    WEIR_TRY(folders_.ensure(services_.fs, write_.path, write_.path));
    for (const auto& folder : folders)
      WEIR_TRY(services_.fs.sync_dir(folder));
    committed_ = true;  // from here on the log may name the files, whatever becomes of the call
    WEIR_TRY(log_.add(written));
    done.details["files"] = static_cast<int64_t>(written.size());
    return done;
  }

  Result<void> abort() override {
    committed_ = true;  // no second time
    for (const auto& part : parts_) {
      part->abandon();
      for (const auto& file : part->files()) {
        const auto removed = services_.fs.remove(file.path);
        if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound)
          base::log_warn("a file of a failed batch stays behind, unread: {}",
                         removed.error().to_string());
      }
    }
    return {};
  }

 private:
  std::string folder_of(const PartFiles::File& file) const {
    return file.folder.empty() ? write_.path : io::join_path(write_.path, file.folder);
  }

  const Services& services_;
  const FileWrite& write_;
  source::FileSinkLog& log_;
  delta::DurableFolders& folders_;
  std::vector<std::unique_ptr<PartFiles>> parts_;
  bool committed_ = false;
};

class FileSink final : public sink::Sink {
 public:
  FileSink(const Services& services, FileWrite write, int64_t log_interval)
      : services_(services), write_(std::move(write)), log_interval_(log_interval) {
    while (write_.path.size() > 1 && write_.path.ends_with('/'))
      write_.path.pop_back();
  }

  std::string description() const override { return fmt::format("FileSink[file:{}]", write_.path); }
  bool exactly_once() const override { return true; }

  Result<std::string> prepare(const sink::QueryIdentity& query, const Schema& schema) override {
    WEIR_ASSIGN(layout_, PartLayout::make(write_, schema));
    if (const auto info = services_.fs.stat(write_.path); info.ok() && !info->is_directory)
      return error(ErrorKind::kInvalidArgument, "{} is a file; the sink needs a folder",
                   write_.path);
    log_.emplace(services_.fs, write_.path, log_interval_);
    WEIR_TRY(log_->open(query.query_id));
    return std::string();
  }
  Result<void> confirm_committed(BatchId batch) override {
    // The checkpoint may be one batch behind, where the process died in between.
    if (log_->latest() > batch.value() + 1)
      return error(ErrorKind::kConflict,
                   "the log in {} has batch {}, and the query's checkpoint ends with batch {}: it "
                   "is an old copy, or entries of it were removed. New rows would be taken for "
                   "those of batches already written. Restore the newer checkpoint, or start with "
                   "a new one and another folder",
                   write_.path, log_->latest(), batch.value());
    if (log_->latest() >= batch.value()) return {};
    return error(ErrorKind::kConflict,
                 "the log in {} ends at batch {} and the query's checkpoint at batch {}: this is "
                 "another folder, or its _spark_metadata was removed",
                 write_.path, log_->latest(), batch.value());
  }
  Result<std::unique_ptr<sink::BatchWriter>> begin(BatchId batch, int parts) override {
    if (batch.value() <= log_->latest())
      return std::unique_ptr<sink::BatchWriter>(std::make_unique<WrittenBatch>());
    if (batch.value() != log_->latest() + 1)
      return error(ErrorKind::kConflict,
                   "the log in {} ends at batch {}, and batch {} is to be written", write_.path,
                   log_->latest(), batch.value());
    return std::unique_ptr<sink::BatchWriter>(
        std::make_unique<FileBatch>(services_, write_, layout_, *log_, folders_, parts));
  }

 private:
  Services services_;
  FileWrite write_;
  int64_t log_interval_;
  std::shared_ptr<const PartLayout> layout_;
  std::optional<source::FileSinkLog> log_;
  delta::DurableFolders folders_;  // of the path, over all batches
};

}  // namespace

Result<std::unique_ptr<sink::Sink>> make_file_sink(const Services& services, FileWrite write,
                                                   int64_t log_interval) {
  if (!is_file_format(write.format)) return no_data_source(write.format);
  std::erase_if(write.options, [](const auto& option) {
    const std::string name = lower_case(option.first);
    return name == "path" || name == "checkpointlocation" || name == "queryname";
  });
  for (const auto& [key, value] : write.options) {
    if (lower_case(key) == "retention") return unsupported("the option retention of the file sink");
  }
  return std::unique_ptr<sink::Sink>(
      std::make_unique<FileSink>(services, std::move(write), log_interval));
}

}  // namespace weir::session
