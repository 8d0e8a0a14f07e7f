"""createDataFrame, and what comes back: collect, toPandas, toArrow, iterators."""
import datetime
from decimal import Decimal

import numpy
import pandas
import pyarrow
from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql import types as T
from recording import case


@case
def from_tuples_without_schema(spark, tmp):
    return spark.createDataFrame([(1, "a", 2.5, True), (2, None, -1.0, False)], ["i", "s", "d", "b"])


@case
def from_dictionaries(spark, tmp):
    return spark.createDataFrame([{"b": 1, "a": "x"}, {"a": None, "b": 2}])


@case
def from_rows(spark, tmp):
    return spark.createDataFrame([Row(name="Ann", tags=["x"], at=Row(x=1, y=2.0)), Row(name="Bob", tags=[], at=None)])


@case
def from_values_with_type(spark, tmp):
    return spark.createDataFrame([1, 2, None], "int")


@case
def from_rows_with_struct_type(spark, tmp):
    schema = T.StructType([T.StructField("id", T.LongType(), False), T.StructField("at", T.TimestampType()), T.StructField("d", T.DecimalType(10, 2)),
                           T.StructField("m", T.MapType(T.StringType(), T.IntegerType())), T.StructField("b", T.BinaryType())])
    return spark.createDataFrame([(1, datetime.datetime(2024, 1, 2, 3, 4, 5, 6), Decimal("1.50"), {"k": 1}, bytearray(b"xy"))], schema)


@case
def from_all_simple_types(spark, tmp):
    return spark.createDataFrame([(1, 2, 3, 4, 1.5, 2.5, "s", True, datetime.date(2024, 2, 29), datetime.timedelta(hours=25), datetime.datetime(2024, 1, 1))],
                                 "a tinyint, b smallint, c int, d bigint, e float, f double, g string, h boolean, i date, j interval day to second, k timestamp_ntz")


@case
def from_no_rows(spark, tmp):
    return spark.createDataFrame([], "a int, b struct<c: string>")


@case
def from_pandas(spark, tmp):
    return spark.createDataFrame(pandas.DataFrame({"i": [1, 2], "f": [0.5, None], "s": ["a", None], "t": pandas.to_datetime(["2024-01-01 00:00", "2024-06-01 12:00"]),
                                                   "b": [True, False]}))


@case
def from_pandas_with_schema(spark, tmp):
    return spark.createDataFrame(pandas.DataFrame({"x": [1, 2], "y": ["1", "2"]}), "p long, q string")


@case
def from_numpy(spark, tmp):
    return spark.createDataFrame(numpy.array([[1, 2], [3, 4]]), ["a", "b"])


@case
def from_arrow(spark, tmp):
    return spark.createDataFrame(pyarrow.table({"i": pyarrow.array([1, None], pyarrow.int16()), "l": [["a"], None], "d": pyarrow.array([datetime.date(2024, 1, 1), None])}))


@case
def large_through_artifacts(spark, tmp):
    n = 200_000
    df = spark.createDataFrame(pandas.DataFrame({"x": numpy.arange(n), "t": ["a text of some length %d" % (i % 1000) for i in range(n)]}))
    return df.agg(F.count("*"), F.sum("x"), F.max("t"), F.count_distinct("t"))


@case
def large_comes_back(spark, tmp):
    pdf = spark.range(300_000).withColumn("y", F.col("id") % 7).toPandas()
    return [len(pdf), int(pdf["id"].sum()), int(pdf["y"].sum()), [str(t) for t in pdf.dtypes]]


@case
def wrong_value_for_type(spark, tmp):
    try:
        spark.createDataFrame([("x",)], "a int")
    except Exception as error:
        return type(error).__name__
    return None


@case
def verify_schema_not_null(spark, tmp):
    try:
        spark.createDataFrame([(None,)], "a int not null").collect()
    except Exception as error:
        return type(error).__name__
    return None


