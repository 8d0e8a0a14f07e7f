// include/weir as a program sees it.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/weir.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    std::string name = (std::filesystem::temp_directory_path() / "weir-api-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    std::filesystem::create_directories(folder_ + "/in");
  }
  ~ApiTest() override { std::filesystem::remove_all(folder_); }

  Session open() {
    auto session = Session::open({.warehouse = folder_ + "/warehouse", .threads = 2});
    EXPECT_TRUE(session.ok()) << session.error().to_string();
    return *session;
  }
  void put(const std::string& name, const std::string& lines) {
    std::ofstream(folder_ + "/" + name) << lines;
    std::filesystem::rename(folder_ + "/" + name, folder_ + "/in/" + name);
  }
  DataFrame events(Session& session) {
    return session.read_stream()
        .format("json")
        .schema("k STRING, n BIGINT")
        .load({folder_ + "/in"});
  }
  static std::vector<Row> rows(Session& session, const std::string& text) {
    auto frame = session.sql(text);
    EXPECT_TRUE(frame.ok()) << frame.error().to_string();
    auto collected = frame->collect();
    EXPECT_TRUE(collected.ok()) << collected.error().to_string();
    return collected->rows;
  }

  std::string folder_;
  int checkpoints_ = 0;
};

TEST_F(ApiTest, ValuesOfEveryTypeComeAndGo) {
  auto session = open();
  const auto got =
      rows(session,
           "SELECT true, 1Y, 2S, 3, 4L, 1.5F, 2.5D, 12.340, 'text', X'00FF', DATE'1970-01-03', "
           "TIMESTAMP'1970-01-01 00:00:01Z', array(1, NULL), map('a', 1), named_struct('x', 1, "
           "'y', 'z'), "
           "INTERVAL '2' SECOND, NULL");
  ASSERT_EQ(got.size(), 1U);
  Value::List entries;
  entries.push_back(Value::List{"a", 1});
  EXPECT_THAT(got[0], ElementsAre(Value(true), Value(1), Value(2), Value(3), Value(4), Value(1.5),
                                  Value(2.5), Value("12.340"), Value("text"),
                                  Value(std::string("\0\xff", 2)), Value(2), Value(1'000'000),
                                  Value(Value::List{1, nullptr}), Value(entries),
                                  Value(Value::List{1, "z"}), Value(2'000'000), Value()));
}

TEST_F(ApiTest, AnAppendGoesOnFromItsCheckpoint) {
  put("a", "{\"k\":\"x\",\"n\":1}\n{\"k\":\"y\",\"n\":2}\n");
  const auto run = [&] {
    auto session = open();
    auto query = events(session)
                     .select("k, n + 1 AS n")
                     .write_stream()
                     .format("delta")
                     .option("checkpointLocation", folder_ + "/checkpoint")
                     .trigger(Trigger::available_now())
                     .to_table("t");
    ASSERT_TRUE(query.ok()) << query.error().to_string();
    auto ended = query->await_termination();
    ASSERT_TRUE(ended.ok()) << ended.error().to_string();
    EXPECT_TRUE(*ended);
    EXPECT_FALSE(query->is_active());
  };
  run();
  put("b", "{\"k\":\"z\",\"n\":3}\n");
  run();
  auto session = open();
  EXPECT_THAT(rows(session, "SELECT * FROM t"),
              UnorderedElementsAre(Row{"x", 2}, Row{"y", 3}, Row{"z", 4}));
}

