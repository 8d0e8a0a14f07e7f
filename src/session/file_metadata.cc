#include "session/file_metadata.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <boost/algorithm/string/predicate.hpp>
#include <fmt/format.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "plan/metadata_column.h"

namespace weir::session {

namespace {

// As java.net.URI writes a path: letters beyond ASCII stay.
std::string uri_path(std::string_view path) {
  static constexpr std::string_view kPlain = "-_.!~*'()/:@&=+$,;";
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x80 || (byte >= '0' && byte <= '9') ||
                       (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       kPlain.find(c) != std::string_view::npos;
    if (plain) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", byte);
    }
  }
  return text;
}

}  // namespace

base::Result<std::shared_ptr<arrow::Array>> metadata_values(const FileMetadata& file,
                                                            int64_t rows) {
  const auto type = columnar::to_arrow(plan::metadata_type());
  const auto path = uri_path(file.path);
  std::vector<std::shared_ptr<arrow::Array>> columns;
  const auto add = [&](const std::shared_ptr<arrow::Scalar>& value) -> base::Result<void> {
    WEIR_ARROW_ASSIGN(auto column, arrow::MakeArrayFromScalar(*value, rows));
    columns.push_back(std::move(column));
    return {};
  };
  const auto at = [&](int i) { return type->field(i)->type(); };
  const auto text = [&](int i, const std::string& value) -> base::Result<void> {
    WEIR_ARROW_ASSIGN(const auto scalar, arrow::MakeScalar(value)->CastTo(at(i)));
    return add(scalar);
  };
  WEIR_TRY(text(0, "file:" + path));
  WEIR_TRY(text(1, path.substr(path.rfind('/') + 1)));
  WEIR_TRY(add(arrow::MakeScalar(file.size)));
  WEIR_TRY(add(arrow::MakeScalar(file.begin)));
  WEIR_TRY(add(arrow::MakeScalar(file.length)));
  WEIR_TRY(add(std::make_shared<arrow::TimestampScalar>(file.modified_us / 1000 * 1000, at(5))));
  arrow::ArrayDataVector children;
  for (const auto& column : columns)
    children.push_back(column->data());
  return arrow::MakeArray(arrow::ArrayData::Make(type, rows, {nullptr}, std::move(children), 0));
}

std::optional<columnar::Schema> with_metadata_column(const columnar::Schema& schema) {
  auto fields = schema.fields();
  for (const auto& field : fields) {
    if (boost::iequals(field.name, plan::kMetadataColumn)) return std::nullopt;
  }
  fields.push_back(
      columnar::make_field(std::string(plan::kMetadataColumn), plan::metadata_type(), false));
  return columnar::Schema::structure(std::move(fields));
}

}  // namespace weir::session
