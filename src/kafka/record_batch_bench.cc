// Decoding of record batches and CRC, as rows and bytes a second.
#include <benchmark/benchmark.h>

#include "kafka/crc32c.h"
#include "kafka/record_batch.h"

namespace weir::kafka {
namespace {

std::string make_batch(int records, size_t value_size, Compression compression) {
  RecordBatchBuilder builder;
  std::string value(value_size, 'x');
  for (size_t i = 0; i < value.size(); ++i)
    value[i] = static_cast<char>('a' + (i * 7919 + i / 13) % 26);
  for (int i = 0; i < records; ++i) {
    std::string key = fmt::format("device-{:06}", i);
    builder.add(key, value, 1'600'000'000'000 + i);
  }
  RecordBatchBuilder::Options options;
  options.compression = compression;
  return std::move(builder.finish(options)).value();
}

void Crc32c(benchmark::State& state) {
  std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state)
    benchmark::DoNotOptimize(crc32c(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Crc32c)->Arg(100)->Arg(1000)->Arg(16384)->Arg(1 << 20);

void Crc32cPortable(benchmark::State& state) {
  std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state)
    benchmark::DoNotOptimize(crc32c_portable(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Crc32cPortable)->Arg(16384);

// Validate, open, walk: what a consumer does. Arguments: compression, CRC checked.
void DecodeBatch(benchmark::State& state) {
  constexpr int kRecords = 250;
  std::string batch = make_batch(kRecords, 1000, static_cast<Compression>(state.range(0)));
  bool check = state.range(1) != 0;
  for (auto _ : state) {
    auto header = check ? validate_record_batch(batch) : parse_record_batch_header(batch);
    auto opened = open_record_batch(batch, *header);
    RecordIterator iterator(*header, opened->records);
    Record record;
    size_t bytes = 0;
    while (iterator.next(record))
      bytes += record.value.size();
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
  state.SetBytesProcessed(state.iterations() * kRecords * 1000);
}
BENCHMARK(DecodeBatch)
    ->ArgNames({"compression", "crc"})
    ->Args({0, 1})
    ->Args({0, 0})
    ->Args({1, 1})
    ->Args({2, 1})
    ->Args({3, 1})
    ->Args({4, 1});

void BuildBatch(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(make_batch(250, 1000, static_cast<Compression>(state.range(0))));
  state.SetItemsProcessed(state.iterations() * 250);
}
BENCHMARK(BuildBatch)->ArgName("compression")->Arg(0)->Arg(3);

}  // namespace
}  // namespace weir::kafka
