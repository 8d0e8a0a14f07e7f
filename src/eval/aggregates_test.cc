#include "eval/aggregates.h"

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "base/random.h"
#include "columnar/arrow_types.h"
#include "eval/cast.h"
#include "eval/list_rows.h"
#include "eval/row_codec.h"

namespace weir::eval {
namespace {

using columnar::make_field;
using ::testing::ElementsAre;

// Columns: 0 double, 1 long, 2 string, 3 boolean, 4 decimal(10,2), 5 integer.
const std::vector<DataType> kTypes{
    DataType::of(TypeKind::kDouble), DataType::of(TypeKind::kLong),
    DataType::of(TypeKind::kString), DataType::of(TypeKind::kBoolean),
    DataType::decimal(10, 2),        DataType::of(TypeKind::kInteger)};

plan::TypedPtr column(int index) {
  return std::make_shared<const plan::Typed>(
      plan::Typed{kTypes[static_cast<size_t>(index)], true, plan::TypedColumn{index, "c"}, {}});
}
plan::TypedPtr literal(DataType type, plan::Value value) {
  return std::make_shared<const plan::Typed>(
      plan::Typed{std::move(type), false, plan::TypedLiteral{std::move(value)}, {}});
}
plan::TypedPtr aggregate(std::string_view name, std::vector<plan::TypedPtr> arguments,
                         DataType type, bool distinct = false, plan::TypedPtr filter = nullptr) {
  plan::TypedCall call;
  call.function = plan::find_function(name);
  WEIR_CHECK(call.function, name);
  call.arguments = std::move(arguments);
  call.distinct = distinct;
  call.filter = std::move(filter);
  return std::make_shared<const plan::Typed>(
      plan::Typed{std::move(type), true, std::move(call), {}});
}

std::shared_ptr<arrow::RecordBatch> random_rows(base::Random& random, int64_t rows) {
  FixedWriter<double> doubles(rows);
  FixedWriter<int64_t> longs(rows);
  FixedWriter<int32_t> integers(rows);
  FixedWriter<plan::Int128> decimals(rows);
  TextWriter texts(rows);
  BoolWriter flags(rows);
  for (int64_t row = 0; row < rows; ++row) {
    const auto null = [&] { return random.below(6) == 0; };
    // Halves and small whole numbers: sums are exact in any order.
    null() ? doubles.set_null(row) : doubles.set(row, static_cast<double>(random.below(40)) / 2);
    null() ? longs.set_null(row) : longs.set(row, static_cast<int64_t>(random.below(9)) - 4);
    null() ? integers.set_null(row) : integers.set(row, static_cast<int32_t>(random.below(5)));
    null() ? decimals.set_null(row) : decimals.set(row, static_cast<int>(random.below(500)));
    null() ? flags.set_null(row) : flags.set(row, random.below(2) == 0);
    if (null()) {
      texts.add_null();
    } else {
      texts.add(std::string(random.below(4), 'x') + std::to_string(random.below(5)));
    }
  }
  std::vector<columnar::Field> fields;
  for (const auto& type : kTypes)
    fields.push_back(make_field("c", type));
  return arrow::RecordBatch::Make(
      columnar::to_arrow_schema(columnar::Schema::structure(fields)), rows,
      {doubles.finish(arrow::float64()), longs.finish(arrow::int64()),
       texts.finish(arrow::utf8()).value(), flags.finish(),
       decimals.finish(arrow::decimal128(10, 2)), integers.finish(arrow::int32())});
}

std::vector<plan::TypedPtr> every_aggregate() {
  const auto real = DataType::of(TypeKind::kDouble), whole = DataType::of(TypeKind::kLong),
             flag = DataType::of(TypeKind::kBoolean), text = DataType::of(TypeKind::kString);
  const auto half = literal(real, 0.5);
  const auto yes = literal(flag, true);
  std::vector<plan::TypedPtr> all{
      aggregate("count", {column(0)}, whole),
      aggregate("count", {column(0), column(2)}, whole),
      aggregate("count", {column(2)}, whole, true),
      aggregate("count", {column(2), column(5)}, whole, true),
      aggregate("sum", {column(1)}, whole),
      aggregate("sum", {column(5)}, whole, true),
      aggregate("sum", {column(1)}, whole, false, column(3)),
      aggregate("sum", {column(0)}, real),
      aggregate("sum", {column(4)}, DataType::decimal(20, 2)),
      aggregate("try_sum", {column(1)}, whole),
      aggregate("avg", {column(0)}, real),
      aggregate("avg", {column(4)}, DataType::decimal(14, 6)),
      aggregate("try_avg", {column(0)}, real),
      aggregate("product", {column(0)}, real, false, column(3)),
      aggregate("min", {column(0)}, real),
      aggregate("max", {column(1)}, whole),
      aggregate("min", {column(2)}, text),
      aggregate("max", {column(2)}, text),
      aggregate("max", {column(3)}, flag),
      aggregate("any_value", {column(2)}, text),
      aggregate("first", {column(2)}, text),
      aggregate("first", {column(2), yes}, text),
      aggregate("last", {column(1)}, whole),
      aggregate("last", {column(1), yes}, whole),
      aggregate("max_by", {column(2), column(1)}, text),
      aggregate("min_by", {column(1), column(2)}, whole),
      aggregate("count_if", {column(3)}, whole),
      aggregate("bool_and", {column(3)}, flag),
      aggregate("bool_or", {column(3)}, flag),
      aggregate("bit_and", {column(1)}, whole),
      aggregate("bit_or", {column(1)}, whole),
      aggregate("bit_xor", {column(1)}, whole),
      aggregate("collect_list", {column(2)}, DataType::array(text, false)),
      aggregate("collect_set", {column(5)}, DataType::array(kTypes[5], false)),
      aggregate("listagg", {column(2), literal(text, std::string("|"))}, text),
      aggregate("approx_count_distinct", {column(2)}, whole),
      aggregate("percentile", {column(0), half}, real),
      aggregate("percentile_approx", {column(1), half}, whole),
      aggregate("median", {column(0)}, real),
      aggregate("mode", {column(5)}, kTypes[5]),
      aggregate("regr_count", {column(0), column(0)}, whole)};
  for (const char* name : {"stddev", "stddev_pop", "variance", "var_pop", "skewness", "kurtosis"})
    all.push_back(aggregate(name, {column(0)}, real));
  return all;
}

std::vector<std::string> texts_of(const std::vector<plan::TypedPtr>& calls,
                                  AggregateStates& states) {
  const auto results = states.finish();
  WEIR_CHECK(results.ok(), results.error().to_string());
  std::vector<std::string> made;
  Zone zone;
  for (size_t c = 0; c < calls.size(); ++c) {
    const auto& call = std::get<plan::TypedCall>(calls[c]->node);
    for (int64_t group = 0; group < states.groups(); ++group) {
      auto& text = made.emplace_back(std::string(call.function->name) + " ");
      const auto& array = *(*results)[c];
      if (array.IsNull(group)) {
        text += "NULL";
      } else if (calls[c]->type.is(TypeKind::kDouble)) {
        // Moments merged in another order differ in the last digits.
        text += fmt::format("{:.9g}", static_cast<const arrow::DoubleArray&>(array).Value(group));
      } else {
        append_text(calls[c]->type, array, group, zone, true, text);
      }
    }
  }
  return made;
}

// Rows in one go; and the same in parts whose states go through encoded rows and are merged.
TEST(Aggregates, MergedStatesGiveWhatAllRowsGive) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    base::SeededRandom random(seed);
    const auto calls = every_aggregate();
    const EvalContext context;
    auto program = AggregateProgram::compile(calls, context);
    ASSERT_TRUE(program.ok()) << program.error().to_string();
    const auto groups = static_cast<int64_t>(1 + random.below(5));
    auto whole = program->make(context), merged = program->make(context);
    whole.resize(groups);
    merged.resize(groups);
    std::vector<DataType> types;
    for (const auto& field : program->state_schema().fields())
      types.push_back(field.type());
    const RowCodec codec(types);
    for (uint64_t part = 0; part < 1 + random.below(4); ++part) {
      auto own = program->make(context);
      own.resize(groups);
      for (uint64_t piece = random.below(3); piece > 0; --piece) {
        const auto rows = random_rows(random, static_cast<int64_t>(random.below(40)));
        std::vector<uint32_t> of;
        for (int64_t row = 0; row < rows->num_rows(); ++row)
          of.push_back(static_cast<uint32_t>(random.below(static_cast<uint64_t>(groups))));
        ASSERT_TRUE(whole.update(*rows, of).ok());
        ASSERT_TRUE(own.update(*rows, of).ok());
      }
      const auto states = own.states();
      ASSERT_TRUE(states.ok()) << states.error().to_string();
      EncodedRows encoded;
      ASSERT_TRUE(codec.encode(*states, groups, encoded).ok());
      std::vector<std::string_view> views;
      std::vector<uint32_t> ids;
      for (int64_t group = groups - 1; group >= 0; --group) {
        views.push_back(encoded[group]);
        ids.push_back(static_cast<uint32_t>(group));
      }
      const auto decoded = codec.decode(views);
      ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
      const auto done = merged.merge(*decoded, ids);
      ASSERT_TRUE(done.ok()) << done.error().to_string();
    }
    EXPECT_EQ(texts_of(calls, merged), texts_of(calls, whole));
    if (HasFailure()) return;
  }
}

