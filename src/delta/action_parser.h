// JSON objects → actions: shared by commit files and checkpoints.
#pragma once

#include <optional>
#include <string_view>

#include "delta/actions.h"

namespace weir::delta {

// The action `name` with these members; nullopt for an unknown one.
Result<std::optional<Action>> action_from_json(std::string_view name, const base::JsonObject& body,
                                               std::string_view what);

}  // namespace weir::delta
