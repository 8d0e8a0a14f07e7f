"""readStream and writeStream in their formats through PySpark's client, with weir's own hub as Kafka and as event hub."""
import json
import os
import signal
import socket
import subprocess
import threading

import pyspark.sql.functions as F
import pytest
from pyspark.errors import PySparkException

ROWS = 1000


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    process = subprocess.Popen(
        [os.environ["WEIR_BINARY"], "hub", "--dir", str(tmp_path_factory.mktemp("hub")), "--listen", "127.0.0.1:0",
         "--topic", "events:2", "--output", "json"],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    line = process.stdout.readline()
    assert line, f"weir hub ended with {process.wait()}"
    yield json.loads(line)["listening"][0]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def run(writer, checkpoint):
    query = writer.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start()
    assert query.awaitTermination(60)
    return query


def made_up(spark):
    rows = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", ROWS).load()
    return rows.select(F.col("value").cast("string").alias("key"), F.concat(F.lit("v"), "value").alias("value"))


def kafka(reader, hub):
    return reader.format("kafka").option("kafka.bootstrap.servers", hub).option("subscribe", "events")


@pytest.fixture(scope="module")
def events(hub, server, tmp_path_factory):
    """A thousand records in the topic, by the Kafka sink."""
    from pyspark.sql.connect.session import SparkSession

    spark = SparkSession.builder.remote(server.address).create()
    writer = made_up(spark).writeStream.format("kafka").option("kafka.bootstrap.servers", hub).option("topic", "events")
    query = run(writer, tmp_path_factory.mktemp("produce"))
    assert query.lastProgress["sink"]["numOutputRows"] == ROWS
    spark.stop()
    return hub


def test_a_batch_query_reads_a_topic(spark, events):
    topic = kafka(spark.read, events).load()
    assert topic.columns == ["key", "value", "topic", "partition", "offset", "timestamp", "timestampType"]
    assert topic.count() == ROWS
    assert topic.select(F.col("key").cast("string").cast("int").alias("k")).agg(F.sum("k")).first()[0] == ROWS * (ROWS - 1) // 2
    part = (kafka(spark.read, events).option("startingOffsets", '{"events":{"0":5,"1":-2}}')
            .option("endingOffsets", '{"events":{"0":15,"1":20}}').load())
    assert part.count() == 30


def test_kafka_to_delta_to_files(spark, events, tmp_path):
    stream = kafka(spark.readStream, events).option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", 300).load()
    rows = stream.selectExpr("cast(cast(key as string) as int) AS id", "cast(value as string) AS v", "partition AS p")
    query = run(rows.writeStream.format("delta").option("path", str(tmp_path / "t")), tmp_path / "c")
    assert len(query.recentProgress) >= 4
    assert spark.read.format("delta").load(str(tmp_path / "t")).count() == ROWS
    for format in ["json", "parquet"]:
        out = tmp_path / format
        source = spark.readStream.format("delta").option("maxFilesPerTrigger", 2).load(str(tmp_path / "t"))
        run(source.writeStream.format(format).partitionBy("p").option("path", str(out)), tmp_path / f"c_{format}")
        assert (out / "_spark_metadata" / "0").exists()
        (out / "p=0" / f"part-leftover.{format}").write_text('{"id":-1}\n')  # the log does not name it
        read = spark.read.format(format).load(str(out))
        assert (read.count(), read.agg(F.sum("id")).first()[0]) == (ROWS, ROWS * (ROWS - 1) // 2)


def test_an_event_hub(spark, events, tmp_path):
    position = {"offset": "-1", "seqNo": -1, "enqueuedTime": None, "isInclusive": True}
    conf = {"eventhubs.connectionString": f"Endpoint=sb://{events}/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=events",
            "eventhubs.consumerGroup": "$Default", "eventhubs.startingPosition": json.dumps(position),
            "maxEventsPerTrigger": "600"}
    stream = spark.readStream.format("eventhubs").options(**conf).load()
    assert stream.columns == ["body", "partition", "offset", "sequenceNumber", "enqueuedTime", "publisher",
                              "partitionKey", "properties", "systemProperties"]
    run(stream.select(F.col("body").cast("string").alias("body"), "sequenceNumber", "partitionKey", "publisher",
                      F.size("properties").alias("p")).writeStream.format("memory").queryName("hub_rows"), tmp_path / "c")
    row = spark.sql("SELECT count(*), count(DISTINCT body), max(cast(partitionKey AS int)), count(publisher), max(p), "
                    "count(enqueued) FROM (SELECT *, sequenceNumber AS enqueued FROM hub_rows)").first()
    assert list(row) == [ROWS, ROWS, ROWS - 1, 0, 0, ROWS]


def test_lines_of_a_socket(spark):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    done = threading.Event()

    def serve():
        peer, _ = listener.accept()
        peer.sendall(b"hello world\nbye world\n")
        done.wait(60)
        peer.close()

    threading.Thread(target=serve, daemon=True).start()
    lines = spark.readStream.format("socket").option("host", "127.0.0.1").option("port", listener.getsockname()[1]).load()
    counts = lines.select(F.explode(F.split("value", " ")).alias("w")).groupBy("w").count()
    query = counts.writeStream.outputMode("complete").format("memory").queryName("words").start()
    while spark.sql("SELECT coalesce(sum(count), 0) FROM words").first()[0] < 4:
        query.processAllAvailable()
    assert [tuple(row) for row in spark.sql("SELECT * FROM words ORDER BY w").collect()] == [("bye", 1), ("hello", 1), ("world", 2)]
    query.stop()
    done.set()


def test_refusals(spark, events, tmp_path):
    with pytest.raises(PySparkException, match="Schema must be specified"):
        spark.readStream.json(str(tmp_path)).schema
    with pytest.raises(PySparkException, match="exactlyOnce of the Kafka sink: .* has no transactions"):
        made_up(spark).writeStream.format("kafka").option("kafka.bootstrap.servers", events).option(
            "topic", "t").option("exactlyOnce", "true").option("checkpointLocation", str(tmp_path / "c")).start()
    with pytest.raises(PySparkException, match="sourceArchiveDir"):
        spark.readStream.schema("a int").option("cleanSource", "archive").json(str(tmp_path)).schema
