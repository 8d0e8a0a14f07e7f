"""DataFrame.transpose and freqItems."""
import datetime
import decimal

from pyspark.sql import functions as F
from recording import InOrder, case


def sales(spark):
    return spark.createDataFrame([("north", 1, 2.5), ("south", 3, None), ("east", 5, 4.0)], "region string, sold int, price double")


@case
def transpose(spark, tmp):
    return InOrder(sales(spark).transpose())


@case
def transpose_by_name(spark, tmp):
    return InOrder(spark.createDataFrame([(2, "a", "x"), (1, "b", None)], "id int, left string, right string").transpose("id"))


@case
def transpose_by_expression(spark, tmp):
    return sales(spark).transpose(F.upper("region"))


@case
def transpose_by_last_column(spark, tmp):
    return sales(spark).transpose("price")


@case
def transpose_null_index(spark, tmp):
    return InOrder(spark.createDataFrame([("b", 1), (None, 2), ("a", 3)], "k string, v int").transpose())


@case
def transpose_same_index(spark, tmp):
    return InOrder(spark.createDataFrame([("a", 1), ("a", 1), ("b", 3)], "k string, v int").transpose())


@case
def transpose_numbers(spark, tmp):
    return InOrder(spark.createDataFrame([(10, 1, 2), (9, 3, 4)], "k int, a tinyint, b bigint").transpose())


@case
def transpose_doubles_as_names(spark, tmp):
    return InOrder(spark.createDataFrame([(1.5, 1), (-0.0, 2), (1e20, 3), (float("nan"), 4)], "k double, v int").transpose())


@case
def transpose_dates_as_names(spark, tmp):
    return InOrder(spark.createDataFrame([(datetime.date(2024, 2, 29), 1), (datetime.date(2023, 1, 1), 2)], "k date, v int").transpose())


@case
def transpose_timestamps_as_names(spark, tmp):
    return InOrder(spark.sql("select timestamp'2024-02-29 12:00:00.5' k, 1 v union all select timestamp'2023-01-01 00:00:00', 2").transpose())


@case
def transpose_decimals(spark, tmp):
    rows = [(decimal.Decimal("1.50"), decimal.Decimal("2.25"), 3), (decimal.Decimal("0.10"), None, 4)]
    return InOrder(spark.createDataFrame(rows, "k decimal(5,2), a decimal(6,2), b int").transpose())


@case
def transpose_long_and_double(spark, tmp):
    return InOrder(spark.createDataFrame([("x", 1, 2.5)], "k string, a bigint, b double").transpose())


@case
def transpose_booleans(spark, tmp):
    return InOrder(spark.sql("select true k, false a, true b union all select false, true, null").transpose())


@case
def transpose_binary_as_names(spark, tmp):
    return InOrder(spark.sql("select cast('ab' as binary) k, 1 a").transpose())


@case
def transpose_nulls(spark, tmp):
    return InOrder(spark.sql("select 'x' k, null a, 1 b").transpose())


@case
def transpose_no_common_type(spark, tmp):
    return spark.sql("select 'x' k, 1 a, 'y' b").transpose()


@case
def transpose_decimal_and_long(spark, tmp):
    return spark.sql("select 'x' k, 1L a, cast(1 as decimal(5,2)) b").transpose()


@case
def transpose_array_as_index(spark, tmp):
    return spark.sql("select array(1) k, 1 a").transpose()


@case
def transpose_map_as_index(spark, tmp):
    return spark.sql("select map('a', 1) k, 1 a").transpose()


@case
def transpose_struct_field_as_index(spark, tmp):
    return spark.sql("select struct(1 as a) s, 1 b").transpose(F.col("s.a"))


@case
def transpose_missing_index(spark, tmp):
    return sales(spark).transpose("nowhere")


@case
def transpose_no_rows(spark, tmp):
    return InOrder(sales(spark).where("false").transpose())


@case
def transpose_index_alone(spark, tmp):
    return InOrder(sales(spark).select("region").transpose())


@case
def transpose_no_columns(spark, tmp):
    return InOrder(sales(spark).select().transpose())


@case
def transpose_null_indices_only(spark, tmp):
    return InOrder(spark.sql("select cast(null as string) k, 1 a").transpose())


@case
def transpose_same_names(spark, tmp):
    return InOrder(spark.sql("select 'x' k, 1 a, 2 a").transpose())


@case
def transpose_then_more(spark, tmp):
    return InOrder(sales(spark).transpose().select("key", (F.col("north") + F.col("east")).alias("both")).orderBy("key"))


@case
def transpose_twice(spark, tmp):
    return InOrder(sales(spark).transpose().transpose())


