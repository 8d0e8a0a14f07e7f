// The fast path of the JSON decoder: simdjson's structural index (stage 1), then one walk over it
// that writes values straight into the columns.
//
// The walk takes a record only where it is sure of Spark's answer: valid JSON all through (what is
// skipped is checked too), every value of a fitting type, no key twice. Otherwise it says no, and
// what it wrote for the slot has to be rolled back. Keys are guessed from the record before:
// usually one 32-byte comparison a field.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codec/column_writer.h"
#include "codec/text_value.h"

namespace weir::codec {

class JsonFastParser {
 public:
  // `root` is a struct column; both arguments outlive the parser.
  JsonFastParser(ColumnWriter& root, const DatetimeFormats& formats);
  ~JsonFastParser();

  // Writes the record to the slot. 64 bytes after the record have to be readable. False: nothing is
  // promised of the slot.
  bool parse(std::string_view record, int64_t slot);

 private:
  struct StructPlan;
  struct ValuePlan {
    columnar::TypeKind kind;
    ColumnWriter* column;
    std::unique_ptr<StructPlan> structure;  // struct
    std::unique_ptr<ValuePlan> element;     // array; value of a map
  };
  struct KeyGuess {
    uint8_t bytes[32];  // the key in its quotes, its beginning where it is longer
    uint32_t mask;      // bit i: byte i has to match
    int32_t field;      // -1: not wanted
    std::string tail;   // what is past 32 bytes
  };
  struct StructPlan {
    std::vector<ValuePlan> fields;
    std::vector<std::string> names;                       // quoted
    std::unordered_map<std::string_view, int32_t> index;  // by quoted name
    std::vector<int32_t> position;  // field -> its place among the guesses, or -1
    std::vector<KeyGuess> guesses;  // in the order of the records seen
    int misses = 0;
    std::vector<uint64_t> seen_many;  // for structs of more than 64 fields
  };
  using At = const uint32_t*;  // into the structural index

  ValuePlan plan_value(ColumnWriter& column);
  std::unique_ptr<StructPlan> plan_struct(ColumnWriter& column);

  // Each takes the index of a value's first character and gives that behind the value, or nullptr.
  At read_value(ValuePlan& plan, At at, int64_t slot);
  At read_struct(StructPlan& plan, At at, int64_t slot);
  At read_array(ValuePlan& plan, At at, int64_t slot);
  At read_map(ValuePlan& plan, At at, int64_t slot);
  At read_number(ValuePlan& plan, At at, int64_t slot);
  At read_text(ValuePlan& plan, At at, int64_t slot);
  At skip_value(At at);
  At skip_nested(At at);
  bool skip_scalar(At at);

  static bool matches(const KeyGuess& guess, const uint8_t* key);
  // The field of the key, -1 where it is not wanted, -2 where the fast path has to give up. Moves
  // `position` on.
  int32_t find_key(StructPlan& plan, At at, size_t* position);
  // The string's contents without its quotes; a view with a null pointer where it is none.
  std::string_view string_at(At at) const;
  bool unescape(std::string_view text);

  const DatetimeFormats& formats_;
  struct Stage1;
  std::unique_ptr<Stage1> stage1_;
  std::unique_ptr<StructPlan> root_;
  const uint8_t* buffer_ = nullptr;
  At end_ = nullptr;
  bool has_backslash_ = false;
  bool default_timestamp_;
  std::string scratch_;
};

}  // namespace weir::codec
