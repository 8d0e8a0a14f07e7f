// Partition values: texts of the log ↔ typed values, folders of data files, and paths of the log.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "columnar/data_type.h"
#include "delta/actions.h"

namespace arrow {
class Array;
struct Scalar;
}  // namespace arrow

namespace weir::delta {

// PROTOCOL.md, "Partition Value Serialization". nullopt and "" are NULL. kCorruption where the text
// is not of the type.
Result<std::shared_ptr<arrow::Scalar>> partition_scalar(const columnar::DataType& type,
                                                        const std::optional<std::string>& text);
// The text of one value; nullopt for NULL (an empty string counts as NULL). Timestamps in ISO 8601
// UTC with microseconds.
Result<std::optional<std::string>> partition_text(const columnar::DataType& type,
                                                  const arrow::Array& array, int64_t row);

// "date=2024-01-01" with Hive's escapes; NULL is "__HIVE_DEFAULT_PARTITION__".
std::string partition_folder(std::string_view column, const std::optional<std::string>& value);

// A path as it stands in the log: characters that a URI cannot have are percent-encoded.
std::string encode_log_path(std::string_view path);
// The file that a log's path names: decoded, and below the table's folder where it is relative.
Result<std::string> data_file_path(const std::string& table_path, std::string_view path_in_log);

}  // namespace weir::delta
