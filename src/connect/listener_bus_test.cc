// Events of streaming queries on their way to a client.
#include "connect/listener_bus.h"

#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <spark/connect/base.pb.h>
#include <spark/connect/commands.pb.h>

#include "base/json.h"
#include "connect/operation.h"
#include "streaming/stream_queries.h"

namespace weir::connect {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Queries that say what the test wants.
class SpokenQueries final : public streaming::StreamQueries {
 public:
  Result<streaming::StreamQueryPtr> start(streaming::StreamWrite) override {
    return streaming::StreamQueryPtr();
  }
  std::vector<streaming::StreamQueryPtr> active() const override { return {}; }
  streaming::StreamQueryPtr find(std::string_view) const override { return nullptr; }
  streaming::StreamQueryPtr find_run(std::string_view, std::string_view) const override {
    return nullptr;
  }
  Result<bool> wait_any(std::optional<int64_t>, std::stop_token) override { return false; }
  void reset_terminated() override {}
  int64_t add_listener(streaming::QueryEvents events) override {
    const std::scoped_lock lock(mutex_);
    listeners_[++last_] = std::move(events);
    return last_;
  }
  void remove_listener(int64_t listener) override {
    const std::scoped_lock lock(mutex_);
    listeners_.erase(listener);
  }
  void close() override {}

  size_t heard_by() const {
    const std::scoped_lock lock(mutex_);
    return listeners_.size();
  }
  template <typename Say>
  void say(Say&& say) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, events] : listeners_)
      say(events);
  }

 private:
  mutable std::mutex mutex_;
  std::map<int64_t, streaming::QueryEvents> listeners_;
  int64_t last_ = 0;
};

class TakingCall final : public Call {
 public:
  const std::string& method() const override { return method_; }
  void write(Message message) override {
    spark::connect::ExecutePlanResponse response;
    ASSERT_TRUE(response.ParseFromString(message.head));
    responses.push_back(response);
  }
  void finish(CallStatus) override { ended = true; }
  bool closed() const override { return ended; }

  std::vector<spark::connect::ExecutePlanResponse> responses;
  bool ended = false;

 protected:
  void write_and_finish(Message) override {}

 private:
  std::string method_ = "ExecutePlan";
};

class ListenerBusTest : public testing::Test {
 protected:
  // A client that listens, until `end`.
  struct Client {
    Client(ListenerBus& bus, SpokenQueries& queries)
        : thread([&] { served = bus.serve(queries, operation); }) {}
    Result<void> served;
    base::ManualClock clock;
    Operation operation{{"s", "t", "o"}, {}, true, clock};
    std::thread thread;

    // "progress: {…}" and so on, as the client gets them.
    std::vector<std::string> told() {
      thread.join();
      operation.finish({});
      auto call = std::make_shared<TakingCall>();
      EXPECT_TRUE(operation.attach(call, std::nullopt).ok());
      for (size_t seen = 0; seen < call->responses.size(); ++seen)
        operation.written(call.get(), true);
      std::vector<std::string> all;
      for (const auto& response : call->responses) {
        const auto& result = response.streaming_query_listener_events_result();
        if (result.listener_bus_listener_added()) all.emplace_back("added");
        for (const auto& event : result.events())
          all.push_back(std::to_string(event.event_type()) + " " + event.event_json());
      }
      return all;
    }
  };
  void wait_for_listeners(size_t count) {
    while (queries_.heard_by() != count)
      std::this_thread::yield();
  }

  SpokenQueries queries_;
  ListenerBus bus_;
};

TEST_F(ListenerBusTest, EventsComeInOrderAndTheRestAfterRemoval) {
  Client client(bus_, queries_);
  wait_for_listeners(1);
  queries_.say([](const auto& events) {
    events.started("i", "r", "n", "t");
    events.progress("{\"batchId\":0}");
    events.idle("i", "r", "2024-01-01T00:00:00.000Z");
    const auto error = base::Error(base::ErrorKind::kInvalidArgument, "Division by zero.")
                           .with_class("DIVIDE_BY_ZERO")
                           .with_sql_state("22012");
    events.terminated("i", "r", &error);
    events.terminated("j", "s", nullptr);
  });
  bus_.remove();
  EXPECT_THAT(
      client.told(),
      ElementsAre(
          "added", R"(1 {"progress":{"batchId":0}})",
          R"(3 {"id":"i","runId":"r","timestamp":"2024-01-01T00:00:00.000Z"})",
          R"(2 {"id":"i","runId":"r","exception":"[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012","errorClassOnException":"DIVIDE_BY_ZERO"})",
          R"(2 {"id":"j","runId":"s","exception":null,"errorClassOnException":null})"));
  EXPECT_TRUE(client.served.ok());
  EXPECT_EQ(queries_.heard_by(), 0U);
}

TEST_F(ListenerBusTest, AnInterruptEndsTheWaitAndANewClientTheOldOne) {
  Client first(bus_, queries_);
  wait_for_listeners(1);
  Client second(bus_, queries_);
  EXPECT_THAT(first.told(), ElementsAre("added"));
  EXPECT_TRUE(first.served.ok());
  wait_for_listeners(1);
  EXPECT_TRUE(second.operation.interrupt());
  second.thread.join();
  ASSERT_FALSE(second.served.ok());
  EXPECT_EQ(second.served.error().kind(), base::ErrorKind::kCancelled);
  EXPECT_EQ(queries_.heard_by(), 0U);
  bus_.remove();  // nobody listens: nothing happens
}

TEST_F(ListenerBusTest, ASlowClientLosesProgressButNoEnd) {
  constexpr int kMore = 10'500;
  Client client(bus_, queries_);
  wait_for_listeners(1);
  // Whether some are taken meanwhile or not: the end comes, and no more than all.
  queries_.say([](const auto& events) {
    for (int i = 0; i < kMore; ++i)
      events.progress("{}");
    events.terminated("i", "r", nullptr);
  });
  bus_.remove();
  const auto told = client.told();
  EXPECT_LE(told.size(), kMore + 2U);
  EXPECT_THAT(told.back(), HasSubstr("\"id\":\"i\""));
}

}  // namespace
}  // namespace weir::connect
