// A tolerant pull parser of JSON with Jackson's rules: the slow path of the JSON decoder.
//
// It gives tokens one at a time and fails where Jackson fails, no sooner: text after the last token
// asked for is never looked at, a string's contents are checked when they are asked for or stepped
// over, and after a failure the next call goes on behind the place of the failure. Spark's answers
// to half-broken records follow from that.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json_decoder.h"

namespace weir::codec {

enum class JsonToken {
  kNone,  // before the first token, and at the end
  kStartObject,
  kEndObject,
  kStartArray,
  kEndArray,
  kFieldName,
  kString,
  kInt,
  kFloat,  // also NaN and the infinities
  kTrue,
  kFalse,
  kNull,
};

class JsonTokens {
 public:
  // The text has to outlive the parser.
  JsonTokens(std::string_view text, const JsonOptions& options);

  // The next token; false where the text is not JSON there.
  bool next();
  JsonToken token() const { return token_; }
  // The name that a value belongs to: the field's, inside of arrays and at the top none (false).
  bool name(const std::string** name) const;
  // The text of a string (decoded), number or literal; false where a string's contents are bad.
  bool text(const std::string** text);
  // The bytes of a base64 string; false where it is none.
  bool binary(std::string* bytes);
  // Steps from a start token to its end; other tokens stay.
  bool skip_children();
  // Byte positions: of the current token's first byte, and behind what has been read.
  size_t token_begin() const { return token_begin_; }
  // Reads a string's rest, so that position() is behind it.
  bool finish_token();
  size_t position() const { return at_; }

 private:
  struct Context {
    bool object = false;
    int64_t count = 0;
    std::string name;
    bool named = false;
  };

  int skip_blanks();  // the next character that is none, consumed; -1 at the end, -2 for what may
                      // not be there
  bool skip_comment();
  bool value(int c, JsonToken* token);
  bool read_string(char quote, std::string* to);
  bool read_odd_bytes(std::string* to);  // what is not UTF-8, as Jackson reads it
  bool read_escape(std::string* to);
  bool read_name(int c, std::string* to);
  bool number(int c, JsonToken* token);
  bool literal(std::string_view rest, JsonToken kind, JsonToken* token);
  bool non_numeric(std::string_view whole, JsonToken* token);
  bool odd_value(int c, JsonToken* token);
  bool end_scope(bool object);

  std::string_view text_;
  const JsonOptions& options_;
  size_t at_ = 0;
  JsonToken token_ = JsonToken::kNone;
  JsonToken after_name_ = JsonToken::kNone;
  bool string_pending_ = false;
  size_t token_begin_ = 0;
  size_t value_begin_ = 0;
  std::string value_text_;
  std::vector<Context> contexts_;
};

}  // namespace weir::codec
