// Every statement of Spark's own SQL tests whose recorded result is no parse error has to parse.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "base/json.h"
#include "sql/parser.h"

namespace weir::sql {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string file, sql, error_class;
  bool parse_exception = false;
};

// The queries of a results/*.sql.out file with the error class recorded for each.
std::vector<Case> cases_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::vector<Case> cases;
  const std::string all = text.str();
  const std::string mark = "-- !query\n";
  for (size_t at = all.find(mark); at != std::string::npos;) {
    const size_t begin = at + mark.size();
    at = all.find(mark, begin);
    const std::string block = all.substr(begin, at == std::string::npos ? at : at - begin);
    const auto schema = block.find("\n-- !query schema");
    const auto output = block.find("\n-- !query output\n");
    if (schema == std::string::npos || output == std::string::npos) continue;
    Case one{path.filename().string(), block.substr(0, schema), "", false};
    const std::string result = block.substr(output + 18);
    one.parse_exception = result.find("parser.ParseException") < 60;
    const std::string key = "\"errorClass\" : \"";
    const auto found = result.find(key);
    if (found != std::string::npos) {
      const auto end = result.find('"', found + key.size());
      one.error_class = result.substr(found + key.size(), end - found - key.size());
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

// The folder called `name` inside an archive beside the repository, unpacked; or where an
// environment variable says. Empty: not at hand.
fs::path data_folder(const char* variable, const std::string& archive, const std::string& name) {
  if (const char* given = std::getenv(variable)) return given;
  const fs::path shared = fs::absolute("../shared/data/" + archive + ".tar.xz");
  if (!fs::exists(shared)) return {};
  const fs::path folder = fs::temp_directory_path() / ("weir-" + archive);
  if (!fs::exists(folder / "done")) {
    fs::create_directories(folder);
    const auto command = "tar -xJf '" + shared.string() + "' -C '" + folder.string() + "'";
    if (std::system(command.c_str()) != 0) return {};
    std::ofstream(folder / "done") << "1";
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory() && entry.path().filename() == name) return entry.path();
  }
  return {};
}

TEST(Corpus, SparksOwnTestsParse) {
  const auto folder = data_folder("WEIR_SQL_TESTS", "sql-tests", "results");
  if (folder.empty()) GTEST_SKIP() << "no ../shared/data/sql-tests.tar.xz";
  const char* verbose = std::getenv("WEIR_SQL_TESTS_VERBOSE");
  int total = 0, parsed = 0, refused = 0, errors = 0, same_class = 0, missed = 0;
  std::map<std::string, int> classes;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.path().string().ends_with(".sql.out")) continue;
    for (const auto& one : cases_of(entry.path())) {
      ParseOptions options;
      options.double_quoted_names = one.file == "double-quoted-identifiers-enabled.sql.out";
      options.bang_is_not = one.file == "predicate-functions.sql.out";
      options.legacy_identifier_clause = one.file == "identifier-clause-legacy.sql.out";
      const auto made = parse_statement(one.sql, options);
      const std::string got = made.ok() ? "" : made.error().error_class();
      const bool unsupported = !made.ok() && made.error().kind() == base::ErrorKind::kUnsupported;
      std::string verdict;
      if (one.parse_exception) {
        // (what stands inside a statement that is not built is not read)
        if (made.ok() && std::holds_alternative<plan::UnsupportedStatement>(made->kind)) continue;
        if (unsupported) continue;
        ++errors;
        if (got == one.error_class) {
          ++same_class;
        } else if (made.ok()) {
          ++missed;
          verdict = "PARSED, not " + one.error_class;
        } else {
          verdict = got + ", not " + one.error_class;
        }
      } else {
        ++total;
        if (made.ok() || got == one.error_class) {
          ++parsed;
        } else if (unsupported) {
          ++refused;
          verdict = "REFUSED " + made.error().message().substr(0, 60);
        } else {
          ++classes[one.file];
          verdict = "FAILED " + made.error().to_string();
        }
      }
      if (verbose && !verdict.empty())
        printf("=== %s: %s\n%s\n", one.file.c_str(), verdict.c_str(), one.sql.c_str());
    }
  }
  printf(
      "statements %d: parsed %d, refused by name %d, failed %d; parse errors %d: same class %d, "
      "parsed %d\n",
      total, parsed, refused, total - parsed - refused, errors, same_class, missed);
  EXPECT_GT(total, 10000);
  EXPECT_GE(parsed + refused, total * 99 / 100);
  EXPECT_GE(parsed, total * 95 / 100);
  EXPECT_GE(same_class, errors * 95 / 100);
}

// Statements and expressions that another parser of the dialect is tested with, and what Spark said
// to each that it did not take ("[CLASS] …").
TEST(Corpus, GoldenFilesParse) {
  const auto folder = data_folder("WEIR_SAIL_GOLD", "sail", "spark-connect-gold");
  if (folder.empty()) GTEST_SKIP() << "no ../shared/data/sail.tar.xz";
  const char* verbose = std::getenv("WEIR_SQL_TESTS_VERBOSE");
  int total = 0, parsed = 0, refused = 0, errors = 0, same_class = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto group = entry.path().parent_path().filename().string();
    if (entry.path().extension() != ".json" || group == "spark-connect-gold") continue;
    std::ifstream file(entry.path());
    std::stringstream content;
    content << file.rdbuf();
    const auto document = base::parse_json(content.str(), entry.path().string()).value();
    for (const auto& one : document.at("tests").as_array()) {
      const auto& input = one.at("input");
      const std::string text(input.is_string() ? input.as_string() : input.at("query").as_string());
      const auto failure = group == "expression"
                               ? [&] {
                                   const auto made = parse_named_expression(text);
                                   return made.ok() ? std::optional<base::Error>() : made.error();
                                 }()
                               : [&] {
                                   const auto made = parse_statement(text);
                                   return made.ok() ? std::optional<base::Error>() : made.error();
                                 }();
      std::string verdict;
      if (const auto* exception = one.as_object().if_contains("exception")) {
        const std::string message(exception->as_string());
        const auto begin = message.find('[') + 1;
        const auto expected = message.substr(begin, message.find(']') - begin);
        if (failure && failure->kind() == base::ErrorKind::kUnsupported) continue;
        ++errors;
        const auto got = failure ? failure->error_class() : "PARSED";
        same_class += got == expected;
        if (got != expected) verdict = got + ", not " + expected;
      } else {
        ++total;
        if (!failure) {
          ++parsed;
        } else if (failure->kind() == base::ErrorKind::kUnsupported) {
          ++refused;
          verdict = "REFUSED " + failure->message().substr(0, 60);
        } else {
          verdict = "FAILED " + failure->to_string();
        }
      }
      if (verbose && !verdict.empty())
        printf("=== %s: %s\n%s\n", entry.path().filename().c_str(), verdict.c_str(), text.c_str());
    }
  }
  printf("golden %d: parsed %d, refused by name %d, failed %d; errors %d: same class %d\n", total,
         parsed, refused, total - parsed - refused, errors, same_class);
  EXPECT_GT(total, 1000);
  EXPECT_GE(parsed + refused, total * 99 / 100);
  EXPECT_GE(parsed, total * 92 / 100);
}

}  // namespace
}  // namespace weir::sql
