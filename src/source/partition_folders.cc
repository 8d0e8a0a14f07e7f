#include "source/partition_folders.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <arrow/scalar.h>

#include "columnar/arrow_types.h"
#include "columnar/datetime_text.h"
#include "delta/partition_values.h"

namespace weir::source {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr std::string_view kNull = "__HIVE_DEFAULT_PARTITION__";

struct NamedText {
  std::string name;
  std::string text;
};

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

// "a%2Fb" is "a/b".
std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    unsigned code = 0;
    const bool escape = text[at] == '%' && at + 2 < text.size() &&
                        std::from_chars(text.data() + at + 1, text.data() + at + 3, code, 16).ptr ==
                            text.data() + at + 3;
    plain += escape ? static_cast<char>(code) : text[at];
    if (escape) at += 2;
  }
  return plain;
}

// The k=v of the path's folders behind the first `depth` parts.
std::vector<NamedText> folders_of(const std::string& path, size_t depth) {
  std::vector<NamedText> found;
  size_t begin = 1;
  for (size_t part = 0;; ++part) {
    const size_t end = path.find('/', begin);
    if (end == std::string::npos) return found;  // the file itself
    const std::string_view name = std::string_view(path).substr(begin, end - begin);
    const size_t equals = name.find('=');
    if (part >= depth && equals != std::string_view::npos && equals > 0)
      found.push_back({unescaped(name.substr(0, equals)), unescaped(name.substr(equals + 1))});
    begin = end + 1;
  }
}

template <typename T>
bool is_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

bool is_real(std::string_view text) {
  return text.find_first_not_of("0123456789.eE+-") == std::string_view::npos &&
         is_number<double>(text);
}

TypeKind kind_of(std::string_view text) {
  if (is_number<int32_t>(text)) return TypeKind::kInteger;
  if (is_number<int64_t>(text)) return TypeKind::kLong;
  if (is_real(text)) return TypeKind::kDouble;
  if (text.size() == 10 && text[4] == '-' && columnar::parse_date(text)) return TypeKind::kDate;
  if (text.size() >= 19 && text[4] == '-' && columnar::parse_timestamp(text, 0))
    return TypeKind::kTimestamp;
  return TypeKind::kString;
}

// The type that holds values of both.
TypeKind wider(TypeKind a, TypeKind b) {
  static constexpr TypeKind kNumbers[] = {TypeKind::kInteger, TypeKind::kLong, TypeKind::kDouble};
  static constexpr TypeKind kTimes[] = {TypeKind::kDate, TypeKind::kTimestamp};
  const auto within = [&](const auto& order) -> std::optional<TypeKind> {
    const auto* first = std::find(std::begin(order), std::end(order), a);
    const auto* second = std::find(std::begin(order), std::end(order), b);
    if (first == std::end(order) || second == std::end(order)) return std::nullopt;
    return *std::max(first, second);
  };
  if (const auto number = within(kNumbers)) return *number;
  return within(kTimes).value_or(TypeKind::kString);
}

std::string names_of(const auto& columns) {
  std::string text;
  for (const auto& column : columns)
    text += (text.empty() ? "" : ", ") + column.name;
  return text.empty() ? "none" : text;
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

size_t path_depth(std::string_view path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), '/')) - (path == "/" ? 1 : 0);
}

Result<PartitionFolders> PartitionFolders::find(const std::vector<io::FileInfo>& files,
                                                size_t depth, const std::optional<Schema>& schema) {
  PartitionFolders found;
  found.depth_ = depth;
  std::vector<NamedText> first;
  std::vector<std::optional<TypeKind>> kinds;
  for (const io::FileInfo& file : files) {
    const auto folders = folders_of(file.path, depth);
    if (&file == &files.front()) {
      first = folders;
      kinds.resize(first.size());
    }
    if (!std::equal(first.begin(), first.end(), folders.begin(), folders.end(),
                    [](const auto& a, const auto& b) { return a.name == b.name; }))
      return other_columns(file.path, names_of(folders), names_of(first));
    for (size_t i = 0; i < folders.size(); ++i) {
      if (folders[i].text == kNull) continue;
      const TypeKind kind = kind_of(folders[i].text);
      kinds[i] = kinds[i] ? wider(*kinds[i], kind) : kind;
    }
  }
  for (size_t i = 0; i < first.size(); ++i) {
    DataType type = DataType::of(kinds[i].value_or(TypeKind::kString));
    std::string name = first[i].name;
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
  const auto folders = folders_of(path, depth_);
  if (!std::equal(fields_.begin(), fields_.end(), folders.begin(), folders.end(),
                  [](const auto& a, const auto& b) { return same_name(a.name, b.name); }))
    return other_columns(path, names_of(folders), names_of(fields_));
  std::vector<std::shared_ptr<arrow::Scalar>> values;
  for (size_t i = 0; i < fields_.size(); ++i) {
    std::optional<std::string> text;
    if (folders[i].text != kNull) {
      const std::string_view given = folders[i].text;
      text = given.starts_with('+') && is_real(given) ? given.substr(1) : given;
    }
    auto value = delta::partition_scalar(fields_[i].type(), text);
    if (!value.ok())
      return error(ErrorKind::kInvalidArgument, "{}: '{}' is no {} for the column {}", path,
                   folders[i].text, fields_[i].type().simple_string(), fields_[i].name);
    values.push_back(std::move(value).value());
  }
  return values;
}

}  // namespace weir::source
