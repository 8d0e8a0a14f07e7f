"""Records what Spark answers for many expressions over a table of seeded random values, into random_golden.txt.

To record again (needs Java 17 and PySpark 4.2.0, local mode, nothing from the network):

    ~/.cache/weir/deps/venv-spark/bin/python tests/golden/eval/record_random.py

The first rows are the edges of each type (extremes, NaN, both zeros, NULL, empty and astral texts, the hours in which
clocks change), the others random with a fixed seed. The file is a JSON object a line:
the header {"recorded_by", "time_zone", "columns": [[name, type], …], "rows": number}; then a line a column, its values as
SQL literals; then a line an expression: {"expression", "type", "values": [text or null, …]}, with "ansi": false where they
are those without ANSI. Where the whole column fails under ANSI, "error" is the class of the error of the first such row.
"""
import json
import os
import random
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = "America/Los_Angeles"
ROWS = 160
SEED = 20260101


def edges_then(edges, make):
    def column(r):
        values = list(edges) + ["NULL"]
        r.shuffle(values)
        while len(values) < ROWS:
            values.append("NULL" if r.random() < 0.06 else make(r))
        return values[:ROWS]
    return column


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t") + "'"


def integers(bits):
    low, high = -2 ** (bits - 1), 2 ** (bits - 1) - 1
    edges = [f"'{n}'" for n in (low, low + 1, high, high - 1, 0, 1, -1)]
    return edges_then(edges, lambda r: f"'{r.choice([r.randint(low, high), r.randint(-100, 100), r.randint(-9, 9)])}'")


def real(r):
    kind = r.randrange(5)
    if kind == 0:
        return repr(r.uniform(-10, 10))
    if kind == 1:
        return repr(round(r.uniform(-1e6, 1e6), r.randrange(4)))
    if kind == 2:
        return repr(float(r.randint(-20, 20)) / 2)
    if kind == 3:
        return repr(r.uniform(-1, 1) * 10.0 ** r.randint(-30, 30))
    return repr(float(r.randint(-2 ** 53, 2 ** 53)))


def reals(largest, least):
    edges = ["'NaN'", "'Infinity'", "'-Infinity'", "'0.0'", "'-0.0'", f"'{largest}'", f"'-{largest}'", f"'{least}'", "'0.5'",
             "'-0.5'", "'1.5'", "'2.5'", "'1'", "'-1'"]
    return edges_then(edges, lambda r: f"'{real(r)}'")


def decimals(precision, scale):
    top = "9" * (precision - scale) + ("." + "9" * scale if scale else "")
    edges = [f"'{top}'", f"'-{top}'", "'0'", "'1'", "'-1'", "'0.5'", "'-0.5'", "'2.5'", "'0." + "0" * (scale - 1) + "1'"]

    def make(r):
        digits = r.randint(1, precision)
        number = r.randint(0, 10 ** digits - 1)
        text = str(number).rjust(scale + 1, "0")
        text = text[:-scale] + "." + text[-scale:]
        return f"'{'-' if r.random() < 0.5 else ''}{text}'"
    return edges_then(edges, make)


ALPHABET = list("abcdefgABCXYZ0123456789  .,;:-_/%'\"\\") + ["ß", "é", "İ", "ı", "ﬁ", "日", "本", "🚀", "𝒳", "e\u0301", "Ω"]


def texts(r):
    return quoted("".join(r.choice(ALPHABET) for _ in range(r.randrange(14))))


TEXT_EDGES = [quoted(t) for t in ("", " ", "  x  ", "a", "A", "ß", "🚀", "𝒳y", "%", "\\", "'", "İstanbul", "a,b,,c", "\tq\n",
                                  "hello world", "HELLO", "ÀÉÎ", "1", "-12.5e3", "true", "日本語")]
NUMBER_TEXTS = ["1", "-1", "+7", " 42 ", "1.5", ".5", "5.", "1e3", "-1E-2", "NaN", "Infinity", "-inf", "0x10", "", " ", "1,000",
                "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "1.7976931348623157E308", "1e400",
                "99999999999999999999999999999999999999", "0.1", "true", "1d", "2f", "10L", "--1", "1 2", "٣"]


