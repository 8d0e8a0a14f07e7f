"""Queries that go on with the checkpoint of another form of themselves: what Spark's guide says of recovery after changes.

Each case runs a query over some batches, then a changed one over more. An error is its classes; else what the second gave."""
import re

from cases.streaming import FIRST, SECOND, THIRD, finished, put, stream
from cases.streaming_state import NEAR, ads_and_clicks
from pyspark.sql import functions as F
from recording import case


def run(spark, tmp, df, mode, name, sink="memory", **options):
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    writer = df.writeStream.format(sink).outputMode(mode).option("checkpointLocation", str(tmp / "c")).options(**options)
    query = finished(writer.queryName(name) if sink == "memory" else writer)
    return query


def changed(spark, tmp, before, after, mode="update", after_mode=None):
    """`before` and `after` make a query out of the stream of signals."""
    put(tmp / "in", FIRST)
    source = lambda: stream(spark, tmp / "in").withWatermark("at", "10 minutes")  # noqa: E731
    run(spark, tmp, before(source()), mode, "one")
    put(tmp / "in", SECOND)
    put(tmp / "in", THIRD)
    return outcome(spark, lambda: run(spark, tmp, after(source()), after_mode or mode, "two"), "two")


def outcome(spark, action, name):
    try:
        action()
    except Exception as error:
        found = set(re.findall(r"\[([A-Z][A-Z_.]+)\]", str(error))) | {error.getCondition() or type(error).__name__}
        return sorted(found - {"STREAM_FAILED", "StreamingQueryException"})
    return sorted([str(value) for value in row] for row in spark.table(name).collect())


def count(df):
    return df.groupBy("device").count()


def windowed(size, *keys):
    return lambda df: df.groupBy(F.window("at", size), *keys).count().select(F.col("window.start").cast("string"), "count")


PAIRS = {
    # aggregations
    "nothing": (count, count),
    "a_filter_before": (count, lambda df: count(df.where("device <> 'b'"))),
    "a_projection_before": (count, lambda df: count(df.select("device", "signal"))),
    "a_projection_after": (count, lambda df: count(df).select(F.upper("device"), F.col("count") + 100)),
    "a_filter_after": (count, lambda df: count(df).where("count > 1")),
    "one_more_aggregate": (count, lambda df: df.groupBy("device").agg(F.count("*"), F.sum("signal"))),
    "one_aggregate_less": (lambda df: df.groupBy("device").agg(F.count("*"), F.sum("signal")), count),
    "one_more_key": (count, lambda df: df.groupBy("device", "signal").count()),
    "a_key_of_another_type": (count, lambda df: df.groupBy("signal").count()),
    "a_key_of_another_name": (count, lambda df: df.groupBy(F.col("device").alias("what")).count()),
    "another_input_of_the_aggregate": (lambda df: df.groupBy("device").agg(F.sum("signal")), lambda df: df.groupBy("device").agg(F.sum(-F.col("signal")))),
    "an_aggregate_of_another_type": (lambda df: df.groupBy("device").agg(F.max("signal")), lambda df: df.groupBy("device").agg(F.max("at"))),
    "another_window": (windowed("5 minutes"), windowed("2 minutes")),
    "distinct_for_an_aggregation": (count, lambda df: df.select("device").distinct()),
    "no_state_any_more": (count, lambda df: df.select("device", "signal").drop("at")),
    "duplicates_for_an_aggregation": (count, lambda df: df.dropDuplicates(["device"]).select("device")),
    # duplicates
    "other_keys_of_duplicates": (lambda df: df.dropDuplicates(["device"]).select("device"), lambda df: df.dropDuplicates(["device", "signal"]).select("device")),
    "keys_of_duplicates_of_another_type": (lambda df: df.dropDuplicates(["device"]).select("device"), lambda df: df.dropDuplicates(["signal"]).select("device")),
    "duplicates_within": (lambda df: df.dropDuplicates(["device"]).select("device"), lambda df: df.dropDuplicatesWithinWatermark(["device"]).select("device")),
    "a_filter_before_duplicates": (lambda df: df.dropDuplicates(["device"]).select("device"), lambda df: df.where("signal > 5").dropDuplicates(["device"]).select("device")),
    "state_where_none_was": (lambda df: df.select("device"), lambda df: df.dropDuplicates(["device"]).select("device")),
    # no state
    "another_filter": (lambda df: df.where("signal > 10").select("device", "signal"), lambda df: df.where("signal < 10").select("device", "signal")),
    "another_projection": (lambda df: df.select("device"), lambda df: df.select(F.upper("device"))),
    "other_columns": (lambda df: df.select("device"), lambda df: df.select("device", "signal")),
    # one more operator
    "one_more_operator": (lambda df: df.dropDuplicates(["device", "at"]).select("device"),
                          lambda df: df.dropDuplicates(["device", "at"]).dropDuplicates(["device"]).select("device")),
}
for name, (before, after) in PAIRS.items():
    def function(spark, tmp, before=before, after=after):
        return changed(spark, tmp, before, after)
    function.__name__ = name
    case(function)


