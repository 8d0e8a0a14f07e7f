#include "plan/function_groups.h"

namespace weir::plan {

using namespace entry;

void add_operators(Functions& list) {
  list.push_back(risky("+", 2, 2, arithmetic(), "Sum; also dates and timestamps plus intervals."));
  list.push_back(risky("-", 2, 2, arithmetic(), "Difference."));
  list.push_back(risky("*", 2, 2, arithmetic(), "Product."));
  list.push_back(risky("/", 2, 2, arithmetic(), "Quotient: double, or decimal of decimals."));
  list.push_back(
      risky("%", 2, 2, arithmetic(), "Remainder with the sign of the dividend.", {"mod"}));
  list.push_back(
      risky("div", 2, 2, integral_division(), "Integral part of the quotient, as bigint."));
  list.push_back(risky("pmod", 2, 2, arithmetic(), "Positive remainder."));
  list.push_back(sure("try_add", 2, 2, arithmetic(), "Sum, NULL on overflow."));
  list.push_back(sure("try_subtract", 2, 2, arithmetic(), "Difference, NULL on overflow."));
  list.push_back(sure("try_multiply", 2, 2, arithmetic(), "Product, NULL on overflow."));
  list.push_back(sure("try_divide", 2, 2, arithmetic(), "Quotient, NULL where the divisor is 0."));
  list.push_back(risky("negative", 1, 1, same_numeric(), "The value with its sign turned."));
  list.push_back(sure("positive", 1, 1, same_numeric(), "The value itself."));
  list.push_back(sure("=", 2, 2, comparison(false), "True where both are equal.", {"=="}));
  list.push_back(
      sure("<=>", 2, 2, comparison(true), "As =, and NULL equals NULL.", {"equal_null"}));
  list.push_back(sure("<", 2, 2, comparison(false), "Less than."));
  list.push_back(sure("<=", 2, 2, comparison(false), "Less than or equal."));
  list.push_back(sure(">", 2, 2, comparison(false), "Greater than."));
  list.push_back(sure(">=", 2, 2, comparison(false), "Greater than or equal."));
  list.push_back(lazy("and", EvaluationForm::kAnd, 2, 2, fixed({B}, B), "Three-valued AND."));
  list.push_back(lazy("or", EvaluationForm::kOr, 2, 2, fixed({B}, B), "Three-valued OR."));
  list.push_back(sure("not", 1, 1, fixed({B}, B), "Three-valued NOT.", {"!"}));
  list.push_back(sure("isnull", 1, 1, any_never_null(B), "True for NULL."));
  list.push_back(sure("isnotnull", 1, 1, any_never_null(B), "False for NULL."));
  list.push_back(sure(
      "isnan", 1, 1,
      [](const Function&, const SignatureCall& call) -> Result<Signature> {
        const auto type = call.arguments[0]->type.is(TypeKind::kFloat) ? TypeKind::kFloat : D;
        return Signature{{DataType::of(type)}, DataType::of(B), false};
      },
      "True for NaN, false for NULL."));
  list.push_back(
      sure("in", 2, -1, in_list(), "True where the first argument equals one of the others."));
  list.push_back(risky("like", 2, 3, fixed({S}, B),
                       "Matches the pattern (% any text, _ one character); third: escape."));
  list.push_back(risky("ilike", 2, 3, fixed({S}, B), "As like, whatever the case."));
  list.push_back(risky("rlike", 2, 2, fixed({S}, B), "Some part matches the regular expression.",
                       {"regexp", "regexp_like"}));
  list.push_back(sure("&", 2, 2, bitwise(), "Bitwise AND."));
  list.push_back(sure("|", 2, 2, bitwise(), "Bitwise OR."));
  list.push_back(sure("^", 2, 2, bitwise(), "Bitwise exclusive OR."));
  list.push_back(sure("~", 1, 1, bitwise(), "Bitwise NOT."));
  list.push_back(sure("shiftleft", 2, 2, shift(), "Bits moved left.", {"<<"}));
  list.push_back(sure("shiftright", 2, 2, shift(), "Bits moved right, sign kept.", {">>"}));
}

}  // namespace weir::plan
