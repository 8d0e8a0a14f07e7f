// A store against a model: random batches, batches that are rolled back and run again, restarts
// with other numbers of threads, evictions; and what is refused.
#include "state/state_store.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "state/state_test_kit.h"

namespace weir::state {
namespace {

using base::BatchId;
using base::ErrorKind;
using test::Exercise;
using test::make_spec;
using test::Model;

struct Case {
  Provider provider;
  Layout layout;
  TimeBuckets time;
};

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const char* times[] = {"NoTime", "TimeOfKey", "TimeOfRow"};
  return fmt::format("{}{}{}", info.param.provider == Provider::kMemory ? "Memory" : "RocksDb",
                     info.param.layout == Layout::kHash ? "Hash" : "Ordered",
                     times[static_cast<int>(info.param.time)]);
}

class StateStoreTest : public testing::TestWithParam<Case> {
 protected:
  StoreOptions options(io::FileSystem& files, base::Random& random) const {
    StoreOptions options;
    options.files = &files;
    options.random = &random;
    options.folder = "/state";
    options.provider = GetParam().provider;
    options.shards = 4;
    options.snapshot_every = 3;
    options.background = false;
    return options;
  }
  StoreSpec spec() const { return make_spec(GetParam().layout, GetParam().time); }
};

void run_model(const StoreOptions& options, const StoreSpec& spec, base::Random& random,
               int batches) {
  Exercise exercise(random, spec);
  std::map<int64_t, std::pair<base::JsonObject, Model>> commits;
  Model committed;
  std::unique_ptr<StateStore> store;
  std::optional<BatchId> version;
  for (int64_t n = 0; n < batches; ++n) {
    if (store == nullptr || random.below(6) == 0) {
      store.reset();
      StoreOptions each = options;
      each.threads = 1 + static_cast<int>(random.below(3));
      each.shards = version ? 8 : options.shards;  // what exists keeps its own
      auto opened = StateStore::open(each, spec, version,
                                     version ? &commits.at(version->value()).first : nullptr);
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      store = std::move(opened).value();
      ASSERT_EQ(store->version(), version);
      ASSERT_EQ(store->shards(), options.shards);
      ASSERT_TRUE(exercise.check(*store, committed).ok());
    }
    while (true) {
      ASSERT_TRUE(store->begin(BatchId(n)).ok());
      Model model = committed;
      const auto done = exercise.batch(*store, model);
      ASSERT_TRUE(done.ok()) << done.error().message();
      const bool fails_early = random.below(5) == 0;
      base::JsonObject manifest;
      if (!fails_early) {
        auto prepared = store->prepare();
        ASSERT_TRUE(prepared.ok()) << prepared.error().message();
        manifest = std::move(prepared).value();
      }
      if (fails_early || random.below(5) == 0) {
        store->roll_back();
        ASSERT_TRUE(exercise.check(*store, committed).ok());
        continue;
      }
      store->committed();
      committed = std::move(model);
      version = BatchId(n);
      commits[n] = {manifest, committed};
      break;
    }
    ASSERT_FALSE(store->snapshot_error()) << store->snapshot_error()->message();
    ASSERT_TRUE(exercise.check(*store, committed).ok());
    if (testing::Test::HasFailure()) return;
    if (random.below(4) == 0 && n > 5) {
      commits.erase(commits.begin(), commits.lower_bound(n - 5));
      const auto cleaned = store->clean_up(commits.begin()->second.first);
      ASSERT_TRUE(cleaned.ok()) << cleaned.error().message();
    }
  }
  // Each commit that was kept can still be gone back to.
  store.reset();
  for (const auto& [n, commit] : commits) {
    auto opened = StateStore::open(options, spec, BatchId(n), &commit.first);
    ASSERT_TRUE(opened.ok()) << "version " << n << ": " << opened.error().message();
    ASSERT_TRUE(exercise.check(**opened, commit.second).ok());
  }
}

TEST_P(StateStoreTest, BehavesAsTheModel) {
  const uint64_t seeds = GetParam().provider == Provider::kMemory ? 60 : 6;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    io::ModelFileSystem files(seed);
    base::SeededRandom random(seed);
    ASSERT_TRUE(files.make_dirs("/state").ok());
    run_model(options(files, random), spec(), random, 40);
    if (HasFailure()) return;
  }
}

TEST_P(StateStoreTest, SnapshotsInTheBackgroundSeeNothingOfLaterBatches) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    io::ModelFileSystem files(seed);
    base::SeededRandom random(seed);
    ASSERT_TRUE(files.make_dirs("/state").ok());
    StoreOptions each = options(files, random);
    each.background = true;
    each.snapshot_every = 1;
    run_model(each, spec(), random, 40);
    if (HasFailure()) return;
  }
}

