#!/usr/bin/env python3
"""Large state: how fast it grows and is updated, what memory it takes, and how long a restart takes until its first batch.

  bench/state.py [--keys 10000000] [--batch 1000000] [--queries dedup,count] [--providers memory,rocksdb]
                 [--memory-mb 256] [--json FILE]

dedup   dropDuplicates("key") over text keys of 16 bytes, all of them new
count   the count by key in update mode: all keys new, then each once more (the second half of the batches)

The source is rate-micro-batch, the sink noop. CPU-seconds are the server's (user + system), start and source included.
"recovery" is a new server's start() to the end of its first batch, of 1,000 rows: `load` is the state's part of it.
RocksDB's caches and buffers are held to --memory-mb; what it said it used comes from the progress' customMetrics.
Nothing here is a test.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import DEPS, WEIR, machine  # noqa: E402


def drive(address, pid, job):
    """In the client's Python: runs the query until it has committed so many batches."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    def cpu():
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(field):
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field + ":"))

    spark = SparkSession.builder.remote(address).getOrCreate()
    if job["provider"] == "rocksdb":
        spark.conf.set("spark.sql.streaming.stateStore.providerClass",
                       "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider")
        spark.conf.set("spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB", str(job["memory_mb"]))
    spark.conf.set("spark.sql.streaming.numRecentProgressUpdates", "1000")
    rows = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", job["rows"]).load()
    number = F.col("value") % job["keys"] if job["query"] == "count" else F.col("value")
    rows = rows.select(F.concat(F.lit("key-"), F.lpad(number.cast("string"), 12, "0")).alias("key"))
    rows = rows.dropDuplicates(["key"]) if job["query"] == "dedup" else rows.groupBy("key").count()
    started, used = time.monotonic(), cpu()
    query = (rows.writeStream.format("noop").outputMode("append" if job["query"] == "dedup" else "update")
             .option("checkpointLocation", job["checkpoint"]).trigger(processingTime="0 seconds").start())
    seen, peak = [], 0
    while len(seen) < job["batches"]:
        time.sleep(0.02)
        if query.exception() is not None:
            raise query.exception()
        seen = query.recentProgress
        peak = max(peak, memory("VmRSS"))
    wall, used = time.monotonic() - started, cpu() - used
    query.stop()
    operators = [p["stateOperators"][0] for p in seen]
    print(json.dumps({"wall": wall, "cpu": used, "rows": sum(p["numInputRows"] for p in seen), "peak": memory("VmHWM"),
                      "state_rows": operators[-1]["numRowsTotal"], "said": operators[-1]["memoryUsedBytes"] / 2**20,
                      "custom": operators[-1]["customMetrics"],
                      "used_max": max(o["customMetrics"].get("rocksdbMemoryUsedBytes", 0) for o in operators) / 2**20,
                      "batch": [p["batchDuration"] for p in seen]}))


def run(job, folder):
    server = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", os.path.join(folder, "warehouse"),
                               "--threads", "2", "--output", "json"], stdout=subprocess.PIPE, text=True)
    try:
        address = json.loads(server.stdout.readline())["address"]
        out = subprocess.run([os.path.join(DEPS, "venv-connect", "bin", "python"), os.path.abspath(__file__), "--drive", address,
                              str(server.pid), json.dumps(job)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if out.returncode != 0:
            sys.exit(out.stderr[-3000:])
        return json.loads(out.stdout.splitlines()[-1])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=1_000_000)
    parser.add_argument("--queries", default="dedup,count")
    parser.add_argument("--providers", default="memory,rocksdb")
    parser.add_argument("--memory-mb", type=int, default=256)
    parser.add_argument("--json")
    options = parser.parse_args()
    lines = []
    print(json.dumps({"machine": machine(), "load": os.getloadavg(), "keys": options.keys}), flush=True)
    for query in options.queries.split(","):
        for provider in options.providers.split(","):
            folder = tempfile.mkdtemp(prefix="weir-state-")
            try:
                batches = options.keys // options.batch * (2 if query == "count" else 1)
                job = {"query": query, "provider": provider, "keys": options.keys, "rows": options.batch, "batches": batches,
                       "memory_mb": options.memory_mb, "checkpoint": os.path.join(folder, "c")}
                line = {"query": query, "provider": provider, **run(job, folder)}
                again = run({**job, "rows": 1000, "batches": 1}, folder)
                line |= {"recovery": again["wall"], "recovery_cpu": again["cpu"], "load_ms": again["custom"]["loadMs"],
                         "recovery_peak": again["peak"], "load_average": os.getloadavg()[0]}
                lines.append(line)
                print(json.dumps(line), flush=True)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{'query':8} {'provider':9} {'keys':>11} {'rows/CPU-s':>11} {'wall s':>7} {'peak MB':>8} {'state MB':>9} {'RocksDB MB':>10} "
          f"{'recovery s':>10} {'load s':>7}")
    for line in lines:
        print(f"{line['query']:8} {line['provider']:9} {line['state_rows']:11,} {line['rows'] / line['cpu']:11,.0f} {line['wall']:7.1f} "
              f"{line['peak']:8.0f} {line['said']:9.0f} {line['used_max']:10.0f} {line['recovery']:10.2f} {line['load_ms'] / 1000:7.2f}")
    if options.json:
        with open(options.json, "a") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--drive":
        drive(sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))
    else:
        main()
