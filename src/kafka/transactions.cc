#include "kafka/transactions.h"

#include <algorithm>

namespace weir::kafka {

using base::ErrorKind;
using base::Result;

namespace {

constexpr int kHurryMs = 1000;          // for a broker's answer where somebody waits for the end
constexpr int kFirstAnswerMs = 10'000;  // of any broker

ConnectionSettings with_cancel(ConnectionSettings settings) {
  settings.cancel = std::make_shared<io::WakeEvent>();
  return settings;
}

template <typename Answer>
ErrorCode worst_of(const Answer& answer) {
  ErrorCode worst = ErrorCode::kNone;
  for (const auto& topic : answer.topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.error == ErrorCode::kNone) continue;
      // Others were left alone for the sake of one that is at fault.
      if (worst == ErrorCode::kNone || worst == ErrorCode::kOperationNotAttempted)
        worst = partition.error;
    }
  }
  return worst;
}

std::vector<GroupOffset> offsets_of(const OffsetFetchResponse& response) {
  std::vector<GroupOffset> found;
  for (const auto& topic : response.topics)
    for (const auto& partition : topic.partitions)
      if (partition.offset >= 0)
        found.push_back(
            {{topic.name, partition.index}, partition.offset, partition.metadata.value_or("")});
  return found;
}

template <typename Topics>
auto& topic_of(Topics& topics, const std::string& name) {
  for (auto& topic : topics)
    if (topic.name == name) return topic;
  topics.emplace_back().name = name;
  return topics.back();
}

}  // namespace

bool ends_transaction(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidProducerEpoch:
    case ErrorCode::kProducerFenced:
    case ErrorCode::kInvalidTxnState:
    case ErrorCode::kInvalidProducerIdMapping:
    case ErrorCode::kUnknownProducerId:
    case ErrorCode::kTransactionAbortable:
      return true;
    default:
      return false;
  }
}

base::Error transaction_ended(ErrorCode code, std::string_view what) {
  return base::error(ErrorKind::kConflict, "{}: {} ({}): the transaction was ended by others", what,
                     error_code_name(code), static_cast<int>(code))
      .as_retryable();
}

Transactions::Transactions(ConnectionSettings settings, const ProducerOptions& options,
                           std::string transactional_id, int32_t timeout_ms, base::Clock& clock,
                           base::Random& random)
    : settings_(with_cancel(std::move(settings))),
      transactional_id_(std::move(transactional_id)),
      timeout_ms_(timeout_ms),
      max_block_ms_(options.max_block_ms),
      clock_(clock),
      random_(random),
      cluster_(settings_, clock, random) {}

Result<std::shared_ptr<Transactions>> Transactions::open(const ProducerOptions& options,
                                                         std::string transactional_id,
                                                         int32_t timeout_ms, base::Clock& clock,
                                                         base::Random& random) {
  WEIR_ASSIGN(ConnectionSettings settings, ConnectionSettings::make(options.connection));
  return std::make_shared<Transactions>(std::move(settings), options, std::move(transactional_id),
                                        timeout_ms, clock, random);
}

void Transactions::stop() {
  stop_.request_stop();
  settings_.cancel->set();
}

Result<void> Transactions::pause(int failures, ErrorCode code, int64_t deadline_us,
                                 const base::Error& why) {
  int64_t delay_us = cluster_.backoff().delay_us(failures);
  // The transaction before is about to end: a matter of milliseconds.
  if (code == ErrorCode::kConcurrentTransactions || code == ErrorCode::kUnstableOffsetCommit)
    delay_us = std::min(delay_us, int64_t{1000} << std::min(failures - 1, 6));
  const int64_t wake = clock_.monotonic_us() + delay_us;
  if (wake >= deadline_us) return why;
  if (!clock_.sleep_until_us(wake, stop_.get_token()))
    return base::error(ErrorKind::kCancelled, "stopped");
  return base::ok();
}

Result<int32_t> Transactions::find_keeper(Cluster& cluster, Keeper keeper, const std::string& key) {
  MetadataRequest look;
  look.topics.emplace();
  look.allow_auto_topic_creation = false;
  WEIR_TRY(cluster.metadata_once(look));
  FindCoordinatorRequest request;
  request.key = key;
  request.key_type = static_cast<int8_t>(keeper);
  WEIR_ASSIGN(const auto response,
              cluster.call<FindCoordinatorResponse>(cluster.any_broker(), request));
  if (response.error != ErrorCode::kNone)
    return error_of(response.error,
                    fmt::format("coordinator of {} \"{}\"",
                                keeper == Keeper::kGroup ? "group" : "transactional id", key),
                    response.error_message.value_or(""));
  return response.node_id;
}