def number_text(r):
    return quoted(r.choice([str(r.randint(-10 ** 10, 10 ** 10)), real(r), str(r.randint(-300, 300)), r.choice(NUMBER_TEXTS)]))


def day(r):
    return f"{r.choice([r.randint(1900, 2100), r.randint(1, 9999), r.randint(1969, 2030)]):04d}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}"


DAYS = ["0001-01-01", "9999-12-31", "1970-01-01", "1969-12-31", "2024-02-29", "1900-02-28", "2000-02-29", "1582-10-04",
        "1582-10-15", "2024-12-30", "2021-01-03", "2020-12-31", "2024-03-10", "2024-11-03"]
TIMES = ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1970-01-01 00:00:00", "1969-12-31 23:59:59.999999",
         "2024-03-10 01:59:59.999999", "2024-03-10 03:00:00", "2024-03-10 02:30:00", "2024-11-03 00:59:59", "2024-11-03 01:30:00",
         "2024-11-03 02:00:00", "1883-11-18 12:00:00", "1900-01-01 00:00:00", "2024-02-29 12:34:56.789", "2038-01-19 03:14:08",
         "1945-08-14 16:00:00", "2007-03-11 02:15:00"]
TIME_TEXTS = ["2024-02-29", "2024-2-9", "2024", "2024-13-01", "2023-02-29", "2024-02-29T12:34:56Z", "2024-02-29 12:34:56+01:00",
              "2024-02-29 12:34:56.123456789", "12:34", "T12:34:56", "2024-02-29 25:00:00", " 2024-02-29 ", "", "now", "epoch",
              "2024-02-29 12:34:56 Europe/Oslo", "2024-02-29 12:34:56 PST", "-0001-01-01", "99999-01-01", "2024-03-10 02:30:00",
              "20240229", "2024/02/29", "2024-02-29 1:2:3", "2024-02-29 12:34:60"]


def time(r):
    return f"{day(r)} {r.randrange(24):02d}:{r.randrange(60):02d}:{r.randrange(60):02d}" + r.choice(
        ["", f".{r.randrange(1000):03d}", f".{r.randrange(10 ** 6):06d}"])


def time_text(r):
    return quoted(r.choice([day(r), time(r), time(r).replace(" ", "T") + r.choice(["", "Z", "+05:30"]), r.choice(TIME_TEXTS)]))


def listed(items):
    return "array(" + ", ".join(items) + ")"


def int_list(r):
    return listed([r.choice(["NULL", str(r.randint(-3, 3)), str(r.randint(-3, 3)), str(r.randint(-99, 99))])
                   for _ in range(r.randrange(1, 6))])


def text_list(r):
    return listed([r.choice(["NULL", "''", "'a'", "'b'", "'B'", "'🚀'", texts(r)]) for _ in range(r.randrange(1, 5))])


def text_map(r):
    keys = r.sample(["a", "b", "c", "", "🚀"], r.randrange(1, 4))
    return "map(" + ", ".join(f"'{k}', {r.choice(['NULL', str(r.randint(-5, 5))])}" for k in keys) + ")"


def json_value(r, depth=0):
    kind = r.randrange(9 if depth < 2 else 6)
    if kind < 6:
        return r.choice([None, True, r.randint(-99, 99), round(r.uniform(-9, 9), 2), "", "x y", "é🚀", "2024-01-01"])
    if kind < 8:
        return {k: json_value(r, depth + 1) for k in r.sample(["a", "b", "c", "d e"], r.randrange(4))}
    return [json_value(r, depth + 1) for _ in range(r.randrange(4))]


def json_text(r):
    return quoted(json.dumps({"a": r.randint(0, 9), "b": json_value(r)} if r.random() < 0.7 else json_value(r), ensure_ascii=False))


