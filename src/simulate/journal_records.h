// The bytes of the journal's records (docs/formats/journal.md); used by its writer and reader only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "simulate/journal.h"

namespace weir::simulate {

inline constexpr std::string_view kJournalMagic = "WEIRJNL1";
inline constexpr size_t kRecordHeaderBytes = 8;       // length, crc
inline constexpr size_t kRecordBytesMax = 16u << 20;  // of a body

enum RecordType : uint8_t {
  kRunRecord = 1,
  kReservationRecord = 2,
  kAcknowledgementRecord = 3,
  kFailureRecord = 4,
  kStopRecord = 5,
};

// Payloads (a body is the type and then the payload). synced_until: the file was durable up to
// there before.
void encode_run(const JournalRun& run, int64_t synced_until, std::string& out);
void encode_reservation(const JournalReservation& reservation, int64_t synced_until,
                        std::string& out);
void encode_acknowledgement(const Acknowledgement& acknowledgement, int64_t time_us,
                            std::string& out);
void encode_failure(std::span<const MessageTag> messages, std::string_view error, int64_t time_us,
                    std::string& out);
void encode_stop(const JournalStop& stop, std::string& out);
// Length, CRC, type, payload.
void append_framed(RecordType type, std::string_view payload, std::string& out);

// Calls the visitor; false where the payload is not one of that type.
bool decode_record(uint8_t type, std::string_view payload, JournalVisitor& visitor);
// The synced_until of a run or reservation, -1 for others and for what is damaged.
int64_t synced_until(uint8_t type, std::string_view payload);

}  // namespace weir::simulate
