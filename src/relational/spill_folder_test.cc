#include "relational/spill_folder.h"

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "columnar/data_type.h"
#include "io/model_file_system.h"
#include "relational/duck_engine.h"

namespace weir::relational {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SpillFolderTest : public ::testing::Test {
 protected:
  std::vector<std::string> names(const std::string& folder) {
    std::vector<std::string> all;
    const auto files = fs_.list(folder).value();
    for (const auto& file : files)
      all.push_back(file.name);
    return all;
  }

  io::ModelFileSystem fs_{1};
  base::SystemRandom random_;
};

TEST_F(SpillFolderTest, GoesWithWhatItMade) {
  ASSERT_TRUE(fs_.make_dir("/lake").ok());
  {
    const auto folder = SpillFolder::open(fs_, random_, "/lake/house/.spill").value();
    EXPECT_TRUE(fs_.exists(folder->path()).value());
  }
  EXPECT_THAT(names("/lake"), IsEmpty());
}

TEST_F(SpillFolderTest, RemovesWhatTheDeadLeftAndNothingElse) {
  ASSERT_TRUE(fs_.make_dirs("/spill/dead/below").ok());
  { const auto lock = fs_.try_lock("/spill/dead.lock").value(); }
  ASSERT_TRUE(fs_.make_dirs("/spill/not-ours").ok());
  const auto living = SpillFolder::open(fs_, random_, "/spill").value();
  const auto other = SpillFolder::open(fs_, random_, "/spill").value();
  EXPECT_FALSE(fs_.exists("/spill/dead").value());
  EXPECT_TRUE(fs_.exists("/spill/not-ours").value());
  EXPECT_TRUE(fs_.exists(living->path()).value());
  EXPECT_THAT(names("/spill"), SizeIs(5));  // two folders with their locks, and not-ours
}

TEST_F(SpillFolderTest, IsChosenByWhatTheUserSaid) {
  ASSERT_TRUE(fs_.make_dir("/lake").ok());
  EXPECT_EQ(SpillFolder::choose(fs_, random_, "", "/lake").value(), nullptr);
  EXPECT_THAT(SpillFolder::choose(fs_, random_, {}, "/lake").value()->path(),
              HasSubstr("/lake/.spill/"));
  EXPECT_THAT(SpillFolder::choose(fs_, random_, "/lake/else", "/lake").value()->path(),
              HasSubstr("/lake/else/"));
}

// 8 M numbers of 8 bytes do not fit in 32 MB.
TEST(SpillTest, ASortThatOutgrowsTheMemoryGoesOnWhereItMayWrite) {
  const auto local = io::local_file_system();
  base::SystemRandom random;
  const auto row_7 = [](std::shared_ptr<SpillFolder> spill) -> Result<int64_t> {
    WEIR_ASSIGN(const auto engine, DuckEngine::open({int64_t{32} << 20, 1, std::move(spill), {}}));
    WEIR_ASSIGN(const auto schema, columnar::parse_ddl_schema("id BIGINT"));
    WEIR_ASSIGN(auto rows, engine->run("SELECT id FROM (SELECT range AS id FROM range(8000000) "
                                       "ORDER BY hash(range) LIMIT 7999999) WHERE id = 7",
                                       engine->new_query(), schema));
    WEIR_ASSIGN(const auto batch, rows->next({}));
    return batch ? batch->num_rows() : 0;
  };
  const auto refused = row_7(nullptr);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(),
              HasSubstr("limit of 32 MB: raise --memory-mb, or allow a --spill-folder"));
  auto spill = SpillFolder::choose(*local, random, ::testing::TempDir() + "weir-spill", "");
  ASSERT_TRUE(spill.ok()) << spill.error().message();
  const auto rows = row_7(*std::move(spill));
  ASSERT_TRUE(rows.ok()) << rows.error().message();
  EXPECT_EQ(*rows, 1);
}

}  // namespace
}  // namespace weir::relational
