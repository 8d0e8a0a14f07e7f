#include "io/model_file_system.h"

#include <algorithm>
#include <set>
#include <utility>

namespace weir::io {

using base::error;
using base::ErrorKind;

namespace {

std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= path.size()) {
    const size_t slash = std::min(path.find('/', start), path.size());
    std::string part = path.substr(start, slash - start);
    if (part == ".." && !parts.empty()) {
      parts.pop_back();
    } else if (!part.empty() && part != "." && part != "..") {
      parts.push_back(std::move(part));
    }
    start = slash + 1;
  }
  return parts;
}

}  // namespace

// One directory operation: names that point somewhere else (or nowhere) from then on. Shared by the
// two folders of a rename, so that it is kept as a whole or not at all.
struct ModelFileSystem::NameChange {
  struct Edit {
    std::weak_ptr<Node> folder;  // weak: the folder holds the change
    std::string name;
    NodePtr target;  // null: the name goes away

    void apply(std::map<std::string, NodePtr> Node::*names) const;
  };
  std::vector<Edit> edits;
  bool durable = false;
};

struct ModelFileSystem::Node {
  struct PendingWrite {
    bool is_truncate = false;
    int64_t offset = 0;  // of the write, or the size after a truncate
    int64_t length = 0;
    bool lost_by_failed_sync = false;
  };

  bool is_folder = false;
  int64_t modified_us = 0;
  bool locked = false;
  // file
  std::string bytes;
  std::string durable_bytes;
  std::vector<PendingWrite> pending;
  // folder
  std::map<std::string, NodePtr> names;
  std::map<std::string, NodePtr> durable_names;
  std::vector<std::shared_ptr<NameChange>> changes;

  void append(std::string_view data) {
    pending.push_back({.offset = static_cast<int64_t>(bytes.size()),
                       .length = static_cast<int64_t>(data.size())});
    bytes += data;
  }

  void make_durable() {
    std::vector<PendingWrite> left;
    for (const PendingWrite& write : pending) {
      if (write.lost_by_failed_sync) {
        left.push_back(write);
      } else if (write.is_truncate) {
        durable_bytes.resize(static_cast<size_t>(write.offset), '\0');
      } else {
        const auto end = static_cast<size_t>(write.offset + write.length);
        if (durable_bytes.size() < end) durable_bytes.resize(end, '\0');
        const size_t there =
            std::min(bytes.size(), end);  // a later truncate may have cut the bytes
        for (size_t i = static_cast<size_t>(write.offset); i < there; ++i)
          durable_bytes[i] = bytes[i];
      }
    }
    pending = std::move(left);
  }
};

void ModelFileSystem::NameChange::Edit::apply(std::map<std::string, NodePtr> Node::*names) const {
  const NodePtr in = folder.lock();
  if (in == nullptr) return;  // the folder itself is gone
  if (target == nullptr) {
    ((*in).*names).erase(name);
  } else {
    ((*in).*names)[name] = target;
  }
}

class ModelWritableFile final : public WritableFile {
 public:
  ModelWritableFile(ModelFileSystem& fs, ModelFileSystem::NodePtr node, std::string path)
      : fs_(fs), node_(std::move(node)), path_(std::move(path)), boot_(fs.boot_) {}

  Result<void> append(std::string_view bytes) override {
    return append_pieces(std::span(&bytes, 1));
  }

  Result<void> append_pieces(std::span<const std::string_view> pieces) override {
    std::lock_guard lock(fs_.mutex_);
    WEIR_TRY(alive());
    auto allowed = fs_.before_change("write to", path_, true);
    std::string all;
    for (const std::string_view piece : pieces)
      all += piece;
    if (!allowed.ok()) {
      if (std::exchange(fs_.short_write_pending_, false) && !all.empty())
        node_->append(std::string_view(all).substr(0, fs_.random_.below(all.size())));
      return allowed;
    }
    node_->append(all);
    node_->modified_us = fs_.tick();
    return {};
  }

  Result<void> sync() override {
    std::lock_guard lock(fs_.mutex_);
    WEIR_TRY(alive());
    auto allowed = fs_.before_change("sync", path_, false);
    if (!allowed.ok()) {
      for (auto& write : node_->pending)
        write.lost_by_failed_sync = true;
      return allowed;
    }
    node_->make_durable();
    return {};
  }

  Result<void> truncate(int64_t size) override {
    std::lock_guard lock(fs_.mutex_);
    WEIR_TRY(alive());
    WEIR_TRY(fs_.before_change("truncate", path_, false));
    node_->bytes.resize(static_cast<size_t>(size), '\0');
    node_->pending.push_back({.is_truncate = true, .offset = size});
    return {};
  }

