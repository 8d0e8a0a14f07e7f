#!/usr/bin/env python3
"""Records what real Spark reads out of odd CSV files, for src/codec/csv_golden_test.cc.

  VENV/bin/python tests/golden/csv/record.py             (a venv with pyspark; the version is written into the file)

Every group has a schema and options, every case is a file. Answers are rows of plain values as in ../json/record.py;
"error" where the read fails (mode FAILFAST, a header that does not fit).
"""
import base64
import importlib.util
import json
import os
import tempfile

from pyspark.sql import SparkSession, functions as F
from pyspark.sql import types as T

HERE = os.path.dirname(os.path.abspath(__file__))
_spec = importlib.util.spec_from_file_location("record_json", os.path.join(HERE, "..", "json", "record.py"))
record_json = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(record_json)

TYPES = ["boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal(10,2)", "decimal(38,18)", "string", "binary",
         "date", "timestamp", "timestamp_ntz"]
# One a line; what stands between commas is a field.
VALUES = """true|false|TRUE|True|t|yes|0|1|-1|-0|+1|127|128|-128|-129|32767|32768|2147483647|2147483648|9223372036854775807|
9223372036854775808|-9223372036854775808|1.0|1.5|.5|5.|1e2|1E2|1e400|-1e400|1e-400|NaN|nan|Inf|-Inf|inf|Infinity|-Infinity|1_000|
"1,000"|"1,000.5"|0x10|1d|1f|1L|12.345|99999999.99|99999999.995|100000000|123456789012345678901234567890|abc| 1|1 | 1 |é|"1"|" 1 "|
""|"a""b"|a"b|"a"b|"a,b"|'1'|null|NULL|\\N|2015-03-18|2015-3-8|2015-03-18T12:03:17Z|2015-03-18 12:03:17.123456|2015-03-18T12:03:17.5+01:00|
2015|2015-03|2015-02-30|12345|18.03.2015|2015-03-18T25:00:00Z|2020-01-01 00:00:00 Europe/Berlin|2020-07-01T00:00:00.5Europe/Berlin|
2020-03-29 02:30:00 Europe/Berlin|2020-10-25 02:30:00 Europe/Berlin|2020-01-01 00:00:00 PST|2020-01-01 00:00:00 CST|2020-01-01 00:00:00 EST|
2020-01-01 00:00:00 Europe/Nowhere|2020-01-01 00:00:00 europe/berlin|2020-01-01 00:00:00 CET|2020-01-01 00:00:00 Z|
aGVsbG8=""".replace("\n", "").split("|")

S = "a int, b string, c double"
FILES = [
    "", "\n", "\n\n", "1,x,1.5", "1,x,1.5\n", "1,x,1.5\r\n2,y,2.5\r\n", "1,x,1.5\n\n2,y,2.5\n", "1,x,1.5\n  \n2,y,2.5", "1,x\n", "1\n", "1,x,1.5,9\n",
    "1,x,1.5,\n", ",,\n", ",,,\n", "1,,\n", "1,\"\",2\n", "1,\"x\ny\",2\n", "1,\"x,y\",2\n", "1,\"x\"\"y\",2\n", "1,\"x\\\"y\",2\n", "1,\"x\\\\\",2\n", "1,x\\,y,2\n",
    "1,\"x,2\n3,y,4\n", "1,x\"y,2\n", "1,\"x\"y,2\n", "1,\"x\" ,2\n", "1, \"x\",2\n", "1,'x,y',2\n", " 1 , x , 2 \n", "\t1\t,\tx\t,\t2\t\n", "bad,x,1.5\n", "1,x,bad\n",
    "bad,x,bad\n", "1,x,1.5\nbad,y,2\n3,z,3.5\n", "#1,x,2\n", "1,x,2\n#c\n3,y,4\n", "1,null,2\n", "1,NULL,2\n", "1,NA,2\n", "1,-,2\n", "1;x;2\n", "1|x|2\n", "1\tx\t2\n",
    "\ufeff1,x,2\n", "1,é€😀,2\n", "1,x\x00y,2\n", "a,b,c\n1,x,2\n", "A,B,C\n1,x,2\n", "c,b,a\n1,x,2\n", "a,b\n1,x\n", "a,b,c,d\n1,x,2,3\n", "a,b,c\n", "a,b,c", "\na,b,c\n1,x,2\n",
    "#k\na,b,c\n1,x,2\n", "1,NaN,NaN\n", "1,x,Inf\n2,x,-Inf\n3,x,Infinity\n", "1,x,1e3\n", "01,x,007.50\n", "+1,x,+2\n", "1,x,2\r3,y,4\r", "1,x,2\n\r\n3,y,4\n", "\"1\",\"x\",\"2\"\n",
    "\"\",\"\",\"\"\n", "1,\"\"\"x\"\"\",2\n", "1,\"x\n", "\"", "\"\"", "\",\"", "1,x,2\n\"", "1,\"a\"b\"c\",2\n", "1,\"\"x,2\n", "1,\"x\"\"\",2\n", "1,\\,2\n", "1,\"\\\",2\n", "1,\"x\"\"\n\"\"y\",2\n3,z,4\n",
]
OPTIONS = [
    {}, {"header": "true"}, {"header": "true", "enforceSchema": "false"}, {"sep": ";"}, {"sep": "|"}, {"sep": "\t"}, {"sep": "::"}, {"comment": "#"}, {"nullValue": "NA"},
    {"nullValue": "-", "emptyValue": "E"}, {"nullValue": "null"}, {"mode": "DROPMALFORMED"}, {"mode": "FAILFAST"}, {"ignoreLeadingWhiteSpace": "true"},
    {"ignoreTrailingWhiteSpace": "true"}, {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}, {"quote": "'"}, {"quote": ""}, {"escape": "\""}, {"multiLine": "true"},
    {"multiLine": "true", "header": "true", "escape": "\""}, {"multiLine": "true", "mode": "DROPMALFORMED"}, {"nanValue": "x", "positiveInf": "Infinity"}, {"maxColumns": "3"},
]
FORMATS = [(ddl, options, inputs) for ddl, options, inputs in record_json.FORMATS] + [
    ("t timestamp", {"timestampFormat": "yyyy-MM-dd HH:mm VV"}, ["2020-01-01 00:00 Europe/Berlin", "2020-07-01 00:00 America/New_York", "2020-01-01 00:00 UTC", "2020-01-01 00:00 Nowhere"]),
    ("t timestamp", {"timeZone": "America/New_York"}, ["2020-01-01 00:00:00", "2020-07-01", "2020-03-08 02:30:00", "2020-11-01 01:30:00", "2020-01-01T00:00:00Z"]),
    ("t timestamp", {"timeZone": "Europe/Berlin", "timestampFormat": "dd.MM.yyyy HH:mm"}, ["01.01.2020 00:00", "01.07.2020 12:00", "29.03.2020 02:30"]),
]


