"""Python functions through the unmodified client: the server runs them in workers of its own."""
import datetime
import decimal
import os
import sys
import threading
import time

import pandas as pd
import pyarrow as pa
import pytest
from conftest import Server
from pyspark.errors import PySparkException, PythonException
from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf

PYTHON = ["--python", sys.executable]


@pytest.fixture(scope="module")
def python_server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("warehouse"), *PYTHON)
    yield started
    assert started.stop() == 0


def connect(server):
    from pyspark.sql.connect.session import SparkSession

    return SparkSession.builder.remote(server.address).create()


@pytest.fixture
def spark(python_server):
    session = connect(python_server)
    yield session
    session.stop()


def values(frame):
    return [tuple(row) for row in frame.collect()]


@pytest.mark.parametrize("arrow", [False, True])
class TestPlainFunctions:
    def test_select(self, spark, arrow):
        twice = udf(lambda x: x * 2, "long", useArrow=arrow)
        assert values(spark.range(5).select("id", twice("id"))) == [(i, 2 * i) for i in range(5)]

    def test_many_rows_keep_their_order(self, spark, arrow):
        more = udf(lambda x: x + 1, "long", useArrow=arrow)
        rows = spark.range(25_000).select("id", more("id").alias("m")).toPandas()
        assert (rows["m"] == rows["id"] + 1).all()
        assert list(rows["id"]) == list(range(25_000))

    def test_filter(self, spark, arrow):
        even = udf(lambda x: x % 2 == 0, "boolean", useArrow=arrow)
        assert values(spark.range(10).filter(even("id")).filter("id > 3")) == [(4,), (6,), (8,)]

    def test_several_and_nested(self, spark, arrow):
        more = udf(lambda x: x + 1, "long", useArrow=arrow)
        text = udf(lambda a, b: f"{a}-{b}", "string", useArrow=arrow)
        frame = spark.range(3).select(more(more(more("id"))), text("id", more("id")),
                                      (more(F.col("id") * 10) + 1).alias("n"))
        assert values(frame) == [(3, "0-1", 2), (4, "1-2", 12), (5, "2-3", 22)]

    def test_nulls(self, spark, arrow):
        shown = udf(lambda x: "none" if x is None else str(x), "string", useArrow=arrow)
        gone = udf(lambda x: None, "int", useArrow=arrow)
        frame = spark.sql("select * from values (1), (null) t(a)").select(shown("a"), gone("a"))
        assert values(frame) == [("1", None), ("none", None)]

    def test_types_both_ways(self, spark, arrow):
        frame = spark.sql("""select true b, 1Y t, 2S s, 3 i, 4L l, 1.5f f, 2.5d d, 1.23 dec, 'ä€😀' str,
            X'0102' bin, date'2024-02-29' day, timestamp_ntz'2024-01-02 03:04:05.678901' ntz,
            array(1, null) arr, map('k', 1) m, named_struct('x', 1, 'y', 'z') st""")
        for name, kind in frame.dtypes:
            same = udf(lambda x: x, kind, useArrow=arrow)
            row = frame.select(F.col(name).alias("a"), same(name).alias("b")).collect()[0]
            assert row.a == row.b, name

    def test_types_seen_by_the_function(self, spark, arrow):
        kind = udf(lambda x: type(x).__name__, "string", useArrow=arrow)
        frame = spark.sql("""select 1 i, 2.5d d, 1.23 dec, 'x' s, X'01' b, date'2024-02-29' day,
            timestamp'2024-01-02 03:04:05' ts, array(1) a, map('k', 1) m, named_struct('x', 1) st""")
        assert values(frame.select(*[kind(c) for c in frame.columns])) == [
            ("int", "float", "Decimal", "str", "bytes", "date", "datetime", "list", "dict", "Row")]

    def test_nested_results(self, spark, arrow):
        made = udf(lambda x: Row(a=x, b=[{"k": x}, None], c=decimal.Decimal("1.50")),
                   "a long, b array<map<string,long>>, c decimal(5,2)", useArrow=arrow)
        assert values(spark.range(2).select(made("id").alias("r")).select("r.*")) == [
            (0, [{"k": 0}, None], decimal.Decimal("1.50")), (1, [{"k": 1}, None], decimal.Decimal("1.50"))]

    def test_error_is_the_users_traceback(self, spark, arrow):
        def fails(x):
            raise ValueError(f"no {x}")

        with pytest.raises(PythonException) as caught:
            spark.range(3).select(udf(fails, "int", useArrow=arrow)("id")).collect()
        assert "ValueError: no 0" in str(caught.value) and "in fails" in str(caught.value)
        assert spark.range(1).collect() == [Row(id=0)]

    def test_registered_for_sql(self, spark, arrow):
        spark.udf.register("plus_one", udf(lambda x: x + 1, "long", useArrow=arrow))
        assert values(spark.sql("select plus_one(id) + 1 from range(2) where plus_one(id) > 1")) == [(3,)]

    def test_join_group_and_sort(self, spark, arrow):
        third = udf(lambda x: x % 3, "long", useArrow=arrow)
        left = spark.range(6).withColumn("k", third("id"))
        right = spark.createDataFrame([(0, "a"), (1, "b")], "k long, name string")
        assert values(left.join(right, "k").select("id", "name").orderBy("id")) == [
            (0, "a"), (1, "b"), (3, "a"), (4, "b")]
        assert values(spark.range(6).groupBy(third("id").alias("k")).count().orderBy("k")) == [
            (0, 2), (1, 2), (2, 2)]
        assert values(spark.range(4).orderBy(third("id"), F.desc("id"))) == [(3,), (0,), (1,), (2,)]

    def test_no_arguments(self, spark, arrow):
        one = udf(lambda: 1, "int", useArrow=arrow).asNondeterministic()
        assert values(spark.range(3).select(one())) == [(1,), (1,), (1,)]


