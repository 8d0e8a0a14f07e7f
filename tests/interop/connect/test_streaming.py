"""Streaming through the unmodified client: Delta tables, what is refused, interrupts, sessions that end.

What real Spark answers too is in cases/streaming*.py.
"""
import json
import sys
import threading
import time
import zipfile

import pytest
from cases.streaming import FIRST, SECOND, finished, in_memory, put, signals, stream
from conftest import Server
from pyspark.errors import AnalysisException, IllegalArgumentException, PySparkException, StreamingQueryException
from pyspark.sql import functions as F
from pyspark.sql.connect.session import SparkSession


def rows(df):
    return sorted(tuple(r) for r in df.collect())


def delta(spark, path):
    return spark.read.format("delta").load(str(path))


class TestDelta:
    def test_checkpoint_inside_the_table(self, spark, tmp_path):
        path = str(tmp_path / "table")
        query = (signals(spark, tmp_path).select("device", "signal").writeStream.format("delta").outputMode("append")
                 .option("checkpointLocation", f"{path}/_checkpoint").option("mergeSchema", "true").trigger(availableNow=True).start(path))
        query.awaitTermination()
        assert sorted(r.signal for r in delta(spark, path).collect()) == [5, 10, 16, 20, 30, 40, 50]
        commits = [json.loads(file.read_text().splitlines()[0])["commitInfo"] for file in sorted((tmp_path / "table/_delta_log").glob("*.json"))]
        updates = [c["operationParameters"] for c in commits if c["operation"] == "STREAMING UPDATE"]
        assert [u["epochId"] for u in updates] == ["0", "1", "2"] and {u["queryId"] for u in updates} == {query.id}

    def test_complete_mode_overwrites(self, spark, tmp_path):
        counts = signals(spark, tmp_path).groupBy("device").agg(F.count("*").alias("n"), F.sum("signal").alias("total"))
        (counts.writeStream.format("delta").outputMode("complete").option("checkpointLocation", str(tmp_path / "c"))
         .trigger(availableNow=True).start(str(tmp_path / "table")).awaitTermination())
        assert rows(delta(spark, tmp_path / "table")) == [("a", 3, 90), ("b", 2, 25), ("c", 2, 56)]

    def test_update_mode_is_refused(self, spark, tmp_path):
        counts = signals(spark, tmp_path).groupBy("device").count()
        with pytest.raises(AnalysisException):
            counts.writeStream.format("delta").outputMode("update").option("checkpointLocation", str(tmp_path / "c")).start(str(tmp_path / "t"))

    def test_append_of_a_window_aggregation(self, spark, tmp_path):
        df = (signals(spark, tmp_path).withWatermark("at", "5 minutes").groupBy(F.window("at", "5 minutes"), "device").count()
              .select("device", F.minute("window.start").alias("minute"), "count"))
        finished(df.writeStream.format("delta").option("path", str(tmp_path / "table")).option("checkpointLocation", str(tmp_path / "c")))
        assert rows(delta(spark, tmp_path / "table")) == [("a", 0, 2), ("b", 0, 1), ("b", 5, 1), ("c", 5, 1)]

    def test_table_as_a_source(self, spark, tmp_path):
        path = str(tmp_path / "table")
        for i in range(3):
            spark.range(i * 10, i * 10 + 2).write.format("delta").mode("append").save(path)
        assert rows(in_memory(spark, tmp_path, spark.readStream.format("delta").load(path))) == [(i,) for i in (0, 1, 10, 11, 20, 21)]
        later = spark.readStream.format("delta").option("startingVersion", 1).load(path)
        assert rows(in_memory(spark, tmp_path, later, name="later")) == [(i,) for i in (10, 11, 20, 21)]

    def test_restart_reads_only_what_is_new(self, spark, tmp_path):
        source, target = str(tmp_path / "from"), str(tmp_path / "to")

        def run():
            query = finished(spark.readStream.format("delta").load(source).writeStream.format("delta").option("path", target)
                             .option("checkpointLocation", str(tmp_path / "c")))
            return sum(p["numInputRows"] for p in query.recentProgress)

        spark.range(3).write.format("delta").save(source)
        assert run() == 3
        spark.range(3, 5).write.format("delta").mode("append").save(source)
        assert [run(), run()] == [2, 0]
        assert rows(delta(spark, target)) == [(i,) for i in range(5)]

    def test_table_to_table_by_name(self, spark, tmp_path):
        spark.sql("DROP TABLE IF EXISTS stream_from")
        spark.sql("DROP TABLE IF EXISTS stream_to")
        spark.range(4).write.format("delta").saveAsTable("stream_from")
        (spark.readStream.table("stream_from").where("id > 1").writeStream.option("checkpointLocation", str(tmp_path / "c"))
         .trigger(availableNow=True).toTable("stream_to", format="delta").awaitTermination())
        assert rows(spark.table("stream_to")) == [(2,), (3,)]
        spark.sql("DROP TABLE stream_from")
        spark.sql("DROP TABLE stream_to")

    def test_foreach_batch_is_idempotent_by_its_batch_id(self, spark, tmp_path):
        path = str(tmp_path / "table")

        def write(df, batch):
            for _ in range(2):
                df.write.format("delta").mode("append").option("txnAppId", "mine").option("txnVersion", batch).save(path)

        finished(signals(spark, tmp_path).select("signal").writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")))
        assert rows(delta(spark, path)) == [(s,) for s in (5, 10, 16, 20, 30, 40, 50)]


class TestColumns:
    def test_rows_say_which_file_they_are_of(self, spark, tmp_path):
        df = signals(spark, tmp_path).where("device <> 'a'").selectExpr(
            "_metadata.file_name", "_metadata.file_size = _metadata.file_block_length", "_metadata.file_path = replace(input_file_name(), '//', '')",
            "unix_timestamp(_metadata.file_modification_time) - 1700000000")
        assert rows(in_memory(spark, tmp_path, df)) == [(f"part-00{i}.json", True, True, i) for i in (0, 1, 1, 2)]

    def test_a_watermark_is_in_the_plan_and_not_in_the_table(self, spark, tmp_path):
        df = signals(spark, tmp_path).withWatermark("at", "10 minutes")
        assert df.schema["at"].metadata == {"spark.watermarkDelayMs": 600000}
        windows = df.groupBy(F.window("at", "5 minutes")).count()
        assert windows.schema["window"].metadata == {"spark.watermarkDelayMs": 600000, "spark.timeWindow": True}
        assert windows.select(F.window_time("window")).schema[0].metadata == {"spark.watermarkDelayMs": 600000}
        assert df.withWatermark("at", "1 minute").schema["at"].metadata == {"spark.watermarkDelayMs": 60000}
        finished(df.writeStream.format("delta").option("path", str(tmp_path / "t")).option("checkpointLocation", str(tmp_path / "c")))
        assert delta(spark, tmp_path / "t").schema["at"].metadata == {}
        assert spark.range(1).select(F.now().alias("t")).withWatermark("t", "1 minute").schema["t"].metadata == {}

    def test_a_negative_watermark(self, spark, tmp_path):
        with pytest.raises(IllegalArgumentException, match="should not be negative"):
            signals(spark, tmp_path).withWatermark("at", "-1 minute").schema

    def test_except_a_table(self, spark, tmp_path):
        df = signals(spark, tmp_path, FIRST, FIRST[:1] + SECOND).select("device", "signal")
        table = spark.createDataFrame([("a", 10), ("c", 40), ("x", 1)], "device string, signal int")
        assert rows(in_memory(spark, tmp_path, df.subtract(table), "complete")) == [("a", 30), ("b", 5), ("b", 20)]
        with pytest.raises(AnalysisException, match="UNSUPPORTED_OPERATION"):
            in_memory(spark, tmp_path, df.subtract(table), name="appended")


class TestProgress:
    def test_rows_are_counted(self, spark, tmp_path):
        query = finished(signals(spark, tmp_path).where("signal > 15").writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c")))
        assert [p["numInputRows"] for p in query.recentProgress if p["numInputRows"]] == [3, 2, 2]
        assert [p["sources"][0]["numInputRows"] for p in query.recentProgress if p["numInputRows"]] == [3, 2, 2]
        assert [p["sink"]["numOutputRows"] for p in query.recentProgress if p["numInputRows"]] == [2, 1, 2]


class TestRefused:
    @pytest.mark.parametrize("trigger", [{"continuous": "1 second"}, {"realTime": "5 minutes"}])
    def test_triggers(self, spark, tmp_path, trigger):
        writer = signals(spark, tmp_path).writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c"))
        with pytest.raises(PySparkException, match="trigger") as error:
            writer.trigger(**trigger).start()
        assert error.value.getCondition() == "UNSUPPORTED_FEATURE"

    @pytest.mark.parametrize("interval", ["soon", "1 month", "-1 second"])
    def test_intervals(self, spark, tmp_path, interval):
        writer = signals(spark, tmp_path).writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c"))
        with pytest.raises(PySparkException):
            writer.trigger(processingTime=interval).start()

    def test_a_checkpoint_in_use_names_its_query(self, spark, server, tmp_path):
        spark.conf.set("spark.sql.streaming.stopActiveRunOnRestart", "false")
        writer = signals(spark, tmp_path).writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c"))
        query = writer.start()
        with pytest.raises(PySparkException, match=query.id):
            writer.start()
        other = SparkSession.builder.remote(server.address).create()
        other.conf.set("spark.sql.streaming.stopActiveRunOnRestart", "false")
        with pytest.raises(PySparkException, match=query.id):
            stream(other, tmp_path / "in").writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c")).start()
        other.stop()
        query.stop()

    def test_a_query_of_another_session(self, spark, server, tmp_path):
        query = signals(spark, tmp_path).writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c")).start()
        other = SparkSession.builder.remote(server.address).create()
        assert other.streams.active == [] and other.streams.get(query.id) is None
        query._session = other
        with pytest.raises(PySparkException, match="is not found"):
            query.isActive
        other.stop()


class TestWaits:
    def test_an_interrupt_ends_a_wait_and_not_the_query(self, spark, tmp_path):
        query = signals(spark, tmp_path).writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c")).start()
        failures = []

        def wait(action):
            try:
                action()
            except PySparkException as error:
                failures.append(error.getCondition())

        threads = [threading.Thread(target=wait, args=[action]) for action in (query.awaitTermination, spark.streams.awaitAnyTermination)]
        for thread in threads:
            thread.start()
        interrupted = set()
        while len(interrupted) < 2:
            interrupted.update(spark.interruptAll())
            time.sleep(0.01)
        for thread in threads:
            thread.join(20)
        assert failures == ["OPERATION_CANCELED"] * 2 and query.isActive
        query.stop()

    def test_more_waits_than_queries_may_run(self, tmp_path):
        server = Server(tmp_path / "warehouse", "--max-queries", "1")
        spark = SparkSession.builder.remote(server.address).create()
        query = signals(spark, tmp_path).writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c")).start()
        threads = [threading.Thread(target=query.awaitTermination) for _ in range(5)]
        for thread in threads:
            thread.start()
        assert spark.range(3).count() == 3
        query.stop()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        spark.stop()
        assert server.stop() == 0


class TestSessions:
    def test_the_end_of_a_session_stops_its_queries(self, spark, server, tmp_path):
        one = SparkSession.builder.remote(server.address).create()
        put(tmp_path / "in", FIRST)
        path = str(tmp_path / "out")

        def start(session):
            df = session.readStream.schema("device string, signal int").json(str(tmp_path / "in"))
            return df.writeStream.format("delta").option("checkpointLocation", str(tmp_path / "c")).start(path)

        before = start(one)
        before.processAllAvailable()
        identity = before.id
        one.stop()
        put(tmp_path / "in", SECOND)
        after = start(spark)
        after.processAllAvailable()
        assert after.id == identity and sorted(r.signal for r in delta(spark, path).collect()) == [5, 10, 20, 30, 40]
        after.stop()

    def test_a_query_keeps_its_session(self, tmp_path):
        server = Server(tmp_path / "warehouse", "--session-timeout-s", "1")
        spark = SparkSession.builder.remote(server.address).create()
        query = signals(spark, tmp_path).writeStream.format("noop").option("checkpointLocation", str(tmp_path / "c")).start()
        time.sleep(7)  # what looks for idle sessions looks every five seconds
        assert query.isActive
        query.stop()
        spark.stop()
        assert server.stop() == 0


class TestPython:
    def test_foreach_batch(self, spark, tmp_path):
        def write(df, batch):
            found = sorted([r.device, r.signal] for r in df.where("signal > 9").collect())
            (tmp_path / f"batch-{batch}").write_text(json.dumps([df.isStreaming, found]))

        finished(signals(spark, tmp_path).writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")))
        assert [json.loads((tmp_path / f"batch-{i}").read_text()) for i in range(3)] == [
            [False, [["a", 10], ["a", 30], ["b", 20]]], [False, [["c", 40]]], [False, [["a", 50], ["c", 16]]]]

    def test_foreach_batch_of_counts(self, spark, tmp_path):
        def write(df, batch):
            (tmp_path / f"batch-{batch}").write_text(json.dumps(sorted([r.device, r["count"]] for r in df.collect())))

        finished(signals(spark, tmp_path).groupBy("device").count().writeStream.outputMode("update").foreachBatch(write)
                 .option("checkpointLocation", str(tmp_path / "c")))
        assert [json.loads((tmp_path / f"batch-{i}").read_text()) for i in range(3)] == [
            [["a", 2], ["b", 1]], [["b", 2], ["c", 1]], [["a", 3], ["c", 2]]]

    def test_foreach_batch_to_two_tables(self, spark, tmp_path):
        def write(df, batch):
            df.persist()
            for name in ("one", "two"):
                df.write.format("delta").mode("append").save(str(tmp_path / name))
            df.unpersist()

        finished(signals(spark, tmp_path).select("signal").writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")))
        for name in ("one", "two"):
            assert rows(delta(spark, tmp_path / name)) == [(s,) for s in (5, 10, 16, 20, 30, 40, 50)]

    def test_a_batch_as_a_view(self, spark, tmp_path):
        spark.createDataFrame([("a", 1), ("b", 2)], "device string, place int").createOrReplaceTempView("places")
        path = str(tmp_path / "table")

        def write(df, batch):
            df.createOrReplaceTempView("of_the_batch")
            (df.sparkSession.sql("SELECT place, sum(signal) AS total FROM of_the_batch JOIN places USING (device) GROUP BY place")
             .withColumn("batch", F.lit(batch)).write.format("delta").mode("append").save(path))

        finished(signals(spark, tmp_path).writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")))
        assert rows(delta(spark, path)) == [(1, 40, 0), (1, 50, 2), (2, 5, 1), (2, 20, 0)]

    def test_functions_find_modules_of_the_session(self, server, spark, tmp_path, monkeypatch):
        (tmp_path / "weir_sink.py").write_text(
            "import weir_inside\n"
            "class Sink:\n"
            "    def __init__(self, path):\n"
            "        self.path = path\n"
            "    def batch(self, df, batch):\n"
            "        self.process((batch, df.count()))\n"
            "    def process(self, what):\n"
            "        with open(self.path, 'a') as file:\n"
            "            print(*what, weir_inside.NAME, file=file)\n")
        with zipfile.ZipFile(tmp_path / "weir_inside.zip", "w") as packed:
            packed.writestr("weir_inside.py", "NAME = 'packed'\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.syspath_prepend(str(tmp_path / "weir_inside.zip"))
        from weir_sink import Sink

        spark.addArtifacts(str(tmp_path / "weir_sink.py"), str(tmp_path / "weir_inside.zip"), pyfile=True)
        df = signals(spark, tmp_path)
        finished(df.writeStream.foreachBatch(Sink(str(tmp_path / "batches")).batch).option("checkpointLocation", str(tmp_path / "c")))
        assert (tmp_path / "batches").read_text().splitlines() == ["0 3 packed", "1 2 packed", "2 2 packed"]
        finished(df.where("device = 'b'").select("signal").writeStream.foreach(Sink(str(tmp_path / "rows")))
                 .option("checkpointLocation", str(tmp_path / "e")))
        assert (tmp_path / "rows").read_text().splitlines() == ["20 packed", "5 packed"]
        other = SparkSession.builder.remote(server.address).create()
        (tmp_path / "other").mkdir()
        with pytest.raises(PySparkException, match="No module named 'weir_sink'"):  # they are the first session's
            signals(other, tmp_path / "other").writeStream.foreachBatch(Sink("").batch).option("checkpointLocation", str(tmp_path / "o")).start()
        other.stop()

    def test_foreach_batch_behind_a_token(self, tmp_path):
        (tmp_path / "token").write_text("secret\n")
        server = Server(tmp_path / "warehouse", "--token-file", str(tmp_path / "token"), "--python", sys.executable, listen="localhost:0")
        port = server.address.rsplit(":", 1)[1]
        spark = SparkSession.builder.remote(f"sc://localhost:{port}/;token=secret;user_id=some%20body").create()
        spark.range(1).createOrReplaceTempView("of_the_session")
        path = str(tmp_path / "seen")

        def write(df, batch):
            with open(path, "a") as file:
                file.write(f"{batch} {df.count()} {df.sparkSession.table('of_the_session').count()}\n")

        finished(signals(spark, tmp_path).writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")))
        assert open(path).read().splitlines() == ["0 3 1", "1 2 1", "2 2 1"]
        spark.stop()
        assert server.stop() == 0

    def test_a_function_that_cannot_be_loaded_fails_the_start(self, spark, tmp_path):
        class Broken:
            def __reduce__(self):
                return eval, ("no_such_name",)

        broken = Broken()

        def write(df, batch):
            print(broken)

        with pytest.raises(PySparkException, match="no_such_name"):
            signals(spark, tmp_path).writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")).start()

    def test_a_stop_ends_a_function_that_runs(self, spark, tmp_path):
        path = tmp_path / "running"

        def write(df, batch):
            path.write_text("yes")
            time.sleep(600)

        query = signals(spark, tmp_path).writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")).start()
        for _ in range(500):
            if path.exists():
                break
            time.sleep(0.02)
        began = time.monotonic()
        query.stop()
        assert path.exists() and not query.isActive and query.exception() is None and time.monotonic() - began < 30

    def test_a_worker_that_ends_fails_the_query(self, spark, tmp_path):
        def write(df, batch):
            __import__("os")._exit(3)

        query = signals(spark, tmp_path).writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")).start()
        with pytest.raises(StreamingQueryException, match="exit code 3"):
            query.awaitTermination(60)

    def test_a_failure_tells_the_traceback(self, spark, tmp_path):
        def fail(df, batch):
            raise KeyError("what the user raised")

        writer = signals(spark, tmp_path).writeStream.foreachBatch(fail).option("checkpointLocation", str(tmp_path / "c"))
        query = writer.trigger(availableNow=True).start()
        with pytest.raises(StreamingQueryException, match="(?s)FOREACH_BATCH_USER_FUNCTION_ERROR.*in fail.*KeyError: 'what the user raised'") as error:
            query.awaitTermination()
        assert error.value.getCondition() == "STREAM_FAILED" and not query.isActive
        assert "what the user raised" in str(query.exception())

    def test_batches_come_again_after_a_failure(self, spark, tmp_path):
        seen = tmp_path / "seen"
        seen.touch()
        seen.chmod(0o666)

        def write(df, batch):
            with open(seen, "a") as file:
                file.write(f"{batch}:{df.count()} ")
            if batch == 1 and "1:2 1:2" not in open(seen).read():
                raise ValueError("the first time")

        writer = signals(spark, tmp_path).writeStream.foreachBatch(write).option("checkpointLocation", str(tmp_path / "c")).trigger(availableNow=True)
        with pytest.raises(StreamingQueryException, match="the first time"):
            writer.start().awaitTermination()
        writer.start().awaitTermination()
        assert seen.read_text().split() == ["0:3", "1:2", "1:2", "2:2"]
