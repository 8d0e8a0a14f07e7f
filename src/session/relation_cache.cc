#include "session/relation_cache.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "plan/operator_rewrites.h"
#include "session/errors.h"
#include "session/plan_key.h"

namespace weir::session {

namespace op = plan::op;

struct RelationCache::Entry {
  Entry(CacheBudget& given_budget, plan::OperatorPtr given_plan, std::string given_key)
      : budget(given_budget), plan(std::move(given_plan)), key(std::move(given_key)) {}
  ~Entry() { budget.give(bytes); }

  CacheBudget& budget;
  const plan::OperatorPtr plan;  // keeps the tables that the key names by their address
  const std::string key;
  std::mutex filling;
  bool held = false;
  bool too_large = false;
  int64_t bytes = 0;
  std::vector<relational::BatchPtr> rows;
};

namespace {

// What rows on their way to an entry take of the budget: given back where they do not get there.
class Taken {
 public:
  explicit Taken(CacheBudget& budget) : budget_(budget) {}
  ~Taken() { budget_.give(bytes_); }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;

  bool take(int64_t bytes) {
    if (!budget_.take(bytes)) return false;
    bytes_ += bytes;
    return true;
  }
  int64_t keep() { return std::exchange(bytes_, 0); }

 private:
  CacheBudget& budget_;
  int64_t bytes_ = 0;
};

}  // namespace

RelationCache::~RelationCache() = default;

RelationCache::EntryPtr RelationCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_)
    if (entry->key == key) return entry;
  return nullptr;
}

void RelationCache::add(const plan::OperatorPtr& plan) {
  const auto key = PlanKeys().of(plan);
  if (!key) return;
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_)
    if (entry->key == *key) return;
  entries_.push_back(std::make_shared<Entry>(budget_, plan, *key));
}

Result<bool> RelationCache::hold(Entry& entry, const Run& run, std::stop_token stop) {
  const std::lock_guard lock(entry.filling);
  if (entry.held || entry.too_large) return entry.held;
  WEIR_ASSIGN(const auto stream, run(entry.plan));
  std::vector<relational::BatchPtr> rows;
  Taken taken(budget_);
  while (true) {
    WEIR_ASSIGN(auto batch, stream->next(stop));
    if (!batch) break;
    if (!taken.take(arrow::util::TotalBufferSize(*batch))) {
      entry.too_large = true;
      return false;
    }
    rows.push_back(std::move(batch));
  }
  entry.bytes = taken.keep();
  entry.rows = std::move(rows);
  entry.held = true;
  return true;
}

Result<void> RelationCache::fill(const plan::OperatorPtr& plan, const Run& run,
                                 std::stop_token stop) {
  const auto key = PlanKeys().of(plan);
  const auto entry = key ? find(*key) : nullptr;
  if (!entry) return {};
  WEIR_ASSIGN(const bool held, hold(*entry, run, std::move(stop)));
  if (held) return {};
  remove(plan);
  return unsupported(
      fmt::format("caching a result that is larger than what is left of {} MB (of {} "
                  "MB in use) for cached results",
                  budget_.bytes_max() >> 20, budget_.used() >> 20));
}

void RelationCache::remove(const plan::OperatorPtr& plan) {
  const auto key = PlanKeys().of(plan);
  if (!key) return;
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&](const EntryPtr& entry) { return entry->key == *key; });
}

void RelationCache::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

bool RelationCache::contains(const plan::OperatorPtr& plan) const {
  const auto key = PlanKeys().of(plan);
  return key && find(*key);
}

Result<plan::OperatorPtr> RelationCache::applied(const plan::OperatorPtr& plan, const Run& run) {
  {
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) return plan;
  }
  PlanKeys keys;
  base::Result<void> failed;
  const std::function<plan::OperatorPtr(const plan::OperatorPtr&)> replace =
      [&](const plan::OperatorPtr& node) -> plan::OperatorPtr {
    if (!failed.ok()) return node;
    const auto key = keys.of(node);
    const auto entry = key ? find(*key) : nullptr;
    const bool hidden = std::any_of(node->columns.begin(), node->columns.end(),
                                    [](const plan::Column& column) { return column.hidden; });
    if (entry && !hidden) {
      const auto held = hold(*entry, run, {});
      if (!held.ok()) {
        failed = held.error();
        return node;
      }
      if (*held) return plan::make_operator(op::LocalRows{entry->rows}, node->columns);
    }
    return plan::map_operator_children(node, replace);
  };
  auto made = replace(plan);
  WEIR_TRY(std::move(failed));
  return made;
}

}  // namespace weir::session