@case
def transpose_too_many(spark, tmp):
    return spark.range(501).transpose()


@case
def transpose_limit(spark, tmp):
    spark.conf.set("spark.sql.transposeMaxValues", 2)
    return sales(spark).transpose()


@case
def transpose_at_limit(spark, tmp):
    return spark.range(500).selectExpr("id", "id * 2 as twice").transpose().select("key", "0", "10", "499")


@case
def transpose_null_rows_count(spark, tmp):
    spark.conf.set("spark.sql.transposeMaxValues", 2)
    return InOrder(spark.createDataFrame([("b", 1), (None, 2), ("a", 3)], "k string, v int").transpose())


@case
def freq_items(spark, tmp):
    frame = spark.createDataFrame([(1, 11), (1, 11), (3, 10), (4, 8), (4, 8)], ["c1", "c2"]).coalesce(1)
    return frame.freqItems(["c1", "c2"])


@case
def freq_items_of_stat(spark, tmp):
    return spark.sql("select * from values ('a', true), ('b', false), ('a', null) as t(name, flag)").coalesce(1).stat.freqItems(("name", "flag"), 0.4)


@case
def freq_items_few(spark, tmp):
    return spark.range(0, 1000, 1, 1).selectExpr("id % 7 m", "if(id % 3 = 0, 100, id) n", "if(id % 2 = 0, 'even', cast(id as string)) t").freqItems(
        ["m", "n", "t"], 0.1)


@case
def freq_items_half(spark, tmp):
    return spark.range(0, 100, 1, 1).selectExpr("if(id % 4 = 0, id, -1) v").freqItems(["v"], 0.5)


@case
def freq_items_one(spark, tmp):
    return spark.range(0, 10, 1, 1).selectExpr("if(id > 3, 7, id) v").freqItems(["v"], 1.0)


@case
def freq_items_negative_and_large(spark, tmp):
    return spark.sql("""select l, i, double(d) d, cast(c as decimal(20, 3)) c, cast(w as decimal(38, 20)) w from values
                     (-1L, -1, '1.5', '1.25', '0.1'), (9007199254740993L, 70000, '-0.0', '-3.5', '123456789012345678.123456789'),
                     (4294967296L, -70000, '0.0', '100', '-7e-20'), (9007199254740993L, 3, 'NaN', null, '1e17'), (17L, 33, '2.0', '7', '0.10'),
                     (33L, 17, '1e300', '7', '12345678901.5'), (0L, 0, 'NaN', '3e16', '3.3') as t(l, i, d, c, w)""").coalesce(1).freqItems(["l", "i", "d", "c", "w"])


@case
def freq_items_dates(spark, tmp):
    return spark.sql("""select d, cast(d as timestamp) t from values (date'2024-01-01'), (date'1960-05-05'), (date'2024-01-01'), (null) as t(d)""").coalesce(1).freqItems(
        ["d", "t"])


@case
def freq_items_texts(spark, tmp):
    return spark.range(0, 60, 1, 1).selectExpr("concat('key ', id % 30) k", "repeat('é', int(id % 20)) e").freqItems(["k", "e"])


@case
def freq_items_many(spark, tmp):
    return spark.range(0, 5000, 1, 1).selectExpr("(id * 7919) % 101 a", "int((id * 31) % 64) b", "cast((id * 13) % 50 as double) c").freqItems(["a", "b", "c"])


@case
def freq_items_small_types(spark, tmp):
    return spark.range(0, 50, 1, 1).selectExpr("cast(id % 5 as tinyint) a", "cast(id % 6 - 3 as smallint) b", "cast(id % 4 as float) / 2 c",
                                               "cast(cast(id % 3 as string) as binary) d", "cast(id % 4 as decimal(30, 2)) e").freqItems(
        ["a", "b", "c", "e"])


@case
def freq_items_nothing(spark, tmp):
    return spark.range(0).freqItems(["id"])


@case
def freq_items_no_columns(spark, tmp):
    return spark.range(3).freqItems([])


@case
def freq_items_support_too_small(spark, tmp):
    return spark.range(3).freqItems(["id"], 0.00001)


@case
def freq_items_support_too_large(spark, tmp):
    return spark.range(3).freqItems(["id"], 1.5)


@case
def freq_items_missing_column(spark, tmp):
    return spark.range(3).freqItems(["nowhere"])


@case
def freq_items_struct_field(spark, tmp):
    return spark.sql("select struct(1 as a) s").freqItems(["s.a"])


@case
def freq_items_name_in_another_case(spark, tmp):
    return spark.range(0, 3, 1, 1).freqItems(["ID"])
