"""Errors as users meet them: the Python class, condition, SQLSTATE and parameters."""
from pyspark.sql import functions as F
from recording import case


@case
def unknown_column(spark, tmp):
    return spark.createDataFrame([(1, "x")], "id int, name string").select("nam")


@case
def unknown_column_of_sql(spark, tmp):
    return spark.sql("SELECT nam FROM VALUES (1, 'x') AS t(id, name)")


@case
def unknown_column_no_suggestion(spark, tmp):
    return spark.sql("SELECT x").collect()


@case
def unknown_function(spark, tmp):
    return spark.sql("SELECT no_such_function(1)").collect()


@case
def unknown_field(spark, tmp):
    return spark.sql("SELECT named_struct('a', 1).b").collect()


@case
def ambiguous_column(spark, tmp):
    a = spark.range(1)
    return a.join(spark.range(1).alias("b")).select("id").collect()


@case
def wrong_argument_count(spark, tmp):
    return spark.sql("SELECT upper('a', 'b')").collect()


@case
def wrong_argument_type(spark, tmp):
    return spark.sql("SELECT array_contains(array(1), 'x')").collect()


@case
def types_do_not_match(spark, tmp):
    return spark.range(1).where(F.col("id") + F.array(F.lit(1)) > 1).collect()


@case
def filter_is_no_boolean(spark, tmp):
    return spark.range(1).where(F.col("id") + 1).collect()


@case
def cast_fails(spark, tmp):
    return spark.sql("SELECT CAST('x' AS INT)").collect()


@case
def cast_not_allowed(spark, tmp):
    return spark.sql("SELECT CAST(array(1) AS INT)").collect()


@case
def overflow(spark, tmp):
    return spark.sql("SELECT 2147483647 + 1").collect()


@case
def overflow_of_columns(spark, tmp):
    return spark.createDataFrame([(2**63 - 1,)], "x bigint").select(F.col("x") + 1).collect()


@case
def overflow_of_cast(spark, tmp):
    return spark.sql("SELECT CAST(300 AS TINYINT)").collect()


@case
def decimal_overflow(spark, tmp):
    return spark.sql("SELECT CAST(12345 AS DECIMAL(3,0))").collect()


@case
def division_by_zero_of_columns(spark, tmp):
    return spark.range(3).select((F.col("id") / (F.col("id") - 1)).alias("q")).collect()


@case
def remainder_by_zero(spark, tmp):
    return spark.sql("SELECT 5 % 0").collect()


@case
def index_out_of_bounds(spark, tmp):
    return spark.sql("SELECT array(1, 2)[5]").collect()


@case
def element_at_zero(spark, tmp):
    return spark.sql("SELECT element_at(array(1), 0)").collect()


@case
def date_does_not_parse(spark, tmp):
    return spark.sql("SELECT to_date('2024-13-01', 'yyyy-MM-dd')").collect()


@case
def bad_date_pattern(spark, tmp):
    return spark.sql("SELECT date_format(DATE '2024-01-01', 'bbbb')").collect()


@case
def bad_regex(spark, tmp):
    return spark.sql("SELECT regexp_replace('a', '(', 'x')").collect()


@case
def raise_error(spark, tmp):
    return spark.sql("SELECT raise_error('my own words')").collect()


@case
def assert_true_fails(spark, tmp):
    return spark.sql("SELECT assert_true(1 > 2, 'must be')").collect()


@case
def scalar_subquery_too_many(spark, tmp):
    return spark.sql("SELECT (SELECT id FROM range(2))").collect()


@case
def aggregate_in_where(spark, tmp):
    return spark.range(3).where(F.sum("id") > 1).collect()


@case
def window_without_order(spark, tmp):
    return spark.sql("SELECT row_number() OVER (PARTITION BY id) FROM range(1)").collect()


@case
def union_of_different_widths(spark, tmp):
    return spark.range(1).union(spark.range(1).select("id", "id")).collect()


@case
def union_by_name_missing(spark, tmp):
    return spark.range(1).unionByName(spark.range(1).toDF("other")).collect()


@case
def join_without_column(spark, tmp):
    return spark.range(1).join(spark.range(1).toDF("x"), "id").collect()


@case
def join_type_unknown(spark, tmp):
    return spark.range(1).join(spark.range(1), "id", "sideways").collect()


@case
def table_not_found(spark, tmp):
    return spark.table("nowhere_table").collect()


@case
def database_not_found(spark, tmp):
    return spark.sql("USE nowhere_db").collect()


@case
def drop_missing_table(spark, tmp):
    return spark.sql("DROP TABLE nowhere_table").collect()


@case
def create_database_twice(spark, tmp):
    spark.sql("CREATE DATABASE default").collect()


@case
def bad_type_in_ddl(spark, tmp):
    return spark.createDataFrame([], "a integr")


@case
def bad_identifier(spark, tmp):
    return spark.range(1).select("a`b").collect()


@case
def limit_negative(spark, tmp):
    return spark.sql("SELECT 1 LIMIT -1").collect()


@case
def duplicate_columns_written(spark, tmp):
    spark.range(1).select("id", "id").write.parquet(str(tmp / "x"))


@case
def insert_wrong_width(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_width")
    spark.sql("CREATE TABLE cases_width (a INT) USING parquet")
    try:
        spark.sql("INSERT INTO cases_width VALUES (1, 2)")
    finally:
        spark.sql("DROP TABLE cases_width")


@case
def pivot_too_nested(spark, tmp):
    return spark.range(1).groupBy("id").pivot("nope").count().collect()


@case
def to_df_wrong_width(spark, tmp):
    return spark.range(1).toDF("a", "b").columns


@case
def map_key_null(spark, tmp):
    return spark.sql("SELECT map(NULL, 1)").collect()


@case
def duplicate_map_key(spark, tmp):
    return spark.sql("SELECT map('a', 1, 'a', 2)").collect()


@case
def group_by_position_out_of_range(spark, tmp):
    return spark.sql("SELECT id FROM range(1) GROUP BY 5").collect()


@case
def order_by_position_out_of_range(spark, tmp):
    return spark.sql("SELECT id FROM range(1) ORDER BY 5").collect()


@case
def explode_of_int(spark, tmp):
    return spark.range(1).select(F.explode("id")).collect()


@case
def nested_generators(spark, tmp):
    return spark.range(1).select(F.explode(F.array(F.lit(1))), F.explode(F.array(F.lit(2)))).collect()


@case
def error_texts(spark, tmp):
    found = []
    for text in ("SELECT 1 / 0", "SELECT nowhere FROM range(1)", "SELECT CAST('x' AS INT)", "SELEC 1"):
        try:
            spark.sql(text).collect()
        except Exception as error:
            found.append(str(error).split("\n\nJVM stacktrace")[0])
    return found
