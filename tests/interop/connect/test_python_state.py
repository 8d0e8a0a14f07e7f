"""State by group in Python functions of streaming queries, through the unmodified client."""
import datetime
import os
import signal
import sys
import time

import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout
from pyspark.sql.types import LongType, StringType, StructField, StructType
from stream_feed import Feed

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file


def running_count(key, frames, state):
    """Counts; at 3 the state goes and nothing is given."""
    count = (state.get[0] if state.exists else 0) + sum(len(frame) for frame in frames)
    if count == 3:
        state.remove()
        return
    state.update((count,))
    yield pd.DataFrame({"key": [key[0]], "count": [count]})


def test_running_count_over_restarts(spark, tmp_path):
    feed = Feed(tmp_path, "v string")

    def run(*values):
        counted = feed.stream(spark).groupBy("v").applyInPandasWithState(
            running_count, "key string, count long", "count long", "append", GroupStateTimeout.NoTimeout)
        return feed.run(counted, *[{"v": value} for value in values])

    assert run("a") == [("a", 1)]
    assert run("a", "b") == [("a", 2), ("b", 1)]
    assert run("a", "b") == [("b", 2)]
    assert run("a", "c") == [("a", 1), ("c", 1)]
    assert run() == []


def test_update_mode_and_metrics(spark, tmp_path):
    feed = Feed(tmp_path, "v string")
    counted = feed.stream(spark).groupBy("v").applyInPandasWithState(
        running_count, StructType([StructField("key", StringType()), StructField("count", LongType())]),
        StructType([StructField("count", LongType())]), "update", "NoTimeout")
    query = feed.run(counted, {"v": "a"}, {"v": "b"}, {"v": None}, mode="update")
    state = query.lastProgress["stateOperators"][0]
    assert state["operatorName"] == "applyInPandasWithState"
    assert state["numRowsTotal"] == 3 and state["numRowsUpdated"] == 3


def test_event_time_timeout(spark, tmp_path):
    feed = Feed(tmp_path, "v string, ts timestamp")

    def last_seen(key, frames, state: GroupState):
        if state.hasTimedOut:
            assert len(list(frames)) == 1
            state.remove()
            yield pd.DataFrame({"key": [key[0]], "seen": [-1]})
            return
        newest = max(int(frame["ts"].max().timestamp()) for frame in frames)
        if state.exists:
            newest = max(newest, state.get[0])
        state.update((newest,))
        state.setTimeoutTimestamp((newest + 5) * 1000)
        yield pd.DataFrame({"key": [key[0]], "seen": [newest]})

    def run(*rows):
        frame = feed.stream(spark).withWatermark("ts", "10 seconds").groupBy("v").applyInPandasWithState(
            last_seen, "key string, seen long", "seen long", "append", GroupStateTimeout.EventTimeTimeout)
        return feed.run(frame, *[{"v": v, "ts": datetime.datetime.fromtimestamp(
            ts, datetime.timezone.utc).isoformat()} for v, ts in rows])

    assert run(("a", 11), ("a", 13), ("a", 15)) == [("a", 15)]
    assert run(("a", 4)) == []  # behind the watermark of 5
    assert run(("b", 15)) == [("b", 15)]
    assert run(("b", 31)) == [("a", -1), ("b", 31)]  # the watermark passes 20
    assert run(("a", 30)) == [("a", 30)]


def test_processing_time_timeout(spark, tmp_path):
    def expire(key, frames, state):
        if state.hasTimedOut:
            state.remove()
            yield pd.DataFrame({"key": [key[0]], "what": ["gone"]})
            return
        for _ in frames:
            pass
        now = state.getCurrentProcessingTimeMs()
        state.update((now,))
        state.setTimeoutDuration(200)
        yield pd.DataFrame({"key": [key[0]], "what": ["seen"]})

    feed = Feed(tmp_path, "v string")
    feed.put({"v": "a"}, {"v": "b"})
    frame = feed.stream(spark).groupBy("v").applyInPandasWithState(
        expire, "key string, what string", "at long", "append", GroupStateTimeout.ProcessingTimeTimeout)
    query = frame.writeStream.format("memory").queryName("expired").option(
        "checkpointLocation", str(feed.checkpoint)).start()
    try:
        deadline = time.monotonic() + 60
        rows = []
        while len(rows) < 4 and time.monotonic() < deadline and query.isActive:
            rows = sorted(tuple(row) for row in spark.table("expired").collect())
            time.sleep(0.05)
        assert rows == [("a", "gone"), ("a", "seen"), ("b", "gone"), ("b", "seen")], query.exception()
    finally:
        query.stop()


def test_state_of_many_types(spark, tmp_path):
    feed = Feed(tmp_path, "v string, n int")
    schema = ("Text string, day date, at timestamp, list array<int>, byName map<string,long>, "
              "inner struct<x:int,y:double>, d decimal(10,2), b binary, flag boolean")

    def keep(key, frames, state):
        import decimal

        numbers = [int(n) for frame in frames for n in frame["n"]]
        if state.exists:
            text, day, at, items, by_name, inner, number, raw, flag = state.get
            assert day == datetime.date(2024, 2, 29) and isinstance(at, datetime.datetime), (day, at)
            assert inner[0] == 1 and number == decimal.Decimal("1.50") and bytes(raw) == b"\x00\x01" and flag is None
            numbers = list(items) + numbers
            yield pd.DataFrame({"key": [key[0]], "said": [f"{text} {list(items)} {sorted(by_name.items())}"]})
        state.update(("ä€😀", datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 2, 3, 4, 5, 678), numbers,
                      {key[0]: len(numbers)}, (1, 2.5), decimal.Decimal("1.50"), b"\x00\x01", None))

    def run(*rows):
        frame = feed.stream(spark).groupBy("v").applyInPandasWithState(
            keep, "key string, said string", schema, "append", "NoTimeout")
        return feed.run(frame, *[{"v": v, "n": n} for v, n in rows])

    assert run(("a", 1), ("b", 2), ("a", 3)) == []
    assert run(("a", 4)) == [("a", "ä€😀 [1, 3] [('a', 2)]")]
    assert run(("b", 5)) == [("b", "ä€😀 [2] [('b', 1)]")]
    assert run(("a", 6)) == [("a", "ä€😀 [1, 3, 4] [('a', 3)]")]


