// Offsets of a Delta table read as a stream, in delta-spark's JSON:
//
//   {"sourceVersion":1,"reservoirId":"<table id>","reservoirVersion":3,"index":-1,
//    "isStartingVersion":false}
//
// Read are the files of the versions before `version`, and those up to `index` of it, which is -1
// before the first. While isStartingVersion is true, `version` is the state that the query began
// with, and its files count by modification time and path; after that, the files that each commit
// adds, in the commit's order.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::source {

using base::Result;

struct DeltaOffset {
  std::string table_id;
  int64_t version = 0;
  int64_t index = -1;
  bool initial_snapshot = false;

  bool operator==(const DeltaOffset&) const = default;
};

std::string delta_offset_json(const DeltaOffset& offset);
// kCorruption names `what`; kUnsupported for a newer form.
Result<DeltaOffset> parse_delta_offset(std::string_view json, std::string_view what);

}  // namespace weir::source
