// What statements are read as.
#include <gtest/gtest.h>

#include "sql/parser.h"
#include "sql/plan_text.h"

namespace weir::sql {
namespace {

template <typename Kind>
Kind read(std::string_view text) {
  const auto made = parse_statement(text);
  EXPECT_TRUE(made.ok()) << text << ": " << (made.ok() ? "" : made.error().to_string());
  const auto* kind = made.ok() ? std::get_if<Kind>(&made->kind) : nullptr;
  EXPECT_NE(kind, nullptr) << text;
  return kind ? *kind : Kind{};
}

TEST(Statements, CreateTable) {
  const auto made = read<plan::CreateTable>(
      "CREATE TABLE IF NOT EXISTS db.t (id BIGINT NOT NULL COMMENT 'k', d DATE DEFAULT "
      "current_date, e INT GENERATED ALWAYS AS (id + 1), c CHAR(3)) USING delta PARTITIONED BY (d) "
      "LOCATION '/x' COMMENT 'text' TBLPROPERTIES ('a.B' = 'c', d.e = 1) OPTIONS (Path '/y', n 3)");
  EXPECT_EQ(made.name, (plan::Name{"db", "t"}));
  EXPECT_TRUE(made.if_not_exists);
  ASSERT_EQ(made.columns.size(), 4u);
  EXPECT_FALSE(made.columns[0].field.nullable);
  EXPECT_EQ(made.columns[0].field.metadata.at("comment").as_string(), "k");
  EXPECT_NE(made.columns[1].default_value, nullptr);
  EXPECT_EQ(expression_text(made.columns[2].generated_as), "(id + 1)");
  EXPECT_EQ(made.columns[3].field.type().simple_string(), "char(3)");
  EXPECT_EQ(made.provider, "delta");
  EXPECT_EQ(made.partition_by, std::vector<std::string>{"d"});
  EXPECT_EQ(made.location, "/x");
  EXPECT_EQ(made.comment, "text");
  EXPECT_EQ(made.properties, (plan::Options{{"a.B", "c"}, {"d.e", "1"}}));
  EXPECT_EQ(made.options, (plan::Options{{"path", "/y"}, {"n", "3"}}));

  const auto copy = read<plan::CreateTable>("CREATE OR REPLACE TABLE t USING parquet AS SELECT 1");
  EXPECT_TRUE(copy.or_replace);
  EXPECT_EQ(plan_text(copy.as_select), "project(one, 1)");
  EXPECT_EQ(read<plan::CreateTable>("CREATE TABLE a LIKE b.c").like, (plan::Name{"b", "c"}));
  EXPECT_TRUE(read<plan::CreateTable>("REPLACE TABLE t (a INT)").replace);
}

TEST(Statements, Views) {
  const auto made = read<plan::CreateView>(
      "CREATE OR REPLACE GLOBAL TEMP VIEW v (a COMMENT 'x', b) COMMENT 'c' AS SELECT 1, 2;");
  EXPECT_TRUE(made.global && made.temporary && made.or_replace);
  EXPECT_EQ(made.columns[0].second, "x");
  EXPECT_EQ(made.text, "SELECT 1, 2");
  const auto over = read<plan::CreateView>(
      "CREATE TEMPORARY VIEW v (a INT, b STRING) USING csv OPTIONS (path '/x', header true)");
  EXPECT_EQ(over.provider, "csv");
  EXPECT_EQ(over.schema->fields().size(), 2u);
  EXPECT_EQ(over.options.at("header"), "true");
  EXPECT_TRUE(read<plan::CreateView>("ALTER VIEW v AS SELECT 1").alter);
  EXPECT_TRUE(read<plan::DropTable>("DROP VIEW IF EXISTS a.v").view);
}

TEST(Statements, Databases) {
  const auto made = read<plan::CreateDatabase>(
      "CREATE SCHEMA IF NOT EXISTS d COMMENT 'c' LOCATION '/x' WITH DBPROPERTIES (k = 'v')");
  EXPECT_EQ(made.properties.at("k"), "v");
  EXPECT_TRUE(read<plan::DropDatabase>("DROP DATABASE IF EXISTS d CASCADE").cascade);
  EXPECT_EQ(read<plan::Use>("USE a.b").name, (plan::Name{"a", "b"}));
  EXPECT_EQ(read<plan::Use>("USE SCHEMA d").name, plan::Name{"d"});
  EXPECT_TRUE(read<plan::Use>("SET CATALOG c").catalog);
}

TEST(Statements, Insert) {
  const auto made = read<plan::Insert>(
      "WITH c AS (SELECT 1) INSERT OVERWRITE TABLE t PARTITION (p = 'x', q) (a, b) TABLE c");
  EXPECT_TRUE(made.overwrite);
  EXPECT_EQ(made.partition[0].first, "p");
  EXPECT_EQ(made.partition[1].second, nullptr);
  EXPECT_EQ(made.columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(plan_text(made.source), "with(table(c), c = project(one, 1))");
  EXPECT_TRUE(read<plan::Insert>("INSERT INTO t BY NAME SELECT 1 AS a").by_name);
  const auto replaced = read<plan::Insert>("INSERT INTO t REPLACE WHERE a > 1 (SELECT 2 AS a)");
  EXPECT_EQ(expression_text(replaced.replace_where), "(a > 1)");
  EXPECT_EQ(read<plan::Truncate>("TRUNCATE TABLE a.t").name, (plan::Name{"a", "t"}));
}

TEST(Statements, AlterTable) {
  using Kind = plan::AlterTable::Kind;
  const auto added =
      read<plan::AlterTable>("ALTER TABLE t ADD COLUMNS (a INT COMMENT 'x', s.b INT)");
  EXPECT_EQ(added.kind, Kind::kAddColumns);
  EXPECT_EQ(added.column_names[1], (plan::Name{"s", "b"}));
  const auto renamed = read<plan::AlterTable>("ALTER TABLE t RENAME COLUMN a TO b");
  EXPECT_EQ(renamed.column_names, (std::vector<plan::Name>{{"a"}, {"b"}}));
  EXPECT_EQ(read<plan::AlterTable>("ALTER VIEW v RENAME TO w").new_name, plan::Name{"w"});
  EXPECT_EQ(read<plan::AlterTable>("ALTER TABLE t DROP COLUMN IF EXISTS a, b").column_names.size(),
            2u);
  const auto changed = read<plan::AlterTable>("ALTER TABLE t ALTER COLUMN a TYPE BIGINT");
  EXPECT_EQ(changed.columns[0].field.type().simple_string(), "bigint");
  EXPECT_EQ(read<plan::AlterTable>("ALTER TABLE t ALTER a DROP NOT NULL").nullable, true);
  EXPECT_EQ(read<plan::AlterTable>("ALTER TABLE t UNSET TBLPROPERTIES ('a', b.c)").property_keys,
            (std::vector<std::string>{"a", "b.c"}));
}

TEST(Statements, Session) {
  const auto set = read<plan::SetStatement>("SET spark.sql.x = a b ; ");
  EXPECT_EQ(set.key, "spark.sql.x");
  EXPECT_EQ(set.value, "a b");
  EXPECT_EQ(read<plan::SetStatement>("SET `a b` = `c`").value, "c");
  EXPECT_TRUE(read<plan::SetStatement>("SET -v").verbose);
  EXPECT_EQ(read<plan::SetTimeZone>("SET TIME ZONE 'Europe/Berlin'").zone, "Europe/Berlin");
  EXPECT_EQ(read<plan::ResetStatement>("RESET a.b").key, "a.b");
  EXPECT_TRUE(read<plan::CacheTable>("CACHE LAZY TABLE t OPTIONS ('a' 'b') AS SELECT 1").lazy);
  EXPECT_TRUE(read<plan::UncacheTable>("CLEAR CACHE").all);
  EXPECT_EQ(read<plan::Refresh>("REFRESH TABLE a").name, plan::Name{"a"});
}

TEST(Statements, ShowAndDescribe) {
  const auto tables = read<plan::Show>("SHOW TABLES FROM d LIKE 'x*'");
  EXPECT_EQ(tables.name, plan::Name{"d"});
  EXPECT_EQ(tables.pattern, "x*");
  EXPECT_EQ(read<plan::Show>("SHOW COLUMNS IN t IN d").name, (plan::Name{"d", "t"}));
  EXPECT_EQ(read<plan::Show>("SHOW TBLPROPERTIES t (a.b)").key, "a.b");
  EXPECT_EQ(read<plan::Show>("SHOW USER FUNCTIONS LIKE 'a'").key, "user");
  const auto column = read<plan::DescribeStatement>("DESC EXTENDED d.t c");
  EXPECT_EQ(column.column, "c");
  EXPECT_TRUE(column.extended);
  EXPECT_NE(read<plan::DescribeStatement>("DESCRIBE QUERY SELECT 1").plan, nullptr);
  EXPECT_EQ(read<plan::DescribeStatement>("DESCRIBE FUNCTION abs").name, plan::Name{"abs"});
  const auto explained = read<plan::Explain>("EXPLAIN FORMATTED SELECT 1");
  EXPECT_EQ(explained.mode, plan::Explain::Mode::kFormatted);
}

TEST(Statements, WhatIsNotBuiltIsNamed) {
  const auto what = [](std::string_view text) {
    return read<plan::UnsupportedStatement>(text).what;
  };
  EXPECT_EQ(what("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE"), "MERGE INTO");
  EXPECT_EQ(what("UPDATE t SET a = 1"), "UPDATE");
  EXPECT_EQ(what("CREATE FUNCTION f AS 'x'"), "CREATE FUNCTION");
  EXPECT_EQ(what("OPTIMIZE t"), "OPTIMIZE");
  EXPECT_EQ(what("GRANT SELECT ON t TO u"), "GRANT");
}

TEST(Statements, Scripts) {
  const auto made = parse_script("SELECT 1;; USE d; -- end\n SHOW TABLES;");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->size(), 3u);
  EXPECT_EQ((*made)[1].origin.begin, 11u);
  EXPECT_FALSE(parse_script("SELECT 1 SELECT 2").ok());
}

}  // namespace
}  // namespace weir::sql