@case
def the_output_mode(spark, tmp):
    return changed(spark, tmp, count, count, "update", "complete")


@case
def the_rate(spark, tmp):
    put(tmp / "in", FIRST)
    run(spark, tmp, count(stream(spark, tmp / "in")), "update", "one")
    put(tmp / "in", SECOND)
    put(tmp / "in", THIRD)
    many = spark.readStream.schema("device string, signal int, at timestamp").option("maxFilesPerTrigger", 10).json(str(tmp / "in"))
    query = run(spark, tmp, count(many), "update", "two")
    return [[p["batchId"], p["numInputRows"]] for p in query.recentProgress if p["numInputRows"]]


@case
def the_number_of_partitions(spark, tmp):
    put(tmp / "in", FIRST)
    run(spark, tmp, count(stream(spark, tmp / "in")), "update", "one")
    put(tmp / "in", SECOND)
    spark.conf.set("spark.sql.shuffle.partitions", "8")
    finished(count(stream(spark, tmp / "in")).writeStream.format("memory").queryName("two").outputMode("update")
             .option("checkpointLocation", str(tmp / "c")))
    found = spark.read.format("state-metadata").load(str(tmp / "c")).select("numPartitions").collect()[0][0]
    return [found, sorted(tuple(r) for r in spark.table("two").collect())]


@case
def the_provider_of_state(spark, tmp):
    put(tmp / "in", FIRST)
    run(spark, tmp, count(stream(spark, tmp / "in")), "update", "one")
    put(tmp / "in", SECOND)
    spark.conf.set("spark.sql.streaming.stateStore.providerClass", "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider")
    return outcome(spark, lambda: run(spark, tmp, count(stream(spark, tmp / "in")), "update", "two"), "two")


@case
def one_more_source(spark, tmp):
    put(tmp / "in", FIRST)
    put(tmp / "more", SECOND)
    run(spark, tmp, count(stream(spark, tmp / "in")), "update", "one")
    both = stream(spark, tmp / "in").union(stream(spark, tmp / "more"))
    try:
        run(spark, tmp, count(both), "update", "two")
    except Exception:
        return "refused"
    return "goes on"


@case
def another_sink(spark, tmp):
    put(tmp / "in", FIRST)
    run(spark, tmp, count(stream(spark, tmp / "in")), "update", "one", "noop")
    put(tmp / "in", SECOND)
    return outcome(spark, lambda: run(spark, tmp, count(stream(spark, tmp / "in")), "update", "two"), "two")


def joining(kind, on=NEAR):
    return lambda ads, clicks: ads.join(clicks, on, kind).select("ad", "shown", "click")


def changed_join(spark, tmp, before, after):
    run(spark, tmp, before(*ads_and_clicks(spark, tmp)), "append", "one")
    put(tmp / "ads", [("a", 6, 3610)])
    put(tmp / "clicks", [("a", 600, 3620)])
    ads, clicks = (stream(spark, tmp / name) for name in ("ads", "clicks"))
    ads = ads.select(F.col("device").alias("ad"), F.col("signal").alias("shown"), F.col("at").alias("shown_at")).withWatermark("shown_at", "10 minutes")
    clicks = clicks.select("device", F.col("signal").alias("click"), F.col("at").alias("click_at")).withWatermark("click_at", "10 minutes")
    return outcome(spark, lambda: run(spark, tmp, after(ads, clicks), "append", "two"), "two")


@case
def a_join_as_it_was(spark, tmp):
    return changed_join(spark, tmp, joining("inner"), joining("inner"))


@case
def a_filter_after_a_join(spark, tmp):
    return changed_join(spark, tmp, joining("inner"), lambda a, c: joining("inner")(a, c).where("click > 0"))


@case
def a_join_by_a_key_of_another_type(spark, tmp):
    return changed_join(spark, tmp, joining("inner"), joining("inner", F.expr("shown = click AND click_at BETWEEN shown_at AND shown_at + INTERVAL 1 MINUTE")))


@case
def a_join_of_rows_with_one_more_column(spark, tmp):
    return changed_join(spark, tmp, joining("inner"), lambda a, c: a.withColumn("more", F.lit(1)).join(c, NEAR).select("ad", "shown", "more"))
