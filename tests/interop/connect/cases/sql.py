"""spark.sql: parameters, statements, views, functions."""
from decimal import Decimal
import datetime

from pyspark.sql import functions as F
from recording import InOrder, case


@case
def named_parameters(spark, tmp):
    return spark.sql("SELECT :a + 1 AS x, :s AS s, :d AS d, :n AS n, :t AS t", args={"a": 41, "s": "it's", "d": Decimal("1.5"), "n": None, "t": datetime.date(2024, 1, 1)}).collect()


@case
def positional_parameters(spark, tmp):
    return spark.sql("SELECT * FROM range(10) WHERE id > ? AND id < ?", args=[2, 5]).toPandas()


@case
def parameters_of_columns(spark, tmp):
    return spark.sql("SELECT :a AS a, :m AS m", args={"a": F.array(F.lit(1), F.lit(2)), "m": F.create_map(F.lit("k"), F.lit(1))}).collect()


@case
def missing_parameter(spark, tmp):
    return spark.sql("SELECT :a, :b", args={"a": 1}).collect()


@case
def frames_as_arguments(spark, tmp):
    a, b = spark.range(3), spark.range(1, 5)
    return spark.sql("SELECT a.id FROM {a} AS a JOIN {b} AS b ON a.id = b.id", a=a, b=b)


@case
def column_and_value_as_arguments(spark, tmp):
    df = spark.range(5)
    return spark.sql("SELECT {c} FROM {df} WHERE {c} >= {low}", c=df.id, df=df, low=3)


@case
def common_table_expressions(spark, tmp):
    return InOrder(spark.sql("WITH a AS (SELECT id FROM range(5)), b AS (SELECT id * 2 AS d FROM a) SELECT d FROM b WHERE d > (SELECT avg(id) FROM a) ORDER BY d"))


@case
def values_and_aliases(spark, tmp):
    return spark.sql("SELECT t.a, sum(t.b) AS s FROM VALUES ('x', 1), ('x', 2), ('y', NULL) AS t(a, b) GROUP BY ALL")


@case
def views_and_sql(spark, tmp):
    spark.range(6).createOrReplaceTempView("six_rows")
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW odd_rows AS SELECT id FROM six_rows WHERE id % 2 = 1")
    return spark.sql("SELECT sum(o.id) AS s, count(*) AS n FROM odd_rows o")


@case
def view_is_not_there(spark, tmp):
    return spark.sql("SELECT * FROM nowhere_at_all").collect()


@case
def view_twice(spark, tmp):
    spark.range(1).createTempView("made_twice")
    spark.range(1).createTempView("made_twice")


@case
def global_view(spark, tmp):
    spark.range(2).createOrReplaceGlobalTempView("shared_rows_of_cases")
    found = [spark.table("global_temp.shared_rows_of_cases").count(), spark.catalog.dropGlobalTempView("shared_rows_of_cases")]
    return found + [spark.catalog.dropGlobalTempView("shared_rows_of_cases")]


