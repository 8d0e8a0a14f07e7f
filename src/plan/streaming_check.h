// Whether a plan can run as a stream in an output mode: Spark's rules, with its classes and words
// (UnsupportedOperationChecker, StreamingJoinStrategy). Stateless.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "plan/catalog.h"
#include "plan/operator.h"

namespace weir::plan {

enum class StreamMode { kAppend, kUpdate, kComplete };
// "append", "update", "complete", any case; STREAMING_OUTPUT_MODE.INVALID.
Result<StreamMode> parse_stream_mode(std::string_view text);
std::string_view to_string(StreamMode mode);  // "append" …

// Which of a node's columns carry event time under a watermark (operators::event_time_columns).
using EventTimeColumns = std::function<std::vector<bool>(const Operator&)>;

// For writeStream.start(). The operators' own rules come on top (operators::make_operator).
// check_correctness: spark.sql.streaming.statefulOperator.checkCorrectness.enabled.
Result<void> check_streaming(const OperatorPtr& root, StreamMode mode,
                             const EventTimeColumns& event_time_columns,
                             bool check_correctness = true);
// For optimize() of a streaming plan: leaves alone what depends on the time, which each batch has
// anew.
Folder without_time(Folder fold);
// For whatever gives rows at once (collect, write, a command): refused where the plan has a
// streaming source.
Result<void> check_batch(const OperatorPtr& root);

}  // namespace weir::plan
