#include "plan/name_scope.h"

#include <algorithm>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "plan/analysis.h"

namespace weir::plan {

namespace {

constexpr size_t kQualifierPartsMax = 3;
constexpr size_t kSuggestions = 5;

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string full_name(const Column& column) {
  auto parts = column.qualifier;
  parts.push_back(column.name);
  return quoted(parts);
}

Result<std::optional<FoundColumn>> find_among(const std::vector<Column>& columns, bool hidden,
                                              const std::vector<std::string>& parts,
                                              bool case_sensitive, const Origin& origin) {
  for (size_t qualifiers = std::min(parts.size() - 1, kQualifierPartsMax);; --qualifiers) {
    std::vector<size_t> found;
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto& column = columns[i];
      if (column.hidden != hidden || !names_equal(column.name, parts[qualifiers], case_sensitive) ||
          !has_qualifier(column, parts, qualifiers, case_sensitive))
        continue;
      const bool known = std::any_of(found.begin(), found.end(),
                                     [&](size_t one) { return columns[one].id == column.id; });
      if (!known) found.push_back(i);
    }
    if (found.size() > 1) {
      std::vector<std::string> names;
      for (const auto one : found)
        names.push_back(full_name(columns[one]));
      const std::vector<std::string> used(parts.begin(),
                                          parts.begin() + static_cast<long>(qualifiers) + 1);
      const auto list = fmt::format("[{}]", fmt::join(names, ", "));
      return analysis_error(
                 "AMBIGUOUS_REFERENCE", "42704",
                 fmt::format("Reference {} is ambiguous, could be: {}.", quoted(used), list),
                 origin)
          .with_parameter("name", quoted(used))
          .with_parameter("referenceNames", list);
    }
    if (found.size() == 1) return FoundColumn{found[0], qualifiers + 1};
    if (qualifiers == 0) return std::optional<FoundColumn>();
  }
}

}  // namespace

bool names_equal(std::string_view a, std::string_view b, bool case_sensitive) {
  return case_sensitive ? a == b : boost::iequals(a, b);
}

std::string quoted(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts)
    text += (text.empty() ? "`" : ".`") + boost::replace_all_copy(part, "`", "``") + "`";
  return text;
}

bool has_qualifier(const Column& column, const std::vector<std::string>& qualifier, size_t count,
                   bool case_sensitive) {
  if (count > column.qualifier.size()) return false;
  const size_t skipped = column.qualifier.size() - count;
  for (size_t i = 0; i < count; ++i) {
    if (!names_equal(column.qualifier[skipped + i], qualifier[i], case_sensitive)) return false;
  }
  return true;
}

Result<std::optional<FoundColumn>> find_column(const std::vector<Column>& columns,
                                               const std::vector<std::string>& parts,
                                               bool case_sensitive, const Origin& origin) {
  WEIR_ASSIGN(auto visible, find_among(columns, false, parts, case_sensitive, origin));
  if (visible) return visible;
  return find_among(columns, true, parts, case_sensitive, origin);
}

base::Error unresolved_column(const std::vector<Column>& columns,
                              const std::vector<std::string>& parts, const Origin& origin) {
  struct Near {
    size_t distance;
    std::string name;
  };
  std::vector<Near> nearest;
  const auto wanted = boost::to_lower_copy(fmt::format("{}", fmt::join(parts, ".")));
  for (const auto& column : columns) {
    if (column.hidden) continue;
    // As many qualifiers as were written.
    auto name = column.qualifier;
    const size_t kept = std::min(name.size(), parts.size() - 1);
    name.erase(name.begin(), name.end() - static_cast<long>(kept));
    name.push_back(column.name);
    auto plain = boost::to_lower_copy(fmt::format("{}", fmt::join(name, ".")));
    plain.resize(std::min<size_t>(plain.size(), 256));
    nearest.push_back({edit_distance(wanted.substr(0, 256), plain), quoted(name)});
  }
  std::stable_sort(nearest.begin(), nearest.end(),
                   [](const auto& a, const auto& b) { return a.distance < b.distance; });
  const auto message = fmt::format(
      "A column, variable, or function parameter with name {} cannot be resolved.", quoted(parts));
  if (nearest.empty()) {
    return analysis_error("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", message, origin)
        .with_parameter("objectName", quoted(parts));
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < nearest.size() && i < kSuggestions; ++i)
    names.push_back(nearest[i].name);
  const auto proposal = fmt::format("{}", fmt::join(names, ", "));
  return analysis_error(
             "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703",
             fmt::format("{} Did you mean one of the following? [{}].", message, proposal), origin)
      .with_parameter("objectName", quoted(parts))
      .with_parameter("proposal", proposal);
}

}  // namespace weir::plan
