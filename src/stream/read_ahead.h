// The next batch's rows, read into memory while the batch before is being committed.
//
// begin() looks for the end of the next range and reads from it on a thread of its own, up to a
// number of bytes, until it is told that that is enough. Nothing becomes durable by it: whoever
// takes the rows writes the range into the offset log first, and only after the batch before is in
// the commit log. Only for sources that allow it (source/read_ahead_source.h); between begin() and
// finish() or take() nobody else may call them (but for interrupt()). A failure drops what was
// read: the batch is then planned as if nothing had been. Used by the query's thread.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "source/source.h"

namespace weir::stream {

using base::Result;

class ReadAhead {
 public:
  struct Range {
    std::vector<std::string> ends;    // by source
    std::vector<std::string> latest;  // as LatestOffset::latest
    std::vector<std::vector<std::unique_ptr<source::PartitionReader>>> readers;
  };

  // Sources, where the next batch starts in each, and the columns that are read.
  ReadAhead(std::vector<source::Source*> sources, std::vector<std::string> starts,
            std::vector<std::vector<std::string>> columns, int64_t bytes_max);
  ~ReadAhead();  // as finish()

  void begin(std::stop_token stop);
  // Returns once the sources are left alone; rows that were read stay. May be called again.
  void finish();
  // What was read, where it is the range from `starts` on and there is something new. Afterwards
  // empty.
  std::optional<Range> take(const std::vector<std::string>& starts);

 private:
  Result<std::optional<Range>> look_and_read(const std::stop_token& enough,
                                             const std::stop_token& stop);

  const std::vector<source::Source*> sources_;
  const std::vector<std::string> starts_;
  const std::vector<std::vector<std::string>> columns_;
  const int64_t bytes_max_;
  std::optional<Range> found_;  // the thread's until it has ended
  std::jthread thread_;
};

}  // namespace weir::stream
