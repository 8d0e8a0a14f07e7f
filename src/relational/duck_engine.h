// The one DuckDB instance of a process, kept on a lead: no extensions, no files, no network, locked
// configuration.
//
// A query reads one stream through the table function weir_input(id), which feeds chunks of at most
// 2,048 rows, and gives a stream. Columns have no names there, only positions (c0, c1 …; struct
// fields f0, f1 …), so that names that differ only in case do not meet. Timestamps cross as local
// microseconds of UTC: zones are the kernels' matter. The engine outlives its streams. run() may be
// called from any thread; a stream is pulled by one.
#pragma once

#include <memory>
#include <string>

#include "relational/batch_stream.h"

namespace weir::relational {

struct DuckOptions {
  int64_t memory_bytes = int64_t{1} << 30;
  int threads = 2;
  std::string spill_folder;  // empty: what does not fit in memory fails
};

class DuckEngine {
 public:
  static Result<std::unique_ptr<DuckEngine>> open(const DuckOptions& options);
  ~DuckEngine();

  // sql reads "{input}". `result` names the columns and gives their types (which the SQL has to
  // produce, in the form in which DuckDB holds them).
  Result<std::unique_ptr<BatchStream>> run(const std::string& sql,
                                           std::unique_ptr<BatchStream> input,
                                           columnar::Schema result);

  struct Instance;

 private:
  explicit DuckEngine(std::shared_ptr<Instance> instance);
  std::shared_ptr<Instance> instance_;
};

}  // namespace weir::relational
