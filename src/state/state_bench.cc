// Batches of updates, reads and evictions, memory a key, and recovery, on the local disk.
//
// Keys are a device's name and a window's end, values a count and a sum, as a windowed aggregate
// has them. Figures are of one thread unless the argument says otherwise.
#include <filesystem>
#include <unistd.h>

#include <arrow/api.h>
#include <benchmark/benchmark.h>

#include "state/row_codec.h"
#include "state/state_store.h"

namespace weir::state {
namespace {

using columnar::DataType;
using columnar::make_field;
using columnar::TypeKind;

constexpr int64_t kBatch = 100'000;

StoreSpec make_spec(TimeBuckets time, Layout layout = Layout::kHash) {
  StoreSpec spec;
  spec.identity = "bench";
  spec.key = DataType::structure({make_field("device", DataType::of(TypeKind::kString)),
                                  make_field("end", DataType::of(TypeKind::kTimestamp))});
  spec.value = DataType::structure({make_field("count", DataType::of(TypeKind::kLong)),
                                    make_field("sum", DataType::of(TypeKind::kDouble))});
  spec.time = time;
  spec.layout = layout;
  spec.prefix_columns = layout == Layout::kOrdered ? 1 : 0;
  spec.bucket_width_us = time == TimeBuckets::kNone ? 0 : 60'000'000;
  return spec;
}

struct Folder {
  std::string path =
      (std::filesystem::temp_directory_path() / ("weir-state-bench-" + std::to_string(::getpid())))
          .string();
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

// Rows first … first + kBatch - 1 of a sequence of devices.
class Rows {
 public:
  explicit Rows(const StoreSpec& spec)
      : keys_(*KeyEncoder::make(spec.key, spec.prefix_columns)),
        values_(*ValueEncoder::make(spec.value)) {}

  void make(int64_t first, int64_t count, int64_t step, int64_t time) {
    arrow::StringBuilder devices;
    arrow::TimestampBuilder ends(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                 arrow::default_memory_pool());
    arrow::Int64Builder counts;
    arrow::DoubleBuilder sums;
    times.assign(static_cast<size_t>(count), time);
    for (int64_t i = 0; i < count; ++i) {
      (void)devices.Append(fmt::format("device-{:08}", first + i * step)).ok();
      (void)ends.Append(time).ok();
      (void)counts.Append(first + i + salt).ok();
      (void)sums.Append(0.5 * static_cast<double>(i)).ok();
    }
    ++salt;
    key_columns = {*devices.Finish(), *ends.Finish()};
    value_columns = {*counts.Finish(), *sums.Finish()};
  }
  void encode() {
    (void)keys_.encode(key_columns, keys).ok();
    (void)values_.encode(value_columns, values).ok();
  }

  std::vector<ArrayPtr> key_columns;
  std::vector<ArrayPtr> value_columns;
  EncodedRows keys;
  EncodedRows values;
  std::vector<int64_t> times;
  RowsByShard split;
  int64_t salt = 0;

 private:
  KeyEncoder keys_;
  ValueEncoder values_;
};

struct Fixture {
  Folder folder;
  std::unique_ptr<io::FileSystem> files = io::local_file_system();
  base::SeededRandom random{1};
  StoreSpec spec;
  StoreOptions options;
  Rows rows;
  std::unique_ptr<StateStore> store;
  base::JsonObject manifest;
  int64_t batch = 0;

