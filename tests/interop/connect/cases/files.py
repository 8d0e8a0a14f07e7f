"""Reading and writing: json, csv, text, parquet, delta, tables."""
from pyspark.sql import functions as F
from pyspark.sql import types as T
from recording import case


def rows_of(spark):
    return spark.createDataFrame([(1, "a", 1.5, True), (2, None, None, False), (3, "c,d\"e", -0.5, None)], "id int, s string, d double, b boolean")


def write_text(tmp, name, text):
    path = tmp / name
    path.write_text(text)
    return str(path)


@case
def json_inferred(spark, tmp):
    return spark.read.json(write_text(tmp, "a.json", '{"a": 1, "b": {"c": [1.5, 2]}, "s": "x"}\n{"a": null, "s": "y", "t": true}\n{"a": 3}\n'))


@case
def json_with_schema(spark, tmp):
    return spark.read.schema("a long, s string, missing date").json(write_text(tmp, "a.json", '{"a": 1, "s": "x"}\n{"a": "text", "s": 5}\n\n{"s": null}\n'))


@case
def json_bad_lines(spark, tmp):
    return spark.read.schema("a int, _corrupt_record string").json(write_text(tmp, "a.json", '{"a": 1}\nnot json\n{"a": 2}\n'))


@case
def json_drop_malformed(spark, tmp):
    return spark.read.schema("a int").option("mode", "DROPMALFORMED").json(write_text(tmp, "a.json", '{"a": 1}\nnot json\n'))


@case
def json_fail_fast(spark, tmp):
    return spark.read.schema("a int").option("mode", "FAILFAST").json(write_text(tmp, "a.json", '{"a": 1}\nnot json\n')).collect()


@case
def json_multi_line(spark, tmp):
    return spark.read.option("multiLine", True).json(write_text(tmp, "a.json", '[{"a": 1},\n {"a":\n 2}]'))


@case
def json_timestamps(spark, tmp):
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return spark.read.schema("t timestamp, d date").option("timestampFormat", "dd/MM/yyyy HH:mm").json(
        write_text(tmp, "a.json", '{"t": "31/12/2023 23:59", "d": "2024-02-29"}\n')).select(F.col("t").cast("string"), "d")


@case
def json_written_and_read(spark, tmp):
    rows_of(spark).write.json(str(tmp / "out"))
    return spark.read.schema("id int, s string, d double, b boolean").json(str(tmp / "out"))


@case
def json_written_text(spark, tmp):
    rows_of(spark).coalesce(1).write.mode("overwrite").json(str(tmp / "out"))
    return sorted(r.value for r in spark.read.text(str(tmp / "out")).collect())


@case
def csv_with_header(spark, tmp):
    return spark.read.option("header", True).csv(write_text(tmp, "a.csv", 'id,name,note\n1,Ann,"a, b"\n2,,"say ""hi"""\n3,Cid\n'))


@case
def csv_inferred(spark, tmp):
    return spark.read.csv(write_text(tmp, "a.csv", "1;2.5;true;2024-01-01;x\n2;3;false;2024-02-01;y\n"), sep=";", inferSchema=True)


@case
def csv_with_schema(spark, tmp):
    return spark.read.schema("id int, d double, t date").csv(write_text(tmp, "a.csv", "1,2.5,2024-01-01\nx,y,z\n,,\n"))


@case
def csv_options(spark, tmp):
    return spark.read.options(header="true", sep="|", nullValue="NA", comment="#", ignoreLeadingWhiteSpace="true").csv(
        write_text(tmp, "a.csv", "# a comment\na|b\n1| x\nNA|y\n"))


@case
def csv_written_text(spark, tmp):
    rows_of(spark).coalesce(1).write.option("header", True).csv(str(tmp / "out"))
    return sorted(r.value for r in spark.read.text(str(tmp / "out")).collect())


@case
def csv_round_trip(spark, tmp):
    rows_of(spark).write.csv(str(tmp / "out"), header=True, sep="\t", quoteAll=True)
    return spark.read.csv(str(tmp / "out"), header=True, sep="\t", schema="id int, s string, d double, b boolean")


@case
def text_lines(spark, tmp):
    return spark.read.text(write_text(tmp, "a.txt", "one\n\nthree\r\nfour"))


