#include "hub/producer_ids.h"

#include "base/json.h"

namespace weir::hub {

using base::error;
using base::ErrorKind;
using base::Result;

ProducerIds::ProducerIds(io::FileSystem& files, const std::string& dir)
    : files_(files), path_(io::join_path(dir, "producer-ids")) {}

Result<void> ProducerIds::open() {
  WEIR_ASSIGN(const bool there, files_.exists(path_));
  if (!there) return {};
  WEIR_ASSIGN(const std::string text, files_.read_all(path_));
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(text, path_));
  const auto next = base::json_int(json, "next");
  if (base::json_int(json, "format") != 1 || !next || *next < 0)
    return error(ErrorKind::kCorruption,
                 "{} is not a file of producer ids of format 1; put it back from a copy", path_);
  next_ = block_end_ = *next;
  return {};
}

Result<int64_t> ProducerIds::next() {
  const std::lock_guard lock(mutex_);
  if (next_ == block_end_) {
    base::JsonObject json;
    json["format"] = 1;
    json["next"] = block_end_ + kBlock;
    WEIR_TRY(files_.replace(path_, base::json_text(json) + "\n"));
    block_end_ += kBlock;
  }
  return next_++;
}

}  // namespace weir::hub
