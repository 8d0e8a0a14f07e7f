// Every case of tests/golden/streaming, with both providers of state; and again with the power
// going at each named point of its batches.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "streaming/case_world.h"

namespace weir::streaming {
namespace {

std::vector<Case> all_cases() {
  std::vector<Case> all;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/streaming"))
    if (entry.path().extension() == ".cases") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    auto cases = parse_cases(text.str(), path.stem().string());
    WEIR_CHECK(cases.ok(), cases.error().to_string());
    all.insert(all.end(), cases->begin(), cases->end());
  }
  return all;
}

std::string test_name(const Case& one) {
  std::string name = one.file + "_" + one.name;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

class StreamingCase : public testing::TestWithParam<Case> {};

TEST_P(StreamingCase, OnStateInMemory) {
  CaseWorld world({.threads = 1});
  const auto done = world.run(GetParam());
  EXPECT_TRUE(done.ok()) << done.error().to_string();
}

TEST_P(StreamingCase, OnRocksDb) {
  CaseWorld world({.provider = "rocksdb", .threads = 2, .shards = 2});
  const auto done = world.run(GetParam());
  EXPECT_TRUE(done.ok()) << done.error().to_string();
}

// What has its own crashes or is to fail is left alone. So is what has several watermarks: how far
// each has come is forgotten by a restart, in Spark too.
bool may_crash(const Case& one) {
  int watermarks = 0;
  for (const auto& step : one.steps) {
    if (step.verb == "crash" || step.verb == "refused" || step.verb == "fails" ||
        step.verb == "purge" || step.verb == "advance" || step.verb == "trigger")
      return false;
    watermarks += step.rest.find("= watermark ") != std::string::npos;
  }
  return watermarks < 2;
}

// Of each point one batch, WEIR_SOAK=1: all of them.
TEST_P(StreamingCase, WithPowerGoingAtEachPoint) {
  if (!may_crash(GetParam())) return;
  const bool soak = std::getenv("WEIR_SOAK") != nullptr;
  uint64_t seed = std::hash<std::string>()(GetParam().name) % 1000;
  const auto crashed = [&](std::string_view point, int64_t batch) {
    ++seed;
    CaseWorld world({.provider = seed % 4 == 0 ? "rocksdb" : "memory",
                     .threads = static_cast<int>(1 + seed % 2),
                     .shards = 1 << seed % 3,
                     .crash_point = std::string(point),
                     .crash_batch = batch,
                     .seed = seed});
    const auto done = world.run(GetParam());
    EXPECT_TRUE(done.ok()) << point << " in batch " << batch << ", seed " << seed << ": "
                           << done.error().to_string();
    return world.crashed() && done.ok();
  };
  for (const auto point : kCrashPoints) {
    if (soak) {
      for (int64_t batch = 0; batch < 8 && crashed(point, batch); ++batch) {
      }
    } else {
      const auto batch = static_cast<int64_t>(seed % 3);
      if (!crashed(point, batch) && batch > 0) crashed(point, 0);
    }
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(All, StreamingCase, testing::ValuesIn(all_cases()),
                         [](const auto& one) { return test_name(one.param); });

}  // namespace
}  // namespace weir::streaming
