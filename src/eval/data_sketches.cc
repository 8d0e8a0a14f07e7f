#include "eval/data_sketches.h"

#include <charconv>

#include <fmt/format.h>

#include "eval/frequent_items.h"

namespace weir::eval {

std::vector<std::string_view> sketch_words(std::string_view plan) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < plan.size();) {
    const auto end = std::min(plan.find(' ', at), plan.size());
    if (end > at) words.push_back(plan.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

int sketch_number(std::string_view word) {
  int number = 0;
  std::from_chars(word.data(), word.data() + word.size(), number);
  return number;
}

base::Error bad_sketch(std::string_view family, std::string_view function) {
  const std::string_view name = family == "HLL"     ? "HLL"
                                : family == "KLL"   ? "KLL"
                                : family == "TUPLE" ? "Tuple"
                                                    : "Theta";
  const std::string made_by = family == "HLL"   ? "the `hll_sketch_agg` function"
                              : family == "KLL" ? "the `kll_sketch_agg` function"
                              : family == "TUPLE"
                                  ? "the corresponding `tuple_sketch_agg_*` function"
                                  : "the `theta_sketch_agg` function";
  const auto error_class = fmt::format("{}_INVALID_INPUT_SKETCH_BUFFER", family);
  return base::error(base::ErrorKind::kInvalidArgument,
                     "[{}] Invalid call to `{}`; only valid {} sketch buffers are supported as "
                     "inputs (such as those produced by {}).",
                     error_class, function, name, made_by)
      .with_class(error_class)
      .with_sql_state(family == "HLL" ? "22546" : "22000")
      .with_parameter("function", fmt::format("`{}`", function));
}

Result<std::unique_ptr<SketchBuilder>> make_sketch(std::string_view plan) {
  const auto words = sketch_words(plan);
  WEIR_CHECK(!words.empty(), "a sketch without a plan");
  if (words[0].starts_with("hll_")) return hll::make(words);
  if (words[0].starts_with("theta_")) return theta::make(words);
  if (words[0].starts_with("tuple_")) return tuple::make(words);
  if (words[0].starts_with("kll_")) return kll::make(words);
  if (words[0] == "collect_frequent_items") return items::make_frequent(words);
  return items::make(words);
}

}  // namespace weir::eval
