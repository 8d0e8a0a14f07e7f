"""Grouping, aggregates, pivots, windows."""
from pyspark.sql import Window
from pyspark.sql import functions as F
from recording import InOrder, case


def sales(spark):
    return spark.createDataFrame([("Oslo", 2023, "a", 10, 1.5), ("Oslo", 2024, "b", 20, 2.5), ("Oslo", 2024, "a", None, None), ("Bergen", 2023, "a", 5, 0.5),
                                  (None, 2024, "b", 7, 3.5)], "city string, year int, kind string, amount int, price double")


@case
def count_of_groups(spark, tmp):
    return sales(spark).groupBy("city").count()


@case
def several_aggregates(spark, tmp):
    return sales(spark).groupBy("city").agg(F.sum("amount"), F.avg("amount"), F.min("price"), F.max("price"), F.count("amount"), F.count("*"),
                                            F.countDistinct("kind"), F.sum_distinct("year"))


@case
def aggregates_by_dictionary(spark, tmp):
    return sales(spark).groupBy("city").agg({"amount": "sum", "price": "avg", "*": "count"})


@case
def group_methods(spark, tmp):
    g = sales(spark).groupBy("year")
    return [sorted(map(str, d.collect())) for d in (g.sum("amount"), g.avg(), g.max("price"), g.min("price"), g.mean("amount"), g.count())]


@case
def global_aggregate(spark, tmp):
    return sales(spark).agg(F.sum("amount").alias("s"), F.expr("count(DISTINCT city)").alias("c"), F.first("year"), F.sum("amount").alias("t") / F.count("*"))


@case
def aggregate_of_no_rows(spark, tmp):
    return sales(spark).where("false").agg(F.sum("amount"), F.count("*"), F.avg("price"), F.collect_list("city"), F.max("city"))


@case
def statistics_aggregates(spark, tmp):
    return sales(spark).agg(F.stddev("price"), F.stddev_pop("price"), F.variance("price"), F.var_pop("price"), F.skewness("price"), F.kurtosis("price"),
                            F.corr("amount", "price"), F.covar_samp("amount", "price"), F.covar_pop("amount", "price"))


@case
def collected_lists(spark, tmp):
    return sales(spark).groupBy("year").agg(F.sort_array(F.collect_list("amount")).alias("l"), F.sort_array(F.collect_set("kind")).alias("s"))


@case
def min_max_by(spark, tmp):
    return sales(spark).groupBy("year").agg(F.max_by("city", "price"), F.min_by("city", "price"), F.any_value("year"))


@case
def boolean_aggregates(spark, tmp):
    return sales(spark).groupBy("year").agg(F.bool_and(F.col("amount") > 5), F.bool_or(F.col("amount") > 15), F.every(F.col("price") > 0), F.count_if(F.col("kind") == "a"))


@case
def percentiles(spark, tmp):
    return spark.range(101).agg(F.percentile("id", 0.25), F.percentile("id", [0.5, 0.9]), F.median("id"), F.percentile_approx("id", 0.5), F.approx_count_distinct("id") > 90)


@case
def group_by_expression(spark, tmp):
    return sales(spark).groupBy((F.col("year") % 2).alias("odd"), F.upper("kind").alias("k")).agg(F.sum("amount").alias("s"))


@case
def rollup(spark, tmp):
    return sales(spark).rollup("city", "year").agg(F.sum("amount").alias("s"), F.grouping("city").alias("gc"), F.grouping_id().alias("id"))


@case
def cube(spark, tmp):
    return sales(spark).cube("city", "kind").agg(F.count("*").alias("n"), F.grouping_id().alias("g"))


@case
def grouping_sets(spark, tmp):
    df = sales(spark)
    return df.groupingSets([[df.city], [df.year, df.kind], []], df.city, df.year, df.kind).agg(F.sum("amount").alias("s"))


@case
def pivot_with_values(spark, tmp):
    return sales(spark).groupBy("city").pivot("kind", ["a", "b", "c"]).sum("amount")


@case
def pivot_without_values(spark, tmp):
    return sales(spark).groupBy("city").pivot("year").agg(F.sum("amount"))