class Recorder:
    def __init__(self, spark):
        self.spark = spark
        self.groups = []

    def read(self, schema, options, inputs):
        folder = tempfile.mkdtemp()
        for i, text in enumerate(inputs):
            with open(f"{folder}/{i:06d}.csv", "wb") as f:
                f.write(text)
        names = [field.name for field in schema]
        plains = [record_json.plain_column(f"r.`{field.name}`", field.dataType) for field in schema]
        rows = self.spark.read.schema(schema).options(**options).csv(folder)
        rows = rows.select("_metadata.file_name", F.struct(*[F.col(name) for name in names]).alias("r")).select("file_name", *plains)
        answers = [[] for _ in inputs]
        for row in rows.collect():
            answers[int(row[0][:6])].append(record_json.plain(list(row)[1:]))
        return answers

    def group(self, ddl, options, inputs):
        schema = T.StructType.fromDDL(ddl + ", _corrupt_record string")
        given = dict({"columnNameOfCorruptRecord": "_corrupt_record"}, **options)
        inputs = [text.encode() if isinstance(text, str) else text for text in inputs]
        try:
            answers = self.read(schema, given, inputs)
        except Exception:  # one of them fails: which?
            answers = []
            for text in inputs:
                try:
                    answers.append(self.read(schema, given, [text])[0])
                except Exception:
                    answers.append("error")
        cases = []
        for text, answer in zip(inputs, answers):
            try:
                cases.append({"in": text.decode(), "out": answer})
            except UnicodeDecodeError:
                cases.append({"in64": base64.b64encode(text).decode(), "out": answer})
        self.groups.append({"schema": ddl, "options": options, "cases": cases})
        print(ddl, options, len(cases), flush=True)


def main():
    spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.shuffle.partitions", "1").config("spark.sql.files.openCostInBytes", "4096")
             .config("spark.sql.codegen.wholeStage", "false").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    recorder = Recorder(spark)
    for type_ in TYPES:
        recorder.group(f"id int, a {type_}, z string", {}, [f"1,{value},end\n" for value in VALUES])
    for options in OPTIONS:
        recorder.group(S, options, FILES + [b"1,x\xff,2\n", b"1,\xc3,2\n"])
    for ddl, options, inputs in FORMATS:
        recorder.group(ddl, options, [value + "\n" for value in inputs])
    with open(os.path.join(HERE, "answers.json"), "w") as f:
        json.dump({"spark": spark.version, "record": "tests/golden/csv/record.py", "groups": recorder.groups}, f, ensure_ascii=True,
                  separators=(",", ":"))
        f.write("\n")
    print(sum(len(group["cases"]) for group in recorder.groups), "cases")


if __name__ == "__main__":
    main()
