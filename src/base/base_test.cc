#include <limits>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/random.h"
#include "base/result.h"
#include "base/text.h"

namespace weir::base {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return error(ErrorKind::kInvalidArgument, "{} is odd", value);
  return value / 2;
}

Result<int> quarter(int value) {
  WEIR_ASSIGN(const int first, half(value));
  WEIR_ASSIGN(const int second, half(first));
  return second;
}

TEST(ResultTest, CarriesValueOrError) {
  EXPECT_EQ(quarter(12).value(), 3);
  EXPECT_EQ(quarter(6).error().to_string(), "INVALID_ARGUMENT: 3 is odd");
  EXPECT_EQ(error(ErrorKind::kIo, "x").with_context("a").with_context("b").message(), "b: a: x");
  EXPECT_EQ(error(ErrorKind::kInternal, "x").with_class("DIVIDE_BY_ZERO").to_string(),
            "[DIVIDE_BY_ZERO] x");
}

TEST(ResultDeathTest, ValueOfAnErrorAborts) { EXPECT_DEATH((void)half(1).value(), "1 is odd"); }

TEST(JsonTest, WritesDoublesAsPeopleDo) {
  const JsonValue value = {{"a", 60000.0}, {"b", 0.1}, {"c", 1e20}, {"d", 57.739726013343247},
                           {"e", -0.0},    {"f", 12}};
  EXPECT_EQ(json_text(value),
            R"({"a":60000.0,"b":0.1,"c":1e+20,"d":57.739726013343244,"e":-0.0,"f":12})");
  EXPECT_EQ(json_text(JsonValue(std::numeric_limits<double>::infinity())), "null");
}

TEST(JsonTest, KeepsOrderAndEscapes) {
  const auto parsed = parse_json("{\"z\":1,\"a\":[true,null,\"q\\\"\\u00e4\"],\"o\":{}}", "test");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(json_text(*parsed), "{\"z\":1,\"a\":[true,null,\"q\\\"\u00e4\"],\"o\":{}}");
  EXPECT_EQ(json_text_pretty(*parse_json("{\"a\":[1]}", "test")), "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST(JsonTest, RefusesWhatIsNotOneJsonText) {
  EXPECT_EQ(parse_json("{\"a\":}", "offsets/3").error().kind(), ErrorKind::kCorruption);
  EXPECT_NE(parse_json("{} x", "offsets/3").error().message().find("offsets/3"), std::string::npos);
  EXPECT_FALSE(parse_json("", "x").ok());
  EXPECT_FALSE(parse_json_object("[1]", "x").ok());
}

TEST(ClockTest, FormatsInstants) {
  EXPECT_EQ(format_utc_us(1558027000000003), "2019-05-16T17:16:40.000003Z");
  EXPECT_EQ(format_utc_ms(-1), "1969-12-31T23:59:59.999Z");
}

TEST(ClockTest, ManualClockWakesSleepers) {
  ManualClock clock(0);
  bool woke = false;
  {
    std::jthread sleeper(
        [&](std::stop_token stop) { woke = clock.sleep_until_us(600'000'000, stop); });
    while (clock.sleepers() == 0)
      std::this_thread::yield();
    clock.advance_us(600'000'000);
    sleeper.join();
  }
  EXPECT_TRUE(woke);
}

TEST(RandomTest, SameSeedSameNumbers) {
  SeededRandom a(7);
  SeededRandom b(7);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(a.next(), b.next());
  EXPECT_EQ(uuid(a).size(), 36U);
  EXPECT_EQ(uuid(a)[14], '4');
  for (int i = 0; i < 1000; ++i)
    EXPECT_LT(a.below(10), 10U);
}

TEST(TextTest, CaseIsThatOfAscii) {
  EXPECT_EQ(lower_case("MaxFiles_Ä"), "maxfiles_Ä");
  EXPECT_EQ(upper_case("maxFiles_ä"), "MAXFILES_ä");
  EXPECT_TRUE(equal_ignoring_case("Path", "pATH"));
  EXPECT_FALSE(equal_ignoring_case("path", "paths"));
}

TEST(TextTest, CodePointsOfEachLengthBecomeUtf8) {
  std::string text;
  for (const uint32_t code : {0x41u, 0xE9u, 0x20ACu, 0x1F600u})
    append_utf8(code, text);
  EXPECT_EQ(text, "Aé€😀");
}

TEST(IdsTest, AreOrderedAndApart) {
  static_assert(!std::is_convertible_v<Offset, BatchId>);
  EXPECT_LT(Offset(1), Offset(2));
  EXPECT_EQ(BatchId(1).next(), BatchId(2));
}

}  // namespace
}  // namespace weir::base
