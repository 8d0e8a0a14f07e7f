// Read first by sources that hold protobuf's maps, with the thread sanitizer: its headers give a map field two more
// members there, which the installed library, built without it, does not know.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>  // these have seen the macro

#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#define __SANITIZE_THREAD__ 1
