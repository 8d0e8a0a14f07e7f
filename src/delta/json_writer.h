// Appends JSON text: log lines and statistics are built without a tree of values in between.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::delta {

// "…" with the escapes that JSON demands; the text has to be UTF-8.
void append_json_string(std::string& out, std::string_view text);

// {"a":1,"b":"x"}: puts the commas.
class JsonObjectWriter {
 public:
  explicit JsonObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  // Writes "key": and leaves the value to the caller.
  std::string& member(std::string_view key) {
    if (!first_) out_ += ',';
    first_ = false;
    append_json_string(out_, key);
    out_ += ':';
    return out_;
  }
  void text(std::string_view key, std::string_view value) {
    append_json_string(member(key), value);
  }
  void number(std::string_view key, int64_t value) { member(key) += std::to_string(value); }
  void boolean(std::string_view key, bool value) { member(key) += value ? "true" : "false"; }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace weir::delta
