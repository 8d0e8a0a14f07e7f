// What the sources around DuckEngine share: the instance, a query's inputs and functions.
#pragma once

#include <atomic>
#include <duckdb.h>
#include <map>
#include <mutex>
#include <stop_token>

#include <arrow/type_fwd.h>

#include "relational/duck_engine.h"
#include "relational/spill_folder.h"

namespace weir::relational {

class QueryParts;

// An input of a query. Immutable once the statement runs.
struct DuckInput {
  QueryParts* query = nullptr;
  std::vector<std::shared_ptr<arrow::DataType>> types;  // in DuckDB's form
  DuckQuery::Scan scan;
  std::optional<int64_t> rows;
};

struct DuckFunction {
  QueryParts* query = nullptr;
  std::vector<std::shared_ptr<arrow::DataType>> duck_types;   // of the arguments, in DuckDB's form
  std::vector<std::shared_ptr<arrow::DataType>> arrow_types;  // as kernels want them
  std::shared_ptr<arrow::DataType> duck_result;
  DuckQuery::Function function;
};

}  // namespace weir::relational

namespace weir::relational {

struct DuckEngine::Instance {
  std::shared_ptr<SpillFolder> spill;  // outlives the database
  int64_t memory_bytes = 0;
  duckdb_database database = nullptr;
  int threads = 1;
  std::vector<std::string> readable_folders;  // each ends with a slash
  std::mutex mutex;
  std::map<int64_t, std::shared_ptr<DuckInput>> inputs;
  std::map<int64_t, std::shared_ptr<DuckFunction>> functions;
  std::map<std::string, std::string> function_names;  // by result type and volatility
  int64_t next_id = 1;

  ~Instance();
  std::shared_ptr<DuckInput> find_input(int64_t id);
  std::shared_ptr<DuckFunction> find_function(int64_t id);
  // Registers the function of that result type where it is not there yet.
  Result<std::string> function_name(const arrow::DataType& duck_result, bool keep_place);
};

class QueryParts final : public DuckQuery {
 public:
  explicit QueryParts(std::shared_ptr<DuckEngine::Instance> instance);
  ~QueryParts() override;

  Result<std::string> add_input(const columnar::Schema& schema, Scan scan,
                                std::optional<int64_t> rows_estimate) override;
  Result<std::string> add_function(const std::vector<columnar::DataType>& types,
                                   const std::vector<std::string>& arguments,
                                   const columnar::DataType& result, bool keep_place,
                                   Function function) override;

  // Keeps the error; gives the text for DuckDB that refers to it.
  std::string keep(base::Error error);
  // The error that DuckDB's message refers to.
  std::optional<base::Error> find_error(std::string_view duck_message);
  // The newest error of a function, if there is one.
  std::optional<base::Error> last_error();

  std::stop_source stop;
  int threads() const { return instance_->threads; }

  // A connection for conversions only, never for queries.
  Result<duckdb_connection> helper();
  Result<duckdb_arrow_options> arrow_options();

 private:
  std::shared_ptr<DuckEngine::Instance> instance_;
  std::vector<int64_t> input_ids_;
  std::vector<int64_t> function_ids_;
  std::mutex mutex_;
  std::vector<base::Error> errors_;
  duckdb_connection helper_ = nullptr;
  duckdb_arrow_options options_ = nullptr;
};

base::Error duck_error(std::string_view doing, const char* message);
Result<void> from_duck(std::string_view doing, duckdb_error_data failure);

// The callbacks' side (duck_callbacks.cc).
Result<void> register_input_function(duckdb_connection connection, DuckEngine::Instance* instance);
Result<void> register_moments(duckdb_connection connection);   // weir_stddev, weir_corr …
Result<void> register_sketches(duckdb_connection connection);  // weir_sketch
Result<void> register_scalar_function(duckdb_connection connection, DuckEngine::Instance* instance,
                                      const std::string& name, const arrow::DataType& duck_result,
                                      bool keep_place);

}  // namespace weir::relational
