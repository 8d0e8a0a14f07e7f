"""Structured Streaming with state: aggregations in all modes, event time, duplicates, joins."""
from cases.streaming import FIRST, SECOND, SIGNALS, THIRD, finished, in_memory, put, signals, stream
from pyspark.sql import functions as F
from recording import InOrder, case

# On-time rows, a late one that its window still takes, one that is too late, and one that moves the watermark on.
TIMES = [[("a", 1, 0), ("a", 2, 250), ("b", 3, 100)], [("a", 4, 700), ("b", 5, 290)], [("a", 6, 1500)], [("b", 7, 20), ("a", 8, 1510)], [("c", 9, 4000)]]


def timed(spark, tmp, *batches):
    return signals(spark, tmp, *(batches or TIMES)).withWatermark("at", "10 minutes")


def spans(df):
    """Windows as the start and end of strings."""
    return df.select(F.date_format("window.start", "HH:mm:ss").alias("start"), F.date_format("window.end", "HH:mm:ss").alias("end"),
                     *[c for c in df.columns if c != "window"])


def dropped(query):
    return sum(o["numRowsDroppedByWatermark"] for p in query.recentProgress for o in p["stateOperators"])


@case
def count_complete(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp).groupBy("device").count(), "complete")


@case
def count_update(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp).groupBy("device").count(), "update")


@case
def whole_stream_aggregated(spark, tmp):
    df = signals(spark, tmp).agg(F.count("*").alias("n"), F.avg("signal"), F.min("at"), F.max("device"), F.collect_set("device").alias("s"))
    return in_memory(spark, tmp, df.withColumn("s", F.array_sort("s")), "complete")


@case
def several_aggregates_with_having(spark, tmp):
    df = (signals(spark, tmp).groupBy("device")
          .agg(F.sum("signal").alias("total"), F.stddev("signal").alias("s"), F.approx_count_distinct("signal").alias("d")).where("total > 30"))
    return in_memory(spark, tmp, df, "complete")


@case
def sorted_after_complete(spark, tmp):
    return InOrder(in_memory(spark, tmp, signals(spark, tmp).groupBy("device").count().orderBy(F.desc("count"), "device"), "complete"))


@case
def tumbling_window_append(spark, tmp):
    return in_memory(spark, tmp, spans(timed(spark, tmp).groupBy(F.window("at", "5 minutes"), "device").agg(F.sum("signal").alias("total"))))


@case
def tumbling_window_update(spark, tmp):
    return in_memory(spark, tmp, spans(timed(spark, tmp).groupBy(F.window("at", "5 minutes")).count()), "update")


@case
def tumbling_window_complete(spark, tmp):
    return in_memory(spark, tmp, spans(timed(spark, tmp).groupBy(F.window("at", "5 minutes"), "device").count()), "complete")


@case
def sliding_window_append(spark, tmp):
    return in_memory(spark, tmp, spans(timed(spark, tmp).groupBy(F.window("at", "10 minutes", "5 minutes")).agg(F.count("*").alias("n"))))


@case
def session_window_append(spark, tmp):
    df = timed(spark, tmp).groupBy(F.session_window("at", "5 minutes").alias("window"), "device").count()
    return in_memory(spark, tmp, spans(df))


@case
def session_window_with_dynamic_gap(spark, tmp):
    gap = F.when(F.col("device") == "a", "10 minutes").otherwise("1 minute")
    return in_memory(spark, tmp, spans(timed(spark, tmp).groupBy(F.session_window("at", gap).alias("window"), "device").count()))


@case
def late_rows_are_counted(spark, tmp):
    df = timed(spark, tmp).groupBy(F.window("at", "5 minutes")).count()
    query = finished(df.writeStream.format("memory").queryName("late").option("checkpointLocation", str(tmp / "c")))
    marks = [p["eventTime"].get("watermark") for p in query.recentProgress]
    return [dropped(query), marks, query.recentProgress[0]["eventTime"]]


