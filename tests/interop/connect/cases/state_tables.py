"""The state of streaming queries as tables: format("statestore") and format("state-metadata")."""
from cases.streaming import FIRST, SECOND, finished, signals, stream
from cases.streaming_state import NEAR, TIMES, ads_and_clicks, timed
from pyspark.sql import functions as F
from recording import case


def ran(spark, tmp, df, mode="update"):
    """A query over all its batches; its checkpoint."""
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    finished(df.writeStream.format("noop").outputMode(mode).option("checkpointLocation", str(tmp / "c")))
    return str(tmp / "c")


def state(spark, tmp, **options):
    return spark.read.format("statestore").options(**options).load(str(tmp / "c"))


def rows(df):
    """Which partition a row is in differs from program to program."""
    return df.drop("partition_id")


def counted(spark, tmp):
    return ran(spark, tmp, signals(spark, tmp).groupBy("device").count())


@case
def columns(spark, tmp):
    counted(spark, tmp)
    df = state(spark, tmp)
    return [df.columns, df.schema["partition_id"].dataType, df.where("partition_id BETWEEN 0 AND 1").count(), df.count()]


@case
def count(spark, tmp):
    counted(spark, tmp)
    return rows(state(spark, tmp))


@case
def aggregates(spark, tmp):
    df = signals(spark, tmp).groupBy("device").agg(F.sum(F.col("signal").cast("double")), F.avg("signal"), F.min("signal"), F.max("at"))
    ran(spark, tmp, df)
    return rows(state(spark, tmp))


@case
def keys_by_name(spark, tmp):
    df = signals(spark, tmp).groupBy("device", (F.col("signal") % 20).alias("rest")).count()
    ran(spark, tmp, df)
    return rows(state(spark, tmp)).select("key.device", "key.rest", F.col("value.count").alias("n"))


@case
def an_older_batch(spark, tmp):
    counted(spark, tmp)
    return rows(state(spark, tmp, batchId=0))


@case
def a_filter_and_a_projection(spark, tmp):
    counted(spark, tmp)
    return state(spark, tmp).where("value.count > 1").select(F.upper("key.device"), F.col("value.count") * 2)


@case
def aggregated_again(spark, tmp):
    counted(spark, tmp)
    return state(spark, tmp).agg(F.sum("value.count"), F.count("*"))


@case
def as_a_view(spark, tmp):
    counted(spark, tmp)
    state(spark, tmp).createOrReplaceTempView("counts")
    return spark.sql("SELECT key.device AS device, value.count AS n FROM counts WHERE value.count = 2")


@case
def windows(spark, tmp):
    ran(spark, tmp, timed(spark, tmp).groupBy(F.window("at", "5 minutes"), "device").count(), "append")
    return rows(state(spark, tmp))


@case
def windows_before_eviction(spark, tmp):
    ran(spark, tmp, timed(spark, tmp, *TIMES[:2]).groupBy(F.window("at", "5 minutes"), "device").count(), "append")
    return rows(state(spark, tmp))


@case
def duplicates(spark, tmp):
    ran(spark, tmp, signals(spark, tmp, FIRST, SECOND).dropDuplicates(["device"]), "append")
    return rows(state(spark, tmp)).select("key")


@case
def duplicates_within(spark, tmp):
    ran(spark, tmp, timed(spark, tmp).dropDuplicatesWithinWatermark(["device"]), "append")
    return rows(state(spark, tmp))


def joined(spark, tmp):
    ads, clicks = ads_and_clicks(spark, tmp)
    return ran(spark, tmp, ads.join(clicks, NEAR, "leftOuter"), "append")


@case
def left_side_of_a_join(spark, tmp):
    joined(spark, tmp)
    return rows(state(spark, tmp, joinSide="left", batchId=0))


@case
def right_side_of_a_join(spark, tmp):
    joined(spark, tmp)
    return rows(state(spark, tmp, joinSide="right", batchId=0))


@case
def sessions(spark, tmp):
    ran(spark, tmp, timed(spark, tmp).groupBy(F.session_window("at", "5 minutes"), "device").count(), "append")
    return rows(state(spark, tmp)).select("key.device", F.col("value.count").alias("n"))


@case
def operators_by_number(spark, tmp):
    small = timed(spark, tmp).groupBy(F.window("at", "5 minutes"), "device").agg(F.sum("signal").alias("total"))
    ran(spark, tmp, small.groupBy(F.window(F.window_time("window"), "15 minutes")).count(), "append")
    fields = [set(state(spark, tmp, operatorId=i).schema["key"].dataType.names) for i in (0, 1)]
    return sorted(sorted(names) for names in fields)


@case
def what_batches_changed(spark, tmp):
    counted(spark, tmp)
    return rows(state(spark, tmp, readChangeFeed=True, changeStartBatchId=0))


@case
def what_some_batches_changed(spark, tmp):
    counted(spark, tmp)
    return rows(state(spark, tmp, readChangeFeed=True, changeStartBatchId=1, changeEndBatchId=1))


@case
def what_left_by_event_time(spark, tmp):
    ran(spark, tmp, timed(spark, tmp).groupBy(F.window("at", "5 minutes"), "device").count(), "append")
    return rows(state(spark, tmp, readChangeFeed="true", changeStartBatchId="0")).where("change_type = 'delete'")


def metadata(spark, path):
    return spark.read.format("state-metadata").load(path)


