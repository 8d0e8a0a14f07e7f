// What analysis asks of the world outside: tables, views, functions, and the values of constant
// expressions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "plan/plan_node.h"

namespace weir::plan {

// Something that can be scanned. Whoever executes plans knows what kind it is
// (relational::ScanSource).
class Table {
 public:
  virtual ~Table() = default;
  virtual const Schema& schema() const = 0;
  // "delta", "parquet", "kafka" …
  virtual std::string_view provider() const = 0;
  // For EXPLAIN: "delta `/path`", "parquet [a.parquet, …]".
  virtual std::string description() const = 0;
  virtual bool streaming() const { return false; }
};
using TablePtr = std::shared_ptr<const Table>;

struct View {
  PlanPtr plan;
  std::vector<std::string> columns;  // new names; empty: as they are
};

// Where a name leads.
struct CatalogEntry {
  std::variant<TablePtr, View> content;
  std::vector<std::string>
      qualifier;  // ["spark_catalog", "default", "events"]; ["v"] for a temporary view
};

class Catalog {
 public:
  virtual ~Catalog() = default;
  // TABLE_OR_VIEW_NOT_FOUND where there is none. A common table expression has been looked up
  // before.
  virtual Result<CatalogEntry> find(const NamedTable& table, const Origin& origin) = 0;
  virtual Result<TablePtr> open(const DataSource& source, const Origin& origin) = 0;
  // The plan that the session keeps under an id.
  virtual Result<OperatorPtr> cached(const std::string& id) = 0;
  // The user's function of that name (any case), or nullptr.
  virtual std::shared_ptr<const PythonFunction> python_function(std::string_view name) = 0;
  // SQL variables, configuration: `current_catalog()`, `current_database()`, `current_user()`.
  virtual std::string current_catalog() = 0;
  virtual std::string current_database() = 0;
};

// The value of an expression without columns (room eval's, wired by who owns an Analyzer).
using Folder = std::function<Result<Value>(const TypedPtr&)>;
// The rows of a small query, as values (PIVOT without values asks for them). May be empty: then
// UNSUPPORTED_FEATURE.
using SmallQuery = std::function<Result<std::vector<std::vector<Value>>>(const OperatorPtr&)>;

}  // namespace weir::plan
