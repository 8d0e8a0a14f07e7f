#include "simulate/journal_records.h"

#include <bit>
#include <cstring>

#include "kafka/crc32c.h"

namespace weir::simulate {
namespace {

void put_u32(uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8)
    out += static_cast<char>(value >> shift & 0xff);
}

void put_varint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

uint64_t zigzag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}
int64_t from_zigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

void put_signed(int64_t value, std::string& out) { put_varint(zigzag(value), out); }

void put_text(std::string_view text, std::string& out) {
  put_varint(text.size(), out);
  out += text;
}

// Count; for each message the step of its index from the one before (zigzag); the number of copies
// and their places.
void put_messages(std::span<const MessageTag> messages, std::string& out) {
  put_varint(messages.size(), out);
  uint64_t before = 0;
  uint64_t copies = 0;
  for (const MessageTag& message : messages) {
    put_signed(static_cast<int64_t>(message.index - before), out);
    before = message.index;
    copies += message.copy;
  }
  put_varint(copies, out);
  for (size_t place = 0; copies > 0 && place < messages.size(); ++place)
    if (messages[place].copy) put_varint(place, out);
}

class PayloadReader {
 public:
  explicit PayloadReader(std::string_view bytes) : bytes_(bytes) {}

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) break;
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  int64_t signed_varint() { return from_zigzag(varint()); }
  std::string_view text() {
    const uint64_t size = varint();
    if (!ok_ || size > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  void messages(std::vector<MessageTag>& messages) {
    const uint64_t count = varint();
    if (count > bytes_.size()) ok_ = false;  // each takes a byte at least
    uint64_t index = 0;
    for (uint64_t i = 0; ok_ && i < count; ++i) {
      index += static_cast<uint64_t>(signed_varint());
      messages.push_back({.index = index, .copy = false});
    }
    const uint64_t copies = varint();
    for (uint64_t i = 0; ok_ && i < copies; ++i) {
      const uint64_t place = varint();
      if (place >= messages.size()) ok_ = false;
      if (ok_) messages[place].copy = true;
    }
  }
  void indexes(std::vector<uint64_t>& indexes) {
    const uint64_t count = varint();
    if (count > bytes_.size()) ok_ = false;
    uint64_t index = 0;
    for (uint64_t i = 0; ok_ && i < count; ++i)
      indexes.push_back(index += static_cast<uint64_t>(signed_varint()));
  }
  bool finished() const { return ok_ && at_ == bytes_.size(); }
  bool ok() const { return ok_; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

bool decode_run(PayloadReader& in, JournalRun& run) {
  in.varint();  // synced_until
  run.shape.seed = in.varint();
  run.shape.devices = static_cast<int>(in.varint());
  run.shape.fields = static_cast<int>(in.varint());
  run.shape.duplicates = std::bit_cast<double>(in.varint());
  run.first_index = in.varint();
  run.started_us = in.signed_varint();
  run.target = in.text();
  return in.finished() && check_shape(run.shape).ok();
}

}  // namespace

void encode_run(const JournalRun& run, int64_t synced_until, std::string& out) {
  put_varint(static_cast<uint64_t>(synced_until), out);
  put_varint(run.shape.seed, out);
  put_varint(static_cast<uint64_t>(run.shape.devices), out);
  put_varint(static_cast<uint64_t>(run.shape.fields), out);
  put_varint(std::bit_cast<uint64_t>(run.shape.duplicates), out);
  put_varint(run.first_index, out);
  put_signed(run.started_us, out);
  put_text(run.target, out);
}

void encode_reservation(const JournalReservation& reservation, int64_t synced_until,
                        std::string& out) {
  put_varint(static_cast<uint64_t>(synced_until), out);
  put_varint(reservation.first, out);
  put_varint(reservation.end, out);
  put_varint(reservation.copies.size(), out);
  uint64_t before = 0;
  for (const uint64_t copy : reservation.copies) {
    put_signed(static_cast<int64_t>(copy - before), out);
    before = copy;
  }
}

void encode_acknowledgement(const Acknowledgement& acknowledgement, int64_t time_us,
                            std::string& out) {
  put_text(acknowledgement.topic, out);
  put_varint(static_cast<uint64_t>(acknowledgement.partition), out);
  put_signed(acknowledgement.base_offset, out);
  put_signed(time_us, out);
  put_messages(acknowledgement.messages, out);
}

void encode_failure(std::span<const MessageTag> messages, std::string_view error, int64_t time_us,
                    std::string& out) {
  put_signed(time_us, out);
  put_text(error.substr(0, 1000), out);
  put_messages(messages, out);
}

void encode_stop(const JournalStop& stop, std::string& out) {
  put_varint(stop.next_index, out);
  put_signed(stop.time_us, out);
  put_varint(static_cast<uint64_t>(stop.sent), out);
  put_varint(static_cast<uint64_t>(stop.acknowledged), out);
  put_varint(static_cast<uint64_t>(stop.duplicated), out);
}

void append_framed(RecordType type, std::string_view payload, std::string& out) {
  const char type_byte = static_cast<char>(type);
  put_u32(static_cast<uint32_t>(payload.size() + 1), out);
  put_u32(kafka::crc32c(payload, kafka::crc32c({&type_byte, 1})), out);
  out += type_byte;
  out += payload;
}

bool decode_record(uint8_t type, std::string_view payload, JournalVisitor& visitor) {
  PayloadReader in(payload);
  switch (type) {
    case kRunRecord: {
      JournalRun run;
      if (!decode_run(in, run)) return false;
      visitor.on_run(run);
      return true;
    }
    case kReservationRecord: {
      JournalReservation reservation;
      in.varint();  // synced_until
      reservation.first = in.varint();
      reservation.end = in.varint();
      in.indexes(reservation.copies);
      if (!in.finished() || reservation.end < reservation.first) return false;
      visitor.on_reservation(reservation);
      return true;
    }
    case kAcknowledgementRecord: {
      JournalAcknowledgement acknowledgement;
      acknowledgement.topic = in.text();
      acknowledgement.partition = static_cast<int32_t>(in.varint());
      acknowledgement.base_offset = in.signed_varint();
      acknowledgement.time_us = in.signed_varint();
      in.messages(acknowledgement.messages);
      if (!in.finished()) return false;
      visitor.on_acknowledgement(acknowledgement);
      return true;
    }
    case kFailureRecord: {
      JournalFailure failure;
      failure.time_us = in.signed_varint();
      failure.error = in.text();
      in.messages(failure.messages);
      if (!in.finished()) return false;
      visitor.on_failure(failure);
      return true;
    }
    case kStopRecord: {
      JournalStop stop;
      stop.next_index = in.varint();
      stop.time_us = in.signed_varint();
      stop.sent = static_cast<int64_t>(in.varint());
      stop.acknowledged = static_cast<int64_t>(in.varint());
      stop.duplicated = static_cast<int64_t>(in.varint());
      if (!in.finished()) return false;
      visitor.on_stop(stop);
      return true;
    }
    default:
      return false;
  }
}

int64_t synced_until(uint8_t type, std::string_view payload) {
  if (type != kRunRecord && type != kReservationRecord) return -1;
  PayloadReader in(payload);
  const uint64_t position = in.varint();
  return in.ok() ? static_cast<int64_t>(position) : -1;
}

}  // namespace weir::simulate
