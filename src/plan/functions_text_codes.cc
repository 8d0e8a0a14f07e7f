// Text to bytes and back.
#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

void add_text_codes(Functions& list) {
  list.push_back(risky("encode", 2, 2, fixed({S, S}, Bin), "Bytes of a text in a character set."));
  list.push_back(risky("decode", 2, 2, fixed({Bin, S}, S), "Text of bytes in a character set."));
  list.push_back(risky("to_binary", 1, 2, fixed({S, S}, Bin),
                       "Bytes of a text: hex (the default), utf-8 or base64."));
  list.push_back(sure("try_to_binary", 1, 2, fixed_nullable({S, S}, Bin),
                      "As to_binary, NULL where it fails."));
  list.push_back(sure("is_valid_utf8", 1, 1, fixed({S}, B), "The text is well-formed UTF-8."));
  list.push_back(
      sure("make_valid_utf8", 1, 1, fixed({S}, S), "What is no UTF-8 replaced by U+FFFD."));
  list.push_back(
      risky("validate_utf8", 1, 1, fixed({S}, S), "The text; fails where it is no UTF-8."));
  list.push_back(sure("try_validate_utf8", 1, 1, fixed_nullable({S}, S),
                      "The text, NULL where it is no UTF-8."));
}

}  // namespace weir::plan
