// `weir serve`: the Spark Connect server.
#pragma once

namespace weir::app {

int run_serve(int argc, char** argv);

}  // namespace weir::app
