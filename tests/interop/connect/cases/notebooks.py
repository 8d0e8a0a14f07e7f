"""Cells of notebooks as they are written for a cluster: device events in files, a Delta table, windows, time travel."""
import datetime
import json

from pyspark.sql.functions import *  # noqa: F403  as notebooks do
from pyspark.sql.types import *  # noqa: F403
from recording import InOrder, case

SCHEMA = StructType([
    StructField("deviceId", StringType(), False),
    StructField("temperature", DoubleType(), False),
    StructField("humidity", DoubleType(), False),
    StructField("pressure", DoubleType(), True),
    StructField("timestamp", TimestampType(), False),
])


def reading(i):
    moment = datetime.datetime(2024, 3, 10, 9, 58) + datetime.timedelta(seconds=37 * i)
    event = {"deviceId": f"contoso-device-id-{i % 3:06}", "temperature": 20 + (i * 7 % 11) / 4, "humidity": 40 + i % 5,
             "timestamp": moment.isoformat() + "Z"}
    if i % 4:
        event["pressure"] = 1000 + i / 8
    return event


def bodies(spark):
    rows = [(json.dumps(reading(i)), datetime.datetime(2024, 3, 10, 12, 0, i)) for i in range(24)]
    rows += [("not json", datetime.datetime(2024, 3, 10, 12, 1)), ('{"deviceId": 5, "temperature": "x"}', datetime.datetime(2024, 3, 10, 12, 2))]
    return spark.createDataFrame(rows, "text string, enqueuedTime timestamp").select(col("text").cast("binary").alias("body"), "enqueuedTime")


def parsed(spark):
    return (bodies(spark)
            .select(from_json(col("body").cast("string"), SCHEMA).alias("data"), col("enqueuedTime").alias("eventHubTimestamp"))
            .select("data.*", "eventHubTimestamp"))


def aggregated(frame):
    return (frame
            .withWatermark("timestamp", "10 minutes")
            .groupBy(col("deviceId"), window(col("timestamp"), "5 minutes"))
            .agg(avg("temperature").alias("avg_temperature"), max("temperature").alias("max_temperature"),
                 min("temperature").alias("min_temperature"), avg("humidity").alias("avg_humidity"), count("*").alias("event_count"))
            .select(col("deviceId"), col("window.start").alias("window_start"), col("window.end").alias("window_end"),
                    col("avg_temperature"), col("max_temperature"), col("min_temperature"), col("avg_humidity"), col("event_count")))


def write_events(tmp):
    folder = tmp / "events"
    folder.mkdir()
    for file in range(5):
        lines = [json.dumps({"time": 1469501107 + 900 * (file * 20 + i), "action": "Open" if (file + i) % 3 else "Close"}) for i in range(20)]
        (folder / f"file-{file}.json").write_text("\n".join(lines) + "\n")
    return str(folder)


def hourly_counts(spark, tmp):
    schema = StructType([StructField("time", TimestampType(), True), StructField("action", StringType(), True)])
    events = spark.read.schema(schema).json(write_events(tmp))
    return events.groupBy(events.action, window(events.time, "1 hour")).count()


@case
def events_parsed(spark, tmp):
    return parsed(spark)


@case
def events_schema(spark, tmp):
    return parsed(spark).schema.json()


@case
def five_minute_windows(spark, tmp):
    return aggregated(parsed(spark))


@case
def anomalies_by_condition(spark, tmp):
    scored = parsed(spark).withColumn("anomaly_score", (col("temperature") - 20) / 3)
    flagged = scored.withColumn("is_anomaly", when(col("anomaly_score") > 0.8, True).otherwise(False))
    return flagged.filter(col("is_anomaly") == True).select("deviceId", "temperature", "anomaly_score", "is_anomaly")  # noqa: E712


@case
def signals_above_fifteen(spark, tmp):
    path = tmp / "source.json"
    path.write_text("\n".join(json.dumps({"device": f"d{i % 3}", "signal": i * 3, "type": "CO2" if i % 2 else "TEMP"}) for i in range(12)))
    result = spark.read.format("json").load(str(path)).select("device", "signal").where("signal > 15")
    result.write.format("parquet").save(str(tmp / "dest"))
    return spark.read.parquet(str(tmp / "dest"))


@case
def counting_everything(spark, tmp):
    return parsed(spark).agg(count("*"))


@case
def hourly_counts_of_actions(spark, tmp):
    return hourly_counts(spark, tmp)


@case
def hourly_counts_by_sql(spark, tmp):
    hourly_counts(spark, tmp).createOrReplaceTempView("counts")
    return InOrder(spark.sql("""
        SELECT
         action
        ,date_format(window.end, "MMM-dd HH:mm") as time
        ,count
        FROM counts
        ORDER BY time, action"""))


@case
def delta_table_written_twice_and_read(spark, tmp):
    path = str(tmp / "sensor_data")
    parsed(spark).limit(10).write.format("delta").mode("append").save(path)
    parsed(spark).withColumn("site", lit("north")).write.format("delta").mode("append").option("mergeSchema", "true").save(path)
    return spark.read.format("delta").load(path).groupBy("site").agg(count("*").alias("rows"))


@case
def delta_version_as_of(spark, tmp):
    path = str(tmp / "sensor_data")
    parsed(spark).limit(7).write.format("delta").save(path)
    parsed(spark).write.format("delta").mode("append").save(path)
    return [spark.read.format("delta").option("versionAsOf", version).load(path).count() for version in (0, 1)]


@case
def delta_by_path_in_sql(spark, tmp):
    path = str(tmp / "events")
    aggregated(parsed(spark)).write.format("delta").save(path)
    return spark.sql(f"SELECT deviceId, sum(event_count) AS n FROM delta.`{path}` GROUP BY deviceId LIMIT 100")


@case
def rows_and_partitions(spark, tmp):
    frame = parsed(spark).repartition(16, "deviceId")
    return frame.groupBy(spark_partition_id().alias("p")).count().agg(sum("count"))


@case
def enqueued_time_by_pattern(spark, tmp):
    frame = spark.createDataFrame([("5/16/2019 5:16:40 PM",), ("12/1/2019 1:02:03 AM",)], "EnqueuedTimeUtc string")
    return frame.select(to_timestamp("EnqueuedTimeUtc", "M/d/y h:mm:ss a").alias("enqueuedAt"))


@case
def body_decoded(spark, tmp):
    return bodies(spark).select(from_json(decode("body", "UTF-8"), "deviceId STRING, pressure DOUBLE").alias("b")).select(col("b.*"))


@case
def is_streaming(spark, tmp):
    return parsed(spark).isStreaming


@case
def not_a_python_call(spark, tmp):
    try:
        parsed(spark).groupByKey(lambda row: row.deviceId)
    except TypeError as error:
        return str(error)
