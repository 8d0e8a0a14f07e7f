#!/usr/bin/env python3
"""weir's benchmarks: each prints rows and MB per CPU-second and peak memory, as JSON lines and as a table.

  bench/run.py [CASE ...] [--rounds 3] [--events 400000] [--json FILE] [--no-peers]

cases
  json      JSON decode to Arrow: all columns and 3; peers: simdjson's own parse, DuckDB's reader
  parquet   Parquet encode of the events
  ingest    Kafka -> JSON -> Delta, all columns, exactly once; peers: Spark local[2] cold and warm, DuckDB files -> Parquet
  fetch     our fetch client; peer: librdkafka
  hub       produce with acks=all and fetch: CPU of the broker; peer: Apache Kafka, equal and default flush policies
  latency   a batch of 100 events with trigger 0 s: offset log to commit log
  memory    peak memory while ingesting 10,000 events a second
  startup   from process start to the first row visible in Delta
  commits   commit time over an hour's worth of 1 s triggers

Rounds are interleaved with the peer's. CPU-seconds are user + system of the whole process tree. Nothing here is a test.
Needs the release build and everything that ./dev test installs (./dev bench does that).
"""
import argparse
import contextlib
import glob
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEPS = os.environ.get("WEIR_DEPS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir", "deps")
BUILD = os.environ.get("WEIR_BUILD", os.path.join(ROOT, "build", "release"))
os.environ.setdefault("WEIR_BINARY", os.path.join(BUILD, "weir"))
os.environ.setdefault("WEIR_DEPS_DIR", DEPS)
os.environ.setdefault("WEIR_SOURCE_DIR", ROOT)
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
sys.path.insert(0, os.path.join(ROOT, "tests", "interop", "support"))
from weir_programs import SERVER_PIDS, TOPIC, event_schema, real_kafka, weir, weir_hub  # noqa: E402

WEIR = os.environ["WEIR_BINARY"]
TICKS = os.sysconf("SC_CLK_TCK")
ROWS = []


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*:\s*(.*)", f.read())
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True)
    return {"cpu": cpu.group(1) if cpu else platform.processor(), "cores": os.cpu_count(),
            "kernel": platform.release(), "commit": commit.stdout.strip()}


def timed(arguments, **kwargs):
    """Runs a program; (stdout, CPU-seconds, wall seconds, peak MB of its largest process)."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(arguments, stdout=out, stderr=err, stdin=subprocess.DEVNULL, **kwargs)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}:\n{err.read()[-3000:]}")
        return out.read(), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def cpu_of(pid):
    """CPU-seconds so far of a process with all its threads."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s*(\d+)", f.read()).group(1)) / 1024


def record(case, what, rows=None, cpu=None, mb=None, peak=None, **more):
    row = {"case": case, "what": what}
    if rows is not None and cpu:
        row.update(rows=rows, cpu_seconds=round(cpu, 3), rows_per_cpu_second=round(rows / cpu))
        if mb is not None:
            row["mb_per_cpu_second"] = round(mb / cpu, 1)
    if peak is not None:
        row["peak_mb"] = round(peak)
    row.update(more)
    ROWS.append(row)
    print(json.dumps(row), flush=True)


def make_events(folder, count):
    """Files of newline-delimited events; their paths and megabytes."""
    data = os.path.join(folder, "events")
    weir("simulate", "--sink", "files", data, "--rate", "0", "--count", str(count), "--seed", "42")
    files = sorted(p for p in glob.glob(os.path.join(data, "**"), recursive=True) if os.path.isfile(p))
    return files, sum(os.path.getsize(f) for f in files) / 1e6


def fill(bootstrap, count):
    report = json.loads(weir("simulate", "--bootstrap", bootstrap, "--topic", TOPIC, "--rate", "0", "--count", str(count),
                             "--seed", "42", "--output", "json"))
    return report["sent"], report["bytes"] / 1e6


def bench_binary(name, *arguments):
    path = next((p for p in glob.glob(os.path.join(BUILD, "**", name), recursive=True) if os.access(p, os.X_OK)), None)
    if path is None:
        raise SystemExit(f"{name} is not built: run ./dev bench, which builds it")
    return timed([path, *arguments])


