"""DeltaTable of pip's delta-spark. Schemas are those of Delta 4.4 on Spark 4.2."""
import pytest
from delta.tables import DeltaTable
from pyspark.errors import AnalysisException, UnsupportedOperationException
from pyspark.sql import functions as F


@pytest.fixture
def table(spark, tmp_path):
    path = str(tmp_path / "t")
    spark.range(3).withColumn("p", F.lit(1)).write.format("delta").partitionBy("p").save(path)
    spark.range(1).withColumn("p", F.lit(2)).write.format("delta").mode("append").save(path)
    return path


def test_for_path(spark, table):
    delta = DeltaTable.forPath(spark, table)
    assert sorted(tuple(r) for r in delta.toDF().collect()) == [(0, 1), (0, 2), (1, 1), (2, 1)]
    assert delta.alias("x").toDF().select("x.id").count() == 4


def test_for_name(spark):
    spark.sql("CREATE OR REPLACE TABLE named_delta (a INT COMMENT 'x') USING delta COMMENT 'my words' TBLPROPERTIES ('k'='v')")
    detail = DeltaTable.forName(spark, "named_delta").detail().first()
    assert (detail.name, detail.description, detail.properties) == ("spark_catalog.default.named_delta", "my words", {"k": "v"})
    spark.sql("INSERT INTO named_delta VALUES (7)")
    assert [r.a for r in DeltaTable.forName(spark, "default.named_delta").toDF().collect()] == [7]
    spark.sql("DROP TABLE named_delta")


def test_history(spark, table):
    history = DeltaTable.forPath(spark, table).history()
    assert history.dtypes == [
        ("version", "bigint"), ("timestamp", "timestamp"), ("userId", "string"), ("userName", "string"), ("operation", "string"),
        ("operationParameters", "map<string,string>"),
        ("job", "struct<jobId:string,jobName:string,jobRunId:string,runId:string,jobOwnerId:string,triggerType:string>"),
        ("notebook", "struct<notebookId:string>"), ("clusterId", "string"), ("readVersion", "bigint"), ("isolationLevel", "string"),
        ("isBlindAppend", "boolean"), ("operationMetrics", "map<string,string>"), ("userMetadata", "string"), ("engineInfo", "string")]
    rows = history.collect()
    assert [(r.version, r.operation, r.readVersion, r.isBlindAppend) for r in rows] == [(1, "WRITE", 0, True), (0, "WRITE", None, True)]
    assert [r.operationParameters["mode"] for r in rows] == ["Append", "ErrorIfExists"]
    assert rows[1].operationParameters["partitionBy"] == '["p"]'
    assert rows[0].operationMetrics["numOutputRows"] == "1" and rows[0].timestamp >= rows[1].timestamp
    assert [r.version for r in DeltaTable.forPath(spark, table).history(1).collect()] == [1]


def test_detail(spark, table):
    detail = DeltaTable.forPath(spark, table).detail()
    assert [name for name, _ in detail.dtypes] == [
        "format", "id", "name", "description", "location", "createdAt", "lastModified", "partitionColumns", "clusteringColumns", "numFiles",
        "sizeInBytes", "properties", "minReaderVersion", "minWriterVersion", "tableFeatures"]
    row = detail.first()
    assert (row.format, row.name, row.location, row.partitionColumns, row.clusteringColumns) == ("delta", None, "file:" + table, ["p"], [])
    assert row.numFiles >= 2 and row.sizeInBytes > 0 and row.createdAt <= row.lastModified
    assert (row.minReaderVersion, row.minWriterVersion, row.tableFeatures) == (1, 2, ["appendOnly", "invariants"])


def test_is_delta_table(spark, table, tmp_path):
    assert DeltaTable.isDeltaTable(spark, table)
    assert not DeltaTable.isDeltaTable(spark, str(tmp_path))


def test_what_is_no_delta_table(spark, tmp_path):
    with pytest.raises(AnalysisException) as error:
        DeltaTable.forPath(spark, str(tmp_path)).history().collect()
    assert error.value.getCondition() == "DELTA_TABLE_ONLY_OPERATION"
    with pytest.raises(AnalysisException) as error:
        DeltaTable.forName(spark, "nowhere_delta").detail().collect()
    assert error.value.getCondition() == "TABLE_OR_VIEW_NOT_FOUND"


@pytest.mark.parametrize("name, call", [
    ("delete", lambda t: t.delete("id = 1")),
    ("update", lambda t: t.update("id = 1", {"id": "2"})),
    ("merge", lambda t: t.alias("t").merge(t.toDF().alias("s"), "t.id = s.id").whenMatchedDelete().execute()),
    ("vacuum", lambda t: t.vacuum()),
    ("restore", lambda t: t.restoreToVersion(0)),
    ("optimize", lambda t: t.optimize().executeCompaction()),
    ("generate", lambda t: t.generate("symlink_format_manifest")),
    ("upgradeTableProtocol", lambda t: t.upgradeTableProtocol(1, 3)),
])
def test_what_is_not_there_is_named(spark, table, name, call):
    with pytest.raises(UnsupportedOperationException) as error:
        call(DeltaTable.forPath(spark, table))
    assert error.value.getCondition() == "UNSUPPORTED_FEATURE" and f"DeltaTable.{name}" in str(error.value)


def test_create_is_named(spark):
    with pytest.raises(UnsupportedOperationException, match="DeltaTable.create"):
        DeltaTable.create(spark).tableName("made_by_delta").addColumn("id", "INT").execute()
