"""Missing values, samples, statistics: df.na, df.stat, describe, summary."""
from pyspark.sql import functions as F
from recording import InOrder, case


def gaps(spark):
    return spark.createDataFrame([(1, "a", 1.5, True), (None, "b", None, None), (3, None, float("nan"), False), (None, None, None, None)],
                                 "i int, s string, d double, b boolean")


@case
def na_drop_any(spark, tmp):
    return gaps(spark).na.drop()


@case
def na_drop_all(spark, tmp):
    return gaps(spark).na.drop("all")


@case
def na_drop_threshold(spark, tmp):
    return gaps(spark).dropna(thresh=2).select("i", "s")


@case
def na_drop_subset(spark, tmp):
    return gaps(spark).na.drop(subset=["i", "s"])


@case
def na_fill_number(spark, tmp):
    return gaps(spark).na.fill(0)


@case
def na_fill_text(spark, tmp):
    return gaps(spark).fillna("?")


@case
def na_fill_boolean(spark, tmp):
    return gaps(spark).na.fill(True)


@case
def na_fill_by_column(spark, tmp):
    return gaps(spark).fillna({"i": -1, "s": "none", "d": 0.5})


@case
def na_fill_subset(spark, tmp):
    return gaps(spark).na.fill(9, subset=["i", "s"])


@case
def na_replace_value(spark, tmp):
    return gaps(spark).na.replace("a", "A", "s")


@case
def na_replace_dictionary(spark, tmp):
    return gaps(spark).replace({1: 10, 3: 30})


@case
def na_replace_with_null(spark, tmp):
    return gaps(spark).na.replace({"b": None}, subset=["s"])


@case
def na_replace_lists(spark, tmp):
    return gaps(spark).replace(["a", "b"], ["x", "y"], "s")


@case
def describe_all(spark, tmp):
    return InOrder(spark.createDataFrame([(1, "b", 2.0), (3, "a", None)], "i int, s string, d double").describe())


@case
def describe_some(spark, tmp):
    return InOrder(spark.range(5).withColumn("x", F.col("id") * 1.5).describe("x"))


@case
def summary_all(spark, tmp):
    return InOrder(spark.createDataFrame([(1, "b"), (3, "a"), (None, "c")], "i int, s string").summary())


@case
def summary_chosen(spark, tmp):
    return InOrder(spark.range(11).summary("count", "min", "25%", "90%", "max", "count_distinct"))


@case
def corr_and_cov(spark, tmp):
    df = spark.createDataFrame([(1, 2.0), (2, 3.5), (3, 7.0)], "a int, b double")
    return [df.corr("a", "b"), df.stat.cov("a", "b"), df.stat.corr("a", "b", "pearson")]


@case
def crosstab(spark, tmp):
    return spark.createDataFrame([("a", 1), ("a", 2), ("b", 1), ("a", 1)], "k string, v int").crosstab("k", "v").select("k_v", "1", "2")


@case
def freq_items(spark, tmp):
    df = spark.createDataFrame([(1, "a"), (1, "b"), (1, "a"), (2, "a")], "x int, y string")
    found = df.stat.freqItems(["x", "y"], 0.6).collect()[0]
    return [sorted(found[0]), sorted(found[1]), df.stat.freqItems(["x"]).columns]


@case
def approx_quantile(spark, tmp):
    df = spark.range(1, 102).withColumn("y", F.col("id") * 2.0)
    return [df.approxQuantile("id", [0.0, 0.5, 1.0], 0.0), df.stat.approxQuantile(["id", "y"], [0.25], 0.0)]


@case
def sample_sizes(spark, tmp):
    df = spark.range(1000)
    n = df.sample(0.3, seed=7).count()
    again = df.sample(0.3, seed=7).count()
    more = df.sample(True, 2.0, 3).count()
    return [200 < n < 400, n == again, 1700 < more < 2300, df.sample(1.0).count(), df.sample(0.0).count(), df.sample(0.5, 3).distinct().count() == df.sample(0.5, 3).count()]


@case
def sample_by_strata(spark, tmp):
    df = spark.range(300).withColumn("k", F.col("id") % 3)
    found = {r.k: r["count"] for r in df.sampleBy("k", {0: 1.0, 1: 0.0}, seed=1).groupBy("k").count().collect()}
    return found


@case
def random_split_covers(spark, tmp):
    parts = spark.range(500).randomSplit([1.0, 2.0], seed=5)
    counts = [p.count() for p in parts]
    return [sum(counts), 100 < counts[0] < 240, parts[0].intersect(parts[1]).count()]


@case
def sample_fraction_out_of_range(spark, tmp):
    return spark.range(10).sample(1.5).count()


@case
def nan_and_null(spark, tmp):
    return gaps(spark).select("i", F.isnan("d").alias("nan"), F.isnull("d").alias("null"), F.nanvl("d", F.lit(0.0)).alias("v"), F.nvl("s", F.lit("-")).alias("n"),
                              F.coalesce("i", F.lit(7)).alias("c"), F.nullif("s", F.lit("a")).alias("nf"), F.ifnull("s", F.lit("z")).alias("ifn"))


@case
def describe_of_no_rows(spark, tmp):
    return InOrder(spark.range(0).describe())
