"""transformWithState(InPandas) of streaming queries, through the unmodified client."""
import datetime
import os
import signal
import sys
import time

import pandas as pd
import pytest
from pyspark import cloudpickle
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql.streaming import StatefulProcessor
from stream_feed import Feed

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file


class Processor(StatefulProcessor):
    """One for rows and for pandas: what it does with a group's values is `handle`, which gives tuples."""

    names = ("key", "said")

    def __init__(self, pandas):
        self.pandas = pandas

    def init(self, handle):
        self.handle = handle

    def give(self, tuples):
        for one in tuples:
            if self.pandas:
                yield pd.DataFrame({name: [value] for name, value in zip(self.names, one)})
            else:
                yield Row(**dict(zip(self.names, one)))

    def handleInputRows(self, key, rows, timerValues):
        values = []
        for one in rows:
            values += one.to_dict("records") if self.pandas else [one.asDict()]
        return self.give(self.values(key, values, timerValues))

    def handleExpiredTimer(self, key, timerValues, expiredTimerInfo):
        return self.give(self.expired(key, timerValues, expiredTimerInfo.getExpiryTimeInMs()))

    def close(self):
        pass


def transform(grouped, processor, schema="key string, said string", mode="append", time_mode="none", **more):
    call = grouped.transformWithStateInPandas if processor.pandas else grouped.transformWithState
    return call(processor, schema, mode, time_mode, **more)


@pytest.fixture(params=[True, False], ids=["pandas", "rows"])
def pandas(request):
    return request.param


class Counting(Processor):
    def init(self, handle):
        self.count = handle.getValueState("count", "n long")

    def values(self, key, values, timers):
        count = (self.count.get()[0] if self.count.exists() else 0) + len(values)
        if count == 3:
            self.count.clear()
            assert not self.count.exists() and self.count.get() is None
            return
        self.count.update((count,))
        yield key[0], str(count)


@pytest.mark.parametrize("provider", ["HDFSBackedStateStoreProvider", "RocksDBStateStoreProvider"])
def test_value_over_restarts(spark, tmp_path, pandas, provider):
    spark.conf.set("spark.sql.streaming.stateStore.providerClass",
                   "org.apache.spark.sql.execution.streaming.state." + provider)
    feed = Feed(tmp_path, "v string")

    def run(*values):
        return feed.run(transform(feed.stream(spark).groupBy("v"), Counting(pandas)), *[{"v": v} for v in values])

    assert run("a") == [("a", "1")]
    assert run("a", "b") == [("a", "2"), ("b", "1")]
    assert run("a", "b", None) == [("b", "2"), (None, "1")]
    assert run("a", "c") == [("a", "1"), ("c", "1")]
    assert run() == []


class Lists(Processor):
    def init(self, handle):
        self.list = handle.getListState("list", "n int, text string")

    def values(self, key, values, timers):
        for value in values:
            what, n = value["what"], int(value["n"])
            if what == "append":
                self.list.appendValue((n, f"t{n}"))
            elif what == "many":
                self.list.appendList([(i, None) for i in range(n)])
            elif what == "put":
                self.list.put([(n, "put"), (n + 1, "put")])
            elif what == "clear":
                self.list.clear()
        first, again = self.list.get(), self.list.get()
        pairs = list(zip(first, again))  # two at once
        assert all(a == b for a, b in pairs)
        yield key[0], f"{self.list.exists()} {len(pairs)} {[tuple(a) for a, _ in pairs[:3]]}"


def test_list(spark, tmp_path, pandas):
    spark.conf.set("spark.sql.execution.arrow.transformWithStateInPySpark.maxStateRecordsPerBatch", "7")
    feed = Feed(tmp_path, "v string, what string, n int")

    def run(*steps):
        frame = transform(feed.stream(spark).groupBy("v"), Lists(pandas))
        return feed.run(frame, *[{"v": "a", "what": what, "n": n} for what, n in steps])[0][1]

    assert run(("append", 1), ("append", 300)) == "True 2 [(1, 't1'), (300, 't300')]"
    assert run(("many", 20)) == "True 22 [(1, 't1'), (300, 't300'), (0, None)]"
    assert run(("put", 5)) == "True 2 [(5, 'put'), (6, 'put')]"
    assert run(("append", 7)) == "True 3 [(5, 'put'), (6, 'put'), (7, 't7')]"
    assert run(("clear", 0)) == "False 0 []"
    assert run(("append", 8)) == "True 1 [(8, 't8')]"


