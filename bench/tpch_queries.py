"""Runs queries in one engine for bench/tpch.py, which gives the arguments: connect ADDRESS PID JOB, spark JARS 0 JOB or
duckdb - 0 JOB. One line of JSON a query and round: {"round", "query", "cpu", "wall", "rows"}; rows in the first round only.
"""
import decimal
import json
import os
import sys
import time

kind, where, server, job = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
if kind == "connect":
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    from pyspark.sql.connect.session import SparkSession

    spark = SparkSession.builder.remote(where).create()
elif kind == "spark":
    from pyspark.sql import SparkSession

    spark = (SparkSession.builder.master("local[2]").config("spark.jars", where).config("spark.ui.enabled", "false")
             .config("spark.sql.shuffle.partitions", "2").config("spark.driver.memory", "6g")
             .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
             .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    server = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
else:
    import duckdb

    duck = duckdb.connect()
    duck.execute("SET threads = 2")
    server = os.getpid()


def cpu():
    with open(f"/proc/{server}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(sql):
    if kind == "duckdb":
        return [list(row) for row in duck.execute(sql).fetchall()]
    if kind == "spark":
        return [list(row) for row in spark.sql(sql).collect()]
    table = spark.sql(sql).toArrow()
    return [list(row) for row in zip(*(column.to_pylist() for column in table.columns))]


def cell(value):
    if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return float(value)
    return None if value is None else str(value)


for name, path in job["tables"].items():
    if kind == "duckdb":
        duck.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")
    else:
        spark.read.format(job["format"]).load(path).createOrReplaceTempView(name)
first = True
for turn in range(job["rounds"]):
    for number, sql in job["queries"]:
        before = 0.0 if kind == "spark" and first else cpu()  # the JVM's start belongs to its first query
        first, started = False, time.monotonic()
        rows = run(sql)
        line = {"round": turn, "query": number, "cpu": cpu() - before, "wall": time.monotonic() - started}
        if turn == 0:
            line["rows"] = [[cell(value) for value in row] for row in rows]
        print(json.dumps(line), flush=True)
