// The durable catalog: databases, tables and views in the warehouse folder.
//
// One JSON file an object under <warehouse>/_weir_catalog (docs/formats/catalog.md), each created
// or replaced whole, so a reader never locks. Changes take an advisory lock on the folder, so
// several sessions and processes may share it; after a power loss an object is there or it is not,
// and the leftovers of an unfinished change are removed by the next one. The database `default` is
// always there. Nothing is written before the first change. Names are case-insensitive and kept in
// lower case, as Spark does. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "columnar/data_type.h"
#include "io/file_system.h"
#include "session/cache_budget.h"

namespace weir::relational {
class DuckEngine;
}
namespace weir::plan {
struct Operator;
}

namespace weir::session {

using base::Result;
using columnar::Schema;

// What a process has one of. The members outlive every session.
struct Services {
  io::FileSystem& fs;
  base::Clock& clock;
  base::Random& random;
  relational::DuckEngine& engine;
  int threads = 2;
  int64_t cache_bytes = int64_t{256} << 20;  // of results that CACHE TABLE and cache() hold
};

using TextMap = std::map<std::string, std::string>;

struct DatabaseEntry {
  std::string name;
  std::string comment;
  std::string location;  // folder of its managed tables, absolute
  TextMap properties;
  int64_t created_ms = 0;
};

enum class TableKind : uint8_t { kManaged, kExternal, kView };

struct TableEntry {
  std::string database;
  std::string name;
  TableKind kind = TableKind::kManaged;
  std::string provider;  // "delta", "parquet" …; empty for a view
  std::string location;  // absolute folder; empty for a view
  // Columns, partition columns last. A delta table's are in its log: empty here. Of a view: the
  // columns that it gives, under its own names.
  Schema schema = Schema::structure({});
  std::vector<std::string> partition_columns;
  TextMap options;
  TextMap properties;
  std::optional<std::string> comment;
  int64_t created_ms = 0;
  // Views: the query as written, whether the columns were named, and what it was analysed with.
  std::string view_text;
  bool view_columns_named = false;
  std::string view_database;
  // What becomes of the columns when the tables below change (Spark's WITH SCHEMA), empty as
  // "COMPENSATION"; and the query's own names of them, empty in catalogs of before.
  std::string view_mode;
  std::vector<std::string> view_query_columns;
  TextMap view_conf;

  bool is_view() const { return kind == TableKind::kView; }
};

class Warehouse {
 public:
  // `folder` need not be there. Relative paths are taken from the working folder.
  static Result<std::shared_ptr<Warehouse>> open(Services services, const std::string& folder);

  const Services& services() const { return services_; }
  const std::string& folder() const { return folder_; }
  CacheBudget& cache_budget() { return cache_budget_; }

  // Names in ascending order.
  Result<std::vector<std::string>> databases() const;
  Result<std::optional<DatabaseEntry>> database(std::string_view name) const;
  // False where there is one of that name.
  Result<bool> create_database(DatabaseEntry entry);
  Result<bool> replace_database(const DatabaseEntry& entry);  // false where it is gone
  // With its tables, and the managed ones' data. False where there is none.
  Result<bool> drop_database(std::string_view name);

  Result<std::vector<std::string>> tables(std::string_view database) const;
  Result<std::optional<TableEntry>> table(std::string_view database, std::string_view name) const;
  // False where the name is taken.
  Result<bool> create_table(const TableEntry& entry);
  // In the place of one that is there, or creates it. Data that was the replaced table's alone
  // stays where it is.
  Result<void> put_table(const TableEntry& entry);
  // The entry, then a managed table's data. False where there is none.
  Result<bool> drop_table(std::string_view database, std::string_view name);
  enum class Renamed : uint8_t { kDone, kNotFound, kExists };
  Result<Renamed> rename_table(std::string_view database, std::string_view from,
                               std::string_view to);

  // Where a managed table of that name keeps its data.
  Result<std::string> managed_location(std::string_view database, std::string_view name) const;

  // Global temporary views: of this process, not durable. By lower-case name.
  using ViewPlan = std::shared_ptr<const plan::Operator>;
  bool put_global_view(const std::string& name, ViewPlan plan, bool replace);  // false: it exists
  ViewPlan global_view(const std::string& name) const;                         // or null
  bool drop_global_view(const std::string& name);
  std::vector<std::string> global_views() const;

  // A folder that is being filled for a table that is not in the catalog yet. Where the process
  // dies before keep(), the next change removes the folder. Destroyed without keep(): removed now.
  class Draft {
   public:
    virtual ~Draft() = default;
    virtual Result<void> keep() = 0;
  };
  Result<std::unique_ptr<Draft>> draft(const std::string& location);

 private:
  friend class FolderDraft;
  Warehouse(Services services, std::string folder);
  std::string catalog_path(std::string_view below) const;
  std::string database_path(std::string_view name) const;
  std::string table_path(std::string_view database, std::string_view name) const;
  // Runs `change` while no other session or process changes the catalog.
  Result<void> locked(const std::function<Result<void>()>& change);
  Result<void> prepare_folder();
  Result<void> sweep();  // leftovers of changes that did not end
  Result<void> remove_entry(const TableEntry& entry, const std::string& path);
  Result<void> finish_removal(const std::string& note);

  Services services_;
  std::string folder_;
  CacheBudget cache_budget_;
  std::mutex mutex_;
  mutable std::mutex views_mutex_;
  std::map<std::string, ViewPlan> views_;
};

// Lower case; what a file cannot be named or is no letter, digit, '_' or '-' as %XX.
std::string catalog_file_name(std::string_view name);
using base::lower_case;

}  // namespace weir::session
