// `weir verify`: a table against the journal of what was sent, and against the log where it can be
// read.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "io/file_system.h"
#include "kafka/client_options.h"
#include "simulate/verification.h"

namespace weir::app {

struct VerifyTask {
  std::string table;
  std::string journal;
  std::optional<kafka::ClientOptions> log;  // where it is to be read
  std::string topic;
  simulate::VerifyOptions options;
};

// Reads log and table; what is wrong with them is in the report, an Error is what kept them from
// being read.
base::Result<simulate::VerificationReport> verify_table(const VerifyTask& task,
                                                        io::FileSystem& files, base::Clock& clock,
                                                        base::Random& random, std::stop_token stop);

int run_verify(int argc, char** argv);

}  // namespace weir::app
