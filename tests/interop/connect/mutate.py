#!/usr/bin/env python3
"""Damaged and recombined plans against `weir serve`: whatever comes, the server answers and lives.

    mutate.py [--seconds 60] [--seed N]

The plans of cases/*.py are taken apart; parts change places, numbers and texts become extremes, bytes are flipped. Each is
analysed, every fourth is run for a moment. Commands are left out: a damaged write could write anywhere.
"""
import argparse
import os
import pathlib
import random
import sys
import tempfile
import time

import grpc
import recording

NUMBERS = [0, 1, -1, 2, 7, 127, 255, 1 << 31, (1 << 31) - 1, -(1 << 31), (1 << 63) - 1, -(1 << 63)]
TEXTS = ["", "a", "id", "`", "a.b", "a`b", "*", "%", "\\", "(", "{}", "[", "int", "struct<", "9" * 40, "é🚀", "x" * 5000, "sum", "explode", "count", "no_such", "SELECT 1", "1 +"]


def plans_of_cases(address):
    """Serialized plans that the client makes for the cases."""
    from pyspark.sql.connect.plan import LogicalPlan
    from pyspark.sql.connect.session import SparkSession
    found = set()
    to_proto = LogicalPlan.to_proto

    def keep(self, session):
        plan = to_proto(self, session)
        if plan.HasField("root") and plan.ByteSize() < 20_000:
            found.add(plan.SerializeToString())
        return plan

    LogicalPlan.to_proto = keep
    try:
        for name, function in recording.load().items():
            if name.split(".")[0] not in ("columns", "joins", "grouping", "missing", "sql", "errors", "output"):
                continue
            spark = SparkSession.builder.remote(address).create()
            with tempfile.TemporaryDirectory() as tmp:
                try:
                    recording.outcome(function, spark, pathlib.Path(tmp))
                except Exception:  # what the case says does not matter here
                    pass
            spark.stop()
    finally:
        LogicalPlan.to_proto = to_proto
    return sorted(found)


class Mutator:
    def __init__(self, plans, proto, seed):
        self.random, self.proto, self.plans = random.Random(seed), proto, plans
        self.parts = {}  # by message type
        for bytes_ in plans:
            for message in self.walk(self.read(bytes_)):
                self.parts.setdefault(message.DESCRIPTOR.full_name, []).append(message)

    def read(self, bytes_):
        return self.proto.Plan.FromString(bytes_)

    def walk(self, message):
        found = [message]
        for field, value in message.ListFields():
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                continue
            many = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
            for one in value if many else [value]:
                found += self.walk(one)
        return found

    def scalar(self, message):
        fields = [(f, v) for f, v in message.ListFields() if f.message_type is None]
        if not fields:
            return
        field, value = self.random.choice(fields)
        many = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
        if many:
            if len(value) and self.random.random() < 0.5:
                del value[self.random.randrange(len(value))]
            elif len(value):
                value.append(value[0])
            return
        if isinstance(value, bool):
            new = not value
        elif isinstance(value, int):
            new = self.random.choice(NUMBERS)
        elif isinstance(value, float):
            new = self.random.choice([0.0, -1.0, 2.0, float("nan"), float("inf"), 1e308])
        elif isinstance(value, str):
            new = self.random.choice(TEXTS)
        else:
            new = bytes(self.random.randrange(256) for _ in range(self.random.randrange(64)))
        try:
            setattr(message, field.name, new)
        except ValueError:  # out of the field's range
            pass

    def next(self):
        plan = self.read(self.random.choice(self.plans))
        for _ in range(self.random.choice([1, 1, 2, 3, 6])):
            nodes = self.walk(plan)
            node = self.random.choice(nodes)
            how = self.random.random()
            if how < 0.45:
                node.CopyFrom(self.random.choice(self.parts[node.DESCRIPTOR.full_name]))
            elif how < 0.85:
                self.scalar(node)
            elif how < 0.93 and node.ListFields():
                node.ClearField(self.random.choice(node.ListFields())[0].name)
            else:
                node.Clear()
            if plan.ByteSize() > 100_000:
                break
        if not plan.HasField("root"):
            plan = self.read(self.random.choice(self.plans))
        bytes_ = bytearray(plan.SerializeToString())
        if self.random.random() < 0.15 and bytes_:
            for _ in range(self.random.randrange(1, 6)):
                bytes_[self.random.randrange(len(bytes_))] = self.random.randrange(256)
        return bytes(bytes_)


def length_delimited(number, value):
    def varint(n):
        return bytes([n & 0x7F | 0x80]) + varint(n >> 7) if n > 0x7F else bytes([n])
    return varint(number << 3 | 2) + varint(len(value)) + value


def run(server, seconds, seed, count=None):
    """Returns how many plans were tried and the last one where the server died (else None)."""
    import pyspark.sql.connect.proto as proto
    from pyspark.sql.connect.session import SparkSession
    mutator = Mutator(plans_of_cases(server.address), proto, seed)
    spark = SparkSession.builder.remote(server.address).create()
    spark.range(1).collect()
    client = spark.client
    who = length_delimited(1, client._session_id.encode()) + length_delimited(2, length_delimited(1, (client._user_id or "").encode()))
    analyze = client._channel.unary_unary("/spark.connect.SparkConnectService/AnalyzePlan")
    execute = client._channel.unary_stream("/spark.connect.SparkConnectService/ExecutePlan")
    end, tried = time.monotonic() + seconds, 0
    while time.monotonic() < end and (count is None or tried < count):
        plan = mutator.next()
        tried += 1
        try:
            analyze(who + length_delimited(4, length_delimited(1, plan)), timeout=20)
            if tried % 4 == 0 and len(plan) < 4000:
                for i, _ in enumerate(execute(who + length_delimited(3, plan), timeout=0.5)):
                    if i > 20:
                        break
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE or server.process.poll() is not None:
                time.sleep(0.5)
                if server.process.poll() is not None:
                    return tried, plan
            elif error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and b"" == plan:
                return tried, plan
    return tried, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    from conftest import Server
    with tempfile.TemporaryDirectory(prefix="weir-mutate-") as folder:
        begin, seed, tried = time.monotonic(), options.seed, 0
        died = 0
        while time.monotonic() - begin < options.seconds:
            server = Server(f"{folder}/w{seed}")
            n, plan = run(server, options.seconds - (time.monotonic() - begin), seed)
            tried += n
            if plan is None:
                server.stop()
                break
            died += 1
            out = pathlib.Path(tempfile.gettempdir()) / f"weir-mutate-{seed}.plan"
            out.write_bytes(plan)
            import pyspark.sql.connect.proto as proto
            print(f"the server died ({server.process.returncode}), seed {seed}, plan {out}:\n{str(proto.Plan.FromString(plan))[:3000]}")
            seed += 1
    print(f"{tried} plans, {died} deaths, seed {options.seed}")
    return 1 if died else 0


if __name__ == "__main__":
    os.environ.setdefault("WEIR_BINARY", str(recording.HERE.parents[2] / "build/release/weir"))
    sys.exit(main())
