"""Structured Streaming from files: sources, sinks, restarts, foreach. Batches are files, taken one at a time."""
import datetime
import json
import os
import pathlib

from pyspark.sql import functions as F
from pyspark.sql import types as T
from recording import case, printed

SIGNALS = "device string, signal int, at timestamp"
FIRST = [("a", 10, 0), ("b", 20, 60), ("a", 30, 120)]
SECOND = [("b", 5, 300), ("c", 40, 360)]
THIRD = [("a", 50, 1200), ("c", 16, 1260)]


def moment(seconds):
    return (datetime.datetime(2024, 3, 10, 9, 0) + datetime.timedelta(seconds=seconds)).isoformat() + "Z"


def put_lines(folder, lines, ending="json"):
    """One more file of the stream, newer than those before it."""
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    file = folder / f"part-{number:03}.{ending}"
    hidden = folder.parent / f".{folder.name}-{number}"
    hidden.write_text("".join(line + "\n" for line in lines))
    os.utime(hidden, (1_700_000_000 + number, 1_700_000_000 + number))
    hidden.rename(file)


def put(folder, rows):
    put_lines(folder, [json.dumps({"device": d, "signal": s, "at": moment(t)}) for d, s, t in rows])


def stream(spark, folder, *batches, schema=SIGNALS, rows=put):
    for batch in batches:
        rows(folder, batch)
    return spark.readStream.schema(schema).option("maxFilesPerTrigger", 1).json(str(folder))


def signals(spark, tmp, *batches):
    return stream(spark, tmp / "in", *(batches or (FIRST, SECOND, THIRD)))


def finished(writer):
    """Starts a query that ends by itself, and waits for it."""
    query = writer.trigger(availableNow=True).start()
    query.awaitTermination()
    return query


def in_memory(spark, tmp, df, mode="append", name="streamed"):
    """All rows that a query has given, batch by batch."""
    finished(df.writeStream.format("memory").queryName(name).outputMode(mode).option("checkpointLocation", str(tmp / f"checkpoint-{name}")))
    return spark.table(name)


def batches(query):
    return [p["batchId"] for p in query.recentProgress]


@case
def a_stream_is_not_read_before_it_starts(spark, tmp):
    (tmp / "in").mkdir()
    df = signals(spark, tmp).select("device", "signal").where("signal > 15")
    return [df.isStreaming, df.columns, df.schema, spark.range(1).isStreaming]


@case
def json_folder_to_memory(spark, tmp):
    return in_memory(spark, tmp, signals(spark, tmp).select("device", "signal").where("signal > 15"))


@case
def one_file_a_batch(spark, tmp):
    query = finished(signals(spark, tmp).writeStream.format("noop").option("checkpointLocation", str(tmp / "c")))
    return [batches(query), query.lastProgress["sink"]["numOutputRows"], query.isActive]


@case
def all_files_in_one_batch_by_once(spark, tmp):
    df = signals(spark, tmp)
    query = df.writeStream.format("noop").option("checkpointLocation", str(tmp / "c")).trigger(once=True).start()
    query.awaitTermination()
    return batches(query)


@case
def csv_with_header(spark, tmp):
    for lines in (["id,name", "1,Ann", "2,Bob"], ["id,name", "3,"]):
        put_lines(tmp / "in", lines, "csv")
    return in_memory(spark, tmp, spark.readStream.schema("id int, name string").option("header", True).csv(str(tmp / "in")))


@case
def text_lines(spark, tmp):
    put_lines(tmp / "in", ["one two", "two"], "txt")
    put_lines(tmp / "in", ["three two one"], "txt")
    words = spark.readStream.text(str(tmp / "in")).select(F.explode(F.split("value", " ")).alias("word"))
    return in_memory(spark, tmp, words.groupBy("word").count(), "complete")


@case
def parquet_source(spark, tmp):
    spark.range(10).selectExpr("id", "id % 3 AS k").coalesce(1).write.parquet(str(tmp / "in"))
    return in_memory(spark, tmp, spark.readStream.schema("id long, k long").parquet(str(tmp / "in")).where("k = 1"))


@case
def load_with_format_and_options(spark, tmp):
    put(tmp / "in", FIRST)
    df = spark.readStream.format("json").schema(SIGNALS).options(maxFilesPerTrigger=1, multiLine=False).load(str(tmp / "in"))
    return in_memory(spark, tmp, df)


@case
def lines_that_are_not_json(spark, tmp):
    put_lines(tmp / "in", ['{"device": "a", "signal": 1}', "not json", '{"device": "b", "signal": "x"}'])
    return in_memory(spark, tmp, spark.readStream.schema("device string, signal int").json(str(tmp / "in")))


@case
def to_parquet_folder(spark, tmp):
    df = signals(spark, tmp).select("device", "signal").where("signal > 15")
    finished(df.writeStream.format("parquet").option("path", str(tmp / "out")).option("checkpointLocation", str(tmp / "c")))
    metadata = sorted(f.name for f in (tmp / "out/_spark_metadata").iterdir() if not f.name.startswith("."))
    return [metadata, spark.read.parquet(str(tmp / "out")).orderBy("signal").collect()]


@case
def to_json_partitioned(spark, tmp):
    df = signals(spark, tmp).select("device", "signal")
    query = (df.writeStream.format("json").partitionBy("device").option("checkpointLocation", str(tmp / "c"))
             .trigger(availableNow=True).start(str(tmp / "out")))
    query.awaitTermination()
    folders = sorted(f.name for f in (tmp / "out").iterdir() if not f.name.startswith((".", "_")))
    return [folders, spark.read.json(str(tmp / "out")).orderBy("signal").collect()]


