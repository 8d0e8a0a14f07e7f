#!/usr/bin/env python3
"""Kills `weir serve` with SIGKILL at random moments while stateful queries run in it, started through PySpark's client.

  stateful_kill_loop.py [--cycles 100] [--seed 1] [--rate 400] [--longest 0.6] [--dir DIR] [--keep]

Events go into a topic of `weir hub`, marks into JSON files, all the time. Six queries into Delta tables: window
aggregation in append mode, dropDuplicatesWithinWatermark, inner and left outer join of both streams, each kind with
state in memory and in RocksDB. In the end every table has exactly the rows of the answer over all events, which is
computed here from the events themselves: none lost, none doubled.
Needs WEIR_BINARY and WEIR_DEPS_DIR, and a Python with pyspark-client.
"""
import argparse
import collections
import glob
import json
import os
import random
import socket
import subprocess
import tempfile
import threading
import time
import warnings

import kill_report
import stateful_events as events

warnings.filterwarnings("ignore")
WEIR = os.environ.get("WEIR_BINARY", "./weir")
PROVIDER = "spark.sql.streaming.stateStore.providerClass"
PROVIDERS = {name: f"org.apache.spark.sql.execution.streaming.state.{name}StateStoreProvider" for name in ("HDFSBacked", "RocksDB")}
DELAY = "10 minutes"


class Server:
    """One life of `weir serve`, and the client's session in it."""
    last = None  # the process

    def __init__(self, root):
        from pyspark.sql.connect.session import SparkSession
        with open(os.path.join(root, "serve.log"), "ab") as log:
            self.process = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", os.path.join(root, "warehouse"),
                                             "--output", "json"], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True)
        Server.last = self.process
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"weir serve ended with {self.process.wait()}; log: {root}/serve.log")
        self.spark = SparkSession.builder.remote(json.loads(line)["address"]).create()
        self.spark.client.set_retry_policies([])  # a dead server stays dead

    def kill(self):
        self.process.kill()
        self.process.wait()

    def forget(self):
        self.process.stdout.close()
        try:
            self.spark.client.close()
        except Exception:  # noqa: BLE001 - the other side is gone
            pass


class Queries:
    def __init__(self, root, bootstrap):
        self.root, self.bootstrap = root, bootstrap

    def sources(self, spark, fast):
        from pyspark.sql import functions as F
        limit = {"maxOffsetsPerTrigger": "20000", "maxFilesPerTrigger": "500"} if fast else {"maxOffsetsPerTrigger": "300", "maxFilesPerTrigger": "3"}
        read = spark.readStream.format("kafka").option("kafka.bootstrap.servers", self.bootstrap).option("subscribe", events.TOPIC)
        sent = (read.option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", limit["maxOffsetsPerTrigger"]).load()
                .select(F.from_json(F.col("value").cast("string"), "id BIGINT, k STRING, at TIMESTAMP, v BIGINT").alias("e"))
                .select("e.*").withWatermark("at", DELAY))
        marks = (spark.readStream.schema("mark BIGINT, at TIMESTAMP, w BIGINT").option("maxFilesPerTrigger", limit["maxFilesPerTrigger"])
                 .json(os.path.join(self.root, "marks")).withWatermark("at", DELAY))
        return sent, marks

    def plans(self, spark, fast):
        from pyspark.sql import functions as F
        sent, marks = self.sources(spark, fast)
        near = F.expr("id = mark AND e.at BETWEEN m.at - INTERVAL 5 SECONDS AND m.at + INTERVAL 5 SECONDS")
        count = [F.count("*").alias("n"), F.sum("value").alias("total")]

        def windows(rows, key, value):
            rows = rows.select("at", F.col(key).alias("key"), F.col(value).alias("value"))
            rows = rows.groupBy(F.window("at", "1 minute"), "key").agg(*count)
            return rows.select(F.unix_timestamp("window.start").alias("start"), "key", "n", "total")

        joined = [F.col("id"), F.col("v"), F.col("w")]
        return {
            "windows-HDFSBacked": windows(sent, "k", "v"),
            "windows-RocksDB": windows(marks.withColumn("key", F.expr("CAST(mark % 11 AS STRING)")), "key", "w"),
            "distinct-HDFSBacked": sent.dropDuplicatesWithinWatermark(["id"]).select("id", "k", "v"),
            "distinct-RocksDB": sent.dropDuplicatesWithinWatermark(["id"]).select("id", "k", "v"),
            "inner-HDFSBacked": sent.alias("e").join(marks.alias("m"), near).select(*joined),
            "left-RocksDB": sent.alias("e").join(marks.alias("m"), near, "left_outer").select(*joined),
        }

    def start(self, spark, names, fast=False):
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        spark.conf.set("spark.sql.shuffle.partitions", "4")
        started = []
        for name, plan in self.plans(spark, fast).items():
            if name not in names:
                continue
            spark.conf.set(PROVIDER, PROVIDERS[name.split("-")[1]])
            writer = plan.writeStream.format("delta").queryName(name).option("checkpointLocation", os.path.join(self.root, "checkpoints", name))
            writer = writer.trigger(availableNow=True) if fast else writer.trigger(processingTime="0 seconds")
            started.append(writer.start(os.path.join(self.root, "tables", name)))
        return started

    def in_the_middle(self):
        """How many queries have a batch that was planned and is not committed."""
        def newest(folder):
            return max((int(name) for name in os.listdir(folder) if name.isdigit()), default=-1) if os.path.isdir(folder) else -1
        folders = glob.glob(os.path.join(self.root, "checkpoints", "*"))
        return sum(newest(os.path.join(f, "offsets")) > newest(os.path.join(f, "commits")) for f in folders)


