"""Streams and tables written to a real Apache Kafka broker, read back by librdkafka's consumer."""
import contextlib
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from weir_programs import DEPS, WEIR, real_kafka

sys.path += glob.glob(f"{DEPS}/venv-connect/lib/python3*/site-packages")  # the client's gRPC
from pyspark.errors import PySparkException  # noqa: E402
from pyspark.sql.connect.session import SparkSession  # noqa: E402

KILLS = int(os.environ.get("WEIR_SINK_KILLS", "8"))
SEED = int(os.environ.get("WEIR_SINK_SEED") or time.time())
TOPICS = {"in": 3, "out": 2, "plain": 3, "other": 1, "given_up": 1, "fenced_in": 1, "fenced": 1}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    with real_kafka(str(tmp_path_factory.mktemp("kafka")), TOPICS) as bootstrap:
        yield bootstrap


class Server:
    def __init__(self, warehouse):
        self.process = subprocess.Popen([WEIR, "serve", "--listen", "127.0.0.1:0", "--warehouse", str(warehouse), "--output", "json"],
                                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.session = SparkSession.builder.remote(json.loads(self.process.stdout.readline())["address"]).create()

    def kill(self):
        """As the power switch would; the client only forgets, or its exit would wait for the dead server."""
        self.process.kill()
        self.process.wait()
        self.session.client.close()

    def stop(self):
        with contextlib.suppress(Exception):
            self.session.stop()
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
def server(tmp_path):
    started = Server(tmp_path / "warehouse")
    yield started
    started.stop()


def read_topic(bootstrap, topic, isolation="read_committed"):
    """All messages of a topic as a consumer of that isolation sees them."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False, "isolation.level": isolation,
                         "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(TOPICS[topic])])
    messages, ended = [], set()
    while len(ended) < TOPICS[topic]:
        message = consumer.poll(30)
        assert message is not None, f"{topic}: no answer; {len(ended)} of {TOPICS[topic]} partitions read to their ends"
        if message.error() is None:
            messages.append(message)
        else:
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
    consumer.close()
    return messages


def from_topic(session, bootstrap, topic):
    return (session.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", topic)
            .option("startingOffsets", "earliest").load())


def to_topic(rows, bootstrap, topic, checkpoint, **options):
    return (rows.writeStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", topic)
            .option("checkpointLocation", str(checkpoint)).options(**options))


class Feed(threading.Thread):
    """Numbers, one after the other, until told to stop."""

    def __init__(self, bootstrap, topic):
        super().__init__(daemon=True)
        self.producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2, "enable.idempotence": True})
        self.topic, self.count, self.ends = topic, 0, False

    def run(self):
        while not self.ends:
            for _ in range(20):
                self.producer.produce(self.topic, key=str(self.count % 7), value=str(self.count), partition=self.count % 7 % TOPICS[self.topic])
                self.count += 1
            self.producer.poll(0.01)

    def stop(self):
        self.ends = True
        self.join()
        assert self.producer.flush(30) == 0


def test_kills_at_any_moment_lose_and_double_nothing(kafka, tmp_path):
    print(f"WEIR_SINK_SEED={SEED}")
    chance = random.Random(SEED)

    def start(server, **trigger):
        rows = from_topic(server.session, kafka, "in").selectExpr("key", "value")
        return to_topic(rows, kafka, "out", tmp_path / "checkpoint", exactlyOnce="true").trigger(**trigger).start()

    feed = Feed(kafka, "in")
    feed.start()
    for _ in range(KILLS):
        server = Server(tmp_path / "warehouse")
        start(server, processingTime="0 seconds")
        time.sleep(chance.uniform(0.0, 0.5))
        server.kill()
    feed.stop()
    server = Server(tmp_path / "warehouse")
    assert start(server, availableNow=True).awaitTermination(60)
    # The consumer's own view first, then weir's.
    seen = read_topic(kafka, "out")
    assert sorted(int(m.value()) for m in seen) == list(range(feed.count))
    table = server.session.read.format("kafka").option("kafka.bootstrap.servers", kafka).option("subscribe", "out")
    assert table.option("kafka.isolation.level", "read_committed").load().count() == feed.count
    server.stop()
    for partition in range(TOPICS["out"]):
        by_key = {}
        for message in seen:
            if message.partition() == partition:
                by_key.setdefault(message.key(), []).append(int(message.value()))
        assert all(numbers == sorted(numbers) for numbers in by_key.values()), "order by key"


def test_a_second_process_of_a_query_stops_the_first_which_names_it(kafka, tmp_path):
    feed = Producer({"bootstrap.servers": kafka})

    def send(number):
        feed.produce("fenced_in", value=str(number))
        assert feed.flush(30) == 0

    def start(name):
        server = Server(tmp_path / f"warehouse-{name}")
        rows = from_topic(server.session, kafka, "fenced_in").selectExpr("value")
        return server, to_topic(rows, kafka, "fenced", tmp_path / name, exactlyOnce="true").start()

    send(0)
    first_server, first = start("first")
    first.processAllAvailable()
    shutil.copytree(tmp_path / "first", tmp_path / "second", ignore=shutil.ignore_patterns("weir.lock"))
    second_server, second = start("second")
    send(1)
    with pytest.raises(PySparkException) as refused:
        first.awaitTermination(60)
    assert f"run {second.runId} in process {second_server.process.pid}" in str(refused.value)
    second.processAllAvailable()
    assert [m.value() for m in read_topic(kafka, "fenced")] == [b"0", b"1"]
    second.stop()
    first_server.stop()
    second_server.stop()


def test_readers_of_what_is_committed_leave_out_what_was_given_up(kafka, server):
    transactional = Producer({"bootstrap.servers": kafka, "transactional.id": "another"})
    transactional.init_transactions(30)
    for number, committed in ((1, True), (2, False), (3, True)):
        transactional.begin_transaction()
        transactional.produce("given_up", value=str(number))
        transactional.flush(30)
        transactional.commit_transaction(30) if committed else transactional.abort_transaction(30)
    reader = server.session.read.format("kafka").option("kafka.bootstrap.servers", kafka).option("subscribe", "given_up")
    values = {isolation: [row.v for row in reader.option("kafka.isolation.level", isolation).load().selectExpr("string(value) v").collect()]
              for isolation in ("read_committed", "read_uncommitted")}
    assert values == {"read_committed": ["1", "3"], "read_uncommitted": ["1", "2", "3"]}


def test_columns_of_rows_written_at_least_once(kafka, server, tmp_path):
    rows = server.session.sql("""
        SELECT string(id) AS key, concat('v', id) AS value, if(id % 2 = 0, 'plain', 'other') AS topic,
               if(id % 2 = 0, int(id % 3), NULL) AS partition,
               array(named_struct('key', 'n', 'value', encode(string(id), 'utf-8'))) AS headers
        FROM range(10)""")
    write = rows.write.format("kafka").option("kafka.bootstrap.servers", kafka)
    write.save()
    plain, other = read_topic(kafka, "plain"), read_topic(kafka, "other")
    assert sorted((m.key(), m.value(), m.partition(), tuple(m.headers())) for m in plain) == [
        (b"%d" % i, b"v%d" % i, i % 3, (("n", b"%d" % i),)) for i in range(0, 10, 2)]
    assert sorted((m.key(), m.value(), tuple(m.headers())) for m in other) == [
        (b"%d" % i, b"v%d" % i, (("n", b"%d" % i),)) for i in range(1, 10, 2)]
    with pytest.raises(PySparkException, match="Save mode Overwrite not allowed for Kafka"):
        write.mode("overwrite").save()
    with pytest.raises(PySparkException, match="exactlyOnce"):
        write.mode("append").option("exactlyOnce", "true").save()

    # A stream's rows choose topic and partition alike; null keys and values stay null.
    stream = from_topic(server.session, kafka, "other").selectExpr(
        "CAST(NULL AS STRING) AS key", "if(offset = 0, NULL, value) AS value", "'plain' AS topic", "2 AS partition")
    query = (stream.writeStream.format("kafka").option("kafka.bootstrap.servers", kafka)
             .option("checkpointLocation", str(tmp_path / "checkpoint")).trigger(availableNow=True).start())
    assert query.awaitTermination(60)
    added = [m for m in read_topic(kafka, "plain") if m.key() is None]
    assert {m.partition() for m in added} == {2}
    assert sorted(m.value() or b"" for m in added) == [b""] + sorted(m.value() for m in other if m.offset() > 0)


def test_a_query_without_its_broker_stops_at_once(server, tmp_path):
    rows = server.session.readStream.format("rate").load().selectExpr("string(value) AS value")
    query = to_topic(rows, "127.0.0.1:1", "t", tmp_path / "checkpoint").start()
    query.stop()
    assert not query.isActive
