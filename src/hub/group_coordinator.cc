#include "hub/group_coordinator.h"

#include <algorithm>
#include <set>

namespace weir::hub {

using kafka::ErrorCode;
using kafka::JoinGroupRequest;
using kafka::JoinGroupResponse;
using kafka::SyncGroupResponse;

namespace {

bool same_protocols(const std::vector<JoinGroupRequest::Protocol>& a,
                    const std::vector<JoinGroupRequest::Protocol>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.name == y.name && x.metadata == y.metadata;
  });
}

constexpr int64_t kMemberBytes = 1024;  // of a member beside what it tells

int64_t told_bytes(const JoinGroupRequest& request) {
  int64_t bytes = kMemberBytes;
  for (const auto& protocol : request.protocols)
    bytes +=
        static_cast<int64_t>(sizeof(protocol) + protocol.name.size() + protocol.metadata.size());
  return bytes;
}

}  // namespace

GroupCoordinator::GroupCoordinator(const base::Clock& clock, base::Random& random,
                                   const HubOptions& options)
    : clock_(clock), random_(random), options_(options), memory_(options.group_memory_bytes_max) {}

void GroupCoordinator::deliver(Deferred& deferred) {
  for (const auto& answer : deferred)
    answer();
}

JoinGroupResponse GroupCoordinator::join_error(ErrorCode error, const std::string& member_id) {
  JoinGroupResponse response;
  response.error = error;
  response.member_id = member_id;
  return response;
}

ErrorCode GroupCoordinator::check_group_id(const std::string& group_id) const {
  return group_id.empty() || group_id.size() > static_cast<size_t>(options_.group_id_chars_max)
             ? ErrorCode::kInvalidGroupId
             : ErrorCode::kNone;
}

ErrorCode GroupCoordinator::check_join(const JoinGroupRequest& request) const {
  if (const ErrorCode error = check_group_id(request.group_id); error != ErrorCode::kNone)
    return error;
  if (request.session_timeout_ms < options_.session_timeout_min_ms ||
      request.session_timeout_ms > options_.session_timeout_max_ms)
    return ErrorCode::kInvalidSessionTimeout;
  if (request.protocol_type.empty() || request.protocols.empty())
    return ErrorCode::kInconsistentGroupProtocol;
  return ErrorCode::kNone;
}

ErrorCode GroupCoordinator::check_member(Group& group, const std::string& member_id,
                                         const std::optional<std::string>& instance_id) const {
  if (instance_id) {
    const auto known = group.static_members.find(*instance_id);
    if (known == group.static_members.end()) return ErrorCode::kUnknownMemberId;
    if (known->second != member_id) return ErrorCode::kFencedInstanceId;
  }
  return group.members.contains(member_id) ? ErrorCode::kNone : ErrorCode::kUnknownMemberId;
}

bool GroupCoordinator::protocols_fit(const Group& group, const JoinGroupRequest& request) const {
  if (group.members.empty()) return true;
  if (group.protocol_type != request.protocol_type) return false;
  return std::any_of(request.protocols.begin(), request.protocols.end(), [&](const auto& wanted) {
    return std::all_of(group.members.begin(), group.members.end(), [&](const auto& entry) {
      const auto& known = entry.second.protocols;
      return std::any_of(known.begin(), known.end(),
                         [&](const auto& protocol) { return protocol.name == wanted.name; });
    });
  });
}

