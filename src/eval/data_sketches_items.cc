// Frequent items: plans "approx_top_k… KIND ITEMS_TRACKED". An entry is N for NULL, or V and the
// item's bytes; for approx_top_k_combine (ITEMS_TRACKED 0: as the sketches, which then have to
// agree) what bytes() gives: how many items are tracked (4 bytes) and the sketch.
//
// A sketch's bytes are Spark's: what DataSketches for Java writes (8 bytes: preamble 1 or 4,
// version 1, family 10, log2 of the table's greatest and present size, flags; where there are
// items: how many, 4 bytes of zeros, the weight of all, the offset, the items' weights, the items),
// then how many NULLs came (8 bytes, big endian). Which of equally frequent items come first
// depends on the order of the hash table, so items are hashed as Java hashes them.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <type_traits>

#include <fmt/format.h>
#include <frequent_items_sketch.hpp>

#include "eval/data_sketches.h"
#include "eval/fixed_bytes.h"
#include "eval/utf8.h"

namespace weir::eval::items {

namespace {

struct Item {
  std::string bytes;
  int64_t hash = 0;
};
struct ItemHash {
  size_t operator()(const Item& item) const { return static_cast<size_t>(item.hash); }
};
struct SameItem {
  bool operator()(const Item& a, const Item& b) const { return a.bytes == b.bytes; }
};
// Notes where the table's items begin, which the table does not tell: so their places are known.
template <typename T>
struct NotingAllocator {
  using value_type = T;
  const void** items;

  explicit NotingAllocator(const void** where) : items(where) {}
  template <typename Other>
  NotingAllocator(const NotingAllocator<Other>& other) : items(other.items) {}
  T* allocate(size_t count) {
    auto* made = std::allocator<T>().allocate(count);
    if constexpr (std::is_same_v<T, Item>) *items = made;
    return made;
  }
  void deallocate(T* given, size_t count) { std::allocator<T>().deallocate(given, count); }
  template <typename Other>
  bool operator==(const NotingAllocator<Other>& other) const {
    return items == other.items;
  }
};
using Table =
    datasketches::reverse_purge_hash_map<Item, uint64_t, ItemHash, SameItem, NotingAllocator<Item>>;

constexpr int kLeastSize = 3;  // log2

// What Java's hashCode() gives.
int32_t java_hash(Kind kind, std::string_view bytes) {
  const auto folded = [](uint64_t bits) { return static_cast<int32_t>(bits ^ (bits >> 32)); };
  switch (kind) {
    case Kind::kByte:
      return fixed<int8_t>(bytes);
    case Kind::kShort:
      return fixed<int16_t>(bytes);
    case Kind::kInteger:
    case Kind::kFloat:
      return fixed<int32_t>(bytes);
    case Kind::kLong:
    case Kind::kDouble:
      return folded(fixed<uint64_t>(bytes));
    case Kind::kBoolean:
      return bytes[0] ? 1231 : 1237;
    case Kind::kDecimal:
      return folded(fixed<uint64_t>(bytes));
    case Kind::kText:
      break;
  }
  uint32_t hash = 0;
  for (size_t at = 0; at < bytes.size(); at += character_bytes(bytes, at)) {
    const auto code = decode_character(bytes, at);
    if (code > 0xFFFF) {
      hash = 31 * hash + (0xD7C0 + (code >> 10));
      hash = 31 * hash + (0xDC00 + (code & 0x3FF));
    } else {
      hash = 31 * hash + code;
    }
  }
  return static_cast<int32_t>(hash);
}

// How wide an item of the kind is in a sketch's bytes; 0 for texts.
size_t width_of(Kind kind) {
  switch (kind) {
    case Kind::kByte:
    case Kind::kBoolean:
      return 1;
    case Kind::kShort:
      return 2;
    case Kind::kInteger:
    case Kind::kFloat:
      return 4;
    case Kind::kLong:
    case Kind::kDouble:
      return 8;
    case Kind::kDecimal:
      return 16;
    case Kind::kText:
      break;
  }
  return 0;
}
// The mark that DataSketches for Java sets before a number.
char mark_of(Kind kind) {
  switch (kind) {
    case Kind::kByte:
      return 2;
    case Kind::kShort:
      return 3;
    case Kind::kFloat:
      return 6;
    case Kind::kDouble:
      return 4;
    case Kind::kLong:
      return 12;
    default:
      return 9;
  }
}
bool marked(Kind kind) {
  return kind != Kind::kText && kind != Kind::kBoolean && kind != Kind::kDecimal;
}

void append(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i)
    out += static_cast<char>(value >> (8 * i));
}

base::Error corrupt() {
  return base::error(base::ErrorKind::kInvalidArgument,
                     "the sketch is none of approx_top_k_accumulate or approx_top_k_combine");
}

struct Counts {
  explicit Counts(int log_size, int log_size_at_first = kLeastSize)
      : table(static_cast<uint8_t>(log_size_at_first), static_cast<uint8_t>(log_size), SameItem(),
              NotingAllocator<Item>(&begin)),
        log_size_max(log_size) {}
  Counts(const Counts&) = delete;
  Counts& operator=(const Counts&) = delete;

