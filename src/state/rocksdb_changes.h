// What a batch has read from and changed in one shard of RocksDB, so that a key is looked up in the
// database once a batch and written once.
//
// Rows are found by a hash of their key and, once sorted, in key order. Keys and values lie in an
// arena until clear(). One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "state/arena.h"

namespace weir::state {

class ShardChanges {
 public:
  struct Row {
    const char* key_begin = nullptr;
    const char* value_begin = nullptr;  // null: there is no such row
    uint32_t key_bytes = 0;
    uint32_t value_bytes = 0;
    int64_t bucket_before = 0;  // kOfRow: of the time that the database's row has
    bool existed = false;       // in the database
    bool changed = false;

    std::string_view key() const { return {key_begin, key_bytes}; }
    bool present() const { return value_begin != nullptr; }
    std::string_view value() const { return {value_begin, value_bytes}; }
  };

  // The number of the row with this key in the database; it is added where it is not there yet.
  uint32_t find_or_add(std::string_view key, bool& added);
  Row& operator[](uint32_t number) { return rows_[number]; }
  const Row& operator[](uint32_t number) const { return rows_[number]; }
  uint32_t size() const { return static_cast<uint32_t>(rows_.size()); }
  void set_value(Row& row, std::string_view value);
  // Numbers of all rows in key order; valid until a row is added.
  std::span<const uint32_t> sorted();
  // Numbers of rows, into key order.
  void sort(std::vector<uint32_t>& numbers) const;
  void clear();
  size_t bytes() const;

 private:
  char* allocate(size_t bytes) { return arena_.writable(arena_.allocate(bytes)); }
  void grow();

  Arena arena_;
  std::vector<Row> rows_;
  std::vector<uint64_t> slots_;  // upper half of the hash, number + 1; 0: free
  std::vector<uint32_t> sorted_;
};

}  // namespace weir::state
