"""The streaming queries of bench/streaming.py, run in the engine's own client: one JSON line a run.

  streaming_queries.py connect sc://HOST:PORT PID JOB     a Spark Connect server; CPU-seconds of process PID
  streaming_queries.py spark JARS 0 JOB                   Spark local[2] in this process
"""
import json
import os
import resource
import shutil
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

kind, where, pid, job = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])

if kind == "connect":
    spark = SparkSession.builder.remote(where).getOrCreate()
else:
    spark = (SparkSession.builder.master("local[2]").config("spark.jars", where)
             .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
             .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
             .config("spark.driver.memory", "4g").config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.driver.host", "127.0.0.1").config("spark.ui.enabled", "false")
             .config("spark.databricks.delta.snapshotPartitions", "2").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    pid = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
spark.conf.set("spark.sql.shuffle.partitions", "2")
spark.conf.set("spark.sql.session.timeZone", "UTC")


def cpu():
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    if kind == "spark":
        own = resource.getrusage(resource.RUSAGE_SELF)
        used += own.ru_utime + own.ru_stime
    return used


def events(topic=job["topic"]):
    return (spark.readStream.format("kafka").option("kafka.bootstrap.servers", job["bootstrap"]).option("subscribe", topic)
            .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", job["per_trigger"]).load()
            .select(F.from_json(F.col("value").cast("string"), job["schema"]).alias("e")).select("e.*"))


def files():
    return spark.readStream.schema(job["schema"]).json(job["files"])


def windowed(rows):
    return (rows.withWatermark("createdAt", "10 seconds").groupBy(F.window("createdAt", "1 minute"), "deviceId")
            .agg(F.count("*").alias("events"), F.avg("value").alias("average")))


def window():
    return windowed(events()), "update"


def window_files():
    return windowed(files()), "update"


def dedup():
    return events().withWatermark("createdAt", "10 seconds").dropDuplicatesWithinWatermark(["eventId"]), "append"


def join():
    left = events().select("eventId", "deviceId", "createdAt", "value").withWatermark("createdAt", "10 seconds")
    right = (events(job["copies"]).select(F.col("eventId").alias("rightId"), F.col("createdAt").alias("rightTime"), F.col("type"))
             .withWatermark("rightTime", "10 seconds"))
    return left.join(right, F.expr("eventId = rightId AND rightTime BETWEEN createdAt - INTERVAL 5 SECONDS "
                                   "AND createdAt + INTERVAL 5 SECONDS")), "append"


def session():
    return (events().withWatermark("createdAt", "10 seconds").groupBy(F.session_window("createdAt", "5 seconds"), "deviceId", "type")
            .agg(F.count("*").alias("events"))), "append"


QUERIES = {f.__name__: f for f in (window, window_files, dedup, join, session)}

for name in job["queries"]:
    for run in range(job["runs"]):
        folder = os.path.join(job["folder"], kind, name)
        shutil.rmtree(folder, True)
        before, started = cpu(), time.monotonic()
        rows, mode = QUERIES[name]()
        to = rows.writeStream.outputMode(mode).option("checkpointLocation", folder + "/checkpoint").trigger(availableNow=True)
        # Delta takes no updates: windows in update mode go nowhere, the work is the state's.
        query = to.format("noop").start() if mode == "update" else to.format("delta").start(folder + "/table")
        query.awaitTermination()
        line = {"query": name, "run": run, "start": before if run == 0 else 0, "cpu": cpu() - before, "wall": time.monotonic() - started, "error": None}
        if query.exception() is not None:
            line["error"] = str(query.exception())[:500]
        elif mode == "append":
            line["rows"] = spark.read.format("delta").load(folder + "/table").count()
        with open(f"/proc/{pid}/status") as f:
            line["peak"] = next(int(text.split()[1]) / 1024 for text in f if text.startswith("VmHWM"))
        print(json.dumps(line), flush=True)
