// What Spark refuses to run as a stream, by its classes and words.
#include "plan/streaming_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/function_catalog.h"

namespace weir::plan {
namespace {

using columnar::TypeKind;
using testing::HasSubstr;

std::vector<Column> columns(size_t count) {
  std::vector<Column> made(count);
  for (size_t i = 0; i < count; ++i) {
    made[i].name = "c" + std::to_string(i);
    made[i].type = DataType::of(TypeKind::kLong);
  }
  return made;
}

OperatorPtr make(OperatorKind node, size_t width = 2, bool streaming = true) {
  return make_operator(std::move(node), columns(width), streaming);
}
OperatorPtr stream() { return make(op::LocalRows{}); }
OperatorPtr table() { return make(op::LocalRows{}, 2, false); }
TypedPtr typed(decltype(Typed::node) node, TypeKind type = TypeKind::kLong) {
  return std::make_shared<const Typed>(Typed{DataType::of(type), true, std::move(node), {}});
}
TypedPtr column(int index) { return typed(TypedColumn{index, "c"}); }
TypedPtr call(const char* name, std::vector<TypedPtr> arguments) {
  TypedCall made;
  made.function = find_function(name);
  made.arguments = std::move(arguments);
  return typed(std::move(made), TypeKind::kBoolean);
}
OperatorPtr counted(OperatorPtr child) {
  return make(op::Aggregate{std::move(child), {column(0)}, {call("count", {column(1)})}, {}});
}
OperatorPtr joined(JoinKind kind, OperatorPtr left, OperatorPtr right, TypedPtr condition) {
  return make(op::Join{std::move(left), std::move(right), kind, std::move(condition), false}, 4);
}
OperatorPtr delayed(OperatorPtr child) { return make(op::Watermark{std::move(child), 0, 1000, 0}); }

// The first column is event time where there is a watermark below.
std::vector<bool> first_if_delayed(const Operator& node) {
  std::vector<bool> found(node.columns.size(), false);
  bool delayed = std::holds_alternative<op::Watermark>(node.node);
  for (const auto& child : children_of(node))
    delayed |= !child->columns.empty() && first_if_delayed(*child)[0];
  found[0] = delayed;
  return found;
}

std::string refusal(const OperatorPtr& root, StreamMode mode = StreamMode::kAppend) {
  auto checked = check_streaming(root, mode, first_if_delayed);
  return checked.ok() ? "" : checked.error().message();
}

TEST(StreamingCheck, ModesOfAggregations) {
  EXPECT_THAT(refusal(counted(stream())),
              HasSubstr("Invalid streaming output mode: append. This output mode is not supported "
                        "for streaming aggregations without watermark"));
  EXPECT_EQ(refusal(counted(stream()), StreamMode::kUpdate), "");
  EXPECT_EQ(refusal(counted(stream()), StreamMode::kComplete), "");
  EXPECT_EQ(refusal(counted(delayed(stream()))), "");
  EXPECT_THAT(refusal(stream(), StreamMode::kComplete),
              HasSubstr("complete. This output mode is not supported for no streaming "
                        "aggregations"));
  const auto error = check_streaming(counted(stream()), StreamMode::kAppend, first_if_delayed);
  EXPECT_EQ(error.error().error_class(), "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION");
}

TEST(StreamingCheck, JoinsOfTwoStreams) {
  const auto equal = call("=", {column(0), column(2)});
  const auto less = call("<", {column(1), column(3)});
  EXPECT_EQ(refusal(joined(JoinKind::kInner, stream(), stream(), equal)), "");
  EXPECT_EQ(refusal(joined(JoinKind::kInner, stream(), stream(), call("and", {less, equal}))), "");
  EXPECT_EQ(refusal(joined(JoinKind::kInner, stream(), stream(), less)),
            "Stream-stream join without equality predicate is not supported");
  EXPECT_EQ(
      refusal(joined(JoinKind::kInner, stream(), stream(), call("=", {column(0), column(1)}))),
      "Stream-stream join without equality predicate is not supported");
  EXPECT_THAT(refusal(joined(JoinKind::kLeft, stream(), stream(), equal)),
              HasSubstr("Stream-stream LeftOuter join between two streaming DataFrame/Datasets is "
                        "not supported without a watermark"));
  EXPECT_EQ(refusal(joined(JoinKind::kLeft, delayed(stream()), delayed(stream()), equal)), "");
  EXPECT_THAT(refusal(joined(JoinKind::kLeft, delayed(stream()), delayed(stream()), equal),
                      StreamMode::kUpdate),
              HasSubstr("LeftOuter join between two streaming DataFrames/Datasets is not supported "
                        "in Update output mode, only in Append output mode"));
  EXPECT_THAT(refusal(joined(JoinKind::kLeftAnti, stream(), stream(), equal)),
              HasSubstr("LeftAnti joins with a streaming DataFrame/Dataset on the right"));
}

TEST(StreamingCheck, JoinsWithTables) {
  EXPECT_EQ(refusal(joined(JoinKind::kLeft, stream(), table(), nullptr)), "");
  EXPECT_EQ(refusal(joined(JoinKind::kRight, table(), stream(), nullptr)), "");
  EXPECT_THAT(refusal(joined(JoinKind::kLeft, table(), stream(), nullptr)),
              HasSubstr("LeftOuter join with a streaming DataFrame/Dataset on the right"));
  EXPECT_THAT(refusal(joined(JoinKind::kRight, stream(), table(), nullptr)),
              HasSubstr("RightOuter join with a streaming DataFrame/Dataset on the left"));
  EXPECT_THAT(refusal(joined(JoinKind::kFull, stream(), table(), nullptr)),
              HasSubstr("FullOuter joins with streaming DataFrames/Datasets on the left"));
}

TEST(StreamingCheck, SetsSortsLimitsAndOthers) {
  EXPECT_THAT(refusal(make(op::SetOperation{stream(), table(), SetKind::kUnion, true})),
              HasSubstr("Union between streaming and batch"));
  EXPECT_EQ(refusal(make(op::SetOperation{stream(), stream(), SetKind::kUnion, true})), "");
  EXPECT_THAT(refusal(make(op::Sort{stream(), {}})), HasSubstr("Sorting is not supported"));
  EXPECT_EQ(refusal(make(op::Sort{counted(stream()), {}}), StreamMode::kComplete), "");
  EXPECT_EQ(refusal(make(op::Limit{stream(), 5, 0})), "");
  EXPECT_THAT(refusal(make(op::Limit{stream(), 5, 0}), StreamMode::kUpdate),
              HasSubstr("Limits are not supported"));
  EXPECT_THAT(refusal(make(op::Limit{stream(), 5, 2})), HasSubstr("Offset is not supported"));
  EXPECT_THAT(refusal(make(op::Sample{stream()})), HasSubstr("Sampling is not supported"));
  EXPECT_THAT(refusal(make(op::Deduplicate{stream(), {0}, true})),
              HasSubstr("dropDuplicatesWithinWatermark is not supported on streaming"));
  EXPECT_EQ(refusal(make(op::Deduplicate{delayed(stream()), {0}, true})), "");
}

TEST(StreamingCheck, BatchAndStreamAreKeptApart) {
  EXPECT_THAT(refusal(table()), HasSubstr("Queries without streaming sources"));
  EXPECT_TRUE(check_batch(table()).ok());
  EXPECT_THAT(
      check_batch(stream()).error().message(),
      HasSubstr("Queries with streaming sources must be executed with writeStream.start()"));
}

TEST(StreamingCheck, NamesOfModes) {
  EXPECT_EQ(*parse_stream_mode("Update"), StreamMode::kUpdate);
  EXPECT_EQ(parse_stream_mode("upsert").error().error_class(), "STREAMING_OUTPUT_MODE.INVALID");
}

}  // namespace
}  // namespace weir::plan
