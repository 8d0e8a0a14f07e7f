"""Errors arrive as the right Python class, with condition, SQLSTATE, parameters and place."""
import grpc
import pytest
from pyspark.errors import (AnalysisException, ArithmeticException, ParseException, SparkNoSuchElementException,
                            UnsupportedOperationException)


def test_table_not_found(spark):
    with pytest.raises(AnalysisException) as error:
        spark.sql("SELECT * FROM no_such_table").collect()
    assert error.value.getCondition() == "TABLE_OR_VIEW_NOT_FOUND"
    assert error.value.getSqlState() == "42P01"
    assert error.value.getMessageParameters() == {"relationName": "`no_such_table`"}
    assert str(error.value).startswith("[TABLE_OR_VIEW_NOT_FOUND] ")
    context = error.value.getQueryContext()[0]
    assert (context.fragment(), context.startIndex(), context.stopIndex()) == ("no_such_table", 14, 26)


def test_syntax(spark):
    with pytest.raises(ParseException) as error:
        spark.sql("SELEC 1")
    assert (error.value.getCondition(), error.value.getSqlState()) == ("PARSE_SYNTAX_ERROR", "42601")


def test_division_by_zero(spark):
    with pytest.raises(ArithmeticException) as error:
        spark.sql("SELECT 1 / 0").collect()
    assert (error.value.getCondition(), error.value.getSqlState()) == ("DIVIDE_BY_ZERO", "22012")


def test_column_not_found(spark):
    with pytest.raises(AnalysisException) as error:
        spark.range(1).select("missing").collect()
    assert error.value.getCondition() == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    assert error.value.getMessageParameters()["objectName"] == "`missing`"


def test_what_is_not_there_is_named(spark):
    with pytest.raises(UnsupportedOperationException) as error:
        spark.range(1)._joinAsOf(spark.range(1), "id", "id").collect()
    assert error.value.getCondition() == "UNSUPPORTED_FEATURE" and "as_of_join" in str(error.value)


@pytest.mark.parametrize("function", ["from_json", "from_csv", "from_xml"])
def test_blank_schema_is_an_empty_statement(spark, function):
    for schema in ("", " \t\n"):
        with pytest.raises(AnalysisException) as error:
            spark.range(1).selectExpr(f"{function}('', '{schema}')").collect()
        assert (error.value.getCondition(), error.value.getSqlState()) == ("PARSE_EMPTY_STATEMENT", "42617")


def test_configuration_key_not_found(spark):
    with pytest.raises(SparkNoSuchElementException) as error:
        spark.conf.get("no.such.key")
    assert error.value.getCondition() == "SQL_CONF_NOT_FOUND"


def varint(n):
    return bytes([n & 0x7F | 0x80]) + varint(n >> 7) if n > 0x7F else bytes([n])


def field(number, value):
    """A length-delimited field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def limits(levels):
    """range(5).limit(3).limit(3)…; from the inside out, so that deep ones take no time."""
    innermost = field(15, b"\x10\x05\x18\x01")  # range: end 5, step 1
    heads, tail, size = [], b"\x10\x03", len(innermost)  # tail: limit 3
    for _ in range(levels):
        head = b"\x0a" + varint(size)
        inner = len(head) + size + len(tail)
        heads.append(varint(8 << 3 | 2) + varint(inner) + head)
        size = len(heads[-1]) - len(head) + inner
    return b"".join(reversed(heads)) + innermost + tail * levels


@pytest.mark.parametrize("levels, fits", [(300, True), (1100, False), (100_000, False)])
def test_a_deep_plan_is_run_or_refused(spark, levels, fits):
    relation = limits(levels)
    request = field(1, spark.client._session_id.encode()) + field(4, field(1, field(1, relation)))
    if spark.client._user_id:
        request += field(2, field(1, spark.client._user_id.encode()))
    call = spark.client._channel.unary_unary("/spark.connect.SparkConnectService/AnalyzePlan")
    if fits:
        assert b"id" in call(request)
    else:
        with pytest.raises(grpc.RpcError) as error:
            call(request)
        assert "[CONNECT_INVALID_PLAN" in error.value.details()
    assert spark.range(1).count() == 1


def test_options_of_delta_that_would_have_to_be_obeyed(spark, tmp_path):
    table = str(tmp_path / "t")
    spark.range(3).write.format("delta").save(table)
    refused = [
        lambda: spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 0).load(table).collect(),
        lambda: spark.range(1).write.format("delta").option("userMetadata", "x").mode("append").save(table),
        lambda: spark.range(1).write.format("delta").option("dataChange", "false").mode("append").save(table),
        lambda: spark.range(1).write.option("maxRecordsPerFile", 1).saveAsTable("never_made"),
    ]
    for option, work in zip(["readChangeFeed", "userMetadata", "dataChange", "maxRecordsPerFile"], refused):
        with pytest.raises(UnsupportedOperationException, match=f"(?i){option}"):
            work()
    with pytest.raises(AnalysisException) as error:
        spark.read.format("delta").option("versionAsOf", 0).option("timestampAsOf", "2020-01-01").load(table).collect()
    assert (error.value.getCondition(), error.value.getSqlState()) == ("INVALID_TIME_TRAVEL_SPEC", "42K0E")
    assert spark.read.format("delta").option("readChangeFeed", "false").load(table).count() == 3


def test_values_of_a_pivot_are_limited(spark):
    spark.conf.set("spark.sql.pivotMaxValues", "2")
    pivot = lambda rows: spark.range(rows).groupBy().pivot("id").count().collect()
    assert len(pivot(2)[0]) == 2
    with pytest.raises(AnalysisException, match="id has more than 2 distinct values") as error:
        pivot(3)
    assert error.value.getCondition() == "_LEGACY_ERROR_TEMP_1324"


def test_a_malformed_record(spark):
    with pytest.raises(Exception) as error:
        spark.range(1).selectExpr("from_json('{', 'a INT', map('mode', 'FAILFAST'))").collect()
    assert error.value.getCondition() == "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION"
