// Which column a written name means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/operator.h"

namespace weir::plan {

bool names_equal(std::string_view a, std::string_view b, bool case_sensitive);

struct FoundColumn {
  size_t index = 0;  // in the columns
  size_t parts = 0;  // how many parts of the name were used up; what follows are struct fields
};
// By Spark's rules: the longest qualifier first, visible columns before hidden ones; the same
// column twice is one. Two different ones are AMBIGUOUS_REFERENCE.
Result<std::optional<FoundColumn>> find_column(const std::vector<Column>& columns,
                                               const std::vector<std::string>& parts,
                                               bool case_sensitive, const Origin& origin);
// True where the column may be called with this qualifier.
bool has_qualifier(const Column& column, const std::vector<std::string>& qualifier, size_t count,
                   bool case_sensitive);

// UNRESOLVED_COLUMN.WITH_SUGGESTION (or WITHOUT): the nearest names.
base::Error unresolved_column(const std::vector<Column>& columns,
                              const std::vector<std::string>& parts, const Origin& origin);
// "`a`.`b`"
std::string quoted(const std::vector<std::string>& parts);

}  // namespace weir::plan
