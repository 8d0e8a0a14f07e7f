// A query from a replayable source into a Delta table over the file system model: power is lost, or
// a call fails, at any call that changes something of offset log, commit log, data files and table
// log, also while small files are merged in the background. After recovery the table has every row
// exactly once. WEIR_POWER_LOSS_RUNS sets the number of
// seeded runs.
#include <cstdlib>
#include <map>
#include <string>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/random.h"
#include "columnar/arrow_types.h"
#include "columnar/data_type.h"
#include "delta/scan.h"
#include "delta/table.h"
#include "io/model_file_system.h"
#include "sink/delta_sink.h"
#include "source/memory_source.h"
#include "stream/micro_batch_query.h"
#include "stream/pipeline.h"

namespace weir {
namespace {

constexpr int kBatches = 6;
constexpr int kRowsPerBatch = 7;

uint64_t run_count() {
  const char* text = std::getenv("WEIR_POWER_LOSS_RUNS");
  return text == nullptr ? 500 : std::strtoull(text, nullptr, 10);
}

std::shared_ptr<arrow::RecordBatch> rows_from(int64_t first) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  for (int64_t id = first; id < first + kRowsPerBatch; ++id) {
    EXPECT_TRUE(ids.Append(id).ok());
    EXPECT_TRUE(texts.Append("row " + std::to_string(id)).ok());
  }
  const auto schema =
      columnar::to_arrow_schema(*columnar::parse_ddl_schema("id BIGINT, text STRING"));
  return arrow::RecordBatch::Make(schema, kRowsPerBatch,
                                  {ids.Finish().ValueOrDie(), texts.Finish().ValueOrDie()});
}

// One machine: its disk, and data that the source can always give again.
class Machine {
 public:
  explicit Machine(uint64_t seed)
      : files(seed),
        random(seed),
        compacts_(seed % 2 == 1),
        data_(std::make_shared<source::MemorySource::Data>(schema())) {
    for (int batch = 0; batch < kBatches; ++batch)
      data_->add(rows_from(batch * kRowsPerBatch));
  }

  // Runs the query until all data are in the table, or it fails. A batch reads `limit` of the
  // source's.
  base::Result<void> run_query(int64_t limit = 1) {
    const stream::QueryEnvironment environment{files, clock, random};
    sink::DeltaSinkOptions sink_options;
    sink_options.path = "/lake/table";
    sink_options.checkpoint_commits = 2;  // table checkpoints belong to what may be torn
    sink_options.checkpoint_interval_us_min = 0;
    sink_options.compaction.enabled = compacts_;
    sink_options.compaction.files_min = 2;
    stream::QueryParts parts;
    parts.source = std::make_unique<source::MemorySource>(data_, limit);
    parts.pipeline = stream::identity_pipeline(schema());
    WEIR_ASSIGN(parts.sink, sink::make_delta_sink({files, clock, random}, std::move(sink_options)));
    stream::QueryOptions options;
    options.checkpoint = "/lake/checkpoint";
    options.trigger = stream::Trigger::available_now();
    options.threads = 1;
    options.retry.attempts = 0;
    WEIR_ASSIGN(auto query,
                stream::MicroBatchQuery::start(environment, std::move(parts), std::move(options)));
    return query->wait();
  }

  // id -> how often it is in the table.
  base::Result<std::map<int64_t, int>> table_rows() {
    WEIR_ASSIGN(const auto snapshot, delta::Table::snapshot_at(files, "/lake/table"));
    WEIR_ASSIGN(const auto scan, delta::Scan::plan(files, snapshot));
    std::map<int64_t, int> counts;
    WEIR_TRY(
        scan.for_each([&](const std::shared_ptr<arrow::RecordBatch>& rows) -> base::Result<void> {
          const auto& ids = static_cast<const arrow::Int64Array&>(*rows->GetColumnByName("id"));
          const auto& texts =
              static_cast<const arrow::StringArray&>(*rows->GetColumnByName("text"));
          for (int64_t i = 0; i < ids.length(); ++i) {
            ++counts[ids.Value(i)];
            EXPECT_EQ(texts.GetString(i), "row " + std::to_string(ids.Value(i)));
          }
          return {};
        }));
    return counts;
  }

  io::ModelFileSystem files;
  base::ManualClock clock;
  base::SeededRandom random;

