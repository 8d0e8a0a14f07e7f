// Ids as types that cannot be mixed: an Offset is not a BatchId is not a TableVersion.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace weir::base {

template <typename Tag, typename Rep>
class StrongId {
 public:
  using Representation = Rep;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr StrongId next() const { return StrongId(value_ + 1); }
  constexpr auto operator<=>(const StrongId&) const = default;

 private:
  Rep value_{};
};

using Offset = StrongId<struct OffsetTag, int64_t>;    // position of a record in a topic partition
using BatchId = StrongId<struct BatchIdTag, int64_t>;  // number of a micro-batch of a query, from 0
using TableVersion = StrongId<struct TableVersionTag, int64_t>;  // version of a Delta table, from 0

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
};

}  // namespace weir::base

template <typename Tag, typename Rep>
struct std::hash<weir::base::StrongId<Tag, Rep>> {
  size_t operator()(const weir::base::StrongId<Tag, Rep>& id) const {
    return std::hash<Rep>{}(id.value());
  }
};
template <>
struct std::hash<weir::base::TopicPartition> {
  size_t operator()(const weir::base::TopicPartition& tp) const {
    return std::hash<std::string>{}(tp.topic) * 31 + static_cast<size_t>(tp.partition);
  }
};
