// What is refused and how it is said; state as tables; what lies on the disk.
#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "state/row_codec.h"
#include "state/state_reader.h"
#include "state/state_test_kit.h"

namespace weir::state {
namespace {

using base::BatchId;
using base::ErrorKind;
using columnar::DataType;
using columnar::make_field;
using columnar::TypeKind;
using testing::HasSubstr;

class StateFilesTest : public testing::TestWithParam<Provider> {
 protected:
  StateFilesTest() {
    WEIR_CHECK(files_.make_dirs("/c/state").ok());
    options_.files = &files_;
    options_.random = &random_;
    options_.folder = "/c/state";
    options_.operator_id = 3;
    options_.provider = GetParam();
    options_.shards = 2;
    options_.snapshot_every = 1000;
    options_.background = false;
    spec_.identity = "count by name";
    spec_.operator_name = "stateStoreSave";
    spec_.kind = "count";
    spec_.key = DataType::structure({make_field("name", DataType::of(TypeKind::kString))});
    spec_.value = DataType::structure({make_field("count", DataType::of(TypeKind::kLong))});
  }

  Result<std::unique_ptr<StateStore>> open() {
    return StateStore::open(options_, spec_,
                            manifest_ ? std::optional(BatchId(batch_ - 1)) : std::nullopt,
                            manifest_ ? &*manifest_ : nullptr);
  }

  // A batch that puts `count` for each name.
  void put(StateStore& store, const std::vector<std::string>& names, int64_t count) {
    arrow::StringBuilder keys;
    arrow::Int64Builder counts;
    for (const std::string& name : names) {
      ASSERT_TRUE(keys.Append(name).ok());
      ASSERT_TRUE(counts.Append(count).ok());
    }
    const std::vector<ArrayPtr> key_columns{keys.Finish().ValueOrDie()};
    const std::vector<ArrayPtr> value_columns{counts.Finish().ValueOrDie()};
    EncodedRows key_rows;
    EncodedRows value_rows;
    ASSERT_TRUE(KeyEncoder::make(spec_.key)->encode(key_columns, key_rows).ok());
    ASSERT_TRUE(ValueEncoder::make(spec_.value)->encode(value_columns, value_rows).ok());
    RowsByShard split;
    split_by_shard(key_rows, store.shards(), split);
    ASSERT_TRUE(store.begin(BatchId(batch_)).ok());
    for (int s = 0; s < store.shards(); ++s)
      ASSERT_TRUE(store.shard(s).put(key_rows, value_rows, split.of(s), {}).ok());
    auto prepared = store.prepare();
    ASSERT_TRUE(prepared.ok()) << prepared.error().message();
    store.committed();
    manifest_ = std::move(prepared).value();
    ++batch_;
  }

  std::string file_that_ends_with(std::string_view suffix) {
    const auto entries = files_.list_recursive("/c/state/3/default");
    for (const auto& entry : *entries)
      if (entry.name.ends_with(suffix) && entry.path.find("/live-") == std::string::npos)
        return entry.path;
    return "";
  }

  void overwrite(const std::string& path, const std::string& bytes) {
    ASSERT_TRUE(files_.remove(path).ok());
    auto file = files_.create(path);
    ASSERT_TRUE((*file)->append(bytes).ok());
  }

  io::ModelFileSystem files_{1};
  base::SeededRandom random_{1};
  StoreOptions options_;
  StoreSpec spec_;
  std::optional<base::JsonObject> manifest_;
  int64_t batch_ = 0;
};

TEST_P(StateFilesTest, AChangedQueryIsRefusedWithAllThatDiffers) {
  {
    auto store = open();
    ASSERT_TRUE(store.ok()) << store.error().message();
    put(**store, {"a", "b"}, 1);
  }
  const StoreSpec before = spec_;
  spec_.identity = "count by number";
  spec_.key = DataType::structure({make_field("name", DataType::of(TypeKind::kLong))});
  auto refused = open();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("the checkpoint has count by name, the query has count by number"));
  EXPECT_THAT(refused.error().message(),
              HasSubstr("struct<name:string>, the query has struct<name:bigint>"));
  EXPECT_EQ(refused.error().error_class(), "STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE");
  EXPECT_EQ(refused.error().sql_state(), "XXKST");

  spec_ = before;
  spec_.value = DataType::structure({make_field("count", DataType::of(TypeKind::kInteger))});
  EXPECT_EQ(open().error().error_class(), "STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE");

