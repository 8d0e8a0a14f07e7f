// Variables and timers of groups against a model of them: random calls in batches that are rolled
// back, run again and restarted from what the commits name.
#include "state/stored_variables.h"

#include <map>
#include <set>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "io/model_file_system.h"
#include "state/row_codec.h"

namespace weir::state {
namespace {

using columnar::DataType;
using columnar::TypeKind;
using Kind = StateVariable::Kind;

columnar::Schema one(const char* name, TypeKind kind) {
  return DataType::structure({columnar::make_field(name, DataType::of(kind))});
}

std::string text_key(const std::string& text) {
  auto encoder = KeyEncoder::make(one("k", TypeKind::kString)).value();
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.Append(text).ok());
  const ArrayPtr columns[] = {builder.Finish().ValueOrDie()};
  EncodedRows rows;
  EXPECT_TRUE(encoder.encode(columns, rows).ok());
  return std::string(rows.at(0));
}

struct Kept {
  std::string value;
  int64_t until_ms = INT64_MAX;
  bool operator==(const Kept&) const = default;
};
// (group, variable) → entries; of a value under "", of a list under their numbers.
struct Model {
  std::map<std::pair<std::string, int>, std::map<std::string, Kept>> entries;
  std::map<std::pair<std::string, int>, std::vector<Kept>> lists;
  std::set<std::pair<int64_t, std::string>> timers;
};

struct Case {
  Provider provider;
  uint64_t seed;
};

class World {
 public:
  explicit World(Case given)
      : given_(given), files_(given.seed), random_(given.seed), variables_(group_schema()) {
    EXPECT_TRUE(files_.make_dirs("/state").ok());
    using namespace std::string_literals;
    for (const auto& name : {"a"s, "b"s, ""s, "a\0b"s})
      groups_.push_back(text_key(name));
    restart();
  }

  void restart() {
    stores_.clear();
    for (auto& spec : variable_stores(group_schema(), "test")) {
      StoreOptions options;
      options.files = &files_;
      options.random = &random_;
      options.folder = "/state";
      options.provider = given_.provider;
      options.shards = 4;
      options.snapshot_every = 3;
      options.background = false;
      const auto* own = version_ ? base::json_object(manifest_, spec.name) : nullptr;
      auto opened = StateStore::open(options, spec, version_, own);
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      stores_.push_back(std::move(opened).value());
    }
    ASSERT_TRUE(variables_
                    .restore({stores_[0].get(), stores_[1].get(), stores_[2].get()},
                             version_ ? base::json_array(manifest_, "variables") : nullptr)
                    .ok());
  }

  void batches(int count) {
    for (int64_t n = 0; n < count && !testing::Test::HasFailure(); ++n) {
      if (random_.below(4) == 0) restart();
      now_ms_ += 1 + static_cast<int64_t>(random_.below(3));
      const auto before = model_;
      const bool again = random_.below(3) == 0;
      for (int attempt = again ? 0 : 1; attempt < 2; ++attempt) {
        model_ = before;
        for (auto& store : stores_)
          ASSERT_TRUE(store->begin(base::BatchId(n)).ok());
        variables_.begin(now_ms_);
        run();
        ASSERT_TRUE(variables_.remove_expired().ok());
        base::JsonObject manifest;
        for (auto& store : stores_)
          manifest[store->spec().name] = store->prepare().value();
        manifest["variables"] = variables_.describe();
        if (attempt == 0) {
          for (auto& store : stores_)
            store->roll_back();
          variables_.roll_back();
          continue;
        }
        for (auto& store : stores_)
          store->committed();
        variables_.committed();
        manifest_ = std::move(manifest);
        version_ = base::BatchId(n);
      }
      const auto next = variables_.next_timer_ms();
      ASSERT_TRUE(next.ok());
      EXPECT_EQ(*next, model_.timers.empty() ? std::optional<int64_t>()
                                             : std::optional(model_.timers.begin()->first));
    }
  }

 private:
  static columnar::Schema group_schema() { return one("k", TypeKind::kString); }

