#include "hub/hub_metrics.h"

namespace weir::hub {

void add_hub_metrics(const HubMetricsSnapshot& now, base::MetricsText& text) {
  using Type = base::MetricsText::Type;
  const auto one = [&](std::string_view name, Type type, std::string_view help, int64_t number) {
    text.family(name, type, help);
    text.value(number);
  };
  one("weir_hub_incoming_messages_total", Type::kCounter, "Records accepted",
      now.total.incoming_messages);
  one("weir_hub_incoming_bytes_total", Type::kCounter, "Bytes of accepted record batches, as sent",
      now.total.incoming_bytes);
  one("weir_hub_outgoing_messages_total", Type::kCounter, "Records in fetch answers",
      now.total.outgoing_messages);
  one("weir_hub_outgoing_bytes_total", Type::kCounter, "Bytes of record batches in fetch answers",
      now.total.outgoing_bytes);
  one("weir_hub_requests_total", Type::kCounter, "Requests", now.requests);
  one("weir_hub_throttled_requests_total", Type::kCounter, "Requests held back",
      now.total.throttled_requests);
  text.family(
      "weir_hub_refused_requests_total", Type::kCounter,
      "Requests answered with an error that the client caused, by Kafka's name of the error");
  for (const auto& [error, count] : now.refused_by_error)
    text.value({{"error", error}}, count);
  one("weir_hub_syncs_total", Type::kCounter, "Syncs of log files", now.syncs);
  one("weir_hub_connections", Type::kGauge, "Connections open", now.connections);
  one("weir_hub_partitions_offline", Type::kGauge, "Partitions that cannot be used",
      now.partitions_offline);
}

}  // namespace weir::hub
