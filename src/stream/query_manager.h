// The queries of this process, by name and id.
//
// A name is held by one active query; queries that have ended stay listed until their name is taken
// again or forgotten. All calls from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "stream/micro_batch_query.h"

namespace weir::stream {

class QueryManager {
 public:
  explicit QueryManager(QueryEnvironment environment) : environment_(environment) {}
  ~QueryManager();

  // kAlreadyExists where an active query has the name (or, by way of the checkpoint, the id).
  Result<std::shared_ptr<MicroBatchQuery>> start(QueryParts parts, QueryOptions options,
                                                 QueryListener listener = {});
  // A query that somebody else started and names: it is listed and found here too. Of those that
  // have ended the newest 100 stay.
  void adopt(std::shared_ptr<MicroBatchQuery> query);
  std::vector<std::shared_ptr<MicroBatchQuery>> active() const;
  std::vector<std::shared_ptr<MicroBatchQuery>> all() const;
  // How often a query was started in this process, by its id; of those that are listed.
  int64_t starts(const std::string& id) const;
  // By name, id or run id; null where there is none.
  std::shared_ptr<MicroBatchQuery> find(std::string_view name_or_id) const;
  void stop_all();
  // Drops the queries that have ended.
  void forget_ended();

 private:
  void count_start(const std::string& id);  // mutex_ held

  QueryEnvironment environment_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<MicroBatchQuery>> queries_;
  std::map<std::string, int64_t> starts_;
};

}  // namespace weir::stream
