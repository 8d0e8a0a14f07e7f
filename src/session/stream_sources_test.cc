// Streaming tables as a session opens them: rows by their sources, options and errors as Spark's.
#include "session/stream_sources.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/random.h"
#include "relational/duck_engine.h"
#include "session/session.h"

namespace weir::session {
namespace {

using columnar::DataType;
using columnar::TypeKind;
using testing::ElementsAre;
using testing::HasSubstr;

// The table of a plan that reads one; a projection over it hides `_metadata`.
plan::TablePtr scanned_table(const plan::Operator& node) {
  if (const auto* scan = std::get_if<plan::op::Scan>(&node.node)) return scan->table;
  return scanned_table(*plan::children_of(node).front());
}

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
    return std::dynamic_pointer_cast<const StreamTable>(scanned_table(*analyzed));
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
    return rows_between(*source, from, source->latest_offset(from, false).value().end);
  }
  std::vector<std::string> rows_between(source::Source& source, const std::string& from,
                                        const std::string& end) {
    std::vector<std::string> names;
    for (const auto& field : source.schema().fields())
      if (field.name != "_metadata") names.push_back(field.name);
    std::vector<std::string> rows;
    auto planned = source.plan(from, end, names);
    if (!planned.ok()) return {planned.error().to_string()};
    for (auto& reader : *planned) {
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

  // A source of the table t and what it gives batch by batch.
  struct Stream {
    std::unique_ptr<source::Source> source;
    std::string at;
  };
  Stream stream_of(const std::string& table, plan::Options options, const std::string& folder) {
    plan::NamedTable named;
    named.name = {table};
    named.streaming = true;
    named.options = std::move(options);
    auto opened = open(plan::make_plan(std::move(named)));
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    Stream stream{(*opened)->make_source().value(), {}};
    EXPECT_TRUE(stream.source->open(path(folder)).ok());
    auto first = stream.source->initial_offset();
    EXPECT_TRUE(first.ok()) << first.error().to_string();
    stream.at = *first;
    return stream;
  }
  std::vector<std::string> next(Stream& stream) {
    const auto latest = stream.source->latest_offset(stream.at, false);
    if (!latest.ok()) return {latest.error().to_string()};
    if (latest->end == stream.at) return {"nothing new"};
    auto rows = rows_between(*stream.source, stream.at, latest->end);
    std::sort(rows.begin(), rows.end());
    stream.at = latest->end;
    EXPECT_TRUE(stream.source->commit(stream.at).ok());
    return rows;
  }
  void sql(const std::string& text) {
    const auto done = session_->sql(text, {});
    EXPECT_TRUE(done.ok()) << done.error().to_string();
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
      HasSubstr("sourceArchiveDir"));
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
  const auto stream = std::dynamic_pointer_cast<const StreamTable>(scanned_table(**analyzed));
  EXPECT_THAT(rows_of(*stream), ElementsAre("1|a"));
}

TEST_F(StreamSourcesTest, DeltaGivesTheStateAndThenTheCommits) {
  sql("CREATE TABLE t (id INT, name STRING)");
  sql("INSERT INTO t VALUES (1, 'a')");
  sql("INSERT INTO t VALUES (2, 'b')");
  auto stream = stream_of("t", {}, "c1");
  EXPECT_THAT(next(stream), ElementsAre("1|a", "2|b"));
  EXPECT_THAT(stream.at,
              HasSubstr("\"reservoirVersion\":3,\"index\":-1,\"isStartingVersion\":false"));
  EXPECT_THAT(next(stream), ElementsAre("nothing new"));
  sql("INSERT INTO t VALUES (3, 'c')");
  sql("INSERT INTO t VALUES (4, 'd')");
  // The same again by a source that starts there.
  auto again = stream_of("t", {}, "c1");
  again.at = stream.at;
  EXPECT_THAT(next(stream), ElementsAre("3|c", "4|d"));
  EXPECT_THAT(next(again), ElementsAre("3|c", "4|d"));
  EXPECT_EQ(again.at, stream.at);
}

TEST_F(StreamSourcesTest, DeltaRespectsLimits) {
  sql("CREATE TABLE t (id INT)");
  for (const char* id : {"1", "2", "3"})
    sql(std::string("INSERT INTO t VALUES (") + id + ")");
  auto stream = stream_of("t", {{"maxfilespertrigger", "2"}}, "c2");
  EXPECT_EQ(next(stream).size(), 2U);
  EXPECT_THAT(stream.at,
              HasSubstr("\"reservoirVersion\":3,\"index\":1,\"isStartingVersion\":true"));
  // A restart in the middle of the first state, which has changed since.
  sql("INSERT INTO t VALUES (4)");
  auto again = stream_of("t", {{"maxfilespertrigger", "2"}}, "c2");
  again.at = stream.at;
  EXPECT_EQ(next(again).size(), 1U);
  EXPECT_THAT(next(again), ElementsAre("4"));
  auto bytes = stream_of("t", {{"maxbytespertrigger", "1"}}, "c3");
  EXPECT_EQ(next(bytes).size(), 1U);
}

TEST_F(StreamSourcesTest, DeltaStartsWhereItIsTold) {
  sql("CREATE TABLE t (id INT)");
  sql("INSERT INTO t VALUES (1)");
  sql("INSERT INTO t VALUES (2)");
  auto second = stream_of("t", {{"startingversion", "2"}}, "c4");
  EXPECT_THAT(next(second), ElementsAre("2"));
  auto latest = stream_of("t", {{"startingversion", "latest"}}, "c5");
  EXPECT_THAT(next(latest), ElementsAre("nothing new"));
  sql("INSERT INTO t VALUES (3)");
  auto restarted = stream_of("t", {{"startingversion", "latest"}}, "c5");  // as decided before
  EXPECT_THAT(next(restarted), ElementsAre("3"));
  auto early = stream_of("t", {{"startingtimestamp", "2001-01-01"}}, "c6");
  EXPECT_THAT(next(early), ElementsAre("1", "2", "3"));
  plan::NamedTable table;
  table.name = {"t"};
  table.streaming = true;
  table.options = {{"startingversion", "1"}, {"startingtimestamp", "2001-01-01"}};
  EXPECT_THAT(refusal(plan::make_plan(table)), HasSubstr("either provide"));
  table.options = {{"readchangefeed", "true"}};
  EXPECT_THAT(refusal(plan::make_plan(table)), HasSubstr("readChangeFeed"));
  EXPECT_THAT(refusal(read("delta", {}, {}, {path("nowhere")})), HasSubstr("is not a Delta table"));
}

TEST_F(StreamSourcesTest, DeltaRefusesChangesUnlessTold) {
  sql("CREATE TABLE t (id INT)");
  sql("INSERT INTO t VALUES (1), (2)");
  auto plain = stream_of("t", {}, "c7");
  auto skipping = stream_of("t", {{"skipchangecommits", "true"}}, "c8");
  auto changing = stream_of("t", {{"ignorechanges", "true"}}, "c9");
  for (Stream* stream : {&plain, &skipping, &changing})
    EXPECT_THAT(next(*stream), ElementsAre("1", "2"));
  sql("INSERT OVERWRITE t VALUES (7)");
  EXPECT_THAT(next(plain).at(0), HasSubstr("Detected a data update"));
  EXPECT_THAT(next(skipping), ElementsAre("nothing new"));
  EXPECT_THAT(next(changing), testing::Contains("7"));
  auto deletes = stream_of("t", {{"ignoredeletes", "true"}}, "c10");
  auto strict = stream_of("t", {}, "c11");
  EXPECT_THAT(next(deletes), ElementsAre("7"));
  EXPECT_THAT(next(strict), ElementsAre("7"));
  std::ofstream(warehouse_->managed_location("default", "t").value() +
                "/_delta_log/00000000000000000003.json")
      << R"({"remove":{"path":"a.parquet","deletionTimestamp":1,"dataChange":true}})"
      << "\n";
  EXPECT_THAT(next(strict).at(0), HasSubstr("Detected deleted data"));
  EXPECT_THAT(next(deletes), ElementsAre("nothing new"));
}

TEST_F(StreamSourcesTest, DeltaPassesOverWhatOnlyRearranges) {
  sql("CREATE TABLE t (id INT)");
  sql("INSERT INTO t VALUES (1)");
  auto stream = stream_of("t", {}, "c13");
  EXPECT_THAT(next(stream), ElementsAre("1"));
  const std::string log = warehouse_->managed_location("default", "t").value() + "/_delta_log/";
  std::ofstream(log + "00000000000000000002.json")
      << R"({"remove":{"path":"a.parquet","deletionTimestamp":1,"dataChange":false}})"
      << "\n"
      << R"({"add":{"path":"b.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":false}})"
      << "\n";
  EXPECT_THAT(next(stream), ElementsAre("nothing new"));
  sql("INSERT INTO t VALUES (2)");
  EXPECT_THAT(next(stream), ElementsAre("2"));
}

TEST_F(StreamSourcesTest, DeltaTellsOfAnotherSchemaAndAnotherTable) {
  sql("CREATE TABLE t (id INT)");
  sql("INSERT INTO t VALUES (1)");
  auto stream = stream_of("t", {}, "c12");
  EXPECT_THAT(next(stream), ElementsAre("1"));
  sql("ALTER TABLE t ADD COLUMN name STRING");
  EXPECT_THAT(next(stream).at(0), HasSubstr("Detected schema change in version 2"));
  auto restarted = stream_of("t", {}, "c12");
  restarted.at = stream.at;
  sql("INSERT INTO t VALUES (2, 'b')");
  EXPECT_THAT(next(restarted), ElementsAre("2|b"));
  sql("CREATE TABLE other (id INT)");
  auto other = stream_of("other", {}, "c12");
  other.at = stream.at;
  EXPECT_THAT(next(other).at(0), HasSubstr("unexpected Delta table"));
}

TEST_F(StreamSourcesTest, RateMicroBatch) {
  const auto table = open(read("rate-micro-batch", {{"rowsperbatch", "3"},
                                                    {"numpartitions", "1"},
                                                    {"starttimestamp", "1000"},
                                                    {"advancemillisperbatch", "50"}}));
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  Stream stream{(*table)->make_source().value(), {}};
  ASSERT_TRUE(stream.source->open(path("rmb")).ok());
  stream.at = stream.source->initial_offset().value();
  EXPECT_EQ(stream.at, R"({"offset":0,"timestamp":1000})");
  EXPECT_THAT(next(stream),
              ElementsAre("1970-01-01 00:00:01.000000Z|0", "1970-01-01 00:00:01.000000Z|1",
                          "1970-01-01 00:00:01.000000Z|2"));
  EXPECT_EQ(stream.at, R"({"offset":3,"timestamp":1050})");
  EXPECT_EQ(next(stream).size(), 3U);
  EXPECT_THAT(refusal(read("rate-micro-batch", {})),
              HasSubstr("The option 'rowsPerBatch' must be positive"));
}

// A server that says a few lines and stays.
class LineServer {
 public:
  explicit LineServer(std::string lines) : lines_(std::move(lines)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    socklen_t size = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] {
      peer_ = ::accept(listener_, nullptr, nullptr);
      EXPECT_EQ(::write(peer_, lines_.data(), lines_.size()), static_cast<ssize_t>(lines_.size()));
    });
  }
  ~LineServer() {
    thread_.join();
    ::close(peer_);
    ::close(listener_);
  }
  int port() const { return port_; }

