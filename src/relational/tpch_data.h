// Tables of TPC-H's shape for tests: made by DuckDB, of the right types, keys and spreads, but not
// dbgen's values.
#pragma once

#include <string>
#include <vector>

namespace weir::relational::tpch {

struct Table {
  std::string name;
  std::string ddl;     // of our schema
  std::string select;  // makes the rows; {customers} … stand for row counts
};

inline std::vector<std::string> macros() {
  return {
      "CREATE MACRO rnd(i, salt, n) AS CAST(hash(i * 1000003 + salt) % n AS BIGINT)",
      "CREATE MACRO pick(l, i, salt) AS l[1 + rnd(i, salt, len(l))]",
      "CREATE MACRO money(i, salt, low, high) AS CAST((low + rnd(i, salt, high - low)) / 100.0 AS "
      "DECIMAL(12,2))",
      "CREATE MACRO words(i, salt) AS pick(['carefully', 'quickly', 'furiously', 'blithely', "
      "'slyly'], i, salt) || ' ' || pick(['special', 'pending', 'final', 'express', 'regular', "
      "'ironic', 'bold', 'even'], i, salt + 1) || ' ' || pick(['requests', 'deposits', 'accounts', "
      "'packages', 'ideas', 'foxes', 'theodolites', 'pinto beans'], i, salt + 2) || ' ' || "
      "pick(['sleep', 'haggle', 'nag', 'wake', 'cajole', 'detect'], i, salt + 3)",
      "CREATE MACRO phone(nation, i) AS CAST(10 + nation AS VARCHAR) || '-' || CAST(100 + rnd(i, "
      "71, 900) AS VARCHAR) || '-' || CAST(100 + rnd(i, 72, 900) AS VARCHAR) || '-' || CAST(1000 + "
      "rnd(i, 73, 9000) AS VARCHAR)",
      "CREATE MACRO retail(p) AS CAST((90000 + (p // 10) % 20001 + 100 * (p % 1000)) / 100.0 AS "
      "DECIMAL(12,2))",
      "CREATE MACRO supplier_of(p, k, suppliers) AS 1 + (p + k * (suppliers // 4 + (p - 1) // "
      "suppliers)) % suppliers"};
}

inline std::vector<Table> tables() {
  return {
      {"region", "r_regionkey BIGINT, r_name STRING, r_comment STRING",
       "SELECT i AS r_regionkey, ['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'][i + 1] AS "
       "r_name, words(i, 1) AS r_comment FROM range(5) t(i)"},
      {"nation", "n_nationkey BIGINT, n_name STRING, n_regionkey BIGINT, n_comment STRING",
       "SELECT i AS n_nationkey, ['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', "
       "'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN', 'IRAQ', 'JAPAN', 'JORDAN', 'KENYA', "
       "'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM', 'RUSSIA', "
       "'UNITED KINGDOM', 'UNITED STATES'][i + 1] AS n_name, CAST([0, 1, 1, 1, 4, 0, 3, 3, 2, 2, "
       "4, "
       "4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1][i + 1] AS BIGINT) AS n_regionkey, words(i, 5) AS "
       "n_comment FROM range(25) t(i)"},
      {"supplier",
       "s_suppkey BIGINT, s_name STRING, s_address STRING, s_nationkey BIGINT, s_phone STRING, "
       "s_acctbal DECIMAL(12,2), s_comment STRING",
       "SELECT i AS s_suppkey, 'Supplier#' || lpad(CAST(i AS VARCHAR), 9, '0') AS s_name, words(i, "
       "11) AS s_address, rnd(i, 12, 25) AS s_nationkey, phone(rnd(i, 12, 25), i) AS s_phone, "
       "money(i, 13, -99999, 999999) AS s_acctbal, CASE WHEN rnd(i, 14, 50) = 0 THEN 'sly Customer "
       "stays Complaints' ELSE words(i, 15) END AS s_comment FROM range(1, {suppliers} + 1) t(i)"},
      {"customer",
       "c_custkey BIGINT, c_name STRING, c_address STRING, c_nationkey BIGINT, c_phone STRING, "
       "c_acctbal DECIMAL(12,2), c_mktsegment STRING, c_comment STRING",
       "SELECT i AS c_custkey, 'Customer#' || lpad(CAST(i AS VARCHAR), 9, '0') AS c_name, words(i, "
       "21) AS c_address, rnd(i, 22, 25) AS c_nationkey, phone(rnd(i, 22, 25), i) AS c_phone, "
       "money(i, 23, -99999, 999999) AS c_acctbal, pick(['AUTOMOBILE', 'BUILDING', 'FURNITURE', "
       "'MACHINERY', 'HOUSEHOLD'], i, 24) AS c_mktsegment, words(i, 25) AS c_comment FROM range(1, "
       "{customers} + 1) t(i)"},
      {"part",
       "p_partkey BIGINT, p_name STRING, p_mfgr STRING, p_brand STRING, p_type STRING, p_size INT, "
       "p_container STRING, p_retailprice DECIMAL(12,2), p_comment STRING",
       "SELECT i AS p_partkey, pick(['almond', 'forest', 'green', 'blue', 'red', 'linen', "
       "'ivory'], "
       "i, 31) || ' ' || pick(['azure', 'green', 'khaki', 'peach', 'salmon', 'snow'], i, 32) || ' "
       "' "
       "|| pick(['tan', 'wheat', 'white', 'plum'], i, 33) AS p_name, 'Manufacturer#' || (1 + "
       "rnd(i, "
       "34, 5)) AS p_mfgr, 'Brand#' || (1 + rnd(i, 34, 5)) || (1 + rnd(i, 35, 5)) AS p_brand, "
       "pick(['STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO'], i, 36) || ' ' || "
       "pick(['ANODIZED', 'BURNISHED', 'PLATED', 'POLISHED', 'BRUSHED'], i, 37) || ' ' || "
       "pick(['TIN', 'NICKEL', 'BRASS', 'STEEL', 'COPPER'], i, 38) AS p_type, CAST(1 + rnd(i, 39, "
       "50) AS INTEGER) AS p_size, pick(['SM', 'LG', 'MED', 'JUMBO', 'WRAP'], i, 40) || ' ' || "
       "pick(['CASE', 'BOX', 'BAG', 'JAR', 'PKG', 'PACK', 'CAN', 'DRUM'], i, 41) AS p_container, "
       "retail(i) AS p_retailprice, words(i, 42) AS p_comment FROM range(1, {parts} + 1) t(i)"},
      {"partsupp",
       "ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INT, ps_supplycost DECIMAL(12,2), "
       "ps_comment STRING",
       "SELECT p AS ps_partkey, supplier_of(p, k, {suppliers}) AS ps_suppkey, CAST(1 + rnd(p * 4 + "
       "k, 51, 9999) AS INTEGER) AS ps_availqty, money(p * 4 + k, 52, 100, 100000) AS "
       "ps_supplycost, words(p * 4 + k, 53) AS ps_comment FROM range(1, {parts} + 1) t(p), "
       "range(4) "
       "u(k)"},
      {"orders",
       "o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus STRING, o_totalprice DECIMAL(12,2), "
       "o_orderdate DATE, o_orderpriority STRING, o_clerk STRING, o_shippriority INT, o_comment "
       "STRING",
       "SELECT i * 4 AS o_orderkey, 1 + 3 * rnd(i, 61, {customers} // 3) + rnd(i, 62, 2) AS "
       "o_custkey, pick(['O', 'F', 'F', 'P'], i, 63) AS o_orderstatus, money(i, 64, 85000, "
       "55000000) AS o_totalprice, CAST(DATE '1992-01-01' + CAST(rnd(i, 65, 2406) AS INTEGER) AS "
       "DATE) AS o_orderdate, pick(['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'], "
       "i, 66) AS o_orderpriority, 'Clerk#' || lpad(CAST(1 + rnd(i, 67, 1000) AS VARCHAR), 9, '0') "
       "AS o_clerk, 0 AS o_shippriority, words(i, 68) AS o_comment FROM range(1, {orders} + 1) "
       "t(i)"},
      {"lineitem",
       "l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INT, l_quantity "
       "DECIMAL(12,2), l_extendedprice DECIMAL(12,2), l_discount DECIMAL(12,2), l_tax "
       "DECIMAL(12,2), l_returnflag STRING, l_linestatus STRING, l_shipdate DATE, l_commitdate "
       "DATE, l_receiptdate DATE, l_shipinstruct STRING, l_shipmode STRING, l_comment STRING",
       "SELECT o * 4 AS l_orderkey, p AS l_partkey, supplier_of(p, rnd(n, 81, 4), {suppliers}) AS "
       "l_suppkey, CAST(k + 1 AS INTEGER) AS l_linenumber, CAST(q AS DECIMAL(12,2)) AS l_quantity, "
       "CAST(q * retail(p) AS DECIMAL(12,2)) AS l_extendedprice, CAST(rnd(n, 82, 11) / 100.0 AS "
       "DECIMAL(12,2)) AS l_discount, CAST(rnd(n, 83, 9) / 100.0 AS DECIMAL(12,2)) AS l_tax, CASE "
       "WHEN received <= DATE '1995-06-17' THEN pick(['R', 'A'], n, 84) ELSE 'N' END AS "
       "l_returnflag, CASE WHEN shipped > DATE '1995-06-17' THEN 'O' ELSE 'F' END AS l_linestatus, "
       "shipped AS l_shipdate, CAST(d + CAST(30 + rnd(n, 85, 61) AS INTEGER) AS DATE) AS "
       "l_commitdate, received AS l_receiptdate, pick(['DELIVER IN PERSON', 'COLLECT COD', 'NONE', "
       "'TAKE BACK RETURN'], n, 86) AS l_shipinstruct, pick(['REG AIR', 'AIR', 'RAIL', 'SHIP', "
       "'TRUCK', 'MAIL', 'FOB'], n, 87) AS l_shipmode, words(n, 88) AS l_comment FROM (SELECT *, "
       "CAST(shipped + CAST(1 + rnd(n, 91, 30) AS INTEGER) AS DATE) AS received FROM (SELECT o, k, "
       "o "
       "* 8 + k AS n, 1 + rnd(o * 8 + k, 92, {parts}) AS p, 1 + rnd(o * 8 + k, 93, 50) AS q, d, "
       "CAST(d + CAST(1 + rnd(o * 8 + k, 94, 121) AS INTEGER) AS DATE) AS shipped FROM (SELECT i "
       "AS o, CAST(DATE '1992-01-01' + CAST(rnd(i, 65, 2406) AS INTEGER) AS DATE) AS d FROM "
       "range(1, {orders} + 1) t(i)) x, range(7) y(k) WHERE k <= rnd(o, 95, 7)) z) w"}};
}

}  // namespace weir::relational::tpch
