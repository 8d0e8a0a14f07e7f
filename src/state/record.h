// One row as it lies in memory, in changelogs and in snapshots:
//   varint key bytes, varint value bytes, prefix, time, key, value
// prefix: varint bytes of the key's prefix in stores that have one, else nothing
// time: nothing without time; kOfKey: varint distance from the bucket's begin; kOfRow: zigzag
// varint.
#pragma once

#include <cstring>
#include <string_view>

#include "state/state_store.h"
#include "state/varint.h"

namespace weir::state {

struct Record {
  std::string_view key = {};
  std::string_view value = {};
  size_t prefix = 0;  // bytes of the key that make its prefix; all of them in stores without one
  int64_t time = 0;
  size_t bytes = 0;  // of the whole record

  std::string_view key_prefix() const { return key.substr(0, prefix); }
};

inline int64_t bucket_of(int64_t time, int64_t width) {
  return time >= 0 ? time / width : -1 - (-1 - time) / width;
}

// How a store's records carry prefix and time.
struct RecordForm {
  TimeBuckets mode = TimeBuckets::kNone;
  int64_t width = 1;
  bool has_prefix = false;

  static RecordForm of(const StoreSpec& spec) {
    return {.mode = spec.time,
            .width = spec.time == TimeBuckets::kNone ? 1 : spec.bucket_width_us,
            .has_prefix = spec.prefix_columns > 0};
  }

  int64_t bucket(int64_t time) const {
    return mode == TimeBuckets::kOfKey ? bucket_of(time, width) : 0;
  }
  size_t size(const Record& record, int64_t in_bucket) const {
    return varint_size(record.key.size()) + varint_size(record.value.size()) +
           (has_prefix ? varint_size(record.prefix) : 0) +
           (mode == TimeBuckets::kNone ? 0 : varint_size(time_code(record.time, in_bucket))) +
           record.key.size() + record.value.size();
  }
  char* write(char* out, const Record& record, int64_t in_bucket) const {
    out = write_varint(out, record.key.size());
    out = write_varint(out, record.value.size());
    if (has_prefix) out = write_varint(out, record.prefix);
    if (mode != TimeBuckets::kNone) out = write_varint(out, time_code(record.time, in_bucket));
    if (!record.key.empty()) std::memcpy(out, record.key.data(), record.key.size());
    out += record.key.size();
    if (!record.value.empty()) std::memcpy(out, record.value.data(), record.value.size());
    return out + record.value.size();
  }
  void append(std::string& out, const Record& record, int64_t in_bucket) const {
    const size_t begin = out.size();
    out.resize(begin + size(record, in_bucket));
    write(out.data() + begin, record, in_bucket);
  }
  // Of bytes that are known to be a record.
  Record read(const char* in, int64_t in_bucket) const {
    const char* begin = in;
    uint64_t key = 0;
    uint64_t value = 0;
    uint64_t code = 0;
    in = read_varint(in, key);
    in = read_varint(in, value);
    uint64_t prefix = key;
    if (has_prefix) in = read_varint(in, prefix);
    if (mode != TimeBuckets::kNone) in = read_varint(in, code);
    return {.key = {in, key},
            .value = {in + key, value},
            .prefix = prefix,
            .time = decode_time(code, in_bucket),
            .bytes = static_cast<size_t>(in - begin) + key + value};
  }
  // False where there is no whole record before `end`.
  bool read_checked(const char* in, const char* end, int64_t in_bucket, Record& record) const {
    const char* begin = in;
    uint64_t key = 0;
    uint64_t value = 0;
    uint64_t code = 0;
    in = read_varint(in, end, key);
    if (in != nullptr) in = read_varint(in, end, value);
    uint64_t prefix = key;
    if (in != nullptr && has_prefix) in = read_varint(in, end, prefix);
    if (in != nullptr && mode != TimeBuckets::kNone) in = read_varint(in, end, code);
    if (in == nullptr || prefix > key) return false;
    const auto left = static_cast<uint64_t>(end - in);
    if (key > left || value > left - key) return false;
    if (mode == TimeBuckets::kOfKey && code >= static_cast<uint64_t>(width)) return false;
    record = {.key = {in, key},
              .value = {in + key, value},
              .prefix = prefix,
              .time = decode_time(code, in_bucket),
              .bytes = static_cast<size_t>(in - begin) + key + value};
    return true;
  }

 private:
  uint64_t time_code(int64_t time, int64_t in_bucket) const {
    return mode == TimeBuckets::kOfKey
               ? static_cast<uint64_t>(time) -
                     static_cast<uint64_t>(in_bucket) * static_cast<uint64_t>(width)
               : zigzag(time);
  }
  int64_t decode_time(uint64_t code, int64_t in_bucket) const {
    if (mode == TimeBuckets::kNone) return 0;
    if (mode == TimeBuckets::kOfRow) return unzigzag(code);
    return static_cast<int64_t>(static_cast<uint64_t>(in_bucket) * static_cast<uint64_t>(width) +
                                code);
  }
};

}  // namespace weir::state
