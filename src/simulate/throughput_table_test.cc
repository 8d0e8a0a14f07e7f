#include "simulate/throughput_table.h"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

namespace weir::simulate {
namespace {

// The text of the sample's README, byte for byte.
TEST(ThroughputTable, HasTheSamplesLayout) {
  setenv("TZ", "CEST-2", 1);
  tzset();
  const ThroughputTable table(2, 60);
  EXPECT_EQ(table.header() + ThroughputTable::row({.time_us = 1'624'898'968'000'000,
                                                   .incoming_messages = 60163,
                                                   .incoming_bytes = 56077016}),
            "                             Event Hub #    IncomingMessages       IncomingBytes    "
            "OutgoingMessages       OutgoingBytes   ThrottledRequests\n"
            "                             -----------    ----------------       -------------    "
            "----------------       -------------  ------------------\n"
            "                   MAX VALUE Event Hub 1              120000           120000000      "
            "        491520           240000000                   -\n"
            "                             -----------    ----------------       -------------    "
            "----------------       -------------  ------------------\n"
            "    2021-06-28T18:49:28+0200 Event Hub 1               60163            56077016      "
            "             0                   0                   0\n");
  unsetenv("TZ");
  tzset();
}

TEST(ThroughputTable, MaximaFollowUnitsAndInterval) {
  EXPECT_NE(ThroughputTable(12, 10).header().find(" 120000 "), std::string::npos);
  EXPECT_NE(ThroughputTable(12, 10).header().find(" 491520 "), std::string::npos);
}

}  // namespace
}  // namespace weir::simulate
