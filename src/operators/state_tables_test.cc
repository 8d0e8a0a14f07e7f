#include "operators/state_tables.h"

#include <arrow/api.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "io/model_file_system.h"
#include "state/row_codec.h"
#include "state/state_store.h"

namespace weir::operators {
namespace {

using columnar::DataType;
using columnar::make_field;
using columnar::TypeKind;
using testing::ElementsAre;
using testing::HasSubstr;

class StateTablesTest : public testing::Test {
 protected:
  StateTablesTest() {
    require(files_.make_dirs("/c/state"));
    require(files_.make_dirs("/c/commits"));
    require(files_.make_dirs("/c/offsets"));
    spec_.operator_name = "symmetricHashJoin";
    spec_.name = "left";
    spec_.key = DataType::structure({make_field("field0", DataType::of(TypeKind::kString)),
                                     make_field("number", DataType::of(TypeKind::kLong))});
    spec_.value = DataType::structure({make_field("v", DataType::of(TypeKind::kLong)),
                                       make_field("matched", DataType::of(TypeKind::kBoolean))});
    spec_.prefix_columns = 1;
    spec_.layout = state::Layout::kOrdered;
    state::StoreOptions options;
    options.files = &files_;
    options.random = &random_;
    options.folder = "/c/state";
    options.shards = 4;
    options.snapshot_every = 2;
    options.background = false;
    auto opened = state::StateStore::open(options, spec_, std::nullopt, nullptr);
    require(opened);
    store_ = std::move(opened).value();
    for (int64_t batch = 0; batch < 4; ++batch)
      put(batch);
  }

  template <typename T>
  static void require(const T& result) {
    WEIR_CHECK(result.ok(), result.error().to_string());
  }
  void write(const std::string& path, const std::string& text) {
    auto file = files_.create(path);
    require(file);
    require((*file)->append(text));
  }

  // Batch n puts the key "k<n>" with value n, and "all".
  void put(int64_t batch) {
    arrow::StringBuilder names;
    arrow::Int64Builder numbers, values;
    arrow::BooleanBuilder matched;
    for (const std::string& name : {"k" + std::to_string(batch), std::string("all")}) {
      ASSERT_TRUE(names.Append(name).ok() && numbers.Append(7).ok() && values.Append(batch).ok() &&
                  matched.Append(false).ok());
    }
    const std::vector<state::ArrayPtr> keys{names.Finish().ValueOrDie(),
                                            numbers.Finish().ValueOrDie()};
    const std::vector<state::ArrayPtr> columns{values.Finish().ValueOrDie(),
                                               matched.Finish().ValueOrDie()};
    state::EncodedRows key_rows, value_rows;
    require(state::KeyEncoder::make(spec_.key, 1)->encode(keys, key_rows));
    require(state::ValueEncoder::make(spec_.value)->encode(columns, value_rows));
    state::RowsByShard split;
    state::split_by_shard(key_rows, 4, split);
    require(store_->begin(base::BatchId(batch)));
    for (int s = 0; s < 4; ++s)
      require(store_->shard(s).put(key_rows, value_rows, split.of(s), {}));
    auto manifest = store_->prepare();
    require(manifest);
    store_->committed();
    const base::JsonObject commit{
        {"nextBatchWatermarkMs", 0},
        {"weirState",
         base::JsonObject{{"0", base::JsonObject{{"left", std::move(manifest).value()}}}}}};
    write("/c/commits/" + std::to_string(batch), "v1\n" + base::json_text(commit));
    write("/c/offsets/" + std::to_string(batch), "v1\n{}\n-");
  }

  // "k0=0 all=3", or "-k0" for rows that went; sorted. An error's class.
  std::string rows(const std::map<std::string, std::string>& options) {
    auto parsed = parse_state_options(options);
    if (!parsed.ok()) return parsed.error().error_class();
    const auto table = StateTable::open(files_, "/c", std::move(parsed).value());
    if (!table.ok()) return table.error().error_class();
    const auto reader = (*table)->read(2);
    if (!reader.ok()) return reader.error().error_class();
    std::vector<std::string> all;
    for (int piece = 0; piece < (*reader)->pieces(); ++piece) {
      const auto batches = (*reader)->read(piece);
      require(batches);
      for (const auto& batch : *batches) {
        EXPECT_TRUE(batch->ValidateFull().ok());
        const auto& keys = static_cast<const arrow::StructArray&>(*batch->GetColumnByName("key"));
        const auto& values =
            static_cast<const arrow::StructArray&>(*batch->GetColumnByName("value"));
        for (int64_t i = 0; i < batch->num_rows(); ++i)
          all.push_back(fmt::format(
              "{}={}", static_cast<const arrow::StringArray&>(*keys.field(0)).GetString(i),
              static_cast<const arrow::Int64Array&>(*values.field(0)).Value(i)));
      }
    }
    std::sort(all.begin(), all.end());
    return fmt::format("{}", fmt::join(all, " "));
  }

