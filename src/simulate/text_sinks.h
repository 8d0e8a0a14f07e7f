// Events as lines of text: to standard output, or to files of a folder that a file source watches.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/file_system.h"
#include "simulate/event_sink.h"

namespace weir::simulate {

// Lines to a descriptor; acknowledged when the system has taken them.
class DescriptorSink final : public EventSink {
 public:
  DescriptorSink(int descriptor, SinkObserver& observer)
      : descriptor_(descriptor), observer_(observer) {}
  Result<void> send(std::string_view key, std::string_view value, int64_t timestamp_ms,
                    MessageTag tag, std::stop_token stop) override;
  Result<void> nudge() override;
  Result<void> flush(int64_t timeout_us) override;

 private:
  Result<void> write_out();
  int descriptor_;
  SinkObserver& observer_;
  std::string buffer_;
  std::vector<MessageTag> tags_;
  int64_t offset_ = 0;
};

// Files events-<run>-<number>.json of lines, in a folder. A file appears under its name complete
// and durable; its lines are acknowledged then (topic: the file's name, offset: the line's number
// from 0).
class FolderSink final : public EventSink {
 public:
  struct Options {
    std::string folder;
    std::string run;              // part of the names; no two runs into one folder have the same
    int64_t events_max = 10'000;  // of a file
    int64_t interval_us =
        1'000'000;  // a file is closed at the latest this long after its first event
  };
  static Result<std::unique_ptr<FolderSink>> open(io::FileSystem& files, const base::Clock& clock,
                                                  Options options, SinkObserver& observer);
  ~FolderSink() override;
  Result<void> send(std::string_view key, std::string_view value, int64_t timestamp_ms,
                    MessageTag tag, std::stop_token stop) override;
  Result<void> nudge() override;
  Result<void> flush(int64_t timeout_us) override;

 private:
  FolderSink(io::FileSystem& files, const base::Clock& clock, Options options,
             SinkObserver& observer);
  Result<void> write_out();
  Result<void> close_file();

  io::FileSystem& files_;
  const base::Clock& clock_;
  Options options_;
  SinkObserver& observer_;
  std::unique_ptr<io::WritableFile> file_;
  std::string name_;
  std::string temporary_;
  int64_t number_ = 0;
  int64_t opened_us_ = 0;
  std::string buffer_;
  std::vector<MessageTag> tags_;
};

}  // namespace weir::simulate
