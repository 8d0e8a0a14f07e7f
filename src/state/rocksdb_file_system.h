// RocksDB's view of files: every byte that it reads or writes passes through an io::FileSystem, so
// that faults and power losses of tests reach it as well.
#pragma once

#include <memory>

#include "io/file_system.h"

namespace rocksdb {
class Env;
}

namespace weir::state {

// `files` outlives the environment. Threads and time are RocksDB's own.
std::unique_ptr<rocksdb::Env> make_rocksdb_env(io::FileSystem& files);

}  // namespace weir::state