def test_wrong_types_of_plain_functions_are_null(spark):
    frame = spark.range(1).select(
        udf(lambda x: 1, "double", useArrow=False)("id"), udf(lambda x: "a", "int", useArrow=False)("id"),
        udf(lambda x: 1.5, "string", useArrow=False)("id"), udf(lambda x: True, "string", useArrow=False)("id"),
        udf(lambda x: [1, 2], "string", useArrow=False)("id"))
    assert values(frame) == [(None, None, "1.5", "true", "[1, 2]")]


def test_numpy_value_of_a_plain_function_is_refused(spark):
    def made(x):
        import numpy

        return numpy.int64(1)

    with pytest.raises(PySparkException, match="ClassDict"):
        spark.range(1).select(udf(made, "long", useArrow=False)("id")).collect()


def people(spark):
    return spark.createDataFrame([(1, "a", 2.5), (2, "b", None), (3, None, 0.5)], "id int, name string, score double")


class TestArgumentNames:
    @pytest.fixture
    def tell(self, spark):
        @udf("string")
        def tell(first, second, third="-"):
            return f"{first}/{second}/{third}"

        spark.udf.register("tell", tell)
        return tell

    def test_names_and_places(self, spark, tell):
        rows = people(spark).where("id < 3").select(
            tell(second=F.col("name"), first=F.col("id")), tell("id", third=F.lit("x"), second="score"), tell("id", "name"), tell("name", "id"))
        assert values(rows) == [("1/a/-", "1/2.5/x", "1/a/-", "a/1/-"), ("2/b/-", "2/None/x", "2/b/-", "b/2/-")]

    def test_calls_inside_calls(self, spark, tell):
        inner = tell(second=F.col("name"), first=F.lit(0))
        assert values(people(spark).where("id = 1").select(tell(first=tell("id", second="name"), second=inner))) == [("1/a/-/0/a/-/-",)]

    def test_in_sql(self, spark, tell):
        people(spark).createOrReplaceTempView("people")
        assert values(spark.sql("select tell(id, third => score, second => upper(name)), tell(second => 1, first => 2) from people where id = 1")) == [
            ("1/A/2.5", "2/1/-")]
        assert values(people(spark).where("id = 2").select(F.expr("tell(id, second => name)"))) == [("2/b/-",)]
        assert values(spark.sql("select id from people where tell(id, second => 'x') = '3/x/-'")) == [(3,)]

    def test_names_that_the_function_does_not_have(self, spark, tell):
        with pytest.raises(PythonException, match="unexpected keyword argument 'SECOND'"):
            spark.sql("select tell(1, SECOND => 2)").collect()
        with pytest.raises(PythonException, match="missing 1 required positional argument"):
            people(spark).select(tell(second="name")).collect()

    @pytest.mark.parametrize("arrow", [False, True])
    def test_any_names(self, spark, arrow):
        @udf("string", useArrow=arrow)
        def kept(*places, **names):
            return f"{places} {sorted(names.items())}"

        assert values(people(spark).where("id = 1").select(kept("id", b=F.col("name"), a=F.lit(True)))) == [("(1,) [('a', True), ('b', 'a')]",)]

    def test_pandas_udf(self, spark):
        @pandas_udf("double")
        def ratio(upper: pd.Series, lower: pd.Series) -> pd.Series:
            return upper / lower

        @pandas_udf("double")
        def weighted(value: pd.Series, weight: pd.Series) -> float:
            return float((value * weight).sum() / weight.sum())

        spark.udf.register("ratio", ratio)
        spark.udf.register("weighted", weighted)
        people(spark).createOrReplaceTempView("people")
        assert values(spark.sql("select ratio(lower => id, upper => score) from people")) == [(2.5,), (None,), (pytest.approx(0.5 / 3),)]
        assert values(people(spark).where("id = 1").select(ratio(lower=F.lit(5.0), upper="score"))) == [(0.5,)]
        frame = spark.createDataFrame([(1, 2.0, 3.0), (1, 4.0, 1.0), (2, 5.0, 2.0)], "k int, v double, w double")
        frame.createOrReplaceTempView("weights")
        assert sorted(values(frame.groupBy("k").agg(weighted(weight="w", value="v")))) == [(1, 2.5), (2, 5.0)]
        assert sorted(values(spark.sql("select k, weighted(v, weight => w) from weights group by k"))) == [(1, 2.5), (2, 5.0)]