TEST_F(ApiTest, StateByGroup) {
  put("a", "{\"k\":\"x\",\"n\":1}\n{\"k\":\"y\",\"n\":2}\n{\"k\":\"x\",\"n\":3}\n");
  auto session = open();
  GroupStateSpec spec;
  spec.output = "k STRING, total BIGINT, last BOOLEAN";
  spec.state = "total BIGINT";
  const auto sum = [](const Row& key, const std::vector<Row>& rows,
                      GroupState& state) -> Result<std::vector<Row>> {
    int64_t total = state.exists() ? state.get()[0].integer_or(0) : 0;
    for (const Row& row : rows)
      total += row[1].integer_or(0);
    const bool last = total > 5;
    if (last)
      state.remove();
    else
      state.update({total});
    return std::vector<Row>{{key[0], total, last}};
  };
  auto query = events(session)
                   .group_by("k")
                   .flat_map_groups_with_state(spec, sum)
                   .write_stream()
                   .format("memory")
                   .query_name("sums")
                   .output_mode("update")
                   .start();
  ASSERT_TRUE(query.ok()) << query.error().to_string();
  ASSERT_TRUE(query->process_all_available().ok());
  EXPECT_THAT(rows(session, "SELECT * FROM sums"),
              UnorderedElementsAre(Row{"x", 4, false}, Row{"y", 2, false}));
  put("b", "{\"k\":\"x\",\"n\":5}\n");
  ASSERT_TRUE(query->process_all_available().ok());
  put("c", "{\"k\":\"x\",\"n\":1}\n");
  ASSERT_TRUE(query->process_all_available().ok());
  EXPECT_THAT(rows(session, "SELECT * FROM sums WHERE k = 'x'"),
              ElementsAre(Row{"x", 4, false}, Row{"x", 9, true}, Row{"x", 1, false}));
  EXPECT_THAT(*query->last_progress(), HasSubstr("\"numRowsTotal\":2"));
  ASSERT_TRUE(query->stop().ok());
}

TEST_F(ApiTest, WhatAFunctionGivesHasToFit) {
  put("a", "{\"k\":\"x\",\"n\":1}\n");
  auto session = open();
  GroupStateSpec spec;
  spec.output = "k STRING, n INT";
  spec.state = "n BIGINT";
  const auto failure = [&](const MapGroups& function) {
    auto query = events(session)
                     .group_by("k")
                     .map_groups_with_state(spec, function)
                     .write_stream()
                     .format("noop")
                     .output_mode("update")
                     .option("checkpointLocation", folder_ + "/c" + std::to_string(++checkpoints_))
                     .trigger(Trigger::available_now())
                     .start();
    EXPECT_TRUE(query.ok()) << query.error().to_string();
    auto ended = query->await_termination();
    EXPECT_FALSE(ended.ok());
    EXPECT_TRUE(query->exception().has_value());
    return ended.ok() ? std::string() : ended.error().to_string();
  };
  using Rows = std::vector<Row>;
  EXPECT_THAT(failure([](const Row&, const Rows&, GroupState&) -> Result<Row> {
                return Row{"x", int64_t{1} << 40};
              }),
              HasSubstr("the integer 1099511627776 is not a value of type INT"));
  EXPECT_THAT(failure([](const Row&, const Rows&, GroupState& state) -> Result<Row> {
                state.update({"text"});
                return Row{"x", 1};
              }),
              HasSubstr("the state of a group"));
  EXPECT_THAT(failure([](const Row&, const Rows&, GroupState&) -> Result<Row> {
                throw std::runtime_error("out of luck");
              }),
              HasSubstr("out of luck"));
  EXPECT_THAT(failure([](const Row&, const Rows&, GroupState&) -> Result<Row> {
                return Error("NOT_FOUND", "no such device");
              }),
              HasSubstr("no such device"));
}

TEST_F(ApiTest, ForeachBatchGetsRowsAndNumber) {
  put("a", "{\"k\":\"x\",\"n\":1}\n{\"k\":\"y\",\"n\":2}\n");
  auto session = open();
  std::vector<std::pair<int64_t, size_t>> seen;
  auto query = events(session)
                   .write_stream()
                   .foreach_batch([&](const DataFrame& rows, int64_t batch) -> Result<void> {
                     auto all = rows.where("n > 1").collect();
                     if (!all.ok()) return all.error();
                     seen.emplace_back(batch, all->rows.size());
                     return {};
                   })
                   .trigger(Trigger::available_now())
                   .option("checkpointLocation", folder_ + "/checkpoint")
                   .start();
  ASSERT_TRUE(query.ok()) << query.error().to_string();
  ASSERT_TRUE(query->await_termination().ok());
  EXPECT_THAT(seen, ElementsAre(std::pair<int64_t, size_t>(0, 1)));
}