class Maps(Processor):
    names = ("key", "said", "inner")

    def init(self, handle):
        self.map = handle.getMapState("map", "id int, day date", "at timestamp, list array<int>, inner struct<x:int>")

    def values(self, key, values, timers):
        import datetime

        day = datetime.date(2024, 2, 29)
        for value in values:
            n = int(value["n"])
            if value["what"] == "set":
                self.map.updateValue((n, day), (datetime.datetime(2024, 1, 2, 3, 4, 5, 678), [n, n + 1], (n,)))
            elif value["what"] == "remove":
                self.map.removeKey((n, day))
            elif value["what"] == "clear":
                self.map.clear()
        keys = [tuple(k) for k in self.map.keys()]
        assert [tuple(k) for k, _ in self.map.iterator()] == keys
        lists = [v[1] for v in self.map.values()]
        assert all(k[1] == day for k in keys) and self.map.exists() == bool(keys)
        assert self.map.containsKey((1, day)) == ((1, day) in keys)
        one = self.map.getValue((1, day))
        yield key[0], f"{[k[0] for k in keys]} {[list(one) for one in lists]}", None if one is None else str(one[2][0])


def test_map(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "v string, what string, n int")

    def run(*steps):
        frame = transform(feed.stream(spark).groupBy("v"), Maps(pandas), "key string, said string, inner string")
        return [row[1:] for row in feed.run(frame, *[{"v": "a", "what": what, "n": n} for what, n in steps])]

    assert run(("set", 2), ("set", 1)) == [("[1, 2] [[1, 2], [2, 3]]", "1")]
    assert run(("set", -3), ("remove", 1), ("remove", 77)) == [("[-3, 2] [[-3, -2], [2, 3]]", None)]
    assert run(("clear", 0)) == [("[] []", None)]
    assert run(("set", 1)) == [("[1] [[1, 2]]", "1")]


class EventTimers(Processor):
    def init(self, handle):
        self.handle = handle
        self.last = handle.getValueState("last", "at long")

    def values(self, key, values, timers):
        newest = max(int(value["ts"].timestamp()) for value in values)
        if self.last.exists():
            newest = max(newest, self.last.get()[0])
        self.last.update((newest,))
        for old in list(self.handle.listTimers()):
            self.handle.deleteTimer(old)
        self.handle.registerTimer((newest + 5) * 1000)
        self.handle.registerTimer((newest + 5) * 1000)
        assert list(self.handle.listTimers()) == [(newest + 5) * 1000]
        yield key[0], f"seen {newest}"

    def expired(self, key, timers, at):
        assert at <= timers.getCurrentWatermarkInMs() and list(self.handle.listTimers()) == [at]
        yield key[0], f"gone {self.last.get()[0]} {at}"
        self.last.clear()


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def test_event_time_timers(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "v string, ts timestamp")

    def run(*rows):
        grouped = feed.stream(spark).withWatermark("ts", "10 seconds").groupBy("v")
        return feed.run(transform(grouped, EventTimers(pandas), time_mode="eventTime"),
                        *[{"v": v, "ts": utc(ts)} for v, ts in rows])

    assert run(("a", 11), ("a", 15)) == [("a", "seen 15")]
    assert run(("a", 4)) == []  # behind the watermark of 5
    assert run(("b", 16)) == [("b", "seen 16")]
    assert run(("c", 30)) == [("a", "gone 15 20000"), ("c", "seen 30")]  # the watermark is 20
    assert run(("b", 31), ("a", 31)) == [("a", "seen 31"), ("b", "seen 31")]


class ProcessingTimers(Processor):
    def init(self, handle):
        self.handle = handle
        self.left = handle.getValueState("left", "n int")

    def values(self, key, values, timers):
        self.left.update((2,))
        self.handle.registerTimer(timers.getCurrentProcessingTimeInMs() + 100)
        yield key[0], "seen"

    def expired(self, key, timers, at):
        left = self.left.get()[0] - 1
        yield key[0], f"left {left}"
        self.left.update((left,))
        if left:
            self.handle.registerTimer(timers.getCurrentProcessingTimeInMs() + 1)


def wait_for(spark, table, rows, query):
    deadline = time.monotonic() + 60
    found = []
    while time.monotonic() < deadline and query.isActive:
        found = sorted(tuple(row) for row in spark.table(table).collect())
        if len(found) >= len(rows):
            break
        time.sleep(0.05)
    assert found == rows, query.exception()


def test_processing_time_timers(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "v string")
    feed.put({"v": "a"}, {"v": "b"})
    frame = transform(feed.stream(spark).groupBy("v"), ProcessingTimers(pandas), time_mode="ProcessingTime")
    query = frame.writeStream.format("memory").queryName(f"timers_{pandas}").option(
        "checkpointLocation", str(feed.checkpoint)).start()
    try:
        wait_for(spark, f"timers_{pandas}", sorted((v, said) for v in "ab" for said in ("seen", "left 1", "left 0")), query)
        state = query.lastProgress["stateOperators"][0]
        assert state["operatorName"] == ("transformWithStateInPandasExec" if pandas else "transformWithStateInPySparkExec")
    finally:
        query.stop()


