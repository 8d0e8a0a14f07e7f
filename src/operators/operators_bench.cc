// Rows per second of one thread through the operators, the state included.
#include <benchmark/benchmark.h>

#include "operators/operator_test_kit.h"

namespace weir::operators {
namespace {

using namespace testing;

// Counts, sums and means by 1-minute window and device over three columns.
void count_by_window_and_device(benchmark::State& state) {
  const std::vector<TestColumn> columns{{"window", "w60", true}, {"device", "s"}, {"value"}};
  constexpr int64_t kRows = 100'000;
  std::vector<std::vector<Cell>> rows;
  for (int64_t i = 0; i < kRows; ++i)
    rows.push_back({1'700'000'000 + i / 500, (i * 7919) % state.range(0), i % 100});
  const auto batch = rows_of(columns, rows);
  const auto child = source(columns);
  const auto node =
      aggregate(child, {column(child, 0), column(child, 1)},
                {count_rows(), call("sum", {column(child, 2)}, DataType::of(TypeKind::kLong))});
  io::ModelFileSystem files(1);
  StateEnvironment environment;
  environment.files = &files;
  environment.folder = "/state";
  auto made = make_operator(node, OutputMode::kAppend, environment);
  auto& one = **made;
  (void)one.open({}, nullptr);
  int64_t number = 0;
  for (auto _ : state) {
    BatchRun run;
    run.batch = base::BatchId(number++);
    (void)one.begin(run);
    auto collector = one.collector(0).value();
    for (int i = 0; i < 10; ++i)
      (void)collector->add(batch);
    (void)one.finish([](const BatchPtr&) -> base::Result<void> { return {}; });
    (void)one.prepare();
    one.committed();
  }
  state.SetItemsProcessed(state.iterations() * 10 * kRows);
}
BENCHMARK(count_by_window_and_device)
    ->Arg(100)
    ->Arg(1000)
    ->Arg(10'000)
    ->Unit(benchmark::kMillisecond);

void drop_duplicates(benchmark::State& state) {
  const std::vector<TestColumn> columns{{"id", "s"}, {"ts", "t", true}};
  constexpr int64_t kRows = 100'000;
  const auto child = source(columns);
  const auto node =
      plan::make_operator(plan::op::Deduplicate{child, {0, 1}, false}, child->columns, true);
  io::ModelFileSystem files(1);
  StateEnvironment environment;
  environment.files = &files;
  environment.folder = "/state";
  auto made = make_operator(node, OutputMode::kAppend, environment);
  auto& one = **made;
  (void)one.open({}, nullptr);
  int64_t number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<std::vector<Cell>> rows;
    for (int64_t i = 0; i < kRows; ++i)
      rows.push_back({number * kRows + i, 1'700'000'000 + number * 60 + i / 2000});
    const auto batch = rows_of(columns, rows);
    state.ResumeTiming();
    BatchRun run;
    run.batch = base::BatchId(number);
    run.late_us = (1'700'000'000 + (number - 3) * 60) * kSecond;
    run.eviction_us = (1'700'000'000 + (number - 2) * 60) * kSecond;
    ++number;
    (void)one.begin(run);
    auto collector = one.collector(0).value();
    (void)collector->add(batch);
    (void)one.finish([](const BatchPtr&) -> base::Result<void> { return {}; });
    (void)one.prepare();
    one.committed();
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(drop_duplicates)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weir::operators