def case_json(options):
    out, _, _, peak = bench_binary("codec_bench", "--benchmark_format=json", f"--benchmark_repetitions={options.rounds}",
                                   "--benchmark_report_aggregates_only=true")
    for result in json.loads(out)["benchmarks"]:
        if result.get("aggregate_name") == "median":
            record("json", result["run_name"], rows_per_cpu_second=round(result.get("items_per_second", 0)),
                   mb_per_cpu_second=round(result.get("bytes_per_second", 0) / 1e6, 1), peak_mb=round(peak))
    if options.peers:
        with tempfile.TemporaryDirectory() as folder:
            files, mb = make_events(folder, options.events)
            for _ in range(options.rounds):
                for what, columns in (("all columns", duck_columns()), ("3 columns", "{eventId:'VARCHAR',value:'DOUBLE',deviceId:'VARCHAR'}")):
                    _, cpu, _, peak = timed([sys.executable, "-c", f"""
import duckdb; c = duckdb.connect(); c.execute("set threads=2")
c.execute("CREATE TABLE t AS SELECT * FROM read_json({files!r}, format='newline_delimited', columns={columns})")"""])
                    record("json", f"DuckDB read_json, {what}", options.events, cpu, mb, peak)


def duck_columns():
    more = ",".join(f"moreData{i} DOUBLE" for i in range(23))
    return (f"{{eventId:'VARCHAR',complexData:'STRUCT({more})',value:'DOUBLE',deviceId:'VARCHAR',"
            "deviceSequenceNumber:'BIGINT',type:'VARCHAR',createdAt:'TIMESTAMP'}")


def case_parquet(options):
    out, _, _, peak = bench_binary("delta_bench", "--benchmark_format=json", "--benchmark_filter=parquet_encode",
                                   f"--benchmark_repetitions={options.rounds}", "--benchmark_report_aggregates_only=true")
    for result in json.loads(out)["benchmarks"]:
        if result.get("aggregate_name") == "median":
            record("parquet", result["run_name"], rows_per_cpu_second=round(result.get("items_per_second", 0)), peak_mb=round(peak))


SPARK_INGEST = """
import json, os, resource, shutil, sys, time
sys.path.insert(0, os.path.join(os.environ["WEIR_SOURCE_DIR"], "tests", "interop", "support"))
from pyspark.sql import functions as F
from weir_programs import TOPIC, event_schema, spark_session
bootstrap, folder = sys.argv[1:]
spark = spark_session(); spark.sparkContext.setLogLevel("ERROR")
pid = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
def cpu():
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    own = resource.getrusage(resource.RUSAGE_SELF)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + own.ru_utime + own.ru_stime
for run in ("cold", "warm", "warm"):
    shutil.rmtree(folder, True)
    before, started = (0 if run == "cold" else cpu()), time.monotonic()
    rows = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", TOPIC)
            .option("startingOffsets", "earliest").load()
            .select(F.from_json(F.col("value").cast("string"), event_schema()).alias("e")).select("e.*"))
    query = (rows.writeStream.format("delta").option("checkpointLocation", folder + "/ck").trigger(availableNow=True)
             .start(folder + "/table"))
    query.awaitTermination()
    assert query.exception() is None
    used = cpu() - before
    peak = int([l for l in open(f"/proc/{pid}/status") if l.startswith("VmHWM")][0].split()[1]) / 1024
    print(json.dumps({"run": run, "cpu": used, "wall": time.monotonic() - started, "peak": peak,
                      "rows": spark.read.format("delta").load(folder + "/table").count()}), flush=True)
"""


