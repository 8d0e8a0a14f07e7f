#include "source/delta_offset.h"

#include "base/json.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

constexpr int64_t kVersionMax = 3;
constexpr int64_t kBaseIndex3 = -100;  // before the first file, in the third form

}  // namespace

std::string delta_offset_json(const DeltaOffset& offset) {
  base::JsonObject json;
  json["sourceVersion"] = 1;
  json["reservoirId"] = offset.table_id;
  json["reservoirVersion"] = offset.version;
  json["index"] = offset.index;
  json["isStartingVersion"] = offset.initial_snapshot;
  return base::json_text(json);
}

Result<DeltaOffset> parse_delta_offset(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(text, what));
  const auto source_version = base::json_int(json, "sourceVersion");
  const auto id = base::json_string(json, "reservoirId");
  const auto version = base::json_int(json, "reservoirVersion");
  const auto index = base::json_int(json, "index");
  const auto initial = base::json_bool(json, "isStartingVersion");
  if (!source_version || !id || !version || !index || !initial)
    return error(ErrorKind::kCorruption, "{}: '{}' is not an offset of a Delta source", what, text);
  if (*source_version > kVersionMax)
    return error(ErrorKind::kUnsupported,
                 "{}: form {} of a Delta source's offset is newer than {}, the newest that is "
                 "understood here",
                 what, *source_version, kVersionMax);
  DeltaOffset offset{std::string(*id), *version, *index, *initial};
  if (offset.index == kBaseIndex3) offset.index = -1;
  if (offset.index < -1)
    return error(ErrorKind::kUnsupported,
                 "{}: index {} stands for a change of the schema that a schema log follows, and "
                 "weir keeps none",
                 what, offset.index);
  return offset;
}

}  // namespace weir::source