def test_pandas_udf(spark):
    @pandas_udf("double")
    def plus(a: pd.Series, b: pd.Series) -> pd.Series:
        return a + b

    frame = spark.range(30_000).select(plus(F.col("id").cast("double"), F.lit(0.5)).alias("x"))
    assert frame.agg(F.sum("x")).collect()[0][0] == sum(range(30_000)) + 15_000


def test_pandas_udf_of_structs(spark):
    @pandas_udf("a long, b string")
    def made(x: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({"a": x + 1, "b": x.astype(str)})

    @pandas_udf("long")
    def taken(s: pd.DataFrame) -> pd.Series:
        return s["a"] * 10

    assert values(spark.range(2).select(taken(made("id")))) == [(10,), (20,)]


def test_pandas_udf_iterator(spark):
    from typing import Iterator, Tuple

    @pandas_udf("long")
    def plus(batches: Iterator[Tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
        start = 100
        for a, b in batches:
            yield a + b + start

    frame = spark.range(25_000).select("id", plus("id", F.lit(1)).alias("p")).toPandas()
    assert (frame["p"] == frame["id"] + 101).all()


def test_batches_have_the_size_asked_for(spark):
    @pandas_udf("int")
    def size(x: pd.Series) -> pd.Series:
        return pd.Series([len(x)] * len(x))

    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "10")
    assert {row[0] for row in spark.range(25).select(size("id")).collect()} <= set(range(1, 11))
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
    assert max(row[0] for row in spark.range(2_500).select(size("id")).collect()) == 1000


def test_timestamps_are_in_the_sessions_zone(spark):
    @pandas_udf("int")
    def hour(x: pd.Series) -> pd.Series:
        return x.dt.hour.astype("int32")

    @pandas_udf("timestamp")
    def later(x: pd.Series) -> pd.Series:
        return x + pd.Timedelta(hours=1)

    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    frame = spark.sql("select timestamp'2024-01-02 03:04:05' t")
    assert values(frame.select(hour("t"), later("t").cast("string"))) == [(3, "2024-01-02 04:04:05")]


def test_map_in_pandas(spark):
    def kept(batches):
        for batch in batches:
            yield batch[batch.id % 3 == 0].assign(name="n" + batch.id.astype(str))

    frame = spark.range(10).mapInPandas(kept, "id long, name string")
    assert values(frame) == [(0, "n0"), (3, "n3"), (6, "n6"), (9, "n9")]
    assert frame.where("id > 3").count() == 2


def test_map_in_arrow(spark):
    def more(batches):
        for batch in batches:
            yield pa.RecordBatch.from_arrays([pa.compute.add(batch.column(0), 1)], ["x"])

    assert values(spark.range(3).mapInArrow(more, "x long")) == [(1,), (2,), (3,)]


def test_apply_in_pandas(spark):
    def centred(group):
        return group.assign(v=group.v - group.v.mean())

    frame = spark.createDataFrame([(1, 1.0), (1, 2.0), (2, 3.0), (2, 5.0), (2, 10.0)], "id long, v double")
    done = frame.groupBy("id").applyInPandas(centred, "id long, v double").orderBy("id", "v")
    assert values(done) == [(1, -0.5), (1, 0.5), (2, -3.0), (2, -1.0), (2, 4.0)]


def test_apply_in_pandas_with_key_and_many_groups(spark):
    def counted(key, group):
        return pd.DataFrame([(key[0], len(group))])

    frame = spark.range(6_000).withColumn("k", F.col("id") % 500)
    done = frame.groupBy("k").applyInPandas(counted, "k long, n long").toPandas()
    assert len(done) == 500 and (done["n"] == 12).all() and done["k"].nunique() == 500


def test_apply_in_arrow(spark):
    def counted(key, table):
        return pa.table({"k": [key[0].as_py()], "n": [table.num_rows]})

    frame = spark.range(10).withColumn("k", F.col("id") % 3)
    assert values(frame.groupBy("k").applyInArrow(counted, "k long, n long").orderBy("k")) == [
        (0, 4), (1, 3), (2, 3)]


def test_cogroup(spark):
    def both(key, left, right):
        return pd.DataFrame([(key[0], len(left), len(right))])

    a = spark.createDataFrame([(1, "x"), (1, "y"), (2, "z")], "k long, v string")
    b = spark.createDataFrame([(2, 1.0), (3, 2.0)], "k long, w double")
    done = a.groupBy("k").cogroup(b.groupBy("k")).applyInPandas(both, "k long, a long, b long").orderBy("k")
    assert values(done) == [(1, 2, 0), (2, 1, 1), (3, 0, 1)]


def test_grouped_aggregate(spark):
    @pandas_udf("double")
    def mean(v: pd.Series) -> float:
        return v.mean()

    @pandas_udf("long")
    def widest(v: pd.Series, w: pd.Series) -> int:
        return int((v * w).max())

    frame = spark.createDataFrame([(1, 1.0, 2), (1, 2.0, 3), (2, 3.0, 4)], "id long, v double, w long")
    assert values(frame.groupBy("id").agg(mean("v").alias("m"), widest("v", "w")).orderBy("id")) == [
        (1, 1.5, 6), (2, 3.0, 12)]
    assert values(frame.agg(mean("v"))) == [(2.0,)]
    assert values(frame.groupBy((F.col("id") + 1).alias("k")).agg((mean(F.col("v") + 1) * 2).alias("x"))
                  .orderBy("k")) == [(2, 5.0), (3, 8.0)]


def test_chained_frames_of_all_kinds(spark):
    @pandas_udf("long")
    def square(x: pd.Series) -> pd.Series:
        return x * x

    more = udf(lambda x: x + 1, "long", useArrow=False)
    frame = spark.range(4).select(more(square("id")).alias("a"), square(more("id")).alias("b"))
    assert values(frame) == [(1, 1), (2, 4), (5, 9), (10, 16)]


def test_what_a_function_may_see(spark):
    """No variable of the server's environment but those that it needs."""
    names = udf(lambda: sorted(os.environ), "array<string>", useArrow=False)
    seen = set(spark.range(1).select(names()).collect()[0][0])
    assert "WEIR_BINARY" not in seen and not any("TOKEN" in name or "SECRET" in name for name in seen)


def test_sessions_do_not_share_workers(python_server):
    def process(x):
        return os.getpid()

    seen = []
    for _ in range(2):
        session = connect(python_server)
        pid = udf(process, "long", useArrow=False)
        first = session.range(1).select(pid("id")).collect()[0][0]
        assert session.range(1).select(pid("id")).collect()[0][0] == first  # kept for the session
        seen.append(first)
        session.stop()
    assert seen[0] != seen[1]
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in seen):
        assert time.monotonic() < deadline, "workers outlive their session"
        time.sleep(0.05)


def test_a_worker_that_dies(spark):
    for how in (lambda x: os._exit(3), lambda x: os.kill(os.getpid(), 9)):
        with pytest.raises(PySparkException, match="Python worker exited unexpectedly") as caught:
            spark.range(3).select(udf(how, "int", useArrow=False)("id")).collect()
        assert "exit code 3" in str(caught.value) or "signal 9" in str(caught.value)
    assert values(spark.range(1).select(udf(lambda x: x, "long")("id"))) == [(0,)]


def test_a_worker_that_talks_nonsense(spark):
    """Bytes written into the worker's own connection."""
    def noise(x):
        import gc
        import io

        for thing in gc.get_objects():
            if isinstance(thing, io.BufferedWriter) and thing.name not in (1, 2):
                thing.write(b"\x7f\xff\xff\xf0" + b"nonsense" * 100_000)
                thing.flush()
        return 1

    with pytest.raises(PySparkException):
        spark.range(3).select(udf(noise, "int", useArrow=False)("id")).collect()
    assert values(spark.range(1).select(udf(lambda x: x, "long")("id"))) == [(0,)]


def test_a_worker_that_hangs_is_interrupted(spark):
    def hangs(x):
        time.sleep(600)

    outcome = []

    def run():
        try:
            spark.range(3).select(udf(hangs, "int", useArrow=False)("id")).collect()
        except PySparkException as e:
            outcome.append(e)

    running = threading.Thread(target=run)
    running.start()
    time.sleep(2)
    begun = time.monotonic()
    spark.interruptAll()
    running.join(20)
    assert not running.is_alive() and time.monotonic() - begun < 10
    assert "OPERATION_CANCELED" in str(outcome[0])
    assert values(spark.range(1).select(udf(lambda x: x, "long")("id"))) == [(0,)]


def test_limits(tmp_path):
    server = Server(tmp_path, *PYTHON, "--python-memory-mb", "400", "--python-timeout-s", "2")
    try:
        session = connect(server)

        def greedy(x):
            return len(bytearray(1 << 30))

        with pytest.raises(PythonException, match="MemoryError"):
            session.range(1).select(udf(greedy, "long", useArrow=False)("id")).collect()
        with pytest.raises(PySparkException, match="has said nothing for"):
            session.range(1).select(udf(lambda x: time.sleep(60), "long", useArrow=False)("id")).collect()
        assert values(session.range(1).select(udf(lambda x: x, "long", useArrow=False)("id"))) == [(0,)]
        session.stop()
    finally:
        server.stop()


def test_a_python_without_pyspark_is_told(tmp_path):
    server = Server(tmp_path, "--python", "/usr/bin/false")
    try:
        session = connect(server)
        with pytest.raises(PySparkException, match="--python"):
            session.range(1).select(udf(lambda x: x, "long")("id")).collect()
        session.stop()
    finally:
        server.stop()


def test_what_is_refused_has_its_name(spark):
    from pyspark.sql.functions import udtf

    @udtf(returnType="a int")
    class Counted:
        def eval(self):
            yield (1,)

    with pytest.raises(PySparkException, match="UNSUPPORTED_FEATURE"):
        Counted().collect()


def test_dates_of_plain_functions(spark):
    next_day = udf(lambda d: d + datetime.timedelta(days=1), "date", useArrow=False)
    assert values(spark.sql("select date'2024-02-28' d").select(next_day("d"))) == [
        (datetime.date(2024, 2, 29),)]


def test_files_and_modules_of_the_session(python_server, tmp_path):
    import zipfile

    module = tmp_path / "weir_helper.py"
    module.write_text("def more(x):\n    return x + 1\n")
    with zipfile.ZipFile(tmp_path / "weir_packed.zip", "w") as packed:
        packed.writestr("weir_inside/__init__.py", "def much(x):\n    return x * 100\n")
    first, second = connect(python_server), connect(python_server)

    @udf("long")
    def helped(x):
        import weir_helper
        import weir_inside

        return weir_inside.much(weir_helper.more(x))

    try:
        with pytest.raises(PythonException, match="No module named 'weir_helper'"):
            first.range(1).select(helped("id")).collect()
        first.addArtifacts(str(module), str(tmp_path / "weir_packed.zip"), pyfile=True)
        assert values(first.range(2).select(helped("id"))) == [(100,), (200,)]
        module.write_text("def more(x):\n    return x + 2\n")
        with pytest.raises(PySparkException, match="cannot be overwritten"):
            first.addArtifact(str(module), pyfile=True)
        assert values(first.range(2).select(helped("id"))) == [(100,), (200,)]
        with pytest.raises(PythonException, match="No module named 'weir_helper'"):
            second.range(1).select(helped("id")).collect()  # they are the other session's
        with pytest.raises(PySparkException, match="archive"):
            first.addArtifact(str(tmp_path / "weir_packed.zip"), archive=True)
    finally:
        first.stop()
        second.stop()
