// Spark's errors about tables, views and databases.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/analysis.h"
#include "plan/statement.h"

namespace weir::session {

using plan::Name;
using plan::Origin;

// An error of a class of Spark's: "<message> SQLSTATE: …".
base::Error sql_error(std::string error_class, std::string_view sql_state, std::string message,
                      const Origin& origin = {});
// The same for a class without SQL state.
base::Error plain_error(std::string error_class, std::string message, const Origin& origin = {});
// The same of kind kUnsupported: UNSUPPORTED_FEATURE.
base::Error unsupported(std::string_view what, const Origin& origin = {});

// "`a`.`b`"
std::string quoted_name(const Name& name);
std::string quoted_word(std::string_view word);

base::Error table_not_found(const Name& name, const Origin& origin = {});
base::Error table_exists(const Name& name);
base::Error schema_not_found(const std::string& database);

}  // namespace weir::session
