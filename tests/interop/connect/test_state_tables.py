"""The state of streaming queries as tables: format("statestore") and format("state-metadata"), with Spark's options and errors;
and queries that go on with the checkpoint of another form of themselves."""
import pytest
from cases.streaming import FIRST, SECOND, THIRD, finished, put, signals, stream
from cases.streaming_state import NEAR, TIMES, ads_and_clicks, timed
from pyspark.errors import PySparkException
from pyspark.sql import functions as F


def ran(spark, tmp, df, mode="update"):
    """A query over all its batches; its checkpoint."""
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    finished(df.writeStream.format("noop").outputMode(mode).option("checkpointLocation", str(tmp / "c")))
    return str(tmp / "c")


def counted(spark, tmp, *batches):
    return ran(spark, tmp, signals(spark, tmp, *batches).groupBy("device").count())


def joined(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    return ran(spark, tmp, ads.join(clicks, NEAR, "leftOuter"), "append")


def state(spark, tmp, **options):
    return spark.read.format("statestore").options(**options).load(str(tmp / "c"))


def told(df):
    return sorted((row.key.device, row.value["count"]) for row in df.collect())


def condition(action):
    with pytest.raises(PySparkException) as caught:
        action()
    return caught.value.getCondition()


# --- rows


def test_an_aggregation(spark, tmp_path):
    counted(spark, tmp_path)
    df = state(spark, tmp_path)
    assert df.schema.simpleString() == "struct<key:struct<device:string>,value:struct<count:bigint>,partition_id:int>"
    assert told(df) == [("a", 3), ("b", 2), ("c", 2)]
    assert df.where("partition_id NOT IN (0, 1)").count() == 0
    assert [r.n for r in df.where("value.count > 2").select(F.col("value.count").alias("n")).collect()] == [3]
    assert df.agg(F.sum("value.count"), F.count("*")).collect()[0][:] == (7, 3)
    assert told(state(spark, tmp_path, batchId=0)) == [("a", 2), ("b", 1)]
    df.createOrReplaceTempView("counts")
    assert spark.sql("SELECT key.device AS d FROM counts WHERE value.count = 3").collect()[0].d == "a"


def test_aggregates_have_their_names(spark, tmp_path):
    df = signals(spark, tmp_path).groupBy("device").agg(F.sum("signal"), F.avg("signal"), F.min("signal"), F.max("at"))
    ran(spark, tmp_path, df)
    assert state(spark, tmp_path).schema["value"].dataType.names == ["sum", "sum", "count", "min", "max"]


@pytest.mark.parametrize("provider", ["HDFSBackedStateStoreProvider", "RocksDBStateStoreProvider"])
def test_windows_come_and_go(spark, tmp_path, provider):
    spark.conf.set("spark.sql.streaming.stateStore.providerClass", "org.apache.spark.sql.execution.streaming.state." + provider)
    ran(spark, tmp_path, timed(spark, tmp_path).groupBy(F.window("at", "5 minutes"), "device").count(), "append")
    last = state(spark, tmp_path)
    assert last.schema["key"].dataType.simpleString() == "struct<window:struct<start:timestamp,end:timestamp>,device:string>"
    assert [(r.key.device, r.key.window.start.strftime("%H:%M"), r.value["count"]) for r in last.collect()] == [("c", "10:05", 1)]
    feed = state(spark, tmp_path, readChangeFeed="true", changeStartBatchId="0")
    assert feed.columns == ["batch_id", "change_type", "key", "value", "partition_id"]
    gone = feed.where("change_type = 'delete'")
    assert gone.where("value IS NOT NULL").count() == 0
    kept = {(r.key.device, r.key.window.start) for r in last.collect()}
    came = {(r.key.device, r.key.window.start) for r in feed.where("change_type = 'update'").collect()}
    assert {(r.key.device, r.key.window.start) for r in gone.collect()} == came - kept


def test_what_batches_changed(spark, tmp_path):
    counted(spark, tmp_path)
    feed = state(spark, tmp_path, readChangeFeed=True, changeStartBatchId=1, changeEndBatchId=2)
    assert sorted((r.batch_id, r.change_type, r.key.device, r.value["count"]) for r in feed.collect()) == [
        (1, "update", "b", 2), (1, "update", "c", 1), (2, "update", "a", 3), (2, "update", "c", 2)]
    assert state(spark, tmp_path, readChangeFeed=True, changeStartBatchId=0).count() == 6


def test_sides_of_a_join(spark, tmp_path):
    joined(spark, tmp_path)
    left, right = (state(spark, tmp_path, joinSide=side, batchId=0) for side in ("left", "right"))
    assert left.schema.simpleString() == ("struct<key:struct<field0:string>,value:struct<ad:string,shown:int,shown_at:timestamp>,partition_id:int>")
    assert sorted((r.key.field0, r.value.shown) for r in left.collect()) == [("a", 1), ("b", 2), ("c", 3)]
    assert sorted((r.key.field0, r.value.click) for r in right.collect()) == [("a", 100), ("b", 200)]


def test_duplicates(spark, tmp_path):
    ran(spark, tmp_path, timed(spark, tmp_path, *TIMES[:2]).dropDuplicatesWithinWatermark(["device"]), "append")
    df = state(spark, tmp_path)
    assert df.schema["value"].dataType.simpleString() == "struct<expiresAtMicros:bigint>"
    first = min(r.value.expiresAtMicros for r in df.collect())
    assert first == (1710061200 + 0 + 600) * 1_000_000  # the event's time and the delay


def test_operators_are_numbered_from_the_source(spark, tmp_path):
    small = timed(spark, tmp_path).groupBy(F.window("at", "5 minutes"), "device").agg(F.sum("signal").alias("total"))
    ran(spark, tmp_path, small.groupBy(F.window(F.window_time("window"), "15 minutes")).count(), "append")
    assert [state(spark, tmp_path, operatorId=i).schema["key"].dataType.names for i in (0, 1)] == [["window", "device"], ["window"]]


def test_metadata(spark, tmp_path):
    path = joined(spark, tmp_path)
    df = spark.read.format("state-metadata").load(path)
    assert df.schema.simpleString() == ("struct<operatorId:bigint,operatorName:string,stateStoreName:string,numPartitions:int,minBatchId:bigint,"
                                        "maxBatchId:bigint,operatorProperties:string>")
    rows = df.orderBy("stateStoreName").collect()
    assert [(r.operatorId, r.operatorName, r.stateStoreName, r.numPartitions, r.minBatchId) for r in rows] == [
        (0, "symmetricHashJoin", "left", 2, 0), (0, "symmetricHashJoin", "right", 2, 0)]
    assert spark.read.format("state-metadata").option("path", path).load().where("maxBatchId >= 2").count() == 2


# --- what is refused

WITH_MESSAGE, NEGATIVE = "STDS_INVALID_OPTION_VALUE.WITH_MESSAGE", "STDS_INVALID_OPTION_VALUE.IS_NEGATIVE"
CONFLICT, REQUIRED = "STDS_CONFLICT_OPTIONS", "STDS_REQUIRED_OPTION_UNSPECIFIED"
REFUSED = [
    (dict(operatorId=-1), NEGATIVE), (dict(batchId=-1), NEGATIVE), (dict(joinSide="both"), WITH_MESSAGE),
    (dict(joinSide="left", storeName="x"), CONFLICT), (dict(storeName=" "), "STDS_INVALID_OPTION_VALUE.IS_EMPTY"),
    (dict(readChangeFeed=True), REQUIRED), (dict(readChangeFeed=True, batchId=0, changeStartBatchId=0), CONFLICT),
    (dict(readChangeFeed=True, joinSide="left", changeStartBatchId=0), CONFLICT),
    (dict(readChangeFeed=True, changeStartBatchId=0, snapshotStartBatchId=0), CONFLICT),
    (dict(readChangeFeed=True, changeStartBatchId=2, changeEndBatchId=1), WITH_MESSAGE), (dict(readChangeFeed=True, changeStartBatchId=-1), NEGATIVE),
    (dict(changeStartBatchId=0), WITH_MESSAGE), (dict(changeEndBatchId=0), WITH_MESSAGE),
    (dict(snapshotStartBatchId=0), REQUIRED), (dict(snapshotPartitionId=0), REQUIRED),
    (dict(snapshotStartBatchId=9, snapshotPartitionId=0), WITH_MESSAGE), (dict(batchId=77), "STDS_OFFSET_LOG_UNAVAILABLE"),
    (dict(stateVarName="x"), WITH_MESSAGE), (dict(operatorId=5), "STDS_FAILED_TO_READ_STATE_SCHEMA"),
    (dict(storeName="x"), "STDS_FAILED_TO_READ_STATE_SCHEMA"), (dict(joinSide="left"), "STDS_FAILED_TO_READ_STATE_SCHEMA"),
]


def test_what_is_refused(spark, tmp_path):
    counted(spark, tmp_path, FIRST)
    found = [(options, condition(lambda o=options: state(spark, tmp_path, **o).count())) for options, _ in REFUSED]
    assert found == REFUSED
    assert condition(lambda: spark.read.format("statestore").load().count()) == REQUIRED
    assert condition(lambda: spark.read.format("statestore").load(str(tmp_path / "nowhere")).count()) == "STDS_COMMITTED_BATCH_UNAVAILABLE"
    sparks = tmp_path / "spark"
    (sparks / "state/0/0").mkdir(parents=True)
    (sparks / "commits").mkdir()
    (sparks / "commits/0").write_text('v1\n{"nextBatchWatermarkMs":0}')
    (sparks / "state/0/0/1.delta").write_bytes(b"")
    for name in ("statestore", "state-metadata"):
        with pytest.raises(PySparkException, match="has state that Spark wrote") as caught:
            spark.read.format(name).load(str(sparks)).count()
        assert caught.value.getCondition() == "UNSUPPORTED_FEATURE"


# --- a changed query on an old checkpoint (Spark's guide: recovery semantics after changes in a streaming query)


def count(df):
    return df.groupBy("device").count()


def unique(*keys):
    return lambda df: df.dropDuplicates(list(keys)).select("device")


def windowed(size):
    return lambda df: df.groupBy(F.window("at", size)).count().select("count")


KEY, VALUE = "STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE", "STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE"
OPERATOR = "STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA"
CHANGES = {
    "nothing": (count, count, [("a", 3), ("b", 2), ("c", 1), ("c", 2)]),
    "a filter before": (count, lambda df: count(df.where("device <> 'b'")), [("a", 3), ("c", 1), ("c", 2)]),
    "a projection before": (count, lambda df: count(df.select("device", "signal")), [("a", 3), ("b", 2), ("c", 1), ("c", 2)]),
    "a projection after": (count, lambda df: count(df).select(F.upper("device"), F.col("count") + 100), [("A", 103), ("B", 102), ("C", 101), ("C", 102)]),
    "a filter after": (count, lambda df: count(df).where("count > 1"), [("a", 3), ("b", 2), ("c", 2)]),
    "the name of a key": (count, lambda df: df.groupBy(F.col("device").alias("what")).count(), [("a", 3), ("b", 2), ("c", 1), ("c", 2)]),
    "the input of an aggregate": (lambda df: df.groupBy("device").agg(F.max("signal")), lambda df: df.groupBy("device").agg(F.max(-F.col("signal"))),
                                  [("a", 30), ("b", 20), ("c", -40), ("c", -16)]),
    "the size of windows": (windowed("5 minutes"), windowed("2 minutes"), [(1,), (1,), (2,)]),
    "one more aggregate": (count, lambda df: df.groupBy("device").agg(F.count("*"), F.sum("signal")), VALUE),
    "one aggregate less": (lambda df: df.groupBy("device").agg(F.count("*"), F.sum("signal")), count, VALUE),
    "another type of an aggregate": (lambda df: df.groupBy("device").agg(F.max("signal")), lambda df: df.groupBy("device").agg(F.max("at")), VALUE),
    "another aggregate of the same type": (lambda df: df.groupBy("device").agg(F.max("signal")), lambda df: df.groupBy("device").agg(F.min("signal")), OPERATOR),
    "one more key": (count, lambda df: df.groupBy("device", "signal").count(), KEY),
    "another type of a key": (count, lambda df: df.groupBy("signal").count(), KEY),
    "duplicates for an aggregation": (count, unique("device"), OPERATOR),
    "no state any more": (count, lambda df: df.select("device"), OPERATOR),
    "state where none was": (lambda df: df.select("device"), unique("device"), "STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY"),
    "one more operator": (unique("device", "at"), lambda df: df.dropDuplicates(["device", "at"]).dropDuplicates(["device"]).select("device"), OPERATOR),
    "one more key of duplicates": (unique("device"), unique("device", "signal"), KEY),
    "another type of a key of duplicates": (unique("device"), unique("signal"), KEY),
    "a filter before duplicates": (unique("device"), lambda df: unique("device")(df.where("signal > 5")), [("c",)]),
    "another filter without state": (lambda df: df.where("signal > 10").select("signal"), lambda df: df.where("signal < 50").select("signal"),
                                     [(5,), (16,), (40,)]),
    "other columns without state": (lambda df: df.select("device"), lambda df: df.select("signal", "device"), [(5, "b"), (16, "c"), (40, "c"), (50, "a")]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_query(spark, tmp_path, name):
    before, after, expected = CHANGES[name]

    def run(change, query):
        spark.conf.set("spark.sql.shuffle.partitions", "2")
        df = change(stream(spark, tmp_path / "in").withWatermark("at", "10 minutes"))
        given = str(tmp_path / query)  # in the memory of a table no query that updates goes on

        def keep(rows, number):
            rows.toDF(*[f"c{i}" for i in range(len(rows.columns))]).write.format("delta").mode("append").save(given)

        finished(df.writeStream.foreachBatch(keep).outputMode("update").option("checkpointLocation", str(tmp_path / "c")))
        return sorted(tuple(row) for row in spark.read.format("delta").load(given).collect())

    put(tmp_path / "in", FIRST)
    run(before, "one")
    put(tmp_path / "in", SECOND)
    put(tmp_path / "in", THIRD)
    if isinstance(expected, list):
        assert run(after, "two") == expected
        return
    with pytest.raises(PySparkException) as caught:
        run(after, "two")
    assert f"[{expected}]" in str(caught.value)
    if "NOT_COMPATIBLE" in expected:
        assert "the checkpoint has" in str(caught.value) and "the query has" in str(caught.value)


def changed_join(spark, tmp_path, before, after):
    ran(spark, tmp_path, before(*ads_and_clicks(spark, tmp_path)), "append")
    put(tmp_path / "ads", [("a", 6, 3610)])
    ads = stream(spark, tmp_path / "ads").select(F.col("device").alias("ad"), F.col("signal").alias("shown"), F.col("at").alias("shown_at"))
    clicks = stream(spark, tmp_path / "clicks").select("device", F.col("signal").alias("click"), F.col("at").alias("click_at"))
    return ran(spark, tmp_path, after(ads.withWatermark("shown_at", "10 minutes"), clicks.withWatermark("click_at", "10 minutes")), "append")


def joining(kind, on=NEAR):
    return lambda ads, clicks: ads.join(clicks, on, kind)


def test_a_changed_join(spark, tmp_path):
    last = changed_join(spark, tmp_path, joining("inner"), lambda a, c: joining("inner")(a, c).where("click > 0"))
    assert spark.read.format("state-metadata").load(last).where("maxBatchId >= 3").count() == 2


@pytest.mark.parametrize("after, expected", [
    (joining("leftOuter"), OPERATOR),
    (joining("inner", F.expr("shown = click AND click_at BETWEEN shown_at AND shown_at + INTERVAL 1 MINUTE")), KEY),
    (lambda a, c: a.withColumn("more", F.lit(1)).join(c, NEAR), VALUE)], ids=["kind", "keys", "columns"])
def test_a_join_that_is_another(spark, tmp_path, after, expected):
    with pytest.raises(PySparkException) as caught:
        changed_join(spark, tmp_path, joining("inner"), after)
    assert f"[{expected}]" in str(caught.value)


def test_partitions_rates_and_providers(spark, tmp_path):
    put(tmp_path / "in", FIRST)
    ran(spark, tmp_path, count(stream(spark, tmp_path / "in")))
    put(tmp_path / "in", SECOND)
    put(tmp_path / "in", THIRD)
    spark.conf.set("spark.sql.shuffle.partitions", "8")
    spark.conf.set("spark.sql.streaming.stateStore.providerClass", "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider")
    many = spark.readStream.schema("device string, signal int, at timestamp").option("maxFilesPerTrigger", 10).json(str(tmp_path / "in"))
    query = finished(count(many).writeStream.format("noop").outputMode("complete").option("checkpointLocation", str(tmp_path / "c")))
    assert [p["numInputRows"] for p in query.recentProgress] == [4]
    assert spark.read.format("state-metadata").load(str(tmp_path / "c")).collect()[0].numPartitions == 2
    assert told(state(spark, tmp_path)) == [("a", 3), ("b", 2), ("c", 2)]
