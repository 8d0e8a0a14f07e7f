// Rows per CPU second from JSON messages of 940 bytes to a sink that takes everything: PySpark's
// plan (from_json of the value, three columns) beside the pipeline of `weir ingest`.
#include <filesystem>

#include <arrow/api.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "relational/duck_engine.h"
#include "session/stream_table.h"
#include "session/warehouse.h"
#include "sink/simple_sinks.h"
#include "source/memory_source.h"
#include "streaming/stream_queries.h"

namespace weir::streaming {
namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;

constexpr int64_t kRows = 200'000;
constexpr int64_t kBatch = 8192;
constexpr const char* kFields =
    "deviceId string, eventTime timestamp, temperature double, humidity double, site string, "
    "firmware string, message string, sequence bigint";

Schema messages_schema() {
  return DataType::structure({columnar::make_field("value", DataType::of(TypeKind::kBinary))});
}

std::shared_ptr<source::MemorySource::Data> messages() {
  auto data = std::make_shared<source::MemorySource::Data>(messages_schema());
  for (int64_t first = 0; first < kRows; first += kBatch) {
    arrow::BinaryBuilder values;
    const int64_t end = std::min(kRows, first + kBatch);
    for (int64_t i = first; i < end; ++i) {
      std::string text = fmt::format(
          R"({{"deviceId":"device-{}","eventTime":"2026-01-01T{:02}:{:02}:{:02}.000Z","temperature":{}.5,"humidity":{}.25,"site":"hall-{}","firmware":"4.2.{}","sequence":{},"message":")",
          i % 1000, i / 1800000 % 24, i / 30000 % 60, i / 500 % 60, i % 40, i % 90, i % 17, i % 9,
          i);
      text.resize(938, 'x');
      text += "\"}";
      (void)values.Append(text);
    }
    data->add(arrow::RecordBatch::Make(arrow::schema({arrow::field("value", arrow::binary())}),
                                       end - first, {values.Finish().ValueOrDie()}));
  }
  return data;
}

class Messages final : public session::StreamTable {
 public:
  explicit Messages(std::shared_ptr<source::MemorySource::Data> data) : data_(std::move(data)) {}
  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "memory"; }
  std::string description() const override { return "messages"; }
  Result<std::unique_ptr<source::Source>> make_source() const override {
    return std::unique_ptr<source::Source>(std::make_unique<source::MemorySource>(data_));
  }

 private:
  std::shared_ptr<source::MemorySource::Data> data_;
  Schema schema_ = messages_schema();
};

struct Place {
  base::SystemClock clock;
  base::SystemRandom random;
  std::unique_ptr<io::FileSystem> files = io::local_file_system();
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("weir_streaming_bench_" + base::uuid(random));
  Place() { std::filesystem::create_directories(folder); }
  ~Place() { std::filesystem::remove_all(folder); }
};

void plan_of_from_json(benchmark::State& state) {
  Place place;
  const auto engine = relational::DuckEngine::open({}).value();
  const auto warehouse =
      session::Warehouse::open({*place.files, place.clock, place.random, *engine, 2},
                               (place.folder / "w").string())
          .value();
  const auto session = session::Session::create(warehouse, "one").value();
  plan::Column column;
  column.name = "value";
  column.type = DataType::of(TypeKind::kBinary);
  column.id = 1;
  session->put_temp_view(
      "raw",
      plan::make_operator(plan::op::Scan{std::make_shared<Messages>(messages()), {0}, nullptr},
                          {column}, true));
  const auto queries = StreamQueries::create({*place.files, place.clock, place.random}, *session);
  StreamWrite write;
  const std::string parsed =
      fmt::format("(SELECT from_json(CAST(value AS STRING), '{}') AS d FROM raw)", kFields);
  write.plan = session
                   ->parse(state.range(0) == 0
                               ? "SELECT d.deviceId, d.eventTime, d.temperature FROM " + parsed
                               : "SELECT window(d.eventTime, '1 minute') AS w, d.deviceId, "
                                 "count(*) AS n, avg(d.temperature) AS t FROM " +
                                     parsed + " GROUP BY 1, 2")
                   .value();
  write.format = "noop";
  write.mode = "update";
  write.trigger = stream::Trigger::available_now();
  for (auto _ : state) {
    const auto query = queries->start(write);
    if (!query.ok() || !(*query)->wait(std::nullopt, {}).ok()) {
      state.SkipWithError("the query failed");
      return;
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(plan_of_from_json)
    ->Arg(0)
    ->Arg(1)
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void pipeline_of_ingest(benchmark::State& state) {
  Place place;
  const auto data = messages();
  const stream::PipelineSpec spec{
      messages_schema(), stream::JsonMessages{columnar::parse_ddl_schema(kFields).value(), {}},
      "deviceId, eventTime, temperature", ""};
  int64_t run = 0;
  for (auto _ : state) {
    stream::QueryParts parts;
    parts.source = std::make_unique<source::MemorySource>(data);
    parts.pipeline = stream::compile_pipeline(spec).value();
    parts.sink = sink::make_noop_sink();
    stream::QueryOptions options;
    options.checkpoint = (place.folder / std::to_string(run++)).string();
    options.trigger = stream::Trigger::available_now();
    options.threads = 2;
    auto query = stream::MicroBatchQuery::start({*place.files, place.clock, place.random},
                                                std::move(parts), std::move(options));
    if (!query.ok() || !(*query)->wait().ok()) {
      state.SkipWithError("the query failed");
      return;
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(pipeline_of_ingest)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weir::streaming
