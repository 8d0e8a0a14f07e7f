#include "operators/group_table.h"

#include <cstring>

namespace weir::operators {

namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t word(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, 8);
  return value;
}

constexpr uint64_t kOdd1 = 0x9E3779B97F4A7C15, kOdd2 = 0xD6E8FEB86659FD93;

// For tables of one process only: 16 bytes a step, the tail read so that it overlaps.
uint64_t table_hash(std::string_view row) {
  const char* at = row.data();
  size_t left = row.size();
  uint64_t hash = left * kOdd1;
  while (left > 16) {
    hash = mix(word(at) ^ hash ^ kOdd1, word(at + 8) ^ kOdd2);
    at += 16;
    left -= 16;
  }
  uint64_t first = 0, second = 0;
  if (left >= 8) {
    first = word(at);
    second = word(at + left - 8);
  } else if (left > 0) {
    std::memcpy(&first, at, left);
  }
  return mix(first ^ hash ^ kOdd1, second ^ kOdd2);
}

constexpr size_t kFirstSlots = 1024;
constexpr size_t kAhead = 8;  // rows whose slots are fetched before they are looked at

}  // namespace

GroupTable::GroupTable() : slots_(kFirstSlots) {}

void GroupTable::find_or_add(const eval::EncodedRows& rows, std::vector<uint32_t>& groups) {
  const auto count = static_cast<size_t>(rows.size());
  groups.resize(count);
  batch_hashes_.resize(count + kAhead);
  for (size_t i = 0; i < count; ++i)
    batch_hashes_[i] = table_hash(rows[static_cast<int64_t>(i)]);
  for (size_t i = 0; i < kAhead; ++i)
    batch_hashes_[count + i] = 0;
  for (size_t i = 0; i < count; ++i) {
    __builtin_prefetch(&slots_[batch_hashes_[i + kAhead] & (slots_.size() - 1)]);
    groups[i] = place(rows[static_cast<int64_t>(i)], batch_hashes_[i]);
  }
}

uint32_t GroupTable::find_or_add(std::string_view row) { return place(row, table_hash(row)); }

uint32_t GroupTable::place(std::string_view row, uint64_t hash) {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  size_t at = hash & mask;
  while (slots_[at].group != 0) {
    if (slots_[at].tag == tag) {
      const uint32_t group = slots_[at].group - 1;
      if (this->row(group) == row) return group;
    }
    at = (at + 1) & mask;
  }
  bytes_ += row;
  ends_.push_back(bytes_.size());
  hashes_.push_back(hash);
  slots_[at] = {tag, static_cast<uint32_t>(ends_.size())};
  const auto made = static_cast<uint32_t>(ends_.size() - 1);
  if (ends_.size() * 2 > slots_.size()) grow();
  return made;
}

void GroupTable::grow() {
  slots_.assign(slots_.size() * 2, Slot{});
  const size_t mask = slots_.size() - 1;
  for (size_t group = 0; group < hashes_.size(); ++group) {
    size_t at = hashes_[group] & mask;
    while (slots_[at].group != 0)
      at = (at + 1) & mask;
    slots_[at] = {static_cast<uint32_t>(hashes_[group] >> 32), static_cast<uint32_t>(group + 1)};
  }
}

std::vector<std::string_view> GroupTable::rows() const {
  std::vector<std::string_view> made;
  made.reserve(ends_.size());
  for (size_t group = 0; group < ends_.size(); ++group)
    made.push_back(row(static_cast<uint32_t>(group)));
  return made;
}

}  // namespace weir::operators
