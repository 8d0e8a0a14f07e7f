// Walks of what messages about offsets have in common, those of groups and of transactions.
#pragma once

namespace weir::kafka {

// OffsetCommitRequest::Topic
template <typename Io>
void walk_offsets(Io& io, auto& topics, bool leader_epochs) {
  io.array(topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.offset);
      if (leader_epochs) io(partition.leader_epoch);
      io(partition.metadata);
    });
  });
}

// OffsetCommitResponse::Topic
template <typename Io>
void walk_errors(Io& io, auto& topics) {
  io.array(topics, [&](auto& topic) {
    io(topic.name);
    io.array(topic.partitions, [&](auto& partition) {
      io(partition.index);
      io(partition.error);
    });
  });
}

}  // namespace weir::kafka
