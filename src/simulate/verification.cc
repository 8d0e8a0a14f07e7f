#include "simulate/verification.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

namespace weir::simulate {

using base::error;
using base::ErrorKind;

namespace {

constexpr size_t kExamplesKept = 10;
constexpr int64_t kStoredOffsetMs = int64_t{1}
                                    << 31;  // so that times before the first one seen fit too

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

// What is looked at, and the names under which it may be found, the best first.
enum Wanted {
  kEventId,
  kDevice,
  kSequence,
  kType,
  kValue,
  kComplexData,
  kStored,
  kEnqueued,
  kTopic,
  kPartition,
  kOffset,
  kWantedEnd
};
constexpr std::string_view kNames[kWantedEnd][3] = {{"eventId"},
                                                    {"deviceId"},
                                                    {"deviceSequenceNumber"},
                                                    {"type"},
                                                    {"value"},
                                                    {"complexData"},
                                                    {"storedAt"},
                                                    {"enqueuedAt", "_timestamp", "timestamp"},
                                                    {"_topic", "topic"},
                                                    {"_partition", "partition"},
                                                    {"_offset", "offset"}};

int find_column(const arrow::Schema& schema, Wanted wanted) {
  for (const std::string_view name : kNames[wanted]) {
    if (name.empty()) continue;
    for (int i = 0; i < schema.num_fields(); ++i)
      if (same_name(schema.field(i)->name(), name)) return i;
  }
  return -1;
}

std::optional<std::string_view> text_at(const arrow::Array* array, int64_t row) {
  if (array == nullptr || array->IsNull(row)) return std::nullopt;
  switch (array->type_id()) {
    case arrow::Type::STRING:
      return static_cast<const arrow::StringArray*>(array)->GetView(row);
    case arrow::Type::LARGE_STRING:
      return static_cast<const arrow::LargeStringArray*>(array)->GetView(row);
    case arrow::Type::STRING_VIEW:
      return static_cast<const arrow::StringViewArray*>(array)->GetView(row);
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> integer_at(const arrow::Array* array, int64_t row) {
  if (array == nullptr || array->IsNull(row)) return std::nullopt;
  switch (array->type_id()) {
    case arrow::Type::INT32:
      return static_cast<const arrow::Int32Array*>(array)->Value(row);
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Array*>(array)->Value(row);
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> time_us_at(const arrow::Array* array, int64_t row) {
  if (array == nullptr || array->IsNull(row)) return std::nullopt;
  const int64_t value = static_cast<const arrow::TimestampArray*>(array)->Value(row);
  switch (static_cast<const arrow::TimestampType&>(*array->type()).unit()) {
    case arrow::TimeUnit::SECOND:
      return value * 1'000'000;
    case arrow::TimeUnit::MILLI:
      return value * 1000;
    case arrow::TimeUnit::MICRO:
      return value;
    case arrow::TimeUnit::NANO:
      return value / 1000;
  }
  return std::nullopt;
}

bool is_text(arrow::Type::type id) {
  return id == arrow::Type::STRING || id == arrow::Type::LARGE_STRING ||
         id == arrow::Type::STRING_VIEW;
}

bool type_fits(Wanted wanted, arrow::Type::type id) {
  switch (wanted) {
    case kEventId:
    case kDevice:
    case kType:
    case kTopic:
      return is_text(id);
    case kSequence:
    case kPartition:
    case kOffset:
      return id == arrow::Type::INT64 || id == arrow::Type::INT32;
    case kValue:
      return is_text(id) || id == arrow::Type::DOUBLE;
    case kComplexData:
      return id == arrow::Type::STRUCT;
    default:
      return id == arrow::Type::TIMESTAMP;
  }
}

bool same_number(std::string_view text, double value) {
  double expected = 0;
  std::from_chars(text.data(), text.data() + text.size(), expected);
  return std::bit_cast<uint64_t>(expected) == std::bit_cast<uint64_t>(value);
}

// The text after "eventId":" up to the quote, or nothing.
std::string_view id_in_json(std::string_view value) {
  constexpr std::string_view kLabel = "\"eventId\":\"";
  const size_t at = value.find(kLabel);
  if (at == std::string_view::npos) return {};
  const size_t end = value.find('"', at + kLabel.size());
  if (end == std::string_view::npos) return {};
  return value.substr(at + kLabel.size(), end - at - kLabel.size());
}

}  // namespace

struct Verification::Columns {
  const arrow::Array* of[kWantedEnd] = {};
  std::vector<std::pair<int, const arrow::Array*>> more;  // N of moreData<N>, its values
};

Verification::Verification(JournalIndex& journal, VerifyOptions options)
    : journal_(journal), options_(options), latency_(std::make_unique<LatencyHistogram>()) {
  std::string topic;
  bool several = false;
  for (const auto& [partition, acknowledged] : journal_.acknowledged()) {
    several |= !topic.empty() && topic != partition.topic;
    topic = partition.topic;
  }
  if (!several) only_topic_ = topic;
  report_.interval_us = options_.interval_us;
}

Verification::~Verification() = default;

Result<std::vector<std::string>> Verification::columns(const arrow::Schema& schema,
                                                       const VerifyOptions& options) {
  std::vector<std::string> names;
  for (int wanted = 0; wanted < kWantedEnd; ++wanted) {
    if ((wanted == kValue || wanted == kComplexData) && !options.check_content) continue;
    const int column = find_column(schema, static_cast<Wanted>(wanted));
    if (column < 0 && wanted == kEventId)
      return error(ErrorKind::kInvalidArgument,
                   "the table has no column eventId, by which events are known");
    if (column < 0) continue;
    const auto& field = *schema.field(column);
    if (!type_fits(static_cast<Wanted>(wanted), field.type()->id())) {
      // Another meaning of a common name (a DATE called timestamp, say) is no reason to fail;
      // eventId has only one.
      if (wanted != kEventId) continue;
      return error(ErrorKind::kInvalidArgument, "column eventId is {}, a string was expected",
                   field.type()->ToString());
    }
    names.push_back(field.name());
  }
  return names;
}

Result<void> Verification::add_rows(const arrow::RecordBatch& rows) {
  Columns columns;
  for (int wanted = 0; wanted < kWantedEnd; ++wanted) {
    const int column = find_column(*rows.schema(), static_cast<Wanted>(wanted));
    if (column < 0 || !type_fits(static_cast<Wanted>(wanted), rows.column(column)->type_id()))
      continue;
    columns.of[wanted] = rows.column(column).get();
  }
  if (columns.of[kEventId] == nullptr)
    return error(ErrorKind::kInternal, "a batch without eventId");
  std::vector<std::shared_ptr<arrow::Array>> held;
  if (options_.check_content && columns.of[kComplexData] != nullptr) {
    const auto& data = static_cast<const arrow::StructArray&>(*columns.of[kComplexData]);
    for (int i = 0; i < data.num_fields(); ++i) {
      const std::string& name = data.type()->field(i)->name();
      int number = 0;
      if (!name.starts_with("moreData") || data.field(i)->type_id() != arrow::Type::DOUBLE)
        continue;
      const auto end = std::from_chars(name.data() + 8, name.data() + name.size(), number).ptr;
      if (end != name.data() + name.size()) continue;
      held.push_back(data.field(i));
      columns.more.emplace_back(number, held.back().get());
    }
  }
  if (!options_.check_content) columns.of[kValue] = nullptr;
  report_.has_places |= columns.of[kPartition] != nullptr && columns.of[kOffset] != nullptr;
  for (int64_t row = 0; row < rows.num_rows(); ++row)
    add_row(columns, row);
  return {};
}

void Verification::wrong(int64_t& count, std::string_view what, std::string_view id) {
  ++count;
  if (report_.examples.size() < kExamplesKept)
    report_.examples.push_back(fmt::format("{}: {}", what, id));
}

uint64_t Verification::id_hash(std::string_view id, const std::optional<EventPlace>& place) const {
  if (place) return event_hash(*place->epoch, place->index);
  return id.empty() ? 0 : std::hash<std::string_view>{}(id);
}

void Verification::add_row(const Columns& columns, int64_t row) {
  ++report_.rows;
  const auto id = text_at(columns.of[kEventId], row);
  const std::optional<EventPlace> place = id ? journal_.find(*id) : std::nullopt;
  if (!id) {
    ++report_.null_ids;
  } else if (!place || !place->epoch->events[place->index].sent()) {
    wrong(report_.unexpected, "in the table, never sent", *id);
  } else {
    EventState& state = place->epoch->events[place->index];
    if (state.rows() >= state.allowed())
      wrong(report_.duplicates_unmeant, "in the table more often than sent", *id);
    else if (state.rows() == 1)
      ++report_.duplicates_meant;
    if (state.rows() == 1) ++report_.duplicated_events;
    state.add_row();
    if (content_differs(columns, row, *place))
      wrong(report_.wrong_content, "not the values that were sent", *id);
  }
  add_time(columns, row, place, id.has_value());
  if (columns.of[kPartition] != nullptr && columns.of[kOffset] != nullptr)
    add_offset(columns, row, id_hash(id.value_or(""), place));
}

bool Verification::content_differs(const Columns& columns, int64_t row,
                                   const EventPlace& place) const {
  EventGenerator& event = place.epoch->generator;
  const auto differs = [&](Wanted wanted, auto expected, auto actual) {
    return columns.of[wanted] != nullptr && (!actual || *actual != expected);
  };
  if (differs(kDevice, event.device_id(place.index), text_at(columns.of[kDevice], row)))
    return true;
  if (differs(kSequence, event.sequence_number(place.index),
              integer_at(columns.of[kSequence], row)))
    return true;
  if (differs(kType, event.type(place.index), text_at(columns.of[kType], row))) return true;
  const arrow::Array* value = columns.of[kValue];
  if (value != nullptr) {
    if (value->IsNull(row)) return true;
    const std::string_view text = event.number(place.index, -1);
    if (value->type_id() == arrow::Type::DOUBLE
            ? !same_number(text, static_cast<const arrow::DoubleArray*>(value)->Value(row))
            : text_at(value, row) != text)
      return true;
  }
  if (columns.more.empty()) return false;
  if (columns.of[kComplexData]->IsNull(row)) return event.shape().fields > 0;
  for (const auto& [field, numbers] : columns.more) {
    const bool expected = field < event.shape().fields;
    if (numbers->IsNull(row) == expected) return true;
    if (expected && !same_number(event.number(place.index, field),
                                 static_cast<const arrow::DoubleArray*>(numbers)->Value(row)))
      return true;
  }
  return false;
}

void Verification::add_time(const Columns& columns, int64_t row,
                            const std::optional<EventPlace>& place, bool has_id) {
  const auto stored = time_us_at(columns.of[kStored], row);
  const auto enqueued = time_us_at(columns.of[kEnqueued], row);
  const auto when = stored ? stored : enqueued;
  if (!when) return;
  Interval& interval =
      intervals_[*when / options_.interval_us - (*when % options_.interval_us < 0 ? 1 : 0)];
  ++interval.rows;
  interval.events += has_id;
  if (stored && enqueued) {
    latency_->add(*stored - *enqueued);
    interval.latency_sum_us += *stored - *enqueued;
    ++interval.latencies;
  }
  if (!stored || !place) return;
  if (!first_stored_ms_) first_stored_ms_ = *stored / 1000;
  auto& times = place->epoch->stored_ms;
  if (times.size() < place->epoch->events.size()) times.resize(place->epoch->events.size());
  const int64_t ms =
      std::clamp<int64_t>(*stored / 1000 - *first_stored_ms_ + kStoredOffsetMs, 1, UINT32_MAX);
  if (times[place->index] == 0)
    times[place->index] = static_cast<uint32_t>(ms);  // of a copy the first row counts
}

void Verification::add_offset(const Columns& columns, int64_t row, uint64_t event) {
  const auto partition = integer_at(columns.of[kPartition], row);
  const auto offset = integer_at(columns.of[kOffset], row);
  if (!partition || !offset || *offset < 0) return;
  const auto topic = text_at(columns.of[kTopic], row);
  const base::TopicPartition where{std::string(topic.value_or(only_topic_)),
                                   static_cast<int32_t>(*partition)};
  Place& place = places_[where];
  if (!place.rows.insert(*offset)) {
    wrong(report_.places_twice, "twice in the table",
          fmt::format("{} partition {} offset {}", where.topic, where.partition, *offset));
    return;
  }
  if (*offset >= place.log_start && *offset < place.log_end)
    place.row_fingerprint += place_hash(*offset, event);
  const auto acknowledged = journal_.acknowledged().find(where);
  if (acknowledged != journal_.acknowledged().end() &&
      acknowledged->second.offsets.contains(*offset))
    place.acknowledged_fingerprint += place_hash(*offset, event);
}

void Verification::add_log_partition(const base::TopicPartition& partition, int64_t start,
                                     int64_t end) {
  report_.has_log = true;
  Place& place = places_[partition];
  place.log_start = start;
  place.log_end = end;
}

void Verification::add_record(const base::TopicPartition& partition, int64_t offset,
                              std::string_view value) {
  ++report_.log_records;
  const std::string_view id = id_in_json(value);
  const std::optional<EventPlace> event = id.empty() ? std::nullopt : journal_.find(id);
  if (!event || !event->epoch->events[event->index].sent()) {
    wrong(report_.log_foreign, "in the log, never sent",
          fmt::format("{} partition {} offset {}", partition.topic, partition.partition, offset));
  } else {
    EventState& state = event->epoch->events[event->index];
    if (state.records() >= state.allowed())
      wrong(report_.log_twice, "in the log more often than sent", id);
    state.add_record();
  }
  Place& place = places_[partition];
  place.records.insert(offset);
  place.record_fingerprint += place_hash(offset, id_hash(id, event));
}

}  // namespace weir::simulate
