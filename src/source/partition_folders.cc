#include "source/partition_folders.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <arrow/scalar.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "columnar/datetime_text.h"
#include "delta/partition_values.h"

namespace weir::source {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr std::string_view kNullFolder = "__HIVE_DEFAULT_PARTITION__";

template <typename Number>
bool is_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && code == std::errc() && end == text.data() + text.size();
}

bool is_real(std::string_view text) {
  return text.find_first_not_of("0123456789.eE+-") == std::string_view::npos &&
         is_number<double>(text);
}

// Spark's order: int, bigint, decimal without scale, double, date, timestamp, string.
DataType type_of(const std::string& text) {
  if (is_number<int32_t>(text)) return DataType::of(TypeKind::kInteger);
  if (is_number<int64_t>(text)) return DataType::of(TypeKind::kLong);
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  if (!digits.empty() && digits.size() <= 38 &&
      digits.find_first_not_of("0123456789") == std::string_view::npos)
    return DataType::decimal(static_cast<int>(digits.size()), 0);
  if (is_real(text)) return DataType::of(TypeKind::kDouble);
  const bool dated = text.size() >= 8 && text.find('-') != std::string::npos;
  if (dated && text.find_first_not_of("0123456789-") == std::string::npos &&
      columnar::parse_date(text))
    return DataType::of(TypeKind::kDate);
  if (dated && text.find(':') != std::string::npos && columnar::parse_timestamp(text, 0))
    return DataType::of(TypeKind::kTimestamp);
  return DataType::of(TypeKind::kString);
}

int rank(TypeKind kind) {
  switch (kind) {
    case TypeKind::kNull:
      return 0;
    case TypeKind::kInteger:
      return 1;
    case TypeKind::kLong:
      return 2;
    case TypeKind::kDecimal:
      return 3;
    case TypeKind::kDouble:
      return 4;
    default:
      return -1;
  }
}

DataType wider(const DataType& a, const DataType& b) {
  if (a.same_type(b)) return a;
  const int x = rank(a.kind());
  const int y = rank(b.kind());
  if (x == 0) return b;
  if (y == 0) return a;
  if (x > 0 && y > 0) {
    if (x == 3 && y == 3) return DataType::decimal(std::max(a.precision(), b.precision()), 0);
    if (std::max(x, y) == 3) {
      const int whole = std::min(x, y) == 1 ? 10 : 20;
      return DataType::decimal(std::max(whole, x == 3 ? a.precision() : b.precision()), 0);
    }
    return x > y ? a : b;
  }
  const auto time = [](const DataType& t) {
    return t.is(TypeKind::kDate) || t.is(TypeKind::kTimestamp);
  };
  if (time(a) && time(b)) return DataType::of(TypeKind::kTimestamp);
  return DataType::of(TypeKind::kString);
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string name_of(const columnar::Field& field) { return field.name; }
std::string name_of(const auto& value) { return value.first; }

std::string names_of(const auto& columns) {
  std::string text;
  for (const auto& column : columns)
    text += (text.empty() ? "" : ", ") + name_of(column);
  return text.empty() ? "none" : text;
}

// The folders behind the first `depth` parts of the path.
PartitionFolder folders_of(const std::string& path, size_t depth) {
  size_t end = 0;
  for (size_t part = 0; part < depth && end != std::string::npos; ++part)
    end = path.find('/', end + 1);
  return partition_folder_of(path.substr(0, end), path);
}

base::Error other_columns(const std::string& path, const std::string& its,
                          const std::string& others) {
  return error(ErrorKind::kInvalidArgument,
               "{}: its folders make the columns {}, those of other files {}. All files of a "
               "stream have to lie in folders of the same names; with the option "
               "recursiveFileLookup=true the names are not looked at. Folders that came after the "
               "start are seen by a new start",
               path, its, others)
      .with_class("CONFLICTING_PARTITION_COLUMN_NAMES");
}

}  // namespace

