// Makes the events of the sample "Streaming at Scale": one JSON object of about 940 bytes (23
// fields) for every index, the same for the same shape and index, but for createdAt, which the
// caller gives.
//
//   {"eventId":"b81d241f-5187-40b0-ab2a-940faf9757c0","complexData":{"moreData0":57.739726013343247,…},
//    "value":49.022781288877530,"deviceId":"contoso-device-id-000154","deviceSequenceNumber":0,"type":"CO2",
//    "createdAt":"2019-05-16T17:16:40.000003Z"}
//
// Doubles are in [10, 100) with 15 decimals, their digits drawn, not computed from a double: the
// text is what is exact. Everything but the sequence number has a fixed width, so an event is made
// by overwriting the digits of the one before.
//
// Duplicates: the k-th duplicated event lies at a random place of the k-th stretch of 1/duplicates
// events, and its exact copy is to be sent after a random 1 … kCopyLagMax further events.
//
// Not safe for use by several threads at once; each may have its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "simulate/event_identity.h"
#include "simulate/event_shape.h"

namespace weir::simulate {

class EventGenerator {
 public:
  static constexpr uint64_t kCopyLagMax = 1000;

  explicit EventGenerator(const EventShape& shape);  // a shape that check_shape accepts

  // The event's JSON without a line end; valid until the next call.
  std::string_view event(uint64_t index, int64_t created_at_us);
  // "contoso-device-id-000154"; valid until the next call.
  std::string_view device_id(uint64_t index);

  int device(uint64_t index) const {
    return static_cast<int>(index % static_cast<uint64_t>(shape_.devices));
  }
  int64_t sequence_number(uint64_t index) const {
    return static_cast<int64_t>(index / static_cast<uint64_t>(shape_.devices));
  }
  // "CO2" or "TEMP".
  std::string_view type(uint64_t index) const;
  // The text of `value` (field -1) or of moreData<field>; valid until the next call.
  std::string_view number(uint64_t index, int field);

  bool is_duplicated(uint64_t index) const;
  // How many events after event `index` its copy is sent.
  uint64_t copy_lag(uint64_t index) const;

  const EventShape& shape() const { return shape_; }
  const EventIdentity& identity() const { return identity_; }

 private:
  static constexpr size_t kNumberLength = 18;
  uint64_t key_of(uint64_t index) const;
  uint64_t duplicate_place(uint64_t stretch) const;
  size_t number_position(int field) const;
  void write_created_at(int64_t us, char* out);

  EventShape shape_;
  EventIdentity identity_;
  uint64_t data_key_;
  uint64_t copy_key_;
  double stretch_;  // 1 / duplicates
  std::string buffer_;
  std::string device_id_;
  char number_[kNumberLength];
  size_t first_number_ = 0;  // position of moreData0's value in buffer_
  size_t value_at_ = 0;
  size_t device_at_ = 0;
  size_t sequence_at_ = 0;
  int64_t formatted_second_ = -1;
  char second_text_[20];  // "2019-05-16T17:16:40." of formatted_second_
};

}  // namespace weir::simulate
