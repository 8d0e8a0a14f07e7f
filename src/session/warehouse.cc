#include "session/warehouse.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <stop_token>
#include <unistd.h>

#include "session/catalog_json.h"

namespace weir::session {

using base::error;
using base::ErrorKind;

namespace {

constexpr std::string_view kCatalogFolder = "_weir_catalog";
constexpr std::string_view kDefaultDatabase = "default";
constexpr std::string_view kSuffix = ".json";
constexpr std::string_view kNoteSuffix = ".change";
constexpr std::string_view kDraftSuffix = ".draft";
constexpr int64_t kLockWaitUs = 30'000'000;
constexpr int64_t kLockPauseUs = 5'000;

bool not_found(const base::Error& failure) { return failure.kind() == ErrorKind::kNotFound; }

std::string decode_name(std::string_view file) {
  std::string name;
  for (size_t i = 0; i < file.size(); ++i) {
    if (file[i] == '%' && i + 2 < file.size()) {
      name +=
          static_cast<char>(std::strtol(std::string(file.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else {
      name += file[i];
    }
  }
  return name;
}

Result<std::vector<std::string>> names_in(io::FileSystem& fs, const std::string& folder) {
  std::vector<std::string> names;
  const auto listed = fs.list(folder);
  if (!listed.ok()) {
    if (not_found(listed.error())) return names;
    return listed.error();
  }
  for (const auto& file : *listed) {
    const std::string_view name = file.name;
    if (file.is_directory || name.starts_with(io::kTemporaryPrefix) || !name.ends_with(kSuffix))
      continue;
    names.push_back(decode_name(name.substr(0, name.size() - kSuffix.size())));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<std::string>> read_if_there(io::FileSystem& fs, const std::string& path) {
  auto text = fs.read_all(path);
  if (text.ok()) return std::optional<std::string>(std::move(text).value());
  if (not_found(text.error())) return std::optional<std::string>();
  return std::move(text).error();
}

Result<void> remove_durably(io::FileSystem& fs, const std::string& path) {
  const auto removed = fs.remove(path);
  if (!removed.ok() && !not_found(removed.error())) return removed.error();
  const auto synced = fs.sync_dir(io::parent_path(path));
  if (!synced.ok() && !not_found(synced.error())) return synced.error();
  return {};
}

Result<void> carry_out(io::FileSystem& fs, const ChangeNote& note) {
  for (const auto& put : note.puts) {
    WEIR_TRY(fs.make_dirs(io::parent_path(put.path)));
    WEIR_TRY(fs.replace(put.path, put.bytes));
  }
  for (const auto& path : note.files)
    WEIR_TRY(remove_durably(fs, path));
  for (const auto& folder : note.folders) {
    WEIR_TRY(fs.remove_tree(folder));
    const auto synced = fs.sync_dir(io::parent_path(folder));
    if (!synced.ok() && !not_found(synced.error())) return synced.error();
  }
  return {};
}

}  // namespace

std::string catalog_file_name(std::string_view name) {
  std::string file;
  for (const char c : lower_case(name)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (plain) {
      file += c;
    } else {
      file += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return file;
}

Warehouse::Warehouse(Services services, std::string folder)
    : services_(services), folder_(std::move(folder)), cache_budget_(services.cache_bytes) {}

Result<std::shared_ptr<Warehouse>> Warehouse::open(Services services, const std::string& folder) {
  std::string absolute = folder;
  if (absolute.starts_with("file://")) absolute.erase(0, 7);
  if (absolute.starts_with("file:")) absolute.erase(0, 5);
  if (!absolute.starts_with('/')) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof(here)) == nullptr)
      return error(ErrorKind::kIo, "the working folder is not known");
    absolute = io::join_path(here, absolute);
  }
  while (absolute.size() > 1 && absolute.ends_with('/'))
    absolute.pop_back();
  return std::shared_ptr<Warehouse>(new Warehouse(services, std::move(absolute)));
}

std::string Warehouse::catalog_path(std::string_view below) const {
  return fmt::format("{}/{}/{}", folder_, kCatalogFolder, below);
}
std::string Warehouse::database_path(std::string_view name) const {
  return catalog_path(fmt::format("databases/{}{}", catalog_file_name(name), kSuffix));
}
std::string Warehouse::table_path(std::string_view database, std::string_view name) const {
  return catalog_path(
      fmt::format("tables/{}/{}{}", catalog_file_name(database), catalog_file_name(name), kSuffix));
}

// --- changes

Result<void> Warehouse::prepare_folder() {
  for (const char* folder : {"databases", "tables", "changes"}) {
    const std::string path = catalog_path(folder);
    WEIR_TRY(services_.fs.make_dirs(path));
    // Whoever made it before may have died before its name was durable.
    WEIR_TRY(services_.fs.sync_dir(io::parent_path(path)));
  }
  WEIR_TRY(services_.fs.sync_dir(folder_));
  return services_.fs.sync_dir(io::parent_path(folder_));
}

Result<void> Warehouse::locked(const std::function<Result<void>()>& change) {
  const std::lock_guard guard(mutex_);
  WEIR_TRY(prepare_folder());
  const std::string lock_path = catalog_path("lock");
  const int64_t deadline = services_.clock.monotonic_us() + kLockWaitUs;
  std::unique_ptr<io::FileLock> lock;
  while (true) {
    WEIR_ASSIGN(lock, services_.fs.try_lock(lock_path));
    if (lock) break;
    if (services_.clock.monotonic_us() >= deadline) {
      return error(ErrorKind::kTimeout,
                   "the catalog {} is being changed by another process since 30 s; it holds {}",
                   folder_, lock_path);
    }
    services_.clock.sleep_for_us(kLockPauseUs, {});
  }
  WEIR_TRY(sweep());
  return change();
}

namespace {

// Whether a table of the catalog keeps its data there.
Result<bool> is_used(const Warehouse& warehouse, const std::string& location) {
  WEIR_ASSIGN(const auto databases, warehouse.databases());
  for (const auto& database : databases) {
    WEIR_ASSIGN(const auto names, warehouse.tables(database));
    for (const auto& name : names) {
      WEIR_ASSIGN(const auto entry, warehouse.table(database, name));
      if (entry && entry->location == location) return true;
    }
  }
  return false;
}

}  // namespace

Result<void> Warehouse::sweep() {
  io::FileSystem& fs = services_.fs;
  WEIR_ASSIGN(const auto listed, fs.list(catalog_path("changes")));
  for (const auto& file : listed) {
    if (file.name.starts_with(io::kTemporaryPrefix)) {
      WEIR_TRY(remove_durably(fs, file.path));
    } else if (file.name.ends_with(kNoteSuffix)) {
      WEIR_TRY(finish_removal(file.path));
    } else if (file.name.ends_with(kDraftSuffix)) {
      WEIR_ASSIGN(const auto owner, fs.try_lock(file.path));
      if (!owner) continue;  // still being filled
      WEIR_ASSIGN(const std::string location, fs.read_all(file.path));
      WEIR_ASSIGN(const bool used, is_used(*this, location));
      if (!used && !location.empty()) WEIR_TRY(fs.remove_tree(location));
      WEIR_TRY(remove_durably(fs, file.path));
    }
  }
  return {};
}

// Carries out a change whose note is there, and forgets the note.
Result<void> Warehouse::finish_removal(const std::string& note_path) {
  WEIR_ASSIGN(const std::string text, services_.fs.read_all(note_path));
  WEIR_ASSIGN(const ChangeNote note, parse_change_note_json(text, note_path));
  WEIR_TRY(carry_out(services_.fs, note));
  return remove_durably(services_.fs, note_path);
}

namespace {

Result<std::string> write_note(const Services& services, const std::string& folder,
                               const ChangeNote& note) {
  const std::string path =
      io::join_path(folder, base::uuid(services.random) + std::string(kNoteSuffix));
  WEIR_TRY(services.fs.create_if_absent(path, change_note_json(note)));
  return path;
}

}  // namespace

// --- databases

Result<std::vector<std::string>> Warehouse::databases() const {
  WEIR_ASSIGN(auto names, names_in(services_.fs, catalog_path("databases")));
  if (!std::binary_search(names.begin(), names.end(), kDefaultDatabase)) {
    names.emplace_back(kDefaultDatabase);
    std::sort(names.begin(), names.end());
  }
  return names;
}

Result<std::optional<DatabaseEntry>> Warehouse::database(std::string_view name) const {
  const std::string path = database_path(name);
  WEIR_ASSIGN(const auto text, read_if_there(services_.fs, path));
  if (text) {
    WEIR_ASSIGN(auto entry, parse_database_json(*text, path));
    return std::optional<DatabaseEntry>(std::move(entry));
  }
  if (lower_case(name) != kDefaultDatabase) return std::optional<DatabaseEntry>();
  DatabaseEntry entry;
  entry.name = std::string(kDefaultDatabase);
  entry.comment = "default database";
  entry.location = folder_;
  return std::optional<DatabaseEntry>(std::move(entry));
}

Result<bool> Warehouse::create_database(DatabaseEntry entry) {
  entry.name = lower_case(entry.name);
  if (entry.name == kDefaultDatabase) return false;
  entry.created_ms = services_.clock.now_ms();
  if (entry.location.empty())
    entry.location = fmt::format("{}/{}.db", folder_, catalog_file_name(entry.name));
  bool created = false;
  auto done = locked([&]() -> Result<void> {
    WEIR_TRY(services_.fs.make_dirs(entry.location));
    WEIR_TRY(services_.fs.make_dirs(io::parent_path(table_path(entry.name, "x"))));
    WEIR_ASSIGN(const auto outcome,
                services_.fs.create_if_absent(database_path(entry.name), database_json(entry)));
    created = outcome == io::CreateOutcome::kCreated;
    return {};
  });
  WEIR_TRY(std::move(done));
  return created;
}

Result<bool> Warehouse::replace_database(const DatabaseEntry& entry) {
  bool there = false;
  auto done = locked([&]() -> Result<void> {
    WEIR_ASSIGN(const auto now, database(entry.name));
    there = now.has_value();
    if (!there) return {};
    return services_.fs.replace(database_path(entry.name), database_json(entry));
  });
  WEIR_TRY(std::move(done));
  return there;
}

Result<bool> Warehouse::drop_database(std::string_view name) {
  bool there = false;
  auto done = locked([&]() -> Result<void> {
    WEIR_ASSIGN(const auto entry, database(name));
    there = entry.has_value();
    if (!there) return {};
    ChangeNote note;
    WEIR_ASSIGN(const auto names, tables(name));
    for (const auto& one : names) {
      WEIR_ASSIGN(const auto in_it, table(name, one));
      note.files.push_back(table_path(name, one));
      if (in_it && in_it->kind == TableKind::kManaged) note.folders.push_back(in_it->location);
    }
    note.files.push_back(database_path(name));
    WEIR_ASSIGN(const std::string path, write_note(services_, catalog_path("changes"), note));
    WEIR_TRY(finish_removal(path));
    if (entry->location != folder_) (void)services_.fs.remove(entry->location);  // where empty
    return {};
  });
  WEIR_TRY(std::move(done));
  return there;
}

// --- tables

Result<std::vector<std::string>> Warehouse::tables(std::string_view database) const {
  return names_in(services_.fs, io::parent_path(table_path(database, "x")));
}

Result<std::optional<TableEntry>> Warehouse::table(std::string_view database,
                                                   std::string_view name) const {
  const std::string path = table_path(database, name);
  WEIR_ASSIGN(const auto text, read_if_there(services_.fs, path));
  if (!text) return std::optional<TableEntry>();
  WEIR_ASSIGN(auto entry, parse_table_json(*text, path));
  return std::optional<TableEntry>(std::move(entry));
}

Result<bool> Warehouse::create_table(const TableEntry& entry) {
  bool created = false;
  auto done = locked([&]() -> Result<void> {
    const std::string path = table_path(entry.database, entry.name);
    WEIR_TRY(services_.fs.make_dirs(io::parent_path(path)));
    WEIR_TRY(services_.fs.sync_dir(catalog_path("tables")));
    WEIR_ASSIGN(const auto outcome, services_.fs.create_if_absent(path, table_json(entry)));
    created = outcome == io::CreateOutcome::kCreated;
    return {};
  });
  WEIR_TRY(std::move(done));
  return created;
}

Result<void> Warehouse::put_table(const TableEntry& entry) {
  return locked([&]() -> Result<void> {
    const std::string path = table_path(entry.database, entry.name);
    WEIR_TRY(services_.fs.make_dirs(io::parent_path(path)));
    WEIR_TRY(services_.fs.sync_dir(catalog_path("tables")));
    return services_.fs.replace(path, table_json(entry));
  });
}

Result<bool> Warehouse::drop_table(std::string_view database, std::string_view name) {
  bool there = false;
  auto done = locked([&]() -> Result<void> {
    WEIR_ASSIGN(const auto entry, table(database, name));
    there = entry.has_value();
    if (!there) return {};
    ChangeNote note;
    note.files.push_back(table_path(database, name));
    if (entry->kind == TableKind::kManaged) note.folders.push_back(entry->location);
    WEIR_ASSIGN(const std::string path, write_note(services_, catalog_path("changes"), note));
    return finish_removal(path);
  });
  WEIR_TRY(std::move(done));
  return there;
}

Result<Warehouse::Renamed> Warehouse::rename_table(std::string_view database, std::string_view from,
                                                   std::string_view to) {
  Renamed outcome = Renamed::kDone;
  auto done = locked([&]() -> Result<void> {
    WEIR_ASSIGN(auto entry, table(database, from));
    if (!entry) {
      outcome = Renamed::kNotFound;
      return {};
    }
    WEIR_ASSIGN(const auto taken, table(database, to));
    if (taken) {
      outcome = Renamed::kExists;
      return {};
    }
    entry->name = lower_case(to);
    ChangeNote note;
    note.puts.push_back({table_path(database, to), table_json(*entry)});
    note.files.push_back(table_path(database, from));
    WEIR_ASSIGN(const std::string path, write_note(services_, catalog_path("changes"), note));
    return finish_removal(path);
  });
  WEIR_TRY(std::move(done));
  return outcome;
}

Result<std::string> Warehouse::managed_location(std::string_view database,
                                                std::string_view name) const {
  WEIR_ASSIGN(const auto entry, this->database(database));
  if (!entry) return error(ErrorKind::kNotFound, "there is no database {}", database);
  const std::string location = io::join_path(entry->location, catalog_file_name(name));
  // A table that was renamed keeps its folder: the old name, used again, gets another.
  WEIR_ASSIGN(const auto names, tables(database));
  for (const auto& one : names) {
    WEIR_ASSIGN(const auto other, table(database, one));
    if (other && other->location == location && other->name != lower_case(name)) {
      return fmt::format("{}-{}", location, base::uuid(services_.random).substr(0, 8));
    }
  }
  return location;
}

// --- global temporary views

bool Warehouse::put_global_view(const std::string& name, ViewPlan plan, bool replace) {
  const std::lock_guard lock(views_mutex_);
  auto& view = views_[lower_case(name)];
  if (view && !replace) return false;
  view = std::move(plan);
  return true;
}

Warehouse::ViewPlan Warehouse::global_view(const std::string& name) const {
  const std::lock_guard lock(views_mutex_);
  const auto found = views_.find(lower_case(name));
  return found == views_.end() ? nullptr : found->second;
}

bool Warehouse::drop_global_view(const std::string& name) {
  const std::lock_guard lock(views_mutex_);
  return views_.erase(lower_case(name)) > 0;
}

std::vector<std::string> Warehouse::global_views() const {
  const std::lock_guard lock(views_mutex_);
  std::vector<std::string> names;
  for (const auto& [name, plan] : views_)
    names.push_back(name);
  return names;
}

// --- drafts

class FolderDraft final : public Warehouse::Draft {
 public:
  FolderDraft(Warehouse& warehouse, std::string note, std::string location,
              std::unique_ptr<io::FileLock> lock)
      : warehouse_(warehouse),
        note_(std::move(note)),
        location_(std::move(location)),
        lock_(std::move(lock)) {}
  ~FolderDraft() override {
    if (kept_) return;
    // Where this fails, the next change finds the note.
    (void)warehouse_.locked([&]() -> Result<void> {
      io::FileSystem& fs = warehouse_.services_.fs;
      WEIR_ASSIGN(const bool used, is_used(warehouse_, location_));
      if (!used) WEIR_TRY(fs.remove_tree(location_));
      return remove_durably(fs, note_);
    });
  }
  Result<void> keep() override {
    kept_ = true;
    return forget();
  }

 private:
  Result<void> forget() {
    return warehouse_.locked(
        [&]() -> Result<void> { return remove_durably(warehouse_.services_.fs, note_); });
  }
  Warehouse& warehouse_;
  std::string note_;
  std::string location_;
  std::unique_ptr<io::FileLock> lock_;
  bool kept_ = false;
};

Result<std::unique_ptr<Warehouse::Draft>> Warehouse::draft(const std::string& location) {
  std::string note;
  std::unique_ptr<io::FileLock> lock;
  auto done = locked([&]() -> Result<void> {
    // What sweep() has left belongs to somebody who lives.
    WEIR_ASSIGN(const auto listed, services_.fs.list(catalog_path("changes")));
    for (const auto& file : listed) {
      if (!file.name.ends_with(kDraftSuffix)) continue;
      WEIR_ASSIGN(const std::string other, services_.fs.read_all(file.path));
      if (other == location)
        return error(ErrorKind::kAlreadyExists, "another statement fills the folder {}", location);
    }
    note = catalog_path(fmt::format("changes/{}{}", base::uuid(services_.random), kDraftSuffix));
    WEIR_TRY(services_.fs.create_if_absent(note, location));
    WEIR_ASSIGN(lock, services_.fs.try_lock(note));
    return {};
  });
  WEIR_TRY(std::move(done));
  return std::unique_ptr<Draft>(
      std::make_unique<FolderDraft>(*this, std::move(note), location, std::move(lock)));
}

}  // namespace weir::session
