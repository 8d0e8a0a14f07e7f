#include "hub/group_coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::hub {
namespace {

using kafka::ErrorCode;
using kafka::JoinGroupResponse;
using kafka::SyncGroupResponse;
using testing::SizeIs;

class GroupCoordinatorTest : public testing::Test {
 protected:
  std::shared_ptr<std::optional<JoinGroupResponse>> join(const std::string& member,
                                                         int32_t session_ms = 10'000,
                                                         const std::string& protocol = "range",
                                                         std::optional<std::string> instance = {},
                                                         bool id_required = false) {
    kafka::JoinGroupRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.session_timeout_ms = session_ms;
    request.rebalance_timeout_ms = 60'000;
    request.protocol_type = "consumer";
    request.protocols = {{protocol, "subscription"}};
    request.group_instance_id = std::move(instance);
    auto answer = std::make_shared<std::optional<JoinGroupResponse>>();
    groups_.join(request, "client", id_required,
                 [answer](JoinGroupResponse response) { *answer = std::move(response); });
    return answer;
  }
  std::shared_ptr<std::optional<SyncGroupResponse>> sync(
      const std::string& member, int32_t generation,
      std::vector<kafka::SyncGroupRequest::Assignment> assignments = {}) {
    kafka::SyncGroupRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation_id = generation;
    request.assignments = std::move(assignments);
    auto answer = std::make_shared<std::optional<SyncGroupResponse>>();
    groups_.sync(request, [answer](SyncGroupResponse response) { *answer = std::move(response); });
    return answer;
  }
  ErrorCode heartbeat(const std::string& member, int32_t generation) {
    kafka::HeartbeatRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation_id = generation;
    return groups_.heartbeat(request);
  }
  void pass(int64_t ms) {
    clock_.advance_us(ms * 1000);
    groups_.tick();
  }
  // A group with two members, stable.
  void settle() {
    const auto a = join("");
    const auto b = join("");
    pass(200);
    a_ = (*a)->member_id;
    b_ = (*b)->member_id;
    leader_ = (*a)->leader;
    generation_ = (*a)->generation_id;
    const auto follower = sync(leader_ == a_ ? b_ : a_, generation_);
    EXPECT_FALSE(follower->has_value()) << "waits for the leader";
    const auto leader = sync(leader_, generation_, {{a_, "for a"}, {b_, "for b"}});
    EXPECT_EQ((*leader)->assignment, leader_ == a_ ? "for a" : "for b");
    EXPECT_EQ((*follower)->assignment, leader_ == a_ ? "for b" : "for a");
  }

  base::ManualClock clock_;
  base::SeededRandom random_{1};
  HubOptions options_;
  GroupCoordinator groups_{clock_, random_, options_};
  std::string a_, b_, leader_;
  int32_t generation_ = 0;
};

TEST_F(GroupCoordinatorTest, TwoMembersJoinAndTheLeaderAssigns) {
  settle();
  EXPECT_EQ(heartbeat(a_, generation_), ErrorCode::kNone);
  EXPECT_EQ(heartbeat(a_, generation_ - 1), ErrorCode::kIllegalGeneration);
  EXPECT_EQ(heartbeat("stranger", generation_), ErrorCode::kUnknownMemberId);
}

TEST_F(GroupCoordinatorTest, AThirdMemberMakesTheOthersRejoin) {
  settle();
  const auto c = join("");
  EXPECT_EQ(heartbeat(a_, generation_), ErrorCode::kRebalanceInProgress);
  const auto a = join(a_);
  EXPECT_FALSE(a->has_value());
  const auto b = join(b_);
  ASSERT_TRUE(a->has_value() && b->has_value() && c->has_value());
  EXPECT_EQ((*a)->generation_id, generation_ + 1);
  const auto& leaders = (*a)->leader == a_ ? *a : (*b)->leader == b_ ? *b : *c;
  EXPECT_THAT(leaders->members, SizeIs(3));
}

TEST_F(GroupCoordinatorTest, AMemberThatFallsSilentIsDropped) {
  settle();
  for (int i = 0; i < 12; ++i) {
    pass(1000);
    heartbeat(a_, generation_);
  }
  EXPECT_EQ(heartbeat(a_, generation_), ErrorCode::kRebalanceInProgress);
  const auto a = join(a_);
  ASSERT_TRUE(a->has_value());
  EXPECT_EQ((*a)->leader, a_);
  EXPECT_THAT((*a)->members, SizeIs(1));
  EXPECT_EQ(heartbeat(b_, generation_ + 1), ErrorCode::kUnknownMemberId);
}

TEST_F(GroupCoordinatorTest, LeavingStartsARebalance) {
  settle();
  kafka::LeaveGroupRequest leave;
  leave.group_id = "g";
  leave.member_id = b_;
  EXPECT_EQ(groups_.leave(leave), ErrorCode::kNone);
  EXPECT_EQ(heartbeat(a_, generation_), ErrorCode::kRebalanceInProgress);
}

TEST_F(GroupCoordinatorTest, ANewMemberIsGivenItsIdFirstWhereTheVersionAsksForIt) {
  const auto first = join("", 10'000, "range", {}, true);
  ASSERT_EQ((*first)->error, ErrorCode::kMemberIdRequired);
  const auto second = join((*first)->member_id, 10'000, "range", {}, true);
  pass(200);
  EXPECT_EQ((*second)->error, ErrorCode::kNone);
}

TEST_F(GroupCoordinatorTest, WrongJoinsAreRefused) {
  settle();
  EXPECT_EQ((*join("", 10))->error, ErrorCode::kInvalidSessionTimeout);
  EXPECT_EQ((*join("stranger"))->error, ErrorCode::kUnknownMemberId);
  EXPECT_EQ((*join("", 10'000, "another"))->error, ErrorCode::kInconsistentGroupProtocol);
}

TEST_F(GroupCoordinatorTest, AStaticMemberThatComesBackFencesItsOldSelf) {
  const auto old = join("", 10'000, "range", "instance");
  pass(200);
  sync((*old)->member_id, 1, {{(*old)->member_id, "all"}});
  const auto fresh = join("", 10'000, "range", "instance");
  ASSERT_TRUE(fresh->has_value());
  kafka::HeartbeatRequest request;
  request.group_id = "g";
  request.member_id = (*old)->member_id;
  request.generation_id = 1;
  request.group_instance_id = "instance";
  EXPECT_EQ(groups_.heartbeat(request), ErrorCode::kFencedInstanceId);
}

TEST_F(GroupCoordinatorTest, CommitsAreForMembersOfTheGeneration) {
  kafka::OffsetCommitRequest commit;
  commit.group_id = "g";
  EXPECT_EQ(groups_.check_commit(commit), ErrorCode::kNone) << "nobody is in the group";
  settle();
  EXPECT_EQ(groups_.check_commit(commit), ErrorCode::kUnknownMemberId);
  commit.member_id = a_;
  commit.generation_id = generation_;
  EXPECT_EQ(groups_.check_commit(commit), ErrorCode::kNone);
  commit.generation_id = generation_ + 1;
  EXPECT_EQ(groups_.check_commit(commit), ErrorCode::kIllegalGeneration);
}

}  // namespace
}  // namespace weir::hub
