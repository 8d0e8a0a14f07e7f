"""A day's work with the client that PYTHONPATH gives: address, its minor version."""
import logging
import sys
import tempfile
import threading
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import pandas  # noqa: E402
import pyspark  # noqa: E402
from pyspark.errors import AnalysisException, ArithmeticException, PySparkException  # noqa: E402
from pyspark.sql import Row, Window  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402
from pyspark.sql.connect.session import SparkSession  # noqa: E402


def fails(kind, condition, action):
    try:
        action()
    except kind as error:
        found = error.getErrorClass() if not hasattr(error, "getCondition") else error.getCondition()
        assert found == condition, found
        return
    raise AssertionError(f"{condition} did not come")


def main(address, minor):
    assert pyspark.__version__.startswith(minor + "."), pyspark.__version__
    spark = SparkSession.builder.remote(address).create()
    df = spark.createDataFrame([(1, "a", 1.5), (2, "b", None), (3, "a", 2.5)], "id int, k string, v double")
    assert df.where(df.id > 1).select("k", (F.col("id") * 2).alias("d")).orderBy("d").collect() == [Row(k="b", d=4), Row(k="a", d=6)]
    assert sorted(map(tuple, df.groupBy("k").agg(F.sum("v"), F.count("*")).collect())) == [("a", 4.0, 2), ("b", None, 1)]
    assert df.join(df.select("k").distinct(), "k").count() == 3
    assert df.select(F.row_number().over(Window.orderBy(F.desc("id"))).alias("n"), "id").orderBy("id").first() == Row(n=3, id=1)
    assert [r.x for r in spark.sql("SELECT :a + id AS x FROM range(2)", args={"a": 5}).collect()] == [5, 6]
    large = pandas.DataFrame({"x": range(200_000), "t": ["some text that is not short"] * 200_000})
    assert spark.createDataFrame(large).agg(F.sum("x"), F.count("t")).collect()[0] == (sum(range(200_000)), 200_000)
    assert len(spark.range(100_000).toPandas()) == 100_000
    df.createOrReplaceTempView("old_view")
    assert spark.table("old_view").count() == 3 and spark.catalog.tableExists("old_view")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
    with tempfile.TemporaryDirectory() as folder:
        df.write.format("delta").save(folder + "/d")
        assert spark.read.format("delta").load(folder + "/d").count() == 3
        df.write.json(folder + "/j")
        assert spark.read.json(folder + "/j").columns == ["id", "k", "v"]
    assert "+---+" in df._show_string() and df.schema["v"].dataType.simpleString() == "double"
    fails(AnalysisException, "TABLE_OR_VIEW_NOT_FOUND", lambda: spark.table("nowhere").collect())
    fails(ArithmeticException, "DIVIDE_BY_ZERO", lambda: spark.sql("SELECT 1 / 0").collect())
    interrupted, failures = [], []

    def slow():
        spark.addTag("slow")
        try:
            spark.sql("SELECT count(*) FROM range(20000000) a JOIN range(1000) b ON a.id % 7 = b.id % 5").collect()
        except PySparkException as error:
            failures.append(str(error))

    thread = threading.Thread(target=slow)
    thread.start()
    for _ in range(200):
        interrupted = spark.interruptTag("slow")
        if interrupted:
            break
        time.sleep(0.02)
    thread.join(30)
    assert len(interrupted) == 1 and "OPERATION_CANCELED" in failures[0], failures
    spark.stop()
    print("served")


main(*sys.argv[1:])
