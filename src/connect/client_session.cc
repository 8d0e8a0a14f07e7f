#include "connect/client_session.h"

#include <algorithm>

#include "connect/requests.h"

namespace weir::connect {

namespace {

using base::Error;
using base::ErrorKind;

constexpr int64_t kArtifactBytesMax = int64_t{1} << 30;

Error handle_error(std::string_view what, const std::string& handle, std::string_view text) {
  return Error(ErrorKind::kInvalidArgument,
               fmt::format("The handle {} is invalid. {} SQLSTATE: HY000", handle, text))
      .with_class(fmt::format("INVALID_HANDLE.{}", what))
      .with_sql_state("HY000")
      .with_parameter("handle", handle);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
      return false;
  }
  return true;
}

}  // namespace

ClientSession::ClientSession(std::string user, std::string id, std::string server_side_id,
                             SessionEngine engine, base::Clock& clock, base::Random& random)
    : user_(std::move(user)),
      id_(std::move(id)),
      server_side_id_(std::move(server_side_id)),
      engine_(std::move(engine)),
      clock_(clock),
      errors_(random),
      artifacts_(kArtifactBytesMax),
      used_us_(clock.monotonic_us()) {}

Result<OperationPtr> ClientSession::add_operation(const std::string& operation_id,
                                                  std::set<std::string> tags, bool reattachable) {
  if (!is_uuid(operation_id))
    return handle_error(
        "FORMAT", operation_id,
        "Handle must be an UUID string of the format '00112233-4455-6677-8899-aabbccddeeff'.");
  auto operation = std::make_shared<Operation>(Operation::Names{id_, server_side_id_, operation_id},
                                               std::move(tags), reattachable, clock_);
  const std::scoped_lock lock(mutex_);
  if (!operations_.emplace(operation_id, operation).second)
    return handle_error("OPERATION_ALREADY_EXISTS", operation_id, "Operation already exists.");
  return operation;
}

OperationPtr ClientSession::operation(const std::string& operation_id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = operations_.find(operation_id);
  return found == operations_.end() ? nullptr : found->second;
}

std::vector<OperationPtr> ClientSession::operations() const {
  const std::scoped_lock lock(mutex_);
  std::vector<OperationPtr> all;
  for (const auto& [id, operation] : operations_)
    all.push_back(operation);
  return all;
}

void ClientSession::remove_operation(const std::string& operation_id) {
  const std::scoped_lock lock(mutex_);
  operations_.erase(operation_id);
}

void ClientSession::set_storage_level(const std::string& relation, const StorageLevel& level) {
  const std::scoped_lock lock(mutex_);
  levels_[relation] = level;
}

bool ClientSession::forget_storage_level(const std::string& relation) {
  const std::scoped_lock lock(mutex_);
  return levels_.erase(relation) > 0;
}

StorageLevel ClientSession::storage_level(const std::string& relation) const {
  const std::scoped_lock lock(mutex_);
  const auto found = levels_.find(relation);
  return found == levels_.end() ? StorageLevel{false, false, false, false, 1} : found->second;
}

bool ClientSession::has_made(const std::string& relation) const {
  const std::scoped_lock lock(mutex_);
  return std::find(made_.begin(), made_.end(), relation) != made_.end();
}

void ClientSession::set_made(const std::string& relation) {
  const std::scoped_lock lock(mutex_);
  made_.push_back(relation);
  if (made_.size() > kMadeMax) made_.pop_front();
}

Result<streaming::StreamQueries*> ClientSession::queries() const {
  if (!engine_.queries) return unsupported("streaming by this server");
  return engine_.queries.get();
}

bool ClientSession::busy() const {
  const auto all = operations();
  return std::any_of(all.begin(), all.end(), [](const auto& one) { return !one->ended(); }) ||
         (engine_.queries && !engine_.queries->active().empty());
}

void ClientSession::touch() {
  const std::scoped_lock lock(mutex_);
  used_us_ = clock_.monotonic_us();
}

int64_t ClientSession::used_us() const {
  const std::scoped_lock lock(mutex_);
  return used_us_;
}

void ClientSession::close() {
  for (const OperationPtr& operation : operations())
    operation->interrupt();
  if (engine_.queries) engine_.queries->close();
  engine_.session->close();
}

Result<ClientSessionPtr> SessionBook::locate(const Key& key, const std::string& observed,
                                             bool make) {
  if (!is_uuid(key.second))
    return handle_error(
        "FORMAT", key.second,
        "Handle must be an UUID string of the format '00112233-4455-6677-8899-aabbccddeeff'.");
  const std::scoped_lock lock(mutex_);
  const auto found = sessions_.find(key);
  if (found != sessions_.end()) {
    if (!observed.empty() && observed != found->second->server_side_id())
      return handle_error(
          "SESSION_CHANGED", key.second,
          "The existing Spark server driver instance has restarted. Please reconnect.");
    found->second->touch();
    return found->second;
  }
  if (std::find(closed_.begin(), closed_.end(), key) != closed_.end())
    return handle_error("SESSION_CLOSED", key.second, "Session was closed.");
  if (!observed.empty())
    return handle_error(
        "SESSION_CHANGED", key.second,
        "The existing Spark server driver instance has restarted. Please reconnect.");
  if (!make) return handle_error("SESSION_NOT_FOUND", key.second, "Session not found.");
  WEIR_ASSIGN(auto engine, make_(key.second));
  auto session = std::make_shared<ClientSession>(key.first, key.second, base::uuid(random_),
                                                 std::move(engine), clock_, random_);
  sessions_[key] = session;
  return session;
}

Result<ClientSessionPtr> SessionBook::open(const std::string& user, const std::string& session_id,
                                           const std::string& observed) {
  return locate({user, session_id}, observed, true);
}

Result<ClientSessionPtr> SessionBook::find(const std::string& user, const std::string& session_id,
                                           const std::string& observed) {
  return locate({user, session_id}, observed, false);
}

ClientSessionPtr SessionBook::close(const std::string& user, const std::string& session_id,
                                    bool allow_reconnect) {
  ClientSessionPtr session;
  if (!is_uuid(session_id)) return session;  // there never was one
  {
    const std::scoped_lock lock(mutex_);
    const Key key{user, session_id};
    if (const auto found = sessions_.find(key); found != sessions_.end()) {
      session = found->second;
      sessions_.erase(found);
    }
    if (!allow_reconnect) {
      closed_.push_back(key);
      if (closed_.size() > kClosedKept) closed_.pop_front();
    }
  }
  if (session) session->close();
  return session;
}

void SessionBook::expire(int64_t session_idle_us, int64_t operation_detached_us) {
  std::vector<ClientSessionPtr> idle;
  const int64_t now = clock_.monotonic_us();
  {
    const std::scoped_lock lock(mutex_);
    for (auto entry = sessions_.begin(); entry != sessions_.end();) {
      for (const OperationPtr& operation : entry->second->operations()) {
        const auto detached = operation->detached_since_us();
        if (detached && now - *detached > operation_detached_us) {
          operation->interrupt();
          entry->second->remove_operation(operation->names().operation_id);
        }
      }
      if (now - entry->second->used_us() > session_idle_us && !entry->second->busy()) {
        idle.push_back(entry->second);
        entry = sessions_.erase(entry);
      } else {
        ++entry;
      }
    }
  }
  for (const ClientSessionPtr& session : idle)
    session->close();
}

void SessionBook::close_all() {
  std::map<Key, ClientSessionPtr> all;
  {
    const std::scoped_lock lock(mutex_);
    all.swap(sessions_);
  }
  for (const auto& [key, session] : all)
    session->close();
}

}  // namespace weir::connect
