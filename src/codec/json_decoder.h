// JSON text → Arrow columns, driven by a schema, with the answers of Spark 4's from_json and JSON
// files.
//
// Two paths give the same answers. The fast one walks simdjson's structural index and writes values
// straight into Arrow buffers, predicting each key from the record before; it takes records that
// are valid JSON and fit the schema. Everything else (wrong types, single quotes, trailing text,
// bad UTF-8 …) is undone and goes to a tolerant pull parser of Jackson's rules, which is slower.
//
// Only the schema's columns are decoded: pass the pruned schema (nested structs pruned too). Names
// are matched with their case, as Spark does. A field missing or of a wrong type is NULL, also
// where declared NOT NULL; the columns of a batch are all nullable. A column named
// options.corrupt_column of type STRING gets the text of bad records and is never read from the
// JSON.
//
// One decoder belongs to one thread; it keeps its buffers' sizes between batches.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/record_options.h"
#include "columnar/data_type.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace weir::codec {

using base::Result;
using columnar::Schema;

// Spark's JSON options, with Spark's defaults.
struct JsonOptions {
  ParseMode mode = ParseMode::kPermissive;
  std::string corrupt_column = "_corrupt_record";
  bool allow_comments = false;
  bool allow_unquoted_field_names = false;
  bool allow_single_quotes = true;
  bool allow_numeric_leading_zeros = false;
  bool allow_non_numeric_numbers = true;
  bool allow_backslash_escaping_any_character = false;
  bool allow_unquoted_control_chars = false;
  std::string timestamp_format;      // Java pattern; empty: Spark's ISO rules
  std::string timestamp_ntz_format;  // likewise
  std::string date_format;           // likewise
  std::string time_zone = "UTC";     // zone of timestamps without one
  // Set for files: a top-level array gives a row per element, invalid UTF-8 makes a record bad,
  // blank lines give no row. Unset (from_json, Kafka): an array is a bad record, invalid UTF-8
  // becomes U+FFFD, blanks give a NULL row.
  bool from_files = false;
};

class JsonDecoder {
 public:
  // kInvalidArgument or kUnsupported where the schema or an option cannot be served.
  static Result<std::unique_ptr<JsonDecoder>> create(const Schema& schema, JsonOptions options);
  virtual ~JsonDecoder() = default;

  // Adds one record. readable_after: bytes that may be read after the payload's end (64 or more
  // spares a copy). An error comes with FAILFAST only (class MALFORMED_RECORD_IN_PARSING).
  virtual Result<void> append(std::string_view payload, size_t readable_after) = 0;
  // Adds a row of NULLs (outcome kNull).
  virtual void append_null() = 0;
  // Adds every line of `text` (LF or CRLF ends one; the last may lack its end). readable_after as
  // above.
  virtual Result<void> append_lines(std::string_view text, size_t readable_after) = 0;
  // Adds all payloads of a binary, utf8, large_* or *_view array. padded: every value is followed
  // by 64 readable bytes.
  virtual Result<void> append_array(const arrow::Array& payloads, bool padded) = 0;

  // Rows since the last finish().
  virtual int64_t rows() const = 0;
  // Bytes of the rows' values now held, roughly; for callers that bound a batch by size.
  virtual int64_t bytes() const = 0;
  // What became of each record appended since the last finish(), in order (not kept for
  // append_lines and top-level arrays).
  virtual std::span<const RecordOutcome> outcomes() const = 0;
  // The rows since the last finish() as one batch; the decoder starts anew.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> finish() = 0;
  // Totals since the decoder was made.
  virtual const RecordCounters& counters() const = 0;
  // Of those, records that took the slow path.
  virtual int64_t slow_records() const = 0;
};

}  // namespace weir::codec
