#include "simulate/journal.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/random.h"
#include "io/model_file_system.h"
#include "simulate/journal_records.h"

namespace weir::simulate {
namespace {

using base::ErrorKind;

struct Collected final : JournalVisitor {
  std::vector<JournalRun> runs;
  std::vector<JournalReservation> reservations;
  std::vector<JournalAcknowledgement> acknowledgements;
  std::vector<JournalFailure> failures;
  std::vector<JournalStop> stops;
  void on_run(const JournalRun& run) override { runs.push_back(run); }
  void on_reservation(const JournalReservation& r) override { reservations.push_back(r); }
  void on_acknowledgement(const JournalAcknowledgement& a) override {
    acknowledgements.push_back(a);
  }
  void on_failure(const JournalFailure& f) override { failures.push_back(f); }
  void on_stop(const JournalStop& s) override { stops.push_back(s); }
};

class JournalTest : public testing::Test {
 protected:
  std::unique_ptr<JournalWriter> open(EventShape shape = {.seed = 7}, bool seed_given = true) {
    auto journal = JournalWriter::open(*files_, clock_, path_, shape, seed_given, "test", {});
    EXPECT_TRUE(journal.ok()) << journal.error().to_string();
    return journal.ok() ? std::move(journal).value() : nullptr;
  }
  Collected read() {
    Collected collected;
    auto extent = read_journal(*files_, path_, collected);
    EXPECT_TRUE(extent.ok()) << extent.error().to_string();
    if (extent.ok()) extent_ = *extent;
    return collected;
  }
  void write_raw(const std::string& bytes) { ASSERT_TRUE(files_->replace(path_, bytes).ok()); }
  std::string raw() { return files_->read_all(path_).value(); }

  void SetUp() override {
    char folder[] = "/tmp/weir-journal-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/j/journal";
  }
  void TearDown() override { (void)files_->remove_tree(folder_); }

