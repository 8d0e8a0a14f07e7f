// What is on the allowlist gives the same values in DuckDB as in our kernels, on random values with
// NULLs and extremes.
#include "relational/native_sql.h"

#include <cmath>
#include <iostream>
#include <limits>
#include <random>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "eval/program.h"
#include "relational/plan_maker.h"

namespace weir::relational {
namespace {

constexpr int64_t kRows = 4000;

template <typename T>
T one_of(const std::vector<T>& list, std::mt19937& random) {
  return list[random() % list.size()];
}

template <typename Builder, typename Draw>
std::shared_ptr<arrow::Array> column(Builder& builder, std::mt19937& random, const Draw& draw) {
  for (int64_t row = 0; row < kRows; ++row) {
    if (random() % 9 == 0) {
      EXPECT_TRUE(builder.AppendNull().ok());
    } else {
      EXPECT_TRUE(builder.Append(draw()).ok());
    }
  }
  return *builder.Finish();
}

class NativeSqlTest : public ::testing::Test {
 protected:
  NativeSqlTest() : random_(seed()) {
    schema_ = columnar::parse_ddl_schema(
                  "i INT, j INT, l BIGINT, m BIGINT, h SMALLINT, d DOUBLE, e DOUBLE, f FLOAT, g "
                  "FLOAT, p DECIMAL(12,2), q DECIMAL(10,4), w DECIMAL(38,10), v DECIMAL(38,10), s "
                  "STRING, t STRING, x DATE, y DATE, ts TIMESTAMP, tz TIMESTAMP, b BOOLEAN, c "
                  "BOOLEAN, o BINARY, r BINARY, k STRUCT<u: INT, w: STRING>")
                  .value();
    const auto small = [&] { return static_cast<int32_t>(random_() % 20001) - 10000; };
    const auto real = [&] {
      static const std::vector<double> extremes{0.0,
                                                -0.0,
                                                1.5,
                                                std::nan(""),
                                                INFINITY,
                                                -INFINITY,
                                                std::numeric_limits<double>::denorm_min(),
                                                std::numeric_limits<double>::max(),
                                                -1e-300};
      return random_() % 2 ? one_of(extremes, random_) : static_cast<double>(small()) / 7;
    };
    const auto text = [&] {
      static const std::vector<std::string> parts{"a", "b", "A", "", "é", "😀", "%", "_", "zz", " "};
      std::string made;
      for (auto left = random_() % 5; left > 0; --left)
        made += one_of(parts, random_);
      return made;
    };
    arrow::ArrayVector arrays;
    const auto ints = [&] {
      arrow::Int32Builder builder;
      return column(builder, random_, small);
    };
    const auto longs = [&] {
      arrow::Int64Builder builder;
      return column(builder, random_, [&] { return int64_t{small()} * 3; });
    };
    const auto doubles = [&] {
      arrow::DoubleBuilder builder;
      return column(builder, random_, real);
    };
    const auto floats = [&] {
      arrow::FloatBuilder builder;
      return column(builder, random_, [&] { return static_cast<float>(real()); });
    };
    const auto decimals = [&](int precision, int scale, bool wide) {
      arrow::Decimal128Builder builder(arrow::decimal128(precision, scale));
      return column(builder, random_, [&] {
        auto value = arrow::Decimal128(small()) *
                     arrow::Decimal128(static_cast<int64_t>(random_() % 100000));
        return wide ? value * arrow::Decimal128(int64_t{1'000'000'000'000'000'000}) : value;
      });
    };
    const auto texts = [&] {
      arrow::StringBuilder builder;
      return column(builder, random_, text);
    };
    const auto dates = [&] {
      arrow::Date32Builder builder;
      return column(builder, random_, [&] { return small() * 60; });
    };
    const auto times = [&] {
      arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                      arrow::default_memory_pool());
      return column(builder, random_, [&] { return int64_t{small() % 50} * 1'000'000'007; });
    };
    const auto flags = [&] {
      arrow::BooleanBuilder builder;
      return column(builder, random_, [&] { return random_() % 2 == 0; });
    };
    const auto bytes = [&] {
      arrow::BinaryBuilder builder;
      return column(builder, random_, [&] { return std::string(random_() % 3, '\xFF') + text(); });
    };
    arrays = {ints(), ints(), longs(), longs()};
    arrow::Int16Builder shorts;
    arrays.push_back(column(shorts, random_, [&] { return static_cast<int16_t>(small() / 100); }));
    for (const auto& more : arrow::ArrayVector{
             doubles(), doubles(), floats(), floats(), decimals(12, 2, false),
             decimals(10, 4, false), decimals(38, 10, true), decimals(38, 10, true), texts(),
             texts(), dates(), dates(), times(), times(), flags(), flags(), bytes(), bytes()})
      arrays.push_back(more);
    arrays.push_back(*arrow::StructArray::Make(
        {arrays[0], arrays[13]},
        {arrow::field("u", arrow::int32()), arrow::field("w", arrow::utf8())}));
    batch_ = arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), kRows, arrays);
  }

