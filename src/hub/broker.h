// What the handlers work on, and the table of handlers, one for each call of the protocol.
//
// Handlers run on the network threads, several at once; what they share has its own locks.
#pragma once

#include <string>

#include "base/clock.h"
#include "hub/group_coordinator.h"
#include "hub/hub_metrics.h"
#include "hub/hub_options.h"
#include "hub/memory_budget.h"
#include "hub/offset_store.h"
#include "hub/producer_ids.h"
#include "hub/request.h"
#include "hub/topic_store.h"

namespace weir::hub {

inline constexpr int32_t kBrokerId = 1;

struct Broker {
  const HubOptions& options;
  base::Clock& clock;
  HubMetrics& metrics;
  TopicStore& topics;
  GroupCoordinator& groups;
  OffsetStore& offsets;
  ProducerIds& producer_ids;
  MemoryBudget& response_memory;
  std::string cluster_id;

  // Looks at the header and hands the request to its handler; drops the connection where there is
  // none.
  void handle(const Request& request);

  // Counts an answer with an error that the client caused.
  void refused(kafka::ErrorCode error) {
    if (error != kafka::ErrorCode::kNone) metrics.count_refused(kafka::error_code_name(error));
  }
};

void handle_produce(Broker& broker, const Request& request);
void handle_fetch(Broker& broker, const Request& request);
void handle_list_offsets(Broker& broker, const Request& request);
void handle_metadata(Broker& broker, const Request& request);
void handle_offset_commit(Broker& broker, const Request& request);
void handle_offset_fetch(Broker& broker, const Request& request);
void handle_find_coordinator(Broker& broker, const Request& request);
void handle_join_group(Broker& broker, const Request& request);
void handle_heartbeat(Broker& broker, const Request& request);
void handle_leave_group(Broker& broker, const Request& request);
void handle_sync_group(Broker& broker, const Request& request);
void handle_api_versions(Broker& broker, const Request& request);
void handle_create_topics(Broker& broker, const Request& request);
void handle_init_producer_id(Broker& broker, const Request& request);

}  // namespace weir::hub