  io::ModelFileSystem files_{1};
  base::SeededRandom random_{1};
  state::StoreSpec spec_;
  std::unique_ptr<state::StateStore> store_;
};

TEST_F(StateTablesTest, RowsOfVersions) {
  EXPECT_EQ(rows({{"joinSide", "left"}}), "all=3 k0=0 k1=1 k2=2 k3=3");
  EXPECT_EQ(rows({{"joinside", "left"}, {"BATCHID", "1"}}), "all=1 k0=0 k1=1");
  EXPECT_EQ(rows({{"storeName", "left"}, {"batchId", "0"}}), "all=0 k0=0");
  std::string by_partition;
  for (int partition = 0; partition < 4; ++partition)
    by_partition += " " + rows({{"joinSide", "left"},
                                {"snapshotStartBatchId", "1"},
                                {"snapshotPartitionId", std::to_string(partition)}});
  EXPECT_THAT(by_partition, HasSubstr("all=3"));
  EXPECT_EQ(std::count(by_partition.begin(), by_partition.end(), '='), 5);
}

TEST_F(StateTablesTest, ShapesOfAJoin) {
  const auto side = StateTable::open(files_, "/c", *parse_state_options({{"joinSide", "left"}}));
  EXPECT_EQ((*side)->schema().simple_string(),
            "struct<key:struct<field0:string>,value:struct<v:bigint>,partition_id:int>");
  const auto kept = StateTable::open(files_, "/c", *parse_state_options({{"storeName", "left"}}));
  EXPECT_EQ((*kept)->schema().simple_string(),
            "struct<key:struct<field0:string,number:bigint>,value:struct<v:bigint,matched:boolean>,"
            "partition_id:int>");
}

TEST_F(StateTablesTest, WhatBatchesChanged) {
  const std::map<std::string, std::string> from_one = {
      {"storeName", "left"}, {"readChangeFeed", "true"}, {"changeStartBatchId", "1"}};
  EXPECT_EQ(rows(from_one), "all=1 all=2 all=3 k1=1 k2=2 k3=3");
  auto one = from_one;
  one["changeEndBatchId"] = "1";
  EXPECT_EQ(rows(one), "all=1 k1=1");
}

TEST_F(StateTablesTest, WhatCannotBeRead) {
  EXPECT_EQ(rows({}), "STDS_FAILED_TO_READ_STATE_SCHEMA");
  EXPECT_EQ(rows({{"joinSide", "right"}}), "STDS_FAILED_TO_READ_STATE_SCHEMA");
  EXPECT_EQ(rows({{"joinSide", "left"}, {"batchId", "9"}}), "STDS_OFFSET_LOG_UNAVAILABLE");
  EXPECT_EQ(rows({{"joinSide", "left"}, {"batchId", "x"}}),
            "STDS_INVALID_OPTION_VALUE.WITH_MESSAGE");
  EXPECT_EQ(rows({{"joinSide", "left"}, {"batchId", "-2"}}),
            "STDS_INVALID_OPTION_VALUE.IS_NEGATIVE");
  EXPECT_EQ(rows({{"storeName", "left"}, {"stateVarName", "x"}}),
            "STDS_INVALID_OPTION_VALUE.WITH_MESSAGE");
  EXPECT_EQ(
      rows({{"joinSide", "left"}, {"snapshotStartBatchId", "2"}, {"snapshotPartitionId", "0"}}),
      "CANNOT_LOAD_STATE_STORE.CANNOT_READ_MISSING_SNAPSHOT_FILE");
  EXPECT_EQ(
      rows({{"joinSide", "left"}, {"snapshotStartBatchId", "1"}, {"snapshotPartitionId", "9"}}),
      "CANNOT_LOAD_STATE_STORE.SNAPSHOT_PARTITION_ID_NOT_FOUND");
  write("/c/offsets/4", "v1\n{}\n-");  // planned, not committed
  EXPECT_EQ(rows({{"joinSide", "left"}, {"batchId", "4"}}),
            "CANNOT_LOAD_STATE_STORE.CANNOT_READ_STREAMING_STATE_FILE");
}

TEST_F(StateTablesTest, MetadataNamesEveryStore) {
  const auto checkpoint = CheckpointState::open(files_, "/c");
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_THAT(checkpoint->commits(), ElementsAre(0, 1, 2, 3));
  const auto rows = state_metadata(*checkpoint);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ((*rows)->num_rows(), 1);
  EXPECT_EQ((*rows)->column(1)->GetScalar(0).ValueOrDie()->ToString(), "symmetricHashJoin");
  EXPECT_EQ((*rows)->column(3)->GetScalar(0).ValueOrDie()->ToString(), "4");
}

TEST_F(StateTablesTest, SparksStateIsRefused) {
  require(files_.make_dirs("/spark/state/0/0"));
  write("/spark/state/0/0/1.delta", "x");
  const auto refused = CheckpointState::open(files_, "/spark");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().error_class(), "UNSUPPORTED_FEATURE");
  EXPECT_THAT(refused.error().message(), HasSubstr("state that Spark wrote"));
  EXPECT_TRUE(CheckpointState::open(files_, "/nowhere").ok());
}

}  // namespace
}  // namespace weir::operators
