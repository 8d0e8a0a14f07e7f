#!/usr/bin/env python3
"""Records what real Spark answers to odd JSON, for src/codec/json_golden_test.cc.

  VENV/bin/python tests/golden/json/record.py            (a venv with pyspark; the version is written into the file)

Every group has a schema, options and a source: "from_json" (a column of strings) or "file" (spark.read.json, one file
a record). Answers are rows of plain values: dates as days, timestamps as microseconds, binary as hex, floating-point
numbers as '%.17g' texts, maps as lists of pairs, structs as lists. An answer of null: from_json gave a NULL struct.
"""
import base64, decimal, glob, json, math, os, sys, tarfile, tempfile

from pyspark.sql import SparkSession, functions as F
from pyspark.sql import types as T

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))

TYPES = ["boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal(10,2)", "decimal(38,18)", "string", "binary",
         "date", "timestamp", "timestamp_ntz", "array<int>", "map<string,int>", "struct<x:int,y:string>", "array<struct<x:int,y:string>>",
         "map<string,struct<x:int>>", "array<string>", "void"]

VALUES = r'''
null true false TRUE nul nulll truex 0 1 -1 -0 127 128 -128 -129 200 255 256 32767 32768 65536 2147483647 2147483648 -2147483649
9223372036854775807 9223372036854775808 -9223372036854775808 123456789012345678901234567890 1.0 1.5 -1.5 1.005 1e2 1E400 -1e400 1e-400
0.1 1e 1. .5 +1 01 -01 00 1.2.3 0x10 1_000 --1 - NaN Infinity -Infinity +Infinity INF -INF +INF nan "NaN" "Infinity" "-Infinity" "INF" "+INF" "-INF" "nan"
"" " " "1" "1.5" "-1" " 1 " "1,000.5" "1e3" "abc" "true" "TRUE" 'abc' 'a"b' "a'b" '' abc "a\nb" "\u00e9" "\ud83d\ude00" "\ud800" "\q" "\u12" "\'" "\/"
"aGVsbG8=" "aGVsbG8" "aGVs bG8=" "====" "2015-03-18" "2015-3-8" "2015" "2015-02-30" "18.03.2015" "12345" "123" "-5"
"2015-03-18T12:03:17Z" "2015-03-18T12:03:17.123456Z" "2015-03-18T12:03:17.123456789Z" "2015-03-18 12:03:17" "2015-03-18 12:03" "2015-03-18T12:03:17+01:00"
"2015-03-18T12:03:17+1:00" "2015-03-18T12:03:17GMT+01:00" "2015-03-18T12:03:17 UTC" "2015-03-18T25:00:00" "2015-03-18T12:03:60Z" " 2015-03-18 " "10000-01-01" "-0001-01-01" "0000-01-01"
1426680197 -1 99999999999999999 12.5 [] [1] [1,2] [1,"x",3] [null] [1,] [,1] [1 2] [[1]] [{}] [{"x":1}] [{"x":1,"y":"p"},{"x":"bad"},{"y":2}] [{"x":1},"bad",{"y":"q"}] [1
{} {"x":1} {"x":1,"y":"p"} {"x":"bad","y":"p"} {"y":{"deep":[1,2.50,true,null,"s"]}} {"x":null} {"x":1,"x":2} {"x":1,"x":"bad"} {"k":1.5} {"k":{"x":1}} {"k":{"x":"bad"}} {x:1} {'x':1} {"x" 1} {"x":} {"x":1,} {"x":1]
{"x":{"y":1}} {"a":1,"b":null} "12" [1.5,2] ["p",null,"q"] [1,"p",true,null,{"a": 1.10}] [[[]]] {"a":{"b":{"c":[{}]}}} [tru] [1,2}
1.10 1.0E10 1e16 123456.789e3 0.00001 100000000000000000000000 3.4028235e39 1e38 99999999.99 99999999.995 999999999.99 0.000000000000000001 12345678901234567890.123456789012345678
'''