  int64_t size() const override {
    std::lock_guard lock(fs_.mutex_);
    return static_cast<int64_t>(node_->bytes.size());
  }

  Result<void> close() override { return {}; }

 private:
  Result<void> alive() const {
    if (boot_ != fs_.boot_) return error(ErrorKind::kIo, "{}: opened before the restart", path_);
    return {};
  }

  ModelFileSystem& fs_;
  ModelFileSystem::NodePtr node_;
  std::string path_;
  uint64_t boot_;
};

class ModelReadableFile final : public ReadableFile {
 public:
  ModelReadableFile(const ModelFileSystem& fs, ModelFileSystem::NodePtr node)
      : fs_(fs), node_(std::move(node)) {}

  Result<int64_t> read_at(int64_t offset, int64_t length, void* buffer) const override {
    std::lock_guard lock(fs_.mutex_);
    WEIR_TRY(fs_.check_power());
    const auto size = static_cast<int64_t>(node_->bytes.size());
    const int64_t count = std::clamp<int64_t>(size - offset, 0, length);
    if (count > 0)
      node_->bytes.copy(static_cast<char*>(buffer), static_cast<size_t>(count),
                        static_cast<size_t>(offset));
    return count;
  }

  Result<int64_t> size() const override {
    std::lock_guard lock(fs_.mutex_);
    return static_cast<int64_t>(node_->bytes.size());
  }

 private:
  const ModelFileSystem& fs_;
  ModelFileSystem::NodePtr node_;
};

class ModelFileLock final : public FileLock {
 public:
  ModelFileLock(ModelFileSystem& fs, ModelFileSystem::NodePtr node)
      : fs_(fs), node_(std::move(node)), boot_(fs.boot_) {}
  ~ModelFileLock() override {
    std::lock_guard lock(fs_.mutex_);
    if (boot_ == fs_.boot_) node_->locked = false;
  }

 private:
  ModelFileSystem& fs_;
  ModelFileSystem::NodePtr node_;
  uint64_t boot_;
};

ModelFileSystem::ModelFileSystem(uint64_t seed) : random_(seed), root_(std::make_shared<Node>()) {
  root_->is_folder = true;
}

ModelFileSystem::~ModelFileSystem() = default;

void ModelFileSystem::inject(int64_t calls_from_now, Fault fault) {
  std::lock_guard lock(mutex_);
  fault_at_ = calls_ + calls_from_now;
  fault_ = fault;
  fault_reached_ = false;
}

int64_t ModelFileSystem::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

bool ModelFileSystem::power_lost() const {
  std::lock_guard lock(mutex_);
  return power_lost_;
}

bool ModelFileSystem::fault_reached() const {
  std::lock_guard lock(mutex_);
  return fault_reached_;
}

void ModelFileSystem::cut_power() {
  std::lock_guard lock(mutex_);
  power_lost_ = true;
}

void ModelFileSystem::free_space() {
  std::lock_guard lock(mutex_);
  no_space_ = false;
}

int64_t ModelFileSystem::tick() { return time_us_ += 1000; }

Result<void> ModelFileSystem::check_power() const {
  if (power_lost_) return error(ErrorKind::kIo, "the power is off");
  return {};
}

Result<void> ModelFileSystem::before_change(std::string_view action, const std::string& path,
                                            bool needs_room) {
  WEIR_TRY(check_power());
  const bool hit = calls_++ == fault_at_;
  if (hit) {
    fault_reached_ = true;
    switch (fault_) {
      case Fault::kPowerLoss:
        power_lost_ = true;
        return check_power();
      case Fault::kNoSpace:
        no_space_ = true;
        break;
      case Fault::kShortWrite:
        short_write_pending_ = true;
        [[fallthrough]];
      case Fault::kError:
        return error(ErrorKind::kIo, "cannot {} {}: injected error", action, path);
    }
  }
  if (no_space_ && needs_room)
    return error(ErrorKind::kResourceExhausted, "cannot {} {}: no space left on device", action,
                 path);
  return {};
}

ModelFileSystem::NodePtr ModelFileSystem::find(const std::string& path) const {
  NodePtr node = root_;
  for (const std::string& part : components(path)) {
    const auto found = node->names.find(part);
    if (found == node->names.end()) return nullptr;
    node = found->second;
  }
  return node;
}

