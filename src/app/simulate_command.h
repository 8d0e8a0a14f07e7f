// `weir simulate`: sends simulated IoT events to a topic, to files, or to standard output.
#pragma once

namespace weir::app {

int run_simulate(int argc, char** argv);

}  // namespace weir::app
