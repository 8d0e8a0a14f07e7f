#include "plan/integer_setting.h"

#include <utility>

#include "base/parse_integer.h"

namespace weir::plan {

base::Result<int32_t> integer_setting(const std::map<std::string, std::string>& conf,
                                      const std::string& key, int32_t otherwise) {
  const auto found = conf.find(key);
  if (found == conf.end()) return otherwise;
  const auto value = base::parse_integer(found->second);
  if (value && std::in_range<int32_t>(*value)) return static_cast<int32_t>(*value);
  return base::error(base::ErrorKind::kInvalidArgument,
                     "The value '{}' in the config \"{}\" is invalid. It should be a/an 'int' "
                     "value.",
                     found->second, key)
      .with_class("INVALID_CONF_VALUE.TYPE_MISMATCH")
      .with_sql_state("22022")
      .with_parameter("confName", key)
      .with_parameter("confValue", found->second)
      .with_parameter("confType", "int");
}

}  // namespace weir::plan