@case
def to_pandas(spark, tmp):
    return spark.sql("SELECT 1 AS i, 'a' AS s, 1.5D AS d, DATE '2024-01-01' AS t, array(1, 2) AS a, 1.20BD AS n, true AS b UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL"
                     ).orderBy("i").select("s", "d", "n", "b").toPandas()


@case
def to_pandas_of_no_rows(spark, tmp):
    return spark.range(0).withColumn("s", F.lit("x")).toPandas()


@case
def to_arrow(spark, tmp):
    return spark.sql("SELECT 1 AS i, 'a' AS s, array(1, NULL) AS a, map('k', 1) AS m, named_struct('x', 1) AS st, X'01' AS b, DATE '2024-01-01' AS d").toArrow()


@case
def to_arrow_timestamps(spark, tmp):
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    return [str(f.type) for f in spark.sql("SELECT TIMESTAMP '2024-01-01 00:00:00' AS t, TIMESTAMP_NTZ '2024-01-01 00:00:00' AS n, INTERVAL '1' DAY AS i, 1.5BD AS d").toArrow().schema]


@case
def collect_rows(spark, tmp):
    rows = spark.sql("SELECT 1 AS a, named_struct('x', 1, 'y', array('p')) AS s, map('k', named_struct('z', NULL)) AS m").collect()
    return [rows, rows[0].s.y[0], rows[0].asDict(True), "a" in rows[0]]


@case
def first_head_take_tail(spark, tmp):
    df = spark.range(5).orderBy("id")
    return [df.first(), df.head(), df.head(2), df.take(3), df.tail(2), spark.range(0).first(), df.count(), df.isEmpty(), spark.range(0).isEmpty()]


@case
def to_local_iterator(spark, tmp):
    return [row.id for row in spark.range(1000).toLocalIterator()][::100]


@case
def to_local_iterator_prefetch(spark, tmp):
    return sum(row.id for row in spark.range(10_000).toLocalIterator(prefetchPartitions=True))


@case
def foreach_is_there(spark, tmp):
    return [hasattr(spark.range(1), name) for name in ("foreach", "foreachPartition", "mapInArrow")]


@case
def to_schema(spark, tmp):
    df = spark.createDataFrame([(1, "2")], "a int, b string")
    return df.to(T.StructType([T.StructField("b", T.StringType()), T.StructField("a", T.LongType()), T.StructField("c", T.DoubleType())]))


@case
def to_schema_not_possible(spark, tmp):
    return spark.createDataFrame([("x",)], "a string").to(T.StructType([T.StructField("a", T.IntegerType())])).collect()


@case
def nested_values(spark, tmp):
    return spark.createDataFrame([([{"k": [1, 2]}], {"a": (1, ["x"])})], "l array<map<string, array<int>>>, m map<string, struct<i: int, t: array<string>>>")


@case
def wide_frame(spark, tmp):
    df = spark.range(2).select(*[(F.col("id") + i).alias(f"c{i}") for i in range(200)])
    return [len(df.columns), [row.c199 for row in df.collect()]]


@case
def long_chain(spark, tmp):
    df = spark.range(3)
    for i in range(60):
        df = df.withColumn(f"c{i}", F.col("id") + i)
    return df.select("c59", "c0")


@case
def unicode_and_quotes(spark, tmp):
    return spark.createDataFrame([("日本 🚀 'q' \"d\" \\ \n\t",)], ["t"]).select("t", F.length("t"), F.ascii("t"))


@case
def dates_at_the_limits(spark, tmp):
    return spark.createDataFrame([(datetime.date(1, 1, 1),), (datetime.date(9999, 12, 31),)], "d date").select("d", F.date_add("d", 1).cast("string").alias("n"))


@case
def decimals_at_the_limits(spark, tmp):
    return spark.createDataFrame([(Decimal("9" * 38),), (Decimal("-" + "9" * 38),), (None,)], "d decimal(38,0)")


@case
def doubles_at_the_limits(spark, tmp):
    return spark.createDataFrame([(float("inf"),), (float("-inf"),), (float("nan"),), (5e-324,), (-0.0,)], "d double").select("d", F.col("d").cast("string").alias("s"))
