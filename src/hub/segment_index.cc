#include "hub/segment_index.h"

#include <algorithm>

#include "hub/durable_bytes.h"

namespace weir::hub {
namespace {

constexpr std::string_view kMagic = "WHIX";
constexpr uint32_t kVersion = 1;

}  // namespace

void SegmentIndex::add(int64_t base_offset, int64_t position, int64_t batch_max_timestamp) {
  if (entries_.empty() || position - entries_.back().position >= kIntervalBytes)
    entries_.push_back({base_offset, position, max_timestamp_});
  max_timestamp_ = std::max(max_timestamp_, batch_max_timestamp);
}

IndexEntry SegmentIndex::find_offset(int64_t offset, int64_t base_offset) const {
  auto after = std::upper_bound(
      entries_.begin(), entries_.end(), offset,
      [](int64_t wanted, const IndexEntry& entry) { return wanted < entry.offset; });
  if (after == entries_.begin()) return {base_offset, 0, -1};
  return *--after;
}

IndexEntry SegmentIndex::find_time(int64_t timestamp, int64_t base_offset) const {
  auto first_past = std::partition_point(
      entries_.begin(), entries_.end(),
      [timestamp](const IndexEntry& entry) { return entry.max_timestamp_before < timestamp; });
  if (first_past == entries_.begin()) return {base_offset, 0, -1};
  return *--first_past;
}

std::string SegmentIndex::encode(int64_t base_offset, int64_t end_offset, int64_t log_bytes) const {
  FieldWriter out;
  out.put_bytes(kMagic);
  out.put(kVersion);
  out.put(base_offset);
  out.put(end_offset);
  out.put(log_bytes);
  out.put(max_timestamp_);
  out.put(static_cast<uint32_t>(entries_.size()));
  for (const IndexEntry& entry : entries_) {
    out.put(entry.offset);
    out.put(entry.position);
    out.put(entry.max_timestamp_before);
  }
  return out.finish();
}

std::optional<SegmentIndex::Loaded> SegmentIndex::decode(std::string_view bytes) {
  if (!take_closing_crc(bytes)) return std::nullopt;
  FieldReader in(bytes);
  if (in.get_bytes(kMagic.size()) != kMagic || in.get<uint32_t>() != kVersion) return std::nullopt;
  Loaded loaded;
  loaded.base_offset = in.get<int64_t>();
  loaded.end_offset = in.get<int64_t>();
  loaded.log_bytes = in.get<int64_t>();
  loaded.index.max_timestamp_ = in.get<int64_t>();
  const uint32_t count = in.get<uint32_t>();
  if (!in.ok() || in.left() != size_t{count} * 24) return std::nullopt;
  loaded.index.entries_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    IndexEntry entry;
    entry.offset = in.get<int64_t>();
    entry.position = in.get<int64_t>();
    entry.max_timestamp_before = in.get<int64_t>();
    loaded.index.entries_.push_back(entry);
  }
  return loaded;
}

}  // namespace weir::hub
