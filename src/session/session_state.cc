#include "session/session_state.h"

#include "base/clock.h"
#include "session/conf.h"
#include "session/conf_overlay.h"

namespace weir::session {

std::optional<std::string> SessionState::get(const std::string& key) const {
  if (const auto* first = ConfOverlay::find(key)) return *first;
  {
    const std::lock_guard lock(mutex_);
    const auto found = conf_.find(key);
    if (found != conf_.end()) return found->second;
  }
  if (key == "spark.sql.warehouse.dir") return "file:" + warehouse_->folder();
  const auto value = default_of(key);
  if (!value) return std::nullopt;
  return std::string(*value);
}

bool SessionState::flag(const std::string& key) const {
  const auto value = get(key);
  return value && lower_case(*value) == "true";
}

void SessionState::put(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  conf_[key] = value;
}

void SessionState::erase(const std::string& key) {
  const std::lock_guard lock(mutex_);
  conf_.erase(key);
}

void SessionState::erase_all() {
  const std::lock_guard lock(mutex_);
  conf_.clear();
}

TextMap SessionState::all_set() const {
  TextMap all;
  {
    const std::lock_guard lock(mutex_);
    all = conf_;
  }
  ConfOverlay::put_over(all);
  return all;
}

std::string SessionState::zone() const { return get("spark.sql.session.timeZone").value_or("UTC"); }

eval::EvalContext SessionState::eval_context() const {
  eval::EvalContext context;
  context.batch_timestamp_us = services().clock.now_us();
  context.session_zone = zone();
  context.ansi = flag("spark.sql.ansi.enabled");
  return context;
}

plan::AnalyzerSettings SessionState::analyzer_settings() const {
  plan::AnalyzerSettings settings;
  settings.expressions.ansi = flag("spark.sql.ansi.enabled");
  settings.expressions.case_sensitive = flag("spark.sql.caseSensitive");
  settings.expressions.session_zone = zone();
  settings.group_by_ordinal = flag("spark.sql.groupByOrdinal");
  settings.order_by_ordinal = flag("spark.sql.orderByOrdinal");
  settings.group_by_aliases = flag("spark.sql.groupByAliases");
  settings.conf = all_set();
  return settings;
}

relational::ExecutionContext SessionState::execution_context() const {
  return {services().engine, eval_context(), user_functions.get(), {}};
}

plan::Folder SessionState::folder() const {
  return [context = eval_context()](const plan::TypedPtr& expression) {
    return relational::fold(expression, context);
  };
}

std::string SessionState::database() const {
  const std::lock_guard lock(mutex_);
  return database_;
}

void SessionState::use_database(const std::string& name) {
  const std::lock_guard lock(mutex_);
  database_ = lower_case(name);
}

std::optional<TempView> SessionState::temp_view(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = views_.find(lower_case(name));
  if (found == views_.end()) return std::nullopt;
  return found->second;
}

bool SessionState::put_temp_view(const std::string& name, TempView view, bool replace) {
  const std::lock_guard lock(mutex_);
  const auto [at, inserted] = views_.try_emplace(lower_case(name));
  if (!inserted && !replace) return false;
  at->second = std::move(view);
  return true;
}

bool SessionState::drop_temp_view(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return views_.erase(lower_case(name)) > 0;
}

std::vector<std::string> SessionState::temp_views() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, view] : views_)
    names.push_back(name);
  return names;
}

void SessionState::keep(const std::string& id, plan::OperatorPtr plan) {
  const std::lock_guard lock(mutex_);
  kept_[id] = std::move(plan);
}

void SessionState::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  kept_.erase(id);
}

plan::OperatorPtr SessionState::kept(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(id);
  return found == kept_.end() ? nullptr : found->second;
}

void SessionState::put_function(std::shared_ptr<const plan::PythonFunction> function) {
  const std::lock_guard lock(mutex_);
  functions_[lower_case(function->name)] = std::move(function);
}

std::shared_ptr<const plan::PythonFunction> SessionState::function(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = functions_.find(lower_case(name));
  return found == functions_.end() ? nullptr : found->second;
}

std::vector<std::string> SessionState::functions() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, function] : functions_)
    names.push_back(name);
  return names;
}

void SessionState::clear() {
  const std::lock_guard lock(mutex_);
  views_.clear();
  kept_.clear();
  functions_.clear();
  cache.clear();
}

}  // namespace weir::session
