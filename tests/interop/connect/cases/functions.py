"""Names of arguments that a Python function cannot have; schemas of what reads text into structs."""
from pyspark.sql import functions as F
from recording import case


def told(spark):
    spark.udf.register("tell", lambda first, second: f"{first}/{second}", "string")


@case
def udf_in_sql_place_after_name(spark, tmp):
    told(spark)
    return spark.sql("select tell(first => 1, 2)")


@case
def udf_in_sql_name_twice(spark, tmp):
    told(spark)
    return spark.sql("select tell(first => 1, second => 2, first => 3)")


SCHEMAS = {"number": "int", "json": '{"type":"struct","fields":[]}', "map": "map<string,int>", "fields": "a int, b string"}
for _function, _text, _names in (("from_json", "{}", "number json"), ("from_csv", "1", "map json fields"), ("from_xml", "<a></a>", "map json fields")):
    for _name in _names.split():
        def _case(spark, tmp, function=_function, text=_text, schema=SCHEMAS[_name]):
            return spark.range(1).select(F.expr(f"{function}('{text}', '{schema}')").alias("read"))
        _case.__name__ = f"{_function}_schema_{_name}"
        case(_case)


@case
def null_schema(spark, tmp):
    return spark.sql("select from_csv('1', cast(null as string))")