void GroupCoordinator::join(const JoinGroupRequest& request, const std::string& client_id,
                            bool member_id_required, JoinCallback callback) {
  Deferred deferred;
  {
    const std::lock_guard lock(mutex_);
    auto refuse = [&](ErrorCode error, const std::string& member_id) {
      deferred.push_back(
          [callback, response = join_error(error, member_id)] { callback(response); });
    };
    [&] {
      if (const ErrorCode error = check_join(request); error != ErrorCode::kNone)
        return refuse(error, request.member_id);
      auto found = groups_.find(request.group_id);
      if (found == groups_.end()) {
        if (!request.member_id.empty())
          return refuse(ErrorCode::kUnknownMemberId, request.member_id);
        if (groups_.size() >= static_cast<size_t>(options_.groups_max))
          return refuse(ErrorCode::kGroupMaxSizeReached, {});
        found = groups_.try_emplace(request.group_id).first;
        found->second.id = request.group_id;
      }
      Group& group = found->second;
      if (!protocols_fit(group, request))
        return refuse(ErrorCode::kInconsistentGroupProtocol, request.member_id);
      // All groups together stay within a bound, whatever their members tell.
      MemoryLease told;
      if (!told.try_lease(memory_, told_bytes(request)))
        return refuse(ErrorCode::kGroupMaxSizeReached, request.member_id);
      const bool full = group.members.size() + group.promised_ids.size() >=
                        static_cast<size_t>(options_.group_members_max);
      if (request.member_id.empty()) {
        std::string fresh =
            fmt::format("{}-{}", request.group_instance_id.value_or(client_id.substr(0, 200)),
                        base::uuid(random_));
        if (request.group_instance_id) {
          const auto known = group.static_members.find(*request.group_instance_id);
          if (known != group.static_members.end()) {
            // The instance has come back: its old self is fenced off and its place is taken.
            const std::string old = known->second;
            if (group.state == State::kStable &&
                same_protocols(group.members.at(old).protocols, request.protocols))
              return resume_static_member(group, request, old, std::move(fresh), std::move(told),
                                          callback, deferred);
            if (Member& member = group.members.at(old); member.join)
              deferred.push_back([answer = std::move(member.join), old] {
                answer(join_error(ErrorCode::kFencedInstanceId, old));
              });
            else if (member.sync)
              answer_sync(member, ErrorCode::kFencedInstanceId, deferred);
            group.members.erase(old);
            group.static_members.erase(known);
          }
        } else if (member_id_required) {
          if (full) return refuse(ErrorCode::kGroupMaxSizeReached, {});
          told.resize(kMemberBytes);
          group.promised_ids[fresh] = {clock_.monotonic_us() + request.session_timeout_ms * 1000LL,
                                       std::move(told)};
          return refuse(ErrorCode::kMemberIdRequired, fresh);
        }
        if (full) return refuse(ErrorCode::kGroupMaxSizeReached, {});
        return add_member(group, request, fresh, std::move(told), std::move(callback), deferred);
      }
      if (group.promised_ids.erase(request.member_id) > 0)
        return add_member(group, request, request.member_id, std::move(told), std::move(callback),
                          deferred);
      if (const ErrorCode error = check_member(group, request.member_id, request.group_instance_id);
          error != ErrorCode::kNone)
        return refuse(error, request.member_id);
      Member& member = group.members.at(request.member_id);
      member.told = std::move(told);
      rejoin(group, member, request, std::move(callback), deferred);
    }();
  }
  deliver(deferred);
}

// A static member has come back with what it had told before: it takes its place under a new id,
// and nobody else notices. Where it led the group it is told its old id as the leader's, so that it
// does not assign anew.
void GroupCoordinator::resume_static_member(Group& group, const JoinGroupRequest& request,
                                            const std::string& old_id, std::string fresh_id,
                                            MemoryLease told, const JoinCallback& callback,
                                            Deferred& deferred) {
  JoinGroupResponse response;
  response.generation_id = group.generation;
  response.protocol_name = group.protocol;
  response.leader = group.leader;
  response.member_id = fresh_id;
  if (group.leader == old_id) group.leader = fresh_id;
  auto place = group.members.extract(old_id);
  place.key() = fresh_id;
  Member& member = place.mapped();
  member.id = fresh_id;
  member.told = std::move(told);
  member.session_timeout_us = request.session_timeout_ms * 1000LL;
  if (request.rebalance_timeout_ms >= 0)
    member.rebalance_timeout_us = request.rebalance_timeout_ms * 1000LL;
  touch(member);
  group.members.insert(std::move(place));
  group.static_members[*request.group_instance_id] = std::move(fresh_id);
  deferred.push_back([callback, response = std::move(response)] { callback(response); });
}

