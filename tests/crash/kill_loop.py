#!/usr/bin/env python3
"""Kills hub, simulator and query with SIGKILL at random moments, apart and together, and then counts.

  kill_loop.py [--cycles 100] [--seed 1] [--rate 2000] [--dir DIR] [--keep]

What has to hold afterwards:
  log contains every acknowledged event          (weir verify, from the simulator's journal)
  log contains only events that were sent        (weir verify)
  table == log by (partition, offset), each once (counted here with confluent-kafka, deltalake and duckdb)
Events that are stored but were never acknowledged are reported, not failed.
Needs WEIR_BINARY, and a Python with confluent-kafka, deltalake, duckdb, pyarrow.
"""
import argparse
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

import kill_report

WEIR = os.environ.get("WEIR_BINARY", "./weir")
TOPIC = "events"
PARTITIONS = 3
SELECT = "*, _topic, _partition, _offset"


def schema_ddl(fields=23):
    more = ", ".join(f"moreData{i}: DOUBLE" for i in range(fields))
    return (f"eventId STRING, complexData STRUCT<{more}>, value DOUBLE, deviceId STRING, "
            "deviceSequenceNumber BIGINT, type STRING, createdAt TIMESTAMP")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """One of the three programs: can be started, killed and started again."""

    def __init__(self, name, arguments, log_dir, ready=None):
        self.name, self.arguments, self.ready = name, arguments, ready
        self.log_path = os.path.join(log_dir, name + ".log")
        self.process = None
        self.starts = 0

    def start(self):
        self.starts += 1
        log = open(self.log_path, "ab")
        log.write(f"--- start {self.starts}\n".encode())
        log.flush()
        self.process = subprocess.Popen([WEIR, *self.arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if self.ready:
            self.ready(self)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=60):
        if self.alive():
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise SystemExit(f"{self.name} did not stop within {timeout} s; log: {self.log_path}")

    def log_tail(self, lines=25):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])


def wait_for_port(port):
    def wait(process):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if not process.alive():
                raise SystemExit(f"{process.name} ended while starting:\n{process.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f"{process.name} did not listen within 30 s:\n{process.log_tail()}")
    return wait


def read_log(port):
    """(partition, offset) -> value of every record that a consumer sees."""
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "kill-loop", "enable.auto.commit": False,
                         "enable.partition.eof": False})
    log = {}
    for partition in range(PARTITIONS):
        low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=30)
        consumer.assign([TopicPartition(TOPIC, partition, low)])
        while low < high:
            messages = consumer.consume(min(10_000, high - low), timeout=10)
            if not messages:
                raise SystemExit(f"partition {partition}: no record at offset {low} of {high}")
            for message in messages:
                if message.error():
                    raise SystemExit(f"partition {partition}: {message.error()}")
                log[(partition, message.offset())] = message.value()
                low = message.offset() + 1
    consumer.close()
    return log


def check_table(table_path, log):
    """The table holds exactly the log's rows; returns the failures."""
    import duckdb
    from deltalake import DeltaTable
    failures = []
    table = DeltaTable(table_path)
    rows = table.to_pyarrow_table(columns=["_partition", "_offset", "eventId"])
    keys = list(zip(rows.column("_partition").to_pylist(), rows.column("_offset").to_pylist()))
    ids = dict(zip(keys, rows.column("eventId").to_pylist()))
    if len(keys) != len(ids):
        failures.append(f"{len(keys) - len(ids)} rows of the table are doubled")
    if missing := log.keys() - ids.keys():
        failures.append(f"{len(missing)} records of the log are not in the table, e.g. {sorted(missing)[:3]}")
    if foreign := ids.keys() - log.keys():
        failures.append(f"{len(foreign)} rows of the table are not in the log, e.g. {sorted(foreign)[:3]}")
    different = [k for k in ids.keys() & log.keys() if json.loads(log[k])["eventId"] != ids[k]]
    if different:
        failures.append(f"{len(different)} rows differ from their record, e.g. {different[:3]}")
    counted = duckdb.sql(f"SELECT count(*) FROM read_parquet({table.file_uris()!r})").fetchone()[0]
    if counted != len(keys):
        failures.append(f"duckdb counts {counted} rows, deltalake {len(keys)}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--dir")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    root = options.dir or tempfile.mkdtemp(prefix="weir-kill-")
    os.makedirs(root, exist_ok=True)
    port = free_port()
    journal, table = os.path.join(root, "journal"), os.path.join(root, "table")
    ingest = ["ingest", "--from", f"kafka://127.0.0.1:{port}/{TOPIC}", "--schema", schema_ddl(), "--to", table,
              "--checkpoint", os.path.join(root, "checkpoint"), "--select", SELECT, "--option", "autoCompactMinFiles=5"]
    hub = Process("hub", ["hub", "--dir", os.path.join(root, "hub"), "--listen", f"127.0.0.1:{port}",
                          "--topic", f"{TOPIC}:{PARTITIONS}"], root, wait_for_port(port))
    simulator = Process("simulator", ["simulate", "--bootstrap", f"127.0.0.1:{port}", "--topic", TOPIC, "--rate",
                                      str(options.rate), "--duration", "3600s", "--seed", str(options.seed),
                                      "--journal", journal], root)
    query = Process("query", [*ingest, "--trigger", "0s"], root)
    programs = [hub, simulator, query]
    print(f"seed {options.seed}, {options.cycles} cycles in {root}", flush=True)
    for program in programs:
        program.start()
    kills = 0
    started = time.monotonic()
    for cycle in range(options.cycles):
        time.sleep(chance.uniform(0.02, 1.0))
        for program in programs:
            if not program.alive():
                raise SystemExit(f"cycle {cycle}: {program.name} ended by itself:\n{program.log_tail()}")
        victims = chance.choice([[hub], [simulator], [query], [hub, query], [hub, simulator], [simulator, query], programs])
        chance.shuffle(victims)
        for victim in victims:
            victim.kill()
            kills += 1
        for victim in sorted(victims, key=programs.index):
            victim.start()
        if (cycle + 1) % 20 == 0:
            print(f"cycle {cycle + 1}: {kills} kills, {time.monotonic() - started:.0f} s", flush=True)
    time.sleep(2)  # all three run undisturbed for a moment, so that the end is not only recovery
    if code := simulator.stop():
        raise SystemExit(f"the simulator ended with {code}:\n{simulator.log_tail()}")
    if code := query.stop():
        raise SystemExit(f"the query ended with {code}:\n{query.log_tail()}")
    subprocess.run([WEIR, *ingest, "--trigger", "availableNow"], check=True, timeout=120,
                   stdout=subprocess.DEVNULL, stderr=open(query.log_path, "ab"))
    log = read_log(port)
    failures = check_table(table, log)
    verify = subprocess.run([WEIR, "verify", table, "--journal", journal, "--bootstrap", f"127.0.0.1:{port}",
                             "--topic", TOPIC, "--output", "json"], stdout=subprocess.PIPE, text=True, timeout=300)
    if verify.returncode != 0:
        failures.append(f"weir verify ended with {verify.returncode}: {verify.stdout}")
    hub.stop()
    report = {"seed": options.seed, "cycles": options.cycles, "kills": kills, "records": len(log)}
    kill_report.end(started, report, failures, root, keep=options.keep or options.dir)


if __name__ == "__main__":
    main()
