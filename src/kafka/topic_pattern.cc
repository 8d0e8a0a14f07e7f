#include "kafka/topic_pattern.h"

#include <boost/regex.hpp>

namespace weir::kafka {

using base::ErrorKind;
using base::Result;

struct TopicPattern::Compiled {
  std::string source;
  boost::regex expression;
};

Result<TopicPattern> TopicPattern::compile(std::string_view pattern) {
  if (pattern.size() > kLengthMax)
    return base::error(ErrorKind::kInvalidArgument,
                       "a topic pattern of {} characters is longer than the {} that are taken",
                       pattern.size(), kLengthMax);
  auto compiled = std::make_shared<Compiled>();
  compiled->source = pattern;
  try {
    compiled->expression.assign(compiled->source, boost::regex_constants::perl);
  } catch (const std::exception& problem) {
    return base::error(ErrorKind::kInvalidArgument, "topic pattern \"{}\": {}", pattern,
                       problem.what());
  }
  return TopicPattern(std::move(compiled));
}

Result<bool> TopicPattern::matches(std::string_view name) const {
  try {
    return boost::regex_match(name.begin(), name.end(), compiled_->expression);
  } catch (const std::exception& problem) {
    return base::error(ErrorKind::kInvalidArgument,
                       "topic pattern \"{}\" is too complex for the topic \"{}\": {}",
                       compiled_->source, name, problem.what());
  }
}

}  // namespace weir::kafka