def spark_environment():
    packages = glob.glob(os.path.join(DEPS, "venv-spark", "lib", "python3*", "site-packages"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(packages)}


def case_ingest(options):
    with tempfile.TemporaryDirectory() as folder:
        with weir_hub(folder, "--topic", f"{TOPIC}:4") as bootstrap:
            rows, mb = fill(bootstrap, options.events)
            for round_number in range(options.rounds):
                table, checkpoint = os.path.join(folder, "table"), os.path.join(folder, "checkpoint")
                shutil.rmtree(table, True)
                shutil.rmtree(checkpoint, True)
                _, cpu, wall, peak = timed([WEIR, "ingest", "--from", f"kafka://{bootstrap}/{TOPIC}", "--schema", event_schema(),
                                            "--to", table, "--checkpoint", checkpoint, "--trigger", "availableNow"])
                record("ingest", "weir: Kafka -> JSON -> Delta, all columns", rows, cpu, mb, peak, wall_seconds=round(wall, 2))
                if options.peers and round_number == 0:
                    out, *_ = timed([sys.executable, "-c", SPARK_INGEST, bootstrap, os.path.join(folder, "spark")],
                                    env=spark_environment())
                    for line in out.splitlines():
                        if line.startswith('{"run"'):
                            r = json.loads(line)
                            assert r["rows"] == rows, (r, rows)
                            record("ingest", f"Spark local[2] with delta-spark, {r['run']}", rows, r["cpu"], mb, r["peak"],
                                   wall_seconds=round(r["wall"], 2))
                if options.peers:
                    files, file_mb = make_events(folder, options.events)
                    _, cpu, wall, peak = timed([sys.executable, "-c", f"""
import duckdb; c = duckdb.connect(); c.execute("set threads=2")
c.execute("COPY (SELECT * FROM read_json({files!r}, format='newline_delimited', columns={duck_columns()})) TO '{folder}/duck.parquet' (FORMAT parquet, COMPRESSION snappy)")"""])
                    record("ingest", "DuckDB: JSON files -> Parquet", options.events, cpu, file_mb, peak, wall_seconds=round(wall, 2))
                    shutil.rmtree(os.path.join(folder, "events"))


def case_fetch(options):
    with tempfile.TemporaryDirectory() as folder:
        with weir_hub(folder, "--topic", f"{TOPIC}:4") as bootstrap:
            rows, mb = fill(bootstrap, options.events)
            for _ in range(options.rounds):
                for client in ("weir", "librdkafka") if options.peers else ("weir",):
                    out, cpu, _, peak = bench_binary("fetch_bench", client, bootstrap, TOPIC, str(rows))
                    record("fetch", f"fetch client: {client}", rows, cpu, mb, peak)


@contextlib.contextmanager
def flushing_kafka(folder, every_message):
    """Apache Kafka, with its default flush policy (never by itself) or a flush for every message."""
    with real_kafka(folder, {TOPIC: 4}, {"log.flush.interval.messages": "1"} if every_message else {}) as bootstrap:
        yield bootstrap


def case_hub(options):
    brokers = [("weir hub, fsync before the answer (default)", lambda d: weir_hub(d, "--topic", f"{TOPIC}:4")),
               ("weir hub, --flush never", lambda d: weir_hub(d, "--topic", f"{TOPIC}:4", "--flush", "never"))]
    if options.peers:
        brokers += [("Apache Kafka, fsync for every batch", lambda d: flushing_kafka(d, True)),
                    ("Apache Kafka, no fsync (default)", lambda d: flushing_kafka(d, False))]
    for _ in range(options.rounds):
        for what, broker in brokers:
            with tempfile.TemporaryDirectory() as folder, broker(folder) as bootstrap:
                pid = SERVER_PIDS[bootstrap]
                fill(bootstrap, options.events // 4)  # warm
                before = cpu_of(pid)
                rows, mb = fill(bootstrap, options.events)
                produced = cpu_of(pid)
                record("hub", f"produce acks=all: {what}", rows, produced - before, mb, peak_mb(pid))
                total = rows + options.events // 4
                bench_binary("fetch_bench", "weir", bootstrap, TOPIC, str(total))
                record("hub", f"fetch: {what}", total, cpu_of(pid) - produced, mb * total / rows, peak_mb(pid))


def follow(folder, bootstrap, *options):
    """A running query on the topic, its table and checkpoint."""
    table, checkpoint = os.path.join(folder, "table"), os.path.join(folder, "checkpoint")
    log = open(os.path.join(folder, "ingest.log"), "ab")
    return subprocess.Popen([WEIR, "ingest", "--from", f"kafka://{bootstrap}/{TOPIC}", "--schema", event_schema(), "--to", table,
                             "--checkpoint", checkpoint, *options], stdout=log, stderr=log), table, checkpoint


def case_latency(options):
    with tempfile.TemporaryDirectory() as folder, weir_hub(folder, "--topic", f"{TOPIC}:2") as bootstrap:
        query, _, checkpoint = follow(folder, bootstrap, "--trigger", "0s", "--option", "maxOffsetsPerTrigger=100")
        fill(bootstrap, 30_000)
        deadline = time.monotonic() + 120
        while len(glob.glob(os.path.join(checkpoint, "commits", "[0-9]*"))) < 250 and time.monotonic() < deadline:
            time.sleep(0.2)
        query.terminate()
        query.wait()
        took = []
        for commit in glob.glob(os.path.join(checkpoint, "commits", "[0-9]*")):
            offsets = os.path.join(checkpoint, "offsets", os.path.basename(commit))
            if os.path.exists(offsets):
                took.append((os.stat(commit).st_mtime_ns - os.stat(offsets).st_mtime_ns) / 1e6)
        took.sort()
        record("latency", "batch of 100 events, offset log to commit log", batches=len(took),
               median_ms=round(statistics.median(took), 2), p99_ms=round(took[int(len(took) * 0.99)], 2))


def case_memory(options):
    with tempfile.TemporaryDirectory() as folder, weir_hub(folder, "--topic", f"{TOPIC}:4") as bootstrap:
        query, *_ = follow(folder, bootstrap, "--trigger", "1s")
        before = time.monotonic()
        weir("simulate", "--bootstrap", bootstrap, "--topic", TOPIC, "--rate", "10000", "--duration", "30s")
        seconds = time.monotonic() - before
        cpu, peak = cpu_of(query.pid), peak_mb(query.pid)
        query.terminate()
        query.wait()
        record("memory", "ingest of 10,000 events/s", 10_000 * 30, cpu, None, peak, wall_seconds=round(seconds, 1))


def case_startup(options):
    for _ in range(max(options.rounds, 5)):
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            demo = subprocess.Popen([WEIR, "demo", "--rate", "1000", "--duration", "3s", "--dir", os.path.join(folder, "demo")],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seen = None
            while seen is None and time.monotonic() - started < 30:
                for entry in glob.glob(os.path.join(folder, "demo", "**", "_delta_log", "*.json"), recursive=True):
                    with open(entry) as f:
                        if '"add"' in f.read():
                            seen = time.monotonic() - started
                time.sleep(0.002)
            demo.wait()
            record("startup", "process start to first row visible in Delta", seconds=round(seen, 3))


def case_commits(options):
    out, *_ = bench_binary("delta_bench", "--benchmark_filter=hour_of_commits", "--benchmark_format=json")
    for result in json.loads(out)["benchmarks"]:
        record("commits", result["name"], **{k: round(v, 3) for k, v in result.items() if isinstance(v, float)})


CASES = {name[5:]: function for name, function in list(globals().items()) if name.startswith("case_")}


def table():
    groups = {}
    for row in ROWS:
        groups.setdefault((row["case"], row["what"]), []).append(row)
    print(f"\n{'case':9} {'what':58} {'rows/CPU-s':>11} {'MB/CPU-s':>9} {'peak MB':>8}  other (medians)")
    for (case, what), rows in groups.items():
        def median(key):
            values = [r[key] for r in rows if isinstance(r.get(key), (int, float))]
            return statistics.median(values) if values else None
        shown = [median(k) for k in ("rows_per_cpu_second", "mb_per_cpu_second", "peak_mb")]
        other = {k: median(k) for k in rows[0] if k.endswith(("_ms", "seconds")) and k != "cpu_seconds" and median(k) is not None}
        print(f"{case:9} {what:58} " + " ".join(f"{'' if v is None else format(round(v), ','):>{w}}" for v, w in zip(shown, (11, 9, 8)))
              + "  " + ", ".join(f"{k} {v:g}" for k, v in other.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", default=list(CASES), help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--json", help="also append the JSON lines to this file")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    options = parser.parse_args()
    unknown = set(options.case) - CASES.keys()
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    print(json.dumps({"machine": machine(), "rounds": options.rounds, "events": options.events}), flush=True)
    for case in options.case:
        CASES[case](options)
    table()
    if options.json:
        with open(options.json, "a") as f:
            f.writelines(json.dumps(row) + "\n" for row in ROWS)


if __name__ == "__main__":
    main()
