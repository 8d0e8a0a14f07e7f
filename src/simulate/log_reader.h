// Reads a whole topic as it is now, for a verification.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "kafka/client_options.h"

namespace weir::simulate {

using base::Result;

struct LogTaker {
  // The partition reaches from `start` to before `end`. All partitions come before the first
  // record.
  std::function<void(int32_t partition, int64_t start, int64_t end)> on_partition;
  std::function<void(int32_t partition, int64_t offset, std::string_view value)> on_record;
};

// kDataLoss where retention removes records while they are being read.
Result<void> read_log(const kafka::ClientOptions& options, const std::string& topic,
                      base::Clock& clock, base::Random& random, const LogTaker& taker,
                      std::stop_token stop);

}  // namespace weir::simulate
