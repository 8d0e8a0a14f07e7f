#include "simulate/event_generator.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/core.h>

#include "base/clock.h"

namespace weir::simulate {

using base::error;
using base::ErrorKind;

namespace {

constexpr std::string_view kDevicePrefix = "contoso-device-id-";
constexpr std::string_view kTypeCo2 = "CO2";
constexpr std::string_view kTypeTemp = "TEMP";
constexpr std::string_view kSequenceLabel = "\",\"deviceSequenceNumber\":";
constexpr size_t kTailMax = 20 + 64;  // sequence number, type, createdAt

// "0000" … "9999".
constexpr auto kDigitGroups = [] {
  std::array<char, 40000> groups{};
  for (size_t value = 0; value < 10000; ++value) {
    groups[4 * value] = static_cast<char>('0' + value / 1000);
    groups[4 * value + 1] = static_cast<char>('0' + value / 100 % 10);
    groups[4 * value + 2] = static_cast<char>('0' + value / 10 % 10);
    groups[4 * value + 3] = static_cast<char>('0' + value % 10);
  }
  return groups;
}();

void write_four(uint64_t value, char* out) { std::memcpy(out, &kDigitGroups[4 * value], 4); }

// Seventeen random digits with a point after the second: 10.000000000000000 … 99.999999999999999.
void write_number(uint64_t bits, char* out) {
  constexpr uint64_t kSmallest = 10'000'000'000'000'000;
  const uint64_t value =
      kSmallest +
      static_cast<uint64_t>((static_cast<unsigned __int128>(bits) * (9 * kSmallest)) >> 64);
  const auto high = static_cast<uint32_t>(value / 100'000'000);  // nine digits
  const auto low = static_cast<uint32_t>(value % 100'000'000);   // eight
  const uint32_t top = high / 10'000'000;                        // two
  const uint32_t middle = high % 10'000'000;                     // seven
  out[0] = static_cast<char>('0' + top / 10);
  out[1] = static_cast<char>('0' + top % 10);
  out[2] = '.';
  write_four(middle % 10000, out + 6);
  std::memcpy(out + 3, &kDigitGroups[4 * (middle / 10000) + 1], 3);
  write_four(low / 10000, out + 10);
  write_four(low % 10000, out + 14);
}

void write_six(uint32_t value, char* out) {
  const uint32_t high = value / 10000;
  out[0] = static_cast<char>('0' + high / 10);
  out[1] = static_cast<char>('0' + high % 10);
  write_four(value % 10000, out + 2);
}

}  // namespace

Result<void> check_shape(const EventShape& shape) {
  if (shape.devices < 1 || shape.devices > 1'000'000)
    return error(ErrorKind::kInvalidArgument, "devices: {} is not between 1 and 1000000",
                 shape.devices);
  if (shape.fields < 0 || shape.fields > 1000)
    return error(ErrorKind::kInvalidArgument, "fields: {} is not between 0 and 1000", shape.fields);
  if (!(shape.duplicates >= 0 && shape.duplicates <= 1))
    return error(ErrorKind::kInvalidArgument, "duplicates: {} is not between 0 and 1",
                 shape.duplicates);
  return {};
}

EventGenerator::EventGenerator(const EventShape& shape)
    : shape_(shape),
      identity_(shape.seed),
      data_key_(mix64(shape.seed ^ 0x6461746100000000)),
      copy_key_(mix64(shape.seed ^ 0x636f707900000000)),
      stretch_(shape.duplicates > 0 ? 1 / shape.duplicates : 0),
      device_id_(fmt::format("{}{:06}", kDevicePrefix, 0)) {
  const std::string zero = "00.000000000000000";
  buffer_ = fmt::format("{{\"eventId\":\"{}\",\"complexData\":{{",
                        std::string(EventIdentity::kUuidLength, '0'));
  for (int field = 0; field < shape_.fields; ++field) {
    buffer_ += fmt::format("{}\"moreData{}\":", field == 0 ? "" : ",", field);
    if (field == 0) first_number_ = buffer_.size();
    buffer_ += zero;
  }
  buffer_ += "},\"value\":";
  value_at_ = buffer_.size();
  buffer_ += zero;
  buffer_ += ",\"deviceId\":\"";
  buffer_ += kDevicePrefix;
  device_at_ = buffer_.size();
  buffer_ += "000000";
  buffer_ += kSequenceLabel;
  sequence_at_ = buffer_.size();
  buffer_.append(kTailMax, ' ');
}

uint64_t EventGenerator::key_of(uint64_t index) const { return mix64(index + data_key_); }

std::string_view EventGenerator::type(uint64_t index) const {
  return mix64(key_of(index) ^ 1) >> 63 == 0 ? kTypeCo2 : kTypeTemp;
}

size_t EventGenerator::number_position(int field) const {
  // Labels: ,"moreData7": has 13 characters, and one more for each further digit.
  const auto place = static_cast<size_t>(field);
  size_t position = first_number_ + place * (kNumberLength + 13);
  if (field >= 10) position += place - 9;
  if (field >= 100) position += place - 99;
  return position;
}

std::string_view EventGenerator::event(uint64_t index, int64_t created_at_us) {
  char* const begin = buffer_.data();
  identity_.write_uuid(index, begin + 12);
  const uint64_t key = key_of(index);
  size_t position = first_number_;
  for (int field = 0; field < shape_.fields; ++field) {
    write_number(mix64(key + static_cast<uint64_t>(field) + 2), begin + position);
    const int next = field + 1;
    position += kNumberLength + 13 + (next >= 10) + (next >= 100);
  }
  write_number(mix64(key), begin + value_at_);
  write_six(static_cast<uint32_t>(device(index)), begin + device_at_);

  char* out = begin + sequence_at_;
  out = std::to_chars(out, out + 20, sequence_number(index)).ptr;
  const auto put = [&out](std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    out += text.size();
  };
  put(",\"type\":\"");
  put(type(index));
  put("\",\"createdAt\":\"");
  write_created_at(created_at_us, out);
  out += 27;
  put("\"}");
  return {begin, static_cast<size_t>(out - begin)};
}

std::string_view EventGenerator::device_id(uint64_t index) {
  write_six(static_cast<uint32_t>(device(index)), device_id_.data() + kDevicePrefix.size());
  return device_id_;
}

std::string_view EventGenerator::number(uint64_t index, int field) {
  const uint64_t key = key_of(index);
  write_number(mix64(field < 0 ? key : key + static_cast<uint64_t>(field) + 2), number_);
  return {number_, kNumberLength};
}

// "2019-05-16T17:16:40.000003Z"
void EventGenerator::write_created_at(int64_t us, char* out) {
  const int64_t second = us / 1'000'000 - (us % 1'000'000 < 0 ? 1 : 0);
  if (second != formatted_second_) {
    const std::string text = base::format_utc_us(second * 1'000'000);
    std::memcpy(second_text_, text.data(), sizeof second_text_);
    formatted_second_ = second;
  }
  std::memcpy(out, second_text_, sizeof second_text_);
  write_six(static_cast<uint32_t>(us - second * 1'000'000), out + sizeof second_text_);
  out[26] = 'Z';
}

uint64_t EventGenerator::duplicate_place(uint64_t stretch) const {
  const double unit = static_cast<double>(mix64(stretch + copy_key_) >> 11) * 0x1.0p-53;
  return static_cast<uint64_t>((static_cast<double>(stretch) + unit) * stretch_);
}

bool EventGenerator::is_duplicated(uint64_t index) const {
  if (stretch_ == 0) return false;
  // A stretch may begin inside an event's place where 1/duplicates is no whole number: look at the
  // neighbours too.
  const auto stretch = static_cast<uint64_t>(static_cast<double>(index) / stretch_);
  for (uint64_t candidate = stretch == 0 ? 0 : stretch - 1; candidate <= stretch + 1; ++candidate)
    if (duplicate_place(candidate) == index) return true;
  return false;
}

uint64_t EventGenerator::copy_lag(uint64_t index) const {
  return 1 + mix64(mix64(index) ^ copy_key_) % kCopyLagMax;
}

}  // namespace weir::simulate
