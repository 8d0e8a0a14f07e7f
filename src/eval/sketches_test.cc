// Sketches against the bytes and answers of Spark 4.2.
#include <cstring>

#include <gtest/gtest.h>

#include "base/random.h"
#include "eval/data_sketches.h"
#include "eval/list_finishers.h"

namespace weir::eval {
namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}
template <typename T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}
std::string sketch(std::string_view plan, const std::vector<std::string>& entries) {
  auto builder = make_sketch(plan).value();
  for (const auto& entry : entries)
    EXPECT_TRUE(builder->add(entry).ok());
  return builder->bytes().value();
}
std::vector<std::string> longs(int64_t count) {
  std::vector<std::string> made;
  for (int64_t i = 0; i < count; ++i)
    made.push_back(bytes_of(i));
  return made;
}
const std::vector<std::string> kOneTwoThree = {bytes_of<int64_t>(1), bytes_of<int64_t>(2),
                                               bytes_of<int64_t>(3)};

TEST(Sketches, HllHasSparksBytes) {
  EXPECT_EQ(hex(sketch("hll_sketch_agg l 12", kOneTwoThree)),
            "0201070c030003082bf2fb06862ff90d758166070000000000000000000000000000000000000000");
  EXPECT_EQ(hex(sketch("hll_sketch_agg b 12", {"a", ""})),
            "0201070c030001082f823b0400000000000000000000000000000000000000000000000000000000");
  EXPECT_EQ(hll::estimate(sketch("hll_sketch_agg l 12", longs(100000))).value(), 101148);
  EXPECT_EQ(hll::estimate("no sketch").error().error_class(), "HLL_INVALID_INPUT_SKETCH_BUFFER");
}

TEST(Sketches, ThetaHasSparksBytes) {
  EXPECT_EQ(hex(sketch("theta_sketch_agg l 12", kOneTwoThree)),
            "0104033e011acc930316861af72df7e4558fbe9c3477e9eaefb2e5966badaa3dc0");
  EXPECT_EQ(hex(sketch("theta_sketch_agg b 12", {"abc"})), "01030300003acc9390c643ec3689ab65");
  EXPECT_EQ(hex(sketch("theta_sketch_agg d 12", {bytes_of(1.5)})),
            "01030300003acc93114115368e63790f");
  EXPECT_EQ(hex(sketch("theta_sketch_agg l 12", {})), "01030300001e0000");
  const auto many = sketch("theta_sketch_agg l 12", longs(100000));
  EXPECT_EQ(many.size(), 25618U);
  EXPECT_EQ(theta::estimate(many).value(), 98046);
}

TEST(Sketches, ThetaSetsReadWhatWasWritten) {
  const auto a = sketch("theta_sketch_agg l 12", longs(50000));
  const auto b = sketch("theta_sketch_agg l 12", kOneTwoThree);
  using theta::Operation;
  const auto both = theta::combine(Operation::kUnion, a, b, 12, "theta_union").value();
  EXPECT_EQ(theta::estimate(both).value(), theta::estimate(a).value());
  EXPECT_EQ(hex(theta::combine(Operation::kIntersection, b, b, 12, "f").value()), hex(b));
  EXPECT_EQ(hex(theta::combine(Operation::kDifference, b, b, 12, "f").value()), "01030300001e0000");
  for (size_t cut = 0; cut < b.size(); ++cut)
    EXPECT_FALSE(theta::estimate(std::string_view(b).substr(0, cut)).ok()) << cut;
}

TEST(Sketches, TupleHasSparksBytes) {
  const auto entry = [](int64_t key, double number) { return bytes_of(number) + bytes_of(key); };
  const auto made =
      sketch("tuple_sketch_agg_double l 12 sum", {entry(1, 1), entry(1, 2), entry(2, 3)});
  EXPECT_EQ(hex(made),
            "02030901000acc93020000000000000015f97dcbbd86a105000000000000084000c397fc1281709d1e0000"
            "00000000084000");
  const auto facts = tuple::facts(tuple::Summary::kDouble, made, "f").value();
  EXPECT_EQ(facts.estimate, 2);
  EXPECT_EQ(facts.summaries, (std::vector<double>{3, 3}));
  EXPECT_EQ(tuple::facts(tuple::Summary::kInteger, made, "f").error().error_class(),
            "TUPLE_INVALID_INPUT_SKETCH_BUFFER");
}

