#include <benchmark/benchmark.h>

#include "simulate/event_generator.h"

namespace weir::simulate {
namespace {

void make_events(benchmark::State& state) {
  EventGenerator generator({.seed = 1});
  uint64_t index = 0;
  int64_t bytes = 0;
  for (auto _ : state) {
    const auto event = generator.event(index, 1'558'027'000'000'003 + static_cast<int64_t>(index));
    benchmark::DoNotOptimize(event.data());
    benchmark::DoNotOptimize(generator.is_duplicated(index));
    bytes += static_cast<int64_t>(event.size());
    ++index;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(bytes);
}
BENCHMARK(make_events);

}  // namespace
}  // namespace weir::simulate
