"""Streams as people write them: functions in keys, odd options, tables that are in the way."""
import shutil
import subprocess
import sys

import pytest
from cases.streaming import SIGNALS, finished, in_memory, signals
from conftest import WEIR, Server
from pyspark.errors import AnalysisException, IllegalArgumentException, PySparkException, StreamingQueryException
from pyspark.sql import functions as F
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.pandas.functions import PandasUDFType


def rows(df):
    return sorted(tuple(r) for r in df.collect())


def batch(spark, tmp_path):
    return spark.read.schema(SIGNALS).json(str(tmp_path / "in"))


class TestFunctionsInStatefulOperators:
    def test_in_keys_and_in_arguments_of_aggregates(self, spark, tmp_path):
        upper = F.udf(lambda device: device.upper())
        thrice = F.udf(lambda signal: None if signal is None else signal * 3, "long")
        counted = lambda df: df.groupBy(upper("device").alias("d")).agg(
            F.sum(thrice("signal")).alias("s"), F.max("signal").alias("m"), F.count(F.when(F.col("signal") > 10, thrice("signal"))))
        stream = signals(spark, tmp_path)
        assert rows(in_memory(spark, tmp_path, counted(stream), "complete")) == rows(counted(batch(spark, tmp_path)))

    def test_in_windows_under_a_watermark(self, spark, tmp_path):
        tens = F.udf(lambda signal: signal // 10, "long")
        counted = lambda df: df.groupBy(F.window("at", "1 minute"), tens("signal").alias("t")).count().select("window.start", "t", "count")
        stream = signals(spark, tmp_path).withWatermark("at", "0 seconds")
        given = rows(in_memory(spark, tmp_path, counted(stream)))
        assert given and set(given) <= set(rows(counted(batch(spark, tmp_path))))

    def test_not_as_aggregates(self, spark, tmp_path):
        mean = F.pandas_udf(lambda signal: float(signal.mean()), "double", PandasUDFType.GROUPED_AGG)
        with pytest.raises(AnalysisException, match="doesn't support group aggregate pandas UDF"):
            signals(spark, tmp_path).groupBy("device").agg(mean("signal")).writeStream.outputMode("complete").format("noop").start()

    def test_in_joins_of_streams(self, spark, tmp_path):
        tens = F.udf(lambda signal: signal // 10, "long")
        lower = F.udf(lambda device: device.lower())
        joined = lambda a, b: a.alias("a").join(
            b.alias("b"), (tens("a.signal") == tens("b.signal")) & (lower("b.device") == F.col("a.device"))).select("a.signal", "b.signal")
        stream = signals(spark, tmp_path)
        assert rows(in_memory(spark, tmp_path, joined(stream, stream))) == rows(joined(batch(spark, tmp_path), batch(spark, tmp_path)))


class TestOptions:
    def test_what_a_sink_does_not_know_is_ignored(self, spark, tmp_path):
        stream = signals(spark, tmp_path)
        for format, more in [("memory", {}), ("console", {"numRows": 1}), ("noop", {}), ("delta", {"optimizeWrite": "true"}), ("json", {})]:
            writer = stream.writeStream.format(format).queryName(f"odd_{format}").options(nosuchoption="1", **more)
            finished(writer.option("checkpointLocation", str(tmp_path / f"c_{format}")).option("path", str(tmp_path / format)))

    def test_what_a_sink_would_have_to_obey_is_refused(self, spark, tmp_path):
        for option in ["replaceWhere", "overwriteSchema", "txnAppId", "maxRecordsPerFile"]:
            writer = signals(spark, tmp_path).writeStream.format("delta").option(option, "1").option("checkpointLocation", str(tmp_path / "c"))
            with pytest.raises(PySparkException, match=f"(?i){option}"):
                writer.start(str(tmp_path / "t"))


class TestList:
    def test_a_query_without_a_name_and_one_that_failed(self, spark, tmp_path):
        stream = signals(spark, tmp_path)
        query = stream.select(F.raise_error(F.lit("no"))).writeStream.format("noop").trigger(availableNow=True).start()
        with pytest.raises(PySparkException):
            query.awaitTermination(60)
        lines = subprocess.run([WEIR, "stream", "list"], capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
        assert [line.split()[2] for line in lines if line.startswith(query.id)] == ["failed"]


class TestTables:
    def test_temporary_views_take_no_stream(self, spark, tmp_path):
        stream = signals(spark, tmp_path)
        stream.createOrReplaceTempView("in_the_way")
        with pytest.raises(AnalysisException, match="Temporary view `in_the_way` doesn't support streaming write") as refused:
            stream.writeStream.option("checkpointLocation", str(tmp_path / "c")).toTable("in_the_way")
        assert refused.value.getCondition() == "_LEGACY_ERROR_TEMP_1190"

    def test_varchar_is_kept_to(self, spark, tmp_path):
        spark.sql("CREATE TABLE narrow (device VARCHAR(2), signal BIGINT) USING delta")
        try:
            write = lambda text: (
                signals(spark, tmp_path).select(F.lit(text).alias("device"), F.col("signal").cast("long")).writeStream.trigger(availableNow=True)
                .option("checkpointLocation", str(tmp_path / text)).toTable("narrow").awaitTermination(60))
            write("é ")
            with pytest.raises(StreamingQueryException, match="DELTA_EXCEED_CHAR_VARCHAR_LIMIT"):
                write("abc")
            assert {r.device for r in spark.table("narrow").collect()} == {"é "}
        finally:
            spark.sql("DROP TABLE narrow")

    def test_a_version_that_is_not_there(self, spark, tmp_path):
        path = str(tmp_path / "t")
        for _ in range(2):
            spark.range(1).write.format("delta").mode("append").save(path)
        with pytest.raises(PySparkException, match=r"version 7. Available versions: \[0, 1\]") as missing:
            spark.read.format("delta").option("versionAsOf", 7).load(path).collect()
        assert missing.value.getCondition() == "DELTA_VERSION_NOT_FOUND"


    def test_a_table_that_goes_away_under_a_stream(self, spark, tmp_path):
        path = str(tmp_path / "t")
        for _ in range(3):
            spark.range(1).write.format("delta").mode("append").save(path)
        query = spark.readStream.format("delta").load(path).writeStream.format("noop").start()
        query.processAllAvailable()
        shutil.rmtree(path)
        spark.range(5).write.format("delta").save(path)  # another table of that name
        with pytest.raises(StreamingQueryException, match="has no commit 2 any more"):
            query.processAllAvailable()

    def test_files_that_were_read_are_archived(self, spark, tmp_path):
        signals(spark, tmp_path)
        clean = spark.readStream.schema(SIGNALS).option("cleanSource", "archive").option("maxFilesPerTrigger", 1)
        with pytest.raises(IllegalArgumentException, match="sourceArchiveDir"):
            clean.json(str(tmp_path / "in")).schema
        moved = tmp_path / "old"
        query = clean.option("sourceArchiveDir", str(moved)).json(str(tmp_path / "in")).writeStream.format("noop").start()
        query.processAllAvailable()
        query.stop()
        assert len(list((tmp_path / "in").iterdir())) <= 1  # the last may wait for the next batch
        assert len([file for file in moved.rglob("*") if file.is_file()]) >= 2


class TestPlans:
    def test_whole_results_of_a_stream_are_refused(self, spark, tmp_path):
        stream = signals(spark, tmp_path)
        for at_once in [stream.count, stream.describe().show, stream.summary().collect]:
            with pytest.raises(AnalysisException, match="must be executed with writeStream.start"):
                at_once()
        with pytest.raises(AnalysisException, match="pivot is not supported on a streaming"):
            stream.groupBy("device").pivot("signal").count().schema

    def test_a_name_of_observe_has_one_result(self, spark, tmp_path):
        stream = signals(spark, tmp_path)
        twice = stream.observe("o", F.sum("signal").alias("s")).observe("o", F.avg("signal").alias("a"))
        with pytest.raises(AnalysisException, match="metric name is not unique"):
            twice.writeStream.format("noop").start()
        once = stream.observe("o", F.sum("signal").alias("s"))
        finished(once.union(once).writeStream.format("noop"))


    def test_texts_that_do_not_parse_are_counted(self, spark, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.txt").write_text('{"a": 1}\n{"a":\n\nx,1\n{"a": 2}\n')
        parsed = spark.readStream.text(str(tmp_path / "in")).select(F.from_json("value", "a int").alias("v")).select("v.a")
        for name, stream, plan in [("c1", parsed, "a project"), ("c2", parsed.groupBy("a").count(), "a stateful plan")]:
            writer = stream.writeStream.format("noop").outputMode("append" if name == "c1" else "complete")
            query = finished(writer.option("checkpointLocation", str(tmp_path / name)))
            assert query.lastProgress["sources"][0]["metrics"] == {"corruptRows": "2"}, plan


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Server and broker in one process."""
    folder = tmp_path_factory.mktemp("both")
    started = Server(folder / "warehouse", "--python", sys.executable, "--hub-dir", str(folder / "hub"), "--hub-listen", "127.0.0.1:0",
                     "--hub-topic", "events:2")
    yield started
    assert started.stop() == 0


@pytest.fixture
def hub(both):
    return both.ready["hub"]


class TestKafka:
    @pytest.fixture
    def spark(self, both):
        session = SparkSession.builder.remote(both.address).create()
        yield session
        session.stop()

    def test_a_batch_is_written_and_read(self, spark, hub):
        made = spark.range(100).selectExpr("id AS left_out", "cast(id AS string) AS key", "concat('v', id) AS value")
        made.write.format("kafka").option("kafka.bootstrap.servers", hub).option("topic", "events").option("nosuchoption", 1).save()
        topic = spark.read.format("kafka").option("kafka.bootstrap.servers", hub).option("subscribe", "events").option(
            "startingOffsets", "EARLIEST").load()
        assert rows(topic.selectExpr("cast(key AS string)", "cast(value AS string)")) == sorted((str(i), f"v{i}") for i in range(100))
        with pytest.raises(PySparkException, match="Save mode Overwrite not allowed for Kafka"):
            made.write.format("kafka").mode("overwrite").option("kafka.bootstrap.servers", hub).option("topic", "events").save()
        conf = {"eventhubs.connectionString": f"Endpoint=sb://{hub}/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=events",
                "eventhubs.consumerGroup": "$Default", "maxEventsPerTrigger": 10}
        events = spark.read.format("eventhubs").options(**conf).load()
        assert events.count() == 100
        assert len(events.select(F.col("body").cast("string")).take(1)) == 1

    def test_a_batch_of_a_stream_is_written(self, spark, hub, tmp_path):
        def produce(df, batch_id):
            made = df.selectExpr("device AS key", "to_json(struct(*)) AS value")
            made.write.format("kafka").option("kafka.bootstrap.servers", hub).option("topic", "events").save()

        finished(signals(spark, tmp_path).writeStream.foreachBatch(produce))
        topic = spark.read.format("kafka").option("kafka.bootstrap.servers", hub).option("subscribe", "events").load()
        assert topic.where("cast(value AS string) LIKE '{\"device\"%'").count() == 7

    def test_a_query_whose_topic_is_missing_stops(self, spark, hub, tmp_path):
        stream = signals(spark, tmp_path).selectExpr("device AS value")
        query = (stream.writeStream.format("kafka").option("kafka.bootstrap.servers", hub).option("topic", "not_there")
                 .option("kafka.max.block.ms", 600_000).option("checkpointLocation", str(tmp_path / "c")).start())
        assert not query.awaitTermination(1)
        query.stop()
        assert not query.isActive
