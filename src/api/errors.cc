#include "api/errors.h"

#include <optional>

namespace weir::api {

Error to_public(const base::Error& error) {
  return Error(std::string(base::error_kind_name(error.kind())), error.message(),
               error.error_class(), error.sql_state());
}

// Of a user's function: the kind is theirs to choose, one that we do not know goes to the message.
base::Error from_public(const Error& error) {
  std::optional<base::ErrorKind> known;
  for (int kind = 0; kind <= static_cast<int>(base::ErrorKind::kInternal); ++kind)
    if (base::error_kind_name(static_cast<base::ErrorKind>(kind)) == error.kind())
      known = static_cast<base::ErrorKind>(kind);
  base::Error made(known.value_or(base::ErrorKind::kInvalidArgument),
                   known ? error.message() : error.kind() + ": " + error.message());
  if (!error.error_class().empty()) made = std::move(made).with_class(error.error_class());
  if (!error.sql_state().empty()) made = std::move(made).with_sql_state(error.sql_state());
  return made;
}

}  // namespace weir::api
