"""Streaming queries as things: status, progress, waiting, the manager, listeners, what is refused."""
import time
import uuid

from cases.streaming import FIRST, SECOND, SIGNALS, THIRD, finished, put, signals, stream
from cases.streaming_state import names
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQueryListener
from recording import case, printed


def to_memory(df, tmp, name, mode="append"):
    return df.writeStream.format("memory").queryName(name).outputMode(mode).option("checkpointLocation", str(tmp / f"c-{name}"))


@case
def a_query_while_it_runs(spark, tmp):
    query = to_memory(signals(spark, tmp), tmp, "running").start()
    query.processAllAvailable()
    found = [query.name, query.isActive, query.exception(), sorted(query.status), query.awaitTermination(1), len(spark.table("running").collect()),
             str(uuid.UUID(query.id)) == query.id, str(uuid.UUID(query.runId)) == query.runId]
    query.stop()
    return found + [query.isActive, query.exception(), query.status["isTriggerActive"], query.status["message"], query.awaitTermination(1)]


@case
def rows_come_while_it_runs(spark, tmp):
    query = to_memory(stream(spark, tmp / "in", FIRST).groupBy("device").count(), tmp, "growing", "complete").start()
    query.processAllAvailable()
    one = sorted(tuple(r) for r in spark.table("growing").collect())
    put(tmp / "in", SECOND)
    put(tmp / "in", THIRD)
    query.processAllAvailable()
    two = sorted(tuple(r) for r in spark.table("growing").collect())
    query.stop()
    return [one, two]


@case
def processing_time_trigger(spark, tmp):
    query = to_memory(signals(spark, tmp), tmp, "ticking").trigger(processingTime="100 milliseconds").start()
    query.processAllAvailable()
    query.stop()
    return spark.table("ticking").count()


@case
def last_progress(spark, tmp):
    query = finished(to_memory(signals(spark, tmp), tmp, "progress"))
    last = query.lastProgress
    source = last["sources"][0]
    return [sorted(k for k in last if k not in ("observedMetrics", "eventTime")), last["name"], last["batchId"], str(last["id"]) == query.id,
            str(last["runId"]) == query.runId, sorted(last["durationMs"]), source["description"].split("[")[0],
            source["numInputRows"], last["sink"]["description"], last["sink"]["numOutputRows"], last.numInputRows, last.batchId]


@case
def recent_progress(spark, tmp):
    query = finished(to_memory(signals(spark, tmp), tmp, "recent"))
    return [[p.batchId, p.numInputRows] for p in query.recentProgress]


@case
def explain_prints_the_plan(spark, tmp):
    query = finished(to_memory(signals(spark, tmp), tmp, "explained"))
    return ["Physical Plan" in printed(query.explain), "Logical Plan" in printed(lambda: query.explain(True))]


@case
def stop_twice(spark, tmp):
    query = to_memory(signals(spark, tmp), tmp, "stopped").start()
    query.stop()
    query.stop()
    return [query.isActive, query.awaitTermination(), query.exception()]


@case
def a_query_without_a_name(spark, tmp):
    query = finished(signals(spark, tmp).writeStream.format("noop").option("checkpointLocation", str(tmp / "c")))
    return [query.name, query.lastProgress["name"]]


@case
def manager(spark, tmp):
    one = to_memory(stream(spark, tmp / "in1", FIRST), tmp, "first").start()
    two = to_memory(stream(spark, tmp / "in2", FIRST), tmp, "second").start()
    found = [sorted(q.name for q in spark.streams.active), spark.streams.get(one.id).name, spark.streams.get(two.id).runId == two.runId,
             spark.streams.awaitAnyTermination(1)]
    one.stop()
    found += [spark.streams.awaitAnyTermination(10), [q.name for q in spark.streams.active], spark.streams.get(one.id)]
    spark.streams.resetTerminated()
    found += [spark.streams.awaitAnyTermination(1)]
    two.stop()
    return found + [spark.streams.active, spark.streams.get(str(uuid.UUID(int=0)))]


class Heard(StreamingQueryListener):
    def __init__(self):
        self.events = []

    def onQueryStarted(self, event):
        self.events.append(["started", event.name, str(event.id), str(event.runId)])

    def onQueryProgress(self, event):
        self.events.append(["progress", event.progress.name, event.progress.batchId, event.progress.numInputRows])

    def onQueryIdle(self, event):
        pass

    def onQueryTerminated(self, event):
        self.events.append(["terminated", str(event.id), event.exception is None, event.errorClassOnException])


def heard_all(*listeners):
    """Until the query's end has been heard: the client removes its last listener under a lock that an event on its way needs."""
    deadline = time.monotonic() + 30
    while not all(h.events and h.events[-1][0] == "terminated" for h in listeners) and time.monotonic() < deadline:
        time.sleep(0.01)


