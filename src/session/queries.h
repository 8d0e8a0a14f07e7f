// Analysing and running queries in a session.
#pragma once

#include "session/session_catalog.h"

namespace weir::sql {
struct ParseOptions;
}

namespace weir::session {

// How the session's configuration says text is to be read.
sql::ParseOptions parse_options(const SessionState& state);

Result<plan::OperatorPtr> analyze_plan(SessionState& state, const plan::PlanPtr& plan,
                                       const SqlParameters& parameters = {});
Result<std::unique_ptr<BatchStream>> run_plan(SessionState& state, const plan::OperatorPtr& plan,
                                              Session::Observed observed = {});
// The plan's rows are held from its first use on, or calculated `now`.
Result<void> cache_plan(SessionState& state, const plan::OperatorPtr& plan, bool now,
                        std::stop_token stop = {});
// The files that the plan's scans read and leave out.
relational::ChosenFiles files_of_plan(SessionState& state, const plan::OperatorPtr& plan);
Result<std::string> explain_plan(SessionState& state, const plan::PlanPtr& plan,
                                 plan::Explain::Mode mode);
// The value of an array's row.
plan::Value value_of(const columnar::DataType& type, const arrow::Array& array, int64_t row);
// The statement's parameters for the parser.
Result<plan::Value> constant_of(SessionState& state, const plan::ExpressionPtr& expression,
                                const columnar::DataType& type);

}  // namespace weir::session
