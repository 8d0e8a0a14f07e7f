// The catalog's entries by group, one list a source file, and what they are written with.
#pragma once

#include <vector>

#include "plan/function_catalog.h"
#include "plan/signature_rules.h"

namespace weir::plan {

using Functions = std::vector<Function>;

void add_operators(Functions& list);
void add_conditionals(Functions& list);
void add_strings(Functions& list);
void add_math(Functions& list);
void add_times(Functions& list);
void add_nested(Functions& list);
void add_arrays(Functions& list);
void add_misc(Functions& list);
void add_text_codes(Functions& list);
void add_json(Functions& list);
void add_formats(Functions& list);
void add_time_makers(Functions& list);
void add_aggregates(Functions& list);
void add_windows(Functions& list);
void add_generators(Functions& list);
void add_lambdas(Functions& list);

namespace entry {

inline constexpr auto B = TypeKind::kBoolean;
inline constexpr auto I = TypeKind::kInteger;
inline constexpr auto L = TypeKind::kLong;
inline constexpr auto F = TypeKind::kFloat;
inline constexpr auto D = TypeKind::kDouble;
inline constexpr auto S = TypeKind::kString;
inline constexpr auto Bin = TypeKind::kBinary;
inline constexpr auto Date = TypeKind::kDate;
inline constexpr auto Ts = TypeKind::kTimestamp;
inline constexpr auto Ntz = TypeKind::kTimestampNtz;

using Aliases = std::vector<std::string_view>;

// A strict scalar function that no value makes fail.
inline Function sure(std::string_view name, int min, int max, SignatureRule rule,
                     std::string_view doc, Aliases aliases = {}) {
  return {name,
          std::move(aliases),
          FunctionKind::kScalar,
          EvaluationForm::kStrict,
          min,
          max,
          std::move(rule),
          true,
          false,
          doc};
}
// A strict scalar function that some values make fail.
inline Function risky(std::string_view name, int min, int max, SignatureRule rule,
                      std::string_view doc, Aliases aliases = {}) {
  auto made = sure(name, min, max, std::move(rule), doc, std::move(aliases));
  made.can_fail = true;
  return made;
}
// A scalar function that may give something else at every call.
inline Function volatile_one(std::string_view name, int min, int max, SignatureRule rule,
                             std::string_view doc, Aliases aliases = {}) {
  auto made = sure(name, min, max, std::move(rule), doc, std::move(aliases));
  made.deterministic = false;
  return made;
}
// A function that leaves arguments unevaluated for some rows.
inline Function lazy(std::string_view name, EvaluationForm form, int min, int max,
                     SignatureRule rule, std::string_view doc, Aliases aliases = {}) {
  auto made = sure(name, min, max, std::move(rule), doc, std::move(aliases));
  made.form = form;
  return made;
}
inline Function of_kind(FunctionKind kind, std::string_view name, int min, int max,
                        SignatureRule rule, std::string_view doc, Aliases aliases = {}) {
  auto made = risky(name, min, max, std::move(rule), doc, std::move(aliases));
  made.kind = kind;
  return made;
}
inline Function aggregate(std::string_view name, int min, int max, SignatureRule rule,
                          std::string_view doc, Aliases aliases = {}) {
  return of_kind(FunctionKind::kAggregate, name, min, max, std::move(rule), doc,
                 std::move(aliases));
}

}  // namespace entry

}  // namespace weir::plan
