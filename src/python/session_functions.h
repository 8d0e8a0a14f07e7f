// The user functions of one session: what room relational calls, run by the session's workers.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "python/batch_worker.h"
#include "python/worker_host.h"
#include "relational/stream_functions.h"

namespace weir::python {

struct FunctionOptions {
  int workers_max = 8;     // of a session at a time
  int parallel = 2;        // workers that share one piece of work
  int64_t silence_us = 0;  // a worker that says nothing for so long is given up; 0: never
};

// The value of a setting of the session; nothing where it has none.
using SettingLookup = std::function<std::optional<std::string>(const std::string& key)>;

class SessionFunctions : public relational::StreamFunctions {
 public:
  // writeStream.foreach(): `function` as the client has pickled it, with its serializers.
  virtual Result<void> for_each(const plan::PythonFunction& function,
                                std::unique_ptr<relational::BatchStream> rows, int part,
                                int64_t batch_id, std::stop_token stop) = 0;
  // writeStream.foreachBatch(). Its worker is started by start(), or by the first batch.
  virtual std::unique_ptr<BatchWorker> for_each_batch(BatchFunctionWords words) = 0;
};

// `slot` numbers the session: where the server is root, sessions of different slots are different
// users. The clock, and what `settings` looks into, outlive what is made, and that its streams.
std::unique_ptr<SessionFunctions> session_functions(std::shared_ptr<WorkerHost> host, int slot,
                                                    FunctionOptions options, SettingLookup settings,
                                                    base::Clock& clock);

}  // namespace weir::python
