// The catalog of functions: one entry a function. Operators are functions too.
//
// An entry says under which names a function is called, how many arguments it takes, what types
// they are coerced to and what comes out (its signature rule), whether it is deterministic, and one
// line for people. The kernels live in room eval, keyed by the entry's name; a test checks that
// every scalar entry has exactly one kernel.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/analysis.h"
#include "plan/expression.h"

namespace weir::plan {

enum class FunctionKind : uint8_t { kScalar, kAggregate, kWindow, kGenerator };

// How a call's arguments are evaluated. All but kStrict may leave arguments unevaluated for some
// rows.
enum class EvaluationForm : uint8_t { kStrict, kAnd, kOr, kCase, kCoalesce };

// What a signature rule is asked, and what it answers.
struct SignatureCall {
  std::string_view name;  // as called, lower case
  std::vector<TypedPtr> arguments;
  const AnalysisOptions* options = nullptr;
  Origin origin;
};
struct Signature {
  std::vector<DataType> argument_types;  // what each argument is cast to
  DataType result = DataType::of(columnar::TypeKind::kNull);
  bool nullable = true;
};
using SignatureRule =
    std::function<Result<Signature>(const Function& function, const SignatureCall& call)>;

struct Function {
  std::string_view name;                  // canonical; the kernel's key
  std::vector<std::string_view> aliases;  // other names
  FunctionKind kind = FunctionKind::kScalar;
  EvaluationForm form = EvaluationForm::kStrict;
  int arguments_min = 0;
  int arguments_max = 0;  // -1: any number
  SignatureRule rule;
  bool deterministic = true;
  bool can_fail = false;  // some value may raise an error (so guards must keep it from running)
  std::string_view doc;
};

// By any of its names, in any case; nullptr where there is none.
const Function* find_function(std::string_view name);
std::span<const Function> all_functions();

// Spark's coercion, shared by the rules. nullopt where there is no common type.
std::optional<DataType> common_type(const DataType& a, const DataType& b, bool ansi);
// As common_type for the two sides of a comparison (without ANSI a string yields to the other
// side).
std::optional<DataType> comparison_type(const DataType& a, const DataType& b, bool ansi);
// Result type of decimal + - * / % by Spark's rules (precision capped at 38, scale kept down to 6).
DataType decimal_result(std::string_view op, const DataType& a, const DataType& b);
// The decimal that holds every value of an integral type.
DataType decimal_for(const DataType& integral);
// True where Spark's CAST allows the pair (under ANSI some pairs are refused).
bool can_cast(const DataType& from, const DataType& to, bool ansi);
// True where Spark casts an argument of type `from` to a parameter of type `to` without being
// asked.
bool can_cast_implicitly(const DataType& from, const DataType& to, bool ansi);
// True where some value of `from` does not convert (an error under ANSI, NULL otherwise).
bool cast_may_fail(const DataType& from, const DataType& to);

// True where Spark declares the cast of a value that is not NULL nullable (under ANSI too).
bool cast_is_nullable(const DataType& from, const DataType& to);

bool is_integral(const DataType& type);    // byte … long
bool is_fractional(const DataType& type);  // float, double
bool is_text(const DataType& type);        // string, char, varchar

}  // namespace weir::plan
