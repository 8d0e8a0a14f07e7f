// Distances, codes and maskings of texts.
#include <algorithm>

#include "plan/string_function_groups.h"

namespace weir::plan {

using namespace entry;

namespace {

constexpr std::string_view kMaskNames[] = {"str", "upperChar", "lowerChar", "digitChar",
                                           "otherChar"};

// Characters to put in place are constants of one character.
Result<Signature> mask_rule(const Function&, const SignatureCall& call) {
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const auto& argument = *call.arguments[i];
    if (!is_text(argument.type) && !argument.type.is(TypeKind::kNull))
      return unexpected_input(call, i, "\"STRING\"");
    if (i == 0) continue;
    const auto* literal = std::get_if<TypedLiteral>(&argument.node);
    const auto* cast = std::get_if<TypedCast>(&argument.node);
    if (!literal && cast) literal = std::get_if<TypedLiteral>(&cast->child->node);
    const auto name = std::string(kMaskNames[i]);
    if (!literal) {
      return analysis_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                            "Cannot resolve \"mask\" due to data type mismatch: the input `" +
                                name + "` should be a foldable \"STRING\" expression.",
                            call.origin)
          .with_parameter("inputName", "`" + name + "`")
          .with_parameter("inputType", "\"STRING\"");
    }
    const auto* text = std::get_if<std::string>(&literal->value);
    const auto characters = !text ? 1 : std::count_if(text->begin(), text->end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    if (characters != 1) {
      return analysis_error("DATATYPE_MISMATCH.INPUT_SIZE_NOT_ONE", "42K09",
                            "Cannot resolve \"mask\" due to data type mismatch: Length of " + name +
                                " should be 1.",
                            call.origin)
          .with_parameter("exprName", name);
    }
  }
  return Signature{std::vector<DataType>(call.arguments.size(), DataType::of(S)), DataType::of(S),
                   true};
}

}  // namespace

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
  list.push_back(risky("mask", 1, 5, mask_rule,
                       "Upper case, lower case, digits and others replaced by X, x, n, themselves "
                       "or what is given."));
  list.push_back(sure("luhn_check", 1, 1, fixed({S}, B),
                      "The digits' check digit is right by Luhn's algorithm."));
}

}  // namespace weir::plan
