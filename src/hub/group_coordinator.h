// Consumer groups, the classic protocol: members join, one of them (the leader) assigns, all sync,
// and heartbeats keep them in (Kafka's GroupCoordinator; KIP-394 for member ids, KIP-345 in part: a
// static member that comes back takes its old place, with a rebalance).
//
//   Empty ──join──▶ Preparing ──all joined or time up──▶ Completing ──leader synced──▶ Stable
//                      ▲───────── join, leave, session over, new subscription ──────────┘
//
// Membership lives in memory only: after a restart clients are told UNKNOWN_MEMBER_ID and join
// anew. Time comes from the clock; tick() does what time brings about. Answers go to callbacks,
// which are called without the lock, perhaps before the call that caused them returns. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "hub/hub_options.h"
#include "hub/memory_budget.h"
#include "kafka/messages_group.h"

namespace weir::hub {

class GroupCoordinator {
 public:
  using JoinCallback = std::function<void(kafka::JoinGroupResponse)>;
  using SyncCallback = std::function<void(kafka::SyncGroupResponse)>;

  GroupCoordinator(const base::Clock& clock, base::Random& random, const HubOptions& options);

  void join(const kafka::JoinGroupRequest& request, const std::string& client_id,
            bool member_id_required, JoinCallback callback);
  void sync(const kafka::SyncGroupRequest& request, SyncCallback callback);
  kafka::ErrorCode heartbeat(const kafka::HeartbeatRequest& request);
  kafka::ErrorCode leave(const kafka::LeaveGroupRequest& request);
  // Whether these offsets may be committed; also keeps the member's session alive.
  kafka::ErrorCode check_commit(const kafka::OffsetCommitRequest& request);
  bool has_members(const std::string& group_id) const;
  kafka::ErrorCode check_group_id(const std::string& group_id) const;

  // Ends sessions and rebalances whose time is up.
  void tick();

 private:
  enum class State { kEmpty, kPreparing, kCompleting, kStable };
  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    int64_t session_timeout_us = 0;
    int64_t rebalance_timeout_us = 0;
    std::vector<kafka::JoinGroupRequest::Protocol> protocols;
    std::string assignment;
    MemoryLease told;      // what the member told: its protocols
    MemoryLease assigned;  // and is told: its assignment
    int64_t deadline_us = 0;
    JoinCallback join;  // set while a join waits for its answer
    SyncCallback sync;  // likewise
  };
  struct Promise {
    int64_t until_us = 0;
    MemoryLease lease;
  };
  struct Group {
    std::string id;
    State state = State::kEmpty;
    int32_t generation = 0;
    std::string protocol_type;
    std::string protocol;
    std::string leader;
    std::map<std::string, Member> members;
    std::map<std::string, std::string> static_members;  // instance id -> member id
    std::map<std::string, Promise> promised_ids;        // member ids given out by KIP-394
    int64_t rebalance_deadline_us = 0;                  // kPreparing: at the latest
    int64_t rebalance_earliest_us = 0;  // kPreparing: not before (the first one of a group)
  };
  using Deferred = std::deque<std::function<void()>>;  // answers to give once the lock is released

  static kafka::JoinGroupResponse join_error(kafka::ErrorCode error, const std::string& member_id);
  kafka::ErrorCode check_member(Group& group, const std::string& member_id,
                                const std::optional<std::string>& instance_id) const;
  kafka::ErrorCode check_join(const kafka::JoinGroupRequest& request) const;
  bool protocols_fit(const Group& group, const kafka::JoinGroupRequest& request) const;
  void add_member(Group& group, const kafka::JoinGroupRequest& request,
                  const std::string& member_id, MemoryLease told, JoinCallback callback,
                  Deferred& deferred);
  void resume_static_member(Group& group, const kafka::JoinGroupRequest& request,
                            const std::string& old_id, std::string fresh_id, MemoryLease told,
                            const JoinCallback& callback, Deferred& deferred);
  void rejoin(Group& group, Member& member, const kafka::JoinGroupRequest& request,
              JoinCallback callback, Deferred& deferred);
  void remove_member(Group& group, const std::string& member_id, Deferred& deferred);
  void prepare(Group& group, Deferred& deferred);
  void complete_join_if_ready(Group& group, Deferred& deferred);
  void complete_join(Group& group, Deferred& deferred);
  void answer_join(Group& group, Member& member, Deferred& deferred);
  void answer_sync(Member& member, kafka::ErrorCode error, Deferred& deferred);
  void touch(Member& member) const {
    member.deadline_us = clock_.monotonic_us() + member.session_timeout_us;
  }
  static void deliver(Deferred& deferred);

  const base::Clock& clock_;
  base::Random& random_;
  const HubOptions& options_;
  mutable std::mutex mutex_;
  MemoryBudget memory_;
  std::map<std::string, Group> groups_;
};

}  // namespace weir::hub