  void add(Item item, uint64_t weight) {
    total += weight;
    offset += table.adjust_or_insert(std::move(item), weight);
  }

  // The items and their weights: by their places in the table, or in the steps in which the library
  // for Java goes through it.
  using Rows = std::vector<std::pair<const Item*, uint64_t>>;
  Rows rows(bool in_steps) const {
    const size_t size = size_t{1} << table.get_lg_cur_size();
    Rows places(size), made;
    if (table.get_num_active() > 0) {
      for (const auto& row : table)
        places[static_cast<size_t>(&row.first - static_cast<const Item*>(begin))] = {&row.first,
                                                                                     row.second};
    }
    constexpr double kGoldenRatio = 0.6180339887498949;
    const size_t step =
        in_steps ? static_cast<size_t>(static_cast<double>(size) * kGoldenRatio) | 1 : 1;
    for (size_t i = 0, at = 0; i < size; ++i, at = (at + step) & (size - 1)) {
      if (places[at].first) made.push_back(places[at]);
    }
    return made;
  }

  const void* begin = nullptr;  // before the table, whose allocator writes it
  Table table;
  int log_size_max;
  uint64_t total = 0, offset = 0;
  uint64_t nulls = 0;
};

std::string written(const Counts& counts, Kind kind) {
  std::string out;
  const auto rows = counts.rows(false);
  append(out, rows.empty() ? 1 : 4, 1);
  append(out, 1, 1);
  append(out, 10, 1);
  append(out, static_cast<uint64_t>(counts.log_size_max), 1);
  append(out, counts.table.get_lg_cur_size(), 1);
  append(out, rows.empty() ? 5 : 0, 1);
  append(out, 0, 2);
  if (!rows.empty()) {
    append(out, rows.size(), 4);
    append(out, 0, 4);
    append(out, counts.total, 8);
    append(out, counts.offset, 8);
    for (const auto& [item, weight] : rows)
      append(out, weight, 8);
    for (const auto& [item, weight] : rows) {
      if (kind == Kind::kText) append(out, item->bytes.size(), 4);
      if (marked(kind)) out += mark_of(kind);
      out += item->bytes;
    }
  }
  for (int i = 7; i >= 0; --i)
    out += static_cast<char>(counts.nulls >> (8 * i));
  return out;
}

struct Entry {
  Item item;
  uint64_t weight = 0;
};
struct Image {
  int log_size_max = kLeastSize, log_size = kLeastSize;
  uint64_t offset = 0, total = 0, nulls = 0;
  std::vector<Entry> entries;
};

Result<Image> read(std::string_view bytes, Kind kind) {
  Image made;
  if (bytes.size() < 16 || bytes[2] != 10) return corrupt();
  for (size_t i = bytes.size() - 8; i < bytes.size(); ++i)
    made.nulls = made.nulls << 8 | static_cast<uint8_t>(bytes[i]);
  bytes.remove_suffix(8);
  made.log_size_max = bytes[3];
  made.log_size = bytes[4];
  if (made.log_size < kLeastSize || made.log_size > made.log_size_max || made.log_size_max > 26)
    return corrupt();
  if (bytes[0] == 1) return made;
  if (bytes.size() < 32) return corrupt();
  const auto count = fixed<uint32_t>(bytes.substr(8));
  made.total = fixed<uint64_t>(bytes.substr(16));
  made.offset = fixed<uint64_t>(bytes.substr(24));
  size_t at = 32 + size_t{8} * count;
  if (bytes.size() < at) return corrupt();
  for (uint32_t i = 0; i < count; ++i) {
    Entry entry;
    entry.weight = fixed<uint64_t>(bytes.substr(32 + size_t{8} * i));
    size_t width = width_of(kind);
    if (kind == Kind::kText) {
      if (bytes.size() < at + 4) return corrupt();
      width = fixed<uint32_t>(bytes.substr(at));
      at += 4;
    } else if (marked(kind)) {
      if (bytes.size() <= at || bytes[at] != mark_of(kind)) return corrupt();
      ++at;
    }
    if (bytes.size() - at < width) return corrupt();
    entry.item.bytes = bytes.substr(at, width);
    entry.item.hash = java_hash(kind, entry.item.bytes);
    at += width;
    made.entries.push_back(std::move(entry));
  }
  return made;
}

void put_together(Counts& counts, Image&& image) {
  const auto total = counts.total + image.total;
  for (auto& entry : image.entries)
    counts.add(std::move(entry.item), entry.weight);
  counts.offset += image.offset;
  counts.total = total;
  counts.nulls += image.nulls;
}

int log_size_for(uint64_t tracked) {
  const auto size = static_cast<uint64_t>(std::ceil(static_cast<double>(tracked) / 0.75));
  return std::max(kLeastSize, 64 - std::countl_zero(size - 1));
}

constexpr uint64_t kMostTracked = 1000000;

class Builder final : public SketchBuilder {
 public:
  Builder(bool combines, Kind kind, uint32_t tracked)
      : combines_(combines),
        takes_any_size_(combines && tracked > 0),
        kind_(kind),
        tracked_(tracked),
        counts_(log_size_for(tracked > 0 ? tracked : kMostTracked)) {}
  Result<void> add(std::string_view entry) override {
    if (combines_) return merge(entry);
    if (entry.starts_with('N')) {
      ++counts_.nulls;
      return {};
    }
    Item item{std::string(entry.substr(1)), java_hash(kind_, entry.substr(1))};
    return guarded([&] { counts_.add(std::move(item), 1); });
  }
  Result<void> merge(std::string_view bytes) override {
    if (bytes.size() < 4) return corrupt();
    const auto tracked = fixed<uint32_t>(bytes);
    if (tracked_ == 0) tracked_ = tracked;
    if (!takes_any_size_ && tracked_ != tracked) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "[APPROX_TOP_K_SKETCH_SIZE_NOT_MATCH] Combining approx_top_k sketches of "
                         "different sizes is not allowed. Found sketches of size {} and {}.",
                         tracked_, tracked)
          .with_class("APPROX_TOP_K_SKETCH_SIZE_NOT_MATCH")
          .with_sql_state("42846")
          .with_parameter("size1", std::to_string(tracked_))
          .with_parameter("size2", std::to_string(tracked));
    }
    WEIR_ASSIGN(auto image, read(bytes.substr(4), kind_));
    return guarded([&] { put_together(counts_, std::move(image)); });
  }
  Result<std::string> bytes() override {
    // Spark gives what it merged into an empty sketch: items of one place change theirs by that.
    Counts merged(counts_.log_size_max);
    WEIR_TRY(guarded([&] {
      for (const auto& [item, weight] : counts_.rows(true))
        merged.add(*item, weight);
    }));
    merged.total = counts_.total;
    merged.offset += counts_.offset;
    merged.nulls = counts_.nulls;
    std::string out;
    append(out, tracked_, 4);
    return out + written(merged, kind_);
  }
  int64_t memory() const override { return (int64_t{1} << counts_.table.get_lg_cur_size()) * 64; }

 private:
  template <typename Work>
  Result<void> guarded(Work&& work) {
    try {
      work();
    } catch (const std::exception& failure) {  // the table's drift limit
      return base::error(base::ErrorKind::kInternal, "approx_top_k: {}", failure.what());
    }
    return {};
  }
  bool combines_;
  bool takes_any_size_;
  Kind kind_;
  uint32_t tracked_;
  Counts counts_;
};

}  // namespace

Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan) {
  return std::unique_ptr<SketchBuilder>(new Builder(plan[0] == "approx_top_k_combine",
                                                    static_cast<Kind>(plan[1][0]),
                                                    static_cast<uint32_t>(sketch_number(plan[2]))));
}

Result<std::vector<Row>> most_frequent(std::string_view sketch, Kind kind, int64_t how_many) {
  WEIR_ASSIGN(auto image, read(sketch, kind));
  const auto nulls = image.nulls;
  Counts counts(image.log_size_max, image.log_size);
  put_together(counts, std::move(image));
  struct Found {
    const Item* item;
    uint64_t estimate;
  };
  std::vector<Found> found;
  for (const auto& [item, weight] : counts.rows(true)) {
    // Without false positives: what certainly came more often than the error.
    if (weight > counts.offset) found.push_back({item, weight + counts.offset});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.estimate > b.estimate; });
  std::vector<Row> rows;
  bool null_given = nulls == 0;
  for (const auto& one : found) {
    if (!null_given && nulls > one.estimate) {
      rows.push_back({std::nullopt, static_cast<int64_t>(nulls)});
      null_given = true;
    }
    rows.push_back({one.item->bytes, static_cast<int64_t>(one.estimate)});
  }
  if (!null_given) rows.push_back({std::nullopt, static_cast<int64_t>(nulls)});
  if (static_cast<int64_t>(rows.size()) > how_many) rows.resize(static_cast<size_t>(how_many));
  return rows;
}

}  // namespace weir::eval::items
