// What a partition does before it serves: find its segments, tell damage from an unfinished end,
// and rebuild index and producers.
#include <algorithm>

#include "base/logging.h"
#include "hub/partition_log.h"

namespace weir::hub {

using base::error;
using base::ErrorKind;
using base::Result;

struct PartitionLog::Found {
  std::vector<io::FileInfo> segments;  // by offset
  std::vector<int64_t> snapshots;      // ascending
  std::optional<DurablePoint> point;
  bool was_offline = false;
};

Result<void> PartitionLog::create_files(io::FileSystem& files, const std::string& folder) {
  WEIR_TRY(RecoveryPoint(files, folder).create());
  WEIR_ASSIGN(const auto segment, LogSegment::create(files, folder, 0));
  return {};
}

Result<void> PartitionLog::recover() {
  auto recovered = [&]() -> Result<void> {
    WEIR_ASSIGN(const Found found, list_files());
    WEIR_TRY(recover_segments(found));
    WEIR_TRY(rebuild_producers(found));
    const DurablePoint end{active().end_offset(), active().base_offset(), active().bytes()};
    if (found.was_offline) {
      WEIR_TRY(write_anew(active()));
    } else if (!found.point || found.point->offset != end.offset) {
      // After a mere process death the tail is in the file but perhaps not on the disk.
      WEIR_TRY(active().sync_writer());
      WEIR_TRY(files_.sync_dir(options_.folder));
    }
    if (found.was_offline || !found.point || *found.point != end) WEIR_TRY(point_.reset(end));
    durable_ = end;
    if (found.was_offline) WEIR_TRY(files_.remove(io::join_path(options_.folder, kOfflineMarker)));
    return {};
  }();
  if (!recovered.ok()) fail(recovered.error().message());
  return recovered;
}

Result<PartitionLog::Found> PartitionLog::list_files() {
  Found found;
  WEIR_ASSIGN(const auto listed, files_.list(options_.folder));
  for (const io::FileInfo& file : listed) {
    if (file.name.starts_with(io::kTemporaryPrefix)) {
      WEIR_TRY(files_.remove(file.path));
    } else if (file.name == kOfflineMarker) {
      found.was_offline = true;
    } else if (parse_offset_file_name(file.name, ".log") >= 0) {
      found.segments.push_back(file);
    } else if (const int64_t offset = parse_offset_file_name(file.name, ".producers");
               offset >= 0) {
      found.snapshots.push_back(offset);
    }
  }
  std::sort(found.segments.begin(), found.segments.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::sort(found.snapshots.begin(), found.snapshots.end());
  WEIR_ASSIGN(found.point, point_.load());
  return found;
}

Result<void> PartitionLog::recover_segments(const Found& found) {
  for (size_t i = 0; i < found.segments.size(); ++i) {
    const int64_t base_offset = parse_offset_file_name(found.segments[i].name, ".log");
    const bool last = i + 1 == found.segments.size();
    if (i > 0 && base_offset != segments_.back()->end_offset()) {
      const int64_t end = segments_.back()->end_offset();
      return handle_damage(
          found, i - 1,
          {end, segments_.back()->bytes(),
           fmt::format("the next segment begins with offset {}, not {}", base_offset, end)});
    }
    segments_.push_back(
        LogSegment::existing(files_, options_.folder, base_offset, found.segments[i].size));
    LogSegment& segment = *segments_.back();
    WEIR_ASSIGN(bool known, segment.load_index());
    // The active segment's index is only left by a clean stop; it counts where nothing came after.
    if (known && last) known = found.point && found.point->offset == segment.end_offset();
    if (known) continue;
    WEIR_ASSIGN(const SegmentScan scan, segment.scan());
    if (!scan.damage.empty()) return handle_damage(found, i, scan);
    if (!last) WEIR_TRY(segment.store_index());
  }
  const int64_t end = segments_.empty() ? -1 : segments_.back()->end_offset();
  if (found.point && end < found.point->offset) {
    if (segments_.empty() && !options_.repair)
      return error(ErrorKind::kDataLoss,
                   "no segment is left in {}, though offsets up to {} were durable. Put the files "
                   "back from a copy, or start the hub once "
                   "with --repair to go on from there",
                   options_.folder, found.point->offset);
    if (!segments_.empty()) {
      const SegmentScan scan{end, segments_.back()->bytes(), "the file ends here"};
      WEIR_TRY(handle_damage(found, found.segments.size() - 1, scan));
    }
  }
  if (segments_.empty()) {
    WEIR_ASSIGN(auto segment,
                LogSegment::create(files_, options_.folder, found.point ? found.point->offset : 0));
    segments_.push_back(std::move(segment));
  }
  return {};
}

// The log is good up to `scan` in segment `number`. Behind the durable point that is what a power
// loss leaves of writes that nobody was promised; before it, data is missing that somebody was
// promised.
Result<void> PartitionLog::handle_damage(const Found& found, size_t number,
                                         const SegmentScan& scan) {
  LogSegment& segment = *segments_[number];
  const bool promised = !found.point || scan.end_offset < found.point->offset;
  if (promised && !options_.repair)
    return error(
        ErrorKind::kDataLoss,
        "{} is damaged at byte {} (offset {}): {}. {} Put the file back from a copy, or start the "
        "hub once with --repair to keep "
        "what is before the damage (the rest is set aside as *.damaged)",
        segment.path(), scan.good_bytes, scan.end_offset, scan.damage,
        found.point
            ? fmt::format("Everything before offset {} was durable.", found.point->offset)
            : std::string("Its recovery-point is missing, so nothing tells what was durable."));
  if (promised) {
    base::log_warn("partition={} repair=cut offset={} file={} byte={}", name(), scan.end_offset,
                   segment.path(), scan.good_bytes);
    WEIR_TRY(set_aside(segment.path(), scan.good_bytes));
  }
  for (size_t i = found.segments.size();
       i-- > number + 1;) {  // the last first, so that no gap can be left
    if (promised) WEIR_TRY(set_aside(found.segments[i].path, 0));
    const auto later = LogSegment::existing(files_, options_.folder,
                                            parse_offset_file_name(found.segments[i].name, ".log"),
                                            found.segments[i].size);
    WEIR_TRY(later->remove_files());
    WEIR_TRY(files_.sync_dir(options_.folder));
  }
  segments_.resize(number + 1);
  if (scan.good_bytes < segment.bytes()) WEIR_TRY(segment.truncate(scan.good_bytes));
  if (promised) WEIR_TRY(point_.reset({scan.end_offset, segment.base_offset(), scan.good_bytes}));
  for (const int64_t offset : found.snapshots) {
    if (offset <= scan.end_offset) continue;
    WEIR_TRY(files_.remove(io::join_path(options_.folder, offset_file_name(offset, ".producers"))));
  }
  return {};
}

// After a failed sync the operating system may hold bytes that it believes to be on the disk and
// that are not there; syncing them again would say ok. So what is good is written once more, to
// another file.
Result<void> PartitionLog::write_anew(LogSegment& segment) {
  WEIR_ASSIGN(const std::string bytes, files_.read_all(segment.path()));
  if (static_cast<int64_t>(bytes.size()) != segment.bytes())
    return error(ErrorKind::kIo, "{} has {} bytes where {} are due", segment.path(), bytes.size(),
                 segment.bytes());
  WEIR_TRY(files_.replace(segment.path(), bytes));
  segment.close_files();
  return {};
}

// Copies the file's bytes from `from_byte` on to a file of the same name with ".damaged" or
// ".damaged-2" ….
Result<void> PartitionLog::set_aside(const std::string& path, int64_t from_byte) {
  WEIR_ASSIGN(const auto file, files_.open_read(path));
  WEIR_ASSIGN(const int64_t size, file->size());
  if (from_byte >= size) return {};
  for (int number = 1;; ++number) {
    const std::string copy =
        number == 1 ? path + ".damaged" : fmt::format("{}.damaged-{}", path, number);
    WEIR_ASSIGN(const bool taken, files_.exists(copy));
    if (taken) continue;
    WEIR_ASSIGN(const auto out, files_.create(copy));
    std::string piece(1 << 20, '\0');
    for (int64_t at = from_byte; at < size;) {
      WEIR_ASSIGN(const int64_t got,
                  file->read_at(at, static_cast<int64_t>(piece.size()), piece.data()));
      if (got == 0) break;
      WEIR_TRY(out->append(std::string_view(piece).substr(0, static_cast<size_t>(got))));
      at += got;
    }
    WEIR_TRY(out->sync());
    return files_.sync_dir(options_.folder);
  }
}

Result<void> PartitionLog::rebuild_producers(const Found& found) {
  int64_t from = segments_.front()->base_offset();
  for (size_t i = found.snapshots.size(); i-- > 0;) {
    if (found.snapshots[i] > active().end_offset()) continue;
    const auto bytes = files_.read_all(
        io::join_path(options_.folder, offset_file_name(found.snapshots[i], ".producers")));
    if (!bytes.ok()) continue;
    const std::optional<int64_t> offset = producers_.load(*bytes);
    if (!offset || *offset != found.snapshots[i]) {
      producers_.clear();
      continue;
    }
    from = std::max(from, *offset);
    break;
  }
  const int64_t now_ms = clock_.now_ms();
  for (const auto& segment : segments_)
    if (segment->end_offset() > from)
      WEIR_TRY(segment->walk(from, [&](const kafka::RecordBatchHeader& header) {
        producers_.append(header, now_ms);
      }));
  return {};
}

}  // namespace weir::hub