void GroupCoordinator::add_member(Group& group, const JoinGroupRequest& request,
                                  const std::string& member_id, MemoryLease told,
                                  JoinCallback callback, Deferred& deferred) {
  const bool first = group.members.empty();
  Member& member = group.members[member_id];
  member.id = member_id;
  member.instance_id = request.group_instance_id;
  member.session_timeout_us = request.session_timeout_ms * 1000LL;
  member.rebalance_timeout_us = (request.rebalance_timeout_ms >= 0 ? request.rebalance_timeout_ms
                                                                   : request.session_timeout_ms) *
                                1000LL;
  member.protocols = request.protocols;
  member.told = std::move(told);
  member.join = std::move(callback);
  touch(member);
  if (member.instance_id) group.static_members[*member.instance_id] = member_id;
  if (first) group.protocol_type = request.protocol_type;
  if (group.state != State::kPreparing) {
    const bool was_empty = group.state == State::kEmpty;
    prepare(group, deferred);
    // A group's first rebalance waits a little, so that members that start together join together.
    if (was_empty)
      group.rebalance_earliest_us =
          clock_.monotonic_us() + options_.group_initial_rebalance_delay_ms * 1000;
  }
  complete_join_if_ready(group, deferred);
}

void GroupCoordinator::rejoin(Group& group, Member& member, const JoinGroupRequest& request,
                              JoinCallback callback, Deferred& deferred) {
  const bool changed = !same_protocols(member.protocols, request.protocols);
  if (member.join)  // asked again before the first answer: only the newer one gets it
    deferred.push_back([answer = std::move(member.join), id = member.id] {
      answer(join_error(ErrorCode::kUnknownMemberId, id));
    });
  member.join = std::move(callback);
  member.protocols = request.protocols;
  member.session_timeout_us = request.session_timeout_ms * 1000LL;
  if (request.rebalance_timeout_ms >= 0)
    member.rebalance_timeout_us = request.rebalance_timeout_ms * 1000LL;
  touch(member);
  const bool current = !changed && (group.state == State::kCompleting ||
                                    (group.state == State::kStable && member.id != group.leader));
  if (current) return answer_join(group, member, deferred);
  if (group.state != State::kPreparing) prepare(group, deferred);
  complete_join_if_ready(group, deferred);
}

void GroupCoordinator::prepare(Group& group, Deferred& deferred) {
  int64_t longest_us = 0;
  for (auto& [id, member] : group.members) {
    longest_us = std::max(longest_us, member.rebalance_timeout_us);
    if (member.sync) answer_sync(member, ErrorCode::kRebalanceInProgress, deferred);
    member.assignment = std::string();
    member.assigned = MemoryLease();
  }
  group.state = State::kPreparing;
  group.rebalance_deadline_us = clock_.monotonic_us() + longest_us;
  group.rebalance_earliest_us = 0;
}

void GroupCoordinator::complete_join_if_ready(Group& group, Deferred& deferred) {
  if (group.state != State::kPreparing) return;
  const int64_t now_us = clock_.monotonic_us();
  const bool all_joined = group.promised_ids.empty() &&
                          std::all_of(group.members.begin(), group.members.end(),
                                      [](const auto& entry) { return bool(entry.second.join); });
  if (now_us >= group.rebalance_deadline_us ||
      (all_joined && now_us >= group.rebalance_earliest_us))
    complete_join(group, deferred);
}

