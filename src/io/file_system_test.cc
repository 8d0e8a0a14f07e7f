// The same behaviour is asked of the local file system and of the model.
#include "io/file_system.h"

#include <cstdlib>
#include <unistd.h>

#include <gtest/gtest.h>

#include "io/model_file_system.h"

namespace weir::io {
namespace {

struct Place {
  std::unique_ptr<FileSystem> fs;
  std::string folder;
};

Place local_place() {
  std::string pattern = ::testing::TempDir() + "weir-io-XXXXXX";
  return {local_file_system(), ::mkdtemp(pattern.data())};
}

Place model_place() {
  auto fs = std::make_unique<ModelFileSystem>(1);
  EXPECT_TRUE(fs->make_dir("/data").ok());
  return {std::move(fs), "/data"};
}

class FileSystemTest : public ::testing::TestWithParam<Place (*)()> {
 protected:
  FileSystemTest() : place_(GetParam()()), fs_(*place_.fs) {}
  ~FileSystemTest() override { EXPECT_TRUE(fs_.remove_tree(place_.folder).ok()); }
  std::string path(const std::string& name) const { return join_path(place_.folder, name); }

  Place place_;
  FileSystem& fs_;
};

TEST_P(FileSystemTest, AppendsAndReadsBack) {
  auto file = fs_.open_append(path("a"));
  ASSERT_TRUE(file.ok());
  const std::string_view pieces[] = {"one", "", "two"};
  EXPECT_TRUE((*file)->append_pieces(pieces).ok());
  EXPECT_TRUE((*file)->sync().ok());
  EXPECT_EQ((*file)->size(), 6);
  EXPECT_EQ(fs_.read_all(path("a")).value(), "onetwo");
  EXPECT_EQ(fs_.open_append(path("a")).value()->size(), 6);
}

TEST_P(FileSystemTest, CreateIfAbsentTakesTheFirst) {
  EXPECT_EQ(fs_.create_if_absent(path("0.json"), "first").value(), CreateOutcome::kCreated);
  EXPECT_EQ(fs_.create_if_absent(path("0.json"), "second").value(), CreateOutcome::kExists);
  EXPECT_EQ(fs_.read_all(path("0.json")).value(), "first");
  EXPECT_EQ(fs_.list(place_.folder)->size(), 1U);  // no temporary file is left
}

// Of a process that died and had the same id, as the first process of a container has.
TEST_P(FileSystemTest, TemporaryFilesOfADeadProcessAreNotInTheWay) {
  for (int number = 1; number < 200; ++number)
    for (const char* name : {"0.json", "x"})
      ASSERT_TRUE(
          fs_.create(path(fmt::format("{}{}-{}-{}", kTemporaryPrefix, name, ::getpid(), number)))
              .ok());
  EXPECT_EQ(fs_.create_if_absent(path("0.json"), "first").value(), CreateOutcome::kCreated);
  EXPECT_TRUE(fs_.replace(path("x"), "second").ok());
  EXPECT_EQ(fs_.read_all(path("0.json")).value(), "first");
  EXPECT_EQ(fs_.read_all(path("x")).value(), "second");
}

TEST_P(FileSystemTest, ReplaceTakesTheLast) {
  EXPECT_TRUE(fs_.replace(path("x"), "first").ok());
  EXPECT_TRUE(fs_.replace(path("x"), "second").ok());
  EXPECT_EQ(fs_.read_all(path("x")).value(), "second");
}

TEST_P(FileSystemTest, MissingFilesAreNotFound) {
  EXPECT_EQ(fs_.open_read(path("no")).error().kind(), base::ErrorKind::kNotFound);
  EXPECT_EQ(fs_.stat(path("no")).error().kind(), base::ErrorKind::kNotFound);
  EXPECT_EQ(fs_.list(path("no")).error().kind(), base::ErrorKind::kNotFound);
  EXPECT_FALSE(fs_.exists(path("no")).value());
  EXPECT_EQ(fs_.create(path("no/such/folder")).error().kind(), base::ErrorKind::kNotFound);
}

TEST_P(FileSystemTest, MakesAndRemovesTrees) {
  EXPECT_TRUE(fs_.make_dirs(path("a/b/c")).ok());
  EXPECT_TRUE(fs_.replace(path("a/b/c/x"), "1").ok());
  EXPECT_TRUE(fs_.replace(path("a/y"), "22").ok());
  const auto files = fs_.list_recursive(place_.folder).value();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].path, path("a/b/c/x"));
  EXPECT_EQ(files[1].size, 2);
  EXPECT_TRUE(fs_.remove_tree(path("a")).ok());
  EXPECT_FALSE(fs_.exists(path("a")).value());
}

