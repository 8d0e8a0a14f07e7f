// What a client has on the server: a session of ours, its executions, artifacts and last errors;
// and the sessions of all clients.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "connect/artifacts.h"
#include "connect/errors.h"
#include "connect/listener_bus.h"
#include "connect/operation.h"
#include "python/session_functions.h"
#include "session/session.h"
#include "streaming/stream_queries.h"

namespace weir::connect {

using OperationPtr = std::shared_ptr<Operation>;

struct StorageLevel {
  bool disk = true;
  bool memory = true;
  bool off_heap = false;
  bool deserialized = true;
  int replication = 1;
};

// What runs a client session's work; ends in the reverse order.
struct SessionEngine {
  std::unique_ptr<session::Session> session;
  python::SessionFunctions* functions = nullptr;      // of the session; null: no Python functions
  std::unique_ptr<streaming::StreamQueries> queries;  // null: no streaming
};

class ClientSession {
 public:
  ClientSession(std::string user, std::string id, std::string server_side_id, SessionEngine engine,
                base::Clock& clock, base::Random& random);

  const std::string& user() const { return user_; }
  const std::string& id() const { return id_; }
  const std::string& server_side_id() const { return server_side_id_; }
  session::Session& engine() const { return *engine_.session; }
  python::SessionFunctions* functions() const { return engine_.functions; }
  // UNSUPPORTED_FEATURE where there is no streaming.
  Result<streaming::StreamQueries*> queries() const;
  ListenerBus& listeners() { return listeners_; }
  ErrorBook& errors() { return errors_; }
  ArtifactStore& artifacts() { return artifacts_; }

  // INVALID_HANDLE.OPERATION_ALREADY_EXISTS where the id is taken.
  Result<OperationPtr> add_operation(const std::string& operation_id, std::set<std::string> tags,
                                     bool reattachable);
  OperationPtr operation(const std::string& operation_id) const;  // or null
  std::vector<OperationPtr> operations() const;
  void remove_operation(const std::string& operation_id);

  // persist(): what get_storage_level answers, by the relation.
  void set_storage_level(const std::string& relation, const StorageLevel& level);
  bool forget_storage_level(const std::string& relation);
  StorageLevel storage_level(const std::string& relation) const;  // none: all false

  // Relations that make something when they are first seen (spark.catalog.createTable).
  bool has_made(const std::string& relation) const;
  void set_made(const std::string& relation);

  void touch();
  int64_t used_us() const;
  // An execution or a streaming query runs.
  bool busy() const;
  // Interrupts everything and drops what the session holds.
  void close();

 private:
  static constexpr size_t kMadeMax = 100;
  const std::string user_;
  const std::string id_;
  const std::string server_side_id_;
  const SessionEngine engine_;
  ListenerBus listeners_;
  base::Clock& clock_;
  ErrorBook errors_;
  ArtifactStore artifacts_;
  mutable std::mutex mutex_;
  std::map<std::string, OperationPtr> operations_;
  std::map<std::string, StorageLevel> levels_;
  std::deque<std::string> made_;  // the newest kMadeMax
  int64_t used_us_;
};
using ClientSessionPtr = std::shared_ptr<ClientSession>;

// Makes the engine of a new client session.
using SessionMaker = std::function<Result<SessionEngine>(const std::string& session_id)>;

class SessionBook {
 public:
  SessionBook(SessionMaker make, base::Clock& clock, base::Random& random)
      : make_(std::move(make)), clock_(clock), random_(random) {}

  // The session of that user, made where it is not there. `observed` is the server-side id that the
  // client knows (empty: none): another one means that the session is a new one.
  Result<ClientSessionPtr> open(const std::string& user, const std::string& session_id,
                                const std::string& observed);
  // Only where it is there: INVALID_HANDLE.SESSION_NOT_FOUND.
  Result<ClientSessionPtr> find(const std::string& user, const std::string& session_id,
                                const std::string& observed);
  // Null where it was not there.
  ClientSessionPtr close(const std::string& user, const std::string& session_id,
                         bool allow_reconnect);
  // Sessions that nobody has used for so long, and executions that their clients have left.
  void expire(int64_t session_idle_us, int64_t operation_detached_us);
  void close_all();

 private:
  using Key = std::pair<std::string, std::string>;
  static constexpr size_t kClosedKept = 1000;
  Result<ClientSessionPtr> locate(const Key& key, const std::string& observed, bool make);

  const SessionMaker make_;
  base::Clock& clock_;
  base::Random& random_;
  std::mutex mutex_;
  std::map<Key, ClientSessionPtr> sessions_;
  std::deque<Key> closed_;
};

}  // namespace weir::connect
