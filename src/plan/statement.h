// A statement of Spark SQL: a query, or something that changes the catalog, a table or the session.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "plan/plan_node.h"

namespace weir::plan {

using Name = std::vector<std::string>;  // [catalog,] [database,] name; or provider and path

struct QueryStatement {
  PlanPtr plan;
};
struct ColumnDefinition {
  columnar::Field field;  // comment in its metadata
  ExpressionPtr default_value;
  ExpressionPtr generated_as;
};
struct CreateTable {
  Name name;
  bool if_not_exists = false;
  bool or_replace = false;
  bool replace = false;  // REPLACE TABLE: has to be there
  std::vector<ColumnDefinition> columns;
  std::string provider;  // USING; empty: the session's default
  std::optional<std::string> location;
  std::vector<std::string> partition_by;
  std::optional<std::string> comment;
  Options properties;
  Options options;
  PlanPtr as_select;  // null: none
  std::optional<Name> like;
};
struct DropTable {
  Name name;
  bool if_exists = false;
  bool purge = false;
  bool view = false;
};
struct CreateView {
  Name name;
  bool temporary = false;
  bool global = false;
  bool or_replace = false;
  bool if_not_exists = false;
  std::vector<std::pair<std::string, std::string>> columns;  // name, comment
  std::optional<std::string> comment;
  Options properties;
  PlanPtr plan;          // null for USING
  std::string text;      // of the query, as written
  std::string provider;  // CREATE TEMPORARY VIEW v USING provider OPTIONS (…)
  Options options;
  std::optional<Schema> schema;
  bool alter = false;       // ALTER VIEW … AS: has to be there
  std::string schema_mode;  // WITH SCHEMA …: as DESCRIBE shows it ("TYPE EVOLUTION")
};
struct CreateDatabase {
  Name name;
  bool if_not_exists = false;
  std::optional<std::string> location;
  std::optional<std::string> comment;
  Options properties;
};
struct DropDatabase {
  Name name;
  bool if_exists = false;
  bool cascade = false;
};
// ALTER DATABASE … SET PROPERTIES / LOCATION, COMMENT ON DATABASE: what is given changes.
struct AlterDatabase {
  Name name;
  std::optional<std::string> location;
  std::optional<std::string> comment;
  Options properties;
};
struct AlterTable {
  enum class Kind : uint8_t {
    kAddColumns,
    kDropColumns,
    kRenameColumn,
    kRename,
    kSetProperties,
    kUnsetProperties,
    kChangeColumn,
    kSetLocation,
    kAddPartition,
    kDropPartition,
    kSetSchemaMode
  };
  Kind kind = Kind::kAddColumns;
  Name name;
  bool view = false;
  // kAddColumns; kChangeColumn: type (kNull: stays), comment or default value
  std::vector<ColumnDefinition> columns;
  // kDropColumns; kRenameColumn: from, to; kAddColumns, kChangeColumn: the whole paths
  std::vector<Name> column_names;
  Name new_name;  // kRename
  Options properties;
  std::vector<std::string> property_keys;
  bool if_exists = false;
  std::string location;
  std::string schema_mode;       // kSetSchemaMode
  std::optional<bool> nullable;  // kChangeColumn SET / DROP NOT NULL
};
struct Insert {
  Name name;
  bool overwrite = false;
  bool by_name = false;
  std::vector<std::string> columns;
  std::vector<std::pair<std::string, ExpressionPtr>> partition;  // value null: dynamic
  ExpressionPtr replace_where;                                   // INSERT INTO t REPLACE WHERE …
  PlanPtr source;
};
struct Truncate {
  Name name;
};
struct CacheTable {
  Name name;
  bool lazy = false;
  PlanPtr as_select;
  Options options;
};
struct UncacheTable {
  Name name;
  bool if_exists = false;
  bool all = false;  // CLEAR CACHE
};
struct Refresh {
  Name name;
};
struct SetStatement {  // SET; SET key; SET key = value
  std::optional<std::string> key;
  std::optional<std::string> value;
  bool verbose = false;
};
struct ResetStatement {
  std::optional<std::string> key;
};
struct SetTimeZone {
  std::string zone;  // "LOCAL" too
  ExpressionPtr interval = nullptr;
};
struct Use {
  Name name;
  bool catalog = false;  // USE CATALOG, SET CATALOG
};
struct Show {
  enum class Kind : uint8_t {
    kDatabases,
    kTables,
    kViews,
    kColumns,
    kFunctions,
    kCreateTable,
    kTableProperties,
    kPartitions,
    kCatalogs,
    kCurrentDatabase
  };
  Kind kind = Kind::kTables;
  Name name;                           // table, or database after IN / FROM
  std::optional<std::string> pattern;  // LIKE
  std::optional<std::string> key;      // SHOW TBLPROPERTIES t ('key')
};
struct DescribeStatement {
  enum class Kind : uint8_t { kTable, kDatabase, kFunction, kQuery, kColumn };
  Kind kind = Kind::kTable;
  Name name;
  bool extended = false;
  std::string column;
  PlanPtr plan;
  bool as_json = false;
};
struct Statement;
struct Explain {
  enum class Mode : uint8_t { kSimple, kExtended, kFormatted, kCodegen, kCost };
  Mode mode = Mode::kSimple;
  std::shared_ptr<const Statement> statement;
};
// Known to Spark, not built here: answered by name.
struct UnsupportedStatement {
  std::string what;
};

using StatementKind =
    std::variant<QueryStatement, CreateTable, DropTable, CreateView, CreateDatabase, DropDatabase,
                 AlterDatabase, AlterTable, Insert, Truncate, CacheTable, UncacheTable, Refresh,
                 SetStatement, ResetStatement, SetTimeZone, Use, Show, DescribeStatement, Explain,
                 UnsupportedStatement>;

struct Statement {
  StatementKind kind;
  Origin origin;  // the statement's own text
};

}  // namespace weir::plan
