#include "session/command_rows.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>

#include "columnar/arrow_types.h"

namespace weir::session {

CommandRows::CommandRows(std::string_view ddl) : schema_(columnar::parse_ddl_schema(ddl).value()) {}

StatementResult CommandRows::result() const {
  StatementResult result;
  result.command = true;
  result.schema = schema_;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t i = 0; i < schema_.fields().size(); ++i) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    WEIR_CHECK(arrow::MakeBuilder(arrow::default_memory_pool(),
                                  columnar::to_arrow(schema_.fields()[i].type()), &builder)
                   .ok());
    for (const auto& row : rows_) {
      const Cell& cell = row[i];
      arrow::Status done;
      if (const auto* text = std::get_if<std::string>(&cell)) {
        done = static_cast<arrow::StringBuilder&>(*builder).Append(*text);
      } else if (const auto* flag = std::get_if<bool>(&cell)) {
        done = static_cast<arrow::BooleanBuilder&>(*builder).Append(*flag);
      } else if (const auto* number = std::get_if<int64_t>(&cell)) {
        done = static_cast<arrow::Int64Builder&>(*builder).Append(*number);
      } else {
        done = builder->AppendNull();
      }
      WEIR_CHECK(done.ok());
    }
    columns.push_back(builder->Finish().ValueOrDie());
  }
  result.rows.push_back(arrow::RecordBatch::Make(
      columnar::to_arrow_schema(schema_), static_cast<int64_t>(rows_.size()), std::move(columns)));
  return result;
}

StatementResult no_rows() {
  StatementResult result;
  result.command = true;
  return result;
}

}  // namespace weir::session