  void run() {
    const auto value = one("v", TypeKind::kLong), key = one("u", TypeKind::kString);
    numbers_.clear();
    for (const auto kind : {Kind::kValue, Kind::kList, Kind::kMap}) {
      for (const bool expires : {false, true}) {
        StateVariable what;
        what.name = fmt::format("{}{}", static_cast<int>(kind), static_cast<int>(expires));
        what.kind = kind;
        if (kind == Kind::kMap) what.key = key;
        what.value = value;
        if (expires) what.ttl_ms = 4;
        const auto number = variables_.declare(what);
        ASSERT_TRUE(number.ok()) << number.error().message();
        numbers_.push_back(*number);
      }
    }
    for (int step = 0; step < 20; ++step)
      act();
    for (const auto& group : groups_)
      for (size_t i = 0; i < numbers_.size(); ++i)
        check(group, i);
    check_timers();
    if (random_.below(10) == 0) {
      ASSERT_TRUE(variables_.purge("01").ok());
      ASSERT_TRUE(variables_.purge("20").ok());
      for (const auto& group : groups_) {
        model_.entries.erase({group, 1});
        model_.entries.erase({group, 4});
      }
    }
  }

  void act() {
    const auto& group = groups_[random_.below(groups_.size())];
    const auto i = static_cast<int>(random_.below(numbers_.size()));
    const int number = numbers_[static_cast<size_t>(i)];
    const int64_t until = i % 2 ? now_ms_ + 4 : INT64_MAX;
    const auto value = std::string(random_.below(300), 'v') + std::to_string(random_.below(100));
    const auto user_key = i / 2 == 2 ? text_key(std::to_string(random_.below(4))) : std::string();
    const auto what = random_.below(8);
    if (what == 0) {
      ASSERT_TRUE(variables_.clear(group, number).ok());
      model_.entries.erase({group, i});
      model_.lists.erase({group, i});
    } else if (what == 1) {
      const auto at = static_cast<int64_t>(random_.below(60'000)) - 5;
      ASSERT_TRUE(variables_.add_timer(group, at).ok());
      model_.timers.insert({at, group});
    } else if (what == 2 && !model_.timers.empty()) {
      const auto [at, of] = *model_.timers.begin();
      ASSERT_TRUE(variables_.remove_timer(of, at).ok());
      ASSERT_TRUE(variables_.remove_timer(of, at + 1'000'000).ok());
      model_.timers.erase({at, of});
    } else if (what == 3 && i / 2 != 1) {
      ASSERT_TRUE(variables_.remove(group, number, user_key).ok());
      model_.entries[{group, i}].erase(user_key);
    } else if (i / 2 == 1) {
      std::vector<std::string> values(1 + random_.below(3), value);
      ASSERT_TRUE(variables_.append(group, number, values).ok());
      for (const auto& each : values)
        model_.lists[{group, i}].push_back({each, until});
    } else {
      ASSERT_TRUE(variables_.put(group, number, user_key, value).ok());
      model_.entries[{group, i}][user_key] = {value, until};
    }
  }

  void check(const std::string& group, size_t i) {
    const int number = numbers_[i];
    std::vector<std::string> expected, found;
    for (const auto& [key, kept] : model_.entries[{group, static_cast<int>(i)}]) {
      const bool there = kept.until_ms > now_ms_;
      const auto got = variables_.get(group, number, key);
      ASSERT_TRUE(got.ok());
      EXPECT_EQ(*got, there ? std::optional(kept.value) : std::nullopt);
      if (there) expected.push_back(key + "=" + kept.value);
    }
    for (const auto& kept : model_.lists[{group, static_cast<int>(i)}])
      if (kept.until_ms > now_ms_) expected.push_back("=" + kept.value);
    const auto entries = variables_.entries(group, number);
    ASSERT_TRUE(entries.ok()) << entries.error().message();
    for (const auto& entry : *entries)
      found.push_back(entry.key + "=" + entry.value);
    EXPECT_EQ(found, expected) << "variable " << i;
    EXPECT_EQ(variables_.any(group, number).value(), !expected.empty());
  }

  void check_timers() {
    for (const auto& group : groups_) {
      std::vector<int64_t> expected;
      for (const auto& [at, of] : model_.timers)
        if (of == group) expected.push_back(at);
      EXPECT_EQ(variables_.timers(group).value(), expected);
    }
    const auto until = static_cast<int64_t>(random_.below(60'000));
    const auto wanted = [this](std::string_view group) { return group != groups_[1]; };
    const auto expired = variables_.expired_timers(until, wanted).value();
    std::vector<std::pair<int64_t, std::string>> found, expected;
    for (const auto& timer : expired)
      found.emplace_back(timer.at_ms, timer.group);
    for (const auto& timer : model_.timers)
      if (timer.first <= until && wanted(timer.second)) expected.push_back(timer);
    EXPECT_EQ(found, expected);
  }

  const Case given_;
  io::ModelFileSystem files_;
  base::SeededRandom random_;
  std::vector<std::unique_ptr<StateStore>> stores_;
  StoredVariables variables_;
  std::vector<std::string> groups_;
  std::vector<int> numbers_;
  std::optional<base::BatchId> version_;
  base::JsonObject manifest_;
  Model model_;
  int64_t now_ms_ = 0;
};

TEST(StoredVariables, BehaveAsTheModel) {
  for (const auto provider : {Provider::kMemory, Provider::kRocksDb}) {
    for (uint64_t seed = 1; seed <= (provider == Provider::kMemory ? 20u : 3u); ++seed) {
      SCOPED_TRACE(fmt::format("provider {} seed {}", static_cast<int>(provider), seed));
      World({provider, seed}).batches(25);
      if (HasFailure()) return;
    }
  }
}

TEST(StoredVariables, AnotherKindOrSchemaIsRefused) {
  StoredVariables variables(one("k", TypeKind::kString));
  StateVariable what;
  what.name = "a";
  what.value = one("v", TypeKind::kLong);
  EXPECT_EQ(variables.declare(what).value(), 0);
  EXPECT_EQ(variables.declare(what).value(), 0);
  auto other = what;
  other.value = one("v", TypeKind::kString);
  EXPECT_EQ(variables.declare(other).error().error_class(),
            "STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE");
  other = what;
  other.ttl_ms = 5;
  EXPECT_EQ(variables.declare(other).error().error_class(),
            "STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE");
  other.kind = Kind::kList;
  EXPECT_EQ(variables.declare(other).error().error_class(),
            "STATE_STORE_INVALID_VARIABLE_TYPE_CHANGE");
}

// The rows' keys are those of the stores' schemas: whoever reads state as a table decodes them.
TEST(StoredVariables, KeysAreOfTheStoresSchemas) {
  io::ModelFileSystem files(1);
  base::SeededRandom random(1);
  ASSERT_TRUE(files.make_dirs("/state").ok());
  std::vector<std::unique_ptr<StateStore>> stores;
  for (auto& spec : variable_stores(one("k", TypeKind::kString), "test")) {
    StoreOptions options;
    options.files = &files;
    options.random = &random;
    options.folder = "/state";
    options.shards = 1;
    options.background = false;
    stores.push_back(StateStore::open(options, spec, {}, nullptr).value());
    ASSERT_TRUE(stores.back()->begin(base::BatchId(0)).ok());
  }
  StoredVariables variables(one("k", TypeKind::kString));
  ASSERT_TRUE(variables.restore({stores[0].get(), stores[1].get(), stores[2].get()}, nullptr).ok());
  variables.begin(1);
  StateVariable what;
  what.name = "m";
  what.kind = Kind::kMap;
  what.key = one("u", TypeKind::kString);
  what.value = one("v", TypeKind::kString);
  const int number = variables.declare(what).value();
  const auto user_key = text_key(std::string("u\0v", 3));
  ASSERT_TRUE(variables.put(text_key("group"), number, user_key, "bytes").ok());
  ASSERT_TRUE(variables.add_timer(text_key("group"), -7).ok());
  std::vector<std::string> seen;
  for (const size_t store : {0u, 2u}) {
    const auto& spec = stores[store]->spec();
    ASSERT_TRUE(
        stores[store]
            ->shard(0)
            .scan(kTimeMin, kTimeMax,
                  [&](std::span<const StateRow> rows) -> Result<void> {
                    for (const auto& row : rows) {
                      const auto keys = decode_keys(spec.key, {&row.key, 1}).value();
                      const auto values = decode_values(spec.value, {&row.value, 1}).value();
                      for (const auto* columns : {&keys, &values})
                        for (const auto& column : *columns)
                          seen.push_back(column->GetScalar(0).ValueOrDie()->ToString());
                    }
                    return {};
                  })
            .ok());
  }
  ASSERT_EQ(seen.size(), 7u);
  EXPECT_EQ(seen[0], "group");
  EXPECT_EQ(seen[1], "0");
  EXPECT_EQ(seen[3], "bytes");
  EXPECT_EQ(seen[4], "group");
  EXPECT_EQ(seen[5], "-7");
  EXPECT_EQ(seen[6], "true");
}

}  // namespace
}  // namespace weir::state
