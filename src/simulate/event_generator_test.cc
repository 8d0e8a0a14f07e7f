#include "simulate/event_generator.h"

#include <charconv>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/json.h"

namespace weir::simulate {
namespace {

constexpr int64_t kTime = 1'558'027'000'000'003;  // 2019-05-16T17:16:40.000003Z

base::JsonObject parse(std::string_view event) {
  auto parsed = base::parse_json_object(event, "event");
  EXPECT_TRUE(parsed.ok()) << event;
  return parsed.ok() ? std::move(parsed).value() : base::JsonObject{};
}

TEST(EventGenerator, HasTheFieldsOfTheSampleInItsOrder) {
  EventGenerator generator({.seed = 7});
  const auto event = parse(generator.event(154, kTime));
  std::vector<std::string> names;
  for (const auto& member : event)
    names.emplace_back(member.key());
  EXPECT_THAT(names, testing::ElementsAre("eventId", "complexData", "value", "deviceId",
                                          "deviceSequenceNumber", "type", "createdAt"));
  EXPECT_EQ(base::json_string(event, "deviceId"), "contoso-device-id-000154");
  EXPECT_EQ(base::json_int(event, "deviceSequenceNumber"), 0);
  EXPECT_EQ(base::json_string(event, "createdAt"), "2019-05-16T17:16:40.000003Z");
  EXPECT_THAT(
      *base::json_string(event, "eventId"),
      testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  const auto* more = base::json_object(event, "complexData");
  ASSERT_EQ(more->size(), 23u);
  int field = 0;
  for (const auto& member : *more)
    EXPECT_EQ(member.key(), fmt::format("moreData{}", field++));
}

TEST(EventGenerator, NumbersOfFieldsInTheBufferAreThoseGivenSingly) {
  for (const int fields : {0, 1, 10, 11, 23, 101}) {
    EventGenerator generator({.seed = 3, .devices = 10, .fields = fields});
    for (uint64_t index = 0; index < 50; ++index) {
      const std::string text(generator.event(index, kTime));
      parse(text);
      for (int field = 0; field < fields; ++field) {
        const std::string expected =
            fmt::format("\"moreData{}\":{}", field, generator.number(index, field));
        EXPECT_NE(text.find(expected + (field + 1 == fields ? "}" : ",")), std::string::npos)
            << text << expected;
      }
      EXPECT_NE(text.find(fmt::format("\"value\":{},", generator.number(index, -1))),
                std::string::npos);
      EXPECT_NE(text.find(fmt::format("\"type\":\"{}\"", generator.type(index))),
                std::string::npos);
      double value = 0;
      const auto number = generator.number(index, -1);
      ASSERT_EQ(std::from_chars(number.data(), number.data() + number.size(), value).ptr,
                number.data() + number.size());
      EXPECT_GE(value, 10);
      EXPECT_LE(value, 100);
    }
  }
}

TEST(EventGenerator, AnEventHasAbout940Bytes) {
  EventGenerator generator({.seed = 1});
  size_t bytes = 0;
  for (uint64_t index = 0; index < 10'000; ++index)
    bytes += generator.event(index, kTime).size();
  EXPECT_GE(bytes / 10'000, 930u);
  EXPECT_LE(bytes / 10'000, 945u);
}

TEST(EventGenerator, TheSameSeedGivesTheSameEventsAnotherSeedOthers) {
  EventGenerator one({.seed = 5});
  EventGenerator again({.seed = 5});
  EventGenerator other({.seed = 6});
  for (uint64_t index = 0; index < 100; ++index) {
    const std::string text(one.event(index, kTime + static_cast<int64_t>(index) * 700'000));
    EXPECT_EQ(text, again.event(index, kTime + static_cast<int64_t>(index) * 700'000));
    EXPECT_NE(text, other.event(index, kTime + static_cast<int64_t>(index) * 700'000));
  }
}

TEST(EventGenerator, SequenceNumbersRiseByOnePerDeviceFromZero) {
  EventGenerator generator({.seed = 5, .devices = 7});
  std::vector<int64_t> next(7, 0);
  for (uint64_t index = 0; index < 7000; ++index) {
    const auto event = parse(generator.event(index, kTime));
    const int device = std::stoi(base::json_string(event, "deviceId")->substr(18));
    EXPECT_EQ(base::json_int(event, "deviceSequenceNumber"), next[static_cast<size_t>(device)]++);
    EXPECT_EQ(base::json_string(event, "deviceId"), generator.device_id(index));
  }
}

TEST(EventGenerator, OneInAThousandIsDuplicatedAtRandomPlaces) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EventGenerator generator({.seed = seed});
    int64_t copies = 0;
    std::set<uint64_t> places;
    for (uint64_t index = 0; index < 1'000'000; ++index) {
      if (!generator.is_duplicated(index)) continue;
      ++copies;
      places.insert(index % 1000);
      EXPECT_GE(generator.copy_lag(index), 1u);
      EXPECT_LE(generator.copy_lag(index), EventGenerator::kCopyLagMax);
    }
    EXPECT_GE(copies, 800) << "seed " << seed;
    EXPECT_LE(copies, 1200) << "seed " << seed;
    EXPECT_GT(places.size(), 400u) << "seed " << seed;
  }
}

TEST(EventGenerator, OtherPartsOfDuplicatesAreKeptOnAverage) {
  for (const double part : {0.0, 0.01, 0.07, 0.25, 0.5, 1.0}) {
    EventGenerator generator({.seed = 9, .duplicates = part});
    int64_t copies = 0;
    for (uint64_t index = 0; index < 100'000; ++index)
      copies += generator.is_duplicated(index);
    EXPECT_NEAR(static_cast<double>(copies) / 100'000, part, part * 0.05) << part;
  }
}

TEST(EventGenerator, OnlyTheTwoTypesAppearAboutEquallyOften) {
  EventGenerator generator({.seed = 2});
  int co2 = 0;
  for (uint64_t index = 0; index < 10'000; ++index) {
    EXPECT_TRUE(generator.type(index) == "CO2" || generator.type(index) == "TEMP");
    co2 += generator.type(index) == "CO2";
  }
  EXPECT_NEAR(co2, 5000, 300);
}

TEST(EventShape, OutOfRangeIsRefusedByName) {
  EXPECT_THAT(check_shape({.devices = 0}).error().message(), testing::HasSubstr("devices"));
  EXPECT_THAT(check_shape({.devices = 1'000'001}).error().message(), testing::HasSubstr("devices"));
  EXPECT_THAT(check_shape({.fields = -1}).error().message(), testing::HasSubstr("fields"));
  EXPECT_THAT(check_shape({.duplicates = 1.5}).error().message(), testing::HasSubstr("duplicates"));
}

TEST(EventIdentity, IdsAreUniqueAndLeadBackToTheirIndex) {
  const EventIdentity identity(42);
  std::set<std::string> seen;
  for (uint64_t step = 0; step < 20'000; ++step) {
    const uint64_t index = step < 10'000 ? step : (mix64(step) & (EventIdentity::kIndexEnd - 1));
    char text[36];
    identity.write_uuid(index, text);
    EXPECT_EQ(identity.index_of({text, 36}), index);
    EXPECT_TRUE(seen.emplace(text, 36).second);
  }
}

TEST(EventIdentity, ForeignIdsAreRecognised) {
  const EventIdentity identity(42);
  const EventIdentity other(43);
  for (uint64_t index = 0; index < 10'000; ++index) {
    char text[36];
    other.write_uuid(index, text);
    EXPECT_EQ(identity.index_of({text, 36}), std::nullopt);
  }
  EXPECT_EQ(identity.index_of(""), std::nullopt);
  EXPECT_EQ(identity.index_of("b81d241f-5187-40b0-ab2a-940faf9757c0"), std::nullopt);
  EXPECT_EQ(identity.index_of("b81d241f-5187-40b0-ab2a-940faf9757cX"), std::nullopt);
}

}  // namespace
}  // namespace weir::simulate
