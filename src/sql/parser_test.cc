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

TEST(Parser, WhatIsNotBuiltIsNamed) {
  const auto unsupported = [](std::string_view text) {
    const auto parsed = parse_query(text);
    return parsed.ok() ? std::string("parsed")
                       : parsed.error().error_class() + " " + parsed.error().message();
  };
  EXPECT_THAT(unsupported("SELECT * FROM a JOIN b"),
              HasSubstr("UNSUPPORTED_FEATURE weir has no join"));
  EXPECT_THAT(unsupported("WITH x AS (SELECT 1) SELECT * FROM x"), HasSubstr("WITH"));
  EXPECT_THAT(unsupported("SELECT 1 UNION SELECT 2"), HasSubstr("UNION"));
  EXPECT_THAT(unsupported("DROP TABLE t"), HasSubstr("DROP"));
}

TEST(Parser, Query) {
  const auto query = parse_query(
                         "SELECT DISTINCT a, b + 1 AS c FROM delta.`/t x` VERSION AS OF 3 AS t "
                         "WHERE a > 1 GROUP BY a, 2 HAVING count(*) > 1 "
                         "ORDER BY a DESC, c NULLS LAST LIMIT 5 OFFSET 2;")
                         .value();
  EXPECT_TRUE(query->distinct);
  EXPECT_EQ(query->from->provider, "delta");
  EXPECT_EQ(query->from->name[0], "/t x");
  EXPECT_EQ(query->from->time_travel.version, 3);
  EXPECT_EQ(query->from->alias, "t");
  ASSERT_EQ(query->order_by.size(), 2u);
  EXPECT_FALSE(query->order_by[0].nulls_first);  // DESC: NULLS LAST by default
  EXPECT_TRUE(query->order_by[1].ascending);
  EXPECT_FALSE(query->order_by[1].nulls_first);
  EXPECT_EQ(parse_statements("SELECT 1;; SELECT 2;").value().size(), 2u);
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

TEST(Analysis, GroupedQueries) {
  const auto schema = columnar::parse_ddl_schema("a INT, b INT").value();
  const auto failure = [&](std::string_view text) {
    const auto resolved = plan::resolve_query(*parse_query(text).value(), schema);
    return resolved.ok() ? std::string() : resolved.error().error_class();
  };
  EXPECT_EQ(failure("SELECT a + 1, count(*) FROM t GROUP BY a + 1 ORDER BY sum(b)"), "");
  EXPECT_EQ(failure("SELECT a AS k, max(b) m FROM t GROUP BY k HAVING m > 1 ORDER BY 2"), "");
  EXPECT_EQ(failure("SELECT a, b FROM t GROUP BY a"), "MISSING_AGGREGATION");
  EXPECT_EQ(failure("SELECT a, sum(b) FROM t"), "MISSING_GROUP_BY");
  EXPECT_EQ(failure("SELECT sum(sum(a)) FROM t"), "NESTED_AGGREGATE_FUNCTION");
  EXPECT_EQ(failure("SELECT a FROM t GROUP BY 3"), "GROUP_BY_POS_OUT_OF_RANGE");
  EXPECT_EQ(failure("SELECT a FROM t ORDER BY 2"), "ORDER_BY_POS_OUT_OF_RANGE");
}

}  // namespace
}  // namespace weir::sql
