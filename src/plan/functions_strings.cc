#include "plan/string_function_groups.h"

namespace weir::plan {

using namespace entry;

void add_strings(Functions& list) {
  const auto S1 = fixed({S}, S);
  list.push_back(sure("concat", 0, -1, concat_rule(), "The arguments joined.", {"||"}));
  list.push_back(sure("concat_ws", 1, -1, concat_ws_rule(),
                      "The arguments after the first joined by it, NULLs left out."));
  list.push_back(sure("upper", 1, 1, S1, "Upper case.", {"ucase"}));
  list.push_back(sure("lower", 1, 1, S1, "Lower case.", {"lcase"}));
  list.push_back(sure("initcap", 1, 1, S1, "First letter of each word in upper case."));
  list.push_back(sure("length", 1, 1, string_or_binary(I),
                      "Number of characters, of bytes for binary.",
                      {"char_length", "character_length", "len"}));
  list.push_back(sure("octet_length", 1, 1, string_or_binary(I), "Number of bytes."));
  list.push_back(sure("bit_length", 1, 1, string_or_binary(I), "Number of bits."));
  list.push_back(sure("substring", 2, 3, substring_rule(),
                      "Part from a position (1 the first, negative from the end).", {"substr"}));
  list.push_back(sure("left", 2, 2, fixed({S, I}, S), "The leftmost characters."));
  list.push_back(sure("right", 2, 2, fixed({S, I}, S), "The rightmost characters."));
  list.push_back(sure("trim", 1, 1, S1, "Spaces taken off both ends."));
  list.push_back(sure("ltrim", 1, 2, S1,
                      "Characters (spaces) taken off the left; two arguments: which first."));
  list.push_back(sure("rtrim", 1, 2, S1,
                      "Characters (spaces) taken off the right; two arguments: which first."));
  list.push_back(
      sure("btrim", 1, 2, S1, "Characters (spaces) taken off both ends; second: which."));
  list.push_back(
      sure("lpad", 2, 3, fixed({S, I, S}, S), "Padded or cut to a length, on the left."));
  list.push_back(
      sure("rpad", 2, 3, fixed({S, I, S}, S), "Padded or cut to a length, on the right."));
  list.push_back(
      sure("replace", 2, 3, S1, "Every occurrence of the second replaced by the third."));
  list.push_back(
      sure("translate", 3, 3, S1, "Characters of the second turned into those of the third."));
  list.push_back(sure("instr", 2, 2, fixed({S}, I),
                      "Position of the second in the first, 0 where it is not."));
  list.push_back(sure("locate", 2, 3, fixed({S, S, I}, I), "Position of the first in the second.",
                      {"position"}));
  list.push_back(sure("contains", 2, 2, string_or_binary(B), "The first contains the second."));
  list.push_back(
      sure("startswith", 2, 2, string_or_binary(B), "The first starts with the second."));
  list.push_back(sure("endswith", 2, 2, string_or_binary(B), "The first ends with the second."));
  list.push_back(sure("repeat", 2, 2, fixed({S, I}, S), "The text several times."));
  list.push_back(sure("reverse", 1, 1, reverse_rule(), "The characters or elements backwards."));
  list.push_back(sure("ascii", 1, 1, fixed({S}, I), "Code point of the first character."));
  list.push_back(
      sure("chr", 1, 1, fixed({L}, S), "The character of a code (modulo 256).", {"char"}));
  list.push_back(
      risky("split_part", 3, 3, fixed({S, S, I}, S), "One part of the text split at a delimiter."));
  list.push_back(risky("regexp_replace", 3, 4, fixed({S, S, S, I}, S),
                       "Every match replaced; $1 refers to a group."));
  list.push_back(risky("regexp_extract", 2, 3, fixed({S, S, I}, S),
                       "One group (default 1) of the first match, '' without match."));
  list.push_back(sure(
      "hex", 1, 1,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        const auto& type = call.arguments[0]->type;
        const auto kind = type.is(Bin) ? Bin : is_text(type) ? S : L;
        return Signature{{DataType::of(kind)}, DataType::of(S), call.arguments[0]->nullable};
      },
      "Hexadecimal text of a number or of bytes."));
  list.push_back(sure("unhex", 1, 1, fixed_nullable({S}, Bin),
                      "Bytes of a hexadecimal text, NULL where it is not one."));
  list.push_back(sure("base64", 1, 1, fixed({Bin}, S), "Base 64 of bytes."));
  list.push_back(risky("unbase64", 1, 1, fixed({S}, Bin), "Bytes of a base 64 text."));
  add_urls(list);
  add_string_tools(list);
}

}  // namespace weir::plan
