// How queries are read: each as the compact text of its plan.
#include <gmock/gmock.h>

#include "sql/parser.h"
#include "sql/plan_text.h"

namespace weir::sql {
namespace {

std::string read(std::string_view text) {
  const auto plan = parse_plan(text);
  return plan.ok() ? plan_text(*plan) : plan.error().to_string();
}
std::string read_expression(std::string_view text) {
  const auto made = parse_named_expression(text);
  return made.ok() ? expression_text(*made) : made.error().to_string();
}

TEST(PlanShape, Select) {
  EXPECT_EQ(read("SELECT a, b + 1 AS c FROM t WHERE a > 1"),
            "project(filter(table(t), (a > 1)), a, (b + 1) as c)");
  EXPECT_EQ(read("SELECT DISTINCT * EXCEPT (a, b.c), t.* FROM db.t x"),
            "distinct(project(alias(table(db.t), x), * except {a, b.c}, t.*))");
  EXPECT_EQ(read("SELECT 1"), "project(one, 1)");
  EXPECT_EQ(read("FROM t SELECT a LIMIT 3"), "limit(project(table(t), a), 3)");
  EXPECT_EQ(read("TABLE t"), "table(t)");
  EXPECT_EQ(read("VALUES (1, 'a'), (2, 'b') AS t(x, y)"),
            "alias(values((1, 'a'), (2, 'b')), t(x, y))");
  EXPECT_EQ(read("SELECT /*+ BROADCAST(a), REPARTITION(3) */ a FROM t"),
            "project(hint(hint(table(t), BROADCAST(a)), REPARTITION(3)), a)");
}

TEST(PlanShape, Organization) {
  EXPECT_EQ(read("SELECT a FROM t ORDER BY a DESC, b NULLS LAST LIMIT 2 OFFSET 3"),
            "limit(sort(project(table(t), a), a desc, b nulls last), 2, offset 3)");
  EXPECT_EQ(read("SELECT a FROM t ORDER BY ALL"), "sort(project(table(t), a), all ALL)");
  EXPECT_EQ(read("SELECT a FROM t DISTRIBUTE BY a SORT BY b"),
            "sort(repartition(project(table(t), a), a), local b)");
  EXPECT_EQ(read("SELECT a FROM t CLUSTER BY a LIMIT ALL"),
            "limit(sort(repartition(project(table(t), a), a), local a))");
}

TEST(PlanShape, SetOperations) {
  EXPECT_EQ(read("TABLE a UNION TABLE b EXCEPT ALL TABLE c INTERSECT TABLE d"),
            "set(set(table(a), table(b), union), set(table(c), table(d), intersect), except all)");
  EXPECT_EQ(read("(TABLE a UNION ALL TABLE b) INTERSECT DISTINCT TABLE c"),
            "set(set(table(a), table(b), union all), table(c), intersect)");
  EXPECT_EQ(read("SELECT 1 UNION SELECT 2 ORDER BY 1"),
            "sort(set(project(one, 1), project(one, 2), union), 1)");
  EXPECT_EQ(read("TABLE a MINUS (TABLE b LIMIT 1)"), "set(table(a), limit(table(b), 1), except)");
}

TEST(PlanShape, CommonTables) {
  EXPECT_EQ(read("WITH a AS (SELECT 1), b(x) AS (TABLE a) TABLE b"),
            "with(table(b), a = project(one, 1), b(x) = table(a))");
  EXPECT_EQ(read("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2 FROM r) TABLE r"),
            "with(table(r), recursive, r = set(project(one, 1), project(table(r), 2), union all))");
}

TEST(PlanShape, Joins) {
  EXPECT_EQ(read("FROM a JOIN b ON a.x = b.x LEFT JOIN c USING (k, l)"),
            "join(join(table(a), table(b), inner, on (a.x = b.x)), table(c), left, using {k, l})");
  EXPECT_EQ(read("FROM a, b CROSS JOIN c"),
            "join(table(a), join(table(b), table(c), cross), inner)");
  EXPECT_EQ(read("FROM a LEFT SEMI JOIN b ON true ANTI JOIN c NATURAL FULL OUTER JOIN d"),
            "join(join(join(table(a), table(b), semi, on true), table(c), anti), table(d), full, "
            "natural)");
  EXPECT_EQ(read("FROM a x, LATERAL (SELECT x.c) AS y"),
            "join(alias(table(a), x), alias(project(one, x.c), y), inner, lateral)");
  EXPECT_EQ(read("FROM a JOIN LATERAL explode(a.l) AS e(v)"),
            "join(table(a), alias(function(explode(a.l)), e(v)), inner, lateral)");
  EXPECT_EQ(read("FROM (a JOIN b) AS j"), "alias(join(table(a), table(b), inner), j)");
  EXPECT_EQ(read("FROM ((SELECT 1) UNION (SELECT 2)) s"),
            "alias(set(project(one, 1), project(one, 2), union), s)");
  EXPECT_EQ(read("FROM (SELECT 1)"), "alias(project(one, 1), )");
}

TEST(PlanShape, Tables) {
  EXPECT_EQ(read("FROM delta.`/x y` VERSION AS OF 3 v"), "alias(table(delta./x y, version 3), v)");
  EXPECT_EQ(read("FROM t FOR SYSTEM_TIME AS OF '2024-01-01'"), "table(t, at '2024-01-01')");
  EXPECT_EQ(read("FROM t TABLESAMPLE (10 PERCENT) REPEATABLE (5) AS s"),
            "alias(sample(table(t), 0..0.1, seed 5), s)");
  EXPECT_EQ(read("FROM t TABLESAMPLE (7 ROWS)"), "sample(table(t), 7 rows)");
  EXPECT_EQ(read("FROM t WITH (k = 'v')"), "table(t, k=v)");
  EXPECT_EQ(read("FROM range(1, 5) r"), "alias(function(range(1, 5)), r)");
  EXPECT_EQ(read("FROM t LATERAL VIEW OUTER explode(m) e AS k, v LATERAL VIEW f(k) g"),
            "lateral_view(lateral_view(table(t), outer explode(m), e(k, v)), f(k), g())");
  EXPECT_EQ(read("FROM STREAM t WATERMARK ts DELAY OF INTERVAL 10 seconds AS s"),
            "alias(watermark(table(t, streaming), `ts`, 10 seconds), s)");
}

TEST(PlanShape, PivotAndUnpivot) {
  EXPECT_EQ(read("FROM t PIVOT (sum(x) AS s FOR y IN (1, 2 AS two))"),
            "pivot(table(t), sum(x) as s, for y, in {1, 2 as two})");
  EXPECT_EQ(read("FROM t UNPIVOT INCLUDE NULLS (v FOR n IN (a, b AS bb)) u"),
            "alias(unpivot(table(t), v, for n, in {a, b as bb}, nulls), u)");
  EXPECT_EQ(read("FROM t UNPIVOT ((v, w) FOR n IN ((a, b) AS ab, (c, d)))"),
            "unpivot(table(t), v+w, for n, in {a+b as ab, c+d}, no nulls)");
}

TEST(PlanShape, Grouping) {
  EXPECT_EQ(read("SELECT a, sum(b) FROM t GROUP BY a HAVING sum(b) > 1"),
            "aggregate(table(t), by {a}, a, sum(b), having (sum(b) > 1))");
  EXPECT_EQ(read("SELECT a FROM t GROUP BY ALL"), "aggregate(table(t), by all, a)");
  EXPECT_EQ(read("SELECT 1 FROM t GROUP BY a, b WITH ROLLUP"),
            "aggregate(table(t), rollup {a, b}, 1)");
  EXPECT_EQ(read("SELECT 1 FROM t GROUP BY CUBE (a, b)"), "aggregate(table(t), cube {a, b}, 1)");
  EXPECT_EQ(read("SELECT 1 FROM t GROUP BY GROUPING SETS ((a, b), A, ())"),
            "aggregate(table(t), sets {a, b (0 1) (0) ()}, 1)");
  EXPECT_EQ(read("SELECT 1 FROM t GROUP BY a, ROLLUP (b, (c, d))"),
            "aggregate(table(t), sets {a, b, c, d (0 1 2 3) (0 1) (0)}, 1)");
  EXPECT_EQ(read("SELECT 1 FROM t GROUP BY a, b GROUPING SETS ((a), (b))"),
            "aggregate(table(t), sets {a, b (0) (1)}, 1)");
  EXPECT_EQ(read("SELECT 1 FROM t HAVING true"), "aggregate(table(t), by {}, 1, having true)");
}

TEST(PlanShape, Pipes) {
  EXPECT_EQ(read("FROM t |> WHERE a > 1 |> EXTEND a + 1 AS b |> DROP c |> AGGREGATE sum(b) GROUP "
                 "BY a |> ORDER BY a LIMIT 2"),
            "limit(sort(aggregate(drop_columns(project(filter(table(t), (a > 1)), *, (a + 1) as "
            "b), c), by {a}, sum(b)), a), 2)");
  EXPECT_EQ(
      read("FROM t |> AS x |> JOIN u USING (k) |> SET a = 1 |> UNION ALL TABLE v |> SELECT a"),
      "project(set(with_columns(join(alias(table(t), x), table(u), inner, using {k}), 1 as "
      "a), table(v), union all), a)");
}

TEST(PlanShape, Windows) {
  EXPECT_EQ(read_expression("sum(a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d DESC ROWS "
                            "BETWEEN 2 PRECEDING AND UNBOUNDED FOLLOWING)"),
            "sum(a) filter {b} over {by c; order d desc; rows -2..+inf}");
  EXPECT_EQ(read_expression("lag(a) IGNORE NULLS OVER w"), "lag(a) ignore nulls over {w}");
  EXPECT_EQ(read_expression("rank() OVER (ORDER BY a RANGE INTERVAL 1 DAY PRECEDING)"),
            "rank() over {order a; range INTERVAL '-1' DAY..0}");
  EXPECT_EQ(read("SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY b)"),
            "window(project(table(t), sum(a) over {w}), w = {by b})");
  EXPECT_EQ(read_expression("percentile_cont(0.5) WITHIN GROUP (ORDER BY a DESC)"),
            "percentile_cont(0.5BD) within {a desc}");
}

TEST(PlanShape, Subqueries) {
  EXPECT_EQ(read_expression("(SELECT 1) + 1"), "(scalar(project(one, 1)) + 1)");
  EXPECT_EQ(read_expression("((SELECT 1) + 1)"), "(scalar(project(one, 1)) + 1)");
  EXPECT_EQ(read_expression("(a, b) NOT IN (SELECT c, d FROM t)"),
            "not(in(a, b, project(table(t), c, d)))");
  EXPECT_EQ(read_expression("EXISTS (TABLE t)"), "exists(table(t))");
  EXPECT_EQ(read_expression("exists(a, x -> x > 1)"), "exists(a, (x) -> (x > 1))");
}

TEST(PlanShape, Expressions) {
  EXPECT_EQ(read_expression("a LIKE ALL ('x', 'y') AND b NOT ILIKE 'z' ESCAPE '!'"),
            "((like(a, 'x') and like(a, 'y')) and not(ilike(b, 'z', '!')))");
  EXPECT_EQ(read_expression("a IS NOT DISTINCT FROM b"), "(a <=> b)");
  EXPECT_EQ(read_expression("aggregate(l, 0, (s, x) -> s + x)"),
            "aggregate(l, 0, (s, x) -> (s + x))");
  EXPECT_EQ(read_expression("a.b[0]['k'].c::INT"), "cast(a.b[0]['k']['c'] as int)");
  EXPECT_EQ(read_expression("substring(a FROM 2 FOR 3)"), "substring(a, 2, 3)");
  EXPECT_EQ(read_expression("overlay(a PLACING 'x' FROM 2)"), "overlay(a, 'x', 2)");
  EXPECT_EQ(read_expression("position('x' IN a)"), "position('x', a)");
  EXPECT_EQ(read_expression("trim(LEADING 'x' FROM a)"), "ltrim('x', a)");
  EXPECT_EQ(read_expression("timestampadd(MONTH, 2, t)"), "timestampadd('MONTH', 2, t)");
  EXPECT_EQ(read_expression("date_add(d, 1)"), "date_add(d, 1)");
  EXPECT_EQ(read_expression("f(1, k => 2)"), "f(1, k => 2)");
  EXPECT_EQ(read_expression("struct(a AS x, b)"), "struct(a as x, b)");
  EXPECT_EQ(read_expression("explode(m) AS (k, v)"), "explode(m) as (k, v)");
  EXPECT_EQ(read_expression("CASE a WHEN 1 THEN 'x' ELSE 'y' END"), "when((a = 1), 'x', 'y')");
  EXPECT_EQ(read_expression(":p + ? - ?"), "((:p + ?0) - ?1)");
  EXPECT_EQ(read_expression("count(DISTINCT a, b)"), "count(distinct a, b)");
  EXPECT_EQ(read_expression("first(a IGNORE NULLS)"), "first(a) ignore nulls");
  EXPECT_EQ(read_expression("a = b IS NULL"), "isnull((a = b))");
  EXPECT_EQ(read_expression("NOT a = b AND c"), "(not((a = b)) and c)");
  EXPECT_EQ(read_expression("a >>> 1 | 2"), "((a >>> 1) | 2)");
}

TEST(PlanShape, Intervals) {
  EXPECT_EQ(read_expression("interval 1 day 2 hours"), read_expression("interval '1 day 2 hours'"));
  EXPECT_EQ(read_expression("interval '1-2' year to month"), "INTERVAL '1-2' YEAR TO MONTH");
  EXPECT_EQ(read_expression("interval 14 months"), "INTERVAL '14' MONTH");
  EXPECT_EQ(read_expression("interval 1 week 5 minutes"), "INTERVAL '7 00:05' DAY TO MINUTE");
  EXPECT_EQ(read_expression("interval '1 02:03:04.5' day to second"),
            read_expression("interval '1 day 2 hour 3 minute 4.5 second'"));
  EXPECT_THAT(read_expression("interval 1 month 1 day"),
              ::testing::HasSubstr("Cannot mix year-month and day-time fields"));
  EXPECT_THAT(read_expression("interval '1:2' day to hour"),
              ::testing::HasSubstr("UNMATCHED_FORMAT_STRING_WITH_NOTICE"));
  EXPECT_EQ(read_expression("interval"), "interval");
}

// Nearly every keyword names a column or a table where nothing else fits.
TEST(PlanShape, KeywordsAreNames) {
  EXPECT_EQ(read("SELECT offset, timestamp, date, order, group, limit FROM values WHERE end > 1"),
            "project(filter(table(values), (end > 1)), offset, timestamp, date, order, group, "
            "limit)");
  EXPECT_EQ(read("SELECT a from, b FROM t"), "project(table(t), a as from, b)");
  EXPECT_EQ(read("SELECT t.from, t.select FROM t"), "project(table(t), t.from, t.select)");
  EXPECT_EQ(read("SELECT a left FROM t"), "project(table(t), a as left)");
  EXPECT_EQ(read("FROM t filter"), "alias(table(t), filter)");
  EXPECT_EQ(read("SELECT 1a, 2024_01 FROM 1t"), "project(table(1t), 1a, 2024_01)");
  EXPECT_EQ(read("SELECT current_date, user FROM t"), "project(table(t), current_date(), user)");
}

TEST(PlanShape, Parameters) {
  ParseOptions options;
  options.named["n"] = parse_expression("5").value();
  options.named["t"] = parse_expression("'db.t'").value();
  EXPECT_EQ(plan_text(parse_plan("SELECT a FROM IDENTIFIER(:t) LIMIT :n", options).value()),
            "limit(project(table(db.t), a), 5)");
}

TEST(PlanShape, Errors) {
  const auto error_class = [](std::string_view text) {
    const auto made = parse_statement(text);
    return made.ok() ? std::string() : made.error().error_class();
  };
  EXPECT_EQ(error_class(""), "PARSE_EMPTY_STATEMENT");
  EXPECT_EQ(error_class("SELECT * FROM test-table"), "INVALID_IDENTIFIER");
  EXPECT_EQ(error_class("WITH a AS (SELECT 1), A AS (SELECT 2) SELECT 1"), "DUPLICATED_CTE_NAMES");
  EXPECT_EQ(error_class("CREATE TABLE t (a INT) COMMENT 'x' COMMENT 'y'"), "DUPLICATE_CLAUSES");
  EXPECT_EQ(error_class("SELCT 1"), "PARSE_SYNTAX_ERROR");
  EXPECT_EQ(error_class("SELECT 'a' COLLATE UTF8_LCASE"), "UNSUPPORTED_FEATURE");
  EXPECT_EQ(error_class("SELECT FOO 'x'"), "UNSUPPORTED_TYPED_LITERAL");
  const auto error = parse_statement("SELECT a FROM t GROUP a").error();
  EXPECT_EQ(error.sql_state(), "42601");
  ASSERT_FALSE(error.parameters().empty());
  EXPECT_EQ(error.parameters()[0].first, "error");
}

TEST(PlanShape, DeepTextIsAnError) {
  const auto repeat = [](const std::string& part, int times) {
    std::string made;
    for (int i = 0; i < times; ++i)
      made += part;
    return made;
  };
  EXPECT_FALSE(parse_plan(repeat("SELECT * FROM (", 3000) + "SELECT 1" + repeat(")", 3000)).ok());
  EXPECT_FALSE(parse_plan(repeat("(", 100000)).ok());
  EXPECT_FALSE(parse_plan("SELECT 1" + repeat(" UNION ALL SELECT 1", 3000)).ok());
  EXPECT_FALSE(parse_plan("SELECT " + repeat("CASE WHEN ", 3000)).ok());
  EXPECT_FALSE(parse_statement(repeat("EXPLAIN ", 3000) + "SELECT 1").ok());
  EXPECT_TRUE(parse_plan("SELECT 1" + repeat(" UNION ALL SELECT 1", 300)).ok());
}

}  // namespace
}  // namespace weir::sql
