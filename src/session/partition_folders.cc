#include "session/partition_folders.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "columnar/datetime_text.h"

namespace weir::session {

using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr std::string_view kNullFolder = "__HIVE_DEFAULT_PARTITION__";

template <typename Number>
bool is_number(std::string_view text) {
  Number value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && code == std::errc() && end == text.data() + text.size();
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
  const bool plain = text.find_first_not_of("0123456789.eE+-") == std::string::npos;
  if (plain && is_number<double>(text)) return DataType::of(TypeKind::kDouble);
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

}  // namespace weir::session
