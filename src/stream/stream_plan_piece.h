// The pieces of a StreamPlan and one batch on its way through them. Private to the plan.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "stream/stream_plan.h"

namespace weir::stream {

struct StreamPlan::Piece {
  enum class Kind { kSource, kWatermark, kProject, kFilter, kUnion, kStateful, kStatement };
  Kind kind = Kind::kSource;
  plan::OperatorPtr node;
  std::vector<Piece*> inputs;
  int uses = 0;  // by other pieces

  size_t source = 0;         // kSource: of tables_
  std::vector<int> columns;  // kSource: of columns_[source]; kWatermark: the one column
  EventTimeSeen seen;
  std::unique_ptr<eval::Projection> projection;
  std::unique_ptr<eval::Program> condition;
  std::unique_ptr<StatefulOperator> state;
  std::map<const plan::Operator*, size_t> leaves;  // kStatement: inputs by their place

  size_t place = 0;      // in pieces_: where its random numbers come from
  bool ordered = false;  // what it gives depends on the rows before: never by two threads
  // Where it and what is below are watermarks, projections and filters over a source that nothing
  // else reads: those, from the source up. They run in one go as the source is read.
  std::vector<Piece*> chain;
};

// Of a Project, under its columns' names.
inline std::vector<plan::NamedTyped> named_list(const plan::Operator& project) {
  std::vector<plan::NamedTyped> list;
  for (const auto& one : std::get<plan::op::Project>(project.node).list)
    list.push_back({project.columns[list.size()].name, one});
  return list;
}

struct StreamPlan::Run {
  const PlanBatch& batch;
  Readers& readers;
  TaskPool& pool;
  eval::EvalContext eval;
  std::map<const Piece*, std::pair<RowBatches, int>> done;  // and how often they are still needed
  std::vector<std::optional<RowBatches>> read;              // by source
};

}  // namespace weir::stream
