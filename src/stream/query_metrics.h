// The queries of a process as metrics, for Prometheus. Names, types and labels: docs/metrics.md.
#pragma once

#include "base/metrics_text.h"
#include "stream/query_manager.h"

namespace weir::stream {

// Of a query that was started several times its newest run.
void add_query_metrics(const QueryManager& manager, base::MetricsText& text);

}  // namespace weir::stream
