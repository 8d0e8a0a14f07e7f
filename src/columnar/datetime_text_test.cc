#include "columnar/datetime_text.h"

#include <gtest/gtest.h>

namespace weir::columnar {
namespace {

constexpr int64_t k2015 = 1426680197000000;  // 2015-03-18T12:03:17Z

TEST(DatetimeText, Timestamps) {
  EXPECT_EQ(parse_timestamp("2015-03-18T12:03:17Z", 0), k2015);
  EXPECT_EQ(parse_timestamp(" 2015-3-18 12:3:17 \n", 0), k2015);
  EXPECT_EQ(parse_timestamp("2015-03-18T12:03:17.1234567+01:00", 0), k2015 + 123456 - 3600000000);
  EXPECT_EQ(parse_timestamp("2015-03-18 12:03:17.5 UTC+1", 0), k2015 + 500000 - 3600000000);
  EXPECT_EQ(parse_timestamp("2015-03-18 12:03:17", 3600), k2015 - 3600000000);
  EXPECT_EQ(parse_timestamp("2015-03-18 12:03", 0), k2015 - 17000000);
  EXPECT_EQ(parse_timestamp("1970", 0), 0);
  EXPECT_EQ(parse_timestamp("1970-01", 0), 0);
  EXPECT_EQ(parse_timestamp("0001-01-01", 0), -62135596800000000);
  EXPECT_EQ(parse_timestamp("-0001-01-01", 0), -62198755200000000);
  for (const char* text :
       {"", " ", "abc", "19", "2015-13-01", "2015-02-29", "2015-03-18T25:00:00",
        "2015-03-18T12:03:17 Mars", "2015-03-18 12:03:17+19:00", "2015-03-18X12:03:17", "20150318",
        "2015-03-18T", "12:03:17", "999999-01-01", "2015-03-18T12:03:17.1.2"}) {
    EXPECT_EQ(parse_timestamp(text, 0), std::nullopt) << text;
  }
  EXPECT_EQ(parse_timestamp_ntz("2015-03-18T12:03:17+05:00", true), k2015);
  EXPECT_EQ(parse_timestamp_ntz("2015-03-18T12:03:17+05:00", false), std::nullopt);
}

TEST(DatetimeText, Dates) {
  EXPECT_EQ(parse_date("1970-01-02"), 1);
  EXPECT_EQ(parse_date("1970-1-2 whatever"), 1);
  EXPECT_EQ(parse_date("1970-01-02Tx"), 1);
  EXPECT_EQ(parse_date("2000"), 10957);
  EXPECT_EQ(parse_date("-0001-01-01"), -719893);
  for (const char* text : {"", "70", "1970-01-02x", "1970-02-30", "01.02.1970", "12345678"})
    EXPECT_EQ(parse_date(text), std::nullopt) << text;
}

TEST(DatetimeText, RegionsAsZones) {
  const int64_t winter = *parse_timestamp("2020-01-01 00:00:00Z", 0);
  const int64_t hour = 3600 * kMicrosPerSecond;
  EXPECT_EQ(parse_timestamp("2020-01-01 00:00:00 Europe/Berlin", 0), winter - hour);
  EXPECT_EQ(parse_timestamp("2020-07-01T00:00:00.5Europe/Berlin", 0),
            *parse_timestamp("2020-07-01 00:00:00.5Z", 0) - 2 * hour);
  EXPECT_EQ(parse_timestamp("2020-01-01 00:00:00 PST", 0), winter + 8 * hour);
  // A time that the clocks left out moves forward; of one that came twice the first is taken.
  EXPECT_EQ(parse_timestamp("2020-03-29 02:30:00 Europe/Berlin", 0),
            parse_timestamp("2020-03-29 03:30:00 +02:00", 0));
  EXPECT_EQ(parse_timestamp("2020-10-25 02:30:00 Europe/Berlin", 0),
            parse_timestamp("2020-10-25 02:30:00 +02:00", 0));
  EXPECT_EQ(parse_timestamp("2020-01-01 00:00:00", *Zone::find("Europe/Berlin")), winter - hour);
  EXPECT_EQ(parse_timestamp("2020-01-01 00:00:00 Europe/Nowhere", 0), std::nullopt);
  EXPECT_EQ(parse_timestamp_ntz("2020-01-01 00:00:00 Europe/Berlin", true), winter);
  EXPECT_EQ(parse_timestamp_ntz("2020-01-01 00:00:00 Europe/Berlin", false), std::nullopt);
  // At the ends of the range of 64 bits.
  EXPECT_NE(parse_timestamp("294247-01-10 04:00:54.775807Z", 0), std::nullopt);
  EXPECT_EQ(parse_timestamp("294247-01-10 04:00:54.775807-01:00", 0), std::nullopt);
  EXPECT_EQ(parse_timestamp("294247-01-10 04:00:54.775807 America/New_York", 0), std::nullopt);
}

TEST(DatetimeText, Zones) {
  EXPECT_EQ(zone_offset_seconds("+8"), 28800);
  EXPECT_EQ(zone_offset_seconds("-08:30"), -30600);
  EXPECT_EQ(zone_offset_seconds("+1:3"), 3780);
  EXPECT_EQ(zone_offset_seconds("GMT-0130"), -5400);
  EXPECT_EQ(zone_offset_seconds("Europe/Paris"), std::nullopt);
  EXPECT_EQ(zone_offset_seconds("+123"), std::nullopt);
}

}  // namespace
}  // namespace weir::columnar