  for (std::string StoreSpec::*part : {&StoreSpec::operator_name, &StoreSpec::kind}) {
    spec_ = before;
    spec_.*part = "another";
    EXPECT_EQ(open().error().error_class(),
              "STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA");
    EXPECT_THAT(open().error().message(), HasSubstr("the query has another"));
  }

  spec_ = before;
  options_.operator_id = 4;
  EXPECT_THAT(open().error().message(), HasSubstr("no state of operator 4"));
  options_.operator_id = 3;
  options_.shards = 16;  // not refused: what is there wins
  auto store = open();
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ((*store)->shards(), 2);
  EXPECT_EQ((*store)->metrics().rows, 2);
}

TEST_P(StateFilesTest, NamesMayChange) {
  {
    auto store = open();
    ASSERT_TRUE(store.ok()) << store.error().message();
    put(**store, {"a", "b"}, 1);
  }
  spec_.identity = "count by what";
  spec_.key = DataType::structure({make_field("what", DataType::of(TypeKind::kString))});
  auto store = open();
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ((*store)->metrics().rows, 2);
}

TEST_P(StateFilesTest, BeforeTheFirstCommitAChangedQueryMayBegin) {
  { ASSERT_TRUE(open().ok()); }
  spec_.operator_name = "another";
  ASSERT_TRUE(open().ok());
}

TEST_P(StateFilesTest, DamageIsNamedByFileAndOffset) {
  {
    auto store = open();
    ASSERT_TRUE(store.ok());
    put(**store, {"a", "b", "c"}, 1);
    put(**store, {"d"}, 2);
  }
  const std::string path = file_that_ends_with(".changelog");
  const std::string good = *files_.read_all(path);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    overwrite(path, bytes);
    auto refused = open();
    ASSERT_FALSE(refused.ok()) << at;
    EXPECT_THAT(refused.error().message(), HasSubstr(path));
  }
  for (size_t length = 0; length < good.size(); length += 7) {
    overwrite(path, good.substr(0, length));
    auto refused = open();
    ASSERT_FALSE(refused.ok()) << length;
    EXPECT_EQ(refused.error().kind(), ErrorKind::kCorruption);
    EXPECT_THAT(refused.error().message(), HasSubstr("offset"));
    EXPECT_THAT(refused.error().message(), HasSubstr("new checkpoint"));
  }
  ASSERT_TRUE(files_.remove(path).ok());
  EXPECT_EQ(open().error().kind(), ErrorKind::kDataLoss);
  EXPECT_THAT(open().error().message(), HasSubstr(path));
}

TEST_P(StateFilesTest, DamagedSnapshotsAreRefused) {
  options_.snapshot_every = 1;
  {
    auto store = open();
    ASSERT_TRUE(store.ok());
    put(**store, {"a", "b", "c"}, 1);
    put(**store, {"d"}, 2);
  }
  const std::string path =
      file_that_ends_with(GetParam() == Provider::kMemory ? ".snapshot" : ".sst");
  const std::string good = *files_.read_all(path);
  const size_t step = GetParam() == Provider::kMemory ? 1 : good.size() / 3;
  for (size_t at = 0; at < good.size(); at += step) {
    overwrite(path, good.substr(0, at));
    auto refused = open();
    ASSERT_FALSE(refused.ok()) << at;
    EXPECT_THAT(refused.error().message(), HasSubstr(path));
  }
  overwrite(path, good);
  EXPECT_TRUE(open().ok());
}