// `code_of` gives the answer's error; those that pass by themselves are waited for.
template <typename Response, typename Request, typename CodeOf>
Result<Response> Transactions::ask(Keeper keeper, const std::string& key, const Request& request,
                                   const std::string& what, CodeOf code_of) {
  const int64_t deadline_us = clock_.monotonic_us() + int64_t{max_block_ms_} * 1000;
  const std::pair<Keeper, std::string> wanted(keeper, key);
  for (int failures = 1;; ++failures) {
    if (stop_.stop_requested()) return base::error(ErrorKind::kCancelled, "stopped");
    ErrorCode code = ErrorCode::kNone;
    base::Error problem(ErrorKind::kUnavailable, "");
    auto known = keepers_.find(wanted);
    if (known == keepers_.end()) {
      auto found = find_keeper(cluster_, keeper, key);
      if (found.ok())
        known = keepers_.emplace(wanted, *found).first;
      else
        problem = std::move(found).error();
    }
    if (known != keepers_.end()) {
      auto response = cluster_.call<Response>(known->second, request);
      if (response.ok()) {
        code = code_of(*response);
        if (code == ErrorCode::kNone) return response;
        if (ends_transaction(code)) return transaction_ended(code, what);
        problem = error_of(code, what);
      } else {
        problem = std::move(response).error();
      }
      if (code == ErrorCode::kNone || code == ErrorCode::kNotCoordinator ||
          code == ErrorCode::kCoordinatorNotAvailable)
        keepers_.erase(known);
    }
    if (!problem.retryable()) return problem;
    WEIR_TRY(pause(failures, code, deadline_us, problem));
  }
}

// By what the brokers say of themselves: FindCoordinator would be answered by an old one too.
Result<void> Transactions::check_supported() {
  MetadataRequest look;
  look.topics.emplace();
  look.allow_auto_topic_creation = false;
  const int wait_ms =
      max_block_ms_ == ProducerOptions().max_block_ms ? kFirstAnswerMs : max_block_ms_;
  const int64_t deadline_us = clock_.monotonic_us() + int64_t{wait_ms} * 1000;
  WEIR_TRY(cluster_.metadata(look, deadline_us, stop_.get_token()));
  auto connection = cluster_.connection(cluster_.any_broker());
  if (!connection.ok()) return std::move(connection).error();
  for (const ApiKey key : {ApiKey::kAddPartitionsToTxn, ApiKey::kAddOffsetsToTxn,
                           ApiKey::kTxnOffsetCommit, ApiKey::kEndTxn, ApiKey::kOffsetFetch}) {
    const auto version = (*connection)->version_of(key);
    if (version.ok() && (key != ApiKey::kOffsetFetch || *version >= 7)) continue;
    return base::error(ErrorKind::kUnsupported,
                       "{} has no transactions ({} is missing); Apache Kafka has them, from 2.5 on",
                       (*connection)->peer(), api_key_name(key));
  }
  return base::ok();
}

Result<ProducerIdentity> Transactions::take_over() {
  std::lock_guard lock(mutex_);
  WEIR_TRY(check_supported());
  InitProducerIdRequest request;
  request.transactional_id = transactional_id_;
  request.transaction_timeout_ms = timeout_ms_;
  WEIR_ASSIGN(const auto response,
              ask<InitProducerIdResponse>(
                  Keeper::kTransaction, transactional_id_, request,
                  fmt::format("InitProducerId of \"{}\"", transactional_id_),
                  [](const InitProducerIdResponse& answer) { return answer.error; }));
  return ProducerIdentity{response.producer_id, response.producer_epoch};
}

Result<void> Transactions::add_partitions(const ProducerIdentity& producer,
                                          const std::vector<base::TopicPartition>& partitions) {
  std::lock_guard lock(mutex_);
  AddPartitionsToTxnRequest request;
  request.transactional_id = transactional_id_;
  request.producer_id = producer.id;
  request.producer_epoch = producer.epoch;
  for (const base::TopicPartition& partition : partitions)
    topic_of(request.topics, partition.topic).partitions.push_back(partition.partition);
  WEIR_TRY(ask<AddPartitionsToTxnResponse>(
      Keeper::kTransaction, transactional_id_, request,
      fmt::format("AddPartitionsToTxn of \"{}\"", transactional_id_),
      [](const AddPartitionsToTxnResponse& answer) { return worst_of(answer); }));
  return base::ok();
}

