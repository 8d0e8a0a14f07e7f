// A started query of a session, and what the session's queries share: listeners and the word that a
// query has ended.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "streaming/stream_queries.h"

namespace weir::streaming {

// Outlived by nobody who calls it: each query holds it. Any thread.
class QueryHub {
 public:
  int64_t add(QueryEvents events);
  void remove(int64_t listener);
  bool listened() const;

  void started(const std::string& id, const std::string& run_id, const std::string& name,
               const std::string& timestamp);
  void progress(const std::string& json);
  void idle(const std::string& id, const std::string& run_id, const std::string& timestamp);
  // What a waiting wait() sees, then the listeners.
  void terminated(const std::string& id, const std::string& run_id, const base::Error* cause,
                  const std::optional<base::Error>& failure);

  Result<bool> wait_any(std::optional<int64_t> timeout_us, std::stop_token stop);
  void reset_terminated();

 private:
  template <typename Call>
  void tell(const Call& call);

  mutable std::recursive_mutex listeners_mutex_;  // held while a listener is told
  std::map<int64_t, QueryEvents> listeners_;
  int64_t next_ = 0;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool some_ended_ = false;
  std::optional<base::Error> last_failure_;
};

// What Spark's StreamingQueryException says.
base::Error stream_failed(const std::string& id, const std::string& run_id,
                          const base::Error& cause);

struct QueryTexts {
  std::string analyzed;
  std::string optimized;
  std::string physical;  // as the batches run it
};

class StartedQuery final : public StreamQuery {
 public:
  // What the query's own thread reports to; it may outlive the StartedQuery by nothing.
  class Life;

  static Result<std::shared_ptr<StartedQuery>> start(
      stream::QueryEnvironment environment, stream::QueryParts parts, stream::QueryOptions options,
      std::shared_ptr<QueryHub> hub, QueryTexts texts, bool temporary, int64_t stop_timeout_ms);
  ~StartedQuery() override;

  const std::string& id() const override { return query_->id(); }
  const std::string& run_id() const override { return query_->run_id(); }
  const std::string& name() const override { return query_->name(); }
  bool active() const override;
  stream::QueryStatus status() const override { return query_->status(); }
  std::vector<std::string> recent_progress() const override;
  std::optional<std::string> last_progress() const override;
  std::optional<base::Error> failure() const override;
  Result<std::string> explain(bool extended) const override;
  Result<void> stop() override;
  Result<bool> wait(std::optional<int64_t> timeout_us, std::stop_token stop) override;
  Result<void> process_all_available(std::stop_token stop) override;

  void request_stop() { query_->request_stop(); }
  const std::shared_ptr<stream::MicroBatchQuery>& running() const { return query_; }

 private:
  StartedQuery() = default;

  std::shared_ptr<Life> life_;
  QueryTexts texts_;
  int64_t stop_timeout_ms_ = 0;  // 0: stop() waits as long as it takes
  std::shared_ptr<stream::MicroBatchQuery> query_;
};

}  // namespace weir::streaming
