#include <algorithm>

#include "delta/compaction.h"

namespace weir::delta {
namespace {

constexpr size_t kCandidatesMax = 200'000;  // some 30 MB of paths
constexpr size_t kFilesOfOneMerge = 2'000;
constexpr int64_t kSmallestBound = 4096;

std::string partition_key(const PartitionValues& values) {
  std::string key;
  for (const auto& [column, value] : values) {
    key += column;
    key += value ? '=' : '!';
    if (value) key += *value;
    key += '\0';
  }
  return key;
}

}  // namespace

void CompactionCandidates::set_policy(const CompactionPolicy& policy) {
  if (!bounds_.empty() && policy.files_min == policy_.files_min &&
      policy.target_file_bytes == policy_.target_file_bytes)
    return;
  policy_ = policy;
  bounds_ = {policy.target_file_bytes / 2};
  while (bounds_.back() > kSmallestBound)
    bounds_.push_back(bounds_.back() / policy.files_min);
  std::reverse(bounds_.begin(), bounds_.end());
  for (auto& [key, partition] : partitions_) {
    Partition old(bounds_.size());
    std::swap(old, partition);
    for (auto& level : old)
      for (auto& file : level) {
        if (const size_t now = level_of(file.size); now < bounds_.size())
          partition[now].push_back(std::move(file));
        else
          --count_;
      }
  }
}

// bounds_.size(): large enough.
size_t CompactionCandidates::level_of(int64_t size) const {
  return static_cast<size_t>(std::upper_bound(bounds_.begin(), bounds_.end(), size) -
                             bounds_.begin());
}

bool CompactionCandidates::add(const AddFile& file) {
  const size_t level = level_of(file.size);
  if (level == bounds_.size()) return true;
  if (count_ >= kCandidatesMax) return false;
  Partition& partition = partitions_[partition_key(file.partition_values)];
  partition.resize(bounds_.size());
  partition[level].push_back({file.path, file.size, next_order_++});
  ++count_;
  return true;
}

std::vector<CompactionFile> CompactionCandidates::take_due() {
  const auto files_min = static_cast<size_t>(policy_.files_min);
  for (auto entry = partitions_.begin(); entry != partitions_.end(); ++entry) {
    Partition& levels = entry->second;
    std::optional<size_t> due;
    for (size_t level = 0; level < levels.size(); ++level) {
      if (levels[level].size() < 2) continue;
      int64_t bytes = 0;
      for (const CompactionFile& file : levels[level])
        bytes += file.size;
      if (levels[level].size() >= files_min || bytes >= policy_.target_file_bytes) due = level;
    }
    if (!due) continue;
    std::vector<CompactionFile> all;
    for (size_t level = 0; level <= *due; ++level) {
      std::move(levels[level].begin(), levels[level].end(), std::back_inserter(all));
      levels[level].clear();
    }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.order < b.order; });
    size_t taken = 0;
    for (int64_t bytes = 0; taken < all.size() && taken < kFilesOfOneMerge &&
                            (taken < 2 || bytes < policy_.target_file_bytes);
         ++taken)
      bytes += all[taken].size;
    for (size_t i = taken; i < all.size(); ++i)
      levels[level_of(all[i].size)].push_back(std::move(all[i]));
    all.resize(taken);
    count_ -= taken;
    const bool empty =
        std::all_of(levels.begin(), levels.end(), [](const auto& level) { return level.empty(); });
    if (empty) partitions_.erase(entry);
    return all;
  }
  return {};
}

}  // namespace weir::delta
