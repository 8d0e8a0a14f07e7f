#include "connect/execution.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <spark/connect/base.pb.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "connect/arrow_results.h"
#include "connect/data_types.h"
#include "connect/delta_calls.h"
#include "connect/metrics.h"
#include "connect/plan_decoder.h"
#include "connect/requests.h"
#include "connect/show_string.h"
#include "plan/operator.h"

namespace weir::connect {

namespace {

using columnar::DataType;
using columnar::TypeKind;
using spark::connect::ExecutePlanResponse;
using spark::connect::Relation;

Result<BatchPtr> text_batch(const std::string& column, const std::string& text) {
  arrow::StringBuilder builder;
  WEIR_ARROW_TRY(builder.Append(text));
  std::shared_ptr<arrow::Array> array;
  WEIR_ARROW_TRY(builder.Finish(&array));
  return arrow::RecordBatch::Make(arrow::schema({arrow::field(column, arrow::utf8())}), 1, {array});
}

PlanPtr limited(PlanPtr plan, int64_t rows) {
  auto count = plan::make_expression(plan::Literal{DataType::of(TypeKind::kInteger), rows});
  return plan::make_plan(plan::Limit{std::move(plan), std::move(count), {}});
}

}  // namespace

DecoderContext decoder_context(ClientSession& session, std::stop_token stop) {
  return {[&session](const std::string& hash) { return session.artifacts().cached(hash); },
          [&session, stop](const Relation& relation) {
            return catalog_answer(session, relation, stop);
          },
          [&session](const google::protobuf::Any& message) {
            return delta_relation(session, message);
          }};
}

Result<void> Execution::run(const spark::connect::Plan& plan) {
  switch (plan.op_type_case()) {
    case spark::connect::Plan::kRoot:
      return run_relation(plan.root());
    case spark::connect::Plan::kCommand:
      return run_command(plan.command());
    default:
      return unsupported("the plan {}", case_name(plan, "op_type"));
  }
}

Result<void> Execution::run_relation(const Relation& relation) {
  if (relation.has_show_string() || relation.has_html_string()) {
    WEIR_ASSIGN(auto text, rendered(relation));
    return send_text(relation.has_show_string() ? "show_string" : "html_string", std::move(text));
  }
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  WEIR_ASSIGN(const auto plan, decoder.relation(relation));
  WEIR_ASSIGN(const auto analyzed, session_.engine().analyze(plan));
  ExecutePlanResponse observed;
  Result<void> written;
  WEIR_ASSIGN(const auto stream,
              session_.engine().run(analyzed, [&](const std::string& name, const BatchPtr& row) {
                if (written.ok())
                  written = write_metrics(name, row, *observed.add_observed_metrics());
              }));
  WEIR_TRY(send_rows(plan::schema_of(*analyzed), *stream));
  WEIR_TRY(written);
  if (observed.observed_metrics_size() > 0) WEIR_TRY(operation_.put(observed.SerializeAsString()));
  return finish_rows();
}

Result<std::string> Execution::rendered(const Relation& relation) {
  const bool html = relation.has_html_string();
  const auto& show = relation.show_string();
  const int64_t rows =
      std::max<int64_t>(0, html ? relation.html_string().num_rows() : show.num_rows());
  const int truncate = html ? relation.html_string().truncate() : show.truncate();
  const auto context = decoder_context(session_, operation_.stop_token());
  PlanDecoder decoder(context);
  WEIR_ASSIGN(auto plan, decoder.relation(html ? relation.html_string().input() : show.input()));
  WEIR_ASSIGN(const auto analyzed,
              session_.engine().analyze(
                  limited(std::move(plan), std::min<int64_t>(rows, INT32_MAX - 16) + 1)));
  const auto schema = plan::schema_of(*analyzed);
  const auto wanted = columnar::to_arrow_schema(schema);
  TextTable table(schema, session_.engine().get("spark.sql.session.timeZone").value_or("UTC"),
                  truncate, html);
  WEIR_ASSIGN(const auto stream, session_.engine().run(analyzed));
  while (true) {
    WEIR_ASSIGN(const auto batch, stream->next(operation_.stop_token()));
    if (!batch) break;
    WEIR_ASSIGN(const auto conformed, conform(batch, wanted));
    WEIR_ASSIGN(const bool go_on, table.add(*conformed, rows));
    if (!go_on) break;
  }
  if (html) return table.html();
  return show.vertical() ? table.vertical() : table.horizontal();
}

Result<void> Execution::send_rows(const columnar::Schema& schema, relational::BatchStream& stream) {
  ExecutePlanResponse response;
  write_type(schema, *response.mutable_schema());
  WEIR_TRY(operation_.put(response.SerializeAsString()));
  const auto wanted =
      client_schema(schema, session_.engine().get("spark.sql.session.timeZone").value_or("UTC"));
  while (true) {
    WEIR_ASSIGN(const auto batch, stream.next(operation_.stop_token()));
    if (!batch) break;
    if (batch->num_rows() == 0) continue;
    WEIR_ASSIGN(const auto conformed, conform(batch, wanted));
    for (const BatchPtr& part : split_batch(conformed, options_.batch_bytes))
      WEIR_TRY(send_batch(part));
  }
  if (batches_sent_ == 0) {  // the client makes its table of the batches
    WEIR_ASSIGN(const auto empty, empty_batch(wanted));
    WEIR_TRY(send_batch(empty));
  }
  return {};
}

Result<void> Execution::send_batch(const BatchPtr& batch) {
  WEIR_ASSIGN(const auto encoded, encode_batch(batch));
  ExecutePlanResponse::ArrowBatch fields;
  fields.set_row_count(encoded.rows);
  fields.set_start_offset(rows_sent_);
  rows_sent_ += encoded.rows;
  ++batches_sent_;
  const int64_t size = encoded.bytes->size();
  if (options_.chunk_bytes <= 0 || size <= options_.chunk_bytes)
    return operation_.put({}, fields.SerializeAsString(), encoded.bytes);
  const int64_t chunks = (size + options_.chunk_bytes - 1) / options_.chunk_bytes;
  fields.set_num_chunks_in_batch(chunks);
  for (int64_t i = 0; i < chunks; ++i) {
    fields.set_chunk_index(i);
    const int64_t begin = i * options_.chunk_bytes;
    WEIR_TRY(operation_.put(
        {}, fields.SerializeAsString(),
        arrow::SliceBuffer(encoded.bytes, begin, std::min(options_.chunk_bytes, size - begin))));
  }
  return {};
}

Result<void> Execution::send_text(const std::string& column, std::string text) {
  ExecutePlanResponse response;
  write_type(columnar::Schema::structure(
                 {columnar::make_field(column, DataType::of(TypeKind::kString), false)}),
             *response.mutable_schema());
  WEIR_TRY(operation_.put(response.SerializeAsString()));
  WEIR_ASSIGN(const auto batch, text_batch(column, text));
  WEIR_TRY(send_batch(batch));
  return finish_rows();
}

Result<void> Execution::finish_rows() {
  ExecutePlanResponse response;
  response.mutable_result_complete();
  return operation_.put(response.SerializeAsString());
}

}  // namespace weir::connect
