#!/usr/bin/env python3
"""TPC-H through spark.sql: weir serve against Spark, Sail and DuckDB itself, over Parquet and over Delta.

  bench/tpch.py [--scale 1] [--rounds 3] [--engines weir,duckdb,spark,sail] [--formats parquet,delta] [--queries 1,6,…]
                [--sail VENV/bin/sail] [--json FILE]

Every engine gets two threads and reads the same files; the Delta tables are written by weir. weir and Sail are driven by the
unmodified pyspark-client, Spark (local[2]) by its own PySpark, DuckDB by its Python module. CPU-seconds are user + system of
the process that runs the queries (the client's are not in them), wall seconds the client's; medians over the rounds, query by
query. Spark's first round is "cold" (its start is in the CPU-seconds), the median of the others "warm". Answers are compared
with DuckDB's. The data are of TPC-H's shape, made by src/relational/tpch_data.h (relational_test writes them once); the texts
of the queries come out of ../shared/data/spark-test-data.tar.xz. Sail: pip install --require-hashes -r bench/sail.txt into an
environment of its own. Nothing here is a test: that all 22 queries agree with DuckDB is relational_test's TpchTest.
"""
import argparse
import glob
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEPS = os.environ.get("WEIR_DEPS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir", "deps")
BUILD = os.environ.get("WEIR_BUILD", os.path.join(ROOT, "build", "release"))
QUERIES = os.path.join(ROOT, "..", "shared", "data", "spark-test-data.tar.xz")
TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*:\s*(.*)", f.read())
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True)
    return {"cpu": cpu.group(1) if cpu else platform.processor(), "cores": os.cpu_count(), "kernel": platform.release(),
            "commit": commit.stdout.strip(), "load": round(os.getloadavg()[0], 1)}


def built(name):
    for path in glob.glob(os.path.join(BUILD, "**", name), recursive=True):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise SystemExit(f"{name} is not in {BUILD}: build it first (WEIR_BUILD says where)")


def python(environment):
    return os.path.join(DEPS, environment, "bin", "python")


def read_queries(wanted):
    if not os.path.exists(QUERIES):
        raise SystemExit(f"the queries' texts are not at {QUERIES}")
    texts = {}
    with tarfile.open(QUERIES) as archive:
        for member in archive:
            found = re.search(r"/tpch/q(\d+)\.sql$", member.name)
            if found:
                texts[int(found.group(1))] = archive.extractfile(member).read().decode()
    return [(number, texts[number]) for number in sorted(texts) if not wanted or number in wanted]


def make_parquet(scale):
    """The tables as one Parquet file each."""
    subprocess.run([built("relational_test"), "--gtest_filter=TpchTest.TablesAreMade"], check=True,
                   env={**os.environ, "WEIR_TPCH_SCALE": f"{scale:g}"}, stdout=subprocess.DEVNULL)
    return {name: os.path.join(tempfile.gettempdir(), f"weir-tpch-{scale:g}", f"{name}.parquet") for name in TABLES}


def make_delta(parquet, scale):
    folder = os.path.join(tempfile.gettempdir(), f"weir-tpch-{scale:g}-delta")
    for name, path in parquet.items():
        if not os.path.isdir(os.path.join(folder, name, "_delta_log")):
            subprocess.run([built("weir"), "sql", "-q", "--warehouse", os.path.join(folder, "warehouse"), "-e",
                            f"CREATE TABLE delta.`{os.path.join(folder, name)}` USING delta AS SELECT * FROM parquet.`{path}`"],
                           check=True)
    return {name: os.path.join(folder, name) for name in TABLES}


