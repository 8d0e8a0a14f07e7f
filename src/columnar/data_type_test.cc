#include "columnar/data_type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::columnar {
namespace {

DataType ddl(std::string_view text) {
  auto type = parse_ddl_schema(text);
  EXPECT_TRUE(type.ok()) << text << ": " << type.error().to_string();
  return type.ok() ? *type : DataType::structure({});
}

// JSON texts as Spark 4.2 gives them for StructType.fromDDL(...).json.
TEST(TypeJson, SparkTextsComeBackUnchanged) {
  for (
      const char* text : {
          R"json({"type":"struct","fields":[]})json",
          R"json({"type":"struct","fields":[{"name":"a","type":"integer","nullable":false,"metadata":{"comment":"x"}},{"name":"b c","type":{"type":"struct","fields":[{"name":"d","type":"string","nullable":true,"metadata":{}},{"name":"e","type":"decimal(10,2)","nullable":true,"metadata":{}}]},"nullable":true,"metadata":{}}]})json",
          R"json({"type":"array","elementType":"long","containsNull":false})json",
          R"json({"type":"map","keyType":"string","valueType":{"type":"array","elementType":"double","containsNull":true},"valueContainsNull":true})json",
          R"json("timestamp_ntz")json",
          R"json("interval day to second")json",
          R"json("interval year to month")json",
          R"json("void")json",
          R"json("varchar(7)")json",
      }) {
    auto type = parse_type_json_text(text);
    ASSERT_TRUE(type.ok()) << text << ": " << type.error().to_string();
    EXPECT_EQ(base::json_text(type->to_json()), text);
  }
}

TEST(TypeJson, ErrorsNameThePlace) {
  auto type = parse_type_json_text(
      R"json({"type":"struct","fields":[{"name":"a","type":"long"},{"name":"b","type":"lonk"}]})json");
  ASSERT_FALSE(type.ok());
  EXPECT_THAT(type.error().message(),
              testing::AllOf(testing::HasSubstr("fields[1]"), testing::HasSubstr("lonk")));
  EXPECT_EQ(parse_type_json_text(R"json("variant")json").error().kind(),
            base::ErrorKind::kUnsupported);
  EXPECT_FALSE(parse_type_json_text("{").ok());
  EXPECT_FALSE(parse_type_json_text("").ok());
  EXPECT_FALSE(parse_type_json_text(R"json("decimal(39,2)")json").ok());
  std::string deep;
  for (int i = 0; i < 5000; ++i)
    deep += R"json({"type":"array","elementType":)json";
  EXPECT_FALSE(parse_type_json_text(deep).ok());
}

TEST(TypeDdl, ColumnsAndAliases) {
  const DataType type =
      ddl("a INT NOT NULL COMMENT 'it\\'s', `b c` STRUCT<d: STRING, e DECIMAL(10, 2) NOT NULL>,m "
          "map<string,array<LONG>>");
  EXPECT_EQ(type.simple_string(),
            "struct<a:int,b c:struct<d:string,e:decimal(10,2)>,m:map<string,array<bigint>>>");
  EXPECT_EQ(schema_to_ddl(type),
            "a INT NOT NULL COMMENT 'it\\'s',`b c` STRUCT<d: STRING, e: DECIMAL(10,2) NOT NULL>,m "
            "MAP<STRING, ARRAY<BIGINT>>");
  EXPECT_FALSE(type.fields()[0].nullable);
  EXPECT_EQ(base::json_string(type.fields()[0].metadata, "comment"), "it's");
  EXPECT_TRUE(ddl(schema_to_ddl(type)) == type);
  EXPECT_EQ(ddl("a tinyint, b byte, c smallint, d short, e integer, f bigint, g real, h float, i "
                "double, j dec, k numeric(5), "
                "l timestamp_ltz, m timestamp_ntz, n date, o binary, p boolean, q char(3), r "
                "varchar(4), s void, "
                "t interval day to second, u interval month")
                .simple_string(),
            "struct<a:tinyint,b:tinyint,c:smallint,d:smallint,e:int,f:bigint,g:float,h:float,i:"
            "double,j:decimal(10,0),"
            "k:decimal(5,0),l:timestamp,m:timestamp_ntz,n:date,o:binary,p:boolean,q:char(3),r:"
            "varchar(4),s:void,"
            "t:interval day to second,u:interval month>");
  EXPECT_EQ(ddl("struct<a int>").simple_string(), "struct<a:int>");
  EXPECT_EQ(ddl("struct struct<struct: int>").simple_string(), "struct<struct:struct<struct:int>>");
  EXPECT_EQ(ddl("").fields().size(), 0u);
  EXPECT_EQ(ddl("date DATE, `x``y` int -- the end\n").simple_string(), "struct<date:date,x`y:int>");
}

TEST(TypeDdl, ErrorsNameThePosition) {
  EXPECT_THAT(parse_ddl_schema("a int, b lonk").error().message(),
              testing::HasSubstr("'lonk' at position 9"));
  EXPECT_THAT(parse_ddl_schema("a int b int").error().message(), testing::HasSubstr("position 6"));
  for (const char* text : {"a", "a int,", "a array<int", "a decimal(39)", "a decimal(5,6)",
                           "a char", "`a int", "a int not", "a int comment x", "1.5"}) {
    EXPECT_FALSE(parse_ddl_schema(text).ok()) << text;
  }
  EXPECT_EQ(parse_ddl_schema("a variant").error().kind(), base::ErrorKind::kUnsupported);
  EXPECT_EQ(parse_ddl_schema("a interval").error().kind(), base::ErrorKind::kUnsupported);
}

TEST(DataTypeTest, EqualityAndLookUp) {
  const DataType a = ddl("x int not null, Y string");
  const DataType b = ddl("x int, Y string");
  EXPECT_TRUE(a.same_type(b));
  EXPECT_FALSE(a == b);
  EXPECT_TRUE(a.as_nullable() == b);
  EXPECT_EQ(a.field_index("y"), -1);
  EXPECT_EQ(a.field_index_ignoring_case("y"), 1);
  EXPECT_EQ(ddl("y int, Y int").field_index_ignoring_case("y"), -2);
  EXPECT_EQ(ddl("a int not null").sql(), "STRUCT<a: INT NOT NULL>");
}

}  // namespace
}  // namespace weir::columnar
