// Lines of text from a TCP server, for trying things out (Spark's socket source).
//
// Not fault tolerant: lines that a process has read and not committed are lost with it. After a
// restart the query goes on with what comes then; a batch that was begun before has no rows.
// Columns: value STRING, and with includeTimestamp timestamp TIMESTAMP, when the line came.
// Options: host, port, includeTimestamp, numPartitions (number of cores). An offset is the number
// of the last line, from 0; -1 before the first. A thread of its own reads ahead, up to 64 MiB.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "source/option_text.h"
#include "source/source.h"

namespace weir::source {

// Connects when the source is opened.
Result<std::unique_ptr<Source>> make_socket_source(
    base::Clock& clock, const std::map<std::string, std::string>& options,
    UnknownOptions unknown = UnknownOptions::kRefuse);

}  // namespace weir::source
