// Rows of a query into the files of a folder.
//
// They are written below _temporary-<uuid>, which readers do not see, made durable, then given
// their names beside the old files, which go then: whatever ends the process, no row is lost.
// _SUCCESS comes last.
#include <optional>
#include <set>

#include "session/part_files.h"

namespace weir::session {

using base::error;
using base::ErrorKind;

namespace {

class FolderWriter {
 public:
  FolderWriter(const Services& services, const FileWrite& write, const Schema& schema)
      : services_(services), write_(write), schema_(schema) {}

  Result<void> prepare() {
    WEIR_ASSIGN(layout_, PartLayout::make(write_, schema_));
    const std::string job = base::uuid(services_.random);
    temporary_ = fmt::format("{}/_temporary-{}", write_.path, job);
    WEIR_TRY(services_.fs.make_dirs(temporary_));
    parts_.emplace(services_.fs, layout_, job, 0,
                   [this](const PartFiles::File& file, size_t number) -> Result<std::string> {
                     return fmt::format("{}/{}-{}", temporary_, number, file.name);
                   });
    return {};
  }

  Result<void> write(const relational::BatchPtr& batch) { return parts_->write(batch); }

  Result<void> commit() {
    // Spark leaves one file where there are no rows, so that the schema can be read.
    if (parts_->files().empty() && !layout_->partitioned()) WEIR_TRY(parts_->write_empty());
    WEIR_TRY(parts_->finish());
    std::set<std::string> folders;
    for (const auto& file : parts_->files())
      folders.insert(file.folder);
    if (write_.overwrite) WEIR_TRY(remove_mark());
    for (const auto& folder : folders)
      WEIR_TRY(services_.fs.make_dirs(below(write_.path, folder)));
    for (const auto& file : parts_->files()) {
      const auto path = below(below(write_.path, file.folder), file.name);
      WEIR_TRY(services_.fs.rename(file.path, path));
      placed_.insert(path);
    }
    for (const auto& folder : folders)
      WEIR_TRY(services_.fs.sync_dir(below(write_.path, folder)));
    placed_for_good_ = true;
    if (write_.overwrite) WEIR_TRY(remove_old(folders));
    WEIR_TRY(services_.fs.remove_tree(temporary_));
    WEIR_TRY(services_.fs.replace(below(write_.path, "_SUCCESS"), ""));
    return services_.fs.sync_dir(write_.path);
  }

  void abort() {
    if (parts_) parts_->abandon();
    if (!placed_for_good_) {
      for (const auto& path : placed_)
        (void)services_.fs.remove(path);
    }
    (void)services_.fs.remove_tree(temporary_);
  }

 private:
  static std::string below(const std::string& folder, const std::string& name) {
    return name.empty() ? folder : io::join_path(folder, name);
  }

  // Without it nobody takes the folder for complete.
  Result<void> remove_mark() {
    auto removed = services_.fs.remove(below(write_.path, "_SUCCESS"));
    if (!removed.ok() && removed.error().kind() != ErrorKind::kNotFound) return removed;
    return {};
  }
  // What readers see below a folder, but for the files that have just come; what other writers are
  // at stays.
  Result<void> clear_folder(const std::string& folder, bool recursive) {
    const auto listed = services_.fs.list(folder);
    if (!listed.ok()) {
      if (listed.error().kind() == ErrorKind::kNotFound) return {};
      return listed.error();
    }
    for (const auto& entry : *listed) {
      if (entry.name.starts_with("_temporary-") || placed_.contains(entry.path)) continue;
      if (!entry.is_directory) {
        WEIR_TRY(services_.fs.remove(entry.path));
      } else if (recursive) {
        const auto first = placed_.lower_bound(entry.path + "/");
        if (first != placed_.end() && first->starts_with(entry.path + "/")) {
          WEIR_TRY(clear_folder(entry.path, true));
        } else {
          WEIR_TRY(services_.fs.remove_tree(entry.path));
        }
      }
    }
    return services_.fs.sync_dir(folder);
  }
  Result<void> remove_old(const std::set<std::string>& folders) {
    if (write_.dynamic_partitions) {
      for (const auto& folder : folders)
        WEIR_TRY(clear_folder(below(write_.path, folder), false));
      return {};
    }
    return clear_folder(below(write_.path, write_.static_folder), true);
  }

  const Services& services_;
  const FileWrite& write_;
  Schema schema_;
  std::shared_ptr<const PartLayout> layout_;
  std::string temporary_;
  std::optional<PartFiles> parts_;
  std::set<std::string> placed_;  // the files that have their names
  bool placed_for_good_ = false;
};

}  // namespace

Result<void> write_files(const Services& services, const FileWrite& write, const Schema& schema,
                         const std::function<Result<relational::BatchPtr>()>& next) {
  FolderWriter writer(services, write, schema);
  WEIR_TRY(writer.prepare());
  const auto fill = [&]() -> Result<void> {
    while (true) {
      WEIR_ASSIGN(const auto batch, next());
      if (!batch) return writer.commit();
      WEIR_TRY(writer.write(batch));
    }
  };
  auto done = fill();
  if (!done.ok()) writer.abort();
  return done;
}

}  // namespace weir::session