INT_PAIR = integers(32)
COLUMNS = [
    ("b", "BOOLEAN", edges_then(["'true'", "'false'"], lambda r: r.choice(["'true'", "'false'"]))),
    ("i8", "TINYINT", integers(8)), ("i16", "SMALLINT", integers(16)), ("i", "INT", INT_PAIR), ("j", "INT", INT_PAIR),
    ("l", "BIGINT", integers(64)), ("m", "BIGINT", integers(64)),
    ("n", "INT", edges_then(["'0'", "'1'", "'-1'"], lambda r: f"'{r.randint(-5, 9)}'")),
    ("f", "FLOAT", reals("3.4028235E38", "1.4E-45")), ("g", "FLOAT", reals("3.4028235E38", "1.17549435E-38")),
    ("d", "DOUBLE", reals("1.7976931348623157E308", "4.9E-324")),
    ("e", "DOUBLE", reals("1.7976931348623157E308", "2.2250738585072014E-308")),
    ("dec", "DECIMAL(10,2)", decimals(10, 2)), ("dec2", "DECIMAL(10,2)", decimals(10, 2)),
    ("p", "DECIMAL(38,18)", decimals(38, 18)), ("q", "DECIMAL(20,5)", decimals(20, 5)),
    ("s", "STRING", edges_then(TEXT_EDGES, texts)), ("t", "STRING", edges_then(TEXT_EDGES, texts)),
    ("num", "STRING", edges_then([quoted(t) for t in NUMBER_TEXTS], number_text)),
    ("tms", "STRING", edges_then([quoted(t) for t in TIME_TEXTS], time_text)),
    ("js", "STRING", edges_then(["'{}'", "'[]'", "''", "'{\"a\":1'", "'null'", "'1'"], json_text)),
    ("bin", "BINARY", edges_then(["X''", "X'00'", "X'FF'", "X'61F09F9A80'"],
                                 lambda r: "X'" + "".join(f"{r.randrange(256):02X}" for _ in range(r.randrange(9))) + "'")),
    ("dt", "DATE", edges_then([f"'{t}'" for t in DAYS], lambda r: f"'{day(r)}'")),
    ("dt2", "DATE", edges_then([f"'{t}'" for t in DAYS], lambda r: f"'{day(r)}'")),
    ("ts", "TIMESTAMP", edges_then([f"'{t}'" for t in TIMES], lambda r: f"'{time(r)}'")),
    ("ts2", "TIMESTAMP", edges_then([f"'{t}'" for t in TIMES], lambda r: f"'{time(r)}'")),
    ("ntz", "TIMESTAMP_NTZ", edges_then([f"'{t}'" for t in TIMES], lambda r: f"'{time(r)}'")),
    ("arr", "ARRAY<INT>", edges_then(["array()", "array(NULL)"], int_list)),
    ("arr2", "ARRAY<INT>", edges_then(["array()", "array(NULL)"], int_list)),
    ("sarr", "ARRAY<STRING>", edges_then(["array()", "array(NULL)"], text_list)),
    ("mp", "MAP<STRING,INT>", edges_then(["map()"], text_map)),
]

