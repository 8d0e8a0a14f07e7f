"""Starts weir's programs, a real Kafka broker and Spark for the interop tests.

Environment (set by CMake): WEIR_BINARY, WEIR_DEPS_DIR, WEIR_SOURCE_DIR.
"""
import contextlib
import glob
import json
import os
import signal
import socket
import subprocess
import time

WEIR = os.environ["WEIR_BINARY"]
DEPS = os.environ["WEIR_DEPS_DIR"]
SOURCE = os.environ["WEIR_SOURCE_DIR"]
TOPIC = "events"
SERVER_PIDS = {}  # bootstrap address -> process id of the broker


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, log, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode} while starting:\n{tail(log)}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port} after {seconds} s:\n{tail(log)}")


def tail(path, lines=30):
    with open(path, errors="replace") as f:
        return "".join(f.readlines()[-lines:])


@contextlib.contextmanager
def running(arguments, port, log, **kwargs):
    """A server that listens on port; ended by SIGTERM."""
    with open(log, "ab") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **kwargs)
    try:
        wait_for_port(port, process, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def weir_hub(folder, *options):
    port = free_port()
    with running([WEIR, "hub", "--dir", os.path.join(folder, "hub"), "--listen", f"127.0.0.1:{port}", *options], port,
                 os.path.join(folder, "hub.log")) as process:
        SERVER_PIDS[f"127.0.0.1:{port}"] = process.pid
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def real_kafka(folder, topics, settings=None, sasl_ssl_port=None):
    """Apache Kafka in KRaft mode with its topics ({name: partitions}); yields the bootstrap address.
    With sasl_ssl_port also a listener of that kind on localhost, which `settings` set up."""
    secure = f",SASL_SSL://localhost:{sasl_ssl_port}" if sasl_ssl_port else ""
    port, controller = free_port(), free_port()
    data = os.path.join(folder, "kafka")
    os.makedirs(data)
    properties = os.path.join(data, "server.properties")
    with open(properties, "w") as f:
        f.write(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{secure}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
controller.listener.names=CONTROLLER
log.dirs={data}/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
""" + "".join(f"{key}={value}\n" for key, value in (settings or {}).items()))
    java = ["java", "-Xmx512m", "-cp", f"{DEPS}/jars/kafka/*"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True, "timeout": 120}
    subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", properties], **quiet)
    with running([*java, "kafka.Kafka", properties], port,
                 os.path.join(folder, "kafka.log")) as process:
        SERVER_PIDS[f"127.0.0.1:{port}"] = process.pid
        from confluent_kafka.admin import AdminClient, NewTopic
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        created = admin.create_topics([NewTopic(name, partitions, 1) for name, partitions in topics.items()])
        for future in created.values():
            future.result(60)
        yield f"127.0.0.1:{port}"


def weir(*arguments, check=True, timeout=300):
    """Runs a weir command to its end; its standard output as text."""
    done = subprocess.run([WEIR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"weir {' '.join(arguments)} ended with {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def event_schema(fields=23):
    more = ", ".join(f"moreData{i}: DOUBLE" for i in range(fields))
    return (f"eventId STRING, complexData STRUCT<{more}>, value DOUBLE, deviceId STRING, "
            "deviceSequenceNumber BIGINT, type STRING, createdAt TIMESTAMP")


def simulate(bootstrap, count, *options):
    """Sends count events as fast as possible; the simulator's report."""
    return json.loads(weir("simulate", "--bootstrap", bootstrap, "--topic", TOPIC, "--rate", "0", "--count", str(count),
                           "--output", "json", *options))


def ingest(bootstrap, table, checkpoint, *options):
    return weir("ingest", "--from", f"kafka://{bootstrap}/{TOPIC}", "--schema", event_schema(), "--to", table,
                "--checkpoint", checkpoint, "--trigger", "availableNow", *options)


def spark_session():
    """Spark local[2] with Delta and Kafka out of the pinned jars."""
    from pyspark.sql import SparkSession
    jars = ",".join(sorted(glob.glob(f"{DEPS}/jars/spark/*.jar")))
    return (SparkSession.builder.master("local[2]").config("spark.jars", jars)
            .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
            .config("spark.sql.shuffle.partitions", "2").config("spark.driver.memory", "2g")
            .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
            .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
            .config("spark.databricks.delta.snapshotPartitions", "2").config("spark.sql.session.timeZone", "UTC").getOrCreate())