  Fixture(Provider provider, StoreSpec given) : spec(std::move(given)), rows(spec) {
    options.files = files.get();
    options.random = &random;
    options.folder = folder.path;
    options.provider = provider;
    options.rocksdb_memory = StateMemory::make(256 << 20);
    options.snapshot_every = 1000;
    open(nullptr);
  }
  void open(const base::JsonObject* from) {
    store.reset();
    auto opened = StateStore::open(
        options, spec, from != nullptr ? std::optional(base::BatchId(batch - 1)) : std::nullopt,
        from);
    WEIR_CHECK(opened.ok(), opened.ok() ? "" : opened.error().message());
    store = std::move(opened).value();
  }
  std::span<const int64_t> times() const {
    return spec.time == TimeBuckets::kNone ? std::span<const int64_t>() : std::span(rows.times);
  }
  void put() {
    split_by_shard(rows.keys, store->shards(), rows.split);
    for (int s = 0; s < store->shards(); ++s)
      WEIR_CHECK(store->shard(s).put(rows.keys, rows.values, rows.split.of(s), times()).ok());
  }
  void get(FoundValues& found) {
    split_by_shard(rows.keys, store->shards(), rows.split);
    for (int s = 0; s < store->shards(); ++s)
      WEIR_CHECK(store->shard(s)
                     .get(rows.keys, rows.split.of(s),
                          spec.time == TimeBuckets::kOfKey ? times() : std::span<const int64_t>(),
                          found)
                     .ok());
  }
  void begin() { WEIR_CHECK(store->begin(base::BatchId(batch++)).ok()); }
  void commit() {
    auto prepared = store->prepare();
    WEIR_CHECK(prepared.ok(), prepared.ok() ? "" : prepared.error().message());
    manifest = std::move(prepared).value();
    store->committed();
  }
  void fill(int64_t keys, int64_t time) {
    begin();
    for (int64_t first = 0; first < keys; first += kBatch) {
      rows.make(first, std::min(kBatch, keys - first), 1, time);
      rows.encode();
      put();
    }
    commit();
  }
};

Provider provider_of(const benchmark::State& state) {
  return state.range(1) == 0 ? Provider::kMemory : Provider::kRocksDb;
}

void encode(benchmark::State& state) {
  Rows rows(make_spec(TimeBuckets::kNone));
  rows.make(0, kBatch, 1, 0);
  for (auto _ : state)
    rows.encode();
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(encode);

// A batch of rows spread over all keys: read, written, durable. range(0): keys.
void update(benchmark::State& state, TimeBuckets time) {
  Fixture fixture(provider_of(state), make_spec(time));
  fixture.fill(state.range(0), 0);
  FoundValues found;
  int64_t round = 0;
  for (auto _ : state) {
    state.PauseTiming();
    fixture.rows.make(round++ % 7, kBatch, std::max<int64_t>(1, state.range(0) / kBatch), 0);
    fixture.rows.encode();
    state.ResumeTiming();
    fixture.begin();
    fixture.get(found);
    fixture.put();
    fixture.commit();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
  const StoreMetrics metrics = fixture.store->metrics();
  state.counters["bytes/key"] =
      static_cast<double>(metrics.memory_bytes) / static_cast<double>(metrics.rows);
}
BENCHMARK_CAPTURE(update, no_time, TimeBuckets::kNone)
    ->Args({100'000, 0})
    ->Args({1'000'000, 0})
    ->Args({10'000'000, 0})
    ->Args({1'000'000, 1})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(update, of_key, TimeBuckets::kOfKey)
    ->Args({1'000'000, 0})
    ->Unit(benchmark::kMillisecond);

// Every batch brings a new minute of keys and drops the one before; range(0): keys that stay.
void evict(benchmark::State& state, TimeBuckets time) {
  Fixture fixture(provider_of(state), make_spec(time));
  fixture.fill(state.range(0), int64_t{1} << 50);
  int64_t minute = 0;
  for (auto _ : state) {
    state.PauseTiming();
    fixture.rows.make(20'000'000 + minute * kBatch, kBatch, 1, minute * 60'000'000);
    ++minute;
    fixture.rows.encode();
    state.ResumeTiming();
    fixture.begin();
    fixture.put();
    int64_t left = 0;
    for (int s = 0; s < fixture.store->shards(); ++s)
      WEIR_CHECK(fixture.store->shard(s)
                     .evict_below((minute - 1) * 60'000'000,
                                  [&](std::span<const StateRow> rows) {
                                    left += static_cast<int64_t>(rows.size());
                                    return Result<void>();
                                  })
                     .ok());
    fixture.commit();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK_CAPTURE(evict, of_key, TimeBuckets::kOfKey)
    ->Args({100'000, 0})
    ->Args({3'000'000, 0})
    ->Args({100'000, 1})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(evict, of_row, TimeBuckets::kOfRow)
    ->Args({100'000, 0})
    ->Args({3'000'000, 0})
    ->Unit(benchmark::kMillisecond);

// range(0): keys, range(1): provider, range(2): threads. From a snapshot and a changelog of
// 100,000.
void recover(benchmark::State& state) {
  Fixture fixture(provider_of(state), make_spec(TimeBuckets::kNone));
  fixture.options.snapshot_every = 1;
  fixture.options.background = false;
  fixture.options.threads = static_cast<int>(state.range(2));
  fixture.open(nullptr);
  fixture.fill(state.range(0), 0);
  fixture.options.snapshot_every = 1000;
  fixture.begin();
  fixture.rows.make(3, kBatch, state.range(0) / kBatch, 0);
  fixture.rows.encode();
  fixture.put();
  fixture.commit();
  for (auto _ : state) {
    state.PauseTiming();
    fixture.store.reset();
    state.ResumeTiming();
    fixture.open(&fixture.manifest);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  const StoreMetrics metrics = fixture.store->metrics();
  state.counters["bytes/key"] =
      static_cast<double>(metrics.memory_bytes) / static_cast<double>(metrics.rows);
  state.counters["snapshot MB"] = static_cast<double>(metrics.snapshot_bytes) / 1e6;
}
BENCHMARK(recover)
    ->Args({1'000'000, 0, 1})
    ->Args({10'000'000, 0, 1})
    ->Args({10'000'000, 0, 2})
    ->Args({1'000'000, 1, 1})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3)
    ->UseRealTime();

}  // namespace
}  // namespace weir::state
