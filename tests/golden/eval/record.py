"""Records what Spark answers for expressions.txt over the sample rows, into golden.json.

To record again (needs Java 17 and PySpark 4.2.0, local mode, nothing from the network):

    ~/.cache/weir/deps/venv-spark/bin/python tests/golden/eval/record.py [--all]

Without --all the answers that golden.json has already are kept, and only new expressions are asked.
The rows are SQL literals, so that both engines build them from the same text. A result is the value cast to string
(binary: in hexadecimal), with the expression's type; where the whole column fails under ANSI, each row is asked by itself.
"""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = "America/Los_Angeles"
COLUMNS = ["id INT", "b BOOLEAN", "i8 TINYINT", "i16 SMALLINT", "i INT", "l BIGINT", "f FLOAT", "d DOUBLE",
           "dec DECIMAL(10,2)", "dec2 DECIMAL(38,18)", "s STRING", "s2 STRING", "bin BINARY", "dt DATE",
           "ts TIMESTAMP", "ntz TIMESTAMP_NTZ", "st STRUCT<a: INT, b: STRING>", "arr ARRAY<INT>"]
ROWS = [
    ["1", "true", "1Y", "1S", "1", "1L", "1.5F", "1.5D", "12.34", "1.000000000000000001", "'abc'", "'12'", "X'6162'",
     "DATE '2024-02-29'", "TIMESTAMP '2024-02-29 12:34:56.789'", "TIMESTAMP_NTZ '2024-02-29 12:34:56.789'",
     "named_struct('a', 1, 'b', 'x')", "array(1, 2, 3)"],
    ["2", "false", "-128Y", "-32768S", "-2147483648", "-9223372036854775808L", "CAST('-Infinity' AS FLOAT)",
     "CAST('-Infinity' AS DOUBLE)", "-99999999.99", "-99999999999999999999.999999999999999999", "''", "'-7'", "X''",
     "DATE '1969-12-31'", "TIMESTAMP '1969-12-31 23:59:59.999999'", "TIMESTAMP_NTZ '1969-12-31 23:59:59.999999'",
     "named_struct('a', NULL, 'b', NULL)", "array()"],
    ["3", "true", "127Y", "32767S", "2147483647", "9223372036854775807L", "CAST('NaN' AS FLOAT)", "CAST('NaN' AS DOUBLE)",
     "99999999.99", "99999999999999999999.999999999999999999", "'Ünïcödé 日本語 🚀'", "'2024-02-29'", "X'00FF80'",
     "DATE '9999-12-31'", "TIMESTAMP '9999-12-31 23:59:59.999999'", "TIMESTAMP_NTZ '9999-12-31 23:59:59.999999'",
     "named_struct('a', 2147483647, 'b', '')", "array(NULL, 2147483647)"],
    ["4", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL",
     "NULL", "NULL", "NULL"],
    ["5", "false", "0Y", "0S", "0", "0L", "-0.0F", "-0.0D", "0.00", "0.000000000000000000", "'  pad '", "'1.5'", "X'20'",
     "DATE '1970-01-01'", "TIMESTAMP '1970-01-01 00:00:00'", "TIMESTAMP_NTZ '1970-01-01 00:00:00'",
     "named_struct('a', 0, 'b', '0')", "array(0)"],
    ["6", "true", "-5Y", "300S", "-5", "4294967296L", "3.4028234E38F", "1.7976931348623157E308D", "-2.50",
     "0.000000000000000001", "'a%b'", "'2024-03-10 02:30:00'", "X'61256200'", "DATE '2024-03-10'",
     "TIMESTAMP '2024-11-03 01:30:00'", "TIMESTAMP_NTZ '2024-03-10 02:30:00'", "named_struct('a', -5, 'b', 'a%b')",
     "array(-5, 5)"],
    ["7", "false", "42Y", "-7S", "1234567", "-1234567890123L", "1.0E-5F", "4.9E-324D", "2.50", "2.500000000000000000",
     "'true'", "'1e3'", "X'74727565'", "DATE '0001-01-01'", "TIMESTAMP '1900-01-01 00:00:00'",
     "TIMESTAMP_NTZ '1900-01-01 00:00:00'", "named_struct('a', 7, 'b', 'true')", "array(7, 7, NULL)"],
    ["8", "true", "100Y", "100S", "100", "100L", "123456.789F", "-123456.789D", "0.05", "123.456000000000000000", "'ABC'",
     "'abc'", "X'414243'", "DATE '2023-12-31'", "TIMESTAMP '2024-07-01 00:00:00.000001'",
     "TIMESTAMP_NTZ '2024-07-01 00:00:00.000001'", "named_struct('a', 100, 'b', 'Z')", "array(1)"],
]


def error_class(error):
    found = re.search(r"\[([A-Z_]+(?:\.[A-Z_0-9]+)*)\]", str(error))
    return found.group(1) if found else "UNKNOWN: " + str(error)[:200]


def main():
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.sql.session.timeZone", ZONE).config("spark.sql.shuffle.partitions", "1")
             .getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    names = [c.split(" ")[0] for c in COLUMNS]
    types = [c.split(" ", 1)[1] for c in COLUMNS]
    selects = ["SELECT " + ", ".join(f"CAST({v} AS {t}) AS {n}" for v, t, n in zip(row, types, names)) for row in ROWS]
    spark.sql(" UNION ALL ".join(selects)).createOrReplaceTempView("built")
    spark.table("built").coalesce(1).cache().createOrReplaceTempView("samples")

    def ask(expression, ansi):
        spark.conf.set("spark.sql.ansi.enabled", str(ansi).lower())
        try:
            frame = spark.sql(f"SELECT id, {expression} AS r FROM samples")
            kind = frame.schema["r"].dataType.simpleString()
        except Exception as error:  # analysis, or folding of constants
            return {"analysis_error": error_class(error)}
        value = "hex(r)" if kind == "binary" else "CAST(r AS STRING)"
        query = f"SELECT id, {value} AS t FROM (SELECT id, {expression} AS r FROM samples)"
        try:
            return {"type": kind, "values": [row.t for row in spark.sql(query + " ORDER BY id").collect()]}
        except Exception:
            values = []
            for row in ROWS:
                one = query.replace("FROM samples", f"FROM samples WHERE id = {row[0]}")
                try:
                    values.append(spark.sql(one).collect()[0].t)
                except Exception as error:
                    values.append({"error": error_class(error)})
            return {"type": kind, "values": values}

    cases, known = [], {}
    if "--all" not in sys.argv:
        with open(os.path.join(HERE, "golden.json"), encoding="utf-8") as before:
            recorded = json.load(before)
        if recorded["columns"] == COLUMNS and recorded["rows"] == ROWS:
            known = {case["expression"]: case for case in recorded["cases"]}
    with open(os.path.join(HERE, "expressions.txt"), encoding="utf-8") as lines:
        for line in lines:
            expression = line.rstrip("\n")
            if not expression or expression.startswith("# "):
                continue
            if expression in known:
                cases.append(known[expression])
                continue
            cases.append({"expression": expression, "ansi": ask(expression, True), "legacy": ask(expression, False)})
            print(len(cases), expression, file=sys.stderr)
    result = {"recorded_by": f"Spark {spark.version}", "how": "tests/golden/eval/record.py", "time_zone": ZONE,
              "columns": COLUMNS, "rows": ROWS, "cases": cases}
    with open(os.path.join(HERE, "golden.json"), "w", encoding="utf-8") as out:
        json.dump(result, out, ensure_ascii=False, indent=1)
        out.write("\n")


main()
