// Reading what clients send: parsing within limits, and the errors of what cannot be understood.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "base/result.h"

namespace google::protobuf {
class Message;
}

namespace weir::connect {

using base::Result;

// Levels of messages within messages: a relation in a chain takes two or three. Decoding recurses
// as deep, on threads with a stack made for it (kWorkerStackBytes).
inline constexpr int kNestingMax = 2048;
inline constexpr size_t kWorkerStackBytes = 64 << 20;

Result<void> parse_message(std::string_view bytes, google::protobuf::Message& out);

base::Error invalid_plan_error(std::string text);
base::Error unsupported_error(std::string text);

template <typename... Args>
base::Error invalid_plan(fmt::format_string<Args...> format, Args&&... args) {
  return invalid_plan_error(fmt::format(format, std::forward<Args>(args)...));
}
// UNSUPPORTED_FEATURE: "{} is not supported"
template <typename... Args>
base::Error unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return unsupported_error(fmt::format(format, std::forward<Args>(args)...));
}

// The name of what is set in a oneof ("rel_type" → "nearest_by_join"); a number where this program
// does not know it, "nothing" where nothing is set.
std::string case_name(const google::protobuf::Message& message, std::string_view oneof);

}  // namespace weir::connect
