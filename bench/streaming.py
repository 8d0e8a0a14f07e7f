#!/usr/bin/env python3
"""Stateful streaming from Kafka and files: weir serve, Spark local[2] with the same PySpark code, Flink with the same in SQL.

  bench/streaming.py [--events 400000] [--rounds 3] [--engines weir,spark,flink,duckdb]
                     [--queries window,window_files,dedup,join,session] [--json FILE]

window        Kafka JSON (about 940 bytes an event) -> 1-minute window by device, update mode, noop sink
window_files  the same from JSON files; DuckDB: the same as one batch query
dedup         dropDuplicatesWithinWatermark(eventId) -> Delta, all columns
join          two topics joined by eventId and a time range of 5 s either way -> Delta
session       session windows of 5 s by device and type -> Delta

All engines have two threads, two shuffle partitions or slots where they count, a watermark 10 s behind, and read what
`weir simulate` made out of a weir hub: 900 events a second of event time. A query is its run over all events, restart to
end: availableNow, for Flink (`./dev setup bench` installs it) one bounded by the topics' ends, in a mini cluster with a
checkpoint every 5 s. Flink has no Delta sink here: its results are Parquet files, windows included; it gives windows and
sessions when the watermark closes them, and at the end all that are open, of which `rows` counts sessions that were closed.
CPU-seconds are user + system of the process that runs the queries, the client's not counted for weir. The first run of a
query in a fresh JVM, its start included, is "cold", the median of the others "warm". Nothing here is a test.
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


def drive(environment, script, *arguments):
    out = subprocess.run([os.path.join(DEPS, environment, "bin", "python"), os.path.join(ROOT, "bench", script), *arguments],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"})
    if out.returncode != 0:
        print(out.stderr[-3000:], file=sys.stderr)
    return [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]


def run_weir(job):
    server = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", os.path.join(job["folder"], "warehouse"),
                               "--threads", "2", "--output", "json"], stdout=subprocess.PIPE, text=True)
    try:
        address = json.loads(server.stdout.readline())["address"]
        return drive("venv-connect", "streaming_queries.py", "connect", address, str(server.pid), json.dumps(job))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def run_spark(job):
    jars = ",".join(sorted(glob.glob(os.path.join(DEPS, "jars", "spark", "*.jar"))))
    return drive("venv-spark", "streaming_queries.py", "spark", jars, "0", json.dumps(job))


def run_flink(job):
    jars = sorted(glob.glob(os.path.join(DEPS, "jars", "flink", "*.jar")))
    if not jars:
        raise SystemExit("Flink is not installed: ./dev setup bench, or --engines without flink")
    if job["queries"] == ["window_files"]:
        return []
    # py4j, and what Parquet wants of Hadoop.
    pyspark = os.path.join(DEPS, "venv-spark", "lib", "python3*", "site-packages", "pyspark", "jars")
    jars += [path for name in ("py4j-*", "hadoop-client-api-*", "hadoop-client-runtime-*") for path in glob.glob(os.path.join(pyspark, name))]
    lines = drive("venv-spark", "flink_queries.py", ",".join(jars), json.dumps(job))
    for line in lines:
        if not line["error"]:
            # Of sessions those that the watermark, 10 s behind, had closed: a session ends 5 s behind its last event.
            closed = " WHERE window_end <= (SELECT max(window_end) FROM r) - INTERVAL 15 SECOND" if line["query"] == "session" else ""
            line["rows"] = int(duckdb(f"WITH r AS (FROM read_parquet('{line['table']}/**/[!.]*')) SELECT count(*) FROM r{closed}"))
    return lines


def duckdb(query):
    """The one value that DuckDB answers."""
    code = "import duckdb, sys; print(duckdb.connect().sql(sys.argv[1]).fetchone()[0])"
    return subprocess.run([os.path.join(DEPS, "venv", "bin", "python"), "-c", code, query], stdout=subprocess.PIPE, text=True, check=True).stdout


def run_duckdb(job):
    """The batch answer of window_files by DuckDB, of the columns that the query uses."""
    code = f"""
import duckdb, json, resource, time
c = duckdb.connect(); c.execute("set threads=2")
for run in range({job["runs"]}):
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    rows = c.execute("SELECT time_bucket(INTERVAL 1 MINUTE, createdAt) w, deviceId, count(*), avg(value) FROM read_json({job["files"] + "/**/*.json"!r}, "
              "format='newline_delimited', columns={{createdAt:'TIMESTAMP',deviceId:'VARCHAR',value:'DOUBLE'}}) GROUP BY ALL").fetchall()
    now = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(dict(query="window_files", run=run, cpu=now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
                          wall=time.monotonic() - started, error=None, rows=len(rows), peak=now.ru_maxrss / 1024)))
"""
    if job["queries"] != ["window_files"]:
        return []
    out = subprocess.run([os.path.join(DEPS, "venv", "bin", "python"), "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


ENGINES = {"weir": run_weir, "spark": run_spark, "flink": run_flink, "duckdb": run_duckdb}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="weir,spark,flink,duckdb")
    parser.add_argument("--queries", default="window,window_files,dedup,join,session")
    parser.add_argument("--per-trigger", type=int, default=200_000, help="maxOffsetsPerTrigger")
    parser.add_argument("--json")
    options = parser.parse_args()
    lines = []
    print(json.dumps({"machine": machine(), "events": options.events, "rounds": options.rounds}), flush=True)
    with tempfile.TemporaryDirectory() as folder, weir_hub(folder, "--topic", f"{TOPIC}:4", "--topic", f"{COPIES}:4") as bootstrap:
        simulated = ["--rate", "0", "--count", str(options.events), "--seed", "42", "--event-time-rate", "900"]
        for topic in (TOPIC, COPIES):
            weir("simulate", "--bootstrap", bootstrap, "--topic", topic, *simulated)
        weir("simulate", "--sink", "files", os.path.join(folder, "files"), *simulated)
        job = {"bootstrap": bootstrap, "topic": TOPIC, "copies": COPIES, "files": os.path.join(folder, "files"), "schema": SCHEMA,
               "folder": folder, "per_trigger": options.per_trigger}
        for query in options.queries.split(","):
            for engine in options.engines.split(","):
                jvm = engine in ("spark", "flink")
                runs = options.rounds + jvm
                for line in ENGINES[engine]({**job, "queries": [query], "runs": runs}):
                    line["engine"] = engine
                    if jvm:
                        line["engine"] += " cold" if line["run"] == 0 else " warm"
                        line["cpu"] += line["start"]
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
