// Bytes on the heap, not initialised, with zeroed padding after their end, so that a parser that
// reads a few bytes past a value (simdjson) may work on them in place.
//
// Invariant: data()[size()] … data()[size() + kPadding - 1] are zero. Immutable once shared.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace weir::kafka {

class PaddedBuffer {
 public:
  static constexpr size_t kPadding = 64;

  PaddedBuffer() = default;
  explicit PaddedBuffer(size_t capacity) { reserve(capacity); }
  PaddedBuffer(PaddedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  PaddedBuffer& operator=(PaddedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~PaddedBuffer() { std::free(data_); }

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  std::string_view view() const { return {data_, size_}; }

  // Room for `capacity` bytes and the padding; keeps what is there.
  void reserve(size_t capacity) {
    if (data_ && capacity <= capacity_) return;
    void* grown = std::realloc(data_, capacity + kPadding);
    if (!grown) throw std::bad_alloc();
    data_ = static_cast<char*>(grown);
    capacity_ = capacity;
    pad();
  }
  // Sets the size (up to the capacity) without initialising, and zeroes the padding.
  void set_size(size_t size) {
    size_ = size;
    pad();
  }

 private:
  void pad() {
    if (data_) std::memset(data_ + size_, 0, kPadding);
  }
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace weir::kafka
