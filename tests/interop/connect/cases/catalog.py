"""spark.catalog and spark.conf."""
from pyspark.sql import functions as F
from recording import case


@case
def current_catalog_and_database(spark, tmp):
    return [spark.catalog.currentCatalog(), spark.catalog.currentDatabase()]


@case
def database_exists(spark, tmp):
    return [spark.catalog.databaseExists("default"), spark.catalog.databaseExists("nowhere")]


@case
def get_database(spark, tmp):
    d = spark.catalog.getDatabase("default")
    return [d.name, d.catalog]


@case
def get_database_not_there(spark, tmp):
    return spark.catalog.getDatabase("nowhere")


@case
def set_current_database(spark, tmp):
    spark.sql("CREATE DATABASE IF NOT EXISTS cases_other")
    spark.catalog.setCurrentDatabase("cases_other")
    found = [spark.catalog.currentDatabase()]
    spark.catalog.setCurrentDatabase("default")
    spark.sql("DROP DATABASE cases_other")
    return found


@case
def set_current_database_not_there(spark, tmp):
    spark.catalog.setCurrentDatabase("nowhere")


@case
def list_databases_by_pattern(spark, tmp):
    return [d.name for d in spark.catalog.listDatabases("def*")]


@case
def list_tables_with_views(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_listed")
    spark.range(1).write.format("parquet").saveAsTable("cases_listed")
    spark.range(1).createOrReplaceTempView("cases_listed_view")
    found = sorted([t.name, t.catalog, t.namespace, t.tableType, t.isTemporary] for t in spark.catalog.listTables() if t.name.startswith("cases_listed"))
    spark.sql("DROP TABLE cases_listed")
    return found


@case
def table_exists_forms(spark, tmp):
    spark.range(1).createOrReplaceTempView("cases_there_view")
    c = spark.catalog
    return [c.tableExists("cases_there_view"), c.tableExists("nowhere"), c.tableExists("default.nowhere"), c.tableExists("nowhere", "default")]


@case
def get_table(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_got")
    spark.range(1).write.format("parquet").saveAsTable("cases_got")
    t = spark.catalog.getTable("cases_got")
    spark.sql("DROP TABLE cases_got")
    return [t.name, t.catalog, t.namespace, t.tableType, t.isTemporary, t.database]


@case
def get_table_not_there(spark, tmp):
    return spark.catalog.getTable("nowhere")


@case
def list_columns(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_columns")
    spark.sql("CREATE TABLE cases_columns (a INT COMMENT 'first', b STRING, p DATE) USING parquet PARTITIONED BY (p)")
    found = [[c.name, c.description, c.dataType, c.nullable, c.isPartition, c.isBucket] for c in spark.catalog.listColumns("cases_columns")]
    spark.sql("DROP TABLE cases_columns")
    return found


@case
def list_columns_not_there(spark, tmp):
    return spark.catalog.listColumns("nowhere")


@case
def functions_of_the_catalog(spark, tmp):
    c = spark.catalog
    f = c.getFunction("abs")
    return [c.functionExists("abs"), c.functionExists("nowhere_fn"), f.name, f.isTemporary, "array_contains" in {x.name for x in c.listFunctions()}]


@case
def create_table_by_catalog(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_created")
    df = spark.catalog.createTable("cases_created", source="parquet", schema=spark.range(1).schema)
    found = [df.columns, df.count(), spark.catalog.getTable("cases_created").tableType]
    spark.sql("DROP TABLE cases_created")
    return found


@case
def create_external_table_by_catalog(spark, tmp):
    spark.sql("DROP TABLE IF EXISTS cases_created_ext")
    spark.range(3).write.parquet(str(tmp / "x"))
    df = spark.catalog.createTable("cases_created_ext", path=str(tmp / "x"), source="parquet")
    found = [df.count(), spark.catalog.getTable("cases_created_ext").tableType]
    spark.sql("DROP TABLE cases_created_ext")
    return found


@case
def drop_temp_view(spark, tmp):
    spark.range(1).createOrReplaceTempView("cases_dropped")
    return [spark.catalog.dropTempView("cases_dropped"), spark.catalog.dropTempView("cases_dropped")]


@case
def cache_table(spark, tmp):
    spark.range(5).createOrReplaceTempView("cases_cached")
    c = spark.catalog
    c.cacheTable("cases_cached")
    found = [c.isCached("cases_cached"), spark.table("cases_cached").count()]
    c.uncacheTable("cases_cached")
    found.append(c.isCached("cases_cached"))
    c.clearCache()
    return found


@case
def refresh(spark, tmp):
    spark.range(2).write.parquet(str(tmp / "r"))
    spark.catalog.refreshByPath(str(tmp / "r"))
    spark.range(1).createOrReplaceTempView("cases_refreshed")
    spark.catalog.refreshTable("cases_refreshed")
    return spark.read.parquet(str(tmp / "r")).count()


@case
def list_catalogs(spark, tmp):
    return [c.name for c in spark.catalog.listCatalogs()]


@case
def conf_get_set_unset(spark, tmp):
    spark.conf.set("spark.sql.shuffle.partitions", 7)
    found = [spark.conf.get("spark.sql.shuffle.partitions"), spark.conf.get("my.key", "fallback"), spark.conf.get("my.key", None)]
    spark.conf.set("my.key", "mine")
    found.append(spark.conf.get("my.key"))
    spark.conf.unset("my.key")
    spark.conf.unset("spark.sql.shuffle.partitions")
    return found + [spark.conf.get("my.key", "gone"), spark.conf.get("spark.sql.shuffle.partitions")]


@case
def conf_defaults(spark, tmp):
    return [spark.conf.get(k) for k in ("spark.sql.ansi.enabled", "spark.sql.caseSensitive", "spark.sql.sources.default", "spark.sql.session.timeZone")[:3]]


@case
def conf_not_there(spark, tmp):
    return spark.conf.get("no.such.key")


@case
def conf_bad_value(spark, tmp):
    spark.conf.set("spark.sql.shuffle.partitions", "many")


@case
def conf_static(spark, tmp):
    spark.conf.set("spark.sql.warehouse.dir", "/elsewhere")


@case
def conf_is_modifiable(spark, tmp):
    return [spark.conf.isModifiable("spark.sql.shuffle.partitions"), spark.conf.isModifiable("spark.sql.warehouse.dir"), spark.conf.isModifiable("no.such.key")]


@case
def conf_all(spark, tmp):
    spark.conf.set("spark.sql.shuffle.partitions", "11")
    return spark.conf.getAll["spark.sql.shuffle.partitions"]


@case
def conf_time_zone(spark, tmp):
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    return spark.sql("SELECT CAST(TIMESTAMP '2024-01-01 00:00:00 UTC' AS STRING) AS t")


@case
def conf_bad_time_zone(spark, tmp):
    spark.conf.set("spark.sql.session.timeZone", "Mars/Phobos")
