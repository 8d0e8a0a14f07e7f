#include "relational/errors.h"

namespace weir::relational {

base::Error unsupported(std::string_view what) {
  return base::error(base::ErrorKind::kUnsupported, "{} is not supported yet", what)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

}  // namespace weir::relational