# Whole records, with the schema below.
RECORD_SCHEMA = "a int, b string, c array<int>, s struct<x:int,y:double>"
RECORDS = [
    r'{}', r'', r' ', r'null', r'1', r'"x"', r'[]', r'[{}]', r'[{"a":1},{"a":2}]', r'[{"a":1},{"a":"x"}]', r'[1]', r'[null]', r'[{"a":1},null]', r'[{"a":1},3]', r'[[{"a":1}]]',
    r'{"a":1}', r'{"a":1} ', r' {"a":1}', r'{"a":1} x', r'{"a":1}{"a":2}', r'{"a":1},', r'{"a":1}]', r'{"a":1', r'{"a":1,', r'{"a":1,}', r'{"a"', r'{"a":', r'{', r'}', r']', r'{"a":1]', r'{,"a":1}', r'{"a":1,,"b":"x"}',
    r'{"a" :1 , "b":"x" }', r'{"b":"x","a":1}', r'{"a":1,"a":2}', r'{"a":1,"a":"x"}', r'{"a":"x","a":2}', r'{"a":1,"a":null}', r'{"A":1}', r'{"a ":1}', r'{"\u0061":1}', r'{"a":1,"B":"x"}',
    r"{'a':1}", r"{'a':1,'b':'x'}", r"{a:1}", r'{"a":1,b:2}', r'{"b":"x', r'{"b":"x\"}', r'{"b":"x\\"}', '{"b":"x\ty"}', '{"b":"x\x01y"}', '{"b":"x\x7fy"}', '{"a":1,\x00"b":"x"}', '{"a":1}\x00', '\x00{"a":1}',
    r'{"b":1}', r'{"b":1.10}', r'{"b":1e5}', r'{"b":-0}', r'{"b":-0.0}', r'{"b":true}', r'{"b":null}', r'{"b":[1, 2.50, "x\ny"]}', r'{"b":{"k": [ ] , "l" : {} }}', r'{"b":NaN}', r'{"b":[1,2}', r'{"b":{"k":1,}}', r'{"b":[1,2],"a":3}', r'{"b":{"k":"\u00e9é"}}', r'{"b":123456789012345678901234567890}', r'{"b":1e400}',
    r'{"c":[1,2,3]}', r'{"c":[1,"x",3],"a":5}', r'{"c":["x",1,2],"a":5}', r'{"a":5,"c":[1,[2],3]}', r'{"c":[1,{"a":7},3],"b":"t"}', r'{"c":[{"a":7}],"b":"t"}', r'{"c":["x",{"a":7}],"b":"t"}', r'{"c":1,"a":2}', r'{"c":{"a":9},"a":2}', r'{"c":[1,2','{"c":[1,2,],"a":1}', r'{"c":"[1]"}', r'{"c":[]}', r'{"c":null}', r'{"c":[null]}',
    r'{"s":{"x":1,"y":2}}', r'{"s":{"x":"bad","y":2},"a":1}', r'{"s":{"y":2,"x":"bad"},"a":1}', r'{"s":{"x":[1,2],"y":3},"a":4}', r'{"s":{"x":{"y":9},"y":3},"a":4}', r'{"s":5,"a":1}', r'{"s":[{"x":1}],"a":1}', r'{"s":"{}","a":1}', r'{"s":{"x":1','{"s":{"x":1},"a":1,"s":{"y":2}}', r'{"s":{},"a":1}', r'{"s":{"x":tru},"a":1}', r'{"s":{"y":"\q"},"a":1}', r'{"s":{"z":"\q"},"a":1}',
    r'{"z":[1,2,{"k":[true,null]}],"a":1}', r'{"z":tru,"a":1}', r'{"z":[tru],"a":1}', r'{"z":01,"a":1}', r'{"z":"\q","a":1}', r'{"z":{"k" 1},"a":1}', r'{"z":[1}],"a":1}', r'{"z":1.,"a":1}', r'{"a":1,"z":tru}', r'{"a":1,"z":[}', '{"a":1,"z":"\x02"}', r'{"a":1,"z":NaN}', r"{'z':'q','a':1}",
    r'/*c*/{"a":1}', r'{"a":/*c*/1}', "{\"a\":1//c\n}", r'#c', r'{"a":1}#c', r'{"a":1;"b":"x"}', r'{"a"=1}', r'{"a":1 "b":"x"}', r'{1:2}', r'{null:1}', r'{"":1,"a":1}', r'{"a":1,"b":"' + 'x' * 3000 + r'"}', r'{"a":' + '1' * 1100 + r'}', r'{"b":' + '1' * 1100 + r'}',
    r'{"z":' + '[' * 70 + ']' * 70 + r',"a":1}', r'{"z":' + '[' * 1100 + ']' * 1100 + r',"a":1}', r'{"b":"\ud83d\ude00","a":1}', r'{"b":"\ud83d","a":1}', r'{"b":"\ude00x","a":1}', r'{"b":"\ud83dx","a":1}', '{"b":"é€😀","a":1}', '\ufeff{"a":1}', '{"a":\u00a01}', '{"é":1,"a":2}', r'{"a":1,"b":"\u0000"}', r'{"b":"\/\b\f\r\t\"","a":1}', r'{"b":"a\xb"}',
]
BYTES = [b'{"b":"\xff","a":1}', b'{"b":"x\xc3","a":1}', b'{"b":"\xe2\x82","a":1}', b'{"b":"\xed\xa0\x80","a":1}', b'{"b":"\xc0\xaf","a":1}', b'{"b":"\xf0\x9f\x98","a":1}', b'{"b":"\xf5\x80\x80\x80","a":1}', b'{"z":"\xff","a":1}',
         b'{"\xff":1,"a":1}', b'{"a":1}\xff', b'{"a":1,\xff}', b'\xef\xbb\xbf{"a":1}']

