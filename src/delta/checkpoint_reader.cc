#include "delta/checkpoint_reader.h"

#include <array>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include "columnar/arrow_adapter.h"
#include "delta/action_parser.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using base::JsonArray;
using base::JsonObject;
using base::JsonValue;

constexpr std::array<std::string_view, 8> kActionColumns = {"txn",      "add",
                                                            "remove",   "metaData",
                                                            "protocol", "domainMetadata",
                                                            "sidecar",  "checkpointMetadata"};

// The value as the JSON that a commit file would have; null members are left out.
JsonValue to_json(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return nullptr;
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(array).Value(row);
    case arrow::Type::INT32:
      return static_cast<const arrow::Int32Array&>(array).Value(row);
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Array&>(array).Value(row);
    case arrow::Type::STRING:
    case arrow::Type::BINARY: {
      const std::string_view text = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      return boost::json::string_view(text.data(), text.size());
    }
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      JsonArray elements;
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
        elements.push_back(to_json(*list.values(), i));
      }
      return elements;
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapArray&>(array);
      JsonObject members;
      for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
        const JsonValue key = to_json(*map.keys(), i);
        if (key.is_string()) members[key.get_string()] = to_json(*map.items(), i);
      }
      return members;
    }
    case arrow::Type::STRUCT: {
      const auto& structure = static_cast<const arrow::StructArray&>(array);
      JsonObject members;
      for (int i = 0; i < structure.num_fields(); ++i) {
        const std::shared_ptr<arrow::Array>& child = structure.field(i);
        if (!child->IsNull(row)) members[structure.type()->field(i)->name()] = to_json(*child, row);
      }
      return members;
    }
    default:
      return nullptr;  // no field that we read has another type
  }
}

Result<std::vector<Action>> batch_actions(const arrow::RecordBatch& batch, std::string_view what) {
  std::vector<Action> actions;
  for (int column = 0; column < batch.num_columns(); ++column) {
    const std::string& name = batch.schema()->field(column)->name();
    const std::shared_ptr<arrow::Array> array = batch.column(column);
    if (array->type_id() != arrow::Type::STRUCT) continue;
    for (int64_t row = 0; row < array->length(); ++row) {
      if (array->IsNull(row)) continue;
      const JsonValue body = to_json(*array, row);
      WEIR_ASSIGN(std::optional<Action> action, action_from_json(name, body.get_object(), what));
      if (action) actions.push_back(std::move(*action));
    }
  }
  return actions;
}

// Leaf columns of the actions, without the parsed forms of statistics and partition values.
std::vector<int> wanted_leaves(const parquet::SchemaDescriptor& schema, CheckpointActions wanted) {
  std::vector<int> leaves;
  for (int i = 0; i < schema.num_columns(); ++i) {
    const std::vector<std::string> path = schema.Column(i)->path()->ToDotVector();
    if (std::find(kActionColumns.begin(), kActionColumns.end(), path[0]) == kActionColumns.end())
      continue;
    if (wanted == CheckpointActions::kRemoves && path[0] != "remove" && path[0] != "sidecar")
      continue;
    if (path.size() > 1 && (path[1] == "stats_parsed" || path[1] == "partitionValues_parsed"))
      continue;
    leaves.push_back(i);
  }
  return leaves;
}

Result<void> read_parquet_actions(io::FileSystem& fs, const std::string& path,
                                  CheckpointActions wanted,
                                  const std::function<Result<void>(std::vector<Action>)>& take) {
  WEIR_ASSIGN(auto file, fs.open_read(path));
  WEIR_ASSIGN(auto input, columnar::arrow_input(std::move(file)));
  try {
    parquet::arrow::FileReaderBuilder builder;
    WEIR_ARROW_TRY(builder.Open(input));
    std::unique_ptr<parquet::arrow::FileReader> reader;
    WEIR_ARROW_TRY(builder.Build(&reader));
    reader->set_use_threads(false);
    const std::vector<int> leaves =
        wanted_leaves(*reader->parquet_reader()->metadata()->schema(), wanted);
    std::vector<int> groups(static_cast<size_t>(reader->num_row_groups()));
    for (size_t i = 0; i < groups.size(); ++i)
      groups[i] = static_cast<int>(i);
    WEIR_ARROW_ASSIGN(auto batches, reader->GetRecordBatchReader(groups, leaves));
    while (true) {
      std::shared_ptr<arrow::RecordBatch> batch;
      WEIR_ARROW_TRY(batches->ReadNext(&batch));
      if (batch == nullptr) return {};
      WEIR_ARROW_TRY(batch->Validate());
      WEIR_ASSIGN(auto actions, batch_actions(*batch, path));
      WEIR_TRY(take(std::move(actions)));
    }
  } catch (const std::exception& exception) {  // parquet's own exceptions
    return base::error(ErrorKind::kCorruption, "checkpoint {}: {}", path, exception.what());
  }
}

}  // namespace

Result<void> read_checkpoint(io::FileSystem& fs, const std::string& table_path,
                             const CheckpointFiles& checkpoint,
                             const std::function<void(std::vector<Action>)>& take,
                             CheckpointActions wanted) {
  std::vector<std::string> sidecars;
  const auto take_and_note_sidecars = [&](std::vector<Action> actions) -> Result<void> {
    for (const Action& action : actions) {
      if (const auto* sidecar = std::get_if<Sidecar>(&action)) sidecars.push_back(sidecar->path);
    }
    take(std::move(actions));
    return {};
  };
  for (const io::FileInfo& part : checkpoint.parts) {
    if (part.name.ends_with(".json")) {
      WEIR_ASSIGN(const std::string text, fs.read_all(part.path));
      WEIR_ASSIGN(auto actions, parse_actions(text, part.path));
      WEIR_TRY(take_and_note_sidecars(std::move(actions)));
    } else {
      WEIR_TRY(read_parquet_actions(fs, part.path, wanted, take_and_note_sidecars));
    }
  }
  for (const std::string& sidecar : sidecars) {
    if (sidecar.find('/') != std::string::npos) {
      return base::error(ErrorKind::kUnsupported,
                         "table {}: sidecar file {} lies outside _sidecars", table_path, sidecar);
    }
    const std::string path =
        io::join_path(io::join_path(log_path(table_path), "_sidecars"), sidecar);
    WEIR_TRY(
        read_parquet_actions(fs, path, wanted, [&](std::vector<Action> actions) -> Result<void> {
          take(std::move(actions));
          return {};
        }));
  }
  return {};
}

}  // namespace weir::delta
