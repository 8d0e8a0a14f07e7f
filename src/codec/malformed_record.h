// The error of a record that does not parse, in mode FAILFAST.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::codec {

inline base::Error malformed_record(std::string_view record) {
  constexpr size_t kShown = 200;
  const std::string shown(record.substr(0, kShown));
  return base::error(base::ErrorKind::kCorruption,
                     "Malformed records are detected in record parsing: {}. Parse Mode: FAILFAST. "
                     "To process malformed records as null result, try setting the option 'mode' "
                     "as 'PERMISSIVE'.",
                     shown)
      .with_class("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION")
      .with_sql_state("22023")
      .with_parameter("badRecord", shown)
      .with_parameter("failFastMode", "FAILFAST");
}

}  // namespace weir::codec