TEST_F(ApiTest, ViewsJoinsAndWindowsAsText) {
  put("a", "{\"k\":\"x\",\"n\":1}\n{\"k\":\"x\",\"n\":2}\n{\"k\":\"y\",\"n\":3}\n");
  auto session = open();
  ASSERT_TRUE(session.sql("CREATE TABLE names USING delta AS SELECT 'x' AS k, 'ex' AS name").ok());
  ASSERT_TRUE(events(session).create_temp_view("e").ok());
  auto counts = session.sql("SELECT name, count(*) AS c FROM e JOIN names USING (k) GROUP BY name");
  ASSERT_TRUE(counts.ok()) << counts.error().to_string();
  EXPECT_TRUE(*counts->is_streaming());
  EXPECT_EQ(*counts->schema(), "name STRING,c BIGINT NOT NULL");
  auto query = counts->write_stream()
                   .format("memory")
                   .query_name("out")
                   .output_mode("complete")
                   .trigger(Trigger::available_now())
                   .start();
  ASSERT_TRUE(query.ok()) << query.error().to_string();
  ASSERT_TRUE(query->await_termination().ok());
  EXPECT_THAT(rows(session, "SELECT * FROM out"), ElementsAre(Row{"ex", 2}));
}

TEST_F(ApiTest, ErrorsHaveSparksClassAndComeWhereTheWorkBegins) {
  auto session = open();
  const DataFrame wrong = events(session).select("missing +");
  auto text = wrong.where("n > 1").schema();
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().error_class(), "PARSE_SYNTAX_ERROR");
  auto column = events(session).select("missing").schema();
  ASSERT_FALSE(column.ok());
  EXPECT_EQ(column.error().error_class(), "UNRESOLVED_COLUMN.WITH_SUGGESTION");
  EXPECT_EQ(column.error().sql_state(), "42703");
  auto mode = events(session)
                  .group_by("k")
                  .agg("count(*)")
                  .write_stream()
                  .format("memory")
                  .query_name("q")
                  .start();
  ASSERT_FALSE(mode.ok());
  EXPECT_THAT(mode.error().error_class(), HasSubstr("STREAMING_OUTPUT_MODE"));
  auto stream = events(session).collect();
  ASSERT_FALSE(stream.ok());
  auto conf = session.set("spark.sql.shuffle.partitions", "many");
  EXPECT_FALSE(conf.ok());
}

TEST_F(ApiTest, ListenersHearAndTheEndOfASessionStopsItsQueries) {
  put("a", "{\"k\":\"x\",\"n\":1}\n");
  std::atomic<int> started = 0;
  std::atomic<int> ended = 0;
  {
    auto session = open();
    session.add_listener(
        {.started = [&](const auto&, const auto&,
                        const std::string& name) { started += name == "q" ? 1 : 0; },
         .terminated = [&](const auto&, const auto&,
                           const Error* error) { ended += error == nullptr ? 1 : 0; }});
    auto query = events(session).write_stream().format("memory").query_name("q").start();
    ASSERT_TRUE(query.ok()) << query.error().to_string();
    ASSERT_TRUE(query->process_all_available().ok());
    EXPECT_EQ(session.active_queries().size(), 1U);
    EXPECT_TRUE(session.find_query(query->id()).has_value());
    EXPECT_FALSE(*query->await_termination(std::chrono::milliseconds(1)));
  }
  EXPECT_EQ(started, 1);
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace weir
