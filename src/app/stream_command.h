#pragma once

namespace weir::app {

// `weir stream list|show NAME|stop NAME`: the queries that run on this machine under this user.
int run_stream(int argc, char** argv);

}  // namespace weir::app
