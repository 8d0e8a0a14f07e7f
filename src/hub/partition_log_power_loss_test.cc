// Power is cut, writes fail and disks fill up at random calls of a partition's life; after each,
// what was promised is there, in order, each once, and nothing that was never sent is.
#include <gtest/gtest.h>

#include "hub/test_log.h"

namespace weir::hub {
namespace {

using kafka::ErrorCode;
using test::TestLog;

struct Run {
  uint64_t seed;
  io::ModelFileSystem files;
  base::SeededRandom random;
  base::ManualClock clock;
  TopicConfig config;
  int64_t acknowledged = 0;  // records 0 .. acknowledged-1 are promised
  int64_t sent = 0;
  int32_t sequence = 0;

  explicit Run(uint64_t seed_given)
      : seed(seed_given), files(seed_given), random(seed_given ^ 0x9e3779b97f4a7c15) {
    config.segment_bytes = 1024 + static_cast<int64_t>(random.below(4096));
  }

  // Sends until something fails or enough was sent; the value of a record is its number.
  void work(TestLog& log) {
    for (int i = 0; i < 30 && !files.power_lost(); ++i) {
      const AppendOutcome outcome =
          log.append({.producer_id = 5,
                      .sequence = sequence,
                      .timestamp_ms = clock.now_ms(),
                      .value = fmt::format("{}-{}", sent, std::string(random.below(300), 'x'))});
      if (outcome.error != ErrorCode::kNone) return;
      const int64_t end = outcome.end_offset;
      ++sent;
      ++sequence;
      log->when_durable(end, [this, end](bool durable) {
        if (durable) acknowledged = std::max(acknowledged, end);
      });
      if (random.below(3) == 0) log.flush();
      if (random.below(10) == 0) log->make_recovery_point_durable();
    }
    if (random.below(4) == 0) {
      EXPECT_TRUE(log->close().ok() || log->offline() || files.power_lost() ||
                  files.fault_reached());
    }
  }

  // The log is a prefix of what was sent and holds all that was promised.
  void check(TestLog& log) {
    const std::vector<std::string> values = log.values();
    ASSERT_GE(static_cast<int64_t>(values.size()), acknowledged) << "seed " << seed;
    ASSERT_LE(static_cast<int64_t>(values.size()), sent) << "seed " << seed;
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_TRUE(values[i].starts_with(std::to_string(i) + "-"))
          << "seed " << seed << " record " << i;
    ASSERT_EQ(log->end_offset(), static_cast<int64_t>(values.size()));
    // A retry of the last one is known; the producer goes on behind it.
    if (!values.empty()) {
      const AppendOutcome again =
          log.append({.producer_id = 5, .sequence = static_cast<int32_t>(values.size()) - 1});
      ASSERT_TRUE(again.duplicate) << "seed " << seed;
      ASSERT_EQ(again.base_offset, static_cast<int64_t>(values.size()) - 1);
    }
    sent = static_cast<int64_t>(values.size());
    sequence = static_cast<int32_t>(sent);
  }
};

void run(uint64_t seed) {
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Run run(seed);
  ASSERT_TRUE(TestLog::create(run.files).ok());
  const io::Fault faults[] = {io::Fault::kPowerLoss, io::Fault::kPowerLoss, io::Fault::kError,
                              io::Fault::kShortWrite, io::Fault::kNoSpace};
  for (int life = 0; life < 6; ++life) {
    run.files.inject(static_cast<int64_t>(run.random.below(120)),
                     faults[run.random.below(std::size(faults))]);
    {
      TestLog log(run.files, run.clock, run.config);
      if (log->recover().ok()) run.work(log);
    }
    if (run.random.below(2) == 0 || run.files.power_lost())
      run.files.restart();  // else: only the process died
    run.files.free_space();
    run.files.inject(1'000'000,
                     io::Fault::kError);  // takes the fault back where it was not reached
    TestLog log(run.files, run.clock, run.config);
    const auto recovered = log->recover();
    ASSERT_TRUE(recovered.ok()) << "seed " << seed << ": " << recovered.error().message();
    run.check(log);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(PartitionLogPowerLoss, WhatWasPromisedIsThere) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    run(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weir::hub
