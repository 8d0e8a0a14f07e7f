#include "streaming/progress_table.h"

#include <arrow/record_batch.h>

#include "codec/json_decoder.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "columnar/data_type.h"
#include "relational/scan_schema.h"
#include "relational/scan_source.h"
#include "relational/steps.h"

namespace weir::streaming {

using base::Result;
using columnar::Schema;
using relational::BatchPtr;
using relational::BatchStream;

namespace {

constexpr const char* kColumns =
    "id string, runId string, name string, timestamp timestamp, batchId bigint, "
    "batchDuration bigint, numInputRows bigint, inputRowsPerSecond double, "
    "processedRowsPerSecond double, durationMs map<string, bigint>, "
    "eventTime map<string, string>, "
    "stateOperators array<struct<operatorName: string, numRowsTotal: bigint, "
    "numRowsUpdated: bigint, allUpdatesTimeMs: bigint, numRowsRemoved: bigint, "
    "allRemovalsTimeMs: bigint, commitTimeMs: bigint, memoryUsedBytes: bigint, "
    "numRowsDroppedByWatermark: bigint, numShufflePartitions: bigint, "
    "numStateStoreInstances: bigint, customMetrics: map<string, bigint>>>, "
    "sources array<struct<description: string, startOffset: string, endOffset: string, "
    "latestOffset: string, numInputRows: bigint, inputRowsPerSecond: double, "
    "processedRowsPerSecond: double, metrics: map<string, string>>>, "
    "sink struct<description: string, numOutputRows: bigint, metrics: map<string, string>>, "
    "observedMetrics string";

class ProgressTable final : public relational::ScanSource {
 public:
  ProgressTable(Schema schema, std::function<std::vector<std::string>()> progress)
      : schema_(std::move(schema)), progress_(std::move(progress)) {}
  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "weir"; }
  std::string description() const override { return "the progress of streaming queries"; }
  Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                         const plan::TypedPtr&,
                                                         int) const override {
    const auto schema = relational::pick_fields(schema_, columns);
    WEIR_ASSIGN(auto decoder, codec::JsonDecoder::create(schema, {}));
    for (const std::string& one : progress_())
      WEIR_TRY(decoder->append(one, 0));
    WEIR_ASSIGN(auto rows, decoder->finish());
    rows = arrow::RecordBatch::Make(columnar::to_arrow_schema(schema), rows->num_rows(),
                                    rows->columns());
    std::vector<std::unique_ptr<BatchStream>> streams;
    streams.push_back(relational::given_batches(schema, {std::move(rows)}));
    return streams;
  }

 private:
  Schema schema_;
  std::function<std::vector<std::string>()> progress_;
};

}  // namespace

plan::OperatorPtr make_progress_table(std::function<std::vector<std::string>()> progress) {
  auto schema = columnar::parse_ddl_schema(kColumns);
  WEIR_CHECK(schema.ok(), "the columns of stream_progress");
  std::vector<plan::Column> columns;
  std::vector<int> all;
  for (const auto& field : schema->fields()) {
    all.push_back(static_cast<int>(columns.size()));
    plan::Column column;
    column.name = field.name;
    column.type = field.type();
    column.id = static_cast<plan::ColumnId>(columns.size()) + 1;
    columns.push_back(std::move(column));
  }
  auto table = std::make_shared<ProgressTable>(std::move(schema).value(), std::move(progress));
  return plan::make_operator(plan::op::Scan{std::move(table), std::move(all), nullptr},
                             std::move(columns));
}

}  // namespace weir::streaming