 private:
  std::string lines_;
  int listener_ = -1;
  int peer_ = -1;
  int port_ = 0;
  std::jthread thread_;
};

TEST_F(StreamSourcesTest, Socket) {
  LineServer server("one\r\ntwo\nth");
  const auto table = open(read("socket", {{"host", "127.0.0.1"},
                                          {"port", std::to_string(server.port())},
                                          {"numpartitions", "1"},
                                          {"includetimestamp", "true"}}));
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  EXPECT_EQ((*table)->schema().fields().size(), 2U);
  Stream stream{(*table)->make_source().value(), "-1"};
  EXPECT_FALSE(stream.source->replayable());
  ASSERT_TRUE(stream.source->open(path("socket")).ok());
  // The lines come when they come.
  while (stream.source->latest_offset("-1", false).value().end != "1")
    std::this_thread::yield();
  const auto rows = next(stream);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[0], testing::StartsWith("one|2020-09-13"));
  EXPECT_THAT(next(stream), ElementsAre("nothing new"));
  EXPECT_THAT(refusal(read("socket", {{"port", "1"}})), HasSubstr("Set a host to read from"));
}

TEST_F(StreamSourcesTest, EventHubs) {
  const auto hub = open(read(
      "eventhubs", {{"eventhubs.connectionstring", "Endpoint=sb://localhost/;EntityPath=events"},
                    {"eventhubs.consumergroup", "$Default"}}));
  ASSERT_TRUE(hub.ok()) << hub.error().to_string();
  EXPECT_EQ((*hub)->schema().fields().at(0).name, "body");
  EXPECT_EQ((*hub)->description(), "EventHubsSource[events]");
  EXPECT_TRUE((*hub)->make_source().ok());
  EXPECT_THAT(refusal(read("eventhubs", {})), HasSubstr("eventhubs.connectionString is missing"));
}

