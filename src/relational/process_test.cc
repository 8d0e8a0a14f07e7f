// The libraries that carry copies of one another's code, in one process: Arrow's re2, DuckDB's own
// re2, OpenSSL linked statically beside libparquet's, simdjson beside libparquet's. Where symbols
// clash this crashes or hangs.
#include <simdjson.h>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "columnar/arrow_types.h"
#include "relational/duck_engine.h"
#include "relational/steps.h"

namespace weir::relational {
namespace {

TEST(Process, RegexesOpenSslSimdjsonAndDuckDbTogether) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  auto engine = DuckEngine::open({}).value();
  for (int round = 0; round < 3; ++round) {
    arrow::StringBuilder builder;
    ASSERT_TRUE(builder.AppendValues({"abc", "xyz"}).ok());
    const arrow::compute::MatchSubstringOptions pattern("a.c$");
    const auto matched =
        arrow::compute::CallFunction("match_substring_regex", {*builder.Finish()}, &pattern)
            .ValueOrDie();
    EXPECT_EQ(matched.make_array()->ToString(), "[\n  true,\n  false\n]");

    auto schema = columnar::parse_ddl_schema("a BOOLEAN, b STRING").value();
    auto stream =
        engine
            ->run(
                "SELECT regexp_matches('abc', '^a.c$'), regexp_replace('a1b2', '[0-9]', '#', 'g')",
                one_row(), schema)
            .value();
    const auto batch = stream->next({}).value();
    EXPECT_EQ(batch->column(1)->ToString(), "[\n  \"a#b#\"\n]");

    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    ASSERT_EQ(EVP_Digest("abc", 3, digest, &length, EVP_sha256(), nullptr), 1);
    EXPECT_EQ(digest[0], 0xba);

    simdjson::dom::parser parser;
    int64_t value = 0;
    ASSERT_EQ(
        parser.parse(std::string_view(R"({"a":{"b":[1,42]}})")).at_pointer("/a/b/1").get(value),
        simdjson::SUCCESS);
    EXPECT_EQ(value, 42);
  }
}

}  // namespace
}  // namespace weir::relational
