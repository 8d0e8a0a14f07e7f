"""What users write, through the client as it is. Expected values are Spark 4.2's."""
import datetime
import decimal

import pandas
import pyarrow
import pytest
from pyspark.sql import Row, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T


def rows(df):
    return [tuple(row) for row in df.collect()]


def test_version(spark):
    assert spark.version == "4.2.0"


def test_range(spark):
    assert rows(spark.range(3)) == [(0,), (1,), (2,)]
    assert rows(spark.range(5, 0, -2)) == [(5,), (3,), (1,)]


def test_columns_filter_and_order(spark):
    df = spark.range(10).withColumn("b", F.col("id") * 2).where("b > 12").orderBy(F.desc("id")).select("b", (F.col("id") + 1).alias("c"))
    assert rows(df) == [(18, 10), (16, 9), (14, 8)]
    assert df.columns == ["b", "c"]


def test_schema_of_expressions(spark):
    df = spark.range(1).select(F.lit(1).alias("i"), F.lit("x").alias("s"), F.col("id"), F.lit(1.5).alias("d"))
    assert df.schema == T.StructType([T.StructField("i", T.IntegerType(), False), T.StructField("s", T.StringType(), False),
                                      T.StructField("id", T.LongType(), False), T.StructField("d", T.DoubleType(), False)])


def test_grouping(spark):
    df = spark.range(10).groupBy((F.col("id") % 3).alias("k")).agg(F.sum("id").alias("s"), F.count("*").alias("n")).orderBy("k")
    assert rows(df) == [(0, 18, 4), (1, 12, 3), (2, 15, 3)]


def test_join_by_aliases(spark):
    a, b = spark.range(3).alias("a"), spark.range(1, 5).alias("b")
    assert rows(a.join(b, F.col("a.id") == F.col("b.id")).select("a.id").orderBy("id")) == [(1,), (2,)]
    assert rows(spark.range(3).join(spark.range(1, 5), "id", "left_anti")) == [(0,)]


def test_sql_and_parameters(spark):
    assert rows(spark.sql("SELECT 1 AS a, 'x' AS b")) == [(1, "x")]
    assert rows(spark.sql("SELECT :a + 1", args={"a": 41})) == [(42,)]
    assert rows(spark.sql("SELECT ? || ?", args=["a", "b"])) == [("ab",)]


def test_sql_with_a_data_frame(spark):
    assert rows(spark.sql("SELECT sum(id) FROM {df}", df=spark.range(5))) == [(10,)]


def test_temporary_view(spark):
    spark.range(4).createOrReplaceTempView("numbers")
    assert rows(spark.sql("SELECT count(*) FROM numbers")) == [(4,)]
    assert spark.catalog.dropTempView("numbers") is True
    assert spark.catalog.tableExists("numbers") is False


def test_rows_of_the_client(spark):
    df = spark.createDataFrame([(1, "a", [1, 2], {"k": 1.5}), (2, None, [], {})], "x int, y string, z array<int>, m map<string,double>")
    assert df.collect() == [Row(x=1, y="a", z=[1, 2], m={"k": 1.5}), Row(x=2, y=None, z=[], m={})]
    assert df.schema["z"].dataType == T.ArrayType(T.IntegerType())


def test_rows_of_pandas_and_arrow(spark):
    frame = pandas.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    assert rows(spark.createDataFrame(frame)) == [(1, "a"), (2, "b")]
    assert rows(spark.createDataFrame(pyarrow.table({"x": [1, None]}))) == [(1,), (None,)]


def test_many_rows_both_ways(spark):
    frame = pandas.DataFrame({"x": range(300_000), "t": ["some text that is not short"] * 300_000})
    df = spark.createDataFrame(frame)
    assert df.count() == 300_000
    assert df.agg(F.sum("x")).collect()[0][0] == sum(range(300_000))
    back = df.toPandas()
    assert len(back) == 300_000 and int(back["x"].sum()) == sum(range(300_000))


def test_values_of_each_type(spark):
    row = spark.sql("SELECT true b, 1Y t, 2S s, 3 i, 4L l, 1.5F f, 2.5D d, 1.50BD n, 'x' c, X'4142' y, DATE'2020-01-02' a,"
                    " TIMESTAMP'2020-01-02 03:04:05.678' e, array(1,2) r, map('k',1) m, named_struct('a',1,'b','z') u,"
                    " INTERVAL '1' DAY v, CAST(NULL AS INT) z").collect()[0]
    assert tuple(row)[:10] == (True, 1, 2, 3, 4, 1.5, 2.5, decimal.Decimal("1.50"), "x", b"AB")
    assert row.a == datetime.date(2020, 1, 2) and row.r == [1, 2] and row.m == {"k": 1} and row.u == Row(a=1, b="z")
    assert row.v == datetime.timedelta(days=1) and row.z is None


def test_show(spark, capsys):
    spark.createDataFrame([(1, "a long text that is cut off"), (22, None)], "x int, name string").show()
    assert capsys.readouterr().out == ("+---+--------------------+\n|  x|                name|\n+---+--------------------+\n"
                                       "|  1|a long text that ...|\n| 22|                NULL|\n+---+--------------------+\n\n")
    spark.range(3).show(2)
    assert capsys.readouterr().out == "+---+\n| id|\n+---+\n|  0|\n|  1|\n+---+\nonly showing top 2 rows\n"
    spark.createDataFrame([(1, "ab")], "x int, y string").show(vertical=True, truncate=False)
    assert capsys.readouterr().out == "-RECORD 0--\n x   | 1   \n y   | ab  \n\n"