// The life of a query under power losses: what commits name is there, and nothing else.
void run_power_loss(StoreOptions options, const StoreSpec& spec, io::ModelFileSystem& files,
                    base::Random& random) {
  Exercise exercise(random, spec);
  Model committed;
  std::optional<BatchId> version;
  std::optional<base::JsonObject> manifest;
  base::JsonObject oldest;
  constexpr io::Fault kFaults[] = {io::Fault::kPowerLoss, io::Fault::kPowerLoss, io::Fault::kError,
                                   io::Fault::kShortWrite, io::Fault::kNoSpace};
  for (int life = 0; life < 6; ++life) {
    const bool rocksdb = options.provider == Provider::kRocksDb;
    files.inject(static_cast<int64_t>(random.below(rocksdb ? 160 : 40)),
                 kFaults[random.below(std::size(kFaults))]);
    {
      auto opened = StateStore::open(options, spec, version, manifest ? &*manifest : nullptr);
      if (opened.ok()) {
        StateStore& store = **opened;
        ASSERT_TRUE(exercise.check(store, committed).ok() || files.fault_reached());
        for (int64_t n = version ? version->value() + 1 : 0; !files.power_lost() && n < 60; ++n) {
          if (!store.begin(BatchId(n)).ok()) break;
          Model model = committed;
          if (!exercise.batch(store, model).ok()) break;
          auto prepared = store.prepare();
          if (!prepared.ok()) {
            // Without the death of the process, the batch runs again from the version before it.
            store.roll_back();
            if (!files.power_lost()) {
              ASSERT_TRUE(exercise.check(store, committed).ok());
            }
            break;
          }
          // The commit is durable elsewhere, or power went before it was.
          if (files.power_lost() || random.below(12) == 0) break;
          store.committed();
          committed = std::move(model);
          version = BatchId(n);
          manifest = std::move(prepared).value();
          if (random.below(3) == 0) (void)store.clean_up(*manifest).ok();
        }
      } else {
        ASSERT_TRUE(files.fault_reached()) << opened.error().message();
      }
    }
    if (files.power_lost() || random.below(2) == 0) files.restart();
    files.free_space();
    files.inject(1'000'000'000, io::Fault::kError);
    auto opened = StateStore::open(options, spec, version, manifest ? &*manifest : nullptr);
    ASSERT_TRUE(opened.ok()) << "life " << life << ": " << opened.error().message();
    ASSERT_TRUE(exercise.check(**opened, committed).ok());
    if (testing::Test::HasFailure()) return;
  }
}

TEST_P(StateStoreTest, PowerLossAtAnyCall) {
  // WEIR_POWER_LOSS_SEEDS=90 gives each provider, with its six forms, more than 500.
  const char* wanted = std::getenv("WEIR_POWER_LOSS_SEEDS");
  const uint64_t seeds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10)
                         : GetParam().provider == Provider::kMemory ? 90
                                                                    : 5;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    io::ModelFileSystem files(seed);
    base::SeededRandom random(seed + 77);
    ASSERT_TRUE(files.make_dirs("/state").ok());
    StoreOptions each = options(files, random);
    each.snapshot_every = 2;
    each.background = seed % 8 == 0;
    run_power_loss(each, spec(), files, random);
    if (HasFailure()) return;
  }
}

constexpr Case kCases[] = {
    {Provider::kMemory, Layout::kHash, TimeBuckets::kNone},
    {Provider::kMemory, Layout::kHash, TimeBuckets::kOfKey},
    {Provider::kMemory, Layout::kHash, TimeBuckets::kOfRow},
    {Provider::kMemory, Layout::kOrdered, TimeBuckets::kNone},
    {Provider::kMemory, Layout::kOrdered, TimeBuckets::kOfKey},
    {Provider::kMemory, Layout::kOrdered, TimeBuckets::kOfRow},
    {Provider::kRocksDb, Layout::kHash, TimeBuckets::kNone},
    {Provider::kRocksDb, Layout::kHash, TimeBuckets::kOfKey},
    {Provider::kRocksDb, Layout::kHash, TimeBuckets::kOfRow},
    {Provider::kRocksDb, Layout::kOrdered, TimeBuckets::kNone},
    {Provider::kRocksDb, Layout::kOrdered, TimeBuckets::kOfKey},
    {Provider::kRocksDb, Layout::kOrdered, TimeBuckets::kOfRow},
};
INSTANTIATE_TEST_SUITE_P(All, StateStoreTest, testing::ValuesIn(kCases), case_name);

}  // namespace
}  // namespace weir::state
