#include "python/session_functions.h"

#include <map>
#include <optional>

#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "columnar/client_arrow.h"
#include "python/work.h"

namespace weir::python {

namespace {

// What of the session's settings a worker asks for.
constexpr const char* kZone = "spark.sql.session.timeZone";
constexpr const char* kSettings[] = {
    kZone,
    "spark.sql.execution.arrow.maxBytesPerBatch",
    "spark.sql.execution.arrow.maxRecordsPerBatch",
    "spark.sql.execution.arrow.useLargeVarTypes",
    "spark.sql.execution.pandas.convertToArrowArraySafely",
    "spark.sql.execution.pandas.structHandlingMode",
    "spark.sql.execution.pyspark.binaryAsBytes",
    "spark.sql.execution.pythonUDF.arrow.concurrency.level",
    "spark.sql.execution.pythonUDF.pandas.intToDecimalCoercionEnabled",
    "spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype",
    "spark.sql.legacy.execution.pandas.groupedMap.assignColumnsByName",
    "spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled",
};

// One batch as a stream.
class OneBatch final : public relational::BatchStream {
 public:
  OneBatch(columnar::Schema schema, BatchPtr batch)
      : schema_(std::move(schema)), batch_(std::move(batch)) {}
  const columnar::Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token) override { return std::exchange(batch_, nullptr); }

 private:
  columnar::Schema schema_;
  BatchPtr batch_;
};

class WorkerFunctions final : public SessionFunctions,
                              public relational::GroupStateFunctions,
                              public FileTaker {
 public:
  WorkerFunctions(std::shared_ptr<WorkerHost> host, int slot, FunctionOptions options,
                  SettingLookup settings, base::Clock& clock)
      : pool_(std::make_shared<WorkerPool>(std::move(host), slot, options.workers_max,
                                           options.parallel)),
        options_(options),
        settings_(std::move(settings)),
        clock_(clock) {}
  ~WorkerFunctions() override { pool_->close(); }

  void close() override { pool_->close(); }

  Result<void> add_file(const std::string& name, std::string_view bytes) override {
    WEIR_ASSIGN(const bool news, files_->add(name, bytes));
    if (news) pool_->renew();  // what workers have imported stays with them
    return {};
  }
  Result<void> copy_files(FileTaker& to) override { return files_->copy_to(to); }

  Result<StreamPtr> scalars(std::vector<relational::UserCall> calls, int kept,
                            StreamPtr input) override {
    WEIR_ASSIGN(auto work, new_work());
    return scalar_work(std::move(work), std::move(calls), kept, std::move(input));
  }
  Result<StreamPtr> aggregates(std::vector<relational::UserCall> calls, int keys,
                               StreamPtr input) override {
    WEIR_ASSIGN(const auto work, new_work());
    return aggregate_work(work, std::move(calls), keys, std::move(input));
  }
  Result<std::shared_ptr<arrow::Array>> scalar(const plan::PythonFunction& function,
                                               const BatchPtr& arguments) override {
    WEIR_ASSIGN(auto schema, columnar::from_arrow(*arguments->schema()));
    relational::UserCall call{{std::make_shared<plan::PythonFunction>(function)}, {}, {}};
    for (int i = 0; i < arguments->num_columns(); ++i)
      call.arguments.push_back(i);
    WEIR_ASSIGN(auto stream, scalars({std::move(call)}, 0,
                                     std::make_unique<OneBatch>(std::move(schema), arguments)));
    arrow::ArrayVector parts;
    while (true) {
      WEIR_ASSIGN(const auto batch, stream->next({}));
      if (!batch) break;
      parts.push_back(batch->column(0));
    }
    if (parts.empty()) {
      WEIR_ARROW_ASSIGN(auto none, arrow::MakeEmptyArray(columnar::to_arrow(function.result)));
      return none;
    }
    WEIR_ARROW_ASSIGN(auto whole, arrow::Concatenate(parts));
    return whole;
  }
  Result<StreamPtr> map(const plan::PythonFunction& function, StreamPtr input) override {
    WEIR_ASSIGN(auto work, new_work());
    return map_work(std::move(work), function, std::move(input));
  }
  Result<StreamPtr> group_map(const plan::PythonFunction& function, int keys,
                              StreamPtr input) override {
    WEIR_ASSIGN(const auto work, new_work());
    return group_work(work, function, keys, std::move(input));
  }
  Result<StreamPtr> cogroup_map(const plan::PythonFunction& function, int keys, StreamPtr left,
                                StreamPtr right) override {
    WEIR_ASSIGN(const auto work, new_work());
    return cogroup_work(work, function, keys, std::move(left), std::move(right));
  }

  Result<std::unique_ptr<relational::GroupStateFunction>> group_states(
      const plan::PythonFunction& function, relational::GroupStateShape shape) override {
    WEIR_ASSIGN(auto work, new_work());
    return state_work(std::move(work), function, std::move(shape));
  }

  Result<std::unique_ptr<state::TransformFunction>> transform(
      const plan::PythonFunction& function, const state::TransformShape& shape) override {
    WEIR_ASSIGN(auto work, new_work());
    return transform_work(std::move(work), function, shape);
  }

  Result<void> for_each(const plan::PythonFunction& function, StreamPtr rows, int part,
                        int64_t batch_id, std::stop_token stop) override {
    WEIR_ASSIGN(auto work, new_work());
    return each_work(std::move(work), function, std::move(rows), part, batch_id, stop);
  }
  std::unique_ptr<BatchWorker> for_each_batch(BatchFunctionWords words) override {
    return std::make_unique<BatchWorker>(pool_, files_, std::move(words));
  }

 private:
  // With the settings of now, whatever becomes of the session's while it runs.
  Result<Work> new_work() {
    std::map<std::string, std::string> now;
    for (const char* key : kSettings)
      if (auto value = settings_(key)) now[key] = std::move(*value);
    auto settings = [now](const std::string& key) -> std::optional<std::string> {
      const auto found = now.find(key);
      return found == now.end() ? std::nullopt : std::optional(found->second);
    };
    WEIR_ASSIGN(auto facts, pool_->host().start());
    WEIR_ASSIGN(auto files, files_->place(pool_->user()));
    return Work{pool_, options_, clock_, std::move(settings), std::move(facts), std::move(files)};
  }

  const std::shared_ptr<WorkerPool> pool_;
  const FunctionOptions options_;
  const SettingLookup settings_;
  base::Clock& clock_;
  const std::shared_ptr<SessionFiles> files_ = std::make_shared<SessionFiles>();
};

std::string session_zone(const Work& work) { return setting(work, kZone, "UTC"); }

}  // namespace