Result<ModelFileSystem::NodePtr> ModelFileSystem::find_folder_of(const std::string& path) const {
  NodePtr folder = find(parent_path(path));
  if (folder == nullptr || !folder->is_folder)
    return error(ErrorKind::kNotFound, "no folder {}", parent_path(path));
  return folder;
}

void ModelFileSystem::record(const NodePtr& folder, std::shared_ptr<NameChange> change) {
  std::set<Node*> touched{folder.get()};
  for (const auto& edit : change->edits) {
    edit.apply(&Node::names);
    touched.insert(edit.folder.lock().get());
  }
  for (Node* node : touched)
    node->changes.push_back(change);
}

Result<std::unique_ptr<WritableFile>> ModelFileSystem::open_append(const std::string& path) {
  {
    std::lock_guard lock(mutex_);
    WEIR_TRY(check_power());
    if (NodePtr node = find(path); node != nullptr && !node->is_folder)
      return std::unique_ptr<WritableFile>(std::make_unique<ModelWritableFile>(*this, node, path));
  }
  return create(path);
}

Result<std::unique_ptr<WritableFile>> ModelFileSystem::create(const std::string& path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(before_change("create", path, true));
  if (find(path) != nullptr)
    return error(ErrorKind::kAlreadyExists, "cannot create {}: file exists", path);
  WEIR_ASSIGN(NodePtr folder, find_folder_of(path));
  auto node = std::make_shared<Node>();
  node->modified_us = tick();
  record(folder,
         std::make_shared<NameChange>(NameChange{.edits = {{folder, file_name(path), node}}}));
  return std::unique_ptr<WritableFile>(std::make_unique<ModelWritableFile>(*this, node, path));
}

Result<std::unique_ptr<ReadableFile>> ModelFileSystem::open_read(const std::string& path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(check_power());
  NodePtr node = find(path);
  if (node == nullptr || node->is_folder)
    return error(ErrorKind::kNotFound, "cannot open {}: no such file", path);
  return std::unique_ptr<ReadableFile>(std::make_unique<ModelReadableFile>(*this, node));
}

Result<FileInfo> ModelFileSystem::stat(const std::string& path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(check_power());
  NodePtr node = find(path);
  if (node == nullptr) return error(ErrorKind::kNotFound, "cannot stat {}: no such file", path);
  return FileInfo{.name = file_name(path),
                  .path = path,
                  .size = static_cast<int64_t>(node->bytes.size()),
                  .modified_us = node->modified_us,
                  .is_directory = node->is_folder};
}

Result<void> ModelFileSystem::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(before_change("rename", from, false));
  NodePtr node = find(from);
  if (node == nullptr) return error(ErrorKind::kNotFound, "cannot rename {}: no such file", from);
  WEIR_ASSIGN(NodePtr from_folder, find_folder_of(from));
  WEIR_ASSIGN(NodePtr to_folder, find_folder_of(to));
  auto change = std::make_shared<NameChange>();
  change->edits.push_back({from_folder, file_name(from), nullptr});
  change->edits.push_back({to_folder, file_name(to), node});
  record(to_folder, std::move(change));
  return {};
}

Result<void> ModelFileSystem::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(before_change("remove", path, false));
  NodePtr node = find(path);
  if (node == nullptr) return error(ErrorKind::kNotFound, "cannot remove {}: no such file", path);
  if (!node->names.empty())
    return error(ErrorKind::kIo, "cannot remove {}: folder not empty", path);
  WEIR_ASSIGN(NodePtr folder, find_folder_of(path));
  record(folder,
         std::make_shared<NameChange>(NameChange{.edits = {{folder, file_name(path), nullptr}}}));
  return {};
}

Result<CreateOutcome> ModelFileSystem::link(const std::string& path, const std::string& new_path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(before_change("link", new_path, true));
  NodePtr node = find(path);
  if (node == nullptr) return error(ErrorKind::kNotFound, "cannot link {}: no such file", path);
  WEIR_ASSIGN(NodePtr folder, find_folder_of(new_path));
  if (folder->names.contains(file_name(new_path))) return CreateOutcome::kExists;
  record(folder,
         std::make_shared<NameChange>(NameChange{.edits = {{folder, file_name(new_path), node}}}));
  return CreateOutcome::kCreated;
}

Result<void> ModelFileSystem::make_dir(const std::string& path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(before_change("create folder", path, true));
  if (NodePtr node = find(path); node != nullptr) {
    if (node->is_folder) return {};
    return error(ErrorKind::kIo, "cannot create folder {}: a file is there", path);
  }
  WEIR_ASSIGN(NodePtr folder, find_folder_of(path));
  auto node = std::make_shared<Node>();
  node->is_folder = true;
  node->modified_us = tick();
  record(folder,
         std::make_shared<NameChange>(NameChange{.edits = {{folder, file_name(path), node}}}));
  return {};
}

