#!/usr/bin/env python3
"""Python functions: weir serve against real Spark local[2], the same program on both, rounds interleaved.

  bench/python_functions.py [CASE ...] [--rounds 3] [--rows 10000000] [--json FILE] [--no-peers]

cases
  pandas     pandas_udf (v * 2 + 1) over doubles, summed up
  arrow      a plain udf with useArrow=True, a fiftieth of the rows
  pickled    a plain udf with useArrow=False, a fiftieth of the rows
  groups     applyInPandas over groups of 1000 rows, a fifth of the rows

Each is asked once to warm up (workers, pages, the JVM) and then timed: wall seconds of the client, and rows a second.
Nothing here is a test. Needs the release build and everything that ./dev test installs.
"""
import argparse
import glob
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEPS = os.environ.get("WEIR_DEPS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir", "deps")
WEIR = os.environ.get("WEIR_BINARY") or os.path.join(
    os.environ.get("WEIR_BUILD", os.path.join(ROOT, "build", "release")), "weir")
CASES = {"pandas": 1, "arrow": 50, "pickled": 50, "groups": 5}


def answer_forever(address):
    """The program under measure: a line "CASE ROWS" in, the seconds out. Runs in the engine's own environment."""
    import pandas as pd
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    builder = SparkSession.builder
    if address == "spark":
        builder = builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
        spark = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
        spark.sparkContext.setLogLevel("ERROR")
    else:
        spark = builder.remote(address).getOrCreate()

    @F.pandas_udf("double")
    def line(v: pd.Series) -> pd.Series:
        return v * 2 + 1

    def summed(group):
        return pd.DataFrame({"k": [group["k"].iloc[0]], "v": [group["v"].sum()]})

    functions = {"pandas": line, "arrow": F.udf(lambda v: v * 2 + 1, "double", useArrow=True),
                 "pickled": F.udf(lambda v: v * 2 + 1, "double", useArrow=False)}
    print("ready", flush=True)
    for request in sys.stdin:
        case, rows = request.split()
        rows = int(rows)
        values = spark.range(rows).select("id", (F.col("id") * F.lit(0.5)).alias("v"))
        started = time.monotonic()
        if case == "groups":
            values = values.select((F.col("id") % (rows // 1000)).alias("k"), "v")
            found = values.groupBy("k").applyInPandas(summed, "k long, v double").agg(F.sum("v")).collect()[0][0]
            wanted = rows * (rows - 1) / 4
        else:
            found = values.select(functions[case]("v").alias("w")).agg(F.sum("w")).collect()[0][0]
            wanted = rows * (rows - 1) / 2 + rows
        seconds = time.monotonic() - started
        assert abs(found - wanted) <= 1e-6 * wanted, (found, wanted)
        print(seconds, flush=True)


def packages_beside_pyspark():
    """A folder with pandas, pyarrow and what they need of the client's environment, but not its pyspark."""
    folder = tempfile.mkdtemp()
    for path in glob.glob(os.path.join(DEPS, "venv-connect", "lib", "python3*", "site-packages", "*")):
        if not os.path.basename(path).startswith("pyspark"):
            os.symlink(path, os.path.join(folder, os.path.basename(path)))
    return folder


class Engine:
    def __init__(self, name, python, address, **kwargs):
        self.name = name
        self.process = subprocess.Popen([python, os.path.abspath(__file__), "--answer", address], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kwargs)
        assert self.process.stdout.readline().strip() == "ready", name

    def ask(self, case, rows):
        self.process.stdin.write(f"{case} {rows}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--json")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.answer:
        return answer_forever(words.answer)
    client = os.path.join(DEPS, "venv-connect", "bin", "python")
    server = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--output", "json", "--python", client,
                               "--warehouse", tempfile.mkdtemp()], stdout=subprocess.PIPE, text=True)
    engines = [Engine("weir", client, json.loads(server.stdout.readline())["address"])]
    if not words.no_peers:
        environment = dict(os.environ, SPARK_LOCAL_IP="127.0.0.1", PYTHONPATH=packages_beside_pyspark())
        engines.append(Engine("spark", os.path.join(DEPS, "venv-spark", "bin", "python"), "spark", env=environment))
    results = []
    for case in words.cases or CASES:
        rows = words.rows // CASES[case]
        seconds = {engine.name: [] for engine in engines}
        for engine in engines:
            engine.ask(case, rows)
        for _ in range(words.rounds):
            for engine in engines:
                seconds[engine.name].append(engine.ask(case, rows))
        for name, taken in seconds.items():
            median = statistics.median(taken)
            results.append({"case": case, "engine": name, "rows": rows, "seconds": round(median, 3),
                            "rows_per_s": round(rows / median), "rounds": [round(one, 3) for one in taken]})
            print(json.dumps(results[-1]), flush=True)
    if words.json:
        with open(words.json, "w") as out:
            json.dump({"machine": {"cores": os.cpu_count(), "kernel": platform.release()}, "results": results}, out)
    for engine in engines:
        engine.stop()
    server.send_signal(signal.SIGTERM)
    return server.wait(20)


if __name__ == "__main__":
    sys.exit(main())
