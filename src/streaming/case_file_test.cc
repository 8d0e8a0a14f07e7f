#include "streaming/case_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::streaming {

using base::error;
using base::ErrorKind;

namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

std::string take_word(std::string& text) {
  const auto end = text.find_first_of(" \t");
  std::string word = text.substr(0, end);
  text = end == std::string::npos ? std::string() : std::string(trimmed(text.substr(end)));
  return word;
}

base::Result<std::vector<Case>> parse_cases(std::string_view text, const std::string& file) {
  std::vector<Case> cases;
  int number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    ++number;
    std::string words(trimmed(line));
    if (words.empty() || line[0] == '#') continue;
    if (line.starts_with("==")) {
      cases.push_back({std::string(trimmed(line.substr(2))), file, {}});
      continue;
    }
    if (cases.empty())
      return error(ErrorKind::kInvalidArgument, "{}:{}: no case has begun", file, number);
    auto& steps = cases.back().steps;
    if (line[0] == ' ' || line[0] == '\t') {
      if (steps.empty())
        return error(ErrorKind::kInvalidArgument, "{}:{}: nothing to go on with", file, number);
      steps.back().rest += " " + words;
      continue;
    }
    std::string verb = take_word(words);
    steps.push_back({std::move(verb), std::move(words), number});
  }
  return cases;
}

base::Result<std::vector<std::string>> parse_rows(std::string_view text) {
  std::vector<std::string> rows;
  int depth = 0;
  bool after_comma = false;
  for (const char c : text) {
    if (c == '(' && ++depth == 1) {
      rows.emplace_back();
      after_comma = false;
      continue;
    }
    if (c == ')' && --depth == 0) continue;
    if (depth == 0) {
      if (c == ',' || c == ' ') continue;
      return error(ErrorKind::kInvalidArgument, "'{}' between rows: {}", c, text);
    }
    if (c == ' ' && after_comma) continue;
    after_comma = c == ',';
    rows.back() += c;
  }
  if (depth != 0) return error(ErrorKind::kInvalidArgument, "a row without end: {}", text);
  return rows;
}

namespace {

using testing::ElementsAre;

TEST(CaseFile, CasesStepsAndComments) {
  const auto cases =
      parse_cases("# about\n\n== one\nquery SELECT 1\n  FROM s\nstop\n== two\n", "f");
  ASSERT_TRUE(cases.ok());
  ASSERT_EQ(cases->size(), 2U);
  EXPECT_EQ((*cases)[0].name, "one");
  EXPECT_EQ((*cases)[0].steps[0].rest, "SELECT 1 FROM s");
  EXPECT_EQ((*cases)[0].steps[1].verb, "stop");
  EXPECT_EQ((*cases)[0].steps[1].line, 6);
  EXPECT_FALSE(parse_cases("stop\n", "f").ok());
}

TEST(CaseFile, RowsAreTakenApartAtTheirOuterParentheses) {
  EXPECT_THAT(parse_rows("(1, a), ({2,  3}, f(4))").value(), ElementsAre("1,a", "{2,3},f(4)"));
  EXPECT_THAT(parse_rows("").value(), ElementsAre());
  EXPECT_FALSE(parse_rows("(1").ok());
  EXPECT_FALSE(parse_rows("1").ok());
}

}  // namespace
}  // namespace weir::streaming
