#include "sql/parser.h"

#include <gmock/gmock.h>

#include "plan/analysis.h"

namespace weir::sql {
namespace {

using ::testing::HasSubstr;

// The expression as Spark would name it: shows how it was read.
std::string read(std::string_view text) {
  const auto parsed = parse_expression(text);
  return parsed.ok() ? plan::expression_sql(**parsed) : parsed.error().to_string();
}

TEST(Parser, Precedence) {
  EXPECT_EQ(read("1 + 2 * 3"), "(1 + (2 * 3))");
  EXPECT_EQ(read("a or b and not c = d"), "(a OR (b AND (NOT (c = d))))");
  EXPECT_EQ(read("a - b - c"), "((a - b) - c)");
  EXPECT_EQ(read("-a + -1"), "((- a) + -1)");
  EXPECT_EQ(read("a | b & c ^ d"), "(a | ((b & c) ^ d))");
  EXPECT_EQ(read("a BETWEEN 1 AND 2 AND b"), "(between(a, 1, 2) AND b)");
  EXPECT_EQ(read("a NOT IN (1, 2)"), "(NOT (a IN (1, 2)))");
}

TEST(Parser, Literals) {
  EXPECT_EQ(read("'it''s' \"two\""), "'it\\'stwo'");
  EXPECT_EQ(read("r'a\\d'"), "'a\\d'");
  EXPECT_EQ(read("'\\u00e9\\n'"), "'é\n'");
  EXPECT_EQ(read("1Y"), "1");
  EXPECT_EQ(read("2147483648"), "2147483648L");
  EXPECT_EQ(read("1.50"), "1.50BD");
  EXPECT_EQ(read("1e3"), "1000.0D");
  EXPECT_EQ(read("X'1F'"), "X'1F'");
  EXPECT_EQ(read("DATE '2024-02-29'"), "DATE '2024-02-29'");
  EXPECT_THAT(read("DATE '2024-02-30'"), HasSubstr("[INVALID_TYPED_LITERAL]"));
  EXPECT_THAT(read("300Y"), HasSubstr("[INVALID_NUMERIC_LITERAL_RANGE]"));
  EXPECT_EQ(read("a /* one /* two */ */ + -- rest\n 1"), "(a + 1)");
}

TEST(Parser, ErrorsPointAtTheText) {
  const auto error = parse_expression("a +\n  ) b").error();
  EXPECT_EQ(error.error_class(), "PARSE_SYNTAX_ERROR");
  EXPECT_THAT(error.message(), HasSubstr("== SQL (line 2, position 3) ==\n  ) b\n  ^"));
  EXPECT_THAT(read("'open"), HasSubstr("[PARSE_SYNTAX_ERROR]"));
  EXPECT_THAT(read("1 /* open"), HasSubstr("[UNCLOSED_BRACKETED_COMMENT]"));
  EXPECT_THAT(read("a b"), HasSubstr("PARSE_SYNTAX_ERROR"));
  EXPECT_THAT(read(""), HasSubstr("PARSE_SYNTAX_ERROR"));
}

TEST(Parser, StatementsOfAScript) {
  EXPECT_EQ(parse_script("SELECT 1;; SELECT 2;").value().size(), 2u);
}

TEST(Parser, DeepNestingIsAnError) {
  EXPECT_FALSE(parse_expression(std::string(5000, '(') + "1" + std::string(5000, ')')).ok());
  std::string chain = "1";
  for (int i = 0; i < 5000; ++i)
    chain += "+1";
  EXPECT_FALSE(parse_expression(chain).ok());
  EXPECT_FALSE(parse_expression(std::string(20000, '-') + "a").ok());
}

TEST(Analysis, NamesAndErrors) {
  const auto schema =
      columnar::parse_ddl_schema("a INT, B STRING, s STRUCT<x: INT>, c INT, C INT").value();
  const auto analysed = [&](std::string_view text) {
    const plan::Scope scope{&schema, {"t"}};
    const auto list = plan::analyze_select_list(parse_select_list(text).value(), scope);
    if (!list.ok()) return list.error().error_class();
    std::string names;
    for (const auto& one : *list)
      names += one.name + ":" + one.expression->type.simple_string() + " ";
    return names;
  };
  EXPECT_EQ(analysed("A, t.b, S.X, s.*"), "a:int B:string x:int x:int ");
  EXPECT_EQ(analysed("a + 1, upper(b), a AS k"), "(a + 1):int upper(B):string k:int ");
  EXPECT_EQ(analysed("c"), "AMBIGUOUS_REFERENCE");
  EXPECT_EQ(analysed("nope"), "UNRESOLVED_COLUMN.WITH_SUGGESTION");
  EXPECT_EQ(analysed("nope(a)"), "UNRESOLVED_ROUTINE");
  EXPECT_EQ(analysed("s.y"), "FIELD_NOT_FOUND");
  EXPECT_EQ(analysed("upper(a, a)"), "WRONG_NUM_ARGS.WITHOUT_SUGGESTION");
  EXPECT_EQ(analysed("sum(a)"), "UNSUPPORTED_EXPR_FOR_OPERATOR");
  EXPECT_EQ(analysed("s + 1"), "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
}

}  // namespace
}  // namespace weir::sql
