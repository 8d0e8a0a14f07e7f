// Creating tables of the catalog, and changing what they are.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "delta/actions.h"
#include "session/session_state.h"

namespace weir::session {

struct TableCreation {
  Name name;
  std::string provider;
  std::optional<Schema> schema;  // none: of the rows, or what the location holds
  std::optional<std::string> location;
  std::vector<std::string> partition_by;
  std::optional<std::string> comment;
  TextMap properties;
  TextMap options;
  plan::OperatorPtr rows;  // null: none
  bool if_not_exists = false;
  bool or_replace = false;
  bool replace = false;    // has to be there
  bool overwrite = false;  // in the place of a table of files: saveAsTable()
};
Result<void> create_table(SessionState& state, const TableCreation& creation, std::stop_token stop);

// One commit that changes a Delta table's metadata.
Result<void> change_delta(const Services& services, const std::string& path,
                          const std::string& operation,
                          const std::function<Result<void>(delta::Metadata&)>& change);

}  // namespace weir::session