  base::SystemClock clock_;
  std::unique_ptr<io::FileSystem> files_ = io::local_file_system();
  std::string folder_;
  std::string path_;
  JournalExtent extent_;
};

const std::vector<MessageTag> kBatch = {
    {.index = 5, .copy = false}, {.index = 2, .copy = true}, {.index = 1'000'000'007}};

TEST_F(JournalTest, GivesBackWhatWasWritten) {
  {
    auto journal =
        open({.seed = 0xffff'ffff'ffff'ffff, .devices = 3, .fields = 4, .duplicates = 0.25});
    EXPECT_EQ(journal->first_index(), 0u);
    const auto number = journal->reserve({.first = 0, .end = 300, .copies = {7, 3, 299}});
    ASSERT_TRUE(journal->await(number).ok());
    journal->acknowledged(
        {.topic = "events", .partition = 3, .base_offset = 12345678901, .messages = kBatch});
    journal->failed(kBatch, base::error(ErrorKind::kTimeout, "late"));
    ASSERT_TRUE(
        journal
            ->finish(
                {.next_index = 250, .time_us = 9, .sent = 253, .acknowledged = 3, .duplicated = 2})
            .ok());
  }
  const auto collected = read();
  ASSERT_EQ(collected.runs.size(), 1u);
  EXPECT_EQ(
      collected.runs[0].shape,
      (EventShape{.seed = 0xffff'ffff'ffff'ffff, .devices = 3, .fields = 4, .duplicates = 0.25}));
  EXPECT_EQ(collected.runs[0].target, "test");
  ASSERT_EQ(collected.reservations.size(), 1u);
  EXPECT_EQ(collected.reservations[0].end, 300u);
  EXPECT_THAT(collected.reservations[0].copies, testing::ElementsAre(7u, 3u, 299u));
  ASSERT_EQ(collected.acknowledgements.size(), 1u);
  EXPECT_EQ(collected.acknowledgements[0].topic, "events");
  EXPECT_EQ(collected.acknowledgements[0].partition, 3);
  EXPECT_EQ(collected.acknowledgements[0].base_offset, 12345678901);
  EXPECT_EQ(collected.acknowledgements[0].messages, kBatch);
  ASSERT_EQ(collected.failures.size(), 1u);
  EXPECT_EQ(collected.failures[0].messages, kBatch);
  EXPECT_THAT(collected.failures[0].error, testing::HasSubstr("late"));
  ASSERT_EQ(collected.stops.size(), 1u);
  EXPECT_EQ(collected.stops[0].next_index, 250u);
  EXPECT_EQ(extent_.torn_bytes, 0);
}

TEST_F(JournalTest, GoesOnAfterAStopWhereItStoppedAndAfterACrashBehindWhatWasReserved) {
  {
    auto journal = open();
    ASSERT_TRUE(journal->await(journal->reserve({.first = 0, .end = 300, .copies = {}})).ok());
    ASSERT_TRUE(journal->finish({.next_index = 250}).ok());
  }
  {
    auto journal = open();
    EXPECT_EQ(journal->first_index(), 250u);
    ASSERT_TRUE(journal->await(journal->reserve({.first = 250, .end = 550, .copies = {}})).ok());
  }  // no stop: as after a crash
  {
    auto journal = open();
    EXPECT_EQ(journal->first_index(), 550u);
  }
  EXPECT_EQ(read().runs.size(), 3u);
}

TEST_F(JournalTest, AnotherShapeBeginsANewEpochAndTheOldOneIsRemembered) {
  {
    auto journal = open();
    ASSERT_TRUE(journal->await(journal->reserve({.first = 0, .end = 300, .copies = {}})).ok());
  }
  EXPECT_EQ(open({.seed = 8})->first_index(), 0u);
  EXPECT_EQ(open({.seed = 7})->first_index(), 300u);
  EXPECT_EQ(open({.seed = 7, .devices = 5})->first_index(), 0u);
}

TEST_F(JournalTest, WithoutASeedTheJournalsOwnIsTaken) {
  open({.seed = 7});
  EXPECT_EQ(open({.seed = 99}, false)->shape().seed, 7u);
  EXPECT_EQ(open({.seed = 99, .devices = 5}, false)->shape().seed, 99u);
}

TEST_F(JournalTest, ASecondSimulatorIsRefused) {
  auto first = open();
  auto second = JournalWriter::open(*files_, clock_, path_, {.seed = 7}, true, "test", {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind(), ErrorKind::kConflict);
}

TEST_F(JournalTest, ATornTailAtAnyByteIsLeftOutAndCut) {
  {
    auto journal = open();
    ASSERT_TRUE(journal->await(journal->reserve({.first = 0, .end = 300, .copies = {4}})).ok());
    journal->acknowledged(
        {.topic = "events", .partition = 3, .base_offset = 0, .messages = kBatch});
  }
  const std::string whole = raw();
  size_t records_before = 0;
  for (size_t length = kJournalMagic.size(); length <= whole.size(); ++length) {
    write_raw(whole.substr(0, length));
    const auto collected = read();
    const size_t records =
        collected.runs.size() + collected.reservations.size() + collected.acknowledgements.size();
    EXPECT_GE(records, records_before);
    records_before = records;
    EXPECT_EQ(extent_.valid_bytes + extent_.torn_bytes, static_cast<int64_t>(length));
    open();
    const auto after = read();
    EXPECT_EQ(extent_.torn_bytes, 0) << length;
    EXPECT_EQ(after.runs.size(), collected.runs.size() + 1);
    EXPECT_EQ(after.reservations.size(), collected.reservations.size());
  }
  EXPECT_EQ(records_before, 3u);
}

TEST_F(JournalTest, ATailOfZerosOrGarbageIsATornTail) {
  open();
  const std::string whole = raw();
  for (const std::string& tail : {std::string(5000, '\0'), std::string(5000, '\xff'),
                                  std::string("\x05\0\0\0abcdefgh", 12)}) {
    write_raw(whole + tail);
    EXPECT_EQ(read().runs.size(), 1u);
    EXPECT_EQ(extent_.torn_bytes, static_cast<int64_t>(tail.size()));
  }
}

TEST_F(JournalTest, DamageBeforeWhatWasDurableIsCorruption) {
  size_t first_run_end = 0;
  {
    auto journal = open();
    first_run_end = raw().size();
    ASSERT_TRUE(journal->await(journal->reserve({.first = 0, .end = 300, .copies = {}})).ok());
    ASSERT_TRUE(journal->await(journal->reserve({.first = 300, .end = 600, .copies = {}})).ok());
  }
  std::string damaged = raw();
  damaged[first_run_end + 9] = static_cast<char>(damaged[first_run_end + 9] ^ 1);
  write_raw(damaged);
  Collected collected;
  auto extent = read_journal(*files_, path_, collected);
  ASSERT_FALSE(extent.ok());
  EXPECT_EQ(extent.error().kind(), ErrorKind::kCorruption);
  EXPECT_THAT(extent.error().message(), testing::HasSubstr(fmt::format("byte {}", first_run_end)));
}

TEST_F(JournalTest, AFileThatIsNoJournalIsLeftAlone) {
  ASSERT_TRUE(files_->make_dirs(io::parent_path(path_)).ok());
  write_raw("something else entirely");
  auto journal = JournalWriter::open(*files_, clock_, path_, {.seed = 7}, true, "test", {});
  ASSERT_FALSE(journal.ok());
  EXPECT_EQ(journal.error().kind(), ErrorKind::kCorruption);
  EXPECT_EQ(raw(), "something else entirely");
}

// Power goes, or a call fails, at a random place of a random run; what was said to be durable is
// found afterwards.
TEST(JournalPowerLoss, WhatIsAwaitedSurvivesAndTheNextRunGoesOnBehindIt) {
  base::SystemClock clock;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    base::SeededRandom random(seed);
    io::ModelFileSystem files(seed);
    ASSERT_TRUE(files.make_dirs("/d").ok());
    uint64_t reserved = 0;  // all before is durably reserved
    for (int run = 0; run < 4; ++run) {
      const bool last = run == 3;
      if (!last)
        files.inject(static_cast<int64_t>(random.below(14)),
                     random.below(3) == 0 ? io::Fault::kShortWrite : io::Fault::kPowerLoss);
      {
        auto journal =
            JournalWriter::open(files, clock, "/d/journal", {.seed = 7}, true, "test", {});
        if (last) {
          ASSERT_TRUE(journal.ok()) << journal.error().to_string();
        }
        if (journal.ok()) {
          ASSERT_GE((*journal)->first_index(), reserved);
          uint64_t next = (*journal)->first_index();
          for (int step = 0; step < 5; ++step) {
            const uint64_t end = next + 1 + random.below(50);
            const auto number = (*journal)->reserve({.first = next, .end = end, .copies = {}});
            if (!(*journal)->await(number).ok()) break;
            reserved = next = end;
            const MessageTag tag{.index = end - 1, .copy = false};
            (*journal)->acknowledged(
                {.topic = "t", .partition = 0, .base_offset = step, .messages = {&tag, 1}});
          }
        }
      }
      files.restart();
    }
    Collected collected;
    auto extent = read_journal(files, "/d/journal", collected);
    ASSERT_TRUE(extent.ok()) << extent.error().to_string();
    std::set<uint64_t> seen;
    for (const auto& reservation : collected.reservations)
      for (uint64_t index = reservation.first; index < reservation.end; ++index)
        ASSERT_TRUE(seen.insert(index).second) << "reserved twice: " << index;
    for (const auto& acknowledgement : collected.acknowledgements)
      for (const MessageTag& message : acknowledgement.messages)
        ASSERT_TRUE(seen.contains(message.index));
  }
}

}  // namespace
}  // namespace weir::simulate
