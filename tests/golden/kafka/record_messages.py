"""Records messages.txt: Kafka messages encoded by kafka-python, which follows Apache Kafka's JSON schemas.

    ~/.cache/weir/deps/venv/bin/python tests/golden/kafka/record_messages.py > tests/golden/kafka/messages.txt

One line a message: name, version, "full" or "null" (nullable fields null, arrays empty), bytes in hex.
Recorded with kafka-python 3.0.12.
"""
import importlib
import itertools

VERSIONS = {
    "Produce": (3, 8), "Fetch": (4, 11), "ListOffsets": (1, 5), "Metadata": (0, 8), "OffsetCommit": (2, 7),
    "OffsetFetch": (1, 7), "FindCoordinator": (0, 2), "JoinGroup": (0, 5), "Heartbeat": (0, 3), "LeaveGroup": (0, 2),
    "SyncGroup": (0, 3), "SaslHandshake": (0, 1), "ApiVersions": (0, 3), "CreateTopics": (2, 4),
    "InitProducerId": (0, 4), "AddPartitionsToTxn": (0, 2), "AddOffsetsToTxn": (0, 2), "EndTxn": (0, 2),
    "TxnOffsetCommit": (0, 2), "SaslAuthenticate": (0, 1),
}
MODULES = ["producer", "consumer", "metadata", "admin", "sasl"]


def find(name):
    for module in MODULES:
        found = getattr(importlib.import_module("kafka.protocol." + module), name, None)
        if found is not None:
            return found
    raise SystemExit("kafka-python has no " + name)


def value_of(json_type, count):
    if json_type == "bool":
        return True
    if json_type.startswith("int"):
        bits = int(json_type[3:])
        return {8: 1 + next(count) % 100, 16: 200 + next(count), 32: 70000 + next(count), 64: 5000000000 + next(count)}[bits]
    if json_type == "bitfield":
        return {3, 8}
    if json_type == "string":
        return "text%d" % next(count)
    if json_type in ("bytes", "records"):
        return b"bytes%d" % next(count)
    raise SystemExit("no value for " + json_type)


def in_range(text, version):
    if text.endswith("+"):
        return version >= int(text[:-1])
    low, _, high = text.partition("-")
    return int(low) <= version <= int(high or low)


def fill(fields, version, full, count, structs):
    values = {}
    for field in fields:
        if not in_range(field["versions"], version) or "tag" in field:
            continue
        kind = field["type"]
        nullable = "nullableVersions" in field and in_range(field["nullableVersions"], version)
        name = "".join("_" + c.lower() if c.isupper() else c for c in field["name"]).lstrip("_")
        if not full and nullable:
            values[name] = None
        elif kind.startswith("[]"):
            inner = kind[2:]
            sub = field.get("fields") or structs.get(inner)
            rounds = range(2 if full else 0)
            if sub:
                values[name] = [fill(sub, version, full, count, structs) for _ in rounds]
            else:
                values[name] = [value_of(inner, count) for _ in rounds]
        else:
            values[name] = value_of(kind, count)
    return values


def build(container, values):
    arguments = {}
    by_name = container._struct.fields
    for name, value in values.items():
        field = by_name[name]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = [build(field.data_class, each) for each in value]
        arguments[name] = value
    return container(**arguments)


def main():
    for api, (low, high) in VERSIONS.items():
        for side in ("Request", "Response"):
            message = find(api + side)
            structs = {s["name"]: s["fields"] for s in message._json.get("commonStructs", [])}
            for version, kind in itertools.product(range(low, high + 1), ("full", "null")):
                values = fill(message._json["fields"], version, kind == "full", itertools.count(1), structs)
                data = build(message, values).encode(version=version)
                print(api + side, version, kind, bytes(data).hex())


main()
