// Sessions over a warehouse on disk: configuration, views, errors, and writers as Spark Connect
// asks for them.
#include "session/session.h"

#include <filesystem>
#include <fstream>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/cast.h"
#include "eval/zone.h"
#include "session/warehouse.h"

namespace weir::session {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir_session_" + base::uuid(random_));
    std::filesystem::create_directories(folder_);
    engine_ = relational::DuckEngine::open({}).value();
    warehouse_ =
        Warehouse::open({*fs_, clock_, random_, *engine_, 2}, (folder_ / "w").string()).value();
    session_ = Session::create(warehouse_, "one").value();
  }
  void TearDown() override {
    session_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Rows as texts, or the error as one.
  std::vector<std::string> run(Session& session, const std::string& text) {
    auto result = session.sql(text, {});
    if (!result.ok()) return {result.error().to_string()};
    std::vector<std::string> rows;
    if (!result->plan) {
      for (const auto& batch : result->rows)
        append(result->schema, *batch, rows);
      return rows;
    }
    auto stream = session.run(result->plan);
    if (!stream.ok()) return {stream.error().to_string()};
    while (true) {
      auto batch = (*stream)->next({});
      if (!batch.ok()) return {batch.error().to_string()};
      if (!*batch) return rows;
      append((*stream)->schema(), **batch, rows);
    }
  }
  std::vector<std::string> run(const std::string& text) { return run(*session_, text); }

  static void append(const columnar::Schema& schema, const arrow::RecordBatch& batch,
                     std::vector<std::string>& rows) {
    auto zone = eval::Zone::find("UTC").value();
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string text;
      for (int i = 0; i < batch.num_columns(); ++i) {
        if (i > 0) text += "|";
        if (batch.column(i)->IsNull(row)) {
          text += "NULL";
        } else {
          eval::append_text(schema.fields()[static_cast<size_t>(i)].type(), *batch.column(i), row,
                            zone, true, text);
        }
      }
      rows.push_back(text);
    }
  }

  plan::PlanPtr query(const std::string& text) { return session_->parse(text).value(); }
  Result<void> save(WriteRequest request) { return session_->write(request, {}); }
  std::string path(const std::string& name) { return (folder_ / name).string(); }
  std::vector<std::string> files(const std::string& name) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path(name)))
      if (entry.is_regular_file())
        names.push_back(std::filesystem::relative(entry.path(), path(name)).string());
    std::sort(names.begin(), names.end());
    return names;
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  base::SystemClock clock_;
  base::SystemRandom random_;
  std::unique_ptr<relational::DuckEngine> engine_;
  std::shared_ptr<Warehouse> warehouse_;
  std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, QueriesAndTheirErrors) {
  EXPECT_THAT(run("SELECT 1 + 1, upper('a') AS u, NULL"), ElementsAre("2|A|NULL"));
  EXPECT_THAT(run("SELECT 1/0")[0],
              HasSubstr("== SQL (line 1, position 8) ==\nSELECT 1/0\n       ^^^"));
  EXPECT_THAT(run("SELECT * FROM nothing")[0], HasSubstr("[TABLE_OR_VIEW_NOT_FOUND]"));
  EXPECT_THAT(run("SELECT * FROM orc.`/tmp/x`")[0], HasSubstr("[UNSUPPORTED_FEATURE]"));
  EXPECT_THAT(run("SELECT sum(id) FROM range(10) WHERE id > 7"), ElementsAre("17"));
}

TEST_F(SessionTest, NestedValuesComeBackFromParquet) {
  run("CREATE TABLE n USING parquet AS SELECT * FROM VALUES (map(1, 'a'), array(1, 2), "
      "named_struct('x', 5)) AS t(m, a, s)");
  EXPECT_THAT(run("SELECT * FROM n"), ElementsAre("{1 -> a}|[1, 2]|{5}"));
}

