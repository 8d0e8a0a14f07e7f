// Streaming tables as a session opens them: rows by their sources, options and errors as Spark's.
#include "session/stream_sources.h"

#include <filesystem>
#include <fstream>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "relational/duck_engine.h"
#include "session/session.h"

namespace weir::session {
namespace {

using columnar::DataType;
using columnar::TypeKind;
using testing::ElementsAre;
using testing::HasSubstr;

class StreamSourcesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir_streams_" + base::uuid(random_));
    std::filesystem::create_directories(folder_ / "in");
    engine_ = relational::DuckEngine::open({}).value();
    warehouse_ =
        Warehouse::open({*fs_, clock_, random_, *engine_, 2}, (folder_ / "w").string()).value();
    session_ = Session::create(warehouse_, "one").value();
  }
  void TearDown() override {
    session_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string path(const std::string& name) { return (folder_ / name).string(); }
  void put(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  static Schema schema_of(const std::string& ddl) {
    return columnar::parse_ddl_schema(ddl).value();
  }

  plan::PlanPtr read(const std::string& format, plan::Options options,
                     std::optional<Schema> schema = {}, std::vector<std::string> paths = {}) {
    plan::DataSource source;
    source.format = format;
    source.options = std::move(options);
    source.schema = std::move(schema);
    source.paths = std::move(paths);
    source.streaming = true;
    return plan::make_plan(std::move(source));
  }
  Result<std::shared_ptr<const StreamTable>> open(const plan::PlanPtr& plan) {
    WEIR_ASSIGN(const auto analyzed, session_->analyze(plan));
    EXPECT_TRUE(analyzed->streaming);
    return std::dynamic_pointer_cast<const StreamTable>(
        std::get<plan::op::Scan>(analyzed->node).table);
  }
  std::string refusal(const plan::PlanPtr& plan) {
    const auto opened = open(plan);
    return opened.ok() ? "opened" : opened.error().to_string();
  }
  // What a first batch of all columns holds.
  std::vector<std::string> rows_of(const StreamTable& table) {
    auto source = table.make_source().value();
    EXPECT_TRUE(source->schema().same_type(table.schema()));
    EXPECT_TRUE(source->open(path("sources" + std::to_string(checkpoints_++))).ok());
    const auto from = source->initial_offset().value();
    const auto latest = source->latest_offset(from, false).value();
    std::vector<std::string> names;
    for (const auto& field : table.schema().fields())
      names.push_back(field.name);
    std::vector<std::string> rows;
    auto readers = source->plan(from, latest.end, names).value();
    for (auto& reader : readers) {
      while (true) {
        auto batch = reader->next({});
        if (!batch.ok()) return {batch.error().to_string()};
        if (*batch == nullptr) break;
        for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
          std::string text;
          for (const auto& column : (*batch)->columns())
            text += (text.empty() ? "" : "|") + column->GetScalar(row).ValueOrDie()->ToString();
          rows.push_back(text);
        }
      }
    }
    return rows;
  }

  int checkpoints_ = 0;
  std::filesystem::path folder_;
  base::SystemRandom random_;
  base::ManualClock clock_;
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  std::unique_ptr<relational::DuckEngine> engine_;
  std::shared_ptr<Warehouse> warehouse_;
  std::unique_ptr<Session> session_;
};

TEST_F(StreamSourcesTest, FilesOfEachFormat) {
  put("in/a.json", "{\"id\":1,\"name\":\"x\"}\n{\"id\":2,\"name\":\"y\"}\n");
  const auto json = open(
      read("json", {{"path", path("in")}, {"colour", "red"}}, schema_of("id INT, name STRING")));
  ASSERT_TRUE(json.ok()) << json.error().to_string();
  EXPECT_EQ((*json)->description(), "FileStreamSource[file:" + path("in") + "]");
  EXPECT_THAT(rows_of(**json), ElementsAre("1|x", "2|y"));

  put("csv/day=2024-01-05/a.csv", "id\n7\n");
  const auto csv =
      open(read("csv", {{"header", "true"}}, schema_of("id INT, day DATE"), {path("csv")}));
  ASSERT_TRUE(csv.ok()) << csv.error().to_string();
  EXPECT_THAT(rows_of(**csv), ElementsAre("7|2024-01-05"));

  put("text/a.txt", "one\ntwo\n");
  const auto text = open(read("text", {}, {}, {"file://" + path("text")}));
  ASSERT_TRUE(text.ok()) << text.error().to_string();
  EXPECT_THAT(rows_of(**text), ElementsAre("one", "two"));
}

TEST_F(StreamSourcesTest, FilesNeedASchemaAndAPath) {
  put("in/a.json", "{\"id\":1}\n");
  EXPECT_THAT(refusal(read("json", {{"path", path("in")}})),
              HasSubstr("Schema must be specified when creating a streaming source DataFrame"));
  EXPECT_THAT(refusal(read("json", {}, schema_of("id INT"))), HasSubstr("'path' is not specified"));
  EXPECT_THAT(refusal(read("json", {}, schema_of("id INT"), {path("a"), path("b")})),
              HasSubstr("Multiple paths are not supported for streaming source"));
  EXPECT_THAT(refusal(read("json", {}, schema_of("id INT"), {path("nowhere")})),
              HasSubstr("Path does not exist: file:" + path("nowhere")));
  EXPECT_THAT(
      refusal(read("json", {{"cleanSource", "archive"}}, schema_of("id INT"), {path("in")})),
      HasSubstr("cleanSource"));
  EXPECT_THAT(refusal(read("orc", {}, schema_of("id INT"), {path("in")})),
              HasSubstr("The feature is not supported"));
  EXPECT_THAT(refusal(read("marten", {}, schema_of("id INT"), {path("in")})),
              HasSubstr("Failed to find the data source: marten"));
  ASSERT_TRUE(session_->set("spark.sql.streaming.schemaInference", "true").ok());
  const auto inferred = open(read("json", {{"path", path("in")}}));
  ASSERT_TRUE(inferred.ok()) << inferred.error().to_string();
  EXPECT_EQ((*inferred)->schema().fields()[0].name, "id");
  EXPECT_TRUE((*inferred)->schema().fields()[0].type().is(TypeKind::kLong));
}

TEST_F(StreamSourcesTest, Rate) {
  const auto rate = open(read("rate", {{"rowspersecond", "3"}, {"numpartitions", "1"}}));
  ASSERT_TRUE(rate.ok()) << rate.error().to_string();
  auto source = (*rate)->make_source().value();
  ASSERT_TRUE(source->open(path("rate")).ok());
  clock_.advance_us(2'000'000);
  EXPECT_EQ(source->latest_offset("0", false).value().end, "2");
  auto readers = source->plan("0", "2", {"value"}).value();
  EXPECT_EQ(readers.at(0)->next({}).value()->num_rows(), 6);
  EXPECT_THAT(refusal(read("rate", {{"rowspersecond", "0"}})), HasSubstr("rowsPerSecond"));
  EXPECT_THAT(refusal(read("rate", {}, schema_of("a INT"))),
              HasSubstr("rate source does not support user-specified schema"));
}

TEST_F(StreamSourcesTest, KafkaColumnsAndOptions) {
  const plan::Options options{{"kafka.bootstrap.servers", "127.0.0.1:1"}, {"subscribe", "a, b"}};
  const auto plain = open(read("kafka", options));
  ASSERT_TRUE(plain.ok()) << plain.error().to_string();
  EXPECT_EQ((*plain)->schema().fields().size(), 7U);
  EXPECT_EQ((*plain)->description(), "KafkaV2[Subscribe[a, b]]");
  auto with_headers = options;
  with_headers["includeheaders"] = "true";
  EXPECT_EQ(open(read("kafka", with_headers)).value()->schema().fields().back().name, "headers");
  auto ending = options;
  ending["endingoffsets"] = "latest";
  EXPECT_THAT(refusal(read("kafka", ending)), HasSubstr("endingOffsets is not valid"));
  EXPECT_THAT(refusal(read("kafka", {{"subscribe", "a"}})), HasSubstr("kafka.bootstrap.servers"));
}

TEST_F(StreamSourcesTest, TemporaryViewsOfStreams) {
  const auto rate = read("rate", {});
  ASSERT_TRUE(session_->create_temp_view("ticks", rate, false, false).ok());
  const auto query = session_->parse("SELECT value FROM ticks WHERE value > 3").value();
  EXPECT_TRUE(session_->analyze(query).value()->streaming);
  plan::NamedTable table;
  table.name = {"ticks"};
  table.streaming = true;
  EXPECT_TRUE(session_->analyze(plan::make_plan(table)).value()->streaming);
  ASSERT_TRUE(session_->sql("CREATE TEMPORARY VIEW plain AS SELECT 1", {}).ok());
  table.name = {"plain"};
  const auto refused = session_->analyze(plan::make_plan(table));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().to_string(),
              HasSubstr("`plain` is not a temp view of streaming logical plan"));
}

TEST_F(StreamSourcesTest, TablesOfFiles) {
  ASSERT_TRUE(session_->sql("CREATE TABLE t (id INT, name STRING) USING parquet", {}).ok());
  ASSERT_TRUE(session_->sql("INSERT INTO t VALUES (1, 'a')", {}).ok());
  plan::NamedTable table;
  table.name = {"t"};
  table.streaming = true;
  const auto analyzed = session_->analyze(plan::make_plan(table));
  ASSERT_TRUE(analyzed.ok()) << analyzed.error().to_string();
  const auto stream = std::dynamic_pointer_cast<const StreamTable>(
      std::get<plan::op::Scan>((*analyzed)->node).table);
  EXPECT_THAT(rows_of(*stream), ElementsAre("1|a"));
}

}  // namespace
}  // namespace weir::session