void GroupCoordinator::complete_join(Group& group, Deferred& deferred) {
  for (auto at = group.members.begin(); at != group.members.end();) {
    if (at->second.join) {
      ++at;
      continue;
    }
    if (at->second.instance_id) group.static_members.erase(*at->second.instance_id);
    at = group.members.erase(at);
  }
  ++group.generation;
  if (group.members.empty()) {
    group.state = State::kEmpty;
    group.protocol.clear();
    group.leader.clear();
    return;
  }
  // Every member votes for the first of its protocols that all know.
  std::map<std::string, int> votes;
  for (const auto& [id, member] : group.members) {
    for (const auto& wanted : member.protocols) {
      const bool known_to_all =
          std::all_of(group.members.begin(), group.members.end(), [&](const auto& entry) {
            return std::any_of(entry.second.protocols.begin(), entry.second.protocols.end(),
                               [&](const auto& p) { return p.name == wanted.name; });
          });
      if (!known_to_all) continue;
      ++votes[wanted.name];
      break;
    }
  }
  if (!votes.empty())
    group.protocol = std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) {
                       return a.second < b.second;
                     })->first;
  if (!group.members.contains(group.leader)) group.leader = group.members.begin()->first;
  group.state = State::kCompleting;
  for (auto& [id, member] : group.members) {
    touch(member);
    answer_join(group, member, deferred);
  }
}

void GroupCoordinator::answer_join(Group& group, Member& member, Deferred& deferred) {
  JoinGroupResponse response;
  response.generation_id = group.generation;
  response.protocol_name = group.protocol;
  response.leader = group.leader;
  response.member_id = member.id;
  if (member.id == group.leader) {
    for (const auto& [id, other] : group.members) {
      const auto chosen = std::find_if(other.protocols.begin(), other.protocols.end(),
                                       [&](const auto& p) { return p.name == group.protocol; });
      response.members.push_back(
          {id, other.instance_id,
           chosen == other.protocols.end() ? std::string() : chosen->metadata});
    }
  }
  deferred.push_back([answer = std::exchange(member.join, nullptr),
                      response = std::move(response)] { answer(response); });
}

void GroupCoordinator::answer_sync(Member& member, ErrorCode error, Deferred& deferred) {
  SyncGroupResponse response;
  response.error = error;
  if (error == ErrorCode::kNone) response.assignment = member.assignment;
  deferred.push_back([answer = std::exchange(member.sync, nullptr),
                      response = std::move(response)] { answer(response); });
}

void GroupCoordinator::sync(const kafka::SyncGroupRequest& request, SyncCallback callback) {
  Deferred deferred;
  {
    const std::lock_guard lock(mutex_);
    auto refuse = [&](ErrorCode error) {
      SyncGroupResponse response;
      response.error = error;
      deferred.push_back([callback, response] { callback(response); });
    };
    [&] {
      if (const ErrorCode error = check_group_id(request.group_id); error != ErrorCode::kNone)
        return refuse(error);
      const auto found = groups_.find(request.group_id);
      if (found == groups_.end()) return refuse(ErrorCode::kUnknownMemberId);
      Group& group = found->second;
      if (const ErrorCode error = check_member(group, request.member_id, request.group_instance_id);
          error != ErrorCode::kNone)
        return refuse(error);
      if (request.generation_id != group.generation) return refuse(ErrorCode::kIllegalGeneration);
      Member& member = group.members.at(request.member_id);
      touch(member);
      if (group.state == State::kPreparing) return refuse(ErrorCode::kRebalanceInProgress);
      if (member.sync) answer_sync(member, ErrorCode::kRebalanceInProgress, deferred);
      member.sync = std::move(callback);
      if (group.state == State::kStable) return answer_sync(member, ErrorCode::kNone, deferred);
      if (member.id != group.leader) return;
      for (const auto& assignment : request.assignments) {
        const auto at = group.members.find(assignment.member_id);
        if (at == group.members.end()) continue;
        if (!at->second.assigned.try_lease(memory_,
                                           static_cast<int64_t>(assignment.assignment.size())))
          return answer_sync(member, ErrorCode::kCoordinatorNotAvailable, deferred);
        at->second.assignment = assignment.assignment;
      }
      group.state = State::kStable;
      for (auto& [id, other] : group.members) {
        touch(other);
        if (other.sync) answer_sync(other, ErrorCode::kNone, deferred);
      }
    }();
  }
  deliver(deferred);
}