TEST_F(SessionTest, GroupingSetsThatLeaveKeysOut) {
  const std::string from =
      "FROM VALUES (1, 'x', 10), (1, 'y', 20), (2, 'x', 30) AS t(a, b, v) GROUP BY a, b GROUPING "
      "SETS";
  EXPECT_THAT(run("SELECT a, b, sum(v), grouping_id() " + from + " ((a)) ORDER BY a"),
              ElementsAre("1|NULL|30|1", "2|NULL|30|1"));
  EXPECT_THAT(run("SELECT a, b, sum(v), grouping_id() " + from + " (())"),
              ElementsAre("NULL|NULL|60|3"));
}

TEST_F(SessionTest, OrdersOfWindowsAndListsAreKeptApart) {
  EXPECT_THAT(run("SELECT row_number() OVER (ORDER BY a), row_number() OVER (ORDER BY a DESC) FROM "
                  "VALUES (1), (2) AS t(a) ORDER BY a"),
              ElementsAre("1|2", "2|1"));
  EXPECT_THAT(
      run("SELECT listagg(a) WITHIN GROUP (ORDER BY a), listagg(a) WITHIN GROUP (ORDER BY a "
          "DESC) FROM VALUES ('x'), ('y') AS t(a)"),
      ElementsAre("xy|yx"));
}

TEST_F(SessionTest, ViewsFollowTheirTablesAsTheirModeSays) {
  run("CREATE TABLE b(c1 INT, c2 INT) USING parquet");
  run("CREATE VIEW v WITH SCHEMA EVOLUTION AS SELECT * FROM b");
  run("CREATE VIEW w(x, y) WITH SCHEMA TYPE EVOLUTION AS SELECT * FROM b");
  run("CREATE VIEW k AS SELECT * FROM b");
  run("DROP TABLE b");
  run("CREATE TABLE b(c2 STRING, c1 DOUBLE, c3 DATE) USING parquet");
  run("INSERT INTO b VALUES ('7', 1.5, DATE'2022-01-01')");
  EXPECT_THAT(run("SELECT * FROM v"), ElementsAre("7|1.5|2022-01-01"));
  EXPECT_THAT(run("SELECT x, y FROM w"), ElementsAre("1.5|7"));
  EXPECT_THAT(run("SELECT c1, c2 FROM k"), ElementsAre("1|7"));
  run("DROP TABLE b");
  run("CREATE TABLE b(c1 INT) USING parquet");
  EXPECT_THAT(run("SELECT * FROM v"), ElementsAre());
  EXPECT_THAT(run("SELECT * FROM w")[0], HasSubstr("[INCOMPATIBLE_VIEW_SCHEMA_CHANGE]"));
  run("ALTER VIEW k WITH SCHEMA EVOLUTION");
  EXPECT_THAT(run("SELECT * FROM k"), ElementsAre());
}

TEST_F(SessionTest, CommentsAndPropertiesOfDatabases) {
  run("CREATE DATABASE d");
  run("COMMENT ON SCHEMA d IS 'of tests'");
  run("ALTER DATABASE d SET DBPROPERTIES (a = 'b')");
  EXPECT_THAT(run("DESCRIBE DATABASE EXTENDED d"),
              testing::IsSupersetOf({"Comment|of tests", "Properties|((a,b))"}));
  run("CREATE TABLE c(x INT) USING parquet");
  run("COMMENT ON TABLE c IS 'rows'");
  EXPECT_THAT(run("DESCRIBE EXTENDED c"), Contains(HasSubstr("Comment|rows")));
}

TEST_F(SessionTest, NamesInDoubleQuotes) {
  run("SET spark.sql.ansi.doubleQuotedIdentifiers = true");
  EXPECT_THAT(run("SELECT \"a b\" FROM VALUES (1) AS t(\"a b\")"), ElementsAre("1"));
}

TEST_F(SessionTest, TemporaryViewsOverNothing) {
  run("CREATE TEMPORARY VIEW e(a INT, b STRING) USING parquet");
  EXPECT_THAT(run("SELECT * FROM e"), ElementsAre());
}

