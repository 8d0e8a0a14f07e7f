// Numbers for rows: equal rows of bytes get the same number, counted from 0 in the order in which
// they first came. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/row_codec.h"

namespace weir::operators {

class GroupTable {
 public:
  GroupTable();
  // groups[i] is the number of rows[i].
  void find_or_add(const eval::EncodedRows& rows, std::vector<uint32_t>& groups);
  uint32_t find_or_add(std::string_view row);
  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  std::string_view row(uint32_t group) const {
    const size_t begin = group ? ends_[group - 1] : 0;
    return std::string_view(bytes_).substr(begin, ends_[group] - begin);
  }
  std::vector<std::string_view> rows() const;
  int64_t memory() const {
    return static_cast<int64_t>(bytes_.capacity() + ends_.capacity() * 8 + slots_.size() * 8);
  }

 private:
  struct Slot {
    uint32_t tag = 0;    // of the hash
    uint32_t group = 0;  // + 1; 0: free
  };
  uint32_t place(std::string_view row, uint64_t hash);
  void grow();

  std::vector<Slot> slots_;
  std::vector<size_t> ends_;  // of each group's row in bytes_
  std::vector<uint64_t> hashes_;
  std::string bytes_;
  std::vector<uint64_t> batch_hashes_;
};

}  // namespace weir::operators