 private:
  const bool compacts_;
  static columnar::Schema schema() {
    return columnar::parse_ddl_schema("id BIGINT, text STRING").value();
  }
  std::shared_ptr<source::MemorySource::Data> data_;
};

void expect_each_row_once(Machine& machine, const std::string& what) {
  const auto rows = machine.table_rows();
  ASSERT_TRUE(rows.ok()) << what << ": " << rows.error().to_string();
  EXPECT_EQ(rows->size(), static_cast<size_t>(kBatches * kRowsPerBatch)) << what;
  for (const auto& [id, count] : *rows)
    EXPECT_EQ(count, 1) << what << ": row " << id;
}

int64_t calls_of_a_run() {
  base::set_log_level(base::LogLevel::kOff);  // thousands of expected failures
  Machine machine(0);
  EXPECT_TRUE(machine.files.make_dir("/lake").ok() && machine.files.sync_dir("/").ok());
  const auto ran = machine.run_query();
  EXPECT_TRUE(ran.ok()) << ran.error().to_string();
  expect_each_row_once(machine, "undisturbed");
  return machine.files.calls();
}

// What a reader sees at any moment is a prefix of the batches, each row once.
void expect_whole_batches(Machine& machine, const std::string& what) {
  const auto rows = machine.table_rows();
  if (!rows.ok()) {
    EXPECT_EQ(rows.error().kind(), base::ErrorKind::kNotFound)
        << what << ": " << rows.error().to_string();
    return;
  }
  EXPECT_EQ(rows->size() % kRowsPerBatch, 0U) << what;
  for (const auto& [id, count] : *rows) {
    EXPECT_EQ(count, 1) << what << ": row " << id;
    EXPECT_LT(id, static_cast<int64_t>(rows->size())) << what;
  }
}

void run_with_fault(uint64_t seed, io::Fault fault, int64_t calls, bool lose_power_after) {
  base::SeededRandom choice(seed * 7919 + static_cast<uint64_t>(fault));
  Machine machine(seed);
  ASSERT_TRUE(machine.files.make_dir("/lake").ok() && machine.files.sync_dir("/").ok());
  const std::string what = fmt::format("seed {} fault {}", seed, static_cast<int>(fault));
  // A second fault often hits the recovery from the first one.
  for (int attempt = 0; attempt < 3; ++attempt) {
    machine.files.inject(static_cast<int64_t>(choice.below(static_cast<uint64_t>(calls))), fault);
    const auto ran = machine.run_query();
    if (lose_power_after || machine.files.power_lost()) machine.files.restart();
    machine.files.free_space();
    expect_whole_batches(machine, what);
    if (ran.ok()) break;
  }
  machine.files.inject(-1, fault);  // none from here on
  const auto ran = machine.run_query();
  ASSERT_TRUE(ran.ok()) << what << ": " << ran.error().to_string();
  expect_each_row_once(machine, what);
}

TEST(QueryPowerLossTest, EveryRowOnceAfterPowerLossAtAnyCall) {
  const int64_t calls = calls_of_a_run();
  for (uint64_t seed = 1; seed <= run_count(); ++seed)
    run_with_fault(seed, io::Fault::kPowerLoss, calls, true);
}

TEST(QueryPowerLossTest, EveryRowOnceAfterAFailingCall) {
  const int64_t calls = calls_of_a_run();
  for (uint64_t seed = 1; seed <= run_count() / 3; ++seed)
    for (const io::Fault fault : {io::Fault::kError, io::Fault::kShortWrite, io::Fault::kNoSpace})
      run_with_fault(seed, fault, calls, seed % 2 == 0);
}

// A process dies between a call and the sync that makes it durable, the next one finds what it did,
// and the power goes while it builds upon that. Batches would have other ranges if they were
// planned anew.
TEST(QueryPowerLossTest, EveryRowOnceWhereAProcessDiesAndPowerGoesLater) {
  const int64_t calls = calls_of_a_run();
  for (uint64_t seed = 1; seed <= run_count(); ++seed) {
    base::SeededRandom choice(seed * 104729);
    Machine machine(seed);
    ASSERT_TRUE(machine.files.make_dir("/lake").ok() && machine.files.sync_dir("/").ok());
    const std::string what = fmt::format("seed {}", seed);
    const auto limit = [&] { return static_cast<int64_t>(1 + choice.below(3)); };
    machine.files.inject(static_cast<int64_t>(choice.below(static_cast<uint64_t>(calls))),
                         io::Fault::kError);
    (void)machine.run_query(limit());
    // Near to where it goes on: its first calls are those that may rely on the other's.
    machine.files.inject(static_cast<int64_t>(choice.below(12)), io::Fault::kPowerLoss);
    (void)machine.run_query(limit());
    if (machine.files.power_lost()) machine.files.restart();
    machine.files.inject(-1, io::Fault::kError);
    const auto ran = machine.run_query(limit());
    ASSERT_TRUE(ran.ok()) << what << ": " << ran.error().to_string();
    expect_each_row_once(machine, what);
  }
}

// A copy of the checkpoint from before the table's newest batches: rows that it would plan anew
// would be taken for written.
TEST(QueryPowerLossTest, ACheckpointOlderThanItsTableIsRefused) {
  Machine machine(2);
  ASSERT_TRUE(machine.files.make_dir("/lake").ok() && machine.files.sync_dir("/").ok());
  ASSERT_TRUE(machine.run_query().ok());
  const auto forget = [&](int batch) {
    for (const char* log : {"offsets", "commits"})
      ASSERT_TRUE(machine.files.remove(fmt::format("/lake/checkpoint/{}/{}", log, batch)).ok());
  };
  forget(kBatches - 1);
  forget(kBatches - 2);
  const auto ran = machine.run_query(2);
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(ran.error().kind(), base::ErrorKind::kConflict);
}

}  // namespace
}  // namespace weir
