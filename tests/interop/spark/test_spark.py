"""Real Spark: its Kafka source against the hub, and Delta tables of ours read by delta-spark."""
import pytest
from weir_programs import TOPIC, event_schema, ingest, simulate, weir, weir_hub

EVENTS = 20_000


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A hub with events, and a Delta table with the same events."""
    folder = tmp_path_factory.mktemp("spark")
    with weir_hub(str(folder), "--topic", f"{TOPIC}:3") as bootstrap:
        report = simulate(bootstrap, EVENTS)
        table = str(folder / "table")
        for _ in range(2):  # two runs, so that the table has several commits
            ingest(bootstrap, table, str(folder / "checkpoint"), "--select", "*, _partition, _offset",
                   "--option", "maxOffsetsPerTrigger=3000")
        yield bootstrap, table, report


def kafka(reader, bootstrap):
    return (reader.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", TOPIC)
            .option("startingOffsets", "earliest").load())


def test_spark_reads_the_hub_as_a_batch(spark, pipeline):
    bootstrap, _, report = pipeline
    rows = kafka(spark.read, bootstrap)
    assert rows.count() == report["sent"]
    assert rows.select("partition", "offset").distinct().count() == report["sent"]


def test_spark_streams_from_the_hub_and_writes_to_it(spark, pipeline, tmp_path):
    bootstrap, _, report = pipeline
    query = (kafka(spark.readStream.option("maxOffsetsPerTrigger", 7000), bootstrap).selectExpr("key", "value")
             .writeStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", "copy")
             .option("checkpointLocation", str(tmp_path / "ck")).trigger(availableNow=True))
    weir_topics(bootstrap, "copy")
    query.start().awaitTermination(120)
    copied = spark.read.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", "copy").load()
    assert copied.count() == report["sent"]


def weir_topics(bootstrap, topic):
    """Creates a topic with Kafka's own admin client, out of Spark's jars."""
    from pyspark import SparkContext
    jvm = SparkContext._active_spark_context._jvm
    properties = jvm.java.util.Properties()
    properties.put("bootstrap.servers", bootstrap)
    admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(properties)
    new_topic = jvm.org.apache.kafka.clients.admin.NewTopic(topic, 2, 1)
    admin.createTopics(jvm.java.util.Collections.singletonList(new_topic)).all().get()
    admin.close()


def test_delta_spark_reads_our_table(spark, pipeline):
    from pyspark.sql import functions as F
    _, table, report = pipeline
    rows = spark.read.format("delta").load(table)
    assert rows.count() == report["sent"]
    assert rows.schema["createdAt"].dataType.simpleString() == "timestamp"
    assert rows.select("_partition", "_offset").distinct().count() == report["sent"]
    assert rows.where(F.col("eventId").isNull() | F.col("createdAt").isNull()).count() == 0
    # The values are those of the log: Spark decodes the same records by itself.
    bootstrap, _, _ = pipeline
    decoded = (kafka(spark.read, bootstrap)
               .select("partition", "offset", F.from_json(F.col("value").cast("string"), event_schema()).alias("e"))
               .select("e.*", F.col("partition").alias("_partition"), F.col("offset").alias("_offset")))
    assert rows.exceptAll(decoded).count() == 0


def test_spark_reads_a_compacted_table_and_streams_from_it(spark, pipeline, tmp_path):
    bootstrap, _, report = pipeline
    table, checkpoint = str(tmp_path / "table"), str(tmp_path / "checkpoint")
    options = ["--select", "eventId, _partition, _offset", "--option", "maxOffsetsPerTrigger=500", "--option", "autoCompactMinFiles=4"]
    ingest(bootstrap, table, checkpoint, *options)
    history = spark.sql(f"DESCRIBE HISTORY delta.`{table}`").collect()
    assert {row.operation for row in history} == {"STREAMING UPDATE", "OPTIMIZE"}
    rows = spark.read.format("delta").load(table)
    assert rows.count() == rows.select("_partition", "_offset").distinct().count() == report["sent"]
    assert len(rows.inputFiles()) < len(history)
    # Spark's stream over the versions: each row once, though it was written again by merges.
    query = (spark.readStream.format("delta").option("startingVersion", 0).load(table).writeStream.format("delta")
             .option("checkpointLocation", str(tmp_path / "spark")).trigger(availableNow=True).start(str(tmp_path / "copy")))
    query.awaitTermination(120)
    assert spark.read.format("delta").load(str(tmp_path / "copy")).count() == report["sent"]
    # Spark deletes rows out of merged files, weir goes on and merges: they stay deleted.
    spark.sql(f"DELETE FROM delta.`{table}` WHERE _offset < 100")
    left = spark.read.format("delta").load(table).count()
    more = simulate(bootstrap, 2000, "--seed", "5")["sent"]
    ingest(bootstrap, table, checkpoint, *options)
    after = spark.read.format("delta").load(table)
    assert after.count() == left + more and after.where("_offset < 100").count() == 0


def test_spark_appends_and_weir_goes_on(spark, pipeline):
    bootstrap, table, report = pipeline
    history = spark.sql(f"DESCRIBE HISTORY delta.`{table}`").collect()
    assert {row.operation for row in history} <= {"STREAMING UPDATE", "CREATE TABLE"}
    spark.read.format("delta").load(table).limit(5).write.format("delta").mode("append").save(table)
    simulate(bootstrap, 100, "--seed", "7")
    ingest(bootstrap, table, table.replace("table", "checkpoint"), "--select", "*, _partition, _offset")
    spark.catalog.clearCache()
    assert spark.read.format("delta").load(table).count() >= report["sent"] + 5 + 100
    counted = weir("sql", f"SELECT count(*) AS n FROM delta.`{table}`", "--output", "csv").split()
    assert counted == ["n", str(spark.read.format("delta").load(table).count())]