TEST_P(FileSystemTest, LockIsHeldOnce) {
  auto first = fs_.try_lock(path("lock"));
  ASSERT_TRUE(first.ok());
  EXPECT_NE(*first, nullptr);
  EXPECT_EQ(fs_.try_lock(path("lock")).value(), nullptr);
  first->reset();
  EXPECT_NE(fs_.try_lock(path("lock")).value(), nullptr);
}

TEST_P(FileSystemTest, TruncateCuts) {
  auto file = fs_.open_append(path("t")).value();
  EXPECT_TRUE(file->append("0123456789").ok());
  EXPECT_TRUE(file->truncate(4).ok());
  EXPECT_TRUE(file->append("x").ok());
  EXPECT_EQ(fs_.read_all(path("t")).value(), "0123x");
}

INSTANTIATE_TEST_SUITE_P(Local, FileSystemTest, ::testing::Values(&local_place));
INSTANTIATE_TEST_SUITE_P(Model, FileSystemTest, ::testing::Values(&model_place));

TEST(ModelFileSystemTest, SyncedBytesUnderASyncedNameSurvive) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    ModelFileSystem fs(seed);
    ASSERT_TRUE(fs.make_dirs("/d").ok());
    auto file = fs.create("/d/f").value();
    ASSERT_TRUE(file->append("durable").ok());
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(fs.sync_dir("/d").ok());
    ASSERT_TRUE(file->append("-perhaps").ok());
    fs.restart();
    const std::string bytes = fs.read_all("/d/f").value();
    EXPECT_EQ(bytes.substr(0, 7), "durable") << "seed " << seed;
    EXPECT_FALSE(file->append("x").ok()) << "a file of before the restart";
  }
}

TEST(ModelFileSystemTest, UnsyncedNamesAndBytesMayBeLostOrKept) {
  int names_kept = 0;
  int bytes_kept = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    ModelFileSystem fs(seed);
    ASSERT_TRUE(fs.create("/f").value()->append("bytes").ok());
    fs.restart();
    auto bytes = fs.read_all("/f");
    names_kept += bytes.ok() ? 1 : 0;
    bytes_kept += bytes.ok() && *bytes == "bytes" ? 1 : 0;
  }
  EXPECT_GT(names_kept, 20);
  EXPECT_LT(names_kept, 180);
  EXPECT_GT(bytes_kept, 10);
  EXPECT_LT(bytes_kept, names_kept);
}

TEST(ModelFileSystemTest, CreateIfAbsentIsAllOrNothingAtEveryCall) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    ModelFileSystem fs(seed);
    fs.inject(static_cast<int64_t>(seed % 9), Fault::kPowerLoss);
    const auto outcome = fs.create_if_absent("/log", "the whole entry");
    fs.restart();
    const auto bytes = fs.read_all("/log");
    if (outcome.ok()) {
      EXPECT_TRUE(bytes.ok()) << "seed " << seed;
    }
    if (bytes.ok()) {
      EXPECT_EQ(*bytes, "the whole entry") << "seed " << seed;
    }
  }
}

TEST(ModelFileSystemTest, BytesOfAFailedSyncAreNotMadeDurableByALaterOne) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    ModelFileSystem fs(seed);
    auto file = fs.create("/f").value();
    ASSERT_TRUE(fs.sync_dir("/").ok());
    ASSERT_TRUE(file->append("x").ok());
    fs.inject(0, Fault::kError);
    EXPECT_FALSE(file->sync().ok());
    EXPECT_TRUE(file->sync().ok());
    fs.restart();
    lost += fs.read_all("/f").value() == "x" ? 0 : 1;
  }
  EXPECT_GT(lost, 10);
}

TEST(ModelFileSystemTest, NoSpaceLastsUntilFreed) {
  ModelFileSystem fs(1);
  auto file = fs.create("/f").value();
  fs.inject(0, Fault::kNoSpace);
  EXPECT_EQ(file->append("x").error().kind(), base::ErrorKind::kResourceExhausted);
  EXPECT_EQ(file->append("x").error().kind(), base::ErrorKind::kResourceExhausted);
  fs.free_space();
  EXPECT_TRUE(file->append("x").ok());
}

}  // namespace
}  // namespace weir::io
