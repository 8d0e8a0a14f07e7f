// One file of a partition's log: Kafka record batches (v2), one after the other, offsets without
// gaps. Its name is its base offset in 20 digits with ".log"; its bytes are in
// docs/formats/hub-segment.md.
//
// Owned by a PartitionLog, whose lock guards what changes (append, index, end, size). read() and
// sync() may run beside an append: they use handles of their own; one thread at a time calls
// sync(). A reader keeps a segment that retention removes alive by its shared_ptr.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "hub/segment_index.h"
#include "io/file_system.h"
#include "kafka/record_batch.h"

namespace weir::hub {

// What a scan of a segment found.
struct SegmentScan {
  int64_t end_offset = 0;
  int64_t good_bytes = 0;  // up to the first damage
  std::string damage;      // empty: none; else what is wrong at good_bytes
};

class LogSegment {
 public:
  static base::Result<std::shared_ptr<LogSegment>> create(io::FileSystem& files,
                                                          const std::string& folder,
                                                          int64_t base_offset);
  // An existing file; end and index are unknown until scan() or load_index().
  static std::shared_ptr<LogSegment> existing(io::FileSystem& files, const std::string& folder,
                                              int64_t base_offset, int64_t bytes);

  // Reads the whole segment, checks each batch (header, CRC, offsets without gaps) and builds the
  // index.
  base::Result<SegmentScan> scan();
  // The headers of all batches from an offset on, by the index, without looking at CRCs.
  base::Result<void> walk(int64_t from_offset,
                          const std::function<void(const kafka::RecordBatchHeader&)>& visit) const;
  // True where the index file stands for the segment as it is; false asks for scan().
  base::Result<bool> load_index();
  // The index file is a convenience: not synced, checked by its CRC when read.
  base::Result<void> store_index() const;
  base::Result<void> truncate(int64_t bytes);  // recovery only; synced

  void close_files();  // recovery only; they are opened anew when needed

  // Appends the batch, its first kRecordBatchHeaderSize bytes replaced by `head`.
  base::Result<void> append(std::string_view head, std::string_view batch,
                            const kafka::RecordBatchHeader& header);
  base::Result<void> sync_writer();  // by the appending thread
  base::Result<void> sync();         // by the flushing thread
  base::Result<int64_t> read(int64_t position, int64_t length, char* buffer) const;
  // Removes segment and index; the caller syncs the folder.
  base::Result<void> remove_files();

  int64_t base_offset() const { return base_offset_; }
  int64_t end_offset() const { return end_offset_; }
  int64_t bytes() const { return bytes_; }
  int64_t max_timestamp() const { return index_.max_timestamp(); }
  const SegmentIndex& index() const { return index_; }
  const std::string& path() const { return path_; }

 private:
  LogSegment(io::FileSystem& files, const std::string& folder, int64_t base_offset);
  base::Result<void> ensure_writer();

  io::FileSystem& files_;
  std::string path_;
  std::string index_path_;
  int64_t base_offset_;
  int64_t end_offset_;
  int64_t bytes_ = 0;
  SegmentIndex index_;
  std::unique_ptr<io::WritableFile> writer_;
  std::unique_ptr<io::WritableFile> syncer_;
  mutable std::mutex reader_mutex_;
  mutable std::shared_ptr<io::ReadableFile> reader_;
};

// "00000000000000000042.log" from 42 and ".log".
std::string offset_file_name(int64_t offset, std::string_view suffix);
// The offset in such a name, or -1 where it is not one.
int64_t parse_offset_file_name(std::string_view name, std::string_view suffix);
// Writes a file that can be rebuilt (index, snapshot): replaces what is there, not synced.
base::Result<void> write_rebuildable(io::FileSystem& files, const std::string& path,
                                     std::string_view bytes);

}  // namespace weir::hub
