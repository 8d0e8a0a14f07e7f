#!/usr/bin/env python3
"""`weir serve`: from process start to the first answered collect, memory, and how fast a query stops.

    ~/.cache/weir/deps/venv-connect/bin/python bench/serve.py [--rounds 5]

  first collect   the client is imported already; the clock runs from the server's start to the rows of spark.range(5).collect()
  idle memory     resident set of the server before any client, after a first query, and after 20 sessions
  cancel          from the call of interruptTag to the moment in which the query's own call has failed

Each figure is the median of the rounds, with the extremes. Nothing here is a test.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parent.parent
WEIR = os.environ.get("WEIR_BINARY", str(ROOT / "build/release/weir"))

from pyspark.sql import functions as F  # noqa: E402
from pyspark.sql.connect.session import SparkSession  # noqa: E402



def again(df, times):
    """The same rows so many times over."""
    whole = df
    for _ in range(times - 1):
        whole = whole.union(df)
    return whole


CANCELLED = {
    "join in DuckDB": lambda spark, folder: spark.sql("SELECT count(*) FROM range(20000000) a JOIN range(1000) b ON a.id % 7 = b.id % 5").collect(),
    "sort in DuckDB": lambda spark, folder: spark.range(40_000_000).select(F.hash("id").alias("h"), "id").orderBy("h", "id").select(F.max("id"), F.sum("h")).collect(),
    "big sort, rows sent": lambda spark, folder: spark.range(40_000_000).orderBy(F.hash("id")).toPandas(),
    "grouping": lambda spark, folder: spark.range(60_000_000).groupBy((F.col("id") * 7919 % 5_000_011).alias("k")).count().agg(F.max("count")).collect(),
    "kernels": lambda spark, folder: spark.range(50_000_000).select(F.sum(F.length(F.regexp_replace(F.sha2(F.col("id").cast("string"), 512), "[a-f]+", "x")))).collect(),
    "scan of JSON": lambda spark, folder: again(spark.read.schema("a long, b string, c double").json(f"{folder}/j"), 30).agg(F.sum("a"), F.max("b")).collect(),
    "scan of Parquet": lambda spark, folder: again(spark.read.parquet(f"{folder}/p"), 60).agg(F.sum(F.length(F.upper("b")))).collect(),
    "write": lambda spark, folder: spark.range(100_000_000).withColumn("x", F.sha2(F.col("id").cast("string"), 256)).write.mode("overwrite").parquet(f"{folder}/out"),
}


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True)
    return {"cpu": cpu.group(1) if cpu else platform.processor(), "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit.stdout.strip(),
            "load": os.getloadavg()[0]}


class Server:
    def __init__(self, folder):
        self.started = time.monotonic()
        self.process = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", folder, "--output", "json"], stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.process.stdout.readline())["address"]

    def megabytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def tell(name, values, unit):
    values = sorted(values)
    print(f"{name:<34} {statistics.median(values):9.3f} {unit}   ({values[0]:.3f} … {values[-1]:.3f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="a regular expression over the cancelled queries' names")
    options = parser.parse_args()
    print(json.dumps(machine()))
    first, ready, before, after, many = [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="weir-serve-") as folder:
        for i in range(options.rounds):
            server = Server(f"{folder}/w{i}")
            ready.append(time.monotonic() - server.started)
            spark = SparkSession.builder.remote(server.address).create()
            assert len(spark.range(5).collect()) == 5
            first.append(time.monotonic() - server.started)
            spark.stop()
            server.stop()
            server = Server(f"{folder}/w{i}")
            time.sleep(0.5)
            before.append(server.megabytes())
            spark = SparkSession.builder.remote(server.address).create()
            spark.range(5).collect()
            time.sleep(0.5)
            after.append(server.megabytes())
            sessions = [SparkSession.builder.remote(server.address).create() for _ in range(20)]
            for session in sessions:
                session.range(5).collect()
            many.append(server.megabytes())
            for session in sessions + [spark]:
                session.stop()
            server.stop()
        tell("start to listening", ready, "s")
        tell("start to first collect", first, "s")
        tell("idle memory", before, "MB")
        tell("memory after a first query", after, "MB")
        tell("memory with 20 sessions", many, "MB")

        server = Server(f"{folder}/w")
        spark = SparkSession.builder.remote(server.address).create()
        rows = spark.range(500_000).select(F.col("id").alias("a"), F.sha2(F.col("id").cast("string"), 256).alias("b"), (F.col("id") / 3).alias("c"))
        rows.write.json(f"{folder}/j")
        rows.write.parquet(f"{folder}/p")
        for name, action in CANCELLED.items():
            if not re.search(options.only, name):
                continue
            took = []
            for i in range(options.rounds):
                outcome = []

                def run():
                    spark.addTag("slow")
                    try:
                        action(spark, folder)
                        outcome.append("it ended by itself")
                    except Exception as error:
                        outcome.append("OPERATION_CANCELED" in str(error) or str(error))

                thread = threading.Thread(target=run)
                thread.start()
                time.sleep(1.0)
                begin = time.monotonic()
                spark.interruptTag("slow")
                thread.join()
                took.append(1000 * (time.monotonic() - begin))
                assert outcome == [True], (name, outcome)
            tell(f"cancel: {name}", took, "ms")
        spark.stop()
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
