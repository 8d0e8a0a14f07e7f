// Rows that come with a request: Arrow streams, with a schema in JSON or DDL.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/plan_node.h"

namespace spark::connect {
class LocalRelation;
}

namespace weir::connect {

using base::Result;

Result<plan::PlanPtr> read_local_relation(const spark::connect::LocalRelation& relation);
// Several streams of the same columns, one after the other.
Result<plan::PlanPtr> read_local_chunks(
    const std::vector<std::shared_ptr<const std::string>>& chunks, const std::string& schema);

}  // namespace weir::connect