Result<std::vector<FileInfo>> ModelFileSystem::list(const std::string& path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(check_power());
  NodePtr folder = find(path);
  if (folder == nullptr || !folder->is_folder)
    return error(ErrorKind::kNotFound, "cannot list {}: no such folder", path);
  std::vector<FileInfo> entries;
  for (const auto& [name, node] : folder->names) {
    entries.push_back({.name = name,
                       .path = join_path(path, name),
                       .size = static_cast<int64_t>(node->bytes.size()),
                       .modified_us = node->modified_us,
                       .is_directory = node->is_folder});
  }
  return entries;
}

Result<void> ModelFileSystem::sync_dir(const std::string& path) {
  std::lock_guard lock(mutex_);
  WEIR_TRY(before_change("sync folder", path, false));
  NodePtr folder = find(path);
  if (folder == nullptr || !folder->is_folder)
    return error(ErrorKind::kNotFound, "cannot sync {}: no such folder", path);
  for (const auto& change : std::exchange(folder->changes, {})) {
    if (std::exchange(change->durable, true))
      continue;  // the other folder of a rename was synced before
    for (const auto& edit : change->edits)
      edit.apply(&Node::durable_names);
  }
  return {};
}

Result<std::unique_ptr<FileLock>> ModelFileSystem::try_lock(const std::string& path) {
  WEIR_ASSIGN(auto file, open_append(path));
  std::lock_guard lock(mutex_);
  NodePtr node = find(path);
  if (node == nullptr) return error(ErrorKind::kNotFound, "cannot lock {}: no such file", path);
  if (std::exchange(node->locked, true)) return std::unique_ptr<FileLock>();
  return std::unique_ptr<FileLock>(std::make_unique<ModelFileLock>(*this, node));
}

// Decides what of the unsynced survives for one node.
void ModelFileSystem::settle(const NodePtr& node) {
  node->locked = false;
  if (node->is_folder) {
    for (const auto& change : node->changes) {
      if (std::exchange(change->durable, true))
        continue;  // settled through the other folder, or synced
      if (random_.below(2) == 0) continue;
      for (const auto& edit : change->edits)
        edit.apply(&Node::durable_names);
    }
    node->changes.clear();
    return;
  }
  std::string& kept = node->durable_bytes;
  for (const Node::PendingWrite& write : std::exchange(node->pending, {})) {
    const uint64_t fate = random_.below(4);  // 0: lost, 1: torn, else kept
    if (fate == 0) continue;
    if (write.is_truncate) {
      kept.resize(static_cast<size_t>(write.offset), '\0');
      continue;
    }
    const auto begin = static_cast<size_t>(write.offset);
    size_t length = std::min(static_cast<size_t>(write.length),
                             node->bytes.size() - std::min(begin, node->bytes.size()));
    const size_t full = begin + length;
    if (fate == 1 && length > 0) length = random_.below(length);
    // A torn write may have grown the file to its full size already: the rest reads as zeros.
    const size_t end = fate == 1 && random_.below(2) == 0 ? full : begin + length;
    if (kept.size() < end) kept.resize(end, '\0');
    kept.replace(begin, length, node->bytes, begin, length);
  }
}

void ModelFileSystem::restart() {
  std::lock_guard lock(mutex_);
  ++boot_;
  power_lost_ = false;
  no_space_ = false;
  short_write_pending_ = false;
  fault_at_ = -1;
  std::set<NodePtr> seen;
  std::vector<NodePtr>
      nodes;  // in the order of discovery, so that a seed gives the same outcome every time
  std::vector<NodePtr> left{root_};
  while (!left.empty()) {
    const NodePtr node = std::move(left.back());
    left.pop_back();
    if (!seen.insert(node).second) continue;
    nodes.push_back(node);
    for (const auto* names : {&node->names, &node->durable_names})
      for (const auto& [name, child] : *names)
        left.push_back(child);
    for (const auto& change : node->changes)
      for (const auto& edit : change->edits)
        if (edit.target != nullptr) left.push_back(edit.target);
  }
  for (const NodePtr& node : nodes)
    settle(node);
  for (const NodePtr& node : nodes) {
    node->names = node->durable_names;
    node->bytes = node->durable_bytes;
  }
}

}  // namespace weir::io
