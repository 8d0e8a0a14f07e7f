// Options that Spark's readers of text records (JSON, CSV) share.
#pragma once

#include <cstdint>
#include <string>

namespace weir::codec {

enum class ParseMode {
  kPermissive,  // a bad record becomes NULLs, its text goes to the corrupt-record column where the
                // schema has one
  kDropMalformed,  // a bad record is left out
  kFailFast,       // a bad record is an error
};

// What became of one record.
enum class RecordOutcome : uint8_t {
  kGood,
  kCorrupt,  // did not parse, or a field did not fit its type; the row is there (PERMISSIVE)
  kNull,  // no record: a NULL or blank payload. The row is there, all NULL (from_json gives a NULL
          // struct)
  kDropped,  // left out of the batch (DROPMALFORMED)
};

struct RecordCounters {
  int64_t rows = 0;          // rows given out
  int64_t bytes = 0;         // payload bytes read
  int64_t corrupt_rows = 0;  // rows given out whose record was bad
  int64_t dropped_rows = 0;  // records left out by DROPMALFORMED
};

}  // namespace weir::codec
