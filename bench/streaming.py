#!/usr/bin/env python3
"""Stateful streaming from Kafka and files: weir serve against Spark local[2], the same PySpark code.

  bench/streaming.py [--events 400000] [--rounds 3] [--engines weir,spark,duckdb] [--queries window,window_files,dedup,join,session]
                     [--json FILE]

window        Kafka JSON (about 940 bytes an event) -> 1-minute window by device, update mode, noop sink
window_files  the same from JSON files; DuckDB: the same as one batch query
dedup         dropDuplicatesWithinWatermark(eventId) -> Delta, all columns
join          two topics joined by eventId and a time range of 5 s either way -> Delta
session       session windows of 5 s by device -> Delta

Both engines have two threads, two shuffle partitions where they count, and read what `weir simulate` made out of a weir hub.
CPU-seconds are user + system of the process that runs the queries, the client's not counted for weir. Spark's first run of a
query is "cold" (JIT, without the JVM's start), the median of the others "warm". A query is its availableNow run over all
events, restart to end. Nothing here is a test.
"""
import argparse
import glob
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import DEPS, ROOT, WEIR, machine  # noqa: E402
from weir_programs import TOPIC, weir, weir_hub  # noqa: E402

SCHEMA = "eventId STRING, value DOUBLE, deviceId STRING, deviceSequenceNumber BIGINT, type STRING, createdAt TIMESTAMP"
COPIES = "copies"


def drive(environment, kind, where, pid, job):
    out = subprocess.run([os.path.join(DEPS, environment, "bin", "python"), os.path.join(ROOT, "bench", "streaming_queries.py"),
                          kind, where, str(pid), json.dumps(job)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"})
    if out.returncode != 0:
        print(out.stderr[-3000:], file=sys.stderr)
    return [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]


def run_weir(job):
    server = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", os.path.join(job["folder"], "warehouse"),
                               "--threads", "2", "--output", "json"], stdout=subprocess.PIPE, text=True)
    try:
        return drive("venv-connect", "connect", json.loads(server.stdout.readline())["address"], server.pid, job)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def run_spark(job):
    return drive("venv-spark", "spark", ",".join(sorted(glob.glob(os.path.join(DEPS, "jars", "spark", "*.jar")))), 0, job)


def run_duckdb(job):
    """The batch answer of window_files by DuckDB, of the columns that the query uses."""
    code = f"""
import duckdb, json, resource, time
c = duckdb.connect(); c.execute("set threads=2")
for run in range({job["runs"]}):
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    c.execute("SELECT time_bucket(INTERVAL 1 MINUTE, createdAt) w, deviceId, count(*), avg(value) FROM read_json({job["files"] + "/**/*.json"!r}, "
              "format='newline_delimited', columns={{createdAt:'TIMESTAMP',deviceId:'VARCHAR',value:'DOUBLE'}}) GROUP BY ALL").fetchall()
    now = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(dict(query="window_files", run=run, cpu=now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
                          wall=time.monotonic() - started, error=None, peak=now.ru_maxrss / 1024)))
"""
    if job["queries"] != ["window_files"]:
        return []
    out = subprocess.run([os.path.join(DEPS, "venv", "bin", "python"), "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


ENGINES = {"weir": run_weir, "spark": run_spark, "duckdb": run_duckdb}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="weir,spark,duckdb")
    parser.add_argument("--queries", default="window,window_files,dedup,join,session")
    parser.add_argument("--per-trigger", type=int, default=200_000, help="maxOffsetsPerTrigger")
    parser.add_argument("--json")
    options = parser.parse_args()
    lines = []
    print(json.dumps({"machine": machine(), "events": options.events, "rounds": options.rounds}), flush=True)
    with tempfile.TemporaryDirectory() as folder, weir_hub(folder, "--topic", f"{TOPIC}:4", "--topic", f"{COPIES}:4") as bootstrap:
        simulated = ["--rate", "0", "--count", str(options.events), "--seed", "42"]
        for topic in (TOPIC, COPIES):
            weir("simulate", "--bootstrap", bootstrap, "--topic", topic, *simulated)
        weir("simulate", "--sink", "files", os.path.join(folder, "files"), *simulated)
        job = {"bootstrap": bootstrap, "topic": TOPIC, "copies": COPIES, "files": os.path.join(folder, "files"), "schema": SCHEMA,
               "folder": folder, "per_trigger": options.per_trigger}
        for query in options.queries.split(","):
            for engine in options.engines.split(","):
                runs = options.rounds + (engine == "spark")
                for line in ENGINES[engine]({**job, "queries": [query], "runs": runs}):
                    line["engine"] = engine
                    if engine == "spark":
                        line["engine"] += " cold" if line["run"] == 0 else " warm"
                    lines.append(line)
                    print(json.dumps(line), flush=True)
    groups = {}
    for line in lines:
        groups.setdefault((line["query"], line["engine"]), []).append(line)
    print(f"\n{'query':14} {'engine':12} {'rows/CPU-s':>12} {'CPU s':>8} {'wall s':>8} {'peak MB':>8} {'rows':>9}")
    for (query, engine), runs in groups.items():
        events = options.events * (2 if query == "join" else 1)
        failed = next((run["error"] for run in runs if run["error"]), None)
        used, wall, peak = (statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "peak"))
        print(f"{query:14} {engine:12} {events / used:12,.0f} {used:8.2f} {wall:8.2f} {peak:8.0f} {runs[-1].get('rows', '')!s:>9}"
              + (f"  FAILED: {failed}" if failed else ""))
    if options.json:
        with open(options.json, "a") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    main()