def test_print_schema(spark, capsys):
    spark.createDataFrame([], "x int not null, y array<string>, z struct<a: bigint>").printSchema()
    assert capsys.readouterr().out == ("root\n |-- x: integer (nullable = false)\n |-- y: array (nullable = true)\n"
                                       " |    |-- element: string (containsNull = true)\n |-- z: struct (nullable = true)\n"
                                       " |    |-- a: long (nullable = true)\n\n")


def test_tail_iterator_first_and_count(spark):
    df = spark.range(10)
    assert rows(spark.createDataFrame(df.tail(2))) == [(8,), (9,)]
    assert [row.id for row in df.toLocalIterator()] == list(range(10))
    assert df.first().id == 0 and df.count() == 10 and df.isEmpty() is False


def test_window(spark):
    df = spark.range(4).select("id", F.row_number().over(Window.orderBy(F.desc("id"))).alias("r")).orderBy("id")
    assert rows(df) == [(0, 4), (1, 3), (2, 2), (3, 1)]


def test_pivot(spark):
    df = spark.createDataFrame([(1, "a", 2), (1, "b", 3)], ["k", "c", "v"]).groupBy("k").pivot("c", ["a", "b"]).sum("v")
    assert rows(df) == [(1, 2, 3)] and df.columns == ["k", "a", "b"]


def test_missing_values(spark):
    df = spark.createDataFrame([(1, None), (None, "b")], "x int, y string")
    assert rows(df.na.fill({"x": 0, "y": "z"})) == [(1, "z"), (0, "b")]
    assert rows(df.na.drop(subset=["x"])) == [(1, None)]
    assert rows(df.na.replace({1: 9})) == [(9, None), (None, "b")]


def test_set_operations(spark):
    assert sorted(rows(spark.range(3).union(spark.range(1)))) == [(0,), (0,), (1,), (2,)]
    assert sorted(rows(spark.range(3).intersect(spark.range(1, 5)))) == [(1,), (2,)]
    assert rows(spark.range(2).subtract(spark.range(1))) == [(1,)]


def test_higher_order_functions(spark):
    df = spark.range(1).select(F.transform(F.array(F.lit(1), F.lit(2)), lambda x: x + 1).alias("t"))
    assert rows(df) == [([2, 3],)]


def test_drop_rename_and_distinct(spark):
    df = spark.range(4).withColumn("b", F.col("id") % 2).withColumnRenamed("b", "c").drop("id").dropDuplicates().orderBy("c")
    assert rows(df) == [(0,), (1,)]


def test_configuration(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
    assert spark.conf.get("my.own.key", "none") == "none"
    spark.conf.unset("spark.sql.shuffle.partitions")
    assert spark.conf.get("spark.sql.shuffle.partitions") == "200"


@pytest.mark.parametrize("provider", ["delta", "parquet"])
def test_write_and_read_files(spark, tmp_path, provider):
    path = str(tmp_path / "t")
    spark.range(5).write.format(provider).save(path)
    assert rows(spark.read.format(provider).load(path).orderBy("id")) == [(i,) for i in range(5)]
    spark.range(2).write.format(provider).mode("append").save(path)
    assert spark.read.format(provider).load(path).count() == 7


def test_tables_and_catalog(spark):
    spark.range(3).write.mode("overwrite").saveAsTable("numbers_of_test")
    assert rows(spark.table("numbers_of_test").orderBy("id")) == [(0,), (1,), (2,)]
    found = {table.name: table for table in spark.catalog.listTables()}["numbers_of_test"]
    assert (found.tableType, found.namespace, found.isTemporary) == ("MANAGED", ["default"], False)
    assert [column.name for column in spark.catalog.listColumns("numbers_of_test")] == ["id"]
    assert spark.catalog.currentDatabase() == "default" and spark.catalog.databaseExists("default")
    spark.sql("DROP TABLE numbers_of_test")
    assert spark.catalog.tableExists("numbers_of_test") is False


def test_persist_and_checkpoint(spark):
    df = spark.range(3).persist()
    assert df.storageLevel.useMemory is True
    assert df.unpersist().storageLevel.useMemory is False
    assert rows(spark.range(3).withColumn("x", F.col("id") + 1).localCheckpoint()) == [(0, 1), (1, 2), (2, 3)]


def test_grouping_sets_without_rows(spark):
    none = spark.range(3).where("id > 5")
    assert none.rollup("id").count().collect() == []
    assert none.cube("id").agg(F.sum("id")).collect() == []
    assert spark.sql("SELECT count(*) FROM range(0) GROUP BY GROUPING SETS (())").collect() == []
    assert spark.sql("SELECT count(*) FROM range(2) GROUP BY GROUPING SETS ((), ())").collect() == [(2,), (2,)]
    assert none.agg(F.count("*")).collect() == [(0,)]


def test_foreach_row(spark, tmp_path):
    seen = tmp_path / "seen"
    seen.touch()
    seen.chmod(0o666)

    def write(row):
        with open(seen, "a") as file:
            file.write(f"{row.id} {row['twice']}\n")

    spark.range(3).withColumn("twice", F.col("id") * 2).foreach(write)
    assert sorted(seen.read_text().splitlines()) == ["0 0", "1 2", "2 4"]
    spark.range(2).foreachPartition(lambda rows: [write(row) for row in ()])
