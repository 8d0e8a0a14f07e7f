"""Spark's options of a Kafka source, through `weir ingest` against a live hub."""
import json
import subprocess

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from deltalake import DeltaTable
from weir_programs import WEIR, weir_hub

T0 = 1_700_000_000_000  # of the first record, in milliseconds


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with weir_hub(str(folder), "--topic", "orders-eu:2", "--topic", "orders-us:1", "--topic", "other:1") as bootstrap:
        # Ten records a partition, a second apart; i is the offset.
        send(bootstrap, [(topic, partition, i) for topic, partition in
                         (("orders-eu", 0), ("orders-eu", 1), ("orders-us", 0), ("other", 0)) for i in range(10)])
        yield bootstrap


def send(bootstrap, records):
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for topic, partition, i in records:
        producer.produce(topic, key=f"k{i}", value=json.dumps({"i": i}), partition=partition, timestamp=T0 + 1000 * i,
                         headers=[("h", b"1"), ("h", None)])
    assert producer.flush(30) == 0


def ingest(bootstrap, folder, *options, topic="", code=0, schema=True, select="i, _topic, _partition, _offset"):
    arguments = [WEIR, "ingest", "--from", f"kafka://{bootstrap}/{topic}", "--to", str(folder / "t"), "--checkpoint",
                 str(folder / "c"), "--trigger", "availableNow", "--output", "json"]
    if schema:
        arguments += ["--schema", "i INT"]
    if select:
        arguments += ["--select", select]
    for option in options:
        arguments += ["--option", option]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def places(folder):
    """The records in the table; without a first row there is no table yet."""
    if not (folder / "t").exists():
        return []
    rows = DeltaTable(str(folder / "t")).to_pyarrow_table()
    return sorted(zip(*(rows[name].to_pylist() for name in ("_topic", "_partition", "_offset"))))


def all_of(topic, partitions, begin=0, end=10):
    return [(topic, p, i) for p in range(partitions) for i in range(begin, end)]


def test_subscribe_pattern_takes_matching_topics_and_those_made_later(hub, tmp_path):
    pattern = "subscribePattern=orders-[a-z]{2}|late.*"
    done = ingest(hub, tmp_path, pattern)
    assert places(tmp_path) == all_of("orders-eu", 2) + all_of("orders-us", 1)
    progress = json.loads(done.stdout.splitlines()[0])
    assert progress["sources"][0]["description"] == "KafkaV2[SubscribePattern[orders-[a-z]{2}|late.*]]"
    admin = AdminClient({"bootstrap.servers": hub})
    admin.create_topics([NewTopic("later", 2, 1)])["later"].result(30)
    send(hub, [("later", 1, i) for i in range(3)])
    ingest(hub, tmp_path, pattern)
    assert places(tmp_path) == [("later", 1, i) for i in range(3)] + all_of("orders-eu", 2) + all_of("orders-us", 1)


def test_subscribe_to_several_and_assign(hub, tmp_path):
    ingest(hub, tmp_path, topic="orders-us,other")
    assert places(tmp_path) == all_of("orders-us", 1) + all_of("other", 1)
    (tmp_path / "2").mkdir()
    ingest(hub, tmp_path / "2", 'assign={"orders-eu":[1]}')
    assert places(tmp_path / "2") == [("orders-eu", 1, i) for i in range(10)]


STARTS = {
    "earliest": (["startingOffsets=earliest"], 0, 0),
    "latest": (["startingOffsets=latest"], 10, 10),
    "by partition": (['startingOffsets={"orders-eu":{"0":7,"1":-2}}'], 7, 0),
    "by partition, from the end": (['startingOffsets={"orders-eu":{"0":-1,"1":9}}'], 10, 9),
    "by timestamp": ([f'startingOffsetsByTimestamp={{"orders-eu":{{"0":{T0 + 3000},"1":{T0 + 3001}}}}}'], 3, 4),
    "one timestamp": ([f"startingTimestamp={T0 + 8500}"], 9, 9),
    "a timestamp after the end": ([f"startingTimestamp={T0 + 10**6}", "startingOffsetsByTimestampStrategy=latest"], 10, 10),
}


@pytest.mark.parametrize("name", STARTS)
def test_starting(hub, tmp_path, name):
    options, first, second = STARTS[name]
    ingest(hub, tmp_path, *options, topic="orders-eu")
    assert places(tmp_path) == [("orders-eu", 0, i) for i in range(first, 10)] + [("orders-eu", 1, i) for i in range(second, 10)]