  static unsigned seed() {
    const unsigned made = std::random_device{}();
    std::cout << "seed " << made << "\n";
    return made;
  }

  void compare(const std::string& text) {
    const auto expression = typed(text, schema_);
    EXPECT_TRUE(is_native_tree(*expression, true, false)) << text << " is not on the allowlist";
    op::LocalRows rows;
    rows.batches.push_back(batch_);
    std::vector<plan::Column> columns;
    for (const auto& field : schema_.fields()) {
      plan::Column one;
      one.name = field.name;
      one.type = field.type();
      columns.push_back(one);
    }
    op::Project project{plan::make_operator(std::move(rows), std::move(columns)), {expression}};
    const auto plan = plan::make_operator(std::move(project), as_columns({expression}));
    const auto actual = texts(execute(plan, {*engine_, {}, nullptr, {}}));
    const auto program = eval::compile(expression).value();
    const auto expected = program.evaluate(*batch_, {});
    ASSERT_TRUE(expected.ok()) << text << ": " << expected.error().to_string();
    ASSERT_EQ(actual.size(), static_cast<size_t>(kRows)) << text << ": " << actual[0];
    auto zone = eval::Zone::find("UTC").value();
    int wrong = 0;
    for (int64_t row = 0; row < kRows && wrong < 3; ++row) {
      std::string shown;
      if ((*expected)->IsNull(row)) {
        shown = "NULL";
      } else {
        eval::append_text(expression->type, **expected, row, zone, true, shown);
      }
      if (shown == actual[static_cast<size_t>(row)]) continue;
      ++wrong;
      ADD_FAILURE() << text << " in row " << row << ": DuckDB " << actual[static_cast<size_t>(row)]
                    << ", kernel " << shown;
    }
  }

  std::mt19937 random_;
  columnar::Schema schema_ = columnar::Schema::structure({});
  BatchPtr batch_;
  std::unique_ptr<DuckEngine> engine_ = DuckEngine::open({}).value();
};

TEST_F(NativeSqlTest, Comparisons) {
  const std::pair<const char*, const char*> pairs[] = {
      {"i", "j"}, {"l", "m"}, {"d", "e"},   {"f", "g"}, {"p", "p"}, {"w", "v"},
      {"s", "t"}, {"x", "y"}, {"ts", "tz"}, {"b", "c"}, {"o", "r"}};
  for (const auto& [a, b] : pairs) {
    for (const auto* op : {"=", "<", "<=", ">", ">=", "<=>", "<>"})
      compare(std::string(a) + " " + op + " " + b);
  }
  compare("i IN (1, 2, j)");
  compare("d IN (0D, -1.5D, e)");
  compare("s IN ('a', t, NULL)");
  compare("i BETWEEN j AND 5000");
}

TEST_F(NativeSqlTest, LogicAndChoice) {
  compare("b AND c");
  compare("b OR c");
  compare("NOT b");
  compare("b IS NULL OR s IS NOT NULL");
  compare("CASE WHEN i > j THEN s WHEN b THEN t END");
  compare("CASE WHEN i > j THEN p ELSE CAST(0 AS DECIMAL(12,2)) END");
  compare("if(b, d, e)");
  compare("coalesce(s, t, 'none')");
  compare("nvl(i, j)");
  compare("k.u");
  compare("k.w");
}

TEST_F(NativeSqlTest, Arithmetic) {
  for (const auto* op : {"+", "-", "*"}) {
    for (const auto& [a, b] : {std::pair{"i", "j"},
                               {"l", "m"},
                               {"h", "h"},
                               {"d", "e"},
                               {"f", "g"},
                               {"p", "q"},
                               {"p", "p"},
                               {"i", "l"},
                               {"p", "i"},
                               {"d", "f"}})
      compare(std::string(a) + " " + op + " " + b);
  }
  compare("p * (1BD - q) * (1BD + q)");
}

TEST_F(NativeSqlTest, Texts) {
  for (const auto* pattern : {"%a%", "_b%", "a_", "%", "", "é%", "%😀", "%_%", "a%b%", "__"})
    compare("s LIKE '" + std::string(pattern) + "'");
  compare("startswith(s, t)");
  compare("endswith(s, t)");
  compare("contains(s, t)");
  compare("substring(s, 1, 2)");
  compare("substring(s, 2, 0)");
  compare("substring(s, 3, 100)");
  compare("length(s)");
}

TEST_F(NativeSqlTest, DatesAndCasts) {
  for (const auto* part : {"year", "month", "day", "quarter"})
    compare(std::string(part) + "(x)");
  compare("x < DATE '1994-01-01'");
  compare("CAST(i AS BIGINT)");
  compare("CAST(h AS INT)");
  compare("CAST(i AS DOUBLE)");
  compare("CAST(l AS DOUBLE)");
  compare("CAST(f AS DOUBLE)");
  compare("CAST(i AS DECIMAL(20,4))");
  compare("CAST(p AS DECIMAL(20,6))");
  compare("p > 12.5BD");
}

}  // namespace
}  // namespace weir::relational
