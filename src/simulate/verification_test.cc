#include "simulate/verification.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace weir::simulate {
namespace {

using Outcome = VerificationAssertion::Outcome;

constexpr int kFields = 3;
constexpr uint64_t kEvents = 2000;
constexpr int64_t kStart = 1'600'000'000'000'000;

struct Row {
  std::optional<std::string> id;
  std::string device;
  int64_t sequence = 0;
  std::string type;
  double value = 0;
  std::vector<double> more;
  int64_t stored_us = 0;
  int64_t enqueued_us = 0;
  int32_t partition = 0;
  int64_t offset = 0;
};

double number(std::string_view text) { return std::stod(std::string(text)); }

// A journal of kEvents events, all sent and acknowledged over two partitions, one of them sent
// twice, and the rows that a correct table has.
class VerificationTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weir-verify-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override { ASSERT_TRUE(files_->remove_tree(folder_).ok()); }

  std::string path() const { return folder_ + "/journal"; }

  // keep_acknowledgement(message number): whether the journal learnt of it.
  void write_journal(const std::function<bool(uint64_t)>& keep_acknowledgement = [](uint64_t) {
    return true;
  }) {
    auto journal = JournalWriter::open(*files_, clock_, path(), shape_, true, "t", {});
    ASSERT_TRUE(journal.ok());
    ASSERT_TRUE(
        (*journal)
            ->await((*journal)->reserve({.first = 0, .end = kEvents + 100, .copies = {kCopied}}))
            .ok());
    EventGenerator generator(shape_);
    int64_t next_offset[2] = {0, 0};
    const auto add = [&](uint64_t index, bool copy) {
      const int partition = generator.device(index) % 2;
      const int64_t offset = next_offset[partition]++;
      const MessageTag tag{.index = index, .copy = copy};
      if (keep_acknowledgement(index))
        (*journal)->acknowledged({.topic = "events",
                                  .partition = partition,
                                  .base_offset = offset,
                                  .messages = {&tag, 1}});
      rows_.push_back(row(generator, index, partition, offset));
    };
    for (uint64_t index = 0; index < kEvents; ++index) {
      add(index, false);
      if (index == kCopied + 5) add(kCopied, true);
    }
    ASSERT_TRUE((*journal)->finish({.next_index = kEvents}).ok());
  }

  Row row(EventGenerator& generator, uint64_t index, int32_t partition, int64_t offset) {
    char id[36];
    generator.identity().write_uuid(index, id);
    Row made{.id = std::string(id, 36),
             .device = std::string(generator.device_id(index)),
             .sequence = generator.sequence_number(index),
             .type = std::string(generator.type(index)),
             .value = number(generator.number(index, -1)),
             .more = {},
             .stored_us = kStart + static_cast<int64_t>(index / 100) * 1'000'000,
             .enqueued_us = kStart + static_cast<int64_t>(index / 100) * 1'000'000 - 250'000,
             .partition = partition,
             .offset = offset};
    for (int field = 0; field < kFields; ++field)
      made.more.push_back(number(generator.number(index, field)));
    return made;
  }

