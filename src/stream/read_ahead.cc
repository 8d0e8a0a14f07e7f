#include "stream/read_ahead.h"

#include <deque>

#include <arrow/record_batch.h>

namespace weir::stream {
namespace {

using RowsPtr = std::shared_ptr<arrow::RecordBatch>;

// Gives what was read ahead, then goes on reading.
class AheadReader final : public source::PartitionReader {
 public:
  explicit AheadReader(std::unique_ptr<source::PartitionReader> own) : own_(std::move(own)) {}

  // False at the end of the part.
  Result<bool> read_one(const std::stop_token& stop) {
    WEIR_ASSIGN(auto rows, own_->next(stop));
    ended_ = rows == nullptr;
    if (!ended_) ready_.push_back(std::move(rows));
    return !ended_;
  }

  Result<RowsPtr> next(std::stop_token stop) override {
    if (ready_.empty()) return ended_ ? Result<RowsPtr>(RowsPtr()) : own_->next(std::move(stop));
    RowsPtr rows = std::move(ready_.front());
    ready_.pop_front();
    return rows;
  }
  const source::ReadCounters& counters() const override { return own_->counters(); }

 private:
  std::unique_ptr<source::PartitionReader> own_;
  std::deque<RowsPtr> ready_;
  bool ended_ = false;
};

}  // namespace

ReadAhead::ReadAhead(std::vector<source::Source*> sources, std::vector<std::string> starts,
                     std::vector<std::vector<std::string>> columns, int64_t bytes_max)
    : sources_(std::move(sources)),
      starts_(std::move(starts)),
      columns_(std::move(columns)),
      bytes_max_(bytes_max) {}

ReadAhead::~ReadAhead() { finish(); }

void ReadAhead::begin(std::stop_token stop) {
  thread_ = std::jthread([this, stop = std::move(stop)](std::stop_token enough) {
    auto found = look_and_read(enough, stop);
    if (found.ok()) found_ = std::move(found).value();
  });
}

void ReadAhead::finish() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

std::optional<ReadAhead::Range> ReadAhead::take(const std::vector<std::string>& starts) {
  finish();
  if (starts != starts_) return std::nullopt;
  return std::exchange(found_, std::nullopt);
}

Result<std::optional<ReadAhead::Range>> ReadAhead::look_and_read(const std::stop_token& enough,
                                                                 const std::stop_token& stop) {
  Range range;
  bool news = false;
  for (size_t i = 0; i < sources_.size(); ++i) {
    WEIR_ASSIGN(auto latest, sources_[i]->latest_offset(starts_[i], /*ignore_limits=*/false));
    news |= latest.end != starts_[i];
    range.ends.push_back(std::move(latest.end));
    range.latest.push_back(std::move(latest.latest));
  }
  if (!news) return std::optional<Range>();
  range.readers.resize(sources_.size());
  std::vector<AheadReader*> open;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (range.ends[i] == starts_[i]) continue;
    WEIR_ASSIGN(auto readers, sources_[i]->plan(starts_[i], range.ends[i], columns_[i]));
    for (auto& reader : readers) {
      auto ahead = std::make_unique<AheadReader>(std::move(reader));
      open.push_back(ahead.get());
      range.readers[i].push_back(std::move(ahead));
    }
  }
  // In turn, so that every part has something when the batch begins.
  int64_t bytes = 0;
  while (!open.empty() && bytes < bytes_max_) {
    for (auto reader = open.begin(); reader != open.end() && bytes < bytes_max_;) {
      if (enough.stop_requested()) return std::optional(std::move(range));
      const int64_t before = (*reader)->counters().bytes;
      WEIR_ASSIGN(const bool more, (*reader)->read_one(stop));
      bytes += (*reader)->counters().bytes - before;
      reader = more ? reader + 1 : open.erase(reader);
    }
  }
  return std::optional(std::move(range));
}

}  // namespace weir::stream