@case
def metadata_of_an_aggregation(spark, tmp):
    return metadata(spark, counted(spark, tmp))


@case
def metadata_of_duplicates(spark, tmp):
    return metadata(spark, ran(spark, tmp, signals(spark, tmp).dropDuplicates(["device"]), "append"))


@case
def metadata_of_duplicates_within(spark, tmp):
    return metadata(spark, ran(spark, tmp, timed(spark, tmp).dropDuplicatesWithinWatermark(["device"]), "append"))


@case
def metadata_of_sessions(spark, tmp):
    return metadata(spark, ran(spark, tmp, timed(spark, tmp).groupBy(F.session_window("at", "5 minutes"), "device").count(), "append"))


@case
def metadata_of_a_join(spark, tmp):
    return metadata(spark, joined(spark, tmp)).select("operatorId", "operatorName", "numPartitions", "minBatchId", "maxBatchId").distinct()


@case
def metadata_of_a_chain(spark, tmp):
    df = timed(spark, tmp).dropDuplicates(["device", "at"]).groupBy(F.window("at", "5 minutes")).count()
    return metadata(spark, ran(spark, tmp, df, "append")).select("operatorName", "stateStoreName")


@case
def metadata_by_option(spark, tmp):
    counted(spark, tmp)
    return spark.read.format("state-metadata").option("path", str(tmp / "c")).load().select("operatorId", "maxBatchId")


@case
def metadata_of_a_limit(spark, tmp):
    return metadata(spark, ran(spark, tmp, signals(spark, tmp).select("device").limit(4), "append")).select("operatorName", "stateStoreName")


@case
def state_goes_on_while_it_is_read(spark, tmp):
    df = stream(spark, tmp / "in", FIRST).groupBy("device").count()
    ran(spark, tmp, df)
    before = rows(state(spark, tmp)).collect()
    ran(spark, tmp, stream(spark, tmp / "in", SECOND).groupBy("device").count())
    after = rows(state(spark, tmp))
    return [sorted((r.key.device, r.value["count"]) for r in some) for some in (before, after.collect())]


# --- what is refused


def refusing(**options):
    def run(spark, tmp):
        counted(spark, tmp)
        return state(spark, tmp, **options).count()
    return run


REFUSED = {
    "negative_operator": dict(operatorId=-1), "negative_batch": dict(batchId=-1), "bad_join_side": dict(joinSide="both"),
    "join_side_and_store": dict(joinSide="left", storeName="x"), "empty_store": dict(storeName=" "),
    "changes_without_start": dict(readChangeFeed=True), "changes_of_a_batch": dict(readChangeFeed=True, batchId=0, changeStartBatchId=0),
    "changes_of_a_join_side": dict(readChangeFeed=True, joinSide="left", changeStartBatchId=0),
    "changes_backwards": dict(readChangeFeed=True, changeStartBatchId=2, changeEndBatchId=1),
    "changes_from_below_zero": dict(readChangeFeed=True, changeStartBatchId=-1),
    "start_without_changes": dict(changeStartBatchId=0), "end_without_changes": dict(changeEndBatchId=0),
    "snapshot_without_partition": dict(snapshotStartBatchId=0), "partition_without_snapshot": dict(snapshotPartitionId=0),
    "snapshot_of_later": dict(snapshotStartBatchId=9, snapshotPartitionId=0), "negative_snapshot": dict(snapshotStartBatchId=-1, snapshotPartitionId=0),
    "batch_that_is_not_there": dict(batchId=77), "state_variable_of_an_aggregation": dict(stateVarName="x"),
}
for name, options in REFUSED.items():
    function = refusing(**options)
    function.__name__ = "refused_" + name
    function.__module__ = __name__
    case(function)


def classes(action):
    try:
        return action()
    except Exception as error:
        return [type(error).__name__, error.getCondition()]


@case
def no_checkpoint(spark, tmp):
    return classes(lambda: state(spark, tmp).count())


@case
def no_path(spark, tmp):
    return spark.read.format("statestore").load().count()


@case
def no_such_operator(spark, tmp):
    counted(spark, tmp)
    return classes(lambda: state(spark, tmp, operatorId=5).count())


@case
def no_such_store(spark, tmp):
    counted(spark, tmp)
    return classes(lambda: state(spark, tmp, storeName="x").count())


@case
def a_join_without_side(spark, tmp):
    joined(spark, tmp)
    return classes(lambda: state(spark, tmp).count())


@case
def a_schema_of_ones_own(spark, tmp):
    counted(spark, tmp)
    return classes(lambda: spark.read.format("statestore").schema("key int").load(str(tmp / "c")).count())


@case
def in_sql_directly(spark, tmp):
    counted(spark, tmp)
    return classes(lambda: spark.sql(f"SELECT * FROM statestore.`{tmp}/c`").count())


@case
def in_sql_as_a_temporary_view(spark, tmp):
    counted(spark, tmp)

    def run():
        spark.sql(f"CREATE TEMPORARY VIEW counts USING statestore OPTIONS (path '{tmp}/c')")
        return spark.sql("SELECT count(*) FROM counts").collect()[0][0]
    return classes(run)


@case
def state_cannot_be_written(spark, tmp):
    return classes(lambda: spark.range(3).write.format("statestore").mode("append").save(str(tmp / "x")))


@case
def state_is_no_stream(spark, tmp):
    counted(spark, tmp)
    return classes(lambda: spark.readStream.format("statestore").load(str(tmp / "c")).schema)
