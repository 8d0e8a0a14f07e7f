#include "hub/recovery_point.h"

#include "hub/durable_bytes.h"

namespace weir::hub {
namespace {

constexpr std::string_view kMagic = "WHRP";
constexpr size_t kRecordBytes = 32;

std::string encode(const DurablePoint& point) {
  FieldWriter fields;
  fields.put(point.offset);
  fields.put(point.segment_base);
  fields.put(point.segment_bytes);
  FieldWriter record;
  record.put_bytes(kMagic);
  record.put(kafka::crc32c(fields.bytes()));
  record.put_bytes(fields.bytes());
  return record.take();
}

std::optional<DurablePoint> decode(std::string_view record) {
  FieldReader in(record);
  if (in.get_bytes(kMagic.size()) != kMagic) return std::nullopt;
  const uint32_t crc = in.get<uint32_t>();
  if (kafka::crc32c(record.substr(8)) != crc) return std::nullopt;
  DurablePoint point;
  point.offset = in.get<int64_t>();
  point.segment_base = in.get<int64_t>();
  point.segment_bytes = in.get<int64_t>();
  return point;
}

}  // namespace

RecoveryPoint::RecoveryPoint(io::FileSystem& files, const std::string& folder)
    : files_(files), path_(io::join_path(folder, "recovery-point")) {}

base::Result<void> RecoveryPoint::create() {
  WEIR_ASSIGN(const auto file, files_.create(path_));
  WEIR_TRY(file->append(encode({})));
  return file->sync();
}

base::Result<std::optional<DurablePoint>> RecoveryPoint::load() {
  WEIR_ASSIGN(const bool there, files_.exists(path_));
  std::optional<DurablePoint> last;
  if (!there) return last;
  WEIR_ASSIGN(const std::string bytes, files_.read_all(path_));
  for (size_t at = 0; at + kRecordBytes <= bytes.size(); at += kRecordBytes) {
    // Unsynced records may have been lost in any order: the greatest offset is the newest.
    const std::optional<DurablePoint> point =
        decode(std::string_view(bytes).substr(at, kRecordBytes));
    if (point && (!last || point->offset >= last->offset)) last = point;
  }
  if (last) last_ = *last;
  return last;
}

base::Result<void> RecoveryPoint::record(const DurablePoint& point) {
  if (file_ && file_->size() >= kFileBytesMax) return reset(point);
  if (!file_) {
    WEIR_ASSIGN(file_, files_.open_append(path_));
  }
  WEIR_TRY(file_->append(encode(point)));
  last_ = point;
  pending_ = true;
  return {};
}

base::Result<void> RecoveryPoint::make_durable() {
  if (!pending_) return {};
  WEIR_TRY(file_->sync());
  pending_ = false;
  return {};
}

base::Result<void> RecoveryPoint::reset(const DurablePoint& point) {
  file_.reset();
  WEIR_TRY(files_.replace(path_, encode(point)));
  last_ = point;
  pending_ = false;
  return {};
}

}  // namespace weir::hub