class Expiring(Processor):
    def init(self, handle):
        self.value = handle.getValueState("value", "n int", self.ttl)
        self.list = handle.getListState("list", "n int", self.ttl)
        self.map = handle.getMapState("map", "k int", "n int", self.ttl)
        self.kept = handle.getValueState("kept", "n int")

    def values(self, key, values, timers):
        said = (f"{self.value.get()} {[tuple(v) for v in self.list.get()]} {[tuple(k) for k in self.map.keys()]} "
                f"{self.value.exists()} {self.list.exists()} {self.map.exists()} {self.map.getValue((1,))} {self.kept.get()}")
        self.value.update((1,))
        self.list.appendValue((1,))
        self.map.updateValue((1,), (1,))
        self.kept.update((1,))
        yield key[0], said


@pytest.mark.parametrize("ttl", [1, 3600_000])
def test_time_to_live(spark, tmp_path, ttl):
    feed = Feed(tmp_path, "v string")
    processor = Expiring(True)
    processor.ttl = ttl

    def run():
        return feed.run(transform(feed.stream(spark).groupBy("v"), processor, time_mode="processingTime"), {"v": "a"})[0][1]

    assert run() == "None [] [] False False False None None"
    time.sleep(0.01)
    if ttl == 1:
        assert run() == "None [] [] False False False None (1,)"
    else:
        assert run() == "(1,) [(1,)] [(1,)] True True True Row(n=1) (1,)"


class WithInitial(Processor):
    def init(self, handle):
        self.sum = handle.getValueState("sum", "n long")

    def handleInitialState(self, key, initialState, timerValues):
        n = int(initialState["n"].sum()) if self.pandas else initialState["n"]
        self.sum.update(((self.sum.get()[0] if self.sum.exists() else 0) + n,))

    def values(self, key, values, timers):
        total = (self.sum.get()[0] if self.sum.exists() else 0) + sum(int(v["n"]) for v in values)
        self.sum.update((total,))
        yield key[0], str(total)


def test_initial_state(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "v string, n int")
    initial = spark.createDataFrame([("a", 100), ("a", 50), ("c", 7)], "k string, n int").groupBy("k")

    def run(*rows):
        frame = transform(feed.stream(spark).groupBy("v"), WithInitial(pandas), initialState=initial)
        return feed.run(frame, *[{"v": v, "n": n} for v, n in rows])

    assert run(("a", 1), ("b", 2)) == [("a", "151"), ("b", "2")]
    assert run(("a", 1), ("b", 1), ("c", 1)) == [("a", "152"), ("b", "3"), ("c", "8")]


class Sessions(Processor):
    names = ("key", "at")
    late = False

    def values(self, key, values, timers):
        import datetime

        for value in values:
            yield key[0], datetime.datetime(1970, 1, 1) if self.late else value["ts"]


def test_chained_with_a_window(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "v string, ts timestamp")

    def run(*rows, late=False):
        processor = Sessions(pandas)
        processor.late = late
        given = transform(feed.stream(spark).withWatermark("ts", "0 seconds").groupBy("v"), processor,
                          "key string, at timestamp", time_mode="eventTime", eventTimeColumnName="at")
        counted = given.groupBy(F.window("at", "10 seconds")).count().select(
            F.unix_timestamp("window.end").alias("end"), "count")
        return feed.run(counted, *[{"v": v, "ts": utc(ts)} for v, ts in rows])

    assert run(("a", 1), ("b", 5), ("a", 12)) == [(10, 2)]
    assert run(("a", 21)) == [(20, 1)]
    with pytest.raises(PySparkException, match="EMITTING_ROWS_OLDER_THAN_WATERMARK_NOT_ALLOWED"):
        run(("a", 22), late=True)


def test_many_groups_by_several_workers(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "v string")
    frame = transform(feed.stream(spark).select((F.length("v") * 0 + F.col("v").cast("int") % 500).alias("g"), "v").groupBy("g"),
                      Counting(pandas), "key int, said string")
    rows = feed.run(frame, *[{"v": str(i)} for i in range(25_000)])
    assert rows == sorted([(g, "50") for g in range(500)], key=repr)


class Keyed(Processor):
    names = ("said",)

    def values(self, key, values, timers):
        yield (f"{[k if isinstance(k, str) else int(k) for k in key]} {[k for k in values[0] if not k.startswith('key')]}",)


def test_keys_that_are_calculated(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "n int")
    own = F.udf(lambda n: f"u{n}")
    frame = transform(feed.stream(spark).groupBy((F.col("n") % 2).alias("odd"), F.lit("x"), "n", own("n")), Keyed(pandas), "said string")
    assert feed.run(frame, {"n": 3}) == [("[1, 'x', 3, 'u3'] ['n']",)]


