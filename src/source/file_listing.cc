#include "source/file_listing.h"

#include <algorithm>
#include <cstdlib>

#include "source/file_sink_log.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

bool hidden(std::string_view name) { return name.starts_with('_') || name.starts_with('.'); }

// One level of {a,b}: the patterns that it stands for.
std::vector<std::string> expand_braces(const std::string& pattern) {
  const size_t open = pattern.find('{');
  if (open == std::string::npos) return {pattern};
  int depth = 0;
  std::vector<size_t> cuts{open};
  size_t close = std::string::npos;
  for (size_t i = open; i < pattern.size(); ++i) {
    if (pattern[i] == '{') ++depth;
    if (pattern[i] == ',' && depth == 1) cuts.push_back(i);
    if (pattern[i] == '}' && --depth == 0) {
      close = i;
      break;
    }
  }
  if (close == std::string::npos) return {pattern};
  cuts.push_back(close);
  std::vector<std::string> all;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    const std::string choice = pattern.substr(cuts[i] + 1, cuts[i + 1] - cuts[i] - 1);
    for (std::string& expanded :
         expand_braces(pattern.substr(0, open) + choice + pattern.substr(close + 1)))
      all.push_back(std::move(expanded));
  }
  return all;
}

// [abc], [a-z], [!x], [^x]: matches one character; position behind the bracket, or nothing where
// there is no end.
std::optional<std::pair<bool, size_t>> match_set(std::string_view pattern, size_t at, char c) {
  size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool in = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false, ++i) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      in |= pattern[i] <= c && c <= pattern[i + 2];
      i += 2;
    } else {
      in |= pattern[i] == c;
    }
  }
  if (i >= pattern.size()) return std::nullopt;
  return std::pair{in != negated, i + 1};
}

bool matches_plain(std::string_view pattern, std::string_view name) {
  size_t p = 0;
  size_t n = 0;
  size_t star = std::string_view::npos;
  size_t star_n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_n = n;
      continue;
    }
    bool same = false;
    size_t next = p + 1;
    if (p < pattern.size()) {
      if (pattern[p] == '?') {
        same = true;
      } else if (const auto set =
                     pattern[p] == '[' ? match_set(pattern, p, name[n]) : std::nullopt) {
        same = set->first;
        next = set->second;
      } else if (pattern[p] == '\\' && p + 1 < pattern.size()) {
        same = pattern[p + 1] == name[n];
        next = p + 2;
      } else {
        same = pattern[p] == name[n];
      }
    }
    if (same) {
      p = next;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_n;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

Result<void> expand(io::FileSystem& files, const std::string& base, std::string_view rest,
                    std::vector<std::string>& out) {
  while (rest.starts_with('/'))
    rest.remove_prefix(1);
  if (rest.empty()) {
    out.push_back(base);
    return {};
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string part(rest.substr(0, slash));
  const std::string_view after = rest.substr(slash);
  if (!has_glob(part)) return expand(files, io::join_path(base, part), after, out);
  const auto listed = files.list(base);
  if (!listed.ok()) {
    if (listed.error().kind() == ErrorKind::kNotFound) return {};
    return listed.error();
  }
  for (const io::FileInfo& entry : *listed) {
    if (hidden(entry.name) || !glob_matches(part, entry.name)) continue;
    if (!after.empty() && !entry.is_directory) continue;
    WEIR_TRY(expand(files, entry.path, after, out));
  }
  return {};
}

bool passes(const io::FileInfo& file, const FileFilter& filter) {
  if (!filter.name_glob.empty() && !glob_matches(filter.name_glob, file.name)) return false;
  if (filter.modified_before_us && file.modified_us >= *filter.modified_before_us) return false;
  return !filter.modified_after_us || file.modified_us > *filter.modified_after_us;
}

Result<void> list_folder(io::FileSystem& files, const std::string& folder, const FileFilter& filter,
                         std::vector<io::FileInfo>& out) {
  WEIR_ASSIGN(const auto listed, files.list(folder));
  for (const io::FileInfo& entry : listed) {
    // As Spark: _x=1 may be a partition folder.
    if (hidden(entry.name) && (entry.name[0] == '.' || entry.name.find('=') == std::string::npos))
      continue;
    if (!entry.is_directory) {
      if (passes(entry, filter)) out.push_back(entry);
    } else if (filter.recursive || entry.name.find('=', 1) != std::string::npos) {
      WEIR_TRY(list_folder(files, entry.path, filter, out));
    }
  }
  return {};
}

}  // namespace

bool has_glob(std::string_view text) {
  return text.find_first_of("*?[{") != std::string_view::npos;
}

bool glob_matches(std::string_view pattern, std::string_view name) {
  for (const std::string& plain : expand_braces(std::string(pattern)))
    if (matches_plain(plain, name)) return true;
  return false;
}

Result<std::vector<std::string>> expand_globs(io::FileSystem& files, const std::string& path) {
  std::vector<std::string> roots;
  if (has_glob(path)) {
    // A brace may hold slashes: {a/b,c}.
    for (const std::string& plain : expand_braces(path))
      WEIR_TRY(expand(files, plain.starts_with('/') ? "/" : ".", plain, roots));
  } else {
    roots.push_back(path);
  }
  return roots;
}

Result<std::vector<io::FileInfo>> list_files(io::FileSystem& files, const std::string& path,
                                             const FileFilter& filter) {
  WEIR_ASSIGN(const auto roots, expand_globs(files, path));
  std::vector<io::FileInfo> found;
  for (const std::string& root : roots) {
    const auto info = files.stat(root);
    if (!info.ok()) {
      if (info.error().kind() == ErrorKind::kNotFound) continue;
      return info.error();
    }
    if (!info->is_directory) {
      if (passes(*info, filter)) found.push_back(*info);
      continue;
    }
    if (!has_glob(path)) {  // as Spark: a log counts where its folder is named
      WEIR_ASSIGN(const auto logged, files_by_sink_log(files, root));
      if (logged) {
        std::copy_if(logged->begin(), logged->end(), std::back_inserter(found),
                     [&](const io::FileInfo& file) { return passes(file, filter); });
        continue;
      }
    }
    WEIR_TRY(list_folder(files, root, filter, found));
  }
  std::sort(found.begin(), found.end(),
            [](const io::FileInfo& a, const io::FileInfo& b) { return a.path < b.path; });
  found.erase(std::unique(found.begin(), found.end(),
                          [](const auto& a, const auto& b) { return a.path == b.path; }),
              found.end());
  return found;
}

std::string absolute_path(const std::string& path) {
  std::string plain = path;
  if (plain.starts_with("file:")) plain.erase(0, plain.starts_with("file://") ? 7 : 5);
  while (plain.size() > 1 && plain.back() == '/')
    plain.pop_back();
  if (plain.starts_with('/')) return plain;
  char* here = ::realpath(".", nullptr);
  const std::string folder = here == nullptr ? "" : here;
  std::free(here);
  if (plain.starts_with("./")) plain.erase(0, 2);
  return plain == "." ? folder : io::join_path(folder, plain);
}

}  // namespace weir::source
