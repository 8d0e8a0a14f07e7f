// CSV text → Arrow columns with the answers of Spark's CSV reader (the univocity parser with
// Spark's settings).
//
// The file's schema goes by position. Where only some columns are wanted, the number of fields of a
// record is not checked, as in Spark (column pruning); where all are, or where there is a
// corrupt-record column, a record with more or fewer fields is a bad one: PERMISSIVE keeps what it
// could read. One decoder belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/column_writer.h"
#include "codec/record_options.h"
#include "codec/text_value.h"
#include "columnar/data_type.h"

namespace arrow {
class RecordBatch;
}

namespace weir::codec {

using base::Result;
using columnar::Schema;

// Spark's CSV options, with Spark's defaults.
struct CsvOptions {
  ParseMode mode = ParseMode::kPermissive;
  std::string corrupt_column = "_corrupt_record";
  std::string separator = ",";
  char quote = '"';           // 0: none
  char escape = '\\';         // 0: none
  char escape_of_escape = 0;  // 0: as Spark, the escape itself where it is not the quote
  char comment = 0;           // 0: none
  bool header = false;
  bool enforce_schema = true;
  bool multi_line = false;
  bool ignore_leading_blanks = false;
  bool ignore_trailing_blanks = false;
  std::string null_value;
  std::string empty_value;
  std::string nan_value = "NaN";
  std::string positive_infinity = "Inf";
  std::string negative_infinity = "-Inf";
  int64_t columns_max = 20480;
  int64_t column_chars_max = -1;  // no limit
  std::string timestamp_format;
  std::string timestamp_ntz_format;
  std::string date_format;
  std::string time_zone = "UTC";
};

class CsvDecoder {
 public:
  // wanted: names out of file_schema in the order wanted.
  static Result<std::unique_ptr<CsvDecoder>> create(const Schema& file_schema, const Schema& wanted,
                                                    CsvOptions options);

  // The fields of the record at the beginning of `text` (blank and comment lines before it left
  // out); nullopt: empty and not quoted. No fields where there is no record.
  static std::vector<std::optional<std::string>> first_record(std::string_view text,
                                                              const CsvOptions& options);

  // At the beginning of a file: the first record is the header where the options say so.
  void begin_file() {
    header_pending_ = options_.header;
    at_begin_ = true;
  }
  // Whole lines (LF, CRLF or CR), or with multi_line the whole text of the file.
  Result<void> append(std::string_view text);

  int64_t rows() const { return rows_; }
  int64_t bytes() const { return bytes_; }
  Result<std::shared_ptr<arrow::RecordBatch>> finish();
  const RecordCounters& counters() const { return counters_; }

 private:
  struct Token {
    std::string_view text;
    bool null = false;  // empty and not quoted
  };
  struct Wanted {
    size_t token;  // place in the record; SIZE_MAX: the corrupt-record column
    ColumnWriter* column;
  };

  CsvDecoder(CsvOptions options, DatetimeFormats formats)
      : options_(std::move(options)), formats_(std::move(formats)) {}
  Result<void> add_line(std::string_view line);
  Result<void> add_record(std::string_view record);
  Result<void> check_header() const;
  // Splits the record that begins at `text`; returns its length with its line end. Line ends count
  // only where multi_line.
  size_t split(std::string_view text);
  size_t read_quoted(std::string_view text, size_t at, Token* token);
  bool ends_field(std::string_view text, size_t at) const;
  size_t line_end(std::string_view text, size_t at) const;  // its length at `at`; 0 for none
  bool convert(const Token& token, ColumnWriter& column);
  bool convert_real(std::string_view text, double* value) const;

  CsvOptions options_;
  DatetimeFormats formats_;
  Schema file_schema_ = Schema::structure({});  // without the corrupt-record column
  Schema wanted_schema_ = Schema::structure({});
  std::vector<std::unique_ptr<ColumnWriter>> columns_;
  std::vector<Wanted> wanted_;
  bool check_count_ = true;
  bool header_pending_ = false;
  bool at_begin_ = true;
  // With multi_line, by the first line end of the file: CR and LF, or CR LF; otherwise LF alone.
  bool cr_ends_ = false;
  bool crlf_ends_ = false;
  std::vector<Token> tokens_;
  std::string scratch_;  // unescaped values of the record
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  int64_t capacity_ = 0;
  RecordCounters counters_;
};

}  // namespace weir::codec
