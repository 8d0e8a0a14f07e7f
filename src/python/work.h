// One piece of work of a query: which functions, with which settings, by which workers.
#pragma once

#include <memory>
#include <vector>

#include "python/arrow_rows.h"
#include "python/crew.h"
#include "python/session_files.h"
#include "python/session_functions.h"
#include "relational/group_states.h"
#include "state/group_variables.h"

namespace weir::python {

struct Work {
  std::shared_ptr<WorkerPool> pool;
  FunctionOptions options;
  base::Clock& clock;
  SettingLookup settings;
  HostFacts facts;
  SessionFiles::Place files;
};

std::string setting(const Work& work, const std::string& key, const std::string& otherwise);
// spark.sql.execution.arrow.maxRecordsPerBatch; 0 and less: no limit, which is a large one.
int64_t rows_of_a_batch(const Work& work);
// Where a map's function finds keys and values in its columns: [length, keys, key …, value …].
void add_key_offsets(int keys, int columns, std::vector<int>& offsets);
// The header but for its functions.
RunHeader run_header(const Work& work, const plan::PythonFunction& function);
std::shared_ptr<arrow::Schema> worker_schema(const Work& work,
                                             const std::vector<columnar::Field>& fields);
base::Error unsupported(std::string_view what);

Result<StreamPtr> scalar_work(Work work, std::vector<relational::UserCall> calls, int kept,
                              StreamPtr input);
Result<StreamPtr> map_work(Work work, const plan::PythonFunction& function, StreamPtr input);
Result<StreamPtr> group_work(const Work& work, const plan::PythonFunction& function, int keys,
                             StreamPtr input);
Result<StreamPtr> cogroup_work(const Work& work, const plan::PythonFunction& function, int keys,
                               StreamPtr left, StreamPtr right);
Result<std::unique_ptr<relational::GroupStateFunction>> state_work(
    Work work, const plan::PythonFunction& function, relational::GroupStateShape shape);
Result<std::unique_ptr<state::TransformFunction>> transform_work(
    Work work, const plan::PythonFunction& function, state::TransformShape shape);
// foreach: part `part` of a batch, by one worker.
Result<void> each_work(Work work, const plan::PythonFunction& function, StreamPtr rows, int part,
                       int64_t batch_id, const std::stop_token& stop);
Result<StreamPtr> aggregate_work(const Work& work, std::vector<relational::UserCall> calls,
                                 int keys, StreamPtr input);

}  // namespace weir::python
