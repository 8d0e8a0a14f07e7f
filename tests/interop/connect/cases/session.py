"""The session: cache, observe, hints, partitions, tags, versions."""
from pyspark import StorageLevel
from pyspark.sql import Observation
from pyspark.sql import functions as F
from recording import InOrder, case


@case
def observe_by_name(spark, tmp):
    seen = Observation("seen")
    df = spark.range(10).observe(seen, F.count(F.lit(1)).alias("n"), F.max("id").alias("m"), F.sum(F.col("id") * 2).alias("s"), F.avg("id").alias("a"))
    return [len(df.where("id > 4").collect()), seen.get]


@case
def observe_types(spark, tmp):
    seen = Observation()
    df = spark.createDataFrame([("a", 1.5), ("b", None)], "s string, d double").observe(
        seen, F.max("s").alias("s"), F.min("d").alias("d"), F.count_if(F.col("d").isNull()).alias("nulls"), F.sum(F.lit(None).cast("int")).alias("nothing"),
        F.max(F.lit("2024-01-01").cast("date")).alias("t"), F.sum(F.lit("1.50").cast("decimal(10,2)")).alias("dec"))
    df.collect()
    return seen.get


@case
def observe_through_pandas(spark, tmp):
    pdf = spark.range(3).observe("stats", F.count(F.lit(1)).alias("rows")).toPandas()
    return [len(pdf), [m.name for m in pdf.attrs["observed_metrics"]]]


@case
def observe_not_an_aggregate(spark, tmp):
    return spark.range(3).observe("bad", F.col("id").alias("x")).collect()


@case
def persist_levels(spark, tmp):
    df = spark.range(5).withColumn("x", F.col("id"))
    found = [str(df.storageLevel), str(df.cache().storageLevel), df.count()]
    df.unpersist()
    df.persist(StorageLevel.DISK_ONLY)
    found.append(str(df.storageLevel))
    df.unpersist(True)
    return found + [str(df.storageLevel), df.is_cached]


@case
def local_checkpoint(spark, tmp):
    return spark.range(4).withColumn("r", F.col("id") * 2).localCheckpoint().where("r > 2")


@case
def repartition_forms(spark, tmp):
    df = spark.range(10)
    return [d.count() for d in (df.repartition(3), df.repartition("id"), df.repartition(2, "id"), df.repartitionByRange(2, F.desc("id")), df.coalesce(1),
                                df.repartitionById(2, (F.col("id") % 2).cast("int")) if hasattr(df, "repartitionById") else df)]


@case
def sort_within_partitions(spark, tmp):
    return InOrder(spark.range(5).coalesce(1).sortWithinPartitions(F.desc("id")))


@case
def is_local_and_streaming(spark, tmp):
    return [spark.range(1).isStreaming, spark.createDataFrame([(1,)], "a int").isLocal()]


@case
def same_semantics(spark, tmp):
    a, b = spark.range(3).where("id > 1"), spark.range(3).where("id > 1")
    return [a.sameSemantics(b), a.sameSemantics(spark.range(3)), a.semanticHash() == b.semanticHash()]


@case
def version(spark, tmp):
    return spark.version


@case
def tags(spark, tmp):
    spark.addTag("one")
    spark.addTag("two")
    spark.removeTag("one")
    found = sorted(spark.getTags())
    spark.clearTags()
    return found + [sorted(spark.getTags())]


@case
def interrupt_nothing(spark, tmp):
    return [spark.interruptAll(), spark.interruptTag("none")]


@case
def range_forms(spark, tmp):
    return [[r.id for r in d.collect()] for d in (spark.range(3), spark.range(2, 5), spark.range(0, 10, 4), spark.range(5, 0, -2), spark.range(0, 4, 1, 2))]


@case
def input_files(spark, tmp):
    spark.range(1).coalesce(1).write.parquet(str(tmp / "p"))
    files = spark.read.parquet(str(tmp / "p")).inputFiles()
    return [len(files), files[0].startswith("file:///"), files[0].endswith(".parquet")]


@case
def new_session_is_apart(spark, tmp):
    spark.range(1).createOrReplaceTempView("cases_mine")
    other = spark.newSession() if hasattr(spark, "newSession") else spark
    try:
        return [spark.catalog.tableExists("cases_mine"), other.catalog.tableExists("cases_mine")]
    finally:
        if other is not spark:
            other.stop()


@case
def with_watermark_in_batch(spark, tmp):
    return spark.sql("SELECT TIMESTAMP '2024-01-01 00:00:00' AS t, 1 AS v").withWatermark("t", "10 minutes").select("v")


@case
def ddl_parsing(spark, tmp):
    from pyspark.sql import types as T
    return T.StructType.fromDDL("a INT NOT NULL, b ARRAY<STRUCT<c: STRING>> COMMENT 'x'") if hasattr(T.StructType, "fromDDL") else None


@case
def transpose(spark, tmp):
    return spark.createDataFrame([("a", 1, 2), ("b", 3, 4)], "k string, x int, y int").transpose("k")


@case
def as_table_and_metadata_column(spark, tmp):
    spark.range(2).coalesce(1).write.parquet(str(tmp / "p"))
    return spark.read.parquet(str(tmp / "p")).select(F.col("_metadata.file_path").startswith("file:/").alias("f"), "id")
