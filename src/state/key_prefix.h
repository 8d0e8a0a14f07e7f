// How long the first columns of an encoded key are.
#pragma once

#include <optional>
#include <string_view>

#include "columnar/data_type.h"

namespace weir::state {

// The bytes of a key's first columns, whatever is behind them; nullopt where it does not begin with
// such columns.
std::optional<size_t> key_prefix_bytes(const columnar::Schema& schema, size_t columns,
                                       std::string_view key);

}  // namespace weir::state
