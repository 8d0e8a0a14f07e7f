// weir in a C++ program: streaming queries into Delta tables, Kafka topics and files.
#pragma once

#include "weir/group_state.h"  // IWYU pragma: export
#include "weir/result.h"       // IWYU pragma: export
#include "weir/session.h"      // IWYU pragma: export
#include "weir/streaming.h"    // IWYU pragma: export
#include "weir/value.h"        // IWYU pragma: export
