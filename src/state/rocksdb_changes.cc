#include "state/rocksdb_changes.h"

#include <algorithm>
#include <cstring>

#include "state/encoded_rows.h"

namespace weir::state {

namespace {

constexpr size_t kSlotsMin = 64;
constexpr size_t kFewRows = 32;  // so much fewer than those in order are put in one by one

}  // namespace

uint32_t ShardChanges::find_or_add(std::string_view key, bool& added) {
  if (slots_.size() < (rows_.size() + 1) * 3 / 2) grow();
  const uint64_t tag = hash_bytes(key) >> 32;
  const size_t mask = slots_.size() - 1;
  size_t at = tag & mask;
  for (; slots_[at] != 0; at = (at + 1) & mask) {
    if (slots_[at] >> 32 != tag) continue;
    const auto number = static_cast<uint32_t>(slots_[at]) - 1;
    if (rows_[number].key() != key) continue;
    added = false;
    return number;
  }
  added = true;
  const uint32_t number = size();
  slots_[at] = tag << 32 | (uint64_t{number} + 1);
  char* bytes = allocate(key.size());
  key.copy(bytes, key.size());
  Row& row = rows_.emplace_back();
  row.key_begin = bytes;
  row.key_bytes = static_cast<uint32_t>(key.size());
  return number;
}

void ShardChanges::grow() {
  std::vector<uint64_t> larger(std::max(kSlotsMin, slots_.size() * 2), 0);
  const size_t mask = larger.size() - 1;
  for (const uint64_t slot : slots_) {
    if (slot == 0) continue;
    size_t at = (slot >> 32) & mask;
    while (larger[at] != 0)
      at = (at + 1) & mask;
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

void ShardChanges::set_value(Row& row, std::string_view value) {
  if (!row.present() || row.value_bytes < value.size()) row.value_begin = allocate(value.size());
  value.copy(const_cast<char*>(row.value_begin), value.size());
  row.value_bytes = static_cast<uint32_t>(value.size());
}

void ShardChanges::sort(std::vector<uint32_t>& numbers) const {
  const auto before = [&](uint32_t a, uint32_t b) { return rows_[a].key() < rows_[b].key(); };
  if (!std::is_sorted(numbers.begin(), numbers.end(), before))
    std::sort(numbers.begin(), numbers.end(), before);
}

std::span<const uint32_t> ShardChanges::sorted() {
  if (sorted_.size() == rows_.size()) return sorted_;
  std::vector<uint32_t> fresh;
  fresh.reserve(rows_.size() - sorted_.size());
  for (auto number = static_cast<uint32_t>(sorted_.size()); number < size(); ++number)
    fresh.push_back(number);
  sort(fresh);
  const auto before = [&](uint32_t a, uint32_t b) { return rows_[a].key() < rows_[b].key(); };
  if (fresh.size() * kFewRows < sorted_.size()) {
    for (const uint32_t number : fresh)
      sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), number, before), number);
    return sorted_;
  }
  const auto middle = static_cast<ptrdiff_t>(sorted_.size());
  sorted_.insert(sorted_.end(), fresh.begin(), fresh.end());
  std::inplace_merge(sorted_.begin(), sorted_.begin() + middle, sorted_.end(), before);
  return sorted_;
}

void ShardChanges::clear() {
  if (rows_.empty()) return;
  arena_ = {};
  rows_ = {};
  slots_ = {};
  sorted_ = {};
}

size_t ShardChanges::bytes() const {
  return arena_.capacity() + rows_.capacity() * sizeof(Row) + slots_.capacity() * sizeof(uint64_t) +
         sorted_.capacity() * sizeof(uint32_t);
}

}  // namespace weir::state
