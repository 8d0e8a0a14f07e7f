// A pattern that topics' whole names match, as with subscribePattern: Java's regular expressions as
// far as Perl's are the same, matched by Boost.Regex, which gives up where a pattern would take for
// ever. Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::kafka {

class TopicPattern {
 public:
  static constexpr size_t kLengthMax = 4096;
  // kInvalidArgument where it is malformed or longer than kLengthMax.
  static base::Result<TopicPattern> compile(std::string_view pattern);
  // kInvalidArgument where the pattern is too complex for the name.
  base::Result<bool> matches(std::string_view name) const;

 private:
  struct Compiled;
  explicit TopicPattern(std::shared_ptr<const Compiled> compiled)
      : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace weir::kafka