def test_large_groups_come_in_pieces(spark, tmp_path):
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
    feed = Feed(tmp_path, "k int, n int")

    def pieces(key, frames, state):
        sizes, total = [], 0
        for frame in frames:
            sizes.append(len(frame))
            total += int(frame["n"].sum())
            yield frame[["k", "n"]]
        assert max(sizes) <= 100
        state.update((total + (state.get[0] if state.exists else 0),))
        yield pd.DataFrame({"k": [-1 - int(key[0])], "n": [state.get[0]]})

    frame = feed.stream(spark).groupBy("k").applyInPandasWithState(
        pieces, "k int, n long", "total long", "append", "NoTimeout")
    rows = feed.run(frame, *[{"k": i % 3 if i < 900 else i, "n": i} for i in range(1000)])
    totals = {k: n for k, n in rows if k < 0}
    assert totals[-1] == sum(range(0, 900, 3)) and totals[-1 - 999] == 999 and len(totals) == 103
    assert sorted(n for k, n in rows if k >= 0) == list(range(1000))


def test_keys_that_are_calculated(spark, tmp_path):
    feed = Feed(tmp_path, "n int")
    counted = feed.stream(spark).groupBy((F.col("n") % 2).alias("odd"), F.lit("x")).applyInPandasWithState(
        lambda key, frames, state: [pd.DataFrame({"key": [f"{key[0]}{key[1]}"], "n": [sum(len(f) for f in frames)]})],
        "key string, n long", "n long", "append", "NoTimeout")
    assert feed.run(counted, *[{"n": n} for n in range(5)]) == [("0x", 3), ("1x", 2)]


def test_keys_that_are_calculated_by_python(spark, tmp_path):
    feed = Feed(tmp_path, "n int")
    own = F.udf(lambda n: f"u{n % 2}")
    named = feed.stream(spark).groupBy(own("n")).applyInPandasWithState(
        lambda key, frames, state: [pd.DataFrame({"key": [key[0]], "n": [str([list(f) for f in frames])]})],
        "key string, n string", "n long", "append", "NoTimeout")
    assert feed.run(named, {"n": 1}, {"n": 2}) == [("u0", "[['n']]"), ("u1", "[['n']]")]


def test_error_is_the_users_traceback_and_state_stays(spark, tmp_path):
    feed = Feed(tmp_path, "v string")

    def run(*values, broken=False):
        def counting(key, frames, state):
            if broken:
                raise ValueError(f"no {key[0]}")
            yield from running_count(key, frames, state)

        counted = feed.stream(spark).groupBy("v").applyInPandasWithState(
            counting, "key string, count long", "count long", "append", "NoTimeout")
        return feed.run(counted, *[{"v": value} for value in values])

    assert run("a") == [("a", 1)]
    with pytest.raises(PySparkException) as caught:
        run("a", broken=True)
    assert "ValueError: no a" in str(caught.value) and "in counting" in str(caught.value)
    assert run() == [("a", 2)]


def test_a_killed_worker_fails_its_batch_and_the_query_goes_on(spark, tmp_path):
    feed = Feed(tmp_path, "v string")
    flag = tmp_path / "die"

    def run(*values):
        def counting(key, frames, state):
            if flag.exists():
                os.kill(os.getpid(), signal.SIGKILL)
            yield from running_count(key, frames, state)

        counted = feed.stream(spark).groupBy("v").applyInPandasWithState(
            counting, "key string, count long", "count long", "append", GroupStateTimeout.NoTimeout)
        return feed.run(counted, *[{"v": value} for value in values])

    assert run("a") == [("a", 1)]
    flag.touch()
    with pytest.raises(PySparkException, match="Python worker exited unexpectedly"):
        run("a", "b")
    flag.unlink()
    assert run() == [("a", 2), ("b", 1)]


def test_refusals(spark, tmp_path):
    feed = Feed(tmp_path, "v string")

    def mapped(frame, mode="append", timeout="NoTimeout"):
        return frame.groupBy("v").applyInPandasWithState(
            running_count, "key string, count long", "count long", mode, timeout)

    def start(frame, mode="append"):
        frame.writeStream.format("noop").outputMode(mode).option(
            "checkpointLocation", str(feed.checkpoint)).start().stop()

    with pytest.raises(AnalysisException, match="in append mode is not supported with Update output mode"):
        start(mapped(feed.stream(spark)), "update")
    with pytest.raises(AnalysisException, match="Watermark must be specified"):
        start(mapped(feed.stream(spark), timeout="EventTimeTimeout"))
    with pytest.raises(AnalysisException, match="not supported after aggregation"):
        start(mapped(feed.stream(spark).withColumn("t", F.current_timestamp()).withWatermark("t", "1 second")
                     .groupBy("v", F.window("t", "1 minute")).count()))
    with pytest.raises(PySparkException, match="append or update"):
        start(mapped(feed.stream(spark), "complete"))
    with pytest.raises(PySparkException, match="(?i)state"):
        mapped(spark.createDataFrame([("a",)], "v string")).collect()
