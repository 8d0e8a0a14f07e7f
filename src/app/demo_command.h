// `weir demo`: hub, simulator and streaming query in one process, watched live and verified at the
// end.
#pragma once

namespace weir::app {

int run_demo(int argc, char** argv);

}  // namespace weir::app
