// `weir hub`: the embedded broker as a process of its own.
#pragma once

namespace weir::app {

int run_hub(int argc, char** argv);

}  // namespace weir::app
