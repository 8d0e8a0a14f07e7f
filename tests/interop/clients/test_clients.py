"""Unmodified clients against `weir hub`: kcat, confluent-kafka, kafka-python, Java kafka-clients."""
import glob
import os
import signal
import subprocess
import time
import uuid

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer
from weir_programs import DEPS, WEIR, free_port, running, weir_hub

COMPRESSIONS = ["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with weir_hub(str(tmp_path_factory.mktemp("hub")), "--topic", "compat:1", "--topic", "perf:4") as bootstrap:
        yield bootstrap


@pytest.fixture
def topic(hub):
    return create(hub, f"t-{uuid.uuid4().hex[:8]}", 3)


def create(bootstrap, name, partitions, config=None):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(10)
    return name


def kcat(bootstrap, *arguments, text=None):
    return subprocess.run(["kcat", "-b", bootstrap, *arguments], input=text, capture_output=True, text=True, timeout=60, check=True).stdout


def produce(bootstrap, topic, values, **settings):
    errors = []
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **settings})
    for i, value in enumerate(values):
        producer.produce(topic, key=str(i), value=value, on_delivery=lambda error, _: errors.append(error) if error else None)
        producer.poll(0)
    assert producer.flush(30) == 0
    assert errors == []


def consume(bootstrap, topic, count, group, **settings):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000,
                         "enable.auto.commit": False, **settings})
    consumer.subscribe([topic])
    got = {}
    deadline = time.monotonic() + 60
    while len(got) < count and time.monotonic() < deadline:
        for message in consumer.consume(500, 0.2):
            assert message.error() is None
            place = (message.partition(), message.offset())
            assert place not in got
            got[place] = message.value().decode()
    return consumer, got


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_kcat_produces_and_consumes(hub, topic, compression):
    lines = [f"key{i}:value{i}" for i in range(1000)]
    kcat(hub, "-P", "-t", topic, "-K:", "-z", compression, text="\n".join(lines) + "\n")
    assert sorted(kcat(hub, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-K:").split()) == sorted(lines)


def test_kcat_consumes_with_a_group_and_goes_on(hub, topic):
    kcat(hub, "-P", "-t", topic, "-p", "0", text="a\nb\n")
    assert sorted(kcat(hub, "-G", "g-" + topic, "-X", "auto.offset.reset=earliest", "-c", "2", "-q", topic).split()) == ["a", "b"]
    kcat(hub, "-P", "-t", topic, "-p", "0", text="c\n")
    assert kcat(hub, "-G", "g-" + topic, "-X", "auto.offset.reset=earliest", "-c", "1", "-q", topic).split() == ["c"]


def test_kcat_lists_and_queries(hub, topic):
    kcat(hub, "-P", "-t", topic, "-p", "1", text="a\n")
    assert f'topic "{topic}" with 3 partitions' in kcat(hub, "-L")
    assert "offset 0" in kcat(hub, "-Q", "-t", f"{topic}:1:1000")
    assert "offset 1" in kcat(hub, "-Q", "-t", f"{topic}:1:-1")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_confluent_idempotent_producer(hub, topic, compression):
    values = [f"{compression}-{i}" for i in range(3000)]
    produce(hub, topic, values, **{"enable.idempotence": True, "compression.type": compression})
    consumer, got = consume(hub, topic, len(values), "g-" + topic)
    consumer.close()
    assert sorted(got.values()) == sorted(values)


def test_confluent_group_shares_and_commits(hub, topic):
    values = [str(i) for i in range(2000)]
    produce(hub, topic, values)
    first, got = consume(hub, topic, len(values), "g-" + topic)
    first.commit(asynchronous=False)
    second = Consumer({"bootstrap.servers": hub, "group.id": "g-" + topic, "session.timeout.ms": 6000})
    second.subscribe([topic])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (first.assignment() and second.assignment()):
        first.poll(0.1)
        second.poll(0.1)
    parts = [{p.partition for p in c.assignment()} for c in (first, second)]
    assert parts[0] | parts[1] == {0, 1, 2} and not parts[0] & parts[1]
    first.close()
    second.close()
    third = Consumer({"bootstrap.servers": hub, "group.id": "g-" + topic})
    committed = third.committed([TopicPartition(topic, p) for p in range(3)], 10)
    assert sum(p.offset for p in committed) == len(values)
    assert len(got) == len(values)
    third.close()


def test_confluent_watermarks_and_times(hub, topic):
    produce(hub, topic, ["x"] * 300)
    consumer = Consumer({"bootstrap.servers": hub, "group.id": "w"})
    assert sum(consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in range(3)) == 300
    now = int(time.time() * 1000)
    assert consumer.offsets_for_times([TopicPartition(topic, 0, now - 3_600_000)], 10)[0].offset == 0
    assert consumer.offsets_for_times([TopicPartition(topic, 0, now + 3_600_000)], 10)[0].offset < 0
    consumer.close()


def test_confluent_admin_is_told_why(hub, topic):
    with pytest.raises(KafkaException) as refused:
        create(hub, topic, 1)
    assert refused.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    with pytest.raises(KafkaException) as refused:
        create(hub, topic + "-odd", 1, {"min.insync.replicas": "2"})
    assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG
    assert "min.insync.replicas" in refused.value.args[0].str()


def test_records_over_the_limit_and_unknown_topics(hub, topic):
    small = create(hub, topic + "-small", 1, {"max.message.bytes": "1000"})
    for name, code in [(small, KafkaError.MSG_SIZE_TOO_LARGE), ("absent-" + topic, KafkaError._UNKNOWN_TOPIC)]:
        errors = []
        producer = Producer({"bootstrap.servers": hub, "topic.metadata.propagation.max.ms": 500})
        producer.produce(name, value=b"x" * 5000, on_delivery=lambda error, _: errors.append(error))
        producer.flush(20)
        assert [e.code() for e in errors] in ([code], [KafkaError.UNKNOWN_TOPIC_OR_PART])


@pytest.mark.parametrize("idempotent", [False, True])
def test_kafka_python(hub, topic, idempotent):
    producer = KafkaProducer(bootstrap_servers=hub, enable_idempotence=idempotent, acks="all", compression_type="gzip")
    sent = [producer.send(topic, b"v%d" % i, key=b"k%d" % i) for i in range(500)]
    assert len({(s.get(20).partition, s.get().offset) for s in sent}) == 500
    producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=hub, group_id="kp-" + topic, auto_offset_reset="earliest", consumer_timeout_ms=3000,
                             enable_auto_commit=False)
    assert len([m for m in consumer]) == 500
    consumer.commit()
    consumer.close()
    again = KafkaConsumer(topic, bootstrap_servers=hub, group_id="kp-" + topic, auto_offset_reset="earliest", consumer_timeout_ms=2000)
    assert [m for m in again] == []
    again.close()


def java(tool, *arguments, seconds=120):
    jars = glob.glob(os.path.join(DEPS, "jars", "kafka", "*.jar"))
    if not jars:
        pytest.skip("the jars of Apache Kafka are not in " + DEPS)
    done = subprocess.run(["java", "-cp", ":".join(jars), tool, *arguments], capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stdout + done.stderr


def test_java_client_compatibility(hub):
    code, output = java("org.apache.kafka.tools.ClientCompatibilityTest", "--bootstrap-server", hub, "--topic", "compat", "--num-cluster-nodes", "1",
                        "--cluster-id-supported", "true", "--create-topics-supported", "true", "--describe-acls-supported", "false",
                        "--describe-configs-supported", "false", "--offsets-for-times-supported", "true", "--idempotent-producer-supported", "true",
                        "--expect-record-too-large-exception", "false")
    assert code == 0 and "SUCCESS" in output, output


def test_java_producer_and_consumer(hub):
    code, output = java("org.apache.kafka.tools.ProducerPerformance", "--topic", "perf", "--num-records", "100000", "--record-size", "1000",
                        "--throughput", "-1", "--bootstrap-server", hub, "--command-property", "acks=all", "enable.idempotence=true")
    assert code == 0 and "100000 records sent" in output, output
    code, output = java("org.apache.kafka.tools.ConsumerPerformance", "--topic", "perf", "--num-records", "100000", "--bootstrap-server", hub,
                        "--timeout", "30000")
    assert code == 0 and ", 100000, " in output, output


def test_a_producer_survives_kills_of_the_hub(tmp_path):
    """kill -9 while an idempotent producer sends: what was acknowledged is there once, in order."""
    port = free_port()
    bootstrap = f"127.0.0.1:{port}"
    arguments = [WEIR, "hub", "--dir", str(tmp_path / "hub"), "--listen", bootstrap, "--topic", "t:1"]
    acknowledged = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1, "reconnect.backoff.max.ms": 200})
    sent = 0
    for _ in range(5):
        with running(arguments, port, str(tmp_path / "log")) as process:
            end = time.monotonic() + 0.7
            while time.monotonic() < end:
                if len(producer) > 20_000:  # the hub is away
                    producer.poll(0.01)
                    continue
                producer.produce("t", value=str(sent), on_delivery=lambda error, m: None if error else acknowledged.append(int(m.value())))
                sent += 1
                producer.poll(0)
                if sent % 50 == 0:
                    time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait()
    with running(arguments, port, str(tmp_path / "log")):
        assert producer.flush(30) == 0
        consumer, got = consume(bootstrap, "t", sent, "g")
        consumer.close()
    values = [int(got[place]) for place in sorted(got)]
    assert values == sorted(set(values)), "in order and once"
    assert set(acknowledged) <= set(values)
    assert values == list(range(sent)), "the producer retried until all was there"
