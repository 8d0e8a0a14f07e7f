// Sketches of the DataSketches library in the bytes that Spark writes: HLL, Theta, Tuple, KLL and
// frequent items. The library's headers stay in data_sketches_*.cc; its exceptions become errors
// there.
//
// A sketch's plan is a text: the aggregate function's name and its settings, separated by spaces
// (sketch_aggregates.cc makes it). An entry is what one row adds, in bytes: a key or number of
// fixed width in little endian, a text's bytes, another sketch's bytes.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::eval {

using base::Result;

// What an aggregate knows of one group. One thread at a time.
class SketchBuilder {
 public:
  virtual ~SketchBuilder() = default;
  virtual Result<void> add(std::string_view entry) = 0;
  // The bytes() of another builder of the same plan.
  virtual Result<void> merge(std::string_view bytes) = 0;
  // The sketch, in Spark's bytes.
  virtual Result<std::string> bytes() = 0;
  virtual int64_t memory() const = 0;  // roughly
};
Result<std::unique_ptr<SketchBuilder>> make_sketch(std::string_view plan);

// How entries of keys are to be understood.
enum class SketchKey : char { kLong = 'l', kDouble = 'd', kBytes = 'b' };

// Words of a plan.
std::vector<std::string_view> sketch_words(std::string_view plan);
int sketch_number(std::string_view word);

// Errors with Spark's classes; `function` as the user called it.
base::Error bad_sketch(std::string_view family, std::string_view function);
// What the library throws over bytes that are no sketch becomes that error.
template <typename Work>
auto guarded_sketch(std::string_view family, std::string_view function, Work&& work)
    -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception&) {
    return bad_sketch(family, function);
  }
}

namespace hll {
Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan);
Result<int64_t> estimate(std::string_view sketch);
Result<std::string> unite(std::string_view a, std::string_view b, bool different_sizes);
}  // namespace hll

namespace theta {
enum class Operation { kUnion, kIntersection, kDifference };
Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan);
Result<int64_t> estimate(std::string_view sketch);
Result<std::string> combine(Operation operation, std::string_view a, std::string_view b,
                            int log_entries, std::string_view function);
// Of any of Spark's two forms; in the form that the library reads.
Result<std::string> plain(std::string_view sketch, std::string_view function);
}  // namespace theta

namespace tuple {
enum class Summary { kDouble, kInteger };
enum class Mode : uint8_t { kSum, kMin, kMax, kAlwaysOne };
std::optional<Mode> mode_of(std::string_view name);
Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan);
struct Facts {
  double estimate = 0;
  double theta = 1;
  std::vector<double> summaries;  // exact for integers too
};
Result<Facts> facts(Summary summary, std::string_view sketch, std::string_view function);
// The second is a Theta sketch where `with_theta`.
Result<std::string> combine(theta::Operation operation, Summary summary, bool with_theta,
                            std::string_view a, std::string_view b, int log_entries, Mode mode,
                            std::string_view function);
}  // namespace tuple

namespace kll {
enum class Number { kLong, kFloat, kDouble };
struct Value {
  int64_t whole = 0;  // kLong
  double real = 0;    // the others
};
Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan);
Result<int64_t> count(Number number, std::string_view sketch, std::string_view function);
Result<std::vector<Value>> quantiles(Number number, std::string_view sketch,
                                     const std::vector<double>& ranks, std::string_view function);
Result<std::vector<double>> ranks(Number number, std::string_view sketch,
                                  const std::vector<Value>& values, std::string_view function);
Result<std::string> merged(Number number, std::string_view a, std::string_view b,
                           std::string_view function);
Result<std::string> summary(Number number, std::string_view sketch, std::string_view function);
}  // namespace kll

namespace items {
// How an item's bytes are to be understood: fixed widths, bits of floats, text; `t` true or false,
// `m` the 16 bytes of a decimal.
enum class Kind : char {
  kByte = 'y',
  kShort = 'h',
  kInteger = 'i',
  kLong = 'l',
  kFloat = 'f',
  kDouble = 'd',
  kText = 's',
  kBoolean = 't',
  kDecimal = 'm'
};
struct Row {
  std::optional<std::string> item;  // nothing: NULL
  int64_t count = 0;
};
Result<std::unique_ptr<SketchBuilder>> make(const std::vector<std::string_view>& plan);
// The most frequent items, most frequent first.
Result<std::vector<Row>> most_frequent(std::string_view sketch, Kind kind, int64_t how_many);
}  // namespace items

}  // namespace weir::eval