TEST_F(StreamSourcesTest, BatchReadsOfKafka) {
  const auto batch = [&](plan::Options more) {
    more.emplace("kafka.bootstrap.servers", "127.0.0.1:1");
    more.emplace("subscribe", "a");
    plan::DataSource source;
    source.format = "kafka";
    source.options = std::move(more);
    const auto analyzed = session_->analyze(plan::make_plan(std::move(source)));
    if (!analyzed.ok()) return analyzed.error().to_string();
    EXPECT_FALSE((*analyzed)->streaming);
    return scanned_table(**analyzed)->description();
  };
  EXPECT_EQ(batch({}), "kafka [Subscribe[a]]");
  EXPECT_EQ(batch({{"endingoffsets", R"({"a":{"0":5,"1":-1}})"}}), "kafka [Subscribe[a]]");
  EXPECT_THAT(batch({{"startingoffsets", "latest"}}), HasSubstr("can't be latest"));
  EXPECT_THAT(batch({{"endingoffsets", "earliest"}}), HasSubstr("can't be earliest"));
  EXPECT_THAT(batch({{"endingoffsets", R"({"a":{"0":-2}})"}}), HasSubstr("can't be earliest"));
  EXPECT_THAT(batch({{"endingtimestamp", "5"}}), HasSubstr("endingTimestamp"));
}

}  // namespace
}  // namespace weir::session