TEST_F(SessionTest, CachedResultsAreHeldUntilTheirTablesChange) {
  run("CREATE TABLE c USING delta AS SELECT id FROM range(3)");
  run("CACHE TABLE r AS SELECT id, rand() AS x FROM c");
  const auto first = run("SELECT x FROM r ORDER BY id");
  EXPECT_EQ(first.size(), 3u);
  EXPECT_GT(warehouse_->cache_budget().used(), 0);
  EXPECT_EQ(run("SELECT x FROM r ORDER BY id"), first);
  run("INSERT INTO c VALUES (7)");
  EXPECT_EQ(run("SELECT x FROM r ORDER BY id").size(), 4u);
  run("UNCACHE TABLE IF EXISTS c");
  run("CLEAR CACHE");
  EXPECT_EQ(warehouse_->cache_budget().used(), 0);
  EXPECT_THAT(run("UNCACHE TABLE nothing")[0], HasSubstr("[TABLE_OR_VIEW_NOT_FOUND]"));
}

TEST_F(SessionTest, WhatDoesNotFitIsNotCached) {
  Services services = warehouse_->services();
  services.cache_bytes = 1000;
  const auto small = Warehouse::open(services, (folder_ / "s").string()).value();
  const auto session = Session::create(small, "two").value();
  EXPECT_THAT(run(*session, "CACHE TABLE big AS SELECT id FROM range(100000)")[0],
              HasSubstr("[UNSUPPORTED_FEATURE]"));
  EXPECT_THAT(run(*session, "SELECT count(*) FROM big"), ElementsAre("100000"));
  run(*session, "CACHE LAZY TABLE big");
  EXPECT_THAT(run(*session, "SELECT count(*) FROM big"), ElementsAre("100000"));
  EXPECT_EQ(small->cache_budget().used(), 0);
}

TEST_F(SessionTest, ARunThatFailsLeavesTheRoomOfTheCacheAsItWas) {
  run("CACHE LAZY TABLE f AS SELECT id, assert_true(id < 900000) AS good FROM range(1000000)");
  for (int i = 0; i < 2; ++i)
    EXPECT_THAT(run("SELECT count(good) FROM f")[0], HasSubstr("[USER_RAISED_EXCEPTION]"));
  EXPECT_EQ(warehouse_->cache_budget().used(), 0);
}

TEST_F(SessionTest, SumsThatOutgrowTheirType) {
  const std::string wide =
      "FROM VALUES (98765432109876543210987654321098765432BD), "
      "(98765432109876543210987654321098765432BD) AS t(v)";
  EXPECT_THAT(run("SELECT try_sum(v), try_avg(v) " + wide), ElementsAre("NULL|NULL"));
  EXPECT_THAT(run("SELECT sum(v) " + wide)[0], HasSubstr("[ARITHMETIC_OVERFLOW]"));
  const std::string months =
      "FROM VALUES (interval '2147483647 months'), (interval '1 months') AS "
      "t(v)";
  EXPECT_THAT(run("SELECT try_sum(v), try_avg(v) " + months), ElementsAre("NULL|NULL"));
  EXPECT_THAT(run("SELECT sum(v) " + months)[0], HasSubstr("INTERVAL_ARITHMETIC_OVERFLOW"));
}

TEST_F(SessionTest, OuterJoinsWithSubqueriesInTheirConditions) {
  const std::string l = "(VALUES (1), (2), (3)) AS l(x)", r = "(VALUES (2), (3)) AS r(y)";
  EXPECT_THAT(
      run("SELECT * FROM " + l + " LEFT JOIN " + r + " ON x = y AND x IN (SELECT 3) ORDER BY x"),
      ElementsAre("1|NULL", "2|NULL", "3|3"));
  EXPECT_THAT(run("SELECT * FROM " + l + " LEFT ANTI JOIN " + r +
                  " ON x = y AND y NOT IN (SELECT 3) ORDER BY x"),
              ElementsAre("1", "3"));
  EXPECT_THAT(run("SELECT * FROM " + l + " LEFT JOIN (SELECT y, coalesce(z, 7) AS w FROM " + r +
                  " LEFT JOIN (SELECT 3 AS z) s ON y = z) ON x = y ORDER BY x"),
              ElementsAre("1|NULL|NULL", "2|2|7", "3|3|3"));
}

