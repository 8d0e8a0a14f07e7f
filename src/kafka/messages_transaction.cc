#include "kafka/messages_transaction.h"

#include "kafka/message_walk.h"

namespace weir::kafka {

namespace {

template <typename Io>
void walk(Io& io, typename Io::template Ref<AddPartitionsToTxnRequest> m, int16_t) {
  io(m.transactional_id);
  io(m.producer_id);
  io(m.producer_epoch);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io(topic.partitions);
  });
}

template <typename Io>
void walk_answer(Io& io, auto& m) {
  io(m.throttle_time_ms);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.error);
    });
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<AddPartitionsToTxnResponse> m, int16_t) {
  walk_answer(io, m);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<AddOffsetsToTxnRequest> m, int16_t) {
  io(m.transactional_id);
  io(m.producer_id);
  io(m.producer_epoch);
  io(m.group_id);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<AddOffsetsToTxnResponse> m, int16_t) {
  io(m.throttle_time_ms);
  io(m.error);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<EndTxnRequest> m, int16_t) {
  io(m.transactional_id);
  io(m.producer_id);
  io(m.producer_epoch);
  io(m.committed);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<EndTxnResponse> m, int16_t) {
  io(m.throttle_time_ms);
  io(m.error);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<TxnOffsetCommitRequest> m, int16_t version) {
  io(m.transactional_id);
  io(m.group_id);
  io(m.producer_id);
  io(m.producer_epoch);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.offset);
      if (version >= 2) io(partition.leader_epoch);
      io(partition.metadata);
    });
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<TxnOffsetCommitResponse> m, int16_t) {
  walk_answer(io, m);
}

}  // namespace

WEIR_KAFKA_MESSAGE(AddPartitionsToTxnRequest, "request")
WEIR_KAFKA_MESSAGE(AddPartitionsToTxnResponse, "response")
WEIR_KAFKA_MESSAGE(AddOffsetsToTxnRequest, "request")
WEIR_KAFKA_MESSAGE(AddOffsetsToTxnResponse, "response")
WEIR_KAFKA_MESSAGE(EndTxnRequest, "request")
WEIR_KAFKA_MESSAGE(EndTxnResponse, "response")
WEIR_KAFKA_MESSAGE(TxnOffsetCommitRequest, "request")
WEIR_KAFKA_MESSAGE(TxnOffsetCommitResponse, "response")

}  // namespace weir::kafka