@case
def listener(spark, tmp):
    heard = Heard()
    spark.streams.addListener(heard)
    query = finished(to_memory(signals(spark, tmp), tmp, "heard"))
    query.stop()
    heard_all(heard)
    spark.streams.removeListener(heard)
    assert heard.events[0] == ["started", "heard", query.id, query.runId], heard.events[0]
    assert heard.events[-1][1] == query.id
    again = finished(to_memory(stream(spark, tmp / "in2", FIRST), tmp, "unheard"))
    return [[e[0] for e in heard.events], [e[1:] for e in heard.events if e[0] == "progress"], heard.events[-1][2:], again.isActive]


@case
def two_listeners(spark, tmp):
    one, two = Heard(), Heard()
    spark.streams.addListener(one)
    spark.streams.addListener(two)
    finished(to_memory(signals(spark, tmp), tmp, "twice"))
    heard_all(one, two)
    spark.streams.removeListener(one)
    spark.streams.removeListener(two)
    return [one.events == two.events, [e[0] for e in two.events]]


def failing(spark, tmp, name="failing"):
    return to_memory(signals(spark, tmp).select(F.expr("signal / (signal - 5)").alias("x")), tmp, name)


@case
def a_failure_by_await(spark, tmp):
    query = failing(spark, tmp).trigger(availableNow=True).start()
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        return [error.getCondition(), error.getSqlState(), "DIVIDE_BY_ZERO" in str(error), query.isActive]


@case
def a_failure_by_exception(spark, tmp):
    query = failing(spark, tmp).trigger(availableNow=True).start()
    try:
        query.awaitTermination()
    except PySparkException:
        pass
    error = query.exception()
    return [type(error).__name__, "DIVIDE_BY_ZERO" in str(error), str(error).startswith("[STREAM_FAILED] Query [id = " + query.id)]


@case
def a_failure_is_heard(spark, tmp):
    heard = Heard()
    spark.streams.addListener(heard)
    query = failing(spark, tmp).trigger(availableNow=True).start()
    try:
        query.awaitTermination()
    except PySparkException:
        pass
    heard_all(heard)
    spark.streams.removeListener(heard)
    return [[e[0] for e in heard.events], heard.events[-1][2:]]


@case
def a_failure_by_await_any(spark, tmp):
    failing(spark, tmp).trigger(availableNow=True).start()
    try:
        spark.streams.awaitAnyTermination(30)
    except StreamingQueryException as error:
        return [error.getCondition(), "DIVIDE_BY_ZERO" in str(error)]


@case
def a_failure_in_foreach(spark, tmp):
    def fail(row):
        raise KeyError("what the user raised")

    query = signals(spark, tmp).writeStream.foreach(fail).option("checkpointLocation", str(tmp / "c")).trigger(availableNow=True).start()
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        return [error.getCondition(), "KeyError" in str(error), "what the user raised" in str(error), query.isActive]


def refused(action):
    """The error as far as every version tells it alike."""
    try:
        action()
    except PySparkException as error:
        return [type(error).__name__, error.getCondition(), error.getSqlState()]
    return "nothing was refused"


@case
def a_name_in_use(spark, tmp):
    query = to_memory(stream(spark, tmp / "in1", FIRST), tmp, "taken").start()
    found = refused(lambda: signals(spark, tmp).writeStream.format("noop").queryName("taken").option("checkpointLocation", str(tmp / "c2")).start())
    query.stop()
    return found


@case
def batch_actions_on_a_stream(spark, tmp):
    df = signals(spark, tmp)
    return [refused(df.collect), refused(df.count), refused(df.show), refused(lambda: df.write.format("noop").mode("append").save()),
            refused(lambda: df.write.parquet(str(tmp / "out")))]


@case
def modes_that_do_not_fit(spark, tmp):
    df = signals(spark, tmp)
    counts = df.groupBy("device").count()
    return [refused(to_memory(counts, tmp, "a", "append").start), refused(to_memory(df, tmp, "b", "complete").start),
            refused(to_memory(df, tmp, "c", "sideways").start),
            refused(to_memory(df.groupBy(F.session_window("at", "5 minutes")).count(), tmp, "d", "update").start),
            refused(counts.writeStream.format("parquet").outputMode("complete").option("checkpointLocation", str(tmp / "c")).option("path", str(tmp / "o")).start)]


@case
def operations_that_streams_lack(spark, tmp):
    df = signals(spark, tmp)
    return [refused(to_memory(plan, tmp, f"q{i}", mode).start) for i, (plan, mode) in enumerate([
        (df.orderBy("signal"), "append"),
        (df.groupBy("device").count().limit(1), "update"),
        (df.groupBy("device").count().groupBy("count").count(), "complete"),
        (df.dropDuplicatesWithinWatermark(["device"]), "append"),
        (df.withColumn("r", F.row_number().over(__import__("pyspark").sql.Window.orderBy("signal"))), "append"),
        (df.groupBy("device").agg(F.count_distinct("signal")), "complete"),
        (df.exceptAll(df), "append"),
        (df.intersect(df), "append"),
    ])]


