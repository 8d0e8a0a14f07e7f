// The Spark Connect service: its calls, by name.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "connect/client_session.h"
#include "connect/rpc_server.h"
#include "connect/worker_pool.h"

namespace weir::connect {

struct ServiceOptions {
  int64_t session_idle_us = int64_t{60} * 60 * 1'000'000;
  int64_t operation_detached_us = int64_t{5} * 60 * 1'000'000;
  size_t executions_max = 100;  // at a time; more wait
  // Where Python workers of this machine reach this service, "sc://localhost:1234/;token=…"; with
  // a slash and parameters. Called at the first foreachBatch; may be empty.
  std::function<Result<std::string>()> local_url = {};
};

class Service {
 public:
  Service(SessionMaker make, base::Clock& clock, base::Random& random, ServiceOptions options = {});
  ~Service();

  // RpcServer::Begin.
  std::shared_ptr<CallHandler> begin(const CallPtr& call);
  SessionBook& sessions() { return sessions_; }
  // Interrupts all executions and closes all sessions.
  void stop();

 private:
  friend class UnaryHandler;
  friend class ExecuteHandler;
  friend class ArtifactsHandler;
  using Unary = Result<std::string> (Service::*)(const std::string& request,
                                                 ClientSessionPtr& session);
  Unary unary(const std::string& method) const;
  Result<std::string> analyze_plan(const std::string& request, ClientSessionPtr& session);
  Result<std::string> config(const std::string& request, ClientSessionPtr& session);
  Result<std::string> artifact_status(const std::string& request, ClientSessionPtr& session);
  Result<std::string> interrupt(const std::string& request, ClientSessionPtr& session);
  Result<std::string> release_execute(const std::string& request, ClientSessionPtr& session);
  Result<std::string> release_session(const std::string& request, ClientSessionPtr& session);
  Result<std::string> fetch_error_details(const std::string& request, ClientSessionPtr& session);
  Result<std::string> clone_session(const std::string& request, ClientSessionPtr& session);
  Result<std::string> get_status(const std::string& request, ClientSessionPtr& session);
  // The operation that the stream's call is attached to.
  Result<OperationPtr> start(const std::string& request, const CallPtr& call,
                             ClientSessionPtr& session);
  Result<OperationPtr> reattach(const std::string& request, const CallPtr& call,
                                ClientSessionPtr& session);

  base::Clock& clock_;
  base::Random& random_;
  const ServiceOptions options_;
  SessionBook sessions_;
  // In the reverse order of their ends: calls_ hands work to the others.
  WorkerPool executions_;  // queries
  WorkerPool waits_;       // what waits for streaming queries: much longer, and without work
  WorkerPool analyses_;    // unary calls that may take long
  WorkerPool calls_;       // short work of the other unary calls, and parsing
  std::jthread janitor_;
};

}  // namespace weir::connect
