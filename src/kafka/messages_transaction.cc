#include "kafka/messages_transaction.h"

#include "kafka/message_walk.h"
#include "kafka/offset_walk.h"

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
void walk(Io& io, typename Io::template Ref<AddPartitionsToTxnResponse> m, int16_t) {
  io(m.throttle_time_ms);
  walk_errors(io, m.topics);
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
  walk_offsets(io, m.topics, version >= 2);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<TxnOffsetCommitResponse> m, int16_t) {
  io(m.throttle_time_ms);
  walk_errors(io, m.topics);
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
