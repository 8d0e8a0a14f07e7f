// Encoding of 23-field events to Parquet data files with statistics, and a batch's commit, on the
// local disk.
#include <algorithm>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <benchmark/benchmark.h>

#include "columnar/arrow_types.h"
#include "delta/data_file_writer.h"
#include "delta/transaction.h"

namespace weir::delta {
namespace {

constexpr char kSchema[] =
    "deviceId STRING, deviceType STRING, location STRING, firmware STRING, eventType STRING, "
    "status STRING, correlationId STRING, "
    "message STRING, ts TIMESTAMP, enqueued TIMESTAMP, sequence LONG, uptime LONG, errorCount INT, "
    "rssi INT, battery DOUBLE, "
    "temperature DOUBLE, humidity DOUBLE, pressure DOUBLE, voltage DOUBLE, latitude DOUBLE, "
    "longitude DOUBLE, charging BOOLEAN, "
    "payload STRING";

std::shared_ptr<arrow::RecordBatch> events(int64_t rows, uint64_t seed) {
  base::SeededRandom random(seed);
  const Schema schema = *columnar::parse_ddl_schema(kSchema);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const columnar::Field& field : schema.fields()) {
    arrow::StringBuilder text;
    arrow::Int64Builder number;
    arrow::Int32Builder small;
    arrow::DoubleBuilder real;
    arrow::BooleanBuilder flag;
    arrow::TimestampBuilder at(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                               arrow::default_memory_pool());
    for (int64_t i = 0; i < rows; ++i) {
      const uint64_t value = random.next();
      switch (field.type().kind()) {
        case columnar::TypeKind::kString:
          if (field.name == "deviceId")
            (void)text.Append(fmt::format("device-{:06d}", value % 1000));
          else if (field.name == "correlationId")
            (void)text.Append(fmt::format("{:016x}-{:016x}", value, value * 31));
          else if (field.name == "message")
            (void)text.Append(
                fmt::format("reading {} of device {} within limits", value % 100000, value % 1000));
          else if (field.name == "payload")
            (void)text.Append(std::string(150, 'p') + std::to_string(value));
          else
            (void)text.Append(field.name + std::to_string(value % 8));
          break;
        case columnar::TypeKind::kTimestamp:
          (void)at.Append(1'700'000'000'000'000 + i * 100 + static_cast<int64_t>(value % 50));
          break;
        case columnar::TypeKind::kLong:
          (void)number.Append(i);
          break;
        case columnar::TypeKind::kInteger:
          (void)small.Append(static_cast<int32_t>(value % 100));
          break;
        case columnar::TypeKind::kDouble:
          (void)real.Append(static_cast<double>(value % 100000) / 100);
          break;
        default:
          (void)flag.Append(value % 2 == 0);
      }
    }
    switch (field.type().kind()) {
      case columnar::TypeKind::kString:
        columns.push_back(*text.Finish());
        break;
      case columnar::TypeKind::kTimestamp:
        columns.push_back(*at.Finish());
        break;
      case columnar::TypeKind::kLong:
        columns.push_back(*number.Finish());
        break;
      case columnar::TypeKind::kInteger:
        columns.push_back(*small.Finish());
        break;
      case columnar::TypeKind::kDouble:
        columns.push_back(*real.Finish());
        break;
      default:
        columns.push_back(*flag.Finish());
    }
  }
  return arrow::RecordBatch::Make(columnar::to_arrow_schema(schema), rows, columns);
}

void parquet_encode(benchmark::State& state) {
  const auto fs = io::local_file_system();
  base::SystemClock clock;
  base::SystemRandom random;
  const std::string path = "/tmp/weir-delta-bench-" + base::uuid(random);
  (void)fs->make_dirs(path);
  const Schema schema = *columnar::parse_ddl_schema(kSchema);
  const Environment environment{*fs, clock, random};
  const auto table = *new_table(environment, schema, {});
  const auto rows = events(10'000, 1);
  int64_t bytes = 0;
  for (auto _ : state) {
    auto writer = *DataFileWriter::create(environment, path, schema, table.metadata, {});
    for (int i = 0; i < 10; ++i) {
      if (!writer->write(*rows).ok()) state.SkipWithError("write");
    }
    bytes = writer->finish()->front().size;
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
  state.counters["file_bytes_per_row"] = static_cast<double>(bytes) / 100'000;
  (void)fs->remove_tree(path);
}
BENCHMARK(parquet_encode)->Unit(benchmark::kMillisecond);

// One batch after the other into one table, as a stream with a trigger of a second does.
class SmallBatches {
 public:
  explicit SmallBatches(int64_t rows) : rows_(events(rows, 1)) {
    (void)fs_->make_dirs(path_);
    table_ = std::move(*Table::open_or_new(environment_, path_));
  }
  ~SmallBatches() { (void)fs_->remove_tree(path_); }

  bool write() {
    auto writer = *DataFileWriter::create(environment_, path_, schema_, fresh_.metadata, {});
    if (!writer->write(*rows_).ok()) return false;
    auto files = writer->finish();
    if (!table_->refresh().ok()) return false;
    auto transaction = *Transaction::begin(*table_);
    if (!transaction.header()) {
      transaction.set_protocol(fresh_.protocol);
      transaction.set_metadata(fresh_.metadata);
    }
    transaction.set_transaction("bench", batch_++);
    for (auto& file : *files)
      transaction.add(file);
    auto outcome = transaction.commit({"STREAMING UPDATE", {}, {}});
    return outcome.ok() && std::holds_alternative<Committed>(*outcome);
  }

 private:
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  base::SystemClock clock_;
  base::SystemRandom random_;
  Environment environment_{*fs_, clock_, random_};
  std::string path_ = "/tmp/weir-delta-bench-" + base::uuid(random_);
  Schema schema_ = *columnar::parse_ddl_schema(kSchema);
  NewTable fresh_ = *new_table(environment_, schema_, {});
  std::shared_ptr<arrow::RecordBatch> rows_;
  std::unique_ptr<Table> table_;
  int64_t batch_ = 0;
};

void small_batch(benchmark::State& state) {
  SmallBatches batches(state.range(0));
  for (auto _ : state) {
    if (!batches.write()) state.SkipWithError("commit");
  }
}
BENCHMARK(small_batch)->Arg(100)->Arg(1000)->Unit(benchmark::kMillisecond);

// An hour of triggers of a second: medians of the first and the last six minutes.
void hour_of_commits(benchmark::State& state) {
  base::SystemClock clock;
  std::vector<int64_t> us;
  for (auto _ : state) {
    SmallBatches batches(100);
    us.clear();
    for (int i = 0; i < 3600; ++i) {
      const int64_t begin_us = clock.monotonic_us();
      if (!batches.write()) state.SkipWithError("commit");
      us.push_back(clock.monotonic_us() - begin_us);
    }
  }
  std::sort(us.begin(), us.begin() + 360);
  std::sort(us.end() - 360, us.end());
  state.counters["first_ms"] = static_cast<double>(us[180]) / 1000;
  state.counters["last_ms"] = static_cast<double>(us[us.size() - 180]) / 1000;
}
BENCHMARK(hour_of_commits)->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace
}  // namespace weir::delta