NUMBERS = ["i8", "i16", "i", "l", "f", "d", "dec", "p"]
ALL = ["b", "i8", "i16", "i", "l", "f", "d", "dec", "p", "s", "num", "tms", "bin", "dt", "ts", "ntz"]
TARGETS = ["BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(10,2)", "DECIMAL(38,18)", "STRING",
           "BINARY", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ"]

NOT_TRIED = ("DECIMAL(38,18)", "STRING", "BINARY", "TIMESTAMP", "FLOAT")  # their answers stand under CAST already


def expressions():
    made = []
    for column in ALL:
        made += [f"CAST({column} AS {target})" for target in TARGETS]
        made += [f"try_cast({column} AS {target})" for target in TARGETS if target not in NOT_TRIED]
        made += [f"hash({column})", f"xxhash64({column})", f"{column} IS NULL"]
    pairs = [("i8", "i8"), ("i", "j"), ("l", "m"), ("f", "g"), ("d", "e"), ("dec", "dec2"), ("p", "q"), ("i", "d"), ("i16", "dec"),
             ("l", "f")]
    for a, b in pairs:
        made += [f"{a} {op} {b}" for op in ("+", "-", "*", "/", "%", "=", "<=>", "<", ">=")]
        made += [f"{name}({a}, {b})" for name in ("try_add", "try_subtract", "try_multiply", "try_divide", "pmod", "greatest",
                                                   "least", "nullif", "coalesce")]
    made += ["i div j", "l div m", "dec div dec2", "i & j", "i | j", "l ^ m", "~l", "shiftleft(i, n)", "shiftright(l, n)",
             "shiftrightunsigned(i, n)", "bit_count(l)"]
    for column in NUMBERS:
        made += [f"abs({column})", f"-{column}", f"sign({column})", f"ceil({column})", f"floor({column})", f"round({column})",
                 f"round({column}, 1)", f"round({column}, -1)", f"bround({column}, 0)", f"bround({column}, 2)", f"bin({column})",
                 f"hex({column})" if column in ("i8", "i16", "i", "l") else f"rint({column})"]
    made += [f"{name}(d)" for name in ("sqrt", "cbrt", "rint", "isnan", "degrees", "radians", "exp", "ln", "log10", "log2", "log1p",
                                        "expm1", "sin", "cos", "tan", "atan", "sinh", "tanh")]
    made += ["pow(d, 2)", "pow(d, n)", "atan2(d, e)", "hypot(d, e)", "nanvl(d, e)", "log(d, e)", "format_number(d, 2)",
             "format_number(dec, 1)", "format_number(l, 0)", "format_string('%d|%s|%.3f|%e', l, s, d, d)", "conv(num, 10, 16)",
             "width_bucket(d, -10, 10, 5)", "factorial(n)", "to_char(dec, 'S99,999,999.99')", "to_char(dec, '$000099999.99PR')",
             "try_to_number(num, 'S9999.99')", "crc32(bin)"]
    made += [f"{name}(s)" for name in ("upper", "lower", "initcap", "length", "char_length", "octet_length", "bit_length", "reverse",
                                        "trim", "ltrim", "rtrim", "ascii", "base64", "hex", "md5", "sha1", "crc32", "soundex",
                                        "url_encode", "try_url_decode", "sentences", "quote", "luhn_check", "isnull")]
    made += ["concat(s, t)", "concat_ws('-', s, t, sarr)", "substring(s, n)", "substring(s, n, 3)", "left(s, n)", "right(s, n)",
             "repeat(s, n)", "lpad(s, 8, t)", "rpad(s, 8, 'xy')", "lpad(s, n)", "instr(s, t)", "locate(t, s)", "locate('a', s, n)",
             "position('b', s)", "replace(s, 'a', t)", "translate(s, 'abc', 'xy')", "split(s, '[ ,]')", "split(s, '', 3)",
             "split_part(s, ',', 2)", "split_part(s, t, -1)", "substring_index(s, ',', n)", "levenshtein(s, t)",
             "levenshtein(s, t, 3)", "startswith(s, t)", "endswith(s, 'c')", "contains(s, left(t, 1))", "s = t", "s < t", "s <=> t",
             "s LIKE '%a%'", "s LIKE '_b%'", "s ILIKE 'a%'", "s RLIKE '[0-9]+'", "regexp_replace(s, '[aeiou]', '<$0>')",
             "regexp_extract(s, '([a-z]+)([0-9]*)', 1)", "regexp_extract_all(s, '[A-Za-z]', 0)", "regexp_count(s, '[a-c]')",
             "regexp_instr(s, '[0-9]')", "regexp_substr(s, '[^a]+')", "overlay(s, 'XX', 2)", "overlay(s, t, 2, 3)", "mask(s)",
             "find_in_set(left(s, 1), t)", "elt(n, s, t)", "chr(i)", "char(n)", "space(n)", "btrim(s, 'ax ')", "trim(LEADING 'a' FROM s)",
             "str_to_map(s, ',', ':')", "encode(s, 'UTF-16')", "decode(bin, 'UTF-8')", "try_to_binary(s, 'hex')", "unhex(s)",
             "is_valid_utf8(s)", "sha2(s, 256)", "format_string('%5s|%-8.3s', s, t)", "to_csv(named_struct('a', s, 'b', t))",
             "from_csv(s, 'a STRING, b INT')", "to_json(named_struct('a', s, 'b', d, 'c', dec, 'd', ts))", "try_url_decode(t)",
             "parse_url(concat('http://h/', url_encode(s)), 'PATH')"]
    made += ["get_json_object(js, '$.a')", "get_json_object(js, '$.b')", "get_json_object(js, '$.b.a')", "get_json_object(js, '$.b[0]')",
             "get_json_object(js, '$.b[*]')", "get_json_object(js, '$')", "json_array_length(js)", "json_object_keys(js)",
             "from_json(js, 'a INT, b STRING')", "from_json(js, 'a STRING, b MAP<STRING, STRING>')", "from_json(js, 'b ARRAY<INT>')",
             "from_json(js, 'MAP<STRING, STRING>')"]
    for column in ("dt", "ts", "ntz"):
        made += [f"{name}({column})" for name in ("year", "quarter", "month", "day", "dayofweek", "weekday", "dayofyear",
                                                   "weekofyear", "last_day", "dayname", "monthname")]
        made += [f"date_format({column}, '{p}')" for p in ("yyyy-MM-dd HH:mm:ss.SSSSSS", "EEE d MMM yy", "D Q a hh", "yyyy''MM XXX")]
        made += [f"trunc({column}, '{u}')" for u in ("YEAR", "QUARTER", "MM", "WEEK")]
        made += [f"{column} + INTERVAL '1' MONTH", f"{column} - INTERVAL '13' MONTH", f"{column} + INTERVAL '25' HOUR",
                 f"add_months({column}, n)", f"date_add({column}, n)", f"date_sub({column}, n)", f"next_day({column}, 'TU')",
                 f"extract(WEEK FROM {column})", f"extract(YEAROFWEEK FROM {column})"]
    for column in ("ts", "ntz"):
        made += [f"{name}({column})" for name in ("hour", "minute", "second")]
        made += [f"date_trunc('{u}', {column})" for u in ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND",
                                                           "MILLISECOND")]
        made += [f"extract(SECOND FROM {column})", f"{column} + INTERVAL '1 02:03:04.5' DAY TO SECOND", f"unix_micros(CAST({column} AS TIMESTAMP))"]
    made += ["datediff(dt, dt2)", "dt - dt2", "ts - ts2", "months_between(ts, ts2)", "months_between(ts, ts2, false)",
             "unix_date(dt)", "unix_seconds(ts)", "unix_millis(ts)", "to_unix_timestamp(tms)", "unix_timestamp(tms, 'yyyy-MM-dd')",
             "try_to_timestamp(tms)", "try_to_timestamp(tms, 'yyyy-MM-dd HH:mm:ss')", "try_to_date(tms)", "to_timestamp(tms)",
             "to_date(tms)", "from_unixtime(i)", "timestamp_seconds(i)", "timestamp_millis(i)", "date_from_unix_date(n)",
             "from_utc_timestamp(ts, 'Asia/Tokyo')", "to_utc_timestamp(ts, 'Europe/Oslo')", "convert_timezone('Asia/Kolkata', ntz)",
             "make_date(2000 + n, n, n)", "make_timestamp(2024, 3, 10, n, 30, 1.5)", "try_make_timestamp(2024, n, n, n, n, n)",
             "make_dt_interval(n, n, n, 1.5)", "make_ym_interval(n, n)", "timestampdiff(MONTH, ts, ts2)", "timestampdiff(HOUR, ts, ts2)",
             "timestampadd(DAY, n, ts)", "timestampadd(QUARTER, n, ts)", "dt < dt2", "ts >= ts2", "ts = ntz", "dt = ts",
             "time_bucket(INTERVAL '6' HOUR, ts)", "time_bucket(INTERVAL '1' DAY, ts)", "time_bucket(INTERVAL '1' MONTH, ntz)"]
    made += [f"{name}(arr)" for name in ("size", "cardinality", "sort_array", "array_sort", "array_distinct", "array_max", "array_min",
                                          "reverse", "array_compact", "array_size", "to_json")]
    made += ["sort_array(arr, false)", "array_contains(arr, 1)", "array_position(arr, 1)", "array_remove(arr, 1)", "element_at(arr, 1)",
             "try_element_at(arr, n)", "get(arr, n)", "slice(arr, 1, 2)", "array_union(arr, arr2)", "array_intersect(arr, arr2)",
             "array_except(arr, arr2)", "arrays_overlap(arr, arr2)", "arrays_zip(arr, sarr)", "concat(arr, arr2)", "array_repeat(s, n)",
             "array_join(sarr, '-')", "array_join(sarr, '-', '?')", "array_append(arr, n)", "array_prepend(arr, n)",
             "array_insert(arr, 1, n)", "array_insert(arr, -2, n)", "flatten(array(arr, arr2))", "sequence(n, 4)", "arr = arr2",
             "arr < arr2", "sort_array(sarr)", "array_distinct(sarr)", "array_max(sarr)", "hash(arr, sarr)", "xxhash64(arr, sarr)",
             "transform(arr, x -> x * 2)", "filter(arr, x -> x > 0)", "exists(arr, x -> x > 2)", "forall(arr, x -> x > 0)",
             "aggregate(arr, 0, (a, x) -> a + coalesce(x, 0))", "zip_with(arr, arr2, (x, y) -> coalesce(x, y))",
             "array_sort(arr, (x, y) -> coalesce(y, 0) - coalesce(x, 0))", "transform(arr, (x, k) -> x + k)"]
    made += ["map_keys(mp)", "map_values(mp)", "map_entries(mp)", "mp['a']", "element_at(mp, 'b')", "map_contains_key(mp, '')", "size(mp)",
             "map_filter(mp, (k, v) -> v > 0)", "transform_values(mp, (k, v) -> v + 1)", "to_json(mp)", "map_from_entries(map_entries(mp))",
             "map_concat(mp, map('zz', 1))", "CAST(mp AS STRING)", "CAST(arr AS ARRAY<STRING>)", "CAST(sarr AS STRING)",
             "map_from_arrays(map_keys(mp), map_values(mp))"]
    seen = set()
    return [one for one in made if not (one in seen or seen.add(one))]


