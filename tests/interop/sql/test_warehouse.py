"""`weir sql --warehouse`: tables, views, databases, inserts and files, held against what delta-rs and pyarrow read."""
import csv
import io
import json
import os
import subprocess

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from weir_programs import WEIR


class Warehouse:
    def __init__(self, folder):
        self.folder = str(folder)

    def run(self, *statements, code=0, options=()):
        words = [word for statement in statements for word in ("-e", statement)]
        done = subprocess.run([WEIR, "sql", "--warehouse", self.folder, "-q", *options, *words],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def rows(self, statement, *before):
        done = self.run(*before, statement, options=("--output", "json"))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def error(self, *statements):
        done = subprocess.run([WEIR, "sql", "--warehouse", self.folder, "-q",
                               *[word for s in statements for word in ("-e", s)]],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture
def w(tmp_path):
    return Warehouse(tmp_path / "w")


def test_a_table_outlives_the_process(w):
    w.run("CREATE TABLE t (id BIGINT, name STRING)", "INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    assert w.rows("SELECT * FROM t ORDER BY id") == [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
    assert DeltaTable(w.folder + "/t").to_pyarrow_table().num_rows == 2
    w.run("DROP TABLE t")
    assert not os.path.exists(w.folder + "/t")
    assert "TABLE_OR_VIEW_NOT_FOUND" in w.error("SELECT * FROM t")


@pytest.mark.parametrize("provider", ["delta", "parquet", "json", "csv"])
def test_inserts_into_every_format(w, provider):
    w.run(f"CREATE TABLE t (id INT, name STRING, p INT) USING {provider} PARTITIONED BY (p)",
          "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, 2)",
          "INSERT INTO t (p, id) SELECT 1, 4",
          "INSERT INTO t PARTITION (p = 3) SELECT 5, 'e'")
    everything = "SELECT id, name, p FROM t ORDER BY id"
    assert [tuple(row.values()) for row in w.rows(everything)] == [
        (1, "a", 1), (2, "b", 2), (3, None, 2), (4, None, 1), (5, "e", 3)]
    assert [row["id"] for row in w.rows("SELECT id FROM t WHERE p = 2 ORDER BY id")] == [2, 3]
    w.run("INSERT OVERWRITE t PARTITION (p = 2) VALUES (7, 'g')")
    assert [row["id"] for row in w.rows(everything)] == [1, 4, 5, 7]
    w.run("SET spark.sql.sources.partitionOverwriteMode = dynamic", "INSERT OVERWRITE t VALUES (8, 'h', 1)")
    assert [row["id"] for row in w.rows(everything)] == [5, 7, 8]
    w.run("INSERT OVERWRITE t VALUES (9, 'i', 9)")
    assert [row["id"] for row in w.rows(everything)] == [9]
    assert [row["partition"] for row in w.rows("SHOW PARTITIONS t")] == ["p=9"]
    w.run("TRUNCATE TABLE t")
    assert w.rows(everything) == []


def test_create_table_as_select(w):
    w.run("CREATE TABLE a AS SELECT id, id * 2 AS twice FROM range(10)",
          "CREATE TABLE b USING parquet AS SELECT * FROM a WHERE id < 3")
    assert w.rows("SELECT count(*) AS n, sum(twice) AS s FROM a") == [{"n": 10, "s": 90}]
    assert sum(pq.read_table(w.folder + "/b/" + name).num_rows
               for name in os.listdir(w.folder + "/b") if name.endswith(".snappy.parquet")) == 3
    assert os.path.exists(w.folder + "/b/_SUCCESS")
    assert "TABLE_OR_VIEW_ALREADY_EXISTS" in w.error("CREATE TABLE a AS SELECT 1 AS x")
    w.run("CREATE OR REPLACE TABLE a AS SELECT 'new' AS x")
    assert w.rows("SELECT * FROM a") == [{"x": "new"}]
    assert DeltaTable(w.folder + "/a").version() == 1, "the history goes on"


def test_store_assignment(w):
    w.run("CREATE TABLE t (i INT, s STRING, d DATE NOT NULL)")
    assert "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST" in w.error("INSERT INTO t VALUES ('x', 's', DATE'2024-01-01')")
    assert "CAST_OVERFLOW_IN_TABLE_INSERT" in w.error("INSERT INTO t VALUES (3000000000, 's', DATE'2024-01-01')")
    assert "NOT_ENOUGH_DATA_COLUMNS" in w.error("INSERT INTO t VALUES (1, 's')")
    assert "TOO_MANY_DATA_COLUMNS" in w.error("INSERT INTO t VALUES (1, 's', DATE'2024-01-01', 4)")
    assert "NOT_NULL" in w.error("INSERT INTO t VALUES (1, 's', NULL)")
    w.run("INSERT INTO t VALUES (1L, 2, TIMESTAMP'2024-01-02T03:04:05Z')")
    w.run("INSERT INTO t BY NAME SELECT DATE'2024-01-03' AS d, 5 AS i")
    assert w.rows("SELECT * FROM t ORDER BY i") == [{"i": 1, "s": "2", "d": "2024-01-02"}, {"i": 5, "s": None, "d": "2024-01-03"}]


def test_views(w):
    w.run("CREATE TABLE t AS SELECT id FROM range(5)",
          "CREATE VIEW big (n) AS SELECT id * 10 FROM t WHERE id > 2",
          "CREATE DATABASE other", "USE other", "CREATE VIEW above AS SELECT n + 1 AS m FROM default.big")
    assert [row["m"] for row in w.rows("SELECT m FROM other.above ORDER BY m")] == [31, 41]
    assert w.rows("SELECT count(*) AS n FROM v", "CREATE TEMP VIEW v AS SELECT * FROM t",
                  "INSERT INTO t VALUES (5)") == [{"n": 6}]
    assert "TABLE_OR_VIEW_NOT_FOUND" in w.error("SELECT * FROM v")
    assert w.rows("SELECT * FROM global_temp.g", "CREATE GLOBAL TEMP VIEW g AS SELECT 1 AS x") == [{"x": 1}]
    assert "EXPECT_TABLE_NOT_VIEW" in w.error("DROP TABLE big")
    assert "SCHEMA_NOT_EMPTY" in w.error("DROP DATABASE other")
    w.run("DROP DATABASE other CASCADE", "DROP VIEW big")
    assert [row["tableName"] for row in w.rows("SHOW TABLES")] == ["t"]


def test_asking(w):
    w.run("CREATE TABLE t (id INT COMMENT 'the key', p STRING) PARTITIONED BY (p) COMMENT 'mine' TBLPROPERTIES ('k' = 'v')")
    assert w.rows("DESCRIBE t")[:2] == [{"col_name": "id", "data_type": "int", "comment": "the key"},
                                        {"col_name": "p", "data_type": "string", "comment": None}]
    extended = {row["col_name"]: row["data_type"] for row in w.rows("DESCRIBE EXTENDED t")}
    assert extended["Provider"] == "delta" and extended["Type"] == "MANAGED" and extended["Comment"] == "mine"
    assert {"key": "k", "value": "v"} in w.rows("SHOW TBLPROPERTIES t")
    assert [row["col_name"] for row in w.rows("SHOW COLUMNS IN t")] == ["id", "p"]
    text = w.rows("SHOW CREATE TABLE t")[0]["createtab_stmt"]
    assert text.startswith("CREATE TABLE spark_catalog.default.t (\n  id INT COMMENT 'the key',\n  p STRING)\nUSING delta\n")
    assert w.rows("SHOW DATABASES") == [{"namespace": "default"}]
    assert w.rows("SET spark.sql.ansi.enabled") == [{"key": "spark.sql.ansi.enabled", "value": "true"}]
    assert "CANNOT_MODIFY_STATIC_CONFIG" in w.error("SET spark.sql.warehouse.dir = '/x'")
    assert "Physical Plan" in w.rows("EXPLAIN SELECT * FROM t")[0]["plan"]


def test_files_as_tables(w, tmp_path):
    (tmp_path / "in.json").write_text('{"a":1,"b":"x"}\n{"a":2.5}\n')
    assert w.rows(f"SELECT a, b FROM json.`{tmp_path}/in.json` ORDER BY a") == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": None}]
    (tmp_path / "in.csv").write_text("id;name\n1;Ærlig\n")
    made = f"CREATE TEMP VIEW c USING csv OPTIONS (path '{tmp_path}/in.csv', sep ';', header 'true', inferSchema 'true')"
    assert w.rows("SELECT * FROM c", made) == [{"id": 1, "name": "Ærlig"}]
    assert "PATH_NOT_FOUND" in w.error(f"SELECT * FROM parquet.`{tmp_path}/none`")


def test_altering(w):
    w.run("CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "ALTER TABLE t ADD COLUMNS (b STRING COMMENT 'second')",
          "INSERT INTO t VALUES (2, 'x')", "ALTER TABLE t RENAME TO u", "ALTER TABLE u SET TBLPROPERTIES ('x.y' = 'Z')")
    assert w.rows("SELECT * FROM u ORDER BY a") == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    assert {"key": "x.y", "value": "Z"} in w.rows("SHOW TBLPROPERTIES u")
    w.run("CREATE TABLE t (c INT)")
    assert [row["tableName"] for row in w.rows("SHOW TABLES")] == ["t", "u"]


def test_time_travel(w):
    w.run("CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
    assert w.rows("SELECT count(*) AS n FROM t VERSION AS OF 1") == [{"n": 1}]
    assert "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT" in w.error("SELECT * FROM t TIMESTAMP AS OF '2001-01-01'")


def test_typed_statements(w):
    done = subprocess.run([WEIR, "sql", "--warehouse", w.folder, "-i", "-q", "--output", "csv"], capture_output=True, text=True,
                          input="SELECT 1 AS a,\n  2 AS b; -- both\nSELEKT;\nSELECT ';' AS c;\nexit\nSELECT 9;\n", timeout=60)
    assert list(csv.reader(io.StringIO(done.stdout))) == [["a", "b"], ["1", "2"], ["c"], [";"]]
    assert "SELEKT" in done.stderr and done.returncode == 0


def test_a_server_that_is_not_there(w):
    done = subprocess.run([WEIR, "sql", "--remote", "sc://localhost:9", "SELECT 1"], capture_output=True, text=True)
    assert done.returncode != 0 and "localhost:9" in done.stderr
