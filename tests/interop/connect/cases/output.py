"""What is printed: show, printSchema, explain, repr."""
import datetime
from decimal import Decimal

from pyspark.sql import functions as F
from recording import case, printed


def mixed(spark):
    return spark.createDataFrame([(1, "short", 1.5, Decimal("2.50"), datetime.date(2024, 1, 1), [1, 2], {"k": 1}, (1, "x"), b"ab", True),
                                  (22, "a text that is longer than twenty", None, None, None, [], {}, None, None, None)],
                                 "i int, s string, d double, n decimal(10,2), t date, a array<int>, m map<string,int>, st struct<x: int, y: string>, b binary, f boolean")


@case
def show(spark, tmp):
    return printed(lambda: mixed(spark).show())


@case
def show_not_truncated(spark, tmp):
    return printed(lambda: mixed(spark).show(truncate=False))


@case
def show_truncated_to(spark, tmp):
    return printed(lambda: mixed(spark).select("s", "i").show(truncate=3))


@case
def show_vertical(spark, tmp):
    return printed(lambda: mixed(spark).show(1, vertical=True))


@case
def show_vertical_more(spark, tmp):
    return printed(lambda: spark.range(3).show(2, False, True))


@case
def show_top(spark, tmp):
    return printed(lambda: spark.range(30).orderBy("id").show())


@case
def show_one_of_two(spark, tmp):
    return printed(lambda: spark.range(2).show(1))


@case
def show_no_rows(spark, tmp):
    return printed(lambda: spark.range(0).withColumn("name", F.lit("x")).show())


@case
def show_no_columns(spark, tmp):
    return printed(lambda: spark.range(2).select().show())


@case
def show_wide_characters(spark, tmp):
    return printed(lambda: spark.createDataFrame([("日本語",), ("🚀 é",), ("a\nb\tc",), (None,)], ["テキスト"]).show())


@case
def show_numbers(spark, tmp):
    return printed(lambda: spark.sql("SELECT 1E10D a, 1E-5D b, 123456789.125D c, CAST('NaN' AS DOUBLE) d, 0.1F e, 1E7D f, 100.0D g, 1.0E-3D h, -0.0D i").show())


@case
def show_times(spark, tmp):
    spark.conf.set("spark.sql.session.timeZone", "Europe/Oslo")
    return printed(lambda: spark.sql("SELECT TIMESTAMP '2024-07-01 12:00:00.120' a, TIMESTAMP_NTZ '2024-01-01 00:00:00' b, INTERVAL '1 2:3:4.5' DAY TO SECOND c,"
                                     " INTERVAL '1-2' YEAR TO MONTH d, array(DATE '2024-01-01') e").show(truncate=False))


@case
def print_schema(spark, tmp):
    return printed(lambda: mixed(spark).printSchema())


@case
def print_schema_level(spark, tmp):
    return printed(lambda: mixed(spark).printSchema(1))


@case
def print_schema_nested(spark, tmp):
    return printed(lambda: spark.createDataFrame([], "a array<struct<b: map<string, array<int>>, c: timestamp_ntz>> NOT NULL, d interval day to second").printSchema())


@case
def repr_of_frame_and_column(spark, tmp):
    return [repr(mixed(spark)), repr(F.col("a") + 1), str(spark.range(1).schema)]


@case
def explain_plan_heading(spark, tmp):
    text = printed(lambda: spark.range(3).where("id > 1").explain())
    return text.startswith("== Physical Plan ==")


@case
def explain_extended_headings(spark, tmp):
    text = printed(lambda: spark.range(3).where("id > 1").explain(True))
    return [line for line in text.splitlines() if line.startswith("== ")]


@case
def explain_formatted(spark, tmp):
    text = printed(lambda: spark.range(3).groupBy("id").count().explain("formatted"))
    return text.startswith("== Physical Plan ==")


@case
def html(spark, tmp):
    spark.conf.set("spark.sql.repl.eagerEval.enabled", "true")
    return spark.createDataFrame([(1, "<b>")], "a int, s string")._repr_html_()


@case
def tree_string(spark, tmp):
    return spark.createDataFrame([], "a int, b struct<c: string>").schema.treeString()


@case
def columns_of_expressions(spark, tmp):
    c = F.col
    return spark.createDataFrame([(1, "x", [1], {"k": 1})], "i int, s string, a array<int>, m map<string,int>").select(
        c("i") + 1, c("i") > 1, -c("i"), ~(c("i") == 2), c("i").cast("double"), F.upper("s"), F.when(c("i") > 1, "a").otherwise("b"), c("a")[0], c("m")["k"],
        F.lit("t"), F.lit(1.5), F.lit(None), c("s").like("a%"), c("i").isin(1, 2), c("i").isNull(), F.array("i"), F.struct("i", "s"), F.size("a"),
        F.sum("i").over(__import__("pyspark.sql", fromlist=["Window"]).Window.partitionBy("s")), c("i").between(1, 2), F.date_add(F.lit("2024-01-01").cast("date"), 1),
        c("s").substr(1, 2), F.coalesce("i", F.lit(0)), F.expr("i * 2"), c("i") / 2, c("i") % 2, c("s") == "x").columns
