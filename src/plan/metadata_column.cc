#include "plan/metadata_column.h"

namespace weir::plan {

const DataType& metadata_type() {
  using columnar::make_field;
  using columnar::TypeKind;
  static const DataType type = [] {
    const auto field = [](const char* name, TypeKind kind) {
      return make_field(name, DataType::of(kind), false);
    };
    return DataType::structure(
        {field("file_path", TypeKind::kString), field("file_name", TypeKind::kString),
         field("file_size", TypeKind::kLong), field("file_block_start", TypeKind::kLong),
         field("file_block_length", TypeKind::kLong),
         field("file_modification_time", TypeKind::kTimestamp)});
  }();
  return type;
}

}  // namespace weir::plan
