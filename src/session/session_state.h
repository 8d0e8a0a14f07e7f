// What a session remembers, under one lock; the pieces of a session (catalog, statements, writers)
// share it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "eval/program.h"
#include "plan/analyzer.h"
#include "relational/execution.h"
#include "session/errors.h"
#include "session/relation_cache.h"
#include "session/session.h"
#include "session/warehouse.h"

namespace weir::session {

// A temporary view: its plan as it was analysed when the view was made. Delta tables in it are read
// at their newest version each time.
struct TempView {
  plan::OperatorPtr plan;
  std::string text;  // of the query, where it was made by SQL
  std::string comment;
  TextMap properties;
};

class SessionState {
 public:
  SessionState(std::shared_ptr<Warehouse> warehouse, std::string id)
      : cache(warehouse->cache_budget()), warehouse_(std::move(warehouse)), id_(std::move(id)) {}

  Warehouse& warehouse() const { return *warehouse_; }
  const Services& services() const { return warehouse_->services(); }
  const std::string& id() const { return id_; }

  // --- configuration
  std::optional<std::string> get(const std::string& key) const;  // or the default
  bool flag(const std::string& key) const;                       // a boolean key
  void put(const std::string& key, const std::string& value);
  void erase(const std::string& key);
  void erase_all();
  TextMap all_set() const;
  std::string zone() const;
  eval::EvalContext eval_context() const;  // of a statement that begins now
  plan::AnalyzerSettings analyzer_settings() const;
  relational::ExecutionContext execution_context() const;
  plan::Folder folder() const;

  // --- names
  std::string database() const;
  void use_database(const std::string& name);
  std::optional<TempView> temp_view(const std::string& name) const;
  bool put_temp_view(const std::string& name, TempView view, bool replace);
  bool drop_temp_view(const std::string& name);
  std::vector<std::string> temp_views() const;

  // --- relations under ids, functions
  void keep(const std::string& id, plan::OperatorPtr plan);
  void forget(const std::string& id);
  plan::OperatorPtr kept(const std::string& id) const;  // or null
  void put_function(std::shared_ptr<const plan::PythonFunction> function);
  std::shared_ptr<const plan::PythonFunction> function(std::string_view name) const;
  std::vector<std::string> functions() const;
  std::unique_ptr<relational::UserFunctions> user_functions;  // null: there are none
  RelationCache cache;

  void clear();

 private:
  std::shared_ptr<Warehouse> warehouse_;
  std::string id_;
  mutable std::mutex mutex_;
  TextMap conf_;
  std::string database_ = "default";
  std::map<std::string, TempView> views_;  // by lower-case name
  std::map<std::string, plan::OperatorPtr> kept_;
  std::map<std::string, std::shared_ptr<const plan::PythonFunction>> functions_;
};

}  // namespace weir::session