def drive(interpreter, kind, where, server, job):
    out = subprocess.run([interpreter, os.path.join(ROOT, "bench", "tpch_queries.py"), kind, where, str(server), json.dumps(job)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"})
    if out.returncode != 0:
        print(out.stderr[-3000:], file=sys.stderr)
    return [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]


def run_weir(job, _options):
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([built("weir"), "serve", "--listen", "127.0.0.1:0", "--warehouse", folder, "--threads", "2",
                                   "--memory-mb", "6144", "--output", "json"], stdout=subprocess.PIPE, text=True)
        try:
            address = json.loads(server.stdout.readline())["address"]
            return drive(python("venv-connect"), "connect", address, server.pid, job)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def run_sail(job, options):
    if not os.path.exists(options.sail):
        raise SystemExit(f"sail is not at {options.sail}: see the head of this file")
    port = 15249
    server = subprocess.Popen([options.sail, "spark", "server", "--ip", "127.0.0.1", "--port", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, "TOKIO_WORKER_THREADS": "2", "SAIL_EXECUTION__DEFAULT_PARALLELISM": "2"})
    try:
        time.sleep(3)
        return drive(python("venv-connect"), "connect", f"sc://127.0.0.1:{port}", server.pid, job)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def run_spark(job, _options):
    jars = ",".join(sorted(glob.glob(os.path.join(DEPS, "jars", "spark", "*.jar"))))
    return drive(python("venv-spark"), "spark", jars, 0, {**job, "rounds": job["rounds"] + 1})


def run_duckdb(job, _options):
    return drive(python("venv"), "duckdb", "-", 0, job)


ENGINES = {"weir": run_weir, "duckdb": run_duckdb, "spark": run_spark, "sail": run_sail}


def same(actual, expected):
    if len(actual) != len(expected):
        return False

    def key(row):
        return [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row]
    for a, e in zip(sorted(actual, key=key), sorted(expected, key=key)):
        for x, y in zip(a, e):
            if isinstance(x, float) and isinstance(y, float):
                if abs(x - y) > 1e-6 * max(1.0, abs(x), abs(y)):
                    return False
            elif x != y:
                return False
    return True


def summary(lines, rounds):
    """Query -> (median CPU, median wall) of those rounds."""
    per_query = {}
    for line in lines:
        if line["round"] in rounds:
            per_query.setdefault(line["query"], []).append((line["cpu"], line["wall"]))
    return {q: (statistics.median(c for c, _ in v), statistics.median(w for _, w in v)) for q, v in per_query.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="weir,duckdb,spark,sail")
    parser.add_argument("--formats", default="parquet,delta")
    parser.add_argument("--queries", default="")
    parser.add_argument("--sail", default=os.path.join(DEPS, "venv-sail", "bin", "sail"))
    parser.add_argument("--json")
    options = parser.parse_args()
    queries = read_queries({int(q) for q in options.queries.split(",") if q})
    print(json.dumps(machine()), flush=True)
    parquet = make_parquet(options.scale)
    columns, expected = {}, {}
    for format in options.formats.split(","):
        tables = parquet if format == "parquet" else make_delta(parquet, options.scale)
        job = {"format": format, "tables": tables, "queries": queries, "rounds": options.rounds}
        for engine in options.engines.split(","):
            if engine == "duckdb" and format != "parquet":
                continue
            lines = ENGINES[engine](job, options)
            answers = {line["query"]: line["rows"] for line in lines if line["round"] == 0}
            if engine == "duckdb":
                expected = answers
            wrong = [q for q, rows in answers.items() if q in expected and not same(rows, expected[q])]
            missing = [q for q, _ in queries if q not in answers]
            if wrong or missing:
                print(f"{engine} {format}: other answers than DuckDB's: {wrong}; failed: {missing}", flush=True)
            if engine == "spark":
                columns[f"spark {format} cold"] = summary(lines, {0})
                columns[f"spark {format} warm"] = summary(lines, set(range(1, options.rounds + 1)))
            else:
                columns[f"{engine} {format}"] = summary(lines, set(range(options.rounds)))
    names = list(columns)
    print("CPU-seconds (wall) by query, medians of", options.rounds, "rounds, scale", options.scale)
    print("query  " + "  ".join(f"{name:>20}" for name in names))
    for number, _ in queries:
        cells = (columns[name].get(number) for name in names)
        print(f"{number:5}  " + "  ".join(f"{'-':>20}" if c is None else f"{c[0]:10.2f} ({c[1]:7.2f})" for c in cells))
    totals = {name: (sum(c for c, _ in columns[name].values()), sum(w for _, w in columns[name].values())) for name in names}
    print("total  " + "  ".join(f"{totals[name][0]:10.2f} ({totals[name][1]:7.2f})" for name in names))
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"machine": machine(), "scale": options.scale, "rounds": options.rounds, "queries": columns,
                       "totals": totals}, out, indent=1)


if __name__ == "__main__":
    main()