@case
def watermark_alone_drops_nothing(spark, tmp):
    return in_memory(spark, tmp, timed(spark, tmp).select("device", "signal"))


@case
def window_of_windows(spark, tmp):
    small = timed(spark, tmp).groupBy(F.window("at", "5 minutes"), "device").agg(F.sum("signal").alias("total"))
    large = small.groupBy(F.window(F.window_time("window"), "15 minutes")).agg(F.count("*").alias("n"), F.sum("total").alias("total"))
    return in_memory(spark, tmp, spans(large))


@case
def tutorial_aggregation(spark, tmp):
    df = (timed(spark, tmp).groupBy(F.col("device"), F.window(F.col("at"), "5 minutes"))
          .agg(F.avg("signal").alias("avg_signal"), F.max("signal").alias("max_signal"), F.count("*").alias("event_count"))
          .select("device", F.col("window.start").alias("window_start"), F.col("window.end").alias("window_end"), "avg_signal", "max_signal",
                  "event_count"))
    return in_memory(spark, tmp, df)


@case
def distinct(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp).select("device").distinct())


@case
def drop_duplicates(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp, FIRST, FIRST[:2] + SECOND, SECOND).dropDuplicates(["device", "signal"]))


@case
def drop_duplicates_with_watermark(spark, tmp):
    df = timed(spark, tmp, TIMES[0], TIMES[0] + TIMES[1], TIMES[2], TIMES[0]).dropDuplicates(["device", "at"])
    query = finished(df.writeStream.format("memory").queryName("unique").option("checkpointLocation", str(tmp / "c")))
    return [sorted(r.signal for r in spark.table("unique").collect()), dropped(query), query.lastProgress["stateOperators"][0]["numRowsTotal"]]


@case
def drop_duplicates_within_watermark(spark, tmp):
    df = timed(spark, tmp, TIMES[0], [("a", 9, 30)], TIMES[2], [("b", 11, 1600)]).dropDuplicatesWithinWatermark(["device"])
    return in_memory(spark, tmp, df)


@case
def limit(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp).select("device", "signal").limit(4)).agg(F.count("*"))


def names(spark):
    return spark.createDataFrame([("a", "Ann"), ("b", "Bob"), ("x", "Xia")], "device string, name string")


@case
def stream_static_inner(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp).join(names(spark), "device"))


@case
def stream_static_left(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp).join(names(spark), "device", "left"))


@case
def static_stream_right(spark, tmp):
    return in_memory(spark, tmp, names(spark).join(signals(spark, tmp), "device", "right"))


@case
def stream_static_semi_and_anti(spark, tmp):
    df = signals(spark, tmp)
    semi = in_memory(spark, tmp, df.join(names(spark), "device", "left_semi"), name="semi")
    anti = in_memory(spark, tmp, df.join(names(spark), "device", "left_anti"), name="anti")
    return [sorted(r.signal for r in semi.collect()), sorted(r.signal for r in anti.collect())]


@case
def static_delta_side_is_read_anew(spark, tmp):
    path = str(tmp / "names")
    names(spark).write.format("delta").save(path)

    def run():
        df = stream(spark, tmp / "in").join(spark.read.format("delta").load(path), "device")
        finished(df.writeStream.format("parquet").option("path", str(tmp / "out")).option("checkpointLocation", str(tmp / "c")))
        return sorted((r.name, r.signal) for r in spark.read.parquet(str(tmp / "out")).collect())

    put(tmp / "in", FIRST)
    one = run()
    spark.createDataFrame([("c", "Cid")], "device string, name string").write.format("delta").mode("append").save(path)
    put(tmp / "in", SECOND)
    return [one, run()]


ADS = [[("a", 1, 0), ("b", 2, 10), ("c", 3, 20)], [("a", 4, 600)], [("a", 5, 3600)]]
CLICKS = [[("a", 100, 5), ("b", 200, 500)], [("c", 300, 30), ("a", 400, 620)], [("z", 500, 3610)]]


