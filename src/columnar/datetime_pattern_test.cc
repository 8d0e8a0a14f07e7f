#include "columnar/datetime_pattern.h"

#include <gtest/gtest.h>

namespace weir::columnar {
namespace {

constexpr int64_t k2015 = 1426680197000000;  // 2015-03-18T12:03:17Z, a Wednesday

std::optional<int64_t> parse(std::string_view pattern, std::string_view text) {
  auto compiled = DatetimePattern::compile(pattern);
  EXPECT_TRUE(compiled.ok()) << pattern << ": " << compiled.error().to_string();
  return compiled.ok() ? compiled->parse_timestamp(text, 0) : std::nullopt;
}

TEST(DatetimePatternTest, Parses) {
  EXPECT_EQ(parse("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2015-03-18T12:03:17"), k2015);
  EXPECT_EQ(parse("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", "2015-03-18T12:03:17.5+01:00"),
            k2015 + 500000 - 3600000000);
  EXPECT_EQ(parse("yyyyMMddHHmmss", "20150318120317"), k2015);
  EXPECT_EQ(parse("M/d/yyyy H:mm", "3/18/2015 12:03"), k2015 - 17000000);
  EXPECT_EQ(parse("dd/MMM/yyyy:HH:mm:ss Z", "18/mar/2015:13:03:17 +0100"), k2015);
  EXPECT_EQ(parse("EEEE, d MMMM yy hh:mm:ss a", "Wednesday, 18 March 15 12:03:17 PM"), k2015);
  EXPECT_EQ(parse("yyyy-DDD", "1970-032"), 31 * 86400000000);
  EXPECT_EQ(parse("yyyy-MM-dd HH:mm:ss.SSSSSS z", "2015-03-18 12:03:17.000123 UTC"), k2015 + 123);
  EXPECT_EQ(parse("''yyyy''", "'1970'"), 0);
}

TEST(DatetimePatternTest, Refuses) {
  EXPECT_EQ(parse("yyyy-MM-dd", "2015-3-18"), std::nullopt);
  EXPECT_EQ(parse("yyyy-MM-dd", "2015-02-29"), std::nullopt);
  EXPECT_EQ(parse("yyyy-MM-dd", "2015-03-18x"), std::nullopt);
  EXPECT_EQ(parse("EEE yyyy-MM-dd", "Thu 2015-03-18"), std::nullopt);
  EXPECT_EQ(parse("HH", "24"), std::nullopt);
  EXPECT_EQ(parse("yyyy", "20155"), std::nullopt);
  for (const char* pattern : {"YYYY", "w", "yyyy-MM-dd'T", "c", "]", "{", "aa"})
    EXPECT_FALSE(DatetimePattern::compile(pattern).ok()) << pattern;
}

TEST(DatetimePatternTest, Formats) {
  const auto format = [](std::string_view pattern, int64_t micros, int64_t offset) {
    return *DatetimePattern::compile(pattern)->format(micros, offset);
  };
  EXPECT_EQ(format("yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", k2015 + 42, 0),
            "2015-03-18T12:03:17.000042Z");
  EXPECT_EQ(format("EEE d MMM yy h:mm a D xx", k2015, 5400), "Wed 18 Mar 15 1:33 PM 77 +0130");
  EXPECT_EQ(format("yyyy-MM-dd HH:mm:ss", -1, 0), "1969-12-31 23:59:59");
  // The ends of the range, and beyond it by the offset.
  EXPECT_EQ(format("uuuuuu-MM-dd HH:mm:ss.SSSSSS", INT64_MAX, 0), "294247-01-10 04:00:54.775807");
  EXPECT_EQ(format("uuuuuu-MM-dd HH:mm:ss.SSSSSS", INT64_MAX, 7200),
            "294247-01-10 06:00:54.775807");
  EXPECT_EQ(format("uuuuuu-MM-dd HH:mm:ss.SSSSSS", INT64_MIN, 0), "-290308-12-21 19:59:05.224192");
  EXPECT_EQ(format("uuuuuu-MM-dd HH:mm:ss.SSSSSS", INT64_MIN, -86400),
            "-290308-12-20 19:59:05.224192");
}

}  // namespace
}  // namespace weir::columnar