TEST_F(SessionTest, Configuration) {
  EXPECT_EQ(session_->get("spark.sql.shuffle.partitions"), "200");
  EXPECT_EQ(session_->get("spark.sql.no.such.key"), std::nullopt);
  EXPECT_TRUE(session_->set("spark.sql.no.such.key", "kept").ok());
  EXPECT_EQ(session_->get("spark.sql.no.such.key"), "kept");
  EXPECT_EQ(session_->set("spark.sql.warehouse.dir", "/x").error().error_class(),
            "CANNOT_MODIFY_STATIC_CONFIG");
  EXPECT_EQ(session_->set("spark.sql.ansi.enabled", "maybe").error().error_class(),
            "INVALID_CONF_VALUE.TYPE_MISMATCH");
  EXPECT_EQ(session_->set("spark.sql.session.timeZone", "Mars/Base").error().error_class(),
            "INVALID_CONF_VALUE.TIME_ZONE");
  EXPECT_EQ(session_->set("spark.sql.transposeMaxValues", "many").error().error_class(),
            "INVALID_CONF_VALUE.TYPE_MISMATCH");
  EXPECT_EQ(
      session_->set("spark.sql.streaming.multipleWatermarkPolicy", "first").error().error_class(),
      "INVALID_CONF_VALUE.REQUIREMENT");
  EXPECT_TRUE(session_->set("spark.sql.streaming.multipleWatermarkPolicy", "MAX").ok());
  EXPECT_TRUE(session_->modifiable("spark.sql.ansi.enabled"));
  EXPECT_FALSE(session_->modifiable("spark.sql.warehouse.dir"));
  EXPECT_THAT(run("SET spark.sql.ansi.enabled = false"),
              ElementsAre("spark.sql.ansi.enabled|false"));
  EXPECT_THAT(run("SELECT CAST('x' AS INT)"), ElementsAre("NULL"));
  session_->unset("spark.sql.ansi.enabled");
  EXPECT_THAT(run("SELECT CAST('x' AS INT)")[0], HasSubstr("[CAST_INVALID_INPUT]"));
}

TEST_F(SessionTest, TemporaryViewsAreTheSessionsAndGlobalOnesTheProcesss) {
  auto other = Session::create(warehouse_, "two").value();
  ASSERT_TRUE(session_->create_temp_view("v", query("SELECT 1 AS a"), true, false).ok());
  ASSERT_TRUE(session_->create_temp_view("g", query("SELECT 2 AS a"), true, true).ok());
  // A DataFrame's view may stand on the one it replaces.
  ASSERT_TRUE(
      session_->create_temp_view("v", query("SELECT a + 10 AS a FROM v"), true, false).ok());
  EXPECT_THAT(run("SELECT a FROM V"), ElementsAre("11"));
  EXPECT_THAT(run(*other, "SELECT a FROM global_temp.g"), ElementsAre("2"));
  EXPECT_THAT(run(*other, "SELECT a FROM v")[0], HasSubstr("[TABLE_OR_VIEW_NOT_FOUND]"));
  EXPECT_EQ(session_->create_temp_view("v", query("SELECT 1"), false, false).error().error_class(),
            "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS");
  EXPECT_TRUE(session_->drop_temp_view("v", false));
  EXPECT_FALSE(session_->drop_temp_view("v", false));
}

TEST_F(SessionTest, ATemporaryViewSeesTheNewestStateOfADeltaTable) {
  run("CREATE TABLE t AS SELECT 1 AS a");
  run("CREATE TEMP VIEW v AS SELECT count(*) AS n FROM t");
  run("CREATE TEMP VIEW old AS SELECT count(*) AS n FROM t VERSION AS OF 0");
  run("INSERT INTO t VALUES (2)");
  EXPECT_THAT(run("SELECT * FROM v"), ElementsAre("2"));
  EXPECT_THAT(run("SELECT * FROM old"), ElementsAre("1"));
}

