#!/usr/bin/env python3
"""How long an event takes through a streaming query of weir serve: to a Kafka topic, and into a Delta table.

  bench/stream_latency.py [--rate 1000] [--seconds 30] [--sinks kafka,delta] [--trigger "0 seconds"] [--compaction true|false] [--json FILE]

A producer stamps each event with its time and sends it to a weir hub (acks=all, fsync) at a paced rate; a query over Spark
Connect selects it on. kafka: a consumer takes the time at which it has the event. delta: the time at which the commit that holds
the event's row appeared in _delta_log. The first five seconds are left out. CPU is the server's. Nothing here is a test.
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
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import DEPS, WEIR, cpu_of, machine, peak_mb  # noqa: E402
from weir_programs import weir_hub  # noqa: E402

QUERY = """
import sys, time
from pyspark.sql import SparkSession, functions as F
address, bootstrap, sink, folder, trigger, compaction = sys.argv[1:]
spark = SparkSession.builder.remote(address).getOrCreate()
rows = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", "in")
        .option("startingOffsets", "earliest").load())
if sink == "kafka":
    to = (rows.select("key", F.upper(F.col("value").cast("string")).alias("value")).writeStream.format("kafka")
          .option("kafka.bootstrap.servers", bootstrap).option("topic", "out"))
else:
    to = rows.select(F.from_json(F.col("value").cast("string"), "sent double, number bigint, text string").alias("e")).select("e.*").writeStream.format("delta").option("path", folder + "/table").option("autoCompact", compaction)
query = to.option("checkpointLocation", folder + "/checkpoint").trigger(processingTime=trigger).start()
print("started", flush=True)
sys.stdin.readline()
assert query.exception() is None, query.exception()
query.stop()
"""


def produce(bootstrap, rate, seconds):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0, "socket.nagle.disable": True})
    text, started = "x" * 850, time.time()
    for number in range(int(rate * seconds)):
        wait = started + number / rate - time.time()
        if wait > 0:
            producer.poll(0)
            time.sleep(wait)
        producer.produce("in", key=str(number % 100), value=json.dumps({"sent": time.time(), "number": number, "text": text}))
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()


def consume(bootstrap, expected, took):
    from confluent_kafka import Consumer
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "measure", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 5})
    consumer.subscribe(["out"])
    deadline = time.time() + 120
    while len(took) < expected and time.time() < deadline:
        message = consumer.poll(0.05)
        if message is not None and message.error() is None:
            took.append((json.loads(message.value().lower())["sent"], time.time()))
    consumer.close()


def delta_times(table):
    import pyarrow.parquet as parquet
    took, live, counts = [], {}, {"commits": 0, "compactions": 0, "live_files_max": 0}
    for path in sorted(glob.glob(os.path.join(table, "_delta_log", "*.json"))):
        visible = os.stat(path).st_mtime
        counts["commits"] += 1
        with open(path) as f:
            for action in map(json.loads, f):
                if "remove" in action:
                    live.pop(action["remove"]["path"], None)
                elif "commitInfo" in action:
                    counts["compactions"] += action["commitInfo"]["operation"] == "OPTIMIZE"
                elif "add" in action:
                    live[action["add"]["path"]] = action["add"]["size"]
                    file = os.path.join(table, action["add"]["path"])
                    if action["add"].get("dataChange", True) and os.path.exists(file):
                        took += [(sent, visible) for sent in parquet.read_table(file, columns=["sent"])["sent"].to_pylist()]
        counts["live_files_max"] = max(counts["live_files_max"], len(live))
    counts |= {"live_files": len(live), "checkpoints": len(glob.glob(os.path.join(table, "_delta_log", "*.checkpoint.parquet")))}
    return took, counts


def run(sink, options):
    with tempfile.TemporaryDirectory() as folder, weir_hub(folder, "--topic", "in:2", "--topic", "out:2") as bootstrap:
        server = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", folder + "/warehouse", "--output", "json"],
                                  stdout=subprocess.PIPE, text=True)
        address = json.loads(server.stdout.readline())["address"]
        with open(folder + "/query.py", "w") as program:
            program.write(QUERY)
        query = subprocess.Popen([os.path.join(DEPS, "venv-connect", "bin", "python"), folder + "/query.py", address, bootstrap, sink, folder,
                                  options.trigger, options.compaction], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert query.stdout.readline() == "started\n"
            expected, took, counts = int(options.rate * options.seconds), [], {}
            before = cpu_of(server.pid)
            reader = threading.Thread(target=consume, args=(bootstrap, expected, took)) if sink == "kafka" else None
            if reader:
                reader.start()
            began = time.time()
            produce(bootstrap, options.rate, options.seconds)
            if reader:
                reader.join()
            else:
                time.sleep(2)
                took, counts = delta_times(folder + "/table")
            used, peak = cpu_of(server.pid) - before, peak_mb(server.pid)
            query.communicate("\n", timeout=60)
        finally:
            query.kill()
            server.send_signal(signal.SIGTERM)
            server.wait(30)
        late = sorted((seen - sent) * 1000 for sent, seen in took if sent > began + 5)
        line = {"sink": sink, "rate": options.rate, "sent": expected, "arrived": len(took), "p50_ms": round(statistics.median(late), 1),
                "p99_ms": round(late[int(len(late) * 0.99)], 1), "max_ms": round(late[-1], 1), "server_cpu_s": round(used, 2),
                "peak_mb": round(peak), **counts}
        return line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--sinks", default="kafka,delta")
    parser.add_argument("--trigger", default="0 seconds")
    parser.add_argument("--compaction", default="true", choices=["true", "false"])
    parser.add_argument("--json")
    options = parser.parse_args()
    lines = [{"machine": machine(), "trigger": options.trigger}]
    print(json.dumps(lines[0]), flush=True)
    for sink in options.sinks.split(","):
        lines.append(run(sink, options))
        print(json.dumps(lines[-1]), flush=True)
    if options.json:
        with open(options.json, "a") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    main()