@case
def plans_that_streams_lack(spark, tmp):
    df = signals(spark, tmp)
    df.createOrReplaceTempView("lacking")
    return [refused(lambda: df.groupBy("device").pivot("signal").count().columns)] + [refused(lambda: spark.sql(query).columns) for query in [
        "SELECT (SELECT max(signal) FROM lacking) FROM lacking", "SELECT signal FROM lacking WHERE signal IN (SELECT signal FROM lacking)",
        "SELECT id FROM range(3) WHERE NOT EXISTS (SELECT 1 FROM lacking WHERE signal = id)",
        "SELECT id, m FROM range(3), LATERAL (SELECT max(signal) AS m FROM lacking WHERE signal < id)"]]


@case
def window_functions_of_streams(spark, tmp):
    signals(spark, tmp).createOrReplaceTempView("windowed")

    def named(query):
        try:
            to_memory(spark.sql(query), tmp, "w").start()
        except PySparkException as error:
            given = error.getMessageParameters()
            return [error.getCondition(), given["columnName"], given["windowSpec"]]
    return [named(f"SELECT {chosen} FROM windowed") for chosen in [
        "row_number() OVER (PARTITION BY device ORDER BY signal) AS n", "1 + row_number() OVER (PARTITION BY device ORDER BY signal) AS n",
        "sum(signal) OVER (PARTITION BY device) AS a, count(signal) OVER (ORDER BY signal DESC ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS `b c`",
        "row_number() OVER (ORDER BY signal)"]]


@case
def settings_that_do_not_fit(spark, tmp):
    return [refused(lambda: spark.conf.set(key, value)) for key, value in [
        ("spark.sql.streaming.multipleWatermarkPolicy", "first"), ("spark.sql.streaming.multipleWatermarkPolicy", "MAX"),
        ("spark.sql.transposeMaxValues", "many")]]


@case
def joins_that_streams_lack(spark, tmp):
    df, other = signals(spark, tmp), names(spark)
    more = stream(spark, tmp / "in2", FIRST).withColumnRenamed("signal", "other")
    return [refused(to_memory(plan, tmp, f"j{i}").start) for i, plan in enumerate([
        df.join(other, "device", "right"), df.join(other, "device", "full"), other.join(df, "device", "left"), other.join(df, "device", "full"),
        other.join(df, "device", "left_semi"), df.join(more.drop("at"), "device", "left"), df.join(more.drop("at"), "device", "right"),
        df.join(more.drop("at"), "device", "full"), df.join(more.drop("at"), "device", "left_semi"),
        df.join(more.drop("at"), "device", "left_anti")])]


@case
def a_stream_without_a_schema(spark, tmp):
    put(tmp / "in", FIRST)
    return [refused(lambda: spark.readStream.json(str(tmp / "in")).columns)]


@case
def a_sink_without_a_checkpoint(spark, tmp):
    return refused(lambda: signals(spark, tmp).writeStream.format("parquet").start(str(tmp / "out")))


@case
def formats_that_are_not_there(spark, tmp):
    return [refused(lambda: spark.readStream.format("nowhere").load().columns),
            refused(signals(spark, tmp).writeStream.format("nowhere").option("checkpointLocation", str(tmp / "c")).start)]


@case
def memory_without_a_name(spark, tmp):
    return refused(signals(spark, tmp).writeStream.format("memory").option("checkpointLocation", str(tmp / "c")).start)


@case
def watermarks_that_do_not_fit(spark, tmp):
    df = signals(spark, tmp)
    return [refused(lambda: df.withWatermark("signal", "1 minute").columns), refused(lambda: df.withWatermark("at", "soon").columns),
            refused(lambda: df.withWatermark("nowhere", "1 minute").columns)]


@case
def watermarks_on_fields(spark, tmp):
    df = signals(spark, tmp).select(F.struct("at", "signal").alias("s"), F.array(F.struct("at")).alias("a"), "at").alias("t")
    return [refused(lambda: df.withWatermark(name, "1 minute").columns) for name in ["s.at", "s.signal", "s.nowhere", "a.at", "t.at", "`at`"]]


@case
def partition_column_not_there(spark, tmp):
    return refused(signals(spark, tmp).writeStream.format("json").partitionBy("nowhere").option("checkpointLocation", str(tmp / "c"))
                   .option("path", str(tmp / "o")).start)


@case
def the_folder_is_not_there(spark, tmp):
    return refused(lambda: finished(spark.readStream.schema(SIGNALS).json(str(tmp / "nowhere")).writeStream.format("noop")
                                    .option("checkpointLocation", str(tmp / "c"))))
