// A file system in memory that keeps what is durable apart from what is only written, for tests.
//
// It is harsher than a journalling disk and as harsh as POSIX allows. At a power loss
//  * bytes appended since a file's last sync() are kept, lost (they read as zeros where later ones
//  are
//    kept), or torn, each write on its own, so that writes may look reordered;
//  * names created, linked, renamed or removed since their folder's last sync_dir() are each kept
//  or not;
//    one rename is never half done;
//  * a file without a durable name is gone.
// Faults are injected at the n-th call that changes something: append, sync, truncate, create,
// link, rename, remove, make_dir, sync_dir. After a failed sync the bytes that it covered stay
// readable but no later sync makes them durable (as Linux drops dirty pages after a failed fsync).
//
// All calls are thread-safe. Every choice comes from the seed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/random.h"
#include "io/file_system.h"

namespace weir::io {

enum class Fault {
  kError,       // the call fails, nothing of it happens (a sync: its bytes will not become durable)
  kNoSpace,     // this and every later call that needs room fails, until free_space()
  kShortWrite,  // an append writes a part of its bytes and fails; other calls fail as with kError
  kPowerLoss,   // power goes before the call: every call fails until restart()
};

class ModelFileSystem final : public FileSystem {
 public:
  explicit ModelFileSystem(uint64_t seed);
  ~ModelFileSystem() override;

  // The call number `calls_from_now` (0 is the next one that changes something) meets this fault,
  // once.
  void inject(int64_t calls_from_now, Fault fault);
  // Number of calls so far that changed something; a dry run tells how many places there are to
  // fail at.
  int64_t calls() const;
  bool power_lost() const;
  bool fault_reached() const;  // the injected fault has happened
  void cut_power();
  // What a machine finds when it starts again after cut_power() or a kPowerLoss (without either:
  // after a sudden one now). Files and locks that were open are dead.
  void restart();
  void free_space();

  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> create(const std::string& path) override;
  Result<std::unique_ptr<ReadableFile>> open_read(const std::string& path) override;
  Result<FileInfo> stat(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<CreateOutcome> link(const std::string& path, const std::string& new_path) override;
  Result<void> make_dir(const std::string& path) override;
  Result<std::vector<FileInfo>> list(const std::string& path) override;
  Result<void> sync_dir(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> try_lock(const std::string& path) override;

 private:
  friend class ModelWritableFile;
  friend class ModelReadableFile;
  friend class ModelFileLock;
  struct Node;
  struct NameChange;
  using NodePtr = std::shared_ptr<Node>;

  Result<void> before_change(std::string_view action, const std::string& path, bool needs_room);
  Result<void> check_power() const;
  NodePtr find(const std::string& path) const;
  Result<NodePtr> find_folder_of(const std::string& path) const;
  void record(const NodePtr& folder, std::shared_ptr<NameChange> change);
  void settle(const NodePtr& node);
  int64_t tick();

  mutable std::mutex mutex_;
  base::SeededRandom random_;
  NodePtr root_;
  int64_t calls_ = 0;
  int64_t fault_at_ = -1;
  Fault fault_ = Fault::kError;
  bool fault_reached_ = false;
  bool short_write_pending_ = false;
  bool no_space_ = false;
  bool power_lost_ = false;
  uint64_t boot_ = 0;
  int64_t time_us_ = 1'600'000'000'000'000;
};

}  // namespace weir::io
