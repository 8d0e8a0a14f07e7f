#include "connect/stream_functions.h"

#include "plan/operator.h"

namespace weir::connect {

namespace {

class KeptBatch final : public streaming::BatchFunction {
 public:
  KeptBatch(session::Session& session, base::Random& random,
            std::unique_ptr<python::BatchWorker> worker)
      : session_(session), random_(random), worker_(std::move(worker)) {}

  Result<void> run(const plan::OperatorPtr& rows, int64_t batch_id, std::stop_token stop) override {
    const std::string id = base::uuid(random_);
    session_.keep(id, rows);
    auto done = worker_->run(id, batch_id, stop);
    session_.forget(id);
    if (done.ok() || done.error().error_class() != "PYTHON_EXCEPTION") return done;
    const std::string reason = done.error().message();
    return base::Error(done.error().kind(),
                       "An error occurred in the user provided function in foreach batch sink. "
                       "Reason: " +
                           reason)
        .with_class("FOREACH_BATCH_USER_FUNCTION_ERROR")
        .with_sql_state("39000")
        .with_parameter("reason", reason);
  }

 private:
  session::Session& session_;
  base::Random& random_;
  const std::unique_ptr<python::BatchWorker> worker_;
};

class EachRow final : public streaming::RowFunction {
 public:
  EachRow(python::SessionFunctions& functions, plan::PythonFunction function)
      : functions_(functions), function_(std::move(function)) {}

  Result<void> run(std::unique_ptr<relational::BatchStream> rows, int part, int64_t batch_id,
                   std::stop_token stop) override {
    return functions_.for_each(function_, std::move(rows), part, batch_id, std::move(stop));
  }

 private:
  python::SessionFunctions& functions_;
  const plan::PythonFunction function_;
};

}  // namespace

std::shared_ptr<streaming::BatchFunction> batch_function_of(
    session::Session& session, base::Random& random, std::unique_ptr<python::BatchWorker> worker) {
  return std::make_shared<KeptBatch>(session, random, std::move(worker));
}

std::shared_ptr<streaming::RowFunction> row_function_of(python::SessionFunctions& functions,
                                                        plan::PythonFunction function) {
  return std::make_shared<EachRow>(functions, std::move(function));
}

}  // namespace weir::connect
