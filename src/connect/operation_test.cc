#include "connect/operation.h"

#include <atomic>
#include <thread>

#include <arrow/buffer.h>
#include <gmock/gmock.h>
#include <spark/connect/base.pb.h>

#include "connect/requests.h"

namespace weir::connect {
namespace {

using spark::connect::ExecutePlanResponse;
using testing::ElementsAre;

// A client's end of a call: takes one message after the other, or none.
class FakeCall final : public Call {
 public:
  const std::string& method() const override { return method_; }
  void write(Message message) override {
    std::string bytes = message.head;
    if (message.body) bytes += message.body->ToString();
    ExecutePlanResponse response;
    ASSERT_TRUE(parse_message(bytes, response).ok());
    responses.push_back(response);
  }
  void finish(CallStatus given) override { status = std::move(given); }
  bool closed() const override { return status.has_value(); }

  std::vector<std::string> batches() const {
    std::vector<std::string> all;
    for (const auto& response : responses)
      all.push_back(response.arrow_batch().data());
    return all;
  }
  std::vector<ExecutePlanResponse> responses;
  std::optional<CallStatus> status;

 protected:
  void write_and_finish(Message) override {}

 private:
  std::string method_ = "ExecutePlan";
};

class OperationTest : public testing::Test {
 protected:
  Result<void> put(Operation& operation, const std::string& data) {
    ExecutePlanResponse::ArrowBatch fields;
    fields.set_row_count(1);
    return operation.put({}, fields.SerializeAsString(), arrow::Buffer::FromString(data));
  }
  // The client has taken what was written.
  static void drain(Operation& operation, const FakeCall& call) {
    for (size_t seen = 0; seen < call.responses.size(); ++seen)
      operation.written(&call, true);
  }

  base::ManualClock clock_;
  Operation operation_{{"session", "server", "operation"}, {"tag"}, true, clock_};
};

TEST_F(OperationTest, ResponsesComeInOrderWithTheirIds) {
  auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(operation_.attach(call, {}).ok());
  ASSERT_TRUE(put(operation_, "a").ok());
  ASSERT_TRUE(put(operation_, "b").ok());
  EXPECT_THAT(call->batches(), ElementsAre("a"));  // one at a time
  operation_.written(call.get(), true);
  EXPECT_THAT(call->batches(), ElementsAre("a", "b"));
  EXPECT_EQ(call->responses[0].operation_id(), "operation");
  EXPECT_EQ(call->responses[0].session_id(), "session");
  EXPECT_NE(call->responses[0].response_id(), call->responses[1].response_id());
  operation_.finish({});
  EXPECT_FALSE(call->status);
  operation_.written(call.get(), true);
  ASSERT_TRUE(call->status);
  EXPECT_EQ(call->status->code, 0);
}

TEST_F(OperationTest, AnotherCallGoesOnAfterTheLastResponse) {
  auto first = std::make_shared<FakeCall>();
  ASSERT_TRUE(operation_.attach(first, {}).ok());
  for (const char* data : {"a", "b", "c"})
    ASSERT_TRUE(put(operation_, data).ok());
  operation_.written(first.get(), true);
  operation_.written(first.get(), true);
  EXPECT_THAT(first->batches(), ElementsAre("a", "b", "c"));
  operation_.detach(first.get());
  auto second = std::make_shared<FakeCall>();
  ASSERT_TRUE(operation_.attach(second, first->responses[0].response_id()).ok());
  drain(operation_, *second);
  EXPECT_THAT(second->batches(), ElementsAre("b", "c"));
  EXPECT_EQ(second->responses[0].response_id(), first->responses[1].response_id());
}

TEST_F(OperationTest, WhatWasReleasedIsGone) {
  auto first = std::make_shared<FakeCall>();
  ASSERT_TRUE(operation_.attach(first, {}).ok());
  ASSERT_TRUE(put(operation_, "a").ok());
  ASSERT_TRUE(put(operation_, "b").ok());
  operation_.written(first.get(), true);
  operation_.written(first.get(), true);
  operation_.release_until(first->responses[0].response_id());
  auto second = std::make_shared<FakeCall>();
  const auto from_begin = operation_.attach(second, {});
  ASSERT_FALSE(from_begin.ok());
  EXPECT_EQ(from_begin.error().error_class(), "INVALID_CURSOR.POSITION_NOT_AVAILABLE");
  ASSERT_TRUE(operation_.attach(second, first->responses[0].response_id()).ok());
  EXPECT_THAT(second->batches(), ElementsAre("b"));
  EXPECT_TRUE(first->status);  // the call that was attached before has ended
}

TEST_F(OperationTest, TheProducerWaitsForASlowClient) {
  auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(operation_.attach(call, {}).ok());
  const std::string large(6 << 20, 'x');
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(put(operation_, large).ok());
  std::atomic<bool> done = false;
  std::thread producer([&] {
    EXPECT_TRUE(put(operation_, "last").ok());
    done = true;
  });
  EXPECT_FALSE(done);
  operation_.written(call.get(), true);
  producer.join();
  EXPECT_TRUE(done);
}

TEST_F(OperationTest, InterruptFreesAWaitingProducer) {
  const std::string large(17 << 20, 'x');
  ASSERT_TRUE(put(operation_, large).ok());
  std::thread producer([&] {
    const auto result = put(operation_, "more");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().kind(), base::ErrorKind::kCancelled);
  });
  EXPECT_TRUE(operation_.interrupt());
  producer.join();
  EXPECT_FALSE(operation_.interrupt());
}

TEST_F(OperationTest, AnInterruptIsAnsweredBeforeTheWorkEnds) {
  operation_.answer_interrupts([] { return CallStatus{1, "cancelled", {}}; });
  auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(operation_.attach(call, {}).ok());
  ASSERT_TRUE(put(operation_, "a").ok());
  ASSERT_TRUE(put(operation_, "b").ok());
  EXPECT_TRUE(operation_.interrupt());
  EXPECT_FALSE(call->status);  // a response is on its way
  operation_.written(call.get(), true);
  ASSERT_TRUE(call->status);
  EXPECT_EQ(call->status->code, 1);
  EXPECT_EQ(operation_.state(), Operation::State::kStopping);
  EXPECT_FALSE(put(operation_, "c").ok());
  operation_.finish({});
  EXPECT_EQ(operation_.state(), Operation::State::kCancelled);
}

TEST_F(OperationTest, WithoutReattachingTheClientsEndIsTheQuerysEnd) {
  Operation plain({"session", "server", "operation"}, {}, false, clock_);
  auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(plain.attach(call, {}).ok());
  plain.detach(call.get());
  EXPECT_FALSE(put(plain, "a").ok());
}

TEST_F(OperationTest, KnowsSinceWhenNobodyListens) {
  auto call = std::make_shared<FakeCall>();
  ASSERT_TRUE(operation_.attach(call, {}).ok());
  EXPECT_FALSE(operation_.detached_since_us());
  clock_.advance_us(5);
  operation_.detach(call.get());
  EXPECT_EQ(operation_.detached_since_us(), clock_.monotonic_us());
}

}  // namespace
}  // namespace weir::connect
