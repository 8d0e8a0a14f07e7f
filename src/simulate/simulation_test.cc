#include "simulate/simulation.h"

#include <functional>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/stepping_clock.h"
#include "simulate/text_sinks.h"

namespace weir::simulate {
namespace {

struct Sent {
  std::string key;
  std::string value;
  MessageTag tag;
  int64_t at_us;
};

class RecordingSink final : public EventSink {
 public:
  explicit RecordingSink(base::SteppingClock& clock) : clock_(clock) {}
  Result<void> send(std::string_view key, std::string_view value, int64_t, MessageTag tag,
                    std::stop_token) override {
    if (on_send) on_send();
    sent.push_back({std::string(key), std::string(value), tag, clock_.now_us()});
    clock_.advance_us(cost_us);
    return {};
  }
  Result<void> nudge() override { return {}; }
  Result<void> flush(int64_t) override {
    std::vector<MessageTag> tags;
    for (const Sent& message : sent)
      tags.push_back(message.tag);
    if (observer != nullptr)
      observer->on_acknowledged({.topic = "t", .partition = 0, .base_offset = 0, .messages = tags});
    return {};
  }
  base::SteppingClock& clock_;
  int64_t cost_us = 0;
  SinkObserver* observer = nullptr;
  std::function<void()> on_send;
  std::vector<Sent> sent;
};

TEST(Simulation, PacesByTheClockAndSendsRateTimesDuration) {
  base::SteppingClock clock;
  RecordingSink sink(clock);
  Simulation simulation(clock, {.shape = {.seed = 1}, .rate = 1000, .duration_us = 60'000'000},
                        nullptr);
  sink.observer = &simulation;
  const int64_t start = clock.now_us();
  const auto report = simulation.run(sink, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->sent, 60'000);
  EXPECT_EQ(report->acknowledged, 60'000);
  EXPECT_NEAR(report->seconds, 60, 0.01);
  std::map<int64_t, int> by_second;
  for (const Sent& message : sink.sent)
    ++by_second[(message.at_us - start) / 1'000'000];
  ASSERT_EQ(by_second.size(), 60u);
  for (const auto& [second, count] : by_second)
    EXPECT_NEAR(count, 1000, 10) << second;
}

TEST(Simulation, CatchesUpAfterTheSinkWasBlocked) {
  base::SteppingClock clock;
  RecordingSink sink(clock);
  Simulation simulation(clock, {.shape = {.seed = 1}, .rate = 1000, .duration_us = 20'000'000},
                        nullptr);
  int n = 0;
  sink.on_send = [&] {
    if (++n == 5000) clock.advance_us(7'000'000);
  };
  const auto report = simulation.run(sink, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->sent, 20'000);
}

TEST(Simulation, ASlowSinkEndsTheRunInTimeWithLessSent) {
  base::SteppingClock clock;
  RecordingSink sink(clock);
  sink.cost_us = 2000;
  Simulation simulation(clock, {.shape = {.seed = 1}, .rate = 1000, .duration_us = 10'000'000},
                        nullptr);
  const auto report = simulation.run(sink, {});
  ASSERT_TRUE(report.ok());
  EXPECT_LT(report->sent, 6'000);
  EXPECT_LE(report->seconds, 12);
}

TEST(Simulation, CopiesAreExactAndComeAfterTheirOriginalAboutOneInAThousand) {
  base::SteppingClock clock;
  RecordingSink sink(clock);
  sink.cost_us = 3;
  Simulation simulation(clock, {.shape = {.seed = 4, .fields = 2}, .rate = 0, .count = 1'000'000},
                        nullptr);
  const auto report = simulation.run(sink, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->sent, 1'000'000);
  EXPECT_NEAR(static_cast<double>(report->duplicated) / 1e6, 0.001, 0.0002);
  std::map<std::string, const Sent*> by_id;
  std::map<std::string, int64_t> next;
  int64_t copies = 0;
  for (const Sent& message : sink.sent) {
    const std::string id = message.value.substr(12, 36);
    const auto [place, fresh] = by_id.emplace(id, &message);
    if (message.tag.copy) {
      ++copies;
      ASSERT_FALSE(fresh);
      EXPECT_EQ(place->second->value, message.value);
      EXPECT_EQ(place->second->key, message.key);
      EXPECT_EQ(place->second->tag.index, message.tag.index);
    } else {
      ASSERT_TRUE(fresh);
      const int64_t sequence = next[message.key]++;
      EXPECT_NE(message.value.find(fmt::format("\"deviceSequenceNumber\":{},", sequence)),
                std::string::npos);
    }
  }
  EXPECT_EQ(copies, report->duplicated);
}

TEST(Simulation, EventTimeGoesByItsOwnRateAndNotByTheClock) {
  base::SteppingClock clock;
  RecordingSink sink(clock);
  sink.cost_us = 7;
  Simulation simulation(clock,
                        {.shape = {.seed = 4, .fields = 2, .duplicates = 0.01},
                         .rate = 0,
                         .count = 2'000,
                         .event_time_rate = 500},
                        nullptr);
  ASSERT_TRUE(simulation.run(sink, {}).ok());
  const auto found = std::find_if(sink.sent.begin(), sink.sent.end(),
                                  [](const Sent& message) { return message.tag.index == 501; });
  ASSERT_NE(found, sink.sent.end());
  EXPECT_THAT(found->value, testing::HasSubstr("\"createdAt\":\"2026-01-01T00:00:01.002000Z\""));
}

TEST(Simulation, StopsWhenAskedAndReportsWhatWasSent) {
  base::SteppingClock clock;
  RecordingSink sink(clock);
  std::stop_source stop;
  Simulation simulation(clock, {.shape = {.seed = 1}, .rate = 0}, nullptr);
  sink.observer = &simulation;
  sink.on_send = [&] {
    if (sink.sent.size() == 5000) stop.request_stop();
  };
  const auto report = simulation.run(sink, stop.get_token());
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->sent, static_cast<int64_t>(sink.sent.size()));
  EXPECT_EQ(report->acknowledged, report->sent);
  EXPECT_LT(report->sent, 6000);
}

struct Ledger final : JournalVisitor {
  std::set<uint64_t> reserved;
  std::multiset<uint64_t> copies;
  int64_t acknowledged = 0;
  uint64_t next = 0;
  void on_reservation(const JournalReservation& reservation) override {
    for (uint64_t i = reservation.first; i < reservation.end; ++i)
      EXPECT_TRUE(reserved.insert(i).second) << i;
    copies.insert(reservation.copies.begin(), reservation.copies.end());
  }
  void on_acknowledgement(const JournalAcknowledgement& a) override {
    acknowledged += static_cast<int64_t>(a.messages.size());
  }
  void on_stop(const JournalStop& stop) override {
    next = stop.next_index;
    reserved.erase(reserved.lower_bound(next), reserved.end());
  }
};

TEST(Simulation, WhatIsSentWasReservedInTheJournalBefore) {
  char folder[] = "/tmp/weir-simulation-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/journal";
  auto files = io::local_file_system();
  base::SystemClock system_clock;
  std::set<std::string> ids;
  int64_t total = 0;
  for (int round = 0; round < 3; ++round) {
    base::SteppingClock clock;
    RecordingSink sink(clock);
    auto journal = JournalWriter::open(*files, system_clock, path,
                                       {.seed = 4, .fields = 1, .duplicates = 0.05}, true, "t", {});
    ASSERT_TRUE(journal.ok()) << journal.error().to_string();
    Simulation simulation(clock, {.shape = {}, .rate = 2000, .count = 3000}, journal->get());
    sink.observer = &simulation;
    sink.on_send = [&] {
      if (sink.sent.size() % 100 != 0) return;
      Ledger ledger;
      ASSERT_TRUE(read_journal(*files, path, ledger).ok());
      for (const Sent& message : sink.sent) {
        EXPECT_TRUE(ledger.reserved.contains(message.tag.index));
        if (message.tag.copy) {
          EXPECT_EQ(ledger.copies.count(message.tag.index), 1u);
        }
      }
    };
    const auto report = simulation.run(sink, {});
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(report->sent, 3000);
    total += report->sent;
    for (const Sent& message : sink.sent)
      if (!message.tag.copy) {
        EXPECT_TRUE(ids.insert(message.value.substr(12, 36)).second);
      }
  }
  Ledger ledger;
  ASSERT_TRUE(read_journal(*files, path, ledger).ok());
  EXPECT_EQ(ledger.acknowledged, total);
  EXPECT_EQ(ledger.next, ids.size());
  ASSERT_TRUE(files->remove_tree(folder).ok());
}

TEST(FolderSink, WritesWholeFilesOfLines) {
  char folder[] = "/tmp/weir-folder-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  auto files = io::local_file_system();
  base::SteppingClock clock;
  Simulation simulation(clock, {.shape = {.seed = 4}, .rate = 100, .count = 2500}, nullptr);
  auto sink =
      FolderSink::open(*files, clock, {.folder = folder, .run = "x", .events_max = 70}, simulation);
  ASSERT_TRUE(sink.ok());
  const auto report = simulation.run(**sink, {});
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_EQ(report->acknowledged, 2500);
  int64_t lines = 0;
  const auto listed = files->list(folder);
  ASSERT_TRUE(listed.ok());
  EXPECT_GE(listed->size(), 2500u / 70);
  for (const io::FileInfo& file : *listed) {
    EXPECT_THAT(file.name, testing::MatchesRegex("events-x-[0-9]+\\.json"));
    const std::string text = files->read_all(file.path).value();
    size_t at = 0;
    for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
      EXPECT_TRUE(
          base::parse_json_object(std::string_view(text).substr(at, end - at), "line").ok());
      at = end + 1;
      ++lines;
    }
    EXPECT_EQ(at, text.size());
  }
  EXPECT_EQ(lines, 2500);
  ASSERT_TRUE(files->remove_tree(folder).ok());
}

}  // namespace
}  // namespace weir::simulate