ALL = ["windows-HDFSBacked", "windows-RocksDB", "distinct-HDFSBacked", "distinct-RocksDB", "inner-HDFSBacked", "left-RocksDB"]


def answers(seed, count):
    """Name of a query -> its rows with how often each has to be there."""
    wanted = {name: collections.Counter() for name in ALL}
    by_event, by_mark = {}, {}
    for i in range(count):
        event, times = events.event_of(seed, i)
        mark = events.mark_of(seed, i)
        groups = by_event.setdefault((event["at"] // 60 * 60, event["k"]), [0, 0])
        groups[0] += times
        groups[1] += times * event["v"]
        if mark:
            groups = by_mark.setdefault((mark["at"] // 60 * 60, str(i % 11)), [0, 0])
            groups[0] += 1
            groups[1] += mark["w"]
        for name in ("distinct-HDFSBacked", "distinct-RocksDB"):
            wanted[name][(i, event["k"], event["v"])] = 1
        if mark and abs(mark["at"] - event["at"]) <= 5:
            wanted["inner-HDFSBacked"][(i, event["v"], mark["w"])] = times
            wanted["left-RocksDB"][(i, event["v"], mark["w"])] = times
        else:
            wanted["left-RocksDB"][(i, event["v"], None)] = times
    for name, groups in (("windows-HDFSBacked", by_event), ("windows-RocksDB", by_mark)):
        for key, values in groups.items():
            wanted[name][(*key, *values)] = 1
    return wanted


def is_end(name, row):
    """A row of what has moved the watermarks."""
    return row[0] >= events.FLUSH_S - 60 if name.startswith("windows") else row[0] < 0


def table_by_log(path):
    """The table's rows as its log and Parquet files say them, without weir."""
    import pyarrow
    import pyarrow.parquet
    files, columns = {}, None
    for entry in sorted(glob.glob(os.path.join(path, "_delta_log", "*.json"))):
        with open(entry) as f:
            for action in map(json.loads, f):
                if "add" in action:
                    files[action["add"]["path"]] = True
                elif "remove" in action:
                    files.pop(action["remove"]["path"], None)
                elif "metaData" in action:
                    columns = [field["name"] for field in json.loads(action["metaData"]["schemaString"])["fields"]]
    parts = [pyarrow.parquet.read_table(os.path.join(path, file), columns=columns) for file in files]
    return [tuple(row.values()) for part in parts for row in part.to_pylist()]


def check(name, rows, wanted):
    have = collections.Counter(row for row in rows if not is_end(name, row))
    lost, foreign = wanted - have, have - wanted
    failures = []
    if lost:
        failures.append(f"{name}: {lost.total()} rows are missing, e.g. {sorted(lost, key=str)[:3]}")
    if foreign:
        failures.append(f"{name}: {foreign.total()} rows are doubled or wrong, e.g. {sorted(foreign, key=str)[:3]}")
    return failures


def start_hub(root):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with open(os.path.join(root, "hub.log"), "ab") as log:
        hub = subprocess.Popen([WEIR, "hub", "--dir", os.path.join(root, "hub"), "--listen", f"127.0.0.1:{port}", "--topic",
                                f"{events.TOPIC}:{events.PARTITIONS}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and hub.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return hub, f"127.0.0.1:{port}"
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"weir hub does not listen; log: {root}/hub.log")


def one_life(queries, root, longest, chance):
    """A server that is killed up to `longest` seconds after it listens, or after its queries have been started.
    True: it had come so far."""
    from pyspark.errors import PySparkException, StreamingQueryException
    early, lifetime = chance.random() < 0.3, chance.uniform(0, longest)
    names = ALL if chance.random() < 0.5 else chance.sample(ALL, 3)
    server = Server(root)
    dying = threading.Event()
    timer = threading.Timer(lifetime, lambda: (dying.set(), server.kill()))
    if early:
        timer.start()
    started = False
    try:
        running = queries.start(server.spark, names)
        started = True
        if not early:
            timer.start()
        while not dying.wait(0.1):
            for query in running:
                if not query.isActive and not dying.is_set():
                    raise SystemExit(f"{query.name} ended by itself: {query.exception()}; logs: {root}")
    except StreamingQueryException:
        raise
    except PySparkException as problem:
        if not dying.is_set():
            raise SystemExit(f"{problem}; logs: {root}") from problem
    except Exception as problem:  # noqa: BLE001 - the client's own words for a server that is gone
        if not dying.is_set():
            time.sleep(0.2)
        if not dying.is_set():
            raise SystemExit(f"{problem!r}; logs: {root}") from problem
    timer.join()
    server.forget()
    return started


def finish(queries, root, feeder):
    """All that is left, undisturbed. Returns what was sent and the tables' rows as weir reads them."""
    rows = {}
    for _ in range(2):
        feeder.stdin.write("\n")
        feeder.stdin.flush()
        sent = json.loads(feeder.stdout.readline())
        server = Server(root)
        for query in queries.start(server.spark, ALL, fast=True):
            if not query.awaitTermination(600):
                raise SystemExit(f"{query.name} has not come to the end within ten minutes; logs: {root}")
        for name in ALL:
            table = server.spark.read.format("delta").load(os.path.join(root, "tables", name))
            rows[name] = [tuple(row) for row in table.collect()]
        server.process.terminate()
        if code := server.process.wait(30):
            raise SystemExit(f"weir serve ended with {code}; logs: {root}")
        server.forget()
    return sent, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=400, help="events a second, for two seconds a cycle at most")
    parser.add_argument("--longest", type=float, default=0.6, help="seconds that a server, or what has been started in it, lives at most")
    parser.add_argument("--dir")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    root = options.dir or tempfile.mkdtemp(prefix="weir-stateful-kill-")
    os.makedirs(os.path.join(root, "marks"))
    print(f"seed {options.seed}, {options.cycles} cycles in {root}", flush=True)
    hub, bootstrap = start_hub(root)
    python = os.path.join(os.environ["WEIR_DEPS_DIR"], "venv", "bin", "python")
    feed = {"bootstrap": bootstrap, "marks": os.path.join(root, "marks"), "seed": options.seed, "rate": options.rate,
            "most": 2 * options.rate * options.cycles}
    feeder = subprocess.Popen([python, events.__file__, "feed", *(text for key, value in feed.items() for text in (f"--{key}", str(value)))],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    queries = Queries(root, bootstrap)
    began = time.monotonic()
    started, middle = 0, 0
    try:
        for cycle in range(options.cycles):
            started += one_life(queries, root, options.longest, chance)
            middle += queries.in_the_middle()
            if feeder.poll() is not None:
                raise SystemExit(f"the feeder ended with {feeder.returncode}")
            if (cycle + 1) % 20 == 0:
                print(f"cycle {cycle + 1}: {time.monotonic() - began:.0f} s", flush=True)
        sent, rows = finish(queries, root, feeder)
    finally:
        for process in (feeder, hub, Server.last):
            if process:
                process.kill()
    failures = []
    for name, wanted in answers(options.seed, sent["events"]).items():
        failures += check(name, rows[name], wanted)
        failures += [f"by the table's log, {one}" for one in check(name, table_by_log(os.path.join(root, "tables", name)), wanted)]
    report = {"seed": options.seed, "kills": options.cycles, "kills_with_all_queries_running": started, "batches_cut": middle,
              **sent, "rows": {name: len(found) for name, found in rows.items()}}
    kill_report.end(began, report, failures, root, keep=options.keep or options.dir)


if __name__ == "__main__":
    main()