TEST(Sketches, KllAnswersAsSpark) {
  std::vector<std::string> four;
  for (int64_t i = 1; i <= 4; ++i)
    four.push_back(bytes_of(i));
  const auto made = sketch("kll_sketch_agg_bigint 200", four);
  const auto found =
      kll::quantiles(kll::Number::kLong, made, {0, 0.1, 0.25, 0.34, 0.5, 0.9, 1}, "f").value();
  std::vector<int64_t> numbers;
  for (const auto& one : found)
    numbers.push_back(one.whole);
  EXPECT_EQ(numbers, (std::vector<int64_t>{1, 1, 1, 2, 2, 4, 4}));
  EXPECT_EQ(kll::ranks(kll::Number::kLong, made, {{0, 0}, {1, 0}, {3, 0}, {5, 0}}, "f").value(),
            (std::vector<double>{0, 0.25, 0.75, 1}));
  EXPECT_FALSE(kll::count(kll::Number::kFloat, made, "f").ok());
}

TEST(Sketches, FrequentItemsComeInSparksOrder) {
  std::vector<std::string> entries;
  for (const auto* text : {"a", "b", "c", "d", "e", "f", "g"})
    entries.push_back(std::string("V") + text);
  const auto made = sketch("approx_top_k s 10000", entries);
  std::string order;
  const auto rows =
      items::most_frequent(std::string_view(made).substr(4), items::Kind::kText, 5).value();
  for (const auto& row : rows)
    order += *row.item;
  EXPECT_EQ(order, "adbfc");
}

// Whatever bytes come: an answer or an error.
TEST(Sketches, BrokenBytesAreRefused) {
  base::SeededRandom random(11);
  const auto pair = [](int64_t key) { return bytes_of(1.5) + bytes_of(key); };
  std::vector<std::string> pairs, texts;
  for (int64_t i = 0; i < 40; ++i) {
    pairs.push_back(pair(i));
    texts.push_back("V" + std::to_string(i % 13));
  }
  const std::vector<std::string> whole = {
      sketch("hll_sketch_agg l 4", longs(5)),
      sketch("hll_sketch_agg l 6", longs(500)),
      sketch("theta_sketch_agg l 5", longs(200)),
      sketch("theta_sketch_agg l 5", longs(1)),
      sketch("tuple_sketch_agg_double l 5 sum", pairs),
      sketch("kll_sketch_agg_bigint 8", longs(300)),
      sketch("kll_sketch_agg_double 8", longs(1)),
      sketch("approx_top_k s 10", texts).substr(4),
  };
  const auto look = [](const std::string& bytes) {
    (void)hll::estimate(bytes);
    (void)hll::unite(bytes, bytes, true);
    (void)theta::estimate(bytes);
    (void)theta::combine(theta::Operation::kUnion, bytes, bytes, 5, "f");
    (void)tuple::facts(tuple::Summary::kDouble, bytes, "f");
    (void)tuple::combine(theta::Operation::kIntersection, tuple::Summary::kInteger, false, bytes,
                         bytes, 5, tuple::Mode::kSum, "f");
    (void)kll::quantiles(kll::Number::kLong, bytes, {0, 0.5, 1}, "f");
    (void)kll::merged(kll::Number::kDouble, bytes, bytes, "f");
    (void)kll::summary(kll::Number::kFloat, bytes, "f");
    (void)items::most_frequent(bytes, items::Kind::kText, 5);
  };
  for (const auto& one : whole) {
    for (size_t cut = 0; cut <= one.size(); ++cut)
      look(one.substr(0, cut));
    for (int round = 0; round < 400; ++round) {
      auto bytes = one;
      for (uint64_t change = 0; change <= random.below(3); ++change)
        bytes[random.below(std::min<uint64_t>(bytes.size(), 64))] =
            static_cast<char>(random.below(256));
      look(bytes);
    }
  }
}

TEST(Sketches, HyperLogLogIsCorrectedAsInSpark) {
  // approx_count_distinct over range(n): registers of hashes that are spread evenly.
  EXPECT_EQ(sketch_precision(0.05).value(), 9);
  EXPECT_EQ(sketch_precision(0.01).value(), 14);
  EXPECT_FALSE(sketch_precision(0.5).ok());
  EXPECT_EQ(sketch_estimate(std::string(512, '\0'), 9), 0);
}

}  // namespace
}  // namespace weir::eval
