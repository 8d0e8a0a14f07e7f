"""Columns: select, withColumn and friends, expressions of pyspark.sql.functions."""
import datetime
from decimal import Decimal

from pyspark.sql import Row
from pyspark.sql import functions as F
from pyspark.sql import types as T
from recording import InOrder, case


def people(spark):
    return spark.createDataFrame([(1, "Ann", 34, "Oslo"), (2, "Bob", None, "Bergen"), (3, "Cid", 28, "Oslo"), (4, None, 51, None)],
                                 "id int, name string, age int, city string")


@case
def select_by_name_and_expression(spark, tmp):
    return people(spark).select("id", F.col("name"), (F.col("age") + 1).alias("next"), F.lit("x"))


@case
def select_star_and_struct(spark, tmp):
    df = people(spark).select(F.struct("id", "name").alias("s"))
    return df.select("s.*", "s.id", F.col("s").getField("name").alias("n"))


@case
def select_list_and_attribute(spark, tmp):
    df = people(spark)
    return df.select([df.id, df["name"], df.age.cast("string").alias("age")])


@case
def select_expr(spark, tmp):
    return people(spark).selectExpr("id * 2 AS double", "upper(name)", "age IS NULL AS unknown", "*")


@case
def with_column_new_and_replaced(spark, tmp):
    return people(spark).withColumn("age", F.coalesce("age", F.lit(0))).withColumn("old", F.col("age") > 30)


@case
def with_columns(spark, tmp):
    return people(spark).withColumns({"a": F.col("id") + 1, "b": F.upper("name"), "age": F.lit(None).cast("int")})


@case
def with_column_renamed(spark, tmp):
    return people(spark).withColumnRenamed("name", "label").withColumnRenamed("missing", "x")


@case
def with_columns_renamed(spark, tmp):
    return people(spark).withColumnsRenamed({"id": "key", "age": "years"})


@case
def to_df(spark, tmp):
    return people(spark).toDF("a", "b", "c", "d")


@case
def drop_by_name_and_column(spark, tmp):
    df = people(spark)
    return df.drop("age", "missing").drop(df.city)


@case
def filter_by_column_and_text(spark, tmp):
    return people(spark).filter(F.col("age") > 28).where("city = 'Oslo'")


@case
def filter_with_null_logic(spark, tmp):
    df = people(spark)
    return df.where((df.age < 40) | df.city.isNull()).where(~df.name.isNull() | df.age.isNotNull())


@case
def order_by_several(spark, tmp):
    return InOrder(people(spark).orderBy(F.col("city").desc_nulls_last(), F.asc_nulls_first("age")))


@case
def sort_descending_flag(spark, tmp):
    return InOrder(people(spark).sort("city", "id", ascending=[False, True]))


@case
def order_by_ordinal(spark, tmp):
    return InOrder(people(spark).orderBy(-F.col("id")).limit(2))


@case
def limit_and_offset(spark, tmp):
    return InOrder(people(spark).orderBy("id").offset(1).limit(2))


@case
def distinct_rows(spark, tmp):
    return people(spark).select("city").distinct()


@case
def drop_duplicates_of_some(spark, tmp):
    return people(spark).dropDuplicates(["city"]).select("city")


@case
def drop_duplicates_of_all(spark, tmp):
    return spark.createDataFrame([(1, "a"), (1, "a"), (2, "a")], "x int, y string").drop_duplicates()


@case
def when_otherwise(spark, tmp):
    return people(spark).select("id", F.when(F.col("age") > 40, "old").when(F.col("age") > 30, "middle").otherwise("young").alias("c"),
                                F.when(F.col("age") > 40, 1).alias("d"))


@case
def is_in_between_like(spark, tmp):
    c = F.col("name")
    return people(spark).select("id", c.isin("Ann", "Bob").alias("i"), F.col("age").between(28, 34).alias("b"), c.like("_i%").alias("l"),
                                c.rlike("^[AB]").alias("r"), c.startswith("A").alias("s"), c.endswith("d").alias("e"), c.contains("o").alias("c"),
                                c.ilike("ANN").alias("il"))


