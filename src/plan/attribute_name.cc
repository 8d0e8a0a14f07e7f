#include "plan/attribute_name.h"

#include <fmt/format.h>

namespace weir::plan {

base::Result<std::vector<std::string>> split_name(std::string_view name) {
  std::vector<std::string> parts(1);
  size_t i = 0;
  const auto bad = [&] {
    return base::Error(base::ErrorKind::kInvalidArgument,
                       fmt::format("`{}` is not a valid attribute name. SQLSTATE: 42601", name))
        .with_class("INVALID_ATTRIBUTE_NAME_SYNTAX")
        .with_sql_state("42601")
        .with_parameter("name", std::string(name));
  };
  while (i < name.size()) {
    if (name[i] == '`') {
      if (!parts.back().empty()) return bad();
      bool closed = false;
      for (++i; i < name.size(); ++i) {
        if (name[i] != '`') {
          parts.back() += name[i];
        } else if (i + 1 < name.size() && name[i + 1] == '`') {
          parts.back() += '`';
          ++i;
        } else {
          closed = true;
          ++i;
          break;
        }
      }
      if (!closed || (i < name.size() && name[i] != '.')) return bad();
    } else if (name[i] == '.') {
      if (i == 0 || i + 1 == name.size() || name[i - 1] == '.') return bad();
      parts.emplace_back();
      ++i;
    } else {
      parts.back() += name[i++];
    }
  }
  return parts;
}

}  // namespace weir::plan
