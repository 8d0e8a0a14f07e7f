// The session's plan::Catalog: what names and data sources in queries mean.
//
// One part: a temporary view, else a table or view of the current database. Two: database and
// name, global_temp and name, or provider and path (delta.`/lake/events`). Three: spark_catalog
// before them. Views are analysed in the surroundings they were made in. An object serves one
// analysis after the other; locked where two threads use it at once.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "plan/catalog.h"
#include "session/session_state.h"
#include "session/stream_sources.h"

namespace weir::session {

inline constexpr std::string_view kCatalogName = "spark_catalog";
inline constexpr std::string_view kGlobalTemp = "global_temp";

// A table or view of the durable catalog by name.
struct TableName {
  std::string database;
  std::string table;
};

class SessionCatalog final : public plan::Catalog {
 public:
  // database: the one that names without qualifier are looked up in; empty: the session's. Without
  // `temporary` the session's temporary views are not seen (views of the catalog cannot).
  explicit SessionCatalog(SessionState& state, std::string database = {}, bool temporary = true,
                          int depth = 0)
      : state_(state), database_(std::move(database)), temporary_(temporary), depth_(depth) {}

  Result<plan::CatalogEntry> find(const plan::NamedTable& table,
                                  const plan::Origin& origin) override;
  Result<plan::TablePtr> open(const plan::DataSource& source, const plan::Origin& origin) override;
  Result<plan::OperatorPtr> cached(const std::string& id) override;
  std::shared_ptr<const plan::PythonFunction> python_function(std::string_view name) override;
  std::string current_catalog() override { return std::string(kCatalogName); }
  std::string current_database() override;

  // Where a name of the durable catalog points, whether there is something or not; the schema has
  // to be there. REQUIRES_SINGLE_PART_NAMESPACE and the like for names that cannot be one.
  Result<TableName> resolve(const Name& name) const;
  // What the durable catalog has under the name; nothing for provider.`path`.
  Result<std::optional<TableEntry>> entry(const Name& name) const;

  Result<plan::TablePtr> open_entry(const TableEntry& entry, const plan::TableState& state,
                                    const plan::Options& options, const plan::Origin& origin) const;
  // The Delta tables of a plan that was kept at their newest version.
  Result<plan::OperatorPtr> refreshed(const plan::OperatorPtr& plan) const;

 private:
  Result<plan::CatalogEntry> view_entry(plan::OperatorPtr plan, Name qualifier);
  Result<plan::OperatorPtr> view_plan(const TableEntry& view, const plan::Origin& origin);
  Result<plan::TablePtr> open_path(const std::string& provider, const std::string& path,
                                   const plan::TableState& state, const plan::Options& options,
                                   const plan::Origin& origin) const;
  Result<StreamRequest> stream_request(std::string format, std::vector<std::string> paths,
                                       plan::Options options, const plan::Origin& origin) const;
  Result<plan::TablePtr> stream_entry(const TableEntry& entry, const plan::Options& options,
                                      const plan::Origin& origin) const;
  Result<int64_t> timestamp_value(const plan::ExpressionPtr& written,
                                  const plan::Origin& origin) const;
  Result<std::optional<int64_t>> timestamp_of(const plan::TableState& state,
                                              const plan::Options& options,
                                              const plan::Origin& origin) const;

  SessionState& state_;
  std::string database_;
  bool temporary_;
  int depth_;
  std::mutex mutex_;
  std::map<std::string, plan::OperatorPtr> views_;  // under ids of our own
  int64_t next_view_ = 0;
};

}  // namespace weir::session
