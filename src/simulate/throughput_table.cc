#include "simulate/throughput_table.h"

#include <ctime>

#include <fmt/core.h>

namespace weir::simulate {
namespace {

template <typename... Cells>
std::string line(const Cells&... cells) {
  static_assert(sizeof...(cells) == 7);
  return fmt::format("{:>28}{:>12}{:>20}{:>20}{:>20}{:>20}{:>20}\n", cells...);
}

constexpr const char* kHub = "Event Hub 1";

}  // namespace

std::string ThroughputTable::header() const {
  const std::string dashes = line("", "-----------", "----------------", "-------------",
                                  "----------------", "-------------", "------------------");
  const int64_t unit_seconds = units_ * interval_s_;
  return line("", "Event Hub #", "IncomingMessages", "IncomingBytes", "OutgoingMessages",
              "OutgoingBytes", "ThrottledRequests") +
         dashes +
         line("MAX VALUE", kHub, unit_seconds * 1000, unit_seconds * 1'000'000, unit_seconds * 4096,
              unit_seconds * 2'000'000, "-") +
         dashes;
}

std::string ThroughputTable::row(const ThroughputRow& row) {
  const auto seconds = static_cast<std::time_t>(row.time_us / 1'000'000);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char time[40];
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S%z", &parts);
  return line(time, kHub, row.incoming_messages, row.incoming_bytes, row.outgoing_messages,
              row.outgoing_bytes, row.throttled_requests);
}

}  // namespace weir::simulate
