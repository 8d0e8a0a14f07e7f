// A session: configuration, temporary views, current database, cached relations; and what runs
// statements in it.
//
// `weir sql` has one, `weir serve` one for each client. Warehouse is shared by the sessions of a
// process and durable; a Session may be used by several threads (each query is its own; the maps
// are locked).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "plan/analyzer.h"
#include "plan/statement.h"
#include "relational/execution.h"
#include "relational/scan_source.h"

namespace weir::session {

using base::Result;
using columnar::Schema;
using relational::BatchStream;

class Warehouse;  // warehouse.h: the durable catalog, and opening and writing tables

struct Conf {  // spark.conf: known keys with Spark's defaults; unknown keys are kept as they come
  std::map<std::string, std::string> values;
};

// What a statement gives: rows (a command's result is rows too, often none).
struct StatementResult {
  plan::OperatorPtr plan;  // of a query; null for a command
  columnar::Schema schema = columnar::Schema::structure({});
  std::vector<std::shared_ptr<arrow::RecordBatch>> rows;  // of a command, complete
  bool command = false;
};

struct SqlParameters {
  std::map<std::string, plan::Literal> named;
  std::vector<plan::Literal> positional;
};

enum class SaveMode { kErrorIfExists, kAppend, kOverwrite, kIgnore };

// df.write…save(), saveAsTable(), insertInto(); writeTo().
struct WriteRequest {
  plan::PlanPtr plan;
  std::string format;  // empty: the session's default
  SaveMode mode = SaveMode::kErrorIfExists;
  std::optional<std::string> path;  // one of path
  std::optional<plan::Name> table;  // and table
  bool insert_into = false;         // by position into an existing table
  std::vector<std::string> partition_by;
  plan::Options options;     // mergeSchema, overwriteSchema, replaceWhere, compression, header …
  plan::Options properties;  // table properties (writeTo)
  plan::ExpressionPtr overwrite_condition;  // writeTo().overwrite(condition)
  bool by_name = false;                     // writeTo
  bool must_exist = false;                  // writeTo().append()
  bool create = false, replace = false;     // writeTo().create(), replace(), createOrReplace()
};

// writeStream.toTable().
struct StreamTargetRequest {
  plan::Name table;
  std::string format;  // has to be the table's where it is there; empty: the session's default
  Schema schema = Schema::structure({});  // of the rows
  std::vector<std::string> partition_by;
  std::optional<std::string> path;  // of a table that is made
  plan::Options properties;         // of a table that is made
};
struct StreamTarget {
  std::string format;
  std::string path;  // absolute
};

class Session {
 public:
  virtual ~Session() = default;
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<Warehouse> warehouse,
                                                 std::string id);

  virtual const std::string& id() const = 0;

  // Configuration. set() refuses static keys and bad values with Spark's error classes.
  virtual Result<void> set(const std::string& key, const std::string& value) = 0;
  virtual void unset(const std::string& key) = 0;
  virtual std::optional<std::string> get(
      const std::string& key) const = 0;  // value, or Spark's default
  virtual std::map<std::string, std::string> all_set() const = 0;
  virtual bool modifiable(const std::string& key) const = 0;

  // One statement's text: a command is run at once, a query analysed.
  virtual Result<StatementResult> sql(std::string_view text, const SqlParameters& parameters,
                                      std::stop_token stop = {}) = 0;
  // The same for a statement that is parsed already.
  virtual Result<StatementResult> execute(const plan::Statement& statement,
                                          std::stop_token stop = {}) = 0;
  // The plan of text that has to be a query (views, spark.sql in a relation).
  virtual Result<plan::PlanPtr> parse(std::string_view text) = 0;
  virtual Result<plan::OperatorPtr> analyze(const plan::PlanPtr& plan,
                                            const SqlParameters& parameters = {}) = 0;
  // `observed` gets the row of each observe() of the plan once the stream has ended.
  using Observed = std::function<void(const std::string& name, relational::BatchPtr row)>;
  virtual Result<std::unique_ptr<BatchStream>> run(const plan::OperatorPtr& plan,
                                                   Observed observed = {}) = 0;
  // For who runs a plan again and again (streaming queries): optimize() once; then run it as it
  // stands, each time over the tables as they are then. The context is the caller's.
  virtual Result<plan::OperatorPtr> optimize(const plan::OperatorPtr& plan) = 0;
  virtual eval::EvalContext eval_context() const = 0;
  virtual Result<std::unique_ptr<BatchStream>> run_optimized(const plan::OperatorPtr& plan,
                                                             const eval::EvalContext& eval,
                                                             Observed observed = {}) = 0;
  // Where the rows of a streaming query into a table of the catalog go; the table is made, empty,
  // where there is none.
  virtual Result<StreamTarget> stream_target(const StreamTargetRequest& request,
                                             std::stop_token stop) = 0;
  // parsed, analysed, optimised, physical; mode as in EXPLAIN.
  virtual Result<std::string> explain(const plan::PlanPtr& plan, plan::Explain::Mode mode) = 0;
  virtual Result<void> write(const WriteRequest& request, std::stop_token stop) = 0;

  virtual Result<void> create_temp_view(const std::string& name, plan::PlanPtr plan, bool replace,
                                        bool global) = 0;
  // Of a typed plan; in the place of one of that name.
  virtual void put_temp_view(const std::string& name, plan::OperatorPtr plan) = 0;
  virtual bool drop_temp_view(const std::string& name, bool global) = 0;
  // Of all the tables that the plan scans.
  virtual relational::ChosenFiles chosen_files(const plan::OperatorPtr& plan) = 0;
  // The plan's rows are held for later queries that have it in them: from its first use on, or
  // calculated now (UNSUPPORTED_FEATURE where they do not fit).
  virtual Result<void> cache(const plan::OperatorPtr& plan, bool now, std::stop_token stop) = 0;
  virtual void uncache(const plan::OperatorPtr& plan) = 0;
  // Relations kept under an id (checkpoint, foreachBatch's batch).
  virtual void keep(const std::string& id, plan::OperatorPtr plan) = 0;
  virtual void forget(const std::string& id) = 0;
  virtual void register_function(std::shared_ptr<const plan::PythonFunction> function) = 0;
  // Closed with the session. Before anything is run.
  virtual void set_user_functions(std::unique_ptr<relational::UserFunctions> functions) = 0;
  virtual plan::Catalog& catalog() = 0;
  virtual Warehouse& warehouse() = 0;

  // Stops the commands that run, drops views and relations.
  virtual void close() = 0;
};

}  // namespace weir::session