@case
def text_whole(spark, tmp):
    return spark.read.text(write_text(tmp, "a.txt", "one\ntwo\n"), wholetext=True)


@case
def text_written(spark, tmp):
    spark.range(3).select(F.col("id").cast("string")).write.text(str(tmp / "out"))
    return spark.read.text(str(tmp / "out"))


@case
def parquet_round_trip(spark, tmp):
    df = spark.sql("SELECT 1Y a, 2S b, 3 c, 4L d, 1.5F e, 2.5D f, 'x' g, true h, DATE '2024-01-01' i, TIMESTAMP_NTZ '2024-01-01 01:02:03' j, 1.20BD k, X'00' l,"
                   " array(1, NULL) m, map('k', 2) n, named_struct('p', 1, 'q', array('z')) o, CAST(NULL AS INT) r")
    df.write.parquet(str(tmp / "p"))
    return spark.read.parquet(str(tmp / "p"))


@case
def parquet_partitioned(spark, tmp):
    spark.createDataFrame([(1, "x", 2023), (2, "y", 2024), (3, None, 2024)], "id int, k string, year int").write.partitionBy("year", "k").parquet(str(tmp / "p"))
    return spark.read.parquet(str(tmp / "p")).where("year = 2024")


@case
def parquet_modes(spark, tmp):
    path = str(tmp / "p")
    spark.range(2).write.parquet(path)
    spark.range(3).write.mode("append").parquet(path)
    found = [spark.read.parquet(path).count()]
    spark.range(9).write.mode("ignore").parquet(path)
    found.append(spark.read.parquet(path).count())
    spark.range(1).write.mode("overwrite").parquet(path)
    found.append(spark.read.parquet(path).count())
    return found


@case
def parquet_exists_already(spark, tmp):
    spark.range(2).write.parquet(str(tmp / "p"))
    spark.range(2).write.parquet(str(tmp / "p"))


@case
def several_paths_and_globs(spark, tmp):
    for i in range(3):
        spark.range(i, i + 1).coalesce(1).write.parquet(str(tmp / f"p{i}"))
    return [spark.read.parquet(str(tmp / "p0"), str(tmp / "p2")).count(), spark.read.parquet(str(tmp / "p*")).count()]


@case
def path_is_not_there(spark, tmp):
    return spark.read.parquet(str(tmp / "nowhere"))


@case
def format_is_not_there(spark, tmp):
    return spark.read.format("no_such_format").load(str(tmp))


@case
def nothing_to_infer(spark, tmp):
    (tmp / "empty").mkdir()
    return spark.read.parquet(str(tmp / "empty"))


@case
def delta_round_trip(spark, tmp):
    rows_of(spark).write.format("delta").save(str(tmp / "d"))
    return spark.read.format("delta").load(str(tmp / "d"))


@case
def delta_versions(spark, tmp):
    path = str(tmp / "d")
    for n in (1, 2, 3):
        spark.range(n).write.format("delta").mode("append").save(path)
    return [spark.read.format("delta").option("versionAsOf", v).load(path).count() for v in (0, 1, 2)]


@case
def delta_overwrite_and_schema(spark, tmp):
    path = str(tmp / "d")
    spark.range(3).write.format("delta").save(path)
    spark.range(1).withColumn("x", F.lit("new")).write.format("delta").mode("append").option("mergeSchema", "true").save(path)
    found = [sorted(map(str, spark.read.format("delta").load(path).collect()))]
    spark.range(1).select(F.col("id").cast("string").alias("other")).write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
    return found + [spark.read.format("delta").load(path).schema]


@case
def delta_replace_where(spark, tmp):
    path = str(tmp / "d")
    spark.range(6).withColumn("p", F.col("id") % 2).write.format("delta").partitionBy("p").save(path)
    spark.range(100, 101).withColumn("p", F.lit(1).cast("long")).write.format("delta").mode("overwrite").option("replaceWhere", "p = 1").save(path)
    return spark.read.format("delta").load(path)


@case
def delta_by_sql_path(spark, tmp):
    spark.range(4).write.format("delta").save(str(tmp / "d"))
    return spark.sql(f"SELECT count(*) AS n, max(id) AS m FROM delta.`{tmp}/d`")