std::string unescape_folder(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
            text.data() + i + 3) {
      plain += static_cast<char>(value);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

PartitionFolder partition_folder_of(const std::string& root, const std::string& file) {
  PartitionFolder found;
  std::string_view rest = file;
  if (rest.starts_with(root)) rest.remove_prefix(root.size());
  while (true) {
    while (rest.starts_with('/'))
      rest.remove_prefix(1);
    const size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return found;
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(slash);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    const std::string_view text = part.substr(equals + 1);
    found.values.emplace_back(
        unescape_folder(part.substr(0, equals)),
        text == kNullFolder ? std::nullopt : std::optional(unescape_folder(text)));
  }
}

Result<std::vector<columnar::Field>> partition_fields(const std::vector<PartitionFolder>& folders,
                                                      bool infer_types) {
  std::vector<columnar::Field> fields;
  if (folders.empty()) return fields;
  const auto names_of = [](const PartitionFolder& folder) {
    std::vector<std::string> names;
    for (const auto& value : folder.values)
      names.push_back(value.first);
    return names;
  };
  const auto names = names_of(folders.front());
  std::set<std::string> lists;
  for (const auto& folder : folders)
    lists.insert(fmt::format("{}", fmt::join(names_of(folder), ", ")));
  if (lists.size() > 1) {
    std::string text;
    int number = 0;
    for (const auto& list : lists)
      text += fmt::format("\n\tPartition column name list #{}: {}", number++, list);
    return base::error(
               base::ErrorKind::kInvalidArgument,
               "Conflicting partition column names detected:\n{}\n\nFor partitioned table "
               "directories, data files should only live in leaf directories.\nAnd directories at "
               "the same level should have the same partition column name.",
               text)
        .with_class("CONFLICTING_PARTITION_COLUMN_NAMES")
        .with_sql_state("KD009")
        .with_parameter("distinctPartColLists", text);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    DataType type = DataType::of(infer_types ? TypeKind::kNull : TypeKind::kString);
    for (const auto& folder : folders) {
      const auto& text = folder.values[i].second;
      if (infer_types && text) type = wider(type, type_of(*text));
    }
    if (type.is(TypeKind::kNull)) type = DataType::of(TypeKind::kString);
    fields.push_back(columnar::make_field(names[i], std::move(type)));
  }
  return fields;
}

size_t path_depth(std::string_view path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), '/')) - (path == "/" ? 1 : 0);
}

Result<PartitionFolders> PartitionFolders::find(const std::vector<io::FileInfo>& files,
                                                size_t depth, const std::optional<Schema>& schema) {
  PartitionFolders found;
  found.depth_ = depth;
  std::vector<PartitionFolder> folders;
  for (const io::FileInfo& file : files) {
    folders.push_back(folders_of(file.path, depth));
    const auto& first = folders.front().values;
    const auto& own = folders.back().values;
    if (!std::equal(first.begin(), first.end(), own.begin(), own.end(),
                    [](const auto& a, const auto& b) { return a.first == b.first; }))
      return other_columns(file.path, names_of(own), names_of(first));
  }
  WEIR_ASSIGN(const auto inferred, partition_fields(folders, true));
  for (const auto& field_found : inferred) {
    DataType type = field_found.type();
    std::string name = field_found.name;
    if (schema)
      for (const columnar::Field& field : schema->fields())
        if (same_name(field.name, name)) {
          type = field.type();
          name = field.name;
        }
    if (found.index_of(name) >= 0)
      return error(ErrorKind::kInvalidArgument, "{}: the column {} is there twice",
                   files.front().path, name);
    found.fields_.push_back(columnar::make_field(std::move(name), std::move(type)));
  }
  return found;
}

int PartitionFolders::index_of(std::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i)
    if (same_name(fields_[i].name, name)) return static_cast<int>(i);
  return -1;
}

Result<std::vector<std::shared_ptr<arrow::Scalar>>> PartitionFolders::values(
    const std::string& path) const {
  const auto folders = folders_of(path, depth_).values;
  if (!std::equal(fields_.begin(), fields_.end(), folders.begin(), folders.end(),
                  [](const auto& a, const auto& b) { return same_name(a.name, b.first); }))
    return other_columns(path, names_of(folders), names_of(fields_));
  std::vector<std::shared_ptr<arrow::Scalar>> values;
  for (size_t i = 0; i < fields_.size(); ++i) {
    auto text = folders[i].second;
    if (text && text->starts_with('+') && is_real(*text)) text->erase(0, 1);
    auto value = delta::partition_scalar(fields_[i].type(), text);
    if (!value.ok())
      return error(ErrorKind::kInvalidArgument, "{}: '{}' is no {} for the column {}", path,
                   folders[i].second.value_or(""), fields_[i].type().simple_string(),
                   fields_[i].name);
    values.push_back(std::move(value).value());
  }
  return values;
}

}  // namespace weir::source
