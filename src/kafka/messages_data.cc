#include "kafka/messages_data.h"

#include "kafka/message_walk.h"

namespace weir::kafka {

namespace {

template <typename Io>
void walk(Io& io, typename Io::template Ref<ProduceRequest> m, int16_t) {
  io(m.transactional_id);
  io(m.acks);
  io(m.timeout_ms);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io.records(partition.records);
    });
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<ProduceResponse> m, int16_t version) {
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.error);
      io(partition.base_offset);
      io(partition.log_append_time_ms);
      if (version >= 5) io(partition.log_start_offset);
      if (version >= 8) {
        io.array(partition.record_errors, [&](auto& record) {
          io(record.batch_index);
          io(record.message);
        });
        io(partition.error_message);
      }
    });
  });
  io(m.throttle_time_ms);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<FetchRequest> m, int16_t version) {
  io(m.replica_id);
  io(m.max_wait_ms);
  io(m.min_bytes);
  io(m.max_bytes);
  io(m.isolation_level);
  if (version >= 7) {
    io(m.session_id);
    io(m.session_epoch);
  }
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      if (version >= 9) io(partition.current_leader_epoch);
      io(partition.fetch_offset);
      if (version >= 5) io(partition.log_start_offset);
      io(partition.max_bytes);
    });
  });
  if (version >= 7) {
    io.array(m.forgotten_topics, [&](auto& topic) {
      io(topic.name);
      io(topic.partitions);
    });
  }
  if (version >= 11) io(m.rack_id);
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<FetchResponse> m, int16_t version) {
  io(m.throttle_time_ms);
  if (version >= 7) {
    io(m.error);
    io(m.session_id);
  }
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.error);
      io(partition.high_watermark);
      io(partition.last_stable_offset);
      if (version >= 5) io(partition.log_start_offset);
      io.nullable_array(partition.aborted_transactions, [&](auto& transaction) {
        io(transaction.producer_id);
        io(transaction.first_offset);
      });
      if (version >= 11) io(partition.preferred_read_replica);
      io.records(partition.records);
    });
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<ListOffsetsRequest> m, int16_t version) {
  io(m.replica_id);
  if (version >= 2) io(m.isolation_level);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      if (version >= 4) io(partition.current_leader_epoch);
      io(partition.timestamp);
    });
  });
}

template <typename Io>
void walk(Io& io, typename Io::template Ref<ListOffsetsResponse> m, int16_t version) {
  if (version >= 2) io(m.throttle_time_ms);
  io.array(m.topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.error);
      io(partition.timestamp);
      io(partition.offset);
      if (version >= 4) io(partition.leader_epoch);
    });
  });
}

}  // namespace

WEIR_KAFKA_MESSAGE(ProduceRequest, "request")
WEIR_KAFKA_MESSAGE(ProduceResponse, "response")
WEIR_KAFKA_MESSAGE(FetchRequest, "request")
WEIR_KAFKA_MESSAGE(FetchResponse, "response")
WEIR_KAFKA_MESSAGE(ListOffsetsRequest, "request")
WEIR_KAFKA_MESSAGE(ListOffsetsResponse, "response")

}  // namespace weir::kafka
