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
    request.protocols = {{protocol, subscription_}};
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
  std::string subscription_ = "subscription";
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

TEST_F(GroupCoordinatorTest, AStaticMemberThatComesBackUnchangedDisturbsNobody) {
  const auto a = join("", 10'000, "range", "instance a");
  const auto b = join("", 10'000, "range", "instance b");
  pass(200);
  const std::string leader = (*a)->leader;
  const bool a_leads = leader == (*a)->member_id;
  const std::string follower = a_leads ? (*b)->member_id : (*a)->member_id;
  const std::string leading_instance = a_leads ? "instance a" : "instance b";
  const std::string following_instance = a_leads ? "instance b" : "instance a";
  sync(leader, 1, {{leader, "for the leader"}, {follower, "for the follower"}});
  // The follower: same generation, its old assignment, no rebalance for the leader.
  const auto back = join("", 10'000, "range", following_instance);
  ASSERT_TRUE(back->has_value());
  EXPECT_EQ((*back)->error, ErrorCode::kNone);
  EXPECT_EQ((*back)->generation_id, 1);
  EXPECT_NE((*back)->member_id, follower);
  EXPECT_EQ((*back)->leader, leader);
  EXPECT_THAT((*back)->members, SizeIs(0));
  EXPECT_EQ(heartbeat(leader, 1), ErrorCode::kNone);
  EXPECT_EQ((*sync((*back)->member_id, 1))->assignment, "for the follower");
  EXPECT_EQ(heartbeat(follower, 1), ErrorCode::kUnknownMemberId);
  // The leader: it is not told that it leads, so that it doesn't assign anew.
  const auto led = join("", 10'000, "range", leading_instance);
  ASSERT_TRUE(led->has_value());
  EXPECT_EQ((*led)->generation_id, 1);
  EXPECT_NE((*led)->leader, (*led)->member_id);
  EXPECT_EQ((*sync((*led)->member_id, 1))->assignment, "for the leader");
  EXPECT_EQ(heartbeat((*back)->member_id, 1), ErrorCode::kNone);
  // Leading it still is: the next rebalance asks it to assign.
  const auto c = join("", 10'000, "range", "instance c");
  const auto led_again = join((*led)->member_id, 10'000, "range", leading_instance);
  join((*back)->member_id, 10'000, "range", following_instance);
  ASSERT_TRUE(led_again->has_value());
  EXPECT_EQ((*led_again)->leader, (*led)->member_id);
  EXPECT_THAT((*led_again)->members, SizeIs(3));
}

TEST_F(GroupCoordinatorTest, AStaticMemberThatComesBackChangedStartsARebalance) {
  const auto a = join("", 10'000, "range", "instance a");
  const auto b = join("", 10'000, "range", "instance b");
  pass(200);
  const std::string leader = (*a)->leader;
  const std::string follower = leader == (*a)->member_id ? (*b)->member_id : (*a)->member_id;
  const std::string instance = leader == (*a)->member_id ? "instance b" : "instance a";
  sync(leader, 1, {{leader, "1"}, {follower, "2"}});
  subscription_ = "another subscription";
  const auto back = join("", 10'000, "range", instance);
  EXPECT_FALSE(back->has_value());
  EXPECT_EQ(heartbeat(leader, 1), ErrorCode::kRebalanceInProgress);
}

TEST_F(GroupCoordinatorTest, WhatMembersTellIsBounded) {
  options_.group_memory_bytes_max = 1 << 20;
  GroupCoordinator groups(clock_, random_, options_);
  kafka::JoinGroupRequest request;
  request.session_timeout_ms = 10'000;
  request.protocol_type = "consumer";
  request.protocols = {{"range", std::string(100'000, 'x')}};
  int taken = 0;
  ErrorCode refused = ErrorCode::kNone;
  auto answer = [&](const JoinGroupResponse& response) {
    taken += response.error == ErrorCode::kNone;
    if (response.error != ErrorCode::kNone) refused = response.error;
  };
  for (int i = 0; i < 50; ++i) {
    request.group_id = std::to_string(i);
    groups.join(request, "client", false, answer);
  }
  EXPECT_EQ(refused, ErrorCode::kGroupMaxSizeReached);
  clock_.advance_us(200'000);
  groups.tick();
  EXPECT_EQ(taken, 10);
  // Silent members make room.
  clock_.advance_us(60'000'000);
  groups.tick();
  taken = 0;
  request.group_id = "later";
  groups.join(request, "client", false, answer);
  clock_.advance_us(200'000);
  groups.tick();
  EXPECT_EQ(taken, 1);
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