TEST_P(StateFilesTest, StateIsReadAsATable) {
  options_.snapshot_every = 2;
  std::vector<base::JsonObject> manifests;
  auto store = open();
  ASSERT_TRUE(store.ok());
  for (int i = 0; i < 5; ++i) {
    put(**store, {"name" + std::to_string(i), "same"}, i);
    manifests.push_back(*manifest_);
  }
  const auto before = files_.calls();
  // While the query runs, and without a change to any file.
  const auto stores = list_stores(files_, "/c/state");
  ASSERT_TRUE(stores.ok()) << stores.error().message();
  ASSERT_EQ(stores->size(), 1U);
  const StoreInfo& info = stores->front();
  EXPECT_EQ(info.operator_id, 3);
  EXPECT_EQ(info.spec.name, "default");
  EXPECT_EQ(info.shards, 2);
  EXPECT_EQ(info.versions, (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(info.spec.key == spec_.key);
  for (int64_t version = 0; version < 5; ++version) {
    int64_t rows = 0;
    std::map<std::string, int64_t> counts;
    const auto read = read_state(
        files_, "/c/state", info, BatchId(version), manifests[static_cast<size_t>(version)],
        [&](const std::shared_ptr<arrow::RecordBatch>& batch) -> Result<void> {
          EXPECT_TRUE(batch->ValidateFull().ok());
          rows += batch->num_rows();
          const auto& keys = static_cast<const arrow::StructArray&>(*batch->column(1));
          const auto& values = static_cast<const arrow::StructArray&>(*batch->column(2));
          for (int64_t i = 0; i < batch->num_rows(); ++i)
            counts[static_cast<const arrow::StringArray&>(*keys.field(0)).GetString(i)] =
                static_cast<const arrow::Int64Array&>(*values.field(0)).Value(i);
          return {};
        });
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(rows, version + 2);
    EXPECT_EQ(counts["same"], version);
    EXPECT_EQ(counts["name0"], 0);
  }
  EXPECT_EQ(files_.calls(), before);
}

TEST_P(StateFilesTest, WhatABatchChangedIsReadBack) {
  spec_.time = TimeBuckets::kOfKey;
  spec_.bucket_width_us = 10;
  options_.snapshot_every = 2;
  auto opened = open();
  ASSERT_TRUE(opened.ok());
  StateStore& store = **opened;
  std::vector<base::JsonObject> manifests;
  // Names are their times: "a1" is of time 1. In bucket 0 alone all rows go at once.
  const auto batch = [&](const std::vector<std::string>& put, const std::vector<std::string>& gone,
                         int64_t evict_below) {
    ASSERT_TRUE(store.begin(BatchId(batch_)).ok());
    for (const auto* names : {&put, &gone}) {
      arrow::StringBuilder keys;
      arrow::Int64Builder counts;
      std::vector<int64_t> times;
      for (const std::string& name : *names) {
        ASSERT_TRUE(keys.Append(name).ok() && counts.Append(batch_).ok());
        times.push_back(std::stoll(name.substr(1)));
      }
      EncodedRows key_rows;
      EncodedRows value_rows;
      const std::vector<ArrayPtr> key_columns{keys.Finish().ValueOrDie()};
      const std::vector<ArrayPtr> value_columns{counts.Finish().ValueOrDie()};
      ASSERT_TRUE(KeyEncoder::make(spec_.key)->encode(key_columns, key_rows).ok());
      ASSERT_TRUE(ValueEncoder::make(spec_.value)->encode(value_columns, value_rows).ok());
      RowsByShard split;
      split_by_shard(key_rows, store.shards(), split);
      for (int s = 0; s < store.shards(); ++s)
        ASSERT_TRUE((names == &put ? store.shard(s).put(key_rows, value_rows, split.of(s), times)
                                   : store.shard(s).remove(key_rows, split.of(s), times))
                        .ok());
    }
    for (int s = 0; s < store.shards(); ++s)
      ASSERT_TRUE(store.shard(s).evict_below(evict_below, {}).ok());
    auto prepared = store.prepare();
    ASSERT_TRUE(prepared.ok()) << prepared.error().message();
    store.committed();
    manifests.push_back(std::move(prepared).value());
    ++batch_;
  };
  batch({"a1", "b2", "c15", "d25"}, {}, 0);
  batch({"a1", "e17"}, {"b2"}, 0);
  batch({"f28"}, {}, 16);  // bucket 0 whole, c15 alone
  batch({}, {}, 0);
  const auto stores = list_stores(files_, "/c/state");
  ASSERT_TRUE(stores.ok());
  const auto changes = [&](size_t version) {
    std::vector<std::string> seen;
    const auto read = read_changes(
        files_, "/c/state", stores->front(), BatchId(static_cast<int64_t>(version)),
        manifests[version], version == 0 ? nullptr : &manifests[version - 1],
        [&](bool removed, const std::shared_ptr<arrow::RecordBatch>& rows) -> Result<void> {
          EXPECT_TRUE(rows->ValidateFull().ok());
          const auto& keys = static_cast<const arrow::StructArray&>(*rows->column(1));
          EXPECT_EQ(rows->column(2)->null_count(), removed ? rows->num_rows() : 0);
          for (int64_t i = 0; i < rows->num_rows(); ++i)
            seen.push_back((removed ? "-" : "+") +
                           static_cast<const arrow::StringArray&>(*keys.field(0)).GetString(i));
          return {};
        });
    EXPECT_TRUE(read.ok()) << read.error().message();
    std::sort(seen.begin(), seen.end());
    return seen;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(changes(0), (Names{"+a1", "+b2", "+c15", "+d25"}));
  EXPECT_EQ(changes(1), (Names{"+a1", "+e17", "-b2"}));
  EXPECT_EQ(changes(2), (Names{"+f28", "-a1", "-c15"}));
  EXPECT_EQ(changes(3), Names{});
  const auto rows = verify_state(files_, "/c/state", stores->front(), manifests.back());
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  EXPECT_EQ(*rows, 3);
  overwrite(file_that_ends_with(GetParam() == Provider::kMemory ? ".snapshot" : "CURRENT"), "x");
  EXPECT_FALSE(verify_state(files_, "/c/state", stores->front(), manifests.back()).ok());
}

TEST_P(StateFilesTest, FilesThatNoCommitNeedsGo) {
  options_.snapshot_every = 3;
  std::vector<base::JsonObject> manifests;
  auto store = open();
  ASSERT_TRUE(store.ok());
  for (int i = 0; i < 30; ++i) {
    put(**store, {"name" + std::to_string(i % 4)}, i);
    manifests.push_back(*manifest_);
    // An attempt that was given up leaves its changelog behind.
    ASSERT_TRUE((*store)->begin(BatchId(batch_)).ok());
    EncodedRows key;
    EncodedRows value;
    key.add_key("k", 1);
    value.add("v");
    const uint32_t row = 0;
    ASSERT_TRUE(
        (*store)->shard(shard_of(key.hash(0), 2)).put(key, value, std::span(&row, 1), {}).ok());
    ASSERT_TRUE((*store)->prepare().ok());
    (*store)->roll_back();
    if (manifests.size() > 5) {
      const auto cleaned = (*store)->clean_up(manifests[manifests.size() - 5]);
      ASSERT_TRUE(cleaned.ok()) << cleaned.error().message();
    }
  }
  const auto entries = files_.list("/c/state/3/default");
  // metadata, a live folder, a snapshot or two and the changelogs after the older of them.
  EXPECT_LE(entries->size(), 16U);
  const auto stores = list_stores(files_, "/c/state");
  for (size_t version = manifests.size() - 5; version < manifests.size(); ++version) {
    const auto read =
        read_state(files_, "/c/state", stores->front(), BatchId(static_cast<int64_t>(version)),
                   manifests[version], [](const auto&) { return Result<void>(); });
    EXPECT_TRUE(read.ok()) << read.error().message();
  }
}

TEST_P(StateFilesTest, TheMemoryLimitIsHonoured) {
  options_.memory_limit = 64 << 10;
  options_.rocksdb_memory = StateMemory::make(4 << 20);
  if (GetParam() == Provider::kRocksDb) options_.memory_limit = 0;
  auto store = open();
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->begin(BatchId(0)).ok());
  EncodedRows keys;
  EncodedRows values;
  RowsByShard split;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = fmt::format("key-{}", i);
    keys.add_key(key, key.size());
    values.add(std::string(400, 'v'));
  }
  split_by_shard(keys, 2, split);
  for (int s = 0; s < 2; ++s)
    ASSERT_TRUE((*store)->shard(s).put(keys, values, split.of(s), {}).ok());
  auto prepared = (*store)->prepare();
  if (GetParam() == Provider::kMemory) {
    ASSERT_FALSE(prepared.ok());
    EXPECT_EQ(prepared.error().kind(), ErrorKind::kResourceExhausted);
    EXPECT_THAT(prepared.error().message(), HasSubstr("rocksdb"));
    (*store)->roll_back();
    EXPECT_EQ((*store)->metrics().rows, 0);
    return;
  }
  ASSERT_TRUE(prepared.ok()) << prepared.error().message();
  (*store)->committed();
  EXPECT_EQ((*store)->metrics().rows, 20'000);
  // 8 MB of state in a budget of 4 MiB.
  FoundValues found;
  for (int s = 0; s < 2; ++s)
    ASSERT_TRUE((*store)->shard(s).get(keys, split.of(s), {}, found).ok());
  EXPECT_LE(options_.rocksdb_memory->used(), options_.rocksdb_memory->limit() * 3 / 2);
  EXPECT_GT((*store)->metrics().memory_bytes, 0);
}

INSTANTIATE_TEST_SUITE_P(All, StateFilesTest,
                         testing::Values(Provider::kMemory, Provider::kRocksDb),
                         [](const auto& of) {
                           return of.param == Provider::kMemory ? "Memory" : "RocksDb";
                         });

}  // namespace
}  // namespace weir::state