def ads_and_clicks(spark, tmp, delay="10 minutes"):
    ads = stream(spark, tmp / "ads", *ADS).select(F.col("device").alias("ad"), F.col("signal").alias("shown"), F.col("at").alias("shown_at"))
    clicks = stream(spark, tmp / "clicks", *CLICKS).select("device", F.col("signal").alias("click"), F.col("at").alias("click_at"))
    if delay:
        ads, clicks = ads.withWatermark("shown_at", delay), clicks.withWatermark("click_at", delay)
    return ads, clicks


NEAR = F.expr("ad = device AND click_at BETWEEN shown_at AND shown_at + INTERVAL 1 MINUTE")


@case
def stream_stream_inner(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp, None)
    return in_memory(spark, tmp, ads.join(clicks, ads.ad == clicks.device).select("ad", "shown", "click"))


@case
def stream_stream_inner_in_time(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    return in_memory(spark, tmp, ads.join(clicks, NEAR))


@case
def stream_stream_left_outer(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    return in_memory(spark, tmp, ads.join(clicks, NEAR, "leftOuter").select("ad", "shown", "click"))


@case
def stream_stream_right_outer(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    return in_memory(spark, tmp, ads.join(clicks, NEAR, "rightOuter").select("device", "shown", "click"))


@case
def stream_stream_full_outer(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    return in_memory(spark, tmp, ads.join(clicks, NEAR, "fullOuter").select("ad", "shown", "click"))


@case
def stream_stream_left_semi(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    return in_memory(spark, tmp, ads.join(clicks, NEAR, "leftSemi").select("ad", "shown"))


@case
def stream_stream_by_window(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    left = ads.select("ad", "shown", F.window("shown_at", "5 minutes").alias("w"))
    right = clicks.select(F.col("device").alias("ad"), "click", F.window("click_at", "5 minutes").alias("w"))
    return in_memory(spark, tmp, left.join(right, ["ad", "w"]).select("ad", "shown", "click"))


@case
def join_then_window(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    df = ads.join(clicks, NEAR).groupBy(F.window("shown_at", "5 minutes")).count()
    return in_memory(spark, tmp, spans(df))


@case
def union_of_streams(spark, tmp):
    one = stream(spark, tmp / "one", FIRST).select("device", "signal")
    two = stream(spark, tmp / "two", SECOND, THIRD).select("device", "signal")
    return in_memory(spark, tmp, one.union(two).groupBy("device").agg(F.sum("signal").alias("total")), "complete")


@case
def self_join(spark, tmp):
    df = signals(spark, tmp).select("device", "signal")
    return in_memory(spark, tmp, df.alias("l").join(df.alias("r"), F.expr("l.device = r.device AND l.signal < r.signal"))
                     .selectExpr("l.device", "l.signal AS low", "r.signal AS high"))


@case
def state_follows_the_rows(spark, tmp):
    query = finished(timed(spark, tmp).groupBy(F.window("at", "5 minutes"), "device").count().writeStream.format("noop")
                     .option("checkpointLocation", str(tmp / "c")))
    return [p["stateOperators"][0]["numRowsTotal"] for p in query.recentProgress]


@case
def a_restart_keeps_the_watermark(spark, tmp):
    def run():
        df = spark.readStream.schema(SIGNALS).json(str(tmp / "in")).withWatermark("at", "10 minutes").groupBy(F.window("at", "5 minutes")).count()
        query = finished(spans(df).writeStream.format("parquet").option("path", str(tmp / "out")).option("checkpointLocation", str(tmp / "c")))
        return [query.lastProgress["eventTime"].get("watermark"), dropped(query)]

    put(tmp / "in", TIMES[2])
    one = run()
    put(tmp / "in", TIMES[3])
    two = run()
    put(tmp / "in", TIMES[4])
    return [one, two, run(), sorted(tuple(r) for r in spark.read.parquet(str(tmp / "out")).collect())]
