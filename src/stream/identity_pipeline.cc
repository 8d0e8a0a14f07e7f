#include <arrow/record_batch.h>

#include "stream/pipeline.h"

namespace weir::stream {

namespace {

class IdentityTransform final : public BatchTransform {
 public:
  Result<std::shared_ptr<arrow::RecordBatch>> apply(std::shared_ptr<arrow::RecordBatch> rows,
                                                    const BatchContext&,
                                                    TransformCounters&) override {
    return rows;
  }
};

class IdentityPipeline final : public Pipeline {
 public:
  explicit IdentityPipeline(const Schema& schema) : schema_(schema) {
    for (const columnar::Field& field : schema.fields())
      columns_.push_back(field.name);
  }
  const Schema& output_schema() const override { return schema_; }
  const std::vector<std::string>& source_columns() const override { return columns_; }
  Result<std::unique_ptr<BatchTransform>> make_transform() const override {
    return std::unique_ptr<BatchTransform>(std::make_unique<IdentityTransform>());
  }

 private:
  Schema schema_;
  std::vector<std::string> columns_;
};

}  // namespace

std::unique_ptr<Pipeline> identity_pipeline(const Schema& source_schema) {
  return std::make_unique<IdentityPipeline>(source_schema);
}

}  // namespace weir::stream