ErrorCode GroupCoordinator::heartbeat(const kafka::HeartbeatRequest& request) {
  const std::lock_guard lock(mutex_);
  if (const ErrorCode error = check_group_id(request.group_id); error != ErrorCode::kNone)
    return error;
  const auto found = groups_.find(request.group_id);
  if (found == groups_.end()) return ErrorCode::kUnknownMemberId;
  Group& group = found->second;
  if (const ErrorCode error = check_member(group, request.member_id, request.group_instance_id);
      error != ErrorCode::kNone)
    return error;
  if (request.generation_id != group.generation) return ErrorCode::kIllegalGeneration;
  touch(group.members.at(request.member_id));
  return group.state == State::kPreparing ? ErrorCode::kRebalanceInProgress : ErrorCode::kNone;
}

ErrorCode GroupCoordinator::leave(const kafka::LeaveGroupRequest& request) {
  Deferred deferred;
  {
    const std::lock_guard lock(mutex_);
    if (const ErrorCode error = check_group_id(request.group_id); error != ErrorCode::kNone)
      return error;
    const auto found = groups_.find(request.group_id);
    if (found == groups_.end()) return ErrorCode::kUnknownMemberId;
    Group& group = found->second;
    if (group.promised_ids.erase(request.member_id) == 0) {
      if (!group.members.contains(request.member_id)) return ErrorCode::kUnknownMemberId;
      remove_member(group, request.member_id, deferred);
    } else {
      complete_join_if_ready(group, deferred);
    }
    if (group.members.empty() && group.promised_ids.empty() && group.state == State::kEmpty)
      groups_.erase(found);
  }
  deliver(deferred);
  return ErrorCode::kNone;
}

void GroupCoordinator::remove_member(Group& group, const std::string& member_id,
                                     Deferred& deferred) {
  const auto at = group.members.find(member_id);
  Member& member = at->second;
  if (member.join)
    deferred.push_back([answer = std::move(member.join), member_id] {
      answer(join_error(ErrorCode::kUnknownMemberId, member_id));
    });
  if (member.sync) answer_sync(member, ErrorCode::kUnknownMemberId, deferred);
  if (member.instance_id) group.static_members.erase(*member.instance_id);
  group.members.erase(at);
  if (group.state == State::kStable || group.state == State::kCompleting) prepare(group, deferred);
  complete_join_if_ready(group, deferred);
}

ErrorCode GroupCoordinator::check_commit(const kafka::OffsetCommitRequest& request) {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(request.group_id);
  const bool has_group = found != groups_.end() && !found->second.members.empty();
  if (request.generation_id < 0) {  // a consumer that assigns itself
    return has_group ? ErrorCode::kUnknownMemberId : ErrorCode::kNone;
  }
  if (!has_group) return ErrorCode::kIllegalGeneration;
  Group& group = found->second;
  if (const ErrorCode error = check_member(group, request.member_id, request.group_instance_id);
      error != ErrorCode::kNone)
    return error;
  if (request.generation_id != group.generation) return ErrorCode::kIllegalGeneration;
  touch(group.members.at(request.member_id));
  return group.state == State::kCompleting ? ErrorCode::kRebalanceInProgress : ErrorCode::kNone;
}

bool GroupCoordinator::has_members(const std::string& group_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(group_id);
  return found != groups_.end() && !found->second.members.empty();
}

void GroupCoordinator::tick() {
  Deferred deferred;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now_us = clock_.monotonic_us();
    for (auto at = groups_.begin(); at != groups_.end();) {
      Group& group = at->second;
      std::erase_if(group.promised_ids,
                    [&](const auto& promised) { return promised.second.until_us <= now_us; });
      std::vector<std::string> gone;
      for (const auto& [id, member] : group.members)
        if (!member.join && !member.sync && member.deadline_us <= now_us) gone.push_back(id);
      for (const std::string& id : gone)
        remove_member(group, id, deferred);
      complete_join_if_ready(group, deferred);
      const bool idle =
          group.members.empty() && group.promised_ids.empty() && group.state == State::kEmpty;
      at = idle ? groups_.erase(at) : std::next(at);
    }
  }
  deliver(deferred);
}

}  // namespace weir::hub
