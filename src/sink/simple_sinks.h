// Sinks without a store behind them: console (prints), noop (counts), memory (keeps rows for tests
// and queries).
#pragma once

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sink/sink.h"

namespace arrow {
class RecordBatch;
}

namespace weir::sink {

struct ConsoleOptions {
  int64_t rows_max = 20;  // numRows
  bool truncate = true;   // cells of more than 20 characters are cut
};

// Prints "-----\nBatch: N\n-----" and a table as Spark's console sink does. `out` outlives the
// sink.
std::unique_ptr<Sink> make_console_sink(ConsoleOptions options, std::FILE* out);

// Takes rows and forgets them.
std::unique_ptr<Sink> make_noop_sink();

// Keeps the rows of committed batches; a batch delivered again is not taken twice. Any thread may
// read.
class MemorySink : public Sink {
 public:
  // In order of batch and part; all parts of a batch appear at once.
  virtual std::vector<std::shared_ptr<arrow::RecordBatch>> batches() const = 0;
  virtual int64_t rows() const = 0;
  // Drops what is kept.
  virtual void clear() = 0;
};
// rows_max: a commit that would keep more fails with kResourceExhausted.
std::unique_ptr<MemorySink> make_memory_sink(int64_t rows_max = 10'000'000);

}  // namespace weir::sink
