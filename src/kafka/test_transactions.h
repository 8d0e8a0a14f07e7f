// The transactions of TestBroker, in the manner of Apache Kafka: owners of transactional ids, what
// belongs to the transaction under way, offsets of groups. Plain state; the broker has the lock.
// For tests only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "kafka/protocol.h"
#include "kafka/record_batch.h"

namespace weir::kafka::test {

// A marker as a broker writes it.
inline std::string control_batch(int64_t producer_id, int16_t epoch, bool committed) {
  RecordBatchBuilder builder;
  builder.add(std::string("\0\0\0", 3) + static_cast<char>(committed ? 1 : 0), std::string(6, '\0'),
              0);
  RecordBatchBuilder::Options options;
  options.transactional = true;
  std::string batch = std::move(builder.finish(options)).value();
  batch[22] = static_cast<char>(batch[22] | 0x20);
  stamp_producer(batch, producer_id, epoch, -1);
  return batch;
}

class TestTransactions {
 public:
  struct Ended {
    int64_t producer_id = -1;
    int16_t epoch = -1;
    std::set<int> partitions;
  };

  static bool is_call(ApiKey key) {
    return key == ApiKey::kAddPartitionsToTxn || key == ApiKey::kAddOffsetsToTxn ||
           key == ApiKey::kTxnOffsetCommit || key == ApiKey::kEndTxn;
  }
  bool is_open(const std::string& id) const {
    const auto found = ids_.find(id);
    return found != ids_.end() && found->second.open;
  }
  // What is open is rolled back; the next epoch.
  Ended take_over(const std::string& id, int64_t& next_producer_id) {
    State& state = ids_[id];
    if (state.producer_id < 0) state.producer_id = next_producer_id++;
    Ended ended = time_out(id);
    if (ended.producer_id < 0) ended.epoch = ++state.epoch;
    ended.producer_id = state.producer_id;
    return ended;
  }
  Ended time_out(const std::string& id) {
    State& state = ids_[id];
    if (!state.open) return {};
    Ended ended{state.producer_id, ++state.epoch, std::move(state.partitions)};
    state.open = false;
    state.partitions.clear();
    state.offsets.clear();
    return ended;
  }
  // Whether a batch of this producer may go to the partition.
  ErrorCode check(const RecordBatchHeader& batch, int partition) const {
    for (const auto& [id, state] : ids_) {
      if (state.producer_id != batch.producer_id) continue;
      if (state.epoch != batch.producer_epoch) return ErrorCode::kInvalidProducerEpoch;
      return state.partitions.contains(partition) ? ErrorCode::kNone : ErrorCode::kInvalidTxnState;
    }
    return ErrorCode::kInvalidProducerIdMapping;
  }

  AddPartitionsToTxnResponse add_partitions(const AddPartitionsToTxnRequest& request,
                                            ErrorCode busy) {
    AddPartitionsToTxnResponse response;
    State& state = ids_[request.transactional_id];
    const ErrorCode code = owner_code(state, request, busy);
    for (const auto& topic : request.topics) {
      response.topics.push_back({topic.name, {}});
      for (const int32_t partition : topic.partitions) {
        response.topics.back().partitions.push_back({partition, code});
        if (code != ErrorCode::kNone) continue;
        state.open = true;
        state.partitions.insert(partition);
      }
    }
    return response;
  }
  AddOffsetsToTxnResponse add_offsets(const AddOffsetsToTxnRequest& request, ErrorCode busy) {
    AddOffsetsToTxnResponse response;
    State& state = ids_[request.transactional_id];
    response.error = owner_code(state, request, busy);
    state.open = state.open || response.error == ErrorCode::kNone;
    return response;
  }
  TxnOffsetCommitResponse commit_offsets(const TxnOffsetCommitRequest& request) {
    TxnOffsetCommitResponse response;
    State& state = ids_[request.transactional_id];
    const ErrorCode code = owner_code(state, request, ErrorCode::kNone);
    for (const auto& topic : request.topics) {
      response.topics.push_back({topic.name, {}});
      for (const auto& partition : topic.partitions) {
        response.topics.back().partitions.push_back({partition.index, code});
        if (code == ErrorCode::kNone)
          state.offsets[request.group_id][{topic.name, partition.index}] = partition;
      }
    }
    return response;
  }
  std::optional<Ended> end(const EndTxnRequest& request, ErrorCode& code) {
    State& state = ids_[request.transactional_id];
    code = owner_code(state, request, ErrorCode::kNone);
    if (code != ErrorCode::kNone) return std::nullopt;
    if (!state.open) {  // asked once more
      if (state.committed != request.committed) code = ErrorCode::kInvalidTxnState;
      return std::nullopt;
    }
    if (request.committed) {
      for (const auto& [group, offsets] : state.offsets)
        for (const auto& [partition, offset] : offsets)
          offsets_[group][partition] = offset;
    }
    Ended ended{state.producer_id, state.epoch, std::move(state.partitions)};
    state.open = false;
    state.committed = request.committed;
    state.partitions.clear();
    state.offsets.clear();
    return ended;
  }
  OffsetFetchResponse fetch_offsets(const OffsetFetchRequest& request) const {
    OffsetFetchResponse response;
    const auto found = offsets_.find(request.group_id);
    if (found == offsets_.end()) return response;
    for (const auto& [partition, offset] : found->second)
      response.topics.push_back(
          {partition.first,
           {{partition.second, offset.offset, -1, offset.metadata, ErrorCode::kNone}}});
    return response;
  }

 private:
  using Offsets = std::map<std::pair<std::string, int32_t>, TxnOffsetCommitRequest::Partition>;
  struct State {
    int64_t producer_id = -1;
    int16_t epoch = -1;
    bool open = false;
    bool committed = false;
    std::set<int> partitions;
    std::map<std::string, Offsets> offsets;
  };
  template <typename Request>
  static ErrorCode owner_code(const State& state, const Request& request, ErrorCode busy) {
    if (state.producer_id != request.producer_id) return ErrorCode::kInvalidProducerIdMapping;
    return state.epoch == request.producer_epoch ? busy : ErrorCode::kProducerFenced;
  }

  std::map<std::string, State> ids_;
  std::map<std::string, Offsets> offsets_;
};

}  // namespace weir::kafka::test