@case
def casts(spark, tmp):
    return spark.createDataFrame([("12", 3.7, True, "2024-02-29")], "s string, d double, b boolean, t string").select(
        F.col("s").cast("int"), F.col("d").cast("int"), F.col("b").cast("int").alias("bi"), F.col("t").cast("date"),
        F.col("t").cast(T.TimestampType()).alias("ts"), F.col("s").cast("decimal(10,2)").alias("dec"), F.col("s").try_cast("double").alias("tc"))


@case
def null_safe_equality(spark, tmp):
    df = people(spark)
    return df.select("id", df.city.eqNullSafe("Oslo").alias("e"), (df.city == "Oslo").alias("q"), df.city.eqNullSafe(None).alias("n"))


@case
def arithmetic(spark, tmp):
    a, b = F.col("a"), F.col("b")
    return spark.createDataFrame([(7, 2), (-7, 2), (7, -2)], "a int, b int").select(
        (a + b).alias("add"), (a - b).alias("sub"), (a * b).alias("mul"), (a / b).alias("div"), (a % b).alias("mod"), (-a).alias("neg"),
        F.pmod(a, b).alias("pmod"), (a ** b).alias("pow"), a.bitwiseAND(b).alias("and"), a.bitwiseOR(b).alias("or"), a.bitwiseXOR(b).alias("xor"))


@case
def strings(spark, tmp):
    s = F.col("s")
    return spark.createDataFrame([("  Ünï code ",), ("",), (None,)], "s string").select(
        F.length(s), F.trim(s), F.ltrim(s), F.rtrim(s), F.lower(s), F.upper(s), F.initcap(s), F.reverse(s), F.substring(s, 3, 3), s.substr(3, 2),
        F.concat(s, F.lit("!")), F.concat_ws("-", s, F.lit("x")), F.lpad(s, 4, "*"), F.rpad(s, 14, "*"), F.instr(s, "c"), F.locate("c", s),
        F.repeat(s, 2), F.translate(s, "ce", "CE"), F.split(s, " "), F.regexp_replace(s, r"\s+", "_"), F.regexp_extract(s, r"(\w+)de", 1))


@case
def numbers(spark, tmp):
    d = F.col("d")
    return spark.createDataFrame([(2.5,), (-2.5,), (0.0,), (None,)], "d double").select(
        F.round(d), F.bround(d), F.ceil(d), F.floor(d), F.abs(d), F.sqrt(F.abs(d)).alias("sqrt"), F.exp(d), F.signum(d), F.rint(d), F.hex(F.lit(255)),
        F.format_number(d, 2), F.greatest(d, F.lit(1.0)), F.least(d, F.lit(1.0)), F.isnan(d), F.conv(F.lit("ff"), 16, 10), F.round(d, 1))


@case
def dates(spark, tmp):
    d = F.col("d")
    return spark.createDataFrame([(datetime.date(2024, 2, 29),), (datetime.date(1969, 12, 31),)], "d date").select(
        F.year(d), F.month(d), F.dayofmonth(d), F.dayofweek(d), F.dayofyear(d), F.quarter(d), F.weekofyear(d), F.date_add(d, 1), F.date_sub(d, 1),
        F.add_months(d, 12), F.last_day(d), F.next_day(d, "Mon"), F.trunc(d, "month"), F.datediff(d, F.lit(datetime.date(2024, 1, 1))),
        F.months_between(d, F.lit(datetime.date(2024, 1, 1))), F.date_format(d, "EEE yyyy/MM/dd"), F.unix_date(d))


@case
def timestamps(spark, tmp):
    spark.conf.set("spark.sql.session.timeZone", "Europe/Oslo")
    t = F.col("t")
    return spark.sql("SELECT TIMESTAMP '2024-03-31 03:30:15.123456' AS t").select(
        F.hour(t), F.minute(t), F.second(t), F.date_trunc("hour", t), F.unix_timestamp(t), F.to_date(t), F.from_unixtime(F.lit(0)),
        F.to_timestamp(F.lit("31.12.2023 23:59"), "dd.MM.yyyy HH:mm"), F.date_format(t, "HH:mm:ss.SSS XXX"), F.from_utc_timestamp(t, "Asia/Tokyo"),
        F.timestamp_seconds(F.lit(1)), F.make_date(F.lit(2024), F.lit(1), F.lit(2)), (t + F.expr("INTERVAL 1 DAY")).alias("later"),
        (t - F.lit(datetime.datetime(2024, 3, 30, 0, 0))).alias("since").cast("string"))