@case
def pivot_with_several_aggregates(spark, tmp):
    return sales(spark).groupBy("year").pivot("kind", ["a", "b"]).agg(F.sum("amount").alias("s"), F.max("price").alias("m"))


@case
def unpivot(spark, tmp):
    df = spark.createDataFrame([(1, 2.0, 3.0), (2, None, 4.0)], "id int, a double, b double")
    return df.unpivot("id", ["a", "b"], "name", "value")


@case
def melt_all(spark, tmp):
    return spark.createDataFrame([(1, 2, 3)], "id int, a int, b int").melt(["id"], None, "k", "v")


@case
def having(spark, tmp):
    return sales(spark).groupBy("city").agg(F.sum("amount").alias("s")).where("s > 6")


@case
def filtered_aggregate(spark, tmp):
    return sales(spark).groupBy("year").agg(F.expr("sum(amount) FILTER (WHERE kind = 'a')").alias("a"), F.sum(F.when(F.col("kind") == "b", 1).otherwise(0)).alias("b"))


@case
def window_ranks(spark, tmp):
    w = Window.partitionBy("year").orderBy(F.desc("price"))
    return sales(spark).select("year", "price", F.row_number().over(w).alias("n"), F.rank().over(w).alias("r"), F.dense_rank().over(w).alias("d"),
                               F.percent_rank().over(w).alias("p"), F.cume_dist().over(w).alias("c"), F.ntile(2).over(w).alias("t"))


@case
def window_lag_lead(spark, tmp):
    w = Window.orderBy("id")
    return spark.range(4).select("id", F.lag("id").over(w).alias("lag"), F.lead("id", 2, -1).over(w).alias("lead"), F.first("id").over(w).alias("f"),
                                 F.last("id").over(w).alias("l"), F.nth_value("id", 2).over(w).alias("n"))


@case
def window_frames(spark, tmp):
    rows = Window.orderBy("id").rowsBetween(-1, 1)
    ranged = Window.orderBy("id").rangeBetween(Window.unboundedPreceding, Window.currentRow)
    return spark.range(5).select("id", F.sum("id").over(rows).alias("around"), F.sum("id").over(ranged).alias("so_far"), F.avg("id").over(Window.partitionBy()).alias("all"))


@case
def window_filter_top(spark, tmp):
    w = Window.partitionBy("city").orderBy(F.col("amount").desc_nulls_last())
    return sales(spark).withColumn("n", F.row_number().over(w)).where("n = 1").drop("n")


@case
def running_share(spark, tmp):
    w = Window.partitionBy("year")
    return InOrder(sales(spark).na.fill(0).withColumn("share", F.round(F.col("amount") / F.sum("amount").over(w), 3)).orderBy("year", "amount").select("year", "share"))


@case
def count_distinct_of_several(spark, tmp):
    return sales(spark).select(F.count_distinct("city", "year"), F.approx_count_distinct("kind"))


@case
def group_order_and_limit(spark, tmp):
    return InOrder(sales(spark).groupBy("kind").agg(F.sum("amount").alias("s")).orderBy(F.desc("s")).limit(1))


@case
def decimal_sums(spark, tmp):
    return spark.sql("SELECT * FROM VALUES (1.10BD), (2.25BD), (NULL) AS t(d)").agg(F.sum("d"), F.avg("d"), F.max("d"))


@case
def word_count(spark, tmp):
    lines = spark.createDataFrame([("the quick fox",), ("the lazy dog",), ("",)], "line string")
    return InOrder(lines.select(F.explode(F.split("line", " ")).alias("word")).where("word <> ''").groupBy("word").count().orderBy(F.desc("count"), "word"))


@case
def listagg(spark, tmp):
    return sales(spark).groupBy("year").agg(F.expr("listagg(kind, ',') WITHIN GROUP (ORDER BY kind)").alias("k"))


@case
def grouping_outside(spark, tmp):
    return sales(spark).groupBy("city").agg(F.grouping("year"))


@case
def column_not_grouped(spark, tmp):
    return sales(spark).groupBy("city").agg(F.col("year"))


@case
def nested_aggregate(spark, tmp):
    return sales(spark).agg(F.sum(F.max("amount")))
