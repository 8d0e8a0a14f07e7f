// The one DuckDB instance of a process, kept on a lead: no extensions, no files, no network, locked
// configuration.
//
// A query is one SQL statement and a DuckQuery: the inputs that it reads through the table function
// weir_input(id), and the functions of ours that it calls. Columns have no names there, only
// positions (c0, c1 …; struct fields f0, f1 …), so that names that differ only in case do not meet.
// Timestamps cross as microseconds of UTC: zones are the kernels' matter. The engine outlives its
// streams. run() may be called from any thread; a stream is pulled by one.
//
// A function that fails keeps its error in the DuckQuery and tells DuckDB only its number, so that
// the stream ends with our error, not with DuckDB's text.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "relational/batch_stream.h"

namespace arrow {
class Array;
}

namespace weir::relational {

class SpillFolder;

struct DuckOptions {
  int64_t memory_bytes = int64_t{1} << 30;
  int threads = 2;
  std::shared_ptr<SpillFolder> spill = {};  // null: what does not fit in memory fails
  // Where DuckDB itself may read Parquet files that a scan has chosen ("/": anywhere). Absolute.
  std::vector<std::string> readable_folders = {};
};

// What a statement's text refers to by number. Filled before the statement runs, by one thread.
class DuckQuery {
 public:
  // Streams of the columns at these positions (ascending; none: rows only), together every row
  // once. Called at most once for each place at which the input stands in the statement.
  using Scan = std::function<Result<std::vector<std::unique_ptr<BatchStream>>>(
      const std::vector<int>& columns, int streams)>;
  // One value a row. Called by several threads.
  using Function =
      std::function<Result<std::shared_ptr<arrow::Array>>(const arrow::RecordBatch& arguments)>;

  virtual ~DuckQuery() = default;
  // "weir_input(17)", a table with columns c0, c1 …
  virtual Result<std::string> add_input(const columnar::Schema& schema, Scan scan,
                                        std::optional<int64_t> rows_estimate) = 0;
  // "weir_f3(18, c0, c1)": a call with these arguments. `keep_place`: DuckDB neither folds the call
  // nor moves it through the statement nor leaves out one of two equal ones.
  virtual Result<std::string> add_function(const std::vector<columnar::DataType>& types,
                                           const std::vector<std::string>& arguments,
                                           const columnar::DataType& result, bool keep_place,
                                           Function function) = 0;
};

class DuckEngine {
 public:
  static Result<std::unique_ptr<DuckEngine>> open(const DuckOptions& options);
  ~DuckEngine();

  std::shared_ptr<DuckQuery> new_query();
  // True where DuckDB may read that file.
  bool may_read(std::string_view path) const;
  // `result` names the columns and gives their types (which the SQL has to produce, in the form in
  // which DuckDB holds them).
  Result<std::unique_ptr<BatchStream>> run(const std::string& sql, std::shared_ptr<DuckQuery> query,
                                           columnar::Schema result);
  // The same with one input, which sql reads as "{input}".
  Result<std::unique_ptr<BatchStream>> run(const std::string& sql,
                                           std::unique_ptr<BatchStream> input,
                                           columnar::Schema result);
  // How DuckDB runs it, as text.
  Result<std::string> explain(const std::string& sql, std::shared_ptr<DuckQuery> query);

  struct Instance;

 private:
  explicit DuckEngine(std::shared_ptr<Instance> instance);
  std::shared_ptr<Instance> instance_;
};

// True for an aggregate that the engine has as weir_<name> over doubles (stddev, corr …).
bool is_moment(std::string_view function);
// True for an error that DuckDB's own arithmetic or casts raised (not one of ours): the exact path
// has to say what Spark says.
bool is_duck_value_error(const base::Error& error);

}  // namespace weir::relational
