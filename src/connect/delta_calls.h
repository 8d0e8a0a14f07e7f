// DeltaTable of pip's delta-spark: extension messages (delta.connect.DeltaRelation and
// DeltaCommand) inside google.protobuf.Any.
//
// The messages are read by their field numbers: what is answered needs a table's name or path only.
#pragma once

#include "connect/client_session.h"
#include "plan/plan_node.h"

namespace google::protobuf {
class Any;
}

namespace weir::connect {

// forPath and forName's toDF, history, detail, isDeltaTable. Others are UNSUPPORTED_FEATURE by
// name.
Result<plan::PlanPtr> delta_relation(ClientSession& session, const google::protobuf::Any& message);
// None is supported; the error names the call.
base::Error delta_command(const google::protobuf::Any& message);

}  // namespace weir::connect
