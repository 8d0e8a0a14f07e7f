// `weir state`: what stateful queries remember, read from their checkpoints.
#pragma once

namespace weir::app {

int run_state(int argc, char** argv);

}  // namespace weir::app
