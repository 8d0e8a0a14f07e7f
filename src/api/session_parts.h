// What the handles of include/weir share. Private to this room.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/group_functions.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/file_system.h"
#include "plan/plan_node.h"
#include "relational/duck_engine.h"
#include "session/session.h"
#include "session/warehouse.h"
#include "stream/control_server.h"
#include "stream/query_manager.h"
#include "streaming/stream_queries.h"
#include "weir/session.h"

namespace weir {

struct Session::Inner {
  std::unique_ptr<io::FileSystem> files = io::local_file_system();
  base::SystemClock clock;
  base::SystemRandom random;
  std::unique_ptr<relational::DuckEngine> engine;
  std::shared_ptr<::weir::session::Warehouse> warehouse;
  std::unique_ptr<::weir::stream::QueryManager>
      listed;  // null: `weir stream` does not reach the queries
  std::unique_ptr<::weir::stream::ControlServer> control;
  std::unique_ptr<::weir::session::Session> session;
  std::unique_ptr<streaming::StreamQueries> queries;  // the last: ends its queries first

  // C++ functions by the name that stands in the plan.
  struct Functions {
    std::mutex mutex;
    std::map<std::string, api::NativeGroupFunction> by_name;
  };
  const std::shared_ptr<Functions> functions = std::make_shared<Functions>();

  ~Inner();
  std::string add_function(const std::string& name, api::NativeGroupFunction function);
};

// A plan, or why there is none.
struct FrameParts {
  std::shared_ptr<Session::Inner> session;
  plan::PlanPtr plan;
  std::optional<Error> error;
};

struct StreamingQuery::Inner {
  std::shared_ptr<Session::Inner> session;
  streaming::StreamQueryPtr query;
};

namespace api {

// A frame of the result; a failure is kept in the frame.
DataFrame make_frame(std::shared_ptr<Session::Inner> session, base::Result<plan::PlanPtr> plan);
// Rows of a typed plan, which is run.
base::Result<Rows> rows_of(Session::Inner& session, const plan::OperatorPtr& plan);
StreamingQuery make_query(std::shared_ptr<Session::Inner> session, streaming::StreamQueryPtr query);

}  // namespace api
}  // namespace weir