@case
def arrays(spark, tmp):
    a = F.col("a")
    return spark.createDataFrame([([3, 1, None, 3],), ([],), (None,)], "a array<int>").select(
        F.size(a), F.array_contains(a, 3), F.sort_array(a), F.array_distinct(a), F.array_position(a, 3), F.element_at(F.array(F.lit(5), F.lit(6)), 2),
        F.array_remove(a, 3), F.slice(F.array(F.lit(1), F.lit(2), F.lit(3)), 2, 2), F.array_join(F.array(F.lit("x"), F.lit("y")), ","), F.array_max(a),
        F.array_min(a), F.array_union(a, F.array(F.lit(9))), F.array_repeat(F.lit("z"), 2), F.flatten(F.array(a, a)), F.reverse(a),
        F.sequence(F.lit(1), F.lit(5), F.lit(2)), F.arrays_zip(a, a).alias("zip"), a[0].alias("first") if False else F.get(a, F.lit(0)).alias("first"))


@case
def maps(spark, tmp):
    m = F.create_map(F.lit("a"), F.lit(1), F.lit("b"), F.lit(2))
    return spark.range(1).select(m.alias("m"), F.map_keys(m), F.map_values(m), F.map_entries(m), m["a"].alias("x"), F.element_at(m, "b").alias("y"),
                                 F.map_contains_key(m, "c"), F.map_from_arrays(F.array(F.lit(1)), F.array(F.lit("z"))), F.map_concat(m, F.create_map(F.lit("c"), F.lit(3))),
                                 F.map_filter(m, lambda k, v: v > 1), F.transform_values(m, lambda k, v: v * 10), F.size(m))


@case
def higher_order(spark, tmp):
    a = F.col("a")
    return spark.createDataFrame([([1, 2, 3, 4],)], "a array<int>").select(
        F.transform(a, lambda x: x * x).alias("t"), F.transform(a, lambda x, i: x + i).alias("ti"), F.filter(a, lambda x: x % 2 == 0).alias("f"),
        F.exists(a, lambda x: x > 3).alias("e"), F.forall(a, lambda x: x > 0).alias("fa"), F.aggregate(a, F.lit(0), lambda acc, x: acc + x).alias("s"),
        F.zip_with(a, a, lambda x, y: x * y).alias("z"), F.array_sort(a, lambda x, y: y - x).alias("o"))


@case
def structs(spark, tmp):
    df = spark.createDataFrame([Row(s=Row(a=1, b="x"))], "s struct<a: int, b: string>")
    return df.select(F.col("s").withField("c", F.lit(1.5)).alias("with"), F.col("s").dropFields("b").alias("without"), "s.b",
                     F.named_struct(F.lit("k"), F.lit(1)).alias("n"), F.col("s")["a"].alias("item"))


@case
def explode_and_posexplode(spark, tmp):
    df = spark.createDataFrame([(1, ["a", "b"], {"k": 1}), (2, [], {}), (3, None, None)], "id int, a array<string>, m map<string, int>")
    return df.select("id", F.posexplode("a")).unionByName(df.select("id", F.lit(-1).alias("pos"), F.explode_outer("a").alias("col")))


@case
def explode_map(spark, tmp):
    return spark.createDataFrame([(1, {"k": 1, "l": None})], "id int, m map<string, int>").select("id", F.explode("m"))


@case
def explode_with_names(spark, tmp):
    return spark.createDataFrame([(1, [(1, "x")])], "id int, a array<struct<p: int, q: string>>").select("id", F.inline("a"))


