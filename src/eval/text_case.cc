#include "eval/text_case.h"

#include <unordered_map>

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include "base/text.h"
#include "eval/utf8.h"
#include "eval/vector.h"

namespace weir::eval {

namespace {

using CaseTable = std::unordered_map<uint32_t, uint32_t>;

// Arrow's kernels know Unicode's tables: ask them once for every character of the planes that have
// case.
CaseTable make_table(const char* function) {
  CaseTable table;
  TextWriter writer(0x1E944 - 0x80);
  for (uint32_t code = 0x80; code < 0x1E944; ++code) {
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    std::string one;
    base::append_utf8(surrogate ? 0x80 : code, one);
    writer.add(one);
  }
  auto input = writer.finish(arrow::utf8());
  WEIR_CHECK(input.ok(), "case table");
  auto mapped = arrow::compute::CallFunction(function, {*input});
  WEIR_CHECK(mapped.ok(), "case table");
  const auto array = mapped->make_array();  // owns what `texts` refers to
  const auto& texts = static_cast<const arrow::StringArray&>(*array);
  for (int64_t i = 0; i < texts.length(); ++i) {
    const auto code = static_cast<uint32_t>(i) + 0x80;
    const auto to = decode_character(texts.GetView(i), 0);
    if (to != code && !(code >= 0xD800 && code < 0xE000)) table.emplace(code, to);
  }
  return table;
}

const CaseTable& table(bool upper) {
  if (upper) {
    static const CaseTable kUpper = make_table("utf8_upper");
    return kUpper;
  }
  static const CaseTable kLower = make_table("utf8_lower");
  return kLower;
}

// Letters whose other case is several (Unicode's SpecialCasing without conditions).
std::string_view special_case(uint32_t code, bool upper) {
  if (!upper) return code == 0x130 ? "i\u0307" : "";
  switch (code) {
    case 0xDF:
      return "SS";
    case 0x149:
      return "\u02BCN";
    case 0x1F0:
      return "J\u030C";
    case 0x390:
      return "\u0399\u0308\u0301";
    case 0x3B0:
      return "\u03A5\u0308\u0301";
    case 0x587:
      return "\u0535\u0552";
    case 0x1E96:
      return "H\u0331";
    case 0x1E97:
      return "T\u0308";
    case 0x1E98:
      return "W\u030A";
    case 0x1E99:
      return "Y\u030A";
    case 0x1E9A:
      return "A\u02BE";
    case 0xFB00:
      return "FF";
    case 0xFB01:
      return "FI";
    case 0xFB02:
      return "FL";
    case 0xFB03:
      return "FFI";
    case 0xFB04:
      return "FFL";
    case 0xFB05:
    case 0xFB06:
      return "ST";
    case 0xFB13:
      return "\u0544\u0546";
    case 0xFB14:
      return "\u0544\u0535";
    case 0xFB15:
      return "\u0544\u053B";
    case 0xFB16:
      return "\u054E\u0546";
    case 0xFB17:
      return "\u0544\u053D";
    default:
      return "";
  }
}

}  // namespace

void append_case(std::string_view text, bool upper, std::string& out) {
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (!(c & 0x80)) {
      const bool changes = upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';
      out += static_cast<char>(changes ? c ^ 0x20 : c);
      ++at;
      continue;
    }
    const size_t bytes = character_bytes(text, at);
    const auto one = text.substr(at, bytes);
    at += bytes;
    const auto code = decode_character(one, 0);
    if (const auto several = special_case(code, upper); !several.empty()) {
      out += several;
      continue;
    }
    const auto found = table(upper).find(code);
    if (found == table(upper).end()) {
      out += one;
    } else {
      base::append_utf8(found->second, out);
    }
  }
}

}  // namespace weir::eval
