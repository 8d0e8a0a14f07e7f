// Queries from and to the formats of readStream and writeStream, over files on disk.
#include <filesystem>
#include <fstream>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relational/duck_engine.h"
#include "session/warehouse.h"
#include "streaming/stream_queries.h"

namespace weir::streaming {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class StreamFormatsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir_formats_" + base::uuid(random_));
    std::filesystem::create_directories(folder_);
    engine_ = relational::DuckEngine::open({}).value();
    warehouse_ = session::Warehouse::open({*fs_, clock_, random_, *engine_, 2}, path("w")).value();
    session_ = session::Session::create(warehouse_, "one").value();
    queries_ = StreamQueries::create({*fs_, clock_, random_}, *session_);
  }
  void TearDown() override {
    queries_.reset();
    session_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string path(const std::string& name) { return (folder_ / name).string(); }
  static plan::PlanPtr read(const std::string& format, plan::Options options,
                            const std::string& ddl = "", const std::string& from = "") {
    plan::DataSource source;
    source.format = format;
    source.options = std::move(options);
    if (!ddl.empty()) source.schema = columnar::parse_ddl_schema(ddl).value();
    if (!from.empty()) source.paths = {from};
    source.streaming = true;
    return plan::make_plan(std::move(source));
  }
  // Everything that is there now, into `format` at `to`.
  Result<void> copy(plan::PlanPtr plan, const std::string& format, const std::string& to,
                    std::vector<std::string> partition_by = {}) {
    StreamWrite write;
    write.plan = std::move(plan);
    write.format = format;
    write.path = path(to);
    write.partition_by = std::move(partition_by);
    write.trigger.kind = stream::Trigger::Kind::kAvailableNow;
    write.options["checkpointlocation"] = path(to + "_checkpoint");
    WEIR_ASSIGN(const auto query, queries_->start(std::move(write)));
    WEIR_TRY(query->wait(std::nullopt, {}));
    return {};
  }
  void sql(const std::string& text) {
    const auto done = session_->sql(text, {});
    EXPECT_TRUE(done.ok()) << done.error().to_string();
  }
  std::vector<std::string> rows(const std::string& text) {
    auto result = session_->sql(text, {});
    if (!result.ok()) return {result.error().to_string()};
    auto stream = session_->run(result->plan);
    if (!stream.ok()) return {stream.error().to_string()};
    std::vector<std::string> all;
    while (true) {
      auto batch = (*stream)->next({});
      if (!batch.ok()) return {batch.error().to_string()};
      if (!*batch) return all;
      for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
        std::string line;
        for (const auto& column : (*batch)->columns())
          line += (line.empty() ? "" : "|") + column->GetScalar(row).ValueOrDie()->ToString();
        all.push_back(line);
      }
    }
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  base::ManualClock clock_;
  base::SystemRandom random_;
  std::unique_ptr<relational::DuckEngine> engine_;
  std::shared_ptr<session::Warehouse> warehouse_;
  std::unique_ptr<session::Session> session_;
  std::unique_ptr<StreamQueries> queries_;
};

TEST_F(StreamFormatsTest, FromDeltaToFilesAndFromThereOn) {
  sql("CREATE TABLE t (id INT, day STRING) USING delta");
  sql("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
  const auto round = [&](const std::string& expected_count) {
    plan::NamedTable table;
    table.name = {"t"};
    table.streaming = true;
    for (const char* format : {"json", "csv", "parquet"}) {
      const std::string to = std::string("out_") + format;
      const auto copied = copy(plan::make_plan(table), format, to, {"day"});
      ASSERT_TRUE(copied.ok()) << format << ": " << copied.error().to_string();
      EXPECT_TRUE(std::filesystem::exists(folder_ / to / "_spark_metadata" / "0"));
      EXPECT_THAT(rows("SELECT count(*) FROM " + std::string(format) + ".`" + path(to) + "`"),
                  ElementsAre(expected_count));
    }
    // A stream of the files that the log names.
    std::ofstream(folder_ / "out_json" / "day=a" / "part-leftover.json") << "{\"id\":77}\n";
    const auto again =
        copy(read("json", {}, "id INT, day STRING", path("out_json")), "delta", "back");
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_THAT(rows("SELECT count(*) FROM delta.`" + path("back") + "`"),
                ElementsAre(expected_count));
  };
  round("2");
  sql("INSERT INTO t VALUES (3, 'a')");
  round("3");
  EXPECT_THAT(rows("SELECT id, day FROM delta.`" + path("back") + "` ORDER BY id"),
              ElementsAre("1|a", "2|b", "3|a"));
}

TEST_F(StreamFormatsTest, TextOfMadeUpRows) {
  const auto made = read("rate-micro-batch", {{"rowsperbatch", "3"}, {"numpartitions", "2"}});
  ASSERT_TRUE(session_->create_temp_view("made", made, true, false).ok());
  const auto text = session_->parse("SELECT CAST(value AS STRING) AS line FROM made").value();
  ASSERT_TRUE(copy(text, "text", "lines").ok());
  ASSERT_TRUE(copy(text, "text", "lines").ok());
  EXPECT_THAT(rows("SELECT value FROM text.`" + path("lines") + "` ORDER BY value"),
              ElementsAre("0", "1", "2", "3", "4", "5"));
}

TEST_F(StreamFormatsTest, RefusalsAtTheStart) {
  const auto made = read("rate-micro-batch", {{"rowsperbatch", "3"}});
  const auto refusal = [&](const std::string& format, plan::Options options,
                           const std::string& mode) -> std::string {
    StreamWrite write;
    write.plan = made;
    write.format = format;
    write.mode = mode;
    write.options = std::move(options);
    write.options["checkpointlocation"] = path("refused");
    const auto query = queries_->start(std::move(write));
    return query.ok() ? "started" : query.error().to_string();
  };
  EXPECT_THAT(refusal("json", {}, "append"), HasSubstr("'path' is not specified"));
  EXPECT_THAT(refusal("json", {{"path", path("x")}, {"retention", "1d"}}, "append"),
              HasSubstr("retention"));
  EXPECT_THAT(refusal("parquet", {{"path", path("x")}}, "update"),
              HasSubstr("not supported in Data Source parquet"));
  EXPECT_THAT(
      refusal("kafka", {{"kafka.bootstrap.servers", "127.0.0.1:1"}, {"topic", "t"}}, "append"),
      HasSubstr("value attribute type must be"));
}

}  // namespace
}  // namespace weir::streaming
