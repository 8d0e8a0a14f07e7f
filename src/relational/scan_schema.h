// What sources of scans have in common.
#pragma once

#include <utility>
#include <vector>

#include "columnar/data_type.h"

namespace weir::relational {

// The schema of a scan's streams: the columns at these positions, in this order.
inline columnar::Schema pick_fields(const columnar::Schema& schema,
                                    const std::vector<int>& columns) {
  std::vector<columnar::Field> fields;
  for (const int column : columns)
    fields.push_back(schema.fields()[static_cast<size_t>(column)]);
  return columnar::Schema::structure(std::move(fields));
}

}  // namespace weir::relational