TEST(Aggregates, EveryAggregateOfTheCatalogIsBuiltOrRefusedByName) {
  const auto calls = every_aggregate();
  for (const auto& function : plan::all_functions()) {
    if (function.kind != plan::FunctionKind::kAggregate) continue;
    std::vector<plan::TypedPtr> arguments;
    for (int i = 0; i < std::max(1, function.arguments_min); ++i)
      arguments.push_back(function.name.starts_with("percentile") && i + 1 >= function.arguments_min
                              ? literal(kTypes[0], 0.5)
                              : column(0));
    auto call = aggregate(function.name, arguments, kTypes[0]);
    const auto made = AggregateProgram::compile({call}, EvalContext{});
    if (!made.ok()) {
      EXPECT_THAT(made.error().message(), ::testing::HasSubstr(std::string(function.name)));
    }
  }
}

TEST(Aggregates, LongSumsOverflowAsTheSettingSays) {
  const auto most = literal(kTypes[1], int64_t{INT64_MAX});
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({}), 2, std::vector<std::shared_ptr<arrow::Array>>{});
  const std::vector<uint32_t> groups{0, 0};
  const auto run = [&](const char* name, bool ansi) -> std::string {
    EvalContext context;
    context.ansi = ansi;
    const auto call = aggregate(name, {most}, kTypes[1]);
    auto states = AggregateProgram::compile({call}, context)->make(context);
    states.resize(1);
    const auto done = states.update(*batch, groups);
    if (!done.ok()) return done.error().error_class();
    const auto results = states.finish();
    return (*results)[0]->IsNull(0) ? "NULL" : (*results)[0]->GetScalar(0).ValueOrDie()->ToString();
  };
  EXPECT_EQ(run("sum", true), "ARITHMETIC_OVERFLOW");
  EXPECT_EQ(run("sum", false), "-2");
  EXPECT_EQ(run("try_sum", true), "NULL");
}

TEST(RowCodec, EqualValuesAreEqualBytesAndComeBack) {
  base::SeededRandom random(7);
  const auto rows = random_rows(random, 200);
  const RowCodec codec(kTypes);
  EncodedRows encoded;
  ASSERT_TRUE(codec.encode(rows->columns(), 200, encoded).ok());
  std::vector<std::string_view> views;
  for (int64_t row = 0; row < 200; ++row)
    views.push_back(encoded[row]);
  const auto back = codec.decode(views);
  ASSERT_TRUE(back.ok());
  for (int c = 0; c < rows->num_columns(); ++c)
    EXPECT_TRUE((*back)[static_cast<size_t>(c)]->Equals(*rows->column(c))) << c;
  views[3] = views[3].substr(0, 5);
  EXPECT_FALSE(codec.decode(views).ok());
}

}  // namespace
}  // namespace weir::eval
