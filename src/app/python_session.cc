#include "app/python_session.h"

namespace weir::app {

namespace {

using base::Result;
using relational::BatchStream;

class PythonSession final : public session::Session {
 public:
  PythonSession(std::unique_ptr<session::Session> session, std::shared_ptr<python::WorkerHost> host,
                int slot, const python::FunctionOptions& options, base::Clock& clock)
      : session_(std::move(session)),
        functions_(python::session_functions(
            std::move(host), slot, options,
            [session = session_.get()](const std::string& key) { return session->get(key); },
            clock)) {
    session_->set_user_functions(functions_.get());
  }
  ~PythonSession() override { close(); }

  python::ClosableFunctions& functions() { return *functions_; }

  const std::string& id() const override { return session_->id(); }
  Result<void> set(const std::string& key, const std::string& value) override {
    return session_->set(key, value);
  }
  void unset(const std::string& key) override { session_->unset(key); }
  std::optional<std::string> get(const std::string& key) const override {
    return session_->get(key);
  }
  std::map<std::string, std::string> all_set() const override { return session_->all_set(); }
  bool modifiable(const std::string& key) const override { return session_->modifiable(key); }

  Result<session::StatementResult> sql(std::string_view text,
                                       const session::SqlParameters& parameters,
                                       std::stop_token stop) override {
    return session_->sql(text, parameters, std::move(stop));
  }
  Result<session::StatementResult> execute(const plan::Statement& statement,
                                           std::stop_token stop) override {
    return session_->execute(statement, std::move(stop));
  }
  Result<plan::PlanPtr> parse(std::string_view text) override { return session_->parse(text); }
  Result<plan::OperatorPtr> analyze(const plan::PlanPtr& plan,
                                    const session::SqlParameters& parameters) override {
    return session_->analyze(plan, parameters);
  }
  Result<std::unique_ptr<BatchStream>> run(const plan::OperatorPtr& plan,
                                           Observed observed) override {
    return session_->run(plan, std::move(observed));
  }
  Result<plan::OperatorPtr> optimize(const plan::OperatorPtr& plan) override {
    return session_->optimize(plan);
  }
  eval::EvalContext eval_context() const override { return session_->eval_context(); }
  Result<std::unique_ptr<BatchStream>> run_optimized(const plan::OperatorPtr& plan,
                                                     const eval::EvalContext& eval,
                                                     Observed observed) override {
    return session_->run_optimized(plan, eval, std::move(observed));
  }
  Result<session::StreamTarget> stream_target(const session::StreamTargetRequest& request,
                                              std::stop_token stop) override {
    return session_->stream_target(request, std::move(stop));
  }
  Result<std::string> explain(const plan::PlanPtr& plan, plan::Explain::Mode mode) override {
    return session_->explain(plan, mode);
  }
  Result<void> write(const session::WriteRequest& request, std::stop_token stop) override {
    return session_->write(request, std::move(stop));
  }
  Result<void> create_temp_view(const std::string& name, plan::PlanPtr plan, bool replace,
                                bool global) override {
    return session_->create_temp_view(name, std::move(plan), replace, global);
  }
  void put_temp_view(const std::string& name, plan::OperatorPtr plan) override {
    session_->put_temp_view(name, std::move(plan));
  }
  bool drop_temp_view(const std::string& name, bool global) override {
    return session_->drop_temp_view(name, global);
  }
  void keep(const std::string& id, plan::OperatorPtr plan) override {
    session_->keep(id, std::move(plan));
  }
  void forget(const std::string& id) override { session_->forget(id); }
  relational::ChosenFiles chosen_files(const plan::OperatorPtr& plan) override {
    return session_->chosen_files(plan);
  }
  Result<void> cache(const plan::OperatorPtr& plan, bool now, std::stop_token stop) override {
    return session_->cache(plan, now, std::move(stop));
  }
  void uncache(const plan::OperatorPtr& plan) override { session_->uncache(plan); }
  void register_function(std::shared_ptr<const plan::PythonFunction> function) override {
    session_->register_function(std::move(function));
  }
  void set_user_functions(relational::UserFunctions* functions) override {
    session_->set_user_functions(functions);
  }
  plan::Catalog& catalog() override { return session_->catalog(); }
  session::Warehouse& warehouse() override { return session_->warehouse(); }

  // Workers that still run for a query die, which ends the query.
  void close() override {
    session_->close();
    functions_->close();
  }

 private:
  const std::unique_ptr<session::Session> session_;
  const std::unique_ptr<python::ClosableFunctions> functions_;
};

}  // namespace

SessionWithPython with_python(std::unique_ptr<session::Session> session,
                              std::shared_ptr<python::WorkerHost> host, int slot,
                              const python::FunctionOptions& options, base::Clock& clock) {
  auto made =
      std::make_unique<PythonSession>(std::move(session), std::move(host), slot, options, clock);
  auto& functions = made->functions();
  return {std::move(made), &functions};
}

}  // namespace weir::app