TEST_F(SessionTest, KeptRelations) {
  session_->keep("batch", session_->analyze(query("SELECT 5 AS x")).value());
  const auto plan = plan::make_plan(plan::CachedRelation{"batch"});
  EXPECT_TRUE(session_->analyze(plan).ok());
  session_->forget("batch");
  EXPECT_FALSE(session_->analyze(plan).ok());
}

TEST_F(SessionTest, FilesAreNamedAndLaidOutAsSparkDoes) {
  WriteRequest request;
  request.plan = query("SELECT id, CAST(id % 2 AS STRING) AS p FROM range(4)");
  request.format = "parquet";
  request.path = path("out");
  ASSERT_TRUE(save(request).ok());
  EXPECT_THAT(
      files("out"),
      ElementsAre("_SUCCESS", testing::MatchesRegex("part-00000-.*-c000\\.snappy\\.parquet")));
  EXPECT_EQ(save(request).error().error_class(), "PATH_ALREADY_EXISTS");
  request.mode = SaveMode::kIgnore;
  EXPECT_TRUE(save(request).ok());
  request.mode = SaveMode::kAppend;
  ASSERT_TRUE(save(request).ok());
  EXPECT_THAT(run("SELECT count(*) FROM parquet.`" + path("out") + "`"), ElementsAre("8"));
  request.mode = SaveMode::kOverwrite;
  request.partition_by = {"p"};
  ASSERT_TRUE(save(request).ok());
  EXPECT_THAT(
      files("out"),
      ElementsAre("_SUCCESS", testing::MatchesRegex("p=0/part-00000-.*\\.c000\\.snappy\\.parquet"),
                  testing::MatchesRegex("p=1/part-00000-.*\\.c000\\.snappy\\.parquet")));
  EXPECT_THAT(run("SELECT p, count(*) FROM parquet.`" + path("out") + "` GROUP BY p ORDER BY p"),
              ElementsAre("0|2", "1|2"));
}

TEST_F(SessionTest, TextFilesComeBackAsTheyWent) {
  for (const char* format : {"json", "csv"}) {
    WriteRequest request;
    request.plan = query(
        "SELECT * FROM VALUES (1, 'a,\"b\"', TIMESTAMP'2024-01-02T03:04:05.678Z'), "
        "(2, NULL, NULL) AS t(id, s, at)");
    request.format = format;
    request.path = path(format);
    request.options = {{"header", "true"}, {"compression", "gzip"}};
    const auto saved = save(request);
    ASSERT_TRUE(saved.ok()) << saved.error().to_string();
    plan::DataSource source;
    source.format = format;
    source.paths = {path(format)};
    source.options = {{"header", "true"}};
    source.schema = columnar::parse_ddl_schema("id INT, s STRING, at TIMESTAMP").value();
    const auto read = plan::make_plan(source);
    ASSERT_TRUE(session_->create_temp_view("back", read, true, false).ok());
    EXPECT_THAT(run("SELECT * FROM back ORDER BY id"),
                ElementsAre("1|a,\"b\"|2024-01-02 03:04:05.678", "2|NULL|NULL"))
        << format;
  }
}

TEST_F(SessionTest, DeltaTablesByPath) {
  WriteRequest request;
  request.plan = query("SELECT 1 AS a, 'x' AS p");
  request.format = "delta";
  request.path = path("d");
  request.partition_by = {"p"};
  ASSERT_TRUE(save(request).ok());
  EXPECT_EQ(save(request).error().error_class(), "DELTA_PATH_EXISTS");
  request.mode = SaveMode::kAppend;
  request.plan = query("SELECT 2 AS a, 'y' AS p, true AS more");
  EXPECT_FALSE(save(request).ok()) << "a column that the table lacks";
  request.options["mergeschema"] = "true";
  ASSERT_TRUE(save(request).ok());
  const std::string all = "SELECT a, p, more FROM delta.`" + path("d") + "` ORDER BY a";
  EXPECT_THAT(run(all), ElementsAre("1|x|NULL", "2|y|true"));
  request.options = {{"replacewhere", "p = 'y'"}};
  request.mode = SaveMode::kOverwrite;
  request.plan = query("SELECT 3 AS a, 'y' AS p, false AS more");
  ASSERT_TRUE(save(request).ok());
  EXPECT_THAT(run(all), ElementsAre("1|x|NULL", "3|y|false"));
  request.plan = query("SELECT 3 AS a, 'z' AS p, false AS more");
  EXPECT_EQ(save(request).error().error_class(), "DELTA_REPLACE_WHERE_MISMATCH");
  request.options = {{"overwriteschema", "true"}};
  request.partition_by = {};
  request.plan = query("SELECT 'new' AS b");
  ASSERT_TRUE(save(request).ok());
  EXPECT_THAT(run("SELECT * FROM delta.`" + path("d") + "`"), ElementsAre("new"));
}