@case
def delta_schema_mismatch(spark, tmp):
    path = str(tmp / "d")
    spark.range(3).write.format("delta").save(path)
    try:
        spark.range(3).withColumn("extra", F.lit(1)).write.format("delta").mode("append").save(path)
    except Exception as error:
        return type(error).__name__
    return None


@case
def save_as_table(spark, tmp):
    rows_of(spark).write.mode("overwrite").saveAsTable("cases_saved")
    found = [sorted(map(str, spark.table("cases_saved").collect())), spark.catalog.tableExists("cases_saved")]
    spark.sql("DROP TABLE cases_saved")
    return found + [spark.catalog.tableExists("cases_saved")]


@case
def save_as_table_append(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_appended")
    spark.range(2).write.format("delta").saveAsTable("cases_appended")
    spark.range(2, 5).write.format("delta").mode("append").saveAsTable("cases_appended")
    n = spark.read.table("cases_appended").count()
    spark.sql("DROP TABLE cases_appended")
    return n


@case
def insert_into(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_inserted")
    spark.sql("CREATE TABLE cases_inserted (a INT, b STRING) USING parquet")
    spark.createDataFrame([(1, "x")], "p int, q string").write.insertInto("cases_inserted")
    spark.createDataFrame([(2, "y")], "p int, q string").write.insertInto("cases_inserted", overwrite=True)
    rows = spark.table("cases_inserted").collect()
    spark.sql("DROP TABLE cases_inserted")
    return rows


@case
def write_to(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_v2")
    spark.range(2).writeTo("cases_v2").using("delta").create()
    spark.range(5, 6).writeTo("cases_v2").append()
    rows = sorted(map(str, spark.table("cases_v2").collect()))
    spark.range(1).writeTo("cases_v2").using("delta").createOrReplace()
    rows += sorted(map(str, spark.table("cases_v2").collect()))
    spark.sql("DROP TABLE cases_v2")
    return rows


@case
def table_exists_already(spark, tmp):
    spark.range(1).write.mode("overwrite").saveAsTable("cases_there")
    try:
        spark.range(1).write.saveAsTable("cases_there")
    finally:
        spark.sql("DROP TABLE cases_there")


@case
def external_table(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_external")
    spark.range(3).write.parquet(str(tmp / "ext"))
    spark.sql(f"CREATE TABLE cases_external USING parquet LOCATION '{tmp}/ext'")
    found = [spark.table("cases_external").count()]
    spark.sql("DROP TABLE cases_external")
    return found + [spark.read.parquet(str(tmp / "ext")).count()]


@case
def input_file_name_and_metadata(spark, tmp):
    path = write_text(tmp, "one.csv", "1\n2\n")
    return spark.read.csv(path).select("_c0", F.col("_metadata.file_name"), F.col("_metadata.file_size"), F.input_file_name().endswith("one.csv").alias("ends"))


@case
def reader_load_default_format(spark, tmp):
    spark.range(2).write.save(str(tmp / "x"))
    return spark.read.load(str(tmp / "x"))


@case
def recursive_lookup(spark, tmp):
    (tmp / "deep" / "er").mkdir(parents=True)
    (tmp / "deep" / "er" / "a.txt").write_text("in\n")
    return spark.read.option("recursiveFileLookup", True).text(str(tmp / "deep"))


@case
def from_json_and_schema_of_json(spark, tmp):
    schema = spark.range(1).select(F.schema_of_json(F.lit('{"a": [1], "b": {"c": 1.5}}'))).first()[0]
    return [schema, spark.range(1).select(F.from_json(F.lit('{"a": [7]}'), schema).alias("p")).select("p.a").first()[0]]


@case
def json_of_a_frame(spark, tmp):
    return spark.createDataFrame([(1, "x"), (2, None)], "a int, b string").select(F.to_json(F.struct("*")).alias("j"))


@case
def csv_of_nested_refused(spark, tmp):
    spark.createDataFrame([([1],)], "a array<int>").write.csv(str(tmp / "x"))


@case
def text_of_two_columns_refused(spark, tmp):
    spark.createDataFrame([("a", "b")], "a string, b string").write.text(str(tmp / "x"))


@case
def partition_columns_in_schema(spark, tmp):
    spark.range(4).withColumn("p", F.col("id") % 2).write.partitionBy("p").json(str(tmp / "x"))
    return [spark.read.json(str(tmp / "x")).where("p = 1").count(), spark.read.json(str(tmp / "x")).schema]
