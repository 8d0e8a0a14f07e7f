// One JSON record to rows by JsonTokens and Spark's conversion rules (Spark's JacksonParser), kept
// as small trees and then written to the columns. The slow path: correct for every input.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/column_writer.h"
#include "codec/json_decoder.h"
#include "codec/json_tokens.h"
#include "codec/text_value.h"

namespace weir::codec {

// A value on its way into a column; what is used depends on the column's type.
struct JsonTree {
  bool null = true;
  int64_t integer = 0;
  double real = 0;
  __int128 decimal = 0;
  std::string text;
  std::vector<JsonTree> items;  // fields of a struct, elements, or keys and values of a map in turn
};

class JsonSlowParser {
 public:
  JsonSlowParser(const JsonOptions& options, const DatetimeFormats& formats)
      : options_(options), formats_(formats) {}

  struct Parsed {
    std::vector<JsonTree> rows;  // trees of the struct type
    bool bad = false;            // the record is bad; rows hold what could be read of it, or none
    bool blank = false;          // there was no record
  };
  Parsed parse(std::string_view record, const columnar::DataType& row_type);

 private:
  enum class Outcome { kOk, kPartial, kBad };
  Outcome convert(const columnar::DataType& type, JsonTree* to);
  Outcome convert_value(const columnar::DataType& type, JsonTree* to);
  Outcome convert_struct(const columnar::DataType& type, JsonTree* to);
  Outcome convert_array(const columnar::DataType& element, bool root, JsonTree* to);
  Outcome convert_map(const columnar::DataType& type, JsonTree* to);
  Outcome convert_integer(const columnar::DataType& type, JsonTree* to);
  Outcome convert_real(bool single, JsonTree* to);
  Outcome convert_from_text(const columnar::DataType& type, JsonTree* to);
  Outcome convert_string(JsonTree* to);
  bool copy_structure(std::string* to);
  // Steps to the next token: kOk where it is one before `stop`, kPartial at the end, kBad where it
  // failed.
  Outcome next_until(JsonToken stop);

  const JsonOptions& options_;
  const DatetimeFormats& formats_;
  JsonTokens* tokens_ = nullptr;
  std::string_view record_;
};

// Writes a tree to a slot of its column.
void write_tree(const JsonTree& tree, ColumnWriter& column, int64_t slot);

// The text with what is not UTF-8 replaced by U+FFFD, as Java's decoder does.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace weir::codec