TEST_F(SessionTest, TablesOfTheCatalog) {
  WriteRequest request;
  request.plan = query("SELECT 1 AS a, 'x' AS b");
  request.table = plan::Name{"t"};
  ASSERT_TRUE(save(request).ok());
  EXPECT_EQ(save(request).error().error_class(), "TABLE_OR_VIEW_ALREADY_EXISTS");
  request.mode = SaveMode::kAppend;
  request.plan = query("SELECT 'y' AS b, 2 AS a");
  ASSERT_TRUE(save(request).ok()) << "by name";
  request.insert_into = true;
  request.plan = query("SELECT 3, 'z'");
  ASSERT_TRUE(save(request).ok()) << "by position";
  EXPECT_THAT(run("SELECT * FROM t ORDER BY a"), ElementsAre("1|x", "2|y", "3|z"));

  WriteRequest to;  // writeTo
  to.plan = query("SELECT 7 AS a");
  to.table = plan::Name{"u"};
  to.create = true;
  ASSERT_TRUE(save(to).ok());
  EXPECT_EQ(save(to).error().error_class(), "TABLE_OR_VIEW_ALREADY_EXISTS");
  to.replace = true;
  to.plan = query("SELECT 'seven' AS b");
  ASSERT_TRUE(save(to).ok());
  EXPECT_THAT(run("SELECT * FROM u"), ElementsAre("seven"));
}

TEST_F(SessionTest, ATableOfFilesIsOverwrittenWholeOrNotAtAll) {
  run("CREATE TABLE o USING parquet AS SELECT id FROM range(3)");
  const auto overwrite = [&](const std::string& text, const std::string& folder = {}) {
    WriteRequest request;
    request.plan = query(text);
    request.format = "parquet";
    request.mode = SaveMode::kOverwrite;
    request.table = plan::Name{"o"};
    if (!folder.empty()) request.path = folder;
    return save(std::move(request));
  };
  const auto first = files("w/o");
  const auto failed = overwrite("SELECT raise_error('no') AS id FROM o");
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.error().to_string(), HasSubstr("USER_RAISED_EXCEPTION"));
  EXPECT_EQ(files("w/o"), first);
  EXPECT_THAT(run("SELECT sum(id) FROM o"), ElementsAre("3"));
  // Of itself, and with other columns.
  ASSERT_TRUE(overwrite("SELECT id + 10 AS id, 'x' AS t FROM o").ok());
  EXPECT_THAT(run("SELECT sum(id), max(t) FROM o"), ElementsAre("33|x"));
  EXPECT_THAT(files("w/o"), testing::SizeIs(2));  // with _SUCCESS
  // Elsewhere: the folder of before goes with the entry.
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(overwrite("SELECT id FROM range(5)", path("there")).ok());
    EXPECT_THAT(run("SELECT count(*) FROM o"), ElementsAre("5"));
    EXPECT_FALSE(std::filesystem::exists(path("w/o")));
  }
  ASSERT_TRUE(overwrite("SELECT id FROM o LIMIT 1").ok());
  EXPECT_THAT(run("SELECT count(*) FROM o"), ElementsAre("1"));
  EXPECT_TRUE(std::filesystem::exists(path("w/o")));
  EXPECT_THAT(files("there"), testing::SizeIs(2));
}

