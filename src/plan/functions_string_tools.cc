// Distances, codes and maskings of texts.
#include "plan/string_function_groups.h"

namespace weir::plan {

using namespace entry;

void add_string_tools(Functions& list) {
  list.push_back(sure("levenshtein", 2, 3, fixed({S, S, I}, I),
                      "Edits between two texts; -1 where more than the third."));
  list.push_back(sure("soundex", 1, 1, fixed({S}, S), "The Soundex code of the text."));
  list.push_back(sure("substring_index", 3, 3, fixed({S, S, I}, S),
                      "What stands before the n-th delimiter (from the right where negative)."));
  list.push_back(sure(
      "overlay", 3, 4,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        const auto text =
            DataType::of(call.arguments[0]->type.is(Bin) ? TypeKind::kBinary : TypeKind::kString);
        Signature made{{text, text, DataType::of(I)}, text, false};
        if (call.arguments.size() > 3) made.argument_types.push_back(DataType::of(I));
        for (const auto& argument : call.arguments)
          made.nullable = made.nullable || argument->nullable;
        return made;
      },
      "The text with a part of it, from a position on, replaced."));
  list.push_back(risky("mask", 1, 5, fixed_nullable({S}, S),
                       "Upper case, lower case, digits and others replaced by X, x, n, themselves "
                       "or what is given."));
  list.push_back(sure("luhn_check", 1, 1, fixed({S}, B),
                      "The digits' check digit is right by Luhn's algorithm."));
}

}  // namespace weir::plan
