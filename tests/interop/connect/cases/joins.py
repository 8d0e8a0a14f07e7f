"""Joins and set operations."""
from pyspark.sql import functions as F
from recording import InOrder, case


def left(spark):
    return spark.createDataFrame([(1, "a"), (2, "b"), (2, "c"), (None, "d")], "k int, l string")


def right(spark):
    return spark.createDataFrame([(2, "x"), (3, "y"), (None, "z")], "k int, r string")


def join_of(kind):
    def run(spark, tmp):
        return left(spark).join(right(spark), "k", kind)
    run.__name__ = f"join_using_{kind}"
    run.__module__ = __name__
    return case(run)


for kind in ("inner", "left", "right", "outer", "left_semi", "left_anti"):
    join_of(kind)


@case
def join_on_condition(spark, tmp):
    a, b = left(spark), right(spark)
    return a.join(b, (a.k == b.k) & (b.r != "y"), "left").select(a.k, "l", "r", b.k.alias("bk"))


@case
def join_on_several(spark, tmp):
    a = spark.createDataFrame([(1, 1, "a"), (1, 2, "b")], "x int, y int, l string")
    b = spark.createDataFrame([(1, 2, "c"), (1, 1, "d")], "x int, y int, r string")
    return a.join(b, ["x", "y"])


@case
def join_list_of_conditions(spark, tmp):
    a, b = left(spark).alias("a"), right(spark).alias("b")
    return a.join(b, [F.col("a.k") == F.col("b.k"), F.col("a.l") != F.col("b.r")]).select("a.*", "b.r")


@case
def self_join_by_alias(spark, tmp):
    a, b = left(spark).alias("x"), left(spark).alias("y")
    return a.join(b, F.col("x.k") == F.col("y.k")).select(F.col("x.l").alias("one"), F.col("y.l").alias("two"))


@case
def self_join_of_one_frame(spark, tmp):
    df = left(spark)
    other = df.withColumnRenamed("l", "l2")
    return df.join(other, df.k == other.k).select(df.l, other.l2)


@case
def cross_join(spark, tmp):
    return left(spark).crossJoin(right(spark).select("r")).where("k = 1")


@case
def join_null_safe(spark, tmp):
    a, b = left(spark), right(spark)
    return a.join(b, a.k.eqNullSafe(b.k)).select("l", "r")


@case
def join_with_broadcast_hint(spark, tmp):
    return left(spark).join(F.broadcast(right(spark)), "k").select("l", "r")


@case
def join_with_named_hint(spark, tmp):
    return left(spark).hint("merge").join(right(spark).hint("shuffle_hash"), "k")


@case
def join_then_ambiguous(spark, tmp):
    a, b = left(spark), right(spark)
    return a.join(b, a.k == b.k).select("k")


@case
def join_then_drop_one(spark, tmp):
    a, b = left(spark), right(spark)
    return a.join(b, a.k == b.k).drop(b.k)


@case
def lateral_join(spark, tmp):
    a = spark.createDataFrame([(1, [1, 2]), (2, [])], "k int, v array<int>")
    return a.lateralJoin(spark.tvf.explode(F.col("v").outer()), how="left")


@case
def union_by_position(spark, tmp):
    return left(spark).union(right(spark))


@case
def union_by_name(spark, tmp):
    a = spark.createDataFrame([(1, "a")], "x int, y string")
    b = spark.createDataFrame([("b", 2)], "y string, x int")
    return a.unionByName(b)


@case
def union_by_name_with_missing(spark, tmp):
    a = spark.createDataFrame([(1, "a")], "x int, y string")
    b = spark.createDataFrame([(2, 1.5)], "x int, z double")
    return a.unionByName(b, allowMissingColumns=True)


@case
def union_widens_types(spark, tmp):
    return spark.createDataFrame([(1,)], "x int").union(spark.createDataFrame([(2.5,)], "x double"))


@case
def intersect_and_except(spark, tmp):
    a = spark.createDataFrame([(1,), (1,), (2,), (None,)], "x int")
    b = spark.createDataFrame([(1,), (None,)], "x int")
    return [sorted(map(str, d.collect())) for d in (a.intersect(b), a.intersectAll(b), a.subtract(b), a.exceptAll(b))]


@case
def semi_join_with_condition(spark, tmp):
    a, b = left(spark), right(spark)
    return a.join(b, a.k < b.k, "semi")


@case
def full_join_on_condition(spark, tmp):
    a, b = left(spark), right(spark)
    return a.join(b, a.k == b.k, "full_outer").select(a.k.alias("ak"), b.k.alias("bk"), "l", "r")


@case
def three_tables(spark, tmp):
    orders = spark.createDataFrame([(1, 10), (2, 20), (3, 10)], "o int, c int")
    customers = spark.createDataFrame([(10, "Ann", 7), (20, "Bob", 8)], "c int, name string, region int")
    regions = spark.createDataFrame([(7, "north"), (8, "south")], "region int, title string")
    return InOrder(orders.join(customers, "c").join(regions, "region").groupBy("title").agg(F.count("*").alias("n"), F.collect_list("name").alias("names"))
                   .orderBy("title"))


@case
def union_then_distinct_count(spark, tmp):
    return left(spark).union(left(spark)).distinct().count()