@case
def create_insert_select(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS made_by_sql")
    spark.sql("CREATE TABLE made_by_sql (id INT, name STRING) USING parquet")
    spark.sql("INSERT INTO made_by_sql VALUES (1, 'a'), (2, NULL)")
    spark.sql("INSERT INTO made_by_sql (name) VALUES ('only')")
    rows = sorted(map(str, spark.table("made_by_sql").collect()))
    spark.sql("INSERT OVERWRITE made_by_sql SELECT 9, 'z'")
    rows += sorted(map(str, spark.table("made_by_sql").collect()))
    spark.sql("DROP TABLE made_by_sql")
    return rows


@case
def create_as_select(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS made_as_select")
    spark.sql("CREATE TABLE made_as_select USING delta AS SELECT id, id * 2 AS d FROM range(4)")
    found = [spark.table("made_as_select").agg(F.sum("d")).first()[0], spark.table("made_as_select").schema]
    spark.sql("DROP TABLE made_as_select")
    return found


@case
def commands_give_rows(spark, tmp):
    return spark.sql("SHOW DATABASES LIKE 'default'")


@case
def describe_table(spark, tmp):
    spark.range(1).selectExpr("id", "'x' AS s").createOrReplaceTempView("described")
    return spark.sql("DESCRIBE described")


@case
def set_and_reset(spark, tmp):
    spark.sql("SET spark.sql.shuffle.partitions = 9")
    found = [spark.conf.get("spark.sql.shuffle.partitions"), [tuple(r) for r in spark.sql("SET spark.sql.shuffle.partitions").collect()]]
    spark.sql("RESET spark.sql.shuffle.partitions")
    return found


@case
def use_database(spark, tmp):
    spark.sql("CREATE DATABASE IF NOT EXISTS db_of_cases")
    spark.sql("USE db_of_cases")
    spark.sql("CREATE TABLE t1 USING parquet AS SELECT 1 AS a")
    found = [spark.catalog.currentDatabase(), spark.table("db_of_cases.t1").count(), [t.name for t in spark.catalog.listTables()]]
    spark.sql("USE default")
    spark.sql("DROP DATABASE db_of_cases CASCADE")
    return found + [spark.catalog.databaseExists("db_of_cases")]


@case
def syntax_error(spark, tmp):
    return spark.sql("SELECT FROM WHERE")


@case
def several_statements(spark, tmp):
    return spark.sql("SELECT 1; SELECT 2")


@case
def ansi_off(spark, tmp):
    spark.conf.set("spark.sql.ansi.enabled", "false")
    return spark.sql("SELECT 1 / 0 AS d, CAST('x' AS INT) AS c, 2147483647 + 1 AS o, element_at(array(1), 5) AS e")


@case
def qualify_names_in_sql(spark, tmp):
    return spark.sql("SELECT s.a.b, t.* EXCEPT (x) FROM (SELECT 1 AS x, 2 AS y, named_struct('a', named_struct('b', 'deep')) AS s) t")


@case
def lateral_view(spark, tmp):
    return spark.sql("SELECT k, v, pos FROM VALUES (1, array('a', 'b')) AS t(k, a) LATERAL VIEW posexplode(a) x AS pos, v")


@case
def grouping_in_sql(spark, tmp):
    return spark.sql("SELECT a, b, sum(c) AS s, grouping_id() AS g FROM VALUES (1, 2, 3), (1, 3, 4) AS t(a, b, c) GROUP BY GROUPING SETS ((a, b), (a), ())")


@case
def pivot_in_sql(spark, tmp):
    return spark.sql("SELECT * FROM VALUES ('x', 1, 10), ('y', 1, 20), ('x', 2, 30) AS t(k, y, v) PIVOT (sum(v) FOR y IN (1 AS one, 2 AS two))")


@case
def table_function(spark, tmp):
    return spark.sql("SELECT * FROM range(3) CROSS JOIN LATERAL explode(array(id, id + 1)) AS e(x)")


@case
def interval_arithmetic(spark, tmp):
    return spark.sql("SELECT CAST(DATE '2024-01-31' + INTERVAL 1 MONTH AS STRING) AS d, CAST(INTERVAL '1 02:03:04' DAY TO SECOND AS STRING) AS i,"
                     " CAST(INTERVAL '2-3' YEAR TO MONTH AS STRING) AS y")


@case
def case_sensitive_off(spark, tmp):
    return spark.sql("SELECT A, a + 1 AS B FROM VALUES (1) AS T(a)")


@case
def string_quotes(spark, tmp):
    return spark.sql("""SELECT "double" AS a, 'it''s' AS b, r'\\n' AS c, 'tab\\t' AS d, `x y` FROM (SELECT 1 AS `x y`)""")


@case
def tvf_of_the_session(spark, tmp):
    return spark.tvf.range(3).union(spark.tvf.explode(F.array(F.lit(10), F.lit(20))))


@case
def expr_string_with_alias(spark, tmp):
    return spark.range(2).select(F.expr("id + 1 AS next"), F.expr("CASE WHEN id = 0 THEN 'zero' ELSE 'more' END"))


@case
def explain_of_sql(spark, tmp):
    text = spark.sql("EXPLAIN SELECT 1").collect()[0][0]
    return [text.startswith("== Physical Plan =="), spark.sql("EXPLAIN SELECT 1").columns]


@case
def division_by_zero(spark, tmp):
    return spark.sql("SELECT 1 / 0").collect()