  static std::shared_ptr<arrow::RecordBatch> batch(const std::vector<Row>& rows) {
    arrow::StringBuilder ids, devices, types;
    arrow::Int64Builder sequences, offsets;
    arrow::Int32Builder partitions;
    arrow::DoubleBuilder values;
    arrow::DoubleBuilder more[kFields];
    const auto time_type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    arrow::TimestampBuilder stored(time_type, arrow::default_memory_pool()),
        enqueued(time_type, arrow::default_memory_pool());
    for (const Row& row : rows) {
      EXPECT_TRUE((row.id ? ids.Append(*row.id) : ids.AppendNull()).ok());
      EXPECT_TRUE(devices.Append(row.device).ok() && types.Append(row.type).ok() &&
                  sequences.Append(row.sequence).ok());
      EXPECT_TRUE(values.Append(row.value).ok() && partitions.Append(row.partition).ok() &&
                  offsets.Append(row.offset).ok());
      for (size_t field = 0; field < kFields; ++field)
        EXPECT_TRUE(more[field].Append(row.more[field]).ok());
      EXPECT_TRUE(stored.Append(row.stored_us).ok() && enqueued.Append(row.enqueued_us).ok());
    }
    arrow::ArrayVector data;
    std::vector<std::string> names;
    for (int field = 0; field < kFields; ++field) {
      data.push_back(more[field].Finish().ValueOrDie());
      names.push_back(fmt::format("moreData{}", field));
    }
    const auto complex = arrow::StructArray::Make(data, names).ValueOrDie();
    return arrow::RecordBatch::Make(
        arrow::schema(
            {arrow::field("eventId", arrow::utf8()), arrow::field("complexData", complex->type()),
             arrow::field("value", arrow::float64()), arrow::field("deviceId", arrow::utf8()),
             arrow::field("deviceSequenceNumber", arrow::int64()),
             arrow::field("type", arrow::utf8()), arrow::field("storedAt", time_type),
             arrow::field("enqueuedAt", time_type), arrow::field("_partition", arrow::int32()),
             arrow::field("_offset", arrow::int64())}),
        static_cast<int64_t>(rows.size()),
        {ids.Finish().ValueOrDie(), complex, values.Finish().ValueOrDie(),
         devices.Finish().ValueOrDie(), sequences.Finish().ValueOrDie(),
         types.Finish().ValueOrDie(), stored.Finish().ValueOrDie(), enqueued.Finish().ValueOrDie(),
         partitions.Finish().ValueOrDie(), offsets.Finish().ValueOrDie()});
  }

  VerificationReport verify(const std::vector<Row>& rows,
                            VerifyOptions options = {.interval_us = 1'000'000},
                            const std::vector<Row>* log = nullptr) {
    auto index = JournalIndex::load(*files_, path());
    EXPECT_TRUE(index.ok()) << index.error().to_string();
    Verification verification(**index, options);
    if (log != nullptr) {
      for (int32_t partition = 0; partition < 2; ++partition) {
        int64_t end = 0;
        for (const Row& record : *log)
          if (record.partition == partition) end = std::max(end, record.offset + 1);
        verification.add_log_partition({"events", partition}, 0, end);
      }
      for (const Row& record : *log)
        verification.add_record({"events", record.partition}, record.offset,
                                fmt::format("{{\"eventId\":\"{}\"}}", record.id.value_or("")));
    }
    EXPECT_TRUE(verification.add_rows(*batch(rows)).ok());
    return verification.finish();
  }

  static Outcome outcome(const VerificationReport& report, std::string_view name) {
    for (const auto& assertion : report.assertions)
      if (assertion.name == name) return assertion.outcome;
    ADD_FAILURE() << "no assertion " << name;
    return Outcome::kNotChecked;
  }

  static std::vector<std::string> failed(const VerificationReport& report) {
    std::vector<std::string> names;
    for (const auto& assertion : report.assertions)
      if (assertion.outcome == Outcome::kFailed) names.push_back(assertion.name);
    return names;
  }

  static constexpr uint64_t kCopied = 777;
  EventShape shape_{.seed = 11, .devices = 10, .fields = kFields, .duplicates = 0.001};
  base::SystemClock clock_;
  std::unique_ptr<io::FileSystem> files_ = io::local_file_system();
  std::string folder_;
  std::vector<Row> rows_;
};

TEST_F(VerificationTest, AnExactTablePasses) {
  write_journal();
  const auto report = verify(rows_, {.interval_us = 1'000'000, .expected_rate = 100}, &rows_);
  EXPECT_THAT(failed(report), testing::IsEmpty());
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.rows, static_cast<int64_t>(kEvents) + 1);
  EXPECT_EQ(report.events_sent, static_cast<int64_t>(kEvents));
  EXPECT_EQ(report.events_stored, static_cast<int64_t>(kEvents));
  EXPECT_EQ(report.messages_acknowledged, static_cast<int64_t>(kEvents) + 1);
  EXPECT_EQ(report.duplicates_meant, 1);
  EXPECT_EQ(report.unacknowledged, 0);
  EXPECT_EQ(report.gaps, 0);
  EXPECT_EQ(report.log_records, report.rows);
  EXPECT_EQ(report.intervals.size(), 20u);
  EXPECT_NEAR(report.latency_p50_seconds, 0.25, 0.005);
  EXPECT_NEAR(report.latency_max_seconds, 0.25, 1e-9);
  EXPECT_NEAR(report.best_latency_seconds, 0.25, 1e-6);
  EXPECT_EQ(outcome(report, "throughput"), Outcome::kPassed);
}

