#pragma once

namespace weir::app {

// `weir ingest`: a Kafka topic or files, into a Delta table, until stopped.
int run_ingest(int argc, char** argv);

}  // namespace weir::app