REFUSED = {
    "endingOffsets": (['endingOffsets={"orders-eu":{"0":5,"1":5}}'], 2, "endingOffsets"),
    "endingOffsetsByTimestamp": (['endingOffsetsByTimestamp={"orders-eu":{"0":5,"1":5}}'], 2, "endingOffsetsByTimestamp"),
    "endingTimestamp": (["endingTimestamp=1"], 2, "endingTimestamp"),
    "a partition not named": (['startingOffsets={"orders-eu":{"0":5}}'], 2, "every partition"),
    "no record so late": ([f"startingTimestamp={T0 + 10**6}"], 2, "no record"),
    "not JSON": (["startingOffsets=sometime"], 2, "startingOffsets"),
    "two ways to choose topics": (["subscribePattern=o.*"], 2, "subscribePattern"),
    "a group's offsets": (["kafka.auto.offset.reset=earliest"], 2, "startingOffsets"),
    "a client option that weir lacks": (["kafka.client.rack=here"], 7, "client.rack"),
    "an unknown option": (["maxOffsetPerTrigger=5"], 2, "maxOffsetPerTrigger"),
    "zero rows a batch": (["maxOffsetsPerTrigger=0"], 2, "maxOffsetsPerTrigger"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(hub, tmp_path, name):
    options, code, said = REFUSED[name]
    done = ingest(hub, tmp_path, *options, topic="orders-eu", code=code)
    assert said in done.stderr
    assert json.loads(done.stdout)["error"]["message"] in done.stderr
    assert not (tmp_path / "t" / "_delta_log").exists(), "nothing was written"


def test_a_topic_that_is_not_there(hub, tmp_path):
    assert "nowhere" in ingest(hub, tmp_path, topic="nowhere", code=3).stderr


def test_no_broker(tmp_path):
    ingest("127.0.0.1:1", tmp_path, topic="orders-eu", code=4)


def test_limits_and_parts(hub, tmp_path):
    done = ingest(hub, tmp_path, "maxOffsetsPerTrigger=7", "minPartitions=6", topic="orders-eu")
    batches = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    assert sum(b["numInputRows"] for b in batches) == 20
    assert all(0 < b["numInputRows"] <= 7 for b in batches)
    assert batches[-1]["sources"][0]["endOffset"] == {"orders-eu": {"0": 10, "1": 10}}
    assert batches[-1]["sources"][0]["metrics"]["maxOffsetsBehindLatest"] == "0"
    assert places(tmp_path) == all_of("orders-eu", 2)


def test_kafkas_columns_without_a_schema(hub, tmp_path):
    ingest(hub, tmp_path, "includeHeaders=true", topic="orders-us", schema=False, select="")
    rows = DeltaTable(str(tmp_path / "t")).to_pyarrow_table().sort_by("offset").to_pylist()
    assert list(rows[0]) == ["key", "value", "topic", "partition", "offset", "timestamp", "timestampType", "headers"]
    assert (rows[3]["key"], rows[3]["value"], rows[3]["timestampType"]) == (b"k3", b'{"i": 3}', 0)
    assert rows[3]["timestamp"].timestamp() * 1000 == T0 + 3000
    assert rows[3]["headers"] == [{"key": "h", "value": b"1"}, {"key": "h", "value": None}]


def test_a_group_has_no_effect_and_that_is_said(hub, tmp_path):
    done = ingest(hub, tmp_path, "kafka.group.id=g", "kafka.session.timeout.ms=30000", "groupIdPrefix=p", topic="orders-us")
    for name in ("kafka.group.id", "kafka.session.timeout.ms", "groupIdPrefix"):
        assert f"option {name} has no effect" in done.stderr
    assert places(tmp_path) == all_of("orders-us", 1)


def test_a_batch_that_decompresses_to_too_much_is_refused(tmp_path):
    (tmp_path / "hub").mkdir()
    with weir_hub(str(tmp_path / "hub"), "--topic", "bombs:1") as bootstrap:
        producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "zstd"})
        producer.produce("bombs", value=json.dumps({"i": 1, "more": "x" * 500_000}))
        assert producer.flush(30) == 0
        option = "kafka.weir.decompressed.batch.bytes.max"
        done = ingest(bootstrap, tmp_path, f"{option}=100000", topic="bombs", code=1)
        assert option in done.stderr and "bombs-0 at offset 0" in done.stderr
        ingest(bootstrap, tmp_path, f"{option}=600000", topic="bombs")
        assert places(tmp_path) == [("bombs", 0, 0)]