def error_class(error):
    found = re.search(r"\[([A-Z_]+(?:\.[A-Z_0-9]+)*)\]", str(error))
    return found.group(1) if found else "UNKNOWN"


def main():
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.sql.session.timeZone", ZONE).config("spark.sql.shuffle.partitions", "1")
             .config("spark.sql.codegen.wholeStage", "false").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    r = random.Random(SEED)
    table = [(name, kind, make(r)) for name, kind, make in COLUMNS]
    selects = []
    for row in range(ROWS):
        cells = ", ".join(f"CAST({values[row]} AS {kind}) AS {name}" for name, kind, values in table)
        selects.append(f"SELECT {row} AS id, {cells}")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    parts = [spark.sql(" UNION ALL ".join(selects[at:at + 20])).coalesce(1).localCheckpoint() for at in range(0, ROWS, 20)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.union(part)
    whole.coalesce(1).localCheckpoint().createOrReplaceTempView("samples")

    def kind_of(expression):
        return spark.sql(f"SELECT {expression} AS r FROM samples").schema["r"].dataType.simpleString()

    def ask(batch):
        shown = ", ".join(f"hex({e}) AS r{k}" if t == "binary" else f"CAST({e} AS STRING) AS r{k}"
                          for k, (e, t) in enumerate(batch))
        got = spark.sql(f"SELECT id, {shown} FROM samples ORDER BY id").collect()
        return [[row[k + 1] for row in got] for k in range(len(batch))]

    def answers(ansi):
        spark.conf.set("spark.sql.ansi.enabled", str(ansi).lower())
        made, batch = {}, []

        def flush():
            if not batch:
                return
            try:
                for (expression, kind), values in zip(batch, ask(batch)):
                    made[expression] = {"type": kind, "values": values}
            except Exception:
                for expression, kind in batch:
                    try:
                        made[expression] = {"type": kind, "values": ask([(expression, kind)])[0]}
                    except Exception as error:
                        made[expression] = {"type": kind, "error": error_class(error)}
            batch.clear()
        for expression in expressions():
            try:
                batch.append((expression, kind_of(expression)))
            except Exception as error:
                made[expression] = {"analysis_error": error_class(error)}
            if len(batch) == (8 if ansi else 24):
                flush()
        flush()
        return made

    ansi, legacy = answers(True), answers(False)
    with open(os.path.join(HERE, "random_golden.txt"), "w", encoding="utf-8") as out:
        def line(value):
            out.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
        line({"recorded_by": f"Spark {spark.version}", "how": "tests/golden/eval/record_random.py", "time_zone": ZONE,
              "columns": [[name, kind] for name, kind, _ in table], "rows": ROWS})
        for name, _, values in table:
            line({"column": name, "values": values})
        for expression in expressions():
            line({"expression": expression, **ansi[expression]})
            if legacy[expression] != ansi[expression]:
                line({"expression": expression, "ansi": False, **legacy[expression]})


main()
