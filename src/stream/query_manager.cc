#include "stream/query_manager.h"

#include <algorithm>

namespace weir::stream {

using base::error;
using base::ErrorKind;

QueryManager::~QueryManager() { stop_all(); }

Result<std::shared_ptr<MicroBatchQuery>> QueryManager::start(QueryParts parts, QueryOptions options,
                                                             QueryListener listener) {
  std::lock_guard lock(mutex_);
  for (const auto& query : queries_)
    if (!options.name.empty() && query->name() == options.name && query->active())
      return error(ErrorKind::kAlreadyExists,
                   "a query named '{}' is already active; stop it or choose another name",
                   options.name);
  WEIR_ASSIGN(auto started, MicroBatchQuery::start(environment_, std::move(parts),
                                                   std::move(options), std::move(listener)));
  std::shared_ptr<MicroBatchQuery> query = std::move(started);
  std::erase_if(queries_, [&](const auto& old) {
    return !old->active() &&
           (old->id() == query->id() || (!query->name().empty() && old->name() == query->name()));
  });
  queries_.push_back(query);
  count_start(query->id());
  return query;
}

void QueryManager::count_start(const std::string& id) {
  ++starts_[id];
  std::erase_if(starts_, [this](const auto& entry) {
    return std::none_of(queries_.begin(), queries_.end(),
                        [&](const auto& query) { return query->id() == entry.first; });
  });
}

int64_t QueryManager::starts(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = starts_.find(id);
  return found == starts_.end() ? 0 : found->second;
}

void QueryManager::adopt(std::shared_ptr<MicroBatchQuery> query) {
  constexpr size_t kEndedKept = 100;
  std::vector<std::shared_ptr<MicroBatchQuery>> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  size_t ended = 0;
  for (const auto& old : queries_)
    ended += old->active() ? 0 : 1;
  std::erase_if(queries_, [&](const auto& old) {
    if (old->active() || (old->id() != query->id() && ended <= kEndedKept)) return false;
    --ended;
    dropped.push_back(old);
    return true;
  });
  const std::string id = query->id();
  queries_.push_back(std::move(query));
  count_start(id);
}

std::vector<std::shared_ptr<MicroBatchQuery>> QueryManager::all() const {
  std::lock_guard lock(mutex_);
  return queries_;
}

std::vector<std::shared_ptr<MicroBatchQuery>> QueryManager::active() const {
  auto queries = all();
  std::erase_if(queries, [](const auto& query) { return !query->active(); });
  return queries;
}

std::shared_ptr<MicroBatchQuery> QueryManager::find(std::string_view name_or_id) const {
  std::lock_guard lock(mutex_);
  std::shared_ptr<MicroBatchQuery> found;  // the newest, one that runs first
  for (const auto& query : queries_) {
    const bool meant =
        query->name() == name_or_id || query->id() == name_or_id || query->run_id() == name_or_id;
    if (meant && (found == nullptr || query->active() || !found->active())) found = query;
  }
  return found;
}

void QueryManager::stop_all() {
  for (const auto& query : all())
    query->request_stop();
  for (const auto& query : all())
    query->stop();
}

void QueryManager::forget_ended() {
  std::lock_guard lock(mutex_);
  std::erase_if(queries_, [](const auto& query) { return !query->active(); });
}

}  // namespace weir::stream
