// Results that CACHE TABLE and cache() hold: rows in memory, used wherever a query has the same
// plan over the same states of its tables.
//
// As in Spark the plan counts, not the name. Where a table below has changed, the held rows are not
// used any more; where the plan is one that cannot be compared, nothing is held. What all sessions
// of a process hold is bounded by a budget; what does not fit is refused where it was asked for at
// once (CACHE TABLE), and otherwise simply calculated each time. Any thread.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plan/operator.h"
#include "relational/batch_stream.h"
#include "session/cache_budget.h"

namespace weir::session {

using base::Result;

class RelationCache {
 public:
  using Run = std::function<Result<std::unique_ptr<relational::BatchStream>>(
      const plan::OperatorPtr& plan)>;

  explicit RelationCache(CacheBudget& budget) : budget_(budget) {}
  ~RelationCache();

  // From now on its rows are held: calculated by the first query that needs them.
  void add(const plan::OperatorPtr& plan);
  // Calculates them now. UNSUPPORTED_FEATURE where they do not fit.
  Result<void> fill(const plan::OperatorPtr& plan, const Run& run, std::stop_token stop);
  void remove(const plan::OperatorPtr& plan);
  void clear();
  bool contains(const plan::OperatorPtr& plan) const;
  // The plan with what is held in the place of what gives the same.
  Result<plan::OperatorPtr> applied(const plan::OperatorPtr& plan, const Run& run);

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;
  EntryPtr find(const std::string& key) const;
  Result<bool> hold(Entry& entry, const Run& run, std::stop_token stop);

  CacheBudget& budget_;
  mutable std::mutex mutex_;
  std::list<EntryPtr> entries_;
};

}  // namespace weir::session