std::string setting(const Work& work, const std::string& key, const std::string& otherwise) {
  return work.settings(key).value_or(otherwise);
}

int64_t rows_of_a_batch(const Work& work) {
  constexpr int64_t kUnlimited = 1'000'000;
  const auto rows =
      std::atoll(setting(work, "spark.sql.execution.arrow.maxRecordsPerBatch", "10000").c_str());
  return rows <= 0 ? kUnlimited : std::min<int64_t>(rows, kUnlimited);
}

RunHeader run_header(const Work& work, const plan::PythonFunction& function) {
  RunHeader header;
  header.version = work.facts.version;
  header.python_version = function.python_version;
  header.eval_type = function.eval_type;
  header.folder = work.files.folder;
  header.includes = work.files.includes;
  for (const char* key : kSettings) {
    const auto value = key == kZone ? session_zone(work) : setting(work, key, "");
    if (!value.empty()) header.settings.emplace_back(key, value);
  }
  return header;
}

std::shared_ptr<arrow::Schema> worker_schema(const Work& work,
                                             const std::vector<columnar::Field>& fields) {
  return columnar::client_schema(columnar::Schema::structure(fields), session_zone(work));
}

base::Error unsupported(std::string_view what) {
  return base::error(base::ErrorKind::kUnsupported, "{} is not supported yet.", what)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

std::unique_ptr<SessionFunctions> session_functions(std::shared_ptr<WorkerHost> host, int slot,
                                                    FunctionOptions options, SettingLookup settings,
                                                    base::Clock& clock) {
  return std::make_unique<WorkerFunctions>(std::move(host), slot, options, std::move(settings),
                                           clock);
}

}  // namespace weir::python
