// Functions of texts and URLs: values as Spark's documentation and its own tests give them.
#include <arrow/api.h>
#include <gtest/gtest.h>

#include "eval/program.h"
#include "plan/analysis.h"
#include "sql/parser.h"

namespace weir::eval {
namespace {

// The value of a constant expression as text; NULL; or the error class.
std::string value(std::string_view text, bool ansi = true) {
  const auto schema = columnar::parse_ddl_schema("n INT").value();
  arrow::Int32Builder n;
  EXPECT_TRUE(n.Append(0).ok());
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int32())}), 1,
                                              {*n.Finish()});
  EvalContext context;
  context.ansi = ansi;
  const auto expression = sql::parse_expression(text);
  if (!expression.ok()) return expression.error().to_string();
  const auto typed = plan::analyze_expression(**expression, plan::Scope{&schema, {}},
                                              {ansi, false, context.session_zone});
  if (!typed.ok()) return typed.error().to_string();
  const auto result = compile(*typed).value().evaluate(*batch, context);
  if (!result.ok()) return result.error().error_class();
  return (*result)->IsNull(0) ? "NULL" : (*result)->GetScalar(0).ValueOrDie()->ToString();
}

TEST(Urls, Parts) {
  const auto part = [](std::string_view url, std::string_view what) {
    return value("parse_url('" + std::string(url) + "', '" + std::string(what) + "')");
  };
  const std::string url = "http://userinfo@spark.apache.org:80/path/a?query=1&k=v%20w#Ref";
  EXPECT_EQ(part(url, "HOST"), "spark.apache.org");
  EXPECT_EQ(part(url, "PATH"), "/path/a");
  EXPECT_EQ(part(url, "QUERY"), "query=1&k=v%20w");
  EXPECT_EQ(part(url, "REF"), "Ref");
  EXPECT_EQ(part(url, "PROTOCOL"), "http");
  EXPECT_EQ(part(url, "FILE"), "/path/a?query=1&k=v%20w");
  EXPECT_EQ(part(url, "AUTHORITY"), "userinfo@spark.apache.org:80");
  EXPECT_EQ(part(url, "USERINFO"), "userinfo");
  EXPECT_EQ(part(url, "host"), "NULL");
  EXPECT_EQ(part("mailto:a@b.c", "HOST"), "NULL");
  EXPECT_EQ(part("http://a_b/x", "HOST"), "NULL");  // no host name: an authority of a registry
  EXPECT_EQ(part("http://a_b/x", "AUTHORITY"), "a_b");
  EXPECT_EQ(part("http://1.2.3.4:8/", "HOST"), "1.2.3.4");
  EXPECT_EQ(part("http://[::1]/", "HOST"), "[::1]");
  EXPECT_EQ(part("file:///x", "PATH"), "/x");
  EXPECT_EQ(value("parse_url('http://h/p?a=1&b=2', 'QUERY', 'b')"), "2");
  EXPECT_EQ(value("parse_url('http://h/p?a=1&b=2', 'QUERY', 'c')"), "NULL");
  EXPECT_EQ(value("parse_url('http://h/p?a=1', 'HOST', 'a')"), "NULL");
}

TEST(Urls, WhatIsNone) {
  EXPECT_EQ(value("parse_url('inva lid://h/p', 'QUERY')"), "INVALID_URL");
  EXPECT_EQ(value("parse_url('http://h/%zz', 'PATH')"), "INVALID_URL");
  EXPECT_EQ(value("parse_url('http://', 'HOST')"), "INVALID_URL");
  EXPECT_EQ(value("parse_url('inva lid://h/p', 'QUERY')", false), "NULL");
  EXPECT_EQ(value("try_parse_url('inva lid://h/p', 'QUERY')"), "NULL");
}

TEST(Urls, Codes) {
  EXPECT_EQ(value("url_encode('https://spark.apache.org')"), "https%3A%2F%2Fspark.apache.org");
  EXPECT_EQ(value("url_encode('a b*-._é')"), "a+b*-._%C3%A9");
  EXPECT_EQ(value("url_decode('https%3A%2F%2Fspark.apache.org+x')"), "https://spark.apache.org x");
  EXPECT_EQ(value("url_decode('%2')"), "CANNOT_DECODE_URL");
  EXPECT_EQ(value("try_url_decode('%zz')"), "NULL");
  EXPECT_EQ(value("url_encode(NULL)"), "NULL");
}

TEST(Texts, Distances) {
  EXPECT_EQ(value("levenshtein('kitten', 'sitting')"), "3");
  EXPECT_EQ(value("levenshtein('kitten', 'sitting', 2)"), "-1");
  EXPECT_EQ(value("levenshtein('', 'é')"), "1");
  EXPECT_EQ(value("soundex('Miller')"), "M460");
  EXPECT_EQ(value("soundex('Ashcraft')"), "A261");
  EXPECT_EQ(value("soundex('1a')"), "1a");
}

TEST(Texts, Parts) {
  EXPECT_EQ(value("substring_index('www.apache.org', '.', 2)"), "www.apache");
  EXPECT_EQ(value("substring_index('www.apache.org', '.', -1)"), "org");
  EXPECT_EQ(value("substring_index('www.apache.org', '.', -3)"), "www.apache.org");
  EXPECT_EQ(value("substring_index('www.apache.org', '', 1)"), "");
  EXPECT_EQ(value("substring_index('.a', '.', 1)"), "");
  EXPECT_EQ(value("overlay('Spark SQL' PLACING '_' FROM 6)"), "Spark_SQL");
  EXPECT_EQ(value("overlay('Spark SQL' PLACING 'CORE' FROM 7)"), "Spark CORE");
  EXPECT_EQ(value("overlay('Spark SQL' PLACING 'ANSI ' FROM 7 FOR 0)"), "Spark ANSI SQL");
  EXPECT_EQ(value("overlay('Spark SQL', 'tructured', 2, 4)"), "Structured SQL");
}

TEST(Texts, Masks) {
  EXPECT_EQ(value("mask('AbCD123-@$#')"), "XxXXnnn-@$#");
  EXPECT_EQ(value("mask('AbCD123-@$#', 'Q', 'q', 'd', 'o')"), "QqQQdddoooo");
  EXPECT_EQ(value("mask('AbCD123-@$#', NULL, 'q', NULL)"), "AqCD123-@$#");
  EXPECT_EQ(value("mask('Éé')"), "Xx");
  EXPECT_EQ(value("luhn_check('8112189876')"), "true");
  EXPECT_EQ(value("luhn_check('79927398714')"), "false");
  EXPECT_EQ(value("luhn_check('')"), "false");
}

}  // namespace
}  // namespace weir::eval
