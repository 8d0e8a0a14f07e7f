#include "sink/simple_sinks.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace weir::sink {
namespace {

using base::BatchId;
using base::ErrorKind;

std::shared_ptr<arrow::RecordBatch> rows_of(const std::vector<std::pair<int, std::string>>& rows) {
  arrow::Int32Builder numbers;
  arrow::StringBuilder texts;
  for (const auto& [number, text] : rows) {
    EXPECT_TRUE((number < 0 ? numbers.AppendNull() : numbers.Append(number)).ok());
    EXPECT_TRUE(texts.Append(text).ok());
  }
  auto schema =
      arrow::schema({arrow::field("n", arrow::int32()), arrow::field("text", arrow::utf8())});
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows.size()),
                                  {*numbers.Finish(), *texts.Finish()});
}

Schema schema() { return columnar::parse_ddl_schema("n INT, text STRING").value(); }

// Writes parts in the order given, then commits.
Result<SinkCommit> deliver(
    Sink& sink, int64_t batch,
    const std::vector<std::pair<int, std::shared_ptr<arrow::RecordBatch>>>& parts) {
  WEIR_ASSIGN(auto writer, sink.begin(BatchId(batch), 3));
  for (const auto& [part, rows] : parts)
    WEIR_TRY(writer->write(part, rows));
  return writer->commit();
}

// What the console sink prints for these batches.
class ConsoleSinkTest : public testing::Test {
 protected:
  std::string printed(
      ConsoleOptions options,
      const std::vector<std::pair<int, std::shared_ptr<arrow::RecordBatch>>>& parts) {
    char* text = nullptr;
    size_t size = 0;
    std::FILE* out = open_memstream(&text, &size);
    const auto sink = make_console_sink(options, out);
    EXPECT_TRUE(sink->prepare({}, schema()).ok());
    EXPECT_FALSE(sink->exactly_once());
    const auto commit = deliver(*sink, 3, parts);
    EXPECT_TRUE(commit.ok());
    std::fclose(out);
    std::string result(text, size);
    std::free(text);
    return result;
  }
};

TEST_F(ConsoleSinkTest, PrintsAsSpark) {
  EXPECT_EQ(
      printed({},
              {{0, rows_of({{1, "a"}, {-1, "a text of more than 20 characters"}, {3, "å\n"}})}}),
      "-------------------------------------------\n"
      "Batch: 3\n"
      "-------------------------------------------\n"
      "+----+--------------------+\n"
      "|   n|                text|\n"
      "+----+--------------------+\n"
      "|   1|                   a|\n"
      "|NULL|a text of more th...|\n"
      "|   3|                 å\\n|\n"
      "+----+--------------------+\n\n");
}

TEST_F(ConsoleSinkTest, PartsKeepTheirOrderAndOnlyTheFirstRowsShow) {
  const std::string text =
      printed({.rows_max = 3, .truncate = false},
              {{2, rows_of({{5, "last"}})},
               {0, rows_of({{1, "x"}, {2, "y"}})},
               {1, rows_of({{3, "a text of more than 20 characters"}, {4, "z"}})}});
  EXPECT_EQ(text,
            "-------------------------------------------\n"
            "Batch: 3\n"
            "-------------------------------------------\n"
            "+-+---------------------------------+\n"
            "|n|text                             |\n"
            "+-+---------------------------------+\n"
            "|1|x                                |\n"
            "|2|y                                |\n"
            "|3|a text of more than 20 characters|\n"
            "+-+---------------------------------+\n"
            "only showing top 3 rows\n\n");
}

TEST_F(ConsoleSinkTest, ABatchWithoutRows) {
  EXPECT_EQ(printed({}, {}),
            "-------------------------------------------\n"
            "Batch: 3\n"
            "-------------------------------------------\n"
            "+---+----+\n"
            "|  n|text|\n"
            "+---+----+\n"
            "+---+----+\n\n");
}

TEST_F(ConsoleSinkTest, AnOutputThatIsFullIsAnError) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  const auto sink = make_console_sink({}, full);
  ASSERT_TRUE(sink->prepare({}, schema()).ok());
  EXPECT_EQ(deliver(*sink, 0, {{0, rows_of({{1, "a"}})}}).error().kind(), ErrorKind::kIo);
  std::fclose(full);
}

TEST(NoopSink, CountsAndForgets) {
  const auto sink = make_noop_sink();
  ASSERT_TRUE(sink->prepare({}, schema()).ok());
  EXPECT_EQ(deliver(*sink, 0, {{1, rows_of({{1, "a"}, {2, "b"}})}, {0, rows_of({{3, "c"}})}})->rows,
            3);
  EXPECT_EQ(deliver(*sink, 1, {})->rows, 0);
  EXPECT_FALSE(sink->exactly_once());
}

TEST(MemorySink, ABatchAppearsAtOnceInTheOrderOfItsParts) {
  const auto sink = make_memory_sink();
  ASSERT_TRUE(sink->prepare({}, schema()).ok());
  const auto second = rows_of({{2, "b"}});
  const auto first = rows_of({{1, "a"}});
  auto writer = sink->begin(BatchId(0), 2).value();
  ASSERT_TRUE(writer->write(1, second).ok());
  ASSERT_TRUE(writer->write(0, first).ok());
  EXPECT_EQ(sink->rows(), 0);
  EXPECT_EQ(writer->commit()->rows, 2);
  EXPECT_EQ(sink->batches(), (std::vector{first, second}));
}

TEST(MemorySink, ABatchDeliveredAgainIsNotTakenTwice) {
  const auto sink = make_memory_sink();
  ASSERT_TRUE(deliver(*sink, 0, {{0, rows_of({{1, "a"}})}}).ok());
  const auto again = deliver(*sink, 0, {{0, rows_of({{1, "a"}})}});
  EXPECT_TRUE(again->already_done);
  EXPECT_EQ(sink->rows(), 1);
  EXPECT_TRUE(sink->exactly_once());
}

TEST(MemorySink, AnAbortedBatchLeavesNothing) {
  const auto sink = make_memory_sink();
  auto writer = sink->begin(BatchId(0), 1).value();
  ASSERT_TRUE(writer->write(0, rows_of({{1, "a"}})).ok());
  ASSERT_TRUE(writer->abort().ok());
  EXPECT_EQ(sink->rows(), 0);
  EXPECT_FALSE(deliver(*sink, 0, {{0, rows_of({{1, "a"}})}})->already_done);
}

TEST(MemorySink, IsBounded) {
  const auto sink = make_memory_sink(3);
  ASSERT_TRUE(deliver(*sink, 0, {{0, rows_of({{1, "a"}, {2, "b"}})}}).ok());
  EXPECT_EQ(deliver(*sink, 1, {{0, rows_of({{1, "a"}, {2, "b"}})}}).error().kind(),
            ErrorKind::kResourceExhausted);
  sink->clear();
  EXPECT_EQ(deliver(*sink, 1, {{0, rows_of({{1, "a"}, {2, "b"}})}})->rows, 2);
  EXPECT_EQ(sink->rows(), 2);
}

}  // namespace
}  // namespace weir::sink
