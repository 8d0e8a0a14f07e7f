#include <atomic>

#include "session/conf.h"
#include "session/queries.h"
#include "session/session.h"
#include "session/statements.h"
#include "session/stream_target.h"
#include "session/user_functions.h"
#include "session/writers.h"
#include "sql/parser.h"

namespace weir::session {

namespace {

class SessionImpl final : public Session {
 public:
  SessionImpl(std::shared_ptr<Warehouse> warehouse, std::string id)
      : state_(std::move(warehouse), std::move(id)), catalog_(state_) {}
  ~SessionImpl() override { close(); }

  const std::string& id() const override { return state_.id(); }

  Result<void> set(const std::string& key, const std::string& value) override {
    WEIR_TRY(check_conf_value(key, value));
    state_.put(key, value);
    return {};
  }
  void unset(const std::string& key) override { state_.erase(key); }
  std::optional<std::string> get(const std::string& key) const override { return state_.get(key); }
  std::map<std::string, std::string> all_set() const override { return state_.all_set(); }
  bool modifiable(const std::string& key) const override { return is_modifiable(key); }

  Result<StatementResult> sql(std::string_view text, const SqlParameters& parameters,
                              std::stop_token stop) override {
    auto options = parse_options(state_);
    for (const auto& [name, value] : parameters.named)
      options.named[name] = plan::make_expression(value);
    for (const auto& value : parameters.positional)
      options.positional.push_back(plan::make_expression(value));
    WEIR_ASSIGN(const auto statement, sql::parse_statement(text, options));
    return run_statement(statement, parameters, stop);
  }
  Result<StatementResult> execute(const plan::Statement& statement, std::stop_token stop) override {
    return run_statement(statement, {}, stop);
  }
  Result<plan::PlanPtr> parse(std::string_view text) override {
    return sql::parse_plan(text, parse_options(state_));
  }
  Result<plan::OperatorPtr> analyze(const plan::PlanPtr& plan,
                                    const SqlParameters& parameters) override {
    return analyze_plan(state_, plan, parameters);
  }
  Result<std::unique_ptr<BatchStream>> run(const plan::OperatorPtr& plan,
                                           Observed observed) override {
    return run_plan(state_, plan, std::move(observed));
  }
  Result<plan::OperatorPtr> optimize(const plan::OperatorPtr& plan) override {
    return plan::optimize(plan, state_.folder());
  }
  eval::EvalContext eval_context() const override { return state_.eval_context(); }
  Result<std::unique_ptr<BatchStream>> run_optimized(const plan::OperatorPtr& plan,
                                                     const eval::EvalContext& eval,
                                                     Observed observed) override {
    WEIR_ASSIGN(const auto now, catalog_.refreshed(plan));
    auto context = state_.execution_context();
    context.eval = eval;
    context.observed = std::move(observed);
    return relational::execute(now, context);
  }
  Result<StreamTarget> stream_target(const StreamTargetRequest& request,
                                     std::stop_token stop) override {
    const StopBoth both(stop, closed_.get_token());
    return find_stream_target(state_, request, both.token());
  }
  Result<std::string> explain(const plan::PlanPtr& plan, plan::Explain::Mode mode) override {
    return explain_plan(state_, plan, mode);
  }
  Result<void> write(const WriteRequest& request, std::stop_token stop) override {
    const StopBoth both(stop, closed_.get_token());
    return write_request(state_, request, both.token());
  }

  Result<void> create_temp_view(const std::string& name, plan::PlanPtr plan, bool replace,
                                bool global) override {
    WEIR_ASSIGN(auto analyzed, analyze_plan(state_, plan));
    const bool created =
        global ? state_.warehouse().put_global_view(name, std::move(analyzed), replace)
               : state_.put_temp_view(name, {std::move(analyzed), {}, {}, {}}, replace);
    if (created) return {};
    return sql_error("TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "42P07",
                     fmt::format("Cannot create the temporary view {} because it already "
                                 "exists.\nChoose a different name, drop or replace the existing "
                                 "view,  or add the IF NOT EXISTS clause to tolerate pre-existing "
                                 "views.",
                                 quoted_word(name)))
        .with_parameter("relationName", quoted_word(name));
  }
  void put_temp_view(const std::string& name, plan::OperatorPtr plan) override {
    state_.put_temp_view(name, {std::move(plan), {}, {}, {}}, true);
  }
  bool drop_temp_view(const std::string& name, bool global) override {
    return global ? state_.warehouse().drop_global_view(name) : state_.drop_temp_view(name);
  }
  relational::ChosenFiles chosen_files(const plan::OperatorPtr& plan) override {
    return files_of_plan(state_, plan);
  }
  Result<void> cache(const plan::OperatorPtr& plan, bool now, std::stop_token stop) override {
    return cache_plan(state_, plan, now, std::move(stop));
  }
  void uncache(const plan::OperatorPtr& plan) override { state_.cache.remove(plan); }
  void keep(const std::string& id, plan::OperatorPtr plan) override {
    state_.keep(id, std::move(plan));
  }
  void forget(const std::string& id) override { state_.forget(id); }
  void register_function(std::shared_ptr<const plan::PythonFunction> function) override {
    state_.put_function(std::move(function));
  }
  void set_user_functions(std::unique_ptr<relational::UserFunctions> functions) override {
    state_.user_functions = std::move(functions);
  }
  relational::UserFunctions* user_functions() const { return state_.user_functions.get(); }
  plan::Catalog& catalog() override { return catalog_; }
  Warehouse& warehouse() override { return state_.warehouse(); }

  void close() override {
    closed_.request_stop();
    state_.clear();
    // Workers that still run for a query die, which ends the query.
    if (state_.user_functions) state_.user_functions->close();
  }

 private:
  // Stops where the caller's or the session's token does.
  class StopBoth {
   public:
    StopBoth(const std::stop_token& a, const std::stop_token& b)
        : first_(a, Request{source_}), second_(b, Request{source_}) {}
    std::stop_token token() const { return source_.get_token(); }

   private:
    struct Request {
      std::stop_source source;
      void operator()() { source.request_stop(); }
    };
    std::stop_source source_;
    std::stop_callback<Request> first_;
    std::stop_callback<Request> second_;
  };

  Result<StatementResult> run_statement(const plan::Statement& statement,
                                        const SqlParameters& parameters, std::stop_token stop) {
    const StopBoth both(stop, closed_.get_token());
    return StatementRunner(state_, parameters, both.token()).run(statement);
  }

  SessionState state_;
  SessionCatalog catalog_;
  std::stop_source closed_;
};

}  // namespace

relational::UserFunctions* user_functions_of(Session& session) {
  return static_cast<SessionImpl&>(session).user_functions();  // there are no other sessions
}

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<Warehouse> warehouse,
                                                 std::string id) {
  return std::unique_ptr<Session>(
      std::make_unique<SessionImpl>(std::move(warehouse), std::move(id)));
}

}  // namespace weir::session
