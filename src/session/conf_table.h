// The list of configuration keys behind conf.h, sorted by key.
#pragma once

#include <cstddef>
#include <string_view>

namespace weir::session {

struct ConfEntry {
  std::string_view key;
  std::string_view value;
  bool has_default;  // false: known, but without a value until it is set
  bool is_static;    // fixed when the program starts
};

extern const ConfEntry kConfEntries[];
extern const size_t kConfEntryCount;

}  // namespace weir::session
