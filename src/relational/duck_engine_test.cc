// The engine alone: statements over a stream of rows, and its edges.
#include "relational/duck_engine.h"

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "columnar/arrow_types.h"
#include "relational/plan_maker.h"
#include "relational/steps.h"

namespace weir::relational {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Batches as an input of the engine.
class Given final : public BatchStream {
 public:
  Given(columnar::Schema schema, std::vector<BatchPtr> batches)
      : schema_(std::move(schema)), batches_(std::move(batches)) {}
  const columnar::Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token) override {
    return at_ < batches_.size() ? batches_[at_++] : BatchPtr();
  }

 private:
  columnar::Schema schema_;
  std::vector<BatchPtr> batches_;
  size_t at_ = 0;
};

class EngineTest : public ::testing::Test {
 protected:
  // 10,000 rows: k = id % 7 (NULL where 3), v = id, s = text, in batches of 3,000.
  StreamPtr numbers() {
    auto schema =
        columnar::parse_ddl_schema(
            "k INT, v BIGINT, s STRING, d DECIMAL(10,2), t TIMESTAMP, p STRUCT<a: INT, A: STRING>")
            .value();
    std::vector<BatchPtr> batches;
    for (int64_t begin = 0; begin < 10'000; begin += 3'000) {
      arrow::Int32Builder k;
      arrow::Int64Builder v;
      arrow::StringBuilder s;
      arrow::Decimal128Builder d(arrow::decimal128(10, 2));
      arrow::TimestampBuilder t(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                arrow::default_memory_pool());
      for (int64_t id = begin; id < std::min<int64_t>(begin + 3'000, 10'000); ++id) {
        EXPECT_TRUE((id % 7 == 3 ? k.AppendNull() : k.Append(static_cast<int32_t>(id % 7))).ok());
        EXPECT_TRUE(v.Append(id).ok());
        EXPECT_TRUE(s.Append("row " + std::to_string(id)).ok());
        EXPECT_TRUE(d.Append(arrow::Decimal128(id)).ok());
        EXPECT_TRUE(t.Append(id * 1'000'000).ok());
      }
      arrow::ArrayVector arrays{*k.Finish(), *v.Finish(), *s.Finish(), *d.Finish(), *t.Finish()};
      auto structure = arrow::StructArray::Make(
          {arrays[0], arrays[2]},
          {arrow::field("a", arrow::int32()), arrow::field("A", arrow::utf8())});
      arrays.push_back(*structure);
      batches.push_back(
          arrow::RecordBatch::Make(columnar::to_arrow_schema(schema), arrays[0]->length(), arrays));
    }
    return std::make_unique<Given>(schema, batches);
  }

  std::unique_ptr<DuckEngine> engine_ = DuckEngine::open({}).value();
};

TEST_F(EngineTest, GroupsManyChunks) {
  auto result = columnar::parse_ddl_schema("k INT, n BIGINT, v BIGINT").value();
  EXPECT_THAT(texts(engine_->run("SELECT c0, count(*), CAST(sum(c1) AS BIGINT) FROM {input} "
                                 "GROUP BY c0 ORDER BY c0 NULLS FIRST LIMIT 2",
                                 numbers(), result)),
              ElementsAre("NULL|1429|7146429", "0|1429|7142142"));
}

TEST_F(EngineTest, KeepsEveryTypeThroughASort) {
  auto input = numbers();
  const auto schema = input->schema();
  EXPECT_THAT(
      texts(engine_->run("SELECT c0, c1, c2, c3, c4, c5 FROM {input} ORDER BY c1 DESC LIMIT 2",
                         std::move(input), schema)),
      ElementsAre("NULL|9999|row 9999|99.99|1970-01-01 02:46:39|{null, row 9999}",
                  "2|9998|row 9998|99.98|1970-01-01 02:46:38|{2, row 9998}"));
}

TEST_F(EngineTest, ReachesNothingOutside) {
  auto result = columnar::parse_ddl_schema("a INT").value();
  EXPECT_THAT(texts(engine_->run("SELECT 1::INT FROM read_csv('/etc/passwd'), {input}", numbers(),
                                 result))[0],
              HasSubstr("disabled"));
  EXPECT_THAT(texts(engine_->run("SET enable_external_access = true", numbers(), result))[0],
              HasSubstr("locked"));
}

TEST_F(EngineTest, StopCancels) {
  std::stop_source stop;
  stop.request_stop();
  auto result = columnar::parse_ddl_schema("a BIGINT").value();
  auto stream = engine_->run("SELECT count(*) FROM {input}", numbers(), result).value();
  auto batch = stream->next(stop.get_token());
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(batch.error().kind(), base::ErrorKind::kCancelled);
}

}  // namespace
}  // namespace weir::relational
