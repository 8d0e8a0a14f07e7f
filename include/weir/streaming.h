// Streaming queries: what is started, and the handle on what runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/result.h"
#include "weir/value.h"

namespace weir {

class DataFrame;
struct FrameParts;

// When batches start.
class Trigger {
 public:
  // At every full interval; 0: as soon as there is something.
  static Trigger processing_time(std::chrono::microseconds interval) {
    return Trigger(Kind::kProcessingTime, interval);
  }
  static Trigger once() { return Trigger(Kind::kOnce, {}); }
  // All that is there at the start, in batches within the source's limits; then the query ends.
  static Trigger available_now() { return Trigger(Kind::kAvailableNow, {}); }

  enum class Kind { kProcessingTime, kOnce, kAvailableNow };
  Kind kind() const { return kind_; }
  std::chrono::microseconds interval() const { return interval_; }

 private:
  Trigger(Kind kind, std::chrono::microseconds interval) : kind_(kind), interval_(interval) {}
  Kind kind_;
  std::chrono::microseconds interval_;
};

struct QueryStatus {
  std::string message;
  bool data_available = false;
  bool trigger_active = false;
};

// A started query; copies are the same query. It goes on when the handle goes; it ends with stop()
// or with its session. Any thread.
class StreamingQuery {
 public:
  const std::string& id() const;      // stable over restarts from a checkpoint
  const std::string& run_id() const;  // of this start
  const std::string& name() const;    // may be empty
  bool is_active() const;
  QueryStatus status() const;
  // Spark's StreamingQueryProgress as JSON.
  std::optional<std::string> last_progress() const;
  std::vector<std::string> recent_progress() const;  // oldest first
  std::optional<Error> exception() const;            // what ended it
  Result<std::string> explain(bool extended = false) const;
  Result<void> stop();  // waits for its end
  // True where the query has ended; the error that ended it. Without a timeout: until then.
  Result<bool> await_termination(std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  // Until everything that the sources have now is in the sink.
  Result<void> process_all_available();

  struct Inner;
  explicit StreamingQuery(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}

 private:
  std::shared_ptr<Inner> inner_;
};

// frame.write_stream()…start(). Calls may follow each other; start() tells of what was wrong.
class DataStreamWriter {
 public:
  DataStreamWriter& format(std::string name);  // delta, kafka, memory, json …; else the session's
  DataStreamWriter& output_mode(std::string mode);  // append (the default), update, complete
  DataStreamWriter& option(std::string key, std::string value);  // checkpointLocation …
  DataStreamWriter& partition_by(std::vector<std::string> columns);
  DataStreamWriter& query_name(std::string name);
  DataStreamWriter& trigger(Trigger trigger);
  // Instead of a format: each batch's rows and its number, on the query's thread. A batch may come
  // again with the same number after a failure.
  DataStreamWriter& foreach_batch(
      std::function<Result<void>(const DataFrame& rows, int64_t batch_id)> function);

  Result<StreamingQuery> start(std::optional<std::string> path = std::nullopt);
  Result<StreamingQuery> to_table(std::string_view table);

  explicit DataStreamWriter(std::shared_ptr<const FrameParts> frame);
  ~DataStreamWriter();
  DataStreamWriter(DataStreamWriter&&) noexcept;

 private:
  struct Words;
  std::shared_ptr<const FrameParts> frame_;
  std::unique_ptr<Words> words_;
};

}  // namespace weir