TEST_F(SessionTest, WhatFillsACacheIsStoppedWithItsQuery) {
  const auto plan = session_->analyze(query("SELECT sum(id) FROM range(1000)")).value();
  ASSERT_TRUE(session_->cache(plan, false, {}).ok());
  std::stop_source stop;
  stop.request_stop();
  auto stream = session_->run(plan).value();
  const auto batch = stream->next(stop.get_token());
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(batch.error().kind(), base::ErrorKind::kCancelled);
  EXPECT_THAT(run("SELECT sum(id) FROM range(1000)"), ElementsAre("499500"));
  EXPECT_GT(warehouse_->cache_budget().used(), 0);
}

TEST_F(SessionTest, RowsNameTheirFiles) {
  run("CREATE TABLE d USING delta AS SELECT id AS a FROM range(3)");
  run("CREATE TABLE p USING parquet AS SELECT id AS a FROM range(3)");
  std::filesystem::create_directories(folder_ / "x y");
  std::ofstream(folder_ / "x y" / "f 1.txt") << "hello\n";
  const auto text = "text.`" + path("x y") + "`";
  EXPECT_THAT(run("SELECT * FROM " + text), ElementsAre("hello"));
  EXPECT_THAT(run("SELECT input_file_name(), input_file_block_start(), "
                  "input_file_block_length() FROM " +
                  text),
              ElementsAre("file://" + path("x%20y/f%201.txt") + "|0|6"));
  EXPECT_THAT(
      run("SELECT _metadata.file_path, _metadata.file_name, _metadata.file_size FROM " + text),
      ElementsAre("file:" + path("x%20y/f%201.txt") + "|f%201.txt|6"));
  for (const std::string table : {"d", "p"}) {
    EXPECT_THAT(run("SELECT count(*), count(DISTINCT _metadata.file_name), "
                    "min(_metadata.file_size) > 0 FROM " +
                    table),
                ElementsAre("3|1|true"));
    EXPECT_THAT(run("SELECT count(*) FROM " + table + " WHERE _metadata.file_name = 'none'"),
                ElementsAre("0"));
    EXPECT_THAT(run("SELECT * FROM " + table + " x JOIN " + table +
                    " y USING (a) WHERE x._metadata.file_name = y._metadata.file_name AND a = 1"),
                ElementsAre("1"));
    EXPECT_THAT(run("SELECT t.* FROM " + table + " t WHERE a = 2"), ElementsAre("2"));
    // Through projections and filters; not through what brings rows of several files together.
    EXPECT_THAT(run("SELECT b, input_file_name() LIKE 'file:///%parquet' FROM (SELECT a + 1 AS b "
                    "FROM " +
                    table + ") WHERE b = 2 AND input_file_name() <> ''"),
                ElementsAre("2|true"));
    EXPECT_THAT(run("SELECT input_file_name() FROM (SELECT a FROM " + table + " GROUP BY a)"),
                ElementsAre(HasSubstr("UNSUPPORTED_FEATURE")));
    EXPECT_THAT(run("TABLE " + table + " UNION SELECT 2"), testing::SizeIs(3));
  }
  EXPECT_THAT(run("SELECT input_file_name() FROM d JOIN p ON d.a = p.a"),
              ElementsAre(HasSubstr("MULTI_SOURCES_UNSUPPORTED_FOR_EXPRESSION")));
  EXPECT_THAT(run("SELECT input_file_name(), input_file_block_start()"), ElementsAre("|-1"));
}

TEST_F(SessionTest, ASessionThatIsClosedStopsWhatItWrites) {
  std::stop_source stop;
  stop.request_stop();
  WriteRequest request;
  request.plan = query("SELECT id FROM range(1000000)");
  request.format = "parquet";
  request.path = path("out");
  const auto saved = session_->write(request, stop.get_token());
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().kind(), base::ErrorKind::kCancelled);
  EXPECT_TRUE(files("out").empty());
}

}  // namespace
}  // namespace weir::session
