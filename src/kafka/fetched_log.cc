#include "kafka/fetched_log.h"

#include <algorithm>
#include <set>

namespace weir::kafka {

namespace {

using base::Result;

// Which batches of an answer belong to transactions that were rolled back: those of a producer from
// its transaction's first offset up to its marker. The broker names the transactions.
class RolledBack {
 public:
  explicit RolledBack(const std::optional<AbortedTransactions>& named) {
    if (named) coming_ = *named;
    std::sort(coming_.begin(), coming_.end(),
              [](const auto& a, const auto& b) { return a.first_offset > b.first_offset; });
  }
  // False for those and for control batches. Batches are shown in the order of the log.
  bool keeps(const RecordBatchHeader& header, std::string_view bytes) {
    while (!coming_.empty() && coming_.back().first_offset <= header.last_offset()) {
      open_.insert(coming_.back().producer_id);
      coming_.pop_back();
    }
    if (header.is_control()) {
      if (!open_.empty() && is_abort_marker(header, bytes)) open_.erase(header.producer_id);
      return false;
    }
    return !header.is_transactional() || !open_.contains(header.producer_id);
  }

 private:
  // A control record's key: int16 version, int16 type (0 abort, 1 commit).
  static bool is_abort_marker(const RecordBatchHeader& header, std::string_view bytes) {
    auto opened = open_record_batch(bytes, header);
    if (!opened.ok()) return false;
    RecordIterator records(opened->header, opened->records);
    Record record;
    return records.next(record) && record.key.size() >= 4 &&
           load_big<int16_t>(record.key.data() + 2) == 0;
  }
  AbortedTransactions coming_;  // the next one last
  std::set<int64_t> open_;      // producers
};

}  // namespace

Result<bool> take_batches(std::string_view records, const std::optional<int64_t>& end,
                          int64_t& next_offset,
                          const std::optional<AbortedTransactions>& rolled_back,
                          FetchedBatches& piece) {
  RolledBack gone(rolled_back);
  while (true) {
    std::optional<size_t> size = record_batch_size(records);
    if (records.size() < kRecordBatchLengthEnd || (size && *size > records.size())) return false;
    WEIR_ASSIGN(RecordBatchHeader header, parse_record_batch_header(records));
    std::string_view bytes = records.substr(0, header.size());
    records.remove_prefix(header.size());
    const bool kept = gone.keeps(header, bytes);
    if (header.next_offset() <= next_offset) continue;  // wholly before what was asked for
    if (end && header.base_offset >= *end) return true;
    if (kept && header.record_count > 0) piece.batches.push_back({header, bytes});
    next_offset = header.next_offset();
    if (end && next_offset >= *end) return true;
  }
}

}  // namespace weir::kafka
