#include "relational/spill_folder.h"

#include "base/logging.h"

namespace weir::relational {

namespace {

constexpr std::string_view kLock = ".lock";  // beside each folder, held while its process lives

// What dead processes left. Whoever gets the lock of a folder may remove it; failures are for the
// next one.
void sweep(io::FileSystem& fs, const std::string& parent) {
  const auto files = fs.list(parent);
  if (!files.ok()) return;
  for (const auto& file : *files) {
    const auto lock_path = io::join_path(parent, file.name);
    if (!file.name.ends_with(kLock)) continue;
    const auto lock = fs.try_lock(lock_path);
    if (!lock.ok() || *lock == nullptr) continue;
    (void)fs.remove_tree(lock_path.substr(0, lock_path.size() - kLock.size()));
    (void)fs.remove(lock_path);
  }
}

Result<std::vector<std::string>> make_missing(io::FileSystem& fs, const std::string& path) {
  std::vector<std::string> missing;
  for (auto folder = path; !folder.empty(); folder = io::parent_path(folder)) {
    WEIR_ASSIGN(const bool there, fs.exists(folder));
    if (there) break;
    missing.insert(missing.begin(), folder);
  }
  for (const auto& folder : missing)
    WEIR_TRY(fs.make_dir(folder));
  return missing;
}

}  // namespace

Result<std::unique_ptr<SpillFolder>> SpillFolder::open(io::FileSystem& fs, base::Random& random,
                                                       const std::string& parent) {
  WEIR_ASSIGN(auto made, make_missing(fs, parent));
  sweep(fs, parent);
  while (true) {
    const auto path = io::join_path(parent, base::uuid(random));
    const auto lock_path = path + std::string(kLock);
    WEIR_ASSIGN(auto lock, fs.try_lock(lock_path));
    // Another process' sweep may have come between the file and its lock.
    WEIR_ASSIGN(const bool there, fs.exists(lock_path));
    if (lock == nullptr || !there) continue;
    WEIR_TRY(fs.make_dir(path));
    return std::unique_ptr<SpillFolder>(
        new SpillFolder(fs, path, std::move(made), std::move(lock)));
  }
}

Result<std::shared_ptr<SpillFolder>> SpillFolder::choose(io::FileSystem& fs, base::Random& random,
                                                         const std::optional<std::string>& given,
                                                         const std::string& warehouse) {
  if (given && given->empty()) return std::shared_ptr<SpillFolder>();
  const auto parent = given ? *given : io::join_path(warehouse, ".spill");
  auto opened = open(fs, random, parent);
  if (opened.ok()) return std::shared_ptr<SpillFolder>(std::move(opened).value());
  if (given) return std::move(opened).error();
  base::log_warn("{}: what outgrows the memory cannot be written there and fails: {}", parent,
                 opened.error().message());
  return std::shared_ptr<SpillFolder>();
}

SpillFolder::SpillFolder(io::FileSystem& fs, std::string path, std::vector<std::string> made,
                         std::unique_ptr<io::FileLock> lock)
    : fs_(fs), path_(std::move(path)), made_(std::move(made)), lock_(std::move(lock)) {}

SpillFolder::~SpillFolder() {
  (void)fs_.remove_tree(path_);
  (void)fs_.remove(path_ + std::string(kLock));
  while (!made_.empty()) {  // those that stay empty
    (void)fs_.remove(made_.back());
    made_.pop_back();
  }
}

}  // namespace weir::relational