def test_users_error_and_a_killed_worker_leave_the_state(spark, tmp_path, pandas):
    feed = Feed(tmp_path, "v string")
    flag = tmp_path / "what"

    class Breaking(Counting):
        def values(self, key, values, timers):
            given = list(super().values(key, values, timers))
            if flag.exists():
                if flag.read_text() == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise ValueError(f"no {key[0]}")
            return given

    def run(*values):
        return feed.run(transform(feed.stream(spark).groupBy("v"), Breaking(pandas)), *[{"v": v} for v in values])

    assert run("a") == [("a", "1")]
    flag.write_text("raise")
    with pytest.raises(PySparkException, match="ValueError: no a") as caught:
        run("a")
    assert "in values" in str(caught.value)
    flag.write_text("die")
    with pytest.raises(PySparkException, match="Python worker exited unexpectedly"):
        run()
    flag.unlink()
    assert run() == [("a", "2")]


class Declares(Processor):
    def init(self, handle):
        self.what(handle)

    def values(self, key, values, timers):
        if self.later:
            self.later(self.handle)
        yield key[0], "fine"

    later = None


def declares(what, later=None):
    processor = Declares(True)
    processor.what, processor.later = what, later
    return processor


@pytest.mark.parametrize("time_mode, what, later, message", [
    ("none", lambda h: [h.getValueState("a", "n int"), h.getListState("a", "n int")], None,
     "STATEFUL_PROCESSOR_DUPLICATE_STATE_VARIABLE_DEFINED"),
    ("none", lambda h: h.getValueState("a", "n int", 10), None, "STATEFUL_PROCESSOR_INCORRECT_TIME_MODE_TO_ASSIGN_TTL"),
    ("processingTime", lambda h: h.getValueState("a", "n int", 0), None, "STATEFUL_PROCESSOR_TTL_DURATION_MUST_BE_POSITIVE"),
    ("processingTime", lambda h: h.registerTimer(5), None,
     "operation=register_timer with invalid handle state=CREATED"),
    ("none", lambda h: h.getValueState("a", "n nothing"), None, "PARSE_SYNTAX_ERROR|UNSUPPORTED_DATATYPE"),
])
def test_what_init_may_not_do(spark, tmp_path, time_mode, what, later, message):
    feed = Feed(tmp_path, "v string")
    with pytest.raises(PySparkException, match=message):
        feed.run(transform(feed.stream(spark).groupBy("v"), declares(what, later), time_mode=time_mode), {"v": "a"})


def test_a_changed_variable_is_refused(spark, tmp_path):
    feed = Feed(tmp_path, "v string")

    class Changing(Processor):
        def init(self, handle):
            if self.purge:
                handle.deleteIfExists("a")
            self.a = self.declare(handle)

        def values(self, key, values, timers):
            yield key[0], str(self.a.exists())
            self.a.update((1,))

    def run(declare, purge=False):
        processor = Changing(True)
        processor.declare, processor.purge = declare, purge
        return feed.run(transform(feed.stream(spark).groupBy("v"), processor), {"v": "a"})

    assert run(lambda h: h.getValueState("a", "n int")) == [("a", "False")]
    with pytest.raises(PySparkException, match="STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE"):
        run(lambda h: h.getValueState("a", "n string"))
    with pytest.raises(PySparkException, match="STATE_STORE_INVALID_VARIABLE_TYPE_CHANGE"):
        run(lambda h: h.getListState("a", "n int"))
    assert run(lambda h: h.getValueState("a", "n int"))[0] == ("a", "True")
    assert run(lambda h: h.getValueState("a", "n string"), purge=True) == [("a", "False")]


def test_refusals(spark, tmp_path):
    feed = Feed(tmp_path, "v string")
    with pytest.raises(PySparkException, match="STATEFUL_PROCESSOR_UNKNOWN_TIME_MODE"):
        _ = transform(feed.stream(spark).groupBy("v"), Counting(True), time_mode="lunch").schema
    with pytest.raises(AnalysisException, match="UNRESOLVED_COLUMN"):
        _ = transform(feed.stream(spark).groupBy("v"), Counting(True), eventTimeColumnName="nowhere").schema
    with pytest.raises(PySparkException, match="(?i)state"):
        transform(spark.createDataFrame([("a",)], "v string").groupBy("v"), Counting(True)).collect()
    streamed = transform(feed.stream(spark).groupBy("v"), WithInitial(True), initialState=feed.stream(spark).groupBy("v"))
    with pytest.raises(AnalysisException, match="Initial state cannot be a streaming"):
        feed.run(streamed)