@case
def rate_has_a_schema(spark, tmp):
    df = spark.readStream.format("rate").option("rowsPerSecond", 3).load()
    return [df.schema, df.isStreaming]


@case
def rate_in_batches(spark, tmp):
    df = (spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 5).option("numPartitions", 1)
          .option("startTimestamp", 1_600_000_000_000).option("advanceMillisPerBatch", 1000).load())
    return in_memory(spark, tmp, df)


@case
def console(spark, tmp):
    query = finished(signals(spark, tmp).writeStream.format("console").option("numRows", 2).option("truncate", False)
                     .option("checkpointLocation", str(tmp / "c")))
    return [batches(query), query.exception()]


@case
def restart_goes_on_where_it_was(spark, tmp):
    path = str(tmp / "table")

    def run():
        df = spark.readStream.schema(SIGNALS).json(str(tmp / "in"))
        return finished(df.writeStream.format("parquet").option("path", path).option("checkpointLocation", str(tmp / "c")))

    put(tmp / "in", FIRST)
    one = run()
    put(tmp / "in", SECOND)
    two = run()
    three = run()
    return [one.id == two.id == three.id, len({one.runId, two.runId, three.runId}), batches(one), batches(two),
            sorted(r.signal for r in spark.read.parquet(path).collect())]


@case
def restart_keeps_the_state(spark, tmp):
    def run():
        df = spark.readStream.schema(SIGNALS).json(str(tmp / "in")).groupBy("device").agg(F.sum("signal").alias("total"))
        query = finished(df.writeStream.format("memory").queryName("totals").outputMode("complete").option("checkpointLocation", str(tmp / "c")))
        assert query.exception() is None
        return sorted(tuple(r) for r in spark.table("totals").collect())

    put(tmp / "in", FIRST)
    one = run()
    put(tmp / "in", SECOND)
    return [one, run()]


@case
def temp_view_of_a_stream(spark, tmp):
    signals(spark, tmp).createOrReplaceTempView("cases_stream_view")
    df = spark.sql("SELECT device, count(*) AS n, max(signal) AS most FROM cases_stream_view WHERE signal > 9 GROUP BY device")
    return [df.isStreaming, sorted(tuple(r) for r in in_memory(spark, tmp, df, "complete").collect())]


@case
def two_streams_of_one_source(spark, tmp):
    df = signals(spark, tmp).select("device", "signal")
    low = in_memory(spark, tmp, df.where("signal < 20"), name="low")
    high = in_memory(spark, tmp, df.where("signal >= 20"), name="high")
    return [sorted(r.signal for r in low.collect()), sorted(r.signal for r in high.collect())]


@case
def foreach_row(spark, tmp):
    folder = str(tmp / "rows")
    pathlib.Path(folder).mkdir()
    pathlib.Path(folder).chmod(0o777)

    def write(row):
        pathlib.Path(folder, f"{row.device}-{row.signal}").write_text(str(row.asDict()["signal"] + 1))

    query = finished(signals(spark, tmp).select("device", "signal").writeStream.foreach(write).option("checkpointLocation", str(tmp / "c")))
    assert query.exception() is None, query.exception()
    return [[f.name, f.read_text()] for f in sorted(pathlib.Path(folder).iterdir())]


@case
def foreach_object(spark, tmp):
    folder = str(tmp / "rows")
    pathlib.Path(folder).mkdir()
    pathlib.Path(folder).chmod(0o777)

    class Writer:
        def open(self, partition, epoch):
            self.rows, self.epoch = [], epoch
            return epoch != 1

        def process(self, row):
            self.rows.append(list(row))

        def close(self, error):
            if self.rows:
                pathlib.Path(folder, str(self.epoch)).write_text(json.dumps([sorted(self.rows), error]))

    query = finished(signals(spark, tmp).select("signal", "device").writeStream.foreach(Writer()).option("checkpointLocation", str(tmp / "c")))
    assert query.exception() is None, query.exception()
    return [[f.name, f.read_text()] for f in sorted(pathlib.Path(folder).iterdir())]


@case
def python_function_on_a_stream(spark, tmp):
    shout = F.udf(lambda d, s: f"{d.upper()}{s}", "string")
    return in_memory(spark, tmp, signals(spark, tmp).select(shout("device", "signal").alias("word")))


@case
def explain_of_a_stream(spark, tmp):
    text = printed(lambda: signals(spark, tmp).groupBy("device").count().explain())
    return "Physical Plan" in text


@case
def schema_inference_by_setting(spark, tmp):
    put_lines(tmp / "in", ['{"a": 1, "b": "x"}', '{"a": 2}'])
    spark.conf.set("spark.sql.streaming.schemaInference", "true")
    return in_memory(spark, tmp, spark.readStream.json(str(tmp / "in")))


@case
def struct_schema(spark, tmp):
    put_lines(tmp / "in", ['{"time": 1469501107, "action": "Open"}', '{"time": 1469501147, "action": "Close"}'])
    schema = T.StructType([T.StructField("time", T.TimestampType(), True), T.StructField("action", T.StringType(), True)])
    df = spark.readStream.schema(schema).json(str(tmp / "in"))
    return in_memory(spark, tmp, df.select(df.action, df.time))