TEST_F(VerificationTest, AMissingRowFails) {
  write_journal();
  rows_.erase(rows_.begin() + 1000);
  const auto report = verify(rows_);
  EXPECT_EQ(report.missing, 1);
  EXPECT_EQ(report.gaps_unexplained, 1);
  EXPECT_THAT(failed(report), testing::UnorderedElementsAre("missing", "gaps", "missing fraction"));
  EXPECT_GT(report.missing_fraction, 0);
  EXPECT_THAT(report.examples,
              testing::ElementsAre(testing::HasSubstr("acknowledged, not in the table")));
}

TEST_F(VerificationTest, AMissingCopyFails) {
  write_journal();
  std::erase_if(rows_, [this, seen = 0](const Row& row) mutable {
    return row.sequence == static_cast<int64_t>(kCopied / 10) && row.device.ends_with("7") &&
           ++seen == 2;
  });
  ASSERT_EQ(rows_.size(), kEvents);
  const auto report = verify(rows_);
  EXPECT_EQ(report.missing, 1);
  EXPECT_THAT(failed(report), testing::ElementsAre("missing"));
}

TEST_F(VerificationTest, ADoubledRowFails) {
  write_journal();
  rows_.push_back(rows_[500]);
  auto report = verify(rows_);
  EXPECT_EQ(report.duplicates_unmeant, 1);
  EXPECT_EQ(report.places_twice, 1);
  EXPECT_THAT(failed(report), testing::UnorderedElementsAre("duplicates", "places"));
}

TEST_F(VerificationTest, AThirdRowOfADuplicatedEventFails) {
  write_journal();
  rows_.push_back(rows_[kCopied]);
  rows_.back().offset = 5000;
  const auto report = verify(rows_);
  EXPECT_EQ(report.duplicates_unmeant, 1);
  EXPECT_EQ(report.duplicates_meant, 1);
  EXPECT_THAT(failed(report), testing::ElementsAre("duplicates"));
}

TEST_F(VerificationTest, AForeignRowFails) {
  write_journal();
  Row foreign = rows_[10];
  foreign.id = "b81d241f-5187-40b0-ab2a-940faf9757c0";
  foreign.offset = 5000;
  rows_.push_back(foreign);
  const auto report = verify(rows_);
  EXPECT_EQ(report.unexpected, 1);
  EXPECT_THAT(failed(report), testing::ElementsAre("unexpected"));
}

TEST_F(VerificationTest, AnEventThatWasReservedButNotSentIsForeign) {
  write_journal();
  EventGenerator generator(shape_);
  rows_.push_back(row(generator, kEvents + 3, 1, 5000));
  const auto report = verify(rows_);
  EXPECT_EQ(report.unexpected, 1);
}

TEST_F(VerificationTest, ARowThatDidNotParseFails) {
  write_journal();
  rows_.push_back(rows_[10]);
  rows_.back().id.reset();
  rows_.back().offset = 5000;
  const auto report = verify(rows_);
  EXPECT_EQ(report.null_ids, 1);
  EXPECT_THAT(failed(report), testing::ElementsAre("parsed"));
}

TEST_F(VerificationTest, AnotherValueInTheLastDigitFails) {
  write_journal();
  rows_[3].more[2] = std::nextafter(rows_[3].more[2], 1000);
  rows_[4].value = std::nextafter(rows_[4].value, 0);
  rows_[5].type = rows_[5].type == "CO2" ? "TEMP" : "CO2";
  rows_[6].device = "contoso-device-id-000999";
  const auto report = verify(rows_);
  EXPECT_EQ(report.wrong_content, 4);
  EXPECT_THAT(failed(report), testing::ElementsAre("content"));
}

TEST_F(VerificationTest, StoredButNotAcknowledgedIsReportedNotFailed) {
  write_journal([](uint64_t index) { return index < 1990; });
  const auto report = verify(rows_);
  EXPECT_EQ(report.unacknowledged, 10);
  EXPECT_TRUE(report.passed());
}