Result<void> Transactions::add_offsets(const ProducerIdentity& producer, const std::string& group,
                                       const std::vector<GroupOffset>& offsets) {
  std::lock_guard lock(mutex_);
  AddOffsetsToTxnRequest add;
  add.transactional_id = transactional_id_;
  add.producer_id = producer.id;
  add.producer_epoch = producer.epoch;
  add.group_id = group;
  WEIR_TRY(ask<AddOffsetsToTxnResponse>(
      Keeper::kTransaction, transactional_id_, add,
      fmt::format("AddOffsetsToTxn of \"{}\"", transactional_id_),
      [](const AddOffsetsToTxnResponse& answer) { return answer.error; }));
  TxnOffsetCommitRequest commit;
  commit.transactional_id = transactional_id_;
  commit.group_id = group;
  commit.producer_id = producer.id;
  commit.producer_epoch = producer.epoch;
  for (const GroupOffset& offset : offsets)
    topic_of(commit.topics, offset.partition.topic)
        .partitions.push_back({offset.partition.partition, offset.offset, -1, offset.metadata});
  WEIR_TRY(ask<TxnOffsetCommitResponse>(
      Keeper::kGroup, group, commit, fmt::format("TxnOffsetCommit of group \"{}\"", group),
      [](const TxnOffsetCommitResponse& answer) { return worst_of(answer); }));
  return base::ok();
}

Result<void> Transactions::commit(const ProducerIdentity& producer) {
  std::lock_guard lock(mutex_);
  EndTxnRequest request;
  request.transactional_id = transactional_id_;
  request.producer_id = producer.id;
  request.producer_epoch = producer.epoch;
  request.committed = true;
  WEIR_TRY(ask<EndTxnResponse>(Keeper::kTransaction, transactional_id_, request,
                               fmt::format("EndTxn of \"{}\"", transactional_id_),
                               [](const EndTxnResponse& answer) { return answer.error; }));
  return base::ok();
}

Result<std::vector<GroupOffset>> Transactions::offsets(const std::string& group, bool stable) {
  std::lock_guard lock(mutex_);
  OffsetFetchRequest request;
  request.group_id = group;
  request.require_stable = stable;
  WEIR_ASSIGN(const auto response,
              ask<OffsetFetchResponse>(
                  Keeper::kGroup, group, request, fmt::format("OffsetFetch of group \"{}\"", group),
                  [](const OffsetFetchResponse& answer) {
                    return answer.error != ErrorCode::kNone ? answer.error : worst_of(answer);
                  }));
  return offsets_of(response);
}

// Taking over has the coordinator roll back under an epoch that late records are behind of. Its
// answer, most likely CONCURRENT_TRANSACTIONS, is not waited for again.
void Transactions::roll_back(const std::string& group,
                             const std::function<bool(const std::vector<GroupOffset>&)>& ours) {
  std::lock_guard lock(mutex_);
  ConnectionSettings settings = settings_;
  settings.cancel = nullptr;
  settings.options.connect_timeout_ms = std::min(settings.options.connect_timeout_ms, kHurryMs);
  settings.options.request_timeout_ms = std::min(settings.options.request_timeout_ms, kHurryMs);
  Cluster cluster(std::move(settings), clock_, random_);
  const auto group_keeper = find_keeper(cluster, Keeper::kGroup, group);
  if (!group_keeper.ok()) return;
  OffsetFetchRequest look;
  look.group_id = group;
  const auto marks = cluster.call<OffsetFetchResponse>(*group_keeper, look);
  if (!marks.ok() || !ours(offsets_of(*marks))) return;
  const auto keeper = find_keeper(cluster, Keeper::kTransaction, transactional_id_);
  if (!keeper.ok()) return;  // the transaction ends by its timeout, or with the next take_over()
  InitProducerIdRequest request;
  request.transactional_id = transactional_id_;
  request.transaction_timeout_ms = timeout_ms_;
  (void)cluster.call<InitProducerIdResponse>(*keeper, request);
}

}  // namespace weir::kafka
