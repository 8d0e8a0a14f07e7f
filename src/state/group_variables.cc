#include "state/group_variables.h"

#include "state/encoded_rows.h"

namespace weir::state {

int TransformCalls::part_of(std::string_view group) const {
  return static_cast<int>(hash_bytes(group) % parts.size());
}

}  // namespace weir::state
