#include "columnar/arrow_types.h"

#include <cstring>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "columnar/arrow_adapter.h"

namespace weir::columnar {
namespace {

TEST(ArrowTypes, EveryTypeComesBack) {
  auto schema = parse_ddl_schema(
      "a boolean, b byte, c short, d int not null, e long, f float, g double, h decimal(38,18), i "
      "string, j char(3), k varchar(4), l binary, "
      "m date, n timestamp, o timestamp_ntz, p interval day to second, q interval year to month, r "
      "array<struct<x: int not null>>, "
      "s map<string, array<interval year to month>>, t struct<u: int COMMENT 'why'>, v void");
  ASSERT_TRUE(schema.ok()) << schema.error().to_string();
  auto arrow_schema = to_arrow_schema(*schema);
  EXPECT_EQ(arrow_schema->field(13)->type()->ToString(), "timestamp[us, tz=UTC]");
  auto back = from_arrow(*arrow_schema);
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(schema_to_ddl(*back), schema_to_ddl(*schema));
}

TEST(ArrowTypes, ForeignTypes) {
  EXPECT_EQ(from_arrow(*arrow::uint64())->simple_string(), "decimal(20,0)");
  EXPECT_EQ(from_arrow(*arrow::dictionary(arrow::int32(), arrow::large_utf8()))->simple_string(),
            "string");
  EXPECT_EQ(from_arrow(*arrow::timestamp(arrow::TimeUnit::NANO))->simple_string(), "timestamp_ntz");
  auto none =
      from_arrow(*arrow::struct_({arrow::field("t", arrow::time32(arrow::TimeUnit::SECOND))}));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().kind(), base::ErrorKind::kUnsupported);
  EXPECT_NE(none.error().message().find("field t"), std::string::npos);
}

class MemoryFile final : public io::ReadableFile {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<int64_t> read_at(int64_t offset, int64_t length, void* buffer) const override {
    if (offset >= 1000) return base::error(base::ErrorKind::kIo, "the disk is on fire");
    const int64_t count = std::max<int64_t>(
        0, std::min<int64_t>(length, static_cast<int64_t>(bytes_.size()) - offset));
    std::memcpy(buffer, bytes_.data() + offset, static_cast<size_t>(count));
    return count;
  }
  Result<int64_t> size() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  std::string bytes_;
};

TEST(ArrowAdapter, ReadsAndKeepsOurErrors) {
  auto input = arrow_input(std::make_shared<MemoryFile>("hello world"));
  ASSERT_TRUE(input.ok());
  EXPECT_EQ((*(*input)->ReadAt(6, 1 << 30))->ToString(), "world");
  EXPECT_EQ((*(*input)->Read(5))->ToString(), "hello");
  char byte;
  auto failed = from_arrow((*input)->ReadAt(2000, 1, &byte));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(), "the disk is on fire");
  EXPECT_EQ(from_arrow_status(arrow::Status::NotImplemented("x")).kind(),
            base::ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace weir::columnar
