// Regular expressions as Java has them (look-around included), over UTF-8; matched by Boost.Regex.
//
// Bytes where pattern and text are ASCII, else characters. Positions are bytes of the text either
// way. Not for two threads at once; a kernel call makes its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/kernel.h"

namespace weir::eval {

struct RegexpGroup {
  int64_t begin = -1;  // -1: the group took no part in the match
  int64_t end = -1;
};
using RegexpMatch = std::vector<RegexpGroup>;  // 0: the whole match

class Regexp {
 public:
  // INVALID_PARAMETER_VALUE.PATTERN where Java would refuse it.
  static Result<Regexp> compile(const KernelCall& call, std::string_view pattern);
  Regexp(Regexp&&) noexcept;
  Regexp& operator=(Regexp&&) noexcept;
  ~Regexp();

  const std::string& source() const;
  int groups() const;
  Result<bool> contains(const KernelCall& call, std::string_view text) const;
  Result<std::optional<RegexpMatch>> first(const KernelCall& call, std::string_view text) const;
  // From left to right.
  Result<std::vector<RegexpMatch>> all(const KernelCall& call, std::string_view text) const;
  // Java's String.split; limit <= 0: no limit, empty parts at the end kept.
  Result<std::vector<std::string>> split(const KernelCall& call, std::string_view text,
                                         int64_t limit) const;

 private:
  struct Compiled;
  explicit Regexp(std::unique_ptr<Compiled> compiled);
  // Calls visit for each match from left to right until it gives false.
  Result<void> for_each(const KernelCall& call, std::string_view text,
                        const std::function<bool(const RegexpMatch&)>& visit) const;
  std::unique_ptr<Compiled> compiled_;
};

// The pattern of the row before, which is most often that of this row too.
class RegexpCache {
 public:
  Result<const Regexp*> get(const KernelCall& call, std::string_view pattern) {
    if (!last_ || last_->source() != pattern) {
      WEIR_ASSIGN(auto made, Regexp::compile(call, pattern));
      last_.emplace(std::move(made));
    }
    return &*last_;
  }

 private:
  std::optional<Regexp> last_;
};

}  // namespace weir::eval
