#include "connect/local_relation.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <spark/connect/relations.pb.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "connect/arrow_results.h"
#include "connect/requests.h"

namespace weir::connect {

namespace {

using columnar::TypeKind;
using plan::make_plan;
using plan::Schema;

struct Rows {
  std::optional<Schema> schema;  // of the Arrow stream
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
};

// Reads one stream; all streams of a relation have the same schema. The bytes are checked before
// anything reads the values.
Result<void> read_stream(const std::shared_ptr<const std::string>& bytes, Rows& rows) {
  const auto buffer = std::make_shared<arrow::Buffer>(*bytes);  // batches are copied below
  arrow::io::BufferReader input(buffer);
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  WEIR_ARROW_ASSIGN(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(&input, options));
  WEIR_ASSIGN(auto schema, columnar::from_arrow(*reader->schema()));
  if (rows.schema && !rows.schema->same_type(schema))
    return invalid_plan("the parts of a local relation have different columns");
  if (!rows.schema) rows.schema = schema;
  const auto wanted = columnar::to_arrow_schema(*rows.schema);
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    WEIR_ARROW_TRY(reader->ReadNext(&batch));
    if (!batch) return {};
    WEIR_ARROW_TRY(batch->ValidateFull());
    WEIR_ASSIGN(auto conformed, conform(batch, wanted));
    WEIR_ARROW_ASSIGN(auto owned, conformed->CopyTo(arrow::default_cpu_memory_manager()));
    rows.batches.push_back(std::move(owned));
  }
}

Result<Schema> parse_schema(const std::string& text) {
  auto read = text.front() == '{' || text.front() == '"' ? columnar::parse_type_json_text(text)
                                                         : columnar::parse_ddl_schema(text);
  if (!read.ok()) return std::move(read).error();
  // A bare type is one column, as in createDataFrame(rows, "int").
  if (!read->is(TypeKind::kStruct))
    return Schema::structure({columnar::make_field("value", std::move(read).value())});
  return read;
}

}  // namespace

Result<plan::PlanPtr> read_local_chunks(
    const std::vector<std::shared_ptr<const std::string>>& chunks, const std::string& schema) {
  Rows rows;
  for (const auto& chunk : chunks)
    WEIR_TRY(read_stream(chunk, rows));
  std::optional<Schema> wanted;
  if (!schema.empty()) {
    WEIR_ASSIGN(wanted, parse_schema(schema));
  }
  if (!rows.schema) {
    if (!wanted) return invalid_plan("a local relation has neither rows nor a schema");
    return make_plan(plan::LocalRows{std::move(*wanted), {}});
  }
  if (!wanted) return make_plan(plan::LocalRows{std::move(*rows.schema), std::move(rows.batches)});
  if (wanted->fields().size() != rows.schema->fields().size())
    return invalid_plan("a local relation has {} columns, its schema {}",
                        rows.schema->fields().size(), wanted->fields().size());
  if (wanted->same_type(*rows.schema))
    return make_plan(plan::LocalRows{std::move(*wanted), std::move(rows.batches)});
  std::vector<std::string> names;
  for (const auto& field : wanted->fields())
    names.push_back(field.name);
  auto plan = make_plan(plan::LocalRows{std::move(*rows.schema), std::move(rows.batches)});
  plan = make_plan(plan::ToDataFrame{std::move(plan), std::move(names)});
  return make_plan(plan::ToSchema{std::move(plan), std::move(*wanted)});
}

Result<plan::PlanPtr> read_local_relation(const spark::connect::LocalRelation& relation) {
  std::vector<std::shared_ptr<const std::string>> chunks;
  if (relation.has_data())
    chunks.push_back(
        std::shared_ptr<const std::string>(&relation.data(), [](const std::string*) {}));
  return read_local_chunks(chunks, relation.schema());
}

}  // namespace weir::connect