OPTIONS = [
    ({"allowComments": "true"}, [r'/*c*/{"a":1}', r'{"a":/*c*/1}', r'{"a":1/*', r'{"a":1/x', r'{"a":1 /*x*/, "b":"/*y*/"}']),
    ({"allowUnquotedFieldNames": "true"}, [r'{a:1}', r'{a:1,b:"x"}', r'{a b:1}', r'{1a:1,a:2}', r'{$:1,a:2}', r'{a-b:1}', r'{é:1,a:2}']),
    ({"allowSingleQuotes": "false"}, [r"{'a':1}", r'''{"b":'x'}''', r'{"a":1}', r'''{"b":"\'"}''']),
    ({"allowNumericLeadingZeros": "true"}, [r'{"a":01}', r'{"a":-007}', r'{"a":00}', r'{"b":01}', r'{"s":{"y":01.5}}', r'{"z":01,"a":1}']),
    ({"allowNonNumericNumbers": "false"}, [r'{"s":{"y":NaN}}', r'{"s":{"y":"NaN"},"a":1}', r'{"s":{"y":-Infinity}}', r'{"z":NaN,"a":1}']),
    ({"allowBackslashEscapingAnyCharacter": "true"}, [r'{"b":"\q"}', r'{"z":"\q","a":1}', r'{"b":"\u00e9\x"}']),
    ({"allowUnquotedControlChars": "true"}, ['{"b":"x\ty"}', '{"b":"x\x01y"}', '{"z":"\x02","a":1}']),
]
FORMATS = [
    ("t timestamp", {"timestampFormat": "yyyy/MM/dd HH:mm:ss"}, ["2015/03/18 12:03:17", "2015/3/18 12:03:17", "2015-03-18T12:03:17Z", "2015/02/30 00:00:00", "2015/03/18 12:03:17 ", "2015/03/18 24:00:00"]),
    ("t timestamp", {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss[.SSSSSS][XXX]"}, ["2015-03-18T12:03:17", "2015-03-18T12:03:17.5", "2015-03-18T12:03:17.123456+02:00", "2015-03-18T12:03:17Z", "2015-03-18T12:03:17.1234567Z"]),
    ("t timestamp", {"timestampFormat": "dd/MMM/yyyy:HH:mm:ss Z"}, ["18/Mar/2015:12:03:17 +0100", "18/mar/2015:12:03:17 +0000", "18/March/2015:12:03:17 +0000", "18/Mar/2015:12:03:17 Z"]),
    ("t timestamp", {"timestampFormat": "M/d/yy h:mm a"}, ["3/18/15 1:05 PM", "03/18/15 01:05 AM", "3/18/2015 1:05 PM", "3/18/15 13:05 PM", "3/18/15 1:05 pm"]),
    ("t timestamp", {"timestampFormat": "yyyyMMddHHmmss"}, ["20150318120317", "2015031812031", "120150318120317"]),
    ("t timestamp", {"timeZone": "+02:00"}, ["2015-03-18T12:03:17", "2015-03-18T12:03:17Z", "2015-03-18"]),
    ("t date", {"dateFormat": "dd.MM.yyyy"}, ["18.03.2015", "18.3.2015", "2015-03-18", "31.02.2015", "18.03.2015 x"]),
    ("t date", {"dateFormat": "yyyy-DDD"}, ["2015-077", "2015-366", "2016-366", "2015-77"]),
    ("t timestamp_ntz", {"timestampNTZFormat": "yyyy-MM-dd HH:mm:ss"}, ["2015-03-18 12:03:17", "2015-03-18T12:03:17"]),
]


def plain_column(name, type_):
    column = F.col(name)
    if isinstance(type_, T.DateType):
        return F.unix_date(column)
    if isinstance(type_, T.TimestampType):
        return F.unix_micros(column)
    if isinstance(type_, T.TimestampNTZType):
        return F.unix_micros(column.cast("timestamp"))
    if isinstance(type_, T.MapType):
        return F.map_entries(column)
    return column


def plain(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return "%.17g" % value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return [plain(v) for v in value]


class Recorder:
    def __init__(self, spark):
        self.spark = spark
        self.groups = []

    def add(self, source, ddl, options, inputs):
        schema = T.StructType.fromDDL(ddl + ", _corrupt_record string") if hasattr(T.StructType, "fromDDL") else None
        plains = [plain_column(f"r.`{f.name}`", f.dataType).alias(f"c{i}") for i, f in enumerate(schema)]
        options = dict({"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_corrupt_record"}, **options)
        answers = {i: [] for i in range(len(inputs))}
        if source == "from_json":
            rows = [(i, bytearray(b)) for i, b in enumerate(inputs)]
            df = self.spark.createDataFrame(rows, "i int, b binary").select("i", F.expr("cast(b as string)").alias("v"))
            df = df.select("i", F.from_json("v", schema, options).alias("r"))
            for row in df.select("i", F.isnull("r").alias("n"), *plains).collect():
                answers[row[0]] = None if row[1] else [plain(list(row)[2:])]
        else:
            folder = tempfile.mkdtemp()
            for i, b in enumerate(inputs):
                with open(f"{folder}/{i:06d}.json", "wb") as f:
                    f.write(b)
            names = [f.name for f in schema]
            df = self.spark.read.schema(schema).options(**options).json(folder)
            df = df.select("_metadata.file_name", F.struct(*[F.col(n) for n in names]).alias("r"))
            for row in df.select("file_name", *plains).collect():
                answers[int(row[0][:6])].append(plain(list(row)[1:]))
        extra = {k: v for k, v in options.items() if k not in ("mode", "columnNameOfCorruptRecord")}
        return {"source": source, "schema": ddl, "options": extra}, [answers[i] for i in range(len(inputs))]

    def group(self, source, ddl, options, inputs):
        # A file has lines: inputs with line ends are for from_json only.
        if source == "file":
            inputs = [b for b in inputs if b"\n" not in b and b"\r" not in b]
        head, answers = self.add(source, ddl, options, inputs)
        cases = []
        for b, answer in zip(inputs, answers):
            try:
                cases.append({"in": b.decode("utf-8"), "out": answer})
            except UnicodeDecodeError:
                cases.append({"in64": base64.b64encode(b).decode(), "out": answer})
        self.groups.append(dict(head, cases=cases))
        print(source, ddl, options, len(cases), flush=True)


def main():
    spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.shuffle.partitions", "1").config("spark.sql.files.openCostInBytes", "4096").config("spark.sql.codegen.wholeStage", "false").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    recorder = Recorder(spark)
    values = []
    for line in VALUES.strip().split("\n"):
        # Values are separated by blanks; those in quotes may hold blanks.
        current, quote, depth = "", "", 0
        for c in line + " ":
            if c == " " and not quote and depth <= 0:
                if current:
                    values.append(current)
                current, depth = "", 0
                continue
            current += c
            if quote:
                quote = "" if c == quote and not current.endswith("\\" + c) else quote
            elif c in "\"'":
                quote = c
            elif c in "[{":
                depth += 1
            elif c in "]}":
                depth -= 1
        if current.strip():
            values.append(current.strip())
    records = [r.encode("utf-8", "surrogatepass") for r in RECORDS] + BYTES
    for source in ("from_json", "file"):
        for type_ in TYPES:
            recorder.group(source, f"id int, a {type_}, z string", {}, [('{"id":1,"a":%s,"z":"end"}' % v).encode() for v in values])
        recorder.group(source, RECORD_SCHEMA, {}, records)
        for options, inputs in OPTIONS:
            recorder.group(source, RECORD_SCHEMA, options, [r.encode() for r in inputs])
        for ddl, options, inputs in FORMATS:
            recorder.group(source, ddl, options, [('{"t":"%s"}' % v).encode() for v in inputs])
    result = {"spark": spark.version, "record": "tests/golden/json/record.py", "groups": recorder.groups}
    suite = os.path.join(ROOT, "..", "shared", "data", "malformed.tar.xz")
    if os.path.exists(suite):
        # Only answers are kept; the inputs stay where they are.
        inputs = []
        with tarfile.open(suite) as tar:
            for member in sorted(tar.getmembers(), key=lambda m: m.name):
                if member.isfile() and "JSONTestSuite" in member.name and member.name.endswith(".json") and member.size < 20000:
                    inputs.append((member.name, tar.extractfile(member).read()))
        suites = []
        for source in ("from_json", "file"):
            chosen = [(n, b) for n, b in inputs if source == "from_json" or (b"\n" not in b and b"\r" not in b)]
            head, answers = recorder.add(source, "a string, b double, c array<bigint>", {}, [b for _, b in chosen])
            suites.append(dict(head, cases=[{"file": n, "out": a} for (n, _), a in zip(chosen, answers)]))
            print("suite", source, len(chosen), flush=True)
        result["suites"] = suites
    with open(os.path.join(HERE, "answers.json"), "w") as f:
        json.dump(result, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")
    print(sum(len(g["cases"]) for g in recorder.groups), "cases")


if __name__ == "__main__":
    main()