TEST_F(VerificationTest, AGapOfUnacknowledgedEventsIsReportedNotFailed) {
  write_journal([](uint64_t index) { return index < 900 || index >= 950; });
  std::erase_if(rows_, [](const Row& row) { return row.sequence >= 90 && row.sequence < 95; });
  const auto report = verify(rows_);
  EXPECT_EQ(report.gaps, 10);
  EXPECT_EQ(report.gaps_unexplained, 0);
  EXPECT_TRUE(report.passed()) << report.to_text();
}

TEST_F(VerificationTest, EventsThatSwappedTheirOffsetsFail) {
  write_journal();
  std::swap(rows_[100].offset, rows_[110].offset);
  const auto report = verify(rows_, {.interval_us = 1'000'000}, nullptr);
  EXPECT_EQ(report.places_misplaced, 1);
  EXPECT_THAT(failed(report), testing::ElementsAre("places"));
}

TEST_F(VerificationTest, TableAndLogAreHeldAgainstEachOtherByOffset) {
  write_journal();
  std::vector<Row> log = rows_;
  rows_.erase(rows_.begin() + 1000);
  auto report = verify(rows_, {.interval_us = 1'000'000}, &log);
  EXPECT_EQ(report.not_in_table, 1);
  EXPECT_EQ(report.not_in_log, 0);
  EXPECT_THAT(failed(report), testing::Contains("table = log"));

  report = verify(log, {.interval_us = 1'000'000}, &rows_);
  EXPECT_EQ(report.not_in_table, 0);
  EXPECT_EQ(report.not_in_log, 1);
  EXPECT_EQ(report.log_missing, 1);
  EXPECT_THAT(failed(report), testing::UnorderedElementsAre("log", "table = log"));
}

TEST_F(VerificationTest, ThroughputAndLatencyAreHeldAgainstTheirLimits) {
  write_journal();
  const auto report =
      verify(rows_, {.interval_us = 1'000'000, .expected_rate = 200, .latency_limit_us = 100'000});
  EXPECT_THAT(failed(report), testing::UnorderedElementsAre("throughput", "latency"));
  EXPECT_NEAR(report.best_rate, 100, 2);
}

TEST_F(VerificationTest, OutOfSequenceIsCountedButAllowed) {
  write_journal();
  rows_[500].stored_us += 10'000'000;
  const auto report = verify(rows_);
  EXPECT_GT(report.out_of_sequence_fraction, 0);
  EXPECT_TRUE(report.passed());
}

TEST_F(VerificationTest, ColumnsAreFoundInAnyCaseAndOthersLeftOut) {
  const auto schema = arrow::schema(
      {arrow::field("EVENTID", arrow::utf8()), arrow::field("extra", arrow::utf8()),
       arrow::field("timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("offset", arrow::int64()), arrow::field("topic", arrow::int32())});
  EXPECT_THAT(*Verification::columns(*schema, {}),
              testing::ElementsAre("EVENTID", "timestamp", "offset"));
  const auto without =
      Verification::columns(*arrow::schema({arrow::field("id", arrow::utf8())}), {});
  ASSERT_FALSE(without.ok());
  EXPECT_THAT(without.error().message(), testing::HasSubstr("eventId"));
}

TEST_F(VerificationTest, TheReportIsJsonAndText) {
  write_journal();
  rows_.erase(rows_.begin() + 1000);
  const auto report = verify(rows_);
  const auto json = report.to_json();
  EXPECT_EQ(base::json_bool(json, "passed"), false);
  EXPECT_EQ(base::json_int(*base::json_object(json, "table"), "missing"), 1);
  EXPECT_THAT(report.to_text(), testing::HasSubstr("FAILED missing"));
  EXPECT_THAT(report.to_text(), testing::HasSubstr("NOT verified"));
}

TEST(LatencyHistogram, QuantilesAreWithinTwoPercent) {
  LatencyHistogram histogram;
  for (int64_t us = 1; us <= 100'000; ++us)
    histogram.add(us);
  EXPECT_NEAR(static_cast<double>(histogram.quantile_us(0.5)), 50'000, 1000);
  EXPECT_NEAR(static_cast<double>(histogram.quantile_us(0.99)), 99'000, 2000);
  EXPECT_EQ(histogram.max_us(), 100'000);
  histogram.add(-5);
  EXPECT_EQ(histogram.negative(), 1);
  histogram.add(INT64_MAX);
  EXPECT_EQ(histogram.quantile_us(1), INT64_MAX);
}

}  // namespace
}  // namespace weir::simulate