@case
def json_functions(spark, tmp):
    df = spark.createDataFrame([('{"a": 1, "b": {"c": [1, 2]}}',), ("broken",), (None,)], "j string")
    return df.select(F.get_json_object("j", "$.b.c[1]"), F.from_json("j", "a int, b struct<c: array<int>>").alias("p"),
                     F.to_json(F.struct(F.lit(1).alias("x"), F.lit(None).alias("y"))).alias("t"), F.json_tuple("j", "a").alias("tuple"))


@case
def hashes(spark, tmp):
    return spark.createDataFrame([("abc", 1), (None, None)], "s string, i int").select(
        F.md5("s"), F.sha1("s"), F.sha2("s", 256), F.crc32("s"), F.hash("s", "i"), F.xxhash64("s", "i"), F.base64(F.col("s").cast("binary")).alias("b64"))


@case
def literals(spark, tmp):
    return spark.range(1).select(F.lit(1), F.lit(2**40), F.lit(1.5), F.lit("s"), F.lit(True), F.lit(None), F.lit(b"\x00\xff"), F.lit(Decimal("1.20")),
                                 F.lit(datetime.date(2024, 1, 1)), F.lit(datetime.timedelta(days=1, hours=2)), F.lit([1, 2]), F.lit(["a", "b"]))


@case
def alias_with_metadata(spark, tmp):
    df = people(spark).select(F.col("id").alias("key", metadata={"comment": "a key"}))
    return [df.schema, df.schema["key"].metadata]


@case
def col_regex(spark, tmp):
    return people(spark).select(people(spark).colRegex("`(id|na.*)`"))


@case
def columns_with_dots_and_spaces(spark, tmp):
    df = spark.createDataFrame([(1, 2, 3)], ["a.b", "c d", "e`f"])
    return df.select("`a.b`", F.col("`c d`") + 1, F.col("`e``f`"))


@case
def case_insensitive_names(spark, tmp):
    return people(spark).select("ID", F.col("NaMe")).where("Id > 2")


@case
def columns_dtypes_schema(spark, tmp):
    df = people(spark)
    return [df.columns, df.dtypes, df.schema, df.schema.simpleString()]


@case
def expression_text_in_names(spark, tmp):
    return spark.range(1).select(F.col("id") + 1, F.sum("id").over(__import__("pyspark.sql", fromlist=["Window"]).Window.partitionBy()), F.expr("id > 3 AND true"),
                                 F.col("id").cast("string"), F.round(F.col("id") / 3, 2), F.concat(F.lit("a"), F.col("id"))).columns


@case
def transform_functions_chain(spark, tmp):
    return people(spark).transform(lambda d: d.withColumn("x", F.lit(1))).transform(lambda d, n: d.where(d.id > n), 2)


@case
def lateral_alias(spark, tmp):
    return spark.range(2).select((F.col("id") + 1).alias("a"), (F.col("a") * 2).alias("b"))


@case
def try_functions(spark, tmp):
    return spark.range(1).select(F.try_divide(F.lit(1), F.lit(0)), F.try_add(F.lit(2147483647), F.lit(1)), F.try_to_number(F.lit("x"), F.lit("99")),
                                 F.try_element_at(F.array(F.lit(1)), F.lit(5)))


@case
def window_column(spark, tmp):
    df = spark.sql("SELECT TIMESTAMP '2024-01-01 00:07:00' AS t, 1 AS v")
    return df.groupBy(F.window("t", "10 minutes", "5 minutes")).agg(F.sum("v").alias("s")).select(F.col("window.start").cast("string"), F.col("window.end").cast("string"), "s")


@case
def call_function_by_name(spark, tmp):
    return spark.range(3).select(F.call_function("power", "id", F.lit(2)).alias("p"))


@case
def scalar_subquery(spark, tmp):
    df = people(spark)
    return df.where(df.age == people(spark).select(F.max("age")).scalar()).select("id")


@case
def exists_subquery(spark, tmp):
    other = spark.createDataFrame([("Oslo",)], "town string")
    df = people(spark)
    return df.where(other.where(F.col("town") == F.col("city").outer()).exists()).select("id")
